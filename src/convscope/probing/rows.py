"""A report made from what was measured: a row for each layer, with the verdict that a rule gave it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from convscope.probing.observer import COMPUTED, Watched
from convscope.probing.statistics import BINS, effective_rank, norm
from convscope.probing.verdicts import VERDICTS, Rule, Verdict

if TYPE_CHECKING:
    from convscope.probing.network import Found
    from convscope.probing.report import ProbeReport


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of a layer; norms are roots of sums of squares.

    Attributes:
        name: its path in the model.
        is_frozen: whether it asks for no gradient.
        gradient_norm: mean over the batches; None where no gradient came.
        update_norm: of the optimiser's next step.
    """

    name: str
    shape: tuple[int, ...]
    is_frozen: bool
    weight_norm: float
    gradient_norm: float | None = None
    update_norm: float | None = None


@dataclass(frozen=True)
class ProbeRow:
    """What one layer does.

    Attributes:
        name: its path in the model; a function called in a forward is named after it, ``"block.relu()"``,
            and a later call has ``"#2"``.
        kind: the class of the layer, or the function.
        shape: of its output in the last batch.
        calls: how often it ran, in all batches.
        mean, sigma: of all values of its output.
        is_finite: whether each of them was.
        saturated: share of its outputs where it is flat, from 0 to 1; None where it has no flat ends.
        saturation: what counts as flat, in words.
        dead_units, units: units that were not positive on any input, and how many there are; for
            feature maps a unit is a channel. None for functions that pass negative values.
        slope: mean of |f'| over all values.
        rank: how many principal directions explain 99 % of the output's variance.
        rank_of: how many there could have been.
        variation: how much of the output's size differs between the items of a batch.
        output_gradient_norm: of the loss by its output, mean over the batches.
        gradient_norm: of the loss by its parameters, mean over the batches.
        weight_norm: of its parameters.
        gradient_ratio: the gradient over the weights, of its weights alone (two axes or more).
        update_ratio: the optimiser's next step over the weights, likewise.
        parameters: each of its parameters.
        bins, edges: a histogram of a sample of its outputs.
        verdict: one word.
        rule: the name of the rule that gave it, as in `VERDICTS`; empty for healthy.
        value: what the rule measured.
        because_of: the layer whose fault this one's is; None for a fault of its own.
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    calls: int = 0
    mean: float | None = None
    sigma: float | None = None
    is_finite: bool = True
    saturated: float | None = None
    saturation: str = ""
    dead_units: int | None = None
    units: int | None = None
    slope: float | None = None
    rank: int | None = None
    rank_of: int | None = None
    variation: float | None = None
    output_gradient_norm: float | None = None
    gradient_norm: float | None = None
    weight_norm: float | None = None
    gradient_ratio: float | None = None
    update_ratio: float | None = None
    parameters: tuple[ParameterRow, ...] = ()
    bins: tuple[int, ...] = ()
    edges: tuple[float, float] = (0.0, 0.0)
    verdict: Verdict = "healthy"
    rule: str = ""
    value: float | None = None
    because_of: str | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether it has parameters and none asks for a gradient."""
        return bool(self.parameters) and all(p.is_frozen for p in self.parameters)

    @property
    def dead(self) -> float | None:
        """Share of its units that are dead."""
        return None if self.dead_units is None or not self.units else self.dead_units / self.units

    @property
    def rank_share(self) -> float | None:
        """The effective rank as a share of what it could have been: delve's saturation."""
        return None if self.rank is None or not self.rank_of else self.rank / self.rank_of

    @property
    def threshold(self) -> float | None:
        """The threshold of the rule that gave the verdict."""
        return VERDICTS[self.rule].threshold if self.rule else None

    @property
    def suggestion(self) -> str:
        """What helps against the verdict."""
        return VERDICTS[self.rule].suggestion if self.rule else ""


@dataclass(frozen=True)
class ProbeFinding:
    """One fault, named by the layer that it begins in.

    Attributes:
        layer: the name of that layer's row; ``"(input)"`` or ``"(loss)"`` where it is neither's.
        verdict: one word.
        rule: the rule that found it.
        value: what the rule measured.
        seen_in: the row that shows it: the activation that the layer drives into its flat part.
        consequences: the names of the rows whose verdict follows from this one.
    """

    layer: str
    verdict: Verdict
    rule: Rule
    value: float
    seen_in: str
    consequences: tuple[str, ...] = ()


def built_report(found: Found, model: str) -> ProbeReport:
    """The report on what was measured."""
    from convscope.probing.judging import judge
    from convscope.probing.report import ProbeReport

    found.observer.settled()
    owned = owners(found)
    rows = [_row(watched, owned.pop(watched.name, ()), found) for watched in found.observer.rows.values()]
    # Weights that are used without their layer being called: F.linear(x, self.fc.weight).
    idle: list[str] = []
    for path, names in owned.items():
        parameters = _parameters(names, found)
        if any(p.gradient_norm is not None for p in parameters):
            rows.append(_with_parameters(ProbeRow(path, "parameters"), parameters, found))
        else:
            idle.append(path)
    judged, findings = judge(rows, found)
    return ProbeReport(
        model=model,
        rows=tuple(replace(row, **judged[row.name]) if row.name in judged else row for row in rows),
        findings=findings,
        batches=found.batches,
        items=found.items,
        loss=sum(found.losses) / len(found.losses) if found.losses else None,
        loss_words=found.loss_words,
        optimiser=found.optimiser,
        idle=tuple(idle),
        notes=tuple(found.notes),
    )


def owners(found: Found) -> dict[str, tuple[str, ...]]:
    """The parameters of each row: a layer's own, and those of layers inside it that never ran."""
    rows: dict[str, str] = {}
    for name, watched in found.observer.rows.items():
        if watched.module is not None:
            rows.setdefault(watched.path, name)
    owned: dict[str, list[str]] = {}
    for name in found.parameters:
        path = name.rpartition(".")[0]
        path = ".".join(part for part in path.split(".") if part != "_orig_mod").split(f".{COMPUTED}")[0]
        if path.startswith(COMPUTED):
            path = ""
        above = path
        while above not in rows and above:
            above = above.rpartition(".")[0]
        owned.setdefault(rows.get(above, path or "(model)"), []).append(name)
    return {row: tuple(names) for row, names in owned.items()}


def _row(watched: Watched, names: Iterable[str], found: Found) -> ProbeRow:
    moments, spread, firing = watched.moments, watched.spread, watched.firing
    variances = spread.eigenvalues if spread is not None else np.zeros(0)
    width = len(variances)
    row = ProbeRow(
        watched.name,
        watched.kind,
        watched.shape,
        watched.calls,
        moments.mean if moments.is_finite and moments.count else None,
        moments.sigma if moments.is_finite and moments.count else None,
        moments.is_finite,
        saturated=firing.saturated_share if firing else None,
        saturation=firing.activation.saturation if firing else "",
        dead_units=firing.dead_units if firing else None,
        units=firing.units if firing else None,
        slope=firing.mean_slope if firing else None,
        rank=effective_rank(variances) if width else None,
        rank_of=min(width, spread.count - 1) if spread is not None and width else None,
        variation=spread.variation if spread is not None else None,
        output_gradient_norm=watched.gradients.mean,
        bins=tuple(map(int, spread.bins)) if spread is not None and spread.bins is not None else (0,) * BINS,
        edges=spread.edges if spread is not None and spread.edges is not None else (0.0, 0.0),
    )
    return _with_parameters(row, _parameters(names, found), found)


def _parameters(names: Iterable[str], found: Found) -> tuple[ParameterRow, ...]:
    rows = []
    for name in names:
        parameter = found.parameters[name]
        gradients = found.gradients.get(name)
        rows.append(
            ParameterRow(
                name,
                tuple(parameter.shape),
                not parameter.requires_grad,
                norm(parameter) if parameter.is_floating_point() else 0.0,
                gradients.mean if gradients is not None else None,
                found.updates.get(name),
            )
        )
    return tuple(rows)


def weight_names(names: Iterable[str], found: Found) -> tuple[str, ...]:
    """The parameters that a ratio to the weights is about: those of two axes and more, else all of them."""
    named = tuple(names)
    return tuple(name for name in named if found.parameters[name].ndim >= 2) or named


def _mean_norm(
    row: str, parameters: Sequence[ParameterRow], found: Found, *, only_weights: bool
) -> float | None:
    """The mean over the batches of the norm of these gradients together."""
    kept = found.row_gradients.get((row, only_weights))
    if kept is not None:
        return kept.mean
    every = [p.gradient_norm for p in parameters if p.gradient_norm is not None]  # one batch: the same
    return math.hypot(*every) if every else None


def _with_parameters(row: ProbeRow, parameters: tuple[ParameterRow, ...], found: Found) -> ProbeRow:
    if not parameters:
        return row
    named = weight_names((p.name for p in parameters), found)
    weights = [p for p in parameters if p.name in named]
    size = math.hypot(*(p.weight_norm for p in weights))
    gradient = _mean_norm(row.name, weights, found, only_weights=True)
    updates = [p.update_norm for p in weights if p.update_norm is not None]
    return replace(
        row,
        parameters=parameters,
        gradient_norm=_mean_norm(row.name, parameters, found, only_weights=False),
        weight_norm=math.hypot(*(p.weight_norm for p in parameters)),
        gradient_ratio=gradient / size if gradient is not None and size else None,
        update_ratio=math.hypot(*updates) / size if updates and size else None,
    )


def weight_scale(row: ProbeRow) -> float:
    """The size of a row's weights, or that which He's rule would give them where they are smaller.

    The least of the usual rules is meant: a spread of 1/√(3·fan_in), as `torch.nn.Linear` begins with.
    """
    weights = [p for p in row.parameters if len(p.shape) >= 2]
    usual = math.hypot(*(math.sqrt(p.shape[0] / 3) for p in weights)) if weights else 0.0
    return max(math.hypot(*(p.weight_norm for p in weights)) if weights else 0.0, usual)
