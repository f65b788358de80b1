"""The ways to compute one kernel: what each would add, in numbers that fit its working type, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from convscope.engine.analysis import Analysis, runs_of
from convscope.engine.request import Request

Floats = npt.NDArray[np.float64]

DIRECT, SEPARABLE, LOW_RANK, BOX, FOURIER = "direct", "separable", "low rank", "box", "fourier"
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
# Sums of whole numbers below these are exact in the working type.
EXACT = {"float32": 2**24, "float64": 2**53}
LARGEST = {"uint8": 255, "uint16": 65535, "int16": 32768, "int32": 2**31}
# Numerators above this are not the integers people write but the digits of a decimal.
MAX_NUMERATOR = 2**16
# Additions of a window sum down a column, whatever its length.
COLUMN_COST = 3.0
# A sum of terms may exceed the kernel by this factor before cancellation costs too many digits.
MAX_GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One direction of a term: taps, or constant runs ``(start, length, value)`` when they are cheaper."""

    taps: tuple[float, ...]
    runs: tuple[tuple[int, int, float], ...] = ()

    @property
    def additions(self) -> float:
        """Operations an output cell costs."""
        if not self.runs:
            return float(sum(1 for tap in self.taps if tap))
        return sum(run_cost(length) for _, length, _ in self.runs)

    @property
    def additions_down(self) -> float:
        """The same down a column, where a window sum takes three at most."""
        if not self.runs:
            return self.additions
        return sum(min(run_cost(length), COLUMN_COST) for _, length, _ in self.runs)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One way to compute one kernel.

    Attributes:
        name: of the method.
        work: the working type.
        exact: True when every sum is exact before its one final scaling.
        factor, divides: what the sum is multiplied with, or divided by.
        taps: the kernel, where it is added directly.
        terms: pairs of vertical and horizontal passes.
        operations: multiply-adds or additions for one output cell.
        error: the bound on a result's error, as a multiple of Σ|weight·pixel|; 0 when exact.
    """

    name: str
    work: str
    exact: bool
    factor: float
    divides: bool
    operations: float
    error: float
    taps: Floats | None = None
    terms: tuple[tuple[Pass, Pass], ...] = ()


def run_cost(length: int) -> float:
    """Additions of a window sum of `length` cells, and one to bring it to its place."""
    return max(length.bit_length() - 1 + length.bit_count() - 1, 1) if length > 1 else 1.0


def working_type(request: Request, kernels: Sequence[Analysis]) -> str:
    """The type sums are kept in: float32 where it does not lose what the result can hold."""
    if request.source == "float64" or request.result in {"float64", "int32"}:
        return "float64"
    if request.source in LARGEST and any(
        _is_whole(kernel) and not _fits(request, kernel, "float32") for kernel in kernels
    ):
        return "float64"
    return "float64" if request.source == "int32" else "float32"


def _is_whole(kernel: Analysis) -> bool:
    largest = max((abs(int(n)) for n in kernel.numerators.reshape(-1)), default=0)
    return largest <= MAX_NUMERATOR and kernel.content.denominator < MAX_NUMERATOR * MAX_NUMERATOR


def _fits(request: Request, kernel: Analysis, work: str) -> bool:
    largest = max(LARGEST[request.source], abs(request.value))
    return int(np.abs(kernel.numerators).sum()) * largest < EXACT[work]


def is_exact(request: Request, kernel: Analysis, work: str) -> bool:
    """True when whole numbers can be summed exactly and scaled once."""
    return (
        request.source in LARGEST
        and float(request.value).is_integer()
        and _is_whole(kernel)
        and _fits(request, kernel, work)
    )


def methods(request: Request, kernel: Analysis, work: str) -> list[Method]:
    """Every tiled way to compute the kernel that keeps its error bound; the direct one first."""
    exact = is_exact(request, kernel, work)
    found = [_direct(kernel, work, exact=exact)]
    if not kernel.taps:
        return found
    terms = _exact_terms(kernel, whole=exact)
    if not exact and kernel.rank > 1:
        # A product written in floats is not of rank 1 exactly, but within a rounding of it.
        close = _close_terms(kernel, work)
        if close is not None and (terms is None or len(close) < len(terms)):
            return found + _by_terms(request, kernel, work, close, exact=False)
    if terms:
        found += _by_terms(request, kernel, work, terms, exact=exact)
    return found


def _scale(content: Fraction, *, exact: bool) -> tuple[float, bool]:
    """What whole sums are multiplied with, or divided by."""
    if not exact or content == 1:
        return 1.0, False
    if content.numerator == 1:
        return float(content.denominator), True
    return float(content), False


def _direct(kernel: Analysis, work: str, *, exact: bool) -> Method:
    factor, divides = _scale(kernel.content, exact=exact)
    taps = kernel.numerators.astype(np.float64) if exact else kernel.floats
    error = 0.0 if exact else (kernel.taps + 1) * UNIT[work] * 1.01
    return Method(DIRECT, work, exact, factor, divides, kernel.taps, error, taps=taps)


def _exact_terms(kernel: Analysis, *, whole: bool) -> list[tuple[list[Fraction], list[Fraction]]] | None:
    """The products the kernel is, scaled as the sums are: by the content unless whole sums are wanted."""
    if not kernel.terms:
        return None
    terms = []
    for term in kernel.terms:
        if whole and any(tap.denominator != 1 for tap in term.column):
            return None
        scale = Fraction(1) if whole else kernel.content
        terms.append(([tap * scale for tap in term.column], list(term.row)))
    return terms


def _close_terms(kernel: Analysis, work: str) -> list[tuple[Floats, Floats]] | None:
    """Products that add up to the kernel within one rounding of its weights, by singular values."""
    weights = kernel.floats
    most = max(1, weights.size // sum(weights.shape))
    if min(weights.shape) < 2:
        return None
    left, values, right = np.linalg.svd(weights, full_matrices=False)
    allowed = 2 * UNIT[work] * float(np.abs(weights).sum())
    for rank in range(1, min(most, len(values)) + 1):
        near = (left[:, :rank] * values[:rank]) @ right[:rank]
        if float(np.abs(weights - near).sum()) <= allowed:
            return [(left[:, r] * values[r], right[r].copy()) for r in range(rank)]
    return None


def _by_terms(
    request: Request,
    kernel: Analysis,
    work: str,
    terms: Sequence[tuple[Sequence[Fraction] | Floats, Sequence[Fraction] | Floats]],
    *,
    exact: bool,
) -> list[Method]:
    pairs = [(np.array(c, dtype=np.float64), np.array(r, dtype=np.float64)) for c, r in terms]
    spread = sum(float(np.abs(c).sum() * np.abs(r).sum()) for c, r in pairs)
    weight = float(kernel.magnitude / kernel.content) if exact else float(kernel.magnitude)
    if exact and spread * max(LARGEST[request.source], abs(request.value)) >= EXACT[work]:
        return []
    growth = spread / weight
    if growth > MAX_GROWTH:
        return []
    factor, divides = _scale(kernel.content, exact=exact)
    depth = sum(kernel.shape) + len(pairs) + 4
    error = 0.0 if exact else depth * UNIT[work] * growth * 1.01
    plain = []
    for column, row in pairs:
        # Large and small factors meet in the middle, so that neither leaves float32.
        size = 1.0 if exact else float(np.abs(column).max())
        plain.append((Pass(tuple((column / size).tolist())), Pass(tuple((row * size).tolist()))))
    name = SEPARABLE if len(pairs) == 1 else LOW_RANK
    operations = sum(c.additions_down + r.additions for c, r in plain)
    found = [Method(name, work, exact, factor, divides, operations, error, terms=tuple(plain))]
    if request.stride[0] == 1 and request.dilation == (1, 1):
        boxed = _with_runs(terms, exact=exact, factor=factor, divides=divides)
        if boxed is not None:
            passes, factor, divides = boxed
            operations = sum(c.additions_down + r.additions for c, r in passes)
            found.append(Method(BOX, work, exact, factor, divides, operations, error, terms=passes))
    return found


def _with_runs(
    terms: Sequence[tuple[Sequence[Fraction] | Floats, Sequence[Fraction] | Floats]],
    *,
    exact: bool,
    factor: float,
    divides: bool,
) -> tuple[tuple[tuple[Pass, Pass], ...], float, bool] | None:
    """The terms with their constant runs added by window sums; None when that saves nothing."""
    passes: list[list[Pass]] = []
    saved = False
    for term in terms:
        pair = []
        for down, taps in ((True, term[0]), (False, term[1])):
            values = [Fraction(tap) for tap in taps]
            runs = tuple((run.start, run.length, float(run.value)) for run in runs_of(values))
            with_runs = Pass(tuple(float(v) for v in values), runs)
            without = Pass(with_runs.taps)
            spent = with_runs.additions_down if down else with_runs.additions
            cheaper = spent < without.additions
            saved |= cheaper
            pair.append(with_runs if cheaper else without)
        passes.append(pair)
    if not saved:
        return None
    if len(passes) == 1 and not exact:
        # The one value of a run becomes the final factor, so that the sums need no multiplication.
        for place, one in enumerate(passes[0]):
            if len(one.runs) == 1:
                start, length, value = one.runs[0]
                passes[0][place] = Pass(one.taps, ((start, length, 1.0),))
                factor *= value
    return tuple((column, row) for column, row in passes), factor, divides


def error_text(method: Method) -> str:
    """The error bound in words."""
    if method.exact:
        scaled = "" if method.factor == 1 else ", scaled and rounded once"
        return f"exact sums{scaled}"
    return f"within {method.error:.1e} of Σ|weight·pixel|"
