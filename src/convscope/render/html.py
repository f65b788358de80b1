"""A document as one self-contained HTML page, or as a fragment for a notebook cell.

Formulas are MathML and pictures are part of the page: nothing is fetched and no script is needed.
The markup is well-formed XML too, so that other programs can read it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
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
from convscope.core.plot_layout import laid_out
from convscope.errors import rule_for
from convscope.render import mathml
from convscope.render.formula import Writer
from convscope.render.grid import GridCell, hidden_words, lay_out
from convscope.render.html_frame import policy, scripts, style
from convscope.render.html_gallery import Writers, card_anchor, gallery_markup
from convscope.render.legend import roles_in
from convscope.render.literal import visible_line, visible_lines
from convscope.render.mathml import escape
from convscope.render.numbers import Ratio, column_decimals, operators_as_shown
from convscope.render.pictures import png_bytes
from convscope.render.plain import bare_number, plain_text
from convscope.render.share import percent
from convscope.render.svg import spark_element, svg_element
from convscope.render.words import MARKS, VERDICTS

DEEPEST_HEADING = 6
# With fewer sections than this a table of contents is longer than the way to scroll.
FEWEST_CONTENTS = 3
# The inner sections are listed too, unless that makes the contents a page of their own.
MOST_CONTENTS = 40

# A picture narrower than this is drawn enlarged, a whole number of screen pixels a pixel.
SMALL_PICTURE = 192
# A matrix of more characters than this in a row may be wider than a narrow screen.
NARROW_SCREEN = 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands, and how it is written there.

    Attributes:
        digits: how many decimals a rounded number carries.
        formulas: writes formulas.
        level: of the next heading, 1 to 6.
        anchor: the name of the section round the block, for links; None in a fragment, where
            the names of two cells could clash.
    """

    digits: int
    formulas: Writer
    level: int
    anchor: str | None

    def inside(self, number: int) -> Place:
        """The place of the section with this number among its neighbours."""
        return replace(self, anchor=None if self.anchor is None else f"{self.anchor}-{number}")


def to_html(document: Document, *, digits: int) -> str:
    """The document as one page that stands alone."""
    script = scripts(document)
    place = Place(digits, mathml.writer(digits), level=2, anchor="section")
    title = _text(place, document.title)
    return f"""<!DOCTYPE html>
<html lang="{escape(document.language)}">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="{policy(script)}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{escape(plain_text(document.title, digits)) or "convscope"}</title>
<style>
{style("fragment.css")}{style("page.css")}</style>
</head>
<body>
<div class="convscope">
<a class="skip" href="#content">Skip to the content</a>
<header class="title"><h1>{title}</h1></header>
{_contents(place, document.blocks)}<main id="content" tabindex="-1">
{_key(document)}{_blocks(place, document.blocks)}</main>
</div>
{f"<script>{script}</script>" if script else ""}</body>
</html>
"""


def to_fragment(document: Document, *, digits: int) -> str:
    """The document's body for a notebook cell: it brings its style along and names no element."""
    place = Place(digits, mathml.writer(digits), level=4, anchor=None)
    return (
        f'<div class="convscope" lang="{escape(document.language)}">\n'
        f"<style>\n{style('fragment.css')}</style>\n<h3>{_text(place, document.title)}</h3>\n"
        f"{_key(document)}{_blocks(place, document.blocks)}</div>\n"
    )


# --- the frame of the page -------------------------------------------------------------------


def _contents(place: Place, blocks: tuple[Block, ...]) -> str:
    sections = [block for block in blocks if isinstance(block, Section)]
    if len(sections) < FEWEST_CONTENTS:
        return ""
    inner = sum(isinstance(block, Section) for section in sections for block in section.blocks)
    depth = 2 if len(sections) + inner <= MOST_CONTENTS else 1
    entries = _contents_list(place, blocks, depth)
    heading = '<h2 id="contents">Contents</h2>'
    return f'<nav class="contents" aria-labelledby="contents">{heading}\n{entries}</nav>\n'


def _contents_list(place: Place, blocks: tuple[Block, ...], depth: int) -> str:
    entries = [
        f'<li><a href="#{where.anchor}">{_text(place, block.title)}</a>'
        f"{_contents_list(where, block.blocks, depth - 1) if depth > 1 else ''}</li>\n"
        for where, block in _placed(place, blocks)
        if isinstance(block, Section)
    ]
    return f"<ol>\n{''.join(entries)}</ol>\n" if entries else ""


def _placed(place: Place, blocks: tuple[Block, ...]) -> Iterator[tuple[Place, Block]]:
    """Each block with its place: sections are numbered among their neighbours."""
    number = 0
    for block in blocks:
        if isinstance(block, Section):
            number += 1
            yield place.inside(number), block
        else:
            yield place, block


def _key(document: Document) -> str:
    """What the marks in the matrices mean: the roles that occur, once at the top."""
    roles = roles_in(document)
    samples = [
        f'<span><table class="cells" aria-hidden="true"><tbody><tr><td class="{LOOKS[role]}">'
        f'<span class="figure">7</span></td></tr></tbody></table> {words}</span>'
        for role, words in MARKS.items()
        if role in roles
    ]
    return f'<div class="key"><span>In the matrices:</span> {" ".join(samples)}</div>\n' if samples else ""


# --- inside a sentence -----------------------------------------------------------------------


def _text(place: Place, content: Text) -> str:
    return "".join(_inline(place, part) for part in content)


def _inline(place: Place, part: Inline) -> str:
    match part:
        case str():
            return escape(part)
        case Code():
            return f"<code>{escape(part.text)}</code>"
        case Strong():
            return f"<strong>{escape(part.text)}</strong>"
        case Share():
            return _share(part)
        case Spark():
            return spark_element(part.line, visible_line(part.alternative))
        case Explained():
            return _explained(place, part)
        case Reference():
            return _reference(place, part)
        case _:
            # A number among words is set like them.
            return bare_number(part, place.digits) or mathml.inline(place.formulas, part)


def _share(share: Share) -> str:
    # The bar's length is a number of the style's and of nothing else; the figure beside it says the same.
    length = f"{min(max(float(share.part), 0.0), 1.0) * 100:.2f}%"
    return (
        f'<span class="share"><span class="share-bar" aria-hidden="true">'
        f'<span style="width: {length}"></span></span> '
        f'<span class="share-figure">{escape(percent(share.part))}</span></span>'
    )


def _explained(place: Place, part: Explained) -> str:
    """Words that show why when they are pointed at or reached with the tabulator key."""
    return (
        f'<span class="why" tabindex="0">{_text(place, part.content)}'
        f'<span class="because" role="note">{_text(place, part.explanation)}</span></span>'
    )


def _reference(place: Place, part: Reference) -> str:
    words = _text(place, part.content)
    return words if place.anchor is None else f'<a href="#{card_anchor(part.card)}">{words}</a>'


def _caption(place: Place, content: Text) -> str:
    return f"<figcaption>{_text(place, content)}</figcaption>" if content else ""


def _region(name: str, css: str, label: str) -> str:
    """Attributes of a box that scrolls on its own and can be reached and named by keyboard users."""
    return f'<{name} class="{css}" tabindex="0" role="region" aria-label="{escape(label)}">'


# --- one function for each node type ---------------------------------------------------------


def _blocks(place: Place, blocks: tuple[Block, ...]) -> str:
    return "".join(_block(where, block) for where, block in _placed(place, blocks))


def _block(place: Place, block: Block) -> str:
    return rule_for(RULES, block, "writes a {} as HTML")(place, block)


def _section(place: Place, block: Section) -> str:
    name = "" if place.anchor is None else f' id="{place.anchor}"'
    level = min(place.level, DEEPEST_HEADING)
    inner = _blocks(replace(place, level=place.level + 1), block.blocks)
    return f"<section>\n<h{level}{name}>{_text(place, block.title)}</h{level}>\n{inner}</section>\n"


def _paragraph(place: Place, block: Paragraph) -> str:
    return f"<p>{_text(place, block.content)}</p>\n"


def _formula(place: Place, block: Formula) -> str:
    written = mathml.display(place.formulas, block.expression)
    wide = mathml.length(written) > NARROW_SCREEN
    start = _region("div", "formula", "Formula") if wide else '<div class="formula">'
    return f"{start}{written}</div>\n"


def _matrix(place: Place, block: MatrixView) -> str:
    grid = lay_out(block, place.digits)
    rows = "".join(f"<tr>{''.join(_cell(place, cell) for cell in line)}</tr>\n" for line in grid)
    label = escape(plain_text(block.caption, place.digits)) or "Matrix"
    # Figures with one number of decimals line up at the right; others read better centred.
    values = (value for row in block.rows for value in row)
    css = "cells" if column_decimals(values, place.digits) is None else "cells lined-up"
    widest = max((sum(_characters(cell) + 2 for cell in line) for line in grid), default=0)
    start = _region("div", "scroll", label) if widest > NARROW_SCREEN else '<div class="scroll">'
    note = hidden_words(block)
    after = f'<p class="hidden-note">{note}</p>' if note else ""
    return (
        f'<figure class="matrix">{_caption(place, block.caption)}{start}\n'
        f'<table class="{css}" aria-label="{label}"><tbody>\n{rows}</tbody></table></div>{after}</figure>\n'
    )


def _cell(place: Place, cell: GridCell) -> str:
    roles = [role for role in SAID if role in cell.roles]
    gap = ("gap",) * cell.is_gap
    classes = " ".join((*gap, *roles, *(f"edge-{side}" for side in sorted(cell.outline))))
    css = f' class="{classes}"' if classes else ""
    words = ", ".join(("hidden",) * cell.is_gap + tuple(SAID[role] for role in roles))
    said = f'<span class="said"> {words}</span>' if words else ""
    return f"<td{css}>{_figure_in_cell(place, cell)}{said}</td>"


def _figure_in_cell(place: Place, cell: GridCell) -> str:
    match cell.content:
        case str() as figure if cell.is_gap:
            return f'<span aria-hidden="true">{figure}</span>'
        case str() as figure:
            # A minus sign is as wide as a plus sign, and is spoken.
            return f'<span class="figure">{figure.replace("-", "−")}</span>'
        case Ratio() as ratio:
            return f'<math class="figure">{mathml.number_markup(ratio)}</math>'
        case formula:
            return mathml.inline(place.formulas, formula)


def _characters(cell: GridCell) -> int:
    """How wide the cell's content is, about, in characters."""
    match cell.content:
        case str() as figure:
            return len(figure)
        case Ratio() as ratio:
            return len(str(ratio.denominator))
        case _:
            return NARROW_SCREEN // 4


def _matrix_row(place: Place, block: MatrixRow) -> str:
    operators = ("", *(_operator(operator) for operator in operators_as_shown(block, place.digits)))
    # An operator stays with the matrix after it, so that a line that is broken begins with it.
    pieces = "".join(
        f'<div class="led">{operator}{_matrix(place, item)}</div>\n'
        for operator, item in zip(operators, block.items, strict=False)
    )
    captioned = " captioned" if any(item.caption for item in block.items) else ""
    return f'<div class="side-by-side{captioned}">\n{pieces}</div>\n'


def _operator(operator: str) -> str:
    words = SPOKEN.get(operator)
    if words is None:
        return f'<span class="operator word">{escape(operator)}</span>\n'
    css = "operator star" if operator == "⋆" else "operator"
    return f'<span class="{css}" role="img" aria-label="{words}">{operator}</span>\n'


def _table(place: Place, block: Table) -> str:
    sides = [f' class="{letter}"' if letter in "rc" else "" for letter in block.alignments()]
    heads = "".join(
        f'<th scope="col"{side}>{_text(place, head)}</th>'
        for side, head in zip(sides, block.columns, strict=False)
    )
    rows = "".join(
        f"<tr>{''.join(_table_cell(place, *pair) for pair in zip(sides, row, strict=False))}</tr>\n"
        for row in block.rows
    )
    caption = f"<caption>{_text(place, block.caption)}</caption>" if block.caption else ""
    label = plain_text(block.caption, place.digits) or "Table"
    return (
        f"{_region('div', 'scroll rows-frame', label)}\n"
        f'<table class="rows{" sortable" if block.sortable else ""}">{caption}\n'
        f"<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _table_cell(place: Place, side: str, content: Text) -> str:
    return f"<td{side}>{_text(place, content)}</td>"


def _listing(place: Place, block: Listing) -> str:
    name = "ol" if block.ordered else "ul"
    items = "".join(f"<li>{_text(place, item)}</li>\n" for item in block.items)
    return f"<{name}>\n{items}</{name}>\n"


def _code_block(_: Place, block: CodeBlock) -> str:
    lines = "\n".join(html.escape(line) for line in visible_lines(block.content))
    # The newline after <pre> would be dropped by a parser; an empty first line must not be.
    return f'<pre tabindex="0" role="region" aria-label="Code"><code>{lines}</code></pre>\n'


def _figure(place: Place, block: Figure) -> str:
    several = " several" if len(block.pictures) > 1 else ""
    pictures = "".join(_picture(place, picture) for picture in block.pictures)
    caption = _caption(place, block.caption)
    return f'<figure>\n<div class="pictures{several}">\n{pictures}</div>\n{caption}</figure>\n'


def _source(picture: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_bytes(picture)).decode('ascii')}"


def _picture(place: Place, picture: Picture) -> str:
    height, width = picture.pixels.shape[:2]
    times = max(1, SMALL_PICTURE // max(height, width))
    css = ' class="enlarged"' if times > 1 else ""
    return (
        f'<figure><img{css} alt="{escape(picture.alternative)}" width="{width * times}" '
        f'height="{height * times}" src="{_source(picture)}"/>'
        f"{_caption(place, picture.caption)}</figure>\n"
    )


def _gallery(place: Place, block: Gallery) -> str:
    inside = replace(place, level=place.level + 2)
    writers = Writers(
        partial(_text, place), partial(_blocks, inside), _source, place.level, place.digits, place.anchor
    )
    return gallery_markup(block, writers)


def _plan(place: Place, block: Plan) -> str:
    label = plain_text((block.drawing.title,), place.digits)
    return (
        f"<figure>\n{_region('div', 'scroll plan', label)}\n{svg_element(block.drawing)}</div>\n"
        f"{_caption(place, block.caption)}</figure>\n"
    )


def _plot(place: Place, block: Plot) -> str:
    charts = "".join(
        f'<div class="chart {chart.size}">\n{svg_element(laid_out(chart))}</div>\n' for chart in block.charts
    )
    label = escape(visible_line(block.charts[0].title)) if block.charts else "Plot"
    return (
        f'<figure>\n<div class="charts" role="group" aria-label="{label}">\n{charts}</div>\n'
        f"{_caption(place, block.caption)}</figure>\n"
    )


def _finding(place: Place, block: Finding) -> str:
    sign, word = VERDICTS[block.kind]
    return (
        f'<div class="finding {block.kind}"><p><span class="verdict"><span aria-hidden="true">{sign}</span> '
        f"{word}:</span> {_text(place, block.content)}</p></div>\n"
    )


def _hidden(place: Place, block: Hidden) -> str:
    remedy = f": {_text(place, block.remedy)}" if block.remedy else ""
    return f'<p class="left-out">⋮ {block.count} {escape(block.what)} not shown{remedy}</p>\n'


RULES: Mapping[type[Any], Callable[[Place, Any], str]] = MappingProxyType(
    {
        Paragraph: _paragraph,
        Formula: _formula,
        MatrixView: _matrix,
        MatrixRow: _matrix_row,
        Table: _table,
        Listing: _listing,
        CodeBlock: _code_block,
        Figure: _figure,
        Gallery: _gallery,
        Plan: _plan,
        Plot: _plot,
        Finding: _finding,
        Hidden: _hidden,
        Section: _section,
    }
)

# The words a screen reader says after a marked figure.
SAID: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": "in the window",
        "winner": "winner",
        "padding": "padding",
        "difference": "differs",
    }
)

# How the key draws a role: the classes of its sample.
LOOKS: Mapping[MarkRole, str] = MappingProxyType(
    {
        "window": "window edge-top edge-right edge-bottom edge-left",
        "winner": "winner",
        "padding": "padding",
        "difference": "difference",
    }
)

SPOKEN: Mapping[str, str] = MappingProxyType(
    {
        "⊙": "times, cell by cell",
        "=": "equals",
        "≈": "is about",
        "→": "becomes",
        "∗": "convolved with",
        "⋆": "cross-correlated with",
    }
)
