"""Reads a formula in the text dialect back to a value, by the grammar a reader of mathematics has.

A sign stands only at the start of a sum, never after another sign; a power's base is one thing.
Roots, powers and calls are stood in for by functions in which every bracket matters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from convscope.core.expression import (
    Absolute,
    Call,
    Ceiling,
    Expression,
    Floor,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sizes,
    Sum,
    Symbol,
)

LETTERS = {"a": Fraction(3), "b": Fraction(-5, 7), "width": Fraction(11, 2)}
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|[-−+·×/^√⌊⌋⌈⌉|()\[\],]|\S")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def quotient(top: Fraction, bottom: Fraction) -> Fraction:
    return top / bottom if bottom else top + 1000


def power(base: Fraction, exponent: Fraction) -> Fraction:
    return 3 * base + 7 * base * exponent + 13


def root(argument: Fraction) -> Fraction:
    return 5 * argument + 17


def call(arguments: list[Fraction]) -> Fraction:
    return sum((Fraction(2 + i) * value for i, value in enumerate(arguments)), Fraction(19))


def indexed(letter: str, indices: list[Fraction]) -> Fraction:
    return LETTERS[letter] + (call(indices) if indices else 0)


VALUE_OF: dict[type[Expression], Callable[..., Fraction]] = {
    Number: lambda node: node.value,
    Symbol: lambda node: indexed(node.name, [value_of(index) for index in node.indices]),
    Sum: lambda node: sum((value_of(term) for term in node.terms), Fraction(0)),
    Product: lambda node: math.prod((value_of(factor) for factor in node.factors), start=Fraction(1)),
    Sizes: lambda node: math.prod((value_of(length) for length in node.lengths), start=Fraction(1)),
    Quotient: lambda node: quotient(value_of(node.numerator), value_of(node.denominator)),
    Negative: lambda node: -value_of(node.argument),
    Power: lambda node: power(value_of(node.base), value_of(node.exponent)),
    Root: lambda node: root(value_of(node.argument)),
    Floor: lambda node: Fraction(math.floor(value_of(node.argument))),
    Ceiling: lambda node: Fraction(math.ceil(value_of(node.argument))),
    Absolute: lambda node: abs(value_of(node.argument)),
    Call: lambda node: call([value_of(argument) for argument in node.arguments]),
}


def value_of(node: Expression) -> Fraction:
    """The value of the tree itself."""
    return VALUE_OF[type(node)](node)


def read_value(written: str) -> Fraction:
    """The value of a written formula."""
    reader = _Reader(_TOKEN.findall(written))
    value = reader.sum()
    assert reader.next is None, f"left over: {reader.tokens[reader.at :]} of {written}"
    return value


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *expected: str) -> str:
        sign = self.next
        assert sign is not None
        assert not expected or sign in expected, f"{sign} where {expected} should be: {self.tokens}"
        self.at += 1
        return sign

    def sum(self) -> Fraction:
        sign = -1 if self.next == "−" else 1
        if sign < 0:
            self.take()
        value = sign * self.product()
        while self.next in ("+", "−"):
            value += self.product() if self.take() == "+" else -self.product()
        return value

    def product(self) -> Fraction:
        value = self.power()
        while self.next in ("·", "×", "/"):
            value = value * self.power() if self.take() != "/" else quotient(value, self.power())
        return value

    def power(self) -> Fraction:
        is_root = self.next == "√"
        base = self.atom()
        if self.next == "^":
            self.take()
            assert not is_root
            exponent = self.atom()
            assert self.next != "^", "a^b^c is left open"
            return power(base, exponent)
        if self.next is not None and self.next[0] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
            assert not is_root
            return power(base, Fraction(self.take().translate(_RAISED)))
        return base

    def atom(self) -> Fraction:
        sign = self.take()
        if sign[0].isdigit():
            return Fraction(sign)
        if sign == "√":
            return root(self.atom())
        if sign in "(⌊⌈|":
            value = self.sum()
            self.take({"(": ")", "⌊": "⌋", "⌈": "⌉", "|": "|"}[sign])
            rounding = {"⌊": math.floor, "⌈": math.ceil, "|": abs, "(": Fraction}[sign]
            return Fraction(rounding(value))
        return self.name(sign)

    def name(self, sign: str) -> Fraction:
        if sign in LETTERS:
            return indexed(sign, self.list("[", "]") if self.next == "[" else [])
        values = self.list("(", ")")
        return abs(values[0]) if sign == "abs" else call(values)

    def list(self, left: str, right: str) -> list[Fraction]:
        self.take(left)
        values = [self.sum()]
        while self.next == ",":
            self.take()
            values.append(self.sum())
        self.take(right)
        return values
