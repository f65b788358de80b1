"""ONNX files larger than memory likes: copied without the numbers of their weights.

A protobuf message is a row of fields; a field that holds another message tells its length first.
So everything large can be stepped over unread: the file is mapped, and only the pages that hold
names, lengths of axes and small constants are ever touched.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from convscope.errors import InputError

# A message no longer than this is copied whole.
SMALL = 4096
MAX_DEPTH = 64
# One message has no more fields than this; a file made of nothing but tiny ones would take hours.
MAX_FIELDS = 2_000_000

# For each message: the number of a field that holds a message -> that message's kind.
_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
# The fields of a tensor that hold its numbers: float, int32, string, int64, raw, double, uint64.
_NUMBERS = frozenset({4, 5, 6, 7, 9, 10, 11})


def without_numbers(path: Path, most_nodes: int) -> bytes:
    """The model in the file without the numbers of its large arrays, as ONNX's own parser takes it.

    Args:
        path: the file.
        most_nodes: a graph of more nodes is refused before any is parsed.

    Raises:
        InputError: a file that is not whole, or holds too many nodes.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return b"".join(_stripped(mapped, 0, len(mapped), "model", most_nodes))
    except IndexError:
        raise InputError("the file ends in the middle of a field") from None


def message_at(path: Path, steps: Sequence[tuple[int, int]]) -> bytes:
    """One message of the model in the file, such as a tensor with its numbers.

    Args:
        path: the file.
        steps: the way there: the number of a field, and which of the fields of that number it is.

    Raises:
        InputError: a file that is not whole, or has no such message.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        start, end = 0, len(mapped)
        for wanted, place in steps:
            found = (
                span for number, wire, *span in _fields(mapped, start, end) if (number, wire) == (wanted, 2)
            )
            span = next(islice(found, place, None), None)
            if span is None:
                raise InputError("the file has changed, or is not whole")
            _, start, end = span
        return mapped[start:end]


def _stripped(data: mmap.mmap, start: int, end: int, kind: str, most: int, depth: int = 0) -> Iterator[bytes]:
    """The pieces of a message, large arrays left out."""
    if depth > MAX_DEPTH:
        raise InputError(f"messages lie more than {MAX_DEPTH} deep in each other")
    within, nodes = _WITHIN[kind], 0
    for count, (number, wire, begin, content, stop) in enumerate(_fields(data, start, end)):
        if count > MAX_FIELDS:
            raise InputError(f"a message has more than {MAX_FIELDS} fields")
        if kind == "tensor" and number in _NUMBERS and stop - content > SMALL:
            continue
        inner = within.get(number) if wire == 2 else None
        nodes += inner == "node"
        if nodes > most:
            raise InputError(f"the graph has more than {most} nodes")
        if inner is None or stop - content <= SMALL:
            yield data[begin:stop]
            continue
        pieces = b"".join(_stripped(data, content, stop, inner, most, depth + 1))
        yield _varint(number << 3 | 2) + _varint(len(pieces)) + pieces


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Number and wire type of each field, and where it, its content and the next one begin."""
    place = start
    while place < end:
        begin = place
        tag, place = _read_varint(data, place, end)
        number, wire = tag >> 3, tag & 7
        content = place
        if wire == 2:
            length, content = _read_varint(data, place, end)
            place = content + length
        elif wire == 0:
            _, place = _read_varint(data, place, end)
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        else:
            raise InputError(f"byte {begin + 1} begins no field of an ONNX model")
        if place > end:
            raise InputError(f"the field at byte {begin + 1} is longer than the file")
        yield number, wire, begin, content, place


def _read_varint(data: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        if place >= end or shift > 63:
            raise InputError(f"the number at byte {place + 1} does not end")
        byte = data[place]
        place += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, place
        shift += 7


def _varint(value: int) -> bytes:
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)
