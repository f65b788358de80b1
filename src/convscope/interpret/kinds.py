"""The kinds a grey kernel can be of: how each is recognised, one entry a way."""

from __future__ import annotations

import numpy as np

from convscope.interpret import families
from convscope.interpret.fitting import Booleans, Candidate, Fit, Gate
from convscope.interpret.templates import Floats

# Of a kernel that keeps the level of flat areas at least this share of Σ|K| is left in ΣK: the smallest
# of kernels in use is 1/17, of the eight-neighbour sharpener.
KEEPS_LEVEL = 0.045
# Kirsch's masks are named when they are met, not when something is a little like them.
LEAST_COMPASS = 0.93
# A Gabor of few waves is much like a line or an edge, which is said instead unless it fits clearly better.
GABOR_HANDICAP = 0.01


def _any(level: Floats, _: Fit) -> Booleans:
    return np.ones(len(level), np.bool_)


def _level_at_most(most: float) -> Gate:
    return lambda level, _: np.abs(level) <= most


def _compass(level: Floats, fit: Fit) -> Booleans:
    return (np.abs(level) <= 0.1) & (fit.explained >= LEAST_COMPASS)


def _level_at_least(least: float) -> Gate:
    return lambda level, _: np.abs(level) >= least


def _tap_against_surrounding(level: Floats, fit: Fit) -> Booleans:
    """The tap and its surrounding have opposite signs, and the tap's sign is the sum's."""
    tap, around = fit.inner[:, 0], fit.inner[:, 1]
    return (tap * around < 0) & (level * np.sign(tap) >= KEEPS_LEVEL)


def _picture_and_gradient(level: Floats, fit: Fit) -> Booleans:
    return (level * np.sign(fit.inner[:, 2]) >= KEEPS_LEVEL) & (np.abs(level) <= 0.6)


CANDIDATES = (
    Candidate("identity", families.identity, _any),
    Candidate("shift", families.shift, _any),
    Candidate("blur", families.blur, _level_at_least(0.5)),
    Candidate("blur", None, _any),
    Candidate("sharpen", families.sharpen, _tap_against_surrounding),
    Candidate("unsharp", families.unsharp, _tap_against_surrounding),
    Candidate("edge", families.edge, _level_at_most(0.25)),
    Candidate("compass edge", families.compass, _compass),
    Candidate("line", families.line, _level_at_most(0.6)),
    Candidate("blob", families.blob, _level_at_most(0.3)),
    Candidate("corner", families.corner, _level_at_most(0.4)),
    Candidate("emboss", families.emboss, _picture_and_gradient),
    Candidate("Gabor", families.gabor, _level_at_most(0.6), GABOR_HANDICAP),
    Candidate("checkerboard", families.checkerboard, _any),
)
