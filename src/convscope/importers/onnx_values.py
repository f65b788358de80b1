"""What the reader of ONNX graphs knows of each array, and what it decides about each operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convscope.core.layer import Layer
from convscope.core.network import MAX_LENGTH, Shape, Weight
from convscope.errors import InputError, ShapeError, UnsupportedError

Array: TypeAlias = NDArray[Any]
# A message of the package `onnx`, which has no types.
Proto: TypeAlias = Any

# Arrays with more numbers are no shapes, and their values are never looked at.
MAX_VALUES = 1024
# A constant made of more arrays than this belongs to no layer.
MAX_PARTS = 100

# `TensorProto.DataType` by number, as NumPy (or ml_dtypes) names the type.
DTYPES: tuple[str, ...] = (
    "undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
    "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "uint4", "int4", "float4_e2m1", "float8_e8m0fnu",
    "uint2", "int2",
)  # fmt: skip


def dtype_name(number: int) -> str:
    """The dtype that ONNX gives this number.

    >>> dtype_name(1)
    'float32'
    """
    return DTYPES[number] if 0 <= number < len(DTYPES) else "undefined"


def is_floating(dtype: str) -> bool:
    """Whether numbers of this dtype can be trained."""
    return "float" in dtype


class Value:
    """One array of the graph.

    Attributes:
        name: of the array in the file.
        shape: with the batch axis; None where it is not known.
        node: the name of the layer or input that makes it; None for constants.
        weights: the arrays a constant was made from.
    """

    __slots__ = ("_array", "_load", "dtype", "key", "name", "node", "shape", "weights")

    def __init__(
        self,
        name: str,
        shape: Shape | None,
        dtype: str,
        node: str | None = None,
        weights: tuple[Weight, ...] = (),
        load: Callable[[], Array | None] | None = None,
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.node = node
        self.weights = weights
        self._load = load
        self._array: Array | None = None
        # All that may decide about an operator that reads it, but for its numbers.
        self.key = (shape, dtype, -1 if node is not None else len(weights))

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on what enters the network."""
        return self.node is None

    @property
    def array(self) -> Array | None:
        """The numbers of a small constant; they are read when they are first asked for."""
        if self._load is not None:
            self._array, self._load = self._load(), None
        return self._array

    def numbers_key(self) -> tuple[object, ...]:
        """The key, the numbers with it."""
        found = self.array
        return self.key if found is None else (*self.key, found.tobytes())


@dataclass(frozen=True, slots=True)
class Part:
    """One array that a step has as its own: which input it is, and what it counts as."""

    index: int
    role: str = ""  # "parameter", "buffer"; as it was read when empty


@dataclass(frozen=True, slots=True)
class Step:
    """One layer to be made.

    Attributes:
        reads: which inputs of the operator it reads; -1 is the step before.
        parts: which inputs are its weights.
        shape: of its output, with the batch axis; None where it is not known.
        is_recorded: the layer's own rule gives another shape, or none.
        suffix: added to the operator's name, where one operator is several layers.
    """

    layer: Layer
    reads: tuple[int, ...]
    shape: Shape | None
    dtype: str
    parts: tuple[Part, ...] = ()
    is_recorded: bool = False
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator comes to, decided once for all that are alike.

    Attributes:
        steps: the layers it makes, the last one's output being the operator's first; none when that
            is the input `alias` unchanged.
        more: a layer for each further output.
        from_input: whether those read the operator's first input, as parts of a split do, or its layer.
    """

    steps: tuple[Step, ...] = ()
    more: tuple[Step, ...] = ()
    from_input: bool = False
    alias: int = 0

    def outputs(self) -> list[tuple[Shape | None, str]]:
        """Shape and dtype of each output."""
        return [(step.shape, step.dtype) for step in (*self.steps[-1:], *self.more)]


@dataclass(frozen=True, slots=True)
class Call:
    """One operator with what it reads.

    Attributes:
        attributes: by name, decoded.
        inputs: None for one that is left out.
        outputs: how many outputs have names.
        declared: the shapes that the file declares for them; None where it declares none.
        opset: the version of the operator set it is written in.
        item: the shape of one item.
        baked: the batch that the file's own sizes are written for, where one item is read of several.
    """

    op: str
    attributes: dict[str, Any]
    inputs: tuple[Value | None, ...]
    outputs: int
    declared: tuple[Shape | None, ...]
    opset: int
    item: Callable[[Shape], Shape]
    baked: int = 1

    def has(self, index: int) -> bool:
        """Whether an input was given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """An input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise InputError(f"{self.op}: input {index} is missing")
        return found

    def shape(self, index: int) -> Shape:
        """The shape of an input, where it is known."""
        found = self.value(index).shape
        if found is None:
            raise NotKnownError(f"{self.op}: the shape of input {index} is not known")
        return found

    def dtype(self, index: int = 0) -> str:
        """The dtype of an input."""
        return self.value(index).dtype

    def is_constant(self, index: int) -> bool:
        """Whether an input was given and does not depend on what enters the network."""
        return self.has(index) and self.value(index).is_constant

    def numbers(self, index: int) -> list[Any] | None:
        """The numbers of a constant; None where the input was not given."""
        if not self.has(index):
            return None
        found = self.value(index).array
        if found is None:
            raise NotKnownError(f"{self.op}: the numbers of input {index} are not known")
        return list(found.reshape(-1).tolist())

    def integers(self, attribute: str, index: int) -> list[int] | None:
        """Integers that older operator sets give as an attribute and newer ones as an input."""
        found = self.attributes.get(attribute)
        found = self.numbers(index) if found is None else found
        return None if found is None else [int(n) for n in found]

    def computed(self) -> tuple[int, ...]:
        """The inputs that depend on what enters the network."""
        return tuple(n for n, value in enumerate(self.inputs) if value is not None and not value.is_constant)

    def axis(self, name: str, default: int, rank: int) -> int:
        """An axis counted from the front."""
        return checked_axis(self.op, self.attributes.get(name, default), rank)


def one_item(call: Call, target: list[int], before: Shape) -> list[int]:
    """A shape for one item that the file writes for several.

    There the batch stands in front, or was multiplied into the first axis that differs from the array's.

    >>> call = Call("Reshape", {}, (), 1, (), 17, tuple, baked=2)
    >>> one_item(call, [17, 8, 16], (17, 1, 64)), one_item(call, [2, -1], (1, 3, 4))
    ([17, 4, 16], [1, -1])
    """
    if call.baked == 1:
        return target
    if target[:1] == [call.baked] and before[:1] == (1,):
        return [1, *target[1:]]
    if call.op != "Reshape":
        return target
    known = math.prod(n for n in target if n != -1)
    cells = math.prod(before)
    if known == 0 or (cells % known == 0 if -1 in target else cells == known):
        return target
    same = next((n for n, pair in enumerate(zip(target, before, strict=False)) if pair[0] != pair[1]), 0)
    for place in (*range(same, len(target)), *range(same)):
        if target[place] > 0 and target[place] % call.baked == 0:
            return [*target[:place], target[place] // call.baked, *target[place + 1 :]]
    return target


class NotKnownError(UnsupportedError):
    """A shape that cannot be worked out, because it depends on numbers that are not read."""


def checked_axis(op: str, axis: Any, rank: int) -> int:  # noqa: ANN401 - as the file has it
    """The axis counted from the front.

    Raises:
        ShapeError: no axis of an array of this rank.
    """
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ShapeError(f"{op}: {axis} is not an axis of an array of {rank} axes")
    return axis % rank


def checked_shape(told: str, shape: Sequence[int]) -> Shape:
    """The shape, if an array may have it.

    Raises:
        ShapeError: negative or absurd lengths.
    """
    lengths = tuple(shape)
    if lengths and not 0 <= min(lengths) <= max(lengths) <= MAX_LENGTH:
        told_shape = "×".join(map(str, lengths[:12]))
        raise ShapeError(f"{told} has axes of {told_shape} cells; a length may be 0 to {MAX_LENGTH}")
    return lengths


def integer_array(numbers: Sequence[int]) -> Array:
    """Integers as ONNX's shapes hold them."""
    return np.asarray(numbers, dtype=np.int64)
