from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from sample import DIGITS, HOSTILE, INPUT, PADDING_MARKS, SHORT_HOSTILE, matrix, sample

from convscope.core.document import (
    Block,
    Code,
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
    Strong,
    Table,
    text,
)
from convscope.core.expression import Number, Root, Symbol, equation, sizes
from convscope.errors import UnsupportedError
from convscope.render.literal import visible_line, visible_lines
from convscope.render.markdown import BRACES_OF_A_PAGE, MARKDOWN, to_markdown
from convscope.render.markdown_text import escape, strong

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OUR_ELEMENTS = {"<span>", "</span>", "<strong>", "</strong>"}

# What GitHub's page element refuses, or reads as something else than a formula.
REFUSED_MACROS = re.compile(
    r"\\(?:operatorname|[hv]?phantom|f?colorbox|definecolor|unicode|mathchoice|def|require)"
)
RUNS = {"text", "code_inline", "softbreak"}


def shown(*blocks: Block) -> str:
    """What stands under the title."""
    return to_markdown(Document(text("t"), blocks), digits=DIGITS).removeprefix("# t\n\n").removesuffix("\n")


def tokens(markdown: str) -> Iterator[Token]:
    """Every token, those inside a line too."""
    for token in READER.parse(markdown):
        yield token
        yield from token.children or ()


def words(markdown: str) -> str:
    """The text a reader sees, formulas left as they are."""
    return "".join(token.content for token in tokens(markdown) if token.type in RUNS | {"fence"})


def squeezed(written: str) -> str:
    return "".join(written.split())


@pytest.mark.parametrize("string", HOSTILE)
def test_hostile_text_is_literal_wherever_it_stands(string: str) -> None:
    parts = text(string, " ", Code(string), " ", Strong(string))
    blocks: tuple[Block, ...] = (
        Paragraph(parts),
        Table((parts,), ((parts,),), caption=parts),
        Listing((parts,)),
        Finding("note", parts),
        Section(parts, ()),
        Hidden(1, string, parts),
    )
    for block in blocks:
        written = shown(block)
        kinds = [token.type for token in tokens(written)]
        assert not {"link_open", "image", "html_block", "code_block", "hr", "em_open", "s_open"} & set(kinds)
        assert kinds.count("heading_open") == isinstance(block, Section)
        assert {token.content for token in tokens(written) if token.type == "html_inline"} <= OUR_ELEMENTS
        assert squeezed(words(written)).count(squeezed(visible_line(string))) >= 3
        assert not list(formulas(written))
        lines = [token.content for token in tokens(written) if token.type == "text"]
        assert all(line in "$@" for line in lines if "$" in line or "@" in line), "read by GitHub later"


@given(st.text())
def test_any_text_reads_back(string: str) -> None:
    for written in (escape(string), strong(string)):
        paragraph = shown(Paragraph(text("a ", string, " z")))
        assert squeezed(words(f"a {written} z")) == squeezed(f"a{visible_line(string)}z")
        assert squeezed(words(paragraph)) == squeezed(f"a{visible_line(string)}z")


@given(st.text(st.sampled_from("#-+=*>1.) \t|`a[]:$~")))
def test_a_paragraph_stays_a_paragraph(string: str) -> None:
    kinds = {token.type for token in READER.parse(shown(Paragraph(text(string, "a"))))}
    assert kinds == {"paragraph_open", "inline", "paragraph_close"}


def formulas(markdown: str) -> Iterator[tuple[str, bool]]:
    """Each formula as GitHub finds it, and whether it is a display."""
    for token in READER.parse(markdown):
        if token.type == "fence" and token.info == "math":
            yield token.content, True
        parts = token.children or []
        for before, code, after in zip(parts, parts[1:], parts[2:], strict=False):
            if code.type == "code_inline" and before.type == after.type == "text":
                opens = re.search(r"(?:^|[\s(])\$\Z", before.content)
                closes = re.match(r"\$(?![A-Za-z0-9_`])", after.content)
                if opens and closes:
                    yield code.content, False


def test_github_finds_every_formula_and_refuses_none() -> None:
    written = to_markdown(sample(), digits=DIGITS)
    found = list(formulas(written))
    displays = Formula | MatrixView | MatrixRow
    assert sum(is_display for _, is_display in found) == sum(isinstance(b, displays) for b in sample().walk())
    assert [formula for formula, is_display in found if not is_display] == [
        "X",
        r"n = \left\lfloor \frac{m}{2} \right\rfloor",
        "n",
        "z_{0}",
        "z",
    ]
    for formula, _ in found:
        assert not REFUSED_MACROS.search(formula)
        assert not re.search(r"<[/!A-Za-z?]", formula), "read as an element"
        assert not re.search(r"\\$", formula, re.MULTILINE), "a backslash at a line's end is doubled"
        assert "`" not in formula
        assert "$" not in formula.replace(r"{\$}", "")
        bare = re.sub(r"\\[{}\\]", "", formula)
        assert bare.count("{") == bare.count("}")


def test_a_formula_that_touches_a_word_is_kept_apart() -> None:
    x = Symbol("x")
    written = shown(Paragraph(text("a", x, "b (", x, ") ", x, x, Code("c"), Strong("d"), x, "_")))
    assert [formula for formula, _ in formulas(written)] == ["x"] * 5
    assert "a<span></span>$`x`$<span></span>b ($`x`$) $`x`$<span></span>$`x`$<span></span>`c`" in written


def test_numbers_and_sizes_are_plain_text() -> None:
    assert shown(Paragraph(text("n ", Fraction(-1, 3), " ", sizes((3, 4))))) == "n −1/3 3 × 4"
    assert "$`\\sqrt{2}`$" in shown(Paragraph(text(Root(Number(Fraction(2))))))


def test_a_page_too_full_for_formulas_goes_on_in_text() -> None:
    formula = Formula(equation(Root(Symbol("x")), Fraction(1, 2)))
    view = MatrixView(matrix("1 2"), text("M"))
    many = (formula,) * (BRACES_OF_A_PAGE + 1)
    written = shown(*many, view, MatrixRow((view, view), ("=",)), Paragraph(text("so ", Root(Symbol("x")))))
    assert sum(formula.count("{") for formula, _ in formulas(written)) == BRACES_OF_A_PAGE
    assert "```text\n  √x = 0.5\n```" in written
    assert "```text\n  M\n  [ 1  2 ]\n```" in written
    assert "[ 1  2 ]  =  [ 1  2 ]" in written
    assert written.endswith("so `√x`")


def test_matrices_are_boxed_bold_and_small() -> None:
    view = MatrixView(
        INPUT, text("padded"), (*PADDING_MARKS, Mark("window", 1, 1, 4, 4), Mark("winner", 2, 2, 3, 3))
    )
    written = shown(view)
    assert written.startswith(
        "Marks in the matrices: boxed: window, small: padding, bold: winner.\n\npadded\n"
    )
    assert r"\\ \scriptstyle 0 & \boxed 1 & \boxed{0.5} & \boxed 1 & 0.5 & \scriptstyle 0" in written
    assert r"\boxed{\mathbf{1}}" in written
    whole = MatrixView(matrix("1 2"), (), (Mark("window", 0, 0, 1, 2),))
    assert "```math\n\\boxed{\\begin{bmatrix}\n1 & 2\n\\end{bmatrix}}\n```" in shown(whole)


def test_matrices_in_a_row_say_their_captions_with_the_operators() -> None:
    one, two = MatrixView(matrix("1"), text("one")), MatrixView(((Fraction(1, 4096),),), text("two"))
    assert shown(MatrixRow((one, one, two), ("⊙", "="))).startswith(
        "one ⊙ one ≈ two\n\n```math\n\\begin{bmatrix}"
    )
    nameless = shown(MatrixRow((MatrixView(matrix("1")), MatrixView(matrix("2"))), ("versus",)))
    assert nameless.startswith("```math\n")
    assert "\\quad\\text{versus}\\quad" in nameless


def test_gaps_are_counted_in_words() -> None:
    view = MatrixView(matrix("1 2; 3 4"), text("M"), row_gap=(0, 7))
    assert shown(view).startswith(
        "M (7 rows not shown)\n\n```math\n\\begin{bmatrix}\n1 & 2\n\\\\ \\vdots & \\vdots\n"
    )
    assert shown(MatrixView(())) == "```math\n\\left[\\ \\right]\n```"
    wide = MatrixView((tuple(Fraction(i) for i in range(11)),))
    assert "\\begin{array}{ccccccccccc}" in shown(wide)


def test_tables() -> None:
    table = Table((text("a|b"), text("n")), ((text(Code("x|y")), text(1)), (text("z"),)), "lr", text("costs"))
    assert shown(table) == "costs\n\n| a\\|b | n |\n| :-- | --: |\n| `x\\|y` | 1 |\n| z |  |"
    html = READER.render(shown(table))
    assert "<th>a|b</th>" in html.replace(' style="text-align:left"', "")
    assert "<code>x|y</code>" in html
    assert shown(Table((), (), caption=text("empty"))) == "empty"


def test_code_is_fenced_longer_than_what_it_holds() -> None:
    for string in HOSTILE:
        fences = [token for token in READER.parse(shown(CodeBlock(string, "<b>py"))) if token.type == "fence"]
        assert [fence.info for fence in fences] == ["bpy"]
        assert fences[0].content == "\n".join(visible_lines(string)) + "\n"
    assert shown(Paragraph(text("a", Code(""), "b"))) == "ab"
    assert shown(CodeBlock("x", "mermaid")) == "```\nx\n```"


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("right", "> [!TIP]\n> **✓ Right.** so"),
        ("wrong", "> [!CAUTION]\n> **✗ Wrong.** so"),
        ("warning", "> [!WARNING]\n> **Warning.** so"),
        ("note", "> [!NOTE]\n> **Note.** so"),
        ("result", "> [!IMPORTANT]\n> **Result.** so"),
    ],
)
def test_findings_are_alerts(kind: FindingKind, label: str) -> None:
    assert shown(Finding(kind, text("so"))) == label


def test_the_other_blocks() -> None:
    assert shown(Listing((text("1. a"), text("b")), ordered=True)) == "1. 1\\. a\n2. b"
    assert shown(Listing((text("- a"),))) == "- \\- a"
    assert shown(Hidden(14, "cells", text("ask"))) == "⋮ 14 cells not shown: ask"
    assert shown(Section(text("S"), (Section(text("T"), (Paragraph(text("p")),)),))) == "## S\n\n### T\n\np"


def test_pictures_link_to_their_files() -> None:
    figures = [block for block in sample().walk() if isinstance(block, Figure)]
    side_by_side, alone = (shown(figure) for figure in figures)
    images = [token for token in tokens(side_by_side) if token.type == "image"]
    assert [image.attrs["src"] for image in images] == ["before-after-1-1.png", "before-after-1-2.png"]
    assert READER.render(side_by_side).count("<img") == 2
    assert SHORT_HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in READER.render(
        side_by_side
    )
    assert side_by_side.splitlines()[2] == "| before | after 1/3 |"
    assert alone == "![alone](evil-name.png)"


def test_every_block_has_its_rule_and_an_unknown_one_names_them() -> None:
    assert {type(block) for block in sample().walk()} == set(MARKDOWN)
    with pytest.raises(UnsupportedError, match="no rule writes a str; known: Section, Paragraph"):
        shown("not a block")  # type: ignore[arg-type]
