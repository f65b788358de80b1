from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from sample import DIGITS, HOSTILE, SHORT_HOSTILE, Letters, Sigmoid, every_expression

from convscope.core.expression import (
    Call,
    Elided,
    Expression,
    Floor,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    as_expression,
    equation,
)
from convscope.errors import UnsupportedError
from convscope.render import mathml, text_math
from convscope.render.literal import visible_line

WRITING = mathml.writer(DIGITS)
LONG_SUM = Sum(tuple(Product((Number(Fraction(i)), Number(Fraction(i + 1)))) for i in range(40)))

# How many children an element must have, and which elements there are at all in MathML Core here.
ARITY = {"mfrac": 2, "msup": 2, "msub": 2, "munder": 2}
KNOWN = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msqrt", "mtable", "mtr", "mtd", *ARITY}


def parsed(written: str) -> ET.Element:
    return ET.fromstring(f"<root>{written}</root>")  # noqa: S314  # written right here


def shown(written: str) -> str:
    return "".join(parsed(written).itertext()).replace("\u2061", "")


def figures(written: str) -> list[str]:
    """The numbers, in the order of reading; small raised figures count as figures."""
    return re.findall(r"\d+(?:\.\d+)?", unicodedata.normalize("NFKC", written))


@pytest.mark.parametrize("node", every_expression())
@pytest.mark.parametrize("form", [mathml.inline, mathml.display])
def test_every_formula_is_well_formed(
    node: Expression, form: Callable[[mathml.Writer, Expression], str]
) -> None:
    for element in parsed(form(WRITING, node)).iter():
        assert element.tag in {"root", *KNOWN}
        assert len(element) == ARITY.get(element.tag, len(element)), ET.tostring(element)


@pytest.mark.parametrize("node", every_expression())
def test_the_numbers_are_those_of_the_text(node: Expression) -> None:
    """What two dialects must agree on whatever their notation: every figure, in the same order."""
    in_text = figures(text_math.writer(DIGITS).write(node))
    for form in (mathml.inline, mathml.display):
        assert figures(" ".join(parsed(form(WRITING, node)).itertext())) == in_text


def test_every_node_has_a_rule() -> None:
    def leaves(kind: type[Expression]) -> Iterator[type[Expression]]:
        for child in kind.__subclasses__():
            if child.__module__ == "convscope.core.expression":
                yield child
                yield from leaves(child)

    # A dataclass with slots is made twice; the table holds the second.
    assert {kind.__name__ for kind in leaves(Expression)} == {kind.__name__ for kind in mathml.RULES}


def test_an_unknown_node_is_refused() -> None:
    class Other(Expression):
        pass

    with pytest.raises(UnsupportedError, match="no rule writes a Other; known: Number, Symbol"):
        WRITING.write(Other())


@pytest.mark.parametrize("string", [*HOSTILE, SHORT_HOSTILE])
def test_hostile_names_stand_there_as_characters(string: str) -> None:
    node = equation(Symbol(string, (Symbol(string),)), Call(string, (Symbol("x"),)))
    root = parsed(mathml.inline(WRITING, node))
    assert {element.tag for element in root.iter()} <= {"root", *KNOWN}
    assert "".join(root.itertext()).count(visible_line(string)) == 3


def test_words_are_upright_and_letters_are_not() -> None:
    assert WRITING.write(Symbol("x")) == "<mi>x</mi>"
    assert WRITING.write(Symbol("out")) == "<mi>out</mi>"
    assert WRITING.write(Symbol("#")) == '<mi mathvariant="normal">#</mi>'


def test_fences_stretch_round_what_is_tall_and_only_that() -> None:
    tall = WRITING.write(Floor(Quotient(Symbol("n"), Symbol("k"))))
    flat = WRITING.write(Floor(Symbol("n")))
    assert tall.count('stretchy="true"') == 2
    assert flat.count('stretchy="false"') == 2


def test_a_negative_number_is_a_minus_sign_and_a_number() -> None:
    assert WRITING.write(as_expression(-2)) == '<mrow><mo form="prefix">−</mo><mn>2</mn></mrow>'
    assert shown(WRITING.write(Power(as_expression(-2), as_expression(3)))) == "(−2)3"
    assert shown(WRITING.write(as_expression(1) + as_expression(-2) - Symbol("k"))) == "1+(−2)−k"


def test_a_fraction_bar_brackets_by_itself() -> None:
    written = WRITING.write(Quotient(Sum((Symbol("n"), Symbol("k"))), Quotient(Symbol("s"), Symbol("t"))))
    assert "(" not in written
    assert shown(WRITING.write(Power(Quotient(Symbol("n"), Symbol("k")), Symbol("s")))) == "(nk)s"


def test_a_number_that_holds_letters_is_its_formula_in_brackets_where_needed() -> None:
    letters = Number(Letters(Symbol("n") + Symbol("k")))
    assert shown(WRITING.write(Product((letters, as_expression(2))))) == "(n+k)⋅2"


def test_rounding_is_never_called_equal() -> None:
    chain = equation(Symbol("z"), Fraction(1, 8), Sigmoid(Fraction(1)))
    assert shown(mathml.inline(WRITING, chain)) == "z=0.125≈0.7311"


def test_elided_terms_are_counted() -> None:
    assert shown(WRITING.write(Sum((Symbol("a"), Elided(37), Symbol("b"))))) == "a+⋯37 more+b"


# --- long formulas ---------------------------------------------------------------------------


def rows(written: str) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in parsed(written).iter("mtr")]


def test_a_short_chain_stays_on_one_line() -> None:
    assert "<mtable" not in mathml.display(WRITING, equation(Symbol("n"), 1, 2, 3))


def test_a_long_chain_is_broken_at_its_signs_which_stand_under_each_other() -> None:
    parts = [Symbol("a"), *(Symbol("b" * 30) + index for index in range(3))]
    broken = rows(mathml.display(WRITING, Relation(tuple(parts), ("=", "<", "≥"))))
    assert [(left, sign) for left, sign, _ in broken] == [("a", "="), ("", "<"), ("", "≥")]
    assert [right for _, _, right in broken] == [f"{'b' * 30}+{index}" for index in range(3)]


def test_a_long_left_side_stands_above_the_signs() -> None:
    broken = rows(mathml.display(WRITING, equation(Symbol("left" * 12), Symbol("right" * 8))))
    assert broken == [["", "", "left" * 12], ["", "=", "right" * 8]]


def test_a_long_sum_is_broken_before_its_plus_signs() -> None:
    broken = rows(mathml.display(WRITING, equation(Symbol("z"), LONG_SUM)))
    assert len(broken) > 3
    assert broken[0][:2] == ["z", "="]
    assert all(right.startswith("+") for _, _, right in broken[1:])
    assert all(len(right) <= mathml.ROOM for _, _, right in broken)
    assert "".join(right for _, _, right in broken) == shown(WRITING.write(LONG_SUM))


def test_a_long_mean_is_broken_with_its_divisor_after_it() -> None:
    broken = rows(mathml.display(WRITING, equation(Symbol("m"), Quotient(LONG_SUM, Symbol("n")))))
    assert len(broken) > 3
    assert "".join(right for _, _, right in broken) == f"({shown(WRITING.write(LONG_SUM))})/n"


def test_a_long_chain_in_a_sentence_can_end_a_line_at_each_sign() -> None:
    short, long = equation(Symbol("n"), 2), equation(Symbol("n"), LONG_SUM, 5)
    assert mathml.inline(WRITING, short).count("<math>") == 1
    parts = ["".join(part.itertext()) for part in parsed(mathml.inline(WRITING, long)).findall("math")]
    assert "".join(parts) == shown(WRITING.write(long))
    assert [part[0] for part in parts] == ["n", "=", *("+" * (len(parts) - 3)), "="]
    assert all(len(part) <= mathml.ROOM_IN_SENTENCE + 1 for part in parts)
