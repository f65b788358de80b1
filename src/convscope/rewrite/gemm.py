"""`as_gemm`: a convolution as one product of matrices (im2col), step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.core.array import MAX_CELLS, ExactArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Block, Document, Formula, Paragraph, Section, Text, elided, text
from convscope.core.expression import Product, Symbol, equation
from convscope.core.reading import MatrixLike, matrix
from convscope.errors import InputError, ShapeError
from convscope.rewrite.affine_map import told_shape
from convscope.rewrite.flip import correlation
from convscope.rewrite.rewritten import chain_words
from convscope.rules.window import window_axes
from convscope.show import Showable
from convscope.worked.arithmetic import bilinear
from convscope.worked.convolution import ConvTransposeWork, ConvWork, weights_of
from convscope.worked.layout import Layout, infer_layout
from convscope.worked.views import array_views, matrix_view
from convscope.worked.window import at, padded, tap_slices, taps

MOST_GROUPS = 3


@dataclass(frozen=True, eq=False, repr=False)
class Gemm(Showable):
    """A convolution as a product of matrices, one for each group.

    Attributes:
        layer: the convolution.
        input: ``(C, *spatial)``.
        weights: for each group its kernels, one row each: ``(out/groups, taps)``; of a transposed
            convolution ``(taps, in/groups)``.
        columns: for each group its windows, one column each: ``(taps, windows)``; of a transposed
            convolution the input's cells, ``(in/groups, cells)``.
        products: for each group ``weights @ columns``.
        value: the output, in the shape that the input's axes ask for.
    """

    layer: Conv | ConvTranspose
    input: ExactArray
    weights: tuple[ExactArray, ...]
    columns: tuple[ExactArray, ...]
    products: tuple[ExactArray, ...]
    value: ExactArray

    def facts(self) -> dict[str, object]:
        """The matrices of each group and the output as plain facts."""
        groups = [
            {"weights": weights, "columns": columns, "product": product}
            for weights, columns, product in zip(self.weights, self.columns, self.products, strict=True)
        ]
        return {"layer": repr(self.layer), "groups": groups, "shape": self.value.shape, "value": self.value}

    def __repr__(self) -> str:
        weights, columns = self.weights[0].shape, self.columns[0].shape
        times = f"{len(self.weights)} times " if len(self.weights) > 1 else ""
        return f"<gemm: {times}{told_shape(weights)} by {told_shape(columns)}>"

    def document(self) -> Document:
        """Every step: the columns, the weights, their product, the output."""
        layer = self.layer
        tell = TOLD[type(layer)]
        product = equation(Symbol("product"), Product((Symbol("weights"), Symbol("columns"))))
        added = " The bias is added." if isinstance(layer.bias, ExactArray) else ""
        source = array_views(self.input, text(f"Input, {told_shape(self.input.shape)}"))
        columns = Paragraph(self._columns_told(tell.columns)), *self._each(self.columns, "columns")
        weights = Paragraph(text(tell.weights)), *self._each(self.weights, "weights")
        result = array_views(self.value, text(f"Output, {told_shape(self.value.shape)}"))
        blocks = (
            Section(text("The input"), source),
            Section(text("As columns"), columns),
            Section(text("The weights"), weights),
            Section(text("Their product"), (Formula(product), *self._each(self.products, "product"))),
            Section(text("The output"), (Paragraph(text(tell.output + added)), *result)),
        )
        return Document(text(f"As a product of matrices: {chain_words((layer,))}"), blocks)

    def _columns_told(self, told: str) -> Text:
        cells = sum(part.size for part in self.columns)
        return text(f"{told} That is {cells:,} numbers made of the input's {self.input.size:,}.")

    def _each(self, parts: Sequence[ExactArray], name: str) -> tuple[Block, ...]:
        """The matrix of each group."""

        def one(number: int) -> tuple[Block, ...]:
            group = f"Group {number}: {name}" if len(parts) > 1 else name.capitalize()
            part = parts[number]
            return (matrix_view(part, text(f"{group}, {told_shape(part.shape)}")),)

        return elided(len(parts), one, MOST_GROUPS, "groups", text("index ", Symbol(name), " to see them"))


@dataclass(frozen=True, slots=True)
class _Told:
    """What is done to the columns, the weights and the output, in words."""

    columns: str
    weights: str
    output: str


TOLD: dict[type[Conv | ConvTranspose], _Told] = {
    Conv: _Told(
        "Every window of the padded input becomes one column, channel after channel, row by row; windows "
        "are taken row by row.",
        "Every kernel becomes one row, in the same order.",
        "Every row of the product, laid out again as windows lie, is one channel of the output.",
    ),
    ConvTranspose: _Told(
        "Every channel of the input becomes one row, so every cell of it is one column.",
        "Every tap of every output channel becomes one row, with the weights of all input channels.",
        "Every column of the product is one stamp; it is added where it belongs, and what the padding cuts "
        "off is left out.",
    ),
}


def as_gemm(layer: Conv | ConvTranspose, x: MatrixLike) -> Gemm:
    """A convolution worked as one product of matrices, exactly.

    Args:
        layer: a convolution, or a transposed one, with weights.
        x: one input without batch axis, anything `matrix` reads: ``(H, W)``, ``(C, H, W)`` and the like.

    Returns:
        A `Gemm`: `columns`, `weights`, `products`, `value`; `value` is what `solve` gives.

    Raises:
        InputError: not a convolution, or one without weights.
        ShapeError: shapes that do not fit, or columns that would not fit in memory, with their size.

    Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document
    processing" (2006), section 2.

    >>> as_gemm(Conv("1 2; 3 4"), "1 2 3; 4 5 6; 7 8 9").products
    (matrix([[37, 47, 67, 77]]),)
    """
    if not isinstance(layer, Conv | ConvTranspose):
        raise InputError(f"as_gemm takes a Conv or a ConvTranspose, got {type(layer).__name__}")
    weights_of(layer)
    array = matrix(x)
    layout = infer_layout(array.shape, (layer,))
    if layout.has_batch:
        raise ShapeError(f"as_gemm takes one input, without a batch axis; got shape {array.shape}")
    item = layout.normal(array)
    placed = correlation(layer.for_rank(item.ndim - 2))
    make = _of_transposed if isinstance(placed, ConvTranspose) else _of_conv
    return make(placed, item, layout)


def _of_conv(layer: Any, item: ExactArray, layout: Layout) -> Gemm:  # noqa: ANN401 - a Conv
    axes = window_axes(layer, item.shape[2:])
    windows = tuple(axis.size for axis in axes)
    weight, groups = weights_of(layer), layer.groups
    size = math.prod(weight.shape[1:])
    _refuse_long(layer, groups * size * math.prod(windows))
    work = ConvWork(layer, [item])
    pairs = [axis.padding for axis in axes]
    source = padded(item, pairs, layer.padding_mode, layer.padding_value)

    def gathered(cells: Any) -> Any:  # noqa: ANN401 - arrays of any dtype
        met = [
            at(cells[0], tap_slices(tap, layer.stride, layer.dilation, windows)).reshape(cells.shape[1], -1)
            for tap in taps(layer.kernel_size)
        ]
        return np.stack(met, axis=1).reshape(groups, size, -1)

    columns = source.rearranged(gathered)
    rows = weight.reshape((groups, weight.shape[0] // groups, size))
    products = tuple(_product(rows[group], columns[group]) for group in range(groups))
    return Gemm(
        layer,
        item[0],
        tuple(rows[group] for group in range(groups)),
        tuple(columns[group] for group in range(groups)),
        products,
        layout.visible(work.value),
    )


def _of_transposed(layer: Any, item: ExactArray, layout: Layout) -> Gemm:  # noqa: ANN401 - a ConvTranspose
    weight, groups = weights_of(layer), layer.groups
    per_group = weight.shape[0] // groups
    size = math.prod(weight.shape[1:])
    cells = math.prod(item.shape[2:])
    _refuse_long(layer, groups * size * cells)
    work = ConvTransposeWork(layer, [item])
    columns = item.reshape((groups, per_group, cells))
    rows = weight.reshape((groups, per_group, size)).rearranged(lambda found: found.swapaxes(1, 2))
    return Gemm(
        layer,
        item[0],
        tuple(rows[group] for group in range(groups)),
        tuple(columns[group] for group in range(groups)),
        tuple(_product(rows[group], columns[group]) for group in range(groups)),
        layout.visible(work.value),
    )


def _product(left: ExactArray, right: ExactArray) -> ExactArray:
    count = left.shape[0] * left.shape[1] * right.shape[1]
    return bilinear(left, right, lambda a, b: a @ b, terms=left.shape[1], products=count)


def _refuse_long(layer: Conv | ConvTranspose, cells: int) -> None:
    if cells > MAX_CELLS:
        raise ShapeError(
            f"{type(layer).__name__}: its columns would have {cells:,} cells ({cells * 8 / 1e9:,.1f} GB); "
            f"up to {MAX_CELLS:,} are worked"
        )
