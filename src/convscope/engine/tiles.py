"""Tiles: a piece of the picture with its border in fast memory, and its way out again. Compiled by Numba.

The border is made here, for the tiles that touch it, so that no padded copy of the picture exists.
"""

from __future__ import annotations

from typing import Any

from convscope.engine.compiling import compiled
from convscope.engine.layout import (
    CHANNELS,
    MAPPED_ROWS,
    PAD_LEFT,
    SCRATCH_ROW,
    SRC_CHANNEL,
    SRC_PIXEL,
    SRC_ROW,
    SRC_SIZE,
    STEP_X,
    STREAM,
    WIDTH,
)
from convscope.engine.simd import VECTOR_BYTES, convert_row, finish_row, peek, poke


@compiled
def aligned_shift(g: Any, column: int, size: int) -> int:
    """How far into its memory a tile begins, so that the picture's own cells lie on vector boundaries."""
    border: int = max(g[PAD_LEFT] - column, 0) * g[CHANNELS] * size
    return -border % VECTOR_BYTES


@compiled
def set_pixels(
    source: Any,
    work: Any,
    g: Any,
    column_map: Any,
    fill: Any,
    line: int,
    out: int,
    column: int,
    begin: int,
    end: int,
    size: int,
) -> None:
    """Pixels of one row one by one, wherever the border's map says they come from."""
    channels = g[CHANNELS]
    for p in range(begin, end):
        place = column_map[column + p]
        for c in range(channels):
            value = fill
            if place >= 0:
                value = peek(source, work, line + place * g[SRC_PIXEL] + c * g[SRC_CHANNEL])
            poke(work, out + (p * channels + c) * size, value)


@compiled
def load_tile(
    source: Any,
    work: Any,
    g: Any,
    row_map: Any,
    column_map: Any,
    fill: Any,
    src: int,
    scratch: int,
    row: int,
    rows: int,
    column: int,
    columns: int,
    size: int,
) -> None:
    """Rows and columns of the picture with its border, counted from the border's corner, into memory."""
    channels = g[CHANNELS]
    left = min(max(g[PAD_LEFT] - column, 0), columns)
    right = min(max(g[PAD_LEFT] + g[WIDTH] - column, left), columns)
    inside = column + left - g[PAD_LEFT]
    packed = g[SRC_CHANNEL] == g[SRC_SIZE] and g[SRC_PIXEL] == channels * g[SRC_SIZE]
    for r in range(min(rows, g[MAPPED_ROWS] - row)):
        out = scratch + r * g[SCRATCH_ROW]
        found = row_map[row + r]
        if found < 0:
            for i in range(columns * channels):
                poke(work, out + i * size, fill)
            continue
        line = src + found * g[SRC_ROW]
        if packed and right > left:
            convert_row(
                source,
                work,
                line + inside * g[SRC_PIXEL],
                out + left * channels * size,
                (right - left) * channels,
            )
        if packed:
            set_pixels(source, work, g, column_map, fill, line, out, column, 0, left, size)
            set_pixels(source, work, g, column_map, fill, line, out, column, right, columns, size)
        else:
            set_pixels(source, work, g, column_map, fill, line, out, column, 0, columns, size)


@compiled
def write_sums(
    work: Any, result: Any, g: Any, sums: int, dst: int, pixels: int, factor: Any, divides: int, size: int
) -> None:
    """A row of sums, scaled, in the type of the result; only every `stride`-th pixel is a result."""
    channels = g[CHANNELS]
    step = g[STEP_X]
    if step > 1:
        for p in range(1, pixels):
            for c in range(channels):
                value = peek(work, work, sums + (p * step * channels + c) * size)
                poke(work, sums + (p * channels + c) * size, value)
    finish_row(work, result, sums, dst, pixels * channels, factor, divides, g[STREAM])
