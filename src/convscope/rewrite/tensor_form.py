"""Linear layers as sums of products, one factor an axis, valid for inputs of every size.

y[o, …] = Σ w[o, c, t₁, …] · M¹_{t₁} ⊗ M²_{t₂} ⊗ … x[c, …] + biases, where each M is a map along one axis
(`axis_steps`) for every length. A convolution has one M for each tap of an axis, an average pool one, a
chain the products of its layers'. Biases are the same with vectors for matrices: what a border made of
zeros leaves of an earlier layer's bias depends on the place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, RationalArray, from_cells, from_table
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, Padding
from convscope.core.number import Exact
from convscope.core.pointwise import Dropout, Identity
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from convscope.core.structural import BatchNorm, Pad, Upsample
from convscope.errors import UnsupportedError
from convscope.rewrite.affine import channel_scales
from convscope.rewrite.axis_steps import AxisMap, AxisStep
from convscope.rules.shape import check_channels, output_shape
from convscope.worked.arithmetic import Numbers, bilinear, multiply
from convscope.worked.convolution import weights_of

Maps = tuple[tuple[AxisMap, ...], ...]
Passed = tuple[tuple[AxisStep, ...], ...]
# Half a gigabyte of weights; more is refused before memory is asked for.
MAX_WEIGHTS = 2**26
MAX_MAPS = 400


@dataclass(frozen=True, eq=False)
class Term:
    """Weights ``(channels…, t₁, t₂, …)``, and for each axis the maps that t counts."""

    weight: ExactArray
    maps: Maps

    def merged(self, lead: int) -> Term:
        """The same with each map once; `lead` is the number of channel axes."""
        weight, maps = self.weight, []
        for axis in self.maps:
            distinct = {one: place for place, one in enumerate(dict.fromkeys(axis))}
            maps.append(tuple(distinct))
            chosen = np.zeros((len(axis), len(distinct)), dtype=np.int64)
            chosen[np.arange(len(axis)), [distinct[one] for one in axis]] = 1
            if len(distinct) == len(axis):
                weight = weight.rearranged(lambda cells: np.moveaxis(cells, lead, -1))
                continue
            weight = bilinear(
                weight,
                RationalArray(chosen),
                lambda numbers, columns: np.tensordot(numbers, columns, axes=([lead], [0])),
                terms=len(axis),
                products=weight.size * len(distinct),
            )
        return Term(weight, tuple(maps))


@dataclass(frozen=True, eq=False)
class TensorForm:
    """A linear layer, or several in order.

    Attributes:
        linear: weights (out, in, t₁, …) with a matrix for each t.
        biases: weights (out, t₁, …) with a vector for each t.
        passed: for each axis, steps that lead to the output's length.
    """

    linear: Term
    biases: tuple[Term, ...]
    passed: Passed

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.linear.weight.shape[0]

    def then(self, layer: Layer) -> TensorForm:
        """The form followed by a layer.

        Raises:
            UnsupportedError: a layer that has no such form, or weights too many to multiply out.
            ShapeError: channels that do not fit.
        """
        if type(layer) not in FORMS:
            raise UnsupportedError(f"{type(layer).__name__} has no form for every size")
        rank = len(self.passed)
        found: _Layer | None = FORMS[type(layer)](layer.for_rank(rank), self.channels, rank)
        if found is None:
            return self
        passed = tuple(
            AxisMap(first[:1]).after(AxisMap(steps)).steps if first else steps
            for steps, first in zip(self.passed, found.steps, strict=True)
        )
        maps = tuple(tuple(AxisMap((step,)) for step in axis) or (AxisMap(()),) for axis in found.steps)
        linear = _applied(found.weight, maps, self.linear, channel_axes=2)
        biases = [_applied(found.weight, maps, term, channel_axes=1) for term in self.biases]
        # What is added to every output cell, and what a constant border adds through each tap.
        whole = tuple((AxisMap(steps, len(steps)),) for steps in passed)
        if found.bias is not None:
            biases.append(Term(found.bias.reshape((-1, *(1,) * rank)), whole))
        if found.fill:
            biases += self._from_border(found, maps, whole)
        return TensorForm(linear, tuple(biases), passed)

    def _from_border(self, found: _Layer, maps: Maps, whole: Maps) -> list[Term]:
        """A constant beyond the border: through every tap, less what the taps inside would give."""
        weight = found.weight
        rank = len(maps)
        one = RationalArray(np.ones((), dtype=np.int64))
        summed = bilinear(
            weight, one, lambda w, factor: w.sum(axis=1) * factor, terms=weight.shape[1], products=weight.size
        )
        inside = multiply(summed, from_cells([-found.fill], ()))
        axes = tuple(range(1, 1 + rank))
        total = bilinear(
            summed,
            from_cells([found.fill], ()),
            lambda w, factor: w.sum(axis=axes, keepdims=True) * factor,
            terms=math.prod(summed.shape[1:]),
            products=summed.size,
        )
        of_ones = tuple(
            tuple(one_map.of_ones(steps) for one_map in axis)
            for axis, steps in zip(maps, self.passed, strict=True)
        )
        return [Term(total, whole), Term(inside, of_ones)]


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer: weights (out, in, t₁, …), the steps that t counts, and what is added.

    An axis without steps is left as it is.
    """

    weight: ExactArray
    steps: tuple[tuple[AxisStep, ...], ...]
    bias: ExactArray | None = None
    fill: Fraction = Fraction(0)


def _applied(weight: ExactArray, maps: Maps, inner: Term, *, channel_axes: int) -> Term:
    """A layer's weights and maps after a term: channels are summed over, maps multiplied out."""
    outer_taps, inner_taps = weight.shape[2:], inner.weight.shape[channel_axes:]
    lead = (weight.shape[0], *inner.weight.shape[1:channel_axes])
    sizes = [a * b for a, b in zip(outer_taps, inner_taps, strict=True)]
    count = math.prod(lead) * math.prod(sizes)
    if count > MAX_WEIGHTS or max(sizes) > MAX_MAPS:
        raise UnsupportedError(
            f"the layers multiplied out have {count} weights; up to {MAX_WEIGHTS} are kept"
        )
    rank, kept = len(sizes), len(lead)

    def contracted(outer: Numbers, first: Numbers) -> Numbers:
        # (out, taps…) and (in…, taps…), brought to (out, in…, outer tap, inner tap of each axis).
        product = np.tensordot(outer, first, axes=([1], [0]))
        order = [0, *(1 + rank + i for i in range(kept - 1))]
        for axis in range(rank):
            order += [1 + axis, rank + kept + axis]
        return np.ascontiguousarray(product.transpose(order)).reshape((*lead, *sizes))

    found = bilinear(
        weight, inner.weight, contracted, terms=weight.shape[1], products=count * weight.shape[1]
    )
    joined = tuple(
        tuple(outer.after(first) for outer in outer_axis for first in inner_axis)
        for outer_axis, inner_axis in zip(maps, inner.maps, strict=True)
    )
    return Term(found, joined).merged(kept)


def start(channels: int, rank: int) -> TensorForm:
    """No layer at all on feature maps of so many channels and spatial axes."""
    if channels * channels > MAX_WEIGHTS:
        raise UnsupportedError(f"{channels} channels are too many to compare for every size")
    weight = RationalArray(np.eye(channels, dtype=np.int64).reshape((channels, channels, *(1,) * rank)))
    return TensorForm(Term(weight, ((AxisMap(()),),) * rank), (), ((),) * rank)


def tensor_form(layers: Sequence[Layer], channels: int, rank: int) -> TensorForm:
    """Layers in order as one form.

    Raises:
        UnsupportedError: a layer that has no such form, or weights too many to multiply out.
        ShapeError: channels or ranks that do not fit.
        InputError: a layer without weights.
    """
    form = start(channels, rank)
    for layer in layers:
        form = form.then(layer)
    return form


# --- one layer --------------------------------------------------------------------------------


def _dense(weight: ExactArray, groups: int, into: int) -> ExactArray:
    """Weights (out, in/groups, …) as (out, in, …), zeros between unlike groups."""
    if groups == 1:
        return weight
    out, own = weight.shape[:2]
    if out * into * math.prod(weight.shape[2:]) > MAX_WEIGHTS:
        raise UnsupportedError(f"{out}×{into} channels in groups are too many to write out")
    values, codes = weight.table()
    whole = np.full((out, into, *weight.shape[2:]), len(values), dtype=np.int64)
    for group in range(groups):
        rows = slice(group * (out // groups), (group + 1) * (out // groups))
        whole[rows, group * own : (group + 1) * own] = codes[rows]
    return from_table([*values, Fraction(0)], whole)


def _turned(layer: Conv | ConvTranspose) -> ExactArray:
    weight = weights_of(layer)
    axes = tuple(range(2, weight.ndim))
    return weight.rearranged(lambda cells: np.flip(cells, axes)) if layer.flip else weight


def _bias(layer: Conv | ConvTranspose) -> ExactArray | None:
    return layer.bias if isinstance(layer.bias, ExactArray) else None


def _conv(layer: Conv, channels: int, rank: int) -> _Layer:
    check_channels(layer, channels)
    weight = _dense(_turned(layer), layer.groups, channels)
    steps = tuple(
        tuple(AxisStep(alone, tap) for tap in range(layer.kernel_size[axis]))
        for axis, alone in enumerate(_conv_axis(layer, axis) for axis in range(rank))
    )
    return _Layer(weight, steps, _bias(layer), layer.padding_value)


def _axis_padding(padding: Padding, axis: int) -> Any:  # noqa: ANN401 - as constructors read it
    return padding if isinstance(padding, str) else [padding[axis]]


def _conv_axis(layer: Conv, axis: int) -> Conv:
    return Conv(
        kernel_size=(layer.kernel_size[axis],),
        out_channels=1,
        stride=(layer.stride[axis],),
        padding=_axis_padding(layer.padding, axis),
        dilation=(layer.dilation[axis],),
        padding_mode=layer.padding_mode,
    )


def _conv_transpose(layer: ConvTranspose, channels: int, rank: int) -> _Layer:
    check_channels(layer, channels)
    # (in, out/groups, …): each group's block is turned so that it reads (out, in/groups, …).
    weight, groups = _turned(layer), layer.groups
    own = weight.shape[0] // groups

    def turned(cells: Numbers) -> Numbers:
        split = cells.reshape((groups, own, *cells.shape[1:])).swapaxes(1, 2)
        return np.ascontiguousarray(split).reshape((layer.out_channels, own, *cells.shape[2:]))

    dense = _dense(weight.rearranged(turned), groups, channels)
    alone = [
        ConvTranspose(
            kernel_size=(layer.kernel_size[axis],),
            out_channels=1,
            stride=(layer.stride[axis],),
            padding=[layer.padding[axis]],
            output_padding=(layer.output_padding[axis],),
            dilation=(layer.dilation[axis],),
        )
        for axis in range(rank)
    ]
    steps = tuple(
        tuple(AxisStep(alone[axis], tap) for tap in range(layer.kernel_size[axis])) for axis in range(rank)
    )
    return _Layer(dense, steps, _bias(layer))


def _channelwise(factors: Sequence[Exact], rank: int) -> ExactArray:
    """Each channel times its factor: weights (C, C, 1, …)."""
    count = len(factors)
    codes = np.full((count, count), count, dtype=np.int64)
    np.fill_diagonal(codes, np.arange(count))
    return from_table([*factors, Fraction(0)], codes.reshape((count, count, *(1,) * rank)))


def _avg_pool(layer: AvgPool, channels: int, rank: int) -> _Layer:
    # A divisor of its own is one number for the whole window, not one an axis.
    own = layer.divisor_override
    alone = [
        AvgPool(
            (layer.kernel_size[axis],),
            (layer.stride[axis],),
            _axis_padding(layer.padding, axis),
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
            divisor_override=None if own is None else 1,
            dilation=(layer.dilation[axis],),
        )
        for axis in range(rank)
    ]
    factor = Fraction(1, own or 1)
    return _Layer(_channelwise([factor] * channels, rank), tuple((AxisStep(axis),) for axis in alone))


def _whole_avg(layer: AdaptiveAvgPool | GlobalAvgPool, channels: int, rank: int) -> _Layer:
    sizes = layer.output_size if isinstance(layer, AdaptiveAvgPool) else (1,) * rank
    steps = tuple((AxisStep(AdaptiveAvgPool((size,))),) for size in sizes)
    return _Layer(_channelwise([Fraction(1)] * channels, rank), steps)


def _pad(layer: Pad, channels: int, rank: int) -> _Layer:
    steps = tuple(
        (AxisStep(Pad([layer.padding[axis]], layer.padding_mode, layer.padding_value)),)
        for axis in range(rank)
    )
    return _Layer(_channelwise([Fraction(1)] * channels, rank), steps, fill=layer.padding_value)


def _upsample(layer: Upsample, channels: int, rank: int) -> _Layer:
    mode = "nearest" if layer.mode == "nearest" else "linear"
    steps = []
    for axis in range(rank):
        size = None if layer.size is None else (layer.size[axis],)
        factor = None if layer.scale_factor is None else (layer.scale_factor[axis],)
        steps.append((AxisStep(Upsample(size, factor, mode, layer.align_corners)),))
    return _Layer(_channelwise([Fraction(1)] * channels, rank), tuple(steps))


def _batch_norm(layer: BatchNorm, channels: int, rank: int) -> _Layer:
    if layer.num_features not in (None, channels):
        output_shape(layer, [(channels, *(1,) * rank)])  # says what does not fit
    scales, shifts = channel_scales(layer, channels)
    return _Layer(_channelwise(scales, rank), ((),) * rank, from_cells(shifts, (channels,)))


def _unchanged(_layer: Layer, _channels: int, _rank: int) -> None:
    return None


FORMS: dict[type[Layer], Callable[[Any, int, int], _Layer | None]] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    AvgPool: _avg_pool,
    AdaptiveAvgPool: _whole_avg,
    GlobalAvgPool: _whole_avg,
    Pad: _pad,
    Upsample: _upsample,
    BatchNorm: _batch_norm,
    Identity: _unchanged,
    Dropout: _unchanged,
}
