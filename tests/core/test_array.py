"""Exact arrays: indexing, equality, NumPy, floats, and numbers made when looked at."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.core.array import (
    LazyTable,
    Letter,
    RationalArray,
    SymbolicArray,
    differs,
    from_cells,
    from_table,
    magnitude,
)
from convscope.errors import InputError

few = settings(derandomize=True, deadline=None, max_examples=80, database=None)
a, b = Letter("a"), Letter("b")


def test_indexing():
    x = cs.matrix([[1, 2, 3], ["1/2", 5, 6]])
    assert x[1, 0] == Fraction(1, 2)
    assert x[-1, -1] == 6
    assert x[np.int64(0), 1] == 2
    assert x[0].tolist() == [1, 2, 3]
    assert x[:, 1].tolist() == [2, 5]
    assert x[..., 0].tolist() == [1, Fraction(1, 2)]
    assert x[[1, 0]].tolist() == [[Fraction(1, 2), 5, 6], [1, 2, 3]]
    assert [row.tolist() for row in x] == [[1, 2, 3], [Fraction(1, 2), 5, 6]]
    assert (len(x), x.ndim, x.size, x.shape) == (2, 2, 6, (2, 3))
    with pytest.raises(IndexError):
        x[2, 0]
    with pytest.raises(TypeError):
        len(cs.matrix(np.array(1)))


def test_numpy_sees_the_numbers():
    x = cs.matrix([["1/3", 2]])
    assert np.asarray(x).dtype == object
    assert np.asarray(x)[0, 0] == Fraction(1, 3)
    assert np.asarray(x, dtype=float).tolist() == [[1 / 3, 2.0]]
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy=False cannot be had"):
        np.array(x, copy=False)
    with pytest.raises(TypeError):
        np.add(x, x)


@few
@given(st.lists(st.fractions(), min_size=1, max_size=5))
def test_floats_are_the_nearest(values):
    assert cs.matrix(values).to_float().tolist() == [float(value) for value in values]


def test_floats_of_far_out_ratios():
    assert cs.matrix(
        [10**400, -(10**400), Fraction(1, 10**400), Fraction(2**53 + 1, 2)]
    ).to_float().tolist() == [
        np.inf,
        -np.inf,
        0.0,
        float(Fraction(2**53 + 1, 2)),
    ]


def test_equality_is_by_value():
    assert cs.matrix([["2/4", 1]]) == cs.matrix([[0.5, 1]])
    assert hash(cs.matrix([["2/4", 1]])) == hash(cs.matrix([[0.5, 1]]))
    assert cs.matrix([[1, 2]]) != cs.matrix([[1], [2]])
    assert cs.matrix([1, 2]) != cs.matrix([1, 3])
    assert cs.matrix([1]) != 1
    assert cs.matrix(["a", 1]) == cs.matrix(["a", 1])
    assert cs.matrix(["a", 1]) != cs.matrix(["b", 1])
    assert (np.array([1, 2]) == cs.matrix([1, 2])) is False
    assert len({cs.matrix([1, 2]), cs.matrix([1.0, 2.0]), cs.matrix([1, 3])}) == 2


def test_a_part_without_letters_equals_the_same_ratios():
    part = cs.matrix([["a", 1, 2]])[:, 1:]
    plain = cs.matrix([[1, 2]])
    assert part == plain
    assert plain == part
    assert hash(part) == hash(plain)
    assert not differs(part, plain).any()


def test_where_arrays_differ():
    x, y = cs.matrix([["a", 1], [2, "b"]]), cs.matrix([["a", 2], [2, "a"]])
    assert differs(x, y).tolist() == [[False, True], [False, True]]
    assert differs(cs.matrix([1, "1/2"]), cs.matrix([1, "1/3"])).tolist() == [False, True]


def test_a_rational_array_is_in_lowest_terms_and_frozen():
    x = RationalArray(np.array([2, 4, 6]), 4)
    assert (x.numerators.tolist(), x.denominator) == ([1, 2, 3], 2)
    zeros = RationalArray(np.zeros(3, dtype=np.int64), 10**30)
    assert (zeros.denominator, zeros.tolist()) == (1, [0, 0, 0])
    late = np.full(10_000, 6)
    late[-1] = 3
    assert RationalArray(late, 6).denominator == 2
    with pytest.raises(ValueError, match="read-only"):
        x.numerators[0] = 5
    with pytest.raises(InputError, match="denominator=0 is not positive"):
        RationalArray(np.array([1]), 0)


def test_python_integers_only_where_int64_could_overflow():
    assert RationalArray(np.array([1, 2], dtype=object)).numerators.dtype == np.int64
    assert RationalArray(np.array([2**63], dtype=object)).numerators.dtype == object
    assert from_cells([Fraction(2**70), Fraction(1)], (2,))[:1].numerators.dtype == object
    assert from_cells([Fraction(2**70), Fraction(1)], (2,))[1:].numerators.dtype == np.int64
    assert magnitude(np.array([-(2**63), 5])) == 2**63
    assert magnitude(np.array([], dtype=np.int64)) == 0


def test_a_table_is_made_when_it_is_looked_at():
    made = []

    def make(place):
        made.append(place)
        return Fraction(place)

    table = LazyTable(1000, make)
    array = SymbolicArray(table, np.arange(1000).reshape(10, 100), is_sorted=True)
    assert array[3, 4] == 304
    assert array[3, 4] == 304
    assert made == [304]
    part = array[2:4, 5]
    assert made == [304]
    assert part.is_sorted
    assert part.tolist() == [205, 305]
    assert made == [304, 205, 305]
    for place in (-1, 1000):
        with pytest.raises(IndexError):
            table[place]


def test_a_table_of_ratios_alone_is_a_rational_array():
    assert isinstance(from_table([Fraction(1, 2), Fraction(3)], np.array([0, 1, 0])), RationalArray)
    assert isinstance(from_table([Fraction(1, 2), a], np.array([0, 1, 0])), SymbolicArray)


def test_letters():
    assert a == Letter("a")
    assert a != b
    assert a != "a"
    assert {a, Letter("a")} == {a}
    assert not a.is_numeric
    assert repr(a) == "Letter('a')"
    for use in (lambda: a.decimal(3), lambda: float(a), lambda: cs.matrix("a 1").to_float()):
        with pytest.raises(InputError, match="'a' is a letter; it has no decimal value"):
            use()


def test_a_large_array_shows_its_shape():
    assert repr(cs.matrix(np.zeros((30, 30)))) == "<exact array of shape (30, 30)>"
    assert repr(cs.matrix([["1/3", 0.5, 10**5000]])).startswith("matrix([['1/3', 0.5, 1000")
