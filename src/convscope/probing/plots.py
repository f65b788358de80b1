"""A probe as plots: gradient norms by depth on a log axis, and a histogram of each layer's outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.core.document import Block, Code, Hidden, Plot, Section, text
from convscope.core.plot import Axis, Chart, Level, Series
from convscope.probing.rows import ProbeRow
from convscope.probing.verdicts import VERDICTS

# Layers with a finding come first; the others are taken evenly.
SHOWN_HISTOGRAMS = 24


def plots(rows: Sequence[ProbeRow]) -> tuple[Block, ...]:
    """The gradient by depth, and what each layer puts out."""
    blocks = [*_gradient_plot(rows), *_histograms(rows)]
    return (Section(text("Layer by layer"), tuple(blocks)),) if blocks else ()


def _gradient_plot(rows: Sequence[ProbeRow]) -> tuple[Block, ...]:
    """Gradient norms by depth: of outputs, and of weights."""
    outputs = _points(rows, lambda row: row.output_gradient_norm)
    weights = _points(rows, lambda row: row.gradient_norm)
    lines = [
        Series(name, points)
        for name, points in (("by the output", outputs), ("by the parameters", weights))
        if any(y > 0 for _x, y in points)
    ]
    if not lines or len(rows) < 2:
        return ()
    last = next((y for _x, y in reversed(outputs) if y > 0), None)
    levels = []
    if last is not None:
        limit = VERDICTS["small_gradient"].threshold * last
        if min((y for _x, y in outputs if y > 0), default=last) < 100 * limit:
            levels.append(Level(limit, "vanishing below"))
    names = tuple(row.name for row in rows)
    chart = Chart(
        "Gradient of the loss by depth",
        Axis("layer, from input to loss", categories=names),
        Axis("norm of the gradient", "log"),
        tuple(lines),
        tuple(levels),
    )
    return (Plot((chart,)),)


def _points(
    rows: Sequence[ProbeRow], ask: Callable[[ProbeRow], float | None]
) -> tuple[tuple[float, float], ...]:
    found = [(n, ask(row)) for n, row in enumerate(rows)]
    return tuple((float(n), value) for n, value in found if value is not None and math.isfinite(value))


def _histograms(rows: Sequence[ProbeRow]) -> tuple[Block, ...]:
    """What each layer puts out: layers with a finding first, then evenly from all."""
    known = [row for row in rows if any(row.bins)]
    if not known:
        return ()
    first = [row for row in known if row.verdict != "healthy"][: SHOWN_HISTOGRAMS // 2]
    rest = [row for row in known if row not in first]
    room = SHOWN_HISTOGRAMS - len(first)
    step = max(1, -(-len(rest) // room))
    shown = {row.name for row in (*first, *rest[::step])}
    charts = tuple(_one_histogram(row) for row in known if row.name in shown)
    caption = text("What each layer puts out; a sample of its values.")
    left = len(known) - len(charts)
    plot = Plot(charts, caption)
    return (
        (plot, Hidden(left, "layers", text("all of them are in ", Code("report.rows")))) if left else (plot,)
    )


def _one_histogram(row: ProbeRow) -> Chart:
    low, high = row.edges
    width = (high - low) / len(row.bins)
    total = sum(row.bins)
    points = tuple((low + (n + 0.5) * width, 100 * count / total) for n, count in enumerate(row.bins))
    title = row.name if row.verdict == "healthy" else f"{row.name}: {row.verdict}"
    return Chart(
        title,
        Axis("output"),
        Axis("% of values", least=0.0),
        (Series(row.kind, points, "bars"),),
        size="small",
    )
