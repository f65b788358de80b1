"""A network with branches as a graph from top to bottom.

Layers of the drawing by the longest path from an input; along a layer, by the mean place of the
neighbours, swept down and up a few times. Sources: Sugiyama, Tagawa & Toda, "Methods for visual
understanding of hierarchical system structures" (1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from convscope.core.drawing import Drawing, Label, Part, Polygon, Shape, Stroke
from convscope.rules.drawing.blocks import Box, shape_words, shortened

if TYPE_CHECKING:
    from convscope.rules.network import Network

SHOWN_BOXES = 300
# An edge over many layers passes a place in each; more places than this and edges run straight.
MOST_PLACES = 6_000
SWEEPS = 6
WIDTH, HEIGHT = 168.0, 46.0
BEND = 14.0  # room for an edge that passes
GAP_X, GAP_Y = 22.0, 34.0
MARGIN = 20.0


@dataclass(slots=True)
class _Place:
    """A box, or where an edge passes a layer of the drawing."""

    name: str
    box: Box | None
    rank: int
    x: float = 0.0

    @property
    def width(self) -> float:
        return WIDTH if self.box is not None else BEND


def layered_drawing(network: Network, boxes: Sequence[Box]) -> Drawing:
    """The network from top to bottom; of more than some hundreds of boxes the first and the last."""
    hidden = len(boxes) - SHOWN_BOXES
    shown = list(boxes)
    if hidden > 0:
        shown = [*boxes[: SHOWN_BOXES - SHOWN_BOXES // 2], *boxes[-(SHOWN_BOXES // 2) :]]
    known = {box.name for box in shown}
    edges = [(name, box.name) for box in shown for name in box.reads if name in known]
    cut = [box.name for box in shown if any(name not in known for name in box.reads)]
    ranks = _ranks(shown, hidden)
    places, lines = _places(shown, edges, ranks)
    rows = _rows(places.values())
    _order(rows, lines)
    width = _spread(rows, lines)
    shapes: list[Shape] = [_edge(line, places) for line in lines]
    shapes += [_box(place) for place in places.values() if place.box is not None]
    height = MARGIN * 2 + len(rows) * (HEIGHT + GAP_Y) - GAP_Y
    if hidden > 0:
        shapes += _hidden_told(places, cut, hidden)
    called = network.graph.name or "the network"
    told = f"{len(boxes)} boxes from top to bottom" + (
        f"; {hidden} of them are not drawn" if hidden > 0 else ""
    )
    return Drawing(width, height, tuple(shapes), f"Drawing of {called}", f"{told}.")


def _ranks(boxes: Sequence[Box], hidden: int) -> dict[str, int]:
    """The longest path to each box; after a gap everything is below what comes before it."""
    ranks: dict[str, int] = {}
    floor, head = 0, SHOWN_BOXES - SHOWN_BOXES // 2
    for position, box in enumerate(boxes):
        if hidden > 0 and position == head:
            floor = max(ranks.values()) + 2  # a free layer for the words about what is hidden
        ranks[box.name] = max([floor, *(ranks[name] + 1 for name in box.reads if name in ranks)])
    return ranks


def _places(
    boxes: Sequence[Box], edges: Sequence[tuple[str, str]], ranks: Mapping[str, int]
) -> tuple[dict[str, _Place], list[list[str]]]:
    """Every box's place, those where edges pass, and each edge as the places it runs through."""
    places = {box.name: _Place(box.name, box, ranks[box.name]) for box in boxes}
    passing = sum(max(ranks[end] - ranks[start] - 1, 0) for start, end in edges)
    lines = []
    for number, (start, end) in enumerate(edges):
        line = [start]
        if passing <= MOST_PLACES:
            for rank in range(ranks[start] + 1, ranks[end]):
                name = f"\0{number}:{rank}"  # no layer's name holds such a sign
                places[name] = _Place(name, None, rank)
                line.append(name)
        lines.append([*line, end])
    return places, lines


def _rows(places: Iterable[_Place]) -> list[list[_Place]]:
    rows: list[list[_Place]] = []
    for place in places:
        while len(rows) <= place.rank:
            rows.append([])
        rows[place.rank].append(place)
    return rows


def _neighbours(lines: Sequence[Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for line in lines:
        for start, end in pairwise(line):
            above.setdefault(end, []).append(start)
            below.setdefault(start, []).append(end)
    return above, below


def _order(rows: list[list[_Place]], lines: Sequence[Sequence[str]]) -> None:
    """Put each row in the order of its neighbours' mean places, swept down and up."""
    above, below = _neighbours(lines)
    position: dict[str, float] = {}
    for row in rows:
        _note(row, position)
    for sweep in range(SWEEPS):
        near, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            row.sort(key=lambda place: _mean(place.name, near, position))
            _note(row, position)


def _note(row: Sequence[_Place], position: dict[str, float]) -> None:
    for index, place in enumerate(row):
        position[place.name] = index - len(row) / 2


def _mean(name: str, near: Mapping[str, list[str]], position: Mapping[str, float]) -> float:
    neighbours = near.get(name)
    if not neighbours:
        return position[name]
    return sum(position[other] for other in neighbours) / len(neighbours)


def _spread(rows: list[list[_Place]], lines: Sequence[Sequence[str]]) -> float:
    """Give every place its x: near its neighbours above, no two in a row over each other."""
    above, below = _neighbours(lines)
    x: dict[str, float] = {}
    for sweep in range(SWEEPS):
        near, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            wished = [_wish(place.name, near, x) for place in row]
            for place, at in zip(row, _apart(row, wished), strict=True):
                x[place.name] = at
    left = min((x[place.name] - place.width / 2 for row in rows for place in row), default=0.0)
    for row in rows:
        for place in row:
            place.x = x[place.name] - left + MARGIN
    return max(place.x + place.width / 2 for row in rows for place in row) + MARGIN


def _wish(name: str, near: Mapping[str, list[str]], x: Mapping[str, float]) -> float:
    found = [x[other] for other in near.get(name, ()) if other in x]
    return sum(found) / len(found) if found else x.get(name, 0.0)


def _apart(row: Sequence[_Place], wished: Sequence[float]) -> list[float]:
    """Places as near to what they wish as their widths allow, in order, off no side more than the other."""
    right: list[float] = []
    for place, wish in zip(row, wished, strict=True):
        least = wish
        if right:
            before = row[len(right) - 1]
            least = right[-1] + (before.width + place.width) / 2 + GAP_X
        right.append(max(wish, least))
    shift = sum(w - r for w, r in zip(wished, right, strict=True)) / max(len(right), 1)
    return [at + shift for at in right]


def _top(place: _Place) -> float:
    return MARGIN + place.rank * (HEIGHT + GAP_Y)


def _edge(line: Sequence[str], places: Mapping[str, _Place]) -> Stroke:
    start, end = places[line[0]], places[line[-1]]
    points = [(start.x, _top(start) + HEIGHT)]
    for name in line[1:-1]:
        place = places[name]
        points += [(place.x, _top(place)), (place.x, _top(place) + HEIGHT)]
    return Stroke((*points, (end.x, _top(end))), "link", arrow=True, smooth=True)


def _box(place: _Place) -> Part:
    box, left, top = place.box, place.x - WIDTH / 2, _top(place)
    assert box is not None  # noqa: S101 - for the type checker: only boxes come here
    corners = ((left, top), (left + WIDTH, top), (left + WIDTH, top + HEIGHT), (left, top + HEIGHT))
    role = "window" if len(box.reads) > 1 else "top" if box.row is None else "front"
    lines = [Polygon(corners, role)]  # type: ignore[arg-type]
    inner = left + 7
    name, shape = shortened(box.name, 24), shape_words(box.shape)
    labels = (
        Label((inner, top + 14), name, "start", 10, is_strong=True),
        Label((inner, top + 27), shortened(box.words, 28), "start", 9.5),
        Label((inner, top + 40), shortened(f"{shape}  {box.followed_by}", 28), "start", 9.5, is_quiet=True),
    )
    return Part(box.title, (*lines, *labels))


def _hidden_told(places: Mapping[str, _Place], cut: Sequence[str], hidden: int) -> list[Shape]:
    """Words where boxes are left out, and short arrows into the boxes that read them."""
    shapes: list[Shape] = []
    for name in cut:
        place = places[name]
        shapes.append(Stroke(((place.x, _top(place) - 14), (place.x, _top(place))), "guide", arrow=True))
    if cut:
        first = min((places[name] for name in cut), key=_top)
        words = f"⋮ {hidden} more boxes are not drawn"
        shapes.append(Label((first.x, _top(first) - 26), words, size=11, is_quiet=True))
    return shapes
