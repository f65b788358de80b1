"""Drawings of networks: what is drawn, to scale, in layers without crossings, bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest

import convscope as cs
from convscope.core.drawing import Label, Part, Polygon, Stroke
from convscope.rules.drawing import growth_drawing
from convscope.rules.drawing.blocks import boxes_of
from convscope.rules.drawing.growth import growth
from convscope.rules.drawing.layered import SHOWN_BOXES

CHAIN = "input 3x64x64\nc: conv 5x5, 8, stride 2, padding 2\nrelu\np: maxpool 2\nf: flatten\nl: linear 10"
BRANCHED = """
input 3x16x16
a: conv 3x3, 8, padding 1
relu
b: conv 3x3, 8, padding 1
s: add from b, relu1
"""


def parts(drawing) -> dict[str, Part]:
    return {part.title.partition(":")[0]: part for part in drawing.shapes if isinstance(part, Part)}


def test_layers_that_only_pass_on_are_folded_into_the_one_before() -> None:
    boxes = boxes_of(cs.network(CHAIN))
    assert [box.name for box in boxes] == ["input", "c", "p", "f", "l"]
    assert boxes[1].followers == ("ReLU",)
    # relu1 is read twice here, so that it is a box of its own.
    assert [box.name for box in boxes_of(cs.network(BRANCHED))] == ["input", "a", "b", "s"]


def test_blocks_are_to_scale() -> None:
    drawn = parts(cs.network(CHAIN).draw().drawing)
    fronts = {name: part.shapes[0] for name, part in drawn.items()}
    heights = {name: max(y for _, y in s.points) - min(y for _, y in s.points) for name, s in fronts.items()}
    assert heights["input"] == pytest.approx(2 * heights["c"]) == pytest.approx(4 * heights["p"])


def test_sizes_are_written() -> None:
    drawn = parts(cs.network(CHAIN).draw().drawing)
    written = [shape.content for shape in drawn["c"].shapes if isinstance(shape, Label)]
    assert {"32", "8", "c"} <= set(written)


def test_boxes_of_a_graph_do_not_overlap_and_edges_run_down() -> None:
    drawing = cs.network(BRANCHED).draw().drawing
    boxes = [part.shapes[0].points for part in parts(drawing).values()]
    corners = [(points[0], points[2]) for points in boxes]
    for place, ((left, top), (right, bottom)) in enumerate(corners):
        assert 0 <= left < right <= drawing.width
        assert 0 <= top < bottom <= drawing.height
        for (other_left, other_top), (other_right, other_bottom) in corners[:place]:
            assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
    for line in (shape for shape in drawing.shapes if isinstance(shape, Stroke)):
        assert all(before[1] < after[1] for before, after in pairwise(line.points))


def test_large_graphs_are_cut_and_say_so() -> None:
    lines = ["input 4x8x8", "c0: conv 1x1, 4"]
    for n in range(1, SHOWN_BOXES):
        lines += [f"c{n}: conv 1x1, 4", f"s{n}: add from c{n}, {'c0' if n == 1 else f's{n - 1}'}"]
    drawing = cs.network("\n".join(lines)).draw().drawing
    boxes = [part for part in drawing.shapes if isinstance(part, Part)]
    assert len(boxes) == SHOWN_BOXES
    assert any(
        isinstance(shape, Label) and "more boxes are not drawn" in shape.content for shape in drawing.shapes
    )
    assert f"{2 * SHOWN_BOXES - SHOWN_BOXES} of them are not drawn" in drawing.description


def test_growth_holds_the_layers_at_which_the_field_grows() -> None:
    net = cs.network(CHAIN)
    assert [(entry.name, entry.size) for entry in growth(net)] == [("c", 5), ("p", 7)]
    drawing = growth_drawing(net)
    assert drawing is not None
    bars = [part.shapes[0] for part in drawing.shapes if isinstance(part, Part)]
    assert len([bar for bar in bars if isinstance(bar, Polygon)]) == 2
    assert growth_drawing(cs.network("input 8\nlinear 4")) is None


def test_a_drawing_is_saved_and_shown(tmp_path) -> None:
    drawn = cs.network(CHAIN).draw()
    path = drawn.save(tmp_path / "net.svg")
    assert path.read_text(encoding="utf-8") == drawn.svg == drawn._repr_svg_()
    assert "<svg" in drawn.save(tmp_path / "net.html").read_text(encoding="utf-8")
