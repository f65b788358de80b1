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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.network import Node, Shape
from convscope.core.operators import (
    Attention,
    Elementwise,
    Embedding,
    MatMul,
    Norm,
    Rearrange,
    Recurrent,
    Reduce,
    Source,
)
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.rules.reach import REACH_RULES, Reach, Windows, resampled
from convscope.rules.rearranged import kept_places

# Phases after which the fields of a layer repeat; resizes between odd sizes multiply them. Beyond
# this many the positions are given up, and the field is the whole picture.
MAX_PERIOD = 512
# A jump longer than any picture says nothing, but its digits would fill the memory.
MAX_ADVANCE = 10**18


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

    def hull(self, count: int) -> AxisField:
        """What `count` outputs see together, cut to the picture, as the field of every one of them."""
        if self.is_constant and 0 <= self.box(0)[0] <= self.box(0)[1] <= self.length:
            return self
        ends = {*range(min(count, self.period)), *range(max(count - self.period, 0), count)}
        boxes = [(low, stop) for low, stop in map(self.clipped, ends) if low < stop]
        if not boxes:
            return AxisField((None,), (None,), 0, self.length)
        low, stop = min(low for low, _ in boxes), max(stop for _, stop in boxes)
        return AxisField((low,), (stop - 1,), 0, self.length)

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
        places: which axis of the output (without the batch axis) runs along each axis of the picture;
            None for an axis of the picture that the output no longer has.
    """

    axes: tuple[AxisField, ...]
    through: str = ""
    misaligned: str = ""
    places: tuple[int | None, ...] = ()

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


# --- the rules --------------------------------------------------------------------------------
# A rule is given the node, the fields and shapes of what it reads, and the shape of its output.


def _same(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return fields[0]


def _whole(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Every output sees all that the inputs see together."""
    seen = [_hull(field, shape) for field, shape in zip(fields, inputs, strict=True) if field.axes]
    if not seen:
        return Field(())
    merged = seen[0] if len(seen) == 1 else _merged(node, seen, [output] * len(seen), output)
    was_whole = len(seen) == 1 and fields[0].is_whole
    return replace(merged, through=merged.through if was_whole else node.name)


def _hull(field: Field, shape: Shape) -> Field:
    axes = tuple(axis.hull(n) for axis, n in zip(field.axes, field.counts(shape), strict=True))
    return replace(field, axes=axes, places=(None,) * len(axes))


def _sliding(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    field, shape = fields[0], inputs[0]
    if field.places != tuple(range(1, len(shape))):
        # The array's axes are not the picture's: a sequence made of the picture, or tokens.
        return field if field.is_whole or not field.axes else _whole(node, fields, inputs, output)
    rule = REACH_RULES[type(node.layer)]
    axes: list[AxisField] = []
    before: tuple[AxisField, Reach] | None = None
    for axis, seen in enumerate(field.axes):
        reach = rule(node.layer, axis, shape[axis + 1], output[axis + 1])
        if before is not None and before[0] == seen and before[1] == reach:
            axes.append(axes[-1])  # most networks are square
        else:
            through = seen.seen_through(reach)
            if through is None or through.advance > MAX_ADVANCE:
                return _whole(node, fields, inputs, output)
            axes.append(through)
        before = seen, reach
    return Field(tuple(axes), field.through, field.misaligned, field.places)


def _adaptive(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    if set(output[1:]) == {1}:
        return _whole(node, fields, inputs, output)
    return _sliding(node, fields, inputs, output)


def _along(node: Node, fields: Sequence[Field], shape: Shape, place: int) -> Field:
    """Cells along one axis are mixed: whole along it if it is the picture's."""
    field = fields[0]
    if place not in field.places:
        return field
    at = field.places.index(place)
    if field.axes[at].is_constant:
        return field
    axes = tuple(a.hull(shape[place]) if n == at else a for n, a in enumerate(field.axes))
    return replace(field, axes=axes, through=node.name)


def _linear(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return _along(node, fields, inputs[0], len(inputs[0]) - 1)


def _softmax(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    dim: int = node.layer.dim  # type: ignore[attr-defined]
    return _along(node, fields, inputs[0], dim - 1 if dim >= 0 else dim + len(inputs[0]))


def _norm(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Norm)  # noqa: S101 - the table says so
    if node.layer.kind == "local response":
        return fields[0]
    last = len(inputs[0]) - 1
    if node.layer.kind in {"layer", "rms"} and last not in fields[0].places:
        return fields[0]  # over the channels of each position
    return _whole(node, fields, inputs, output)


def _moved(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Cells moved or dropped: positions are kept where the shapes tell how, and given up elsewhere."""
    field = fields[0]
    spatial = [one for one in fields if one.axes]
    if not spatial:
        return Field(())
    if len(spatial) > 1:
        layer = node.layer
        if isinstance(layer, Rearrange) and layer.op.lower().startswith(("cat", "concat")):
            return _merge(node, fields, inputs, output)
        return _whole(node, fields, inputs, output)
    field, shape = next((f, s) for f, s in zip(fields, inputs, strict=True) if f.axes)
    if field.is_whole:
        return replace(field, places=(None,) * len(field.axes))
    places = kept_places(node.layer, field.places, shape, output)
    if places is None:
        return _whole(node, fields, inputs, output)
    return replace(field, places=places)


def _shuffled(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Cells moved between channels and space, as pixel shuffling does."""
    field, shape = fields[0], inputs[0]
    reaches = [resampled(n, m) for n, m in zip(shape[1:], output[1:], strict=False)]
    if field.places != tuple(range(1, len(shape))) or len(output) != len(shape) or None in reaches:
        return _whole(node, fields, inputs, output)
    axes = [
        axis.seen_through(reach) for axis, reach in zip(field.axes, reaches, strict=True) if reach is not None
    ]
    if None in axes:
        return _whole(node, fields, inputs, output)
    return replace(field, axes=tuple(axis for axis in axes if axis is not None))


_SHUFFLES = ("pixel_shuffle", "pixelshuffle", "pixel_unshuffle", "pixelunshuffle", "depthtospace", "spacetodepth",
             "depth_to_space", "space_to_depth")  # fmt: skip


def _rearranged(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Rearrange)  # noqa: S101 - the table says so
    is_shuffle = node.layer.op.lower().startswith(_SHUFFLES) and fields and fields[0].axes
    return (_shuffled if is_shuffle else _moved)(node, fields, inputs, output)


def _reduced(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Reduce)  # noqa: S101 - the table says so
    return (_whole if node.layer.whole else _moved)(node, fields, inputs, output)


def _flattened(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    return fields[0] if inputs[0] == output else _moved(node, fields, inputs, output)


def _nothing(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:  # noqa: ARG001
    return Field(())


# --- branches ---------------------------------------------------------------------------------


def _merge(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """Branches that meet cell by cell: each output sees what any of them saw."""
    seen = [(field, shape) for field, shape in zip(fields, inputs, strict=True) if field.axes]
    if not seen:
        return Field(())
    if all(field is seen[0][0] for field, _ in seen) and seen[0][1] == output:
        return seen[0][0]
    return _merged(node, [field for field, _ in seen], [shape for _, shape in seen], output)


def _concatenated(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    assert isinstance(node.layer, Concat)  # noqa: S101 - the table says so
    axis = node.layer.dim - 1 if node.layer.dim > 0 else node.layer.dim + len(output)
    if any(axis in field.places for field in fields):
        return _whole(
            node, fields, inputs, output
        )  # cells of the second branch lie behind those of the first
    return _merge(node, fields, inputs, output)


def _merged(node: Node, fields: Sequence[Field], shapes: Sequence[Shape], output: Shape) -> Field:
    if len({len(field.axes) for field in fields}) > 1:
        # Pictures of different ranks: what is seen of which cannot be one box.
        return max(fields, key=lambda field: len(field.axes))
    through = next((field.through for field in fields if field.through), "")
    misaligned = next((field.misaligned for field in fields if field.misaligned), "")
    placed = [_from_right(field, shape, output) for field, shape in zip(fields, shapes, strict=True)]
    axes, places = [], []
    for n in range(len(fields[0].axes)):
        parts, homes = [], []
        for field, shape, home in zip(fields, shapes, placed, strict=True):
            axis, place = field.axes[n], home[n]
            if place is not None and field.counts(shape)[n] == 1 < output[place]:
                axis, place = axis.hull(1), None  # one cell stretched over all
            parts.append(axis)
            homes += [] if place is None else [place]
        same_home = len(set(homes)) <= 1
        axis, aligned = _union(parts, output[homes[0]] if homes and same_home else 1) if same_home else (
            _hulls(parts, [field.counts(s)[n] for field, s in zip(fields, shapes, strict=True)]), True
        )  # fmt: skip
        if not same_home or (axis.is_constant and not through and not all(p.is_constant for p in parts)):
            through = through or node.name
        axes.append(axis)
        places.append(homes[0] if homes and same_home else None)
        if not aligned:
            misaligned = misaligned or node.name
    return Field(tuple(axes), through, misaligned, tuple(places))


def _from_right(field: Field, shape: Shape, output: Shape) -> tuple[int | None, ...]:
    """The places in the output: arrays of fewer axes are stretched from the right, as NumPy does it."""
    shift = len(output) - len(shape)
    return tuple(None if place is None else place + shift for place in field.places)


def _hulls(parts: Sequence[AxisField], counts: Sequence[int]) -> AxisField:
    return _union([part.hull(count) for part, count in zip(parts, counts, strict=True)], 1)[0]


def _union(parts: Sequence[AxisField], count: int) -> tuple[AxisField, bool]:
    """The field that covers all, for outputs 0 … count − 1, and whether their centres agree."""
    first = parts[0]
    if all(part is first or part == first for part in parts):
        return first, True
    if len({part.is_constant for part in parts}) > 1:
        parts = [part.hull(count) for part in parts]
    jumps = {part.jump for part in parts}
    if len(jumps) > 1:
        return _covering(parts, count), False
    aligned = len({part.start for part in parts}) == 1 or next(iter(jumps)) == 0
    period = math.lcm(*(part.period for part in parts))
    if period > MAX_PERIOD:
        return _union([part.hull(count) for part in parts], 1)[0], aligned
    lows: list[int | None] = []
    highs: list[int | None] = []
    for output in range(period):
        boxes = [box for part in parts if (box := part.box(output))[0] < box[1]]
        lows.append(min((low for low, _ in boxes), default=None))
        highs.append(max((stop for _, stop in boxes), default=0) - 1 if boxes else None)
    advance = int(next(iter(jumps)) * period)
    return AxisField(tuple(lows), tuple(highs), advance, parts[0].length), aligned


def _covering(parts: Sequence[AxisField], count: int) -> AxisField:
    """The first branch's field, widened until it covers the others at every output, which jump otherwise."""
    first = parts[0]
    before = after = 0
    # Straight lines are furthest apart at an end; phases shift that by less than a common period.
    reach = min(count, math.lcm(*(part.period for part in parts)))
    for output in {*range(reach), *range(count - reach, count)}:
        low, stop = first.box(output)
        for part in parts[1:]:
            other_low, other_stop = part.box(output)
            if low < stop and other_low < other_stop:
                before, after = max(before, low - other_low), max(after, other_stop - stop)
    return AxisField(
        tuple(None if low is None else low - before for low in first.lows),
        tuple(None if high is None else high + after for high in first.highs),
        first.advance,
        first.length,
    )


def misalignment(fields: Sequence[Field]) -> tuple[int, int, int] | None:
    """Picture axis and the positions of two branches whose jumps or centres disagree; None where none do."""
    seen = [(n, field) for n, field in enumerate(fields) if field.axes]
    for (a, one), (b, other) in pairwise(seen):
        for axis, (mine, theirs) in enumerate(zip(one.axes, other.axes, strict=False)):
            if mine.is_constant or theirs.is_constant:
                continue
            if (mine.jump, mine.start) != (theirs.jump, theirs.start):
                return axis, a, b
    return None


Rule = Callable[[Node, Sequence[Field], Sequence[Shape], Shape], Field]

FIELD_RULES: dict[type[Layer], Rule] = {
    **dict.fromkeys((Conv, ConvTranspose, MaxPool, AvgPool, LpPool, Upsample, Pad), _sliding),
    **dict.fromkeys((AdaptiveAvgPool, AdaptiveMaxPool), _adaptive),
    **dict.fromkeys((GlobalAvgPool, GlobalMaxPool, MatMul, Attention, Recurrent), _whole),
    **dict.fromkeys((pointwise.Softmax, pointwise.Softmin, pointwise.LogSoftmax), _softmax),
    BatchNorm: _same,
    Flatten: _flattened,
    Linear: _linear,
    Norm: _norm,
    Rearrange: _rearranged,
    Reduce: _reduced,
    Embedding: _moved,
    Source: _nothing,
    **dict.fromkeys((Add, Elementwise), _merge),
    Concat: _concatenated,
}


def field_of(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field | None:
    """The field of a node from the fields of what it reads; None where no rule knows it.

    Args:
        node: the layer in its place.
        fields, inputs: the field and the shape of each thing it reads.
        output: the shape of what it gives.
    """
    if isinstance(node.layer, pointwise.Pointwise):
        return fields[0]
    rule = FIELD_RULES.get(type(node.layer))
    return None if rule is None else rule(node, fields, inputs, output)
