"""A plan in words and tables, with measured figures beside the predicted ones where asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.document import Block, Document, Paragraph, Table, Text, text
from convscope.core.number import round_half_even
from convscope.engine.analysis import Analysis
from convscope.engine.methods import BOX, DIRECT, FOURIER, LOW_RANK, SEPARABLE, error_text
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.engine.plan import Choice, Option, Plan

REPEATS = 5
COPY_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run took, and what a copy of as many bytes would."""

    seconds: float
    copy_seconds: float


@dataclass(frozen=True, eq=False)
class Explanation(Showable):
    """A plan explained; `repr` is the text."""

    plan: Plan
    measurement: Measurement | None = None

    def document(self) -> Document:
        """Method, why, cost, and the methods turned down."""
        plan = self.plan
        blocks: list[Block] = [Paragraph(text(sentence)) for sentence in _sentences(plan)]
        blocks.append(_cost_table(plan, self.measurement))
        for number, choice in enumerate(plan.choices[:8]):
            name = f"Kernel {number}: methods" if len(plan.choices) > 1 else "Methods"
            blocks.append(_method_table(choice, name))
        if plan.path == "scipy":
            blocks.append(Paragraph(text(
                "The compiled code of these types is not made yet: a call that would be short is served by "
                "SciPy while it is, with the same result within the stated errors."
            )))  # fmt: skip
        return Document(text(f"Plan: {plan.method}"), tuple(blocks))

    def __repr__(self) -> str:
        return self.to_text()

    __str__ = __repr__


def structure(analysis: Analysis) -> str:
    """What the analysis found, in a clause."""
    rows, columns = analysis.shape
    parts = [f"{rows} × {columns} taps", f"rank {analysis.rank}"]
    if analysis.zeros:
        parts.append(f"{analysis.zeros} of them zero")
    if analysis.is_constant:
        parts.append("all equal")
    for name, sign in (("columns", analysis.horizontal_symmetry), ("rows", analysis.vertical_symmetry)):
        if sign:
            parts.append(f"{'symmetric' if sign > 0 else 'antisymmetric'} in its {name}")
    if analysis.is_integer:
        parts.append("whole numbers")
    return ", ".join(parts)


def reason(choice: Choice) -> str:
    """Why this method was taken."""
    method, analysis = choice.taken.method, choice.analysis
    terms, count = len(method.terms), f"{method.operations:.0f}"
    match method.name:
        case "separable":
            near = "" if analysis.rank == 1 else " within one rounding of its weights"
            return f"the kernel is a column times a row{near}, so {count} taps do the work of {analysis.taps}"
        case "low rank":
            return (
                f"the kernel is a sum of {terms} columns times rows: {count} taps instead of {analysis.taps}"
            )
        case "box":
            return f"its constant runs become window sums: {count} additions instead of {analysis.taps} taps"
        case "fourier":
            return f"{analysis.taps} taps without a cheaper structure cost more than transforms of tiles"
    if analysis.zeros:
        return f"only {analysis.taps} of {analysis.weights.size} taps are not zero, and the zeros are skipped"
    return f"{analysis.taps} taps are few enough to add as they are"


def _sentences(plan: Plan) -> list[str]:
    request = plan.request
    height, width, channels = request.picture
    out_height, out_width = request.out
    kernels = f"{request.kernels} kernels" if request.kernels > 1 else "one kernel"
    picture = f"A picture of {height} × {width}" + (f" × {channels}" if channels > 1 else "")
    first = (
        f"{picture}, {request.source}, and {kernels} give {out_height} × {out_width} cells, "
        f"{request.result}; cross-correlation, border {request.border!r}, stride {request.stride}, "
        f"dilation {request.dilation}, the tap {request.anchor} over the output cell; "
        f"{plan.threads} thread{'s' if plan.threads > 1 else ''}."
    )
    work = plan.choices[0].taken.method.work if plan.choices else request.result
    found = [first, f"Method {plan.method}, in {work}: {plan.why}."]
    if len(plan.choices) == 1:
        choice = plan.choices[0]
        found.append(
            f"The kernel: {structure(choice.analysis)}. The result: {error_text(choice.taken.method)}."
        )
    if not plan.measured:
        found.append("This machine is not measured yet: predictions stand on typical figures.")
    return found


def _figure(number: float, digits: int = 3) -> Text:
    return text(round_half_even(Fraction(number), digits))


def _cost_table(plan: Plan, measured: Measurement | None) -> Table:
    rows: list[tuple[Text, ...]] = [
        (text("time (ms)"), _figure(plan.seconds * 1e3)),
        (text("operations (millions)"), _figure(plan.operations / 1e6)),
        (text("bytes read and written (millions)"), _figure(plan.bytes / 1e6)),
        (text("share of copy bandwidth"), _figure(plan.bytes / plan.machine.copy / plan.seconds, 2)),
    ]
    columns: tuple[Text, ...] = (text("cost"), text("predicted"))
    if measured is not None:
        columns += (text("measured"),)
        seen = [
            _figure(measured.seconds * 1e3), (), (), _figure(measured.copy_seconds / measured.seconds, 2),
        ]  # fmt: skip
        rows = [(*row, one) for row, one in zip(rows, seen, strict=True)]
    return Table(columns, tuple(rows), "lrr")


def _method_table(choice: Choice, name: str) -> Table:
    def row(option: Option, verdict: str) -> tuple[Text, ...]:
        return (
            text(option.method.name), _figure(option.seconds * 1e3), _figure(option.operations / 1e6),
            text(error_text(option.method) if option.method.name != FOURIER else
                 f"within {option.method.error:.1e} of ‖tile‖·‖kernel‖"), text(verdict),
        )  # fmt: skip

    rows = [row(choice.taken, "taken"), *(row(option, option.reason) for option in choice.others)]
    if choice.analysis.horizontal_symmetry or choice.analysis.vertical_symmetry:
        rows.append((
            text("folding"), (), (), (),
            text("adding mirrored cells first takes as many instructions as multiply-adds on the cells"),
        ))  # fmt: skip
    columns = (text("method"), text("ms"), text("operations (M)"), text("error"), text("verdict"))
    return Table(columns, tuple(rows), "lrrll", text(name))


def measure_plan(plan: Plan) -> Measurement:
    """Run the plan on a picture of random numbers: the shortest of a few runs."""
    from convscope.engine.execution import run_plan

    request = plan.request
    random = np.random.default_rng(0)
    picture = (random.random(request.picture) * 255).astype(request.source)
    out = np.empty((request.kernels, *request.out, request.picture[2]), dtype=request.result)
    run_plan(plan, picture, out, wait=True)
    return Measurement(_shortest(lambda: run_plan(plan, picture, out, wait=True)), plan.bytes / copy_rate())


def copy_rate() -> float:
    """Bytes read and written in a second by a large copy."""
    source = np.zeros(COPY_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)
    return 2 * COPY_BYTES / _shortest(lambda: np.copyto(target, source))


def _shortest(work: object) -> float:
    assert callable(work)  # noqa: S101 - called from here only
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


__all__ = ["BOX", "DIRECT", "LOW_RANK", "SEPARABLE", "Explanation", "Measurement", "measure_plan", "replace"]
