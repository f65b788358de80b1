"""What many input sizes cost, as a table and a chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convscope.core.document import Block, Code, Document, Finding, Hidden, Plan, Table, Text, text
from convscope.core.drawing import Drawing, Label, Part, Polygon, Shape, Stroke
from convscope.errors import ConvscopeError, InputError
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.sweep import Sweep

SHOWN_SIZES = 60
MOST_POINTS = 400
WIDTH, HEIGHT = 560.0, 220.0
LEFT, TOP, RIGHT, FOOT = 64.0, 24.0, 20.0, 40.0
DOT = 2.2


@dataclass(frozen=True)
class SweepReport(Showable):
    """Costs of a network over many input sizes.

    Attributes:
        sweep: the sizes worked out.
        letter: the letter that varies.
    """

    sweep: Sweep = field(repr=False)
    letter: str

    def facts(self) -> dict[str, Any]:
        """One row a size; what a refused size would cost is None, and the layer that refuses is named."""
        return {"letter": self.letter, "rows": [self._row(place) for place in range(len(self._sizes()))]}

    def document(self) -> Document:
        """The chart of multiply-adds, then the table."""
        network = self.sweep.network
        called = (" of ", Code(network.graph.name)) if network.graph.name else (" of a network",)
        title = text("Costs", *called, f" over {len(self._sizes())} sizes")
        refused = int((~self.sweep.accepted).sum())
        told = text(f"{refused} of {len(self._sizes())} sizes are refused by a layer.")
        note: tuple[Block, ...] = (Finding("note", told),) if refused else ()
        drawing = self._chart()
        chart = (Plan(drawing),) if drawing is not None else ()
        return Document(title, (*chart, *note, *self._tables()))

    def _sizes(self) -> list[int]:
        return [int(n) for n in self.sweep.letters[self.letter].reshape(-1)]

    def _row(self, place: int) -> dict[str, Any]:
        sweep = self.sweep
        rejected = sweep.rejected_by.reshape(-1)[place]
        row: dict[str, Any] = {name: int(values.reshape(-1)[place]) for name, values in sweep.letters.items()}
        for name in ("total_macs", "activation_bytes", "peak_bytes"):
            row[name] = None if rejected is not None else int(getattr(sweep, name).reshape(-1)[place])
        return {**row, "refused_by": rejected}

    def _tables(self) -> tuple[Block, ...]:
        count = len(self._sizes())
        if count <= SHOWN_SIZES:
            return (self._table(range(count)),)
        head, tail = SHOWN_SIZES - SHOWN_SIZES // 2, SHOWN_SIZES // 2
        hidden = Hidden(count - SHOWN_SIZES, "sizes", text("all of them are in ", Code(".facts()")))
        return self._table(range(head)), hidden, self._table(range(count - tail, count))

    def _table(self, places: range) -> Table:
        letters = tuple(self.sweep.letters)
        heads = (*letters, "MACs", "bytes of all outputs", "bytes at the peak", "remarks")
        cells = tuple(self._cells(self._row(place), letters) for place in places)
        align = "r" * (len(letters) + 3) + "l"
        return Table(tuple(map(text, heads)), cells, align=align, sortable=True)

    def _cells(self, row: dict[str, Any], letters: tuple[str, ...]) -> tuple[Text, ...]:
        costs = (row[name] for name in ("total_macs", "activation_bytes", "peak_bytes"))
        refused = row["refused_by"]
        return (
            *(text(str(row[name])) for name in letters),
            *(() if cost is None else (f"{cost:,}",) for cost in costs),
            () if refused is None else text("refused by ", Code(str(refused))),
        )

    def _chart(self) -> Drawing | None:
        """Multiply-adds over the letter, a dot a size."""
        sizes = self._sizes()
        every = max(1, -(-len(sizes) // MOST_POINTS))
        rows = [self._row(place) for place in range(0, len(sizes), every)]
        points = [(row[self.letter], row["total_macs"]) for row in rows if row["total_macs"] is not None]
        if len({x for x, _ in points}) < 2:
            return None
        least, most = min(x for x, _ in points), max(x for x, _ in points)
        top = max(*(y for _, y in points), 1)

        def at(x: float, y: float) -> tuple[float, float]:
            right = LEFT + (WIDTH - LEFT - RIGHT) * (x - least) / (most - least)
            return right, TOP + HEIGHT * (1 - y / top)

        shapes: list[Shape] = [
            Stroke((at(least, 0), at(most, 0)), "link"),
            Stroke((at(least, 0), at(least, top)), "link"),
            Label((LEFT - 6, TOP + 4), _short(top), "end", 10, is_quiet=True),
            Label((LEFT - 6, TOP + HEIGHT / 2 + 4), _short(top / 2), "end", 10, is_quiet=True),
            Label((LEFT - 6, TOP + HEIGHT + 4), "0", "end", 10, is_quiet=True),
            Label((LEFT, TOP - 10), "MACs", "start", 10, is_strong=True),
            Label((LEFT, TOP + HEIGHT + 18), str(least), "middle", 10, is_quiet=True),
            Label((WIDTH - RIGHT, TOP + HEIGHT + 18), str(most), "middle", 10, is_quiet=True),
            Label(((LEFT + WIDTH) / 2, TOP + HEIGHT + 30), self.letter, "middle", 10, is_strong=True),
        ]
        for x, y in points:
            right, up = at(x, y)
            corners = ((right - DOT, up), (right, up - DOT), (right + DOT, up), (right, up + DOT))
            shapes.append(Part(f"{self.letter} = {x}: {y:,} MACs", (Polygon(corners, "bar"),)))
        told = f"From {points[0][1]:,} at {points[0][0]} to {points[-1][1]:,} at {points[-1][0]}."
        return Drawing(WIDTH, TOP + HEIGHT + FOOT, tuple(shapes), f"MACs over {self.letter}", told)


def _short(value: float) -> str:
    """A number for the side of a chart: 4.1 G."""
    for unit, sign in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.1f} {sign}"
    return f"{value:.0f}"


def sweep_report(sweep: Sweep) -> SweepReport:
    """The sweep to be shown.

    Raises:
        InputError: a sweep over several letters at once that vary apart.
    """
    if sweep.rejected_by.ndim != 1:
        raise InputError(f"a table needs one list of sizes; these have {sweep.rejected_by.ndim} axes")
    varying = [name for name, values in sweep.letters.items() if len(set(values.tolist())) > 1]
    if not sweep.letters:
        raise ConvscopeError("the sweep has no letters")
    return SweepReport(sweep, (varying or list(sweep.letters))[0])
