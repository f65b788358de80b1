"""The small integer arithmetic by which ONNX graphs work out shapes: one table from operator to NumPy.

Only arrays of at most `MAX_VALUES` numbers are worked out; nothing here sees weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convscope.importers.onnx_values import MAX_VALUES, Array, Call, NotKnownError, dtype_name, one_item

_NUMPY = {"bfloat16": "float32"}


def folded(call: Call) -> list[Array] | None:
    """The outputs of an operator whose inputs are small constants; None where that is not done."""
    rule = FOLDING.get(call.op)
    if rule is None or any(value is not None and value.array is None for value in call.inputs):
        return None
    arrays = [None if value is None else value.array for value in call.inputs]
    try:
        with np.errstate(all="ignore"):
            found = rule(call, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, NotKnownError):
        return None  # arrays that do not fit are told of where their shapes are worked out
    outputs = [np.asarray(one) for one in (found if isinstance(found, list) else [found])]
    return outputs if all(one.size <= MAX_VALUES for one in outputs) else None


def _limited(shape: Sequence[int]) -> tuple[int, ...]:
    lengths = tuple(int(n) for n in shape)
    if math.prod(lengths) > MAX_VALUES or any(n < 0 for n in lengths):
        raise ValueError("too large")
    return lengths


def _axes(call: Call, axes: Array | None) -> tuple[int, ...] | None:
    given = call.attributes.get("axes") if axes is None else axes.reshape(-1).tolist()
    return None if given is None else tuple(int(n) for n in given)


def _cast(call: Call, x: Array) -> Array:
    name = dtype_name(call.attributes["to"])
    return x.astype(_NUMPY.get(name, name))


def _reshape(call: Call, x: Array, shape: Array | None = None) -> Array:
    target = call.attributes["shape"] if shape is None else shape.tolist()
    if not call.attributes.get("allowzero", 0):
        target = [x.shape[n] if length == 0 else length for n, length in enumerate(target)]
    return x.reshape(target)


def _unsqueeze(call: Call, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, _axes(call, axes) or ())


def _squeeze(call: Call, x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, _axes(call, axes))


def slices(call: Call, shape: Sequence[int], inputs: Sequence[Any]) -> tuple[slice, ...]:
    """The cells of each axis that Slice keeps; bounds beyond the border are cut as ONNX cuts them."""
    if call.opset < 10:
        starts, ends = call.attributes["starts"], call.attributes["ends"]
        axes, steps = call.attributes.get("axes"), None
    else:
        starts, ends, axes, steps = (*inputs, None, None, None)[:4]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    found = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = shape[axis]
        low = max(start + length, 0) if start < 0 else start
        if step > 0:
            found[axis] = slice(low, max(end + length, 0) if end < 0 else end, step)
        else:
            stop = end + length if end < 0 else end
            found[axis] = slice(min(low, length - 1), None if stop < 0 else stop, step)
    return tuple(found)


def _slice(call: Call, x: Array, *rest: Array | None) -> Array:
    return np.asarray(x[slices(call, x.shape, [None if r is None else r.reshape(-1).tolist() for r in rest])])


def _split(call: Call, x: Array, split: Array | None = None) -> list[Array]:
    axis = call.attributes.get("axis", 0)
    lengths = call.attributes.get("split") if split is None else split.tolist()
    if lengths is None:
        part = -(-x.shape[axis] // call.outputs)
        lengths = [min(part, x.shape[axis] - n * part) for n in range(call.outputs)]
    return np.split(x, np.cumsum(lengths)[:-1].tolist(), axis=axis)


def _gather(call: Call, x: Array, indices: Array) -> Array:
    axis = call.attributes.get("axis", 0)
    _limited((x.size // max(x.shape[axis], 1) * indices.size,))
    return np.take(x, indices, axis=axis)


def _divide(call: Call, a: Array, b: Array) -> Array:  # noqa: ARG001 - a rule's signature
    """Integers are divided towards zero."""
    if a.dtype.kind in "iu":
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), dtype=a.dtype)
    return np.asarray(a / b)


def _constant_of_shape(call: Call, shape: Array) -> Array:
    value = call.attributes.get("value")
    number = np.zeros(1, np.float32) if value is None else value
    return np.full(_limited(shape.tolist()), number.reshape(-1)[0], dtype=number.dtype)


def _range(call: Call, start: Array, limit: Array, delta: Array) -> Array:  # noqa: ARG001
    first, last, step = (x.reshape(-1)[0] for x in (start, limit, delta))
    _limited((max(0, math.ceil((last - first) / step)),))
    return np.arange(first, last, step, dtype=start.dtype)


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    def rule(call: Call, x: Array, axes: Array | None = None) -> Array:
        chosen = _axes(call, axes)
        if not chosen and call.attributes.get("noop_with_empty_axes"):
            return x
        kept = bool(call.attributes.get("keepdims", 1))
        return np.asarray(function(x, axis=chosen or None, keepdims=kept)).astype(x.dtype)

    return rule


def _stretched(function: Callable[..., Any]) -> Callable[..., Any]:
    def rule(call: Call, *arrays: Array) -> Array:  # noqa: ARG001 - a rule's signature
        _limited(np.broadcast_shapes(*(x.shape for x in arrays)))
        found = arrays[0] if len(arrays) > 1 else function(arrays[0])
        for other in arrays[1:]:
            found = function(found, other)
        return np.asarray(found)

    return rule


def _expand(call: Call, x: Array, shape: Array) -> Array:
    written = one_item(call, shape.tolist(), x.shape)
    target = _limited(np.broadcast_shapes(x.shape, tuple(written)))
    return np.broadcast_to(x, target).copy()


def _tile(call: Call, x: Array, repeats: Array) -> Array:  # noqa: ARG001
    _limited((x.size * math.prod(int(n) for n in repeats.tolist()),))
    return np.tile(x, repeats.tolist())


def _where(call: Call, condition: Array, a: Array, b: Array) -> Array:  # noqa: ARG001
    _limited(np.broadcast_shapes(condition.shape, a.shape, b.shape))
    return np.where(condition, a, b)


_UFUNCS: dict[str, Callable[..., Any]] = {
            "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Min": np.minimum, "Max": np.maximum,
            "Equal": np.equal, "Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater,
            "GreaterOrEqual": np.greater_equal, "And": np.logical_and, "Or": np.logical_or,
            "Xor": np.logical_xor, "Not": np.logical_not, "Abs": np.abs, "Floor": np.floor, "Ceil": np.ceil,
            "Round": np.round, "Sqrt": np.sqrt, "Sign": np.sign,
}  # fmt: skip

FOLDING: dict[str, Callable[..., Any]] = {
    "Cast": _cast,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Concat": lambda call, *x: np.concatenate(x, axis=call.attributes.get("axis", 0)),
    "Div": _divide,
    "Mod": lambda call, a, b: np.fmod(a, b) if call.attributes.get("fmod") else np.mod(a, b),
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Expand": _expand,
    "Tile": _tile,
    "Where": _where,
    "Shape": lambda call, x: np.asarray(x.shape[slice(*_bounds(call))], dtype=np.int64),
    "Size": lambda _call, x: np.asarray(x.size, dtype=np.int64),
    "Transpose": lambda call, x: np.transpose(x, call.attributes.get("perm")),
    "Flatten": lambda call, x: x.reshape(math.prod(x.shape[: call.attributes.get("axis", 1)]), -1),
    "NonZero": lambda _call, x: np.stack(np.nonzero(x)).astype(np.int64),
    "CumSum": lambda _call, x, axis: np.cumsum(x, axis=int(axis.reshape(-1)[0]), dtype=x.dtype),
    "CastLike": lambda _call, x, like: x.astype(like.dtype),
    "Pow": lambda _call, a, b: np.power(a.astype(float), b).astype(a.dtype),
    "Neg": lambda _call, x: -x,
    "Clip": lambda _call, x, low=None, high=None: np.clip(x, low, high),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    **{name: _stretched(function) for name, function in _UFUNCS.items()},
}


def _bounds(call: Call) -> tuple[int | None, int | None]:
    return call.attributes.get("start"), call.attributes.get("end")


def shape_part(call: Call) -> tuple[int, ...]:
    """The lengths that Shape or Size tells of an array whose shape is known."""
    shape = call.shape(0)
    return (math.prod(shape),) if call.op == "Size" else shape[slice(*_bounds(call))]
