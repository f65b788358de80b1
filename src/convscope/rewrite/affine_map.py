"""An affine map of cells, exact and sparse: y = A·x + b, each entry of A that is not zero kept once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from convscope.core.array import INT64_LIMIT, ExactArray, RationalArray
from convscope.core.number import Exact
from convscope.errors import ShapeError
from convscope.worked.arithmetic import Numbers, add, bilinear, concatenate, is_zero
from convscope.worked.symbolic import normal_form

Places = npt.NDArray[np.int64]
Index = tuple[int, ...]

# Row, column and number of an entry: 24 bytes; so many entries take 0.8 GB.
ENTRY_BYTES = 24
MAX_ENTRIES = 2**25
# Products of two maps are worked in pieces of about so many, so that memory stays bounded.
PIECE_PRODUCTS = 2**22


def refuse_large(what: str, input_shape: Index, output_shape: Index, entries: int) -> None:
    """Refuse a map of more entries than memory is asked for.

    Raises:
        ShapeError: with the entries and the bytes they would take.
    """
    if entries > MAX_ENTRIES:
        raise ShapeError(
            f"{what}: its matrix from {told_shape(input_shape)} to {told_shape(output_shape)} cells has "
            f"{entries:,} entries that are not zero ({entries * ENTRY_BYTES / 1e9:,.1f} GB); up to "
            f"{MAX_ENTRIES:,} are built, so take a smaller input"
        )


def told_shape(shape: Index) -> str:
    """The lengths of the axes: ``3×8×8``."""
    return "×".join(map(str, shape))


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The exact map ``y = A·x + b`` from the cells of one shape to those of another, row-major.

    Attributes:
        input_shape: without batch axis, as ``(C, *spatial)`` or ``(features,)``.
        output_shape: the same for the output.
        rows: int64, the output cell of each entry of A that is not zero, ascending.
        columns: int64, its input cell; ascending within a row, and no place comes twice.
        values: the entries, one axis; symbolic where a weight is a letter or no ratio.
        bias: b, of shape `output_shape`.
    """

    input_shape: Index
    output_shape: Index
    rows: Places
    columns: Places
    values: ExactArray
    bias: ExactArray

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of A: output cells and input cells."""
        return math.prod(self.output_shape), math.prod(self.input_shape)

    @property
    def entries(self) -> int:
        """How many entries of A are not zero."""
        return len(self.rows)

    @property
    def starts(self) -> Places:
        """Where each row's entries begin, and the end of the last (CSR's ``indptr``)."""
        return np.searchsorted(self.rows, np.arange(self.size[0] + 1))

    @property
    def is_linear(self) -> bool:
        """True when no bias is anything but 0."""
        return not nonzero(self.bias).any()

    def apply(self, x: ExactArray) -> ExactArray:
        """The exact output of one input.

        Raises:
            ShapeError: an input of another shape.
        """
        if x.shape != self.input_shape:
            raise ShapeError(f"the map takes an input of shape {self.input_shape}, got {x.shape}")
        starts = self.starts
        filled = np.flatnonzero(np.diff(starts))

        def sums(values: Numbers, cells: Numbers) -> Numbers:
            total = np.zeros(self.size[0], dtype=values.dtype)
            if len(filled):
                total[filled] = np.add.reduceat(values * cells[self.columns], starts[filled])
            return total

        longest = int(np.diff(starts).max(initial=0))
        flat = x.reshape((self.size[1],))
        found = bilinear(self.values, flat, sums, terms=longest, products=self.entries)
        return add(found.reshape(self.output_shape), self.bias)

    def after(self, inner: AffineMap) -> AffineMap:
        """The map that does `inner` first and then this one: ``A·(A'·x + b') + b``.

        Raises:
            ShapeError: shapes that do not meet, or a product too large to build.
        """
        if math.prod(inner.output_shape) != self.size[1]:
            raise ShapeError(
                f"a map to {told_shape(inner.output_shape)} cells cannot be followed by one from "
                f"{told_shape(self.input_shape)}"
            )
        rows, columns, parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
        entries = 0
        for first, last in self._pieces(inner):
            piece = _Product(self, inner, first, last)
            entries += len(piece.rows)
            refuse_large("the composed map", inner.input_shape, self.output_shape, entries)
            rows.append(piece.rows)
            columns.append(piece.columns)
            parts.append(piece.values())
        found = concatenate(parts, axis=0) if parts else NO_VALUES
        bias = self.apply(inner.bias.reshape(self.input_shape))
        return from_entries(
            inner.input_shape, self.output_shape, np.concatenate(rows), np.concatenate(columns), found, bias
        )

    def _pieces(self, inner: AffineMap) -> Iterator[tuple[int, int]]:
        """The entries in runs of whole rows, few enough that a run's products fit in memory."""
        products = np.cumsum(np.diff(inner.starts)[self.columns])
        ends = self.starts[1:]
        first = 0
        while first < self.entries:
            done = int(products[first - 1]) if first else 0
            place = int(np.searchsorted(products, done + PIECE_PRODUCTS, side="right"))
            # The last row that ends there; a row that is too long on its own is taken whole.
            row = int(np.searchsorted(ends, place, side="right")) - 1
            last = int(ends[row]) if row >= 0 and ends[row] > first else int(ends[self.rows[first]])
            yield first, last
            first = last

    def times(self, inner: AffineMap) -> AffineMap:
        """The Kronecker product of the linear parts: this one on the leading axes, `inner` on the others."""
        (height, _), (inner_height, inner_width) = self.size, inner.size
        shapes = (*self.input_shape, *inner.input_shape), (*self.output_shape, *inner.output_shape)
        refuse_large("the product", *shapes, self.entries * inner.entries)
        rows = np.add.outer(self.rows * inner_height, inner.rows).reshape(-1)
        columns = np.add.outer(self.columns * inner_width, inner.columns).reshape(-1)
        count = self.entries, inner.entries
        found = bilinear(
            self.values.reshape((count[0], 1)),
            inner.values.reshape((1, count[1])),
            lambda left, right: left * right,
            terms=1,
            products=count[0] * count[1],
        )
        bias = zeros((height * inner_height,)).reshape(shapes[1])
        return from_entries(*shapes, rows, columns, found.reshape((count[0] * count[1],)), bias)

    @property
    def transpose(self) -> AffineMap:
        """The linear map whose matrix is Aᵀ; a bias has no part in it."""
        return from_entries(
            self.output_shape,
            self.input_shape,
            self.columns,
            self.rows,
            self.values,
            zeros(self.input_shape),
        )

    def row(self, index: Index) -> tuple[tuple[Index, Exact], ...]:
        """What one output cell is made of: input cells, each with its factor."""
        place = int(np.ravel_multi_index(index, self.output_shape))
        first, last = (int(n) for n in np.searchsorted(self.rows, [place, place + 1]))
        cells = (np.unravel_index(column, self.input_shape) for column in self.columns[first:last])
        return tuple(
            (tuple(int(i) for i in cell), self.values.cell((entry,)))
            for entry, cell in enumerate(cells, start=first)
        )

    def column(self, index: Index) -> ExactArray:
        """What an input of a single 1 at this cell adds to the output: its impulse response."""
        place = int(np.ravel_multi_index(index, self.input_shape))
        met = np.flatnonzero(self.columns == place)
        codes = np.zeros(self.size[0], dtype=np.int64)
        codes[self.rows[met]] = 1 + np.arange(len(met))
        table = concatenate([zeros((1,)), self.values[met]], axis=0)
        return table.rearranged(lambda cells: cells[codes].reshape(self.output_shape))

    def equals(self, other: AffineMap) -> bool:
        """True when both are the same map: the same shapes, entries and biases.

        An input of one channel is as good as one without a channel axis.
        Symbolic entries are compared by their normal forms. So True is always proved; with ratios
        and letters False is proved as well.
        """
        return (
            _without_channel(self.input_shape) == _without_channel(other.input_shape)
            and self.output_shape == other.output_shape
            and not self.differing(other).size
        )

    def differing(self, other: AffineMap) -> Places:
        """The output cells (flat, ascending) that the two make in different ways; shapes must agree."""
        if (self.size, self.output_shape) != (other.size, other.output_shape):
            raise ShapeError(
                f"maps from {told_shape(self.input_shape)} to {told_shape(self.output_shape)} and from "
                f"{told_shape(other.input_shape)} to {told_shape(other.output_shape)} have no cells in common"
            )
        width = self.size[1]
        keys, others = self.rows * width + self.columns, other.rows * width + other.columns
        if len(keys) == len(others) and (keys == others).all():
            rows = self.rows[unlike(self.values, other.values)]
        else:
            _, here, there = np.intersect1d(keys, others, assume_unique=True, return_indices=True)
            only = np.setxor1d(keys, others, assume_unique=True) // width
            rows = np.concatenate([only, self.rows[here][unlike(self.values[here], other.values[there])]])
        biased = np.flatnonzero(unlike(self.bias, other.bias))
        return np.unique(np.concatenate([rows, biased]))

    def to_scipy(self) -> sparse.csr_array:
        """A in float64, each entry the nearest, as SciPy's CSR array."""
        return sparse.csr_array((self.values.to_float(), self.columns, self.starts), shape=self.size)


def _without_channel(shape: Index) -> Index:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


class _Product:
    """Rows of a product of two maps: their pattern, and the sums of products that stand in it."""

    def __init__(self, outer: AffineMap, inner: AffineMap, first: int, last: int) -> None:
        self.outer, self.inner, self.taken = outer, inner, slice(first, last)
        rows = outer.rows[first:last]
        self.top = int(rows[0])
        self.left_starts = np.searchsorted(rows, np.arange(self.top, int(rows[-1]) + 2))
        self.left_columns = outer.columns[first:last]
        self.right_starts = inner.starts
        counts = self._multiplied(np.ones(last - first, np.int64), np.ones(inner.entries, np.int64))
        self.pattern = _keys(counts)
        self.terms = int(counts.data.max(initial=0))
        self.rows, self.columns = np.divmod(self.pattern, max(inner.size[1], 1))
        self.rows += self.top

    def values(self) -> ExactArray:
        """The exact sums, one for each place of the pattern."""
        left = self.outer.values[self.taken]
        products = int(np.diff(self.right_starts)[self.left_columns].sum())
        return bilinear(left, self.inner.values, self._sums, terms=self.terms, products=products)

    def _sums(self, left: Numbers, right: Numbers) -> Numbers:
        if left.dtype == object:
            return self._one_by_one(left, right)
        found = self._multiplied(left, right)
        if found.nnz == len(self.pattern):
            return np.asarray(found.data)
        sums = np.zeros(len(self.pattern), dtype=found.dtype)  # a sum that is 0 may have been dropped
        sums[np.searchsorted(self.pattern, _keys(found))] = found.data
        return sums

    def _multiplied(self, left: Numbers, right: Numbers) -> sparse.csr_array:
        inner = self.inner
        heights = len(self.left_starts) - 1
        a = sparse.csr_array((left, self.left_columns, self.left_starts), shape=(heights, inner.size[0]))
        b = sparse.csr_array((right, inner.columns, self.right_starts), shape=inner.size)
        product = a @ b
        product.sort_indices()
        return product

    def _one_by_one(self, left: Numbers, right: Numbers) -> Numbers:
        """The same of Python's integers or polynomials, which SciPy does not multiply."""
        lengths = np.diff(self.right_starts)[self.left_columns]
        ends = np.cumsum(lengths)
        which = np.repeat(np.arange(len(left)), lengths)
        within = np.arange(len(which)) - np.repeat(ends - lengths, lengths)
        met = self.right_starts[self.left_columns][which] + within
        rows = np.repeat(np.arange(len(self.left_starts) - 1), np.diff(self.left_starts))[which]
        places = np.searchsorted(self.pattern, rows * self.inner.size[1] + self.inner.columns[met])
        sums = np.zeros(len(self.pattern), dtype=object)
        np.add.at(sums, places, left[which] * right[met])
        return sums


def _keys(matrix: sparse.csr_array) -> Places:
    """Row and column of each entry as one number."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.asarray(rows * matrix.shape[1] + matrix.indices)


# --- making maps ------------------------------------------------------------------------------


def from_entries(
    input_shape: Index,
    output_shape: Index,
    rows: Places,
    columns: Places,
    values: ExactArray,
    bias: ExactArray,
) -> AffineMap:
    """A map from its entries in any order; those at one place are added, zeros are dropped."""
    keys = rows * math.prod(input_shape) + columns
    if (np.diff(keys) < 0).any():
        order = np.argsort(keys, kind="stable")
        rows, columns, keys, values = rows[order], columns[order], keys[order], values[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    if len(firsts) < len(keys):
        longest = int(np.diff(firsts, append=len(keys)).max())
        values = bilinear(
            values,
            RationalArray(np.ones((), dtype=np.int64)),
            lambda cells, one: np.add.reduceat(cells, firsts) * one,
            terms=longest,
            products=len(keys),
        )
        rows, columns = rows[firsts], columns[firsts]
    kept = nonzero(values)
    if not kept.all():
        rows, columns, values = rows[kept], columns[kept], values[kept]
    return AffineMap(input_shape, output_shape, rows, columns, values, bias)


def diagonal(shape: Index, values: ExactArray, output_shape: Index | None = None) -> AffineMap:
    """The map that multiplies each cell by its number; the cells may be arranged anew."""
    places = np.arange(math.prod(shape))
    found = shape if output_shape is None else output_shape
    return from_entries(shape, found, places, places, values, zeros(found))


def identity(shape: Index, output_shape: Index | None = None) -> AffineMap:
    """The map that leaves each cell as it is; the cells may be arranged anew."""
    refuse_large("the identity", shape, shape, math.prod(shape))
    return diagonal(shape, RationalArray(np.ones(math.prod(shape), dtype=np.int64)), output_shape)


def zeros(shape: Index) -> RationalArray:
    """Nothing but zeros."""
    return RationalArray(np.zeros(shape, dtype=np.int64))


NO_VALUES = zeros((0,))


# --- numbers ----------------------------------------------------------------------------------


def nonzero(array: ExactArray) -> npt.NDArray[np.bool_]:
    """Where an array holds anything but the ratio 0."""
    if isinstance(array, RationalArray):
        return np.asarray(array.numerators != 0)
    values, codes = array.table()
    return np.asarray(np.array([not is_zero(value) for value in values], dtype=bool)[codes])


def unlike(a: ExactArray, b: ExactArray) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape hold numbers that are not proved equal; each pair is compared once."""
    if isinstance(a, RationalArray) and isinstance(b, RationalArray):
        if a.denominator == b.denominator:
            return np.asarray(a.numerators != b.numerators)
        left, right = (_lowest(array) for array in (a, b))
        return np.asarray((left[0] != right[0]) | (left[1] != right[1]))
    (values, codes), (others, other_codes) = a.table(), b.table()
    pairs, places = np.unique(codes * np.int64(len(others)) + other_codes, return_inverse=True)
    different = [not _same(values[int(p) // len(others)], others[int(p) % len(others)]) for p in pairs]
    return np.asarray(np.array(different, dtype=bool)[places.reshape(codes.shape)])


def _same(a: Exact, b: Exact) -> bool:
    return a == b or normal_form(a) == normal_form(b)


def _lowest(array: RationalArray) -> tuple[Numbers, Numbers]:
    """Numerator and denominator of each cell on its own."""
    numerators: Numbers = array.numerators
    if array.denominator > INT64_LIMIT:
        numerators = numerators.astype(object)
    common = np.gcd(numerators, array.denominator)
    return numerators // common, array.denominator // common
