"""The check of the sentence: it shows what `apply` gives, and it catches a sentence that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import convscope as cs
from convscope.interpret.claims import CLAIMS, checks
from convscope.interpret.description import describe, describe_many
from convscope.interpret.finding import findings
from convscope.interpret.stimuli import likeness_to_dots, stimuli, strongest, strongest_by_apply


def found(name: str):
    return findings(cs.kernels[name].weights.to_float()[None])[0]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3), (3, 3), (4, 5), (7, 7)])
def test_the_fast_responses_are_those_of_apply(shape):
    patterns = np.random.default_rng(4).standard_normal((5, *shape))
    fast = strongest(patterns)
    slow = np.array([strongest_by_apply(pattern) for pattern in patterns])
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)


def test_responses_are_those_of_a_loop_over_windows():
    pattern = np.random.default_rng(2).standard_normal((3, 4))
    shown = stimuli((3, 4))
    for stimulus, response in zip(shown, strongest(pattern[None])[0], strict=True):
        side = len(stimulus.pixels)
        windows = [
            float(np.sum(pattern * stimulus.pixels[row : row + 3, column : column + 4]))
            for row in range(side - 2)
            for column in range(side - 3)
            if stimulus.places[row, column]
        ]
        assert response == pytest.approx(max(windows))


def test_no_stimulus_is_stronger_than_another():
    for stimulus in stimuli((5, 5)):
        assert set(np.unique(stimulus.pixels)) <= {-1, 1}


def test_one_kernel_and_a_bank_are_checked_alike():
    weights = cs.kernels["scharr_x"].weights.to_float()
    alone, first = describe(weights), describe_many(np.stack([weights, weights.T])[:, None])[0]
    assert alone.sentence == first.sentence
    assert alone.check.claimed.stimulus == first.check.claimed.stimulus
    assert alone.check.claimed.value == pytest.approx(first.check.claimed.value)


# A kernel of the catalogue and a wrong answer about it.
PLANTED = {
    "polarity of an edge": ("sobel_y", {"angle": 270.0}),
    "direction of an edge": ("sobel_x", {"angle": 90.0}),
    "polarity of a compass edge": ("kirsch_n", {"angle": 90.0}),
    "tone of a line": ("line_vertical", {"sign": -1, "variant": "dark"}),
    "direction of a line": ("line_vertical", {"angle": 0.0}),
    "tone of a spot": ("laplacian", {"sign": 1, "variant": "bright"}),
    "sign of a mean": ("box_5", {"sign": -1}),
    "direction of stripes": ("gabor_90", {"angle": 20.0}),
    "wavelength of stripes": ("gabor_90", {"scale": 11.0}),
    "a saddle's direction": ("saddle", {"angle": 135.0}),
    "an edge called a spot": ("sobel_x", {"kind": "blob", "variant": "bright"}),
    "a spot called a mean": ("log_7", {"kind": "blur"}),
    "a mean called an edge": ("gaussian_5", {"kind": "edge", "angle": 0.0}),
    "an edge called stripes": ("sobel_5_x", {"kind": "Gabor", "angle": 90.0, "scale": 3.0}),
    "a spot called a checkerboard": ("laplacian_8", {"kind": "checkerboard", "scale": 4.0}),
    "a spot called a sharpener": ("laplacian_8", {"kind": "sharpen", "sign": 1}),
    "a relief lit from the other side": ("emboss", {"angle": 225.0}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_sentence_is_caught(name):
    kernel, wrong = PLANTED[name]
    right = found(kernel)
    assert checks([right])[0].agrees
    check = checks([replace(right, **wrong)])[0]
    assert not check.agrees
    assert check.disagreement


def test_a_picture_said_to_stay_that_is_moved_is_caught():
    right = found("shift_right")
    assert checks([right])[0].agrees
    # The dots say where the picture goes; a pattern of another tap is told apart from this one.
    likeness = likeness_to_dots(right.pattern)
    assert int(likeness.argmax()) == int(np.abs(right.pattern).argmax())
    assert not checks([replace(right, sign=-1)])[0].agrees


def test_a_contradicted_sentence_says_which_stimulus_and_is_worth_half(monkeypatch):
    from convscope.interpret import confirming

    def turned(patterns, *_):
        return [replace(each, angle=(each.angle + 180) % 360) for each in findings(patterns)]

    honest = describe("sobel_y")
    monkeypatch.setattr(confirming, "findings", turned)
    told = describe("sobel_y")
    assert not told.check.agrees
    assert told.check.disagreement.startswith("a step from dark to bright along 90°")
    assert "only -1.00" in told.check.disagreement
    assert told.confidence == pytest.approx(honest.confidence / 2)
    assert "A stimulus disagrees" in told.to_text()


def test_grey_pictures_may_contradict_a_sentence_about_colour():
    gradient = cs.kernels["sobel_x"].weights.to_float()
    tinted = describe(np.einsum("c,ij->cij", np.array([1.0, 0.0, -1.0]), gradient))
    assert tinted.kind == "colour contrast"
    assert tinted.check.agrees
    wrong = replace(tinted.finding, blend=replace(tinted.finding.blend, rival=9 * gradient))
    check = checks([wrong])[0]
    assert not check.agrees
    assert "in grey" in check.disagreement


def test_every_kind_that_is_named_is_tried():
    from convscope.interpret.claims import COPIES
    from convscope.interpret.kinds import CANDIDATES

    assert {candidate.kind for candidate in CANDIDATES} == set(CLAIMS) | set(COPIES)


def coloured_layer(seed: int) -> np.ndarray:
    """Waves under bells, half of them in colour, with noise: what a first layer looks like."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:7, :7] - 3.0
    found = []
    for index in range(64):
        turn, length, phase = random.uniform((0, 3, 0), (np.pi, 9, 2 * np.pi))
        bell = np.exp(-(x**2 + y**2) / 2 / random.uniform(1.2, 3) ** 2)
        wave = bell * np.cos(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / length + phase)
        kernel = np.einsum("c,ij->cij", np.ones(3) if index % 2 else random.standard_normal(3), wave)
        deviation = 0.1 * np.sqrt(np.mean(kernel**2))
        found.append(kernel + deviation * random.standard_normal(kernel.shape))
    return np.array(found)


def test_an_answer_that_stimuli_refute_gives_way_to_one_that_they_confirm():
    from convscope.interpret.colour import blends
    from convscope.interpret.confirming import measured

    bank = coloured_layer(0)
    first = checks(measured(blends(bank), [frozenset()] * len(bank)))
    told = describe_many(bank)
    refuted = sum(not check.agrees for check in first)
    assert refuted >= 8
    assert sum(not each.check.agrees for each in told) <= refuted / 2
    for before, after in zip(first, told, strict=True):
        assert after.check.agrees or not before.agrees  # none that was confirmed is lost
        assert after.check.agrees or after.check.disagreement
