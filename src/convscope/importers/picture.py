"""Picture files read as exact 8-bit values, upright and without transparency."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError

MAX_PIXELS = 2**24
MAX_FILE_BYTES = 2**26
# Formats of pixels; nothing that runs a program (EPS) or draws by instructions (WMF).
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag (EXIF 2.32, section 4.6.4)
OPAQUE = 255
LONGEST_QUOTED = 60

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture read from a file: ``(H, W)`` grey or ``(H, W, 3)`` colour, and what was done to read it.

    Attributes:
        pixels: 8-bit values.
        name: the path as it was written.
        notes: sentences, each without its full stop: turned upright, laid on white.
    """

    pixels: Pixels
    name: str
    notes: tuple[str, ...] = ()

    def channels(self) -> tuple[Pixels, ...]:
        """The picture channel by channel, each ``(H, W)``."""
        if self.pixels.ndim == 2:
            return (self.pixels,)
        return tuple(self.pixels[:, :, channel] for channel in range(self.pixels.shape[2]))


def read_picture(path: str | PathLike[str], name: str | None = None) -> Photograph:
    """Read a picture of 8-bit values, upright as its EXIF orientation says.

    Args:
        path: of a PNG, JPEG, BMP, GIF, PPM, TIFF or WebP file.
        name: what messages call it; the path when not given.

    Raises:
        InputError: not a picture that can be read, too large, or more than 8 bits a value.
    """
    from PIL import Image, ImageOps  # late: most commands read no picture

    path = Path(path)
    name = str(path) if name is None else name
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"'{_quoted(name)}' is larger than {MAX_FILE_BYTES} bytes")
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a picture that may be a bomb
            with Image.open(path, formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise InputError(
                        f"'{_quoted(name)}' has {width}×{height} pixels; up to {MAX_PIXELS} are read"
                    )
                if opened.getexif().get(ORIENTATION, 1) != 1:
                    notes.append("turned upright as its EXIF orientation says")
                pixels = _eight_bits(ImageOps.exif_transpose(opened), name, notes)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError) as error:
        raise InputError(
            f"'{_quoted(name)}' is not a picture that can be read: {_quoted(str(error))}"
        ) from None
    return Photograph(pixels, name, tuple(notes))


def _eight_bits(picture: object, name: str, notes: list[str]) -> Pixels:
    from PIL import Image

    assert isinstance(picture, Image.Image)  # noqa: S101 - Pillow is imported late, so the type is
    if picture.mode.startswith(("I", "F")):
        raise InputError(
            f"'{_quoted(name)}' has more than 8 bits a value (mode {picture.mode}); "
            "8-bit grey and colour pictures are read"
        )
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        if with_alpha.getchannel("A").getextrema() != (OPAQUE, OPAQUE):
            notes.append("laid on white where it was transparent")
        paper = Image.new("RGBA", with_alpha.size, "white")
        flat = Image.alpha_composite(paper, with_alpha)
        picture = flat.convert("L" if picture.mode == "LA" else "RGB")
    mode = "L" if picture.mode in {"1", "L"} else "RGB"
    return np.array(picture.convert(mode), dtype=np.uint8)


def _quoted(written: str) -> str:
    """What was written, on one line and short enough for a message."""
    line = " ".join(written.split())
    return line if len(line) <= LONGEST_QUOTED else line[: LONGEST_QUOTED - 1] + "…"
