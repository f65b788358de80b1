"""A sentence with nothing but its characters: for titles, labels and whatever else holds no markup."""

from __future__ import annotations

from convscope.core.document import Code, Explained, Inline, Reference, Share, Spark, Strong, Text
from convscope.core.expression import Expression, Number
from convscope.render import text_math
from convscope.render.formula import Writer, open_number
from convscope.render.literal import visible_line
from convscope.render.numbers import number_form
from convscope.render.share import percent


def plain_text(content: Text, digits: int) -> str:
    """The sentence as characters on one line, formulas written as text.

    >>> from convscope.core.document import text
    >>> plain_text(text("stride ", Code("-s"), " is ", 2), digits=4)
    'stride -s is 2'
    """
    writing = text_math.writer(digits)
    return "".join(_plain(writing, part) for part in content)


def _plain(writing: Writer, part: Inline) -> str:
    match part:
        case str():
            return visible_line(part)
        case Code() | Strong():
            return visible_line(part.text)
        case Share():
            return percent(part.part)
        case Spark():
            return part.alternative
        case Explained() | Reference():
            return "".join(_plain(writing, inner) for inner in part.content)
        case _:
            return writing.write(part)


def bare_number(node: Expression, digits: int) -> str | None:
    """A number that needs no formula, as it stands among words; None for all that needs one.

    >>> from fractions import Fraction
    >>> bare_number(Number(Fraction(-1, 2)), digits=4), bare_number(Number(Fraction(1, 3)), digits=4)
    ('−0.5', None)
    """
    opened = open_number(node)
    form = number_form(opened.value, digits) if isinstance(opened, Number) else None
    return text_math.form_text(form) if isinstance(form, str) else None
