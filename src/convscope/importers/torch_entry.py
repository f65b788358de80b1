"""What a recording of PyTorch knows of each tensor, and what it decides about each operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import torch

from convscope.core.layer import Layer
from convscope.core.network import Shape, Weight

META = torch.device("meta")

# A tensor of at most so many numbers that does not depend on the input is computed for real.
SMALL = 4096

Output: TypeAlias = tuple[Shape, torch.dtype]


class Entry:
    """One tensor of a recording.

    Attributes:
        tensor: itself, held so that its id stays its own.
        computed: whether it depends on what enters the network; all others are weights and constants.
        node: the position of the node that made it; None until one is needed.
        lazy: makes that node when the tensor is first read: views and second outputs are often not.
        root, version: the tensor this is a view of, and its version when the view was taken.
        weights: the arrays that one which is not computed was made from.
        value: a real tensor with its numbers, where it is small and does not depend on the input.
        ours: whether the recording made that real tensor, so that it may be written to.
        label: what a constant is called.
    """

    __slots__ = (
        "computed", "dtype", "key", "label", "lazy", "node", "ours", "root", "shape", "tensor", "value",
        "version", "weights",
    )  # fmt: skip

    def __init__(
        self,
        tensor: torch.Tensor,
        shape: Shape,
        dtype: torch.dtype,
        node: int | None,
        *,
        computed: bool = True,
    ) -> None:
        self.tensor = tensor
        self.shape = shape
        self.dtype = dtype
        self.computed = computed
        self.key = (shape, dtype, computed)
        self.node = node
        self.lazy: Callable[[], int] | None = None
        self.root: Entry | None = None
        self.version = 0
        self.weights: tuple[Weight, ...] = ()
        self.value: torch.Tensor | None = None
        self.ours = False
        self.label = "constant"

    def become_computed(self) -> None:
        """From now on it depends on the input, as a buffer does that something computed is written to."""
        self.computed, self.value, self.weights = True, None, ()
        self.key = (self.shape, self.dtype, True)


@dataclass(frozen=True, slots=True)
class Step:
    """One node to be made.

    Attributes:
        op: what it is called where no module's name fits.
        reads: positions of the tensors it reads among those of the call; -1 is the step before.
        weights: positions of its weights.
        recorded: the shape of its output where the layer's rule gives another or none.
    """

    layer: Layer
    op: str
    reads: tuple[int, ...]
    shape: Shape
    dtype: torch.dtype
    weights: tuple[int, ...] = ()
    recorded: Shape | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator with such arguments comes to, decided once for all calls alike.

    Attributes:
        outputs: shape and dtype of each tensor it returns.
        kind: how they are returned: "one", "list" or "tuple".
        steps: the nodes it makes; none when the output is the input, `alias`, as it was.
        lazy: every output is a node of its own, made when it is read.
        view: whether the output shares its cells with the first tensor.
        rest: what the outputs after the first are called.
        alias: position of the tensor that the output equals.
    """

    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()
    kind: str = "one"
    lazy: bool = False
    view: bool = False
    rest: str = "indices"
    alias: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operator before it is called."""

    func: Any
    name: str  # without namespace, and without the underscore of in-place forms
    namespace: str
    arguments: tuple[tuple[str, Any], ...]  # name, default
    written: tuple[str, ...]  # the arguments that are written to
    is_view: bool
    is_composite: bool
    has_device: bool
    gives_tensors: bool
    is_pointwise: bool

    @classmethod
    def of(cls, func: Any) -> Operation:  # noqa: ANN401 - an OpOverload
        """What the operator's schema says."""
        schema = func._schema  # noqa: SLF001 - no public form
        namespace, _, name = schema.name.rpartition("::")
        arguments = tuple(
            (a.name, a.default_value if a.has_default_value() else None) for a in schema.arguments
        )
        written = tuple(
            a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write
        )
        return cls(
            func,
            (name.rstrip("_") if written or name.endswith("__") else name).lstrip("_") or name,
            namespace,
            arguments,
            written,
            not written
            and any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns),
            torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"),  # noqa: SLF001
            any(name == "device" for name, _default in arguments),
            bool(schema.returns) and all("Tensor" in str(r.type) for r in schema.returns),
            torch.Tag.pointwise in func.tags,
        )

    @property
    def is_in_place(self) -> bool:
        """Whether the first argument is overwritten and returned."""
        return bool(self.written) and self.written[0] == self.arguments[0][0]


@dataclass
class Call:
    """One call of an operator, its arguments by name."""

    operation: Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: list[Entry] = field(default_factory=list)

    @cached_property
    def _bound(self) -> dict[str, Any]:
        given = dict(self.operation.arguments)
        given |= {name: value for (name, _), value in zip(self.operation.arguments, self.args, strict=False)}
        return given | self.kwargs

    @cached_property
    def _positions(self) -> dict[str, Any]:
        """Where among the tensors each argument's stand: a position, or a list of them."""
        counter = iter(range(len(self.tensors)))
        named = [(name, value) for (name, _), value in zip(self.operation.arguments, self.args, strict=False)]
        return {name: _placed(value, counter) for name, value in (*named, *self.kwargs.items())}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - whatever the operator takes
        return self._bound[name]

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """An argument that only some forms of the operator have."""
        return self._bound.get(name, default)

    def position(self, name: str) -> int | None:
        """Where the tensor stands that was given under this name; None if none was."""
        found = self._positions.get(name)
        return found if isinstance(found, int) else None

    def positions(self, *names: str) -> tuple[int, ...]:
        """Where the tensors stand that were given under these names, lists spread out."""
        spread: list[int] = []
        for name in names:
            found = self._positions.get(name)
            spread += [found] if isinstance(found, int) else [n for n in found or () if n is not None]
        return tuple(spread)

    def entry(self, name: str) -> Entry | None:
        """What is known of the tensor given under this name."""
        position = self.position(name)
        return None if position is None else self.tensors[position]

    def computed(self) -> tuple[int, ...]:
        """Positions of the tensors that depend on the input, weights and numbers left out."""
        return tuple(n for n, entry in enumerate(self.tensors) if entry.computed)

    def arrays(self) -> tuple[int, ...]:
        """Positions of all tensors but constants of one number."""
        return tuple(n for n, e in enumerate(self.tensors) if e.computed or e.weights or set(e.shape) - {1})

    def meta_outputs(self) -> tuple[tuple[Output, ...], str]:
        """What PyTorch's own shape function says of the outputs, and how they are returned."""
        found = self.run_on_meta()
        if isinstance(found, torch.Tensor):
            return ((tuple(found.shape), found.dtype),), "one"
        kind = "tuple" if isinstance(found, tuple) else "list"
        if not isinstance(found, tuple | list) or not all(isinstance(t, torch.Tensor) for t in found):
            raise TypeError(f"the operator '{self.operation.name}' returns something that is no tensor")
        return tuple((tuple(t.shape), t.dtype) for t in found), kind

    def broadcast_outputs(self) -> tuple[tuple[Output, ...], str]:
        """The output of an operator on each cell, floats on floats; PyTorch is asked for others."""
        dtypes = {entry.dtype for entry in self.tensors}
        if len(dtypes) == 1 and self.operation.name not in _OTHER_DTYPE:
            dtype = next(iter(dtypes))
            shape = _broadcast([entry.shape for entry in self.tensors])
            if dtype.is_floating_point and shape is not None:
                return ((shape, dtype),), "one"
        return self.meta_outputs()

    def run_on_meta(self) -> Any:  # noqa: ANN401 - what the operator returns
        """The operator on tensors without numbers; forms that write get copies to write to."""
        written = self.operation.written
        named = zip((name for name, _ in self.operation.arguments), self.args, strict=False)
        args = [_without_numbers(value, fresh=name in written) for name, value in named]
        kwargs = {k: _without_numbers(v, fresh=k in written) for k, v in self.kwargs.items()}
        if kwargs.get("device") is not None:
            kwargs["device"] = META
        return self.operation.func(*args, **kwargs)


# Operators cell by cell whose result is not of their input's dtype, or not one tensor of its shape.
_OTHER_DTYPE = frozenset({
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not",
    "isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "isclose", "isin", "signbit",
    "float_power", "glu", "polar", "complex", "to", "where", "frexp", "less", "greater", "less_equal",
    "greater_equal", "not_equal", "outer", "cross", "linalg_cross", "native_dropout", "weight_norm",
    "weight_norm_interface", "cosine_similarity", "searchsorted", "bucketize",
})  # fmt: skip


def _broadcast(shapes: Sequence[Shape]) -> Shape | None:
    """The shape that arrays of these shapes are stretched to; None where they do not fit."""
    if shapes.count(shapes[0]) == len(shapes):
        return shapes[0]
    axes = max(map(len, shapes))
    lengths: list[int] = []
    for column in zip(*((1,) * (axes - len(shape)) + shape for shape in shapes), strict=True):
        wide = {length for length in column if length != 1}
        if len(wide) > 1:
            return None
        lengths.append(next(iter(wide), 1))
    return tuple(lengths)


def _placed(value: Any, counter: Iterator[int]) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        return next(counter)
    if isinstance(value, list | tuple):
        return [_placed(entry, counter) for entry in value]
    return None


def _without_numbers(value: Any, *, fresh: bool) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        if value.device.type == "meta" and not fresh:
            return value
        # 0-dim tensors take part in type promotion as numbers do, on whatever device they are.
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=META)
    if isinstance(value, list | tuple):
        return type(value)(_without_numbers(entry, fresh=fresh) for entry in value)
    if isinstance(value, torch.device):
        return META
    return value


def item_shape(shape: Shape) -> Shape:
    """The shape of one item: without a batch axis of length 1; a single number has one axis.

    >>> item_shape((1, 64, 56, 56)), item_shape((64, 49, 96)), item_shape(())
    ((64, 56, 56), (64, 49, 96), (1,))
    """
    return (shape[1:] if shape and shape[0] == 1 else shape) or (1,)


_DTYPES: dict[torch.dtype, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """The dtype as NumPy names it.

    >>> dtype_name(torch.float16)
    'float16'
    """
    return _DTYPES.setdefault(dtype, str(dtype).removeprefix("torch."))
