"""Window sums along a row, made in registers: every length round a vector's, every number of channels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import convscope as cs
from convscope.engine.cost import Machine
from convscope.engine.row_windows import MAX_CHANNELS

LENGTHS = (4, 5, 7, 8, 9, 13, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 100, 129, 255)


@pytest.fixture(autouse=True)
def _window_sums_are_taken(monkeypatch):
    """A machine that adds window sums in no time, so that every plan takes them."""
    monkeypatch.setattr("convscope.engine.execution.PATIENCE", -1.0)
    monkeypatch.setattr(
        "convscope.engine.apply.known_machine", lambda: Machine(copy=1e15, sums=1e15, call=1e-15)
    )


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 2))
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_every_length_is_scipys_to_the_last_digit(dtype, channels):
    """Whole numbers, so that every order of additions gives the same."""
    image = np.random.default_rng(channels).integers(0, 256, (20, 300, channels)).astype(dtype)
    for length in LENGTHS:
        kernel = np.ones((4, length))
        assert cs.plan(kernel, image.shape, dtype).method == "box"
        across = ndimage.correlate1d(image.astype(np.float64), np.ones(length), 1, mode="constant")
        wanted = ndimage.correlate1d(across, np.ones(4), 0, mode="constant")
        assert np.array_equal(cs.apply(image, kernel), wanted), length


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sum_does_not_depend_on_where_a_row_begins(channels):
    """The same window anywhere in the picture is added in the same order: floats agree to the last digit."""
    wide = np.random.default_rng(9).normal(size=(12, 200, channels)).astype(np.float32)
    for length in (5, 15, 31, 45):
        kernel = np.full((4, length), 1 / 7)
        whole = cs.apply(wide, kernel, border="valid")
        for begin in (1, 3, 16, 50):
            part = cs.apply(wide[:, begin:], kernel, border="valid")
            assert np.array_equal(part, whole[:, begin:]), (length, begin)


def test_a_nan_reaches_the_windows_that_hold_it_and_no_other():
    image = np.ones((9, 120), np.float32)
    image[4, 60] = np.nan
    for length in (5, 16, 31, 50):
        found = np.isnan(cs.apply(image, np.ones((3, length))))
        wanted = np.zeros_like(found)
        wanted[3:6, 60 - (length - 1 - length // 2) : 60 + length // 2 + 1] = True
        assert np.array_equal(found, wanted), length
