"""Answers are right when the exact value rounds to what was written, and no sooner."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.document import Text
from convscope.core.expression import Number
from convscope.core.number import round_half_even
from convscope.problems.answers import MatrixAnswer, agrees, decimals_written
from convscope.problems.tree import Entries, parse_tree


def answer(written: str, folder: Path = Path()) -> MatrixAnswer:
    root = parse_tree(f"answer: {written}\n")
    assert isinstance(root, Entries)
    return MatrixAnswer.read(root.pairs[0][1], folder)


def words(content: Text) -> str:
    return "".join(str(part.value) if isinstance(part, Number) else str(part) for part in content)


SIGMOID = cs.solve("7.5", cs.Sigmoid()).value[0, 0]  # 0.99944722136...


@pytest.mark.parametrize(
    ("written", "truth", "is_right"),
    [
        ("0.3333", Fraction(1, 3), True),
        ("0.3334", Fraction(1, 3), False),
        ("0.33", Fraction(1, 3), True),
        ("1/3", Fraction(1, 3), True),
        ("2", Fraction(12, 5), False),
        ("2.", Fraction(12, 5), True),
        ("2.4", Fraction(12, 5), True),
        ("0.12", Fraction(1, 8), True),
        ("0.13", Fraction(1, 8), True),
        ("0.14", Fraction(1, 8), False),
        ("-0.12", Fraction(1, 8), False),
        ("1.2e-1", Fraction(1, 8), True),
        ("0.9994", SIGMOID, True),
        ("0.9995", SIGMOID, False),
        ("1.00", SIGMOID, True),
        ("1", SIGMOID, False),
        ("0.99944722136308", SIGMOID, True),
    ],
)
def test_a_number_is_right_when_the_exact_value_rounds_to_it(written, truth, is_right):
    value = cs.matrix([written])[0]
    assert agrees(value, written, truth) is is_right


@given(st.fractions(max_denominator=10**6), st.integers(0, 12))
def test_every_correctly_rounded_decimal_is_right_and_its_neighbours_are_not(truth, digits):
    written = round_half_even(truth, digits)
    if digits == 0:
        written += "."
    value = Fraction(round_half_even(truth, digits))
    assert agrees(value, written, truth)
    step = 2 * Fraction(1, 10) ** digits
    for neighbour in (value + step, value - step):
        assert not agrees(neighbour, round_half_even(neighbour, digits) + "." * (digits == 0), truth)


@pytest.mark.parametrize(
    ("written", "decimals"),
    [
        ("3", None),
        ("1/3", None),
        ("3.", 0),
        (".5", 1),
        ("-0.9820", 4),
        ("1.5e-3", 4),
        ("1.5e1", 0),
        ("x", None),
    ],
)
def test_decimals_are_those_that_were_written(written, decimals):
    assert decimals_written(written) == decimals


@pytest.mark.parametrize(
    "written",
    [
        "0.50 0.25; 0.33 1.00",
        "[[0.50, 0.25], [0.33, 1.00]]",
        "|\n  0.50 0.25\n  0.33 1.00",
        "'[[0.50, 0.25], [0.33, 1.00]]'",
        r"'\begin{bmatrix} 0.50 & 0.25 \\ 0.33 & 1.00 \end{bmatrix}'",
    ],
)
def test_every_way_of_writing_a_matrix_keeps_its_decimals(written):
    truth = cs.matrix("1/2 1/4; 1/3 1")
    found = answer(written)
    assert found.compare(truth, "it").is_right
    assert not found.compare(cs.matrix("1/2 1/4; 1/3 1.1"), "it").is_right


def test_a_scaled_answer_is_compared_exactly():
    found = answer(r"'\frac{1}{4}\begin{bmatrix} 1 & 2 \end{bmatrix}'")
    assert found.compare(cs.matrix("1/4 1/2"), "it").is_right
    assert not found.compare(cs.matrix("1/4 0.51"), "it").is_right


def test_an_answer_in_a_csv_file_keeps_its_decimals(tmp_path):
    (tmp_path / "answer.csv").write_text("0.33,0.67\n")
    found = answer("answer.csv", tmp_path)
    assert found.compare(cs.matrix("1/3 2/3"), "it").is_right
    assert not found.compare(cs.matrix("1/3 1/3"), "it").is_right


def test_letters_are_compared_as_letters():
    truth = cs.matrix("a b")
    assert answer("a b").compare(truth, "it").is_right
    assert not answer("a c").compare(truth, "it").is_right


def test_a_wrong_answer_names_the_first_cells_and_counts_them_all():
    verdict = answer("1 2; 3 5").compare(cs.matrix("1 2; 3 4"), "the sum")
    assert words(verdict.content) == (
        "The answer given for the sum differs in 1 of 4 cells: cell [1, 1] is 4, given 5."
    )
    many = answer("9 9; 9 9").compare(cs.matrix("1 2; 3 4"), "the sum")
    assert words(many.content).startswith(
        "The answer given for the sum differs in 4 of 4 cells: cell [0, 0] is 1"
    )
    assert words(many.content).endswith("given 9; …")


def test_a_wrong_shape_is_said():
    verdict = answer("1 2 3").compare(cs.matrix("1 2; 3 4"), "the sum")
    assert not verdict.is_right
    assert words(verdict.content) == "The answer given for the sum has shape 1 × 3; the result has 2 × 2."


def test_a_single_channel_may_be_left_out():
    assert answer("1 2; 3 4").compare(cs.matrix([[["1", "2"], ["3", "4"]]]), "it").is_right


def test_cells_of_channels_are_named():
    verdict = answer("[[[1, 2]], [[3, 4]]]").compare(cs.matrix([[["1", "2"]], [["3", "9"]]]), "it")
    assert "cell [1, 0, 1] is 9, given 4" in words(verdict.content)
