"""Plots and sparklines in every form: drawn where there are drawings, in words where there are none."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from sample import SHORT_HOSTILE, charts, plots

from convscope.core.document import Document, Paragraph, Plot, Spark, text
from convscope.core.plot import Axis, Chart, Level, Series, Sparkline, histogram, series
from convscope.render.html import to_html
from convscope.render.latex import to_fragment, to_latex
from convscope.render.markdown import to_markdown
from convscope.render.pdf import to_pdf, to_typst
from convscope.render.plot_text import chart_lines
from convscope.render.sparks import spark
from convscope.render.terminal import to_text

NAN = float("nan")


def of(*blocks):
    return Document(text("Plots"), blocks)


RISING = of(Paragraph(text("Rising ", Spark(Sparkline((0.0, NAN, 1.0, 2.0)), "from 0 to 2"), ".")))
CHART = Chart(
    "Gradient", Axis("layer", categories=("conv1", "conv2")), Axis("norm", scale="log"),
    (series("sigmoid", [1e-6, 0.1]), series("ReLU", [0.2, 0.3])), (Level(1e-4, "small"),),
)  # fmt: skip
DRAWN = of(Plot((CHART,), text("Two runs.")))


def test_a_sparkline_is_a_mark_for_each_value():
    assert spark(Sparkline((0.0, NAN, 1.0, 2.0))) == "▁·▅█"
    assert "Rising ▁·▅█." in to_text(RISING, digits=4, width=80)
    assert "Rising ▁·▅█." in to_markdown(RISING, digits=4)
    assert r"\text{▁}{\cdot}\text{▅}\text{█}" in to_fragment(RISING, digits=4)
    assert r"\sparkmark{0.10}\sparkgap\sparkmark{0.55}\sparkmark{1.00}" in to_latex(RISING, digits=4)
    assert "#spark((0.000, none, 0.500, 1.000, ))" in to_typst(RISING, digits=4)


def test_a_sparkline_on_a_page_is_a_drawing_with_words():
    page = ET.fromstring(to_html(RISING, digits=4).split("\n", 1)[1])  # noqa: S314 - written right here
    (mark,) = [element for element in page.iter() if element.get("class") == "spark"]
    assert mark.get("aria-label") == "from 0 to 2"
    heights = [float(bar.get("height")) for bar in mark]
    assert heights == [1, 8.5, 16]


def test_the_terminal_draws_each_series_with_a_sign_of_its_own():
    lines = chart_lines(CHART, 80)
    field = [line for line in lines if "│" in line]
    assert len(field) == 12
    assert sum(line.count("o") for line in field) == 2
    assert sum(line.count("x") for line in field) == 2
    assert any("┄┄┄" in line for line in field)
    assert lines[-3:] == [
        "o sigmoid: 2 points, from 10⁻⁶ at conv1 to 0.1 at conv2",
        "x ReLU: 2 points, from 0.2 at conv1 to 0.3 at conv2",
        "┄ small: y = 10⁻⁴",
    ]
    # The smaller value stands lower.
    rows = [number for number, line in enumerate(field) if "o" in line]
    assert rows[0] < rows[-1]


def test_the_terminal_draws_bars_and_small_charts():
    bars = Chart("Bars", Axis("x"), Axis("y"), (histogram("h", range(5), [1, 4, 2, 0]),))
    field = [line for line in chart_lines(bars, 60) if "│" in line]
    assert "█" in field[0]
    assert field[-1].count("█") == 3
    small = Chart("Small", Axis("x"), Axis("y"), (histogram("h", range(4), [1, 4, 2]),), size="small")
    assert chart_lines(small, 60) == ["Small: ▃█▅ h: 3 bars, from 1 at 0.5 to 2 at 2.5, most 4 at 1.5"]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_lines_of_a_field_fit_the_terminal(width):
    lines = chart_lines(CHART, max(width, 40))
    assert all(len(line) <= max(width, 40) for line in lines if "│" in line or "└" in line)


def test_a_page_holds_a_drawing_for_each_chart_and_its_words():
    written = to_html(of(Plot(charts())), digits=4)
    assert written.count('class="drawing"') == 3
    page = ET.fromstring(written.split("\n", 1)[1])  # noqa: S314 - written right here
    drawings = [element for element in page.iter() if element.get("class") == "drawing"]
    assert all(drawing.get("aria-label") for drawing in drawings)
    assert any("falling" in (drawing.get("aria-label") or "") for drawing in drawings)


def test_forms_without_drawings_say_the_chart_in_words():
    for written in (to_latex(DRAWN, digits=4), to_fragment(DRAWN, digits=4)):
        assert "sigmoid: 2 points, from" in written.replace("$:$", ":")
    assert "o sigmoid: 2 points, from 10⁻⁶ at conv1 to 0.1 at conv2" in to_markdown(DRAWN, digits=4)
    assert "Two runs." in to_markdown(DRAWN, digits=4)


def test_hostile_names_stay_words():
    document = of(*plots())
    assert SHORT_HOSTILE in to_text(document, digits=4, width=300)
    page = ET.fromstring(to_html(document, digits=4).split("\n", 1)[1])  # noqa: S314 - written right here
    assert not [element for element in page.iter() if element.tag.endswith("}b") or element.tag == "b"]
    assert to_pdf(document, digits=4).startswith(b"%PDF")


def test_a_series_of_points_alone_is_drawn():
    chart = Chart("p", Axis("x"), Axis("y"), (Series("p", ((0, 1), (5, 2)), "points"),))
    assert sum(line.count("o") for line in chart_lines(chart, 80) if "│" in line) == 2
