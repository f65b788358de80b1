"""`saturation` as a reader calls it: bounds, flat parts, chains, stacks, documents, refusals."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.core.document import Plot, Section
from convscope.probing.paper_document import charts, scaled_views

F = Fraction
X = "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1"
CONV = cs.Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True)


def test_the_sigmoid_on_paper():
    found = cs.saturation(cs.Sigmoid())
    assert (found.bound.value, found.bound.at) == (F(1, 4), 0)
    assert found.chain_bound == F(1, 4) ** 10
    assert found.chain(3) == F(1, 64)
    assert found.slope("7.5").decimal(4) == "0.0006"
    assert found.slope(7.5) == found.slope(F(15, 2))
    assert [part.low is None for part in found.saturated] == [True, False]
    assert found.is_saturated("4.585")
    assert not found.is_saturated("4.584")
    assert found.is_saturated(-5)
    assert found.slopes("0 7.5").to_float().round(4).tolist() == [[0.25, 0.0006]]
    assert repr(found) == "<saturation of Sigmoid(), slopes below 1/100, 10 layers>"


def test_a_stack_has_the_slopes_of_its_first_activation():
    found = cs.saturation(CONV, cs.Sigmoid(), cs.MaxPool(2), input=X)
    assert found.activation == cs.Sigmoid()
    step = found.stack.steps[1]
    assert step.input == cs.matrix("0 2 0 2; 4 2 5 2; 2 7.5 2.5 5.5; 4 2 5 2")
    assert step.slopes[2, 1].decimal(4) == "0.0006"
    assert found.stack.gradient.shape == (4, 4)
    assert found.stack.bound == F(1, 4) * 8
    one = cs.saturation(CONV, cs.Sigmoid(), input=X, of=(2, 1)).stack
    assert np.count_nonzero(one.gradient.to_float()) == 5


def test_facts_hold_the_exact_numbers():
    facts = cs.saturation(CONV, cs.Sigmoid(), input=X, below="0.05", depth=3).facts()
    assert (facts["activation"], facts["bound"], facts["chain_bound"]) == ("Sigmoid()", F(1, 4), F(1, 64))
    assert facts["below"] == F(1, 20)
    assert facts["saturated"][1]["low"].decimal(3) == "2.887"
    assert facts["gradient"].shape == (4, 4)
    assert len(facts["steps"]) == 2


LAYERS = [
    cs.Sigmoid(), cs.Tanh(), cs.Softsign(), cs.Softplus(2), cs.LogSigmoid(), cs.ELU(2), cs.SELU(), cs.SiLU(),
    cs.GELU(), cs.GELU("tanh"), cs.ReLU(), cs.ReLU6(), cs.LeakyReLU(), cs.Hardtanh(), cs.Identity(),
]  # fmt: skip


@pytest.mark.no_cover
@pytest.mark.parametrize("layer", LAYERS, ids=map(repr, LAYERS))
def test_every_activation_can_be_read(layer):
    found = cs.saturation(layer)
    written = found.to_text(width=200)
    assert "The size of the slope is never above" in written
    for form in (found.to_markdown(), found.to_html(), found.to_latex()):
        assert len(form) > 1000
    titles = [block.title[0] for block in found.document().blocks if isinstance(block, Section)]
    assert titles == ["The slope", "Where it saturates", "A chain of layers", "The curve and its slope"]


def test_the_steps_say_the_derivation():
    written = cs.saturation(cs.Sigmoid()).to_text(width=200)
    for line in (
        "σ′(x) = e^(−x)/(1 + e^(−x))² = σ(x)·(1 − σ(x))",
        "σ(x)·(1 − σ(x)) = 0.25 − (σ(x) − 0.5)² ≤ 0.25",
        "x = ln((1 − 2·0.01 + √(1 − 4·0.01))/(2·0.01))",
        "x = ln((0.98 + √0.96)/0.02) ≈ 4.5849",
        "|σ′(x)| < 0.01 where x < −4.5849 or where x > 4.5849.",
        "0.25¹⁰ ≈ 9.54·10⁻⁷",
    ):
        assert line in written
    assert "ReLU′(x)| < 0.01 where x ≤ 0." in cs.saturation(cs.ReLU()).to_text(width=200)
    assert "where x ≤ 0 or where x ≥ 6." in cs.saturation(cs.ReLU6()).to_text(width=200)
    assert "No x has so small a slope" in cs.saturation(cs.LeakyReLU("0.1")).to_text(width=200)
    assert "for every x." in cs.saturation(cs.Sigmoid(), below="0.3").to_text(width=200)


def test_a_stack_is_told_cell_by_cell():
    written = cs.saturation(CONV, cs.Sigmoid(), input=X).to_text(width=200)
    assert "δ1[2, 1] = σ′(7.5)·δ2[2, 1] ≈ 0.000552·1 ≈ 0.000552" in written
    assert "Back through layer 1: true convolution, 3×3 kernel" in written
    large = cs.saturation(CONV, cs.Sigmoid(), input=np.arange(100).reshape(10, 10) / 50).to_text(width=200)
    assert "⋮ 96 cells not shown: stack.steps[1].cell(…) works any of them" in large


def test_small_gradients_are_shown_in_units():
    (view,) = scaled_views(cs.matrix("0.00012 0.00003"), ("δ",))
    assert view.rows == ((F(6, 5), F(3, 10)),)
    (plain,) = scaled_views(cs.matrix("0.12 0.00003"), ("δ",))
    assert plain.rows == ((F(3, 25), F(3, 10**5)),)


def test_the_curve_holds_the_cells_of_the_map():
    found = cs.saturation(CONV, cs.Sigmoid(), input=X)
    (plot,) = [block for block in found.document().walk() if isinstance(block, Plot)]
    function, slope = plot.charts
    assert [one.name for one in slope.series] == ["σ′", "ReLU′", "cells on σ′", "cells on ReLU′"]
    assert [one.name for one in function.series] == ["σ", "ReLU", "cells on σ", "cells on ReLU"]
    cells = dict(slope.series[2].points)
    assert sorted(cells) == [0, 2, 2.5, 4, 5, 5.5, 7.5]
    assert cells[7.5] == pytest.approx(0.00055247, rel=1e-4)
    assert dict(slope.series[3].points)[7.5] == 1
    (relu,) = [one for one in charts(cs.ReLU(), None, ()) if one.title == "Its slope"]
    assert (0.0, 0.0) in relu.series[0].points
    assert (0.0, 1.0) in relu.series[0].points


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (cs.saturation, cs.InputError, r"^saturation needs an activation, such as Sigmoid\(\)"),
        (
            lambda: cs.saturation("sigmoid"),
            cs.InputError,
            r"^layer 1 is str, not a layer such as Sigmoid\(\)",
        ),
        (lambda: cs.saturation(cs.Sigmoid(), below=1), cs.InputError, r"^below=1 is not between"),
        (lambda: cs.saturation(cs.Sigmoid(), below=0), cs.InputError, r"^below=0 is not between"),
        (lambda: cs.saturation(cs.Sigmoid(), below="x"), cs.InputError, r"^'x' is not a number"),
        (
            lambda: cs.saturation(cs.Sigmoid(), depth=0),
            cs.InputError,
            r"^depth=0 is not allowed; depth may be 1 to",
        ),
        (lambda: cs.saturation(cs.Sigmoid(), depth=2.5), cs.InputError, r"^depth=2.5 is not allowed"),
        (
            lambda: cs.saturation(cs.Sigmoid(), cs.ReLU()),
            cs.InputError,
            r"^2 layers need an input to be worked",
        ),
        (lambda: cs.saturation(cs.Softmax()), cs.UnsupportedError, r"^the slope of Softmax is not known"),
        (
            lambda: cs.saturation(cs.MaxPool(2), input=X),
            cs.InputError,
            r"^there is no activation among the layers",
        ),
        (lambda: cs.saturation(cs.Sigmoid()).slope("a"), cs.InputError, r"^'a' is not a number"),
    ],
)
def test_what_makes_no_sense_is_one_clear_sentence(call, error, told):
    with pytest.raises(error, match=told):
        call()


def test_paper_needs_no_torch():
    code = "import convscope as cs, sys; cs.saturation(cs.Sigmoid()).to_text(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "False"
