"""The other layers: linear, normalising, reshaping, joining, resizing, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.layer import (
    Axes,
    ExactLike,
    Layer,
    PaddingLike,
    Pair,
    option_axes,
    option_choice,
    option_flag,
    option_integer,
    option_number,
    option_padding,
    option_vector,
    replaced,
    with_rank,
)
from convscope.core.reading import MatrixLike, matrix
from convscope.core.windowed import PADDING_MODES
from convscope.errors import InputError, ShapeError

SCALARS = (int, float, str, Fraction, np.number)


@dataclass(frozen=True, init=False, repr=False)
class Flatten(Layer):
    """Axes `start_dim` to `end_dim` laid out as one, in row-major order.

    Axes are counted with the batch axis, as PyTorch counts them: the default keeps the batch axis
    and flattens the rest. An array without a batch axis is counted as if it had one.
    """

    title: ClassVar[str] = "flatten"

    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self._set(
            start_dim=option_integer(self, "start_dim", start_dim, least=-8),
            end_dim=option_integer(self, "end_dim", end_dim, least=-8),
        )


@dataclass(frozen=True, init=False, repr=False)
class Linear(Layer):
    """A fully connected layer, ``y = W x + b``, along the last axis.

    Args:
        weight: shape ``(out_features, in_features)``.
        bias: one number for each output feature; where only sizes are wanted, True or False.
        in_features, out_features: instead of weights, where only sizes are wanted.

    >>> Linear([[1, 2], [3, 4], [5, 6]]).out_features
    3
    """

    title: ClassVar[str] = "linear"

    weight: ExactArray | None
    bias: ExactArray | bool | None
    in_features: int | None
    out_features: int

    def __init__(
        self,
        weight: MatrixLike | None = None,
        bias: MatrixLike | ExactLike | bool | None = None,  # noqa: FBT001
        *,
        in_features: int | None = None,
        out_features: int | None = None,
    ) -> None:
        if isinstance(weight, int):
            raise self.refusal(
                f"weight={weight} is a number; write out_features={weight} where only sizes are wanted"
            )
        if weight is None:
            if out_features is None:
                raise self.refusal("give weights of shape (out, in), or out_features")
            self._set(
                weight=None,
                in_features=None
                if in_features is None
                else option_integer(self, "in_features", in_features, least=1),
                out_features=option_integer(self, "out_features", out_features, least=1),
            )
        else:
            array = self._matrix(weight)
            for name, told, found in (("in_features", in_features, 1), ("out_features", out_features, 0)):
                if told is not None and told != array.shape[found]:
                    raise self.refusal(
                        f"{name}={told} but the weights of shape {array.shape} give {array.shape[found]}"
                    )
            self._set(weight=array, out_features=array.shape[0], in_features=array.shape[1])
        self._set_bias(bias)

    def _matrix(self, weight: MatrixLike) -> ExactArray:
        try:
            array = matrix(weight)
        except InputError as error:
            raise self.refusal(f"weight: {error}") from None
        if array.ndim != 2:
            raise self.refusal(f"weight has shape {array.shape}, not (out_features, in_features)")
        return array

    def _set_bias(self, bias: MatrixLike | ExactLike | bool | None) -> None:  # noqa: FBT001
        if bias is None or isinstance(bias, bool):
            if self.weight is not None and bias:
                raise self.refusal("bias=True has no values; give one number for each output feature")
            self._set(bias=self.weight is None if bias is None else bias)
            return
        vector = option_vector(self, "bias", bias)
        if vector is not None and vector.size != self.out_features:
            raise self.refusal(
                f"bias has {vector.size} numbers; it needs one for each of {self.out_features} features"
            )
        self._set(bias=vector)

    def __repr__(self) -> str:
        hidden = (
            {"weight"} | ({"bias"} if self.bias is True else set())
            if self.weight is None
            else {"in_features", "out_features"} | ({"bias"} if self.bias is False else set())
        )
        shown = Layer.__repr__(replaced(self, **dict.fromkeys(hidden)))
        return shown.replace("(weight=", "(", 1)


@dataclass(frozen=True, init=False, repr=False)
class BatchNorm(Layer):
    """Batch normalisation at inference: ``(x − mean) / √(var + eps) · weight + bias``, by channel.

    Args:
        running_mean, running_var: one number for each channel.
        weight, bias: one number for each channel; 1 and 0 when not given.
        eps: added to the variance.
        num_features: the number of channels, instead of the statistics, where only sizes are wanted.

    Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithm 2.
    """

    title: ClassVar[str] = "batch normalisation"

    running_mean: ExactArray | None
    running_var: ExactArray | None
    weight: ExactArray | None
    bias: ExactArray | None
    eps: Fraction
    num_features: int | None

    def __init__(
        self,
        running_mean: MatrixLike | None = None,
        running_var: MatrixLike | None = None,
        weight: MatrixLike | None = None,
        bias: MatrixLike | None = None,
        eps: ExactLike = "1e-5",
        *,
        num_features: int | None = None,
    ) -> None:
        vectors = {
            name: option_vector(self, name, value)
            for name, value in (
                ("running_mean", running_mean),
                ("running_var", running_var),
                ("weight", weight),
                ("bias", bias),
            )
        }
        if (vectors["running_mean"] is None) != (vectors["running_var"] is None):
            raise self.refusal("give both running_mean and running_var, or neither")
        lengths = {name: vector.size for name, vector in vectors.items() if vector is not None}
        if num_features is not None:
            lengths["num_features"] = option_integer(self, "num_features", num_features, least=1)
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise self.refusal(f"options disagree about the number of channels: {told}")
        small = option_number(self, "eps", eps)
        variance = vectors["running_var"]
        if variance is not None and any(isinstance(v, Fraction) and v + small <= 0 for v in variance.cells()):
            raise self.refusal("running_var + eps is not positive; its square root is divided by")
        self._set(**vectors, eps=small, num_features=next(iter(lengths.values()), None))

    def __repr__(self) -> str:
        has_vectors = any(v is not None for v in (self.running_mean, self.weight, self.bias))
        return Layer.__repr__(replaced(self, num_features=None) if has_vectors else self)


@dataclass(frozen=True)
class Add(Layer):
    """The sum of several feature maps of one shape, cell by cell."""

    title: ClassVar[str] = "addition"


@dataclass(frozen=True, init=False, repr=False)
class Concat(Layer):
    """Several feature maps joined along one axis.

    `dim` is counted with the batch axis, as in PyTorch; the default, 1, joins channels.
    """

    title: ClassVar[str] = "concatenation"

    dim: int

    def __init__(self, dim: int = 1) -> None:
        self._set(dim=option_integer(self, "dim", dim, least=-5))


@dataclass(frozen=True, init=False, repr=False)
class Upsample(Layer):
    """Resizing of every spatial axis, by nearest cell or linear interpolation.

    Args:
        size: output lengths, one or one for each axis; or
        scale_factor: exact factors, one or one for each axis; the output length is ⌊length · factor⌋.
        mode: ``"nearest"`` (cell ⌊i / factor⌋), ``"linear"``, ``"bilinear"`` or ``"trilinear"``
            (the same rule for one, two and three axes).
        align_corners: linear modes only: the corner cells' centres are kept in place.

    >>> Upsample(scale_factor=2)
    Upsample(scale_factor=2)
    """

    title: ClassVar[str] = "upsampling"
    modes: ClassVar[dict[str, int | None]] = {"nearest": None, "linear": 1, "bilinear": 2, "trilinear": 3}

    size: tuple[int, ...] | None
    scale_factor: tuple[Fraction, ...] | None
    mode: str
    align_corners: bool
    rank: int | None

    def __init__(
        self,
        size: Axes | None = None,
        scale_factor: ExactLike | Sequence[ExactLike] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,  # noqa: FBT001, FBT002 - PyTorch's order
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise self.refusal("give either size or scale_factor")
        lengths = None if size is None else option_axes(self, "size", size, least=1)
        factors = None if scale_factor is None else self._factors(scale_factor)
        axes = next(len(v) for v in (lengths, factors) if v is not None)
        single = isinstance(size if scale_factor is None else scale_factor, SCALARS)
        chosen = option_choice(self, "mode", mode, tuple(self.modes))
        if align_corners and chosen == "nearest":
            raise self.refusal("align_corners=True needs a linear mode, got mode='nearest'")
        rank = self.modes[chosen] if single else axes
        if self.modes[chosen] not in (None, rank):
            raise self.refusal(
                f"mode={mode!r} is for {self.modes[chosen]} spatial axes but the sizes are for {axes}"
            )
        self._set(
            size=lengths,
            scale_factor=factors,
            mode=chosen,
            align_corners=option_flag(self, "align_corners", align_corners),
            rank=rank,
        )

    def _factors(self, value: ExactLike | Sequence[ExactLike]) -> tuple[Fraction, ...]:
        entries = (value,) if isinstance(value, SCALARS) else tuple(value)
        factors = tuple(option_number(self, "scale_factor", entry) for entry in entries)
        if not 1 <= len(factors) <= 3 or min(factors) <= 0:
            raise self.refusal(
                f"scale_factor={value} is not allowed; give one positive factor or one an axis"
            )
        return factors

    def for_rank(self, rank: int) -> Self:
        """The layer with one entry an axis."""
        copy: Self = replaced(self, **with_rank(self, rank, ("size", "scale_factor")), rank=rank)
        return copy


@dataclass(frozen=True, init=False, repr=False)
class Pad(Layer):
    """Padding as a layer of its own.

    Args:
        padding: one number, one for each axis, or a ``(before, after)`` pair for each axis.
        padding_mode, padding_value: as in `Conv`.
    """

    title: ClassVar[str] = "padding"

    padding: tuple[Pair, ...]
    padding_mode: str
    padding_value: Fraction
    rank: int | None

    def __init__(
        self, padding: PaddingLike, padding_mode: str = "zeros", padding_value: ExactLike = 0
    ) -> None:
        pairs = option_padding(self, padding)
        if isinstance(pairs, str):
            raise self.refusal("padding='same' needs a window; give numbers")
        self._set(
            padding=pairs,
            padding_mode=option_choice(self, "padding_mode", padding_mode, PADDING_MODES),
            padding_value=option_number(self, "padding_value", padding_value),
            rank=None if isinstance(padding, int | np.integer) else len(pairs),
        )
        if self.padding_value != 0 and padding_mode != "constant":
            raise self.refusal(
                f"padding_value={padding_value} needs padding_mode='constant', got {padding_mode!r}"
            )

    def for_rank(self, rank: int) -> Self:
        """The layer with one pair an axis."""
        copy: Self = replaced(self, **with_rank(self, rank, ("padding",)), rank=rank)
        return copy


def flattened_axes(
    layer: Flatten, shape: tuple[int, ...], *, has_batch: bool
) -> tuple[int, int, tuple[int, ...]]:
    """First and last flattened axis of an array of this shape, and the shape that results.

    Raises:
        ShapeError: the axes are not axes of the array.
    """
    shift = 0 if has_batch else 1
    axes = len(shape) + shift
    start, end = (d + axes if d < 0 else d for d in (layer.start_dim, layer.end_dim))
    if not 0 <= start < axes or not 0 <= end < axes or end < start:
        raise ShapeError(
            f"Flatten: start_dim={layer.start_dim}, end_dim={layer.end_dim} are not axes, in order, of an "
            f"array of {axes} axes (batch axis counted)"
        )
    first, last = max(start - shift, 0), max(end - shift, 0)
    return first, last, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
