"""One formula, run on numbers for its value and on symbols for its explanation.

A rule's formula is an ordinary Python function of integers. Called with integers it computes;
called with `Symbol`s it writes itself; called with `Number`s it shows the numbers filled in. So
what is explained cannot drift from what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, overload

from convscope.core.document import Formula, Text
from convscope.core.expression import (
    Ceiling,
    Expression,
    Floor,
    Negative,
    Number,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    equation,
)


@overload
def ceil_div(numerator: int, denominator: int) -> int: ...
@overload
def ceil_div(numerator: Expression, denominator: Expression) -> Expression: ...
def ceil_div(numerator: Any, denominator: Any) -> Any:
    """⌈numerator / denominator⌉ of integers, or its formula."""
    if isinstance(numerator, Expression):
        return Ceiling(numerator / denominator)
    return -(-numerator // denominator)


@dataclass(frozen=True, slots=True)
class Fact:
    """A formula with the numbers it was given, and its value.

    Attributes:
        symbol: what the value is called in the formula: ``n_out``.
        formula: an ordinary function of the arguments.
        arguments: the numbers, by the name they carry in the formula.
        because: why this formula, in words; may be empty.
    """

    symbol: str
    formula: Callable[..., Any]
    arguments: Mapping[str, int | Fraction]
    because: Text = ()
    value: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", int(self.formula(**self.arguments)))

    def chain(self) -> Relation:
        """The formula, the numbers filled in, the arguments of floors worked out, the value."""
        general = self.formula(**{name: Symbol(name) for name in self.arguments})
        filled = self.formula(**{name: Number(Fraction(value)) for name, value in self.arguments.items()})
        if not isinstance(general, Expression):  # a formula that is a constant
            return equation(Symbol(self.symbol), self.value)
        parts: list[Expression] = [Symbol(self.symbol), general]
        for part in (filled, _floors_opened(filled), Number(Fraction(self.value))):
            if part != parts[-1]:
                parts.append(part)
        return equation(*parts)

    def display(self) -> Formula:
        """The chain as a block."""
        return Formula(self.chain())

    def dropped(self) -> Fraction:
        """What the outermost floor cut off, as a fraction of one step; 0 when nothing was dropped."""
        filled = self.formula(**{name: Number(Fraction(value)) for name, value in self.arguments.items()})
        if not isinstance(filled, Expression):
            return Fraction(0)
        return sum((evaluate(floor.argument) - evaluate(floor) for floor in _floors(filled)), Fraction(0))


def evaluate(node: Expression) -> Fraction:
    """The value of a formula whose leaves are all rational numbers.

    >>> evaluate((Number(Fraction(7)) - 2) // 2 + 1)
    Fraction(3, 1)
    """
    match node:
        case Number(value=Fraction() as value):
            return value
        case Sum():
            return sum((evaluate(term) for term in node.terms), Fraction(0))
        case Negative():
            return -evaluate(node.argument)
        case Product():
            result = Fraction(1)
            for factor in node.factors:
                result *= evaluate(factor)
            return result
        case Quotient():
            return evaluate(node.numerator) / evaluate(node.denominator)
        case Floor():
            return Fraction(evaluate(node.argument).__floor__())
        case Ceiling():
            return Fraction(evaluate(node.argument).__ceil__())
        case _:
            raise TypeError(f"a {type(node).__name__} has no rational value")


def _floors(node: Expression) -> list[Floor]:
    match node:
        case Floor():
            return [node]
        case Sum():
            return [found for term in node.terms for found in _floors(term)]
        case Product():
            return [found for factor in node.factors for found in _floors(factor)]
        case _:
            return []


def _floors_opened(node: Expression) -> Expression:
    """The formula with the inside of each floor or ceiling worked out to one number."""
    match node:
        case Floor():
            return Floor(Number(evaluate(node.argument)))
        case Ceiling():
            return Ceiling(Number(evaluate(node.argument)))
        case Sum():
            return Sum(tuple(_floors_opened(term) for term in node.terms))
        case Product():
            return Product(tuple(_floors_opened(factor) for factor in node.factors))
        case _:
            return Number(evaluate(node))
