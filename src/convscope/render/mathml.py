"""Formulas as MathML Core: what Chromium, Firefox and Safari all draw, and screen readers speak."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
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
from convscope.render.formula import Writer, chain, open_number, signs_as_shown
from convscope.render.literal import visible_line
from convscope.render.numbers import Ratio, number_form

AFTER_SIGN = PRECEDENCE[Product]
FACTOR = PRECEDENCE[Quotient]
TIGHTEST = PRECEDENCE[Symbol]

# How many characters of a formula a line of the page holds; a longer one is broken.
ROOM = 56
# How many characters a sentence takes before its lines become ragged: half a line.
ROOM_IN_SENTENCE = 28

# Elements that are taller than a line.
_TALL = re.compile("<m(?:frac|sup|under|sqrt)")

# A browser slants an <mi> of one character, unless this says otherwise.
_UPRIGHT = ' mathvariant="normal"'


def escape(text: str) -> str:
    """User text for element content or an attribute's value."""
    return html.escape(visible_line(text))


def writer(digits: int) -> Writer:
    """The MathML dialect."""
    return Writer(RULES, _bracket, digits)


def inline(writing: Writer, node: Expression) -> str:
    """A formula in a sentence; a long one is several, so that a line can end at its signs."""
    opened = open_number(node)
    whole = writing.write(opened)
    if length(whole) <= ROOM_IN_SENTENCE:
        return f"<math>{whole}</math>"
    return " ".join(
        f"<math><mrow>{lead}{line}</mrow></math>"
        for sign, part in _signed_parts(writing, opened)
        for lead, line in zip_longest((_sign(sign),), _lines(writing, part, ROOM_IN_SENTENCE), fillvalue="")
    )


def display(writing: Writer, node: Expression) -> str:
    """A formula on its own line, broken at its relation signs, then at its plus signs, where it is long."""
    opened = open_number(node)
    whole = writing.write(opened)
    if length(whole) <= ROOM:
        return f'<math display="block">{whole}</math>'
    rows = "".join(_row(*row) for row in _broken(writing, opened))
    return f'<math display="block"><mtable displaystyle="true" class="chain">{rows}</mtable></math>'


def length(written: str) -> int:
    """How many characters the written formula shows, about.

    >>> length("<mfrac><mn>1</mn><mn>16</mn></mfrac>")
    3
    """
    return len(html.unescape(re.sub(r"<[^>]*>", "", written)))


# --- breaking a long formula -----------------------------------------------------------------


def _broken(writing: Writer, node: Expression) -> Iterator[tuple[str, str, str]]:
    """Rows of what stands left of the sign, the sign, and what stands right of it."""
    (_, first), *others = _signed_parts(writing, node)
    *above, left = _lines(writing, first, ROOM)
    if len(others) == 0 or above or length(left) > ROOM // 2:
        # A long left side would push every sign to the right edge: it stands on its own above them.
        yield from _set_in([*above, left])
        left = ""
    for sign, part in others:
        (_, _, line), *more = _set_in(_lines(writing, part, ROOM))
        yield left, _sign(sign), line
        yield from more
        left = ""


def _set_in(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Lines as rows; each but the first begins a little further right."""
    yield "", "", lines[0]
    yield from (("", "", f'<mrow><mspace width="1em"></mspace>{line}</mrow>') for line in lines[1:])


def _signed_parts(writing: Writer, node: Expression) -> Iterator[tuple[str, Expression]]:
    """The parts of a chain, each with the sign before it; a formula that is no chain is one part."""
    if not isinstance(node, Relation):
        yield "", node
        return
    yield from zip(("", *signs_as_shown(node, writing.digits)), node.parts, strict=True)


def _lines(writing: Writer, node: Expression, room: int) -> list[str]:
    """The formula on as many lines as it needs: a long sum ends a line before a plus sign."""
    pieces = list(_pieces(writing, node))
    if len(pieces) == 1 or length("".join(pieces)) <= room:
        return [writing.place(node, PRECEDENCE[Sum])]
    lines = [""]
    for piece in pieces:
        if lines[-1] and length(lines[-1] + piece) > room:
            lines.append("")
        lines[-1] += piece
    return [f"<mrow>{line}</mrow>" for line in lines]


def _pieces(writing: Writer, node: Expression) -> Iterator[str]:
    """The parts of a formula between which a line may end; a mean of many terms is (a + b)/n then."""
    opened = open_number(node)
    if isinstance(opened, Sum):
        yield from _sum_pieces(writing, opened)
        return
    numerator = open_number(opened.numerator) if isinstance(opened, Quotient) else None
    if isinstance(opened, Quotient) and isinstance(numerator, Sum):
        first, *middle, last = _sum_pieces(writing, numerator)
        yield f'<mo stretchy="false" form="prefix">(</mo>{first}'
        yield from middle
        denominator = writing.place(opened.denominator, PRECEDENCE[Power])
        yield f'{last}<mo stretchy="false" form="postfix">)</mo><mo>/</mo>{denominator}'
        return
    yield writing.write(opened)


def _row(left: str, sign: str, right: str) -> str:
    cells = (("left", left), ("sign", sign), ("right", right))
    written = "".join(f'<mtd class="{name}">{cell}</mtd>' for name, cell in cells)
    return f"<mtr>{written}</mtr>"


# --- one function for each node type ---------------------------------------------------------


def _bracket(written: str) -> str:
    return _fenced("(", written, ")")


def _fenced(opening: str, written: str, closing: str) -> str:
    # Stretched round a plain line, the fences of some fonts take their next size and stand apart.
    kind = f'fence="true" stretchy="{"true" if _TALL.search(written) else "false"}"'
    first, last = f'<mo {kind} form="prefix">{opening}</mo>', f'<mo {kind} form="postfix">{closing}</mo>'
    return f"<mrow>{first}{written}{last}</mrow>"


def _joined(parts: list[str], operator: str) -> str:
    return f"<mrow>{operator.join(parts)}</mrow>"


def number_markup(form: str | Ratio) -> str:
    """A number that has its form already."""
    if isinstance(form, Ratio):
        size = f"<mfrac><mn>{abs(form.numerator)}</mn><mn>{form.denominator}</mn></mfrac>"
        return _minus(size) if form.numerator < 0 else size
    return _minus(f"<mn>{form[1:]}</mn>") if form.startswith("-") else f"<mn>{form}</mn>"


def _minus(written: str) -> str:
    return f'<mrow><mo form="prefix">−</mo>{written}</mrow>'


def _number(writing: Writer, node: Number) -> str:
    return number_markup(number_form(node.value, writing.digits))


def _name(name: str) -> str:
    shown = escape(name)
    upright = _UPRIGHT if len(name) == 1 and not name.isalpha() else ""
    return f"<mi{upright}>{shown}</mi>"


def _symbol(writing: Writer, node: Symbol) -> str:
    if not node.indices:
        return _name(node.name)
    indices = _joined([writing.write(index) for index in node.indices], '<mo separator="true">,</mo>')
    return f"<msub>{_name(node.name)}{indices}</msub>"


def _sum_pieces(writing: Writer, node: Sum) -> Iterator[str]:
    """Each term with the sign before it, which stays a sum's sign where a line begins with it."""
    first, *others = node.terms
    yield writing.place(first, PRECEDENCE[Sum])
    for term in others:
        if isinstance(term, Negative):
            yield f'<mo form="infix">−</mo>{writing.place(term.argument, AFTER_SIGN)}'
        else:
            yield f'<mo form="infix">+</mo>{writing.place(term, AFTER_SIGN)}'


def _sum(writing: Writer, node: Sum) -> str:
    return f"<mrow>{''.join(_sum_pieces(writing, node))}</mrow>"


def _elided(_: Writer, node: Elided) -> str:
    return f"<munder><mo>⋯</mo><mtext>{node.hidden} more</mtext></munder>"


def _product(writing: Writer, node: Product) -> str:
    return _joined([writing.place(factor, FACTOR) for factor in node.factors], "<mo>⋅</mo>")


def _quotient(writing: Writer, node: Quotient) -> str:
    return f"<mfrac>{_one(writing, node.numerator)}{_one(writing, node.denominator)}</mfrac>"


def _one(writing: Writer, node: Expression) -> str:
    """The formula as exactly one element, where MathML counts elements."""
    return f"<mrow>{writing.write(node)}</mrow>"


def _negative(writing: Writer, node: Negative) -> str:
    return _minus(writing.place(node.argument, AFTER_SIGN))


def _power(writing: Writer, node: Power) -> str:
    return f"<msup><mrow>{writing.place(node.base, TIGHTEST)}</mrow>{_one(writing, node.exponent)}</msup>"


def _root(writing: Writer, node: Root) -> str:
    return f"<msqrt>{writing.write(node.argument)}</msqrt>"


def _floor(writing: Writer, node: Floor) -> str:
    return _fenced("⌊", writing.write(node.argument), "⌋")


def _ceiling(writing: Writer, node: Ceiling) -> str:
    return _fenced("⌈", writing.write(node.argument), "⌉")


def _absolute(writing: Writer, node: Absolute) -> str:
    return _fenced("|", writing.write(node.argument), "|")


def _call(writing: Writer, node: Call) -> str:
    arguments = _joined([writing.write(part) for part in node.arguments], '<mo separator="true">,</mo>')
    # U+2061, the invisible "of", tells a screen reader that this is no product.
    return f"<mrow>{_name(node.function)}<mo>&#x2061;</mo>{_bracket(arguments)}</mrow>"


def _sizes(writing: Writer, node: Sizes) -> str:
    return _joined([writing.place(size, FACTOR) for size in node.lengths], "<mo>×</mo>")


def _sign(sign: str) -> str:
    return f'<mo stretchy="false">{html.escape(sign)}</mo>' if sign else ""


def _relation(writing: Writer, node: Relation) -> str:
    return f"<mrow>{''.join(_sign(sign) + part for sign, part in chain(writing, node))}</mrow>"


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
        Root: _root,
        Floor: _floor,
        Ceiling: _ceiling,
        Absolute: _absolute,
        Call: _call,
        Sizes: _sizes,
        Relation: _relation,
    }
)
