"""Every cell's derivation, worked out again from what is shown: windows, products, regions, formulas."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convscope as cs
from convscope.core.document import Finding, Formula, MatrixRow, MatrixView
from convscope.core.number import Symbolic

from . import reference
from .cases import few, integer_arrays, per_axis, ranks
from .formula_value import agree, check_chain, value_of

LAYOUTS = {1: "NCL", 2: "NCHW", 3: "NCDHW"}
quick = st.integers(0, 2**20).map(np.random.default_rng)


def number(value):
    """The value as the tests compare it: a ratio, or sixty digits."""
    if isinstance(value, Symbolic):
        with mpmath.workdps(60):
            return mpmath.mpf(value.decimal(65))
    return value


def blocks_of(derivation, kind):
    return [block for block in derivation.blocks() if isinstance(block, kind)]


def check_cells(stage, functions=None, rng=None, most=12):
    """The chains of (some) cells name the cell and come to its value."""
    cells = list(np.ndindex(*stage.shape))
    if rng is not None and len(cells) > most:
        cells = [cells[i] for i in rng.choice(len(cells), most, replace=False)]
    for place in cells:
        index = tuple(int(i) for i in place)
        derivation = stage.cell(*index)
        assert derivation.value == stage.value[index]
        (formula,) = blocks_of(derivation, Formula)
        name, value = check_chain(formula.expression, functions)
        assert tuple(int(value_of(part)) for part in name.indices) == index
        assert agree(value, number(derivation.value))
        yield index, derivation


@st.composite
def windowed(draw):
    rank = draw(ranks)
    groups = draw(st.integers(1, 2))
    into, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel, dilation = draw(per_axis(1, 3, rank)), draw(per_axis(1, 2, rank))
    padding = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(rank))
    x = draw(integer_arrays((draw(st.integers(1, 2)), into, *draw(per_axis(5, 6, rank)))))
    weight = draw(integer_arrays((out, into // groups, *kernel)))
    options = {
        "stride": draw(per_axis(1, 3, rank)),
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    return x, weight, draw(st.none() | integer_arrays((out,))), options


def grid(view):
    """The matrix's cells; of a whole input with the window marked in it, the window's."""
    cells = [(r, c) for r in range(len(view.rows)) for c in range(len(view.rows[0]))]
    marked = [(r, c) for r, c in cells if "window" in view.roles(r, c)]
    return [view.rows[r][c] for r, c in marked or cells]


def unlead(views, lead):
    """The shown matrices as one array (channels, *kernel)."""
    return np.array([cell for view in views for cell in grid(view)], dtype=object).reshape(lead)


@few
@given(
    case=windowed(),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular", "constant"]),
    flip=st.booleans(),
    rng=quick,
)
def test_a_convolution_shows_window_kernel_products_and_sum(case, mode, flip, rng):
    x, weight, bias, options = case
    fill = Fraction(3, 7) if mode == "constant" else 0
    layer = cs.Conv(weight, bias, padding_mode=mode, padding_value=fill, flip=flip, **options)
    stage = cs.solve(x, layer).stages[0]
    exact = reference.convolve(
        reference.fractions(x), reference.fractions(weight), bias, mode=mode, fill=fill, flip=flip, **options
    )
    assert (np.asarray(stage.value) == exact).all()
    turned = np.flip(weight, tuple(range(2, weight.ndim))) if flip else weight
    groups, size = options["groups"], weight.shape[1]
    for (item, channel, *position), derivation in check_cells(stage, rng=rng, most=6):
        rows = blocks_of(derivation, MatrixRow)
        assert all(row.operators == ("⊙", "=") for row in rows)
        window, kernel, products = (
            unlead([row.items[place] for row in rows], weight.shape[1:]) for place in range(3)
        )
        first = channel // (weight.shape[0] // groups) * size
        for inner, *tap in np.ndindex(*weight.shape[1:]):
            place = [
                p * s - pad[0] + t * d
                for p, s, pad, t, d in zip(
                    position, options["stride"], options["padding"], tap, options["dilation"], strict=True
                )
            ]
            seen = reference.read(reference.fractions(x[item, first + inner]), place, mode, fill)
            assert window[(inner, *tap)] == seen
        assert (kernel == turned[channel]).all()
        assert (products == window * kernel).all()
        assert products.sum() + (0 if bias is None else int(bias[channel])) == derivation.value


@few
@given(case=windowed(), rng=quick)
def test_padding_is_marked_in_the_window(case, rng):
    x, weight, _, options = case
    if x.ndim == 5:
        return  # slices of a volume carry no marks
    stage = cs.solve(x, cs.Conv(weight, **options)).stages[0]
    for (_, _, *position), derivation in check_cells(stage, rng=rng, most=6):
        view = blocks_of(derivation, MatrixRow)[0].items[0]
        whole = any(mark.role == "window" for mark in view.marks)
        strides, dilations = ((0,) * 3, (1,) * 3) if whole else (options["stride"], options["dilation"])
        for row in range(len(view.rows)):
            for column in range(len(view.rows[0])):
                tap = (row, column)[-(x.ndim - 2) :]
                place = [
                    p * s - pad[0] + t * d
                    for p, s, pad, t, d in zip(
                        position, strides, options["padding"], tap, dilations, strict=False
                    )
                ]
                outside = any(not 0 <= p < n for p, n in zip(place, x.shape[2:], strict=True))
                assert ("padding" in view.roles(row, column)) == outside


@few
@given(case=windowed(), rng=quick)
def test_a_transposed_convolution_adds_up_its_stamps(case, rng):
    x, weight, bias, options = case
    weight = np.swapaxes(weight.reshape(options["groups"], -1, *weight.shape[1:]), 1, 2).reshape(
        x.shape[1], -1, *weight.shape[2:]
    )
    options["padding"] = tuple((min(p[0], 1), min(p[1], 1)) for p in options["padding"])
    options["stride"] = tuple(max(s, 2) for s in options["stride"])
    layer = cs.ConvTranspose(weight, bias, output_padding=1, **options)
    stage = cs.solve(x, layer).stages[0]
    exact = reference.stamp(
        reference.fractions(x), reference.fractions(weight), extra=(1,) * (x.ndim - 2), **options
    )
    if bias is not None:
        exact = exact + reference.fractions(bias).reshape(1, -1, *(1,) * (x.ndim - 2))
    assert (np.asarray(stage.value) == exact).all()
    for _ in check_cells(stage, rng=rng):
        pass


@st.composite
def pooled(draw):
    rank = draw(ranks)
    size, dilation = draw(per_axis(1, 3, rank)), draw(per_axis(1, 2, rank))
    padding = tuple(draw(st.tuples(st.integers(0, k // 2), st.integers(0, k // 2))) for k in size)
    x = draw(integer_arrays((1, 2, *draw(per_axis(5, 6, rank))), -2, 2))
    return x, size, {"stride": draw(per_axis(1, 3, rank)), "padding": padding, "dilation": dilation}


def shown_region(derivation):
    views = blocks_of(derivation, MatrixView)
    return [cell for view in views for row in view.rows for cell in row], views


@few
@given(case=pooled(), ceil_mode=st.booleans(), rng=quick)
def test_a_max_pool_shows_its_region_and_every_winner(case, ceil_mode, rng):
    x, size, options = case
    stage = cs.solve(x, cs.MaxPool(size, ceil_mode=ceil_mode, **options), layout=LAYOUTS[len(size)]).stages[0]
    for (item, channel, *position), derivation in check_cells(stage, rng=rng):
        places = reference.regions(x.shape[2:], size, position=position, **options)
        region, views = shown_region(derivation)
        assert region == [x[(item, channel, *place)] for place in places]
        assert derivation.value == max(region)
        winners = [place for place in places if x[(item, channel, *place)] == derivation.value]
        marked = [
            "winner" in view.roles(row, column)
            for view in views
            for row in range(len(view.rows))
            for column in range(len(view.rows[0]))
        ]
        assert marked == [value == derivation.value for value in region]
        ties = blocks_of(derivation, Finding)
        if len(winners) == 1:
            assert not ties
        else:
            (tie,) = ties
            assert all(str(tuple(int(i) for i in place)) in tie.content[0] for place in winners)


@few
@given(
    case=pooled(),
    ceil_mode=st.booleans(),
    count=st.booleans(),
    divisor=st.none() | st.integers(1, 5),
    rng=quick,
)
def test_an_average_pool_divides_by_the_cells_counted(case, ceil_mode, count, divisor, rng):
    x, size, options = case
    layer = cs.AvgPool(
        size, ceil_mode=ceil_mode, count_include_pad=count, divisor_override=divisor, **options
    )
    stage = cs.solve(x, layer, layout=LAYOUTS[len(size)]).stages[0]
    for (item, channel, *position), derivation in check_cells(stage, rng=rng):
        places = reference.regions(x.shape[2:], size, position=position, **options)
        region, _ = shown_region(derivation)
        assert region == [x[(item, channel, *place)] for place in places]
        counted = 1
        axes = zip(
            position,
            size,
            options["stride"],
            options["padding"],
            options["dilation"],
            x.shape[2:],
            strict=True,
        )
        for p, k, s, pad, d, n in axes:
            cells = [p * s - pad[0] + t * d for t in range(k)]
            counted *= sum((-pad[0] if count else 0) <= c < n + (pad[1] if count else 0) for c in cells)
        assert derivation.value == Fraction(int(sum(region)), divisor or counted)


@few
@given(case=pooled(), norm=st.integers(1, 3), rng=quick)
def test_a_power_pool_takes_the_root_of_the_powers(case, norm, rng):
    x, size, options = case
    stage = cs.solve(x, cs.LpPool(norm, size, **options), layout=LAYOUTS[len(size)]).stages[0]
    for (item, channel, *position), derivation in check_cells(stage, rng=rng):
        places = reference.regions(x.shape[2:], size, position=position, **options)
        powers = sum(abs(Fraction(int(x[(item, channel, *place)]))) ** norm for place in places)
        assert agree(number(derivation.value) ** norm, powers)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "layer", [cs.AdaptiveAvgPool(2), cs.AdaptiveMaxPool(3), cs.GlobalAvgPool(), cs.GlobalMaxPool()]
)
def test_whole_pools(layer, rank):
    x = np.random.default_rng(rank).integers(-3, 4, (2, 2, *(4, 5, 6)[:rank]))
    stage = cs.solve(x, layer, layout=LAYOUTS[rank]).stages[0]
    for _, derivation in check_cells(stage):
        region, _ = shown_region(derivation)
        mean = isinstance(layer, cs.AdaptiveAvgPool | cs.GlobalAvgPool)
        assert derivation.value == (sum(region) / len(region) if mean else max(region))


def real_of(x):
    return mpmath.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else x


def elu(alpha, scale="1"):
    """ELU and SELU: their constants are given as decimals."""

    def function(x):
        if x > 0:
            return x * Fraction(scale)
        return mpmath.expm1(real_of(x)) * mpmath.mpf(alpha) * mpmath.mpf(scale)

    return function


def gelu_tanh(x):
    x = real_of(x)
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)))


POINTWISE = {
    cs.Identity(): {},
    cs.Dropout(): {},
    cs.ReLU(): {},
    cs.ReLU6(): {},
    cs.LeakyReLU("0.3"): {"LeakyReLU": lambda x: x if x > 0 else x * Fraction("0.3")},
    cs.ELU("1.5"): {"ELU": elu("1.5")},
    cs.SELU(): {"SELU": elu("1.6732632423543772848170429916717", "1.0507009873554804934193349852946")},
    cs.Hardtanh(-2, "0.5"): {"hardtanh": lambda x: min(max(x, Fraction(-2)), Fraction(1, 2))},
    cs.Sigmoid(): {},
    cs.LogSigmoid(): {},
    cs.Tanh(): {},
    cs.GELU(): {},
    cs.GELU("tanh"): {"GELU": gelu_tanh},
    cs.SiLU(): {},
    cs.Softplus(): {},
    cs.Softplus("0.5"): {"softplus": lambda x: mpmath.log(1 + mpmath.exp(real_of(x) / 2)) * 2},
    cs.Softsign(): {"softsign": lambda x: x / (1 + abs(x))},
}


@pytest.mark.parametrize("layer", POINTWISE, ids=repr)
def test_activations(layer):
    x = [["-7/3", -1, 0, "1/4"], [2, 5, 8, "-0.001"]]
    stage = cs.solve(x, layer).stages[0]
    assert len(list(check_cells(stage, POINTWISE[layer]))) == 8


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("layer", [cs.Softmax, cs.Softmin, cs.LogSoftmax])
def test_softmax_shows_its_line(layer, dim):
    x = np.random.default_rng(dim).integers(-4, 5, (2, 3, 4))
    stage = cs.solve(x, layer(dim)).stages[0]
    for index, derivation in check_cells(stage):
        line = x[(*index[:dim], slice(None), *index[dim + 1 :])] * (-1 if layer is cs.Softmin else 1)
        with mpmath.workdps(60):
            share = mpmath.exp(int(line[index[dim]])) / mpmath.fsum(mpmath.exp(int(v)) for v in line)
            expected = mpmath.log(share) if layer is cs.LogSoftmax else share
            assert agree(number(derivation.value), expected)


@few
@given(x=integer_arrays((2, 5)), weight=integer_arrays((3, 5)), bias=st.none() | integer_arrays((3,)))
def test_linear(x, weight, bias):
    stage = cs.solve(x, cs.Linear(weight, bias)).stages[0]
    for (row, out), derivation in check_cells(stage):
        assert derivation.value == int(x[row] @ weight[out]) + (0 if bias is None else int(bias[out]))


def test_batch_norm():
    x = np.arange(-6, 6).reshape(1, 2, 2, 3)
    stage = cs.solve(x, cs.BatchNorm([1, 2], [3, 4], [2, -1], [0, 5], eps=0)).stages[0]
    for index, derivation in check_cells(stage):
        channel = index[1]
        with mpmath.workdps(60):
            mean, variance, weight, bias = ((1, 3, 2, 0), (2, 4, -1, 5))[channel]
            expected = (int(x[index]) - mean) / mpmath.sqrt(variance) * weight + bias
            assert agree(number(derivation.value), expected)


def test_joining_and_moving():
    x, y = np.arange(12).reshape(2, 2, 3), np.arange(12, 24).reshape(2, 2, 3)
    assert len(list(check_cells(cs.solve((x, y), cs.Add()).stages[0]))) == 12
    assert len(list(check_cells(cs.solve((x, y), cs.Concat(1)).stages[0]))) == 24
    assert len(list(check_cells(cs.solve(x, cs.Flatten()).stages[0]))) == 12
    assert len(list(check_cells(cs.solve(x, cs.Pad(1, "replicate")).stages[0]))) == 40


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_upsample(mode, rank):
    named = "nearest" if mode == "nearest" else {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
    x = np.random.default_rng(rank).integers(-5, 6, (1, 1, *(3, 2, 2)[:rank]))
    stage = cs.solve(x, cs.Upsample(scale_factor=("1.5", 2, 2)[:rank], mode=named)).stages[0]
    assert len(list(check_cells(stage))) == stage.value.size


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ((0,), r"cell \(0,\) has 1 indices but the feature map has shape \(3, 3\)"),
        ((0, 0, 0), r"cell \(0, 0, 0\) has 3 indices"),
        ((3, 0), r"cell \(3, 0\) is outside the feature map of shape \(3, 3\): index 0 may be 0 to 2"),
        ((0, -1), r"cell \(0, -1\) is outside the feature map"),
    ],
)
def test_a_cell_that_is_not_there_is_one_clear_error(index, message):
    stage = cs.solve(np.arange(16).reshape(4, 4), cs.MaxPool(2, 1)).stages[0]
    with pytest.raises(cs.InputError, match=message):
        stage.cell(*index)


def test_a_tie_between_numbers_of_different_formulas_names_both():
    # σ(1) + σ(−1) is 1, and so is σ(2) + σ(−2): the pool of the sums is a tie.
    s = cs.solve("1 -1 2 -2", cs.Sigmoid(), cs.Conv("1 1", stride=(1, 2)), cs.MaxPool((1, 2)))
    (tie,) = blocks_of(s.stages[2].cell(0, 0), Finding)
    assert "(0, 0), (0, 1)" in tie.content[0]


def test_the_evaluator_sees_a_wrong_formula():
    stage = cs.solve("1 2; 3 4", cs.Sigmoid()).stages[0]
    (formula,) = blocks_of(stage.cell(0, 0), Formula)
    with pytest.raises(AssertionError):
        check_chain(formula.expression, {"σ": lambda x: 1 / (1 + mpmath.exp(x))})
