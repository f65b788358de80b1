from __future__ import annotations

from fractions import Fraction

import pytest
from sample import Letters, Sigmoid

from convscope.core.document import MatrixRow, MatrixView
from convscope.core.expression import (
    PRECEDENCE,
    Call,
    Expression,
    Negative,
    Number,
    Quotient,
    Relation,
    Sum,
    Symbol,
    equation,
)
from convscope.core.number import Exact
from convscope.render.formula import open_number, shows_rounding, signs_as_shown, written_precedence
from convscope.render.numbers import Ratio, matrix_forms, operators_as_shown

LONG = Fraction(1, 4096)
a, b = Symbol("a"), Symbol("b")


def test_equality_beside_a_rounded_number_is_not_claimed() -> None:
    chain = equation(a, 2, LONG, Fraction(1, 3), Fraction(1, 8))
    assert signs_as_shown(chain, 4) == ("=", "≈", "≈", "=")
    assert signs_as_shown(chain, 12) == ("=", "=", "=", "=")


def test_other_signs_are_left_alone() -> None:
    assert signs_as_shown(Relation((a, Number(LONG), b), ("<", "→")), 4) == ("<", "→")


def test_rounding_is_found_wherever_it_is_written() -> None:
    assert shows_rounding(Call("max", (a, Number(Sigmoid(Fraction(1))))), 4)
    assert shows_rounding(Symbol("z", (Number(LONG),)), 4)
    assert shows_rounding(Number(Letters(a + LONG)), 4)
    assert not shows_rounding(Number(Letters(a + Fraction(1, 3))), 4)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Fraction(15, 2), Symbol),
        (Fraction(-15, 2), Negative),
        (Fraction(1, 3), Quotient),
        (Fraction(-1, 3), Negative),
        (LONG, Symbol),
        (Sigmoid(Fraction(2)), Symbol),
        (Letters(a + b), Sum),
        (Letters(Number(Letters(a / b))), Quotient),
    ],
)
def test_a_number_binds_as_it_is_written(value: Exact, kind: type[Expression]) -> None:
    assert written_precedence(Number(value), 4) == PRECEDENCE[kind]


def test_letters_are_opened_to_their_formula() -> None:
    assert open_number(Number(Letters(Number(Letters(a))))) == a
    assert open_number(Number(LONG)) == Number(LONG)


def test_one_rounded_number_gives_the_whole_matrix_its_decimals() -> None:
    assert matrix_forms([[Fraction(1, 2), Fraction(1, 3)], [Fraction(2), Letters(a)]], 4) == (
        ("0.5", Ratio(1, 3)),
        ("2", a),
    )
    assert matrix_forms([[Fraction(1, 2), Fraction(1, 3)], [LONG, Letters(a)]], 4) == (
        ("0.5000", "0.3333"),
        ("0.0002", a),
    )


def test_operators_tell_of_rounding_as_signs_do() -> None:
    exact, rounded = MatrixView(((Fraction(1, 3),),)), MatrixView(((LONG,),))
    assert operators_as_shown(MatrixRow((exact, exact, rounded, rounded), ("=", "=", "→")), 4) == (
        "=",
        "≈",
        "→",
    )
