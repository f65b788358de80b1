"""The input sizes next to the network's own at which no layer drops cells at the end of an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.core.convolution import ConvTranspose
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool
from convscope.core.structural import Pad, Upsample
from convscope.errors import ConvscopeError
from convscope.rules.shape import output_shape

if TYPE_CHECKING:
    from convscope.rules.lint.view import View
    from convscope.rules.network import Row

# How far a size is searched, and how many layers are worked out in all: deep networks search less far.
FURTHEST = 256
MOST_LAYERS = 100_000


def nearest_lossless(view: View, axis: int) -> tuple[int, ...]:
    """The nearest smaller and larger size along an axis at which nothing is dropped, as far as found."""
    shape = view.network.graph.inputs[0].shape
    if axis + 1 >= len(shape) or len(view.network.graph.inputs) > 1:
        return ()
    key = (axis, "lossless")
    if key not in view.memory:
        view.memory[key] = _searched(view, axis, shape[axis + 1])
    return view.memory[key]


def _searched(view: View, axis: int, n: int) -> tuple[int, ...]:
    rows = [row for row in view.network.rows if _is_followed(view, row, axis)]
    furthest = min(FURTHEST, MOST_LAYERS // (2 * max(len(rows), 1)))
    below = next(
        (m for m in range(n - 1, max(n - 1 - furthest, 0), -1) if _is_lossless(view, rows, axis, m)), None
    )
    above = next((m for m in range(n + 1, n + 1 + furthest) if _is_lossless(view, rows, axis, m)), None)
    return tuple(m for m in (below, above) if m is not None)


def _is_followed(view: View, row: Row, axis: int) -> bool:
    """Whether the picture's axis runs through the layer in its own place."""
    given, gives = view.field_at(row) if row.inputs else None, row.receptive_field
    if given is None or gives is None or len(given.places) <= axis or len(gives.places) <= axis:
        return False
    return given.places[axis] == gives.places[axis] == axis + 1


def _is_lossless(view: View, rows: list[Row], axis: int, n: int) -> bool:
    """Whether all layers run, and none drops, with `n` cells along the axis of the input."""
    lengths = {view.network.graph.inputs[0].name: n}
    losses: dict[str, list[int]] = {}
    for row in rows:
        given = {lengths[name] for name in row.inputs if name in lengths}
        if len(given) != 1:
            if given:
                return False  # branches that no longer fit
            continue
        length = given.pop()
        found, lost = _through(view, row, axis, length)
        if found < 1:
            return False
        lengths[row.name] = found
        losses.setdefault(row.inputs[0], []).append(lost)
    return not any(min(lost) for lost in losses.values())


def _through(view: View, row: Row, axis: int, n: int) -> tuple[int, int]:
    """The length of the output along the axis, 0 where the layer refuses, and the cells it drops."""
    windows = view.windows(row)
    if not windows:
        return _other(row, axis, n), 0
    window = windows[axis]
    rest = n + window.before + window.after - window.extent
    if getattr(row.layer, "padding", ()) == "same":
        return -(-n // window.stride), 0
    if rest < 0:
        return 0, 0
    if getattr(row.layer, "ceil_mode", False):
        up = -(-rest // window.stride) + 1
        return (up if (up - 1) * window.stride < n + window.before else up - 1), 0
    return rest // window.stride + 1, max(rest % window.stride - window.after, 0)


def _other(row: Row, axis: int, n: int) -> int:
    layer = row.layer
    if not isinstance(layer, ConvTranspose | Upsample):
        shapes = row.input_shapes[0], row.output_shape
        if shapes[0] is None or shapes[1] is None:
            return 0
        given, gives = shapes[0][axis + 1], shapes[1][axis + 1]
        if isinstance(layer, AdaptiveAvgPool | AdaptiveMaxPool):
            return gives
        if isinstance(layer, Pad):
            return n + gives - given
        return n * gives // given if n * gives % given == 0 else 0  # most layers change nothing
    shape = row.input_shapes[0]
    if shape is None:
        return 0
    try:
        return output_shape(layer, [(*shape[: axis + 1], n, *shape[axis + 2 :])]).shape[axis + 1]
    except ConvscopeError:
        return 0
