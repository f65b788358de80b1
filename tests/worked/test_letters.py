"""Letters through layers, against SymPy; and where they cannot go."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

import convscope as cs
from convscope.core.array import Letter
from convscope.core.document import Formula
from convscope.errors import InputError

from .formula_value import check_chain


def symbols(array):
    """The exact array as SymPy expressions, by the project's own way out."""
    flat = [sympy.Symbol(v.name) if isinstance(v, Letter) else sympy.sympify(v) for v in array.cells()]
    return np.array(flat, dtype=object).reshape(array.shape)


def matrix_of(text):
    return np.array([[sympy.sympify(e) for e in row.split()] for row in text.split(";")], dtype=object)


def correlate(x, k, flip=False):
    k = k[::-1, ::-1] if flip else k
    rows, columns = x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1
    return np.array(
        [
            [sympy.expand((x[i : i + k.shape[0], j : j + k.shape[1]] * k).sum()) for j in range(columns)]
            for i in range(rows)
        ],
        dtype=object,
    )


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("x", "kernel"),
    [
        ("a b; c d", "1 2; 3 4"),
        ("a b; c d", "w x; y z"),
        ("a b; c d", "a b; c d"),
        ("a b c; d f g; h k l", "p 0; -1/2 q"),
        ("1 2; 3 4", "w x; y z"),
        ("a 1 b; 1/3 a 2", "a a"),
    ],
)
def test_convolution(x, kernel, flip):
    found = symbols(cs.solve(x, cs.Conv(kernel, flip=flip)).value)
    expected = correlate(matrix_of(x), matrix_of(kernel), flip)
    assert found.shape == expected.shape
    assert all(sympy.expand(f - e) == 0 for f, e in zip(found.flat, expected.flat, strict=True))


def test_terms_that_cancel_leave_a_number():
    value = cs.solve("a a", cs.Conv("1 -1", [7])).value[0, 0]
    assert value == Fraction(7)


def test_a_letter_alone_stays_the_letter():
    assert cs.solve("a b", cs.Conv("1 0")).value[0, 0] == Letter("a")


def test_linear_average_add_and_upsample():
    a, b, c = sympy.symbols("a b c")
    assert symbols(cs.solve("a b", cs.Linear("w v; 2 3", ["c", 1]), layout="NC").value).tolist() == [
        [sympy.sympify("a*w + b*v + c"), 2 * a + 3 * b + 1]
    ]
    assert symbols(cs.solve("a b", cs.AvgPool((1, 2))).value)[0, 0] == (a + b) / 2
    assert symbols(cs.solve(("a b", "b c"), cs.Add()).value).tolist() == [[a + b, b + c]]
    found = symbols(cs.solve("a b", cs.Upsample((1, 3), mode="bilinear", align_corners=True)).value)
    assert [sympy.expand(v) for v in found[0]] == [a, (a + b) / 2, b]
    assert symbols(cs.solve("a b", cs.ConvTranspose("1 2", stride=(1, 2))).value).tolist() == [
        [a, 2 * a, b, 2 * b]
    ]
    assert symbols(cs.solve("a b", cs.LpPool(2, (1, 2))).value)[0, 0] == sympy.sqrt(a**2 + b**2)
    normalised = symbols(cs.solve("a b", cs.BatchNorm([2], [3], eps=0)).value)[0, 0]
    assert sympy.simplify(normalised - (a - 2) / sympy.sqrt(3)) == 0
    assert symbols(cs.solve("a b", cs.Flatten()).value).tolist() == [a, b]
    assert symbols(cs.solve(("a b", "c 1"), cs.Concat(-1)).value).tolist() == [[a, b, c, 1]]


def test_smooth_activations_take_letters():
    a = sympy.Symbol("a")
    for layer, expected in (
        (cs.Sigmoid(), 1 / (1 + sympy.exp(-a))),
        (cs.SiLU(), a / (1 + sympy.exp(-a))),
        (cs.Softplus(), sympy.log(1 + sympy.exp(a))),
        (cs.GELU(), a / 2 * (1 + sympy.erf(a / sympy.sqrt(2)))),
    ):
        value = cs.solve("a 1", layer).value[0, 0]
        assert not value.is_numeric
        assert sympy.simplify(sympy.sympify(value) - expected) == 0
    share = cs.solve("a 0", cs.Softmax()).value[0, 0]
    assert sympy.simplify(sympy.sympify(share) - 1 / (1 + sympy.exp(-a))) == 0


def test_a_second_layer_over_sigmoids_of_letters():
    value = cs.solve("a b", cs.Sigmoid(), cs.Conv("2 3")).value[0, 0]
    expected = sympy.sympify("2/(1 + exp(-a)) + 3/(1 + exp(-b))")
    assert sympy.simplify(sympy.sympify(value) - expected) == 0


@pytest.mark.parametrize(
    "layer",
    [
        cs.MaxPool(2),
        cs.GlobalMaxPool(),
        cs.AdaptiveMaxPool(1),
        cs.ReLU(),
        cs.LeakyReLU(),
        cs.ELU(),
        cs.Hardtanh(),
    ],
    ids=repr,
)
def test_layers_that_need_an_order_refuse_letters(layer):
    with pytest.raises(
        InputError, match=r"layer 1: letters have no order, so their values cannot be compared or pooled"
    ):
        cs.solve("a b; c d", layer)
    with pytest.raises(InputError, match=r"layer 2: letters have no order"):
        cs.solve("a 1 5; 2 3 4", cs.Conv("1 1"), layer)


def test_equal_letters_need_no_order():
    assert cs.solve("a a; a a", cs.MaxPool(2)).value[0, 0] == Letter("a")


def test_letters_have_no_decimals():
    solution = cs.solve("a b", cs.Conv("1 1"))
    with pytest.raises(InputError, match=r"'.*' is a letter; it has no decimal value"):
        solution.array()
    with pytest.raises(InputError, match="letter"):
        solution.value[0, 0].decimal(3)


def test_variances_of_letters_are_refused():
    with pytest.raises(InputError, match="layer 1: BatchNorm: running_var must be numbers, not letters"):
        cs.solve("1 2", cs.BatchNorm(["a"], ["b"]))


def test_a_derivation_with_letters_shows_them():
    stage = cs.solve("a b; c d", cs.Conv("w x; y z")).stages[0]
    (formula,) = [block for block in stage.cell(0, 0).blocks() if isinstance(block, Formula)]
    with pytest.raises((AttributeError, InputError)):
        check_chain(formula.expression)  # letters have no value to check
    text = stage.cell(0, 0).to_text()
    for letter in "abcdwxyz":
        assert letter in text


def test_sums_of_letters_are_written_in_the_order_of_the_alphabet():
    from convscope.core.expression import Product, Sum, Symbol

    value = cs.solve("b a", cs.Conv("w v")).value[0, 0]
    assert value.expression == Sum((Product((Symbol("a"), Symbol("v"))), Product((Symbol("b"), Symbol("w")))))
    square = cs.solve("a 3", cs.Conv("a 2")).value[0, 0]
    assert str(square.expression).startswith("Sum(terms=(Power(base=Symbol(name='a'")


def test_values_of_two_solutions_do_not_mix_up():
    """Sums of the same form over different numbers are different numbers."""
    first = cs.solve("1 2", cs.Sigmoid(), cs.Conv("1 1")).value
    second = cs.solve("3 4", cs.Sigmoid(), cs.Conv("1 1")).value
    assert first != second
    total = cs.solve((first, second), cs.Add()).value[0, 0]
    assert abs(float(total) - sum(1 / (1 + np.exp(-x)) for x in (1, 2, 3, 4))) < 1e-14
    assert cs.solve((first, second), cs.Concat(-1)).value.tolist() == [[first[0, 0], second[0, 0]]]
