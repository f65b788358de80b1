"""`as_conv`: a linear layer as the convolution that does the same, by one table from layer type to rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, text
from convscope.core.layer import Layer, Pair, option_integer
from convscope.core.pointwise import Dropout, Identity
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.core.windowed import window_extent
from convscope.errors import InputError, UnsupportedError
from convscope.rewrite.affine import Chain, as_chain, channel_scales, inner_shape, layer_map
from convscope.rewrite.affine_map import Index, told_shape
from convscope.rewrite.border import Border, border_between, sample_lengths
from convscope.rewrite.conv_parts import Draft, Place, conv_of, depthwise, ones, unit
from convscope.rewrite.conv_stamps import transposed, upsampling
from convscope.rewrite.rewritten import Rewritten, chain_words
from convscope.rules.shape import output_shape
from convscope.rules.window import window_axes
from convscope.worked.convolution import weights_of
from convscope.worked.views import array_views


def as_conv(
    layer: Chain, input_shape: Sequence[int] | None = None, *, channels: int | None = None
) -> Rewritten:
    """A linear layer written as a convolution.

    Args:
        layer: average pooling, batch normalisation, upsampling, padding, a linear layer, a linear layer
            after `Flatten`, padding before a window, a transposed convolution, a one-channel kernel that
            every channel is to be convolved with on its own (a blur-pool); or several of these in order.
        input_shape: without batch axis, ``(H, W)``, ``(C, H, W)`` and the like. Needed where the kernel
            depends on it: a linear layer after `Flatten`, global and adaptive pools, `ceil_mode`.
        channels: how many channels the convolution takes, where no `input_shape` says it; 1 when not
            given and the layer does not tell.

    Returns:
        A `Rewritten`: `layer` is the convolution, `layers` all that is needed (a `Flatten` after it, say),
        `border` the cells in which it differs from the layer, None where it is equal everywhere.

    Raises:
        UnsupportedError: a layer that is no convolution, such as a max pool.
        InputError: an input shape that is needed and not given; weights that are not there.
        ShapeError: shapes that do not fit.

    Source: Long, Shelhamer & Darrell, "Fully convolutional networks for semantic segmentation" (2015),
    section 3.1, for linear layers; Zhang, "Making convolutional networks shift-invariant again" (2019),
    section 3, for blur-pools.

    >>> as_conv(AvgPool(2)).layer
    Conv(kernel([[0.25, 0.25], [0.25, 0.25]], name='uniform'), stride=2)
    """
    chain = as_chain(layer)
    if not chain:
        raise InputError("as_conv needs a layer, such as AvgPool(2)")
    place = _place(chain, input_shape, channels)
    layers: list[Layer] = []
    steps: list[Step] = []
    now = place
    for part in _parts(chain):
        drafted, told = _draft(part, now)
        layers += drafted
        steps += told
        now = _after(drafted, now)
    shape = None if input_shape is None else inner_shape(chain, input_shape)
    border = _border(chain, tuple(layers), place, shape)
    title = text(f"As a convolution: {chain_words(chain)}")
    return Rewritten(title, chain, tuple(layers), tuple(steps), border)


def _place(chain: tuple[Layer, ...], input_shape: Sequence[int] | None, channels: int | None) -> Place:
    if input_shape is not None:
        shape = inner_shape(chain, input_shape)
        if channels is not None and channels != shape[0]:
            raise InputError(f"channels={channels} but input_shape={tuple(input_shape)} has {shape[0]}")
        return Place(shape[0], max(len(shape) - 1, 1), shape[1:])
    if channels is not None:
        option_integer(chain[0], "channels", channels, least=1)
    told = next((n for layer in chain if (n := _channels_told(layer)) is not None), 1)
    rank = next((r for layer in chain if (r := getattr(layer, "rank", None)) is not None), 2)
    return Place(channels or told, rank, None)


def _channels_told(layer: Layer) -> int | None:
    if isinstance(layer, BatchNorm):
        return layer.num_features
    return layer.in_channels if isinstance(layer, Conv | ConvTranspose) else None


def _parts(chain: tuple[Layer, ...]) -> list[tuple[Layer, ...]]:
    """The layers in groups that are rewritten as one: `Flatten` with `Linear`, `Pad` with a window."""
    groups: list[tuple[Layer, ...]] = []
    for layer in chain:
        joined = (*groups[-1], layer) if groups else (layer,)
        if len(joined) == 2 and (type(joined[0]), type(layer)) in PAIRS:
            groups[-1] = joined
        else:
            groups.append((layer,))
    return groups


def _draft(part: tuple[Layer, ...], place: Place) -> Draft:
    if len(part) == 2:
        return PAIRS[type(part[0]), type(part[1])](*part, place)
    (layer,) = part
    rule = AS_CONV.get(type(layer))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in AS_CONV)
        raise UnsupportedError(f"{type(layer).__name__} is not a convolution; these are: {known}")
    if place.spatial == () and not isinstance(layer, Linear):
        raise UnsupportedError(
            f"{type(layer).__name__}: a vector of {place.channels} features has no axis for a window to "
            "slide along; give input_shape with spatial axes, such as (channels, 1, 1)"
        )
    return rule(layer.for_rank(place.rank), place)


def _after(drafted: Sequence[Layer], place: Place) -> Place:
    """What is known of the input of the next layer."""
    channels, spatial = place.channels, place.spatial
    if spatial is not None:
        # A vector is to the window of a linear layer a line of one channel.
        shape = (channels, *spatial) if spatial else (1, channels)
        for layer in drafted:
            shape = output_shape(layer, [shape]).shape
        return Place(shape[0], max(len(shape) - 1, 1), shape[1:])
    for layer in drafted:
        channels = layer.out_channels if isinstance(layer, Conv | ConvTranspose) else channels
    return Place(channels, place.rank, None)


# --- the border -------------------------------------------------------------------------------


def _border(
    chain: tuple[Layer, ...], layers: tuple[Layer, ...], place: Place, shape: Index | None
) -> Border | None:
    """Where the convolution differs: only pools that do not count their padding can."""
    pools = [layer for layer in chain if isinstance(layer, AvgPool)]
    if all(_counts_alike(pool) for pool in pools):
        return None
    if shape is None:
        shape = (place.channels, *sample_lengths(chain, place.rank))
    total, other = layer_map(chain[0], shape), layer_map(layers[0], shape)
    for layer in chain[1:]:
        total = layer_map(layer, total.output_shape).after(total)
    for layer in layers[1:]:
        other = layer_map(layer, other.output_shape).after(other)
    return border_between(total, other)


def _counts_alike(pool: AvgPool) -> bool:
    """True for a pool that divides every window by the same number."""
    if pool.divisor_override is not None:
        return True
    padded = pool.padding == "same" or any(any(pair) for pair in pool.padding)
    return not pool.ceil_mode and (pool.count_include_pad or not padded)


# --- one layer ------------------------------------------------------------------------------


def _avg_pool(layer: AvgPool, place: Place) -> Draft:
    count = layer.divisor_override or math.prod(layer.kernel_size)
    taps = ones(layer.kernel_size, count)
    padding: Any = layer.padding
    if layer.ceil_mode:
        padding = _reached(layer, place)
    conv = conv_of(
        depthwise(taps, place.channels),
        "uniform",
        stride=layer.stride,
        padding=padding,
        dilation=layer.dilation,
        groups=place.channels,
    )
    told = text(
        "The mean of a window is the sum of its cells, each times ",
        Fraction(1, count),
        ": a kernel whose taps are all ",
        Fraction(1, count),
        f", with the window's stride{_each_channel(place)}.",
    )
    return (conv,), (Step(told, array_views(taps, text("Kernel"))),)


def _reached(layer: AvgPool, place: Place) -> tuple[Pair, ...]:
    """The padding, lengthened after the end as far as the last window hangs over (ceil mode)."""
    lengths = place.lengths(layer, "with ceil_mode its last window hangs over as far as the size says")
    reached = []
    for axis, (n, found) in enumerate(zip(lengths, window_axes(layer, lengths), strict=True)):
        extent = window_extent(layer.kernel_size[axis], layer.dilation[axis])
        end = (found.size - 1) * layer.stride[axis] + extent
        # Exactly so far that the sizes agree, rounded down.
        reached.append((found.padding[0], max(end - n - found.padding[0], 0)))
    return tuple(reached)


def _each_channel(place: Place) -> str:
    return f", each of the {place.channels} channels on its own" if place.channels > 1 else ""


def _whole_pool(layer: AdaptiveAvgPool | GlobalAvgPool, place: Place) -> Draft:
    lengths = place.lengths(layer, "its window is as long as the input")
    counts = layer.output_size if isinstance(layer, AdaptiveAvgPool) else (1,) * place.rank
    if any(length % count for length, count in zip(lengths, counts, strict=True)):
        raise UnsupportedError(
            f"{type(layer).__name__}: {told_shape(lengths)} cells do not split into {told_shape(counts)} "
            "windows of one size, so no single kernel gives their means"
        )
    size = tuple(length // count for length, count in zip(lengths, counts, strict=True))
    return _avg_pool(AvgPool(size), place)


def _batch_norm(layer: BatchNorm, place: Place) -> Draft:
    scales, shifts = channel_scales(layer, place.channels)
    weight = from_cells(scales, (len(scales), 1, *(1,) * place.rank))
    bias = from_cells(shifts, (len(shifts),))
    conv = conv_of(weight, bias=bias, groups=place.channels)
    told = text(
        "With stored statistics every channel is multiplied by weight / √(var + eps), and bias − mean times "
        "that is added: a kernel of one tap for each channel."
    )
    views = (*array_views(bias.reshape((1, bias.size)), text("Biases")),)
    factors = array_views(weight.reshape((1, weight.size)), text("Taps, one a channel"))
    return (conv,), (Step(told, (*factors, *views)),)


def _identity(layer: Identity | Dropout, place: Place) -> Draft:  # noqa: ARG001 - a rule's signature
    conv = conv_of(depthwise(unit(place.rank), place.channels), groups=place.channels)
    return (conv,), (Step(text("A kernel whose only tap is 1 leaves every cell as it is.")),)


def _pad(layer: Pad, place: Place) -> Draft:
    conv = conv_of(
        depthwise(unit(place.rank), place.channels),
        padding=layer.padding,
        groups=place.channels,
        padding_mode=layer.padding_mode,
        padding_value=layer.padding_value,
    )
    return (conv,), (Step(text("Padding before a kernel whose only tap is 1.")),)


def _convolution(layer: Conv, place: Place) -> Draft:
    weight = weights_of(layer)
    if layer.in_channels in (None, place.channels) or weight.shape[:2] != (1, 1):
        return (layer,), (Step(text("It is a convolution already.")),)
    taps = weight[0, 0]
    bias = layer.bias
    conv = Conv(
        depthwise(taps, place.channels),
        bias=bias.rearranged(lambda cells: np.repeat(cells, place.channels))
        if isinstance(bias, ExactArray)
        else None,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=place.channels,
        padding_mode=layer.padding_mode,
        padding_value=layer.padding_value,
        flip=layer.flip,
    )
    told = text(
        f"The kernel is for one channel; here each of the {place.channels} channels is convolved with it on "
        "its own: a depthwise convolution."
    )
    return (conv,), (Step(told, array_views(taps, text("Kernel of every channel"))),)


# --- linear layers ----------------------------------------------------------------------------


def _linear(layer: Linear, place: Place) -> Draft:
    if place.spatial is not None and place.spatial != ():
        raise UnsupportedError(
            f"Linear: on an input of {place.channels}×{told_shape(place.spatial)} cells it acts along the "
            "last axis alone, which is no convolution; put Flatten before it, or give input_shape=(features,)"
        )
    weight = _linear_weight(layer)
    conv = Conv(weight.reshape((weight.shape[0], 1, weight.shape[1])), bias=_linear_bias(layer))
    told = text(
        f"Each output is the sum of all {weight.shape[1]} inputs, each times its weight: a window as long as "
        f"the input, and {weight.shape[0]} kernels. (With the inputs as channels of one cell it is the 1×1 "
        "convolution with the same weights.)"
    )
    return (conv, Flatten()), (Step(told, array_views(weight, text("Weights, one row a kernel"))),)


def _linear_weight(layer: Linear) -> ExactArray:
    if layer.weight is None:
        raise InputError("Linear: it has no weights, only sizes; give weights of shape (out, in)")
    return layer.weight


def _linear_bias(layer: Linear) -> ExactArray | None:
    return layer.bias if isinstance(layer.bias, ExactArray) else None


def _flat_linear(flatten: Flatten, layer: Linear, place: Place) -> Draft:
    spatial = place.lengths(layer, "the kernel of a linear layer after Flatten is as large as the input")
    shape = (place.channels, *spatial)
    if output_shape(flatten, [shape]).shape != (math.prod(shape),):
        raise UnsupportedError(f"{flatten!r} leaves several axes, so the linear layer is no single window")
    output_shape(layer, [(math.prod(shape),)])
    weight = _linear_weight(layer)
    folded = weight.reshape((weight.shape[0], *shape))
    conv = Conv(folded, bias=_linear_bias(layer))
    told = text(
        f"Flatten lays the {told_shape(shape)} cells out row by row, so each row of weights, folded back "
        f"into {told_shape(shape)}, is a kernel as large as the input. It fits in one place: the output has "
        "one cell for each kernel."
    )
    views: tuple[Block, ...] = array_views(folded, text("Weights folded back, (kernel, channel)"))
    return (conv, Flatten()), (Step(told, views),)


# --- padding before a window ------------------------------------------------------------------


# Modes in which padding of padded cells is more padding.
ADDING_UP = ("zeros", "constant", "replicate")


def _padded_window(pad: Pad, layer: Conv | AvgPool, place: Place) -> Draft:
    """The padding as the window's own."""
    pad = pad.for_rank(place.rank)
    (inner, *rest), steps = _draft((layer,), _after((pad,), place))
    assert isinstance(inner, Conv)  # noqa: S101 - both rules give one; tells the type checker
    inner = inner.for_rank(place.rank)
    same = inner.padding_mode == pad.padding_mode and inner.padding_value == pad.padding_value
    bare = inner.padding != "same" and not any(any(pair) for pair in inner.padding)
    twice = same and pad.padding_mode in ADDING_UP and inner.padding != "same"
    if inner.padding == "same" or not (bare or twice):
        drafted, told = _pad(pad, place)
        return (*drafted, inner, *rest), (*told, *steps)
    pairs = tuple(
        (before + more[0], after + more[1])
        for (before, after), more in zip(pad.padding, inner.padding, strict=True)
    )
    conv = Conv(
        inner.kernel or weights_of(inner),
        bias=inner.bias if isinstance(inner.bias, ExactArray) else None,
        stride=inner.stride,
        padding=pairs,
        dilation=inner.dilation,
        groups=inner.groups,
        padding_mode=pad.padding_mode,
        padding_value=pad.padding_value,
        flip=inner.flip,
    )
    return (conv, *rest), (*steps, Step(text("The padding before it becomes its own padding.")))


AS_CONV: dict[type[Layer], Callable[[Any, Place], Draft]] = {
    Conv: _convolution,
    ConvTranspose: transposed,
    AvgPool: _avg_pool,
    AdaptiveAvgPool: _whole_pool,
    GlobalAvgPool: _whole_pool,
    Linear: _linear,
    BatchNorm: _batch_norm,
    Upsample: upsampling,
    Pad: _pad,
    Identity: _identity,
    Dropout: _identity,
}
PAIRS: dict[tuple[type[Layer], type[Layer]], Callable[[Any, Any, Place], Draft]] = {
    (Flatten, Linear): _flat_linear,
    (Pad, Conv): _padded_window,
    (Pad, AvgPool): _padded_window,
}
