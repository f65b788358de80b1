"""Two sheets of one layer: which filters are of another kind or turned, and how far each has moved."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from convscope.core.document import Block, Document, Finding, Paragraph, Section, Table, Text, text
from convscope.errors import ShapeError
from convscope.interpret.finding import shift_of
from convscope.interpret.sheet_pairs import OPPOSITE
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.interpret.description import Description
    from convscope.interpret.sheet import Sheet

MOST_ROWS = 500
# A direction has changed when it has turned by more than half of an eighth of a turn, and it is reversed when
# it is nearer to the opposite than to a quarter.
TURNED, REVERSED = 22.5, 135.0
# Kinds whose orientation says on which side it is bright; the others' runs both ways.
ONE_WAY = ("edge", "compass edge", "emboss", "corner")

What: TypeAlias = Literal["kind", "polarity", "orientation"]


@dataclass(frozen=True, slots=True)
class Change:
    """A filter that does another thing after than before.

    Attributes:
        place: of the filter in both banks, counted from 0.
        before: its sentence in the first sheet.
        after: its sentence in the second.
        kinds: the two kinds.
        cosine: between the weights; None where the banks' kernels are of unlike shapes or one is zero.
        what: changed: the kind; or of the same kind the polarity (bright and dark change places) or the
            orientation.
    """

    place: int
    before: str
    after: str
    kinds: tuple[str, str]
    cosine: float | None
    what: What = "kind"


@dataclass(frozen=True, eq=False)
class SheetDifference(Showable):
    """What differs between two sheets; false when nothing does.

    Attributes:
        changes: the filters that changed kind, in the order of the bank.
        compared: how many filters were compared.
        only_before: how many filters the first bank has more.
        only_after: how many filters the second bank has more.
        names: what the two are called.
        turned: the filters of the same kind of which polarity or orientation changed, in the same order.
        moves: how many filters went from one kind to another, the most frequent move first.
    """

    changes: tuple[Change, ...]
    compared: int
    only_before: int
    only_after: int
    names: tuple[str, str]
    turned: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.turned or self.only_before or self.only_after)

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
            "changes": [_change_facts(change) for change in self.changes],
            "turned": [{"what": change.what, **_change_facts(change)} for change in self.turned],
        }

    def document(self) -> Document:
        """How many filters changed kind, polarity or orientation, from what to what, and each of them."""
        count = len(self.changes)
        verdict = (
            Finding("result", text(count, " of ", self.compared, " filters changed kind."))
            if count
            else Finding("right", text("No filter of ", self.compared, " changed kind."))
        )
        blocks: list[Block] = [
            Paragraph(text("Before: ", self.names[0], ". After: ", self.names[1], ".")),
            verdict,
            *_turned_verdict(self),
            *(
                Finding(
                    "warning", text(many, " filters are only in the bank ", which, ", and were not compared.")
                )
                for many, which in ((self.only_before, "before"), (self.only_after, "after"))
                if many
            ),
        ]
        if self.changes:
            blocks += [
                Section(text("Moves"), (_moves(self),)),
                Section(text("Filters"), (_rows(self.changes),)),
            ]
        if self.turned:
            blocks.append(Section(text("Same kind, turned or reversed"), (_rows(self.turned, told=True),)))
        return Document(text("Filters that changed kind"), tuple(blocks))


def difference(before: Sheet, after: Sheet) -> SheetDifference:
    """Compare two sheets filter by filter: kind first, then polarity and orientation.

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
            cosine,
            what,
        )
        for place in range(compared)
        for cosine in (_cosine(before.weights[place], after.weights[place]),)
        if (what := _what(before[place], after[place], cosine)) is not None
    ]
    names = tuple(
        " ".join(part for part in (one.source, one.name) if part) or "a bank" for one in (before, after)
    )
    return SheetDifference(
        tuple(change for change in changes if change.what == "kind"),
        compared,
        len(before) - compared,
        len(after) - compared,
        (names[0], names[1]),
        tuple(change for change in changes if change.what != "kind"),
    )


def _what(before: Description, after: Description, cosine: float | None) -> What | None:
    """What of a filter has changed that its sentence names; None when nothing has."""
    if before.kind != after.kind:
        return "kind"
    if before.kind == "dead":
        return None
    if cosine is not None and cosine < OPPOSITE:
        return "polarity"
    if before.kind == "shift":
        moves = [shift_of(told.finding.pattern) for told in (before, after)]
        if moves[0] != moves[1]:
            return "orientation"
    one_way = before.finding.kind in ONE_WAY and "saddle" not in (before.variant, after.variant)
    if before.orientation is not None and after.orientation is not None:
        whole = 360 if one_way else 180
        away = (after.orientation - before.orientation) % whole
        away = min(away, whole - away)
        if away > REVERSED:
            return "polarity"
        if away > TURNED:
            return "orientation"
    # The words of an edge and of a saddle tell the direction, which was compared as an angle.
    worded = before.finding.kind not in ("edge", "compass edge") and before.variant != "saddle"
    if cosine is not None and cosine > -OPPOSITE:  # as good as the same: the words are at their border
        return None
    return "polarity" if worded and before.polarity != after.polarity else None


def _cosine(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float | None:
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if first.shape != second.shape or 0 in lengths:
        return None
    return round(float(np.sum((first / lengths[0]) * (second / lengths[1]))), 9)


def _moves(told: SheetDifference) -> Table:
    rows = tuple((text(a), text(b), text(count)) for (a, b), count in told.moves.items())
    return Table((text("before"), text("after"), text("filters")), rows, "llr", sortable=True)


def _change_facts(change: Change) -> dict[str, Any]:
    return {
        "filter": change.place,
        "before": change.kinds[0],
        "after": change.kinds[1],
        "cosine": None if change.cosine is None else Fraction(f"{change.cosine:.4f}"),
        "sentence_before": change.before,
        "sentence_after": change.after,
    }


def _turned_verdict(told: SheetDifference) -> tuple[Finding, ...]:
    """How many filters kept their kind, but not which way round it is."""
    counted = {
        what: sum(change.what == what for change in told.turned) for what in ("polarity", "orientation")
    }
    parts = [f"{count} changed {what}" for what, count in counted.items() if count]
    if not parts:
        return ()
    return (Finding("result", text(f"Of those that kept their kind {' and '.join(parts)}.")),)


def _rows(changes: tuple[Change, ...], *, told: bool = False) -> Table:
    """The changes, one a row; `told` says of each what changed."""
    rows: list[tuple[Text, ...]] = []
    for change in changes[:MOST_ROWS]:
        cosine = text("–") if change.cosine is None else text(Fraction(f"{change.cosine:.4f}"))
        what = (text(change.what),) if told else ()
        rows.append((text(change.place), *what, text(change.before), text(change.after), cosine))
    more = len(changes) - MOST_ROWS
    caption = text(f"The first {MOST_ROWS}; {more} more are in the JSON form.") if more > 0 else ()
    heads = ("filter", *(("changed",) if told else ()), "before", "after", "cosine")
    return Table(tuple(map(text, heads)), tuple(rows), "rlllr" if told else "rllr", caption)
