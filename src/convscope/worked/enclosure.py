"""Formulas enclosed in intervals, and from them decimals of which every digit is correct.

Every value is enclosed (mpmath's interval arithmetic) at whatever precision a question needs. mpmath
is imported here and nowhere else; whoever needs a decimal of a symbolic number imports this module
late.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

import mpmath

from convscope.core.expression import (
    Absolute,
    Call,
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
)
from convscope.core.number import Exact, Symbolic, check_digits, place_point
from convscope.errors import InputError, UnsupportedError
from convscope.worked.named import Crossing
from convscope.worked.polynomial import Polynomial
from convscope.worked.symbolic import Combined, Irrational, known_ratio

Interval: TypeAlias = Any  # mpmath carries no types

FLOAT_BITS = 53
# Precisions are asked for in steps of so many bits, so that few questions need an interval of their own.
BITS_STEP = 64
MOST_PRECISIONS = 8
# A value that so many bits do not settle, and that is not proved to lie on the edge, is left undecided.
LAST_PRECISION = 2**15
# An end nearer to zero than this is moved to zero or to this, outwards: e^(−10¹⁰) is no number to write down.
LEAST_EXPONENT = 2**18
# A number of more bits than this is no result that anybody reads.
MOST_EXPONENT = 2**18


def enclose(value: Exact, bits: int) -> Interval:
    """An interval that holds the value, computed with `bits` of precision.

    Raises:
        InputError: letters have no value.
    """
    interval = mpmath.iv
    saved = interval.prec
    interval.prec = bits
    try:
        return _enclose_value(value)
    finally:
        interval.prec = saved


def _enclose_value(value: Exact) -> Interval:
    match value:
        case Fraction():
            return mpmath.iv.mpf(value.numerator) / value.denominator
        case Irrational():
            return _enclose_once(value)
        case Combined():
            return _enclose_polynomial(value.polynomial)
        case _:
            raise InputError(f"'{value!r}' is a letter; it has no decimal value")


def _enclose_once(value: Irrational) -> Interval:
    """The value's interval, worked out once for each precision: one value stands in a thousand formulas."""
    if value.enclosed is None or len(value.enclosed) > MOST_PRECISIONS:
        value.enclosed = {}
    found = value.enclosed.get(mpmath.iv.prec)
    if found is None:
        found = _enclose_crossing(value) if isinstance(value, Crossing) else _enclose(value.formula)
        value.enclosed[mpmath.iv.prec] = found
    return found


def _enclose_crossing(value: Crossing) -> Interval:
    """The ends halved until they are as near as the precision goes, or the sign between them is not seen."""
    low, high = value.narrowed
    least = (value.high - value.low) / 2**mpmath.iv.prec
    while high - low > least:
        middle = (low + high) / 2
        sign = _enclose(value.function(Number(middle)))
        if not (sign.a > 0 or sign.b < 0):
            break
        if (sign.a > 0) == value.rises:
            high = middle
        else:
            low = middle
    value.narrowed = (low, high)  # the next question goes on from here
    return mpmath.iv.mpf([_enclose_value(low).a, _enclose_value(high).b])


def _enclose_polynomial(polynomial: Polynomial) -> Interval:
    total = mpmath.iv.mpf(0)
    for monomial, coefficient in polynomial.terms.items():
        term = _enclose_value(coefficient)
        for atom, power in monomial:
            term *= _enclose_value(atom) ** power  # type: ignore[arg-type]
        total += term
    return total


def _enclose(node: Expression) -> Interval:
    rule = _ENCLOSE.get(type(node))
    if rule is None:
        raise UnsupportedError(f"a {type(node).__name__} has no interval rule")
    return rule(node)


def _enclose_symbol(node: Symbol) -> Interval:
    if node.name not in _CONSTANTS:
        raise InputError(f"'{node.name}' is a letter; it has no decimal value")
    return _CONSTANTS[node.name]()


def _enclose_product(node: Product) -> Interval:
    result = mpmath.iv.mpf(1)
    for factor in node.factors:
        result *= _enclose(factor)
    return result


def _enclose_power(node: Power) -> Interval:
    if isinstance(node.base, Symbol) and node.base.name == "e":
        return _widened(mpmath.iv.exp(_enclose(node.exponent)))
    exponent = node.exponent
    if isinstance(exponent, Number) and isinstance(exponent.value, Fraction):
        base = _enclose(node.base)
        if exponent.value.denominator == 1:
            return base ** int(exponent.value)
        return _widened(_root(base, exponent.value))
    raise UnsupportedError("a power has an interval rule for a rational exponent or the base e only")


def _root(base: Interval, exponent: Fraction) -> Interval:
    """A root of a number that is not negative, whose interval may reach below zero."""
    power = _enclose_value(exponent)
    low, high = (mpmath.iv.mpf(end) for end in (base.a, base.b))
    if high <= 0:
        return mpmath.iv.mpf(0)
    top = mpmath.iv.exp(mpmath.iv.log(high) * power)
    bottom = mpmath.iv.exp(mpmath.iv.log(low) * power) if low > 0 else mpmath.iv.mpf(0)
    return mpmath.iv.mpf([bottom.a, top.b])


def _widened(interval: Interval) -> Interval:
    """The interval with both ends moved outwards by a little more than mpmath's functions may err."""
    slack = mpmath.iv.mpf(2) ** (4 - mpmath.iv.prec)
    return interval * mpmath.iv.mpf([(1 - slack).a, (1 + slack).b])


def _interval_log(x: Interval) -> Interval:
    """The logarithm of a positive number, whose interval may reach to zero or below."""
    low, high = (mpmath.iv.mpf(end) for end in (x.a, x.b))
    if low > 0:
        return _widened(mpmath.iv.log(x))
    return mpmath.iv.mpf([mpmath.ninf, _widened(mpmath.iv.log(high)).b if high > 0 else mpmath.ninf])


def _interval_erf(x: Interval) -> Interval:
    """Erf is increasing, so the images of both ends enclose it; mpmath has no interval rule of its own."""
    with mpmath.workprec(mpmath.iv.prec + 16):
        low, high = mpmath.erf(mpmath.mpf(x.a)), mpmath.erf(mpmath.mpf(x.b))
        return _widened(mpmath.iv.mpf([low, high]))


def _interval_tanh(x: Interval) -> Interval:
    return 1 - 2 / (_widened(mpmath.iv.exp(2 * x)) + 1)


_CONSTANTS: dict[str, Callable[[], Interval]] = {
    "e": lambda: mpmath.iv.exp(1),
    "π": lambda: mpmath.iv.pi + 0,
}
_CALLS: dict[str, Callable[..., Interval]] = {
    "ln": _interval_log,
    "erf": _interval_erf,
    "tanh": _interval_tanh,
}
_ENCLOSE: dict[type[Expression], Callable[[Any], Interval]] = {
    Number: lambda node: _enclose_value(node.value),
    Symbol: _enclose_symbol,
    Sum: lambda node: sum((_enclose(term) for term in node.terms), mpmath.iv.mpf(0)),
    Product: _enclose_product,
    Quotient: lambda node: _enclose(node.numerator) / _enclose(node.denominator),
    Negative: lambda node: -_enclose(node.argument),
    Power: _enclose_power,
    Root: lambda node: _widened(_root(_enclose(node.argument), Fraction(1, 2))),
    Absolute: lambda node: abs(_enclose(node.argument)),
    Call: lambda node: _CALLS[node.function](*(_enclose(argument) for argument in node.arguments)),
}


# --- enclosing a normal form --------------------------------------------------------------------


def enclose_normal(normal: Polynomial, bits: int) -> Interval:
    """An interval that holds a number given by its normal form.

    The difference of two normal forms is enclosed sharply even where the two numbers nearly agree,
    because what they have in common is gone.
    """
    interval = mpmath.iv
    saved = interval.prec
    interval.prec = bits
    try:
        return _enclose_normal(normal)
    finally:
        interval.prec = saved


def _enclose_normal(normal: Polynomial) -> Interval:
    total = mpmath.iv.mpf(0)
    for monomial, coefficient in normal.terms.items():
        term = _enclose_value(coefficient)
        for atom, power in monomial:
            term *= _enclose_basis(atom, mpmath.iv.prec) ** power
        total += term
    return total


@lru_cache(maxsize=4096)
def _enclose_basis(atom: tuple[Any, ...], bits: int) -> Interval:  # noqa: ARG001 - part of the cache's key
    name, *arguments = atom
    return _BASIS[name](*arguments)


def _exponential(u: Polynomial) -> Interval:
    return _widened(mpmath.iv.exp(_enclose_normal(u)))


def _logistic(x: Interval) -> Interval:
    return 1 / (1 + _widened(mpmath.iv.exp(-x)))


def _softplus(u: Polynomial) -> Interval:
    """ln(1 + e^u), for small e^u by the first terms of its series, which enclose it."""
    small = _exponential(u)
    if small.b < mpmath.mpf(2) ** -mpmath.iv.prec:
        return mpmath.iv.mpf([(small - small**2 / 2).a, small.b])
    return _interval_log(1 + small)


def _normal_distribution(u: Polynomial) -> Interval:
    """Φ(u), increasing, by erfc, which mpmath works out sharply in the tail."""
    x = -_enclose_normal(u) / mpmath.iv.sqrt(2)
    with mpmath.workprec(mpmath.iv.prec + 16):
        return _widened(mpmath.iv.mpf([mpmath.erfc(mpmath.mpf(x.b)), mpmath.erfc(mpmath.mpf(x.a))])) / 2


def _nearly_normal(u: Polynomial) -> Interval:
    x = _enclose_normal(u)
    inner = _root(2 / mpmath.iv.pi, Fraction(1, 2)) * (x + _enclose_value(Fraction("0.044715")) * x**3)
    return _logistic(2 * _widened(inner))


def _softsign(u: Polynomial) -> Interval:
    x = _enclose_normal(u)
    return x / (1 + abs(x))


def _nth_root(degree: int, inside: Polynomial | Fraction | int) -> Interval:
    base = _enclose_normal(inside) if isinstance(inside, Polynomial) else _enclose_value(Fraction(inside))
    return _widened(_root(base, Fraction(1, degree)))


def _line_sum(line: frozenset[tuple[Polynomial, int]]) -> Interval:
    return sum((_exponential(u) * count for u, count in line), mpmath.iv.mpf(0))


_BASIS: dict[str, Callable[..., Interval]] = {
    "sigmoid": lambda u: _logistic(_enclose_normal(u)),
    "normal": _normal_distribution,
    "nearly normal": _nearly_normal,
    "softplus": _softplus,
    "softsign": _softsign,
    "exp": _exponential,
    "ln": lambda n: _widened(mpmath.iv.log(mpmath.iv.mpf(n))),
    "root": _nth_root,
    "share": lambda line: 1 / _line_sum(line),
    "log share": lambda line: _interval_log(_line_sum(line)),
}


# --- from intervals to decimals ----------------------------------------------------------------


def ends(interval: Interval) -> tuple[Fraction, Fraction] | None:
    """Both ends as ratios; None where one is infinite or too large to be written down."""
    if not (mpmath.isfinite(interval.a) and mpmath.isfinite(interval.b)):
        return None
    if max(_magnitude(interval.a), _magnitude(interval.b)) > MOST_EXPONENT:
        return None
    return _ratio_of(interval.a, outwards=-1), _ratio_of(interval.b, outwards=1)


def _magnitude(end: Any) -> int:  # noqa: ANN401 - an mpmath number
    """How many bits the whole part of an interval's end has; negative for small numbers."""
    _, mantissa, exponent, length = end._mpi_[0]  # mpmath has no other exact way out
    return exponent + length if mantissa else 0


def _ratio_of(end: Any, outwards: int) -> Fraction:  # noqa: ANN401 - an mpmath number
    negative, mantissa, exponent, _ = end._mpi_[0]
    direction = -1 if negative else 1
    if _magnitude(end) < -LEAST_EXPONENT:
        return Fraction(direction, 2**LEAST_EXPONENT) if direction == outwards else Fraction(0)
    value = int(mantissa) * direction
    return Fraction(value << exponent) if exponent >= 0 else Fraction(value, 1 << -int(exponent))


def _undecided(value: Symbolic, what: str) -> UnsupportedError:
    """The error for a value whose digits thousands of bits did not settle."""
    interval = enclose(value, LAST_PRECISION)
    if min(_magnitude(interval.a), _magnitude(interval.b)) > MOST_EXPONENT:
        return UnsupportedError(f"a number of more than {MOST_EXPONENT} bits is too large to be written out")
    return UnsupportedError(
        f"a value lies so near to the middle between two {what} that {LAST_PRECISION} bits do not part them"
    )


def _in_steps(bits: int) -> int:
    return -(-bits // BITS_STEP) * BITS_STEP


def decimal(value: Symbolic, digits: int) -> str:
    """The value with `digits` decimals, correctly rounded, half to even.

    Widens the precision until both ends of the interval round to the same decimal.

    Raises:
        UnsupportedError: the value lies within 2**-32768 of the middle between two decimals and is
            not known to be that middle.
    """
    check_digits(digits)
    scale = 10**digits
    bits = _in_steps(int(digits * 3.33) + 64)
    while bits <= LAST_PRECISION + 4 * digits:
        found = ends(enclose(value, bits))
        if found is not None:
            low, high = (round(end * scale) for end in found)
            if low == high:
                return place_point(low, digits)
            ratio = known_ratio(value)
            if ratio is not None:
                return place_point(round(ratio * scale), digits)
        bits *= 2
    raise _undecided(value, "decimals")


def nearest_float(value: Symbolic) -> float:
    """The nearest float64.

    Raises:
        UnsupportedError: as `decimal` does, for the middle between two floats.
    """
    bits = _in_steps(FLOAT_BITS + 24)
    while bits <= LAST_PRECISION:
        found = ends(enclose(value, bits))
        if found is not None:
            low, high = (_float(end) for end in found)
            if low == high:
                return low
            ratio = known_ratio(value)
            if ratio is not None:
                return _float(ratio)
        bits *= 2
    raise _undecided(value, "floats")


def _float(ratio: Fraction) -> float:
    try:
        return float(ratio)
    except OverflowError:
        return float("inf") if ratio > 0 else float("-inf")
