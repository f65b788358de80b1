"""The gradient through a stack of layers, exactly and cell by cell: the chain rule as it is worked on paper.

Going back through a layer multiplies by its local factors: an activation's slope at each cell, the entries of
a linear layer's matrix, 1 for the winner of a max pool. Unlike `backward`, which adds exact numbers up, each
gradient here is a number with a name of its own, so that a stack of ten layers stays short to write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, from_cells, from_integers
from convscope.core.derivation import Derivation, Step
from convscope.core.document import Document, Formula, text
from convscope.core.expression import Expression, Negative, Number, Product, Relation, RelationSign
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.core.pooling import (
    AdaptiveMaxPool,
    GlobalMaxPool,
    MaxPool,
)
from convscope.core.reading import MatrixLike, matrix
from convscope.errors import InputError, UnsupportedError
from convscope.probing.small_numbers import figures, is_written
from convscope.rewrite.affine import layer_map
from convscope.rewrite.affine_map import AffineMap
from convscope.rewrite.backward.layers import routing
from convscope.show import Showable
from convscope.worked.arithmetic import mapped
from convscope.worked.named import Named
from convscope.worked.pooling import PoolWork
from convscope.worked.slopes import SLOPES, slope_at, slope_of
from convscope.worked.solution import Solution, Stage, solve
from convscope.worked.symbolic import is_numeric
from convscope.worked.views import indexed, short_sum

# On paper; a network's own gradients are `probe`'s affair.
MOST_CELLS = 1024
MOST_LAYERS = 64
MAX_POOLS = (MaxPool, AdaptiveMaxPool, GlobalMaxPool)

# A term of a sum: the local factor, the output cell it leads to, the gradient there.
Term = tuple[Exact, tuple[int, ...], Exact]


@dataclass(frozen=True)
class StackStep:
    """One layer of a stack, gone through backwards.

    Attributes:
        number: of the layer, 1 for the first.
        layer: as it was given.
        input, output: the feature maps before and after it.
        slopes: of an activation, f′ at each cell of its input; None for other layers.
        gradient: the derivative of the result with regard to each cell of the layer's input.
        arriving: the same with regard to its output.
        factor: the largest factor by which this layer can multiply the largest gradient, whatever the
            input: the bound of |f′|, or the largest sum of the sizes of an input cell's weights.
    """

    number: int
    layer: Layer
    input: ExactArray
    output: ExactArray
    slopes: ExactArray | None
    gradient: ExactArray
    arriving: ExactArray
    factor: Exact
    ways: _Ways

    def terms(self, *index: int) -> tuple[Term, ...]:
        """What the gradient at one cell of the input is the sum of: local factors times what arrives.

        Raises:
            InputError: no such cell.
        """
        if len(index) != self.input.ndim or not all(
            0 <= place < length for place, length in zip(index, self.input.shape, strict=True)
        ):
            raise InputError(f"cell {index} is outside the feature map of shape {self.input.shape}")
        place = int(np.ravel_multi_index(index, self.input.shape)) if index else 0
        return tuple(
            (factor, _index(out, self.output.shape), self.arriving.cell(_index(out, self.output.shape)))
            for factor, out in self.ways[place]
        )

    def cell(self, *index: int) -> Derivation[Exact]:
        """The derivation of the gradient at one cell of the layer's input."""
        name = gradient_name(self.number - 1, index)
        terms = self.terms(*index)
        value = self.gradient.cell(index)
        written = [_times(_name(factor), gradient_name(self.number, out)) for factor, out, _ in terms]
        filled = [_times(figures(factor), figures(arriving)) for factor, _, arriving in terms]
        rounded = not all(is_written(part) for term in terms for part in (term[0], term[2]))
        parts: list[Expression] = [name]
        signs: list[RelationSign] = []
        for part, sign in (
            (short_sum(written), "="),
            (short_sum(filled), "≈" if rounded else "="),
            (figures(value), "=" if is_written(value) else "≈"),
        ):
            if part != parts[-1]:  # δ = 1 is said once
                parts.append(part)
                signs.append(sign)  # type: ignore[arg-type]
        steps = (Step(text(), (Formula(Relation(tuple(parts), tuple(signs))),)),)
        return Derivation(text("Gradient ", name, " before the ", self.layer.title), value, steps)


# For each input cell: the local factor of each output cell that it reaches, and that cell's place.
_Ways = Sequence[Sequence[tuple[Exact, int]]]


@dataclass(frozen=True)
class Stack(Showable):
    """Layers worked forwards and then backwards.

    Attributes:
        solution: the forward pass, as `solve` gives it.
        of: the output cell whose derivative is worked; None for the sum of all output cells.
        steps: one for each layer, the first layer first.
    """

    solution: Solution
    of: tuple[int, ...] | None
    steps: tuple[StackStep, ...]

    @property
    def gradient(self) -> ExactArray:
        """The derivative of the result with regard to each cell of the input."""
        return self.steps[0].gradient

    @cached_property
    def bound(self) -> Exact:
        """What no gradient at the input exceeds, whatever the input: the product of the layers' factors."""
        return product([step.factor for step in self.steps])

    def document(self) -> Document:
        """Every layer, from the last to the first."""
        from convscope.probing.paper_document import stack_document

        return stack_document(self)


def backward(x: MatrixLike, layers: Sequence[Layer], of: Sequence[int] | None = None) -> Stack:
    """Work the layers forwards, then the derivative of one output cell, or of their sum, backwards.

    Raises:
        InputError: letters, an output cell that is not there, or what `solve` refuses.
        UnsupportedError: a layer whose gradient is not worked here, or maps too large for paper.
    """
    if len(layers) > MOST_LAYERS:
        raise UnsupportedError(f"a stack of {len(layers)} layers; up to {MOST_LAYERS} are worked on paper")
    source = matrix(x)
    _refuse_large(source)
    solution = solve(source, *layers)
    maps = [solution.inputs[0], *(stage.value for stage in solution.stages)]
    for array in maps[1:]:
        _refuse_large(array)
    if not all(is_numeric(value) for value in maps[0].table()[0]):
        raise InputError("the input holds letters; a gradient is worked for numbers")
    arriving = _seed(maps[-1].shape, of)
    steps: list[StackStep] = []
    for stage, before in zip(reversed(solution.stages), reversed(maps[:-1]), strict=True):
        step = _step(stage, before, arriving)
        steps.append(step)
        arriving = step.gradient
    return Stack(solution, None if of is None else tuple(of), tuple(reversed(steps)))


def _refuse_large(array: ExactArray) -> None:
    if array.size > MOST_CELLS:
        raise UnsupportedError(
            f"a feature map of {array.size} cells; gradients are worked on paper up to {MOST_CELLS}"
        )


def _seed(shape: tuple[int, ...], of: Sequence[int] | None) -> ExactArray:
    """1 at the output cell that is asked for, or at all of them."""
    if of is None:
        return from_integers([1] * math.prod(shape), shape)
    index = tuple(int(place) for place in of)
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise InputError(f"the output has no cell {index}; its shape is {shape}")
    return from_cells((Fraction(int(place == index)) for place in np.ndindex(*shape)), shape)


def _step(stage: Stage, before: ExactArray, arriving: ExactArray) -> StackStep:
    layer, slopes = stage.layer, None
    if type(layer) in SLOPES:
        slopes = mapped(before, lambda value: slope_at(layer, value))
        ways: _Ways = [[(factor, place)] for place, factor in enumerate(slopes.cells())]
        factor = slope_of(layer).bound(layer).value
    elif isinstance(layer, MAX_POOLS):
        ways = _ways(routing(_single(stage), 0))
        factor = Fraction(_most_windows(stage))
    else:
        ways = _ways(layer_map(stage.work.layer, _single(stage).x.shape[1:]))
        sizes = (sum((abs(_ratio(way)) for way, _ in reached), Fraction(0)) for reached in ways)
        factor = max(sizes, default=Fraction(0))
    values = list(arriving.cells())
    gradient = from_cells(
        [
            _sum([(way, values[out]) for way, out in reached], stage.number - 1, index)
            for index, reached in zip(np.ndindex(*before.shape), ways, strict=True)
        ],
        before.shape,
    )
    return StackStep(stage.number, layer, before, stage.value, slopes, gradient, arriving, factor, ways)


def _single(stage: Stage) -> Any:  # noqa: ANN401 - the work of the layer's kind
    """The layer's work on one input.

    Raises:
        UnsupportedError: a batch of several.
    """
    if stage.work.x.shape[0] != 1:
        raise UnsupportedError("a batch of several inputs; gradients are worked for one input")
    return stage.work


def _ways(jacobian: AffineMap) -> _Ways:
    """For each input cell the output cells that it has a part in, each with its factor."""
    back = jacobian.transpose
    starts, places, factors = back.starts.tolist(), back.columns.tolist(), list(back.values.cells())
    return [
        list(zip(factors[first:last], places[first:last], strict=True)) for first, last in pairwise(starts)
    ]


def _ratio(value: Exact) -> Fraction:
    if not isinstance(value, Fraction):
        raise UnsupportedError("a layer whose weights are no ratios; give weights as numbers")
    return value


def _most_windows(stage: Stage) -> int:
    """In how many windows of a pool one input cell can win."""
    work = stage.work
    assert isinstance(work, PoolWork)  # noqa: S101 - as above
    seen = np.zeros(work.x.shape[2:], dtype=np.int64)
    for position in np.ndindex(*work.value.shape[2:]):
        seen[np.ix_(*work.region(position))] += 1
    return int(seen.max())


# --- sums that stay short ------------------------------------------------------------------------


def _sum(terms: Sequence[tuple[Exact, Exact]], number: int, index: tuple[int, ...]) -> Exact:
    """The sum of products: a ratio where all are, else one number with a name of its own."""
    kept = [(a, b) for a, b in terms if a != 0 and b != 0]
    if all(isinstance(a, Fraction) and isinstance(b, Fraction) for a, b in kept):
        return sum((a * b for a, b in kept), Fraction(0))  # type: ignore[operator]
    if len(kept) == 1 and Fraction(1) in kept[0]:
        return next((part for part in kept[0] if part != 1), Fraction(1))
    return Named(gradient_name(number, index), short_or_whole([_times(a, Number(b)) for a, b in kept]))


def short_or_whole(terms: Sequence[Expression]) -> Expression:
    """All the terms added: a formula that is computed leaves nothing out."""
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def product(values: Sequence[Exact]) -> Exact:
    """Numbers multiplied: a ratio where all are."""
    ratio = Fraction(1)
    others: list[Expression] = []
    for value in values:
        if isinstance(value, Fraction):
            ratio *= value
        else:
            others.append(Number(value))
    if not others or not ratio:
        return ratio
    written = Product((Number(ratio), *others) if ratio != 1 else tuple(others))
    return Named(written, written)


def _times(factor: Exact | Expression, other: Expression) -> Expression:
    """A factor before a name; 1 is not written."""
    written = factor if isinstance(factor, Expression) else Number(factor)
    if written == Number(Fraction(1)):
        return other
    if written == Number(Fraction(-1)):
        return Negative(other)
    return written * other


def _name(factor: Exact) -> Expression:
    """A slope by its name, ``σ′(7.5)``; a weight as it is."""
    return factor.name if isinstance(factor, Named) else Number(factor)


def gradient_name(number: int, index: Sequence[int]) -> Expression:
    """What a gradient is called: ``δ2[0, 1]`` at a cell after layer 2."""
    return indexed(f"δ{number}", index)


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(place, shape)) if shape else ()


def largest(array: ExactArray) -> tuple[tuple[int, ...], float]:
    """The cell of the largest size, and its size to the nearest float."""
    sizes = np.abs(array.to_float())
    place = int(sizes.argmax())
    return _index(place, array.shape), float(sizes.reshape(-1)[place])
