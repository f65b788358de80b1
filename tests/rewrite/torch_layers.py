"""The same layers in PyTorch, in float64: an oracle that knows nothing of exact operators."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own habit

import convscope as cs

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
STAMPS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
AVGS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAXES = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
MODES = {"zeros": "constant", "constant": "constant"}
POINTWISE = {
    cs.ReLU: F.relu,
    cs.ReLU6: F.relu6,
    cs.Sigmoid: torch.sigmoid,
    cs.Tanh: torch.tanh,
    cs.SiLU: F.silu,
    cs.Softsign: F.softsign,
    cs.LogSigmoid: F.logsigmoid,
}


def tensor(array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def filled(x, pairs, mode, value):
    # PyTorch pads the last axis first.
    flat = [side for pair in reversed(pairs) for side in pair]
    if mode in MODES:
        return F.pad(x, flat, value=float(value))
    return F.pad(x, flat, mode=mode)


def run_layer(layer, x: torch.Tensor) -> torch.Tensor:  # noqa: PLR0912 - one case a layer
    """One layer on ``(1, C, *spatial)``."""
    rank = x.ndim - 2
    layer = layer.for_rank(rank)
    match layer:
        case cs.Conv():
            weight = tensor(layer.weight)
            if layer.flip:
                weight = weight.flip(tuple(range(2, weight.ndim)))
            bias = tensor(layer.bias) if isinstance(layer.bias, cs.ExactArray) else None
            x = filled(x, layer.padding, layer.padding_mode, layer.padding_value)
            return CONVS[rank](x, weight, bias, layer.stride, 0, layer.dilation, layer.groups)
        case cs.ConvTranspose():
            bias = tensor(layer.bias) if isinstance(layer.bias, cs.ExactArray) else None
            pads = tuple(before for before, _ in layer.padding)
            assert all(before == after for before, after in layer.padding)
            assert not layer.flip
            return STAMPS[rank](
                x, tensor(layer.weight), bias, layer.stride, pads, layer.output_padding, layer.groups,
                layer.dilation,
            )  # fmt: skip
        case cs.AvgPool():
            pads = tuple(before for before, _ in layer.padding)
            assert all(before == after for before, after in layer.padding)
            options = (layer.ceil_mode, layer.count_include_pad)
            if rank == 1:
                return AVGS[1](x, layer.kernel_size, layer.stride, pads, *options)
            return AVGS[rank](x, layer.kernel_size, layer.stride, pads, *options, layer.divisor_override)
        case cs.MaxPool():
            pads = tuple(before for before, _ in layer.padding)
            return MAXES[rank](x, layer.kernel_size, layer.stride, pads, layer.dilation, layer.ceil_mode)
        case cs.BatchNorm():
            vectors = [None if v is None else tensor(v) for v in
                       (layer.running_mean, layer.running_var, layer.weight, layer.bias)]  # fmt: skip
            return F.batch_norm(x, *vectors, eps=float(layer.eps))
        case cs.Pad():
            return filled(x, layer.padding, layer.padding_mode, layer.padding_value)
        case cs.Upsample(mode="nearest"):
            return F.interpolate(x, scale_factor=tuple(map(float, layer.scale_factor)))
        case cs.LeakyReLU():
            return F.leaky_relu(x, float(layer.negative_slope))
        case cs.Hardtanh():
            return F.hardtanh(x, float(layer.min_val), float(layer.max_val))
        case cs.ELU():
            return F.elu(x, float(layer.alpha))
        case cs.GELU():
            return F.gelu(x, approximate=layer.approximate)
        case cs.Identity() | cs.Dropout():
            return x
        case cs.Flatten():
            return x.flatten(1)
        case cs.Softmax():
            return F.softmax(x, layer.dim)
        case cs.LogSoftmax():
            return F.log_softmax(x, layer.dim)
        case _:
            return POINTWISE[type(layer)](x)


def run(layers, x) -> np.ndarray:
    """Layers in order on one item ``(C, *spatial)``."""
    value = tensor(x)[None]
    for layer in layers:
        value = run_layer(layer, value)
    return value[0].numpy()
