"""Compiled functions by signature: found, waited for, or made in the background while SciPy serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from convscope.engine.layout import KERNEL_WORDS, LENGTH, TERM_WORDS
from convscope.engine.methods import DIRECT


@dataclass(frozen=True, slots=True)
class Signature:
    """What a compiled function is made for: the kind of method and three types."""

    family: str
    source: str
    work: str
    result: str


@dataclass(slots=True)
class _State:
    done: threading.Event
    error: BaseException | None = None


_states: dict[Signature, _State] = {}
_lock = threading.Lock()
# One compiler at a time: Numba has one lock for all of them.
_queue_lock = threading.Lock()
_calibrating = threading.Event()


def tile_function(family: str) -> Callable[..., Any]:
    """The compiled function of a family; imports Numba."""
    if family == DIRECT:
        from convscope.engine.direct import direct_tiles

        function: Callable[..., Any] = direct_tiles
    else:
        from convscope.engine.separable import separable_tiles

        function = separable_tiles
    return function


def markers(signature: Signature) -> tuple[Any, Any, Any]:
    """The NumPy class of each type, by which Numba picks the code."""
    return (
        np.dtype(signature.source).type,
        np.dtype(signature.work).type,
        np.dtype(signature.result).type,
    )


@lru_cache(maxsize=256)
def tile_address(signature: Signature) -> int:
    """Where the compiled function of a signature lies, which `prepare` has made ready."""
    from numba import typeof, types

    kinds = (*(typeof(marker) for marker in markers(signature)), *[types.int64] * 6)
    made = tile_function(signature.family).overloads[kinds]  # type: ignore[attr-defined]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def is_ready(signature: Signature) -> bool:
    """True when calls of this signature run at once."""
    state = _states.get(signature)
    return state is not None and state.done.is_set() and state.error is None


def prepare(signature: Signature, *, wait: bool) -> bool:
    """Have the signature compiled, or read from the cache folder; in the background unless `wait`.

    Returns:
        True when it is ready.
    """
    with _lock:
        state = _states.get(signature)
        begin = state is None
        if state is None:
            state = _states[signature] = _State(threading.Event())
    if begin:
        if wait:
            _make(signature, state)
        else:
            # Not a daemon: the program's end waits, and the next one finds the code in the cache folder.
            threading.Thread(target=_make, args=(signature, state), name="convscope-compiler").start()
    if wait:
        state.done.wait()
        if state.error is not None:
            raise state.error
    return state.done.is_set() and state.error is None


def _make(signature: Signature, state: _State) -> None:
    try:
        with _queue_lock:
            call_empty(signature)
    except BaseException as error:  # noqa: BLE001 - told to whoever waits; others go on with SciPy
        state.error = error
    finally:
        state.done.set()
    if state.error is None and not _calibrating.is_set():
        _calibrating.set()
        threading.Thread(target=_calibrate, name="convscope-calibration").start()


def _calibrate() -> None:
    """Measure the machine once, now that there is compiled code; typical figures serve until then."""
    from convscope.engine.calibration import calibrate_once

    with _queue_lock, suppress(Exception):  # predictions stay typical; nothing else depends on this
        calibrate_once()


def call_empty(signature: Signature) -> None:
    """Call the function on no rows at all, which compiles it, and what runs it."""
    from convscope.engine.bands import BOARD_BYTES, all_left, lead, lead_arrays, run_alone, run_arrays, serve
    from convscope.engine.program import job_of

    numbers = np.zeros(1, dtype=signature.work)
    line = np.ones(LENGTH, dtype=np.int64)  # a tile has at least one row
    job, kept = job_of(
        line, [[0] * KERNEL_WORDS], [[0] * TERM_WORDS], numbers, numbers, [0], (line, line), 0.0
    )
    tile_function(signature.family)(*markers(signature), job.ctypes.data, 0, 0, 0, 0, 0)
    board = np.zeros(BOARD_BYTES // 8 + 8, dtype=np.int64)
    address = board.ctypes.data + -board.ctypes.data % 64
    function = tile_address(signature)
    run_alone(function, job.ctypes.data, 0, 0, 0, 0, 0)
    lead(address, function, job.ctypes.data, 0, 0, 0, 0, 0, 1, 1)
    # Two "arrays" that lie on top of each other, which is refused.
    same = (function, job.ctypes.data, job.ctypes.data, job.ctypes.data, 0, 0, 1, 1, 0)
    run_arrays(*same, 0, 0)
    lead_arrays(address, *same, 0, 0, 0, 1, 1)
    serve(address, 0, 1, 0)
    all_left(address, 1)
    del kept
