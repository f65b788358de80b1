"""The few words that the set outputs, page and paper, add of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from convscope.core import plot_layout
from convscope.core.document import FindingKind, MarkRole, Plan, Plot, Strong, Text

# What the key at the top says about the marks in matrices, in the order it says it.
MARKS: Mapping[MarkRole, str] = MappingProxyType(
    {"window": "the window", "winner": "a winner", "padding": "padding", "difference": "a difference"}
)

# A sign and a word for each kind of finding: neither needs colour to be told apart.
VERDICTS: Mapping[FindingKind, tuple[str, str]] = MappingProxyType(
    {
        "right": ("✓", "Right"),
        "wrong": ("✗", "Wrong"),
        "warning": ("!", "Warning"),
        "note": ("›", "Note"),
        "result": ("»", "Result"),
    }
)


def drawing_words(block: Plan) -> Text:
    """The words that stand for a drawing where none can be shown."""
    drawing = block.drawing
    told = f" {drawing.description}" if drawing.description else ""
    return (Strong(f"{drawing.title}."), told, *((" ", *block.caption) if block.caption else ()))


def chart_words(block: Plot) -> tuple[Text, ...]:
    """The words that stand for charts where none can be shown: a paragraph each, and the caption."""
    charts = [(Strong(f"{chart.title}."), f" {plot_layout.chart_words(chart)}") for chart in block.charts]
    return (*charts, *((block.caption,) if block.caption else ()))
