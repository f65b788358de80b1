"""``convscope saturation``: the derivation, JSON, files, refusals."""

from __future__ import annotations

import json

import pytest

from cli.helpers import refused, run


def test_an_activation_on_paper():
    ran = run("saturation", "sigmoid", "--below", "0.01", "--layers", "10")
    assert ran.status == 0
    assert "0.25¹⁰ ≈ 9.54·10⁻⁷" in ran.out
    assert "4.5849" in ran.out


def test_a_stack_as_json():
    ran = run(
        "saturation", "sigmoid", "--json", "--flip", "--kernel", "0 2 0; 2 1 1; 0 2 0",
        "--input", "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1",
    )  # fmt: skip
    facts = json.loads(ran.out)
    assert facts["bound"] == "1/4"
    assert facts["steps"][1]["slopes_decimal"][2][1] == "0.0006"


def test_standard_input_and_a_file(tmp_path):
    page = tmp_path / "page.html"
    ran = run("saturation", "tanh", "--input", "-", "-o", str(page), stdin="0 1; 2 3")
    assert ran.status == 0
    assert "Saturation of the tanh" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sigmoidd",), "unknown layer 'sigmoidd'; did you mean 'sigmoid'"),
        (("sigmoid", "--below", "2"), "below=2 is not between"),
        (("sigmoid", "relu"), "2 layers need an input"),
        (("softmax",), "the slope of Softmax is not known"),
        (("sigmoid", "--layers", "0"), "depth=0 is not allowed"),
        (("sigmoid", "--input", "1 2", "--of", "9,9"), "the output has no cell (9, 9)"),
        ((), "missing argument"),
    ],
)
def test_refusals_are_one_line(words, told):
    assert told.lower() in refused("saturation", *words).lower()
