"""A solution worked backwards: the gradient of every cell and every weight, exact, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convscope.core import pointwise
from convscope.core.array import ExactArray, RationalArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Derivation
from convscope.core.document import Document, text
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from convscope.core.reading import MatrixLike, matrix
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError, nearest_name
from convscope.rewrite.backward.convolution import ConvGradient, ConvTransposeGradient
from convscope.rewrite.backward.gradient import Gradient, gradient_name
from convscope.rewrite.backward.layers import (
    AffineGradient,
    BatchNormGradient,
    LinearGradient,
    MaxGradient,
    PointwiseGradient,
    PReLUGradient,
    SharedGradient,
    SoftmaxGradient,
)
from convscope.show import Showable
from convscope.worked.slopes import SLOPES
from convscope.worked.solution import Solution, Stage

GRADIENTS: Mapping[type[Layer], type[Gradient[Any]]] = {
    Conv: ConvGradient,
    ConvTranspose: ConvTransposeGradient,
    MaxPool: MaxGradient,
    AdaptiveMaxPool: MaxGradient,
    GlobalMaxPool: MaxGradient,
    **dict.fromkeys((AvgPool, AdaptiveAvgPool, GlobalAvgPool, Flatten, Pad, Upsample), AffineGradient),
    Linear: LinearGradient,
    BatchNorm: BatchNormGradient,
    Add: SharedGradient,
    Concat: SharedGradient,
    **dict.fromkeys(SLOPES, PointwiseGradient),
    pointwise.PReLU: PReLUGradient,
    **dict.fromkeys((pointwise.Softmax, pointwise.Softmin, pointwise.LogSoftmax), SoftmaxGradient),
}


class BackwardStage(Showable):
    """One layer worked backwards.

    Attributes:
        stage: the layer worked forwards.
        gradient: dL/dy, of the shape of the layer's output.
        values: dL/dx for each input; one, except after `Add` and `Concat`.
        parameters: dL/d of each parameter, by name: ``"weight"``, ``"bias"``; shaped as the layer's own.
    """

    def __init__(self, stage: Stage, work: Gradient[Any]) -> None:
        self.stage = stage
        self.work = work

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.stage.layer

    @property
    def gradient(self) -> ExactArray:
        """dL/dy: the gradient that comes from the layer after it."""
        return self.stage.layout.visible(self.work.output)

    @property
    def values(self) -> tuple[ExactArray, ...]:
        """dL/dx for each input."""
        return tuple(self.stage.layout.visible(found) for found in self.work.inputs)

    @property
    def value(self) -> ExactArray:
        """dL/dx of the (first) input."""
        return self.values[0]

    @property
    def parameters(self) -> Mapping[str, ExactArray]:
        """dL/d of each parameter, by name."""
        return self.work.parameters

    def cell(self, *index: int) -> Derivation[Exact]:
        """The derivation of one cell of dL/dx.

        Args:
            index: one integer for each axis of `value`.

        Raises:
            InputError: the cell is outside, or has too few or too many indices.
        """
        check_index(index, self.value.shape, "dL/dx")
        inner = self.stage.layout.normal_index(index, self.work.inputs[0].shape)
        name = gradient_name("x", index)
        title = text("Gradient of input cell ", str(index), " of the ", self.layer.title)
        return Derivation(title, self.work.inputs[0].cell(inner), self.work.steps(inner, name))

    def parameter_cell(self, parameter: str, *index: int) -> Derivation[Exact]:
        """The derivation of one cell of a parameter's gradient: ``parameter_cell("weight", 0, 0, 1, 2)``.

        Raises:
            InputError: a parameter that the layer does not have, or a cell outside it.
        """
        found = self.parameters.get(parameter)
        if found is None:
            raise InputError(
                f"the {self.layer.title} has no parameter {parameter!r}; "
                + (nearest_name(parameter, self.parameters) if self.parameters else "it has none")
            )
        check_index(index, found.shape, f"dL/d{parameter}")
        name = gradient_name(parameter[0], index)
        title = text(f"Gradient of {parameter} ", str(index), " of the ", self.layer.title)
        return Derivation(title, found.cell(index), self.work.parameter_steps(parameter, index, name))

    def document(self) -> Document:
        """The layer worked backwards, step by step."""
        from convscope.rewrite.backward.report import stage_document

        return stage_document(self)

    def __repr__(self) -> str:
        return f"<backward stage {self.stage.number}: {type(self.layer).__name__}, shape {self.value.shape}>"


class Backward(Showable):
    """A solution worked backwards.

    Attributes:
        solution: what was worked forwards.
        gradient: dL/dy of the last layer's output, where it began.
        stages: one for each layer, in the order of the layers; the last was worked first.
    """

    def __init__(self, solution: Solution, gradient: ExactArray, stages: tuple[BackwardStage, ...]) -> None:
        self.solution = solution
        self.gradient = gradient
        self.stages = stages

    @property
    def value(self) -> ExactArray:
        """dL/dx of the solution's (first) input, exact."""
        return self.stages[0].value

    @property
    def values(self) -> tuple[ExactArray, ...]:
        """dL/dx of each input."""
        return self.stages[0].values

    def document(self) -> Document:
        """Every layer worked backwards, the last one first."""
        from convscope.rewrite.backward.report import backward_document

        return backward_document(self)

    def __repr__(self) -> str:
        layers = " ← ".join(type(stage.layer).__name__ for stage in self.stages)
        return f"<backward: {layers}, shape {self.value.shape}>"


def check_index(index: tuple[int, ...], shape: tuple[int, ...], what: str) -> None:
    """Refuse an index that is no cell of an array.

    Raises:
        InputError: with the shape.
    """
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise InputError(f"{what} has shape {shape}; {index} is no cell of it")


def backward(solution: Solution, gradient: MatrixLike | None = None) -> Backward:
    """The gradients of a loss with respect to every input cell and every weight, exact and step by step.

    For a convolution dL/dx is a transposed convolution of dL/dy and dL/dw a correlation of x with dL/dy; a
    max pool sends its gradient to the cell that won; an activation multiplies by its slope.

    Args:
        solution: what `solve` gave.
        gradient: dL/dy, of the shape of ``solution.value``; ones when not given, so that the loss L is the
            sum of the output's cells.

    Returns:
        A `Backward`: `value` is dL/dx, ``stages[i].parameters["weight"]`` dL/dw of layer i,
        ``stages[i].cell(…)`` the steps of one cell.

    Raises:
        ShapeError: `gradient` has another shape.
        UnsupportedError: a layer that has no exact gradient here, with those that have.

    Source: D. Rumelhart, G. Hinton & R. Williams, "Learning representations by back-propagating errors"
    (Nature, 1986); Dumoulin & Visin (2016), chapter 4, for convolutions.

    >>> from convscope.worked.solution import solve
    >>> found = backward(solve("1 2; 3 4", Conv("1 0; 0 -1")))
    >>> found.value.tolist() == [[1, 0], [0, -1]], found.stages[0].parameters["weight"][0, 0, 1, 1]
    (True, Fraction(4, 1))
    """
    if not isinstance(solution, Solution):
        raise InputError(f"backward takes a solution, as solve gives it; got {type(solution).__name__}")
    last = solution.stages[-1]
    ones = RationalArray(np.ones(solution.shape, dtype=np.int64))
    given = ones if gradient is None else matrix(gradient)
    if given.shape != solution.shape:
        raise ShapeError(f"gradient has shape {given.shape}; the output has {solution.shape}")
    flowing = given.reshape(last.work.value.shape)
    stages: list[BackwardStage] = []
    for stage in reversed(solution.stages):
        kind = GRADIENTS.get(type(stage.work.layer))
        if kind is None:
            known = ", ".join(found.__name__ for found in GRADIENTS)
            raise UnsupportedError(
                f"layer {stage.number}: {type(stage.layer).__name__} has no exact gradient; known: {known}"
            )
        try:
            stages.append(BackwardStage(stage, kind(stage.work, flowing)))
        except ConvscopeError as error:
            raise error.within(f"layer {stage.number}") from None
        flowing = stages[-1].work.inputs[0]
    return Backward(solution, given, tuple(reversed(stages)))
