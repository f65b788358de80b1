"""The exact affine map of each layer that has one, on an input of a given shape: one table of makers.

A maker reads the places off the layer's own rules and numbers off the `Work` that works its cells, so
that the map is the layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import MAX_CELLS, ExactArray, RationalArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, Pair
from convscope.core.number import Exact
from convscope.core.pointwise import Dropout, Identity
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.rewrite.affine_map import (
    AffineMap,
    Index,
    Places,
    diagonal,
    from_entries,
    identity,
    nonzero,
    refuse_large,
    told_shape,
    zeros,
)
from convscope.rewrite.flip import correlation
from convscope.rewrite.rewritten import Rewritten
from convscope.rules.shape import output_shape
from convscope.rules.window import padded_axes, transposed_axes, window_axes
from convscope.worked.arithmetic import add, bilinear, multiply
from convscope.worked.convolution import weights_of
from convscope.worked.layout import SPATIAL_LAYERS
from convscope.worked.pooling import AvgPoolWork, WholeAvgWork
from convscope.worked.structural import BatchNormWork, UpsampleWork
from convscope.worked.symbolic import lift, lower

Chain = Layer | Rewritten | Sequence[Layer]
Maker = Callable[[Any, Index], AffineMap]
# For each output place along an axis, the input places it reads and their shares.
Shares = Sequence[Sequence[tuple[int, Fraction]]]


# --- the door ---------------------------------------------------------------------------------


def affine_map(layers: Chain, input_shape: Sequence[int]) -> AffineMap:
    """The exact affine map of a layer, or of layers one after the other, on one input shape.

    Args:
        layers: a layer or several in order; each one of `AFFINE`.
        input_shape: without batch axis: ``(H, W)`` for one channel, ``(C, H, W)``, ``(features,)``,
            and the like of other ranks.

    Returns:
        The map from ``(C, *spatial)``: a plane counts as one channel.

    Raises:
        UnsupportedError: a layer that is not affine.
        ShapeError: shapes that do not fit, or a map too large to build, with its size.
        InputError: weights or statistics that are not there.

    >>> affine_map(Conv("1 2; 3 4"), (3, 3)).entries
    16
    """
    chain = as_chain(layers)
    shape = inner_shape(chain, input_shape)
    total: AffineMap | None = None
    for number, layer in enumerate(chain, start=1):
        try:
            found = layer_map(layer, shape)
            total = found if total is None else found.after(total)
        except ConvscopeError as error:
            raise (error.within(f"layer {number}") if len(chain) > 1 else error) from None
        shape = found.output_shape
    return identity(shape) if total is None else total


def layer_map(layer: Layer, shape: Index) -> AffineMap:
    """The exact affine map of one layer on ``(C, *spatial)`` or ``(features,)``."""
    maker = AFFINE.get(type(layer))
    if maker is None:
        known = ", ".join(kind.__name__ for kind in AFFINE)
        raise UnsupportedError(f"{type(layer).__name__} is not an affine map; affine are: {known}")
    if math.prod(shape) > MAX_CELLS:
        raise ShapeError(f"an input of {told_shape(shape)} cells is too large; up to {MAX_CELLS} are worked")
    out = output_shape(layer, [shape]).shape
    if math.prod(out) > MAX_CELLS:
        raise ShapeError(
            f"{type(layer).__name__}: its output would have {math.prod(out)} cells; "
            f"up to {MAX_CELLS} are worked"
        )
    return maker(layer.for_rank(len(shape) - 1) if len(shape) > 1 else layer, shape)


def is_affine(layer: Layer) -> bool:
    """True for a layer that is an affine map."""
    return type(layer) in AFFINE


def as_chain(layers: Chain) -> tuple[Layer, ...]:
    """One layer or several, or what a rewriting gave, as a tuple.

    Raises:
        InputError: something that is no layer.
    """
    if isinstance(layers, Rewritten):
        return layers.layers
    chain: object = (layers,) if isinstance(layers, Layer) else layers
    if not isinstance(chain, list | tuple):
        raise InputError(f"{type(layers).__name__} is not a layer such as Conv(kernel), nor layers in order")
    for number, layer in enumerate(chain, start=1):
        if not isinstance(layer, Layer):
            raise InputError(f"layer {number} is {type(layer).__name__}, not a layer such as Conv(kernel)")
    return tuple(chain)


def inner_shape(layers: Sequence[Layer], shape: Sequence[int]) -> Index:
    """An input shape without batch axis as ``(C, *spatial)``: a plane before layers with space has 1 channel.

    Raises:
        ShapeError: too few or too many axes, or lengths that are not positive.
    """
    lengths = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
    if not lengths or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in lengths
    ):
        raise ShapeError(f"input_shape={shape!r} is not a shape such as (8, 8) or (3, 8, 8)")
    found = tuple(int(n) for n in lengths)
    rank = next((r for layer in layers if (r := getattr(layer, "rank", None)) is not None), None)
    if rank is None:
        plane = len(found) <= 2 and any(isinstance(layer, SPATIAL_LAYERS) for layer in layers)
        return (1, *found) if plane else found
    if len(found) not in (rank, rank + 1):
        names = {1: "L", 2: "H, W", 3: "D, H, W"}[rank]
        raise ShapeError(
            f"input_shape={found} has {len(found)} axes; layers of rank {rank} take ({names}) or "
            f"(C, {names}), without a batch axis"
        )
    return (1, *found) if len(found) == rank else found


# --- windows with weights ---------------------------------------------------------------------


def _reflected(places: Places, length: int) -> Places:
    inside = np.abs(places)
    return np.where(inside >= length, 2 * (length - 1) - inside, inside)


# Padding mode -> which input cell stands at a place beyond the border; -1 for a number from outside.
FILLED: dict[str, Callable[[Places, int], Places]] = {
    "zeros": lambda places, length: np.where((places < 0) | (places >= length), -1, places),
    "constant": lambda places, length: np.where((places < 0) | (places >= length), -1, places),
    "reflect": _reflected,
    "replicate": lambda places, length: np.clip(places, 0, length - 1),
    "circular": lambda places, length: places % length,
}


def _joined(axes: Sequence[Places], lengths: Sequence[int], kept: Places | None = None) -> Places:
    """Places along each axis, (windows, taps), as flat places of all windows and the taps kept; or -1."""
    flat = np.zeros((1, 1), dtype=np.int64)
    outside = np.zeros((1, 1), dtype=bool)
    taps = np.unravel_index(kept, [axis.shape[1] for axis in axes]) if kept is not None else None
    for number, (axis, length) in enumerate(zip(axes, lengths, strict=True)):
        places = axis if taps is None else axis[:, taps[number]]
        count = flat.shape[0] * places.shape[0]
        flat = (flat[:, None, :] * length + places[None]).reshape(count, -1)
        outside = (outside[:, None, :] | (places < 0)[None]).reshape(count, -1)
    return np.where(outside, -1, flat)


class _Windows:
    """Where each tap of each window lies: what the maps of both convolutions are made from.

    Attributes:
        kept: the taps that are not zero in every channel.
        met: (windows, kept taps), the flat place that a tap meets, or -1.
    """

    def __init__(
        self,
        layer: Conv | ConvTranspose,
        axes: Sequence[Places],
        lengths: Sequence[int],
        shapes: tuple[Index, Index],
    ) -> None:
        self.weight = weights_of(layer)
        self.groups = layer.groups
        self.length = math.prod(lengths)
        used = nonzero(self.weight).reshape(*self.weight.shape[:2], -1)
        self.kept = np.flatnonzero(used.any(axis=(0, 1)))
        self.used = used[:, :, self.kept]
        inside = np.array([1], dtype=object)
        for axis in axes:
            inside = np.multiply.outer(inside, (axis >= 0).sum(axis=0).astype(object)).reshape(-1)
        entries = int((inside[self.kept] * self.used.sum(axis=(0, 1))).sum())
        refuse_large(type(layer).__name__, *shapes, entries)
        self.entries = entries
        self.met = _joined(axes, lengths, self.kept)

    def places(self) -> tuple[Places, Places, Places]:
        """Of each entry: the cell that has the window, the cell that it meets, the weight's place."""
        outer, per_group = self.used.shape[:2]
        outer_group = outer // self.groups
        windows = self.met.shape[0]
        taps = math.prod(self.weight.shape[2:])
        whole = tuple(np.empty(self.entries, dtype=np.int64) for _ in range(3))
        inside = self.met >= 0
        done = 0
        for channel in range(outer):
            window, other, tap = np.nonzero(inside[:, None, :] & self.used[channel])
            now = slice(done, done + len(window))
            first = channel // outer_group * per_group
            whole[0][now] = channel * windows + window
            whole[1][now] = (first + other) * self.length + self.met[window, tap]
            whole[2][now] = (channel * per_group + other) * taps + self.kept[tap]
            done += len(window)
        return whole[0], whole[1], whole[2]

    def outside(self) -> Places:
        """1 where a kept tap of a window meets no cell: (windows, kept taps)."""
        return (self.met < 0).astype(np.int64)


def _slid(layer: Conv, lengths: Sequence[int], pairs: Sequence[Pair], windows: Sequence[int]) -> list[Places]:
    """For each axis, the input place that each tap of each window meets."""
    fill = FILLED[layer.padding_mode]
    found = []
    for axis, (length, pair, count) in enumerate(zip(lengths, pairs, windows, strict=True)):
        _refuse_wide(layer, count, layer.kernel_size[axis])
        starts = np.arange(count) * layer.stride[axis] - pair[0]
        taps = np.arange(layer.kernel_size[axis]) * layer.dilation[axis]
        found.append(fill(np.add.outer(starts, taps), length))
    return found


def _refuse_wide(layer: Conv | ConvTranspose, windows: int, taps: int) -> None:
    if windows * taps > MAX_CELLS:
        raise ShapeError(
            f"{type(layer).__name__}: {windows} windows of {taps} taps along one axis are too many; "
            f"up to {MAX_CELLS} cells are worked"
        )


def _conv(layer: Conv, shape: Index) -> AffineMap:
    turned = correlation(layer)
    axes = window_axes(layer, shape[1:])
    counts = tuple(axis.size for axis in axes)
    found = (layer.out_channels, *counts)
    places = _slid(layer, shape[1:], [axis.padding for axis in axes], counts)
    windows = _Windows(turned, places, shape[1:], (shape, found))
    rows, columns, picks = windows.places()
    weight = windows.weight
    bias = _channel_bias(layer, found)
    if layer.padding_value:
        bias = add(bias, _from_outside(windows, layer.padding_value).reshape(found))
    return from_entries(shape, found, rows, columns, _picked(weight, picks), bias)


def _from_outside(windows: _Windows, value: Fraction) -> ExactArray:
    """What a constant beyond the border adds to each output cell."""
    weight, kept = windows.weight, windows.kept
    flat = weight.reshape((*weight.shape[:2], math.prod(weight.shape[2:])))
    outside = RationalArray(windows.outside())
    sums = bilinear(
        flat.rearranged(lambda cells: cells[:, :, kept]),
        outside,
        lambda w, cells: w.sum(axis=1) @ cells.T,
        terms=flat.shape[1] * len(kept),
        products=flat.size * outside.shape[0],
    )
    return multiply(sums, from_cells([value], ()))


def _conv_transpose(layer: ConvTranspose, shape: Index) -> AffineMap:
    turned = correlation(layer)
    axes = transposed_axes(layer, shape[1:])
    found = (layer.out_channels, *(axis.size for axis in axes))
    places = []
    for number, (length, axis) in enumerate(zip(shape[1:], axes, strict=True)):
        _refuse_wide(layer, length, layer.kernel_size[number])
        stamps = np.arange(length) * layer.stride[number] - axis.padding[0]
        taps = np.arange(layer.kernel_size[number]) * layer.dilation[number]
        places.append(FILLED["zeros"](np.add.outer(stamps, taps), axis.size))
    windows = _Windows(turned, places, found[1:], (shape, found))
    columns, rows, picks = windows.places()
    values = _picked(windows.weight, picks)
    return from_entries(shape, found, rows, columns, values, _channel_bias(layer, found))


def _picked(weight: ExactArray, picks: Places) -> ExactArray:
    return weight.rearranged(lambda cells: cells.reshape(-1)[picks])


def _channel_bias(layer: Conv | ConvTranspose, shape: Index) -> ExactArray:
    if not isinstance(layer.bias, ExactArray):
        return zeros(shape)
    column = layer.bias.reshape((shape[0], *(1,) * (len(shape) - 1)))
    return column.rearranged(lambda cells: np.broadcast_to(cells, shape))


# --- layers that treat each axis and channel alone ----------------------------------------------


def _axis_map(shares: Shares, length: int) -> AffineMap:
    """The map along one axis of `length` cells."""
    count = sum(map(len, shares))
    refuse_large("one axis", (length,), (len(shares),), count)
    rows = np.repeat(np.arange(len(shares)), [len(mixed) for mixed in shares])
    columns = np.array([place for mixed in shares for place, _ in mixed], dtype=np.int64)
    values = from_cells((share for mixed in shares for _, share in mixed), (count,))
    return from_entries((length,), (len(shares),), rows, columns, values, zeros((len(shares),)))


def _axis_by_axis(shares: Sequence[Shares], shape: Index, scale: Fraction = Fraction(1)) -> AffineMap:
    """Every channel alone, and each spatial axis after the other; all of it times `scale`."""
    total = diagonal((shape[0],), from_cells([scale] * shape[0], (shape[0],)))
    spatial: AffineMap | None = None
    for axis, length in zip(shares, shape[1:], strict=True):
        found = _axis_map(axis, length)
        spatial = found if spatial is None else spatial.times(found)
    return total if spatial is None else total.times(spatial)


def _one_channel(shape: Index) -> RationalArray:
    return zeros((1, 1, *shape[1:]))


def _avg_pool(layer: AvgPool, shape: Index) -> AffineMap:
    work = AvgPoolWork(layer, [_one_channel(shape)])
    shares: list[Shares] = []
    for axis, counts in enumerate(work.divisors):
        regions = (work.region((*(0,) * axis, place))[axis] for place in range(len(counts)))
        shares.append(
            [
                [(cell, Fraction(1, 1 if layer.divisor_override else count)) for cell in region]
                for region, count in zip(regions, counts, strict=True)
            ]
        )
    return _axis_by_axis(shares, shape, Fraction(1, layer.divisor_override or 1))


def _whole_avg(layer: AdaptiveAvgPool | GlobalAvgPool, shape: Index) -> AffineMap:
    edges = WholeAvgWork(layer, [_one_channel(shape)]).edges
    return _axis_by_axis(
        [[[(cell, Fraction(1, len(region))) for cell in region] for region in axis] for axis in edges], shape
    )


def _upsample(layer: Upsample, shape: Index) -> AffineMap:
    work = UpsampleWork(layer, [_one_channel(shape)])
    return _axis_by_axis([work.sources(axis) for axis in range(len(shape) - 1)], shape)


def _pad(layer: Pad, shape: Index) -> AffineMap:
    axes = padded_axes(layer, shape[1:])
    fill = FILLED[layer.padding_mode]
    whole: AffineMap | None = None
    outside = np.zeros((1,) * len(axes), dtype=bool)
    for number, (length, axis) in enumerate(zip(shape[1:], axes, strict=True)):
        places = fill(np.arange(axis.size) - axis.padding[0], length)
        rows = np.flatnonzero(places >= 0)
        ones = RationalArray(np.ones(len(rows), dtype=np.int64))
        found = from_entries((length,), (axis.size,), rows, places[rows], ones, zeros((axis.size,)))
        whole = found if whole is None else whole.times(found)
        outside = outside | (places < 0).reshape([-1 if n == number else 1 for n in range(len(axes))])
    assert whole is not None  # noqa: S101 - feature maps have an axis; tells the type checker
    whole = identity((shape[0],)).times(whole)
    if not layer.padding_value:
        return whole
    filled = np.broadcast_to(outside, whole.output_shape).astype(np.int64)
    bias = multiply(RationalArray(filled), from_cells([layer.padding_value], ()))
    return AffineMap(shape, whole.output_shape, whole.rows, whole.columns, whole.values, bias)


# --- the others -------------------------------------------------------------------------------


def _linear(layer: Linear, shape: Index) -> AffineMap:
    if layer.weight is None:
        raise InputError("Linear: it has no weights, only sizes; give weights of shape (out, in)")
    weight, features = layer.weight, layer.out_features
    found = (*shape[:-1], features)
    lead = math.prod(shape[:-1])
    rows, columns = np.nonzero(nonzero(weight))
    refuse_large("Linear", shape, found, lead * len(rows))
    values = weight.rearranged(lambda cells: np.tile(cells[rows, columns], lead))
    bias: ExactArray = zeros(found)
    if isinstance(layer.bias, ExactArray):
        bias = layer.bias.rearranged(lambda cells: np.broadcast_to(cells, found))
    first = np.arange(lead)
    return from_entries(
        shape,
        found,
        np.add.outer(first * features, rows).reshape(-1),
        np.add.outer(first * shape[-1], columns).reshape(-1),
        values,
        bias,
    )


def channel_scales(layer: BatchNorm, channels: int) -> tuple[list[Exact], list[Exact]]:
    """What batch normalisation multiplies each channel by, and what it adds: ``x·w/√(var + eps) + …``.

    Exact: a root that is no ratio stays a formula.
    """
    work = BatchNormWork(layer, [zeros((1, channels, 1))])
    scales, shifts = [], []
    for channel in range(channels):
        mean, deviation, weight, bias = work.channel_terms(channel)
        root = lift(deviation)
        # 1/√v is √v/v, so the factor is a polynomial in √v.
        inverse = 1 / root if isinstance(root, Fraction) else root * (1 / work.variance(channel))
        scale = lift(weight) * inverse
        scales.append(lower(scale))
        shifts.append(lower(lift(bias) - lift(mean) * scale))
    return scales, shifts


def _batch_norm(layer: BatchNorm, shape: Index) -> AffineMap:
    scales, shifts = channel_scales(layer, shape[0])
    cells = math.prod(shape[1:])
    refuse_large("BatchNorm", shape, shape, shape[0] * cells)

    def spread(numbers: list[Exact]) -> ExactArray:
        return from_cells(numbers, (len(numbers),)).rearranged(lambda column: np.repeat(column, cells))

    linear = diagonal(shape, spread(scales))
    return AffineMap(shape, shape, linear.rows, linear.columns, linear.values, spread(shifts).reshape(shape))


def _flatten(layer: Flatten, shape: Index) -> AffineMap:
    return identity(shape, output_shape(layer, [shape]).shape)


def _unchanged(layer: Layer, shape: Index) -> AffineMap:  # noqa: ARG001 - a maker's signature
    return identity(shape)


AFFINE: dict[type[Layer], Maker] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    AvgPool: _avg_pool,
    AdaptiveAvgPool: _whole_avg,
    GlobalAvgPool: _whole_avg,
    Linear: _linear,
    BatchNorm: _batch_norm,
    Flatten: _flatten,
    Pad: _pad,
    Upsample: _upsample,
    Identity: _unchanged,
    Dropout: _unchanged,
}
