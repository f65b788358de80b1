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
from convscope.engine.running import run_bands, scratch
from convscope.engine.signatures import Signature, markers, prepare, tile_function

Picture: TypeAlias = npt.NDArray[Any]

# A call that SciPy serves in less than this does not wait for the compiler.
PATIENCE = 0.5
ALIGNMENT = 64
LARGE = 2**20  # bytes from which a result is worth aligning
MAX_PREPARED = 256
NATIVE = frozenset(np.dtype(name) for name in SOURCES)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan ready to run over pictures laid out one way."""

    plan: Plan
    passes: tuple[tuple[Signature, Callable[..., Any], tuple[Any, ...], Program], ...]
    direct: tuple[tuple[FourierRun, int, Prepared], ...]


# Prepared plans hold the analyses of their kernels, whose ids stand in the keys: none is used twice.
_prepared: dict[tuple[object, ...], Prepared] = {}


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
        signature = needed[family]
        function, head = tile_function(family), markers(signature)
        if numbers == list(range(len(plan.choices))):
            passes.append((signature, function, head, program))
            continue
        # Kernels of several families: each runs by itself, at its own place of the stack.
        for number in numbers:
            one = build(family, request, taken(plan, [number]), strides, out.ctypes.data)
            passes.append((signature, function, head, replace(one, first=number)))
    return Prepared(plan, tuple(passes), tuple(transforms))


def _fourier(plan: Plan, number: int, picture: Picture, out: Picture) -> tuple[FourierRun, int, Prepared]:
    choice = plan.choices[number]
    run = FourierRun(plan.request, choice.analysis.floats, choice.taken.method.work)
    direct = methods(plan.request, choice.analysis, choice.taken.method.work)[0]
    request = replace(plan.request, kernels=1)
    instead = replace(choice, taken=replace(choice.taken, method=direct))
    fallback_plan = replace(plan, request=request, choices=(instead,))
    return run, number, _prepare(fallback_plan, picture, out[number : number + 1])


def apply_like(plan: Plan, part: Picture) -> Picture:
    """The windows that lie inside a part of a larger picture, by the methods its whole plan took.

    The same methods add the same numbers in the same order, so parts make the very result of the whole
    (a Fourier plan excepted, whose tiles then lie elsewhere).
    """
    cells = part[..., None] if part.ndim == 2 else part
    if cells.dtype not in NATIVE:
        cells = cells.astype(source_name(cells.dtype))
    request = replace(
        plan.request, picture=(cells.shape[0], cells.shape[1], cells.shape[2]), source=cells.dtype.name,
        border=VALID, value=0.0,
    )  # fmt: skip
    out = empty((1, *request.out, request.picture[2]), computed_type(request))
    if out.size:
        run_plan(replace(plan, request=request), cells, out, wait=True)
    found = out[0, ..., 0] if part.ndim == 2 else out[0]
    return found.astype(request.result, copy=False)


def execute(prepared: Prepared, picture: Picture, out: Picture) -> None:
    """Run what was prepared."""
    threads = prepared.plan.threads
    rows = prepared.plan.request.out[0]
    src, dst = picture.ctypes.data, out.ctypes.data
    for _, function, head, program in prepared.passes:
        arguments = program.arguments()
        size = program.weights.itemsize
        begin_at = dst + program.first * out.strides[0]

        def band(begin: int, end: int) -> None:
            function(*head, *arguments, src, begin_at, scratch(program.scratch), begin, end, size)  # noqa: B023

        run_bands(band, rows, program.band, threads)
    for run, number, instead in prepared.direct:
        _run_fourier(run, picture, out[number], instead, threads)


def _run_fourier(run: FourierRun, picture: Picture, out: Picture, instead: Prepared, threads: int) -> None:
    _, function, head, program = instead.passes[0]
    arguments = program.arguments()
    src, dst = picture.ctypes.data, out.ctypes.data

    def again(begin: int, end: int) -> None:
        function(*head, *arguments, src, dst, scratch(program.scratch), begin, end, program.weights.itemsize)

    def band(begin: int, end: int) -> None:
        run.run(picture, out, begin, end, fallback.rounded, again)

    run_bands(band, run.request.out[0], run.band, threads)
