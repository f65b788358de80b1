"""Kernels by name, each with what it does and where it comes from; found by words; shown as pictures."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from convscope.core.catalogue_entries import ENTRIES, Entry
from convscope.core.document import (
    Card,
    CardGroup,
    Code,
    Document,
    Gallery,
    Paragraph,
    Picture,
    text,
)
from convscope.core.kernel import Kernel
from convscope.core.kernel_picture import kernel_pixels, tiled
from convscope.core.kernel_search import ranked
from convscope.errors import UnknownNameError
from convscope.show import Showable

CONVENTION = "The kernels are written as cross-correlation lays them on the picture; y points down."
GAP, IN_A_ROW = 12, 8
# As many names are told for one that no kernel has.
MOST_NEAR = 3


class Catalogue(Mapping[str, Kernel], Showable):
    """Kernels by name, read-only: ``kernels["sobel_x"]``. Each has a `source` and says its `meaning`.

    The kernels are meant for cross-correlation. A kernel is built when it is first asked for.

    >>> kernels["sobel_y"].meaning
    'Horizontal edges: positive where it is dark above and bright below.'
    >>> list(kernels.search("vertical edge"))[:3]
    ['sobel_x', 'sobel_5_x', 'sobel_7_x']
    """

    __slots__ = ("_built", "_entries", "_title")

    def __init__(self, entries: Iterable[Entry], title: str = "Kernels by name") -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._built: dict[str, Kernel] = {}
        self._title = title

    def __getitem__(self, name: str) -> Kernel:
        if name not in self._built:
            self._built[name] = self.entry(name).kernel()
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"kernels({', '.join(self)})"

    def entry(self, name: str) -> Entry:
        """What is known of a kernel: kind, orientation, variant, meaning, source.

        Raises:
            UnknownNameError: an `InputError` and a `KeyError`, with the nearest name.

        >>> kernels.entry("sobel_y").orientation
        90.0
        """
        if name not in self._entries:
            raise UnknownNameError(self.unknown(str(name)))
        return self._entries[name]

    def unknown(self, name: str) -> str:
        """The message for a name that no kernel has: the nearest three, and how to find others."""
        near = list(self.search(name[:100]))[:MOST_NEAR] if any(sign.isalnum() for sign in name) else []
        alike = difflib.get_close_matches(name[:100].lower(), self._entries, n=MOST_NEAR)
        near = list(dict.fromkeys((*near, *alike)))[:MOST_NEAR] if len(near) < MOST_NEAR else near
        meant = f"did you mean {' or '.join(repr(other) for other in near)}? " if near else ""
        shown = name if len(name) <= 40 else name[:39] + "…"
        return (
            f"no kernel is called '{shown}'; {meant}cs.kernels lists all {len(self)}, "
            "cs.kernels.search('vertical edge') finds them by what they do"
        )

    def search(self, words: str) -> Catalogue:
        """The kernels that fit some words, the best first: a catalogue of its own, empty when none fits.

        The order of the words does not matter, nor a slip in their spelling.

        Raises:
            InputError: no words at all.

        >>> next(iter(kernels.search("blur gausian")))
        'gaussian_3'
        """
        found = ranked(words, self._entries)
        return Catalogue((self._entries[name] for name in found), f"Kernels for “{words}”")

    def document(self) -> Document:
        """Family by family: pictures, and a table of what each kernel does and where it comes from."""
        families: dict[str, list[Entry]] = {}
        for entry in self._entries.values():
            families.setdefault(entry.family, []).append(entry)
        legend = (
            "In the pictures a positive tap is orange, a negative one blue, zero white; the largest tap of "
            "each kernel has the full colour."
        )
        if not families:
            return Document(text(self._title), (Paragraph(text("No kernel fits these words.")),))
        groups = tuple(self._group(name, members) for name, members in families.items())
        lead = Paragraph(text(f"{CONVENTION} {legend}"))
        return Document(text(self._title), (lead, Gallery(groups, "kernels")))

    def _group(self, family: str, members: list[Entry]) -> CardGroup:
        """The cards of one family."""
        cards = tuple(self._card(entry) for entry in members)
        pictures = [card.picture.pixels for card in cards]
        overview = Picture(
            tiled(pictures, gap=GAP, across=IN_A_ROW), f"the kernels {', '.join(map(_name, members))}"
        )
        return CardGroup(text(family[:1].upper() + family[1:]), cards, overview)

    def _card(self, entry: Entry) -> Card:
        taps = np.asarray(self[entry.name], dtype=np.float64)
        size = "×".join(map(str, taps.shape))
        picture = Picture(kernel_pixels(taps), f"the {size} kernel {entry.name}")
        notes = (text(f"{size} taps"), text(f"Source: {entry.source}"))
        return Card(entry.name, text(Code(entry.name)), picture, text(entry.meaning), notes)


def _name(entry: Entry) -> str:
    return entry.name


kernels = Catalogue(ENTRIES)
