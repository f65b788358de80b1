"""Every printed digit is correct: against mpmath at a thousand bits and Python's decimal module."""

import decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.expression import Number, Power, Symbol
from convscope.core.number import round_half_even
from convscope.errors import InputError, UnsupportedError
from convscope.worked.irrational import Activated
from convscope.worked.polynomial import Polynomial
from convscope.worked.symbolic import Irrational

from .cases import few

BITS = 1000
ARGUMENTS = [
    Fraction(text)
    for text in ("7.5", "-7.5", "1", "-1", "1/3", "-22/7", "1e-30", "-1e-30", "40", "-40", "0.044715", "1e-3")
]


def real(x):
    return mpmath.mpf(x.numerator) / x.denominator


def elu(x):
    return x if x > 0 else mpmath.expm1(x)


ORACLES = {
    cs.Sigmoid(): lambda x: 1 / (1 + mpmath.exp(-x)),
    cs.LogSigmoid(): lambda x: -mpmath.log1p(mpmath.exp(-x)),
    cs.Tanh(): mpmath.tanh,
    cs.GELU(): lambda x: x * mpmath.ncdf(x),
    cs.GELU("tanh"): lambda x: (
        x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)))
    ),
    cs.SiLU(): lambda x: x / (1 + mpmath.exp(-x)),
    cs.Softplus(): lambda x: mpmath.log1p(mpmath.exp(x)),
    cs.Softplus("1/3"): lambda x: mpmath.log1p(mpmath.exp(x / 3)) * 3,
    cs.ELU(): elu,
    cs.SELU(): lambda x: (
        mpmath.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mpmath.mpf("1.6732632423543772848170429916717") * mpmath.expm1(x))
    ),
}


def rounded(value, digits):
    """mpmath's number with so many decimals, half to even, from its exact binary value."""
    sign, mantissa, exponent, _ = value._mpf_
    exact = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return round_half_even(-exact if sign else exact, digits)


@pytest.mark.parametrize("digits", [0, 1, 4, 17, 60, 200])
@pytest.mark.parametrize("layer", ORACLES, ids=repr)
def test_activations(layer, digits):
    x = [ARGUMENTS]
    values = cs.solve(x, layer).value
    with mpmath.workprec(BITS):
        for place, argument in enumerate(ARGUMENTS):
            value = values[0, place]
            expected = rounded(ORACLES[layer](real(argument)), digits)
            found = round_half_even(value, digits) if isinstance(value, Fraction) else value.decimal(digits)
            assert found == expected, (argument, digits)


@pytest.mark.parametrize("digits", [4, 50, 200])
@pytest.mark.parametrize("layer", [cs.Softmax(), cs.Softmin(), cs.LogSoftmax()], ids=repr)
def test_softmax(layer, digits):
    line = [Fraction(1, 3), Fraction(-5), Fraction(2), Fraction(2), Fraction(100)]
    values = cs.solve([line], layer).value
    with mpmath.workprec(BITS):
        signed = [real(-x if isinstance(layer, cs.Softmin) else x) for x in line]
        total = mpmath.fsum(mpmath.exp(x) for x in signed)
        for place, x in enumerate(signed):
            share = mpmath.exp(x) / total
            expected = mpmath.log(share) if isinstance(layer, cs.LogSoftmax) else share
            assert values[0, place].decimal(digits) == rounded(expected, digits)


@few
@given(x=st.fractions(-20, 20, max_denominator=1000), digits=st.integers(0, 60))
def test_sigmoid_against_the_decimal_module(x, digits):
    with decimal.localcontext(prec=120):
        exact = 1 / (1 + (-decimal.Decimal(x.numerator) / x.denominator).exp())
        expected = str(exact.quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_EVEN))
    value = cs.solve([[x]], cs.Sigmoid()).value[0, 0]
    found = round_half_even(value, digits) if x == 0 else value.decimal(digits)
    assert decimal.Decimal(found) == decimal.Decimal(expected)
    assert len(found.partition(".")[2]) == digits


@few
@given(x=st.fractions(-30, 30, max_denominator=10**6))
def test_the_nearest_float(x):
    for layer in (cs.Sigmoid(), cs.Tanh(), cs.SiLU(), cs.GELU(), cs.Softplus()):
        found = cs.solve([[x]], layer).array()[0, 0]
        with mpmath.workprec(400):
            assert found == float(ORACLES[layer](real(x)))


def test_batch_norm_and_roots():
    with mpmath.workprec(BITS):
        value = cs.solve([[3, 5]], cs.BatchNorm([1], [2], [3], [4], eps=0)).value
        assert value[0, 0].decimal(100) == rounded((3 - 1) / mpmath.sqrt(2) * 3 + 4, 100)
        pooled = cs.solve("1 2; 3 4", cs.LpPool(3, 2)).value[0, 0]
        assert pooled.decimal(100) == rounded(mpmath.cbrt(100), 100)


def test_halves_are_rounded_to_even():
    assert [round_half_even(Fraction(n, 8), 2) for n in (1, 3, 5, -1, -3)] == [
        "0.12",
        "0.38",
        "0.62",
        "-0.12",
        "-0.38",
    ]
    assert [round_half_even(Fraction(n, 2), 0) for n in (1, 3, 5, -1)] == ["0", "2", "2", "0"]


def test_a_symbolic_number_that_is_a_half_is_rounded_to_even_too():
    # σ(1) + σ(−1) − 7/8 is 1/8, in the middle between 0.12 and 0.13.
    s = cs.solve("1 -1", cs.Sigmoid(), cs.Conv("1 1", ["-7/8"]))
    assert s.value[0, 0].decimal(2) == "0.12"
    assert s.value[0, 0].decimal(3) == "0.125"
    assert s.array()[0, 0] == 0.125
    up = cs.solve("1 -1", cs.Sigmoid(), cs.Conv("1 1", ["-5/8"]))
    assert up.value[0, 0].decimal(2) == "0.38"


def test_digits_that_rounding_twice_would_get_wrong():
    # 1/2 + 10⁻⁴⁰: to one decimal from thirty it would be 0.5, which to none is 0; it is above, so 1.
    x = cs.solve([["1e-39"]], cs.Sigmoid()).value[0, 0]
    assert x.decimal(0) == "1"
    assert cs.solve([["-1e-39"]], cs.Sigmoid()).value[0, 0].decimal(0) == "0"


@pytest.mark.parametrize(
    ("layer", "x", "expected"),
    [
        (cs.Sigmoid(), "1e300", "1.0000"),
        (cs.Sigmoid(), "-1e300", "0.0000"),
        (cs.SiLU(), "-1e10", "0.0000"),
        (cs.SiLU(), "1e10", "10000000000.0000"),
        (cs.Tanh(), "-1e300", "-1.0000"),
        (cs.GELU(), "-1e6", "0.0000"),
        (cs.GELU("tanh"), "-1e20", "0.0000"),
        (cs.ELU(), "-1e300", "-1.0000"),
        (cs.Softplus(), "-1e10", "0.0000"),
        (cs.Softplus(), "1e10", "10000000000.0000"),
        (cs.LogSigmoid(), "-1e10", "-10000000000.0000"),
        (cs.Softsign(), "1e300", "1.0000"),
    ],
)
def test_far_out_arguments_are_quick(layer, x, expected):
    value = cs.solve([[x]], layer).value[0, 0]
    assert (round_half_even(value, 4) if isinstance(value, Fraction) else value.decimal(4)) == expected
    assert np.isfinite(float(value))


def test_softmax_of_far_apart_numbers():
    found = cs.solve(["1e9", 0, "-1e9"], cs.Softmax())
    assert [v.decimal(3) for v in found.value.cells()] == ["1.000", "0.000", "0.000"]
    assert found.array().tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("digits", [-1, 10_001, 10**9])
def test_digits_out_of_range_are_refused(digits):
    for write in (Activated(cs.Sigmoid(), Fraction(1)).decimal, lambda d: round_half_even(Fraction(1, 3), d)):
        with pytest.raises(InputError, match=f"digits={digits} is not allowed; digits may be 0 to 10000"):
            write(digits)


def test_thousands_of_digits_are_written():
    text = Activated(cs.Sigmoid(), Fraction(1)).decimal(5000)
    with mpmath.workdps(5020):
        assert text == rounded(1 / (1 + mpmath.exp(-1)), 5000)
    assert round_half_even(Fraction(10**6000, 3), 2) == "3" * 6000 + ".33"


class Huge(Irrational):
    """e to a power of a million millions."""

    expression = Symbol("h")
    formula = Power(Symbol("e"), Number(Fraction(10**12)))

    def __init__(self):
        super().__init__(("huge",))

    def _parts(self):
        return ()

    def _derive_normal(self):
        return Polynomial.of("huge")


def test_a_number_too_large_to_be_written_is_one_clear_error():
    with pytest.raises(
        UnsupportedError, match="a number of more than 262144 bits is too large to be written"
    ):
        Huge().decimal(2)
