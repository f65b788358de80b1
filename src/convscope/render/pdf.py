"""A document as PDF, through Typst: no TeX, no system font, no file of the user's is read.

Every user text reaches Typst as a string literal or a raw string, never as markup or code.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import zip_longest
from pathlib import Path
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
from convscope.errors import MissingExtraError, rule_for
from convscope.render import typst_math
from convscope.render.formula import Writer
from convscope.render.gallery import as_sections
from convscope.render.grid import GridCell, hidden_words, lay_out, window_boxes
from convscope.render.legend import roles_in
from convscope.render.literal import visible_lines
from convscope.render.numbers import CellForm, Ratio, operators_as_shown
from convscope.render.pictures import picture_files, picture_names, png_bytes
from convscope.render.plain import bare_number, plain_text
from convscope.render.share import percent
from convscope.render.svg import to_svg
from convscope.render.typst_math import literal, quoted
from convscope.render.words import MARKS, VERDICTS

# A picture's pixel on paper, where there is room: 0.6 points are 120 pixels an inch.
POINTS_PER_PIXEL = 0.6
SMALL_PICTURE = 110.0  # points: a picture of fewer pixels is enlarged to about this

# What words may announce.
ANNOUNCED = (Formula, MatrixView, MatrixRow, Table, Listing, CodeBlock, Figure, Plot)

# Scripts that Typst's own fonts can set. Any other one is looked for among the system's fonts.
_OWN_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "MICRO", "FEMININE", "MASCULINE", "MODIFIER", "SUPERSCRIPT")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands, and how it is written there.

    Attributes:
        digits: how many decimals a rounded number carries.
        formulas: writes formulas.
        pictures: the pictures' file names.
        level: of the next heading.
        leads: True when the block must stay on the page of the next one.
    """

    digits: int
    formulas: Writer
    pictures: Mapping[Picture, str]
    level: int = 1
    leads: bool = False


def to_pdf(document: Document, *, digits: int) -> bytes:
    """The document as a PDF file's bytes; the same document gives the same bytes.

    Raises:
        MissingExtraError: the typst package is not installed.
    """
    try:
        import typst  # late: an optional dependency
    except ImportError:
        raise MissingExtraError.for_extra("PDF output", "pdf") from None
    source = to_typst(document, digits=digits)
    # Typst can read nothing outside its root: this folder, which holds the pictures and nothing else.
    with tempfile.TemporaryDirectory(prefix="convscope-") as folder:
        root = Path(folder)
        for name, picture in picture_files(document).items():
            (root / name).write_bytes(png_bytes(picture))
        main = root / "document.typ"
        main.write_text(source, encoding="utf-8")
        return typst.compile(str(main), root=str(root), ignore_system_fonts=not _needs_more_scripts(source))


def to_typst(document: Document, *, digits: int) -> str:
    """The Typst source of the PDF; its pictures are named as `save` writes them."""
    place = Place(digits, typst_math.writer(digits), picture_names(document))
    title = literal(plain_text(document.title, digits))
    language = re.match(r"[a-zA-Z]{2,3}(?![a-zA-Z])", document.language)
    tag = quoted(language[0].lower() if language else "en")
    heading = _content(place, document.title)
    return (
        f"{_preamble()}\n"
        f"#show: handout.with(title: {title}, heading: {heading}, language: {tag})\n\n"
        f"{_key(document)}{_blocks(place, document.blocks)}"
    )


@cache
def _preamble() -> str:
    return resources.files("convscope.render").joinpath("page.typ").read_text(encoding="utf-8")


def _key(document: Document) -> str:
    """What the marks in the matrices mean: the roles that occur, once at the top."""
    roles = roles_in(document)
    entries = "".join(
        f"({quoted(role)}, {quoted(words)}), " for role, words in MARKS.items() if role in roles
    )
    return f"#key({entries})\n\n" if entries else ""


def _needs_more_scripts(source: str) -> bool:
    return any(
        character >= "\U0001f000"
        or (character.isalpha() and not unicodedata.name(character, "").startswith(_OWN_SCRIPTS))
        for character in source
    )


# --- inside a sentence -----------------------------------------------------------------------


def _content(place: Place, content: Text) -> str:
    """A sentence as a content block."""
    return f"[{''.join(_inline(place, part) for part in content)}]"


def _caption(place: Place, content: Text) -> str:
    return _content(place, content) if content else "none"


def _inline(place: Place, part: Inline) -> str:
    match part:
        case str():
            return f"#{literal(part)}"
        case Code():
            return f"#raw({literal(part.text)})"
        case Strong():
            return f"#strong({literal(part.text)})"
        case Share():
            return f"#share({float(part.part):.4f}, {quoted(percent(part.part))})"
        case Spark():
            return _spark(part)
        case Explained() | Reference():
            return "".join(_inline(place, inner) for inner in part.content)
        case _:
            # A number among words is set like them.
            number = bare_number(part, place.digits)
            return f"#{quoted(number)}" if number else typst_math.inline(place.formulas, part)


def _spark(part: Spark) -> str:
    heights = _tuple(["none" if height is None else f"{height:.3f}" for height in part.line.heights()])
    return f"#spark({heights})"


def _tuple(items: list[str]) -> str:
    """A Typst array; the comma at the end makes one item an array too."""
    return f"({''.join(f'{item}, ' for item in items)})"


# --- one function for each node type ---------------------------------------------------------


def _blocks(place: Place, blocks: tuple[Block, ...]) -> str:
    return "".join(
        _block(replace(place, leads=leads_on(block, after)), block)
        for block, after in zip_longest(blocks, blocks[1:])
    )


def leads_on(block: Block, after: Block | None) -> bool:
    """True when a page must not end between the two: words and what they announce, cells and their sum."""
    if isinstance(block, Paragraph):
        is_label = all(isinstance(part, Strong) for part in block.content)
        return isinstance(after, ANNOUNCED) or (is_label and isinstance(after, Paragraph))
    return isinstance(block, MatrixRow) and isinstance(after, Formula)


def _block(place: Place, block: Block) -> str:
    return f"{rule_for(RULES, block, 'writes a {} for PDF')(place, block)}\n\n"


def _section(place: Place, block: Section) -> str:
    inner = _blocks(replace(place, level=place.level + 1), block.blocks)
    return f"#heading(level: {place.level}, {_content(place, block.title)})\n\n{inner}"


def _paragraph(place: Place, block: Paragraph) -> str:
    return f"#{'lead' if place.leads else 'par'}({_content(place, block.content)})"


def _formula(place: Place, block: Formula) -> str:
    return typst_math.display(place.formulas, block.expression)


def _matrix(place: Place, block: MatrixView) -> str:
    return f"#matrix({_matrix_options(place, block)})"


def _matrix_row(place: Place, block: MatrixRow) -> str:
    items = [f"matrix-data({_matrix_options(place, item)})" for item in block.items]
    operators = [quoted(operator) for operator in operators_as_shown(block, place.digits)]
    return f"#matrix-row({_tuple(items)}, {_tuple(operators)}, leads: {str(place.leads).lower()})"


def _matrix_options(place: Place, view: MatrixView) -> str:
    rows = [_tuple([_cell(place, cell) for cell in line]) for line in lay_out(view, place.digits)]
    # The outline of a window is laid over the cells, and the cells of a gap count as cells.
    windows = [f"({', '.join(map(str, box))})" for box in window_boxes(view)]
    note = hidden_words(view)
    return (
        f"rows: {_tuple(rows)}, windows: {_tuple(windows)}, "
        f"caption: {_caption(place, view.caption)}, note: {quoted(note) if note else 'none'}"
    )


def _cell(place: Place, cell: GridCell) -> str:
    roles = [quoted(role) for role in (*sorted(cell.roles), *("gap",) * cell.is_gap)]
    return f"cell({', '.join([_figure_in_cell(place, cell.content), *roles])})"


def _figure_in_cell(place: Place, form: CellForm) -> str:
    match form:
        case str():
            return quoted(form.replace("-", "−"))
        case Ratio():
            return f"${typst_math.number_markup(form)}$"
        case _:
            return typst_math.inline(place.formulas, form)


def _table(place: Place, block: Table) -> str:
    letters = [quoted(letter) for letter in block.alignments()]
    heads = ", ".join(f"strong{_content(place, head)}" for head in block.columns)
    empty = ((),) * len(block.columns)
    # Cells fill rows in order: a short row would pull up cells of the next one.
    full_rows = [(*row, *empty[len(row) :]) for row in block.rows]
    rows = "".join(f"  {', '.join(_content(place, cell) for cell in row)},\n" for row in full_rows)
    caption = _caption(place, block.caption)
    return (
        f"#data-table({len(block.columns)}, {_tuple(letters)}, {caption},\n  table.header({heads}),\n{rows})"
    )


def _listing(place: Place, block: Listing) -> str:
    items = ", ".join(_content(place, item) for item in block.items)
    return f"#{'enum' if block.ordered else 'list'}({items})"


def _code_block(_: Place, block: CodeBlock) -> str:
    lines = "\n".join(visible_lines(block.content))
    return f"#raw({quoted(lines)}, block: true)"


def _figure(place: Place, block: Figure) -> str:
    pictures = "".join(f"  {_picture(place, picture)},\n" for picture in block.pictures)
    return f"#pictures({_caption(place, block.caption)},\n{pictures})"


def _picture(place: Place, picture: Picture) -> str:
    longest = max(picture.pixels.shape[:2])
    enlarged = longest * POINTS_PER_PIXEL < SMALL_PICTURE
    scale = SMALL_PICTURE / longest if enlarged else POINTS_PER_PIXEL
    width = f"{picture.pixels.shape[1] * scale:.1f}pt"
    caption = _caption(place, picture.caption)
    return (
        f"picture({quoted(place.pictures[picture])}, {literal(picture.alternative)}, {width}, "
        f"{str(enlarged).lower()}, {caption})"
    )


def _gallery(place: Place, block: Gallery) -> str:
    return _blocks(place, as_sections(block))


def _plan(place: Place, block: Plan) -> str:
    drawing = block.drawing
    words = literal(f"{drawing.title}. {drawing.description}")
    caption = _caption(place, block.caption)
    return f"#plan({quoted(to_svg(drawing))}, {words}, {drawing.width:.1f}pt, {caption})"


def _plot(place: Place, block: Plot) -> str:
    charts = "".join(
        f"  ({quoted(to_svg(drawing))}, {literal(f'{drawing.title}. {drawing.description}')}, "
        f"{drawing.width:.1f}pt),\n"
        for drawing in map(laid_out, block.charts)
    )
    return f"#plots({_caption(place, block.caption)},\n{charts})"


def _finding(place: Place, block: Finding) -> str:
    sign, word = VERDICTS[block.kind]
    return f"#finding({quoted(block.kind)}, {quoted(sign)}, {quoted(word)}, {_content(place, block.content)})"


def _hidden(place: Place, block: Hidden) -> str:
    what = f"#{literal(f'⋮ {block.count} {block.what} not shown')}"
    remedy = f'#": "{_content(place, block.remedy)[1:-1]}' if block.remedy else ""
    return f"#left-out[{what}{remedy}]"


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
