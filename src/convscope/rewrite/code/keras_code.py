"""The same layers in Keras: channels last ``(N, *space, C)``, kernels ``(*kernel, in, out)``, no flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from convscope.core import pointwise as p
from convscope.core.array import ExactArray
from convscope.core.convolution import Conv
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
from convscope.rewrite.code.dialect import SPACE, Dialect, Writer, each, nothing, step
from convscope.rewrite.code.draft import Bias, Draft, number, statistics_of, weights_of

ARRAY = "np.array({}, dtype=float)"


def _pad(
    draft: Draft, pairs: Sequence[Pair], mode: str = "zeros", value: Fraction | str = Fraction(0)
) -> None:
    if not any(any(pair) for pair in pairs):
        return
    written = f"((0, 0), {', '.join(map(str, pairs))}, (0, 0))"
    if mode in {"zeros", "constant"}:
        filled = value if isinstance(value, str) else number(value)
        more = f", constant_values={filled}" if filled != "0" else ""
        draft.step(f"keras.ops.pad({{}}, {written}{more})")
    elif mode == "reflect":
        draft.step(f"keras.ops.pad({{}}, {written}, mode='reflect')")
    else:
        draft.remark(f"keras.ops.pad has no {mode!r} mode: the cells are taken by their places")
        for axis, (before, after) in enumerate(pairs, start=1):
            length = f"{{}}.shape[{axis}]"
            places = f"np.arange({-before}, {length} + {after})"
            inside = f"np.clip({places}, 0, {length} - 1)" if mode == "replicate" else f"{places} % {length}"
            draft.step(f"keras.ops.take({{}}, {inside}, axis={axis})")


def _conv(layer: Conv, draft: Draft) -> None:
    padding = "valid"
    if layer.padding == "same" and layer.padding_mode == "zeros":
        padding = "same"
    else:
        _pad(draft, draft.pads(layer), layer.padding_mode, layer.padding_value)
    name = draft.array("kernel", weights_of(layer), ARRAY)
    rank = draft.rank
    turned = f"np.flip({name}, {tuple(range(-rank, 0))})" if layer.flip else name
    if layer.flip:
        draft.remark("keras does not flip: the kernel is rotated by 180° first for true convolution")
    else:
        draft.remark("keras does not flip the kernel: cross-correlation")
    draft.remark("kernels are kept as (*kernel, in, out)")
    order = (*range(2, 2 + rank), 1, 0)
    draft.line(f"{name} = keras.ops.convert_to_tensor({turned}.transpose{order}, dtype={{}}.dtype)")
    more = "" if set(layer.dilation) == {1} else f", dilation_rate={each(layer.dilation)}"
    more += "" if set(layer.stride) == {1} else f", strides={each(layer.stride)}"
    draft.step(f'keras.ops.conv({{}}, {name}{more}, padding="{padding}", data_format="channels_last")')
    _add_bias(draft, layer.bias)


def _add_bias(draft: Draft, bias: Bias) -> None:
    if isinstance(bias, ExactArray):
        draft.step(f"{{}} + {_channels(draft, 'bias', bias)}")


def _channels(draft: Draft, base: str, values: ExactArray) -> str:
    """Numbers of channels meet the last axis as they are."""
    return draft.array(base, values, "keras.ops.convert_to_tensor({}, dtype=x.dtype)")


def _pool_pads(draft: Draft, layer: MaxPool | AvgPool | LpPool) -> list[Pair]:
    if set(layer.dilation) != {1}:
        raise draft.refuse(layer, "keras pools have no dilation")
    return [(b, a + more) for (b, a), more in zip(draft.pads(layer), draft.overhang(layer), strict=True)]


def _window(layer: MaxPool | AvgPool | LpPool) -> str:
    return f'{layer.kernel_size}, strides={layer.stride}, padding="valid", data_format="channels_last"'


def _max_pool(layer: MaxPool, draft: Draft) -> None:
    _pad(draft, _pool_pads(draft, layer), "constant", "-np.inf")
    draft.step(f"keras.ops.max_pool({{}}, {_window(layer)})")


def _avg_pool(layer: AvgPool, draft: Draft) -> None:
    pairs = _pool_pads(draft, layer)
    reach = draft.overhang(layer)
    padded = any(any(pair) for pair in draft.pads(layer))
    scale = ""
    if layer.divisor_override is not None:
        scale = f" * {int(np.prod(layer.kernel_size))} / {layer.divisor_override}"
    elif any(reach) or (padded and not layer.count_include_pad):
        counted = "1" if layer.count_include_pad else "0"
        draft.remark("which cells count")
        inner = f"((0, 0), {', '.join(map(str, draft.pads(layer)))}, (0, 0))"
        outer = f"((0, 0), {', '.join(str((0, more)) for more in reach)}, (0, 0))"
        draft.line(f"cells = keras.ops.pad(keras.ops.ones_like({{}}), {inner}, constant_values={counted})")
        draft.line(f"cells = keras.ops.pad(cells, {outer})")
        scale = f" / keras.ops.average_pool(cells, {_window(layer)})"
    _pad(draft, pairs)
    draft.step(f"keras.ops.average_pool({{}}, {_window(layer)}){scale}")


def _lp_pool(layer: LpPool, draft: Draft) -> None:
    _pad(draft, _pool_pads(draft, layer))
    cells, power = int(np.prod(layer.kernel_size)), layer.norm_type
    mean = f"keras.ops.average_pool(keras.ops.abs({{}}) ** {power}, {_window(layer)})"
    draft.step(f"({mean} * {cells}) ** (1 / {power})")


def _global(reduction: str) -> Writer:
    def write(layer: Layer, draft: Draft) -> None:
        if isinstance(layer, AdaptiveAvgPool | AdaptiveMaxPool) and set(layer.output_size) != {1}:
            raise draft.refuse(layer, "only output_size=1 is written here")
        draft.step(f"keras.ops.{reduction}({{}}, axis={tuple(range(1, draft.rank + 1))}, keepdims=True)")

    return write


def _upsample(layer: Upsample, draft: Draft) -> None:
    factors = layer.scale_factor or ()
    if layer.mode != "nearest" or not factors or any(f.denominator != 1 for f in factors):
        raise draft.refuse(layer, "only nearest cells at a whole scale_factor are written here")
    for axis, factor in enumerate(factors, start=1):
        draft.step(f"keras.ops.repeat({{}}, {factor}, axis={axis})")


def _pad_layer(layer: Pad, draft: Draft) -> None:
    _pad(draft, layer.padding, layer.padding_mode, layer.padding_value)


def _flatten(layer: Flatten, draft: Draft) -> None:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise draft.refuse(layer, "only start_dim=1, end_dim=-1 is written here")
    if not draft.is_flat:
        draft.remark("rows of weights count channel after channel, so channels go first before the reshape")
        draft.step("keras.ops.moveaxis({}, -1, 1)")
    draft.step("keras.ops.reshape({}, ({}.shape[0], -1))")


def _linear(layer: Linear, draft: Draft) -> None:
    if not draft.is_flat:
        raise draft.refuse(
            layer, "it runs along the last axis of space, which Keras keeps elsewhere; flatten first"
        )
    draft.step(f"keras.ops.matmul({{}}, {_channels(draft, 'weight', weights_of(layer))}.T)")
    _add_bias(draft, layer.bias)


def _batch_norm(layer: BatchNorm, draft: Draft) -> None:
    mean, variance = (
        _channels(draft, name, values)
        for name, values in zip(("mean", "variance"), statistics_of(layer), strict=True)
    )
    draft.step(f"({{}} - {mean}) / keras.ops.sqrt({variance} + {number(layer.eps)})")
    if layer.weight is not None:
        draft.step(f"{{}} * {_channels(draft, 'scale', layer.weight)}")
    _add_bias(draft, layer.bias)


def _prelu(layer: p.PReLU, draft: Draft) -> None:
    slope = _channels(draft, "slope", layer.weight)
    draft.step(f"keras.ops.where({{}} > 0, {{}}, {slope} * {{}})")


def _along(template: str) -> Writer:
    def write(layer: p.Softmax | p.Softmin | p.LogSoftmax, draft: Draft) -> None:
        axis = layer.dim
        if not draft.is_flat:  # (N, C, *space) -> (N, *space, C)
            axis, channels = axis - draft.rank - 2 if axis >= 0 else axis, -draft.rank - 1
            axis = -1 if axis == channels else axis - 1 if axis > channels else axis
        draft.step(template.replace("<axis>", str(axis)))

    return write


LAYERS: Mapping[type[Layer], Writer] = {
    Conv: _conv,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    LpPool: _lp_pool,
    GlobalAvgPool: _global("mean"),
    GlobalMaxPool: _global("max"),
    AdaptiveAvgPool: _global("mean"),
    AdaptiveMaxPool: _global("max"),
    Upsample: _upsample,
    Pad: _pad_layer,
    Flatten: _flatten,
    Linear: _linear,
    BatchNorm: _batch_norm,
    p.PReLU: _prelu,
    p.Identity: nothing,
    p.Dropout: nothing,
    p.ReLU: step("keras.ops.relu({})"),
    p.ReLU6: step("keras.ops.relu6({})"),
    p.LeakyReLU: step("keras.ops.leaky_relu({}, <negative_slope>)"),
    p.ELU: step("keras.ops.elu({}, <alpha>)"),
    p.SELU: step("keras.ops.selu({})"),
    p.Sigmoid: step("keras.ops.sigmoid({})"),
    p.LogSigmoid: step("keras.ops.log_sigmoid({})"),
    p.Tanh: step("keras.ops.tanh({})"),
    p.Hardtanh: step("keras.ops.clip({}, <min_val>, <max_val>)"),
    p.GELU: lambda layer, draft: draft.step(
        f"keras.ops.gelu({{}}, approximate={layer.approximate == 'tanh'})"
    ),
    p.SiLU: step("keras.ops.silu({})"),
    p.Softplus: step("keras.ops.softplus(<beta> * {}) / <beta>"),
    p.Softsign: step("keras.ops.softsign({})"),
    p.Softmax: _along("keras.ops.softmax({}, axis=<axis>)"),
    p.Softmin: _along("keras.ops.softmax(-{}, axis=<axis>)"),
    p.LogSoftmax: _along("keras.ops.log_softmax({}, axis=<axis>)"),
}


def begin(draft: Draft) -> None:
    """The given axes as Keras wants them: a batch axis first, channels last."""
    layout = draft.layout
    if layout is None:
        return
    if layout.has_channels and not draft.is_flat:
        draft.step(f"keras.ops.moveaxis({{}}, {-draft.rank - 1}, -1)")
    elif not layout.has_channels:
        draft.step("{}[..., None]")
    if not layout.has_batch:
        draft.step("{}[None]")


def finish(draft: Draft) -> None:
    """Channels before space again, and the axes that were added taken away."""
    if draft.layout is None or draft.shape is None:
        return
    hidden = draft.layout.hidden_axes(draft.shape)
    if 1 in hidden:
        draft.step("{}[..., 0]")
    elif not draft.is_flat:
        draft.step("keras.ops.moveaxis({}, -1, 1)")
    if 0 in hidden:
        draft.step("{}[0]")


DIALECT = Dialect(
    title="Keras",
    imports=("import keras", "import numpy as np"),
    layers=LAYERS,
    axes=lambda draft: f"tensor (N, {SPACE[draft.rank]}, C)",
    begin=begin,
    finish=finish,
)
