"""One layer, from its words to its value."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.core.layer import Layer
from convscope.core.operators import Elementwise, Norm, Operator
from convscope.core.pointwise import ELU, GELU, Dropout, Hardtanh, LeakyReLU, PReLU, ReLU, Softmax, Softplus
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import InputError
from convscope.importers.text import parse_layer
from convscope.importers.text_line import MAX_LINE
from convscope.importers.text_words import WORDS
from convscope.rules.shape import SHAPE_RULES


def layer_refusal(words: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_layer(words)
    return str(caught.value)


# --- one layer --------------------------------------------------------------------------------

LAYERS: list[tuple[str, Layer]] = [
    ("conv 11x11, 96, stride 4", cs.Conv(kernel_size=(11, 11), out_channels=96, stride=4)),
    ("conv 3×3, 384, padding 1", cs.Conv(kernel_size=(3, 3), out_channels=384, padding=1)),
    (
        "conv 3, 64, padding same, groups 2, no bias",
        cs.Conv(kernel_size=3, out_channels=64, padding="same", groups=2, bias=False),
    ),
    ("conv kernel 3, channels 8, bias", cs.Conv(kernel_size=3, out_channels=8)),
    ("conv kernel_size 3, out_channels 8", cs.Conv(kernel_size=3, out_channels=8)),
    ("conv stride 2, 3, 8", cs.Conv(kernel_size=3, out_channels=8, stride=2)),
    ("CONV 3X3 , 8,PADDING 1".replace("X", "x"), cs.Conv(kernel_size=(3, 3), out_channels=8, padding=1)),
    ("conv 3x3, 8, padding 1x2", cs.Conv(kernel_size=(3, 3), out_channels=8, padding=(1, 2))),
    (
        "conv 3x3, 8, padding (1,2)x(0,1)",
        cs.Conv(kernel_size=(3, 3), out_channels=8, padding=((1, 2), (0, 1))),
    ),
    ("conv 3x3, 8, padding ( 1 , 2 )x3", cs.Conv(kernel_size=(3, 3), out_channels=8, padding=((1, 2), 3))),
    ("conv 3, 8, padding (1,2)", cs.Conv(kernel_size=3, out_channels=8, padding=((1, 2),))),
    ("conv 3, 8, padding valid", cs.Conv(kernel_size=3, out_channels=8)),
    (
        "conv 3, 8, padding 1, reflect",
        cs.Conv(kernel_size=3, out_channels=8, padding=1, padding_mode="reflect"),
    ),
    (
        "conv 3, 8, padding 1, mode constant, value -1/3",
        cs.Conv(kernel_size=3, out_channels=8, padding=1, padding_mode="constant", padding_value="-1/3"),
    ),
    (
        "convtranspose 4, 8, stride 2, padding 1, output_padding 1",
        cs.ConvTranspose(kernel_size=4, out_channels=8, stride=2, padding=1, output_padding=1),
    ),
    ("deconv 2x2, 8, stride 2", cs.ConvTranspose(kernel_size=(2, 2), out_channels=8, stride=2)),
    ("maxpool 3x3, stride 2", cs.MaxPool((3, 3), 2)),
    ("maxpool 2", cs.MaxPool(2)),
    ("maxpool 3, stride 2, ceil  # and a remark, with a comma", cs.MaxPool(3, 2, ceil_mode=True)),
    ("maxpool 3, dilation 2, no ceil_mode", cs.MaxPool(3, dilation=2)),
    ("avgpool 3, padding 1, no include_pad", cs.AvgPool(3, padding=1, count_include_pad=False)),
    ("avgpool 3, divisor 5", cs.AvgPool(3, divisor_override=5)),
    ("lppool 3x3, norm 2", cs.LpPool(2, (3, 3))),
    ("globalavgpool", cs.GlobalAvgPool()),
    ("globalmaxpool", cs.GlobalMaxPool()),
    ("adaptiveavgpool 6x6", cs.AdaptiveAvgPool((6, 6))),
    ("adaptivemaxpool 1", cs.AdaptiveMaxPool(1)),
    ("relu", ReLU()),
    ("ReLU", ReLU()),
    ("leakyrelu 0.1", LeakyReLU("0.1")),
    ("leakyrelu slope .2", LeakyReLU("0.2")),
    ("prelu 1/4", PReLU("1/4")),
    ("elu 2", ELU(2)),
    ("hardtanh -2, 1e1", Hardtanh(-2, 10)),
    ("softmax dim 1", Softmax(1)),
    ("softmax -2", Softmax(-2)),
    ("gelu tanh", GELU("tanh")),
    ("softplus 2", Softplus(2)),
    ("dropout 0.1", Dropout("0.1")),
    ("flatten", Flatten()),
    ("flatten 2, end 3", Flatten(2, 3)),
    ("linear 4096", Linear(out_features=4096)),
    ("dense 10, no bias", Linear(out_features=10, bias=False)),
    ("fc features 10", Linear(out_features=10)),
    ("batchnorm", BatchNorm()),
    ("bn eps 1e-3", BatchNorm(eps="1e-3")),
    ("groupnorm 8", Norm("group", 8)),
    ("layernorm", Norm("layer")),
    ("lrn", Norm("local response")),
    ("multiply", Elementwise("multiply")),
    ("add", Add()),
    ("concat dim 2", Concat(2)),
    ("upsample x2", Upsample(scale_factor=2)),
    ("upsample 2, bilinear", Upsample(scale_factor=2, mode="bilinear")),
    ("upsample 1.5x3/2, nearest", Upsample(scale_factor=("1.5", "1.5"))),
    (
        "upsample size 14x14, mode bilinear, align_corners",
        Upsample((14, 14), mode="bilinear", align_corners=True),
    ),
    ("pad 1, reflect", Pad(1, "reflect")),
    ("pad (0,1)x(2,3), constant, value .5", Pad(((0, 1), (2, 3)), "constant", "0.5")),
]


@pytest.mark.parametrize(("words", "layer"), LAYERS)
def test_a_layer_is_read(words: str, layer: Layer) -> None:
    assert parse_layer(words) == layer
    assert cs.layer(words) == layer


def test_every_layer_can_be_written() -> None:
    built = {word.build for word in WORDS.values()}
    assert {layer for layer in SHAPE_RULES if not issubclass(layer, Operator)} <= built
    tested = {words.split()[0].lower() for words, _layer in LAYERS}
    optional = {name for name, word in WORDS.items() if word.options} - {"input", "cat"}
    assert optional <= tested | {"softmin", "logsoftmax", "concat"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("con 3x3", "column 1: unknown layer 'con'; did you mean 'conv'? known: input, conv,"),
        ("  rellu", "column 3: unknown layer 'rellu'; did you mean 'relu'?"),
        ("conv 3, 4, strid 2", "column 12: 'strid' is not an option of conv; did you mean 'stride'?"),
        ("conv 3, 4, stride=2", "column 12: 'stride=2' is not an option of conv; did you mean 'stride'?"),
        ("conv 3, 4, 5", "column 12: '5' is a value too many: conv takes kernel and channels without a name"),
        ("relu 2", "column 6: '2' is too much: relu has no options"),
        ("gelu 2", "column 6: '2' is a value too many: gelu takes no value without a name"),
        ("conv 3 4", "column 8: expected ',' before '4'"),
        ("conv, 3", "column 5: expected an option, got ','"),
        ("conv 3,, 4", "column 8: expected an option, got ','"),
        ("conv 3, 4,", "column 11: an option is missing at the end of the line"),
        ("conv 3, 4, stride", "column 18: the value of stride is missing at the end of the line"),
        ("conv 3, 4, stride, padding 1", "column 18: expected the value of stride, got ','"),
        (
            "conv 3, 4, stride two",
            "column 19: stride of conv is 'two'; it may be a number, or one an axis: '3'",
        ),
        ("conv 3y3, 4", "column 6: kernel of conv is '3y3'; it may be a number, or one an axis: '3', '3x5'"),
        ("conv (3,4), 4", "column 6: kernel of conv is '(3,4)'; it may be"),
        ("conv 3, 4.5", "column 9: channels of conv is '4.5'; it may be a whole number"),
        (
            "conv 3, 4, padding samee",
            "column 20: padding of conv is 'samee'; it may be a number, one an axis, (bef",
        ),
        ("conv 3, 4, padding (1,2", "column 20: '(' is out of place; brackets hold a (before,after) pair"),
        (
            "leakyrelu 1/0",
            "column 11: slope of leakyrelu is '1/0'; it may be a number such as '0.1' or '1/3'",
        ),
        ("dropout 1e999999999", "column 9: p of dropout is '1e999999999'"),
        (
            "conv " + "9" * 5000 + ", 3",
            "column 6: kernel of conv is '999999999999999999999999999999999999999…'",
        ),
        ("gelu approximate fast", "column 18: approximate of gelu is 'fast'; it may be 'none' or 'tanh'"),
        ("conv", "column 1: conv needs kernel: a number, or one an axis"),
        ("conv 3", "column 1: conv needs channels: a whole number"),
        ("lppool 3", "column 1: lppool needs norm"),
        ("conv 3, 4, stride 2, stride 2", "column 22: stride is given twice"),
        ("conv 3, 4, kernel 5", "column 12: kernel is given twice"),
        ("conv 3, 4, no stride", "column 15: 'no stride' has no meaning; known: bias"),
        ("relu no bias", "column 9: 'no bias' has no meaning; relu has no such option"),
        ("maxpool 2, no", "column 14: what there is none of is missing at the end of the line"),
        ("maxpool 0", "column 9: MaxPool: kernel_size=0 is not allowed; kernel_size may be 1 or more"),
        ("maxpool 2, stride 0", "column 12: MaxPool: stride=0 is not allowed; stride may be 1 or more"),
        ("conv 3, 4, padding -1", "column 20: padding of conv is '-1'"),
        ("conv 3, 6, groups 4", "column 9: Conv: out_channels=6 is not divisible by groups=4"),
        ("upsample", "column 1: Upsample: give either size or scale_factor"),
        ("relu\x1b[31m", r"column 5: the character '\x1b' cannot be shown; only printable text is read"),
        ("relu\u202e", r"column 5: the character '\u202e' cannot be shown"),
        ("relu # " + "x" * MAX_LINE, f"column {MAX_LINE + 1}: the line is longer than {MAX_LINE} characters"),
        (": relu", "column 1: expected a layer such as 'conv', got ':'"),
        ("relu\nrelu", "there are several lines; a layer is written on one"),
        ("", "'' is not a layer on its own; write a word and its options, such as 'maxpool 2'"),
        ("# relu", "'# relu' is not a layer on its own"),
        ("input 3x3", "'input 3x3' is not a layer on its own"),
        ("name: relu", "'name: relu' is not a layer on its own"),
        ("relu from x", "'relu from x' is not a layer on its own"),
    ],
)
def test_a_mistake_is_told_with_its_column_and_what_is_known(words: str, told: str) -> None:
    message = layer_refusal(words)
    assert message.startswith(told)
    assert "\x1b" not in message


def test_a_layer_is_text() -> None:
    with pytest.raises(InputError, match=r"^a layer is written as text such as 'maxpool 2', got MaxPool"):
        parse_layer(cs.MaxPool(2))  # type: ignore[arg-type]
