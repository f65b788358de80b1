"""Symbolic numbers given by a formula of their own, or by where a formula crosses zero.

Unlike a polynomial over σ(15/2) they are never multiplied out: a gradient through ten layers stays one
formula over the gradients of the layer after it, and is enclosed once for each precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from convscope.core.expression import (
    Absolute,
    Call,
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
)
from convscope.core.number import Exact
from convscope.errors import UnsupportedError
from convscope.worked.polynomial import Polynomial
from convscope.worked.symbolic import Irrational

_PARTS: dict[type[Expression], Callable[[Any], Iterable[Expression]]] = {
    Sum: lambda node: node.terms,
    Product: lambda node: node.factors,
    Quotient: lambda node: (node.numerator, node.denominator),
    Negative: lambda node: (node.argument,),
    Power: lambda node: (node.base, node.exponent),
    Root: lambda node: (node.argument,),
    Absolute: lambda node: (node.argument,),
    Call: lambda node: node.arguments,
}


def numbers_in(node: Expression) -> Iterable[Exact]:
    """Every number that stands in a formula."""
    if isinstance(node, Number):
        yield node.value
    for part in _PARTS.get(type(node), lambda _: ())(node):
        yield from numbers_in(part)


class Named(Irrational):
    """A number with a name and a formula: ``σ′(7.5)``, which is e^(−7.5)/(1 + e^(−7.5))².

    Two of them are equal when their formulas are.
    """

    __slots__ = ("name",)

    def __init__(self, name: Expression, formula: Expression) -> None:
        super().__init__((formula,))
        self.name = name

    @property
    def expression(self) -> Expression:
        """Its name."""
        return self.name

    @property
    def formula(self) -> Expression:
        """What it is, over exact numbers."""
        node: Expression = self.key[0]
        return node

    def _parts(self) -> tuple[Exact, ...]:
        return tuple(numbers_in(self.formula))

    def _derive_normal(self) -> Polynomial:
        return Polynomial.of(self)


class Crossing(Irrational):
    """Where a function crosses zero, once, between two ratios.

    Attributes:
        function: from the formula of x to the formula of f(x).
        low, high: the ends.
        rises: f is below zero at the low end and above it at the high end; else the other way round.
        narrowed: the ends as near as they have been brought so far.

    Args:
        name: how the place is written: ``x₁``.
        key: what tells it from others: the function's name and options.
    """

    __slots__ = ("function", "high", "low", "name", "narrowed", "rises")

    def __init__(
        self,
        name: Expression,
        key: tuple[Any, ...],
        function: Callable[[Expression], Expression],
        low: Fraction,
        high: Fraction,
        *,
        rises: bool,
    ) -> None:
        super().__init__((*key, low, high))
        self.name = name
        self.function = function
        self.low, self.high = self.narrowed = low, high
        self.rises = rises

    @property
    def expression(self) -> Expression:
        """Its name."""
        return self.name

    @property
    def formula(self) -> Expression:
        """It has no closed form; the number itself stands for it."""
        return Number(self)

    def _sympy_(self) -> Any:  # noqa: ANN401 - SymPy's own protocol
        raise UnsupportedError(f"a number where a function crosses zero has no SymPy form: {self!r}")

    def _parts(self) -> tuple[Exact, ...]:
        return ()

    def _derive_normal(self) -> Polynomial:
        return Polynomial.of(self)
