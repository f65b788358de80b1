"""YAML as a tree of text: lines, bounds, and what is refused."""

from __future__ import annotations

import pytest

from convscope.errors import InputError
from convscope.problems import tree
from convscope.problems.tree import Entries, Items, Scalar, parse_tree


def test_scalars_stay_the_text_that_was_written():
    root = parse_tree("a: 0.1\nb: 1.10\nc: 0x10\nd: yes\ne: 1e3\nf: 2020-01-01\n")
    assert isinstance(root, Entries)
    assert [value.text for _, value in root.pairs] == ["0.1", "1.10", "0x10", "yes", "1e3", "2020-01-01"]


def test_every_node_knows_its_line():
    root = parse_tree("a: 1\nb:\n  - x\n  - {c: y}\n")
    (_, first), (_, second) = root.pairs
    assert (first.line, second.line, second.nodes[0].line, second.nodes[1].line) == (1, 3, 3, 4)


@pytest.mark.parametrize(
    ("written", "is_folded"),
    [
        ("a: 1 2\n   3 4\n", True),
        ("a: >\n  1 2\n  3 4\n", True),
        ('a: "1 2\n  3 4"\n', True),
        ("a: |\n  1 2\n  3 4\n", False),
        ("a: 1 2; 3 4\n", False),
    ],
)
def test_lines_that_yaml_joins_are_known(written, is_folded):
    ((_, value),) = parse_tree(written).pairs
    assert value.is_folded is is_folded


@pytest.mark.parametrize(
    ("written", "is_null"), [("a:", True), ("a: ~", True), ("a: null", True), ("a: ''", False)]
)
def test_an_empty_value_is_null_unless_quoted(written, is_null):
    ((_, value),) = parse_tree(written).pairs
    assert value.is_null is is_null


def test_aliases_share_what_they_stand_for():
    root = parse_tree("a: &k [1, 2]\nb: *k\n")
    (_, first), (_, second) = root.pairs
    assert first is second
    assert isinstance(first, Items)


def test_a_key_written_twice_is_kept_apart():
    root = parse_tree("a: 1\nb: 2\na: 3\n")
    assert [key.text for key, _ in root.pairs] == ["a", "b"]
    assert root.repeated == (Scalar("a", 3),)


def laughs(levels: int, width: int = 10) -> str:
    """Nested anchors that would be width**levels entries with every alias written out."""
    lines = ["a0: &a0 [" + ", ".join(["ha"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_aliases_that_explode_are_refused_at_once():
    with pytest.raises(
        InputError, match=r"^line 7: aliases written out come to more than 20000000 characters"
    ):
        parse_tree(laughs(20))


def test_aliases_that_stay_small_are_read():
    assert isinstance(parse_tree(laughs(5)), Entries)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a: [1, 2", "line 2: not YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: b: c\n", "line 1: not YAML: mapping values are not allowed in this context"),
        ("\ta: 1\n", "line 1: not YAML"),
        (
            "a: !!python/object:os.system x\n",
            "line 1: the tag 'tag:yaml.org,2002:python/object:os.system' is not",
        ),
        ("a: !mine {b: 1}\n", "line 1: the tag '!mine' is not read"),
        ("a: !!str 1\n", "line 1: the tag 'tag:yaml.org,2002:str' is not read"),
        ("a: &x [*x]\n", r"line 1: the alias '*x' lies inside what it stands for"),
        ("a: *x\n", "line 1: the alias '*x' has no anchor before it"),
        ("? [a]\n: 1\n", "line 1: a key is a list or a mapping; keys are words"),
        ("<<: {a: 1}\n", "line 1: merge keys ('<<') are not read"),
        ("a: 1\n---\nb: 2\n", "line 2: a second YAML document begins here"),
        ("", "line 1: the file is empty"),
        ("# nothing\n", "line 1: the file is empty"),
        ("a: \x00\n", "not YAML"),
        ("[" * 30, "line 1: nested deeper than 24"),
        ("{a: " * 100_000, "line 1: nested deeper than 24"),
    ],
)
def test_what_is_refused_names_its_line(written, message):
    with pytest.raises(InputError) as refused:
        parse_tree(written)
    assert str(refused.value).startswith(message)


def test_aliases_count_towards_the_depth():
    nested = "a: &a [[[[[[[[[[[[1]]]]]]]]]]]]\nb: [[[[[[[[[[[[*a]]]]]]]]]]]]\n"
    with pytest.raises(InputError, match=r"^line 2: nested deeper than 24"):
        parse_tree(nested)


def test_a_text_too_long_is_refused_before_it_is_parsed():
    with pytest.raises(InputError, match=r"^5000001 characters are too many; up to 5000000 are read"):
        parse_tree(" " * 5_000_001)


@pytest.mark.parametrize(
    "written", ["a: b: c\n", "a: &x [*x]\n", laughs(12), "a: {b: [1, {c: |\n   x\n   y\n }]}\n"]
)
def test_the_python_parser_gives_the_same_as_the_c_parser(monkeypatch, written):
    def outcome():
        try:
            return parse_tree(written)
        except InputError as error:
            return str(error).partition("not YAML")[0]

    fast = outcome()
    monkeypatch.setattr(tree, "_LOADER", tree.yaml.SafeLoader)
    assert outcome() == fast
