"""Floats as the shortest decimals that name them: 0.1 is 1/10, not 3602879701896397/2**55."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# Values are turned into text in pieces of this many, so that the texts never fill the memory.
PIECE = 2**18
# The longest text NumPy writes for a float64 is "-1.7976931348623157e+308".
TEXT_WIDTH = 32
# A look at so many cells tells whether it is worth trying a common number of decimals on all of them.
SAMPLE = 512
# A decimal of at most this many figures survives the way into the type and back (C's DBL_DIG, FLT_DIG),
# so when digits/10**places reads as the very float, it is the float's shortest decimal.
SAFE_FIGURES = {2: 3, 4: 6, 8: 15}
INT64_DIGITS = 18

Parts = tuple[npt.NDArray[Any], int]


def shortest_decimals(array: npt.NDArray[Any]) -> Parts:
    """Whole numbers and one power of ten that they are divided by to give every float's shortest decimal.

    Args:
        array: finite floats of 2, 4 or 8 bytes.

    >>> shortest_decimals(np.array([0.5, -2.25]))
    (array([  50, -225]), 100)
    """
    found = _of_few_figures(array)
    return _of_any_figures(array) if found is None else found


def _of_few_figures(array: npt.NDArray[Any]) -> Parts | None:
    """The decimals where all of them have few figures, as measured and typed numbers do."""
    figures = SAFE_FIGURES[array.dtype.itemsize]
    sample = array.reshape(-1)[:SAMPLE]
    for places in range(figures + 1):
        digits = _digits_that_read_as(sample, places, figures)
        if digits is not None:
            whole = _digits_that_read_as(array, places, figures)
            if whole is not None:
                return whole, 10**places
    return None


def _digits_that_read_as(array: npt.NDArray[Any], places: int, figures: int) -> npt.NDArray[Any] | None:
    wide = array.astype(np.float64)
    scale = 10.0**places
    if float(np.max(np.abs(wide), initial=0.0)) * scale >= 10.0**figures:
        return None
    digits = np.rint(wide * scale)
    return digits.astype(np.int64) if np.array_equal((digits / scale).astype(array.dtype), array) else None


def _of_any_figures(array: npt.NDArray[Any]) -> Parts:
    """The decimals as NumPy writes them, each distinct float once, read back column by column of the text."""
    distinct, codes = np.unique(array, return_inverse=True)
    pieces = [_read(distinct[start : start + PIECE]) for start in range(0, distinct.size, PIECE)]
    figures = np.concatenate([piece[0] for piece in pieces])
    places = np.concatenate([piece[1] for piece in pieces])
    most = max(int(places.max()), 0)
    longer = most - places
    if int(longer.max()) + INT64_DIGITS <= INT64_DIGITS or _fits(figures, longer):
        numerators = figures * 10**longer
    else:
        powers = np.array([10**n for n in range(int(longer.max()) + 1)], dtype=object)
        numerators = figures.astype(object) * powers[longer]
    return numerators[codes.reshape(array.shape)], 10**most


def _fits(figures: npt.NDArray[np.int64], longer: npt.NDArray[np.int64]) -> bool:
    """True when no product of figures and power of ten reaches 10**18, with room for a float's error."""
    sizes = np.log10(np.maximum(np.abs(figures), 1).astype(np.float64)) + longer
    return bool(np.all(sizes < INT64_DIGITS - 0.1))


def _read(floats: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Figures and number of decimals of each float: -1.25e-07 is -125 with 9."""
    texts = floats.astype(f"S{TEXT_WIDTH}").view(np.uint8).reshape(floats.size, TEXT_WIDTH)
    figures, places, exponent = (np.zeros(floats.size, dtype=np.int64) for _ in range(3))
    seen_point, seen_e, small = (np.zeros(floats.size, dtype=bool) for _ in range(3))
    for column in np.ascontiguousarray(texts.T):
        if not column.any():
            break
        digit = (column >= ord("0")) & (column <= ord("9"))
        value = column.astype(np.int64) - ord("0")
        mantissa = digit & ~seen_e
        np.copyto(figures, figures * 10 + value, where=mantissa)
        np.add(places, 1, out=places, where=mantissa & seen_point)
        np.copyto(exponent, exponent * 10 + value, where=digit & seen_e)
        small |= seen_e & (column == ord("-"))
        seen_point |= column == ord(".")
        seen_e |= column == ord("e")
    figures[np.signbit(floats)] *= -1
    return figures, places - np.where(small, -exponent, exponent)
