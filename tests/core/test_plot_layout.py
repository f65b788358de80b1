"""A chart as a drawing: points stand where their numbers are, and words say the same."""

from __future__ import annotations

from itertools import pairwise

import pytest

from convscope.core.drawing import Label, Part, Polygon, Stroke
from convscope.core.plot import MOST_SERIES, Axis, Chart, Level, Series, histogram, series
from convscope.core.plot_layout import MARKERS, chart_words, laid_out, series_words

NAN = float("nan")
NAMES = Axis("layer", categories=("a", "b", "c"))


def shapes(part):
    for shape in part.shapes:
        yield shape
        if isinstance(shape, Part):
            yield from shapes(shape)


def marks(chart):
    return [shape for shape in shapes(laid_out(chart)) if isinstance(shape, Polygon)]


def lines(chart):
    return [
        shape
        for shape in shapes(laid_out(chart))
        if isinstance(shape, Stroke) and shape.role.startswith("series")
    ]


def middle(polygon):
    return tuple(sum(values) / len(values) for values in zip(*polygon.points, strict=True))


def test_points_stand_where_their_numbers_are():
    chart = Chart("t", NAMES, Axis("y", least=0, most=4), (series("s", [0, 1, 4]),))
    (x0, y0), (x1, y1), (x2, y2) = map(middle, marks(chart))
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert (y0 - y1) * 3 == pytest.approx(y1 - y2)  # y points down
    assert y0 > y1 > y2


def test_on_a_log_axis_equal_ratios_are_equal_distances():
    chart = Chart("t", NAMES, Axis("y", scale="log"), (series("s", [1, 10, 1000]),))
    heights = [middle(mark)[1] for mark in marks(chart)]
    assert (heights[0] - heights[1]) * 2 == pytest.approx(heights[1] - heights[2])


def test_a_line_stops_at_a_gap_and_zero_stands_on_the_edge_of_a_log_axis():
    chart = Chart("t", Axis("x"), Axis("y", scale="log"), (series("s", [1, 2, NAN, 4, 5, 0]),))
    assert [len(line.points) for line in lines(chart)] == [2, 2]
    (edge,) = [mark for mark in marks(chart) if len(mark.points) == 3]
    assert max(y for _, y in edge.points) >= max(middle(mark)[1] for mark in marks(chart)) - 6
    assert "(1 at zero or below, on the edge; 1 not finite, not shown)" in chart_words(chart)


def test_series_are_told_apart_by_more_than_colour():
    assert len(MARKERS) == MOST_SERIES
    outlines = [tuple((round(x, 1), round(y, 1)) for x, y in marker((0, 0))) for marker in MARKERS]
    assert len(set(outlines)) == MOST_SERIES
    chart = Chart("t", Axis("x"), Axis("y"), tuple(series(f"s{n}", [n, n + 1]) for n in range(6)))
    assert len({line.role for line in lines(chart)}) == MOST_SERIES
    names = [shape.content for shape in shapes(laid_out(chart)) if isinstance(shape, Label)]
    assert [name for name in names if name.startswith("s")] == [f"s{n}" for n in range(6)]


def test_bars_side_by_side_do_not_overlap():
    bars = tuple(Series(f"b{n}", ((0, 1), (1, 2), (2, 3)), "bars") for n in range(2))
    chart = Chart("t", NAMES, Axis("y"), bars)
    first, second = marks(chart)[:3], marks(chart)[3:6]
    for one, other in zip(first, second, strict=True):
        assert max(x for x, _ in one.points) <= min(x for x, _ in other.points) + 1e-9
    spans = sorted(
        (min(x for x, _ in bar.points), max(x for x, _ in bar.points)) for bar in (*first, *second)
    )
    assert all(before[1] <= after[0] + 1e-9 for before, after in pairwise(spans))


def test_words_say_ends_and_extremes():
    chart = Chart(
        "Gradient", NAMES, Axis("norm", scale="log"), (series("s", [0.5, 1e-7, 0.25]),), (Level(0.01, "low"),)
    )
    assert chart_words(chart) == (
        "x: layer, 3 from a to c; y: norm, in powers of ten; s: 3 points, from 0.5 at a to 0.25 at c, "
        "least 10⁻⁷ at b; low: a line at y = 0.01."
    )
    assert series_words(chart, Series("", ())) == "Gradient: nothing to show"
    assert series_words(chart, series("one", [2])) == "one: 2 at a"


@pytest.mark.parametrize("size", ["wide", "small"])
def test_everything_lies_inside_the_drawing(size):
    chart = Chart(
        "A title", NAMES, Axis("y", scale="log"),
        (series("first", [1e-9, 1, 5]), series("second", [0, 3, NAN])),
        (Level(1, "here"), Level(1, "x", "x")),
        size,
    )  # fmt: skip
    drawing = laid_out(chart)
    for shape in shapes(drawing):
        for x, y in getattr(shape, "points", ()):
            assert -1 <= x <= drawing.width + 1
            assert 0 <= y <= drawing.height


def test_hundreds_of_layers_and_no_points_at_all_are_drawn():
    names = Axis("layer", categories=tuple(f"layer{n}" for n in range(500)))
    assert laid_out(Chart("t", names, Axis("y"), (series("s", range(500)),))).width > 0
    assert laid_out(Chart("t", Axis(""), Axis("", scale="log"), (Series("s", ()),))).height > 0
    assert laid_out(Chart("t", Axis(""), Axis(""), (histogram("h", [0, 1], [3]),))).height > 0
