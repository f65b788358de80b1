"""Keras's layers that read several arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Elementwise, MatMul, Rearrange, Reduce
from convscope.core.structural import Add, Concat
from convscope.errors import ShapeError
from convscope.importers.keras_values import Call, Held, NotKnownError
from convscope.rules.operator_shape import broadcast


def _alike(call: Call, held: Sequence[Held]) -> list[Held]:
    """All arrays held as the first of the largest rank is."""
    if not held:
        raise ShapeError(f"{call.kind}: it reads nothing")
    lead = max(held, key=lambda one: len(one.known()))
    return [call.builder.turned(one, moved=lead.moved) for one in held]


def _given(call: Call) -> list[Held]:
    return [*call.inputs, *call.named.values()]


def merged(op: str) -> Callable[[Call], Held]:
    """Arrays combined cell by cell, stretched to one shape as Keras stretches them."""

    def rule(call: Call) -> Held:
        held = _alike(call, _given(call))
        shape: Shape = broadcast([one.known() for one in held])
        moved = held[0].moved if len(held) == 1 else any(one.moved for one in held) and len(shape) > 1
        same = all(one.known() == shape for one in held)
        layer: Layer = Add() if op == "add" and same and len(held) > 1 else Elementwise(op)
        return call.make(layer, held, shape, moved=moved)

    return rule


def concatenate(call: Call) -> Held:
    """Arrays joined along one axis."""
    held = _alike(call, _given(call))
    shapes = [one.known() for one in held]
    rank = len(shapes[0])
    axis = call.axis("axis", -1, rank)
    if len({(len(s), *s[:axis], *s[axis + 1 :]) for s in shapes}) > 1:
        told = " and ".join("×".join(map(str, s)) for s in dict.fromkeys(shapes))
        raise ShapeError(f"Concatenate: arrays of {told} may differ in the joined axis only")
    shape = (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
    if len(held) == 1:
        return held[0]
    place = (0 if axis == rank - 1 else axis + 1) if held[0].moved else axis
    return call.make(Concat(place + 1), held, shape, moved=held[0].moved)


def dot(call: Call) -> Held:
    """Products summed along an axis of each."""
    if len(call.inputs) != 2:
        raise ShapeError(f"Dot: it joins two arrays, got {len(call.inputs)}")
    a, b = call.plain(0).known(), call.plain(1).known()
    told = call.option("axes", -1)
    pair = list(told) if isinstance(told, list | tuple) else [told, told]
    if len(pair) != 2 or any(not isinstance(n, int) or n == 0 for n in pair):
        raise ShapeError(f"Dot: axes={str(told)[:40]} are not two axes")
    i, j = (n - 1 if n > 0 else n + len(s) for n, s in zip(pair, (a, b), strict=True))
    if not 0 <= i < len(a) or not 0 <= j < len(b) or a[i] != b[j]:
        raise ShapeError(f"Dot: axes={pair} of arrays of {a} and {b} cells do not fit each other")
    shape = (*a[:i], *a[i + 1 :], *b[:j], *b[j + 1 :]) or (1,)
    return call.make(MatMul(shape, a[i]), [call.plain(0), call.plain(1)], shape)


def operation(op: str) -> Callable[[Call], Held]:
    """An operation written between arrays, which may have had a number on its other side."""
    return merged(op)


def moved_as_told(op: str) -> Callable[[Call], Held]:
    """Cells moved as the file tells by the shape of the result alone."""

    def rule(call: Call) -> Held:
        if call.declared is None:
            raise NotKnownError(call.kind)
        held = call.plain()
        return call.make(Rearrange(op, call.declared), [held], call.declared)

    return rule


def reduced_as_told(op: str) -> Callable[[Call], Held]:
    """Axes summed or averaged: which are left, the file tells by the shape of the result."""

    def rule(call: Call) -> Held:
        held = call.plain()
        if call.declared is None:
            raise NotKnownError(call.kind)
        kept = [length for length in call.declared if length > 1]
        return call.make(Reduce(op, call.declared, whole=len(kept) < 2), [held], call.declared)

    return rule


def product(call: Call) -> Held:
    """A matrix product of two arrays."""
    a, b = call.plain(0), call.plain(1)
    if call.declared is None or not a.known():
        raise NotKnownError(call.kind)
    return call.make(MatMul(call.declared, a.known()[-1]), [a, b], call.declared)


# What TensorFlow's functions between layers do (Keras 2), by the last word of their names.
_FUNCTIONS = {
    "add": "add", "multiply": "multiply", "subtract": "subtract", "truediv": "divide",
    "divide": "divide", "maximum": "maximum", "minimum": "minimum", "sigmoid": "sigmoid", "tanh": "tanh",
    "exp": "exp", "sqrt": "sqrt", "square": "square", "abs": "abs", "clip_by_value": "clip", "silu": "silu",
    "swish": "silu", "gelu": "gelu", "relu6": "relu6", "cast": "cast", "stop_gradient": "identity",
}  # fmt: skip


def function(call: Call) -> Held:
    """A function of TensorFlow's, by its name; those that change the shape are shown as they are."""
    op = _FUNCTIONS.get(str(call.option("function", "")).rpartition(".")[2])
    if op is None:
        raise NotKnownError(call.kind)
    return merged(op)(call)


MERGES: dict[str, Callable[[Call], Held]] = {
    "Add": merged("add"),
    "Subtract": merged("subtract"),
    "Multiply": merged("multiply"),
    "Average": merged("average"),
    "Maximum": merged("maximum"),
    "Minimum": merged("minimum"),
    "Concatenate": concatenate,
    "Dot": dot,
    "Matmul": product,
    "TFOpLambda": function,
    **{
        kind: reduced_as_told(kind.lower())
        for kind in ("Mean", "Sum", "Max", "Min", "Prod", "Argmax", "Argmin", "Amax", "Amin")
    },
    # What Keras 3 writes for x * y and the like.
    **{
        kind: operation(op)
        for kind, op in {
            "TrueDivide": "divide", "Divide": "divide", "Power": "power",
            "Greater": "greater", "Less": "less",
            "Equal": "equal", "Where": "where",
        }.items()
    },
    **{
        kind: moved_as_told(op)
        for kind, op in {
            "GetItem": "slice", "Transpose": "permute", "ExpandDims": "unsqueeze", "Squeeze": "squeeze",
            "Stack": "stack", "BroadcastTo": "expand", "Repeat": "repeat", "Tile": "repeat",
        }.items()
    },
}  # fmt: skip
