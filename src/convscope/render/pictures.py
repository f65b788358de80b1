"""The pictures of a document as files: one place that names them, for every output that links to them."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator

from convscope.core.document import Document, Figure, Gallery, Picture
from convscope.errors import InputError
from convscope.render.gallery import figure_name

SUFFIX = ".png"
LONGEST_STEM = 80
PICTURE_RANKS = (2, 3)

# Names that Windows reads as devices, with any suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)\Z", re.IGNORECASE)


def picture_files(document: Document) -> dict[str, Picture]:
    """The pictures of a document under the file names that links to them use, in reading order.

    A figure's name becomes the file's name; the pictures of a figure that has several are
    numbered. Two figures of one name are told apart by a number, whatever the letters' case,
    and a picture shown twice is one file.
    """
    files: dict[str, Picture] = {}
    taken: set[str] = set()
    seen: set[Picture] = set()
    for picture, stem in _stems(document):
        if picture not in seen:
            seen.add(picture)
            files[_free_stem(stem, taken) + SUFFIX] = picture
    return files


def picture_names(document: Document) -> dict[Picture, str]:
    """From each picture to its file name: `picture_files` the other way round."""
    return {picture: name for name, picture in picture_files(document).items()}


def png_bytes(picture: Picture) -> bytes:
    """The picture as a PNG file's bytes, one pixel a pixel.

    Raises:
        InputError: pixels that are not 8-bit ``(H, W)`` or ``(H, W, 3)``, or that are none.
    """
    from PIL import Image  # late: most documents have no picture

    pixels = picture.pixels
    is_shaped = pixels.ndim in PICTURE_RANKS and pixels.shape[2:] in {(), (3,)}
    if not is_shaped or pixels.dtype != "uint8" or pixels.size == 0:
        raise InputError(
            f"a picture has shape {pixels.shape} and type {pixels.dtype}; "
            "it must be (H, W) or (H, W, 3) of uint8 and hold at least one pixel"
        )
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def safe_stem(name: str) -> str:
    """`name` with nothing in it that a file system, a link or LaTeX could read as more than a letter.

    >>> safe_stem("Före/efter: 50 %"), safe_stem("../../etc/passwd"), safe_stem("nul"), safe_stem("📷")
    ('Fore-efter-50', 'etc-passwd', 'picture-nul', 'picture')
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", ascii_name)[:LONGEST_STEM].strip("-")
    if not stem:
        return "picture"
    return f"picture-{stem}" if _DEVICES.match(stem) else stem


def _stems(document: Document) -> Iterator[tuple[Picture, str]]:
    for block in document.walk():
        if isinstance(block, Gallery):
            for number, group in enumerate(block.groups, start=1):
                yield group.overview, safe_stem(figure_name(block, number))
        elif isinstance(block, Figure):
            stem = safe_stem(block.name)
            several = len(block.pictures) > 1
            for number, picture in enumerate(block.pictures, start=1):
                yield picture, f"{stem}-{number}" if several else stem


def _free_stem(stem: str, taken: set[str]) -> str:
    free, number = stem, 1
    while free.lower() in taken:
        number += 1
        free = f"{stem}-{number}"
    taken.add(free.lower())
    return free
