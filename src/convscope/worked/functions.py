"""What each activation is, said once: its formula, and where it is linear.

The formula is shown to the reader, evaluated in interval arithmetic for every printed digit, and
compared exactly in a pool. Where a function is linear (all of ReLU, an ELU above zero), its pieces
work on whole arrays of ratios and on single symbolic numbers alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from convscope.core import pointwise
from convscope.core.expression import Absolute, Call, Expression, Number, Power, Root, Symbol, as_expression
from convscope.core.layer import Layer
from convscope.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the number line on which a function is ``slope · x + offset``, or is its formula.

    Attributes:
        upto: the last number of the part; None for the last part, which has no end.
        slope, offset: the line; None where the function is not linear.
    """

    upto: Fraction | None
    slope: Fraction | None
    offset: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class PointFunction:
    """One activation as a function of one number.

    Attributes:
        symbol: how it is written: σ, tanh.
        formula: from the layer and the argument to the formula that defines the value.
        pieces: from the layer to the parts on which it is linear, in order; None where no part is.
        exact: from a ratio to the value where that is a ratio, else None; for functions without pieces.
        increasing: strictly increasing everywhere, so that it keeps the order of its arguments.
        always: its formula says all there is to say (a leaky ReLU's says only what it is below zero).
    """

    symbol: str
    formula: Callable[[Any, Expression], Expression]
    pieces: Callable[[Any], tuple[Piece, ...]] | None = None
    exact: Callable[[Fraction], Fraction | None] = lambda _: None
    increasing: bool = False
    always: bool = True


ZERO, ONE, TWO = Fraction(0), as_expression(1), as_expression(2)


def exponential(argument: Expression) -> Expression:
    """``e`` raised to the argument."""
    return Power(Symbol("e"), argument)


def logarithm(argument: Expression) -> Expression:
    """The natural logarithm."""
    return Call("ln", (argument,))


def _at_zero(value: Fraction) -> Callable[[Fraction], Fraction | None]:
    """A ratio at 0 and nowhere else among the ratios."""
    return lambda x: value if x == 0 else None


def _clip(low: Fraction, high: Fraction) -> tuple[Piece, ...]:
    return Piece(low, ZERO, low), Piece(high, Fraction(1)), Piece(None, ZERO, high)


def _bent(below: Fraction | None, above: Fraction) -> tuple[Piece, ...]:
    """One slope up to zero (or a formula) and one beyond."""
    return Piece(ZERO, below), Piece(None, above)


def _clipped(low: Fraction, x: Expression, high: Fraction) -> Expression:
    return Call("min", (Call("max", (Number(low), x)), Number(high)))


def _gelu(layer: pointwise.GELU, x: Expression) -> Expression:
    if layer.approximate == "none":
        return x / 2 * (ONE + Call("erf", (x / Root(TWO),)))
    inner = Root(TWO / Symbol("π")) * (x + as_expression(Fraction("0.044715")) * Power(x, as_expression(3)))
    return x / 2 * (ONE + Call("tanh", (inner,)))


def _softplus(layer: pointwise.Softplus, x: Expression) -> Expression:
    if layer.beta == 1:
        return logarithm(ONE + exponential(x))
    return logarithm(ONE + exponential(Number(layer.beta) * x)) / Number(layer.beta)


_UNCHANGED = (Piece(None, Fraction(1)),)

FUNCTIONS: dict[type[Layer], PointFunction] = {
    pointwise.Identity: PointFunction("identity", lambda _, x: x, lambda _: _UNCHANGED, increasing=True),
    pointwise.Dropout: PointFunction("dropout", lambda _, x: x, lambda _: _UNCHANGED, increasing=True),
    pointwise.ReLU: PointFunction(
        "ReLU", lambda _, x: Call("max", (as_expression(0), x)), lambda _: _bent(ZERO, Fraction(1))
    ),
    pointwise.ReLU6: PointFunction(
        "ReLU6", lambda _, x: _clipped(ZERO, x, Fraction(6)), lambda _: _clip(ZERO, Fraction(6))
    ),
    pointwise.LeakyReLU: PointFunction(
        "LeakyReLU",
        lambda layer, x: Number(layer.negative_slope) * x,
        lambda layer: _bent(layer.negative_slope, Fraction(1)),
        always=False,
    ),
    pointwise.Hardtanh: PointFunction(
        "hardtanh",
        lambda layer, x: _clipped(layer.min_val, x, layer.max_val),
        lambda layer: _clip(layer.min_val, layer.max_val),
    ),
    pointwise.Softsign: PointFunction(
        "softsign", lambda _, x: x / (ONE + Absolute(x)), exact=lambda x: x / (1 + abs(x)), increasing=True
    ),
    pointwise.ELU: PointFunction(
        "ELU",
        lambda layer, x: Number(layer.alpha) * (exponential(x) - 1),
        lambda _: _bent(None, Fraction(1)),
        exact=_at_zero(ZERO),
        always=False,
    ),
    pointwise.SELU: PointFunction(
        "SELU",
        lambda layer, x: Number(layer.scale) * Number(layer.alpha) * (exponential(x) - 1),
        lambda layer: _bent(None, layer.scale),
        exact=_at_zero(ZERO),
        always=False,
    ),
    pointwise.Sigmoid: PointFunction(
        "σ", lambda _, x: ONE / (ONE + exponential(-x)), exact=_at_zero(Fraction(1, 2)), increasing=True
    ),
    pointwise.LogSigmoid: PointFunction(
        "logsigmoid", lambda _, x: -logarithm(ONE + exponential(-x)), increasing=True
    ),
    pointwise.Tanh: PointFunction(
        "tanh",
        lambda _, x: (exponential(x) - exponential(-x)) / (exponential(x) + exponential(-x)),
        exact=_at_zero(ZERO),
        increasing=True,
    ),
    pointwise.GELU: PointFunction("GELU", _gelu, exact=_at_zero(ZERO)),
    pointwise.SiLU: PointFunction("SiLU", lambda _, x: x / (ONE + exponential(-x)), exact=_at_zero(ZERO)),
    pointwise.Softplus: PointFunction("softplus", _softplus, increasing=True),
}


def point_function(layer: Layer) -> PointFunction:
    """The activation's function.

    Raises:
        UnsupportedError: a layer that is no activation known here.
    """
    found = FUNCTIONS.get(type(layer))
    if found is None:
        known = ", ".join(kind.__name__ for kind in FUNCTIONS)
        raise UnsupportedError(f"{type(layer).__name__} is not an activation of one number; known: {known}")
    return found
