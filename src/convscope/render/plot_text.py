"""A chart in characters: a field of signs, one sign a series, with its axes and its words."""

from __future__ import annotations

import math
from itertools import pairwise

from convscope.core.plot import MOST_SERIES, Chart, Series, Sparkline
from convscope.core.plot_layout import MOST_MARKED, series_words
from convscope.core.plot_scale import Frame, figure, frames
from convscope.render.literal import visible_line
from convscope.render.sparks import LEVELS, spark

SIGNS = "ox+*#@"
assert len(SIGNS) == MOST_SERIES  # noqa: S101 - the two tables must agree
PATH, LEVEL = "·", "┄"
ROWS, MOST_COLUMNS, FEWEST_COLUMNS = 12, 64, 24
# What `frames` takes for the height of a letter, where a column is one point wide.
LETTER = 1.8


def chart_lines(chart: Chart, width: int) -> list[str]:
    """The chart in lines of at most `width` columns, as far as words can be cut; no line is broken here."""
    if chart.size == "small":
        return [
            visible_line(f"{chart.title}: {_as_spark(one)} {series_words(chart, one)}")
            for one in chart.series
        ]
    columns = max(min(width - 12, MOST_COLUMNS), FEWEST_COLUMNS)
    x, y = frames(chart, columns, ROWS * 1.7, LETTER)
    field = [[" "] * columns for _ in range(ROWS)]
    for level in chart.levels:
        _draw_level(field, x, y, level.axis, level.value)
    for sign, one in zip(SIGNS, chart.series, strict=False):
        _draw(field, chart, one, sign, x, y)
    labels = {ROWS - 1 - round(tick.place * (ROWS - 1)): tick.label for tick in y.ticks}
    margin = max(map(len, labels.values()), default=0)
    lines = [visible_line(chart.title), *([visible_line(chart.y.name)] if chart.y.name else [])]
    lines += [
        f"{labels.get(row, ''):>{margin}} │{''.join(cells).rstrip()}" for row, cells in enumerate(field)
    ]
    lines.append(f"{'':{margin}} └{'─' * columns}")
    lines.append(f"{'':{margin}}  {_under(x, columns)}")
    if chart.x.name:
        lines.append(f"{'':{margin}}  {visible_line(chart.x.name):>{columns}}".rstrip())
    lines += [
        visible_line(f"{sign} {series_words(chart, one)}")
        for sign, one in zip(SIGNS, chart.series, strict=False)
    ]
    lines += [
        visible_line(f"{LEVEL} {level.name}: {level.axis} = {figure(level.value)}") for level in chart.levels
    ]
    return lines


def _as_spark(one: Series) -> str:
    return spark(Sparkline(tuple(y for _, y in one.points), least=0 if one.style == "bars" else None))


def _under(x: Frame, columns: int) -> str:
    """The words of the ticks, each under its place as long as there is room."""
    line = ""
    for tick in x.ticks:
        label = visible_line(tick.label)
        start = round(tick.place * (columns - 1)) - len(label) // 2
        start = min(max(start, 0), columns - len(label))
        if start >= len(line) + bool(line):
            line = line.ljust(start) + label
    return line


def _row(place: float) -> int:
    return ROWS - 1 - round(place * (ROWS - 1))


def _column(place: float, columns: int) -> int:
    return round(place * (columns - 1))


def _draw_level(field: list[list[str]], x: Frame, y: Frame, axis: str, value: float) -> None:
    if axis == "y":
        field[_row(y.place(value))] = [LEVEL] * len(field[0])
        return
    for row in field:
        row[_column(x.place(value), len(row))] = "┊"


def _draw(field: list[list[str]], chart: Chart, one: Series, sign: str, x: Frame, y: Frame) -> None:
    columns = len(field[0])
    shown = chart.shown(one)
    if one.style == "bars":
        _draw_bars(field, chart, one, x, y)
        return
    places = [(x.place(at), y.place(height)) for at, height in shown]
    dense = len(shown) > MOST_MARKED
    if one.style == "line":
        known = set(shown)
        for before, after in pairwise(one.points):
            if before in known and after in known:
                _join(field, (x.place(before[0]), y.place(before[1])), (x.place(after[0]), y.place(after[1])),
                      sign if dense else PATH)  # fmt: skip
    for across, up in places:
        field[_row(up)][_column(across, columns)] = sign
    for at, _ in chart.below(one):
        field[ROWS - 1][_column(x.place(at), columns)] = "v"


def _join(field: list[list[str]], before: tuple[float, float], after: tuple[float, float], sign: str) -> None:
    first, last = sorted((before, after))
    columns = len(field[0])
    for column in range(_column(first[0], columns), _column(last[0], columns) + 1):
        part = (column / (columns - 1) - first[0]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
        row = _row(first[1] + (last[1] - first[1]) * min(max(part, 0.0), 1.0))
        if field[row][column] in (" ", LEVEL, PATH):
            field[row][column] = sign


def _draw_bars(field: list[list[str]], chart: Chart, one: Series, x: Frame, y: Frame) -> None:
    columns = len(field[0])
    if sum(each.style == "bars" for each in chart.series) > 1:
        # Bars of several series would hide each other: their tops are marked instead.
        sign = SIGNS[chart.series.index(one)]
        for at, height in chart.shown(one):
            field[_row(y.place(height))][_column(x.place(at), columns)] = sign
        return
    for at, height in chart.shown(one):
        eighths = round(y.place(height) * ROWS * 8)
        for row in range(ROWS):
            filled = min(max(eighths - row * 8, 0), 8)
            if filled:
                field[ROWS - 1 - row][_column(x.place(at), columns)] = LEVELS[math.ceil(filled) - 1]
