"""`parameters`: counts compared row by row, and the whole."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.errors import FileMistakesError

NETWORK = """\
problems:
  - kind: parameters
    network: |
      input 3x9x9
      c: conv 3x3, 4
      flatten
      linear 10
"""


def solved(rest: str):
    return cs.load_problems(NETWORK + rest).solve().solved[0]


@pytest.mark.parametrize(
    "answer", ["[112, 0, 1970]", "['112', ~, '1,970']", "{c: 112, total: 2082}", "{total: 2_082}"]
)
def test_right_counts_agree(answer):
    assert solved(f"    answer: {answer}\n    macs: {{c: 5292, total: 7252}}\n").is_right is True


def test_wrong_counts_are_named():
    one = solved("    answer: {c: 108, total: 2082}\n    macs: {c: 1}\n")
    assert ["".join(map(str, verdict.content)) for verdict in one.work.verdicts] == [
        "1 of 2 numbers of parameters given as answer differ: c is 112, given 108.",
        "1 of 1 numbers of multiply-adds given as answer differ: c is 5,292, given 1.",
    ]


def test_facts_hold_totals():
    facts = solved("").work.facts
    assert facts["totals"]["params"] == 2082
    assert [row["macs"] for row in facts["rows"]] == [5292, 0, 1960]


@pytest.mark.parametrize(
    ("rest", "message"),
    [("answer: [1]", "1 numbers of parameters are given"), ("answer: {d: 1}", "no row is called 'd'"),
     ("macs: {c: 1.5}", "'1.5' is not a count"), ("answer: 3", "is not a list of")],
)  # fmt: skip
def test_mistakes_are_told(rest, message):
    with pytest.raises(FileMistakesError) as caught:
        solved(f"    {rest}\n")
    assert message in str(caught.value)
