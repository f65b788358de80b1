"""What every test shares: the same made-up examples in every run, in any order, in one process or several."""

from __future__ import annotations

import os

# Tests compute on small arrays, and several processes share the processors; read when NumPy and PyTorch load.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")

_as_imported: dict[tuple[str, str], object] = {}


def pytest_collection_modifyitems(items):
    """Laws over drawn examples are not traced for coverage: they run again and again what other tests run."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Random numbers begin anew with each test, whichever ones ran before it in its process."""
    module = getattr(item, "module", None)
    for name, value in vars(module).items() if module else ():
        if isinstance(value, np.random.Generator):
            made = value.bit_generator
            made.state = _as_imported.setdefault((module.__name__, name), made.state)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
