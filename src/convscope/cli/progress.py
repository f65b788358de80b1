"""A progress bar, for work that takes long enough to wonder about, on a terminal only."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 2.0  # seconds before the bar appears


class ProgressBar:
    """Call it with the number of things done and the number of all; it shows itself after a while."""

    def __init__(self, what: str, patience: float = PATIENCE) -> None:
        self._what = what
        self._patience = patience
        self._started = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Say how far the work is."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._started < self._patience:
                return
            self._bar = self._begin(total)
        progress, task = self._bar
        progress.update(task, completed=done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar[0].stop()

    def _begin(self, total: int) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import Progress

        progress = Progress(console=Console(stderr=True), transient=True)
        task = progress.add_task(self._what, total=total)
        progress.start()
        return progress, task


class Waiting:
    """A sign of life for work that cannot say how far it is: it shows itself after a while."""

    def __init__(self, what: str, patience: float = PATIENCE) -> None:
        self._what = what
        self._timer = threading.Timer(patience, self._begin)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._is_over = False
        self._sign: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._sign is not None:
                self._sign.stop()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._is_over:  # the work ended while Rich was loaded
                return
            columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
            self._sign = Progress(*columns, console=Console(stderr=True), transient=True)
            self._sign.add_task(self._what, total=None)
            self._sign.start()
