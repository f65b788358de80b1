"""The shapes of operators of imported networks: by rule where one is known, else as they were recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from convscope.core.document import Text
from convscope.core.layer import Layer
from convscope.core.network import Shape
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
    Unknown,
)
from convscope.core.size import differ, simplest
from convscope.errors import ShapeError, UnsupportedError
from convscope.rules.shape_result import UNCHANGED, ShapeResult

RECORDED: Text = ("The shape is as it was recorded when the network was read.",)
BROADCAST: Text = ("Arrays are stretched to one shape: axes of length 1 are repeated.",)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape that arrays of these shapes have when stretched to fit each other, as NumPy does it.

    Raises:
        ShapeError: lengths that differ where neither is 1.

    >>> broadcast([(8, 5, 7), (8, 1, 1), ()])
    (8, 5, 7)
    """
    if shapes.count(shapes[0]) == len(shapes):
        return shapes[0]
    axes = max(map(len, shapes))
    lengths = []
    for column in zip(*((1,) * (axes - len(shape)) + tuple(shape) for shape in shapes), strict=True):
        wide = list(dict.fromkeys(length for length in column if length != 1))
        if any(differ(wide[0], length) for length in wide[1:]):
            told = " and ".join("×".join(map(str, shape)) or "one number" for shape in dict.fromkeys(shapes))
            raise ShapeError(f"the inputs have shapes {told}; they cannot be stretched to one")
        lengths.append(simplest(wide) if wide else 1)
    return tuple(lengths)  # type: ignore[arg-type]  # a Size stands for a length


def _elementwise(layer: Elementwise, shapes: Sequence[Shape]) -> ShapeResult:
    try:
        found = broadcast(shapes)
    except ShapeError as error:
        raise ShapeError(f"{layer.op}: {error}") from None
    return ShapeResult(found, UNCHANGED if all(shape == found for shape in shapes) else BROADCAST)


def _recorded(
    layer: Rearrange | Reduce | MatMul | Attention | Embedding | Recurrent | Source,
    shapes: Sequence[Shape],  # noqa: ARG001 - a rule's signature
) -> ShapeResult:
    return ShapeResult(layer.shape, RECORDED)


def _norm(layer: Norm, shapes: Sequence[Shape]) -> ShapeResult:  # noqa: ARG001 - a rule's signature
    return ShapeResult(shapes[0], UNCHANGED)


def _unknown(layer: Unknown, shapes: Sequence[Shape]) -> ShapeResult:  # noqa: ARG001 - a rule's signature
    if layer.shape is None:
        raise UnsupportedError(f"nothing is known of the operator '{layer.op}'")
    return ShapeResult(layer.shape, RECORDED)


OPERATOR_SHAPES: dict[type[Layer], Callable[[Any, Sequence[Shape]], ShapeResult]] = {
    Elementwise: _elementwise,
    Norm: _norm,
    Unknown: _unknown,
    **dict.fromkeys((Source, Rearrange, Reduce, MatMul, Attention, Embedding, Recurrent), _recorded),
}


def recorded_shape(shape: Shape) -> ShapeResult:
    """The result for a shape that an importer saw."""
    return ShapeResult(shape, RECORDED)
