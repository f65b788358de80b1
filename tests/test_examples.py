"""The examples run, and the problem set comes to the figures that were worked out by hand."""

from __future__ import annotations

import json
import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

import convscope as cs
from cli.helpers import run
from convscope.core.document import Figure

EXAMPLES = Path(__file__).parent.parent / "examples"
PICTURES = EXAMPLES / "pictures"


@pytest.fixture(scope="module")
def solved():
    return cs.load_problems(EXAMPLES / "problem_set.yaml").solve()


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def decimals(values: cs.ExactArray, digits: int) -> list[list[str]]:
    return [[cell.decimal(digits) if not isinstance(cell, Fraction) else f"{float(cell):.{digits}f}"
             for cell in row] for row in values]  # fmt: skip


def test_every_given_answer_agrees(solved):
    assert solved.is_right is True
    numbers = "1.1a 1.1b 1.1c 1.2.1 1.2.2 1.3 1.3 (3) 1.4 1.5"
    assert " ".join(one.problem.id for one in solved) == numbers


def test_the_feature_map_its_sigmoid_and_its_pool(solved):
    z, activation, pool = (stage.value for stage in solved["1.3"].work.result.stages)
    assert z == cs.matrix("0 2 0 2; 4 2 5 2; 2 7.5 2.5 5.5; 4 2 5 2")
    assert decimals(activation, 4) == rows("""
        0.5000 0.8808 0.5000 0.8808
        0.9820 0.8808 0.9933 0.8808
        0.8808 0.9994 0.9241 0.9959
        0.9820 0.8808 0.9933 0.8808
    """)
    assert decimals(pool, 4) == rows("0.9820 0.9933\n0.9994 0.9959")
    other = solved["1.3"].work.result.other
    x = cs.matrix("0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1").to_float()
    kernel = cs.matrix("0 2 0; 2 1 1; 0 2 0").to_float()
    assert np.array_equal(other.stages[0].array(), ndimage.correlate(x, kernel, mode="constant"))


def test_why_sigmoids_stop_deep_networks(solved):
    work = solved["1.3 (3)"].work
    assert work.result.slope("7.5").decimal(4) == "0.0006"
    assert work.result.chain_bound == Fraction(1, 4) ** 10
    assert decimals(work.result.stack.steps[1].slopes, 4)[2] == ["0.1050", "0.0006", "0.0701", "0.0041"]
    runs = {run["name"]: run for run in work.facts["experiment"]["runs"]}
    falls = {name: run["gradients"][0] / run["gradients"][-1] for name, run in runs.items()}
    assert falls["sigmoid"] < 1e-5
    assert min(falls["ReLU"], falls["sigmoid with BatchNorm"]) > 0.01
    ends = {name: run["accuracies"][-1] for name, run in runs.items()}
    assert ends["sigmoid"] < 0.2
    assert min(ends["ReLU"], ends["sigmoid with BatchNorm"]) > 0.9


def test_average_pooling_as_a_convolution(solved):
    assert solved["1.4"].work.result.value == cs.matrix("3.5 5.5; 11.5 13.5")


def test_the_sizes_of_alexnet(solved):
    shapes = [row.output_shape for row in solved["1.5"].work.result.rows]
    assert shapes == [
        (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13),
        (256, 13, 13), (256, 6, 6), (9216,), (4096,), (4096,), (1000,),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "picture", "kernel", "origin"),
    [
        ("1.1b", "camera.png", np.full((4, 4), 1 / 16), -1),
        ("1.1c", "coins.png", np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]), 0),
    ],
)
def test_photographs_under_a_kernel_are_what_scipy_makes_of_them(solved, problem, picture, kernel, origin):
    pixels = np.array(Image.open(PICTURES / picture), dtype=float)
    # SciPy centres an even kernel at tap 2; "same" padding puts one cell before, so here it is tap 1.
    expected = ndimage.correlate(pixels, kernel.astype(float), mode="constant", origin=origin)
    (solution,) = solved[problem].work.result
    assert np.allclose(solution.array(), expected, atol=1e-9)


def test_the_hand_out_shows_every_photograph_before_and_after(solved):
    groups = [one.document().walk() for one in solved if one.problem.kind == "apply"]
    figures = [block for blocks in groups for block in blocks if isinstance(block, Figure)]
    assert len(figures) == 6
    assert all(len(figure.pictures) == 2 for figure in figures)


def test_words_for_the_three_kernels(solved):
    told = [solved[f"1.1{part}"].work.facts["sentence"] for part in "abc"]
    assert told == [
        "Changes nothing: each pixel stays as it is.",
        "Box blur: each pixel becomes the mean of 4×4.",
        "Vertical edges: positive where it is dark on the left and bright on the right.",
    ]


def test_the_polarity_of_the_learned_kernel_depends_on_the_convention(solved):
    facts = solved["1.2.1"].work.facts
    assert facts["sentence"] == "Horizontal edges: positive where it is dark above and bright below."
    assert facts["sentences"] == {
        "correlation": facts["sentence"],
        "convolution": "Horizontal edges: positive where it is dark below and bright above.",
        "pillow": "Horizontal edges: positive where it is dark below and bright above.",
    }
    words = solved["1.2.1"].to_text(width=200)
    assert "dark above and bright below" in words
    assert "dark below and bright above" in words


def test_the_figure_marks_where_the_photograph_is_dark_above_and_bright_below(solved):
    found = solved["1.2.2"].work.result
    pixels = np.array(Image.open(PICTURES / "camera.png"), dtype=float)
    kernel = cs.matrix("-0.89 -0.92 -0.90; 0.01 0.02 0.005; 0.90 0.92 0.89").to_float()
    expected = ndimage.correlate(pixels, kernel, mode="mirror")
    assert np.allclose(found.response, expected, atol=1e-9)
    for detail in found.details:
        row, column = detail.region.peak_at
        assert float(detail.value) == pytest.approx(expected[row, column])
        assert pixels[row + 1, column] > pixels[row - 1, column] + 100
    figures = [block for block in solved["1.2.2"].document().walk() if isinstance(block, Figure)]
    assert len(figures) == 4


def test_the_source_and_rights_of_every_picture_are_told():
    told = (PICTURES / "README.md").read_text(encoding="utf-8")
    for path in PICTURES.glob("*.png"):
        assert f"`{path.name}`" in told


def test_the_network_example_runs():
    ran = run("net", str(EXAMPLES / "alexnet.txt"))
    assert ran.status == 0
    assert "62,378,344" in ran.out
    assert cs.network(EXAMPLES / "alexnet.txt").rows[-1].output_shape == (1000,)


@pytest.mark.parametrize("name", ["md", "tex", "html", "txt"])
def test_the_hand_out_holds_its_figures_in_every_form(tmp_path, solved, name):
    text = solved.save(tmp_path / f"solution.{name}").read_text(encoding="utf-8")
    for figure in ("7.5", "0.9994", "0.9959", "13.5", "9216", "0.0625"):
        assert figure in text


def test_the_experiment_runs_in_a_short_form_and_measures_the_same_gradients():
    example = runpy.run_path(str(EXAMPLES / "saturation.py"))
    kept = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = example["run"](1)
    finally:
        torch.set_num_threads(kept)
    stored = json.loads((EXAMPLES / "saturation.json").read_text(encoding="utf-8"))
    facts = found.facts()
    assert (facts["layers"], facts["title"]) == (stored["layers"], stored["title"])
    for run_now, run_then in zip(facts["runs"], stored["runs"], strict=True):
        assert run_now["name"] == run_then["name"]
        # The same seed gives the same weights; the last figures are the machine's.
        np.testing.assert_allclose(run_now["gradients"], run_then["gradients"], rtol=0.01)
    assert found.runs[0].worst == ("conv1", "vanishing")
    assert [one.worst for one in found.runs][1:] == [None, None]
    assert "Gradients by depth" in found.to_html()
