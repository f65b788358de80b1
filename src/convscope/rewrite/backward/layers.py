"""Each layer worked backwards, in one table from its work to its gradient."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np

from convscope.core import pointwise
from convscope.core.array import ExactArray, RationalArray, from_cells
from convscope.core.derivation import Step
from convscope.core.document import Block, Finding, Formula, MatrixRow, Text, text
from convscope.core.expression import Expression, Number, Product, Symbol, equation
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.rewrite.affine import layer_map
from convscope.rewrite.affine_map import AffineMap, from_entries, zeros
from convscope.rewrite.backward.gradient import Gradient, MappedGradient, by_plane, summed_steps, total
from convscope.worked.arithmetic import add, bilinear, concatenate, mapped, multiply, ordered
from convscope.worked.pointwise import PReLUWork, SoftmaxWork, sign
from convscope.worked.pooling import MaxPoolWork, WholeMaxWork
from convscope.worked.slopes import slope_at, slope_name
from convscope.worked.structural import AddWork, BatchNormWork, ConcatWork, LinearWork
from convscope.worked.symbolic import lift, lower
from convscope.worked.views import cell_marks, matrix_view
from convscope.worked.work import Index, Work

ONE = Fraction(1)


class AffineGradient(MappedGradient[Work[Any]]):
    """A layer that is an affine map: its matrix, transposed."""

    def jacobian(self, item: int) -> AffineMap:  # noqa: ARG002 - the same matrix for every item
        """The layer's own matrix, built once."""
        return self._matrix

    @cached_property
    def _matrix(self) -> AffineMap:
        return layer_map(self.work.layer, self.work.x.shape[1:])

    def rule(self) -> Text:
        """The transpose."""
        return text(
            f"The {self.work.layer.title} is a linear map: each input cell gathers, from every output cell "
            "that it has a part in, its factor times that cell's gradient."
        )


class LinearGradient(AffineGradient):
    """A linear layer: Wᵀ times the gradient, and the products of gradient and input."""

    work: LinearWork

    def parameter_gradients(self) -> dict[str, ExactArray]:
        """dL/dW = dL/dy · xᵀ, summed over the batch; dL/db = the sum of dL/dy."""
        rows = self.output.reshape((-1, self.output.shape[-1]))
        cells = self.work.x.reshape((-1, self.work.x.shape[-1]))
        weight = bilinear(
            rows,
            cells,
            lambda g, x: np.matmul(g.T, x),
            terms=rows.shape[0],
            products=rows.size * cells.shape[1],
        )
        found = {"weight": weight}
        if isinstance(self.work.layer.bias, ExactArray):
            found["bias"] = total(rows, (1,))
        return found

    def parameter_rule(self) -> Text:
        """The outer product."""
        return text("Each weight is met by one input and feeds one output: its gradient is their product.")


class BatchNormGradient(AffineGradient):
    """Batch normalisation at inference: a scale for each channel."""

    work: BatchNormWork

    def parameter_gradients(self) -> dict[str, ExactArray]:
        """dL/dweight sums gradient times normalised input, dL/dbias sums the gradient."""
        layer = self.work.layer
        found: dict[str, ExactArray] = {}
        if layer.weight is not None:
            parts = []
            for channel in range(self.work.x.shape[1]):
                mean, deviation, _, _ = self.work.channel_terms(channel)
                inverse = lift(deviation) * (1 / self.work.variance(channel))
                centre = lift(mean)
                cells = mapped(self.work.x[:, channel], partial(_normalised, centre, inverse))
                parts.append(total(multiply(self.output[:, channel], cells), ()).cell(()))
            found["weight"] = from_cells(parts, (len(parts),))
        if layer.bias is not None:
            found["bias"] = total(self.output, (1,))
        return found

    def parameter_rule(self) -> Text:
        """Sums over a channel."""
        return text(
            "Summed over each channel: gradient times normalised input for the weight, gradient for the bias."
        )


def _normalised(centre: Any, inverse: Any, value: Exact) -> Exact:  # noqa: ANN401 - numbers or polynomials
    return lower((lift(value) - centre) * inverse)


def routing(work: MaxPoolWork | WholeMaxWork[Any], item: int) -> AffineMap:
    """A max pool on one input as the linear map that it is there: each output cell is its winner's value.

    The winner is the first of the largest cells of the window, row by row.
    """
    into, out = work.x.shape[1:], work.value.shape[1:]
    ranks = np.unique(ordered(work.x)[0][item], return_inverse=True)[1].reshape(-1)
    # One pool decides all: rank first; of equal cells the one with more cells after it is the larger.
    after = np.arange(len(ranks))[::-1]
    largest = work.largest((ranks * len(ranks) + after).reshape((1, *into)))
    columns = len(ranks) - 1 - largest.reshape(-1) % len(ranks)
    ones = RationalArray(np.ones(len(columns), dtype=np.int64))
    return from_entries(into, out, np.arange(len(columns)), columns, ones, zeros(out))


class MaxGradient(MappedGradient[MaxPoolWork | WholeMaxWork[Any]]):
    """Max pooling: the gradient goes to the cell that won, and to no other."""

    def jacobian(self, item: int) -> AffineMap:
        """A single 1 in each row: at the winner."""
        return routing(self.work, item)

    def rule(self) -> Text:
        """Routing."""
        return text(
            "The largest cell of a window decides alone: the gradient of an output cell goes to its winner "
            "as it is, and the other cells of the window get 0. Of a tie the first cell, row by row, wins."
        )

    def at_once(self) -> tuple[Block, ...]:
        """The input with its winners marked, beside what they are given."""

        def row(place: Index) -> MatrixRow:
            won = self._jacobians[place[0]].columns
            cells = {np.unravel_index(column, self.work.x.shape[1:]) for column in won}
            mine = [cell[-2:] for cell in cells if tuple(cell[:-2]) == place[1:]]
            marks = cell_marks("winner", [tuple(int(i) for i in cell) for cell in mine])
            before = matrix_view(self.work.x[place], text("input, winners marked"), marks)
            return MatrixRow((before, matrix_view(self.inputs[0][place], text("dL/dx"))), ("→",))

        return by_plane(self.work.x.shape, row)

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The windows that the cell won."""
        won = self._jacobians[index[0]].transpose.row(index[1:])
        value = self.inputs[0].cell(index)
        if not won:
            return (Step(text("This cell wins no window:"), (Formula(equation(name, Number(value))),)),)
        told = ", ".join(str(tuple(int(i) for i in cell[1:])) for cell, _ in won)
        claim = (
            text(f"This cell wins the window of output cell {told} and takes its gradient:")
            if len(won) == 1
            else text(f"This cell wins the windows of output cells {told}; their gradients add up:")
        )
        gradients = [(ONE, self.output[index[0]].cell(cell)) for cell, _ in won]
        steps = summed_steps(name, claim, gradients, value)
        ties = [cell for cell, _ in won if len(self.work.winners((index[0], *cell))) > 1]
        if not ties:
            return steps
        note = Finding(
            "note", text("A tie: another cell of the window holds the same value; the first one takes all.")
        )
        return (*steps, Step((), (note,)))


class PointwiseGradient(Gradient[Work[Any]]):
    """An activation: the gradient times the slope at each cell."""

    @cached_property
    def slopes(self) -> ExactArray:
        """f′ at each input cell."""
        return mapped(self.work.x, lambda value: slope(self.work.layer, value))

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """dL/dy · f′(x), cell by cell."""
        return (multiply(self.output, self.slopes),)

    def rule(self) -> Text:
        """The chain rule."""
        x = Symbol("x")
        return text(
            "Each number on its own: the gradient times the slope of the activation at the input, ",
            equation(Symbol("dx"), Product((Symbol("dy"), Symbol(slope_name(self.work.layer), ())))),
            " at ",
            x,
            ".",
        )

    def at_once(self) -> tuple[Block, ...]:
        """dL/dy ⊙ f′(x) = dL/dx, plane by plane."""

        def row(place: Index) -> MatrixRow:
            views = (
                matrix_view(self.output[place], text("dL/dy")),
                matrix_view(self.slopes[place], text("slope at x")),
                matrix_view(self.inputs[0][place], text("dL/dx")),
            )
            return MatrixRow(views, ("⊙", "="))

        return by_plane(self.work.x.shape, row)

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """Gradient · slope."""
        pair = (self.slopes.cell(index), self.output.cell(index))
        claim = text("The slope at ", Number(self.work.x.cell(index)), " times the gradient:")
        return summed_steps(name, claim, [pair], self.inputs[0].cell(index))


def slope(layer: Layer, value: Exact) -> Exact:
    """f′ at one number; at a kink as PyTorch has it: 0 for ReLU at 0, and at both ends of a clipped line."""
    if isinstance(layer, pointwise.ReLU6) and value == 6:
        return Fraction(0)
    if isinstance(layer, pointwise.Hardtanh) and value == layer.max_val:
        return Fraction(0)
    return slope_at(layer, value)


class PReLUGradient(PointwiseGradient):
    """A parametric ReLU: one slope below zero for each channel, which has a gradient of its own."""

    work: PReLUWork

    @cached_property
    def slopes(self) -> ExactArray:
        """1 where the input is positive, the channel's slope elsewhere."""
        parts = []
        for channel in range(self.work.x.shape[1]):
            layer = self.work.scalar_layer((0, channel))
            parts.append(mapped(self.work.x[:, channel : channel + 1], partial(slope, layer)))
        return concatenate(parts, axis=1)

    def rule(self) -> Text:
        """The slopes."""
        return text("The gradient times 1 where the input is positive, and times the slope elsewhere.")

    def parameter_gradients(self) -> dict[str, ExactArray]:
        """Gradient times input, summed where the input is not positive."""
        below = mapped(self.work.x, lambda value: value if sign(value) < 0 else Fraction(0))
        products = multiply(self.output, below)
        kept = (1,) if self.work.layer.weight.size > 1 else ()
        return {"weight": total(products, kept).reshape(self.work.layer.weight.shape)}

    def parameter_rule(self) -> Text:
        """What the slope multiplies."""
        return text("A slope multiplies the inputs below zero: their products with the gradient add up.")


class SoftmaxGradient(Gradient[SoftmaxWork[Any]]):
    """Softmax, softmin or log-softmax along an axis."""

    @cached_property
    def shares(self) -> ExactArray:
        """The softmax (of minus x, for softmin) itself."""
        if isinstance(self.work.layer, pointwise.LogSoftmax):
            return SoftmaxWork(pointwise.Softmax(self.work.layer.dim), self.work.inputs).value
        return self.work.value

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """``p (g − Σ p g)``; for the logarithm ``g − p Σ g``; for softmin with the sign turned."""
        axis = self.work.axis % self.work.x.ndim
        kept = tuple(place for place in range(self.output.ndim) if place != axis)
        lengths = tuple(1 if place == axis else n for place, n in enumerate(self.output.shape))
        minus = from_cells([Fraction(-1)], (1,) * self.output.ndim)
        if isinstance(self.work.layer, pointwise.LogSoftmax):
            sums = total(self.output, kept).reshape(lengths)
            return (add(self.output, multiply(minus, multiply(self.shares, sums))),)
        sums = total(multiply(self.shares, self.output), kept).reshape(lengths)
        found = multiply(self.shares, add(self.output, multiply(minus, sums)))
        return (multiply(minus, found) if isinstance(self.work.layer, pointwise.Softmin) else found,)

    def rule(self) -> Text:
        """The formula."""
        g, p = Symbol("dy", (Symbol("i"),)), Symbol("p", (Symbol("i"),))
        if isinstance(self.work.layer, pointwise.LogSoftmax):
            return text(
                "Along the axis, with p the softmax: ", g - Product((p, Symbol("S"))), ", S the sum of dy."
            )
        sign_ = "minus " if isinstance(self.work.layer, pointwise.Softmin) else ""
        return text(
            f"Along the axis, with p the result: {sign_}",
            Product((p, g - Symbol("S"))),
            ", S the sum of p · dy.",
        )

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The value; the rule says how."""
        value = self.inputs[0].cell(index)
        return (Step(self.rule(), (Formula(equation(name, Number(value))),)),)


class SharedGradient(Gradient[Work[Any]]):
    """Addition and concatenation: each input takes the gradient of the cells that are its own."""

    work: AddWork | ConcatWork

    def input_gradients(self) -> tuple[ExactArray, ...]:
        """A copy for each term of a sum; a piece for each part of a concatenation."""
        if isinstance(self.work, AddWork):
            return (self.output,) * len(self.work.inputs)
        axis = self.work.layer.dim % self.output.ndim
        pieces, start = [], 0
        for part in self.work.inputs:
            stop = start + part.shape[axis]
            pieces.append(self.output[(*(slice(None),) * axis, slice(start, stop))])
            start = stop
        return tuple(pieces)

    def rule(self) -> Text:
        """Copies or pieces."""
        if isinstance(self.work, AddWork):
            return text("A sum passes its gradient on to every term as it is.")
        return text("Each part takes the piece of the gradient that stands where the part stood.")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The cell itself."""
        return (Step(self.rule(), (Formula(equation(name, Number(self.inputs[0].cell(index)))),)),)
