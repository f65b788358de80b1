"""What each published counter counts, layer type by layer type: one table a counter.

A rule reads a row of a network and returns `Parts`: the terms that the counter adds up for this
layer, each with the words that say what it is. An empty tuple is a counted 0. `PLAIN` stands for
the row's own multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, Any, TypeAlias

from convscope.core import operators, pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, repeated
from convscope.core.network import Shape
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Linear, Upsample
from convscope.rules.cost import GATES, Term, axis_names, product

if TYPE_CHECKING:
    from convscope.rules.network import Row

MULTIHEAD = "MultiheadAttention"

AVERAGES: tuple[type[Layer], ...] = (AdaptiveAvgPool, GlobalAvgPool)
POOLS: tuple[type[Layer], ...] = (
    MaxPool,
    AvgPool,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    GlobalAvgPool,
    GlobalMaxPool,
)
PRODUCTS: tuple[type[Layer], ...] = (
    Conv,
    ConvTranspose,
    Linear,
    operators.MatMul,
    operators.Attention,
    operators.Recurrent,
)


@dataclass(frozen=True, slots=True)
class Plain:
    """The row's own multiply-adds, and what one of them counts as."""

    times: int = 1


PLAIN = Plain()
Part: TypeAlias = Term | Plain
Parts: TypeAlias = tuple[Part, ...]
Rule: TypeAlias = "Callable[[Any, Row], Parts]"
Rules: TypeAlias = "Mapping[type[Layer], Rule]"

NOTHING: Parts = ()


def _cells(shape: Shape) -> int:
    return reduce(mul, shape, 1)


def _read(row: Row) -> Shape:
    """Shape of the input."""
    return row.input_shapes[0] or ()


def _made(row: Row) -> Shape:
    """Shape of the output."""
    return row.output_shape or ()


def _each(times: int | Fraction, shape: Shape, why: str) -> Term:
    """So many operations for each cell of an array."""
    cells = dict(zip(axis_names(shape), shape, strict=True)) or {"cells": 1}
    return Term(product, cells if times == 1 else {"c": times, **cells}, (why,))


def _is_affine(row: Row) -> bool:
    return bool(row.params)


def _has_bias(row: Row) -> bool:
    """Whether a layer with weights has biases too: an array of one axis."""
    return any(w.is_parameter and len(w.shape) == 1 for w in row.cost.weights or ())


def _spatial(row: Row) -> int:
    return len(_read(row)) - 1


def _plain(layer: Layer, row: Row) -> Parts:  # noqa: ARG001 - a rule's signature
    return (PLAIN,)


def _all_cells_made(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    return (_each(1, _made(row), "One operation for each cell of the output"),)


def _all_cells_read(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    return (_each(1, _read(row), "One operation for each cell of the input"),)


# --- torch and torchvision --------------------------------------------------------------------


def _doubled(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    return (Plain(2),)


TORCH: Rules = dict.fromkeys(PRODUCTS, _doubled)
TORCHVISION: Rules = dict.fromkeys(PRODUCTS, _plain)


# --- fvcore -----------------------------------------------------------------------------------


def _fvcore_batch_norm(layer: BatchNorm, row: Row) -> Parts:  # noqa: ARG001
    times = 2 if _is_affine(row) else 1
    return (_each(times, _read(row), f"Batch normalisation: {times} for each cell"),)


def _fvcore_norm(layer: operators.Norm, row: Row) -> Parts:
    if layer.kind not in ("layer", "group", "instance"):
        return NOTHING
    times = 5 if _is_affine(row) else 4
    return (_each(times, _read(row), f"Normalisation: {times} for each cell, a rough estimate of its own"),)


def _fvcore_upsample(layer: Upsample, row: Row) -> Parts:
    times = {"nearest": 1, "bilinear": 4, "linear": 4}[layer.mode] if _spatial(row) == 2 else 0
    return (_each(times, _made(row), f"Resizing: {times} for each cell of the output"),) if times else NOTHING


def _fvcore_average(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    if _spatial(row) != 2:
        return NOTHING
    return (_each(1, _read(row), "Adaptive average: one addition for each cell of the input"),)


FVCORE: Rules = {
    **dict.fromkeys((Conv, ConvTranspose, Linear, operators.MatMul), _plain),
    BatchNorm: _fvcore_batch_norm,
    operators.Norm: _fvcore_norm,
    Upsample: _fvcore_upsample,
    **dict.fromkeys(AVERAGES, _fvcore_average),
}


# --- ptflops, PyTorch backend -----------------------------------------------------------------
# It hooks modules and, besides, replaces functions of torch.nn.functional; what a module computes
# by such a function is counted twice.

_HOOKED = "The module's hook: one for each cell"
# These modules keep the activation function they were built with, not the one that replaces it.
_KEEP_ACTIVATION = ("TransformerEncoderLayer", "TransformerDecoderLayer")
_PATCHED = "The function it calls is counted again: one for each cell"


def _ptflops_weighted(layer: Conv | ConvTranspose | Linear, row: Row) -> Parts:  # noqa: ARG001
    if not _has_bias(row):
        return (PLAIN,)
    return PLAIN, _each(1, _made(row), "One addition of a bias for each cell of the output")


def _ptflops_norm(layer: BatchNorm | operators.Norm, row: Row) -> Parts:
    kind = layer.kind if isinstance(layer, operators.Norm) else "batch"
    if kind not in ("batch", "layer", "group", "instance"):
        return NOTHING
    times = 2 if kind != "layer" and _is_affine(row) else 1
    return (_each(times, _read(row), f"Normalisation: {times} for each cell"),)


def _hooked(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    return (_each(1, _read(row), _HOOKED),)


def _hooked_upsample(layer: Upsample, row: Row) -> Parts:  # noqa: ARG001
    return (_each(1, _made(row), "The module's hook: one for each cell of the output"),)


def _patched(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    if row.node.module in _KEEP_ACTIVATION:
        return NOTHING
    return (_each(1, _read(row), _PATCHED),)


def _patched_upsample(layer: Upsample, row: Row) -> Parts:
    why = "The function it calls is counted again: the input's cells times the factors"
    if layer.size is not None:
        return (_each(1, _made(row), why),)
    factor = reduce(mul, repeated(layer.scale_factor or (), _spatial(row)), Fraction(1))
    return (_each(factor, _read(row), why),)


def _patched_norm_pool(layer: LpPool, row: Row) -> Parts:  # noqa: ARG001
    why = "An average pooling of the powers, and a ReLU and a product of what it gives"
    return _each(1, _read(row), why), _each(2, _made(row), why)


def _attention_scaled(layer: operators.Attention, row: Row) -> Parts:
    """As in the hook of MultiheadAttention; the fused operator is seen nowhere else."""
    if row.node.module != MULTIHEAD:
        return NOTHING
    queries = layer.heads * layer.queries
    return (
        PLAIN,
        _each(1, (queries, layer.features), "One for each scaled query cell"),
        _each(1, (queries, layer.keys), "One for each cell of the softmax"),
    )


_RECURRENT_EXTRAS = {"rnn": 1, "gru": 7, "lstm": 10}  # additions and gates, in states


def recurrent_extras(t: Any, directions: Any, c: Any, hidden: Any) -> Any:  # noqa: ANN401
    """So many operations at each position on numbers of the size of the state."""
    return t * directions * c * hidden


def _recurrent_term(layer: operators.Recurrent, row: Row, extras: int, why: str) -> Term:
    positions = _cells(_read(row)[:-1])
    numbers = {"t": positions, "directions": layer.directions, "c": extras, "hidden": layer.hidden}
    return Term(recurrent_extras, numbers, (why,))


def _ptflops_recurrent(layer: operators.Recurrent, row: Row) -> Parts:
    extras = _RECURRENT_EXTRAS[layer.kind] + (2 * GATES[layer.kind] if _has_bias(row) else 0)
    return PLAIN, _recurrent_term(layer, row, extras, "Biases, sums and products of gates")


def _hooked_elementwise(layer: operators.Elementwise, row: Row) -> Parts:
    """A parametric ReLU recorded with its slopes as an array, or the scaling in MultiheadAttention."""
    if layer.op == "mul" and row.node.module == MULTIHEAD:
        return (_each(1, _made(row), "One for each scaled query cell"),)
    return _hooked(layer, row) if layer.op == "prelu" else NOTHING


def _in_attention(layer: operators.MatMul | pointwise.Softmax, row: Row) -> Parts:
    """The hook of MultiheadAttention counts its steps, besides the functions that it calls."""
    if row.node.module != MULTIHEAD:
        return NOTHING
    return (PLAIN,) if isinstance(layer, operators.MatMul) else _hooked(layer, row)


def _patched_slopes(layer: operators.Elementwise, row: Row) -> Parts:
    return _patched(layer, row) if layer.op == "prelu" else NOTHING


PTFLOPS_MODULES: Rules = {
    operators.Elementwise: _hooked_elementwise,
    **dict.fromkeys((operators.MatMul, pointwise.Softmax), _in_attention),
    **dict.fromkeys((Conv, ConvTranspose, Linear), _ptflops_weighted),
    **dict.fromkeys((BatchNorm, operators.Norm), _ptflops_norm),
    **dict.fromkeys(
        (
            *POOLS,
            pointwise.ReLU,
            pointwise.PReLU,
            pointwise.ELU,
            pointwise.LeakyReLU,
            pointwise.ReLU6,
            pointwise.GELU,
        ),
        _hooked,
    ),
    Upsample: _hooked_upsample,
    operators.Recurrent: _ptflops_recurrent,
    operators.Attention: _attention_scaled,
}
PTFLOPS_FUNCTIONS: Rules = {
    operators.Elementwise: _patched_slopes,
    **dict.fromkeys(
        (
            *POOLS,
            pointwise.ReLU,
            pointwise.PReLU,
            pointwise.ELU,
            pointwise.GELU,
            pointwise.SiLU,
            pointwise.Softmax,
        ),
        _patched,
    ),
    Upsample: _patched_upsample,
    LpPool: _patched_norm_pool,
    operators.MatMul: _plain,
}
# F.relu6 is replaced too, but nn.ReLU6 does not call it.
PTFLOPS_ELSEWHERE: Rules = {pointwise.ReLU6: _patched}


# --- thop -------------------------------------------------------------------------------------


def thop_stamps(**factors: Any) -> Any:  # noqa: ANN401
    """Every cell of the output times the taps of its group."""
    into = factors.pop("C_in")
    groups = factors.pop("g", None)
    taps = [value for name, value in factors.items() if name.startswith("k")]
    cells = [value for name, value in factors.items() if not name.startswith("k")]
    return reduce(mul, (*cells, into if groups is None else into / groups, *taps))


def _item(layer: ConvTranspose, row: Row) -> tuple[dict[str, Any], Shape, Shape]:
    """Input and output of one item, and how many there are where frames were put through as a batch."""
    read, made = _read(row), _made(row)
    if layer.rank is None or len(read) != layer.rank + 2:
        return {}, read, made
    return {"m": read[0]}, read[1:], made[1:]


def _thop_transposed(layer: ConvTranspose, row: Row) -> Parts:
    numbers, read, made = _item(layer, row)
    rank = len(read) - 1
    numbers["C_out"] = layer.out_channels
    numbers |= dict(zip(("D_out", "H_out", "W_out")[3 - rank :], made[1:], strict=True))
    numbers["C_in"] = Fraction(read[0])
    if layer.groups > 1:
        numbers["g"] = layer.groups
    taps = zip(("k_depth", "k_height", "k_width")[3 - rank :], repeated(layer.kernel_size, rank), strict=True)
    why = "The taps are counted for each cell of the output, though each cell of the input stamps them once"
    return (Term(thop_stamps, {**numbers, **dict(taps)}, (why,)),)


def _thop_norm(layer: BatchNorm | operators.Norm, row: Row) -> Parts:
    if isinstance(layer, operators.Norm) and layer.kind not in ("layer", "instance"):
        return NOTHING
    times = 4 if _is_affine(row) else 2
    return (_each(times, _read(row), f"Normalisation: {times} for each cell"),)


def softmax_work(slices: Any, n: Any) -> Any:  # noqa: ANN401
    """In each slice n exponentials, n − 1 additions and n divisions."""
    return slices * (3 * n - 1)


def _thop_softmax(layer: pointwise.Softmax, row: Row) -> Parts:
    shape = (1, *_read(row))  # its axes are counted with the batch axis
    length = shape[layer.dim]
    why = "Exponentials, additions and divisions of the softmax"
    return (Term(softmax_work, {"slices": _cells(shape) // length, "n": length}, (why,)),)


def _thop_adaptive(layer: Layer, row: Row) -> Parts:  # noqa: ARG001
    return (
        _each(1, _read(row), "One addition for each cell of the input"),
        _each(1, _made(row), "One division for each cell of the output"),
    )


def _thop_upsample(layer: Upsample, row: Row) -> Parts:
    modes = {"nearest": 1, "linear": 5 if _spatial(row) == 1 else 0, "bilinear": 11}
    times = modes.get(layer.mode, 0)
    return (_each(times, _made(row), f"Resizing: {times} for each cell of the output"),) if times else NOTHING


_STATES = {"rnn": 1, "gru": 7, "lstm": 8}


def _thop_recurrent(layer: operators.Recurrent, row: Row) -> Parts:
    extras = _STATES[layer.kind] + (2 * GATES[layer.kind] if _has_bias(row) else 0)
    return PLAIN, _recurrent_term(layer, row, extras, "Biases, sums and products of gates")


def _thop_slopes(layer: operators.Elementwise, row: Row) -> Parts:
    return _all_cells_read(layer, row) if layer.op == "prelu" else NOTHING


THOP: Rules = {
    operators.Elementwise: _thop_slopes,
    **dict.fromkeys((Conv, Linear), _plain),
    ConvTranspose: _thop_transposed,
    **dict.fromkeys((BatchNorm, operators.Norm), _thop_norm),
    pointwise.PReLU: _all_cells_read,
    pointwise.Softmax: _thop_softmax,
    AvgPool: _all_cells_made,
    **dict.fromkeys(AVERAGES, _thop_adaptive),
    Upsample: _thop_upsample,
    operators.Recurrent: _thop_recurrent,
}


# --- TensorFlow's profiler, which is what is run on Keras models ------------------------------


def _tf_weighted(layer: Conv | Linear, row: Row) -> Parts:  # noqa: ARG001
    if not _has_bias(row):
        return (Plain(2),)
    return Plain(2), _each(1, _made(row), "One addition of a bias for each cell of the output")


def strided_stamps(**factors: Any) -> Any:  # noqa: ANN401
    """Twice the taps for each cell of the output, divided by the strides."""
    strides = [value for name, value in factors.items() if name.startswith("s_")]
    others = [value for name, value in factors.items() if not name.startswith("s_")]
    return reduce(mul, others, 2) / reduce(mul, strides)


def _tf_transposed(layer: ConvTranspose, row: Row) -> Parts:
    items, read, made = _item(layer, row)
    rank = len(read) - 1
    if rank > 2:
        return NOTHING
    axes = ("height", "width")[2 - rank :]
    sizes, strides = repeated(layer.kernel_size, rank), repeated(layer.stride, rank)
    numbers = {
        **items,
        **{f"{name[0].upper()}_out": n for name, n in zip(axes, made[1:], strict=True)},
        **{f"k_{name}": n for name, n in zip(axes, sizes, strict=True)},
        "C_in": read[0],
        "C_out": layer.out_channels,
        **{f"s_{name}": Fraction(n) for name, n in zip(axes, strides, strict=True)},
    }
    why = "The taps for each cell of the output, divided by the strides"
    bias = (_each(1, _made(row), "One addition of a bias for each cell of the output"),)
    return (Term(strided_stamps, numbers, (why,)), *(bias if _has_bias(row) else ()))


def _tf_pool(layer: MaxPool | AvgPool, row: Row) -> Parts:
    rank = layer.rank or _spatial(row)
    if rank > 2:
        return NOTHING
    window = reduce(mul, repeated(layer.kernel_size, rank), 1)
    return (_each(window, _made(row), "One operation for each cell of each window"),)


def _tf_softmax(layer: pointwise.Softmax, row: Row) -> Parts:  # noqa: ARG001
    return (_each(5, _read(row), "Softmax: 5 for each cell"),)


def _tf_add(layer: Add, row: Row) -> Parts:  # noqa: ARG001
    times = len(row.inputs) - 1
    return (_each(times, _made(row), "One addition for each cell and each further input"),)


TENSORFLOW: Rules = {
    **dict.fromkeys((Conv, Linear), _tf_weighted),
    operators.MatMul: _doubled,
    ConvTranspose: _tf_transposed,
    **dict.fromkeys((MaxPool, AvgPool), _tf_pool),
    GlobalAvgPool: _all_cells_read,
    pointwise.Softmax: _tf_softmax,
    Add: _tf_add,
}
