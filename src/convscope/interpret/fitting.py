"""How well patterns fit each kind: the best template, and whether the fit is of that kind at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from convscope.interpret.templates import Floats, Integers, Numbers, Shape, Templates, is_large

Booleans = npt.NDArray[np.bool_]

# Cells of a table of inner products kept in memory at once.
MOST_CELLS = 2**21


@dataclass(frozen=True, eq=False)
class Fit:
    """The best template of one candidate for each of N patterns.

    Attributes:
        explained: the share of each pattern's energy that lies in the best subspace, ``(N,)``.
        best: which template it is, ``(N,)``.
        inner: the inner products with its orthonormal rows, ``(N, m)``.
        sums: the sum over each of those rows, ``(N, m)``.
    """

    explained: Floats
    best: Integers
    inner: Floats
    sums: Floats


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the weights of N patterns of unit length.

    Attributes:
        level: ΣK/Σ|K|: what is left of a flat area, from -1 to 1, ``(N,)``.
        absolute: Σ|K|, ``(N,)``.
        taps: how many weights a pattern has.
    """

    level: Floats
    absolute: Floats
    taps: int

    def noise(self, fit: Fit) -> Floats:
        """The deviation of `level` if what the fit leaves is noise."""
        return np.asarray(np.sqrt(np.maximum(1 - fit.explained, 0)) / self.absolute)


def sums_of(units: Numbers) -> Sums:
    """The sums over each pattern, ``(N, n)``."""
    absolute = np.abs(units).sum(axis=1)
    return Sums(units.sum(axis=1) / absolute, absolute, units.shape[1])


Gate = Callable[[Sums, Fit], Booleans]


@dataclass(frozen=True)
class Candidate:
    """A way to be of a kind.

    Attributes:
        kind: the kind's name; several candidates may be of one kind.
        maker: its templates at a size; None for the kernels that are all of one sign.
        accepts: given the sums of the patterns and their fits, which fits mean this kind.
        handicap: energy counted as left over besides what is, for patterns that simpler ones resemble.
    """

    kind: str
    maker: Callable[[Shape], Templates] | None
    accepts: Gate
    handicap: Callable[[Shape], float] | None = None


@lru_cache(maxsize=256)
def templates(maker: Callable[[Shape], Templates], shape: Shape) -> Templates:
    """The templates of a candidate at a size; those of the sizes met last are kept."""
    return maker(shape)


def fitted(maker: Callable[[Shape], Templates], shape: Shape, units: Numbers) -> Fit:
    """Compare patterns ``(N, n)`` of unit length with every template."""
    found = templates(maker, shape)
    explained, best = np.zeros(len(units)), np.zeros(len(units), np.int64)
    if not len(found):
        nothing = np.zeros((len(units), found.bases.shape[1]))
        return Fit(explained, best, nothing, nothing)
    if is_large(shape):
        units = units.astype(np.float32)
    block = max(1, MOST_CELLS // len(found))
    for start in range(0, len(units), block):
        energy = found.energies(units[start : start + block])
        best[start : start + block] = energy.argmax(axis=1)
        explained[start : start + block] = energy.max(axis=1)
    inner = np.einsum("kmn,kn->km", found.bases[best], units)
    return Fit(np.clip(explained, 0, 1), best, inner, found.bases.sum(axis=2)[best])


def candidate_fit(candidate: Candidate, shape: Shape, units: Numbers) -> Fit:
    """How well patterns are of a kind in this way."""
    if candidate.maker is not None:
        return fitted(candidate.maker, shape, units)
    nothing = np.zeros((len(units), 1))
    return Fit(one_sign(units), np.zeros(len(units), np.int64), nothing, nothing)


def one_sign(units: Numbers) -> Floats:
    """The share of Σ|K| in the weights of the sign that has more of it: 1 for a weighted average.

    Not the share of the energy, which one large weight among many is enough for.
    """
    absolute = np.abs(units).sum(axis=1)
    return np.asarray((1 + np.abs(units.sum(axis=1)) / absolute) / 2)
