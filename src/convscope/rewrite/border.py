"""Where two maps of one shape differ: the frame of rows and columns, read off their exact entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convscope.core.array import RationalArray
from convscope.core.document import Block, Finding, text
from convscope.core.layer import Layer, Pair
from convscope.core.windowed import window_extent
from convscope.rewrite.affine_map import AffineMap, Index, told_shape
from convscope.rules.window import AXIS_NAMES
from convscope.worked.views import cell_marks, matrix_view

# Cells of a plane that is shown; a larger one is told in words.
MOST_MARKED = 400
LINES = {"length": "cells", "depth": "slices", "height": "rows", "width": "columns"}


@dataclass(frozen=True, eq=False)
class Border:
    """Output cells in which two maps differ.

    Attributes:
        input_shape: the input looked at.
        mask: bool, over the spatial axes of the output: True where some channel differs.
        before, after: for each axis, how many lines of cells at its beginning and end differ.
        is_frame: all cells outside that frame are the same; False where cells differ inside as well.
        is_bound: the marked cells may differ, and no others; there were too many to compare each.
    """

    input_shape: Index
    mask: npt.NDArray[np.bool_]
    before: tuple[int, ...]
    after: tuple[int, ...]
    is_frame: bool
    is_bound: bool = False

    @property
    def cells(self) -> int:
        """How many positions differ."""
        return int(self.mask.sum())

    def words(self) -> str:
        """The frame in words: "the first 1 and last 1 rows, the first 1 and last 1 columns"."""
        told = []
        for name, first, last in zip(AXIS_NAMES[self.mask.ndim], self.before, self.after, strict=True):
            sides = [(side, count) for side, count in (("first", first), ("last", last)) if count]
            counted = [side if count == 1 else f"{side} {count}" for side, count in sides]
            if sides:
                told.append(f"the {' and '.join(counted)} {_lines(name, first + last)}")
        return ", ".join(told)

    def facts(self) -> dict[str, object]:
        """The frame as plain facts."""
        return {
            "input_shape": self.input_shape,
            "before": self.before,
            "after": self.after,
            "positions": self.cells,
            "of": int(self.mask.size),
            "is_frame": self.is_frame,
            "is_bound": self.is_bound,
        }

    def blocks(self) -> tuple[Block, ...]:
        """Where they differ, in words and marked."""
        whole = self.mask.size
        where = told_shape(self.input_shape)
        differ = "may differ" if self.is_bound else "differ"
        if self.cells == whole:
            told = f"They {differ} in every cell on an input of {where} cells."
        elif self.is_frame:
            told = (
                f"They {differ} in {self.words()}: {self.cells} of {whole} positions "
                f"on an input of {where} cells. Everywhere else they are the same."
            )
        else:
            told = f"They {differ} in {self.cells} of {whole} positions on an input of {where} cells."
        blocks: list[Block] = [Finding("warning", text(told))]
        if whole <= MOST_MARKED and self.mask.ndim <= 2:
            plane = self.mask if self.mask.ndim == 2 else self.mask[None]
            blocks.append(
                matrix_view(
                    RationalArray(plane.astype(np.int64)),
                    text("1 where they differ"),
                    cell_marks("difference", [tuple(int(i) for i in c) for c in np.argwhere(plane)]),
                )
            )
        return tuple(blocks)


def _lines(name: str, count: int) -> str:
    return LINES[name] if count != 1 else LINES[name].removesuffix("s")


def border_between(many: AffineMap, one: AffineMap) -> Border | None:
    """Where two maps between the same shapes differ; None where they are the same.

    Raises:
        ShapeError: shapes that differ.
    """
    different = many.differing(one)
    if not different.size:
        return None
    spatial = many.output_shape[1:] or (1,)
    mask = np.zeros(spatial, dtype=bool)
    mask.reshape(-1)[np.unique(different % math.prod(spatial))] = True
    return border_of(mask, many.input_shape)


def border_of(mask: npt.NDArray[np.bool_], input_shape: Index, *, is_bound: bool = False) -> Border:
    """The frame that holds the marked cells, narrow enough that its lines differ in the middle too."""
    middle = tuple(length // 2 for length in mask.shape)
    sides = [_sides(mask[(*middle[:axis], slice(None), *middle[axis + 1 :])]) for axis in range(mask.ndim)]
    inside = tuple(
        slice(first, length - last) for (first, last), length in zip(sides, mask.shape, strict=True)
    )
    before, after = (tuple(side[place] for side in sides) for place in (0, 1))
    return Border(input_shape, mask, before, after, not mask[inside].any(), is_bound)


def _sides(line: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """How many cells from either end are marked."""
    same = np.flatnonzero(~line)
    return (len(line), 0) if not same.size else (int(same[0]), int(len(line) - 1 - same[-1]))


def sample_lengths(layers: Sequence[Layer], rank: int) -> Index:
    """Lengths at which the borders that layers make in turn show whole, with cells inside that see neither.

    The windows of each layer fit without a rest, so that the last one reaches the end of the padding.
    """
    placed = [layer.for_rank(rank) for layer in layers]
    return tuple(_sample_length([_window(layer, axis) for layer in placed]) for axis in range(rank))


def _window(layer: Layer, axis: int) -> tuple[int, int, int, int]:
    """Extent, stride and padding of a layer along an axis; a layer without a window has one of 1 cell."""
    size, dilation, stride = (
        getattr(layer, name, (1,) * (axis + 1))[axis] for name in ("kernel_size", "dilation", "stride")
    )
    extent = window_extent(size, dilation)
    padding: tuple[Pair, ...] | str = getattr(layer, "padding", ((0, 0),) * (axis + 1))
    if isinstance(padding, str):  # "same"
        return extent, stride, (extent - 1) // 2, extent // 2
    return extent, stride, *padding[axis]


def _sample_length(windows: Sequence[tuple[int, int, int, int]]) -> int:
    touched = 0
    for _extent, stride, before, after in windows:
        touched = -(-(touched + max(before, after)) // stride)
    length = 2 * touched + 1
    while True:
        needed = length
        for extent, stride, before, after in reversed(windows):
            needed = (needed - 1) * stride + extent - before - after
            if needed <= 2 * max(before, after):
                break
        else:
            return needed
        length += 1 + length // 4
