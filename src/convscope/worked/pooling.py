"""Pooling, worked exactly: the largest, the mean or a norm of each window, any rank.

Max pooling is decided on integers that keep the order of the exact values, so that two values
which differ in the hundredth decimal are told apart and equal ones are a tie.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

import numpy as np

from convscope.core.array import ExactArray, Integers, RationalArray
from convscope.core.derivation import Step
from convscope.core.document import Block, Finding, Formula, Text, text
from convscope.core.expression import Absolute, Call, Expression, Number, Power, Quotient, equation
from convscope.core.layer import Pair
from convscope.core.number import Exact
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.errors import ShapeError
from convscope.rules.window import window_axes
from convscope.worked.arithmetic import Numbers, bilinear, mapped, multiply, ordered
from convscope.worked.convolution import padding_words
from convscope.worked.views import cell_marks, matrix_view, planes, short_sum
from convscope.worked.window import padded, surrounded
from convscope.worked.work import AnyLayer, Index, Work

Ranges = tuple[range, ...]
Sliding = TypeVar("Sliding", bound=MaxPool | AvgPool | LpPool)
Whole = TypeVar("Whole", bound=AdaptiveAvgPool | AdaptiveMaxPool | GlobalAvgPool | GlobalMaxPool)


class PoolWork(Work[AnyLayer]):
    """What every pool shares: each output cell has a region of input cells in each spatial axis."""

    letter = "p"

    @abstractmethod
    def region(self, position: Index) -> Ranges:
        """The input positions, axis by axis, that one output position covers; padding left out."""

    def region_values(self, index: Index) -> ExactArray:
        """The region of one output cell."""
        item = self.x[index[0]][index[1]]
        ranges = self.region(index[2:])
        region: ExactArray = item[tuple(slice(r.start, r.stop, r.step) for r in ranges)]
        return region

    @abstractmethod
    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """The pool of one region, written out."""

    def winners(self, index: Index) -> tuple[Index, ...]:  # noqa: ARG002 - max pools have winners
        """The input positions that gave the value; none where no single cell does."""
        return ()

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The region, and what the pool makes of it."""
        region = self.region_values(index)
        ranges = self.region(index[2:])
        winners = self.winners(index)
        local = [tuple(r.index(p) for r, p in zip(ranges, w, strict=True)) for w in winners]
        blocks: list[Block] = []
        for lead, plane in planes(region):
            cells = [place[len(lead) :] for place in local if place[: len(lead)] == lead]
            where = f" [{', '.join(map(str, lead))}]" if lead else ""
            caption = text(f"{_places(ranges)}{where}")
            blocks.append(matrix_view(plane, caption, cell_marks("winner", cells)))
        blocks.append(Formula(self.formula(list(region.cells()), index, name)))
        if len(winners) > 1:
            told = ", ".join(str(tuple(int(i) for i in w)) for w in winners)
            blocks.append(
                Finding("note", text(f"A tie: the input's cells {told} all hold the largest value."))
            )
        return (Step(region_words(ranges), tuple(blocks)),)


def region_words(ranges: Ranges) -> Text:
    """Where a region lies, in a sentence."""
    return text(f"The region: {_places(ranges)} of the input.")


def _places(ranges: Ranges) -> str:
    names = {1: ("cells",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}[len(ranges)]
    return ", ".join(_span(name, r) for name, r in zip(names, ranges, strict=True))


def _span(name: str, places: range) -> str:
    """One axis of a region: "rows 0 to 2"; dilated, "rows 0, 2, 4"."""
    if len(places) == 1:
        return f"{name.removesuffix('s')} {places.start}"
    told = f"{places.start} to {places[-1]}" if places.step == 1 else ", ".join(map(str, places))
    return f"{name} {told}"


class _WindowPool(PoolWork[Sliding]):
    """A pool with a sliding window: `MaxPool`, `AvgPool` or `LpPool`."""

    @cached_property
    def padding(self) -> tuple[Pair, ...]:
        """Cells added before and after each axis, "same" resolved."""
        return tuple(axis.padding for axis in window_axes(self.layer, self.x.shape[2:]))

    @cached_property
    def reach(self) -> tuple[Pair, ...]:
        """The padding, lengthened after the end as far as the last window hangs over (ceil mode)."""
        layer = self.layer
        reached = []
        for axis, (n, pair, windows) in enumerate(
            zip(self.x.shape[2:], self.padding, self.shape.shape[1:], strict=True)
        ):
            extent = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
            end = (windows - 1) * layer.stride[axis] + extent
            reached.append((pair[0], max(pair[1], end - n - pair[0])))
        return tuple(reached)

    def region(self, position: Index) -> Ranges:
        """The cells of the input in the window."""
        return tuple(self._met(axis, place) for axis, place in enumerate(position))

    def refuse_empty_windows(self) -> None:
        """Refuse a dilated window that steps over every cell of the input: it has no largest and no mean.

        Raises:
            ShapeError: with the window and the axis.
        """
        for axis, windows in enumerate(self._windows):
            empty = next((place for place in range(windows) if not self._met(axis, place)), None)
            if empty is not None:
                raise ShapeError(
                    f"{type(self.layer).__name__}: window {empty} along axis {axis} holds no cell of the "
                    f"input ({self.x.shape[2 + axis]} cells, padding {self.padding[axis]}, dilation "
                    f"{self.layer.dilation[axis]}); use less padding or dilation"
                )

    def reduced(self, padded_cells: Numbers, reduce: np.ufunc) -> Numbers:
        """Each window of the padded input reduced to one cell, one axis after the other."""
        layer, cells = self.layer, padded_cells
        for axis, windows in enumerate(self._windows):
            lead = (slice(None),) * (2 + axis)
            stride, dilation = layer.stride[axis], layer.dilation[axis]
            total: Numbers | None = None
            for tap in range(layer.kernel_size[axis]):
                first = tap * dilation
                met = cells[(*lead, slice(first, first + stride * (windows - 1) + 1, stride))]
                total = met if total is None else reduce(total, met)
            assert total is not None  # noqa: S101 - a window has a cell; tells the type checker
            cells = total
        return cells

    def _met(self, axis: int, place: int) -> range:
        """The input's places along one axis that a window meets."""
        layer, length = self.layer, self.x.shape[2 + axis]
        start, step = place * layer.stride[axis] - self.padding[axis][0], layer.dilation[axis]
        first = max(-(-(0 - start) // step), 0)
        last = min((length - 1 - start) // step, layer.kernel_size[axis] - 1)
        return range(start + first * step, start + last * step + 1, step) if first <= last else range(0)

    @property
    def _windows(self) -> tuple[int, ...]:
        return self.shape.shape[1:]

    def _window_words(self) -> Text:
        layer = self.layer
        size = "×".join(map(str, layer.kernel_size))
        pad = text(", padding ", *padding_words(self.padding)) if any(map(any, self.padding)) else text()
        spread = (
            f", dilation {'×'.join(map(str, layer.dilation))}" if any(d > 1 for d in layer.dilation) else ""
        )
        up = ", sizes rounded up (ceil mode)" if layer.ceil_mode else ""
        strides = "×".join(map(str, dict.fromkeys(layer.stride)))
        return text(f"window {size}, stride {strides}", *pad, f"{spread}{up}.")


class MaxPoolWork(_WindowPool[MaxPool]):
    """Max pooling, worked."""

    def compute(self) -> ExactArray:
        """The largest cell of each window."""
        self.refuse_empty_windows()
        integers, back = ordered(self.x)
        return back(self.largest(integers))

    def largest(self, integers: Integers) -> Integers:
        """The largest of each window of integers that lie as the input does."""
        # The padding must lose against every cell.
        cells = surrounded(integers, [(0, 0), (0, 0), *self.reach], int(integers.min()) - 1)
        return self.reduced(cells, np.maximum)

    def convention(self) -> Text:
        """The window in words."""
        return text("The largest value of each window wins; ", *self._window_words())

    def winners(self, index: Index) -> tuple[Index, ...]:
        """The input positions that hold the largest value."""
        return largest_positions(self.region_values(index), self.region(index[2:]))

    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """max(…) = value."""
        return max_formula(values, self.cell_value(index), name)


def largest_positions(region: ExactArray, ranges: Ranges) -> tuple[Index, ...]:
    """Where in the input the largest cells of a region lie."""
    integers, _ = ordered(region)
    places = np.argwhere(integers == integers.max())
    return tuple(tuple(r[int(i)] for r, i in zip(ranges, place, strict=True)) for place in places)


def max_formula(values: Sequence[Exact], value: Exact, name: Expression) -> Expression:
    """Name = max(values) = value."""
    return equation(name, Call("max", tuple(Number(v) for v in values)), Number(value))


def mean_formula(values: Sequence[Exact], divisor: int, value: Exact, name: Expression) -> Expression:
    """Name = (sum of the values) / divisor = value."""
    total = short_sum([Number(v) for v in values])
    return equation(name, Quotient(total, Number(Fraction(divisor))), Number(value))


class AvgPoolWork(_WindowPool[AvgPool]):
    """Average pooling, worked."""

    @cached_property
    def divisors(self) -> tuple[tuple[int, ...], ...]:
        """For each axis and output position, the number of cells counted along it."""
        return tuple(
            tuple(self._counted(axis, position) for position in range(windows))
            for axis, windows in enumerate(self._windows)
        )

    def _counted(self, axis: int, position: int) -> int:
        layer, n, (before, after) = self.layer, self.x.shape[2 + axis], self.padding[axis]
        start = position * layer.stride[axis] - before
        cells = range(start, start + layer.dilation[axis] * layer.kernel_size[axis], layer.dilation[axis])
        low, high = (-before, n + after) if layer.count_include_pad else (0, n)
        return sum(low <= c < high for c in cells)

    def divisor(self, position: Index) -> int:
        """What the sum of one window is divided by."""
        if self.layer.divisor_override is not None:
            return self.layer.divisor_override
        return math.prod(self.divisors[axis][p] for axis, p in enumerate(position))

    def compute(self) -> ExactArray:
        """The sum of each window over the number of cells counted."""
        self.refuse_empty_windows()
        sums = window_sums(self, self.x)
        if self.layer.divisor_override is not None:
            counts = np.full(self._windows, self.layer.divisor_override)
        else:
            counts = np.array(1, dtype=np.int64)
            for axis_counts in self.divisors:
                counts = np.multiply.outer(counts, np.array(axis_counts, dtype=np.int64))
        common = math.lcm(*(int(c) for c in np.unique(counts)))
        shares = RationalArray((common // counts.astype(object)), common)
        return multiply(sums, shares)

    def convention(self) -> Text:
        """The window, and what is divided by."""
        counted = (
            text("; divided by ", self.layer.divisor_override)
            if self.layer.divisor_override is not None
            else text("; cells of the padding count as zeros")
            if self.layer.count_include_pad and any(map(any, self.padding))
            else text("; only cells of the input count")
            if any(map(any, self.padding))
            else text()
        )
        return text("The mean of each window", *counted, "; ", *self._window_words())

    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """(sum) / count = value."""
        return mean_formula(values, self.divisor(index[2:]), self.cell_value(index), name)


def window_sums(work: _WindowPool[Sliding], array: ExactArray) -> ExactArray:
    """The sum of each window of an array like the work's input."""
    work.refuse_empty_windows()
    cells = padded(array, work.reach)
    size = math.prod(work.layer.kernel_size)
    one = RationalArray(np.ones((), dtype=np.int64))

    def total(x: Numbers, w: Numbers) -> Numbers:
        return work.reduced(x, np.add) * w

    return bilinear(
        cells, one, total, terms=size, products=size * math.prod(work.shape.shape) * array.shape[0]
    )


class LpPoolWork(_WindowPool[LpPool]):
    """Power-average pooling, worked."""

    def compute(self) -> ExactArray:
        """The p-th root of the sum of p-th powers of magnitudes."""
        from convscope.worked.pointwise import power_of, root_of

        self.refuse_empty_windows()
        p = self.layer.norm_type
        powers = mapped(self.x, lambda value: power_of(value, p))
        return mapped(window_sums(self, powers), lambda value: root_of(value, p))

    def convention(self) -> Text:
        """The window and the norm."""
        return text(
            "The ",
            self.layer.norm_type,
            "-norm of each window, the root of the sum of powers; ",
            *self._window_words(),
        )

    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """(Σ|x|^p)^(1/p) = value."""
        p = self.layer.norm_type
        powers = [Power(Absolute(Number(v)), Number(Fraction(p))) for v in values]
        root = Power(short_sum(powers), Number(Fraction(1, p)))
        return equation(name, root, Number(self.cell_value(index)))


class _WholePool(PoolWork[Whole]):
    """Adaptive and global pools: regions chosen to give an output size."""

    @cached_property
    def edges(self) -> tuple[tuple[range, ...], ...]:
        """For each axis, the input range of each output position: ⌊iL/n⌋ to ⌈(i+1)L/n⌉ − 1."""
        return tuple(
            tuple(range(i * length // n, -(-(i + 1) * length // n)) for i in range(n))
            for length, n in zip(self.x.shape[2:], self.shape.shape[1:], strict=True)
        )

    def region(self, position: Index) -> Ranges:
        """The cells of the input that one output cell covers."""
        return tuple(self.edges[axis][p] for axis, p in enumerate(position))

    def reduced(self, cells: Numbers, reduce: np.ufunc) -> Numbers:
        """The cells reduced region by region, one axis after the other."""
        for axis, ranges in enumerate(self.edges, start=2):
            lead = (slice(None),) * axis
            cells = np.stack(
                [reduce.reduce(cells[(*lead, slice(r.start, r.stop))], axis=axis) for r in ranges], axis=axis
            )
        return cells

    def _words(self) -> str:
        if isinstance(self.layer, GlobalAvgPool | GlobalMaxPool):
            return "of each whole channel"
        return f"of regions chosen to give {'×'.join(map(str, self.shape.shape[1:]))} cells"


class WholeMaxWork(_WholePool[Whole]):
    """Adaptive and global max pooling, worked."""

    def compute(self) -> ExactArray:
        """The largest cell of each region."""
        integers, back = ordered(self.x)
        return back(self.largest(integers))

    def largest(self, integers: Integers) -> Integers:
        """The largest of each region of integers that lie as the input does."""
        return self.reduced(integers, np.maximum)

    def convention(self) -> Text:
        """The regions in words."""
        return text(f"The largest value {self._words()}.")

    def winners(self, index: Index) -> tuple[Index, ...]:
        """The input positions that hold the largest value."""
        return largest_positions(self.region_values(index), self.region(index[2:]))

    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """max(…) = value."""
        return max_formula(values, self.cell_value(index), name)


class WholeAvgWork(_WholePool[Whole]):
    """Adaptive and global average pooling, worked."""

    def compute(self) -> ExactArray:
        """The sum of each region over its number of cells."""
        counts = np.array(1, dtype=object)
        for ranges in self.edges:
            counts = np.multiply.outer(counts, np.array([len(r) for r in ranges], dtype=object))
        largest = int(np.max(counts))
        common = math.lcm(*(int(c) for c in np.unique(counts)))
        one = RationalArray(np.ones((), dtype=np.int64))
        sums = bilinear(
            self.x, one, lambda x, w: self.reduced(x, np.add) * w, terms=largest, products=self.x.size
        )
        return multiply(sums, RationalArray(common // counts, common))

    def convention(self) -> Text:
        """The regions in words."""
        return text(f"The mean {self._words()}.")

    def formula(self, values: Sequence[Exact], index: Index, name: Expression) -> Expression:
        """(sum) / count = value."""
        return mean_formula(values, len(values), self.cell_value(index), name)
