"""Peak memory against its definition, and what layers save against PyTorch's own record."""

import random

import pytest
import torch
from torch import nn

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.network import Graph, Input, Node, Weight
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import InputError
from convscope.importers import network
from convscope.rules.network import Network

PICTURE = (4, 8, 6)


def net_of(*nodes, shape=PICTURE, outputs=()):
    return Network(Graph((Input("input", shape),), nodes, outputs))


# --- inference --------------------------------------------------------------------------------


def peak_by_definition(net):
    """At each layer: every array made by then that this layer or a later one reads, or that leaves."""
    place = {row.name: n for n, row in enumerate(net.rows)}
    sizes = {row.name: row.activation_bytes for row in net.rows}
    for entry in net.graph.inputs:
        place[entry.name], sizes[entry.name] = -1, 4 * torch.Size(entry.shape).numel()
    readers = {name: [place[row.name] for row in net.rows if name in row.inputs] for name in place}
    ends = {
        name: len(net.rows) if name in net.graph.outputs else max([place[name], *readers[name]])
        for name in place
    }
    return max(
        sum(size for name, size in sizes.items() if place[name] <= now <= ends[name])
        for now in range(len(net.rows))
    )


def random_network(seed):
    """Convolutions and sums that read any earlier layers."""
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    names, nodes = ["input"], []
    for n in range(dice.randint(1, 12)):
        if dice.random() < 0.4 and len(names) > 2:
            layer = Add() if dice.random() < 0.5 else operators.Elementwise("mul")
            inputs = tuple(dice.sample(names, dice.randint(2, min(4, len(names)))))
        else:
            layer, inputs = Conv(kernel_size=3, padding=1, out_channels=4), (dice.choice(names),)
        nodes.append(Node(f"layer{n}", layer, inputs))
        names.append(f"layer{n}")
    return net_of(*nodes)


@pytest.mark.parametrize("seed", range(40))
def test_peak_is_the_largest_sum_of_live_arrays(seed):
    net = random_network(seed)
    assert net.memory().peak_bytes == peak_by_definition(net)
    assert sum(entry.bytes for entry in net.memory().held) == net.memory().peak_bytes


def test_alexnet_holds_most_between_the_first_two_layers():
    found = network("examples/alexnet.txt").memory()
    assert (found.peak.name, found.peak_bytes) == ("relu1", 2 * 96 * 55 * 55 * 4)
    assert found.total_bytes == found.peak_bytes + 62_378_344 * 4


def test_batch_multiplies_the_arrays_and_not_the_weights():
    one, many = (network("input 3x8x8\nconv 3x3, 5\nrelu").memory(batch=n) for n in (1, 7))
    assert many.peak_bytes == 7 * one.peak_bytes
    assert many.weight_bytes == one.weight_bytes


def test_in_place_layers_take_no_memory():
    conv = Node("conv", Conv(kernel_size=1, out_channels=4), ("input",))
    beside, inside = (
        net_of(conv, Node("relu", pointwise.ReLU(), ("conv",), in_place=flag)) for flag in (False, True)
    )
    picture = 4 * 8 * 6 * 4
    assert beside.memory().peak_bytes == 2 * picture
    assert [m.bytes for m in inside.memory().moments] == [2 * picture, picture]


def test_views_keep_what_they_look_at():
    net = net_of(
        Node("conv", Conv(kernel_size=1, out_channels=2), ("input",)),
        Node("flat", Flatten(), ("conv",)),
        Node("linear", Linear(out_features=3), ("flat",)),
    )
    assert [m.bytes for m in net.memory().moments] == [4 * (192 + 96), 4 * 96, 4 * (96 + 3)]


def test_constants_are_held_among_the_weights():
    constant = Node("bias", operators.Source((4, 1, 1)), (), weights=(Weight("bias", (4, 1, 1)),))
    net = net_of(constant, Node("sum", operators.Elementwise("add"), ("input", "bias")))
    assert net.memory().weight_bytes == 16
    assert net.memory().peak_bytes == 2 * 4 * 192


def test_unknown_sizes_are_named():
    net = net_of(Node("odd", operators.Unknown("custom"), ("input",)))
    found = net.memory()
    assert not found.complete
    assert found.not_counted == ("odd",)
    assert "Not counted" in found.to_text()


def test_batch_must_be_a_count():
    with pytest.raises(InputError, match="batch=0 is not allowed"):
        network("input 3x8x8\nrelu").memory(batch=0)


# --- training ---------------------------------------------------------------------------------


def recorded_bytes(module, example):
    """Bytes of the arrays PyTorch keeps for the backward pass, each storage once, weights left aside."""
    own = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    kept = {}

    def pack(array):
        storage = array.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), array)  # held, so that no address is used twice
        return array

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda array: array):
        result = module.train()(example)
    del result
    return sum(size for size, _array in kept.values())


def saved_bytes(layer, shape, **options):
    """What the layer saves behind a trained convolution that leaves its input as it is."""
    net = net_of(
        Node("first", Conv(kernel_size=1, out_channels=shape[0], bias=False), ("input",)),
        Node("layer", layer, ("first",), **options),
        shape=shape,
    )
    return net.memory(training=True).saved_bytes - 4 * torch.Size(shape).numel()


SAVED = [
    (nn.Conv2d(4, 6, 3), Conv(kernel_size=3, out_channels=6)),
    (nn.ConvTranspose2d(4, 6, 3, 2), ConvTranspose(kernel_size=3, out_channels=6, stride=2)),
    (nn.Linear(6, 5), Linear(out_features=5)),
    (nn.BatchNorm2d(4), BatchNorm()),
    (nn.MaxPool2d(2), MaxPool(2)),
    (nn.AvgPool2d(2), AvgPool(2)),
    (nn.LPPool2d(2, 2), LpPool(2, 2)),
    (nn.AdaptiveAvgPool2d(2), AdaptiveAvgPool(2)),
    (nn.AdaptiveAvgPool2d(1), AdaptiveAvgPool(1)),
    (nn.AdaptiveAvgPool2d(1), GlobalAvgPool()),
    (nn.AdaptiveMaxPool2d(2), AdaptiveMaxPool(2)),
    (nn.ReLU(), pointwise.ReLU()),
    (nn.ReLU6(), pointwise.ReLU6()),
    (nn.LeakyReLU(), pointwise.LeakyReLU()),
    (nn.PReLU(), pointwise.PReLU()),
    (nn.ELU(), pointwise.ELU()),
    (nn.SELU(), pointwise.SELU()),
    (nn.Sigmoid(), pointwise.Sigmoid()),
    (nn.LogSigmoid(), pointwise.LogSigmoid()),
    (nn.Tanh(), pointwise.Tanh()),
    (nn.Hardtanh(), pointwise.Hardtanh()),
    (nn.GELU(), pointwise.GELU()),
    (nn.SiLU(), pointwise.SiLU()),
    (nn.Softplus(), pointwise.Softplus()),
    (nn.Softsign(), pointwise.Softsign()),
    (nn.Softmax(1), pointwise.Softmax(1)),
    (nn.LogSoftmax(1), pointwise.LogSoftmax(1)),
    (nn.Identity(), pointwise.Identity()),
    (nn.Flatten(), Flatten()),
    (nn.Upsample(scale_factor=2), Upsample(scale_factor=2)),
    (nn.ZeroPad2d(1), Pad(1)),
    (nn.ReflectionPad2d(1), Pad(1, "reflect")),
    (nn.LayerNorm(6), operators.Norm("layer")),
    (nn.GroupNorm(2, 4), operators.Norm("group", 2)),
    (nn.InstanceNorm2d(4), operators.Norm("instance")),
]


@pytest.mark.parametrize("case", SAVED, ids=lambda case: repr(case[0]))
def test_saves_what_pytorch_saves(case):
    module, layer = case
    example = torch.rand(1, *PICTURE, requires_grad=True)
    assert saved_bytes(layer, PICTURE) == recorded_bytes(module, example)


@pytest.mark.parametrize(
    "case",
    [
        (nn.ReLU(inplace=True), pointwise.ReLU()),
        (nn.ReLU6(inplace=True), pointwise.ReLU6()),
        (nn.LeakyReLU(inplace=True), pointwise.LeakyReLU()),
        (nn.ELU(inplace=True), pointwise.ELU()),
        (nn.SELU(inplace=True), pointwise.SELU()),
        (nn.Hardtanh(inplace=True), pointwise.Hardtanh()),
        (nn.SiLU(inplace=True), pointwise.SiLU()),
        (nn.Hardswish(inplace=True), operators.Elementwise("hardswish")),
    ],
    ids=lambda case: repr(case[0]),
)
def test_in_place_activations_save_their_output_or_a_copy(case):
    module, layer = case
    model = nn.Sequential(
        *(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), module, nn.Conv2d(4, 4, 1, bias=False))
    )
    conv = Conv(kernel_size=1, out_channels=4, bias=False)
    found = net_of(
        Node("first", conv, ("input",)),
        Node("norm", BatchNorm(), ("first",)),
        Node("layer", layer, ("norm",), in_place=True),
        Node("last", conv, ("layer",)),
    )
    assert found.memory(training=True).saved_bytes == recorded_bytes(model, torch.rand(1, *PICTURE))


class Between(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last = (nn.Conv2d(4, 4, 1, bias=False) for _ in range(2))
        self.function = function

    def forward(self, example):
        return self.last(self.function(self.first(example)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2,
        lambda x: x / 3,
        lambda x: x * x,
        lambda x: x / (x + 1),
        lambda x: x**2,
        lambda x: x.clamp(min=0),
        lambda x: x.abs(),
        lambda x: torch.log(x.abs() + 1),
        torch.exp,
        torch.rsqrt,
        torch.erf,
        lambda x: torch.roll(x, 1, 2),
        lambda x: x + x.mean(1, keepdim=True),
        lambda x: x + x.amax(1, keepdim=True),
        lambda x: x + x.var(1, keepdim=True),
        lambda x: nn.functional.dropout(x, 0.0),
    ],
)
def test_recorded_functions_save_what_pytorch_saves(function):
    model = Between(function)
    found = network(model, PICTURE, training=True).memory(training=True)
    assert found.saved_bytes == recorded_bytes(model, torch.rand(1, *PICTURE))


def test_dropout_saves_a_byte_for_each_cell():
    assert saved_bytes(pointwise.Dropout(), PICTURE) == 4 * 8 * 6


class Block(nn.Module):
    """A residual block."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(2))
        self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, example):
        inner = torch.relu(self.norm(self.first(example)))
        return torch.relu(self.other(self.second(inner)) + example)


BLOCK = """input 4x8x6
conv1: conv 3x3, 4, padding 1, no bias
bn1: batchnorm
relu1: relu
conv2: conv 3x3, 4, padding 1, no bias
bn2: batchnorm
sum: add from bn2, input
relu2: relu
"""


def test_a_residual_block_saves_what_pytorch_saves():
    found = network(BLOCK).memory(training=True)
    assert found.saved_bytes == recorded_bytes(Block(), torch.rand(1, *PICTURE))


def test_frozen_layers_save_nothing_and_have_no_gradients():
    frozen = tuple(Weight(f"c.{name}", size, trainable=False) for name, size in (("w", (4, 4, 1, 1)),))
    net = net_of(
        Node("frozen", Conv(kernel_size=1, out_channels=4, bias=False), ("input",), weights=frozen),
        Node("relu", pointwise.ReLU(), ("frozen",)),
        Node("head", Conv(kernel_size=1, out_channels=2), ("relu",)),
    )
    found = net.memory(training=True)
    assert set(found.saved) == {"head"}
    assert found.saved_bytes == 4 * 192
    assert not any(entry.what == "gradient" and entry.name != "head" for entry in _taken(found))


def _taken(found):
    return [entry for moment in found.moments for entry in moment.taken]


def test_training_ends_with_the_gradients_of_the_parameters():
    net = network(BLOCK)
    found = net.memory(training=True)
    last = found.moments[-1]
    gradients = sum(entry.bytes for entry in _taken(found) if entry.what == "parameter gradients")
    assert gradients == net.total_params * 4
    output = 4 * 192  # stays; the network's input was saved by the first layer and is free
    assert last.bytes - sum(entry.bytes for entry in last.freed) == gradients + output


def test_a_pass_followed_by_hand():
    net = net_of(
        Node("conv", Conv(kernel_size=1, out_channels=4, bias=False), ("input",)),
        Node("relu", pointwise.ReLU(), ("conv",)),
    )
    found, array = net.memory(training=True), 4 * 192
    assert [(m.name, m.phase, m.bytes) for m in found.moments] == [
        ("conv", "forward", 2 * array),  # input and output
        ("relu", "forward", 3 * array),  # the convolution's output is free after this
        ("relu", "backward", 4 * array),  # input, output, both gradients
        ("conv", "backward", 3 * array + 16 * 4),  # input, output, its gradient, those of its weights
    ]
    assert (found.peak.name, found.peak.phase) == ("relu", "backward")


def test_arrays_are_freed_once_and_only_when_held():
    found = network(BLOCK).memory(training=True)
    held = {("input", "input")}
    for moment in found.moments:
        for entry in moment.taken:
            assert (entry.name, entry.what) not in held
            held.add((entry.name, entry.what))
        for entry in moment.freed:
            held.remove((entry.name, entry.what))


def test_the_document_says_where_and_how():
    told = network(BLOCK).memory(training=True, batch=3).to_text(width=120)
    assert "3 items" in told
    assert "the statistics of this batch" in told
    assert "3·4·8·6·4" in told


def test_concatenation_saves_nothing():
    net = net_of(
        Node("a", Conv(kernel_size=1, out_channels=2, bias=False), ("input",)),
        Node("both", Concat(), ("a", "a")),
    )
    assert net.memory(training=True).saved_bytes == 4 * 192
