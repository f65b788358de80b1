"""A layer and the convolution written for it have the same exact map, whatever the options."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.rewrite.layers import arrays, layers_with_shapes

import convscope as cs
from convscope.core.structural import Flatten
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rewrite.affine import affine_map, inner_shape, layer_map
from convscope.rewrite.affine_map import identity
from convscope.rewrite.as_conv import AS_CONV, as_conv
from convscope.rewrite.border import border_between


def map_of(layers, shape):
    total = identity(shape)
    for layer in layers:
        total = layer_map(layer, total.output_shape).after(total)
    return total


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(layers_with_shapes())
def test_what_it_gives_is_the_layer(case):
    layer, shape = case
    if isinstance(layer, Flatten):
        return
    shape = inner_shape((layer,), shape)
    try:
        original = layer_map(layer, shape)
        found = as_conv(layer, shape)
    except (ShapeError, UnsupportedError):
        return
    rewritten = map_of(found.layers, shape if len(shape) > 1 else (1, *shape))
    if found.is_exact:
        assert rewritten.equals(original), found.layers
    else:
        assert isinstance(layer, cs.AvgPool)
        outside = np.unique(original.differing(rewritten) % found.border.mask.size)
        assert sorted(outside) == sorted(np.flatnonzero(found.border.mask))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(layers_with_shapes(ranks=(1, 2)))
def test_the_prover_agrees(case):
    layer, shape = case
    assume(not isinstance(layer, Flatten))
    shape = inner_shape((layer,), shape)
    try:
        layer_map(layer, shape)
        found = as_conv(layer, shape)
    except (ShapeError, UnsupportedError):
        return
    assert bool(cs.equivalent(found, layer, shape)) == found.is_exact
    try:
        every = as_conv(layer.for_rank(max(len(shape) - 1, 1)), channels=shape[0])
    except (InputError, UnsupportedError):  # its kernel depends on the size
        return
    assert bool(cs.equivalent(every, layer)) == every.is_exact


def exact(layers, shape, **options):
    found = as_conv(layers, shape, **options)
    assert found.is_exact
    assert affine_map(found, shape).equals(affine_map(layers, shape))
    return found


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_a_linear_layer_after_flatten_is_a_full_window(data, out, height, width):
    weight = data.draw(arrays((out, 2 * height * width)))
    found = exact((Flatten(), cs.Linear(weight, data.draw(arrays((out,))))), (2, height, width))
    assert found.layer.weight.shape == (out, 2, height, width)


def test_a_linear_layer_of_a_vector():
    found = exact(cs.Linear([[1, 2, 3], [4, 5, 6]], bias=[7, 8]), (3,))
    x = cs.matrix([1, -1, 2])
    assert cs.solve(x, *found.layers).value == cs.solve(x, cs.Linear([[1, 2, 3], [4, 5, 6]], [7, 8])).value


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular", "constant"])
def test_padding_before_a_window_becomes_its_own(mode):
    value = 3 if mode == "constant" else 0
    found = exact((cs.Pad(1, mode, value), cs.Conv("1 2 1; 2 4 2; 1 2 1", stride=2)), (6, 7))
    assert len(found.layers) == 1
    pooled = exact((cs.Pad(1, mode, value), cs.AvgPool(2, 1)), (2, 6, 7))
    assert pooled.layer.padding_mode == mode


def test_padding_twice():
    assert len(exact((cs.Pad(1), cs.AvgPool(2, padding=1)), (5, 5)).layers) == 1
    assert len(exact((cs.Pad(1, "reflect"), cs.Conv("1 2; 3 4", padding=1)), (5, 5)).layers) == 2
    assert len(exact((cs.Pad(1), cs.Conv("1 2 3", padding="same", stride=1)), (5, 5)).layers) == 2


def test_a_blur_pool_is_depthwise():
    blur = cs.Conv("1 2 1; 2 4 2; 1 2 1", stride=2, padding=1, padding_mode="reflect", bias=[1])
    found = as_conv(blur, (3, 8, 8))
    assert found.layer.groups == 3
    x = np.random.default_rng(0).integers(-9, 9, (3, 8, 8))
    value = cs.solve(x, found.layer).value
    for channel in range(3):
        assert value[channel] == cs.solve(x[channel], blur).value


def test_upsampling_against_pytorch():
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 4)).astype(float)
    for factor in (2, 3, 4):
        for mode in ("nearest", "bilinear"):
            found = exact(cs.Upsample(scale_factor=factor, mode=mode), (2, 3, 4))
            expected = torch.nn.functional.interpolate(torch.tensor(x)[None], scale_factor=factor, mode=mode)
            assert np.allclose(cs.solve(x, *found.layers).array(), expected[0].numpy(), atol=1e-12)


def test_pools_that_leave_their_padding_out():
    found = as_conv(cs.AvgPool(3, 1, 1, count_include_pad=False))
    assert (found.border.before, found.border.after) == ((1, 1), (1, 1))
    assert found.border.is_frame
    assert "the first and last rows, the first and last columns" in found.to_text()
    assert found.layer == cs.Conv.uniform(3, padding=1)
    assert as_conv(cs.AvgPool(3, 1, 1)).is_exact
    assert as_conv(cs.AvgPool(3, 1, count_include_pad=False)).is_exact
    assert as_conv(cs.AvgPool(3, 1, 1, count_include_pad=False, divisor_override=5)).is_exact
    assert as_conv(cs.AvgPool(5, 2, 2, count_include_pad=False)).border.before == (1, 1)


def test_channels_can_be_told():
    assert as_conv(cs.AvgPool(2), channels=4).layer.groups == 4
    assert as_conv(cs.BatchNorm([1, 2], [3, 4])).layer.groups == 2
    assert as_conv(cs.AvgPool(2)).layer == cs.Conv.uniform(2, stride=2)
    with pytest.raises(InputError, match=r"^channels=2 but input_shape=\(3, 4, 4\) has 3"):
        as_conv(cs.AvgPool(2), (3, 4, 4), channels=2)
    with pytest.raises(InputError, match=r"^AvgPool: channels=0 is not allowed"):
        as_conv(cs.AvgPool(2), channels=0)


@pytest.mark.parametrize(
    ("layers", "shape", "error", "told"),
    [
        (cs.MaxPool(2), None, UnsupportedError, "MaxPool is not a convolution; these are: Conv, "),
        (cs.GlobalAvgPool(), None, InputError, "GlobalAvgPool: give input_shape, because its window"),
        (
            cs.AvgPool(2, ceil_mode=True),
            None,
            InputError,
            "AvgPool: give input_shape, because with ceil_mode",
        ),
        (cs.AdaptiveAvgPool(3), (4, 4), UnsupportedError, "AdaptiveAvgPool: 4×4 cells do not split into 3×3"),
        (cs.Upsample(scale_factor=1.5), None, UnsupportedError, "Upsample: by 3/2, 3/2 its cells are copied"),
        (
            cs.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            None,
            UnsupportedError,
            "Upsample: ",
        ),
        ((Flatten(), cs.Linear([[1, 2]])), None, InputError, "Linear: give input_shape"),
        ((Flatten(), cs.Linear([[1, 2]])), (3, 3), ShapeError, "Linear: the weights are for 2 features"),
        ((Flatten(2), cs.Linear([[1, 2, 3]])), (2, 1, 3), UnsupportedError, "Flatten(start_dim=2) leaves"),
        (cs.Linear([[1, 2]]), (3, 2), UnsupportedError, "Linear: on an input of 3×2 cells it acts along"),
        (cs.Linear(out_features=2), None, InputError, "Linear: it has no weights"),
        (cs.ConvTranspose("1", padding=1), None, UnsupportedError, "ConvTranspose: padding=(1, 1) cuts off"),
        ((), None, InputError, "as_conv needs a layer"),
        (cs.AvgPool(10**5), None, ShapeError, "weights of shape 100000×100000 have 10,000,000,000 cells"),
        (cs.Upsample(scale_factor=10**6), None, ShapeError, "weights of shape 1000000×1000000 have"),
    ],
)
def test_what_is_no_convolution_is_refused(layers, shape, error, told):
    with pytest.raises(error) as caught:
        as_conv(layers, shape)
    assert str(caught.value).startswith(told)


def test_a_border_inside_is_no_frame():
    one = affine_map(cs.Conv("1 1"), (3, 4))
    assert border_between(one, one) is None
    other = affine_map(cs.Conv("1 2"), (3, 4))
    border = border_between(one, other)
    assert border.cells == 9
    assert "They differ in every cell" in "".join(str(block) for block in border.blocks())


def test_it_is_shown():
    for layer, shape in [
        (cs.AvgPool(3, 2, 1, count_include_pad=False), None),
        (cs.BatchNorm([1, 2], [3, 4]), None),
        (cs.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 3)),
        (cs.ConvTranspose("1 2; 3 4", stride=2, bias=[Fraction(1, 3)]), None),
        (cs.AdaptiveAvgPool(2), (3, 4, 4)),
    ]:
        found = as_conv(layer, shape)
        for form in (found.to_text, found.to_markdown, found.to_latex, found.to_html):
            assert form()


def test_every_rule_is_drawn_by_the_property_test():
    assert {kind.__name__ for kind in AS_CONV} <= {
        "Conv", "ConvTranspose", "AvgPool", "AdaptiveAvgPool", "GlobalAvgPool", "Linear", "BatchNorm",
        "Upsample", "Pad", "Identity", "Dropout",
    }  # fmt: skip
