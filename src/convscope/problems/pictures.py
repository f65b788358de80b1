"""Exact values shown as pixels, with words that say how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BRIGHTEST = 255
MIDDLE_GREY = 128

Pixels = npt.NDArray[np.uint8]


# --- showing values as pixels -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Display:
    """Values as pixels, and the sentence that says how they were made."""

    pixels: Pixels
    words: str


Values = npt.NDArray[np.float64]


def _clipped(values: Values) -> Display:
    below = int(np.count_nonzero(values < 0))
    above = int(np.count_nonzero(values > BRIGHTEST))
    pixels = np.rint(np.clip(values, 0, BRIGHTEST)).astype(np.uint8)
    if not below and not above:
        rounded = "" if np.array_equal(pixels, values) else ", rounded to whole levels"
        return Display(pixels, f"shown as it is{rounded}")
    parts = [
        f"{_share(count, values.size)} {side} {limit} {'is' if count == 1 else 'are'} shown as {tone}"
        for count, side, limit, tone in ((below, "below", 0, "black"), (above, "above", BRIGHTEST, "white"))
        if count
    ]
    return Display(pixels, "shown clipped to 0…255: " + " and ".join(parts))


def _centred(values: Values) -> Display:
    largest = float(np.max(np.abs(values), initial=0.0))
    scale = (BRIGHTEST - MIDDLE_GREY) / largest if largest else 0.0
    pixels = np.rint(MIDDLE_GREY + values * scale).astype(np.uint8)
    return Display(
        pixels,
        f"signed values shown about a middle grey: 0 is grey, {_number(largest)} white and "
        f"{_number(-largest)} black",
    )


def _magnitude(values: Values) -> Display:
    largest = float(np.max(np.abs(values), initial=0.0))
    scale = BRIGHTEST / largest if largest else 0.0
    pixels = np.rint(np.abs(values) * scale).astype(np.uint8)
    return Display(pixels, f"magnitudes shown: 0 is black, {_number(largest)} of either sign white")


def _stretched(values: Values) -> Display:
    low, high = float(np.min(values)), float(np.max(values))
    scale = BRIGHTEST / (high - low) if high > low else 0.0
    pixels = np.rint((values - low) * scale).astype(np.uint8)
    return Display(pixels, f"values stretched: {_number(low)} is black, {_number(high)} white")


DISPLAYS: dict[str, Callable[[Values], Display]] = {
    "clip": _clipped,
    "centre": _centred,
    "magnitude": _magnitude,
    "stretch": _stretched,
}


def display(values: Values, how: str | None) -> Display:
    """Values as pixels: as `how` says, or centred on grey when some are negative, clipped when none is."""
    chosen = how or ("centre" if float(np.min(values)) < 0 else "clip")
    return DISPLAYS[chosen](values)


def enlarged(pixels: Pixels, least: int) -> tuple[Pixels, int]:
    """The picture with each pixel a square of so many pixels that the shorter side reaches `least`."""
    factor = max(1, -(-least // min(pixels.shape[:2])))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1), factor


def _share(count: int, size: int) -> str:
    if count == 1:
        return "1 value"
    percent = 100 * count / size
    return f"{count} values ({percent:.1f} %)" if percent >= 0.05 else f"{count} values"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")
