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

from convscope.interpret.templates import Shape

Pixels = npt.NDArray[np.int8]

STEP_ANGLES = tuple(range(0, 360, 15))
LINE_ANGLES = tuple(range(0, 180, 15))
# Stripes are more than a step or a line when this many waves lie in the kernel.
LEAST_WAVES = 1.5


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
    """

    family: str
    angle: float | None
    tone: int
    size: float
    pixels: Pixels

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
    """Every stimulus for kernels of a size."""
    return tuple(_drawn(side_of(shape), max(shape)))


def _drawn(side: int, length: int) -> Iterator[Stimulus]:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2.0
    for tone in (1, -1):
        yield Stimulus("flat", None, tone, 0, np.full((side, side), tone, np.int8))
    for angle in STEP_ANGLES:
        yield Stimulus("step", float(angle), 1, 0, _sign(_along(y, x, angle) + 0.01))
    widths = [width for width in (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0) if width == 1 or width <= length / 2]
    for angle in LINE_ANGLES:
        across = np.abs(_along(y, x, angle + 90))
        for width in widths:
            for tone in (1, -1):
                inside = across <= max(width / 2, 0.5 * _slant(angle)) - 0.01
                yield Stimulus(
                    "line", float(angle), tone, width, np.where(inside, tone, -tone).astype(np.int8)
                )
    for radius in [radius for radius in (0.5, 1, 1.5, 2, 2.5, 3.5, 5, 7, 10) if radius <= length / 2]:
        for tone in (1, -1):
            inside = np.hypot(y, x) <= radius + 0.01
            yield Stimulus("spot", None, tone, radius, np.where(inside, tone, -tone).astype(np.int8))
    yield from _waves(y, x, length)
    for angle in range(0, 360, 45):
        for tone in (1, -1):
            inside = np.abs(_along(y, x, angle + 90)) <= _along(y, x, angle) + 0.01
            yield Stimulus("corner", float(angle), tone, 0, np.where(inside, tone, -tone).astype(np.int8))


def _waves(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], length: int) -> Iterator[Stimulus]:
    waves = [
        wave for wave in (2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 16, 20, 26) if wave <= length / LEAST_WAVES
    ]
    for angle in LINE_ANGLES:
        for wave in waves:
            # Half a pixel off the grid, where a wave of two pixels does not vanish.
            phase = (_along(y, x, angle + 90) + 0.25) / wave
            yield Stimulus("stripes", float(angle), 1, wave, _sign(np.cos(2 * np.pi * phase)))
    for square in (1, 2):
        if length >= 2 * square:
            squares = (np.floor((y + 0.5) / square) + np.floor((x + 0.5) / square)) % 2
            yield Stimulus("checkerboard", None, 1, square, np.where(squares == 0, 1, -1).astype(np.int8))
    for slant in (0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5):
        u, v = _along(y, x, slant), _along(y, x, slant + 90)
        yield Stimulus("saddle", float(slant), 1, 0, _sign(np.abs(u) - np.abs(v) + 0.01))


def _along(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    turn = np.deg2rad(angle)
    return np.asarray(x * np.cos(turn) + y * np.sin(turn))


def _slant(angle: float) -> float:
    """The thickness at which a line of this direction has no gaps."""
    turn = np.deg2rad(angle)
    return float(max(abs(np.cos(turn)), abs(np.sin(turn))))


def _sign(values: npt.NDArray[np.float64]) -> Pixels:
    return np.where(values >= 0, 1, -1).astype(np.int8)


# --- responses --------------------------------------------------------------------------------

# Cells of a table of responses kept in memory at once.
MOST_CELLS = 2**22


def strongest_by_apply(pattern: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The largest response of one pattern to each stimulus, through `apply` itself: ``(S,)``."""
    from convscope.engine.apply import apply

    height, width = pattern.shape
    shown = stimuli((height, width))
    side = side_of((height, width))
    stacked = np.concatenate([stimulus.pixels for stimulus in shown]).astype(np.float64)
    out = apply(stacked, pattern, border="valid", threads=1)
    rows = np.arange(len(shown))[:, None] * side + np.arange(side - height + 1)
    return np.asarray(out[rows].max(axis=(1, 2)), np.float64)


def strongest(patterns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
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
def _windows(shape: Shape) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The different windows of every stimulus, and where each stimulus' windows start."""
    parts = []
    for stimulus in stimuli(shape):
        views = np.lib.stride_tricks.sliding_window_view(stimulus.pixels, shape)
        parts.append(np.unique(views.reshape(-1, shape[0] * shape[1]), axis=0))
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.concatenate(parts).astype(np.float64), starts


# --- dots -------------------------------------------------------------------------------------

DOTS_SIDE, DOTS_SEED = 48, 7


def likeness_to_dots(pattern: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
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
