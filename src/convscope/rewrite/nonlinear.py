"""Layers in order brought to a normal form by rules that hold for every input.

Two chains with one normal form are equal; the rules are a table, each with the sentence that a proof
shows for it. What no rule brings together is searched for a counterexample instead (`search`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from convscope.core.array import RationalArray, from_cells, from_table
from convscope.core.convolution import Conv
from convscope.core.layer import Layer, replaced
from convscope.core.pointwise import (
    ELU,
    GELU,
    SELU,
    Dropout,
    Identity,
    LogSigmoid,
    LogSoftmax,
    Pointwise,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from convscope.core.pooling import AdaptiveMaxPool, GlobalMaxPool, MaxPool
from convscope.core.structural import Flatten, Pad, Upsample
from convscope.rewrite.affine import is_affine
from convscope.rewrite.affine_map import nonzero
from convscope.rewrite.piecewise import Piecewise, piecewise_of
from convscope.worked.arithmetic import multiply

Item = Layer | Piecewise
Kind = Literal["linear", "pointwise", "max", "other"]

MAX_POOLS = (MaxPool, AdaptiveMaxPool, GlobalMaxPool)
# Activations without straight pieces that never fall as x grows.
INCREASING = (Sigmoid, LogSigmoid, Tanh, Softplus, Softsign, SELU)
# Those that are 0 at 0.
THROUGH_ZERO = (Tanh, Softsign, ELU, SELU, SiLU, GELU)
COPYING_MODES = ("reflect", "replicate", "circular")

ALONE = "The largest of one cell is that cell: max pooling of one cell with stride 1 changes nothing."
DROPPED = "Identity and, at inference, dropout leave every number as it is."
COMPOSED = "Activations made of straight pieces, one after the other, are one such function."
NOTHING = "The activations cancel: together they leave every number as it is."
MAX_SWAP = (
    "A function that never falls keeps the largest of a window the largest, so it may be applied before "
    "max pooling as well as after it."
)
COPY_SWAP = "A layer that only copies cells may come before or after a function of each number alone."
SOFTMAX_AGAIN = (
    "Softmax of a log-softmax is the softmax, and log-softmax of it is itself: their exponentials sum to 1."
)
SCALED = "f(c·x) = c·f(x) for c > 0, so a channel's positive factor may come before or after f."


@dataclass(frozen=True, slots=True)
class Block:
    """A run of layers of one kind.

    Attributes:
        kind: what they are.
        layers: in order; none for a function that rules made.
        function: for straight pieces, the function.
    """

    kind: Kind
    layers: tuple[Layer, ...]
    function: Piecewise | None = None


@dataclass(frozen=True, slots=True)
class NormalForm:
    """Blocks of unlike kinds in order, and the rules that led to them."""

    blocks: tuple[Block, ...]
    rules: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_linear(self) -> bool:
        """True for layers that are linear altogether."""
        return all(block.kind == "linear" for block in self.blocks)


def normal_form(layers: Sequence[Item], *, scaled: bool = False) -> NormalForm:
    """The blocks that layers in order come to; `scaled`, positive factors are brought behind activations."""
    rule_set = (*RULES, *SCALING_RULES) if scaled else RULES
    rules: dict[str, None] = {}
    items: list[Item] = []
    for layer in layers:
        if isinstance(layer, Identity | Dropout):
            rules[DROPPED] = None
        elif isinstance(layer, MaxPool) and {*layer.kernel_size, *layer.stride} == {1}:
            rules[ALONE] = None
        else:
            items.append(layer if isinstance(layer, Piecewise) else _item(layer))
    while any(_applied(items, place, rules, rule_set) for place in range(len(items))):
        pass
    return NormalForm(_blocks(items), tuple(rules))


def _item(layer: Layer) -> Item:
    if isinstance(layer, AdaptiveMaxPool) and set(layer.output_size) == {1} and layer.rank is None:
        return GlobalMaxPool()
    return piecewise_of(layer) or layer


def _applied(items: list[Item], place: int, rules: dict[str, None], rule_set: Sequence[Rule]) -> bool:
    """Apply the first rule that fits at this place; False where none does."""
    found: object = items[place]
    if isinstance(found, Piecewise) and found.is_identity:
        rules[NOTHING] = None
        del items[place]
        return True
    if place == 0:
        return False
    pair = items[place - 1], items[place]
    for rule in rule_set:
        made = rule(*pair)
        if made is not None:
            told, new = made
            rules[told] = None
            items[place - 1 : place + 1] = new
            return True
    return False


def _blocks(items: Sequence[Item]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for item in items:
        if isinstance(item, Piecewise):
            blocks.append(Block("pointwise", (), item))
            continue
        kind: Kind = (
            "linear"
            if is_affine(item)
            else "max"
            if isinstance(item, MAX_POOLS)
            else "pointwise"
            if isinstance(item, Pointwise)
            else "other"
        )
        if blocks and blocks[-1].kind == kind and kind in ("linear", "max"):
            blocks[-1] = Block(kind, (*blocks[-1].layers, item))
        else:
            blocks.append(Block(kind, (item,)))
    return tuple(blocks)


# --- the rules --------------------------------------------------------------------------------

Made = tuple[str, list[Item]] | None


def _compose(first: Item, second: Item) -> Made:
    if isinstance(first, Piecewise) and isinstance(second, Piecewise):
        return COMPOSED, [second.after(first)]
    return None


def _before_max(first: Item, second: Item) -> Made:
    if isinstance(first, MAX_POOLS) and _is_increasing(second):
        return MAX_SWAP, [second, first]
    return None


def _is_increasing(item: Item) -> bool:
    if isinstance(item, Piecewise):
        return item.is_increasing
    return isinstance(item, INCREASING) or (isinstance(item, ELU) and item.alpha >= 0)


def _before_copy(first: Item, second: Item) -> Made:
    if isinstance(second, Piecewise | Pointwise) and not _by_channel(second) and _copies(first, second):
        return COPY_SWAP, [second, first]
    return None


def _by_channel(item: Item) -> bool:
    """A function that is another one in another channel, which flattening takes away."""
    return hasattr(item, "weight")


def _copies(layer: Item, function: Item) -> bool:
    match layer:
        case Flatten():
            return True
        case Upsample(mode="nearest"):
            return True
        case Pad(padding_mode=mode, padding_value=value):
            return mode in COPYING_MODES or _keeps(function, value)
        case _:
            return False


def _keeps(function: Item, value: Fraction) -> bool:
    if isinstance(function, Piecewise):
        return function(value) == value
    return value == 0 and isinstance(function, THROUGH_ZERO)


def _softmax_again(first: Item, second: Item) -> Made:
    if isinstance(first, LogSoftmax) and isinstance(second, Softmax | LogSoftmax) and first.dim == second.dim:
        return SOFTMAX_AGAIN, [second]
    return None


def _scale_after(first: Item, second: Item) -> Made:
    """A convolution before f with each channel's first weight made ±1, and its factors after f."""
    if not (isinstance(first, Conv) and isinstance(second, Piecewise) and second.is_homogeneous):
        return None
    weight = first.weight
    if not isinstance(weight, RationalArray) or not isinstance(first.bias, RationalArray | bool):
        return None
    flat = weight.reshape((weight.shape[0], -1))
    used = nonzero(flat)
    if not used.any(axis=1).all():
        return None
    chosen = used.argmax(axis=1)
    factors = [abs(flat.cell((row, int(column)))) for row, column in enumerate(chosen)]  # type: ignore[arg-type]
    if all(factor == 1 for factor in factors):
        return None
    inverse = from_cells([1 / factor for factor in factors], (len(factors),))
    bias = first.bias if isinstance(first.bias, bool) else multiply(first.bias, inverse)
    scaled = multiply(weight, inverse.reshape((-1, *(1,) * (weight.ndim - 1))))
    left: Layer = replaced(first, weight=scaled, bias=bias, kernel=None)
    return SCALED, [left, second, _diagonal(factors, weight.ndim - 2)]


def _scale_past_max(first: Item, second: Item) -> Made:
    if isinstance(first, Conv) and isinstance(second, MAX_POOLS) and _is_positive_scale(first):
        return SCALED, [second, first]
    return None


def _is_positive_scale(layer: Conv) -> bool:
    """A 1×1 convolution, made by a rule here, that multiplies each channel by a positive number."""
    weight = layer.weight
    if not isinstance(weight, RationalArray) or layer.bias is not False or set(weight.shape[2:]) != {1}:
        return False
    if weight.shape[0] != weight.shape[1] or layer.padding == "same" or any(map(any, layer.padding)):
        return False
    if set(layer.stride) != {1}:
        return False
    plane = weight.numerators.reshape(weight.shape[:2])
    return bool((np.diag(plane) > 0).all() and np.count_nonzero(plane) == len(plane))


def _diagonal(factors: Sequence[Fraction], rank: int) -> Conv:
    count = len(factors)
    codes = np.full((count, count), count, dtype=np.int64)
    np.fill_diagonal(codes, np.arange(count))
    weight = from_table([*factors, Fraction(0)], codes.reshape((count, count, *(1,) * rank)))
    return Conv(weight, bias=False)


Rule = Callable[[Any, Any], Made]
RULES: tuple[Rule, ...] = (_compose, _before_max, _before_copy, _softmax_again)
# Chains that are written alike are compared as they are; these bring more of them together.
SCALING_RULES: tuple[Rule, ...] = (_scale_after, _scale_past_max)
