from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convscope.core.network import MAX_NODES
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.importers import network
from convscope.importers.text import MAX_BYTES, MAX_LINES, read_graph, read_network
from convscope.importers.text_words import WORDS

from .manual import option_table, word_table

MANUAL = Path(__file__).parents[2] / "docs" / "network_text.md"


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_network(text)
    return str(caught.value)


# --- a network --------------------------------------------------------------------------------

EXAMPLE = """
input 3x227x227
conv1: conv 11x11, 96, stride 4
relu
pool1: maxpool 3x3, stride 2
conv2: conv 5x5, 256, padding 2, groups 2
flatten
fc1: linear 4096
"""


def test_the_example_of_the_manual() -> None:
    net = network(EXAMPLE)
    assert [(row.name, row.output_shape) for row in net] == [
        ("conv1", (96, 55, 55)),
        ("relu1", (96, 55, 55)),
        ("pool1", (96, 27, 27)),
        ("conv2", (256, 27, 27)),
        ("flatten1", (186624,)),
        ("fc1", (4096,)),
    ]
    assert net.graph.is_chain


def test_automatic_names_never_meet_given_ones() -> None:
    graph = read_graph("input 4\nrelu\nrelu1: relu\nrelu6\nrelu3: linear 4\nfc 4\nrelu")
    assert [node.name for node in graph.nodes] == ["relu2", "relu1", "relu4", "relu3", "linear1", "relu5"]


def test_inputs_may_be_named_and_several() -> None:
    graph = read_graph(
        "input 3x8x8\nleft: relu\nmask: input 1x8x8\nrelu\ninput 2x8x8\nconcat from left, relu1, input2"
    )
    assert [(entry.name, entry.shape) for entry in graph.inputs] == [
        ("input", (3, 8, 8)),
        ("mask", (1, 8, 8)),
        ("input2", (2, 8, 8)),
    ]
    assert [node.inputs for node in graph.nodes] == [("input",), ("mask",), ("left", "relu1", "input2")]


def test_branches_and_names_of_later_lines() -> None:
    net = network(
        """input 3x8x8
        sum: add from b, a      # both stand below
        a: conv 3x3, 4, padding 1 from input
        b: conv 1x1, 4, from input
        relu from sum"""
    )
    assert [row.name for row in net] == ["b", "a", "sum", "relu1"]
    assert net["sum"].inputs == ("b", "a")
    assert net["relu1"].output_shape == (4, 8, 8)


def test_line_ends_blanks_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    plain = read_graph("input 3x8x8\nrelu\nmaxpool 2\n")
    assert read_graph("\r\n input  3x8x8\r\n\r\n\trelu # x\r\nmaxpool\u00a02") == plain
    path = tmp_path / "net.txt"
    path.write_bytes(b"\xef\xbb\xbfinput 3x8x8\nrelu\nmaxpool 2")
    assert network(path).graph == plain


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "relu",
            "line 1, column 1: there is nothing to read yet; begin with a line such as 'input 3x227x227'",
        ),
        ("\n# net\n  conv 3, 8", "line 3, column 3: there is nothing to read yet"),
        ("input 3x8x8\nrelu\nconv 3, 4, strid 2", "line 3, column 12: 'strid' is not an option of conv"),
        ("input 3x8x8\nname: conv 3, 4, strid 2", "line 2, column 18: 'strid' is not an option of conv"),
        (
            "input 3x8x8\nconv1: relu\nadd from conv1, conv2",
            "line 3, column 17: there is no 'conv2' to read; did you",
        ),
        (
            "input 3x8x8\nfirst: add from conv1",
            "line 2, column 17: there is no 'conv1' to read; known: input, first",
        ),
        (
            "input 3x8x8\nrelu from",
            "line 2, column 10: the name of a layer is missing at the end of the line",
        ),
        ("input 3x8x8\nrelu from a b", "line 2, column 13: expected ',' or the end of the line, got 'b'"),
        ("input 3x8x8\na: relu\n  a: relu", "line 3, column 1: the name 'a' is taken by line 2"),
        ("input 3x8x8\na:\nrelu", "line 2, column 3: a layer is missing after the name"),
        ("input 3x8x8\na: b: relu", "line 2, column 4: unknown layer 'b'"),
        (
            "input 3x8x8\n\u200bx: relu",
            r"line 2, column 1: the name '\u200bx' of a layer holds characters that",
        ),
        (
            f"input 3\n{'x' * 201}: relu",
            "line 2, column 1: the name of a layer has 201 characters; it may have 1 to 200",
        ),
        (
            "input 3x0x8\nrelu",
            "line 1, column 1: input 'input' has axes of 3×0×8 cells; a length may be 1 to",
        ),
        (
            "input 1x10000000000000\nrelu",
            "line 1, column 1: input 'input' has axes of 1×10000000000000 cells",
        ),
        (
            "input 3x3x\nrelu",
            "line 1, column 7: shape of input is '3x3x'; it may be lengths such as '3x227x227'",
        ),
        ("input 3 x 8\nrelu", "line 1, column 9: expected ',' before 'x'"),
        ("input\nrelu", "line 1, column 1: input needs shape: lengths such as '3x227x227'"),
        ("input 3\nx: input 3 from input\nrelu", "line 2, column 17: an input reads nothing"),
        ("input 3x8x8", "a network needs at least one layer"),
        ("", "a network needs at least one input"),
        ("input 3\na: relu from b\nb: relu from a", "layer 'a' (line 2): it reads itself: a ← b ← a"),
        ("input 3x8x8\nadd", "layer 'add1' (line 2): Add: it joins several inputs, got 1"),
        (
            "input 3x8x8\nbig: conv 9, 4",
            "layer 'big' (line 2): Conv: the kernel spans 9 cells but the input has only 8",
        ),
    ],
)
def test_a_mistake_is_told_with_line_and_column(text: str, told: str) -> None:
    assert refusal(text).startswith(told)


def test_a_mistake_in_a_repeated_line_is_told_where_it_stands_first() -> None:
    assert refusal("input 3\nrelu\nrelu 3\nrelu 3").startswith("line 3, column 6: ")


def test_sizes_that_do_not_fit_are_a_shape_error() -> None:
    with pytest.raises(ShapeError):
        network("input 3x8x8\nconv 9, 4")


@given(st.text(max_size=60))
@example("input 3\nrelu from relu1")
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    told = ""
    try:
        read_network(text)
    except ConvscopeError as error:
        told = str(error)
    assert all(sign.isprintable() for sign in told)


WORD = st.sampled_from(
    [
        *WORDS,
        "3",
        "3x3",
        "(1,2)",
        "x2",
        "same",
        "no",
        "bias",
        "stride",
        "padding",
        ",",
        ":",
        "from",
        "#",
        "-1",
        "(",
        "1/0",
    ]
)


@given(st.lists(st.lists(WORD, max_size=7), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_words_of_the_grammar_are_read_or_refused(lines: list[list[str]]) -> None:
    text = "input 3x8x8\n" + "\n".join(" ".join(line) for line in lines)
    told = "line 1, column 1: "
    try:
        read_network(text)
    except ConvscopeError as error:
        told = str(error)
    assert re.match(r"line \d+, column \d+: |layer '|a network needs", told)


# --- hostile and large ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["<script>alert</script>", r"\input{x}", "$x$", "a|b", "`c`", "%", "_"])
def test_markup_is_a_name_like_any_other(name: str) -> None:
    net = network(f"input 3x8x8\n{name}: relu")
    assert name in net
    assert "<script>alert" not in net.to_html()
    assert name in net.to_text()


def test_a_wide_input_needs_no_memory() -> None:
    assert network("input 1x1000000000\nmaxpool 2")["pool1"].output_shape == (1, 500_000_000)


@pytest.mark.no_cover
def test_too_much_text_is_refused() -> None:
    assert refusal("input 3\n" + "relu\n\n" * 1_000_000) == (
        f"the text has 1000001 lines that are not empty; at most {MAX_LINES} are read"
    )
    assert refusal("input 3\n" + "relu\n" * (MAX_NODES + 1)).startswith(
        f"the network has {MAX_NODES + 1} layers"
    )
    assert refusal("#" * (MAX_BYTES + 1)).startswith(f"the text has {MAX_BYTES + 1} characters")


def test_automatic_names_go_on_after_many_given_ones() -> None:
    given_names = "\n".join(f"relu{n}: linear 3" for n in range(1, 3001))
    graph = read_graph(f"input 3\n{given_names}\n" + "relu\n" * 3000)
    assert graph.nodes[-1].name == "relu6000"


@pytest.mark.parametrize("named", [True, False])
def test_ten_thousand_layers_are_read(named: bool) -> None:
    lines = ["conv 3x3, 64, padding 1", "relu"] * 5000
    text = "\n".join(f"layer{n}: {line}" if named else line for n, line in enumerate(lines))
    net = read_network(f"input 3x64x64\n{text}")
    assert len(net) == 10_000
    # The aim is 0.5 s with every row; a slow machine may take a few times as long.


# --- files ------------------------------------------------------------------------------------


def test_a_file_names_its_network(tmp_path: Path) -> None:
    path = tmp_path / "tiny.net"
    path.write_text("input 3x8x8\nrelu", encoding="utf-8")
    assert network(path).graph.name == "tiny"
    assert network(str(path)) == network(path)


def test_a_mistake_in_a_file_is_led_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "net.txt"
    path.write_text("input 3x8x8\nrellu", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        network(path)
    assert str(caught.value).startswith(f"{path}: line 2, column 1: unknown layer 'rellu'")
    path.write_text("input 3x8x8\nconv 9, 3", encoding="utf-8")
    with pytest.raises(ShapeError) as misfit:
        network(path)
    assert str(misfit.value).startswith(f"{path}: layer 'conv1' (line 2): Conv: the kernel spans 9 cells")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt: No such file or directory$"):
        network(tmp_path / "missing.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match=r"folder\.txt: Is a directory$"):
        network(tmp_path / "folder.txt")
    (tmp_path / "binary.txt").write_bytes(b"input 3\n\xff\xfe")
    with pytest.raises(InputError, match=r"binary\.txt: byte 9 is not UTF-8 text$"):
        network(tmp_path / "binary.txt")
    with pytest.raises(InputError, match=r": it cannot be read$"):
        network("a\0b.txt")


def test_a_file_is_not_read_beyond_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES * 1000)  # sparse: takes no room on the disk
    with pytest.raises(InputError, match=rf"large\.txt: the file is larger than {MAX_BYTES} bytes"):
        network(path)


@pytest.mark.parametrize("source", ["model.xyz", "alexnet", "", "inputs", 3, None, b"input 3", ["relu"]])
def test_a_source_that_is_not_known_is_refused_with_those_that_are(source: object) -> None:
    with pytest.raises(
        UnsupportedError, match=r"^no network can be read from .*; known: files ending in \.txt, \.net"
    ):
        network(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["input 3\nrelu", "# net\ninput 3\nrelu", "INPUT 3\nrelu", "x: input 3\nrelu"]
)
def test_text_is_told_from_a_path(text: str) -> None:
    assert len(network(text)) == 1


def test_a_single_line_that_begins_with_input_is_text() -> None:
    with pytest.raises(InputError, match=r"^a network needs at least one layer"):
        network("input 3x8x8")


# --- the manual -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [word_table(), option_table()], ids=["words", "options"])
def test_the_tables_of_the_manual_are_those_of_the_code(table: list[str]) -> None:
    lines = MANUAL.read_text(encoding="utf-8").split("\n")
    start = lines.index(table[0])
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith("|"))
    assert lines[start:end] == table


def test_the_examples_of_the_manual_can_be_read() -> None:
    blocks = re.findall(r"```text\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    networks = [block for block in blocks if "\ninput " in f"\n{block}"]
    assert len(networks) == 5
    assert [len(network(block)) for block in networks] == [6, 8, 6, 55, 2]


def test_the_mistakes_of_the_manual_are_told_as_it_says() -> None:
    manual = " ".join(MANUAL.read_text(encoding="utf-8").split())
    column = "'strid' is not an option of conv; did you mean 'stride'? known: kernel, channels, stride,"
    assert f"line 3, column 20: {column}" in manual
    assert refusal("input 3x9x9\nrelu\nconv3: conv 3, 64, strid 2").startswith(f"line 3, column 20: {column}")
    pool = "MaxPool: the kernel spans 3 cells but the input has only 2 along its height;"
    assert f"layer 'pool3' (line 9): {pool}" in manual
    assert refusal("input 3x2x9" + "\n" * 8 + "pool3: maxpool 3").startswith(
        f"layer 'pool3' (line 9): {pool}"
    )
