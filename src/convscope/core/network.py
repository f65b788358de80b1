"""What a network is: named layers, each reading inputs or other layers; nothing is computed here.

A `Graph` is valid once built: every name stands for one thing, every layer reads things that
exist, nothing reads itself. Its nodes are in an order in which each comes after what it reads.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from convscope.core.layer import Layer
from convscope.core.operators import Source
from convscope.core.size import Size, Variable
from convscope.errors import ConvscopeError, InputError, ShapeError, nearest_name

Shape: TypeAlias = tuple[int, ...]

MAX_AXES = 8
# An axis longer than this belongs to no network; its product would only feed absurd totals.
MAX_LENGTH = 10**12
# The deepest published networks have some ten thousand layers; more is a slip or an attack.
MAX_NODES = 200_000
MAX_NAME = 200
# How many names an error message lists.
LISTED_NAMES = 12
SEARCHED_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class Input:
    """What enters the network: a name, the shape of one item without its batch axis, and its dtype.

    A length may be a letter, a `Size`, instead of a number; `batch` is the letter of the batch axis
    where one was named.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    batch: Size | None = None

    def __post_init__(self) -> None:
        check_name("input", self.name)
        shape = tuple(self.shape)
        if not 1 <= len(shape) <= MAX_AXES:
            raise ShapeError(f"input '{self.name}' has {len(shape)} axes; it may have 1 to {MAX_AXES}")
        numbers = [n for n in shape if not isinstance(n, Size)]
        wrong = next((n for n in numbers if isinstance(n, bool) or not isinstance(n, int)), None)
        if wrong is not None:
            raise ShapeError(f"input '{self.name}' has an axis of {wrong!r} cells; lengths are integers")
        if numbers and not 1 <= min(numbers) <= max(numbers) <= MAX_LENGTH:
            raise ShapeError(
                f"input '{self.name}' has axes of {'×'.join(map(str, shape))} cells; "
                f"a length may be 1 to {MAX_LENGTH}"
            )
        object.__setattr__(self, "shape", shape)


@dataclass(frozen=True, slots=True)
class Weight:
    """An array of numbers that is part of the network.

    Attributes:
        name: its own in the network; two nodes whose weights carry one name share the array, and it
            is counted once.
        shape: the lengths of its axes.
        dtype: as NumPy names it: ``"float32"``.
        trainable: False for frozen parameters.
        is_parameter: False for buffers and constants, which are stored but not counted.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    trainable: bool = True
    is_parameter: bool = True

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One layer in its place.

    Attributes:
        name: its own in the whole network.
        layer: what it does.
        inputs: the names of what it reads, in the order the layer takes them.
        source: where it was read from, such as "line 3"; may be empty, and does not count when
            networks are compared.
        weights: the arrays it uses, where an importer saw them; None where they follow from the layer
            and its input, as in a network written as text.
        recorded: the output shape that an importer saw, without the batch axis, for a layer whose
            shape no rule foretells; None where the rules do.
        in_place: the output overwrites the first input, as in-place activations do.
        dtype: of the output, as NumPy names it.
        module: the class of the innermost PyTorch module it ran in, such as ``"Conv2d"``; empty for
            networks of other sources. Some published counters see modules and no functions.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    source: str = field(default="", compare=False)
    weights: tuple[Weight, ...] | None = None
    recorded: Shape | None = None
    in_place: bool = field(default=False, compare=False)
    dtype: str = "float32"
    module: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_name("layer", self.name)
        object.__setattr__(self, "inputs", tuple(self.inputs))
        if not self.inputs and not isinstance(self.layer, Source):
            raise self.failed(InputError("it reads nothing"))

    def failed(self, error: ConvscopeError) -> ConvscopeError:
        """The error, led by the place of this node."""
        return error.within(f"layer '{self.name}'" + (f" ({self.source})" if self.source else ""))


def check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be shown on one line.

    Raises:
        InputError: not text, too long, empty, or with characters that are not printable.
    """
    if not isinstance(name, str):
        raise InputError(f"the name {name!r} of a {kind} is not text")
    if not 1 <= len(name) <= MAX_NAME:
        raise InputError(f"the name of a {kind} has {len(name)} characters; it may have 1 to {MAX_NAME}")
    if not name.isprintable():
        raise InputError(f"the name {name!r} of a {kind} holds characters that cannot be shown")


@dataclass(frozen=True)
class Graph:
    """A network: what enters it, its layers, and whose output leaves it.

    Args:
        inputs: what enters.
        nodes: the layers, in any order.
        outputs: the names of the layers whose output leaves; those that no other layer reads when
            not given.
        name: what the network is called; does not count when networks are compared.

    Raises:
        InputError: a name used twice, a layer that reads what is not there or, over others, itself.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...] = ()
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        inputs, nodes = tuple(self.inputs), tuple(self.nodes)
        if not inputs or not nodes:
            raise InputError(f"a network needs at least one {'layer' if inputs else 'input'}")
        if len(nodes) > MAX_NODES:
            raise InputError(f"the network has {len(nodes)} layers; at most {MAX_NODES} are read")
        known = _by_name(inputs, nodes)
        for node in nodes:
            for name in node.inputs:
                if name not in known:
                    raise node.failed(
                        InputError(f"it reads '{name}', which is not there; {hint(name, known)}")
                    )
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "nodes", tuple(_in_order(inputs, nodes)))
        object.__setattr__(self, "outputs", tuple(self.outputs) or _unread(nodes))
        for name in self.outputs:
            if name not in known:
                raise InputError(f"the output '{name}' is not there; {hint(name, known)}")

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The letters among the lengths of the inputs, in the order of the axes, a batch's first."""
        sizes = (n for entry in self.inputs for n in (entry.batch, *entry.shape))
        found = (variable for n in sizes if isinstance(n, Size) for variable in n.variables)
        return tuple(dict.fromkeys(found))

    @property
    def is_chain(self) -> bool:
        """True when each layer reads the one before it and nothing else."""
        before = chain((self.inputs[0].name,), (node.name for node in self.nodes))
        return len(self.inputs) == 1 and all(
            node.inputs == (name,) for name, node in zip(before, self.nodes, strict=False)
        )


def hint(name: str, known: Iterable[str]) -> str:
    """The nearest known name, and a few of those there are: a network may have thousands."""
    names = list(known)
    if len(names) <= LISTED_NAMES:
        return nearest_name(name, names)
    listed = difflib.get_close_matches(name, names[:SEARCHED_NAMES], n=LISTED_NAMES)
    listed = listed or names[:LISTED_NAMES]
    return f"{nearest_name(name, listed)} and {len(names) - len(listed)} more"


def _by_name(inputs: tuple[Input, ...], nodes: tuple[Node, ...]) -> Mapping[str, Input | Node]:
    known: dict[str, Input | Node] = {}
    for entry in chain[Input | Node](inputs, nodes):
        other = known.get(entry.name)
        if other is not None:
            taken = InputError(f"the name '{entry.name}' is used twice{_told_source(other)}")
            raise entry.failed(taken) if isinstance(entry, Node) else taken
        known[entry.name] = entry
    return known


def _told_source(entry: Input | Node) -> str:
    source = entry.source if isinstance(entry, Node) else ""
    return f"; {source} has it too" if source else ""


def _unread(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    read = {name for node in nodes for name in node.inputs}
    return tuple(node.name for node in nodes if node.name not in read)


def _in_order(inputs: tuple[Input, ...], nodes: tuple[Node, ...]) -> Iterator[Node]:
    """The nodes as given, except that one which reads a later one waits for it."""
    by_name = {node.name: node for node in nodes}
    done = {entry.name for entry in inputs}
    for first in nodes:
        if first.name in done:
            continue
        path = {first.name: iter(first.inputs)}  # the nodes that wait, each with what it still waits for
        while path:
            name, waiting = next(reversed(path.items()))
            missing = next((source for source in waiting if source not in done), None)
            if missing is None:
                del path[name]
                done.add(name)
                yield by_name[name]
            elif missing in path:
                raise by_name[missing].failed(InputError(f"it reads itself: {_cycle(list(path), missing)}"))
            else:
                path[missing] = iter(by_name[missing].inputs)


def _cycle(path: list[str], start: str) -> str:
    """``a ← b ← a``: each name reads the next; long rounds are cut in the middle."""
    names = [*path[path.index(start) :], start]
    if len(names) > LISTED_NAMES:
        half = LISTED_NAMES // 2
        names = [*names[:half], "…", *names[-half:]]
    return " ← ".join(names)
