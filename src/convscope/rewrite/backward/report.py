"""A backward pass as a document: the layers from the last to the first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from convscope.core.document import (
    Block,
    Code,
    Document,
    Paragraph,
    Section,
    Strong,
    Text,
    elided,
    text,
)
from convscope.core.expression import sizes
from convscope.worked.report import EXAMPLE_CELLS, MOST_CELLS, CellIndices, layer_words
from convscope.worked.views import array_views

if TYPE_CHECKING:
    from convscope.rewrite.backward import Backward, BackwardStage

PARAMETER_NAMES = {"weight": "weights", "bias": "bias"}


def backward_document(backward: Backward) -> Document:
    """Every layer, the last one first, then the gradient of the input."""
    told = text(
        "L is the loss. Each layer is given dL/dy, the gradient of its output, and gives dL/dx, the gradient "
        "of its input, to the layer before it. In the formulas dx stands for dL/dx."
    )
    blocks: list[Block] = [Paragraph(told)]
    ones = all(cell == 1 for cell in backward.gradient.cells())
    start = "dL/dy of the output (ones: L is the sum of its cells), " if ones else "dL/dy of the output, "
    blocks += array_views(backward.gradient, text(start, sizes(backward.gradient.shape)))
    blocks += [Section(stage_title(stage), stage_blocks(stage)) for stage in reversed(backward.stages)]
    return Document(text("Worked backwards"), tuple(blocks))


def stage_document(stage: BackwardStage) -> Document:
    """One layer on its own."""
    caption = text("dL/dy, ", sizes(stage.gradient.shape))
    return Document(stage_title(stage), (*array_views(stage.gradient, caption), *stage_blocks(stage)))


def stage_title(stage: BackwardStage) -> Text:
    """The layer's number and what it is."""
    return text(f"Back through step {stage.stage.number}: {layer_words(stage.stage.work.layer)}")


def stage_blocks(stage: BackwardStage) -> tuple[Block, ...]:
    """The rule, cells worked, dL/dx, then each parameter's gradient."""
    blocks: list[Block] = [Paragraph(stage.work.rule()), *stage.work.preamble()]
    place = stage.stage.number - 1
    shape = stage.value.shape
    remedy = text(Code(f"backward.stages[{place}].cell(…)"), " works any of them")
    at_once = stage.work.at_once()
    blocks += at_once or _cells(shape, lambda index: stage.cell(*index).blocks(), remedy)
    for number, found in enumerate(() if at_once else stage.values, start=1):
        name = "dL/dx" if len(stage.values) == 1 else f"dL/dx of input {number}"
        blocks += array_views(found, text(f"{name}, ", sizes(found.shape)))
    for parameter, found in stage.parameters.items():
        remedy = text(
            Code(f"backward.stages[{place}].parameter_cell({parameter!r}, …)"), " works any of them"
        )
        blocks.append(
            Paragraph(text(Strong(f"The {PARAMETER_NAMES[parameter]}. "), *stage.work.parameter_rule()))
        )
        blocks += _cells(
            found.shape,
            partial(_parameter_blocks, stage, parameter),
            remedy,
        )
        plain = found.reshape(found.shape[2:]) if found.ndim > 2 and found.shape[:2] == (1, 1) else found
        blocks += array_views(plain, text(f"dL/d{parameter}, ", sizes(found.shape)))
    return tuple(blocks)


def _parameter_blocks(stage: BackwardStage, parameter: str, index: tuple[int, ...]) -> tuple[Block, ...]:
    """The cell's matrices and sum; what is done was said once."""
    return tuple(block for step in stage.parameter_cell(parameter, *index).steps for block in step.blocks)


def _cells(
    shape: tuple[int, ...], derive: Callable[[tuple[int, ...]], tuple[Block, ...]], remedy: Text
) -> tuple[Block, ...]:
    """All cells of a small array worked, examples of a large one."""
    cells = CellIndices(shape)
    most = MOST_CELLS if len(cells) <= MOST_CELLS else EXAMPLE_CELLS
    return elided(len(cells), lambda number: derive(cells[number]), most, "cells", remedy)
