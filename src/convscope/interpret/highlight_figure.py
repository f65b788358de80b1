"""A highlight as one picture: the marked areas, and the strongest three magnified with their arithmetic.

Marks are told by light and dark as well as by colour, so that the figure can be printed in grey and read by
people who do not tell red from green: marked cells are bright yellow inside a black line, on a picture
that is drawn paler than it is, and the strongest places carry a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray
from convscope.core.number import decimal_places, decimal_text, is_short

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from convscope.interpret.highlight import Detail, Highlight, Product

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

YELLOW = np.array([255, 222, 0], dtype=np.uint8)
BLACK = np.zeros(3, dtype=np.uint8)
INK, PAPER, QUIET = (20, 20, 20), (255, 255, 255), (110, 110, 110)
# A picture is drawn about so large: pixels of a small one become squares, a large one is reduced.
MAIN_SIDE = 800
DETAIL_SIDE = 216
DETAIL_CELLS = 15
# The picture behind the marks keeps this much of its contrast, about a light grey.
PALE, LIGHT = 0.72, 205.0
LEAST_FRAME = 8.0
CELL, GAP, MARGIN = 46, 14, 18
TEXT, SMALL = 17, 14
# Kernels up to this many taps a side have their numbers written out.
WRITTEN_TAPS = 5
MOST_DECIMALS, ROUNDED = 4, 2


def marked(found: Highlight, side: int = MAIN_SIDE) -> Pixels:
    """The picture with its marked cells and the windows of the strongest numbered."""
    grey, mask, factor = _fitted(found.picture.grey(), found.mask, side)
    pixels = _with_marks(grey, mask)
    picture, draw = _canvas_of(pixels)
    for detail in found.details:
        top, left = detail.window_at
        rows, columns = detail.parts[0].kernel.shape
        box = [left * factor, top * factor, (left + columns) * factor, (top + rows) * factor]
        # In a picture much reduced a window would be smaller than its own lines.
        for low, high in ((0, 2), (1, 3)):
            grow = max(0.0, LEAST_FRAME - (box[high] - box[low])) / 2
            box[low], box[high] = box[low] - grow, box[high] + grow
        _frame(draw, box, picture.size)
        _badge(draw, box, detail.region.rank, picture.size)
    return np.asarray(picture)


def magnified(found: Highlight, detail: Detail, side: int = DETAIL_SIDE) -> Pixels:
    """The surroundings of one window, each pixel a square, the window framed."""
    rows, columns = detail.parts[0].kernel.shape
    height, width = found.picture.shape
    cells = max(DETAIL_CELLS, rows + 6, columns + 6)
    top = _start(detail.window_at[0] + rows // 2 - cells // 2, cells, height)
    left = _start(detail.window_at[1] + columns // 2 - cells // 2, cells, width)
    crop = found.picture.grey()[top : top + cells, left : left + cells]
    factor = max(1, side // max(crop.shape))
    large = np.kron(crop, np.ones((factor, factor), dtype=np.uint8))
    picture, draw = _canvas_of(np.repeat(large[:, :, None], 3, axis=2))
    first = ((detail.window_at[0] - top) * factor, (detail.window_at[1] - left) * factor)
    box = [first[1], first[0], first[1] + columns * factor, first[0] + rows * factor]
    _frame(draw, [float(edge) for edge in box], picture.size)
    return np.asarray(picture)


def figure(found: Highlight) -> Pixels:
    """Everything in one picture: the marked picture, beside or below it the strongest three."""
    from PIL import Image

    main = Image.fromarray(marked(found))
    panels = [_panel(found, detail) for detail in found.details]
    width, height = main.size
    panel_width = max((panel.width for panel in panels), default=0)
    beside = width <= height * 4 / 3 or not panels
    title = _title(found)
    head = MARGIN + len(title) * (TEXT + 8)
    if beside:
        size = (
            MARGIN + width + (MARGIN + panel_width if panels else 0) + MARGIN,
            head + max(height, sum(panel.height + GAP for panel in panels)) + MARGIN,
        )
    else:
        size = (
            MARGIN + max(width, panel_width) + MARGIN,
            head + height + MARGIN + sum(panel.height + GAP for panel in panels),
        )
    size = (max(size[0], _width(title[0], TEXT) + 2 * MARGIN), size[1])
    page = Image.new("RGB", size, PAPER)
    draw = _drawing(page)
    for number, line in enumerate(title):
        draw.text((MARGIN, MARGIN + number * (TEXT + 8)), line, INK if number == 0 else QUIET, _font(TEXT))
    page.paste(main, (MARGIN, head))
    left = 2 * MARGIN + width if beside else MARGIN
    top = head if beside else head + height + MARGIN
    for panel in panels:
        page.paste(panel, (left, top))
        top += panel.height + GAP
    return np.asarray(page)


def _title(found: Highlight) -> list[str]:
    name = found.kernel.name or f"a {'x'.join(map(str, found.kernel.shape))} kernel"
    convention = {"correlation": "cross-correlation", "convolution": "true convolution"}.get(
        found.convention, "rows from the bottom up, as Pillow"
    )
    share = _number(found.share * 100)
    marked_cells = f"marked: {share} % of the pixels" if found.regions else "no pixel is marked"
    least = (
        f", those with a response of at least {_number(Fraction(str(found.threshold)))}"
        if found.regions
        else ""
    )
    lines = (f"Response to {name} ({convention})", f"{marked_cells}{least}")
    # Pillow's own letters are those of English.
    return [line.encode("ascii", "replace").decode("ascii") for line in lines]


# --- the picture ---------------------------------------------------------------------------------


def _fitted(grey: Pixels, mask: Mask, side: int) -> tuple[Pixels, Mask, float]:
    """Picture and mask enlarged by a whole factor, or reduced; and the factor."""
    longest = max(grey.shape)
    factor = side // longest
    if factor >= 1:
        block = np.ones((factor, factor), dtype=np.uint8)
        return np.kron(grey, block), np.kron(mask, block).astype(bool), float(factor)
    from PIL import Image

    scale = side / longest
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    small = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
    # A single marked cell must not get lost: where any cell is marked, the pixel is.
    shares = Image.fromarray(mask.astype(np.uint8) * 255).convert("F").resize(size, Image.Resampling.BOX)
    return small, np.asarray(shares) > 0, scale


def _with_marks(grey: Pixels, mask: Mask) -> Pixels:
    """A paler picture with the marked cells bright inside a dark line."""
    pale = np.rint(LIGHT + (grey.astype(np.float64) - LIGHT) * PALE).astype(np.uint8)
    pixels = np.repeat(pale[:, :, None], 3, axis=2)
    pixels[_grown(mask)] = BLACK
    pixels[mask] = YELLOW
    return pixels


def _grown(mask: Mask) -> Mask:
    """The mask and the pixels that touch it."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    grown = np.zeros_like(mask)
    for down in range(3):
        for right in range(3):
            grown |= padded[down : down + rows, right : right + columns]
    return grown


def _start(wanted: int, cells: int, length: int) -> int:
    return max(0, min(wanted, length - cells))


# --- drawing -------------------------------------------------------------------------------------


def _canvas_of(pixels: Pixels) -> tuple[Image, ImageDraw]:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return picture, _drawing(picture)


def _drawing(picture: Image) -> ImageDraw:
    from PIL import ImageDraw

    return ImageDraw.Draw(picture)


@lru_cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    """Pillow's own letters, of so many pixels."""
    from PIL.ImageFont import load_default

    return load_default(size=size)


def _width(words: str, size: int) -> int:
    left, _, right, _ = _font(size).getbbox(words)
    return round(right - left)


def _frame(draw: ImageDraw, box: list[float], size: tuple[int, int]) -> None:
    """A white line between two black ones: seen on any grey."""
    for away, colour in ((3, INK), (1, PAPER), (2, PAPER), (0, INK)):
        edges = [box[0] - away, box[1] - away, box[2] - 1 + away, box[3] - 1 + away]
        bounds = (size[0] - 1, size[1] - 1) * 2
        # A window over the border is framed as far as it lies in the picture.
        kept = [min(max(edge, 0.0), bound) for edge, bound in zip(edges, bounds, strict=True)]
        draw.rectangle(kept, outline=colour)


def _badge(draw: ImageDraw, box: list[float], number: int, size: tuple[int, int]) -> None:
    """The rank in a black disc beside a frame, inside the picture."""
    radius = 13
    x = box[2] + radius + 4 if box[2] + 2 * radius + 6 < size[0] else box[0] - radius - 4
    y = min(max((box[1] + box[3]) / 2, radius + 1), size[1] - radius - 2)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=INK, outline=PAPER, width=2)
    draw.text((x, y), str(number), PAPER, _font(TEXT), anchor="mm")


@dataclass(frozen=True, slots=True)
class _Grid:
    """Numbers in cells under a word."""

    values: ExactArray
    word: str

    @property
    def size(self) -> tuple[int, int]:
        rows, columns = self.values.shape
        return columns * self.cell, rows * CELL * 3 // 4 + SMALL + 8

    @property
    def cell(self) -> int:
        """As wide as the longest number needs."""
        longest = max(_width(_number(value), SMALL) for value in self.values.cells())  # type: ignore[arg-type]
        return max(CELL, longest + 14)

    def draw(self, draw: ImageDraw, left: int, top: int) -> None:
        """The word, then the numbers."""
        height = CELL * 3 // 4
        draw.text((left, top), self.word, QUIET, _font(SMALL))
        top += SMALL + 8
        rows, columns = self.values.shape
        for row in range(rows):
            for column in range(columns):
                x, y = left + column * self.cell, top + row * height
                draw.rectangle([x, y, x + self.cell, y + height], outline=QUIET)
                place = (x + self.cell / 2, y + height / 2)
                draw.text(place, _number(self.values[row, column]), INK, _font(SMALL), anchor="mm")


def _panel(found: Highlight, detail: Detail) -> Image:
    """One strong place: its number, the magnified surroundings, window ⊙ kernel = products, their sum."""
    from PIL import Image

    inset = Image.fromarray(magnified(found, detail))
    region = detail.region
    words = (
        f"response {_number(detail.value)} at row {region.peak_at[0]}, column {region.peak_at[1]}; "
        f"region of {region.area} pixel{'' if region.area == 1 else 's'}"
    )
    lines = [_grids(part) for part in detail.parts if max(part.kernel.shape) <= WRITTEN_TAPS]
    grids_width = max((sum(grid.size[0] + 2 * GAP + 12 for grid in line) for line in lines), default=0)
    grids_height = sum(max(grid.size[1] for grid in line) + GAP for line in lines)
    grids_height += TEXT + GAP if lines else 0
    head = 34
    width = max(inset.width + (2 * GAP + grids_width if lines else 0), _width(words, TEXT) + 40)
    panel = Image.new("RGB", (width, head + max(inset.height, grids_height)), PAPER)
    draw = _drawing(panel)
    draw.ellipse([0, 0, 26, 26], fill=INK)
    draw.text((13, 13), str(region.rank), PAPER, _font(TEXT), anchor="mm")
    draw.text((36, 13), words, INK, _font(TEXT), anchor="lm")
    panel.paste(inset, (0, head))
    top = head
    for line in lines:
        left = inset.width + 2 * GAP
        height = max(grid.size[1] for grid in line)
        for grid, sign in zip(line, ("x", "=", ""), strict=True):
            grid.draw(draw, left, top)
            left += grid.size[0] + GAP
            draw.text((left, top + height / 2 + 10), sign, INK, _font(TEXT), anchor="mm")
            left += GAP + 12
        top += height + GAP
    if lines:
        total = f"sum of the products: {_number(detail.value)}"
        draw.text((inset.width + 2 * GAP, top), total, INK, _font(TEXT))
    return panel


def _grids(part: Product) -> tuple[_Grid, _Grid, _Grid]:
    lead = "" if part.name in {"grey", "luminance"} else f"{part.name} "
    return (
        _Grid(part.window, f"{lead}window"),
        _Grid(part.kernel, "kernel"),
        _Grid(part.products, "products, cell by cell"),
    )


def _number(value: Fraction) -> str:
    """All decimals where there are at most four, else rounded to two."""
    if not is_short(value, MOST_DECIMALS):
        return decimal_text(value, ROUNDED)
    places = decimal_places(value) or 0
    return decimal_text(value, places)
