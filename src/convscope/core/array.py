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
from convscope.core.number import Exact, Symbolic, decimal_places, decimal_text, parse_number
from convscope.errors import InputError, ShapeError

Integers: TypeAlias = npt.NDArray[Any]  # int64, or object holding Python integers

INT64_LIMIT = 2**63 - 1
# Beyond this many cells a single value would take gigabytes; refused before memory is asked for.
MAX_CELLS = 2**28


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
            out = np.empty(self.shape, dtype=object)
            for index in np.ndindex(*self.shape):
                out[index] = self.cell(index)
            return out
        return self.to_float().astype(dtype, copy=False)

    def tolist(self) -> Any:  # noqa: ANN401 - nested lists, as deep as there are axes
        """Nested lists of the exact numbers."""
        return np.asarray(self).tolist()

    def __repr__(self) -> str:
        if self.size > 400:
            return f"<exact array of shape {self.shape}>"
        return f"matrix({_literal(self)})"


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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactArray):
            return NotImplemented
        return (
            isinstance(other, RationalArray)
            and self.shape == other.shape
            and self.denominator == other.denominator
            and bool(np.array_equal(self.numerators, other.numerators))
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.denominator, tuple(self.numerators.reshape(-1).tolist())))


class SymbolicArray(ExactArray):
    """Distinct values, ratios or symbolic, and for each cell the code of its value."""

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[Exact], codes: npt.NDArray[np.int64]) -> None:
        self.values = tuple(values)
        self.codes = _frozen(codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.codes.shape

    def cell(self, index: tuple[int, ...]) -> Exact:
        """The value at one cell."""
        return self.values[int(self.codes[index])]

    def rearranged(self, move: Callable[[Integers], Integers]) -> SymbolicArray:
        """Cells moved as `move` moves the codes."""
        return SymbolicArray(self.values, np.asarray(move(self.codes)))

    def to_float(self) -> npt.NDArray[np.float64]:
        """The nearest float64 of each cell."""
        table = np.array([float(value) for value in self.values], dtype=np.float64)
        return np.asarray(table[self.codes])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactArray):
            return NotImplemented
        return self.shape == other.shape and all(
            mine == theirs for mine, theirs in zip(self.cells(), other.cells(), strict=True)
        )

    def __hash__(self) -> int:
        return hash((self.shape, tuple(self.cells())))


@overload
def from_cells(cells: Iterable[Fraction], shape: tuple[int, ...]) -> RationalArray: ...
@overload
def from_cells(cells: Iterable[Exact], shape: tuple[int, ...]) -> ExactArray: ...
def from_cells(cells: Iterable[Exact], shape: tuple[int, ...]) -> ExactArray:
    """An exact array from its numbers in row-major order; symbolic only if one of them is."""
    numbers = list(cells)
    ratios = [number for number in numbers if isinstance(number, Fraction)]
    if len(ratios) == len(numbers):
        denominator = math.lcm(*(ratio.denominator for ratio in ratios))
        flat = [ratio.numerator * (denominator // ratio.denominator) for ratio in ratios]
        return RationalArray(_integer_array(flat).reshape(shape), denominator)
    table: dict[Exact, int] = {}
    codes = [table.setdefault(number, len(table)) for number in numbers]
    return SymbolicArray(tuple(table), np.array(codes, dtype=np.int64).reshape(shape))


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
        case "O" | "U":
            return from_cells(_parse_cells(array), array.shape)
        case kind:
            raise InputError(f"an array of dtype {array.dtype} (kind '{kind}') does not hold real numbers")


def _parse_cells(array: npt.NDArray[Any]) -> Iterator[Exact]:
    for index, entry in np.ndenumerate(array):
        if isinstance(entry, Symbolic):
            yield entry
            continue
        try:
            yield parse_number(entry)
        except InputError as error:
            raise error.within(f"entry {_place(index)}") from None


def _place(index: tuple[int, ...]) -> str:
    if len(index) == 2:
        return f"in row {index[0] + 1}, column {index[1] + 1}"
    return f"at index {tuple(int(i) for i in index)}"


def _from_floats(array: npt.NDArray[Any]) -> RationalArray:
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        index = tuple(int(i) for i in bad[0])
        raise InputError(f"entry {_place(index)}: '{array[index]}' is not a finite number")
    # A decimal of at most this many figures survives the way into the type and back, so when
    # digits/10**places reads as the very float, it is the float's shortest decimal.
    figures = {2: 3, 4: 6}.get(array.dtype.itemsize, 15)
    wide = array.astype(np.float64)
    largest = float(np.max(np.abs(wide), initial=0.0))
    for places in range(figures + 1):
        scale = 10.0**places
        if largest * scale >= 10.0**figures:
            break
        digits = np.rint(wide * scale)
        if np.array_equal((digits / scale).astype(array.dtype), array):
            return RationalArray(digits.astype(np.int64), 10**places)
    values, codes = np.unique(array, return_inverse=True)
    decimals = [Fraction(str(value)) for value in values]
    denominator = math.lcm(*(value.denominator for value in decimals))
    table = _integer_array([int(value * denominator) for value in decimals])
    return RationalArray(table[codes].reshape(array.shape), denominator)


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
    # gcd with the denominator only needs the numerators modulo it, which np.gcd.reduce does at C speed.
    if numerators.dtype == np.int64 and denominator <= INT64_LIMIT:
        common = math.gcd(int(np.gcd.reduce(numerators, axis=None)), denominator)
    else:
        common = math.gcd(denominator, *(int(n) for n in numerators.reshape(-1)))
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
        return math.copysign(math.inf, numerator)


def _literal(array: ExactArray) -> str:
    """Nested-list source that `matrix` reads back as the same array."""

    def nest(part: Any) -> str:  # noqa: ANN401 - nested lists of numbers
        if isinstance(part, list):
            return "[" + ", ".join(nest(inner) for inner in part) + "]"
        if isinstance(part, Letter):
            return repr(part.name)
        if isinstance(part, Fraction):
            if part.denominator == 1:
                return str(part.numerator)
            places = decimal_places(part)
            if places is not None and places <= 6 and abs(part) < 10**6:
                return decimal_text(part, places)
            return repr(str(part))
        return repr(part)

    return nest(array.tolist())
