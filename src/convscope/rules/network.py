"""A network worked out layer by layer: the shape, cost and receptive field of every output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convscope.core.derivation import Derivation, Step
from convscope.core.document import Code, Document, Text, text
from convscope.core.expression import Expression, sizes
from convscope.core.layer import Layer
from convscope.core.network import Graph, Node, Shape, Weight, hint
from convscope.core.operators import Unknown
from convscope.errors import ConvscopeError, InputError
from convscope.rules.cell_field import CellField, field_of_cell
from convscope.rules.conventions import Count, count
from convscope.rules.cost import Cost, Recipe, array_bytes, bytes_fact, cost_from, named, recipe_of
from convscope.rules.difference import Difference, difference
from convscope.rules.drawing import NetworkDrawing, draw_network
from convscope.rules.field_explained import field_steps
from convscope.rules.fields import Fields
from convscope.rules.formula import Fact
from convscope.rules.lint import LintReport, lint
from convscope.rules.memory import Memory, memory
from convscope.rules.network_facts import network_facts
from convscope.rules.network_report import NetworkReport, report
from convscope.rules.operator_shape import recorded_shape
from convscope.rules.receptive_field import Field
from convscope.rules.shape import output_shape
from convscope.rules.shape_result import ShapeResult
from convscope.rules.words import layer_words
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.sweep import Sweep
    from convscope.rules.symbolic import SymbolicNetwork
    from convscope.rules.valid_inputs import ValidInputs

NOT_COUNTED: Text = ("not counted",)


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one layer of a network.

    Attributes:
        node: the layer in its place.
        input_shapes: the shapes of what it reads, without the batch axis; None where one is not known.
        shape_result: the output shape with the facts it follows from; None where it is not known.
        cost: parameters and multiply-adds, with the formulas they follow from.
        shared_params: how many of its parameters an earlier layer has too, so that totals leave them out.
    """

    node: Node
    input_shapes: tuple[Shape | None, ...]
    shape_result: ShapeResult | None = field(repr=False)
    cost: Cost = field(repr=False)
    shared_params: int = field(default=0, repr=False)
    fields: Fields | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.node.name

    @property
    def layer(self) -> Layer:
        """The layer itself."""
        return self.node.layer

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it reads."""
        return self.node.inputs

    @property
    def op(self) -> str:
        """What the layer does, in a word or two: "convolution"."""
        return self.node.layer.title

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the output without the batch axis: ``(C, *spatial)`` or ``(features,)``."""
        return None if self.shape_result is None else self.shape_result.shape

    @property
    def weights(self) -> tuple[Weight, ...]:
        """The arrays it uses, parameters and others, each under its name in the network."""
        if self.node.weights is None:
            return named(self.node, self.cost.weights or ())
        return self.node.weights

    @property
    def params(self) -> int | None:
        """How many parameters it has, shared ones among them; None where its arrays are not known."""
        return self.cost.params

    @property
    def trainable_params(self) -> int | None:
        """How many of its parameters are trained."""
        known = self.cost.weights
        return None if known is None else sum(w.size for w in known if w.is_parameter and w.trainable)

    @property
    def frozen_params(self) -> int | None:
        """How many of its parameters are not trained."""
        known = self.cost.weights
        return None if known is None else sum(w.size for w in known if w.is_parameter and not w.trainable)

    @property
    def macs(self) -> int | None:
        """Multiply-adds of one item; None where they are not counted."""
        return self.cost.macs

    @property
    def activation_bytes(self) -> int | None:
        """Bytes of the output of one item; None where its shape or dtype is not known."""
        shape = self.output_shape
        return None if shape is None else array_bytes(shape, self.node.dtype)

    @property
    def receptive_field(self) -> Field | None:
        """What one output cell sees of the input; None where that is not known."""
        return None if self.fields is None else self.fields.of(self.node.name)

    @property
    def is_counted(self) -> bool:
        """Whether shape, parameters and multiply-adds are all known."""
        return self.shape_result is not None and self.cost.macs is not None and self.cost.weights is not None

    @property
    def words(self) -> str:
        """The layer with its options, one number for each spatial axis of its input."""
        shape = self.input_shapes[0] if self.input_shapes else None
        spatial = len(shape) - 1 if shape else 0
        try:
            return layer_words(self.layer.for_rank(spatial) if spatial > 0 else self.layer)
        except ConvscopeError:  # recorded shapes need not fit the layer's rank
            return layer_words(self.layer)

    def shape_told(self) -> Text:
        """The output shape, or that it is not known."""
        shape = self.output_shape
        return ("not known",) if shape is None else (sizes(shape),) if shape else ("one number",)

    def facts(self) -> tuple[Fact, ...]:
        """Every formula of the row: sizes, parameters, multiply-adds."""
        shown = () if self.shape_result is None else self.shape_result.facts()
        return (*shown, *self.cost.facts)

    def explain(self) -> Derivation[Shape | None]:
        """The output shape, the parameters and the multiply-adds, each derived: formula, numbers, result."""
        read = [
            part
            for name, shape in zip(self.inputs, self.input_shapes, strict=True)
            for part in (" and ", Code(name), ": ", "not known" if shape is None else _shape(shape))
        ]
        shape_steps = () if self.shape_result is None else self.shape_result.steps()
        return Derivation(
            text("Output shape, cost and receptive field of ", Code(self.name), f", {self.words}"),
            self.output_shape,
            (
                *((Step(text("Reads ", *read[1:], ".")),) if read else ()),
                *shape_steps,
                Step(text("Output shape: ", *self.shape_told(), ".")),
                *self._bytes_steps(),
                self._params_step(),
                self._macs_step(),
                *field_steps(self),
            ),
        )

    def explain_field(self) -> Derivation[Field | None]:
        """The receptive field, derived from those of what the layer reads."""
        title = text("Receptive field of ", Code(self.name), f", {self.words}")
        return Derivation(title, self.receptive_field, field_steps(self))

    def _bytes_steps(self) -> Iterator[Step]:
        shape = self.output_shape
        fact = None if shape is None else bytes_fact(shape, self.node.dtype)
        if fact is not None:
            yield Step(text("Bytes of the output, ", Code(self.node.dtype), ":"), (fact.display(),))

    def _params_step(self) -> Step:
        fact, params = self.cost.params_fact(), self.params
        if params is None:
            return Step(text("Parameters: not counted; the arrays of this operator are not known."))
        shared = (f", {self.shared_params} of them shared with earlier layers",) if self.shared_params else ()
        frozen = (f", {self.frozen_params} of them frozen",) if self.frozen_params else ()
        if fact is not None:
            return Step(text("Parameters", *frozen, *shared, ":"), (fact.display(),))
        if not params:
            return Step(text("Parameters: none."))
        arrays = [w for w in self.weights if w.is_parameter]
        listed = [part for w in arrays for part in (", ", Code(w.name), " ", _shape(w.shape))]
        return Step(text("Parameters: ", params, *frozen, *shared, " (", *listed[1:], ")."))

    def _macs_step(self) -> Step:
        fact = self.cost.macs_fact()
        if fact is not None:
            return Step(
                text(*fact.because, *([" "] if fact.because else []), "Multiply-adds:"), (fact.display(),)
            )
        if self.macs is None:
            return Step(text("Multiply-adds: not counted; no rule knows them."))
        return Step(text("Multiply-adds: none."))


def _shape(shape: Shape) -> Expression | str:
    return sizes(shape) if shape else "one number"


class Network(Showable):
    """A network whose sizes and costs are derived without running it.

    Args:
        graph: the layers and what each reads.

    Raises:
        ShapeError: shapes that do not fit, led by the layer's name.

    Iterating gives the rows; ``len`` counts them; ``net["conv1"]`` is the row of one layer. Two
    networks are equal when the same layers read each other in the same way: see `difference`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rows: tuple[Row, ...] = tuple(worked_rows(graph))

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
        if not isinstance(other, Network):
            return NotImplemented
        return self is other or difference(self, other) is None

    __hash__ = None  # type: ignore[assignment]  # layers hold arrays, which have no hash

    def __repr__(self) -> str:
        called = f"{self.graph.name}: " if self.graph.name else ""
        return f"<Network {called}{len(self.rows)} layers>"

    # --- totals: what is not counted is left out, and `not_counted` names it --------------------

    @cached_property
    def total_params(self) -> int:
        """Parameters of the whole network, each array counted once."""
        return sum(row.params - row.shared_params for row in self.rows if row.params is not None)

    @cached_property
    def trainable_params(self) -> int:
        """The parameters that are trained, each array counted once."""
        return self.total_params - self.frozen_params

    @cached_property
    def frozen_params(self) -> int:
        """The parameters that are not trained, each array counted once."""
        return sum(w.size for w in self.weights.values() if w.is_parameter and not w.trainable)

    @cached_property
    def total_macs(self) -> int:
        """Plain multiply-adds of one item: convolutions, linear layers, matrix products, attention."""
        return sum(row.macs for row in self.rows if row.macs is not None)

    @cached_property
    def weights(self) -> Mapping[str, Weight]:
        """Every array of the network by its name."""
        return {w.name: w for row in self.rows if row.cost.weights for w in row.weights}

    @cached_property
    def weight_bytes(self) -> Mapping[str, int]:
        """Bytes of the parameters, by dtype."""
        return _bytes_by_dtype(w for w in self.weights.values() if w.is_parameter)

    @cached_property
    def buffer_bytes(self) -> Mapping[str, int]:
        """Bytes of the arrays that are stored but are no parameters, such as running statistics, by dtype."""
        return _bytes_by_dtype(w for w in self.weights.values() if not w.is_parameter)

    @cached_property
    def not_counted(self) -> tuple[Row, ...]:
        """The rows whose shape, parameters or multiply-adds are not known, and so are in no total."""
        return tuple(row for row in self.rows if not row.is_counted)

    @property
    def complete(self) -> bool:
        """True when every row is counted, so that the totals are of the whole network."""
        return not self.not_counted

    def difference(self, other: Network) -> Difference | None:
        """The first layer that differs from another network's; None when they are the same.

        Names, the order of independent branches, values of weights, identities and dropout do not
        count, so that a network can be compared with itself from another source.
        """
        return difference(self, other)

    def count(self, convention: str) -> Count:
        """The network as a published counter counts it: total, rows, and why each differs from plain.

        Args:
            convention: ``"fvcore"``, ``"ptflops"``, ``"thop"``, ``"torchvision"``, ``"torch"``,
                ``"keras"`` or ``"plain"``.

        Raises:
            InputError: no such convention.
        """
        return count(self, convention)

    def memory(self, *, training: bool = False, batch: int = 1) -> Memory:
        """The memory one pass takes, by liveness: the peak, where it is and what is held there.

        Args:
            training: whether a backward pass follows: what layers save for it and gradients count.
            batch: how many items run at once.

        Raises:
            InputError: a batch that is no count.
        """
        return memory(self, training=training, batch=batch)

    def field_of(self, layer: str, cell: Sequence[int] | int | None = None) -> CellField:
        """The exact box of input cells that one output cell of a layer depends on, borders regarded.

        Args:
            layer: the layer's name.
            cell: its index along each axis of the picture, ``(y, x)``; the middle cell when not given.

        Raises:
            InputError: no such layer or cell.
            UnsupportedError: an operator on the way whose reach is not known.
        """
        return field_of_cell(self, layer, cell)

    def lint(self, object_size: int | Sequence[int] | None = None) -> LintReport:
        """What the network's sizes, fields and weights say against it; empty when nothing.

        Args:
            object_size: pixels, one number or one an axis, of the objects that the network is meant to
                see whole; nothing is said about small fields without it.

        Raises:
            InputError: an object size that is no size.
        """
        return lint(self, object_size)

    def in_letters(self) -> SymbolicNetwork:
        """The network with the letters H and W (D, L) for the spatial lengths of its input.

        Raises:
            InputError: no input has spatial axes.
            UnsupportedError: an operator whose shape is known only as it was recorded.
        """
        from convscope.rules.symbolic import in_letters

        return in_letters(self)

    def evaluate(self, **letters: Any) -> Sweep:  # noqa: ANN401 - an int or an array of integers each
        """Sizes and costs for many input sizes at once: ``net.evaluate(H=np.arange(64, 512))``.

        Args:
            letters: an int or an integer array for each of H and W (D, L); W is H when not given.

        Raises:
            InputError: a letter that is not there, has no number, or one out of its range.
        """
        return self.in_letters().evaluate(**letters)

    def valid_inputs(self) -> ValidInputs:
        """The input sizes at which every layer runs, and those at which nothing is dropped: exact.

        Raises:
            InputError: no input has spatial axes.
            UnsupportedError: an operator whose shape is known only as it was recorded.
        """
        from convscope.rules.valid_inputs import valid_inputs

        return valid_inputs(self.in_letters())

    def draw(self) -> NetworkDrawing:
        """A drawing: blocks to scale for a chain, a graph for branches; `save` writes it as SVG."""
        return draw_network(self)

    def facts(self) -> dict[str, Any]:
        """Everything known as plain numbers by name, as ``--json`` writes it."""
        return network_facts(self)

    def report(self, *parts: str) -> NetworkReport:
        """The parts that are named, to be shown; all of the document's when none is.

        Args:
            parts: of ``"sizes"``, ``"costs"``, ``"fields"``, ``"memory"``, ``"lint"``, ``"drawing"``,
                ``"derivations"``, in the order in which they are shown.

        Raises:
            InputError: an unknown part.
        """
        return report(self, parts)

    def document(self) -> Document:
        """Sizes and costs as a table, fields, memory, findings, a drawing, then how each follows."""
        return self.report().document()


def _bytes_by_dtype(arrays: Iterator[Weight]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for array in arrays:
        found[array.dtype] = found.get(array.dtype, 0) + (array_bytes(array.shape, array.dtype) or 0)
    return found


# --- working the rows out ---------------------------------------------------------------------


def worked_rows(graph: Graph) -> Iterator[Row]:
    """The row of each layer, in the order in which they run.

    Raises:
        ShapeError: shapes that do not fit, led by the layer's name.
    """
    shapes: dict[str, Shape | None] = {entry.name: entry.shape for entry in graph.inputs}
    fields = Fields(graph, shapes)
    # Deep networks repeat themselves: one layer object on one shape is worked out once. The graph
    # keeps the layers alive, so that an id stays theirs.
    known: dict[object, tuple[ShapeResult | None, Recipe, Cost | None]] = {}
    counted: set[str] = set()
    for node in graph.nodes:
        given = tuple([shapes[name] for name in node.inputs])
        key = (id(node.layer), given, node.recorded)
        found = known.get(key)
        if found is None:
            try:
                result = _shape_result(node, given)
                recipe = recipe_of(node.layer, given, None if result is None else result.shape)
            except ConvscopeError as error:
                raise node.failed(error) from None
            found = known[key] = (result, recipe, cost_from(node, recipe) if node.weights is None else None)
        result, recipe, cost = found
        shapes[node.name] = None if result is None else result.shape
        if node.weights is None:
            yield Row(node, given, result, cost or cost_from(node, recipe), 0, fields)
        else:
            parameters = {w.name: w.size for w in node.weights if w.is_parameter}
            shared = sum(size for name, size in parameters.items() if name in counted)
            counted.update(parameters)
            yield Row(node, given, result, cost_from(node, recipe), shared, fields)


def _shape_result(node: Node, given: tuple[Shape | None, ...]) -> ShapeResult | None:
    """The rule's result; what was recorded where the rule has none or another; None where nobody knows."""
    known = tuple(shape for shape in given if shape is not None)
    if len(known) == len(given):
        try:
            result = output_shape(node.layer, known)
        except ConvscopeError:
            if node.recorded is None and not isinstance(node.layer, Unknown):
                raise
        else:
            if node.recorded is None or result.shape == node.recorded:
                return result
    elif node.recorded is None:
        recorded = getattr(node.layer, "shape", None)
        return None if recorded is None else recorded_shape(recorded)
    return None if node.recorded is None else recorded_shape(node.recorded)
