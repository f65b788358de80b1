"""Batch normalisation folded into the layer beside it, and kernels turned: the maps are the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.rewrite.layers import batch_norms, convs, each, random_input, transposed

import convscope as cs
from convscope.errors import InputError, ShapeError
from convscope.rewrite.affine import layer_map
from convscope.rewrite.affine_map import unlike
from convscope.rewrite.flip import to_correlation
from convscope.rewrite.fold import fold


def both(first, second, shape):
    inner = layer_map(first, shape)
    return layer_map(second, inner.output_shape).after(inner)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from([1, 2, 2, 3]), st.integers(1, 3), st.booleans())
def test_normalisation_after(data, rank, channels, stamped):
    layer = data.draw(transposed(channels, rank) if stamped else convs(channels, rank))
    norm = data.draw(batch_norms(layer.out_channels))
    shape = (channels, *data.draw(each(rank, 3, 6)))
    try:
        many = both(layer, norm, shape)
    except ShapeError:
        assume(False)
    found = fold(layer, norm)
    assert found.is_exact
    assert layer_map(found.layer, shape).equals(many)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from([1, 2, 2]), st.integers(1, 3))
def test_normalisation_before(data, rank, channels):
    layer = data.draw(convs(channels, rank))
    assume(layer.padding != "same")
    norm = data.draw(batch_norms(channels))
    found = fold(norm, layer)
    shape = (channels, *data.draw(each(rank, 4, 8)))
    try:
        many, one = both(norm, layer, shape), layer_map(found.layer, shape)
    except ShapeError:
        assume(False)
    if found.is_exact:
        assert one.equals(many)
    else:
        scales = [] if norm.weight is None else list(norm.weight.cells())
        assert channels > 1 or 0 in scales
        assert (many.rows == one.rows).all()  # the weights are right everywhere; the padding shifts the bias
        assert not unlike(many.values, one.values).any()


def test_roots_stay_exact():
    norm = cs.BatchNorm([1, 2], [3, 4], [5, 6], [7, 8])
    conv = cs.Conv(np.arange(16).reshape(2, 2, 2, 2), bias=[1, -1])
    found = fold(conv, norm)
    assert layer_map(found.layer, (2, 4, 4)).equals(both(conv, norm, (2, 4, 4)))
    x = random_input((2, 4, 4))
    assert not unlike(cs.solve(x, found.layer).value, cs.solve(x, conv, norm).value).any()


def test_many_weights_are_multiplied_when_they_are_looked_at():
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(8, 6, 3, 3)).astype(np.float32)
    norm = cs.BatchNorm(*rng.uniform(0.5, 2, (4, 8)).round(3))
    found = fold(cs.Conv(weight), norm).layer.weight
    floats = found.to_float()
    for index in [(0, 0, 0, 0), (3, 5, 2, 1), (7, 1, 0, 2), (4, 4, 1, 1)]:
        assert floats[index] == float(found[index])
    scale = np.asarray(norm.weight, float) / np.sqrt(np.asarray(norm.running_var, float) + 1e-5)
    assert np.allclose(floats, weight * scale[:, None, None, None], rtol=1e-6)


def test_a_shift_of_the_mean_alone_is_made_up_for_by_padding_with_it():
    norm, conv = cs.BatchNorm([3, 3], [2, 5]), cs.Conv(np.ones((1, 2, 3, 3)), padding=1)
    found = fold(norm, conv)
    assert found.layer.padding_value == 3
    assert found.is_exact
    assert layer_map(found.layer, (2, 4, 4)).equals(both(norm, conv, (2, 4, 4)))


def test_against_pytorch():
    rng = np.random.default_rng(5)
    weight, bias = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    mean, variance, scale, shift = (
        rng.normal(size=4),
        rng.uniform(0.5, 2, 4),
        rng.normal(size=4),
        rng.normal(size=4),
    )
    found = fold(cs.Conv(weight, bias=bias, padding=1, stride=2), cs.BatchNorm(mean, variance, scale, shift))
    x = torch.tensor(rng.normal(size=(1, 3, 9, 9)))
    t = torch.tensor
    many = torch.conv2d(x, t(weight), t(bias), stride=2, padding=1)
    many = torch.nn.functional.batch_norm(many, t(mean), t(variance), t(scale), t(shift))
    one = torch.conv2d(
        x, t(found.layer.weight.to_float()), t(found.layer.bias.to_float()), stride=2, padding=1
    )
    assert torch.allclose(many, one, rtol=1e-12, atol=1e-12)


def test_linear_layers():
    linear, norm = cs.Linear([[1, 2], [3, 4], [5, 6]], [1, 2, 3]), cs.BatchNorm([1, 2, 3], [3, 8, 15], eps=1)
    found = fold(linear, norm)
    assert layer_map(found.layer, (2,)).equals(both(linear, norm, (2,)))
    before = cs.BatchNorm([1, 2], [3, 8], [2, 3], [4, 5], eps=1)
    assert layer_map(fold(before, linear).layer, (2,)).equals(both(before, linear, (2,)))


def test_padding_makes_up_for_a_shift_where_all_channels_agree():
    norm, conv = cs.BatchNorm([1], [3], [4], [5], eps=1), cs.Conv("1 2; 3 4", padding=1)
    found = fold(norm, conv)
    assert found.layer.padding_value == Fraction(-3, 2)
    assert layer_map(found.layer, (1, 5, 5)).equals(both(norm, conv, (1, 5, 5)))
    several = fold(cs.BatchNorm([1, 2], [3, 3], eps=1), cs.Conv(np.ones((1, 2, 3, 3)), padding=1))
    assert (several.border.before, several.border.after) == ((1, 1), (1, 1))
    assert "The border" in several.to_text()


@pytest.mark.parametrize(
    ("first", "second", "error", "told"),
    [
        (
            cs.Conv("1"),
            cs.Conv("1"),
            InputError,
            "fold takes a BatchNorm and a Conv, Conv",
        ),
        (cs.ReLU(), cs.BatchNorm([0], [1]), InputError, "fold takes a BatchNorm and a Conv"),
        (
            cs.Conv("1"),
            cs.BatchNorm([0, 1], [1, 1]),
            ShapeError,
            "BatchNorm: it has statistics for 2",
        ),
        (cs.Conv("1"), cs.BatchNorm(num_features=1), InputError, "BatchNorm: it has no statistics"),
        (cs.Linear(out_features=1), cs.BatchNorm([0], [1]), InputError, "Linear: it has no weights"),
        (
            cs.BatchNorm([0], [1]),
            cs.ConvTranspose("1 2"),
            InputError,
            "fold: a BatchNorm before a Conv",
        ),
    ],
)
def test_what_cannot_be_folded_is_refused(first, second, error, told):
    with pytest.raises(error) as caught:
        fold(first, second)
    assert str(caught.value).startswith(told)


# --- kernels turned -----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from([1, 2, 3]), st.integers(1, 3), st.booleans())
def test_the_turned_kernel_does_the_same(data, rank, channels, stamped):
    layer = data.draw(transposed(channels, rank) if stamped else convs(channels, rank))
    shape = (channels, *data.draw(each(rank, 3, 5)))
    found = to_correlation(layer).layer
    assert not found.flip
    try:
        expected = layer_map(layer, shape)
    except ShapeError:
        assume(False)
    assert layer_map(found, shape).equals(expected)


def test_a_flip_is_shown():
    found = to_correlation(cs.Conv("1 2; 3 4", flip=True))
    assert found.layer == cs.Conv("4 3; 2 1")
    assert "rotates the kernel by 180°" in found.to_text()
    assert "already" in to_correlation(cs.Conv("1 2; 3 4")).to_text()
    assert to_correlation(cs.Conv(np.ones((2, 1, 2, 2)), flip=True)).to_html()
    for layer, told in [
        (cs.ReLU(), "to_correlation takes a Conv"),
        (cs.Conv(kernel_size=2, out_channels=1), "Conv"),
    ]:
        with pytest.raises(InputError, match=f"^{told}"):
            to_correlation(layer)


def test_folds_are_shown():
    found = fold(cs.Conv(np.ones((2, 1, 2, 2))), cs.BatchNorm([1, 2], [3, 4]))
    for form in (found.to_text, found.to_markdown, found.to_latex, found.to_html):
        assert form()
