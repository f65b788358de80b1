"""Drawings as SVG: well formed, words as text, every role with a look in both colour schemes."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree as ET

import pytest

from convscope.core.drawing import Drawing, Label, Part, Polygon, Role, Stroke
from convscope.errors import InputError, UnsupportedError
from convscope.render.svg import LOOKS, NAMESPACE, STYLE, svg_element, to_svg

HOSTILE = "</svg><script>alert(1)</script>&\"'\x1b[31m\n]]>"


def parsed(drawing: Drawing) -> ET.Element:
    return ET.fromstring(to_svg(drawing))  # noqa: S314 - written right here


def test_words_are_text_and_never_markup() -> None:
    root = parsed(Drawing(10, 10, (Part(HOSTILE, (Label((1, 2), HOSTILE),)),), HOSTILE, HOSTILE))
    assert [element.tag.removeprefix(f"{{{NAMESPACE}}}") for element in root.iter()] == [
        "svg", "style", "g", "title", "text",
    ]  # fmt: skip
    for element in root.iter():
        assert "\x1b" not in (element.text or "")
        assert all("\x1b" not in value for value in element.attrib.values())


def test_shapes_are_where_they_were_put() -> None:
    box = Polygon(((0, 0), (4, 0), (4, 2.5)), "front")
    line = Stroke(((0, 0), (5, 0)), "guide", arrow=True)
    root = parsed(Drawing(10, 20, (box, line), "shapes"))
    assert root.get("viewBox") == "0 0 10 20"
    points = [element.get("points") for element in root.iter(f"{{{NAMESPACE}}}polygon")]
    assert points == ["0,0 4,0 4,2.5", "5,0 0,-2.5 0,2.5"]
    (path,) = root.iter(f"{{{NAMESPACE}}}path")
    assert path.get("d") == "M0,0 L5,0"
    assert path.get("stroke-dasharray") == "3 2"


def test_every_role_has_a_look_on_light_and_on_dark() -> None:
    assert set(LOOKS) == set(get_args(Role))
    for role in LOOKS:
        assert f".drawing .{role}{{" in STYLE


def test_an_element_for_a_page_has_no_declaration_and_closes_its_elements_in_full() -> None:
    written = svg_element(Drawing(1, 1, (Polygon(((0, 0),), "bar"),), "x"))
    assert written.startswith("<svg ")
    assert "/>" not in written


def test_an_unknown_shape_and_an_absurd_size_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^no rule draws a int as SVG; known: Part, Polygon"):
        to_svg(Drawing(1, 1, (3,), "x"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^a drawing of inf by 1 points"):
        Drawing(float("inf"), 1, (), "x")
