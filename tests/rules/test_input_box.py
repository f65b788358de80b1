"""Input boxes against the footprint of the gradient, on networks that hypothesis makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.core.network import Graph, Input, Node
from convscope.core.operators import Elementwise, Rearrange, Unknown
from convscope.errors import ConvscopeError, InputError, UnsupportedError
from convscope.render.pictures import png_bytes
from convscope.rules import input_box
from convscope.rules.network import Network
from convscope.rules.reach import REACH_RULES
from rules.footprint import box_of, footprints

LONGEST = 40


@st.composite
def layers(draw):
    """A layer with options of every sort."""
    kernel, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sides = [[draw(st.integers(0, 2)), draw(st.integers(0, 2))] for _ in range(2)]
    mode = draw(st.sampled_from(("zeros", "zeros", "reflect", "replicate", "circular")))
    return draw(
        st.sampled_from(
            (
                lambda: cs.Conv(
                    kernel_size=(kernel, draw(st.integers(1, 3))),
                    out_channels=4,
                    stride=(stride, 1),
                    padding=sides,
                    dilation=dilation,
                    groups=draw(st.sampled_from((1, 2))),
                    padding_mode=mode,
                ),
                lambda: cs.Conv(
                    kernel_size=kernel, out_channels=2, stride=stride, dilation=dilation, padding="same"
                ),
                lambda: cs.MaxPool(kernel, stride, padding=kernel // 2, ceil_mode=draw(st.booleans())),
                lambda: cs.AvgPool(kernel, stride, ceil_mode=True),
                lambda: cs.ConvTranspose(
                    kernel_size=kernel,
                    out_channels=2,
                    stride=stride,
                    padding=draw(st.integers(0, 1)),
                    dilation=dilation,
                    output_padding=draw(st.integers(0, stride - 1)),
                ),
                lambda: cs.Upsample(scale_factor=draw(st.sampled_from((2, 3, "1.5", "0.5")))),
                lambda: cs.Upsample(
                    size=(draw(st.integers(2, 20)), draw(st.integers(2, 20))),
                    mode="bilinear",
                    align_corners=draw(st.booleans()),
                ),
                lambda: cs.AdaptiveAvgPool((draw(st.integers(1, 6)), draw(st.integers(1, 6)))),
                lambda: cs.Pad(sides, padding_mode=mode),
                cs.ReLU,
            )
        )
    )


@st.composite
def graphs(draw):
    """A network of up to five such layers, with branches that meet and gates over the whole picture."""
    source = Input("x", (2, draw(st.integers(5, 17)), draw(st.integers(5, 17))))
    nodes: list[Node] = []
    at = "x"
    for number in range(draw(st.integers(1, 5))):
        try:
            node = Node(f"n{number}", draw(layers())(), (at,))
            net = Network(Graph((source,), (*nodes, node)))
        except ConvscopeError:
            continue  # options that do not fit each other or the input
        if max(net[node.name].output_shape[1:]) > LONGEST:
            continue
        nodes.append(node)
        at = node.name
        alike = [row.name for row in net.rows[:-1] if row.output_shape == net[at].output_shape]
        if alike and draw(st.booleans()):
            nodes.append(Node(f"{at}sum", cs.Add(), (at, draw(st.sampled_from(alike)))))
            at = nodes[-1].name
        elif draw(st.integers(0, 9)) == 0:
            nodes += [Node(f"{at}mean", cs.GlobalAvgPool(), (at,))]
            nodes += [Node(f"{at}gate", Elementwise("multiply"), (at, f"{at}mean"))]
            at = nodes[-1].name
    return Graph((source,), tuple(nodes or [Node("n", cs.ReLU(), ("x",))]))


def some_cells(shape):
    rows = sorted({0, 1, shape[1] // 2, shape[1] - 1} & set(range(shape[1])))
    columns = sorted({0, shape[2] // 2, shape[2] - 1})
    return [(y, x) for y in rows for x in columns]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_boxes_are_the_footprints_of_the_gradient(graph):
    net = Network(graph)
    row = net.rows[-1]
    cells = some_cells(row.output_shape)
    field = row.receptive_field
    for cell, touched in zip(cells, footprints(graph, row.name, cells), strict=True):
        truth = box_of(touched)
        found = net.field_of(row.name, cell)
        assert found.box == truth
        if truth and all(getattr(node.layer, "padding_mode", "zeros") == "zeros" for node in graph.nodes):
            at = (0, 0) if field.is_whole else cell
            clipped = [axis.clipped(index) for axis, index in zip(field.axes, at, strict=True)]
            assert all(low <= a and b <= stop for (low, stop), (a, b) in zip(clipped, truth, strict=True))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_fields_inside_the_picture_are_the_footprints_of_the_gradient(graph):
    """Where no border is near, size, jump and start alone say what a cell of a chain sees."""
    net = Network(graph)
    row = net.rows[-1]
    field = row.receptive_field
    if field.is_whole or any(len(node.inputs) > 1 for node in graph.nodes):
        return
    cells = some_cells(row.output_shape)
    for cell, touched in zip(cells, footprints(graph, row.name, cells), strict=True):
        boxes = tuple(axis.box(index) for axis, index in zip(field.axes, cell, strict=True))
        inside = all(0 <= low < stop <= a.length for a, (low, stop) in zip(field.axes, boxes, strict=True))
        if inside:
            assert boxes == box_of(touched)


# --- the planted fault: a test that cannot fail proves nothing ----------------------------------


def test_a_wrong_reach_is_caught(monkeypatch):
    graph = Graph(
        (Input("x", (2, 9, 9)),),
        (Node("a", cs.Conv(kernel_size=3, out_channels=2, stride=2, padding=1), ("x",)),),
    )
    (touched,) = footprints(graph, "a", [(2, 2)])
    assert Network(graph).field_of("a", (2, 2)).box == box_of(touched) == ((3, 6), (3, 6))
    right = input_box.read_cells
    monkeypatch.setattr(input_box, "read_cells", lambda reach, cells, n: right(reach, cells, n)[1:])
    assert Network(graph).field_of("a", (2, 2)).box != box_of(touched)


def test_a_wrong_field_is_caught(monkeypatch):
    graph = Graph(
        (Input("x", (2, 15, 15)),),
        (Node("a", cs.Conv(kernel_size=3, out_channels=2, dilation=2), ("x",)),),
    )
    (touched,) = footprints(graph, "a", [(4, 4)])
    axis = Network(graph)["a"].receptive_field.axes[0]
    assert axis.box(4) == box_of(touched)[0] == (4, 9)
    right = REACH_RULES[cs.Conv]
    monkeypatch.setitem(REACH_RULES, cs.Conv, lambda *given: replace(right(*given), dilation=1))
    assert Network(graph)["a"].receptive_field.axes[0].box(4) != box_of(touched)[0]


# --- cases worked out by hand -----------------------------------------------------------------


def test_borders_and_holes_are_exact():
    net = cs.network("input 1x10x10\na: conv 3x3, 1, padding 1, dilation 2\nb: conv 3x3, 1, stride 2")
    # Cell 0 of b reads cells 0 to 2 of a; cell 0 of a reads −1, 1 and 3, cell 1 reads 0, 2 and 4.
    assert net.field_of("b", (0, 0)).box == ((0, 6), (0, 6))
    assert net.field_of("a", (0, 5)).box == ((1, 4), (4, 9))
    assert net.field_of("a", (0, 5)).unclipped == ((-1, 4), (4, 9))


def test_reflected_padding_is_read_where_its_cells_come_from():
    net = cs.network("input 1x10x10\nconv 3x3, 1, padding 2, mode reflect")
    assert net.field_of("conv1", (0, 5)).box[0] == (0, 3)


def test_ceil_mode_reaches_only_what_is_there():
    net = cs.network("input 1x7x7\nmaxpool 2, ceil")
    assert net.field_of("pool1", (3, 3)).box == ((6, 7), (6, 7))


def test_a_cell_that_sees_padding_alone():
    net = cs.network("input 1x4x4\nconv 1x1, 1, padding 2")
    found = net.field_of("conv1", (0, 3))
    assert found.box == ()
    assert "no cell" in found.to_text()


def test_the_middle_cell_is_meant_when_none_is_given():
    assert cs.network("input 1x9x9\nconv 3x3, 1").field_of("conv1").cell == (3, 3)


def test_the_whole_picture_needs_no_cell():
    net = cs.network("input 3x8x8\nconv 3x3, 4\nflatten\nlinear 10")
    assert net.field_of("linear1").box == ((0, 8), (0, 8))
    assert net.field_of("linear1", (3,)).through == "flatten1"


def test_several_inputs_have_boxes_of_their_own():
    net = cs.network("a: input 2x9x9\nb: input 2x9x9\nl: conv 3x3, 2, padding 1 from a\nadd from l, b")
    assert net.field_of("add1", (4, 4)).boxes == {"a": ((3, 6), (3, 6)), "b": ((4, 5), (4, 5))}


def test_one_axis_and_three():
    assert cs.network("input 2x50\nconv 5, 3, stride 2").field_of("conv1", 3).box == ((6, 11),)
    assert cs.network("input 1x5x5x5\nconv 3x3x3, 1").field_of("conv1", (0, 1, 2)).box == (
        (0, 3),
        (1, 4),
        (2, 5),
    )


def test_channels_last_are_followed_back():
    graph = Graph(
        (Input("x", (3, 8, 9)),),
        (
            Node("last", Rearrange("permute", (8, 9, 3)), ("x",)),
            Node("mix", cs.Linear(out_features=5), ("last",)),
        ),
    )
    assert Network(graph).field_of("mix", (2, 7)).box == ((2, 3), (7, 8))


@pytest.mark.parametrize("cell", [(9, 0), (0, -1), (0,), (0, 0, 0), (1.5, 2), "ab"])
def test_cells_that_are_not_there_are_refused(cell):
    net = cs.network("input 1x9x9\nconv 3x3, 1")
    with pytest.raises(InputError, match="layer 'conv1': the cell"):
        net.field_of("conv1", cell)


def test_a_network_of_vectors_sees_no_picture():
    with pytest.raises(InputError, match="layer 'linear1': it sees no picture"):
        cs.network("input 64\nlinear 10").field_of("linear1")


def test_unknown_layers_and_operators_are_refused():
    with pytest.raises(InputError, match="no layer is called 'con1'"):
        cs.network("input 1x9x9\nconv 3x3, 1").field_of("con1")
    odd = Network(Graph((Input("x", (1, 5, 5)),), (Node("odd", Unknown("mystery", (1, 5, 5)), ("x",)),)))
    with pytest.raises(UnsupportedError, match="layer 'odd': what it sees is not known"):
        odd.field_of("odd")


def test_absurdly_long_axes_are_answered_at_once():
    net = cs.network("input 1x1000000000000\nconv 3, 1\nflatten\nlinear 4")
    assert net.field_of("linear1").box == ((0, 10**12),)
    assert net.field_of("conv1", 10**11).box == ((10**11, 10**11 + 3),)


# --- shown and drawn --------------------------------------------------------------------------


def test_the_way_back_is_told():
    told = (
        cs.network("input 1x32x32\na: conv 3x3, 1, padding 1\nb: maxpool 2").field_of("b", (0, 3)).to_text()
    )
    assert "rows 0 to 2 and columns 5 to 8" in told
    assert "rows −1 to 2" in told
    assert "6 to 7" in told


def test_the_box_is_drawn_where_it_lies():
    net = cs.network("input 3x32x32\nconv 5x5, 1\nmaxpool 4")
    grey = np.full((320, 640), 100, dtype=np.uint8)
    found = net.field_of("pool1", (2, 1))
    assert found.box == ((8, 16), (4, 12))
    drawn = found.on(grey).drawn()
    assert drawn.shape == (320, 640, 3)
    assert (drawn[81:159, 81:239] == 100).all()  # inside, as it was
    assert (drawn[79, 100] == (230, 30, 30)).all()  # the line
    assert (drawn[300, 10] == 177).all()  # outside, paled
    whole = net.field_of("pool1", (2, 1)).on(grey)
    assert "stretched" in whole.to_text()
    assert png_bytes(whole.document().blocks[0].pictures[0]).startswith(b"\x89PNG")


def test_a_box_that_fills_the_picture_keeps_its_frame_inside():
    net = cs.network("input 1x20x20\nglobalavgpool")
    drawn = net.field_of("pool1").on(np.zeros((20, 20), dtype=np.uint8)).drawn()
    assert (drawn[0, 0] == (230, 30, 30)).all()
    assert (drawn[10, 10] == 0).all()


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(InputError, match="a picture has shape"):
        cs.network("input 1x9x9\nconv 3x3, 1").field_of("conv1").on(picture)


def test_a_signal_is_not_drawn_on_a_picture():
    found = cs.network("input 1x90\nconv 3, 1").field_of("conv1").on(np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="the input 'input' has 1 spatial axes"):
        found.drawn()
