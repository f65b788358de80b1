"""Kernels taken apart: exact rank and factors, nearest ones with their error, passes that do the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from tests.rewrite.layers import RATIOS, arrays, each

import convscope as cs
from convscope.core.array import from_cells
from convscope.errors import InputError, UnsupportedError
from convscope.rewrite.affine import affine_map
from convscope.rewrite.separate import separate


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.data(), st.integers(1, 3))
def test_the_terms_add_up_to_the_kernel(data, rank):
    shape = data.draw(each(rank, 1, 5 if rank < 3 else 3))
    weights = data.draw(arrays(shape))
    found = separate(cs.kernel(weights))
    assert found.is_exact
    assert found.approximation == weights
    assert found.error == 0.0
    if rank == 2:
        assert found.rank == np.linalg.matrix_rank(weights.to_float())
        assert len(found.terms) == max(found.rank, 1)
    for term in found.terms:
        for factor in term.factors:
            if term.scale:
                assert factor.denominator == 1
                assert np.gcd.reduce(factor.numerators) == 1


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_product_is_found_again(data):
    column = data.draw(st.lists(RATIOS, min_size=1, max_size=5).filter(any))
    row = data.draw(st.lists(RATIOS, min_size=1, max_size=5).filter(any))
    cells = [a * b for a in column for b in row]
    found = separate(cs.kernel(from_cells(cells, (len(column), len(row)))))
    assert found.rank == 1
    (term,) = found.terms
    down, across = term.kernels
    assert [a * b for a in np.asarray(down).reshape(-1) for b in np.asarray(across).reshape(-1)] == cells


@pytest.mark.parametrize(
    ("kernel", "scale", "column", "row"),
    [
        ("-1 0 1; -2 0 2; -1 0 1", 1, [1, 2, 1], [-1, 0, 1]),
        ("1 2 1; 0 0 0; -1 -2 -1", 1, [1, 0, -1], [1, 2, 1]),
        ("1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9", Fraction(1, 9), [1, 1, 1], [1, 1, 1]),
        ("1/16 2/16 1/16; 2/16 4/16 2/16; 1/16 2/16 1/16", Fraction(1, 16), [1, 2, 1], [1, 2, 1]),
        ("-2 -4; -1 -2", -1, [2, 1], [1, 2]),
    ],
)
def test_known_kernels_have_their_known_factors(kernel, scale, column, row):
    found = separate(kernel)
    assert found.rank == 1
    (term,) = found.terms
    assert term.scale == scale
    assert [list(np.asarray(factor)) for factor in term.factors] == [column, row]


def test_ranks_of_known_kernels():
    assert separate("0 1 0; 1 -4 1; 0 1 0").rank == 2
    assert separate("1 1 1; 1 -8 1; 1 1 1").rank == 2
    assert separate("1 2 3; 4 5 6; 7 8 9").rank == 2
    assert separate("1 2 3; 4 5 6; 7 8 10").rank == 3
    assert separate("1 2 3; 4 5 6; 7 8 9.0000000000000000000001").rank == 3
    zero = separate("0 0; 0 0")
    assert (zero.rank, len(zero.terms), zero.is_exact) == (0, 1, True)


def test_fewer_terms_are_the_nearest_with_their_error():
    weights = np.random.default_rng(1).normal(size=(5, 7)).round(3)
    sizes = np.linalg.svd(weights, compute_uv=False)
    for terms in range(1, 5):
        found = separate(weights, terms=terms)
        assert found.rank == 5
        assert not found.is_exact
        assert found.error == pytest.approx(np.sqrt((sizes[terms:] ** 2).sum()), rel=1e-9)
        assert found.relative_error == pytest.approx(found.error / np.linalg.norm(weights))
        missing = weights - found.approximation.to_float()
        assert np.allclose(missing, found.residual.to_float(), atol=1e-15)
        assert "misses it by" in found.to_text()
    assert separate(weights, terms=5).is_exact
    assert separate(weights, terms=9).is_exact


def test_very_large_numbers_have_an_error_too():
    found = separate([[1e300, 1e-300], [1, 2]], terms=1)
    assert found.error == pytest.approx(2)


def test_the_passes_do_what_the_kernel_does():
    mean = separate(cs.Conv.uniform(4))
    assert [layer.kernel.shape for layer in mean.layers] == [(4, 1), (1, 4)]
    assert affine_map(mean.layers, (9, 8)).equals(affine_map(cs.Conv.uniform(4), (9, 8)))
    x = np.random.default_rng(0).integers(-9, 9, (6, 7))
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    passed = cs.solve(x, *separate(cs.Conv(sobel, flip=True)).layers).array()
    assert np.array_equal(passed, signal.convolve2d(x, sobel, mode="valid"))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from(["zeros", "reflect", "replicate", "circular"]), st.booleans())
def test_each_pass_takes_its_axis_options(data, mode, flip):
    column, row = data.draw(arrays((3,))), data.draw(arrays((2,)))
    cells = [a * b for a in column.cells() for b in row.cells()]
    padding = data.draw(st.one_of(st.just("same"), st.just(((1, 2), (0, 1)))))
    layer = cs.Conv(
        from_cells(cells, (1, 1, 3, 2)),
        bias=data.draw(st.one_of(st.none(), arrays((1,)))),
        stride=data.draw(each(2, 1, 2)),
        padding=padding,
        dilation=data.draw(each(2, 1, 2)),
        padding_mode=mode,
        flip=flip,
    )
    found = separate(layer)
    assert affine_map(found.layers, (7, 8)).equals(affine_map(layer, (7, 8)))


def test_three_axes():
    cube = np.einsum("i,j,k->ijk", [1, 2, 1], [1, 0, -1], [3, 3, 3])
    found = separate(cube)
    assert found.rank == 1
    assert [list(map(int, np.asarray(f))) for f in found.terms[0].factors] == [
        [1, 2, 1],
        [1, 0, -1],
        [1, 1, 1],
    ]
    assert affine_map(found.layers, (5, 5, 5)).equals(affine_map(cs.Conv(cube[None, None]), (5, 5, 5)))
    assert found.to_text()


@pytest.mark.parametrize(
    ("source", "options", "error", "told"),
    [
        ("a b; c d", {}, UnsupportedError, "separate needs a kernel of ratios"),
        (np.ones((65, 2)), {}, UnsupportedError, "a kernel of 65×2 taps is too wide"),
        ("1 2; 3 4", {"terms": 0}, InputError, "terms=0 is not a number of terms"),
        ("1 2; 3 4", {"terms": True}, InputError, "terms=True is not a number of terms"),
        (np.arange(8).reshape(2, 2, 2), {"terms": 1}, UnsupportedError, "terms=1: fewer terms than"),
        (cs.Conv(np.ones((2, 1, 3, 3))), {}, InputError, "separate takes a convolution of one channel"),
        (cs.Conv(kernel_size=3, out_channels=1), {}, InputError, "Conv: it has no weights"),
    ],
)
def test_what_is_not_taken_apart_is_refused(source, options, error, told):
    with pytest.raises(error) as caught:
        separate(source, **options)
    assert str(caught.value).startswith(told)


def test_several_terms_are_no_chain():
    with pytest.raises(UnsupportedError, match=r"^2 terms are added up"):
        _ = separate("0 1 0; 1 -4 1; 0 1 0").layers
    with pytest.raises(UnsupportedError, match=r"^separate: padding with a constant"):
        _ = separate(cs.Conv("1 1; 1 1", padding=1, padding_mode="constant", padding_value=2)).layers


def test_it_is_shown():
    for source in ("0 1 0; 1 -4 1; 0 1 0", "1 2 1", "1 1; 1 1", np.eye(12)):
        found = separate(source)
        for form in (found.to_text, found.to_markdown, found.to_latex, found.to_html):
            assert form()
