"""Charts as facts: bounds, gaps, what has a place on an axis, and sparklines."""

from __future__ import annotations

import math

import pytest

from convscope.core.plot import Axis, Chart, Series, Sparkline, histogram, series
from convscope.errors import InputError

X, Y, LOG = Axis("x"), Axis("y"), Axis("y", scale="log")
NAN = float("nan")


def test_a_chart_keeps_points_with_a_place_and_tells_those_below_a_log_axis():
    one = series("run", [1.0, NAN, 0.0, -2.0, 4.0])
    linear, log = Chart("t", X, Y, (one,)), Chart("t", X, LOG, (one,))
    assert linear.shown(one) == ((0.0, 1.0), (2.0, 0.0), (3.0, -2.0), (4.0, 4.0))
    assert linear.below(one) == ()
    assert log.shown(one) == ((0.0, 1.0), (4.0, 4.0))
    assert log.below(one) == ((2.0, 0.0), (3.0, -2.0))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: Chart("t", X, Y, (series("a", [1]),) * 7),
            r"^a plot of 7 series; up to 6 can be told apart",
        ),
        (
            lambda: Chart("t", X, Y, (series("a", [1] * 5001),)),
            r"^series 'a' has 5001 points; a plot shows up to",
        ),
        (
            lambda: Chart("t", X, Axis("y", scale="log", least=0), ()),
            r"^axis 'y' cannot reach 0 on a log scale",
        ),
        (
            lambda: Chart("t", Axis("x", most=math.inf), Y, ()),
            r"^axis 'x' cannot reach inf on a linear scale",
        ),
        (lambda: histogram("h", [0, 1], [1, 2]), r"^2 counts need 3 edges; there are 2"),
        (
            lambda: Sparkline((1.0,), least=0, scale="log").heights(),
            r"^a sparkline from 0 to None on a log scale",
        ),
    ],
)
def test_what_no_plot_can_show_is_refused(make, told):
    with pytest.raises(InputError, match=told):
        make()


def test_a_sparkline_stands_between_its_ends_and_leaves_gaps():
    assert Sparkline((1.0, 3.0, NAN, 2.0)).heights() == (0.0, 1.0, None, 0.5)
    assert Sparkline((5.0, 5.0)).heights() == (0.5, 0.5)
    assert Sparkline((NAN,)).heights() == (None,)
    assert Sparkline((2.0, 9.0), least=0, most=4).heights() == (0.5, 1.0)
    assert Sparkline((1e-4, 0.0, 1e-2, 1.0), scale="log").heights() == (0.0, None, 0.5, 1.0)


def test_a_series_starts_where_it_is_told():
    assert series("s", [7.0, 8.0], start=1) == Series("s", ((1.0, 7.0), (2.0, 8.0)))
