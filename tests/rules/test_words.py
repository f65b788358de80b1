from __future__ import annotations

import pytest

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalMaxPool, LpPool, MaxPool
from convscope.core.structural import BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.rules.words import layer_words

SIZES = {"kernel_size": 3, "out_channels": 8}
WORDS: list[tuple[Layer, str]] = [
    (Conv(**SIZES), "convolution 3, 8 channels"),
    (Conv(**SIZES).for_rank(2), "convolution 3×3, 8 channels"),
    (Conv(kernel_size=1, out_channels=1), "convolution 1, 1 channel"),
    (
        Conv(**SIZES, stride=2, padding=1, dilation=3),
        "convolution 3, 8 channels, stride 2, padding 1, dilation 3",
    ),
    (Conv(**SIZES, stride=(2, 1), padding=(1, 0)), "convolution 3×3, 8 channels, stride 2×1, padding 1×0"),
    (Conv(**SIZES, padding=((1, 2), (0, 0))), "convolution 3×3, 8 channels, padding (1,2)×(0,0)"),
    (
        Conv(**SIZES, padding="same", groups=4, bias=False),
        "convolution 3, 8 channels, padding same, 4 groups, no bias",
    ),
    (
        Conv(**SIZES, padding=1, padding_mode="constant", padding_value="1/3"),
        "convolution 3, 8 channels, padding 1, padding mode constant 1/3",
    ),
    (
        Conv("0 1; 1 0", padding_mode="reflect", flip=True),
        "convolution 2×2, 1 channel, no bias, padding mode reflect, kernel flipped",
    ),
    (
        ConvTranspose(**SIZES, stride=2, output_padding=1),
        "transposed convolution 3, 8 channels, stride 2, output padding 1",
    ),
    (MaxPool(2), "max pooling 2, stride 2"),
    (MaxPool((3, 3), 2, 1, 2, ceil_mode=True), "max pooling 3×3, stride 2, padding 1, dilation 2, ceil mode"),
    (
        AvgPool(3, 1, 1, count_include_pad=False),
        "average pooling 3, stride 1, padding 1, padding not counted",
    ),
    (AvgPool(3, divisor_override=5), "average pooling 3, stride 3, divisor 5"),
    (LpPool(4, 3), "power-average pooling 3, norm 4, stride 3"),
    (AdaptiveAvgPool((6, 6)), "adaptive average pooling to 6×6"),
    (GlobalMaxPool(), "global max pooling"),
    (Linear(out_features=10), "linear, 10 features"),
    (Linear(out_features=10, bias=False), "linear, 10 features, no bias"),
    (Upsample(scale_factor=2), "upsampling by 2, nearest"),
    (
        Upsample(scale_factor=("1.5", 2), mode="bilinear", align_corners=True),
        "upsampling by 1.5×2, bilinear, corners aligned",
    ),
    (Upsample((7, 7)), "upsampling to 7×7, nearest"),
    (Pad(1, "reflect"), "padding 1, padding mode reflect"),
    (Pad(((0, 1),)), "padding (0,1)"),
    (Concat(), "concatenation"),
    (Pad(0), "padding 0"),
    (Concat(2), "concatenation along dim 2"),
    (Flatten(), "flatten"),
    (Flatten(2, 3), "flatten dims 2 to 3"),
    (BatchNorm(), "batch normalisation"),
    (pointwise.ReLU(), "ReLU"),
    (pointwise.LeakyReLU("0.2"), "leaky ReLU, negative slope 0.2"),
    (pointwise.Dropout("1/3"), "dropout (inference), p 1/3"),
    (pointwise.GELU("tanh"), "GELU by its tanh approximation"),
    (pointwise.GELU(), "GELU"),
    (pointwise.Softmax(), "softmax"),
    (pointwise.Softmax(1), "softmax along dim 1"),
    (pointwise.PReLU(), "parametric ReLU"),
]


@pytest.mark.parametrize(("layer", "words"), WORDS)
def test_a_layer_in_words(layer: Layer, words: str) -> None:
    assert layer_words(layer) == words
