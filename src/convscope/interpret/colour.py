"""Kernels of several channels as one spatial pattern: what they see in grey, in colour, or most of all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from convscope.interpret.templates import Floats

RGB = 3
# With at least half of its energy in colour a kernel is about colour.
COLOUR_SHARE = 0.5
GREY_AXIS = np.full(RGB, 1 / np.sqrt(RGB))
# Where each name's hues end, degrees from red over green and blue: opposite colours are the ones in use.
HUES = (
    (15, "red"), (45, "orange"), (75, "yellow"), (165, "green"), (195, "cyan"),
    (265, "blue"), (285, "violet"), (325, "magenta"), (360, "red"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Blend:
    """How the channels of one kernel were put together.

    Attributes:
        pattern: ``(kh, kw)``, the response to shapes in `axis` is this pattern's.
        axis: what each channel counts, the largest 1 or -1; all alike for a grey kernel.
        held: the share of the kernel's energy that the pattern holds.
        chroma: the share of the energy that grey pictures do not see; None where channels are no colours.
        is_colour: the pattern is one of colour: `axis` and its opposite are two colours.
        rival: the pattern along the axis not described: grey for a colour kernel, the strongest colour
            for a grey one; None where channels are no colours.
        opponents: what each channel counts along the strongest colour; None where channels are no colours.
        rival_held: the share of the kernel's energy that `rival` holds.
    """

    pattern: Floats
    axis: Floats
    held: float
    chroma: float | None
    is_colour: bool
    rival: Floats | None
    opponents: Floats | None = None
    rival_held: float = 0.0

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.axis)

    def colour(self, sign: int) -> str:
        """The name of the colour that raises (1) or lowers (-1) the response."""
        return hue_name(sign * self.axis)


def other_way(blend: Blend) -> Blend | None:
    """The same kernel along the axis that was not described; None where channels are no colours."""
    if blend.rival is None or blend.opponents is None:
        return None
    return replace(
        blend,
        pattern=blend.rival,
        axis=np.ones(RGB) if blend.is_colour else blend.opponents,
        held=blend.rival_held,
        is_colour=not blend.is_colour,
        rival=blend.pattern,
        rival_held=blend.held,
    )


def hue_name(axis: Floats) -> str:
    """The name of a direction in red, green and blue.

    >>> hue_name(np.array([1.0, 0.0, -1.0])), hue_name(np.array([-1.0, 0.0, 1.0]))
    ('orange', 'blue')
    """
    hue = _hue(axis)
    return next(name for end, name in HUES if hue <= end)


def _hue(axis: Floats) -> float:
    red, green, blue = axis
    return float(np.rad2deg(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360)


def blends(laid: Floats) -> list[Blend]:
    """One pattern for each kernel of ``(N, C, kh, kw)``."""
    count, channels, height, width = laid.shape
    if channels == 1:
        one = np.ones(1)
        return [Blend(kernel[0], one, 1.0, None, is_colour=False, rival=None) for kernel in laid]
    flat = laid.reshape(count, channels, height * width)
    # Squares of very large weights overflow: what is compared are shares.
    largest = np.abs(flat).max(axis=(1, 2), keepdims=True)
    return [
        replace(
            blend,
            pattern=blend.pattern * float(scale),
            rival=None if blend.rival is None else blend.rival * float(scale),
        )
        for blend, scale in zip(
            _blended(flat / np.where(largest > 0, largest, 1), (height, width)), largest.ravel(), strict=True
        )
    ]


def _blended(flat: Floats, shape: tuple[int, int]) -> list[Blend]:
    """Kernels ``(N, C, p)`` of moderate weights."""
    if flat.shape[1] == RGB:
        return _of_colours(flat, shape)
    axes, patterns = _strongest(flat)
    axes, lengths = _to_one(axes)
    energy = np.sum(flat**2, axis=(1, 2))
    held = np.sum(patterns**2, axis=1) / np.where(energy > 0, energy, 1)
    return [
        Blend(pattern.reshape(shape) / length, axis, float(share), None, is_colour=False, rival=None)
        for pattern, axis, share, length in zip(patterns, axes, held, lengths, strict=True)
    ]


def _of_colours(flat: Floats, shape: tuple[int, int]) -> list[Blend]:
    grey = np.einsum("c,ncp->np", GREY_AXIS, flat)
    rest = flat - GREY_AXIS[:, None] * grey[:, None, :]
    axes, patterns = _strongest(rest)
    total = np.sum(flat**2, axis=(1, 2))
    total = np.where(total > 0, total, 1)
    chroma = np.sum(rest**2, axis=(1, 2)) / total
    found = []
    for index in range(len(flat)):
        share = float(chroma[index])
        is_colour = share >= COLOUR_SHARE
        # Of the two signs the axis takes the warm one, so that a kernel turned upside down keeps its colours.
        sign = 1.0 if (_hue(axes[index]) + 35) % 360 < 180 else -1.0
        axis = sign * axes[index] / np.abs(axes[index]).max()
        colour = (axis @ flat[index]).reshape(shape)
        plain = flat[index].sum(axis=0).reshape(shape)
        held, other = (
            float(np.sum(part[index] ** 2) / total[index])
            for part in ((patterns, grey) if is_colour else (grey, patterns))
        )
        found.append(
            Blend(
                colour if is_colour else plain,
                axis if is_colour else np.ones(RGB),
                held,
                share,
                is_colour,
                plain if is_colour else colour,
                axis,
                other,
            )
        )
    return found


def _to_one(axes: Floats) -> tuple[Floats, Floats]:
    """Axes whose largest part is 1, and what they were divided by."""
    largest = np.abs(axes).max(axis=1)
    return axes / largest[:, None], largest


def _strongest(flat: Floats) -> tuple[Floats, Floats]:
    """The leading axis ``(N, C)`` and its pattern ``(N, p)``; the axis' sum is not negative."""
    channels, taps = flat.shape[1:]
    if channels <= taps:
        _, vectors = np.linalg.eigh(np.einsum("ncp,ndp->ncd", flat, flat))
        axes = vectors[:, :, -1]
    else:
        _, vectors = np.linalg.eigh(np.einsum("ncp,ncq->npq", flat, flat))
        axes = np.einsum("ncp,np->nc", flat, vectors[:, :, -1])
        length = np.linalg.norm(axes, axis=1, keepdims=True)
        axes = np.where(length > 0, axes / np.where(length > 0, length, 1), 1 / np.sqrt(channels))
    axes = np.where(axes.sum(axis=1, keepdims=True) < 0, -axes, axes)
    return axes, np.einsum("nc,ncp->np", axes, flat)
