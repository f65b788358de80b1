"""Which axes of an array are batch, channels and space, and the way to and from ``(N, C, *spatial)``.

The user's array keeps the axes it came with: a picture ``(H, W)`` comes back as ``(H, W)`` as long
as it has one channel, a feature map as ``(C, H, W)``, a batch as ``(N, C, H, W)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.core.array import ExactArray
from convscope.core.layer import Layer, replaced
from convscope.core.pointwise import LogSoftmax, PReLU, Softmax, Softmin
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    GlobalAvgPool,
    GlobalMaxPool,
)
from convscope.core.structural import BatchNorm, Linear, Pad, Upsample
from convscope.core.windowed import Windowed
from convscope.errors import InputError, ShapeError

SPATIAL_LAYERS = (Windowed, AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool, Upsample, Pad)
CHANNEL_LAYERS = (BatchNorm, PReLU)
# The default rank of an array of so many axes, where no layer fixes it: a line, a picture, a
# feature map, a batch of feature maps, a batch of volumes.
DEFAULT_RANKS = {1: 1, 2: 2, 3: 2, 4: 2, 5: 3}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which leading axes the user's array has."""

    has_batch: bool
    has_channels: bool

    def normal(self, array: ExactArray) -> ExactArray:
        """The array with batch and channel axes."""
        shape = array.shape if self.has_channels else self._with_channel(array.shape)
        return array.reshape(shape if self.has_batch else (1, *shape))

    def _with_channel(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        place = 1 if self.has_batch else 0
        return (*shape[:place], 1, *shape[place:])

    def hidden_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of a normal shape that the user does not see."""
        batch = () if self.has_batch else (0,)
        channel = (1,) if not self.has_channels and len(shape) > 2 and shape[1] == 1 else ()
        return batch + channel

    def visible_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A normal shape as the user sees it."""
        hidden = self.hidden_axes(shape)
        return tuple(length for axis, length in enumerate(shape) if axis not in hidden)

    def visible(self, array: ExactArray) -> ExactArray:
        """A normal array as the user sees it."""
        return array.reshape(self.visible_shape(array.shape))

    def normal_index(self, index: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
        """A user's index with zeros for the hidden axes."""
        hidden = self.hidden_axes(shape)
        rest = iter(index)
        return tuple(0 if axis in hidden else next(rest) for axis in range(len(shape)))

    def visible_index(self, index: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
        """A normal index as the user counts it."""
        hidden = self.hidden_axes(shape)
        return tuple(place for axis, place in enumerate(index) if axis not in hidden)

    def placed(self, layer: Layer, shape: tuple[int, ...]) -> Layer:
        """The layer with an axis that the user counts on what he sees moved to the normal array's."""
        if not isinstance(layer, Softmax | Softmin | LogSoftmax):
            return layer
        hidden = self.hidden_axes(shape)
        seen = [axis for axis in range(len(shape)) if axis not in hidden]
        if not -len(seen) <= layer.dim < len(seen):
            raise ShapeError(
                f"{type(layer).__name__}: dim={layer.dim} is not an axis of an input of {len(seen)} axes; "
                f"dim may be {-len(seen)} to {len(seen) - 1}"
            )
        moved: Layer = replaced(layer, dim=seen[layer.dim])
        return moved


def infer_layout(shape: tuple[int, ...], layers: Sequence[Layer], axes: str | None = None) -> Layout:
    """The layout of an input of this shape before these layers.

    The first layer with a rank of its own decides: an input of rank, rank + 1 or rank + 2 axes is a
    plane, a feature map or a batch. `axes` such as ``"NCHW"`` or ``"CHW"`` says it outright.

    Raises:
        InputError: `axes` is not a layout.
        ShapeError: the input has too few or too many axes.
    """
    if axes is not None:
        return _told(shape, axes)
    rank = next((r for layer in layers if (r := getattr(layer, "rank", None)) is not None), None)
    spatial = any(isinstance(layer, SPATIAL_LAYERS) for layer in layers)
    if rank is None and not spatial:
        return _without_space(shape, layers)
    if rank is None:
        rank = DEFAULT_RANKS.get(len(shape), 3)
    extra = len(shape) - rank
    if not 0 <= extra <= 2:
        names = {1: "L", 2: "H, W", 3: "D, H, W"}[rank]
        raise ShapeError(
            f"the input has {len(shape)} axes (shape {shape}); layers of rank {rank} take "
            f"({names}), (C, {names}) or (N, C, {names})"
        )
    return Layout(has_batch=extra == 2, has_channels=extra >= 1)


def _told(shape: tuple[int, ...], axes: str) -> Layout:
    spatial = axes.lstrip("N").lstrip("C")
    if spatial not in {"", "L", "HW", "DHW"} or axes not in {
        f"{n}{c}{spatial}" for n in ("", "N") for c in ("", "C")
    }:
        raise InputError(
            f"layout={axes!r} is not known; write the axes in order, such as HW, CHW, NCHW, NCL, NC"
        )
    if len(axes) != len(shape):
        raise ShapeError(
            f"layout={axes!r} has {len(axes)} axes but the input has {len(shape)} (shape {shape})"
        )
    return Layout(has_batch="N" in axes, has_channels="C" in axes)


def _without_space(shape: tuple[int, ...], layers: Sequence[Layer]) -> Layout:
    """Layers that care for no rank: a vector or plane is one item, four axes and more a batch."""
    channels = next((_channels(layer) for layer in layers if isinstance(layer, CHANNEL_LAYERS)), None)
    if channels is not None and len(shape) > 1:
        # As in PyTorch the second axis holds the channels, unless only the first one fits, or three
        # axes may as well be a feature map's.
        second = shape[1] == channels and (len(shape) != 3 or shape[0] != channels)
        return Layout(has_batch=second, has_channels=second or shape[0] == channels)
    if layers and isinstance(layers[0], Linear):
        return Layout(has_batch=len(shape) > 1, has_channels=True)
    if len(shape) == 2:
        return Layout(has_batch=False, has_channels=False)
    return Layout(has_batch=len(shape) > 3, has_channels=True)


def _channels(layer: Layer) -> int | None:
    if isinstance(layer, BatchNorm):
        return layer.num_features
    if isinstance(layer, PReLU) and layer.weight.size > 1:
        return layer.weight.size
    return None
