"""Plans: what is chosen, what is said about it, and what the machine's figures do to it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

import convscope as cs
from convscope.engine import calibration, cost, signatures
from convscope.engine.cache import cache_folder, read_facts, write_facts
from convscope.engine.fourier import tile_lengths
from convscope.engine.methods import run_cost


@pytest.fixture(autouse=True)
def _typical_machine(monkeypatch, tmp_path):
    # Imported before the folder changes, so that compiled code is found where it was kept.
    from convscope.engine import direct, separable

    assert direct is not separable
    # No measurement in the background, of this test or an earlier one, writes into the folder.
    monkeypatch.setattr(signatures, "_calibrating", threading.Event())
    signatures._calibrating.set()
    for thread in threading.enumerate():
        if thread.name == "convscope-calibration":
            thread.join()
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "_measured", [])
    cost.known_machine.cache_clear()
    yield
    cost.known_machine.cache_clear()


def python(code, **environment):
    """What a new interpreter prints; it imports the very checkout that is tested."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def gaussian(taps):
    row = cv2.getGaussianKernel(taps, taps / 6).ravel()
    return np.outer(row, row)


@pytest.mark.parametrize(
    ("kernel", "method"),
    [
        (np.random.default_rng(0).normal(size=(5, 5)), "direct"),
        (np.eye(15) / 15, "direct"),
        (gaussian(31), "separable"),
        (np.ones((31, 31)) / 961, "box"),
        (np.pad(np.ones((21, 21)), 10) - 0.25, "box"),
        (np.random.default_rng(0).normal(size=(201, 201)), "fourier"),
    ],
)
def test_the_structure_decides(kernel, method):
    plan = cs.plan(kernel, (4096, 4096), "float32")
    assert plan.method == method
    assert plan.seconds <= min(option.seconds for option in plan.turned_down) / 0.95


def test_whole_numbers_are_not_left_to_rounded_methods():
    plan = cs.plan(np.random.default_rng(0).integers(-9, 9, (151, 151)), (2048, 2048), "uint8")
    assert "fourier" not in {option.method.name for option in plan.turned_down} | {plan.method}


def test_methods_do_not_depend_on_threads():
    for size in (3, 9, 15, 31, 63):
        kernel = np.random.default_rng(size).normal(size=(size, size))
        methods = {cs.plan(kernel, (1024, 1024), "float32", threads=threads).method for threads in (1, 2, 8)}
        assert len(methods) == 1


def test_a_plan_explains_itself():
    plan = cs.plan("sobel_x", (480, 640), "uint8", border="reflect")
    said = repr(plan.explain())
    for words in ("480 × 640", "border 'reflect'", "exact sums", "taken", "folding", "predicted"):
        assert words in said
    assert "<table" in plan._repr_html_()
    assert plan.operations > 0
    assert plan.bytes == 480 * 640 * 5
    assert "measured" in repr(cs.plan("sobel_x", (64, 64), "uint8").explain(measure=True))


def test_unknown_options_are_told():
    with pytest.raises(cs.InputError, match="plan has no option 'strid'; did you mean 'stride'"):
        cs.plan("1", (4, 4), strid=2)


def test_the_machine_is_measured_and_kept():
    machine = calibration.calibrate()
    assert all(
        getattr(machine, name) > 0
        for name in ("copy", "dense", "taps", "sums", "transform", "cells", "passes")
    )
    assert cost.read_machine() == machine
    assert cost.known_machine() == machine
    assert cost.is_measured()


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", json.dumps({"version": 1, "copy": -1}), '{"version": 1}', "\x00"]
)
def test_a_corrupt_cache_is_no_error(content):
    (cache_folder() / cost.FILE).write_text(content, encoding="utf-8")
    assert cost.read_machine() is None
    assert cost.known_machine() == cost.Machine()
    cs.plan("1 1", (9, 9))


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(blocked))
    assert not write_facts("x.json", {"a": 1})
    assert read_facts("x.json") == {}
    # Compiled before it answers, and once: measuring the machine would compile every other family too.
    code = (
        "import numpy as np, convscope as cs\n"
        "from convscope.engine import execution, signatures\n"
        "execution.PATIENCE = -1.0\n"
        "signatures._calibrating.set()\n"
        "print(cs.apply(np.ones((3, 3), np.float32), '1 1; 1 1').sum())\n"
    )
    assert float(python(code, CONVSCOPE_CACHE=str(blocked))) == 25.0
    assert stat.S_ISREG(blocked.stat().st_mode)


def test_the_first_call_is_served_by_scipy(monkeypatch):
    started, release = threading.Event(), threading.Event()

    def slow(_signature):
        started.set()
        release.wait(20)

    monkeypatch.setattr(signatures, "_states", {})
    monkeypatch.setattr(signatures, "call_empty", slow)
    image = np.arange(20, dtype=np.uint16).reshape(4, 5)
    try:
        result = cs.apply(image, "0 1 0; 1 -4 1; 0 1 0", border="wrap")
        assert started.wait(10)
        assert cs.plan("0 1 0; 1 -4 1; 0 1 0", (4, 5), "uint16", border="wrap").path == "scipy"
    finally:
        release.set()
    exact = cs.solve(image, cs.Conv(cs.kernel("laplacian"), padding=1, padding_mode="circular")).array()
    assert np.array_equal(result, exact)


def test_import_loads_no_heavy_library():
    code = "import sys, convscope as cs; cs.apply; "
    code += "print({'numba', 'scipy', 'llvmlite', 'dask', 'zarr'} & set(sys.modules))"
    assert python(code) == "set()"


def test_window_sums_cost_little():
    assert [run_cost(length) for length in (1, 2, 3, 4, 31, 32)] == [1, 1, 2, 2, 8, 5]


def test_fourier_tiles_hold_the_kernel():
    from convscope.engine.request import request_of

    for size in (1, 3, 100, 700):
        request = request_of((2000, 50, 1), (size, 3), "float32")
        assert tile_lengths(request)[0] > size
