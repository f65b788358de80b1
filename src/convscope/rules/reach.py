"""Which input cells an output cell reads, along one axis of one layer: one table from layer to rule.

Receptive fields are worked out forwards, for all cells at once, and backwards, for one cell
exactly; both ask this table, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, TypeVar

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from convscope.core.structural import Pad, Upsample
from convscope.rules.window import same_padding

# What a read beyond the border finds: nothing of the input, or a cell that the padding copies.
Beyond: TypeAlias = Literal["nothing", "replicate", "reflect", "circular"]

_BEYOND: dict[str, Beyond] = {
    "zeros": "nothing",
    "constant": "nothing",
    "replicate": "replicate",
    "reflect": "reflect",
    "circular": "circular",
}

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Windows:
    """A window that slides: output o reads `taps` cells from ``first + o·advance`` on, `dilation` apart.

    Every reach has a `period` and an `advance`: output ``o + period`` reads what output o reads,
    `advance` cells further on.
    """

    first: int
    taps: int
    advance: int
    dilation: int = 1
    beyond: Beyond = "nothing"

    @property
    def period(self) -> int:
        """All windows are alike."""
        return 1

    def cells(self, output: int) -> range:
        """The cells read, those beyond the border counted on."""
        start = self.first + output * self.advance
        return range(start, start + self.dilation * (self.taps - 1) + 1, self.dilation)


@dataclass(frozen=True, slots=True)
class Stamps:
    """Every input cell i stamps a kernel: it reaches the outputs ``i·period + t·dilation − cut``, t < taps.

    So outputs of different phases may read different numbers of cells, and some none.
    """

    cut: int
    taps: int
    period: int
    dilation: int = 1
    beyond: Beyond = "nothing"

    @property
    def advance(self) -> int:
        """One input cell further for each stride of outputs."""
        return 1

    def cells(self, output: int) -> range:
        """The cells whose stamp reaches the output."""
        place = output + self.cut
        shared = math.gcd(self.dilation, self.period)
        if place % shared:
            return range(0)
        # The taps that hit are one residue class: t·dilation ≡ place (mod period).
        round_ = self.period // shared
        tap = place // shared * pow(self.dilation // shared, -1, round_) % round_ if round_ > 1 else 0
        hits = range(tap, self.taps, round_)
        if not hits:
            return range(0)
        first, last = ((place - t * self.dilation) // self.period for t in (hits[-1], hits[0]))
        return range(first, last + 1, self.dilation // shared)


@dataclass(frozen=True, slots=True)
class Nearest:
    """Output o copies cell ``⌊o·advance/period⌋``."""

    period: int
    advance: int
    beyond: Beyond = "replicate"

    def cells(self, output: int) -> range:
        """The one cell copied."""
        cell = output * self.advance // self.period
        return range(cell, cell + 1)


@dataclass(frozen=True, slots=True)
class Interpolated:
    """Output o reads the cells on both sides of ``(o·scale + shift)``, or the one it falls on."""

    scale: Fraction
    shift: Fraction
    beyond: Beyond = "replicate"

    @property
    def period(self) -> int:
        """After so many outputs the places between cells come again."""
        return self.scale.denominator

    @property
    def advance(self) -> int:
        """The cells passed meanwhile."""
        return self.scale.numerator

    def cells(self, output: int) -> range:
        """The one or two cells read."""
        place = self.scale * output + self.shift
        return range(math.floor(place), math.ceil(place) + 1)


@dataclass(frozen=True, slots=True)
class Shares:
    """Output o reads the cells from ``⌊o·advance/period⌋`` to before ``⌈(o + 1)·advance/period⌉``."""

    period: int
    advance: int
    beyond: Beyond = "nothing"

    def cells(self, output: int) -> range:
        """The cells of the share."""
        return range(output * self.advance // self.period, -(-(output + 1) * self.advance // self.period))


Reach: TypeAlias = Windows | Stamps | Nearest | Interpolated | Shares


def entry(entries: Sequence[Entry], axis: int) -> Entry:
    """The option of one axis; an option given once holds for all."""
    return entries[axis] if len(entries) > 1 else entries[0]


def padding_of(layer: Conv | MaxPool | AvgPool | LpPool, axis: int, n: int) -> tuple[int, int]:
    """The padding before and after an axis of `n` cells, "same" worked out."""
    if layer.padding == "same":
        extent = entry(layer.dilation, axis) * (entry(layer.kernel_size, axis) - 1) + 1
        return same_padding(n, extent, entry(layer.stride, axis))
    return entry(layer.padding, axis)


def _convolution(layer: Conv, axis: int, n: int, n_out: int) -> Reach:  # noqa: ARG001 - a rule's signature
    before = padding_of(layer, axis, n)[0]
    return Windows(
        -before,
        entry(layer.kernel_size, axis),
        entry(layer.stride, axis),
        entry(layer.dilation, axis),
        _BEYOND[layer.padding_mode],
    )


def _pool(layer: MaxPool | AvgPool | LpPool, axis: int, n: int, n_out: int) -> Reach:  # noqa: ARG001
    before = padding_of(layer, axis, n)[0]
    return Windows(
        -before, entry(layer.kernel_size, axis), entry(layer.stride, axis), entry(layer.dilation, axis)
    )


def _transposed(layer: ConvTranspose, axis: int, n: int, n_out: int) -> Reach:  # noqa: ARG001
    return Stamps(
        entry(layer.padding, axis)[0],
        entry(layer.kernel_size, axis),
        entry(layer.stride, axis),
        entry(layer.dilation, axis),
    )


def _padded(layer: Pad, axis: int, n: int, n_out: int) -> Reach:  # noqa: ARG001
    return Windows(-entry(layer.padding, axis)[0], 1, 1, 1, _BEYOND[layer.padding_mode])


def _adaptive(layer: AdaptiveAvgPool | AdaptiveMaxPool, axis: int, n: int, n_out: int) -> Reach:  # noqa: ARG001
    if n % n_out == 0:
        return Windows(0, n // n_out, n // n_out)
    shared = math.gcd(n, n_out)
    return Shares(n_out // shared, n // shared)


def _resized(layer: Upsample, axis: int, n: int, n_out: int) -> Reach:
    scale = Fraction(n, n_out) if layer.scale_factor is None else 1 / entry(layer.scale_factor, axis)
    if layer.mode == "nearest":
        return Nearest(scale.denominator, scale.numerator)
    if layer.align_corners:
        return Interpolated(Fraction(n - 1, n_out - 1) if n_out > 1 else Fraction(0), Fraction(0))
    # Cells are squares: centre o + ½ of the output lies at (o + ½)·scale of the input.
    return Interpolated(scale, (scale - 1) / 2)


REACH_RULES: dict[type[Layer], Callable[[Any, int, int, int], Reach]] = {
    Conv: _convolution,
    ConvTranspose: _transposed,
    MaxPool: _pool,
    AvgPool: _pool,
    LpPool: _pool,
    AdaptiveAvgPool: _adaptive,
    AdaptiveMaxPool: _adaptive,
    Upsample: _resized,
    Pad: _padded,
}


# Operators that move cells between channels and space, as importers name them.
_SHUFFLES = ("pixelshuffle", "pixelunshuffle", "depthtospace", "spacetodepth")


def is_shuffle(op: str) -> bool:
    """Whether the operator moves cells between channels and space.

    >>> is_shuffle("pixel_shuffle"), is_shuffle("DepthToSpace"), is_shuffle("reshape")
    (True, True, False)
    """
    return op.lower().replace("_", "").startswith(_SHUFFLES)


def resampled(n: int, n_out: int) -> Reach | None:
    """The reach of such an operator along one axis; None where the lengths do not divide."""
    if n_out % n == 0:
        return Nearest(n_out // n, 1)
    return Windows(0, n // n_out, n // n_out) if n % n_out == 0 else None
