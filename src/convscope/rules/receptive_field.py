"""The receptive field of every layer: one table from layer type to rule; conventions are told in `field`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.network import Node, Shape
from convscope.core.operators import (
    Attention,
    Elementwise,
    Embedding,
    MatMul,
    Norm,
    Rearrange,
    Recurrent,
    Reduce,
    Source,
)
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.rules.field import AxisField, Field, input_field
from convscope.rules.field_union import merged, misalignment
from convscope.rules.reach import REACH_RULES, Reach, is_shuffle, resampled
from convscope.rules.rearranged import kept_places

__all__ = ["FIELD_RULES", "AxisField", "Field", "field_of", "input_field", "misalignment"]

Known: TypeAlias = dict[tuple[int, Shape, Shape], tuple[Reach, ...]]

# A jump longer than any picture says nothing, but its digits would fill the memory.
MAX_ADVANCE = 10**18


# --- the rules --------------------------------------------------------------------------------
# A rule is given the node, the fields and shapes of what it reads, and the shape of its output.


def _same(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return fields[0]


def _whole(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Every output sees all that the inputs see together."""
    seen = [_hull(field, shape) for field, shape in zip(fields, inputs, strict=True) if field.axes]
    if not seen:
        return Field(())
    together = seen[0] if len(seen) == 1 else merged(node.name, seen, [output] * len(seen), output)
    positions = together.unfollowed
    if positions and _mixes(node.layer, positions):
        return replace(together, through=node.name, unfollowed=0)
    was_whole = all(field.is_whole for field in fields if field.axes)
    return replace(together, through=together.through if was_whole else node.name)


def _mixes(layer: Layer, positions: int) -> bool:
    """Whether a layer certainly reads so many positions at once, wherever they lie in its input."""
    if isinstance(layer, Attention):
        return layer.keys >= positions
    if isinstance(layer, MatMul):
        return layer.inner >= positions
    return isinstance(layer, GlobalAvgPool | GlobalMaxPool) or (isinstance(layer, Reduce) and layer.whole)


def _unfollowed(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Cells moved to where they are not followed: each sees some part of the picture, at most the whole."""
    positions = max(
        math.prod(field.counts(shape)) for field, shape in zip(fields, inputs, strict=True) if field.axes
    )
    return replace(_whole(node, fields, inputs, output), unfollowed=max(positions, 1))


def _hull(field: Field, shape: Shape) -> Field:
    axes = tuple(axis.hull(n) for axis, n in zip(field.axes, field.counts(shape), strict=True))
    return replace(field, axes=axes, places=(None,) * len(axes))


def _sliding(
    node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape, known: Known | None = None
) -> Field:
    field, shape = fields[0], inputs[0]
    if len(field.places) != len(shape) - 1 or field.places != tuple(range(1, len(shape))):
        # The array's axes are not the picture's: a sequence made of the picture, or tokens.
        return field if field.is_whole or not field.axes else _unfollowed(node, fields, inputs, output)
    axes: list[AxisField] = []
    reaches = _reaches(node.layer, shape, output, {} if known is None else known)
    for axis, (seen, reach) in enumerate(zip(field.axes, reaches, strict=True)):
        if axis and reach is reaches[axis - 1] and seen == field.axes[axis - 1]:
            axes.append(axes[-1])  # most networks are square: the second axis is as the first
            continue
        through = seen.seen_through(reach)
        if through is None or through.advance > MAX_ADVANCE:
            return _unfollowed(node, fields, inputs, output)
        axes.append(through)
    return Field(tuple(axes), field.through, field.misaligned, field.places)


def _reaches(layer: Layer, shape: Shape, output: Shape, known: Known) -> tuple[Reach, ...]:
    """What the layer reads along each axis; worked out once for one layer object on one shape."""
    key = id(layer), shape, output
    found = known.get(key)
    if found is None:
        rule = REACH_RULES[type(layer)]
        reaches = [rule(layer, axis, shape[axis + 1], output[axis + 1]) for axis in range(len(shape) - 1)]
        for axis in range(1, len(reaches)):
            if reaches[axis] == reaches[axis - 1]:
                reaches[axis] = reaches[axis - 1]
        found = known[key] = tuple(reaches)
    return found


def _adaptive(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    if set(output[1:]) == {1}:
        return _whole(node, fields, inputs, output)
    return _sliding(node, fields, inputs, output)


def _along(node: Node, fields: Sequence[Field], shape: Shape, place: int) -> Field:
    """Cells along one axis are mixed: whole along it if it is the picture's."""
    field = fields[0]
    if place not in field.places:
        return field
    at = field.places.index(place)
    if field.axes[at].is_constant:
        return field
    axes = tuple(a.hull(shape[place]) if n == at else a for n, a in enumerate(field.axes))
    return replace(field, axes=axes, through=node.name)


def _linear(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return _along(node, fields, inputs[0], len(inputs[0]) - 1)


def _softmax(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    dim: int = node.layer.dim  # type: ignore[attr-defined]
    return _along(node, fields, inputs[0], dim - 1 if dim >= 0 else dim + len(inputs[0]))


def _norm(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Norm)  # noqa: S101 - the table says so
    if node.layer.kind == "local response":
        return fields[0]
    last = len(inputs[0]) - 1
    if node.layer.kind in {"layer", "rms"} and last not in fields[0].places:
        return fields[0]  # over the channels of each position
    return _whole(node, fields, inputs, output)


def _moved(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Cells moved or dropped: positions are kept where the shapes tell how, and given up elsewhere."""
    field = fields[0]
    spatial = [one for one in fields if one.axes]
    if not spatial:
        return Field(())
    if len(spatial) > 1:
        layer = node.layer
        if isinstance(layer, Rearrange) and layer.op.lower().startswith(("cat", "concat")):
            return _merge(node, fields, inputs, output)
        return _unfollowed(node, fields, inputs, output)
    field, shape = next((f, s) for f, s in zip(fields, inputs, strict=True) if f.axes)
    if field.is_whole:
        return replace(field, places=(None,) * len(field.axes))
    places = kept_places(node.layer, field.places, shape, output)
    if places is not None:
        return replace(field, places=places)
    # One long vector is read as a whole by whatever comes next.
    lost = _whole if len(output) == 1 or isinstance(node.layer, Reduce) else _unfollowed
    return lost(node, fields, inputs, output)


def _shuffled(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Cells moved between channels and space, as pixel shuffling does."""
    field, shape = fields[0], inputs[0]
    reaches = [resampled(n, m) for n, m in zip(shape[1:], output[1:], strict=False)]
    if field.places != tuple(range(1, len(shape))) or len(output) != len(shape) or None in reaches:
        return _unfollowed(node, fields, inputs, output)
    axes = [
        axis.seen_through(reach) for axis, reach in zip(field.axes, reaches, strict=True) if reach is not None
    ]
    if None in axes:
        return _unfollowed(node, fields, inputs, output)
    return replace(field, axes=tuple(axis for axis in axes if axis is not None))


def _rearranged(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Rearrange)  # noqa: S101 - the table says so
    shuffles = is_shuffle(node.layer.op) and fields and fields[0].axes
    return (_shuffled if shuffles else _moved)(node, fields, inputs, output)


def _reduced(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Reduce)  # noqa: S101 - the table says so
    return (_whole if node.layer.whole else _moved)(node, fields, inputs, output)


def _flattened(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    return fields[0] if inputs[0] == output else _moved(node, fields, inputs, output)


def _nothing(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return Field(())


def _merge(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Branches that meet cell by cell: each output sees what any of them saw."""
    seen = [(field, shape) for field, shape in zip(fields, inputs, strict=True) if field.axes]
    if not seen:
        return Field(())
    if all(field is seen[0][0] for field, _ in seen) and seen[0][1] == output:
        return seen[0][0]
    return merged(node.name, [field for field, _ in seen], [shape for _, shape in seen], output)


def _concatenated(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Concat)  # noqa: S101 - the table says so
    axis = node.layer.dim - 1 if node.layer.dim > 0 else node.layer.dim + len(output)
    if any(axis in field.places for field in fields):
        return _unfollowed(
            node, fields, inputs, output
        )  # cells of the second branch lie behind those of the first
    return _merge(node, fields, inputs, output)


Rule: TypeAlias = Callable[[Node, Sequence[Field], Sequence[Shape], Shape], Field]

FIELD_RULES: dict[type[Layer], Rule] = {
    **dict.fromkeys((Conv, ConvTranspose, MaxPool, AvgPool, LpPool, Upsample, Pad), _sliding),
    **dict.fromkeys((AdaptiveAvgPool, AdaptiveMaxPool), _adaptive),
    **dict.fromkeys((GlobalAvgPool, GlobalMaxPool, MatMul, Attention, Recurrent), _whole),
    **dict.fromkeys((pointwise.Softmax, pointwise.Softmin, pointwise.LogSoftmax), _softmax),
    BatchNorm: _same,
    Flatten: _flattened,
    Linear: _linear,
    Norm: _norm,
    Rearrange: _rearranged,
    Reduce: _reduced,
    Embedding: _moved,
    Source: _nothing,
    **dict.fromkeys((Add, Elementwise), _merge),
    Concat: _concatenated,
}


def field_of(
    node: Node,
    fields: Sequence[Field],
    inputs: Sequence[Shape],
    output: Shape,
    known: Known | None = None,
) -> Field | None:
    """The field of a node from the fields of what it reads; None where no rule knows it.

    Args:
        node: the layer in its place.
        fields: of each thing it reads.
        inputs: their shapes.
        output: the shape of what it gives.
        known: what layers read, kept from node to node of one network, whose layers must outlive it:
            deep networks repeat themselves.
    """
    if isinstance(node.layer, pointwise.Pointwise):
        return fields[0]
    rule = FIELD_RULES.get(type(node.layer))
    if rule is _sliding:
        return _sliding(node, fields, inputs, output, known)
    return None if rule is None else rule(node, fields, inputs, output)
