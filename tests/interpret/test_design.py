"""Kernels made to order: `describe` confirms them, and their weights are what the wish says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.interpret import design as module
from convscope.interpret.design import COLOURS, WISHES, near

SIZES = st.sampled_from([5, 7, 9])


def apart(first: float, second: float, turn: int) -> float:
    away = (first - second) % turn
    return min(away, turn - away)


@pytest.mark.parametrize("kind", WISHES)
def test_every_kind_can_be_wished_for_without_more_words(kind):
    options = {"right": 1} if kind == "shift" else {}
    kernel = cs.design(kind, **options)
    found = cs.describe(kernel)
    assert found.kind == WISHES[kind].kind
    assert found.sentence == kernel.meaning
    assert found.check.agrees
    assert kernel.name.startswith(kind)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["edge", "line", "emboss", "Gabor", "motion blur"]),
    angle=st.integers(0, 359),
    size=SIZES,
)
def test_angles_and_sizes_are_those_wished_for(kind, angle, size):
    size += 4 * (kind == "Gabor")
    kernel = cs.design(kind, angle=angle, size=size)
    found = cs.describe(kernel)
    assert kernel.shape == (size, size)
    assert found.kind == WISHES[kind].kind
    assert apart(found.orientation, angle, WISHES[kind].turn) <= near(WISHES[kind], size)


@settings(max_examples=30, deadline=None)
@given(angle=st.integers(0, 359), size=st.sampled_from([3, 5, 7]))
def test_an_edge_answers_what_brightens_along_its_angle_most(angle, size):
    """Independent of `describe`: slopes in many directions, and a step, through the kernel itself."""
    kernel = cs.design("edge", angle=angle, size=size)
    y, x = np.mgrid[-10:11, -10:11]
    turns = np.arange(0, 360, 5)
    slopes = [x * np.cos(t) + y * np.sin(t) for t in np.radians(turns)]
    answers = [cs.apply(slope, kernel, dtype=np.float64)[10, 10] for slope in slopes]
    assert apart(float(turns[int(np.argmax(answers))]), angle, 360) <= 5
    towards = np.radians(angle)
    step = np.clip(x * np.cos(towards) + y * np.sin(towards) + 0.5, 0, 1)
    assert 0.8 < cs.apply(step, kernel, dtype=np.float64)[10, 10] <= 1


def test_turning_the_angle_by_90_degrees_turns_the_kernel():
    for kind in ("edge", "line", "saddle", "Gabor", "motion blur"):
        upright, turned = (np.asarray(cs.design(kind, angle=angle, size=9), float) for angle in (20, 110))
        assert np.allclose(np.rot90(upright, -1), turned, atol=5e-6), kind


@pytest.mark.parametrize("kind", ["edge", "line", "blob", "corner", "saddle", "Gabor"])
@pytest.mark.parametrize("size", [7, 8, 11])
def test_positive_taps_add_up_to_one_and_all_to_nothing(kind, size):
    taps = [Fraction(tap) for tap in cs.design(kind, size=size).weights.cells()]
    assert sum(taps) == 0
    assert abs(sum(tap for tap in taps if tap > 0) - 1) < Fraction(1, 10**4)


@pytest.mark.parametrize("kind", ["blur", "motion blur", "sharpen", "unsharp", "emboss", "identity"])
def test_a_flat_area_keeps_its_level(kind):
    assert sum(cs.design(kind, size=5).weights.cells()) == 1


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_are_those_wished_for(colour):
    """By the weights themselves: grey counts nothing, the channels count as the colour has them."""
    spot = cs.design("colour blob", colour=colour, size=7)
    assert spot.shape == (3, 7, 7)
    assert cs.describe(spot).polarity == colour
    taps = np.asarray(spot, float)
    assert abs(taps.sum(axis=0)).max() < 1e-5
    middle = taps[:, 3, 3]
    assert np.allclose(middle / abs(middle).max(), np.array(COLOURS[colour]) / max(map(abs, COLOURS[colour])))
    side = np.asarray(cs.design("colour contrast", colour=colour, angle=90), float)
    assert (side[:, -1].sum(axis=1) * np.array(COLOURS[colour]) >= 0).all()
    assert np.allclose(side, -side[:, ::-1], atol=1e-6)


def test_wishes_in_other_words():
    assert cs.design("GABOR").weights == cs.design("Gabor").weights
    assert cs.design("motion_blur", size=5).weights == cs.design(" motion  blur ", size=5).weights
    assert cs.design("edge", angle=390).weights == cs.design("edge", angle=30).weights
    dark, bright = (np.asarray(cs.design("line", variant=tone), float) for tone in ("dark", "bright"))
    assert np.array_equal(dark, -bright)
    assert cs.describe(cs.design("blur", variant="box")).variant == "box"
    down = cs.describe(cs.design("shift", down=2)).sentence
    assert down == "Moves the picture down by two pixels."
    stripes = cs.describe(cs.design("Gabor", size=15, wavelength=6, phase=90))
    assert stripes.scale == pytest.approx(6, rel=0.1)


def test_what_comes_near_but_is_not_confirmed_is_refused(monkeypatch):
    """The last check can fail: a builder that gets the direction wrong is found out."""
    wrong = module.Wish("edge", lambda *_: cs.kernels["line_vertical"].weights, {"angle": 0}, size=3)
    turned = module.Wish("edge", lambda *_: cs.kernels["sobel_y"].weights, {"angle": 0}, size=3)
    for wish in (wrong, turned):
        monkeypatch.setattr(module, "WISHES", {**WISHES, "edge": wish})
        with pytest.raises(cs.InputError, match=r"^no edge fits this wish \(edge, angle 0.0, size 3\)"):
            cs.design("edge")


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("egde", {}, "no kernel of the kind 'egde' can be designed; did you mean 'edge'"),
        ("dead", {}, "no kernel of the kind 'dead' can be designed"),
        (3, {}, "no kernel of the kind '3' can be designed"),
        ("edge", {"size": 1}, r"size=1 is not allowed for design\('edge'\); it may be 2 to 31"),
        ("edge", {"size": 10**9}, "size=1000000000 is not allowed"),
        ("edge", {"size": 3.5}, "size=3.5 is not a whole number"),
        ("edge", {"size": True}, "size=True is not a whole number"),
        ("emboss", {"size": 4}, "size=4 has no middle tap"),
        ("edge", {"wavelength": 3}, r"design\('edge'\) takes no wavelength; it takes size, angle, sigma"),
        ("edge", {"angle": "steep"}, "'steep' is not a number"),
        ("edge", {"angle": float("nan")}, "'nan' is not a finite number"),
        ("edge", {"angle": 1e9}, "angle=1000000000.0 is not allowed"),
        ("edge", {"sigma": 0}, "sigma=0 is not allowed"),
        ("line", {"variant": "brigth"}, "variant='brigth' of line is not known; did you mean 'bright'"),
        ("blur", {"variant": "box", "sigma": 2}, "a box blur has no sigma"),
        ("compass edge", {"angle": 30}, "a compass edge has 3×3 taps"),
        ("corner", {"angle": 30}, "a corner turns by 45°; angle=30"),
        ("colour blob", {"colour": "grey"}, "colour='grey' is not known; did you mean 'green'"),
        ("sharpen", {"amount": 0}, "amount=0 is not allowed"),
        ("shift", {}, "a shift by nothing is the identity"),
        ("shift", {"down": 0.5}, "shift by 0.5 is not allowed"),
        ("shift", {"down": 99}, "shift by 99 is not allowed"),
        (
            "Gabor",
            {"size": 7, "wavelength": 20},
            r"no Gabor fits this wish \(Gabor, angle 0.0, wavelength 20.0",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_told(kind, options, told):
    with pytest.raises(cs.InputError, match=f"^{told}"):
        cs.design(kind, **options)
