"""Functions of one number made of straight pieces, exact: ReLU and its kin, closed under composition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from convscope.core.layer import Layer
from convscope.core.pointwise import Hardtanh, LeakyReLU, PReLU, ReLU, ReLU6

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Piecewise:
    """A continuous function of straight pieces; two that are equal everywhere are equal values.

    Attributes:
        points: where the slope changes, ascending, each with its value; the place 0 where it never does.
        first, last: the slope before the first and after the last point.
    """

    points: tuple[tuple[Fraction, Fraction], ...]
    first: Fraction
    last: Fraction

    def __call__(self, x: Fraction) -> Fraction:
        """The value at x."""
        left, right = self.points[0], self.points[-1]
        if x <= left[0]:
            return left[1] + self.first * (x - left[0])
        if x >= right[0]:
            return right[1] + self.last * (x - right[0])
        for (x0, y0), (x1, y1) in pairwise(self.points):
            if x <= x1:
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        raise AssertionError("the pieces leave no gap")

    @property
    def slopes(self) -> tuple[Fraction, ...]:
        """The slope of each piece, in order."""
        inner = ((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(self.points))
        return (self.first, *inner, self.last)

    @property
    def is_identity(self) -> bool:
        """True for x itself."""
        return self == IDENTITY

    @property
    def is_increasing(self) -> bool:
        """True where a larger x never gives a smaller value."""
        return min(self.slopes) >= 0

    @property
    def is_homogeneous(self) -> bool:
        """True where f(c·x) = c·f(x) for every c > 0."""
        return self.points == ((ZERO, ZERO),)

    def after(self, first: Piecewise) -> Piecewise:
        """The function that does `first` and then this one."""
        places = {x for x, _ in first.points}
        for y, _ in self.points:
            places |= first.preimages(y)
        return from_function(lambda x: self(first(x)), sorted(places))

    def preimages(self, y: Fraction) -> set[Fraction]:
        """Places at which the function passes through y; a level piece gives none, its ends are points."""
        found = set()
        xs = [x for x, _ in self.points]
        bounds = [(None, xs[0]), *pairwise(xs), (xs[-1], None)]
        for (low, high), slope in zip(bounds, self.slopes, strict=True):
            if slope == 0:
                continue
            anchor = low if low is not None else high
            assert anchor is not None  # noqa: S101 - a piece has one end at least
            x = anchor + (y - self(anchor)) / slope
            if (low is None or x >= low) and (high is None or x <= high):
                found.add(x)
        return found


def from_function(function: Callable[[Fraction], Fraction], places: Sequence[Fraction]) -> Piecewise:
    """A function that is straight between these places, which are sorted; beyond them as well."""
    xs = [places[0] - 1, *places, places[-1] + 1]
    ys = [function(x) for x in xs]
    slopes = [(ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]) for i in range(len(xs) - 1)]
    points = tuple((xs[i], ys[i]) for i in range(1, len(xs) - 1) if slopes[i - 1] != slopes[i])
    return Piecewise(points or ((ZERO, function(ZERO)),), slopes[0], slopes[-1])


def _bent(slope: Fraction) -> Piecewise:
    if slope == 1:
        return IDENTITY
    return Piecewise(((ZERO, ZERO),), slope, ONE)


def _kept_between(low: Fraction, high: Fraction) -> Piecewise:
    return Piecewise(((low, low), (high, high)), ZERO, ZERO)


def _prelu(layer: PReLU) -> Piecewise | None:
    slopes = set(layer.weight.cells())
    slope = slopes.pop()
    return _bent(slope) if not slopes and isinstance(slope, Fraction) else None


IDENTITY = Piecewise(((ZERO, ZERO),), ONE, ONE)

PIECEWISE: dict[type[Layer], Callable[[Any], Piecewise | None]] = {
    ReLU: lambda _: _bent(ZERO),
    ReLU6: lambda _: _kept_between(ZERO, Fraction(6)),
    LeakyReLU: lambda layer: _bent(layer.negative_slope),
    PReLU: _prelu,
    Hardtanh: lambda layer: _kept_between(layer.min_val, layer.max_val),
}


def piecewise_of(layer: Layer) -> Piecewise | None:
    """The layer as straight pieces; None for any other."""
    found = PIECEWISE.get(type(layer))
    return None if found is None else found(layer)
