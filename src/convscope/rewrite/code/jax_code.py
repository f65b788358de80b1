"""The same layers in JAX: ``(N, C, *space)``, cross-correlation, padding as (before, after) pairs."""

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
from convscope.rewrite.code.dialect import (
    SPACE,
    Dialect,
    Writer,
    adaptive,
    add_axes,
    channel_vector,
    drop_axes,
    flatten,
    global_pool,
    nothing,
    resize,
    step,
)
from convscope.rewrite.code.draft import Bias, Draft, number, statistics_of, weights_of

ARRAY = "jnp.array({}, dtype=x.dtype)"
PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(draft: Draft, pairs: Sequence[Pair], mode: str, value: Fraction) -> None:
    written = f"((0, 0), (0, 0), {', '.join(map(str, pairs))})"
    if mode in {"zeros", "constant"}:
        draft.step(f"jnp.pad({{}}, {written}, constant_values={number(value)})")
    else:
        draft.step(f"jnp.pad({{}}, {written}, mode={PAD_MODES[mode]!r})")


def _flipped(name: str, draft: Draft) -> str:
    return f"jnp.flip({name}, {tuple(range(-draft.rank, 0))})"


def _add_bias(draft: Draft, bias: Bias) -> None:
    if isinstance(bias, ExactArray):
        draft.step(f"{{}} + {channel_vector(draft, draft.array('bias', bias, ARRAY))}")


def _conv(layer: Conv, draft: Draft) -> None:
    pairs = draft.pads(layer)
    if layer.padding_mode != "zeros" and any(any(pair) for pair in pairs):
        _pad(draft, pairs, layer.padding_mode, layer.padding_value)
        pairs = ((0, 0),) * draft.rank
    kernel = draft.array("kernel", weights_of(layer), ARRAY)
    if layer.flip:
        draft.remark("conv_general_dilated does not flip: rotated by 180° first, it is true convolution")
        kernel = _flipped(kernel, draft)
    else:
        draft.remark("conv_general_dilated does not flip the kernel: cross-correlation")
    more = f", rhs_dilation={layer.dilation}" if set(layer.dilation) != {1} else ""
    more += f", feature_group_count={layer.groups}" if layer.groups != 1 else ""
    draft.step(f"jax.lax.conv_general_dilated({{}}, {kernel}, {layer.stride}, {pairs}{more})")
    _add_bias(draft, layer.bias)


def _forward_weights(layer: ConvTranspose) -> ExactArray:
    """Weights (in, out/groups, …) as a convolution of the spread input wants them: (out, in/groups, …)."""
    groups = layer.groups

    def turned(
        cells: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        split = cells.reshape(groups, cells.shape[0] // groups, *cells.shape[1:]).swapaxes(1, 2)
        return split.reshape(-1, *split.shape[2:])

    return weights_of(layer).rearranged(turned)


def _conv_transpose(layer: ConvTranspose, draft: Draft) -> None:
    kernel = draft.array("kernel", _forward_weights(layer), ARRAY)
    if not layer.flip:
        draft.remark("a transposed convolution slides the rotated kernel over the input spread by its stride")
        kernel = _flipped(kernel, draft)
    pairs = tuple(
        (d * (k - 1) - before, d * (k - 1) - after + more)
        for (before, after), d, k, more in zip(
            layer.padding, layer.dilation, layer.kernel_size, layer.output_padding, strict=True
        )
    )
    more = f", rhs_dilation={layer.dilation}" if set(layer.dilation) != {1} else ""
    more += f", feature_group_count={layer.groups}" if layer.groups != 1 else ""
    ones = (1,) * draft.rank
    draft.step(
        f"jax.lax.conv_general_dilated({{}}, {kernel}, {ones}, {pairs}, lhs_dilation={layer.stride}{more})"
    )
    _add_bias(draft, layer.bias)


def _windows(layer: MaxPool | AvgPool | LpPool, draft: Draft, *, padded: bool = True) -> str:
    """The arguments of reduce_window after the value, the start and the operation."""
    pairs = draft.pads(layer) if padded else ((0, 0),) * draft.rank
    reach = draft.overhang(layer)
    padding = ((0, 0), (0, 0), *((b, a + more) for (b, a), more in zip(pairs, reach, strict=True)))
    spread = f", window_dilation={(1, 1, *layer.dilation)}" if set(layer.dilation) != {1} else ""
    return f"{(1, 1, *layer.kernel_size)}, {(1, 1, *layer.stride)}, {padding}{spread}"


def _max_pool(layer: MaxPool, draft: Draft) -> None:
    draft.step(f"jax.lax.reduce_window({{}}, -jnp.inf, jax.lax.max, {_windows(layer, draft)})")


def _avg_pool(layer: AvgPool, draft: Draft) -> None:
    windows = _windows(layer, draft)
    cells = int(np.prod(layer.kernel_size))
    divisor = str(layer.divisor_override or cells)
    pairs = draft.pads(layer)
    if layer.divisor_override is None:
        if not layer.count_include_pad and (any(draft.overhang(layer)) or any(any(pair) for pair in pairs)):
            draft.remark("how many cells of the input each window holds")
            draft.line(f"cells = jax.lax.reduce_window(jnp.ones_like({{}}), 0.0, jax.lax.add, {windows})")
            divisor = "cells"
        elif any(draft.overhang(layer)):
            draft.remark("how many cells of the input and its padding each window holds")
            draft.line(f"ones = jnp.pad(jnp.ones_like({{}}), {((0, 0), (0, 0), *pairs)}, constant_values=1)")
            inner = _windows(layer, draft, padded=False)
            draft.line(f"cells = jax.lax.reduce_window(ones, 0.0, jax.lax.add, {inner})")
            divisor = "cells"
    draft.step(f"jax.lax.reduce_window({{}}, 0.0, jax.lax.add, {windows}) / {divisor}")


def _lp_pool(layer: LpPool, draft: Draft) -> None:
    power = layer.norm_type
    windows = _windows(layer, draft)
    draft.step(
        f"jax.lax.reduce_window(jnp.abs({{}}) ** {power}, 0.0, jax.lax.add, {windows}) ** (1 / {power})"
    )


def _pad_layer(layer: Pad, draft: Draft) -> None:
    _pad(draft, layer.padding, layer.padding_mode, layer.padding_value)


def _linear(layer: Linear, draft: Draft) -> None:
    weight = draft.array("weight", weights_of(layer), ARRAY)
    draft.step(f"{{}} @ {weight}.T")
    if isinstance(layer.bias, ExactArray):
        draft.step(f"{{}} + {draft.array('bias', layer.bias, ARRAY)}")


def _batch_norm(layer: BatchNorm, draft: Draft) -> None:
    mean, variance = (
        channel_vector(draft, draft.array(name, values, ARRAY))
        for name, values in zip(("mean", "variance"), statistics_of(layer), strict=True)
    )
    draft.step(f"({{}} - {mean}) / jnp.sqrt({variance} + {number(layer.eps)})")
    if layer.weight is not None:
        draft.step(f"{{}} * {channel_vector(draft, draft.array('scale', layer.weight, ARRAY))}")
    _add_bias(draft, layer.bias)


def _prelu(layer: p.PReLU, draft: Draft) -> None:
    slope = channel_vector(draft, draft.array("slope", layer.weight, ARRAY))
    draft.step(f"jnp.where({{}} > 0, {{}}, {slope} * {{}})")


LAYERS: Mapping[type[Layer], Writer] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    LpPool: _lp_pool,
    GlobalAvgPool: global_pool("jnp.mean({}, axis=<axes>, keepdims=True)"),
    GlobalMaxPool: global_pool("jnp.max({}, axis=<axes>, keepdims=True)"),
    AdaptiveAvgPool: adaptive("jnp", "mean"),
    AdaptiveMaxPool: adaptive("jnp", "max"),
    Upsample: resize("jnp"),
    Pad: _pad_layer,
    Flatten: flatten,
    Linear: _linear,
    BatchNorm: _batch_norm,
    p.PReLU: _prelu,
    p.Identity: nothing,
    p.Dropout: nothing,
    p.ReLU: step("jax.nn.relu({})"),
    p.ReLU6: step("jax.nn.relu6({})"),
    p.LeakyReLU: step("jax.nn.leaky_relu({}, <negative_slope>)"),
    p.ELU: step("jax.nn.elu({}, <alpha>)"),
    p.SELU: step("jax.nn.selu({})"),
    p.Sigmoid: step("jax.nn.sigmoid({})"),
    p.LogSigmoid: step("jax.nn.log_sigmoid({})"),
    p.Tanh: step("jnp.tanh({})"),
    p.Hardtanh: step("jnp.clip({}, <min_val>, <max_val>)"),
    p.GELU: lambda layer, draft: draft.step(f"jax.nn.gelu({{}}, approximate={layer.approximate == 'tanh'})"),
    p.SiLU: step("jax.nn.silu({})"),
    p.Softplus: step("jax.nn.softplus(<beta> * {}) / <beta>"),
    p.Softsign: step("jax.nn.soft_sign({})"),
    p.Softmax: step("jax.nn.softmax({}, axis=<dim>)"),
    p.Softmin: step("jax.nn.softmax(-{}, axis=<dim>)"),
    p.LogSoftmax: step("jax.nn.log_softmax({}, axis=<dim>)"),
}

DIALECT = Dialect(
    title="JAX",
    imports=("import jax", "import jax.numpy as jnp"),
    layers=LAYERS,
    axes=lambda draft: f"array (N, C, {SPACE[draft.rank]})",
    begin=add_axes,
    finish=drop_axes,
)
