"""A tap against its surroundings: sharpening, unsharp masks and spots told apart by the level they keep.

All are a tap less a blurred neighbourhood, which is next to nothing where the picture is copied. One that
keeps the level of flat areas sharpens; one whose weights sum to zero answers to spots and gives nothing on
flat areas. The level is that of the pattern which explains the kernel: noise on the taps beside it says
nothing of it.
"""

from __future__ import annotations

import numpy as np

from convscope.interpret.families import blob, middle_tap, sharpen, unsharp
from convscope.interpret.fitting import Booleans, Fit, Sums, fitted
from convscope.interpret.kinds import KEEPS_LEVEL, is_one_tap_in_place
from convscope.interpret.templates import Floats, Shape

# The kinds that are told apart here.
SURROUNDED = ("identity", "sharpen", "unsharp", "blob")
# It is a copy unless the surroundings add energy, this many deviations clear of what noise would give.
CLEAR_OF_COPY = 2.6
# The nearest neighbours weigh most in an unsharp mask, too: they alone must explain more by so much, unless
# the kernel has no others.
LEAST_NEARER, SMALL = 0.0025, 3
# Energies that differ by less are equal.
ROUNDING = 1e-12
# Energy that a spot explains and a tap with its surroundings does not.
LEAST_ROUNDER = 0.006
# How many deviations of what the pattern leaves the level must be from zero; of nearest neighbours no
# more than half of their own weight, since a tap that keeps the level has that of one of them over.
CLEAR, CLEAR_OF_ALL, HALF = 1.5, 2.0, 0.5


def surrounded(units: Floats, sums: Sums, shape: Shape) -> list[str | None]:
    """Which of these kinds each kernel ``(N, n)`` is; None where a tap and its surroundings say nothing."""
    if not len(units):
        return []
    near, wide = fitted(sharpen, shape, units), fitted(unsharp, shape, units)
    spots = fitted(blob, shape, units).explained
    tap = fitted(middle_tap, shape, units)
    is_near = near.explained - wide.explained >= (LEAST_NEARER if max(shape) > SMALL else 0)
    explained = np.where(is_near, near.explained, wide.explained)
    keeps = np.where(is_near, _keeps_level(near, sums, HALF), _keeps_level(wide, sums, np.inf))
    opposed = np.where(is_near, _is_opposed(near), _is_opposed(wide))
    added = np.where(opposed, explained - tap.explained, 0.0)
    noise = CLEAR_OF_COPY**2 * np.maximum(1 - explained, 0) / sums.taps
    copies = is_one_tap_in_place(sums, tap) & (added <= noise + ROUNDING)
    found: list[str | None] = []
    for index in range(len(units)):
        if copies[index]:
            found.append("identity")
        elif not opposed[index]:
            found.append(None)
        elif spots[index] > explained[index] + LEAST_ROUNDER or not keeps[index]:
            found.append("blob")
        else:
            found.append("sharpen" if is_near[index] else "unsharp")
    return found


def _is_opposed(fit: Fit) -> Booleans:
    """The tap and its surroundings are of unlike signs."""
    return np.asarray(fit.inner[:, 0] * fit.inner[:, 1] < 0)


def _keeps_level(fit: Fit, sums: Sums, most: float) -> Booleans:
    """The level that the pattern keeps is clear of zero, and the whole kernel does not undo it.

    Of `most` times the weight of a neighbour it is clear, whatever the noise.
    """
    sign = np.sign(fit.inner[:, 0])
    level = np.sum(fit.inner * fit.sums, axis=1) * sign / sums.absolute
    scatter = sums.noise(fit) * np.linalg.norm(fit.sums, axis=1) / np.sqrt(sums.taps)
    total = np.abs(fit.inner[:, 1] * fit.sums[:, 1])
    neighbour = fit.inner[:, 1] ** 2 / np.where(total > 0, total, 1) / sums.absolute
    least = np.minimum(CLEAR * scatter, most * neighbour) if np.isfinite(most) else CLEAR * scatter
    whole = sums.level * sign + CLEAR_OF_ALL * sums.noise(fit)
    return np.asarray((level >= np.maximum(KEEPS_LEVEL, least)) & (whole >= KEEPS_LEVEL / 2))
