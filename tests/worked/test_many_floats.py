"""The nearest float64 of many values at once is the one that exact arithmetic gives one by one."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.array import Letter
from convscope.core.expression import Number, Product, Root, Symbol
from convscope.worked import many_floats
from convscope.worked.functions import point_function
from convscope.worked.irrational import Activated, RootOf
from convscope.worked.many_floats import nearest_floats
from convscope.worked.symbolic import lift, lower

from .cases import few

LAYERS = [
    cs.Sigmoid(),
    cs.Tanh(),
    cs.SiLU(),
    cs.Softplus(),
    cs.Softplus("1/3"),
    cs.LogSigmoid(),
    cs.GELU(),
    cs.GELU("tanh"),
]
LONG_ENOUGH = np.finfo(np.longdouble).nmant in many_floats.EXTENDED


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@few
@given(
    numerators=st.lists(st.integers(-5000, 5000).filter(bool), min_size=1, max_size=6, unique=True),
    denominator=st.sampled_from([1, 7, 100, 10**6, 10**17]),
)
def test_decided_floats_are_the_nearest(layer, numerators, denominator):
    formula = point_function(layer).formula(layer, Symbol("x"))
    found, decided = nearest_floats(formula, np.array(numerators), denominator)
    for place, numerator in enumerate(numerators):
        if decided[place]:
            assert found[place] == float(Activated(layer, Fraction(numerator, denominator)))


@pytest.mark.skipif(not LONG_ENOUGH, reason="long doubles are doubles here, so none is decided")
@pytest.mark.parametrize("layer", LAYERS[:5], ids=repr)
def test_most_floats_are_decided(layer):
    formula = point_function(layer).formula(layer, Symbol("x"))
    numerators = np.arange(1, 4000)
    _, decided = nearest_floats(formula, numerators, 400)
    assert decided.mean() > 0.9 or not LONG_ENOUGH


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_solution_gives_the_same_floats_one_by_one(layer):
    x = np.arange(-60, 60).reshape(8, 15) * 7 % 100 - 50
    solution = cs.solve(x, cs.Conv("1/3"), layer)
    one_by_one = [float(value) for value in solution.value.cells()]
    assert solution.array().reshape(-1).tolist() == one_by_one
    pooled = cs.solve(x, cs.Conv("1/3"), layer, cs.MaxPool(3))
    assert pooled.array().reshape(-1).tolist() == [float(value) for value in pooled.value.cells()]


@pytest.mark.parametrize(
    "numerators", [np.array([10**5000, 1], dtype=object), np.array([2**70], dtype=object)]
)
def test_long_integers_are_left_undecided(numerators):
    _, decided = nearest_floats(Symbol("x"), numerators, 1)
    assert not decided.any()


@pytest.mark.parametrize(
    "formula",
    [
        Root(Symbol("x")),
        Symbol("y"),
        Symbol("x") + Number(Letter("a")),
        Symbol("x") + Number(Fraction(1, 2**70)),
        Number(Fraction(1)) / (Symbol("x") - Symbol("x")),
    ],
)
def test_formulas_that_are_not_worked_at_once_are_left_undecided(formula):
    _, decided = nearest_floats(formula, np.array([1, 2]), 3)
    assert not decided.any()


def test_where_long_doubles_are_doubles_nothing_is_decided(monkeypatch):
    monkeypatch.setattr(many_floats, "LONG", np.float64)
    layer = cs.Sigmoid()
    _, decided = nearest_floats(point_function(layer).formula(layer, Symbol("x")), np.arange(1, 50), 7)
    assert not decided.any()


@pytest.mark.parametrize("number", [Activated(cs.Sigmoid(), Fraction(1)), RootOf(2, Fraction(2, 3))])
def test_symbolic_numbers_stand_in_formulas(number):
    numerators = np.random.default_rng(7).integers(-(10**12), 10**12, 400)
    found, decided = nearest_floats(Product((Symbol("x"), Number(number))), numerators, 10**9)
    assert decided.mean() > 0.9 or not LONG_ENOUGH
    for numerator, value in zip(numerators[decided], found[decided], strict=True):
        assert value == float(lower(Fraction(int(numerator), 10**9) * lift(number)))
