"""Python's collector of circles, set to rest while a network is read: nothing made meanwhile is rubbish."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_resting() -> Iterator[None]:
    """Within, the collector does not run; afterwards it does as before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():
                # All that was made is old at once, so that it is not searched as young objects are.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
