"""The nearest float64 of a function at many ratios at once.

Exact arithmetic takes a tenth of a millisecond for one float; a picture has half a million values. Here a
formula is enclosed for all of them together, in NumPy's long doubles: both ends of every interval are
moved outwards after every operation, by more than it may err. Where both ends are the same float64 that
is the nearest one; the few others (all of them where a long double is only a double) are left undecided
and are worked out one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.array import magnitude
from convscope.core.expression import (
    Call,
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
)
from convscope.core.number import Symbolic
from convscope.errors import UnsupportedError
from convscope.worked.symbolic import lift, lower

Ends: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any]]

LONG = np.longdouble
# `exp` and `log` of the C libraries err by less than one unit in the last place; this is four.
FUNCTION_STEPS = 4
# Bits after the first of a long double that is one number (not a pair of doubles) and longer than a double.
EXTENDED = (63, 112)
# Up to here an integer is exact in it.
MOST_BITS = 63


def nearest_floats(
    formula: Expression, numerators: npt.NDArray[Any], denominator: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The nearest float64 of the formula at each ratio, and where it is known to be that.

    Args:
        formula: of the symbol ``x``.
        numerators: of the ratios that stand for it.
        denominator: of the ratios that stand for it.
    """
    undecided = np.zeros(numerators.shape), np.zeros(numerators.shape, dtype=bool)
    if np.finfo(LONG).nmant not in EXTENDED or max(denominator, magnitude(numerators)) >= 2**MOST_BITS:
        return undecided
    x = numerators.astype(LONG) / LONG(denominator)
    with np.errstate(all="ignore"):
        try:
            low, high = _enclose(formula, _outwards(x, x))
        except UnsupportedError:
            return undecided
        ends = low.astype(np.float64), high.astype(np.float64)
    return ends[0], (ends[0] == ends[1]) & np.isfinite(ends[0])


def _outwards(low: npt.NDArray[Any], high: npt.NDArray[Any], steps: int = 1) -> Ends:
    for _ in range(steps):
        low, high = np.nextafter(low, LONG(-np.inf)), np.nextafter(high, LONG(np.inf))
    return low, high


def _enclose(node: Expression, x: Ends) -> Ends:
    rule = _RULES.get(type(node))
    if rule is None:
        raise UnsupportedError(f"a {type(node).__name__} is not worked on many numbers at once")
    return rule(node, x)


def _number(node: Number, x: Ends) -> Ends:
    value = node.value
    if isinstance(value, Symbolic):
        return _symbolic_number(value, x)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise UnsupportedError("a long ratio is not worked on many numbers at once")
    near = np.full_like(x[0], LONG(value.numerator) / LONG(value.denominator))
    return (near, near) if value == Fraction(float(value)) else _outwards(near, near)


def _symbolic_number(value: Symbolic, x: Ends) -> Ends:
    """A number such as √2 as the sum of two float64, which is nearer to it than a long double can be."""
    if not value.is_numeric:
        raise UnsupportedError("letters are not worked on many numbers at once")
    first = float(value)
    rest = float(lower(lift(value) - Fraction(first)))
    near = np.full_like(x[0], LONG(first) + LONG(rest))
    return _outwards(near, near, 2)


def _symbol(node: Symbol, x: Ends) -> Ends:
    if node.name != "x":
        raise UnsupportedError(f"'{node.name}' is not worked on many numbers at once")
    return x


def _sum(node: Sum, x: Ends) -> Ends:
    first, *rest = (_enclose(term, x) for term in node.terms)
    for low, high in rest:
        first = _outwards(first[0] + low, first[1] + high)
    return first


def _corners(a: Ends, b: Ends, operate: Callable[[Any, Any], Any]) -> Ends:
    values = [operate(left, right) for left in a for right in b]
    return _outwards(np.minimum.reduce(values), np.maximum.reduce(values))


def _product(node: Product, x: Ends) -> Ends:
    first, *rest = (_enclose(factor, x) for factor in node.factors)
    for factor in rest:
        first = _corners(first, factor, np.multiply)
    return first


def _quotient(node: Quotient, x: Ends) -> Ends:
    low, high = _enclose(node.denominator, x)
    # A denominator that may be zero decides nothing: NaN is no float's neighbour.
    low = np.where((low > 0) | (high < 0), low, LONG(np.nan))
    return _corners(_enclose(node.numerator, x), (low, high), np.divide)


def _negative(node: Negative, x: Ends) -> Ends:
    low, high = _enclose(node.argument, x)
    return -high, -low


def _power(node: Power, x: Ends) -> Ends:
    if not (isinstance(node.base, Symbol) and node.base.name == "e"):
        raise UnsupportedError("only powers of e are worked on many numbers at once")
    low, high = _enclose(node.exponent, x)
    low, high = _outwards(np.exp(low), np.exp(high), FUNCTION_STEPS)
    return np.maximum(low, LONG(0)), high


def _call(node: Call, x: Ends) -> Ends:
    if node.function != "ln":
        raise UnsupportedError(f"{node.function} is not worked on many numbers at once")
    low, high = _enclose(node.arguments[0], x)
    return _outwards(np.log(low), np.log(high), FUNCTION_STEPS)


_RULES: dict[type[Expression], Callable[[Any, Ends], Ends]] = {
    Number: _number,
    Symbol: _symbol,
    Sum: _sum,
    Product: _product,
    Quotient: _quotient,
    Negative: _negative,
    Power: _power,
    Call: _call,
}
