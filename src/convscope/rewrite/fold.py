"""`fold`: batch normalisation taken into the weights of the layer beside it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray, LazyTable, RationalArray, SymbolicArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, Finding, Formula, Text, text
from convscope.core.expression import Expression, Number, Product, Quotient, Root, Symbol, equation
from convscope.core.layer import Layer, replaced
from convscope.core.number import Exact
from convscope.core.structural import BatchNorm, Linear
from convscope.core.windowed import Windowed
from convscope.errors import InputError, ShapeError
from convscope.rewrite.affine import affine_map, channel_scales
from convscope.rewrite.affine_map import Places
from convscope.rewrite.border import Border, border_between, sample_lengths
from convscope.rewrite.rewritten import Rewritten, chain_words
from convscope.worked.arithmetic import add, bilinear, is_zero, multiply
from convscope.worked.convolution import weights_of
from convscope.worked.many_floats import nearest_floats
from convscope.worked.symbolic import lift, lower
from convscope.worked.views import array_views

Weighted = Conv | ConvTranspose | Linear


def fold(first: Layer, second: Layer) -> Rewritten:
    """A layer with weights and a batch normalisation, before or after it, as one layer with weights.

    After it, each output channel's weights and bias are multiplied by weight / √(var + eps), and the
    normalisation's own shift is added. Before it, the same happens along the input channels. All exactly:
    a root that is no ratio stays a root.

    Args:
        first: the layer that comes first.
        second: the one that follows. One of the two is a `BatchNorm` with statistics, the other a `Conv`,
            `ConvTranspose` or `Linear` with weights.

    Returns:
        A `Rewritten` whose `layer` does what both did. A normalisation before a padded convolution shifts
        what the padding does not: where all channels agree the padding value makes up for it; where they
        do not, `border` holds the cells that differ.

    Raises:
        InputError: other layers, or no weights or statistics.
        ShapeError: channels that do not meet.

    Source: Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference" (2018), section 3.2.

    >>> fold(Conv("1 2; 3 4"), BatchNorm([1], [3], [4], [5], eps=1)).layer
    Conv(kernel([[2, 4], [6, 8]]), bias=matrix([3]))
    """
    pair = (first, second)
    kinds = tuple("norm" if isinstance(layer, BatchNorm) else "weights" for layer in pair)
    if set(kinds) != {"norm", "weights"} or not any(isinstance(layer, Weighted) for layer in pair):
        told = " and ".join(type(layer).__name__ for layer in pair)
        raise InputError(
            f"fold takes a BatchNorm and a Conv, ConvTranspose or Linear, in either order; got {told}"
        )
    title = text(f"Folded: {chain_words(pair)}")
    if isinstance(second, BatchNorm):
        assert isinstance(first, Weighted)  # noqa: S101 - seen above; tells the type checker
        layer = _after(first, second)
        return Rewritten(title, pair, (layer,), (_step(layer, after=True),))
    assert isinstance(first, BatchNorm)  # noqa: S101 - seen above; tells the type checker
    assert isinstance(second, Weighted)  # noqa: S101
    layer, remark = _before(first, second)
    border = _border(pair, layer)
    return Rewritten(
        title, pair, (layer,), (_step(layer, after=False, remark=remark, border=border),), border
    )


def _weights(layer: Weighted) -> ExactArray:
    if not isinstance(layer, Linear):
        return weights_of(layer)
    if layer.weight is None:
        raise InputError("Linear: it has no weights, only sizes; give weights of shape (out, in)")
    return layer.weight


def _bias(layer: Weighted) -> ExactArray | None:
    return layer.bias if isinstance(layer.bias, ExactArray) else None


def _terms(norm: BatchNorm, channels: int, where: str) -> tuple[list[Exact], list[Exact]]:
    if norm.num_features is not None and norm.num_features != channels:
        raise ShapeError(
            f"BatchNorm: it has statistics for {norm.num_features} channels but the layer {where} it has "
            f"{channels}"
        )
    return channel_scales(norm, channels)


def _changed(layer: Weighted, weight: ExactArray, bias: ExactArray, **more: Any) -> Any:  # noqa: ANN401
    """The layer with other weights and a bias, all its options kept."""
    if isinstance(layer, Linear):
        return replaced(layer, weight=weight, bias=bias)
    kernel = None
    if layer.kernel is not None:
        kernel = type(layer.kernel)(weight[0, 0])
    return replaced(layer, weight=weight, kernel=kernel, bias=bias, **more)


def _after(layer: Weighted, norm: BatchNorm) -> Weighted:
    weight = _weights(layer)
    out = layer.out_features if isinstance(layer, Linear) else layer.out_channels
    scales, shifts = _terms(norm, out, "before")
    if isinstance(layer, ConvTranspose):
        # Weights are (in, out/groups, *kernel): group by group the second axis runs over the outputs.
        channel = _by_group(out, layer.groups, weight.shape[0])
    else:
        channel = np.broadcast_to(np.arange(out)[:, None], weight.shape[:2])
    own = _bias(layer)
    bias = from_cells(shifts, (out,))
    if own is not None:
        bias = add(multiply(own, from_cells(scales, (out,))), bias)
    changed: Weighted = _changed(layer, scaled(weight, channel, scales), bias)
    return changed


def _before(norm: BatchNorm, layer: Weighted) -> tuple[Weighted, Text]:
    if isinstance(layer, ConvTranspose):
        raise InputError(
            "fold: a BatchNorm before a ConvTranspose adds unlike amounts to neighbouring outputs where "
            "stamps overlap unlike often, so no bias makes up for it; a BatchNorm after it can be folded"
        )
    weight = _weights(layer)
    into = layer.in_features if isinstance(layer, Linear) else layer.in_channels
    assert into is not None  # noqa: S101 - there are weights; tells the type checker
    scales, shifts = _terms(norm, into, "after")
    # Weights are (out, in/groups, *kernel): each output channel sees the inputs of its group.
    channel = _by_group(into, 1 if isinstance(layer, Linear) else layer.groups, weight.shape[0])
    bias = _shifted(weight, from_cells(shifts, (into,)).rearranged(lambda cells: cells[channel]))
    own = _bias(layer)
    bias = bias if own is None else add(bias, own)
    more, remark = _filled(layer, norm, scales)
    changed: Weighted = _changed(layer, scaled(weight, channel, scales), bias, **more)
    return changed, remark


def _by_group(channels: int, groups: int, lines: int) -> Places:
    """The channel of each entry of the weights' second axis, for every line of their first."""
    return np.arange(channels).reshape(groups, -1).repeat(lines // groups, axis=0)


def scaled(weight: ExactArray, channel: Places, scales: list[Exact]) -> ExactArray:
    """Weights, each times the number of its channel.

    Args:
        weight: of shape ``(a, b, …)``.
        channel: of shape ``(a, b)``.
        scales: one for each channel. Where some are no ratios, a product is made when it is looked at.
    """
    places = channel.reshape(*channel.shape, *(1,) * (weight.ndim - 2))
    if not isinstance(weight, RationalArray) or all(isinstance(scale, Fraction) for scale in scales):
        return multiply(weight, from_cells(scales, (len(scales),)).rearranged(lambda cells: cells[places]))
    numerators, codes = np.unique(weight.numerators, return_inverse=True)
    keys = codes.reshape(weight.shape) * len(scales) + places
    pairs, cells = np.unique(keys, return_inverse=True)
    which, denominator = pairs % len(scales), weight.denominator
    tops = numerators[pairs // len(scales)]

    def product(place: int) -> Exact:
        return lower(Fraction(int(tops[place]), denominator) * lift(scales[int(which[place])]))

    def floats() -> npt.NDArray[np.float64]:
        found, decided = np.zeros(len(pairs)), np.zeros(len(pairs), dtype=bool)
        for number, scale in enumerate(scales):
            here = which == number
            formula = Product((Symbol("x"), Number(scale)))
            found[here], decided[here] = nearest_floats(formula, tops[here], denominator)
        for place in np.flatnonzero(~decided):
            found[place] = float(table[int(place)])
        return found

    table = LazyTable(len(pairs), product, floats)
    return SymbolicArray(table, cells.reshape(weight.shape))


def _shifted(weight: ExactArray, added: ExactArray) -> ExactArray:
    """What the shifts of the inputs come to in each output, where the whole window lies inside."""
    one = RationalArray(np.ones((), dtype=np.int64))
    kernel_cells = math.prod(weight.shape[2:])
    flat = weight.reshape((*weight.shape[:2], kernel_cells))
    sums = bilinear(flat, one, lambda w, ones: w.sum(axis=2) * ones, terms=kernel_cells, products=weight.size)
    return bilinear(sums, added, lambda w, b: (w * b).sum(axis=1), terms=weight.shape[1], products=sums.size)


def _filled(layer: Weighted, norm: BatchNorm, scales: list[Exact]) -> tuple[dict[str, Any], Text]:
    """The padding of a convolution after a normalisation: the number that becomes what was padded with."""
    if not isinstance(layer, Conv) or layer.padding_mode not in ("zeros", "constant"):
        return {}, ()
    if layer.padding != "same" and not any(any(pair) for pair in layer.padding):
        return {}, ()
    found = {
        _made_up(norm, channel, scale, layer.padding_value)
        for channel, scale in enumerate(scales)
        if not is_zero(scale)
    }
    (value, *others) = found or {None}
    if value is None or others or value == layer.padding_value:
        return {}, ()
    told = text(
        "The padding came after the normalisation; now it comes before it, so it pads with ", value,
        ", which the normalisation would have made ", layer.padding_value, ".",
    )  # fmt: skip
    return {"padding_mode": "constant", "padding_value": value}, told


def _made_up(norm: BatchNorm, channel: int, scale: Exact, wanted: Fraction) -> Fraction | None:
    """The ratio that one channel's normalisation turns into the wanted one; None where none is known."""
    assert norm.running_mean is not None  # noqa: S101 - there are statistics; tells the type checker
    mean = norm.running_mean.cell((channel,))
    bias = Fraction(0) if norm.bias is None else norm.bias.cell((channel,))
    if not isinstance(mean, Fraction) or not isinstance(bias, Fraction):
        return None
    if bias == wanted:
        return mean
    return mean - (bias - wanted) / scale if isinstance(scale, Fraction) else None


def _border(pair: tuple[Layer, Layer], layer: Weighted) -> Border | None:
    if not isinstance(layer, Windowed):
        return None
    assert isinstance(layer, Conv)  # noqa: S101 - the other kind is refused; tells the type checker
    shape = (layer.in_channels or 1, *sample_lengths((layer,), len(layer.kernel_size)))
    return border_between(affine_map(pair, shape), affine_map(layer, shape))


# --- in words ---------------------------------------------------------------------------------


def _step(layer: Weighted, *, after: bool, remark: Text = (), border: Border | None = None) -> Step:
    weight, bias, mean = Symbol("w"), Symbol("b"), Symbol("mean")
    scale = Symbol("s")
    side = "output" if after else "input"
    told = text(
        "A normalisation with stored statistics multiplies each channel by its ", scale, " and adds ",
        Symbol("bias") - Product((mean, scale)), f". Along the {side} channels the weights become ",
        Product((scale, weight)), " and the bias ", _bias_formula(scale, bias, mean, after=after), ". ",
        *remark,
    )  # fmt: skip
    factor = Formula(equation(scale, Quotient(Symbol("weight"), Root(Symbol("var") + Symbol("eps")))))
    weights = _weights(layer)
    own = _bias(layer)
    blocks: list[Block] = [factor]
    plain = weights[0, 0] if weights.ndim > 2 and weights.shape[:2] == (1, 1) else weights
    blocks += array_views(plain, text("Folded weights"))
    if own is not None:
        blocks += array_views(own.reshape((1, own.size)), text("Folded bias"))
    if border is None:
        blocks.append(Finding("right", text("The one layer does what the two did, for every input.")))
    return Step(told, tuple(blocks))


def _bias_formula(scale: Expression, bias: Expression, mean: Expression, *, after: bool) -> Expression:
    if after:
        return Product((scale, bias - mean)) + Symbol("bias")
    return bias + Product((Symbol("Σ w"), Symbol("bias") - Product((mean, scale))))
