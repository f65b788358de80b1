"""Formulas in Typst's math mode, and user text as Typst string literals, which nothing in it can end."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
from convscope.render.formula import Writer, chain, open_number
from convscope.render.literal import visible_line
from convscope.render.numbers import Ratio, number_form

AFTER_SIGN = PRECEDENCE[Product]
FACTOR = PRECEDENCE[Quotient]
TIGHTEST = PRECEDENCE[Symbol]

# Math mode reads <k> as a label, so these two signs are named.
_SIGNS = {"<": "lt", ">": "gt"}


def literal(text: str) -> str:
    r"""User text on one line as a Typst string literal.

    >>> print(literal('#eval("1") $x$ \\'))
    "#eval(\"1\") $x$ \\"
    """
    return quoted(visible_line(text))


def quoted(text: str) -> str:
    r"""Harmless text as a Typst string literal; only a newline is kept of all control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def writer(digits: int) -> Writer:
    """The dialect of Typst's math mode."""
    return Writer(RULES, lambda written: f"({written})", digits)


def inline(writing: Writer, node: Expression) -> str:
    """A formula in a sentence: Typst ends a line at its signs where one is needed."""
    return f"${writing.write(node)}$"


def display(writing: Writer, node: Expression) -> str:
    """A formula on its own line: `formula` of page.typ breaks it at its signs where it is too wide.

    Each part comes as its sign, the part, and the part in a form that Typst can break, or none.
    """
    opened = open_number(node)
    rows = ", ".join(f"(${sign}$, $display({part})$, {form})" for sign, part, form in _parts(writing, opened))
    return f"#formula($ {writing.write(opened)} $, {rows})"


def number_markup(form: str | Ratio) -> str:
    """A number that has its form already."""
    if isinstance(form, Ratio):
        sign = "−" if form.numerator < 0 else ""
        return f"{sign}frac({abs(form.numerator)}, {form.denominator})"
    return form.replace("-", "−")


def _parts(writing: Writer, node: Expression) -> Iterator[tuple[str, str, str]]:
    if not isinstance(node, Relation):
        yield "", writing.write(node), _breakable(writing, node)
        return
    for (sign, part), child in zip(chain(writing, node), node.parts, strict=True):
        yield _SIGNS.get(sign, sign), part, _breakable(writing, child)


def _breakable(writing: Writer, node: Expression) -> str:
    """The formula in a form whose line can be broken; a mean of many terms is (a + b)/n then."""
    opened = open_number(node)
    if isinstance(opened, Quotient) and isinstance(open_number(opened.numerator), Sum):
        denominator = writing.place(opened.denominator, PRECEDENCE[Power])
        return f"$display(({writing.write(opened.numerator)}) \\/ {denominator})$"
    return f"$display({writing.write(opened)})$" if isinstance(opened, Sum | Product) else "none"


def _number(writing: Writer, node: Number) -> str:
    return number_markup(number_form(node.value, writing.digits))


def _name(name: str) -> str:
    """A letter in italics; a word, or anything else, as upright text."""
    is_letter = len(name) == 1 and unicodedata.name(name, "").startswith(("LATIN ", "GREEK "))
    return name if is_letter and name.isalpha() else literal(name)


def _symbol(writing: Writer, node: Symbol) -> str:
    if not node.indices:
        return _name(node.name)
    return f"{_name(node.name)}_({_arguments(writing, node.indices)})"


def _arguments(writing: Writer, nodes: tuple[Expression, ...]) -> str:
    return " , ".join(writing.write(node) for node in nodes)


def _sum(writing: Writer, node: Sum) -> str:
    writing = replace(writing, table=TERMS)
    first, *others = node.terms
    pieces = [writing.place(first, PRECEDENCE[Sum])]
    for term in others:
        if isinstance(term, Negative):
            pieces.append(f"− {writing.place(term.argument, AFTER_SIGN)}")
        else:
            pieces.append(f"+ {writing.place(term, AFTER_SIGN)}")
    return " ".join(pieces)


def _elided(_: Writer, node: Elided) -> str:
    return f'attach(limits(⋯), b: "{node.hidden} more")'


def _product(writing: Writer, node: Product) -> str:
    return " ⋅ ".join(writing.place(factor, FACTOR) for factor in node.factors)


def _product_in_sum(writing: Writer, node: Product) -> str:
    # `by` of page.typ: a line of a long sum ends at a plus sign, not within a product.
    return " by ".join(writing.place(factor, FACTOR) for factor in node.factors)


def _quotient(writing: Writer, node: Quotient) -> str:
    return f"frac({writing.write(node.numerator)}, {writing.write(node.denominator)})"


def _negative(writing: Writer, node: Negative) -> str:
    return f"−{writing.place(node.argument, AFTER_SIGN)}"


def _power(writing: Writer, node: Power) -> str:
    return f"{writing.place(node.base, TIGHTEST)}^({writing.write(node.exponent)})"


def _around(function: str) -> Callable[[Writer, Any], str]:
    return lambda writing, node: f"{function}({writing.write(node.argument)})"


def _call(writing: Writer, node: Call) -> str:
    return f"{_name(node.function)}({_arguments(writing, node.arguments)})"


def _sizes(writing: Writer, node: Sizes) -> str:
    return " × ".join(writing.place(size, FACTOR) for size in node.lengths)


def _relation(writing: Writer, node: Relation) -> str:
    return " ".join(f"{_SIGNS.get(sign, sign)} {part}".lstrip() for sign, part in chain(writing, node))


RULES: Mapping[type[Expression], Callable[[Writer, Any], str]] = MappingProxyType(
    {
        Number: _number,
        Symbol: _symbol,
        Sum: _sum,
        Elided: _elided,
        Product: _product,
        Quotient: _quotient,
        Negative: _negative,
        Power: _power,
        Root: _around("sqrt"),
        Floor: _around("floor"),
        Ceiling: _around("ceil"),
        Absolute: _around("abs"),
        Call: _call,
        Sizes: _sizes,
        Relation: _relation,
    }
)

TERMS: Mapping[type[Expression], Callable[[Writer, Any], str]] = MappingProxyType(
    {**RULES, Product: _product_in_sum}
)
