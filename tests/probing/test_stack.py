"""Gradients worked on paper are those of PyTorch's autograd, cell by cell."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import convscope as cs
from convscope.probing.stack import backward

X = "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1"
CONV = cs.Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True)
TAPS = torch.tensor([[0.0, 2, 0], [1, 1, 2], [0, 2, 0]], dtype=torch.float64)[None, None]


def autograd(x, function):
    leaf = torch.tensor(cs.matrix(x).to_float(), requires_grad=True)
    function(leaf[None, None] if leaf.ndim == 2 else leaf[None]).sum().backward()
    return leaf.grad.numpy()


def test_sigmoids_and_a_max_pool():
    stack = backward(X, [CONV, cs.Sigmoid(), CONV, cs.Sigmoid(), cs.MaxPool(2)])

    def network(x):
        for _ in range(2):
            x = torch.sigmoid(functional.conv2d(x, TAPS, padding=1))
        return functional.max_pool2d(x, 2)

    np.testing.assert_allclose(stack.gradient.to_float(), autograd(X, network), rtol=1e-12)


ACTIVATIONS = [
    (cs.Sigmoid(), torch.sigmoid), (cs.Tanh(), torch.tanh), (cs.ReLU(), torch.relu),
    (cs.LeakyReLU("0.1"), lambda x: functional.leaky_relu(x, 0.1)), (cs.ELU(), functional.elu),
    (cs.SELU(), functional.selu), (cs.SiLU(), functional.silu), (cs.GELU(), functional.gelu),
    (cs.Softplus(), functional.softplus), (cs.LogSigmoid(), functional.logsigmoid),
    (cs.Softsign(), functional.softsign), (cs.Hardtanh(), functional.hardtanh),
    (cs.ReLU6(), functional.relu6),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "function"), ACTIVATIONS, ids=[repr(layer) for layer, _ in ACTIVATIONS])
def test_each_activation_between_convolutions(layer, function):
    small = "0.3 -1.2 0.4; 1.1 0.2 -0.6; -0.9 0.7 1.3"
    conv = cs.Conv("0.5 -1; 1 0.25", bias="0.1")
    taps = torch.tensor([[0.5, -1], [1, 0.25]], dtype=torch.float64)[None, None]
    stack = backward(small, [conv, layer, conv, layer])

    def network(x):
        for _ in range(2):
            x = function(functional.conv2d(x, taps, torch.tensor([0.1], dtype=torch.float64)))
        return x

    np.testing.assert_allclose(stack.gradient.to_float(), autograd(small, network), rtol=1e-9, atol=1e-14)


def test_linear_layers_of_every_kind():
    x = np.arange(32).reshape(2, 4, 4) / 7 - 2
    weight = np.arange(36).reshape(2, 2, 3, 3) / 11 - 1.5
    linear = np.arange(24).reshape(3, 8) / 5 - 2
    norm = cs.BatchNorm(weight=[2, 3], bias=[1, 1], running_mean=[0, 1], running_var=[4, 1], eps=0)
    layers = [
        cs.Pad(1), cs.Conv(weight, stride=1), norm, cs.Tanh(), cs.AvgPool(2), cs.Flatten(),
        cs.Linear(weight=linear),         cs.Sigmoid(),
    ]  # fmt: skip

    def network(value):
        value = functional.conv2d(functional.pad(value, (1, 1, 1, 1)), torch.tensor(weight))
        scale = torch.tensor([2.0, 3.0], dtype=torch.float64).view(1, 2, 1, 1)
        mean, deviation = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1), torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)
        value = torch.tanh((value - mean) / deviation * scale + 1)
        value = functional.avg_pool2d(value, 2).flatten(1)
        return torch.sigmoid(value @ torch.tensor(linear).T)

    stack = backward(x, layers)
    expected = autograd(x, network)
    np.testing.assert_allclose(stack.gradient.to_float(), expected, rtol=1e-6, atol=1e-15)
    assert all(np.abs(step.gradient.to_float()).max() > 0 for step in stack.steps)


def test_one_output_cell_and_the_sum_of_all():
    whole = backward(X, [CONV, cs.Tanh()])
    parts = [
        backward(X, [CONV, cs.Tanh()], of=(i, j)).gradient.to_float() for i in range(4) for j in range(4)
    ]
    np.testing.assert_allclose(whole.gradient.to_float(), sum(parts), rtol=1e-12)


def test_the_gradient_of_a_chain_of_single_cells_is_a_product():
    layers = [layer for weight in ("1.5", "-2", "0.5") for layer in (cs.Conv(weight), cs.Sigmoid())]
    stack = backward("0.5", layers)
    product = Fraction(1)
    for step in stack.steps:
        ((factor, _, _),) = step.terms(0, 0)
        product *= factor if isinstance(factor, Fraction) else Fraction(factor.decimal(40))
    assert abs(Fraction(stack.gradient[0, 0].decimal(30)) - product) < Fraction(1, 10**28)


def test_straight_pieces_and_weights_alone_stay_ratios():
    stack = backward(X, [CONV, cs.ReLU(), cs.AvgPool(2)])
    assert all(isinstance(value, Fraction) for value in stack.gradient.cells())


def test_a_tie_in_a_max_pool_goes_to_the_first():
    assert backward("1 1; 1 1", [cs.MaxPool(2)]).gradient == cs.matrix("1 0; 0 0")


@given(
    st.lists(st.integers(-6, 6), min_size=9, max_size=9),
    st.lists(st.integers(-3, 3), min_size=4, max_size=4),
    st.integers(1, 3),
)
def test_the_bound_holds_for_every_input(cells, taps, depth):
    x = np.array(cells).reshape(3, 3)
    conv = cs.Conv(np.array(taps).reshape(1, 1, 2, 2))
    stack = backward(x, [layer for _ in range(min(depth, 2)) for layer in (conv, cs.Sigmoid())])
    largest = np.abs(stack.gradient.to_float()).max()
    assert largest <= float(stack.bound) * (1 + 1e-12)


def test_overlapping_windows_count_in_the_bound():
    stack = backward("0 0 0; 0 9 0; 0 0 0", [cs.MaxPool(2, stride=1)])
    assert stack.gradient[1, 1] == 4
    assert stack.bound == 4


def test_a_cell_says_its_terms():
    step = backward(X, [CONV, cs.Sigmoid()]).steps[1]
    ((factor, out, arriving),) = step.terms(2, 1)
    assert (factor.decimal(4), out, arriving) == ("0.0006", (2, 1), 1)
    assert step.cell(2, 1).to_text().endswith("δ1[2, 1] = σ′(7.5)·δ2[2, 1] ≈ 0.000552·1 ≈ 0.000552\n")
    with pytest.raises(cs.InputError, match=r"^cell \(4, 0\) is outside the feature map of shape \(4, 4\)"):
        step.terms(4, 0)


@pytest.mark.parametrize(
    ("x", "layers", "of", "error", "told"),
    [
        ("a b", [cs.Tanh()], None, cs.InputError, r"^the input holds letters"),
        ("1 2", [cs.Softmax()], None, cs.UnsupportedError, r"^Softmax is not an affine map"),
        (
            "1 2",
            [cs.Tanh()],
            (0, 2),
            cs.InputError,
            r"^the output has no cell \(0, 2\); its shape is \(1, 2\)",
        ),
        (np.zeros((40, 40)), [cs.Tanh()], None, cs.UnsupportedError, r"^a feature map of 1600 cells"),
        ("1", [cs.Tanh()] * 65, None, cs.UnsupportedError, r"^a stack of 65 layers; up to 64"),
        (np.zeros((2, 1, 2, 2)), [cs.AvgPool(2)], None, cs.UnsupportedError, r"^a batch of several inputs"),
    ],
)
def test_what_is_not_worked_is_said(x, layers, of, error, told):
    with pytest.raises(error, match=told):
        backward(x, layers, of)


def test_a_chain_of_twenty_layers_is_told_to_its_end():
    stack = backward(
        "0.5", [layer for _ in range(20) for layer in (cs.Conv("1.5", bias="0.1"), cs.Sigmoid())]
    )
    written = stack.to_text()
    assert "The largest gradient at the input is 2.05·10⁻¹²" in written
    assert float(stack.bound) == pytest.approx((1.5 / 4) ** 20)
