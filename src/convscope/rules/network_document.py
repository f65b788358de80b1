"""Parts of a network's document: sizes as a table, and how each follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.core.document import (
    Block,
    Code,
    Hidden,
    Paragraph,
    Section,
    Table,
    Text,
    elided,
    text,
)
from convscope.core.expression import sizes
from convscope.core.network import Shape
from convscope.rules.shape_result import UNCHANGED
from convscope.rules.window import legend

if TYPE_CHECKING:
    from convscope.rules.network import Network, Row

# Longer networks are shown by their first and last layers.
SHOWN_LAYERS = 60

# What the axes of an input are, by how many there are.
_AXES_TOLD = {
    1: "features",
    2: "channels and length",
    3: "channels, height and width",
    4: "channels, depth, height and width",
}


def derivations(network: Network) -> tuple[Block, ...]:
    """How everything of each layer follows, one section a layer; of a long network the first and the last."""
    shown = [row for row in network.rows if _has_more(row)]
    sections = elided(len(shown), lambda n: (_section(shown[n]),), SHOWN_LAYERS, "layers", _remedy(network))
    told = _legend(shown)
    return (*((Paragraph(told),) if told else ()), *sections)


def _has_more(row: Row) -> bool:
    """Whether there is anything to derive."""
    result = row.shape_result
    return result is not None and (result.channels != UNCHANGED or bool(row.cost.facts))


def _legend(shown: list[Row]) -> Text:
    head, tail = shown[: SHOWN_LAYERS - SHOWN_LAYERS // 2], shown[-(SHOWN_LAYERS // 2) :]
    return legend(fact for row in (*head, *tail) for fact in row.facts())


def size_tables(network: Network) -> tuple[Block, ...]:
    """The size of each layer and how it follows, in one line."""
    if len(network.rows) <= SHOWN_LAYERS:
        return (_table(network, network.rows),)
    head, tail = SHOWN_LAYERS - SHOWN_LAYERS // 2, SHOWN_LAYERS // 2
    hidden = Hidden(len(network.rows) - SHOWN_LAYERS, "layers", _remedy(network))
    return _table(network, network.rows[:head]), hidden, _table(network, network.rows[-tail:])


def _table(network: Network, rows: tuple[Row, ...]) -> Table:
    branches = not network.graph.is_chain
    heads = ("name", "reads", "layer", "output", "how") if branches else ("name", "layer", "output", "how")
    cells = tuple(_cells(row, branches=branches) for row in rows)
    return Table(tuple(map(text, heads)), cells, align="llrl".rjust(len(heads), "l"))


def input_told(name: str, shape: Shape) -> Paragraph:
    """An input in a sentence."""
    axes = _AXES_TOLD.get(len(shape))
    called = ("Input",) if name == "input" else ("Input ", Code(name))
    return Paragraph(text(*called, ": ", sizes(shape), f" ({axes})." if axes else "."))


def named(names: tuple[str, ...]) -> Text:
    """Names with commas between them."""
    return tuple(part for name in names for part in (", ", Code(name)))[1:]


def _cells(row: Row, *, branches: bool) -> tuple[Text, ...]:
    reads = (named(row.inputs),) if branches else ()
    how = () if row.shape_result is None else row.shape_result.brief()
    return text(Code(row.name)), *reads, text(row.words), row.shape_told(), how


def _section(row: Row) -> Section:
    return Section(text(Code(row.name), f": {row.words}"), row.explain().blocks())


def _remedy(network: Network) -> Text:
    middle = network.rows[len(network.rows) // 2].name
    return text("ask for one of them, as in ", Code(f"net[{middle!r}].explain()"))
