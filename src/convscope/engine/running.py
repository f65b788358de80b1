"""Running a program: bands of rows handed to threads, each with its own scratch memory."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from convscope.errors import InputError

ALIGNMENT = 64
# Below so many multiply-adds (or bytes) a second thread takes longer to wake than it helps.
SMALL_WORK = 2_000_000
MAX_THREADS = 256

_local = threading.local()


def thread_count(threads: object) -> int:
    """How many threads may work: as asked for, else all that this process may use."""
    if threads is None:
        return _available()
    if (
        isinstance(threads, bool)
        or not isinstance(threads, int | np.integer)
        or not 1 <= threads <= MAX_THREADS
    ):
        raise InputError(
            f"threads={threads!r} is not allowed; threads may be 1 to {MAX_THREADS}, or None for all"
        )
    return int(threads)


@lru_cache(maxsize=1)
def _available() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@lru_cache(maxsize=8)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="convscope")


def scratch(size: int) -> int:
    """The address of this thread's scratch memory, at least `size` bytes."""
    have = getattr(_local, "size", 0)
    if have < size:
        # Zeros, so that lanes past the end of a row, which are computed and dropped, are ordinary numbers.
        _local.memory = np.zeros(size + ALIGNMENT, dtype=np.uint8)
        address = int(_local.memory.ctypes.data)
        _local.address = address + -address % ALIGNMENT
        _local.size = size
    found: int = _local.address
    return found


def run_bands(work: Callable[[int, int], Any], rows: int, band: int, threads: int) -> None:
    """Call `work(begin, end)` for every band of rows, on up to `threads` threads.

    Bands do not depend on the number of threads, so neither does any result.
    """
    bands = -(-rows // band)
    if threads <= 1 or bands <= 1:
        for begin in range(0, rows, band):
            work(begin, min(begin + band, rows))
        return
    counter = itertools.count()

    def take() -> None:
        while (number := next(counter)) < bands:
            work(number * band, min((number + 1) * band, rows))

    helpers = min(threads, bands) - 1
    pool = _pool(helpers)
    waiting: list[Future[None]] = [pool.submit(take) for _ in range(helpers)]
    try:
        take()
    finally:
        for future in waiting:
            # One that has not begun has nothing left to do.
            if not future.cancel():
                future.result()
