from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sample import DIGITS, HOSTILE, INPUT, PADDING_MARKS, matrices, matrix, sample

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
    Section,
    Strong,
    Table,
    text,
)
from convscope.core.expression import Elided, Power, Product, Quotient, Sum, Symbol, as_expression, equation
from convscope.errors import UnsupportedError
from convscope.render.latex import LATEX, to_fragment, to_latex
from convscope.render.latex_fragment import FRAGMENT, LONGEST_FORMULA
from convscope.render.latex_math import display, mathjax_writer, writer
from convscope.render.latex_signs import escape_code, escape_text, has_glyph, math_words
from convscope.render.pictures import picture_files, png_bytes

MACRO = re.compile(r"\\([A-Za-z]+)")

# Macros that a document's body may hold. None of them reads a file but \shownpicture, which gets our names.
ALLOWED = frozenset(
    re.findall(
        r"\w+",
        """section subsection subsubsection paragraph begin end par item setlength itemsep parskip small
        footnotesize LARGE bfseries itshape ttfamily raggedright raggedleft centering arraybackslash strut
        color textcolor colorbox cellcolor textbf texttt underline linewidth toprule midrule bottomrule
        fitted fittedtable fractionstrut
        captioned finding shownpicture hfil codebreak kern ensuremath text phantom
        textbackslash textasciicircum textasciitilde textless textgreater textbar textasciigrave
        textquotedbl textquotesingle backslash vert hat grave sim left right mathrm mathbf frac sqrt
        underbrace boxed quad cdot cdots vdots ddots times lfloor rfloor lceil rceil lvert rvert leq geq
        neq approx rightarrow odot ast star sigma mu lambda""",
    )
)


def body(*blocks: Block) -> str:
    """What stands between the title and the end."""
    written = to_latex(Document(text("t"), blocks), digits=DIGITS)
    return written.split("\\par}\n\n", 1)[1].removesuffix("\n\n\\end{document}\n")


def unescaped(written: str) -> str:
    """Running LaTeX text read back to the characters it sets."""
    names = {
        "backslash": "\\",
        "asciicircum": "^",
        "asciitilde": "~",
        "less": "<",
        "greater": ">",
        "bar": "|",
        "asciigrave": "`",
        "quotedbl": '"',
        "quotesingle": "'",
    }
    read = written.replace(r"\kern0pt{}", "").replace(r"\codebreak{}", "").replace(r"\ensuremath{-}", "−")
    read = re.sub(r"\{([\[\]*])\}", r"\1", read)
    return re.sub(r"\\text([a-z]+)\{\}|\\([#$%&_{}])", lambda m: names[m[1]] if m[1] else m[2], read)


ASCII = "".join(map(chr, range(32, 127)))
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("−éŁß€"))


@given(printable)
@example(ASCII)
def test_escaped_text_reads_back(given_text: str) -> None:
    assert unescaped(escape_text(given_text)) == given_text
    assert unescaped(escape_code(given_text)) == given_text


@given(st.text())
@example(ASCII)
def test_escaped_text_holds_nothing_that_acts(given_text: str) -> None:
    for written in (escape_text(given_text), escape_code(given_text)):
        bare = re.sub(r"\\[#$%&_{}]|\\ensuremath\{(\\[A-Za-z]+|-)\}", "", written)
        assert not set(bare) & set("#$%&_~^")
        assert set(MACRO.findall(bare)) <= ALLOWED
        assert bare.count("{") == bare.count("}")
        assert all(character.isascii() or has_glyph(character) for character in bare)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
@example(ASCII)
def test_words_in_a_formula_keep_every_letter(given_text: str) -> None:
    written = math_words(given_text)
    assert "".join(re.findall(r"\\mathrm\{(\w+)\}", written)) == "".join(
        re.findall("[A-Za-z0-9]", given_text)
    )
    assert not set(re.sub(r"\\[#$%&_{} ]", "", written)) & set("#$%&_~^|`")


@pytest.mark.parametrize("string", HOSTILE)
def test_hostile_text_is_literal_wherever_it_stands(string: str) -> None:
    blocks = (
        Section(text(string), (Paragraph(text(string, Code(string), Strong(string))),)),
        Table((text(string),), ((text(string),),)),
        Listing((text(string),)),
        CodeBlock(string, string),
        Finding("note", text(string)),
        Hidden(1, string, text(string)),
        Formula(equation(Symbol(string), 1)),
        MatrixView(matrix("1"), text(string)),
        MatrixRow((MatrixView(matrix("1"), text(string)),) * 2, ("=",)),
    )
    written = body(*blocks)
    assert set(MACRO.findall(written)) <= ALLOWED
    assert_well_formed(written)


def assert_well_formed(written: str) -> None:
    bare = re.sub(r"\\\\", "", written)
    bare = re.sub(r"\\[{}]", "", bare)
    assert bare.count("{") == bare.count("}")
    begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", written) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert written.count(r"\left") - written.count(r"\leftarrow") == written.count(r"\right") - written.count(
        r"\rightarrow"
    )


def test_the_sample_is_well_formed_and_every_block_has_its_rule() -> None:
    written = to_latex(sample(), digits=DIGITS)
    assert_well_formed(written)
    kinds = {type(block) for block in sample().walk()}
    assert kinds == set(LATEX) == set(FRAGMENT)
    for render in (to_latex, to_fragment):
        with pytest.raises(UnsupportedError, match="no rule writes a str; known: Section, Paragraph"):
            render(Document(text("t"), ("not a block",)), digits=DIGITS)  # type: ignore[arg-type]


def test_formulas_in_latex() -> None:
    n, k, s = Symbol("n"), Symbol("kernel"), Symbol("s")
    assert writer(4).write((n + 2 * as_expression(-1) - k) // s + 1) == (
        r"\left\lfloor \frac{n + 2 \cdot (-1) - \mathrm{kernel}}{s} \right\rfloor + 1"
    )
    assert writer(4).write(Symbol("z", (n, as_expression(1)))) == "z_{n, 1}"
    assert writer(4).write(Symbol("数")) == r"\text{[U+6570]}"
    assert mathjax_writer(4).write(Symbol("数")) == r"\text{数}"
    assert writer(4).write(equation(Symbol("σ"), Fraction(1, 4096))) == r"\sigma  \approx 0.0002"


def test_a_long_formula_is_broken_at_signs_and_between_terms() -> None:
    terms = Sum(tuple(Product((as_expression(i), Symbol("weight"))) for i in range(12)))
    lines = display(writer(4), equation(Symbol("z"), terms, Quotient(terms, Symbol("n")), 5)).split("\n")
    assert lines[0] == r"\begin{aligned}"
    assert lines[1].startswith("z &= 0 \\cdot \\mathrm{weight} + ")
    assert lines[2].startswith(r"\\ &\quad {} + 6 \cdot")
    assert lines[3].startswith(r"\\ &= \frac{\begin{gathered}0 \cdot")
    assert lines[-2:] == [r"\\ &= 5", r"\end{aligned}"]
    assert display(writer(4), equation(Symbol("z"), 5)) == "z = 5"
    long_name = Symbol("a" * 30)
    assert display(writer(4), equation(long_name, long_name, long_name)).count("\n") == 4
    assert display(writer(4), terms).count(r"\\") == 1


def test_marks_are_grounds_in_tex_and_boxes_in_mathjax() -> None:
    view = MatrixView(INPUT, (), (*PADDING_MARKS, Mark("window", 1, 1, 4, 4), Mark("winner", 3, 2, 4, 3)))
    tex, mathjax = body(view), to_fragment(Document(text("t"), (view,)), digits=DIGITS)
    assert r"\cellcolor{winner}\mathbf{0.5}" in tex
    assert tex.count(r"\cellcolor{window}") == 8
    assert tex.count(r"{\color{padding}0}") == 20
    assert r"\boxed{\mathbf{0.5}}" in mathjax
    assert mathjax.count(r"\boxed 0") == 5
    assert mathjax.count(r"\scriptstyle 0") == 20
    difference = MatrixView(matrix("1 2; .5 3"), (), (Mark("difference", 0, 0, 1, 1),))
    assert r"\cellcolor{difference}\underline{1}\phantom{.0} & 2" in body(difference)
    assert r"\underline{1} & 2" in to_fragment(Document(text("t"), (difference,)), digits=DIGITS)


def test_figures_are_filled_up_to_the_decimal_point() -> None:
    assert "1\\phantom{.00} & 2\n\\\\ 0.25 & 3\n\\\\ 1.5\\phantom{0} & 4" in body(
        MatrixView(matrix("1 2; .25 3; 1.5 4"))
    )


def test_gaps_are_dots_and_counted_in_words() -> None:
    view = MatrixView(matrix("1 2; 3 4"), text("M"), row_gap=(0, 7), column_gap=(0, 8))
    written = body(view)
    assert "1 & \\cdots & 2\n\\\\ \\vdots & \\ddots & \\vdots\n\\\\ 3 & \\cdots & 4" in written
    assert "M (7 rows and 8 columns not shown)" in written


def test_a_wide_matrix_is_cut_between_columns() -> None:
    wide = next(block for block in matrices() if isinstance(block, MatrixView) and len(block.rows[0]) == 24)
    written = body(wide)
    assert re.findall(r"columns (\d+) to (\d+)", written)[0][0] == "0"
    assert re.findall(r"columns (\d+) to (\d+)", written)[-1][1] == "23"


def test_a_long_table_is_cut_between_rows_and_a_wide_one_folds() -> None:
    long = Table((text("a"),), tuple((text(i),) for i in range(90)))
    assert body(long).count(r"\toprule") == 3
    fragment = to_fragment(Document(text("t"), (Table((text("a"),), ((text("b" * 99),),) * 99),)), digits=4)
    assert max(map(len, fragment.split("$$"))) < LONGEST_FORMULA + 300
    assert r"p{" in body(Table((text("a"), text("b")), ((text("x"), text("word " * 30)),)))
    assert body(Table((), (), caption=text("none"))) == r"{\small\itshape none\par}"
    assert r"\midrule" not in body(Table((text("a"),), ()))


def test_code_keeps_its_lines_and_spaces() -> None:
    assert "\\strut a \\\\\n\\strut ~~b\n" in body(CodeBlock("a\n  b"))
    assert r"\codebreak{}" in body(CodeBlock("a_" * 30))


def test_a_picture_that_is_not_there_leaves_its_words() -> None:
    figure = next(block for block in sample().walk() if isinstance(block, Figure))
    written = body(figure)
    assert r"\shownpicture{\linewidth}{before-after-1-1.png}{a slope of grey " in written
    assert written.count(r"\begin{minipage}[t]{0.480\linewidth}") == 2
    assert r"\IfFileExists{#2}" in to_latex(Document(text("t"), (figure,)), digits=DIGITS)


def test_a_fragment_lets_no_word_act_on_mathjax() -> None:
    strings = text("cost $5 or $6, \\begin{x} \\ref{y} 50%")
    written = to_fragment(Document(text("t"), (Paragraph(strings),)), digits=4).split("\n\n")[-1]
    assert written == (
        "cost ${\\$}$5 or ${\\$}$6, $\\backslash{}$begin$\\{$x$\\}$ $\\backslash{}$ref$\\{$y$\\}$ 50$\\%$\n"
    )


def test_what_is_empty_is_left_out() -> None:
    assert body(Listing(())) == ""
    assert body(MatrixView(())) == "\\[\\fitted{\\left[\\ \\right]}\\]"
    only_caption = Document(text("t"), (Table((), (), caption=text("none")),))
    assert to_fragment(only_caption, digits=4).endswith("$$\n\nnone\n")


def test_a_fragment_names_its_pictures() -> None:
    figures = tuple(block for block in sample().walk() if isinstance(block, Figure))
    written = to_fragment(Document(text("t"), figures), digits=4)
    assert "[before-after-1-2.png] the same in colour — after $\\frac{1}{3}$\n" in written
    assert written.endswith("[evil-name.png] alone\n")


def test_what_cannot_be_broken_stays_on_its_line() -> None:
    product = Product(tuple(Symbol("factor") for _ in range(20)))
    assert display(writer(4), equation(Symbol("z"), product)).count("\n") == 2
    assert writer(4).write(Power(Elided(3), Symbol("n"))) == (
        r"\left( \underbrace{\cdots}_{3\text{ more}} \right)^{n}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_the_sample_compiles(engine: str, tmp_path: Path) -> None:
    found = shutil.which(engine)
    if found is None:
        pytest.skip(f"{engine} is not on the PATH")
    (tmp_path / "sample.tex").write_text(to_latex(sample(), digits=DIGITS), encoding="utf-8")
    for name, picture in picture_files(sample()).items():
        (tmp_path / name).write_bytes(png_bytes(picture))
    subprocess.run(  # noqa: S603 - a program found on the PATH, on a file of ours
        [found, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sample.tex"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    log = (tmp_path / "sample.log").read_text(encoding="utf-8", errors="replace")
    assert "Missing character" not in log
    overfull = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(overfull, default=0.0) < 5
