"""The figures an answer rests on, each with its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from convscope.interpret.families import anchor_of, bells, gradients, second_derivatives
from convscope.interpret.finding import Finding, curvatures
from convscope.interpret.fitting import fitted, templates
from convscope.interpret.templates import Floats

# Singular values below this share of the largest are rounding or noise.
RANK_SHARE = 0.01
# The spectrum is sampled on a grid of so many frequencies a side.
SPECTRUM = 64


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
    found = [*_sums(laid)]
    largest = np.abs(finding.pattern).max(initial=0.0)
    if largest:
        finding = replace(finding, pattern=finding.pattern / largest)
        for part in (_fit, _symmetry, _families, _shape, _spectrum, _colour):
            found += part(finding)
    return tuple(found)


def _sums(laid: Floats) -> Iterator[Evidence]:
    absolute, norm = float(np.abs(laid).sum()), norm_of(laid)
    yield Evidence(
        "DC gain", float(laid.sum()) / absolute if absolute else 0.0,
        "ΣK/Σ|K|: 0 where flat areas give nothing, 1 for an average",
    )  # fmt: skip
    yield Evidence("sum", float(laid.sum()), "ΣK: what a flat area of 1 becomes")
    yield Evidence("ℓ1 norm", absolute, "Σ|K|: the largest response to pixels from -1 to 1")
    yield Evidence("ℓ2 norm", norm, "‖K‖: the response to the optimal picture of length 1")
    yield Evidence("noise gain", norm * norm, "ΣK²: by how much the variance of white noise is multiplied")


def norm_of(values: Floats) -> float:
    """The square root of the sum of squares, without overflow on the way."""
    largest = float(np.abs(values).max(initial=0.0))
    return largest * float(np.linalg.norm(values / largest)) if largest else 0.0


def _fit(finding: Finding) -> Iterator[Evidence]:
    rows, columns = finding.size
    yield Evidence(
        "explained", finding.explained,
        f"the share of the energy in the best pattern of the kind '{finding.nearest}'",
    )  # fmt: skip
    yield Evidence(
        "p-value", finding.p_value,
        f"the share of random {rows}×{columns} kernels that fit any kind as well under the same search",
    )  # fmt: skip


def _symmetry(finding: Finding) -> Iterator[Evidence]:
    pattern = finding.pattern
    energy = float(np.sum(pattern**2))
    odd = float(np.sum((pattern - pattern[::-1, ::-1]) ** 2)) / 4 / energy
    yield Evidence("odd energy", odd, "the share that changes its sign when rotated by 180°: edges are odd")
    yield Evidence("even energy", 1 - odd, "the share that does not: lines, spots and averages are even")
    for name, turned in (("left and right", pattern[:, ::-1]), ("top and bottom", pattern[::-1])):
        yield Evidence(
            f"symmetry, {name}", float(np.sum(pattern * turned)) / energy,
            f"1 when {name} mirror each other, -1 when they are opposites",
        )  # fmt: skip


def _families(finding: Finding) -> Iterator[Evidence]:
    pattern = finding.pattern
    shape = (pattern.shape[0], pattern.shape[1])
    unit = pattern.reshape(1, -1) / np.linalg.norm(pattern)
    told = (
        ("{G}", bells, "one Gaussian explains: an average"),
        ("{Gx, Gy}", gradients, "the gradient of a Gaussian explains: an edge"),
        ("{Gxx, Gxy, Gyy}", second_derivatives, "its second derivatives explain: a line, a spot, a saddle"),
    )
    for name, maker, meaning in told:
        fit = fitted(maker, shape, unit)
        yield Evidence(
            f"energy in {name}", float(fit.explained[0]), f"the share that {meaning}; best scale and centre"
        )
        if len(templates(maker, shape)):
            scale = float(templates(maker, shape).scale[fit.best[0]])
            yield Evidence(f"scale of {name}", scale, "its σ in pixels")
    _, first, second = (float(values[0]) for values in curvatures(unit, shape))
    larger, smaller = sorted((first, second), key=abs, reverse=True)
    yield Evidence(
        "Hessian eigenvalue ratio", smaller / larger if larger else 0.0,
        "of {Gxx, Gxy, Gyy}: near 0 a line, near 1 a spot, near -1 a saddle",
    )  # fmt: skip


def _shape(finding: Finding) -> Iterator[Evidence]:
    pattern = finding.pattern
    values = np.linalg.svd(pattern, compute_uv=False)
    rank = int(np.count_nonzero(values > RANK_SHARE * values[0]))
    yield Evidence("separable rank", rank, "how many products of a column and a row it takes; 1 is separable")
    yield Evidence(
        "energy in the first product", float(values[0] ** 2 / np.sum(values**2)),
        "the share that the best column times row explains",
    )  # fmt: skip
    weight = np.abs(pattern) / np.abs(pattern).sum()
    rows, columns = np.mgrid[: pattern.shape[0], : pattern.shape[1]]
    row, column = anchor_of((pattern.shape[0], pattern.shape[1]))
    yield Evidence("centre, down", float(np.sum(weight * rows)) - row, "the centroid of |K| below the anchor")
    yield Evidence(
        "centre, right", float(np.sum(weight * columns)) - column, "the centroid of |K| right of the anchor"
    )


def _spectrum(finding: Finding) -> Iterator[Evidence]:
    side = max(SPECTRUM, *finding.pattern.shape)
    power = np.abs(np.fft.fft2(finding.pattern, (side, side))) ** 2
    down, across = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    peak = np.unravel_index(int(power.argmax()), power.shape)
    directed = np.sum(power * np.exp(2j * np.arctan2(down, across)) * ((down != 0) | (across != 0)))
    yield Evidence(
        "spectral coherence", float(np.abs(directed) / power.sum()),
        "1 when all frequencies lie along one direction, 0 when none is preferred",
    )  # fmt: skip
    yield Evidence(
        "peak frequency", float(np.hypot(down[peak], across[peak])),
        "cycles a pixel: 0 for an average, 0.5 for stripes of one pixel",
    )  # fmt: skip


def _colour(finding: Finding) -> Iterator[Evidence]:
    blend = finding.blend
    if blend is None:
        return
    yield Evidence(
        "energy described", blend.held, "the share of all channels' energy in the pattern described"
    )
    if blend.chroma is None or blend.opponents is None:
        return
    yield Evidence("chroma share", blend.chroma, "the share of the energy that grey pictures do not see")
    for name, value in zip(("red", "green", "blue"), blend.opponents, strict=True):
        yield Evidence(
            f"opponent axis, {name}", float(value), "what this channel counts in the strongest colour"
        )
