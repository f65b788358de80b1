"""Exact arrays: integers over one common denominator, or a table of symbolic values with codes.

Exactness must not cost size, so a `RationalArray` is a NumPy integer array (int64, or Python
integers where int64 could overflow) and one denominator. A `SymbolicArray` keeps each distinct
value once and an integer code for each cell, so that a feature map of a million cells that takes
a thousand values holds a thousand symbolic numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from convscope.core.expression import Expression, Symbol
from convscope.core.floats import SAFE_FIGURES, shortest_decimals
from convscope.core.number import (
    Exact,
    Symbolic,
    decimal_places,
    decimal_text,
    integer_text,
)
from convscope.errors import InputError, ShapeError

Integers: TypeAlias = npt.NDArray[Any]  # int64, or object holding Python integers
Floats: TypeAlias = npt.NDArray[np.float64]

INT64_LIMIT = 2**63 - 1
# Half a gigabyte of integers; more is refused before memory is asked for.
MAX_CELLS = 2**26
GCD_PIECE = 4096
# An array on its own is shown up to so many cells; the weights of a layer are written out up to more.
MOST_SHOWN = 400
MOST_WRITTEN = 4096


class Letter(Symbolic):
    """A letter in a matrix: an unknown that stays a symbol."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def expression(self) -> Expression:
        """The letter as a formula."""
        return Symbol(self.name)

    @property
    def is_numeric(self) -> bool:
        """A letter has no decimal value."""
        return False

    def decimal(self, digits: int) -> str:  # noqa: ARG002 - the interface of Symbolic
        """Never: a letter has no decimals."""
        raise InputError(f"'{self.name}' is a letter; it has no decimal value")

    def __float__(self) -> float:
        raise InputError(f"'{self.name}' is a letter; it has no decimal value")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Letter) and other.name == self.name

    def __hash__(self) -> int:
        return hash(("Letter", self.name))

    def __repr__(self) -> str:
        return f"Letter({self.name!r})"


class LazyTable(Sequence[Exact]):
    """Numbers that are made when they are first asked for: a million of which a page shows ten.

    Args:
        count: how many there are.
        make: makes the number at a place.
        floats: makes the nearest float64 of all of them, where that is quicker than one by one.
    """

    __slots__ = ("_count", "_floats", "_made", "_make", "_make_floats")

    def __init__(
        self, count: int, make: Callable[[int], Exact], floats: Callable[[], Floats] | None = None
    ) -> None:
        self._count = count
        self._make = make
        self._make_floats = floats
        self._made: dict[int, Exact] = {}
        self._floats: Floats | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - one number; a Sequence's slices are not made
        if not 0 <= place < self._count:
            raise IndexError(place)
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    def to_float(self) -> Floats:
        """The nearest float64 of each number."""
        if self._floats is None:
            self._floats = _floats_of(self) if self._make_floats is None else self._make_floats()
        return self._floats

    def part(self, places: npt.NDArray[np.int64]) -> LazyTable:
        """The numbers at these places."""
        floats = None if self._make_floats is None else lambda: np.asarray(self.to_float()[places])
        return LazyTable(len(places), lambda place: self[int(places[place])], floats)


class RatioTable(LazyTable):
    """Ratios over one denominator."""

    __slots__ = ("denominator", "numerators")

    def __init__(self, numerators: Integers, denominator: int) -> None:
        super().__init__(len(numerators), lambda place: Fraction(int(numerators[place]), denominator))
        self.numerators = numerators
        self.denominator = denominator


def _floats_of(values: Iterable[Exact]) -> Floats:
    return np.array([float(value) for value in values], dtype=np.float64)


class ExactArray(ABC):
    """An n-dimensional array of exact numbers, frozen.

    Indexing with one integer an axis gives the number (a `Fraction`, or a `Symbolic`); any other
    index gives a smaller exact array. ``numpy.asarray(a)`` holds the numbers themselves,
    ``numpy.asarray(a, dtype=float)`` the nearest float64 of each.
    """

    __slots__ = ()
    # Leave `ndarray == exact` to this class, which knows how to compare.
    __array_ufunc__ = None

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of cells."""
        return math.prod(self.shape)

    @abstractmethod
    def cell(self, index: tuple[int, ...]) -> Exact:
        """The number at one cell."""

    @abstractmethod
    def table(self) -> tuple[Sequence[Exact], npt.NDArray[np.int64]]:
        """The distinct numbers, and for each cell the place of its number among them."""

    @abstractmethod
    def rearranged(self, move: Callable[[Integers], Integers]) -> ExactArray:
        """The array whose cells are moved, repeated or dropped as `move` does to an index-like array."""

    @abstractmethod
    def to_float(self) -> npt.NDArray[np.float64]:
        """The nearest float64 of each cell."""

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an exact array of no axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Exact | ExactArray]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - as NumPy indexes: a number or an array
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) == self.ndim and all(isinstance(part, int | np.integer) for part in parts):
            return self.cell(tuple(int(part) for part in parts))
        return self.rearranged(lambda cells: cells[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactArray):
            return NotImplemented
        return self.shape == other.shape and not differs(self, other).any()

    def __hash__(self) -> int:
        # Equal arrays have equal corners; more of a million cells is not worth hashing.
        corners = (self.cell((0,) * self.ndim), self.cell((-1,) * self.ndim)) if self.size else ()
        return hash((self.shape, corners))

    def reshape(self, shape: tuple[int, ...]) -> ExactArray:
        """The same cells in row-major order under another shape."""
        return self.rearranged(lambda cells: cells.reshape(shape))

    def cells(self) -> Iterator[Exact]:
        """Every number in row-major order."""
        return (self.cell(index) for index in np.ndindex(*self.shape))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001
        if copy is False:
            raise ValueError("an exact array has no NumPy memory to share; copy=False cannot be had")
        if dtype is None or np.dtype(dtype) == np.dtype(object):
            values, codes = self.table()
            out = np.empty(len(values), dtype=object)
            out[:] = list(values)
            return np.asarray(out[codes])
        return self.to_float().astype(dtype, copy=False)

    def tolist(self) -> Any:  # noqa: ANN401 - nested lists, as deep as there are axes
        """Nested lists of the exact numbers."""
        return np.asarray(self).tolist()

    def __repr__(self) -> str:
        return array_source(self, MOST_SHOWN)


class RationalArray(ExactArray):
    """Ratios: an integer array over one common denominator, in lowest terms."""

    __slots__ = ("denominator", "numerators")

    def __init__(self, numerators: Integers, denominator: int = 1) -> None:
        if denominator < 1:
            raise InputError(f"denominator={denominator} is not positive")
        if denominator != 1:
            numerators, denominator = _lowest_terms(numerators, denominator)
        self.numerators = _frozen(_smallest(numerators))
        self.denominator = denominator

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.numerators.shape

    def cell(self, index: tuple[int, ...]) -> Fraction:
        """The ratio at one cell."""
        return Fraction(int(self.numerators[index]), self.denominator)

    def table(self) -> tuple[Sequence[Exact], npt.NDArray[np.int64]]:
        """The distinct ratios in ascending order, and for each cell the place of its ratio."""
        numerators, codes = np.unique(self.numerators, return_inverse=True)
        return RatioTable(numerators, self.denominator), codes.reshape(self.shape)

    def rearranged(self, move: Callable[[Integers], Integers]) -> RationalArray:
        """Cells moved as `move` moves the numerators."""
        return RationalArray(np.asarray(move(self.numerators)), self.denominator)

    def to_float(self) -> npt.NDArray[np.float64]:
        """The nearest float64 of each cell."""
        if self.denominator < 2**53 and magnitude(self.numerators) < 2**53:
            # Both are exact in float64, so IEEE division rounds once: the nearest float64.
            return np.asarray(self.numerators.astype(np.float64) / self.denominator)
        flat = (int(n) for n in self.numerators.reshape(-1))
        return np.fromiter((_nearest_float(n, self.denominator) for n in flat), np.float64).reshape(
            self.shape
        )


class SymbolicArray(ExactArray):
    """A table of numbers, ratios or symbolic, and for each cell the code of its number.

    Attributes:
        values: the numbers; a `LazyTable` where most of them may never be looked at.
        codes: for each cell the place of its number in `values`.
        is_sorted: the numbers are known to be in strictly ascending order.
    """

    __slots__ = ("codes", "is_sorted", "values")

    def __init__(
        self, values: Sequence[Exact], codes: npt.NDArray[np.int64], *, is_sorted: bool = False
    ) -> None:
        self.values = values if isinstance(values, LazyTable) else tuple(values)
        self.codes = _frozen(codes)
        self.is_sorted = is_sorted

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.codes.shape

    def cell(self, index: tuple[int, ...]) -> Exact:
        """The value at one cell."""
        return self.values[int(self.codes[index])]

    def table(self) -> tuple[Sequence[Exact], npt.NDArray[np.int64]]:
        """The numbers and the codes, as they are kept."""
        return self.values, self.codes

    def rearranged(self, move: Callable[[Integers], Integers]) -> SymbolicArray:
        """Cells moved as `move` moves the codes; a part keeps the numbers it uses."""
        codes = np.asarray(move(self.codes))
        if codes.size >= len(self.values):
            return SymbolicArray(self.values, codes, is_sorted=self.is_sorted)
        used, places = np.unique(codes, return_inverse=True)
        kept: Sequence[Exact] = (
            self.values.part(used)
            if isinstance(self.values, LazyTable)
            else [self.values[int(code)] for code in used]
        )
        return SymbolicArray(kept, places.reshape(codes.shape), is_sorted=self.is_sorted)

    def to_float(self) -> npt.NDArray[np.float64]:
        """The nearest float64 of each cell."""
        table = self.values.to_float() if isinstance(self.values, LazyTable) else _floats_of(self.values)
        return np.asarray(table[self.codes])


def differs(a: ExactArray, b: ExactArray) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape hold different numbers; each pair of numbers is compared once."""
    if isinstance(a, RationalArray) and isinstance(b, RationalArray) and a.denominator == b.denominator:
        return np.asarray(a.numerators != b.numerators)
    (values, codes), (others, other_codes) = a.table(), b.table()
    pairs = codes * np.int64(len(others)) + other_codes
    distinct, places = np.unique(pairs, return_inverse=True)
    different = np.array(
        [values[int(pair) // len(others)] != others[int(pair) % len(others)] for pair in distinct], dtype=bool
    )
    return np.asarray(different[places.reshape(codes.shape)])


@overload
def from_cells(cells: Iterable[Fraction], shape: tuple[int, ...]) -> RationalArray: ...
@overload
def from_cells(cells: Iterable[Exact], shape: tuple[int, ...]) -> ExactArray: ...
def from_cells(cells: Iterable[Exact], shape: tuple[int, ...]) -> ExactArray:
    """An exact array from its numbers in row-major order; symbolic only if one of them is."""
    table: dict[Exact, int] = {}
    codes = [table.setdefault(number, len(table)) for number in cells]
    return from_table(tuple(table), np.array(codes, dtype=np.int64).reshape(shape))


def from_table(values: Sequence[Exact], codes: npt.NDArray[np.int64]) -> ExactArray:
    """An exact array from a table of numbers and each cell's place in it; symbolic only if one of them is."""
    ratios = [value for value in values if isinstance(value, Fraction)]
    if len(ratios) < len(values):
        return SymbolicArray(values, codes)
    denominator = math.lcm(*(ratio.denominator for ratio in ratios))
    table = _integer_array([ratio.numerator * (denominator // ratio.denominator) for ratio in ratios])
    return RationalArray(table[codes], denominator)


def from_integers(integers: list[int], shape: tuple[int, ...], denominator: int = 1) -> RationalArray:
    """Integers in row-major order over one denominator."""
    return RationalArray(_integer_array(integers).reshape(shape), denominator)


def from_ndarray(array: npt.NDArray[Any]) -> ExactArray:
    """An exact array from NumPy numbers; a float counts as its shortest decimal.

    Raises:
        InputError: NaN or infinity (with its index), complex or other kinds of dtype.
    """
    if array.size > MAX_CELLS:
        raise ShapeError(f"an array of {array.size} cells is too large; up to {MAX_CELLS} are allowed")
    match array.dtype.kind:
        case "b" | "i" | "u":
            return RationalArray(array.astype(object if array.dtype == np.uint64 else np.int64))
        case "f":
            return _from_floats(array)
        case kind:
            raise InputError(f"an array of dtype {array.dtype} (kind '{kind}') does not hold real numbers")


def _place(index: tuple[int, ...]) -> str:
    if len(index) == 2:
        return f"in row {index[0] + 1}, column {index[1] + 1}"
    return f"at index {tuple(int(i) for i in index)}"


def _from_floats(array: npt.NDArray[Any]) -> ExactArray:
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(f"entry {_place(index)}: '{array[index]}' is not a finite number")
    if array.dtype.itemsize in SAFE_FIGURES:
        return RationalArray(*shortest_decimals(array))
    values, codes = np.unique(array, return_inverse=True)
    return from_table([Fraction(str(value)) for value in values], codes.reshape(array.shape))


def _integer_array(integers: list[int]) -> Integers:
    if all(-INT64_LIMIT <= integer <= INT64_LIMIT for integer in integers):
        return np.array(integers, dtype=np.int64)
    out = np.empty(len(integers), dtype=object)
    out[:] = integers
    return out


def magnitude(integers: Integers) -> int:
    """The largest absolute value, 0 of an empty array."""
    if not integers.size:
        return 0
    return max(abs(int(integers.min())), abs(int(integers.max())))


def _smallest(integers: Integers) -> Integers:
    """Python integers turned back into int64 where they fit."""
    if integers.dtype == np.int64 or magnitude(integers) > INT64_LIMIT:
        return integers
    return integers.astype(np.int64)


def _lowest_terms(numerators: Integers, denominator: int) -> tuple[Integers, int]:
    if not numerators.size:
        return numerators, 1
    # Looked at piece by piece: most arrays are seen to be in lowest terms after the first.
    common = denominator
    flat = numerators.reshape(-1)
    for start in range(0, flat.size, GCD_PIECE):
        if common == 1:
            break
        common = math.gcd(common, int(np.gcd.reduce(flat[start : start + GCD_PIECE])))
    if common == denominator:
        # Whole numbers; of zeros alone the denominator may be one that no int64 divides by.
        return (numerators // common if common <= INT64_LIMIT or numerators.any() else numerators), 1
    return (numerators // common, denominator // common) if common > 1 else (numerators, denominator)


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.setflags(write=False)
    return array


def _nearest_float(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator  # Python divides integers with one correct rounding
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def array_source(array: ExactArray, most: int = MOST_WRITTEN) -> str:
    """Python source that builds the array again; of an array of more than `most` cells only its shape."""
    if array.size > most:
        return f"<exact array of shape {array.shape}>"
    return f"matrix({_nested_source(array.tolist())})"


def _nested_source(part: Any) -> str:  # noqa: ANN401 - nested lists of numbers
    if isinstance(part, list):
        return "[" + ", ".join(_nested_source(inner) for inner in part) + "]"
    if isinstance(part, Letter):
        return repr(part.name)
    if isinstance(part, Fraction):
        if part.denominator == 1:
            return integer_text(part.numerator)
        places = decimal_places(part)
        if places is not None and places <= 6 and abs(part) < 10**6:
            return decimal_text(part, places)
        return repr(str(part))
    return repr(part)
