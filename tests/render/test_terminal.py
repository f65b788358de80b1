from __future__ import annotations

import io
from fractions import Fraction

import pytest
from rich.cells import cell_len
from rich.console import Console
from sample import DIGITS, HOSTILE, INPUT, KERNEL, PADDING_MARKS, matrix, sample

from convscope.core.document import (
    Block,
    CodeBlock,
    Document,
    Figure,
    Finding,
    FindingKind,
    Formula,
    Hidden,
    Listing,
    Mark,
    MatrixRow,
    MatrixView,
    Paragraph,
    Section,
    Table,
    text,
)
from convscope.core.expression import Number, Product, Sum, Symbol, equation
from convscope.errors import UnsupportedError
from convscope.render.terminal import TERMINAL, print_document, to_text

ESCAPE = "\x1b"


def shown(*blocks: Block, width: int = 80) -> str:
    """What stands under the title."""
    return to_text(Document(text("t"), blocks), digits=DIGITS, width=width).split("\n", 2)[2].strip("\n")


def printed(document: Document, **options: object) -> str:
    target = io.StringIO()
    console = Console(file=target, width=80, force_terminal=True, color_system="truecolor", **options)
    print_document(document, digits=DIGITS, console=console)
    return target.getvalue()


def squeezed(written: str) -> str:
    return "".join(written.split())


def test_the_window_and_the_padding_show_without_colour() -> None:
    view = MatrixView(INPUT, text("padded"), (*PADDING_MARKS, Mark("window", 1, 1, 4, 4)))
    assert shown(view) == (
        "Marks in the matrices: ┏━┓ window, ╭┄╮ padding outside\n\n"
        "  padded\n"
        "  ┌ 0     0     0     0     0     0   ┐\n"
        "  │     ┏━━━━━━━━━━━━━━━━━┓┄┄┄┄┄╮     │\n"
        "  │ 0   ┃ 0     0     0   ┃ 0   ┊ 0   │\n"
        "  │ 0   ┃ 0     1     0   ┃ 1   ┊ 0   │\n"
        "  │ 0   ┃ 1     0.5   1   ┃ 0.5 ┊ 0   │\n"
        "  │     ┗━━━━━━━━━━━━━━━━━┛     ┊     │\n"
        "  │ 0   ┊ 0     1     0     1   ┊ 0   │\n"
        "  │     ╰┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╯     │\n"
        "  └ 0     0     0     0     0     0   ┘"
    )


def test_neighbouring_windows_are_told_apart_and_winners_starred() -> None:
    windows = tuple(Mark("window", 0, left, 2, left + 2) for left in (0, 2))
    winners = (Mark("winner", 1, 0, 2, 1), Mark("winner", 0, 3, 1, 4))
    assert shown(MatrixView(matrix("1 2 3 9; 7 4 5 6"), (), windows + winners)) == (
        "Marks in the matrices: ┏━┓ window, * winner\n\n  ┏ 1    2  ┃ 3    9* ┓\n  ┗ 7*   4  ┃ 5    6  ┛"
    )


def test_differences_and_hidden_cells_are_marked() -> None:
    view = MatrixView(matrix("1 2; 3 4"), (), (Mark("difference", 1, 0, 2, 1),), (0, 98), (0, 1))
    assert shown(view) == (
        "Marks in the matrices: ≠ difference\n\n"
        "  98 rows and 1 column not shown\n"
        "  ┌ 1   ⋯   2  ┐\n"
        "  │ ⋮   ⋱   ⋮  │\n"
        "  └ 3≠  ⋯   4  ┘"
    )


def test_matrices_stand_side_by_side_where_there_is_room() -> None:
    row = MatrixRow((MatrixView(KERNEL, text("kernel")), MatrixView(matrix("1/3 -1"))), ("=",))
    assert shown(row) == "  kernel\n  ┌ 0  2  0 ┐\n  │ 1  1  2 │  =  [ 1/3  −1 ]\n  └ 0  2  0 ┘"
    assert shown(row, width=22).splitlines() == [
        "  kernel",
        "  ┌ 0  2  0 ┐",
        "  │ 1  1  2 │",
        "  └ 0  2  0 ┘",
        "=",
        "  [ 1/3  −1 ]",
    ]


def test_a_rounded_matrix_is_not_called_equal() -> None:
    views = MatrixView(matrix("1")), MatrixView(((Fraction(1, 4096),),))
    assert "[ 1 ]  ≈  [ 0.0002 ]" in shown(MatrixRow(views, ("=",)))


def test_a_wide_matrix_is_cut_between_columns() -> None:
    view = MatrixView((tuple(Fraction(1000 + i) for i in range(12)),), column_gap=(5, 100))
    lines = shown(view, width=40).splitlines()
    assert lines[1:3] == ["  columns 0 to 5", "  [ 1000  1001  1002  1003  1004  1005 ]"]
    assert lines[3:] == [
        "  columns 6 to 110",
        "  [ ⋯  1006  1007  1008  1009  1010 ]",
        "  column 111",
        "  [ 1011 ]",
    ]


def test_a_long_formula_is_broken_at_its_signs() -> None:
    terms = Sum(tuple(Product((Number(Fraction(i)), Symbol("weight"))) for i in range(9)))
    assert shown(Formula(equation(Symbol("z"), terms, Fraction(1, 4096))), width=44) == (
        "  z = 0·weight + 1·weight + 2·weight +\n"
        "      3·weight + 4·weight + 5·weight +\n"
        "      6·weight + 7·weight + 8·weight\n"
        "    ≈ 0.0002"
    )


@pytest.mark.parametrize("width", [24, 40, 100])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    written = to_text(sample(), digits=DIGITS, width=width)
    unbreakable = {line for line in written.splitlines() if "a + 2·b≠" in line}
    lines = [line for line in written.splitlines() if line not in unbreakable]
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("string", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(string: str) -> None:
    document = Document(
        text(string), (Paragraph(text(string)), CodeBlock(string), Table((text(string),), ()))
    )
    written = to_text(document, digits=DIGITS, width=400)
    spelt = squeezed(
        string.replace("\x1b", "\\x1b")
        .replace("\x07", "\\x07")
        .replace("\x00", "\\x00")
        .replace("\x7f", "\\x7f")
    )
    for character in "\u202e\u202c\u200b\ud800\ufffe":
        spelt = spelt.replace(character, f"\\u{ord(character):04x}")
    assert squeezed(written.replace("│", "")).count(spelt) == 4
    assert written.isprintable() or {c for c in written if not c.isprintable()} == {"\n"}


def test_plain_text_has_no_escape_sequences_whatever_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "10")
    assert ESCAPE not in to_text(sample(), digits=DIGITS, width=80)


def test_the_console_decides_on_colour() -> None:
    view = MatrixView(matrix("1 2"), (), (Mark("window", 0, 0, 1, 1),))
    document = Document(text("t"), (view, Finding("right", text("yes"))))
    coloured = printed(document, _environ={})
    assert f"{ESCAPE}[30;48;5;153m" in coloured
    assert "38;5" not in printed(document, _environ={"NO_COLOR": "1"})
    assert ESCAPE not in to_text(document, digits=DIGITS, width=80)


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    target = io.TextIOWrapper(raw, encoding="ascii")
    print_document(sample(), digits=DIGITS, console=Console(file=target, width=80, _environ={}))
    target.flush()
    written = raw.getvalue().decode("ascii")
    assert "out = floor((n + 2*padding - k)/s) + 1" in written
    assert "\\u6570" in written


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("right", "✓ right"),
        ("wrong", "✗ wrong"),
        ("warning", "! warning"),
        ("note", "› note"),
        ("result", "» result"),
    ],
)
def test_a_finding_says_its_kind_in_a_word(kind: FindingKind, label: str) -> None:
    assert shown(Finding(kind, text("so"))) == f"{label.ljust(9)} so"


def test_the_other_blocks() -> None:
    assert shown(Hidden(14, "output cells", text("ask"))) == "⋮ 14 output cells not shown: ask"
    assert shown(Listing((text("a"), text("b")), ordered=True)) == "  1. a\n  2. b"
    assert shown(Listing((text("a"),))) == "  • a"
    assert shown(Section(text("S"), (Section(text("T"), (Paragraph(text("p")),)),))) == "S\n─\n▪ T\np"
    assert shown(Table((text("a"), text("b")), ((text(1), text("x")),), "rl")).splitlines()[2] == "  1   x"


def test_an_empty_matrix_is_a_pair_of_brackets() -> None:
    assert shown(MatrixView(())) == "  [ ]"


def test_a_picture_is_named_as_its_file_is() -> None:
    figure = next(block for block in sample().walk() if isinstance(block, Figure))
    lines = shown(figure).splitlines()
    assert lines[0].startswith("  [before-after-1-1.png] a slope of grey <b>")
    assert lines[1] == "  [before-after-1-2.png] the same in colour — after 1/3"


def test_every_block_has_its_rule_and_an_unknown_one_names_them() -> None:
    kinds = {type(block) for block in sample().walk()}
    assert kinds == set(TERMINAL)
    with pytest.raises(UnsupportedError, match="no rule draws a str; known: Section, Paragraph"):
        shown("not a block")  # type: ignore[arg-type]
