"""Each convention against the counter it reproduces, run side by side on the same layer."""

import copy
import io

import pytest

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.network import Graph, Input, Node, Weight
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Flatten, Linear, Upsample
from convscope.errors import InputError
from convscope.importers import network
from convscope.rules.conventions import CONVENTIONS
from convscope.rules.network import Network

torch = pytest.importorskip("torch")
nn = torch.nn


def one_layer(layer, shape, *, weights=None, module="", inputs=1, recorded=None):
    """The network of one layer."""
    names = tuple(f"input{n}" for n in range(inputs))
    node = Node("layer", layer, names, weights=weights, module=module, recorded=recorded)
    return Network(Graph(tuple(Input(name, shape) for name in names), (node,)))


def run_fvcore(model, example):
    counter = pytest.importorskip("fvcore.nn").FlopCountAnalysis(model, example)
    counter.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    return counter.total()


def run_ptflops(model, example):
    ptflops = pytest.importorskip("ptflops")
    told = io.StringIO()
    found = ptflops.get_model_complexity_info(
        model, tuple(example.shape[1:]), as_strings=False, print_per_layer_stat=False, ost=told
    )
    return found[0]


def run_thop(model, example):
    return pytest.importorskip("thop").profile(model, (example,), verbose=False)[0]


def run_torch(model, example):
    from torch.utils.flop_counter import FlopCounterMode

    model, example = model.to("meta"), example.to("meta")
    with FlopCounterMode(display=False) as counter:
        model(example)
    return counter.get_total_flops()


COUNTERS = {"fvcore": run_fvcore, "ptflops": run_ptflops, "thop": run_thop, "torch": run_torch}

PICTURE = (4, 9, 8)


class First(nn.Module):
    """What a module gives first, where it gives several things."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, example):
        return self.module(example)[0]


def affine(*names, size):
    return tuple(Weight(name, (size,)) for name in names)


CASES = [
    (nn.Conv1d(4, 6, 3), Conv(kernel_size=3, out_channels=6), (4, 9)),
    (
        nn.Conv2d(4, 6, 3, 2, 1, groups=2),
        Conv(kernel_size=3, out_channels=6, stride=2, padding=1, groups=2),
        PICTURE,
    ),
    (nn.Conv2d(4, 6, (3, 2), bias=False), Conv(kernel_size=(3, 2), out_channels=6, bias=False), PICTURE),
    (nn.Conv2d(4, 4, 3, groups=4), Conv(kernel_size=3, out_channels=4, groups=4), PICTURE),
    (nn.Conv3d(4, 6, 3), Conv(kernel_size=3, out_channels=6), (4, 5, 6, 7)),
    (nn.ConvTranspose1d(4, 6, 3, 2), ConvTranspose(kernel_size=3, out_channels=6, stride=2), (4, 9)),
    (
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2),
        ConvTranspose(kernel_size=3, out_channels=6, stride=2, groups=2),
        PICTURE,
    ),
    (
        nn.ConvTranspose2d(4, 6, (3, 2), 2, 1, bias=False),
        ConvTranspose(kernel_size=(3, 2), out_channels=6, stride=2, padding=1, bias=False),
        PICTURE,
    ),
    (nn.ConvTranspose3d(4, 6, 3, 2), ConvTranspose(kernel_size=3, out_channels=6, stride=2), (4, 3, 4, 5)),
    (nn.Linear(8, 5), Linear(out_features=5), (8,)),
    (nn.Linear(8, 5, bias=False), Linear(out_features=5, bias=False), (8,)),
    (nn.Linear(8, 5), Linear(out_features=5), (3, 7, 8)),
    (nn.BatchNorm1d(4), BatchNorm(num_features=4), (4, 9)),
    (nn.BatchNorm2d(4), BatchNorm(num_features=4), PICTURE),
    (nn.BatchNorm2d(4, affine=False), BatchNorm([0, 0, 0, 0], [1, 1, 1, 1]), PICTURE),
    (nn.ReLU(), pointwise.ReLU(), PICTURE),
    (nn.ReLU6(), pointwise.ReLU6(), PICTURE),
    (nn.LeakyReLU(), pointwise.LeakyReLU(), PICTURE),
    (nn.PReLU(), pointwise.PReLU(), PICTURE),
    (nn.ELU(), pointwise.ELU(), PICTURE),
    (nn.SELU(), pointwise.SELU(), PICTURE),
    (nn.Sigmoid(), pointwise.Sigmoid(), PICTURE),
    (nn.LogSigmoid(), pointwise.LogSigmoid(), PICTURE),
    (nn.Tanh(), pointwise.Tanh(), PICTURE),
    (nn.Hardtanh(), pointwise.Hardtanh(), PICTURE),
    (nn.GELU(), pointwise.GELU(), PICTURE),
    (nn.SiLU(), pointwise.SiLU(), PICTURE),
    (nn.Softplus(), pointwise.Softplus(), PICTURE),
    (nn.Softsign(), pointwise.Softsign(), PICTURE),
    (nn.Identity(), pointwise.Identity(), PICTURE),
    (nn.Dropout(), pointwise.Dropout(), PICTURE),
    (nn.Softmax(1), pointwise.Softmax(1), PICTURE),
    (nn.Softmax(-1), pointwise.Softmax(-1), PICTURE),
    (nn.Softmin(1), pointwise.Softmin(1), PICTURE),
    (nn.LogSoftmax(1), pointwise.LogSoftmax(1), PICTURE),
    (nn.MaxPool1d(2), MaxPool(2), (4, 9)),
    (nn.MaxPool2d(3, 2, 1), MaxPool(3, 2, 1), PICTURE),
    (nn.MaxPool3d(2), MaxPool(2), (4, 5, 6, 7)),
    (nn.AvgPool1d(2), AvgPool(2), (4, 9)),
    (nn.AvgPool2d(3, 2), AvgPool(3, 2), PICTURE),
    (nn.AvgPool3d(2), AvgPool(2), (4, 5, 6, 7)),
    (nn.LPPool1d(2, 2), LpPool(2, 2), (4, 9)),
    (nn.LPPool2d(2, 3), LpPool(2, 3), PICTURE),
    (nn.AdaptiveAvgPool1d(2), AdaptiveAvgPool(2), (4, 9)),
    (nn.AdaptiveAvgPool2d((3, 4)), AdaptiveAvgPool((3, 4)), PICTURE),
    (nn.AdaptiveAvgPool3d(2), AdaptiveAvgPool(2), (4, 5, 6, 7)),
    (nn.AdaptiveMaxPool2d(2), AdaptiveMaxPool(2), PICTURE),
    (nn.AdaptiveAvgPool2d(1), GlobalAvgPool(), PICTURE),
    (nn.AdaptiveMaxPool2d(1), GlobalMaxPool(), PICTURE),
    (nn.Upsample(scale_factor=2), Upsample(scale_factor=2), (4, 9)),
    (nn.Upsample(scale_factor=2), Upsample(scale_factor=2), PICTURE),
    (nn.Upsample(scale_factor=1.5), Upsample(scale_factor=1.5), PICTURE),
    (nn.Upsample(size=(5, 6)), Upsample(size=(5, 6)), PICTURE),
    (nn.Upsample(scale_factor=2), Upsample(scale_factor=2), (4, 3, 4, 5)),
    (nn.Upsample(scale_factor=2, mode="linear"), Upsample(scale_factor=2, mode="linear"), (4, 9)),
    (nn.Upsample(scale_factor=2, mode="bilinear"), Upsample(scale_factor=2, mode="bilinear"), PICTURE),
    (nn.Upsample(scale_factor=2, mode="trilinear"), Upsample(scale_factor=2, mode="trilinear"), (4, 3, 4, 5)),
    (nn.Flatten(), Flatten(), PICTURE),
    (nn.LayerNorm(8), operators.Norm("layer"), (3, 8)),
    (nn.GroupNorm(2, 4), operators.Norm("group", 2), PICTURE),
    (nn.InstanceNorm2d(4), operators.Norm("instance"), PICTURE),
    (nn.RMSNorm(8), operators.Norm("rms"), (3, 8)),
    (First(nn.LSTM(8, 6, batch_first=True)), operators.Recurrent("lstm", 8, 6, (5, 6)), (5, 8)),
    (First(nn.GRU(8, 6, batch_first=True)), operators.Recurrent("gru", 8, 6, (5, 6)), (5, 8)),
    (First(nn.RNN(8, 6, batch_first=True)), operators.Recurrent("rnn", 8, 6, (5, 6)), (5, 8)),
    (
        First(nn.LSTM(8, 6, batch_first=True, bidirectional=True)),
        operators.Recurrent("lstm", 8, 6, (5, 12), directions=2),
        (5, 8),
    ),
]


def named(case):
    return repr(case[0]).replace("\n", "")


@pytest.mark.filterwarnings("ignore")  # the counters' own
@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_counts_as_the_counter(case, counter):
    module, layer, shape = case
    expected = COUNTERS[counter](copy.deepcopy(module).eval(), torch.zeros(1, *shape))
    assert one_layer(layer, shape).count(counter).total == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("counter", COUNTERS)
def test_affine_instance_norm_counts_more(counter):
    module = nn.InstanceNorm2d(4, affine=True).eval()
    net = one_layer(operators.Norm("instance"), PICTURE, weights=affine("weight", "bias", size=4))
    expected = COUNTERS[counter](module, torch.zeros(1, *PICTURE))
    assert net.count(counter).total == expected


class Functional(nn.Module):
    """A model that calls functions and has no modules."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(6, 4, 3, 3))

    def forward(self, example):
        return self.function(example, self.weight)


FUNCTIONS = [
    (nn.functional.conv2d, Conv(kernel_size=3, out_channels=6, bias=False)),
    (lambda x, w: nn.functional.relu(x), pointwise.ReLU()),  # noqa: ARG005
    (lambda x, w: nn.functional.relu6(x), pointwise.ReLU6()),  # noqa: ARG005
    (lambda x, w: nn.functional.max_pool2d(x, 2), MaxPool(2)),  # noqa: ARG005
    (lambda x, w: nn.functional.softmax(x, 1), pointwise.Softmax(1)),  # noqa: ARG005
    (lambda x, w: x + x, operators.Elementwise("add")),  # noqa: ARG005
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("case", range(len(FUNCTIONS)))
def test_functions_are_seen_as_the_counter_sees_them(case, counter):
    function, layer = FUNCTIONS[case]
    expected = COUNTERS[counter](Functional(function).eval(), torch.zeros(1, *PICTURE))
    assert one_layer(layer, PICTURE, module="Functional").count(counter).total == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("counter", COUNTERS)
def test_slopes_recorded_as_an_array(counter):
    nodes = (
        Node("slopes", operators.Source((4, 1, 1)), (), weights=affine("slopes", size=4), module="PReLU"),
        Node("layer", operators.Elementwise("prelu"), ("input", "slopes"), module="PReLU"),
    )
    net = Network(Graph((Input("input", PICTURE),), nodes))
    expected = COUNTERS[counter](nn.PReLU(4).eval(), torch.zeros(1, *PICTURE))
    assert net.count(counter).total == expected


class SelfAttention(nn.Module):
    def __init__(self, *, weights):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.weights = weights

    def forward(self, example):
        return self.attention(example, example, example, need_weights=self.weights)[0]


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, example):
        mean = nn.functional.adaptive_avg_pool2d(example, 1)
        return example * torch.sigmoid(self.second(nn.functional.relu(self.first(mean))))


class Product(nn.Module):
    def forward(self, example):
        return torch.matmul(example, example.transpose(-1, -2))


MODELS = [
    (
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
        ),
        (3, 16, 16),
    ),
    (
        lambda: nn.Sequential(
            *(
                nn.ConvTranspose2d(3, 8, 3, stride=2),
                nn.LeakyReLU(),
                nn.Upsample(scale_factor=2, mode="bilinear"),
            ),
            *(nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Softmax(1), nn.PReLU(8), nn.GroupNorm(2, 8)),
        ),
        (3, 8, 8),
    ),
    (lambda: SelfAttention(weights=False), (5, 8)),
    (lambda: SelfAttention(weights=True), (5, 8)),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    (SqueezeExcite, (4, 9, 9)),
    (Product, (2, 5, 4)),
    (lambda: First(nn.LSTM(8, 6, batch_first=True)), (5, 8)),
    (lambda: First(nn.GRU(8, 6, num_layers=2, batch_first=True)), (5, 8)),
    (lambda: Functional(nn.functional.conv2d), PICTURE),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("case", range(len(MODELS)))
def test_recorded_models_count_as_the_counter_counts_them(case, counter):
    build, shape = MODELS[case]
    model = build().eval()
    found = network(model, shape).count(counter)
    assert found.complete
    assert found.total == COUNTERS[counter](model, torch.zeros(1, *shape))


SMALL = """input 3x32x32
conv 3x3, 32
relu
conv 3x3, 64
relu
maxpool 2
dropout 0.25
flatten
linear 128
relu
dropout
linear 10
softmax
"""


def test_keras_figure_published_with_keras_flops():
    # keras-flops 0.1.2 prints 0.0338 G for this network, the example of its page.
    assert network(SMALL).count("keras").total == 33_799_740


def test_keras_transposed_convolution_divides_by_strides():
    layer = ConvTranspose(kernel_size=2, out_channels=6, stride=2, bias=False)
    assert one_layer(layer, PICTURE).count("keras").total == 2 * 18 * 16 * 6 * 4 * 2 * 2 // 4


def test_frames_put_through_as_a_batch_count_each():
    layer = ConvTranspose(kernel_size=(3, 3), out_channels=6, stride=2, in_channels=4)
    for counter in ("thop", "keras", "plain"):
        one = one_layer(layer, PICTURE).count(counter).total
        assert one_layer(layer, (5, *PICTURE), recorded=(5, 6, 19, 17)).count(counter).total == 5 * one


def test_plain_and_torchvision_are_the_multiply_adds():
    net = network(SMALL)
    assert net.count("plain").total == net.count("torchvision").total == net.total_macs
    assert net.count("torch").total == 2 * net.total_macs
    assert net.count("plain").differences == ()


def test_differences_are_told_line_by_line():
    count = network(SMALL).count("ptflops")
    assert {row.name for row in count.differences} >= {"conv1", "relu1", "pool1", "softmax1"}
    assert all(row.why for row in count.differences)
    assert count.total - count.plain == sum(row.count - row.plain for row in count.differences)
    assert "32·30·30 = 28800" in count.to_text(width=200)


def test_unknown_operators_are_not_counted():
    node = Node("odd", operators.Unknown("custom"), ("input",))
    count = Network(Graph((Input("input", (4,)),), (node,))).count("thop")
    assert not count.complete
    assert [row.name for row in count.not_counted] == ["odd"]


def test_every_convention_shows_itself():
    net = network(SMALL)
    for name in CONVENTIONS:
        assert CONVENTIONS[name].counter in net.count(name).to_text(width=400)


def test_unknown_convention_names_the_nearest():
    with pytest.raises(InputError, match="no convention is called 'fvcor'; did you mean 'fvcore'"):
        network(SMALL).count("fvcor")


def test_sums_of_several_inputs_under_keras():
    assert one_layer(Add(), (4, 3), inputs=3).count("keras").total == 2 * 12
