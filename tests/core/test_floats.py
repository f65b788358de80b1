"""Arrays of floats as the shortest decimals that name them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import convscope as cs
from convscope.core import floats
from convscope.core.floats import shortest_decimals

few = settings(derandomize=True, deadline=None, max_examples=150, database=None)


def decimals(array):
    numerators, denominator = shortest_decimals(array)
    return [Fraction(int(n), denominator) for n in numerators.reshape(-1)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@few
@given(data=st.data())
def test_every_float_is_its_shortest_decimal(dtype, data):
    width = np.dtype(dtype).itemsize * 8
    elements = st.floats(width=width, allow_nan=False, allow_infinity=False) | st.sampled_from(
        [0.5, 0.1, 100.25, 65504.0, -0.0, 1e-5, 3.0]
    ).map(lambda x: float(dtype(x)))
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=2, max_side=6), elements=elements))
    assert decimals(array) == [Fraction(str(value)) for value in array.reshape(-1)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_edges_of_the_types(dtype):
    info = np.finfo(dtype)
    edges = [info.max, -info.max, info.tiny, info.smallest_subnormal, info.eps, 1 + info.eps, 0.0, -0.0]
    array = np.array(edges, dtype=dtype)
    assert decimals(array) == [Fraction(str(value)) for value in array]
    for value in array:
        assert decimals(np.array([value])) == [Fraction(str(value))]


def test_every_half_float():
    array = np.arange(2**16, dtype=np.uint16).view(np.float16)
    array = array[np.isfinite(array)]
    assert decimals(array) == [Fraction(str(value)) for value in array]


def test_pieces_join(monkeypatch):
    monkeypatch.setattr(floats, "PIECE", 7)
    array = np.random.default_rng(0).standard_normal(40)
    assert decimals(array) == [Fraction(repr(float(value))) for value in array]


def test_a_sample_of_short_decimals_does_not_speak_for_all():
    array = np.full(2000, 0.5)
    array[-1] = 1 / 3
    found = decimals(array)
    assert found[0] == Fraction(1, 2)
    assert found[-1] == Fraction("0.3333333333333333")


def test_long_doubles_keep_their_own_digits():
    value = np.longdouble(1) / 3
    assert cs.matrix(np.array([value]))[0] == Fraction(str(value))


def test_the_float_comes_back():
    array = np.random.default_rng(1).standard_normal((50, 50)) * 10.0 ** np.random.default_rng(2).integers(
        -30, 30, (50, 50)
    )
    assert (np.asarray(cs.matrix(array), dtype=float) == array).all()
