"""What lint finds: a layer, the evidence, what follows from it and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias, overload

from convscope.core.document import (
    Block,
    Code,
    Document,
    Finding,
    Formula,
    Paragraph,
    Section,
    Strong,
    Text,
    elided,
    text,
)
from convscope.core.expression import Expression
from convscope.show import Showable

Fact: TypeAlias = int | Fraction | str | tuple[int, ...] | tuple[str, ...]

# More findings than this are counted, not listed, in a document; the report itself holds all.
SHOWN_FINDINGS = 40


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing that lint found.

    Attributes:
        kind: which check found it, as in `CHECKS`: ``"dropped"``.
        layer: the layer's name.
        evidence: what is the case, with its numbers.
        consequence: what follows from it.
        remedy: what to do about it.
        formulas: the calculation that the numbers come from.
        numbers: the same numbers by name, for programs.
    """

    kind: str
    layer: str
    evidence: Text
    consequence: Text
    remedy: Text
    formulas: tuple[Expression, ...] = ()
    numbers: Mapping[str, Fact] = field(default_factory=dict, hash=False)

    def blocks(self) -> tuple[Block, ...]:
        """The finding as document blocks."""
        return (
            Finding("warning", self.evidence),
            *map(Formula, self.formulas),
            Paragraph(text(Strong("Consequence: "), *self.consequence)),
            Paragraph(text(Strong("Remedy: "), *self.remedy)),
        )


@dataclass(frozen=True)
class LintReport(Showable, Sequence[LintFinding]):
    """Everything lint found in a network, in the order of its layers; empty and false when nothing."""

    findings: tuple[LintFinding, ...]
    name: str = ""
    titles: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @overload
    def __getitem__(self, index: int) -> LintFinding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LintFinding, ...]: ...
    def __getitem__(self, index: int | slice) -> LintFinding | tuple[LintFinding, ...]:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[LintFinding]:
        return iter(self.findings)

    def of(self, kind: str) -> tuple[LintFinding, ...]:
        """The findings of one kind."""
        return tuple(found for found in self.findings if found.kind == kind)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that were found, each once, in order."""
        return tuple(dict.fromkeys(found.kind for found in self.findings))

    def document(self) -> Document:
        """Every finding with its evidence, consequence and remedy."""
        called = (" in ", Code(self.name)) if self.name else ()
        count = len(self.findings)
        told = "Nothing" if not count else "One finding" if count == 1 else f"{count} findings"
        if not count:
            nothing = text("None of the ", len(self.titles), " checks found anything to say.")
            return Document(text("Lint: nothing found", *called), (Finding("right", nothing),))
        remedy = text("read them in ", Code("net.lint()"))
        sections = elided(count, self._section, SHOWN_FINDINGS, "findings", remedy)
        return Document(text(f"Lint: {told.lower()}", *called), sections)

    def _section(self, position: int) -> tuple[Block, ...]:
        found = self.findings[position]
        title = text(Code(found.layer), f": {self.titles.get(found.kind, found.kind)}")
        return (Section(title, found.blocks()),)
