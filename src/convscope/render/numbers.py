"""How an exact number is written: the same figures in every output.

A number that ends within the digits asked for is written exactly; another ratio with a short
denominator stays a fraction; the rest is rounded, and a formula says so with ≈.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from convscope.core.document import MatrixRow
from convscope.core.expression import Expression
from convscope.core.number import Exact, Symbolic, decimal_places, decimal_text, is_short

# Up to here a fraction reads better than its decimals: 1/3, 1/273; beyond, it is a wall of digits.
LONGEST_DENOMINATOR = 1000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A fraction to be set by the output's own means; `numerator` may be negative."""

    numerator: int
    denominator: int


def is_letter_like(value: Exact) -> bool:
    """True for a value that has no decimals because letters are left in it."""
    return isinstance(value, Symbolic) and not value.is_numeric


def number_form(value: Exact, digits: int) -> str | Ratio:
    """The written form of one number: its decimals, or a `Ratio`.

    >>> number_form(Fraction(15, 2), 4), number_form(Fraction(1, 3), 4)
    ('7.5', Ratio(numerator=1, denominator=3))
    """
    if isinstance(value, Fraction):
        if is_short(value, digits):
            return decimal_text(value, decimal_places(value) or 0)
        if value.denominator <= LONGEST_DENOMINATOR:
            return Ratio(value.numerator, value.denominator)
    return decimal_text(value, digits)


def is_rounded(value: Exact, digits: int) -> bool:
    """True when `number_form` drops digits, so that an equals sign before it would not be true."""
    if isinstance(value, Fraction):
        return not is_short(value, digits) and value.denominator > LONGEST_DENOMINATOR
    return value.is_numeric


def column_decimals(values: Iterable[Exact], digits: int) -> int | None:
    """The decimals all the numbers of one matrix are written with, or None for each its own form.

    As soon as one of them is rounded, all of them carry the same number of decimals, so that a
    column of figures lines up: 0.5000 above 0.8808.
    """
    return digits if any(is_rounded(value, digits) for value in values) else None


CellForm: TypeAlias = str | Ratio | Expression


def matrix_forms(rows: Iterable[Iterable[Exact]], digits: int) -> tuple[tuple[CellForm, ...], ...]:
    """How each number of a matrix is written: all with the same decimals when one is rounded.

    A number that holds letters comes as its formula, to be written in the output's own dialect.

    >>> matrix_forms([[Fraction(1, 2), Fraction(1, 4096)]], digits=4)
    (('0.5000', '0.0002'),)
    """
    kept = [tuple(row) for row in rows]
    decimals = column_decimals((value for row in kept for value in row), digits)
    return tuple(tuple(_cell_form(value, decimals, digits) for value in row) for row in kept)


def _cell_form(value: Exact, decimals: int | None, digits: int) -> CellForm:
    if isinstance(value, Symbolic) and not value.is_numeric:
        return value.expression
    return number_form(value, digits) if decimals is None else decimal_text(value, decimals)


def operators_as_shown(row: MatrixRow, digits: int) -> tuple[str, ...]:
    """The operators between matrices as they may honestly be written: ≈ instead of = beside rounding."""
    rounded = [any(is_rounded(value, digits) for line in item.rows for value in line) for item in row.items]
    return tuple(
        "≈" if operator == "=" and (before or after) else operator
        for operator, before, after in zip(row.operators, rounded, rounded[1:], strict=False)
    )
