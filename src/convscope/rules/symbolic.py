"""A network whose input has letters for lengths: every size and cost as a function of them.

Nothing is written a second time here: the shape and cost rules are run on letters, and what they
ask in order to refuse becomes a list of limits, each with the layer that would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

from convscope.core.document import Code, Document, Formula, Listing, Paragraph, Section, Table, text
from convscope.core.expression import Relation, Symbol, as_expression, equation, sizes
from convscope.core.network import Graph, Input, Shape
from convscope.core.operators import Reduce
from convscope.core.size import Condition, Length, Size, Variable, conditions
from convscope.core.size_values import Values, evaluate
from convscope.errors import ConvscopeError, InputError, UnsupportedError
from convscope.rules.fields import Fields
from convscope.rules.memory import memory
from convscope.rules.network import Network, Row, worked_rows
from convscope.rules.receptive_field import Field
from convscope.rules.sweep import Sweep, swept

LETTERS: dict[int, tuple[str, ...]] = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
BATCH = "N"
SHOWN_LIMITS = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """What must hold for a layer to run: ``size ≥ 0`` or ``size = 0``.

    Attributes:
        layer: the layer that refuses where it does not hold.
        condition: what must hold.
    """

    layer: str
    condition: Condition

    @property
    def relation(self) -> Relation:
        """The limit as a formula."""
        return Relation((self.condition.size.expression, as_expression(0)), (self.condition.sign,))

    def __str__(self) -> str:
        return f"{self.condition.size} {self.condition.sign} 0"


@dataclass(frozen=True, slots=True)
class HeldAt:
    """The bytes that are held while a layer runs."""

    layer: str
    bytes: Length


class _Fields(Fields):
    """Fields at one size of the input, left out where they are the whole picture."""

    def __init__(self, network: SymbolicNetwork) -> None:
        self.network = network

    def of(self, name: str) -> Field | None:
        """The field of one layer or input; None where it depends on the input's size."""
        found = self.network.example.rows[0].fields
        field = None if found is None else found.of(name)
        return None if field is None or field.is_whole else field


class SymbolicNetwork(Network):
    """A network whose rows hold sizes in letters: ``int`` where a number is left, else `Size`.

    Args:
        graph: the layers, with a letter at least among the lengths of its inputs.

    Attributes:
        limits: what must hold for every layer to run, in the order of the layers.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        if not graph.variables:
            raise InputError("no length of an input is a letter; write one, as in 'input 3xHxW'")
        limits: list[Limit] = []
        rows: list[Row] = []
        fields = _Fields(self)
        with conditions() as noted:
            for row in worked_rows(graph):
                rows.append(replace(row, fields=fields))
                limits += (Limit(row.name, condition) for condition in noted[len(limits) :])
                _check_followed(row)
        self.rows = tuple(rows)
        self.limits = tuple(limits)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The letters, in the order of the axes, the batch's first."""
        return self.graph.variables

    @cached_property
    def batch(self) -> Length:
        """The letter of the batch axis, or 1 where none was written."""
        return next((entry.batch for entry in self.graph.inputs if entry.batch is not None), 1)

    @cached_property
    def total_macs(self) -> Any:  # noqa: ANN401 - an int or a size
        """Plain multiply-adds as a function of the letters; of the whole batch where N was written."""
        return self.batch * sum((row.macs for row in self.rows if row.macs is not None), 0)

    @cached_property
    def activation_bytes(self) -> Length:
        """Bytes of all outputs together, of the whole batch where N was written."""
        return self.batch * sum(
            (row.activation_bytes for row in self.rows if row.activation_bytes is not None), 0
        )

    @cached_property
    def held(self) -> tuple[HeldAt, ...]:
        """The bytes held while each layer runs for inference, outputs being freed after their last reader."""
        size: dict[str, Length] = {}
        for entry in self.graph.inputs:
            first = next(row for row in self.example.graph.inputs if row.name == entry.name)
            cell = memory_bytes(first)
            size[entry.name] = self.batch * _product(entry.shape) * cell
        for row in self.rows:
            given: Length | None = row.activation_bytes
            size[row.name] = 0 if given is None else self.batch * given
        now: Length = sum((size[entry.name] for entry in self.graph.inputs), 0)
        found = []
        for moment in memory(self.example).moments:
            now += sum((size[entry.name] for entry in moment.taken if entry.bytes), 0)
            found.append(HeldAt(moment.name, now))
            now -= sum((size[entry.name] for entry in moment.freed if entry.bytes), 0)
        return tuple(found)

    # --- numbers for letters --------------------------------------------------------------------

    def at(self, **letters: int) -> Network:
        """The network with numbers for its letters; W, where it is not given, is as long as H.

        Raises:
            InputError: a letter that is not there, has no number, or one out of its range.
            ShapeError: sizes that a layer refuses.
        """
        values = Values(self.filled(letters))
        inputs = tuple(
            Input(entry.name, tuple(evaluate(n, values) for n in entry.shape), entry.dtype)
            for entry in self.graph.inputs
        )
        return Network(Graph(inputs, self.graph.nodes, self.graph.outputs, self.graph.name))

    def at_shape(self, shape: Shape) -> Network:
        """The network with the lengths of one item of its first input: ``net.at_shape((3, 224, 224))``.

        Raises:
            InputError: a shape of other axes, or a length that is not open and differs.
        """
        written = self.graph.inputs[0].shape
        fits = len(shape) == len(written) and all(
            isinstance(known, Size) or known == n for known, n in zip(written, shape, strict=False)
        )
        if not fits:
            told, given = ("×".join(map(str, lengths)) for lengths in (written, shape))
            raise InputError(f"the input is {told}; {given} does not fit it")
        letters: dict[str, int] = {}
        for known, n in zip(written, shape, strict=True):
            if isinstance(known, Size) and letters.setdefault(str(known), n) != n:
                raise InputError(f"{known} is {letters[str(known)]} and {n}; it has one value")
        return self.at(**letters)

    def evaluate(self, **letters: Any) -> Sweep:  # noqa: ANN401 - an int or an array of integers each
        """Every size and cost for many values of the letters at once: one array operation a formula.

        Args:
            letters: an int or an integer array for each; W, where it is not given, is as long as H,
                and N is 1.

        Returns:
            Totals and rows as masked arrays; where a layer refuses, its name is in `rejected_by`.

        Raises:
            InputError: a letter that is not there, has no number, or one out of its range.
        """
        return swept(self, self.filled(letters))

    def filled(self, letters: Mapping[str, Any]) -> dict[str, Any]:
        """The letters with those that were left out: 1 for N, else as the first that was given."""
        names = [variable.name for variable in self.variables]
        for name in letters:
            if name not in names:
                raise InputError(f"there is no letter {name}; the input has {', '.join(names)}")
        spatial = [name for name in names if name != BATCH and name in letters]
        found = dict(letters)
        for name in names:
            if name not in found and name != BATCH and not spatial:
                raise InputError(f"{name} has no value; give one, as in {name}=224")
            found.setdefault(name, 1 if name == BATCH else letters[spatial[0]] if spatial else 1)
        return found

    @cached_property
    def example(self) -> Network:
        """The network at one size that it accepts, for what does not depend on the size."""
        return self.at(**self.accepted())

    def accepted(self) -> dict[str, int]:
        """One value for each letter at which every layer runs; near 224 where there is one.

        Raises:
            InputError: no size is accepted.
        """
        from convscope.rules.valid_inputs import valid_inputs

        return valid_inputs(self).example()

    # --- what needs numbers ---------------------------------------------------------------------

    def lint(self, object_size: Any = None) -> NoReturn:  # noqa: ANN401, ARG002
        """Needs numbers: ``net.at(H=224, W=224).lint()``."""
        raise UnsupportedError(self._needs_numbers("lint()"))

    def field_of(self, layer: str, cell: Any = None) -> NoReturn:  # noqa: ANN401, ARG002
        """Needs numbers: ``net.at(H=224, W=224).field_of("conv1")``."""
        raise UnsupportedError(self._needs_numbers("field_of(…)"))

    def memory(self, *, training: bool = False, batch: int = 1) -> NoReturn:  # noqa: ARG002
        """Needs numbers: ``net.at(H=224, W=224).memory()``; `held` has the bytes in letters."""
        raise UnsupportedError(self._needs_numbers("memory()"))

    def count(self, convention: str) -> NoReturn:  # noqa: ARG002
        """Needs numbers: ``net.at(H=224, W=224).count("fvcore")``."""
        raise UnsupportedError(self._needs_numbers("count(…)"))

    def draw(self) -> NoReturn:
        """Needs numbers: ``net.at(H=224, W=224).draw()``."""
        raise UnsupportedError(self._needs_numbers("draw()"))

    def _needs_numbers(self, call: str) -> str:
        given = ", ".join(f"{variable.name}=224" for variable in self.variables if variable.name != BATCH)
        return f"this needs numbers for the input's letters: net.at({given}).{call}"

    # --- shown ----------------------------------------------------------------------------------

    def document(self) -> Document:
        """Sizes and costs as functions of the letters, then what they must fulfil."""
        called = (" of ", Code(self.graph.name)) if self.graph.name else (" of a network",)
        letters = [
            text(Symbol(v.name), f" is from {v.least} to {v.most}, {_meaning(v.name)}.")
            for v in self.variables
        ]
        totals = (
            Formula(equation(Symbol("parameters"), self.total_params)),
            Formula(equation(Symbol("MACs"), self.total_macs)),
            Formula(equation(Symbol("bytes"), self.activation_bytes)),
        )
        cells = tuple(
            (text(Code(row.name)), text(row.words), row.shape_told(), _cell(row.params), _cell(row.macs))
            for row in self.rows
        )
        heads = ("name", "layer", "output", "parameters", "MACs")
        return Document(
            text("Sizes", *called, " in letters"),
            (
                *(
                    Paragraph(text("Input ", Code(entry.name), ": ", sizes(entry.shape), "."))
                    for entry in self.graph.inputs
                ),
                Listing(tuple(letters)),
                Table(tuple(map(text, heads)), cells, align="lllrr"),
                Section(text("Together"), totals),
                *self._limits_told(),
            ),
        )

    def _limits_told(self) -> tuple[Section, ...]:
        shown = self.limits[:SHOWN_LIMITS]
        rows = tuple((text(Code(limit.layer)), (limit.relation,)) for limit in shown)
        table = Table((text("layer"), text("runs only where")), rows)
        return (Section(text("What the layers ask of the input"), (table,)),) if rows else ()


def _meaning(name: str) -> str:
    known = {"H": "height", "W": "width", "D": "depth", "L": "length"}
    return "items in a batch" if name == BATCH else f"the input's {known.get(name, 'length')}"


def _cell(value: Length | None) -> tuple[Any, ...]:
    return ("not counted",) if value is None else (as_expression(value),)


def _product(shape: Shape) -> Any:  # noqa: ANN401
    found: Any = 1
    for length in shape:
        found = found * length
    return found


def memory_bytes(entry: Input) -> int:
    """Bytes of one number of an input."""
    from convscope.rules.cost import array_bytes

    return array_bytes((1,), entry.dtype) or 0


def _check_followed(row: Row) -> None:
    """Refuse an operator that is known only at the size at which it was recorded."""
    given = [n for shape in row.input_shapes for n in shape or ()]
    if not any(isinstance(n, Size) for n in given):
        return
    if row.output_shape is None:
        raise row.node.failed(UnsupportedError(f"how the shape of {row.op} follows from H is not known"))
    recorded = row.node.recorded or getattr(row.layer, "shape", None)
    if recorded is None or (isinstance(row.layer, Reduce) and row.layer.whole):
        return
    raise row.node.failed(
        UnsupportedError(
            f"the shape of this {row.op} was recorded at one input size; how it varies is not known"
        )
    )


def in_letters(network: Network) -> SymbolicNetwork:
    """The network with letters for the spatial lengths of its inputs: H and W, D for depth, L alone.

    Inputs whose spatial lengths are the same share their letters.

    Raises:
        InputError: no input has spatial axes.
        UnsupportedError: an operator whose shape is known only as it was recorded.
    """
    if isinstance(network, SymbolicNetwork):
        return network
    named: dict[Shape, Shape] = {}
    inputs = []
    for entry in network.graph.inputs:
        spatial = entry.shape[1:] if len(entry.shape) - 1 in LETTERS else ()
        if spatial and spatial not in named:
            index = str(len(named) + 1) if named else ""
            named[spatial] = tuple(
                Variable(name + index).size  # type: ignore[misc]
                for name in LETTERS[len(spatial)]
            )
        shape = (entry.shape[0], *named[spatial]) if spatial else entry.shape
        inputs.append(Input(entry.name, shape, entry.dtype, entry.batch))
    if not named:
        raise InputError("no input of the network has spatial axes, whose lengths could vary")
    nodes = tuple(_freed(row) for row in network.rows)
    return SymbolicNetwork(Graph(tuple(inputs), nodes, network.graph.outputs, network.graph.name))


def _freed(row: Row) -> Any:  # noqa: ANN401
    """The node without the shape that was recorded, where its rule gives that shape too."""
    from convscope.rules.shape import output_shape

    node = row.node
    if node.recorded is None or any(shape is None for shape in row.input_shapes):
        return node
    try:
        ruled = output_shape(node.layer, row.input_shapes).shape  # type: ignore[arg-type]
    except ConvscopeError:
        return node
    return replace(node, recorded=None) if ruled == node.recorded else node
