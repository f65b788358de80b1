"""Layers on one line with their weights in brackets."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.errors import InputError


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        ("relu", [cs.ReLU()]),
        ("maxpool 2 then relu", [cs.MaxPool(2), cs.ReLU()]),
        ("maxpool 2|relu | identity", [cs.MaxPool(2), cs.ReLU(), cs.Identity()]),
        ("conv [1 2; 3 4]", [cs.Conv("1 2; 3 4")]),
        ("CONV[1 2; 3 4] , STRIDE 2", [cs.Conv("1 2; 3 4", stride=2)]),
        ("conv [1/4 .5; -1 2e3], padding 1x2, dilation 2, bias -1/3, flip",
         [cs.Conv("1/4 .5; -1 2e3", padding=(1, 2), dilation=2, bias="-1/3", flip=True)]),
        ("conv [1 2], padding 0x1, mode constant, value 1/2",
         [cs.Conv("1 2", padding=(0, 1), padding_mode="constant", padding_value="1/2")]),
        ("conv [1 2 3], padding same then conv [[1, 2], [3, 4]]",
         [cs.Conv("1 2 3", padding="same"), cs.Conv("1 2; 3 4")]),
        ("conv [sobel_x]", [cs.Conv(cs.kernel("sobel_x"))]),
        ("convtranspose [1 1; 1 1], stride 2, output_padding 1",
         [cs.ConvTranspose("1 1; 1 1", stride=2, output_padding=1)]),
        ("linear [1 2; 3 4], bias 5 6 then relu", [cs.Linear([[1, 2], [3, 4]], [5, 6]), cs.ReLU()]),
    ],
)  # fmt: skip
def test_read(words, layers):
    assert cs.layers(words) == tuple(layers)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "'' is not a layer"),
        ("relu then ", "layer 2: '' is not a layer"),
        ("relu [1 2]", "'relu' has no weights to write in brackets"),
        ("conv [1 2], bias 1, bias 2", "the bias is written twice"),
        ("conv [1 x#], stride 2", ""),
        ("conv [1 2], stide 2", "column"),
        ("linear [1 2], stride 2", "'stride 2' is not an option of a linear layer"),
        ("conv [1 2; 3], stride 2", ""),
        ("relu then conv [1 2], bias 1 2", "layer 2: Conv: bias has 2 numbers"),
        ("a" * 1_000_001, "the text has 1000001 characters"),
    ],
)
def test_refused(words, message):
    with pytest.raises(InputError) as caught:
        cs.layers(words)
    assert str(caught.value).startswith(message)


def test_only_text_is_read():
    with pytest.raises(InputError, match="layers are written as text"):
        cs.layers(3)
