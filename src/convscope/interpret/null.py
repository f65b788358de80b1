"""What random kernels of the same size look like to the same measurement.

A kernel of few taps fits some template well by chance: of 3×3 kernels of independent Gaussian
weights one in twenty has 84 % of its energy in a gradient. So each kind's share of explained energy
is compared with that of random kernels of the same size under the same search over scales, centres
and angles, and the best of all kinds is compared with the best that random kernels reach. Beyond
what was simulated the share follows the law of a fixed subspace: the energy left over, ε, of a
random direction in n dimensions outside a subspace of m is less than ε with a probability that is
proportional to ε^((n - m)/2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from convscope.interpret.fitting import Candidate, Fit, candidate_fit, level_of, templates
from convscope.interpret.kinds import CANDIDATES
from convscope.interpret.templates import Floats, Shape

SEED = 20_240_229
# Random kernels simulated: fewer where kernels are large, since their shares scatter less.
DRAWS, FEW_DRAWS, MANY_TAPS = 4000, 1000, 150
# From here down the law above is used: the share of random kernels that the simulation still counts well.
TAIL = 0.005
LEAST_LEFT = 1e-15
# Kernels that leave less than this are as good as exact: printed weights are rounded.
GOOD_ENOUGH = 1e-3


@dataclass(frozen=True, eq=False)
class Tail:
    """How often random kernels leave less energy than ε unexplained.

    Attributes:
        left: the energy that each random kernel left, ascending.
        slope: by which power of ε the share falls beyond the simulated ones; 0 where no law is known.
    """

    left: Floats
    slope: float

    def log_share(self, left: Floats) -> Floats:
        """The natural logarithm of the share of random kernels that leave as little as `left`."""
        left = np.maximum(left, LEAST_LEFT)
        count = len(self.left)
        counted = np.log((np.searchsorted(self.left, left, side="right") + 1) / (count + 1))
        edge = max(float(self.left[int(TAIL * count)]), LEAST_LEFT)
        if not self.slope:
            return np.asarray(counted)
        beyond = np.log(TAIL) + self.slope * np.log(left / edge)
        return np.where(left < edge, np.minimum(beyond, np.log(TAIL)), counted)


def random_units(shape: Shape) -> Floats:
    """Kernels of independent Gaussian weights: every direction alike."""
    taps = shape[0] * shape[1]
    draws = DRAWS if taps <= MANY_TAPS else FEW_DRAWS
    drawn = np.random.default_rng(SEED).standard_normal((draws, taps))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Null:
    """Random kernels of one size under the whole measurement.

    Attributes:
        tails: for each candidate how random kernels fit it.
        best: the logarithm of the best candidate's share, for each random kernel, ascending.
    """

    tails: tuple[Tail, ...]
    best: Floats

    def log_shares(self, fits: Sequence[Fit], level: Floats, least: float = 0.0) -> Floats:
        """For each candidate the share of random kernels that fit it as well, ``(K, N)``.

        0 where the candidate's gate refuses. What leaves less than `least` counts as leaving that.
        """
        return _log_shares(self.tails, fits, level, least)

    def overall(self, best: Floats) -> Floats:
        """The share of random kernels whose best candidate is as surprising: the p-value."""
        count = len(self.best)
        counted = (np.searchsorted(self.best, best, side="right") + 1) / (count + 1)
        edge = float(self.best[int(TAIL * count)])
        beyond = TAIL * np.exp(np.minimum(best - edge, 0.0))
        return np.where(best < edge, beyond, counted)


def _log_shares(tails: Sequence[Tail], fits: Sequence[Fit], level: Floats, least: float) -> Floats:
    shares = np.zeros((len(tails), len(level)))
    for candidate, tail, fit, row in zip(CANDIDATES, tails, fits, shares, strict=True):
        # A choice between kinds, not the p-value, takes the handicap.
        left = np.maximum(1 - fit.explained, least) + (candidate.handicap if least else 0.0)
        row[...] = np.where(candidate.accepts(level, fit), tail.log_share(left), 0.0)
    return shares


def all_fits(shape: Shape, units: Floats) -> list[Fit]:
    """The patterns compared with every candidate."""
    return [candidate_fit(candidate, shape, units) for candidate in CANDIDATES]


@lru_cache(maxsize=64)
def null_of(shape: Shape) -> Null:
    """Random kernels of this size, simulated once with a fixed seed."""
    units = random_units(shape)
    fits = all_fits(shape, units)
    tails = tuple(_tail(candidate, shape, fit) for candidate, fit in zip(CANDIDATES, fits, strict=True))
    return Null(tails, np.sort(_log_shares(tails, fits, level_of(units), 0.0).min(axis=0)))


def _tail(candidate: Candidate, shape: Shape, fit: Fit) -> Tail:
    left = np.sort(1 - fit.explained)
    if candidate.maker is None:
        return Tail(left, 0.0)
    free = templates(candidate.maker, shape).free
    return Tail(left, max(0.5, (shape[0] * shape[1] - free) / 2))
