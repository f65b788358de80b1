"""How well patterns fit each kind: the best template, and whether the fit is of that kind at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from convscope.interpret.templates import Floats, Shape, Templates

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

# Cells of a table of inner products kept in memory at once.
MOST_CELLS = 2**23


@dataclass(frozen=True, eq=False)
class Fit:
    """The best template of one candidate for each of N patterns.

    Attributes:
        explained: the share of each pattern's energy that lies in the best subspace, ``(N,)``.
        best: which template it is, ``(N,)``.
        inner: the inner products with its orthonormal rows, ``(N, m)``.
    """

    explained: Floats
    best: Integers
    inner: Floats


Gate = Callable[[Floats, Fit], Booleans]


@dataclass(frozen=True)
class Candidate:
    """A way to be of a kind.

    Attributes:
        kind: the kind's name; several candidates may be of one kind.
        maker: its templates at a size; None for the kernels that are all of one sign.
        accepts: given ΣK/Σ|K| of the patterns and their fits, which fits mean this kind.
        handicap: energy counted as left over besides what is, for patterns that simpler ones resemble.
    """

    kind: str
    maker: Callable[[Shape], Templates] | None
    accepts: Gate
    handicap: float = 0.0


@lru_cache(maxsize=256)
def templates(maker: Callable[[Shape], Templates], shape: Shape) -> Templates:
    """The templates of a candidate at a size; those of the sizes met last are kept."""
    return maker(shape)


def fitted(maker: Callable[[Shape], Templates], shape: Shape, units: Floats) -> Fit:
    """Compare patterns ``(N, n)`` of unit length with every template."""
    found = templates(maker, shape)
    count, rows = found.bases.shape[:2]
    explained, best = np.zeros(len(units)), np.zeros(len(units), np.int64)
    inner = np.zeros((len(units), rows))
    if not count:
        return Fit(explained, best, inner)
    flat = found.bases.reshape(count * rows, -1).T
    block = max(1, MOST_CELLS // (count * rows))
    for start in range(0, len(units), block):
        part = slice(start, start + block)
        products = (units[part] @ flat).reshape(-1, count, rows)
        energy = np.einsum("klm,klm->kl", products, products)
        chosen = energy.argmax(axis=1)
        each = np.arange(len(chosen))
        best[part], explained[part] = chosen, energy[each, chosen]
        inner[part] = products[each, chosen]
    return Fit(np.clip(explained, 0, 1), best, inner)


def candidate_fit(candidate: Candidate, shape: Shape, units: Floats) -> Fit:
    """How well patterns are of a kind in this way."""
    if candidate.maker is not None:
        return fitted(candidate.maker, shape, units)
    return Fit(one_sign(units), np.zeros(len(units), np.int64), np.zeros((len(units), 1)))


def one_sign(units: Floats) -> Floats:
    """The energy in the weights of the sign that has more of it: 1 for a weighted average."""
    positive = np.sum(np.maximum(units, 0) ** 2, axis=1)
    return np.maximum(positive, 1 - positive)


def level_of(units: Floats) -> Floats:
    """ΣK/Σ|K|: what is left of a flat area, from -1 to 1."""
    return np.asarray(units.sum(axis=1) / np.abs(units).sum(axis=1))
