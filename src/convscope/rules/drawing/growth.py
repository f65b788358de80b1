"""How the receptive field grows from layer to layer, as a chart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.core.drawing import Drawing, Label, Part, Polygon, Shape, Stroke
from convscope.rules.drawing.blocks import shortened

if TYPE_CHECKING:
    from convscope.rules.network import Network

MOST_BARS = 60
HEIGHT = 190.0
BAR, GAP = 18.0, 6.0
LEFT, TOP, FOOT, RIGHT = 54.0, 26.0, 26.0, 20.0
NARROWEST = 360.0
LINES = 4


@dataclass(frozen=True, slots=True)
class Grown:
    """A layer that sees more than those before it: its name and size along the first axis."""

    name: str
    size: int


def growth(network: Network) -> tuple[Grown, ...]:
    """The layers at which the receptive field grows, in order; those that see the whole picture left out."""
    found: list[Grown] = []
    largest = 1
    for row in network.rows:
        field = row.receptive_field
        if field is None or not field.axes or field.is_whole:
            continue
        size = field.axes[0].size
        if size > largest:
            largest = size
            found.append(Grown(row.name, size))
    return tuple(found)


def growth_drawing(network: Network) -> Drawing | None:
    """A bar for each layer at which the field grows, and the picture's own size; None where none grows."""
    grown = growth(network)
    if not grown:
        return None
    kept = grown if len(grown) <= MOST_BARS else _thinned(grown)
    picture = next((entry.shape[1] for entry in network.graph.inputs if len(entry.shape) > 1), None)
    most = max(kept[-1].size, picture or 0)
    width = max(LEFT + len(kept) * (BAR + GAP) + RIGHT, NARROWEST)
    shapes: list[Shape] = list(_lines(most, width))
    shapes += [_bar(entry, place, most) for place, entry in enumerate(kept)]
    if picture is not None:
        y = _level(picture, most)
        shapes.append(Stroke(((LEFT, y), (width - RIGHT, y)), "limit"))
        shapes.append(Label((width - RIGHT, y - 5), f"the picture: {picture}", "end", 10))
    first, last = kept[0], kept[-1]
    base = TOP + HEIGHT + 15
    shapes.append(Label((LEFT, base), shortened(first.name, 20), "start", 10, is_quiet=True))
    if len(kept) > 1:
        end = min(LEFT + len(kept) * (BAR + GAP), width - RIGHT)
        # Under its own bar, or to the right of the first one's name where bars are few.
        label = shortened(last.name, 20)
        beyond = LEFT + (len(shortened(first.name, 20)) + len(label)) * 6 + 12
        shapes.append(Label((max(end, beyond), base), label, "end", 10, is_quiet=True))
    told = f"From {first.size} pixels at {first.name} to {last.size} at {last.name}"
    seen = f"; the picture has {picture}." if picture is not None else "."
    return Drawing(width, TOP + HEIGHT + FOOT, tuple(shapes), "Growth of the receptive field", told + seen)


def _thinned(grown: tuple[Grown, ...]) -> tuple[Grown, ...]:
    """As many as there is room for, evenly, the first and the last among them."""
    last = len(grown) - 1
    return tuple(grown[place * last // (MOST_BARS - 1)] for place in range(MOST_BARS))


def _level(size: float, most: int) -> float:
    return TOP + HEIGHT * (1 - size / most)


def _lines(most: int, width: float) -> list[Shape]:
    """Lines across at round sizes, each with its number."""
    step = 1
    while most / step > LINES:
        step *= 5 if str(step)[0] == "1" and most / (step * 2) > LINES * 2 else 2
    shapes: list[Shape] = []
    for size in range(0, most + 1, step):
        y = _level(size, most)
        shapes.append(Stroke(((LEFT, y), (width - RIGHT, y)), "link"))
        shapes.append(Label((LEFT - 6, y + 4), str(size), "end", 10, is_quiet=True))
    return shapes


def _bar(entry: Grown, place: int, most: int) -> Part:
    left, top, base = LEFT + GAP / 2 + place * (BAR + GAP), _level(entry.size, most), TOP + HEIGHT
    corners = ((left, top), (left + BAR, top), (left + BAR, base), (left, base))
    shapes: tuple[Shape, ...] = (Polygon(corners, "bar"),)
    return Part(f"{entry.name}: {entry.size} pixels", shapes)
