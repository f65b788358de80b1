"""What a layer costs: its parameters, its multiply-adds and the bytes of its output.

A `Cost` counts plain multiply-adds (one MAC is one multiplication and one addition; FLOPs are
2·MACs) of one item, batch 1: those of convolutions, linear layers, matrix products, recurrent
layers and both products of attention. Biases, activations, norms, pooling and sums of arrays add
none. Taps that lie on padding are multiplied too, as libraries count them.

`COST_RULES` has one entry a layer type. A rule says formulas and the numbers they are run on; it
computes nothing, so that it serves symbolic sizes as well as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import mul
from typing import Any

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Text
from convscope.core.layer import Layer, repeated
from convscope.core.network import Node, Shape, Weight
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
from convscope.rules.formula import Fact, exact_div

# --- bytes ------------------------------------------------------------------------------------

# Bits of one number. NumPy knows no bfloat16 and nothing of eight bits or less but integers.
DTYPE_BITS: dict[str, int] = {
    **dict.fromkeys(("complex128",), 128),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 64),
    **dict.fromkeys(("float32", "int32", "uint32", "qint32"), 32),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 16),
    **dict.fromkeys(("int8", "uint8", "bool", "qint8", "quint8"), 8),
    **dict.fromkeys(("int4", "uint4", "float4_e2m1", "float4e2m1", "float4_e2m1fn_x2"), 4),
    **dict.fromkeys(("int2", "uint2"), 2),
}


def array_bytes(shape: Shape, dtype: str) -> int | None:
    """The bytes of an array, packed where a number takes less than one; None for a dtype nobody knows.

    >>> array_bytes((96, 55, 55), "float32")
    1161600
    """
    bits = _bits(dtype)
    if bits is None:
        return None
    return math.prod(shape) * (bits // 8) if bits % 8 == 0 else -(-math.prod(shape) * bits // 8)


def _bits(dtype: str) -> int | None:
    return DTYPE_BITS.get(dtype, 8 if dtype.startswith("float8") else None)


_AXES = {1: ("F",), 2: ("C", "L"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}


def axis_names(shape: Shape) -> tuple[str, ...]:
    """A letter for each axis of an array, by how many there are."""
    return _AXES.get(len(shape), tuple(f"n_{axis}" for axis in range(len(shape))))


def bytes_fact(shape: Shape, dtype: str) -> Fact | None:
    """The bytes of an array as cells times bytes of a cell; None where cells share bytes or nobody knows.

    >>> bytes_fact((96, 55, 55), "float32").value
    1161600
    """
    bits = _bits(dtype)
    if bits is None or bits % 8:
        return None
    return Fact("bytes", product, {**dict(zip(axis_names(shape), shape, strict=True)), "b": bits // 8})


# --- what a rule says -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """A formula and what it is run on: numbers for a value, other quantities for a formula in them."""

    formula: Callable[..., Any]
    arguments: Mapping[str, Any]
    because: Text = ()

    def value(self) -> Any:  # noqa: ANN401 - an int for ints, an expression for expressions
        """The formula's value."""
        return self.formula(**self.arguments)

    def times(self, name: str, count: Any) -> Term:  # noqa: ANN401 - a number, or an expression
        """The formula, so many times."""

        def many(**arguments: Any) -> Any:  # noqa: ANN401
            each = arguments.pop(name)
            return each * self.formula(**arguments)

        return Term(many, {name: count, **self.arguments}, self.because)

    def fact(self, symbol: str) -> Fact:
        """The formula with its numbers, under a name."""
        return Fact(symbol, self.formula, self.arguments, self.because)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a rule says of one layer.

    Attributes:
        weights: the arrays it has, each named as in the layer; for layers whose arrays were not seen.
        params: the formula of how many parameters these hold; None when there are none.
        macs: the formula of its multiply-adds; None when it makes none.
        is_counted: False for an operator that may make multiply-adds nobody knows of.
    """

    weights: tuple[Weight, ...] = ()
    params: Term | None = None
    macs: Term | None = None
    is_counted: bool = True


FREE = Recipe()
NOT_COUNTED = Recipe(is_counted=False)


@dataclass(frozen=True)
class Cost:
    """The cost of one layer for one item.

    Attributes:
        weights: the arrays the layer uses; parameters are those that `Weight.is_parameter` says.
            None for an operator whose arrays are not known.
        macs: multiply-adds; None where they are not counted.
        recipe: the formulas that the numbers follow from.
    """

    weights: tuple[Weight, ...] | None
    macs: int | None
    recipe: Recipe = FREE

    @cached_property
    def params(self) -> int | None:
        """Parameters of this layer, shared ones included; None where they are not known."""
        return None if self.weights is None else sum(w.size for w in self.weights if w.is_parameter)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The formulas with their numbers, parameters first."""
        return tuple(fact for fact in (self.params_fact(), self.macs_fact()) if fact is not None)

    def params_fact(self) -> Fact | None:
        """The formula of the parameters, where it tells what the arrays hold."""
        if self.recipe.params is None:
            return None
        fact = self.recipe.params.fact("params")
        return fact if fact.value == self.params else None

    def macs_fact(self) -> Fact | None:
        """The formula of the multiply-adds."""
        return None if self.macs is None or self.recipe.macs is None else self.recipe.macs.fact("MACs")


# --- formulas: run on integers for values, on symbols for explanations ------------------------


def product(**factors: Any) -> Any:  # noqa: ANN401 - run on numbers and on symbols
    """The product of all that is given, in that order.

    >>> product(C_out=96, H_out=55, W_out=55, C_in=3, k_height=11, k_width=11)
    105415200
    """
    return reduce(mul, factors.values())


def _per_group(factors: Mapping[str, Any], divided: str) -> Any:  # noqa: ANN401
    groups = factors.get("g")
    parts = (
        exact_div(value, groups) if name == divided and groups is not None else value
        for name, value in factors.items()
        if name != "g"
    )
    return reduce(mul, parts)


def conv_products(**factors: Any) -> Any:  # noqa: ANN401
    """Each output cell multiplies every tap of every channel of its group."""
    return _per_group(factors, "C_in")


def transposed_products(**factors: Any) -> Any:  # noqa: ANN401
    """Each input cell stamps the kernels of its group, whether or not a stamp is cut off."""
    return _per_group(factors, "C_out")


def conv_biased(C_out: Any, **factors: Any) -> Any:  # noqa: ANN401, N803 - the formula's letters
    """Taps, and one bias for each output channel."""
    return conv_products(C_out=C_out, **factors) + C_out


def transposed_biased(C_out: Any, **factors: Any) -> Any:  # noqa: ANN401, N803
    """Taps, and one bias for each output channel."""
    return transposed_products(**{"C_in": factors.pop("C_in"), "C_out": C_out, **factors}) + C_out


def linear_biased(f_in: Any, f_out: Any) -> Any:  # noqa: ANN401
    """A weight for each pair, and one bias for each output feature."""
    return f_in * f_out + f_out


def attention_products(h: Any, N_q: Any, N_k: Any, F_k: Any, F_v: Any) -> Any:  # noqa: ANN401, N803
    """Queries with keys, then their weights with the values."""
    return h * N_q * N_k * F_k + h * N_q * N_k * F_v


def recurrent_products(t: Any, directions: Any, gates: Any, hidden: Any, f_in: Any) -> Any:  # noqa: ANN401
    """At each position every gate reads the input and the state before."""
    return t * directions * gates * hidden * (f_in + hidden)


def recurrent_weights(directions: Any, gates: Any, hidden: Any, f_in: Any) -> Any:  # noqa: ANN401
    """Every gate has weights for the input and the state, and two biases as in PyTorch."""
    return directions * gates * hidden * (f_in + hidden + 2)


# --- rules ------------------------------------------------------------------------------------

_LENGTHS: dict[int, tuple[str, ...]] = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
_TAPS: dict[int, tuple[str, ...]] = {
    1: ("k",),
    2: ("k_height", "k_width"),
    3: ("k_depth", "k_height", "k_width"),
}


def _lengths(shape: Shape, index: str) -> dict[str, int]:
    return {f"{name}_{index}": n for name, n in zip(_LENGTHS[len(shape) - 1], shape[1:], strict=True)}


def _window(layer: Conv | ConvTranspose, rank: int) -> tuple[dict[str, int], dict[str, int]]:
    """The kernel's lengths and the groups, as arguments."""
    size = repeated(layer.kernel_size, rank)
    return dict(zip(_TAPS[rank], size, strict=True)), {"g": layer.groups} if layer.groups > 1 else {}


def _biases(layer: Conv | ConvTranspose | Linear, count: int) -> tuple[Weight, ...]:
    has_bias = layer.bias if isinstance(layer.bias, bool) else layer.bias is not None
    return (Weight("bias", (count,)),) if has_bias else ()


def _conv(layer: Conv, inputs: Sequence[Shape], output: Shape) -> Recipe:
    into, out = inputs[0][0], layer.out_channels
    taps, groups = _window(layer, len(output) - 1)
    bias = _biases(layer, out)
    return Recipe(
        (Weight("weight", (out, into // layer.groups, *taps.values())), *bias),
        Term(conv_biased if bias else conv_products, {"C_out": out, "C_in": into, **taps, **groups}),
        Term(conv_products, {"C_out": out, **_lengths(output, "out"), "C_in": into, **taps, **groups}),
    )


def _conv_transpose(layer: ConvTranspose, inputs: Sequence[Shape], output: Shape) -> Recipe:
    into, out = inputs[0][0], layer.out_channels
    taps, groups = _window(layer, len(output) - 1)
    bias = _biases(layer, out)
    return Recipe(
        (Weight("weight", (into, out // layer.groups, *taps.values())), *bias),
        Term(
            transposed_biased if bias else transposed_products, {"C_in": into, "C_out": out, **taps, **groups}
        ),
        Term(
            transposed_products,
            {"C_in": into, **_lengths(inputs[0], "in"), "C_out": out, **taps, **groups},
            ("Each input cell stamps its kernels once.",),
        ),
    )


def _each_item(
    rule: Callable[[Any, Sequence[Shape], Shape], Recipe],
) -> Callable[[Any, Sequence[Shape], Shape], Recipe]:
    """The rule, for windows and frames too that a recorded network puts through a layer as a batch."""

    def counted(layer: Conv | ConvTranspose, inputs: Sequence[Shape], output: Shape) -> Recipe:
        if layer.rank is None or len(inputs[0]) != layer.rank + 2:
            return rule(layer, inputs, output)
        recipe = rule(layer, (inputs[0][1:],), output[1:])
        if recipe.macs is None:
            return recipe
        return replace(recipe, macs=recipe.macs.times("m", inputs[0][0]))

    return counted


def _linear(layer: Linear, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    into, out = inputs[0][-1], layer.out_features
    bias = _biases(layer, out)
    positions = {"m": reduce(mul, inputs[0][:-1])} if len(inputs[0]) > 1 else {}
    return Recipe(
        (Weight("weight", (out, into)), *bias),
        Term(linear_biased if bias else product, {"f_in": into, "f_out": out}),
        Term(product, {**positions, "f_in": into, "f_out": out}),
    )


def _batch_norm(layer: BatchNorm, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    channels = (inputs[0][0],)
    told = (("weight", layer.weight), ("bias", layer.bias))
    # Without any numbers only sizes are wanted, and PyTorch's layer is affine unless told not to be.
    sizes_only = layer.running_mean is None and layer.weight is None and layer.bias is None
    affine = tuple(Weight(name, channels) for name, value in told if sizes_only or value is not None)
    statistics = tuple(
        Weight(name, channels, trainable=False, is_parameter=False)
        for name in ("running_mean", "running_var")
    )
    return Recipe((*affine, *statistics), _affine(affine, channels[0]))


def _affine(arrays: tuple[Weight, ...], channels: int) -> Term | None:
    return Term(_each, {"a": len(arrays), "C": channels}) if arrays else None


def _each(a: Any, C: Any) -> Any:  # noqa: ANN401, N803
    """So many arrays with one number for each channel."""
    return a * C


def _prelu(layer: pointwise.PReLU, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    slopes = layer.weight.size
    return Recipe((Weight("weight", (slopes,)),), Term(_each, {"a": 1, "C": slopes}))


def _matmul(layer: operators.MatMul, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    return Recipe(macs=Term(product, {"cells": reduce(mul, output, 1), "inner": layer.inner}))


def _attention(layer: operators.Attention, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    numbers = {"h": layer.heads, "N_q": layer.queries, "N_k": layer.keys}
    return Recipe(
        macs=Term(attention_products, {**numbers, "F_k": layer.features, "F_v": layer.value_features})
    )


def _norm(layer: operators.Norm, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    """Affine as the libraries' layers are by default, along the axis they normalise by default."""
    length = inputs[0][0] if layer.kind == "group" else inputs[0][-1]
    names = {"layer": ("weight", "bias"), "group": ("weight", "bias"), "rms": ("weight",)}.get(layer.kind, ())
    arrays = tuple(Weight(name, (length,)) for name in names)
    return Recipe(arrays, _affine(arrays, length))


def _embedding(layer: operators.Embedding, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    numbers = {"entries": layer.count, "f_out": layer.features}
    return Recipe((Weight("weight", (layer.count, layer.features)),), Term(product, numbers))


GATES: dict[str, int] = {"lstm": 4, "gru": 3, "rnn": 1}


def _recurrent(layer: operators.Recurrent, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    gates = GATES.get(layer.kind)
    if gates is None:
        return NOT_COUNTED
    rows, numbers = gates * layer.hidden, {"gates": gates, "hidden": layer.hidden, "f_in": layer.features}
    arrays = tuple(
        Weight(f"{name}{'_reverse' * back}", shape)
        for back in range(layer.directions)
        for name, shape in (
            ("weight_ih", (rows, layer.features)),
            ("weight_hh", (rows, layer.hidden)),
            ("bias_ih", (rows,)),
            ("bias_hh", (rows,)),
        )
    )
    positions = reduce(mul, inputs[0][:-1], 1)
    return Recipe(
        arrays,
        Term(recurrent_weights, {"directions": layer.directions, **numbers}),
        Term(recurrent_products, {"t": positions, "directions": layer.directions, **numbers}),
    )


def _free(layer: Layer, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    return FREE


def _not_counted(layer: operators.Unknown, inputs: Sequence[Shape], output: Shape) -> Recipe:  # noqa: ARG001
    return NOT_COUNTED


COST_RULES: dict[type[Layer], Callable[[Any, Sequence[Shape], Shape], Recipe]] = {
    Conv: _each_item(_conv),
    ConvTranspose: _each_item(_conv_transpose),
    Linear: _linear,
    BatchNorm: _batch_norm,
    pointwise.PReLU: _prelu,
    operators.MatMul: _matmul,
    operators.Attention: _attention,
    operators.Norm: _norm,
    operators.Embedding: _embedding,
    operators.Recurrent: _recurrent,
    operators.Unknown: _not_counted,
    **dict.fromkeys(
        (
            MaxPool,
            AvgPool,
            LpPool,
            AdaptiveAvgPool,
            AdaptiveMaxPool,
            GlobalAvgPool,
            GlobalMaxPool,
            Flatten,
            Add,
            Concat,
            Upsample,
            Pad,
            operators.Source,
            operators.Elementwise,
            operators.Rearrange,
            operators.Reduce,
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
            pointwise.Softmax,
            pointwise.Softmin,
            pointwise.LogSoftmax,
        ),
        _free,
    ),
}


def recipe_of(layer: Layer, inputs: Sequence[Shape | None], output: Shape | None) -> Recipe:
    """The formulas for a layer; of a layer whose shapes are not known, only that it is free, if it is."""
    rule = COST_RULES.get(type(layer), _not_counted)
    if rule is _free:
        return FREE
    if output is None or any(shape is None for shape in inputs):
        return NOT_COUNTED
    return rule(layer, inputs, output)  # type: ignore[arg-type]  # no shape is None


def cost_from(node: Node, recipe: Recipe) -> Cost:
    """The cost of a node that a recipe tells."""
    macs = recipe.macs.value() if recipe.macs is not None else 0 if recipe.is_counted else None
    if node.weights is not None:
        return Cost(node.weights, macs, recipe)
    return Cost(recipe.weights if recipe.is_counted else None, macs, recipe)


def named(node: Node, arrays: Iterable[Weight]) -> tuple[Weight, ...]:
    """The arrays under names of their own in the network."""
    return tuple(
        Weight(f"{node.name}.{w.name}", w.shape, w.dtype, w.trainable, w.is_parameter) for w in arrays
    )
