"""Lint: every finding provoked, every finding absent where nothing is wrong, numbers checked by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

import convscope as cs
from convscope.core.network import Graph, Input, Node
from convscope.core.operators import Elementwise, Norm
from convscope.errors import InputError
from convscope.rules.lint import CHECKS, LintFinding, LintReport
from convscope.rules.network import Network
from rules.published import resnet

CLEAN = """
input 3x65x65
conv1: conv 3x3, 16, padding 1, no bias
norm1: batchnorm
relu1: relu
down: conv 3x3, 32, stride 2, padding 1
relu2: relu
left: conv 3x3, 32, padding 1
right: conv 3x3, 32, padding 2, dilation 2 from relu2
both: add from left, right
relu3: relu
up: convtranspose 4x4, 16, stride 2, padding 1
relu4: relu
head: conv 3x3, 16
relu5: relu
globalavgpool
flatten
linear 10
"""

PROVOKED = {
    "dropped": "input 3x64x64\nconv 3x3, 8\nmaxpool 3, stride 3",
    "stride_gap": "input 3x64x64\nconv 1x1, 8, stride 2",
    "even_kernel": "input 3x64x64\nconv 4x4, 8, padding same",
    "padding": "input 3x64x64\nconv 3x3, 8, padding 3",
    "checkerboard": "input 3x16x16\nconvtranspose 3x3, 8, stride 2",
    "beyond_input": "input 3x16x16\n" + "conv 5x5, 8, padding 2\nrelu\n" * 5,
    "too_small": "input 3x64x64\nconv 3x3, 8\nrelu\nglobalavgpool",
    "gridding": "input 3x64x64\n" + "conv 3x3, 8, padding same, dilation 2\nrelu\n" * 2,
    "misaligned": "input 4x32x32\na: conv 3x3, 4, stride 2, padding 1\nb: maxpool 2 from input\n"
    "concat from a, b",
    "bias_before_norm": "input 3x16x16\nconv 3x3, 8\nbatchnorm",
    "no_activation": "input 3x16x16\nconv 3x3, 8\nconv 3x3, 8",
    "saturating": "input 64\n" + "linear 64\nsigmoid\n" * 3,
    "parameters_in_one": "input 3x16x16\n" + "conv 3x3, 8\nrelu\n" * 3 + "flatten\nlinear 1000",
}


def kinds(words: str, **options) -> tuple[str, ...]:
    return cs.network(words).lint(**options).kinds


def only(words: str, kind: str, **options) -> LintFinding:
    (found,) = cs.network(words).lint(**options).of(kind)
    return found


def told(found: LintFinding) -> str:
    return LintReport((found,), titles={}).to_text(width=2000)


# --- each provoked, each absent ---------------------------------------------------------------


def test_a_clean_network_has_no_finding():
    report = cs.network(CLEAN).lint(object_size=15)
    assert list(report) == []
    assert not report
    assert "None of the 13 checks" in report.to_text()


def test_every_check_has_a_network_that_provokes_it():
    assert set(PROVOKED) == set(CHECKS)


@pytest.mark.parametrize("kind", CHECKS)
def test_every_finding_is_provoked_and_has_all_its_parts(kind):
    report = cs.network(PROVOKED[kind]).lint(object_size=40)
    found = report.of(kind)[0]
    assert found.kind == kind
    assert found.layer in cs.network(PROVOKED[kind])
    assert found.evidence
    assert found.consequence
    assert found.remedy
    assert found.numbers
    shown = report.to_text()
    assert CHECKS[kind].title in shown
    assert "Remedy:" in shown


def test_a_check_that_is_taken_away_is_missed(monkeypatch):
    monkeypatch.delitem(CHECKS, "checkerboard")
    assert "checkerboard" not in kinds(PROVOKED["checkerboard"])


def test_published_networks():
    assert kinds(resnet((3, 4, 6, 3), "middle")) == ("beyond_input",)
    alexnet = cs.network("examples/alexnet.txt").lint()
    assert alexnet.kinds == ("parameters_in_one",)
    assert "94 %" in alexnet.to_text()


# --- windows ----------------------------------------------------------------------------------


def test_dropped_cells_are_mapped_back_to_the_picture():
    found = only("input 3x64x70\nconv1: conv 3x3, 8, padding 1\nmaxpool 2\nmaxpool 3, stride 3", "dropped")
    # Height: 64 → 32, of which 30 are read; width: 70 → 35, of which 33 are read.
    assert found.numbers["rows_dropped"] == 2
    assert found.numbers["input_rows"] == (59, 64)
    assert found.numbers["lost_rows"] == (61, 64)
    assert found.numbers["lossless_rows"] == (60, 66)
    assert found.numbers["columns_dropped"] == 2
    assert "rows 30 to 31" in told(found)


def test_what_is_lost_is_what_no_cell_depends_on():
    net = cs.network("input 1x64x64\nconv1: conv 3x3, 2, padding 1\npool: maxpool 3, stride 3")
    found = net.lint().of("dropped")[0]
    seen = {row for cell in range(21) for row in range(*net.field_of("pool", (cell, 0)).box[0])}
    assert set(range(64)) - seen == set(range(*found.numbers.get("lost_rows", (0, 0))))


@pytest.mark.parametrize(
    "words",
    [
        "conv 3x3, 8, stride 2, padding 1",  # drops padding only
        "maxpool 3, stride 3, ceil",
        "conv 3x3, 8, stride 3, padding same",
        "maxpool 2",
    ],
)
def test_what_loses_no_cell_of_the_picture_drops_nothing(words):
    assert "dropped" not in kinds(f"input 3x64x64\n{words}")


def test_lossless_sizes_are_lossless_and_the_nearest():
    words = "input 3x{0}x{0}\nconv 3x3, 4\nmaxpool 2\nconv 3x3, 4\nmaxpool 2\nconv 4x4, 4, stride 3"
    found = cs.network(words.format(81)).lint().of("dropped")
    below, above = found[0].numbers["lossless_rows"]
    lossless = [n for n in range(30, 140) if "dropped" not in kinds(words.format(n))]
    assert below == max(n for n in lossless if n < 81)
    assert above == min(n for n in lossless if n > 81)


def test_cells_that_another_branch_reads_are_not_missed():
    words = (
        "input 4x32x32\na: conv 1x1, 4, stride 2\n"
        "b: conv 3x3, 4, stride 2, padding 1 from input\nadd from b, a"
    )
    assert kinds(words) == ()
    assert "stride_gap" in kinds(words.replace("conv 3x3, 4, stride 2, padding 1", "conv 1x1, 4, stride 2"))


def test_the_share_that_is_read():
    found = only("input 3x64x64\nconv 1x1, 8, stride 2", "stride_gap")
    assert found.numbers["read_share"] == Fraction(1, 4)
    assert found.numbers["rows_unread"] == 32


def test_even_kernels_that_halve_are_in_place():
    assert "even_kernel" not in kinds("input 3x64x64\nconv 4x4, 8, stride 2, padding 1")
    assert "even_kernel" not in kinds("input 3x64x64\nmaxpool 2")
    found = only("input 3x64x64\nmaxpool 2\nconv 2x2, 8, padding (0,1)", "even_kernel")
    assert found.numbers["centre"] == Fraction(1, 2)
    assert found.numbers["shift_pixels"] == 1


def test_a_dilated_kernel_is_as_large_as_its_span():
    assert "padding" not in kinds("input 3x64x64\nconv 3x3, 8, padding 4, dilation 2")
    found = only("input 3x64x64\nconv 3x3, 8, padding 5, dilation 2", "padding")
    assert found.numbers["blind"] == 2
    assert found.numbers["outputs"] == 70


def test_taps_of_a_transposed_convolution_are_counted():
    found = only("input 3x16x16\nconvtranspose 5x5, 8, stride 3", "checkerboard")
    assert (found.numbers["least_taps"], found.numbers["most_taps"]) == (1, 2)
    assert "checkerboard" not in kinds("input 3x16x16\nconvtranspose 6x6, 8, stride 3")
    assert "checkerboard" not in kinds("input 3x16x16\nconvtranspose 3x3, 8")
    assert "checkerboard" in kinds("input 3x16x16\nconvtranspose 2x2, 8, stride 2, dilation 2")


@pytest.mark.parametrize(("n", "kernel", "stride", "before", "after"), [
    (5, 3, 1, 4, 0), (5, 3, 2, 7, 3), (5, 2, 3, 0, 9), (9, 1, 1, 1, 1), (4, 3, 4, 5, 6),
])  # fmt: skip
def test_outputs_that_see_padding_alone_are_counted(n, kernel, stride, before, after):
    net = cs.network(f"input 1x{n}\nconv {kernel}, 1, stride {stride}, padding ({before},{after})")
    cells = range(net["conv1"].output_shape[1])
    blind = sum(not net.field_of("conv1", cell).box for cell in cells)
    assert net.lint().of("padding")[0].numbers["blind"] == blind


def test_absurd_sizes_are_answered_at_once():
    words = "input 1x1000000000\nconv 3, 1, padding 900000000\nconvtranspose 3, 1, stride 300\n"
    assert "padding" in kinds(words + "conv 90000001, 1, stride 7, dilation 2")


# --- fields -----------------------------------------------------------------------------------


def test_the_first_layer_beyond_the_picture_is_named():
    words = "input 3x16x16\n" + "conv 5x5, 8, padding 2\nrelu\n" * 5
    found = only(words, "beyond_input")
    assert found.layer == "conv4"  # 1 + 4·4 = 17 pixels of 16
    assert found.numbers["layers"] == ("conv4", "conv5")
    assert "beyond_input" not in kinds(words.replace("16x16", "21x21"))


def test_an_object_is_seen_whole_by_a_large_field_or_by_looking_at_places():
    words = "input 3x64x64\nconv 3x3, 8\nrelu\nmaxpool 2\nconv 3x3, 8\nrelu\n"
    assert "too_small" not in kinds(words, object_size=8)
    found = only(words, "too_small", object_size=(12, 9))
    assert found.numbers == {"size": (8, 8), "object": (12, 9), "layers_to_add": 1}
    assert "too_small" not in kinds(words)
    assert "too_small" not in kinds(words + "flatten\nlinear 10", object_size=40)
    assert "too_small" in kinds(words + "globalavgpool\nflatten\nlinear 10", object_size=40)


def test_a_gate_does_not_widen_what_single_cells_see():
    graph = Graph(
        (Input("x", (8, 32, 32)),),
        (
            Node("a", cs.Conv(kernel_size=5, out_channels=8), ("x",)),
            Node("mean", cs.GlobalAvgPool(), ("a",)),
            Node("gate", Elementwise("multiply"), ("a", "mean")),
            Node("b", cs.Conv(kernel_size=5, out_channels=8), ("gate",)),
            Node("end", cs.GlobalAvgPool(), ("b",)),
        ),
    )
    (found,) = Network(graph).lint(object_size=20).of("too_small")
    assert found.numbers["size"] == (9, 9)


@pytest.mark.parametrize("size", [0, -3, "8", 1.5, (3, 0), (1, 2, 3, 4), True])
def test_what_is_no_object_size_is_refused(size):
    with pytest.raises(InputError, match="object_size="):
        cs.network(CLEAN).lint(object_size=size)


def test_dilations_without_a_common_factor_leave_no_holes():
    def dilated(*dilations):
        return "input 3x64x64\n" + "".join(
            f"conv 3x3, 8, padding same, dilation {d}\nrelu\n" for d in dilations
        )

    assert "gridding" in kinds(dilated(2, 4))
    assert "gridding" not in kinds(dilated(1, 2, 5))
    assert "gridding" not in kinds(dilated(1, 2, 2))  # the first layer fills the holes
    assert "gridding" not in kinds(dilated(2))
    found = only(dilated(2, 2, 2), "gridding")
    assert (found.numbers["span"], found.numbers["read"], found.numbers["holes"]) == (9, 5, 4)


def test_a_shortcut_does_not_fill_the_holes_of_dilation():
    words = (
        "input 8x64x64\na: conv 3x3, 8, padding same, dilation 2\nsum: add from a, input\nrelu\n"
        "b: conv 3x3, 8, padding same, dilation 2"
    )
    assert only(words, "gridding").numbers["layers"] == ("a", "b")


def test_how_far_branches_are_apart():
    found = only(PROVOKED["misaligned"], "misaligned")
    assert found.numbers["branches"] == ("a", "b")
    assert found.numbers["apart"] == Fraction(1, 2)
    jumps = "input 4x32x32\na: conv 17x17, 4\nb: maxpool 2 from input\nconcat from a, b"
    assert only(jumps, "misaligned").numbers["jumps"] == ("1", "2")


# --- weights ----------------------------------------------------------------------------------


def test_a_bias_that_others_read_too_is_needed():
    words = "input 3x16x16\nc: conv 3x3, 8\nn: batchnorm\nadd from c, n"
    assert "bias_before_norm" not in kinds(words)
    assert "bias_before_norm" not in kinds("input 3x16x16\nconv 3x3, 8, no bias\nbatchnorm")
    assert "bias_before_norm" not in kinds("input 3x16x16\nconv 3x3, 8\nrelu\nbatchnorm")
    norm = Graph(
        (Input("x", (3, 8, 8)),),
        (
            Node("c", cs.Conv(kernel_size=3, out_channels=4), ("x",)),
            Node("n", Norm("instance"), ("c",)),
        ),
    )
    assert "bias_before_norm" in Network(norm).lint().kinds


@pytest.mark.parametrize(
    "between", ["batchnorm", "avgpool 2", "identity", "dropout 0.5", "batchnorm\navgpool 2"]
)
def test_linear_layers_between_are_seen_through(between):
    words = f"input 3x16x16\nconv 3x3, 8, no bias\n{between}\nconv 3x3, 8"
    assert only(words, "no_activation").numbers["follows"] == "conv1"


@pytest.mark.parametrize(
    "words",
    [
        "conv 3x3, 8\nmaxpool 2\nconv 3x3, 8",  # the largest of several is not linear
        "conv 1x1, 2\nconv 3x3, 8",  # fewer channels in between: a factored layer
        "conv 3x3, 3, groups 3\nconv 1x1, 8",  # depthwise separable
        "conv 7x1, 8\nconv 1x7, 8",  # a column and a row
    ],
)
def test_linear_layers_on_purpose_are_left_alone(words):
    assert "no_activation" not in kinds(f"input 3x16x16\n{words}")


def test_a_shortcut_around_saturation_is_enough():
    layers = "".join(
        f"s{n}: sigmoid\na{n}: add from s{n}, {'input' if not n else f'a{n - 1}'}\n" for n in range(4)
    )
    assert "saturating" not in kinds(f"input 64\n{layers}")
    found = only("input 64\n" + "linear 64\nsigmoid\n" * 4, "saturating")
    assert found.numbers["slope"] == Fraction(1, 256)
    assert "saturating" not in kinds("input 64\n" + "linear 64\ntanh\n" * 4)
    assert "saturating" in kinds("input 64\n" + "linear 64\ntanh\n" * 5)


def test_gates_are_no_deep_chain():
    nodes = []
    at = "x"
    for n in range(6):
        nodes += [Node(f"s{n}", cs.Sigmoid(), (at,)), Node(f"g{n}", Elementwise("multiply"), (at, f"s{n}"))]
        at = f"g{n}"
    assert "saturating" not in Network(Graph((Input("x", (4, 8, 8)),), tuple(nodes))).lint().kinds


def test_where_the_parameters_are():
    found = cs.network("examples/alexnet.txt").lint()[0]
    assert found.layer == "fc6"
    assert found.numbers["layers"] == ("fc6", "fc7", "fc8")
    assert found.numbers["layers_share"] == Fraction(58_631_144, 62_378_344)
    assert found.numbers["params_after_pooling"] == 256 * 4096 + 4096


# --- the report -------------------------------------------------------------------------------


def test_a_report_is_a_sequence_in_the_order_of_the_layers():
    report = cs.network("input 3x16x16\na: conv 4x4, 8, stride 1\nb: conv 1x1, 8, stride 2").lint()
    assert [found.layer for found in report] == ["a", "b", "b"]
    assert len(report) == 3
    assert report[-1] is report[2:][0]
    assert report.kinds == ("even_kernel", "stride_gap", "no_activation")


def test_names_are_literal_in_every_output():
    nodes = (Node("<script>$x_1$|`#`", cs.Conv(kernel_size=4, out_channels=2), ("x",)),)
    report = Network(Graph((Input("x", (1, 9, 9)),), nodes)).lint()
    assert "<script>" not in report.to_html()
    assert "\\(" not in report.to_markdown()
    assert report.to_latex()


def test_many_findings_are_counted_not_listed():
    report = cs.network("input 2x200x200\n" + "conv 2x2, 2\nrelu\n" * 100).lint()
    assert len(report.of("even_kernel")) == 100
    assert len(report.to_text()) < 40_000


def test_a_thousand_layers_take_no_time():
    assert cs.network("input 3x64x64\n" + "conv 3x3, 8, padding 1\nrelu\n" * 500).lint().kinds == (
        "beyond_input",
    )


def test_a_chain_of_thousands_of_sigmoids_is_told_in_a_line():
    report = cs.network("input 8\n" + "sigmoid\n" * 3000).lint()
    assert report[0].layer == "sigmoid3000"
    assert len(report.to_text()) < 2000
