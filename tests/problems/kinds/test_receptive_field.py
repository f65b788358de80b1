"""`receptive_field`: sizes of fields compared row by row."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.errors import FileMistakesError

NETWORK = """\
problems:
  - kind: receptive_field
    network: |
      input 3x33x33
      c: conv 3x5, 4, stride 2
      maxpool 2
"""


def solved(rest: str):
    return cs.load_problems(NETWORK + rest).solve().solved[0]


@pytest.mark.parametrize("answer", ["[3x5, 5x7]", "{pool1: '5×7'}", "[~, 5 x 7]"])
def test_right_fields_agree(answer):
    assert solved(f"    answer: {answer}\n").is_right is True


def test_wrong_fields_are_named():
    one = solved("    answer: [3, 5x7]\n")
    assert "".join(map(str, one.work.verdicts[0].content)) == (
        "1 of 2 fields given as answer differ: c is 3 × 5, given 3."
    )


def test_facts_hold_fields():
    assert [row["receptive_field"]["size"] for row in solved("").work.facts["rows"]] == [[3, 5], [5, 7]]


def test_mistakes_are_told():
    with pytest.raises(FileMistakesError) as caught:
        solved("    answer: [many, 1]\n")
    assert "'many' is not a field such as 11 or 11x11" in str(caught.value)
