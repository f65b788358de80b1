"""What is known of constants: the arrays they are made of, and what nodes without inputs hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convscope.core.network import Shape, Weight
from convscope.errors import InputError
from convscope.importers.onnx_scope import Scope
from convscope.importers.onnx_values import MAX_PARTS, Call, Proto, Value, is_floating

MAX_DEPTH = 40

_MADE_OF_NUMBERS = frozenset({"Shape", "Size", "ConstantOfShape", "Range", "EyeLike"})


def parts_of(call: Call) -> tuple[Weight, ...]:
    """The arrays that a constant is made from; those that only tell a shape, places or a scale are not."""
    if call.op in _MADE_OF_NUMBERS:
        return ()
    read = call.inputs[:1] if call.op.startswith("Dequantize") else call.inputs
    found = tuple(
        dict.fromkeys(
            weight
            for place, value in enumerate(read)
            if value is not None and (place == 0 or is_floating(value.dtype) or call.op == "Concat")
            for weight in value.weights
        )
    )
    if len(found) > MAX_PARTS:
        raise InputError(f"a constant is made of more than {MAX_PARTS} arrays")
    return found


def filled(call: Call, name: str, shape: Shape | None, dtype: str) -> tuple[Weight, ...]:
    """Weights that were replaced by one number, to make a file small, still tell their shape by an array."""
    told = call.inputs and call.inputs[0] is not None and call.inputs[0].weights
    return (Weight(name, shape, dtype),) if told and shape and is_floating(dtype) else ()


def constant(name: str, attributes: dict[str, Any]) -> Value:
    """What the node `Constant` holds, in one of its seven forms."""
    found = attributes.get("value")
    if found is not None:
        return found.as_value(name) if hasattr(found, "as_value") else Value(name, None, "float32")
    for kind, numbers in attributes.items():
        if kind in ("value_int", "value_ints", "value_float", "value_floats"):
            held = np.asarray(numbers, dtype="float32" if "float" in kind else "int64")
            return Value(name, held.shape, str(held.dtype), None, (), lambda: held)  # noqa: B023 - returned at once
    return Value(name, None, "string")


def names_read(node: Proto) -> Iterator[str]:
    """The names of all that a node reads, its branches among it."""
    yield from node.input
    if node.op_type in ("If", "Loop", "Scan"):
        yield from _names_within(node, 0)


def captured(node: Proto, scope: Scope) -> tuple[Value, ...]:
    """What the branches or the body of a node read from around it."""
    found: dict[int, Value] = {}
    for name in _names_within(node, 0):
        value = scope.find(name)
        if value is not None and value.node is not None:
            found[id(value)] = value
    return tuple(found.values())[:64]


def _names_within(node: Proto, depth: int) -> Iterator[str]:
    for attribute in node.attribute:
        if attribute.type == 5 and depth < MAX_DEPTH:
            for inner in attribute.g.node:
                yield from inner.input
                yield from _names_within(inner, depth + 1)
