r"""A document as a LaTeX file that pdfTeX and LuaTeX set with standard packages only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from convscope.core.document import (
    Block,
    Code,
    CodeBlock,
    Document,
    Explained,
    Figure,
    Finding,
    FindingKind,
    Formula,
    Gallery,
    Hidden,
    Listing,
    MarkRole,
    MatrixRow,
    MatrixView,
    Paragraph,
    Picture,
    Plan,
    Plot,
    Reference,
    Section,
    Share,
    Spark,
    Strong,
    Table,
    Text,
)
from convscope.errors import rule_for
from convscope.render.columns import columns_words, cut_columns
from convscope.render.formula import Writer
from convscope.render.gallery import as_sections
from convscope.render.grid import Grid, hidden_words, lay_out
from convscope.render.latex_fragment import to_fragment
from convscope.render.latex_math import display, writer
from convscope.render.latex_matrix import OPERATORS, tex_matrix
from convscope.render.latex_signs import escape_code, escape_text
from convscope.render.legend import legend
from convscope.render.literal import visible_lines
from convscope.render.numbers import operators_as_shown
from convscope.render.pictures import picture_names
from convscope.render.plain import plain_text
from convscope.render.share import percent
from convscope.render.text_math import cell_text
from convscope.render.words import chart_words, drawing_words

__all__ = ["to_fragment", "to_latex"]

# \fitted sets a display and shrinks it only if it is wider than the line. A picture that is not
# there leaves its words. Colours keep their contrast when printed in grey.
PREAMBLE = r"""\documentclass[11pt,a4paper,fleqn]{article}
\ifdefined\pdftexversion
  \usepackage[utf8]{inputenc}
  \usepackage[T1]{fontenc}
\fi
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp}
\usepackage[margin=2.2cm]{geometry}
\usepackage{amsmath}
\usepackage{graphicx}
\usepackage{booktabs}
\usepackage{array}
\usepackage[table]{xcolor}

\definecolor{window}{HTML}{B3D7FF}
\definecolor{winner}{HTML}{FFD787}
\definecolor{difference}{HTML}{FFAFAF}
\definecolor{padding}{HTML}{767676}
\definecolor{muted}{HTML}{595959}
\definecolor{right}{HTML}{1A7F37}
\definecolor{wrong}{HTML}{CF222E}
\definecolor{warning}{HTML}{9A6700}
\definecolor{note}{HTML}{0969DA}
\definecolor{result}{HTML}{8250DF}

\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt minus 1pt}
\setlength{\mathindent}{1.5em}
\setlength{\fboxrule}{0.6pt}
\sloppy
\AtBeginDocument{%
  \setlength{\abovedisplayskip}{6pt plus 2pt minus 2pt}\setlength{\abovedisplayshortskip}{4pt plus 2pt}%
  \setlength{\belowdisplayskip}{6pt plus 2pt minus 2pt}\setlength{\belowdisplayshortskip}{4pt plus 2pt}}
\newcommand{\codebreak}{\penalty0\hskip0pt plus 0.1em\relax}

\newsavebox{\fittedbox}
\newcommand{\fitted}[1]{%
  \sbox{\fittedbox}{$\displaystyle #1$}%
  \ifdim\wd\fittedbox>\dimexpr\linewidth-\mathindent\relax
    \resizebox{\dimexpr\linewidth-\mathindent\relax}{!}{\usebox{\fittedbox}}%
  \else\usebox{\fittedbox}\fi}
\newcommand{\captioned}[3]{\underset{\parbox[t]{#1}{\vspace{2pt}\centering\footnotesize #2}}{#3}}
\newcommand{\fittedtable}[1]{%
  \sbox{\fittedbox}{#1}%
  \ifdim\wd\fittedbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\fittedbox}}%
  \else\usebox{\fittedbox}\fi}
\newlength{\sharelength}
\newcommand{\shareofwhole}[2]{\setlength{\sharelength}{3em}%
  \makebox[\sharelength][l]{\textcolor{blue!60!black}{\rule{#1\sharelength}{1.2ex}}}~#2}
\newcommand{\sparkmark}[1]{\textcolor{blue!60!black}{\rule{0.28em}{#1\fontcharht\font`X}}\kern0.06em}
\newcommand{\sparkgap}{\kern0.34em}
\newcommand{\fractionstrut}{\rule[-1.7ex]{0pt}{4.8ex}}
\newcommand{\finding}[3]{\par\fcolorbox{#1}{#1!6}{%
  \parbox{\dimexpr\linewidth-2\fboxsep-2\fboxrule\relax}{\textcolor{#1}{\textbf{#2}}\quad #3}}\par}
\newcommand{\shownpicture}[3]{\IfFileExists{#2}%
  {\includegraphics[width=#1,height=0.4\textheight,keepaspectratio]{#2}}%
  {\fbox{\parbox{\dimexpr#1-2\fboxsep-2\fboxrule\relax}{\centering\footnotesize #3}}}}
"""

HEADINGS = ("section", "subsection", "subsubsection", "paragraph")
MARK_NAMES: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": r"\colorbox{window}{window}",
        "padding": r"\textcolor{padding}{padding}",
        "winner": r"\colorbox{winner}{\textbf{winner}}",
        "difference": r"\colorbox{difference}{\underline{difference}}",
    }
)
LABELS: Mapping[FindingKind, str] = MappingProxyType(
    {"right": "Right", "wrong": "Wrong", "warning": "Warning", "note": "Note", "result": "Result"}
)
COLUMN_LETTERS: Mapping[str, str] = MappingProxyType(
    {"l": r"\raggedright", "c": r"\centering", "r": r"\raggedleft"}
)

# In characters of the text font: a line of the page, and a table before it is cut.
LINE_LENGTH = 84
LONGEST_TABLE = 40
WIDTH_OF_CHARACTER = 0.55  # of an em, in a matrix
LINE_IN_EMS = 43.0
NARROWEST_CAPTION = 7.0


@dataclass(frozen=True, slots=True)
class Page:
    """What every block is written for: the writer of its formulas, the pictures' file names, the depth."""

    writer: Writer
    files: Mapping[Picture, str]
    depth: int = 0


def to_latex(document: Document, *, digits: int) -> str:
    """A complete LaTeX file; `pictures.picture_files` says which pictures belong beside it."""
    page = Page(writer(digits), picture_names(document))
    parts = [PREAMBLE, r"\begin{document}", rf"{{\LARGE\bfseries {_inline(page, document.title)}\par}}"]
    explained = legend(document, MARK_NAMES)
    if explained:
        parts.append(rf"{{\small\color{{muted}}Marks in the matrices: {explained}\par}}")
    parts.append(_blocks(page, document.blocks))
    parts.append(r"\end{document}")
    return "\n\n".join(parts) + "\n"


def _written(page: Page, block: Block | None) -> str:
    return rule_for(LATEX, block, "writes a {}")(page, block)


def _inline(page: Page, content: Text) -> str:
    return "".join(_inline_part(page, part) for part in content)


def _inline_part(page: Page, part: object) -> str:
    match part:
        case str():
            return escape_text(part)
        case Code():
            return rf"\texttt{{{escape_code(part.text)}}}"
        case Strong():
            return rf"\textbf{{{escape_text(part.text)}}}"
        case Share():
            return rf"\shareofwhole{{{float(part.part):.4f}}}{{{escape_text(percent(part.part))}}}"
        case Spark():
            return _spark(part)
        case Explained() | Reference():
            return _inline(page, part.content)
        case _:
            return f"${page.writer.write(part)}$"  # type: ignore[arg-type]


def _spark(part: Spark) -> str:
    """A row of rules, as high as the values; a gap where there is none."""
    marks = (
        r"\sparkgap" if height is None else rf"\sparkmark{{{0.1 + 0.9 * height:.2f}}}"
        for height in part.line.heights()
    )
    return f"\\mbox{{{''.join(marks)}}}"


def _blocks(page: Page, blocks: Sequence[Block]) -> str:
    """Blocks one under the other; a display belongs to the paragraph before it, a new picture does not."""
    joined = ""
    for before, block in pairwise((None, *blocks)):
        written = _written(page, block)
        opens = isinstance(before, Formula) and not isinstance(block, Formula)
        gap = "\n" if written.startswith(r"\[") and not opens else "\n\n"
        joined += (gap if before is not None else "") + written
    return joined


def _section(page: Page, block: Section) -> str:
    heading = HEADINGS[min(page.depth, len(HEADINGS) - 1)]
    inner = replace(page, depth=page.depth + 1)
    title = rf"\{heading}*{{{_inline(page, block.title)}}}"
    return f"{title}\n\n{_blocks(inner, block.blocks)}"


def _paragraph(page: Page, block: Paragraph) -> str:
    return _inline(page, block.content)


def _display(body: str) -> str:
    return f"\\[\\fitted{{{body}}}\\]"


def _formula(page: Page, block: Formula) -> str:
    return _display(display(page.writer, block.expression))


def _caption(page: Page, view: MatrixView) -> str:
    hidden = hidden_words(view)
    caption = _inline(page, view.caption)
    return f"{caption} ({hidden})" if caption and hidden else caption or hidden


def _matrix(page: Page, block: MatrixView) -> str:
    caption = _caption(page, block)
    lines = [f"{{\\small\\itshape {caption}}}"] if caption else []
    grid = lay_out(block, page.writer.digits)
    if _ems(grid, page.writer.digits) <= LINE_IN_EMS:
        return "\n".join([*lines, _display(tex_matrix(grid, page.writer))])
    for part, strip in cut_columns(grid, lambda strip: _ems(strip, page.writer.digits) <= LINE_IN_EMS):
        lines.append(rf"{{\footnotesize\color{{muted}}{columns_words(block, part)}}}")
        lines.append(_display(tex_matrix(strip, page.writer)))
    return "\n".join(lines)


def _matrix_row(page: Page, block: MatrixRow) -> str:
    written = [_captioned(page, item) for item in block.items]
    operators = [OPERATORS[sign] for sign in operators_as_shown(block, page.writer.digits)]
    pairs = zip(written, (*operators, ""), strict=True)
    return _display("\n".join(part for pair in pairs for part in pair if part))


def _captioned(page: Page, view: MatrixView) -> str:
    caption = _caption(page, view)
    grid = lay_out(view, page.writer.digits)
    written = tex_matrix(grid, page.writer)
    if not caption:
        return written
    width = max(_ems(grid, page.writer.digits), NARROWEST_CAPTION)
    return rf"\captioned{{{width:.1f}em}}{{{caption}}}{{{written}}}"


def _ems(grid: Grid, digits: int) -> float:
    """About how wide the matrix is set."""
    lengths = [[len(cell_text(cell.content, digits)) for cell in row] for row in grid]
    return sum((max(column) * WIDTH_OF_CHARACTER + 1 for column in zip(*lengths, strict=True)), 0.0)


def _table(page: Page, block: Table) -> str:
    caption = rf"{{\small\itshape {_inline(page, block.caption)}\par}}" if block.caption else ""
    if not block.columns:
        return caption
    letters = _column_letters(page, block)
    starts = range(0, max(len(block.rows), 1), LONGEST_TABLE)
    tables = [_tabular(page, block, letters, block.rows[start : start + LONGEST_TABLE]) for start in starts]
    return "\n\n".join(part for part in (caption, *tables) if part)


def _tabular(page: Page, block: Table, letters: str, rows: Sequence[tuple[Text, ...]]) -> str:
    head = " & ".join(rf"\textbf{{{_inline(page, cell)}}}" for cell in block.columns)
    lines = [" & ".join(_inline(page, cell) for cell in row[: len(block.columns)]) for row in rows]
    lines = [rf"\fractionstrut {line}" if r"\frac" in line else line for line in lines]
    body = "".join(f"{line} \\\\\n" for line in lines)
    body = f"\\midrule\n{body}" if body else ""
    return (
        f"\\fittedtable{{\\begin{{tabular}}{{{letters}}}\n\\toprule\n{head} \\\\\n"
        f"{body}\\bottomrule\n\\end{{tabular}}}}"
    )


def _column_letters(page: Page, block: Table) -> str:
    """Columns as wide as what they hold, until the line is full; then the wide ones are broken."""
    rows = (block.columns, *block.rows)
    widths = [
        max(len(plain_text(row[at], page.writer.digits)) if at < len(row) else 0 for row in rows)
        for at in range(len(block.columns))
    ]
    letters = block.alignments()[: len(widths)]
    if sum(widths) <= LINE_LENGTH:
        return letters
    share = LINE_LENGTH / len(widths)
    narrow = sum(width for width in widths if width <= share)
    wide = sum(width for width in widths if width > share)
    room = max(LINE_LENGTH - narrow, share) / LINE_LENGTH * 0.88  # the rest goes between the columns
    return "".join(
        letter
        if width <= share
        else rf">{{{COLUMN_LETTERS[letter]}\arraybackslash}}p{{{room * width / wide:.3f}\linewidth}}"
        for letter, width in zip(letters, widths, strict=True)
    )


def _listing(page: Page, block: Listing) -> str:
    if not block.items:
        return ""
    name = "enumerate" if block.ordered else "itemize"
    items = "".join(f"\\item {_inline(page, item)}\n" for item in block.items)
    tight = r"\setlength{\itemsep}{0pt}\setlength{\parskip}{0pt}"
    return f"\\begin{{{name}}}{tight}\n{items}\\end{{{name}}}"


def _code(_page: Page, block: CodeBlock) -> str:
    # A strut keeps an empty line open and the spaces at a line's start from being dropped.
    lines = [rf"\strut {escape_code(line).replace(' ', '~')}" for line in visible_lines(block.content)]
    body = " \\\\\n".join(lines)
    return f"\\begin{{quote}}\\small\\ttfamily\\raggedright\n{body}\n\\end{{quote}}"


def _figure(page: Page, block: Figure) -> str:
    share = min(0.96 / min(max(len(block.pictures), 1), 3), 0.7)
    cells = "\\hfil\n".join(_picture(page, picture, share) for picture in block.pictures)
    caption = f"\n\n{{\\small {_inline(page, block.caption)}}}" if block.caption else ""
    return f"\\begin{{center}}\n{cells}{caption}\n\\end{{center}}"


def _picture(page: Page, picture: Picture, share: float) -> str:
    caption = f"\\\\\n{{\\footnotesize {_inline(page, picture.caption)}}}" if picture.caption else ""
    name, alternative = page.files[picture], escape_text(picture.alternative)
    return (
        f"\\begin{{minipage}}[t]{{{share:.3f}\\linewidth}}\\centering\n"
        f"\\shownpicture{{\\linewidth}}{{{name}}}{{{alternative}}}{caption}\n\\end{{minipage}}"
    )


def _gallery(page: Page, block: Gallery) -> str:
    return _blocks(page, as_sections(block))


def _plan(page: Page, block: Plan) -> str:
    return _paragraph(page, Paragraph(drawing_words(block)))


def _plot(page: Page, block: Plot) -> str:
    return "\n\n".join(_paragraph(page, Paragraph(words)) for words in chart_words(block))


def _finding(page: Page, block: Finding) -> str:
    return rf"\finding{{{block.kind}}}{{{LABELS[block.kind]}}}{{{_inline(page, block.content)}}}"


def _hidden(page: Page, block: Hidden) -> str:
    remedy = f": {_inline(page, block.remedy)}" if block.remedy else ""
    return rf"{{\small\color{{muted}}$\vdots$ {block.count} {escape_text(block.what)} not shown{remedy}\par}}"


LATEX: Mapping[type[Any], Callable[[Page, Any], str]] = MappingProxyType(
    {
        Section: _section,
        Paragraph: _paragraph,
        Formula: _formula,
        MatrixView: _matrix,
        MatrixRow: _matrix_row,
        Table: _table,
        Listing: _listing,
        CodeBlock: _code,
        Figure: _figure,
        Gallery: _gallery,
        Plan: _plan,
        Plot: _plot,
        Finding: _finding,
        Hidden: _hidden,
    }
)
