"""Activations and softmax against PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import convscope as cs

from .cases import close, few, integer_arrays, tensor

PAIRS = [
    (cs.Identity(), nn.Identity()),
    (cs.Dropout(), nn.Dropout().eval()),
    (cs.ReLU(), nn.ReLU()),
    (cs.ReLU6(), nn.ReLU6()),
    (cs.LeakyReLU(), nn.LeakyReLU()),
    (cs.LeakyReLU(0.3), nn.LeakyReLU(0.3)),
    (cs.PReLU(), nn.PReLU()),
    (cs.ELU(), nn.ELU()),
    (cs.ELU(1.5), nn.ELU(1.5)),
    (cs.SELU(), nn.SELU()),
    (cs.Sigmoid(), nn.Sigmoid()),
    (cs.LogSigmoid(), nn.LogSigmoid()),
    (cs.Tanh(), nn.Tanh()),
    (cs.Hardtanh(), nn.Hardtanh()),
    (cs.Hardtanh(-2, 0.5), nn.Hardtanh(-2, 0.5)),
    (cs.GELU(), nn.GELU()),
    (cs.GELU("tanh"), nn.GELU("tanh")),
    (cs.SiLU(), nn.SiLU()),
    (cs.Softplus(), nn.Softplus(threshold=1000)),
    (cs.Softplus(2), nn.Softplus(2, threshold=1000)),
    (cs.Softsign(), nn.Softsign()),
]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS, ids=[repr(mine) for mine, _ in PAIRS])
@few
@given(x=integer_arrays((3, 4), -40, 40), divisor=st.sampled_from([1, 4, 8]))
def test_activation(mine, theirs, x, divisor):
    x = x / divisor
    with torch.no_grad():
        expected = theirs.double()(tensor(x))
    close(cs.solve(x, mine).value, expected, atol=1e-15)


@few
@given(x=integer_arrays((2, 3, 4)))
def test_a_slope_for_each_channel(x):
    slopes = [0.5, -2, 0.25]
    expected = nn.functional.prelu(tensor(x), tensor(slopes))
    close(cs.solve(x, cs.PReLU(slopes), layout="NCL").value, expected)
    turned = np.moveaxis(x, 1, 0)
    assert cs.solve(turned, cs.PReLU(slopes)).shape == turned.shape


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 2, 3, 2), (1, 2, 2, 2, 3)])
@pytest.mark.parametrize(
    ("mine", "theirs"), [(cs.Softmax, nn.Softmax), (cs.LogSoftmax, nn.LogSoftmax), (cs.Softmin, nn.Softmin)]
)
def test_softmax_along_every_axis(mine, theirs, shape):
    x = np.random.default_rng(7).integers(-5, 6, shape)
    for dim in range(-len(shape), len(shape)):
        close(cs.solve(x, mine(dim)).value, theirs(dim)(tensor(x)))


@pytest.mark.parametrize("dim", [-3, 2])
def test_an_axis_that_is_not_there_is_refused(dim):
    with pytest.raises(cs.ShapeError, match=rf"layer 1: Softmax: dim={dim} is not an axis"):
        cs.solve("1 2; 3 4", cs.Softmax(dim))


def test_softmax_of_equal_numbers_is_a_ratio():
    assert cs.solve([7, 7, 7], cs.Softmax()).value.tolist() == [cs.matrix([[1]])[0, 0] / 3] * 3
