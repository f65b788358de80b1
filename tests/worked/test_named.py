"""Numbers with a formula of their own, and places where a formula crosses zero."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
import sympy

from convscope.core.expression import Number, Power, Symbol, as_expression
from convscope.errors import UnsupportedError
from convscope.worked.comparison import compare
from convscope.worked.functions import exponential
from convscope.worked.named import Crossing, Named, numbers_in
from convscope.worked.symbolic import is_numeric

TWO = as_expression(2)


def square_root_of_two(low=Fraction(1), high=Fraction(2)):
    return Crossing(Symbol("x"), ("√2",), lambda x: Power(x, TWO) - TWO, low, high, rises=True)


def test_a_named_number_has_the_digits_of_its_formula():
    value = Named(Symbol("a"), exponential(Number(Fraction(1))) * as_expression(3))
    with mpmath.workdps(60):
        assert value.decimal(40) == mpmath.nstr(3 * mpmath.e, 41, strip_zeros=False)
    assert float(value) == 3 * 2.718281828459045
    assert repr(value.expression) == repr(Symbol("a"))


def test_named_numbers_are_equal_by_their_formulas_and_know_their_parts():
    first, second = (Named(Symbol(name), exponential(Number(Fraction(2)))) for name in "ab")
    assert first == second
    assert hash(first) == hash(second)
    assert first != Named(Symbol("a"), exponential(Number(Fraction(3))))
    inner = Named(Symbol("c"), Number(first) * Number(Fraction(5)))
    assert list(numbers_in(inner.formula)) == [first, Fraction(5)]
    assert is_numeric(inner)
    assert compare(inner, first) == 1


@pytest.mark.parametrize(("low", "high"), [(1, 2), (0, 100), (-1, 3)])
def test_a_crossing_is_found_to_any_digit(low, high):
    root = square_root_of_two(Fraction(low), Fraction(high))
    with mpmath.workdps(80):
        assert root.decimal(60) == mpmath.nstr(mpmath.sqrt(2), 61, strip_zeros=False)
    assert float(root) == 2**0.5


def test_a_falling_function_crosses_too():
    root = Crossing(
        Symbol("x"),
        ("ln 3",),
        lambda x: as_expression(3) - exponential(x),
        Fraction(0),
        Fraction(5),
        rises=False,
    )
    with mpmath.workdps(60):
        assert root.decimal(40) == mpmath.nstr(mpmath.log(3), 41, strip_zeros=False)


def test_sympy_takes_a_named_number_and_refuses_a_crossing():
    value = Named(Symbol("a"), exponential(Number(Fraction(2))))
    assert sympy.sympify(value) == sympy.exp(2)
    with pytest.raises(UnsupportedError, match=r"^a number where a function crosses zero has no SymPy form"):
        sympy.sympify(square_root_of_two())


def test_crossings_compare():
    assert compare(square_root_of_two(), Fraction(3, 2)) == -1
    assert compare(square_root_of_two(), Fraction(7, 5)) == 1
