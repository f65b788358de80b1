"""Which input cells an output cell sees: size, jump and start, axis by axis, through any graph.

Conventions: input pixels are counted from 0 and a pixel's centre is at its index; `size` is in
input pixels, `jump` the distance in input pixels between the fields of neighbouring outputs,
`start` the centre of the first output's field (it may be negative or a half). Padding cells are
counted as if the picture went on; `clipped` cuts them off. After a transposed convolution or a
resize, cells of different phases see different numbers of pixels: `size` is then the largest, and
`start` the mean of the centres with each moved back by its distance to the first output.
Source: Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill (2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from convscope.core.network import Shape
from convscope.rules.reach import Reach, Windows

# Phases after which the fields of a layer repeat; resizes between odd sizes multiply them. Beyond
# this many the positions are given up, and the field is the whole picture.
MAX_PERIOD = 512


class Borders(NamedTuple):
    """How the borders of the picture cut the fields along an axis.

    Attributes:
        first, last: outputs at the start and at the end that see padding.
        largest: pixels of the picture that one output sees at the most.
    """

    first: int
    last: int
    largest: int


@dataclass(frozen=True, slots=True)
class AxisField:
    """The receptive field along one axis of the picture.

    Attributes:
        lows, highs: the first and the last pixel that the outputs 0, 1, … of one period see, as if the
            picture went on beyond its borders; None for an output that sees nothing.
        advance: the pixels between the field of output o and that of output ``o + period``; 0 where
            all outputs see the same.
        length: of the picture along the axis.
    """

    lows: tuple[int | None, ...]
    highs: tuple[int | None, ...]
    advance: int
    length: int

    @property
    def period(self) -> int:
        """After so many outputs the fields repeat, `advance` pixels further."""
        return len(self.lows)

    @property
    def size(self) -> int:
        """Pixels that one output sees, border not clipped; the most where outputs differ."""
        return max((high - low + 1 for low, high in self._seen()), default=0)

    @property
    def jump(self) -> Fraction:
        """Pixels between the fields of neighbouring outputs, on average over a period."""
        return Fraction(self.advance, len(self.lows))

    @property
    def start(self) -> Fraction:
        """Centre of the first output's field; the mean over a period where outputs differ."""
        if len(self.lows) == 1:
            return Fraction(sum(self.box(0)) - 1, 2)
        jump, centres = self.jump, []
        for phase in range(len(self.lows)):
            low, stop = self.box(phase)
            if low < stop:
                centres.append(Fraction(low + stop - 1, 2) - jump * phase)
        return sum(centres, Fraction(0)) / max(len(centres), 1)

    @property
    def is_constant(self) -> bool:
        """True when all outputs see the same."""
        return self.advance == 0 and len(self.lows) == 1

    def box(self, output: int) -> tuple[int, int]:
        """The pixels that one output sees, half-open, border not clipped; (0, 0) for none."""
        turn, phase = divmod(output, len(self.lows))
        low, high = self.lows[phase], self.highs[phase]
        if low is None or high is None:
            return 0, 0
        return low + turn * self.advance, high + turn * self.advance + 1

    def clipped(self, output: int) -> tuple[int, int]:
        """The same, cut to the picture; an empty range where only padding is seen."""
        low, stop = (min(max(edge, 0), self.length) for edge in self.box(output))
        return low, stop

    def borders(self, count: int) -> Borders:
        """Which of `count` outputs see padding, and the largest size once it is cut off."""
        first, behind = count, 0
        for phase, (low, high) in enumerate(zip(self.lows, self.highs, strict=True)):
            if low is None or high is None:
                continue
            if self.advance:
                first = min(first, max(-(low // self.advance), 0) * self.period + phase)
                behind = max(behind, (self.length - 1 - high) // self.advance * self.period + phase + 1)
            else:
                first = min(first, phase if low >= 0 else count)
                behind = max(behind, count if high < self.length else 0)
        last = count - min(max(behind, 0), count)
        widest = sorted({*range(min(count, 2 * self.period)), *self._inner(count, first), count - 1})
        largest = max((stop - low for low, stop in map(self.clipped, widest)), default=0)
        return Borders(first, last, max(largest, 0))

    def _inner(self, count: int, first: int) -> Iterator[int]:
        """Outputs in the middle of a border and behind it: the widest field is at one of them."""
        for start in (first, count // 2):
            yield from range(max(start - self.period, 0), min(start + self.period, count))

    def hull(self, count: int) -> AxisField:
        """What `count` outputs see together, cut to the picture, as the field of every one of them."""
        if self.is_constant and 0 <= self.box(0)[0] <= self.box(0)[1] <= self.length:
            return self
        boxes = [(low, stop) for low, stop in map(self.clipped, self._outermost(count)) if low < stop]
        if not boxes:
            return AxisField((None,), (None,), 0, self.length)
        low, stop = min(low for low, _ in boxes), max(stop for _, stop in boxes)
        return AxisField((low,), (stop - 1,), 0, self.length)

    def _outermost(self, count: int) -> Iterator[int]:
        """Of each phase the first and the last of `count` outputs that see any of the picture."""
        for phase, (low, high) in enumerate(zip(self.lows, self.highs, strict=True)):
            last = (count - 1 - phase) // self.period
            if low is None or high is None or last < 0:
                continue
            first = 0
            if self.advance:
                first = max(first, -(high // self.advance))
                last = min(last, (self.length - 1 - low) // self.advance)
            if first <= last:
                yield phase + first * self.period
                yield phase + last * self.period

    def seen_through(self, reach: Reach) -> AxisField | None:
        """The field of a layer that reads this one; None where it repeats too late to be followed."""
        if self.is_constant:
            return self
        period, advance = len(self.lows), reach.advance
        low, high = self.lows[0], self.highs[0]
        if period == 1 and type(reach) is Windows and low is not None and high is not None:
            step = self.advance  # the usual case, and fast: deep networks have thousands of them
            low += reach.first * step
            high += (reach.first + (reach.taps - 1) * reach.dilation) * step
            return AxisField((low,), (high,), step * advance, self.length)
        turns = period // math.gcd(period, advance)
        if reach.period * turns > MAX_PERIOD:
            return None
        edges = [self._edges(reach.cells(output)) for output in range(reach.period * turns)]
        further = self.advance * (advance * turns // period)
        return AxisField(
            tuple(low for low, _ in edges), tuple(high for _, high in edges), further, self.length
        )

    def _edges(self, cells: range) -> tuple[int | None, int | None]:
        period = len(self.lows)
        if len(cells) > 2 * period:  # the extremes lie within a period of the ends
            boxes = [self.box(cell) for cell in (*cells[:period], *cells[-period:])]
        else:
            boxes = [self.box(cell) for cell in cells]
        lows = [low for low, stop in boxes if low < stop]
        return (min(lows), max(stop for low, stop in boxes if low < stop) - 1) if lows else (None, None)

    def _seen(self) -> Iterator[tuple[int, int]]:
        for low, high in zip(self.lows, self.highs, strict=True):
            if low is not None and high is not None:
                yield low, high


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of a layer's output cells.

    Attributes:
        axes: one entry a spatial axis of the network's input; empty where nothing spatial is seen.
        through: the layer that made the field the whole picture; empty where none did.
        misaligned: the layer that merged branches whose centres do not agree; empty where none did.
        unfollowed: where `through` only moved cells to where they are not followed, how many positions
            it moved: the field is then at most the whole picture; 0 where the field is exact.
        places: which axis of the output (without the batch axis) runs along each axis of the picture;
            None for an axis of the picture that the output no longer has.
    """

    axes: tuple[AxisField, ...]
    through: str = ""
    misaligned: str = ""
    places: tuple[int | None, ...] = ()
    unfollowed: int = 0

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels that one output cell sees, an entry an axis, border not clipped."""
        return tuple(axis.size for axis in self.axes)

    @property
    def jump(self) -> tuple[Fraction, ...]:
        """Pixels between the fields of neighbouring outputs, an entry an axis; 0 where all see the same."""
        return tuple(axis.jump for axis in self.axes)

    @property
    def start(self) -> tuple[Fraction, ...]:
        """Centre of the first output's field, an entry an axis."""
        return tuple(axis.start for axis in self.axes)

    @property
    def is_whole(self) -> bool:
        """True when every output cell sees the same of the picture."""
        return bool(self.axes) and all(axis.is_constant for axis in self.axes)

    def counts(self, shape: Shape) -> tuple[int, ...]:
        """How many cells an output of this shape has along each axis of the picture."""
        return tuple(1 if place is None else shape[place] for place in self.places)


def input_field(shape: Shape) -> Field:
    """The field of an input's own cells: each sees itself."""
    places = tuple(range(1, len(shape)))
    return Field(tuple(AxisField((0,), (0,), 1, shape[place]) for place in places), places=places)
