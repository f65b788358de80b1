"""A gallery as HTML: cards in a grid, group after group; all of it can be read and opened without a script.

The page's script (`gallery.js`) adds a box to search in and a choice of orders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from convscope.core.document import Block, Card, CardGroup, Gallery, Picture, Text
from convscope.core.expression import Number
from convscope.core.number import Exact
from convscope.render.mathml import escape
from convscope.render.plain import bare_number

DEEPEST_HEADING = 6
# A card's picture is enlarged to about so many screen pixels.
PICTURE_SIZE = 96


@dataclass(frozen=True, slots=True)
class Writers:
    """How the page writes what cards hold.

    Attributes:
        text: a sentence.
        blocks: blocks in a card.
        source: the address of a picture's data.
        level: of the groups' headings.
        digits: decimals of a rounded number.
        anchor: what the names of groups begin with; None where nothing may be named.
    """

    text: Callable[[Text], str]
    blocks: Callable[[tuple[Block, ...]], str]
    source: Callable[[Picture], str]
    level: int
    digits: int
    anchor: str | None


def card_anchor(name: str) -> str:
    """What a card is called within the page.

    >>> card_anchor("filter 12")
    'card-filter-12'
    """
    return f"card-{re.sub(r'[^A-Za-z0-9]+', '-', name)}"


def gallery_markup(gallery: Gallery, writers: Writers) -> str:
    """The gallery, with links to its groups where there are several and where links can be."""
    groups = "".join(_group(group, number, writers) for number, group in enumerate(gallery.groups, start=1))
    return f'<div class="gallery">\n{_index(gallery, writers)}{groups}</div>\n'


def _index(gallery: Gallery, writers: Writers) -> str:
    if writers.anchor is None or len(gallery.groups) < 2:
        return ""
    links = "".join(
        f'<li><a href="#{writers.anchor}-group-{number}">{writers.text(group.title)}</a> '
        f'<span class="count">{len(group.cards)}</span></li>\n'
        for number, group in enumerate(gallery.groups, start=1)
    )
    return f'<ul class="gallery-index" aria-label="Groups">\n{links}</ul>\n'


def _group(group: CardGroup, number: int, writers: Writers) -> str:
    level = min(writers.level, DEEPEST_HEADING)
    name = "" if writers.anchor is None else f' id="{writers.anchor}-group-{number}"'
    cards = "".join(_card(card, writers) for card in group.cards)
    return (
        f'<section class="card-group"><h{level}{name}>{writers.text(group.title)} '
        f'<span class="count">{len(group.cards)}</span></h{level}>\n'
        f'<ul class="cards">\n{cards}</ul></section>\n'
    )


def _card(card: Card, writers: Writers) -> str:
    name = "" if writers.anchor is None else f' id="{card_anchor(card.name)}"'
    level = min(writers.level + 1, DEEPEST_HEADING)
    notes = "".join(f'<p class="card-note">{writers.text(note)}</p>\n' for note in card.notes)
    details = (
        f"<details><summary>Evidence</summary>\n{writers.blocks(card.details)}</details>\n"
        if card.details
        else ""
    )
    return (
        f'<li class="card"{name}>{_picture(card.picture, writers)}\n<div class="card-words">'
        f"<h{level}>{writers.text(card.title)}</h{level}>\n<p>{writers.text(card.content)}</p>\n{notes}"
        f"{_figures(card, writers.digits)}{details}</div></li>\n"
    )


def _picture(picture: Picture, writers: Writers) -> str:
    height, width = picture.pixels.shape[:2]
    times = max(1, PICTURE_SIZE // max(height, width))
    return (
        f'<img alt="{escape(picture.alternative)}" loading="lazy" width="{width * times}" '
        f'height="{height * times}" src="{writers.source(picture)}"/>'
    )


def _figures(card: Card, digits: int) -> str:
    if not card.figures:
        return ""
    pairs = "".join(
        f"<div><dt>{escape(name)}</dt>"
        f'<dd><data value="{float(value)!r}">{_shown(value, digits)}</data></dd></div>'
        for name, value in card.figures
    )
    return f'<dl class="card-figures">{pairs}</dl>\n'


def _shown(value: Exact, digits: int) -> str:
    return escape(bare_number(Number(value), digits) or f"{float(value):.{digits}g}")
