"""Pools against PyTorch."""

from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

import convscope as cs

from .cases import close, few, integer_arrays, per_axis, ranks, same, tensor

MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
POWER = {1: functional.lp_pool1d, 2: functional.lp_pool2d, 3: functional.lp_pool3d}
ADAPTIVE_MAX = {
    1: functional.adaptive_max_pool1d,
    2: functional.adaptive_max_pool2d,
    3: functional.adaptive_max_pool3d,
}
ADAPTIVE_AVERAGE = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}


@st.composite
def pools(draw, dilated=False):
    rank = draw(ranks)
    size = draw(per_axis(1, 4, rank))
    stride = draw(st.none() | per_axis(1, 4, rank))
    dilation = draw(per_axis(1, 2, rank)) if dilated else (1,) * rank
    # PyTorch pads a pool by half its window at most.
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    spatial = draw(per_axis(1, 7, rank))
    extents = tuple(d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True))
    assume(all(n + 2 * p >= e for n, p, e in zip(spatial, padding, extents, strict=True)))
    x = draw(integer_arrays((draw(st.integers(1, 2)), draw(st.integers(1, 3)), *spatial)))
    return x, size, stride, padding, dilation


def every_window_meets_a_cell(x, size, stride, padding, dilation):
    """A dilated window may step over a short input; PyTorch then gives −∞."""
    for n, k, s, p, d in zip(x.shape[2:], size, stride or size, padding, dilation, strict=True):
        for start in range(-p, n, s):
            if not any(0 <= start + d * t < n for t in range(k)):
                return False
    return True


@few
@given(case=pools(dilated=True), ceil_mode=st.booleans())
def test_max_pool(case, ceil_mode):
    x, size, stride, padding, dilation = case
    assume(every_window_meets_a_cell(*case))
    expected = MAX[len(size)](
        tensor(x), size, stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    same(cs.solve(x, cs.MaxPool(size, stride, padding, dilation, ceil_mode)).value, expected)


@few
@given(
    case=pools(),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    divisor=st.none() | st.integers(1, 7),
)
def test_average_pool(case, ceil_mode, count_include_pad, divisor):
    x, size, stride, padding, _ = case
    # PyTorch's three-dimensional one leaves the padding out when it asks whether the window fits.
    assume(len(size) < 3 or all(n >= k for n, k in zip(x.shape[2:], size, strict=True)))
    divided = {} if len(size) == 1 else {"divisor_override": divisor}
    expected = AVERAGE[len(size)](
        tensor(x), size, stride, padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad, **divided
    )
    layer = cs.AvgPool(size, stride, padding, ceil_mode, count_include_pad, divided.get("divisor_override"))
    close(cs.solve(x, layer).value, expected)


@few
@given(case=pools(), norm=st.integers(1, 4))
def test_power_average_pool(case, norm):
    x, size, stride, _, _ = case
    assume(all(n >= k for n, k in zip(x.shape[2:], size, strict=True)))
    # PyTorch's one-dimensional one takes bare integers only, and means nothing by negative odd powers.
    told = (size, stride) if len(size) > 1 else (size[0], stride and stride[0])
    expected = POWER[len(size)](abs(tensor(x)), norm, *told)
    close(cs.solve(x, cs.LpPool(norm, size, stride)).value, expected)


@few
@given(data=st.data())
def test_adaptive_pools(data):
    rank = data.draw(ranks)
    x = data.draw(integer_arrays((2, data.draw(st.integers(1, 2)), *data.draw(per_axis(1, 7, rank)))))
    size = data.draw(per_axis(1, 8, rank))
    same(cs.solve(x, cs.AdaptiveMaxPool(size)).value, ADAPTIVE_MAX[rank](tensor(x), size))
    close(cs.solve(x, cs.AdaptiveAvgPool(size)).value, ADAPTIVE_AVERAGE[rank](tensor(x), size))


@few
@given(data=st.data())
def test_global_pools(data):
    rank = data.draw(ranks)
    x = data.draw(integer_arrays((2, data.draw(st.integers(1, 3)), *data.draw(per_axis(1, 5, rank)))))
    axes = tuple(range(2, 2 + rank))
    layout = "NC" + {1: "L", 2: "HW", 3: "DHW"}[rank]
    same(cs.solve(x, cs.GlobalMaxPool(), layout=layout).value, tensor(x).amax(axes, keepdim=True))
    close(cs.solve(x, cs.GlobalAvgPool(), layout=layout).value, tensor(x).mean(axes, keepdim=True))
