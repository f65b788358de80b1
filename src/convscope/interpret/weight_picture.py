"""Weights as pictures: three channels as one picture in colour, any other number channel by channel.

Where a channel is drawn alone its colour goes from blue (negative) over white (zero) to orange
(positive): Okabe and Ito's two hues that every kind of colour vision tells apart. In grey the two are
of unlike darkness, blue the darker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

NEGATIVE = np.array([0, 68, 136], dtype=np.float64)
ZERO = np.array([250, 250, 250], dtype=np.float64)
POSITIVE = np.array([221, 108, 0], dtype=np.float64)
BETWEEN = np.array([140, 140, 140], dtype=np.uint8)
PAPER = np.array([255, 255, 255], dtype=np.uint8)
OVERVIEW_SIDE, OVERVIEW_GAP, OVERVIEW_COLUMNS = 44, 6, 12
# More channels than this are too small to be told apart; the strongest are shown.
MOST_CHANNELS = 64
RGB = 3


def diverging(values: Floats, largest: float) -> Pixels:
    """Numbers as colours, ``(…, 3)``: blue below zero, white at zero, orange above.

    Args:
        values: any shape.
        largest: the magnitude that gets the full colour; all is white where it is 0.
    """
    part = np.clip(values / largest if largest > 0 else np.zeros_like(values), -1, 1)[..., None]
    ends = np.where(part < 0, NEGATIVE, POSITIVE)
    return np.rint(ZERO + np.abs(part) * (ends - ZERO)).astype(np.uint8)


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
        strongest = np.argsort(-np.square(weights).sum(axis=(1, 2)), kind="stable")[:MOST_CHANNELS]
        weights = weights[np.sort(strongest)]
    across = math.ceil(math.sqrt(len(weights)))
    return _tiled([diverging(channel, largest) for channel in weights], 1, across, BETWEEN)


def channel_pictures(weights: Floats) -> list[Pixels]:
    """Each channel of a filter ``(C, kh, kw)`` drawn alone, all to one scale."""
    largest = float(np.max(np.abs(weights), initial=0.0))
    return [diverging(channel, largest) for channel in weights]


def overview(pictures: Sequence[Pixels]) -> Pixels:
    """Pictures enlarged to about one size, in rows from left to right on white."""
    grown = []
    for picture in pictures:
        times = max(1, OVERVIEW_SIDE // max(picture.shape[:2]))
        grown.append(picture.repeat(times, axis=0).repeat(times, axis=1))
    return _tiled(grown, OVERVIEW_GAP, OVERVIEW_COLUMNS, PAPER)


def _tiled(pictures: Sequence[Pixels], gap: int, across: int, paper: Pixels) -> Pixels:
    """Pictures side by side in rows of one height, so many in a row."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    down = math.ceil(len(pictures) / across)
    sheet = np.empty((down * (height + gap) - gap, across * (width + gap) - gap, 3), dtype=np.uint8)
    sheet[:] = paper
    for place, picture in enumerate(pictures):
        top, left = place // across * (height + gap), place % across * (width + gap)
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
