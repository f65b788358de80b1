"""Edges, lines, waves and reliefs told apart by the parameters of one model."""

from __future__ import annotations

import numpy as np
import pytest

from convscope.interpret.oriented import LEAST_CYCLES, are_told_apart, told_apart
from convscope.interpret.profiles import EDGES, LINES, WAVES
from convscope.interpret.refining import energy_in, refined

SIDE = 7
Y, X = np.mgrid[:SIDE, :SIDE] - 3.0


def unit(kernel: np.ndarray) -> np.ndarray:
    flat = kernel.reshape(1, -1)
    return flat / np.linalg.norm(flat)


def wave(length: float, degrees: float, phase: float, width: float = 2.0) -> np.ndarray:
    turn = np.deg2rad(degrees)
    across = X * np.cos(turn) + Y * np.sin(turn)
    return np.exp(-(X**2 + Y**2) / 2 / width**2) * np.cos(2 * np.pi * across / length + np.deg2rad(phase))


@pytest.mark.parametrize("degrees", [0, 17, 38, 64, 90, 151])
@pytest.mark.parametrize("length", [3.1, 4.0])
def test_a_wave_is_found_with_its_parameters(length, degrees):
    (told,) = told_apart(unit(wave(length, degrees, 70)), (SIDE, SIDE))
    assert told.kind == "Gabor"
    assert told.scale == pytest.approx(length, rel=0.03)
    assert abs((told.angle - degrees + 90) % 180 - 90) < 2
    assert told.explained > 0.995


@pytest.mark.parametrize(("phase", "kind"), [(0, "line"), (180, "line"), (90, "edge"), (270, "edge")])
def test_fewer_cycles_are_lines_and_edges_by_phase(phase, kind):
    (told,) = told_apart(unit(wave(9.0, 20, phase)), (SIDE, SIDE))
    assert told.kind == kind
    if kind == "line":
        assert told.sign == (1 if phase == 0 else -1)


def test_a_tap_in_the_middle_makes_a_relief_of_an_edge():
    slope = X * np.exp(-(X**2 + Y**2) / 8)
    tap = np.zeros((SIDE, SIDE))
    tap[3, 3] = np.abs(slope).max()
    kinds = [told_apart(unit(slope + sign * tap), (SIDE, SIDE))[0] for sign in (0, 1, -1)]
    assert [(each.kind, each.sign) for each in kinds] == [("edge", 1), ("emboss", 1), ("emboss", -1)]
    assert kinds[1].angle % 360 == pytest.approx(0, abs=1) or kinds[1].angle % 360 > 359


def test_the_boundary_lies_where_it_is_said_to():
    lengths = np.linspace(3.5, 6, 26)
    told = [told_apart(unit(wave(length, 30, 90, 1e3)), (SIDE, SIDE))[0].kind for length in lengths]
    cycles = SIDE / np.sqrt(12) / lengths  # a flat bell: the window alone
    for kind, number in zip(told, cycles, strict=True):
        if abs(number - LEAST_CYCLES) > 0.03:
            assert (kind == "Gabor") == (number > LEAST_CYCLES)


def test_small_and_large_kernels_are_left_alone():
    assert not are_told_apart((3, 3))
    assert not are_told_apart((21, 21))
    assert told_apart(np.zeros((0, 49)), (SIDE, SIDE)) == []


@pytest.mark.parametrize("family", [*EDGES, *LINES, *WAVES])
def test_refining_never_loses_energy_and_finds_its_own_patterns(family):
    random = np.random.default_rng(0)
    shape = (SIDE, SIDE)
    grid = family.grid(shape)
    values = grid[random.integers(0, len(grid), 30)]
    rows = family.draw(shape, values).reshape(30, -1, SIDE * SIDE)
    mixed = np.einsum("nm,nmk->nk", random.uniform(0.5, 1, rows.shape[:2]), rows)
    units = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    found = refined(family, shape, units)
    assert found.explained.min() > 0.98
    np.testing.assert_allclose(energy_in(found.rows, units), found.explained, atol=1e-9)
    assert np.all(found.values >= family.lows(shape) - 1e-9)
    assert np.all(found.values <= family.highs(shape) + 1e-9)


def test_energy_in_is_that_of_least_squares():
    random = np.random.default_rng(1)
    rows, units = random.standard_normal((20, 2, 49)), random.standard_normal((20, 49))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for pair, kernel, energy in zip(rows, units, energy_in(rows, units), strict=True):
        fitted = pair.T @ np.linalg.lstsq(pair.T, kernel, rcond=None)[0]
        assert energy == pytest.approx(np.sum(fitted**2))
