"""Slopes of activations against PyTorch's autograd, their bounds and flat parts against mpmath and SymPy."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.worked.functions import FUNCTIONS
from convscope.worked.slopes import SLOPES, slope_at, slope_name, slope_of

F = Fraction
# Every activation with options that bend it, beside PyTorch's own.
LAYERS = [
    (cs.Sigmoid(), torch.nn.Sigmoid()),
    (cs.Tanh(), torch.nn.Tanh()),
    (cs.Softsign(), torch.nn.Softsign()),
    (cs.Softplus(), torch.nn.Softplus()),
    (cs.Softplus("2.5"), torch.nn.Softplus(2.5, threshold=1e9)),
    (cs.LogSigmoid(), torch.nn.LogSigmoid()),
    (cs.ELU(), torch.nn.ELU()),
    (cs.ELU("0.5"), torch.nn.ELU(0.5)),
    (cs.ELU(2), torch.nn.ELU(2.0)),
    (cs.SELU(), torch.nn.SELU()),
    (cs.SiLU(), torch.nn.SiLU()),
    (cs.GELU(), torch.nn.GELU()),
    (cs.GELU("tanh"), torch.nn.GELU(approximate="tanh")),
    (cs.ReLU(), torch.nn.ReLU()),
    (cs.ReLU6(), torch.nn.ReLU6()),
    (cs.LeakyReLU("0.2"), torch.nn.LeakyReLU(0.2)),
    (cs.LeakyReLU(2), torch.nn.LeakyReLU(2.0)),
    (cs.Hardtanh(-2, "0.5"), torch.nn.Hardtanh(-2.0, 0.5)),
    (cs.Identity(), torch.nn.Identity()),
]
NAMES = [repr(layer) for layer, _ in LAYERS]
AT = [F(n, 4) for n in range(-32, 33)]


def torch_slopes(module, xs):
    x = torch.tensor([float(value) for value in xs], dtype=torch.float64, requires_grad=True)
    module(x).sum().backward()
    return x.grad.numpy()


@pytest.mark.parametrize(("layer", "module"), LAYERS, ids=NAMES)
def test_slopes_are_those_of_autograd_kinks_included(layer, module):
    mine = np.array([float(slope_at(layer, x)) for x in AT])
    np.testing.assert_allclose(mine, torch_slopes(module, AT), rtol=1e-9, atol=1e-13)


def test_every_known_activation_has_a_slope_and_is_tried():
    assert set(SLOPES) == set(FUNCTIONS)
    assert {type(layer) for layer, _ in LAYERS} | {cs.Dropout} == set(SLOPES)


@pytest.mark.parametrize(("layer", "module"), LAYERS, ids=NAMES)
def test_the_bound_is_never_exceeded_and_is_come_near_to(layer, module):
    bound = slope_of(layer).bound(layer)
    xs = [F(n, 512) for n in range(-20 * 512, 20 * 512, 2)]
    found = np.abs(torch_slopes(module, xs)).max()
    assert found <= float(bound.value) + 1e-12
    assert found == pytest.approx(float(bound.value), rel=5e-3)
    if bound.at is not None:
        assert abs(float(slope_at(layer, bound.at))) == pytest.approx(float(bound.value), rel=1e-12)


def test_bounds_that_have_a_closed_form_are_exact():
    assert slope_of(cs.Sigmoid()).bound(cs.Sigmoid()).value == F(1, 4)
    assert slope_of(cs.Tanh()).bound(cs.Tanh()).value == 1
    gelu = slope_of(cs.GELU()).bound(cs.GELU())
    with mpmath.workdps(60):
        assert gelu.value.decimal(40) == mpmath.nstr(
            (1 + mpmath.erf(1)) / 2 + mpmath.exp(-1) / mpmath.sqrt(mpmath.pi), 41, strip_zeros=False
        )
        assert gelu.at.decimal(40) == mpmath.nstr(mpmath.sqrt(2), 41, strip_zeros=False)
        root = mpmath.findroot(lambda x: x * mpmath.tanh(x / 2) - 2, 2.4)
        silu = slope_of(cs.SiLU()).bound(cs.SiLU())
        assert silu.at.decimal(40) == mpmath.nstr(root, 41, strip_zeros=False)
        assert silu.value.decimal(40) == mpmath.nstr((root + 2) / 4, 41, strip_zeros=False)


def test_the_tanh_approximations_peak_is_where_its_second_derivative_is_zero():
    def gelu(x):
        return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)))

    layer = cs.GELU("tanh")
    with mpmath.workdps(40):
        peak = mpmath.findroot(lambda x: mpmath.diff(gelu, x, 2), 1.4)
        bound = slope_of(layer).bound(layer)
        assert abs(mpmath.mpf(bound.at.decimal(30)) - peak) < mpmath.mpf(10) ** -15
        assert abs(mpmath.mpf(bound.value.decimal(30)) - mpmath.diff(gelu, peak)) < mpmath.mpf(10) ** -15


def test_the_formulas_are_the_derivatives_sympy_finds():
    x = sympy.Symbol("x")
    sigmoid = 1 / (1 + sympy.exp(-x))
    normal = (1 + sympy.erf(x / sympy.sqrt(2))) / 2
    functions = {
        cs.Sigmoid(): sigmoid, cs.Tanh(): sympy.tanh(x), cs.SiLU(): x * sigmoid, cs.GELU(): x * normal,
        cs.Softplus(): sympy.log(1 + sympy.exp(x)), cs.LogSigmoid(): sympy.log(sigmoid),
        cs.ELU(): sympy.exp(x) - 1,
    }  # fmt: skip
    for layer, function in functions.items():
        slope = sympy.diff(function, x)
        for at in (F(-15, 2), F(-1, 3), F(-2)):
            expected = sympy.N(slope.subs(x, sympy.Rational(at.numerator, at.denominator)), 40)
            assert abs(sympy.Float(slope_at(layer, at).decimal(30), 40) - expected) < sympy.Float("1e-30"), (
                layer
            )


THRESHOLDS = [F(1, 1000), F(1, 100), F(1, 10), F(1, 4), F(3, 10), F(1, 2), F(9, 10)]


@pytest.mark.no_cover
@pytest.mark.parametrize("below", THRESHOLDS)
@pytest.mark.parametrize(("layer", "module"), LAYERS, ids=NAMES)
def test_the_flat_parts_hold_just_the_small_slopes(layer, module, below):
    stretches = slope_of(layer).small(layer, below)
    spans = [
        (-math.inf if s.low is None else float(s.low), math.inf if s.high is None else float(s.high))
        for s in stretches
    ]
    xs = [F(n, 128) + F(1, 1000) for n in range(-12 * 128, 12 * 128, 5)]
    for x, slope in zip(xs, torch_slopes(module, xs), strict=True):
        inside = any(low < float(x) < high for low, high in spans)
        assert inside == (abs(slope) < float(below)), (x, slope)


@pytest.mark.no_cover
@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS], ids=NAMES)
def test_the_slope_at_an_end_is_the_threshold(layer):
    for below in THRESHOLDS:
        for stretch in slope_of(layer).small(layer, below):
            ends = [end for end in (stretch.low, stretch.high) if end is not None]
            if stretch.closed or float(below) > 0.3:
                continue
            for end in ends:
                if isinstance(end, F) and slope_at(layer, end) in (0, 1):
                    continue
                assert abs(float(slope_at(layer, end))) == pytest.approx(float(below), rel=1e-12)


def test_ends_are_exact_to_any_digit():
    low, high = slope_of(cs.Sigmoid()).small(cs.Sigmoid(), F(1, 100))
    with mpmath.workdps(80):
        e = mpmath.mpf(1) / 100
        edge = mpmath.log((1 - 2 * e + mpmath.sqrt(1 - 4 * e)) / (2 * e))
        assert high.low.decimal(50) == mpmath.nstr(edge, 51, strip_zeros=False)
        assert low.high.decimal(50) == mpmath.nstr(-edge, 51, strip_zeros=False)
        tanh = slope_of(cs.Tanh()).small(cs.Tanh(), F(1, 100))[1].low
        assert tanh.decimal(50) == mpmath.nstr(mpmath.atanh(mpmath.sqrt(1 - e)), 51, strip_zeros=False)
    # Where an end is a ratio, it is one: (1 + |x|)² = 100.
    assert slope_of(cs.Softsign()).small(cs.Softsign(), F(1, 100))[1].low == 9


@given(st.fractions(min_value=F(1, 10**6), max_value=F(24, 100)), st.fractions(min_value=-20, max_value=20))
def test_membership_agrees_with_the_slope_for_the_sigmoid(below, x):
    inside = any(x in stretch for stretch in slope_of(cs.Sigmoid()).small(cs.Sigmoid(), below))
    slope = float(slope_at(cs.Sigmoid(), x))
    if abs(slope - float(below)) > 1e-12:
        assert inside == (slope < float(below))


def test_the_edge_of_what_the_sigmoid_reaches():
    small = slope_of(cs.Sigmoid()).small
    assert [s.low for s in small(cs.Sigmoid(), F(1, 4))] == [None, 0]
    assert 0 not in small(cs.Sigmoid(), F(1, 4))[1]
    (everywhere,) = small(cs.Sigmoid(), F(26, 100))
    assert 0 in everywhere


def test_a_tiny_threshold_has_far_ends():
    for layer in (cs.Sigmoid(), cs.SiLU(), cs.ELU(), cs.Softplus()):
        end = slope_of(layer).small(layer, F(1, 10**12))[0].high
        assert abs(float(slope_at(layer, end))) == pytest.approx(1e-12, rel=1e-6, abs=0)
    least = F(1, 10**100)
    for layer in (cs.Sigmoid(), cs.SiLU(), cs.GELU(), cs.GELU("tanh")):
        end = slope_of(layer).small(layer, least)[0].high
        assert abs(float(slope_at(layer, end))) == pytest.approx(1e-100, rel=1e-6, abs=0)


def test_a_layer_without_a_slope_is_refused():
    with pytest.raises(
        cs.UnsupportedError, match=r"^the slope of Softmax is not known; known: Sigmoid, Tanh"
    ):
        slope_of(cs.Softmax())
    with pytest.raises(cs.InputError, match=r"^σ′ of a letter has no value"):
        slope_at(cs.Sigmoid(), cs.matrix("a")[0, 0])
    assert slope_name(cs.GELU()) == "GELU′"
