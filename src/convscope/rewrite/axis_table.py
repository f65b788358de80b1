"""Several maps along one axis, over many lengths, as one small table of the ways in which cells are read.

For a length n, an output place o and an input place x, each of the maps has one number. These columns of
numbers repeat: the maps of seven taps give seven of them, however long the input is. A sum of products of
such maps is zero for every size exactly if it is zero for every combination of columns, one an axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convscope.core.array import INT64_LIMIT, RationalArray
from convscope.errors import ShapeError, UnsupportedError
from convscope.rewrite.axis_steps import AxisMap, Entries, Places

# More along one axis, over all lengths that are looked at, nobody waits for.
MAX_ENTRIES = 2**22
MAX_LENGTHS = 4096


@dataclass(frozen=True, eq=False)
class AxisTable:
    """What several maps along one axis hold, over many lengths.

    Attributes:
        values: (maps, columns): each distinct column of numbers, in the order of first appearance: by
            length, then output place, then input place.
        lengths, rows, places: for each column, where it appears first.
        found: (entries, 4): length, output place, input place and column of every entry.
    """

    values: RationalArray
    lengths: Places
    rows: Places
    places: Places
    found: Places

    def at(self, length: int) -> Places:
        """The entries (output place, input place, column) at one length."""
        chosen: Places = self.found[self.found[:, 0] == length, 1:]
        return chosen


def axis_table(maps: Sequence[AxisMap], lengths: Sequence[int]) -> AxisTable:
    """The table of these maps, all of one output length, over these lengths.

    Raises:
        UnsupportedError: more entries than are worth the wait.
    """
    if len(lengths) > MAX_LENGTHS:
        raise UnsupportedError(f"{len(lengths)} lengths would have to be looked at; up to {MAX_LENGTHS} are")
    parts: list[tuple[Places, Places]] = []
    shares: list[tuple[Places, int]] = []
    total = 0
    for number, axis_map in enumerate(maps):
        for length in lengths:
            entries = axis_map.entries(length)
            total += len(entries.values)
            if total > MAX_ENTRIES:
                raise UnsupportedError(f"more than {MAX_ENTRIES} entries would have to be looked at")
            parts.append(_keyed(entries, number, length))
            shares.append((entries.values, entries.denominator))
    denominator = math.lcm(*(own for _, own in shares))
    largest = max((int(np.abs(values).max()) for values, _ in shares if values.size), default=0)
    if largest * denominator > INT64_LIMIT:
        raise UnsupportedError("the shares of these layers have no common denominator that fits")
    values = np.concatenate([values * (denominator // own) for values, own in shares])
    keys = np.concatenate([places for places, _ in parts])
    numbers = np.concatenate([owners for _, owners in parts])
    return _grouped(keys, numbers, values, len(maps), denominator)


def _keyed(entries: Entries, number: int, length: int) -> tuple[Places, Places]:
    """(length, row, place) of each entry, and the map it belongs to."""
    count = len(entries.rows)
    keys = np.column_stack([np.full(count, length, dtype=np.int64), entries.rows, entries.columns])
    return keys, np.full(count, number, dtype=np.int64)


def _grouped(keys: Places, numbers: Places, values: Places, maps: int, denominator: int) -> AxisTable:
    """Entries gathered by their place, and places by their column of numbers."""
    span = keys.max(axis=0) + 1 if len(keys) else np.ones(3, dtype=np.int64)
    flat = (keys[:, 0] * span[1] + keys[:, 1]) * span[2] + keys[:, 2]
    _, first, owner = np.unique(flat, return_index=True, return_inverse=True)
    columns = np.zeros((len(first), maps), dtype=np.int64)
    # A window may read one cell twice, through reflection.
    np.add.at(columns, (owner, numbers), values)
    place = keys[first]
    codes, chosen = _distinct(columns)
    where = place[chosen]
    return AxisTable(
        RationalArray(np.ascontiguousarray(columns[chosen].T), denominator),
        where[:, 0],
        where[:, 1],
        where[:, 2],
        np.column_stack([place, codes]),
    )


def _distinct(columns: Places) -> tuple[Places, Places]:
    """Each row's number among the distinct ones, in order of appearance; and where each appears first."""
    code = np.zeros(len(columns), dtype=np.int64)
    for column in columns.T:
        _, own = np.unique(column, return_inverse=True)
        _, code = np.unique(code * (int(own.max(initial=0)) + 1) + own, return_inverse=True)
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[code], first[order]


def output_length(axis_map: AxisMap, length: int) -> int | None:
    """The output's length; None for one that is not taken."""
    try:
        return axis_map.size(length)
    except ShapeError:
        return None
