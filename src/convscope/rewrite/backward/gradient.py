"""One layer worked backwards: from the gradient of its output to those of its input and its weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from convscope.core.array import ExactArray, from_cells
from convscope.core.derivation import Step
from convscope.core.document import Block, Formula, MatrixRow, Text, elided, text
from convscope.core.expression import Expression, Number, Product, equation
from convscope.core.number import Exact
from convscope.rewrite.affine_map import AffineMap
from convscope.worked.arithmetic import Numbers, bilinear, concatenate, is_zero
from convscope.worked.views import MOST_CHANNELS, indexed, short_sum
from convscope.worked.work import Index, Work

AnyWork = TypeVar("AnyWork", bound=Work[Any])


class Gradient(ABC, Generic[AnyWork]):
    """A worked layer, worked backwards.

    Attributes:
        work: the layer on its input, as it was worked forwards.
        output: dL/dy, of the shape of the layer's output, batch axis included.
        inputs: dL/dx for each input.
        parameters: dL/d of each parameter, by the name of the layer's option and of its shape.
    """

    def __init__(self, work: AnyWork, output: ExactArray) -> None:
        self.work = work
        self.output = output
        self.inputs: tuple[ExactArray, ...] = self.input_gradients()
        self.parameters: dict[str, ExactArray] = self.parameter_gradients()

    @abstractmethod
    def input_gradients(self) -> tuple[ExactArray, ...]:
        """dL/dx, exact."""

    def parameter_gradients(self) -> dict[str, ExactArray]:
        """dL/d of each parameter; none where the layer has no weights."""
        return {}

    @abstractmethod
    def rule(self) -> Text:
        """What the gradient of the input is, in words."""

    def parameter_rule(self) -> Text:
        """What the gradients of the weights are, in words."""
        return ()

    def preamble(self) -> tuple[Block, ...]:
        """What is shown once before the cells."""
        return ()

    def at_once(self) -> tuple[Block, ...]:
        """All cells in one view, where that says more than the cells one by one; empty where it does not."""
        return ()

    @abstractmethod
    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The steps to one cell of dL/dx (of the first input), called `name`."""

    def parameter_steps(self, parameter: str, index: Index, name: Expression) -> tuple[Step, ...]:
        """The steps to one cell of a parameter's gradient."""
        value = self.parameters[parameter].cell(index)
        return (Step(self.parameter_rule(), (Formula(equation(name, Number(value))),)),)


class MappedGradient(Gradient[AnyWork]):
    """A layer that is linear at its input: dL/dx is the transpose of its matrix times dL/dy."""

    @abstractmethod
    def jacobian(self, item: int) -> AffineMap:
        """The matrix of the layer, from one item's input to its output."""

    @cached_property
    def _jacobians(self) -> list[AffineMap]:
        return [self.jacobian(item) for item in range(self.output.shape[0])]

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """Aᵀ · dL/dy, item by item."""
        shape = self.work.x.shape
        items = [
            jacobian.transpose.apply(self.output[item].reshape(jacobian.output_shape)).reshape(
                (1, *shape[1:])
            )
            for item, jacobian in enumerate(self._jacobians)
        ]
        return (items[0] if len(items) == 1 else concatenate(items, axis=0),)

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The output cells that the input cell reaches, each with its factor."""
        jacobian = self._jacobians[index[0]]
        inner = index[1:] if len(jacobian.input_shape) == len(index) - 1 else index[2:]
        reached = jacobian.transpose.row(inner)
        pairs = [
            (factor, self.output[index[0]].reshape(jacobian.output_shape).cell(cell))
            for cell, factor in reached
        ]
        return summed_steps(name, reached_words(len(pairs)), pairs, self.inputs[0].cell(index))


def by_plane(shape: Index, row: Callable[[Index], MatrixRow]) -> tuple[Block, ...]:
    """One row of matrices for each plane of ``(N, C, *space)``; the middle ones of many are left out."""
    leading = list(np.ndindex(*shape[:-2]))
    remedy = text("index the stage's values to see them")
    return elided(len(leading), lambda number: (row(leading[number]),), MOST_CHANNELS, "planes", remedy)


def reached_words(count: int) -> Text:
    """How many output cells an input cell has a part in."""
    if not count:
        return text("No output cell depends on this cell, so its gradient is 0:")
    cells = "one output cell" if count == 1 else f"{count} output cells"
    return text(
        f"This cell has a part in {cells}: factor times gradient", " of each" if count > 1 else "", ":"
    )


def summed_steps(
    name: Expression, claim: Text, pairs: Sequence[tuple[Exact, Exact]], value: Exact
) -> tuple[Step, ...]:
    """A sum of products, written out; products with a zero are left out."""
    terms: list[Expression] = [
        Product((Number(factor), Number(gradient)))
        for factor, gradient in pairs
        if not (is_zero(factor) or is_zero(gradient))
    ]
    parts: list[Expression] = [name]
    if terms:
        parts.append(short_sum(terms))
    return (Step(claim, (Formula(equation(*parts, Number(value))),)),)


def total(array: ExactArray, kept: Sequence[int]) -> ExactArray:
    """The sums over all axes but the `kept` ones."""
    order = (*kept, *(axis for axis in range(array.ndim) if axis not in kept))
    lengths = tuple(array.shape[axis] for axis in kept)
    flat = array.rearranged(lambda cells: cells.transpose(order)).reshape((*lengths, -1))
    ones = from_cells([Fraction(1)], (1,))

    def summed(cells: Numbers, one: Numbers) -> Numbers:
        return np.asarray(cells.sum(axis=-1) * one[0])

    return bilinear(flat, ones, summed, terms=flat.shape[-1], products=array.size)


def gradient_name(letter: str, index: Sequence[int]) -> Expression:
    """A cell of a gradient: ``dx[0, 1]``, said once to be dL/dx."""
    return indexed(f"d{letter}", index)
