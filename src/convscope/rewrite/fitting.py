"""Which inputs layers in order take: channels, shapes, and the few shapes that a linear layer leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.pointwise import PReLU
from convscope.core.structural import BatchNorm, Flatten, Linear
from convscope.errors import ShapeError
from convscope.rewrite.search import shape_after
from convscope.rules.shape import output_shape
from convscope.worked.layout import SPATIAL_LAYERS

Layers = tuple[Layer, ...]


def input_channels(layers: Sequence[Layer]) -> int | None:
    """The channels that layers in order take; None where any number fits."""
    for layer in layers:
        if isinstance(layer, Conv | ConvTranspose):
            return layer.in_channels
        if isinstance(layer, BatchNorm) and layer.num_features is not None:
            return layer.num_features
        if isinstance(layer, PReLU) and layer.weight.size > 1:
            return layer.weight.size
        if isinstance(layer, Flatten | Linear):
            return None
    return None


def check_shape(layers: Layers, shape: tuple[int, ...]) -> None:
    """Refuse a shape that the layers do not take, in their words."""
    for number, layer in enumerate(layers, start=1):
        try:
            shape = tuple(int(n) for n in output_shape(layer, [shape]).shape)
        except ShapeError as error:
            raise (error.within(f"layer {number}") if len(layers) > 1 else error) from None


def features_at_start(layers: Layers) -> int | None:
    """The features of an input that a linear layer fixes, alone or after flattening."""
    rest = layers[1:] if layers and isinstance(layers[0], Flatten) else layers
    return rest[0].in_features if rest and isinstance(rest[0], Linear) else None


def _factored(cells: int, rank: int) -> list[tuple[int, ...]]:
    """Every way to write a number of cells as so many lengths."""
    if rank == 1:
        return [(cells,)]
    divisors = {d for low in range(1, math.isqrt(cells) + 1) if cells % low == 0 for d in (low, cells // low)}
    return [(first, *rest) for first in sorted(divisors) for rest in _factored(cells // first, rank - 1)]


def few_shapes(pair: tuple[Layers, Layers], channels: int, ranks: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every input shape that fits both, where flattening or a linear layer leaves only a few; else none."""
    for layers in pair:
        features = features_at_start(layers)
        if features is None:
            continue
        if not any(isinstance(layer, SPATIAL_LAYERS) for chain in pair for layer in chain):
            shapes: list[tuple[int, ...]] = [(features,)]
        elif isinstance(layers[0], Flatten) and features % channels == 0:
            shapes = [(channels, *lengths) for lengths in _factored(features // channels, ranks[0])]
        elif ranks == (1,):
            shapes = [(channels, features)]
        else:
            return []
        return [shape for shape in shapes if all(shape_after(chain, shape) for chain in pair)]
    return []
