"""Activations and softmax, worked: each distinct value once, symbolic where it is no ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from convscope.core.array import ExactArray, from_cells, from_table
from convscope.core.derivation import Step
from convscope.core.document import Formula, Text, text
from convscope.core.expression import (
    Absolute,
    Call,
    Expression,
    Number,
    Power,
    Quotient,
    Sum,
    Symbol,
    as_expression,
    equation,
)
from convscope.core.layer import Layer
from convscope.core.number import Exact, Symbolic
from convscope.core.pointwise import (
    ELU,
    SELU,
    Dropout,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    Pointwise,
    PReLU,
    ReLU,
    ReLU6,
    Softmax,
    Softmin,
)
from convscope.errors import UnsupportedError
from convscope.worked.arithmetic import concatenate, mapped, multiply
from convscope.worked.functions import exponential, logarithm, point_function
from convscope.worked.views import short_sum
from convscope.worked.work import AnyLayer, Index, Work

AlongAxis = TypeVar("AlongAxis", bound=Softmax | Softmin | LogSoftmax)


def sign(value: Exact) -> int:
    """-1, 0 or 1, decided exactly."""
    if isinstance(value, Fraction):
        return (value > 0) - (value < 0)
    from convscope.worked.symbolic import compare

    return compare(value, Fraction(0))


def _scaled(value: Exact, factor: Fraction) -> Exact:
    product: Exact = multiply(from_cells([value], (1,)), from_cells([factor], (1,))).cell((0,))
    return product


def _clipped(value: Exact, low: Fraction, high: Fraction | None) -> Exact:
    from convscope.worked.symbolic import compare

    if compare(value, low) <= 0:
        return low
    return high if high is not None and compare(value, high) >= 0 else value


# What the piecewise activations make of a symbolic number, once its sign is decided exactly.
_PIECEWISE: dict[type[Layer], Callable[[Any, Exact], Exact]] = {
    ReLU: lambda _, x: _clipped(x, Fraction(0), None),
    ReLU6: lambda _, x: _clipped(x, Fraction(0), Fraction(6)),
    Hardtanh: lambda layer, x: _clipped(x, layer.min_val, layer.max_val),
    LeakyReLU: lambda layer, x: x if sign(x) > 0 else _scaled(x, layer.negative_slope),
    ELU: lambda layer, x: x if sign(x) > 0 else _formulated(layer, x),
    SELU: lambda layer, x: _scaled(x, layer.scale) if sign(x) > 0 else _formulated(layer, x),
}


def activated(layer: Layer, value: Exact) -> Exact:
    """One activation of one number: a ratio where it is one, else its formula.

    Raises:
        InputError: a piecewise activation of a letter, whose sign nobody knows.
    """
    if isinstance(value, Symbolic):
        piecewise = _PIECEWISE.get(type(layer))
        return _formulated(layer, value) if piecewise is None else piecewise(layer, value)
    exact = point_function(layer).exact(layer, value)
    return _formulated(layer, value) if exact is None else exact


def _formulated(layer: Layer, value: Exact) -> Exact:
    from convscope.worked.symbolic import Formulated

    function = point_function(layer)
    argument = Number(value)
    shown = value.expression if isinstance(value, Symbolic) else argument
    order = (layer, value) if function.increasing else None
    return Formulated(Call(function.symbol, (shown,)), function.formula(layer, argument), order)


def power_of(value: Exact, exponent: int) -> Exact:
    """|value| to a whole power."""
    if isinstance(value, Fraction):
        return abs(value) ** exponent
    from convscope.worked.symbolic import Formulated

    size = Absolute(Number(value))
    return Formulated(
        Power(Absolute(value.expression), Number(Fraction(exponent))), Power(size, as_expression(exponent))
    )


def root_of(value: Exact, degree: int) -> Exact:
    """The root of a number that is not negative: a ratio where it is one."""
    if isinstance(value, Fraction):
        exact = _rational_root(value, degree)
        if exact is not None:
            return exact
    from convscope.worked.symbolic import Formulated

    argument = Number(value)
    shown = value.expression if isinstance(value, Symbolic) else argument
    exponent = Number(Fraction(1, degree))
    return Formulated(Power(shown, exponent), Power(argument, exponent), (f"root {degree}", value))


def _rational_root(value: Fraction, degree: int) -> Fraction | None:
    parts = [_integer_root(part, degree) for part in (value.numerator, value.denominator)]
    return None if None in parts else Fraction(*parts)  # type: ignore[arg-type]


def _integer_root(value: int, degree: int) -> int | None:
    """The whole root by Newton's method on integers, or None when there is none."""
    if value < 2 or degree == 1:
        return value
    guess = 1 << -(-value.bit_length() // degree)
    while (lower := ((degree - 1) * guess + value // guess ** (degree - 1)) // degree) < guess:
        guess = lower
    return guess if guess**degree == value else None


class _ElementwiseWork(Work[AnyLayer]):
    """A layer that maps each number on its own."""

    letter = "a"

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The function of the number at this cell, its formula with the number filled in, its value."""
        value, result = self.x.cell(index), self.cell_value(index)
        layer = self.scalar_layer(index)
        function = point_function(layer)
        parts: list[Expression] = [name, Call(function.symbol, (Number(value),))]
        if isinstance(result, Symbolic) and not isinstance(layer, Identity | Dropout):
            parts.append(function.formula(layer, Number(value)))
        return (Step(text(), (Formula(equation(*parts, Number(result))),)),)

    def scalar_layer(self, index: Index) -> Layer:  # noqa: ARG002 - one for each channel in PReLU
        """The activation of this cell."""
        return self.layer


class PointwiseWork(_ElementwiseWork[Pointwise]):
    """An activation, worked."""

    def compute(self) -> ExactArray:
        """The activation of each distinct number."""
        return mapped(self.x, lambda value: activated(self.layer, value))

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
            mapped(self.x[:, channel : channel + 1], partial(activated, self.scalar_layer((0, channel))))
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

    @cached_property
    def _minus(self) -> bool:
        return isinstance(self.layer, Softmin)

    def _exponential(self, value: Exact) -> Expression:
        node = Number(-value) if isinstance(value, Fraction) and self._minus else Number(value)
        return exponential(-node if self._minus and not isinstance(value, Fraction) else node)

    def _line(self, values: Sequence[Exact]) -> list[Exact]:
        """The results of one line; the sum of exponentials is one value that all of them share."""
        from convscope.worked.symbolic import Formulated

        if all(value == values[0] for value in values) and not isinstance(self.layer, LogSoftmax):
            return [Fraction(1, len(values))] * len(values)
        total = short_sum([self._exponential(value) for value in values])
        shared = Number(Formulated(total, Sum(tuple(self._exponential(value) for value in values))))
        symbol = type(self.layer).__name__.lower()
        results: list[Exact] = []
        for value in values:
            name = Call(symbol, (value.expression if isinstance(value, Symbolic) else Number(value),))
            if isinstance(self.layer, LogSoftmax):
                results.append(Formulated(name, Number(value) - logarithm(shared)))
            else:
                results.append(Formulated(name, Quotient(self._exponential(value), shared)))
        return results

    def compute(self) -> ExactArray:
        """Line by line along the axis."""
        axis = self.axis % self.x.ndim
        moved = self.x.rearranged(lambda cells: np.moveaxis(cells, axis, -1))
        lines = moved.reshape((-1, moved.shape[-1]))
        results = [value for line in range(lines.shape[0]) for value in self._line(list(lines[line].cells()))]
        codes = np.arange(len(results), dtype=np.int64).reshape(moved.shape)
        return from_table(results, np.moveaxis(codes, -1, axis))

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
        total = short_sum([self._exponential(value) for value in line.cells()])
        share: Expression = Quotient(self._exponential(self.x.cell(index)), total)
        if isinstance(self.layer, LogSoftmax):
            share = logarithm(share)
        return (Step(text(), (Formula(equation(name, share, Number(self.cell_value(index)))),)),)
