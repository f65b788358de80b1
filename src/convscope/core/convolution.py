"""Convolution and transposed convolution, of any rank."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from convscope.core.array import ExactArray, RationalArray
from convscope.core.kernel import Kernel
from convscope.core.layer import (
    Axes,
    ExactLike,
    Layer,
    Padding,
    PaddingLike,
    Pair,
    option_axes,
    option_choice,
    option_flag,
    option_integer,
    option_number,
    option_vector,
    replaced,
)
from convscope.core.reading import MatrixLike, matrix
from convscope.core.windowed import PADDING_MODES, Windowed
from convscope.errors import InputError


def _read_weight(layer: Layer, weight: Kernel | MatrixLike) -> tuple[ExactArray, Kernel | None]:
    """Weights as an array (channels, channels, *kernel); a kernel stands for one channel to one."""
    try:
        found = weight if isinstance(weight, Kernel) else matrix(weight)
    except InputError as error:
        raise layer.refusal(f"weight: {error}") from None
    if isinstance(found, ExactArray) and found.ndim <= 2:
        found = Kernel(found)
    if isinstance(found, Kernel):
        return found.weights.reshape((1, 1, *found.shape)), found
    if found.ndim > 5:
        raise layer.refusal(f"weight has shape {found.shape}; it has two channel axes and 1 to 3 kernel axes")
    return found, None


def _divisors(*numbers: int) -> str:
    common = math.gcd(*numbers)
    return ", ".join(str(d) for d in range(1, min(common, 4096) + 1) if common % d == 0)


class _Convolution(Windowed):
    """What both directions of convolution share: weights or sizes only, groups, bias."""

    weight: ExactArray | None
    kernel: Kernel | None
    bias: ExactArray | bool | None
    in_channels: int | None
    out_channels: int
    groups: int
    flip: bool

    def _set_weight(
        self,
        weight: Kernel | MatrixLike | None,
        kernel_size: Axes | None,
        in_channels: int | None,
        out_channels: int | None,
        groups: int,
    ) -> Axes:
        """Set weights and channels; return the kernel size."""
        groups = option_integer(self, "groups", groups, least=1)
        if weight is None:
            if kernel_size is None or out_channels is None:
                raise self.refusal("give a kernel, an array of weights, or kernel_size and out_channels")
            out = option_integer(self, "out_channels", out_channels, least=1)
            into = None if in_channels is None else option_integer(self, "in_channels", in_channels, least=1)
            self._set(weight=None, kernel=None)
            self._set_channels(into, out, groups)
            return kernel_size
        if isinstance(weight, int):
            raise self.refusal(
                f"weight={weight} is a number; write kernel_size={weight} where only sizes are wanted"
            )
        array, kernel = _read_weight(self, weight)
        self._set(weight=array, kernel=kernel)
        into, out = self._channels_of(array, groups)
        for name, told, found in (("in_channels", in_channels, into), ("out_channels", out_channels, out)):
            if told is not None and told != found:
                raise self.refusal(f"{name}={told} but the weights of shape {array.shape} give {found}")
        size = array.shape[2:]
        if kernel_size is not None and option_axes(self, "kernel_size", kernel_size, least=1) not in (
            size,
            size[:1],
        ):
            raise self.refusal(f"kernel_size={kernel_size} but weights of shape {array.shape} give {size}")
        self._set_channels(into, out, groups)
        return size

    def _channels_of(self, array: ExactArray, groups: int) -> tuple[int, int]:
        raise NotImplementedError

    def _set_channels(self, into: int | None, out: int, groups: int) -> None:
        for name, channels in (("in_channels", into), ("out_channels", out)):
            if channels is not None and channels % groups:
                raise self.refusal(
                    f"{name}={channels} is not divisible by groups={groups}; "
                    f"groups may be {_divisors(out, *([into] if into else []))}"
                )
        self._set(in_channels=into, out_channels=out, groups=groups)

    def _set_bias(self, bias: MatrixLike | ExactLike | bool | None) -> None:  # noqa: FBT001
        if isinstance(bias, bool):
            if self.weight is not None and bias:
                raise self.refusal("bias=True has no values; give one number for each output channel")
            self._set(bias=bias)
            return
        if bias is None:
            # Without weights only sizes are wanted, and PyTorch's layers have a bias unless told not to.
            self._set(bias=self.weight is None)
            return
        vector = option_vector(self, "bias", bias)
        if vector is not None and vector.shape != (self.out_channels,):
            raise self.refusal(
                f"bias has {vector.size} numbers; it needs one for each of {self.out_channels} channels"
            )
        self._set(bias=vector)


@dataclass(frozen=True, init=False, repr=False)
class Conv(_Convolution):
    """A convolution layer of rank 1 to 3; cross-correlation unless `flip`.

    Args:
        weight: a `Kernel` (or text or a 2-D array that reads as one) for one channel, or weights
            of shape ``(out, in/groups, *kernel)``.
        bias: one number for each output channel; where only sizes are wanted, True or False.
        stride: step of the window, in cells, one number or one for each axis; 1 or more.
        padding: cells added at the border: one number, one for each axis, a ``(before, after)``
            pair for each axis, ``"same"`` (output size ⌈input/stride⌉, an odd cell after, as
            TensorFlow and PyTorch do) or ``"valid"`` (none).
        dilation: distance between neighbouring taps, in cells; 1 is dense.
        groups: channels are split into so many independent convolutions.
        padding_mode: ``"zeros"``, ``"reflect"`` (border cell not repeated), ``"replicate"``,
            ``"circular"`` or ``"constant"``.
        padding_value: the number that ``"constant"`` pads with.
        flip: False computes cross-correlation, what CNN libraries compute; True rotates the
            kernel by 180° first: true convolution.
        kernel_size, out_channels, in_channels: instead of weights, where only sizes are wanted.

    Raises:
        InputError: options that are not allowed, with what is.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), sections 2 to 4.

    >>> Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True)
    Conv(kernel([[0, 2, 0], [2, 1, 1], [0, 2, 0]]), padding=1, flip=True)
    >>> Conv(kernel_size=11, out_channels=96, stride=4).stride
    (4,)
    """

    title: ClassVar[str] = "convolution"

    weight: ExactArray | None
    kernel: Kernel | None
    bias: ExactArray | bool | None
    in_channels: int | None
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str
    padding_value: Fraction
    flip: bool
    rank: int | None

    def __init__(
        self,
        weight: Kernel | MatrixLike | None = None,
        bias: MatrixLike | ExactLike | bool | None = None,  # noqa: FBT001
        stride: Axes = 1,
        padding: PaddingLike = 0,
        dilation: Axes = 1,
        groups: int = 1,
        *,
        padding_mode: str = "zeros",
        padding_value: ExactLike = 0,
        flip: bool = False,
        kernel_size: Axes | None = None,
        out_channels: int | None = None,
        in_channels: int | None = None,
    ) -> None:
        size = self._set_weight(weight, kernel_size, in_channels, out_channels, groups)
        self._set_bias(bias)
        self._set_window(size, stride, padding, dilation)
        self._set(
            padding_mode=option_choice(self, "padding_mode", padding_mode, PADDING_MODES),
            padding_value=option_number(self, "padding_value", padding_value),
            flip=option_flag(self, "flip", flip),
        )
        if self.padding_value != 0 and padding_mode != "constant":
            raise self.refusal(
                f"padding_value={padding_value} needs padding_mode='constant', got {padding_mode!r}"
            )

    @classmethod
    def uniform(cls, kernel_size: Axes, stride: Axes = 1, padding: PaddingLike = 0, **options: Any) -> Conv:  # noqa: ANN401
        """The convolution whose taps are all equal and sum to 1; two axes when one number is given.

        >>> Conv.uniform(2, stride=2).weight[0, 0, 0, 0]
        Fraction(1, 4)
        """
        size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        taps = RationalArray(np.ones(size, dtype=np.int64), math.prod(size))
        return cls(Kernel(taps, name="uniform"), stride=stride, padding=padding, **options)

    def _channels_of(self, array: ExactArray, groups: int) -> tuple[int, int]:
        return array.shape[1] * groups, array.shape[0]

    def __repr__(self) -> str:
        return _convolution_repr(self)


@dataclass(frozen=True, init=False, repr=False)
class ConvTranspose(_Convolution):
    """A transposed convolution of rank 1 to 3: each input cell stamps the kernel onto the output.

    It is the transpose, as a matrix, of the `Conv` with the same options, and undoes its change of size.

    Args:
        weight: a `Kernel`, or weights of shape ``(in, out/groups, *kernel)``.
        bias: one number for each output channel; where only sizes are wanted, True or False.
        stride: distance between neighbouring stamps, in output cells.
        padding: output cells cut off at the border: one number, one for each axis, or a
            ``(before, after)`` pair for each axis.
        output_padding: cells added after the end of each axis of the output; smaller than the
            stride or the dilation.
        groups: channels are split into so many independent transposed convolutions.
        dilation: distance between neighbouring taps, in cells; 1 is dense.
        flip: True stamps the kernel rotated by 180°.
        kernel_size, out_channels, in_channels: instead of weights, where only sizes are wanted.

    Source: Dumoulin & Visin (2016), chapter 4.

    >>> ConvTranspose("1 1; 1 1", stride=2)
    ConvTranspose(kernel([[1, 1], [1, 1]]), stride=2)
    """

    title: ClassVar[str] = "transposed convolution"
    per_axis: ClassVar[tuple[str, ...]] = (*Windowed.per_axis, "output_padding")

    weight: ExactArray | None
    kernel: Kernel | None
    bias: ExactArray | bool | None
    in_channels: int | None
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[Pair, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    flip: bool
    rank: int | None

    def __init__(
        self,
        weight: Kernel | MatrixLike | None = None,
        bias: MatrixLike | ExactLike | bool | None = None,  # noqa: FBT001
        stride: Axes = 1,
        padding: PaddingLike = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        dilation: Axes = 1,
        *,
        flip: bool = False,
        kernel_size: Axes | None = None,
        out_channels: int | None = None,
        in_channels: int | None = None,
    ) -> None:
        size = self._set_weight(weight, kernel_size, in_channels, out_channels, groups)
        self._set_bias(bias)
        if padding == "same":
            raise self.refusal("padding='same' is not defined for a transposed convolution; give numbers")
        extra = option_axes(self, "output_padding", output_padding, least=0)
        self._set_window(size, stride, padding, dilation, output_padding=extra)
        self._set(flip=option_flag(self, "flip", flip))
        for axis, added in enumerate(self.output_padding):
            limit = max(self.stride[axis % len(self.stride)], self.dilation[axis % len(self.dilation)])
            if added >= limit:
                raise self.refusal(
                    f"output_padding={added} is not smaller than the stride or the dilation ({limit})"
                )

    def _channels_of(self, array: ExactArray, groups: int) -> tuple[int, int]:
        return array.shape[0], array.shape[1] * groups

    def __repr__(self) -> str:
        return _convolution_repr(self)


def _convolution_repr(layer: _Convolution) -> str:
    """Weights carry the sizes; without weights the sizes are written."""
    if layer.weight is None:
        hidden = {"weight"} | ({"bias"} if layer.bias is True else set())
        sources = layer
    else:
        hidden = {"kernel_size", "out_channels", "in_channels"} | ({"bias"} if layer.bias is False else set())
        sources = replaced(layer, weight=layer.kernel or layer.weight)
    shown = Layer.__repr__(replaced(sources, **dict.fromkeys(hidden)))
    return shown.replace("(weight=", "(", 1)
