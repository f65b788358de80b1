"""Running a program: bands of rows handed to threads, each with its own scratch memory."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError

ALIGNMENT = 64
PAGE = 4096
LOOKS = 4000  # about a fifth of a millisecond: how long a helper looks for the next job before it sleeps
WAKING = 1e-4  # seconds until a sleeping thread has come
RECENT = 1e-3  # seconds after a job in which another one is taken for one of a series
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
        _local.address = _aligned(_local.memory)
        _local.size = size
    found: int = _local.address
    return found


def run_bands(work: Callable[[int, int], Any], rows: int, band: int, threads: int) -> None:
    """Call `work(begin, end)`, a Python function, for every band of rows, on up to `threads` threads.

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


class _Helper:
    """A thread that waits for jobs: a while by looking, so that a call that follows soon finds it awake."""

    def __init__(self, board: int, seat: int) -> None:
        self.asleep = False
        self.bell: SimpleQueue[None] = SimpleQueue()
        looks = LOOKS if seat < _available() else 1
        threading.Thread(
            target=self._serve, args=(board, seat, looks), name=f"convscope-{seat}", daemon=True
        ).start()

    def wake(self) -> None:
        """Let it look again, if it sleeps."""
        if self.asleep:
            self.asleep = False
            self.bell.put(None)

    def _serve(self, board: int, seat: int, looks: int) -> None:
        from convscope.engine.bands import serve

        seen = 0
        while True:
            seen = serve(board, seat, seen, looks)
            self.asleep = True
            seen = serve(board, seat, seen, 1)  # a job that was posted before anyone saw it sleep
            self.bell.get()
            self.asleep = False


class Crew:
    """The helpers of a process, at one job at a time."""

    def __init__(self) -> None:
        from convscope.engine.bands import BOARD_BYTES, REFUSED, UNFINISHED, all_left

        self._all_left, self._refused, self._unfinished = all_left, REFUSED, UNFINISHED
        self._lock = threading.Lock()
        self._memory = np.zeros(BOARD_BYTES + ALIGNMENT, dtype=np.uint8)
        self._board = _aligned(self._memory)
        self._helpers: list[_Helper] = []
        self._scratch = np.zeros(0, dtype=np.uint8)
        self._room = 0
        self._last = 0.0

    def run(
        self, lead: Callable[..., int], where: tuple[int, ...], size: int, rows: int, band: int, threads: int,
        seconds: float,
    ) -> bool | None:  # fmt: skip
        """A job on several threads, by one of the leaders of `bands`; True when done, False when refused.

        None when the helpers are at another job. Sleeping ones are woken for a job that takes longer than
        they need to come, or that follows another one at once.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if len(self._helpers) < threads - 1 or self._room < size:
                self._grow(size, threads)
            if seconds > WAKING or time.perf_counter() - self._last < RECENT:
                for helper in self._helpers[: threads - 1]:
                    helper.wake()
            said = self._unfinished
            try:
                said = lead(self._board, *where, self._begin, self._room, rows, band, threads)
            finally:
                while said == self._unfinished and not self._all_left(self._board, 1):
                    time.sleep(0)
                self._last = time.perf_counter()
        finally:
            self._lock.release()
        return said != self._refused

    def _grow(self, size: int, threads: int) -> None:
        self._room = max(self._room, size + -size % PAGE)
        while len(self._helpers) < threads - 1:
            self._helpers.append(_Helper(self._board, len(self._helpers) + 1))
        self._scratch = np.zeros((len(self._helpers) + 1) * self._room + ALIGNMENT, dtype=np.uint8)
        self._begin = _aligned(self._scratch)


_crews: list[Crew] = []
_crews_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crews.clear)  # a child has no threads but one


def crew() -> Crew:
    """The helpers of this process."""
    if not _crews:
        with _crews_lock:
            if not _crews:
                _crews.append(Crew())
    return _crews[0]


def _aligned(memory: npt.NDArray[np.uint8]) -> int:
    address = int(memory.ctypes.data)
    return address + -address % ALIGNMENT
