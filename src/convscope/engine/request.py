"""What is asked for, normalised once: sizes, border, stride, dilation and types of one application."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.number import parse_number
from convscope.engine.borders import RULES, VALID, Places, border_map, border_name
from convscope.errors import InputError, ShapeError, UnsupportedError

Lengths: TypeAlias = int | tuple[int, int]

SOURCES = ("uint8", "uint16", "int16", "int32", "float32", "float64")
# Read as the type on the right, which holds every value of the one on the left.
WIDENED = {"bool": "uint8", "int8": "int16", "uint32": "float64", "float16": "float32"}
RESULTS = ("uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64")
MAX_STEP = 2**31 - 1


@dataclass(frozen=True)
class Request:
    """One picture's shape, one kernel's, and the options between them.

    Attributes:
        picture: height, width and channels.
        kernel: rows and columns of taps.
        source, result: names of the dtypes of the picture and of the result.
        border: one of the names of `borders`.
        value: what a constant border holds.
        stride, dilation: vertical and horizontal.
        anchor: the tap (row, column) that lies over the output cell.
        kernels: how many kernels.
        first_row: where a part of a picture begins in the whole with its border; 0 of a whole one.
    """

    picture: tuple[int, int, int]
    kernel: tuple[int, int]
    source: str
    result: str
    border: str = "zero"
    value: float = 0.0
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    anchor: tuple[int, int] = (0, 0)
    kernels: int = 1
    first_row: int = 0

    @cached_property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that a window spans, gaps of dilation counted."""
        (kh, kw), (dy, dx) = self.kernel, self.dilation
        return (kh - 1) * dy + 1, (kw - 1) * dx + 1

    @cached_property
    def before(self) -> tuple[int, int]:
        """Border cells above and to the left."""
        if self.border == VALID:
            return 0, 0
        return self.anchor[0] * self.dilation[0], self.anchor[1] * self.dilation[1]

    @cached_property
    def after(self) -> tuple[int, int]:
        """Border cells below and to the right."""
        if self.border == VALID:
            return 0, 0
        (top, left), (height, width) = self.before, self.extent
        return height - 1 - top, width - 1 - left

    @cached_property
    def out(self) -> tuple[int, int]:
        """Height and width of the result."""
        sizes = []
        for axis in (0, 1):
            padded = self.picture[axis] + self.before[axis] + self.after[axis]
            sizes.append(max((padded - self.extent[axis]) // self.stride[axis] + 1, 0))
        return sizes[0], sizes[1]

    @cached_property
    def cells(self) -> int:
        """Output cells of all channels and kernels."""
        return self.out[0] * self.out[1] * self.picture[2] * self.kernels

    def maps(self) -> tuple[Places, Places]:
        """For each row and column of the picture with its border, the one of the picture, or −1."""
        rows, columns = (
            border_map(self.border, self.picture[axis], self.before[axis], self.after[axis])
            for axis in (0, 1)
        )
        return rows, columns

    def checked(self) -> Request:
        """The request itself, where it can be done.

        Raises:
            ShapeError: a kernel larger than the picture where there is no border, or a border that
                repeats a picture of no cells.
        """
        for axis, name in ((0, "high"), (1, "wide")):
            length, extent = self.picture[axis], self.extent[axis]
            if self.border == VALID and extent > length:
                raise ShapeError(
                    f"border='valid': a kernel {extent} cells {name} is larger than the picture, "
                    f"which has {length}; other borders ({', '.join(RULES)}) have no such limit"
                )
            if length == 0 and self.border not in {"zero", "constant", VALID}:
                raise ShapeError(
                    f"border={self.border!r} repeats cells of the picture, but it is 0 cells {name}"
                )
        return self


def pair(name: str, given: object, least: int = 1) -> tuple[int, int]:
    """A whole number for both axes, or one for each.

    >>> pair("stride", 2), pair("stride", (1, 3))
    ((2, 2), (1, 3))
    """
    parts = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(parts) != 2 or any(isinstance(p, bool) or not isinstance(p, int | np.integer) for p in parts):
        raise InputError(f"{name}={given!r} is not a whole number, nor a pair of them (vertical, horizontal)")
    for part in parts:
        if not least <= part <= MAX_STEP:
            raise InputError(f"{name}={given!r}: {part} is not allowed; {name} may be {least} or more")
    return int(parts[0]), int(parts[1])


def border_value(border: str, value: object) -> float:
    """The number a constant border holds; 0 for the others, which take none."""
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        number = float(value)
    else:
        number = float(parse_number(value))
    if number != 0 and border != "constant":
        raise InputError(f"value={value!r} needs border='constant', got {border!r}")
    return number


def source_name(dtype: npt.DTypeLike) -> str:
    """The dtype a picture is read as.

    Raises:
        UnsupportedError: complex, text, dates, 64-bit integers.
    """
    name = np.dtype(dtype).newbyteorder("=").name
    found = WIDENED.get(name, name)
    if found not in SOURCES:
        raise UnsupportedError(
            f"a picture of dtype {name} cannot be applied to; allowed: {', '.join((*SOURCES, *WIDENED))}"
        )
    return found


def result_name(dtype: npt.DTypeLike | None, source: str) -> str:
    """The dtype of the result: as asked for, else float64 of float64 and float32 of anything else."""
    if dtype is None:
        return "float64" if source == "float64" else "float32"
    try:
        name = np.dtype(dtype).name
    except TypeError:
        raise InputError(f"dtype={dtype!r} is not a dtype; allowed: {', '.join(RESULTS)}") from None
    if name not in RESULTS:
        raise UnsupportedError(f"dtype={name} cannot be a result; allowed: {', '.join(RESULTS)}")
    return name


def request_of(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    source: npt.DTypeLike,
    *,
    kernels: int = 1,
    border: object = "zero",
    value: object = 0,
    stride: object = 1,
    dilation: object = 1,
    flip: bool = False,
    anchor: object = None,
    dtype: npt.DTypeLike | None = None,
) -> Request:
    """The request that the options of `apply` make, checked."""
    name = border_name(border)
    read_as = source_name(source)
    place = (kernel[0] // 2, kernel[1] // 2) if anchor is None else pair("anchor", anchor, least=0)
    if place[0] >= kernel[0] or place[1] >= kernel[1]:
        raise InputError(f"anchor={anchor!r} is outside the kernel, which has {kernel[0]} × {kernel[1]} taps")
    if flip:
        # The anchor is a tap of the kernel as given; it turns with the kernel.
        place = (kernel[0] - 1 - place[0], kernel[1] - 1 - place[1])
    return Request(
        shape, kernel, read_as, result_name(dtype, read_as), name, border_value(name, value),
        pair("stride", stride), pair("dilation", dilation), place, kernels,
    ).checked()  # fmt: skip
