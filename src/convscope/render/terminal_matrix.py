"""A matrix drawn in characters: figures aligned on the point, a heavy frame round the marked window.

Every mark shows without colour as well: a heavy frame round a window, a dashed line between
padding and what is padded, a star at a winner, ≠ at a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from rich.cells import cell_len
from rich.text import Text

from convscope.core.document import MarkRole, MatrixView
from convscope.render.columns import columns_words, cut_columns
from convscope.render.grid import Edge, Grid, GridCell, lay_out
from convscope.render.text_math import cell_text

# Dark figures on light grounds: legible on a dark and on a light terminal, told apart by every eye.
STYLES: dict[MarkRole, str] = {
    "difference": "bold black on color(217)",
    "winner": "bold black on color(222)",
    "window": "black on color(153)",
    "padding": "dim",
}
SUFFIXES: dict[MarkRole, str] = {"winner": "*", "difference": "≠"}
WINDOW_LINE = "color(33)"
PADDING_LINE = "dim"


OPERATOR_MARGIN = "  "
# A caption may reach over the space round the operator beside its matrix, one column kept free.
OVERHANG = 2 * len(OPERATOR_MARGIN)


class Line(IntEnum):
    """What is drawn between two neighbouring cells."""

    NONE = 0
    DASHED = 1
    HEAVY = 2


# Corner signs by the arms they have: up 1, down 2, left 4, right 8.
_HEAVY = " ┃┃┃━┛┓┫━┗┏┣━┻┳╋"
_DASHED = " ┊┊┊┄╯╮┊┄╰╭┊┄┄┄┊"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines of one width each."""

    lines: tuple[Text, ...]

    @property
    def width(self) -> int:
        """How many terminal columns it takes."""
        return max((line.cell_len for line in self.lines), default=0)


def draw(view: MatrixView, digits: int, width: int) -> tuple[Drawing, ...]:
    """The matrix in characters; in several drawings, columns after columns, where `width` is too narrow."""
    grid = lay_out(view, digits)
    if not grid or not grid[0]:
        return (Drawing((Text("[ ]"),)),)
    # Columns of one width make the window a square; a formula in one cell would blow them all up.
    are_figures = all(isinstance(cell.content, str) for row in grid for cell in row)
    for even in (True, False) if are_figures else (False,):
        whole = _Sheet(grid, digits, even=even).drawing()
        if whole.width <= width or len(grid[0]) == 1:
            return (whole,)
    strips = cut_columns(grid, lambda strip: _Sheet(strip, digits).drawing().width <= width)
    return tuple(
        Drawing((Text(columns_words(view, part), style="dim"), *_Sheet(strip, digits).drawing().lines))
        for part, strip in strips
    )


class _Sheet:
    """One grid on its way to characters: cells in two halves that meet at the decimal point."""

    def __init__(self, grid: Grid, digits: int, *, even: bool = False) -> None:
        self.grid = grid
        self.halves = [[_halves(cell, digits) for cell in row] for row in grid]
        columns = range(len(grid[0]))
        self.lefts = [max(cell_len(row[c][0]) for row in self.halves) for c in columns]
        self.rights = [max(cell_len(row[c][1]) for row in self.halves) for c in columns]
        if even:
            self.lefts, self.rights = ([max(widths)] * len(widths) for widths in (self.lefts, self.rights))
        self.is_all_window = all("window" in cell.roles for row in grid for cell in row)
        self.verticals = [[self._vertical(r, c) for c in range(self.width + 1)] for r in range(self.height)]
        self.horizontals = [[self._horizontal(r, c) for c in columns] for r in range(self.height + 1)]
        self.is_ruled = any(any(row[1:-1]) for row in self.verticals)

    @property
    def height(self) -> int:
        return len(self.grid)

    @property
    def width(self) -> int:
        return len(self.grid[0])

    def drawing(self) -> Drawing:
        """The cells and the lines between them, in brackets."""
        lines: list[Text] = []
        for row in range(self.height + 1):
            if any(self.horizontals[row]):
                lines.append(self._rule(row))
            if row < self.height:
                lines.append(self._figures(row))
        return Drawing(tuple(_bracketed(lines, heavy=self.is_all_window)))

    def _cell(self, row: int, column: int) -> GridCell | None:
        inside = 0 <= row < self.height and 0 <= column < self.width
        return self.grid[row][column] if inside else None

    def _vertical(self, row: int, column: int) -> Line:
        return self._line(self._cell(row, column - 1), self._cell(row, column), ("right", "left"))

    def _horizontal(self, row: int, column: int) -> Line:
        return self._line(self._cell(row - 1, column), self._cell(row, column), ("bottom", "top"))

    def _line(self, before: GridCell | None, after: GridCell | None, sides: tuple[Edge, Edge]) -> Line:
        at_border = before is None or after is None
        outlined = (before is not None and sides[0] in before.outline) or (
            after is not None and sides[1] in after.outline
        )
        if outlined and not (at_border and self.is_all_window):
            return Line.HEAVY
        if before is None or after is None:
            return Line.NONE
        return Line.DASHED if ("padding" in before.roles) != ("padding" in after.roles) else Line.NONE

    def _figures(self, row: int) -> Text:
        line = Text()
        for column in range(self.width + 1):
            line.append_text(self._gap(row, column))
            if column < self.width:
                left, right = self.halves[row][column]
                padded = _pad_left(left, self.lefts[column]) + _pad_right(right, self.rights[column])
                line.append(padded, style=_style(self.grid[row][column].roles))
        return line

    def _gap(self, row: int, column: int) -> Text:
        drawn = self.verticals[row][column]
        cells = self._cell(row, column - 1), self._cell(row, column)
        grounds = [STYLES["window"] if cell and "window" in cell.roles else "" for cell in cells]
        if drawn:
            middle = Text((_HEAVY if drawn is Line.HEAVY else _DASHED)[1], style=_line_style(drawn))
        else:
            grounds = [grounds[0] if all(grounds) else ""] * 2
            middle = Text(" ", style=grounds[0])
        return self._spread(column, Text(" ", style=grounds[0]), middle, Text(" ", style=grounds[1]))

    def _spread(self, column: int, before: Text, middle: Text, after: Text) -> Text:
        """What stands between two columns; at the border there is room for a line only if one is there."""
        if column in (0, self.width):
            if not any(row[column] for row in self.verticals):
                return Text()
            return Text.assemble(middle, after) if column == 0 else Text.assemble(before, middle)
        return Text.assemble(before, middle, after) if self.is_ruled else Text.assemble(before, after)

    def _rule(self, row: int) -> Text:
        line = Text()
        for column in range(self.width + 1):
            before = self._dash(row, column - 1)
            after = self._dash(row, column)
            line.append_text(self._spread(column, before, self._corner(row, column), after))
            if column < self.width:
                length = self.lefts[column] + self.rights[column]
                line.append(after.plain * length, style=after.style)
        line.stylize(PADDING_LINE)
        for start, sign in enumerate(line.plain):
            if sign in _HEAVY and sign != " ":
                line.stylize(f"not dim {WINDOW_LINE}", start, start + 1)
        return line

    def _dash(self, row: int, column: int) -> Text:
        drawn = self.horizontals[row][column] if 0 <= column < self.width else Line.NONE
        return Text({Line.NONE: " ", Line.DASHED: _DASHED[4], Line.HEAVY: _HEAVY[4]}[drawn])

    def _corner(self, row: int, column: int) -> Text:
        arms = (
            self.verticals[row - 1][column] if row > 0 else Line.NONE,
            self.verticals[row][column] if row < self.height else Line.NONE,
            self.horizontals[row][column - 1] if column > 0 else Line.NONE,
            self.horizontals[row][column] if column < self.width else Line.NONE,
        )
        strongest = max(arms)
        index = sum(1 << bit for bit, arm in enumerate(arms) if arm is strongest and arm)
        return Text((_HEAVY if strongest is Line.HEAVY else _DASHED)[index])


def _halves(cell: GridCell, digits: int) -> tuple[str, str]:
    written = cell_text(cell.content, digits)
    suffix = "".join(sign for role, sign in SUFFIXES.items() if role in cell.roles and not cell.is_gap)
    if isinstance(cell.content, str) and "." in written:
        whole, decimals = written.split(".")
        return whole, f".{decimals}{suffix}"
    return written, suffix


def _style(roles: Iterable[MarkRole]) -> str:
    played = frozenset(roles)
    return next((style for role, style in STYLES.items() if role in played), "")


def _line_style(line: Line) -> str:
    return WINDOW_LINE if line is Line.HEAVY else PADDING_LINE


def _pad_left(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _pad_right(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _bracketed(lines: Sequence[Text], *, heavy: bool) -> list[Text]:
    if len(lines) == 1:
        return [Text.assemble("[ ", lines[0], " ]")]
    signs = "┏┃┗┓┃┛" if heavy else "┌│└┐│┘"
    style = WINDOW_LINE if heavy else ""
    last = len(lines) - 1
    places = [0 if at == 0 else 2 if at == last else 1 for at in range(len(lines))]
    return [
        Text.assemble((signs[place], style), " ", line, " ", (signs[place + 3], style))
        for place, line in zip(places, lines, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Captioned:
    """A drawing under the lines of its caption, and the operator that follows it."""

    caption: tuple[Text, ...]
    drawing: Drawing
    operator: str

    @property
    def width(self) -> int:
        """How many terminal columns it takes, the space round its operator left out."""
        return max(self.drawing.width, *(line.cell_len - OVERHANG for line in self.caption), 0)


def beside(parts: Sequence[Captioned]) -> Drawing:
    """Drawings side by side, centred on one line, their captions above."""
    height = max(len(part.drawing.lines) for part in parts)
    captions = max(len(part.caption) for part in parts)
    rows = [Text() for _ in range(captions + height)]
    for part in parts:
        above = (height - len(part.drawing.lines)) // 2
        column = dict(enumerate(part.caption, start=captions - len(part.caption)))
        column |= dict(enumerate(part.drawing.lines, start=captions + above))
        end = part.width + len(OPERATOR_MARGIN) * 2 + cell_len(part.operator)
        for at, row in enumerate(rows):
            line = column.get(at, Text()).copy()
            if part.operator and at == captions + (height - 1) // 2:
                line.append(" " * (part.width - line.cell_len))
                line.append(f"{OPERATOR_MARGIN}{part.operator}", "bold")
            row.append_text(line)
            row.append(" " * (end - line.cell_len))
    for row in rows:
        row.rstrip()
    return Drawing(tuple(rows))
