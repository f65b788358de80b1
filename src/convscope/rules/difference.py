"""Whether two networks are the same, and the first layer that differs.

Networks are the same when the same layers read each other in the same way, wherever they were
read from: names, the order of independent branches, the values of weights and layers that change
nothing at inference (identity, dropout) do not count; parameters and their sharing do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convscope.core import operators, pointwise
from convscope.core.document import Code, Document, Paragraph, Text, text
from convscope.core.layer import Layer
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool
from convscope.core.structural import Add, Flatten
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.network import Network, Row

_LAYOUTS = frozenset(("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze"))
_SUMS = frozenset(("add", "sum"))


@dataclass(frozen=True)
class Difference(Showable):
    """Where two networks part.

    Attributes:
        row: the first layer of this network that the other has not; None where only the other has more.
        other: the first layer of the other network that this one has not; None where only this has more.
        why: what differs, in words.
    """

    row: Row | None = field(repr=False)
    other: Row | None = field(repr=False)
    why: Text

    def document(self) -> Document:
        """What differs, and both layers as they are."""
        told = [
            Paragraph(text(f"{which}: ", Code(row.name), f", {row.words}, gives ", *row.shape_told(), "."))
            for which, row in (("This network", self.row), ("The other", self.other))
            if row is not None
        ]
        return Document(text("Where the networks differ"), (Paragraph(self.why), *told))


def difference(network: Network, other: Network) -> Difference | None:
    """The first layer that differs between two networks; None when they are the same."""
    marks: dict[Hashable, int] = {}
    own, theirs = (_Marked(found, marks) for found in (network, other))
    missing = own.unmatched(theirs)
    extra = theirs.unmatched(own)
    if missing is not None or extra is not None:
        return Difference(missing, extra, _told(missing, extra))
    if own.outputs != theirs.outputs:
        return Difference(None, None, ("Other layers' outputs leave the network.",))
    if network.total_params != other.total_params:
        shared = text(
            "The layers are the same, but not which weights they share: ",
            network.total_params, " parameters here, ", other.total_params, " there.",
        )  # fmt: skip
        return Difference(None, None, shared)
    return None


class _Marked:
    """A network whose arrays carry marks: equal marks, equal histories."""

    def __init__(self, network: Network, marks: dict[Hashable, int]) -> None:
        self.network = network
        self.mark: dict[str, int] = {
            entry.name: _mark(marks, ("input", place, entry.shape))
            for place, entry in enumerate(network.graph.inputs)
        }
        self.rows: list[Row] = []
        for row in network.rows:
            reads = [self.mark[name] for name in row.inputs]
            if _changes_nothing(row.layer) and reads:
                self.mark[row.name] = reads[0]
                continue
            if isinstance(row.layer, Add) or getattr(row.layer, "op", "") in _SUMS | {"mul", "multiply"}:
                reads.sort()
            self.mark[row.name] = _mark(marks, (_signature(row), tuple(reads)))
            self.rows.append(row)
        self.counts = Counter(self.mark[row.name] for row in self.rows)
        self.outputs = Counter(self.mark[name] for name in network.graph.outputs)

    def unmatched(self, other: _Marked) -> Row | None:
        """The first layer that the other network has not, or not so often."""
        left = Counter(other.counts)
        for row in self.rows:
            mark = self.mark[row.name]
            if not left[mark]:
                return row
            left[mark] -= 1
        return None


def _mark(marks: dict[Hashable, int], entry: Hashable) -> int:
    return marks.setdefault(entry, len(marks))


def _changes_nothing(layer: Layer) -> bool:
    return isinstance(layer, pointwise.Identity | pointwise.Dropout)


def _signature(row: Row) -> Hashable:
    """What the layer does to the shapes it reads, whatever it was called where it was read."""
    return (_kind(row), row.input_shapes, row.output_shape, row.params)


def _kind(row: Row) -> Hashable:
    match row.layer:
        case Flatten():
            return "layout"
        case operators.Rearrange(op=op) if op in _LAYOUTS:
            return "layout"
        case Add():
            return "sum"
        case operators.Elementwise(op=op) if op in _SUMS:
            return "sum"
        case AdaptiveAvgPool() | GlobalAvgPool() if _is_whole(row):
            return "mean"
        case AdaptiveMaxPool() | GlobalMaxPool() if _is_whole(row):
            return "largest"
        case pointwise.Softmax() | pointwise.Softmin() | pointwise.LogSoftmax() as layer:
            axes = len(row.input_shapes[0] or ()) + 1
            return layer.title, layer.dim % axes
    return row.words


def _is_whole(row: Row) -> bool:
    return set((row.output_shape or ())[1:]) == {1}


def _told(row: Row | None, other: Row | None) -> Text:
    if row is None:
        return text("The other network has a layer more, ", Code(other.name if other else ""), ".")
    if other is None:
        return text("The other network has no layer ", Code(row.name), ".")
    named = text("The first layer that differs is ", Code(row.name))
    if other.name != row.name:
        named = (*named, " (there ", Code(other.name), ")")
    parts = list(_parts(row, other))
    return text(*named, ": ", "; ".join(parts) or "it reads other layers", ".")


def _parts(row: Row, other: Row) -> Iterator[str]:
    if _kind(row) != _kind(other):
        yield f"{row.words}, not {other.words}"
    if row.input_shapes != other.input_shapes:
        yield f"it reads {_shapes(row.input_shapes)}, not {_shapes(other.input_shapes)}"
    if row.output_shape != other.output_shape:
        yield f"it gives {_shapes((row.output_shape,))}, not {_shapes((other.output_shape,))}"
    if row.params != other.params:
        yield f"it has {_number(row.params)} parameters, not {_number(other.params)}"


def _shapes(shapes: tuple[tuple[int, ...] | None, ...]) -> str:
    told = ("an unknown shape" if shape is None else "×".join(map(str, shape)) or "1" for shape in shapes)
    return " and ".join(told) or "nothing"


def _number(count: int | None) -> str:
    return "an unknown number of" if count is None else str(count)
