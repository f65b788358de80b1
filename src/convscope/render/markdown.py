"""A document as Markdown that GitHub renders: pipe tables, alerts, mathematics.

What GitHub does with mathematics is known from its own pages and from what it refuses: it reads
``$`...`$`` only after a space or a bracket, and it stops after so many braces on one page. Past
them, formulas and matrices are set as text, so that a long solution stays readable to its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from convscope.core.expression import Expression, Number, Sizes
from convscope.errors import rule_for
from convscope.render import text_math
from convscope.render.formula import Writer, open_number
from convscope.render.gallery import as_sections
from convscope.render.grid import hidden_words
from convscope.render.latex_math import display, mathjax_writer
from convscope.render.latex_matrix import OPERATORS, mathjax_matrix
from convscope.render.legend import legend
from convscope.render.literal import visible_lines
from convscope.render.markdown_text import (
    code_span,
    escape,
    escape_alternative,
    longest_run,
    paragraph_start,
    strong,
)
from convscope.render.numbers import operators_as_shown
from convscope.render.pictures import picture_names
from convscope.render.share import percent
from convscope.render.sparks import spark
from convscope.render.terminal import to_text
from convscope.render.words import drawing_words

# GitHub's page element stops at 1000 opening braces in a formula and 2000 on a page; a margin is kept.
BRACES_OF_A_FORMULA = 900
BRACES_OF_A_PAGE = 1900
LONGEST_FORMULA = 4000  # characters; MathJax has a buffer of 5 KiB
TEXT_WIDTH = 100
DEEPEST_HEADING = 6

# Fenced blocks that GitHub draws instead of showing.
DRAWN_LANGUAGES = frozenset({"math", "mermaid", "geojson", "topojson", "stl"})

MARK_NAMES: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": "boxed: window",
        "padding": "small: padding",
        "winner": "bold: winner",
        "difference": "underlined: difference",
    }
)
ALERTS: Mapping[FindingKind, tuple[str, str]] = MappingProxyType(
    {
        "right": ("TIP", "✓ Right."),
        "wrong": ("CAUTION", "✗ Wrong."),
        "warning": ("WARNING", "Warning."),
        "note": ("NOTE", "Note."),
        "result": ("IMPORTANT", "Result."),
    }
)
RULES: Mapping[str, str] = MappingProxyType({"l": ":--", "c": ":-:", "r": "--:"})


class Budget:
    """How many braces the page may still hold."""

    def __init__(self) -> None:
        self.left = BRACES_OF_A_PAGE

    def covers(self, written: str) -> bool:
        """True when the formula may stand on the page; it is then counted."""
        braces = written.count("{")
        if braces > min(self.left, BRACES_OF_A_FORMULA) or len(written) > LONGEST_FORMULA:
            return False
        self.left -= braces
        return True


@dataclass(frozen=True, slots=True)
class Page:
    """What every block is written for: writers, the pictures' file names, depth, braces left."""

    writer: Writer
    text_writer: Writer
    files: Mapping[Picture, str]
    budget: Budget
    depth: int = 1
    in_table: bool = False


def to_markdown(document: Document, *, digits: int) -> str:
    """GitHub-flavoured Markdown; `pictures.picture_files` says which pictures belong beside it."""
    page = Page(mathjax_writer(digits), text_math.writer(digits), picture_names(document), Budget())
    parts = [f"# {_inline(page, document.title)}"]
    explained = legend(document, MARK_NAMES)
    if explained:
        parts.append(f"Marks in the matrices: {explained}.")
    inner = replace(page, depth=page.depth + 1)
    parts += [_written(inner, block) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _written(page: Page, block: Block) -> str:
    return rule_for(MARKDOWN, block, "writes a {}")(page, block)


def _inline(page: Page, content: Text) -> str:
    written = ""
    for part in content:
        piece = _inline_part(page, part)
        # GitHub reads a formula only between spaces or brackets; an empty element is as good.
        touches = piece.startswith("$`") and not re.search(r"(?:^|[\s(])\Z", written)
        follows = written.endswith("`$") and re.match(r"\\?[\w`$]", piece)
        written += ("<span></span>" if touches or follows else "") + piece
    return written


def _inline_part(page: Page, part: Inline) -> str:
    match part:
        case str():
            return escape(part)
        case Code():
            return code_span(part.text, in_table=page.in_table)
        case Strong():
            return strong(part.text)
        case Share():
            return escape(percent(part.part))
        case Spark():
            return escape(spark(part.line))
        case Explained() | Reference():
            return _inline(page, part.content)
        case _:
            return _inline_formula(page, part)


def _inline_formula(page: Page, node: Expression) -> str:
    if _is_plain(node):
        return escape(page.text_writer.write(node))
    written = page.writer.write(node)
    if page.budget.covers(written):
        return f"$`{written}`$"
    return code_span(page.text_writer.write(node), in_table=page.in_table)


def _is_plain(node: Expression) -> bool:
    """True for a number or sizes, which read well as text."""
    opened = open_number(node)
    return isinstance(opened, Number) or (
        isinstance(opened, Sizes)
        and all(isinstance(open_number(length), Number) for length in opened.lengths)
    )


def _line(page: Page, content: Text) -> str:
    return paragraph_start(_inline(page, content))


def _fenced(content: str, language: str = "") -> str:
    fence = "`" * max(longest_run(content) + 1, 3)
    return f"{fence}{language}\n{content}\n{fence}"


def _as_text(page: Page, block: Block) -> str:
    """The block as the terminal shows it, for a page that holds no more mathematics."""
    document = Document((), (block,))
    shown = to_text(document, digits=page.writer.digits, width=TEXT_WIDTH)
    return _fenced(shown.strip("\n"), "text")


def _section(page: Page, block: Section) -> str:
    marks = "#" * min(page.depth, DEEPEST_HEADING)
    inner = replace(page, depth=page.depth + 1)
    parts = (_written(inner, part) for part in block.blocks)
    return "\n\n".join([f"{marks} {_inline(page, block.title)}", *(part for part in parts if part)])


def _paragraph(page: Page, block: Paragraph) -> str:
    return _line(page, block.content)


def _formula(page: Page, block: Formula) -> str:
    written = display(page.writer, block.expression)
    return _fenced(written, "math") if page.budget.covers(written) else _as_text(page, block)


def _caption(page: Page, view: MatrixView) -> str:
    hidden = hidden_words(view)
    caption = _inline(page, view.caption)
    return f"{caption} ({hidden})" if caption and hidden else caption or hidden


def _matrix(page: Page, block: MatrixView) -> str:
    written = mathjax_matrix(block, page.writer)
    if not page.budget.covers(written):
        return _as_text(page, block)
    caption = paragraph_start(_caption(page, block))
    return "\n\n".join([*([caption] if caption else []), _fenced(written, "math")])


def _matrix_row(page: Page, block: MatrixRow) -> str:
    signs = operators_as_shown(block, page.writer.digits)
    matrices = [mathjax_matrix(item, page.writer) for item in block.items]
    written = _interleaved(matrices, [OPERATORS[sign] for sign in signs], "\n")
    if not page.budget.covers(written):
        return _as_text(page, block)
    captions = [_caption(page, item) for item in block.items]
    # The captions say in words what the matrices say in figures: window ⊙ kernel = products.
    said = _interleaved([caption or "…" for caption in captions], signs, " ") if any(captions) else ""
    return "\n\n".join([*([paragraph_start(said)] if said else []), _fenced(written, "math")])


def _interleaved(items: Sequence[str], signs: Sequence[str], gap: str) -> str:
    pairs = zip(items, (*signs, ""), strict=True)
    return gap.join(part for pair in pairs for part in pair if part)


def _table(page: Page, block: Table) -> str:
    caption = [_line(page, block.caption)] if block.caption else []
    if not block.columns:
        return "".join(caption)
    cells = replace(page, in_table=True)
    width = len(block.columns)
    lines = [
        _row([_inline(cells, head) for head in block.columns]),
        _row([RULES[letter] for letter in block.alignments()[:width]]),
    ]
    for row in block.rows:
        written = [_inline(cells, cell) for cell in row[:width]]
        lines.append(_row(written + [""] * (width - len(written))))
    return "\n\n".join([*caption, "\n".join(lines)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _listing(page: Page, block: Listing) -> str:
    leads = (f"{number}." if block.ordered else "-" for number in range(1, len(block.items) + 1))
    return "\n".join(f"{lead} {_line(page, item)}" for lead, item in zip(leads, block.items, strict=True))


def _code(_page: Page, block: CodeBlock) -> str:
    language = re.sub(r"[^A-Za-z0-9+-]", "", block.language)
    return _fenced(
        "\n".join(visible_lines(block.content)), "" if language.lower() in DRAWN_LANGUAGES else language
    )


def _figure(page: Page, block: Figure) -> str:
    images = [
        f"![{escape_alternative(picture.alternative)}]({page.files[picture]})" for picture in block.pictures
    ]
    caption = [_line(page, block.caption)] if block.caption else []
    if len(images) > 1:
        cells = replace(page, in_table=True)
        captions = [_inline(cells, picture.caption) for picture in block.pictures]
        images = ["\n".join([_row(images), _row([":-:"] * len(images)), _row(captions)])]
    else:
        caption = [*(_line(page, picture.caption) for picture in block.pictures if picture.caption), *caption]
    return "\n\n".join([*images, *caption])


def _gallery(page: Page, block: Gallery) -> str:
    return "\n\n".join(_written(page, section) for section in as_sections(block))


def _plan(page: Page, block: Plan) -> str:
    return _paragraph(page, Paragraph(drawing_words(block)))


def _plot(page: Page, block: Plot) -> str:
    return _as_text(page, block)


def _finding(page: Page, block: Finding) -> str:
    alert, label = ALERTS[block.kind]
    return f"> [!{alert}]\n> **{label}** {_inline(page, block.content)}"


def _hidden(page: Page, block: Hidden) -> str:
    remedy = f": {_inline(page, block.remedy)}" if block.remedy else ""
    return f"⋮ {block.count} {escape(block.what)} not shown{remedy}"


MARKDOWN: Mapping[type[Any], Callable[[Page, Any], str]] = MappingProxyType(
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
