"""The shape rules against PyTorch running on arrays of zeros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - everyone's name for it
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.network import MAX_LENGTH
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rules.shape import SHAPE_RULES, output_shape, output_size

RANKS = (1, 2, 3)
EXAMPLES = settings(max_examples=100, deadline=None)


def shape_of(layer: Layer, *shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return output_shape(layer, shapes).shape
    except ShapeError:
        return None


def torch_shape(run: Callable[[], torch.Tensor]) -> tuple[int, ...] | None:
    """The output shape without its batch axis; None where PyTorch refuses or nothing is left."""
    try:
        shape = tuple(run().shape)[1:]
    except (RuntimeError, ValueError):
        return None
    return shape if min(shape) > 0 else None


def zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(1, *shape)


def per_axis(rank: int, low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * rank)


@dataclass(frozen=True)
class Case:
    """Options of a window, one for each axis, and an input."""

    lengths: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.lengths)


@st.composite
def cases(draw: st.DrawFn, longest: int = 13) -> Case:
    rank = draw(st.sampled_from(RANKS))
    options = [(1, longest), (1, 4), (1, 4), (0, 3), (1, 3)]
    return Case(*(draw(per_axis(rank, low, high)) for low, high in options))


@given(cases(), st.sampled_from([(1, 2, 1), (2, 4, 2), (3, 3, 3), (4, 6, 2)]))
@EXAMPLES
def test_convolution(case: Case, channels: tuple[int, int, int]) -> None:
    into, out, groups = channels
    layer = Conv(
        kernel_size=case.kernel, out_channels=out, stride=case.stride, padding=case.padding,
        dilation=case.dilation, groups=groups,
    )  # fmt: skip
    weight = torch.zeros(out, into // groups, *case.kernel)
    function = getattr(F, f"conv{case.rank}d")
    expected = torch_shape(
        lambda: function(
            zeros(into, *case.lengths), weight, None, case.stride, case.padding, case.dilation, groups
        )
    )
    assert shape_of(layer, (into, *case.lengths)) == expected


@given(cases(), st.data())
@EXAMPLES
def test_convolution_with_unequal_padding(case: Case, data: st.DataObject) -> None:
    after = data.draw(per_axis(case.rank, 0, 3))
    pairs = tuple(zip(case.padding, after, strict=True))
    layer = Conv(
        kernel_size=case.kernel, out_channels=1, stride=case.stride, padding=pairs, dilation=case.dilation
    )
    # PyTorch's `pad` takes the last axis first.
    padded = F.pad(zeros(1, *case.lengths), [side for pair in reversed(pairs) for side in pair])
    function = getattr(F, f"conv{case.rank}d")
    expected = torch_shape(
        lambda: function(padded, torch.zeros(1, 1, *case.kernel), None, case.stride, 0, case.dilation)
    )
    assert shape_of(layer, (1, *case.lengths)) == expected


@given(cases())
@EXAMPLES
def test_convolution_that_keeps_the_size_pads_as_pytorch_does(case: Case) -> None:
    layer = Conv(kernel_size=case.kernel, out_channels=1, padding="same", dilation=case.dilation)
    module = getattr(torch.nn, f"Conv{case.rank}d")
    padding = module(
        1, 1, case.kernel, padding="same", dilation=case.dilation
    )._reversed_padding_repeated_twice
    result = output_shape(layer, [(1, *case.lengths)])
    assert result.shape == (1, *case.lengths)
    assert [side for axis in reversed(result.axes) for side in axis.padding] == padding


@given(cases(), st.data())
@EXAMPLES
def test_transposed_convolution(case: Case, data: st.DataObject) -> None:
    extra = tuple(
        data.draw(st.integers(0, max(stride, spread) - 1))
        for stride, spread in zip(case.stride, case.dilation, strict=True)
    )
    layer = ConvTranspose(
        kernel_size=case.kernel, out_channels=4, stride=case.stride, padding=case.padding,
        output_padding=extra, dilation=case.dilation, groups=2,
    )  # fmt: skip
    weight = torch.zeros(2, 2, *case.kernel)
    function = getattr(F, f"conv_transpose{case.rank}d")
    options = (case.stride, case.padding, extra, 2, case.dilation)
    expected = torch_shape(lambda: function(zeros(2, *case.lengths), weight, None, *options))
    assert shape_of(layer, (2, *case.lengths)) == expected


@given(cases(), st.booleans())
@EXAMPLES
def test_max_pooling(case: Case, ceil: bool) -> None:
    # PyTorch allows padding up to half the kernel's size, whatever its dilation.
    padding = tuple(min(p, k // 2) for p, k in zip(case.padding, case.kernel, strict=True))
    layer = MaxPool(case.kernel, case.stride, padding, case.dilation, ceil)
    function = getattr(F, f"max_pool{case.rank}d")
    expected = torch_shape(
        lambda: function(zeros(3, *case.lengths), case.kernel, case.stride, padding, case.dilation, ceil)
    )
    assert shape_of(layer, (3, *case.lengths)) == expected


def fits_average_of_three(case: Case) -> bool:
    """In three dimensions PyTorch forgets padding and ceil mode when it compares input and kernel."""
    return case.rank < 3 or all(n >= k for n, k in zip(case.lengths, case.kernel, strict=True))


@given(cases(), st.booleans())
@EXAMPLES
def test_average_pooling(case: Case, ceil: bool) -> None:
    padding = tuple(min(p, k // 2) for p, k in zip(case.padding, case.kernel, strict=True))
    assume(fits_average_of_three(case))
    layer = AvgPool(case.kernel, case.stride, padding, ceil)
    function = getattr(F, f"avg_pool{case.rank}d")
    expected = torch_shape(lambda: function(zeros(3, *case.lengths), case.kernel, case.stride, padding, ceil))
    assert shape_of(layer, (3, *case.lengths)) == expected


@given(cases(), st.booleans())
@EXAMPLES
def test_norm_pooling(case: Case, ceil: bool) -> None:
    assume(fits_average_of_three(case))  # PyTorch computes a norm by an average
    layer = LpPool(2, case.kernel, case.stride, ceil)
    # In one dimension PyTorch's function takes a number only.
    kernel, stride = (case.kernel[0], case.stride[0]) if case.rank == 1 else (case.kernel, case.stride)
    function = getattr(F, f"lp_pool{case.rank}d")
    expected = torch_shape(lambda: function(zeros(3, *case.lengths), 2.0, kernel, stride, ceil))
    assert shape_of(layer, (3, *case.lengths)) == expected


@given(cases(), st.data())
@EXAMPLES
def test_adaptive_and_global_pooling(case: Case, data: st.DataObject) -> None:
    shape = (3, *case.lengths)
    size = data.draw(per_axis(case.rank, 1, 7))
    average = getattr(F, f"adaptive_avg_pool{case.rank}d")
    largest = getattr(F, f"adaptive_max_pool{case.rank}d")
    assert shape_of(AdaptiveAvgPool(size), shape) == torch_shape(lambda: average(zeros(*shape), size))
    assert shape_of(AdaptiveMaxPool(size), shape) == torch_shape(lambda: largest(zeros(*shape), size))
    for layer in (GlobalAvgPool(), GlobalMaxPool()):
        assert shape_of(layer, shape) == torch_shape(lambda: average(zeros(*shape), 1))


# Halves and quarters are the same number in PyTorch's floats as here.
quarters = st.integers(1, 14).map(lambda n: Fraction(n, 4))


@given(cases(), st.data())
@EXAMPLES
def test_upsampling(case: Case, data: st.DataObject) -> None:
    shape = (2, *case.lengths)
    factors = data.draw(st.tuples(*[quarters] * case.rank))
    mode = data.draw(st.sampled_from(["nearest", ("linear", "bilinear", "trilinear")[case.rank - 1]]))
    expected = torch_shape(
        lambda: F.interpolate(zeros(*shape), scale_factor=tuple(map(float, factors)), mode=mode)
    )
    assert shape_of(Upsample(scale_factor=factors, mode=mode), shape) == expected
    size = data.draw(per_axis(case.rank, 1, 20))
    assert shape_of(Upsample(size, mode=mode), shape) == (2, *size)


@given(cases(), st.data(), st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
@EXAMPLES
def test_padding(case: Case, data: st.DataObject, mode: str) -> None:
    pairs = data.draw(st.tuples(*[st.tuples(st.integers(0, 6), st.integers(0, 6))] * case.rank))
    name = "constant" if mode == "zeros" else mode
    sides = [side for pair in reversed(pairs) for side in pair]
    expected = torch_shape(lambda: F.pad(zeros(2, *case.lengths), sides, mode=name))
    assert shape_of(Pad(pairs, padding_mode=mode), (2, *case.lengths)) == expected


@given(cases(), st.data())
@EXAMPLES
def test_flatten(case: Case, data: st.DataObject) -> None:
    axes = case.rank + 2
    start, end = data.draw(st.integers(1, axes - 1)), data.draw(st.integers(-axes, axes - 1))
    expected = torch_shape(lambda: torch.flatten(zeros(2, *case.lengths), start, end))
    assume(end not in (0, -axes))  # the batch axis itself, which a shape here has not
    assert shape_of(Flatten(start, end), (2, *case.lengths)) == expected


@given(cases(), st.integers(1, 9))
@EXAMPLES
def test_linear_works_along_the_last_axis(case: Case, features: int) -> None:
    shape = (2, *case.lengths)
    expected = torch_shape(lambda: F.linear(zeros(*shape), torch.zeros(features, shape[-1])))
    assert shape_of(Linear(out_features=features, in_features=shape[-1]), shape) == expected
    assert shape_of(Linear(out_features=features, in_features=shape[-1] + 1), shape) is None


@given(cases(), st.data())
@EXAMPLES
def test_concatenation_and_addition(case: Case, data: st.DataObject) -> None:
    shape = (2, *case.lengths)
    axis = data.draw(st.integers(0, case.rank))
    others = [
        (*shape[:axis], data.draw(st.integers(1, 5)), *shape[axis + 1 :])
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    shapes = [shape, *others]
    for dim in (axis + 1, axis + 1 - len(shape) - 1):
        expected = torch_shape(lambda d=dim: torch.cat([zeros(*s) for s in shapes], dim=d))  # type: ignore[misc]
        assert shape_of(Concat(dim), *shapes) == expected
    assert shape_of(Add(), shape, shape) == shape
    assert (shape_of(Add(), shape, others[0]) == shape) == (shape == others[0])


SAME_SHAPE = [kind for kind, rule in SHAPE_RULES.items() if issubclass(kind, pointwise.Pointwise)]


@pytest.mark.parametrize(
    "kind", [*SAME_SHAPE, pointwise.Softmax, pointwise.Softmin, pointwise.LogSoftmax, BatchNorm]
)
def test_layers_that_keep_the_shape(kind: type[Layer]) -> None:
    for shape in ((7,), (3, 5), (3, 5, 6), (3, 2, 5, 6)):
        assert shape_of(kind(), shape) == shape


def test_every_layer_has_a_rule() -> None:
    kinds = set(SHAPE_RULES)
    pending = [Layer]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        is_layer = kind.__module__.startswith("convscope.core") and "title" in vars(kind)
        assert not is_layer or kind in kinds, f"{kind.__name__} has no shape rule"


# --- what is refused --------------------------------------------------------------------------


class Unheard(Layer):
    title = "unheard of"


def test_a_layer_without_a_rule_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UnsupportedError, match=r"^no shape rule for Unheard; known: Conv, ConvTranspose"):
        output_shape(Unheard(), [(3, 8, 8)])


CONV = Conv(kernel_size=3, out_channels=8)
REFUSED: list[tuple[Layer, list[tuple[int, ...]], str]] = [
    (CONV, [(9216,)], "Conv: it needs feature maps (channels and 1 to 3 spatial axes), got a vector of 9216"),
    (CONV, [(3, 8, 2)], "Conv: the kernel spans 3 cells but the input has only 2 along its width"),
    (
        Conv(kernel_size=5, out_channels=1, padding=1, dilation=2),
        [(1, 6, 9)],
        "Conv: the kernel spans 9 cells but the input has only 8 with its padding along its height",
    ),
    (
        Conv(kernel_size=3, out_channels=8, groups=4),
        [(6, 8, 8)],
        "Conv: in_channels=6 is not divisible by groups=4; groups may be 1, 2",
    ),
    (
        Conv(kernel_size=3, out_channels=8, in_channels=4),
        [(6, 8, 8)],
        "Conv: the weights are for 4 input channels but the input has 6",
    ),
    (
        Conv(kernel_size=3, out_channels=8, in_channels=4, groups=2),
        [(6, 8, 8)],
        "Conv: the weights are for 4 input channels in 2 groups but the input has 6",
    ),
    (Conv(kernel_size=(3, 3), out_channels=8), [(3, 8)], "Conv: it was built for 2 spatial axes"),
    (
        Conv(kernel_size=9, out_channels=1, padding=4, padding_mode="reflect"),
        [(1, 20, 4)],
        "Conv: padding=4 with padding_mode='reflect' needs an input of at least 5 cells along its width",
    ),
    (
        Pad(3, "circular"),
        [(1, 2)],
        "Pad: padding=3 with padding_mode='circular' needs an input of at least 3",
    ),
    (
        ConvTranspose(kernel_size=3, out_channels=1, padding=4),
        [(1, 5, 5)],
        "ConvTranspose: padding=(4, 4) cuts off the whole output along its height (input 5, kernel spans 3",
    ),
    (MaxPool(3), [(1, 1, 2, 5)], "MaxPool: the kernel spans 3 cells but the input has only 1 along"),
    (Upsample(scale_factor="1/4"), [(1, 3, 3)], "Upsample: nothing is left of an input of 1×3×3 cells"),
    (Upsample(scale_factor=2, mode="bilinear"), [(1, 3)], "Upsample: it was built for 2 spatial"),
    (
        Linear(out_features=9, in_features=24),
        [(2, 3, 4)],
        "Linear: the weights are for 24 features but the input's last axis has 4 (flatten first?)",
    ),
    (BatchNorm(num_features=4), [(3, 8, 8)], "BatchNorm: it has statistics for 4 channels"),
    (pointwise.PReLU([1, 2]), [(3, 8)], "PReLU: it has 2 slopes but the input has 3 channels"),
    (pointwise.Softmax(3), [(3, 8)], "Softmax: dim=3 is not an axis of an input of 3 axes"),
    (Flatten(3), [(3, 8)], "Flatten: start_dim=3, end_dim=-1 are not axes"),
    (Add(), [(3, 8), (3, 9), (3, 8)], "Add: the inputs have shapes 3×8 and 3×9; they must all be the same"),
    (Add(), [(3, 8)], "Add: it joins several inputs, got 1"),
    (Concat(), [(3, 8), (3, 9)], "Concat: the inputs have shapes 3×8 and 3×9; they may differ"),
    (Concat(), [(3, 8), (3,)], "Concat: dim=1 (batch axis counted) is not an axis"),
    (Concat(0), [(3, 8), (3, 8)], "Concat: dim=0 (batch axis counted) is not an axis"),
    (pointwise.ReLU(), [(3, 8), (3, 8)], "ReLU: it takes one input, got 2"),
    (Pad(10**9), [(1, MAX_LENGTH)], f"Pad: an output axis of {MAX_LENGTH + 2 * 10**9} cells is too long"),
    (Flatten(), [(10**9, 10**9)], f"Flatten: an output axis of {10**18} cells is too long"),
]


@pytest.mark.parametrize(("layer", "shapes", "told"), REFUSED)
def test_shapes_that_do_not_fit_are_refused(layer: Layer, shapes: list[tuple[int, ...]], told: str) -> None:
    with pytest.raises(ShapeError) as caught:
        output_shape(layer, shapes)
    assert str(caught.value).startswith(told)


def test_a_wide_input_needs_no_memory() -> None:
    assert shape_of(Conv(kernel_size=3, out_channels=2, stride=2), (1, 10**9, 10**9)) == (
        2,
        499_999_999,
        499_999_999,
    )


# --- output_size ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "options", "value"),
    [
        (227, {"kernel": 11, "stride": 4}, 55),
        ((224, 224), {"kernel": 11, "stride": 4, "padding": 2}, (55, 55)),
        ((32, 48), {"kernel": 3, "stride": 2, "padding": "same"}, (16, 24)),
        (28, {"kernel": 3, "stride": 2, "ceil_mode": True}, 14),
        (7, {"kernel": 3, "stride": 2, "transposed": True, "output_padding": 1}, 16),
        ((16, 16, 16), {"kernel": (1, 2, 3), "dilation": 2, "padding": (0, 1, 2)}, (16, 16, 16)),
        ([5], {"kernel": 2}, (4,)),
        (10**9, {"kernel": 3, "stride": 2}, 499_999_999),
    ],
)
def test_output_size(size: Any, options: dict[str, Any], value: object) -> None:
    assert output_size(size, **options).value == value


@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        (0, {"kernel": 1}, "size=0 is not allowed; a length may be 1 to"),
        (MAX_LENGTH + 1, {"kernel": 1}, f"size={MAX_LENGTH + 1} is not allowed"),
        ("227", {"kernel": 1}, "size='227' is not a length"),
        (2.5, {"kernel": 1}, "size=2.5 is not a length"),
        (True, {"kernel": 1}, "size=True is not a length"),
        ((1, 2, 3, 4), {"kernel": 1}, "size=(1, 2, 3, 4) is not a length, or one length for each of"),
        (5, {"kernel": 0}, "Conv: kernel_size=0 is not allowed; kernel_size may be 1 or more"),
        (5, {"kernel": 3, "stride": 0}, "Conv: stride=0 is not allowed; stride may be 1 or more"),
        (5, {"kernel": 3, "padding": -1}, "Conv: padding=-1 is not allowed; padding may be 0 or more"),
        (5, {"kernel": 7}, "Conv: the kernel spans 7 cells but the input has only 5 along its length"),
        (5, {"kernel": 3, "output_padding": 1}, "output_padding=1 needs transposed=True"),
        (5, {"kernel": 3, "ceil_mode": True, "transposed": True}, "ceil_mode=True has no meaning"),
    ],
)  # fmt: skip
def test_output_size_refuses(size: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        output_size(size, **options)
    assert str(caught.value).startswith(told)
