from __future__ import annotations

from fractions import Fraction

import pytest
from formula_reader import LETTERS, read_value, value_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import Letters, Sigmoid

from convscope.core.expression import (
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
    equation,
)
from convscope.errors import UnsupportedError
from convscope.render.formula import Writer
from convscope.render.text_math import TEXT, writer


def number(value: int | str) -> Number:
    return Number(Fraction(value))


a, b = Symbol("a"), Symbol("b")

numbers = st.fractions(min_value=-9, max_value=9, max_denominator=8).map(Number)
letters = st.sampled_from(sorted(LETTERS)).map(Symbol)


def trees(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        several.map(Sum),
        several.map(Product),
        several.map(Sizes),
        st.builds(Quotient, parts, parts),
        st.builds(Power, parts, parts),
        *(st.builds(kind, parts) for kind in (Negative, Root, Floor, Ceiling, Absolute)),
        st.builds(Call, st.sampled_from(["max", "exp"]), several),
        st.builds(Symbol, st.sampled_from(sorted(LETTERS)), several),
    )


formulas = st.recursive(numbers | letters, trees, max_leaves=8)


@given(formulas)
@settings(max_examples=200, deadline=None)
def test_a_written_formula_reads_back_to_the_value_of_its_tree(tree: Expression) -> None:
    assert read_value(writer(4).write(tree)) == value_of(tree)


@given(formulas)
@settings(max_examples=30, deadline=None)
def test_a_value_with_letters_is_bracketed_as_its_formula_is(tree: Expression) -> None:
    wrapped = Power(Number(Letters(tree)), number(2))
    assert writer(4).write(wrapped) == writer(4).write(Power(tree, number(2)))


def test_the_reader_catches_brackets_left_out() -> None:
    careless = Writer(TEXT, lambda written: written, 4)
    tree = Product((Sum((a, b)), number(2)))
    assert read_value(careless.write(tree)) != value_of(tree)


@pytest.mark.parametrize(
    ("tree", "written"),
    [
        ((number(227) + 2 * number(0) - number(11)) // number(4) + 1, "⌊(227 + 2·0 − 11)/4⌋ + 1"),
        (Symbol("z", (number(0), number(1))), "z[0, 1]"),
        (Sum((number(-3), number(-2), Negative(number(-1)))), "−3 + (−2) − (−1)"),
        (Product((number("-1/2"), number("1/3"))), "(−0.5)·(1/3)"),
        (Power(number("15/2"), number(2)), "7.5²"),
        (Power(a, number(-12)), "a⁻¹²"),
        (Power(a, Power(b, number(2))), "a^(b²)"),
        (Power(Root(a), number(2)), "(√a)²"),
        (Root(Sum((a, b))), "√(a + b)"),
        (Quotient(Product((a, b)), number(2)), "a·b/2"),
        (Quotient(Quotient(a, b), Quotient(a, b)), "(a/b)/(a/b)"),
        (Absolute(Absolute(a) - b), "abs(|a| − b)"),
        (Sum((a, Elided(37), b)), "a + … (37 more) … + b"),
        (Sizes((number(3), number(227))), "3 × 227"),
        (equation(Call("σ", (number("15/2"),)), Sigmoid(Fraction(15, 2))), "σ(7.5) ≈ 0.9994"),
        (Negative(Relation((a, b), ("≤",))), "−(a ≤ b)"),
    ],
)
def test_formulas_are_written_as_a_person_would(tree: Expression, written: str) -> None:
    assert writer(4).write(tree) == written


def test_a_name_cannot_act_on_the_terminal() -> None:
    written = writer(4).write(Call("f\x1b[2J", (Symbol("x\ny"),)))
    assert written == "f\\x1b[2J(x y)"


def test_an_unknown_node_names_the_known_ones() -> None:
    class Strange(Expression):
        pass

    with pytest.raises(UnsupportedError, match="no rule writes a Strange; known: Number, Symbol"):
        writer(4).write(Call("f", (Strange(),)))
