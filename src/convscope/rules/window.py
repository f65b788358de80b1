"""How many windows fit: the size of one axis after a layer that looks through a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import text
from convscope.core.expression import Expression
from convscope.core.layer import Pair
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import Pad
from convscope.core.windowed import window_extent
from convscope.errors import ShapeError
from convscope.rules.formula import Fact, ceil_div

AXIS_NAMES: dict[int, tuple[str, ...]] = {
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
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


# --- formulas: run on integers for values, on symbols for explanations ------------------------


def _span(k: Quantity, d: Quantity) -> Quantity:
    return d * (k - 1) + 1


def _windows(n: Quantity, k: Quantity, s: Quantity, p: Quantity) -> Quantity:
    return (n + 2 * p - k) // s + 1


def _windows_unequal(
    n: Quantity, k: Quantity, s: Quantity, p_before: Quantity, p_after: Quantity
) -> Quantity:
    return (n + p_before + p_after - k) // s + 1


def _windows_up(n: Quantity, k: Quantity, s: Quantity, p: Quantity) -> Quantity:
    return ceil_div(n + 2 * p - k, s) + 1


def _windows_up_unequal(
    n: Quantity, k: Quantity, s: Quantity, p_before: Quantity, p_after: Quantity
) -> Quantity:
    return ceil_div(n + p_before + p_after - k, s) + 1


def _same(n: Quantity, s: Quantity) -> Quantity:
    return ceil_div(n, s)


def _one_less(windows: Quantity) -> Quantity:
    return windows - 1


def _stamped(n: Quantity, k: Quantity, s: Quantity, p: Quantity, p_out: Quantity) -> Quantity:
    return (n - 1) * s - 2 * p + k + p_out


def _stamped_unequal(
    n: Quantity, k: Quantity, s: Quantity, p_before: Quantity, p_after: Quantity, p_out: Quantity
) -> Quantity:
    return (n - 1) * s - p_before - p_after + k + p_out


def _padded(n: Quantity, p_before: Quantity, p_after: Quantity) -> Quantity:
    return n + p_before + p_after


# --- one axis ---------------------------------------------------------------------------------


def same_padding(n: int, extent: int, stride: int) -> Pair:
    """The padding that gives ⌈n/stride⌉ cells, an odd cell after the end.

    Source: TensorFlow's "SAME"; for stride 1 it is PyTorch's ``padding='same'``.
    """
    total = max((-(-n // stride) - 1) * stride + extent - n, 0)
    return total // 2, total - total // 2


def _span_facts(size: int, dilation: int) -> tuple[Fact, ...]:
    if dilation == 1:
        return ()
    because = text("dilation ", dilation, " spreads the taps, so that the kernel spans more cells")
    return (Fact("k", _span, {"k": size, "d": dilation}, because),)


def _padding_arguments(padding: Pair) -> dict[str, int]:
    before, after = padding
    return {"p": before} if before == after else {"p_before": before, "p_after": after}


def window_axes(layer: Conv | MaxPool | AvgPool | LpPool, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a layer that slides a window over an input of these lengths.

    Raises:
        ShapeError: a kernel larger than the padded input, or padding that its mode cannot fill.
    """
    layer = layer.for_rank(len(spatial))
    return tuple(_window_axis(layer, axis, n) for axis, n in enumerate(spatial))


def _window_axis(layer: Conv | MaxPool | AvgPool | LpPool, axis: int, n: int) -> Axis:
    stride, dilation = layer.stride[axis], layer.dilation[axis]
    extent = window_extent(layer.kernel_size[axis], dilation)
    spans = _span_facts(layer.kernel_size[axis], dilation)
    if layer.padding == "same":
        because = text("'same' padding: one window for each stride, whatever the kernel")
        pair = same_padding(n, extent, stride)
        _check_fill(layer, axis, n, pair)
        return Axis((Fact("n_out", _same, {"n": n, "s": stride}, because),), pair)
    pair = layer.padding[axis]
    _check_fill(layer, axis, n, pair)
    if n + sum(pair) < extent:
        padded = f"{n} cells" if not sum(pair) else f"{n + sum(pair)} cells with its padding"
        raise ShapeError(
            f"{type(layer).__name__}: the kernel spans {extent} cells but the input has only {padded} along "
            f"axis {axis}; pad more, or take a smaller kernel or a larger input"
        )
    arguments = {"n": n, "k": extent, "s": stride, **_padding_arguments(pair)}
    equal = pair[0] == pair[1]
    if not getattr(layer, "ceil_mode", False):
        return Axis((*spans, Fact("n_out", _windows if equal else _windows_unequal, arguments)), pair)
    up = Fact(
        "n_out",
        _windows_up if equal else _windows_up_unequal,
        arguments,
        text("ceil mode rounds up, not down"),
    )
    if (up.value - 1) * stride < n + pair[0]:
        return Axis((*spans, up), pair)
    because = text("the last window would start in the padding after the end, so it is dropped")
    return Axis((*spans, up, Fact("n_out", _one_less, {"windows": up.value}, because)), pair)


def _check_fill(layer: object, axis: int, n: int, pair: Pair) -> None:
    """Reflection cannot reach beyond the far border, nor a circle go round more than once."""
    mode = getattr(layer, "padding_mode", "zeros")
    limit = {"reflect": n - 1, "circular": n}.get(mode)
    if limit is not None and max(pair) > limit:
        raise ShapeError(
            f"{type(layer).__name__}: padding={max(pair)} with padding_mode='{mode}' needs an input of "
            f"at least {max(pair) + n - limit} cells along axis {axis}, got {n}"
        )


def transposed_axes(layer: ConvTranspose, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a transposed convolution.

    Raises:
        ShapeError: padding that cuts everything off.
    """
    layer = layer.for_rank(len(spatial))
    return tuple(_transposed_axis(layer, axis, n) for axis, n in enumerate(spatial))


def _transposed_axis(layer: ConvTranspose, axis: int, n: int) -> Axis:
    pair = layer.padding[axis]
    extent = window_extent(layer.kernel_size[axis], layer.dilation[axis])
    fact = Fact(
        "n_out",
        _stamped if pair[0] == pair[1] else _stamped_unequal,
        {
            "n": n,
            "k": extent,
            "s": layer.stride[axis],
            **_padding_arguments(pair),
            "p_out": layer.output_padding[axis],
        },
    )
    if fact.value < 1:
        raise ShapeError(
            f"ConvTranspose: padding={pair} cuts off the whole output along axis {axis} "
            f"(input {n}, kernel spans {extent}, stride {layer.stride[axis]})"
        )
    return Axis((*_span_facts(layer.kernel_size[axis], layer.dilation[axis]), fact), pair)


def padded_axes(layer: Pad, spatial: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of a padding layer."""
    layer = layer.for_rank(len(spatial))
    axes = []
    for axis, n in enumerate(spatial):
        before, after = pair = layer.padding[axis]
        _check_fill(layer, axis, n, pair)
        axes.append(Axis((Fact("n_out", _padded, {"n": n, "p_before": before, "p_after": after}),), pair))
    return tuple(axes)
