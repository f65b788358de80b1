"""The other layers, worked: flatten, linear, normalisation, addition, concatenation, resizing, padding."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property

import numpy as np

from convscope.core.array import ExactArray, RationalArray, from_cells
from convscope.core.derivation import Step
from convscope.core.document import Block, Formula, Text, text
from convscope.core.expression import Expression, Number, Product, Quotient, Root, Symbol, equation
from convscope.core.number import Exact, Symbolic
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.errors import InputError
from convscope.rules.window import padded_axes
from convscope.worked.arithmetic import add, bilinear, concatenate, is_zero, mapped, mapped_later, multiply
from convscope.worked.pointwise import root_of
from convscope.worked.symbolic import lift, lower
from convscope.worked.views import array_views, product_of, short_sum
from convscope.worked.window import padded
from convscope.worked.work import Index, Work


class FlattenWork(Work[Flatten]):
    """Flatten, worked."""

    def compute(self) -> ExactArray:
        """The same cells, row by row, along one axis."""
        return self.x.reshape((self.x.shape[0], *self.shape.shape))

    def convention(self) -> Text:
        """The order in words."""
        return text("Row by row, channel after channel, into one axis.")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """Where the number comes from."""
        place = int(np.ravel_multi_index(index[1:], self.shape.shape))
        source = tuple(int(i) for i in np.unravel_index(place, self.x.shape[1:]))
        told = text("It is the input's cell ", str(source), ":")
        return (Step(told, (Formula(equation(name, Number(self.cell_value(index)))),)),)


class LinearWork(Work[Linear]):
    """A linear layer, worked."""

    @cached_property
    def weight(self) -> ExactArray:
        """The weights, (out, in)."""
        if self.layer.weight is None:
            raise InputError(
                "Linear: it has no weights, only sizes; give weights of shape (out, in) to work it"
            )
        return self.layer.weight

    def compute(self) -> ExactArray:
        """W x + b along the last axis."""
        rows, columns = self.weight.shape
        sums = bilinear(
            self.x, self.weight, lambda x, w: np.matmul(x, w.T), terms=columns, products=self.x.size * rows
        )
        return add(sums, self.layer.bias) if isinstance(self.layer.bias, ExactArray) else sums

    def convention(self) -> Text:
        """The formula."""
        bias = " + b" if isinstance(self.layer.bias, ExactArray) else ""
        return text(f"Every output is one row of the weights times the input: W·x{bias}.")

    def preamble(self) -> tuple[Block, ...]:
        """The weights."""
        return array_views(self.weight, text("Weights, one row an output"))

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The row times the input, added up."""
        line, row = self.x[index[:-1]], self.weight[index[-1]]
        terms: list[Expression] = [
            product_of(w, x)
            for w, x in zip(row.cells(), line.cells(), strict=True)
            if not (is_zero(w) or is_zero(x))
        ]
        if isinstance(self.layer.bias, ExactArray):
            terms.append(Number(self.layer.bias.cell((index[-1],))))
        return (Step(text(), (Formula(equation(name, short_sum(terms), Number(self.cell_value(index)))),)),)


class BatchNormWork(Work[BatchNorm]):
    """Batch normalisation at inference, worked."""

    def _of_channel(self, vector: ExactArray | None, channel: int, default: int) -> Exact:
        return Fraction(default) if vector is None else vector.cell((channel,))

    def channel_terms(self, channel: int) -> tuple[Exact, Exact, Exact, Exact]:
        """Mean, deviation √(var + eps), weight and bias of one channel."""
        layer = self.layer
        if layer.running_mean is None or layer.running_var is None:
            raise InputError("BatchNorm: it has no statistics; give running_mean and running_var to work it")
        variance = layer.running_var.cell((channel,))
        if isinstance(variance, Symbolic):
            raise InputError("BatchNorm: running_var must be numbers, not letters")
        return (
            layer.running_mean.cell((channel,)),
            root_of(variance + layer.eps, 2),
            self._of_channel(layer.weight, channel, 1),
            self._of_channel(layer.bias, channel, 0),
        )

    def _normalised(self, channel: int) -> ExactArray:
        mean, deviation, weight, bias = self.channel_terms(channel)
        cells = self.x[:, channel : channel + 1]
        if all(isinstance(term, Fraction) for term in (mean, deviation, weight, bias)):
            scale = weight / deviation  # type: ignore[operator]
            shift = bias - mean * scale  # type: ignore[operator]
            return add(multiply(cells, _one(scale)), _one(shift))
        # 1/√v is √v/v, so the number is a polynomial in √v.
        scale = lift(weight) * lift(deviation) * (1 / self.variance(channel))

        def normalised(value: Exact) -> Exact:
            return lower((lift(value) - lift(mean)) * scale + lift(bias))

        if isinstance(cells, RationalArray) and isinstance(weight, Fraction) and weight != 0:
            values, _ = cells.table()
            if len(values) > 1 or values[0] != mean:
                return mapped_later(cells, normalised, increasing=weight > 0)
        return mapped(cells, normalised)

    def variance(self, channel: int) -> Fraction:
        """Var + eps of one channel."""
        assert self.layer.running_var is not None  # noqa: S101 - channel_terms has refused None
        variance = self.layer.running_var.cell((channel,))
        assert isinstance(variance, Fraction)  # noqa: S101 - channel_terms has refused letters
        return variance + self.layer.eps

    def _formula(self, channel: int, value: Exact) -> Expression:
        mean, _, weight, bias = self.channel_terms(channel)
        centred = Number(value) - Number(mean) if not is_zero(mean) else Number(value)
        whole: Expression = Quotient(
            centred, Root(Number(self.variance(channel) - self.layer.eps) + Number(self.layer.eps))
        )
        if weight != 1:
            whole = Product((whole, Number(weight)))
        return whole if is_zero(bias) else whole + Number(bias)

    def compute(self) -> ExactArray:
        """Channel by channel."""
        return concatenate([self._normalised(channel) for channel in range(self.x.shape[1])], axis=1)

    def convention(self) -> Text:
        """The formula, and eps."""
        x, mean, variance = Symbol("x"), Symbol("mean"), Symbol("var")
        shape = Product((Quotient(x - mean, Root(variance + Symbol("eps"))), Symbol("weight"))) + Symbol(
            "bias"
        )
        return text("Channel by channel, with stored statistics: ", shape, ", eps = ", self.layer.eps, ".")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The formula with the channel's numbers filled in."""
        formula = self._formula(index[1], self.x.cell(index))
        return (Step(text(), (Formula(equation(name, formula, Number(self.cell_value(index)))),)),)


def _one(value: Exact) -> ExactArray:
    return from_cells([value], (1,))


class AddWork(Work[Add]):
    """Addition, worked."""

    def compute(self) -> ExactArray:
        """Cell by cell."""
        total = self.inputs[0]
        for other in self.inputs[1:]:
            total = add(total, other)
        return total

    def convention(self) -> Text:
        """In words."""
        return text("The feature maps are added cell by cell.")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The numbers added."""
        terms = [Number(array.cell(index)) for array in self.inputs]
        return (Step(text(), (Formula(equation(name, short_sum(terms), Number(self.cell_value(index)))),)),)


class ConcatWork(Work[Concat]):
    """Concatenation, worked."""

    @property
    def _axis(self) -> int:
        return self.layer.dim % self.x.ndim

    def compute(self) -> ExactArray:
        """One after the other along the axis."""
        return concatenate(self.inputs, self._axis)

    def convention(self) -> Text:
        """In words."""
        return text("The feature maps stand one after the other along one axis.")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """Which input the number comes from."""
        place, number = index[self._axis], 0
        while place >= self.inputs[number].shape[self._axis]:
            place -= self.inputs[number].shape[self._axis]
            number += 1
        told = text("It comes from input ", number + 1, ", where its place along the axis is ", place, ":")
        return (Step(told, (Formula(equation(name, Number(self.cell_value(index)))),)),)


class UpsampleWork(Work[Upsample]):
    """Upsampling, worked: along one axis after the other."""

    def sources(self, axis: int) -> list[list[tuple[int, Fraction]]]:
        """For each output position of a spatial axis, the input positions it mixes and their shares."""
        length, out = self.x.shape[2 + axis], self.shape.shape[1 + axis]
        layer = self.layer
        ratio = 1 / layer.scale_factor[axis] if layer.scale_factor is not None else Fraction(length, out)
        if layer.mode == "nearest":
            return [[(min(math.floor(i * ratio), length - 1), Fraction(1))] for i in range(out)]
        if layer.align_corners:
            ratio = Fraction(length - 1, out - 1) if out > 1 else Fraction(0)
            centres = [i * ratio for i in range(out)]
        else:
            centres = [max((i + Fraction(1, 2)) * ratio - Fraction(1, 2), Fraction(0)) for i in range(out)]
        return [_neighbours(centre, length) for centre in centres]

    def compute(self) -> ExactArray:
        """Shares of neighbouring cells, axis by axis."""
        result = self.x
        for axis in range(self.x.ndim - 2):
            result = self._along(result, axis)
        return result

    def _along(self, array: ExactArray, axis: int) -> ExactArray:
        sources = self.sources(axis)
        total: ExactArray | None = None
        for place in range(max(len(source) for source in sources)):
            where = [source[min(place, len(source) - 1)][0] for source in sources]
            shares = [source[place][1] if place < len(source) else Fraction(0) for source in sources]
            taken = array.rearranged(lambda cells, where=where: np.take(cells, where, axis=2 + axis))  # type: ignore[misc]
            if any(share != 1 for share in shares):
                weights = from_cells(shares, (len(shares), *(1,) * (array.ndim - 3 - axis)))
                taken = multiply(taken, weights)
            total = taken if total is None else add(total, taken)
        return array if total is None else total

    def convention(self) -> Text:
        """The rule in words."""
        if self.layer.mode == "nearest":
            return text(
                "Each output cell copies the input cell that its position, divided by the factor, falls in."
            )
        corners = (
            "corner centres kept in place" if self.layer.align_corners else "cells as areas, centres at +1/2"
        )
        return text(f"Linear interpolation between neighbouring cell centres along each axis ({corners}).")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The cells mixed, each with its share."""
        mixed: list[tuple[Index, Fraction]] = [((), Fraction(1))]
        for axis, position in enumerate(index[2:]):
            mixed = [
                ((*place, cell), share * part)
                for place, share in mixed
                for cell, part in self.sources(axis)[position]
            ]
        terms = [product_of(share, self.x.cell((*index[:2], *place))) for place, share in mixed]
        return (Step(text(), (Formula(equation(name, short_sum(terms), Number(self.cell_value(index)))),)),)


def _neighbours(centre: Fraction, length: int) -> list[tuple[int, Fraction]]:
    low = min(math.floor(centre), length - 1)
    share = centre - low
    if share == 0 or low + 1 >= length:
        return [(low, Fraction(1))]
    return [(low, 1 - share), (low + 1, share)]


class PadWork(Work[Pad]):
    """Padding as a layer, worked."""

    def compute(self) -> ExactArray:
        """The padded array."""
        pairs = [axis.padding for axis in padded_axes(self.layer, self.x.shape[2:])]
        return padded(self.x, pairs, self.layer.padding_mode, self.layer.padding_value)

    def convention(self) -> Text:
        """The mode in words."""
        return text(f"The border is padded, mode '{self.layer.padding_mode}'.")

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The number itself."""
        return (Step(text(), (Formula(equation(name, Number(self.cell_value(index)))),)),)
