"""What each activation is: for one number, either the exact ratio or the formula that defines it.

The formula is the only definition there is: it is shown to the reader, evaluated in interval
arithmetic for every printed digit, and compared exactly in a pool.
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
class PointFunction:
    """One activation as a function of one number.

    Attributes:
        symbol: how it is written: σ, tanh.
        formula: from the layer and the argument to the formula that defines the value.
        exact: from the layer and a ratio to the value where that is a ratio, else None.
        increasing: strictly increasing everywhere, so that it keeps the order of its arguments.
        needs_sign: the formula depends on the argument's sign, so letters cannot pass.
    """

    symbol: str
    formula: Callable[[Any, Expression], Expression]
    exact: Callable[[Any, Fraction], Fraction | None]
    increasing: bool = False
    needs_sign: bool = False


ONE, TWO = as_expression(1), as_expression(2)


def exponential(argument: Expression) -> Expression:
    """``e`` raised to the argument."""
    return Power(Symbol("e"), argument)


def logarithm(argument: Expression) -> Expression:
    """The natural logarithm."""
    return Call("ln", (argument,))


def _never(layer: Layer, x: Fraction) -> Fraction | None:  # noqa: ARG001 - the interface of `exact`
    return None


def _at_zero(value: Fraction) -> Callable[[Any, Fraction], Fraction | None]:
    return lambda _layer, x: value if x == 0 else None


def _always(rule: Callable[[Any, Fraction], Fraction]) -> Callable[[Any, Fraction], Fraction | None]:
    return rule


def _where_positive(_layer: Layer, x: Fraction) -> Fraction | None:
    return x if x >= 0 else None


def _clipped(low: Fraction, x: Fraction, high: Fraction) -> Fraction:
    return min(max(low, x), high)


def _selu_exact(layer: pointwise.SELU, x: Fraction) -> Fraction | None:
    return layer.scale * x if x >= 0 else None


def _gelu(layer: pointwise.GELU, x: Expression) -> Expression:
    if layer.approximate == "none":
        return x / 2 * (ONE + Call("erf", (x / Root(TWO),)))
    inner = Root(TWO / Symbol("π")) * (x + as_expression(Fraction("0.044715")) * Power(x, as_expression(3)))
    return x / 2 * (ONE + Call("tanh", (inner,)))


FUNCTIONS: dict[type[Layer], PointFunction] = {
    pointwise.Identity: PointFunction("identity", lambda _, x: x, _always(lambda _, x: x), increasing=True),
    pointwise.Dropout: PointFunction("dropout", lambda _, x: x, _always(lambda _, x: x), increasing=True),
    pointwise.ReLU: PointFunction(
        "ReLU",
        lambda _, x: Call("max", (as_expression(0), x)),
        _always(lambda _, x: max(Fraction(0), x)),
        needs_sign=True,
    ),
    pointwise.ReLU6: PointFunction(
        "ReLU6",
        lambda _, x: Call("min", (Call("max", (as_expression(0), x)), as_expression(6))),
        _always(lambda _, x: _clipped(Fraction(0), x, Fraction(6))),
        needs_sign=True,
    ),
    pointwise.LeakyReLU: PointFunction(
        "LeakyReLU",
        lambda layer, x: Number(layer.negative_slope) * x,
        _always(lambda layer, x: x if x > 0 else layer.negative_slope * x),
        needs_sign=True,
    ),
    pointwise.Hardtanh: PointFunction(
        "hardtanh",
        lambda layer, x: Call("min", (Call("max", (Number(layer.min_val), x)), Number(layer.max_val))),
        _always(lambda layer, x: _clipped(layer.min_val, x, layer.max_val)),
        needs_sign=True,
    ),
    pointwise.Softsign: PointFunction(
        "softsign",
        lambda _, x: x / (ONE + Absolute(x)),
        _always(lambda _, x: x / (1 + abs(x))),
        increasing=True,
    ),
    pointwise.ELU: PointFunction(
        "ELU",
        lambda layer, x: Number(layer.alpha) * (exponential(x) - 1),
        _where_positive,
        needs_sign=True,
    ),
    pointwise.SELU: PointFunction(
        "SELU",
        lambda layer, x: Number(layer.scale) * Number(layer.alpha) * (exponential(x) - 1),
        _selu_exact,
        needs_sign=True,
    ),
    pointwise.Sigmoid: PointFunction(
        "σ", lambda _, x: ONE / (ONE + exponential(-x)), _at_zero(Fraction(1, 2)), increasing=True
    ),
    pointwise.LogSigmoid: PointFunction(
        "logsigmoid", lambda _, x: -logarithm(ONE + exponential(-x)), _never, increasing=True
    ),
    pointwise.Tanh: PointFunction(
        "tanh",
        lambda _, x: (exponential(x) - exponential(-x)) / (exponential(x) + exponential(-x)),
        _at_zero(Fraction(0)),
        increasing=True,
    ),
    pointwise.GELU: PointFunction("GELU", _gelu, _at_zero(Fraction(0))),
    pointwise.SiLU: PointFunction("SiLU", lambda _, x: x / (ONE + exponential(-x)), _at_zero(Fraction(0))),
    pointwise.Softplus: PointFunction(
        "softplus",
        lambda layer, x: (
            logarithm(ONE + exponential(x))
            if layer.beta == 1
            else logarithm(ONE + exponential(Number(layer.beta) * x)) / Number(layer.beta)
        ),
        _never,
        increasing=True,
    ),
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
