"""`solve`: layers worked one after the other, exactly, every cell's steps on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core import pointwise
from convscope.core.array import ExactArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Derivation
from convscope.core.document import Document, text
from convscope.core.layer import Layer, replaced
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
from convscope.core.reading import MatrixLike, matrix
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError, nearest_name
from convscope.rules.shape import MANY_INPUTS
from convscope.show import Showable
from convscope.worked.convolution import ConvTransposeWork, ConvWork
from convscope.worked.functions import FUNCTIONS
from convscope.worked.layout import Layout, infer_layout
from convscope.worked.pointwise import PointwiseWork, PReLUWork, SoftmaxWork
from convscope.worked.pooling import (
    AvgPoolWork,
    LpPoolWork,
    MaxPoolWork,
    WholeAvgWork,
    WholeMaxWork,
)
from convscope.worked.structural import (
    AddWork,
    BatchNormWork,
    ConcatWork,
    FlattenWork,
    LinearWork,
    PadWork,
    UpsampleWork,
)
from convscope.worked.views import indexed
from convscope.worked.work import Work

WORKS: dict[type[Layer], Callable[[Any, Sequence[ExactArray]], Work[Any]]] = {
    Conv: ConvWork,
    ConvTranspose: ConvTransposeWork,
    MaxPool: MaxPoolWork,
    AvgPool: AvgPoolWork,
    LpPool: LpPoolWork,
    AdaptiveAvgPool: WholeAvgWork,
    AdaptiveMaxPool: WholeMaxWork,
    GlobalAvgPool: WholeAvgWork,
    GlobalMaxPool: WholeMaxWork,
    Flatten: FlattenWork,
    Linear: LinearWork,
    BatchNorm: BatchNormWork,
    Add: AddWork,
    Concat: ConcatWork,
    Upsample: UpsampleWork,
    Pad: PadWork,
    pointwise.PReLU: PReLUWork,
    pointwise.Softmax: SoftmaxWork,
    pointwise.Softmin: SoftmaxWork,
    pointwise.LogSoftmax: SoftmaxWork,
    **dict.fromkeys(FUNCTIONS, PointwiseWork),
}

CONVENTIONS = {"correlation": False, "convolution": True}


class Stage(Showable):
    """One layer of a solution: its value, and the steps of each cell when asked for.

    Attributes:
        number: 1 for the first layer.
        layer: as it was given.
    """

    def __init__(self, number: int, layer: Layer, work: Work[Any], layout: Layout) -> None:
        self.number = number
        self.layer = layer
        self.work = work
        self.layout = layout

    @property
    def value(self) -> ExactArray:
        """The exact feature map after this layer."""
        return self.layout.visible(self.work.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return self.layout.visible_shape(self.work.value.shape)

    def array(self) -> npt.NDArray[np.float64]:
        """The value in float64, each number the nearest."""
        return self.value.to_float()

    def cell(self, *index: int) -> Derivation[Exact]:
        """The derivation of one output cell: window, kernel, products, sum; region and winners.

        Args:
            index: one integer for each axis of `value`: ``cell(i, j)``, or ``cell(channel, i, j)``.

        Raises:
            InputError: the cell is outside the feature map, or has too few or too many indices.
        """
        shape = self.shape
        if len(index) != len(shape):
            raise InputError(f"cell {index} has {len(index)} indices but the feature map has shape {shape}")
        for axis, (place, length) in enumerate(zip(index, shape, strict=True)):
            if not 0 <= place < length:
                raise InputError(
                    f"cell {index} is outside the feature map of shape {shape}: "
                    f"index {axis} may be 0 to {length - 1}"
                )
        inner = self.layout.normal_index(index, self.work.value.shape)
        name = indexed(self.work.letter, index)
        steps = self.work.steps(inner, name)
        return Derivation(
            text("Cell ", name, " of the ", self.layer.title), self.work.cell_value(inner), steps
        )

    def document(self) -> Document:
        """The stage worked out."""
        from convscope.worked.report import stage_document

        return stage_document(self)

    def __repr__(self) -> str:
        return f"<stage {self.number}: {type(self.layer).__name__}, shape {self.shape}>"


class Solution(Showable):
    """A problem worked exactly, layer by layer.

    Attributes:
        inputs: the arrays it started from.
        stages: one for each layer, in order.
        other: the same layers under the other convention, when a comparison was asked for.
    """

    def __init__(
        self, inputs: tuple[ExactArray, ...], stages: tuple[Stage, ...], other: Solution | None = None
    ) -> None:
        self.inputs = inputs
        self.stages = stages
        self.other = other

    @property
    def value(self) -> ExactArray:
        """The exact result after the last layer."""
        return self.stages[-1].value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return self.stages[-1].shape

    def array(self) -> npt.NDArray[np.float64]:
        """The result in float64, each number the nearest."""
        return self.stages[-1].array()

    def document(self) -> Document:
        """The whole solution, worked out."""
        from convscope.worked.report import solution_document

        return solution_document(self)

    def __repr__(self) -> str:
        layers = " → ".join(type(stage.layer).__name__ for stage in self.stages)
        return f"<solution: {layers}, shape {self.shape}>"


def solve(
    x: MatrixLike | tuple[MatrixLike, ...],
    *layers: Layer,
    compare: str | None = None,
    layout: str | None = None,
) -> Solution:
    """Work layers one after the other, exactly.

    Args:
        x: anything `matrix` reads: a plane ``(H, W)``, a feature map ``(C, H, W)`` or a batch
            ``(N, C, H, W)``, and the like of rank 1 and 3; a tuple of several where the first
            layer is `Add` or `Concat`.
        layers: in order.
        compare: ``"convolution"`` or ``"correlation"``: work the layers under that convention as
            well and show where the results differ.
        layout: the axes of `x`, such as ``"NCL"``, where its number of axes leaves a doubt: three
            axes are taken as ``(C, H, W)`` unless a layer is of rank 1.

    Returns:
        A solution: `value` exact, `array()` float64, `stages[i].cell(...)` the steps of a cell.

    Raises:
        InputError: something that cannot be read, or no layer.
        ShapeError: shapes that do not fit, led by the layer's place.
        UnsupportedError: a layer that cannot be worked, or one past a stated limit.

    >>> s = solve("0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1", Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True))
    >>> s.value[2, 1]
    Fraction(15, 2)
    """
    if not layers:
        raise InputError("solve needs at least one layer, such as Conv(kernel) or MaxPool(2)")
    for place, layer in enumerate(layers, start=1):
        if not isinstance(layer, Layer):
            raise InputError(f"layer {place} is {type(layer).__name__}, not a layer such as Conv(kernel)")
    arrays = _inputs(x, layers[0])
    stages = _stages(arrays, layers, layout)
    if compare is None:
        return Solution(arrays, stages)
    return Solution(arrays, stages, Solution(arrays, _stages(arrays, _under(compare, layers), layout)))


def _inputs(x: MatrixLike | tuple[MatrixLike, ...], first: Layer) -> tuple[ExactArray, ...]:
    if isinstance(first, MANY_INPUTS) and isinstance(x, tuple | list):
        return tuple(matrix(part) for part in x)
    return (matrix(x),)


def _stages(arrays: Sequence[ExactArray], layers: Sequence[Layer], axes: str | None) -> tuple[Stage, ...]:
    layout = infer_layout(arrays[0].shape, layers, axes)
    if len({array.ndim for array in arrays}) > 1:
        told = ", ".join(str(array.shape) for array in arrays)
        raise ShapeError(f"the inputs have different numbers of axes (shapes {told})")
    values = [layout.normal(array) for array in arrays]
    stages = []
    for number, layer in enumerate(layers, start=1):
        try:
            work = _work(layout.placed(layer, values[0].shape), values)
        except ConvscopeError as error:
            raise error.within(f"layer {number}") from None
        stages.append(Stage(number, layer, work, layout))
        values = [work.value]
    return tuple(stages)


def _work(layer: Layer, values: Sequence[ExactArray]) -> Work[Any]:
    found = WORKS.get(type(layer))
    if found is None:
        known = ", ".join(kind.__name__ for kind in WORKS)
        raise UnsupportedError(f"{type(layer).__name__} cannot be worked; known: {known}")
    return found(layer, values)


def _under(convention: str, layers: Sequence[Layer]) -> list[Layer]:
    """The layers with every convolution under the named convention."""
    flip = CONVENTIONS.get(convention)
    if flip is None:
        raise InputError(f"compare={convention!r} is not known; {nearest_name(convention, CONVENTIONS)}")
    if not any(isinstance(layer, Conv | ConvTranspose) and layer.flip != flip for layer in layers):
        other = next(name for name, flips in CONVENTIONS.items() if flips != flip)
        raise InputError(
            f"compare={convention!r}: all layers here compute that already; try compare={other!r}"
            if any(isinstance(layer, Conv | ConvTranspose) for layer in layers)
            else f"compare={convention!r} needs a convolution among the layers"
        )
    turnable = Conv | ConvTranspose
    return [replaced(layer, flip=flip) if isinstance(layer, turnable) else layer for layer in layers]
