"""A highlight as a document, and as plain facts."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.document import (
    Block,
    Code,
    Document,
    Figure,
    Finding,
    Mark,
    MatrixRow,
    MatrixView,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    text,
)
from convscope.core.expression import Number, Sizes
from convscope.core.number import parse_number
from convscope.interpret.conventions import TITLES
from convscope.interpret.highlight_figure import magnified, marked

if TYPE_CHECKING:
    from convscope.interpret.highlight import Detail, Highlight, Product

# As many regions as a table shows; the facts hold more.
MOST_ROWS = 10
MOST_LISTED = 1000
# A window of more taps a side is not written out number by number.
WRITTEN_TAPS = 9
HUNDRED = 100
# A mean of floats is told with so many decimals, except where all means are small.
DECIMALS, SMALL = 4, 0.01


def highlight_document(found: Highlight) -> Document:
    """The marked picture, the regions, and the arithmetic of the strongest."""
    name: Text = (Code(found.kernel.name),) if found.kernel.name else ("the kernel",)
    return Document(text("Where ", *name, " answers most"), blocks(found))


def blocks(found: Highlight, name: str = "highlight") -> tuple[Block, ...]:
    """What the document holds; `name` is that of its figures."""
    return (
        Paragraph(_introduction(found)),
        *_kernel(found),
        Figure((Picture(marked(found), _alternative(found)),), name, _caption(found)),
        *_regions(found),
        *(_detail(found, detail, name) for detail in found.details),
    )


def _introduction(found: Highlight) -> Text:
    rows, columns = found.picture.shape
    size = Sizes((Number(Fraction(rows)), Number(Fraction(columns))))
    notes = f" It was {', '.join(found.picture.notes)}." if found.picture.notes else ""
    border = f" What lies outside the picture: border {found.border!r}."
    return text(
        "The response at each pixel of ", Code(found.picture.name), ", ", size, " pixels, is the sum of the "
        f"window's products with the kernel. Convention: {TITLES[found.convention]}.{border}{notes}",
    )  # fmt: skip


def _kernel(found: Highlight) -> tuple[Block, ...]:
    if max(found.kernel.shape) > WRITTEN_TAPS:
        return ()
    parts = found.details[0].parts if found.details else ()
    turned = found.convention != "correlation"
    caption = "the kernel as it lies on the picture" if turned else "the kernel"
    return tuple(_view(part.kernel, f"{caption}{_of(part)}") for part in parts)


def _of(part: Product) -> str:
    """The channel's name, where there are several."""
    return "" if part.name in {"grey", "luminance"} else f", {part.name}"


def _view(values: ExactArray, caption: str, marks: tuple[Mark, ...] = ()) -> MatrixView:
    rows, columns = values.shape
    cells = tuple(tuple(values.cell((row, column)) for column in range(columns)) for row in range(rows))
    return MatrixView(cells, text(caption), marks)


def _alternative(found: Highlight) -> str:
    return f"{found.picture.name} in grey with {len(found.regions)} marked regions"


def _caption(found: Highlight) -> Text:
    if not found.regions:
        return text("No response is high enough: nothing is marked")
    share = found.share * HUNDRED
    strongest = len(found.details)
    numbered = f"the strongest {strongest} are numbered" if strongest > 1 else "the strongest is numbered"
    return text(
        "High positive response, bright inside a dark line: ", share, " % of the pixels, those with a "
        "response of at least ", parse_number(found.threshold), f"; {numbered}",
    )  # fmt: skip


def _regions(found: Highlight) -> tuple[Block, ...]:
    if not found.regions:
        largest = parse_number(float(found.response.max()))
        return (Finding("note", text("No pixel is marked. The largest response is ", largest, ".")),)
    heads = ("rank", "peak", "at row", "column", "pixels", "mean", "rows", "columns")
    listed = found.regions[:MOST_ROWS]
    rows = tuple(
        (
            text(region.rank), text(parse_number(region.peak)), text(region.peak_at[0]),
            text(region.peak_at[1]), text(region.area), text(mean),
            text(f"{region.box[0]} to {region.box[2] - 1}"), text(f"{region.box[1]} to {region.box[3] - 1}"),
        )
        for region, mean in zip(listed, _one_form([region.mean for region in listed]), strict=True)
    )  # fmt: skip
    count = len(found.regions)
    told = "The marked region" if count == 1 else f"The marked regions, {count} in all"
    caption = f"{told}; the first {MOST_ROWS} by their peak" if count > MOST_ROWS else told
    return (Table(tuple(text(head) for head in heads), rows, "rrrrrrrr", text(caption)),)


def _one_form(means: list[float]) -> list[Fraction]:
    """Measured figures as decimals with the same last place, so that none of them is told as a ratio."""
    form = f".{DECIMALS}f" if max(means) >= SMALL else ".9g"
    return [Fraction(f"{mean:{form}}") for mean in means]


def _detail(found: Highlight, detail: Detail, name: str) -> Section:
    rank = detail.region.rank
    row, column = detail.region.peak_at
    top, left = detail.window_at
    rows, columns = detail.parts[0].kernel.shape
    picture = Picture(
        magnified(found, detail),
        f"the surroundings of row {row}, column {column}, magnified, the window framed",
    )
    height, width = found.picture.shape
    over = top < 0 or left < 0 or top + rows > height or left + columns > width
    caption = text(
        f"The window, rows {top} to {top + rows - 1} and columns {left} to {left + columns - 1}, framed"
        + ("; what lies outside the picture is filled by the border" if over else "")
    )
    inside = _arithmetic(detail) if max(rows, columns) <= WRITTEN_TAPS else ()
    total = text("The sum of all products is the response: ", detail.value, ".")
    return Section(
        text(f"Number {rank}: row {row}, column {column}"),
        (Figure((picture,), f"{name}-{rank}", caption), *inside, Paragraph(total)),
    )


def _arithmetic(detail: Detail) -> tuple[Block, ...]:
    return tuple(
        MatrixRow(
            (
                _view(part.window, f"window{_of(part)}"),
                _view(part.kernel, "kernel"),
                _view(part.products, "products"),
            ),
            ("⊙", "="),
        )
        for part in detail.parts
    )


def highlight_facts(found: Highlight) -> Mapping[str, object]:
    """Threshold, share, regions, and the strongest with window and products; exact numbers as ratios."""
    listed = found.regions[:MOST_LISTED]
    return {
        "picture": found.picture.name,
        "shape": found.picture.shape,
        "kernel": {"name": found.kernel.name, "value": found.kernel.weights},
        "convention": found.convention,
        "border": found.border,
        "notes": list(found.picture.notes),
        "threshold": parse_number(found.threshold) if np.isfinite(found.threshold) else None,
        "marked": int(np.count_nonzero(found.mask)),
        "share": found.share,
        "region_count": len(found.regions),
        "regions": [
            {
                "rank": region.rank,
                "box": region.box,
                "peak": parse_number(region.peak),
                "peak_at": region.peak_at,
                "area": region.area,
                "mean": parse_number(f"{region.mean:.9g}"),
                # A mean of whole numbers: the ratio that the float stands for is found again.
                "centre": {
                    "row": Fraction(region.centre[0]).limit_denominator(region.area),
                    "column": Fraction(region.centre[1]).limit_denominator(region.area),
                },
            }
            for region in listed
        ],
        "strongest": [
            {
                "rank": detail.region.rank,
                "window_at": detail.window_at,
                "value": detail.value,
                "parts": [
                    {
                        "name": part.name,
                        "window": part.window,
                        "kernel": part.kernel,
                        "products": part.products,
                    }
                    for part in detail.parts
                ],
            }
            for detail in found.details
        ],
    }
