"""What the reader of Keras models knows of each array and each call of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from convscope.core.layer import Layer
from convscope.core.network import MAX_LENGTH, MAX_NODES, Node, Shape, Weight
from convscope.core.operators import Rearrange
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.importers.onnx_names import Names
from convscope.rules.shape import output_shape


@dataclass(frozen=True, slots=True)
class Held:
    """One array of the model.

    Attributes:
        node: the name of the layer or input that makes it.
        shape: of one item, with the axes in Keras's order; None where it is not known.
        moved: whether our graph holds it with its last axis, the channels, in front.
    """

    node: str
    shape: Shape | None
    moved: bool = False
    dtype: str = "float32"

    @property
    def item(self) -> Shape:
        """The shape as our graph has it."""
        return held_shape(self.known(), moved=self.moved)

    def known(self) -> Shape:
        """The shape, in Keras's order, where it is known."""
        if self.shape is None:
            raise NotKnownError("the shape of what it reads is not known")
        return self.shape


class NotKnownError(UnsupportedError):
    """Something that the configuration does not tell, so that the layer is shown as it is."""


def held_shape(shape: Shape, *, moved: bool) -> Shape:
    """A shape in Keras's order as our graph has it; a single number has one axis.

    >>> held_shape((32, 48, 3), moved=True)
    (3, 32, 48)
    """
    return ((shape[-1], *shape[:-1]) if moved and len(shape) > 1 else shape) or (1,)


@dataclass
class Builder:
    """The layers made so far."""

    nodes: list[Node] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    _turned: dict[tuple[str, bool], str] = field(default_factory=dict)

    def add(
        self,
        label: str,
        layer: Layer,
        reads: Sequence[str],
        weights: tuple[Weight, ...] = (),
        recorded: Shape | None = None,
        dtype: str = "float32",
    ) -> str:
        """One layer more; the name it got."""
        if len(self.nodes) >= MAX_NODES:
            raise InputError(f"the model has more than {MAX_NODES} layers")
        name = self.names.new(label, layer.title)
        self.nodes.append(Node(name, layer, tuple(reads), weights=weights, recorded=recorded, dtype=dtype))
        return name

    def turned(self, held: Held, *, moved: bool) -> Held:
        """The same array with its channels in front, or at the end."""
        if held.moved == moved:
            return held
        shape = held.known()
        if len(shape) < 2:
            return Held(held.node, shape, moved, held.dtype)
        key = (held.node, moved)
        if key not in self._turned:
            label = f"{held.node}.channels_{'first' if moved else 'last'}"
            layer = Rearrange("permute", held_shape(shape, moved=moved))
            self._turned[key] = self.add(label, layer, (held.node,), dtype=held.dtype)
        return Held(self._turned[key], shape, moved, held.dtype)


@dataclass
class Call:
    """One call of one layer.

    Attributes:
        kind: the class's name.
        config: the layer's options, as the file has them.
        label: what its node is to be called.
        path: what its weights are called by.
        inputs: the arrays it is given, in order.
        named: those given by keyword.
        declared: the shape that the file tells of its output; None where it tells none.
    """

    builder: Builder
    kind: str
    config: dict[str, Any]
    label: str
    path: str
    inputs: list[Held]
    named: dict[str, Held]
    trainable: bool = True
    declared: Shape | None = None
    dtype: str = "float32"

    def option(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as the file has it
        """An option; the default where the file leaves it out or says null."""
        found = self.config.get(name)
        return default if found is None else found

    def integer(self, name: str, default: int | None = None) -> int:
        """An option that is an integer."""
        found = self.option(name, default)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= MAX_LENGTH:
            raise InputError(f"{self.kind}: {name}={shown(found)} is not an integer from 0 to {MAX_LENGTH}")
        return found

    def integers(self, name: str, count: int, default: Any = 1) -> tuple[int, ...]:  # noqa: ANN401
        """An option with one integer for each axis, or one for all."""
        found = self.option(name, default)
        entries = list(found) if isinstance(found, list | tuple) else [found] * count
        if len(entries) != count or any(isinstance(n, bool) or not isinstance(n, int) for n in entries):
            raise InputError(f"{self.kind}: {name}={shown(found)} is not {count} integers")
        return tuple(entries)

    def first(self, index: int = 0) -> Held:
        """An array that must be given."""
        if index >= len(self.inputs):
            raise InputError(f"{self.kind}: it is given {len(self.inputs)} arrays, too few")
        return self.inputs[index]

    def weight(self, name: str, *shape: int, trained: bool = True) -> Weight:
        """An array of the layer; one that is not trained by design is no parameter."""
        path = f"{self.path}/{name}"
        return Weight(path, shape, self.dtype, trainable=trained and self.trainable, is_parameter=trained)

    # --- making layers ------------------------------------------------------------------------

    def make(
        self,
        layer: Layer,
        reads: Sequence[Held],
        shape: Shape,
        *,
        moved: bool = False,
        weights: tuple[Weight, ...] = (),
        suffix: str = "",
        dtype: str = "",
    ) -> Held:
        """A layer whose output has this shape in Keras's order."""
        checked(self.kind, shape)
        item = held_shape(shape, moved=moved)
        try:
            agrees = output_shape(layer, [held.item for held in reads]).shape == item
        except ConvscopeError:
            agrees = False
        label = f"{self.label}.{suffix}" if suffix else self.label
        made = dtype or self.dtype
        name = self.builder.add(
            label, layer, [held.node for held in reads], weights, None if agrees else item, made
        )
        return Held(name, shape, moved, made)

    def by_rule(self, layer: Layer, held: Held, weights: tuple[Weight, ...] = (), suffix: str = "") -> Held:
        """A layer whose own rule says the shape of its output."""
        found = output_shape(layer, [held.item]).shape
        shape = (*found[1:], found[0]) if held.moved else found
        label = f"{self.label}.{suffix}" if suffix else self.label
        name = self.builder.add(label, layer, (held.node,), weights, None, self.dtype)
        return Held(name, shape, held.moved, self.dtype)

    def spatial(self, rank: int, index: int = 0) -> Held:
        """An array as a layer of this many spatial axes takes it: channels in front."""
        held = self.first(index)
        if len(held.known()) != rank + 1:
            raise ShapeError(
                f"{self.kind}: it needs {rank} spatial axes and channels, got an array of "
                f"{len(held.known())} axes without the batch"
            )
        return self.builder.turned(held, moved=self.option("data_format") != "channels_first")

    def plain(self, index: int = 0) -> Held:
        """An array with its axes in Keras's order."""
        return self.builder.turned(self.first(index), moved=False)

    def axis(self, name: str, default: int, rank: int) -> int:
        """An axis of an item, counted from the front; files count the batch axis too."""
        found = self.option(name, default)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, bool) or not isinstance(found, int) or not -rank <= found <= rank or found == 0:
            raise ShapeError(
                f"{self.kind}: {name}={shown(found)} is not an axis of an array of {rank + 1} axes"
            )
        return found - 1 if found > 0 else found + rank


def checked(kind: str, shape: Sequence[int]) -> Shape:
    """The shape, if an array may have it.

    Raises:
        ShapeError: lengths that are not positive, or absurd.
    """
    if any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_LENGTH for n in shape):
        told = "×".join(str(n)[:20] for n in shape[:12])
        raise ShapeError(
            f"{kind}: an array of {told} cells is not possible; a length may be 1 to {MAX_LENGTH}"
        )
    return tuple(shape)


def shown(value: object, limit: int = 60) -> str:
    """A value of a file in an error message."""
    told = repr(value)
    return told if len(told) <= limit else f"{told[: limit - 1]}…"
