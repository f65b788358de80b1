"""A sheet as a document and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convscope.core.document import (
    Block,
    Card,
    CardGroup,
    Code,
    Document,
    Figure,
    Finding,
    Gallery,
    Hidden,
    Paragraph,
    Picture,
    Reference,
    Section,
    Share,
    Strong,
    Table,
    Text,
    text,
)
from convscope.interpret.conventions import TITLES
from convscope.interpret.description import Description
from convscope.interpret.report import figure_text
from convscope.interpret.sheet_pairs import Pair, TurnedPair
from convscope.interpret.weight_picture import RGB, channel_pictures, filter_picture, overview

if TYPE_CHECKING:
    from convscope.importers.weights import WeightLayer
    from convscope.interpret.sheet import Sheet

# A page of more cards is slow to open; the JSON form has them all.
MOST_CARDS = 2048
MOST_ROWS = 100
FEW_ROWS = 10
LEAST_PERCENT = 0.01
# A card names so many of its copies; the table has the others.
MOST_NOTES = 3
ALL_OF_THEM = text("the page has more (", Code("-o page.html"), "), and the JSON form has all")
CHANNELS = ("red", "green", "blue")


def number(value: float) -> Fraction:
    """A measured number with the figures that can be trusted."""
    return Fraction(f"{value:.4g}")


def filter_name(place: int) -> str:
    """What a filter's card is called."""
    return f"filter-{place}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a sheet is shown: the filters of each kind, and how many rows of other tables."""

    sheet: Sheet
    places: Mapping[str, tuple[int, ...]]
    rows: int

    @property
    def cards(self) -> frozenset[int]:
        """The filters that can be led to."""
        return frozenset(place for places in self.places.values() for place in places)


def sheet_document(sheet: Sheet) -> Document:
    """The whole sheet, up to as many filters as a page can hold."""
    places: dict[str, tuple[int, ...]] = {}
    room = MOST_CARDS
    for kind, found in sheet.by_kind.items():  # what has no name comes last, and is left out first
        places[kind] = found[:room]
        room -= len(places[kind])
    return _document(Shown(sheet, places, MOST_ROWS))


def summary_document(sheet: Sheet, of_each: int) -> Document:
    """The sheet in short: the first filters of each kind."""
    return _document(Shown(sheet, {kind: found[:of_each] for kind, found in sheet.by_kind.items()}, FEW_ROWS))


def _document(shown: Shown) -> Document:
    sheet = shown.sheet
    count, channels, height, width = sheet.weights.shape
    of = f" of {sheet.name}" if sheet.name else ""
    blocks: list[Block] = [
        Paragraph(_introduction(sheet)),
        *(Paragraph(text(f"{note}.")) for note in sheet.notes),
        *_findings(sheet),
        Section(text("Kinds"), (_kinds(sheet),)),
        Section(text("Filters"), tuple(_filters(shown))),
        *_pair_sections(shown),
        *_other_layers(shown),
    ]
    plural = "" if count == 1 else "s"
    size = f"{height}×{width}" + (f", {channels} channels" if channels > 1 else "")
    return Document(
        text(f"What {count} filter{plural}{of} detect{'s' if count == 1 else ''} ({size})"), tuple(blocks)
    )


def _introduction(sheet: Sheet) -> Text:
    source = text("Weights from ", Strong(sheet.source), ". ") if sheet.source else ()
    return (
        *source,
        *text(
            f"Convention: {TITLES[sheet.convention]}. {_about(sheet)} Each "
            "was tried on steps, lines, spots and gratings before it was written. The norm is the size "
            "of a filter: ‖K‖, times the scale of the batch normalisation after it where that is known."
        ),
    )


def _about(sheet: Sheet) -> str:
    """What bright and dark stand for: brightness where a picture comes in, values of maps further on."""
    channels = sheet.weights.shape[1]
    if channels not in (1, RGB):
        return (
            f"Every sentence is about the layer's {channels} input maps, not about the brightness of a "
            "picture: bright stands for high values and dark for low ones, in the mixture of the maps in "
            "which the filter's pattern is strongest."
        )
    if sheet.others:
        return (
            "Every sentence is about what the layer reads: brightness on the picture if it is the first "
            "layer, else high (bright) and low (dark) values of its input maps."
        )
    return "Every sentence is about brightness on the picture."


def _findings(sheet: Sheet) -> Iterator[Finding]:
    count = len(sheet)
    if sheet.dead:
        share = f"{100 * len(sheet.dead) / count:.0f} %"
        yield Finding(
            "warning",
            text(
                len(sheet.dead),
                f" of {count} filters ({share}) are dead: norm below 1 % of the layer's largest.",
            ),
        )
    copies = [
        f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of {words}"
        for pairs, words in (
            (sheet.opposites, "opposite filters"),
            (sheet.duplicates, "filters that are the same but for a factor"),
            (sheet.rotations, "turned or mirrored copies"),
        )
        if pairs
    ]
    if copies:
        yield Finding("note", text(f"{'; '.join(copies)}."))
    if sheet.pairs.left_out:
        yield Finding("note", text(sheet.pairs.left_out, " more pairs were found and not kept."))
    wrong = [place for place, told in enumerate(sheet) if not told.check.agrees]
    if wrong:
        yield Finding(
            "note",
            text(
                len(wrong),
                f" of {count} sentences were contradicted by a stimulus; their cards say by which.",
            ),
        )


def _kinds(sheet: Sheet) -> Table:
    rows = tuple(
        (text(kind), text(len(places)), (Share(Fraction(len(places), len(sheet))),))
        for kind, places in sheet.by_kind.items()
    )
    return Table((text("kind"), text("filters"), text("share")), rows, "lrl", sortable=True)


# --- the filters ------------------------------------------------------------------------------


def _filters(shown: Shown) -> Iterator[Block]:
    sheet, cards = shown.sheet, shown.cards
    notes = _copies(sheet, cards)
    groups = tuple(_group(sheet, kind, places, notes) for kind, places in shown.places.items() if places)
    yield Gallery(groups, sheet.name or "filters")
    if len(cards) < len(sheet):
        yield Hidden(len(sheet) - len(cards), "filters", ALL_OF_THEM)


def _group(sheet: Sheet, kind: str, places: Sequence[int], notes: dict[int, list[Text]]) -> CardGroup:
    pictures = [filter_picture(sheet.weights[place]) for place in places]
    listed = ", ".join(map(str, places[:40])) + (", …" if len(places) > 40 else "")
    plural = "" if len(places) == 1 else "s"
    everything = Picture(
        overview(pictures),
        f"{len(places)} filter{plural} as pictures",
        text(f"Filter{plural} {listed}, from left to right, row by row."),
    )
    cards = tuple(
        _card(sheet, place, picture, notes.get(place, []))
        for place, picture in zip(places, pictures, strict=True)
    )
    return CardGroup(text(kind), cards, everything)


def _card(sheet: Sheet, place: int, picture: Any, copies: list[Text]) -> Card:  # noqa: ANN401 - pixels
    told = sheet[place]
    shown = Picture(picture, f"Weights of filter {place}: {told.sentence}")
    other = tuple(
        text(f"Under {TITLES[under].split(',')[0]}: {found[place].sentence}")
        for under, found in sheet.elsewhere.items()
        if found[place].sentence != told.sentence
    )
    more = len(copies) - MOST_NOTES
    notes = (*copies[:MOST_NOTES], *((text(f"and {more} more copies"),) if more > 0 else ()))
    doubt = (text(f"Contradicted: {told.check.disagreement}"),) if told.check.disagreement else ()
    return Card(
        filter_name(place),
        text("Filter ", place),
        shown,
        text(told.sentence),
        (*other, *doubt, *notes),
        (("norm", number(sheet.norms[place])), ("confidence", number(told.confidence))),
        tuple(_details(sheet, told, place)),
    )


def _details(sheet: Sheet, told: Description, place: int) -> Iterator[Block]:
    yield Paragraph(
        text(
            f"Runner-up: {told.runner_up}. Of random kernels of this size, {_percent(told.p_value)} fit "
            f"a kind as well; {_percent(told.residual)} of the energy is left unexplained."
        )
    )
    rows = tuple(
        (text(figure.name), figure_text(figure.value), text(figure.meaning)) for figure in told.evidence
    )
    yield Table((text("figure"), text("value"), text("what it says")), rows, "lrl")
    channels = sheet.weights.shape[1]
    if channels == RGB:
        tiles = zip(channel_pictures(sheet.weights[place]), CHANNELS, strict=True)
        yield Figure(
            tuple(Picture(tile, f"The {name} channel of filter {place}", text(name)) for tile, name in tiles),
            f"filter-{place}-channels",
        )


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.2g} %" if percent >= LEAST_PERCENT or not percent else f"less than {LEAST_PERCENT} %"


def _copies(sheet: Sheet, cards: frozenset[int]) -> dict[int, list[Text]]:
    """What each filter's card says of its copies, with links to those that have a card."""
    found: dict[int, list[Text]] = {}

    def tell(place: int, other: int, words: str, after: str) -> None:
        if place in cards:
            found.setdefault(place, []).append((words, *_filter_words(other, cards), after))

    for first, second, cosine in sheet.duplicates:
        for place, other in ((first, second), (second, first)):
            tell(place, other, "Same as ", f" (cosine {cosine:.3f})")
    for first, second, cosine in sheet.opposites:
        for place, other in ((first, second), (second, first)):
            tell(place, other, "Opposite of ", f" (cosine {cosine:.3f})".replace("-", "−"))
    for first, second, cosine, turn in sheet.rotations:
        tell(first, second, "Becomes ", f" when {_turned(turn)} (cosine {cosine:.3f})")
        tell(second, first, "Is ", f" {_turned(turn)} (cosine {cosine:.3f})")
    return found


def _turned(turn: str) -> str:
    return turn if turn.startswith("mirrored") else f"turned by {turn}"


# --- what follows the filters -----------------------------------------------------------------


def _filter_words(place: int, cards: frozenset[int]) -> Text:
    """A filter by its number, led to where it has a card."""
    words = text("filter ", place)
    return (Reference(words, filter_name(place)),) if place in cards else words


def _pair_sections(shown: Shown) -> Iterator[Section]:
    sheet = shown.sheet
    for title, pairs in (
        ("Opposite pairs", sheet.opposites),
        ("Duplicates", sheet.duplicates),
        ("Turned copies", sheet.rotations),
    ):
        if pairs:
            more = len(pairs) - shown.rows
            after = (Hidden(more, "pairs", ALL_OF_THEM),) if more > 0 else ()
            yield Section(text(title), (_pair_table(pairs[: shown.rows], shown.cards), *after))


def _pair_table(pairs: Sequence[Pair | TurnedPair], cards: frozenset[int]) -> Table:
    turned = any(isinstance(pair, TurnedPair) for pair in pairs)
    heads = (text("one"), text("other"), text("cosine"), *((text("the other is the one"),) if turned else ()))
    rows = tuple(
        (
            _filter_words(pair.first, cards),
            _filter_words(pair.second, cards),
            text(Fraction(f"{pair.cosine:.4f}")),
            *((text(_turned(pair.turn)),) if isinstance(pair, TurnedPair) else ()),
        )
        for pair in pairs
    )
    return Table(heads, rows, "llrl" if turned else "llr", sortable=True)


def _other_layers(shown: Shown) -> Iterator[Section]:
    others = shown.sheet.others
    if others:
        rows = tuple(
            (text(Strong(layer.name), *_aliases(layer)), text("×".join(map(str, layer.shape))))
            for layer in others[: shown.rows]
        )
        more = len(others) - shown.rows
        after = (Hidden(more, "layers", ()),) if more > 0 else ()
        heads = (text("layer"), text("filters × channels × rows × columns"))
        table = Table(heads, rows, "lr", sortable=True)
        yield Section(text("Other layers of the file"), (table, *after))


def _aliases(layer: WeightLayer) -> tuple[str, ...]:
    return (f" ({', '.join(layer.aliases)})",) if layer.aliases else ()


# --- for programs -----------------------------------------------------------------------------


def sheet_facts(sheet: Sheet) -> dict[str, Any]:
    """Everything the sheet says, as plain values; floats are measured figures."""
    return {
        "source": sheet.source,
        "layer": sheet.name,
        "shape": list(sheet.weights.shape),
        "convention": sheet.convention,
        "notes": list(sheet.notes),
        "by_kind": {kind: list(places) for kind, places in sheet.by_kind.items()},
        "dead": list(sheet.dead),
        "opposites": [pair._asdict() for pair in sheet.opposites],
        "duplicates": [pair._asdict() for pair in sheet.duplicates],
        "rotations": [pair._asdict() for pair in sheet.rotations],
        "pairs_left_out": sheet.pairs.left_out,
        "layers": [{"name": layer.name, "shape": list(layer.shape)} for layer in sheet.others],
        "filters": [
            {
                "filter": place,
                "norm": float(sheet.norms[place]),
                **told.facts(),
                **{
                    f"sentence_under_{under}": found[place].sentence
                    for under, found in sheet.elsewhere.items()
                },
            }
            for place, told in enumerate(sheet)
        ],
    }
