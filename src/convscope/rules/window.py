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
from convscope.rules.formula import Fact, at_least, ceil_div, symbol_named

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
    total = max((-(-n // stride) - 1) * stride + extent - n, 0)
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
    axes: list[Axis] = []
    for axis, n in enumerate(spatial):
        options = (layer.kernel_size, layer.stride, layer.dilation, layer.padding)
        as_before = axis > 0 and all(o == "same" or o[axis] == o[axis - 1] for o in (spatial, *options))
        # Most layers are square: what holds for one axis then holds for the next.
        axes.append(axes[-1] if as_before else _window_axis(layer, axis, n))
    return tuple(axes)


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
