"""Convolution and transposed convolution worked backwards: each is the other, with the same kernel.

Source: V. Dumoulin & F. Visin, "A guide to convolution arithmetic for deep learning" (2016), chapter 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from convscope.core.array import ExactArray, RationalArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, Formula, MatrixRow, Text, text
from convscope.core.expression import Expression, Number, equation
from convscope.core.layer import Pair
from convscope.core.number import Exact
from convscope.rewrite.backward.gradient import Gradient, reached_words, summed_steps, total
from convscope.worked.arithmetic import Numbers, bilinear, multiply
from convscope.worked.convolution import ConvTransposeWork, ConvWork, slide, stamp
from convscope.worked.views import array_views, matrix_view, short_sum
from convscope.worked.window import at, padded, tap_slices, taps
from convscope.worked.work import Index

AnyConvWork = TypeVar("AnyConvWork", ConvWork, ConvTransposeWork)


class _ConvolutionGradient(Gradient[AnyConvWork]):
    """What both directions share: a weight's gradient sums products of the cells that the tap meets."""

    @property
    def _wide(self) -> ExactArray:
        """The array that the kernel lies on, one window a cell of `_narrow`."""
        raise NotImplementedError

    @property
    def _narrow(self) -> ExactArray:
        """The array with one cell a window."""
        raise NotImplementedError

    def parameter_gradients(self) -> dict[str, ExactArray]:
        """dL/dw for every tap, and dL/db."""
        layer = self.work.layer
        wide, narrow = self._wide, self._narrow
        windows = narrow.shape[2:]
        shape = self.work.weight_used.shape
        terms = narrow.shape[0] * math.prod(windows)
        found = bilinear(
            wide,
            narrow,
            lambda x, g: tap_sums(x, g, layer, shape),
            terms=terms,
            products=terms * math.prod(shape),
        )
        if layer.flip:
            axes = tuple(range(2, len(shape)))
            found = found.rearranged(lambda cells: np.flip(cells, axes))
        gradients = {"weight": found}
        if isinstance(layer.bias, ExactArray):
            gradients["bias"] = total(self.output, (1,))
        return gradients

    def _met(self, index: Index) -> tuple[int, tuple[slice, ...]]:
        """The channel of the wide array and the cells there that the tap at a weight's index meets."""
        layer = self.work.layer
        wide, narrow = self._wide, self._narrow
        out_group = narrow.shape[1] // layer.groups
        channel = index[0] // out_group * (wide.shape[1] // layer.groups) + index[1]
        return channel, tap_slices(self._tap(index), layer.stride, layer.dilation, narrow.shape[2:])

    def _tap(self, index: Index) -> Index:
        """The tap as used that a weight's index names."""
        size = self.work.layer.kernel_size
        if not self.work.layer.flip:
            return index[2:]
        return tuple(k - 1 - t for k, t in zip(size, index[2:], strict=True))

    def parameter_steps(self, parameter: str, index: Index, name: Expression) -> tuple[Step, ...]:
        """The cells that the tap meets, times the gradients of the cells they go into."""
        value = self.parameters[parameter].cell(index)
        if parameter == "bias":
            cells = list(self.output[:, index[0]].cells())
            told = text("The bias is added to every cell of its channel, so their gradients add up:")
            summed = equation(name, short_sum([Number(cell) for cell in cells]), Number(value))
            return (Step(told, (Formula(summed),)),)
        wide, narrow = self._wide, self._narrow
        channel: int
        slices: tuple[slice, ...]
        channel, slices = self._met(index)
        blocks: list[Block] = []
        pairs: list[tuple[Exact, Exact]] = []
        for item in range(narrow.shape[0]):
            met: ExactArray = wide[(item, channel, *slices)]
            gradients: ExactArray = narrow[item, index[0]]
            pairs += zip(met.cells(), gradients.cells(), strict=True)
            if met.ndim <= 2:
                words = self._met_words()
                views = (
                    matrix_view(met, words[0]),
                    matrix_view(gradients, words[1]),
                    matrix_view(multiply(met, gradients), text("products")),
                )
                blocks.append(MatrixRow(views, ("⊙", "=")))
        (step,) = summed_steps(name, text("The products added up:"), pairs, value)
        return Step(self.parameter_rule(), tuple(blocks)), step

    def _met_words(self) -> tuple[Text, Text]:
        raise NotImplementedError


class ConvGradient(_ConvolutionGradient[ConvWork]):
    """A convolution: dL/dx is a transposed convolution of dL/dy, dL/dw a correlation of x with dL/dy."""

    @property
    def _wide(self) -> ExactArray:
        return self.work.padded_input

    @property
    def _narrow(self) -> ExactArray:
        return self.output

    def _met_words(self) -> tuple[Text, Text]:
        return text("input cells under the tap"), text("dL/dy")

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """dL/dy stamped with the kernel as used; then the padding's gradients cut off or folded back."""
        return (self._folded(self._canvas),)

    @cached_property
    def _canvas(self) -> ExactArray:
        """The gradient of the padded input."""
        layer, weight = self.work.layer, self.work.weight_used
        full = self.work.padded_input.shape[2:]
        return bilinear(
            self.output,
            weight,
            lambda g, w: stamp(g, w, layer.groups, layer.stride, layer.dilation, full),
            terms=math.prod(weight.shape[2:]) * weight.shape[0] // layer.groups,
            products=self.output.size * math.prod(weight.shape[1:]),
        )

    def _folded(self, canvas: ExactArray) -> ExactArray:
        mode, pairs = self.work.layer.padding_mode, self.work.padding
        if mode in {"zeros", "constant"}:
            kept = (slice(b, n - a) for (b, a), n in zip(pairs, canvas.shape[2:], strict=True))
            inner: ExactArray = canvas[(slice(None), slice(None), *kept)]
            return inner
        for axis, (pair, length) in enumerate(zip(pairs, self.work.x.shape[2:], strict=True)):
            canvas = folded_back(canvas, axis + 2, pair, length, mode)
        return canvas

    def rule(self) -> Text:
        """A transposed convolution."""
        mode = self.work.layer.padding_mode
        folded = {
            "zeros": "What falls on the padding is cut off.",
            "constant": "What falls on the padding is cut off.",
        }.get(mode, "What falls on the padding goes back to the cells that it copies.")
        padding = f" {folded}" if any(map(any, self.work.padding)) else ""
        flipped = " rotated by 180°, as it was used," if self.work.layer.flip else ""
        return text(
            "dL/dx is a transposed convolution of dL/dy: each gradient stamps the kernel"
            f"{flipped} onto the window that its output cell saw, with the same stride, and the stamps add "
            f"up.{padding}"
        )

    def parameter_rule(self) -> Text:
        """A correlation."""
        return text(
            "dL/dw is a correlation of the input with dL/dy: a tap meets one input cell in each window, and "
            "its gradient adds up input times gradient."
        )

    def preamble(self) -> tuple[Block, ...]:
        """The gradient of the padded input, where there is padding."""
        if not any(map(any, self.work.padding)):
            return ()
        item = self._canvas[0]
        return array_views(item[0] if item.shape[0] == 1 else item, text("dL/dx with the padding"))

    def contributions(self, index: Index) -> list[tuple[Exact, Exact]]:
        """The windows that see one input cell: the tap over it in each, and that window's gradient."""
        layer, weight = self.work.layer, self.work.weight_used
        windows = self.output.shape[2:]
        per_group = self.work.x.shape[1] // layer.groups
        group, within = divmod(index[1], per_group)
        out_group = weight.shape[0] // layer.groups
        places = [self._padded_places(axis, place) for axis, place in enumerate(index[2:])]
        found = []
        for position in itertools.product(*places):
            for tap in taps(layer.kernel_size):
                offsets = [p - t * d for p, t, d in zip(position, tap, layer.dilation, strict=True)]
                if any(
                    o % s or not 0 <= o // s < n
                    for o, s, n in zip(offsets, layer.stride, windows, strict=True)
                ):
                    continue
                window = tuple(o // s for o, s in zip(offsets, layer.stride, strict=True))
                for channel in range(group * out_group, (group + 1) * out_group):
                    found.append(
                        (weight.cell((channel, within, *tap)), self.output.cell((index[0], channel, *window)))
                    )
        return found

    def _padded_places(self, axis: int, place: int) -> list[int]:
        """The places in the padded input that hold one input cell, along an axis."""
        before, after = self.work.padding[axis]
        sources = source_places(self.work.x.shape[2 + axis], (before, after), self.work.layer.padding_mode)
        return [int(found) for found in np.flatnonzero(sources == place)]

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The windows that see the cell: tap times gradient, added up."""
        pairs = self.contributions(index)
        seen = (
            text(f"The cell lies in {_windows(len(pairs))}: tap times gradient of each:")
            if self.output.shape[1] == 1
            else reached_words(len(pairs))
        )
        return summed_steps(name, seen, pairs, self.inputs[0].cell(index))


class ConvTransposeGradient(_ConvolutionGradient[ConvTransposeWork]):
    """A transposed convolution: dL/dx is a convolution of dL/dy with the same kernel."""

    @cached_property
    def _wide(self) -> ExactArray:
        layer = self.work.layer
        pairs = tuple(
            (before, extent - before - n)
            for (before, _), extent, n in zip(
                layer.padding, self.work.canvas_size, self.output.shape[2:], strict=True
            )
        )
        return padded(self.output, pairs)

    @property
    def _narrow(self) -> ExactArray:
        return self.work.x

    def _met_words(self) -> tuple[Text, Text]:
        return text("dL/dy under the tap"), text("input")

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """dL/dy, seen through the window that each input cell stamped."""
        layer, weight, spatial = self.work.layer, self.work.weight_used, self.work.x.shape[2:]
        terms = math.prod(weight.shape[1:])
        products = self.work.x.size * terms
        return (
            bilinear(
                self._wide,
                weight,
                lambda g, w: slide(g, w, layer.groups, layer.stride, layer.dilation, spatial),
                terms=terms,
                products=products,
            ),
        )

    def rule(self) -> Text:
        """A convolution."""
        return text(
            "dL/dx is a cross-correlation of dL/dy with the kernel as it was stamped: each input cell "
            "gathers the gradients under its stamp, tap times gradient, and the windows move by the stride."
        )

    def parameter_rule(self) -> Text:
        """A correlation the other way round."""
        return text(
            "dL/dw is a correlation of dL/dy with the input: each tap adds up gradient under it times input."
        )

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """Window of dL/dy ⊙ kernel."""
        layer, wide, weight = self.work.layer, self._wide, self.work.weight_used[index[1]]
        per_group = wide.shape[1] // layer.groups
        first = index[1] // (self.work.x.shape[1] // layer.groups) * per_group
        slices = tuple(
            slice(p * s, p * s + d * (k - 1) + 1, d)
            for p, s, d, k in zip(index[2:], layer.stride, layer.dilation, layer.kernel_size, strict=True)
        )
        window = wide[(index[0], slice(first, first + per_group), *slices)]
        pairs = list(zip(weight.cells(), window.cells(), strict=True))
        claim = text("The gradients under the cell's stamp, tap times gradient:")
        return summed_steps(name, claim, pairs, self.inputs[0].cell(index))


def _windows(count: int) -> str:
    return "one window" if count == 1 else f"{count} windows"


def tap_sums(x: Numbers, g: Numbers, layer: Conv | ConvTranspose, shape: Sequence[int]) -> Numbers:
    """For every tap the sum, over windows, of the cell it meets in `x` times the window's cell of `g`."""
    batch, groups, windows = g.shape[0], layer.groups, g.shape[2:]
    cells = math.prod(windows)
    grouped = x.reshape(batch, groups, -1, *x.shape[2:])
    gradients = g.reshape(batch, groups, -1, cells)
    sums = np.zeros(tuple(shape), dtype=x.dtype)
    for tap in taps(shape[2:]):
        met = at(grouped, tap_slices(tap, layer.stride, layer.dilation, windows))
        met = met.reshape(batch, groups, -1, cells)
        found = np.matmul(gradients, np.swapaxes(met, 2, 3)).sum(axis=0)
        at(sums, tap)[...] = found.reshape(shape[0], shape[1])
    return sums


def source_places(length: int, pair: Pair, mode: str) -> Numbers:
    """For each cell of a padded axis the input's place that it holds; -1 where it holds no input cell."""
    places = np.arange(length)
    if mode in {"zeros", "constant"}:
        return np.pad(places, pair, constant_values=-1)
    named = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    return np.pad(places, pair, mode=named)  # type: ignore[call-overload,no-any-return]


def folded_back(canvas: ExactArray, axis: int, pair: Pair, length: int, mode: str) -> ExactArray:
    """The gradients of one padded axis added up at the places that its cells hold copies of."""
    sources = source_places(length, pair, mode)
    copies = np.zeros((len(sources), length), dtype=np.int64)
    copies[np.arange(len(sources)), sources] = 1
    moved = canvas.rearranged(lambda cells: np.moveaxis(cells, axis, -1))
    most = int(copies.sum(axis=0).max())
    summed = bilinear(moved, RationalArray(copies), np.matmul, terms=most, products=moved.size * length)
    return summed.rearranged(lambda cells: np.moveaxis(cells, -1, axis))
