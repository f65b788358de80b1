"""What a shape rule returns: the shape, and the facts that lead to it, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.core.derivation import Step
from convscope.core.document import Formula, Text, text
from convscope.core.expression import Relation
from convscope.core.network import Shape
from convscope.rules.formula import Fact
from convscope.rules.window import AXIS_NAMES, Axis

UNCHANGED: Text = ("The shape stays as it is.",)


@dataclass(frozen=True, slots=True)
class ShapeResult:
    """The output shape of a layer and what it follows from.

    Attributes:
        shape: without the batch axis.
        channels: why there are so many channels or features, in words.
        axes: the spatial axes, each with the facts that lead to its length.
        total: for a layer without windows, the equation its output length follows from.
    """

    shape: Shape
    channels: Text = ()
    axes: tuple[Axis, ...] = ()
    total: Relation | None = None

    def facts(self) -> tuple[Fact, ...]:
        """The facts of every axis, in order."""
        return tuple(fact for axis in self.axes for fact in axis.facts)

    def steps(self) -> tuple[Step, ...]:
        """The formula of each axis with numbers filled in; axes alike are derived once."""
        steps = [Step(self.channels, () if self.total is None else (Formula(self.total),))]
        said: set[Text] = set()
        for facts, names in self._axes_alike():
            steps += [Step(fact.because) for fact in facts if fact.because not in said]
            said.update(fact.because for fact in facts)
            claim = f"{joined_names(names).capitalize()}:"
            steps.append(Step(text(claim), tuple(fact.display() for fact in facts)))
            steps += [Step(drop_remark(fact)) for fact in facts]
        return tuple(step for step in steps if step.claim or step.blocks)

    def brief(self) -> Text:
        """The formula that gives the size, with its numbers; one for each axis that differs."""
        if self.total is not None:
            return (self.total,)
        briefs = [facts[-1].brief() for facts, _names in self._axes_alike()]
        return tuple(part for brief in briefs for part in ("; ", brief))[1:]

    def _axes_alike(self) -> list[tuple[tuple[Fact, ...], list[str]]]:
        groups: list[tuple[tuple[Fact, ...], list[str]]] = []
        for name, axis in zip(AXIS_NAMES.get(len(self.axes), ()), self.axes, strict=True):
            alike = next((names for facts, names in groups if facts == axis.facts), None)
            if alike is None:
                groups.append((axis.facts, [name]))
            else:
                alike.append(name)
        return groups


def joined_names(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    >>> joined_names(["depth", "height", "width"])
    'depth, height and width'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def drop_remark(fact: Fact) -> Text:
    """What the floor of a window count leaves unread, in cells; empty when nothing."""
    if "s" not in fact.arguments or not fact.dropped():
        return ()
    cells = int(fact.dropped() * fact.arguments["s"])
    padding = min(cells, int(fact.arguments.get("p_after", fact.arguments.get("p", 0))))
    noun, pronoun = ("cell", "it") if cells == 1 else ("cells", "them")
    told = text("The floor drops ", cells, f" {noun} at the end of the axis: no window reaches {pronoun}.")
    if padding == cells:
        return (*told, " That is padding only; no cell of the input is lost.")
    verb = "is" if padding == 1 else "are"
    return text(*told, " ", padding, f" of them {verb} padding.") if padding else told
