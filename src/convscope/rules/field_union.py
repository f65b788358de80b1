"""The receptive field where branches meet: what any of them saw, and whether their centres agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from convscope.core.network import Shape
from convscope.rules.field import MAX_PERIOD, AxisField, Field


def merged(name: str, fields: Sequence[Field], shapes: Sequence[Shape], output: Shape) -> Field:
    """The field where branches of these fields and shapes meet in the layer `name`, cell by cell."""
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
            through = through or name
        axes.append(axis)
        places.append(homes[0] if homes and same_home else None)
        if not aligned:
            misaligned = misaligned or name
    unfollowed = max(field.unfollowed for field in fields)
    return Field(tuple(axes), through, misaligned, tuple(places), unfollowed)


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
