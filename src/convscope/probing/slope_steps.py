"""How each derivative is found, and why it is no larger than its bound: the steps, in words and formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from convscope.core import pointwise
from convscope.core.derivation import Step
from convscope.core.document import Formula, Text, text
from convscope.core.expression import (
    Call,
    Expression,
    Number,
    Power,
    Quotient,
    Relation,
    Root,
    Symbol,
    as_expression,
    equation,
)
from convscope.core.layer import Layer
from convscope.worked.functions import FUNCTIONS, exponential
from convscope.worked.slopes import X, piece_words, pieces_of, slope_name, slope_of

ONE, TWO = as_expression(1), as_expression(2)
QUARTER, HALF = Number(Fraction(1, 4)), Number(Fraction(1, 2))


def _of(layer: Layer) -> Expression:
    return Call(FUNCTIONS[type(layer)].symbol, (X,))


def _slope(layer: Layer) -> Expression:
    return Call(slope_name(layer), (X,))


def _step(claim: str | Text, *formulas: Expression) -> Step:
    return Step(text(claim) if isinstance(claim, str) else claim, tuple(map(Formula, formulas)))


def _squared(node: Expression) -> Expression:
    return Power(node, TWO)


def _defined(layer: Layer) -> Step:
    return _step("The function:", equation(_of(layer), FUNCTIONS[type(layer)].formula(layer, X)))


def _sigmoid(layer: Layer) -> tuple[Step, ...]:
    s, power = _of(layer), exponential(-X)
    return (
        _defined(layer),
        _step(
            text("Its derivative, by the chain rule, with ", equation(ONE - s, power / (ONE + power)), ":"),
            equation(_slope(layer), power / _squared(ONE + power), s * (ONE - s)),
        ),
        _step(
            "The square is completed. What is taken away is never negative; it is 0 where σ = 1/2, at x = 0:",
            Relation((s * (ONE - s), QUARTER - _squared(s - HALF), QUARTER), ("=", "≤")),
        ),
    )


def _tanh(layer: Layer) -> tuple[Step, ...]:
    t = _of(layer)
    return (
        _defined(layer),
        _step(
            "Its derivative, by the quotient rule:",
            equation(
                _slope(layer),
                as_expression(4) / _squared(exponential(X) + exponential(-X)),
                ONE - _squared(t),
            ),
        ),
        _step(
            "A square is never negative, and tanh is 0 at x = 0:",
            Relation((ONE - _squared(t), ONE), ("≤",)),
        ),
    )


def _silu(layer: Layer) -> tuple[Step, ...]:
    s = Call("σ", (X,))
    return (
        _step("The function:", equation(_of(layer), X * s)),
        _step("Its derivative, by the product rule:", equation(_slope(layer), s * (ONE + X * (ONE - s)))),
        _step(
            "It is largest where its own derivative is zero:",
            equation(s * (ONE - s) * (TWO - X * Call("tanh", (X / 2,))), as_expression(0)),
        ),
        _step(
            "There σ = (1 + 2/x)/2, which leaves a straight line in x. The same x with a minus gives the "
            "least slope, since f′(−x) = 1 − f′(x):",
            equation(_slope(layer), (X + TWO) / 4),
        ),
    )


def _gelu(layer: pointwise.GELU) -> tuple[Step, ...]:
    if layer.approximate != "none":
        return (
            _defined(layer),
            _step("Its derivative:", equation(_slope(layer), slope_of(layer).formula(layer, X))),
        )
    density, distribution = Call("φ", (X,)), Call("Φ", (X,))
    normal = equation(density, exponential(-(_squared(X) / 2)) / Root(TWO * Symbol("π")))
    return (
        _step(
            "The function; Φ is the normal distribution, φ its density:",
            equation(_of(layer), X * distribution),
            normal,
        ),
        _step("Its derivative, by the product rule:", equation(_slope(layer), distribution + X * density)),
        _step(
            "It is largest where its own derivative is zero, at √2, and least at −√2:",
            equation(density * (TWO - _squared(X)), as_expression(0)),
        ),
    )


def _climbing(layer: Layer) -> tuple[Step, ...]:
    sign = X if isinstance(layer, pointwise.LogSigmoid) else -X
    rate = layer.beta if isinstance(layer, pointwise.Softplus) else Fraction(1)
    inner = sign if rate == 1 else Number(rate) * sign
    return (
        _defined(layer),
        _step(
            "Its derivative is a sigmoid, which lies between 0 and 1 and reaches neither:",
            equation(_slope(layer), ONE / (ONE + exponential(inner))),
        ),
    )


def _softsign(layer: Layer) -> tuple[Step, ...]:
    return (
        _defined(layer),
        _step(
            "Its derivative, the same on both sides of 0, where the denominator is least:",
            Relation((_slope(layer), slope_of(layer).formula(layer, X), ONE), ("=", "≤")),
        ),
    )


def _exponential_unit(layer: pointwise.ELU | pointwise.SELU) -> tuple[Step, ...]:
    above = layer.scale if isinstance(layer, pointwise.SELU) else Fraction(1)
    return (
        _step("The function below zero:", equation(_of(layer), FUNCTIONS[type(layer)].formula(layer, X))),
        _step("Its derivative below zero:", equation(_slope(layer), slope_of(layer).formula(layer, X))),
        _step("Above zero it is a straight line:", equation(_slope(layer), Number(above))),
    )


def _straight(layer: Layer) -> tuple[Step, ...]:
    low: Fraction | None = None
    steps = []
    for piece in pieces_of(layer) or ():
        whole = low is None and piece.upto is None
        where = "Everywhere:" if whole else f"For {piece_words(low, piece.upto)}:"
        steps.append(
            _step(
                where,
                equation(_slope(layer), Number(piece.slope or Fraction(0))),
            )
        )
        low = piece.upto
    if len(steps) > 1:
        steps.append(
            _step("Where two pieces meet there is no derivative; the outer slope is taken, as in PyTorch.")
        )
    return tuple(steps)


STEPS: Mapping[type[Layer], Callable[[Any], tuple[Step, ...]]] = MappingProxyType(
    {
        pointwise.Sigmoid: _sigmoid,
        pointwise.Tanh: _tanh,
        pointwise.SiLU: _silu,
        pointwise.GELU: _gelu,
        pointwise.Softplus: _climbing,
        pointwise.LogSigmoid: _climbing,
        pointwise.Softsign: _softsign,
        pointwise.ELU: _exponential_unit,
        pointwise.SELU: _exponential_unit,
    }
)


def derivative_steps(layer: Layer) -> tuple[Step, ...]:
    """The steps to f′ and to its bound."""
    return STEPS.get(type(layer), _straight)(layer)


# --- where the slope is small --------------------------------------------------------------------


def small_steps(layer: Layer, below: Fraction) -> tuple[Step, ...]:
    """The algebra from |f′| < threshold to the ends, where there is some; empty where a look is enough."""
    epsilon = Number(below)
    if isinstance(layer, pointwise.Sigmoid) and below < Fraction(1, 4):
        s = Symbol("s")
        root = Root(ONE - 4 * epsilon)
        return (
            _step(
                "With s for σ(x), the slope is small outside the roots of",
                equation(s * (ONE - s), epsilon),
            ),
            _step(
                "which are", equation(s, Quotient(ONE - root, TWO)), equation(s, Quotient(ONE + root, TWO))
            ),
            _step(
                text(
                    "Since ",
                    equation(X, Call("ln", (Quotient(s, ONE - s),))),
                    ", the upper root stands at this x, and the lower one at minus that:",
                ),
                equation(X, Call("ln", (Quotient(ONE - 2 * epsilon + root, 2 * epsilon),))),
            ),
        )
    if isinstance(layer, pointwise.Tanh):
        t = Symbol("t")
        root = Root(ONE - epsilon)
        return (
            _step(
                "With t for tanh(x), the slope 1 − t² is small beyond",
                equation(t, root),
            ),
            _step(
                text("Since ", equation(X, Call("ln", (Quotient(ONE + t, ONE - t),)) / 2), ", that is"),
                equation(X, Call("ln", (Quotient(ONE + root, Root(epsilon)),))),
            ),
        )
    return ()
