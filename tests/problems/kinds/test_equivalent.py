"""`equivalent`: the answer is compared with the proof; `prove` adds a proof to a problem of any kind."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.core.document import Section
from convscope.errors import FileMistakesError

POOL = """\
problems:
  - kind: equivalent
    a: [avgpool 2]
    b: [{conv: {kernel: "1/4 1/4; 1/4 1/4", stride: 2}}]
"""
BORDER = """\
problems:
  - kind: equivalent
    a: [{avgpool: {kernel_size: 3, stride: 1, padding: 1, count_include_pad: false}}]
    b: [{conv: {kernel: "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9", padding: 1}}]
"""


def solved(text):
    return cs.load_problems(text).solve().solved[0]


@pytest.mark.parametrize(
    ("problem", "answer", "is_right"),
    [
        (POOL, "yes", True),
        (POOL, "true", True),
        (POOL, "no", False),
        (POOL, "border", False),
        (BORDER, "border", True),
        (BORDER, "no", True),
        (BORDER, "yes", False),
    ],
)
def test_answers(problem, answer, is_right):
    one = solved(f"{problem}    answer: {answer}\n")
    assert one.is_right is is_right


def test_what_is_wrong_is_told():
    (verdict,) = solved(f"{BORDER}    answer: yes\n").work.verdicts
    assert verdict.content == (
        "The answer given is 'yes', but the two are the same except at the border.",
    )  # fmt: skip


def test_undecided_is_no_answer():
    text = "problems:\n  - kind: equivalent\n    a: [flatten]\n    b: [identity]\n    answer: no\n"
    one = solved(text)
    assert isinstance(one.work.result, cs.Undecided)
    assert one.is_right is False


def test_facts_and_the_shape():
    one = solved(f"{POOL}    input_shape: 4x4\n")
    assert isinstance(one.work.result, cs.Proof)
    assert one.facts()["verdict"] == "proof"
    assert one.is_right is None
    pools = "problems:\n  - kind: equivalent\n    a: [avgpool 2]\n    b: ['avgpool 2, ceil']\n"
    assert solved(f"{pools}    input_shape: [1, 4, 4]\n").work.result.input_shape == (1, 4, 4)
    assert solved(f"{pools}    input_shape: 3×4×5\n").facts()["where"] == "shape"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("    answer: maybe\n", "problem 1: answer: 'maybe' is not known; did you mean"),
        ("    input_shape: 4xa\n", "problem 1: input_shape: an input shape is written as '8x8'"),
        ("    input_shape: {a: 1}\n", "problem 1: input_shape: a mapping is not a single value"),
        ("    shape: 4\n", "problem 1: unknown key 'shape'"),
    ],
)
def test_mistakes_name_line_and_key(text, message):
    with pytest.raises(FileMistakesError) as caught:
        cs.load_problems(POOL + text)
    found = caught.value.mistakes[0]
    assert message.split("; did")[0] in found
    assert ":5: " in found


def test_both_are_needed():
    with pytest.raises(FileMistakesError) as caught:
        cs.load_problems("problems:\n  - kind: equivalent\n    a: [relu]\n")
    assert "the key 'b' is missing" in caught.value.mistakes[0]


FEATURE_MAP = """\
problems:
  - kind: feature_map
    input: 1 2; 3 4
    layers: [avgpool 2]
    answer: 2.5
    prove:
      a: [avgpool 2]
      b: [{conv: {kernel: "1/4 1/4; 1/4 1/4", stride: 2}}]
"""


def test_a_proof_in_another_problem():
    one = solved(FEATURE_MAP + "      answer: yes\n")
    assert one.is_right is True
    assert len(one.work.verdicts) == 2
    assert one.work.result.value == cs.matrix("2.5")
    assert one.facts()["proof"]["verdict"] == "proof"
    titles = [block.title for block in one.blocks() if isinstance(block, Section)]
    assert titles[-1] == ("For every input",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("      answr: yes\n", "prove: unknown key 'answr'"),
        ("      answer: 3\n", "prove.answer: '3' is not known"),
    ],
)
def test_mistakes_inside_a_proof(text, message):
    with pytest.raises(FileMistakesError) as caught:
        cs.load_problems(FEATURE_MAP + text)
    assert message in caught.value.mistakes[0]


def test_a_proof_is_a_mapping():
    text = FEATURE_MAP.split("    prove:", maxsplit=1)[0] + "    prove: yes\n"
    with pytest.raises(FileMistakesError) as caught:
        cs.load_problems(text)
    assert "'yes' is not a mapping" in caught.value.mistakes[0]
