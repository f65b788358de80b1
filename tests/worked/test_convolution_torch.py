"""Convolution and transposed convolution against PyTorch and SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import signal
from torch.nn import functional

import convscope as cs

from .cases import few, integer_arrays, per_axis, ranks, same, tensor, torch_padding

CONVS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
TORCH_MODES = {
    "zeros": "constant",
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def flipped(weight):
    return np.flip(weight, tuple(range(2, weight.ndim)))


@st.composite
def convolutions(draw, mode=None):
    """An input, weights, bias and options that fit each other."""
    rank = draw(ranks)
    groups = draw(st.integers(1, 3))
    into, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = draw(per_axis(1, 3, rank))
    dilation = draw(per_axis(1, 2, rank))
    spatial = draw(per_axis(3, 6, rank))
    limit = 2 if mode == "reflect" else 3
    padding = tuple(draw(st.tuples(st.integers(0, limit), st.integers(0, limit))) for _ in range(rank))
    assume(
        all(
            n + sum(p) >= d * (k - 1) + 1
            for n, p, d, k in zip(spatial, padding, dilation, kernel, strict=True)
        )
    )
    x = draw(integer_arrays((draw(st.integers(1, 2)), into, *spatial)))
    weight = draw(integer_arrays((out, into // groups, *kernel)))
    bias = draw(st.none() | integer_arrays((out,)))
    options = {
        "stride": draw(per_axis(1, 3, rank)),
        "dilation": dilation,
        "groups": groups,
    }
    return x, weight, bias, padding, options


@pytest.mark.parametrize("mode", sorted(TORCH_MODES))
@few
@given(data=st.data())
def test_conv(mode, data):
    x, weight, bias, padding, options = data.draw(convolutions(mode))
    flip = data.draw(st.booleans())
    value = data.draw(st.integers(-3, 3)) if mode == "constant" else 0
    filled = functional.pad(
        tensor(x),
        torch_padding(padding),
        TORCH_MODES[mode],
        **({"value": value} if TORCH_MODES[mode] == "constant" else {}),
    )
    used = flipped(weight) if flip else weight
    expected = CONVS[x.ndim - 2](filled, tensor(used), None if bias is None else tensor(bias), **options)
    layer = cs.Conv(
        weight, bias, padding=padding, padding_mode=mode, padding_value=value, flip=flip, **options
    )
    same(cs.solve(x, layer).value, expected)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's, on speed
@few
@given(data=st.data())
def test_same_and_valid(data):
    x, weight, bias, _, options = data.draw(convolutions())
    options.pop("stride")
    for padding in ("same", "valid"):
        assume(
            padding == "same"
            or all(
                n >= d * (k - 1) + 1
                for n, d, k in zip(x.shape[2:], options["dilation"], weight.shape[2:], strict=True)
            )
        )
        expected = CONVS[x.ndim - 2](
            tensor(x), tensor(weight), None if bias is None else tensor(bias), padding=padding, **options
        )
        same(cs.solve(x, cs.Conv(weight, bias, padding=padding, **options)).value, expected)


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("length", [5, 6, 7])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_same_with_a_stride_gives_a_window_for_each_stride(length, size, stride):
    x = np.arange(1, length + 1)
    found = cs.solve(x, cs.Conv(np.ones((1, 1, size), dtype=int), padding="same", stride=stride)).value
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    filled = np.pad(x, (total // 2, total - total // 2))
    assert found.tolist() == [
        sum(filled[start : start + size]) for start in range(0, len(filled) - size + 1, stride)
    ]
    assert found.shape == (-(-length // stride),)


@few
@given(
    x=integer_arrays((5, 6)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(integer_arrays),
    mode=st.sampled_from(["full", "same", "valid"]),
)
def test_scipy_has_the_same_two_conventions(x, kernel, mode):
    rows, columns = kernel.shape
    whole = ((rows - 1, rows - 1), (columns - 1, columns - 1))
    # SciPy's "same" is centred on the full output, which for an even kernel lies half a cell elsewhere.
    centred = ((rows // 2, rows - 1 - rows // 2), (columns // 2, columns - 1 - columns // 2))
    padding = {"full": whole, "same": centred, "valid": 0}[mode]
    mirrored = tuple((after, before) for before, after in padding) if mode == "same" else padding
    for flip, oracle, used in ((True, signal.convolve2d, padding), (False, signal.correlate2d, mirrored)):
        found = cs.solve(x, cs.Conv(cs.kernel(kernel), padding=used, flip=flip)).value
        np.testing.assert_array_equal(np.asarray(found, dtype=float), oracle(x, kernel, mode))


@st.composite
def transposed(draw):
    rank = draw(ranks)
    groups = draw(st.integers(1, 2))
    into, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel, dilation = draw(per_axis(1, 3, rank)), draw(per_axis(1, 2, rank))
    stride = draw(per_axis(1, 3, rank))
    spatial = draw(per_axis(1, 4, rank))
    padding = draw(per_axis(0, 2, rank))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    assume(
        all(
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1 > 0
            for n, s, p, d, k, e in zip(spatial, stride, padding, dilation, kernel, extra, strict=True)
        )
    )
    x = draw(integer_arrays((draw(st.integers(1, 2)), into, *spatial)))
    weight = draw(integer_arrays((into, out // groups, *kernel)))
    bias = draw(st.none() | integer_arrays((out,)))
    return (
        x,
        weight,
        bias,
        {
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "groups": groups,
            "dilation": dilation,
        },
    )


@few
@given(case=transposed(), flip=st.booleans())
def test_transposed(case, flip):
    x, weight, bias, options = case
    used = flipped(weight) if flip else weight
    expected = TRANSPOSED[x.ndim - 2](
        tensor(x), tensor(used.copy()), None if bias is None else tensor(bias), **options
    )
    same(cs.solve(x, cs.ConvTranspose(weight, bias, flip=flip, **options)).value, expected)


@few
@given(case=transposed(), data=st.data())
def test_transposed_with_unequal_padding_cuts_each_side(case, data):
    x, weight, bias, options = case
    options["output_padding"] = 0
    options["padding"] = 0
    whole = TRANSPOSED[x.ndim - 2](
        tensor(x), tensor(weight), None if bias is None else tensor(bias), **options
    )
    cuts = []
    for length in whole.shape[2:]:
        before = data.draw(st.integers(0, min(2, length - 1)))
        cuts.append((before, data.draw(st.integers(0, min(2, length - 1 - before)))))
    options["padding"] = tuple(cuts)
    kept = tuple(slice(b, n - a) for (b, a), n in zip(cuts, whole.shape[2:], strict=True))
    same(cs.solve(x, cs.ConvTranspose(weight, bias, **options)).value, whole[(..., *kept)])


@few
@given(data=st.data())
def test_transposed_is_the_transpose_of_conv(data):
    """⟨conv(x), y⟩ = ⟨x, transposed(y)⟩: the law behind the name, exactly."""
    x, weight, _, padding, options = data.draw(convolutions())
    forward = cs.solve(x, cs.Conv(weight, padding=padding, **options)).value
    y = data.draw(integer_arrays(forward.shape))
    spatial = x.shape[2:]
    extra = tuple(
        n + sum(p) - (d * (k - 1) + 1) - (m - 1) * s
        for n, p, d, k, m, s in zip(
            spatial, padding, options["dilation"], weight.shape[2:], forward.shape[2:], options["stride"],
            strict=True,
        )
    )  # fmt: skip
    backward = cs.solve(y, cs.ConvTranspose(weight, padding=padding, output_padding=extra, **options)).value
    assert backward.shape == x.shape
    left = sum(a * int(b) for a, b in zip(forward.cells(), y.reshape(-1), strict=True))
    right = sum(a * int(b) for a, b in zip(backward.cells(), x.reshape(-1), strict=True))
    assert left == right


def test_torch_flip_is_numpy_flip():
    weight = np.arange(12).reshape(1, 1, 3, 4)
    same(cs.matrix(flipped(weight)), torch.flip(tensor(weight), (2, 3)))
