"""`highlight`: the figure in the hand-out, and the largest response given as the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

import convscope as cs
from convscope.core.document import Figure
from convscope.errors import FileMistakesError

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"
PROBLEM = """\
problems:
  - kind: highlight
    picture: pictures/coins.png
    kernel: sobel_x
"""


def solved(rest: str = "", text: str = PROBLEM):
    return cs.load_problems(text + rest, EXAMPLES).solve().solved[0]


def test_the_work_is_that_of_highlight():
    one = solved("    top: 1/200\n    convention: convolution\n")
    expected = cs.highlight(EXAMPLES / "pictures/coins.png", "sobel_x", top="1/200", convention="convolution")
    assert one.work.result.regions == expected.regions
    assert one.work.facts["convention"] == "convolution"
    figures = [block for block in one.document().walk() if isinstance(block, Figure)]
    assert len(figures) == 4
    assert one.is_right is None


@pytest.mark.parametrize("answer", ["760", "760.0"])
def test_the_right_answer_agrees(answer):
    assert solved(f"    answer: {answer}\n").is_right is True


def test_a_wrong_answer_is_told():
    one = solved("    answer: 759\n")
    assert one.is_right is False
    assert one.to_text().rstrip().endswith("The largest response is 760, given 759.")
    nothing = solved("    threshold: 5000\n    answer: 760\n")
    assert "no pixel is marked" in nothing.to_text()


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("    top: 0.1\n    threshold: 3\n", "the problem has 'top' already"),
        ("    top: 2\n", "2 is not a share of the pixels"),
        ("    threshold: -1\n", "-1 is not positive"),
        ("    answer: much\n", "'much' is not a number"),
        ("    convention: pilow\n", "did you mean 'pillow'"),
        ("    tob: 0.1\n", "unknown key 'tob'; did you mean 'top'"),
    ],
)
def test_mistakes_are_told_with_their_line(rest, told):
    with pytest.raises(FileMistakesError) as caught:
        solved(rest)
    (message,) = caught.value.mistakes
    assert told in message


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("picture", "../../../../etc/passwd", "leads out of the problem file's folder"),
        ("picture", "pictures/README.md", "is not a picture that can be read"),
        ("kernel", "sobol_x", "no kernel is called 'sobol_x'"),
    ],
)
def test_pictures_and_kernels_that_cannot_be_read_are_told(key, value, told):
    old = {"picture": "pictures/coins.png", "kernel": "sobel_x"}[key]
    with pytest.raises(FileMistakesError, match=told):
        solved(text=PROBLEM.replace(old, value))
