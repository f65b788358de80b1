"""Whatever a user calls a picture, as planes of numbers and as pixels to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray
from convscope.core.kernel import Kernel
from convscope.engine.borders import OUTSIDE, border_map
from convscope.errors import InputError, ShapeError
from convscope.importers.picture import Photograph, read_picture

Numbers = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]

# Rec. ITU-R BT.601: what television and Pillow's "L" call luminance.
LUMINANCE = (299, 587, 114)
LUMINANCE_SUM = 1000
BRIGHTEST = 255
COLOURS = 3
MAX_CELLS = 2**26
LARGEST_VALUE = 1e100
LONGEST_QUOTED = 80
COLOUR_NAMES = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Planes:
    """A picture as numbers: one plane for a grey kernel, three for a kernel of three channels.

    Attributes:
        planes: each ``(H, W)``.
        names: what each is called: ``("grey",)``, ``("luminance",)`` or the three colours.
        notes: what was done to the picture, each a clause without its full stop.
        name: the file's name, or "the picture".
    """

    planes: tuple[Numbers, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    name: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.planes[0].shape
        return rows, columns

    def grey(self) -> Pixels:
        """The picture to be looked at: 8-bit values as they are, others stretched from black to white."""
        weights = LUMINANCE if len(self.planes) == COLOURS else (LUMINANCE_SUM,)
        values = sum(
            plane.astype(np.float64) * (weight / LUMINANCE_SUM)
            for plane, weight in zip(self.planes, weights, strict=True)
        )
        grey = np.asarray(values, dtype=np.float64)
        # 8-bit values are levels, but zeros and ones are a picture of black and white.
        if self.planes[0].dtype != np.uint8 or grey.max() <= 1:
            low, high = float(grey.min()), float(grey.max())
            part = (grey - low) / (high - low) if high > low else np.full_like(grey, 0.5)
            grey = part * BRIGHTEST
        return np.rint(grey).astype(np.uint8)

    def window(self, plane: int, border: str, top: int, left: int, shape: tuple[int, int]) -> Numbers:
        """The cells of one plane that a window sees, with what the border puts outside the picture."""
        rows, columns = self.shape
        places = [
            border_map(border, length, max(0, -start), max(0, start + size - length))
            for length, start, size in ((rows, top, shape[0]), (columns, left, shape[1]))
        ]
        seen = [
            line[max(start, 0) :][:size] for line, start, size in zip(places, (top, left), shape, strict=True)
        ]
        values = self.planes[plane][np.ix_(*seen)]
        outside = (seen[0][:, None] == OUTSIDE) | (seen[1][None, :] == OUTSIDE)
        return np.where(outside, np.zeros((), values.dtype), values)


def read_planes(image: object, *, channels: int) -> Planes:
    """A picture for a kernel of one channel or three.

    Args:
        image: a path, a `Photograph`, a Pillow picture, or an array ``(H, W)`` or ``(H, W, 3)``.
        channels: of the kernel: with 1 a colour picture becomes its luminance.

    Raises:
        InputError: not a picture, no cells, too many, NaN or infinity.
        ShapeError: other axes; a kernel of three channels on a grey picture.
    """
    values, name, notes = _numbers(image)
    if values.ndim == COLOURS and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in {2, COLOURS} or values.shape[2:] not in {(), (COLOURS,)}:
        raise ShapeError(f"a picture of shape {values.shape} is not allowed; give (H, W) or (H, W, 3)")
    if values.size == 0:
        raise InputError(f"the picture of shape {values.shape} has no pixels")
    if channels == COLOURS:
        if values.ndim == 2:
            raise ShapeError(
                "a kernel of 3 channels (red, green, blue) needs a colour picture; this one is grey"
            )
        planes = tuple(np.ascontiguousarray(values[:, :, channel]) for channel in range(COLOURS))
        return Planes(planes, COLOUR_NAMES, notes, name)
    if values.ndim == 2:
        return Planes((np.ascontiguousarray(values),), ("grey",), notes, name)
    grey, how = _luminance(values)
    return Planes((grey,), ("luminance",), (*notes, how), name)


def _luminance(values: Numbers) -> tuple[Numbers, str]:
    """The luminance of a colour picture; of 8-bit values in whole levels, so that figures stay short."""
    weighted = values.astype(np.float64) @ np.array(LUMINANCE, dtype=np.float64) / LUMINANCE_SUM
    how = "turned from colour to luminance, 0.299 red + 0.587 green + 0.114 blue"
    if values.dtype == np.uint8:
        return np.rint(weighted).astype(np.uint8), f"{how}, in whole levels"
    return weighted, how


def _numbers(image: object) -> tuple[Numbers, str, tuple[str, ...]]:
    if isinstance(image, str | PathLike):
        image = _read(Path(image))
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        raise InputError("a masked picture has cells without a value; fill them first")
    if isinstance(image, Photograph):
        return image.pixels, image.name, image.notes
    if type(image).__module__.partition(".")[0] == "PIL":
        # A palette's numbers are no brightness: Pillow turns them into colours.
        grey = image.mode in {"1", "L", "I", "F", "I;16"}  # type: ignore[attr-defined]
        turned = image if grey else image.convert("RGB")  # type: ignore[attr-defined]
        return _checked(np.asarray(turned)), "the picture", ()
    if isinstance(image, ExactArray | Kernel):
        return _checked(np.asarray(image, dtype=np.float64)), "the picture", ()
    try:
        return _checked(np.asarray(image)), "the picture", ()
    except (ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a picture cannot be read from this {type(image).__name__}: {error}") from None


def _read(path: Path) -> Photograph:
    name = visible(str(path))
    try:
        if not path.is_file():
            raise InputError(f"{name}: no such picture file")
        return read_picture(path)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None


def visible(written: str) -> str:
    """What was written, on one line and short enough for a message."""
    line = "".join(sign if sign.isprintable() else " " for sign in written)
    return line if len(line) <= LONGEST_QUOTED else line[: LONGEST_QUOTED - 1] + "…"


def _checked(values: Numbers) -> Numbers:
    """Numbers that a picture may hold: whole ones as they are, others as float64."""
    if values.size > MAX_CELLS:
        raise InputError(f"a picture of {values.size} values is too large; up to {MAX_CELLS} are read")
    match values.dtype.kind:
        case "b":
            return values.astype(np.uint8)
        case "u" | "i" if values.dtype.itemsize <= 2:
            return values
        case "u" | "i" | "f":
            found = values.astype(np.float64)
        case kind:
            raise InputError(
                f"a picture of dtype {values.dtype} (kind '{kind}') does not hold real numbers; "
                "give an array, a Photograph or a file's path"
            )
    if not np.isfinite(found).all():
        raise InputError("the picture holds NaN or infinity; fill those cells first")
    most = float(2**53) if values.dtype.kind in "ui" else LARGEST_VALUE
    if np.abs(found).max(initial=0.0) > most:
        raise InputError(
            f"the picture holds values beyond ±{most:g}, of which no exact sum can be told; scale it"
        )
    return found
