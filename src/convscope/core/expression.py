"""The small tree every formula is written in.

A formula is built once, from symbols or from numbers, with ordinary Python operators, so the
function that computes a value with integers also writes its formula when it is given symbols:

>>> def output_size(n, k, s):
...     return (n - k) // s + 1
>>> output_size(227, 11, 4)
55
>>> output_size(Symbol("n"), Symbol("k"), Symbol("s"))
Sum(terms=(Floor(argument=Quotient(numerator=Sum(terms=(Symbol(name='n', indices=()), \
Negative(argument=Symbol(name='k', indices=())))), denominator=Symbol(name='s', indices=()))), \
Number(value=Fraction(1, 1))))

Renderers turn the tree into text, MathML, LaTeX or Typst, each by one table from node type to
function; parentheses come from `PRECEDENCE`, never from the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from convscope.core.number import Exact, Symbolic


class Expression:
    """Base class of the formula nodes; carries the operators that build them."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Expression:
        return Sum((*_terms(self), *_terms(as_expression(other))))

    def __radd__(self, other: Operand) -> Expression:
        return as_expression(other) + self

    def __sub__(self, other: Operand) -> Expression:
        return Sum((*_terms(self), Negative(as_expression(other))))

    def __rsub__(self, other: Operand) -> Expression:
        return as_expression(other) - self

    def __mul__(self, other: Operand) -> Expression:
        return Product((*_factors(self), *_factors(as_expression(other))))

    def __rmul__(self, other: Operand) -> Expression:
        return as_expression(other) * self

    def __truediv__(self, other: Operand) -> Expression:
        return Quotient(self, as_expression(other))

    def __rtruediv__(self, other: Operand) -> Expression:
        return Quotient(as_expression(other), self)

    def __floordiv__(self, other: Operand) -> Expression:
        return Floor(Quotient(self, as_expression(other)))

    def __rfloordiv__(self, other: Operand) -> Expression:
        return Floor(Quotient(as_expression(other), self))

    def __neg__(self) -> Expression:
        return Negative(self)


Operand: TypeAlias = Expression | Exact | int


@dataclass(frozen=True, slots=True)
class Number(Expression):
    """An exact value, written as its shortest decimal, fraction or rounded decimal."""

    value: Exact


@dataclass(frozen=True, slots=True)
class Symbol(Expression):
    """A letter or a spelt-out name, with optional indices: ``z`` or ``z[0, 1]``."""

    name: str
    indices: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Sum(Expression):
    """Terms added; a `Negative` term is written with a minus sign."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Elided(Expression):
    """`hidden` terms or factors left out in the middle of a long sum or product."""

    hidden: int


@dataclass(frozen=True, slots=True)
class Product(Expression):
    """Factors multiplied."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Quotient(Expression):
    """A fraction."""

    numerator: Expression
    denominator: Expression


@dataclass(frozen=True, slots=True)
class Negative(Expression):
    """A sign change."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Power(Expression):
    """``base`` raised to ``exponent``."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True)
class Root(Expression):
    """A square root."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Floor(Expression):
    """The largest integer that is not above the argument."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Ceiling(Expression):
    """The smallest integer that is not below the argument."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Absolute(Expression):
    """An absolute value."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function applied: ``max(1, 2)``, ``σ(7.5)``, ``exp(-1)``; `function` is its written name."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Sizes(Expression):
    """Lengths of axes joined by a cross: 3 × 227 × 227."""

    lengths: tuple[Expression, ...]


RelationSign: TypeAlias = Literal["=", "≈", "<", "≤", ">", "≥", "≠", "→"]


@dataclass(frozen=True, slots=True)
class Relation(Expression):
    """A chain such as ``n = ⌊227/4⌋ = 56``: one more part than signs."""

    parts: tuple[Expression, ...]
    signs: tuple[RelationSign, ...]


def equation(*parts: Operand) -> Relation:
    """A chain of equalities.

    >>> equation(Symbol("n"), 55).signs
    ('=',)
    """
    nodes = tuple(as_expression(part) for part in parts)
    equals: RelationSign = "="
    return Relation(nodes, (equals,) * (len(nodes) - 1))


def as_expression(value: Operand) -> Expression:
    """`value` as a node: expressions as they are, numbers as `Number`, symbolic values as their formula."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, Symbolic) and value.is_formula:
        return value.expression
    return Number(Fraction(value) if isinstance(value, int) else value)


def sizes(lengths: tuple[int, ...]) -> Expression:
    """The shape as a node: a single length, or lengths joined by crosses."""
    nodes = tuple(as_expression(length) for length in lengths)
    return nodes[0] if len(nodes) == 1 else Sizes(nodes)


def _terms(node: Expression) -> tuple[Expression, ...]:
    return node.terms if isinstance(node, Sum) else (node,)


def _factors(node: Expression) -> tuple[Expression, ...]:
    return node.factors if isinstance(node, Product) else (node,)


# How tightly a node binds; a child that binds less tightly than its place asks for is bracketed.
# Nodes that bring their own brackets (Floor, Call, Root, Absolute) bind as tightly as a letter.
PRECEDENCE: dict[type[Expression], int] = {
    Relation: 0,
    Sum: 1,
    Negative: 1,
    Sizes: 2,
    Product: 2,
    Quotient: 3,
    Power: 4,
    Number: 5,
    Symbol: 5,
    Elided: 5,
    Root: 5,
    Floor: 5,
    Ceiling: 5,
    Absolute: 5,
    Call: 5,
}


def precedence(node: Expression) -> int:
    """How tightly `node` binds; a negative number binds as loosely as a sign change does."""
    if isinstance(node, Number) and isinstance(node.value, Fraction):
        if node.value < 0:
            return PRECEDENCE[Negative]
        if node.value.denominator != 1:
            return PRECEDENCE[Quotient]
    return PRECEDENCE[type(node)]
