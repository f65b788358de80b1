"""Filters as pictures: three channels as one picture in colour, any other number channel by channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convscope.core.kernel_picture import Pixels, kernel_pixels, tiled

Floats = npt.NDArray[np.float64]

# More channels than this are too small to be told apart; the strongest are shown.
MOST_CHANNELS = 64
BETWEEN = 140
OVERVIEW_SIDE, OVERVIEW_GAP, OVERVIEW_COLUMNS = 44, 6, 12
RGB = 3


def filter_picture(weights: Floats) -> Pixels:
    """One filter ``(C, kh, kw)`` as a picture, a tap a pixel.

    Three channels are red, green and blue around a middle grey, which is zero. Of any other number
    each channel is drawn alone, all to one scale, side by side in rows.
    """
    largest = float(np.max(np.abs(weights), initial=0.0))
    if len(weights) == RGB:
        part = weights / largest if largest > 0 else np.zeros_like(weights)
        return np.moveaxis(np.rint(127.5 + 127.5 * part), 0, -1).astype(np.uint8)
    if len(weights) > MOST_CHANNELS:
        share = weights / largest if largest > 0 else weights
        strongest = np.argsort(-np.square(share).sum(axis=(1, 2)), kind="stable")[:MOST_CHANNELS]
        weights = weights[np.sort(strongest)]
    channels = [kernel_pixels(channel, largest=largest, side=1) for channel in weights]
    return tiled(channels, gap=1, across=math.ceil(math.sqrt(len(channels))), paper=BETWEEN)


def channel_pictures(weights: Floats) -> list[Pixels]:
    """Each channel of a filter ``(C, kh, kw)`` drawn alone, all to one scale, a tap a pixel."""
    largest = float(np.max(np.abs(weights), initial=0.0))
    return [kernel_pixels(channel, largest=largest, side=1) for channel in weights]


def overview(pictures: Sequence[Pixels]) -> Pixels:
    """Pictures enlarged to about one size, in rows from left to right on white."""
    grown = []
    for picture in pictures:
        times = max(1, OVERVIEW_SIDE // max(picture.shape[:2]))
        grown.append(picture.repeat(times, axis=0).repeat(times, axis=1))
    empty = [np.full_like(grown[0], 255)] * (-len(grown) % OVERVIEW_COLUMNS)
    return tiled([*grown, *empty], gap=OVERVIEW_GAP, across=OVERVIEW_COLUMNS)
