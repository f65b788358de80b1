"""A chart laid out as a drawing: axes, ticks, lines with dashes and markers, a legend, words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from convscope.core.drawing import Drawing, Label, Part, Point, Polygon, Role, Shape, Stroke
from convscope.core.plot import Axis, Chart, Series
from convscope.core.plot_scale import CHARACTER, Frame, bar_width, figure, frames, shortened

SIZES = {"wide": (500.0, 220.0), "small": (200.0, 84.0)}  # width in all, height of the plot's field
RIGHT, LETTER, LEADING = 14.0, 12.0, 17.0
WIDEST_BAR = 48.0
MARKER = 3.2
# A line of more points than these is drawn without markers, which would hide it.
MOST_MARKED = 40
LINES: tuple[Role, ...] = ("series1", "series2", "series3", "series4", "series5", "series6")
FILLS: tuple[Role, ...] = ("mark1", "mark2", "mark3", "mark4", "mark5", "mark6")


class _Field:
    """The rectangle of a plot: from numbers to points."""

    def __init__(self, left: float, top: float, right: float, foot: float, x: Frame, y: Frame) -> None:
        self.left, self.top, self.right, self.foot = left, top, right, foot
        self.x, self.y = x, y

    def across(self, place: float) -> float:
        return self.left + (self.right - self.left) * place

    def up(self, place: float) -> float:
        return self.foot - (self.foot - self.top) * place

    def at(self, point: tuple[float, float]) -> Point:
        return self.across(self.x.place(point[0])), self.up(self.y.place(point[1]))


def laid_out(chart: Chart) -> Drawing:
    """The chart as a drawing, with its words."""
    width, height = SIZES[chart.size]
    x, y = frames(chart, width - 60, height, LETTER)
    left = max((len(tick.label) for tick in y.ticks), default=1) * LETTER * CHARACTER + 10
    top = LEADING + 8
    top += LEADING - 2 if chart.y.name else 0
    top += LEADING - 2 if any(level.axis == "x" for level in chart.levels) else 0
    field = _Field(left, top, width - RIGHT, top + height, x, y)
    fits = int(width / ((LETTER + 1) * (CHARACTER + 0.06)))  # in letters
    shapes: list[Shape] = [
        Label((0, LETTER + 1), shortened(chart.title, fits), "start", LETTER + 1, is_strong=True)
    ]
    if chart.y.name:
        shapes.append(Label((0, LEADING + LETTER + 1), chart.y.name, "start", LETTER, is_quiet=True))
    shapes += _axes(field)
    for number, one in enumerate(chart.series):
        shapes.append(Part(series_words(chart, one), tuple(_series(chart, field, number, one))))
    shapes += _levels(chart, field)
    base = field.foot + LEADING
    if chart.x.name:
        base += LEADING
        shapes.append(Label((field.right, base - 1), chart.x.name, "end", LETTER, is_quiet=True))
    legend, base = _legend(chart, field, base)
    shapes += legend
    return Drawing(width, base + 6, tuple(shapes), chart.title, chart_words(chart))


def _axes(field: _Field) -> Iterator[Shape]:
    for tick in field.y.ticks:
        y = field.up(tick.place)
        yield Stroke(((field.left, y), (field.right, y)), "grid")
        yield Label((field.left - 5, y + LETTER * 0.36), tick.label, "end", LETTER, is_quiet=True)
    for tick in field.x.ticks:
        x = field.across(tick.place)
        yield Stroke(((x, field.foot), (x, field.foot + 4)), "axis")
        half = len(tick.label) * LETTER * CHARACTER / 2
        # Words stay inside the drawing.
        middle = min(max(x, half), field.right + RIGHT - half)
        yield Label((middle, field.foot + LEADING), tick.label, "middle", LETTER, is_quiet=True)
    yield Stroke(((field.left, field.foot), (field.right, field.foot)), "axis")


def _levels(chart: Chart, field: _Field) -> Iterator[Shape]:
    for level in chart.levels:
        if level.axis == "y":
            y = field.up(field.y.place(level.value))
            yield Stroke(((field.left, y), (field.right, y)), "level")
            above = y - 4 if y - LETTER - 4 > field.top else y + LETTER + 2
            yield Label((field.right - 2, above), level.name, "end", LETTER)
        else:
            x = field.across(field.x.place(level.value))
            yield Stroke(((x, field.foot), (x, field.top)), "level")
            yield Label((x, field.top - 7), level.name, "middle", LETTER, is_quiet=True)


# --- series ------------------------------------------------------------------------------------


def _series(chart: Chart, field: _Field, number: int, one: Series) -> Iterator[Shape]:
    if one.style == "bars":
        yield from _bars(chart, field, number, one)
        return
    shown = chart.shown(one)
    if one.style == "line":
        known = set(shown)
        for is_there, run in groupby(one.points, key=lambda point: point in known):
            points = tuple(map(field.at, run)) if is_there else ()
            if len(points) > 1:
                yield Stroke(points, LINES[number])
    if one.style == "points" or len(shown) <= MOST_MARKED or len(shown) == 1:
        for point in shown:
            yield _marked(chart.x, point, field.at(point), number, number)
    for point in chart.below(one):
        x = field.across(field.x.place(point[0]))
        shape = Polygon(
            ((x - 4, field.foot - 7), (x + 4, field.foot - 7), (x, field.foot - 1)), FILLS[number]
        )
        yield Part(f"{x_words(chart.x, point[0])}: {figure(point[1])}, below the axis", (shape,))


def _marked(axis: Axis, point: tuple[float, float], at: Point, number: int, marker: int) -> Part:
    told = f"{x_words(axis, point[0])}: {figure(point[1])}"
    return Part(told, (Polygon(MARKERS[marker](at), FILLS[number]),))


def _bars(chart: Chart, field: _Field, number: int, one: Series) -> Iterator[Shape]:
    """Bars of several series stand side by side within each place."""
    sets = [each for each in chart.series if each.style == "bars"]
    width = (field.x.place(bar_width(chart) + field.x.least) or 1.0) * (field.right - field.left)
    gap = 0.12 * width if chart.x.categories or len(sets) > 1 else min(1.0, 0.1 * width)
    each = min((width - gap) / len(sets), WIDEST_BAR)
    base = field.foot if field.y.is_log else field.up(field.y.place(0.0))
    for point in chart.shown(one):
        x, y = field.at(point)
        left = x + (sets.index(one) - len(sets) / 2) * each
        corners = ((left, y), (left + each, y), (left + each, base), (left, base))
        yield Part(f"{x_words(chart.x, point[0])}: {figure(point[1])}", (Polygon(corners, FILLS[number]),))


def _round(at: Point) -> tuple[Point, ...]:
    return _corners(at, 12, 1.0)


def _corners(at: Point, count: int, size: float, turn: float = 0.0) -> tuple[Point, ...]:
    angles = (2 * math.pi * (place + turn) / count for place in range(count))
    radius = MARKER * size
    return tuple((at[0] + radius * math.sin(angle), at[1] - radius * math.cos(angle)) for angle in angles)


def _star(at: Point) -> tuple[Point, ...]:
    outer, inner = _corners(at, 4, 1.6, 0.5), _corners(at, 4, 0.5)
    # From corner to corner, each time through the middle.
    return tuple(point for place in range(4) for point in (inner[place], outer[place]))


MARKERS: tuple[Callable[[Point], tuple[Point, ...]], ...] = (
    _round,
    lambda at: _corners(at, 4, 1.25, 0.5),  # square
    lambda at: _corners(at, 3, 1.4),  # triangle
    lambda at: _corners(at, 4, 1.4),  # diamond
    lambda at: _corners(at, 3, 1.4, 0.5),  # triangle on its tip
    _star,
)


def _legend(chart: Chart, field: _Field, base: float) -> tuple[list[Shape], float]:
    """The series' names with their dash and marker, in as many lines as they need; none for one series."""
    if len(chart.series) < 2:
        return [], base
    shapes: list[Shape] = []
    base += LEADING + 2
    x = 0.0
    for number, one in enumerate(chart.series):
        needed = 34 + len(one.name) * LETTER * CHARACTER + 14
        if x and x + needed > field.right + RIGHT:
            x, base = 0.0, base + LEADING
        middle = base - LETTER * 0.36
        if one.style == "line":
            shapes.append(Stroke(((x, middle), (x + 28, middle)), LINES[number]))
        if one.style == "bars":
            corners = ((x + 8, middle - 5), (x + 20, middle - 5), (x + 20, middle + 5), (x + 8, middle + 5))
            shapes.append(Polygon(corners, FILLS[number]))
        elif len(one.points) <= MOST_MARKED or one.style == "points":
            shapes.append(Polygon(MARKERS[number]((x + 14, middle)), FILLS[number]))
        shapes.append(Label((x + 34, base), one.name, "start", LETTER))
        x += needed
    return shapes, base


# --- in words ----------------------------------------------------------------------------------


def chart_words(chart: Chart) -> str:
    """What the chart shows, for those who cannot see it."""
    told = [_axis_words("x", chart.x), _axis_words("y", chart.y)]
    told += [series_words(chart, one) for one in chart.series]
    told += [f"{level.name}: a line at {level.axis} = {figure(level.value)}" for level in chart.levels]
    return "; ".join(filter(None, told)) + "."


def _axis_words(letter: str, axis: Axis) -> str:
    if axis.categories:
        first, last = axis.categories[0], axis.categories[-1]
        return f"{letter}: {axis.name or 'names'}, {len(axis.categories)} from {first} to {last}"
    return f"{letter}: {axis.name or 'numbers'}{', in powers of ten' if axis.scale == 'log' else ''}"


def series_words(chart: Chart, one: Series) -> str:
    """One series: its name, its ends and its extremes."""
    shown = chart.shown(one)
    missing = len(one.points) - len(shown)
    gone = _missing_words(missing, len(chart.below(one)))
    name = one.name or chart.title
    if not shown:
        return f"{name}: nothing to show{gone}"
    if len(shown) == 1:
        return f"{name}: {_point_words(chart.x, shown[0])}{gone}"
    least, most = min(shown, key=_height), max(shown, key=_height)
    ends = f"from {_point_words(chart.x, shown[0])} to {_point_words(chart.x, shown[-1])}"
    extremes = "".join(
        f", {word} {_point_words(chart.x, point)}"
        for word, point in (("least", least), ("most", most))
        if point not in (shown[0], shown[-1])
    )
    return f"{name}: {len(shown)} {'bars' if one.style == 'bars' else 'points'}, {ends}{extremes}{gone}"


def _missing_words(missing: int, below: int) -> str:
    told = []
    if below:
        told.append(f"{below} at zero or below, on the edge")
    if missing > below:
        told.append(f"{missing - below} not finite, not shown")
    return f" ({'; '.join(told)})" if told else ""


def _height(point: tuple[float, float]) -> float:
    return point[1]


def _point_words(axis: Axis, point: tuple[float, float]) -> str:
    return f"{figure(point[1])} at {x_words(axis, point[0])}"


def x_words(axis: Axis, value: float) -> str:
    """A place on the x axis in words: a category's name, or a number."""
    names: Sequence[str] = axis.categories
    if names and value == int(value) and 0 <= value < len(names):
        return names[int(value)]
    return figure(value)
