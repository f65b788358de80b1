"""Rules for the PyTorch operators that move, join, resize, sum or combine arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Elementwise, Rearrange, Reduce
from convscope.core.structural import Add, Concat, Flatten, Pad, Upsample
from convscope.errors import ConvscopeError
from convscope.importers.torch_entry import Call, Output, Plan, Step, item_shape
from convscope.importers.torch_layers import Rule, one, present
from convscope.rules.shape import output_shape


def _rearranged(call: Call, op: str, shape: Shape, reads: Sequence[int] = (0,)) -> Plan:
    plan = one(call, Rearrange(op, item_shape(shape)), op, reads, shape)
    return Plan(plan.outputs, plan.steps, view=call.operation.is_view)


def _same(call: Call) -> Plan:
    """The tensor as it was: nothing a network would be described by."""
    x = call.tensors[0]
    return Plan(((x.shape, x.dtype),), view=call.operation.is_view)


def _cast(call: Call) -> Plan:
    outputs, kind = call.meta_outputs()
    x = call.tensors[0]
    shape, dtype = outputs[0]
    if dtype == x.dtype:
        return Plan(outputs, kind=kind)
    return Plan(outputs, (Step(Rearrange("cast", item_shape(shape)), "cast", (0,), shape, dtype),), kind)


# --- reshaping --------------------------------------------------------------------------------


def _view(call: Call) -> Plan | None:
    """A reshape: a flatten where it is one, nothing where the shape stays."""
    x = call.tensors[0]
    if call.get("size") is None and call.get("shape") is None:
        return _cast(call)  # a view as another dtype
    size = list(call.get("size") or call.get("shape") or ())
    cells = math.prod(x.shape)
    if size.count(-1) == 1:
        rest = -math.prod(size)
        size[size.index(-1)] = cells // rest if rest else 0
    if math.prod(size) != cells or min(size, default=0) < 0:
        call.meta_outputs()  # says what is wrong
    return _reshaped(call, "view", tuple(size))


def _reshaped(call: Call, op: str, shape: Shape) -> Plan:
    x = call.tensors[0]
    if shape == x.shape:
        return _same(call)
    first = next((n for n, (a, b) in enumerate(zip(x.shape, shape, strict=False)) if a != b), len(shape))
    first = min(first, len(shape) - 1)  # axes of length 1 at the end are joined to the one before
    last = len(x.shape) - len(shape) + first
    is_batched = x.shape[:1] == (1,) == shape[:1] and 0 < first < last
    joined = is_batched and x.shape[last + 1 :] == shape[first + 1 :]
    if joined and math.prod(x.shape[first : last + 1]) == shape[first]:
        plan = one(call, Flatten(first, -1 if last == len(x.shape) - 1 else last), "flatten", (0,), shape)
        return Plan(plan.outputs, plan.steps, view=True)
    return _rearranged(call, op, shape)


def _flatten(call: Call) -> Plan:
    x = call.tensors[0]
    if not isinstance(call["start_dim"], int):
        return _rearranged(call, "flatten", call.meta_outputs()[0][0][0])
    return (
        _reshaped(call, "flatten", call.meta_outputs()[0][0][0])
        if x.shape
        else _rearranged(call, "view", (1,))
    )


def _rolled(call: Call) -> Plan:
    return _rearranged(call, call.operation.name, call.tensors[0].shape)


def _moved(op: str) -> Rule:
    def rule(call: Call) -> Plan:
        shape = call.meta_outputs()[0][0][0]
        x = call.tensors[0]
        # Axes of length 1 that come, go or change places move no cell.
        return _same(call) if shape == x.shape and op in _LAZY else _rearranged(call, op, shape)

    return rule


_LAZY = frozenset({"expand", "squeeze", "unsqueeze", "slice", "repeat", "narrow"})


# --- joining and combining --------------------------------------------------------------------


def _cat(call: Call) -> Plan | None:
    reads = [n for n in call.positions("tensors") if call.tensors[n].shape != (0,)]
    shape, dtype = _joined(call, [call.tensors[n].shape for n in reads]) or call.meta_outputs()[0][0]
    if len(reads) == 1:
        return Plan(((shape, dtype),), alias=reads[0])
    axes = len(shape)
    dim = call["dim"] % axes
    batched = all(call.tensors[n].shape[0] == 1 for n in reads)
    layer: Layer = Concat(dim) if dim and batched else Rearrange("cat", item_shape(shape))
    return Plan(((shape, dtype),), (Step(layer, "cat", tuple(reads), shape, dtype),))


def _joined(call: Call, shapes: Sequence[Shape]) -> Output | None:
    """What arrays of one dtype joined along an axis give; None where PyTorch is to be asked."""
    if not shapes or len({entry.dtype for entry in call.tensors}) > 1 or len({len(s) for s in shapes}) > 1:
        return None
    axes = len(shapes[0])
    if not -axes <= call["dim"] < axes:
        return None
    dim = call["dim"] % axes
    if len({(*shape[:dim], *shape[dim + 1 :]) for shape in shapes}) > 1:
        return None
    length = sum(shape[dim] for shape in shapes)
    return (*shapes[0][:dim], length, *shapes[0][dim + 1 :]), call.tensors[0].dtype


def _add(call: Call) -> Plan:
    """Two arrays of one shape are added as layers are; all else is stretched or scaled first."""
    (shape, dtype), *_ = call.broadcast_outputs()[0]
    reads = tuple(n for n in present(call, "self", "other") if n in call.arrays())
    alike = {item_shape(call.tensors[n].shape) for n in reads}
    plain = len(reads) == 2 and len(alike) == 1 and call.get("alpha", 1) == 1
    layer: Layer = Add() if plain else Elementwise("add")
    return Plan(((shape, dtype),), (Step(layer, "add", reads, shape, dtype),))


def _copied(call: Call) -> Plan:
    """`x.copy_(y)`: x is y from here on."""
    target, source = call.tensors[0], call.tensors[1] if len(call.tensors) > 1 else None
    if source is None or not source.computed:
        return one(
            call, Elementwise("fill"), "fill", (0,) if target.computed else call.arrays(), target.shape
        )
    if source.shape == target.shape:
        return Plan(((target.shape, target.dtype),), alias=1)
    shape = target.shape
    return Plan(
        ((shape, target.dtype),),
        (Step(Rearrange("expand", item_shape(shape)), "expand", (1,), shape, target.dtype),),
    )


# --- resizing and padding ---------------------------------------------------------------------

_MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "bilinear", "trilinear": "trilinear"}


def _upsample(call: Call) -> Plan:
    x = call.tensors[0]
    kind = call.operation.name.removeprefix("upsample_")
    asked, factors = call.get("output_size"), call.get("scale_factors")
    if not asked and factors and len(x.shape) == len(factors) + 2:
        asked = [int(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
    if asked and len(x.shape) == len(asked) + 2 and min(asked) > 0:
        shape, dtype = (*x.shape[:2], *asked), x.dtype
    else:
        shape, dtype = call.meta_outputs()[0][0]
    mode = _MODES.get(kind.rstrip("123d"))
    layer: Layer | None = None
    if mode is not None:
        corners = bool(call.get("align_corners"))
        options = [{"scale_factor": tuple(factors)}] if factors else []
        for option in (*options, {"size": shape[2:]}):
            layer = Upsample(**option, mode=mode, align_corners=corners)
            if _told(layer, x.shape) == item_shape(shape):
                break
    layer = layer or Rearrange(f"resize {kind}", item_shape(shape))
    return Plan(((shape, dtype),), (Step(layer, "upsample", (0,), shape, dtype),))


def _told(layer: Layer, shape: Shape) -> Shape | None:
    try:
        return output_shape(layer, (item_shape(shape),)).shape
    except ConvscopeError:
        return None


_PADDINGS = {"reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def _pad(call: Call) -> Plan:
    (shape, dtype), *_ = call.meta_outputs()[0]
    given = list(call.get("pad") or call.get("padding") or ())
    x = call.tensors[0]
    pairs = [(given[n], given[n + 1]) for n in range(0, len(given), 2)][::-1]
    spatial = len(x.shape) - 2
    mode = call.get("mode") or next((m for m in _PADDINGS if m[:7] in call.operation.name), "constant")
    fits = 1 <= spatial <= 3 and len(pairs) <= spatial and min(given, default=0) >= 0 and x.shape[0] == 1
    layer: Layer = Rearrange("pad", item_shape(shape))
    if fits:
        pairs = [(0, 0)] * (spatial - len(pairs)) + pairs
        value = call.get("value") or 0
        if mode != "constant":
            layer = Pad(pairs, padding_mode=_PADDINGS[mode])
        elif math.isfinite(value):
            layer = Pad(pairs, padding_mode="constant", padding_value=value) if value else Pad(pairs)
    return Plan(((shape, dtype),), (Step(layer, "pad", (0,), shape, dtype),))


# --- reducing ---------------------------------------------------------------------------------

# Reductions whose result is one array of the input's dtype.
_PLAIN = frozenset(
    {"mean", "sum", "amax", "amin", "std", "logsumexp", "nanmean", "nansum", "linalg_vector_norm"}
)


def _reduced_outputs(call: Call) -> tuple[tuple[Output, ...], str]:
    x, dims = call.tensors[0], call.get("dim")
    axes = len(x.shape)
    plain = call.operation.name in _PLAIN and x.dtype.is_floating_point and not call.get("dtype")
    told = isinstance(dims, list | tuple) and bool(dims) and all(-axes <= dim < axes for dim in dims)
    if not plain or not told:
        return call.meta_outputs()
    gone = {dim % axes for dim in dims or ()}
    kept = call.get("keepdim", default=False)
    shape = tuple(1 if n in gone else length for n, length in enumerate(x.shape) if kept or n not in gone)
    return ((shape, x.dtype),), "one"


def _reduce(call: Call) -> Plan:
    outputs, kind = _reduced_outputs(call)
    name = call.operation.name
    shape, dtype = outputs[0]
    x = call.tensors[0]
    other = call.entry("other")
    if other is not None:  # `max` and `min` of two arrays
        return Plan(outputs, (Step(Elementwise(name), name, call.arrays(), shape, dtype),), kind)
    axes = len(x.shape)
    dims = call.get("dim")
    reduced = range(axes) if dims in (None, []) else dims if isinstance(dims, list | tuple) else (dims,)
    gone = {dim % axes for dim in reduced} if axes else set()
    # A feature map is (batch, channels, *spatial): nothing spatial is left once axes 2, 3, … are gone.
    whole = axes > 2 and gone >= set(range(2, axes))
    layer = Reduce(name, item_shape(shape), whole)
    return Plan(outputs, (Step(layer, name, (0,), shape, dtype),), kind)


_REDUCED = (
    "mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "prod", "var", "std", "var_mean",
    "std_mean", "norm", "linalg_vector_norm", "logsumexp", "all", "any", "median", "nanmean", "nansum",
    "count_nonzero", "aminmax",
)  # fmt: skip

OPERATORS: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "detach", "alias", "clone", "contiguous", "lift_fresh", "lift", "lift_fresh_copy",
            "requires_grad", "resolve_conj", "resolve_neg",
        ),
        _same,
    ),
    **dict.fromkeys(("to", "to_copy", "type_as", "autocast_to_reduced_precision"), _cast),
    **dict.fromkeys(("view", "reshape", "unsafe_view", "view_copy"), _view),
    "flatten": _flatten,
    **{
        name: _moved(name)
        for name in (
            "expand", "expand_as", "squeeze", "unsqueeze", "slice", "repeat", "narrow", "permute",
            "transpose", "t", "movedim", "swapaxes",
        )
    },
    "roll": _rolled,
    "flip": _rolled,
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "add": _add,
    "copy": _copied,
    **{
        f"upsample_{kind}": _upsample
        for kind in (
            "nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d", "bicubic2d",
            "nearest_exact1d", "nearest_exact2d", "nearest_exact3d", "bilinear2d_aa", "bicubic2d_aa",
        )
    },
    **dict.fromkeys(
        (
            "pad", "constant_pad_nd", "pad_circular", "pad_enum",
            *(f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)),
        ),
        _pad,
    ),
    **dict.fromkeys(_REDUCED, _reduce),
}  # fmt: skip

ELEMENTWISE = frozenset({
    "sub", "mul", "div", "pow", "exp", "log", "sqrt", "rsqrt", "neg", "abs", "clamp", "clamp_min",
    "clamp_max", "where", "masked_fill", "maximum", "minimum", "floor_divide", "remainder", "hardswish",
    "hardsigmoid", "mish", "celu", "prelu", "rrelu", "glu", "softsign", "hardshrink", "softshrink",
    "threshold", "cumsum", "cumprod", "addcmul", "addcdiv", "lerp", "fill", "zero", "bernoulli", "normal",
    "uniform", "triu", "tril", "rsub", "fake_quantize_per_tensor_affine",
    "fake_quantize_per_channel_affine", "weight_norm", "weight_norm_interface", "dropout",
    "native_dropout", "linalg_cross", "cross", "nan_to_num", "local_response_norm", "cosine_similarity",
    "masked_scatter", "safe_softmax",
})  # fmt: skip

REARRANGED = frozenset({
    "select", "index", "index_select", "gather", "take_along_dim", "stack", "unbind", "split",
    "split_with_sizes", "chunk", "tensor_split", "unflatten", "roll", "flip", "rot90", "tile",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "im2col", "col2im",
    "unfold", "as_strided", "diagonal", "diag_embed", "scatter", "scatter_add", "index_put", "index_add",
    "index_copy", "index_fill", "topk", "sort", "argsort", "grid_sampler", "grid_sampler_2d",
    "grid_sampler_3d", "repeat_interleave", "meshgrid", "hstack", "vstack", "dstack", "view_as_real",
    "view_as_complex", "max_unpool2d", "max_unpool3d", "one_hot", "slice_scatter", "select_scatter",
    "complex", "real", "imag", "broadcast_to", "broadcast_tensors", "expand_copy", "permute_copy",
    "numpy_T", "mT", "matrix_H", "adjoint", "moveaxis", "swapdims", "hsplit", "vsplit", "dsplit", "fold",
    "affine_grid_generator", "fused_dropout", "fractional_max_pool2d", "fractional_max_pool3d",
})  # fmt: skip
