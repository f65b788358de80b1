"""A network worked out layer by layer: the shape of every output, with the steps that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from convscope.core.derivation import Derivation, Step
from convscope.core.document import (
    Block,
    Code,
    Document,
    Hidden,
    Paragraph,
    Section,
    Table,
    Text,
    elided,
    text,
)
from convscope.core.expression import sizes
from convscope.core.layer import Layer
from convscope.core.network import Graph, Shape, hint
from convscope.errors import ConvscopeError, InputError
from convscope.rules.shape import UNCHANGED, ShapeResult, output_shape
from convscope.rules.window import legend
from convscope.rules.words import layer_words
from convscope.show import Showable

# Longer networks are shown by their first and last layers.
SHOWN_LAYERS = 60

# What the axes of an input are, by how many there are.
_AXES_TOLD = {
    1: "features",
    2: "channels and length",
    3: "channels, height and width",
    4: "channels, depth, height and width",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one layer of a network.

    Attributes:
        name: the layer's name.
        layer: the layer itself.
        inputs: the names of what it reads.
        input_shapes: their shapes, without the batch axis.
        shape_result: the output shape with the facts it follows from.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape_result: ShapeResult = field(repr=False)

    @property
    def op(self) -> str:
        """What the layer does, in a word or two: "convolution"."""
        return self.layer.title

    @property
    def output_shape(self) -> Shape:
        """Shape of the output without the batch axis: ``(C, *spatial)`` or ``(features,)``."""
        return self.shape_result.shape

    @property
    def words(self) -> str:
        """The layer with its options, one number for each spatial axis of its input."""
        spatial = len(self.input_shapes[0]) - 1
        return layer_words(self.layer.for_rank(spatial) if spatial else self.layer)

    def explain(self) -> Derivation[Shape]:
        """The output shape, derived: the formula of every axis with the numbers filled in."""
        read = [
            part
            for name, shape in zip(self.inputs, self.input_shapes, strict=True)
            for part in (" and ", Code(name), ": ", sizes(shape))
        ]
        return Derivation(
            text("Output shape of ", Code(self.name), f", {self.words}"),
            self.output_shape,
            (
                Step(text("Reads ", *read[1:], ".")),
                *self.shape_result.steps(),
                Step(text("Output shape: ", sizes(self.output_shape), ".")),
            ),
        )


class Network(Showable):
    """A network whose sizes are derived without running it.

    Args:
        graph: the layers and what each reads.

    Raises:
        ShapeError: shapes that do not fit, led by the layer's name.
        UnsupportedError: a layer whose output shape no rule knows.

    Iterating gives the rows; ``len`` counts them; ``net["conv1"]`` is the row of one layer. Two
    networks are equal when their inputs, layers, names and connections are.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rows: tuple[Row, ...] = tuple(_rows(graph))

    @cached_property
    def _by_name(self) -> Mapping[str, Row]:
        return {row.name: row for row in self.rows}

    def __getitem__(self, name: str) -> Row:
        row = self._by_name.get(name)
        if row is None:
            raise InputError(f"no layer is called {name!r}; {hint(str(name), self._by_name)}")
        return row

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __eq__(self, other: object) -> bool:
        return self.graph == other.graph if isinstance(other, Network) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # layers hold arrays, which have no hash

    def __repr__(self) -> str:
        called = f"{self.graph.name}: " if self.graph.name else ""
        return f"<Network {called}{len(self.rows)} layers>"

    def document(self) -> Document:
        """The sizes as a table, then how each follows."""
        called = (" of ", Code(self.graph.name)) if self.graph.name else (" of a network",)
        shown = [row for row in self.rows if row.shape_result.channels != UNCHANGED]
        sections = elided(len(shown), lambda n: (_section(shown[n]),), SHOWN_LAYERS, "layers", _remedy(self))
        told = self._legend(shown)
        return Document(
            text("Layer sizes", *called),
            (
                *(_input_told(entry.name, entry.shape) for entry in self.graph.inputs),
                *self._tables(),
                *((Paragraph(told),) if told else ()),
                *sections,
            ),
        )

    def _legend(self, shown: list[Row]) -> Text:
        head, tail = shown[: SHOWN_LAYERS - SHOWN_LAYERS // 2], shown[-(SHOWN_LAYERS // 2) :]
        return legend(fact for row in (*head, *tail) for fact in row.shape_result.facts())

    def _tables(self) -> tuple[Block, ...]:
        if len(self.rows) <= SHOWN_LAYERS:
            return (self._table(self.rows),)
        head, tail = SHOWN_LAYERS - SHOWN_LAYERS // 2, SHOWN_LAYERS // 2
        hidden = Hidden(len(self.rows) - SHOWN_LAYERS, "layers", _remedy(self))
        return self._table(self.rows[:head]), hidden, self._table(self.rows[-tail:])

    def _table(self, rows: tuple[Row, ...]) -> Table:
        branches = not self.graph.is_chain
        heads = (
            ("name", "reads", "layer", "output", "how") if branches else ("name", "layer", "output", "how")
        )
        cells = tuple(_cells(row, branches=branches) for row in rows)
        return Table(tuple(map(text, heads)), cells, align="llrl".rjust(len(heads), "l"))


def _rows(graph: Graph) -> Iterator[Row]:
    shapes = {entry.name: entry.shape for entry in graph.inputs}
    # Deep networks repeat themselves: one layer object on one shape is worked out once. The graph
    # keeps the layers alive, so that an id stays theirs.
    known: dict[tuple[int, tuple[Shape, ...]], ShapeResult] = {}
    for node in graph.nodes:
        given = tuple(shapes[name] for name in node.inputs)
        key = (id(node.layer), given)
        if key not in known:
            try:
                known[key] = output_shape(node.layer, given)
            except ConvscopeError as error:
                raise node.failed(error) from None
        shapes[node.name] = known[key].shape
        yield Row(node.name, node.layer, node.inputs, given, known[key])


def _input_told(name: str, shape: Shape) -> Paragraph:
    axes = _AXES_TOLD.get(len(shape))
    called = ("Input",) if name == "input" else ("Input ", Code(name))
    return Paragraph(text(*called, ": ", sizes(shape), f" ({axes})." if axes else "."))


def _named(names: tuple[str, ...]) -> Text:
    return tuple(part for name in names for part in (", ", Code(name)))[1:]


def _cells(row: Row, *, branches: bool) -> tuple[Text, ...]:
    reads = (_named(row.inputs),) if branches else ()
    how = row.shape_result.brief()
    return text(Code(row.name)), *reads, text(row.words), text(sizes(row.output_shape)), how


def _section(row: Row) -> Section:
    return Section(text(Code(row.name), f": {row.words}"), row.explain().blocks())


def _remedy(network: Network) -> Text:
    middle = network.rows[len(network.rows) // 2].name
    return text("ask for one of them, as in ", Code(f"net[{middle!r}].explain()"))
