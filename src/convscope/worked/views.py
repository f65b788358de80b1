"""Exact arrays as blocks of a document: matrices with marked cells, large ones cut to their corners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.document import Block, Mark, MatrixView, Text, elided, text
from convscope.core.expression import Elided, Expression, Number, Product, Sum, Symbol, as_expression
from convscope.core.number import Exact

# A page holds a matrix of about this many rows and columns; of a larger one the corners are shown.
MOST_ROWS, MOST_COLUMNS = 12, 14
SHOWN_ROWS, SHOWN_COLUMNS = 8, 10
MOST_CHANNELS = 6
MOST_TERMS = 18


def matrix_view(array: ExactArray, caption: Text = (), marks: Sequence[Mark] = ()) -> MatrixView:
    """A matrix of one or two axes; past a page's size its first and last rows and columns only."""
    plane = array.reshape((1, *array.shape)) if array.ndim == 1 else array
    rows, row_gap = _kept(plane.shape[0], MOST_ROWS, SHOWN_ROWS)
    columns, column_gap = _kept(plane.shape[1], MOST_COLUMNS, SHOWN_COLUMNS)
    cells = tuple(tuple(plane.cell((r, c)) for c in columns) for r in rows)
    kept_marks = tuple(mark for found in marks for mark in _kept_marks(found, rows, columns))
    return MatrixView(cells, caption, kept_marks, row_gap, column_gap)


def _kept(count: int, most: int, shown: int) -> tuple[list[int], tuple[int, int] | None]:
    if count <= most:
        return list(range(count)), None
    head = (shown + 1) // 2
    tail = shown - head
    return [*range(head), *range(count - tail, count)], (head - 1, count - shown)


def _kept_marks(mark: Mark, rows: Sequence[int], columns: Sequence[int]) -> Iterator[Mark]:
    """The mark in the places of the shown rows and columns, where any of its cells is shown."""
    inside_rows = [place for place, row in enumerate(rows) if mark.top <= row < mark.bottom]
    inside_columns = [place for place, column in enumerate(columns) if mark.left <= column < mark.right]
    if inside_rows and inside_columns:
        yield Mark(mark.role, inside_rows[0], inside_columns[0], inside_rows[-1] + 1, inside_columns[-1] + 1)


def array_views(array: ExactArray, caption: Text, marks: Sequence[Mark] = ()) -> tuple[Block, ...]:
    """An array of any number of axes as matrices, one for each index of its leading axes."""
    if array.ndim <= 2:
        return (matrix_view(array, caption, marks),)
    leading = array.shape[:-2]
    indices = list(np.ndindex(*leading))

    def one(number: int) -> tuple[Block, ...]:
        index = indices[number]
        told = text(*caption, f" [{', '.join(map(str, index))}]")
        return (matrix_view(array[index], told, marks),)

    return elided(len(indices), one, MOST_CHANNELS, "matrices", text("index the stage's value to see them"))


def mask_marks(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Mark, ...]:
    """Padding marks for the true cells of a mask that is false on one rectangle only."""
    rows, columns = mask.shape if mask.ndim == 2 else (1, mask.shape[0])
    plane = mask.reshape(rows, columns)
    inside = np.argwhere(~plane)
    if not inside.size:
        return (Mark("padding", 0, 0, rows, columns),)
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
    bands = (
        (0, 0, top, columns),
        (bottom, 0, rows, columns),
        (top, 0, bottom, left),
        (top, right, bottom, columns),
    )
    return tuple(
        Mark("padding", *map(int, band)) for band in bands if band[2] > band[0] and band[3] > band[1]
    )


def cell_marks(role: str, cells: Sequence[Sequence[int]]) -> tuple[Mark, ...]:
    """One mark for each cell."""
    pairs = [(0, *cell) if len(cell) == 1 else tuple(cell) for cell in cells]
    return tuple(Mark(role, r, c, r + 1, c + 1) for r, c in pairs)  # type: ignore[arg-type]


def planes(array: ExactArray) -> list[tuple[tuple[int, ...], ExactArray]]:
    """The matrices of an array of one to three axes, each with its leading index."""
    if array.ndim <= 2:
        return [((), array)]
    return [(index, array[index]) for index in np.ndindex(*array.shape[:-2])]


def short_sum(terms: Sequence[Expression]) -> Expression:
    """The terms added; a long sum keeps its ends and counts what is left out."""
    if not terms:
        return as_expression(0)
    if len(terms) == 1:
        return terms[0]
    if len(terms) <= MOST_TERMS:
        return Sum(tuple(terms))
    head, tail = MOST_TERMS - 4, 3
    return Sum((*terms[:head], Elided(len(terms) - head - tail), *terms[-tail:]))


def product_of(*values: Exact) -> Expression:
    """Numbers multiplied, as a formula."""
    return Product(tuple(Number(value) for value in values))


def indexed(name: str, index: Sequence[int]) -> Symbol:
    """A cell's name: ``z[0, 1]``."""
    return Symbol(name, tuple(as_expression(int(i)) for i in index))
