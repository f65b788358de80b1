"""Parameters and multiply-adds against a counting interpreter, PyTorch's modules and published figures."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.network import Graph, Input, Node, Weight
from convscope.core.structural import BatchNorm, Linear
from convscope.errors import ConvscopeError
from convscope.importers import network
from convscope.rules.cost import COST_RULES, array_bytes
from convscope.rules.network import Network
from convscope.rules.shape import SHAPE_RULES


def one_layer(layer, shape, **options):
    return Network(Graph((Input("input", shape),), (Node("layer", layer, ("input",), **options),)))["layer"]


# --- a counting interpreter: every multiplication is done, one by one, and counted -----------------


class Counter:
    """Numbers multiplied through here are counted."""

    def __init__(self):
        self.products = 0

    def times(self, one, other):
        self.products += 1
        return one * other


def run_conv(layer, array, weight, counter):
    """A convolution by loops over the padded input."""
    rank = array.ndim - 1
    pads = [(0, 0), *layer.for_rank(rank).padding]
    padded = np.pad(array, pads)
    stride, dilation = layer.for_rank(rank).stride, layer.for_rank(rank).dilation
    size = weight.shape[2:]
    lengths = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(padded.shape[1:], size, stride, dilation, strict=True)
    ]
    output = np.zeros((weight.shape[0], *lengths))
    per_group = weight.shape[0] // layer.groups
    for channel, *place in itertools.product(*map(range, output.shape)):
        first = channel // per_group * weight.shape[1]
        for entry, *tap in itertools.product(*map(range, weight.shape[1:])):
            cell = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
            value = counter.times(weight[(channel, entry, *tap)], padded[(first + entry, *cell)])
            output[(channel, *place)] += value
    return output


def run_transposed(layer, array, weight, counter):
    """A transposed convolution: each input cell stamps the kernels of its group."""
    rank = array.ndim - 1
    layer = layer.for_rank(rank)
    size = weight.shape[2:]
    lengths = [
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(array.shape[1:], size, layer.stride, layer.dilation, strict=True)
    ]
    output = np.zeros((layer.out_channels, *lengths))
    per_group = array.shape[0] // layer.groups
    for channel, *place in itertools.product(*map(range, array.shape)):
        first = channel // per_group * weight.shape[1]
        for entry, *tap in itertools.product(*map(range, weight.shape[1:])):
            cell = tuple(
                p * s + t * d for p, s, t, d in zip(place, layer.stride, tap, layer.dilation, strict=True)
            )
            output[(first + entry, *cell)] += counter.times(
                weight[(channel, entry, *tap)], array[(channel, *place)]
            )
    return output


def run_linear(array, weight, counter):
    output = np.zeros((*array.shape[:-1], weight.shape[0]))
    for *place, feature in itertools.product(*map(range, output.shape)):
        output[(*place, feature)] = sum(
            counter.times(w, x) for w, x in zip(weight[feature], array[tuple(place)], strict=True)
        )
    return output


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    integers = st.integers(1, 2)
    layer = Conv(
        kernel_size=tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        out_channels=groups * draw(integers),
        stride=draw(integers),
        padding=draw(st.integers(0, 1)),
        dilation=draw(integers),
        groups=groups,
        bias=draw(st.booleans()),
    )
    return layer, (groups * draw(integers), *(draw(st.integers(5, 6)) for _ in range(rank)))


@settings(max_examples=40, deadline=None)
@given(convolutions())
def test_convolutions_make_as_many_products_as_are_counted(case):
    layer, shape = case
    row = one_layer(layer, shape)
    weight = np.ones(row.weights[0].shape)
    counter = Counter()
    output = run_conv(layer, np.ones(shape), weight, counter)
    assert output.shape == row.output_shape
    assert row.macs == counter.products
    assert row.params == weight.size + (layer.out_channels if layer.bias else 0)


@settings(max_examples=30, deadline=None)
@given(convolutions())
def test_transposed_convolutions_make_as_many_products_as_are_counted(case):
    like, shape = case
    layer = ConvTranspose(
        kernel_size=like.kernel_size,
        out_channels=like.out_channels,
        stride=like.stride[0],
        dilation=like.dilation[0],
        groups=like.groups,
        bias=like.bias,
    )
    row = one_layer(layer, (shape[0], *(3 for _ in shape[1:])))
    counter = Counter()
    output = run_transposed(layer, np.ones(row.input_shapes[0]), np.ones(row.weights[0].shape), counter)
    assert output.shape == row.output_shape
    assert row.macs == counter.products


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6)])
def test_linear_layers_work_on_every_position(shape):
    row, counter = one_layer(Linear(out_features=4), shape), Counter()
    assert run_linear(np.ones(shape), np.ones((4, 6)), counter).shape == row.output_shape
    assert row.macs == counter.products


def test_a_whole_network_is_counted_as_it_runs():
    net = network("input 2x7x7\nconv 3x3, 4, padding 1, stride 2\nconv 3x3, 4, groups 2\nflatten\nlinear 5\n")
    counter, array = Counter(), np.ones((2, 7, 7))
    for row in net:
        if isinstance(row.layer, Conv):
            array = run_conv(row.layer, array, np.ones(row.weights[0].shape), counter)
        elif isinstance(row.layer, Linear):
            array = run_linear(array, np.ones(row.weights[0].shape), counter)
        else:
            array = array.reshape(row.output_shape)
    assert net.total_macs == counter.products


def test_attention_is_two_products():
    heads, queries, keys, features, values = 2, 3, 4, 5, 6
    layer = operators.Attention((heads, queries, values), queries, keys, features, values, heads)
    counter = Counter()
    for _head in range(heads):
        run_linear(np.ones((queries, features)), np.ones((keys, features)), counter)
        run_linear(np.ones((queries, keys)), np.ones((values, keys)), counter)
    assert one_layer(layer, (heads, queries, features)).macs == counter.products


def test_matrix_products_and_recurrent_layers():
    assert one_layer(operators.MatMul((2, 3, 5), 4), (2, 3, 4)).macs == 2 * 3 * 5 * 4
    row = one_layer(operators.Recurrent("lstm", 8, 6, (5, 12), directions=2), (5, 8))
    assert row.macs == 5 * 2 * 4 * 6 * (8 + 6)
    assert row.params == sum(p.numel() for p in nn.LSTM(8, 6, bidirectional=True).parameters())


# --- parameters against PyTorch's modules ---------------------------------------------------------

MODULES = [
    (nn.Conv1d(4, 6, 3), Conv(kernel_size=3, out_channels=6), (4, 9)),
    (nn.Conv2d(4, 6, (3, 2), groups=2), Conv(kernel_size=(3, 2), out_channels=6, groups=2), (4, 9, 9)),
    (nn.Conv3d(4, 6, 3, bias=False), Conv(kernel_size=3, out_channels=6, bias=False), (4, 5, 5, 5)),
    (
        nn.ConvTranspose2d(4, 6, 3, groups=2),
        ConvTranspose(kernel_size=3, out_channels=6, groups=2),
        (4, 5, 5),
    ),
    (nn.Linear(8, 5), Linear(out_features=5), (3, 8)),
    (nn.Linear(8, 5, bias=False), Linear(out_features=5, bias=False), (8,)),
    (nn.BatchNorm2d(4), BatchNorm(), (4, 5, 5)),
    (nn.BatchNorm2d(4, affine=False), BatchNorm([0] * 4, [1] * 4), (4, 5, 5)),
    (nn.PReLU(), pointwise.PReLU(), (4, 5, 5)),
    (nn.PReLU(4), pointwise.PReLU([0.25] * 4), (4, 5, 5)),
    (nn.LayerNorm(8), operators.Norm("layer"), (3, 8)),
    (nn.GroupNorm(2, 4), operators.Norm("group", 2), (4, 5, 5)),
    (nn.InstanceNorm2d(4), operators.Norm("instance"), (4, 5, 5)),
    (nn.RMSNorm(8), operators.Norm("rms"), (3, 8)),
    (nn.Embedding(10, 8), operators.Embedding(10, 8, (3, 8)), (3,)),
    (nn.GRU(8, 6), operators.Recurrent("gru", 8, 6, (5, 6)), (5, 8)),
    (nn.RNN(8, 6), operators.Recurrent("rnn", 8, 6, (5, 6)), (5, 8)),
    (nn.ReLU(), pointwise.ReLU(), (4,)),
]


@pytest.mark.parametrize("case", MODULES, ids=lambda case: repr(case[0]))
def test_parameters_are_those_of_the_module(case):
    module, layer, shape = case
    row = one_layer(layer, shape)
    assert row.params == sum(p.numel() for p in module.parameters())
    sizes = sorted(tuple(p.shape) for p in module.parameters())
    assert sorted(w.shape for w in row.weights if w.is_parameter) == sizes
    fact = row.cost.params_fact()
    assert (fact.value if fact else 0) == row.params


def test_running_statistics_are_stored_but_no_parameters():
    net = network("input 4x5x5\nbatchnorm\n")
    assert (net.total_params, dict(net.weight_bytes), dict(net.buffer_bytes)) == (
        8,
        {"float32": 32},
        {"float32": 32},
    )


# --- published figures ----------------------------------------------------------------------------


def vgg(*plan):
    lines = ["input 3x224x224"]
    for width in plan:
        lines += ["maxpool 2"] if width == "M" else [f"conv 3x3, {width}, padding 1", "relu"]
    return "\n".join([*lines, "flatten", "linear 4096", "relu", "linear 4096", "relu", "linear 1000"])


def resnet(*blocks):
    """ResNet with bottlenecks, the stride in the 3×3, as torchvision has it."""
    lines = ["input 3x224x224", "conv 7x7, 64, stride 2, padding 3, no bias", "batchnorm", "relu"]
    lines += ["start: maxpool 3x3, stride 2, padding 1"]
    before = "start"
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            name, stride = f"s{stage}b{block}", 2 if stage and not block else 1
            lines += [
                f"conv 1x1, {width}, no bias from {before}",
                *("batchnorm", "relu"),
                f"conv 3x3, {width}, stride {stride}, padding 1, no bias",
                *("batchnorm", "relu"),
                f"conv 1x1, {4 * width}, no bias",
                f"{name}_end: batchnorm",
            ]
            skip = before
            if not block:
                skip = f"{name}_skip"
                lines += [
                    f"conv 1x1, {4 * width}, stride {stride}, no bias from {before}",
                    f"{skip}: batchnorm",
                ]
            lines += [f"add from {name}_end, {skip}", f"{name}: relu"]
            before = name
    return "\n".join([*lines, "globalavgpool", "flatten", "linear 1000"])


ALEXNET_OF_TORCH = """input 3x224x224
conv 11x11, 64, stride 4, padding 2
relu
maxpool 3x3, stride 2
conv 5x5, 192, padding 2
relu
maxpool 3x3, stride 2
conv 3x3, 384, padding 1
relu
conv 3x3, 256, padding 1
relu
conv 3x3, 256, padding 1
relu
maxpool 3x3, stride 2
adaptiveavgpool 6x6
flatten
linear 4096
relu
linear 4096
relu
linear 1000
"""


def alexnet(*, grouped):
    lines = Path("examples/alexnet.txt").read_text(encoding="utf-8").splitlines()
    if not grouped:
        return "\n".join(lines)
    return "\n".join(
        f"{line}, groups 2" if line.startswith(("conv2", "conv4", "conv5")) else line for line in lines
    )


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        (alexnet(grouped=False), 62_378_344, 1_135_256_096),
        (alexnet(grouped=True), 60_965_224, 724_406_816),
        (ALEXNET_OF_TORCH, 61_100_840, 714_188_480),
        (
            vgg(64, 64, "M", 128, 128, "M", *(256,) * 3, "M", *(512,) * 3, "M", *(512,) * 3, "M"),
            138_357_544,
            15_470_264_320,
        ),
        (resnet(3, 4, 6, 3), 25_557_032, 4_089_184_256),
        (resnet(3, 8, 36, 3), 60_192_808, 11_513_626_624),
    ],
    ids=["AlexNet", "AlexNet in groups", "AlexNet of torch", "VGG-16", "ResNet-50", "ResNet-152"],
)
def test_published_figures(text, params, macs):
    net = network(text)
    assert net.complete
    assert (net.total_params, net.total_macs) == (params, macs)
    assert sum(net.weight_bytes.values()) == 4 * params


def test_bytes_are_explained_with_their_numbers():
    row = network("input 3x8x8\nconv 3x3, 5\n")["conv1"]
    assert row.activation_bytes == 5 * 6 * 6 * 4
    assert "bytes = C·H·W·b = 5·6·6·4 = 720" in row.explain().to_text()


# --- shared, frozen, unknown ----------------------------------------------------------------------


def arrays(name, *, trainable=True, dtype="float32"):
    return (Weight(f"{name}.weight", (4, 4, 1, 1), dtype, trainable),)


def chain(*weights):
    layer = Conv(kernel_size=1, out_channels=4, bias=False)
    nodes = [
        Node(f"layer{n}", layer, (f"layer{n - 1}" if n else "input",), weights=w)
        for n, w in enumerate(weights)
    ]
    return Network(Graph((Input("input", (4, 3, 3)),), tuple(nodes)))


def test_shared_weights_are_counted_once():
    net = chain(arrays("a"), arrays("a"), arrays("b"))
    assert [row.params for row in net] == [16, 16, 16]
    assert [row.shared_params for row in net] == [0, 16, 0]
    assert net.total_params == 32
    assert net.total_macs == 3 * 16 * 9
    assert "16 of them shared" in net["layer1"].explain().to_text()


def test_frozen_weights_and_dtypes():
    net = chain(arrays("a", trainable=False), arrays("b", dtype="bfloat16"))
    assert (net.trainable_params, net.frozen_params) == (16, 16)
    assert (net["layer0"].trainable_params, net["layer0"].frozen_params) == (0, 16)
    assert dict(net.weight_bytes) == {"float32": 64, "bfloat16": 32}
    assert "16 of them frozen" in net["layer0"].explain().to_text()


def test_arrays_that_no_formula_tells_are_listed():
    weights = (Weight("c.weight_g", (4, 1, 1, 1)), Weight("c.weight_v", (4, 4, 1, 1)))
    row = chain(weights)["layer0"]
    assert row.params == 20
    assert "c.weight_v 4 × 4 × 1 × 1" in row.explain().to_text(width=200)


def test_unknown_operators_leave_the_rest_counted():
    nodes = (
        Node("odd", operators.Unknown("fft"), ("input",)),
        Node("relu", pointwise.ReLU(), ("odd",)),
        Node("known", operators.Unknown("fft", (4, 3, 3)), ("relu",)),
        Node("conv", Conv(kernel_size=3, out_channels=2), ("known",)),
        Node("lost", Conv(kernel_size=3, out_channels=2), ("odd",), recorded=(2, 1, 1)),
    )
    net = Network(Graph((Input("input", (4, 3, 3)),), nodes))
    assert [row.output_shape for row in net] == [None, None, (4, 3, 3), (2, 1, 1), (2, 1, 1)]
    assert [row.macs for row in net] == [None, 0, None, 72, None]
    assert not net.complete
    assert [row.name for row in net.not_counted] == ["odd", "relu", "known", "lost"]
    assert (net.total_macs, net.total_params) == (72, 74)
    for row in net:
        assert row.explain().to_text()
    assert "not known" in net.to_text()


def test_what_was_recorded_wins_over_a_rule():
    layer = Conv(kernel_size=3, out_channels=2)
    assert one_layer(layer, (4, 3, 3), recorded=(2, 1, 1)).shape_result.axes
    assert one_layer(layer, (4, 3, 3), recorded=(2, 5, 5)).output_shape == (2, 5, 5)
    with pytest.raises(ConvscopeError, match="layer 'layer'"):
        one_layer(layer, (4, 2, 2))


def test_arrays_are_stretched_to_one_shape():
    def shape(*shapes):
        inputs = tuple(Input(f"input{n}", s) for n, s in enumerate(shapes))
        node = Node("add", operators.Elementwise("add"), tuple(entry.name for entry in inputs))
        return Network(Graph(inputs, (node,)))["add"].output_shape

    for shapes in ([(4, 3, 2)], [(4, 3, 2), (4, 1, 1)], [(4, 3, 2), (2,)], [(1, 3), (4, 1, 3)]):
        assert shape(*shapes) == np.broadcast_shapes(*shapes)
    with pytest.raises(ConvscopeError, match="add: the inputs have shapes 4×3 and 2×3"):
        shape((4, 3), (2, 3))


def test_every_layer_with_a_shape_has_a_cost():
    assert set(SHAPE_RULES) == set(COST_RULES)


def test_bytes_of_every_dtype_numpy_or_torch_names():
    for name in (
        "float64",
        "float32",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
    ):
        assert array_bytes((3, 5), name) == np.zeros((3, 5), name).nbytes
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        assert array_bytes((3, 5), name) == 15 * getattr(torch, name).itemsize
    assert array_bytes((3, 5), "int4") == 8
    assert array_bytes((3, 5), "heard of nowhere") is None
    assert array_bytes((), "float32") == 4


def test_constant_sources_hold_their_array():
    source = Node("token", operators.Source((1, 8)), (), weights=(Weight("token", (1, 8)),))
    node = Node("join", operators.Rearrange("cat", (5, 8)), ("token", "input"))
    net = Network(Graph((Input("input", (4, 8)),), (source, node)))
    assert net.total_params == 8
    assert net["token"].explain().to_text()
    assert math.prod(net["join"].output_shape) == 40
