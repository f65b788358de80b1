"""Keras layers as ours: one table from class name to rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.network import Shape, Weight
from convscope.core.operators import Elementwise, MatMul, Rearrange, Reduce, Unknown
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from convscope.core.structural import Linear, Pad, Upsample
from convscope.errors import InputError, ShapeError
from convscope.importers.keras_merges import MERGES
from convscope.importers.keras_norms import NORMS
from convscope.importers.keras_pointwise import POINTWISE, activated
from convscope.importers.keras_sequences import SEQUENCES
from convscope.importers.keras_values import Call, Held, NotKnownError, held_shape

Rule = Callable[[Call], Held | list[Held]]


def _rank(call: Call) -> int:
    """The spatial axes that a class is for: 2 for ``Conv2D``."""
    return next((n for n in (1, 2, 3) if f"{n}D" in call.kind), 2)


def _padding(call: Call, size: Sequence[int], dilation: Sequence[int]) -> Any:  # noqa: ANN401
    told = call.option("padding", "valid")
    if told == "causal":
        return [(d * (k - 1), 0) for k, d in zip(size, dilation, strict=True)]
    if told in ("same", "valid"):
        return told
    raise InputError(f"{call.kind}: padding={str(told)[:40]!r} is not known; known: valid, same, causal")


def _channels(held: Held) -> int:
    return held.item[0]


# --- convolution ------------------------------------------------------------------------------


def _window(call: Call, rank: int) -> dict[str, Any]:
    size = call.integers("kernel_size", rank)
    dilation = call.integers("dilation_rate", rank)
    return {
        "kernel_size": size,
        "stride": call.integers("strides", rank),
        "padding": _padding(call, size, dilation),
        "dilation": dilation,
    }


def _biased(call: Call, count: int, name: str = "bias") -> tuple[Weight, ...]:
    return (call.weight(name, count),) if call.option("use_bias", True) else ()  # noqa: FBT003


def conv(call: Call) -> Held:
    """``Conv1D`` to ``Conv3D``."""
    rank = _rank(call)
    held, filters, groups = call.spatial(rank), call.integer("filters"), max(call.integer("groups", 1), 1)
    window = _window(call, rank)
    bias = _biased(call, filters)
    layer = Conv(out_channels=filters, groups=groups, bias=bool(bias), **window)
    into = _channels(held) // groups
    kernel = call.weight("kernel", *window["kernel_size"], into, filters)
    return activated(call, call.by_rule(layer, held, (kernel, *bias)))


def depthwise(call: Call) -> Held:
    """Each channel with kernels of its own."""
    rank = _rank(call)
    held, times = call.spatial(rank), call.integer("depth_multiplier", 1)
    window, channels = _window(call, rank), _channels(held)
    bias = _biased(call, channels * times)
    layer = Conv(out_channels=channels * times, groups=channels, bias=bool(bias), **window)
    kernel = call.weight("kernel", *window["kernel_size"], channels, times)
    return activated(call, call.by_rule(layer, held, (kernel, *bias)))


def separable(call: Call) -> Held:
    """Each channel on its own, then all channels at each place."""
    rank = _rank(call)
    held, times, filters = call.spatial(rank), call.integer("depth_multiplier", 1), call.integer("filters")
    window, channels = _window(call, rank), _channels(held)
    first = Conv(out_channels=channels * times, groups=channels, bias=False, **window)
    kernel = call.weight("depthwise_kernel", *window["kernel_size"], channels, times)
    between = call.by_rule(first, held, (kernel,), "depthwise")
    bias = _biased(call, filters)
    second = Conv(kernel_size=(1,) * rank, out_channels=filters, bias=bool(bias))
    point = call.weight("pointwise_kernel", *(1,) * rank, channels * times, filters)
    return activated(call, call.by_rule(second, between, (point, *bias)))


def transposed(call: Call) -> Held:
    """``Conv1DTranspose`` to ``Conv3DTranspose``; the padding follows from the size Keras gives."""
    rank = _rank(call)
    held, filters = call.spatial(rank), call.integer("filters")
    size, stride = call.integers("kernel_size", rank), call.integers("strides", rank)
    dilation = call.integers("dilation_rate", rank)
    told = call.config.get("output_padding")
    extra = None if told is None else call.integers("output_padding", rank)
    same = call.option("padding", "valid") == "same"
    pairs, behind = [], []
    for axis, (k, s, d) in enumerate(zip(size, stride, dilation, strict=True)):
        n, extent = held.item[axis + 1], d * (k - 1) + 1
        if extra is None:
            target = n * s + (0 if same else max(extent - s, 0))
        else:
            target = (n - 1) * s + extent - 2 * (extent // 2 if same else 0) + extra[axis]
        cut = (n - 1) * s + extent - target
        pairs.append((max(cut, 0) // 2, max(cut, 0) - max(cut, 0) // 2))
        behind.append(max(-cut, 0))
    bias = _biased(call, filters)
    layer = ConvTranspose(
        kernel_size=size, out_channels=filters, stride=stride, padding=pairs, output_padding=behind,
        dilation=dilation, bias=bool(bias),
    )  # fmt: skip
    kernel = call.weight("kernel", *size, filters, _channels(held))
    return activated(call, call.by_rule(layer, held, (kernel, *bias)))


# --- linear -----------------------------------------------------------------------------------


def dense(call: Call) -> Held:
    """A linear layer along the last axis."""
    held, units = call.plain(), call.integer("units")
    features = held.known()[-1]
    bias = _biased(call, units)
    layer = Linear(in_features=features, out_features=units, bias=bool(bias))
    made = call.make(
        layer, [held], (*held.known()[:-1], units), weights=(call.weight("kernel", features, units), *bias)
    )
    return activated(call, made)


def einsum_dense(call: Call) -> Held:
    """A product with weights, by letters: ``abc,cde->abde``."""
    held = call.plain()
    told, _, result = str(call.option("equation", "")).replace(" ", "").partition("->")
    left, _, right = told.partition(",")
    given = call.option("output_shape")
    wanted = list(given) if isinstance(given, list | tuple) else [given]
    if left.startswith("..."):
        raise NotKnownError("an equation with an ellipsis")
    if len(left) != len(held.known()) + 1 or len(result) != len(wanted) + 1:
        raise ShapeError(
            f"EinsumDense: the equation {told[:60]!r} does not name the axes of its input and output"
        )
    lengths = dict(zip(left[1:], held.known(), strict=True))
    for letter, length in zip(result[1:], wanted, strict=True):
        lengths.setdefault(letter, length if isinstance(length, int) else 1)
    if set(right) - set(lengths) or set(result[1:]) - set(lengths):
        raise ShapeError(f"EinsumDense: the equation {told[:60]!r} names an axis without a length")
    shape = tuple(lengths[letter] for letter in result[1:])
    inner = math.prod(lengths[letter] for letter in set(left[1:]) - set(result))
    weights = [call.weight("kernel", *(lengths[letter] for letter in right))]
    axes = call.option("bias_axes")
    if isinstance(axes, str):
        start = min((result.index(a) for a in axes if a in result), default=len(result))
        weights.append(call.weight("bias", *(lengths[a] if a in axes else 1 for a in result[start:])))
    made = call.make(MatMul(shape, inner), [held], shape, weights=tuple(weights))
    return activated(call, made)


# --- pooling and size -------------------------------------------------------------------------


def pool(call: Call) -> Held:
    """Max or average pooling; padding is never averaged in."""
    rank = _rank(call)
    held, size = call.spatial(rank), call.integers("pool_size", rank, 2)
    strides = call.config.get("strides")
    options: dict[str, Any] = {
        "kernel_size": size,
        "stride": size if strides is None else call.integers("strides", rank),
        "padding": _padding(call, size, (1,) * rank),
    }
    layer: Layer = MaxPool(**options)
    if call.kind.startswith("A"):
        layer = AvgPool(**options, count_include_pad=False)
    return call.by_rule(layer, held)


def global_pool(call: Call) -> Held:
    """One number for each channel; the spatial axes are dropped unless they are to be kept."""
    held = call.spatial(_rank(call))
    layer: Layer = GlobalMaxPool() if "Max" in call.kind else GlobalAvgPool()
    if call.option("keepdims", False):  # noqa: FBT003
        return call.by_rule(layer, held)
    return call.make(layer, [held], (_channels(held),))


def adaptive(call: Call) -> Held:
    """Windows chosen to give so many cells."""
    rank = _rank(call)
    size = call.integers("output_size", rank)
    return call.by_rule(
        AdaptiveMaxPool(size) if "Max" in call.kind else AdaptiveAvgPool(size), call.spatial(rank)
    )


def _sides(call: Call, name: str, rank: int) -> list[tuple[int, int]]:
    """(before, after) for each axis, however it is written."""
    told = call.option(name, 1 if rank == 1 or name == "padding" else 0)
    entries = [told] * rank if isinstance(told, int) else list(told) if isinstance(told, list | tuple) else []
    if rank == 1 and len(entries) == 2 and all(isinstance(n, int) for n in entries):
        entries = [entries]
    pairs = [
        (n, n) if isinstance(n, int) else tuple(n) if isinstance(n, list | tuple) else () for n in entries
    ]
    if len(pairs) != rank or any(
        len(p) != 2 or any(not isinstance(n, int) or n < 0 for n in p) for p in pairs
    ):
        raise InputError(f"{call.kind}: {name}={str(told)[:60]} is not a pair for each of {rank} axes")
    return pairs


def zero_padding(call: Call) -> Held:
    """Padding as a layer."""
    rank = _rank(call)
    return call.by_rule(Pad(_sides(call, "padding", rank)), call.spatial(rank))


def cropping(call: Call) -> Held:
    """Cells dropped at the border."""
    rank = _rank(call)
    held, pairs = call.spatial(rank), _sides(call, "cropping", rank)
    lengths = [n - sum(pair) for n, pair in zip(held.item[1:], pairs, strict=True)]
    return _resized(call, held, lengths, "slice")


def _resized(call: Call, held: Held, lengths: Sequence[int], op: str) -> Held:
    item = (held.item[0], *lengths)
    shape = (*item[1:], item[0]) if held.moved else item
    return call.make(Rearrange(op, item), [held], shape, moved=held.moved)


_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def upsampling(call: Call) -> Held:
    """Every cell repeated, or interpolated between."""
    rank = _rank(call)
    factors = call.integers("size", rank, 2)
    linear = call.option("interpolation", "nearest") == "bilinear"
    layer = Upsample(scale_factor=factors, mode=_MODES[rank] if linear else "nearest")
    return call.by_rule(layer, call.spatial(rank))


def resizing(call: Call) -> Held:
    """To a given height and width."""
    held = call.spatial(2)
    size = (call.integer("height"), call.integer("width"))
    told = call.option("interpolation", "bilinear")
    if told not in ("nearest", "bilinear"):
        return _resized(call, held, size, f"resize {str(told)[:20]}")
    return call.by_rule(Upsample(size=size, mode=told), held)


def center_crop(call: Call) -> Held:
    """The middle of the picture."""
    held = call.spatial(2)
    return _resized(call, held, (call.integer("height"), call.integer("width")), "slice")


# --- order ------------------------------------------------------------------------------------


def flatten(call: Call) -> Held:
    """All axes as one."""
    held = call.first()
    return call.make(Rearrange("flatten", (math.prod(held.known()),)), [held], (math.prod(held.known()),))


def reshape(call: Call) -> Held:
    """The same cells in another array; −1 is what is left."""
    held, told = call.plain(), call.option("target_shape")
    target = list(told) if isinstance(told, list | tuple) else [told]
    if any(isinstance(n, bool) or not isinstance(n, int) for n in target) or target.count(-1) > 1:
        raise InputError(f"Reshape: target_shape={str(told)[:60]} is not a shape")
    known = math.prod(n for n in target if n != -1)
    cells = math.prod(held.known())
    target = [cells // known if n == -1 and known > 0 else n for n in target]
    if math.prod(target) != cells or known <= 0:
        raise ShapeError(f"Reshape: an array of {held.known()} cells cannot be laid out as {str(told)[:60]}")
    return _laid_out(call, held, tuple(target), "reshape")


def _laid_out(call: Call, held: Held, shape: Shape, op: str) -> Held:
    """Of the result's three axes and more the last are channels again."""
    moved = len(shape) >= 3 and call.first().moved | (len(call.first().known()) < 3)
    return call.make(Rearrange(op, held_shape(shape, moved=moved)), [held], shape, moved=moved)


def permute(call: Call) -> Held:
    """Axes in another order, counted from 1."""
    held, told = call.plain(), call.option("dims")
    shape = held.known()
    if not isinstance(told, list | tuple) or sorted(map(str, told)) != sorted(
        map(str, range(1, len(shape) + 1))
    ):
        raise ShapeError(f"Permute: dims={str(told)[:60]} is no order of {len(shape)} axes")
    return _laid_out(call, held, tuple(shape[n - 1] for n in told), "permute")


def repeat_vector(call: Call) -> Held:
    """The same vector several times."""
    held = call.plain()
    shape = (call.integer("n"), *held.known())
    return call.make(Rearrange("repeat", shape), [held], shape)


# --- not run ----------------------------------------------------------------------------------


def shown_only(call: Call) -> Held:
    """A layer with code of its own: shown, with the shape that the file tells."""
    raise NotKnownError(call.kind)


def time_distributed(call: Call) -> Held:
    """One layer at every step of the first axis."""
    inner = call.option("layer")
    config = inner.get("config") if isinstance(inner, dict) else None
    rule = LAYERS.get(str(inner.get("class_name"))) if isinstance(inner, dict) else None
    held = call.plain()
    if rule is None or not isinstance(config, dict) or len(held.known()) < 2:
        raise NotKnownError("TimeDistributed")
    steps, rest = held.known()[0], held.known()[1:]
    if str(inner["class_name"]) in (
        "Dense",
        "Activation",
        "Dropout",
        "ReLU",
        "LeakyReLU",
        "LayerNormalization",
    ):
        call.config, call.kind = {**config, "name": call.label}, str(inner["class_name"])
        return _single(rule(call))
    one = Held("x", rest, len(rest) > 2)
    trial = Call(
        type(call.builder)(), str(inner["class_name"]), config, call.label, call.path, [one], {},
        call.trainable, None, call.dtype,
    )  # fmt: skip
    made = _single(rule(trial))
    found = held
    for node in trial.builder.nodes:
        row_shape = (steps, *made.known())
        layer = _over_steps(node.layer, trial, row_shape, node.weights or ())
        found = call.make(layer, [found], row_shape, weights=node.weights or ())
    return found


def _over_steps(layer: Layer, trial: Call, shape: Shape, weights: tuple[Weight, ...]) -> Layer:
    """What one step's layer is for all steps together: convolutions as products."""
    kernel = next((w.shape for w in weights if "kernel" in w.name), None)
    if isinstance(layer, Conv) and kernel is not None and len(trial.builder.nodes) == 1:
        return MatMul(shape, math.prod(kernel[:-1]) if layer.groups == 1 else math.prod(kernel[:-2]))
    if len(trial.builder.nodes) > 1 or kernel is not None:
        return Unknown(trial.kind, shape)
    if isinstance(layer, Rearrange):
        return Rearrange(layer.op, shape)
    return Elementwise(layer.title) if isinstance(layer, pointwise.Pointwise) else Reduce(layer.title, shape)


def _single(found: Held | list[Held]) -> Held:
    return found[0] if isinstance(found, list) else found


LAYERS: dict[str, Rule] = {
    **{f"Conv{n}D": conv for n in (1, 2, 3)},
    **{f"Convolution{n}D": conv for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": transposed for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": depthwise for n in (1, 2)},
    **{f"SeparableConv{n}D": separable for n in (1, 2)},
    "Dense": dense,
    "EinsumDense": einsum_dense,
    **{
        f"{kind}{n}D": pool
        for kind in ("MaxPooling", "MaxPool", "AveragePooling", "AvgPool")
        for n in (1, 2, 3)
    },
    **{
        f"Global{kind}{n}D": global_pool
        for kind in ("MaxPooling", "MaxPool", "AveragePooling", "AvgPool")
        for n in (1, 2, 3)
    },
    **{f"Adaptive{kind}Pooling{n}D": adaptive for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": zero_padding for n in (1, 2, 3)},
    **{f"Cropping{n}D": cropping for n in (1, 2, 3)},
    **{f"UpSampling{n}D": upsampling for n in (1, 2, 3)},
    "Resizing": resizing,
    **dict.fromkeys(("CenterCrop", "RandomCrop"), center_crop),
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    "Lambda": shown_only,
    "TimeDistributed": time_distributed,
    **POINTWISE,
    **NORMS,
    **MERGES,
    **SEQUENCES,
}
