"""Activations and softmax, worked: each distinct value once, symbolic where it is no ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np

from convscope.core.array import INT64_LIMIT, ExactArray, RationalArray, from_cells, magnitude
from convscope.core.derivation import Step
from convscope.core.document import Formula, Text, text
from convscope.core.expression import (
    Call,
    Expression,
    Number,
    Quotient,
    Symbol,
    equation,
)
from convscope.core.layer import Layer
from convscope.core.number import Exact, Symbolic
from convscope.core.pointwise import (
    ELU,
    SELU,
    Dropout,
    Identity,
    LeakyReLU,
    LogSoftmax,
    Pointwise,
    PReLU,
    Softmax,
    Softmin,
)
from convscope.errors import UnsupportedError
from convscope.worked.arithmetic import concatenate, mapped, mapped_later
from convscope.worked.functions import Piece, exponential, logarithm, point_function
from convscope.worked.identities import integer_root
from convscope.worked.irrational import Activated, ExponentialSum, RootOf, Share, SizePower
from convscope.worked.symbolic import is_numeric, lift, lower
from convscope.worked.views import short_sum
from convscope.worked.work import AnyLayer, Index, Work

# A power of more bits than this is no result that anybody reads.
MOST_POWER_BITS = 2**17
MOST_SYMBOLIC_POWER = 64

AlongAxis = TypeVar("AlongAxis", bound=Softmax | Softmin | LogSoftmax)


def sign(value: Exact) -> int:
    """-1, 0 or 1, decided exactly."""
    if isinstance(value, Fraction):
        return (value > 0) - (value < 0)
    from convscope.worked.comparison import compare

    return compare(value, Fraction(0))


def activated(layer: Layer, value: Exact) -> Exact:
    """One activation of one number: a ratio where it is one, else its formula.

    Raises:
        InputError: a piecewise activation of a letter, whose sign nobody knows.
    """
    function = point_function(layer)
    if function.pieces is not None:
        piece = _piece_of(function.pieces(layer), value)
        if piece.slope is not None:
            return lower(lift(value) * piece.slope + piece.offset)
    if isinstance(value, Fraction):
        exact = function.exact(value)
        if exact is not None:
            return exact
    return Activated(layer, value)


def _piece_of(pieces: Sequence[Piece], value: Exact) -> Piece:
    """The part of the number line that the value lies in."""
    from convscope.worked.comparison import compare

    for piece in pieces:
        if piece.upto is None:
            return piece
        below = value <= piece.upto if isinstance(value, Fraction) else compare(value, piece.upto) <= 0
        if below:
            return piece
    raise AssertionError("the last piece has no end")


def _on_pieces(array: RationalArray, pieces: Sequence[Piece]) -> RationalArray:
    """A function that is linear piece by piece, on all ratios at once."""
    slopes, offsets = [p.slope or Fraction(0) for p in pieces], [p.offset for p in pieces]
    common = math.lcm(*(ratio.denominator for ratio in (*slopes, *offsets)))
    steps = [int(slope * common) for slope in slopes]
    shifts = [int(offset * common) * array.denominator for offset in offsets]
    size = magnitude(array.numerators)
    numerators = array.numerators
    if max(abs(step) * size + abs(shift) for step, shift in zip(steps, shifts, strict=True)) > INT64_LIMIT:
        numerators = numerators.astype(object)
    result = numerators * steps[-1] + shifts[-1]
    for piece, step, shift in reversed(list(zip(pieces, steps, shifts, strict=True))[:-1]):
        assert piece.upto is not None  # noqa: S101 - only the last piece has no end; tells the type checker
        last = math.floor(piece.upto * array.denominator)
        below = numerators <= min(max(last, -size - 1), size)
        result = np.where(below, numerators * step + shift, result)
    return RationalArray(result, array.denominator * common)


def power_of(value: Exact, exponent: int) -> Exact:
    """|value| to a whole power.

    Raises:
        UnsupportedError: a power too large to be written down.
    """
    if isinstance(value, Fraction):
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        if bits * exponent > MOST_POWER_BITS:
            raise UnsupportedError(f"a power {exponent} of {bits} bits is too large to be written out")
        return abs(value) ** exponent
    if exponent > MOST_SYMBOLIC_POWER:
        raise UnsupportedError(
            f"a symbolic number to the power {exponent} is not worked; up to {MOST_SYMBOLIC_POWER} is"
        )
    if exponent % 2 and not is_numeric(value):
        return SizePower(value, exponent)
    size = -lift(value) if exponent % 2 and sign(value) < 0 else lift(value)
    return lower(size**exponent)


def root_of(value: Exact, degree: int) -> Exact:
    """The root of a number that is not negative: a ratio where it is one."""
    if degree == 1:
        return value
    if isinstance(value, Fraction):
        parts = [integer_root(part, degree) for part in (value.numerator, value.denominator)]
        if parts[0] is not None and parts[1] is not None:
            return Fraction(parts[0], parts[1])
    return RootOf(degree, value)


def activated_array(layer: Layer, array: ExactArray) -> ExactArray:
    """The activation of every number."""
    function = point_function(layer)

    def one(value: Exact) -> Exact:
        return activated(layer, value)

    if isinstance(array, RationalArray):
        pieces = () if function.pieces is None else function.pieces(layer)
        if pieces and all(piece.slope is not None for piece in pieces):
            return _on_pieces(array, pieces)
        # A function without pieces that gives no ratio for 1 gives one for 0 at most.
        if not pieces and function.exact(Fraction(1)) is None and array.numerators.any():
            formula = function.formula(layer, Symbol("x"))
            return mapped_later(array, one, increasing=function.increasing, formula=formula)
    return mapped(array, one)


class _ElementwiseWork(Work[AnyLayer]):
    """A layer that maps each number on its own."""

    letter = "a"

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The function of the number at this cell, its formula with the number filled in, its value."""
        value, result = self.x.cell(index), self.cell_value(index)
        layer = self.scalar_layer(index)
        function = point_function(layer)
        parts: list[Expression] = [name, Call(function.symbol, (Number(value),))]
        if _says_more(layer, value):
            parts.append(function.formula(layer, Number(value)))
        # σ of a letter is its own value.
        if is_numeric(result):
            parts.append(Number(result))
        return (Step(text(), (Formula(equation(*parts)),)),)

    def scalar_layer(self, index: Index) -> Layer:  # noqa: ARG002 - one for each channel in PReLU
        """The activation of this cell."""
        return self.layer


def _says_more(layer: Layer, value: Exact) -> bool:
    """True where the formula with the number filled in is what was worked out."""
    if isinstance(layer, Identity | Dropout):
        return False
    function = point_function(layer)
    return function.always or sign(value) <= 0


class PointwiseWork(_ElementwiseWork[Pointwise]):
    """An activation, worked."""

    def compute(self) -> ExactArray:
        """The activation of each distinct number; of those that stay symbolic, when one is looked at."""
        return activated_array(self.layer, self.x)

    def convention(self) -> Text:
        """The defining formula."""
        function = point_function(self.layer)
        x = Symbol("x")
        formula = function.formula(self.layer, x)
        defined = equation(Call(function.symbol, (x,)), formula)
        if isinstance(self.layer, LeakyReLU | ELU):
            return text("Each number on its own: x where it is positive, elsewhere ", defined, ".")
        if isinstance(self.layer, SELU):
            return text(
                "Each number on its own: ",
                Number(SELU.scale) * x,
                " where positive, elsewhere ",
                defined,
                ".",
            )
        if isinstance(self.layer, Identity | Dropout):
            return text("Every number stays as it is.")
        return text("Each number on its own: ", defined, ".")


class PReLUWork(_ElementwiseWork[PReLU]):
    """A parametric ReLU, worked channel by channel."""

    def scalar_layer(self, index: Index) -> Layer:
        """The leaky ReLU of the cell's channel."""
        slopes = self.layer.weight
        slope = slopes.cell((index[1] if slopes.size > 1 else 0,))
        if isinstance(slope, Symbolic):
            raise UnsupportedError("PReLU: a letter as slope is not worked")
        return LeakyReLU(slope)

    def compute(self) -> ExactArray:
        """The activation of each distinct number of each channel."""
        parts = [
            activated_array(self.scalar_layer((0, channel)), self.x[:, channel : channel + 1])
            for channel in range(self.x.shape[1])
        ]
        return concatenate(parts, axis=1)

    def convention(self) -> Text:
        """The slopes in words."""
        count = self.layer.weight.size
        slopes = "one slope" if count == 1 else f"{count} slopes, one a channel"
        return text(
            f"Each number on its own: x where it is positive, the slope times x elsewhere ({slopes})."
        )


class SoftmaxWork(Work[AlongAxis]):
    """Softmax, softmin or log-softmax along one axis, worked."""

    letter = "a"

    @property
    def axis(self) -> int:
        """The axis of the array with its batch axis; set by the layout, counted from the end."""
        return self.layer.dim

    @property
    def _minus(self) -> bool:
        return isinstance(self.layer, Softmin)

    def _exponent(self, value: Exact) -> Exact:
        return lower(-lift(value)) if self._minus else value

    def _line(self, values: Sequence[Exact]) -> list[Exact]:
        """The results of one line; the sum of exponentials is one value that all of them share."""
        if all(value == values[0] for value in values) and not isinstance(self.layer, LogSoftmax):
            return [Fraction(1, len(values))] * len(values)
        if len(values) == 1:
            return [Fraction(0)]  # the logarithm of a share of 1
        total = ExponentialSum(tuple(self._exponent(value) for value in values))
        symbol = type(self.layer).__name__.lower()
        return [
            Share(symbol, value, exponent, total)
            for value, exponent in zip(values, total.key[0], strict=True)
        ]

    def compute(self) -> ExactArray:
        """Line by line along the axis."""
        axis = self.axis % self.x.ndim
        moved = self.x.rearranged(lambda cells: np.moveaxis(cells, axis, -1))
        lines = moved.reshape((-1, moved.shape[-1]))
        results = [value for line in range(lines.shape[0]) for value in self._line(list(lines[line].cells()))]
        return from_cells(results, moved.shape).rearranged(lambda cells: np.moveaxis(cells, -1, axis))

    def convention(self) -> Text:
        """The formula in words."""
        x = Symbol("x", (Symbol("i"),))
        sign = -x if self._minus else x
        share = Quotient(exponential(sign), Call("sum", (exponential(sign),)))
        shown = Call("ln", (share,)) if isinstance(self.layer, LogSoftmax) else share
        return text("Along one axis of ", self.x.shape[self.axis], " numbers: ", shown, ".")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The exponentials of the line and this cell's share of their sum."""
        axis = self.axis % self.x.ndim
        line = self.x[(*index[:axis], slice(None), *index[axis + 1 :])]
        total = short_sum([exponential(Number(self._exponent(value))) for value in line.cells()])
        share: Expression = Quotient(exponential(Number(self._exponent(self.x.cell(index)))), total)
        if isinstance(self.layer, LogSoftmax):
            share = logarithm(share)
        return (Step(text(), (Formula(equation(name, share, Number(self.cell_value(index)))),)),)
