"""Several convolutions as one, against the exact maps of both and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.rewrite.layers import convs, each

import convscope as cs
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rewrite import compose as module
from convscope.rewrite.affine import affine_map, layer_map
from convscope.rewrite.compose import compose


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from([1, 2, 2, 3]), st.integers(1, 3))
def test_the_one_does_what_the_many_do(data, rank, channels):
    first = data.draw(convs(channels, rank))
    second = data.draw(convs(first.out_channels, rank))
    shape = (channels, *data.draw(each(rank, 1, {1: 14, 2: 9, 3: 5}[rank])))
    try:
        inner = layer_map(first, shape)
        many = layer_map(second, inner.output_shape).after(inner)
        found = compose(first, second, input_shape=shape)
        one = layer_map(found.layer, shape)
    except ShapeError:
        assume(False)
    assert one.output_shape == many.output_shape
    spatial = np.prod(many.output_shape[1:])
    different = np.unique(many.differing(one) % spatial)
    if found.border is None:
        assert not different.size
    else:
        assert sorted(different) == sorted(np.flatnonzero(found.border.mask))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from([1, 2]), st.integers(1, 3))
def test_without_padding_between_they_are_the_same_for_every_size(data, rank, channels):
    first = data.draw(convs(channels, rank))
    assume(first.padding != "same")
    second = data.draw(convs(first.out_channels, rank))
    second = module._with(second, padding=0, padding_mode="zeros", padding_value=0)
    found = compose(first, second)
    assert found.border is None
    for length in range(1, 16):
        shape = (channels, *(length + axis for axis in range(rank)))
        try:
            inner = layer_map(first, shape)
            many = layer_map(second, inner.output_shape).after(inner)
        except ShapeError:
            continue
        assert layer_map(found.layer, shape).equals(many)


def test_two_by_two_then_two_by_two():
    found = compose(cs.Conv("1 1; 1 1"), cs.Conv("1 2; 3 4"))
    assert found.layer == cs.Conv("1 3 2; 4 10 6; 3 7 4")
    assert found.is_exact
    assert "same for every input" in found.to_text()


def test_two_3x3_are_one_5x5_but_for_one_ring():
    found = compose(cs.Conv.uniform(3, padding=1), cs.Conv.uniform(3, padding=1))
    assert found.layer.kernel_size == (5, 5)
    assert found.layer.padding == ((2, 2), (2, 2))
    assert (found.border.before, found.border.after, found.border.is_frame) == ((1, 1), (1, 1), True)
    three = compose(*[cs.Conv.uniform(3, padding=1)] * 3)
    assert three.layer.kernel_size == (7, 7)
    assert (three.border.before, three.border.after) == ((2, 2), (2, 2))


def test_against_pytorch():
    rng = np.random.default_rng(3)
    first, second = rng.integers(-5, 5, (4, 3, 3, 3)), rng.integers(-5, 5, (6, 2, 3, 3))
    one, two = rng.integers(-5, 5, 4), rng.integers(-5, 5, 6)
    found = compose(
        cs.Conv(first, bias=one, stride=2, dilation=2), cs.Conv(second, bias=two, stride=(1, 2), groups=2)
    )
    x = torch.tensor(rng.integers(-5, 5, (1, 3, 19, 20)), dtype=torch.float64)
    weights = [torch.tensor(w, dtype=torch.float64) for w in (first, one, second, two)]
    many = torch.conv2d(x, weights[0], weights[1], stride=2, dilation=2)
    many = torch.conv2d(many, weights[2], weights[3], stride=(1, 2), groups=2)
    layer = found.layer
    whole = torch.conv2d(
        x,
        torch.tensor(layer.weight.to_float()),
        torch.tensor(layer.bias.to_float()),
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    assert torch.equal(many, whole)


def test_pools_and_normalisation_may_stand_among_them():
    chain = (cs.Conv("1 2; 3 4", stride=2), cs.AvgPool(2), cs.BatchNorm([1], [3], [2], [5], eps=1))
    found = compose(*chain)
    assert affine_map(found.layer, (12, 13)).equals(affine_map(chain, (12, 13)))
    padded = compose(cs.Pad(2, "circular"), cs.Conv("1 2 1"), cs.Conv("1; 2; 1"), input_shape=(6, 6))
    assert padded.is_exact
    assert padded.layer.padding_mode == "circular"


def test_dilation_stays_where_it_can():
    assert compose(cs.Conv("1 1 1", dilation=2), cs.Conv("1 1", dilation=4)).layer.dilation == (1, 2)
    assert compose(cs.Conv(np.ones((1, 1, 3, 3)), stride=2), cs.Conv("3")).layer.kernel_size == (3, 3)


def test_grouped_layers_stay_grouped():
    depthwise = cs.Conv(np.ones((4, 1, 3, 3)), groups=4)
    assert compose(depthwise, depthwise).layer.groups == 4
    assert compose(depthwise, cs.Conv(np.ones((6, 4, 1, 1)))).layer.groups == 1


def test_wide_layers_get_a_bound(monkeypatch):
    first, second = cs.Conv.uniform(3, padding=1), cs.Conv.uniform(5, stride=2, padding=2)
    exact = compose(first, second, input_shape=(12, 12)).border
    monkeypatch.setattr(module, "MOST_BORDER_PRODUCTS", 0)
    bound = compose(first, second, input_shape=(12, 12)).border
    assert bound.is_bound
    assert (bound.mask == exact.mask).all()
    assert "They may differ in" in "".join(map(str, bound.blocks()))


@pytest.mark.parametrize(
    ("layers", "shape", "error", "told"),
    [
        ((cs.Conv("1"),), None, InputError, "compose needs two convolutions or more, got 1"),
        ((cs.Conv("1"), cs.ReLU()), None, UnsupportedError, "layer 2: ReLU is not a convolution"),
        ((cs.Conv("1"), cs.MaxPool(2)), None, UnsupportedError, "layer 2: MaxPool is not a convolution"),
        (
            (cs.Conv("1"), cs.ConvTranspose("1 2", stride=2)),
            None,
            UnsupportedError,
            "layer 2: ConvTranspose is not one",
        ),
        (
            (cs.Conv(np.ones((2, 1, 3, 3))), cs.Conv("1 1; 1 1")),
            None,
            ShapeError,
            "layer 2: the weights are for 1 input channels but the layer before it gives 2",
        ),
        ((cs.Conv("1"), cs.Conv(np.ones((1, 1, 3)))), None, ShapeError, "Conv: it was built for 1 spatial"),
        ((cs.Conv("1"), cs.Conv("1 1", stride=2, padding="same")), None, InputError, "layer 2: give input_s"),
        (
            (cs.Conv("1 2", stride=10**9), cs.Conv("1 2; 3 4")),
            None,
            ShapeError,
            "weights of shape 1×1×2×1000000002",
        ),
        ((cs.Conv(np.ones((1, 1, 400, 400))),) * 2, None, UnsupportedError, "kernels of 400×400 and 400×400"),
        ((cs.Conv("1", padding=10**8),) * 2, None, ShapeError, "an input that shows the whole border"),
        ((cs.Conv(kernel_size=3, out_channels=1), cs.Conv("1")), None, InputError, "Conv: it has no weights"),
    ],
)
def test_what_cannot_be_composed_is_refused(layers, shape, error, told):
    with pytest.raises(error) as caught:
        compose(*layers, input_shape=shape)
    assert str(caught.value).startswith(told)


def test_it_is_shown():
    found = compose(cs.Conv(np.ones((2, 3, 3, 3)), padding=1, bias=[1, 2]), cs.Conv(np.ones((1, 2, 2, 2))))
    for form in (found.to_text, found.to_markdown, found.to_latex, found.to_html):
        assert form()


def test_cells_that_a_stride_leaves_over_are_seen():
    # With lengths of 3n both are the same: the padding lies beyond the last window. One more cell is a rest
    # that the one convolution sees from within the padding, and the two layers do not.
    first, second = cs.Conv("1 2 3", stride=3), cs.Conv("1 1", padding=2)
    found = compose(first, second)
    assert not found.is_exact
    assert found.border.input_shape[-1] % 3
    assert bool(cs.equivalent(found, (first, second))) is found.is_exact


@pytest.mark.no_cover
@pytest.mark.parametrize("last", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_exact_means_proved_for_every_size(stride, last):
    first = cs.Conv(np.ones((1, 1, 3), dtype=int), stride=stride)
    for padding in (0, 1, 2, 3):
        for taps in (1, 2, 3):
            second = cs.Conv(np.ones((1, 1, taps), dtype=int), stride=last, padding=padding, dilation=2)
            found = compose(first, second)
            assert found.is_exact is bool(cs.equivalent(found, (first, second)))
