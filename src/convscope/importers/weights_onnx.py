"""The weights of ONNX files: initialisers and constants that convolutions read, one at a time.

The graph is read without its numbers, whatever the file's size. It tells which arrays are the weights
of convolutions and which batch normalisation follows. Numbers in files beside the model are read only
from the model's own folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convscope.core.network import MAX_NODES
from convscope.errors import InputError, UnsupportedError
from convscope.importers.onnx_file import parsed
from convscope.importers.onnx_wire import message_at
from convscope.importers.weight_entries import (
    MAX_ENTRIES,
    PYTORCH,
    PYTORCH_1D,
    TRANSPOSED,
    TRANSPOSED_1D,
    Array,
    Contents,
    Entry,
    Layout,
    Norm,
    checked_shape,
    is_bank,
)

# Fields of the messages: model.graph, graph.node, graph.initializer, node.attribute, attribute.t.
_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _TENSOR = 7, 1, 5, 5, 5
EPSILON = 1e-5  # where the node says none (ONNX, BatchNormalization)
_EXTERNAL = 1  # TensorProto.DataLocation
_UNCHANGED = frozenset({"Identity", "Cast"})
_LAYOUTS: dict[tuple[str, int], Layout] = {
    ("Conv", 4): PYTORCH,
    ("Conv", 3): PYTORCH_1D,
    ("ConvTranspose", 4): TRANSPOSED,
    ("ConvTranspose", 3): TRANSPOSED_1D,
}

Proto = Any  # messages that protobuf makes


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor of the model: what it is, and the way to it."""

    proto: Proto
    steps: tuple[tuple[int, int], ...]


def read_contents(path: Path) -> Contents:
    """What an ONNX file holds; the weights of convolutions first, in the order of the graph.

    Raises:
        InputError: a file that is not whole, or no ONNX model.
        MissingExtraError: the package `onnx` is not installed.
    """
    graph = parsed(path).graph
    if len(graph.node) > 2 * MAX_NODES or len(graph.initializer) > MAX_ENTRIES:
        raise InputError(f"the graph has more than {2 * MAX_NODES} nodes or {MAX_ENTRIES} arrays")
    tensors = dict(_tensors(graph))
    model = Model(path, tensors, _sources(graph, tensors))
    weights = _weights(graph, model)
    others = [_entry(model, name, tensor) for name, tensor in tensors.items() if name not in weights]
    return Contents((*weights.values(), *others), _norms(graph, weights, tensors))


def _tensors(graph: Proto) -> Iterator[tuple[str, Tensor]]:
    for place, proto in enumerate(graph.initializer):
        yield proto.name, Tensor(proto, ((_GRAPH, 0), (_INITIALIZER, place)))
    for place, node in enumerate(graph.node):
        if node.op_type == "Constant" and node.output:
            for at, attribute in enumerate(node.attribute):
                if attribute.name == "value" and attribute.HasField("t"):
                    steps = ((_GRAPH, 0), (_NODE, place), (_ATTRIBUTE, at), (_TENSOR, 0))
                    yield node.output[0], Tensor(attribute.t, steps)


def _sources(graph: Proto, tensors: dict[str, Tensor]) -> dict[str, Proto]:
    """The nodes that make one array of another: copies, casts, and whole numbers turned into fractions."""
    return {
        node.output[0]: node
        for node in graph.node
        if node.output
        and node.output[0] not in tensors
        and node.input
        and (node.op_type in _UNCHANGED or node.op_type == "DequantizeLinear")
    }


def _weights(graph: Proto, model: Model) -> dict[str, Entry]:
    """The weights of each convolution, under the name of the array that its node reads."""
    found: dict[str, Entry] = {}
    for node in graph.node:
        if node.op_type not in {"Conv", "ConvTranspose"} or len(node.input) < 2 or node.input[1] in found:
            continue
        name = node.input[1]
        tensor = model.tensors.get(model.origin(name))
        if tensor is None:
            continue
        shape = checked_shape(name, list(tensor.proto.dims))
        layout = _LAYOUTS.get((node.op_type, len(shape)))
        if node.op_type == "ConvTranspose" and layout is not None:
            groups = next((max(a.i, 1) for a in node.attribute if a.name == "group"), 1)
            if shape[0] % groups:
                raise InputError(f"'{name[:80]}' has {shape[0]} channels, not divisible by {groups} groups")
            shape = (groups, shape[0] // groups, *shape[1:])
        found[name] = Entry(
            name,
            shape,
            _type_name(tensor.proto),
            partial(model.numbers, name, shape),
            layout if is_bank(layout, shape) else None,
            (node.name,) if node.name else (),
        )
    return found


def _entry(model: Model, name: str, tensor: Tensor) -> Entry:
    shape = checked_shape(name, list(tensor.proto.dims))
    return Entry(name, shape, _type_name(tensor.proto), partial(model.numbers, name, shape))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The arrays of a model and the nodes that turn one into another."""

    path: Path
    tensors: dict[str, Tensor]
    sources: dict[str, Proto]

    def origin(self, name: str) -> str:
        """The array that the named one is made of."""
        for _ in range(len(self.sources) + 1):
            if name not in self.sources:
                return name
            name = self.sources[name].input[0]
        raise InputError(f"'{name[:80]}' is made of itself")

    def numbers(self, name: str, shape: tuple[int, ...]) -> Array:
        """The numbers under a name, with the scales applied that the graph applies, in this shape."""
        self.origin(name)
        changes = []
        while name in self.sources:
            changes.append((name, self.sources[name]))
            name = self.sources[name].input[0]
        found = _numbers(self.path, name, self.tensors[name])
        for made, node in reversed(changes):
            if node.op_type not in _UNCHANGED:
                found = self._scaled(made, node, found)
        return found.reshape(shape)

    def _scaled(self, name: str, node: Proto, stored: Array) -> Array:
        wanted = [self.origin(given) for given in node.input[1:3] if given]
        if not wanted or any(given not in self.tensors for given in wanted):
            raise UnsupportedError(f"the scales of '{name[:80]}' are not in the file")
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        scale, *zero = (_numbers(self.path, given, self.tensors[given]) for given in wanted)
        return _dequantised(name, stored, scale, zero[0] if zero else np.zeros((), np.int8), axis)


def _dequantised(name: str, stored: Array, scale: Array, zero: Array, axis: int) -> Array:
    """``(q − zero) · scale``, one scale or one for each place along an axis (ONNX, DequantizeLinear)."""
    lengths = [1] * stored.ndim
    if scale.size != 1:
        if not -stored.ndim <= axis < stored.ndim or stored.shape[axis] != scale.size:
            raise UnsupportedError(f"the scales of '{name[:80]}' are not one for each of an axis")
        lengths[axis] = scale.size
    shifted = stored.astype(np.float64) - zero.astype(np.float64).reshape(
        lengths if zero.size == scale.size else [1] * stored.ndim
    )
    return shifted * scale.astype(np.float64).reshape(lengths)


def _type_name(proto: Proto) -> str:
    import onnx

    try:
        return str(onnx.TensorProto.DataType.Name(proto.data_type)).lower()
    except ValueError:
        return f"type {proto.data_type}"


def _numbers(path: Path, name: str, tensor: Tensor) -> Array:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper

    proto = onnx.TensorProto()
    try:
        proto.ParseFromString(message_at(path, tensor.steps))
        if proto.data_location == _EXTERNAL:
            return _external(path, name, proto)
        found = numpy_helper.to_array(proto)
    except (DecodeError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{name[:80]}' is cut short, or its numbers do not fit its shape") from None
    return _real(name, found)


def _real(name: str, found: Array) -> Array:
    """NumPy's own types as they are; bfloat16 and 8-bit floats as float32."""
    if found.dtype.kind in "fiub" and found.dtype.isbuiltin == 1:
        return found
    try:
        return found.astype(np.float32)
    except (TypeError, ValueError):
        raise UnsupportedError(f"'{name[:80]}' holds {found.dtype}, which are not real numbers") from None


def _external(path: Path, name: str, proto: Proto) -> Array:
    """Numbers in a file beside the model; one anywhere else is not opened."""
    from onnx import helper

    told = {entry.key: entry.value for entry in proto.external_data}
    folder = path.parent.resolve()
    try:
        target = (folder / told.get("location", "")).resolve()
        offset, dtype = (
            int(told.get("offset", "0")),
            np.dtype(helper.tensor_dtype_to_np_dtype(proto.data_type)),
        )
    except (ValueError, KeyError, OSError, RuntimeError):
        raise InputError(f"'{name[:80]}' does not say where its numbers are") from None
    if not target.is_relative_to(folder):
        raise InputError(f"'{name[:80]}' points to a file outside the model's folder, which is not opened")
    if not target.is_file():
        raise InputError(f"'{name[:80]}' needs the file {told.get('location', '')[:80]!r} beside the model")
    count = math.prod(proto.dims)
    if offset < 0 or offset + count * dtype.itemsize > target.stat().st_size:
        raise InputError(f"the numbers of '{name[:80]}' lie past the end of {target.name}")
    return _real(name, np.fromfile(target, dtype=dtype, count=count, offset=offset).reshape(proto.dims))


def _norms(graph: Proto, weights: dict[str, Entry], tensors: dict[str, Tensor]) -> dict[str, Norm]:
    """The batch normalisation that reads a convolution's output, if nothing else does."""
    readers: dict[str, list[Proto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for node in graph.node:
        if node.op_type not in {"Conv", "ConvTranspose"} or len(node.input) < 2 or not node.output:
            continue
        after = readers.get(node.output[0], [])
        is_norm = len(after) == 1 and after[0].op_type == "BatchNormalization" and len(after[0].input) == 5
        if not is_norm or node.input[1] not in weights:
            continue
        _, gamma, _, _, variance = after[0].input
        if gamma in tensors and variance in tensors:
            epsilon = next((a.f for a in after[0].attribute if a.name == "epsilon"), EPSILON)
            found[node.input[1]] = Norm(after[0].name or gamma, variance, gamma, epsilon)
    return found
