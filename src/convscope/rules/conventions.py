"""Networks counted as published counters count them, and where each differs from plain multiply-adds.

A convention reproduces a counter of a certain version, run on the network as a PyTorch (for the
last, a Keras) model at inference with one item: `CONVENTIONS` is the table, `count` the function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convscope.core.document import Block, Code, Document, Hidden, Paragraph, Section, Table, Text, text
from convscope.core.operators import Unknown
from convscope.errors import InputError, nearest_name
from convscope.rules import convention_rules as rules
from convscope.rules.convention_rules import Plain, Rules
from convscope.rules.cost import Term
from convscope.rules.formula import Fact
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.network import Network, Row

SHOWN_ROWS = 60


def _of_every_rank(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{rank}d" for name in names for rank in (1, 2, 3))


_WINDOWED = _of_every_rank(
    *("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm"),
    *("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool"),
)
_PLAIN_MODULES = (
    "LayerNorm",
    "Linear",
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "PReLU",
    "Upsample",
    "RNN",
    "GRU",
    "LSTM",
)
_HOOKED_BY_THOP = frozenset(
    (*_WINDOWED, *_PLAIN_MODULES, "Softmax", "Dropout", "UpsamplingBilinear2d", "UpsamplingNearest2d")
)
_HOOKED_BY_PTFLOPS = frozenset((*_WINDOWED, *_PLAIN_MODULES, "ELU", "GELU", "GroupNorm", rules.MULTIHEAD))


@dataclass(frozen=True, slots=True)
class Convention:
    """What a published counter counts.

    Attributes:
        name: as it is asked for.
        counter: what it reproduces, with its version.
        unit: what its number counts.
        per_mac: what one plain multiply-add is in that unit.
        about: what it sees and what it leaves out, in words.
        modules: the rules of layers; those that have none count 0.
        functions: rules that come on top, whether a module or the model itself calls the function.
        elsewhere: rules of functions that no module calls, for layers outside known modules.
        hooked: the classes of modules the counter knows, where it sees modules only.
    """

    name: str
    counter: str
    unit: str
    per_mac: int
    about: str
    modules: Rules = field(repr=False)
    functions: Rules = field(default_factory=dict, repr=False)
    elsewhere: Rules = field(default_factory=dict, repr=False)
    hooked: frozenset[str] = field(default=frozenset(), repr=False)

    def sees_module(self, row: Row) -> bool:
        """Whether the layer ran as a module the counter knows; a layer of other sources stands for one."""
        return not self.hooked or not row.node.module or row.node.module in self.hooked


CONVENTIONS: dict[str, Convention] = {
    entry.name: entry
    for entry in (
        Convention(
            "plain",
            "convscope",
            "MACs",
            1,
            "Multiply-adds of convolutions, linear and recurrent layers, matrix products and attention.",
            dict.fromkeys(rules.PRODUCTS, lambda _layer, _row: (rules.PLAIN,)),
        ),
        Convention(
            "fvcore",
            "fvcore 0.1.5.post20221221, FlopCountAnalysis(model, inputs).total()",
            "MACs",
            1,
            "It reads the traced operators: norms, adaptive averages and resizing of pictures add up; "
            "fused attention and recurrent layers count 0. It calls its multiply-adds FLOPs. What was "
            "written with torch.einsum it reads off a report of four digits, and so may differ in the fifth.",
            rules.FVCORE,
        ),
        Convention(
            "ptflops",
            "ptflops 0.7.5, get_model_complexity_info(model, size), PyTorch backend",
            "MACs",
            1,
            "It hooks modules and replaces functions of torch.nn.functional, and adds biases, norms, "
            "activations and pooling; what a module does by a replaced function is counted twice. "
            "Convolutions and linear layers called as functions and sums count 0. Functions are taken for "
            "those it replaces: torch.relu, @ or torch.einsum count 0 there.",
            rules.PTFLOPS_MODULES,
            rules.PTFLOPS_FUNCTIONS,
            rules.PTFLOPS_ELSEWHERE,
            hooked=_HOOKED_BY_PTFLOPS,
        ),
        Convention(
            "thop",
            "thop 0.1.1.post2209072238, profile(model, inputs)",
            "MACs",
            1,
            "It hooks modules of the classes it knows and sees no function: attention and functional calls "
            "count 0, norms and pooling are added, a transposed convolution is counted by its output.",
            rules.THOP,
            hooked=_HOOKED_BY_THOP,
        ),
        Convention(
            "torchvision",
            "torchvision, `_ops` of a weights' metadata in units of 10⁹ (test/common_extended_utils.py)",
            "MACs",
            1,
            "Multiply-adds of convolutions and matrix products, though the documentation calls them GFLOPS; "
            "rounded to 3 decimals where it is published, at the size the weights' own transform gives.",
            rules.TORCHVISION,
        ),
        Convention(
            "torch",
            "torch 2.13, torch.utils.flop_counter.FlopCounterMode, run on the meta device",
            "FLOPs",
            2,
            "Twice the multiply-adds of convolutions, matrix products and attention. On a CPU the fused "
            "attention and the LSTM have no formula of their own and count 0.",
            rules.TORCH,
        ),
        Convention(
            "keras",
            "TensorFlow's profiler on a tf.keras model, ProfileOptionBuilder.float_operation()",
            "FLOPs",
            2,
            "Keras itself counts parameters only. The profiler adds twice the multiply-adds of convolutions "
            "and of matrix products, biases, pooling, softmax and sums; fused batch normalisation and "
            "activations have no statistics and count 0.",
            rules.TENSORFLOW,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class CountedRow:
    """One layer as a counter counts it.

    Attributes:
        row: the layer.
        parts: the formulas of what is added up.
        count: their sum, in the convention's unit; None where it cannot be said.
        plain: the layer's plain multiply-adds in the same unit; None where they are not counted.
        why: why the two differ, in words; empty where they do not.
    """

    row: Row
    parts: tuple[Fact, ...]
    count: Fraction | None
    plain: int | None
    why: Text = ()

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.row.name

    @property
    def differs(self) -> bool:
        """Whether the counter says something else than plain multiply-adds."""
        return self.count != self.plain


@dataclass(frozen=True)
class Count(Showable):
    """A network counted under one convention.

    Attributes:
        convention: what was counted.
        rows: every layer.
        name: what the network is called.
    """

    convention: Convention
    rows: tuple[CountedRow, ...]
    name: str = ""

    @cached_property
    def total(self) -> int:
        """The sum over all layers, rounded down as the counters do."""
        return int(sum((row.count for row in self.rows if row.count is not None), Fraction(0)))

    @cached_property
    def plain(self) -> int:
        """Plain multiply-adds in the convention's unit."""
        return sum(row.plain for row in self.rows if row.plain is not None)

    @cached_property
    def not_counted(self) -> tuple[CountedRow, ...]:
        """The layers whose count cannot be said."""
        return tuple(row for row in self.rows if row.count is None)

    @property
    def complete(self) -> bool:
        """Whether every layer is counted."""
        return not self.not_counted

    @cached_property
    def differences(self) -> tuple[CountedRow, ...]:
        """The layers for which the counter differs from plain multiply-adds."""
        return tuple(row for row in self.rows if row.differs)

    def document(self) -> Document:
        """The totals, and line by line where the counter differs from plain multiply-adds."""
        called = (" of ", Code(self.name)) if self.name else ()
        unit = self.convention.unit
        scale = "" if self.convention.per_mac == 1 else f" ({self.convention.per_mac} FLOPs each)"
        state = () if self.complete else (f"; {len(self.not_counted)} layers are not counted",)
        return Document(
            text(f"{unit}", *called, " as ", Code(self.convention.name), " counts them"),
            (
                Paragraph(text(self.convention.counter, ". ", self.convention.about)),
                Paragraph(
                    text(f"Total: {self.total} {unit}. Plain multiply-adds{scale}: {self.plain}", *state, ".")
                ),
                *self._differences_told(),
            ),
        )

    def _differences_told(self) -> tuple[Block, ...]:
        if not self.differences:
            return (Paragraph(text("No layer is counted differently.")),)
        shown = self.differences[:SHOWN_ROWS]
        cells = tuple(_cells(row) for row in shown)
        table = Table(tuple(map(text, ("name", "layer", "counted", "plain", "why"))), cells, align="llrrl")
        rest = len(self.differences) - len(shown)
        return (Section(text("Where it differs"), (table, *_hidden(rest))),)


def _hidden(rest: int) -> tuple[Block, ...]:
    return (Hidden(rest, "layers", text(Code(".differences"), " has them all")),) if rest else ()


def _cells(row: CountedRow) -> tuple[Text, ...]:
    return (
        text(Code(row.name)),
        text(row.row.words),
        _number(row.count),
        _number(row.plain),
        row.why,
    )


def _number(count: int | Fraction | None) -> Text:
    return text("not counted") if count is None else text(count)


def convention_named(name: str) -> Convention:
    """The convention of that name.

    Raises:
        InputError: no such convention, with the nearest.
    """
    found = CONVENTIONS.get(name)
    if found is None:
        raise InputError(
            f"no convention is called {str(name)[:80]!r}; {nearest_name(str(name), CONVENTIONS)}"
        )
    return found


def count(network: Network, name: str) -> Count:
    """The network counted as a published counter counts it.

    Args:
        network: what is counted.
        name: one of `CONVENTIONS`.

    Raises:
        InputError: no such convention.
    """
    convention = convention_named(name)
    # Deep networks repeat themselves: rows of one cost, layer and shape count alike.
    known: dict[object, CountedRow] = {}
    rows = []
    for row in network.rows:
        key = (id(row.layer), id(row.cost), row.input_shapes, row.node.module)
        alike = known.get(key)
        if alike is None:
            known[key] = found = counted(convention, row)
        else:
            found = CountedRow(row, alike.parts, alike.count, alike.plain, alike.why)
        rows.append(found)
    return Count(convention, tuple(rows), network.graph.name)


def counted(convention: Convention, row: Row) -> CountedRow:
    """One layer under a convention."""
    plain = None if row.macs is None else convention.per_mac * row.macs
    seen = convention.sees_module(row)
    found = [
        table.get(type(row.layer))
        for table in ((convention.modules if seen else convention.elsewhere), convention.functions)
    ]
    if isinstance(row.layer, Unknown) or None in row.input_shapes or row.output_shape is None:
        return CountedRow(row, (), None, plain, ("The operator or its shapes are not known.",))
    parts = [part for rule in found if rule is not None for part in rule(row.layer, row)]
    terms = [_term(part, row) for part in parts]
    if None in terms:  # plain multiply-adds that nobody knows
        return CountedRow(row, (), None, plain, ("Its multiply-adds are not known.",))
    facts = tuple(term.fact("count") for term in terms if term is not None)
    total = sum((Fraction(term.value()) for term in terms if term is not None), Fraction(0))
    why = () if total == plain else _why(convention, row, parts, seen=seen)
    return CountedRow(row, facts, total, plain, why)


def _term(part: Term | Plain, row: Row) -> Term | None:
    if isinstance(part, Term):
        return part
    own = row.cost.recipe.macs
    if own is None or row.macs is None or part.times == 1:
        return own
    return Term(_Times(part.times, own.formula), own.arguments, own.because)


@dataclass(frozen=True, slots=True)
class _Times:
    """A formula times a number."""

    times: int
    formula: Any

    def __call__(self, **arguments: Any) -> Any:  # noqa: ANN401 - run on numbers and on symbols
        return self.times * self.formula(**arguments)


def _why(convention: Convention, row: Row, parts: list[Term | Plain], *, seen: bool) -> Text:
    said: list[Any] = []
    if not parts and not seen:
        return (f"It ran in {row.node.module}, which {convention.name} does not look into.",)
    if not parts:
        return (f"{convention.name} has no rule for it and counts 0.",)
    for part in parts:
        if isinstance(part, Term) and part.because:
            said += [*([" "] if said else []), *part.because, ": ", part.fact("count").brief(), "."]
    return text(*said)
