"""A network written as text, one layer a line; `docs/network_text.md` has the grammar.

Reading is in three parts: a line becomes tokens and they a statement by the table in `text_words`
(`text_line`); the statements become layers once every name is known, blocks written out (`text_scope`,
`text_blocks`); the layers become a graph.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.core.layer import Layer
from convscope.core.network import MAX_NODES, Graph, Input
from convscope.errors import ConvscopeError, InputError
from convscope.importers.text_line import LineReader, short
from convscope.importers.text_scope import NAMED, Line, Reader
from convscope.importers.text_words import Entry
from convscope.rules.network import Network

MAX_LINES = MAX_NODES + 10_000  # room for inputs and comments
MAX_BYTES = 16_000_000


def read_network(text: str, name: str = "") -> Network:
    r"""The network that the text describes.

    Args:
        text: one layer a line.
        name: what the network is called.

    Raises:
        InputError: led by line and column, counted from 1; sizes that do not fit are led by the
            layer's name.

    >>> read_network("input 3x32x32\nconv 5x5, 6\nmaxpool 2")["pool1"].output_shape
    (6, 14, 14)
    """
    with _collection_paused():
        graph = read_graph(text, name)
        if graph.variables:
            from convscope.rules.symbolic import SymbolicNetwork

            return SymbolicNetwork(graph)
        return Network(graph)


@contextmanager
def _collection_paused() -> Iterator[None]:
    """No search for circles of garbage meanwhile: all that is made here stays, and there is much of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_file(path: Path) -> Network:
    """The network that a text file describes, called by the file's name.

    Raises:
        InputError: a file that cannot be read, or its first mistake, led by path, line and column.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)  # no more, however large the file is
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        told = getattr(error, "strerror", None) or "it cannot be read"
        raise InputError(f"{path}: {told}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: the file is larger than {MAX_BYTES} bytes")
    try:
        return read_network(content.decode("utf-8-sig"), path.stem)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8 text") from None
    except ConvscopeError as error:
        raise error.within(str(path)) from None


def parse_layer(words: str) -> Layer:
    """The layer that one line describes, without a name: ``"maxpool 3x3, stride 2"``.

    Raises:
        InputError: led by the column, counted from 1.

    >>> parse_layer("maxpool 3x3, stride 2, ceil")
    MaxPool((3, 3), stride=2, ceil_mode=True)
    """
    if not isinstance(words, str):
        raise InputError(f"a layer is written as text such as 'maxpool 2', got {type(words).__name__}")
    if "\n" in words.strip():
        raise InputError("there are several lines; a layer is written on one")
    statement = None if NAMED.match(words) else LineReader(words.rstrip()).statement()
    if (
        statement is None
        or not isinstance(statement.built, Layer)
        or statement.sources
        or statement.count > 1
    ):
        raise InputError(
            f"'{short(words)}' is not a layer on its own; write a word and its options, such as 'maxpool 2'"
        )
    return statement.built


def read_graph(text: str, name: str = "") -> Graph:
    """The graph that the text describes; no size is worked out yet.

    Raises:
        InputError: led by line and column.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"the text has {len(text)} characters; at most {MAX_BYTES} are read")
    written = sum(bool(line.strip()) for line in text.split("\n"))
    if written > MAX_LINES:
        raise InputError(f"the text has {written} lines that are not empty; at most {MAX_LINES} are read")
    reader = Reader()
    scope = reader.whole(text)
    inputs = tuple(
        _input(line, names[0])
        for line, names in zip(scope.lines, scope.names, strict=True)
        if isinstance(line.statement.built, Entry)
    )
    reader.write_out(scope)
    return Graph(inputs, tuple(reader.nodes), name=name)


def _input(line: Line, name: str) -> Input:
    entry = line.statement.built
    assert isinstance(entry, Entry)  # noqa: S101 - asked by the caller
    if line.statement.sources:
        raise line.error("an input reads nothing", line.statement.sources[0].column)
    try:
        return Input(name, entry.shape, batch=entry.batch)  # type: ignore[arg-type]  # letters are lengths
    except ConvscopeError as error:
        raise line.error(str(error)) from None
