"""What a layer keeps of its forward pass until its backward pass: one table from layer type to rule.

The rules follow PyTorch's derivatives (tools/autograd/derivatives.yaml, version 2.13): a gradient
needs the tensors it is a formula of, and those stay in memory. Weights are needed too but stored
anyway. Some in-place activations save their output, whose sign tells the slope; the others save a
copy of the input that they overwrite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
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
from convscope.rules.cost import GATES

if TYPE_CHECKING:
    from convscope.core.network import Shape
    from convscope.rules.network import Row

INDEX = "int64"
MASK = "bool"


@dataclass(frozen=True, slots=True)
class Extra:
    """An array a layer makes for its backward pass alone.

    Attributes:
        what: in a word or two: "indices".
        shape: the lengths of its axes.
        dtype: as NumPy names it; the output's where empty.
    """

    what: str
    shape: Shape
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a layer saves for its backward pass.

    Attributes:
        inputs: which of its inputs, by position.
        output: whether its output is saved.
        extras: what else it makes for that.
        why: what the gradient needs, in words.
    """

    inputs: tuple[int, ...] = ()
    output: bool = False
    extras: tuple[Extra, ...] = ()
    why: str = ""


NOTHING = Saved(why="its gradient needs no array")


def _input(why: str) -> Callable[[Layer, Row], Saved]:
    saved = Saved((0,), why=why)
    return lambda _layer, _row: saved


def _output(why: str) -> Callable[[Layer, Row], Saved]:
    saved = Saved(output=True, why=why)
    return lambda _layer, _row: saved


def _nothing(layer: Layer, row: Row) -> Saved:  # noqa: ARG001 - a rule's signature
    return NOTHING


def _made(row: Row) -> Shape:
    return row.output_shape or ()


def _read(row: Row) -> Shape:
    return row.input_shapes[0] or ()


def _weighted(layer: Layer, row: Row) -> Saved:  # noqa: ARG001
    """The input is needed for the gradient of the weights alone, not where these are frozen."""
    arrays = row.cost.weights or ()
    if not any(w.trainable and w.is_parameter and len(w.shape) > 1 for w in arrays):
        return Saved(why="the weights are frozen, and the gradient of the input needs only them")
    return Saved((0,), why="the gradient of the weights is made of the input")


def _max_pool(layer: Layer, row: Row) -> Saved:  # noqa: ARG001
    why = "the gradient goes back to where each largest cell was: a 64-bit index for each output cell"
    return Saved((0,), extras=(Extra("indices", _made(row), INDEX),), why=why)


def _adaptive_average(layer: AdaptiveAvgPool, row: Row) -> Saved:  # noqa: ARG001
    if all(n == 1 for n in _made(row)[1:]):
        return Saved(why="it is a mean over all cells; its gradient needs no array")
    return Saved((0,), why="PyTorch keeps the input for its size")


def _norm_pool(layer: LpPool, row: Row) -> Saved:  # noqa: ARG001
    made = tuple(Extra(name, _made(row)) for name in ("mean", "sign", "magnitude", "sum"))
    return Saved((0,), extras=(Extra("powers", _read(row)), *made), why="it is worked in five steps")


def _batch_norm(layer: BatchNorm, row: Row) -> Saved:  # noqa: ARG001
    channels = _read(row)[:1]
    extras = (Extra("mean", channels), Extra("inverse deviation", channels))
    return Saved((0,), extras=extras, why="the input, and the statistics of this batch")


def _norm(layer: operators.Norm, row: Row) -> Saved:
    shape = _read(row)
    statistics = {"group": (layer.groups,), "instance": shape[:1]}.get(layer.kind, shape[:-1])
    names = ("inverse root mean square",) if layer.kind == "rms" else ("mean", "inverse deviation")
    extras = tuple(Extra(name, statistics) for name in names)
    return Saved((0,), extras=extras, why="the input, and the statistics of each group")


def _dropout(layer: pointwise.Dropout, row: Row) -> Saved:
    if layer.p == 0:
        return NOTHING
    why = "which cells were dropped: one byte for each, as on a GPU (a CPU keeps a number for each)"
    return Saved(extras=(Extra("mask", _made(row), MASK),), why=why)


def _in_place_or_input(layer: Layer, row: Row) -> Saved:  # noqa: ARG001
    if row.node.in_place:
        return Saved(output=True, why="it overwrites its input; the output tells the sign")
    return Saved((0,), why="the slope depends on the input")


def _log_sigmoid(layer: Layer, row: Row) -> Saved:  # noqa: ARG001
    return Saved((0,), extras=(Extra("exponentials", _made(row)),), why="the slope depends on the input")


def _soft_sign(layer: Layer, row: Row) -> Saved:  # noqa: ARG001
    why = "it is a quotient: the input and the denominator"
    return Saved((0,), extras=(Extra("denominator", _made(row)),), why=why)


def _pad(layer: Pad, row: Row) -> Saved:  # noqa: ARG001
    if layer.padding_mode in ("reflect", "replicate"):
        return Saved((0,), why="PyTorch keeps the input for its size")
    return NOTHING


_OUTPUT_OPS = frozenset(("exp", "expm1", "sigmoid", "tanh", "sqrt", "rsqrt", "reciprocal", "relu", "softmax"))
_FREE_OPS = frozenset(
    (
        *("add", "sub", "subtract", "rsub", "neg", "negative", "sum", "identity", "fill", "cast"),
        *("round", "floor", "ceil", "sign"),
    )
)
_LINEAR_OPS = frozenset(("mul", "multiply", "div", "divide", "true_divide"))


def _elementwise(layer: operators.Elementwise, row: Row) -> Saved:
    if layer.op in _FREE_OPS:
        return NOTHING
    if layer.op in _OUTPUT_OPS:
        return Saved(output=True, why="the slope is a formula of the output")
    if len(row.inputs) > 1:
        if layer.op == "where":
            return Saved((0,), why="which cells were taken from where")
        return Saved(tuple(range(len(row.inputs))), why="the gradient of each input is made of the others")
    if layer.op in _LINEAR_OPS:
        return Saved(why="the slope is a number")
    return Saved((0,), why="the slope depends on the input")


_INDEXED = frozenset(("max", "min", "median"))


def _reduce(layer: operators.Reduce, row: Row) -> Saved:
    if layer.op in ("mean", "sum", "argmax", "argmin"):
        return NOTHING
    if layer.op in _INDEXED:
        return Saved(extras=(Extra("indices", _made(row), INDEX),), why="where each found cell was")
    if layer.op == "var":
        return Saved((0,), why="the gradient depends on the input")
    return Saved((0,), output=True, why="the gradient depends on the input and the result")


def _matmul(layer: operators.MatMul, row: Row) -> Saved:  # noqa: ARG001
    return Saved(tuple(range(len(row.inputs))), why="the gradient of each factor is made of the other")


def _attention(layer: operators.Attention, row: Row) -> Saved:
    sums = Extra("logarithms of sums", (layer.heads, layer.queries), "float32")
    why = "queries, keys, values and output; the weights are worked out again"
    return Saved(tuple(range(min(len(row.inputs), 3))), output=True, extras=(sums,), why=why)


def _recurrent(layer: operators.Recurrent, row: Row) -> Saved:
    positions = math.prod(_read(row)[:-1])
    states = GATES.get(layer.kind, 1) + (1 if layer.kind == "lstm" else 0)
    gates = Extra("gates", (positions, layer.directions, states, layer.hidden))
    return Saved((0,), output=True, extras=(gates,), why="input, output and the gates of every position")


SAVED_RULES: dict[type[Layer], Callable[[Any, Row], Saved]] = {
    **dict.fromkeys((Conv, ConvTranspose, Linear), _weighted),
    **dict.fromkeys((MaxPool, AdaptiveMaxPool, GlobalMaxPool), _max_pool),
    AvgPool: _input("PyTorch keeps the input for its size"),
    AdaptiveAvgPool: _adaptive_average,
    LpPool: _norm_pool,
    BatchNorm: _batch_norm,
    operators.Norm: _norm,
    pointwise.Dropout: _dropout,
    **dict.fromkeys(
        (
            pointwise.ReLU,
            pointwise.Sigmoid,
            pointwise.Tanh,
            pointwise.Softmax,
            pointwise.Softmin,
            pointwise.LogSoftmax,
        ),
        _output("the slope is a formula of the output"),
    ),
    **dict.fromkeys((pointwise.LeakyReLU, pointwise.ELU, pointwise.SELU), _in_place_or_input),
    **dict.fromkeys(
        (
            pointwise.ReLU6,
            pointwise.Hardtanh,
            pointwise.PReLU,
            pointwise.GELU,
            pointwise.SiLU,
            pointwise.Softplus,
        ),
        _input("the slope depends on the input"),
    ),
    pointwise.LogSigmoid: _log_sigmoid,
    pointwise.Softsign: _soft_sign,
    Pad: _pad,
    operators.Elementwise: _elementwise,
    operators.Reduce: _reduce,
    operators.MatMul: _matmul,
    operators.Attention: _attention,
    operators.Recurrent: _recurrent,
    operators.Embedding: _input("the gradient goes to the rows that were looked up"),
    **dict.fromkeys(
        (
            pointwise.Identity,
            GlobalAvgPool,
            Flatten,
            Add,
            Concat,
            Upsample,
            operators.Source,
            operators.Rearrange,
        ),
        _nothing,
    ),
}


def saved_by(row: Row) -> Saved | None:
    """What the layer saves for its backward pass; None for a layer nobody knows."""
    rule = SAVED_RULES.get(type(row.layer))
    if rule is None or row.output_shape is None or None in row.input_shapes:
        return None
    found = rule(row.layer, row)
    if not row.node.in_place or 0 not in found.inputs:
        return found
    others = tuple(place for place in found.inputs if place)
    return replace(found, inputs=others, extras=(*found.extras, Extra("copy of the input", _read(row))))
