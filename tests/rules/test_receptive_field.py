"""Receptive fields: published numbers, conventions, branches, and the truth told by gradients."""

from __future__ import annotations

from fractions import Fraction

import pytest

import convscope as cs
from convscope.core.network import Graph, Input, Node
from convscope.core.operators import Attention, Elementwise, Norm, Rearrange, Reduce, Source, Unknown
from convscope.rules.field import AxisField
from convscope.rules.network import Network
from rules.published import resnet


def field(words: str, layer: str | None = None):
    net = cs.network(words)
    return net[layer or net.rows[-1].name].receptive_field


def numbers(found) -> tuple:
    """Size, jump and start of the first axis."""
    return found.size[0], found.jump[0], found.start[0]


# --- published numbers ------------------------------------------------------------------------


def test_the_fields_of_alexnet():
    # Araujo, Norris & Sim (2019), table of AlexNet: 195 pixels after the last pooling, jump 32.
    net = cs.network("examples/alexnet.txt")
    assert numbers(net["conv1"].receptive_field) == (11, 4, 5)
    assert numbers(net["pool5"].receptive_field) == (195, 32, 33)


@pytest.mark.parametrize(
    ("depths", "strided", "size"),
    [
        ((3, 4, 6, 3), "middle", 427),  # stride in the 3×3, as torchvision has it
        ((3, 4, 6, 3), "slim", 483),  # stride in the last unit of a block, as TF-Slim has it
        ((3, 4, 23, 3), "slim", 1027),
        ((3, 8, 36, 3), "slim", 1507),
        ((3, 8, 36, 3), "middle", 1451),
    ],
)
def test_the_fields_of_residual_networks(depths, strided, size):
    net = cs.network(resnet(depths, strided))
    found = net["last"].receptive_field
    assert found.size == (size, size)
    assert found.jump == (32, 32)
    assert not found.misaligned
    assert not found.through


# --- conventions ------------------------------------------------------------------------------


def test_padding_moves_the_start_and_dilation_widens():
    assert numbers(field("input 1x32x32\nconv 3x3, 1, padding (2,1), dilation 2, stride 2")) == (5, 2, 0)
    assert numbers(field("input 1x32x32\nconv 4x4, 1, padding same")) == (4, 1, Fraction(1, 2))
    assert numbers(field("input 1x33x33\nconv 3x3, 1, padding same, stride 2")) == (3, 2, 0)
    assert numbers(field("input 1x32x32\nconv 3x3, 1, padding same, stride 2")) == (3, 2, 1)
    assert numbers(field("input 1x32x32\npad (3,0)x(3,0)\nconv 3x3, 1")) == (3, 1, -2)


def test_each_axis_has_its_own():
    found = field("input 1x32x48\nconv 3x5, 1, stride 1x2, padding 1x0")
    assert (found.size, found.jump, found.start) == ((3, 5), (1, 2), (0, 2))
    assert field("input 2x50\nconv 5, 3, stride 2\nconv 3, 1").size == (9,)
    assert field("input 2x9x9x9\nconv 3x3x3, 1\nmaxpool 2").size == (4, 4, 4)


def test_a_transposed_convolution_divides_the_jump():
    down = "input 1x64x64\nconv 3x3, 1, stride 4, padding 1\n"
    assert numbers(field(down + "convtranspose 4x4, 1, stride 2, padding 1")) == (7, 2, -1)
    # Taps of a kernel of 3 with stride 2: one or two cells; the size is the most.
    assert numbers(field("input 1x8x8\nconvtranspose 3x3, 1, stride 2")) == (
        2,
        Fraction(1, 2),
        Fraction(-1, 2),
    )


def test_resizing_divides_the_jump_and_halves_line_up():
    words = "input 1x64x64\npool: maxpool 2\nup: upsample 2{}\nboth: concat from up, input"
    for mode in ("", ", bilinear"):
        found = field(words.format(mode))
        assert found.jump == (1, 1)
        assert not found.misaligned
    assert field(words.format(", bilinear, align_corners")).misaligned == "both"


def test_the_largest_phase_is_the_size():
    found = field("input 1x16x16\nupsample 2\nconv 2x2, 1")
    assert found.size == (2, 2)  # one cell or two
    assert [found.axes[0].box(cell) for cell in range(3)] == [(0, 1), (0, 2), (1, 2)]


# --- the whole picture ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["globalavgpool", "globalmaxpool", "adaptiveavgpool 1", "flatten", "adaptiveavgpool 1\nflatten"],
)
def test_a_global_layer_sees_the_whole_picture_and_is_named(words):
    found = field(f"input 3x30x40\nconv 3x3, 4\n{words}\nrelu")
    assert found.size == (30, 40)
    assert found.jump == (0, 0)
    assert found.through.startswith(("pool", "flatten"))
    assert found.is_whole


def test_what_was_dropped_is_not_seen_by_the_whole():
    found = field("input 1x32x32\nmaxpool 3, stride 3\nglobalavgpool")
    assert found.size == (30, 30)


def graph_field(shape, *nodes):
    return Network(Graph((Input("x", shape),), nodes)).rows[-1].receptive_field


def test_squeeze_and_excite_makes_the_field_whole():
    found = graph_field(
        (8, 16, 16),
        Node("conv", cs.Conv(kernel_size=3, out_channels=8, padding=1), ("x",)),
        Node("squeeze", cs.GlobalAvgPool(), ("conv",)),
        Node("excite", cs.Sigmoid(), ("squeeze",)),
        Node("scale", Elementwise("multiply"), ("conv", "excite")),
        Node("next", cs.Conv(kernel_size=3, out_channels=8, padding=1), ("scale",)),
    )
    assert found.size == (16, 16)
    assert found.through == "squeeze"


def test_statistics_over_space_see_the_whole_and_over_channels_do_not():
    for kind, whole in (("group", True), ("instance", True), ("layer", True), ("local response", False)):
        found = graph_field((8, 9, 9), Node("norm", Norm(kind, 2), ("x",)))
        assert found.is_whole is whole
        assert found.through == ("norm" if whole else "")


def test_channels_last_keeps_the_positions():
    found = graph_field(
        (8, 12, 14),
        Node("conv", cs.Conv(kernel_size=7, out_channels=6, padding=3), ("x",)),
        Node("last", Rearrange("permute", (12, 14, 6)), ("conv",)),
        Node("norm", Norm("layer"), ("last",)),
        Node("wide", cs.Linear(out_features=24), ("norm",)),
        Node("narrow", cs.Linear(out_features=8), ("wide",)),
        Node("first", Rearrange("permute", (8, 12, 14)), ("narrow",)),
        Node("sum", cs.Add(), ("first", "x")),
        Node("conv2", cs.Conv(kernel_size=3, out_channels=8), ("sum",)),
    )
    assert (found.size, found.through) == ((9, 9), "")


def test_a_linear_layer_along_the_width_mixes_the_width_only():
    found = graph_field((3, 8, 10), Node("mix", cs.Linear(out_features=10), ("x",)))
    assert found.size == (1, 10)
    assert found.through == "mix"


def test_rearranging_is_followed_only_where_it_is_certain():
    kept = graph_field((8, 6, 6), Node("cut", Rearrange("slice", (4, 6, 6)), ("x",)))
    assert (kept.size, kept.through) == ((1, 1), "")
    moved = graph_field((8, 6, 6), Node("roll", Rearrange("roll", (8, 6, 6)), ("x",)))
    assert (moved.size, moved.through) == ((6, 6), "roll")
    cropped = graph_field((8, 6, 6), Node("crop", Rearrange("slice", (8, 5, 6)), ("x",)))
    assert cropped.through == "crop"
    turned = graph_field((3, 6, 6), Node("turn", Rearrange("transpose", (3, 6, 6)), ("x",)))
    assert turned.through == "turn"  # rows and columns may have changed places
    groups = graph_field(
        (8, 6, 6),
        Node("groups", Rearrange("view", (2, 4, 6, 6)), ("x",)),
        Node("swap", Rearrange("transpose", (4, 2, 6, 6)), ("groups",)),
        Node("shuffled", Rearrange("_unsafe_view", (8, 6, 6)), ("swap",)),
    )
    assert (groups.size, groups.through) == ((1, 1), "")
    row = graph_field((6, 6, 6), Node("row", Rearrange("select", (6, 6)), ("x",)))
    assert row.through == "row"  # a channel or a row: the shapes do not tell
    shuffled = graph_field((8, 6, 6), Node("up", Rearrange("pixel_shuffle", (2, 12, 12)), ("x",)))
    assert (shuffled.size, shuffled.jump) == ((1, 1), (Fraction(1, 2), Fraction(1, 2)))
    mean = graph_field((8, 6, 7), Node("mean", Reduce("mean", (1, 6, 7)), ("x",)))
    assert mean.size == (1, 1)


def test_attention_and_what_nobody_knows():
    attention = Attention((36, 8), 36, 36, 8, 8, 1)
    found = graph_field(
        (8, 6, 6),
        Node("tokens", Rearrange("reshape", (8, 36)), ("x",)),
        Node("attend", attention, ("tokens", "tokens", "tokens")),
    )
    assert found.is_whole
    assert (found.through, found.unfollowed) == ("attend", 0)  # 36 keys: every position is attended to
    assert graph_field((3, 6, 6), Node("odd", Unknown("mystery", (3, 6, 6)), ("x",))) is None
    constant = graph_field((3, 6, 6), Node("c", Source((3, 6, 6)), ()), Node("sum", cs.Add(), ("x", "c")))
    assert constant.size == (1, 1)


def test_positions_that_are_not_followed_are_said_to_be_a_bound():
    windows = Attention((4, 9, 8), 9, 9, 8, 8, 4)
    net = Network(
        Graph(
            (Input("x", (8, 6, 6)),),
            (
                Node("windows", Rearrange("reshape", (4, 9, 8)), ("x",)),
                Node("attend", windows, ("windows", "windows", "windows")),
                Node("mean", Reduce("mean", (8,), whole=True), ("attend",)),
            ),
        )
    )
    found = net["attend"].receptive_field
    assert (found.size, found.through, found.unfollowed) == ((6, 6), "windows", 36)
    assert "at most" in net["attend"].explain_field().to_text()
    assert "It may be less" in net.field_of("attend").to_text()
    assert net["mean"].receptive_field.unfollowed == 0


# --- branches ---------------------------------------------------------------------------------


def test_branches_are_joined_in_one_box():
    words = (
        "input 4x33x33\nleft: conv 3x3, 4, padding 1\n"
        "right: conv 7x7, 4, padding 3 from input\nsum: add from left, right"
    )
    assert numbers(field(words)) == (7, 1, 0)
    one_sided = words.replace("conv 7x7, 4, padding 3", "conv 2x2, 4, padding (1,0)")
    found = field(one_sided)
    assert found.size == (3, 3)
    assert found.misaligned == "sum"


def test_a_wrong_start_is_reported_as_misaligned():
    words = "input 4x32x32\na: conv 3x3, 4, stride 2, padding 1\nb: maxpool 2 from input\nc: concat from a, b"
    assert field(words).misaligned == "c"
    assert not field(words.replace("conv 3x3, 4", "conv 4x4, 4")).misaligned


def test_branches_of_other_jumps_are_covered_and_reported():
    found = field("input 4x32x32\na: conv 17x17, 4\nb: maxpool 2 from input\nc: concat from a, b")
    assert found.misaligned == "c"
    for cell in range(16):
        low, stop = found.axes[0].box(cell)
        assert low <= min(cell, 2 * cell)
        assert stop >= max(cell + 17, 2 * cell + 2)


# --- borders ----------------------------------------------------------------------------------


def test_fields_are_clipped_at_the_borders():
    axis = field("input 1x20x20\nconv 7x7, 1, padding 3, stride 2").axes[0]
    assert axis.box(0) == (-3, 4)
    assert axis.clipped(0) == (0, 4)
    borders = axis.borders(10)
    assert (borders.first, borders.last, borders.largest) == (2, 1, 7)
    wide = field("input 1x8x8\nconv 9x9, 1, padding 4\nconv 9x9, 1, padding 4").axes[0]
    assert wide.borders(8) == (8, 8, 8)


@pytest.mark.parametrize("words", [
    "conv 7x7, 1, padding 3, stride 2", "conv 3x3, 1\nconvtranspose 5x5, 1, stride 3",
    "upsample 2\nconv 4x4, 1, padding same",
    "pad 4x4\nmaxpool 3, stride 2", "conv 3x3, 1, padding 9, dilation 9",
])  # fmt: skip
def test_borders_are_those_that_counting_finds(words):
    row = cs.network(f"input 1x19x19\n{words}").rows[-1]
    axis, count = row.receptive_field.axes[0], row.output_shape[1]
    boxes = [axis.box(cell) for cell in range(count)]
    first = next((n for n, (low, _) in enumerate(boxes) if low >= 0), count)
    last = next((n for n, (_, stop) in enumerate(reversed(boxes)) if stop <= 19), count)
    largest = max(stop - low for low, stop in map(axis.clipped, range(count)))
    assert axis.borders(count) == (first, last, largest)


def test_a_field_that_sees_nothing_has_no_size():
    empty = AxisField((None,), (None,), 0, 5)
    assert (empty.size, empty.box(0), empty.clipped(3)) == (0, (0, 0), (0, 0))


# --- explained --------------------------------------------------------------------------------


def test_the_field_is_explained_with_its_numbers():
    net = cs.network("input 1x64x64\nconv1: conv 7x7, 4, stride 2, padding 3\npool: maxpool 3x3, stride 2")
    told = net["pool"].explain_field().to_text()
    assert "7 + (3 − 1)·2" in told
    assert "= 11" in told
    assert "2·2" in told or "2·2 = 4" in told
    whole = cs.network("input 1x8x8\nconv 3x3, 1\nglobalavgpool")["pool1"].explain_field().to_text()
    assert "whole picture" in whole


# --- size and time ----------------------------------------------------------------------------


def test_absurd_strides_and_dilations_stay_small():
    words = "input 1x1x1\n" + "conv 1x1, 1, stride 1000000000\n" * 300
    found = field(words)
    assert found.size == (1, 1)
    odd = "input 1x7x7\n" + "".join(f"upsample size {n}x{n}\n" for n in (13, 29, 53, 101, 199, 401, 797))
    assert field(odd).size[0] <= 7
