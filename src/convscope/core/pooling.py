"""Pooling: the largest, the mean or a norm of each window, of any rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from convscope.core.layer import (
    Axes,
    Layer,
    Padding,
    PaddingLike,
    option_axes,
    option_flag,
    option_integer,
    repeated,
    replaced,
    with_rank,
)
from convscope.core.windowed import Windowed, window_extent


@dataclass(frozen=True, init=False, repr=False)
class MaxPool(Windowed):
    """The largest value of each window; padding cells never win.

    Args:
        kernel_size: size of the window, in cells, one number or one for each axis.
        stride: step of the window; the kernel size when not given.
        padding: as in `Conv`; smaller than the window.
        dilation: distance between neighbouring cells of the window; 1 is dense.
        ceil_mode: round the output size up, so that a last window may hang over the border; one
            that would start in the padding after the end is dropped, as PyTorch does.

    >>> MaxPool(2)
    MaxPool(2)
    """

    title: ClassVar[str] = "max pooling"

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    ceil_mode: bool
    rank: int | None

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: PaddingLike = 0,
        dilation: Axes = 1,
        ceil_mode: bool = False,  # noqa: FBT001, FBT002 - PyTorch's order
    ) -> None:
        self._set_window(kernel_size, stride, padding, dilation)
        self._set(ceil_mode=option_flag(self, "ceil_mode", ceil_mode))
        _check_pool_padding(self)

    def __repr__(self) -> str:
        return _pool_repr(self)


@dataclass(frozen=True, init=False, repr=False)
class AvgPool(Windowed):
    """The mean of each window.

    Args:
        kernel_size, stride, padding, ceil_mode: as in `MaxPool`.
        count_include_pad: True divides by the window's cells with the padding's zeros among them;
            False divides by the cells of the input alone. Cells that `ceil_mode` reaches beyond
            the padding never count.
        divisor_override: divide by this instead.
        dilation: distance between neighbouring cells of the window; 1 is dense.

    >>> AvgPool((2, 3), stride=1)
    AvgPool((2, 3), stride=1)
    """

    title: ClassVar[str] = "average pooling"

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None
    dilation: tuple[int, ...]
    rank: int | None

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: PaddingLike = 0,
        ceil_mode: bool = False,  # noqa: FBT001, FBT002 - PyTorch's order
        count_include_pad: bool = True,  # noqa: FBT001, FBT002
        divisor_override: int | None = None,
        *,
        dilation: Axes = 1,
    ) -> None:
        self._set_window(kernel_size, stride, padding, dilation)
        divisor = (
            None
            if divisor_override is None
            else option_integer(self, "divisor_override", divisor_override, least=1)
        )
        self._set(
            ceil_mode=option_flag(self, "ceil_mode", ceil_mode),
            count_include_pad=option_flag(self, "count_include_pad", count_include_pad),
            divisor_override=divisor,
        )
        _check_pool_padding(self)

    def __repr__(self) -> str:
        return _pool_repr(self)


@dataclass(frozen=True, init=False, repr=False)
class LpPool(Windowed):
    """The p-norm of each window, ``(Σ|x|^p)^(1/p)``.

    Args:
        norm_type: p, an integer of 1 or more.
        kernel_size, stride, padding, dilation, ceil_mode: as in `MaxPool`.

    >>> LpPool(2, 3)
    LpPool(2, 3)
    """

    title: ClassVar[str] = "power-average pooling"

    norm_type: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    ceil_mode: bool
    padding: Padding
    dilation: tuple[int, ...]
    rank: int | None

    def __init__(
        self,
        norm_type: int,
        kernel_size: Axes,
        stride: Axes | None = None,
        ceil_mode: bool = False,  # noqa: FBT001, FBT002 - PyTorch's order
        *,
        padding: PaddingLike = 0,
        dilation: Axes = 1,
    ) -> None:
        self._set(norm_type=option_integer(self, "norm_type", norm_type, least=1))
        self._set_window(kernel_size, stride, padding, dilation)
        self._set(ceil_mode=option_flag(self, "ceil_mode", ceil_mode))
        _check_pool_padding(self)

    def __repr__(self) -> str:
        return _pool_repr(self)


def _pool_repr(layer: MaxPool | AvgPool | LpPool) -> str:
    """A stride equal to the window is the default and is not written."""
    shown = replaced(layer, stride=None) if layer.stride == layer.kernel_size else layer
    return Layer.__repr__(shown)


def _check_pool_padding(layer: MaxPool | AvgPool | LpPool) -> None:
    """A window that lies wholly in the padding would hold no cell at all."""
    if layer.padding == "same":
        return
    axes = max(len(layer.kernel_size), len(layer.padding))
    pairs, size, spread = (repeated(v, axes) for v in (layer.padding, layer.kernel_size, layer.dilation))
    for axis in range(axes):
        extent = window_extent(size[axis], spread[axis])
        if max(pairs[axis]) >= extent:
            raise layer.refusal(
                f"padding={max(pairs[axis])} is not smaller than the window of {extent} cells; "
                "such a window would hold no cell of the input"
            )


class _Adaptive(Layer):
    output_size: tuple[int, ...]
    rank: int | None

    def _set_output(self, output_size: Axes) -> None:
        size = option_axes(self, "output_size", output_size, least=1)
        self._set(output_size=size, rank=None if isinstance(output_size, int | np.integer) else len(size))

    def for_rank(self, rank: int) -> Self:
        """The layer with one output size an axis."""
        copy: Self = replaced(self, **with_rank(self, rank, ("output_size",)), rank=rank)
        return copy


@dataclass(frozen=True, init=False, repr=False)
class AdaptiveAvgPool(_Adaptive):
    """The mean of windows chosen so that the output has `output_size` cells an axis.

    Output cell i of n over a length L covers input cells ⌊iL/n⌋ to ⌈(i+1)L/n⌉ − 1, as in PyTorch.

    >>> AdaptiveAvgPool((6, 6))
    AdaptiveAvgPool((6, 6))
    """

    title: ClassVar[str] = "adaptive average pooling"

    output_size: tuple[int, ...]
    rank: int | None

    def __init__(self, output_size: Axes) -> None:
        self._set_output(output_size)


@dataclass(frozen=True, init=False, repr=False)
class AdaptiveMaxPool(_Adaptive):
    """The largest value of windows chosen so that the output has `output_size` cells an axis.

    >>> AdaptiveMaxPool(1)
    AdaptiveMaxPool(1)
    """

    title: ClassVar[str] = "adaptive max pooling"

    output_size: tuple[int, ...]
    rank: int | None

    def __init__(self, output_size: Axes) -> None:
        self._set_output(output_size)


@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """The mean of each whole channel; every spatial axis becomes 1 long."""

    title: ClassVar[str] = "global average pooling"


@dataclass(frozen=True)
class GlobalMaxPool(Layer):
    """The largest value of each whole channel; every spatial axis becomes 1 long."""

    title: ClassVar[str] = "global max pooling"
