"""The small tree every result turns itself into, and the only thing a renderer knows.

A document holds facts: numbers stay exact until a renderer writes them with the number of
digits it was asked for, so the same number is the same in every output. Text is plain text;
escaping it is each renderer's duty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.drawing import Drawing
from convscope.core.expression import Expression, Number
from convscope.core.number import Exact
from convscope.core.plot import Chart, Sparkline

# --- inside a sentence -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Code:
    """Something the user typed or would type: a name, an option, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """A few words that carry the sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, from 0 to 1, shown as a bar with its percentage."""

    part: Fraction


@dataclass(frozen=True, slots=True)
class Explained:
    """Words that have an explanation, shown on a page when they are pointed at or reached by keyboard.

    Other forms show the words alone; a document says the explanation elsewhere too.
    """

    content: Text
    explanation: Text


@dataclass(frozen=True, slots=True)
class Reference:
    """Words that lead to a card of a gallery, where the form has links."""

    content: Text
    card: str


@dataclass(frozen=True, slots=True)
class Spark:
    """A row of values as small marks in a line of text, and the words that stand for it."""

    line: Sparkline
    alternative: str


Inline: TypeAlias = str | Code | Strong | Share | Spark | Explained | Reference | Expression
Text: TypeAlias = tuple[Inline, ...]


def text(*parts: Inline | int | Exact) -> Text:
    """A sentence from words, code, formulas and numbers.

    >>> text("the sum is ", 3)
    ('the sum is ', Number(value=Fraction(3, 1)))
    """
    return tuple(_inline(part) for part in parts)


def _inline(part: Inline | int | Exact) -> Inline:
    if isinstance(part, int):
        return Number(Fraction(part))
    if isinstance(part, str | Code | Strong | Share | Spark | Explained | Reference | Expression):
        return part
    return Number(part)


# --- blocks ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One or more sentences."""

    content: Text


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula on its own line; a chain of relations may be broken at its signs."""

    expression: Expression


MarkRole: TypeAlias = Literal["window", "padding", "winner", "difference"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Cells of a matrix that play a role: ``[top, bottom) x [left, right)``."""

    role: MarkRole
    top: int
    left: int
    bottom: int
    right: int

    def covers(self, row: int, column: int) -> bool:
        """True when the cell lies inside."""
        return self.top <= row < self.bottom and self.left <= column < self.right


@dataclass(frozen=True, slots=True)
class MatrixView:
    """A matrix to be looked at, with a caption and marked cells.

    `rows` holds exact numbers. A matrix too large to show keeps its corner cells only:
    `row_gap` and `column_gap` then say after which shown row or column how many are hidden.
    """

    rows: tuple[tuple[Exact, ...], ...]
    caption: Text = ()
    marks: tuple[Mark, ...] = ()
    row_gap: tuple[int, int] | None = None
    column_gap: tuple[int, int] | None = None

    def roles(self, row: int, column: int) -> frozenset[MarkRole]:
        """The roles that the shown cell plays."""
        return frozenset(mark.role for mark in self.marks if mark.covers(row, column))


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """Matrices side by side with an operator between neighbours: window ⊙ kernel = products."""

    items: tuple[MatrixView, ...]
    operators: tuple[Literal["⊙", "=", "→", "∗", "⋆", "versus"], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under column heads. `align` has one of l, r, c for each column.

    The rows of a `sortable` table can be put in another order where the form allows it.
    """

    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    align: str = ""
    caption: Text = ()
    sortable: bool = False

    def alignments(self) -> str:
        """One letter a column; left where nothing was said."""
        return self.align.ljust(len(self.columns), "l")


@dataclass(frozen=True, slots=True)
class Listing:
    """Items in order, numbered when the order matters."""

    items: tuple[Text, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Text set as it was typed."""

    content: str
    language: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture: 8-bit pixels ``(H, W)`` or ``(H, W, 3)``, and the words that stand for it."""

    pixels: npt.NDArray[np.uint8]
    alternative: str
    caption: Text = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One or more pictures side by side under one caption. `name` becomes the file's name."""

    pictures: tuple[Picture, ...]
    name: str
    caption: Text = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A drawing made of lines; a form without drawings shows the words that stand for it."""

    drawing: Drawing
    caption: Text = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One thing among many of its kind: a picture, a sentence, and more where it is asked for.

    Attributes:
        name: what a `Reference` calls it; each card of a document has its own.
        title: a few words.
        picture: what it looks like.
        content: what is to be said of it.
        notes: what else, each a few words.
        figures: numbers by name, the same names on every card, by which cards can be put in order.
        details: shown on demand where the form can do that, else left out.
    """

    name: str
    title: Text
    picture: Picture
    content: Text
    notes: tuple[Text, ...] = ()
    figures: tuple[tuple[str, Exact], ...] = ()
    details: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class CardGroup:
    """Cards that belong together, under a heading. `overview` shows all of them in one picture."""

    title: Text
    cards: tuple[Card, ...]
    overview: Picture


@dataclass(frozen=True, slots=True)
class Gallery:
    """Many things to be looked through, in groups. `name` becomes the names of its pictures' files.

    A page shows the cards, and lets a reader find and order them. Other forms show a table of what
    the cards say under the overview of each group.
    """

    groups: tuple[CardGroup, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One or more charts, side by side where there is room; a form without drawings says them in words."""

    charts: tuple[Chart, ...]
    caption: Text = ()


FindingKind: TypeAlias = Literal["right", "wrong", "warning", "note", "result"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict or remark that stands out: a right or wrong answer, a warning, a note, a result."""

    kind: FindingKind
    content: Text


@dataclass(frozen=True, slots=True)
class Hidden:
    """Steps left out in the middle: how many, of what, and how to see them."""

    count: int
    what: str
    remedy: Text


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what belongs under it."""

    title: Text
    blocks: tuple[Block, ...]


Block: TypeAlias = (
    Paragraph
    | Formula
    | MatrixView
    | MatrixRow
    | Table
    | Listing
    | CodeBlock
    | Figure
    | Gallery
    | Plan
    | Plot
    | Finding
    | Hidden
    | Section
)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole result: a title and its blocks."""

    title: Text
    blocks: tuple[Block, ...]
    language: str = field(default="en")

    def walk(self) -> Iterator[Block]:
        """Every block, sections opened, in reading order."""
        yield from _walk(self.blocks)


def _walk(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Section):
            yield from _walk(block.blocks)


def elided(
    count: int, make: Callable[[int], tuple[Block, ...]], limit: int, what: str, remedy: Text
) -> tuple[Block, ...]:
    """Blocks made for indices ``0 … count-1``; past `limit` the middle ones are left out and counted.

    Only the shown ones are made.
    """
    if count <= limit:
        return tuple(block for index in range(count) for block in make(index))
    head, tail = limit - limit // 2, limit // 2
    first = tuple(block for index in range(head) for block in make(index))
    last = tuple(block for index in range(count - tail, count) for block in make(index))
    return (*first, Hidden(count - limit, what, remedy), *last)
