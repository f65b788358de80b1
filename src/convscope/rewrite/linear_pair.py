"""Two linear layers in tensor form: the same for every size, or where they differ first.

Along each axis the maps of both are tabulated over the lengths that decide for all (`shift_invariant`,
`axis_table`). The two are equal for every size exactly if their weights, multiplied with the tables'
columns, are the same numbers; a number that differs names lengths, an input cell and an output cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray, RationalArray
from convscope.errors import ShapeError, UnsupportedError
from convscope.rewrite.affine_map import unlike
from convscope.rewrite.axis_steps import AxisMap
from convscope.rewrite.axis_table import MAX_LENGTHS, AxisTable, axis_table, output_length
from convscope.rewrite.shift_invariant import Locality, lengths_that_decide, together
from convscope.rewrite.tensor_form import MAX_WEIGHTS, TensorForm, Term
from convscope.worked.arithmetic import add, bilinear

Mask = npt.NDArray[np.bool_]
# Lengths looked at where no bound is known from which on nothing new comes.
OPEN_LENGTHS = 24
# Lengths of unlike remainders at which the border is looked at, along each axis.
MAX_RESIDUES = 8


@dataclass(frozen=True, slots=True)
class AxisLengths:
    """One axis of two layers: the lengths that both take, and what is known beyond those looked at.

    Attributes:
        lengths: looked at, and taken by both.
        outputs: the output's length at each of them.
        locality: None where no bound is known.
        only_one: lengths that one of the two takes and the other refuses.
        unlike: the first length that both take and answer with unlike lengths: (length, first, second).
    """

    lengths: tuple[int, ...]
    outputs: tuple[int, ...]
    locality: Locality | None
    only_one: tuple[int, ...] = ()
    unlike: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where two layers differ first: the input's lengths, and the cell whose 1 shows it.

    Attributes:
        lengths: of the input, axis by axis.
        cell: (channel, place…); None where an input of zeros shows it.
    """

    lengths: tuple[int, ...]
    cell: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Border:
    """Output cells that differ: for each axis how many of the first and of the last places.

    Attributes:
        sides: (first, last) of each axis; equal cells lie between them.
        lengths: an input's lengths at which `mask` holds.
        mask: the output cells that differ there.
    """

    sides: tuple[tuple[int, int], ...]
    lengths: tuple[int, ...]
    mask: Mask


@dataclass(frozen=True, slots=True)
class PairResult:
    """What was found out about two layers.

    Attributes:
        verdict: equal; unlike output shapes; unlike at the border only; unlike inside as well; or
            "open": equal at all lengths looked at, which do not decide for all.
        axes: the lengths of each axis.
        columns: how many columns each axis's table has.
        spot: where they differ first.
        border: which output cells differ.
    """

    verdict: Literal["equal", "shape", "border", "everywhere", "open"]
    axes: tuple[AxisLengths, ...]
    columns: tuple[int, ...] = ()
    spot: Spot | None = None
    border: Border | None = None


def compare_forms(a: TensorForm, b: TensorForm, spatial: Sequence[int] | None = None) -> PairResult:
    """Whether two forms of the same input channels are equal: for every size, or for one.

    Raises:
        UnsupportedError: more than is worth the wait.
        ShapeError: a size that one of them refuses, or no size that both take.
    """
    rank = len(a.passed)
    axes = tuple(
        _axis_lengths(a, b, axis, None if spatial is None else spatial[axis]) for axis in range(rank)
    )
    for axis, found in enumerate(axes):
        if not found.lengths:
            raise ShapeError(f"no length of axis {axis + 1} of {rank} is taken by both")
    if a.channels != b.channels or any(found.unlike for found in axes):
        return PairResult("shape", axes, spot=_unlike_shape(a, b, axes))
    tables = [_tables(a, b, axis, found) for axis, found in enumerate(axes)]
    matrices = _Compared(a.linear, b.linear, [table.matrices for table in tables])
    vectors = _compared_biases(a, b, [table.vectors for table in tables])
    columns = tuple(table.matrices.table.values.shape[1] for table in tables)
    if not matrices.mask.any() and not vectors.mask.any():
        known = all(found.locality is not None for found in axes) or spatial is not None
        verdict: Literal["equal", "open"] = "equal" if known or _same_maps(a, b) else "open"
        return PairResult(verdict, axes, columns)
    spot = _first_spot(matrices, vectors)
    border = _border(matrices, vectors, axes, spatial)
    inside = border is None or _inside(border.mask, axes)
    return PairResult("everywhere" if inside else "border", axes, columns, spot, border)


# --- lengths ----------------------------------------------------------------------------------


def _all_maps(form: TensorForm, axis: int) -> list[AxisMap]:
    terms = (form.linear, *form.biases)
    return [one for term in terms for one in term.maps[axis]]


def _axis_lengths(a: TensorForm, b: TensorForm, axis: int, given: int | None) -> AxisLengths:
    sizes = AxisMap(a.passed[axis]), AxisMap(b.passed[axis])
    if given is not None:
        # A size that a layer refuses is told in the layer's own words.
        first, second = (one.size(given) for one in sizes)
        unequal = (given, first, second) if first != second else None
        return AxisLengths((given,), (first,), _bound(a, b, axis), unlike=unequal)
    bound = _bound(a, b, axis)
    looked = _open_lengths(sizes) if bound is None else lengths_that_decide(bound)
    lengths: list[int] = []
    outputs: list[int] = []
    only_one: list[int] = []
    for length in looked:
        one, other = (output_length(size, length) for size in sizes)
        if one is None or other is None:
            only_one += [length] if one is not other else []
            continue
        lengths.append(length)
        outputs.append(one)
        if one != other:
            return AxisLengths(tuple(lengths), tuple(outputs), bound, unlike=(length, one, other))
    if bound is None and (far := _growing_apart(*sizes)) is not None:
        return AxisLengths((*lengths, far[0]), (*outputs, far[1]), None, unlike=far)
    return AxisLengths(tuple(lengths), tuple(outputs), bound, tuple(only_one))


def _open_lengths(sizes: tuple[AxisMap, AxisMap]) -> range:
    """The first lengths that both take, where no bound is known."""
    for length in range(1, MAX_LENGTHS):
        if all(output_length(one, length) is not None for one in sizes):
            return range(1, length + OPEN_LENGTHS)
    return range(0)


def _bound(a: TensorForm, b: TensorForm, axis: int) -> Locality | None:
    """One locality for all maps of both along an axis."""
    found = []
    for one in dict.fromkeys(_all_maps(a, axis) + _all_maps(b, axis)):
        own = AxisMap(one.steps).locality()
        if own is None:
            return None
        found.append(own)
    return together(list(dict.fromkeys(found)))


def _growing_apart(first: AxisMap, second: AxisMap) -> tuple[int, int, int] | None:
    """The first length at which outputs that grow at unlike rates are unlike; None where rates agree."""
    one, other = first.locality(), second.locality()
    if one is None or other is None or one.stretch == other.stretch:
        return None
    apart = abs(1 / one.stretch - 1 / other.stretch)
    last = math.ceil(
        (abs(one.longer) + abs(one.shorter) + abs(other.longer) + abs(other.shorter) + 1) / apart
    )
    for length in range(1, max(one.start, other.start, last) + 2):
        sizes = output_length(first, length), output_length(second, length)
        if sizes[0] is not None and sizes[1] is not None and sizes[0] != sizes[1]:
            return length, sizes[0], sizes[1]
    return None


def _unlike_shape(a: TensorForm, b: TensorForm, axes: Sequence[AxisLengths]) -> Spot:
    """The smallest input whose outputs have unlike shapes."""
    smallest = [found.lengths[0] for found in axes]
    choices = [smallest] if a.channels != b.channels else []
    for axis, found in enumerate(axes):
        if found.unlike is not None:
            choices.append([*smallest[:axis], found.unlike[0], *smallest[axis + 1 :]])
    return Spot(tuple(min(choices, key=lambda lengths: (math.prod(lengths), lengths))), None)


def _same_maps(a: TensorForm, b: TensorForm) -> bool:
    """True where both are made of the very same maps with the same weights: then no bound is needed."""
    pairs = [(a.linear, b.linear), *zip(a.biases, b.biases, strict=False)]
    return (
        len(a.biases) == len(b.biases)
        and a.passed == b.passed
        and all(
            one.maps == other.maps
            and one.weight.shape == other.weight.shape
            and not unlike(one.weight, other.weight).any()
            for one, other in pairs
        )
    )


# --- weights times tables -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Tabled:
    """The table of some maps along one axis, and each map's place in it."""

    table: AxisTable
    place: dict[AxisMap, int]


@dataclass(frozen=True, eq=False)
class _AxisTables:
    matrices: _Tabled
    vectors: _Tabled


def _tables(a: TensorForm, b: TensorForm, axis: int, found: AxisLengths) -> _AxisTables:
    matrices = [*a.linear.maps[axis], *b.linear.maps[axis]]
    ones = AxisMap(a.passed[axis], len(a.passed[axis]))  # what a plain bias is added to
    vectors = [ones, *(one for term in (*a.biases, *b.biases) for one in term.maps[axis])]
    return _AxisTables(_tabled(matrices, found.lengths), _tabled(vectors, found.lengths))


def _tabled(maps: Sequence[AxisMap], lengths: Sequence[int]) -> _Tabled:
    place = {one: number for number, one in enumerate(dict.fromkeys(maps))}
    return _Tabled(axis_table(list(place), lengths), place)


def _multiplied(term: Term, lead: int, tables: Sequence[_Tabled]) -> ExactArray:
    """Weights with each axis of maps replaced by the columns of its table."""
    found = term.weight
    for maps, tabled in zip(term.maps, tables, strict=True):
        rows = [tabled.place[one] for one in maps]
        table = tabled.table.values[rows]
        count = found.size // max(len(rows), 1) * table.shape[1]
        if count > MAX_WEIGHTS:
            raise UnsupportedError(f"{count} numbers would have to be compared; up to {MAX_WEIGHTS} are")
        found = bilinear(
            found,
            table,
            lambda weight, columns: np.tensordot(weight, columns, axes=([lead], [0])),
            terms=len(rows),
            products=count * len(rows),
        )
    return found


class _Compared:
    """The numbers of two terms for each combination of columns, and where they differ.

    Attributes:
        unequal: (out, in, columns…), True where they differ.
        mask: (columns…), True where any channels differ.
    """

    def __init__(self, first: Term, second: Term, tables: Sequence[_Tabled]) -> None:
        self.tables = tables
        self.unequal: Mask = unlike(_multiplied(first, 2, tables), _multiplied(second, 2, tables))
        self.mask: Mask = np.asarray(self.unequal.any(axis=(0, 1)))

    def first(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The smallest lengths at which they differ, and the columns."""
        choices = np.argwhere(self.mask)
        if not len(choices):
            return None
        lengths = np.column_stack(
            [tabled.table.lengths[choices[:, axis]] for axis, tabled in enumerate(self.tables)]
        )
        order = np.lexsort((*reversed(lengths.T), lengths.prod(axis=1)))
        chosen = int(order[0])
        return tuple(int(n) for n in lengths[chosen]), tuple(int(k) for k in choices[chosen])


def _compared_biases(a: TensorForm, b: TensorForm, tables: Sequence[_Tabled]) -> _Compared:
    return _Compared(_summed(a, tables), _summed(b, tables), tables)


def _summed(form: TensorForm, tables: Sequence[_Tabled]) -> Term:
    """All biases of a form as one term, over the maps of the tables, with one channel of input."""
    rank = len(tables)
    shape = (form.channels, 1, *(len(tabled.place) for tabled in tables))
    total: ExactArray = RationalArray(np.zeros(shape, dtype=np.int64))
    for term in form.biases:
        found = term.weight
        for maps, tabled in zip(term.maps, tables, strict=True):
            chosen = np.zeros((len(maps), len(tabled.place)), dtype=np.int64)
            for row, one in enumerate(maps):
                chosen[row, tabled.place[one]] = 1
            found = bilinear(
                found,
                RationalArray(chosen),
                lambda weight, columns: np.tensordot(weight, columns, axes=([1], [0])),
                terms=len(maps),
                products=found.size * chosen.shape[1],
            )
        total = add(total, found.reshape(shape))
    return Term(total, tuple(tuple(tables[axis].place) for axis in range(rank)))


# --- where they differ ------------------------------------------------------------------------


def _first_spot(matrices: _Compared, vectors: _Compared) -> Spot:
    """The smallest input that shows the difference: zeros where they do, else a single 1."""
    linear, constant = matrices.first(), vectors.first()
    if linear is None or (
        constant is not None and (math.prod(constant[0]), constant[0]) <= (math.prod(linear[0]), linear[0])
    ):
        assert constant is not None  # noqa: S101 - one of the two differs; tells the type checker
        return Spot(constant[0], None)
    lengths, columns = linear
    where: Any = (slice(None), slice(None), *columns)
    channel = int(np.argwhere(matrices.unequal[where])[0][1])
    places = (
        int(tabled.table.places[column]) for tabled, column in zip(matrices.tables, columns, strict=True)
    )
    return Spot(lengths, (channel, *places))


def _border(
    matrices: _Compared, vectors: _Compared, axes: Sequence[AxisLengths], spatial: Sequence[int] | None
) -> Border | None:
    """The output cells that differ, at a size at which both borders are apart."""
    lengths = []
    for axis, own in enumerate(axes):
        if spatial is not None:
            lengths.append(spatial[axis])
        elif own.locality is None:
            return None
        else:
            lengths.append(own.locality.start)
    periods = [1 if spatial is not None or f.locality is None else f.locality.period for f in axes]
    found: Border | None = None
    for shift in np.ndindex(*(min(period, MAX_RESIDUES) for period in periods)):
        at = tuple(length + more for length, more in zip(lengths, shift, strict=True))
        mask = _output_mask(matrices, at, axes) | _output_mask(vectors, at, axes)
        sides = _sides(mask, axes)
        if found is None:
            found = Border(sides, at, mask)
        elif _inside(mask, axes):
            return Border(sides, at, mask)
        else:
            worst = zip(found.sides, sides, strict=True)
            widest = tuple((max(a[0], b[0]), max(a[1], b[1])) for a, b in worst)
            # A size at which a difference is seen is the one to show.
            shown = found if found.mask.any() else Border(sides, at, mask)
            found = Border(widest, shown.lengths, shown.mask)
    return found


def _output_mask(compared: _Compared, at: tuple[int, ...], axes: Sequence[AxisLengths]) -> Mask:
    """The output cells that differ for an input of these lengths."""
    found = compared.mask.astype(np.int64)
    for tabled, length, own in zip(compared.tables, at, axes, strict=True):
        entries = tabled.table.at(length)
        rows = own.outputs[own.lengths.index(length)]
        seen = np.zeros((rows, tabled.table.values.shape[1]), dtype=np.int64)
        seen[entries[:, 0], entries[:, 2]] = 1
        # The first axis is the next one that is still of columns; what is done goes to the end.
        found = np.tensordot(found, seen, axes=([0], [1])).clip(max=1)
    return np.asarray(found > 0)


def _inner(rows: int, found: AxisLengths) -> slice:
    """The rows that are inner ones."""
    locality = found.locality
    if locality is None or rows <= locality.left + locality.right:
        return slice(0, rows)
    return slice(locality.left, rows - locality.right)


def _inside(mask: Mask, axes: Sequence[AxisLengths]) -> bool:
    """True where an inner cell differs, one that is far from every border."""
    inner = tuple(_inner(rows, found) for rows, found in zip(mask.shape, axes, strict=True))
    return bool(mask[inner].any())


def _sides(mask: Mask, axes: Sequence[AxisLengths]) -> tuple[tuple[int, int], ...]:
    """How many of the first and of the last places along each axis hold a difference."""
    inner = tuple(_inner(rows, found) for rows, found in zip(mask.shape, axes, strict=True))
    rank = mask.ndim
    profiles = []
    for axis in range(rank):
        away = mask[tuple(slice(None) if other == axis else inner[other] for other in range(rank))]
        profiles.append(np.asarray(away.any(axis=tuple(other for other in range(rank) if other != axis))))
    if not any(profile.any() for profile in profiles):  # corners alone
        profiles = [
            np.asarray(mask.any(axis=tuple(other for other in range(rank) if other != axis)))
            for axis in range(rank)
        ]
    return tuple(_ends(profile, span) for profile, span in zip(profiles, inner, strict=True))


def _ends(profile: Mask, inner: slice) -> tuple[int, int]:
    met = np.flatnonzero(profile)
    first, last = met[met < inner.start], met[met >= inner.stop]
    return (int(first.max()) + 1 if len(first) else 0, len(profile) - int(last.min()) if len(last) else 0)


# --- what an inner cell reads -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Window:
    """What one output cell far from every border multiplies the input's cells by.

    Attributes:
        start: along each axis, the first cell read, counted from where the output cell's own place lies.
        values: the numbers, one axis for each spatial axis.
        channels: output and input channel that are shown.
        count: how many pairs of channels there are.
    """

    start: tuple[int, ...]
    values: ExactArray
    channels: tuple[int, int]
    count: int


def inner_windows(form: TensorForm, found: PairResult) -> Window | None:
    """The window of one inner output cell; None where no cell is known to be far from the border."""
    tables, rows = [], []
    start: list[int] = []
    for axis, own in enumerate(found.axes):
        tabled = _tabled(form.linear.maps[axis], own.lengths[-1:])
        size = own.outputs[-1]
        inner = _inner(size, own)
        if own.locality is None or inner.start >= inner.stop:
            return None
        row = _middle(inner, own.locality.advance)
        entries = tabled.table.at(own.lengths[-1])
        entries = entries[entries[:, 0] == row]
        home = row // own.locality.advance * own.locality.period
        if not len(entries):
            return None
        start.append(int(entries[:, 1].min()) - home)
        tables.append(tabled)
        rows.append(entries)
    numbers = _multiplied(form.linear, 2, tables)
    shown = _shown_channels(numbers)
    chosen = numbers[shown]
    for entries in rows:
        first = int(entries[:, 1].min())
        length = int(entries[:, 1].max()) - first + 1
        spread = np.zeros((chosen.shape[0], length), dtype=np.int64)
        spread[entries[:, 2], entries[:, 1] - first] = 1
        chosen = bilinear(
            chosen,
            RationalArray(spread),
            lambda numbers, columns: np.tensordot(numbers, columns, axes=([0], [0])),
            terms=spread.shape[0],
            products=chosen.size * length,
        )
    return Window(tuple(start), chosen, shown, numbers.shape[0] * numbers.shape[1])


def _middle(inner: slice, advance: int) -> int:
    """An inner row in the middle, the first of its period where one is near."""
    start, stop = int(inner.start), int(inner.stop)
    middle = (start + stop - 1) // 2
    return max(middle // advance * advance, start)


def _shown_channels(numbers: ExactArray) -> tuple[int, int]:
    """The first pair of channels with any number that is not zero."""
    used = np.argwhere(unlike(numbers, RationalArray(np.zeros(numbers.shape, dtype=np.int64))))
    return (int(used[0][0]), int(used[0][1])) if len(used) else (0, 0)
