"""Upsampling and transposed convolution as stamps, and as convolutions of zeros put between the cells."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, from_cells
from convscope.core.convolution import ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import text
from convscope.core.layer import Layer
from convscope.core.structural import Pad, Upsample
from convscope.errors import UnsupportedError
from convscope.rewrite.affine_map import Index, told_shape
from convscope.rewrite.conv_parts import Draft, Place, conv_of, ones, refuse_wide, stamps, unit
from convscope.worked.convolution import weights_of
from convscope.worked.views import array_views


def upsampling(layer: Upsample, place: Place) -> Draft:
    """Upsampling as stamps: of ones, or of a triangle."""
    factors = _whole_factors(layer, place)
    if layer.mode == "nearest":
        taps = ones(factors)
        told = text(
            f"Each cell is copied onto {told_shape(factors)} cells: it stamps a kernel of ones, and the "
            "stamps stand side by side."
        )
        return (stamps(taps, place, stride=factors),), (Step(told, array_views(taps, text("Kernel"))),)
    if layer.align_corners:
        raise UnsupportedError(
            "Upsample: with align_corners=True the distance between cells depends on the size, so no "
            "single kernel gives it"
        )
    return _linear_upsample(factors, place)


def _linear_upsample(factors: Index, place: Place) -> Draft:
    """Linear interpolation: stamps of a triangle, the border cell repeated so that it has a neighbour."""
    refuse_wide(tuple(2 * factor for factor in factors))
    lines = [_triangle(factor) for factor in factors]
    taps = from_cells(
        [math.prod(cells, start=Fraction(1)) for cells in itertools.product(*lines)], tuple(map(len, lines))
    )
    # The stamp of cell i is centred where i·f + (f − 1)/2 lies; the repeated cell moves all by one stride.
    cut = tuple(factor + (len(line) - factor) // 2 for factor, line in zip(factors, lines, strict=True))
    told = text(
        "Linear interpolation between neighbours is a triangle stamped by every cell; overlapping stamps add "
        "up to the mixture. The border cell is repeated once, so that cells beyond its centre copy it."
    )
    layers = (
        Pad(1, "replicate").for_rank(place.rank),
        stamps(taps, place, stride=factors, padding=tuple((side, side) for side in cut)),
    )
    return layers, (Step(told, array_views(taps, text("Kernel"))),)


def _triangle(factor: int) -> list[Fraction]:
    """The share of a cell at each output cell round it: 1 at its centre, 0 one cell further on."""
    count = 2 * factor if factor % 2 == 0 else 2 * factor - 1
    centre = Fraction(count - 1, 2)
    return [Fraction(1) - abs(place - centre) / factor for place in range(count)]


def _whole_factors(layer: Upsample, place: Place) -> Index:
    """The factors as whole numbers.

    Raises:
        UnsupportedError: factors that are not whole.
    """
    factors = layer.scale_factor
    if factors is None:
        lengths = place.lengths(layer, "only with it the given output size tells the factor")
        factors = tuple(Fraction(n, m) for n, m in zip(layer.size or (), lengths, strict=True))
    if any(factor.denominator > 1 for factor in factors):
        told = ", ".join(map(str, factors))
        raise UnsupportedError(
            f"Upsample: by {told} its cells are copied unlike often, so no single kernel gives it; "
            "whole factors are rewritten"
        )
    return tuple(int(factor) for factor in factors)


def transposed(layer: ConvTranspose, place: Place) -> Draft:
    """Zeros between the cells, then a convolution with the kernel rotated by 180°."""
    weight = weights_of(layer)
    spatial = tuple(range(2, weight.ndim))
    per_group = weight.shape[0] // layer.groups, weight.shape[1]
    kernel_shape = weight.shape[2:]

    def turned(cells: Any) -> Any:  # noqa: ANN401 - arrays of any dtype
        grouped = cells.reshape((layer.groups, *per_group, *kernel_shape)).swapaxes(1, 2)
        whole = grouped.reshape((layer.groups * per_group[1], per_group[0], *kernel_shape))
        return whole if layer.flip else np.flip(whole, spatial)

    pairs = []
    for (before, after), size, spread, extra in zip(
        layer.padding, layer.kernel_size, layer.dilation, layer.output_padding, strict=True
    ):
        most = spread * (size - 1)
        if before > most or after > most + extra:
            raise UnsupportedError(
                f"ConvTranspose: padding={(before, after)} cuts off more than the kernel's reach "
                f"({most} cells), which no convolution's padding does"
            )
        pairs.append((most - before, most - after + extra))
    conv = conv_of(
        weight.rearranged(turned),
        bias=layer.bias if isinstance(layer.bias, ExactArray) else None,
        padding=tuple(pairs),
        dilation=layer.dilation,
        groups=layer.groups,
    )
    told = text(
        "What the stamps add up to in one cell is a window of the input under the kernel rotated by 180°, "
        "with padding dilation·(kernel − 1) − padding; in and out channels change places."
    )
    steps = [Step(told)]
    layers: tuple[Layer, ...] = (conv,)
    if any(stride > 1 for stride in layer.stride):
        spread_out = stamps(unit(place.rank), Place(weight.shape[0], place.rank, None), stride=layer.stride)
        zeros = text("A stride puts zeros between the cells first: stamps of a single 1.")
        layers, steps = (spread_out, conv), [Step(zeros), *steps]
    return layers, tuple(steps)
