"""Rows of facts as CSV, for spreadsheets and data frames (RFC 4180, lines end in CR LF)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from convscope.render.literal import visible_line

# A spreadsheet takes a cell that begins like this for a formula and runs it.
_RATIO = re.compile(r"-?\d+(?:/\d+)?\Z", re.ASCII)
_RUN = ("=", "+", "-", "@", "\t")


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """One line a row under the names of the first row's entries; what is not known is empty.

    A mapping within a row becomes one column an entry, a list one cell: ``96x55x55`` of numbers, names
    with a comma between them. Words that a spreadsheet would run as a formula are led by an apostrophe.

    >>> to_csv([{"name": "=1+1", "shape": [3, 8, 8], "params": None}]).splitlines()
    ['name,shape,params', "'=1+1,3x8x8,"]
    """
    flat = [dict(_flat(row)) for row in rows]
    heads = list(dict.fromkeys(name for row in flat for name in row))
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(heads)
    writer.writerows([row.get(head, "") for head in heads] for row in flat)
    return target.getvalue()


def _flat(row: Mapping[str, object], lead: str = "") -> Sequence[tuple[str, str]]:
    cells: list[tuple[str, str]] = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            cells += _flat(value, f"{lead}{name}_")
        else:
            cells.append((f"{lead}{name}", _cell(value)))
    return cells


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case str():
            return _harmless(value)
        case Sequence():
            entries = [str(entry) for entry in value]
            is_size = all(_RATIO.match(entry) for entry in entries)
            return "x".join(entries) if is_size else _harmless(", ".join(entries))
        case _:
            return _harmless(str(value))


def _harmless(words: str) -> str:
    shown = visible_line(words)
    return f"'{shown}" if shown.startswith(_RUN) else shown
