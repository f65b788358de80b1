"""The figures an answer rests on, each with its meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convscope.interpret.families import bells, gradients, second_derivatives
from convscope.interpret.finding import Finding
from convscope.interpret.fitting import fitted
from convscope.interpret.templates import Floats


@dataclass(frozen=True)
class Evidence:
    """One figure.

    Attributes:
        name: what it is called.
        value: the figure.
        meaning: what it says about the kernel.
    """

    name: str
    value: float
    meaning: str


def evidence_of(finding: Finding, laid: Floats) -> tuple[Evidence, ...]:
    """Every figure of one kernel, ``(C, kh, kw)`` as it lies on the picture."""
    pattern = finding.pattern
    total, absolute = float(pattern.sum()), float(np.abs(pattern).sum())
    norm = float(np.sqrt(np.sum(laid**2)))
    found = [
        Evidence("DC gain", total / absolute if absolute else 0.0,
                 "ΣK/Σ|K|: 0 on flat areas of an edge or line detector, 1 of an average"),
        Evidence("ℓ1 norm", absolute, "Σ|K|: the largest response to pixels from -1 to 1"),
        Evidence("ℓ2 norm", norm, "‖K‖: the response to the optimal picture of length 1"),
        Evidence("noise gain", norm, "white noise of deviation 1 comes out with this deviation"),
    ]  # fmt: skip
    if not absolute:
        return tuple(found)
    return (*found, *_symmetry(pattern), *_families(pattern))


def _symmetry(pattern: Floats) -> list[Evidence]:
    energy = float(np.sum(pattern**2))
    odd = float(np.sum((pattern - pattern[::-1, ::-1]) ** 2)) / 4 / energy
    return [
        Evidence("odd energy", odd, "the part that changes sign when rotated by 180°: edges are odd"),
        Evidence("even energy", 1 - odd, "the part that stays: lines, spots and averages are even"),
    ]


def _families(pattern: Floats) -> list[Evidence]:
    unit = pattern.reshape(1, -1) / np.linalg.norm(pattern)
    shape = (pattern.shape[0], pattern.shape[1])
    told = (
        ("energy in {G}", bells, "explained by one Gaussian: an average"),
        ("energy in {Gx, Gy}", gradients, "explained by a Gaussian's gradient: an edge"),
        ("energy in {Gxx, Gxy, Gyy}", second_derivatives, "explained by its curvature: a line or a spot"),
    )
    return [
        Evidence(name, float(fitted(maker, shape, unit).explained[0]), meaning)
        for name, maker, meaning in told
    ]
