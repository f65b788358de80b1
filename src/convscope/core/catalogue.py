"""Kernels by name, each with what it does and where it comes from; found by words; shown as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from convscope.core.catalogue_entries import ENTRIES, Entry
from convscope.core.document import (
    Block,
    Code,
    Document,
    Figure,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    text,
)
from convscope.core.kernel import Kernel
from convscope.core.kernel_picture import kernel_pixels
from convscope.core.kernel_search import ranked
from convscope.errors import UnknownNameError
from convscope.show import Showable

CONVENTION = "The kernels are written as cross-correlation lays them on the picture; y points down."
PICTURES_IN_A_ROW = 4


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
        """The message for a name that no kernel has: the nearest names, and how to find others."""
        near = list(self.search(name[:100]))[:3] if any(sign.isalnum() for sign in name) else []
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
        sections = tuple(
            Section(text(_heading(name)), self._section(members)) for name, members in families.items()
        )
        return Document(text(self._title), (Paragraph(text(f"{CONVENTION} {legend}")), *sections))

    def _section(self, members: list[Entry]) -> tuple[Block, ...]:
        pictures = [self._picture(entry) for entry in members]
        rows = [
            pictures[start : start + PICTURES_IN_A_ROW]
            for start in range(0, len(pictures), PICTURES_IN_A_ROW)
        ]
        figures = (Figure(tuple(row), f"kernels-{members[0].name}") for row in rows)
        return (*figures, _table(members))

    def _picture(self, entry: Entry) -> Picture:
        taps = np.asarray(self[entry.name], dtype=np.float64)
        size = "×".join(map(str, taps.shape))
        return Picture(kernel_pixels(taps), f"the {size} kernel {entry.name}", text(Code(entry.name)))


def _table(members: list[Entry]) -> Table:
    """Name, meaning, source."""
    heads = ("name", "what it does", "source")
    rows: list[tuple[Text, ...]] = [
        (text(Code(entry.name)), text(entry.meaning), text(entry.source)) for entry in members
    ]
    return Table(tuple(text(head) for head in heads), tuple(rows), "lll")


def _heading(family: str) -> str:
    """The family with a capital letter in front."""
    return family[:1].upper() + family[1:]


kernels = Catalogue(ENTRIES)
