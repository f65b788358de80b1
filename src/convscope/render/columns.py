"""A matrix too wide for its page, cut between columns."""

from __future__ import annotations

from collections.abc import Callable

from convscope.core.document import MatrixView
from convscope.render.grid import Grid


def cut_columns(grid: Grid, fits: Callable[[Grid], bool]) -> list[tuple[slice, Grid]]:
    """The grid in as few upright strips as fit, from left to right; a strip has at least one column."""
    total, start = len(grid[0]), 0
    strips: list[tuple[slice, Grid]] = []
    while start < total:
        stop = start + 1
        while stop < total and fits(_strip(grid, slice(start, stop + 1))):
            stop += 1
        part = slice(start, stop)
        strips.append((part, _strip(grid, part)))
        start = stop
    return strips


def _strip(grid: Grid, part: slice) -> Grid:
    return tuple(row[part] for row in grid)


def columns_words(view: MatrixView, part: slice) -> str:
    """Which columns of the matrix a strip of its grid shows, those in a gap counted.

    >>> columns_words(MatrixView(((),), column_gap=(1, 100)), slice(2, 5))
    'columns 2 to 103'
    """
    first, last = part.start, part.stop - 1
    if view.column_gap is not None:
        after, hidden = view.column_gap
        first += hidden - 1 if first > after + 1 else 0
        last += hidden - 1 if last > after else 0
    return f"columns {first} to {last}" if first < last else f"column {first}"
