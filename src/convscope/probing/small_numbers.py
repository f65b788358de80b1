"""Small numbers with a few correct figures: 9.54·10⁻⁷, where decimals would say 0.0000."""

from __future__ import annotations

from fractions import Fraction

from convscope.core.expression import Expression, Negative, Number, Power, as_expression
from convscope.core.number import Exact, decimal_places, is_short

FIGURES = 3
# Numbers of this many places before and after the point are written out.
LEAST_POWER, MOST_POWER = -4, 5
# A quotient such as 1/3, whose decimals never end, reads better than its decimals up to here.
LONGEST_DENOMINATOR = 1000
MOST_DECIMALS = 9000


def figures(value: Exact, count: int = FIGURES) -> Expression:
    """The number with so many figures, correctly rounded; a short ratio as it is.

    >>> figures(Fraction(1, 2))
    Number(value=Fraction(1, 2))
    """
    if is_written(value) and isinstance(value, Fraction):
        return Number(value)
    mantissa, power = rounded(value, count)
    if mantissa == 0:
        return Number(Fraction(0))
    if LEAST_POWER <= power < MOST_POWER:
        return Number(mantissa * _ten_to(power))
    size = Number(abs(mantissa)) * Power(as_expression(10), as_expression(power))
    return Negative(size) if mantissa < 0 else size


def is_written(value: Exact, digits: int = 4) -> bool:
    """True when `figures` writes the number exactly."""
    if not isinstance(value, Fraction):
        return False
    endless = decimal_places(value) is None
    return is_short(value, digits) or (endless and value.denominator <= LONGEST_DENOMINATOR)


def rounded(value: Exact, count: int = FIGURES) -> tuple[Fraction, int]:
    """The number as m · 10^power, m of `count` figures with one before the point; (0, 0) of zero.

    >>> rounded(Fraction(1, 4) ** 10)
    (Fraction(477, 50), -7)
    """
    power = power_of_ten(value)
    if power is None:
        return Fraction(0), 0
    scaled = _scaled(value, count - 1 - power)
    if abs(scaled) >= 10**count:  # rounded up to the next power of ten
        return Fraction(scaled, 10**count), power + 1
    return Fraction(scaled, 10 ** (count - 1)), power


def _scaled(value: Exact, places: int) -> int:
    """The number times a power of ten, rounded half to even."""
    if isinstance(value, Fraction):
        return round(value * _ten_to(places))
    return round(Fraction(value.decimal(max(places, 0))) * _ten_to(places))


def _ten_to(power: int) -> Fraction:
    return Fraction(10**power) if power >= 0 else Fraction(1, 10**-power)


def power_of_ten(value: Exact) -> int | None:
    """The power of ten at or below the number's size; None of zero, or of what is too small to be seen."""
    if isinstance(value, Fraction):
        if not value:
            return None
        guess = len(str(abs(value.numerator))) - len(str(value.denominator))
        return guess if abs(value) >= _ten_to(guess) else guess - 1
    decimals = 8
    while decimals <= MOST_DECIMALS:
        shown = Fraction(value.decimal(decimals))
        if abs(shown) * 10**decimals >= 10:  # more than one figure: the first is settled
            return power_of_ten(shown)
        decimals *= 4
    return None
