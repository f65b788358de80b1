"""Turning, mirroring, negating and scaling a kernel change its description exactly as they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import convscope as cs
from convscope.interpret.description import Description, describe_many
from convscope.interpret.sentences import RUNS, SIDES

# Kinds whose orientation is the way brightness grows, which half a turn reverses.
GROWING = {"edge", "compass edge", "emboss"}


def one(weights: np.ndarray) -> Description:
    """Described as a bank of one, without reading it as exact numbers first."""
    return describe_many(np.ascontiguousarray(weights)[None, None])[0]


def whole_turn(found: Description) -> float:
    return 360 if found.kind in GROWING or found.variant == "corner" else 180


def same_angle(first: float | None, second: float | None, turn: float) -> bool:
    if first is None or second is None:
        return first is second
    return abs((first - second + turn / 2) % turn - turn / 2) < 0.5


# A move of the weights, and what it makes of a direction (degrees, y down).
MOVES = {
    "a quarter turn": (lambda k: np.rot90(k, -1), lambda angle: angle + 90),
    "half a turn": (lambda k: k[::-1, ::-1], lambda angle: angle + 180),
    "a mirror, left to right": (lambda k: k[:, ::-1], lambda angle: 180 - angle),
    "a mirror, top to bottom": (lambda k: k[::-1], lambda angle: -angle),
    "a transposition": (lambda k: k.T, lambda angle: 90 - angle),
    "a scale": (lambda k: 3.7 * k, lambda angle: angle),
}

SQUARE = [
    kernel.weights.to_float()
    for kernel in cs.kernels.values()
    if kernel.rank == 2 and kernel.shape[0] == kernel.shape[1] and kernel.shape[0] in (3, 5, 7)
]


@st.composite
def kernels(draw: st.DrawFn) -> np.ndarray:
    """A kernel of the catalogue with noise, or noise alone."""
    base = draw(st.sampled_from(SQUARE)) if draw(st.booleans()) else None
    side = draw(st.sampled_from((3, 5, 7))) if base is None else len(base)
    noise = draw(arrays(np.float64, (side, side), elements=st.floats(-1, 1, width=16)))
    share = draw(st.sampled_from((0.0, 0.03, 0.1, 0.3)))
    found = noise if base is None else base + share * np.abs(base).max() * noise
    return found if np.abs(found).max() > 1e-3 else np.eye(side)


@pytest.mark.parametrize("name", MOVES)
@given(kernel=kernels())
@settings(max_examples=25, deadline=None)
def test_a_moved_kernel_has_the_moved_description(name, kernel):
    move, angle_of = MOVES[name]
    before, after = one(kernel), one(move(kernel))
    if before.confidence < 0.6:  # two kinds are as good: rounding may decide
        return
    assert (after.kind, after.variant) == (before.kind, before.variant)
    moved = None if before.orientation is None else angle_of(before.orientation)
    assert same_angle(moved, after.orientation, whole_turn(before))
    assert after.p_value == pytest.approx(before.p_value, rel=0.2, abs=1e-4)


@given(kernel=kernels())
@settings(max_examples=40, deadline=None)
def test_a_negated_kernel_answers_to_the_opposite(kernel):
    before, after = one(kernel), one(-kernel)
    if before.confidence < 0.6:
        return
    assert after.kind == before.kind
    if before.kind in ("edge", "compass edge"):
        assert same_angle(before.orientation + 180, after.orientation, 360)
    elif before.variant in ("bright", "dark"):
        assert {before.variant, after.variant} == {"bright", "dark"}
        assert same_angle(before.orientation, after.orientation, 180)
    elif before.variant == "saddle":
        assert same_angle(before.orientation + 90, after.orientation, 180)
    elif before.kind in ("identity", "shift", "blur", "sharpen", "unsharp"):
        assert {before.polarity, after.polarity} == {"positive", "negative"}
    elif before.kind == "checkerboard":
        assert {before.polarity, after.polarity} == {"bright at the upper left", "dark at the upper left"}
        assert before.sentence != after.sentence


@given(kernel=kernels())
@settings(max_examples=25, deadline=None)
def test_conventions_are_moves(kernel):
    bank = np.ascontiguousarray(kernel)[None, None]
    turned, upside_down = np.ascontiguousarray(kernel[::-1, ::-1]), np.ascontiguousarray(kernel[::-1])
    assert describe_many(bank, convention="convolution")[0].sentence == one(turned).sentence
    assert describe_many(bank, convention="pillow")[0].sentence == one(upside_down).sentence


@pytest.mark.parametrize("eighth", range(8))
def test_sobel_says_every_direction(eighth):
    angle = 45.0 * eighth
    found = cs.describe(cs.design("edge", angle=angle, size=5))
    dark, bright = SIDES[eighth]
    word = RUNS[(eighth + 2) % 4].split(",")[0].capitalize()
    assert found.sentence == f"{word} edges: positive where it is dark {dark} and bright {bright}."


@pytest.mark.parametrize("channels", [3, 8])
def test_the_order_of_channels_that_are_no_colours_does_not_matter(channels):
    random = np.random.default_rng(5)
    gradient = cs.kernels["sobel_5_x"].weights.to_float()
    bank = (random.standard_normal(channels)[:, None, None] * gradient)[None]
    found = describe_many(bank)[0]
    again = describe_many(bank[:, ::-1] if channels > 3 else bank)[0]
    assert found.orientation == pytest.approx(again.orientation)
    assert found.direction == "vertical"


UNEVEN = [(2, 2), (2, 3), (4, 4), (3, 5), (5, 5), (6, 6), (7, 7)]


@pytest.mark.parametrize("shape", UNEVEN)
def test_turns_and_mirrors_change_no_figure_whatever_the_size(shape):
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wave = np.sin(0.9 * columns + 0.3 * rows)
    for kernel in (random.standard_normal(shape), wave + 0.2 * random.standard_normal(shape)):
        told = [one(np.rot90(side, turns)) for side in (kernel, kernel.T) for turns in range(4)]
        for moved in told:
            assert moved.p_value == pytest.approx(told[0].p_value, rel=1e-5)
            assert moved.confidence == pytest.approx(told[0].confidence, abs=1e-6)
            assert moved.residual == pytest.approx(told[0].residual, abs=1e-9)
            assert moved.finding.explained == pytest.approx(told[0].finding.explained)


@pytest.mark.no_cover
@pytest.mark.parametrize("border", [1, 2])
def test_borders_of_zeros_change_nothing(border):
    for kernel in SQUARE:
        plain, padded = one(kernel), one(np.pad(kernel, border))
        assert (padded.kind, padded.sentence) == (plain.kind, plain.sentence)
        assert padded.p_value == pytest.approx(plain.p_value)
    lopsided = np.pad(SQUARE[0], ((2, 0), (0, 0)))
    assert one(lopsided).finding.size == lopsided.shape
