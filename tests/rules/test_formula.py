from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.core.expression import Call, Expression, Number, Power, Symbol, as_expression
from convscope.render.text_math import writer
from convscope.rules.formula import Fact, at_least, ceil_div, evaluate, floor_of, symbol_named

small = st.integers(-20, 20)
positive = st.integers(1, 9)


def written(fact: Fact) -> str:
    return writer(4).write(fact.chain())


def windows(n: Any, k: Any, s: Any) -> Any:
    return (n - k) // s + 1


def mixed(a: Any, b: Any, c: Any) -> Any:
    """Every operation a rule uses, nested."""
    return at_least(0, -(ceil_div(a, c) - 1) * c + 2 * b - a // c) + floor_of(b * c) - b // c * c


@given(small, small, positive)
def test_a_formula_has_the_same_value_on_integers_and_on_its_own_tree(a: int, b: int, c: int) -> None:
    fact = Fact("y", mixed, {"a": a, "b": b, "c": c})
    assert fact.value == mixed(a, b, c)
    for part in fact.chain().parts[2:]:
        assert evaluate(part) == fact.value


@given(small, positive)
def test_rounding_of_integers(a: int, b: int) -> None:
    assert ceil_div(a, b) == math.ceil(Fraction(a, b))
    assert floor_of(Fraction(a, b)) == a // b
    assert at_least(3, a) == max(3, a)


def test_a_chain_goes_from_letters_over_numbers_to_the_value() -> None:
    fact = Fact("n_out", windows, {"n": 10, "k": 3, "s": 2})
    assert written(fact) == "n_out = ⌊(n − k)/s⌋ + 1 = ⌊(10 − 3)/2⌋ + 1 = ⌊3.5⌋ + 1 = 4"
    assert writer(4).write(fact.brief()) == "⌊(10 − 3)/2⌋ + 1 = 4"


def test_a_step_that_says_nothing_new_is_left_out() -> None:
    assert written(Fact("m", lambda n: n, {"n": 5})) == "m = n = 5"
    assert written(Fact("m", lambda n, k: n + k, {"n": 5, "k": 2})) == "m = n + k = 5 + 2 = 7"
    assert written(Fact("m", lambda n: ceil_div(n, 2), {"n": 5})) == "m = ⌈n/2⌉ = ⌈5/2⌉ = ⌈2.5⌉ = 3"
    assert written(Fact("m", lambda: 1, {})) == "m = 1"


def test_negative_terms_keep_their_sign() -> None:
    fact = Fact("m", lambda n, p: (n - 1) * 2 - 2 * p + n // 2, {"n": 5, "p": 1})
    assert written(fact).endswith("= (5 − 1)·2 − 2·1 + ⌊5/2⌋ = (5 − 1)·2 − 2·1 + ⌊2.5⌋ = 8")


@pytest.mark.parametrize(("n", "dropped"), [(9, Fraction(0)), (10, Fraction(1, 2))])
def test_what_a_floor_drops(n: int, dropped: Fraction) -> None:
    assert Fact("m", windows, {"n": n, "k": 3, "s": 2}).dropped() == dropped
    assert Fact("m", lambda **a: at_least(0, 2 * windows(**a)), {"n": n, "k": 3, "s": 2}).dropped() == dropped
    assert Fact("m", lambda **a: 3 - windows(**a), {"n": n, "k": 3, "s": 2}).dropped() == dropped


def test_a_ceiling_drops_nothing() -> None:
    assert Fact("m", lambda n: ceil_div(n, 2), {"n": 5}).dropped() == 0


def test_a_name_with_an_index() -> None:
    assert symbol_named("n_out") == Symbol("n", (Symbol("out"),))
    assert symbol_named("n") == Symbol("n")


@pytest.mark.parametrize("node", [Symbol("n"), Power(as_expression(2), as_expression(2)), Call("sin", ())])
def test_a_formula_with_letters_has_no_value(node: Expression) -> None:
    with pytest.raises(TypeError, match="has no rational value"):
        evaluate(node)


def test_facts_are_equal_when_formula_and_numbers_are() -> None:
    fact = Fact("m", windows, {"n": 9, "k": 3, "s": 2})
    assert fact == Fact("m", windows, {"n": 9, "k": 3, "s": 2})
    assert fact != Fact("m", windows, {"n": 10, "k": 3, "s": 2})
    assert fact.filled() == (Number(Fraction(9)) - 3) // 2 + 1
