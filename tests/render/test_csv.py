"""Rows as CSV: read back as they were, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pytest

from convscope.render.csv import to_csv


def read(written: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written, newline="")))


def test_what_is_nested_is_laid_flat() -> None:
    row = {"name": "a", "shape": [3, 8], "field": {"size": [11, 11], "start": ["63/2", 0]}, "whole": True}
    assert read(to_csv([row])) == [
        {"name": "a", "shape": "3x8", "field_size": "11x11", "field_start": "63/2x0", "whole": "yes"}
    ]


def test_rows_with_other_entries_share_the_heads() -> None:
    written = to_csv([{"name": "a", "field": None}, {"name": "b", "field": {"size": [1]}}])
    assert read(written) == [
        {"name": "a", "field": "", "field_size": ""},
        {"name": "b", "field": "", "field_size": "1"},
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "@SUM(A1)", "-2+3"])
def test_nothing_begins_like_a_formula(name: str) -> None:
    assert read(to_csv([{"name": name}])) == [{"name": f"'{name}"}]


def test_commas_quotes_and_line_ends_stay_in_their_cell() -> None:
    (row,) = read(to_csv([{"name": 'a,"b"\nc', "n": 1}]))
    assert row["n"] == "1"
    assert row["name"].startswith('a,"b"')
