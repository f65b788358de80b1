"""Polynomials obey the laws of a ring, and never keep a term of coefficient zero."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import UnsupportedError
from convscope.worked.polynomial import CONSTANT, MAX_TERMS, Polynomial

from .cases import few

X, Y = Polynomial.of("x"), Polynomial.of("y")
scalars = st.integers(-4, 4) | st.fractions(-3, 3, max_denominator=5)
polynomials = st.builds(
    lambda parts, constant: sum(
        (p * Polynomial.of(a) ** n for p, a, n in parts), Polynomial.constant(constant)
    ),
    st.lists(st.tuples(scalars, st.sampled_from("xyz"), st.integers(1, 3)), max_size=3),
    scalars,
)


def value(polynomial, at):
    total = Fraction(0)
    for monomial, coefficient in polynomial.terms.items():
        term = coefficient
        for atom, power in monomial:
            term *= at[atom] ** power
        total += term
    return total


@few
@given(polynomials, polynomials, polynomials, scalars)
def test_laws(p, q, r, s):
    assert p + q == q + p
    assert p * q == q * p
    assert (p + q) * r == p * r + q * r
    assert p - p == Polynomial({})
    assert p + s - s == p
    assert s - p == -(p - s)
    assert hash(p * q) == hash(q * p)
    for result in (p + q, p * q, p * s, -p, p - q):
        assert all(result.terms.values())


@few
@given(polynomials, polynomials, st.fixed_dictionaries({"x": scalars, "y": scalars, "z": scalars}))
def test_values(p, q, at):
    assert value(p + q, at) == value(p, at) + value(q, at)
    assert value(p * q, at) == value(p, at) * value(q, at)
    assert value(p**3, at) == value(p, at) ** 3


def test_ratios():
    assert (X - X).ratio() == 0
    assert (X + 2 - X).ratio() == 2
    assert X.ratio() is None
    assert (X + 1).ratio() is None
    assert not X - X
    assert X + 0 == X
    assert Polynomial({}) == X * 0
    assert Polynomial.constant(1) == X**0
    assert (X + 1).terms[CONSTANT] == 1
    assert list((X * Y + X).atoms()) in (["x", "y"], ["y", "x"])


def test_a_product_too_long_is_refused_before_it_is_made():
    long = sum((Polynomial.of(n) for n in range(300)), Polynomial({}))
    with pytest.raises(UnsupportedError, match="a product of symbolic sums of 300 and 300 terms is too long"):
        long * long
    assert MAX_TERMS < 300 * 300
