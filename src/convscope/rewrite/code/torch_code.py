"""The same layers in PyTorch: ``(N, C, *space)``, cross-correlation, padding of the last axis first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

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
    add_axes,
    drop_axes,
    each,
    nothing,
    options,
    step,
)
from convscope.rewrite.code.draft import Bias, Draft, number, statistics_of, weights_of

TENSOR = "torch.tensor({}, dtype=x.dtype)"
PAD_MODES = {
    "zeros": "constant",
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def _pad(draft: Draft, pairs: Sequence[Pair], mode: str, value: Fraction | str = Fraction(0)) -> None:
    amounts = tuple(side for pair in reversed(pairs) for side in pair)
    filled = value if isinstance(value, str) else number(value)
    extra = options(mode=(repr(PAD_MODES[mode]), "'constant'"), value=(filled, "0"))
    draft.remark("F.pad counts from the last axis: left, right, top, bottom")
    draft.step(f"F.pad({{}}, {amounts}{extra})")


def _symmetric(draft: Draft, pairs: Sequence[Pair], mode: str, value: Fraction | str = Fraction(0)) -> str:
    """The padding as the layer's own option where it has one; else a line that pads, and no option."""
    if mode == "zeros" and all(before == after for before, after in pairs):
        return each([before for before, _ in pairs])
    _pad(draft, pairs, mode, value)
    return "0"


def _weight(draft: Draft, layer: Conv | ConvTranspose, function: str) -> str:
    name = draft.array("kernel", weights_of(layer), TENSOR)
    if not layer.flip:
        if isinstance(layer, Conv):
            draft.remark(f"{function} does not flip the kernel: cross-correlation")
        return name
    axes = ", ".join(str(axis - draft.rank) for axis in range(draft.rank))
    draft.remark(f"{function} does not flip, so the kernel is rotated by 180° first: true convolution")
    return f"{name}.flip({axes})"


def _bias(draft: Draft, bias: Bias) -> str | None:
    return draft.array("bias", bias, TENSOR) if isinstance(bias, ExactArray) else None


def _conv(layer: Conv, draft: Draft) -> None:
    pairs = draft.pads(layer)
    padding = "0"
    if any(any(pair) for pair in pairs):
        padding = _symmetric(draft, pairs, layer.padding_mode, layer.padding_value)
    bias = _bias(draft, layer.bias)
    kernel = _weight(draft, layer, f"conv{draft.rank}d")
    extra = options(
        bias=(bias, None),
        stride=(each(layer.stride), "1"),
        padding=(padding, "0"),
        dilation=(each(layer.dilation), "1"),
        groups=(layer.groups, 1),
    )
    draft.step(f"F.conv{draft.rank}d({{}}, {kernel}{extra})")


def _conv_transpose(layer: ConvTranspose, draft: Draft) -> None:
    bias = _bias(draft, layer.bias)
    kernel = _weight(draft, layer, f"conv_transpose{draft.rank}d")
    even = all(before == after for before, after in layer.padding)
    padding = each([before for before, _ in layer.padding]) if even else "0"
    extra = options(
        bias=(bias, None),
        stride=(each(layer.stride), "1"),
        padding=(padding, "0"),
        output_padding=(each(layer.output_padding), "0"),
        groups=(layer.groups, 1),
        dilation=(each(layer.dilation), "1"),
    )
    draft.step(f"F.conv_transpose{draft.rank}d({{}}, {kernel}{extra})")
    if not even:
        draft.step("{}[..., " + ", ".join(f"{b}:{-a or None}" for b, a in layer.padding) + "]")


def _max_pool(layer: MaxPool, draft: Draft) -> None:
    pairs = draft.pads(layer)
    # PyTorch pads a pool by at most half its window, the same on both sides.
    plain = all(b == a and 2 * b <= k for (b, a), k in zip(pairs, layer.kernel_size, strict=True))
    if not plain:
        _pad(draft, pairs, "constant", "-torch.inf")
    padding = each([before for before, _ in pairs]) if plain else "0"
    extra = options(
        stride=(each(layer.stride), each(layer.kernel_size)),
        padding=(padding, "0"),
        dilation=(each(layer.dilation), "1"),
        ceil_mode=(layer.ceil_mode, False),
    )
    draft.step(f"F.max_pool{draft.rank}d({{}}, {each(layer.kernel_size)}{extra})")


def _avg_pool(layer: AvgPool, draft: Draft) -> None:
    if set(layer.dilation) != {1}:
        raise draft.refuse(layer, "avg_pool has no dilation")
    if layer.divisor_override is not None and draft.rank == 1:
        raise draft.refuse(layer, "avg_pool1d has no divisor_override")
    pairs = draft.pads(layer)
    plain = all(b == a and 2 * b <= k for (b, a), k in zip(pairs, layer.kernel_size, strict=True))
    call = f"F.avg_pool{draft.rank}d({{}}, {each(layer.kernel_size)}"
    shared = options(stride=(each(layer.stride), each(layer.kernel_size)), ceil_mode=(layer.ceil_mode, False))
    if plain:
        extra = options(
            padding=(each([before for before, _ in pairs]), "0"),
            count_include_pad=(layer.count_include_pad, True),
            divisor_override=(layer.divisor_override, None),
        )
        draft.step(f"{call}{shared}{extra})")
        return
    if not layer.count_include_pad and layer.divisor_override is None:
        amounts = tuple(side for pair in reversed(pairs) for side in pair)
        draft.line(f"inside = F.pad(torch.ones_like({{}}), {amounts})")
        _pad(draft, pairs, "zeros")
        draft.remark(
            "only cells of the input count: the mean of the window over the share of it that is input"
        )
        draft.step(f"{call}{shared}) / {call.replace('{}', 'inside')}{shared})")
        return
    _pad(draft, pairs, "zeros")
    draft.step(f"{call}{shared}{options(divisor_override=(layer.divisor_override, None))})")


def _lp_pool(layer: LpPool, draft: Draft) -> None:
    if set(layer.dilation) != {1} or layer.ceil_mode:
        raise draft.refuse(layer, "lp_pool has no dilation, and its ceil_mode differs")
    pairs = draft.pads(layer)
    if any(any(pair) for pair in pairs):
        _pad(draft, pairs, "zeros")
    stride = options(stride=(each(layer.stride), each(layer.kernel_size)))
    draft.remark("abs(): an odd power keeps the sign of a number, a norm does not")
    draft.step(f"F.lp_pool{draft.rank}d({{}}.abs(), {layer.norm_type}, {each(layer.kernel_size)}{stride})")


def _upsample(layer: Upsample, draft: Draft) -> None:
    modes = {1: "linear", 2: "bilinear", 3: "trilinear"}
    mode = "nearest" if layer.mode == "nearest" else modes[draft.rank]
    if layer.size is not None:
        size = f"size={layer.size}"
    else:
        factors = [number(f) for f in layer.scale_factor or ()]
        size = f"scale_factor={factors[0] if len(set(factors)) == 1 else '(' + ', '.join(factors) + ')'}"
    corners = options(align_corners=(layer.align_corners, False))
    draft.step(f"F.interpolate({{}}, {size}, mode={mode!r}{corners})")


def _pad_layer(layer: Pad, draft: Draft) -> None:
    _pad(draft, layer.padding, layer.padding_mode, layer.padding_value)


def _linear(layer: Linear, draft: Draft) -> None:
    weight = draft.array("weight", weights_of(layer), TENSOR)
    draft.step(f"F.linear({{}}, {weight}{options(bias=(_bias(draft, layer.bias), None))})")


def _batch_norm(layer: BatchNorm, draft: Draft) -> None:
    mean, variance = (
        draft.array(name, values, TENSOR)
        for name, values in zip(("mean", "variance"), statistics_of(layer), strict=True)
    )
    weight = None if layer.weight is None else draft.array("scale", layer.weight, TENSOR)
    bias = _bias(draft, layer.bias)
    extra = options(weight=(weight, None), bias=(bias, None))
    draft.step(f"F.batch_norm({{}}, {mean}, {variance}{extra}, eps={number(layer.eps)})")


def _prelu(layer: p.PReLU, draft: Draft) -> None:
    draft.step(f"F.prelu({{}}, {draft.array('slope', layer.weight, TENSOR)})")


def _global(reduction: str) -> Writer:
    def write(_: Layer, draft: Draft) -> None:
        axes = tuple(range(-draft.rank, 0))
        draft.step(f"{{}}.{reduction}({axes}, keepdim=True)")

    return write


def _adaptive(kind: str) -> Writer:
    def write(layer: AdaptiveAvgPool | AdaptiveMaxPool, draft: Draft) -> None:
        draft.step(f"F.adaptive_{kind}_pool{draft.rank}d({{}}, {each(layer.output_size)})")

    return write


LAYERS: Mapping[type[Layer], Writer] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    LpPool: _lp_pool,
    AdaptiveAvgPool: _adaptive("avg"),
    AdaptiveMaxPool: _adaptive("max"),
    GlobalAvgPool: _global("mean"),
    GlobalMaxPool: _global("amax"),
    Upsample: _upsample,
    Pad: _pad_layer,
    Flatten: step("{}.flatten(<start_dim>, <end_dim>)"),
    Linear: _linear,
    BatchNorm: _batch_norm,
    p.PReLU: _prelu,
    p.Identity: nothing,
    p.Dropout: nothing,
    p.ReLU: step("F.relu({})"),
    p.ReLU6: step("F.relu6({})"),
    p.LeakyReLU: step("F.leaky_relu({}, <negative_slope>)"),
    p.ELU: step("F.elu({}, <alpha>)"),
    p.SELU: step("F.selu({})"),
    p.Sigmoid: step("torch.sigmoid({})"),
    p.LogSigmoid: step("F.logsigmoid({})"),
    p.Tanh: step("torch.tanh({})"),
    p.Hardtanh: step("F.hardtanh({}, <min_val>, <max_val>)"),
    p.GELU: step("F.gelu({}, approximate=<approximate>)"),
    p.SiLU: step("F.silu({})"),
    p.Softplus: step("F.softplus({}, <beta>, threshold=50)"),
    p.Softsign: step("F.softsign({})"),
    p.Softmax: step("F.softmax({}, <dim>)"),
    p.Softmin: step("F.softmin({}, <dim>)"),
    p.LogSoftmax: step("F.log_softmax({}, <dim>)"),
}


DIALECT = Dialect(
    title="PyTorch",
    imports=("import torch", "import torch.nn.functional as F"),
    layers=LAYERS,
    axes=lambda draft: f"tensor (N, C, {SPACE[draft.rank]})",
    begin=add_axes,
    finish=drop_axes,
)
