"""The templates of each kind that a grey kernel can be of, for any size."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from convscope.interpret.templates import (
    Floats,
    Shape,
    Templates,
    angles_of,
    combined,
    gaussian,
    is_large,
    joined,
    of_patterns,
    offsets,
    rotated_axes,
    scales_of,
    shifts_of,
    step_of,
    without_mean,
)

WIDE = 1e3  # a width that is none: the profile is flat over the kernel


def anchor_of(shape: Shape) -> Shape:
    """The tap that lies over the output cell, as OpenCV and SciPy have it."""
    return shape[0] // 2, shape[1] // 2


def middles_of(shape: Shape) -> list[Shape]:
    """The taps nearest to the middle, the anchor first: two along an even side, so that turns map them."""
    sides = [(length // 2,) if length % 2 else (length // 2, length // 2 - 1) for length in shape]
    return [(row, column) for row in sides[0] for column in sides[1]]


def impulse(shape: Shape, place: Shape) -> Floats:
    """One tap of 1."""
    taps = np.zeros(shape)
    taps[place] = 1
    return taps


# --- one tap ----------------------------------------------------------------------------------


def middle_tap(shape: Shape) -> Templates:
    """One tap in the middle; the first is the anchor, over the output cell."""
    return _taps(shape, middles_of(shape))


def outer_tap(shape: Shape) -> Templates:
    """One tap somewhere else."""
    middles = middles_of(shape)
    return _taps(shape, [place for place in np.ndindex(*shape) if place not in middles])


def _taps(shape: Shape, places: list[Shape]) -> Templates:
    patterns = np.array([impulse(shape, place) for place in places]).reshape(-1, 1, *shape)
    return of_patterns(patterns, free=1)


# --- smoothing --------------------------------------------------------------------------------


def blur(shape: Shape) -> Templates:
    """Boxes, Gaussians, and lines that smear along one direction."""
    return joined([_boxes(shape), _gaussians(shape), _smears(shape)])


def _boxes(shape: Shape) -> Templates:
    patterns, sizes = [], []
    for cut in range((min(shape) - 1) // 2 + 1 if min(shape) > 1 else 1):
        taps = np.zeros(shape)
        taps[cut : shape[0] - cut, cut : shape[1] - cut] = 1
        if np.count_nonzero(taps) > 1:
            patterns.append(taps)
            sizes.append(float(max(shape) - 2 * cut))
    if not patterns:
        return of_patterns(np.zeros((0, 1, *shape)), free=1)
    variant = "motion" if min(shape) == 1 else "box"
    angle = np.nan if variant == "box" else (0.0 if shape[0] == 1 else 90.0)
    return of_patterns(
        np.array(patterns)[:, None], scale=np.array(sizes), variant=variant, free=1, angle=angle
    )


def _gaussians(shape: Shape) -> Templates:
    step = step_of(shape)
    widths = scales_of(shape, 0.5)
    y0, x0, width = combined(shifts_of(shape[0], step), shifts_of(shape[1], step), widths)
    y, x = rotated_axes(shape, np.full(len(width), 90.0), y0, -x0)
    return of_patterns(
        (gaussian(y, width) * gaussian(x, width))[:, None], scale=width, variant="Gaussian", free=3
    )


def _smears(shape: Shape) -> Templates:
    """Straight strokes through the middle, a pixel wide, of several lengths."""
    if min(shape) < 3:
        return of_patterns(np.zeros((0, 1, *shape)), free=2)
    lengths = sorted({float(max(3, round(max(shape) * part))) for part in (0.5, 0.75, 1.0, 1.42)})
    turn = {*angles_of(shape), 45.0, 135.0}
    angle, length, width = combined(sorted(turn), lengths, (0.35, 0.6))
    u, v = rotated_axes(shape, angle)
    ends = np.clip(length[:, None, None] / 2 - np.abs(u) + 0.5, 0, 1)
    return of_patterns(
        (ends * gaussian(v, width))[:, None], angle=angle, scale=length, variant="motion", free=2
    )


# --- a tap against its surroundings -----------------------------------------------------------


def _laid(shape: Shape, small: Floats, middle: Shape) -> Floats | None:
    """A small pattern laid with its middle on a tap; None where it does not fit in."""
    row, column = middle
    top, left = row - small.shape[0] // 2, column - small.shape[1] // 2
    if top < 0 or left < 0 or top + small.shape[0] > shape[0] or left + small.shape[1] > shape[1]:
        return None
    taps = np.zeros(shape)
    taps[top : top + small.shape[0], left : left + small.shape[1]] = small
    return taps


FOUR = np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
DIAGONAL = np.array([[1.0, 0, 1], [0, 0, 0], [1, 0, 1]])
EIGHT = FOUR + DIAGONAL
PAIR = np.array([[1.0, 0, 1]])


def _with_centre(shape: Shape, around: Callable[[Shape], list[tuple[Floats | None, float]]]) -> Templates:
    """A tap in the middle and what `around` lays about it: patterns and their scales."""
    patterns, scales = [], []
    for middle in middles_of(shape):
        centre = impulse(shape, middle)
        for taps, scale in around(middle):
            if taps is not None and np.any(surround := taps * (centre == 0)):
                patterns.append([centre, surround])
                scales.append(scale)
    stacked = np.array(patterns).reshape(len(patterns), 2, *shape)
    return of_patterns(stacked, scale=np.array(scales, np.float64), free=2)


def sharpen(shape: Shape) -> Templates:
    """A tap less its nearest neighbours: the identity minus a Laplacian."""
    smalls = [FOUR, EIGHT, DIAGONAL, PAIR, PAIR.T]
    return _with_centre(shape, lambda middle: [(_laid(shape, small, middle), 1.0) for small in smalls])


# So many widths that the level which a mask keeps is known to a few thousandths.
UNSHARP_WIDTHS = 48


def unsharp(shape: Shape) -> Templates:
    """A tap less a blurred surrounding that is wider, or weighs the nearer more."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    widths = list(np.geomspace(0.6, max(scales_of(shape)), UNSHARP_WIDTHS))

    def around(middle: Shape) -> list[tuple[Floats | None, float]]:
        squared = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2
        found: list[tuple[Floats | None, float]] = [(np.exp(-0.5 * squared / w**2), w) for w in widths]
        return [*found, (np.ones(shape), max(shape) / 2)] if max(shape) > 3 else found

    return _with_centre(shape, around)


# --- derivatives ------------------------------------------------------------------------------


def gradients(shape: Shape) -> Templates:
    """{Gx, Gy}: derivatives of a Gaussian, at several scales and centres."""
    step = step_of(shape)
    y0, x0, width = combined(shifts_of(shape[0], step), shifts_of(shape[1], step), scales_of(shape))
    y, x = rotated_axes(shape, np.full(len(width), 90.0), y0, -x0)
    x = -x
    bell = gaussian(y, width) * gaussian(x, width)
    return of_patterns(np.stack([x * bell, y * bell], axis=1), scale=width, free=4)


def second_derivatives(shape: Shape) -> Templates:
    """{Gxx, Gxy, Gyy}, each made free of its mean, at several scales and centres."""
    step = step_of(shape)
    y0, x0, width = combined(shifts_of(shape[0], step), shifts_of(shape[1], step), scales_of(shape))
    y, x = rotated_axes(shape, np.full(len(width), 90.0), y0, -x0)
    x = -x
    bell = gaussian(y, width) * gaussian(x, width)
    s2 = width.reshape(-1, 1, 1) ** 2
    patterns = [
        without_mean((x * x - s2) * bell, bell),
        x * y * bell,
        without_mean((y * y - s2) * bell, bell),
    ]
    return of_patterns(np.stack(patterns, axis=1), scale=width, free=5)


def bells(shape: Shape) -> Templates:
    """{G}: a Gaussian at several scales and centres."""
    return _gaussians(shape)


def edge(shape: Shape) -> Templates:
    """Gradients, and steps and derivatives that are longer than they are wide."""
    if max(shape) < 2:
        return of_patterns(np.zeros((0, 1, *shape)), free=3)
    turn = sorted({*angles_of(shape, 360.0), *([45.0, 135.0, 225.0, 315.0] if min(shape) > 1 else [])})
    turn = [angle for angle in turn if angle < 180]
    step = step_of(shape)
    angle, place, width, length = combined(
        turn, shifts_of(max(shape), step), scales_of(shape, 0.5), (1.6, WIDE)
    )
    u, v = rotated_axes(shape, angle, place)
    smooth = u * gaussian(u, width) * gaussian(v, length * width)
    parts = [gradients(shape), of_patterns(smooth[:, None], angle=angle, scale=width, free=4)]
    widths = sorted({0.5, max(shape) / 4, max(shape) / 2})
    angle, place, width = combined(turn, shifts_of(max(shape), step), widths)
    u, v = rotated_axes(shape, angle, place)
    ramp = np.clip(u / width.reshape(-1, 1, 1), -1, 1)
    parts.append(of_patterns(ramp[:, None], angle=angle, scale=width, free=4))
    return joined(parts)


# Compass masks: R. A. Kirsch, 'Computer determination of the constituent structure of biological
# images' (1971);
# J. M. S. Prewitt, 'Object enhancement and extraction' (1970). Bright above.
KIRSCH = np.array([[5.0, 5, 5], [-3, 0, -3], [-3, -3, -3]])
PREWITT_COMPASS = np.array([[1.0, 1, 1], [1, -2, 1], [-1, -1, -1]])
RING = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]


def turned_ring(small: Floats, eighths: int) -> Floats:
    """The eight outer taps of a 3×3 kernel moved on clockwise by so many places."""
    taps = small.copy()
    for place, source in zip(RING, RING[-eighths:] + RING[:-eighths], strict=True):
        taps[place] = small[source]
    return taps


def compass(shape: Shape) -> Templates:
    """Kirsch's and Prewitt's masks in eight directions, wherever they fit in."""
    patterns, angles = [], []
    if min(shape) >= 3:
        for small, eighths, middle in product((KIRSCH, PREWITT_COMPASS), range(8), middles_of(shape)):
            taps = _laid(shape, turned_ring(small, eighths), middle)
            if taps is not None:
                patterns.append(taps)
                angles.append((-90.0 + 45 * eighths) % 360)
    stacked = np.array(patterns).reshape(-1, 1, *shape)
    return of_patterns(stacked, angle=np.array(angles), scale=1.0, variant="compass", free=1)


def line(shape: Shape) -> Templates:
    """Second derivatives across a line, some longer than they are wide."""
    if max(shape) < 3:
        return of_patterns(np.zeros((0, 1, *shape)), free=4)
    turn = sorted({*angles_of(shape), *([45.0, 135.0] if min(shape) > 1 else [])})
    widths = scales_of(shape, 0.35)
    lengths = (1.0, 2.5, WIDE) if is_large(shape) else (1.0, 1.6, 3.0, WIDE)
    angle, place, width, length = combined(turn, shifts_of(max(shape), step_of(shape)), widths, lengths)
    u, v = rotated_axes(shape, angle, place)
    bell = gaussian(u, width) * gaussian(v, width * length)
    curved = (u * u - width.reshape(-1, 1, 1) ** 2) * bell
    parts = [
        of_patterns(-without_mean(curved, weight)[:, None], angle=angle, scale=width, free=4)
        for weight in ((bell,) if is_large(shape) else (bell, np.ones_like(bell)))
    ]
    parts.append(_strokes(shape, turn))
    return joined(parts)


def _strokes(shape: Shape, turn: list[float]) -> Templates:
    """A flat stroke against what lies on both sides of it, sum zero: the masks of textbooks."""
    angle, width = combined(turn, sorted({0.5, 1.0, max(shape) / 6}))
    u, _ = rotated_axes(shape, angle)
    inside = np.clip(width.reshape(-1, 1, 1) + 0.5 - np.abs(u), 0, 1)
    return of_patterns(without_mean(inside, np.ones_like(inside))[:, None], angle=angle, scale=width, free=4)


def blob(shape: Shape) -> Templates:
    """A centre against its surroundings, sum zero: Laplacians, and differences of Gaussians."""
    step = step_of(shape)
    y0, x0, width, ratio = combined(
        shifts_of(shape[0], step, 0.12),
        shifts_of(shape[1], step, 0.12),
        scales_of(shape, 0.4),
        (1.1, 1.6, 2.5),
    )
    y, x = rotated_axes(shape, np.full(len(width), 90.0), y0, -x0)
    narrow = gaussian(y, width) * gaussian(x, width)
    broad = gaussian(y, width * ratio) * gaussian(x, width * ratio)
    parts = [of_patterns(without_mean(narrow, broad)[:, None], scale=width, variant="spot", free=4)]
    patterns = [
        impulse(shape, middle) - taps / taps.sum()
        for small, middle in product((FOUR, EIGHT, DIAGONAL, FOUR + EIGHT), middles_of(shape))
        if (taps := _laid(shape, small, middle)) is not None
    ]
    if patterns:
        parts.append(of_patterns(np.array(patterns)[:, None], scale=0.5, variant="spot", free=1))
    return joined(parts)


def corner(shape: Shape) -> Templates:
    """Saddles {Gxy, Gxx - Gyy}, and a quarter of the plane against the rest."""
    if min(shape) < 3:
        return of_patterns(np.zeros((0, 1, *shape)), free=4)
    step = step_of(shape)
    y0, x0, width = combined(shifts_of(shape[0], step), shifts_of(shape[1], step), scales_of(shape))
    y, x = rotated_axes(shape, np.full(len(width), 90.0), y0, -x0)
    x = -x
    bell = gaussian(y, width) * gaussian(x, width)
    saddles = np.stack([x * y * bell, (x * x - y * y) * bell], axis=1)
    parts = [of_patterns(saddles, scale=width, variant="saddle", free=5)]
    # The quarter that is bright: its middle direction, and whether it owns the taps on its sides.
    angle, place, hem = combined(
        list(np.arange(0.0, 360, 45)), shifts_of(max(shape), max(step, 1.0)), (-0.25, 0.25)
    )
    u, v = rotated_axes(shape, angle, place)
    inside = (np.abs(v) <= u + hem.reshape(-1, 1, 1) * np.sqrt(2)).astype(np.float64)
    wedges = without_mean(inside, np.ones_like(inside))
    parts.append(of_patterns(wedges[:, None], angle=angle, scale=max(shape) / 2, variant="corner", free=4))
    return joined(parts)


def emboss(shape: Shape) -> Templates:
    """The picture itself plus a gradient of it."""
    if max(shape) < 3:
        return of_patterns(np.zeros((0, 3, *shape)), free=4)
    gradient = gradients(shape)
    slopes, scales = gradient.raw.reshape(len(gradient), 2, *shape), gradient.scale
    patterns, scale = [], []
    for middle in middles_of(shape):
        pairs = _pairs(shape, middle)
        both = np.concatenate([slopes, pairs])
        tap = np.broadcast_to(impulse(shape, middle), (len(both), 1, *shape))
        patterns.append(np.concatenate([both, tap], axis=1))
        scale += [*scales, *(0.5,) * len(pairs)]
    return of_patterns(np.concatenate(patterns), scale=np.array(scale), free=5)


# Right less left and below less above, of the nearest neighbours and of those at the corners.
ACROSS = np.array([[0.0, 0, 0], [-1, 0, 1], [0, 0, 0]])
ACROSS_CORNERS = np.array([[-1.0, 0, 1], [0, 0, 0], [-1, 0, 1]])


def _pairs(shape: Shape, middle: Shape) -> Floats:
    """Differences of single taps on either side of a tap, ``(L, 2, kh, kw)``."""
    found = []
    for small in (ACROSS, ACROSS_CORNERS):
        laid = [_laid(shape, each, middle) for each in (small, small.T)]
        if all(each is not None for each in laid):
            found.append(laid)
    return np.array(found, np.float64).reshape(len(found), 2, *shape)


# --- waves ------------------------------------------------------------------------------------

# With fewer waves under its bell a pattern is an edge or a line and is called so.
LEAST_CYCLES = 0.33


def gabor(shape: Shape) -> Templates:
    """Waves under a Gaussian, in both phases."""
    if max(shape) < 5:
        return of_patterns(np.zeros((0, 2, *shape)), free=6)
    longest = max(shape)
    waves = list(np.geomspace(2.0, longest / 1.3, 10 if is_large(shape) else 7))
    widths = [*(np.geomspace(0.15, 0.45, 3) * longest), WIDE]
    step = max(1.0, longest / 9)
    angle, wave, width, stretch, place = combined(
        angles_of(shape), waves, widths, (1.0, 1.8), (0.0,) if is_large(shape) else (-step, 0.0, step)
    )
    reach = np.minimum(width, longest / 3.2)
    kept = (
        (reach / wave >= LEAST_CYCLES) & ((stretch == 1) | (width < WIDE)) & ((place == 0) | (width < WIDE))
    )
    angle, wave, width, stretch, place = (values[kept] for values in (angle, wave, width, stretch, place))
    u, v = rotated_axes(shape, angle, place)
    bell = gaussian(u, width) * gaussian(v, width * stretch)
    phase = 2 * np.pi * u / wave.reshape(-1, 1, 1)
    cosine, sine = np.cos(phase) * bell, np.sin(phase) * bell
    return joined(
        [
            of_patterns(np.stack([even, sine], axis=1), angle=angle, scale=wave, free=6)
            for even in (without_mean(cosine, bell), cosine)
        ]
    )


def checkerboard(shape: Shape) -> Templates:
    """Signs that change from each square to the next, squares of one or two pixels."""
    if min(shape) < 2:
        return of_patterns(np.zeros((0, 1, *shape)), free=1)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = offsets(shape)
    parts = []
    for side in (1, 2):
        if min(shape) < 2 * side:
            continue
        patterns = []
        for top in range(side):
            for left in range(side):
                signs = (-1.0) ** ((rows + top) // side + (columns + left) // side)
                patterns += [
                    signs * np.exp(-0.5 * (y**2 + x**2) / width**2) for width in (0.85, 1.5, 3, WIDE)
                ]
        parts.append(of_patterns(np.array(patterns)[:, None], scale=2.0 * side, free=2))
    return joined(parts)
