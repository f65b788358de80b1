"""Calls made before: all that is left to do is to find where the memory lies and to run."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

import numpy as np

from convscope.engine.execution import LARGE, Picture, Prepared, empty, prepared_for, written_at_once
from convscope.engine.running import ALIGNMENT, crew, scratch

MAX_CALLS = 256
# Where an array keeps the address of its numbers: NumPy's C interface (`PyArrayObject_fields`) has it right
# behind the head that every object has. Python's own ways to ask for it take longer than a small picture.
HEAD = object.__basicsize__


@lru_cache(maxsize=1)
def addresses_are_known() -> bool:
    """True where an object's id is its address, and an array's numbers are found behind its head."""
    if sys.implementation.name != "cpython":
        return False
    samples = (np.zeros(3), np.zeros((2, 3), np.uint8)[:, 1:], np.zeros((4, 4), np.float32).T[::-1])
    return all(
        ctypes.c_void_p.from_address(id(one) + HEAD).value == one.__array_interface__["data"][0]
        for one in samples
    )


class Call:
    """A call made before, over pictures laid out like the first one's."""

    __slots__ = (
        "_dtype", "_job", "_kept", "_lead", "_limits", "_prepared", "_program", "_run", "_shape", "_threads",
    )  # fmt: skip

    def __init__(self, prepared: Prepared, picture: Picture, out: Picture, kept: object) -> None:
        from convscope.engine.bands import ANYWHERE, lead_arrays, run_arrays

        self._prepared, self._kept = prepared, kept  # what the key names by id stays what it is
        self._shape, self._dtype = out.shape, out.dtype
        self._lead, self._run = lead_arrays, run_arrays
        function, job, self._program = prepared.passes[0]
        self._job = (function, job)
        self._threads = prepared.threads(self._program)
        spans = [step * (length - 1) for step, length in zip(picture.strides, picture.shape, strict=True)]
        below = sum(span for span in spans if span < 0)
        within = sum(span for span in spans if span > 0) + picture.itemsize
        # A small result is not streamed, and may begin anywhere.
        aligned = ANYWHERE if out.nbytes < LARGE else int(out.ctypes.data % ALIGNMENT == 0)
        self._limits = (HEAD, below, within, out.strides[0] * out.shape[0], aligned)

    def run(self, picture: Picture, out: Picture | None) -> Picture | None:
        """The result; None where this one call is unlike the earlier one."""
        if out is None:
            out = empty(self._shape, self._dtype)
        elif not out.flags.writeable:
            return None
        where = (*self._job, id(picture), id(out), *self._limits)
        program, rows = self._program, self._prepared.plan.request.out[0]
        ran = None
        if self._threads > 1:
            ran = crew().run(
                self._lead, where, program.scratch, rows, program.band, self._threads, self._prepared.seconds
            )
        if ran is None:
            ran = self._run(*where, scratch(program.scratch), rows)
        return out if ran else None


_calls: dict[object, Call] = {}


def known_call(key: object) -> Call | None:
    """The call of that key, when one was made before."""
    return _calls.get(key)


def keep_call(key: object, place: tuple[object, ...], picture: Picture, out: Picture, kept: object) -> None:
    """Remember a call, if compiled code wrote its result at once and no transform was needed."""
    prepared = prepared_for(place, out)
    if prepared is None or prepared.transforms or not written_at_once(out, prepared.plan.request, picture):
        return
    if not addresses_are_known():
        return
    if len(_calls) >= MAX_CALLS:
        _calls.clear()
    _calls[key] = Call(prepared, picture, out, kept)
