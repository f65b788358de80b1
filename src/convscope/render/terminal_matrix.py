"""A matrix drawn in characters: figures aligned on the point, a heavy frame round the marked window.

Every mark shows without colour as well: a heavy frame round a window, a dashed line between
padding and what is padded, a star at a winner, ≠ at a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        self.height, self.width = len(grid), len(grid[0])
        self.is_all_window = all("window" in cell.roles for row in grid for cell in row)
        self.verticals = [[self._vertical(r, c) for c in range(self.width + 1)] for r in range(self.height)]
        self.horizontals = [[self._horizontal(r, c) for c in columns] for r in range(self.height + 1)]
        self.is_ruled = any(any(row[1:-1]) for row in self.verticals)

    def drawing(self) -> Drawing:
        """The cells and the lines between them, in brackets; a frame that meets a bracket takes its place."""
        levels: list[tuple[Callable[[int, Text, Text], Text], int]] = []
        for row in range(self.height + 1):
            if any(self.horizontals[row]):
                levels.append((self._rule, row))
            if row < self.height:
                levels.append((self._figures, row))
        signs = "┏┃┗┓┃┛" if self.is_all_window else "┌│└┐│┘"
        style = WINDOW_LINE if self.is_all_window else ""
        last = len(levels) - 1
        lines = []
        for at, (write, row) in enumerate(levels):
            place = 0 if at == 0 else 2 if at == last else 1
            pair = "[]" if last == 0 else signs[place] + signs[place + 3]
            lines.append(write(row, Text(pair[0], style), Text(pair[1], style)))
        return Drawing(tuple(lines))

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

    def _ground(self, *places: tuple[int, int]) -> str:
        """The window's ground where every cell around lies in a window."""
        cells = [cell for cell in (self._cell(*place) for place in places) if cell is not None]
        return STYLES["window"] if cells and all("window" in cell.roles for cell in cells) else ""

    def _figures(self, row: int, left: Text, right: Text) -> Text:
        line = Text()
        for column in range(self.width + 1):
            before, after = (row, column - 1), (row, column)
            drawn = self.verticals[row][column]
            middle = Text(_HEAVY[1], WINDOW_LINE) if drawn is Line.HEAVY else Text(_DASHED[1], PADDING_LINE)
            if drawn is not Line.HEAVY and (column in (0, self.width) or not drawn):
                middle = left if column == 0 else right if column == self.width else Text(" ")
            middle = Text(middle.plain, middle.style or self._ground(before, after))
            if drawn is Line.DASHED:
                middle.stylize(self._ground(before, after))
            # With no line between them, the space between two cells is coloured only if both are.
            grounds = [self._ground(before), self._ground(after)]
            if not drawn and 0 < column < self.width:
                grounds = [self._ground(before, after)] * 2
            line.append_text(self._spread(column, Text(" ", grounds[0]), middle, Text(" ", grounds[1])))
            if column < self.width:
                whole, rest = self.halves[row][column]
                padded = _pad_left(whole, self.lefts[column]) + _pad_right(rest, self.rights[column])
                line.append(padded, style=_style(self.grid[row][column].roles))
        return line

    def _spread(self, column: int, before: Text, middle: Text, after: Text) -> Text:
        """What stands between two columns: a line has room if there are any; a bracket has one side."""
        if column == 0:
            return Text.assemble(middle, after)
        if column == self.width:
            return Text.assemble(before, middle)
        return Text.assemble(before, middle, after) if self.is_ruled else Text.assemble(before, after)

    def _rule(self, row: int, left: Text, right: Text) -> Text:
        line = Text()
        for column in range(self.width + 1):
            before, after = self._dash(row, column - 1), self._dash(row, column)
            middle = self._corner(row, column)
            if column in (0, self.width) and middle.style != WINDOW_LINE:
                middle = left if column == 0 else right
            line.append_text(self._spread(column, before, middle, after))
            if column < self.width:
                line.append(after.plain * (self.lefts[column] + self.rights[column]), style=after.style)
        return line

    def _dash(self, row: int, column: int) -> Text:
        drawn = self.horizontals[row][column] if 0 <= column < self.width else Line.NONE
        sign = {Line.NONE: " ", Line.DASHED: _DASHED[4], Line.HEAVY: _HEAVY[4]}[drawn]
        if drawn is Line.HEAVY:
            return Text(sign, WINDOW_LINE)
        return Text(sign, self._ground((row - 1, column), (row, column)) or PADDING_LINE)

    def _corner(self, row: int, column: int) -> Text:
        arms = (
            self.verticals[row - 1][column] if row > 0 else Line.NONE,
            self.verticals[row][column] if row < self.height else Line.NONE,
            self.horizontals[row][column - 1] if column > 0 else Line.NONE,
            self.horizontals[row][column] if column < self.width else Line.NONE,
        )
        strongest = max(arms)
        index = sum(1 << bit for bit, arm in enumerate(arms) if arm is strongest and arm)
        if strongest is Line.HEAVY:
            return Text(_HEAVY[index], WINDOW_LINE)
        around = ((row - 1, column - 1), (row - 1, column), (row, column - 1), (row, column))
        return Text(_DASHED[index], self._ground(*around) or PADDING_LINE)


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


def _pad_left(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _pad_right(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


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
