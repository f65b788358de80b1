"""The attributes of ONNX operators, decoded once, and what makes two operators alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.importers.onnx_scope import Scope, Tensor
from convscope.importers.onnx_values import Proto, Value

# Operators whose output's shape depends on the numbers of constants, not on their lengths alone.
_NEED_NUMBERS = frozenset(
    {
        "Reshape", "Expand", "Tile", "Slice", "Split", "Squeeze", "Unsqueeze", "Pad", "Resize", "Upsample",
        "Clip", "Dropout", "OneHot", "TopK",
    }
)  # fmt: skip
_GRAPH_KINDS = frozenset({4, 5, 9, 10, 11, 12, 13})  # tensors and graphs: not compared


def attributes_of(node: Any, given: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """The attributes by name; those of a function's nodes may be told by its call.

    Args:
        node: a `NodeProto`.
        given: the attributes of the function's call.
    """
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        told = attribute
        if attribute.ref_attr_name:
            told = given.get(attribute.ref_attr_name)
            if told is None:
                continue  # the operator's own default
        value = _decoded(told)
        if value is not None:
            found[attribute.name] = value
    return found


def _decoded(attribute: Any) -> Any:  # noqa: ANN401
    kind = attribute.type
    if kind == 2:
        return int(attribute.i)
    if kind == 7:
        return list(attribute.ints)
    if kind == 1:
        return float(attribute.f)
    if kind == 3:
        return attribute.s.decode("utf-8", "replace")
    if kind == 6:
        return list(attribute.floats)
    if kind == 8:
        return [s.decode("utf-8", "replace") for s in attribute.strings]
    return Tensor(attribute.t) if kind == 4 else None


def call_key(
    node: Proto, op: str, domain: str, values: Sequence[Value | None], scope: Scope, outputs: int
) -> object:
    """What two calls have in common that come to the same layers; None for one that is like no other."""
    told: list[bytes] = []
    for attribute in node.attribute:
        if scope.attributes or attribute.type in _GRAPH_KINDS:
            return None
        told.append(attribute.SerializeToString())
    read: list[object]
    if op in _NEED_NUMBERS or op.startswith("Reduce"):
        read = [None if v is None else v.numbers_key() if v.node is None else v.key for v in values]
    else:
        read = [None if v is None else v.key for v in values]
    return op, domain, tuple(told), tuple(read), outputs
