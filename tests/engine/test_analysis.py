"""The structure of a kernel, found on its exact weights."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.engine.analysis import analyse, rank_modulo, runs_of


def total(terms, shape):
    out = np.full(shape, Fraction(0), dtype=object)
    for term in terms:
        out = out + np.outer(np.array(term.column, dtype=object), np.array(term.row, dtype=object))
    return out


@given(st.data())
def test_terms_add_up_to_the_kernel(data):
    rows, columns, rank = (data.draw(st.integers(1, 6)) for _ in range(3))
    small = st.integers(-4, 4)
    left = np.array(
        data.draw(st.lists(st.lists(small, min_size=rank, max_size=rank), min_size=rows, max_size=rows))
    )
    right = np.array(
        data.draw(st.lists(st.lists(small, min_size=columns, max_size=columns), min_size=rank, max_size=rank))
    )
    matrix = left @ right
    found = analyse(cs.kernel(matrix))
    assert found.rank == np.linalg.matrix_rank(matrix)
    assert (found.content * found.numerators == matrix).all()
    if found.terms:
        assert len(found.terms) == found.rank
        assert (total(found.terms, matrix.shape) == found.numerators).all()


def test_facts_of_known_kernels():
    sobel = analyse(cs.kernel("sobel_x"))
    assert (sobel.rank, sobel.zeros, sobel.taps) == (1, 3, 6)
    assert (sobel.horizontal_symmetry, sobel.vertical_symmetry, sobel.point_symmetry) == (-1, 1, -1)
    assert sobel.is_integer
    assert sobel.total == 0
    assert sobel.terms[0].column == (1, 2, 1)
    box = analyse(cs.kernel(np.ones((4, 6)) / 8))
    assert box.is_constant
    assert box.content == Fraction(1, 8)
    assert [run.length for run in box.terms[0].column_runs + box.terms[0].row_runs] == [4, 6]
    assert analyse(cs.kernel("laplacian")).transpose_symmetry == 1
    assert analyse(cs.kernel("0 0; 0 0")).rank == 0


def test_a_rank_that_a_prime_hides_is_found():
    prime = 2**31 - 1
    matrix = np.array([[1, 0], [0, prime]], dtype=object)
    assert rank_modulo(matrix) == 1
    assert analyse(cs.kernel([[1, 0], [0, prime]])).rank == 2


def test_runs_leave_zeros_out():
    assert [(r.start, r.length, r.value) for r in runs_of([0, 2, 2, 0, 1])] == [(1, 2, 2), (4, 1, 1)]


def test_flip_turns_the_kernel():
    assert analyse(cs.kernel("1 2; 3 4"), flip=True).floats.tolist() == [[4, 3], [2, 1]]


@pytest.mark.parametrize(
    ("source", "message"), [("a b", "the kernel holds letters"), (np.ones((2, 2, 2)), "a kernel of shape")]
)
def test_what_has_no_analysis_is_told(source, message):
    with pytest.raises(cs.InputError, match=message):
        analyse(cs.kernel(source))
