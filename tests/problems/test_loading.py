"""Reading problem sets: what is read, and that every mistake is told with its line and key."""

from __future__ import annotations

from fractions import Fraction

import pytest

import convscope as cs
from convscope.errors import FileMistakesError, InputError
from convscope.problems import loading

GOOD = """\
title: A set
intro: Words.
problems:
  - id: "7.10"
    title: Mean
    text: What is the mean?
    solution: Add, divide.
    points: 1/2
    kind: feature_map
    input: 1 2; 3 4
    layers: [avgpool 2]
    answer: 2.5
  - id: "8"
    title: Two parts
    parts:
      - kind: apply
        input: 1 2; 3 4
        kernel: [[1]]
        answer: unchanged
      - id: 8b
        kind: sizes
        network: |
          input 1x4x4
          maxpool 2
        answer: [1x2x2]
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(FileMistakesError) as refused:
        cs.load_problems(text)
    return [mistake.removeprefix("<text>:") for mistake in refused.value.mistakes]


def test_a_set_is_read_whole():
    found = cs.load_problems(GOOD)
    assert (found.title, found.introduction) == ("A set", "Words.")
    assert [problem.id for problem in found] == ["7.10", "8a", "8b"]
    first = found["7.10"]
    assert (first.title, first.text, first.explanation) == ("Mean", "What is the mean?", "Add, divide.")
    assert (first.points, first.kind, first.group) == (Fraction(1, 2), "feature_map", None)
    part = found["8b"]
    assert part.group is not None
    assert (part.group.id, part.group.title, part.label) == ("8", "Two parts", "b")


def test_a_file_is_read_and_called_by_its_name(tmp_path):
    path = tmp_path / "week one.yaml"
    path.write_text("problems:\n  - {kind: feature_map, input: 1 2, layers: [relu]}\n")
    found = cs.load_problems(path)
    assert found.title == "week one"
    assert found.problems[0].id == "1"


def test_front_matter_of_a_markdown_file_is_read_and_its_body_introduces(tmp_path):
    path = tmp_path / "set.md"
    path.write_text(
        "---\ntitle: T\nproblems:\n  - {kind: apply, input: 1 2, kernel: 1}\n---\n\n# One\n\nTwo\n"
    )
    found = cs.load_problems(path)
    assert found.title == "T"
    assert found.introduction.strip() == "# One\n\nTwo"


def test_lines_of_front_matter_are_lines_of_the_file(tmp_path):
    path = tmp_path / "set.md"
    path.write_text("---\ntitle: T\nproblms: []\n---\nbody\n")
    with pytest.raises(FileMistakesError) as refused:
        cs.load_problems(path)
    assert f"{path}:3: unknown key 'problms'; did you mean 'problems'?" in str(refused.value)


def test_a_markdown_file_without_front_matter_is_refused(tmp_path):
    path = tmp_path / "set.md"
    path.write_text("# Only words\n")
    with pytest.raises(InputError, match=r"set.md:1: a Markdown problem file begins with front matter"):
        cs.load_problems(path)


def test_numbers_are_read_exactly():
    found = cs.load_problems("problems:\n  - {kind: feature_map, input: [[0.1, 1e-3]], layers: [relu]}\n")
    assert list(found.problems[0].task.input.cells()) == [Fraction(1, 10), Fraction(1, 1000)]


def test_every_mistake_of_a_file_is_told_in_one_error_with_line_and_key():
    told = mistakes_of(
        "titel: x\n"
        "problems:\n"
        "  - id: a\n"
        "    kind: feature_mp\n"
        "  - id: b\n"
        "    kind: feature_map\n"
        "    input: 1 2; 3\n"
        "    layers:\n"
        "      - conv: {kernel: 1, strid: 2}\n"
        "      - conv: {kernel: 1, stride: 0}\n"
        "      - maxpol 2\n"
        "  - id: a\n"
        "    kind: sizes\n"
        "    network: |\n"
        "      input 3x5x5\n"
        "      conv 9x9, 4\n"
        "    points: -1\n"
        "  - just words\n"
    )
    starts = [
        "1: unknown key 'titel'; did you mean 'title'? known: title, intro, problems",
        "4: problem a: kind: unknown kind 'feature_mp'; did you mean 'feature_map'?",
        "7: problem b: input: ragged rows: row 2 has 1 entry, row 1 has 2",
        "9: problem b: layers[1].conv: unknown key 'strid'; did you mean 'stride'?",
        "10: problem b: layers[2]: Conv: stride=0 is not allowed; stride may be 1 or more",
        "11: problem b: layers[3]: ",
        "12: problems[3].id: 'a' is taken by the problem on line 3",
        "14: problem a: network: ",
        "17: problem a: points: points=-1 is negative",
        "18: problems[4]: 'just words' is not a mapping of keys to values",
    ]
    assert len(told) == len(starts)
    for mistake, start in zip(told, starts, strict=True):
        assert mistake.startswith(start)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("- a\n- b\n", "1: a list is not a problem set; begin with 'title:' and 'problems:'"),
        ("title: x\nintro: y\n", "1: the key 'problems' is missing"),
        ("problems: []\nx: 1\n", "1: problems: the list is empty"),
        ("problems: 3\nx: 1\n", "1: problems: '3' is not a list; begin each entry with '- '"),
        ("problems:\n  - {id: 1}\n", "2: problem 1: the key 'kind' is missing"),
        ("problems:\n  - {knd: apply}\n", "2: problem 1: the key 'kind' is missing; is 'knd' meant for it?"),
        ("problems:\n  - {id: [1], kind: apply}\n", "2: problems[1].id: a list is not a single value"),
        ('problems:\n  - {id: "a\\nb", kind: apply}\n', "2: problems[1].id: 'a b' is not an id"),
        ("problems:\n  - {kind: apply, kind: apply}\n", "2: problem 1: the key 'kind' is written twice"),
        ("problems:\n  - {parts: [words], text: x}\n", "2: problem 1: parts[1]: 'words' is not a mapping"),
        ("problems:\n  - {parts: [], text: x}\n", "2: problem 1: parts: the list is empty"),
        ("problems:\n  - {parts: [{kind: nix}], text: x}\n", "2: problem 1a: kind: unknown kind 'nix'"),
        ("problems:\n  - {parts: [{kind: apply}], points: 2}\n", "2: problem 1a: give a 'picture' (a file)"),
        ("problems:\n  - {points: many}\n", "2: problem 1: points: 'many' is not a number"),
    ],
)
def test_structure_mistakes(text, start):
    assert any(mistake.startswith(start) for mistake in mistakes_of(text))


def test_a_known_key_is_known_even_after_a_mistake_elsewhere():
    told = mistakes_of(
        "problems:\n  - {kind: feature_map, input: x y z 1.2.3, layers: [relu], answer: '1'}\n"
    )
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: a\nproblems: [\n", "<text>:3: not YAML: while parsing"),
        ("title: a\nproblems: !x []\n", "<text>:2: the tag '!x' is not read; write the value without a tag"),
        ("title: \x00\n", "<text>: not YAML: "),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text, message):
    with pytest.raises(InputError) as refused:
        cs.load_problems(text)
    assert str(refused.value).startswith(message)


def test_mistakes_past_a_hundred_are_counted():
    told = mistakes_of("problems:\n" + "  - words\n" * 130)
    assert len(told) == 101
    assert told[-1].endswith("30 further mistakes are not listed")


def test_too_many_problems_are_refused(monkeypatch):
    monkeypatch.setattr(loading, "MAX_PROBLEMS", 2)
    told = mistakes_of("problems:\n" + "  - {kind: apply, input: 1 2, kernel: '1'}\n" * 3)
    assert told == ["2: problems: 3 problems are too many; up to 2 are read"]


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(InputError, match=rf"^{path}: 50000000 bytes are too many; up to 5000000 are read"):
        cs.load_problems(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"title: a\nb: \xff\n"), ":2: not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path, make, message):
    path = tmp_path / "set.yaml"
    make(path)
    with pytest.raises(InputError) as refused:
        cs.load_problems(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_an_endless_file_is_not_read_to_its_end():
    with pytest.raises(InputError, match=r"^/dev/zero: more than 5000000 bytes"):
        cs.load_problems("/dev/zero")


def test_a_nul_in_the_path_is_one_clear_line():
    with pytest.raises(InputError, match=r"cannot be opened"):
        cs.load_problems("a\0b.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert len(cs.load_problems(path)) == 3


def test_hostile_words_are_kept_as_they_are():
    words = "<script>alert(1)</script> $x$ \\\\input{a} # not a comment"
    text = f'title: "{words}"\nproblems:\n  - {{kind: apply, input: 1 2, kernel: "1"}}\n'
    assert cs.load_problems(text).title == words.replace("\\\\", "\\")
