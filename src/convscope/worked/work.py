"""Work: one layer worked on one input, with its value and, on demand, the steps of each cell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from convscope.core.array import MAX_CELLS, ExactArray
from convscope.core.derivation import Step
from convscope.core.document import Block, Text
from convscope.core.expression import Expression
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.errors import ShapeError
from convscope.rules.shape import ShapeResult, output_shape

AnyLayer = TypeVar("AnyLayer", bound=Layer)
Index = tuple[int, ...]


class Work(ABC, Generic[AnyLayer]):
    """One layer worked on arrays ``(N, C, *spatial)`` or ``(N, features)``.

    Attributes:
        layer: with one option entry an axis.
        inputs: the arrays it was given.
        shape: the output shape of one item, with the formula of each axis.
        value: the exact output, with its batch axis.
        letter: what an output cell is called in formulas.
    """

    letter: ClassVar[str] = "y"

    def __init__(self, layer: AnyLayer, inputs: Sequence[ExactArray]) -> None:
        self.shape: ShapeResult = output_shape(layer, [array.shape[1:] for array in inputs])
        cells = inputs[0].shape[0] * math.prod(self.shape.shape)
        if cells > MAX_CELLS:
            raise ShapeError(
                f"{type(layer).__name__}: its output would have {cells} cells; up to {MAX_CELLS} are worked"
            )
        rank = max(inputs[0].ndim - 2, 1)
        self.layer: AnyLayer = layer.for_rank(rank) if inputs[0].ndim > 2 else layer
        self.inputs = tuple(inputs)
        self.value: ExactArray = self.compute()

    @property
    def x(self) -> ExactArray:
        """The first input."""
        return self.inputs[0]

    @abstractmethod
    def compute(self) -> ExactArray:
        """The exact output."""

    @abstractmethod
    def convention(self) -> Text:
        """What is computed, in words: the convention, the padding, the rounding."""

    def how(self) -> Text:
        """What is done for each cell, said once before the cells; empty where the formulas say it all."""
        return ()

    @abstractmethod
    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The steps to the output cell at `index` (batch, channel, position), called `name`."""

    def preamble(self) -> tuple[Block, ...]:
        """What is shown once before the cells: the padded input, the kernel as used."""
        return ()

    def cell_value(self, index: Index) -> Exact:
        """The exact value of one output cell."""
        return self.value.cell(index)
