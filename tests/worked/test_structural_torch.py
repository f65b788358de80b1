"""Linear, flatten, normalisation, joining, resizing and padding against PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import convscope as cs

from .cases import close, few, integer_arrays, per_axis, ranks, same, tensor, torch_padding

LAYOUTS = {1: "NCL", 2: "NCHW", 3: "NCDHW"}


@few
@given(data=st.data(), leading=st.lists(st.integers(1, 3), max_size=3).map(tuple))
def test_linear(data, leading):
    features, out = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    x = data.draw(integer_arrays((*leading, features)))
    weight, bias = data.draw(integer_arrays((out, features))), data.draw(st.none() | integer_arrays((out,)))
    expected = functional.linear(tensor(x), tensor(weight), None if bias is None else tensor(bias))
    same(cs.solve(x, cs.Linear(weight, bias)).value, expected)


@few
@given(
    x=st.lists(st.integers(1, 3), min_size=4, max_size=5).map(tuple).flatmap(integer_arrays), data=st.data()
)
def test_flatten_counts_axes_as_pytorch_does(x, data):
    start = data.draw(st.integers(1, x.ndim - 1))
    end = data.draw(st.integers(start, x.ndim - 1))
    layout = LAYOUTS[x.ndim - 2]
    for first, last in ((start, end), (start - x.ndim, end - x.ndim)):
        same(cs.solve(x, cs.Flatten(first, last), layout=layout).value, nn.Flatten(first, last)(tensor(x)))


@few
@given(data=st.data())
def test_batch_norm(data):
    rank, channels = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3))
    x = data.draw(integer_arrays((2, channels, *data.draw(per_axis(1, 3, rank)))))
    mean, weight, bias = (data.draw(integer_arrays((channels,))) for _ in range(3))
    variance = data.draw(integer_arrays((channels,), 1, 9))
    eps = data.draw(st.sampled_from([0, 1e-5, 0.25]))
    expected = functional.batch_norm(
        tensor(x), tensor(mean), tensor(variance), tensor(weight), tensor(bias), eps=eps
    )
    layer = cs.BatchNorm(mean, variance, weight, bias, eps)
    close(cs.solve(x, layer, layout={0: "NC", **LAYOUTS}[rank]).value, expected)
    plain = functional.batch_norm(tensor(x), tensor(mean), tensor(variance), eps=eps)
    close(cs.solve(x, cs.BatchNorm(mean, variance, eps=eps), layout={0: "NC", **LAYOUTS}[rank]).value, plain)


@few
@given(x=integer_arrays((2, 3, 4)), y=integer_arrays((2, 3, 4)), z=integer_arrays((2, 3, 4)))
def test_add(x, y, z):
    same(cs.solve((x, y, z), cs.Add()).value, tensor(x) + tensor(y) + tensor(z))


@few
@given(data=st.data(), dim=st.integers(-3, 3).filter(lambda d: d != 0))
def test_concat(data, dim):
    shape = [2, 3, 2, 4]
    parts = []
    for _ in range(data.draw(st.integers(2, 3))):
        shape[dim] = data.draw(st.integers(1, 3))
        parts.append(data.draw(integer_arrays(tuple(shape))))
    found = cs.solve(tuple(parts), cs.Concat(dim)).value
    same(found, torch.cat([tensor(part) for part in parts], dim))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@few
@given(data=st.data(), align=st.booleans(), by_size=st.booleans())
def test_upsample(mode, data, align, by_size):
    rank = data.draw(ranks)
    x = data.draw(integer_arrays((2, 2, *data.draw(per_axis(1, 5, rank)))))
    named = "nearest" if mode == "nearest" else {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
    align = align and mode != "nearest"
    corners = None if mode == "nearest" else align
    if by_size:
        size = data.draw(per_axis(1, 9, rank))
        options, told = {"size": size}, {"size": size}
    else:
        # Factors that binary fractions hold, so that PyTorch's own rounding does not move a cell.
        factors = tuple(
            data.draw(st.lists(st.sampled_from([0.5, 1, 1.5, 2, 2.5, 4]), min_size=rank, max_size=rank))
        )
        assume(all(n * f >= 1 for n, f in zip(x.shape[2:], factors, strict=True)))
        options, told = {"scale_factor": factors}, {"scale_factor": factors}
    expected = functional.interpolate(tensor(x), mode=named, align_corners=corners, **options)
    close(cs.solve(x, cs.Upsample(**told, mode=named, align_corners=align)).value, expected)


@pytest.mark.parametrize(
    ("mode", "theirs"),
    [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "replicate"), ("circular", "circular")],
)
@few
@given(data=st.data())
def test_pad(mode, theirs, data):
    rank = data.draw(ranks)
    x = data.draw(integer_arrays((1, 2, *data.draw(per_axis(3, 5, rank)))))
    padding = tuple((data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in range(rank))
    same(cs.solve(x, cs.Pad(padding, mode)).value, functional.pad(tensor(x), torch_padding(padding), theirs))


def test_pad_with_a_constant_that_is_no_ratio_of_the_input():
    found = cs.solve("1 2", cs.Pad(((0, 0), (1, 2)), "constant", "1/3")).value
    third = cs.matrix([["1/3"]])[0, 0]
    assert found.tolist() == [[third, 1, 2, third, third]]


def test_numpy_agrees_on_the_order_of_flattening():
    x = np.arange(24).reshape(2, 3, 4)
    assert cs.solve(x, cs.Flatten()).value.tolist() == list(range(24))
