from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

import pytest
from sample import DIGITS, HOSTILE, SHORT_HOSTILE, Letters, Sigmoid, every_expression

from convscope.core.expression import (
    Call,
    Elided,
    Expression,
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
from convscope.render import mathml, text_math, typst_math
from convscope.render.literal import visible_line

WRITING = typst_math.writer(DIGITS)

# A Typst string literal: what stands in it acts in no way.
LITERAL = re.compile(r'"(?:[^"\\]|\\["\\n])*"')


def figures(written: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", unicodedata.normalize("NFKC", written))


def unquoted(literal: str) -> str:
    """What Typst reads from a string literal."""
    assert LITERAL.fullmatch(literal)
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), literal[1:-1])


@pytest.mark.parametrize("node", every_expression())
def test_the_numbers_are_those_of_the_text(node: Expression) -> None:
    assert figures(typst_math.inline(WRITING, node)) == figures(text_math.writer(DIGITS).write(node))


def test_every_node_has_a_rule() -> None:
    assert set(typst_math.RULES) == set(mathml.RULES)


@pytest.mark.parametrize("string", [*HOSTILE, SHORT_HOSTILE, '"', "\\", '\\"', "$", "*/", "#eval(1)"])
def test_hostile_text_is_one_literal_that_reads_as_it_was_given(string: str) -> None:
    assert unquoted(typst_math.literal(string)) == visible_line(string)
    node = equation(Symbol(string), Call(string, (Symbol("x"),)))
    # Nothing but harmless signs is left once the literals are taken out.
    assert LITERAL.sub("", typst_math.inline(WRITING, node)) == "$ = (x)$"


def test_letters_are_letters_and_all_else_is_text() -> None:
    assert [WRITING.write(Symbol(name)) for name in ("x", "σ", "out", "#", "数", "_")] == [
        "x",
        "σ",
        '"out"',
        '"#"',
        '"数"',
        '"_"',
    ]


@pytest.mark.parametrize(
    ("node", "written"),
    [
        (Symbol("n") // Symbol("s") + 1, "floor(frac(n, s)) + 1"),
        (Symbol("z", (as_expression(0), Symbol("j"))), "z_(0 , j)"),
        (as_expression(1) + as_expression(-2) - Symbol("k"), "1 + (−2) − k"),
        (Power(as_expression(-2), Symbol("n")), "(−2)^(n)"),
        (Number(Fraction(-1, 3)), "−frac(1, 3)"),
        (Number(Letters(Symbol("n") + 1)) * Symbol("k"), "(n + 1) ⋅ k"),
        (Sum((Symbol("a"), Elided(37), Symbol("b"))), 'a + attach(limits(⋯), b: "37 more") + b'),
        (Relation((Symbol("a"), Symbol("b"), Symbol("c")), ("<", ">")), "a lt b gt c"),
        (equation(Symbol("z"), Sigmoid(Fraction(1))), "z ≈ 0.7311"),
        (Symbol("a") + Symbol("b") * Symbol("c"), "a + b by c"),
        (Symbol("a") * Symbol("b"), "a ⋅ b"),
        (Call("max", (Symbol("a"), as_expression(0))), '"max"(a , 0)'),
    ],
)
def test_nodes_in_math_mode(node: Expression, written: str) -> None:
    assert WRITING.write(node) == written


def test_a_displayed_chain_comes_in_parts_and_their_breakable_forms() -> None:
    mean = Quotient(Symbol("a") + Symbol("b"), Symbol("n"))
    chain = equation(Symbol("z"), mean, Product((Symbol("a"), Symbol("b"))), 5)
    assert typst_math.display(WRITING, chain) == (
        "#formula($ z = frac(a + b, n) = a ⋅ b = 5 $, ($$, $display(z)$, none), "
        "($=$, $display(frac(a + b, n))$, $display((a + b) \\/ n)$), "
        "($=$, $display(a ⋅ b)$, $display(a ⋅ b)$), ($=$, $display(5)$, none))"
    )
