"""Small numbers with a few correct figures, exact ones as they are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.probing.small_numbers import figures, is_written, power_of_ten, rounded
from convscope.render.text_math import writer
from convscope.worked.slopes import slope_at

F = Fraction


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (F(1, 4) ** 10, "9.54·10⁻⁷"), (F(1, 3), "1/3"), (F(1, 64), "0.0156"), (F(0), "0"),
        (F(-1, 123456789), "−8.1·10⁻⁹"),
        (F(999999, 10**6), "1"), (F(12345678), "12345678"), (F(10**9, 7), "1000000000/7"),
        (F(1, 4) ** 1000, "8.71·10⁻⁶⁰³"),
        (F(9996, 10**8), "0.00009996"), (F(99960001, 10**12), "0.0001"), (F(10**9 + 1, 1009), "9.91·10⁵"),
    ],
)  # fmt: skip
def test_ratios(value, written):
    assert writer(4).write(figures(value)) == written


def test_irrational_numbers():
    assert writer(4).write(figures(slope_at(cs.Sigmoid(), F(15, 2)))) == "0.000552"
    assert writer(4).write(figures(slope_at(cs.Sigmoid(), F(300)))) == "5.15·10⁻¹³¹"
    assert writer(4).write(figures(slope_at(cs.SiLU(), F(-30)), 5)) == "−2.7137·10⁻¹²"


@given(st.fractions(min_value=-(10**12), max_value=10**12))
def test_figures_are_what_python_rounds_to(value):
    mantissa, power = rounded(value, 3)
    if not value:
        assert (mantissa, power) == (0, 0)
        return
    assert 1 <= abs(mantissa) < 10
    assert F(10) ** power_of_ten(value) <= abs(value) < F(10) ** (power_of_ten(value) + 1)
    assert abs(mantissa * F(10) ** power - value) * 2 <= F(10) ** (power_of_ten(value) - 2)


def test_what_is_written_exactly():
    assert is_written(F(1, 2))
    assert is_written(F(1, 3))
    assert not is_written(F(1, 64))
    assert not is_written(slope_at(cs.Sigmoid(), F(1)))
