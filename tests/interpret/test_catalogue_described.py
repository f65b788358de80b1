"""What the catalogue says of each kernel is what `describe` finds, under each convention."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import convscope as cs
from convscope.core.catalogue import Catalogue
from convscope.core.kernel_families import rows
from convscope.interpret.conventions import TURNS

# Of few taps a slant is found to a degree or two.
NEAR = 2.0
# Kinds whose direction is that of a line: turned by 180° they are the same.
RUNNING = {"line", "blur", "Gabor"}


def differences(catalogue) -> list[str]:
    """Every kernel that `describe` takes for something else than the catalogue says."""
    told = []
    for name, kernel in catalogue.items():
        entry, found = catalogue.entry(name), cs.describe(kernel)
        said = (entry.kind, entry.variant or found.variant)
        if said != (found.kind, found.variant):
            told.append(f"{name}: {said}, but {found.sentence}")
        elif entry.orientation is not None and away(entry, found.orientation) > NEAR:
            told.append(f"{name}: {entry.orientation}°, but {found.orientation}")
        elif not found.check.agrees:
            told.append(f"{name}: {found.check.disagreement}")
    return told


def away(entry, orientation: float | None) -> float:
    """How far apart two directions are."""
    if orientation is None:
        return 360
    turn = 180 if entry.kind in RUNNING else 360
    apart = (entry.orientation - orientation) % turn
    return min(apart, turn - apart)


@pytest.mark.no_cover
def test_the_catalogue_says_what_describe_finds():
    assert differences(cs.kernels) == []


def test_what_is_said_of_edges_lines_and_stripes_is_the_sentence_found():
    for name, kernel in cs.kernels.items():
        if cs.kernels.entry(name).kind in {"edge", "line", "Gabor"}:
            # Fits of 3×3 kernels that chance may reach say so after it.
            assert kernel.meaning.startswith(cs.describe(kernel).sentence.split(" It could")[0]), name


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("sobel_x", {"kind": "line"}),
        ("sobel_x", {"orientation": 180.0}),
        ("line_vertical", {"orientation": 0.0}),
        ("dog_7", {"variant": "dark"}),
        ("sobel_y", {"build": lambda: rows([1, 2, 1], [0, 0, 0], [-1, -2, -1])}),
        ("box_3", {"build": lambda: rows([0, 0, 0], [1, 1, 1], [0, 0, 0], divisor=3)}),
    ],
)
def test_a_wrong_entry_would_be_seen(name, changed):
    entry = dataclasses.replace(cs.kernels.entry(name), **changed)
    (told,) = differences(Catalogue([entry]))
    assert told.startswith(f"{name}: ")


@pytest.mark.parametrize("convention", list(TURNS))
@pytest.mark.parametrize("name", ["sobel_y", "kirsch_ne", "pillow_emboss", "roberts_pos_diag"])
def test_other_conventions_turn_the_kernel_before_it_is_laid(name, convention):
    weights = np.asarray(cs.kernels[name], dtype=float)
    turned = cs.describe(np.ascontiguousarray(TURNS[convention](weights)))
    assert cs.describe(weights, convention).sentence == turned.sentence
