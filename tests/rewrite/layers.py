"""Random small affine layers and inputs that fit them, for property tests."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from convscope.core.array import ExactArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.pointwise import Dropout, Identity
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.errors import ShapeError
from convscope.rules.shape import output_shape

INTEGERS = st.integers(-3, 3)
RATIOS = st.one_of(INTEGERS.map(Fraction), st.fractions(-2, 2, max_denominator=6))


@st.composite
def arrays(draw, shape, numbers=RATIOS) -> ExactArray:
    count = math.prod(shape)
    return from_cells(draw(st.lists(numbers, min_size=count, max_size=count)), tuple(shape))


def each(rank, low, high):
    """One number an axis."""
    return st.tuples(*(st.integers(low, high) for _ in range(rank)))


def pairs(rank, high):
    return st.tuples(*(st.tuples(st.integers(0, high), st.integers(0, high)) for _ in range(rank)))


@st.composite
def convs(draw, channels, rank) -> Conv:
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    out = groups * draw(st.integers(1, 2))
    size = draw(each(rank, 1, 3))
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular", "constant"]))
    padding = draw(st.one_of(pairs(rank, 2), st.just("same")))
    return Conv(
        draw(arrays((out, channels // groups, *size))),
        bias=draw(st.one_of(st.none(), arrays((out,)))),
        stride=draw(each(rank, 1, 3)),
        padding=padding,
        dilation=draw(each(rank, 1, 2)),
        groups=groups,
        padding_mode=mode,
        padding_value=draw(RATIOS) if mode == "constant" else 0,
        flip=draw(st.booleans()),
    )


@st.composite
def transposed(draw, channels, rank) -> ConvTranspose:
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    out = draw(st.integers(1, 2))
    stride = draw(each(rank, 1, 3))
    return ConvTranspose(
        draw(arrays((channels, out, *draw(each(rank, 1, 3))))),
        bias=draw(st.one_of(st.none(), arrays((out * groups,)))),
        stride=stride,
        padding=draw(pairs(rank, 1)),
        output_padding=tuple(draw(st.integers(0, s - 1)) for s in stride),
        dilation=draw(each(rank, 1, 2)),
        groups=groups,
        flip=draw(st.booleans()),
    )


@st.composite
def avg_pools(draw, rank) -> AvgPool:
    size, dilation = draw(each(rank, 1, 3)), draw(each(rank, 1, 2))
    padding = tuple(
        (draw(st.integers(0, d * (k - 1))), draw(st.integers(0, d * (k - 1))))
        for k, d in zip(size, dilation, strict=True)
    )
    return AvgPool(
        size,
        stride=draw(each(rank, 1, 3)),
        padding=padding,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor_override=draw(st.one_of(st.none(), st.integers(1, 5))),
        dilation=dilation,
    )


@st.composite
def batch_norms(draw, channels, *, rational=True) -> BatchNorm:
    """Rational ones have var + eps a square."""
    eps = Fraction(draw(st.integers(1, 3)))
    roots = draw(st.lists(st.integers(2, 4), min_size=channels, max_size=channels))
    squares = [Fraction(root**2) - eps for root in roots]
    if not rational:
        squares = [square + Fraction(1, 2) for square in squares]
    maybe = st.one_of(st.none(), arrays((channels,)))
    return BatchNorm(
        draw(arrays((channels,))), from_cells(squares, (channels,)), draw(maybe), draw(maybe), eps=eps
    )


@st.composite
def upsamples(draw, rank) -> Upsample:
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
    mode = draw(st.sampled_from(["nearest", linear]))
    where = (
        {"size": draw(each(rank, 1, 7))}
        if draw(st.booleans())
        else {"scale_factor": tuple(Fraction(draw(st.integers(2, 6)), 2) for _ in range(rank))}
    )
    corners = mode != "nearest" and draw(st.booleans())
    return Upsample(mode=mode, align_corners=corners, **where)


@st.composite
def pads(draw, rank) -> Pad:
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular", "constant"]))
    return Pad(draw(pairs(rank, 2)), mode, draw(RATIOS) if mode == "constant" else 0)


@st.composite
def spatial_layers(draw, channels, rank) -> Layer:
    return draw(
        st.one_of(
            convs(channels, rank),
            transposed(channels, rank),
            avg_pools(rank),
            each(rank, 1, 4).map(AdaptiveAvgPool),
            st.just(GlobalAvgPool()),
            batch_norms(channels),
            pads(rank),
            upsamples(rank),
            st.just(Identity()),
            st.just(Dropout(0.5)),
            st.just(Flatten()),
            st.just(Flatten(-1)),
        )
    )


@st.composite
def layers_with_shapes(draw, ranks=(1, 2, 2, 2, 3)) -> tuple[Layer, tuple[int, ...]]:
    """A layer and an input shape that it takes."""
    if draw(st.integers(0, 9)) == 0:
        lead, features = draw(st.sampled_from([(), (2,), (2, 3)])), draw(st.integers(1, 4))
        out = draw(st.integers(1, 3))
        bias = draw(st.one_of(st.none(), arrays((out,))))
        return Linear(draw(arrays((out, features))), bias), (*lead, features)
    rank = draw(st.sampled_from(ranks))
    channels = draw(st.integers(1, 3))
    shape = (channels, *draw(each(rank, 1, {1: 9, 2: 6, 3: 4}[rank])))
    layer = draw(spatial_layers(channels, rank))
    try:
        output_shape(layer, [shape])
    except ShapeError:
        assume(False)
    return layer, shape


def random_input(shape, seed=0) -> ExactArray:
    """Small integers, distinct enough to tell cells apart."""
    numbers = np.random.default_rng(seed).integers(-50, 50, size=shape)
    return from_cells([Fraction(int(n)) for n in numbers.reshape(-1)], tuple(shape))
