"""The symbolic numbers that layers make: each knows its name, its formula, its order and its normal form."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from convscope.core import pointwise
from convscope.core.expression import (
    Absolute,
    Call,
    Expression,
    Number,
    Power,
    Quotient,
    Root,
    Sum,
    as_expression,
)
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.worked import identities
from convscope.worked.functions import exponential, logarithm, point_function
from convscope.worked.polynomial import Polynomial
from convscope.worked.symbolic import Irrational, name_of, normal_form


class Activated(Irrational):
    """An activation of a number: σ(7.5)."""

    __slots__ = ()

    def __init__(self, layer: Layer, argument: Exact) -> None:
        increasing = point_function(layer).increasing
        super().__init__((layer, argument), (layer, argument) if increasing else None)

    @property
    def expression(self) -> Expression:
        """``σ(7.5)``."""
        layer, argument = self.key
        return Call(point_function(layer).symbol, (name_of(argument),))

    @property
    def formula(self) -> Expression:
        """``1/(1 + e^(−7.5))``."""
        layer, argument = self.key
        return point_function(layer).formula(layer, Number(argument))

    def _parts(self) -> tuple[Exact, ...]:
        return (self.key[1],)

    def _derive_normal(self) -> Polynomial:
        layer, argument = self.key
        return _ACTIVATIONS[type(layer)](layer, normal_form(argument))


def _gelu(layer: pointwise.GELU, u: Polynomial) -> Polynomial:
    """``x · Φ(x)``; the paper's approximation of Φ climbs from 0 to 1 just as Φ does."""
    return u * identities.step("normal" if layer.approximate == "none" else "nearly normal", u)


# Below zero, where the exponential units are not linear, they are this.
def _exponential_unit(scale: Fraction, u: Polynomial) -> Polynomial:
    return (identities.exponential(u) - 1) * scale


_ACTIVATIONS: dict[type[Layer], Callable[[Any, Polynomial], Polynomial]] = {
    pointwise.Sigmoid: lambda _, u: identities.sigmoid(u),
    pointwise.LogSigmoid: lambda _, u: -identities.softplus(-u),
    pointwise.Tanh: lambda _, u: identities.tanh(u),
    pointwise.SiLU: lambda _, u: u * identities.sigmoid(u),
    pointwise.GELU: _gelu,
    pointwise.Softplus: lambda layer, u: identities.softplus(u * layer.beta) * (1 / layer.beta),
    pointwise.Softsign: lambda _, u: identities.odd("softsign", u),
    pointwise.ELU: lambda layer, u: _exponential_unit(layer.alpha, u),
    pointwise.SELU: lambda layer, u: _exponential_unit(layer.alpha * layer.scale, u),
}


class RootOf(Irrational):
    """A root of a number that is not negative: √2."""

    __slots__ = ()

    def __init__(self, degree: int, argument: Exact) -> None:
        super().__init__((degree, argument), (("root", degree), argument))

    def _of(self, argument: Expression) -> Expression:
        degree = self.key[0]
        return Root(argument) if degree == 2 else Power(argument, Number(Fraction(1, degree)))

    @property
    def expression(self) -> Expression:
        """``√2``."""
        return self._of(name_of(self.key[1]))

    @property
    def formula(self) -> Expression:
        """``√2``."""
        return self._of(Number(self.key[1]))

    def _parts(self) -> tuple[Exact, ...]:
        return (self.key[1],)

    def _derive_normal(self) -> Polynomial:
        return identities.root(self.key[0], normal_form(self.key[1]))


class SizePower(Irrational):
    """The size of a number with letters to an odd power, such as |a|³; even powers need no size."""

    __slots__ = ()

    def __init__(self, argument: Exact, exponent: int) -> None:
        super().__init__((argument, exponent))

    @property
    def expression(self) -> Expression:
        """``|a|³``."""
        return Power(Absolute(name_of(self.key[0])), as_expression(self.key[1]))

    @property
    def formula(self) -> Expression:
        """``|x|³`` of the number."""
        return Power(Absolute(Number(self.key[0])), as_expression(self.key[1]))

    def _parts(self) -> tuple[Exact, ...]:
        return (self.key[0],)

    def _derive_normal(self) -> Polynomial:
        u = normal_form(self.key[0])
        return Polynomial.of(("size", frozenset((u, -u)), self.key[1]))


class ExponentialSum(Irrational):
    """The sum of exponentials that a line's softmax shares."""

    __slots__ = ()

    def __init__(self, exponents: tuple[Exact, ...]) -> None:
        super().__init__((exponents,))

    @property
    def expression(self) -> Expression:
        """``e^1 + e^2``."""
        return Sum(tuple(exponential(name_of(value)) for value in self.key[0]))

    @property
    def formula(self) -> Expression:
        """``e^1 + e^2``."""
        return Sum(tuple(exponential(Number(value)) for value in self.key[0]))

    def _parts(self) -> tuple[Exact, ...]:
        parts: tuple[Exact, ...] = self.key[0]
        return parts

    def _derive_normal(self) -> Polynomial:
        return sum((identities.exponential(normal_form(v)) for v in self.key[0]), start=Polynomial({}))


class Share(Irrational):
    """One place of a softmax: e^x over the line's sum of exponentials; or the logarithm of that."""

    __slots__ = ()

    def __init__(self, symbol: str, shown: Exact, exponent: Exact, total: ExponentialSum) -> None:
        super().__init__((symbol, shown, exponent, total), ((symbol, total), exponent))

    @property
    def expression(self) -> Expression:
        """``softmax(2)``."""
        symbol, shown, _, _ = self.key
        return Call(symbol, (name_of(shown),))

    @property
    def formula(self) -> Expression:
        """``e^2/(e^1 + e^2)``, the denominator as one number; ``2 − ln(e^1 + e^2)``."""
        symbol, _, exponent, total = self.key
        if symbol == "logsoftmax":
            return Number(exponent) - logarithm(Number(total))
        return Quotient(exponential(Number(exponent)), Number(total))

    def _parts(self) -> tuple[Exact, ...]:
        return (self.key[2], self.key[3])

    def _derive_normal(self) -> Polynomial:
        symbol, _, exponent, total = self.key
        line = [normal_form(value) for value in total.key[0]]
        written = identities.log_share if symbol == "logsoftmax" else identities.share
        return written(line, normal_form(exponent))
