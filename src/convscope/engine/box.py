"""Window sums: the sum of every n neighbours at a cost that grows little with n, or not at all.

Down a column, rows are cut into groups of n: a window is the end of one group and the beginning of the
next, so three additions make it whatever n is. Along a row, a sum of 2m neighbours is two sums of m and
an odd one adds one cell more: about log₂ n additions. Nothing is ever subtracted, so there is no drift,
a NaN reaches only the windows that hold it, and integer sums are exact. Groups are counted from the top
of the whole picture, so a part of it gives the very sums of the whole.

Error: at most kh roundings deep down a column and 2·log₂ kw along a row, so below (kh + kw + 1)·u of
Σ|weight·pixel|.

Source: M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal
kernels", Pattern Recognition Letters 13 (1992), whose two passes serve sums as well.
"""

from __future__ import annotations

from typing import Any

from convscope.engine.compiling import compiled
from convscope.engine.lanes import convert_row
from convscope.engine.row_windows import (
    MAX_CHANNELS,
    row_windows_1,
    row_windows_2,
    row_windows_3,
    row_windows_4,
)
from convscope.engine.simd import (
    BLOCK_BYTES,
    VECTOR_BYTES,
    VECTORS,
    add_scaled,
    sum_blocks,
    sums_joined,
    sums_to_end,
)


@compiled
def window_sums(
    work: Any,
    src: int,
    step: int,
    unit: int,
    length: int,
    space: int,
    space_step: int,
    out: int,
    out_step: int,
    count: int,
) -> None:
    """out[i] = src[i] + … of `length` ≥ 2 cells `unit` bytes apart, for `count` blocks `step` bytes apart.

    In the vertical direction a unit is a row and so is a step; in the horizontal one a unit is a
    pixel and a step a block. `space` holds the sums on the way.
    """
    bits = 0
    while (length >> bits) > 1:
        bits += 1
    have = 1
    here, here_step = src, step
    space_unit = unit if step != unit else space_step
    for bit in range(bits - 1, -1, -1):
        odd = (length >> bit) & 1
        want = 2 * have + odd
        # As many more as the later passes reach out to, in whole blocks.
        more = ((length - want) * unit + step - 1) // step
        last = bit == 0
        target = out if last else space
        target_step = out_step if last else space_step
        shift = have * (unit if here == src else space_unit)
        extra = src + 2 * have * unit if odd else 0
        sum_blocks(work, here, shift, here_step, extra, step, target, target_step, count + more)
        here, here_step, have = space, space_step, want


@compiled
def column_sums(
    work: Any,
    src: int,
    step: int,
    length: int,
    top: int,
    space: int,
    out: int,
    out_step: int,
    rows: int,
) -> None:
    """out[r] = src[r] + … of `length` rows, for one block of columns; `top` is the row in the picture."""
    begin = -(top % length)
    while begin < rows:
        low, high = max(begin, 0), min(begin + length, rows)
        sums_to_end(work, src + low * step, step, space, BLOCK_BYTES, begin + length - low)
        sums_joined(
            work, src + (begin + length) * step, step, low - begin, space, BLOCK_BYTES,
            out + low * out_step, out_step, high - low,
        )  # fmt: skip
        begin += length


@compiled
def column_runs(
    work: Any,
    src: int,
    src_row: int,
    runs: Any,
    weights: Any,
    first: int,
    count: int,
    top: int,
    space: int,
    out: int,
    out_row: int,
    rows: int,
    blocks: int,
) -> None:
    """The vertical pass of a factor made of runs: pairs of byte offset and length, each with a weight.

    `space` holds the sums of one block of columns, and behind them those of a group.
    """
    room = space + rows * BLOCK_BYTES
    for b in range(blocks):
        here = src + b * BLOCK_BYTES
        there = out + b * BLOCK_BYTES
        for n in range(count):
            offset, length, weight = runs[first + 2 * n], runs[first + 2 * n + 1], weights[n]
            if count == 1 and weight == 1 and length > 1:
                column_sums(work, here + offset, src_row, length, top, room, there, out_row, rows)
                continue
            found, step = here + offset, src_row
            if length > 1:
                column_sums(work, here + offset, src_row, length, top, room, space, BLOCK_BYTES, rows)
                found, step = space, BLOCK_BYTES
            for r in range(rows):
                add_scaled(work, found + r * step, weight, 1 if n == 0 else 0, there + r * out_row, 1)


@compiled
def walk_row(
    work: Any,
    channels: int,
    src: int,
    low: int,
    whole: int,
    out: int,
    rest: int,
    vectors: int,
    factor: Any,
    stream: int,
) -> None:
    """One walk along a row of pixels of up to `MAX_CHANNELS` numbers: see `row_windows`."""
    if channels == 1:
        row_windows_1(work, src, low, whole, out, rest, vectors, factor, stream)
    elif channels == 2:
        row_windows_2(work, src, low, whole, out, rest, vectors, factor, stream)
    elif channels == 3:
        row_windows_3(work, src, low, whole, out, rest, vectors, factor, stream)
    else:
        row_windows_4(work, src, low, whole, out, rest, vectors, factor, stream)


@compiled
def row_sums(
    work: Any,
    channels: int,
    src: int,
    unit: int,
    length: int,
    space: int,
    second: int,
    out: int,
    blocks: int,
) -> None:
    """out[i] = src[i] + … of `length` ≥ 2 pixels `unit` bytes apart, for `blocks` blocks of one row.

    `space` and `second` are two of three rows that lie one behind another, for the sums on the way; out may
    be the first.
    """
    if channels > MAX_CHANNELS:
        window_sums(work, src, BLOCK_BYTES, unit, length, space, BLOCK_BYTES, out, BLOCK_BYTES, blocks)
        return
    lanes = VECTOR_BYTES * channels // unit
    low, whole = length % lanes, length // lanes
    vectors, one = blocks * VECTORS, work(1)
    if whole <= 1:
        walk_row(work, channels, src, low, whole, out, second, vectors, one, 0)
        return
    walk_row(work, channels, src, low, whole, space, second, vectors + whole * channels, one, 0)
    apart = channels * VECTOR_BYTES
    third = second + (second - space)
    window_sums(work, space, BLOCK_BYTES, apart, whole, third, BLOCK_BYTES, third, BLOCK_BYTES, blocks)
    sum_blocks(work, third, second + whole * apart - third, BLOCK_BYTES, 0, 0, out, BLOCK_BYTES, blocks)


@compiled
def row_results(
    work: Any,
    channels: int,
    src: int,
    unit: int,
    length: int,
    sums: int,
    out: int,
    count: int,
    factor: Any,
    stream: int,
) -> None:
    """`count` numbers of a result that has the working type: window sums of less than two vectors, scaled."""
    lanes = VECTOR_BYTES * channels // unit
    low, whole = length % lanes, length // lanes
    vectors = count // lanes
    walk_row(work, channels, src, low, whole, out, 0, vectors, factor, stream)
    if count % lanes:
        shift = vectors * VECTOR_BYTES
        walk_row(work, channels, src + shift, low, whole, sums, 0, 1, factor, 0)
        convert_row(work, work, sums, out + shift, count % lanes)


@compiled
def row_runs(
    work: Any,
    channels: int,
    src: int,
    unit: int,
    runs: Any,
    weights: Any,
    first: int,
    count: int,
    space: int,
    second: int,
    out: int,
    blocks: int,
    fresh: int,
) -> None:
    """The horizontal pass of a factor made of runs over one row."""
    for n in range(count):
        offset, length, weight = runs[first + 2 * n], runs[first + 2 * n + 1], weights[n]
        begin = fresh == 1 and n == 0
        if begin and weight == 1 and length > 1:
            row_sums(work, channels, src + offset, unit, length, space, second, out, blocks)
            continue
        found = src + offset
        if length > 1:
            row_sums(work, channels, src + offset, unit, length, space, second, space, blocks)
            found = space
        add_scaled(work, found, weight, 1 if begin else 0, out, blocks)
