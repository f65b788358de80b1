"""Which rule applies to which layer, and which of the faults began it.

A fault shows far from where it is: a saturated layer leaves every layer before it without a gradient, and
one NaN is everywhere behind it. So each rule is asked of each layer, and a layer is named for itself only
where no other layer's fault explains it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from convscope.probing.flow import bits
from convscope.probing.observer import Watched
from convscope.probing.rows import ProbeFinding, ProbeRow, weight_scale
from convscope.probing.verdicts import FEWEST_BESIDE, FEWEST_DIRECTIONS, FEWEST_UNITS, SCOPES, VERDICTS

if TYPE_CHECKING:
    from convscope.probing.network import Found

INPUT = "(input)"
LOSS = "(loss)"
# An input whose items differ by less tells nothing about a layer that does not tell them apart.
VARIES = 1e-3
# A gradient that falls by so much from one layer to the one before it has fallen there.
AT_ONCE = 1e3
# Below this share of the last gradient, a fall is not told from the end of single precision.
UNDERFLOWS = 1e-12
# A layer is to blame for where its values lie if they lie there already: two spreads below zero, or
# half as large as at the activation's door.
SPREADS = 2.0
SAME_SIZE = 0.5


@dataclass
class Mark:
    """One rule that applies to one row."""

    row: int
    rule: str
    value: float
    because_of: int | str | None = None
    seen_in: int | None = None


@dataclass
class Case:
    """All that verdicts are made from.

    Attributes:
        above: for each row, the rows that lead to it, as the ones of a number; below: those it leads to.
        trunk: rows that nothing goes around.
        reaching: rows that the loss depends on.
    """

    rows: list[ProbeRow]
    watched: list[Watched | None]
    found: Found
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    sources: list[set[int]] = field(default_factory=list)
    readers: list[set[int]] = field(default_factory=list)
    trunk: set[int] = field(default_factory=set)
    reaching: set[int] = field(default_factory=set)
    marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        count, flow = len(self.rows), self.found.observer.flow
        leading, following = flow.leading(), flow.following()
        self.above = [leading.get(n, 0) for n in range(count)]
        self.below = [following.get(n, 0) for n in range(count)]
        self.sources, self.readers = [set() for _ in range(count)], [set() for _ in range(count)]
        for node, row in enumerate(flow.rows):
            for other in bits(flow.reads[node]):
                before = flow.rows[other]
                if row is not None and before is not None and before != row:
                    self.sources[row].add(before)
                    self.readers[before].add(row)
        reaching, bypassed = flow.reaching(), flow.bypassed()
        beside = {flow.rows[node] for node in bits(bypassed)}
        self.reaching = {row for node in bits(reaching) if (row := flow.rows[node]) is not None}
        self.trunk = self.reaching - {row for row in beside if row is not None}

    def roots(self) -> int:
        """The rows that have a fault of their own, so far."""
        return sum({1 << mark.row for mark in self.marks if mark.because_of is None})

    def mark(self, row: int, rule: str, value: float, **more: Any) -> None:  # noqa: ANN401
        """A rule applies."""
        self.marks.append(Mark(row, rule, value, **more))

    def marked(self, *scopes: str) -> set[int]:
        """The rows that a rule of these scopes applies to."""
        return {mark.row for mark in self.marks if VERDICTS[mark.rule].scope in scopes}


def judge(rows: list[ProbeRow], found: Found) -> tuple[dict[str, dict[str, Any]], tuple[ProbeFinding, ...]]:
    """The verdict of each row that is not healthy, and the findings, causes first."""
    watched = [found.observer.rows.get(row.name) for row in rows]
    case = Case(rows, watched, found)
    outside = _numbers(case)
    if not case.marked("numbers") and not outside:
        _cut(case)
    _layers(case)
    if not case.marked("numbers") and not outside:
        _flow(case)
        _steps(case)
    return _settled(case, outside)


# --- numbers ----------------------------------------------------------------------------------


def _numbers(case: Case) -> list[Mark]:
    """Values that are not finite, and where they began; faults that are no layer's are returned."""
    rows = case.rows
    bad = [n for n, row in enumerate(rows) if not row.is_finite or not _is_finite(_weights(row))]
    if bad:
        from_input = not all(row.moments.is_finite for row in case.found.observer.inputs)
        for n in bad:
            roots = [m for m in bad if case.above[n] >> m & 1] if _is_finite(_weights(rows[n])) else []
            root: int | str | None = INPUT if from_input else min(roots) if roots else None
            case.mark(n, "non_finite", math.nan, because_of=root)
        for n, row in enumerate(rows):
            if n not in bad and not _is_finite(_gradients(row)):
                first = next((mark.row for mark in case.marks if mark.because_of is None), None)
                case.mark(n, "non_finite", math.nan, because_of=INPUT if first is None else first)
        return [Mark(-1, "non_finite", math.nan, INPUT)] if from_input else []
    lost = [n for n, row in enumerate(rows) if not _is_finite(_gradients(row))]
    if lost:
        begins: int | str = lost[-1]
        outside: list[Mark] = []
        if not all(map(math.isfinite, case.found.losses)):
            begins, outside = LOSS, [Mark(-1, "non_finite", math.nan, LOSS)]
        for n in lost:
            case.mark(n, "non_finite", math.nan, because_of=None if n == begins else begins)
        return outside
    if not all(map(math.isfinite, case.found.losses)):
        return [Mark(-1, "non_finite", math.nan, LOSS)]
    return []


def _weights(row: ProbeRow) -> Iterable[float | None]:
    return (row.weight_norm,)


def _gradients(row: ProbeRow) -> Iterable[float | None]:
    return (row.gradient_norm, row.output_gradient_norm)


def _is_finite(values: Iterable[float | None]) -> bool:
    return all(value is None or math.isfinite(value) for value in values)


# --- gradients that do not arrive at all ------------------------------------------------------


def _cut(case: Case) -> None:
    trainable = {
        n
        for n, row in enumerate(case.rows)
        if n in case.reaching and row.parameters and not all(p.is_frozen for p in row.parameters)
    }
    cut = {n for n in trainable if case.rows[n].gradient_norm is None}
    for n in cut:
        later = [m for m in cut if case.below[n] >> m & 1 and not case.above[n] >> m & 1]
        case.mark(n, "cut_off", 0.0, because_of=max(later) if later else None)


# --- layers -----------------------------------------------------------------------------------


def _layers(case: Case) -> None:
    """Faults that one layer has by itself."""
    for n, row in enumerate(case.rows):
        if row.dead is not None and _is_dead(row, is_trunk=n in case.trunk):
            _blame(case, n, "dead_units", row.dead, _culprit(case, n, _lies_below_zero))
        elif row.saturated is not None and row.saturated >= VERDICTS["saturated"].threshold:
            _blame(case, n, "saturated", row.saturated, _culprit(case, n, _is_as_large))
    marked = case.marked("layer")
    for n, row in enumerate(case.rows):
        if n not in marked:
            _collapses(case, n, row)


def _is_dead(row: ProbeRow, *, is_trunk: bool) -> bool:
    units, dead = row.units or 0, row.dead_units or 0
    if dead == units:
        return units > 0 and (is_trunk or units >= FEWEST_BESIDE)
    return units >= FEWEST_UNITS and dead >= VERDICTS["dead_units"].threshold * units


def _blame(case: Case, seen_in: int, rule: str, value: float, culprit: int | None) -> None:
    """Mark the activation that shows a fault, and the layer before it that causes it."""
    start = seen_in if culprit is None else culprit
    row = case.rows[start]
    # Fed with nothing but zeros by a layer that is dead: no fault of its own.
    before = case.roots() & case.above[start] if not row.mean and not row.sigma else 0
    cause = next(bits(before), None)
    case.mark(start, rule, value, seen_in=seen_in, because_of=cause)
    if start != seen_in:
        case.mark(seen_in, rule, value, because_of=start if cause is None else cause)


def _culprit(case: Case, row: int, is_alike: Any) -> int | None:  # noqa: ANN401 - (row, next row) -> bool
    """The layer with parameters that puts an activation's input where it is."""
    before = _before(case, row)
    if not before:
        return None
    chosen = max(before, key=lambda n: (is_alike(case.rows[n], None), n))
    while True:  # a layer further up that its follower only handed on
        further = _before(case, chosen)
        if len(further) != 1 or not is_alike(case.rows[further[0]], case.rows[chosen]):
            return chosen
        chosen = further[0]


def _before(case: Case, row: int) -> list[int]:
    """The nearest layers with parameters that lead to a row, without an activation between."""
    found, waiting, seen = set(), set(case.sources[row]), set()
    while waiting:
        n = waiting.pop()
        if n in seen:
            continue
        seen.add(n)
        if case.rows[n].parameters:
            found.add(n)
        elif not _is_activation(case, n):
            waiting |= case.sources[n]
    return sorted(found)


def _is_activation(case: Case, row: int) -> bool:
    watched = case.watched[row]
    return watched is not None and watched.firing is not None


def _lies_below_zero(row: ProbeRow, after: ProbeRow | None) -> float:
    if row.mean is None or row.sigma is None:
        return -math.inf if after is None else 0
    if after is None:  # of several, the one that lies lowest
        return -row.mean / (row.sigma or 1e-30)
    return row.mean + SPREADS * row.sigma < 0


def _is_as_large(row: ProbeRow, after: ProbeRow | None) -> float:
    return _size(row) if after is None else _size(row) >= SAME_SIZE * _size(after)


def _size(row: ProbeRow) -> float:
    """Root mean square of a layer's output."""
    return math.hypot(row.mean or 0.0, row.sigma or 0.0)


def _collapses(case: Case, n: int, row: ProbeRow) -> None:
    """A layer whose output does not depend on its input, or whose channels all do the same."""
    if row.variation is None or n not in case.reaching or not row.is_finite:
        return
    limit = VERDICTS["constant_output"].threshold
    if row.variation < limit:
        if n in case.trunk and _gets_variation(case, n):
            case.mark(n, "constant_output", row.variation)
        return
    share = _second_direction(case, n)
    if share is None or share >= VERDICTS["one_direction"].threshold or not _has_room(row):
        return
    above = [_second_direction(case, m) for m in case.sources[n]]
    inputs = [_second_of(w) for w in case.found.observer.inputs] if not case.sources[n] else []
    if all(other is None or other >= VERDICTS["one_direction"].threshold for other in (*above, *inputs)):
        case.mark(n, "one_direction", share)


def _gets_variation(case: Case, row: int) -> bool:
    """Whether what a layer reads still differs between items: the collapse is its own."""
    if case.sources[row]:
        lost = VERDICTS["lost_signal"].threshold * _size_of_input(case)
        return any(
            (case.rows[n].variation or 0) > VARIES and _size(case.rows[n]) > lost for n in case.sources[row]
        )
    return _input_varies(case)


def _input_varies(case: Case) -> bool:
    """Whether the items of the batches differ; whole numbers, such as words, are taken to."""
    inputs = case.found.observer.inputs
    known = [w.spread.variation for w in inputs if w.spread is not None]
    return not known or any(variation is None or variation > VARIES for variation in known)


def _second_direction(case: Case, row: int) -> float | None:
    watched = case.watched[row]
    return None if watched is None else _second_of(watched)


def _second_of(watched: Watched) -> float | None:
    """The second principal variance as a share of the first."""
    if watched.spread is None:
        return None
    variances = watched.spread.eigenvalues
    if len(variances) < FEWEST_DIRECTIONS or not variances[0] > 0:
        return None
    return float(variances[1] / variances[0])


def _has_room(row: ProbeRow) -> bool:
    """Whether a layer could have moved in many directions."""
    weights = [p for p in row.parameters if len(p.shape) >= 2]
    if not weights or (row.rank_of or 0) < FEWEST_DIRECTIONS:
        return False
    return min(min(p.shape[0], math.prod(p.shape[1:])) for p in weights) >= FEWEST_DIRECTIONS


# --- signals and gradients along the way ------------------------------------------------------


def _flow(case: Case) -> None:
    """Gradients and signals that fade or grow from layer to layer."""
    _gradient_flow(case)
    _signal_flow(case)


def _gradient_flow(case: Case) -> None:
    norms = {
        n: norm
        for n in sorted(case.trunk)
        if (norm := case.rows[n].output_gradient_norm) is not None and not _needs_none(case, n)
    }
    last = next((norm for norm in reversed(list(norms.values())) if norm > 0), None)
    if last is None:
        return
    small, large = VERDICTS["small_gradient"].threshold, VERDICTS["large_gradient"].threshold
    order = list(norms)
    for rule, hit in (
        ("small_gradient", [n for n in order if norms[n] < small * last]),
        ("large_gradient", [n for n in order if norms[n] > large * last]),
    ):
        if hit:
            begins = _fall(order, norms, hit) if rule == "small_gradient" else None
            _group(case, rule, hit, {n: norms[n] / last for n in hit}, begins, case.below)


def _needs_none(case: Case, row: int) -> bool:
    """Whether no trainable weight lies at or before a row, so that its gradient is nobody's."""
    upward = (row, *bits(case.above[row]))
    return not any(any(not p.is_frozen for p in case.rows[n].parameters) for n in upward) and any(
        p.requires_grad for p in case.found.parameters.values()
    )


def _fall(order: list[int], norms: dict[int, float], hit: list[int]) -> int | None:
    """The row before which a gradient falls at once; None where it fades."""
    falls = {
        before: norms[after] / max(norms[before], UNDERFLOWS * norms[order[-1]])
        for before, after in pairwise(order)
        if norms[after] > 0 and before in hit
    }
    if not falls:
        return None
    steepest = max(falls, key=lambda n: falls[n])
    return steepest if falls[steepest] >= AT_ONCE else None


def _group(
    case: Case,
    rule: str,
    hit: list[int],
    values: dict[int, float],
    begins: int | None,
    explained_by: list[int],
) -> None:
    """Rows that share one fault: named by where it begins, or the first; or another layer's fault."""
    causes = case.roots()
    own = [n for n in hit if not explained_by[n] & causes]
    first = begins if begins in own else min(own) if own else None
    for n in hit:
        others = explained_by[n] & causes
        if others:
            case.mark(n, rule, values[n], because_of=next(bits(others)))
        else:
            case.mark(n, rule, values[n], because_of=None if n == first else first)


def _signal_flow(case: Case) -> None:
    came_in = _size_of_input(case)
    if not came_in:
        return
    lost, grown = VERDICTS["lost_signal"].threshold, VERDICTS["grown_signal"].threshold
    varies = _input_varies(case)
    sizes: dict[int, float] = {}
    for n in sorted(case.trunk):
        row = case.rows[n]
        if row.mean is None or row.sigma is None or _is_read_by_norms(case, n):
            continue
        size = _size(row) / came_in
        # A share of a size that is itself lost says no more than the size does.
        share = row.variation if varies and row.variation is not None else 1.0
        sizes[n] = min(size, share) if size <= 1 else size if share >= lost else share
    for rule, hit in (
        ("lost_signal", [n for n, size in sizes.items() if size < lost]),
        ("grown_signal", [n for n, size in sizes.items() if size > grown]),
    ):
        if hit:
            _group(case, rule, hit, sizes, None, case.above)


def _size_of_input(case: Case) -> float:
    sizes = [w.moments.rms for w in case.found.observer.inputs if w.moments.count]
    if sizes:
        return max(sizes)
    first = next((row for row in case.rows if row.sigma is not None), None)
    return _size(first) if first is not None else 0.0


def _is_read_by_norms(case: Case, row: int) -> bool:
    """Whether the layer after it sets the size anew."""
    readers = case.readers[row]
    return bool(readers) and all((w := case.watched[n]) is not None and w.is_norm for n in readers)


# --- the optimiser's step ---------------------------------------------------------------------


def _steps(case: Case) -> None:
    shares: dict[int, float] = {}
    for n, row in enumerate(case.rows):
        scale = weight_scale(row)
        steps = [p.update_norm for p in row.parameters if p.update_norm is not None and len(p.shape) >= 2]
        if scale and steps:
            shares[n] = math.hypot(*steps) / scale
    rule = "large_scaled_step" if case.found.has_scaled_steps else "large_step"
    for n, share in shares.items():
        if share > VERDICTS[rule].threshold:
            case.mark(n, rule, share)


# --- verdicts ---------------------------------------------------------------------------------


def _settled(case: Case, outside: list[Mark]) -> tuple[dict[str, dict[str, Any]], tuple[ProbeFinding, ...]]:
    """One mark a row, and a finding for each that has no other cause."""
    rank = {name: n for n, name in enumerate(VERDICTS)}
    scope = {name: SCOPES.index(rule.scope) for name, rule in VERDICTS.items()}
    one: dict[int, Mark] = {}
    for mark in case.marks:
        known = one.get(mark.row)
        key = (scope[mark.rule], mark.because_of is not None, rank[mark.rule])
        if known is None or key < (scope[known.rule], known.because_of is not None, rank[known.rule]):
            one[mark.row] = mark
    names = [row.name for row in case.rows]

    def told(cause: int | str | None) -> str | None:
        return names[cause] if isinstance(cause, int) else cause

    judged = {
        names[mark.row]: {
            "verdict": VERDICTS[mark.rule].verdict,
            "rule": mark.rule,
            "value": None if math.isnan(mark.value) else mark.value,
            "because_of": told(mark.because_of),
        }
        for mark in one.values()
    }
    roots = [mark for mark in one.values() if mark.because_of is None]
    roots.sort(
        key=lambda mark: (scope[mark.rule], -mark.value if VERDICTS[mark.rule].scope == "step" else mark.row)
    )
    findings = [
        _finding(told(mark.because_of) or names[mark.row], mark, one, names) for mark in (*outside, *roots)
    ]
    return judged, tuple(findings)


def _finding(layer: str, mark: Mark, one: dict[int, Mark], names: list[str]) -> ProbeFinding:
    cause: int | str = layer if mark.row < 0 else mark.row
    return ProbeFinding(
        layer,
        VERDICTS[mark.rule].verdict,
        VERDICTS[mark.rule],
        mark.value,
        names[mark.seen_in] if mark.seen_in is not None else layer,
        tuple(names[n] for n in sorted(one) if one[n].because_of == cause),
    )
