"""How an `apply` problem is shown: before and after, a detail of both, what the kernel does to levels."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

import convscope as cs
from convscope.core.document import (
    Block,
    Code,
    Figure,
    Finding,
    MatrixView,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    text,
)
from convscope.core.expression import Number, Sizes
from convscope.problems.kinds.interpret import sentence
from convscope.problems.pictures import Pixels, display, enlarged

# A detail of so many pixels a side, enlarged until a pixel is a square one can see.
DETAIL = 24
LEAST_SHOWN = 192

CHANNELS = ("red", "green", "blue")
Floats = npt.NDArray[np.float64]


def picture_blocks(
    name: str, photograph: cs.Photograph, layer: cs.Conv, solutions: Sequence[cs.Solution], how: str | None,
    found: cs.Description | None = None,
) -> tuple[Block, ...]:  # fmt: skip
    """A picture before and after, a detail, the extreme values, and one cell worked out."""
    before = photograph.pixels
    after = np.stack([solution.value.to_float() for solution in solutions], axis=-1)
    result = display(after if before.ndim == 3 else after[:, :, 0], how)
    row, column = _most_changed(before, after)
    first = solutions[0].stages[0]
    return (
        Paragraph(_introduction(photograph)),
        *kernel_blocks(layer, first.work.convention()),
        *_words(layer, found),
        Figure(
            (
                Picture(before, f"{photograph.name} before the kernel", text("before")),
                Picture(result.pixels, f"{photograph.name} after the kernel", text(f"after, {result.words}")),
            ),
            name,
            text(Code(photograph.name), " before and after the kernel"),
        ),
        *_detail(name, photograph, result.pixels, (row, column)),
        _extremes(photograph, solutions),
        *_same_cells(photograph, solutions),
        *shift_findings(layer, before.shape[:2], after.shape[:2]),
        Section(_cell_title(row, column, len(solutions)), first.cell(row, column).blocks()),
    )


def matrix_blocks(
    name: str, source: cs.ExactArray, layer: cs.Conv, solution: cs.Solution, how: str | None,
    found: cs.Description | None = None,
) -> tuple[Block, ...]:  # fmt: skip
    """A matrix before and after as grey cells, then its worked solution."""
    pictures = []
    for values, when in ((source, "before"), (solution.value, "after")):
        shown = display(values.to_float(), how or "stretch")
        pixels, factor = enlarged(shown.pixels, LEAST_SHOWN)
        words = f"{when}, a cell as {factor}×{factor} pixels, {shown.words}"
        pictures.append(Picture(pixels, f"the matrix {when}", text(words)))
    figure = Figure(tuple(pictures), name, text("The matrix before and after the kernel"))
    shifts = shift_findings(layer, source.shape, solution.value.shape)
    return (*solution.document().blocks, *_words(layer, found), figure, *shifts)


def _words(layer: cs.Conv, found: cs.Description | None) -> tuple[Block, ...]:
    """What the kernel does, as its numbers alone tell it."""
    if found is None:
        return ()
    lead = "From its numbers alone, this is what the kernel does:"
    if layer.dilation not in (1, (1, 1)):
        lead = (
            "From its numbers alone, this is what the kernel does, at the size that dilation spreads it to:"
        )
    return (Paragraph(text(lead)), sentence(found))


def _introduction(photograph: cs.Photograph) -> Text:
    height, width = photograph.pixels.shape[:2]
    size = Sizes((Number(Fraction(height)), Number(Fraction(width))))
    kind = (
        "pixels in colour, each channel from 0 to 255; the channels are worked one by one"
        if photograph.pixels.ndim == 3
        else "pixels, from 0 for black to 255 for white"
    )
    notes = f". It was {' and '.join(photograph.notes)}" if photograph.notes else ""
    return text("The picture ", Code(photograph.name), " has ", size, f" {kind}{notes}.")


def kernel_blocks(layer: cs.Conv, convention: Text) -> tuple[Block, ...]:
    """The kernel, the convention, and what the sum of its taps does to an even area."""
    assert layer.kernel is not None  # noqa: S101 - apply problems build it from a kernel
    taps = layer.kernel.weights
    rows = tuple(tuple(taps[i, j] for j in range(taps.shape[1])) for i in range(taps.shape[0]))
    total = sum((tap for row in rows for tap in row if isinstance(tap, Fraction)), Fraction(0))
    return (
        MatrixView(rows, text("the kernel")),
        Paragraph(convention),
        Paragraph(text("The taps sum to ", total, f": {_level(total)}.")),
    )


def _level(total: Fraction) -> str:
    if total == 1:
        return "a flat area keeps its level"
    return "a flat area becomes 0" if total == 0 else "the level of a flat area is multiplied by it"


def _detail(
    name: str, photograph: cs.Photograph, after: Pixels, centre: tuple[int, int]
) -> tuple[Block, ...]:
    """The same place in both pictures, enlarged; nothing when the result has another size."""
    before = photograph.pixels
    height, width = before.shape[:2]
    if after.shape[:2] != (height, width) or min(height, width) < 2 * DETAIL:
        return ()
    top = min(max(centre[0] - DETAIL // 2, 0), height - DETAIL)
    left = min(max(centre[1] - DETAIL // 2, 0), width - DETAIL)
    pictures = []
    for pixels, when in ((before, "before"), (after, "after")):
        large, factor = enlarged(pixels[top : top + DETAIL, left : left + DETAIL], LEAST_SHOWN)
        pictures.append(Picture(large, f"detail of {photograph.name}, {when}", text(when)))
    caption = text(
        f"Detail: rows {top} to {top + DETAIL - 1}, columns {left} to {left + DETAIL - 1}, "
        f"each pixel as {factor}×{factor}"
    )
    return (Figure(tuple(pictures), f"{name}-detail", caption),)


def _most_changed(before: Pixels, after: Floats) -> tuple[int, int]:
    """The output cell that differs most from the input cell at its place; the middle when none does.

    Cells near the border come last: there it is the padding that makes the difference.
    """
    height, width = after.shape[:2]
    middle = (height // 2, width // 2)
    if before.shape[:2] != (height, width):
        return middle
    first = before if before.ndim == 2 else before[:, :, 0]
    change = np.abs(after[:, :, 0] - first)
    margin = DETAIL // 2 if min(height, width) > 2 * DETAIL else 0
    inner = change[margin : height - margin, margin : width - margin]
    if not inner.any():
        return middle
    row, column = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return int(row) + margin, int(column) + margin


def _extremes(photograph: cs.Photograph, solutions: Sequence[cs.Solution]) -> Table:
    """The smallest and largest exact value, before and after."""
    rows: list[tuple[Text, ...]] = []
    names = CHANNELS if len(solutions) > 1 else ("grey",)
    for name, channel, solution in zip(names, photograph.channels(), solutions, strict=True):
        low, high = extreme(solution.value, np.argmin), extreme(solution.value, np.argmax)
        before = (int(channel.min()), int(channel.max()))
        rows.append((text(name), text(before[0]), text(before[1]), text(low), text(high)))
    heads = ("channel", "smallest before", "largest before", "smallest after", "largest after")
    return Table(tuple(text(head) for head in heads), tuple(rows), "lrrrr", text("Exact extreme values"))


def extreme(values: cs.ExactArray, where: Any) -> Fraction:  # noqa: ANN401 - np.argmin or np.argmax
    """The smallest or largest number of an array, exact."""
    index = np.unravel_index(int(where(values.to_float())), values.shape)
    found: Fraction = values[tuple(int(position) for position in index)]
    return found


def _same_cells(photograph: cs.Photograph, solutions: Sequence[cs.Solution]) -> tuple[Block, ...]:
    """A finding when not one value changed."""
    pairs = zip(photograph.channels(), solutions, strict=True)
    if any(cs.matrix(channel) != solution.value for channel, solution in pairs):
        return ()
    return (Finding("result", text("Every value of the result is the input's: the picture is unchanged.")),)


def shift_findings(layer: cs.Conv, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[Finding, ...]:
    """A note when the windows are not centred on their output cells, so that the picture moves."""
    shifts = [
        _shift(layer, axis) if before[axis] == after[axis] else Fraction(0) for axis in range(len(before))
    ]
    if not any(shifts):
        return ()
    centre = ", ".join(f"{letter} {_signed(shift)}" for letter, shift in zip("ij", shifts, strict=False))
    even = any(length % 2 == 0 for length in layer.kernel_size)
    reason = (
        "A kernel of even size has no centre tap: the"
        if even
        else "The padding is not the same on both sides: the"
    )
    moves = " and ".join(
        words
        for shift, names in zip(shifts, (("up", "down"), ("left", "right")), strict=False)
        if (words := _move(shift, names))
    )
    return (
        Finding(
            "note",
            text(f"{reason} window of output cell (i, j) is centred at ({centre}) of the input, "
                 f"so what is seen moves by {moves}."),
        ),
    )  # fmt: skip


def _shift(layer: cs.Conv, axis: int) -> Fraction:
    """How far the window's centre lies after its output cell, in input cells, when sizes stay."""
    extent = layer.dilation[axis % len(layer.dilation)] * (layer.kernel_size[axis] - 1)
    # "same" puts the odd cell after, so ⌊extent/2⌋ cells lie before.
    pads = extent // 2 if layer.padding == "same" else layer.padding[axis % len(layer.padding)][0]
    return Fraction(extent, 2) - Fraction(int(pads))


def _signed(shift: Fraction) -> str:
    if not shift:
        return "+ 0"
    sign = "+" if shift > 0 else "\u2212"
    return f"{sign} {float(abs(shift)):g}"


def _move(shift: Fraction, names: tuple[str, str]) -> str:
    if not shift:
        return ""
    length = "half a pixel" if abs(shift) == Fraction(1, 2) else f"{float(abs(shift)):g} pixels"
    return f"{length} {names[0] if shift > 0 else names[1]}"


def _cell_title(row: int, column: int, channels: int) -> Text:
    channel = f" of the {CHANNELS[0]} channel" if channels > 1 else ""
    return text(f"One cell worked out: row {row}, column {column}{channel}")
