"""A problem file's text: found, bounded, decoded, and its front matter told from its body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from convscope.errors import InputError
from convscope.problems.tree import MAX_BYTES

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_NAME = "<text>"

_FRONT_MATTER = re.compile(
    r"(?P<open>---[ \t]*\n)(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)(?P<body>.*)\Z",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Source:
    """The parts of a problem file.

    Attributes:
        name: what messages call it.
        folder: what paths in it are relative to.
        yaml: the YAML, its first line being line 1 of the file.
        body: the Markdown after the front matter; empty for a YAML file.
    """

    name: str
    folder: Path
    yaml: str
    body: str = ""


def read_source(source: str | PathLike[str], folder: str | PathLike[str] | None = None) -> Source:
    """The file at a path, or the text itself when it has several lines.

    Raises:
        InputError: no such file, too large, not UTF-8, or Markdown without front matter.
    """
    if isinstance(source, str) and "\n" in source:
        base = Path(folder) if folder is not None else Path()
        return _split(source.removeprefix("\ufeff"), TEXT_NAME, base, needs_front_matter=False)
    path = Path(fspath(source))
    content = _bounded(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8 text") from None
    base = Path(folder) if folder is not None else path.parent
    return _split(text, str(path), base, needs_front_matter=path.suffix.lower() in MARKDOWN_SUFFIXES)


def _bounded(path: Path) -> bytes:
    """The file's bytes, refused before they are read when they are too many."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes are too many; up to {MAX_BYTES} are read")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # a device or a pipe has no size to look at
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"the path {str(path)!r} cannot be opened: {error}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} bytes; up to so many are read")
    return content


def _split(text: str, name: str, folder: Path, *, needs_front_matter: bool) -> Source:
    text = text.replace("\r\n", "\n")
    found = _FRONT_MATTER.match(text)
    if found and (needs_front_matter or found["body"].strip()):
        # The opening line stays as an empty one, so that lines keep their numbers.
        return Source(name, folder, "\n" + found["yaml"], found["body"])
    if needs_front_matter:
        raise InputError(
            f"{name}:1: a Markdown problem file begins with front matter: "
            "a line '---', the problems as YAML, and a line '---'"
        )
    return Source(name, folder, text)
