"""A formula written out: one walk, one table from node type to function for each dialect.

A dialect is a `Writer` with a table; a related dialect copies a table and overrides what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from convscope.core.expression import (
    PRECEDENCE,
    Expression,
    Negative,
    Number,
    Quotient,
    Relation,
    RelationSign,
    precedence,
)
from convscope.core.number import Symbolic
from convscope.errors import rule_for
from convscope.render.numbers import Ratio, is_letter_like, is_rounded, number_form


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes formulas in one dialect.

    Attributes:
        table: from node type to the function that writes such a node.
        bracket: puts parentheses round a written formula.
        digits: how many decimals a rounded number carries.
    """

    table: Mapping[type[Expression], Callable[[Writer, Any], str]]
    bracket: Callable[[str], str]
    digits: int

    def write(self, node: Expression) -> str:
        """The formula in this dialect."""
        opened = open_number(node)
        return rule_for(self.table, opened, "writes a {}")(self, opened)

    def place(self, node: Expression, tightness: int) -> str:
        """The formula, in parentheses when it binds less tightly than its place asks for."""
        written = self.write(node)
        return self.bracket(written) if written_precedence(node, self.digits) < tightness else written


def open_number(node: Expression) -> Expression:
    """A number that holds letters as its formula; any other node as it is."""
    while isinstance(node, Number) and isinstance(node.value, Symbolic) and is_letter_like(node.value):
        node = node.value.expression
    return node


def written_precedence(node: Expression, digits: int) -> int:
    """How tightly the written node binds: a number binds as the form it is written in does.

    7.5 binds as a letter, 1/3 as a quotient, -2 as a sign change, a + b as a sum.
    """
    opened = open_number(node)
    if not isinstance(opened, Number):
        return precedence(opened)
    form = number_form(opened.value, digits)
    if isinstance(form, Ratio):
        return PRECEDENCE[Negative] if form.numerator < 0 else PRECEDENCE[Quotient]
    return PRECEDENCE[Negative] if form.startswith("-") else PRECEDENCE[Number]


def children(node: Expression) -> Iterator[Expression]:
    """The nodes directly under `node`, in the order they are written."""
    for entry in fields(node):  # type: ignore[arg-type]  # every concrete node is a dataclass
        value = getattr(node, entry.name)
        if isinstance(value, Expression):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Expression))


def shows_rounding(node: Expression, digits: int) -> bool:
    """True when a number anywhere in the written formula has lost digits."""
    opened = open_number(node)
    if isinstance(opened, Number):
        return is_rounded(opened.value, digits)
    return any(shows_rounding(child, digits) for child in children(opened))


def signs_as_shown(relation: Relation, digits: int) -> tuple[RelationSign, ...]:
    """The signs of a chain as they may honestly be written: ≈ instead of = beside a rounded number.

    >>> from fractions import Fraction
    >>> from convscope.core.expression import Symbol, equation
    >>> signs_as_shown(equation(Symbol("z"), Fraction(1, 8), Fraction(1, 4096)), digits=4)
    ('=', '≈')
    """
    rounded = [shows_rounding(part, digits) for part in relation.parts]
    return tuple(
        "≈" if sign == "=" and (before or after) else sign
        for sign, before, after in zip(relation.signs, rounded, rounded[1:], strict=False)
    )


def chain(writer: Writer, relation: Relation) -> Iterator[tuple[str, str]]:
    """The written parts of a chain, each led by its sign as it may be shown; the first has none."""
    signs: tuple[str, ...] = ("", *signs_as_shown(relation, writer.digits))
    for sign, part in zip(signs, relation.parts, strict=True):
        yield sign, writer.place(part, PRECEDENCE[Relation] + 1)
