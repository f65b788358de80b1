"""Families of kernels, each from the formula that defines it, as exact arrays.

All are kernels of cross-correlation: laid on the picture as they are written, y pointing down. An angle is
in degrees with y down: 0 points right, 90 points down. Formulas are sampled at the centres of the taps and
written as decimals of six places, corrected in the middle so that their sum is exactly what it should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from convscope.core.array import RationalArray

Floats = npt.NDArray[np.float64]

PLACES = 6
# The eight neighbours of a tap, clockwise from the one above it to the left: rows and columns of a 3×3.
RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
EIGHTH = 45

DIFFERENCE = (-1, 0, 1)
BINOMIAL_3 = (1, 2, 1)


def product(column: Sequence[int], row: Sequence[int], divisor: int = 1) -> RationalArray:
    """The product of a column and a row, divided.

    >>> product([1, 2, 1], [-1, 0, 1]).tolist()[1]
    [Fraction(-2, 1), Fraction(0, 1), Fraction(2, 1)]
    """
    return RationalArray(np.outer(column, row).astype(np.int64), divisor)


def rows(*written: Sequence[int], divisor: int = 1) -> RationalArray:
    """Whole numbers row by row, divided."""
    return RationalArray(np.array(written, dtype=np.int64), divisor)


def binomial(taps: int) -> list[int]:
    """The row of Pascal's triangle of so many entries: a Gaussian in whole numbers.

    >>> binomial(5)
    [1, 4, 6, 4, 1]
    """
    row = [1]
    for _ in range(taps - 1):
        row = [a + b for a, b in zip([0, *row], [*row, 0], strict=True)]
    return row


def wide_difference(taps: int) -> list[int]:
    """[-1, 0, 1] smoothed by a binomial row: the derivative of OpenCV's Sobel of that size.

    >>> wide_difference(5)
    [-1, -2, 0, 2, 1]
    """
    return [int(value) for value in np.convolve(binomial(taps - 2), DIFFERENCE)]


def centred(taps: RationalArray, size: int) -> RationalArray:
    """An odd array in the middle of `size` by `size` zeros."""
    before = [(size - length) // 2 for length in taps.shape]
    widths = [(b, size - length - b) for b, length in zip(before, taps.shape, strict=True)]
    return taps.rearranged(lambda cells: np.pad(cells, widths))


def identity(size: int = 3) -> RationalArray:
    """One in the middle, zeros about it."""
    return centred(rows([1]), size)


def shift(down: int, right: int) -> RationalArray:
    """A single tap that reads the pixel so far above and to the left: the picture moves down and right.

    >>> shift(0, 1).tolist()[1]
    [Fraction(1, 1), Fraction(0, 1), Fraction(0, 1)]
    """
    reach = max(abs(down), abs(right))
    cells = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.int64)
    cells[reach - down, reach - right] = 1
    return RationalArray(cells)


def added(*terms: tuple[int | Fraction, RationalArray]) -> RationalArray:
    """Kernels of one shape, each times a number, added.

    >>> added((2, identity(1)), (Fraction(-1, 2), identity(1))).tolist()
    [[Fraction(3, 2)]]
    """
    factors = [Fraction(factor, kernel.denominator) for factor, kernel in terms]
    common = math.lcm(*(factor.denominator for factor in factors))
    total = sum(int(factor * common) * kernel.numerators.astype(object)
                for factor, (_, kernel) in zip(factors, terms, strict=True))  # fmt: skip
    return RationalArray(np.asarray(total), common)


def turned_ring(ring: Sequence[int], middle: int, eighths: int) -> RationalArray:
    """A 3×3 of eight neighbours turned by so many eighths of a turn, clockwise on the page.

    >>> turned_ring([1, 2, 1, 0, -1, -2, -1, 0], 0, 2).tolist()[1]
    [Fraction(-2, 1), Fraction(0, 1), Fraction(2, 1)]
    """
    cells = np.full((3, 3), middle, dtype=np.int64)
    for place, (row, column) in enumerate(RING):
        cells[row, column] = ring[(place - eighths) % len(RING)]
    return RationalArray(cells)


def checkerboard(size: int) -> RationalArray:
    """+1 and −1 by turns; the corner above left is +1."""
    signs = (-1) ** np.arange(size)
    return RationalArray(np.outer(signs, signs).astype(np.int64))


# --- sampled formulas --------------------------------------------------------------------------


def grid(size: int) -> tuple[Floats, Floats]:
    """How far down and right of the middle each tap lies: y and x, each ``(size, size)``."""
    places = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return np.broadcast_to(places[:, None], (size, size)), np.broadcast_to(places, (size, size))


def decimals(values: Floats, total: int) -> RationalArray:
    """Values as decimals of six places with the exact sum `total`; the middle taps take up the difference."""
    unit = 10**PLACES
    integers = np.rint(values * unit).astype(np.int64)
    middle = tuple(slice((length - 1) // 2, length // 2 + 1) for length in integers.shape)
    missing = total * unit - int(integers.sum())
    share, rest = divmod(missing, integers[middle].size)
    integers[middle] += share
    integers[tuple(part.start for part in middle)] += rest
    return RationalArray(integers, unit)


def bell(size: int, sigma: float) -> Floats:
    """exp(−(x² + y²) / 2σ²) at each tap, not scaled."""
    y, x = grid(size)
    found: Floats = np.exp(-(x * x + y * y) / (2 * sigma * sigma))
    return found


def gaussian(size: int, sigma: float) -> RationalArray:
    """A Gaussian of standard deviation `sigma`, in pixels, with sum 1."""
    values = bell(size, sigma)
    return decimals(values / values.sum(), 1)


def _balanced(values: Floats, window: Floats) -> Floats:
    """Values less as much of the window as makes the sum 0, scaled so that the positive taps add up to 1."""
    zero_sum = values - window * (values.sum() / window.sum())
    found: Floats = zero_sum / zero_sum[zero_sum > 0].sum()
    return found


def _across(size: int, angle: float) -> tuple[Floats, Floats]:
    """How far each tap lies along a direction, and how far across it (the direction turned by 90°)."""
    y, x = grid(size)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cos + y * sin, y * cos - x * sin


def gaussian_derivative(size: int, sigma: float, angle: float) -> RationalArray:
    """The first derivative of a Gaussian: positive taps where `angle` points to, their sum 1.

    A step from 0 to 1 at the middle, dark to bright along `angle`, gives nearly 1.
    """
    along, _ = _across(size, angle)
    values = along * bell(size, sigma)
    return decimals(values / values[values > 0].sum(), 0)


def ridge(size: int, sigma: float, angle: float, *, dark: bool = False) -> RationalArray:
    """The second derivative of a Gaussian across lines along `angle`: positive on bright, or on dark ones.

    The sum of the positive taps of a kernel for bright lines is 1; one for dark lines has the other signs.
    """
    _, across = _across(size, angle)
    return _second_derivative(across**2, bell(size, sigma), dark=dark)


def spot(size: int, sigma: float, *, dark: bool = False) -> RationalArray:
    """The Laplacian of a Gaussian: positive on bright or dark spots, as `ridge` is on lines."""
    y, x = grid(size)
    return _second_derivative(x * x + y * y, bell(size, sigma), dark=dark)


def _second_derivative(squares: Floats, window: Floats, *, dark: bool) -> RationalArray:
    sign = -1 if dark else 1
    return decimals(sign * _balanced(-squares * window, window), 0)


def saddle(size: int, sigma: float, angle: float) -> RationalArray:
    """A mixed second derivative of a Gaussian: bright along `angle` and opposite, dark across it."""
    along, across = _across(size, angle)
    values = (along**2 - across**2) * bell(size, sigma)
    return decimals(values / values[values > 0].sum(), 0)


def wedge(size: int, angle: float) -> RationalArray:
    """A quarter of the plane against the rest: positive in the quarter whose middle `angle` points to."""
    along, across = _across(size, angle)
    # The tip lies a quarter of a pixel ahead of the middle, so that no tap lies on a side of the quarter.
    inside = (np.abs(across) <= along - math.sqrt(2) / 4).astype(np.float64)
    return decimals(_balanced(inside, np.ones_like(inside)), 0)


def coloured(pattern: RationalArray, axis: Sequence[int]) -> RationalArray:
    """A pattern in each channel, times what the channel counts: ``(C, kh, kw)``; the largest counts once.

    >>> coloured(identity(1), (2, -1, -1)).tolist()
    [[[Fraction(1, 1)]], [[Fraction(-1, 2)]], [[Fraction(-1, 2)]]]
    """
    counts = np.array(axis, dtype=np.int64)
    numerators = counts[:, None, None] * pattern.numerators
    return RationalArray(numerators, pattern.denominator * int(np.abs(counts).max()))


def difference_of_gaussians(size: int, narrow: float, wide: float) -> RationalArray:
    """A narrow Gaussian less a wide one, each with sum 1."""
    inner, outer = bell(size, narrow), bell(size, wide)
    return decimals(inner / inner.sum() - outer / outer.sum(), 0)


def gabor(
    size: int,
    wavelength: float,
    angle: float,
    phase: float = 0.0,
    sigma: float | None = None,
    aspect: float = 1.0,
) -> RationalArray:
    """A wave under a Gaussian whose bars run along `angle`; the sum is 0, that of the positive taps 1.

    Args:
        size: taps a side.
        wavelength: pixels from one bright bar to the next.
        angle: the direction the bars run along.
        phase: in degrees: 0 has a bright bar in the middle, 180 a dark one; 90 brightens along `angle` − 90.
        sigma: of the Gaussian; 0.56 wavelengths, a bandwidth of one octave, when None.
        aspect: how much shorter the Gaussian is along the bars: γ in Daugman's formula.
    """  # fmt: skip
    along, across = _across(size, angle)
    width = 0.56 * wavelength if sigma is None else sigma
    window: Floats = np.exp(-(across**2 + (aspect * along) ** 2) / (2 * width * width))
    wave = np.cos(2 * math.pi * across / wavelength + math.radians(phase))
    return decimals(_balanced(wave * window, window), 0)


def streak(size: int, angle: float) -> RationalArray:
    """A line through the middle along `angle`, sum 1; each step is shared by the two nearest taps."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    steps = (np.arange(size) - (size - 1) / 2) / max(abs(cos), abs(sin))
    values = np.zeros((size, size))
    middle = (size - 1) / 2
    for step in steps:
        y, x = middle + step * sin, middle + step * cos
        for row in {math.floor(y + 1e-9), math.ceil(y - 1e-9)}:
            for column in {math.floor(x + 1e-9), math.ceil(x - 1e-9)}:
                share = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
                values[min(max(row, 0), size - 1), min(max(column, 0), size - 1)] += share
    return decimals(values / values.sum(), 1)


def soft_streak(size: int, angle: float, sigma: float) -> RationalArray:
    """A line of `size` pixels through the middle along `angle`, across it a Gaussian; sum 1."""
    along, across = _across(size, angle)
    values = np.exp(-(across**2) / (2 * sigma * sigma)) * np.clip((size + 1) / 2 - np.abs(along), 0, 1)
    return decimals(values / values.sum(), 1)
