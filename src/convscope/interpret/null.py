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

from convscope.interpret.fitting import Candidate, Fit, Sums, candidate_fit, sums_of, templates
from convscope.interpret.kinds import CANDIDATES
from convscope.interpret.templates import LARGE, Floats, Numbers, Shape, is_large

SEED = 20_240_229
# Random kernels simulated of each distribution, for up to so many taps. Fewer where kernels are large:
# there the shares scatter less.
DRAWS = ((9, 6000), (40, 2000), (64, 1000), (LARGE, 500), (np.inf, 200))
# From here down the law above is used: the share of random kernels that the simulation still counts well.
TAIL = 0.02
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


def random_units(shape: Shape) -> list[Numbers]:
    """Kernels of independent weights: Gaussian (every direction alike), uniform, and with heavy tails.

    The tails are Laplace's, and Student's with three degrees of freedom.
    """
    taps = shape[0] * shape[1]
    size = (next(draws for most, draws in DRAWS if taps <= most), taps)
    random = np.random.default_rng(SEED)
    if is_large(shape):  # sums of so many weights are Gaussian whatever the weights are
        return [_units(random.standard_normal(size))]
    drawn = (
        random.standard_normal(size),
        random.uniform(-1, 1, size),
        random.laplace(size=size),
        random.standard_t(3, size),
    )
    return [_units(each) for each in drawn]


def _units(drawn: Floats) -> Numbers:
    # Single precision is enough for what random kernels leave over, and twice as fast.
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, eq=False)
class Null:
    """Random kernels of one size under the whole measurement.

    Attributes:
        tails: for each candidate how random kernels fit it.
        best: for each distribution the logarithm of the best candidate's share of each random kernel,
            ascending.
    """

    shape: Shape
    tails: tuple[Tail, ...]
    best: tuple[Floats, ...]

    def log_shares(self, fits: Sequence[Fit], sums: Sums, least: float = 0.0) -> Floats:
        """For each candidate the share of random kernels that fit it as well, ``(K, N)``.

        0 where the candidate's gate refuses. What leaves less than `least` counts as leaving that.
        """
        return _log_shares(self.shape, self.tails, fits, sums, least)

    def overall(self, best: Floats) -> Floats:
        """The share of random kernels whose best candidate is as surprising: the p-value.

        It is the largest of the distributions'.
        """
        return np.asarray(np.max([_share(simulated, best) for simulated in self.best], axis=0))


def _share(simulated: Floats, best: Floats) -> Floats:
    count = len(simulated)
    counted = (np.searchsorted(simulated, best, side="right") + 1) / (count + 1)
    edge = float(simulated[int(TAIL * count)])
    return np.where(best < edge, TAIL * np.exp(np.minimum(best - edge, 0.0)), counted)


def _log_shares(shape: Shape, tails: Sequence[Tail], fits: Sequence[Fit], sums: Sums, least: float) -> Floats:
    shares = np.zeros((len(tails), len(sums.level)))
    for candidate, tail, fit, row in zip(CANDIDATES, tails, fits, shares, strict=True):
        # A choice between kinds, not the p-value, takes the handicap.
        handicap = candidate.handicap(shape) if least and candidate.handicap else 0.0
        left = np.maximum(1 - fit.explained, least) + handicap
        row[...] = np.where(candidate.accepts(sums, fit), tail.log_share(left), 0.0)
    return shares


def all_fits(shape: Shape, units: Numbers) -> list[Fit]:
    """The patterns compared with every candidate."""
    return [candidate_fit(candidate, shape, units) for candidate in CANDIDATES]


@lru_cache(maxsize=64)
def null_of(shape: Shape) -> Null:
    """Random kernels of this size, simulated once with a fixed seed."""
    drawn = random_units(shape)
    if shape[0] > shape[1]:  # the same kernels as of the transposed size, transposed
        drawn = [units.reshape(-1, *shape[::-1]).swapaxes(1, 2).reshape(units.shape) for units in drawn]
    fits = [all_fits(shape, units) for units in drawn]
    tails = tuple(_tail(candidate, shape, fit) for candidate, fit in zip(CANDIDATES, fits[0], strict=True))
    best = (
        np.sort(_log_shares(shape, tails, fit, sums_of(units), 0.0).min(axis=0))
        for units, fit in zip(drawn, fits, strict=True)
    )
    return Null(shape, tails, tuple(best))


def _tail(candidate: Candidate, shape: Shape, fit: Fit) -> Tail:
    left = np.sort(1 - fit.explained)
    if candidate.maker is None:
        return Tail(left, 0.0)
    free = templates(candidate.maker, shape).free
    return Tail(left, max(0.5, (shape[0] * shape[1] - free) / 2))
