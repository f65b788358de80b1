"""Results equal those of plain loops over Fractions, whatever the size of the numbers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.array import RationalArray
from convscope.worked import arithmetic

from . import reference
from .cases import few

# Where float64 stops being exact, where int64 stops, and far beyond.
EDGES = [2**26, 2**31, 2**52, 2**53, 2**62, 2**63, 2**64, 2**100, 10**40]
large = st.builds(
    lambda edge, shift, sign: sign * (edge + shift),
    st.sampled_from(EDGES),
    st.integers(-2, 2),
    st.sampled_from([-1, 1]),
)
numbers = st.one_of(
    st.integers(-9, 9).map(Fraction),
    large.map(Fraction),
    st.fractions(max_denominator=50),
    st.builds(Fraction, st.integers(-9, 9), st.integers(1, 10**30)),
)


def grids(rows, columns):
    return st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


def object_array(nested):
    return reference.fractions(np.array(nested, dtype=object))


def exact(solution_value):
    return np.asarray(solution_value)


@pytest.fixture(params=[50_000, 0], ids=["whole", "pieces"])
def products(request, monkeypatch):
    """Both ways of multiplying long integers: at once, and cut into pieces."""
    monkeypatch.setattr(arithmetic, "MANY_PRODUCTS", request.param)


@pytest.mark.usefixtures("products")
@few
@given(x=grids(4, 3), kernel=grids(2, 2), bias=numbers, pad=st.integers(0, 1), flip=st.booleans())
def test_convolution(x, kernel, bias, pad, flip):
    layer = cs.Conv(cs.kernel(kernel), [bias], padding=pad, flip=flip)
    options = {"stride": (1, 1), "padding": ((pad, pad),) * 2, "dilation": (1, 1), "groups": 1, "flip": flip}
    expected = reference.convolve(
        object_array(x)[None, None], object_array(kernel)[None, None], [bias], **options
    )
    assert (exact(cs.solve(x, layer).value) == expected[0, 0]).all()


@pytest.mark.usefixtures("products")
@few
@given(x=grids(2, 3), kernel=grids(2, 2), bias=numbers)
def test_transposed_convolution(x, kernel, bias):
    expected = reference.stamp(
        object_array(x)[None, None],
        object_array(kernel)[None, None],
        (2, 1),
        ((0, 0),) * 2,
        (1, 1),
        (1, 0),
        1,
    )
    found = cs.solve(x, cs.ConvTranspose(cs.kernel(kernel), [bias], (2, 1), output_padding=(1, 0))).value
    assert (exact(found) == expected[0, 0] + bias).all()


@pytest.mark.usefixtures("products")
@few
@given(x=grids(3, 4), weight=grids(2, 4), bias=st.lists(numbers, min_size=2, max_size=2))
def test_linear(x, weight, bias):
    found = exact(cs.solve(x, cs.Linear(weight, bias)).value)
    for r, row in enumerate(x):
        for o, line in enumerate(weight):
            assert found[r, o] == sum(a * b for a, b in zip(row, line, strict=True)) + bias[o]


@pytest.mark.usefixtures("products")
@few
@given(x=grids(4, 4), pad=st.booleans())
def test_pools(x, pad):
    table = object_array(x)
    options = {"stride": (2, 2), "padding": ((int(pad),) * 2,) * 2, "dilation": (1, 1)}
    size = (2 + pad, 2 + pad)
    largest = cs.solve(x, cs.MaxPool(size, 2, int(pad))).value
    mean = cs.solve(x, cs.AvgPool(size, 2, int(pad), count_include_pad=False)).value
    for position in np.ndindex(*largest.shape):
        places = reference.regions((4, 4), size, position=position, **options)
        cells = [table[place] for place in places]
        assert largest[position] == max(cells)
        assert mean[position] == sum(cells, Fraction(0)) / len(cells)


@pytest.mark.usefixtures("products")
@few
@given(x=grids(2, 2), y=grids(2, 2))
def test_adding_joining_and_padding(x, y):
    a, b = object_array(x), object_array(y)
    assert (exact(cs.solve((x, y), cs.Add()).value) == a + b).all()
    joined = cs.solve((x, y), cs.Concat(-1)).value
    assert (exact(joined) == np.concatenate([a, b], axis=1)).all()
    padded = cs.solve(x, cs.Pad(1, "constant", y[0][0])).value
    assert (exact(padded) == np.pad(a, 1, constant_values=y[0][0])).all()


PIECEWISE = {
    cs.ReLU(): lambda x: max(x, Fraction(0)),
    cs.ReLU6(): lambda x: min(max(x, Fraction(0)), Fraction(6)),
    cs.LeakyReLU("1/3"): lambda x: x if x > 0 else x / 3,
    cs.LeakyReLU(-2): lambda x: x if x > 0 else -2 * x,
    cs.Hardtanh("-1/7", "1/3"): lambda x: min(max(x, Fraction(-1, 7)), Fraction(1, 3)),
    cs.Hardtanh(-(2**70), 2**70): lambda x: min(max(x, Fraction(-(2**70))), Fraction(2**70)),
    cs.Identity(): lambda x: x,
    cs.Softsign(): lambda x: x / (1 + abs(x)),
}


@pytest.mark.parametrize("layer", PIECEWISE, ids=repr)
@few
@given(x=grids(2, 3))
def test_rational_activations(layer, x):
    found = exact(cs.solve(x, layer).value)
    for index, value in np.ndenumerate(object_array(x)):
        assert found[index] == PIECEWISE[layer](value)


@few
@given(x=grids(3, 3), factor=st.sampled_from(["1.5", 2, "2/3"]))
def test_upsampling_keeps_constants_and_corners(x, factor):
    found = cs.solve([[x[0][0]] * 3] * 3, cs.Upsample(scale_factor=factor, mode="bilinear")).value
    assert set(found.cells()) == {x[0][0]}
    corners = cs.solve(x, cs.Upsample((5, 5), mode="bilinear", align_corners=True)).value
    assert [corners[0, 0], corners[0, 4], corners[4, 0], corners[4, 4]] == [
        x[0][0],
        x[0][2],
        x[2][0],
        x[2][2],
    ]


@pytest.mark.parametrize("edge", EDGES)
def test_the_edges_themselves(edge):
    """One product, one sum and one maximum at each edge, where a wrong type would wrap or round."""
    for value in (edge - 1, edge, edge + 1, -edge, -edge - 1):
        x = [[value, 1]]
        assert cs.solve(x, cs.Conv([[3, 1]])).value[0, 0] == 3 * value + 1
        assert cs.solve(x, cs.Conv([[value, value]])).value[0, 0] == value * value + value
        assert cs.solve(x, cs.MaxPool((1, 2), padding=(0, 1))).value.tolist() == [[value, 1]]
        assert cs.solve(x, cs.AvgPool((1, 2))).value[0, 0] == Fraction(value + 1, 2)


def test_the_ends_of_int64_as_an_array():
    ends = np.array([[-(2**63), 2**63 - 1]])
    assert cs.matrix(ends).tolist() == [[-(2**63), 2**63 - 1]]
    assert cs.solve(ends, cs.MaxPool((1, 1), padding=0)).value.tolist() == [[-(2**63), 2**63 - 1]]
    assert cs.solve(ends, cs.Conv("1 1")).value[0, 0] == -1
    assert cs.solve(ends, cs.Conv("-1 1")).value[0, 0] == 2**64 - 1
    assert RationalArray(ends, 2)[0, 0] == -(2**62)


@pytest.mark.usefixtures("products")
def test_a_large_random_convolution_equals_numpys_on_python_integers():
    rng = np.random.default_rng(3)
    x = rng.integers(-(2**40), 2**40, (3, 9, 9)).astype(object) * 2**30 + 1
    weight = rng.integers(-(2**40), 2**40, (4, 3, 3, 3)).astype(object)
    found = exact(cs.solve(x, cs.Conv(weight)).value)
    expected = sum(
        weight[:, c, i, j][:, None, None] * x[c, i : i + 7, j : j + 7][None]
        for c in range(3)
        for i in range(3)
        for j in range(3)
    )
    assert (found == expected).all()


@pytest.mark.parametrize("x_bits", [1, 8, 30, 57, 90])
@pytest.mark.parametrize("w_bits", [1, 8, 30, 57])
@pytest.mark.parametrize("terms", [1, 147, 5000])
def test_pieces_leave_room_for_every_sum(x_bits, w_bits, terms):
    widths = arithmetic._limb_widths(x_bits, w_bits, terms)
    if widths is not None:
        assert sum(widths) + terms.bit_length() <= 53
        assert min(widths) >= 1


def test_pieces_add_up():
    rng = np.random.default_rng(0)
    integers = rng.integers(-(2**62), 2**62, 50).astype(object) * 2**40 + 7
    for width in (5, 26, 44):
        pieces = arithmetic._limbs(integers, width)
        assert all(np.abs(piece).max() <= 2**width for _, piece in pieces)
        assert (
            sum(piece.astype(np.int64).astype(object) << shift for shift, piece in pieces) == integers
        ).all()


def test_far_apart_denominators():
    x = [[Fraction(1, 10**200), Fraction(1, 3**100)]]
    assert cs.solve(x, cs.Conv("1 1")).value[0, 0] == Fraction(1, 10**200) + Fraction(1, 3**100)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int16, np.uint64, bool])
def test_every_dtype_goes_through_a_layer(dtype):
    x = np.array([[1, 0], [0, 1]]).astype(dtype)
    assert cs.solve(x, cs.Conv("1 2; 3 4")).value.tolist() == [[5]]


def test_values_are_in_lowest_terms_so_that_equal_arrays_are_equal():
    a = cs.solve([["1/6", "1/3"]], cs.Conv("3 3")).value
    assert a == cs.matrix([["3/2"]])
    assert a.denominator == 2
    assert hash(a) == hash(cs.matrix([["3/2"]]))
