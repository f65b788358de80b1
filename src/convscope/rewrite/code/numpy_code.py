"""The same layers in plain NumPy: windows by a sliding view, sums by einsum; feature maps or planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from convscope.core import pointwise as p
from convscope.core.array import ExactArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, Pair
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.core.windowed import window_extent
from convscope.rewrite.code.dialect import (
    SPACE,
    Dialect,
    Writer,
    adaptive,
    global_pool,
    nothing,
    resize,
    step,
)
from convscope.rewrite.code.draft import Bias, Draft, number, statistics_of, weights_of

ARRAY = "np.array({})"
PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
SPACE_LETTERS = {1: "w", 2: "hw", 3: "dhw"}
TAP_LETTERS = {1: "i", 2: "ij", 3: "ijk"}


def pad(
    draft: Draft, pairs: Sequence[Pair], mode: str = "zeros", value: Fraction | str = Fraction(0)
) -> None:
    """A line that pads the spatial axes; none where there is nothing to add."""
    if not any(any(pair) for pair in pairs):
        return
    leading = "" if draft.is_plane else "(0, 0), "
    written = f"({leading}{', '.join(map(str, pairs))}{',' if not leading and len(pairs) == 1 else ''})"
    if draft.has_batch:
        written = f"((0, 0), {written[1:]}"
    if mode in {"zeros", "constant"}:
        filled = value if isinstance(value, str) else number(value)
        draft.step(f"np.pad({{}}, {written}{f', constant_values={filled}' if filled != '0' else ''})")
    else:
        draft.step(f"np.pad({{}}, {written}, mode={PAD_MODES[mode]!r})")


def windows_of(draft: Draft, layer: Conv | MaxPool | AvgPool | LpPool, source: str = "{}") -> None:
    """``windows``: the padded input's windows, their axes last."""
    axes = tuple(range(-draft.rank, 0))
    extents = tuple(window_extent(k, d) for k, d in zip(layer.kernel_size, layer.dilation, strict=True))
    draft.needs("from numpy.lib.stride_tricks import sliding_window_view")
    steps = [f"::{s}" if s != 1 else ":" for s in (*layer.stride, *layer.dilation)]
    taken = "" if set(steps) == {":"} else f"[..., {', '.join(steps)}]"
    draft.line(f"windows = sliding_window_view({source}, {extents}, axis={axes}){taken}")


def _kernel(draft: Draft, layer: Conv) -> tuple[str, str]:
    """The name of the weights as they are used, and their einsum letters."""
    weight = weights_of(layer)
    letters = TAP_LETTERS[draft.rank]
    if draft.is_plane:
        weight = weight[0, 0]
    elif layer.groups != 1:
        shape = weight.shape
        weight = weight.reshape((layer.groups, shape[0] // layer.groups, *shape[1:]))
    name = draft.array("kernel", weight, ARRAY)
    if layer.flip:
        draft.remark("true convolution: the kernel is rotated by 180° before it meets the windows")
        turned = ", ".join(["::-1"] * draft.rank)
        name = f"{name}[{turned}]" if draft.is_plane else f"{name}[..., {turned}]"
    else:
        draft.remark("cross-correlation: the kernel meets the windows as it is")
    lead = "" if draft.is_plane else "oc" if layer.groups == 1 else "goc"
    return name, lead + letters


def _conv(layer: Conv, draft: Draft) -> None:
    pad(draft, draft.pads(layer), layer.padding_mode, layer.padding_value)
    windows_of(draft, layer)
    space, letters = SPACE_LETTERS[draft.rank], TAP_LETTERS[draft.rank]
    if not draft.is_plane and layer.groups != 1:
        rest = 2 * draft.rank
        lead, tail = f"*windows.shape[:{-rest - 1}]", f"*windows.shape[{-rest}:]"
        draft.line(f"windows = windows.reshape({lead}, {layer.groups}, -1, {tail})")
    name, taps = _kernel(draft, layer)
    inside = "" if draft.is_plane else "c" if layer.groups == 1 else "gc"
    outside = "" if draft.is_plane else "o" if layer.groups == 1 else "go"
    draft.step(f'np.einsum("...{inside}{space}{letters},{taps}->...{outside}{space}", windows, {name})')
    if not draft.is_plane and layer.groups != 1:
        draft.step(f"y.reshape(*y.shape[:{-draft.rank - 2}], -1, *y.shape[{-draft.rank}:])")
    add_bias(draft, layer.bias)


def add_bias(draft: Draft, bias: Bias) -> None:
    """The bias of a convolution or a normalisation."""
    if not isinstance(bias, ExactArray):
        return
    draft.step(f"{{}} + {per_channel(draft, 'bias', bias)}")


def per_channel(draft: Draft, name: str, values: ExactArray) -> str:
    """One number a channel, shaped to meet the feature map; a plane has one channel, hence a number."""
    if draft.is_plane:
        value = values.cell((0,))
        if isinstance(value, Fraction):
            return number(value)
    made = draft.array(name, values, ARRAY)
    if draft.is_plane:
        return f"{made}[0]"
    return made if draft.is_flat else f"{made}[:, {', '.join(['None'] * draft.rank)}]"


def dense_transposed(layer: ConvTranspose) -> ExactArray:
    """Weights (in, out, …) with the zeros between groups written out."""
    weight = weights_of(layer)
    if layer.groups == 1:
        return weight
    groups, (inputs, each_out) = layer.groups, weight.shape[:2]

    def spread(
        cells: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        dense = np.zeros((inputs, each_out * groups, *cells.shape[2:]), dtype=cells.dtype)
        size = inputs // groups
        for group in range(groups):
            rows = slice(group * size, (group + 1) * size)
            dense[rows, group * each_out : (group + 1) * each_out] = cells[rows]
        return dense

    return weight.rearranged(spread)


def _conv_transpose(layer: ConvTranspose, draft: Draft) -> None:
    weight = dense_transposed(layer)
    if layer.flip:
        axes = tuple(range(2, 2 + draft.rank))
        weight = weight.rearranged(lambda cells: np.flip(cells, axes))
    kernel = draft.array("kernel", weight[0, 0] if draft.is_plane else weight, ARRAY)
    rank = draft.rank
    extents = [window_extent(k, d) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    ends = [
        e - after + more
        for e, (_, after), more in zip(extents, layer.padding, layer.output_padding, strict=True)
    ]
    reach = tuple(max(pair) for pair in zip(extents, ends, strict=True))
    draft.line(f"spread = [(n - 1) * s for n, s in zip({{}}.shape[{-rank}:], {layer.stride})]")
    lead = f"*{{}}.shape[:{-rank}]" if draft.is_plane else f"*{{}}.shape[:{-rank - 1}], {weight.shape[1]}"
    draft.line(f"canvas = np.zeros(({lead}, *(n + e for n, e in zip(spread, {reach}))))")
    draft.remark(f"each cell stamps the {'rotated ' if layer.flip else ''}kernel onto the canvas")
    draft.line(f"for tap in np.ndindex{layer.kernel_size}:")
    draft.line(
        "    here = tuple(slice(t * d, t * d + n + 1, s) "
        f"for t, d, n, s in zip(tap, {layer.dilation}, spread, {layer.stride}))"
    )
    space = SPACE_LETTERS[rank]
    stamp = (
        f"{{}} * {kernel}[tap]"
        if draft.is_plane
        else f'np.einsum("...c{space},co->...o{space}", {{}}, {kernel}[(..., *tap)])'
    )
    draft.line(f"    canvas[(..., *here)] += {stamp}")
    kept = [f"{b} : spread[{axis}] + {ends[axis]}" for axis, (b, _) in enumerate(layer.padding)]
    draft.step(f"canvas[..., {', '.join(kept)}]")
    add_bias(draft, layer.bias)


def _pool_pads(draft: Draft, layer: MaxPool | AvgPool | LpPool) -> list[Pair]:
    """Padding with what the last windows reach beyond it."""
    return [(b, a + more) for (b, a), more in zip(draft.pads(layer), draft.overhang(layer), strict=True)]


def _max_pool(layer: MaxPool, draft: Draft) -> None:
    pad(draft, _pool_pads(draft, layer), "constant", "-np.inf")
    windows_of(draft, layer)
    draft.step(f"windows.max(axis={tuple(range(-draft.rank, 0))})")


def _avg_pool(layer: AvgPool, draft: Draft) -> None:
    axes = tuple(range(-draft.rank, 0))
    pairs, reach = draft.pads(layer), draft.overhang(layer)
    beyond = [(0, more) for more in reach]
    uneven = any(reach) or (not layer.count_include_pad and any(any(pair) for pair in pairs))
    if layer.divisor_override is None and uneven:
        draft.remark("how many cells count in each window")
        border = f", constant_values={int(layer.count_include_pad)}"
        draft.line(f"cells = np.pad(np.ones({{}}.shape[{-draft.rank}:]), {tuple(pairs)}{border})")
        draft.line(f"cells = np.pad(cells, {tuple(beyond)})")
        windows_of(draft, layer, "cells")
        draft.line(f"cells = windows.sum(axis={axes})")
    pad(draft, _pool_pads(draft, layer))
    windows_of(draft, layer)
    if layer.divisor_override is not None:
        draft.step(f"windows.sum(axis={axes}) / {layer.divisor_override}")
    else:
        draft.step(f"windows.sum(axis={axes}) / cells" if uneven else f"windows.mean(axis={axes})")


def _lp_pool(layer: LpPool, draft: Draft) -> None:
    pad(draft, _pool_pads(draft, layer))
    windows_of(draft, layer)
    axes, power = tuple(range(-draft.rank, 0)), layer.norm_type
    draft.step(f"(np.abs(windows) ** {power}).sum(axis={axes}) ** (1 / {power})")


def _pad_layer(layer: Pad, draft: Draft) -> None:
    pad(draft, layer.padding, layer.padding_mode, layer.padding_value)


def _flatten(layer: Flatten, draft: Draft) -> None:
    if draft.is_plane:
        draft.step("{}.reshape(*{}.shape[:" + f"{-draft.rank}], -1)")
        return
    axes = draft.rank + 2
    first, last = ((d if d < 0 else d - axes) for d in (layer.start_dim, layer.end_dim))
    if -axes in {first, last} and not draft.has_batch:
        first = max(first, -axes + 1)
    after = "" if last == -1 else f", *{{}}.shape[{last + 1}:]"
    draft.step(f"{{}}.reshape(*{{}}.shape[:{first}], -1{after})")


def _linear(layer: Linear, draft: Draft) -> None:
    draft.step(f"{{}} @ {draft.array('weight', weights_of(layer), ARRAY)}.T")
    if isinstance(layer.bias, ExactArray):
        draft.step(f"{{}} + {draft.array('bias', layer.bias, ARRAY)}")


def _batch_norm(layer: BatchNorm, draft: Draft) -> None:
    mean, variance = statistics_of(layer)
    centre, spread = per_channel(draft, "mean", mean), per_channel(draft, "variance", variance)
    draft.step(f"({{}} - {centre}) / np.sqrt({spread} + {number(layer.eps)})")
    if layer.weight is not None:
        draft.step(f"{{}} * {per_channel(draft, 'scale', layer.weight)}")
    add_bias(draft, layer.bias)


def _prelu(layer: p.PReLU, draft: Draft) -> None:
    slope = number(layer.weight[0]) if layer.weight.size == 1 else per_channel(draft, "slope", layer.weight)
    draft.step(f"np.where({{}} > 0, {{}}, {slope} * {{}})")


def _gelu(layer: p.GELU, draft: Draft) -> None:
    if layer.approximate == "tanh":
        draft.step("{} / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * ({} + 0.044715 * {} ** 3)))")
        return
    draft.needs("import math")
    draft.step("{} / 2 * (1 + np.vectorize(math.erf, otypes=[float])({} / np.sqrt(2)))")


SOFTMAX = """
def softmax(x, axis):
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)
"""


def _softmax(template: str) -> Writer:
    def write(layer: p.Softmax | p.Softmin | p.LogSoftmax, draft: Draft) -> None:
        draft.helper(SOFTMAX)
        draft.step(template.replace("<dim>", str(draft.axis_of(layer.dim))))

    return write


LAYERS: Mapping[type[Layer], Writer] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    LpPool: _lp_pool,
    AdaptiveAvgPool: adaptive("np", "mean"),
    AdaptiveMaxPool: adaptive("np", "max"),
    GlobalAvgPool: global_pool("{}.mean(axis=<axes>, keepdims=True)"),
    GlobalMaxPool: global_pool("{}.max(axis=<axes>, keepdims=True)"),
    Upsample: resize("np"),
    Pad: _pad_layer,
    Flatten: _flatten,
    Linear: _linear,
    BatchNorm: _batch_norm,
    p.PReLU: _prelu,
    p.Identity: nothing,
    p.Dropout: nothing,
    p.ReLU: step("np.maximum({}, 0)"),
    p.ReLU6: step("np.clip({}, 0, 6)"),
    p.LeakyReLU: step("np.where({} > 0, {}, <negative_slope> * {})"),
    p.ELU: step("np.where({} > 0, {}, <alpha> * np.expm1(np.minimum({}, 0)))"),
    p.SELU: step(
        f"{float(p.SELU.scale)!r} * np.where({{}} > 0, {{}}, "
        f"{float(p.SELU.alpha)!r} * np.expm1(np.minimum({{}}, 0)))"
    ),
    p.Sigmoid: step("1 / (1 + np.exp(-{}))"),
    p.LogSigmoid: step("-np.logaddexp(0, -{})"),
    p.Tanh: step("np.tanh({})"),
    p.Hardtanh: step("np.clip({}, <min_val>, <max_val>)"),
    p.GELU: _gelu,
    p.SiLU: step("{} / (1 + np.exp(-{}))"),
    p.Softplus: step("np.logaddexp(0, <beta> * {}) / <beta>"),
    p.Softsign: step("{} / (1 + np.abs({}))"),
    p.Softmax: _softmax("softmax({}, <dim>)"),
    p.Softmin: _softmax("softmax(-{}, <dim>)"),
    p.LogSoftmax: _softmax("np.log(softmax({}, <dim>))"),
}


def axes_of(draft: Draft) -> str:
    """What ``x`` is when no input shape is given."""
    space = SPACE[draft.rank]
    return f"array ({space}{',' if draft.rank == 1 else ''})" if draft.is_plane else f"array (C, {space})"


def begin(draft: Draft) -> None:
    """A channel axis where the layers have several channels and the given input has no such axis."""
    if draft.layout is not None and not draft.layout.has_channels and not draft.is_plane:
        draft.step("{}[:, None]" if draft.layout.has_batch else "{}[None]")


def finish(draft: Draft) -> None:
    """The channel axis taken away again where the user does not see it."""
    if draft.layout is None or draft.shape is None or draft.is_plane:
        return
    if 1 in draft.layout.hidden_axes(draft.shape):
        draft.step("{}[:, 0]" if draft.has_batch else "{}[0]")


DIALECT = Dialect(
    title="NumPy", imports=("import numpy as np",), layers=LAYERS, axes=axes_of, begin=begin, finish=finish
)
