"""A program on its way: its lines, the names it has used, and the sizes that are known so far."""

from __future__ import annotations

import pprint
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from convscope.core.array import ExactArray, RationalArray, magnitude
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, Pair
from convscope.core.number import decimal_places, decimal_text
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import BatchNorm, Flatten, Linear
from convscope.core.windowed import window_extent
from convscope.errors import InputError, UnsupportedError
from convscope.rules.shape import output_shape
from convscope.rules.window import window_axes
from convscope.worked.layout import Layout

MOST_WEIGHTS = 20_000
WIDTH = 96
# Beyond so many decimals a fraction is written as whole numbers and one divisor.
MOST_PLACES = 6
EXACT_IN_FLOAT = 2**53

Shape: TypeAlias = tuple[int, ...]
Bias: TypeAlias = ExactArray | bool | None  # as layers keep it: numbers, or whether there is one


class Draft:
    """What a writer of one library adds its lines to.

    Attributes:
        library: the library's name, for errors.
        rank: how many spatial axes there are.
        layout: the axes of ``x`` when an input shape was given, else None.
        shape: the current ``(N, C, *space)`` or ``(N, features)`` where the input shape is given, else None.
        lines: the program so far, without its imports.
        imports: the import lines that it needs.
        now: the name of the current value: ``x`` until the first line, then ``y``.
        is_plane: the value has no channel axis: libraries of arrays take a picture as it is.
        is_flat: the value has no spatial axes any more.
    """

    def __init__(
        self, library: str, rank: int, layout: Layout | None, shape: Shape | None, *, is_plane: bool
    ) -> None:
        self.library = library
        self.rank = rank
        self.layout = layout
        self.shape = shape
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self.imports: dict[str, None] = {}
        self.now = "x"
        self.is_plane = is_plane
        self.is_flat = shape is not None and len(shape) == 2
        self._names: dict[str, int] = {}
        self._weights = 0

    @property
    def has_batch(self) -> bool:
        """True when ``x`` has a batch axis."""
        return self.layout is not None and self.layout.has_batch

    def axis_of(self, dim: int) -> int:
        """The axis that `dim` means, as the value stands; from the end where ``x`` has a shape."""
        if dim < 0 or self.layout is None:
            return dim
        return dim - (2 if self.is_flat else self.rank + 2)

    # --- lines ------------------------------------------------------------------------------

    def step(self, expression: str) -> None:
        """``y = …``, where ``{}`` stands for the value before."""
        self.lines.append(f"y = {expression.replace('{}', self.now)}")
        self.now = "y"

    def line(self, words: str) -> None:
        """A line as it is, ``{}`` standing for the current value."""
        self.lines.append(words.replace("{}", self.now))

    def remark(self, words: str) -> None:
        """A comment before the next line."""
        self.lines.append(f"# {words}")

    def helper(self, source: str) -> None:
        """A function that the program defines once, before its lines."""
        if source not in self.helpers:
            self.helpers.append(source)

    def needs(self, line: str) -> None:
        """An import."""
        self.imports[line] = None

    def name(self, base: str) -> str:
        """A fresh name: ``kernel``, then ``kernel_2``."""
        count = self._names[base] = self._names.get(base, 0) + 1
        return base if count == 1 else f"{base}_{count}"

    def array(self, base: str, values: ExactArray, make: str) -> str:
        """Define an array of exact numbers; `make` has ``{}`` for the nested list. Returns its name."""
        self._weights += values.size
        if self._weights > MOST_WEIGHTS:
            raise InputError(
                f"the code would write out more than {MOST_WEIGHTS} weights; for layers as large as this one "
                "load the weights from their file instead"
            )
        name = self.name(base)
        nested, divisor = literal(values)
        made = make.replace("{}", nested)
        self.lines.append(f"{name} = {made}{f' / {divisor}' if divisor != 1 else ''}")
        return name

    # --- layers -----------------------------------------------------------------------------

    def refuse(self, layer: Layer, what: str) -> UnsupportedError:
        """The error that says what this library's code does not do."""
        return UnsupportedError(f"code for {self.library}: {type(layer).__name__}: {what}")

    def known_shape(self, layer: Layer, why: str) -> Shape:
        """The current shape.

        Raises:
            InputError: no input shape was given.
        """
        if self.shape is None:
            raise InputError(
                f"code for {self.library}: {type(layer).__name__}: {why} depends on the size of the input; "
                "give input_shape=(…)"
            )
        return self.shape

    def follow(self, layer: Layer) -> None:
        """The shape after the layer, where the shape before it is known."""
        if self.shape is not None:
            self.shape = (self.shape[0], *output_shape(layer, [self.shape[1:]]).shape)
            self.is_flat = len(self.shape) == 2
        elif isinstance(layer, Flatten):
            self.is_flat = True

    def pads(self, layer: Conv | MaxPool | AvgPool | LpPool) -> tuple[Pair, ...]:
        """Cells added before and after each axis; ``"same"`` is resolved."""
        if layer.padding != "same":
            return layer.padding
        if all(step == 1 for step in layer.stride):
            totals = [window_extent(k, d) - 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
            return tuple((total // 2, total - total // 2) for total in totals)
        spatial = self.known_shape(layer, "padding='same' with a stride")[2:]
        return tuple(axis.padding for axis in window_axes(layer, spatial))

    def overhang(self, layer: MaxPool | AvgPool | LpPool) -> tuple[int, ...]:
        """How far the last window of each axis reaches beyond the padding: more than 0 with `ceil_mode`."""
        if not layer.ceil_mode:
            return (0,) * self.rank
        spatial = self.known_shape(layer, "ceil_mode")[2:]
        axes = window_axes(layer, spatial)
        return tuple(
            max(0, (axis.size - 1) * s + window_extent(k, d) - n - sum(axis.padding))
            for axis, s, k, d, n in zip(
                axes, layer.stride, layer.kernel_size, layer.dilation, spatial, strict=True
            )
        )


def weights_of(layer: Conv | ConvTranspose | Linear) -> ExactArray:
    """The layer's weights.

    Raises:
        InputError: the layer has sizes only.
    """
    if layer.weight is None:
        raise InputError(f"{type(layer).__name__}: it has no weights, only sizes; code needs the weights")
    return layer.weight


def statistics_of(layer: BatchNorm) -> tuple[ExactArray, ExactArray]:
    """The running mean and variance.

    Raises:
        InputError: the layer has sizes only.
    """
    if layer.running_mean is None or layer.running_var is None:
        raise InputError("BatchNorm: it has no statistics; code needs running_mean and running_var")
    return layer.running_mean, layer.running_var


def literal(values: ExactArray) -> tuple[str, int]:
    """An array as a nested list in source, and the whole number it is divided by.

    >>> from convscope.core.reading import matrix
    >>> literal(matrix("1/2 1; 0 2"))
    ('[[0.5, 1], [0, 2]]', 1)
    >>> literal(matrix("1/3 2/3"))
    ('[[1, 2]]', 3)
    """
    if isinstance(values, RationalArray) and magnitude(values.numerators) < EXACT_IN_FLOAT:
        places = decimal_places(Fraction(1, values.denominator))
        if places is not None and places <= MOST_PLACES:
            digits = [_Digits(decimal_text(cell, decimal_places(cell) or 0)) for cell in _ratios(values)]
            return _nested(np.array([*digits, None], dtype=object)[:-1].reshape(values.shape).tolist()), 1
        if values.denominator < EXACT_IN_FLOAT:
            return _nested(values.numerators.tolist()), values.denominator
    floats = values.to_float()
    if not np.isfinite(floats).all():
        raise InputError("code: a weight is too large for a float")
    return _nested(floats.tolist()), 1


def number(value: Fraction) -> str:
    """One exact number in source: ``0.25``, ``1 / 3``.

    >>> number(Fraction(1, 4)), number(Fraction(-1, 3))
    ('0.25', '(-1 / 3)')
    """
    places = decimal_places(value)
    if places is not None and places <= MOST_PLACES:
        return decimal_text(value, places)
    return f"({value.numerator} / {value.denominator})"


def _ratios(values: RationalArray) -> Iterator[Fraction]:
    return (Fraction(int(n), values.denominator) for n in values.numerators.reshape(-1))


class _Digits(str):
    """Digits that are written into a list as they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _nested(values: Sequence[object]) -> str:
    return pprint.pformat(values, width=WIDTH, compact=True)


def dilated(weight: ExactArray, dilation: Sequence[int]) -> ExactArray:
    """Weights (O, C, *kernel) with the zeros of a dilated kernel written out."""
    if set(dilation) <= {1}:
        return weight
    size = [window_extent(k, d) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    places: Any = (..., *(slice(None, None, d) for d in dilation))

    def spread(cells: np.ndarray[Shape, np.dtype[np.int64]]) -> np.ndarray[Shape, np.dtype[np.int64]]:
        wide = np.zeros((*weight.shape[:2], *size), dtype=cells.dtype)
        wide[places] = cells
        return wide

    return weight.rearranged(spread)
