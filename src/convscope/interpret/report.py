"""A description as a document, and as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.core.document import Document, Paragraph, Table, text

if TYPE_CHECKING:
    from convscope.interpret.description import Description


def description_facts(told: Description) -> dict[str, Any]:
    """What a description says, as plain values."""
    return {
        "name": told.name,
        "convention": told.convention,
        "sentence": told.sentence,
        "kind": told.kind,
        "variant": told.variant,
        "orientation": told.orientation,
        "direction": told.direction,
        "polarity": told.polarity,
        "scale": told.scale,
        "confidence": told.confidence,
        "p_value": told.p_value,
        "runner_up": told.runner_up,
        "residual": told.residual,
        "evidence": {figure.name: figure.value for figure in told.evidence},
    }


def description_document(told: Description) -> Document:
    """The sentence and the evidence."""
    rows = tuple(
        (text(figure.name), text(f"{figure.value:.4g}"), text(figure.meaning)) for figure in told.evidence
    )
    table = Table((text("figure"), text("value"), text("meaning")), rows, "lrl", text("Evidence"))
    return Document(text(told.name or "Kernel"), (Paragraph(text(told.sentence)), table))
