"""Padded inputs and sliding windows, for arrays ``(N, C, *spatial)`` of any rank."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import (
    INT64_LIMIT,
    MAX_CELLS,
    ExactArray,
    Integers,
    RationalArray,
    from_table,
)
from convscope.core.layer import Pair
from convscope.errors import ShapeError
from convscope.worked.arithmetic import Numbers

# NumPy's `pad` has the same modes under its own names.
_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def padded(
    array: ExactArray, pairs: Sequence[Pair], mode: str = "zeros", value: Fraction = Fraction(0)
) -> ExactArray:
    """The array with its last axes padded, one (before, after) pair each.

    Raises:
        ShapeError: the padded array would be too large for memory.
    """
    if not any(any(pair) for pair in pairs):
        return array
    leading = array.ndim - len(pairs)
    cells = 1
    for axis, length in enumerate(array.shape):
        cells *= length + (sum(pairs[axis - leading]) if axis >= leading else 0)
    if cells > MAX_CELLS:
        raise ShapeError(f"the padded input would have {cells} cells; up to {MAX_CELLS} are worked")
    widths = [(0, 0)] * leading + list(pairs)
    if mode in _NUMPY_MODES:
        return array.rearranged(lambda cells: np.pad(cells, widths, mode=_NUMPY_MODES[mode]))  # type: ignore[call-overload]
    if isinstance(array, RationalArray) and array.denominator % value.denominator == 0:
        fill = value.numerator * (array.denominator // value.denominator)
        return RationalArray(surrounded(array.numerators, widths, fill), array.denominator)
    values, codes = array.table()
    return from_table([*values, value], surrounded(codes, widths, len(values)))


def surrounded(cells: Integers, widths: Sequence[Pair], fill: int) -> Integers:
    """The cells with so many of `fill` before and after along every axis.

    (NumPy's `pad` would put its own integers, which overflow, among Python's.)
    """
    dtype: Any = cells.dtype if abs(fill) <= INT64_LIMIT else object
    shape = tuple(n + sum(pair) for n, pair in zip(cells.shape, widths, strict=True))
    whole = np.full(shape, fill, dtype=dtype)
    whole[tuple(slice(pair[0], pair[0] + n) for n, pair in zip(cells.shape, widths, strict=True))] = cells
    return whole


def padding_mask(spatial: Sequence[int], pairs: Sequence[Pair]) -> Numbers:
    """True for the cells of the padded input that padding added."""
    mask = np.ones(tuple(n + sum(pair) for n, pair in zip(spatial, pairs, strict=True)), dtype=bool)
    mask[tuple(slice(before, before + n) for n, (before, _) in zip(spatial, pairs, strict=True))] = False
    return mask


def taps(kernel_size: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every tap's index, in row-major order."""
    return itertools.product(*(range(size) for size in kernel_size))


def tap_slices(
    tap: Sequence[int], stride: Sequence[int], dilation: Sequence[int], windows: Sequence[int]
) -> tuple[slice, ...]:
    """Where, in the padded input, the cells lie that one tap meets in all windows."""
    return tuple(
        slice(t * d, t * d + s * (n - 1) + 1, s)
        for t, s, d, n in zip(tap, stride, dilation, windows, strict=True)
    )


def window_slices(
    position: Sequence[int], stride: Sequence[int], dilation: Sequence[int], kernel_size: Sequence[int]
) -> tuple[slice, ...]:
    """Where, in the padded input, the window of one output cell lies."""
    return tuple(
        slice(p * s, p * s + d * (k - 1) + 1, d)
        for p, s, d, k in zip(position, stride, dilation, kernel_size, strict=True)
    )


def at(cells: Numbers, index: Sequence[int] | Sequence[slice]) -> Numbers:
    """The cells at an index of the last axes, all leading axes kept."""
    whole: Any = (..., *index)
    found: Numbers = cells[whole]
    return found
