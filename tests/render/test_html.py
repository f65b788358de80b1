from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from sample import (
    DIGITS,
    HOSTILE,
    INPUT,
    KERNEL,
    PADDING_MARKS,
    SHORT_HOSTILE,
    Letters,
    Sigmoid,
    gallery,
    hostile,
    matrix,
    sample,
)

from convscope.core.document import (
    Block,
    CodeBlock,
    Document,
    Explained,
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
    Plan,
    Section,
    Share,
    Table,
    text,
)
from convscope.core.drawing import Drawing, Label
from convscope.core.expression import Product, Sum, Symbol, equation
from convscope.errors import UnsupportedError
from convscope.render.html import RULES, to_fragment, to_html
from convscope.render.html_frame import POLICY
from convscope.render.literal import visible_line, visible_lines

VOID = {"meta", "img"}


def page(*blocks: Block) -> ET.Element:
    return parsed(to_html(Document(text("t"), blocks), digits=DIGITS))


def fragment(*blocks: Block) -> ET.Element:
    return parsed(to_fragment(Document(text("t"), blocks), digits=DIGITS))


def parsed(written: str) -> ET.Element:
    return ET.fromstring(written)  # noqa: S314  # written right here


def words(element: ET.Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def one(root: ET.Element, name: str) -> ET.Element:
    (element,) = of_class(root, name)
    return element


class TagStack(HTMLParser):
    """Reads HTML as a browser does, without forgiving: every tag opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, f"<{tag}/> is no empty element in HTML"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# --- the page --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [to_html, to_fragment])
def test_the_sample_is_well_formed_as_html_and_as_xml(form: object) -> None:
    written = form(sample(), digits=DIGITS)  # type: ignore[operator]
    parsed(written)
    reader = TagStack()
    reader.feed(written)
    reader.close()
    assert reader.open == []
    assert "math" in reader.seen
    assert not reader.seen & {"link", "iframe", "object", "base", "form", "b"}
    assert ("script" in reader.seen) == (form is to_html)


def test_the_one_script_is_allowed_by_its_hash_and_only_where_a_table_can_be_sorted() -> None:
    root = parsed(to_html(sample(), digits=DIGITS))
    (script,) = root.iter("script")
    assert script.text is not None
    assert script.attrib == {}
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (allowed,) = (meta.get("content") for meta in root.iter("meta") if meta.get("http-equiv"))
    assert allowed == f"{POLICY}; script-src 'sha256-{digest}'"
    plain = to_html(Document(text("plain"), (Table((text("a"),), ()),)), digits=DIGITS)
    assert "<script" not in plain
    assert f'content="{POLICY}"' in plain


def test_an_explanation_is_reached_by_pointer_and_by_keyboard() -> None:
    (words_,) = of_class(page(Paragraph((Explained(text("55"), text("because <b>", 3)),))), "why")
    assert words_.get("tabindex") == "0"
    (because,) = of_class(words_, "because")
    assert words(because) == "because <b>3"
    style = resources.files("convscope.render").joinpath("fragment.css").read_text(encoding="utf-8")
    assert ".why:hover > .because" in style
    assert ".why:focus > .because" in style


def test_a_share_is_a_bar_and_a_figure() -> None:
    (share,) = of_class(page(Paragraph((Share(Fraction(1, 4)),))), "share")
    assert [bar.get("style") for bar in share.iter() if bar.get("style")] == ["width: 25.00%"]
    assert words(share) == "25 %"


def test_a_drawing_is_part_of_the_page_and_its_words_are_text() -> None:
    hostile_words = '</svg><script>alert(1)</script>"&'
    drawing = Drawing(90, 40, (Label((1, 2), hostile_words),), hostile_words)
    root = page(Plan(drawing))
    (svg,) = (element for element in root.iter() if element.tag.endswith("}svg"))
    assert [e.text for e in svg.iter() if e.tag.endswith("}text")] == [hostile_words]
    assert not list(root.iter("script"))


def test_nothing_is_fetched_and_nothing_is_run() -> None:
    written = to_html(sample(), digits=DIGITS)
    root = parsed(written)
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "action", "data", "poster", "background"}:
                assert value.startswith("data:image/png;base64," if name == "src" else "#")
    assert written.count("<script") == 1  # the one that sorts tables, held to its hash below
    (style,) = root.iter("style")
    assert style.text is not None
    assert not re.search(r"url\(|@import|https?:|expression\(", style.text)
    policies = [meta.get("content") for meta in root.iter("meta") if meta.get("http-equiv")]
    assert [found.partition("; script-src")[0] for found in policies] == [POLICY]
    assert POLICY == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_a_link_in_the_text_is_text() -> None:
    root = page(Paragraph(text("see http://example.org/?a=1&b=2")))
    assert "see http://example.org/?a=1&b=2" in words(root.find("body"))
    assert [link.get("href") for link in root.iter("a")] == ["#content"]


@pytest.mark.parametrize("string", HOSTILE)
def test_hostile_text_is_read_as_it_was_given(string: str) -> None:
    """In a sentence, a formula's name, a table, a caption, a label: the same characters everywhere."""
    content = text(string)
    root = page(
        Paragraph(content),
        Listing((content,)),
        Table((content,), ((content,),), caption=content),
        Finding("note", content),
        Formula(equation(Symbol(string), 1)),
        MatrixView(matrix("1"), content),
        Hidden(2, string, content),
        Figure((Picture(np.zeros((1, 1), np.uint8), string, content),), string, content),
        Section(content, ()),
    )
    shown = visible_line(string)
    body = root.find("body")
    assert body is not None
    assert "".join(body.itertext()).count(shown) == 13
    labels = [element.get(name) for element in root.iter() for name in ("alt", "aria-label")]
    assert labels.count(shown) == 3  # the picture, the matrix and the table's box


def test_hostile_code_keeps_its_lines() -> None:
    for string in HOSTILE:
        (code,) = page(CodeBlock(string, SHORT_HOSTILE)).iter("code")
        assert code.text == "\n".join(visible_lines(string))


def test_hostile_text_makes_no_elements() -> None:
    def tags(root: ET.Element) -> set[str]:
        return {element.tag for element in root.iter()}

    assert tags(page(*hostile())) <= tags(parsed(to_html(sample(), digits=DIGITS)))
    assert "b" not in tags(page(*hostile()))
    titled = Document(text(HOSTILE[2], HOSTILE[0]), (), language='en"><script>')
    root = parsed(to_html(titled, digits=DIGITS))
    assert words(root.find("head/title")) == HOSTILE[2] + HOSTILE[0]
    assert root.get("lang") == 'en"><script>'


def test_the_page_has_a_language_a_title_landmarks_and_a_way_past_the_contents() -> None:
    document = Document(text("Sizes of ", Symbol("n")), (Paragraph(text("x")),), language="de")
    root = parsed(to_html(document, digits=DIGITS))
    assert root.get("lang") == "de"
    assert words(root.find("head/title")) == "Sizes of n"
    assert [words(heading) for heading in root.iter("h1")] == ["Sizes of n"]
    assert len(list(root.iter("main"))) == len(list(root.iter("header"))) == 1
    (first, *_) = root.iter("a")
    (main,) = root.iter("main")
    assert first.get("href") == f"#{main.get('id')}"


def test_headings_follow_the_depth_of_the_sections() -> None:
    def nested(depth: int) -> tuple[Block, ...]:
        return (Section(text(f"depth {depth}"), nested(depth + 1)),) if depth < 8 else ()

    headings = [e.tag for e in page(*nested(0)).iter() if re.fullmatch(r"h\d", e.tag)]
    assert headings == ["h1", "h2", "h3", "h4", "h5", "h6", "h6", "h6", "h6"]
    assert [e.tag for e in fragment(*nested(0)).iter() if re.fullmatch(r"h\d", e.tag)][:2] == ["h3", "h4"]


def test_the_contents_link_to_every_section_two_deep() -> None:
    inner = Section(text("b1"), (Section(text("too deep"), ()),))
    root = page(Section(text("a"), ()), Section(text("b"), (inner,)), Section(text("c"), ()))
    targets = {element.get("id"): words(element) for element in root.iter() if element.get("id")}
    links = [(link.get("href", "")[1:], words(link)) for nav in root.iter("nav") for link in nav.iter("a")]
    assert [name for _, name in links] == ["a", "b", "b1", "c"]
    assert all(targets[anchor] == name for anchor, name in links)


def test_few_sections_need_no_contents() -> None:
    assert not list(page(Section(text("a"), ()), Section(text("b"), ())).iter("nav"))


def test_contents_of_many_inner_sections_list_the_outer_ones_only() -> None:
    many = tuple(Section(text(f"cell {index}"), ()) for index in range(50))
    root = page(Section(text("a"), many), Section(text("b"), ()), Section(text("c"), ()))
    assert [words(link) for nav in root.iter("nav") for link in nav.iter("a")] == ["a", "b", "c"]


def test_names_of_elements_are_unique_and_labels_point_to_them() -> None:
    root = parsed(to_html(sample(), digits=DIGITS))
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(names)) == len(names)
    pointers = [e.get(key) for e in root.iter() for key in ("aria-labelledby", "for") if e.get(key)]
    assert set(pointers) <= set(names)


# --- a notebook cell -------------------------------------------------------------------------


def test_a_fragment_names_no_element_so_that_cells_cannot_clash() -> None:
    written = to_fragment(sample(), digits=DIGITS)
    assert not [element for element in parsed(written).iter() if element.get("id") or element.tag == "nav"]
    assert written == to_fragment(sample(), digits=DIGITS)


def selectors(css: str) -> Iterator[str]:
    """Every selector of a style sheet; rules inside @media count."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    for head in re.findall(r"([^{};]+)\{", css):
        if not head.strip().startswith("@"):
            yield from (selector.strip() for selector in re.split(r",(?![^(]*\))", head))


def test_the_style_of_a_fragment_stays_inside_it() -> None:
    (style,) = fragment(Paragraph(text("x"))).iter("style")
    assert style.text is not None
    found = list(selectors(style.text))
    assert len(found) > 60
    themes = {
        f"{theme} .convscope"
        for theme in (
            '[data-jp-theme-light="true"]',
            '[data-jp-theme-light="false"]',
            ".vscode-light",
            ".vscode-dark",
        )
    }
    leaking = [selector for selector in found if not re.match(r"\.convscope(?![\w-])", selector)]
    assert set(leaking) == themes


def test_the_selectors_test_sees_a_leak() -> None:
    assert list(selectors("a, .b:is(x, y) { x: y } /* c { */ @media p { .d e { } }")) == [
        "a",
        ".b:is(x, y)",
        ".d e",
    ]


# --- colours ---------------------------------------------------------------------------------


def palette() -> dict[str, tuple[str, str]]:
    css = resources.files("convscope.render").joinpath("fragment.css").read_text(encoding="utf-8")
    return {n: (a, b) for n, a, b in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("front", "back"),
    [
        *(("ink", back) for back in ("paper", "panel", "blue-tint", "orange-tint", "vermilion-tint")),
        *(("quiet", back) for back in ("paper", "panel", "blue-tint")),
        *((front, "panel") for front in ("green", "vermilion", "orange")),
        *(("blue", back) for back in ("paper", "panel", "blue-tint")),
    ],
)
def test_text_can_be_read_in_light_and_dark(front: str, back: str) -> None:
    colours = palette()
    for scheme in (0, 1):
        assert contrast(colours[front][scheme], colours[back][scheme]) >= 4.5


def test_lines_that_mean_something_stand_out() -> None:
    colours = palette()
    for line in ("blue", "dash", "vermilion"):
        for scheme in (0, 1):
            assert contrast(colours[line][scheme], colours["paper"][scheme]) >= 3


# --- matrices --------------------------------------------------------------------------------


def cells(root: ET.Element) -> list[list[str]]:
    """What a screen reader reads in the first matrix of the page's body, the key left out."""
    tables = [table for figure in of_class(root, "matrix") for table in figure.iter("table")]
    return [[words(cell) for cell in row.iter("td")] for row in tables[0].iter("tr")]


def test_marked_cells_say_what_they_are() -> None:
    marks = (Mark("window", 0, 0, 1, 2), Mark("winner", 0, 1, 1, 2), Mark("padding", 1, 0, 2, 2))
    root = page(MatrixView(matrix("1 2; 0 0; 3 4"), marks=(*marks, Mark("difference", 2, 1, 3, 2))))
    assert cells(root) == [
        ["1 in the window", "2 in the window, winner"],
        ["0 padding", "0 padding"],
        ["3", "4 differs"],
    ]


def test_marked_cells_look_like_what_they_are_whatever_the_colours() -> None:
    root = page(MatrixView(INPUT, marks=(*PADDING_MARKS, Mark("window", 1, 1, 4, 4))))
    figure = one(root, "matrix")
    assert [len(of_class(figure, f"edge-{side}")) for side in ("top", "right", "bottom", "left")] == [6] * 4
    assert len(of_class(figure, "window")) == 9
    assert len(of_class(figure, "padding")) == 20


def test_the_key_explains_the_marks_there_are_and_no_others() -> None:
    view = MatrixView(KERNEL, marks=(Mark("winner", 0, 0, 1, 1),))
    assert words(one(page(MatrixRow((view,), ())), "key")) == "In the matrices: 7 a winner"
    assert not of_class(page(MatrixView(KERNEL)), "key")


def test_a_matrix_has_a_name_and_a_caption() -> None:
    root = page(MatrixView(KERNEL, text("kernel ", Symbol("k"))))
    (table,) = root.iter("table")
    assert table.get("aria-label") == "kernel k"
    assert words(next(root.iter("figcaption"))) == "kernel k"


def test_gaps_say_what_they_hide() -> None:
    view = MatrixView(matrix("1 2; 3 4"), row_gap=(0, 1020), column_gap=(0, 1))
    assert cells(page(view)) == [
        ["1", "⋯ hidden", "2"],
        ["⋮ hidden", "⋱ hidden", "⋮ hidden"],
        ["3", "⋯ hidden", "4"],
    ]
    assert words(one(page(view), "hidden-note")) == "1020 rows and 1 column not shown"


def test_numbers_are_written_in_their_own_forms() -> None:
    view = MatrixView(((Fraction(-5, 2), Fraction(1, 3)), (Letters(Symbol("a")), Fraction(0))))
    assert cells(page(view)) == [["−2.5", "13"], ["a", "0"]]
    assert len(list(page(view).iter("mfrac"))) == 1
    rounded = MatrixView(((Sigmoid(Fraction(2)), Fraction(1, 2)),))
    assert cells(page(rounded)) == [["0.8808", "0.5000"]]
    assert of_class(page(rounded), "lined-up")
    assert not of_class(page(view), "lined-up")


def test_a_number_among_words_is_set_like_them() -> None:
    (sentence,) = page(Paragraph(text("so ", Fraction(-5, 2), " it is"))).iter("p")
    assert sentence.text == "so −2.5 it is"
    (sentence,) = page(Paragraph(text("so ", Fraction(-5, 3), " it is"))).iter("p")
    assert [child.tag for child in sentence] == ["math"]


def test_wide_things_scroll_in_boxes_that_keyboards_reach() -> None:
    wide = MatrixView((tuple(Fraction(index) for index in range(40)),), text("wide"))
    long = Formula(equation(Symbol("z"), Sum(tuple(Product((Symbol("a"), Symbol("b"))) for _ in range(30)))))
    for block, label in ((wide, "wide"), (long, "Formula"), (CodeBlock("x"), "Code")):
        boxes = [element for element in page(block).iter() if element.get("tabindex") == "0"]
        assert [(box.get("role"), box.get("aria-label")) for box in boxes] == [("region", label)]
    for block in (MatrixView(KERNEL), Formula(equation(Symbol("n"), 2))):
        assert not [element for element in page(block).iter() if element.get("tabindex") == "0"]


def test_operators_are_spoken_and_stay_with_the_matrix_after_them() -> None:
    view, rounded = MatrixView(KERNEL), MatrixView(((Sigmoid(Fraction(2)),),))
    root = page(MatrixRow((view, view, rounded, view), ("⊙", "=", "versus")))
    assert [element.get("aria-label") for element in of_class(root, "operator")] == [
        "times, cell by cell",
        "is about",
        None,
    ]
    firsts = [led[0].get("class") for led in of_class(root, "led")]
    assert firsts == ["matrix", "operator", "operator", "operator word"]


# --- the other blocks ------------------------------------------------------------------------


def test_a_table_has_heads_with_a_scope_and_a_caption() -> None:
    block = Table(
        (text("layer"), text("size")), ((text("conv"), text(55)), ((), text(1))), "lr", text("sizes")
    )
    (table,) = page(block).iter("table")
    assert words(table.find("caption")) == "sizes"
    assert [(words(head), head.get("scope")) for head in table.iter("th")] == [
        ("layer", "col"),
        ("size", "col"),
    ]
    assert [[words(cell) for cell in row.iter("td")] for row in table.findall("tbody/tr")] == [
        ["conv", "55"],
        ["", "1"],
    ]
    assert [cell.get("class") for cell in table.iter("td")] == [None, "r", None, "r"]


def test_findings_carry_a_sign_and_a_word() -> None:
    kinds = ("right", "wrong", "warning", "note", "result")
    root = page(*(Finding(kind, text("so")) for kind in kinds))  # type: ignore[arg-type]
    shown = [words(element) for element in of_class(root, "finding")]
    assert shown == ["✓ Right: so", "✗ Wrong: so", "! Warning: so", "› Note: so", "» Result: so"]


def test_hidden_steps_are_counted_and_say_how_to_see_them() -> None:
    assert words(one(page(Hidden(14, "cells", text("ask"))), "left-out")) == "⋮ 14 cells not shown: ask"
    assert words(one(page(Hidden(14, "cells", ())), "left-out")) == "⋮ 14 cells not shown"


def test_pictures_are_in_the_page_pixel_by_pixel_with_words_beside_them() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    root = page(Figure((Picture(pixels, "four by two", text("before")),), "name", text("all")))
    (image,) = root.iter("img")
    kind, _, data = image.get("src", "").partition(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)
    assert image.get("alt") == "four by two"
    assert [words(caption) for caption in root.iter("figcaption")] == ["before", "all"]
    # Enlarged by a whole number: a pixel stays a square.
    assert (image.get("width"), image.get("height"), image.get("class")) == ("192", "96", "enlarged")


def test_a_large_picture_is_not_enlarged() -> None:
    root = page(Figure((Picture(np.zeros((300, 200), np.uint8), "x"),), "name"))
    (image,) = root.iter("img")
    assert (image.get("width"), image.get("height"), image.get("class")) == ("200", "300", None)


def test_numbered_lists_are_numbered() -> None:
    assert [words(item) for item in page(Listing((text("a"), text("b")), ordered=True)).iter("ol")] == ["a b"]
    assert not list(page(Listing((text("a"),))).iter("ol"))


def test_every_block_has_a_rule_and_another_one_is_refused() -> None:
    assert {type(block) for block in sample().walk()} == set(RULES)

    class Other:
        pass

    with pytest.raises(UnsupportedError, match="no rule writes a Other as HTML; known: Paragraph, Formula"):
        page(Other())  # type: ignore[arg-type]


def test_a_document_of_nothing_is_a_page() -> None:
    root = parsed(to_html(Document((), ()), digits=DIGITS))
    assert words(root.find("head/title")) == "convscope"
    page(MatrixView(()), MatrixRow((), ()), Table((), ()), Listing(()), CodeBlock(""), Figure((), "x"))


def test_headings_never_skip_a_level() -> None:
    levels = [
        int(e.tag[1]) for e in parsed(to_html(sample(), digits=DIGITS)).iter() if re.fullmatch(r"h\d", e.tag)
    ]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# --- galleries --------------------------------------------------------------------------------


def test_every_card_is_there_without_a_script_and_references_lead_to_cards() -> None:
    root = page(gallery())
    cards = [e for e in root.iter("li") if e.get("class") == "card"]
    assert len(cards) == 3
    names = {card.get("id") for card in cards}
    assert len(names) == 3
    links = [e.get("href") for card in cards for e in card.iter("a")]
    assert links
    assert {f"#{name}" for name in names} >= set(links)
    groups = [e.get("href") for e in root.iter("a") if "-group-" in (e.get("href") or "")]
    assert [href.removeprefix("#") for href in groups if href] == [
        e.get("id") for e in root.iter() if "-group-" in (e.get("id") or "")
    ]
    assert [e.get("value") for e in cards[1].iter("data")] == [repr(1 / 3), "0.5"]
    assert sum(1 for card in cards for _ in card.iter("details")) == 2


def test_a_gallery_in_a_notebook_names_nothing_and_brings_no_script() -> None:
    written = to_fragment(Document(text("t"), (gallery(),)), digits=DIGITS)
    assert not re.search(r'\sid="|<script|href=', written)


def test_the_script_of_a_gallery_is_allowed_by_its_own_hash() -> None:
    written = to_html(Document(text("t"), (gallery(),)), digits=DIGITS)
    script = re.search(r"<script>(.*)</script>", written, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in written
    assert "innerHTML" not in script[1]
