"""What each method costs on this machine: a handful of measured rates, kept in the user's cache folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

import numpy as np

from convscope.engine.cache import read_facts, write_facts
from convscope.engine.fourier import tile_lengths
from convscope.engine.methods import BOX, DIRECT, FOURIER, Method
from convscope.engine.request import Request

FILE = "machine.json"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """What one thread does in a second, in float32; half of it in float64.

    Attributes:
        copy: bytes read and written by a large copy.
        dense: multiply-adds of a kernel without gaps.
        taps: multiply-adds of single taps.
        sums: additions of window sums, all that comes with them counted in.
        passes: cells of a second pass, whatever is added.
        transform: cells of a tile transformed there and back.
        cells: output cells loaded and written, whatever is added.
        call: seconds that a call takes before it computes.
    """

    copy: float = 2.0e10
    dense: float = 4.0e10
    taps: float = 2.0e10
    sums: float = 1.0e10
    passes: float = 1.0e10
    transform: float = 5.0e7
    cells: float = 3.0e9
    call: float = 7.0e-6


def read_machine() -> Machine | None:
    """The machine as measured before; None where nothing usable is kept."""
    facts = read_facts(FILE)
    if facts.get("version") != VERSION:
        return None
    found = {}
    for field in fields(Machine):
        number = facts.get(field.name)
        if not isinstance(number, float | int) or isinstance(number, bool) or not 0 < number < math.inf:
            return None
        found[field.name] = float(number)
    return Machine(**found)


def keep_machine(machine: Machine) -> None:
    """Keep it for the next process, and use it in this one."""
    write_facts(FILE, {"version": VERSION, **asdict(machine)})
    known_machine.cache_clear()
    _measured.append(machine)


_measured: list[Machine] = []


@lru_cache(maxsize=1)
def known_machine() -> Machine:
    """The machine as measured in this process or before, else typical figures."""
    return _measured[-1] if _measured else read_machine() or Machine()


def is_measured() -> bool:
    """True when the figures are this machine's own."""
    return bool(_measured) or read_machine() is not None


def moved_bytes(request: Request) -> int:
    """Bytes of the picture and of the result: what must pass through memory whatever the method."""
    height, width, channels = request.picture
    read = height * width * channels * np.dtype(request.source).itemsize
    return read + request.cells * np.dtype(request.result).itemsize


def operations(request: Request, method: Method) -> float:
    """Arithmetic of one kernel over the picture: multiply-adds, or additions of window sums."""
    cells = request.cells / max(request.kernels, 1)
    if method.name == FOURIER:
        high, wide = tile_lengths(request)
        steps = 2.5 * math.log2(high * wide)
        return transformed(request) * steps * 2
    return cells * request.stride[1] * method.operations


def _tile_rows(request: Request) -> int:
    """Rows of tiles, one above the other."""
    high = tile_lengths(request)[0] - request.extent[0] + 1
    return max(math.ceil(((request.out[0] - 1) * request.stride[0] + 1) / high), 1)


def transformed(request: Request) -> float:
    """Cells of all tiles that are transformed for one kernel."""
    (high, wide), ex, sx = tile_lengths(request), request.extent[1], request.stride[1]
    across = math.ceil(((request.out[1] - 1) * sx + 1) / (wide - ex + 1))
    return float(_tile_rows(request) * across * high * wide * request.picture[2])


def seconds(request: Request, method: Method, threads: int, machine: Machine) -> float:
    """The predicted time of one kernel over the picture."""
    wide = 1.0 if method.work == "float32" else 2.0
    cells = request.cells / max(request.kernels, 1)
    share = 1 / threads
    if method.name == FOURIER:
        computed = transformed(request) / machine.transform
        # A row of tiles is one thread's; the last ones may leave the others idle.
        rows = _tile_rows(request)
        share = math.ceil(rows / threads) / rows
    else:
        computed = cells * request.stride[1] / machine.cells
        computed += cells * request.stride[1] * _effort(request, method, machine)
    moved = moved_bytes(request) / machine.copy
    return machine.call + max(wide * computed * share, moved)


def _effort(request: Request, method: Method, machine: Machine) -> float:
    """Seconds of arithmetic for one cell of sums."""
    if method.name == DIRECT and method.taps is not None:
        dense = method.operations == method.taps.size and request.stride[0] == request.dilation[0] == 1
        return method.operations / (machine.dense if dense and method.taps.shape[0] > 1 else machine.taps)
    effort = 0.0
    for column, row in method.terms:
        for one, rate in ((column, (machine.dense + machine.taps) / 2), (row, machine.taps)):
            spent = one.additions_down if one is column else one.additions
            effort += spent / (machine.sums if one.runs else rate)
        if not (column.runs or row.runs):
            effort += 1 / machine.passes
    return effort


def totals(request: Request, methods: Sequence[Method]) -> float:
    """Arithmetic of all kernels."""
    return sum(operations(request, method) for method in methods)


__all__ = [
    "BOX",
    "Machine",
    "keep_machine",
    "known_machine",
    "moved_bytes",
    "operations",
    "read_machine",
    "seconds",
    "transformed",
]
