"""ONNX operators that move, copy, drop or join cells, with the shapes they lead to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.core.layer import MAX_RANK
from convscope.core.operators import Embedding, Rearrange
from convscope.core.structural import Concat, Flatten
from convscope.errors import InputError, ShapeError
from convscope.importers.onnx_folding import slices
from convscope.importers.onnx_values import (
    Call,
    NotKnownError,
    Part,
    Plan,
    Step,
    checked_axis,
    checked_shape,
    dtype_name,
    one_item,
)
from convscope.rules.operator_shape import broadcast


def moved(call: Call, word: str, shape: Sequence[int], dtype: str = "") -> Plan:
    """Cells of all computed inputs moved to an array of this shape."""
    found = checked_shape(call.op, shape)
    reads = call.computed()
    return Plan((Step(Rearrange(word, call.item(found)), reads, found, dtype or call.dtype(), _own(call)),))


def _own(call: Call) -> tuple[Part, ...]:
    """The constants among the inputs that hold weights."""
    return tuple(Part(n) for n, v in enumerate(call.inputs) if v is not None and v.is_constant and v.weights)


def reshape(call: Call) -> Plan:
    """0 keeps an axis, −1 is what is left."""
    before, target = call.shape(0), call.integers("shape", 1)
    if target is None:
        raise InputError("Reshape: the shape is missing")
    if not call.attributes.get("allowzero", 0):
        if any(n == 0 and place >= len(before) for place, n in enumerate(target)):
            raise ShapeError(f"Reshape: {_told(target)} keeps an axis that {_told(before)} does not have")
        target = [before[place] if n == 0 else n for place, n in enumerate(target)]
    target = one_item(call, target, before)
    if target.count(-1) == 1:
        known = math.prod(n for n in target if n != -1)
        left, rest = divmod(math.prod(before), known) if known else (0, 0)
        if rest:
            raise ShapeError(f"Reshape: {_told(before)} cells cannot be laid out as {_told(target)}")
        target = [left if n == -1 else n for n in target]
    if math.prod(before) != math.prod(target) or min(target, default=1) < 0:
        raise ShapeError(f"Reshape: {_told(before)} cells cannot be laid out as {_told(target)}")
    return moved(call, "reshape", target)


def _told(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "one number"


def flatten(call: Call) -> Plan:
    """All axes before one, and all from it on."""
    shape = call.shape(0)
    axis = call.attributes.get("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ShapeError(f"Flatten: {axis} is not an axis of an array of {len(shape)} axes")
    axis = axis + len(shape) if axis < 0 else axis
    found = (math.prod(shape[:axis]), math.prod(shape[axis:]))
    if axis == 1 and call.item(shape) == shape[1:]:
        return Plan((Step(Flatten(), (0,), found, call.dtype()),))
    return moved(call, "flatten", found)


def transpose(call: Call) -> Plan:
    """Axes in another order; without one, reversed."""
    shape = call.shape(0)
    order = call.attributes.get("perm") or range(len(shape))[::-1]
    if sorted(order) != list(range(len(shape))):
        raise ShapeError(f"Transpose: perm={list(order)} is no order of {len(shape)} axes")
    return moved(call, "permute", [shape[axis] for axis in order])


def squeeze(call: Call) -> Plan:
    """Axes of length 1 dropped."""
    shape, axes = call.shape(0), call.integers("axes", 1)
    dropped = (
        {n for n, length in enumerate(shape) if length == 1}
        if axes is None
        else {checked_axis("Squeeze", a, len(shape)) for a in axes}
    )
    if any(shape[axis] != 1 for axis in dropped):
        raise ShapeError(f"Squeeze: the axes {sorted(dropped)} of {_told(shape)} are not all 1 long")
    return moved(call, "squeeze", [length for n, length in enumerate(shape) if n not in dropped])


def unsqueeze(call: Call) -> Plan:
    """Axes of length 1 put in, counted in the result."""
    shape, axes = call.shape(0), call.integers("axes", 1) or []
    rank = len(shape) + len(axes)
    new = {checked_axis("Unsqueeze", a, rank) for a in axes}
    if len(new) != len(axes):
        raise ShapeError(f"Unsqueeze: axes={list(axes)} names an axis twice")
    old = iter(shape)
    return moved(call, "unsqueeze", [1 if n in new else next(old) for n in range(rank)])


def expand(call: Call) -> Plan:
    """Axes of length 1 repeated."""
    target = one_item(call, [int(n) for n in call.numbers(1) or []], call.shape(0))
    return moved(call, "expand", broadcast([call.shape(0), tuple(target)]))


def tile(call: Call) -> Plan:
    """The whole repeated along each axis."""
    shape, repeats = call.shape(0), call.numbers(1) or []
    if len(repeats) != len(shape):
        raise ShapeError(f"Tile: {len(repeats)} repeats for {len(shape)} axes")
    return moved(call, "repeat", [n * int(times) for n, times in zip(shape, repeats, strict=True)])


def slice_(call: Call) -> Plan:
    """Some cells of each axis."""
    shape = call.shape(0)
    given = [call.numbers(n) for n in range(1, 5)] if call.opset >= 10 else []
    axes = given[2] if given else call.attributes.get("axes")
    for axis in axes or ():
        checked_axis("Slice", axis, len(shape))
    try:
        kept = slices(call, shape, given)
    except (ValueError, TypeError, KeyError, IndexError):
        raise ShapeError(f"Slice: starts, ends, axes and steps do not fit {_told(shape)}") from None
    return moved(call, "slice", [len(range(n)[cut]) for n, cut in zip(shape, kept, strict=True)])


def split(call: Call) -> Plan:
    """One array cut along an axis, each part a layer of its own."""
    shape = call.shape(0)
    axis = call.axis("axis", 0, len(shape))
    lengths = call.integers("split", 1)
    if lengths is None:
        count = call.attributes.get("num_outputs", call.outputs)
        part = -(-shape[axis] // max(count, 1))
        lengths = [max(min(part, shape[axis] - n * part), 0) for n in range(count)]
    if sum(lengths) != shape[axis] or len(lengths) < call.outputs:
        raise ShapeError(f"Split: parts of {_told(lengths[:12])} do not make up an axis of {shape[axis]}")
    steps = []
    for length in lengths[: call.outputs]:
        found = checked_shape("Split", (*shape[:axis], length, *shape[axis + 1 :]))
        steps.append(Step(Rearrange("split", call.item(found)), (0,), found, call.dtype()))
    return Plan(tuple(steps[:1]), tuple(steps[1:]), from_input=True)


def concat(call: Call) -> Plan:
    """Arrays joined along an axis; constants among them are read as arrays of the network's own."""
    shapes = [call.shape(n) for n in range(len(call.inputs))]
    rank = len(shapes[0])
    axis = call.axis("axis", 1, rank)
    if len({(len(s), *s[:axis], *s[axis + 1 :]) for s in shapes}) > 1:
        told = " and ".join(dict.fromkeys(map(_told, shapes)))
        raise ShapeError(f"Concat: the inputs have shapes {told}; they may differ in axis {axis} only")
    found = checked_shape("Concat", (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :]))
    reads = tuple(range(len(shapes)))
    as_items = axis > 0 and all(call.item(s) == s[1:] for s in shapes)
    if len(shapes) == 1:
        return Plan(alias=0)
    if as_items and rank <= MAX_RANK + 2:
        return Plan((Step(Concat(axis), reads, found, call.dtype()),))
    return Plan((Step(Rearrange("concat", call.item(found)), reads, found, call.dtype()),))


def gather(call: Call) -> Plan:
    """Entries picked along one axis: of a table of weights, an embedding."""
    shape, picked = call.shape(0), call.shape(1)
    axis = call.axis("axis", 0, len(shape))
    found = (*shape[:axis], *picked, *shape[axis + 1 :])
    if call.is_constant(0):
        if axis == 0 and len(shape) == 2:
            layer = Embedding(shape[0], shape[1], call.item(found))
            return Plan((Step(layer, (1,), found, call.dtype(), (Part(0, "parameter"),)),))
        return Plan((Step(Rearrange("gather", call.item(found)), (1,), found, call.dtype(), (Part(0),)),))
    return moved(call, "gather" if picked else "select", found)


def gather_elements(call: Call) -> Plan:
    """As many entries as there are indices."""
    return moved(call, "pick", call.shape(1))


def gather_nd(call: Call) -> Plan:
    """Entries or slices at places told by the last axis of the indices."""
    shape, places = call.shape(0), call.shape(1)
    batch = call.attributes.get("batch_dims", 0)
    return moved(call, "pick", (*places[:-1], *shape[batch + places[-1] :]))


def as_first(word: str) -> Callable[[Call], Plan]:
    """The shape stays: some cells are overwritten or moved."""
    return lambda call: moved(call, word, call.shape(0))


def cast(call: Call) -> Plan:
    """Numbers of another type."""
    if call.op == "CastLike":
        return moved(call, "cast", call.shape(0), call.dtype(1))
    return moved(call, "cast", call.shape(0), dtype_name(call.attributes.get("to", 1)))


def quantize(call: Call) -> Plan:
    """Numbers as small integers, or back."""
    if call.op.startswith("Dequantize"):
        return moved(call, "dequantize", call.shape(0), call.dtype(1))
    told = call.attributes.get("output_dtype", 0)
    dtype = call.dtype(2) if call.has(2) else dtype_name(told or 2)
    found = moved(call, "quantize", call.shape(0), dtype)
    if call.op != "DynamicQuantizeLinear":
        return found
    shape = call.shape(0)
    first = Step(Rearrange("quantize", call.item(shape)), (0,), shape, "uint8")
    scale = Step(Rearrange("scale", call.item(())), (0,), (), "float32")
    return Plan((first,), (scale, Step(Rearrange("zero point", call.item(())), (0,), (), "uint8")))


def one_hot(call: Call) -> Plan:
    """A new axis with a cell for each class."""
    shape, depth = call.shape(0), call.numbers(1)
    axis = checked_axis("OneHot", call.attributes.get("axis", -1), len(shape) + 1)
    found = (*shape[:axis], int((depth or [1])[0]), *shape[axis:])
    return moved(call, "one hot", found, call.dtype(2))


def top_k(call: Call) -> Plan:
    """The largest entries along an axis, and where they were."""
    shape = call.shape(0)
    axis = call.axis("axis", -1, len(shape))
    count = call.attributes.get("k") or int((call.numbers(1) or [1])[0])
    found = checked_shape("TopK", (*shape[:axis], count, *shape[axis + 1 :]))
    first = Step(Rearrange("top k", call.item(found)), (0,), found, call.dtype())
    return Plan(
        (first,), (Step(Rearrange("top k indices", call.item(found)), (0,), found, "int64"),), from_input=True
    )


def random_like(call: Call) -> Plan:
    """Random numbers in an array like the input."""
    return moved(call, "random", call.shape(0), dtype_name(call.attributes.get("dtype", 1)))


def _shape_of(call: Call) -> Plan:
    raise NotKnownError(f"{call.op}: the shape of its input is not known")


MOVES: dict[str, Callable[[Call], Plan]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": expand,
    "Tile": tile,
    "Slice": slice_,
    "Split": split,
    "Concat": concat,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    **dict.fromkeys(("ScatterElements", "ScatterND", "Scatter"), as_first("scatter")),
    "Trilu": as_first("triangle"),
    "ReverseSequence": as_first("reverse"),
    **dict.fromkeys(("Cast", "CastLike"), cast),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"), quantize),
    "OneHot": one_hot,
    "TopK": top_k,
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike", "EyeLike"), random_like),
    **dict.fromkeys(("Shape", "Size"), _shape_of),
}
