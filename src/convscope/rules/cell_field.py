"""The input box of one output cell as a result to be shown: the way back layer by layer, and on a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convscope.core.document import (
    Block,
    Code,
    Document,
    Figure,
    Finding,
    Paragraph,
    Picture,
    Table,
    Text,
    elided,
    text,
)
from convscope.core.expression import sizes
from convscope.errors import InputError
from convscope.rules.input_box import Box, InputBoxes, input_boxes
from convscope.show import Showable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convscope.rules.network import Network

SHOWN_VISITS = 60
MAX_PIXELS = 2**24
# The colours of the box: a line that is seen on light and on dark.
LINE = (230, 30, 30)
HALO = (255, 255, 255)
AXES_WORDS = {1: ("cells",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


@dataclass(frozen=True)
class CellField(Showable):
    """What one output cell depends on of the input.

    Attributes:
        network: whose layer was asked about.
        layer: its name.
        cell: the cell, an index for each axis of the picture.
        boxes: for each input that the cell depends on, its name and the half-open box of cells.
        unclipped: the box in the first of them as if the picture went on beyond its borders.
        through: the layer that made it the whole picture; empty where none did.
    """

    network: Network
    found: InputBoxes

    @property
    def layer(self) -> str:
        """The layer's name."""
        return self.found.layer

    @property
    def cell(self) -> tuple[int, ...]:
        """The cell, an index for each axis of the picture."""
        return self.found.cell

    @property
    def boxes(self) -> dict[str, Box]:
        """For each input that the cell depends on, the half-open box of its cells."""
        return dict(self.found.boxes)

    @property
    def box(self) -> Box:
        """The half-open box in the first input it depends on, ``((top, bottom), (left, right))``; else ()."""
        return self.found.boxes[0][1] if self.found.boxes else ()

    @property
    def unclipped(self) -> Box:
        """The same as if the picture went on beyond its borders."""
        return self.found.unclipped

    @property
    def through(self) -> str:
        """The layer that made it the whole picture; empty where none did."""
        return self.found.through

    def document(self) -> Document:
        """The box, what is cut off at the borders, and the cells needed in each layer on the way back."""
        return Document(self._title(), (*self._told(), *self._way_back()))

    def on(self, picture: npt.ArrayLike, name: str = "field") -> FieldPicture:
        """The box drawn on a picture that stands for the input.

        Args:
            picture: 8-bit pixels ``(H, W)`` or ``(H, W, 3)``; stretched to the input where its size differs.
            name: of the picture's file.

        Raises:
            InputError: not such pixels, or a network whose input is not a picture.
        """
        return FieldPicture(self, _checked_pixels(picture), name)

    def _title(self) -> Text:
        return text("What one cell of ", Code(self.layer), " sees")

    def _told(self) -> tuple[Block, ...]:
        where = f" at {_index_words(self.cell)}" if self.cell else ""
        if not self.box:
            return (Finding("warning", text(f"The cell{where} depends on no cell of the input.")),)
        blocks: list[Block] = []
        for name, box in self.found.boxes:
            told = text(
                f"The cell{where} sees {_box_words(box)} of ", Code(name), ": ", sizes(_lengths(box)), "."
            )
            blocks.append(Finding("result", told))
        if self.unclipped != self.box and len(self.unclipped) == len(self.box):
            blocks.append(
                Paragraph(
                    text(
                        f"If the picture went on, it would be {_box_words(self.unclipped)}: ",
                        sizes(_lengths(self.unclipped)),
                        "; what lies outside the picture is padding.",
                    )
                )
            )
        if self.through and self.network[self.layer].receptive_field.unfollowed:  # type: ignore[union-attr]
            told = text("It may be less: positions are not followed through ", Code(self.through), ".")
            blocks.append(Finding("note", told))
        elif self.through:
            blocks.append(Paragraph(text("It is the whole picture through ", Code(self.through), ".")))
        return tuple(blocks)

    def _way_back(self) -> tuple[Block, ...]:
        visits = self.found.visits
        rank = max((len(visit.box) for visit in visits), default=0)
        words = AXES_WORDS.get(rank, ())
        heads = tuple(map(text, ("layer", "what it does", *(f"{word} needed" for word in words))))

        def row(position: int) -> tuple[Text, ...]:
            visit = visits[position]
            spans = tuple(text(_span(low, stop)) for low, stop in visit.box)
            does = text(self.network[visit.name].words)
            return text(Code(visit.name)), does, *spans, *(text(),) * (len(words) - len(spans))

        def table(positions: Sequence[int]) -> Table:
            return Table(heads, tuple(row(position) for position in positions))

        explained = text("From the cell back to the input, each layer needs these cells of its own output:")
        if len(visits) <= SHOWN_VISITS:
            return Paragraph(explained), table(range(len(visits)))
        half = SHOWN_VISITS // 2
        remedy = text("read them in ", Code("found.visits"))
        hidden = elided(len(visits) - 2 * half, lambda _n: (), 0, "layers", remedy)
        return (
            Paragraph(explained),
            table(range(half)),
            *hidden,
            table(range(len(visits) - half, len(visits))),
        )


@dataclass(frozen=True)
class FieldPicture(Showable):
    """What one output cell sees, drawn on a picture."""

    field: CellField
    pixels: npt.NDArray[np.uint8]
    name: str

    def drawn(self) -> npt.NDArray[np.uint8]:
        """The picture with the box outlined and what lies outside it paled."""
        box = self.field.box
        shape = _input_shape(self.field)
        canvas = self.pixels if self.pixels.ndim == 3 else np.repeat(self.pixels[:, :, None], 3, axis=2)
        if not box:
            return canvas.copy()
        edges = [
            (low * size // n, max(-(-stop * size // n), low * size // n + 1))
            for (low, stop), size, n in zip(box, canvas.shape[:2], shape, strict=True)
        ]
        return _outlined(canvas, edges)

    def document(self) -> Document:
        """The picture with its box, and the cells needed in each layer on the way back."""
        shape, size = _input_shape(self.field), self.pixels.shape[:2]
        whole = self.field.document()
        told = text(
            "The picture of ", sizes(size), " pixels is stretched to the input of ", sizes(shape), "."
        )
        stretched = (Paragraph(told),) if size != shape else ()
        seen = _box_words(self.field.box) if self.field.box else "nothing"
        alternative = f"The picture with a frame around {seen}, which one cell of {self.field.layer} sees."
        caption = text(
            "What the cell at ", _index_words(self.field.cell), " of ", Code(self.field.layer), " sees."
        )
        figure = Figure((Picture(self.drawn(), alternative),), self.name, caption)
        return Document(whole.title, (figure, *stretched, *whole.blocks))


def field_of_cell(network: Network, layer: str, cell: Sequence[int] | int | None = None) -> CellField:
    """What one output cell of a layer depends on; the middle cell when none is given.

    Raises:
        InputError: no such layer or cell.
        UnsupportedError: an operator on the way whose reach is not known.
    """
    return CellField(network, input_boxes(network, layer, cell))


# --- pixels -----------------------------------------------------------------------------------


def _checked_pixels(picture: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[Any] = np.asarray(picture)
    is_shaped = pixels.ndim in (2, 3) and pixels.shape[2:] in ((), (3,)) and pixels.size > 0
    if not is_shaped or pixels.dtype != np.uint8:
        raise InputError(
            f"a picture has shape {pixels.shape} and type {pixels.dtype}; "
            "it must be (H, W) or (H, W, 3) of uint8"
        )
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise InputError(
            f"a picture has {pixels.shape[0]}×{pixels.shape[1]} pixels; up to {MAX_PIXELS} are drawn on"
        )
    return pixels


def _input_shape(field: CellField) -> tuple[int, ...]:
    name = field.found.boxes[0][0] if field.found.boxes else field.network.graph.inputs[0].name
    shape = next(entry.shape for entry in field.network.graph.inputs if entry.name == name)[1:]
    if len(shape) != 2:
        raise InputError(
            f"the input '{name}' has {len(shape)} spatial axes; a field is drawn on a picture of 2"
        )
    return shape


def _outlined(canvas: npt.NDArray[np.uint8], edges: list[tuple[int, int]]) -> npt.NDArray[np.uint8]:
    (top, bottom), (left, right) = edges
    drawn = canvas // 2 + 127  # what is not seen is paled, not hidden
    drawn[top:bottom, left:right] = canvas[top:bottom, left:right]
    width = max(1, min(canvas.shape[:2]) // 150)
    # A frame around the box; where the box touches the picture's border, its frame lies inside.
    frame = _filled(canvas, [(low - width, high + width) for low, high in edges])
    halo = _filled(canvas, [(low - 2 * width, high + 2 * width) for low, high in edges]) & ~frame
    sides = [
        (low + width * (low < width), high - width * (high + width > size))
        for (low, high), size in zip(edges, canvas.shape, strict=False)
    ]
    drawn[halo] = HALO
    drawn[frame & ~_filled(canvas, sides)] = LINE
    return drawn


def _filled(canvas: npt.NDArray[np.uint8], edges: list[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    (top, bottom), (left, right) = [(max(low, 0), max(high, 0)) for low, high in edges]
    mask = np.zeros(canvas.shape[:2], dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


# --- words ------------------------------------------------------------------------------------


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(stop - low for low, stop in box)


def _index_words(cell: Sequence[int]) -> str:
    return f"({', '.join(map(str, cell))})"


def _signed(value: int) -> str:
    return str(value).replace("-", "\u2212")


def _span(low: int, stop: int) -> str:
    """The cells from `low` to before `stop`, as a reader counts them.

    >>> _span(3, 7), _span(3, 4)
    ('3 to 6', '3')
    """
    return _signed(low) if stop == low + 1 else f"{_signed(low)} to {_signed(stop - 1)}"


def _box_words(box: Box) -> str:
    words = AXES_WORDS.get(len(box), ())
    return " and ".join(
        f"{word[:-1] if stop == low + 1 else word} {_span(low, stop)}"
        for word, (low, stop) in zip(words, box, strict=True)
    )
