"""Pictures that kernels are tried on: flat areas, steps, lines, spots, stripes, corners, at every angle.

Every pixel is 1 (bright) or -1 (dark), so that no stimulus is stronger than another: the largest
response that any such picture can give is Σ|K|, and a response is told as a share of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from convscope.interpret.templates import Floats, Shape

Pixels = npt.NDArray[np.int8]
Booleans = npt.NDArray[np.bool_]

STEP_ANGLES = tuple(range(0, 360, 15))
LINE_ANGLES = tuple(range(0, 180, 15))
# Stripes are more than a step or a line when this many waves lie in the kernel.
LEAST_WAVES = 1.5
# Of a step each side must fill this share of the window, of a line what lies on either side of it.
STEP_SIDE, LINE_SIDE = 0.25, 1 / 6


@dataclass(frozen=True, eq=False)
class Stimulus:
    """One picture and what is to be seen on it.

    Attributes:
        family: flat, step, line, spot, stripes, checkerboard, corner or saddle.
        angle: of a step and a corner the direction in which it gets bright, in [0, 360); of a line,
            of stripes and of a saddle the direction that the bright part runs along, in [0, 180);
            degrees, y down; None where there is none.
        tone: 1 for a bright one, -1 for a dark one.
        size: width, radius or wavelength in pixels; 0 where there is none.
        pixels: ``(S, S)`` of 1 and -1.
        places: where the window may lie so that what is to be seen is in it: a step with both of its
            sides, a line with what lies on either side, a spot with what is round it.
    """

    family: str
    angle: float | None
    tone: int
    size: float
    pixels: Pixels
    places: npt.NDArray[np.bool_]

    def words(self, block: int = 1) -> str:
        """What it is, in a few words; each pixel stands for a block of so many a side."""
        size = self.size * block
        tone = "bright" if self.tone > 0 else "dark"
        pixels = "1 pixel" if size == 1 else f"{size:g} pixels"
        match self.family:
            case "step":
                return f"a step from dark to bright along {self.angle:g}°"
            case "stripes":
                return f"stripes along {self.angle:g}°, {pixels} from bar to bar"
            case "line":
                return f"a {tone} line along {self.angle:g}°, {pixels} wide"
            case "saddle":
                return f"a saddle, bright along {self.angle:g}°"
            case "corner":
                return f"a {tone} corner at {self.angle:g}° from the middle"
            case "flat":
                return f"a flat {tone} area"
            case "spot":
                return f"a {tone} spot of radius {size:g}"
            case "checkerboard":
                return f"a checkerboard of squares {pixels} wide"
            case _:
                return f"a {tone} {self.family}"


def side_of(shape: Shape) -> int:
    """The side of the pictures for kernels of a size: everything can be met at every place of the window."""
    return 2 * max(shape) + 1


@lru_cache(maxsize=16)
def stimuli(shape: Shape) -> tuple[Stimulus, ...]:
    """Every stimulus for kernels of a size that fits into their window."""
    return tuple(stimulus for stimulus in _drawn(_Canvas(shape)) if stimulus.places.any())


class _Canvas:
    """Where the pixels are, and which windows hold enough of what."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.length = max(shape)
        side = side_of(shape)
        self.y, self.x = np.mgrid[:side, :side] - (side - 1) / 2.0
        rows, columns = (np.arange(side - taps + 1) - (side - taps) / 2 for taps in shape)
        self.offset = np.maximum(np.abs(rows)[:, None], np.abs(columns)[None, :])

    def along(self, angle: float) -> Floats:
        """The coordinate along an angle."""
        turn = np.deg2rad(angle)
        return np.asarray(self.x * np.cos(turn) + self.y * np.sin(turn))

    def everywhere(self) -> Booleans:
        """Every window."""
        return np.ones(self.offset.shape, np.bool_)

    def near(self, reach: float) -> Booleans:
        """Windows whose middle is at most so far from the picture's."""
        return np.asarray(self.offset <= reach)

    def holding(self, least: float, *sides: Booleans) -> Booleans:
        """Windows in which each of the sides has at least this share of the taps."""
        held = self.everywhere()
        for side in sides:
            views = np.lib.stride_tricks.sliding_window_view(side, self.shape)
            held &= views.mean(axis=(2, 3)) >= least
        return held


def _drawn(canvas: _Canvas) -> Iterator[Stimulus]:
    for tone in (1, -1):
        even = np.full(canvas.x.shape, tone, np.int8)
        yield Stimulus("flat", None, tone, 0, even, canvas.near(0.5))
    for angle in STEP_ANGLES:
        bright = canvas.along(angle) >= -0.01
        yield Stimulus(
            "step", float(angle), 1, 0, _toned(bright, 1), canvas.holding(STEP_SIDE, bright, ~bright)
        )
    yield from _lines(canvas)
    for radius in (0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 5.0, 7.0, 10.0):
        inside = np.hypot(canvas.y, canvas.x) <= radius + 0.01
        for tone in (1, -1):
            places = canvas.near((min(canvas.shape) - 1) / 2 - radius)
            yield Stimulus("spot", None, tone, radius, _toned(inside, tone), places)
    yield from _waves(canvas)
    yield from _crossings(canvas)


def _lines(canvas: _Canvas) -> Iterator[Stimulus]:
    for angle in LINE_ANGLES:
        across = canvas.along(angle + 90)
        for width in (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0):
            half = max(width / 2, 0.5 * _slant(angle)) - 0.01
            inside = np.abs(across) <= half
            places = canvas.holding(LINE_SIDE, across < -half, across > half)
            for tone in (1, -1):
                yield Stimulus("line", float(angle), tone, width, _toned(inside, tone), places)


def _waves(canvas: _Canvas) -> Iterator[Stimulus]:
    lengths = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 16.0, 20.0, 26.0)
    for angle in LINE_ANGLES:
        for wave in lengths:
            if wave <= canvas.length / LEAST_WAVES:
                # A quarter of a pixel off the grid, where a wave of two pixels does not vanish.
                phase = (canvas.along(angle + 90) + 0.25) / wave
                bright = np.cos(2 * np.pi * phase) >= 0
                yield Stimulus("stripes", float(angle), 1, wave, _toned(bright, 1), canvas.everywhere())
    for square in (1, 2):
        if min(canvas.shape) >= 2 * square:
            rows, columns = np.floor((canvas.y + 0.5) / square), np.floor((canvas.x + 0.5) / square)
            bright = (rows + columns) % 2 == 0
            yield Stimulus("checkerboard", None, 1, square, _toned(bright, 1), canvas.everywhere())


def _crossings(canvas: _Canvas) -> Iterator[Stimulus]:
    if min(canvas.shape) < 3:
        return
    places = canvas.near(max(1.0, canvas.length / 4))
    for angle in range(0, 360, 45):
        inside = np.abs(canvas.along(angle + 90)) <= canvas.along(angle) + 0.01
        for tone in (1, -1):
            yield Stimulus("corner", float(angle), tone, 0, _toned(inside, tone), places)
    for slant in (0.0, 22.5, 45.0, 67.5, 90.0, 112.5, 135.0, 157.5):
        bright = np.abs(canvas.along(slant)) >= np.abs(canvas.along(slant + 90)) - 0.01
        yield Stimulus("saddle", slant, 1, 0, _toned(bright, 1), canvas.near(0.5))


def _slant(angle: float) -> float:
    """The thickness at which a line of this direction has no gaps."""
    turn = np.deg2rad(angle)
    return float(max(abs(np.cos(turn)), abs(np.sin(turn))))


def _toned(inside: Booleans, tone: int) -> Pixels:
    return np.where(inside, tone, -tone).astype(np.int8)


# --- responses --------------------------------------------------------------------------------

# Cells of a table of responses kept in memory at once.
MOST_CELLS = 2**22


def strongest_by_apply(pattern: Floats) -> Floats:
    """The largest response of one pattern to each stimulus, through `apply` itself: ``(S,)``."""
    from convscope.engine.apply import apply

    height, width = pattern.shape
    shown = stimuli((height, width))
    side = side_of((height, width))
    stacked = np.concatenate([stimulus.pixels for stimulus in shown]).astype(np.float64)
    out = apply(stacked, pattern, border="valid", threads=1)
    rows = np.arange(len(shown))[:, None] * side + np.arange(side - height + 1)
    responses = np.asarray(out[rows], np.float64)
    return np.array([each[stimulus.places].max() for each, stimulus in zip(responses, shown, strict=True)])


def strongest(patterns: Floats) -> Floats:
    """The largest response of each pattern to each stimulus, ``(N, S)``: products of windows and patterns.

    The same numbers as `strongest_by_apply` gives one by one.
    """
    count, height, width = patterns.shape
    windows, starts = _windows((height, width))
    flat = patterns.reshape(count, -1).T
    found = np.empty((count, len(starts)))
    block = max(1, MOST_CELLS // len(windows))
    for start in range(0, count, block):
        responses = windows @ flat[:, start : start + block]
        found[start : start + block] = np.maximum.reduceat(responses, starts, axis=0).T
    return found


@lru_cache(maxsize=8)
def _windows(shape: Shape) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The different windows of every stimulus, and where each stimulus' windows start."""
    parts = []
    for stimulus in stimuli(shape):
        views = np.lib.stride_tricks.sliding_window_view(stimulus.pixels, shape)
        parts.append(np.unique(views[stimulus.places].reshape(-1, shape[0] * shape[1]), axis=0))
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.concatenate(parts).astype(np.float64), starts


# --- dots -------------------------------------------------------------------------------------

DOTS_SIDE, DOTS_SEED = 48, 7


def likeness_to_dots(pattern: Floats) -> Floats:
    """How like the response to random bright and dark dots is to the dots under each tap: cosines, ``(n,)``.

    The response is `apply`'s. It is 1 at a tap that alone makes the response.
    """
    from convscope.engine.apply import apply

    height, width = pattern.shape
    side = DOTS_SIDE + max(pattern.shape)
    dots = np.random.default_rng(DOTS_SEED).choice(np.array([-1.0, 1.0]), (side, side))
    response = np.asarray(apply(dots, pattern, border="valid", threads=1), np.float64).ravel()
    views = np.lib.stride_tricks.sliding_window_view(dots, pattern.shape).reshape(-1, height * width)
    length = np.linalg.norm(response) * np.sqrt(len(response))
    return np.asarray(response @ views / length) if length else np.zeros(height * width)
