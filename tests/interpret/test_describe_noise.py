"""How often chance is given a name, and how well names stand noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import convscope as cs
from convscope.interpret.description import describe_many
from convscope.interpret.finding import DOUBTFUL_SHARE, NAMED_SHARE, NO_STRUCTURE, findings
from convscope.interpret.null import null_of

DRAWN = {
    "Gaussian": lambda random, size: random.standard_normal(size),
    "uniform": lambda random, size: random.uniform(-1, 1, size),
    "heavy-tailed": lambda random, size: random.laplace(size=size),
    "whole numbers": lambda random, size: random.integers(-3, 4, size).astype(float),
}
# Besides the share that is let through, kernels all of one sign are called averages, which is no guess.
ONE_SIGN = 2.0 ** (1 - 9)


@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("drawn", DRAWN)
def test_of_random_kernels_no_more_than_the_stated_share_is_named(side, drawn):
    bank = DRAWN[drawn](np.random.default_rng(side), (3000, side, side))
    named = np.mean([found.kind != NO_STRUCTURE for found in findings(bank)])
    assert named <= NAMED_SHARE + ONE_SIGN


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 7, 7), (16, 3, 3)])
def test_random_kernels_of_many_channels_are_not_named_either(shape):
    bank = np.random.default_rng(1).standard_normal((1000, *shape))
    named = np.mean([found.kind != NO_STRUCTURE for found in describe_many(bank)])
    assert named <= NAMED_SHARE + ONE_SIGN


def test_one_strong_tap_among_many_is_no_copy_of_the_picture():
    bank = np.random.default_rng(5).standard_t(2, (300, 64, 3, 3))
    for found in describe_many(bank):
        if found.kind in ("identity", "shift"):
            assert found.residual <= 0.5
    tap = np.zeros((1, 64, 3, 3))
    tap[:, :, 0, 1] = np.arange(1, 65)
    assert describe_many(tap)[0].kind == "shift"


def test_p_values_of_random_kernels_are_spread_evenly_or_above():
    bank = np.random.default_rng(8).standard_normal((3000, 5, 5))
    p_values = np.array([found.p_value for found in findings(bank)])
    for share in (0.02, 0.05, 0.1, 0.3):
        assert np.mean(p_values <= share) <= share + 0.015


def test_a_name_that_chance_may_give_is_told_with_that_doubt():
    bank = np.random.default_rng(0).standard_normal((4000, 1, 3, 3))
    told = describe_many(bank)
    doubted = [found for found in told if "could be noise" in found.sentence]
    assert doubted
    for found in doubted:
        assert DOUBTFUL_SHARE < found.p_value <= NAMED_SHARE
    for found in told:
        if found.kind == NO_STRUCTURE:
            assert found.sentence.startswith("No clear structure: the nearest kind, ")
            assert found.p_value > NAMED_SHARE or found.residual >= 0.49


def noted_kernels() -> dict[str, np.ndarray]:
    """The 5×5 and 7×7 kernels of the catalogue and of OpenCV."""
    found = {name: kernel.weights.to_float() for name, kernel in cs.kernels.items()}
    for size in (5, 7):
        for dx, dy in ((1, 0), (0, 1), (2, 0), (0, 2), (1, 1)):
            across, down = cv2.getDerivKernels(dx, dy, size)
            found[f"derivative {dx}{dy} of {size}"] = down @ across.T
        row = cv2.getGaussianKernel(size, 1.2)
        found[f"Gaussian of {size}"] = row @ row.T
        found[f"motion of {size}"] = np.eye(size) / size
        found[f"checkerboard of {size}"] = (-1.0) ** np.add.outer(np.arange(size), np.arange(size))
        for place in ((size // 2, size // 2), (1, size - 1)):
            found[f"tap {place} of {size}"] = np.zeros((size, size))
            found[f"tap {place} of {size}"][place] = 1
    return {name: kernel for name, kernel in found.items() if kernel.shape in {(5, 5), (7, 7)}}


NOTED = noted_kernels()


@pytest.mark.parametrize("name", NOTED)
def test_kinds_stand_noise_at_20_decibels(name):
    kernel = NOTED[name]
    random = np.random.default_rng(3)
    deviation = np.sqrt(np.mean(kernel**2) / 100)
    noisy = kernel + deviation * random.standard_normal((200, *kernel.shape))
    clean, *told = findings(np.concatenate([kernel[None], noisy]))
    assert np.mean([found.kind == clean.kind for found in told]) >= 0.95


def test_the_simulation_is_the_same_each_time():
    first = null_of((5, 5))
    null_of.cache_clear()
    again = null_of((5, 5))
    assert all(np.array_equal(one, two) for one, two in zip(first.best, again.best, strict=True))
