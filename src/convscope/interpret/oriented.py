"""Edges, lines, waves and reliefs told apart by what they are, not by which template happens to fit better.

In a small window a wave of few periods is nearly a line, and a line beside the middle nearly an edge: each
family can copy the other, so that the energies they explain differ by less than noise does. What differs much
are the parameters of one model that all of them are near to, a wave under a bell (D. Gabor, 'Theory of
communication' (1946)): how many waves lie under the bell, and with which phase. Noise of 20 dB moves the
number of waves by 2 % and the phase by 3° to 6°, so that the boundaries below are crossed only from close by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convscope.interpret.families import middles_of
from convscope.interpret.profiles import EDGES, LINES, WAVES
from convscope.interpret.refining import Family, Refined, energy_in, refined
from convscope.interpret.templates import Floats, Shape, is_large

# The kinds that are told apart here.
ORIENTED = ("edge", "line", "Gabor", "emboss")
# Of fewer taps along the longer side a wave is not more than a line.
LEAST_SIDE = 5
# Deviations of a Gabor's bell, in waves: with fewer it is called an edge or a line. The window is a bell of
# a √12th of its length. Of kernels in use those of a wave and a half to a kernel are on the other side of
# it than those of a wave and a quarter.
LEAST_CYCLES, CYCLES_MOVED = 0.33, 0.008
# Energy that only the wave explains; with less it is a line or an edge that is cut off by the window.
LEAST_MORE, AMPLITUDE_MOVED = 0.009, 0.1
# Edges are odd and lines even: the phase between them, degrees, and how much of a difference in phase
# counts as much as how much of a difference in the amplitude left over.
BETWEEN, PHASE_STEP, LEFT_STEP, LEAN_MOVED = 51.0, 10.0, 0.1, 0.6
# Energy that the tap in the middle adds to an edge in a relief, and how many deviations of what is left.
LEAST_TAP, TAP_CLEAR = 0.007, 3.0
# A relief leaves less by this much than a line does.
LEAST_BETTER = 0.01


@dataclass(frozen=True)
class Told:
    """What one of these kernels is.

    Attributes:
        kind: one of `ORIENTED`.
        explained: the share of the energy in the kind's best pattern.
        angle: of a line and a wave degrees, y down, along which brightness changes; of a relief along
            which it increases.
        sign: of a line 1 when it is bright, of a relief the sign of its tap; else 1.
        scale: a line's or an edge's width, the length of a wave, pixels.
        margin: how far from the nearest boundary, in deviations of noise of 20 dB.
    """

    kind: str
    explained: float
    angle: float
    sign: int
    scale: float
    margin: float


def are_told_apart(shape: Shape) -> bool:
    """True of the sizes at which there is something to tell, and noise that could hide it."""
    return max(shape) >= LEAST_SIDE and not is_large(shape)


def told_apart(units: Floats, shape: Shape) -> list[Told]:
    """Tell edges, lines, waves and reliefs of unit length ``(N, n)`` apart."""
    if not len(units):
        return []
    lines, edges = _best(LINES, shape, units), _best(EDGES, shape, units)
    waves = _best(WAVES, shape, units)
    cycles, phase = _cycles(waves, shape), _phase(waves, units)
    simple = np.maximum(lines.explained, edges.explained)
    more = np.maximum(waves.explained - simple, 0)
    left = np.sqrt(1 - edges.explained) - np.sqrt(1 - lines.explained)
    lean = left / LEFT_STEP + (BETWEEN - phase) / PHASE_STEP
    moved = AMPLITUDE_MOVED / np.sqrt(units.shape[1])
    beyond = np.minimum((cycles - LEAST_CYCLES) / CYCLES_MOVED, (np.sqrt(more) - np.sqrt(LEAST_MORE)) / moved)
    lean = lean / LEAN_MOVED
    reliefs, clear = _reliefs(edges, lines, shape, units)
    found = []
    for index in range(len(units)):
        margin = float(min(abs(beyond[index]), np.inf if beyond[index] > 0 else abs(lean[index])))
        if beyond[index] > 0:
            found.append(_wave(waves, index, margin))
        elif clear[index] > 0:
            found.append(_relief(reliefs, units, index, min(margin, float(clear[index]))))
        elif lean[index] > 0:
            found.append(_line(lines, units, index, margin))
        else:
            found.append(_edge(edges, index, min(margin, -float(clear[index]))))
    return found


def _best(families: Sequence[Family], shape: Shape, units: Floats) -> Refined:
    """Of several families the one that explains most of each kernel."""
    found = [refined(family, shape, units) for family in families]
    best = np.argmax([each.explained for each in found], axis=0)
    width = max(each.values.shape[1] for each in found)
    values = np.array([np.pad(each.values, ((0, 0), (0, width - each.values.shape[1]))) for each in found])
    kernels = np.arange(len(units))
    return Refined(
        np.array([each.explained for each in found])[best, kernels],
        values[best, kernels],
        np.array([each.rows for each in found])[best, kernels],
    )


def _cycles(waves: Refined, shape: Shape) -> Floats:
    """The deviation of the bell and the window together, in waves."""
    width = np.exp(waves.values[:, 2])
    return np.asarray(waves.values[:, 4] / np.sqrt(1 / width**2 + 12 / max(shape) ** 2))


def _phase(waves: Refined, units: Floats) -> Floats:
    """0 of a bar in the middle, 90 of an edge there, degrees; which tone and which side do not count."""
    even, odd = np.moveaxis(_coefficients(waves.rows, units), 1, 0)
    amounts = np.abs([even, odd]) * np.linalg.norm(waves.rows, axis=2).T
    return np.asarray(np.rad2deg(np.arctan2(amounts[1], amounts[0])))


def _coefficients(rows: Floats, units: Floats) -> Floats:
    """Least squares coefficients of each kernel in its own rows, ``(N, m)``."""
    gram = np.einsum("nmk,njk->nmj", rows, rows)
    right = np.einsum("nmk,nk->nm", rows, units)
    return np.asarray(np.einsum("nmj,nj->nm", np.linalg.pinv(gram, hermitian=True), right))


def _reliefs(edges: Refined, lines: Refined, shape: Shape, units: Floats) -> tuple[Refined, Floats]:
    """Each edge with the tap in the middle that adds most, and how clear it is that there is one."""
    found = []
    for row, column in middles_of(shape):
        tap = np.zeros((len(units), 1, units.shape[1]))
        tap[:, 0, row * shape[1] + column] = 1
        rows = np.concatenate([edges.rows, tap], axis=1)
        found.append(Refined(np.clip(energy_in(rows, units), 0, 1), edges.values, rows))
    best = np.argmax([each.explained for each in found], axis=0)
    kernels = np.arange(len(units))
    explained = np.array([each.explained for each in found])[best, kernels]
    least = np.maximum(LEAST_TAP, TAP_CLEAR**2 * (1 - explained) / units.shape[1])
    gain = np.maximum(explained - edges.explained, 0)
    moved = AMPLITUDE_MOVED / np.sqrt(units.shape[1])
    clear = np.minimum(
        (np.sqrt(gain) - np.sqrt(least)) / moved, (explained - lines.explained - LEAST_BETTER) / moved
    )
    return Refined(explained, edges.values, np.array([each.rows for each in found])[best, kernels]), clear


def _wave(waves: Refined, index: int, margin: float) -> Told:
    angle, frequency = float(waves.values[index, 0]), float(waves.values[index, 4])
    return Told("Gabor", float(waves.explained[index]), angle, 1, 1 / frequency, margin)


def _line(lines: Refined, units: Floats, index: int, margin: float) -> Told:
    sign = 1 if float(lines.rows[index, 0] @ units[index]) >= 0 else -1
    angle, scale = float(lines.values[index, 0]), float(np.exp(lines.values[index, 2]))
    return Told("line", float(lines.explained[index]), angle, sign, scale, margin)


def _edge(edges: Refined, index: int, margin: float) -> Told:
    angle, scale = float(edges.values[index, 0]), float(np.exp(edges.values[index, 2]))
    return Told("edge", float(edges.explained[index]), angle, 1, scale, margin)


def _relief(reliefs: Refined, units: Floats, index: int, margin: float) -> Told:
    slope, level = _coefficients(reliefs.rows[index : index + 1], units[index : index + 1])[0]
    angle = float(reliefs.values[index, 0]) + (0 if slope >= 0 else 180)
    scale = float(np.exp(reliefs.values[index, 2]))
    return Told("emboss", float(reliefs.explained[index]), angle, 1 if level >= 0 else -1, scale, margin)
