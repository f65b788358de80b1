"""Where the ticks of an axis stand, and how a measured number is written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from convscope.core.plot import Axis, Chart

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Numbers from here to here are written out; others with a power of ten.
WRITTEN_OUT = (1e-3, 1e5)
# A log axis reaches over this many powers of ten at most; what is smaller stands on its edge.
MOST_DECADES = 60
CHARACTER = 0.56  # of a letter's height: about how wide it is


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis: its place from 0 to 1, and its words."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One axis laid out.

    Attributes:
        least, most: its ends; logarithms of them on a log axis.
        ticks: in order.
        is_log: the places are logarithms.
    """

    least: float
    most: float
    ticks: tuple[Tick, ...]
    is_log: bool

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1; beyond the ends at the end."""
        at = math.log10(value) if self.is_log else value
        return min(max((at - self.least) / (self.most - self.least), 0.0), 1.0)


def figure(value: float, figures: int = 3) -> str:
    """A measured number with few figures, as it is read.

    >>> figure(0.25), figure(0.000123), figure(-2), figure(1e6)
    ('0.25', '1.23·10⁻⁴', '−2', '10⁶')
    """
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    rounded = float(f"{value:.{figures - 1}e}")
    size = abs(rounded)
    if rounded == 0 or WRITTEN_OUT[0] <= size < WRITTEN_OUT[1]:
        decimals = max(figures - 1 - math.floor(math.log10(size)), 0) if rounded else 0
        written = f"{rounded:.{decimals}f}"
        written = written.rstrip("0").rstrip(".") if "." in written else written
        return written.replace("-", "−")
    mantissa, exponent = f"{rounded:e}".split("e")
    head = mantissa.rstrip("0").rstrip(".")
    power = f"10{str(int(exponent)).translate(_RAISED)}"
    sign = "−" if head.startswith("-") else ""
    head = head.lstrip("-")
    return sign + (power if head == "1" else f"{head}·{power}")


def frames(chart: Chart, across: float, up: float, letter: float) -> tuple[Frame, Frame]:
    """Both axes of a chart, for a plot `across` by `up` points with letters so high."""
    points = [point for one in chart.series for point in chart.shown(one)]
    marks = {side: [level.value for level in chart.levels if level.axis == side] for side in ("x", "y")}
    widths = {one.style for one in chart.series}
    xs = [x for one in chart.series for x, _ in (*chart.shown(one), *chart.below(one))]
    ys = [y for _, y in points] + ([0.0] if "bars" in widths and chart.y.scale == "linear" else [])
    if "bars" in widths and chart.x.scale == "linear" and not chart.x.categories:
        half = bar_width(chart) / 2
        xs = [x + side * half for x in xs for side in (-1, 1)]
    return (
        _frame(chart.x, xs, marks["x"], across, letter, is_upright=False),
        _frame(chart.y, ys, marks["y"], up, letter, is_upright=True),
    )


def bar_width(chart: Chart) -> float:
    """How wide a bar is on the x axis: the least distance between two of them."""
    found = sorted(
        {x for one in chart.series if one.style == "bars" for x, _ in one.points if math.isfinite(x)}
    )
    return min((after - before for before, after in pairwise(found)), default=1.0)


def _frame(
    axis: Axis,
    values: Sequence[float],
    marks: Sequence[float],
    length: float,
    letter: float,
    *,
    is_upright: bool,
) -> Frame:
    if axis.categories:
        return _categories(axis.categories, length, letter)
    is_log = axis.scale == "log"
    wanted = [*values, *marks, *(end for end in (axis.least, axis.most) if end is not None)]
    kept = [
        math.log10(value) if is_log else value
        for value in wanted
        if math.isfinite(value) and not (is_log and value <= 0)
    ]
    low, high = (min(kept), max(kept)) if kept else (0.0, 1.0)
    if is_log:
        return _powers(low, high, length, letter, is_upright=is_upright)
    if high == low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    most_ticks = max(int(length / (letter * (2.6 if is_upright else 5))), 2)
    step = _step((high - low) / most_ticks)
    if math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) < 1:
        step = _step((high - low) / most_ticks / 2)  # one tick alone says nothing of the scale
    if is_upright:  # points of a line keep off the top; the ends of x are where the data end
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(-math.floor(math.log10(step) + 1e-9), 0)
    ticks = tuple(
        Tick((place * step - low) / (high - low), _tick_words(place * step, decimals, step))
        for place in range(first, last + 1)
    )
    return Frame(low, high, ticks, is_log=False)


def _tick_words(value: float, decimals: int, step: float) -> str:
    if not WRITTEN_OUT[0] <= step < WRITTEN_OUT[1]:
        return figure(value)
    return f"{value + 0.0:,.{decimals}f}".replace("-", "−").replace(",", " ")


def _step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, … that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))


def _powers(low: float, high: float, length: float, letter: float, *, is_upright: bool) -> Frame:
    low = max(low, high - MOST_DECADES)
    bottom, top = math.floor(low + 1e-9), math.ceil(high - 1e-9)
    top = max(top, bottom + 1)
    room = max(int(length / (letter * (2.2 if is_upright else 3.6))), 2)
    every = -(-(top - bottom) // room)
    bottom = top - -(-(top - bottom) // every) * every
    powers = range(bottom, top + 1, every)
    span = top - bottom
    ticks = [Tick((power - bottom) / span, _power_words(power)) for power in powers]
    if span == 1:  # one power of ten alone would leave the axis without a number inside
        ticks[1:1] = [Tick(math.log10(times), figure(times * 10.0**bottom)) for times in (2, 5)]
    return Frame(bottom, top, tuple(ticks), is_log=True)


def _power_words(power: int) -> str:
    return {0: "1", 1: "10"}.get(power, f"10{str(power).translate(_RAISED)}")


def _categories(names: Sequence[str], length: float, letter: float) -> Frame:
    """A place for each name; as many names as there is room for, the first and the last among them."""
    count = len(names)
    longest = max(map(len, names))
    fits = max(int(length / ((min(longest, LONGEST_NAME) + 2) * letter * CHARACTER)), 2)
    every = max(-(-count // fits), 1)
    ticks = tuple(
        Tick((place + 0.5) / count, shortened(names[place])) for place in range(count) if place % every == 0
    )
    return Frame(-0.5, count - 0.5, ticks, is_log=False)


LONGEST_NAME = 14


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits into so many characters: its end is what tells layers apart.

    >>> shortened("features.denseblock4.conv2")
    '…seblock4.conv2'
    """
    return name if len(name) <= longest + 1 else f"…{name[-longest:]}"
