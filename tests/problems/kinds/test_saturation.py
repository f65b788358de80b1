"""Saturation problems: slopes compared, an experiment's figures shown, every mistake told with its place."""

from __future__ import annotations

import json

import pytest

import convscope as cs
from convscope.core.document import Plot

PROBLEM = """
problems:
  - kind: saturation
    input: 0 2; -5 7.5
    layers: [sigmoid]
    below: 0.02
    depth: 4
    answer: {answer}
"""
FACTS = {
    "title": "Runs", "command": "python run.py", "setting": "as it was", "layers": ["a", "b"],
    "runs": [{"name": "one", "gradients": [1e-7, 0.5], "accuracies": [0.1, 0.9]}],
}  # fmt: skip


def solved(text):
    (one,) = cs.load_problems(text).solve()
    return one


def test_right_and_wrong_slopes():
    one = solved(PROBLEM.format(answer="0.25 0.1050; 0.0066 0.0006"))
    assert one.is_right is True
    assert one.work.facts["chain_bound"] == cs.saturation(cs.Sigmoid(), depth=4).chain_bound
    wrong = solved(PROBLEM.format(answer="0.25 0.1050; 0.0066 0.0005"))
    assert wrong.is_right is False
    (verdict,) = wrong.work.verdicts
    assert "differs in 1 of 4 cells" in str(verdict.content[0])


def test_an_activation_on_its_own():
    one = solved("problems:\n  - {kind: saturation, layers: [tanh]}\n")
    assert one.work.result.bound.value == 1
    assert one.work.verdicts == ()


def test_an_experiment_is_shown(tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps(FACTS), encoding="utf-8")
    path = tmp_path / "set.yaml"
    path.write_text(
        "problems:\n  - {kind: saturation, layers: [sigmoid], experiment: facts.json}\n", encoding="utf-8"
    )
    (one,) = cs.load_problems(path).solve()
    blocks = one.work.blocks()
    assert blocks[-1].title == ("On a network",)
    (plot,) = [block for block in blocks[-1].blocks if isinstance(block, Plot)]
    assert plot.charts[0].y.scale == "log"
    assert plot.charts[0].series[0].points == ((0.0, 1e-7), (1.0, 0.5))
    assert one.work.facts["experiment"]["runs"][0]["accuracies"] == [0.1, 0.9]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("[1]", "not a mapping with the keys title, command"),
        ("{", "is not JSON"),
        ({"runs": []}, "runs: not a list of 1 to"),
        ({"title": 3}, "title: not words of 1 to"),
        ({"layers": ["a"]}, "gradients has 2 numbers for 1 layers"),
        (
            {"runs": [{"name": "n", "gradients": [1, 2], "accuracies": [2]}]},
            "accuracies are shares from 0 to 1",
        ),
        (
            {"runs": [{"name": "n", "gradients": [1, True], "accuracies": [1]}]},
            "not a list of finite numbers",
        ),
        ({"runs": FACTS["runs"] * 7}, "has 7 runs; up to 6 are shown"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_experiment_is_refused_with_its_place(tmp_path, change, told):
    written = change if isinstance(change, str) else json.dumps({**FACTS, **change})
    (tmp_path / "facts.json").write_text(written, encoding="utf-8")
    path = tmp_path / "set.yaml"
    path.write_text(
        "problems:\n  - kind: saturation\n    layers: [relu]\n    experiment: facts.json\n", encoding="utf-8"
    )
    with pytest.raises(cs.InputError, match=rf"set.yaml:4: problem 1: experiment: .*{told}"):
        cs.load_problems(path)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("input: 1 2", "the key 'layers' is missing"),
        ("layers: [sigmoid]\n    answer: 0.25", "slopes are asked for at the cells of a feature map"),
        ("layers: [sigmoid]\n    depth: 1/2", "is not a whole number of layers"),
        ("layers: [sigmoid]\n    experiment: ../x.json", "leads out of the problem file's folder"),
        ("layers: [sigmoid]\n    belowe: 0.1", "unknown key 'belowe'; did you mean 'below'"),
    ],
)
def test_mistakes_are_told_with_their_line(lines, told):
    with pytest.raises(cs.InputError, match=told):
        cs.load_problems(f"problems:\n  - kind: saturation\n    {lines}\n")


def test_what_cannot_be_solved_names_the_problem():
    with pytest.raises(cs.InputError, match=r"problem 1: below=2 is not between"):
        cs.load_problems("problems:\n  - {kind: saturation, layers: [sigmoid], below: 2}\n").solve()
