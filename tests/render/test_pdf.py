from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sample import DIGITS, HOSTILE, Letters, Sigmoid, hostile, matrix, sample

from convscope.core.document import (
    Block,
    Code,
    CodeBlock,
    Document,
    Figure,
    Finding,
    Formula,
    Hidden,
    Listing,
    Mark,
    MatrixRow,
    MatrixView,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    text,
)
from convscope.core.expression import Number, Product, Quotient, Relation, Sum, Symbol, equation
from convscope.errors import MissingExtraError, UnsupportedError
from convscope.render.literal import visible_line
from convscope.render.pdf import RULES, to_pdf, to_typst

needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")

INJECTIONS = (
    '#eval("1")',
    '#read("/etc/passwd")',
    '#image("/etc/passwd")',
    '"); #panic("out") //',
    '$ x $ \\ \\u{41} \\" \\n',
    "*/ /* ]] [[ ) } ; @ref <label> = head",
)
A4 = (595.3, 841.9)
MARGIN = 68  # 24 mm


def pdf(*blocks: Block, title: str = "t") -> bytes:
    return to_pdf(Document(text(title), blocks), digits=DIGITS)


def source(*blocks: Block) -> str:
    """What the blocks become, without the look and the title."""
    return (
        to_typst(Document(text("t"), blocks), digits=DIGITS)
        .split("#show: handout.with(")[1]
        .split("\n", 1)[1]
    )


def extracted(data: bytes, folder: Path, *options: str) -> str:
    path = folder / "page.pdf"
    path.write_bytes(data)
    command = ["pdftotext", *options, str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


def squeezed(written: str) -> str:
    return re.sub(r"\s", "", written)


def test_the_sample_becomes_a_pdf_and_always_the_same_one() -> None:
    data = to_pdf(sample(), digits=DIGITS)
    assert data.startswith(b"%PDF-")
    assert data == to_pdf(sample(), digits=DIGITS)


def test_without_typst_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(
        MissingExtraError, match=r"PDF output needs the extra 'pdf': pip install 'convscope\[pdf\]'"
    ):
        pdf()


# --- what a user gives is never code ---------------------------------------------------------


@needs_pdftotext
@pytest.mark.parametrize("string", [*INJECTIONS, *HOSTILE])
def test_hostile_text_is_printed_as_it_was_given(string: str, tmp_path: Path) -> None:
    content = text(string)
    written = extracted(
        pdf(
            Paragraph(content),
            Paragraph(text(Code(string), Strong(string))),
            Listing((content,)),
            CodeBlock(string, string),
            Finding("note", content),
            Table((content,), ((content,),), caption=content),
            Formula(equation(Symbol(string), 1)),
            title=string,
        ),
        tmp_path,
    )
    # pdftotext takes a hyphen at the end of a line for one that divides a word, and drops it.
    printable = squeezed(visible_line(string)).rstrip("-")
    if printable.isascii():  # letters of other scripts may come out as pieces, or not at all
        assert squeezed(written).count(printable) >= 9
    assert "root:" not in written


def test_hostile_text_stands_in_the_source_as_literals_only() -> None:
    """Whatever is left of the source without its string literals, no user text can have put there."""

    def skeleton(string: str) -> str:
        blocks = (Paragraph(text(string)), Table((text(Code(string)),), ((text(Strong(string)),),)))
        return re.sub(r'"(?:[^"\\]|\\.)*"', '""', source(*blocks, Hidden(1, string, text(string))))

    assert {skeleton(string) for string in (*INJECTIONS, *HOSTILE)} == {skeleton("harmless")}


def test_a_hostile_language_is_english() -> None:
    for language, tag in (('en", x: panic()', "en"), ("de-AT", "de"), ("<b>", "en"), ("English", "en")):
        document = Document(text("t"), (), language=language)
        assert f'language: "{tag}")' in to_typst(document, digits=DIGITS)
        to_pdf(document, digits=DIGITS)


def test_nothing_outside_the_pictures_folder_can_be_read() -> None:
    """Should a literal ever be left by its text, Typst itself still has no file to give."""
    import typst

    from convscope.render import pdf as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "to_typst", lambda _, **__: '#read("/etc/passwd")')
        with pytest.raises(typst.TypstError, match="not found"):
            pdf()


# --- what is on the page ---------------------------------------------------------------------


def boxes(data: bytes, folder: Path) -> list[tuple[float, float]]:
    """Where each word begins and ends from left to right."""
    written = extracted(data, folder, "-bbox")
    return [
        (float(left), float(right))
        for left, right in re.findall(r'xMin="([\d.]+)".*?xMax="([\d.]+)"', written)
    ]


WIDE = MatrixView((tuple(Fraction(100 * i - 711, 8) for i in range(60)),) * 3, text("wide"))
TALL = MatrixView(tuple((Fraction(i), Fraction(-i)) for i in range(200)), text("tall"))
LONG_SUM = Sum(tuple(Product((Number(Fraction(i)), Number(Fraction(i + 1)))) for i in range(60)))


@needs_pdftotext
@pytest.mark.parametrize(
    "block",
    [
        WIDE,
        MatrixRow((WIDE, WIDE), ("=",)),
        MatrixRow((MatrixView(matrix("1 2 3 4 5 6 7 8")),) * 9, ("⊙",) * 8),
        Formula(LONG_SUM),
        Formula(equation(Symbol("z"), LONG_SUM, Quotient(LONG_SUM, Symbol("n")), 5)),
        Formula(equation(LONG_SUM, 5)),
        Formula(Relation(tuple(Symbol("name" * 6) for _ in range(12)), ("=",) * 11)),
        Paragraph(text("so ", equation(Symbol("z"), LONG_SUM), ".")),
        Table(tuple(text(f"column {i}") for i in range(12)), (tuple(text(10**6 * i) for i in range(12)),)),
        CodeBlock("long " * 60),
    ],
    ids=["wide", "wide row", "long row", "sum", "chain", "left side", "names", "inline", "table", "code"],
)
def test_nothing_runs_off_the_page(block: Block, tmp_path: Path) -> None:
    words = boxes(pdf(block), tmp_path)
    assert len(words) > 8
    assert min(left for left, _ in words) >= MARGIN - 1
    assert max(right for _, right in words) <= A4[0] - MARGIN + 3


@needs_pdftotext
def test_a_matrix_too_large_for_a_page_is_there_in_full(tmp_path: Path) -> None:
    written = extracted(pdf(TALL), tmp_path).split()
    for number in range(1, 200):
        assert str(number) in written
        assert f"−{number}" in written
    shown = extracted(pdf(WIDE), tmp_path)
    assert all(f"{(100 * i - 711) / 8}".rstrip("0").rstrip(".").replace("-", "−") in shown for i in range(60))


@needs_pdftotext
def test_numbers_words_and_counts_are_on_the_page(tmp_path: Path) -> None:
    written = extracted(
        pdf(
            MatrixView(((Sigmoid(Fraction(2)), Fraction(1, 2)),), text("rounded"), row_gap=(0, 12)),
            MatrixView(((Fraction(-5, 2), Letters(Symbol("a"))),), text("exact")),
            Finding("wrong", text("not so")),
            Hidden(14, "cells", text("ask")),
            Table((text("layer"),), ((text("conv"),), ((),)), "l", text("sizes")),
            title="Sizes",
        ),
        tmp_path,
    )
    for expected in ("Sizes", "0.8808", "0.5000", "−2.5", "12 rows not shown", "Wrong: not so", "conv"):
        assert expected in written
    assert "14 cells not shown: ask" in written
    assert "1/1" in squeezed(written)


@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="pdfinfo is not installed")
def test_the_pdf_knows_its_title_and_its_structure_and_no_date(tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(to_pdf(Document(text("Sizes of ", Symbol("n")), ()), digits=DIGITS))
    command = ["pdfinfo", str(path)]
    facts = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    assert re.search(r"^Title: +Sizes of n$", facts, re.MULTILINE)
    assert re.search(r"^Tagged: +yes$", facts, re.MULTILINE)
    assert "CreationDate" not in facts


# --- the source ------------------------------------------------------------------------------


def test_marks_become_roles_and_outlines() -> None:
    marks = (Mark("window", 0, 0, 2, 1), Mark("padding", 0, 0, 1, 1), Mark("winner", 1, 1, 2, 2))
    written = source(MatrixView(matrix("1 2; 3 -4"), text("m"), marks, row_gap=(0, 7)))
    assert 'rows: ((cell("1", "padding", "window"), cell("2"), ), ' in written
    assert '(cell("⋮", "window", "gap"), cell("⋮", "gap"), ), ' in written
    assert '(cell("3", "window"), cell("−4", "winner"), ), )' in written
    assert "windows: ((0, 0, 3, 1), )" in written
    assert 'caption: [#"m"], note: "7 rows not shown"' in written
    assert written.startswith(
        '\n#key(("window", "the window"), ("winner", "a winner"), ("padding", "padding"), )'
    )


def test_a_document_without_marks_needs_no_key() -> None:
    assert "#key(" not in source(MatrixView(matrix("1")))


def test_rounding_is_never_called_equal_between_matrices() -> None:
    exact, rounded = MatrixView(matrix("1")), MatrixView(((Sigmoid(Fraction(2)),),))
    assert '("=", "≈", ), leads: false)' in source(MatrixRow((exact, exact, rounded), ("=", "=")))


def test_words_stay_with_what_they_announce_and_cells_with_their_sum() -> None:
    words, row, sum_of = (
        Paragraph(text("so")),
        MatrixRow((MatrixView(matrix("1")),), ()),
        Formula(Symbol("z")),
    )
    written = source(words, row, sum_of, row, words, words, Paragraph(text(Strong("Size."))), words)
    starts = [line for line in written.splitlines() if line.startswith(("#lead", "#par", "#matrix-row"))]
    kinds = ["leads" if line.startswith("#lead") or "leads: true" in line else "may part" for line in starts]
    assert kinds == ["leads", "leads", "may part", "may part", "may part", "leads", "may part"]


def test_a_number_among_words_is_set_like_them() -> None:
    written = source(Paragraph(text("so ", Fraction(-5, 2), Fraction(1, 3))))
    assert written.strip() == '#par([#"so "#"−2.5"$frac(1, 3)$])'


def test_sections_are_headings_of_their_depth() -> None:
    inner = Section(text("inner"), ())
    assert re.findall(r"#heading\(level: (\d)", source(Section(text("outer"), (inner,)), inner)) == [
        "1",
        "2",
        "1",
    ]


def test_pictures_go_by_their_files_names_and_small_ones_are_enlarged() -> None:
    small, large = (
        Picture(np.zeros((4, 8), np.uint8), 'a "slope"'),
        Picture(np.zeros((400, 400), np.uint8), "b"),
    )
    written = source(Figure((small, large), "both"))
    assert 'picture("both-1.png", "a \\"slope\\"", 110.0pt, true, none)' in written
    assert 'picture("both-2.png", "b", 240.0pt, false, none)' in written


def test_a_short_row_of_a_table_does_not_pull_up_the_next_one() -> None:
    block = Table((text("a"), text("b")), ((text("1"),), (text("2"), text("3"))))
    assert '  [#"1"], [],\n  [#"2"], [#"3"],\n' in source(block)


def test_every_block_has_a_rule_and_another_one_is_refused() -> None:
    assert {type(block) for block in sample().walk()} == set(RULES)

    class Other:
        pass

    with pytest.raises(UnsupportedError, match="no rule writes a Other for PDF; known: Paragraph, Formula"):
        pdf(Other())  # type: ignore[arg-type]


def test_documents_of_nothing_and_of_hostile_text_compile() -> None:
    empty = MatrixView(())
    nothing = (empty, MatrixRow((empty,), ()), MatrixRow((), ()), Listing(()), CodeBlock(""), Figure((), "x"))
    assert pdf(*nothing, Table((), ()), Paragraph(()), title="").startswith(b"%PDF-")
    assert pdf(*hostile()).startswith(b"%PDF-")
