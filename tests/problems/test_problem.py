"""Sets solved whole or in part, and the hand-out they make."""

from __future__ import annotations

import pytest

import convscope as cs
from convscope.core.document import Finding, Number, Paragraph, Section, Strong
from convscope.errors import InputError

TEXT = """\
title: A set
intro: |
  First words.

  Second words.
problems:
  - id: "1"
    title: Two parts
    text: Common words.
    parts:
      - title: One
        text: What?
        points: 1
        kind: feature_map
        input: 1 2; 3 4
        layers: [avgpool 2]
        answer: 2.5
      - {kind: feature_map, input: 1 2; 3 4, layers: [maxpool 2], points: 5/2}
  - id: "2"
    solution: Words of a solution with `code`.
    kind: feature_map
    input: 1 2; 3 4
    layers: [maxpool 2]
    answer: 5
"""


def words(content) -> str:
    return "".join(
        str(part.value) if isinstance(part, Number) else getattr(part, "text", str(part)) for part in content
    )


@pytest.fixture(scope="module")
def problems():
    return cs.load_problems(TEXT)


def test_the_whole_set_is_solved_in_order(problems):
    solved = problems.solve()
    assert [one.problem.id for one in solved] == ["1a", "1b", "2"]
    assert [one.is_right for one in solved] == [True, None, False]
    assert solved.is_right is False
    assert len(problems) == len(solved) == 3


@pytest.mark.parametrize(
    ("only", "ids"),
    [("1a", ["1a"]), ("1", ["1a", "1b"]), (["2", "1b"], ["1b", "2"]), ((), ["1a", "1b", "2"])],
)
def test_only_those_named_are_solved(problems, only, ids):
    assert [one.problem.id for one in problems.solve(only)] == ids


def test_unknown_ids_are_refused_with_the_nearest(problems):
    with pytest.raises(InputError, match=r"^no problem '1c'; did you mean '1'\? known: 1a, 1b, 2, 1"):
        problems.solve("1c")
    with pytest.raises(InputError, match=r"^no problem '3'"):
        problems["3"]
    with pytest.raises(InputError, match=r"^no problem '1b'"):
        problems.solve("1a")["1b"]


def test_progress_is_told_before_each_problem(problems):
    told: list[tuple[int, int]] = []
    problems.solve(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3)]


def test_the_hand_out_has_title_introduction_questions_solutions_and_verdicts(problems):
    document = problems.solve().document()
    assert words(document.title) == "A set"
    first, second, finding, group, single = document.blocks
    assert [words(block.content) for block in (first, second)] == ["First words.", "Second words."]
    assert isinstance(finding, Finding)
    assert finding.kind == "wrong"
    assert words(finding.content) == "Given answers do not agree in problem 2; each is named below."
    assert isinstance(group, Section)
    assert words(group.title) == "Problem 1: Two parts"
    lead, part_a, part_b = group.blocks
    assert words(lead.content) == "Common words."
    assert words(part_a.title) == "(a) One (1 point)"
    assert words(part_b.title) == "(b) (5/2 points)"
    assert [block.content for block in part_a.blocks[:2]] == [("What?",), (Strong("Solution"),)]
    assert isinstance(part_a.blocks[-1], Finding)
    assert part_a.blocks[-1].kind == "right"
    assert words(single.title) == "Problem 2"
    assert isinstance(single.blocks[0], Paragraph)
    assert words(single.blocks[0].content) == "Words of a solution with code."


def test_all_right_is_said_once(problems):
    finding = problems.solve("1").document().blocks[2]
    assert (finding.kind, words(finding.content)) == (
        "right",
        "The given answer agrees with the exact results.",
    )


def test_a_set_without_answers_makes_no_claim(problems):
    solved = problems.solve("1b")
    assert solved.is_right is None
    assert not any(isinstance(block, Finding) and block.kind == "right" for block in solved.document().walk())


def test_one_problem_is_a_document_of_its_own(problems):
    assert words(problems.solve()["1a"].document().title) == "Problem 1a: One"


def test_facts_are_exact(problems):
    facts = problems.solve().facts()
    assert facts["right"] is False
    first = facts["problems"][0]
    assert (first["id"], first["right"], first["points"]) == ("1a", True, 1)
    assert first["stages"][0]["value"] == cs.matrix("5/2")


def test_every_renderer_shows_hostile_words_literally():
    hostile = "<script>alert(1)</script> $x$ \\input{a} #x _y_ | `z`"
    quoted = "'" + hostile.replace("'", "''") + "'"
    text = f"title: {quoted}\nintro: {quoted}\nproblems:\n  - title: {quoted}\n    text: {quoted}\n"
    text += "    kind: feature_map\n    input: 1 2\n    layers: [relu]\n    answer: a b\n"
    solved = cs.load_problems(text).solve()
    assert "<script>" not in solved.to_html()
    assert "\\input{a}" not in solved.to_latex()
    assert "<script>" not in solved.to_markdown()
    assert hostile.partition(" `")[0] in " ".join(solved.to_text(width=500).split())
