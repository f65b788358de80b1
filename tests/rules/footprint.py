"""What an output cell truly depends on: the gradient of a network run by torch on positive weights.

Every layer becomes one whose gradient is positive wherever there is one, so that nothing cancels:
largest values become sums. This knows nothing of receptive fields.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.network import Graph
from convscope.core.operators import Elementwise
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, LpPool, MaxPool
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.rules.window import window_axes

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
RESIZES = {"nearest": {1: "nearest", 2: "nearest", 3: "nearest"}, "linear": {1: "linear", 2: "bilinear"}}


def footprints(graph: Graph, layer: str, cells: list[tuple[int, ...]]) -> list[np.ndarray]:
    """For each cell of a layer's output, which pixels of the first input move it."""
    torch.manual_seed(0)
    values = {entry.name: torch.rand(1, *entry.shape, dtype=torch.float64) + 0.5 for entry in graph.inputs}
    source = values[graph.inputs[0].name].requires_grad_()
    for node in graph.nodes:
        values[node.name] = run(node.layer, [values[name] for name in node.inputs])
        if node.name == layer:
            break
    found = []
    for cell in cells:
        (gradient,) = torch.autograd.grad(
            values[layer][(0, slice(None), *cell)].sum(), source, retain_graph=True, allow_unused=True
        )
        touched = torch.zeros(source.shape) if gradient is None else gradient
        found.append((touched[0] != 0).any(dim=0).numpy())
    return found


def run(layer, given):  # noqa: PLR0912 - one case a layer
    value = given[0]
    rank = value.ndim - 2
    if isinstance(layer, Conv | MaxPool | AvgPool | LpPool | Pad | ConvTranspose):
        layer = layer.for_rank(rank)
    match layer:
        case Conv():
            padded = padded_for(layer, value)
            weight = positive(layer.out_channels, value.shape[1] // layer.groups, *layer.kernel_size)
            return CONVOLUTIONS[rank](padded, weight, None, layer.stride, 0, layer.dilation, layer.groups)
        case MaxPool() | AvgPool() | LpPool():
            padded = padded_for(layer, value)
            weight = positive(value.shape[1], 1, *layer.kernel_size)
            return CONVOLUTIONS[rank](padded, weight, None, layer.stride, 0, layer.dilation, value.shape[1])
        case ConvTranspose():
            weight = positive(value.shape[1], layer.out_channels // layer.groups, *layer.kernel_size)
            stamped = TRANSPOSED[rank](
                value, weight, None, layer.stride, 0, layer.output_padding, layer.groups, layer.dilation
            )
            cut = tuple(
                slice(before, length - after)
                for (before, after), length in zip(layer.padding, stamped.shape[2:], strict=True)
            )
            return stamped[(slice(None), slice(None), *cut)]
        case Pad():
            return torch_pad(value, layer.padding, layer.padding_mode)
        case Upsample():
            mode = "nearest" if layer.mode == "nearest" else RESIZES["linear"][rank]
            factor = layer.scale_factor
            return functional.interpolate(
                value,
                size=layer.size and (layer.size * rank)[:rank],
                scale_factor=factor and tuple(map(float, (factor * rank)[:rank])),
                mode=mode,
                align_corners=layer.align_corners if mode != "nearest" else None,
            )
        case AdaptiveAvgPool() | AdaptiveMaxPool():
            size = (layer.output_size * rank)[:rank]
            return {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d}[rank](value, size)
        case GlobalAvgPool():
            return value.mean(dim=tuple(range(2, value.ndim)), keepdim=True)
        case Flatten():
            return value.flatten(1)
        case Linear():
            return value @ positive(value.shape[-1], layer.out_features)
        case Add():
            return sum(given[1:], given[0])
        case Elementwise(op="multiply"):
            return (given[0] + 1) * (given[1] + 1)  # padding is 0, which would hide the other
        case Concat():
            return torch.cat(given, layer.dim)
        case BatchNorm():
            return value * 2
        case _:
            return value


def positive(*shape):
    return torch.rand(*shape, dtype=torch.float64) + 0.5


def padded_for(layer, value):
    """The input with its padding, and with what ceil mode reaches beyond it."""
    pairs = []
    for axis, found in enumerate(window_axes(layer, tuple(value.shape[2:]))):
        before, after = found.padding
        extent = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
        wanted = (found.size - 1) * layer.stride[axis] + extent
        pairs.append((before, max(after, wanted - before - value.shape[2 + axis])))
    return torch_pad(value, pairs, getattr(layer, "padding_mode", "zeros"))


def torch_pad(value, pairs, mode):
    flat = [side for pair in reversed(pairs) for side in pair]
    mode = {"zeros": "constant"}.get(mode, mode)
    return functional.pad(value, flat, mode=mode) if any(flat) else value


def box_of(touched: np.ndarray) -> tuple[tuple[int, int], ...]:
    """The smallest box, half-open, around what is true; empty when nothing is."""
    if not touched.any():
        return ()
    return tuple((int(along.min()), int(along.max()) + 1) for along in np.nonzero(touched))
