"""Which layer reads which, as found while a model runs: ways around a layer, and what comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


def bits(mask: int) -> Iterator[int]:
    """The positions of the ones of a number, smallest first.

    >>> list(bits(0b1010))
    [1, 3]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass
class Flow:
    """Nodes in the order they ran; each reads earlier ones. Sets of nodes are the ones of a number.

    Attributes:
        rows: for each node the row it belongs to; None for an input of the model.
        reads: for each node the nodes it reads.
        ends: the nodes that the loss reads.
    """

    rows: list[int | None] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    ends: int = 0

    def add(self, row: int | None, reads: int) -> int:
        """One more node; its number."""
        self.rows.append(row)
        self.reads.append(reads)
        return len(self.rows) - 1

    def leading(self) -> dict[int, int]:
        """For each row, the rows that lead to it."""
        return self._rows_along(range(len(self.rows)), self.reads)

    def following(self) -> dict[int, int]:
        """For each row, the rows that it leads to."""
        return self._rows_along(reversed(range(len(self.rows))), self.readers())

    def _rows_along(self, order: Iterable[int], neighbours: list[int]) -> dict[int, int]:
        masks = [0] * len(self.rows)
        found: dict[int, int] = {}
        for node in order:
            mask = 0
            for other in bits(neighbours[node]):
                row = self.rows[other]
                mask |= masks[other] | (0 if row is None else 1 << row)
            masks[node] = mask
            own = self.rows[node]
            if own is not None:
                found[own] = (found.get(own, 0) | mask) & ~(1 << own)
        return found

    def readers(self) -> list[int]:
        """For each node, the nodes that read it."""
        found = [0] * len(self.reads)
        for node, reads in enumerate(self.reads):
            for other in bits(reads):
                found[other] |= 1 << node
        return found

    def passed(self) -> list[int]:
        """For each node, the nodes that every way from it to the loss goes through, itself among them.

        0 for a node from which no way leads there: its post-dominators, found in one pass because nodes
        are in order.
        """
        readers = self.readers()
        found = [0] * len(self.reads)
        for node in reversed(range(len(self.reads))):
            ways = [found[other] for other in bits(readers[node]) if found[other]]
            if self.ends >> node & 1:
                ways.append(0)
            if ways:
                common = ways[0]
                for way in ways[1:]:
                    common &= way
                found[node] = common | 1 << node
        return found

    def after(self) -> list[int]:
        """For each node, all nodes that it leads to."""
        readers = self.readers()
        found = [0] * len(self.reads)
        for node in reversed(range(len(self.reads))):
            mask = readers[node]
            for other in bits(readers[node]):
                mask |= found[other]
            found[node] = mask
        return found

    def bypassed(self) -> int:
        """The nodes that something before them can reach the loss without: a shortcut goes around them."""
        mask = 0
        for passed, after in zip(self.passed(), self.after(), strict=True):
            if passed:
                mask |= after & ~passed
        return mask

    def reaching(self) -> int:
        """The nodes from which a way leads to the loss."""
        return sum(1 << node for node, way in enumerate(self.passed()) if way)
