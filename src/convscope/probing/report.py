"""The report of a probe: one row and one verdict a layer, the findings with their causes, and plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from convscope.core.document import (
    Block,
    Code,
    Document,
    Finding,
    Hidden,
    Listing,
    Paragraph,
    Section,
    Share,
    Spark,
    Strong,
    Table,
    Text,
    text,
)
from convscope.core.plot import Sparkline
from convscope.errors import InputError, nearest_name
from convscope.probing.figures import figure, ordinal_list, shape_words
from convscope.probing.plots import plots
from convscope.probing.rows import ProbeFinding, ProbeRow
from convscope.probing.verdicts import VERDICTS
from convscope.show import Showable

# Longer reports show their first and last rows, and every row with a verdict.
SHOWN_ROWS = 120
SHOWN_FINDINGS = 12
SHOWN_NAMES = 8
LONGEST_LINE = 16


@dataclass(frozen=True, repr=False)
class ProbeReport(Showable):
    """What each layer of a network did on some batches.

    Attributes:
        model: the class of the model.
        rows: one a layer, in the order in which they first ran.
        findings: the faults, each named by the layer that it begins in; what makes the others
            meaningless comes first. Empty where every layer is healthy.
        batches, items: how much was run.
        loss: its mean, and `loss_words` which it is; None for a watched training.
        optimiser: its class, where one was given.
        idle: layers with parameters that never ran.
        notes: sentences on what could not be measured.
        steps: of a watched training, the steps that were sampled.
        history: the gradient norm of each layer with parameters at those steps.
    """

    model: str
    rows: tuple[ProbeRow, ...]
    findings: tuple[ProbeFinding, ...]
    batches: int
    items: int
    loss: float | None
    loss_words: str
    optimiser: str = ""
    idle: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    history: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        found = (
            "healthy"
            if self.is_healthy
            else f"{len(self.findings)} findings, first {self.findings[0].layer!r}"
        )
        return f"<probe of {self.model}: {len(self.rows)} layers, {found}>"

    def __getitem__(self, name: str) -> ProbeRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(
            f"no layer is called {name!r}; {nearest_name(name, [row.name for row in self.rows])}"
        )

    def __iter__(self) -> Iterator[ProbeRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_healthy(self) -> bool:
        """Whether no rule applies to any layer."""
        return not self.findings

    @property
    def has_gradients(self) -> bool:
        """Whether a gradient of anything trainable was measured; half of the rules need one."""
        return any(row.gradient_norm is not None for row in self.rows)

    @property
    def worst(self) -> ProbeRow | None:
        """The row of the layer that the first finding names; None where nothing was found.

        A fault of the data or the loss has no row of its own: the first layer that shows it stands here.
        """
        if not self.findings:
            return None
        first = self.findings[0]
        named = [row for row in self.rows if row.name == first.layer]
        return next(iter(named), next((row for row in self.rows if row.verdict != "healthy"), None))

    @property
    def first_non_finite(self) -> str | None:
        """The first layer where a value is infinite or not a number; None where all are finite."""
        return next((found.layer for found in self.findings if found.rule.name == "non_finite"), None)

    def over_time(
        self, steps: tuple[int, ...], history: tuple[tuple[str, tuple[float, ...]], ...]
    ) -> ProbeReport:
        """The same report with what earlier samples showed."""
        return replace(self, steps=steps, history=history)

    def of(self, verdict: str) -> tuple[ProbeRow, ...]:
        """The rows with one verdict."""
        return tuple(row for row in self.rows if row.verdict == verdict)

    def facts(self) -> dict[str, Any]:
        """Everything as plain values, for programs; figures that are not finite are None."""
        return {
            "model": self.model,
            "batches": self.batches,
            "items": self.items,
            "loss": finite(self.loss),
            "loss_is": self.loss_words,
            "optimiser": self.optimiser or None,
            "healthy": self.is_healthy,
            "gradients": self.has_gradients,
            "findings": [_finding_facts(found) for found in self.findings],
            "rows": [_row_facts(row) for row in self.rows],
            "idle": list(self.idle),
            "notes": list(self.notes),
            **({"steps": list(self.steps)} if self.steps else {}),
            **(
                {"history": {name: [*map(finite, line)] for name, line in self.history}}
                if self.history
                else {}
            ),
        }

    def document(self) -> Document:
        """The findings, one table of all layers, the gradient by depth, and what each layer puts out."""
        blocks: list[Block] = [Paragraph(_measured(self)), *_findings(self), *_table(self), *plots(self.rows)]
        blocks += [Finding("note", text(note)) for note in self.notes]
        if self.idle:
            blocks.append(Finding("note", text("Never ran: ", *_names(self.idle), ".")))
        return Document(text("Health of ", Code(self.model)), tuple(blocks))


def finite(value: float | None) -> float | None:
    """The value, or None where it is no number."""
    return value if value is not None and math.isfinite(value) else None


# --- facts ------------------------------------------------------------------------------------

_ROW_FACTS: dict[str, Callable[[ProbeRow], Any]] = {
    "mean": lambda row: row.mean,
    "sigma": lambda row: row.sigma,
    "saturated": lambda row: row.saturated,
    "dead": lambda row: row.dead,
    "slope": lambda row: row.slope,
    "rank_share": lambda row: row.rank_share,
    "variation": lambda row: row.variation,
    "output_gradient_norm": lambda row: row.output_gradient_norm,
    "gradient_norm": lambda row: row.gradient_norm,
    "weight_norm": lambda row: row.weight_norm,
    "gradient_ratio": lambda row: row.gradient_ratio,
    "update_ratio": lambda row: row.update_ratio,
}


def _row_facts(row: ProbeRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "shape": list(row.shape),
        "calls": row.calls,
        "verdict": row.verdict,
        "rule": row.rule or None,
        "value": finite(row.value),
        "threshold": row.threshold,
        "because_of": row.because_of,
        "suggestion": row.suggestion or None,
        "finite": row.is_finite,
        "frozen": row.is_frozen,
        "dead_units": row.dead_units,
        "units": row.units,
        "rank": row.rank,
        "rank_of": row.rank_of,
        **{name: finite(ask(row)) for name, ask in _ROW_FACTS.items()},
        "parameters": [
            {
                "name": p.name,
                "shape": list(p.shape),
                "frozen": p.is_frozen,
                "weight_norm": finite(p.weight_norm),
                "gradient_norm": finite(p.gradient_norm),
                "update_norm": finite(p.update_norm),
            }
            for p in row.parameters
        ],
        "histogram": {"counts": list(row.bins), "from": row.edges[0], "to": row.edges[1]},
    }


def _finding_facts(found: ProbeFinding) -> dict[str, Any]:
    return {
        "layer": found.layer,
        "verdict": found.verdict,
        "rule": found.rule.name,
        "value": finite(found.value),
        "threshold": found.rule.threshold,
        "condition": found.rule.condition,
        "source": found.rule.source,
        "suggestion": found.rule.suggestion,
        "seen_in": found.seen_in,
        "consequences": list(found.consequences),
    }


# --- the document -----------------------------------------------------------------------------


def _measured(report: ProbeReport) -> Text:
    """What was run."""
    count = "One batch" if report.batches == 1 else f"{report.batches:,} batches"
    if report.loss is not None:
        told = f"{count}, {_items(report.items)}; mean loss {figure(report.loss)} ({report.loss_words})."
    else:
        told = f"Watched while training: {ordinal_list(report.steps)}. The figures are those of the last one."
    step = f" Steps are those of {report.optimiser}." if report.optimiser else ""
    return text(told + step)


def _items(count: int) -> str:
    return "one item" if count == 1 else f"{count:,} items"


def _findings(report: ProbeReport) -> tuple[Block, ...]:
    if report.is_healthy:
        count = len(report.rows)
        if not report.has_gradients:
            told = "No gradient of anything trainable was measured. To the outputs alone no rule applies."
            return (Finding("warning", text(told)),)
        told = f"All {count} layers are healthy" if count != 1 else "The one layer is healthy"
        return (Finding("right", text(told, f": none of the {len(VERDICTS)} rules applies.")),)
    shown = report.findings[:SHOWN_FINDINGS]
    blocks = [block for found in shown for block in _one_finding(report, found)]
    more = len(report.findings) - len(shown)
    if more:
        blocks.append(Hidden(more, "findings", text("all of them are in ", Code("report.findings"))))
    return tuple(blocks)


def _one_finding(report: ProbeReport, found: ProbeFinding) -> tuple[Block, ...]:
    rule = found.rule
    seen = () if found.seen_in == found.layer else (" (seen in ", Code(found.seen_in), ")")
    measured = "" if math.isnan(found.value) else f" Measured: {figure(found.value)}."
    items = [
        text(Strong("Rule: "), Code(rule.name), f", {rule.condition}.{measured}"),
        text(Strong("Threshold from: "), f"{rule.source}."),
        text(Strong("What helps: "), rule.suggestion),
    ]
    others = [name for name in found.consequences if name != found.seen_in]
    if others:
        items.append(text(Strong("Follows from it: "), *_names(others), "."))
    return (
        Finding(
            "wrong", text(Code(found.layer), " is ", Strong(found.verdict), *seen, _evidence(report, found))
        ),
        Listing(tuple(items)),
    )


def _evidence(report: ProbeReport, found: ProbeFinding) -> str:
    row = next((row for row in report.rows if row.name == found.seen_in), None)
    if row is None:
        return f": {found.rule.condition}."
    if found.rule.name == "dead_units":
        return f": {row.dead_units} of {row.units} units are positive on no input."
    if found.rule.name == "saturated":
        return f": {100 * found.value:.0f} % of the outputs are {_where(row.saturation)}."
    return f": {found.rule.condition}."


def _where(saturation: str) -> str:
    return saturation if saturation.startswith("at ") else f"flat, {saturation}"


def _names(names: Sequence[str]) -> Text:
    shown = [part for name in names[:SHOWN_NAMES] for part in (", ", Code(name))][1:]
    more = len(names) - SHOWN_NAMES
    return (*shown, *((f" and {more} more",) if more > 0 else ()))


# --- the table --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """One column: its head, its side, its cells, and the row's figure that decides whether it is shown."""

    head: str
    align: str
    cell: Callable[[ProbeRow], Text]
    figure: Callable[[ProbeRow], object] = lambda _: True


def _number(value: float | None) -> Text:
    return text("" if value is None else figure(value))


def _share(value: float | None) -> Text:
    return (
        text("")
        if value is None
        else text(Share(Fraction(min(max(value, 0.0), 1.0)).limit_denominator(10**6)))
    )


def _histogram(row: ProbeRow) -> Text:
    if not any(row.bins):
        return text("")
    low, high = (figure(edge) for edge in row.edges)
    thin = tuple(float(sum(row.bins[n : n + 4])) for n in range(0, len(row.bins), 4))
    return text(Spark(Sparkline(thin, least=0.0), f"outputs from {low} to {high}"))


def _over_time(line: tuple[float, ...]) -> Text:
    """The gradient at each sample, by powers of ten."""
    if not line:
        return text("")
    step = max(1, -(-len(line) // LONGEST_LINE))
    told = f"gradient from {figure(line[0])} to {figure(line[-1])}"
    return text(Spark(Sparkline(line[::step], scale="log"), told))


def _verdict(row: ProbeRow) -> Text:
    if row.verdict == "healthy":
        return text("healthy, frozen" if row.is_frozen else "healthy")
    if row.because_of is None:
        return text(Strong(row.verdict))
    return text(row.verdict, " (", Code(row.because_of), ")")


def _gradient(row: ProbeRow) -> float | None:
    """Of the parameters where there are any, and otherwise of the output."""
    return row.gradient_norm if row.parameters else row.output_gradient_norm


def _rank(row: ProbeRow) -> str:
    return "" if row.rank is None else f"{row.rank}/{row.rank_of}"


def _decades(ratio: float | None) -> str:
    return "" if not ratio or not math.isfinite(ratio) else f"{math.log10(ratio):.1f}".replace("-", "−")


_NAME = _Column("layer", "l", lambda row: text(Code(row.name)))
# What is read first, and what stands behind it; each fits a terminal.
_VERDICT_COLUMNS = (
    _NAME,
    _Column("kind", "l", lambda row: text(row.kind)),
    _Column("verdict", "l", _verdict),
    _Column("outputs", "l", _histogram, lambda row: any(row.bins) or None),
    _Column("saturated", "l", lambda row: _share(row.saturated), lambda row: row.saturated),
    _Column("dead", "l", lambda row: _share(row.dead), lambda row: row.dead),
    _Column("gradient", "r", lambda row: _number(_gradient(row)), _gradient),
)
_FIGURE_COLUMNS = (
    _NAME,
    _Column("output", "l", lambda row: text(shape_words(row.shape)), lambda row: row.shape or None),
    _Column("mean", "r", lambda row: _number(row.mean), lambda row: row.mean),
    _Column("σ", "r", lambda row: _number(row.sigma), lambda row: row.sigma),
    _Column("|f′|", "r", lambda row: _number(row.slope), lambda row: row.slope),
    _Column("rank", "r", lambda row: text(_rank(row)), lambda row: row.rank),
    _Column("/weights", "r", lambda row: _number(row.gradient_ratio), lambda row: row.gradient_ratio),
    _Column("log₁₀ step", "r", lambda row: text(_decades(row.update_ratio)), lambda row: row.update_ratio),
)


def _table(report: ProbeReport) -> tuple[Block, ...]:
    """The verdicts, and the figures behind them."""
    lines = dict(report.history)
    over_time = (
        (_Column("over time", "l", lambda row: _over_time(lines.get(row.name, ()))),)
        if len(report.steps) > 1
        else ()
    )
    verdicts = text(
        "Gradient: norm of the loss by the layer's parameters, or by its output where it has none. "
        "A name beside a verdict is the layer that it follows from."
    )
    step = " Step: the optimiser's next step over the weights; −3 is healthy." if report.optimiser else ""
    figures = text(
        "|f′|: mean slope of the activation. Rank: directions that explain 99 % of the variance. "
        f"/weights: gradient over weights.{step}"
    )
    shown = _shown(report)
    blocks: list[Block] = [_one_table((*_VERDICT_COLUMNS, *over_time), shown, verdicts)]
    hidden = len(report.rows) - len(shown)
    if hidden:
        blocks.append(Hidden(hidden, "healthy layers", text("all of them are in ", Code("report.rows"))))
    return (*blocks, Section(text("Figures"), (_one_table(_FIGURE_COLUMNS, shown, figures),)))


def _shown(report: ProbeReport) -> tuple[ProbeRow, ...]:
    """All rows; of very many the first, the last and those that a fault begins in."""
    rows, half = report.rows, SHOWN_ROWS // 2
    if len(rows) <= SHOWN_ROWS:
        return rows
    return tuple(
        row
        for n, row in enumerate(rows)
        if n < half or n >= len(rows) - half or (row.verdict != "healthy" and row.because_of is None)
    )


def _one_table(columns: Sequence[_Column], rows: Sequence[ProbeRow], caption: Text) -> Table:
    known = [c for c in columns if any(c.figure(row) is not None for row in rows)]
    return Table(
        tuple(text(c.head) for c in known),
        tuple(tuple(c.cell(row) for c in known) for row in rows),
        "".join(c.align for c in known),
        caption,
        sortable=True,
    )
