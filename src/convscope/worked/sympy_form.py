"""A formula as a SymPy expression, so that ``sympy.sympify(value)`` works on every symbolic number."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from convscope.core.array import Letter
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
    Symbol,
)
from convscope.errors import UnsupportedError

_CONSTANTS = {"e": sympy.E, "π": sympy.pi}
_FUNCTIONS = {"ln": sympy.log, "erf": sympy.erf, "tanh": sympy.tanh, "max": sympy.Max, "min": sympy.Min}


def to_sympy(node: Expression) -> Any:  # noqa: ANN401 - SymPy is untyped
    """The formula as a SymPy expression."""
    rule = _RULES.get(type(node))
    if rule is None:
        raise UnsupportedError(f"a {type(node).__name__} has no SymPy form")
    return rule(node)


def _number(node: Number) -> Any:  # noqa: ANN401 - SymPy is untyped
    if isinstance(node.value, Fraction):
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if isinstance(node.value, Letter):
        return sympy.Symbol(node.value.name)
    return sympy.sympify(node.value)


_RULES: dict[type[Expression], Callable[[Any], Any]] = {
    Number: _number,
    Symbol: lambda node: _CONSTANTS.get(node.name) or sympy.Symbol(node.name),
    Sum: lambda node: sympy.Add(*(to_sympy(term) for term in node.terms)),
    Product: lambda node: math.prod(to_sympy(factor) for factor in node.factors),
    Quotient: lambda node: to_sympy(node.numerator) / to_sympy(node.denominator),
    Negative: lambda node: -to_sympy(node.argument),
    Power: lambda node: to_sympy(node.base) ** to_sympy(node.exponent),
    Root: lambda node: sympy.sqrt(to_sympy(node.argument)),
    Absolute: lambda node: sympy.Abs(to_sympy(node.argument)),
    Call: lambda node: _FUNCTIONS[node.function](*(to_sympy(argument) for argument in node.arguments)),
}
