"""A drawing as SVG: a file that stands alone, or a part of a page; built as a tree, never from strings.

Colours stand twice: as attributes, which every program knows, and in a style that follows a dark
page. Words are text of the tree, so that a layer's name can never become markup.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET  # only builds; nothing is parsed
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from convscope.core.drawing import Drawing, Label, Part, Point, Polygon, Role, Stroke
from convscope.core.plot import Sparkline
from convscope.errors import rule_for
from convscope.render.literal import visible_line

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
ARROW = 5.0  # length of an arrow's head in points


@dataclass(frozen=True, slots=True)
class Look:
    """How a role is drawn: fill and line on a light page, then on a dark one."""

    fill: str
    line: str
    dark_fill: str
    dark_line: str
    width: float = 1.0
    dashes: str = ""


# The series of a plot: line, line on a dark page, dashes. Each has its own marker as well.
SERIES: tuple[tuple[str, str, str], ...] = (
    ("#0072b2", "#56b4e9", ""),
    ("#b94d00", "#f08a4b", "7 3"),
    ("#00795a", "#2fc39a", "2 3"),
    ("#8a3f6d", "#d98bb8", "9 3 2 3"),
    ("#8f5d00", "#e69f00", "4 2"),
    ("#1d2126", "#e7e9ec", "12 4"),
)
_LINES: tuple[Role, ...] = ("series1", "series2", "series3", "series4", "series5", "series6")
_MARKS: tuple[Role, ...] = ("mark1", "mark2", "mark3", "mark4", "mark5", "mark6")


def _series_looks() -> dict[Role, Look]:
    lines = {
        role: Look("none", line, "none", dark, 1.8, dashes)
        for role, (line, dark, dashes) in zip(_LINES, SERIES, strict=True)
    }
    marks = {
        role: Look(line, line, dark, dark, 0.6) for role, (line, dark, _) in zip(_MARKS, SERIES, strict=True)
    }
    return {**lines, **marks}


LOOKS: Mapping[Role, Look] = MappingProxyType(
    {
        "front": Look("#e6f2fa", "#0072b2", "#17344a", "#56b4e9"),
        "top": Look("#f4f9fd", "#0072b2", "#1f4560", "#56b4e9"),
        "side": Look("#cfe4f3", "#0072b2", "#102635", "#56b4e9"),
        "window": Look("#fdeecb", "#8f5d00", "#4d3a0d", "#e69f00", 1.2),
        "link": Look("none", "#59616b", "none", "#a3abb5", 1.2),
        "guide": Look("none", "#8f5d00", "none", "#e69f00", 0.8, "3 2"),
        "bar": Look("#0072b2", "#0072b2", "#56b4e9", "#56b4e9"),
        "limit": Look("none", "#b94d00", "none", "#f08a4b", 1.4, "5 3"),
        "grid": Look("none", "#e1e5ea", "none", "#2c323a", 0.8),
        "axis": Look("none", "#59616b", "none", "#a3abb5"),
        "level": Look("none", "#59616b", "none", "#a3abb5", 1.2, "1 3"),
        **_series_looks(),
    }
)
INK, DARK_INK, QUIET, DARK_QUIET = "#1d2126", "#e7e9ec", "#59616b", "#a3abb5"


def to_svg(drawing: Drawing) -> str:
    """The drawing as a file's content."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg_element(drawing)}\n'


def svg_element(drawing: Drawing) -> str:
    """The drawing as one element, for a page."""
    root = ET.Element(
        "svg",
        {
            "xmlns": NAMESPACE,
            "class": "drawing",
            "viewBox": f"0 0 {_number(drawing.width)} {_number(drawing.height)}",
            "width": _number(drawing.width),
            "height": _number(drawing.height),
            "role": "img",
            "font-family": FONT,
            "aria-label": ". ".join(filter(None, map(_words, (drawing.title, drawing.description)))),
        },
    )
    ET.SubElement(root, "style").text = STYLE
    for shape in drawing.shapes:
        _add(root, shape)
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


SPARK_BAR, SPARK_GAP, SPARK_HEIGHT = 4.0, 1.0, 16.0


def spark_element(line: Sparkline, alternative: str) -> str:
    """A row of values as a small element for a line of text; a value of the least height is still seen."""
    heights = line.heights()
    width = _number(max(len(heights) * (SPARK_BAR + SPARK_GAP) - SPARK_GAP, 1))
    root = ET.Element("svg", {
        "xmlns": NAMESPACE, "class": "spark", "viewBox": f"0 0 {width} {_number(SPARK_HEIGHT)}",
        "width": width, "height": _number(SPARK_HEIGHT), "role": "img", "aria-label": alternative,
    })  # fmt: skip
    for place, height in enumerate(heights):
        if height is not None:
            length = 1 + (SPARK_HEIGHT - 1) * height
            ET.SubElement(root, "rect", {
                "x": _number(place * (SPARK_BAR + SPARK_GAP)), "y": _number(SPARK_HEIGHT - length),
                "width": _number(SPARK_BAR), "height": _number(length), "fill": "currentColor",
            })  # fmt: skip
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _style() -> str:
    rules = [f".drawing .ink{{fill:light-dark({INK},{DARK_INK})}}",
             f".drawing .quiet{{fill:light-dark({QUIET},{DARK_QUIET})}}"]  # fmt: skip
    for role, look in LOOKS.items():
        fill = look.fill if look.fill == "none" else f"light-dark({look.fill},{look.dark_fill})"
        rules.append(f".drawing .{role}{{fill:{fill};stroke:light-dark({look.line},{look.dark_line})}}")
        rules.append(f".drawing .{role}-head{{fill:light-dark({look.line},{look.dark_line})}}")
    # Programs that know no light-dark() skip the block and keep the attributes.
    scheme = "svg.drawing:root{color-scheme:light dark}"
    return f"{scheme}@supports (color:light-dark(red,red)){{{''.join(rules)}}}"


STYLE = _style()


def _add(parent: ET.Element, shape: object) -> None:
    rule_for(RULES, shape, "draws a {} as SVG")(parent, shape)


def _part(parent: ET.Element, part: Part) -> None:
    group = ET.SubElement(parent, "g")
    ET.SubElement(group, "title").text = _words(part.title)
    for shape in part.shapes:
        _add(group, shape)


def _polygon(parent: ET.Element, shape: Polygon) -> None:
    look = LOOKS[shape.role]
    ET.SubElement(parent, "polygon", {
        "class": shape.role, "points": _points(shape.points), "fill": look.fill, "stroke": look.line,
        "stroke-width": _number(look.width), "stroke-linejoin": "round",
    })  # fmt: skip


def _stroke(parent: ET.Element, shape: Stroke) -> None:
    look = LOOKS[shape.role]
    attributes = {
        "class": shape.role, "d": _path(shape), "fill": "none", "stroke": look.line,
        "stroke-width": _number(look.width), "stroke-linejoin": "round",
    }  # fmt: skip
    if look.dashes:
        attributes["stroke-dasharray"] = look.dashes
    ET.SubElement(parent, "path", attributes)
    if shape.arrow:
        head = _head(*shape.points[-2:])
        ET.SubElement(
            parent, "polygon", {"class": f"{shape.role}-head", "points": _points(head), "fill": look.line}
        )


def _path(shape: Stroke) -> str:
    first, *rest = shape.points
    written = [f"M{_pair(first)}"]
    if not shape.smooth:
        return " ".join([*written, *(f"L{_pair(point)}" for point in rest)])
    for (x0, y0), (x1, y1) in zip(shape.points, rest, strict=False):
        middle = (y0 + y1) / 2
        written.append(f"C{_pair((x0, middle))} {_pair((x1, middle))} {_pair((x1, y1))}")
    return " ".join(written)


def _head(before: Point, tip: Point) -> tuple[Point, ...]:
    (x0, y0), (x1, y1) = before, tip
    if abs(y1 - y0) >= abs(x1 - x0):  # smooth lines arrive upright
        back = ARROW if y1 > y0 else -ARROW
        return tip, (x1 - ARROW * 0.5, y1 - back), (x1 + ARROW * 0.5, y1 - back)
    back = ARROW if x1 > x0 else -ARROW
    return tip, (x1 - back, y1 - ARROW * 0.5), (x1 - back, y1 + ARROW * 0.5)


def _label(parent: ET.Element, shape: Label) -> None:
    attributes = {
        "class": "quiet" if shape.is_quiet else "ink", "x": _number(shape.at[0]), "y": _number(shape.at[1]),
        "font-size": _number(shape.size), "text-anchor": shape.anchor,
        "fill": QUIET if shape.is_quiet else INK,
    }  # fmt: skip
    if shape.is_strong:
        attributes["font-weight"] = "600"
    ET.SubElement(parent, "text", attributes).text = _words(shape.content)


def _words(content: str) -> str:
    return visible_line(content)


def _points(points: Sequence[Point]) -> str:
    return " ".join(map(_pair, points))


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


RULES: Mapping[type[Any], Callable[[ET.Element, Any], None]] = MappingProxyType(
    {Part: _part, Polygon: _polygon, Stroke: _stroke, Label: _label}
)
