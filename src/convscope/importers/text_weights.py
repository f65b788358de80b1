"""Layers on one line, with their weights in brackets: ``conv [1/4 1/4; 1/4 1/4], stride 2 then relu``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.kernel import Kernel
from convscope.core.layer import Layer
from convscope.core.reading import kernel, matrix
from convscope.core.structural import BatchNorm, Linear
from convscope.errors import ConvscopeError, InputError
from convscope.importers.text import parse_layer

MAX_TEXT = 1_000_000
_WEIGHTED = re.compile(r"\s*(?P<word>[A-Za-z]+)\s*\[(?P<weight>.*)\]\s*(?P<rest>[^\[\]]*)\Z", re.DOTALL)
_THEN = re.compile(r"(?:\s|\])then\s|\|", re.IGNORECASE)
_EPS = re.compile(r"eps\s+(?P<number>[-+.\w/]+)\Z", re.IGNORECASE)
_BIAS = re.compile(r"bias\s+(?P<numbers>[-+.\d(][^,]*)\Z", re.IGNORECASE)


def parse_layers(words: str) -> tuple[Layer, ...]:
    """Layers in order, ``then`` or ``|`` between them.

    Raises:
        InputError: led by the layer's place.
    """
    if not isinstance(words, str):
        raise InputError(f"layers are written as text such as 'conv [1 2; 3 4] then relu', got {words!r}")
    if len(words) > MAX_TEXT:
        raise InputError(f"the text has {len(words)} characters; at most {MAX_TEXT} are read")
    parts = _parted(words)
    found = []
    for number, part in enumerate(parts, start=1):
        try:
            found.append(_parse(part))
        except ConvscopeError as error:
            raise (error.within(f"layer {number}") if len(parts) > 1 else error) from None
    return tuple(found)


def _parted(words: str) -> list[str]:
    parts, start = [], 0
    for found in _THEN.finditer(words):
        end = found.start() + (words[found.start()] == "]")
        parts.append(words[start:end])
        start = found.end()
    return [*parts, words[start:]]


def _parse(part: str) -> Layer:
    found = _WEIGHTED.match(part)
    if found is None:
        return parse_layer(part.strip())
    word = found["word"].lower()
    if word not in WEIGHTED:
        raise InputError(f"'{found['word']}' has no weights to write in brackets; {', '.join(WEIGHTED)} have")
    items = [item.strip() for item in found["rest"].strip().lstrip(",").split(",") if item.strip()]
    weight = found["weight"].strip()
    # Lists within lists keep the brackets around them all.
    return WEIGHTED[word](f"[{weight}]" if weight.startswith("[") else weight, items)


def _bias(items: list[str]) -> tuple[str | None, list[str]]:
    """The numbers after ``bias``, and the other options."""
    given = [match["numbers"] for item in items if (match := _BIAS.match(item))]
    if len(given) > 1:
        raise InputError("the bias is written twice")
    return (given[0] if given else None), [item for item in items if not _BIAS.match(item)]


def _convolution(kind: type[Conv | ConvTranspose], word: str) -> Callable[[str, list[str]], Layer]:
    def build(weight: str, items: list[str]) -> Layer:
        taps: Kernel = kernel(weight)
        bias, rest = _bias(items)
        flip = "flip" in rest
        options = [item for item in rest if item != "flip"]
        size = "x".join(map(str, taps.shape))
        # The options are those of a layer of this size, read by the one reader of them.
        sized: Any = parse_layer(", ".join([f"{word} {size}, 1", *options]))
        names = ("stride", "padding", "dilation", "groups", "padding_mode", "padding_value", "output_padding")
        kept = {name: getattr(sized, name) for name in names if hasattr(sized, name)}
        return kind(taps, None if bias is None else matrix(bias).reshape((-1,)), flip=flip, **kept)

    return build


def _linear(weight: str, items: list[str]) -> Layer:
    bias, rest = _bias(items)
    if rest:
        raise InputError(f"'{rest[0]}' is not an option of a linear layer with weights; write 'bias 1 2'")
    return Linear(matrix(weight), None if bias is None else matrix(bias).reshape((-1,)))


def _batch_norm(statistics: str, items: list[str]) -> Layer:
    """Rows of mean, variance, weight and bias, one column a channel; the last two may be left out."""
    rows = matrix(statistics)
    if rows.ndim != 2 or not 2 <= rows.shape[0] <= 4:
        raise InputError(
            f"a batch normalisation takes 2 to 4 rows (mean; var; weight; bias), one column a channel, got "
            f"shape {rows.shape}"
        )
    given = [match["number"] for item in items if (match := _EPS.match(item))]
    options: dict[str, Any] = {"eps": given[0]} if given else {}
    if len(items) > len(options):
        raise InputError(f"'{items[-1]}' is not an option of a batch normalisation; write 'eps 1e-5'")
    mean, variance, *scaled = (rows[row] for row in range(rows.shape[0]))
    return BatchNorm(mean, variance, *scaled, **options)


WEIGHTED: dict[str, Callable[[str, list[str]], Layer]] = {
    "conv": _convolution(Conv, "conv"),
    "convtranspose": _convolution(ConvTranspose, "convtranspose"),
    "deconv": _convolution(ConvTranspose, "convtranspose"),
    "linear": _linear,
    "batchnorm": _batch_norm,
}
