"""The map is the layer: held against exact worked solutions for every layer and option."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rewrite.layers import batch_norms, layers_with_shapes, random_input, spatial_layers

from convscope.core.array import from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.pointwise import ReLU
from convscope.core.pooling import AvgPool, MaxPool
from convscope.core.reading import matrix
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rewrite import affine_map as maps
from convscope.rewrite.affine import AFFINE, affine_map, inner_shape, layer_map
from convscope.worked.layout import Layout
from convscope.worked.solution import _work


def worked(layer, x):
    """The layer worked exactly on one item."""
    value = _work(layer, [Layout(has_batch=False, has_channels=True).normal(x)]).value
    return value.reshape(value.shape[1:])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(layers_with_shapes(), st.integers(0, 5))
def test_the_map_does_what_the_layer_does(case, seed):
    layer, shape = case
    x = random_input(shape, seed)
    try:
        expected = worked(layer, x)
    except ShapeError:  # a window that holds no cell
        with pytest.raises(ShapeError):
            layer_map(layer, shape)
        return
    found = layer_map(layer, shape)
    assert found.apply(x) == expected
    assert found.output_shape == expected.shape
    assert_normal(found)


def assert_normal(found):
    """Entries in order, no place twice, no zero, every place inside."""
    keys = found.rows * found.size[1] + found.columns
    assert (np.diff(keys) > 0).all()
    assert maps.nonzero(found.values).all()
    if found.entries:
        assert found.rows.min() >= 0
        assert found.rows.max() < found.size[0]
        assert found.columns.min() >= 0
        assert found.columns.max() < found.size[1]


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(layers_with_shapes(ranks=(1, 2)), st.data())
def test_a_chain_is_the_product_of_its_maps(case, data):
    first, shape = case
    try:
        one = layer_map(first, shape)
        second = data.draw(spatial_layers(one.output_shape[0], max(len(one.output_shape) - 1, 1)))
        whole = layer_map(second, one.output_shape).after(one)
    except ShapeError:
        return
    x = random_input(shape)
    assert whole.apply(x) == worked(second, worked(first, x))
    assert_normal(whole)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(layers_with_shapes(ranks=(1, 2)))
def test_columns_and_rows_are_those_of_the_matrix(case):
    layer, shape = case
    try:
        found = layer_map(layer, shape)
    except ShapeError:
        return
    dense = found.to_scipy().toarray()
    transposed = found.transpose.to_scipy().toarray()
    assert (transposed == dense.T).all()
    for index in list(np.ndindex(*shape))[:5]:
        place = int(np.ravel_multi_index(index, shape))
        assert (found.column(index).to_float().reshape(-1) == dense[:, place]).all()
    for index in list(np.ndindex(*found.output_shape))[:5]:
        place = int(np.ravel_multi_index(index, found.output_shape))
        row = np.zeros(found.size[1])
        for cell, factor in found.row(index):
            row[np.ravel_multi_index(cell, shape)] = float(factor)
        assert (row == dense[place]).all()


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 3).flatmap(lambda c: st.tuples(st.just(c), batch_norms(c, rational=False))))
def test_roots_that_are_no_ratios_stay_exact(case):
    channels, layer = case
    x = random_input((channels, 2, 2))
    found = layer_map(layer, x.shape)
    assert not maps.unlike(found.apply(x), worked(layer, x)).any()


def test_letters_stay_letters():
    found = affine_map(Conv("a b; c d"), (2, 3))
    other = affine_map(Conv("a b; c e"), (2, 3))
    assert found.equals(affine_map(Conv("a b; c d"), (2, 3)))
    assert found.differing(other).tolist() == [0, 1]
    assert [repr(factor) for _, factor in found.row((0, 0, 0))] == [
        "Letter('a')", "Letter('b')", "Letter('c')", "Letter('d')",
    ]  # fmt: skip
    twice = affine_map((Conv("a b"), Conv("a b")), (1, 4))
    assert twice.apply(matrix("1 2 3 4").reshape((1, 1, 4))).shape == (1, 1, 2)


def test_numbers_past_int64_are_multiplied_exactly():
    big = Fraction(10**30 + 1, 10**29 + 7)
    conv = Conv(from_cells([big, -big, Fraction(1, 3), Fraction(2)], (1, 1, 2, 2)))
    x = random_input((1, 5, 5))
    assert affine_map((conv, conv), x.shape).apply(x) == worked(conv, worked(conv, x))


def test_products_of_many_entries_are_pieced_together(monkeypatch):
    monkeypatch.setattr(maps, "PIECE_PRODUCTS", 7)
    conv = Conv("1 2 3; 4 5 6; 7 8 9", padding=1)
    x = random_input((1, 6, 6))
    assert affine_map((conv, conv), x.shape).apply(x) == worked(conv, worked(conv, x))


def test_trained_weights_are_multiplied_in_pieces():
    weight = np.random.default_rng(0).normal(size=(8, 8, 3, 3)).astype(np.float32)
    conv = Conv(weight, padding=1)
    x = random_input((8, 8, 8))
    assert affine_map((conv, conv), x.shape).apply(x) == worked(conv, worked(conv, x))


def test_what_differs_is_told():
    base = affine_map(Conv("1 2; 3 4"), (3, 3))
    assert base.equals(affine_map(Conv("1 2; 3 4"), (1, 3, 3)))
    assert base.differing(affine_map(Conv("1 2; 3 5"), (3, 3))).tolist() == [0, 1, 2, 3]
    assert base.differing(affine_map(Conv("1 2; 3 4", bias="1"), (3, 3))).tolist() == [0, 1, 2, 3]
    assert base.differing(affine_map(Conv("1 2; 3 0"), (3, 3))).tolist() == [0, 1, 2, 3]
    half = affine_map(AvgPool(2, 1, 1), (3, 3))
    inside = affine_map(AvgPool(2, 1, 1, count_include_pad=False), (3, 3))
    assert half.differing(inside).tolist() == [0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15]
    with pytest.raises(ShapeError, match=r"^maps from 1×3×3 to 1×2×2 and"):
        base.differing(affine_map(Conv("1"), (3, 3)))
    assert not base.equals(affine_map(Conv("1"), (3, 3)))


def test_unequal_denominators_are_compared_number_by_number():
    a = from_cells([Fraction(1, 2), Fraction(1, 3)], (2,))
    b = from_cells([Fraction(1, 2), Fraction(1, 4)], (2,))
    assert maps.unlike(a, b).tolist() == [False, True]
    huge = from_cells([Fraction(1, 2), Fraction(1, 10**30)], (2,))
    assert maps.unlike(a, huge).tolist() == [False, True]


def test_equal_numbers_in_another_form_are_proved_equal():
    found = layer_map(BatchNorm([0], [2], eps=0), (1, 2))
    twice = layer_map(BatchNorm([0], [8], weight=[2], eps=0), (1, 2))
    assert found.equals(twice)
    assert not found.equals(layer_map(BatchNorm([0], [3], eps=0), (1, 2)))


def test_transposed_convolution_is_the_transposed_matrix():
    options = {"stride": 2, "padding": 1}
    conv = affine_map(Conv("1 2 3; 4 5 6; 7 8 9", **options), (7, 7))
    stamped = affine_map(ConvTranspose("1 2 3; 4 5 6; 7 8 9", **options), (4, 4))
    assert conv.transpose.equals(stamped)


@pytest.mark.parametrize(
    ("layers", "shape", "error", "told"),
    [
        (MaxPool(2), (4, 4), UnsupportedError, "MaxPool is not an affine map; affine are: Conv, "),
        ((Conv("1"), ReLU()), (4, 4), UnsupportedError, "layer 2: ReLU is not an affine map"),
        (Conv("1 1"), (1, 1, 4, 4), ShapeError, "input_shape=(1, 1, 4, 4) has 4 axes; layers of rank 2"),
        (Conv("1 1"), (0, 4), ShapeError, "input_shape=(0, 4) is not a shape such as"),
        (Conv("1 1"), "4", ShapeError, "input_shape='4' is not a shape such as"),
        ("conv 3", (4, 4), InputError, "str is not a layer such as Conv(kernel)"),
        ((Conv("1"), 3), (4, 4), InputError, "layer 2 is int, not a layer"),
        (Linear(out_features=3), (4,), InputError, "Linear: it has no weights, only sizes"),
        (Conv(kernel_size=3, out_channels=2), (5, 5), InputError, "Conv: it has no weights, only sizes"),
        (BatchNorm(num_features=3), (3, 2, 2), InputError, "BatchNorm: it has no statistics"),
        (
            Conv(np.ones((64, 3, 7, 7))),
            (3, 224, 224),
            ShapeError,
            "Conv: its matrix from 3×224×224 to 64×218×218 cells has 447,105,792 entries",
        ),
        (Linear(np.ones((6000, 6000))), (6000,), ShapeError, "Linear: its matrix from 6000 to 6000 cells"),
        (Pad(1), (10**9, 10**9), ShapeError, "an input of 1×1000000000×1000000000 cells is too large"),
        (Upsample(scale_factor=10**4), (10, 10), ShapeError, "Upsample: its output would have 10000000000"),
        (
            (Flatten(), Linear([[1, 2]])),
            (3, 3),
            ShapeError,
            "layer 2: Linear: the weights are for 2",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(layers, shape, error, told):
    with pytest.raises(error) as caught:
        affine_map(layers, shape)
    assert str(caught.value).startswith(told)


def test_a_product_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(maps, "MAX_ENTRIES", 1000)
    mean = Conv.uniform(3, padding=1)
    affine_map(mean, (10, 10))
    with pytest.raises(ShapeError, match=r"the composed map: its matrix from 1×10×10 to 1×10×10"):
        affine_map((mean, mean), (10, 10))


def test_planes_before_layers_with_space_have_one_channel():
    assert inner_shape([Conv("1 1")], (4, 5)) == (1, 4, 5)
    assert inner_shape([Pad(1)], (4, 5)) == (1, 4, 5)
    assert inner_shape([Flatten()], (4, 5)) == (4, 5)
    assert inner_shape([Linear([[1, 2]])], (2,)) == (2,)
    assert inner_shape([AvgPool(2)], (3, 4, 5)) == (3, 4, 5)


def test_no_layers_are_the_identity():
    x = random_input((2, 3))
    assert affine_map((), (2, 3)).apply(x) == x


def test_every_layer_in_the_table_has_a_strategy():
    """The property test above draws every kind of layer that the table knows."""
    source = (Path(__file__).parent / "layers.py").read_text()
    for kind in AFFINE:
        assert f"{kind.__name__}(" in source or f"map({kind.__name__})" in source, kind


def test_a_wrong_map_would_be_seen():
    x = random_input((1, 4, 4))
    found = affine_map(Conv("1 2; 3 4"), x.shape)
    shifted = maps.AffineMap(
        found.input_shape, found.output_shape, found.rows, (found.columns + 1) % 16, found.values, found.bias
    )
    assert shifted.apply(x) != worked(Conv("1 2; 3 4"), x)
