"""Rules for the PyTorch operators that are layers: convolutions, pools, linear layers, norms, activations.

Each takes a `Call` and returns the `Plan` of what it comes to, or None where the operator is used in
a way that is no such layer, and the next table is asked. Shapes of the commonest are worked out
here; where they do not fit, PyTorch's own shape function is asked, so that it says what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Attention, Elementwise, Embedding, MatMul, Norm, Recurrent
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from convscope.core.structural import BatchNorm, Linear
from convscope.errors import ConvscopeError, InputError
from convscope.importers.torch_entry import Call, Entry, Output, Plan, Step, item_shape
from convscope.importers.torch_sequences import recurrent_outputs
from convscope.rules.shape import output_shape

Rule: TypeAlias = Callable[[Call], Plan | None]


def present(call: Call, *names: str) -> tuple[int, ...]:
    """Positions of those of the named arguments that are tensors."""
    return tuple(n for n in map(call.position, names) if n is not None)


def one(
    call: Call, layer: Layer, op: str, reads: Sequence[int], shape: Shape, weights: Sequence[int] = ()
) -> Plan:
    """A plan of one node and one output, of the first tensor's dtype."""
    dtype = call.tensors[reads[0]].dtype
    return Plan(((shape, dtype),), (Step(layer, op, tuple(reads), shape, dtype, tuple(weights)),))


def axes_of(value: Any, rank: int) -> tuple[int, ...]:  # noqa: ANN401 - an integer or a list of them
    """One entry an axis: PyTorch takes one for all."""
    entries = tuple(value) if isinstance(value, list | tuple) else (value,)
    return entries * rank if len(entries) == 1 else entries


def _meta(call: Call) -> Shape:
    return call.meta_outputs()[0][0][0]


def _entries(call: Call, *names: str) -> list[Entry]:
    found = [call.entry(name) for name in names]
    return [entry for entry in found if entry is not None]


# --- convolutions -----------------------------------------------------------------------------


def _conv(call: Call) -> Plan | None:
    x, weight = _entries(call, "input", "weight")
    rank = len(weight.shape) - 2
    if call.get("transposed"):
        return _conv_transpose(call)
    stride, dilation = axes_of(call["stride"], rank), axes_of(call["dilation"], rank)
    kernel, groups, padding = weight.shape[2:], call["groups"], call["padding"]
    if isinstance(padding, str):
        totals = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        pairs = tuple((total // 2, total - total // 2) for total in totals)
    else:
        pairs = tuple((p, p) for p in axes_of(padding, rank))
    out = tuple(
        (n + sum(pair) - d * (k - 1) - 1) // s + 1
        for n, pair, d, k, s in zip(x.shape[-rank:], pairs, dilation, kernel, stride, strict=True)
    )
    fits = len(x.shape) == rank + 2 and x.shape[1] == weight.shape[1] * groups and min(out, default=0) > 0
    if len(x.shape) == rank + 2 and x.shape[1] != weight.shape[1] * groups:
        grouped = f" in {groups} groups" if groups > 1 else ""
        raise RuntimeError(
            f"the weights are for {weight.shape[1] * groups} input channels{grouped} "
            f"but the input has {x.shape[1]}"
        )
    shape = (x.shape[0], weight.shape[0], *out) if fits else _meta(call)
    if weight.computed:
        return _computed_weights(call, shape, math.prod(weight.shape[1:]))
    layer = Conv(
        kernel_size=kernel,
        out_channels=weight.shape[0],
        in_channels=weight.shape[1] * groups,
        bias=call.position("bias") is not None,
        stride=stride,
        padding="same" if padding == "same" else pairs,
        dilation=dilation,
        groups=groups,
    )
    return one(call, layer, "conv", present(call, "input"), shape, present(call, "weight", "bias"))


def _computed_weights(call: Call, shape: Shape, inner: int) -> Plan:
    """A convolution with weights that depend on the input: a product of two computed arrays."""
    return one(
        call, MatMul(item_shape(shape), inner), "conv", present(call, "input", "weight"), shape,
        present(call, "bias"),
    )  # fmt: skip


def _conv_transpose(call: Call) -> Plan | None:
    x, weight = _entries(call, "input", "weight")
    rank, groups = len(weight.shape) - 2, call["groups"]
    options = [axes_of(call[name], rank) for name in ("stride", "padding", "output_padding", "dilation")]
    out = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, s, p, extra, d in zip(x.shape[2:], weight.shape[2:], *options, strict=False)
    )
    fits = len(x.shape) == rank + 2 and x.shape[1] == weight.shape[0] and min(out, default=0) > 0
    fits = fits and all(extra < max(s, d) for s, _, extra, d in zip(*options, strict=True))
    shape = (x.shape[0], weight.shape[1] * groups, *out) if fits else _meta(call)
    if weight.computed:
        positions = math.prod(x.shape[2:]) * math.prod(weight.shape) // max(math.prod(shape[1:]), 1)
        return _computed_weights(call, shape, positions)
    layer = ConvTranspose(
        kernel_size=weight.shape[2:],
        in_channels=weight.shape[0],
        out_channels=weight.shape[1] * groups,
        bias=call.position("bias") is not None,
        stride=options[0],
        padding=options[1],
        output_padding=options[2],
        groups=groups,
        dilation=options[3],
    )
    return one(call, layer, "conv_transpose", present(call, "input"), shape, present(call, "weight", "bias"))


# --- pools ------------------------------------------------------------------------------------


def _rank_of(call: Call) -> int:
    return int(call.operation.name.split("pool")[1][0])


def _pool(call: Call) -> Plan:
    rank = _rank_of(call)
    options: dict[str, Any] = {
        "kernel_size": axes_of(call["kernel_size"], rank),
        "stride": axes_of(call["stride"], rank) if call["stride"] else None,
        "padding": axes_of(call["padding"], rank),
        "ceil_mode": bool(call["ceil_mode"]),
    }
    if call.operation.name.startswith("max"):
        layer: Layer = MaxPool(**options, dilation=axes_of(call["dilation"], rank))
    else:
        layer = AvgPool(
            **options,
            count_include_pad=bool(call["count_include_pad"]),
            divisor_override=call.get("divisor_override"),
        )
    x = call.tensors[0]
    told = told_shape(layer, x.shape) if len(x.shape) == rank + 2 else None
    outputs: tuple[Output, ...]
    if told is None or "indices" in call.operation.name:
        outputs, kind = call.meta_outputs()
    else:
        outputs, kind = (((x.shape[0], *told), x.dtype),), "one"
    op = f"{call.operation.name[:3]}_pool"
    return Plan(outputs, (Step(layer, op, (0,), *outputs[0]),), kind)


def told_shape(layer: Layer, shape: Shape) -> Shape | None:
    """What the layer's own rule makes of one item of a batch; None where it refuses."""
    try:
        return output_shape(layer, (shape[1:],)).shape
    except ConvscopeError:
        return None


def _adaptive(call: Call) -> Plan:
    x, rank, asked = call.tensors[0], _rank_of(call), call["output_size"]
    is_max = "max" in call.operation.name
    size = axes_of(asked, rank)
    outputs: tuple[Output, ...]
    if is_max or len(x.shape) != rank + 2 or len(size) != rank or min(size) < 1:
        outputs, kind = call.meta_outputs()
        size = outputs[0][0][-rank:]
    else:
        outputs, kind = (((*x.shape[:2], *size), x.dtype),), "one"
    if set(size) == {1}:
        layer: Layer = GlobalMaxPool() if is_max else GlobalAvgPool()
    else:
        layer = AdaptiveMaxPool(size) if is_max else AdaptiveAvgPool(size)
    op = "max_pool" if is_max else "avg_pool"
    return Plan(outputs, (Step(layer, op, (0,), *outputs[0]),), kind)


# --- products ---------------------------------------------------------------------------------


def _linear(call: Call) -> Plan:
    x, weight = _entries(call, "input", "weight")
    fits = len(weight.shape) == 2 and bool(x.shape) and x.shape[-1] == weight.shape[1]
    if len(weight.shape) == 2 and x.shape and not fits:
        raise RuntimeError(
            f"the weights are for {weight.shape[1]} features but the input's last axis has {x.shape[-1]}"
        )
    shape = (*x.shape[:-1], weight.shape[0]) if fits else _meta(call)
    if weight.computed or len(weight.shape) != 2:
        return _product(call, shape, weight.shape[-1], present(call, "input", "weight", "bias"), "linear")
    return _weighted(call, weight.shape[1], weight.shape[0], shape, ("input", "weight", "bias"))


def _weighted(call: Call, into: int, out: int, shape: Shape, names: tuple[str, str, str]) -> Plan:
    x, weight, bias = names
    layer = Linear(in_features=into, out_features=out, bias=call.position(bias) is not None)
    return one(call, layer, "linear", present(call, x), shape, present(call, weight, bias))


def _product(call: Call, shape: Shape, inner: int, reads: Sequence[int], op: str = "matmul") -> Plan:
    """A matrix product; weights among its factors are its own, all else it reads."""
    weights = [n for n in reads if call.tensors[n].weights and not call.tensors[n].computed]
    read = [n for n in reads if n not in weights] or list(reads)
    return one(
        call, MatMul(item_shape(shape), inner), op, read, shape, weights if read != list(reads) else ()
    )


def _matmul(call: Call) -> Plan:
    first, second = call.operation.arguments[0][0], call.operation.arguments[1][0]
    x, y = _entries(call, first, second)
    shape, inner = _meta(call), x.shape[-1]
    if y.weights and not y.computed and len(y.shape) == 2 and x.computed:
        return _weighted(call, inner, y.shape[1], shape, (first, second, ""))
    return _product(call, shape, inner, present(call, first, second))


def _addmm(call: Call) -> Plan:
    """A product with something added to it: a bias where that is a weight."""
    names = [name for name, _default in call.operation.arguments]
    added, first, second = names[0], names[1], names[2]
    x, y = _entries(call, first, second)
    shape, bias = _meta(call), call.entry(added)
    if y.weights and not y.computed and len(y.shape) == 2 and bias is not None and not bias.computed:
        return _weighted(call, x.shape[-1], y.shape[1], shape, (first, second, added))
    return _product(call, shape, x.shape[-1], present(call, first, second, added))


def _indices(equation: str, axes: Sequence[int]) -> tuple[list[str], str | None]:
    """The letters of each factor, an ellipsis spelt out in digits, and those of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(axes):
        return [], None
    spread = max((n - len(term.replace("...", "")) for term, n in zip(terms, axes, strict=True)), default=0)
    others = "0123456789"[:spread]
    spelt = []
    for term, n in zip(terms, axes, strict=True):
        own = n - len(term.replace("...", ""))
        spelt.append(term.replace("...", others[spread - own :]))
    return spelt, right.replace("...", others) if arrow else None


def _einsum(call: Call) -> Plan | None:
    """Two factors: as many products as all the indices span, however they are laid out."""
    reads = call.positions("tensors")
    if len(reads) != 2:
        return None
    terms, result = _indices(str(call["equation"]), [len(call.tensors[n].shape) for n in reads])
    if len(terms) != 2:
        return None
    shape, (x, y) = _meta(call), (call.tensors[n] for n in reads)
    summed = terms[0][-1:]
    if x.computed and y.weights and not y.computed and len(terms[1]) == 2 and summed in terms[1]:
        kept = terms[1].replace(summed, "")
        if result == terms[0][:-1] + kept and kept not in terms[0]:  # along the last axis: a linear layer
            layer = Linear(in_features=x.shape[-1], out_features=shape[-1], bias=False)
            return one(call, layer, "einsum", reads[:1], shape, reads[1:])
    lengths: dict[str, int] = {}
    for term, position in zip(terms, reads, strict=True):
        for letter, n in zip(term, call.tensors[position].shape, strict=True):
            lengths[letter] = max(n, lengths.get(letter, 1))
    return _product(call, shape, math.prod(lengths.values()) // max(math.prod(shape), 1), reads, "einsum")


def _bilinear(call: Call) -> Plan:
    weight = _entries(call, "weight")[0]
    reads = present(call, "input1", "input2", "weight", "bias")
    return _product(call, _meta(call), weight.shape[1] * weight.shape[2], reads, "bilinear")


def _attention(call: Call) -> Plan:
    query, key, value = _entries(call, "query", "key", "value")
    shape = (*query.shape[:-1], value.shape[-1])
    fits = query.shape[-1] == key.shape[-1] and key.shape[-2] == value.shape[-2]
    if not fits or query.shape[:-2] != key.shape[:-2]:
        shape = _meta(call)
    layer = Attention(
        shape=item_shape(shape),
        queries=query.shape[-2],
        keys=key.shape[-2],
        features=query.shape[-1],
        value_features=value.shape[-1],
        heads=math.prod(shape[:-2]),
    )
    reads = present(call, "query", "key", "value", "attn_mask")
    return one(call, layer, "attention", [n for n in reads if n in call.arrays()], shape)


def _embedding(call: Call) -> Plan:
    weight, indices = _entries(call, "weight", "indices")
    if weight.computed or not indices.computed:
        shape = (*indices.shape, *weight.shape[1:])
        return one(call, Elementwise("gather"), "embedding", call.arrays(), shape)
    shape = (*indices.shape, weight.shape[1])
    layer = Embedding(weight.shape[0], weight.shape[1], item_shape(shape))
    step = Step(layer, "embedding", present(call, "indices"), shape, weight.dtype, present(call, "weight"))
    return Plan(((shape, weight.dtype),), (step,))


def _embedding_bag(call: Call) -> Plan:
    """Rows looked up, and those of one bag summed or averaged."""
    outputs, kind = call.meta_outputs()
    weight = _entries(call, "weight")[0]
    layer = Embedding(weight.shape[0], weight.shape[1], item_shape(outputs[0][0]))
    reads = [n for n in present(call, "indices", "per_sample_weights") if call.tensors[n].computed]
    step = Step(layer, "embedding", tuple(reads), *outputs[0], present(call, "weight"))
    return Plan(outputs, (step,), kind)


# --- norms ------------------------------------------------------------------------------------


def _batch_norm(call: Call) -> Plan:
    x = _entries(call, "input")[0]
    arrays = ("weight", "bias", "running_mean", "running_var")
    sizes = {entry.shape for entry in _entries(call, *arrays)}
    shape = x.shape if len(x.shape) > 1 and sizes <= {x.shape[1:2]} else _meta(call)
    return one(
        call, BatchNorm(num_features=x.shape[1]), "batch_norm", present(call, "input"), shape,
        present(call, *arrays),
    )  # fmt: skip


def _norm(kind: str) -> Rule:
    def rule(call: Call) -> Plan:
        arrays = present(call, "weight", "bias", "running_mean", "running_var")
        x = call.tensors[0]
        outputs: tuple[Output, ...]
        normalised = tuple(call.get("normalized_shape") or ())
        if normalised and x.shape[-len(normalised) :] == normalised and x.dtype.is_floating_point:
            outputs, form = ((x.shape, x.dtype),), "one"
        else:
            outputs, form = call.meta_outputs()
        groups = call.get("num_groups") or call.get("group") or 1
        return Plan(outputs, (Step(Norm(kind, groups), f"{kind}_norm", (0,), *outputs[0], arrays),), form)

    return rule


# --- recurrent layers -------------------------------------------------------------------------


def _recurrent(kind: str) -> Rule:
    def rule(call: Call) -> Plan | None:
        packed = call.position("data") is not None
        outputs, form = recurrent_outputs(call) if packed else call.meta_outputs()
        params = call.positions("params")
        directions = 2 if call["bidirectional"] else 1
        each = len(params) // (call["num_layers"] * directions)
        if each != (4 if call["has_biases"] else 2):
            return None  # an LSTM with a projection, whose products no formula here counts
        shape, dtype = outputs[0]
        steps: list[Step] = []
        reads = present(call, "input", "data")[:1]
        for layer in range(call["num_layers"]):
            own = params[layer * each * directions : (layer + 1) * each * directions]
            width, hidden = call.tensors[own[0]].shape[1], call.tensors[own[1]].shape[1]
            known = Recurrent(kind, width, hidden, item_shape(shape), directions)
            steps.append(Step(known, kind, (-1,) if steps else reads, shape, dtype, own))
        return Plan(outputs, tuple(steps), form, rest="state")

    return rule


# --- activations ------------------------------------------------------------------------------


def _activation(make: Callable[[Call], Layer]) -> Rule:
    def rule(call: Call) -> Plan | None:
        x = call.tensors[0]
        try:
            layer = make(call)
        except (InputError, OverflowError):  # options that the layer here does not have
            return None
        return one(call, layer, call.operation.name, (0,), x.shape)

    return rule


def _hardtanh(call: Call) -> Layer:
    low, high = call["min_val"], call["max_val"]
    return pointwise.ReLU6() if (low, high) == (0, 6) else pointwise.Hardtanh(low, high)


def _elu(call: Call) -> Layer:
    if call["scale"] != 1 or call["input_scale"] != 1:
        return Elementwise("elu")
    return pointwise.ELU(call["alpha"])


def _softmax(layer: type[pointwise.Softmax | pointwise.LogSoftmax]) -> Rule:
    def rule(call: Call) -> Plan | None:
        outputs, form = call.meta_outputs()
        axes = len(outputs[0][0])
        dim = call["dim"] - axes if call["dim"] >= 0 else call["dim"]
        if not -5 <= dim < 0 or not axes:
            return None
        return Plan(outputs, (Step(layer(dim), call.operation.name, (0,), *outputs[0]),), form)

    return rule


def _dropout(call: Call) -> Plan | None:
    x = call.tensors[0]
    chance = call.get("p")
    if not chance:
        return Plan(((x.shape, x.dtype),))
    return one(call, pointwise.Dropout(chance), "dropout", (0,), x.shape)


LAYERS: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv_transpose),
    **{f"max_pool{n}d{more}": _pool for n in (1, 2, 3) for more in ("", "_with_indices")},
    **{f"avg_pool{n}d": _pool for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive for n in (1, 2, 3) for kind in ("avg", "max")},
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _addmm),
    "einsum": _einsum,
    "bilinear": _bilinear,
    "scaled_dot_product_attention": _attention,
    "embedding": _embedding,
    "embedding_bag": _embedding_bag,
    "batch_norm": _batch_norm,
    "layer_norm": _norm("layer"),
    "group_norm": _norm("group"),
    "instance_norm": _norm("instance"),
    "rms_norm": _norm("rms"),
    "lstm": _recurrent("lstm"),
    "gru": _recurrent("gru"),
    "rnn_tanh": _recurrent("rnn"),
    "rnn_relu": _recurrent("rnn"),
    "relu": _activation(lambda call: pointwise.ReLU()),  # noqa: ARG005
    "relu6": _activation(lambda call: pointwise.ReLU6()),  # noqa: ARG005
    "hardtanh": _activation(_hardtanh),
    "leaky_relu": _activation(lambda call: pointwise.LeakyReLU(call["negative_slope"])),
    "elu": _activation(_elu),
    "selu": _activation(lambda call: pointwise.SELU()),  # noqa: ARG005
    "sigmoid": _activation(lambda call: pointwise.Sigmoid()),  # noqa: ARG005
    "tanh": _activation(lambda call: pointwise.Tanh()),  # noqa: ARG005
    "log_sigmoid": _activation(lambda call: pointwise.LogSigmoid()),  # noqa: ARG005
    "gelu": _activation(lambda call: pointwise.GELU(call["approximate"])),
    "silu": _activation(lambda call: pointwise.SiLU()),  # noqa: ARG005
    "softplus": _activation(lambda call: pointwise.Softplus(call["beta"])),
    "softmax": _softmax(pointwise.Softmax),
    "log_softmax": _softmax(pointwise.LogSoftmax),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), _dropout),
}
