"""Separable and low-rank: a sum of terms, each a vertical pass followed by a horizontal one.

One term is a separable kernel; several are a low-rank one. A factor made of a few constant runs
adds them by window sums (`box`), any other adds its taps.

Error: a cell is within (kh + kw + terms)·u of Σ over the terms of Σ|column·row·pixel|, which for one
term is Σ|weight·pixel|; a plan takes several terms only where that sum stays small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from convscope.engine.box import column_runs, row_results, row_runs
from convscope.engine.compiling import compiled
from convscope.engine.direct import dense_rows, tap_rows
from convscope.engine.lanes import finish_row, peek
from convscope.engine.layout import (
    CHANNELS,
    COLUMN_AT,
    COLUMN_MAP,
    DENSE,
    DST_KERNEL,
    DST_ROW,
    DST_SIZE,
    EXTENT_X,
    EXTENT_Y,
    FACTORS,
    FILL,
    FIRST_ROW,
    JOB_LENGTH,
    KERNEL_TABLE,
    KERNEL_WORDS,
    KERNELS,
    LENGTH,
    LINE_AT,
    LOW_AT,
    MIDDLE_AT,
    MIDDLE_ROW,
    MIDDLE_TERM,
    OFFSET_COUNT,
    OFFSETS,
    OUT_WIDTH,
    PLAIN,
    ROW_MAP,
    RUNS,
    SAME,
    SCRATCH_ROW,
    SIZES,
    STEP_X,
    STEP_Y,
    STREAM,
    SUMS_AT,
    SUMS_ROW,
    TAP_STEP,
    TERM_TABLE,
    TERM_WORDS,
    TERMS,
    TILE_HEIGHT,
    TILE_WIDTH,
    WEIGHT_COUNT,
    WEIGHTS,
    WORK_SIZE,
)
from convscope.engine.memory import pointer
from convscope.engine.row_windows import MAX_CHANNELS
from convscope.engine.simd import BLOCK_BYTES, VECTOR_BYTES, fence
from convscope.engine.tiles import aligned_shift, fetch_rows, load_tile, next_tile, write_sums


@compiled
def vertical_pass(
    work: Any,
    g: Any,
    term: Any,
    table: Any,
    runs: Any,
    weights: int,
    offsets: int,
    tile: int,
    scratch: int,
    out: int,
    top: int,
    height: int,
    blocks: int,
    size: int,
) -> None:
    """The column of a term over a loaded tile: `height` rows as wide as the tile, from row `top` on."""
    kind, rows = term[0], term[1]
    step = g[STEP_Y] * g[SCRATCH_ROW]
    if kind == RUNS:
        column_runs(
            work, tile, g[SCRATCH_ROW], runs, table[term[4] :], term[5], term[3],
            g[FIRST_ROW] + top, scratch + g[COLUMN_AT], out, g[MIDDLE_ROW], height, blocks,
        )  # fmt: skip
        return
    for y in range(0, height, rows):
        src = tile + y * step
        place = out + y * g[MIDDLE_ROW]
        if kind == DENSE:
            dense_rows(
                work,
                rows,
                src,
                step,
                weights + term[4] * size,
                term[2],
                1,
                0,
                place,
                g[MIDDLE_ROW],
                blocks,
                0,
            )
        else:
            tap_rows(
                work, src, step, offsets + term[5] * 8, weights + term[4] * size, term[3],
                place, g[MIDDLE_ROW], blocks, 0,
            )  # fmt: skip


@compiled
def is_one_window(g: Any, entry: Any, term: Any, runs: Any, table: Any) -> bool:
    """True when rows are one window sum, short enough to be made in one walk, and scaled by a product."""
    if g[SAME] == 0 or entry[1] != 1 or entry[3] > 0 or entry[6] == 1 or g[CHANNELS] > MAX_CHANNELS:
        return False
    if term[6] != RUNS or term[7] != 1 or table[term[9]] != 1:
        return False
    length = runs[term[8] + 1]
    short: bool = length > 1 and length * g[TAP_STEP] < 2 * VECTOR_BYTES * g[CHANNELS]
    return short


@compiled
def horizontal_sums(
    work: Any,
    result: Any,
    g: Any,
    entry: Any,
    terms: Any,
    table: Any,
    runs: Any,
    factor: Any,
    weights: int,
    offsets: int,
    scratch: int,
    dst: int,
    height: int,
    width: int,
    size: int,
) -> None:
    """The rows of all terms of one kernel over the vertical results, and the results written."""
    count = ((width - 1) * g[STEP_X] + 1) * g[CHANNELS]
    blocks = (count * size + BLOCK_BYTES - 1) // BLOCK_BYTES
    sums = scratch + g[SUMS_AT]
    middle = scratch + g[MIDDLE_AT]
    taps = entry[3]
    all_taps = taps > 0 and entry[4] == 0
    for y in range(0, height, 2):
        src = middle + y * g[MIDDLE_ROW]
        out = dst + y * g[DST_ROW]
        straight = 0
        if g[PLAIN] == 1 and all_taps and y + 2 <= height:
            straight = count * size // BLOCK_BYTES
        shift = straight * BLOCK_BYTES
        if taps > 0:
            where, numbers = offsets + entry[2] * 8, weights + entry[5] * size
            if straight:
                tap_rows(work, src, g[MIDDLE_ROW], where, numbers, taps, out, g[DST_ROW], straight, g[STREAM])
            tap_rows(
                work, src + shift, g[MIDDLE_ROW], where, numbers, taps,
                sums + shift, g[SUMS_ROW], blocks - straight, 0,
            )  # fmt: skip
        for r in range(min(2, height - y)):
            line = sums + r * g[SUMS_ROW]
            place = out + r * g[DST_ROW]
            fresh = 0 if taps > 0 else 1
            for t in range(entry[0], entry[0] + entry[1]):
                if terms[t][6] == RUNS:
                    row_runs(
                        work, g[CHANNELS], src + r * g[MIDDLE_ROW] + (t - entry[0]) * g[MIDDLE_TERM],
                        g[TAP_STEP], runs, table[terms[t][9] :], terms[t][8], terms[t][7],
                        scratch + g[LINE_AT], scratch + g[LOW_AT], line, blocks, fresh,
                    )  # fmt: skip
                    fresh = 0
            if straight:
                rest = count - shift // size
                if rest:
                    finish_row(work, result, line + shift, place + shift, rest, factor, entry[6], 0)
            else:
                write_sums(work, result, g, line, place, width, factor, entry[6], size)


@compiled
def horizontal_pass(
    work: Any,
    result: Any,
    g: Any,
    entry: Any,
    terms: Any,
    table: Any,
    runs: Any,
    factor: Any,
    weights: int,
    offsets: int,
    scratch: int,
    dst: int,
    height: int,
    width: int,
    size: int,
    ahead: int,
    begin: int,
    total: int,
) -> None:
    """The second pass of one kernel: one short window sum is written at once, all else is added up first.

    Meanwhile a share of the next tile, which lies at `ahead`, is fetched: `begin` of `total` rows are done.
    """
    term = terms[entry[0]]
    if not is_one_window(g, entry, term, runs, table):
        fetch_rows(g, ahead, begin, height, total)
        horizontal_sums(
            work, result, g, entry, terms, table, runs, factor, weights, offsets, scratch, dst,
            height, width, size,
        )  # fmt: skip
        return
    offset, length = runs[term[8]], runs[term[8] + 1]
    for y in range(height):
        fetch_rows(g, ahead, begin + y, 1, total)
        row_results(
            work, g[CHANNELS], scratch + g[MIDDLE_AT] + y * g[MIDDLE_ROW] + offset, g[TAP_STEP], length,
            scratch + g[SUMS_AT], dst + y * g[DST_ROW], width * g[CHANNELS], factor, g[STREAM],
        )  # fmt: skip


@compiled
def separable_tiles(
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
    terms = carray(pointer(np.int64, job[TERM_TABLE]), (job[TERMS], TERM_WORDS))
    factors = carray(pointer(work, job[FACTORS]), g[KERNELS])
    table = carray(pointer(work, job[WEIGHTS]), job[WEIGHT_COUNT])
    runs = carray(pointer(np.int64, job[OFFSETS]), job[OFFSET_COUNT])
    rows_at, columns_at = job[ROW_MAP], job[COLUMN_MAP]
    fill = peek(work, work, job[FILL])
    weights, offsets, size = job[WEIGHTS], job[OFFSETS], job[WORK_SIZE]
    for top in range(begin, end, g[TILE_HEIGHT]):
        height = min(g[TILE_HEIGHT], end - top)
        for left in range(0, g[OUT_WIDTH], g[TILE_WIDTH]):
            width = min(g[TILE_WIDTH], g[OUT_WIDTH] - left)
            columns = (width - 1) * g[STEP_X] + g[EXTENT_X]
            tile = scratch + aligned_shift(g, left * g[STEP_X], size)
            load_tile(
                source, work, g, rows_at, columns_at, fill, src, tile,
                top * g[STEP_Y], (height - 1) * g[STEP_Y] + g[EXTENT_Y],
                left * g[STEP_X], columns, size,
            )  # fmt: skip
            ahead = next_tile(g, src, top, left, end)
            blocks = (columns * g[CHANNELS] * size + BLOCK_BYTES - 1) // BLOCK_BYTES
            for k in range(g[KERNELS]):
                entry = kernels[k]
                place = dst + k * g[DST_KERNEL] + top * g[DST_ROW] + left * g[CHANNELS] * g[DST_SIZE]
                # A few rows at a time, so that they are still in the first-level cache for the second pass.
                for y in range(0, height, entry[7]):
                    rows = min(entry[7], height - y)
                    for t in range(entry[1]):
                        vertical_pass(
                            work, g, terms[entry[0] + t], table, runs, weights, offsets,
                            tile + y * g[STEP_Y] * g[SCRATCH_ROW], scratch,
                            scratch + g[MIDDLE_AT] + t * g[MIDDLE_TERM], top + y, rows, blocks, size,
                        )  # fmt: skip
                    horizontal_pass(
                        work, result, g, entry, terms, table, runs, factors[k], weights, offsets,
                        scratch, place + y * g[DST_ROW], rows, width, size,
                        ahead if k == 0 else 0, y, height,
                    )  # fmt: skip
    fence()
