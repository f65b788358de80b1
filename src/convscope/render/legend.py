"""Which marks a document uses, so that an output explains those and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from convscope.core.document import Document, MarkRole, MatrixRow, MatrixView


def roles_in(document: Document) -> frozenset[MarkRole]:
    """The roles that some shown cell of some matrix plays."""
    return frozenset(mark.role for view in _matrices(document) for mark in view.marks)


def legend(document: Document, names: Mapping[MarkRole, str]) -> str:
    """The clauses of `names` for the marks the document uses, as one enumeration; empty when it uses none."""
    used = roles_in(document)
    return ", ".join(name for role, name in names.items() if role in used)


def _matrices(document: Document) -> Iterator[MatrixView]:
    for block in document.walk():
        match block:
            case MatrixView():
                yield block
            case MatrixRow():
                yield from block.items
