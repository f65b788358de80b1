"""A kernel as a picture: each tap a square of colour, orange above zero, blue below, white at zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# Orange and blue are told apart by people who confuse red and green (M. Okabe & K. Ito, 'Color universal
# design', 2002). Printed in grey, the strongest of both are dark; the sign is in the matrix beside it.
POSITIVE = np.array([192, 78, 0], dtype=np.float64)
NEGATIVE = np.array([0, 84, 166], dtype=np.float64)
ZERO = np.array([255, 255, 255], dtype=np.float64)
LINE = np.uint8(150)
# A picture of so many pixels a side at least; a tap is never smaller than one pixel.
SIDE = 96
SMALLEST_WITH_LINES = 6


def kernel_pixels(weights: npt.ArrayLike, *, largest: float | None = None, side: int = SIDE) -> Pixels:
    """The taps as squares of colour.

    Args:
        weights: ``(kh, kw)``, or ``(kw,)`` for a row.
        largest: the absolute weight that has the full colour; the largest of these when None.
        side: the longer side of the picture has about so many pixels.

    Returns:
        ``(H, W, 3)`` of uint8, a thin grey line round each tap where taps are large enough.

    >>> kernel_pixels([[-1, 0, 1]], side=3).tolist()
    [[[0, 84, 166], [255, 255, 255], [192, 78, 0]]]
    """
    plane = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    full = float(np.abs(plane).max(initial=0.0)) if largest is None else largest
    share = np.clip(plane / full, -1, 1)[:, :, None] if full else np.zeros((*plane.shape, 1))
    colour = np.where(share >= 0, POSITIVE, NEGATIVE)
    pixels = np.rint(ZERO + (colour - ZERO) * np.abs(share)).astype(np.uint8)
    factor = max(1, side // max(plane.shape))
    large = np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
    if factor >= SMALLEST_WITH_LINES:
        large[::factor], large[:, ::factor] = LINE, LINE
        large[-1], large[:, -1] = LINE, LINE
    return large


def tiled(pictures: Sequence[Pixels], *, gap: int, across: int, paper: int = 255) -> Pixels:
    """Pictures ``(H, W, 3)`` side by side in rows of one height, so many in a row.

    Args:
        pictures: at least one.
        gap: pixels between neighbours.
        across: pictures in a row.
        paper: the grey between them.

    >>> tiled([np.zeros((2, 3, 3), np.uint8)] * 3, gap=1, across=2).shape
    (5, 7, 3)
    """
    across = min(across, len(pictures))
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    down = -(-len(pictures) // across)
    sheet = np.full((down * (height + gap) - gap, across * (width + gap) - gap, 3), paper, dtype=np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // across * (height + gap), place % across * (width + gap)
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
