"""A document on the terminal, in colour where there is colour, and legible without it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Line

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
from convscope.core.expression import Relation
from convscope.errors import rule_for
from convscope.render.ascii_signs import in_plain_signs
from convscope.render.formula import Writer, chain
from convscope.render.gallery import as_sections
from convscope.render.grid import hidden_words
from convscope.render.legend import legend
from convscope.render.literal import visible_line, visible_lines
from convscope.render.numbers import operators_as_shown
from convscope.render.pictures import picture_names
from convscope.render.plot_text import chart_lines
from convscope.render.share import bar, percent
from convscope.render.sparks import spark
from convscope.render.terminal_matrix import OVERHANG, Captioned, Drawing, beside, draw
from convscope.render.text_math import writer
from convscope.render.words import drawing_words

INDENT = 2
NARROWEST = 20
# Cells of at most so many characters stay on one line, if other columns keep so many each.
LONGEST_FIGURES = (18, 11)
NARROWEST_WORDS = 8
# A narrower page shows a share by its figure alone.
BAR_ROOM = 96
COLUMN_GAP = 3
CAPTION = "italic"
CODE = "cyan"
BAR = "blue"
MARK_NAMES: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": "┏━┓ window",
        "padding": "╭┄╮ padding outside",
        "winner": "* winner",
        "difference": "≠ difference",
    }
)
FINDINGS: Mapping[FindingKind, tuple[str, str]] = MappingProxyType(
    {
        "right": ("✓ right", "bold green"),
        "wrong": ("✗ wrong", "bold red"),
        "warning": ("! warning", "bold yellow"),
        "note": ("› note", "bold blue"),
        "result": ("» result", "bold magenta"),
    }
)
LONGEST_LABEL = max(len(label) for label, _ in FINDINGS.values())


@dataclass(frozen=True, slots=True)
class Page:
    """What every block is drawn for: the writer of its formulas, the width, the pictures' file names."""

    writer: Writer
    width: int
    files: Mapping[Picture, str]
    depth: int = 0

    def narrower(self, columns: int) -> Page:
        """The page with a margin of so many columns."""
        return Page(self.writer, max(self.width - columns, NARROWEST), self.files, self.depth)

    def deeper(self) -> Page:
        """The page for what belongs under a heading."""
        return Page(self.writer, self.width, self.files, self.depth + 1)


def to_text(document: Document, *, digits: int, width: int) -> str:
    """The document as plain text: no colour, no escape sequences, lines of at most `width` columns.

    Only what cannot be broken, such as one cell of a matrix that is wider, runs over.
    """
    target = io.StringIO()
    console = Console(
        file=target,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        _environ={},
    )
    print_document(document, digits=digits, console=console)
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())


def print_document(document: Document, *, digits: int, console: Console | None = None) -> None:
    """Print the document; colour, NO_COLOR, width and encoding are the console's affair."""
    console = console or Console()
    if console.options.ascii_only:
        written = to_text(document, digits=digits, width=console.width)
        console.file.write(in_plain_signs(written, console.encoding))
        return
    page = Page(writer(digits), max(console.width, NARROWEST), picture_names(document))
    parts: list[RenderableType] = [_heading(page, document.title)]
    explained = legend(document, MARK_NAMES)
    if explained:
        parts.append(Line(f"Marks in the matrices: {explained}", style="dim"))
    parts.append(Line())
    parts += _stack(page.deeper(), document.blocks)
    for part in parts:
        console.print(part, soft_wrap=False, crop=False, overflow="fold", highlight=False)


def _stack(page: Page, blocks: Sequence[Block]) -> Iterator[RenderableType]:
    """The blocks from top to bottom, with an empty line where a new thought begins."""
    for before, block in pairwise((None, *blocks)):
        if before is not None and (type(before), type(block)) not in CLOSE:
            yield Line()
        yield _drawn(page, block)


# Pairs that read as one: a sentence and its formula, a picture and its formula, finding after finding.
CLOSE = {
    (Paragraph, Formula),
    (Formula, Formula),
    (MatrixView, Formula),
    (MatrixRow, Formula),
    (Formula, Finding),
    (Finding, Finding),
}


def _drawn(page: Page, block: Block | None) -> RenderableType:
    return rule_for(TERMINAL, block, "draws a {}")(page, block)


def _inline(page: Page, content: Text, style: str = "") -> Line:
    line = Line(style=style)
    for part in content:
        match part:
            case str():
                line.append(visible_line(part))
            case Code():
                line.append(visible_line(part.text), style=CODE)
            case Strong():
                line.append(visible_line(part.text), style="bold")
            case Share():
                line.append(f"{bar(part.part)} " if page.width >= BAR_ROOM - INDENT else "", style=BAR)
                line.append(f"{percent(part.part):>6}")
            case Spark():
                line.append(spark(part.line), style=BAR)
            case Explained() | Reference():
                line.append_text(_inline(page, part.content))
            case _:
                line.append(page.writer.write(part))
    return line


def _heading(page: Page, title: Text) -> RenderableType:
    written = _inline(page, title, "bold")
    if page.depth > 1:
        return Line.assemble(("▪ ", "bold"), written)
    length = min(written.cell_len, page.width)
    return Group(written, Line(("═", "─")[page.depth] * length, style="dim"))


def _section(page: Page, block: Section) -> RenderableType:
    return Group(_heading(page, block.title), *_stack(page.deeper(), block.blocks))


def _paragraph(page: Page, block: Paragraph) -> RenderableType:
    return _inline(page, block.content)


def _formula(page: Page, block: Formula) -> RenderableType:
    return _indented(*_formula_lines(page.narrower(INDENT), block))


def _formula_lines(page: Page, block: Formula) -> list[Line]:
    """The formula on one line, or broken at its signs, each sign under the first."""
    node = block.expression
    whole = page.writer.write(node)
    if len(whole) <= page.width or not isinstance(node, Relation):
        return _wrapped(page, "", whole, INDENT)
    (_, first), *rest = chain(page.writer, node)
    margin = len(first) + 1
    if margin > page.width // 3:
        lines, margin = _wrapped(page, "", first, INDENT), INDENT
        leads = [" " * margin for _ in rest]
    else:
        lines = []
        leads = [f"{first} ", *(" " * margin for _ in rest[1:])]
    for lead, (sign, part) in zip(leads, rest, strict=True):
        lines += _wrapped(page, f"{lead}{sign} ", part, margin + len(sign) + 1)
    return lines


def _wrapped(page: Page, lead: str, written: str, margin: int) -> list[Line]:
    lines = _broken(Line(written), max(page.width - margin, NARROWEST))
    return [Line(lead if at == 0 else " " * margin) + line for at, line in enumerate(lines)]


def _broken(line: Line, width: int) -> list[Line]:
    # Rich takes only the tab size from the console that it asks for here.
    console = Console(file=io.StringIO(), width=width, _environ={})
    return list(line.wrap(console, width, overflow="fold")) if line else []


def _indented(*parts: RenderableType) -> RenderableType:
    return Padding(Group(*parts), (0, 0, 0, INDENT), expand=False)


def _caption(page: Page, view: MatrixView) -> Line:
    caption = _inline(page, view.caption, CAPTION)
    hidden = hidden_words(view)
    if hidden:
        caption.append(f" ({hidden})" if view.caption else hidden)
    return caption


def _lines(drawings: Sequence[Drawing]) -> Iterator[Line]:
    for drawing in drawings:
        for line in drawing.lines:
            line.no_wrap, line.overflow = True, "ignore"
            yield line


def _matrix(page: Page, block: MatrixView) -> RenderableType:
    caption = _caption(page, block)
    drawings = draw(block, page.writer.digits, page.width - INDENT)
    return _indented(*((caption,) if caption else ()), *_lines(drawings))


def _matrix_row(page: Page, block: MatrixRow) -> RenderableType:
    operators = operators_as_shown(block, page.writer.digits)
    room = page.width - INDENT
    drawn = [draw(item, page.writer.digits, room) for item in block.items]
    if all(len(drawings) == 1 for drawings in drawn):
        row = beside(
            [
                Captioned(_caption_lines(page, item, drawing.width), drawing, operator)
                for item, (drawing,), operator in zip(block.items, drawn, (*operators, ""), strict=True)
            ]
        )
        if row.width <= room:
            return _indented(*_lines((row,)))
    parts: list[RenderableType] = []
    for item, operator in zip(block.items, ("", *operators), strict=True):
        parts += [Line(operator, style="bold")] if operator else []
        parts.append(_matrix(page.narrower(INDENT), item))
    return Group(*parts)


def _caption_lines(page: Page, view: MatrixView, width: int) -> tuple[Line, ...]:
    caption = _caption(page, view)
    longest_word = max(map(cell_len, caption.plain.split()), default=0)
    return tuple(_broken(caption, max(width + OVERHANG, min(longest_word, page.width))))


def _table(page: Page, block: Table) -> RenderableType:
    justify = {"l": "left", "c": "center", "r": "right"}
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    lines = [[_inline(page, cell) for cell in row] for row in block.rows]
    heads = [_inline(page, head) for head in block.columns]
    kept = _kept_whole(page.width - INDENT, [heads, *lines])
    for head, letter, whole in zip(heads, block.alignments(), kept, strict=False):
        grid.add_column(head, justify=justify[letter], overflow="fold", no_wrap=whole)  # type: ignore[arg-type]
    for line in lines:
        grid.add_row(*line)
    caption = _inline(page, block.caption, CAPTION)
    return _indented(*((caption,) if caption else ()), grid)


def _kept_whole(room: int, rows: Sequence[Sequence[Line]]) -> list[bool]:
    """Which columns have cells that are never broken: those of figures, where there is room for words."""
    count = len(rows[0])
    widths = [max((row[at].cell_len for row in rows if at < len(row)), default=0) for at in range(count)]
    for longest in LONGEST_FIGURES:
        short = [width <= longest for width in widths]
        least = sum(width if whole else NARROWEST_WORDS for width, whole in zip(widths, short, strict=True))
        if least + COLUMN_GAP * (count - 1) <= room:
            return short
    return [False] * count


def _hanging(lead: Line, content: Line, width: int) -> RenderableType:
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    grid.add_row(lead, content)
    return grid


def _listing(page: Page, block: Listing) -> RenderableType:
    leads = [f"{number}." if block.ordered else "•" for number in range(1, len(block.items) + 1)]
    width = max((len(lead) for lead in leads), default=1)
    return _indented(
        *(
            _hanging(Line(lead, justify="right"), _inline(page, item), width)
            for lead, item in zip(leads, block.items, strict=True)
        )
    )


def _code(_page: Page, block: CodeBlock) -> RenderableType:
    return _indented(*(Line.assemble(("│ ", "dim"), (line, CODE)) for line in visible_lines(block.content)))


def _figure(page: Page, block: Figure) -> RenderableType:
    parts: list[RenderableType] = []
    for picture in block.pictures:
        line = Line.assemble((f"[{page.files[picture]}]", CODE), " ", visible_line(picture.alternative))
        if picture.caption:
            line.append(" — ").append_text(_inline(page, picture.caption, CAPTION))
        parts.append(line)
    caption = _inline(page, block.caption, CAPTION)
    return _indented(*parts, *((caption,) if caption else ()))


def _gallery(page: Page, block: Gallery) -> RenderableType:
    return Group(*_stack(page, as_sections(block)))


def _plan(page: Page, block: Plan) -> RenderableType:
    return _inline(page, drawing_words(block))


def _plot(page: Page, block: Plot) -> RenderableType:
    parts: list[RenderableType] = []
    for chart in block.charts:
        parts += [Line()] if parts and chart.size == "wide" else []
        # The lines of the field are narrow enough; words are broken as everywhere.
        parts += map(Line, chart_lines(chart, page.width - INDENT))
    caption = _inline(page, block.caption, CAPTION)
    return _indented(*parts, *((caption,) if caption else ()))


def _finding(page: Page, block: Finding) -> RenderableType:
    label, style = FINDINGS[block.kind]
    return _hanging(Line(label, style=style), _inline(page, block.content), LONGEST_LABEL)


def _hidden(page: Page, block: Hidden) -> RenderableType:
    line = Line(f"⋮ {block.count} {visible_line(block.what)} not shown", style="dim")
    if block.remedy:
        line.append(": ").append_text(_inline(page, block.remedy))
    return line


TERMINAL: Mapping[type[Any], Callable[[Page, Any], RenderableType]] = MappingProxyType(
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
