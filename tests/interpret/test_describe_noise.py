"""How often chance is given a name, and how well names stand noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import convscope as cs
from convscope.interpret.description import describe_many
from convscope.interpret.finding import (
    DOUBTFUL_SHARE,
    NAMED_SHARE,
    NO_STRUCTURE,
    STATED_SHARE,
    findings,
)
from convscope.interpret.null import null_of

# Draws run again and again what other tests run.
pytestmark = pytest.mark.no_cover

DRAWN = {
    "Gaussian": lambda random, size: random.standard_normal(size),
    "uniform": lambda random, size: random.uniform(-1, 1, size),
    "Laplace": lambda random, size: random.laplace(size=size),
    "Student's": lambda random, size: random.standard_t(3, size),
}


def stated(shape: tuple[int, int]) -> float:
    """The share that is named by chance, and that of one sign: that such kernels average is no guess."""
    return STATED_SHARE + 2.0 ** (1 - shape[0] * shape[1])


@pytest.mark.parametrize("shape", [(2, 2), (1, 5), (2, 3), (3, 3), (3, 5), (4, 4), (5, 5), (7, 7)])
@pytest.mark.parametrize("drawn", DRAWN)
def test_of_random_kernels_no_more_than_the_stated_share_is_named(shape, drawn):
    count = 3000
    bank = DRAWN[drawn](np.random.default_rng(shape[1]), (count, *shape))
    named = np.mean([found.kind != NO_STRUCTURE for found in findings(bank)])
    scatter = np.sqrt(stated(shape) / count)  # of counting so many kernels
    assert named <= stated(shape) + 2 * scatter


@pytest.mark.parametrize("side", [3, 5, 7])
def test_nor_of_random_whole_numbers(side):
    bank = np.random.default_rng(side).integers(-3, 4, (3000, side, side)).astype(float)
    assert np.mean([found.kind != NO_STRUCTURE for found in findings(bank)]) <= stated((side, side))


@pytest.mark.parametrize(("kind", "size"), [("edge", 5), ("edge", 7), ("line", 7), ("gabor", 7)])
def test_no_more_of_kernels_whose_weights_change_places(kind, size):
    random = np.random.default_rng(2)
    weights = np.asarray(cs.design(kind, size=size, angle=20), float).ravel()
    bank = random.permuted(np.tile(weights, (1000, 1)), axis=1).reshape(-1, size, size)
    named = np.mean([found.kind != NO_STRUCTURE for found in findings(bank)])
    assert named <= STATED_SHARE


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 7, 7), (16, 3, 3)])
def test_random_kernels_of_many_channels_are_not_named_either(shape):
    bank = np.random.default_rng(1).standard_normal((1000, *shape))
    named = np.mean([found.kind != NO_STRUCTURE for found in describe_many(bank)])
    assert named <= stated(shape[1:])


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


def made_kernels(size: int) -> dict[str, np.ndarray]:
    """Gabors, edges, lines, spots, corners, reliefs and unsharp masks that are in no catalogue."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2.0
    bell = lambda width: np.exp(-(x**2 + y**2) / 2 / width**2)  # noqa: E731
    found = {}
    for degrees in (0, 30, 45, 70, 90, 120):
        turn = np.deg2rad(degrees)
        across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        for length in (2.5, 4.0) if size == 7 else (2.5,):
            for phase in (45, 90, 135):
                wave = bell(length / 2) * np.cos(2 * np.pi * across / length + np.deg2rad(phase))
                found[f"Gabor {length} {degrees}° {phase}° of {size}"] = wave - wave.mean()
        for width in (0.8, 1.2, 2.0):
            found[f"edge {width} {degrees}° of {size}"] = across * bell(width)
        found[f"hard edge {degrees}° of {size}"] = np.sign(np.round(across, 6))
        found[f"edge beside the middle {degrees}° of {size}"] = np.clip(across - 0.5, -1, 1)
        for width in (0.7, 1.0) if size == 5 else (1.0,):
            ridge = (1 - (across / width) ** 2) * np.exp(-((across / width) ** 2) / 2 - along**2 / 18)
            found[f"line {width} {degrees}° of {size}"] = ridge - ridge.mean()
    for width in (0.8, 1.2, 1.6):
        log = (1 - (x**2 + y**2) / 2 / width**2) * bell(width)
        found[f"Laplacian of a Gaussian {width} of {size}"] = log - log.mean()
    relief = np.sign(x + y)
    relief[size // 2, size // 2] = 1
    quarter = ((x >= 0) & (y >= 0)).astype(float)
    tap = np.zeros((size, size))
    tap[size // 2, size // 2] = 1
    for width in (0.8, 1.0, 1.5):
        found[f"unsharp {width} of {size}"] = 2 * tap - bell(width) / bell(width).sum()
    return {**found, f"relief of {size}": relief, f"quarter of {size}": quarter - quarter.mean()}


def noted_kernels() -> dict[str, np.ndarray]:
    """The 5×5 and 7×7 kernels of the catalogue and of OpenCV."""
    found = {name: kernel.weights.to_float() for name, kernel in cs.kernels.items()}
    for size in (5, 7):
        found |= made_kernels(size)
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
    noisy = kernel + deviation * random.standard_normal((100, *kernel.shape))
    clean, *told = findings(np.concatenate([kernel[None], noisy]))
    assert np.mean([found.kind == clean.kind for found in told]) >= 0.95


def test_the_simulation_is_the_same_each_time():
    first = null_of((5, 5))
    null_of.cache_clear()
    again = null_of((5, 5))
    assert all(np.array_equal(one, two) for one, two in zip(first.best, again.best, strict=True))
