from __future__ import annotations

from fractions import Fraction

import pytest

from convscope.core.document import Document, Mark, MatrixRow, MatrixView, Section, text
from convscope.render.columns import columns_words, cut_columns
from convscope.render.grid import lay_out
from convscope.render.legend import legend, roles_in

ROW = MatrixView((tuple(Fraction(i) for i in range(7)),))


def test_strips_are_as_wide_as_fits_and_leave_nothing_out() -> None:
    strips = cut_columns(lay_out(ROW, 4), lambda strip: len(strip[0]) <= 3)
    assert [[cell.content for cell in strip[0]] for _, strip in strips] == [list("012"), list("345"), ["6"]]


def test_a_column_that_fits_nowhere_still_has_its_strip() -> None:
    assert len(cut_columns(lay_out(ROW, 4), lambda _strip: False)) == 7


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (slice(0, 3), "columns 0 to 2"),
        (slice(2, 4), "columns 2 to 102"),
        (slice(3, 4), "columns 3 to 102"),
        (slice(4, 6), "columns 103 to 104"),
        (slice(6, 7), "column 105"),
    ],
)
def test_hidden_columns_are_counted(part: slice, words: str) -> None:
    assert columns_words(MatrixView(ROW.rows, column_gap=(2, 100)), part) == words


def test_a_legend_explains_the_marks_that_are_there() -> None:
    marked = MatrixView(ROW.rows, (), (Mark("winner", 0, 0, 1, 1),))
    document = Document(text("t"), (Section(text("s"), (MatrixRow((ROW, marked), ("→",)),)),))
    assert roles_in(document) == {"winner"}
    assert legend(document, {"window": "w", "winner": "v"}) == "v"
    assert legend(Document(text("t"), (ROW,)), {"window": "w"}) == ""
