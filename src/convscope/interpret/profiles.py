"""Edges, lines and waves with continuous parameters: angle, place, width, length, frequency.

Angles are degrees, y down, along which brightness changes; places, widths and lengths are pixels.
Widths and lengths are kept as logarithms, so that a step is a share.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convscope.interpret.refining import Family
from convscope.interpret.templates import (
    Floats,
    Shape,
    angles_of,
    combined,
    gaussian,
    rotated_axes,
    scales_of,
    shifts_of,
    step_of,
    without_mean,
)

WIDE = 1e3  # a width that is none: the profile is flat over the kernel
LOG_WIDE = float(np.log(50.0))
LOG_LENGTHS = (0.0, float(np.log(1.6)), float(np.log(3.0)), float(np.log(6.0)), LOG_WIDE)


def turns_of(shape: Shape) -> list[float]:
    """The directions of lines, waves and edges to start from, in [0, 180)."""
    return sorted({*angles_of(shape), *([45.0, 135.0] if min(shape) > 1 else [])})


# --- what is drawn ----------------------------------------------------------------------------


def _bell(shape: Shape, values: Floats) -> tuple[Floats, Floats, Floats]:
    """The coordinate across, the width, and a bell, from angle, place, log width, log of length to width."""
    u, v = rotated_axes(shape, values[:, 0], values[:, 1])
    width = np.exp(values[:, 2])
    return u, width, gaussian(u, width) * gaussian(v, width * np.exp(values[:, 3]))


def ridge(shape: Shape, values: Floats) -> Floats:
    """The second derivative of a bell across it, its mean taken off in the bell's own shape."""
    u, width, bell = _bell(shape, values)
    return -without_mean((u * u - width[:, None, None] ** 2) * bell, bell)[:, None]


def level_ridge(shape: Shape, values: Floats) -> Floats:
    """The second derivative of a bell across it, its mean taken off everywhere alike."""
    u, width, bell = _bell(shape, values)
    return -without_mean((u * u - width[:, None, None] ** 2) * bell, np.ones_like(bell))[:, None]


def stroke(shape: Shape, values: Floats) -> Floats:
    """A flat stroke against what lies on both sides of it, sum zero: angle, place, log half width."""
    u, _ = rotated_axes(shape, values[:, 0], values[:, 1])
    inside = np.clip(np.exp(values[:, 2])[:, None, None] + 0.5 - np.abs(u), 0, 1)
    return without_mean(inside, np.ones_like(inside))[:, None]


def slope(shape: Shape, values: Floats) -> Floats:
    """The first derivative of a bell."""
    u, _, bell = _bell(shape, values)
    return np.asarray((u * bell)[:, None])


def ramp(shape: Shape, values: Floats) -> Floats:
    """A step, or a ramp between two levels: angle, place, log half width."""
    u, _ = rotated_axes(shape, values[:, 0], values[:, 1])
    return np.clip(u / np.exp(values[:, 2])[:, None, None], -1, 1)[:, None]


def wave(shape: Shape, values: Floats) -> Floats:
    """A wave under a bell in both phases: the bell's four parameters and the frequency."""
    u, _, bell = _bell(shape, values)
    phase = 2 * np.pi * u * values[:, 4][:, None, None]
    return np.stack([np.cos(phase) * bell, np.sin(phase) * bell], axis=1)


def level_wave(shape: Shape, values: Floats) -> Floats:
    """The same with the mean of the even phase taken off."""
    u, _, bell = _bell(shape, values)
    phase = 2 * np.pi * u * values[:, 4][:, None, None]
    return np.stack([without_mean(np.cos(phase) * bell, bell), np.sin(phase) * bell], axis=1)


# --- where to begin, and how far to go --------------------------------------------------------


def _grid(shape: Shape, largest: float) -> Floats:
    widths = list(np.log(scales_of(shape, largest)))
    places = shifts_of(max(shape), step_of(shape))
    return np.stack(combined(turns_of(shape), places, widths, LOG_LENGTHS), axis=1)


def _flat_grid(shape: Shape) -> Floats:
    widths = [
        float(np.log(half)) for half in sorted({0.5, 1.0, max(shape) / 6, max(shape) / 4, max(shape) / 2})
    ]
    return np.stack(combined(turns_of(shape), shifts_of(max(shape), step_of(shape)), widths), axis=1)


# Waves of all lengths from two pixels on; bells from a part of the kernel to none.
FREQUENCIES, WIDTHS, LONGEST = 12, (0.13, 0.19, 0.28, 0.41), 2.5


def _wave_grid(shape: Shape) -> Floats:
    length = max(shape)
    frequencies = list(1 / np.geomspace(2.0, LONGEST * length, FREQUENCIES))
    widths = [*(float(np.log(part * length)) for part in WIDTHS), LOG_WIDE]
    values = np.stack(
        combined(turns_of(shape), (-1.0, 0.0, 1.0), widths, (0.0, LOG_LENGTHS[1]), frequencies), axis=1
    )
    # A bell that is none has no place.
    return np.asarray(values[(values[:, 1] == 0) | (values[:, 2] < LOG_WIDE)])


def _bounds(*parts: Callable[[float], float]) -> Callable[[Shape], Floats]:
    return lambda shape: np.array([part(float(max(shape))) for part in parts])


def _one(value: float) -> Callable[[float], float]:
    return lambda _: value


def _angle(side: int) -> Callable[[float], float]:
    return _one(side * 999.0)


def _far(length: float) -> float:
    return length / 4 + 0.25


RIDGE_BOUNDS = (
    _bounds(_angle(-1), lambda length: -_far(length), _one(np.log(0.4)), _one(0.0)),
    _bounds(_angle(1), _far, lambda length: np.log(0.4 * length), _one(LOG_WIDE)),
)
SLOPE_BOUNDS = (
    _bounds(_angle(-1), lambda length: -_far(length), _one(np.log(0.4)), _one(0.0)),
    _bounds(_angle(1), _far, lambda length: np.log(0.7 * length), _one(LOG_WIDE)),
)
FLAT_BOUNDS = (
    _bounds(_angle(-1), lambda length: -_far(length), _one(np.log(0.25))),
    _bounds(_angle(1), _far, lambda length: np.log(length / 2)),
)
WAVE_BOUNDS = (
    _bounds(_angle(-1), _one(-1.5), _one(np.log(0.5)), _one(-0.7), lambda length: 1 / LONGEST / length),
    _bounds(_angle(1), _one(1.5), _one(LOG_WIDE), _one(1.5), _one(0.5)),
)
BELL_STEPS = (6.0, 0.25, 0.12, 0.3)
# Where the bell is wide, its place and the phase of the wave say nearly the same: then it is in the middle.
WAVE_COSTS = (0.0, 0.004, 0.0, 0.0, 0.0)
LINES = (
    Family(ridge, lambda shape: _grid(shape, 0.35), BELL_STEPS, *RIDGE_BOUNDS),
    Family(level_ridge, lambda shape: _grid(shape, 0.35), BELL_STEPS, *RIDGE_BOUNDS),
    Family(stroke, _flat_grid, (6.0, 0.25, 0.2), *FLAT_BOUNDS),
)
EDGES = (
    Family(slope, lambda shape: _grid(shape, 0.5), BELL_STEPS, *SLOPE_BOUNDS),
    Family(ramp, _flat_grid, (6.0, 0.25, 0.2), *FLAT_BOUNDS),
)
WAVES = tuple(
    Family(draw, _wave_grid, (6.0, 0.5, 0.2, 0.3, 0.02), *WAVE_BOUNDS, WAVE_COSTS)
    for draw in (wave, level_wave)
)
