"""Layers that are not linear: proofs by rules hold in PyTorch, the rest is refuted or left undecided."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.rewrite import torch_layers
from tests.rewrite.test_equivalent import chain, torch_differs

import convscope as cs
from convscope.rewrite.axis_steps import AxisMap
from convscope.rewrite.nonlinear import normal_form
from convscope.rewrite.piecewise import IDENTITY, Piecewise, from_function, piecewise_of

CALM = settings(max_examples=60, deadline=None, derandomize=True, database=None)
SOBEL = cs.Conv("-1 0 1; -2 0 2; -1 0 1", bias=1)

EQUAL = [
    ([cs.ReLU(), cs.ReLU()], cs.ReLU()),
    ([cs.Identity(), cs.Dropout("1/3")], []),
    (cs.LeakyReLU(0), cs.ReLU()),
    (cs.LeakyReLU(1), cs.Identity()),
    ([cs.LeakyReLU("1/2"), cs.LeakyReLU("1/4")], cs.LeakyReLU("1/8")),
    ([cs.LeakyReLU(2), cs.LeakyReLU("1/2")], cs.Identity()),
    ([cs.LeakyReLU(-1), cs.ReLU()], cs.LeakyReLU(-1)),
    (cs.Hardtanh(0, 6), cs.ReLU6()),
    ([cs.ReLU(), cs.ReLU6(), cs.ReLU()], cs.ReLU6()),
    ([cs.Hardtanh(-2, 3), cs.Hardtanh(-1, 5)], cs.Hardtanh(-1, 3)),
    ([cs.MaxPool(2), cs.ReLU()], [cs.ReLU(), cs.MaxPool(2)]),
    ([cs.MaxPool(3, 2, 1), cs.Sigmoid()], [cs.Sigmoid(), cs.MaxPool(3, 2, 1)]),
    ([cs.MaxPool(2), cs.MaxPool(2)], cs.MaxPool(4)),
    ([cs.MaxPool(2, 1), cs.MaxPool(2, 1)], cs.MaxPool(3, 1)),
    ([cs.MaxPool(3, 1, 1), cs.Tanh(), cs.MaxPool(3, 1, 1)], [cs.MaxPool(5, 1, 2), cs.Tanh()]),
    ([cs.MaxPool((1, 2)), cs.MaxPool((2, 1))], cs.MaxPool(2)),
    ([cs.MaxPool(2, 1, dilation=2), cs.MaxPool(2, 1)], cs.MaxPool(4, 1)),
    ([cs.Upsample(scale_factor=2), cs.SiLU()], [cs.SiLU(), cs.Upsample(scale_factor=2)]),
    ([cs.Pad(1), cs.ReLU()], [cs.ReLU(), cs.Pad(1)]),
    ([cs.Pad(2, "reflect"), cs.Hardtanh(1, 2)], [cs.Hardtanh(1, 2), cs.Pad(2, "reflect")]),
    ([cs.Flatten(), cs.ReLU()], [cs.ReLU(), cs.Flatten()]),
    ([cs.LogSoftmax(1), cs.LogSoftmax(1)], cs.LogSoftmax(1)),
    ([cs.LogSoftmax(1), cs.Softmax(1)], cs.Softmax(1)),
    ([cs.AvgPool(2), cs.ReLU()], [cs.Conv.uniform(2, stride=2), cs.ReLU()]),
    ([SOBEL, cs.ReLU()], [cs.Conv("-2 0 2; -4 0 4; -2 0 2", bias=2), cs.ReLU(), cs.Conv("1/2")]),
    ([SOBEL, cs.ReLU(), cs.MaxPool(2), cs.Conv("3")],
     [cs.Conv("-3 0 3; -6 0 6; -3 0 3", bias=3), cs.ReLU(), cs.MaxPool(2)]),
    ([SOBEL, cs.SiLU(), cs.Conv("1 1"), cs.Conv("1 1")], [cs.Identity(), SOBEL, cs.SiLU(), cs.Conv("1 2 1")]),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), EQUAL, ids=range(len(EQUAL)))
def test_proved_by_rules_and_pytorch_agrees(first, second):
    found = cs.equivalent(first, second)
    assert isinstance(found, cs.Proof)
    assert found.every_size
    assert cs.equivalent(second, first)
    for seed, spatial in enumerate([(8, 8), (9, 12), (13, 7)]):
        x = np.random.default_rng(seed).normal(size=(1, *spatial)) * 5
        one, other = (torch_layers.run(chain(layers), x) for layers in (first, second))
        assert np.allclose(one, other)


UNEQUAL = [
    (cs.ReLU(), cs.Identity()),
    (cs.ReLU(), cs.LeakyReLU()),
    (cs.ReLU(), cs.ReLU6()),
    (cs.Hardtanh(0, 6), cs.Hardtanh(0, "6000001/1000000")),
    (cs.Sigmoid(), cs.Tanh()),
    (cs.GELU(), cs.GELU("tanh")),
    (cs.GELU(), cs.SiLU()),
    (cs.MaxPool(2), cs.AvgPool(2)),
    (cs.MaxPool(3, 1, 1), [cs.Pad(1), cs.MaxPool(3, 1)]),
    ([cs.MaxPool(3, 1, 1), cs.MaxPool(3, 1, 1)], cs.MaxPool(3, 1, 1)),
    ([cs.MaxPool(2), cs.LeakyReLU(-1)], [cs.LeakyReLU(-1), cs.MaxPool(2)]),
    ([cs.MaxPool(2), cs.SiLU()], [cs.SiLU(), cs.MaxPool(2)]),
    ([cs.AvgPool(2), cs.ReLU()], [cs.ReLU(), cs.AvgPool(2)]),
    ([cs.Pad(1), cs.Sigmoid()], [cs.Sigmoid(), cs.Pad(1)]),
    ([cs.Conv("-1"), cs.ReLU()], [cs.ReLU(), cs.Conv("-1")]),
    ([cs.Conv("1"), cs.ReLU()], [cs.Conv("1", bias=-1000), cs.ReLU()]),
    ([cs.Conv("2"), cs.Sigmoid()], [cs.Sigmoid(), cs.Conv("2")]),
    ([cs.ReLU(), cs.Conv("1 2"), cs.ReLU()], [cs.ReLU(), cs.Conv("1 3"), cs.ReLU()]),
    ([cs.Conv("1 2", dilation=4), cs.ReLU()], [cs.Conv("1 3", dilation=4), cs.ReLU()]),
    (cs.Softmax(1), cs.LogSoftmax(1)),
    ([cs.Softmax(1), cs.Softmax(1)], cs.Softmax(1)),
    (cs.MaxPool(2), cs.MaxPool(2, ceil_mode=True)),
]


@pytest.mark.parametrize(("first", "second"), UNEQUAL, ids=range(len(UNEQUAL)))
def test_refuted_and_pytorch_differs(first, second):
    found = cs.equivalent(first, second)
    assert isinstance(found, cs.Counterexample)
    assert found.where in {"some inputs", "shape"}
    assert torch_differs(found)
    assert found.to_text()


def test_a_counterexample_is_small():
    found = cs.equivalent(cs.ReLU(), cs.Identity())
    assert found.input == cs.matrix("-1")
    found = cs.equivalent([cs.Conv("1"), cs.ReLU()], [cs.Conv("1", bias=-3), cs.ReLU()])
    assert found.input == cs.matrix("1")


@pytest.mark.parametrize("layer", [cs.MaxPool(2), cs.MaxPool(3, 1, 1), cs.ReLU(), cs.GlobalMaxPool()])
def test_against_linear_layers_additivity_fails(layer):
    found = cs.equivalent(
        layer, cs.AvgPool(3, 1, 1) if not isinstance(layer, cs.GlobalMaxPool) else cs.GlobalAvgPool()
    )
    assert isinstance(found, cs.Counterexample)
    x, y = found.additivity
    total = cs.matrix((np.asarray(x) + np.asarray(y)).tolist())
    zero = cs.matrix((np.asarray(x) * 0).tolist())
    values = [np.asarray(cs.solve(v, layer).value) for v in (total, zero, x, y)]
    assert (values[0] + values[1] != values[2] + values[3]).any()
    assert "Not linear" in found.to_text()


def test_undecided_says_what_was_tried():
    # Equal for every input, but no rule here says so: ReLU(x) − ReLU(−x) is x.
    split = cs.Conv(np.array([1, -1]).reshape(2, 1, 1, 1))
    joined = cs.Conv(np.array([1, -1]).reshape(1, 2, 1, 1))
    found = cs.equivalent([split, cs.ReLU(), joined], cs.Identity())
    assert isinstance(found, cs.Undecided)
    assert not found
    assert found.tried > 500
    assert "inputs were tried" in found.to_text()
    assert "Cannot decide" in found.to_text()


def test_a_bias_hidden_far_away_is_never_proved_equal():
    hidden = [cs.Conv("1", bias=-(10**12)), cs.ReLU()], [cs.Conv("1", bias=-(10**13)), cs.ReLU()]
    assert not cs.equivalent(*hidden)


def test_large_inputs_are_searched_as_well():
    found = cs.equivalent(
        [SOBEL, cs.ReLU()], [cs.Conv("-1 0 1; -2 0 2; -1 0 2", bias=1), cs.ReLU()], (90, 90)
    )
    assert found.input.shape == (90, 90)
    assert np.count_nonzero(np.asarray(found.input)) == 1
    found = cs.equivalent([cs.Sigmoid(), SOBEL], [cs.Sigmoid(), SOBEL, cs.Conv("1", bias=0)], (200, 200))
    assert isinstance(found, cs.Proof)


def test_softmax_over_several_channels():
    # Over one channel softmax is 1 whatever comes in; over two it is not.
    found = cs.equivalent([cs.Softmax(1), cs.Softmax(1)], cs.Softmax(1))
    assert found.input.shape[0] == 2


def test_the_shape_given_decides():
    first, second = cs.MaxPool(2), cs.MaxPool(2, ceil_mode=True)
    assert not cs.equivalent(first, second)
    assert cs.equivalent(first, second, (4, 4)).input_shape == (1, 4, 4)
    weight = np.arange(6).reshape(2, 3)
    chains = [cs.Linear(weight), cs.ReLU()], [cs.Linear(weight), cs.Identity(), cs.ReLU(), cs.ReLU()]
    assert cs.equivalent(*chains)
    assert cs.equivalent(*chains, (3,))
    assert not cs.equivalent([cs.Linear(weight), cs.ReLU()], cs.Linear(weight), (3,))


# --- straight pieces --------------------------------------------------------------------------

BENT = st.one_of(
    st.just(cs.ReLU()),
    st.just(cs.ReLU6()),
    st.fractions(-2, 2, max_denominator=4).map(cs.LeakyReLU),
    st.tuples(st.integers(-4, 0), st.integers(1, 7)).map(lambda ends: cs.Hardtanh(*ends)),
)
PLACES = [Fraction(n, 4) for n in range(-60, 61)]


@CALM
@given(BENT, BENT, BENT)
def test_pieces_compose(a, b, c):
    first, second, third = (piecewise_of(layer) for layer in (a, b, c))
    whole = third.after(second.after(first))
    assert whole == third.after(second).after(first)
    assert [whole(x) for x in PLACES] == [third(second(first(x))) for x in PLACES]
    assert whole.after(IDENTITY) == whole == IDENTITY.after(whole)
    # Equal values are equal functions, unequal ones differ somewhere.
    if whole != first:
        assert any(whole(x) != first(x) for x in PLACES)


@CALM
@given(BENT)
def test_pieces_are_the_layer(layer):
    function = piecewise_of(layer)
    x = cs.matrix([[str(place) for place in PLACES]])
    assert list(cs.solve(x, layer).value.cells()) == [function(place) for place in PLACES]


def test_a_function_says_what_it_is():
    assert piecewise_of(cs.LeakyReLU(0.5)).is_increasing
    assert not piecewise_of(cs.LeakyReLU(-0.5)).is_increasing
    assert piecewise_of(cs.ReLU()).is_homogeneous
    assert not piecewise_of(cs.ReLU6()).is_homogeneous
    assert from_function(lambda x: 2 * x + 1, [Fraction(3), Fraction(5)]) == Piecewise(((0, 1),), 2, 2)


# --- chains -----------------------------------------------------------------------------------


@st.composite
def mixtures(draw):
    pick = st.one_of(
        BENT,
        st.sampled_from([cs.Identity(), cs.Sigmoid(), cs.Pad(1), cs.Upsample(scale_factor=2), SOBEL]),
        st.builds(lambda k, s: cs.MaxPool(k, s, min(1, k // 2)), st.integers(1, 3), st.integers(1, 2)),
        st.just(cs.AvgPool(2, 1)),
    )
    return draw(st.lists(pick, min_size=1, max_size=4))


@settings(CALM, max_examples=50)
@given(st.data())
def test_no_proof_where_pytorch_differs(data):
    first = data.draw(mixtures())
    second = list(first)
    place = data.draw(st.integers(0, len(first) - 1))
    if data.draw(st.booleans()) and place:
        second[place - 1 : place + 1] = second[place - 1 : place + 1][::-1]
    else:
        second[place : place + 1] = data.draw(mixtures())
    try:
        found = cs.equivalent(first, second)
    except cs.ShapeError:
        assume(False)
    if isinstance(found, cs.Counterexample):
        assert torch_differs(found, found.input.shape[0] if found.layout.startswith("C") else 1) or any(
            isinstance(layer, cs.Sigmoid) for layer in first
        )
    elif isinstance(found, cs.Proof):
        for seed, scale in enumerate((1, 3, 30)):
            for side in (9, 14):
                x = np.random.default_rng(seed).normal(size=(1, side, side)) * scale
                one, other = (torch_layers.run(layers, x) for layers in (first, second))
                assert one.shape == other.shape
                assert np.allclose(one, other)


def test_rules_end():
    layers = [
        SOBEL,
        cs.ReLU(),
        SOBEL,
        cs.ReLU(),
        cs.MaxPool(2),
        cs.LeakyReLU(0.5),
        cs.Flatten(),
        cs.ReLU(),
    ] * 3
    form = normal_form(layers)
    assert (
        normal_form([layer for block in form.blocks for layer in (block.layers or (block.function,))]) == form
    )


def test_an_axis_map_of_nothing_is_the_identity():
    entries = AxisMap(()).entries(3)
    assert entries.rows.tolist() == entries.columns.tolist() == [0, 1, 2]


def test_inputs_that_leave_a_dilated_window_empty_are_passed_over():
    stamps = cs.ConvTranspose(np.array([[[1, 1]]]), dilation=2)
    pools = [
        cs.MaxPool(2, padding=1, dilation=2),
        cs.Pad([(0, 2)]),
    ]  # a single cell is missed
    assert isinstance(cs.equivalent(stamps, pools), cs.Counterexample)


@pytest.mark.parametrize(("pool", "is_same"), [(cs.MaxPool(1), True), (cs.MaxPool(1, 2), False)])
def test_the_largest_of_one_cell_is_that_cell(pool, is_same):
    assert bool(cs.equivalent([cs.Sigmoid(), pool], cs.Sigmoid())) is is_same
