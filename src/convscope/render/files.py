"""Documents as files: one table from format to renderer, and files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from convscope.core.document import Document
from convscope.errors import InputError, nearest_name
from convscope.render.literal import visible_line
from convscope.render.pictures import picture_files, png_bytes

TEXT_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    Attributes:
        suffixes: the endings that name it, the usual one first.
        render: from a document and a number of digits to the file's content.
        has_linked_pictures: True when the file names its pictures, so that they must lie beside it.
    """

    suffixes: tuple[str, ...]
    render: Callable[[Document, int], str | bytes]
    has_linked_pictures: bool = False

    @property
    def suffix(self) -> str:
        """The usual ending."""
        return self.suffixes[0]


# Each renderer is imported when it is asked for: a user of Markdown needs none of what PDF needs.
def _markdown(document: Document, digits: int) -> str:
    from convscope.render.markdown import to_markdown

    return to_markdown(document, digits=digits)


def _latex(document: Document, digits: int) -> str:
    from convscope.render.latex import to_latex

    return to_latex(document, digits=digits)


def _html(document: Document, digits: int) -> str:
    from convscope.render.html import to_html

    return to_html(document, digits=digits)


def _pdf(document: Document, digits: int) -> bytes:
    from convscope.render.pdf import to_pdf

    return to_pdf(document, digits=digits)


def _text(document: Document, digits: int) -> str:
    from convscope.render.terminal import to_text

    return to_text(document, digits=digits, width=TEXT_WIDTH)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "md": Format((".md", ".markdown"), _markdown, has_linked_pictures=True),
        "tex": Format((".tex",), _latex, has_linked_pictures=True),
        "html": Format((".html", ".htm"), _html),
        "pdf": Format((".pdf",), _pdf),
        "txt": Format((".txt",), _text),
    }
)


def format_of(path: Path, also: Sequence[str] = ()) -> str:
    """The name of the format that the path's suffix stands for.

    Args:
        path: the file to be written.
        also: suffixes that the caller writes itself, for the message.

    Raises:
        InputError: a suffix that stands for none; the message lists those that do.

    >>> format_of(Path("solution.htm"))
    'html'
    """
    suffix = path.suffix.lower()
    names = {known: name for name, kind in FORMATS.items() for known in kind.suffixes}
    if suffix not in names:
        given = f"'{visible_line(path.suffix)}'" if path.suffix else "no suffix"
        raise InputError(f"'{visible_line(str(path))}' has {given}: {nearest_name(suffix, [*also, *names])}")
    return names[suffix]


def write_document(
    document: Document,
    path: Path,
    *,
    format: str | None = None,  # noqa: A002  # the word that fits, and never the built-in here
    digits: int,
) -> Path:
    """Write the document as the format says, or the path's suffix, and return the path.

    Everything is rendered before anything is written; linked pictures are written first, the
    document last, so that a document that exists is complete.

    Raises:
        InputError: an unknown format, or a file that cannot be written.
        MissingExtraError: the format needs an extra that is not installed.
    """
    path = Path(path)
    name = format_of(path) if format is None else format
    if name not in FORMATS:
        raise InputError(f"unknown format '{visible_line(name)}': {nearest_name(name, FORMATS)}")
    kind = FORMATS[name]
    content = kind.render(document, digits)
    pictures = picture_files(document) if kind.has_linked_pictures else {}
    files = {picture_name: png_bytes(picture) for picture_name, picture in pictures.items()}
    for picture_name, data in files.items():
        write_whole(path.parent / picture_name, data)
    return write_whole(path, content)


def write_whole(path: Path, content: bytes | str) -> Path:
    """Write a file so that it appears whole or not at all, and return its path.

    The content goes to a temporary file in the same folder, which then takes the file's name in
    one step. An interrupted run leaves the old file, or none. Text is UTF-8.

    Raises:
        InputError: a missing folder, a path that is no plain file, no permission, a full disk.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        # A link stays a link: what it points to is written.
        target = Path(os.path.realpath(path))
        _require_writable(target)
        _replace(target, data)
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write '{visible_line(str(path))}': {reason.lower()}") from None
    except ValueError as error:  # a path that no system takes: one with a NUL in it
        raise InputError(f"cannot write '{visible_line(str(path))}': {error}") from None
    return path


def _require_writable(target: Path) -> None:
    shown, folder = visible_line(str(target)), target.parent
    if target.is_dir():
        raise InputError(f"cannot write '{shown}': it is a folder")
    if not folder.is_dir():
        raise InputError(f"cannot write '{shown}': the folder '{visible_line(str(folder))}' does not exist")
    if target.exists() and not target.is_file():
        raise InputError(f"cannot write '{shown}': it is no plain file")
    # To replace a file only its folder must be writable, but a file that is write-protected is so on purpose.
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"cannot write '{shown}': it is write-protected")


def _replace(target: Path, data: bytes) -> None:
    temporary = target.parent / f".convscope-{secrets.token_hex(8)}.part"
    try:
        # Opened this way, and not by `tempfile`, the file has the permissions any new file has.
        with temporary.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
