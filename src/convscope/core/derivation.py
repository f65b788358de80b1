"""A value together with the ordered steps that lead to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from convscope.core.document import Block, Document, Paragraph, Text
from convscope.show import Showable

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is done, in words, and the blocks that show it."""

    claim: Text
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Derivation(Showable, Generic[Value]):
    """A value, exact, and every step that leads to it.

    Attributes:
        title: what is derived.
        value: the result.
        steps: in order; the last one ends in the value.
    """

    title: Text
    value: Value
    steps: tuple[Step, ...]

    def blocks(self) -> tuple[Block, ...]:
        """The steps as document blocks, for a document that shows this derivation among others."""
        return tuple(
            block
            for step in self.steps
            for block in ((Paragraph(step.claim),) if step.claim else ()) + step.blocks
        )

    def document(self) -> Document:
        """The derivation as a document of its own."""
        return Document(self.title, self.blocks())
