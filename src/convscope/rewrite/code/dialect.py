"""What each library's writer is made of, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from convscope.core.layer import Layer
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool
from convscope.core.structural import Flatten, Upsample
from convscope.rewrite.code.draft import Draft, number

Writer: TypeAlias = Callable[[Any, Draft], None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one library says layers.

    Attributes:
        title: the library's name in words.
        imports: the lines every program begins with.
        layers: layer type -> what writes its lines.
        axes: the axes of ``x`` for a rank, when no input shape is given.
        begin, finish: lines that add the axes the library wants, and take them away again.
    """

    title: str
    imports: tuple[str, ...]
    layers: Mapping[type[Layer], Writer]
    axes: Callable[[Draft], str]
    begin: Callable[[Draft], None]
    finish: Callable[[Draft], None]


SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}


def each(values: Sequence[object]) -> str:
    """One entry an axis, or one number where all are the same: ``2`` or ``(2, 1)``.

    >>> each((2, 2)), each((2, 1))
    ('2', '(2, 1)')
    """
    return str(values[0]) if len(set(values)) == 1 else str(tuple(values))


def options(**given: tuple[object, object]) -> str:
    """Keyword arguments that are not at their defaults; each is ``(value, default)``."""
    return "".join(f", {name}={value}" for name, (value, default) in given.items() if value != default)


def step(template: str) -> Callable[[Any, Draft], None]:
    """A layer that is one line; the template may use the layer's options: ``{layer.alpha}``."""

    def write(layer: Layer, draft: Draft) -> None:
        written = template
        for option in layer.option_names():
            value = getattr(layer, option)
            shown = number(value) if isinstance(value, Fraction) else repr(value)
            written = written.replace(f"<{option}>", shown)
        draft.step(written)

    return write


def nothing(layer: Layer, draft: Draft) -> None:
    """A layer that changes nothing at inference."""
    draft.remark(f"{layer.title}: nothing changes")


def add_axes(draft: Draft) -> None:
    """Batch and channel axes that the given input does not have."""
    layout = draft.layout
    if layout is None or (layout.has_batch and layout.has_channels):
        return
    if layout.has_channels:
        draft.step("{}[None]")
    else:
        draft.step("{}[:, None]" if layout.has_batch else "{}[None, None]")


def drop_axes(draft: Draft) -> None:
    """Batch and channel axes that the user does not see are taken away again."""
    if draft.layout is None or draft.shape is None:
        return
    hidden = draft.layout.hidden_axes(draft.shape)
    if hidden:
        draft.step(f"{{}}[{', '.join('0' if axis in hidden else ':' for axis in range(max(hidden) + 1))}]")


def channel_vector(draft: Draft, name: str) -> str:
    """A vector with one number a channel, shaped to be added to ``(N, C, *space)``."""
    return name if draft.is_flat else f"{name}[:, {', '.join(['None'] * draft.rank)}]"


def global_pool(template: str) -> Writer:
    """A reduction over all spatial axes."""

    def write(_: Layer, draft: Draft) -> None:
        draft.step(template.replace("<axes>", str(tuple(range(-draft.rank, 0)))))

    return write


def flatten(layer: Flatten, draft: Draft) -> None:
    """Axes joined by a reshape; axes are counted with the batch axis."""
    axes = draft.rank + 2
    first, last = (d + axes if d < 0 else d for d in (layer.start_dim, layer.end_dim))
    after = "" if last == axes - 1 else f", *{{}}.shape[{last + 1}:]"
    draft.step(f"{{}}.reshape(*{{}}.shape[:{first}], -1{after})")


# Bins of adaptive pooling: cell i of n covers ⌊iL/n⌋ to ⌈(i+1)L/n⌉ − 1, axis by axis.
ADAPTIVE = """
def adaptive(x, size, axis, reduce):
    length = x.shape[axis]
    bins = [np.arange(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
    return {library}.stack([reduce(x.take(cells, axis), axis=axis) for cells in bins], axis=axis)
"""


def adaptive(library: str, reduction: str) -> Writer:
    """Adaptive pooling axis by axis: the bins of an axis do not depend on the other axes."""

    def write(layer: AdaptiveAvgPool | AdaptiveMaxPool, draft: Draft) -> None:
        draft.needs("import numpy as np")
        draft.helper(ADAPTIVE.replace("{library}", library))
        for axis, size in enumerate(layer.output_size):
            draft.step(f"adaptive({{}}, {size}, {axis - draft.rank}, {library}.{reduction})")

    return write


def resize(library: str) -> Writer:
    """Upsampling axis by axis: cells taken at computed places, and mixed in the linear modes."""

    def write(layer: Upsample, draft: Draft) -> None:
        draft.needs("import numpy as np")
        for axis in range(-draft.rank, 0):
            length = f"{{}}.shape[{axis}]"
            if layer.size is not None:
                size, ratio = str(layer.size[axis]), f"{length} / {layer.size[axis]}"
                nearest = f"np.arange({size}) * {length} // {size}"
            else:
                factor = (layer.scale_factor or ())[axis]
                size = f"{length} * {factor.numerator} // {factor.denominator}"
                ratio = f"{factor.denominator} / {factor.numerator}"
                nearest = f"np.arange({size}) * {factor.denominator} // {factor.numerator}"
            if layer.mode == "nearest":
                draft.step(f"{library}.take({{}}, {nearest}, axis={axis})")
            else:
                _interpolate(draft, layer, axis, f"{library}.take", (size, ratio))

    return write


def _interpolate(draft: Draft, layer: Upsample, axis: int, take: str, sizes: tuple[str, str]) -> None:
    size, ratio = sizes
    last = f"({{}}.shape[{axis}] - 1)"
    draft.line(f"size = {size}")
    if layer.align_corners:
        draft.line(f"places = np.arange(size) * ({last} / max(size - 1, 1))")
    else:
        draft.line(f"places = np.clip((np.arange(size) + 0.5) * ({ratio}) - 0.5, 0, {last})")
    draft.line("low = np.floor(places).astype(int)")
    draft.line(f"high = np.minimum(low + 1, {last})")
    tail = "" if axis == -1 else f"[:, {', '.join(['None'] * (-axis - 1))}]"
    draft.line(f"share = (places - low){tail}")
    draft.step(f"{take}({{}}, low, axis={axis}) * (1 - share) + {take}({{}}, high, axis={axis}) * share")
