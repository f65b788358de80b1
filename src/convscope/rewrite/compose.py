"""`compose`: several convolutions as one, and the border where the one differs from the many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.array import MAX_CELLS, ExactArray
from convscope.core.convolution import Conv
from convscope.core.derivation import Step
from convscope.core.document import Block, Finding, MatrixRow, text
from convscope.core.layer import Layer, Pair
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rewrite.affine import Chain, affine_map, as_chain, inner_shape
from convscope.rewrite.affine_map import Index, nonzero, told_shape, zeros
from convscope.rewrite.as_conv import AS_CONV, as_conv
from convscope.rewrite.border import Border, border_between, border_of, sample_lengths
from convscope.rewrite.conv_parts import conv_of, refuse_wide
from convscope.rewrite.flip import correlation
from convscope.rewrite.rewritten import Rewritten, chain_words
from convscope.rules.shape import output_shape
from convscope.rules.window import window_axes
from convscope.worked.arithmetic import add, bilinear, concatenate
from convscope.worked.convolution import stamp, weights_of
from convscope.worked.views import array_views, matrix_view

# So many products of entries take about a second; beyond, the border is bounded by where windows reach.
MOST_BORDER_PRODUCTS = 2**26

# So many lengths are compared where strides may leave cells over at the end.
MOST_RESTS = 36
# Products of weights: some ten seconds' worth.
MOST_PRODUCTS = 2**33


def compose(*layers: Chain, input_shape: Sequence[int] | None = None) -> Rewritten:
    """Several convolutions, one after the other, as one.

    Strides multiply; taps of the second kernel lie a stride of the first apart; channels are summed
    over; biases go through the second kernel. Layers that `as_conv` writes as one convolution
    (average pools, batch normalisation, padding) may stand among them.

    Args:
        layers: two or more, in order.
        input_shape: without batch axis; the border is then told for this input. Needed where padding
            "same" depends on it. When not given, the border is told for an input that shows all of it.

    Returns:
        A `Rewritten` with one `Conv`. Its `border` is None where the one and the many are the same for
        every input; otherwise it holds exactly the cells in which they differ: padding between two
        layers pads the first one's output, which the one convolution cannot do.

    Raises:
        InputError: fewer than two layers; weights that are not there.
        ShapeError: channels or ranks that do not meet.
        UnsupportedError: a layer that is no convolution, such as an activation.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), for the sizes.

    >>> compose(Conv("1 1; 1 1"), Conv("1 2; 3 4")).layer
    Conv(kernel([[1, 3, 2], [4, 10, 6], [3, 7, 4]]))
    """
    chain = tuple(layer for part in layers for layer in as_chain(part))
    if len(chain) < 2:
        raise InputError(f"compose needs two convolutions or more, got {len(chain)}")
    shape = None if input_shape is None else inner_shape(chain, input_shape)
    convs, is_exact = _convolutions(chain, shape)
    one, steps = convs[0], _turned(chain)
    for number, conv in enumerate(convs[1:], start=2):
        one, step = _composed(one, conv, number)
        steps.append(step)
    border, where = _border(chain, convs, one, shape, is_exact=is_exact)
    steps.append(where)
    return Rewritten(text(f"As one convolution: {chain_words(chain)}"), chain, (one,), tuple(steps), border)


def _turned(chain: tuple[Layer, ...]) -> list[Step]:
    """That flipped kernels were rotated first, where there are any."""
    if not any(getattr(layer, "flip", False) for layer in chain):
        return []
    told = "Flipped kernels are rotated by 180° first; all that follows is cross-correlation."
    return [Step(text(told))]


# --- each layer as a convolution with plain options ------------------------------------------------


def _convolutions(chain: tuple[Layer, ...], shape: Index | None) -> tuple[list[Conv], bool]:
    """Every layer as one `Conv`, its padding in numbers, its kernel not flipped; and whether exactly so."""
    rank = next((r for layer in chain if (r := getattr(layer, "rank", None)) is not None), None)
    rank = rank if shape is None else len(shape) - 1
    channels = shape[0] if shape is not None else None
    found: list[Conv] = []
    is_exact = True
    for number, layer in enumerate(chain, start=1):
        told = channels if channels is not None else _channels_later(chain[number - 1 :])
        conv, same = _as_one(layer, number, shape, told, rank or 2)
        conv = correlation(conv.for_rank(rank or 2))
        is_exact = is_exact and same
        found.append(_padded_in_numbers(conv, number, shape))
        if conv.in_channels is not None and told is not None and conv.in_channels != told:
            raise ShapeError(
                f"layer {number}: the weights are for {conv.in_channels} input channels but the layer "
                f"before it gives {told}"
            )
        channels = conv.out_channels
        shape = None if shape is None else output_shape(found[-1], [shape]).shape
    return found, is_exact


def _channels_later(rest: Sequence[Layer]) -> int | None:
    """The channels that the next layer with weights takes."""
    return next((layer.in_channels for layer in rest if isinstance(layer, Conv)), None)


def _as_one(
    layer: Layer, number: int, shape: Index | None, channels: int | None, rank: int
) -> tuple[Conv, bool]:
    if isinstance(layer, Conv):
        weights_of(layer)
        return layer, True
    if type(layer) not in AS_CONV:
        raise UnsupportedError(
            f"layer {number}: {type(layer).__name__} is not a convolution, so it cannot be composed"
        )
    options: dict[str, Any] = {"input_shape": shape} if shape is not None else {"channels": channels}
    rewritten = as_conv(layer.for_rank(rank), **options)
    if len(rewritten.layers) == 1 and isinstance(rewritten.layers[0], Conv):
        return rewritten.layers[0], rewritten.is_exact
    raise UnsupportedError(f"layer {number}: {type(layer).__name__} is not one convolution; see as_conv")


def _padded_in_numbers(conv: Conv, number: int, shape: Index | None) -> Conv:
    if conv.padding != "same":
        return conv
    if shape is None and any(stride > 1 for stride in conv.stride):
        raise InputError(
            f"layer {number}: give input_shape, because padding='same' with a stride depends on it"
        )
    lengths = shape[1:] if shape is not None else conv.kernel_size
    pairs = tuple(axis.padding for axis in window_axes(conv, lengths))
    return _with(conv, padding=pairs)


def _with(conv: Conv, **changes: Any) -> Conv:  # noqa: ANN401 - a convolution's options
    names = ("stride", "padding", "dilation", "groups", "padding_mode", "padding_value", "flip")
    options = {name: getattr(conv, name) for name in names} | changes
    weight = options.pop("weight", conv.kernel or conv.weight)
    bias = options.pop("bias", conv.bias if isinstance(conv.bias, ExactArray) else None)
    return Conv(weight, bias=bias, **options)


# --- two as one -------------------------------------------------------------------------------


def _composed(first: Conv, second: Conv, number: int) -> tuple[Conv, Step]:
    if len(first.kernel_size) != len(second.kernel_size):
        raise ShapeError(
            f"layer {number}: its kernel has {len(second.kernel_size)} axes, those before it "
            f"{len(first.kernel_size)}"
        )
    groups = math.gcd(first.groups, second.groups)
    step = tuple(s * d for s, d in zip(first.stride, second.dilation, strict=True))
    dilation = tuple(map(_common, first.dilation, first.kernel_size, step, second.kernel_size))
    weight = _weights(first, second, groups, step, dilation)
    stride = tuple(map(math.prod, zip(first.stride, second.stride, strict=True)))
    padding = tuple(
        (p[0] + s * q[0], p[1] + s * q[1])
        for p, q, s in zip(_pairs(first), _pairs(second), first.stride, strict=True)
    )
    mode, value = _filling(first, second)
    conv = conv_of(
        weight,
        bias=_bias(first, second),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=mode,
        padding_value=value,
    )
    return conv, Step(_claim(first, second, conv), _kernels(first, second, conv))


def _common(dilation: int, size: int, step: int, other_size: int) -> int:
    """The distance that all taps of both kernels together are multiples of."""
    return math.gcd(dilation if size > 1 else 0, step if other_size > 1 else 0) or 1


def _pairs(conv: Conv) -> tuple[Pair, ...]:
    assert not isinstance(conv.padding, str)  # noqa: S101 - numbers by now; tells the type checker
    return conv.padding


def _weights(first: Conv, second: Conv, groups: int, step: Index, dilation: Index) -> ExactArray:
    """Each tap of the second kernel stamps the first kernel, scaled, `step` cells from its neighbours."""
    inner = _dense(weights_of(first), first.groups, groups)
    outer = _dense(weights_of(second), second.groups, groups)
    full = tuple(
        (d * (k - 1) + s * (m - 1)) // g + 1
        for d, k, s, m, g in zip(
            first.dilation, first.kernel_size, step, second.kernel_size, dilation, strict=True
        )
    )
    jumps = tuple(s // g if m > 1 else 1 for s, g, m in zip(step, dilation, second.kernel_size, strict=True))
    spreads = tuple(
        d // g if k > 1 else 1 for d, g, k in zip(first.dilation, dilation, first.kernel_size, strict=True)
    )
    middle = outer.shape[1]

    def stamped(w: Any, v: Any) -> Any:  # noqa: ANN401 - arrays of any dtype
        parts = []
        for group in range(groups):
            rows = w[group * (w.shape[0] // groups) : (group + 1) * (w.shape[0] // groups)]
            parts.append(stamp(rows, v[group * middle : (group + 1) * middle], 1, jumps, spreads, full))
        return np.concatenate(parts)

    refuse_wide((outer.shape[0], inner.shape[1], *full))
    products = outer.size * inner.shape[1] * math.prod(inner.shape[2:])
    if products > MOST_PRODUCTS:
        raise UnsupportedError(
            f"kernels of {told_shape(first.kernel_size)} and {told_shape(second.kernel_size)} taps take "
            f"{products:,} products to compose, which is too many; up to {MOST_PRODUCTS:,} are worked"
        )
    terms = middle * min(math.prod(inner.shape[2:]), math.prod(outer.shape[2:]))
    return bilinear(outer, inner, stamped, terms=terms, products=products)


def _dense(weight: ExactArray, groups: int, kept: int) -> ExactArray:
    """The weights of a convolution of more groups as one of `kept`: zeros between its groups."""
    if groups == kept:
        return weight
    out, per_group = weight.shape[0], weight.shape[1]
    wide = per_group * groups // kept

    def spread(cells: Any) -> Any:  # noqa: ANN401 - arrays of any dtype; places are counted from 1
        whole = np.zeros((out, wide, *cells.shape[2:]), dtype=np.int64)
        for channel in range(out):
            start = channel // (out // groups) * per_group % wide
            whole[channel, start : start + per_group] = cells[channel]
        return whole

    places = spread(1 + np.arange(weight.size).reshape(weight.shape))
    flat = concatenate([zeros((1,)), weight.reshape((weight.size,))], axis=0)
    return flat.rearranged(lambda cells: cells[places])


def _bias(first: Conv, second: Conv) -> ExactArray | None:
    own = second.bias if isinstance(second.bias, ExactArray) else None
    if not isinstance(first.bias, ExactArray):
        return own
    weight = _dense(weights_of(second), second.groups, 1)
    flat = weight.reshape((*weight.shape[:2], -1))
    through = bilinear(
        flat, first.bias, lambda w, b: w.sum(axis=2) @ b, terms=weight.size // weight.shape[0],
        products=weight.size,
    )  # fmt: skip
    return through if own is None else add(through, own)


def _filling(first: Conv, second: Conv) -> tuple[str, Any]:
    """The padding mode of the one: the first's where it pads at all."""
    pads = any(any(pair) for pair in _pairs(first))
    chosen = first if pads or not any(any(pair) for pair in _pairs(second)) else second
    return chosen.padding_mode, chosen.padding_value


# --- in words ---------------------------------------------------------------------------------


def _claim(first: Conv, second: Conv, conv: Conv) -> tuple[Any, ...]:
    sizes = f"{told_shape(first.kernel_size)} then {told_shape(second.kernel_size)}"
    whole = told_shape(conv.kernel_size)
    parts = [
        f"Kernels {sizes} make one of {whole}: every tap of the second stamps the first, times its weight"
    ]
    if any(s > 1 for s in first.stride):
        parts.append(f", {told_shape(first.stride)} cells apart, which is the first's stride")
    if first.out_channels > 1:
        parts.append(f", summed over the {first.out_channels} channels between them")
    parts.append(" (the full convolution of the two). Strides multiply")
    if any(any(pair) for pair in (*_pairs(first), *_pairs(second))):
        parts.append("; the second's padding, times the first's stride, is added to the first's")
    if isinstance(first.bias, ExactArray):
        parts.append("; the first's bias goes through the sum of the second's taps")
    return text("".join(parts) + ".")


def _kernels(first: Conv, second: Conv, conv: Conv) -> tuple[Block, ...]:
    arrays = [weights_of(layer) for layer in (first, second, conv)]
    if all(a.shape[:2] == (1, 1) and a.ndim <= 4 for a in arrays):
        captions = ("first", "second", "as one")
        views = tuple(matrix_view(a[0, 0], text(c)) for a, c in zip(arrays, captions, strict=True))
        return (MatrixRow(views, ("∗", "=")),)
    return array_views(arrays[2], text("Weights as one, (out, in)"))


def _border(
    chain: tuple[Layer, ...], convs: list[Conv], one: Conv, shape: Index | None, *, is_exact: bool
) -> tuple[Border | None, Step]:
    """Where the one differs, by the exact maps of both; and why."""
    if is_exact and not any(any(pair) for conv in convs[1:] for pair in _pairs(conv)):
        told = "Nothing is padded between them, so the one and the many are the same for every input."
        return None, Step((), (Finding("right", text(told)),))
    found = shape or (convs[0].in_channels or 1, *sample_lengths(convs, len(one.kernel_size)))
    if math.prod(found) > MAX_CELLS:
        raise ShapeError(
            f"an input that shows the whole border would have {told_shape(found)} cells, which is too many; "
            "use less padding, or give input_shape"
        )
    if _products(convs, found) > MOST_BORDER_PRODUCTS:
        border = border_of(_reached(convs, found), found, is_bound=True)
    else:
        tried = (found,) if shape else _with_rests(convs, found)
        exact = [
            differing
            for lengths in tried
            if (differing := border_between(affine_map(chain, lengths), affine_map(one, lengths))) is not None
        ]
        if not exact:
            whole = "On every input that leaves a window no rest, and with every rest,"
            told = whole if len(tried) > 1 else f"On an input of {told_shape(found)} cells"
            return None, Step((), (Finding("right", text(f"{told} the one and the many are the same.")),))
        border = max(exact, key=lambda found: sum(found.before) + sum(found.after))
    why = text(
        "Padding between two layers pads the first one's output; the one convolution pads the input only. "
        "So they differ where the second window reaches into that padding."
    )
    return border, Step(why)


def _with_rests(convs: list[Conv], shape: Index) -> tuple[Index, ...]:
    """That shape, and longer ones in which windows leave cells over at the end.

    The one convolution sees those cells when its window reaches into the padding; the many do not.
    """
    steps = [math.prod(axis) for axis in zip(*(conv.stride for conv in convs), strict=True)]
    rests = range(min(max(steps), MOST_RESTS))
    shapes = [(shape[0], *(n + rest % s for n, s in zip(shape[1:], steps, strict=True))) for rest in rests]
    return tuple(
        found for found in shapes
        if math.prod(found) <= MAX_CELLS and _products(convs, found) <= MOST_BORDER_PRODUCTS
    )  # fmt: skip


def _products(convs: list[Conv], shape: Index) -> int:
    """How many products the map of all layers takes: each layer's entries times the window before it."""
    total, window = 0, 1
    for conv in convs:
        shape = output_shape(conv, [shape]).shape
        entries = int(nonzero(weights_of(conv)).sum()) * math.prod(shape[1:])
        total += entries * window
        window *= weights_of(conv).size // conv.out_channels
    return total


def _reached(convs: list[Conv], shape: Index) -> npt.NDArray[np.bool_]:
    """The output cells whose windows reach, through all layers, into padding after the first."""
    lines = [np.zeros(length, dtype=bool) for length in shape[1:]]
    for number, conv in enumerate(convs):
        shape = output_shape(conv, [shape]).shape
        for axis, (line, count) in enumerate(zip(lines, shape[1:], strict=True)):
            before, after = _pairs(conv)[axis]
            padded = np.pad(line, (before, after), constant_values=number > 0)
            taps = np.arange(conv.kernel_size[axis]) * conv.dilation[axis]
            starts = np.arange(count) * conv.stride[axis]
            lines[axis] = np.asarray(padded[np.add.outer(starts, taps)].any(axis=1))
    mask = np.zeros(shape[1:], dtype=bool)
    for axis, line in enumerate(lines):
        mask |= line.reshape([-1 if other == axis else 1 for other in range(len(lines))])
    return mask
