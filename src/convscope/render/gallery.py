"""A gallery for forms that cannot be looked through: each group's overview, and a table of its cards."""

from __future__ import annotations

from convscope.core.document import CardGroup, Figure, Gallery, Section, Table, Text, text


def as_sections(gallery: Gallery) -> tuple[Section, ...]:
    """The gallery in blocks that every form has, one section a group."""
    return tuple(
        _section(group, figure_name(gallery, number)) for number, group in enumerate(gallery.groups, start=1)
    )


def figure_name(gallery: Gallery, number: int) -> str:
    """What the overview of the group with this number, counted from 1, is called as a file."""
    return f"{gallery.name}-{number}" if len(gallery.groups) > 1 else gallery.name


def _section(group: CardGroup, name: str) -> Section:
    names = [name for name, _ in group.cards[0].figures] if group.cards else []
    rows = tuple(
        (card.title, _said(card.content, card.notes), *(text(value) for _, value in card.figures))
        for card in group.cards
    )
    columns: tuple[Text, ...] = ((), text("What it is"), *(text(name) for name in names))
    return Section(
        group.title,
        (
            Figure((group.overview,), name),
            Table(columns, rows, align="ll" + "r" * len(names)),
        ),
    )


def _said(content: Text, notes: tuple[Text, ...]) -> Text:
    """The sentence and the notes after it, as one."""
    return (*content, *(part for note in notes for part in (" ", *note, ".")))
