"""One formula, run on numbers for its value and on symbols for its explanation.

A rule's formula is an ordinary Python function of integers. Called with integers it computes;
called with `Symbol`s it writes itself; called with `Number`s it shows the numbers filled in;
called with `Size`s, which depend on letters such as H, it gives a closed form in them. So what is
explained cannot drift from what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, overload

from convscope.core.document import Formula, Text
from convscope.core.expression import (
    Call,
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
    as_expression,
    equation,
)
from convscope.core.size import Length, Size, extreme

# --- operations Python's operators do not write -----------------------------------------------


@overload
def ceil_div(numerator: int, denominator: int) -> int: ...
@overload
def ceil_div(numerator: Expression, denominator: Expression) -> Expression: ...
def ceil_div(numerator: Any, denominator: Any) -> Any:
    """⌈numerator / denominator⌉ of integers, or its formula.

    >>> ceil_div(7, 2)
    4
    """
    if isinstance(numerator, Expression):
        return Ceiling(numerator / denominator)
    return -(-numerator // denominator)


@overload
def exact_div(numerator: int, denominator: int) -> int: ...
@overload
def exact_div(numerator: Expression, denominator: Expression) -> Expression: ...
def exact_div(numerator: Any, denominator: Any) -> Any:
    """Numerator / denominator of integers that divide without rest, or its formula.

    >>> exact_div(96, 2)
    48
    """
    return numerator / denominator if isinstance(numerator, Expression) else numerator // denominator


@overload
def floor_of(value: int | Fraction) -> int: ...
@overload
def floor_of(value: Expression) -> Expression: ...
def floor_of(value: Any) -> Any:
    """⌊value⌋ of a number, or its formula."""
    return Floor(value) if isinstance(value, Expression) else math.floor(value)


@overload
def at_least(least: int, value: int) -> int: ...
@overload
def at_least(least: int, value: Expression) -> Expression: ...
def at_least(least: int, value: Any) -> Any:
    """The larger of the two, or its formula.

    >>> at_least(0, -3)
    0
    """
    if isinstance(value, Expression):
        return Call("max", (as_expression(least), value))
    return extreme("max", least, value) if isinstance(value, Size) else max(least, value)


def at_most(most: Any, value: Any) -> Any:  # noqa: ANN401 - numbers, sizes or their formula
    """The smaller of the two, or its formula.

    >>> at_most(4, 7)
    4
    """
    if isinstance(value, Expression) or isinstance(most, Expression):
        return Call("min", (as_expression(most), as_expression(value)))
    return extreme("min", most, value)


# --- a formula with its numbers ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """A formula with the numbers it was given, and its value.

    Attributes:
        symbol: what the value is called in the formula; ``n_out`` is written with an index.
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
        value = self.formula(**self.arguments)
        object.__setattr__(self, "value", value if isinstance(value, Size) else int(value))

    @property
    def is_symbolic(self) -> bool:
        """Whether letters are left in it, as in the sizes of an input of H rows."""
        return any(isinstance(given, Size) for given in self.arguments.values())

    def filled(self) -> Expression:
        """The formula with the numbers in the places of its letters."""
        numbers = {name: _as_number(value) for name, value in self.arguments.items()}
        return as_expression(self.formula(**numbers))

    def chain(self) -> Relation:
        """The formula, the numbers filled in, the insides of floors worked out, the value."""
        general = as_expression(self.formula(**{name: symbol_named(name) for name in self.arguments}))
        filled = self.filled()
        parts: list[Expression] = [symbol_named(self.symbol), general]
        opened = filled if self.is_symbolic else _rounding_opened(filled)
        for part in (filled, opened, _as_number(self.value)):
            if part != parts[-1]:
                parts.append(part)
        return equation(*parts)

    def brief(self) -> Relation:
        """The numbers filled in, and the value: ``⌊(227 + 2·0 − 11)/4⌋ + 1 = 55``."""
        return equation(self.filled(), self.value)

    def display(self) -> Formula:
        """The chain as a block."""
        return Formula(self.chain())

    def dropped(self) -> Fraction:
        """What floors cut off, in units of what they count; 0 where nothing is, or letters are left."""
        if self.is_symbolic:
            return Fraction(0)
        floors = _floors(self.filled())
        return sum((evaluate(floor.argument) - evaluate(floor) for floor in floors), Fraction(0))


def floor_rests(fact: Fact) -> Iterator[Length]:
    """What each floor of a window count leaves over, in cells: a length where letters are left."""
    letters = {name: symbol_named(name) for name in fact.arguments}
    numbers = {letters[name]: given for name, given in fact.arguments.items()}
    for floor in _floors(as_expression(fact.formula(**letters))):
        if isinstance(floor.argument, Quotient):
            above, below = _run(floor.argument.numerator, numbers), _run(floor.argument.denominator, numbers)
            yield above - below * (above // below)


def floor_inside(node: Expression) -> Expression | None:
    """What stands in the outermost floor of a formula; None where there is none."""
    return next((floor.argument for floor in _floors(node)), None)


def _run(node: Expression, numbers: Mapping[Symbol, Any]) -> Any:  # noqa: ANN401 - numbers or sizes
    match node:
        case Symbol():
            return numbers[node]
        case Number(value=Fraction() as value):
            return int(value) if value.denominator == 1 else value
        case Sum():
            return sum(_run(term, numbers) for term in node.terms)
        case Negative():
            return -_run(node.argument, numbers)
        case Product():
            return math.prod(_run(factor, numbers) for factor in node.factors)
        case _:
            raise TypeError(f"a {type(node).__name__} is not run on sizes")


def _as_number(value: int | Fraction) -> Expression:
    return as_expression(value) if isinstance(value, Size) else Number(Fraction(value))


def symbol_named(name: str) -> Symbol:
    """A letter with its index: ``p_before`` is p with the index "before".

    >>> symbol_named("p_before")
    Symbol(name='p', indices=(Symbol(name='before', indices=()),))
    """
    letter, _, index = name.partition("_")
    return Symbol(letter, (Symbol(index),) if index else ())


# --- working a formula out ---------------------------------------------------------------------


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
            return math.prod((evaluate(factor) for factor in node.factors), start=Fraction(1))
        case Quotient():
            return evaluate(node.numerator) / evaluate(node.denominator)
        case Floor():
            return Fraction(math.floor(evaluate(node.argument)))
        case Ceiling():
            return Fraction(math.ceil(evaluate(node.argument)))
        case Call(function="max" | "min"):
            choose = max if node.function == "max" else min
            return choose(evaluate(argument) for argument in node.arguments)
        case _:
            raise TypeError(f"a {type(node).__name__} has no rational value")


def _floors(node: Expression) -> Iterator[Floor]:
    """The outermost floors of a formula."""
    match node:
        case Floor():
            yield node
        case Sum(terms=parts) | Product(factors=parts) | Call(arguments=parts):
            for part in parts:
                yield from _floors(part)
        case Negative():
            yield from _floors(node.argument)


def _rounding_opened(node: Expression) -> Expression:
    """The formula with the inside of each floor or ceiling worked out to one number."""
    match node:
        case Floor():
            return Floor(Number(evaluate(node.argument)))
        case Ceiling():
            return Ceiling(Number(evaluate(node.argument)))
        case Sum():
            return Sum(tuple(_rounding_opened(term) for term in node.terms))
        case Product():
            return Product(tuple(_rounding_opened(factor) for factor in node.factors))
        case Negative():
            return Negative(_rounding_opened(node.argument))
        case Call():
            return Call(node.function, tuple(_rounding_opened(argument) for argument in node.arguments))
        case _:
            return node
