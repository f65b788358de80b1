"""Formulas as a line of Unicode text: ``⌊(227 + 2·0 − 11)/4⌋ + 1``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from convscope.core.expression import (
    PRECEDENCE,
    Absolute,
    Call,
    Ceiling,
    Elided,
    Expression,
    Floor,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Sizes,
    Sum,
    Symbol,
)
from convscope.render.formula import Writer, chain, children, open_number
from convscope.render.literal import visible_line
from convscope.render.numbers import CellForm, Ratio, number_form

MINUS = "\u2212"

AFTER_SIGN = PRECEDENCE[Product]  # what follows a plus or minus sign: no sum, no second sign
SLASH = PRECEDENCE[Power]  # beside a slash or a dot: nothing that itself has a slash or a dot
TIGHTEST = PRECEDENCE[Symbol]

_SUPERSCRIPTS = str.maketrans(f"0123456789{MINUS}", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def writer(digits: int) -> Writer:
    """Writes formulas as text; rounded numbers carry `digits` decimals.

    >>> from convscope.core.expression import Symbol
    >>> writer(4).write(((Symbol("n") + 2 * Symbol("p")) - Symbol("k")) // Symbol("s") + 1)
    '⌊(n + 2·p − k)/s⌋ + 1'
    """
    return Writer(TEXT, lambda written: f"({written})", digits)


def form_text(form: str | Ratio) -> str:
    """A written number with a real minus sign; a ratio with a slash.

    >>> form_text("-0.5"), form_text(Ratio(-1, 3))
    ('−0.5', '−1/3')
    """
    written = f"{form.numerator}/{form.denominator}" if isinstance(form, Ratio) else form
    return written.replace("-", MINUS)


def cell_text(form: CellForm, digits: int) -> str:
    """What stands in one cell of a matrix."""
    return writer(digits).write(form) if isinstance(form, Expression) else form_text(form)


def _number(writer: Writer, node: Number) -> str:
    return form_text(number_form(node.value, writer.digits))


def _symbol(writer: Writer, node: Symbol) -> str:
    match node.indices:
        case (Symbol(name=word, indices=()),) if len(word) > 1:  # a word, such as "out", counts nothing
            return f"{visible_line(node.name)}_{visible_line(word)}"
    indices = ", ".join(writer.write(index) for index in node.indices)
    return visible_line(node.name) + (f"[{indices}]" if indices else "")


def _sum(writer: Writer, node: Sum) -> str:
    return "".join(sum_pieces(writer, node))


def sum_pieces(writer: Writer, node: Sum) -> Iterator[str]:
    """The terms of a sum with the signs before them; a line may be broken between two of them."""
    for position, term in enumerate(node.terms):
        if position == 0:
            yield writer.place(term, PRECEDENCE[Sum])
        elif isinstance(term, Negative):
            yield f" {MINUS} {writer.place(term.argument, AFTER_SIGN)}"
        else:
            yield f" + {writer.place(term, AFTER_SIGN)}"


def _elided(_writer: Writer, node: Elided) -> str:
    return f"… ({node.hidden} more) …"


def _product(writer: Writer, node: Product) -> str:
    return "·".join(writer.place(factor, SLASH) for factor in node.factors)


def _quotient(writer: Writer, node: Quotient) -> str:
    top_is_product = isinstance(open_number(node.numerator), Product)
    numerator = writer.place(node.numerator, PRECEDENCE[Product] if top_is_product else SLASH)
    return f"{numerator}/{writer.place(node.denominator, SLASH)}"


def _negative(writer: Writer, node: Negative) -> str:
    return MINUS + writer.place(node.argument, AFTER_SIGN)


def _power(writer: Writer, node: Power) -> str:
    # √2² would leave open what is squared, and so would an ellipsis.
    is_open = isinstance(open_number(node.base), Root | Elided)
    base = writer.bracket(writer.write(node.base)) if is_open else writer.place(node.base, TIGHTEST)
    exponent = writer.write(node.exponent)
    if isinstance(node.exponent, Number) and exponent.lstrip(MINUS).isdecimal():
        return base + exponent.translate(_SUPERSCRIPTS)
    # a^b² would be read as a^(b²); the exponent keeps its brackets unless it is one name or number.
    return f"{base}^{writer.place(node.exponent, TIGHTEST)}"


def _root(writer: Writer, node: Root) -> str:
    argument = open_number(node.argument)
    is_short = isinstance(argument, Number | Symbol)
    written = writer.place(argument, TIGHTEST) if is_short else writer.bracket(writer.write(argument))
    return f"√{written}"


def _fence(left: str, right: str) -> Callable[[Writer, Any], str]:
    return lambda writer, node: f"{left}{writer.write(node.argument)}{right}"


def _absolute(writer: Writer, node: Absolute) -> str:
    # One bar opens and the next one closes, so bars inside bars cannot be told apart.
    fence = ("abs(", ")") if _has_bars(node.argument) else ("|", "|")
    return f"{fence[0]}{writer.write(node.argument)}{fence[1]}"


def _has_bars(node: Expression) -> bool:
    opened = open_number(node)
    return isinstance(opened, Absolute) or any(_has_bars(child) for child in children(opened))


def _call(writer: Writer, node: Call) -> str:
    return f"{visible_line(node.function)}({', '.join(writer.write(part) for part in node.arguments)})"


def _sizes(writer: Writer, node: Sizes) -> str:
    return " × ".join(writer.place(length, SLASH) for length in node.lengths)


def _relation(writer: Writer, node: Relation) -> str:
    return " ".join(f"{sign} {part}" if sign else part for sign, part in chain(writer, node))


TEXT: Mapping[type[Expression], Callable[[Writer, Any], str]] = MappingProxyType(
    {
        Number: _number,
        Symbol: _symbol,
        Sum: _sum,
        Elided: _elided,
        Product: _product,
        Quotient: _quotient,
        Negative: _negative,
        Power: _power,
        Root: _root,
        Floor: _fence("⌊", "⌋"),
        Ceiling: _fence("⌈", "⌉"),
        Absolute: _absolute,
        Call: _call,
        Sizes: _sizes,
        Relation: _relation,
    }
)
