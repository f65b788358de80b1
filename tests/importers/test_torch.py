"""Networks recorded from PyTorch modules, against running them for real."""

# ruff: noqa: ARG001 - forwards and hooks have signatures of their own

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import convscope as cs
from convscope.core.operators import Source
from networks import torch_models as models
from networks import torch_transformers as transformers
from networks.torch_odd import ODD, SINGLE, Body

# A network, its shape of one item, and what its authors or torchvision publish of it.
PUBLISHED = {
    "AlexNet": (models.AlexNet, 61_100_840, 714_188_480),
    "VGG-16": (models.VGG16, 138_357_544, 15_470_264_320),
    "ResNet-18": (models.resnet18, 11_689_512, 1_814_073_344),
    "ResNet-50": (models.resnet50, 25_557_032, 4_089_184_256),
    "ResNet-152": (models.resnet152, 60_192_808, 11_513_626_624),
    "EfficientNet-B0": (models.EfficientNetB0, 5_288_548, 385_814_752),
    "MobileNetV2": (models.MobileNetV2, 3_504_872, 300_774_272),
    "MobileNetV3-L": (models.MobileNetV3, 5_483_032, 216_589_760),
    "SqueezeNet 1.0": (models.SqueezeNet, 1_248_424, 818_924_576),
    "ShuffleNetV2": (models.ShuffleNetV2, 2_278_604, 144_907_992),
    "DenseNet-121": (models.DenseNet121, 7_978_856, 2_834_161_664),
    "ConvNeXt-T": (transformers.ConvNeXtT, 28_589_128, 4_455_531_264),
    "ViT-B/16": (transformers.ViT, 86_567_656, 17_563_828_224),
    "Swin-T": (transformers.SwinT, 28_288_354, 4_490_566_656),
}

SMALL = {
    "AlexNet": (models.AlexNet, (3, 67, 67)),
    "ResNet-18": (models.resnet18, (3, 45, 37)),
    "ResNet-50": (models.resnet50, (3, 33, 33)),
    "MobileNetV3-L": (models.MobileNetV3, (3, 33, 35)),
    "EfficientNet-B0": (models.EfficientNetB0, (3, 33, 35)),
    "SqueezeNet": (models.SqueezeNet, (3, 40, 41)),
    "ShuffleNetV2": (models.ShuffleNetV2, (3, 33, 33)),
    "DenseNet-121": (models.DenseNet121, (3, 33, 33)),
    "GoogLeNet": (models.GoogLeNet, (3, 35, 38)),
    "U-Net": (models.UNet, (1, 16, 20)),
    "ConvNeXt-T": (transformers.ConvNeXtT, (3, 32, 32)),
    "ViT": (lambda: transformers.ViT(32, 8, 16, 2, 2, 32, 5), (3, 32, 32)),
    "Swin-T": (transformers.SwinT, (3, 65, 58)),
    **ODD,
}


def built(make, *, on_meta=True, seed=0):
    torch.manual_seed(seed)
    with torch.device("meta" if on_meta else "cpu"):
        return make().eval()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name):
    make, params, macs = PUBLISHED[name]
    net = cs.network(built(make), (3, 224, 224))
    assert (net.total_params, net.total_macs) == (params, macs)
    assert net.complete


# --- against a real run -----------------------------------------------------------------------


class Counter(TorchDispatchMode):
    """Multiply-adds of what truly ran, counted from the arrays that went in and came out."""

    def __init__(self):
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if name == "convolution":
            x, weight, transposed = args[0], args[1], args[6]
            positions = math.prod((x if transposed else out).shape) // (x if transposed else out).shape[1]
            self.macs += positions * weight.numel()
        elif name in ("mm", "bmm"):
            self.macs += out.numel() * args[0].shape[-1]
        elif name in ("addmm", "baddbmm"):
            self.macs += out.numel() * args[1].shape[-1]
        elif name == "_trilinear":
            self.macs += args[1].numel() * args[0].shape[0]
        elif name.startswith("_scaled_dot_product"):
            query, key, value = args[:3]
            self.macs += math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
        elif name in ("lstm", "mkldnn_rnn_layer", "_thnn_fused_lstm_cell"):
            raise AssertionError(f"{name} hides its products")
        return out


def item(tensor):
    shape = tuple(tensor.shape)
    return (shape[1:] if shape[:1] == (1,) else shape) or (1,)


def example(shape):
    if isinstance(shape, dict):
        return (), {name: example(entry)[0][0] for name, entry in shape.items()}
    if isinstance(shape, torch.Tensor):
        return (shape,), {}
    if isinstance(shape[0], tuple | torch.Tensor):
        return tuple(example(entry)[0][0] for entry in shape), {}
    return (torch.rand(1, *shape),), {}


def called(module, shape):
    args, kwargs = example(shape)
    given = {"inputs": (args, kwargs)}
    return args, kwargs, cs.network(module, **given)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", SMALL)
def test_shapes_are_those_of_a_real_run(name):
    make, shape = SMALL[name]
    module = built(make, on_meta=False)
    args, kwargs, net = called(module, shape)
    seen = {}

    def keep(path):
        def hook(part, given, output):
            if not list(part.children()) and isinstance(output, torch.Tensor):
                seen.setdefault(path, []).append(item(output))

        return hook

    handles = [part.register_forward_hook(keep(path)) for path, part in module.named_modules() if path]
    with torch.no_grad():
        returned = module(*args, **kwargs)
    for handle in handles:
        handle.remove()
    rows = {row.name: row.output_shape for row in net}
    compared = 0
    for path, shapes in seen.items():
        for number, real in enumerate(shapes):
            told = rows.get(f"{path}_{number}" if number else path)
            if told is not None:  # a module of several operators names them each
                assert told == real, path
                compared += 1
    ends = [t for t in flat(returned) if isinstance(t, torch.Tensor)]
    assert {net[name].output_shape for name in net.graph.outputs} == {item(t) for t in ends}
    assert compared or not seen or name in ODD


def flat(value):
    if isinstance(value, dict):
        return [t for entry in value.values() for t in flat(entry)]
    if isinstance(value, list | tuple):
        return [t for entry in value for t in flat(entry)]
    return [value]


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning", "ignore:Complex modules")
@pytest.mark.parametrize("number", range(len(SINGLE)))
def test_layers_one_by_one(number):
    make, shape = SINGLE[number]
    module = make().eval()
    args, kwargs = example(shape)
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    args = tuple(t.to(dtype) if t.is_floating_point() else t for t in args)
    net = cs.network(module, inputs=(args, kwargs))
    with torch.no_grad():
        real = flat(module(*args, **kwargs))[0]
    assert net[net.graph.outputs[0]].output_shape == item(real)
    assert net[net.graph.outputs[0]].node.dtype == str(real.dtype).removeprefix("torch.")
    assert net.total_params == sum(p.numel() for p in module.parameters())
    assert net.complete


@pytest.mark.parametrize("name", SMALL)
def test_macs_are_those_of_a_real_run(name):
    make, shape = SMALL[name]
    module = built(make, on_meta=False)
    if any(isinstance(part, nn.RNNBase) for part in module.modules()):
        pytest.skip("recurrent kernels hide their products")
    args, kwargs, net = called(module, shape)
    with Counter() as counter:  # with gradients, so that attention takes no shortcut that hides its products
        module(*args, **kwargs)
    assert net.total_macs == counter.macs


@pytest.mark.parametrize("name", SMALL)
def test_parameters_are_the_modules(name):
    make, shape = SMALL[name]
    module = built(make, on_meta=False)
    net = called(module, shape)[2]
    assert net.total_params == sum(p.numel() for p in module.parameters())
    names = dict(module.named_parameters())
    told = {w.name: w for row in net for w in row.weights if w.is_parameter}
    assert {w: tuple(p.shape) for w, p in names.items()} == {w: weight.shape for w, weight in told.items()}


def test_rows_read_like_the_network():
    net = cs.network(built(models.resnet18), (3, 224, 224))
    assert [row.name for row in net][:14] == [
        "conv1", "bn1", "relu", "maxpool",
        "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2", "layer1.0.bn2", "layer1.0.add",
        "layer1.0.relu_1", "layer1.1.conv1", "layer1.1.bn1", "layer1.1.relu",
    ]  # fmt: skip
    assert net["layer1.0.add"].inputs == ("layer1.0.bn2", "maxpool")
    assert net["layer1.0.add"].layer == cs.Add()
    assert net["layer1.0.conv1"].layer == cs.Conv(
        kernel_size=(3, 3), in_channels=64, out_channels=64, padding=1, bias=False
    )
    assert [net[name].node.in_place for name in ("conv1", "relu", "layer1.0.add")] == [False, True, True]
    assert net["avgpool"].layer == cs.GlobalAvgPool()
    assert net["flatten"].layer == cs.Flatten()
    assert [w.name for w in net["layer2.0.downsample.0"].weights] == ["layer2.0.downsample.0.weight"]
    assert not [w for w in net["bn1"].weights if w.name.startswith("bn1.running") and w.is_parameter]
    assert net["layer4.1.conv2"].node.module == "Conv2d"


def test_attention_is_attributed_to_its_parts():
    net = cs.network(built(lambda: transformers.ViT(32, 8, 16, 2, 2, 32, 5)), (3, 32, 32))
    block = "layers.1.self_attention"
    assert net[f"{block}.in_proj"].params == 3 * 16 * 17
    assert net[f"{block}.out_proj"].params == 16 * 17
    attention = net[f"{block}.attention"]
    assert attention.macs == 2 * 17 * 17 * 16
    assert attention.output_shape == (2, 17, 8)
    assert net["pos_embedding"].layer == Source((17, 16))
    assert net["pos_embedding"].params == 17 * 16


def test_layers_alike_are_told_apart_and_reuse_counts_weights_once():
    make, shape = ODD["reused"]
    net = cs.network(make(), shape)
    assert [row.name for row in net] == ["conv", "relu", "conv_1", "relu_1", "conv_2", "relu_2"]
    assert net.total_params == net["conv"].params == 3 * 3 * 9 + 3
    tied = cs.network(ODD["tied"][0](), inputs=ODD["tied"][1])
    assert tied.total_params == 66
    assert tied["head"].shared_params == 66


def test_writing_in_place_is_followed():
    make, shape = ODD["written to"]
    net = cs.network(make(), shape)
    upstream, waiting = set(), ["last"]
    while waiting:
        name = waiting.pop()
        if name in net and name not in upstream:
            upstream.add(name)
            waiting += net[name].inputs
    assert {"conv", "last", "add"} <= upstream  # what was written to parts of the buffer is read from it
    assert any("input" in net[name].inputs for name in upstream)


def test_recurrent_layers_one_by_one():
    net = cs.network(nn.LSTM(4, 6, num_layers=2, bidirectional=True, batch_first=True), (5, 4))
    assert [row.op for row in net] == ["recurrent layer"] * 2 + ["rearrangement"] * 2
    assert [row.params for row in net.rows[:2]] == [2 * 4 * 6 * (4 + 6 + 2), 2 * 4 * 6 * (12 + 6 + 2)]
    assert [row.macs for row in net.rows[:2]] == [5 * 2 * 4 * 6 * (4 + 6), 5 * 2 * 4 * 6 * (12 + 6)]
    assert net.rows[1].output_shape == (5, 12)


def test_parameters_that_are_not_read_are_counted():
    net = cs.network(built(models.GoogLeNet), (3, 64, 64))
    assert net["aux.weight"].layer == Source((10, 512))
    training = cs.network(models.GoogLeNet(), (3, 64, 64))
    assert "aux" in training
    assert len(training.graph.outputs) == 2
    assert net.total_params == training.total_params


def test_frozen_parameters_and_dtypes():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2)).half()
    module[0].requires_grad_(requires_grad=False)
    net = cs.network(module, (3, 9, 9))
    assert (net.total_params, net.frozen_params) == (112 + 16, 112)
    assert {row.node.dtype for row in net} == {"float16"}
    assert {w.dtype for row in net for w in row.weights} == {"float16"}
    casts = cs.network(Body(lambda m, x: m.a(x.double().to(torch.bfloat16)), a=nn.ReLU()), (3,))
    assert [row.node.dtype for row in casts] == ["float64", "bfloat16", "bfloat16"]


def test_unknown_operators_never_stop_the_rest():
    library = torch.library.Library("convscope_test", "DEF")
    try:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: torch.cat([x, x], -1), "CPU")
        net = cs.network(
            Body(lambda m, x: m.a(torch.ops.convscope_test.twice(torch.fft.fft(m.a(x)).abs())), a=nn.ReLU()),
            (3, 5),
        )
    finally:
        library._destroy()
    assert [row.output_shape for row in net][-2:] == [(3, 10), (3, 10)]
    assert [row.op for row in net.not_counted] == ["unknown operator"] * 2
    assert not net.complete
