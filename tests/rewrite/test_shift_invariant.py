"""What is assumed of maps along an axis holds: the bound from which on a longer input brings nothing new."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.rewrite.test_equivalent import chains

from convscope.core.convolution import Conv
from convscope.rewrite.axis_steps import AxisMap
from convscope.rewrite.shift_invariant import lengths_that_decide, local, together
from convscope.rewrite.tensor_form import tensor_form


def dense(axis_map, length):
    entries = axis_map.entries(length)
    found = np.zeros((axis_map.size(length), length), dtype=object)
    np.add.at(found, (entries.rows, entries.columns), entries.values)
    return found / entries.denominator if entries.denominator > 1 else found


def check(axis_map, bound):
    """Every statement of `Locality`, at a length past its start."""
    for length in range(bound.start, bound.start + bound.period + 2):
        short, long = dense(axis_map, length), dense(axis_map, length + bound.period)
        rows = len(short)
        assert len(long) == rows + bound.advance
        assert length / bound.stretch - bound.shorter <= rows <= length / bound.stretch + bound.longer
        corner = np.zeros(length, dtype=bool)
        corner[: bound.corner] = corner[length - bound.corner :] = True
        for row, cells in enumerate(short):
            read = np.flatnonzero(cells)
            is_left, is_right = row < bound.left, row >= rows - bound.right
            assert not (is_left and is_right)
            if is_left or is_right:
                assert corner[read].all()
                grown = np.insert(cells, bound.corner, [0] * bound.period)
                assert np.array_equal(long[row if is_left else row + bound.advance], grown)
                continue
            home = row * bound.stretch
            assert all(home - bound.before <= place <= home + bound.after for place in read)
            assert np.array_equal(long[row], np.append(cells, [0] * bound.period))
            moved = np.insert(cells, 0, [0] * bound.period)
            assert np.array_equal(long[row + bound.advance], moved)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(chains())
def test_the_locality_of_random_layers_holds(layers):
    form = tensor_form(layers, 1, 1)
    (maps,) = form.linear.maps
    for axis_map in maps[:: max(len(maps) // 2, 1)]:
        bound = axis_map.locality()
        assume(bound.start < 60)
        check(axis_map, bound)
    whole = together([axis_map.locality() for axis_map in maps])
    if whole.start < 60:
        check(maps[-1], whole)


def test_the_check_can_fail():
    (maps,) = tensor_form([Conv([[[1, 2, 3]]], padding=1, padding_mode="circular")], 1, 1).linear.maps
    bound = maps[0].locality()
    check(maps[0], bound)
    for fault in ({"left": 0}, {"after": bound.before - 5}, {"period": 2}, {"longer": -1}):
        with pytest.raises(AssertionError):
            check(maps[0], dataclasses.replace(bound, **fault))


def test_maps_that_grow_at_unlike_rates_have_nothing_in_common():
    one = local(period=1, advance=1, left=0, right=0, before=0, after=0, longer=0, shorter=0)
    two = local(period=2, advance=1, left=0, right=0, before=0, after=1, longer=0, shorter=1)
    assert together([one, two]) is None
    assert together([two, two]) == two
    assert max(lengths_that_decide(two)) >= two.start + 1


def test_steps_before_ones_count_for_sizes_only():
    form = tensor_form([Conv([[[1, 1]]]), Conv([[[1, 1, 1]]], padding=1, bias=1)], 1, 1)
    (bias,) = form.biases
    (vector,) = bias.maps[0]
    assert vector.entries(5).values.tolist() == [1, 1, 1, 1]
    assert vector == AxisMap(form.passed[0], 2)
