"""Where names of ONNX arrays hold: in the graph, in a function, in a branch inside of either."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from convscope.core.network import MAX_LENGTH, Weight
from convscope.errors import InputError
from convscope.importers.onnx_values import MAX_VALUES, Array, Value, checked_shape, dtype_name, is_floating

# A node, its operator, domain and name, and the names of what it reads and makes.
Entry: TypeAlias = tuple[Any, str, str, str, tuple[str, ...], tuple[str, ...]]


_STRINGS = 8


class Tensor:
    """An array of the file, of which the lengths of its axes are known and small numbers can be read."""

    __slots__ = ("_proto", "dtype", "shape")

    def __init__(self, proto: Any) -> None:  # noqa: ANN401 - a TensorProto
        self._proto = proto
        self.shape = checked_shape(f"the array {proto.name[:80]!r}", proto.dims)
        self.dtype = dtype_name(proto.data_type)

    def numbers(self) -> Array | None:
        """The numbers, where they are few."""
        return numbers_of(self._proto)

    @property
    def reshape(self) -> Any:  # noqa: ANN401 - NumPy's own method
        """As NumPy's arrays have it, for attributes that hold one number."""
        found = self.numbers()
        return (np.zeros(1) if found is None else found).reshape

    def as_value(self, name: str, weights: tuple[Weight, ...] = ()) -> Value:
        """A constant."""
        return Value(name, self.shape, self.dtype, None, weights, self.numbers)


def numbers_of(proto: Any) -> Array | None:  # noqa: ANN401 - a TensorProto
    """The numbers of a small array that lies in the file itself; None for all others."""
    if math.prod(proto.dims) > MAX_VALUES or proto.data_location == 1 or proto.data_type == _STRINGS:
        return None
    from onnx import numpy_helper

    try:
        return np.asarray(numpy_helper.to_array(proto))
    except (ValueError, TypeError, AttributeError, KeyError):
        return None  # fewer or more numbers than its axes have cells


class Scope:
    """The arrays that have names in a graph, and how often each is read.

    Args:
        graph: a `GraphProto` or `FunctionProto`.
        outer: the scope around a branch.
    """

    def __init__(self, graph: Any, outer: Scope | None = None) -> None:  # noqa: ANN401
        self.values: dict[str, Value] = {}
        self.uses: Counter[str] = Counter()
        self.outer = outer
        self.attributes: dict[str, Any] = outer.attributes if outer is not None else {}
        self.opset: dict[str, int] = outer.opset if outer is not None else {}
        self.declared: dict[str, Any] = {}
        self._tensors: dict[str, Any] = {}
        if hasattr(graph, "initializer"):
            self._tensors = {t.name: t for t in graph.initializer}
            self.values.update(
                (s.values.name, _sparse_value(s.values.name, s)) for s in graph.sparse_initializer
            )
            self.declared = {v.name: v for entries in (graph.value_info, graph.output) for v in entries}
            self.uses.update(output.name for output in graph.output)
        else:
            self.uses.update(graph.output)

    @classmethod
    def of_function(cls, function: Any, attributes: dict[str, Any]) -> Scope:  # noqa: ANN401
        """The scope of one call of a function: it sees its inputs and nothing else."""
        found = cls(function)
        found.attributes = attributes
        found.opset = {o.domain: int(o.version) for o in function.opset_import}
        return found

    def find(self, name: str) -> Value | None:
        """The array of this name here or around; None where there is none."""
        found = self.values.get(name)
        if found is not None:
            return found
        proto = self._tensors.get(name)
        if proto is not None:
            found = self.values[name] = _weight_value(name, proto)
            return found
        return self.outer.find(name) if self.outer is not None else None

    def known_names(self) -> set[str]:
        """The names of the arrays that are known here, those around left aside."""
        return self.values.keys() | self._tensors.keys()

    def knows(self, name: str) -> bool:
        """Whether there is an array of this name, without looking at it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values or name in scope._tensors:  # noqa: SLF001 - its own class
                return True
            scope = scope.outer
        return False


def _weight_value(name: str, proto: Any) -> Value:  # noqa: ANN401
    shape, dtype = tuple(proto.dims), dtype_name(proto.data_type)
    if shape and not 0 <= min(shape) <= max(shape) <= MAX_LENGTH:
        checked_shape(f"the array {name[:80]!r}", shape)
    # Single numbers and integers are constants of the formula, not trained.
    trained = bool(shape) and is_floating(dtype)
    weight = Weight(name, shape, dtype, trained, trained)
    return Value(name, shape, dtype, None, (weight,), partial(numbers_of, proto))


def _sparse_value(name: str, proto: Any) -> Value:  # noqa: ANN401 - a SparseTensorProto
    """The lengths of a sparse array stand beside its numbers."""
    shape, dtype = checked_shape(f"the array {name[:80]!r}", proto.dims), dtype_name(proto.values.data_type)
    return Value(name, shape, dtype, None, (Weight(name, shape, dtype),))


def ordered(nodes: Sequence[Any], scope: Scope) -> Iterator[Entry]:
    """The nodes in an order in which each comes after what it reads; as they stand where that is one.

    Raises:
        InputError: something read that nothing makes, two nodes that make one array, or a circle.
    """
    entries: list[Entry] = []
    makers: dict[str, int] = {}
    known = scope.known_names()
    every: list[str] = []
    told: list[str] = []
    in_order = True
    for node in nodes:
        op, domain, name = node.op_type, node.domain, node.name
        reads, outputs = tuple(node.input), tuple(node.output)
        every += reads
        told += (op, domain, name, *outputs)
        for read in reads:
            if read not in makers and read not in known:
                in_order = in_order and (not read or scope.knows(read))
        for made in outputs:
            if made in makers:
                raise InputError(f"two nodes make the array {made[:80]!r}")
            if made:
                makers[made] = len(entries)
        entries.append((node, op, domain, name, reads, outputs))
        if op in ("If", "Loop", "Scan"):
            _count_inner(node, scope)
    check_text([*every, *told])
    scope.uses.update(every)
    return iter(entries) if in_order else _sorted(entries, makers, scope)


def check_text(names: Iterable[object]) -> None:
    """Refuse names that are no text: what is no UTF-8 comes from the parser as bytes.

    Raises:
        InputError: with the first such name.
    """
    try:
        "".join(names)  # type: ignore[arg-type]  # which is what is tried
    except TypeError:
        wrong = next(name for name in names if not isinstance(name, str))
        raise InputError(f"the name {wrong!r:.80} in the file is no text") from None


def _count_inner(node: Any, scope: Scope) -> None:  # noqa: ANN401
    """Branches read what is around them."""
    for attribute in node.attribute:
        if attribute.type == 5:
            for inner in attribute.g.node:
                scope.uses.update(inner.input)
            scope.uses.update(output.name for output in attribute.g.output)


def _sorted(entries: list[Entry], makers: dict[str, int], scope: Scope) -> Iterator[Entry]:
    done: set[int] = set()
    for first in range(len(entries)):
        path = [] if first in done else [first]
        waiting = {first}
        while path:
            _, op, _, _, reads, _ = entries[path[-1]]
            missing = None
            for name in reads:
                if not name or scope.knows(name):
                    continue
                if name not in makers:
                    raise InputError(f"a node of type {op[:80]!r} reads {name[:80]!r}, which nothing makes")
                if makers[name] not in done:
                    missing = makers[name]
                    break
            if missing is None:
                done.add(path[-1])
                yield entries[path.pop()]
            elif missing in waiting:
                circle = " ← ".join(entries[n][5][0][:40] for n in path[path.index(missing) :][:8])
                raise InputError(f"nodes read each other in a circle: {circle}")
            else:
                path.append(missing)
                waiting.add(missing)
