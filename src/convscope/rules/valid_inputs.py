"""Which input sizes a network takes, which drop nothing, and which layer refuses the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.document import (
    Code,
    Document,
    Finding,
    FindingKind,
    Listing,
    Paragraph,
    Section,
    Table,
    text,
)
from convscope.core.expression import Symbol
from convscope.core.size import Condition, Length, Size, Variable
from convscope.errors import ShapeError
from convscope.rules.formula import floor_rests
from convscope.rules.network import Row
from convscope.rules.size_set import Requirement, SizeSet, fulfilled, listed, sizes_where
from convscope.rules.window import Axis
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.rules.symbolic import SymbolicNetwork

USUAL = 224  # the size most networks for pictures were trained at
SHOWN_REFUSALS = 12


@dataclass(frozen=True)
class Refusal:
    """Sizes from `first` to `last` of a letter, all refused by one layer."""

    letter: str
    first: int
    last: int
    layer: str


@dataclass(frozen=True)
class ValidInputs(Showable):
    """The input sizes of a network, letter by letter; exact, whatever their number.

    Attributes:
        network: the network in letters.
        runs: for each letter, the values at which every layer runs.
        lossless: those among them at which no cell of any layer's input is dropped: every array has
            a reader whose windows reach its last cell.
        exact: those among them at which no floor cuts anything off, not even padding.
        square: True when a layer asks something of height and width together; then all letters have
            one value, and the sets are of that value.
    """

    network: SymbolicNetwork = field(repr=False)
    runs: dict[str, SizeSet]
    lossless: dict[str, SizeSet]
    exact: dict[str, SizeSet]
    square: bool = False

    def example(self) -> dict[str, int]:
        """A value for each letter at which every layer runs: 224 or the next above, else the next below.

        Raises:
            ShapeError: no size is accepted.
        """
        empty = next((name for name, members in self.runs.items() if members.is_empty), None)
        if empty is not None:
            raise ShapeError(f"no {empty} is accepted by every layer; {self._who_refuses()}")
        return self._values()

    def _values(self) -> dict[str, int]:
        """As `example`; any value for a letter that has no accepted one."""
        found = {}
        for variable in self.network.variables:
            usual = min(max(USUAL, variable.least), variable.most)
            members = self.runs.get(variable.name)
            near = () if members is None else members.near(usual)
            found[variable.name] = variable.least if members is None else near[-1] if near else usual
        return found

    def _who_refuses(self) -> str:
        first = next(iter(self.refusals), None)
        return "the first to refuse is a layer" if first is None else f"layer '{first.layer}' refuses"

    @cached_property
    def refusals(self) -> tuple[Refusal, ...]:
        """Below the sizes that run, and for one period among them: which layer refuses which sizes."""
        return tuple(refusal for name in self.runs for refusal in self._refusals(name))

    def _refusals(self, name: str) -> Iterator[Refusal]:
        members = self.runs[name]
        end = min(members.start + members.period, members.most) if members.residues else members.most
        numbers = np.arange(members.least, end + 1)
        others = {other: found for other, found in self._values().items() if other != name}
        layers = self.network.evaluate(**{name: numbers}, **({} if self.square else others)).rejected_by
        starts = [0, *(np.flatnonzero(layers[1:] != layers[:-1]) + 1).tolist(), len(numbers)]
        for first, after in itertools.pairwise(starts):
            if layers[first] is not None:
                yield Refusal(name, int(numbers[first]), int(numbers[after - 1]), layers[first])

    def told(self, name: str) -> tuple[str, ...]:
        """What is true of one letter, in sentences."""
        letter, runs = name, self.runs[name]
        if runs.is_empty:
            return (f"No {letter} runs.",)
        found = [f"Every {letter} runs." if runs.is_all else f"{_capital(str(runs))} runs."]
        lossless, exact = self.lossless[name], self.exact[name]
        found.append(f"Nothing is dropped for {_same_or(lossless, runs, letter)}.")
        if exact != lossless:
            found.append(f"Every division comes out even for {_same_or(exact, runs, letter)}.")
        below = [r for r in self.refusals if r.letter == name]
        for refusal in below[:SHOWN_REFUSALS]:
            span = (
                str(refusal.first) if refusal.first == refusal.last else f"{refusal.first} to {refusal.last}"
            )
            found.append(f"{letter} = {span}: layer '{refusal.layer}' refuses.")
        return tuple(found)

    def __str__(self) -> str:
        return "\n".join(line for name in self.runs for line in self.told(name))

    def document(self) -> Document:
        """For each letter: what runs, what drops nothing, which layer refuses the rest."""
        called = (" of ", Code(self.network.graph.name)) if self.network.graph.name else ()
        joint = (Paragraph(text("Height and width are taken to be the same.")),) if self.square else ()
        return Document(
            text("Input sizes", *called),
            (*joint, *(self._section(names) for names in self._alike())),
        )

    def _alike(self) -> list[list[str]]:
        """The letters in groups of which the same is true, letter for letter."""
        groups: dict[object, list[str]] = {}
        for name in self.runs:
            refused = tuple((r.first, r.last, r.layer) for r in self.refusals if r.letter == name)
            sets = (replace(found[name], letter="") for found in (self.runs, self.lossless, self.exact))
            groups.setdefault((*sets, refused), []).append(name)
        return list(groups.values())

    def _section(self, names: list[str]) -> Section:
        name, *others = names
        runs = self.runs[name]
        told = [line for line in self.told(name) if "refuses" not in line]
        refused = [r for r in self.refusals if r.letter == name]
        rows = tuple((text(_span(r.first, r.last)), text(Code(r.layer))) for r in refused[:SHOWN_REFUSALS])
        table = (Table((text(Symbol(name)), text("refused by")), rows),) if rows else ()
        kind: FindingKind = "wrong" if runs.is_empty else "result"
        more = tuple(part for other in others for part in (", likewise ", Symbol(other)))
        return Section(
            text(Symbol(name), *more),
            (
                Finding(kind, text(told[0])),
                *((Listing(tuple(map(text, told[1:]))),) if told[1:] else ()),
                *table,
            ),
        )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _same_or(members: SizeSet, runs: SizeSet, letter: str) -> str:
    if members == runs:
        return f"every {letter} that runs"
    return str(members)


# --- finding them -------------------------------------------------------------------------------


def valid_inputs(network: SymbolicNetwork) -> ValidInputs:
    """The input sizes that a network takes; see `ValidInputs`."""
    limits: list[Requirement] = [(limit.condition,) for limit in network.limits]
    lossless, exact = _lossless(network), _exact(network)
    spatial = [variable for variable in network.variables if variable.name != "N"]
    square = any(len(_letters(requirement)) > 1 for requirement in (*limits, *lossless, *exact))
    found: list[dict[str, SizeSet]] = []
    for asked in (limits, [*limits, *lossless], [*limits, *exact]):
        if square:
            found.append(_of_squares(asked, spatial))
        else:
            found.append({v.name: sizes_where(_about(asked, v), v) for v in spatial})
    return ValidInputs(network, found[0], found[1], found[2], square)


def _letters(requirement: Requirement) -> set[Variable]:
    return {variable for condition in requirement for variable in condition.size.variables}


def _about(asked: list[Requirement], variable: Variable) -> Iterator[Requirement]:
    return (
        requirement for requirement in asked if variable in _letters(requirement) or not _letters(requirement)
    )


def _of_squares(asked: list[Requirement], letters: list[Variable]) -> dict[str, SizeSet]:
    """One value for all letters: every one in their range is tried."""
    least, most = max(v.least for v in letters), min(v.most for v in letters)
    numbers = np.arange(least, most + 1)
    members = numbers[fulfilled(asked, {v.name: numbers for v in letters}, numbers.shape)]

    return {v.name: listed(Variable(v.name, least, most), members) for v in letters}


def _rests(axis: Axis) -> Iterator[Length]:
    """What the floor of a window count leaves over along one axis, in cells."""
    if "s" in axis.facts[-1].arguments:
        yield from floor_rests(axis.facts[-1])


def _lossless(network: SymbolicNetwork) -> list[Requirement]:
    """For each array and axis: that one of its readers reaches the last cell."""
    found: list[Requirement] = []
    readers: dict[str, list[Row]] = {}
    for row in network.rows:
        for name in row.inputs:
            readers.setdefault(name, []).append(row)
    for rows in readers.values():
        axes = [row.shape_result.axes if row.shape_result is not None else () for row in rows]
        if not all(axes):
            continue  # a reader without windows reads every cell
        for along in zip(*axes, strict=True):
            reached = [_reaches(axis) for axis in along]
            if all(condition is not None for condition in reached):
                found.append(tuple(condition for condition in reached if condition is not None))
    return found


def _reaches(axis: Axis) -> Condition | None:
    """That the windows reach the last cell of the input; None where they always do."""
    for rest in _rests(axis):
        if not isinstance(rest, Size):
            continue
        room = axis.padding[1] - rest
        if isinstance(room, Size) and room.bounds[0] < 0:
            return Condition(room, "≥")
    return None


def _exact(network: SymbolicNetwork) -> list[Requirement]:
    rests = (
        rest
        for row in network.rows
        if row.shape_result is not None
        for axis in row.shape_result.axes
        for rest in _rests(axis)
    )
    return [(Condition(rest, "="),) for rest in dict.fromkeys(rests) if isinstance(rest, Size)]
