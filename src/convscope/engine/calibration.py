"""Measuring this machine: a few short runs of compiled code, well under a second, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from convscope.engine.cost import Machine, is_measured, keep_machine, transformed
from convscope.engine.fallback import rounded
from convscope.engine.fourier import FourierRun
from convscope.engine.methods import DIRECT, Method, Pass
from convscope.engine.program import Strides, build
from convscope.engine.request import Request
from convscope.engine.running import scratch
from convscope.engine.signatures import Signature, call_empty, tile_address

HEIGHT, WIDTH = 192, 1024
COPY_BYTES = 2**25
REPEATS = 12
_lock = threading.Lock()


def calibrate() -> Machine:
    """The rates of this machine, measured now and kept."""
    taps = 15
    ones = tuple([0.5] * taps)
    single = _seconds(DIRECT, _direct(np.ones((1, 1))))
    dense = _seconds(DIRECT, _direct(np.ones((taps, taps))))
    row = _direct(np.ones((1, 4 * taps)))
    across = _seconds(DIRECT, row)
    run = Pass(ones, ((0, taps, 1.0),))
    summed = _seconds("terms", _terms(run, run))
    few = Pass((0.5, 0.25, 0.5))
    both = _seconds("terms", _terms(few, few))
    cells = HEIGHT * WIDTH
    rates = _rate(cells * (taps * taps - 1), dense - single), _rate(cells * (4 * taps - 1), across - single)
    # What two passes of three taps take beyond their taps; a quarter of a loaded cell at the least.
    beyond = both - single - cells * (3 / (sum(rates) / 2) + 3 / rates[1])
    machine = Machine(
        copy=_copy_rate(),
        dense=rates[0],
        taps=rates[1],
        sums=_rate(cells * (run.additions_down + run.additions), summed - single),
        passes=_rate(cells, max(beyond, single / 4)),
        transform=_transform_rate(),
        cells=_rate(cells, single),
    )
    keep_machine(machine)
    return machine


def calibrate_once() -> None:
    """Measure unless this machine was measured before, in this process or another."""
    with _lock:
        if not is_measured():
            calibrate()


def _rate(work: float, seconds: float) -> float:
    # A disturbed run may seem to take no time at all; a rate of some size keeps every prediction finite.
    return work / max(seconds, 1e-6)


def _direct(taps: npt.NDArray[np.float64]) -> Method:
    return Method(
        DIRECT, "float32", exact=False, factor=1.0, divides=False, operations=taps.size, error=0.0, taps=taps
    )


def _terms(column: Pass, row: Pass) -> Method:
    return Method(
        "separable", "float32", exact=False, factor=1.0, divides=False, operations=1, error=0.0,
        terms=((column, row),),
    )  # fmt: skip


def _seconds(family: str, method: Method) -> float:
    """The shortest time of one thread over a small float32 picture."""
    taps = method.taps
    shape = (taps.shape[0], taps.shape[1]) if taps is not None else (
        len(method.terms[0][0].taps), len(method.terms[0][1].taps))  # fmt: skip
    request = Request((HEIGHT, WIDTH, 1), shape, "float32", "float32", anchor=(shape[0] // 2, shape[1] // 2))
    picture = np.ones((HEIGHT, WIDTH, 1), dtype=np.float32)
    out = np.empty_like(picture)
    strides = Strides((WIDTH * 4, 4, 4), 4, WIDTH * 4, 4, 0)
    program = build(family, request, [method], strides, 1)
    signature = Signature(family, "float32", "float32", "float32")
    call_empty(signature)
    from convscope.engine.bands import run_alone

    function, job = tile_address(signature), program.job.ctypes.data
    memory = scratch(program.scratch)
    src, dst = picture.ctypes.data, out.ctypes.data

    def call() -> None:
        run_alone(function, job, src, dst, memory, 0, HEIGHT)

    return _shortest(call)


def _shortest(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _copy_rate() -> float:
    source = np.ones(COPY_BYTES, dtype=np.uint8)
    target = np.ones_like(source)
    return 2 * COPY_BYTES / _shortest(lambda: np.copyto(target, source))


def _transform_rate() -> float:
    """Of tiles as a plan runs them: gathered, transformed, multiplied, transformed back and written."""
    taps = 31
    request = Request(
        (2 * HEIGHT, 2 * HEIGHT, 1), (taps, taps), "float32", "float32", anchor=(taps // 2,) * 2
    )
    run = FourierRun(request, np.full((taps, taps), 0.5), "float32")
    picture = np.ones(request.picture, dtype=np.float32)
    out = np.empty_like(picture)

    def work() -> None:
        for begin in range(0, request.out[0], run.band):
            end = min(begin + run.band, request.out[0])
            run.run(picture, out, begin, end, rounded, lambda _begin, _end: None)

    return transformed(request) / _shortest(work)
