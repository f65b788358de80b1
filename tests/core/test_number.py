"""Numbers read exactly and written with every digit right."""

import decimal
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.core.number import (
    decimal_places,
    integer_text,
    is_short,
    parse_number,
    place_point,
    round_half_even,
)
from convscope.errors import InputError

few = settings(derandomize=True, deadline=None, max_examples=80, database=None)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("2", 2),
        ("-.5", Fraction(-1, 2)),
        ("+.5", Fraction(1, 2)),
        ("5.", 5),
        ("1/16", Fraction(1, 16)),
        ("-1/3", Fraction(-1, 3)),
        ("1.5/0.5", 3),
        ("1e-3", Fraction(1, 1000)),
        ("2.5E+2", 250),
        ("−1", -1),  # a minus sign as it is set in print
        (" 7 ", 7),
        (0.1, Fraction(1, 10)),
        (1e22, 10**22),
        (5e-324, Fraction(5, 10**324)),
        (True, 1),
        (np.bool_(False), 0),
        (np.float32(0.1), Fraction(1, 10)),
        (np.float16(0.1), Fraction(1, 10)),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.int8(-128), -128),
        (Decimal("0.30"), Fraction(3, 10)),
        (Fraction(2, 6), Fraction(1, 3)),
        (10**999, 10**999),
    ],
)  # fmt: skip
def test_numbers_are_read_exactly(entry, value):
    found = parse_number(entry)
    assert found == value
    assert type(found) is Fraction
    assert type(found.numerator) is int


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("Infinity", "'Infinity' is not a finite number"),
        (float("nan"), "'nan' is not a finite number"),
        (np.float32("inf"), "'inf' is not a finite number"),
        (Decimal("-Infinity"), "'-Infinity' is not a finite number"),
        ("", "'' is not a number such as 2, -.5, 1/16 or 1e-3"),
        ("abc", "'abc' is not a number such as"),
        ("1/2/3", "'1/2/3' is not a number such as"),
        ("1 2", "'1 2' is not a number such as"),
        ("0x10", "'0x10' is not a number such as"),
        ("1_000", "'1_000' is not a number such as"),
        ("٣", "'٣' is not a number such as"),
        ("--1", "'--1' is not a number such as"),
        ("1/0", "'1/0' divides by zero"),
        ("1/0.0", "'1/0.0' divides by zero"),
        ("1e999999999", "'1e999999999' has an exponent beyond 400"),
        ("1e-401", "'1e-401' has an exponent beyond 400"),
        ("1/1e999999999", "'1e999999999' has an exponent beyond 400"),
        ("1" * 1001, "'1111"),
        (1j, "'1j' is not a number (complex)"),
        (None, "'None' is not a number (NoneType)"),
        ([1], "'[1]' is not a number (list)"),
    ],
)
def test_what_is_no_number_is_refused(entry, message):
    with pytest.raises(InputError) as refused:
        parse_number(entry)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 120


@few
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_its_shortest_decimal(number):
    found = parse_number(number)
    assert found == Fraction(repr(number))
    assert float(found) == number


@few
@given(st.fractions(), st.integers(0, 40))
def test_rounding_agrees_with_the_decimal_module(value, digits):
    with decimal.localcontext(prec=2000):
        exact = Decimal(value.numerator * 10**60) / Decimal(value.denominator)
        shifted = exact.scaleb(-60)
        expected = shifted.quantize(Decimal(1).scaleb(-digits), decimal.ROUND_HALF_EVEN)
    # The division above is inexact for thirds and the like, never on a half.
    assert Decimal(round_half_even(value, digits)) == expected


@few
@given(st.integers(-(10**6), 10**6), st.integers(0, 5))
def test_halves_go_to_the_even_neighbour(whole, digits):
    half = Fraction(2 * whole + 1, 2 * 10**digits)
    text = round_half_even(half, digits)
    scaled = Fraction(text) * 10**digits
    assert scaled in (whole, whole + 1)
    assert scaled % 2 == 0


def test_a_zero_has_no_sign():
    assert round_half_even(Fraction(-1, 1000), 2) == "0.00"
    assert place_point(0, 3) == "0.000"


@few
@given(st.integers(-(10**30), 10**30) | st.integers(3990, 9000).map(lambda n: 10**n - 1))
def test_integers_of_any_length_are_written(value):
    figures = integer_text(value)
    sign = -1 if figures.startswith("-") else 1
    total = 0
    for start in range(0, len(figures.lstrip("-")), 1000):
        part = figures.lstrip("-")[start : start + 1000]
        total = total * 10 ** len(part) + int(part)
    assert sign * total == value


@few
@given(st.fractions(max_denominator=2000))
def test_decimal_places_write_the_value_exactly(value):
    places = decimal_places(value)
    if places is None:
        assert any(value.denominator % p == 0 for p in range(3, 2001) if p % 2 and p % 5)
    else:
        assert Fraction(round_half_even(value, places)) == value
        assert places == 0 or Fraction(round_half_even(value, places - 1)) != value


def test_short_numbers():
    assert is_short(Fraction(1, 16), 4)
    assert not is_short(Fraction(1, 3), 50)
