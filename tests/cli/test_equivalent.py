"""``convscope equivalent``: exit status 0 for a proof, 1 for anything else, 2 for bad use."""

from __future__ import annotations

import json

import pytest

from cli.helpers import refused, run

QUARTERS = "conv [1/4 1/4; 1/4 1/4], stride 2"


def test_a_proof():
    ran = run("equivalent", "avgpool 2", QUARTERS)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Proof: the same for every input")
    assert "The two are equal for every input of every size" in ran.out


def test_a_counterexample():
    ran = run("equivalent", "avgpool 2", "maxpool 2")
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.startswith("Counterexample: not the same")


def test_undecided_is_not_proved():
    ran = run("equivalent", "flatten", "identity")
    assert ran.status == 1
    assert "Cannot decide" in ran.out


@pytest.mark.parametrize(
    ("words", "verdict", "more"),
    [
        (("avgpool 2", QUARTERS), "proof", {"every_size": True, "input_shape": None, "least": [2, 2]}),
        (("avgpool 2", "avgpool 2, ceil", "-i", "4x4"), "proof", {"input_shape": [1, 4, 4]}),
        (("relu then relu", "relu"), "proof", {"first": ["ReLU()", "ReLU()"]}),
        (("conv [1 2]", "conv [1 3]"), "counterexample",
         {"where": "everywhere", "input": [["0", "1"]], "cell": [0, 0]}),
        (("conv [1 2 1], padding 0x1", "conv [1 2 1], padding 0x1, mode replicate"), "counterexample",
         {"where": "border", "border": [[0, 0], [1, 1]]}),
        (("flatten", "identity"), "undecided", {"tried": 0}),
    ],
)  # fmt: skip
def test_as_json(words, verdict, more):
    facts = json.loads(run("equivalent", *words, "--json").out)
    assert facts["verdict"] == verdict
    assert {name: facts[name] for name in more} == more


def test_one_of_the_two_from_standard_input():
    assert run("equivalent", "-", "avgpool 2", stdin=QUARTERS + "\n").status == 0


def test_written_to_a_file(tmp_path):
    path = tmp_path / "proof.html"
    ran = run("equivalent", "avgpool 2", QUARTERS, "-o", str(path))
    assert ran.status == 0
    assert "Proof" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-", "-"), "only one of the two"),
        (("conv [1 2", "relu"), "FIRST: column 6"),
        (("relu", "relu then rlu"), "SECOND: layer 2: column 1: unknown layer 'rlu'"),
        (("relu [1]", "relu"), "FIRST: 'relu' has no weights"),
        (("conv 3x3, 4", "conv 3x3, 4"), "Conv: it has no weights"),
        (("relu", "relu", "-i", "x"), "invalid value for '-i' / '--input'"),
        (("conv [1 2]", "conv [1 2]", "-i", "1x1"), "Conv: the kernel spans 2 cells"),
        (("relu",), "missing argument 'SECOND'"),
    ],
)
def test_bad_use_is_one_line(words, message):
    assert refused("equivalent", *words).startswith(message)
