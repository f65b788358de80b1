"""What the rules of `as_conv` share: what is known of the input, and how their convolutions are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.core.array import MAX_CELLS, ExactArray, RationalArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.kernel import Kernel
from convscope.core.layer import Layer
from convscope.errors import InputError, ShapeError
from convscope.rewrite.affine_map import Index, told_shape


@dataclass(frozen=True)
class Place:
    """What is known of the input where a layer stands.

    Attributes:
        channels: how many.
        rank: how many spatial axes.
        spatial: their lengths, where an input shape was given.
    """

    channels: int
    rank: int
    spatial: Index | None

    def lengths(self, layer: Layer, why: str) -> Index:
        """The lengths of the spatial axes.

        Raises:
            InputError: no input shape was given.
        """
        if self.spatial is None:
            raise InputError(f"{type(layer).__name__}: give input_shape, because {why}")
        return self.spatial


Draft = tuple[tuple[Layer, ...], tuple[Step, ...]]


def conv_of(weight: ExactArray, name: str = "", **options: Any) -> Conv:  # noqa: ANN401 - a convolution's options
    """A convolution; of one channel its weights are a kernel."""
    if weight.shape[:2] == (1, 1):
        return Conv(Kernel(weight[0, 0], name), **options)
    return Conv(weight, **options)


def depthwise(taps: ExactArray, channels: int) -> ExactArray:
    """The taps once for each channel: weights ``(channels, 1, *taps)``."""
    refuse_wide((channels, 1, *taps.shape))
    return taps.rearranged(lambda cells: np.broadcast_to(cells, (channels, 1, *cells.shape)))


def ones(size: Index, divisor: int = 1) -> RationalArray:
    """Equal taps, each one part of `divisor`."""
    refuse_wide(size)
    return RationalArray(np.ones(size, dtype=np.int64), divisor)


def refuse_wide(shape: Index) -> None:
    """Refuse weights of more cells than memory is asked for.

    Raises:
        ShapeError: with their shape and number.
    """
    cells = math.prod(shape)
    if cells > MAX_CELLS:
        raise ShapeError(
            f"weights of shape {told_shape(shape)} have {cells:,} cells, which is too many; up to "
            f"{MAX_CELLS:,} are worked"
        )


def unit(rank: int) -> ExactArray:
    """A single tap of 1."""
    return RationalArray(np.ones((1,) * rank, dtype=np.int64))


def stamps(taps: ExactArray, place: Place, **options: Any) -> ConvTranspose:  # noqa: ANN401 - its options
    """Every channel stamps the taps on its own."""
    if place.channels == 1:
        return ConvTranspose(Kernel(taps), **options)
    return ConvTranspose(depthwise(taps, place.channels), groups=place.channels, **options)
