"""One layer along one axis: which input cells each output cell reads, for every length.

A layer of the table is a sum of products, one factor an axis: a convolution is the sum over its taps of
a number for each pair of channels times, axis by axis, the map that moves a cell to that tap's place; an
average pool is one such product. The factors are the steps here; each is a layer of rank 1, so that its
sizes and borders are those of the rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convscope.core.array import INT64_LIMIT, RationalArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from convscope.core.structural import Pad, Upsample
from convscope.core.windowed import window_extent
from convscope.errors import UnsupportedError
from convscope.rewrite.affine import FILLED
from convscope.rewrite.shift_invariant import Locality, composed, local
from convscope.rules.shape import output_shape
from convscope.rules.window import padded_axes, transposed_axes, window_axes
from convscope.worked.pooling import AvgPoolWork, MaxPoolWork, WholeAvgWork
from convscope.worked.structural import UpsampleWork

Places = npt.NDArray[np.int64]
Windows = Conv | AvgPool | MaxPool


class Entries(NamedTuple):
    """The entries of a matrix that may differ from zero, integers over one denominator."""

    rows: Places
    columns: Places
    values: Places
    denominator: int


@dataclass(frozen=True)
class AxisStep:
    """One factor of one layer along one axis.

    Attributes:
        layer: of rank 1.
        tap: for the convolutions, which tap; None where the factor is the whole layer.
    """

    layer: Layer
    tap: int | None = None

    @cached_property
    def _hash(self) -> int:
        return hash((repr(self.layer), self.tap))

    def __hash__(self) -> int:
        return self._hash

    def size(self, n: int) -> int:
        """The output's length.

        Raises:
            ShapeError: a length that the layer does not take.
        """
        return _size(self.layer, n)

    def entries(self, n: int) -> Entries:
        """The map on an input of n cells.

        Raises:
            ShapeError: a length that the layer does not take.
        """
        return _entries(self, n)

    def locality(self) -> Locality | None:
        """Its locality; None for a layer whose windows depend on the whole length."""
        found: Locality | None = _LOCALITIES[type(self.layer)](self.layer)
        return found


@dataclass(frozen=True)
class AxisMap:
    """Steps one after the other along one axis: a matrix for every length.

    Attributes:
        steps: in order.
        ones_at: None for the matrix; else the vector that the steps from this place on make of ones: what
            becomes of a bias that was added there.
    """

    steps: tuple[AxisStep, ...]
    ones_at: int | None = None

    def size(self, n: int) -> int:
        """The output's length.

        Raises:
            ShapeError: a length that one of the steps does not take.
        """
        for step in self.steps:
            n = step.size(n)
        return n

    def entries(self, n: int) -> Entries:
        """The matrix, or the vector as a matrix of one column, on an input of n cells.

        Raises:
            ShapeError: a length that one of the steps does not take.
            UnsupportedError: numbers too large to keep exact here.
        """
        first = 0 if self.ones_at is None else self.ones_at
        for step in self.steps[:first]:
            n = step.size(n)
        total = _chained(self.steps[first:], n)
        return total if self.ones_at is None else _row_sums(total)

    def locality(self) -> Locality | None:
        """Its locality, composed of the steps'; None where one of them has none."""
        total = IDENTITY
        for step in self.steps:
            found = step.locality()
            if found is None:
                return None
            total = composed(total, found)
        return total

    def after(self, first: AxisMap) -> AxisMap:
        """Both in order; where the first is a vector, the vector that this one makes of it."""
        if first.ones_at is None and len(first.steps) == len(self.steps) == 1:
            joined = _one_window(first.steps[0], self.steps[0])
            if joined is not None:
                return AxisMap((joined,))
        return AxisMap(first.steps + self.steps, first.ones_at)

    def of_ones(self, before: tuple[AxisStep, ...] = ()) -> AxisMap:
        """The vector that this map makes of ones, after steps of which only the sizes count."""
        return AxisMap(before + self.steps, len(before))


IDENTITY = local(period=1, advance=1, left=0, right=0, before=0, after=0, longer=0, shorter=0)


@lru_cache(maxsize=2**13)
def _entries(step: AxisStep, n: int) -> Entries:
    """The taps of a layer meet again in every product of a chain, so that each is made once."""
    found: Entries = _ENTRIES[type(step.layer)](step.layer, step.tap, n)
    return found


@lru_cache(maxsize=2**14)
def _chained(steps: tuple[AxisStep, ...], n: int) -> Entries:
    """The matrix of steps in order; chains that begin alike share what they begin with."""
    if not steps:
        every = np.arange(n, dtype=np.int64)
        return Entries(every, every, np.ones(n, dtype=np.int64), 1)
    before = steps[:-1]
    last = steps[-1].entries(AxisMap(before).size(n))
    return _product(last, _chained(before, n)) if before else last


def _one_window(first: AxisStep, second: AxisStep) -> AxisStep | None:
    """Two taps of windows without padding as one tap of a longer window; None for other steps.

    A window of K cells and stride s, then one of K' and s': together K + (K' − 1)·s cells and stride s·s'.
    """
    one, other = first.layer, second.layer
    if not (isinstance(one, Conv) and isinstance(other, Conv)) or first.tap is None or second.tap is None:
        return None
    if one.padding != ((0, 0),) or other.padding != ((0, 0),):
        return None
    stride = one.stride[0]
    extents = [window_extent(layer.kernel_size[0], layer.dilation[0]) for layer in (one, other)]
    joined = Conv(
        kernel_size=(extents[0] + (extents[1] - 1) * stride,),
        out_channels=1,
        stride=(stride * other.stride[0],),
    )
    return AxisStep(joined, first.tap * one.dilation[0] + second.tap * other.dilation[0] * stride)


@lru_cache(maxsize=2**14)
def _size_of(key: tuple[Any, ...], n: int) -> int:
    layer: Layer = key[0]
    return int(output_shape(layer, [(1, n)]).shape[1])


def _size(layer: Layer, n: int) -> int:
    if isinstance(layer, MaxPool | AvgPool):
        _check_windows(layer, n)
    return _size_of((layer,), n)


@lru_cache(maxsize=2**14)
def _check_windows(layer: MaxPool | AvgPool, n: int) -> None:
    """Refuse a length at which a dilated window holds no cell."""
    if layer.dilation[0] > 1:
        work = AvgPoolWork if isinstance(layer, AvgPool) else MaxPoolWork
        work(layer, [RationalArray(np.zeros((1, 1, n), dtype=np.int64))])  # type: ignore[arg-type]


# --- entries ----------------------------------------------------------------------------------


def _product(second: Entries, first: Entries) -> Entries:
    """The product of two matrices."""
    from scipy.sparse import csr_array

    limit = _largest(second.values) * _largest(first.values) * max(len(second.values), 1)
    if limit > INT64_LIMIT or second.denominator * first.denominator > INT64_LIMIT:
        raise UnsupportedError("the products of these layers' shares are too long to compare for every size")
    inner = max(_end(second.columns), _end(first.rows))
    left = csr_array(
        (second.values, (second.rows, second.columns)), shape=(_end(second.rows), inner), dtype=np.int64
    )
    right = csr_array(
        (first.values, (first.rows, first.columns)), shape=(inner, _end(first.columns)), dtype=np.int64
    )
    whole = (left @ right).tocoo()
    kept = whole.data != 0
    rows, columns = (places[kept].astype(np.int64) for places in whole.coords)
    values = whole.data[kept].astype(np.int64)
    denominator = second.denominator * first.denominator
    common = math.gcd(denominator, int(np.gcd.reduce(values))) if values.size else denominator
    return Entries(rows, columns, values // common, denominator // common)


def _largest(values: Places) -> int:
    return int(np.abs(values).max()) if values.size else 0


def _end(places: Places) -> int:
    return int(places.max()) + 1 if places.size else 1


def _row_sums(entries: Entries) -> Entries:
    sums = np.zeros(_end(entries.rows), dtype=np.int64)
    np.add.at(sums, entries.rows, entries.values)
    rows = np.flatnonzero(sums)
    return Entries(rows, np.zeros(len(rows), dtype=np.int64), sums[rows], entries.denominator)


def _read(places: Places) -> Entries:
    """Each row reads the place it is given; -1 is nothing."""
    rows = np.flatnonzero(places >= 0)
    return Entries(rows, places[rows], np.ones(len(rows), dtype=np.int64), 1)


def _conv_entries(layer: Conv, tap: int, n: int) -> Entries:
    (axis,) = window_axes(layer, (n,))
    starts = np.arange(axis.size, dtype=np.int64) * layer.stride[0] - axis.padding[0]
    return _read(FILLED[layer.padding_mode](starts + tap * layer.dilation[0], n))


def _pad_entries(layer: Pad, _tap: int | None, n: int) -> Entries:
    (axis,) = padded_axes(layer, (n,))
    places = np.arange(axis.size, dtype=np.int64) - axis.padding[0]
    return _read(FILLED[layer.padding_mode](places, n))


def _stamp_entries(layer: ConvTranspose, tap: int, n: int) -> Entries:
    (axis,) = transposed_axes(layer, (n,))
    columns = np.arange(n, dtype=np.int64)
    rows = columns * layer.stride[0] + tap * layer.dilation[0] - axis.padding[0]
    kept = (rows >= 0) & (rows < axis.size)
    return Entries(rows[kept], columns[kept], np.ones(int(kept.sum()), dtype=np.int64), 1)


def _mean_entries(layer: AvgPool, _tap: int | None, n: int) -> Entries:
    work = AvgPoolWork(layer, [RationalArray(np.zeros((1, 1, n), dtype=np.int64))])
    (counts,) = work.divisors
    shares = [
        [(cell, Fraction(1, 1 if layer.divisor_override else count)) for cell in work.region((place,))[0]]
        for place, count in enumerate(counts)
    ]
    return _shared(shares)


def _whole_entries(layer: AdaptiveAvgPool | GlobalAvgPool, _tap: int | None, n: int) -> Entries:
    (edges,) = WholeAvgWork(layer, [RationalArray(np.zeros((1, 1, n), dtype=np.int64))]).edges
    return _shared([[(cell, Fraction(1, len(region))) for cell in region] for region in edges])


def _resize_entries(layer: Upsample, _tap: int | None, n: int) -> Entries:
    work = UpsampleWork(layer, [RationalArray(np.zeros((1, 1, n), dtype=np.int64))])
    return _shared(work.sources(0))


def _max_entries(layer: MaxPool, _tap: int | None, n: int) -> Entries:
    """One for each cell that a window sees."""
    work = MaxPoolWork(layer, [RationalArray(np.zeros((1, 1, n), dtype=np.int64))])
    regions = [work.region((place,))[0] for place in range(work.shape.shape[1])]
    return _shared([[(cell, Fraction(1)) for cell in region] for region in regions])


def _shared(shares: list[list[tuple[int, Fraction]]]) -> Entries:
    rows = np.repeat(np.arange(len(shares), dtype=np.int64), [len(mixed) for mixed in shares])
    columns = np.array([cell for mixed in shares for cell, _ in mixed], dtype=np.int64)
    values = from_cells((share for mixed in shares for _, share in mixed), (len(columns),))
    if values.numerators.dtype != np.int64 or values.denominator > INT64_LIMIT:
        raise UnsupportedError(f"the shares of {len(shares)} windows have no common denominator that fits")
    return Entries(rows, columns, values.numerators, values.denominator)


_ENTRIES: dict[type[Layer], Any] = {
    Conv: _conv_entries,
    ConvTranspose: _stamp_entries,
    AvgPool: _mean_entries,
    MaxPool: _max_entries,
    AdaptiveAvgPool: _whole_entries,
    GlobalAvgPool: _whole_entries,
    Pad: _pad_entries,
    Upsample: _resize_entries,
}


# --- localities -------------------------------------------------------------------------------


def _window_locality(layer: Windows) -> Locality:
    """A window of `extent` cells that moves by `stride` over an input with padding on both sides."""
    stride = layer.stride[0]
    extent = window_extent(layer.kernel_size[0], layer.dilation[0])
    if layer.padding == "same":
        # ⌈n/s⌉ windows; the padding depends on n modulo s, is smaller than the window, and is halved.
        before, after, up = (extent - 1) // 2, extent // 2, 0
        longer, shorter = Fraction(stride - 1, stride), Fraction(0)
    else:
        ((before, after),) = layer.padding
        spare = before + after - extent
        up = stride - 1 if getattr(layer, "ceil_mode", False) else 0
        longer, shorter = Fraction(spare + up, stride) + 1, Fraction(stride - 1 - spare, stride) - 1
    return _sliding(stride, extent, before, after + up, longer=longer, shorter=shorter)


def _sliding(
    stride: int, extent: int, before: int, after: int, *, longer: Fraction, shorter: Fraction
) -> Locality:
    """The locality of a window that reaches at most so far before and after the input."""
    return local(
        period=stride,
        advance=1,
        left=-(-before // stride),
        right=-(-after // stride),
        before=before,
        after=extent - 1,
        longer=longer,
        shorter=shorter,
        corner=extent + max(before, after) + 1,
        accepted=extent + before + after + 1,
    )


def _pad_locality(layer: Pad) -> Locality:
    ((before, after),) = layer.padding
    spare = Fraction(before + after)
    return _sliding(1, 1, before, after, longer=spare, shorter=-spare)


def _stamp_locality(layer: ConvTranspose) -> Locality:
    stride = layer.stride[0]
    extent = window_extent(layer.kernel_size[0], layer.dilation[0])
    ((before, after),) = layer.padding
    added = extent + layer.output_padding[0] - stride - before - after
    return local(
        period=1,
        advance=stride,
        left=extent - 1 - before,
        right=before + added,
        before=Fraction(extent, stride),
        after=Fraction(before, stride),
        longer=added,
        shorter=-added,
        # Where the padding cuts off more than the kernel hangs over, nothing may be left of a short input.
        accepted=max(1, -(-(1 - added) // stride)),
    )


def _resize_locality(layer: Upsample) -> Locality | None:
    if layer.scale_factor is None or layer.align_corners:
        return None  # the step between cells depends on the length
    (factor,) = layer.scale_factor
    period, advance = factor.denominator, factor.numerator
    shared = 0 if layer.mode == "nearest" else 1
    half = math.ceil(factor / 2)
    return local(
        period=period,
        advance=advance,
        left=half * shared,
        right=(half + 1) * shared,
        before=2,
        after=1 / (2 * factor) + 1,
        longer=0,
        shorter=1,
        corner=2,
        accepted=-(-period // advance),
    )


def _no_locality(_layer: Layer) -> None:
    return None


_LOCALITIES: dict[type[Layer], Any] = {
    Conv: _window_locality,
    ConvTranspose: _stamp_locality,
    AvgPool: _window_locality,
    MaxPool: _window_locality,
    AdaptiveAvgPool: _no_locality,
    GlobalAvgPool: _no_locality,
    Pad: _pad_locality,
    Upsample: _resize_locality,
}
