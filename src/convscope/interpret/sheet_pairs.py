"""Which filters of a bank are copies of each other: alike, opposite, turned or mirrored.

Two filters are compared by the cosine of the angle between their weights, all channels together. A
bank is gone through in blocks, so that memory does not grow with the square of its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

OPPOSITE = -0.9
ALIKE = 0.99
# The strongest pairs of a sort that are kept.
MOST_PAIRS = 20_000
# Cells of the table of cosines that are held at once: 16 MB.
BLOCK_CELLS = 2**22
# float32 finds the candidates, float64 decides.
SLACK = 1e-4
# Multiply-adds after which turned copies, the dearest, are not looked for: about a minute.
MOST_WORK = 2_000_000_000_000

# What turns the first filter of a pair into the second; the two spatial axes come last.
TURNS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "90° clockwise": lambda weights: np.rot90(weights, -1, axes=(-2, -1)),
        "180°": lambda weights: np.rot90(weights, 2, axes=(-2, -1)),
        "90° anticlockwise": lambda weights: np.rot90(weights, 1, axes=(-2, -1)),
        "mirrored left to right": lambda weights: weights[..., ::-1],
        "mirrored top to bottom": lambda weights: weights[..., ::-1, :],
        "mirrored along the diagonal": lambda weights: np.swapaxes(weights, -1, -2),
        "mirrored along the other diagonal": lambda weights: np.rot90(weights, 2, axes=(-2, -1)).swapaxes(
            -1, -2
        ),
    }
)
# The turns that a kernel of unequal sides has.
OBLONG = ("180°", "mirrored left to right", "mirrored top to bottom")


class Pair(NamedTuple):
    """Two filters by their places in the bank, and the cosine between their weights."""

    first: int
    second: int
    cosine: float


class TurnedPair(NamedTuple):
    """Two filters of which the second is the first one turned or mirrored, and how nearly (the cosine)."""

    first: int
    second: int
    cosine: float
    turn: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """The copies in a bank; each sort begins with the closest.

    Attributes:
        opposites: cosine below -0.9.
        duplicates: cosine above 0.99.
        rotations: cosine above 0.99 once the first is turned; pairs that are alike as they stand
            are duplicates and not listed again.
        left_out: how many pairs were found and not kept.
        notes: what was not looked for, each a sentence without its full stop.
    """

    opposites: tuple[Pair, ...]
    duplicates: tuple[Pair, ...]
    rotations: tuple[TurnedPair, ...]
    left_out: int = 0
    notes: tuple[str, ...] = ()


def pairs_of(weights: Floats, alive: npt.NDArray[np.bool_]) -> Pairs:
    """The copies among the filters ``(N, C, kh, kw)`` that are alive.

    >>> sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> found = pairs_of(np.stack([sobel, sobel.T, -sobel])[:, None], np.ones(3, bool))
    >>> found.opposites
    (Pair(first=0, second=2, cosine=-1.0),)
    >>> found.rotations[0]
    TurnedPair(first=0, second=1, cosine=1.0, turn='90° clockwise')
    """
    places = np.flatnonzero(alive)
    if len(places) < 2:
        return Pairs((), (), ())
    if weights[0].size == 1:
        return Pairs(
            (), (), (), notes=("Filters of one tap differ in nothing but size; no copies are named",)
        )
    bank = weights[places]
    largest = np.abs(bank).max(axis=(1, 2, 3), keepdims=True)
    units = bank / largest  # first, so that no square is too large or too small for a float
    units /= np.linalg.norm(units.reshape(len(units), -1), axis=1)[:, None, None, None]
    opposites, fewer = _kept(units, units, lambda cosines: cosines < OPPOSITE + SLACK, -1)
    duplicates, less = _kept(units, units, lambda cosines: cosines > ALIKE - SLACK, 1)
    opposites = [pair for pair in opposites if pair.cosine < OPPOSITE]
    duplicates = [pair for pair in duplicates if pair.cosine > ALIKE]
    rotations: list[TurnedPair] = []
    notes: tuple[str, ...] = ()
    names = _turns(units.shape)
    if len(units) ** 2 * units[0].size * len(names) > MOST_WORK:
        notes = ("Turned copies were not looked for: the bank is too large",)
    else:
        rotations, fewer_turned = _turned(units, names, {pair[:2] for pair in duplicates})
        fewer += fewer_turned
    return Pairs(
        tuple(Pair(int(places[i]), int(places[j]), cosine) for i, j, cosine in opposites),
        tuple(Pair(int(places[i]), int(places[j]), cosine) for i, j, cosine in duplicates),
        tuple(TurnedPair(int(places[i]), int(places[j]), cosine, turn) for i, j, cosine, turn in rotations),
        fewer + less,
        notes,
    )


def _turns(shape: tuple[int, ...]) -> tuple[str, ...]:
    if shape[-2:] == (1, 1):
        return ()
    return tuple(TURNS) if shape[-2] == shape[-1] else OBLONG


def _turned(
    units: Floats, names: tuple[str, ...], alike: set[tuple[int, int]]
) -> tuple[list[TurnedPair], int]:
    """The turned copies, each pair once with the turn that fits best; among equals the first of the table."""
    best: dict[tuple[int, int], TurnedPair] = {}
    left_out = 0
    for name in names:
        found, fewer = _kept(TURNS[name](units), units, lambda cosines: cosines > ALIKE - SLACK, 1)
        left_out += fewer
        for i, j, cosine in found:
            known = best.get((i, j))
            if cosine > ALIKE and (i, j) not in alike and (known is None or cosine > known.cosine + 1e-9):
                best[i, j] = TurnedPair(i, j, cosine, name)
    ranked = sorted(best.values(), key=lambda pair: (-pair.cosine, pair.first, pair.second))
    return ranked[:MOST_PAIRS], left_out + max(0, len(ranked) - MOST_PAIRS)


def _kept(
    left: Floats, right: Floats, wanted: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.bool_]], sign: int
) -> tuple[list[Pair], int]:
    """The pairs ``i < j`` whose cosine is wanted, the closest first, and how many more there are."""
    flat = left.reshape(len(left), -1), right.reshape(len(right), -1)
    kept = np.empty((0, 3))
    found = 0
    for first, second in _candidates(*flat, wanted):
        cosines = np.einsum("nd,nd->n", flat[0][first], flat[1][second])
        found += len(first)
        kept = np.concatenate([kept, np.stack([first, second, cosines], axis=1)])
        if len(kept) > MOST_PAIRS:
            order = np.lexsort((kept[:, 1], kept[:, 0], -sign * np.round(kept[:, 2], 9)))
            kept = kept[order[:MOST_PAIRS]]
    order = np.lexsort((kept[:, 1], kept[:, 0], -sign * np.round(kept[:, 2], 9)))
    # Rounded to what float64 can be trusted with, so that the cosine of a copy is 1 and no more.
    pairs = [Pair(int(i), int(j), round(float(cosine), 9)) for i, j, cosine in kept[order]]
    return pairs, found - len(kept)


def _candidates(
    left: Floats, right: Floats, wanted: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.bool_]]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows and columns above the diagonal of the table of cosines that may be wanted, block by block."""
    rows, columns = left.astype(np.float32), right.astype(np.float32)
    step = max(1, BLOCK_CELLS // len(columns))
    for start in range(0, len(rows), step):
        inner = columns[start:]  # the pairs before have been met from the other side
        first, second = np.nonzero(wanted(rows[start : start + step] @ inner.T))
        above = second > first
        yield first[above] + start, second[above] + start
