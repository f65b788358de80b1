"""The kinds a grey kernel can be of: how each is recognised, one entry a way."""

from __future__ import annotations

import numpy as np

from convscope.interpret import families
from convscope.interpret.fitting import Booleans, Candidate, Fit, Gate, Sums
from convscope.interpret.templates import Shape

# A kernel keeps the level of flat areas when ΣK is at least this share of Σ|K|, and clear of what the
# rest of the kernel scatters. The smallest of kernels in use is 1/49: a 5×5 of -1 about a 25.
KEEPS_LEVEL, CLEAR, CLEAR_OF_PATTERN = 0.015, 2.5, 1.75
# One tap is the kernel when so much of the energy is in it, and a sign that of a mean when it has so much of
# Σ|K|; the weights sum to no less than this share of a middle tap: a tap less the mean about it is no copy.
LEAST_ONE_TAP, LEAST_ONE_SIGN, LEAST_OF_TAP = 0.95, 0.88, 0.5
# Kirsch's masks are named when they are met, not when something is a little like them.
LEAST_COMPASS = 0.93
# Of large kernels a Gabor of few waves is much like a line or an edge, which is said instead unless it fits
# clearly better; an edge that the window cuts off unevenly does not quite sum to zero.
GABOR_HANDICAP, EMBOSS_HANDICAP = 0.01, 0.015


def _gabor_handicap(_: Shape) -> float:
    return GABOR_HANDICAP


def _emboss_handicap(_: Shape) -> float:
    return EMBOSS_HANDICAP


def _any(sums: Sums, _: Fit) -> Booleans:
    return np.ones(len(sums.level), np.bool_)


def is_one_tap_in_place(sums: Sums, fit: Fit) -> Booleans:
    """The tap over the output cell is the kernel."""
    return np.asarray(_keeps_sum(sums, fit) & (fit.best == 0))


def _tap_beside(sums: Sums, fit: Fit) -> Booleans:
    return np.asarray(_keeps_sum(sums, fit) & (fit.best > 0))


def _tap_elsewhere(_: Sums, fit: Fit) -> Booleans:
    return np.asarray(fit.explained >= LEAST_ONE_TAP)


def _keeps_sum(sums: Sums, fit: Fit) -> Booleans:
    tap = fit.inner[:, 0]
    kept = sums.level * sums.absolute * tap >= LEAST_OF_TAP * tap**2
    return np.asarray((fit.explained >= LEAST_ONE_TAP) & kept)


def _one_sign(_: Sums, fit: Fit) -> Booleans:
    return np.asarray(fit.explained >= LEAST_ONE_SIGN)


def _level_at_most(most: float) -> Gate:
    return lambda sums, _: np.abs(sums.level) <= most


def _level_at_least(least: float) -> Gate:
    return lambda sums, _: np.abs(sums.level) >= least


def _compass(sums: Sums, fit: Fit) -> Booleans:
    return (np.abs(sums.level) <= 0.1) & (fit.explained >= LEAST_COMPASS)


def _keeps_level(sums: Sums, fit: Fit, tap: int) -> Booleans:
    """The level of flat areas is kept, with the sign of a tap's inner product."""
    level = sums.level * np.sign(fit.inner[:, tap])
    return np.asarray(level >= np.maximum(KEEPS_LEVEL, CLEAR * sums.noise(fit)))


def _tap_against_surrounding(sums: Sums, fit: Fit) -> Booleans:
    """The level that the pattern itself keeps: noise on the taps beside it says nothing of it."""
    level = np.sum(fit.inner * fit.sums, axis=1) * np.sign(fit.inner[:, 0]) / sums.absolute
    scatter = sums.noise(fit) * np.linalg.norm(fit.sums, axis=1) / np.sqrt(sums.taps)
    keeps = level >= np.maximum(KEEPS_LEVEL, CLEAR_OF_PATTERN * scatter)
    # What the pattern misses may undo it: then the whole kernel keeps nothing.
    keeps &= sums.level * np.sign(fit.inner[:, 0]) >= KEEPS_LEVEL / 2
    return np.asarray((fit.inner[:, 0] * fit.inner[:, 1] < 0) & keeps)


def _tap_with_surrounding(_: Sums, fit: Fit) -> Booleans:
    return np.asarray(fit.inner[:, 0] * fit.inner[:, 1] > 0)


def _picture_and_gradient(sums: Sums, fit: Fit) -> Booleans:
    return _keeps_level(sums, fit, 2) & (np.abs(sums.level) <= 0.6)


CANDIDATES = (
    Candidate("identity", families.middle_tap, is_one_tap_in_place),
    Candidate("shift", families.middle_tap, _tap_beside),
    Candidate("shift", families.outer_tap, _tap_elsewhere),
    Candidate("blur", families.blur, _level_at_least(0.5)),
    Candidate("blur", families.unsharp, _tap_with_surrounding),
    Candidate("blur", None, _one_sign),
    Candidate("sharpen", families.sharpen, _tap_against_surrounding),
    Candidate("unsharp", families.unsharp, _tap_against_surrounding),
    Candidate("edge", families.edge, _level_at_most(0.65)),
    Candidate("compass edge", families.compass, _compass),
    Candidate("line", families.line, _level_at_most(0.6)),
    Candidate("blob", families.blob, _level_at_most(0.3)),
    Candidate("corner", families.corner, _level_at_most(0.4)),
    Candidate("emboss", families.emboss, _picture_and_gradient, _emboss_handicap),
    Candidate("Gabor", families.gabor, _level_at_most(0.6), _gabor_handicap),
    Candidate("checkerboard", families.checkerboard, _any),
)
