"""A search for an input that two chains of layers answer differently, of stated effort, exact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray, RationalArray, differs
from convscope.core.layer import Layer
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.rewrite.affine_map import unlike
from convscope.rules.shape import output_shape
from convscope.worked.arithmetic import add
from convscope.worked.solution import Solution, solve

Integers = npt.NDArray[np.int64]
AXES = {0: "", 1: "L", 2: "HW", 3: "DHW"}
# Shapes are tried from the smallest on, so that what is found is small.
MOST_SHAPES = 8
LONGEST = 12
# Inputs are worked as one batch of at most so many cells; of large inputs fewer are tried.
BATCH_CELLS = 2**21
MANY_CELLS = 4096
IMPULSES = (1, -1, 2, -2, 7, -7, 100, -100, 10_000, -10_000, 1_000_000)
RANGES = (1, 3, 10, 100, 10_000)
SEEDS = range(8)
MOST_IMPULSES = 24
MOST_SINGLE = 64
EFFORT = (
    "all zeros, every cell the same, single cells from 1 to 1,000,000 of either sign, and random integers "
    "up to 1, 3, 10, 100 and 10,000, dense and sparse, from 8 fixed seeds"
)


@dataclass(frozen=True, eq=False)
class Found:
    """An input that two chains answer differently."""

    input: ExactArray
    layout: str
    solutions: tuple[Solution, Solution]
    cell: tuple[int, ...] | None


def item_layout(shape: Sequence[int], rank: int) -> str:
    """The axes of one item of this shape: channels first, where there are any."""
    return ("C" if len(shape) > rank else "") + AXES[rank] if rank else "NC"[2 - len(shape) :]


def shapes_both_take(
    first: Sequence[Layer], second: Sequence[Layer], channels: int, rank: int
) -> Iterator[tuple[int, ...]]:
    """Shapes (C, *spatial) that both take, the smallest first."""
    found = 0
    every = itertools.product(range(1, LONGEST + 1), repeat=rank)
    for spatial in sorted(every, key=lambda lengths: (math.prod(lengths), max(lengths, default=0), lengths)):
        shape = (channels, *spatial)
        if all(shape_after(layers, shape) is not None for layers in (first, second)):
            yield shape
            found += 1
            if found == MOST_SHAPES:
                return


def shape_after(layers: Sequence[Layer], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The output's shape; None for an input that is refused."""
    try:
        for layer in layers:
            shape = tuple(int(n) for n in output_shape(layer, [shape]).shape)
    except ShapeError:
        return None
    return shape


def try_input(
    first: Sequence[Layer], second: Sequence[Layer], values: ExactArray, layout: str
) -> Found | None:
    """The input if both answer it differently, for certain; else None."""
    try:
        one, other = (solve(values, *layers, layout=layout) for layers in (first, second))
        if one.value.shape != other.value.shape:
            return Found(values, layout, (one, other), None)
        cell = _certain(one.value, other.value)
    except (ShapeError, InputError, UnsupportedError):
        return None
    return None if cell is None else Found(values, layout, (one, other), cell)


def _certain(a: ExactArray, b: ExactArray) -> tuple[int, ...] | None:
    """The first cell whose two numbers are proved unlike."""
    from convscope.worked.comparison import compare
    from convscope.worked.symbolic import is_numeric, normal_form

    for index in np.argwhere(differs(a, b)):
        place = tuple(int(i) for i in index)
        one, other = a.cell(place), b.cell(place)
        if not (is_numeric(one) and is_numeric(other)):
            if normal_form(one) != normal_form(other):  # polynomials in letters
                return place
        elif compare(one, other) != 0:
            return place
    return None


@dataclass
class Search:
    """Two chains, and how many inputs were tried on them."""

    first: Sequence[Layer]
    second: Sequence[Layer]
    tried: int = 0

    def at(self, shape: tuple[int, ...], rank: int) -> Found | None:
        """The smallest input of this shape that was found to show a difference."""
        room = max(BATCH_CELLS // math.prod(shape), 2)
        inputs = list(itertools.islice(_inputs(shape), room))
        inputs.sort(key=_weight)
        hit = self._first(inputs, rank)
        return None if hit is None else self._smaller(hit, rank)

    def _first(self, inputs: Sequence[Integers], rank: int) -> Integers | None:
        """The first of these inputs that shows a difference; they are worked as one batch."""
        self.tried += len(inputs)
        layout = "N" + item_layout(inputs[0].shape, rank).lstrip("N")
        try:
            batch = RationalArray(np.stack(inputs))
            one, other = (solve(batch, *layers, layout=layout).value for layers in (self.first, self.second))
        except ConvscopeError:
            return None
        if one.shape != other.shape:
            return inputs[0]
        unlike = differs(one, other).reshape(len(inputs), -1).any(axis=1)
        for place in np.flatnonzero(unlike):
            if self.found(inputs[int(place)], rank) is not None:
                return inputs[int(place)]
        return None

    def found(self, values: Integers, rank: int) -> Found | None:
        """The input, worked by both, if they answer it differently."""
        array = RationalArray(values)
        if rank and values.shape[0] == 1 and rank < 3:
            array = RationalArray(values[0])
        return try_input(self.first, self.second, array, item_layout(array.shape, rank))

    def _smaller(self, values: Integers, rank: int) -> Found | None:
        """The input with zeros and smaller numbers put in as long as it still shows the difference."""
        improved = True
        while improved:
            improved = False
            steps = sorted(_steps_down(values), key=_weight)
            lighter = [step for step in steps if _weight(step) < _weight(values)]
            if lighter and (found := self._first(lighter, rank)) is not None:
                values, improved = found, True
        return self.found(values, rank)


def _weight(values: Integers) -> tuple[int, int, int]:
    """Fewest cells that are not zero, then smallest numbers, then fewest minus signs."""
    sizes = np.abs(values)
    return int((values != 0).sum()), int(sizes.sum()), int((values < 0).sum())


def _steps_down(values: Integers) -> Iterator[Integers]:
    used = np.argwhere(values)
    if len(used) > MOST_SINGLE:
        yield from _halves(values, used)
        return
    for index in used if values.size <= MANY_CELLS else used[:2]:
        place = tuple(index)
        old = int(values[place])
        sign = 1 if old > 0 else -1
        size = abs(old)
        for new in dict.fromkeys((0, 1, -1, sign, 2 * sign, size // 10 * sign, size // 2 * sign, old - sign)):
            if new != old:
                changed = values.copy()
                changed[place] = new
                yield changed


def _halves(values: Integers, used: Integers) -> Iterator[Integers]:
    """The input with one half of what it holds set to zero, along each axis."""
    low, high = used.min(axis=0), used.max(axis=0) + 1
    for axis in range(values.ndim):
        middle = int(low[axis] + high[axis]) // 2
        for part in (slice(None, middle), slice(middle, None)):
            changed = values.copy()
            changed[(slice(None),) * axis + (part,)] = 0
            yield changed


def _inputs(shape: tuple[int, ...]) -> Iterator[Integers]:
    """The inputs that are tried, in an order in which the first few are worth the most."""
    yield np.zeros(shape, dtype=np.int64)
    yield from itertools.islice(_random_inputs(shape), 2 * len(RANGES))
    for value in IMPULSES:
        yield np.full(shape, value, dtype=np.int64)
    size = math.prod(shape)
    cells = np.random.default_rng(0).choice(size, min(size, MOST_IMPULSES), replace=False)
    for cell in sorted(cells):
        for value in IMPULSES:
            flat = np.zeros(size, dtype=np.int64)
            flat[cell] = value
            yield flat.reshape(shape)
    yield from itertools.islice(_random_inputs(shape), 2 * len(RANGES), None)


def _random_inputs(shape: tuple[int, ...]) -> Iterator[Integers]:
    """Dense and sparse integers of growing range, seed after seed."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        for limit in RANGES:
            dense = random.integers(-limit, limit, size=shape, endpoint=True)
            yield dense
            yield dense * (random.random(shape) < 0.3)


def not_additive(
    layers: Sequence[Layer], shape: tuple[int, ...], rank: int
) -> tuple[ExactArray, ExactArray] | None:
    """Two inputs x and y of this shape with f(x + y) + f(0) ≠ f(x) + f(y); None where none was found."""
    size = math.prod(shape)
    cells = range(min(size, 9))
    pairs = [((a, 1), (a, -1)) for a in cells] + [((a, 1), (b, 1)) for a in cells for b in cells if a < b]

    def at(*spots: tuple[int, int]) -> RationalArray:
        flat = np.zeros(size, dtype=np.int64)
        for cell, value in spots:
            flat[cell] += value
        inner = shape[1:] if rank in (1, 2) and shape[0] == 1 else shape
        return RationalArray(flat.reshape(inner))

    layout = item_layout(at().shape, rank)
    worked = {}

    def value(*spots: tuple[int, int]) -> ExactArray:
        if spots not in worked:
            worked[spots] = solve(at(*spots), *layers, layout=layout).value
        return worked[spots]

    try:
        value()
    except ShapeError:  # a shape that fits, but leaves a dilated window without a cell of the input
        return None
    for x, y in sorted(pairs, key=lambda pair: -pair[1][1]):
        if unlike(add(value(x, y), value()), add(value(x), value(y))).any():
            return at(x), at(y)
    return None
