"""Compiled functions by signature: found, waited for, or made in the background while SciPy serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """A zero of each type, by which Numba picks the code."""
    return (
        np.dtype(signature.source).type(0),
        np.dtype(signature.work).type(0),
        np.dtype(signature.result).type(0),
    )


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
    """Call the function on no rows at all, which compiles it."""
    work = np.dtype(signature.work)
    table = np.zeros((1, 10), dtype=np.int64)
    line = np.ones(64, dtype=np.int64)  # a tile has at least one row
    numbers = np.zeros(1, dtype=work)
    tile_function(signature.family)(
        *markers(signature), line, table, table, numbers, numbers, line, line, line, work.type(0),
        0, 0, 0, 0, 0, work.itemsize,
    )  # fmt: skip
