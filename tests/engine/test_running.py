"""Threads: who computes what, and that nobody waits for ever or reads what is gone."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import convscope as cs
from convscope.engine import running
from convscope.engine.cost import Machine
from convscope.engine.plan import Plan


@pytest.fixture(autouse=True)
def _compiled_code_serves(monkeypatch):
    monkeypatch.setattr("convscope.engine.execution.PATIENCE", -1.0)


def picture(height=300, width=400):
    return np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.fixture
def every_plan_has_helpers(monkeypatch):
    monkeypatch.setattr("convscope.engine.plan.SMALL_SECONDS", 0.0)
    monkeypatch.setattr(running, "WAKING", 0.0)
    monkeypatch.setattr("convscope.engine.calls._calls", {})
    monkeypatch.setattr("convscope.engine.execution._prepared", {})


KERNELS = ["1 2 1; 0 0 0; -1 -2 -1", np.ones((9, 9)), np.outer([1, 3, 5, 7, 9], [2, 4, 6, 8, 1])]


@pytest.mark.usefixtures("every_plan_has_helpers")
def test_more_threads_than_processors_give_the_same():
    image = picture()
    for kernel in KERNELS:
        alone = cs.apply(image, kernel, threads=1)
        for threads in (2, 3, 9):
            for _ in range(20):
                assert np.array_equal(cs.apply(image, kernel, threads=threads), alone)


@pytest.mark.usefixtures("every_plan_has_helpers")
def test_callers_do_not_disturb_each_other():
    images = [picture() // (n + 1) for n in range(6)]
    wanted = [cs.apply(image, KERNELS[1], threads=1) for image in images]
    wrong = []

    def call(number):
        for _ in range(60):
            if not np.array_equal(cs.apply(images[number], KERNELS[1], threads=3), wanted[number]):
                wrong.append(number)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(len(images))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@pytest.mark.usefixtures("every_plan_has_helpers")
@pytest.mark.parametrize(("seat", "computed"), [(1, True), (2, False)])
def test_a_helper_computes_what_is_posted(monkeypatch, seat, computed):
    """A leader that only posts the job: a helper with a seat does all of it, one without does nothing."""
    from convscope.engine import bands

    image = picture(500, 300)
    wanted = cs.apply(image, KERNELS[1], threads=1)
    crew = running.Crew()
    monkeypatch.setattr(running, "_crews", [crew])

    lead = bands.lead

    def posted_only(board, *job):
        rows = list(job)
        rows[6] = 0
        lead(board, *rows)
        words = crew._memory[board - crew._memory.ctypes.data :][: bands.BOARD_BYTES].view(np.int64)
        words[bands.ROWS // 8], words[bands.NEXT // 8], words[bands.OPEN // 8] = job[6], 0, 1
        words[bands.SEQUENCE // 8] += 1
        assert bands.serve(board, seat, 0, 1) == words[bands.SEQUENCE // 8]
        words[bands.OPEN // 8] = 0
        return bands.DONE if bands.all_left(board, 1) else bands.UNFINISHED

    monkeypatch.setattr(bands, "lead", posted_only)
    monkeypatch.setattr(crew, "_helpers", [SimpleNamespace(wake=lambda: None)] * 2)  # room, and no threads
    out = np.zeros_like(wanted)
    cs.apply(image, KERNELS[1], threads=2, out=out)
    assert np.array_equal(out, wanted if computed else np.zeros_like(wanted))


def test_a_sleeping_helper_is_woken():
    image = picture(1500, 1500)
    cs.apply(image, KERNELS[1], threads=2)
    helper = running.crew()._helpers[0]
    until = time.monotonic() + 10
    while not helper.asleep and time.monotonic() < until:
        time.sleep(0.01)
    assert helper.asleep
    helper.wake()
    assert not helper.asleep


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own():
    image = picture(1500, 1500)
    wanted = cs.apply(image, KERNELS[1], threads=2)
    child = os.fork()
    if child == 0:
        same = np.array_equal(cs.apply(image, KERNELS[1], threads=2), wanted)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_little_memory_beside_picture_and_result(monkeypatch):
    """Below a tenth of the picture, scratch memory of all threads counted in, by every method."""
    monkeypatch.setattr(
        "convscope.engine.apply.known_machine", Machine
    )  # each kernel's method is then certain
    rng = np.random.default_rng(2)
    kernels = {
        "direct": rng.normal(size=(5, 5)), "separable": np.outer(rng.normal(size=9), rng.normal(size=9)),
        "box": np.ones((31, 31)), "fourier": rng.normal(size=(81, 81)),
    }  # fmt: skip
    image = rng.random((4096, 4096), dtype=np.float32)
    out = np.empty_like(image)
    for name, kernel in kernels.items():
        assert cs.plan(kernel, image.shape, image.dtype, threads=2).method == name
        cs.apply(image[:200], kernel, out=out[:200], threads=2)  # imports and compiled code are not counted
        monkeypatch.setattr(running, "_crews", [])
        monkeypatch.setattr(running, "_local", threading.local())
        tracemalloc.start()
        cs.apply(image, kernel, out=out, threads=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < image.nbytes / 10, name


def test_a_plan_says_how_many_threads():
    plans = [cs.plan(KERNELS[1], (2000, 2000), "uint8", threads=threads) for threads in (1, 2)]
    assert all(isinstance(plan, Plan) for plan in plans)
    assert [plan.threads for plan in plans] == [1, 2]
