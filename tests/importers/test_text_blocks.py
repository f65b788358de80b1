"""Repeats, blocks with parameters, letters: what they write out, and where mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from convscope.core.network import MAX_NODES
from convscope.errors import InputError
from convscope.importers import network
from convscope.importers.text import parse_layer, read_graph
from convscope.rules.symbolic import SymbolicNetwork

EXAMPLES = Path(__file__).parents[2] / "examples"


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        network(text)
    return str(caught.value)


def reads(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.name, node.inputs) for node in read_graph(text).nodes]


# --- published figures --------------------------------------------------------------------------


def test_resnet_50_is_the_published_one() -> None:
    net = network(EXAMPLES / "resnet50.txt")
    assert isinstance(net, SymbolicNetwork)
    assert net.total_params == 25_557_032
    numbers = net.at(H=224, W=224)
    assert numbers.total_macs == 4_089_184_256
    assert [numbers[f"layer{n}"[:6] + ".rest1.relu1"].output_shape for n in (1, 2, 3, 4)] == [
        (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)
    ]  # fmt: skip
    assert sum(row.op == "convolution" for row in net) == 53


def test_vgg_16_is_the_published_one() -> None:
    net = network(EXAMPLES / "vgg16.txt")
    assert net.total_params == 138_357_544
    assert net.total_macs == 15_470_264_320
    assert net["pool5"].output_shape == (512, 7, 7)


# --- repeats --------------------------------------------------------------------------------------


def test_a_repeated_layer_is_written_as_often() -> None:
    assert reads("input 3\nrelu x3\nrelu") == [
        ("relu1", ("input",)), ("relu2", ("relu1",)), ("relu3", ("relu2",)), ("relu4", ("relu3",))
    ]  # fmt: skip


def test_a_repeated_layer_with_a_name_is_numbered_and_its_name_is_the_last() -> None:
    assert reads("input 3\na: relu x2\nb: add from a, a.1\nc: relu x1 from a") == [
        ("a.1", ("input",)), ("a.2", ("a.1",)), ("b", ("a.2", "a.1")), ("c", ("a.2",))
    ]  # fmt: skip


def test_a_factor_is_no_repeat() -> None:
    net = network("input 3x4x4\nupsample x2\nupsample x2 x2")
    assert [row.output_shape for row in net] == [(3, 8, 8), (3, 16, 16), (3, 32, 32)]


# --- blocks ---------------------------------------------------------------------------------------

BLOCK = "block unit(width, stride=1)\n  conv 3x3, width, stride stride, padding 1\n  relu\nend\n"


def test_a_block_is_written_out_with_its_values() -> None:
    net = network(f"input 3x8x8\n{BLOCK}a: unit 4\nunit 8, 2\nunit stride 2, width 16")
    assert [(row.name, row.output_shape) for row in net] == [
        ("a.conv1", (4, 8, 8)), ("a.relu1", (4, 8, 8)),
        ("unit1.conv1", (8, 4, 4)), ("unit1.relu1", (8, 4, 4)),
        ("unit2.conv1", (16, 2, 2)), ("unit2.relu1", (16, 2, 2)),
    ]  # fmt: skip
    assert net["unit2.conv1"].node.source == "line 3, used in line 8"


def test_a_block_means_what_its_lines_mean() -> None:
    short = network(f"input 3x8x8\n{BLOCK}unit 4 x2")
    long = network("input 3x8x8\n" + "conv 3x3, 4, padding 1\nrelu\n" * 2)
    assert short == long


def test_a_block_reads_what_its_use_reads() -> None:
    text = "block twice\n  a: relu\n  add from a, in\nend\ninput 3\nb: twice x2\nadd from b, b.1"
    assert reads(text) == [
        ("b.1.a", ("input",)), ("b.1.add1", ("b.1.a", "input")),
        ("b.2.a", ("b.1.add1",)), ("b.2.add1", ("b.2.a", "b.1.add1")),
        ("add1", ("b.2.add1", "b.1.add1")),
    ]  # fmt: skip


def test_a_block_with_several_sources_numbers_them() -> None:
    block = "block join\n  relu from in2\n  concat from relu1, in\nend\n"
    text = f"input 3\n{block}a: relu\nb: relu\nc: join from a, b"
    assert reads(text)[2:] == [("c.relu1", ("b",)), ("c.concat1", ("c.relu1", "a"))]


def test_blocks_use_blocks_and_names_inside_stay_inside() -> None:
    text = (
        "block inner(n)\n a: linear n\nend\n"
        "block outer(n, again)\n a: inner n xagain\n b: add from a, a.1\nend\n"
        "input 3\na: outer 3, 2"
    )
    assert [name for name, _inputs in reads(text)] == ["a.a.1.a", "a.a.2.a", "a.b"]
    assert reads(text)[-1] == ("a.b", ("a.a.2.a", "a.a.1.a"))


def test_a_parameter_with_the_name_of_an_option_is_the_value_after_it() -> None:
    text = "block b(channels, kernel)\n conv kernel, channels, padding same\nend\ninput 1x5x5\nb 7, 3"
    assert network(text).rows[0].output_shape == (7, 5, 5)


# --- letters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "names", "told"),
    [
        ("3xHxW", ["H", "W"], "H"),
        ("3xhxh", ["H"], "H"),
        ("3xHx224", ["H"], "H"),
        ("8xL", ["L"], "L"),
        ("1xDxHxW", ["D", "H", "W"], "D"),
        ("Nx3xHxW", ["N", "H", "W"], "H"),
        ("3x[224..512]x[32..64]", ["H", "W"], "H"),
        ("3xW[224..512]xH", ["W", "H"], "W"),
    ],
)
def test_letters_and_ranges_are_read(written: str, names: list[str], told: str) -> None:
    graph = read_graph(f"input {written}\nrelu")
    assert [variable.name for variable in graph.variables] == names
    assert str(graph.inputs[0].shape[1]) == told


def test_a_range_bounds_its_letter() -> None:
    height, width = read_graph("input 3x[224..512]xW[32..64]\nrelu").variables
    assert (height.least, height.most, width.least, width.most) == (224, 512, 32, 64)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("input 3\nrelu x0", "line 2, column 6: 'x0' repeats 0 times; it may be 1 to"),
        ("input 3\nrelu x2 relu", "line 2, column 9: expected 'from' or the end of the line, got 'relu'"),
        ("input 3\nadd x2 from input, input", "line 2, column 1: add cannot be repeated"),
        ("input 3\nmultiply", "line 2, column 1: multiply joins several inputs; write 'from'"),
        ("input 3 x2\nrelu", "line 1, column 1: input cannot be repeated"),
        ("input 3\nunit 4", "line 2, column 1: unknown layer 'unit'; known: input"),
        (
            f"input 3\n{BLOCK}unti 4",
            "line 6, column 1: unknown layer 'unti'; did you mean 'unit'? known: unit,",
        ),
        (f"input 3\n{BLOCK}unit", "line 6, column 1: unit needs width"),
        (
            f"input 3\n{BLOCK}unit 4, 2, 3",
            "line 6, column 12: '3' is a value too many: unit takes width, stride",
        ),
        (f"input 3\n{BLOCK}unit 4, width 3", "line 6, column 9: width is given twice"),
        (f"input 3\n{BLOCK}unit 4 5", "line 6, column 8: expected ',' before '5'"),
        (
            f"input 3\n{BLOCK}unit four",
            "line 3, column 13: 'four' is not an option of conv; known: kernel",
        ),
        (
            "input 3\nblock a\n relu from b\nend\nb: relu\na",
            "line 3, column 12: there is no 'b' to read; known: relu1",
        ),
        (
            "input 3\nblock a\n relu from in2\nend\na",
            "line 3, column 12: there is no 'in2'; the block reads 1 here",
        ),
        ("input 3\nblock a\n in: relu\nend\na", "line 3, column 1: 'in' is what a block reads"),
        ("input 3\nblock a\n input 3\nend\na", "line 3, column 2: a block has no inputs of its own"),
        ("input 3\nblock a\n a\nend\na", "line 3, column 2: unknown layer 'a'"),
        ("input 3\nblock a\nblock b\nend", "line 3, column 1: a block begins inside the block of line 2"),
        ("input 3\nblock a\nrelu", "line 2, column 1: the block has no 'end'"),
        ("input 3\nend", "line 2, column 1: 'end' stands without a block"),
        ("input 3\nblock\nrelu\nend", "line 2, column 1: a block begins with its name and parameters"),
        ("input 3\nblock conv\nrelu\nend", "line 2, column 7: 'conv' is a layer's word already"),
        (f"{BLOCK}{BLOCK}input 3", "line 5, column 7: 'unit' is the name of another block already"),
        ("block a(b, b)\nrelu\nend\ninput 3", "line 1, column 12: the parameter b is there twice"),
        ("block a(3)\nrelu\nend\ninput 3", "line 1, column 9: '3' is not a parameter"),
        ("block a(b=)\nrelu\nend\ninput 3", "line 1, column 9: '' is not a value that b may have"),
        ("block a\n# nothing\nend\ninput 3", "line 1, column 7: the block 'a' has no lines"),
        ("input HxW\nrelu", "line 1, column 7: shape of input is 'HxW'; it may be lengths such as"),
        ("input 3xNxW\nrelu", "line 1, column 7: shape of input is '3xNxW'"),
        ("input 3xQxW\nrelu", "line 1, column 7: shape of input is '3xQxW'"),
        ("input 3x[512..224]xW\nrelu", "line 1, column 7: shape of input is '3x[512..224]xW'"),
        ("input 3x[0..224]xW\nrelu", "line 1, column 7: shape of input is '3x[0..224]xW'"),
        ("input 3xxW\nrelu", "line 1, column 7: shape of input is '3xxW'"),
    ],
)
def test_mistakes_are_told_with_line_and_column(text: str, told: str) -> None:
    assert refusal(text).startswith(told)


def test_a_repeat_is_no_layer_on_its_own() -> None:
    with pytest.raises(InputError, match=r"is not a layer on its own"):
        parse_layer("relu x2")


# --- bounds ---------------------------------------------------------------------------------------


def nested(depth: int, times: int) -> str:
    blocks = ["block b0\nrelu\nend"]
    blocks += [f"block b{n}\nb{n - 1} x{times}\nend" for n in range(1, depth)]
    return "\n".join(blocks) + f"\ninput 3\nb{depth - 1}"


def test_what_is_written_out_is_counted_before() -> None:
    assert f"at most {MAX_NODES} are read" in refusal(nested(30, 100))
    assert "repeats 200001 times; it may be 1 to 200000" in refusal("input 3\nrelu x200001")
    assert f"more than {MAX_NODES} layers" in refusal("input 3\n" + "relu x200000\n" * 50)
    many = "".join(f"block b{n}\nrelu x200000\nend\n" for n in range(50))
    assert f"more than {MAX_NODES} layers" in refusal(
        many + "input 3\n" + "".join(f"b{n}\n" for n in range(50))
    )


def test_nesting_is_bounded() -> None:
    assert len(network(nested(32, 1))) == 1
    assert refusal(nested(34, 1)).startswith(
        "line 8, column 1: blocks are used inside blocks more than 32 deep"
    )


@pytest.mark.no_cover
def test_the_most_layers_are_written_out() -> None:
    assert len(read_graph(f"input 3\nrelu x{MAX_NODES}").nodes) == MAX_NODES
