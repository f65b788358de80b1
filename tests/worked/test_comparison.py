"""Which of two symbolic numbers is larger, and when they are the same: decided exactly, never a hang."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.array import Letter
from convscope.core.document import Finding
from convscope.errors import InputError, UnsupportedError
from convscope.worked.comparison import compare, ranked
from convscope.worked.enclosure import enclose, enclose_normal
from convscope.worked.irrational import Activated, RootOf
from convscope.worked.symbolic import known_ratio, lift, lower

from .cases import few

SIGMOID, TANH, SILU, SOFTPLUS = cs.Sigmoid(), cs.Tanh(), cs.SiLU(), cs.Softplus()


def sigma(x):
    return Activated(SIGMOID, Fraction(x))


def plus(*values):
    return lower(sum((lift(v) for v in values), start=Fraction(0)))


def times(value, factor):
    return lower(lift(value) * Fraction(factor))


def winner(values):
    """Which place of a line wins its max pool, and whether a tie is told."""
    stage = cs.solve(values, cs.MaxPool((1, values.shape[1]))).stages[0]
    ties = [block for block in stage.cell(0, 0).blocks() if isinstance(block, Finding)]
    return stage.value[0, 0], ties


def test_sigmoids_that_agree_in_thirty_digits_are_told_apart():
    s = cs.solve([[50, Fraction(50) + Fraction(1, 10**40)]], cs.Sigmoid(), cs.MaxPool((1, 2)))
    assert s.stages[0].value[0, 0].decimal(30) == s.stages[0].value[0, 1].decimal(30)
    assert s.value[0, 0] == s.stages[0].value[0, 1]


def test_values_of_no_increasing_function_that_agree_in_thirty_digits_are_told_apart():
    near = [Fraction(3), Fraction(3) + Fraction(1, 10**35)]
    s = cs.solve([near], cs.SiLU(), cs.MaxPool((1, 2)))
    assert s.value[0, 0] == s.stages[0].value[0, 1]
    assert compare(*s.stages[0].value.cells()) == -1


IDENTITIES = {
    "σ(a) + σ(−a) is 1": (plus(sigma("2/3"), sigma("-2/3")), Fraction(1)),
    "tanh a is 2σ(2a) − 1": (Activated(TANH, Fraction(3)), plus(times(sigma(6), 2), Fraction(-1))),
    "SiLU(a) is a·σ(a)": (Activated(SILU, Fraction(5, 2)), times(sigma("5/2"), "5/2")),
    "SiLU(a) − SiLU(−a) is a": (
        plus(Activated(SILU, Fraction(5)), times(Activated(SILU, Fraction(-5)), -1)),
        Fraction(5),
    ),
    "softplus(a) − softplus(−a) is a": (
        plus(Activated(SOFTPLUS, Fraction(4)), times(Activated(SOFTPLUS, Fraction(-4)), -1)),
        Fraction(4),
    ),
    "logsigmoid(a) is −softplus(−a)": (
        Activated(cs.LogSigmoid(), Fraction(2)),
        times(Activated(SOFTPLUS, Fraction(-2)), -1),
    ),
    "softplus of beta 2 at a is half of softplus at 2a": (
        Activated(cs.Softplus(2), Fraction(3)),
        times(Activated(SOFTPLUS, Fraction(6)), "1/2"),
    ),
    "GELU(a) − GELU(−a) is a": (
        plus(Activated(cs.GELU(), Fraction(1, 3)), times(Activated(cs.GELU(), Fraction(-1, 3)), -1)),
        Fraction(1, 3),
    ),
    "GELU by tanh as well": (
        plus(Activated(cs.GELU("tanh"), Fraction(2)), times(Activated(cs.GELU("tanh"), Fraction(-2)), -1)),
        Fraction(2),
    ),
    "ELU of two alphas": (Activated(cs.ELU(2), Fraction(-1)), times(Activated(cs.ELU(), Fraction(-1)), 2)),
    "√8 is 2√2": (RootOf(2, Fraction(8)), times(RootOf(2, Fraction(2)), 2)),
    "√(1/2) is √2/2": (RootOf(2, Fraction(1, 2)), times(RootOf(2, Fraction(2)), "1/2")),
    "∛(27·10⁶⁰·5) is 3·10²⁰·∛5": (
        RootOf(3, Fraction(135 * 10**60)),
        times(RootOf(3, Fraction(5)), 3 * 10**20),
    ),
    "σ of equal sums": (
        Activated(SIGMOID, plus(sigma(1), sigma(-1), sigma(3))),
        Activated(SIGMOID, plus(sigma(3), Fraction(1))),
    ),
    "σ(u) + σ(−u) of a symbolic u": (
        plus(Activated(SIGMOID, times(sigma(2), 3)), Activated(SIGMOID, times(sigma(2), -3))),
        Fraction(1),
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_numbers_reached_by_different_formulas_are_equal(name):
    a, b = IDENTITIES[name]
    assert compare(a, b) == 0
    assert compare(b, a) == 0
    assert compare(plus(a, Fraction(1, 10**50)), b) == 1
    assert compare(a, plus(b, Fraction(1, 10**50))) == -1


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_identities_hold_to_two_hundred_digits(name):
    a, b = (value if isinstance(value, Fraction) else value.decimal(210) for value in IDENTITIES[name])
    with mpmath.workdps(230):
        numbers = [
            mpmath.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else mpmath.mpf(v)
            for v in (a, b)
        ]
        assert abs(numbers[0] - numbers[1]) < mpmath.mpf(10) ** -200


def test_a_softmax_sums_to_one_and_knows_no_shift():
    line = cs.solve([1, "5/2", -3, 1], cs.Softmax()).value
    shifted = cs.solve([101, "205/2", 97, 101], cs.Softmax()).value
    assert known_ratio(plus(*line.cells())) == 1
    for a, b in zip(line.cells(), shifted.cells(), strict=True):
        assert compare(a, b) == 0
    two = cs.solve([3, 1], cs.Softmax()).value
    assert compare(two[0], sigma(2)) == 0
    minus = cs.solve([-1, "-5/2", 3, -1], cs.Softmin()).value
    assert [compare(a, b) for a, b in zip(line.cells(), minus.cells(), strict=True)] == [0, 0, 0, 0]


def test_a_log_softmax_knows_no_shift_and_is_a_softplus_for_two():
    line, shifted = (cs.solve(x, cs.LogSoftmax()).value for x in ([1, 2, 4], [11, 12, 14]))
    assert [compare(a, b) for a, b in zip(line.cells(), shifted.cells(), strict=True)] == [0, 0, 0]
    two = cs.solve([0, 3], cs.LogSoftmax()).value
    assert compare(two[0], times(Activated(SOFTPLUS, Fraction(3)), -1)) == 0


def test_a_sum_of_sigmoids_that_is_one_ties_with_one():
    # Rows of σ: σ(1) + σ(−1) = 1 = 2·σ(0); a pool over the sums is a tie of all three.
    s = cs.solve("1 -1 0 0 5 -5", cs.Sigmoid(), cs.Conv("1 1", stride=(1, 2)), cs.MaxPool((1, 3)))
    (tie,) = [block for block in s.stages[2].cell(0, 0).blocks() if isinstance(block, Finding)]
    assert "(0, 0), (0, 1), (0, 2)" in tie.content[0]
    assert (
        s.value[0, 0].decimal(4) == "1.0000"
        if not isinstance(s.value[0, 0], Fraction)
        else s.value[0, 0] == 1
    )


def test_relu_of_a_sum_that_is_zero_is_zero():
    s = cs.solve("2 -2", cs.Tanh(), cs.Conv("1 1"), cs.ReLU())
    assert s.value[0, 0] == 0
    assert isinstance(s.value[0, 0], Fraction)


@few
@given(st.lists(st.fractions(-9, 9, max_denominator=20), min_size=2, max_size=9))
def test_ranks_are_those_of_the_arguments(arguments):
    for layer in (SIGMOID, TANH, SOFTPLUS, cs.LogSigmoid()):
        values = [Activated(layer, x) for x in arguments]
        expected = {x: place for place, x in enumerate(sorted(set(arguments)))}
        assert ranked(values) == [expected[x] for x in arguments]
        # The same without the shortcut by arguments: among ratios intervals decide.
        mixed = ranked([*values, Fraction(-(10**6)), *values])
        assert mixed[: len(values)] == mixed[len(values) + 1 :] == [expected[x] + 1 for x in arguments]


@few
@given(st.lists(st.fractions(-9, 9, max_denominator=20), min_size=2, max_size=6), st.integers(0, 2**16))
def test_sums_are_ordered_as_long_decimals_are(arguments, seed):
    rng = np.random.default_rng(seed)
    sums = [
        plus(
            *(
                times(sigma(x), int(w))
                for x, w in zip(arguments, rng.integers(-3, 4, len(arguments)), strict=True)
            )
        )
        for _ in range(4)
    ]
    with mpmath.workdps(80):
        real = [
            mpmath.mpf(s.numerator) / s.denominator if isinstance(s, Fraction) else mpmath.mpf(s.decimal(75))
            for s in sums
        ]
        for i in range(4):
            for j in range(4):
                near = abs(real[i] - real[j]) < mpmath.mpf(10) ** -70
                assert compare(sums[i], sums[j]) == (0 if near else (1 if real[i] > real[j] else -1))


@pytest.mark.parametrize("x", [300, 3000, 10**6, 10**9])
def test_saturated_values_are_told_apart_however_near_to_one(x):
    # 1 − σ(10⁹) is e to the −10⁹: no number of bits tells it from 0, but its difference to 1 is known.
    assert compare(sigma(x), Fraction(1)) == -1
    assert compare(plus(sigma(x), sigma(1)), plus(sigma(x + 1), sigma(1))) == -1
    for layer in (TANH, SILU, cs.GELU("tanh"), cs.ELU()):
        assert compare(Activated(layer, Fraction(-x)), Activated(layer, Fraction(-x - 1))) != 0
    assert compare(Activated(TANH, Fraction(x)), Fraction(1)) == -1
    assert compare(Activated(SILU, Fraction(x)), Fraction(x)) == -1
    assert compare(Activated(SOFTPLUS, Fraction(x)), Fraction(x)) == 1
    assert compare(plus(Activated(SOFTPLUS, Fraction(-x)), Fraction(1)), Fraction(1)) == 1


@pytest.mark.parametrize("x", [10, 50, 1000])
def test_the_tails_of_gelu_are_told_apart(x):
    a, b = (Activated(cs.GELU(), Fraction(-y)) for y in (x, x + 1))
    assert compare(a, b) == -1
    assert compare(a, Fraction(0)) == -1
    assert compare(Activated(cs.GELU(), Fraction(x)), Fraction(x)) == -1


def test_a_pool_over_saturated_sums():
    x = [[10**6 + k for k in range(40)]]
    s = cs.solve(x, cs.Sigmoid(), cs.Conv("1 1"), cs.MaxPool((1, 39)))
    assert s.value[0, 0] == s.stages[1].value[0, 38]


def test_an_identity_nobody_knows_ends_with_one_clear_error_soon():
    # (1 + e^a)(1 + e^b) = 1 + e^a + e^b + e^(a+b), so the two logarithms are equal, but no rule here says so.
    line = cs.solve([0, 1, 2, 3], cs.LogSoftmax()).value[0]
    sum_of_two = times(plus(Activated(SOFTPLUS, Fraction(1)), Activated(SOFTPLUS, Fraction(2))), -1)
    with pytest.raises(UnsupportedError, match="2 values agree in 32768 bits but could not be proved equal"):
        compare(line, sum_of_two)


def test_many_hopeless_values_are_given_up_together():
    lines = cs.solve([[[[0, k, k + 1, 2 * k + 1] for k in range(1, 40)]]], cs.LogSoftmax()).value[0, 0, :, 0]
    sums = [
        times(plus(Activated(SOFTPLUS, Fraction(k)), Activated(SOFTPLUS, Fraction(k + 1))), -1)
        for k in range(1, 40)
    ]
    with pytest.raises(UnsupportedError, match="2 values agree in"):
        ranked([*lines.cells(), *sums])


def test_letters_have_no_order():
    a, b = Letter("a"), Letter("b")
    assert compare(a, Letter("a")) == 0
    for pair in ((a, b), (a, Fraction(1)), (Activated(SIGMOID, a), Activated(SIGMOID, b)), (plus(a, b), a)):
        with pytest.raises(InputError, match="letters have no order"):
            compare(*pair)


def test_a_proof_that_equal_is_not_believed_from_nearness_alone():
    """Two numbers that agree in a thousand bits are still different."""
    near = plus(sigma(1), Fraction(1, 2**1000))
    assert compare(sigma(1), near) == -1


ACTIVATIONS = [
    SIGMOID, TANH, SILU, SOFTPLUS, cs.Softplus("1/3"), cs.LogSigmoid(), cs.GELU(), cs.GELU("tanh"),
    cs.ELU("1/3"), cs.SELU(),
]  # fmt: skip


@few
@given(
    layer=st.sampled_from(ACTIVATIONS),
    x=st.fractions(-40, 40, max_denominator=30).filter(lambda x: x < 0 or x > 0),
    weight=st.fractions(-5, 5, max_denominator=7),
)
def test_a_normal_form_is_worth_what_the_formula_is(layer, x, weight):
    x = -abs(x) if isinstance(layer, cs.ELU | cs.SELU) else x
    inner = Activated(layer, x)
    for value in (inner, Activated(SIGMOID, inner), Activated(cs.Softsign(), plus(inner, Fraction(1, 3)))):
        total = plus(times(value, weight), sigma(1))
        if isinstance(total, Fraction):
            continue
        by_formula, by_normal = enclose(total, 300), enclose_normal(total.normal, 300)
        assert by_formula.a <= by_normal.b
        assert by_normal.a <= by_formula.b
        assert by_normal.b - by_normal.a < mpmath.mpf(2) ** -150


def test_normal_forms_of_lines_and_roots():
    lines = [
        cs.solve([1, 2, 2, "7/2"], layer).value for layer in (cs.Softmax(), cs.Softmin(), cs.LogSoftmax())
    ]
    values = [*(v for line in lines for v in line.cells()), RootOf(3, Fraction(10)), RootOf(2, sigma(2))]
    for value in values:
        by_formula, by_normal = enclose(value, 300), enclose_normal(value.normal, 300)
        assert by_formula.a <= by_normal.b
        assert by_normal.a <= by_formula.b
