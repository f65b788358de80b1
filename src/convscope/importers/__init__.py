"""Networks from where they are written: one table from the source's kind to its importer.

An importer is loaded only when a source of its kind is given.
"""

from __future__ import annotations

import importlib
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import UnsupportedError

if TYPE_CHECKING:
    from convscope.core.layer import Layer
    from convscope.rules.network import Network

# Suffix of a file -> module here whose `read_file(path)` reads it.
SUFFIXES: dict[str, str] = {".txt": "text", ".net": "text"}

_TEXT_START = re.compile(r"\s*(?:[^\s:]+\s*:\s*)?input\s", re.IGNORECASE)


def network(source: str | PathLike[str]) -> Network:
    r"""A network whose sizes are derived, read from a file or from text.

    Args:
        source: the path of a text file with one layer a line (``.txt`` or ``.net``), or that text
            itself: text has several lines or begins with ``input``.

    Raises:
        InputError: a file or text that cannot be read, led by line and column.
        ShapeError: layers whose sizes do not fit, led by the layer's name.
        UnsupportedError: a kind of source that is not known; the message lists those that are.

    >>> net = network("input 3x227x227\nconv1: conv 11x11, 96, stride 4")
    >>> net["conv1"].output_shape
    (96, 55, 55)
    """
    if isinstance(source, str) and ("\n" in source or _TEXT_START.match(source)):
        from convscope.importers.text import read_network

        return read_network(source)
    if not isinstance(source, str | PathLike):
        raise UnsupportedError(f"no network can be read from a {type(source).__name__}; {_known()}")
    path = Path(source)
    module = SUFFIXES.get(path.suffix.lower())
    if module is None:
        raise UnsupportedError(f"no network can be read from {str(source)[:80]!r}; {_known()}")
    importer = importlib.import_module(f"convscope.importers.{module}")
    found: Network = importer.read_file(path)
    return found


def layer(words: str) -> Layer:
    """The layer that one line describes, as a line of a network's text does, without a name.

    Raises:
        InputError: led by the column, counted from 1.

    >>> layer("maxpool 3x3, stride 2")
    MaxPool((3, 3), stride=2)
    """
    from convscope.importers.text import parse_layer

    return parse_layer(words)


def _known() -> str:
    return f"known: files ending in {', '.join(SUFFIXES)}, and text that begins with 'input 3x227x227'"
