"""The shape of a layer's output: one table from layer type to rule.

A shape here is that of one item without its batch axis: ``(C, *spatial)`` for feature maps,
``(features,)`` for vectors. Each rule returns a `ShapeResult`: the shape, and for each axis the
facts that lead to it, from which a derivation is written when one is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Derivation, Step
from convscope.core.document import text
from convscope.core.expression import Expression, Number, equation, sizes
from convscope.core.layer import MAX_RANK, Axes, Layer, PaddingLike
from convscope.core.network import MAX_LENGTH, Shape
from convscope.core.operators import Operator
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.size import Size, differ, simplest
from convscope.core.structural import (
    Add,
    BatchNorm,
    Concat,
    Flatten,
    Linear,
    Pad,
    Upsample,
    flattened_axes,
)
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.rules.formula import Fact, floor_of
from convscope.rules.operator_shape import OPERATOR_SHAPES
from convscope.rules.shape_result import UNCHANGED, ShapeResult, drop_remark, joined_names
from convscope.rules.window import Axis, legend, padded_axes, transposed_axes, window_axes

__all__ = [
    "SHAPE_RULES",
    "UNCHANGED",
    "ShapeResult",
    "drop_remark",
    "joined_names",
    "output_shape",
    "output_size",
]

# --- the rules --------------------------------------------------------------------------------


def _spatial(layer: Layer, shape: Shape) -> Shape:
    if len(shape) < 2:
        raise ShapeError(
            f"{type(layer).__name__}: it needs feature maps (channels and 1 to 3 spatial axes), "
            f"got a vector of {shape[0]}"
        )
    return shape[1:]


def check_channels(layer: Conv | ConvTranspose, channels: int) -> None:
    """Refuse an input whose channels the layer's weights or groups do not fit.

    Raises:
        ShapeError: with the channels that would fit.
    """
    name = type(layer).__name__
    if layer.in_channels is not None and layer.in_channels != channels:
        grouped = f" in {layer.groups} groups" if layer.groups > 1 else ""
        noun = "channel" if layer.in_channels == 1 else "channels"
        remedy = (
            f"; a kernel works one channel: give weights of shape (out, {channels}, …)"
            if layer.kernel is not None
            else ""
        )
        raise ShapeError(
            f"{name}: the weights are for {layer.in_channels} input {noun}{grouped} "
            f"but the input has {channels}{remedy}"
        )
    if channels % layer.groups:
        allowed = ", ".join(str(g) for g in range(1, min(channels, layer.out_channels, 4096) + 1)
                            if channels % g == 0 and layer.out_channels % g == 0)  # fmt: skip
        raise ShapeError(
            f"{name}: in_channels={channels} is not divisible by groups={layer.groups}; "
            f"groups may be {allowed}"
        )


def _conv(layer: Conv, shapes: Sequence[Shape]) -> ShapeResult:
    spatial = _spatial(layer, shapes[0])
    check_channels(layer, shapes[0][0])
    axes = window_axes(layer, spatial)
    why = ("Channels: one for each of the ", Number(Fraction(layer.out_channels)), " kernels.")
    return ShapeResult((layer.out_channels, *(axis.size for axis in axes)), why, axes)


def _conv_transpose(layer: ConvTranspose, shapes: Sequence[Shape]) -> ShapeResult:
    spatial = _spatial(layer, shapes[0])
    check_channels(layer, shapes[0][0])
    axes = transposed_axes(layer, spatial)
    why = text("Channels: one for each of the ", layer.out_channels, " kernels.")
    return ShapeResult((layer.out_channels, *(axis.size for axis in axes)), why, axes)


def _pool(layer: MaxPool | AvgPool | LpPool, shapes: Sequence[Shape]) -> ShapeResult:
    axes = window_axes(layer, _spatial(layer, shapes[0]))
    why = text("Channels: pooling keeps all ", shapes[0][0], ".")
    return ShapeResult((shapes[0][0], *(axis.size for axis in axes)), why, axes)


def _adaptive(layer: AdaptiveAvgPool | AdaptiveMaxPool, shapes: Sequence[Shape]) -> ShapeResult:
    size = layer.for_rank(len(_spatial(layer, shapes[0]))).output_size
    why = text("The windows are chosen to give ", sizes(size), " cells whatever the input.")
    return ShapeResult((shapes[0][0], *size), why)


def _global(layer: GlobalAvgPool | GlobalMaxPool, shapes: Sequence[Shape]) -> ShapeResult:
    ones = (1,) * len(_spatial(layer, shapes[0]))
    return ShapeResult((shapes[0][0], *ones), text("One window covers the whole of each channel."))


def _unchanged(layer: Layer, shapes: Sequence[Shape]) -> ShapeResult:  # noqa: ARG001 - a rule's signature
    return ShapeResult(shapes[0], UNCHANGED)


def _along_axis(
    layer: pointwise.Softmax | pointwise.Softmin | pointwise.LogSoftmax, shapes: Sequence[Shape]
) -> ShapeResult:
    axes = len(shapes[0]) + 1  # PyTorch counts the batch axis, which a shape here leaves out
    if not -axes <= layer.dim < axes:
        raise ShapeError(
            f"{type(layer).__name__}: dim={layer.dim} is not an axis of an input of {axes} axes "
            "(batch axis counted)"
        )
    return _unchanged(layer, shapes)


def _batch_norm(layer: BatchNorm, shapes: Sequence[Shape]) -> ShapeResult:
    if layer.num_features is not None and layer.num_features != shapes[0][0]:
        raise ShapeError(
            f"BatchNorm: it has statistics for {layer.num_features} channels but the input has {shapes[0][0]}"
        )
    return _unchanged(layer, shapes)


def _prelu(layer: pointwise.PReLU, shapes: Sequence[Shape]) -> ShapeResult:
    if layer.weight.size not in (1, shapes[0][0]):
        raise ShapeError(
            f"PReLU: it has {layer.weight.size} slopes but the input has {shapes[0][0]} channels"
        )
    return _unchanged(layer, shapes)


def _flatten(layer: Flatten, shapes: Sequence[Shape]) -> ShapeResult:
    first, last, shape = flattened_axes(layer, shapes[0], has_batch=False)
    lengths = shapes[0][first : last + 1]
    if len(lengths) == 1:
        return ShapeResult(shape, UNCHANGED)
    total = equation(sizes(lengths), math.prod(lengths))
    return ShapeResult(shape, text("Row by row into one axis:"), total=total)


def _linear(layer: Linear, shapes: Sequence[Shape]) -> ShapeResult:
    if layer.in_features is not None and differ(layer.in_features, shapes[0][-1]):
        hint = " (flatten first?)" if len(shapes[0]) > 1 and math.prod(shapes[0]) == layer.in_features else ""
        raise ShapeError(
            f"Linear: the weights are for {layer.in_features} features but the input's last axis has "
            f"{shapes[0][-1]}{hint}"
        )
    why = text("One output for each of the ", layer.out_features, " rows of weights.")
    return ShapeResult((*shapes[0][:-1], layer.out_features), why)


def _told(shapes: Sequence[Shape]) -> str:
    written = ("×".join(f"({n})" if isinstance(n, Size) else str(n) for n in shape) for shape in shapes)
    return " and ".join(dict.fromkeys(written))


def _add(layer: Add, shapes: Sequence[Shape]) -> ShapeResult:  # noqa: ARG001 - a rule's signature
    if len(set(shapes)) == 1:
        return ShapeResult(shapes[0], UNCHANGED)
    found = _agreed(shapes)
    if found is None:
        raise ShapeError(f"Add: the inputs have shapes {_told(shapes)}; they must all be the same")
    return ShapeResult(found, UNCHANGED)


def _agreed(shapes: Sequence[Shape]) -> Shape | None:
    """The shape that all have, axis by axis; None where they differ."""
    if len({len(shape) for shape in shapes}) > 1:
        return None
    columns = list(zip(*shapes, strict=True))
    if any(differ(column[0], n) for column in columns for n in column[1:]):
        return None
    return tuple(simplest(column) for column in columns)  # type: ignore[misc]  # ints where ints were given


def _concat(layer: Concat, shapes: Sequence[Shape]) -> ShapeResult:
    axis = layer.dim - 1 if layer.dim > 0 else layer.dim + len(shapes[0])
    ranks = {len(shape) for shape in shapes}
    if len(ranks) > 1 or not 0 <= axis < len(shapes[0]):
        raise ShapeError(
            f"Concat: dim={layer.dim} (batch axis counted) is not an axis that inputs of shapes "
            f"{_told(shapes)} have in common"
        )
    others = [(*shape[:axis], *shape[axis + 1 :]) for shape in shapes]
    kept = others[0] if len(set(others)) == 1 else _agreed(others)
    if kept is None:
        raise ShapeError(
            f"Concat: the inputs have shapes {_told(shapes)}; they may differ in the joined axis only"
        )
    lengths = [shape[axis] for shape in shapes]
    total: Expression = sum((sizes((n,)) for n in lengths[1:]), sizes((lengths[0],)))
    shape = (*kept[:axis], sum(lengths), *kept[axis:])
    return ShapeResult(shape, text("Joined along one axis:"), total=equation(total, sum(lengths)))


def _scaled(n: Any, f: Any) -> Any:  # noqa: ANN401 - run on numbers and on symbols
    return floor_of(n * f)


def _upsample(layer: Upsample, shapes: Sequence[Shape]) -> ShapeResult:
    spatial = _spatial(layer, shapes[0])
    layer = layer.for_rank(len(spatial))
    if layer.size is not None:
        return ShapeResult(
            (shapes[0][0], *layer.size), text("The output size is given: ", sizes(layer.size), ".")
        )
    axes = tuple(
        Axis((Fact("n_out", _scaled, {"n": n, "f": factor}),))
        for n, factor in zip(spatial, layer.scale_factor or (), strict=True)
    )
    return ShapeResult((shapes[0][0], *(axis.size for axis in axes)), (), axes)


def _pad(layer: Pad, shapes: Sequence[Shape]) -> ShapeResult:
    axes = padded_axes(layer, _spatial(layer, shapes[0]))
    return ShapeResult((shapes[0][0], *(axis.size for axis in axes)), (), axes)


SHAPE_RULES: dict[type[Layer], Callable[[Any, Sequence[Shape]], ShapeResult]] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: _pool,
    AvgPool: _pool,
    LpPool: _pool,
    AdaptiveAvgPool: _adaptive,
    AdaptiveMaxPool: _adaptive,
    GlobalAvgPool: _global,
    GlobalMaxPool: _global,
    Flatten: _flatten,
    Linear: _linear,
    BatchNorm: _batch_norm,
    Add: _add,
    Concat: _concat,
    Upsample: _upsample,
    Pad: _pad,
    pointwise.PReLU: _prelu,
    **dict.fromkeys(
        (
            pointwise.Identity,
            pointwise.Dropout,
            pointwise.ReLU,
            pointwise.ReLU6,
            pointwise.LeakyReLU,
            pointwise.ELU,
            pointwise.SELU,
            pointwise.Sigmoid,
            pointwise.LogSigmoid,
            pointwise.Tanh,
            pointwise.Hardtanh,
            pointwise.GELU,
            pointwise.SiLU,
            pointwise.Softplus,
            pointwise.Softsign,
        ),
        _unchanged,
    ),
    **dict.fromkeys((pointwise.Softmax, pointwise.Softmin, pointwise.LogSoftmax), _along_axis),
    **OPERATOR_SHAPES,
}

MANY_INPUTS: tuple[type[Layer], ...] = (Add, Concat)


def output_shape(layer: Layer, shapes: Sequence[Shape]) -> ShapeResult:
    """The shape of the layer's output for inputs of these shapes, without their batch axis.

    Raises:
        ShapeError: shapes that the layer cannot take, led by the layer's name.
        UnsupportedError: a layer no rule knows.
    """
    rule = SHAPE_RULES.get(type(layer))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in SHAPE_RULES)
        raise UnsupportedError(f"no shape rule for {type(layer).__name__}; known: {known}")
    if isinstance(layer, Operator):
        return rule(layer, shapes)
    if len(shapes) > 1 and not isinstance(layer, MANY_INPUTS):
        raise ShapeError(f"{type(layer).__name__}: it takes one input, got {len(shapes)}")
    if len(shapes) < 2 and isinstance(layer, MANY_INPUTS):
        raise ShapeError(f"{type(layer).__name__}: it joins several inputs, got {len(shapes)}")
    result = rule(layer, shapes)
    for n in result.shape:
        if isinstance(n, Size) and n.is_product:
            continue  # the lengths were looked at one by one
        if n < 1:
            raise ShapeError(f"{type(layer).__name__}: nothing is left of an input of {_told(shapes)} cells")
        if n > MAX_LENGTH:
            raise ShapeError(f"{type(layer).__name__}: an output axis of {n} cells is too long")
    return result


# --- one layer, sizes only --------------------------------------------------------------------


def output_size(
    size: Axes,
    *,
    kernel: Axes,
    stride: Axes = 1,
    padding: PaddingLike = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    transposed: bool = False,
    output_padding: Axes = 0,
) -> Derivation[Any]:
    """The output size of one convolution or pooling layer, with the formula worked out.

    Args:
        size: the input's length in cells, or one for each of 1 to 3 axes.
        kernel: the kernel's size in taps, one number or one for each axis.
        stride: step of the window in cells, one number or one for each axis.
        padding: cells added at the border, in any form that `Conv` takes.
        dilation: distance between neighbouring taps in cells, one number or one for each axis.
        ceil_mode: round up instead of down, as pools may.
        transposed: the size after a transposed convolution.
        output_padding: as in `ConvTranspose`.

    Returns:
        A derivation whose `.value` is the size: an int, or a tuple when `size` is one.

    Raises:
        InputError: options that are not allowed.
        ShapeError: a kernel larger than the padded input.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016),
    relations 6 and 14.

    >>> output_size(227, kernel=11, stride=4).value
    55
    >>> output_size((32, 48), kernel=3, padding="same", stride=2).value
    (16, 24)
    """
    lengths = _lengths(size)
    layer = _size_layer(kernel, stride, padding, dilation, ceil_mode, transposed, output_padding)
    result = output_shape(layer, [(1, *lengths)])
    value = result.shape[1:]
    steps = ShapeResult(result.shape, (), result.axes).steps()
    meaning = Step(legend(result.facts()))
    found = value if isinstance(size, Sequence) else value[0]
    return Derivation(text(f"Output size of a {layer.title}"), found, (meaning, *steps))


def size_facts(
    size: int,
    *,
    kernel: int,
    stride: int,
    padding: PaddingLike,
    dilation: int,
    ceil_mode: bool,
    transposed: bool,
    output_padding: int,
) -> tuple[Fact, ...]:
    """The facts of one axis, as of `output_size`, however long the output is.

    Raises:
        InputError: options that are not allowed.
        ShapeError: nothing is left of the input.
    """
    _lengths(size)
    layer = _size_layer(kernel, stride, padding, dilation, ceil_mode, transposed, output_padding)
    if isinstance(layer, ConvTranspose):
        return transposed_axes(layer, [size])[0].facts
    return window_axes(layer, [size])[0].facts  # type: ignore[arg-type]  # the other two that are built


def _lengths(size: Axes) -> Shape:
    entries: Sequence[object] = size if isinstance(size, list | tuple) else (size,)
    if not 1 <= len(entries) <= MAX_RANK or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) for n in entries
    ):
        raise InputError(f"size={size!r} is not a length, or one length for each of 1 to 3 axes")
    lengths = tuple(int(n) for n in entries)  # type: ignore[call-overload]
    if min(lengths) < 1 or max(lengths) > MAX_LENGTH:
        raise InputError(f"size={size} is not allowed; a length may be 1 to {MAX_LENGTH}")
    return lengths


def _size_layer(
    kernel: Axes,
    stride: Axes,
    padding: PaddingLike,
    dilation: Axes,
    ceil_mode: bool,  # noqa: FBT001
    transposed: bool,  # noqa: FBT001
    output_padding: Axes,
) -> Layer:
    if transposed:
        if ceil_mode:
            raise InputError("ceil_mode=True has no meaning for a transposed convolution")
        return ConvTranspose(
            kernel_size=kernel,
            out_channels=1,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
        )
    if output_padding != 0:
        raise InputError(f"output_padding={output_padding} needs transposed=True")
    if ceil_mode:
        return MaxPool(kernel, stride, padding, dilation, ceil_mode=True)
    return Conv(kernel_size=kernel, out_channels=1, stride=stride, padding=padding, dilation=dilation)
