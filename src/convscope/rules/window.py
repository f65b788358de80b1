"""How many windows fit: the size of one axis after a layer that looks through a window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Inline, Text, text
from convscope.core.expression import Expression
from convscope.core.layer import Pair
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import Pad
from convscope.core.windowed import window_extent
from convscope.errors import ShapeError
from convscope.rules.formula import Fact, at_least, at_most, ceil_div, symbol_named

AXIS_NAMES: dict[int, tuple[str, ...]] = {
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}

# What the letters of the formulas stand for, in the order a reader meets them.
MEANINGS: dict[str, str] = {
    "n": "the input's length along the axis",
    "k": "the kernel's size",
    "d": "the dilation",
    "s": "the stride",
    "p": "the padding on each side",
    "p_before": "the padding before",
    "p_after": "the padding after",
    "p_out": "the output padding",
    "p_total": "the padding of both sides together",
    "f": "the scale factor",
    "n_out": "the output's length",
    "C_in": "the input's channels",
    "C_out": "the output's channels",
    "C": "the channels",
    "L_in": "the input's length",
    "D_in": "the input's depth",
    "H_in": "the input's height",
    "W_in": "the input's width",
    "L_out": "the output's length",
    "D_out": "the output's depth",
    "H_out": "the output's height",
    "W_out": "the output's width",
    "k_depth": "the kernel's depth",
    "k_height": "the kernel's height",
    "k_width": "the kernel's width",
    "g": "the groups",
    "a": "how many arrays of one number a channel",
    "m": "how many positions share the weights",
    "f_in": "the input's features",
    "f_out": "the output's features",
    "cells": "the cells of the output",
    "inner": "the length that is summed over",
    "h": "the heads",
    "N_q": "the queries of a head",
    "N_k": "the keys of a head",
    "F_k": "the features of a query or key",
    "F_v": "the features of a value",
    "t": "the positions in time",
    "hidden": "the size of the state",
    "b": "the bytes of a cell",
    "c": "the operations for each cell",
}

Quantity = TypeVar("Quantity", int, Expression)


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis through a layer: the facts that lead to its new size, and its padding.

    Attributes:
        facts: in order; the last one's value is the new size.
        padding: cells added (for a transposed convolution: cut off) before and after.
    """

    facts: tuple[Fact, ...]
    padding: Pair = (0, 0)

    @property
    def size(self) -> int:
        """The new size, in cells."""
        return self.facts[-1].value


def legend(facts: Iterable[Fact]) -> Text:
    """One sentence that says what the letters of these formulas stand for."""
    used = {name for fact in facts for name in (fact.symbol, *fact.arguments)}
    entries = [(name, meaning) for name, meaning in MEANINGS.items() if name in used]
    if not entries:
        return ()
    parts: list[Inline] = ["Here "]
    for position, (name, meaning) in enumerate(entries):
        last = position == len(entries) - 1
        parts += [" and " if last else ", "] if position else []
        parts += [symbol_named(name), f" is {meaning}"]
    return text(*parts, ".")


# --- formulas: run on integers for values, on symbols for explanations ------------------------
# Terms that a layer does not have (unequal padding, dilation) come as further arguments, so that
# a formula shows no term that says nothing.


def _padded(n: Quantity, more: Mapping[str, Quantity]) -> Quantity:
    return n + 2 * more["p"] if "p" in more else n + more["p_before"] + more["p_after"]


def _span(k: Quantity, more: Mapping[str, Quantity]) -> Quantity:
    return more["d"] * (k - 1) + 1 if "d" in more else k


def _windows(n: Quantity, k: Quantity, s: Quantity, **more: Quantity) -> Quantity:
    return (_padded(n, more) - _span(k, more)) // s + 1


def _windows_up(n: Quantity, k: Quantity, s: Quantity, **more: Quantity) -> Quantity:
    return ceil_div(_padded(n, more) - _span(k, more), s) + 1


def _windows_begun(n: Quantity, k: Quantity, s: Quantity, **more: Quantity) -> Quantity:
    """Those that start before the padding after the end, where that depends on the size."""
    reach = n + (more["p"] if "p" in more else more["p_before"])
    return at_most(_windows_up(n, k, s, **more), ceil_div(reach, s))  # type: ignore[no-any-return]


def _one_less(windows: Quantity) -> Quantity:
    return windows - 1


def _same(n: Quantity, s: Quantity) -> Quantity:
    return ceil_div(n, s)


def _same_total(n: Quantity, k: Quantity, s: Quantity, **more: Quantity) -> Quantity:
    return at_least(0, (ceil_div(n, s) - 1) * s + _span(k, more) - n)


def _half(p_total: Quantity) -> Quantity:
    return p_total // 2


def _rest(p_total: Quantity, p_before: Quantity) -> Quantity:
    return p_total - p_before


def _stamped(n: Quantity, k: Quantity, s: Quantity, **more: Quantity) -> Quantity:
    spread = (n - 1) * s + _span(k, more)
    cut = spread - 2 * more["p"] if "p" in more else spread - more["p_before"] - more["p_after"]
    return cut + more["p_out"] if "p_out" in more else cut


def _lengthened(n: Quantity, **more: Quantity) -> Quantity:
    return _padded(n, more)


# --- one axis ---------------------------------------------------------------------------------


def same_padding(n: int, extent: int, stride: int) -> Pair:
    """The padding that gives ⌈n/stride⌉ cells, an odd cell after the end.

    Source: TensorFlow's "SAME"; for stride 1 it is PyTorch's ``padding='same'``.

    >>> same_padding(4, 4, 1)
    (1, 2)
    """
    total = at_least(0, (-(-n // stride) - 1) * stride + extent - n)
    return total // 2, total - total // 2


def _padding_arguments(padding: Pair) -> dict[str, int]:
    before, after = padding
    return {"p": before} if before == after else {"p_before": before, "p_after": after}


def _window_arguments(n: int, size: int, stride: int, dilation: int) -> tuple[dict[str, int], Text]:
    """The numbers of a window's formula, and what dilation does to it, in words."""
    arguments = {"n": n, "k": size, "s": stride}
    if dilation == 1:
        return arguments, ()
    spread = text(
        "Dilation ", dilation, " spreads the taps, so that the kernel spans ",
        window_extent(size, dilation), " cells.",
    )  # fmt: skip
    return {**arguments, "d": dilation}, spread


def window_axes(layer: Conv | MaxPool | AvgPool | LpPool, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a layer that slides a window over an input of these lengths.

    Raises:
        ShapeError: a kernel larger than the padded input, or padding that its mode cannot fill.
    """
    layer = layer.for_rank(len(spatial))
    key = _axes_key(layer, spatial)
    known = None if key is None else _known_axes.get(key)
    if known is None:
        known = tuple(_window_axes(layer, spatial))
        if key is not None:
            if len(_known_axes) >= MAX_KNOWN:
                _known_axes.clear()
            _known_axes[key] = known
    return known


# Deep networks look through the same few windows at maps of the same few sizes.
MAX_KNOWN = 10_000
_known_axes: dict[tuple[object, ...], tuple[Axis, ...]] = {}


def _axes_key(layer: Conv | MaxPool | AvgPool | LpPool, spatial: Sequence[int]) -> tuple[object, ...] | None:
    """All that the axes follow from; None for sizes in letters, of which rules must be asked each time."""
    if any(type(n) is not int for n in spatial):
        return None
    mode = getattr(layer, "padding_mode", None), getattr(layer, "ceil_mode", None)
    return type(layer), layer.kernel_size, layer.stride, layer.padding, layer.dilation, mode, tuple(spatial)


def _window_axes(layer: Conv | MaxPool | AvgPool | LpPool, spatial: Sequence[int]) -> list[Axis]:
    axes: list[Axis] = []
    for axis, n in enumerate(spatial):
        options = (layer.kernel_size, layer.stride, layer.dilation, layer.padding)
        as_before = axis > 0 and all(o == "same" or o[axis] == o[axis - 1] for o in (spatial, *options))
        # Most layers are square: what holds for one axis then holds for the next.
        axes.append(axes[-1] if as_before else _window_axis(layer, axis, n))
    return axes


def _window_axis(layer: Conv | MaxPool | AvgPool | LpPool, axis: int, n: int) -> Axis:
    stride, size, dilation = layer.stride[axis], layer.kernel_size[axis], layer.dilation[axis]
    arguments, spread = _window_arguments(n, size, stride, dilation)
    extent = window_extent(size, dilation)
    if layer.padding == "same":
        pair = same_padding(n, extent, stride)
        _check_fill(layer, axis, n, pair)
        return Axis(_same_facts(arguments, spread), pair)
    pair = layer.padding[axis]
    _check_fill(layer, axis, n, pair)
    arguments |= _padding_arguments(pair)
    if getattr(layer, "ceil_mode", False):
        facts = _rounded_up(arguments, spread, n + pair[0])
    else:
        facts = (Fact("n_out", _windows, arguments, spread),)
    if facts[-1].value < 1:
        padded = f"{n + sum(pair)} with its padding" if sum(pair) else f"{n}"
        raise ShapeError(
            f"{type(layer).__name__}: the kernel spans {extent} cells but the input has only {padded} along "
            f"its {_axis_name(layer, axis)}; pad more, or take a smaller kernel or a larger input"
        )
    return Axis(facts, pair)


def _axis_name(layer: Conv | ConvTranspose | MaxPool | AvgPool | LpPool | Pad, axis: int) -> str:
    return AXIS_NAMES[layer.rank or 1][axis]


def _same_facts(arguments: dict[str, int], spread: Text) -> tuple[Fact, ...]:
    n, s = arguments["n"], arguments["s"]
    total = Fact("p_total", _same_total, arguments, spread)
    before = Fact("p_before", _half, {"p_total": total.value})
    after = Fact("p_after", _rest, {"p_total": total.value, "p_before": before.value})
    because = text("'same' padding gives one window for each stride, whatever the kernel.")
    return total, before, after, Fact("n_out", _same, {"n": n, "s": s}, because)


def _rounded_up(arguments: dict[str, int], spread: Text, reach: int) -> tuple[Fact, ...]:
    """The windows in ceil mode; a last one that starts at or beyond `reach` is dropped again."""
    rounding = text(*spread, *([" "] if spread else []), "Ceil mode rounds up, not down.")
    up = Fact("n_out", _windows_up, arguments, rounding)
    if up.is_symbolic:
        begun = Fact("n_out", _windows_begun, arguments, rounding)
        return (up,) if begun.value == up.value else (begun,)
    if (up.value - 1) * arguments["s"] < reach:
        return (up,)
    because = text("The last window would start in the padding after the end, so it is dropped.")
    windows = Fact("windows", _windows_up, arguments, rounding)
    return windows, Fact("n_out", _one_less, {"windows": up.value}, because)


def _check_fill(layer: Conv | MaxPool | AvgPool | LpPool | Pad, axis: int, n: int, pair: Pair) -> None:
    """Reflection cannot reach beyond the far border, nor a circle go round more than once."""
    mode = getattr(layer, "padding_mode", "zeros")
    beyond = {"reflect": 1, "circular": 0}.get(mode)
    if beyond is not None and max(pair) > n - beyond:
        raise ShapeError(
            f"{type(layer).__name__}: padding={max(pair)} with padding_mode='{mode}' needs an input of "
            f"at least {max(pair) + beyond} cells along its {_axis_name(layer, axis)}, got {n}"
        )


def transposed_axes(layer: ConvTranspose, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a transposed convolution.

    Raises:
        ShapeError: padding that cuts everything off.
    """
    layer = layer.for_rank(len(spatial))
    return tuple(_transposed_axis(layer, axis, n) for axis, n in enumerate(spatial))


def _transposed_axis(layer: ConvTranspose, axis: int, n: int) -> Axis:
    pair, size, stride = layer.padding[axis], layer.kernel_size[axis], layer.stride[axis]
    arguments, spread = _window_arguments(n, size, stride, layer.dilation[axis])
    arguments |= _padding_arguments(pair)
    if layer.output_padding[axis]:
        arguments["p_out"] = layer.output_padding[axis]
    fact = Fact("n_out", _stamped, arguments, spread)
    if fact.value < 1:
        raise ShapeError(
            f"ConvTranspose: padding={pair} cuts off the whole output along its {_axis_name(layer, axis)} "
            f"(input {n}, kernel spans {window_extent(size, layer.dilation[axis])}, stride {stride})"
        )
    return Axis((fact,), pair)


def padded_axes(layer: Pad, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a padding layer.

    Raises:
        ShapeError: padding that its mode cannot fill.
    """
    layer = layer.for_rank(len(spatial))
    axes = []
    for axis, n in enumerate(spatial):
        pair = layer.padding[axis]
        _check_fill(layer, axis, n, pair)
        axes.append(Axis((Fact("n_out", _lengthened, {"n": n, **_padding_arguments(pair)}),), pair))
    return tuple(axes)
