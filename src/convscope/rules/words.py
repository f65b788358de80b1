"""A layer in a few words, by one table from layer type to words: ``max pooling 3×3, stride 2``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, Padding
from convscope.core.number import decimal_places, decimal_text
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from convscope.core.structural import BatchNorm, Concat, Flatten, Linear, Pad, Upsample


def layer_words(layer: Layer) -> str:
    """What the layer is called, and its options as far as they are not the usual ones.

    >>> layer_words(MaxPool((3, 3), stride=2))
    'max pooling 3×3, stride 2'
    >>> layer_words(Conv(kernel_size=11, out_channels=96, bias=False))
    'convolution 11, 96 channels, no bias'
    """
    sized, *options = LAYER_WORDS.get(type(layer), _plain)(layer)
    return ", ".join((f"{layer.title} {sized}".rstrip(), *options))


def number_words(value: Fraction) -> str:
    """A number as it would be typed: its decimals where they end, a fraction otherwise."""
    places = decimal_places(value)
    return str(value) if places is None else decimal_text(value, places)


def _axes(entries: Sequence[int | Fraction]) -> str:
    """One number an axis; axes that are alike are told once."""
    shown = entries[:1] if len(set(entries)) == 1 else entries
    return "×".join(number_words(Fraction(entry)) for entry in shown)


def _window(size: Sequence[int]) -> str:
    return "×".join(map(str, size))


def _padding(padding: Padding) -> Iterator[str]:
    if isinstance(padding, str):
        yield f"padding {padding}"
    elif any(before != after for before, after in padding):
        yield "padding " + "×".join(f"({before},{after})" for before, after in padding)
    elif any(before for before, _after in padding):
        yield f"padding {_axes([before for before, _after in padding])}"


def _if_not(usual: int, name: str, entries: Sequence[int]) -> Iterator[str]:
    if set(entries) != {usual}:
        yield f"{name} {_axes(entries)}"


def _fill(layer: Conv | Pad) -> Iterator[str]:
    if layer.padding_mode != "zeros":
        value = f" {number_words(layer.padding_value)}" if layer.padding_mode == "constant" else ""
        yield f"padding mode {layer.padding_mode}{value}"


def _convolution(layer: Conv | ConvTranspose) -> Iterator[str]:
    yield _window(layer.kernel_size)
    yield f"{layer.out_channels} channel{'s' if layer.out_channels > 1 else ''}"
    yield from _if_not(1, "stride", layer.stride)
    yield from _padding(layer.padding)
    if isinstance(layer, ConvTranspose):
        yield from _if_not(0, "output padding", layer.output_padding)
    yield from _if_not(1, "dilation", layer.dilation)
    if layer.groups > 1:
        yield f"{layer.groups} groups"
    if layer.bias is False:
        yield "no bias"
    if isinstance(layer, Conv):
        yield from _fill(layer)
    if layer.flip:
        yield "kernel flipped"


def _pool(layer: MaxPool | AvgPool | LpPool) -> Iterator[str]:
    yield _window(layer.kernel_size)
    if isinstance(layer, LpPool):
        yield f"norm {layer.norm_type}"
    yield f"stride {_axes(layer.stride)}"
    yield from _padding(layer.padding)
    yield from _if_not(1, "dilation", layer.dilation)
    if layer.ceil_mode:
        yield "ceil mode"
    if isinstance(layer, AvgPool):
        if not layer.count_include_pad:
            yield "padding not counted"
        if layer.divisor_override is not None:
            yield f"divisor {layer.divisor_override}"


def _adaptive(layer: AdaptiveAvgPool | AdaptiveMaxPool) -> Iterator[str]:
    yield f"to {_window(layer.output_size)}"


def _linear(layer: Linear) -> Iterator[str]:
    yield ""
    yield f"{layer.out_features} features"
    if layer.bias is False:
        yield "no bias"


def _upsample(layer: Upsample) -> Iterator[str]:
    yield f"to {_window(layer.size)}" if layer.size is not None else f"by {_axes(layer.scale_factor or ())}"
    yield layer.mode
    if layer.align_corners:
        yield "corners aligned"


def _pad(layer: Pad) -> Iterator[str]:
    yield from [part.removeprefix("padding ") for part in _padding(layer.padding)] or ["0"]
    yield from _fill(layer)


def _concat(layer: Concat) -> Iterator[str]:
    yield "" if layer.dim == 1 else f"along dim {layer.dim}"


def _along_axis(layer: pointwise.Softmax | pointwise.Softmin | pointwise.LogSoftmax) -> Iterator[str]:
    yield "" if layer.dim == -1 else f"along dim {layer.dim}"


def _gelu(layer: pointwise.GELU) -> Iterator[str]:
    yield "" if layer.approximate == "none" else f"by its {layer.approximate} approximation"


def _flatten(layer: Flatten) -> Iterator[str]:
    yield "" if (layer.start_dim, layer.end_dim) == (1, -1) else f"dims {layer.start_dim} to {layer.end_dim}"


def _batch_norm(_layer: BatchNorm) -> Iterator[str]:
    yield ""


def _plain(layer: Any) -> Iterator[str]:  # noqa: ANN401 - any layer whose options are single numbers
    yield ""
    for entry in fields(layer):
        value = getattr(layer, entry.name)
        if isinstance(value, Fraction):
            yield f"{entry.name.replace('_', ' ')} {number_words(value)}"


LAYER_WORDS: dict[type[Layer], Callable[[Any], Iterator[str]]] = {
    Conv: _convolution,
    ConvTranspose: _convolution,
    MaxPool: _pool,
    AvgPool: _pool,
    LpPool: _pool,
    AdaptiveAvgPool: _adaptive,
    AdaptiveMaxPool: _adaptive,
    Linear: _linear,
    Upsample: _upsample,
    Pad: _pad,
    Concat: _concat,
    pointwise.Softmax: _along_axis,
    pointwise.Softmin: _along_axis,
    pointwise.LogSoftmax: _along_axis,
    pointwise.GELU: _gelu,
    Flatten: _flatten,
    BatchNorm: _batch_norm,
}
