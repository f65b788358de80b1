"""What there is to show of a network, part by part: sizes and costs, fields, memory, findings, drawings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convscope.core.document import (
    Block,
    Code,
    Document,
    Explained,
    Finding,
    Hidden,
    Listing,
    Paragraph,
    Plan,
    Section,
    Share,
    Table,
    Text,
    text,
)
from convscope.errors import ConvscopeError, InputError, nearest_name
from convscope.rules.drawing import draw_network, growth_drawing
from convscope.rules.drawing.blocks import brief_words, shape_words
from convscope.rules.memory import memory
from convscope.rules.network_document import derivations, input_told, named, size_tables
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.field import Field
    from convscope.rules.formula import Fact
    from convscope.rules.network import Network, Row

# Longer networks are shown by their first and last layers.
SHOWN_ROWS = 400
# More rows than this are named by their number.
NAMED_ROWS = 12
SHOWN_FINDINGS = 12
KIBI = 1024
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True)
class NetworkReport(Showable):
    """A network shown by some of its parts.

    Attributes:
        network: what is shown.
        parts: which parts, in order, as `PARTS` names them.
    """

    network: Network = field(repr=False)
    parts: tuple[str, ...]

    def document(self) -> Document:
        """The inputs, then each part; a network in letters has one form, whatever the parts."""
        if self.network.graph.variables:
            return self.network.document()
        called = (" of ", Code(self.network.graph.name)) if self.network.graph.name else (" of a network",)
        only_sizes = set(self.parts) <= {"sizes", "derivations"}
        blocks = [block for part in self.parts for block in PARTS[part](self.network)]
        inputs = (input_told(entry.name, entry.shape) for entry in self.network.graph.inputs)
        return Document(text("Layer sizes" if only_sizes else "Layers", *called), (*inputs, *blocks))


def report(network: Network, parts: Sequence[str]) -> NetworkReport:
    """The parts of a network to show; see `Network.report`.

    Raises:
        InputError: an unknown part.
    """
    for part in parts:
        if part not in PARTS:
            raise InputError(f"no part of a network is called {part!r}; {nearest_name(part, PARTS)}")
    return NetworkReport(network, tuple(parts) or ALL)


# --- layers and what they cost ----------------------------------------------------------------


def _costs(network: Network) -> tuple[Block, ...]:
    """One row a layer: output, parameters and multiply-adds, each with its share of the whole."""
    return (*_in_two(network, _cost_table), *_totals(network))


def _in_two(network: Network, table: Callable[[Network, Sequence[Row]], Table]) -> tuple[Block, ...]:
    rows = network.rows
    if len(rows) <= SHOWN_ROWS:
        return (table(network, rows),)
    head, tail = SHOWN_ROWS - SHOWN_ROWS // 2, SHOWN_ROWS // 2
    hidden = Hidden(len(rows) - SHOWN_ROWS, "layers", text("all of them are in ", Code("net.facts()")))
    return table(network, rows[:head]), hidden, table(network, rows[-tail:])


def _cost_table(network: Network, rows: Sequence[Row]) -> Table:
    reads = not network.graph.is_chain
    heads = (
        "name",
        *(("reads",) if reads else ()),
        "layer",
        "output",
        "parameters",
        "of all",
        "MACs",
        "of all",
    )
    cells = tuple(_cost_cells(network, row, reads=reads) for row in rows)
    return Table(tuple(map(text, heads)), cells, align="lllrlrl" if not reads else "llllrlrl", sortable=True)


def _cost_cells(network: Network, row: Row, *, reads: bool) -> tuple[Text, ...]:
    how = () if row.shape_result is None else row.shape_result.brief()
    return (
        text(Code(row.name)),
        *((named(row.inputs),) if reads else ()),
        text(brief_words(row)),
        _explained((shape_words(row.output_shape),), how),
        _explained(counted(row.params), _fact_told(row.cost.params_fact())),
        _share(row.params and row.params - row.shared_params, network.total_params),
        _explained(counted(row.macs), _fact_told(row.cost.macs_fact())),
        _share(row.macs, network.total_macs),
    )


def _explained(content: Text, explanation: Text) -> Text:
    return (Explained(content, explanation),) if explanation else content


def _fact_told(fact: Fact | None) -> Text:
    return () if fact is None else (fact.display().expression,)


def counted(number: int | None) -> Text:
    """A count with its thousands apart, or that it is not known."""
    return ("not counted",) if number is None else (f"{number:,}",)


def _share(part: int | None, whole: int) -> Text:
    return (Share(Fraction(part, whole)),) if part and whole else ()


def _totals(network: Network) -> tuple[Block, ...]:
    frozen = f", {network.frozen_params:,} of them frozen" if network.frozen_params else ""
    shared = sum(row.shared_params for row in network.rows)
    once = f"; {shared:,} that layers share are counted once" if shared else ""
    listed = (
        text(f"Parameters: {network.total_params:,}{frozen}{once}.", *_weights_told(network)),
        text(f"MACs: {network.total_macs:,}, plain multiply-adds of one item (FLOPs: twice as many)."),
    )
    return Listing(listed), completeness(network)


def _weights_told(network: Network) -> Text:
    told = [f"{human(size)} as {dtype}" for dtype, size in network.weight_bytes.items()]
    buffers = sum(network.buffer_bytes.values())
    more = f", and {human(buffers)} of buffers" if buffers else ""
    return (f" They take {', '.join(told)}{more}.",) if told else ()


def completeness(network: Network) -> Finding:
    """Whether the totals are of the whole network, and which rows are in none of them."""
    missing = network.not_counted
    if not missing:
        return Finding("result", text("Complete: every layer is counted."))
    names = named(tuple(row.name for row in missing[:NAMED_ROWS]))
    more = len(missing) - NAMED_ROWS
    rest = f" and {more} more" if more > 0 else ""
    rows = "this row is" if len(missing) == 1 else "these rows are"
    return Finding("warning", text(f"Partial: {rows} not counted: ", *names, f"{rest}."))


def human(size: int) -> str:
    """Bytes in words: the number itself below 1024, else in the largest unit, with one decimal.

    >>> human(1000), human(249513376)
    ('1000 bytes', '238.0 MiB')
    """
    unit, whole = 0, size
    while whole >= KIBI and unit + 1 < len(UNITS):
        whole, unit = whole // KIBI, unit + 1
    if not unit:
        return f"{size} byte{'' if size == 1 else 's'}"
    tenths = round(Fraction(10 * size, KIBI**unit))
    return f"{tenths // 10}.{tenths % 10} {UNITS[unit]}"


# --- receptive fields -------------------------------------------------------------------------


def _fields(network: Network) -> tuple[Block, ...]:
    """The field of each layer at which it changes, and a chart of how it grows."""
    rows = [row for row in network.rows if row.receptive_field is not None and row.receptive_field.axes]
    changed = [row for before, row in zip((None, *rows), rows, strict=False) if _changes(before, row)]
    if not changed:
        return ()
    told = text(
        "What one output cell sees of the input, in its pixels: the field's size, the jump between "
        "neighbouring outputs, and the centre of the first one, counted from 0. Layers that see what the "
        "layer before them sees are left out."
    )
    shown = (
        changed if len(changed) <= SHOWN_ROWS else changed[: SHOWN_ROWS // 2] + changed[-SHOWN_ROWS // 2 :]
    )
    heads = tuple(map(text, ("name", "field", "jump", "start", "remarks")))
    table = Table(heads, tuple(_field_cells(row) for row in shown), align="lrrrl", sortable=True)
    hidden = len(changed) - len(shown)
    left_out = (Hidden(hidden, "layers", text("all of them are in ", Code("net.facts()"))),) if hidden else ()
    drawing = growth_drawing(network)
    chart = (Plan(drawing),) if drawing is not None else ()
    return (Section(text("Receptive fields"), (Paragraph(told), table, *left_out, *chart)),)


def _changes(before: Row | None, row: Row) -> bool:
    if before is None or before.receptive_field is None or row.receptive_field is None:
        return True
    one, other = before.receptive_field, row.receptive_field
    return (one.axes, one.is_whole) != (other.axes, other.is_whole)


def _field_cells(row: Row) -> tuple[Text, ...]:
    seen = row.receptive_field
    assert seen is not None  # noqa: S101 - for the type checker: rows without one are left out
    return (
        text(Code(row.name)),
        _along(seen, [axis.size for axis in seen.axes]),
        _along(seen, [axis.jump for axis in seen.axes]),
        _along(seen, [axis.start for axis in seen.axes]),
        _remarks(seen),
    )


def _along(_: Field, values: Sequence[int | Fraction]) -> Text:
    """One value where all axes agree, else one for each."""
    shown = values[:1] if len(set(values)) == 1 else values
    return text(*[part for value in shown for part in (" × ", Fraction(value))][1:])


def _remarks(seen: Field) -> Text:
    told: list[Any] = []
    if seen.is_whole:
        told += ["the whole picture", *((" through ", Code(seen.through)) if seen.through else ())]
    if seen.misaligned:
        told += [*("; " if told else ""), "branches out of line at ", Code(seen.misaligned)]
    return text(*told)


# --- memory, findings, drawings ---------------------------------------------------------------


def _memory(network: Network) -> tuple[Block, ...]:
    heads = tuple(map(text, ("pass", "at the peak", "where", "with weights")))
    passes = [memory(network), memory(network, training=True)]
    rows = tuple(
        (
            text("training" if found.training else "inference"),
            text(human(found.peak_bytes)),
            text(Code(found.peak.name), f", {found.peak.phase}"),
            text(human(found.total_bytes)),
        )
        for found in passes
    )
    table = Table(heads, rows, align="lrlr")
    missing = tuple(dict.fromkeys(name for found in passes for name in found.not_counted))
    more = f" and {len(missing) - NAMED_ROWS} more" if len(missing) > NAMED_ROWS else ""
    partial = text("Partial: of unknown size are what ", *named(missing[:NAMED_ROWS]), f"{more} hold.")
    told = text(
        "What one item takes, by when each array is last needed; a library's scratch space is not counted."
    )
    warning = (Finding("warning", partial),) if missing else ()
    return (Section(text("Memory"), (Paragraph(told), table, *warning)),)


def _lint(network: Network) -> tuple[Block, ...]:
    found = network.lint()
    if not found:
        return (Section(text("Lint"), (Finding("right", text("Nothing found.")),)),)
    shown = found[:SHOWN_FINDINGS]
    blocks: list[Block] = []
    for entry in shown:
        blocks += [
            Finding("warning", text(Code(entry.layer), ": ", *entry.evidence)),
            Paragraph(text(*entry.consequence, " ", *entry.remedy)),
        ]
    if len(found) > len(shown):
        blocks.append(
            Hidden(len(found) - len(shown), "findings", text("all of them are in ", Code("net.lint()")))
        )
    count = "One finding" if len(found) == 1 else f"{len(found)} findings"
    return (Section(text(f"Lint: {count.lower()}"), tuple(blocks)),)


def _drawing(network: Network) -> tuple[Block, ...]:
    return (Section(text("Drawing"), (Plan(draw_network(network).drawing),)),)


def _sizes(network: Network) -> tuple[Block, ...]:
    return size_tables(network)


def _unless_refused(part: Callable[[Network], tuple[Block, ...]]) -> Callable[[Network], tuple[Block, ...]]:
    """A part that says why it cannot be shown, so that the others are."""

    def shown(network: Network) -> tuple[Block, ...]:
        try:
            return part(network)
        except ConvscopeError as error:
            return (Finding("note", text(str(error))),)

    return shown


PARTS: Mapping[str, Callable[[Network], tuple[Block, ...]]] = {
    "sizes": _sizes,
    "costs": _costs,
    "fields": _unless_refused(_fields),
    "memory": _unless_refused(_memory),
    "lint": _unless_refused(_lint),
    "drawing": _drawing,
    "derivations": derivations,
}
# What a network shows when no part is named.
ALL = ("costs", "fields", "memory", "lint", "drawing", "derivations")
