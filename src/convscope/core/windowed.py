"""What every layer that looks through a window shares: its size, stride, padding and dilation."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from convscope.core.layer import (
    Axes,
    Layer,
    Padding,
    PaddingLike,
    common_rank,
    option_axes,
    option_padding,
    repeated,
    replaced,
    with_rank,
)

PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "constant")


class Windowed(Layer):
    """A layer that slides a window: kernel size, stride, padding and dilation, one entry an axis."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    rank: int | None

    per_axis: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding", "dilation")

    def _keeps_axes(self, name: str, value: tuple[object, ...]) -> bool:
        """The kernel size tells the number of axes; the other options follow it."""
        return name == "kernel_size" and len(value) == self.rank

    def for_rank(self, rank: int) -> Self:
        """The layer with one entry an axis.

        Raises:
            ShapeError: the layer was built for another rank.
        """
        if self.rank == rank:
            return self  # every option has one entry an axis already
        fields = with_rank(self, rank, self.per_axis)
        copy: Self = replaced(self, **fields, rank=rank)
        return copy

    def _set_window(
        self,
        kernel_size: Axes,
        stride: Axes | None,
        padding: PaddingLike,
        dilation: Axes,
        **more_axes: tuple[int, ...],
    ) -> None:
        key = _window_key(kernel_size, stride, padding, dilation, more_axes)
        known = None if key is None else _known_windows.get(key)
        if known is not None:
            self._set(**known)
            return
        size = option_axes(self, "kernel_size", kernel_size, least=1)
        step = size if stride is None else option_axes(self, "stride", stride, least=1)
        pad = option_padding(self, padding)
        spread = option_axes(self, "dilation", dilation, least=1)
        # A tuple of one entry fixes the rank to 1; a bare integer leaves it open.
        given = len(size) if not isinstance(kernel_size, int | np.integer) else None
        rank = common_rank(
            self, kernel_size=size, stride=step, padding=pad, dilation=spread, **more_axes
        ) or (1 if given == 1 else None)
        options: dict[str, Any] = {
            "kernel_size": size,
            "stride": step,
            "padding": pad,
            "dilation": spread,
            **more_axes,
        }
        if rank is not None:
            if given is not None and given != rank:
                raise self.refusal(f"kernel_size has 1 axis but other options have {rank}")
            options = {
                name: value if isinstance(value, str) else repeated(value, rank)
                for name, value in options.items()
            }
        self._set(**options, rank=rank)
        if key is not None and len(_known_windows) < MAX_KNOWN:
            _known_windows[key] = {**options, "rank": rank}


# Deep networks say the same few windows again and again: they are normalised once.
MAX_KNOWN = 10_000
_known_windows: dict[tuple[object, ...], dict[str, Any]] = {}


def _window_key(*options: object) -> tuple[object, ...] | None:
    """The options where they are plain integers, or tuples of such, which mean the same in every layer."""
    *plain, more = options
    key = (*plain, *more.items()) if isinstance(more, dict) else ()  # names with their entries
    for option in plain:
        entries = option if type(option) is tuple else (option,)
        if any(type(entry) is not int and entry is not None for entry in entries):
            return None  # True equals 1 and must not be taken for it
    return key


def window_extent(size: int, dilation: int) -> int:
    """How many input cells a dilated window spans along one axis: ``dilation·(size − 1) + 1``."""
    return dilation * (size - 1) + 1
