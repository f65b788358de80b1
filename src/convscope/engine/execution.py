"""Running a plan: its compiled functions found or waited for, and called over bands of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine import fallback
from convscope.engine.borders import VALID
from convscope.engine.fourier import FourierRun
from convscope.engine.methods import DIRECT, FOURIER, methods
from convscope.engine.plan import Plan, families, taken
from convscope.engine.program import Program, Strides, build
from convscope.engine.request import SOURCES, Request, source_name
from convscope.engine.running import ALIGNMENT, crew, run_bands, scratch
from convscope.engine.signatures import Signature, prepare, tile_address

Picture: TypeAlias = npt.NDArray[Any]

# A call that SciPy serves in less than this does not wait for the compiler.
PATIENCE = 0.5
LARGE = 2**16  # bytes from which a result is worth aligning
MAX_PREPARED = 256
NATIVE = frozenset(np.dtype(name) for name in SOURCES)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan ready to run over pictures laid out one way: compiled functions by address, and transforms."""

    plan: Plan
    passes: tuple[tuple[int, int, Program], ...]
    transforms: tuple[tuple[FourierRun, int, Prepared], ...]
    seconds: float
    run_alone: Callable[..., None]
    lead: Callable[..., int]

    def threads(self, program: Program) -> int:
        """How many threads have bands to compute."""
        return min(self.plan.threads, -(-self.plan.request.out[0] // program.band))


# Prepared plans hold the analyses of their kernels, whose ids stand in the keys: none is used twice.
_prepared: dict[tuple[object, ...], Prepared] = {}


def prepared_for(place: tuple[object, ...], out: Picture) -> Prepared | None:
    """What was made ready for calls of that key whose result begins on a cache line, or not, as this one."""
    return _prepared.get((*place, out.ctypes.data % ALIGNMENT == 0))


def written_at_once(out: Picture, request: Request, picture: Picture) -> bool:
    """True when rows of `out` lie in one piece, in the type compiled code writes, apart from the picture."""
    if out.dtype != computed_type(request) or not out.dtype.isnative or not out.size:
        return False
    step = out.itemsize
    axes = 2 if picture.ndim == 2 else 3
    for axis in range(1, axes):
        if out.strides[-axis] != step and out.shape[-axis] > 1:
            return False
        step *= out.shape[-axis]
    return out.strides[-axes] >= 0 and not np.may_share_memory(out, picture)


def signatures(plan: Plan) -> list[Signature]:
    """The compiled functions that a plan runs."""
    result = computed_type(plan.request)
    found = []
    for family, numbers in families(plan).items():
        work = plan.choices[numbers[0]].taken.method.work
        name = DIRECT if family == FOURIER else family
        found.append(Signature(name, plan.request.source, work, result))
    return found


def computed_type(request: Request) -> str:
    """The dtype compiled code writes; float16 is rounded from float32."""
    return "float32" if request.result == "float16" else request.result


def prepared_plan(key: tuple[object, ...]) -> Plan | None:
    """The plan of calls like this one, when one of them was made ready before."""
    found = _prepared.get(key)
    return None if found is None else found.plan


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Picture:
    """An uninitialised array; a large one begins on a cache line, so that it can be streamed to."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype=dtype)
    memory = np.empty(size + ALIGNMENT, dtype=np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


def run_plan(
    plan: Plan, picture: Picture, out: Picture, *, wait: bool = False, key: tuple[object, ...] | None = None
) -> None:
    """Run a plan over one picture (H, W, C) into a stack (n, H', W', C) whose rows lie in one piece."""
    aligned = out.ctypes.data % ALIGNMENT == 0
    place = None if key is None else (*key, aligned)
    found = None if place is None else _prepared.get(place)
    if found is None:
        needed = signatures(plan)
        kernels = tuple(choice.analysis for choice in plan.choices)
        slow = fallback.seconds(plan.request, kernels)
        ready = [prepare(signature, wait=wait or slow > PATIENCE) for signature in needed]
        if not all(ready):
            fallback.apply_slowly(picture, kernels, plan.request, out)
            return
        found = _prepare(plan, picture, out)
        if place is not None and key is not None:
            if len(_prepared) >= MAX_PREPARED:
                _prepared.clear()
            _prepared[place] = _prepared[key] = found
    execute(found, picture, out)


def _prepare(plan: Plan, picture: Picture, out: Picture) -> Prepared:
    from convscope.engine.bands import lead, run_alone

    request = plan.request
    strides = Strides(
        (picture.strides[0], picture.strides[1], picture.strides[2]), picture.itemsize,
        out.strides[1], out.itemsize, out.strides[0],
    )  # fmt: skip
    passes, transforms = [], []
    needed = dict(zip(families(plan), signatures(plan), strict=True))
    for family, numbers in families(plan).items():
        if family == FOURIER:
            for number in numbers:
                transforms.append(_fourier(plan, number, picture, out))
            continue
        program = build(family, request, taken(plan, numbers), strides, out.ctypes.data)
        function = tile_address(needed[family])
        if numbers == list(range(len(plan.choices))):
            passes.append((function, program.job.ctypes.data, program))
            continue
        # Kernels of several families: each runs by itself, at its own place of the stack.
        for number in numbers:
            one = build(family, request, taken(plan, [number]), strides, out.ctypes.data)
            passes.append((function, one.job.ctypes.data, replace(one, first=number)))
    return Prepared(plan, tuple(passes), tuple(transforms), plan.seconds, run_alone, lead)


def _fourier(plan: Plan, number: int, picture: Picture, out: Picture) -> tuple[FourierRun, int, Prepared]:
    choice = plan.choices[number]
    run = FourierRun(plan.request, choice.analysis.floats, choice.taken.method.work)
    direct = methods(plan.request, choice.analysis, choice.taken.method.work)[0]
    request = replace(plan.request, kernels=1)
    instead = replace(choice, taken=replace(choice.taken, method=direct))
    fallback_plan = replace(plan, request=request, choices=(instead,))
    return run, number, _prepare(fallback_plan, picture, out[number : number + 1])


def apply_like(plan: Plan, first_row: int, part: Picture) -> Picture:
    """The windows that lie inside a part of a larger picture, by the methods its whole plan took.

    `first_row` is where the part begins in the picture with its border.

    The same methods add the same numbers in the same order, so parts make the very result of the whole
    (a Fourier plan excepted, whose tiles then lie elsewhere).
    """
    cells = part[..., None] if part.ndim == 2 else part
    if cells.dtype not in NATIVE:
        cells = cells.astype(source_name(cells.dtype))
    request = replace(
        plan.request, picture=(cells.shape[0], cells.shape[1], cells.shape[2]), source=cells.dtype.name,
        border=VALID, value=0.0, first_row=first_row,
    )  # fmt: skip
    out = empty((1, *request.out, request.picture[2]), computed_type(request))
    if out.size:
        run_plan(replace(plan, request=request), cells, out, wait=True)
    found = out[0, ..., 0] if part.ndim == 2 else out[0]
    return found.astype(request.result, copy=False)


def execute(prepared: Prepared, picture: Picture, out: Picture) -> None:
    """Run what was prepared."""
    run_passes(prepared, picture.ctypes.data, out.ctypes.data, out.strides[0])
    for run, number, instead in prepared.transforms:
        _run_fourier(run, picture, out[number], instead, prepared.plan.threads)


def run_passes(prepared: Prepared, src: int, dst: int, kernel_step: int) -> None:
    """The compiled functions over all rows, on as many threads as the plan says."""
    plan = prepared.plan
    rows = plan.request.out[0]
    for function, job, program in prepared.passes:
        place = dst + program.first * kernel_step
        threads = prepared.threads(program)
        where = (function, job, src, place)
        if threads > 1 and crew().run(
            prepared.lead, where, program.scratch, rows, program.band, threads, prepared.seconds
        ):
            continue
        prepared.run_alone(function, job, src, place, scratch(program.scratch), 0, rows)


def _run_fourier(run: FourierRun, picture: Picture, out: Picture, instead: Prepared, threads: int) -> None:
    function, job, program = instead.passes[0]
    src, dst = picture.ctypes.data, out.ctypes.data

    def again(begin: int, end: int) -> None:
        instead.run_alone(function, job, src, dst, scratch(program.scratch), begin, end)

    def band(begin: int, end: int) -> None:
        run.run(picture, out, begin, end, fallback.rounded, again)

    run_bands(band, run.request.out[0], run.band, threads)
