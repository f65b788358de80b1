"""A matrix with its marks and gaps laid out cell by cell, for outputs that draw lines round cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from convscope.core.document import Mark, MarkRole, MatrixView
from convscope.render.numbers import CellForm, matrix_forms

Edge: TypeAlias = Literal["top", "right", "bottom", "left"]
GapSign: TypeAlias = Literal["⋮", "⋯", "⋱"]
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right, as in a `Mark`


@dataclass(frozen=True, slots=True)
class GridCell:
    """One place of the laid-out matrix.

    Attributes:
        content: the number's form; in a gap the sign that stands for what is hidden.
        is_gap: True where rows or columns are hidden.
        roles: what the cell plays; a gap plays what the cells on both its sides play.
        outline: the sides along which the outline of a marked window runs, on either side of the line.
    """

    content: CellForm
    is_gap: bool
    roles: frozenset[MarkRole]
    outline: frozenset[Edge]


Grid: TypeAlias = tuple[tuple[GridCell, ...], ...]


def lay_out(view: MatrixView, digits: int) -> Grid:
    """The matrix as a grid whose gaps are rows and columns of their own.

    >>> from fractions import Fraction
    >>> [[cell.content for cell in row] for row in lay_out(
    ...     MatrixView(((Fraction(1), Fraction(2)),), column_gap=(0, 30)), digits=4)]
    [['1', '⋯', '2']]
    """
    forms = matrix_forms(view.rows, digits)
    after_row = view.row_gap[0] if view.row_gap else None
    after_column = view.column_gap[0] if view.column_gap else None
    rows = _places(len(view.rows), after_row)
    columns = _places(max((len(row) for row in view.rows), default=0), after_column)
    boxes = [(mark.role, _box(mark, after_row, after_column)) for mark in view.marks]
    windows = [box for role, box in boxes if role == "window"]

    def cell(at: tuple[int, int], row: int | None, column: int | None) -> GridCell:
        roles = frozenset(role for role, box in boxes if _covers(box, at))
        is_gap = row is None or column is None
        content = _gap_sign(row, column) if row is None or column is None else forms[row][column]
        return GridCell(content, is_gap, roles, _outline(windows, at))

    return tuple(
        tuple(cell((i, j), row, column) for j, column in enumerate(columns)) for i, row in enumerate(rows)
    )


def window_boxes(view: MatrixView) -> tuple[Box, ...]:
    """The marked windows as ``(top, left, bottom, right)`` of the laid-out grid, gaps counted."""
    after_row = view.row_gap[0] if view.row_gap else None
    after_column = view.column_gap[0] if view.column_gap else None
    return tuple(_box(mark, after_row, after_column) for mark in view.marks if mark.role == "window")


def hidden_words(view: MatrixView) -> str:
    """What a matrix with gaps hides, in words; empty when it hides nothing.

    >>> hidden_words(MatrixView((), row_gap=(1, 1020), column_gap=(1, 1)))
    '1020 rows and 1 column not shown'
    """
    parts = [
        f"{gap[1]} {name}{'' if gap[1] == 1 else 's'}"
        for gap, name in ((view.row_gap, "row"), (view.column_gap, "column"))
        if gap is not None
    ]
    return " and ".join(parts) + " not shown" if parts else ""


def _places(count: int, gap_after: int | None) -> list[int | None]:
    places: list[int | None] = list(range(count))
    if gap_after is not None:
        places.insert(gap_after + 1, None)
    return places


def _box(mark: Mark, after_row: int | None, after_column: int | None) -> Box:
    top, bottom = _span(mark.top, mark.bottom, after_row)
    left, right = _span(mark.left, mark.right, after_column)
    return top, left, bottom, right


def _span(start: int, stop: int, gap_after: int | None) -> tuple[int, int]:
    """Where the half-open range of shown indices lies once the gap has its own place."""
    if gap_after is None:
        return start, stop
    return start + (start > gap_after), stop + (stop - 1 > gap_after)


def _covers(box: Box, at: tuple[int, int]) -> bool:
    top, left, bottom, right = box
    return top <= at[0] < bottom and left <= at[1] < right


def _gap_sign(row: int | None, column: int | None) -> GapSign:
    if row is None:
        return "⋱" if column is None else "⋮"
    return "⋯"


def _outline(windows: list[Box], at: tuple[int, int]) -> frozenset[Edge]:
    row, column = at
    sides: set[Edge] = set()
    for top, left, bottom, right in windows:
        if left <= column < right:
            sides |= {"top"} if row in (top, bottom) else set()
            sides |= {"bottom"} if row + 1 in (top, bottom) else set()
        if top <= row < bottom:
            sides |= {"left"} if column in (left, right) else set()
            sides |= {"right"} if column + 1 in (left, right) else set()
    return frozenset(sides)
