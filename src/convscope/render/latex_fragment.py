r"""A document for a notebook's MathJax: displays, and paragraphs whose special characters are formulas.

Set as inline formulas, a ``$`` or ``\`` in a user's words is literal for MathJax, which reads
nothing else in running text, and for TeX, which reads everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    Inline,
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
from convscope.render.formula import Writer
from convscope.render.gallery import as_sections
from convscope.render.grid import hidden_words
from convscope.render.latex_math import LINE_END, display, mathjax_writer
from convscope.render.latex_matrix import OPERATORS, mathjax_matrix
from convscope.render.latex_signs import math_words
from convscope.render.legend import legend
from convscope.render.literal import visible_line, visible_lines
from convscope.render.numbers import operators_as_shown
from convscope.render.pictures import picture_names
from convscope.render.share import percent
from convscope.render.sparks import spark
from convscope.render.words import chart_words, drawing_words

MARK_NAMES: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": r"$\boxed{\text{window}}$",
        "padding": r"$\scriptstyle\text{padding}$",
        "winner": r"$\mathbf{winner}$",
        "difference": r"$\underline{\text{difference}}$",
    }
)
LABELS: Mapping[FindingKind, str] = MappingProxyType(
    {"right": "Right", "wrong": "Wrong", "warning": "Warning", "note": "Note", "result": "Result"}
)
# MathJax gives up on a formula longer than its buffer of 5 KiB; a long table is set in parts.
LONGEST_FORMULA = 4000
_SPECIAL = re.compile(r"[\\$#%&_{}^~]")


@dataclass(frozen=True, slots=True)
class Page:
    """What every block is written for: the writer of its formulas and the pictures' file names."""

    writer: Writer
    files: Mapping[Picture, str]


def to_fragment(document: Document, *, digits: int) -> str:
    """The document as text with formulas, for a cell of a notebook."""
    page = Page(mathjax_writer(digits), picture_names(document))
    parts = [_heading(page, document.title)]
    explained = legend(document, MARK_NAMES)
    if explained:
        parts.append(f"Marks in the matrices: {explained}")
    parts += [_written(page, block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def _written(page: Page, block: Block) -> str:
    return rule_for(FRAGMENT, block, "writes a {}")(page, block)


def _words(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"${math_words(found[0])}$", visible_line(text))


def _inline(page: Page, content: Text) -> str:
    return "".join(
        _words(part) if isinstance(part, str) else f"${_in_formula(page, part)}$" for part in content
    )


def _formula_text(page: Page, content: Text, font: str = "mathrm") -> str:
    """A sentence within a display, where there is no running text."""
    return "".join(_in_formula(page, part, font) for part in content)


def _in_formula(page: Page, part: Inline, font: str = "mathrm") -> str:
    match part:
        case str():
            return math_words(part, font=font, keep_unicode=True)
        case Code():
            return math_words(part.text, font="mathtt", keep_unicode=True)
        case Strong():
            return math_words(part.text, font="mathbf", keep_unicode=True)
        case Share():
            return math_words(percent(part.part), font=font, keep_unicode=True)
        case Spark():
            return math_words(spark(part.line), font=font, keep_unicode=True)
        case Explained() | Reference():
            return _formula_text(page, part.content, font)
        case _:
            return page.writer.write(part)


def _display(body: str) -> str:
    return f"$$\n{body}\n$$"


def _array(letters: str, lines: Sequence[str]) -> str:
    body = LINE_END.join(lines)
    return _display(f"\\begin{{array}}{{{letters}}}\n{body}\n\\end{{array}}")


def _heading(page: Page, title: Text) -> str:
    return _display(_formula_text(page, title, "mathbf"))


def _section(page: Page, block: Section) -> str:
    return "\n\n".join([_heading(page, block.title), *(_written(page, part) for part in block.blocks)])


def _paragraph(page: Page, block: Paragraph) -> str:
    return _inline(page, block.content)


def _formula(page: Page, block: Formula) -> str:
    return _display(display(page.writer, block.expression))


def _captioned(page: Page, view: MatrixView) -> str:
    hidden = hidden_words(view)
    words = _formula_text(page, view.caption) + (math_words(f" ({hidden})") if hidden else "")
    written = mathjax_matrix(view, page.writer)
    return rf"\underset{{{words}}}{{{written}}}" if words else written


def _matrix(page: Page, block: MatrixView) -> str:
    return _display(_captioned(page, block))


def _matrix_row(page: Page, block: MatrixRow) -> str:
    operators = [OPERATORS[sign] for sign in operators_as_shown(block, page.writer.digits)]
    pairs = zip((_captioned(page, item) for item in block.items), (*operators, ""), strict=True)
    return _display("\n".join(part for pair in pairs for part in pair if part))


def _table(page: Page, block: Table) -> str:
    caption = [_inline(page, block.caption)] if block.caption else []
    if not block.columns:
        return "\n\n".join(caption)
    head = " & ".join(_formula_text(page, cell, "mathbf") for cell in block.columns)
    rows = [" & ".join(_formula_text(page, cell) for cell in row[: len(block.columns)]) for row in block.rows]
    parts: list[list[str]] = [[head]]
    for row in rows:
        if sum(map(len, parts[-1])) + len(row) > LONGEST_FORMULA and len(parts[-1]) > 1:
            parts.append([head])
        parts[-1].append(row if len(parts[-1]) > 1 else rf"\hline {row}")
    return "\n\n".join([*caption, *(_array(block.alignments(), lines) for lines in parts)])


def _listing(page: Page, block: Listing) -> str:
    leads = (f"{number}. " if block.ordered else "• " for number in range(1, len(block.items) + 1))
    return "\n\n".join(lead + _inline(page, item) for lead, item in zip(leads, block.items, strict=True))


def _code(_page: Page, block: CodeBlock) -> str:
    lines = visible_lines(block.content)
    return _array("l", [math_words(line, font="mathtt", keep_unicode=True) for line in lines])


def _figure(page: Page, block: Figure) -> str:
    lines = []
    for picture in block.pictures:
        caption = f" — {_inline(page, picture.caption)}" if picture.caption else ""
        lines.append(f"[{page.files[picture]}] {_words(picture.alternative)}{caption}")
    return "\n\n".join([*lines, *([_inline(page, block.caption)] if block.caption else [])])


def _gallery(page: Page, block: Gallery) -> str:
    return "\n\n".join(_written(page, section) for section in as_sections(block))


def _plan(page: Page, block: Plan) -> str:
    return _paragraph(page, Paragraph(drawing_words(block)))


def _plot(page: Page, block: Plot) -> str:
    return "\n\n".join(_paragraph(page, Paragraph(words)) for words in chart_words(block))


def _finding(page: Page, block: Finding) -> str:
    return rf"$\mathbf{{{LABELS[block.kind]}}}$: {_inline(page, block.content)}"


def _hidden(page: Page, block: Hidden) -> str:
    remedy = f": {_inline(page, block.remedy)}" if block.remedy else ""
    return rf"$\vdots$ {block.count} {_words(block.what)} not shown{remedy}"


FRAGMENT: Mapping[type[Any], Callable[[Page, Any], str]] = MappingProxyType(
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
