"""Tiles: a piece of the picture with its border in fast memory, and its way out again. Compiled by Numba.

The border is made here, for the tiles that touch it, so that no padded copy of the picture exists.
"""

from __future__ import annotations

from typing import Any

from convscope.engine.compiling import compiled
from convscope.engine.lanes import convert_row, fill_row, finish_row, peek, peek_place, poke
from convscope.engine.layout import (
    AHEAD,
    ALIKE,
    CHANNELS,
    EXTENT_Y,
    MAPPED_ROWS,
    OUT_WIDTH,
    PAD_LEFT,
    SCRATCH_ROW,
    SRC_CHANNEL,
    SRC_PIXEL,
    SRC_ROW,
    SRC_SIZE,
    STEP_X,
    STEP_Y,
    STREAM,
    TILE_HEIGHT,
    TILE_WIDTH,
    WIDTH,
)
from convscope.engine.memory import expect
from convscope.engine.simd import VECTOR_BYTES


@compiled
def aligned_shift(g: Any, column: int, size: int) -> int:
    """How far into its memory a tile begins, so that the picture's own cells lie on vector boundaries."""
    border: int = max(g[PAD_LEFT] - column, 0) * g[CHANNELS] * size
    return -border % VECTOR_BYTES


@compiled
def set_pixels(
    source: Any,
    work: Any,
    places: int,
    columns_at: int,
    fill: Any,
    src: int,
    src_row: int,
    scratch: int,
    scratch_row: int,
    rows: int,
    begin: int,
    end: int,
    channels: int,
    pixel: int,
    channel: int,
    size: int,
) -> None:
    """Some pixels of every row one by one, from wherever the maps of rows and columns say they come."""
    for r in range(rows):
        row = peek_place(places + 8 * r)
        line, out = src + row * src_row, scratch + r * scratch_row
        for p in range(begin, end):
            place = peek_place(columns_at + 8 * p)
            inside = row >= 0 and place >= 0
            for c in range(channels):
                value = peek(source, work, line + place * pixel + c * channel) if inside else fill
                poke(work, out + (p * channels + c) * size, value)


@compiled
def load_tile(
    source: Any,
    work: Any,
    g: Any,
    rows_at: int,
    columns_at: int,
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
    channels, pixel, channel = g[CHANNELS], g[SRC_PIXEL], g[SRC_CHANNEL]
    src_row, scratch_row = g[SRC_ROW], g[SCRATCH_ROW]
    left = min(max(g[PAD_LEFT] - column, 0), columns)
    right = min(max(g[PAD_LEFT] + g[WIDTH] - column, left), columns)
    if channel != g[SRC_SIZE] or pixel != channels * g[SRC_SIZE]:
        left = right = columns  # numbers that lie apart are read one by one
    begin = (column + left - g[PAD_LEFT]) * pixel
    start, count = left * channels * size, (right - left) * channels
    end = right * channels * size
    rows = min(rows, g[MAPPED_ROWS] - row)
    rows_at += 8 * row
    columns_at += 8 * column
    # Where the border holds one value it is written in vectors, whose last one the picture then overwrites.
    alike = right > left and g[ALIKE] == 1
    for r in range(rows):
        out = scratch + r * scratch_row
        found = peek_place(rows_at + 8 * r)
        if alike and left > 0:
            fill_row(work, out, left * channels, fill)
        if found >= 0:
            convert_row(source, work, src + found * src_row + begin, out + start, count)
        else:
            fill_row(work, out + start, count, fill)
        if alike and right < columns:
            fill_row(work, out + end, (columns - right) * channels, fill)
    if alike:
        return
    if left > 0:
        set_pixels(
            source, work, rows_at, columns_at, fill, src, src_row, scratch, scratch_row, rows,
            0, left, channels, pixel, channel, size,
        )  # fmt: skip
    if right < columns:
        set_pixels(
            source, work, rows_at, columns_at, fill, src, src_row, scratch, scratch_row, rows,
            right, columns, channels, pixel, channel, size,
        )  # fmt: skip


@compiled
def next_tile(g: Any, src: int, top: int, left: int, end: int) -> int:
    """Where the picture begins that the next tile covers; 0 when it need not be fetched, or there is none."""
    left += g[TILE_WIDTH]
    if left >= g[OUT_WIDTH]:
        left = 0
        top += g[TILE_HEIGHT]
    if g[AHEAD] == 0 or top >= end:
        return 0
    row, column = top * g[STEP_Y], max(left * g[STEP_X] - g[PAD_LEFT], 0)
    address: int = src + row * g[SRC_ROW] + column * g[SRC_PIXEL]
    return address


@compiled
def fetch_rows(g: Any, ahead: int, y: int, rows: int, height: int) -> None:
    """The share of the next tile that is fetched with output rows `y` to `y + rows` of this one."""
    if ahead == 0:
        return
    loaded = (height - 1) * g[STEP_Y] + g[EXTENT_Y]
    count = g[TILE_WIDTH] * g[STEP_X] * g[SRC_PIXEL]
    for row in range(y * loaded // height, (y + rows) * loaded // height):
        expect(ahead + row * g[SRC_ROW], count)


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
