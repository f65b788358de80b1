"""Picture files read as exact 8-bit values, and exact values shown as pixels, with words that say how."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import convscope as cs
from convscope.problems.fields import shown

MAX_PIXELS = 2**24
MAX_FILE_BYTES = 2**26
# Formats of pixels; nothing that runs a program (EPS) or draws by instructions (WMF).
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag (EXIF 2.32, section 4.6.4)
BRIGHTEST = 255
MIDDLE_GREY = 128

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture read from a file: ``(H, W)`` grey or ``(H, W, 3)`` colour, and what was done to read it.

    Attributes:
        pixels: 8-bit values.
        name: the path as it was written.
        notes: sentences, each without its full stop: turned upright, laid on white.
    """

    pixels: Pixels
    name: str
    notes: tuple[str, ...] = ()

    def channels(self) -> tuple[Pixels, ...]:
        """The picture channel by channel, each ``(H, W)``."""
        if self.pixels.ndim == 2:
            return (self.pixels,)
        return tuple(self.pixels[:, :, channel] for channel in range(self.pixels.shape[2]))


def read_picture(path: Path, name: str) -> Photograph:
    """Read a picture of 8-bit values, upright as its EXIF orientation says.

    Raises:
        InputError: not a picture that can be read, too large, or more than 8 bits a value.
    """
    from PIL import Image, ImageOps  # late: most problems have no picture

    if path.stat().st_size > MAX_FILE_BYTES:
        raise cs.InputError(f"'{shown(name)}' is larger than {MAX_FILE_BYTES} bytes")
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a picture that may be a bomb
            with Image.open(path, formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise cs.InputError(
                        f"'{shown(name)}' has {width}×{height} pixels; up to {MAX_PIXELS} are read"
                    )
                if opened.getexif().get(ORIENTATION, 1) != 1:
                    notes.append("turned upright as its EXIF orientation says")
                pixels = _eight_bits(ImageOps.exif_transpose(opened), name, notes)
    except cs.InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError) as error:
        raise cs.InputError(
            f"'{shown(name)}' is not a picture that can be read: {shown(str(error))}"
        ) from None
    return Photograph(pixels, name, tuple(notes))


def _eight_bits(picture: object, name: str, notes: list[str]) -> Pixels:
    from PIL import Image

    assert isinstance(picture, Image.Image)  # noqa: S101 - Pillow is imported late, so the type is
    if picture.mode.startswith(("I", "F")):
        raise cs.InputError(
            f"'{shown(name)}' has more than 8 bits a value (mode {picture.mode}); "
            "8-bit grey and colour pictures are read"
        )
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        if with_alpha.getchannel("A").getextrema() != (BRIGHTEST, BRIGHTEST):
            notes.append("laid on white where it was transparent")
        paper = Image.new("RGBA", with_alpha.size, "white")
        flat = Image.alpha_composite(paper, with_alpha)
        picture = flat.convert("L" if picture.mode == "LA" else "RGB")
    mode = "L" if picture.mode in {"1", "L"} else "RGB"
    return np.array(picture.convert(mode), dtype=np.uint8)


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
