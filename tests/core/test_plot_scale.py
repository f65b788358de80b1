"""Ticks where a reader expects them, and measured numbers with few figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.core.plot import Axis, Chart, Level, Series, series
from convscope.core.plot_scale import figure, frames, shortened


def framed(ys, *, scale="linear", x=None, **ends):
    chart = Chart("t", x or Axis("x"), Axis("y", scale=scale, **ends), (series("s", ys),))
    return frames(chart, 440, 220, 12)


def labels(frame):
    return [tick.label for tick in frame.ticks]


@pytest.mark.parametrize(
    ("value", "figures", "written"),
    [
        (0, 3, "0"), (1.0, 3, "1"), (0.25, 3, "0.25"), (-3.14159, 3, "−3.14"), (12345, 3, "12300"),
        (0.001234, 3, "0.00123"), (0.0009994, 3, "9.99·10⁻⁴"), (0.00099996, 3, "0.001"), (1e-7, 3, "10⁻⁷"),
        (-1e6, 3, "−10⁶"), (2.5e10, 2, "2.5·10¹⁰"), (9.996, 3, "10"), (math.inf, 3, "∞"),
        (math.nan, 3, "NaN"),
    ],
)  # fmt: skip
def test_a_measured_number_has_few_figures(value, figures, written):
    assert figure(value, figures) == written


def test_ticks_of_a_linear_axis_are_round():
    _, y = framed([0.0, 7.3])
    assert labels(y) == ["0", "2", "4", "6", "8"]
    assert (y.least, y.most) == (0, 8)
    _, y = framed([0.12, 0.19])
    assert labels(y)[0] == "0.12"
    assert labels(y)[-1] == "0.19"


def test_an_axis_has_two_ticks_at_least():
    for least, most in ((-9.5, 9.5), (-0.4, 1.3), (3.0, 4.1), (-1.0, 1.0), (99.0, 101.0)):
        chart = Chart("t", Axis("x"), Axis("y"), (Series("b", ((least, 1), (most, 2))),), size="small")
        x, _ = frames(chart, 140, 84, 12)
        assert len(x.ticks) >= 2


def test_ticks_of_a_log_axis_are_powers_of_ten():
    _, y = framed([2e-7, 0.5], scale="log")
    assert labels(y) == ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]
    _, y = framed([2.0, 7.0], scale="log")
    assert labels(y) == ["1", "2", "5", "10"]
    _, y = framed([1e-60, 1.0], scale="log")
    assert 3 <= len(y.ticks) <= 10


def test_an_axis_reaches_as_far_as_it_is_told_and_as_its_levels():
    _, y = framed([0.5], least=0, most=1)
    assert (y.place(0), y.place(1)) == (0, 1)
    chart = Chart("t", Axis("x"), Axis("y"), (series("s", [1, 2]),), (Level(9, "limit"),))
    assert frames(chart, 440, 220, 12)[1].most >= 9


def test_names_of_layers_have_a_place_each_and_are_thinned():
    few = Axis("layer", categories=("conv1", "conv2", "conv3"))
    x, _ = framed([1, 2, 3], x=few)
    assert labels(x) == ["conv1", "conv2", "conv3"]
    assert [round(x.place(n), 3) for n in range(3)] == [0.167, 0.5, 0.833]
    many = Axis("layer", categories=tuple(f"features.block{n}.conv" for n in range(152)))
    x, _ = framed(list(range(152)), x=many)
    assert 2 <= len(x.ticks) <= 6
    assert shortened("features.block1.conv") == "…es.block1.conv"
    assert shortened("conv1") == "conv1"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=5),
    st.sampled_from(["linear", "log"]),
)
def test_every_axis_holds_its_points_and_a_few_ticks_in_order(ys, scale):
    x, y = framed(ys, scale=scale)
    for frame in (x, y):
        places = [tick.place for tick in frame.ticks]
        assert 1 <= len(places) <= 24
        assert places == sorted(places)
        assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
    assert len({tick.label for tick in y.ticks}) == len(y.ticks)


def test_bars_stand_on_zero_and_keep_inside_the_field():
    chart = Chart("t", Axis("x"), Axis("y"), (Series("b", ((1.0, 5.0), (2.0, 7.0)), "bars"),))
    x, y = frames(chart, 440, 220, 12)
    assert y.least == 0
    assert (x.least, x.most) == (0.5, 2.5)
