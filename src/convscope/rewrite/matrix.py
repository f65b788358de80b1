"""`as_matrix`: a layer as the exact sparse matrix it is, with a picture of its structure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convscope.core.array import MAX_CELLS, ExactArray, RationalArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import (
    Block,
    Document,
    Figure,
    Finding,
    Paragraph,
    Picture,
    Section,
    Table,
    elided,
    text,
)
from convscope.core.layer import Layer
from convscope.core.reading import MatrixLike, matrix
from convscope.core.windowed import window_extent
from convscope.errors import InputError, ShapeError
from convscope.rewrite.affine import Chain, affine_map, as_chain
from convscope.rewrite.affine_map import (
    ENTRY_BYTES,
    AffineMap,
    Index,
    nonzero,
    told_shape,
    zeros,
)
from convscope.rewrite.rewritten import chain_words
from convscope.rules.window import window_axes
from convscope.rules.words import layer_words
from convscope.show import Showable
from convscope.worked.arithmetic import concatenate
from convscope.worked.convolution import weights_of
from convscope.worked.symbolic import is_numeric
from convscope.worked.views import array_views, matrix_view

if TYPE_CHECKING:
    from scipy import sparse

# A matrix of at most so many rows and columns is written out; as facts, of so many entries.
MOST_WRITTEN = 40
MOST_LISTED = 100_000
# Pixels along each side of the picture; a larger matrix shows several cells a pixel.
PICTURE_SIDE = 384
MOST_BLOCKS = 6
PAPER = np.array([255, 255, 255], dtype=np.float64)
# Vermillion and blue of Okabe & Ito's palette, told apart by colour-blind eyes and in grey.
NEGATIVE, POSITIVE = np.array([213, 94, 0.0]), np.array([0, 114, 178.0])
GRID = np.array([160, 160, 160], dtype=np.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class LayerMatrix(Showable):
    """The matrix A of a layer, and its b: the output's cells are ``A·x + b``, all row by row.

    Attributes:
        layers: what it is the matrix of.
        map: rows, columns, exact values and bias.
        is_transposed: A has been turned over; b has then no part in it.
    """

    layers: tuple[Layer, ...]
    map: AffineMap
    is_transposed: bool = False

    @property
    def value(self) -> AffineMap:
        """The exact sparse map."""
        return self.map

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (output cells) and columns (input cells)."""
        return self.map.size

    @property
    def input_shape(self) -> Index:
        """The input's shape, ``(C, *spatial)`` or ``(features,)``."""
        return self.map.input_shape

    @property
    def output_shape(self) -> Index:
        """The output's shape."""
        return self.map.output_shape

    @property
    def nonzeros(self) -> int:
        """How many entries are not zero."""
        return self.map.entries

    @property
    def bias(self) -> ExactArray:
        """b, one number for each output cell."""
        return self.map.bias

    @cached_property
    def T(self) -> LayerMatrix:  # noqa: N802 - as NumPy and SciPy call it
        """The transposed matrix: that of the transposed convolution with the same weights and options."""
        return LayerMatrix(self.layers, self.map.transpose, is_transposed=not self.is_transposed)

    def to_scipy(self) -> sparse.csr_array:
        """The matrix as a SciPy CSR array of float64, each entry the nearest."""
        return self.map.to_scipy()

    def array(self) -> npt.NDArray[np.float64]:
        """The matrix as a NumPy array of float64, zeros and all.

        Raises:
            ShapeError: a matrix of more cells than memory is asked for.
        """
        self._refuse_dense()
        return np.asarray(self.to_scipy().toarray())

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001
        if copy is False:
            raise ValueError("a sparse matrix has no NumPy memory to share; copy=False cannot be had")
        return self.array().astype(dtype or np.float64, copy=False)

    def exact(self) -> ExactArray:
        """The matrix as an exact array, zeros and all.

        Raises:
            ShapeError: a matrix of more cells than memory is asked for.
        """
        self._refuse_dense()
        rows, columns = self.shape
        return self._window(range(rows), range(columns))

    @cached_property
    def transposed_layer(self) -> ConvTranspose | None:
        """The transposed convolution whose matrix is the transpose of this one; None where there is none.

        There is one for a single convolution that pads with zeros.
        """
        (layer, *rest) = self.layers
        if rest or self.is_transposed or not isinstance(layer, Conv) or layer.padding_mode != "zeros":
            return None
        axes = window_axes(layer, self.input_shape[1:])
        pairs = tuple(axis.padding for axis in axes)
        left = tuple(
            n + sum(axis.padding) - (axis.size - 1) * stride - window_extent(size, dilation)
            for n, axis, stride, size, dilation in zip(
                self.input_shape[1:], axes, layer.stride, layer.kernel_size, layer.dilation, strict=True
            )
        )
        return ConvTranspose(
            layer.kernel or weights_of(layer),
            stride=layer.stride,
            padding=pairs,
            output_padding=left,
            dilation=layer.dilation,
            groups=layer.groups,
            flip=layer.flip,
        )

    def _transposed_finding(self, layer: ConvTranspose) -> Finding:
        """Whether the transpose is that layer's matrix: both are made and compared entry by entry."""
        other = affine_map(layer, self.output_shape)
        told = f"the matrix of the {layer_words(layer)}"
        if other.equals(self.map.transpose):
            return Finding("right", text(f"Its transpose, entry by entry, is {told}."))
        return Finding("wrong", text(f"Its transpose is not {told}."))

    def _refuse_dense(self) -> None:
        rows, columns = self.shape
        if rows * columns > MAX_CELLS:
            raise ShapeError(
                f"a matrix of {rows:,}×{columns:,} cells, zeros and all, would take "
                f"{rows * columns * 8 / 1e9:,.1f} GB; to_scipy() keeps its {self.nonzeros:,} entries only"
            )

    def _window(self, rows: range, columns: range) -> ExactArray:
        """Some rows and columns, zeros and all."""
        found = self.map
        first, last = np.searchsorted(found.rows, [rows.start, rows.stop])
        at = found.columns[first:last]
        inside = np.flatnonzero((at >= columns.start) & (at < columns.stop))
        codes = np.zeros((len(rows), len(columns)), dtype=np.int64)
        places = first + inside
        codes[found.rows[places] - rows.start, at[inside] - columns.start] = 1 + np.arange(len(places))
        table = concatenate([zeros((1,)), found.values[places]], axis=0)
        return table.rearranged(lambda cells: cells[codes])

    def apply(self, x: MatrixLike) -> ExactArray:
        """The exact output of one input: ``A·x + b``, in the output's shape.

        Raises:
            ShapeError: an input of another shape.
        """
        array = matrix(x)
        if array.shape != self.input_shape and (1, *array.shape) == self.input_shape:
            array = array.reshape(self.input_shape)
        return self.map.apply(array)

    def picture(self, side: int = PICTURE_SIDE) -> npt.NDArray[np.uint8]:
        """The structure as RGB pixels: blue where positive, orange where negative, darker where larger.

        Args:
            side: pixels along the longer side, at most; a matrix larger than that shows several cells a
                pixel, the largest of them.
        """
        return _picture(self.map, side)

    def facts(self) -> dict[str, object]:
        """The matrix as plain facts, its entries as rows, columns and values.

        Raises:
            ShapeError: more entries than are written out.
        """
        if self.nonzeros > MOST_LISTED:
            raise ShapeError(
                f"a matrix of {self.nonzeros:,} entries is too long to be written out; up to "
                f"{MOST_LISTED:,} are, and to_scipy() has them all"
            )
        return {
            "layers": [repr(layer) for layer in self.layers],
            "shape": self.shape,
            "input_shape": self.input_shape,
            "output_shape": self.output_shape,
            "rows": self.map.rows.tolist(),
            "columns": self.map.columns.tolist(),
            "values": self.map.values,
            "bias": self.bias,
        }

    def __repr__(self) -> str:
        return f"<matrix: {told_shape(self.shape)}, {self.nonzeros} entries not zero>"

    def document(self) -> Document:
        """What the matrix is, its blocks, the picture, and its numbers where they fit on a page."""
        rows, columns = self.shape
        turned = "The transpose of the matrix" if self.is_transposed else "The matrix"
        facts: list[Block] = [
            Paragraph(text(self._told_size())),
            *self._structure(),
            Figure(
                (Picture(self.picture(), self._alternative()),),
                "matrix",
                text("Its structure: blue is positive, orange negative, darker is larger in magnitude."),
            ),
        ]
        if max(rows, columns) <= MOST_WRITTEN:
            facts.append(matrix_view(self.exact(), text("The matrix")))
        if nonzero(self.bias).any():
            added = array_views(self.bias, text("b, in the output's shape"))
            facts.append(Section(text("What is added"), added))
        if self.transposed_layer is not None:
            facts.append(self._transposed_finding(self.transposed_layer))
        return Document(text(f"{turned} of: {chain_words(self.layers)}"), tuple(facts))

    def _told_size(self) -> str:
        rows, columns = self.shape
        size = self.nonzeros * ENTRY_BYTES
        kept = f"{size / 1e6:,.1f} MB" if size >= 10**5 else f"{size:,} bytes"
        return (
            f"The input's {told_shape(self.input_shape)} cells, row by row, are a vector of {columns:,}; the "
            f"output's {told_shape(self.output_shape)} cells one of {rows:,}. So the layer is a matrix of "
            f"{rows:,}×{columns:,}. {self.nonzeros:,} of its entries are not zero, "
            f"{self.nonzeros / (rows * columns):.3g} of them all; those are kept, in {kept}."
        )

    def _alternative(self) -> str:
        rows, columns = self.shape
        return f"A matrix of {rows} by {columns}; its {self.nonzeros} entries that are not zero, as dots."

    def _structure(self) -> tuple[Block, ...]:
        """The blocks of a convolution of one plane: Toeplitz matrices, one a kernel row."""
        (layer, *rest) = self.layers
        if rest or not isinstance(layer, Conv | ConvTranspose) or layer.rank not in (1, 2):
            return ()
        told = _TRANSPOSED if isinstance(layer, ConvTranspose) != self.is_transposed else _DIRECT
        blocks: list[Block] = [Paragraph(text(told[layer.rank] + _at_the_border(layer)))]
        if layer.rank == 2:
            blocks += self._plane_blocks()
        return tuple(blocks)

    def _plane_blocks(self) -> tuple[Block, ...]:
        """Which block of one plane stands where, by letters, and the blocks themselves."""
        (height, width), (down, across) = self.output_shape[1:], self.input_shape[1:]
        if max(height, down) > MOST_WRITTEN or max(width, across) > MOST_WRITTEN or not self.nonzeros:
            return ()
        blocks = {
            (r, c): self._window(range(r * width, (r + 1) * width), range(c * across, (c + 1) * across))
            for r in range(height)
            for c in range(down)
        }
        names: list[ExactArray] = []
        grid = [[_name(names, blocks[r, c]) for c in range(down)] for r in range(height)]
        table = Table(
            tuple(text(f"row {c}") for c in range(down)),
            tuple(tuple(text(cell) for cell in line) for line in grid),
            "c" * down,
            text("Blocks of the first plane: a line an output row, a column an input row; 0 is all zeros"),
        )

        def one(number: int) -> tuple[Block, ...]:
            return (matrix_view(names[number], text(f"T{number}")),)

        return (
            table,
            *elided(len(names), one, MOST_BLOCKS, "blocks", text("see them in .exact()")),
        )


# By rank: lines and planes.
_DIRECT = {
    1: "Along one axis every row is the row above it, moved on by the stride: a Toeplitz matrix for each "
    "pair of channels.",
    2: "It is made of blocks, one for each output row and input row, and each block is a Toeplitz matrix of "
    "one kernel row: every row of it is the row above, moved on by the stride. The blocks themselves lie on "
    "diagonals: a doubly blocked Toeplitz matrix, for each pair of channels.",
}
_STAMPS = (
    "Each column is the stamp of one input cell. It is the transpose of the matrix of the convolution with "
    "the same weights, stride, padding and dilation."
)
_TRANSPOSED = {
    1: f"Along one axis every column is the column before it, moved down by the stride. {_STAMPS}",
    2: "It is made of blocks, one for each output row and input row, each a Toeplitz matrix of one kernel "
    f"row, turned over. {_STAMPS}",
}


def _at_the_border(layer: Conv | ConvTranspose) -> str:
    """What padding other than zeros does to the pattern."""
    if isinstance(layer, ConvTranspose) or layer.padding_mode in ("zeros", "constant"):
        return ""
    return f" Padding mode '{layer.padding_mode}' adds to entries near the border, out of that pattern."


def _name(names: list[ExactArray], block: ExactArray) -> str:
    """The block's name; a block of zeros is called 0."""
    if not nonzero(block).any():
        return "0"
    place = next((number for number, known in enumerate(names) if known == block), None)
    if place is None:
        names.append(block)
        place = len(names) - 1
    return f"T{place}"


def _picture(found: AffineMap, side: int) -> npt.NDArray[np.uint8]:
    rows, columns = found.size
    step = max(math.ceil(max(rows, columns) / side), 1)
    height, width = math.ceil(rows / step), math.ceil(columns / step)
    numeric = isinstance(found.values, RationalArray) or all(map(is_numeric, found.values.table()[0]))
    sizes = found.values.to_float() if numeric else np.ones(found.entries)
    largest = np.abs(sizes).max(initial=0) or 1.0
    # Several entries of a pixel: the largest in magnitude is drawn last and stays.
    order = np.argsort(np.abs(sizes), kind="stable")
    canvas = np.zeros((height, width))
    canvas[found.rows[order] // step, found.columns[order] // step] = sizes[order] / largest
    # Even the smallest entry is seen.
    depth = np.where(canvas == 0, 0.0, 0.25 + 0.75 * np.abs(canvas))[..., None]
    ink = np.where(canvas[..., None] < 0, NEGATIVE, POSITIVE)
    pixels = np.rint(PAPER * (1 - depth) + ink * depth).astype(np.uint8)
    zoom = max(side // max(height, width), 1)
    whole = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
    return _ruled(whole, found, step, zoom)


def _ruled(pixels: npt.NDArray[np.uint8], found: AffineMap, step: int, zoom: int) -> npt.NDArray[np.uint8]:
    """Grey lines between the blocks (rows of the feature maps), where they stay apart."""
    for axis, shape in enumerate((found.output_shape, found.input_shape)):
        length = shape[-1]
        if len(shape) < 2 or length / step * zoom < 8:
            continue
        places = np.arange(length, math.prod(shape), length) * zoom // step
        if axis == 0:
            pixels[places[places < pixels.shape[0]]] = GRID
        else:
            pixels[:, places[places < pixels.shape[1]]] = GRID
    return pixels


def as_matrix(layer: Chain, input_shape: Sequence[int]) -> LayerMatrix:
    """The exact sparse matrix of a layer, or of layers one after the other, on one input shape.

    Args:
        layer: any layer that is affine: convolutions and their transposes, average pools, linear layers,
            batch normalisation, flattening, padding, upsampling; or several in order.
        input_shape: without batch axis: ``(H, W)`` for one channel, ``(C, H, W)``, ``(features,)``, …

    Returns:
        A `LayerMatrix`: `shape`, `nonzeros`, `bias`, `to_scipy()` (CSR, float64), `array()`, `exact()`,
        `T` (the transpose), `apply(x)`, `picture()`.

    Raises:
        UnsupportedError: a layer that is not affine.
        ShapeError: shapes that do not fit, or a matrix that would not fit in memory, with its size.
        InputError: weights or statistics that are not there.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), section 4.1.

    >>> m = as_matrix(Conv("1 2; 3 4"), (3, 3))
    >>> m.shape, m.nonzeros
    ((4, 9), 16)
    >>> m.array()[0]
    array([1., 2., 0., 3., 4., 0., 0., 0., 0.])
    """
    chain = as_chain(layer)
    if not chain:
        raise InputError("as_matrix needs a layer, such as Conv(kernel)")
    return LayerMatrix(chain, affine_map(chain, input_shape))
