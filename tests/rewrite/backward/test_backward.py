"""Gradients against PyTorch's autograd, which is given the same layers as a program."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.rewrite.backward import GRADIENTS, backward
from convscope.rewrite.backward.layers import routing
from convscope.rewrite.code import code
from convscope.worked.solution import WORKS

RANDOM = np.random.default_rng(7)


def whole_numbers(*shape, low=-4, high=5):
    return RANDOM.integers(low, high, shape)


def autograd(x, layers, gradient):
    """dL/dx and dL/d of every named array of the program, by PyTorch."""
    given = torch.tensor(x.astype(float), requires_grad=True)
    program = str(code(layers, "torch", x.shape))
    learnt = r"^((?:kernel|weight|bias|scale|slope)(?:_\d+)?) = (.*?dtype=x\.dtype\)(?: / \d+)?)$"
    names = {"x": given}
    watched = re.sub(learnt, r"\1 = (\2).requires_grad_()", program, flags=re.MULTILINE | re.DOTALL)
    exec(watched, names)  # noqa: S102 - a program of our own
    names["y"].backward(torch.tensor(gradient.astype(float)))
    del names["x"]
    leaves = {
        name: value
        for name, value in names.items()
        if isinstance(value, torch.Tensor) and value.requires_grad
    }
    return given.grad.numpy(), {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.is_leaf}


def agree(x, *layers):
    """Our gradients are autograd's, for a random gradient of the output; returns ours."""
    solution = cs.solve(x, *layers)
    gradient = whole_numbers(*solution.shape)
    ours = backward(solution, gradient)
    theirs, parameters = autograd(x, layers, gradient)
    np.testing.assert_allclose(np.asarray(ours.value, dtype=float), theirs, rtol=1e-9, atol=1e-10)
    mine = [found for stage in ours.stages for found in stage.parameters.values()]
    assert len(mine) == len(parameters)
    left = list(parameters.values())
    for found in mine:
        array = np.asarray(found, dtype=float)
        place = next(
            (i for i, other in enumerate(left)
             if other.shape == array.shape and np.allclose(other, array, rtol=1e-9, atol=1e-9)), None
        )  # fmt: skip
        assert place is not None, (array, left)
        left.pop(place)
    return ours


PLANES = {
    "padding": [cs.Conv("1 2 0; 3 -4 1; 0 5 1/3", padding=1)],
    "flip": [cs.Conv("1 2 0; 3 -4 1", padding=1, flip=True, bias=2)],
    "stride": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", stride=(2, 3), padding=(2, 1))],
    "stride hides cells": [cs.Conv("1 2", stride=3)],
    "dilation": [cs.Conv("1 2; 3 4", dilation=(2, 3), padding=2, flip=True)],
    "uneven": [cs.Conv("1 2; 3 4", padding=((1, 0), (2, 3)))],
    "same": [cs.Conv("1 2; 3 4", padding="same")],
    "reflect": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=(1, 1), padding_mode="reflect")],
    "replicate": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=2, padding_mode="replicate")],
    "circular": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=2, padding_mode="circular", stride=2)],
    "constant": [cs.Conv("1 2; 3 -4", padding=1, padding_mode="constant", padding_value=3)],
    "transposed": [cs.ConvTranspose("1 2 3; 4 5 6", stride=2, padding=1, output_padding=1, bias=3)],
    "transposed, flip": [cs.ConvTranspose("1 2 3; 4 5 6", stride=(2, 3), flip=True, dilation=2)],
    "transposed, uneven": [cs.ConvTranspose("1 2 3; 4 5 6", stride=2, padding=((0, 1), (2, 1)))],
    "max": [cs.MaxPool(2)],
    "max, overlapping": [cs.MaxPool(3, 1, padding=1)],
    "max, dilated": [cs.MaxPool(2, 1, dilation=2)],
    "max, ceil": [cs.MaxPool(2, ceil_mode=True)],
    "adaptive max": [cs.AdaptiveMaxPool((3, 2))],
    "global max": [cs.GlobalMaxPool()],
    "mean": [cs.AvgPool(3, 2, padding=1, count_include_pad=False)],
    "adaptive mean": [cs.AdaptiveAvgPool((3, 2))],
    "global mean": [cs.GlobalAvgPool()],
    "pad": [cs.Pad(2, "reflect")],
    "nearest": [cs.Upsample(scale_factor=2)],
    "bilinear": [cs.Upsample(size=(9, 4), mode="bilinear")],
    "problem 1.3": [cs.Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True), cs.Sigmoid(), cs.MaxPool(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", PLANES)
def test_planes(name):
    x = RANDOM.permutation(56).reshape(7, 8) - 20  # no two cells alike: autograd's winner is the only one
    if name == "problem 1.3":
        x = whole_numbers(6, 6, low=-1, high=2)
    agree(x, *PLANES[name])


ACTIVATIONS = [
    cs.Identity(), cs.ReLU(), cs.ReLU6(), cs.LeakyReLU("0.2"), cs.ELU(2), cs.SELU(), cs.Sigmoid(),
    cs.LogSigmoid(), cs.Tanh(), cs.Hardtanh(-2, 3), cs.GELU(), cs.GELU("tanh"), cs.SiLU(), cs.Softplus(2),
    cs.Softsign(), cs.PReLU("1/3"), cs.Softmax(-1), cs.Softmin(0), cs.LogSoftmax(1),
]  # fmt: skip


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_activations(layer):
    agree(np.arange(-6, 9).reshape(3, 5), layer)  # 0 and 6 are kinks of some of them


MAPS = {
    "conv": [cs.Conv(whole_numbers(4, 3, 3, 2), whole_numbers(4), padding=1)],
    "groups": [cs.Conv(whole_numbers(6, 1, 3, 2), groups=3, stride=2, flip=True)],
    "transposed groups": [cs.ConvTranspose(whole_numbers(3, 2, 2, 2), groups=3, stride=2, padding=1)],
    "batch norm": [cs.BatchNorm([1, 2, 3], [4, 2, "1/4"], [1, 2, 3], [0, 1, 2], eps="1/10")],
    "prelu": [cs.PReLU([1, "1/2", 3])],
    "head": [cs.Conv(whole_numbers(2, 3, 2, 2)), cs.Tanh(), cs.GlobalAvgPool(), cs.Flatten(),
             cs.Linear(whole_numbers(3, 2), [1, 2, 3])],
    "flatten": [cs.Flatten(), cs.Linear(whole_numbers(3, 60), [1, 2, 3])],
}  # fmt: skip


@pytest.mark.parametrize("items", [None, 2])
@pytest.mark.parametrize("name", MAPS)
def test_feature_maps(name, items):
    shape = (3, 4, 5) if items is None else (items, 3, 4, 5)
    agree(RANDOM.integers(-1, 2, shape) if name == "head" else whole_numbers(*shape), *MAPS[name])


def test_volumes():
    agree(whole_numbers(2, 3, 4, 5), cs.Conv(whole_numbers(2, 2, 2, 3, 2), padding=1), cs.AvgPool((2, 2, 1)))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_convolution(data):
    """Hypothesis draws the options of both directions."""
    size = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    options = {
        "stride": data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "dilation": data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "padding": data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "flip": data.draw(st.booleans()),
    }
    groups = data.draw(st.sampled_from([1, 2]))
    kind = data.draw(st.sampled_from([cs.Conv, cs.ConvTranspose]))
    weight = whole_numbers(2, 2 // groups, *size)
    agree(whole_numbers(2, 6, 7), kind(weight, groups=groups, **options))


def test_without_a_gradient_the_loss_is_the_sum():
    s = cs.solve("1 2; 3 4", cs.Conv("1 0; 0 -1", padding=1))
    assert backward(s).value == backward(s, np.ones((3, 3), dtype=int)).value


def test_values_are_exact():
    found = backward(cs.solve("1/3 1/7; 0 1", cs.Conv("1/2 1/5")), "1/11; 2")
    assert found.value.tolist() == [[Fraction(1, 22), Fraction(1, 55)], [1, Fraction(2, 5)]]
    assert found.stages[0].parameters["weight"][0, 0].tolist() == [[Fraction(1, 33), Fraction(1, 77) + 2]]


def test_a_tie_goes_to_the_first_and_is_noted():
    found = backward(cs.solve("3 1; 3 3", cs.MaxPool(2)), "5")
    assert found.value.tolist() == [[5, 0], [0, 0]]
    told = found.stages[0].cell(0, 0).to_text()
    assert "A tie" in told
    assert "wins the window of output cell (0, 0)" in told
    assert "wins no window" in found.stages[0].cell(1, 1).to_text()


POOLS = {
    "touching": cs.MaxPool(2),
    "overlapping": cs.MaxPool(3, 1, padding=1),
    "dilated": cs.MaxPool((2, 3), (1, 2), dilation=(2, 1), padding=1),
    "ceil": cs.MaxPool(3, 2, padding=1, ceil_mode=True),
    "adaptive": cs.AdaptiveMaxPool((3, 2)),
    "global": cs.GlobalMaxPool(),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("negative", [False, True])
def test_every_window_is_won_by_the_first_of_its_largest_cells(name, negative):
    """`winners` looks into each window alone; three numbers make ties nearly everywhere."""
    x = whole_numbers(2, 3, 5, 6, low=-3 if negative else 0, high=0 if negative else 3)
    (stage,) = cs.solve(x, POOLS[name]).stages
    for item in range(2):
        found = routing(stage.work, item)
        won = [
            min(stage.work.winners((item, channel, *place)))
            for channel, *place in np.ndindex(*stage.work.value.shape[1:])
        ]
        channels = np.arange(len(won)) // (len(won) // 3)
        assert found.rows.tolist() == list(range(len(won)))
        assert found.columns.tolist() == [
            int(np.ravel_multi_index((channel, *place), (3, 5, 6)))
            for channel, place in zip(channels, won, strict=True)
        ]


def test_numbers_too_large_for_a_machine_and_roots_are_routed_too():
    huge = backward(cs.solve(f"{10**30} {10**30 + 1}; 0 -1", cs.MaxPool(2)))
    assert huge.value.tolist() == [[0, 1], [0, 0]]
    roots = backward(cs.solve("1 2; 2 0", cs.Sigmoid(), cs.MaxPool(2)))
    assert [[cell != 0 for cell in row] for row in roots.value.tolist()] == [[False, True], [False, False]]


def test_sums_and_joins_share_their_gradient():
    x = (cs.matrix("1 2; 3 4").reshape((1, 2, 2)), cs.matrix("5 6; 7 8").reshape((1, 2, 2)))
    added = backward(cs.solve(x, cs.Add()))
    assert [found.tolist() for found in added.values] == [[[[1, 1], [1, 1]]]] * 2
    joined = backward(cs.solve(x, cs.Concat()), np.arange(8).reshape(2, 2, 2))
    assert [found.tolist() for found in joined.values] == [[[[0, 1], [2, 3]]], [[[4, 5], [6, 7]]]]


def test_each_cell_is_derived():
    s = cs.solve("1 2 3; 4 5 6; 7 8 9", cs.Conv("1 2; 3 4", bias=1))
    found = backward(s, "1 10; 100 1000").stages[0]
    assert "1000·1" in found.cell(1, 1).to_text().replace(" ", "") or "1·1000" in found.cell(1, 1).to_text()
    assert found.cell(1, 1).value == 4 * 1 + 3 * 10 + 2 * 100 + 1 * 1000
    weight = found.parameter_cell("weight", 0, 0, 0, 1)
    assert weight.value == 2 * 1 + 3 * 10 + 5 * 100 + 6 * 1000
    assert found.parameter_cell("bias", 0).value == 1111


def test_every_cell_is_the_end_of_its_derivation():
    layers = [cs.Conv(whole_numbers(2, 2, 2, 2), padding=1, padding_mode="circular", flip=True),
              cs.ConvTranspose(whole_numbers(2, 1, 2, 2), stride=2), cs.MaxPool(2), cs.Tanh()]  # fmt: skip
    found = backward(cs.solve(whole_numbers(2, 3, 3), *layers))
    for stage in found.stages:
        for index in np.ndindex(stage.value.shape):
            derived = stage.cell(*index)
            assert derived.value == stage.value[index]
            assert derived.steps


@pytest.mark.parametrize("form", ["to_text", "to_markdown", "to_latex", "to_html"])
def test_it_is_shown_in_every_form(form):
    s = cs.solve("0 1 0; 2 .5 1; 1 0 1", cs.Conv("1 2; 3 4", padding=1), cs.Sigmoid(), cs.MaxPool(2))
    shown = getattr(backward(s), form)()
    for words in ("Worked backwards", "transposed convolution of dL/dy", "dL/dw"):
        assert words in shown


def test_every_layer_but_one_has_a_gradient():
    assert set(WORKS) - set(GRADIENTS) == {cs.LpPool}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: backward(s, "1 2 3"), r"gradient has shape \(1, 3\); the output has \(1, 1\)"),
        (lambda _: backward("x"), "backward takes a solution"),
        (lambda s: backward(s).stages[0].cell(5, 5), r"dL/dx has shape \(2, 2\); \(5, 5\) is no cell"),
        (lambda s: backward(s).stages[0].parameter_cell("wight"), "the convolution has no parameter 'wight'"),
        (lambda s: backward(s).stages[0].parameter_cell("bias"), "the convolution has no parameter 'bias'"),
        (lambda _: backward(cs.solve("1 2", cs.LpPool(2, (1, 2)))), "layer 1: LpPool has no exact gradient"),
    ],
)  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(cs.ConvscopeError, match=f"^{message}"):
        call(cs.solve("1 2; 3 4", cs.Conv("1 2; 3 4")))
