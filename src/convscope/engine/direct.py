"""Direct: every output cell adds its taps, several rows and vectors of cells at a time.

Error: a cell of n taps is within γ = n·u/(1 − n·u) of Σ|weight·pixel|, where u is 2⁻²⁴ in float32
and 2⁻⁵³ in float64, plus one rounding of each weight; integer sums that fit the working type are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from convscope.engine.compiling import compiled
from convscope.engine.lanes import finish_row, peek
from convscope.engine.layout import (
    CHANNELS,
    COLUMN_MAP,
    DENSE,
    DST_KERNEL,
    DST_ROW,
    DST_SIZE,
    EXTENT_X,
    EXTENT_Y,
    FACTORS,
    FILL,
    JOB_LENGTH,
    KERNEL_TABLE,
    KERNEL_WORDS,
    KERNELS,
    LENGTH,
    OFFSETS,
    OUT_WIDTH,
    PLAIN,
    ROW_MAP,
    SCRATCH_ROW,
    SIZES,
    STEP_X,
    STEP_Y,
    STREAM,
    SUMS_AT,
    SUMS_ROW,
    TAP_STEP,
    TILE_HEIGHT,
    TILE_WIDTH,
    WEIGHTS,
    WORK_SIZE,
)
from convscope.engine.memory import pointer
from convscope.engine.simd import BLOCK_BYTES, dense_block, fence, taps_block
from convscope.engine.tiles import aligned_shift, fetch_rows, load_tile, next_tile, write_sums

dense_1, dense_2, dense_3, dense_4 = (dense_block(rows) for rows in (1, 2, 3, 4))
taps_2 = taps_block(2)
MAX_ROWS = 4  # output rows of a block


@compiled
def dense_rows(
    work: Any,
    rows: int,
    src: int,
    row_step: int,
    weights: int,
    kh: int,
    kw: int,
    tap_step: int,
    out: int,
    out_step: int,
    blocks: int,
    stream: int,
) -> None:
    """`rows` output rows (1 to 4, at most kh), block after block."""
    for i in range(blocks):
        shift = i * BLOCK_BYTES
        if rows == 4:
            dense_4(work, src + shift, row_step, weights, kh, kw, tap_step, out + shift, out_step, stream)
        elif rows == 3:
            dense_3(work, src + shift, row_step, weights, kh, kw, tap_step, out + shift, out_step, stream)
        elif rows == 2:
            dense_2(work, src + shift, row_step, weights, kh, kw, tap_step, out + shift, out_step, stream)
        else:
            dense_1(work, src + shift, row_step, weights, kh, kw, tap_step, out + shift, out_step, stream)


@compiled
def tap_rows(
    work: Any,
    src: int,
    src_step: int,
    offsets: int,
    weights: int,
    count: int,
    out: int,
    out_step: int,
    blocks: int,
    stream: int,
) -> None:
    """Two output rows from a list of taps, block after block."""
    for i in range(blocks):
        shift = i * BLOCK_BYTES
        taps_2(work, src + shift, src_step, offsets, weights, count, out + shift, out_step, stream)


@compiled
def direct_tile(
    work: Any,
    result: Any,
    g: Any,
    entry: Any,
    factor: Any,
    weights: int,
    offsets: int,
    tile: int,
    sums: int,
    dst: int,
    height: int,
    width: int,
    size: int,
    ahead: int,
) -> None:
    """One kernel over one loaded tile; `dst` is where its first result goes."""
    method, rows, kh, kw = entry[0], entry[1], entry[2], entry[3]
    weights += entry[4] * size
    offsets += entry[5] * 8
    count = ((width - 1) * g[STEP_X] + 1) * g[CHANNELS]
    blocks = (count * size + BLOCK_BYTES - 1) // BLOCK_BYTES
    whole = count * size // BLOCK_BYTES
    step = g[STEP_Y] * g[SCRATCH_ROW]
    for y in range(0, height, rows):
        fetch_rows(g, ahead, y, min(rows, height - y), height)
        src = tile + y * step
        out = dst + y * g[DST_ROW]
        straight = whole if g[PLAIN] == 1 and y + rows <= height else 0
        shift = straight * BLOCK_BYTES
        if method == DENSE:
            if straight:
                dense_rows(
                    work, rows, src, step, weights, kh, kw, g[TAP_STEP], out, g[DST_ROW], straight, g[STREAM]
                )
            if straight < blocks:
                dense_rows(
                    work, rows, src + shift, step, weights, kh, kw, g[TAP_STEP],
                    sums + shift, g[SUMS_ROW], blocks - straight, 0,
                )  # fmt: skip
        else:
            if straight:
                tap_rows(work, src, step, offsets, weights, entry[6], out, g[DST_ROW], straight, g[STREAM])
            if straight < blocks:
                tap_rows(
                    work, src + shift, step, offsets, weights, entry[6],
                    sums + shift, g[SUMS_ROW], blocks - straight, 0,
                )  # fmt: skip
        for r in range(min(rows, height - y)):
            line = sums + r * g[SUMS_ROW]
            place = out + r * g[DST_ROW]
            if straight:
                rest = count - shift // size
                if rest:
                    finish_row(work, result, line + shift, place + shift, rest, factor, entry[7], 0)
            else:
                write_sums(work, result, g, line, place, width, factor, entry[7], size)


@compiled
def direct_tiles(
    source: Any,
    work: Any,
    result: Any,
    address: int,
    src: int,
    dst: int,
    scratch: int,
    begin: int,
    end: int,
) -> None:
    """Output rows `begin` to `end` of every kernel, tile by tile."""
    job = carray(pointer(np.int64, address), JOB_LENGTH)
    g = carray(pointer(np.int64, job[SIZES]), LENGTH)
    kernels = carray(pointer(np.int64, job[KERNEL_TABLE]), (g[KERNELS], KERNEL_WORDS))
    factors = carray(pointer(work, job[FACTORS]), g[KERNELS])
    rows_at, columns_at = job[ROW_MAP], job[COLUMN_MAP]
    fill = peek(work, work, job[FILL])
    weights, offsets, size = job[WEIGHTS], job[OFFSETS], job[WORK_SIZE]
    for top in range(begin, end, g[TILE_HEIGHT]):
        height = min(g[TILE_HEIGHT], end - top)
        for left in range(0, g[OUT_WIDTH], g[TILE_WIDTH]):
            width = min(g[TILE_WIDTH], g[OUT_WIDTH] - left)
            tile = scratch + aligned_shift(g, left * g[STEP_X], size)
            load_tile(
                source, work, g, rows_at, columns_at, fill, src, tile,
                top * g[STEP_Y], (height - 1) * g[STEP_Y] + g[EXTENT_Y],
                left * g[STEP_X], (width - 1) * g[STEP_X] + g[EXTENT_X], size,
            )  # fmt: skip
            ahead = next_tile(g, src, top, left, end)
            for k in range(g[KERNELS]):
                place = dst + k * g[DST_KERNEL] + top * g[DST_ROW] + left * g[CHANNELS] * g[DST_SIZE]
                direct_tile(
                    work, result, g, kernels[k], factors[k], weights, offsets,
                    tile, scratch + g[SUMS_AT], place, height, width, size, ahead if k == 0 else 0,
                )  # fmt: skip
    fence()
