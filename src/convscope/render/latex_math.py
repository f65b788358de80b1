r"""Formulas in LaTeX: ``\left\lfloor \frac{n - k}{s} \right\rfloor + 1``.

One table for TeX, and a copy of it for MathJax, which has a glyph for every character.
"""

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
from convscope.render import text_math
from convscope.render.formula import Writer, chain, open_number
from convscope.render.latex_signs import GREEK, math_words
from convscope.render.numbers import Ratio, number_form

AFTER_SIGN = PRECEDENCE[Product]
FACTOR = PRECEDENCE[Quotient]  # a fraction has its own line and needs no brackets beside a dot
TIGHTEST = PRECEDENCE[Symbol]

# A display of about this many characters fills a line of the page.
LINE_LENGTH = 76
LONGEST_LEAD = 24

# Not the last thing on a source line: GitHub doubles a backslash there.
LINE_END = "\n\\\\ "

RELATION_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "=": "=",
        "≈": r"\approx",
        "<": "<",
        "≤": r"\leq",
        ">": ">",
        "≥": r"\geq",
        "≠": r"\neq",
        "→": r"\rightarrow",
    }
)
_TALL = (r"\frac", r"\underbrace", r"\left")


def writer(digits: int) -> Writer:
    r"""Writes formulas for TeX.

    >>> writer(4).write((Symbol("n") - Symbol("kernel")) // Symbol("s") + 1)
    '\\left\\lfloor \\frac{n - \\mathrm{kernel}}{s} \\right\\rfloor + 1'
    """
    return Writer(LATEX, _round_brackets, digits)


def mathjax_writer(digits: int) -> Writer:
    """Writes formulas for MathJax, which sets every character of Unicode."""
    return Writer(MATHJAX, _round_brackets, digits)


def form_latex(form: str | Ratio) -> str:
    r"""A written number; a ratio as a fraction.

    >>> form_latex("-0.5"), form_latex(Ratio(-1, 3))
    ('-0.5', '-\\frac{1}{3}')
    """
    if isinstance(form, str):
        return form
    sign = "-" if form.numerator < 0 else ""
    return rf"{sign}\frac{{{abs(form.numerator)}}}{{{form.denominator}}}"


def display(writing: Writer, node: Expression) -> str:
    """The formula as the body of a display; a long one is broken at its signs and between terms."""
    if reach(node, writing.digits) <= LINE_LENGTH:
        return writing.write(node)
    if isinstance(node, Relation):
        lines = _chain_lines(writing, node)
    else:
        lines = [("", line) for line in _part_lines(writing, node)]
    body = LINE_END.join(f"{left} &{right}".lstrip() for left, right in lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _chain_lines(writing: Writer, node: Relation) -> list[tuple[str, str]]:
    """What stands before and after the place where the lines are aligned: the sign."""
    (_, first), *rest = chain(writing, node)
    lead, lines = first, []
    if reach(node.parts[0], writing.digits) > LONGEST_LEAD:
        lead, lines = "", [("", line) for line in _part_lines(writing, node.parts[0])]
    for (sign, _), part in zip(rest, node.parts[1:], strict=True):
        head, *more = _part_lines(writing, part)
        lines.append((lead, f"{RELATION_SIGNS[sign]} {head}"))
        lines += [("", rf"\quad {line}") for line in more]
        lead = ""
    return lines


def _part_lines(writing: Writer, node: Expression) -> list[str]:
    opened = open_number(node)
    written = writing.place(node, PRECEDENCE[Relation] + 1)
    if reach(opened, writing.digits) <= LINE_LENGTH:
        return [written]
    match opened:
        case Sum():
            return _sum_lines(writing, opened)
        case Quotient(numerator=Sum() as terms, denominator=below):
            above = LINE_END.join(_sum_lines(writing, terms))
            return [rf"\frac{{\begin{{gathered}}{above}\end{{gathered}}}}{{{writing.write(below)}}}"]
        case _:
            return [written]


def _sum_lines(writing: Writer, node: Sum) -> list[str]:
    lines, length = [""], 0
    for term, piece in zip(node.terms, sum_pieces(writing, node), strict=True):
        size = reach(term, writing.digits) + len(" + ")
        if length and length + size > LINE_LENGTH:
            lines.append("{}")
            length = 0
        lines[-1] += piece
        length += size
    return lines


def reach(node: Expression, digits: int) -> int:
    """About how many characters wide the formula is; a fraction is as wide as its longer line."""
    opened = open_number(node)
    match opened:
        case Relation():
            return sum(reach(part, digits) + len(" = ") for part in opened.parts) - len(" = ")
        case Sum():
            return sum(reach(term, digits) + len(" + ") for term in opened.terms) - len(" + ")
        case Product():
            return sum(reach(factor, digits) + len("·") for factor in opened.factors) - len("·")
        case Quotient():
            return max(reach(opened.numerator, digits), reach(opened.denominator, digits))
        case Floor() | Ceiling():
            return reach(opened.argument, digits) + 2
        case _:
            return len(text_math.writer(digits).write(opened))


def _fenced(left: str, right: str, written: str) -> str:
    if any(macro in written for macro in _TALL):
        return rf"\left{left} {written} \right{right}"
    gap = " " if left.startswith("\\") else ""
    return f"{left}{gap}{written}{gap}{right}"


def _round_brackets(written: str) -> str:
    return _fenced("(", ")", written)


def _number(writing: Writer, node: Number) -> str:
    return form_latex(number_form(node.value, writing.digits))


def _symbol(*, keep_unicode: bool) -> Callable[[Writer, Symbol], str]:
    def write(writing: Writer, node: Symbol) -> str:
        if len(node.name) == 1 and node.name.isascii() and node.name.isalpha():
            name = node.name
        elif node.name in GREEK:
            name = f"{GREEK[node.name]} "
        else:
            name = math_words(node.name, keep_unicode=keep_unicode)
        indices = ", ".join(writing.write(index) for index in node.indices)
        return f"{name}_{{{indices}}}" if indices else name

    return write


def _sum(writing: Writer, node: Sum) -> str:
    return "".join(sum_pieces(writing, node))


def sum_pieces(writing: Writer, node: Sum) -> Iterator[str]:
    """The terms of a sum with the signs before them; a line may be broken between two of them."""
    for position, term in enumerate(node.terms):
        if position == 0:
            yield writing.place(term, PRECEDENCE[Sum])
        elif isinstance(term, Negative):
            yield f" - {writing.place(term.argument, AFTER_SIGN)}"
        else:
            yield f" + {writing.place(term, AFTER_SIGN)}"


def _elided(_writing: Writer, node: Elided) -> str:
    return rf"\underbrace{{\cdots}}_{{{node.hidden}\text{{ more}}}}"


def _product(writing: Writer, node: Product) -> str:
    return r" \cdot ".join(writing.place(factor, FACTOR) for factor in node.factors)


def _quotient(writing: Writer, node: Quotient) -> str:
    return rf"\frac{{{writing.write(node.numerator)}}}{{{writing.write(node.denominator)}}}"


def _negative(writing: Writer, node: Negative) -> str:
    return f"-{writing.place(node.argument, AFTER_SIGN)}"


def _power(writing: Writer, node: Power) -> str:
    base = writing.place(node.base, TIGHTEST)
    if isinstance(open_number(node.base), Elided):
        base = writing.bracket(base)
    return f"{base}^{{{writing.write(node.exponent)}}}"


def _root(writing: Writer, node: Root) -> str:
    return rf"\sqrt{{{writing.write(node.argument)}}}"


def _fence(left: str, right: str) -> Callable[[Writer, Any], str]:
    return lambda writing, node: _fenced(left, right, writing.write(node.argument))


def _call(*, keep_unicode: bool) -> Callable[[Writer, Call], str]:
    def write(writing: Writer, node: Call) -> str:
        arguments = ", ".join(writing.write(argument) for argument in node.arguments)
        return math_words(node.function, keep_unicode=keep_unicode) + _fenced("(", ")", arguments)

    return write


def _sizes(writing: Writer, node: Sizes) -> str:
    return r" \times ".join(writing.place(length, FACTOR) for length in node.lengths)


def _relation(writing: Writer, node: Relation) -> str:
    return " ".join(f"{RELATION_SIGNS[sign]} {part}" if sign else part for sign, part in chain(writing, node))


LATEX: Mapping[type[Expression], Callable[[Writer, Any], str]] = MappingProxyType(
    {
        Number: _number,
        Symbol: _symbol(keep_unicode=False),
        Sum: _sum,
        Elided: _elided,
        Product: _product,
        Quotient: _quotient,
        Negative: _negative,
        Power: _power,
        Root: _root,
        Floor: _fence(r"\lfloor", r"\rfloor"),
        Ceiling: _fence(r"\lceil", r"\rceil"),
        Absolute: _fence(r"\lvert", r"\rvert"),
        Call: _call(keep_unicode=False),
        Sizes: _sizes,
        Relation: _relation,
    }
)
MATHJAX: Mapping[type[Expression], Callable[[Writer, Any], str]] = MappingProxyType(
    {**LATEX, Symbol: _symbol(keep_unicode=True), Call: _call(keep_unicode=True)}
)
