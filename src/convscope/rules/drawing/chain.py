"""A chain as blocks to scale, in the manner of the figure of Krizhevsky, Sutskever & Hinton (2012)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.core.drawing import Drawing, Label, Part, Point, Polygon, Shape, Stroke
from convscope.core.windowed import Windowed
from convscope.rules.drawing.blocks import Box, shortened

if TYPE_CHECKING:
    from convscope.rules.network import Network

SHOWN_BOXES = 24
TALLEST = 170.0  # points of the longest spatial axis
WIDEST = 84.0  # points of the most channels
LONGEST_VECTOR = 190.0
SMALLEST = 3.0
SLANT_X, SLANT_Y = 0.38, 0.24  # how far a cell of depth goes to the right and up
VECTOR_WIDTH = 9.0
GAP = 44.0
MARGIN = 18.0
LABEL_SIZE = 10.5
LETTER = 0.56  # the width of a letter, about, in its height
SPATIAL_AXES = 2


@dataclass(frozen=True, slots=True)
class Scale:
    """Points a cell along the picture's axes, a channel, and a number of a vector."""

    cell: float
    channel: float
    feature: float


@dataclass(frozen=True, slots=True)
class Block:
    """A box with its measures in points: width of channels, height of rows, depth of columns."""

    box: Box
    width: float
    height: float
    depth: float
    left: float = 0.0

    @property
    def extent(self) -> float:
        """How far it reaches to the right."""
        return self.width + self.depth * SLANT_X

    @property
    def rise(self) -> float:
        """How far its back reaches above its front."""
        return self.depth * SLANT_Y


def chain_drawing(network: Network, boxes: Sequence[Box]) -> Drawing:
    """The network as blocks from left to right; long ones by their first and last blocks."""
    hidden = len(boxes) - SHOWN_BOXES
    head, tail = SHOWN_BOXES - SHOWN_BOXES // 2, SHOWN_BOXES // 2
    shown = list(boxes) if hidden <= 0 else [*boxes[:head], *boxes[-tail:]]
    scale = _scale(shown)
    blocks = _placed([_block(box, scale) for box in shown])
    middle = MARGIN + 16 + max(block.height / 2 + block.rise for block in blocks)
    bottom = middle + max(block.height / 2 for block in blocks)
    shapes: list[Shape] = []
    for place, block in enumerate(blocks):
        after = blocks[place + 1] if place + 1 < len(blocks) else None
        cut = hidden > 0 and place == head - 1
        shapes.append(_drawn(block, middle, bottom))
        if after is not None:
            shapes += _cut(block, after, middle, hidden) if cut else _link(block, after, middle, scale)
    note = "Heights, depths and widths to scale; nothing is drawn thinner than 3 points."
    shapes.append(Label((MARGIN, bottom + 58), note, "start", 9.5, is_quiet=True))
    width = max(blocks[-1].left + _room(blocks[-1]) + MARGIN, MARGIN * 2 + len(note) * 9.5 * LETTER)
    called = network.graph.name or "the network"
    return Drawing(width, bottom + 70, tuple(shapes), f"Drawing of {called}", _description(boxes))


def _description(boxes: Sequence[Box]) -> str:
    first, last = boxes[0], boxes[-1]
    return f"{len(boxes)} blocks in a chain, from {first.title} to {last.title}."


def _scale(boxes: Sequence[Box]) -> Scale:
    shapes = [box.shape for box in boxes if box.shape]
    cells = max((n for shape in shapes for n in shape[1:]), default=1)
    channels = max((shape[0] for shape in shapes if len(shape) > 1), default=1)
    features = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
    return Scale(TALLEST / cells, WIDEST / channels, LONGEST_VECTOR / features)


def _block(box: Box, scale: Scale) -> Block:
    shape = box.shape
    if not shape:
        return Block(box, VECTOR_WIDTH, VECTOR_WIDTH, 0)
    if len(shape) == 1:
        return Block(box, VECTOR_WIDTH, max(shape[0] * scale.feature, SMALLEST), 0)
    rows, columns = shape[-2:] if len(shape) > SPATIAL_AXES else (shape[1], 0)
    return Block(
        box,
        max(shape[0] * scale.channel, SMALLEST),
        max(rows * scale.cell, SMALLEST),
        max(columns * scale.cell, SMALLEST) if columns else 0,
    )


def _labels(box: Box) -> tuple[tuple[str, bool], ...]:
    """What is written under a block, line by line, and whether it stands out."""
    lines = [(shortened(box.name, 18), True), (box.words.partition(",")[0] if box.row else "", False)]
    options = box.words.partition(", ")[2]
    lines.append((options or box.followed_by, False))
    return tuple(lines)


def _room(block: Block) -> float:
    widest = max(len(words) for words, _ in _labels(block.box)) * LABEL_SIZE * LETTER
    return max(block.extent, widest)


def _placed(blocks: Sequence[Block]) -> list[Block]:
    placed, left = [], MARGIN + 14
    for block in blocks:
        room = _room(block)
        inner = left + (room - block.extent) / 2
        placed.append(Block(block.box, block.width, block.height, block.depth, inner))
        left += room + GAP
    return placed


def _drawn(block: Block, middle: float, bottom: float) -> Part:
    left, right = block.left, block.left + block.width
    top, base = middle - block.height / 2, middle + block.height / 2
    across, up = block.depth * SLANT_X, block.rise
    shapes: list[Shape] = [Polygon(((left, top), (right, top), (right, base), (left, base)), "front")]
    if block.depth:
        back = (left + across, top - up), (right + across, top - up)
        shapes.append(Polygon(((left, top), *back, (right, top)), "top"))
        side = ((right, top), (right + across, top - up), (right + across, base - up), (right, base))
        shapes.append(Polygon(side, "side"))
    shapes += _sizes(block, top, base)
    centre = left + block.extent / 2
    for line, (words, strong) in enumerate(_labels(block.box)):
        at = (centre, bottom + 16 + line * 13)
        size = LABEL_SIZE if strong else LABEL_SIZE - 1
        shapes.append(Label(at, words, size=size, is_strong=strong, is_quiet=not strong))
    return Part(block.box.title, tuple(shapes))


def _sizes(block: Block, top: float, base: float) -> list[Shape]:
    """The lengths of the axes beside the edges they belong to."""
    shape = block.box.shape
    if not shape:
        return []
    left, right = block.left, block.left + block.width
    if len(shape) == 1:
        return [Label(((left + right) / 2, top - 5), str(shape[0]), size=10)]
    labels = [Label((left - 3, (top + base) / 2 + 4), str(shape[1]), "end", 10)]
    over = (left + right) / 2 + block.depth * SLANT_X, top - block.rise - 5
    labels.append(Label(over, str(shape[0]), size=10))
    if block.depth and len(shape) > SPATIAL_AXES:
        at = right + block.depth * SLANT_X / 2 + 5, base - block.rise / 2 + 9
        labels.append(Label(at, str(shape[-1]), "start", 10))
    return list(labels)


def _link(block: Block, after: Block, middle: float, scale: Scale) -> list[Shape]:
    """The way to the next block: the window on the face it slides over, or an arrow."""
    target = (after.left - (20 if after.box.shape and len(after.box.shape) > 1 else 3), middle)
    window = _window(block, after, middle, scale)
    if window is None:
        start = (block.left + block.width + block.depth * SLANT_X * 0.5 + 3, middle)
        return [Stroke((start, target), "link", arrow=True)]
    lines = [Stroke((corner, target), "guide") for corner in (window[1], window[2])]
    return [Polygon(window, "window"), *lines]


def _window(block: Block, after: Block, middle: float, scale: Scale) -> tuple[Point, ...] | None:
    """The corners of the next layer's window in the middle of the face it slides over."""
    layer = after.box.row.layer if after.box.row else None
    shape = block.box.shape
    if not isinstance(layer, Windowed) or not shape or len(shape) != SPATIAL_AXES + 1:
        return None
    kernel = getattr(layer.for_rank(SPATIAL_AXES), "kernel_size", None)
    if kernel is None:
        return None
    high = min(kernel[0] * scale.cell, block.height)
    deep = min(kernel[1] * scale.cell, block.depth)
    right, base = block.left + block.width, middle + block.height / 2
    first, low = (block.depth - deep) / 2, (block.height - high) / 2

    def corner(depth: float, height: float) -> Point:
        return right + depth * SLANT_X, base - height - depth * SLANT_Y

    return (corner(first, low + high), corner(first + deep, low + high),
            corner(first + deep, low), corner(first, low))  # fmt: skip


def _cut(block: Block, after: Block, middle: float, hidden: int) -> list[Shape]:
    """Where blocks are left out: how many."""
    centre = (block.left + block.extent + after.left) / 2 - 6
    return [
        Label((centre, middle), "⋯", size=18),
        Label((centre, middle + 16), f"{hidden} more", size=9.5, is_quiet=True),
    ]
