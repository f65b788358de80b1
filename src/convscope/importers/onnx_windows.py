"""ONNX operators that look through windows or change the picture's size, as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import MAX_RANK, Layer
from convscope.core.network import Shape
from convscope.core.operators import MatMul, Rearrange, Reduce, Unknown
from convscope.core.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, LpPool, MaxPool
from convscope.core.structural import Pad, Upsample
from convscope.core.windowed import window_extent
from convscope.errors import InputError, ShapeError
from convscope.importers.onnx_values import Call, NotKnownError, Part, Plan, Step, checked_axis, checked_shape
from convscope.rules.shape import output_shape
from convscope.rules.window import same_padding

Pairs = tuple[tuple[int, int], ...]


def _per_axis(call: Call, name: str, rank: int, default: int = 1) -> tuple[int, ...]:
    given = call.attributes.get(name)
    found = (default,) * rank if not given else tuple(given)
    if len(found) != rank:
        raise ShapeError(f"{call.op}: {name} has {len(found)} entries for {rank} spatial axes")
    return found


def _pairs(call: Call, rank: int) -> Pairs:
    given = call.attributes.get("pads") or [0] * (2 * rank)
    if len(given) != 2 * rank:
        raise ShapeError(f"{call.op}: pads has {len(given)} entries for {rank} spatial axes")
    return tuple(zip(given[:rank], given[rank:], strict=True))


def _padding(call: Call, spatial: Sequence[int], size: Sequence[int]) -> Pairs | str:
    """The padding as our layers take it: numbers, or "same" with an odd cell after the end."""
    rank = len(spatial)
    auto = call.attributes.get("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":
        stride, dilation = _per_axis(call, "strides", rank), _per_axis(call, "dilations", rank)
        extents = [window_extent(k, d) for k, d in zip(size, dilation, strict=True)]
        found = [same_padding(n, e, s) for n, e, s in zip(spatial, extents, stride, strict=True)]
        return tuple((after, before) for before, after in found)
    return ((0, 0),) * rank if auto == "VALID" else _pairs(call, rank)


def _spatial(call: Call) -> Shape:
    shape = call.shape(0)
    if len(shape) < 3:
        raise ShapeError(
            f"{call.op}: it needs feature maps (batch, channels and spatial axes), got {len(shape)} axes"
        )
    return shape[2:]


def placed(call: Call, layer: Layer, parts: tuple[Part, ...] = (), products: int = 0) -> Plan:
    """The layer on the first input, its shape by the layer's own rule.

    Where several pictures lie in the batch axis, the layer's rule, which takes one, does not hold for
    the item; the multiply-adds then are those of a matrix product.
    """
    shape = call.shape(0)
    found = (shape[0], *output_shape(layer, [shape[1:]]).shape)
    if call.item(shape) == shape and len(shape) > 1:
        layer = MatMul(call.item(found), products) if products else Reduce(call.op.lower(), call.item(found))
    return Plan((Step(layer, (0,), found, call.dtype(), parts),))


def conv(call: Call, weight: int = 1, bias: int = 2) -> Plan:
    """A convolution; of computed weights, the products alone are known."""
    shape, kernel, spatial = call.shape(0), call.shape(weight), _spatial(call)
    if len(kernel) != len(shape):
        raise ShapeError(f"{call.op}: weights of {len(kernel)} axes for an input of {len(shape)}")
    size, groups = kernel[2:], call.attributes.get("group", 1)
    if len(spatial) > MAX_RANK or 0 in kernel:
        raise NotKnownError(f"{call.op}: {len(spatial)} spatial axes")
    layer = Conv(
        kernel_size=size,
        out_channels=kernel[0],
        in_channels=kernel[1] * groups,
        stride=_per_axis(call, "strides", len(size)),
        padding=_padding(call, spatial, size),  # type: ignore[arg-type]
        dilation=_per_axis(call, "dilations", len(size)),
        groups=groups,
        bias=call.has(bias),
    )
    products = kernel[1] * math.prod(size)
    if call.is_constant(weight):
        biased = (Part(bias, "parameter"),) if call.is_constant(bias) else ()
        return placed(call, layer, (Part(weight, "parameter"), *biased), products)
    found = (shape[0], *output_shape(layer, [shape[1:]]).shape)
    return Plan((Step(MatMul(call.item(found), products), call.computed(), found, call.dtype()),))


def conv_transpose(call: Call) -> Plan:
    """A transposed convolution; its padding may follow from the size that is wanted."""
    shape, kernel, spatial = call.shape(0), call.shape(1), _spatial(call)
    size, groups = kernel[2:], call.attributes.get("group", 1)
    if len(kernel) != len(shape):
        raise ShapeError(f"{call.op}: weights of {len(kernel)} axes for an input of {len(shape)}")
    if len(spatial) > MAX_RANK or not call.is_constant(1) or 0 in kernel:
        raise NotKnownError(f"{call.op}: {len(spatial)} spatial axes")
    stride, dilation = (_per_axis(call, name, len(size)) for name in ("strides", "dilations"))
    extra = _per_axis(call, "output_padding", len(size), 0)
    pairs, extra = _stamp_padding(call, spatial, size, stride, dilation, extra)
    layer = ConvTranspose(
        kernel_size=size,
        out_channels=kernel[1] * groups,
        in_channels=kernel[0],
        stride=stride,
        padding=pairs,
        output_padding=extra,
        dilation=dilation,
        groups=groups,
        bias=call.has(2),
    )
    biased = (Part(2, "parameter"),) if call.is_constant(2) else ()
    return placed(call, layer, (Part(1, "parameter"), *biased), kernel[0] * math.prod(size))


def _stamp_padding(
    call: Call,
    spatial: Sequence[int],
    size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    extra: tuple[int, ...],
) -> tuple[Pairs, tuple[int, ...]]:
    """What is cut off before and after, and what is added behind."""
    auto = call.attributes.get("auto_pad", "NOTSET")
    wanted = call.attributes.get("output_shape")
    if wanted is not None:
        wanted = wanted[-len(spatial) :]
    elif auto.startswith("SAME"):
        wanted = [n * s for n, s in zip(spatial, stride, strict=True)]
    if wanted is None:
        return (((0, 0),) * len(spatial) if auto == "VALID" else _pairs(call, len(spatial))), extra
    pairs, behind = [], []
    for n, k, s, d, more, target in zip(spatial, size, stride, dilation, extra, wanted, strict=True):
        cut = s * (n - 1) + more + window_extent(k, d) - target
        small = max(cut, 0) // 2
        pair = (small, max(cut, 0) - small)
        pairs.append(pair if auto == "SAME_UPPER" else pair[::-1])
        behind.append(more + max(-cut, 0))
    return tuple(pairs), tuple(behind)


# --- pooling ----------------------------------------------------------------------------------


def pool(call: Call) -> Plan:
    """Max, average or power-average pooling; the second output of max pooling is where it was found."""
    spatial = _spatial(call)
    size = tuple(call.attributes.get("kernel_shape", ()))
    if len(size) != len(spatial):
        raise ShapeError(f"{call.op}: kernel_shape has {len(size)} entries for {len(spatial)} spatial axes")
    if len(spatial) > MAX_RANK:
        raise NotKnownError(f"{call.op}: {len(spatial)} spatial axes")
    options: dict[str, Any] = {
        "kernel_size": size,
        "stride": _per_axis(call, "strides", len(size)),
        "padding": _padding(call, spatial, size),
        "dilation": _per_axis(call, "dilations", len(size)),
        "ceil_mode": bool(call.attributes.get("ceil_mode", 0)),
    }
    layer: Layer
    if call.op == "MaxPool":
        layer = MaxPool(**options)
    elif call.op == "AveragePool":
        layer = AvgPool(**options, count_include_pad=bool(call.attributes.get("count_include_pad", 0)))
    else:
        layer = LpPool(call.attributes.get("p", 2), **options)
    plan = placed(call, layer)
    if call.outputs < 2:
        return plan
    shape = plan.steps[0].shape or ()
    return Plan(plan.steps, (Step(Rearrange("indices", call.item(shape)), (0,), shape, "int64"),))


def global_pool(call: Call) -> Plan:
    """One window over the whole picture."""
    _spatial(call)
    if call.op == "GlobalLpPool":
        shape = (*call.shape(0)[:2], *(1 for _ in _spatial(call)))
        return Plan((Step(Reduce("norm", call.item(shape), whole=True), (0,), shape, call.dtype()),))
    return placed(call, GlobalMaxPool() if call.op == "GlobalMaxPool" else GlobalAvgPool())


# --- size -------------------------------------------------------------------------------------

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(call: Call) -> Plan:
    """Resizing by factors or to lengths; of the spatial axes it is a layer, else cells are copied."""
    shape = call.shape(0)
    factors, lengths = _factors(call, shape)
    if lengths is None:
        assert factors is not None  # noqa: S101 - one of the two is given
        lengths = tuple(math.floor(n * f) for n, f in zip(shape, factors, strict=True))
    lengths = checked_shape(call.op, lengths)
    mode = call.attributes.get("mode", "nearest")
    rank = len(shape) - 2
    aligned = call.attributes.get("coordinate_transformation_mode") == "align_corners"
    if lengths[:2] != shape[:2] or not 1 <= rank <= MAX_RANK or mode not in ("nearest", "linear"):
        return Plan((Step(Rearrange(f"resize {mode}", call.item(lengths)), (0,), lengths, call.dtype()),))
    name = "nearest" if mode == "nearest" else _MODES[rank]
    options: dict[str, Any] = {"mode": name, "align_corners": aligned and name != "nearest"}
    layer = Upsample(size=lengths[2:], **options)
    if factors is not None and not options["align_corners"]:
        exact = [Fraction(f).limit_denominator(10**6) for f in factors[2:]]
        if tuple(math.floor(n * f) for n, f in zip(shape[2:], exact, strict=True)) == lengths[2:]:
            layer = Upsample(scale_factor=exact, **options)
    return placed(call, layer)


def _factors(call: Call, shape: Shape) -> tuple[list[float] | None, Shape | None]:
    """A factor for each axis, or a length for each axis."""
    scales_at = 1 if call.op == "Upsample" or call.opset < 11 else 2
    lengths = call.numbers(3) if call.has(3) and (call.value(3).shape or (1,)) != (0,) else None
    scales = call.attributes.get("scales")
    if scales is None and call.op == "Upsample" and "height_scale" in call.attributes:
        scales = [1.0, 1.0, call.attributes["height_scale"], call.attributes["width_scale"]]
    if scales is None and lengths is None:
        scales = call.numbers(scales_at)
    axes = [checked_axis(call.op, a, len(shape)) for a in call.attributes.get("axes") or range(len(shape))]
    given = scales if lengths is None else lengths
    if given is None or len(given) != len(axes) or any(not 0 < n < 1e12 for n in given):
        raise InputError(
            f"{call.op}: it needs a factor or a length for each of {len(axes)} axes, got {given}"
        )
    if lengths is None:
        spread = [1.0] * len(shape)
        for axis, factor in zip(axes, given, strict=True):
            spread[axis] = float(factor)
        return spread, None
    policy = call.attributes.get("keep_aspect_ratio_policy", "stretch")
    wanted = {axis: int(n) for axis, n in zip(axes, given, strict=True)}
    if policy != "stretch":
        ratios = [Fraction(n, shape[axis]) for axis, n in wanted.items()]
        ratio = min(ratios) if policy == "not_larger" else max(ratios)
        wanted = {axis: math.floor(shape[axis] * ratio + Fraction(1, 2)) for axis in wanted}
    return None, tuple(wanted.get(axis, n) for axis, n in enumerate(shape))


_PADDING_MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(call: Call) -> Plan:
    """Padding; of the spatial axes it is a layer."""
    shape = call.shape(0)
    pads = call.integers("pads", 1) or call.attributes.get("paddings") or []
    axes = [checked_axis(call.op, int(a), len(shape)) for a in (call.numbers(3) or range(len(shape)))]
    if len(pads) != 2 * len(axes):
        raise ShapeError(f"Pad: pads has {len(pads)} entries for {len(axes)} axes")
    pairs = [(0, 0)] * len(shape)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        pairs[axis] = (before, after)
    found = checked_shape("Pad", [n + sum(pair) for n, pair in zip(shape, pairs, strict=True)])
    mode = _PADDING_MODES.get(call.attributes.get("mode", "constant"))
    inside = any(pairs[:2][n] != (0, 0) for n in range(min(2, len(pairs)))) or min(map(min, pairs)) < 0
    if mode is None or inside or not 1 <= len(shape) - 2 <= MAX_RANK or call.item(shape) == shape:
        return Plan((Step(Rearrange("pad", call.item(found)), (0,), found, call.dtype()),))
    return placed(call, Pad(pairs[2:], padding_mode=mode))


def shuffle(call: Call) -> Plan:
    """Cells moved between channels and space."""
    n, channels, height, width = _four_axes(call)
    block = call.attributes.get("blocksize", 1)
    if not isinstance(block, int) or block < 1:
        raise InputError(f"{call.op}: blocksize={block} is not allowed; it may be 1 or more")
    found = (
        (n, channels // block**2, height * block, width * block)
        if call.op == "DepthToSpace"
        else (n, channels * block**2, height // block, width // block)
    )
    return Plan((Step(Rearrange(call.op.lower(), call.item(found)), (0,), found, call.dtype()),))


def _four_axes(call: Call) -> tuple[int, int, int, int]:
    shape = call.shape(0)
    if len(shape) != 4:
        raise ShapeError(f"{call.op}: it needs an array of 4 axes, got {len(shape)}")
    return shape


def sampled(call: Call) -> Plan:
    """Cells read where another input says."""
    shape, where = call.shape(0), call.shape(1)
    if call.op == "GridSample":
        found = (*shape[:2], *where[1:-1])
    else:
        height, width = call.attributes.get("output_height", 1), call.attributes.get("output_width", 1)
        found = (where[0], shape[1], *call.attributes.get("pooled_shape", (height, width)))
    return Plan((Step(Rearrange(call.op.lower(), call.item(found)), call.computed(), found, call.dtype()),))


def unknown(call: Call) -> Plan:
    """An operator nobody here knows, with the shape the file declares; arrays it is given are its weights."""
    parts = tuple(
        Part(n)
        for n, value in enumerate(call.inputs)
        if value is not None and value.is_constant and value.weights
    )
    steps = []
    for number in range(max(call.outputs, 1)):
        shape = call.declared[number] if number < len(call.declared) else None
        item = None if shape is None else call.item(shape)
        own = parts if not number else ()
        steps.append(Step(Unknown(call.op[:100], item), call.computed(), shape, "float32", own))
    return Plan(tuple(steps[:1]), tuple(steps[1:]))


WINDOWS: dict[str, Callable[[Call], Plan]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "QLinearConv": lambda call: conv(call, 3, 8),
    "ConvInteger": lambda call: conv(call, 1, 99),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), global_pool),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    "Pad": pad,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), shuffle),
    **dict.fromkeys(("GridSample", "RoiAlign", "MaxRoiPool"), sampled),
}
