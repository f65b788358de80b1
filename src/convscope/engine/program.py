"""A plan written down for compiled code: one table of sizes, one of kernels, their weights and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.engine import layout as at
from convscope.engine.methods import DIRECT, Method, Pass
from convscope.engine.request import Request

BANDS = 6  # at least so many, where the picture is high enough
LINE = 64  # bytes of a cache line
MAX_ROWS = 4  # output rows of a block (`direct.MAX_ROWS`), which a tile may overshoot
TILE_BYTES = 400 * 1024  # of scratch memory a tile should stay within: well inside a second-level cache
# Of window sums, which need two rows of memory for one and are not slowed by the third-level cache.
WINDOW_BYTES = 1024 * 1024
MIN_TILE_WIDTH = 256  # numbers
# What a row of a tile costs beside its numbers, in bytes: window sums begin with vectors that are dropped.
TILE_ROW, WINDOW_ROW = 400, 1500
CACHE_BYTES = 2**20  # pictures larger than this come from farther away than a processor's own cache
STREAM_BYTES = 6 * 2**20  # results larger than this leave the cache before anyone reads them


@dataclass(frozen=True, slots=True)
class Strides:
    """Where the numbers of a picture and of its result lie, in bytes."""

    source: tuple[int, int, int]
    source_size: int
    result_row: int
    result_size: int
    result_kernel: int


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """All that a compiled function is told, apart from where the memory is."""

    family: str
    sizes: npt.NDArray[np.int64]
    job: npt.NDArray[np.int64]  # addresses of the tables
    tables: tuple[npt.NDArray[Any], ...]  # kept, since the job only holds their addresses
    scratch: int
    band: int
    first: int = 0  # the place in the stack of results of its first kernel


def job_of(
    sizes: npt.NDArray[np.int64], kernels: Sequence[Sequence[int]], terms: Sequence[Sequence[int]],
    factors: npt.NDArray[Any], weights: npt.NDArray[Any], offsets: Sequence[int],
    maps: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], fill: float,
) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...]]:  # fmt: skip
    """The table that leads to all others, and those."""
    whole = [np.array(one, dtype=np.int64) for one in (kernels, terms, offsets)]
    border = np.array([fill], dtype=weights.dtype)
    tables = (sizes, *whole, factors, weights, *maps, border)
    job = np.zeros(at.JOB_LENGTH, dtype=np.int64)
    places = (
        at.SIZES, at.KERNEL_TABLE, at.TERM_TABLE, at.OFFSETS, at.FACTORS, at.WEIGHTS, at.ROW_MAP,
        at.COLUMN_MAP, at.FILL,
    )  # fmt: skip
    for place, table in zip(places, tables, strict=True):
        job[place] = table.ctypes.data
    job[at.TERMS], job[at.OFFSET_COUNT], job[at.WEIGHT_COUNT] = len(terms), len(offsets), len(weights)
    job[at.WORK_SIZE] = weights.itemsize
    return job, tables


class _Tables:
    """Weights and offsets while they are collected."""

    def __init__(self, work: str) -> None:
        self.work = np.dtype(work)
        self.weights: list[float] = []
        self.offsets: list[int] = []

    def add_weights(self, numbers: Sequence[float]) -> int:
        """Where they begin in the table."""
        self.weights.extend(numbers)
        return len(self.weights) - len(numbers)

    def add_offsets(self, numbers: Sequence[int]) -> int:
        """Where they begin in the table."""
        self.offsets.extend(numbers)
        return len(self.offsets) - len(numbers)


def _odd_lines(size: int) -> int:
    """So many bytes, rounded up to an odd number of cache lines: rows then lie on different cache sets."""
    lines = -(-size // LINE)
    return (lines | 1) * LINE


def tile_shape(request: Request, size: int, buffers: int) -> tuple[int, int]:
    """Output rows and columns of a tile: as little border as fits the cache, wide before high."""
    (height, width), (sy, sx) = request.out, request.stride
    extent_y, extent_x = request.extent
    channels = request.picture[2]
    best = (float("inf"), 1, 1)
    # Equal parts of the width: thirds only of window sums, whose rows cost by themselves.
    parts = [n * 2**k for n in ((1, 3) if buffers else (1,)) for k in range(16)]
    parts = [n for n in parts if n == 1 or width * channels >= n * MIN_TILE_WIDTH]
    room, per_row = (WINDOW_BYTES, WINDOW_ROW) if buffers else (TILE_BYTES, TILE_ROW)
    # Several bands, or a second thread has nothing to do; few of a high kernel: each loads its border again.
    bands = BANDS if 3 * extent_y * BANDS <= height * sy else 2
    share = max(-(-height // bands), MAX_ROWS)
    share += -share % MAX_ROWS
    # Multiples of 16 pixels, so that every tile of a streamed result begins on a cache line.
    for wide in sorted({min(-(-width // n // 16) * 16, width) for n in parts}, reverse=True):
        row = ((wide - 1) * sx + extent_x) * channels * size
        rows = room // row
        high = (rows - extent_y) // (sy + (buffers if sy == 1 else 1)) if buffers else (rows - extent_y) // sy
        high = min(max(high, MAX_ROWS), height, share)
        high = max(high - high % MAX_ROWS, min(MAX_ROWS, height))
        used = row * ((high - 1) * sy + extent_y + buffers * high)
        load = ((high - 1) * sy + extent_y) / (high * sy) * (((wide - 1) * sx + extent_x) / (wide * sx))
        # Long rows keep the memory's prefetcher going; past the cache every byte is dear.
        cost = load * (1 + per_row / row) + max(used / room - 1, 0)
        if cost < best[0]:
            best = (cost, high, wide)
    return best[1], best[2]


def build(
    family: str, request: Request, methods: Sequence[Method], strides: Strides, address: int
) -> Program:
    """The program of the kernels of one family over one picture.

    A result is streamed past the caches only where its `address` and its steps are aligned.
    """
    from convscope.engine.simd import BLOCK_BYTES

    size = np.dtype(methods[0].work).itemsize
    most_terms = max((len(method.terms) for method in methods), default=0)
    whole = any(column.runs for method in methods for column, _ in method.terms)
    high, wide = tile_shape(request, size, most_terms if whole else 0)
    g = _sizes(request, methods, strides, (high, wide), size, BLOCK_BYTES, most_terms)
    g[at.GROUP] = high if whole else 6 if request.kernel[0] == 3 else MAX_ROWS
    same = request.stride[1] == 1 and methods[0].work == request.result
    g[at.SAME] = int(same)
    g[at.PLAIN] = int(same and all(method.factor == 1 for method in methods))
    g[at.STREAM] = int(_streams(request, strides, address, wide))
    tables = _Tables(methods[0].work)
    if family == DIRECT:
        kernels = [_direct_entry(tables, g, request, method) for method in methods]
        terms = [[0] * 10]
    else:
        kernels, terms = [], []  # a row of each for every kernel and for every term
        for method in methods:
            entry, rows = _term_entries(tables, g, request, method, len(terms))
            kernels.append(entry)
            terms += rows
    work = methods[0].work
    job, kept = job_of(
        g, kernels, terms, np.array([method.factor for method in methods], dtype=work),
        np.array(tables.weights or [0], dtype=work), tables.offsets or [0], request.maps(), request.value,
    )  # fmt: skip
    bands = -(-request.out[0] // high)
    return Program(family, g, job, kept, _scratch(g), high * max(1, bands // 16))


def _sizes(
    request: Request,
    methods: Sequence[Method],
    strides: Strides,
    tile: tuple[int, int],
    size: int,
    block: int,
    terms: int,
) -> npt.NDArray[np.int64]:
    (high, wide), (sy, sx) = tile, request.stride
    extent_y, extent_x = request.extent
    channels = request.picture[2]
    g = np.zeros(at.LENGTH, dtype=np.int64)
    g[at.SRC_ROW], g[at.SRC_PIXEL], g[at.SRC_CHANNEL] = strides.source
    if channels == 1:
        # The step along an axis of one cell may be anything, and must not hide that rows lie in one piece.
        g[at.SRC_CHANNEL] = strides.source_size
    g[at.SRC_SIZE], g[at.CHANNELS], g[at.WIDTH] = strides.source_size, channels, request.picture[1]
    g[at.PAD_LEFT] = request.before[1]
    g[at.MAPPED_ROWS] = request.picture[0] + request.before[0] + request.after[0]
    g[at.OUT_WIDTH] = request.out[1]
    g[at.STEP_Y], g[at.STEP_X] = sy, sx
    g[at.FIRST_ROW] = request.first_row
    g[at.AHEAD] = int(request.picture[0] * strides.source[0] > CACHE_BYTES)
    g[at.ALIKE] = int(request.border in {"zero", "constant"})
    g[at.EXTENT_Y], g[at.EXTENT_X] = extent_y, extent_x
    g[at.DST_ROW], g[at.DST_KERNEL], g[at.DST_SIZE] = (
        strides.result_row, strides.result_kernel, strides.result_size,
    )  # fmt: skip
    g[at.TILE_HEIGHT], g[at.TILE_WIDTH], g[at.KERNELS] = high, wide, len(methods)
    g[at.TAP_STEP] = request.dilation[1] * channels * size
    row = _odd_lines(((wide - 1) * sx + extent_x) * channels * size + 5 * block)
    loaded = (high - 1 + MAX_ROWS) * sy + extent_y + MAX_ROWS
    g[at.SCRATCH_ROW] = g[at.SUMS_ROW] = g[at.MIDDLE_ROW] = row
    g[at.SUMS_AT] = (loaded + 1) * row
    g[at.MIDDLE_AT] = g[at.SUMS_AT] + MAX_ROWS * row
    g[at.MIDDLE_TERM] = (high + MAX_ROWS) * row
    g[at.COLUMN_AT] = g[at.MIDDLE_AT] + terms * g[at.MIDDLE_TERM]
    g[at.LINE_AT] = g[at.COLUMN_AT] + ((2 * high + extent_y + 2) * block if terms else 0)
    # A row of window sums reaches as far again as the longest window.
    g[at.LOW_AT] = g[at.LINE_AT] + row + _odd_lines(extent_x * channels * size + 4 * block)
    return g


def _scratch(g: npt.NDArray[np.int64]) -> int:
    line = g[at.LOW_AT] - g[at.LINE_AT]
    return int(g[at.LOW_AT] + 2 * line)


def _streams(request: Request, strides: Strides, address: int, wide: int) -> bool:
    steps = (
        address,
        strides.result_row,
        strides.result_kernel,
        wide * request.picture[2] * strides.result_size,
    )
    large = request.out[0] * strides.result_row > STREAM_BYTES
    return large and all(step % LINE == 0 for step in steps)


def _direct_entry(tables: _Tables, g: npt.NDArray[np.int64], request: Request, method: Method) -> list[int]:
    taps = method.taps
    assert taps is not None  # noqa: S101 - a direct method has its taps; a fault here is ours
    kh, kw = taps.shape
    dense = np.count_nonzero(taps) == taps.size and request.stride[0] == 1 and request.dilation[0] == 1
    divides = int(method.divides)
    if dense and kh > 1:
        start = tables.add_weights(taps.T.reshape(-1).tolist())
        return [at.DENSE, min(kh, MAX_ROWS), kh, kw, start, 0, 0, divides]
    rows, columns = np.nonzero(taps)
    steps = rows * request.dilation[0] * g[at.SCRATCH_ROW] + columns * g[at.TAP_STEP]
    start = tables.add_weights(taps[rows, columns].tolist())
    place = tables.add_offsets([int(step) for step in steps])
    return [at.TAPS, 2, kh, kw, start, place, len(rows), divides]


def _term_entries(
    tables: _Tables, g: npt.NDArray[np.int64], request: Request, method: Method, first: int
) -> tuple[list[int], list[list[int]]]:
    rows = []
    across: list[tuple[int, float]] = []
    runs = 0
    for number, (column, row) in enumerate(method.terms):
        term = _vertical(tables, g, request, column)
        if row.runs:
            runs += 1
            place, start = _runs(tables, row, int(g[at.TAP_STEP]))
            term += [at.RUNS, len(row.runs), place, start]
        else:
            base = number * int(g[at.MIDDLE_TERM])
            across += [(base + i * int(g[at.TAP_STEP]), tap) for i, tap in enumerate(row.taps) if tap]
            term += [at.TAPS, 0, 0, 0]
        rows.append(term)
    place = tables.add_offsets([offset for offset, _ in across])
    start = tables.add_weights([tap for _, tap in across])
    return [first, len(rows), place, len(across), runs, start, int(method.divides), int(g[at.GROUP])], rows


def _vertical(tables: _Tables, g: npt.NDArray[np.int64], request: Request, column: Pass) -> list[int]:
    row = int(g[at.SCRATCH_ROW])
    if column.runs:
        place, start = _runs(tables, column, row)
        return [at.RUNS, 1, 0, len(column.runs), start, place]
    taps = column.taps
    dense = all(taps) and request.stride[0] == 1 and request.dilation[0] == 1
    if dense:
        return [at.DENSE, min(len(taps), MAX_ROWS), len(taps), 0, tables.add_weights(taps), 0]
    places = [i * request.dilation[0] * row for i, tap in enumerate(taps) if tap]
    start = tables.add_weights([tap for tap in taps if tap])
    return [at.TAPS, 2, 0, len(places), start, tables.add_offsets(places)]


def _runs(tables: _Tables, one: Pass, unit: int) -> tuple[int, int]:
    place = tables.add_offsets([n for start, length, _ in one.runs for n in (start * unit, length)])
    return place, tables.add_weights([value for _, _, value in one.runs])
