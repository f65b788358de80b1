"""`interpret`: words for a kernel, and answers in words compared with them."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.core.document import Table
from convscope.errors import FileMistakesError
from convscope.problems.kinds.words import Words
from convscope.problems.tree import Scalar

K = "-0.89 -0.92 -0.90; 0.01 0.02 0.005; 0.90 0.92 0.89"


def problem(rest: str, kernel: str = K) -> str:
    return f"problems:\n  - kind: interpret\n    kernel: {kernel}\n{rest}"


def solved(rest: str = "", kernel: str = K):
    return cs.load_problems(problem(rest, kernel)).solve().solved[0]


def words(written: str) -> Words:
    return Words.read(Scalar(written, 1))


def verdict(one) -> str:
    return "".join(map(str, one.work.verdicts[0].content))


@pytest.mark.parametrize(
    ("kernel", "answer"),
    [
        (K, "horizontal edges, dark above and bright below"),
        (K, "Edges: positive where the top is dark and the bottom is bright."),
        (K, "darker above / brighter below"),
        (K, "dark above"),
        (K, "an edge at 90°"),
        ("sobel_x", "vertical edges, from black on the left to white on the right"),
        ("robinson_se", "diagonal edges, dark at the upper left and bright at the lower right"),
        ("kirsch_n", "horizontal edges, bright on top"),
        ("line_vertical", "bright vertical lines"),
        ("laplacian", "dark spots"),
        ("box_3", "it blurs"),
        ("motion_blur_5_45", "a diagonal blur"),
        ("identity", "nothing changes"),
        ("unsharp_5", "sharpens the picture"),
        ("emboss", "a relief"),
        ("gabor_0", "horizontal stripes"),
        ("saddle", "corners"),
        ("shift_left", "moves the picture"),
        ("checkerboard_4", "a chessboard"),
    ],
)
def test_right_words_agree(kernel, answer):
    one = solved(f"    answer: '{answer}'\n", kernel)
    assert one.is_right is True, verdict(one)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            "horizontal edges, darker below and brighter above",
            "dark above and bright below, given dark below and bright above. "  # noqa: ISC004
            "It would be right under true convolution.",
        ),
        ("bright above", "given bright above. It would be right under true convolution."),
        ("vertical edges", "the direction is horizontal, given vertical."),
        ("it blurs", "the kernel is of the kind 'edge'."),
        ("an edge at 45°", "the angle is 90°, given 45°."),
    ],
)
def test_wrong_words_are_told_and_so_is_the_convention_that_they_fit(answer, told):
    one = solved(f"    answer: '{answer}'\n")
    assert one.is_right is False
    assert verdict(one).startswith("The answer in words differs: ")
    assert verdict(one).endswith(told)


def test_the_convention_turns_the_polarity():
    for convention, answer in (
        ("correlation", "dark above"),
        ("convolution", "bright above"),
        ("pillow", "bright above"),
    ):
        one = solved(f"    convention: {convention}\n    answer: {answer}\n")
        assert one.is_right is True
        assert one.work.facts["convention"] == convention
        assert set(one.work.facts["sentences"]) == {"correlation", "convolution", "pillow"}


def test_the_work_shows_the_words_under_each_convention_and_what_they_rest_on():
    one = solved()
    tables = [block for block in one.document().walk() if isinstance(block, Table)]
    assert len(tables) == 2
    assert "cross-correlation" in one.to_text()
    assert "None" not in one.to_text()
    same = solved(kernel="box_3").to_text(width=200)
    assert "All three conventions come to the same words" in same


def test_lines_and_spots_are_told_by_their_tone():
    assert solved("    answer: dark vertical lines\n", "line_vertical").is_right is False
    assert words("dark vertical lines").tone == "dark"
    assert words("edges, dark above").tone is None


@pytest.mark.parametrize(
    ("written", "sides"),
    [
        ("dark above and bright below", {"dark": "above", "bright": "below"}),
        ("bright below, dark above", {"dark": "above", "bright": "below"}),
        ("the top is dark, the bottom bright", {"dark": "above", "bright": "below"}),
        ("from dark (left) to light (right)", {"dark": "left", "bright": "right"}),
        ("left to right, dark to bright", {"dark": "left", "bright": "right"}),
        ("darker at the upper-left", {"dark": "upper left"}),
        ("bright edges", {}),
    ],
)
def test_sides_are_read_in_any_order(written, sides):
    assert words(f"edges, {written}").sides == sides


@pytest.mark.parametrize(
    ("rest", "kernel", "told"),
    [
        ("    answer: 42\n", K, "'42' does not say what a kernel does; write for instance"),
        (f"    answer: {'edges ' * 100}\n", K, "an answer of 599 characters is too long"),
        ("    convention: conv\n", K, "'conv' is not known; known: correlation, convolution, pillow"),
        ("", "sobol_x", "no kernel is called 'sobol_x'; did you mean 'sobel_x'"),
        ("", "a b; c d", "it holds letters; what a kernel does is told of numbers"),
        ("", "[[1], [1, 2]]", "ragged rows"),
        ("    picture: x.png\n", K, "unknown key 'picture'"),
    ],
)
def test_mistakes_are_told_with_their_line(rest, kernel, told):
    with pytest.raises(FileMistakesError) as caught:
        cs.load_problems(problem(rest, kernel))
    (message,) = caught.value.mistakes
    assert told in message


def test_the_words_of_apply_problems_are_checked_too():
    text = """\
problems:
  - kind: apply
    input: 0 0 9 9; 0 0 9 9; 0 0 9 9; 0 0 9 9
    kernel: sobel
    padding: 1
    interpret: vertical edges, dark left
"""
    # Names are for interpret and highlight; apply takes numbers.
    with pytest.raises(FileMistakesError, match="letters"):
        cs.load_problems(text)
    text = text.replace("sobel", "-1 0 1; -2 0 2; -1 0 1")
    (one,) = cs.load_problems(text).solve()
    assert one.is_right is True
    assert "dark on the left" in one.to_text()
    (flipped,) = cs.load_problems(text + "    flip: true\n").solve()
    assert flipped.is_right is False
    assert verdict(flipped).endswith("It would be right under cross-correlation.")
    (shown,) = cs.load_problems(text.replace("vertical edges, dark left", "true")).solve()
    assert shown.is_right is None
    assert shown.work.facts["kind"] == "edge"
    (spread,) = cs.load_problems(text + "    dilation: 2\n").solve()
    assert spread.work.facts["kind"] == "edge"
    (quiet,) = cs.load_problems(text.replace("vertical edges, dark left", "false")).solve()
    assert "sentence" not in quiet.work.facts


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("not horizontal edges", "says with 'not' what the kernel does not do"),
        ("no edges", "says with 'no'"),
        ("it does not detect horizontal edges", "says with 'not'"),
        ("it doesn't find edges", "says with 'doesn't'"),
        ("anything but edges", "says with 'anything but'"),
        ("it ignores horizontal edges", "says with 'ignores horizontal edges'"),
        ("top edges", "'top' is a side of the edge, but what lies there is left out"),
        ("edges at the top", "'top' is a side of the edge"),
        ("horizontal and vertical edges", "says both horizontal and vertical"),
        ("diagonal edges, rising and falling", "says both rising and falling"),
        ("edges, dark above and bright above", "contradicts itself"),
        ("edges, dark above and dark below", "contradicts itself"),
        ("positive where dark above, negative where dark above", "contradicts itself"),
        ("edges or lines", "'edges or lines' leaves open which"),
        ("bright or dark spots", "'bright or dark' leaves open which"),
    ],
)
def test_negations_and_contradictions_are_refused(written, told):
    with pytest.raises(cs.InputError) as caught:
        words(written)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("written", "kernel", "left_out"),
    [
        ("edge", K, "the direction (horizontal) and the polarity (dark above and bright below)"),
        ("horizontal edges", K, "the polarity (dark above and bright below)"),
        ("horizontal", K, "the kind (edge) and the polarity (dark above and bright below)"),
        ("lines", "line_vertical", "the direction (vertical) and the polarity (bright)"),
        ("spots", "laplacian", "the polarity (dark)"),
    ],
)
def test_an_incomplete_answer_is_told_what_it_leaves_out(written, kernel, left_out):
    one = solved(f"    answer: {written}\n", kernel)
    assert one.is_right is True
    assert verdict(one).endswith(f"It leaves out {left_out}.")


@pytest.mark.parametrize("written", ["dark above and bright below", "an edge at 90°", "edges, dark above"])
def test_a_complete_answer_leaves_nothing_out(written):
    assert "leaves out" not in verdict(solved(f"    answer: {written}\n"))


def test_what_answers_negative_is_the_other_way_round():
    assert solved("    answer: negative where it is dark above and bright below\n").is_right is False
    both = "positive where dark above and bright below, negative where bright above and dark below"
    assert solved(f"    answer: '{both}'\n").is_right is True


def test_the_slope_of_a_diagonal_is_compared():
    edge = "2 1 0; 1 0 -1; 0 -1 -2"
    direction = cs.describe(edge).direction
    slope = direction.split()[1]
    other = {"rising": "falling", "falling": "rising"}[slope]
    assert solved(f"    answer: 'diagonal edges, {slope} to the right'\n", edge).is_right is True
    assert solved(f"    answer: 'diagonal edges, {other} to the left'\n", edge).is_right is True
    assert solved(f"    answer: 'diagonal edges, {other} to the right'\n", edge).is_right is False


@pytest.mark.parametrize(
    ("kernel", "answer"),
    [
        ("identity", "the picture is not changed"),
        ("box_3", "averages in the horizontal and the vertical direction, or smooths"),
        ("shift_left", "moves the picture to the left"),
        ("saddle", "corners or saddles"),
        ("sobel_y", "edges: dark at the top, light at the bottom"),
    ],
)
def test_right_words_with_or_and_not_still_agree(kernel, answer):
    one = solved(f"    answer: '{answer}'\n", kernel)
    assert one.is_right is True, verdict(one)
