"""Two sheets of one layer: which filters are of another kind, and how far each has moved."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.core.document import Block, Document, Finding, Paragraph, Section, Table, Text, text
from convscope.errors import ShapeError
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.interpret.sheet import Sheet

MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A filter that is of one kind before and of another after.

    Attributes:
        place: of the filter in both banks, counted from 0.
        before: its sentence in the first sheet.
        after: its sentence in the second.
        kinds: the two kinds.
        cosine: between the weights; None where the banks' kernels are of unlike shapes or one is zero.
    """

    place: int
    before: str
    after: str
    kinds: tuple[str, str]
    cosine: float | None


@dataclass(frozen=True, eq=False)
class SheetDifference(Showable):
    """What differs between two sheets; false when nothing does.

    Attributes:
        changes: the filters that changed kind, in the order of the bank.
        compared: how many filters were compared.
        only_before: how many filters the first bank has more.
        only_after: how many filters the second bank has more.
        names: what the two are called.
        moves: how many filters went from one kind to another, the most frequent move first.
    """

    changes: tuple[Change, ...]
    compared: int
    only_before: int
    only_after: int
    names: tuple[str, str]

    def __bool__(self) -> bool:
        return bool(self.changes or self.only_before or self.only_after)

    @property
    def moves(self) -> dict[tuple[str, str], int]:
        """How many filters went from one kind to another, the most frequent move first."""
        counted: dict[tuple[str, str], int] = {}
        for change in self.changes:
            counted[change.kinds] = counted.get(change.kinds, 0) + 1
        return dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])))

    def facts(self) -> dict[str, Any]:
        """The difference as plain values."""
        return {
            "before": self.names[0],
            "after": self.names[1],
            "compared": self.compared,
            "only_before": self.only_before,
            "only_after": self.only_after,
            "moves": [{"before": a, "after": b, "count": n} for (a, b), n in self.moves.items()],
            "changes": [
                {
                    "filter": change.place,
                    "before": change.kinds[0],
                    "after": change.kinds[1],
                    "cosine": None if change.cosine is None else Fraction(f"{change.cosine:.4f}"),
                    "sentence_before": change.before,
                    "sentence_after": change.after,
                }
                for change in self.changes
            ],
        }

    def document(self) -> Document:
        """How many filters changed kind, from what to what, and each of them."""
        count = len(self.changes)
        verdict = (
            Finding("result", text(count, " of ", self.compared, " filters changed kind."))
            if count
            else Finding("right", text("No filter of ", self.compared, " changed kind."))
        )
        blocks: list[Block] = [
            Paragraph(text("Before: ", self.names[0], ". After: ", self.names[1], ".")),
            verdict,
            *(
                Finding(
                    "warning", text(many, " filters are only in the bank ", which, ", and were not compared.")
                )
                for many, which in ((self.only_before, "before"), (self.only_after, "after"))
                if many
            ),
        ]
        if self.changes:
            blocks += [Section(text("Moves"), (_moves(self),)), Section(text("Filters"), (_rows(self),))]
        return Document(text("Filters that changed kind"), tuple(blocks))


def difference(before: Sheet, after: Sheet) -> SheetDifference:
    """Compare two sheets filter by filter.

    Raises:
        ShapeError: sheets under two conventions, of which the sentences cannot be compared.
    """
    if before.convention != after.convention:
        raise ShapeError(
            f"one sheet is under {before.convention} and the other under {after.convention}; "
            "describe both under one convention"
        )
    compared = min(len(before), len(after))
    changes = [
        Change(
            place,
            before[place].sentence,
            after[place].sentence,
            (before[place].kind, after[place].kind),
            _cosine(before.weights[place], after.weights[place]),
        )
        for place in range(compared)
        if before[place].kind != after[place].kind
    ]
    names = tuple(
        " ".join(part for part in (one.source, one.name) if part) or "a bank" for one in (before, after)
    )
    return SheetDifference(
        tuple(changes), compared, len(before) - compared, len(after) - compared, (names[0], names[1])
    )


def _cosine(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float | None:
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if first.shape != second.shape or 0 in lengths:
        return None
    return round(float(np.sum((first / lengths[0]) * (second / lengths[1]))), 9)


def _moves(told: SheetDifference) -> Table:
    rows = tuple((text(a), text(b), text(count)) for (a, b), count in told.moves.items())
    return Table((text("before"), text("after"), text("filters")), rows, "llr", sortable=True)


def _rows(told: SheetDifference) -> Table:
    rows: list[tuple[Text, ...]] = []
    for change in told.changes[:MOST_ROWS]:
        cosine = text("–") if change.cosine is None else text(Fraction(f"{change.cosine:.4f}"))
        rows.append((text(change.place), text(change.before), text(change.after), cosine))
    more = len(told.changes) - MOST_ROWS
    caption = text(f"The first {MOST_ROWS}; {more} more are in the JSON form.") if more > 0 else ()
    return Table(
        (text("filter"), text("before"), text("after"), text("cosine")), tuple(rows), "rllr", caption
    )
