"""The exact input cells that one output cell depends on, found backwards, layer by layer.

A receptive field tells what an output would see if the picture went on beyond its borders. Here
each layer's own borders are kept: padding is cut off where it is added, reflected padding is read
where its cells come from. Along each axis the set of cells is carried, not only its ends, so that
dilated and strided layers are exact too. What branches need is kept apart while one does not hold
the other: a window that lies wholly in padding along one axis reads nothing along the other either.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.network import Graph, Node, Shape
from convscope.core.operators import Rearrange
from convscope.errors import InputError, UnsupportedError
from convscope.rules.field import Field
from convscope.rules.reach import REACH_RULES, Reach, Windows, is_shuffle, resampled

if TYPE_CHECKING:
    from convscope.rules.network import Network

Cells: TypeAlias = npt.NDArray[np.int64]
# Cells along each axis: every row of the one with every column of the other.
Product: TypeAlias = list[Cells]
# Half-open, an entry an axis of the picture.
Box: TypeAlias = tuple[tuple[int, int], ...]

# Longer lists of cells are carried by their first and last one only.
MAX_CELLS = 2**20
# More products than this, of branches that do not hold each other, are carried as one around all.
MAX_PRODUCTS = 8


@dataclass(frozen=True, slots=True)
class Visit:
    """What the cell depends on in one layer on the way back: its box of cells, an entry an axis."""

    name: str
    box: Box


@dataclass(frozen=True, slots=True)
class InputBoxes:
    """What one output cell depends on.

    Attributes:
        layer, cell: the output cell, an index for each axis of the picture.
        boxes: for each input that it depends on, its name and box.
        unclipped: the box in the first of them as if the picture went on beyond its borders.
        through: the layer that made it the whole picture; empty where none did.
        visits: the layers on the way, from the asked one back, each with the cells that are needed.
    """

    layer: str
    cell: tuple[int, ...]
    boxes: tuple[tuple[str, Box], ...]
    unclipped: Box
    through: str
    visits: tuple[Visit, ...]


def input_boxes(network: Network, layer: str, cell: Sequence[int] | int | None = None) -> InputBoxes:
    """The box of input cells that one output cell of a layer depends on.

    Args:
        network: whose shapes are known.
        layer: the layer's name.
        cell: its index along each axis of the picture; the middle one when not given.

    Raises:
        InputError: no such layer or cell.
        UnsupportedError: an operator on the way whose reach is not known.
    """
    row = network[layer]
    field = row.receptive_field
    if field is None or row.output_shape is None:
        raise UnsupportedError(
            f"layer '{layer}': what it sees is not known: it is, or reads, an operator that no rule knows"
        )
    if not field.axes:
        raise InputError(f"layer '{layer}': it sees no picture; no input it depends on has spatial axes")
    place = _checked_cell(layer, cell, field, row.output_shape)
    start = [np.array([index], dtype=np.int64) for index in place]
    visits, found = _traced(network, layer, start)
    boxes = tuple((name, _box(products)) for name, products in found)
    unclipped = tuple(axis.box(index) for axis, index in zip(field.axes, place, strict=True))
    return InputBoxes(layer, place, boxes, unclipped, field.through, tuple(visits))


def _checked_cell(
    layer: str, cell: Sequence[int] | int | None, field: Field, shape: Shape
) -> tuple[int, ...]:
    counts = field.counts(shape)
    if cell is None:
        return tuple((count - 1) // 2 for count in counts)
    index = (cell,) if isinstance(cell, int) else tuple(cell)
    if field.is_whole and set(field.places) == {None}:
        return (0,) * len(counts)  # all cells see the same, however they are counted
    if any(isinstance(i, bool) or not isinstance(i, int | np.integer) for i in index):
        raise InputError(f"layer '{layer}': the cell {cell!r} is not an index for each axis")
    told = "×".join(map(str, counts)) or "no"
    if len(index) != len(counts):
        raise InputError(
            f"layer '{layer}': the cell {cell!r} has {len(index)} indices; its output has {told} cells"
        )
    if any(not 0 <= i < count for i, count in zip(index, counts, strict=True)):
        raise InputError(f"layer '{layer}': the cell {cell!r} lies outside its output of {told} cells")
    return tuple(int(i) for i in index)


def _box(products: Sequence[Product]) -> Box:
    """The smallest box around all of them."""
    axes = list(zip(*products, strict=True))
    return tuple(
        (min(int(cells[0]) for cells in axis), max(int(cells[-1]) for cells in axis) + 1) for axis in axes
    )


# --- the way back -----------------------------------------------------------------------------


def _traced(
    network: Network, layer: str, start: Product
) -> tuple[list[Visit], list[tuple[str, list[Product]]]]:
    graph: Graph = network.graph
    needed: dict[str, list[Product]] = {layer: [start]}
    visits: list[Visit] = []
    for node in reversed(graph.nodes):
        products = needed.pop(node.name, None)
        if products is None:
            continue
        visits.append(Visit(node.name, _box(products)))
        for product in products:
            for name, more in _read_by(network, node, product):
                if all(len(cells) for cells in more):
                    needed[name] = _with(needed.get(name, []), more)
    return visits, [(entry.name, needed[entry.name]) for entry in graph.inputs if entry.name in needed]


def _with(products: list[Product], more: Product) -> list[Product]:
    """The products and one more, those left out that another holds; past a few, one around all."""
    if any(_holds(product, more) for product in products):
        return products
    kept = [product for product in products if not _holds(more, product)] + [more]
    if len(kept) <= MAX_PRODUCTS:
        return kept
    return [[_thinned(functools.reduce(np.union1d, cells)) for cells in zip(*kept, strict=True)]]


def _holds(large: Product, small: Product) -> bool:
    """Whether one product certainly has all cells of the other: told from the ends where it has no holes."""
    return all(
        len(cells) == cells[-1] - cells[0] + 1 and cells[0] <= part[0] and part[-1] <= cells[-1]
        for cells, part in zip(large, small, strict=True)
    )


def _read_by(network: Network, node: Node, cells: Product) -> Iterator[tuple[str, Product]]:
    """The cells that a layer reads of each of its inputs for these of its own."""
    row = network[node.name]
    mine = row.receptive_field
    output = row.output_shape
    for name, shape in zip(node.inputs, row.input_shapes, strict=True):
        theirs = None if row.fields is None else row.fields.of(name)
        if mine is None or output is None or shape is None or theirs is None:
            raise UnsupportedError(f"layer '{node.name}': what it sees is not known")
        if not theirs.axes:
            continue
        yield (
            name,
            [_along(node, axis, mine, theirs, shape, output, cells) for axis in range(len(theirs.axes))],
        )


def _along(
    node: Node, axis: int, mine: Field, theirs: Field, shape: Shape, output: Shape, cells: list[Cells]
) -> Cells:
    n = theirs.counts(shape)[axis]
    if axis >= len(mine.axes) or theirs.places[axis] is None or mine.places[axis] is None:
        return _all(n)  # positions are not followed: every cell may be read
    n_out = mine.counts(output)[axis]
    reach = _reach(node, axis, n, n_out) if theirs.places[axis] == mine.places[axis] == axis + 1 else None
    if reach is not None:
        return read_cells(reach, cells[axis], n)
    is_mixed = mine.axes[axis].is_constant and not theirs.axes[axis].is_constant
    return cells[axis] if n == n_out and not is_mixed else _all(n)


def _reach(node: Node, axis: int, n: int, n_out: int) -> Reach | None:
    if isinstance(node.layer, Rearrange):
        return resampled(n, n_out) if is_shuffle(node.layer.op) else None
    rule = REACH_RULES.get(type(node.layer))
    return None if rule is None else rule(node.layer, axis, n, n_out)


def _all(n: int) -> Cells:
    return _listed(range(n))


def _thinned(cells: Cells) -> Cells:
    return cells if len(cells) <= MAX_CELLS else cells[[0, -1]]


def read_cells(reach: Reach, outputs: Cells, n: int) -> Cells:
    """The cells of an axis of `n`, sorted, that these outputs read; padding stands for what it copies.

    >>> read_cells(Windows(first=-1, taps=3, advance=2), np.array([0, 2]), 5).tolist()
    [0, 1, 3, 4]
    """
    run = _run(reach, outputs, n)
    if run is not None:
        return _listed(run)
    if isinstance(reach, Windows) and len(outputs) * reach.taps <= MAX_CELLS:
        offsets = np.arange(reach.taps, dtype=np.int64) * reach.dilation + reach.first
        found = (outputs[:, None] * reach.advance + offsets).ravel()
    else:
        ranges = [
            reach.cells(int(output)) for output in (outputs if len(outputs) <= 4096 else outputs[[0, -1]])
        ]
        if sum(map(len, ranges)) > MAX_CELLS:
            ranges = [range(end, end + 1) for cells in ranges if cells for end in _ends(cells, n)]
        found = np.array([cell for cells in ranges for cell in cells], dtype=np.int64)
    return _thinned(np.unique(_BEYOND[reach.beyond](found, n)))


def _run(reach: Reach, outputs: Cells, n: int) -> range | None:
    """The cells read where they are a run without holes, as they mostly are; None where that is not sure."""
    if not isinstance(reach, Windows) or reach.beyond != "nothing" or not len(outputs):
        return None
    if reach.dilation > 1 or reach.advance > reach.taps:
        return None
    low, high = int(outputs[0]), int(outputs[-1])
    if high - low + 1 != len(outputs):
        return None
    first, last = low * reach.advance + reach.first, high * reach.advance + reach.first
    return range(max(first, 0), max(min(last + reach.taps, n), 0))


def _listed(run: range) -> Cells:
    """Every cell of a run; its ends where it is too long."""
    if len(run) <= MAX_CELLS:
        return np.arange(run.start, run.stop, dtype=np.int64)
    return np.array([run[0], run[-1]], dtype=np.int64)


def _ends(cells: range, n: int) -> tuple[int, int]:
    """The first and last cell that lie in the axis, of a window too long to be listed."""
    inside = cells[max(0, -(cells.start // cells.step)) : max(0, -((cells.start - n) // cells.step))]
    return (inside[0], inside[-1]) if inside else (cells[0], cells[-1])


def _nothing(cells: Cells, n: int) -> Cells:
    return cells[(cells >= 0) & (cells < n)]


def _replicated(cells: Cells, n: int) -> Cells:
    return np.clip(cells, 0, n - 1)


def _reflected(cells: Cells, n: int) -> Cells:
    folded = np.abs(cells)
    return np.where(folded > n - 1, 2 * (n - 1) - folded, folded)


def _round(cells: Cells, n: int) -> Cells:
    return cells % n


_BEYOND = {"nothing": _nothing, "replicate": _replicated, "reflect": _reflected, "circular": _round}
