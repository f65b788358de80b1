"""Linear layers: what is proved is so, the rest is refuted, and the two kinds of no are told apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.rewrite import torch_layers
from tests.rewrite.layers import arrays, convs, each, layers_with_shapes, pairs, spatial_layers

import convscope as cs
from convscope.core.layer import replaced
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.rewrite import linear_pair
from convscope.rewrite.affine import affine_map
from convscope.rewrite.as_conv import as_conv

CALM = settings(max_examples=60, deadline=None, derandomize=True, database=None)
RING = "0 0 0 0 0; 0 1 2 3 0; 0 4 5 6 0; 0 7 8 9 0; 0 0 0 0 0"
NINE = "1 2 3; 4 5 6; 7 8 9"


def chain(layers):
    return [layers] if isinstance(layers, cs.Layer) else list(layers)


def exact_weights(numbers):
    """An object array of ratios as an exact array."""
    return cs.matrix([[str(number) for number in numbers.reshape(-1)]]).reshape(numbers.shape)


def torch_differs(found, channels=1):
    """PyTorch, run on the counterexample, answers differently as well."""
    x = found.input if found.layout.startswith("C") else found.input.reshape((channels, *found.input.shape))
    first, second = (torch_layers.run(layers, x) for layers in (found.first, found.second))
    return first.shape != second.shape or not np.allclose(first, second, rtol=0, atol=1e-12)


# --- stated pairs -----------------------------------------------------------------------------

EQUAL = [
    (cs.AvgPool(2), cs.Conv.uniform(2, stride=2)),
    (cs.AvgPool(3, 1, 1), cs.Conv.uniform(3, padding=1)),
    (cs.AvgPool(3, 2, 1, ceil_mode=True), cs.AvgPool((3, 3), (2, 2), [(1, 1), (1, 1)], ceil_mode=True)),
    (cs.Conv(NINE, flip=True), cs.Conv("9 8 7; 6 5 4; 3 2 1")),
    (cs.Conv(NINE, padding=1), cs.Conv(RING, padding=2)),
    (cs.Conv("1 2; 3 4"), cs.Conv("1 2 0; 3 4 0; 0 0 0", padding=[(0, 1), (0, 1)])),
    (cs.Conv("0 0 0; 0 1 0; 0 0 0", padding=1), cs.Identity()),
    ([cs.Pad(1), cs.Conv(NINE)], cs.Conv(NINE, padding=1)),
    ([cs.Pad(2, "reflect"), cs.Conv(NINE)], cs.Conv(NINE, padding=2, padding_mode="reflect")),
    ([cs.Pad(1, "circular"), cs.Conv(NINE)], cs.Conv(NINE, padding=1, padding_mode="circular")),
    (
        [cs.Pad(1, "constant", "1/3"), cs.Conv(NINE)],
        cs.Conv(NINE, padding=1, padding_mode="constant", padding_value="1/3"),
    ),
    ([cs.Pad(1), cs.Pad(2)], cs.Pad(3)),
    ([cs.AvgPool(2), cs.AvgPool(2)], cs.AvgPool(4)),
    ([cs.Conv("1 1"), cs.Conv("1 1")], cs.Conv("1 2 1")),
    ([cs.Conv("1; 2"), cs.Conv("3 4")], cs.Conv("3 4; 6 8")),
    (cs.Upsample(scale_factor=2), cs.ConvTranspose("1 1; 1 1", stride=2)),
    ([cs.Upsample(scale_factor=3), cs.AvgPool(3)], cs.Dropout()),
    (cs.ConvTranspose("1 2; 3 4"), cs.Conv("4 3; 2 1", padding=1)),
    (cs.GlobalAvgPool(), cs.AdaptiveAvgPool(1)),
    (cs.BatchNorm([1], [3], [2], [5], eps=1), cs.Conv("1", bias=4)),
    (cs.BatchNorm([0], [3], eps=0), [cs.BatchNorm([0], [12], eps=0), cs.Conv("2")]),
    (cs.AvgPool(2, divisor_override=1), cs.Conv("1 1; 1 1", stride=2)),
]


@pytest.mark.parametrize(("first", "second"), EQUAL, ids=range(len(EQUAL)))
def test_proved_for_every_size(first, second):
    found = cs.equivalent(first, second)
    assert isinstance(found, cs.Proof)
    assert found.every_size
    assert found
    assert cs.equivalent(second, first)
    if not isinstance(first, cs.GlobalAvgPool):
        x = np.arange(49.0).reshape(1, 7, 7) ** 2 % 11
        one, other = (torch_layers.run(chain(layers), x) for layers in (first, second))
        assert np.allclose(one, other)


UNEQUAL = [
    ("shape", cs.AvgPool(2), cs.Conv.uniform(2)),
    ("shape", cs.AvgPool(2), cs.AvgPool(2, ceil_mode=True)),
    ("shape", cs.Conv("1"), cs.Conv(np.ones((2, 1, 1, 1)))),
    ("shape", cs.Upsample(scale_factor=2), cs.Upsample(scale_factor="3/2")),
    ("border", cs.AvgPool(3, 1, 1, count_include_pad=False), cs.Conv.uniform(3, padding=1)),
    ("shape", cs.AvgPool(3, 2, ceil_mode=True), cs.AvgPool(3, 2)),
    ("border", cs.Conv(NINE, padding=1), cs.Conv(NINE, padding=1, padding_mode="reflect")),
    ("border", cs.Conv(NINE, padding=1, padding_mode="circular"),
     cs.Conv(NINE, padding=1, padding_mode="replicate")),
    ("border", [cs.Conv(NINE, padding=1), cs.Conv("1 1 1", padding=[(0, 0), (1, 1)])],
     [cs.Conv("1 1 1", padding=[(0, 0), (1, 1)]), cs.Conv(NINE, padding=1)]),
    ("border", [cs.Conv("1", bias=1), cs.Conv(NINE, padding=1)],
     [cs.Conv(NINE, padding=1), cs.Conv("1", bias=45)]),
    ("everywhere", cs.Conv(NINE), cs.Conv(NINE, flip=True)),
    ("everywhere", cs.Conv(NINE, padding=1), cs.Conv(NINE, padding=[(2, 0), (1, 1)])),
    ("everywhere", cs.Conv(NINE), cs.Conv(NINE, bias=1)),
    ("everywhere", cs.Conv("1 2 3"), cs.Conv("1 2 3.0000000001")),
    ("everywhere", cs.Conv("1 0 0"), cs.Conv("0 0 1")),
    ("everywhere", cs.AvgPool(2), cs.AvgPool(2, divisor_override=3)),
    ("everywhere", cs.Upsample(scale_factor=2), cs.ConvTranspose("1 1; 1 2", stride=2)),
    ("everywhere", cs.BatchNorm([0], [3]), cs.Conv(["577350269189626/1000000000000000"])),
    ("everywhere", cs.Pad(1), cs.Conv("1 0 0; 0 0 0; 0 0 0", padding=2)),
]  # fmt: skip


@pytest.mark.parametrize(("where", "first", "second"), UNEQUAL, ids=range(len(UNEQUAL)))
def test_refuted_and_told_how(where, first, second):
    found = cs.equivalent(first, second)
    assert isinstance(found, cs.Counterexample)
    assert not found
    assert found.where == where
    assert torch_differs(found)
    assert all(int(cell) == cell for cell in found.input.cells())
    one, other = found.outputs
    assert one == cs.solve(found.input, *chain(first), layout=found.layout).value
    if where == "shape":
        assert one.shape != other.shape
        assert found.cell is None
        assert found.derivations is None
    else:
        assert one[found.cell] != other[found.cell]
        assert [derivation.value for derivation in found.derivations] == [one[found.cell], other[found.cell]]


def test_the_smallest_input_is_one_cell():
    found = cs.equivalent(cs.Conv(NINE, padding=1), cs.Conv("1 2 3; 4 5 6; 7 8 10", padding=1))
    # The last tap meets a cell as soon as there are two along each axis.
    assert found.input == cs.matrix("0 0; 0 1")
    assert found.cell == (0, 0)
    assert found.outputs[0][0, 0] == 9
    assert found.outputs[1][0, 0] == 10


def test_a_bias_shows_on_zeros():
    found = cs.equivalent(cs.Conv("1 2", bias=1), cs.Conv("1 2", bias=2))
    assert found.input == cs.matrix("0 0")


def test_where_the_border_differs():
    found = cs.equivalent(cs.AvgPool(3, 1, 1, count_include_pad=False), cs.Conv.uniform(3, padding=1))
    assert found.border.sides == ((1, 1), (1, 1))
    mask = np.ones_like(found.border.mask)
    mask[1:-1, 1:-1] = False
    assert np.array_equal(found.border.mask, mask)
    wide = cs.Conv(NINE, padding=[(0, 0), (2, 0)])
    found = cs.equivalent(wide, replaced(wide, padding_mode="replicate"))
    assert found.border.sides == ((0, 0), (2, 0))


def test_the_shape_given_decides():
    first, second = cs.AvgPool(2), cs.AvgPool(2, ceil_mode=True)
    found = cs.equivalent(first, second, (4, 6))
    assert isinstance(found, cs.Proof)
    assert found.input_shape == (1, 4, 6)
    assert "At other sizes the two differ" in found.to_text(width=200)
    assert cs.equivalent(first, second, (4, 5)).where == "shape"
    # A stride that hides a tap at some sizes only.
    zeros = "0 0 0; 0 0 0; 0 0 0"
    hidden = (
        cs.Conv("0 1 0; 0 0 0; 0 0 0", stride=3, padding=1),
        cs.Conv(zeros, stride=3, padding=1),
    )
    assert cs.equivalent(*hidden, (1, 1))
    assert not cs.equivalent(*hidden, (4, 4))
    assert not cs.equivalent(*hidden)
    # A proof for every size is given even where one was asked for.
    assert cs.equivalent(first, cs.Conv.uniform(2, stride=2), (5, 5)).every_size
    assert cs.equivalent(cs.AdaptiveAvgPool(2), first, (4, 4)).input_shape == (1, 4, 4)


def test_open_ranks_are_all_decided():
    found = cs.equivalent(cs.AvgPool(2, divisor_override=4), cs.AvgPool(2))
    assert isinstance(found, cs.Counterexample)
    assert found.layout == "L"
    assert "For inputs of 2 spatial axes the two are equal" in found.to_text(width=200)
    assert cs.equivalent(cs.AvgPool(2, divisor_override=4), cs.AvgPool((2, 2)))


def test_linear_layers_after_flattening():
    weight = np.arange(24).reshape(2, 3, 2, 2) % 7
    flat, window = [cs.Flatten(), cs.Linear(weight.reshape(2, 12))], [cs.Conv(weight), cs.Flatten()]
    assert cs.equivalent(flat, window, (3, 2, 2))
    # Without a shape all that fit both are decided; here it is one.
    assert cs.equivalent(flat, window)
    changed = weight.copy()
    changed[1, 2, 0, 1] += 1
    found = cs.equivalent(flat, [cs.Conv(changed), cs.Flatten()])
    assert found.input.shape == (3, 2, 2)
    assert [int(cell) for cell in found.input.cells()].index(1) == 9
    assert cs.equivalent(cs.Linear([[1, 2], [3, 4]]), [cs.Linear([[1, 2], [3, 4]]), cs.Dropout()])
    assert cs.equivalent([cs.Flatten(), cs.Identity()], cs.Flatten()) is not None
    assert isinstance(cs.equivalent(cs.Flatten(), cs.Identity()), cs.Undecided)


def test_the_same_layers_at_the_end_need_no_shape():
    end = [cs.Flatten(), cs.Linear([[1, 2, 3, 4]], [5])]
    found = cs.equivalent([cs.AvgPool(2), *end], [cs.Conv.uniform(2, stride=2), *end])
    assert found.every_size
    assert "The layers after these are the same" in found.to_text(width=200)
    found = cs.equivalent(
        [cs.Conv(NINE, padding=1), cs.Flatten()],
        [cs.Conv(NINE, padding=1, padding_mode="replicate"), cs.Flatten()],
    )
    assert found.where == "border"
    # A last layer that hides what differs before it proves nothing for other sizes.
    hidden = [[cs.Conv(kernel), cs.Flatten(), cs.Linear([[0, 0, 0, 0]])] for kernel in ("1 2", "1 3")]
    assert cs.equivalent(*hidden, (2, 3)).input_shape == (1, 2, 3)
    assert isinstance(cs.equivalent(*hidden), cs.Undecided)
    wide = cs.Linear(np.ones((3, 50_000), dtype=int))
    assert cs.equivalent(wide, [wide, cs.Identity()]).every_size


def test_an_operator_that_would_not_fit_is_refused_with_its_size():
    layers = [cs.Conv(np.full((64, 64, 3, 3), n)) for n in (1, 2)]
    with pytest.raises(ShapeError, match=r"1,816,805,376 entries that are not zero \(43\.6 GB\)"):
        cs.equivalent(*([layer, cs.Flatten()] for layer in layers), (64, 224, 224))


def test_no_layer_at_all_is_the_identity():
    assert cs.equivalent([], cs.Identity())
    assert cs.equivalent([], cs.Conv("2")).where == "everywhere"


def test_letters_stay_letters():
    assert cs.equivalent(cs.Conv("a b; c d"), cs.Conv("d c; b a", flip=True))
    found = cs.equivalent(cs.Conv("a b"), cs.Conv("a c"))
    assert found.input == cs.matrix("0 1")


def test_deep_stacks_are_one_window():
    binomial = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1])
    stack = [cs.Conv("1 2 1; 2 4 2; 1 2 1")] * 4
    assert cs.equivalent(stack, cs.Conv(np.outer(binomial, binomial)))
    strided = [cs.Conv("1 2 3", stride=2), cs.Conv("1 1", dilation=2), cs.Conv("1 0 1", stride=3)]
    whole = np.zeros(25, dtype=int)
    for offset in (0, 4):
        for last in (0, 2):
            whole[offset + 2 * last : offset + 2 * last + 3] += [1, 2, 3]
    found = cs.equivalent(strided, cs.Conv([whole[:11].tolist()], stride=6))
    # The strides are of both axes, the windows of one.
    assert isinstance(found, cs.Proof)
    changed = whole[:11].copy()
    changed[5] += 1
    assert cs.equivalent(strided, cs.Conv([changed.tolist()], stride=6)).where == "everywhere"


def test_open_lengths_begin_where_both_take_them():
    row = cs.Conv.uniform((1, 26))
    assert cs.equivalent([row, cs.GlobalAvgPool()], [row, cs.AdaptiveAvgPool(1)])


def test_windows_that_depend_on_the_size_need_a_shape():
    found = cs.equivalent(cs.Upsample(size=4), cs.Upsample(size=(4, 4), mode="nearest"))
    assert isinstance(found, cs.Proof)
    found = cs.equivalent(cs.Upsample(size=(4, 4)), [cs.Upsample(size=(8, 8)), cs.AvgPool(2)])
    assert isinstance(found, cs.Undecided | cs.Counterexample)
    assert not found


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cs.equivalent(3, cs.ReLU()), InputError, "int is not a layer"),
        (lambda: cs.equivalent([cs.ReLU(), 4], cs.ReLU()), InputError, "layer 2 is int"),
        (lambda: cs.equivalent(cs.Conv(kernel_size=3, out_channels=2, in_channels=1), cs.Conv(NINE)),
         InputError, "Conv: it has no weights"),
        (lambda: cs.equivalent(cs.Conv("1"), cs.Conv(np.ones((1, 2, 1, 1)))), ShapeError,
         "the layers take inputs of 1 and of 2 channels"),
        (lambda: cs.equivalent(cs.Conv([[[1, 2]]]), cs.Conv("1 2")), ShapeError, "the layers are built for"),
        (lambda: cs.equivalent(cs.Conv(NINE), cs.Conv(NINE), (2, 2)), ShapeError, "Conv: the kernel spans 3"),
        (lambda: cs.equivalent(cs.Conv(NINE), cs.Conv(NINE), (0, 2)), ShapeError, "input_shape="),
        (lambda: cs.equivalent(cs.Conv(NINE), cs.Conv(NINE), "x"), ShapeError, "input_shape="),
    ],
)  # fmt: skip
def test_refusals(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)


# --- properties -------------------------------------------------------------------------------


@CALM
@given(layers_with_shapes())
def test_as_conv_is_proved_equal(case):
    layer, shape = case
    assume(not isinstance(layer, cs.Flatten))
    for given_shape in (shape, None):
        try:
            found = as_conv(layer, given_shape)
        except (ShapeError, UnsupportedError, InputError):
            continue
        answer = cs.equivalent(found, layer, given_shape)
        assert bool(answer) == found.is_exact, answer


def brute_force(first, second, channels, lengths):
    """The first shape at which the exact operators differ; None where they never do."""
    for spatial in lengths:
        try:
            one, other = (affine_map(layers, (channels, *spatial)) for layers in (first, second))
        except ConvscopeError:
            continue
        if one.output_shape != other.output_shape or not one.equals(other):
            return spatial
    return None


LINE = [(n,) for n in (*range(1, 22), 30, 41)]


@st.composite
def chains(draw, channels=1, rank=1):
    layers = []
    for _ in range(draw(st.integers(1, 2))):
        layer = draw(spatial_layers(channels, rank))
        assume(not isinstance(layer, cs.Flatten | cs.GlobalAvgPool | cs.AdaptiveAvgPool))
        assume(not (isinstance(layer, cs.Upsample) and (layer.size is not None or layer.align_corners)))
        layers.append(layer)
        channels = getattr(layer, "out_channels", channels)
    return layers


def split(layer):
    """A convolution as padding and a window, which is the same."""
    if isinstance(layer, cs.Conv) and layer.padding != "same":
        pad = cs.Pad(list(layer.padding), layer.padding_mode, layer.padding_value)
        return [pad, replaced(layer, padding=((0, 0),) * len(layer.padding), padding_mode="zeros",
                              padding_value=Fraction(0))]  # fmt: skip
    return [cs.Identity(), layer]


@settings(CALM, max_examples=50)
@given(st.data())
def test_the_answer_is_what_operators_of_many_sizes_say(data):
    first = data.draw(chains())
    second = (
        [part for layer in first for part in split(layer)]
        if data.draw(st.booleans())
        else data.draw(chains())
    )
    check_against_operators(first, second)


def check_against_operators(first, second):
    try:
        found = cs.equivalent(first, second)
    except ShapeError:
        assert brute_force(first, second, 1, LINE) is None
        return
    spatial = brute_force(first, second, 1, LINE)
    if isinstance(found, cs.Proof):
        assert spatial is None
    elif isinstance(found, cs.Counterexample):
        assert found.where == "shape" or found.input.shape[-1:] == spatial


def test_the_property_can_fail(monkeypatch):
    # Were fewer lengths looked at than decide, a tap that the first few do not reach would be missed.
    hidden = [cs.Conv([[[1, 0, 0, 0, 1]]], padding=2)], [cs.Conv([[[1, 0, 0, 0, 2]]], padding=2)]
    check_against_operators(*hidden)
    monkeypatch.setattr(linear_pair, "lengths_that_decide", lambda _: range(1, 3))
    with pytest.raises(AssertionError):
        check_against_operators(*hidden)


@settings(CALM, max_examples=40)
@given(st.data())
def test_anything_changed_is_refuted_and_pytorch_agrees(data):
    rank, channels = data.draw(st.sampled_from([1, 2, 2, 3])), data.draw(st.integers(1, 2))
    layer = data.draw(convs(channels, rank))
    assume(layer.padding != "same" and layer.padding_mode not in {"reflect", "circular"})
    weight = np.array(layer.weight.tolist(), dtype=object)
    what = data.draw(st.sampled_from(["tap", "bias", "stride", "dilation", "padding"]))
    options = {name: getattr(layer, name) for name in
               ("stride", "dilation", "groups", "padding_mode", "padding_value", "flip")}  # fmt: skip
    bias, padding = layer.bias, [list(pair) for pair in layer.padding]
    axis = data.draw(st.integers(0, rank - 1))
    moved = [int(a == axis) for a in range(rank)]
    if what == "tap":
        index = tuple(data.draw(st.integers(0, n - 1)) for n in weight.shape)
        weight[index] += data.draw(st.sampled_from([Fraction(1, 10**9), 1, -7]))
    elif what == "bias":
        numbers = [Fraction(0)] * layer.out_channels if not isinstance(bias, cs.ExactArray) else bias.tolist()
        numbers[-1] += Fraction(1, 3)
        bias = [str(number) for number in numbers]
    elif what == "stride":
        options["stride"] = tuple(s + m for s, m in zip(layer.stride, moved, strict=True))
    elif what == "dilation":
        assume(layer.kernel_size[axis] > 1)
        options["dilation"] = tuple(d + m for d, m in zip(layer.dilation, moved, strict=True))
    else:
        padding[axis][data.draw(st.integers(0, 1))] += 1
    changed = cs.Conv(exact_weights(weight), bias,
                      padding=padding, **options)  # fmt: skip
    found = cs.equivalent(layer, changed)
    exact = brute_force([layer], [changed], channels, [(n,) * rank for n in range(1, 9)])
    if isinstance(found, cs.Proof):
        # Nothing but zeros was moved.
        assert exact is None
        return
    assert isinstance(found, cs.Counterexample)
    assert torch_differs(found, channels) or what == "tap"


@settings(CALM, max_examples=30)
@given(st.data())
def test_kernels_padded_with_zeros_are_proved_equal(data):
    layer = data.draw(convs(1, 2))
    assume(layer.padding != "same" and layer.padding_mode in {"zeros", "replicate", "constant"})
    added = data.draw(pairs(2, 2))
    if layer.flip:
        wide = np.pad(np.asarray(layer.weight), ((0, 0), (0, 0), *(pair[::-1] for pair in added)))
    else:
        wide = np.pad(np.asarray(layer.weight), ((0, 0), (0, 0), *added))
    padding = [
        (before + d * a, after + d * b)
        for (before, after), d, (a, b) in zip(layer.padding, layer.dilation, added, strict=True)
    ]
    same = cs.Conv(
        exact_weights(wide), layer.bias, layer.stride, padding,
        layer.dilation, padding_mode=layer.padding_mode, padding_value=layer.padding_value, flip=layer.flip,
    )  # fmt: skip
    assert cs.equivalent(layer, same)


@settings(CALM, max_examples=20)
@given(st.data())
def test_groups_are_dense_with_zeros(data):
    groups, size = data.draw(st.integers(2, 3)), data.draw(each(2, 1, 2))
    weight = data.draw(arrays((groups * 2, 2, *size)))
    dense = np.zeros((groups * 2, groups * 2, *size), dtype=object)
    for group in range(groups):
        rows = slice(group * 2, group * 2 + 2)
        dense[rows, rows] = np.asarray(weight)[rows]
    wide = exact_weights(dense)
    assert cs.equivalent(cs.Conv(weight, groups=groups, stride=2), cs.Conv(wide, stride=2))
