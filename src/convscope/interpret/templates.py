"""Patterns that kernels are compared with: for each kind and size, many small subspaces of known meaning.

A template is a subspace of one to three patterns; a kernel fits it as well as the share of its
energy that lies in it. Derivatives of Gaussians are steerable: the energy in {Gx, Gy} is the same
whatever the edge's direction (W. T. Freeman & E. H. Adelson, 'The design and use of steerable
filters', IEEE PAMI 13 (1991)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]  # float32 or float64
Shape = tuple[int, int]

# Kernels of more taps than this are compared with fewer templates, in single precision.
LARGE = 150
# Below this share of the longest pattern's length nothing of a pattern is left beside the others.
DEGENERATE = 1e-6


@dataclass(frozen=True, eq=False)
class Templates:
    """Subspaces of one kind: ``(L, m, n)`` orthonormal rows, and what each means.

    Attributes:
        bases: for each subspace its rows; a row of zeros where the subspace has fewer dimensions.
        raw: the patterns before they were made orthonormal, ``(L, m, n)``; none of joined templates.
        angle: degrees, y down: along which brightness changes; NaN where the subspace has no direction.
        scale: the width in pixels (a Gaussian's σ, half of a box), or the wavelength of a Gabor.
        variant: what sort of its kind.
        free: how many numbers were fitted: dimensions and continuous parameters.
    """

    bases: Numbers
    raw: Floats
    angle: Floats
    scale: Floats
    variant: tuple[str, ...]
    free: int

    def __len__(self) -> int:
        return len(self.bases)

    @cached_property
    def planes(self) -> tuple[tuple[Integers, Numbers, Numbers], ...]:
        """For each row of the subspaces: which have it, and those rows as columns, single and double."""
        found = []
        for row in np.moveaxis(self.bases, 1, 0):
            places = np.flatnonzero(np.any(row != 0, axis=1))
            columns = row[places].T
            found.append((places, columns.astype(np.float32), columns))
        return tuple(found)

    def energies(self, units: Numbers) -> Numbers:
        """The share of the energy of each pattern ``(N, n)`` that lies in each subspace, ``(N, L)``."""
        total = np.zeros((len(units), len(self)), units.dtype)
        for places, single, double in self.planes:
            products = units @ (single if units.dtype == np.float32 else double)
            np.multiply(products, products, out=products)
            if len(places) == len(self):
                total += products
            elif len(places):
                total[:, places] += products
        return total


def joined(parts: Sequence[Templates]) -> Templates:
    """All templates of several sorts, rows of zeros where a sort has fewer dimensions."""
    parts = [part for part in parts if len(part)] or [parts[0]]
    most = max(part.bases.shape[1] for part in parts)
    return Templates(
        np.concatenate([_widened(part.bases, most) for part in parts]),
        np.zeros((sum(map(len, parts)), most, 0)),
        np.concatenate([part.angle for part in parts]),
        np.concatenate([part.scale for part in parts]),
        tuple(name for part in parts for name in part.variant),
        max(part.free for part in parts),
    )


def _widened(rows: Numbers, most: int) -> Numbers:
    return np.pad(rows, ((0, 0), (0, most - rows.shape[1]), (0, 0)))


def of_patterns(
    patterns: Floats, *, angle: Floats | float = np.nan, scale: Floats | float = np.nan,
    variant: str = "", free: int,
) -> Templates:  # fmt: skip
    """Templates from ``(L, m, kh, kw)`` patterns that span each subspace."""
    count, rows = patterns.shape[:2]
    flat = patterns.reshape(count, rows, patterns.shape[2] * patterns.shape[3])
    kept = np.abs(flat).max(axis=(1, 2), initial=0) > DEGENERATE  # the rest is rounding
    flat = flat[kept]
    basis = orthonormal(flat)
    return Templates(
        basis.astype(np.float32) if flat.shape[-1] > LARGE else basis,
        flat if rows > 1 else np.zeros((len(flat), rows, 0)),
        np.broadcast_to(angle, (count,))[kept],
        np.broadcast_to(scale, (count,))[kept],
        (variant,) * len(flat),
        free,
    )


def orthonormal(rows: Floats) -> Floats:
    """Gram and Schmidt on every subspace at once; what depends on earlier rows becomes zero."""
    basis = np.zeros_like(rows)
    # Of the longest pattern: sines of half a wave a pixel are nothing but rounding on the grid.
    length = np.linalg.norm(rows, axis=2).max(axis=1, keepdims=True, initial=0)
    for index in range(rows.shape[1]):
        row = rows[:, index]
        for _ in range(2):  # twice is enough (Kahan)
            inner = np.einsum("ln,lmn->lm", row, basis[:, :index])
            row = row - np.einsum("lm,lmn->ln", inner, basis[:, :index])
        left = np.linalg.norm(row, axis=1, keepdims=True)
        is_new = left > DEGENERATE * np.maximum(length, 1e-300)
        basis[:, index] = np.where(is_new, row / np.where(is_new, left, 1), 0)
    return basis


# --- where pixels are -------------------------------------------------------------------------


def offsets(shape: Shape) -> tuple[Floats, Floats]:
    """Y and x of every tap about the middle of the kernel, ``(kh, kw)`` each."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return y - (height - 1) / 2, x - (width - 1) / 2


def rotated_axes(
    shape: Shape, angle: Floats, along: Floats | float = 0.0, across: Floats | float = 0.0
) -> tuple[Floats, Floats]:
    """For each angle (degrees, y down) the coordinate along it and the one across it, ``(L, kh, kw)``.

    `along` and `across` move the origin.
    """
    y, x = offsets(shape)
    turn = np.deg2rad(np.asarray(angle, dtype=np.float64))[:, None, None]
    u = x * np.cos(turn) + y * np.sin(turn) - _column(along)
    v = y * np.cos(turn) - x * np.sin(turn) - _column(across)
    return u, v


def _column(value: Floats | float) -> Floats:
    return np.asarray(value, dtype=np.float64).reshape(-1, 1, 1)


def combined(*lists: Sequence[float]) -> list[Floats]:
    """Every combination of the values, each list as one long column."""
    return [grid.reshape(-1) for grid in np.meshgrid(*map(np.asarray, lists), indexing="ij")]


def angles_of(shape: Shape, half_turn: float = 180.0) -> list[float]:
    """The directions worth telling apart at this size; a kernel of one row or column has one."""
    if shape[0] == 1:
        return [0.0]
    if shape[1] == 1:
        return [90.0]
    count = 8 if max(shape) <= 3 else 16 if max(shape) <= 9 else 24
    return [half_turn * step / count for step in range(count)]


def scales_of(shape: Shape, largest: float = 0.7) -> list[float]:
    """Widths from a part of a pixel to a part of the kernel, finer where kernels are small."""
    length = max(shape)
    ratio = 1.25 if length <= 9 else 1.4
    top = max(0.9, largest * length)
    return list(np.geomspace(0.45, top, max(2, round(np.log(top / 0.45) / np.log(ratio)) + 1)))


def is_large(shape: Shape) -> bool:
    """True of sizes at which random kernels fit nothing: fewer templates tell kinds apart as well."""
    return shape[0] * shape[1] > LARGE


def shifts_of(length: int, step: float = 0.5, part: float = 0.25) -> list[float]:
    """Where a pattern's centre may lie along an axis of so many taps, about the middle.

    It lies within `part` of the axis' length.
    """
    if length < 3:
        return [0.0]
    reach = min(step * round((length - 1) * part / step), (2 if length**2 > LARGE else 4) * step)
    return list(np.arange(-reach, reach + step / 2, step))


def step_of(shape: Shape) -> float:
    """How finely centres are placed: half a pixel where kernels are small, not at all where tiny."""
    if shape[0] * shape[1] < 9:
        return float(max(shape))
    return 0.5 if max(shape) <= 7 else max(shape) / 16


# --- profiles ---------------------------------------------------------------------------------


def gaussian(u: Floats, width: Floats) -> Floats:
    """exp(-u²/2σ²), for each template its σ."""
    return np.asarray(np.exp(-0.5 * (u / _column(width)) ** 2))


def without_mean(pattern: Floats, weight: Floats) -> Floats:
    """The pattern less as much of `weight` as makes its sum zero."""
    total = pattern.sum(axis=(-2, -1), keepdims=True) / weight.sum(axis=(-2, -1), keepdims=True)
    return np.asarray(pattern - total * weight)
