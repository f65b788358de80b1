"""The plan: which method computes a kernel over a picture, why, and what the others would have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from convscope.core.document import Document
from convscope.engine import cost
from convscope.engine.analysis import Analysis
from convscope.engine.cost import Machine
from convscope.engine.fourier import error as fourier_error
from convscope.engine.fourier import tile_lengths
from convscope.engine.methods import DIRECT, FOURIER, Method, methods, working_type
from convscope.engine.request import Request
from convscope.engine.running import thread_count
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.engine.explanation import Explanation

# A method must promise this much less time before it is preferred to an earlier one in the list:
# the figures are not better than that, and the earlier ones have the smaller error.
MARGIN = 0.95
# Less work than this is done before a second thread has woken up.
SMALL_SECONDS = 1e-5


@dataclass(frozen=True, slots=True)
class Option:
    """One method with its predicted cost; `reason` says why it was not taken, empty for the one that was."""

    method: Method
    seconds: float
    operations: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The methods of one kernel: the one taken and those turned down."""

    analysis: Analysis
    taken: Option
    others: tuple[Option, ...]


@dataclass(frozen=True)
class Plan(Showable):
    """How a kernel is applied to a picture of one shape.

    Attributes:
        request: sizes, types and options.
        threads: how many may work.
        choices: for each kernel, the method taken and those turned down.
        measured: True when the predictions stand on this machine's own figures, False on typical ones.
        path: ``"compiled"``, or ``"scipy"`` while the compiled code of this signature is being made.
        machine: the figures.
    """

    request: Request
    threads: int
    choices: tuple[Choice, ...]
    measured: bool
    machine: Machine
    path: str = field(default="compiled")

    @property
    def method(self) -> str:
        """The method taken: of several kernels, each name once, in order."""
        return ", ".join(dict.fromkeys(choice.taken.method.name for choice in self.choices))

    @property
    def why(self) -> str:
        """The reason, in a sentence."""
        from convscope.engine.explanation import reason

        return "; ".join(dict.fromkeys(reason(choice) for choice in self.choices))

    @property
    def turned_down(self) -> tuple[Option, ...]:
        """The methods not taken, with their predicted cost and why."""
        return tuple(option for choice in self.choices for option in choice.others)

    @property
    def operations(self) -> float:
        """Predicted arithmetic: multiply-adds, or additions of window sums."""
        return sum(choice.taken.operations for choice in self.choices)

    @property
    def bytes(self) -> int:
        """Bytes read from the picture and written to the result."""
        return cost.moved_bytes(self.request)

    @property
    def seconds(self) -> float:
        """Predicted time."""
        return sum(choice.taken.seconds for choice in self.choices)

    def facts(self) -> dict[str, object]:
        """The plan for a program, in whole numbers: what is predicted, and what was turned down."""
        return {
            "path": self.path,
            "measured_machine": self.measured,
            "method": self.method,
            "why": self.why,
            "threads": self.threads,
            "nanoseconds": round(self.seconds * 1e9),
            "operations": round(self.operations),
            "bytes": self.bytes,
            "turned_down": [
                {
                    "method": option.method.name,
                    "nanoseconds": round(option.seconds * 1e9),
                    "reason": option.reason,
                }
                for option in self.turned_down
            ],
        }

    def explain(self, *, measure: bool = False) -> Explanation:
        """The plan as a database explains a query; it shows itself.

        Args:
            measure: run it on a picture of random numbers, and show measured beside predicted and the
                share of this machine's copy bandwidth.
        """
        from convscope.engine.explanation import Explanation, measure_plan

        return Explanation(self, measure_plan(self) if measure else None)

    def document(self) -> Document:
        """The plan explained."""
        return self.explain().document()


def choose(request: Request, kernel: Analysis, work: str, threads: int, machine: Machine) -> Choice:
    """The method that is cheapest with all of this machine's threads, so that none depends on `threads`."""
    found = methods(request, kernel, work)
    direct = found[0]
    if not direct.exact and kernel.taps and _transformable(request):
        found.append(
            Method(
                FOURIER,
                work,
                exact=False,
                factor=1.0,
                divides=False,
                operations=0.0,
                error=fourier_error(request, work),
                taps=kernel.floats,
            )
        )
    options = [
        Option(method, cost.seconds(request, method, threads, machine), cost.operations(request, method))
        for method in found
    ]
    full = [cost.seconds(request, method, thread_count(None), machine) for method in found]
    chosen = 0
    for number, seconds in enumerate(full):
        if seconds < MARGIN * full[chosen]:
            chosen = number
    best = options[chosen]
    others = tuple(
        Option(option.method, option.seconds, option.operations, _turned_down(option, best))
        for option in options
        if option is not best
    )
    return Choice(kernel, best, others)


def _transformable(request: Request) -> bool:
    """True where a tile of the kernel's extent still fits a cache."""
    high, wide = tile_lengths(request)
    return high * wide <= 2**24


def _turned_down(option: Option, best: Option) -> str:
    ratio = option.seconds / best.seconds
    if ratio > 1.02:
        return f"{ratio:.1f} times as long"
    return "saves too little to give up the smaller error bound"


@lru_cache(maxsize=512)
def plan_of(request: Request, kernels: tuple[Analysis, ...], threads: int, machine: Machine) -> Plan:
    """The plan of kernels of one shape; kernels are one working type together."""
    work = working_type(request, kernels)
    choices = tuple(choose(request, kernel, work, threads, machine) for kernel in kernels)
    if threads > 1 and sum(choice.taken.seconds for choice in choices) * threads < SMALL_SECONDS:
        return plan_of(request, kernels, 1, machine)
    return Plan(request, threads, choices, cost.is_measured(), machine)


def families(plan: Plan) -> dict[str, list[int]]:
    """Kernels that one compiled function computes in one pass over the picture."""
    found: dict[str, list[int]] = {}
    for number, choice in enumerate(plan.choices):
        name = choice.taken.method.name
        family = name if name in {DIRECT, FOURIER} else "terms"
        found.setdefault(family, []).append(number)
    return found


def taken(plan: Plan, numbers: Sequence[int]) -> list[Method]:
    """The methods taken for some of the kernels."""
    return [plan.choices[number].taken.method for number in numbers]
