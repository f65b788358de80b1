"""Families of patterns with continuous parameters: the best of a grid, then made finer step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from convscope.interpret.templates import DEGENERATE, Floats, Shape

# Each round tries every parameter a step to either side and at the top of the parabola through the three
# energies, then halves the steps.
ROUNDS = 4
# Energies that bend less than this are rounding.
FLAT = 1e-12
# Cells of a table of inner products kept in memory at once.
MOST_CELLS = 2**21


@dataclass(frozen=True)
class Family:
    """Patterns that depend on a few parameters.

    Attributes:
        draw: the patterns ``(N, m, kh, kw)`` that span each subspace, from values ``(N, P)``; m is 1 or 2.
        grid: the values to start from, ``(L, P)``.
        steps: for each parameter the first step.
        lows: the smallest values at a size, ``(P,)``.
        highs: the largest.
        costs: for each parameter the energy that a value of 1 must add; it grows with the square.
    """

    draw: Callable[[Shape, Floats], Floats]
    grid: Callable[[Shape], Floats]
    steps: tuple[float, ...]
    lows: Callable[[Shape], Floats]
    highs: Callable[[Shape], Floats]
    costs: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Refined:
    """The best pattern of a family for each of N kernels.

    Attributes:
        explained: the share of each kernel's energy in it, ``(N,)``.
        values: its parameters, ``(N, P)``.
        rows: the patterns that span it, ``(N, m, n)``.
    """

    explained: Floats
    values: Floats
    rows: Floats


def energy_in(rows: Floats, units: Floats) -> Floats:
    """The share of the energy of each kernel ``(N, n)`` in the span of its one or two rows ``(N, m, n)``."""
    inner = np.einsum("nmk,nk->nm", rows, units)
    first = np.einsum("nk,nk->n", rows[:, 0], rows[:, 0])
    alone = inner[:, 0] ** 2 / np.where(first > 0, first, 1)
    if rows.shape[1] == 1:
        return np.asarray(alone)
    second = np.einsum("nk,nk->n", rows[:, 1], rows[:, 1])
    other = inner[:, 1] ** 2 / np.where(second > 0, second, 1)
    cross = np.einsum("nk,nk->n", rows[:, 0], rows[:, 1])
    left = first * second - cross**2
    top = second * inner[:, 0] ** 2 - 2 * cross * inner[:, 0] * inner[:, 1] + first * inner[:, 1] ** 2
    span = left > DEGENERATE * first * second
    return np.asarray(np.where(span, top / np.where(span, left, 1), np.maximum(alone, other)))


def refined(family: Family, shape: Shape, units: Floats) -> Refined:
    """The best pattern of a family for each kernel of unit length ``(N, n)``."""
    values = _nearest(family, shape, units)
    worth = _worth(family, shape, units, values)
    lows, highs = family.lows(shape), family.highs(shape)
    steps = np.array(family.steps)
    for _ in range(ROUNDS):
        for place, step in enumerate(steps):
            sides = [_moved(values, place, side * step, lows, highs) for side in (-1.0, 1.0)]
            tried = [_worth(family, shape, units, moved) for moved in sides]
            bend = tried[0] + tried[1] - 2 * worth
            peaked = bend < -FLAT  # else the energies lie on a line and a side is best
            top = np.where(peaked, (tried[0] - tried[1]) / (2 * np.where(peaked, bend, 1)), 0.0)
            sides.append(_moved(values, place, np.clip(top, -1, 1) * step, lows, highs))
            tried.append(_worth(family, shape, units, sides[-1]))
            for moved, energy in zip(sides, tried, strict=True):
                better = energy > worth
                values[better] = moved[better]
                worth = np.where(better, energy, worth)
        steps = steps / 2
    rows = _rows(family, shape, values)
    return Refined(np.clip(energy_in(rows, units), 0, 1), values, rows)


def _worth(family: Family, shape: Shape, units: Floats, values: Floats) -> Floats:
    """The energy explained, less what the values cost."""
    explained = energy_in(_rows(family, shape, values), units)
    return explained - values**2 @ np.array(family.costs) if family.costs else explained


def _rows(family: Family, shape: Shape, values: Floats) -> Floats:
    drawn = family.draw(shape, values)
    return drawn.reshape(len(drawn), -1, shape[0] * shape[1])


def _moved(values: Floats, place: int, by: Floats | float, lows: Floats, highs: Floats) -> Floats:
    moved = values.copy()
    moved[:, place] = np.clip(moved[:, place] + by, lows[place], highs[place])
    return moved


@lru_cache(maxsize=64)
def _started(family: Family, shape: Shape) -> tuple[Floats, Floats, Floats]:
    """The grid's values, and its patterns as columns: each subspace's two, orthonormal."""
    values = family.grid(shape)
    rows = _rows(family, shape, values)
    length = np.linalg.norm(rows, axis=2, keepdims=True)
    rows = rows / np.where(length > 0, length, 1)
    if rows.shape[1] == 1:
        return values, rows[:, 0].T.copy(), np.zeros((rows.shape[2], 0))
    first, second = rows[:, 0], rows[:, 1]
    second = second - np.einsum("lk,lk->l", first, second)[:, None] * first
    length = np.linalg.norm(second, axis=1, keepdims=True)
    second = np.where(length > DEGENERATE, second / np.where(length > 0, length, 1), 0)
    return values, first.T.copy(), second.T.copy()


def _nearest(family: Family, shape: Shape, units: Floats) -> Floats:
    values, first, second = _started(family, shape)
    best = np.zeros(len(units), np.int64)
    block = max(1, MOST_CELLS // len(values))
    for start in range(0, len(units), block):
        part = units[start : start + block]
        energy = (part @ first) ** 2
        if second.shape[1]:
            energy += (part @ second) ** 2
        best[start : start + block] = energy.argmax(axis=1)
    return values[best].copy()
