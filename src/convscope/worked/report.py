"""A solution as a document: convention, size, padded input, kernel, every cell, result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.array import ExactArray, differs
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import (
    Block,
    Code,
    Document,
    Finding,
    MatrixRow,
    Paragraph,
    Section,
    Strong,
    Text,
    elided,
    text,
)
from convscope.core.expression import sizes
from convscope.core.layer import Layer
from convscope.core.windowed import Windowed
from convscope.rules.shape import ShapeResult
from convscope.worked.arithmetic import distinct
from convscope.worked.pointwise import PointwiseWork
from convscope.worked.views import array_views, cell_marks, matrix_view

if TYPE_CHECKING:
    from convscope.worked.solution import Solution, Stage

# A small feature map is shown cell by cell; of a large one so many cells are worked as examples.
MOST_CELLS = 16
EXAMPLE_CELLS = 4
MOST_DIFFERENCES = 400


def solution_document(solution: Solution) -> Document:
    """The whole solution, layer by layer."""
    blocks: list[Block] = []
    for number, array in enumerate(solution.inputs, start=1):
        name = "Input" if len(solution.inputs) == 1 else f"Input {number}"
        blocks += array_views(array, text(f"{name}, ", sizes(array.shape)))
    last = solution.stages[-1]
    blocks += [
        Section(stage_title(stage), stage_blocks(stage, last=stage is last)) for stage in solution.stages
    ]
    if solution.other is not None:
        blocks.append(Section(text("The other convention"), comparison_blocks(solution, solution.other)))
    return Document(text("Worked solution"), tuple(blocks))


def stage_document(stage: Stage) -> Document:
    """One stage on its own."""
    return Document(stage_title(stage), stage_blocks(stage))


def layer_words(layer: Layer) -> str:
    """The layer's name with its window: "true convolution, 3×3 kernel"."""
    if isinstance(layer, Conv):
        kind = "true convolution" if layer.flip else "cross-correlation"
    else:
        kind = layer.title
    if isinstance(layer, Windowed):
        noun = "kernel" if isinstance(layer, Conv | ConvTranspose) else "window"
        return f"{kind}, {'×'.join(map(str, layer.kernel_size))} {noun}"
    return kind


def stage_title(stage: Stage) -> Text:
    """The stage's number and what it computes."""
    words = layer_words(stage.work.layer)
    return text(f"Step {stage.number}: {words}")


def stage_blocks(stage: Stage, *, last: bool = False) -> tuple[Block, ...]:
    """Convention, size, preamble, cells, result."""
    work = stage.work
    blocks: list[Block] = [Paragraph(work.convention())]
    blocks += _size_blocks(work.shape)
    blocks += work.preamble()
    if work.how():
        blocks.append(Paragraph(work.how()))
    blocks += _cell_blocks(stage)
    reached = f"Result, after step {stage.number}, " if last else f"After step {stage.number}, "
    caption = text(reached, sizes(stage.shape))
    blocks += array_views(stage.value, caption)
    return tuple(blocks)


def _size_blocks(shape: ShapeResult) -> tuple[Block, ...]:
    """The output size worked out, where there is something to work out."""
    if not shape.axes:
        return ()
    steps = ShapeResult(shape.shape, (), shape.axes).steps()
    return (
        Paragraph(text(Strong("Output size."))),
        *(block for step in steps for block in step_blocks(step)),
    )


def step_blocks(step: Step) -> tuple[Block, ...]:
    """A step's words, then its blocks."""
    return ((Paragraph(step.claim),) if step.claim else ()) + step.blocks


def _cell_blocks(stage: Stage) -> tuple[Block, ...]:
    """The cells worked: all of a small map, each distinct value of an activation, examples of a large map."""
    cells = _worked_cells(stage)
    most = MOST_CELLS if len(cells) <= MOST_CELLS else EXAMPLE_CELLS

    def one(number: int) -> tuple[Block, ...]:
        index = cells[number]
        return tuple(block for step in stage.cell(*index).steps for block in step.blocks)

    command = f"--cell {','.join(map(str, cells[len(cells) // 2]))}"
    remedy = text(
        Code(f"solution.stages[{stage.number - 1}].cell(…)"), " or ", Code(command), " works any of them"
    )
    return elided(len(cells), one, most, "cells", remedy)


def _worked_cells(stage: Stage) -> Sequence[tuple[int, ...]]:
    if isinstance(stage.work, PointwiseWork):
        # One cell for each number that comes in: the same number gives the same value.
        _, codes = distinct(stage.work.x)
        _, first = np.unique(codes.reshape(-1), return_index=True)
        shape = stage.work.value.shape
        return [
            stage.layout.visible_index(tuple(int(i) for i in np.unravel_index(place, shape)), shape)
            for place in sorted(int(f) for f in first)
        ]
    return CellIndices(stage.shape)


class CellIndices(Sequence[tuple[int, ...]]):
    """Every index of a shape in row-major order, made when asked for: a picture has a million."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, place: int) -> tuple[int, ...]:  # type: ignore[override]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return tuple(int(i) for i in np.unravel_index(place, self.shape))


# --- the two conventions ----------------------------------------------------------------------


def comparison_blocks(solution: Solution, other: Solution) -> tuple[Block, ...]:
    """Stage by stage, both conventions side by side with the differing cells marked."""
    blocks: list[Block] = [Paragraph(text("The same layers, worked as ", _convention_of(other), ":"))]
    changed = [
        (mine, theirs)
        for mine, theirs in zip(solution.stages, other.stages, strict=True)
        if mine.value != theirs.value
    ]
    if not changed:
        told = (
            "Both conventions give the same result here: the kernel is the same when rotated by 180°, "
            "or the input hides the difference."
        )
        return (*blocks, Finding("note", text(told)))
    for mine, theirs in changed:
        blocks += _difference_blocks(mine, theirs)
    return tuple(blocks)


def _convention_of(solution: Solution) -> Strong:
    flips = any(getattr(stage.layer, "flip", False) for stage in solution.stages)
    return Strong("true convolution" if flips else "cross-correlation")


def _difference_blocks(mine: Stage, theirs: Stage) -> list[Block]:
    cells = differing_cells(mine.value, theirs.value)
    count = text(
        f"After step {mine.number}, ",
        len(cells),
        " of ",
        mine.value.size,
        " cells differ" + (":" if cells else "."),
    )
    if mine.value.ndim > 2 or len(cells) > MOST_DIFFERENCES:
        return [Paragraph(count), *array_views(theirs.value, text("Under the other convention"))]
    marks = cell_marks("difference", cells)
    views = (
        matrix_view(mine.value, text(layer_words(mine.work.layer)), marks),
        matrix_view(theirs.value, text(layer_words(theirs.work.layer)), marks),
    )
    return [Paragraph(count), MatrixRow(views, ("versus",))]


def differing_cells(a: ExactArray, b: ExactArray) -> list[tuple[int, ...]]:
    """The cells in which two exact arrays of one shape differ."""
    return [tuple(int(i) for i in index) for index in np.argwhere(differs(a, b))]
