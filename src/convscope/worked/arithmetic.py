"""Exact arithmetic on whole arrays.

Ratios are computed as integers over a common denominator: in float64 where every sum is below
2**53 and so exact, in int64 where it fits, in Python integers otherwise. Symbolic values go through the
very same array operations as polynomials.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.array import (
    INT64_LIMIT,
    ExactArray,
    Integers,
    LazyTable,
    RationalArray,
    RatioTable,
    SymbolicArray,
    from_cells,
    from_table,
    magnitude,
)
from convscope.core.expression import Expression
from convscope.core.number import Exact
from convscope.errors import UnsupportedError
from convscope.worked.symbolic import lift, lower

Numbers: TypeAlias = npt.NDArray[Any]
Operation: TypeAlias = Callable[[Numbers, Numbers], Numbers]
FLOAT64_BITS = 53
FLOAT64_LIMIT = 2**FLOAT64_BITS
# From so many products on, long integers are worth cutting into pieces, up to so many pairs of pieces.
MANY_PRODUCTS = 50_000
MOST_LIMB_PAIRS = 24
# Some 200,000 products of symbolic numbers are added up a second; for more than this nobody waits.
MAX_SYMBOLIC_PRODUCTS = 2**20
# Some thousand million products of ratios are.
MAX_PRODUCTS = 2**35


def bilinear(x: ExactArray, w: ExactArray, operate: Operation, *, terms: int, products: int) -> ExactArray:
    """The exact result of an operation that adds up products of an entry of `x` and one of `w`.

    Args:
        x: the first operand.
        w: the second operand.
        operate: the operation on NumPy arrays of any dtype.
        terms: how many products each result adds up at most.
        products: how many products there are in all.
    """
    if products > MAX_PRODUCTS:
        raise UnsupportedError(f"{products} products are too many to work; up to {MAX_PRODUCTS} are worked")
    if isinstance(x, RationalArray) and isinstance(w, RationalArray):
        result = _integer_bilinear(x.numerators, w.numerators, operate, max(terms, 1), products)
        return RationalArray(result, x.denominator * w.denominator)
    if products > MAX_SYMBOLIC_PRODUCTS:
        raise UnsupportedError(
            f"{products} products of symbolic values are too many to keep exact; up to "
            f"{MAX_SYMBOLIC_PRODUCTS} are worked (crop the input, or look at single cells)"
        )
    return _symbolic(x, w, operate)


def _integer_bilinear(x: Integers, w: Integers, operate: Operation, terms: int, products: int) -> Integers:
    bound = magnitude(x) * magnitude(w) * terms
    if bound >= FLOAT64_LIMIT and products >= MANY_PRODUCTS:
        widths = _limb_widths(magnitude(x).bit_length() + 1, magnitude(w).bit_length() + 1, terms)
        if widths is not None:
            return _by_limbs(x, w, operate, widths, bound)
    left, right = _in_common_dtype(x, w, bound)
    return _integers(operate(left, right))


def _limb_widths(x_bits: int, w_bits: int, terms: int) -> tuple[int, int] | None:
    """Bits of a piece of each operand that let float64 add up exactly; None if pieces are too many."""
    room = FLOAT64_BITS - terms.bit_length()
    choices = [(-(-x_bits // width) * -(-w_bits // (room - width)), width) for width in range(1, room)]
    pairs, width = min(choices, default=(MOST_LIMB_PAIRS + 1, 0))
    return (width, room - width) if pairs <= MOST_LIMB_PAIRS else None


def _by_limbs(x: Integers, w: Integers, operate: Operation, widths: tuple[int, int], bound: int) -> Integers:
    """A bilinear operation on long integers as several on short ones, at float64's speed.

    ``x = Σ xᵢ 2^(a·i)`` and ``w = Σ wⱼ 2^(b·j)``, so the result is ``Σ operate(xᵢ, wⱼ) 2^(a·i + b·j)``.
    """
    dtype: Any = np.int64 if bound <= INT64_LIMIT else object
    total: Numbers | None = None
    for x_shift, x_limb in _limbs(x, widths[0]):
        for w_shift, w_limb in _limbs(w, widths[1]):
            # int64 may overflow half-way and come back: it wraps, and the sum in the end fits.
            part = operate(x_limb, w_limb).astype(np.int64).astype(dtype) << (x_shift + w_shift)
            total = part if total is None else total + part
    return np.asarray(total)


def _limbs(integers: Integers, width: int) -> list[tuple[int, Numbers]]:
    """The integers as pieces of `width` bits, lowest first, each with its place; the last has the sign."""
    pieces, shift = [], 0
    while magnitude(integers) >= 2**width:
        pieces.append((shift, (integers & (2**width - 1)).astype(np.float64)))
        integers, shift = integers >> width, shift + width
    return [*pieces, (shift, integers.astype(np.float64))]


def add(x: ExactArray, y: ExactArray) -> ExactArray:
    """The sum, with NumPy's broadcasting."""
    if isinstance(x, RationalArray) and isinstance(y, RationalArray):
        denominator = math.lcm(x.denominator, y.denominator)
        factors = denominator // x.denominator, denominator // y.denominator
        bound = magnitude(x.numerators) * factors[0] + magnitude(y.numerators) * factors[1]
        left, right = _in_common_dtype(x.numerators, y.numerators, max(bound, *factors))
        return RationalArray(_integers(left * factors[0] + right * factors[1]), denominator)
    return _symbolic(x, y, lambda left, right: left + right)


def multiply(x: ExactArray, y: ExactArray) -> ExactArray:
    """The product, cell by cell, with NumPy's broadcasting."""
    return bilinear(x, y, lambda left, right: left * right, terms=1, products=max(x.size, y.size))


def _in_common_dtype(a: Integers, b: Integers, bound: int) -> tuple[Numbers, Numbers]:
    """Both arrays in the cheapest dtype in which results up to `bound` are exact."""
    dtype: Any = np.float64 if bound < FLOAT64_LIMIT else np.int64 if bound <= INT64_LIMIT else object
    return a.astype(dtype), b.astype(dtype)


def _integers(result: Numbers) -> Integers:
    return result.astype(np.int64) if result.dtype == np.float64 else result


def _symbolic(x: ExactArray, y: ExactArray, operate: Operation) -> ExactArray:
    result = np.asarray(operate(_lifted(x), _lifted(y)), dtype=object)
    return from_cells((lower(cell) for cell in result.reshape(-1)), result.shape)


def _lifted(array: ExactArray) -> Numbers:
    """The numbers as things that add and multiply, each distinct one once."""
    values, codes = array.table()
    table = np.empty(len(values), dtype=object)
    table[:] = [lift(value) for value in values]
    return np.asarray(table[codes])


def is_zero(value: Exact) -> bool:
    """True for the ratio 0."""
    return isinstance(value, Fraction) and value == 0


def distinct(array: ExactArray) -> tuple[Sequence[Exact], npt.NDArray[np.int64]]:
    """The distinct numbers of an array, and each cell's place among them."""
    return array.table()


def mapped(array: ExactArray, function: Callable[[Exact], Exact]) -> ExactArray:
    """The array with `function` applied to each number; each distinct number is mapped once."""
    values, codes = array.table()
    return from_table([function(value) for value in values], codes)


def mapped_later(
    array: RationalArray,
    function: Callable[[Exact], Exact],
    *,
    increasing: bool = False,
    formula: Expression | None = None,
) -> SymbolicArray:
    """The array with `function` applied to each number when that number is looked at.

    Args:
        array: the ratios.
        function: what makes a symbolic number of at least one of them.
        increasing: `function` is strictly increasing, so it keeps the numbers' order.
        formula: `function` as a formula of ``x``, for the nearest float64 of all numbers at once.
    """
    values, codes = array.table()

    def floats() -> npt.NDArray[np.float64]:
        from convscope.worked.many_floats import nearest_floats

        assert isinstance(values, RatioTable)  # noqa: S101 - a rational array's; tells the type checker
        assert formula is not None  # noqa: S101 - asked for only where there is one
        found, decided = nearest_floats(formula, values.numerators, values.denominator)
        for place in np.flatnonzero(~decided):
            found[place] = float(table[int(place)])
        return found

    table = LazyTable(len(values), lambda place: function(values[place]), None if formula is None else floats)
    return SymbolicArray(table, codes, is_sorted=increasing)


def ordered(array: ExactArray) -> tuple[Integers, Callable[[Integers], ExactArray]]:
    """Integers in the order of the array's numbers, and the way back from integers to numbers.

    Equal numbers have equal integers, so a pool over the integers is a pool over the numbers.

    Raises:
        InputError: letters have no order.
        UnsupportedError: two numbers that could be neither told apart nor proved equal.
    """
    if isinstance(array, RationalArray):
        denominator = array.denominator
        return array.numerators, lambda integers: RationalArray(integers, denominator)
    values, codes = array.table()
    if isinstance(array, SymbolicArray) and array.is_sorted:
        return codes, lambda integers: SymbolicArray(values, codes, is_sorted=True).rearranged(
            lambda _: integers
        )
    from convscope.worked.comparison import ranked

    used = [int(code) for code in np.unique(codes)]
    places = np.zeros(len(values), dtype=np.int64)
    places[used] = ranked([values[code] for code in used])
    number_at = {int(places[code]): values[code] for code in used}
    table = [number_at[place] for place in range(len(number_at))]
    return places[codes], lambda integers: from_table(table, integers)


def concatenate(arrays: Sequence[ExactArray], axis: int) -> ExactArray:
    """The arrays joined along an axis."""
    ratios = [array for array in arrays if isinstance(array, RationalArray)]
    if len(ratios) == len(arrays):
        denominator = math.lcm(*(array.denominator for array in ratios))
        factors = [denominator // array.denominator for array in ratios]
        largest = max(magnitude(a.numerators) * factor for a, factor in zip(ratios, factors, strict=True))
        dtype: Any = np.int64 if max(largest, *factors) <= INT64_LIMIT else object
        parts = [a.numerators.astype(dtype) * factor for a, factor in zip(ratios, factors, strict=True)]
        return RationalArray(np.concatenate(parts, axis=axis), denominator)
    tables, places, start = [], [], 0
    for array in arrays:
        values, codes = array.table()
        tables.append((start, values))
        places.append(codes + start)
        start += len(values)
    starts = [first for first, _ in tables]

    def number(place: int) -> Exact:
        first, values = tables[bisect.bisect_right(starts, place) - 1]
        return values[place - first]

    return SymbolicArray(LazyTable(start, number), np.concatenate(places, axis=axis))
