from __future__ import annotations

from fractions import Fraction

from sample import DIGITS, Sigmoid, matrix

from convscope.core.document import Mark, MatrixView
from convscope.render.grid import hidden_words, lay_out, window_boxes

NINE = matrix("1 2 3; 4 5 6; 7 8 9")


def outlines(view: MatrixView) -> list[list[str]]:
    """The initials of the outlined sides of each cell."""
    return [
        ["".join(sorted(side[0] for side in cell.outline)) for cell in row] for row in lay_out(view, DIGITS)
    ]


def test_the_outline_runs_on_both_sides_of_each_line() -> None:
    assert outlines(MatrixView(NINE, marks=(Mark("window", 1, 1, 2, 2),))) == [
        ["", "b", ""],
        ["r", "blrt", "l"],
        ["", "t", ""],
    ]


def test_only_windows_are_outlined() -> None:
    for role in ("padding", "winner", "difference"):
        assert outlines(MatrixView(NINE, marks=(Mark(role, 0, 0, 3, 3),))) == [[""] * 3] * 3


def test_two_windows_side_by_side_share_the_line_between_them() -> None:
    marks = (Mark("window", 0, 0, 1, 2), Mark("window", 0, 2, 1, 3))
    assert outlines(MatrixView((NINE[0],), marks=marks)) == [["blt", "brt", "blrt"]]


def test_roles_add_up_where_marks_overlap() -> None:
    view = MatrixView(NINE, marks=(Mark("window", 0, 0, 2, 2), Mark("winner", 1, 1, 2, 2)))
    grid = lay_out(view, DIGITS)
    assert grid[1][1].roles == {"window", "winner"}
    assert grid[0][0].roles == {"window"}
    assert grid[2][2].roles == frozenset()


def test_gaps_stand_after_the_row_and_the_column_they_name() -> None:
    view = MatrixView(NINE, row_gap=(0, 10), column_gap=(1, 20))
    assert [[cell.content for cell in row] for row in lay_out(view, DIGITS)] == [
        ["1", "2", "⋯", "3"],
        ["⋮", "⋮", "⋱", "⋮"],
        ["4", "5", "⋯", "6"],
        ["7", "8", "⋯", "9"],
    ]
    assert [cell.is_gap for cell in lay_out(view, DIGITS)[0]] == [False, False, True, False]


def test_a_window_across_a_gap_holds_the_gap() -> None:
    view = MatrixView(NINE, marks=(Mark("window", 0, 0, 2, 1),), row_gap=(0, 10))
    assert window_boxes(view) == ((0, 0, 3, 1),)
    assert [row[0].roles for row in lay_out(view, DIGITS)] == [{"window"}] * 3 + [frozenset()]


def test_a_window_beside_a_gap_does_not_hold_it() -> None:
    before = MatrixView(NINE, marks=(Mark("window", 0, 0, 1, 1),), row_gap=(0, 10), column_gap=(0, 5))
    after = MatrixView(NINE, marks=(Mark("window", 1, 1, 3, 3),), row_gap=(0, 10), column_gap=(0, 5))
    assert window_boxes(before) == ((0, 0, 1, 1),)
    assert window_boxes(after) == ((2, 2, 4, 4),)
    assert lay_out(before, DIGITS)[1][0].roles == frozenset()
    assert lay_out(after, DIGITS)[1][2].roles == frozenset()


def test_figures_of_a_rounded_matrix_have_one_number_of_decimals() -> None:
    view = MatrixView(((Fraction(1, 2), Sigmoid(Fraction(2))),))
    assert [cell.content for cell in lay_out(view, DIGITS)[0]] == ["0.5000", "0.8808"]


def test_hidden_words_count_what_is_hidden() -> None:
    assert hidden_words(MatrixView(NINE)) == ""
    assert hidden_words(MatrixView(NINE, row_gap=(0, 1))) == "1 row not shown"
    assert hidden_words(MatrixView(NINE, column_gap=(0, 2))) == "2 columns not shown"


def test_an_empty_matrix_is_an_empty_grid() -> None:
    assert lay_out(MatrixView(()), DIGITS) == ()
