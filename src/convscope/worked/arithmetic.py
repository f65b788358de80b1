"""Exact arithmetic on whole arrays.

Ratios are computed as integers over a common denominator: in float64 where every sum is below
2**53 and so exact, in int64 where it fits, in Python integers otherwise. Symbolic values go through
SymPy, object by object, by the very same array operations.
"""

from __future__ import annotations

import functools
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
    RationalArray,
    SymbolicArray,
    from_cells,
    from_table,
    magnitude,
)
from convscope.core.number import Exact
from convscope.errors import UnsupportedError

Numbers: TypeAlias = npt.NDArray[Any]
FLOAT64_LIMIT = 2**53
# SymPy adds some 20,000 products a second; more than this and nobody waits for it.
MAX_SYMBOLIC_PRODUCTS = 400_000


def bilinear(
    x: ExactArray, w: ExactArray, operate: Callable[[Numbers, Numbers], Numbers], *, terms: int, products: int
) -> ExactArray:
    """The exact result of an operation that adds up products of an entry of `x` and one of `w`.

    Args:
        x: the first operand.
        w: the second operand.
        operate: the operation on NumPy arrays of any dtype.
        terms: how many products each result adds up at most.
        products: how many products there are in all.
    """
    if isinstance(x, RationalArray) and isinstance(w, RationalArray):
        left, right = _in_common_dtype(
            x.numerators, w.numerators, magnitude(x.numerators) * magnitude(w.numerators) * max(terms, 1)
        )
        return RationalArray(_integers(operate(left, right)), x.denominator * w.denominator)
    if products > MAX_SYMBOLIC_PRODUCTS:
        raise UnsupportedError(
            f"{products} products of symbolic values are too many to keep exact; up to "
            f"{MAX_SYMBOLIC_PRODUCTS} are worked (crop the input, or look at single cells)"
        )
    return _symbolic(x, w, operate)


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


def _symbolic(x: ExactArray, y: ExactArray, operate: Callable[[Numbers, Numbers], Numbers]) -> ExactArray:
    from convscope.worked.symbolic import Ring

    ring = Ring()
    lift = np.frompyfunc(functools.cache(ring.lift), 1, 1)
    result = np.asarray(operate(lift(np.asarray(x)), lift(np.asarray(y))), dtype=object)
    return from_cells((ring.lower(cell) for cell in result.reshape(-1)), result.shape)


def is_zero(value: Exact) -> bool:
    """True for the ratio 0."""
    return isinstance(value, Fraction) and value == 0


def distinct(array: ExactArray) -> tuple[Sequence[Exact], npt.NDArray[np.int64]]:
    """The distinct numbers of an array, and each cell's place among them."""
    if isinstance(array, SymbolicArray):
        return array.values, array.codes
    assert isinstance(array, RationalArray)  # noqa: S101 - the only other kind; tells the type checker
    numerators, codes = np.unique(array.numerators, return_inverse=True)
    return [Fraction(int(n), array.denominator) for n in numerators], codes.reshape(array.shape)


def mapped(array: ExactArray, function: Callable[[Exact], Exact]) -> ExactArray:
    """The array with `function` applied to each number; each distinct number is mapped once."""
    values, codes = distinct(array)
    return from_table([function(value) for value in values], codes)


def ordered(array: ExactArray) -> tuple[Integers, Callable[[Integers], ExactArray]]:
    """Integers in the order of the array's numbers, and the way back from integers to numbers.

    Equal numbers have equal integers, so a pool over the integers is a pool over the numbers.
    """
    if isinstance(array, RationalArray):
        denominator = array.denominator
        return array.numerators, lambda integers: RationalArray(integers, denominator)
    from convscope.worked.symbolic import compare

    values, codes = distinct(array)

    def by_value(a: int, b: int) -> int:
        return compare(values[a], values[b])

    used = sorted((int(code) for code in np.unique(codes)), key=functools.cmp_to_key(by_value))
    ranks = np.zeros(len(values), dtype=np.int64)
    table: list[Exact] = []
    for code in used:
        if not table or compare(table[-1], values[code]) != 0:
            table.append(values[code])
        ranks[code] = len(table) - 1
    return ranks[codes], lambda integers: from_table(table, integers)


def concatenate(arrays: Sequence[ExactArray], axis: int) -> ExactArray:
    """The arrays joined along an axis."""
    if all(isinstance(array, RationalArray) for array in arrays):
        denominator = math.lcm(*(array.denominator for array in arrays if isinstance(array, RationalArray)))
        parts = [
            _in_common_dtype(a.numerators, a.numerators, magnitude(a.numerators) * denominator)[0]
            * (denominator // a.denominator)
            for a in arrays
            if isinstance(a, RationalArray)
        ]
        return RationalArray(_integers(np.concatenate(parts, axis=axis)), denominator)
    values: list[Exact] = []
    shifted = []
    for array in arrays:
        table, codes = distinct(array)
        shifted.append(codes + len(values))
        values.extend(table)
    return from_table(values, np.concatenate(shifted, axis=axis))


def zero_array(shape: tuple[int, ...]) -> RationalArray:
    """Zeros."""
    return RationalArray(np.zeros(shape, dtype=np.int64))
