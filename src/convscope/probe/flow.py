"""Which layer reads which, as found while a model runs: ways around a layer, and what comes before it."""

from __future__ import annotations

from collections.abc import Iterator
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

    def before(self) -> list[int]:
        """For each node, all nodes that lead to it."""
        found: list[int] = []
        for reads in self.reads:
            mask = reads
            for node in bits(reads):
                mask |= found[node]
            found.append(mask)
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

    def bypassed(self) -> int:
        """The nodes that something before them can reach the loss without: a shortcut goes around them."""
        passed, before = self.passed(), self.before()
        mask = 0
        for node, ancestors in enumerate(before):
            if any(passed[other] and not passed[other] >> node & 1 for other in bits(ancestors)):
                mask |= 1 << node
        return mask

    def reaching(self) -> int:
        """The nodes from which a way leads to the loss."""
        return sum(1 << node for node, way in enumerate(self.passed()) if way)
