"""A plot as facts: axes, series of points, and lines at values that matter; nothing is laid out yet.

Numbers here are floats: they are measured, or only looked at. Where a value must be exact, a document
says it in a formula or a table beside the plot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from convscope.errors import InputError

Scale: TypeAlias = Literal["linear", "log"]
Style: TypeAlias = Literal["line", "points", "bars"]

# More series than these cannot be told apart by dash and marker; more points cannot be seen.
MOST_SERIES = 6
MOST_POINTS = 5000


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        name: what is measured along it, with its unit.
        scale: ``"linear"``, or ``"log"`` for powers of ten.
        categories: words for the positions 0, 1, 2, …: names of layers; empty for an axis of numbers.
        least, most: ends that the axis must reach; None to follow the points.
    """

    name: str
    scale: Scale = "linear"
    categories: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points under one name.

    Attributes:
        name: as the legend calls it.
        points: ``(x, y)`` in the axes' units; a point that is not finite leaves a gap and is counted
            in the plot's words.
        style: ``"line"`` joins the points in order and marks each where they are few; ``"points"``
            marks them only; ``"bars"`` stands a bar at each x.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    style: Style = "line"


@dataclass(frozen=True, slots=True)
class Level:
    """A line across the plot at a value that matters, with a few words: a threshold.

    Attributes:
        value: where it stands on its axis.
        name: what it is.
        axis: the axis that `value` is on.
    """

    value: float
    name: str
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over two axes.

    Args:
        title: what is shown, in a few words.
        x, y: the axes.
        series: up to six; they are told apart by dash and marker as well as by colour.
        levels: lines at values that matter.
        size: ``"wide"`` fills a column of text; ``"small"`` is one of many side by side.

    Raises:
        InputError: more series or points than can be told apart, or an axis that no number is on.

    >>> Chart("Loss", Axis("step"), Axis("loss"), (series("run", [3, 2, 1]),)).series[0].points
    ((0.0, 3.0), (1.0, 2.0), (2.0, 1.0))
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    size: Literal["wide", "small"] = "wide"

    def __post_init__(self) -> None:
        if len(self.series) > MOST_SERIES:
            raise InputError(f"a plot of {len(self.series)} series; up to {MOST_SERIES} can be told apart")
        for one in self.series:
            if len(one.points) > MOST_POINTS:
                raise InputError(
                    f"series '{one.name}' has {len(one.points)} points; a plot shows up to {MOST_POINTS}"
                )
        for axis in (self.x, self.y):
            for end in (axis.least, axis.most):
                if end is not None and not (math.isfinite(end) and (axis.scale == "linear" or end > 0)):
                    raise InputError(f"axis '{axis.name}' cannot reach {end} on a {axis.scale} scale")

    def shown(self, one: Series) -> tuple[tuple[float, float], ...]:
        """The points of a series that have a place on both axes."""
        return tuple((x, y) for x, y in one.points if _has_place(self.x, x) and _has_place(self.y, y))

    def below(self, one: Series) -> tuple[tuple[float, float], ...]:
        """The points at zero or below where a log axis has no place for them: drawn on its edge."""
        if self.y.scale == "linear":
            return ()
        return tuple((x, y) for x, y in one.points if _has_place(self.x, x) and y <= 0)


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A row of values small enough for a table's cell.

    Attributes:
        values: in order; one that is not finite leaves a gap.
        least, most: what the lowest and the highest mark stand for; the values' own when None.
        scale: ``"log"`` marks powers of ten; zero and less are then gaps.
    """

    values: tuple[float, ...]
    least: float | None = None
    most: float | None = None
    scale: Scale = "linear"

    def heights(self) -> tuple[float | None, ...]:
        """Each value between 0 and 1; None for a gap.

        >>> Sparkline((0, 5, 10)).heights()
        (0.0, 0.5, 1.0)
        """
        placed = [self._placed(value) for value in self.values]
        known = [value for value in placed if value is not None]
        if not known:
            return (None,) * len(placed)
        low = min(known) if self.least is None else self._placed(self.least)
        high = max(known) if self.most is None else self._placed(self.most)
        if low is None or high is None:
            raise InputError(f"a sparkline from {self.least} to {self.most} on a {self.scale} scale")
        if high <= low:
            return tuple(None if value is None else 0.5 for value in placed)
        return tuple(
            None if value is None else min(max((value - low) / (high - low), 0.0), 1.0) for value in placed
        )

    def _placed(self, value: float) -> float | None:
        if not math.isfinite(value) or (self.scale == "log" and value <= 0):
            return None
        return math.log10(value) if self.scale == "log" else float(value)


def series(name: str, values: Iterable[float], style: Style = "line", start: float = 0) -> Series:
    """A series whose points stand at start, start + 1, start + 2, …: one for each layer or step."""
    return Series(name, tuple((float(start + place), float(y)) for place, y in enumerate(values)), style)


def histogram(name: str, edges: Sequence[float], counts: Sequence[float]) -> Series:
    """Bars of a histogram: one more edge than counts, equally far apart.

    Raises:
        InputError: edges and counts that do not fit.

    >>> histogram("h", [0, 1, 2], [5, 7]).points
    ((0.5, 5.0), (1.5, 7.0))
    """
    if len(edges) != len(counts) + 1:
        raise InputError(f"{len(counts)} counts need {len(counts) + 1} edges; there are {len(edges)}")
    middles = ((low + high) / 2 for low, high in pairwise(edges))
    points = tuple((float(x), float(count)) for x, count in zip(middles, counts, strict=True))
    return Series(name, points, "bars")


def _has_place(axis: Axis, value: float) -> bool:
    return math.isfinite(value) and (axis.scale == "linear" or value > 0)
