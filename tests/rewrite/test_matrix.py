"""A layer's matrix and its product of matrices, against SciPy, PyTorch and exact solutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import linalg
from tests.rewrite.layers import convs, each, random_input, transposed

import convscope as cs
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rewrite import matrix as module
from convscope.rewrite.affine import affine_map
from convscope.rewrite.gemm import as_gemm
from convscope.rewrite.matrix import as_matrix

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def test_one_axis_is_scipys_convolution_matrix():
    taps = [1, -2, 3]
    found = as_matrix(cs.Conv([[taps]], flip=True), (7,))
    assert np.array_equal(found.array(), linalg.convolution_matrix(taps, 7, mode="valid"))
    same = as_matrix(cs.Conv([[taps]], flip=True, padding="same"), (7,))
    assert np.array_equal(np.asarray(same), same.array())
    assert np.array_equal(same.array(), linalg.convolution_matrix(taps, 7, mode="same"))
    full = as_matrix(cs.Conv([[taps]], flip=True, padding=2), (7,))
    assert np.array_equal(full.array(), linalg.convolution_matrix(taps, 7, mode="full"))


@few
@given(st.data(), st.sampled_from([1, 2, 3]), st.integers(1, 3), st.booleans())
def test_it_multiplies_as_the_layer_does(data, rank, channels, stamped):
    layer = data.draw(transposed(channels, rank) if stamped else convs(channels, rank))
    shape = (channels, *data.draw(each(rank, 3, 6)))
    try:
        found = as_matrix(layer, shape)
    except ShapeError:
        assume(False)
    x = random_input(shape)
    expected = cs.solve(x, layer).value
    assert found.apply(x).reshape(expected.shape) == expected
    product = found.to_scipy() @ x.to_float().reshape(-1) + found.bias.to_float().reshape(-1)
    assert np.allclose(product, expected.to_float().reshape(-1), rtol=1e-12, atol=1e-9)
    assert np.array_equal(found.exact().to_float(), found.array())
    assert np.array_equal(found.T.array(), found.array().T)


@few
@given(st.data(), st.sampled_from([1, 2, 3]), st.integers(1, 3))
def test_the_transpose_is_the_transposed_convolution(data, rank, channels):
    layer = data.draw(convs(channels, rank))
    shape = (channels, *data.draw(each(rank, 3, 7)))
    try:
        found = as_matrix(layer, shape)
    except ShapeError:
        assume(False)
    stamped = found.transposed_layer
    if layer.padding_mode != "zeros":
        assert stamped is None
        return
    assert affine_map(stamped, found.output_shape).equals(found.T.map)


def test_the_transpose_in_pytorch():
    weight = np.arange(36).reshape(2, 2, 3, 3) - 17
    found = as_matrix(cs.Conv(weight, stride=2, padding=1), (2, 7, 6))
    y = np.random.default_rng(0).integers(-9, 9, found.output_shape).astype(float)
    layer = found.transposed_layer
    expected = torch.nn.functional.conv_transpose2d(
        torch.tensor(y)[None], torch.tensor(weight, dtype=torch.float64), stride=2, padding=1,
        output_padding=layer.output_padding,
    )  # fmt: skip
    assert np.array_equal(found.T.to_scipy() @ y.reshape(-1), expected.numpy().reshape(-1))


def test_it_is_shown_with_its_blocks():
    found = as_matrix(cs.Conv("1 2; -3 4", bias=[1]), (4, 4))
    told = found.to_text()
    assert "matrix of 9×16. 36 of its entries are not zero" in told
    assert "T0      T1       0       0" in told
    assert "Its transpose, entry by entry, is the matrix of the transposed convolution" in told
    for made in (found, found.T, as_matrix(cs.Conv([[[1, 2]]]), (5,)), as_matrix(cs.AvgPool(2), (4, 4))):
        for form in (made.to_text, made.to_markdown, made.to_latex, made.to_html):
            assert form()


def test_a_wrong_transpose_would_be_seen(monkeypatch):
    found = as_matrix(cs.Conv("1 2; -3 4"), (4, 4))
    monkeypatch.setattr(module.LayerMatrix, "transposed_layer", cs.ConvTranspose("1 2; -3 5"))
    assert "Its transpose is not" in found.to_text()


def test_the_picture_shows_signs():
    pixels = as_matrix(cs.Conv("1 0; 0 -1"), (3, 3)).picture(side=9)
    assert pixels.shape == (4, 9, 3)
    assert tuple(pixels[0, 0]) == (0, 114, 178)
    assert tuple(pixels[0, 4]) == (213, 94, 0)
    assert tuple(pixels[0, 1]) == (255, 255, 255)
    large = as_matrix(cs.Conv("1 2 1; 2 4 2; 1 2 1", padding=1), (40, 40)).picture(side=200)
    assert large.shape == (200, 200, 3)
    assert as_matrix(cs.Conv("a b; c d"), (3, 3)).picture().any()


def test_numbers_that_are_no_ratios():
    found = as_matrix(cs.BatchNorm([0], [2], eps=0), (1, 2, 2))
    assert np.allclose(found.array(), np.eye(4) / np.sqrt(2), rtol=1e-15)
    assert found.to_text()


def test_what_would_not_fit_is_refused():
    large = as_matrix(cs.Conv.uniform(3, padding=1), (128, 128))
    for ask in (large.array, large.exact):
        with pytest.raises(ShapeError, match=r"^a matrix of 16,384×16,384 cells, zeros and all"):
            ask()
    with pytest.raises(ShapeError, match=r"^Conv: its matrix from 64×224×224 to 64×224×224 cells has 1,838,"):
        as_matrix(cs.Conv(np.ones((64, 64, 3, 3)), padding=1), (64, 224, 224))
    with pytest.raises(UnsupportedError, match=r"^MaxPool is not an affine map"):
        as_matrix(cs.MaxPool(2), (4, 4))
    with pytest.raises(InputError, match=r"^as_matrix needs a layer"):
        as_matrix((), (4, 4))
    with pytest.raises(ShapeError, match=r"^the map takes an input of shape \(1, 128, 128\)"):
        large.apply("1 2; 3 4")


def test_a_large_matrix_is_sparse():
    weight = np.random.default_rng(0).integers(-9, 9, (8, 8, 3, 3))
    found = as_matrix(cs.Conv(weight, padding=1), (8, 64, 64))
    assert found.shape == (8 * 64 * 64, 8 * 64 * 64)
    assert (
        found.nonzeros
        == np.count_nonzero(weight[:, :, 1, 1]) * 64 * 64
        + np.count_nonzero(weight[:, :, [0, 1, 1, 2], [1, 0, 2, 1]]) * 64 * 63
        + np.count_nonzero(weight[:, :, [0, 0, 2, 2], [0, 2, 0, 2]]) * 63 * 63
    )


# --- products of matrices -------------------------------------------------------------------------


@few
@given(st.data(), st.sampled_from([1, 2, 3]), st.integers(1, 3), st.booleans())
def test_the_product_is_the_layer(data, rank, channels, stamped):
    layer = data.draw(transposed(channels, rank) if stamped else convs(channels, rank))
    x = random_input((channels, *data.draw(each(rank, 2, 5))))
    try:
        expected = cs.solve(x, layer).value
    except ShapeError:
        assume(False)
    found = as_gemm(layer, x)
    assert found.value == expected
    for weights, columns, product in zip(found.weights, found.columns, found.products, strict=True):
        assert np.allclose(weights.to_float() @ columns.to_float(), product.to_float(), atol=1e-9)
    if not stamped:
        rows = np.concatenate([np.asarray(product) for product in found.products])
        added = 0 if not hasattr(layer.bias, "cells") else np.asarray(layer.bias)[:, None]
        assert (rows + added == np.asarray(expected).reshape(rows.shape)).all()


def test_columns_are_pytorchs_unfold():
    x = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    layer = cs.Conv(np.ones((3, 2, 3, 2)), stride=(2, 1), padding=((1, 1), (0, 0)), dilation=(1, 2))
    found = as_gemm(layer, x)
    unfolded = torch.nn.functional.unfold(
        torch.tensor(x, dtype=torch.float64)[None], (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)
    )
    assert np.array_equal(found.columns[0].to_float(), unfolded[0].numpy())


def test_products_are_shown():
    for layer in (
        cs.Conv("1 2; 3 4", padding=1, stride=2, bias=[1]),
        cs.ConvTranspose("1 2; 3 4", stride=2),
        cs.Conv("a b; c d"),
    ):
        found = as_gemm(layer, "1 2 3; 4 5 6; 7 8 9")
        for form in (found.to_text, found.to_markdown, found.to_latex, found.to_html):
            assert form()
    grouped = as_gemm(cs.Conv(np.ones((6, 1, 2, 2)), groups=6), np.ones((6, 3, 3)))
    assert "Group 0: columns, 4×4" in grouped.to_text()


@pytest.mark.parametrize(
    ("layer", "x", "error", "told"),
    [
        (cs.ReLU(), "1 2", InputError, "as_gemm takes a Conv or a ConvTranspose, got ReLU"),
        (cs.Conv(kernel_size=2, out_channels=1), "1 2", InputError, "Conv: it has no weights"),
        (cs.Conv("1"), np.ones((2, 1, 3, 3)), ShapeError, "as_gemm takes one input, without a batch axis"),
        (cs.Conv(np.ones((1, 1, 200, 200))), np.ones((400, 400)), ShapeError, "Conv: its columns would have"),
    ],
)
def test_what_is_no_product_is_refused(layer, x, error, told):
    with pytest.raises(error) as caught:
        as_gemm(layer, x)
    assert str(caught.value).startswith(told)
