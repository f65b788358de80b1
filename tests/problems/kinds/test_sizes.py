"""`sizes`: a network in text, and sizes compared row by row."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.errors import FileMistakesError

NETWORK = """\
problems:
  - kind: sizes
    network: |
      input 3x9x9
      c: conv 3x3, 4
      maxpool 2
      flatten
"""


def solved(rest: str):
    return cs.load_problems(NETWORK + rest).solve().solved[0]


@pytest.mark.parametrize(
    "answer",
    [
        "[4x7x7, 4x3x3, 36]",
        "['4×7×7', '4 x 3 x 3', 36]",
        "[~, 4x3x3, ~]",
        "{c: 4x7x7}",
        "{pool1: 4x3x3, flatten1: 36}",
    ],
)
def test_right_sizes_agree(answer):
    assert solved(f"    answer: {answer}\n").is_right is True


def test_facts_hold_every_row():
    rows = solved("").work.facts["rows"]
    assert [(row["name"], row["output_shape"]) for row in rows] == [
        ("c", (4, 7, 7)),
        ("pool1", (4, 3, 3)),
        ("flatten1", (36,)),
    ]


def test_wrong_sizes_are_named():
    one = solved("    answer: [4x7x7, 4x4x4, 37]\n")
    assert one.is_right is False
    assert "".join(map(str, one.work.verdicts[0].content)) == (
        "2 of 3 sizes given as answer differ: pool1 is 4 × 3 × 3, given 4 × 4 × 4; flatten1 is 36, given 37."
    )


def test_one_size_is_spoken_of_as_one():
    assert solved("    answer: {c: 4x7x7}\n").work.verdicts[0].content == (
        "The size given as answer agrees with the derived ones.",
    )


@pytest.mark.parametrize(
    ("rest", "start"),
    [
        (
            "    answer: [4x7x7]\n",
            "8: problem 1: answer: 1 sizes are given but the network has 3 layers (c, pool1",
        ),
        ("    answer: 4x7x7\n", "8: problem 1: answer: '4x7x7' is not a list of sizes"),
        ("    answer: {cc: 1}\n", "8: problem 1: answer: no row is called 'cc'; did you mean 'c'?"),
        ("    answer: {c: 1, c: 2}\n", "8: problem 1: answer: the row 'c' is answered twice"),
        ("    answer: {c: 4x}\n", "8: problem 1: answer: '4x' is not a size such as 96x55x55 or 9216"),
        ("    answer: {c: [1]}\n", "8: problem 1: answer: a list is not a single value"),
    ],
)
def test_mistakes_of_the_answer(rest, start):
    with pytest.raises(FileMistakesError) as refused:
        solved(rest)
    assert refused.value.mistakes[0].removeprefix("<text>:").startswith(start)


@pytest.mark.parametrize(
    ("network", "start"),
    [
        ("input 1x2x2\n      relu", "3: problem 1: network: YAML folds these lines into one"),
        ("/etc/passwd", "3: problem 1: network: "),
        ("[a]", "3: problem 1: network: a list is not a single value"),
        ("|\n      input 3x5x5\n      cnv 3x3, 4", "3: problem 1: network: line 2, column 1: "),
        ("|\n      input 3x1000000000x5\n      conv 7x7, 4", "3: problem 1: network: "),
    ],
)
def test_mistakes_of_the_network(network, start):
    with pytest.raises(FileMistakesError) as refused:
        cs.load_problems(f"problems:\n  - kind: sizes\n    network: {network}\n    answer: [1]\n")
    (mistake,) = refused.value.mistakes
    assert mistake.removeprefix("<text>:").startswith(start)


def test_columns_are_shown_and_their_answers_compared():
    one = solved(
        "    columns: [parameters, fields]\n    parameters: {c: 112, total: 112}\n    fields: [3, 5, ~]\n"
    )
    assert one.is_right is False  # pool1 sees 4 cells, not 5
    assert [verdict.is_right for verdict in one.work.verdicts] == [True, False]
    assert one.work.facts["rows"][0]["params"] == 112
    assert one.work.facts["rows"][1]["receptive_field"]["size"] == [4, 4]
    titles = [str(block) for block in one.work.blocks()]
    assert any("Receptive fields" in title for title in titles)


def test_unknown_columns_are_refused():
    with pytest.raises(FileMistakesError, match="no column is called 'colour'"):
        solved("    columns: [colour]\n")
