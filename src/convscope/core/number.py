"""Exact numbers in, correctly rounded decimals out.

A number is a `fractions.Fraction`, or a `Symbolic`: a value such as 1/(1 + exp(-15/2)) or a
letter, which knows its expression and, when it has one, its decimal value to any number of
digits. Rounding is half to even on the exact value, as IEEE 754 and Python's own formatting do.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from convscope.errors import InputError

if TYPE_CHECKING:
    from convscope.core.expression import Expression


class Symbolic(ABC):
    """An exact number that is not kept as a ratio: irrational, or holding letters."""

    __slots__ = ()

    # True for values that stand in a formula as their own formula, not as one number.
    is_formula: ClassVar[bool] = False

    @property
    @abstractmethod
    def expression(self) -> Expression:
        """The value as a formula."""

    @property
    @abstractmethod
    def is_numeric(self) -> bool:
        """True when no letter is left in it, so that it has a decimal value."""

    @abstractmethod
    def decimal(self, digits: int) -> str:
        """The value with `digits` decimals, correctly rounded. Only where `is_numeric`."""

    @abstractmethod
    def __float__(self) -> float:
        """The nearest float64. Only where `is_numeric`."""


Exact: TypeAlias = Fraction | Symbolic

# A number longer than this is no taught example but an attempt to fill the memory:
# 1e999999999 is eleven characters and a Fraction of 400 MB.
MAX_DIGITS = 1000
MAX_EXPONENT = 400
# As many decimals as anybody prints; more is an attempt to fill the memory.
MAX_DECIMALS = 10_000
PART_FIGURES = 4000

_UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"([+-]?{_UNSIGNED})(?:/({_UNSIGNED}))?\Z", re.ASCII)
_MINUS_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-"})


def parse_number(entry: object) -> Fraction:
    """Read one exact number.

    Args:
        entry: an int, Fraction, Decimal, NumPy scalar, a float (its shortest decimal counts:
            0.1 is 1/10) or a string such as ``"2"``, ``"-.5"``, ``"1/16"``, ``"1e-3"``.

    Raises:
        InputError: NaN, infinity, an unreadable string, more than 1000 digits, or an exponent
            beyond 400.

    >>> parse_number("1/16"), parse_number(0.1), parse_number("-.5")
    (Fraction(1, 16), Fraction(1, 10), Fraction(-1, 2))
    """
    match entry:
        case str():
            return _parse_text(entry)
        case bool() | np.bool_():
            return Fraction(int(entry))
        case Rational():
            return Fraction(int(entry.numerator), int(entry.denominator))
        case float() | Decimal() | np.floating():
            return _parse_text(str(entry))
        case np.integer():
            return Fraction(int(entry))
        case _:
            raise InputError(f"'{_shorten(entry)}' is not a number ({type(entry).__name__})")


def _parse_text(text: str) -> Fraction:
    stripped = text.strip().translate(_MINUS_SIGNS)
    if stripped.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
        raise InputError(f"'{stripped}' is not a finite number")
    if len(stripped) > MAX_DIGITS:
        raise InputError(f"'{_shorten(stripped)}' has more than {MAX_DIGITS} digits")
    found = _NUMBER.match(stripped)
    if found is None:
        raise InputError(f"'{_shorten(stripped)}' is not a number such as 2, -.5, 1/16 or 1e-3")
    numerator = _parse_decimal(found[1])
    if found[2] is None:
        return numerator
    denominator = _parse_decimal(found[2])
    if denominator == 0:
        raise InputError(f"'{_shorten(stripped)}' divides by zero")
    return numerator / denominator


def _parse_decimal(text: str) -> Fraction:
    exponent = re.search(r"[eE]([+-]?\d+)\Z", text)
    if exponent is not None and (len(exponent[1]) > 5 or abs(int(exponent[1])) > MAX_EXPONENT):
        raise InputError(f"'{_shorten(text)}' has an exponent beyond {MAX_EXPONENT}")
    return Fraction(text)


def _shorten(value: object, limit: int = 40) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def round_half_even(value: Fraction, digits: int) -> str:
    """`value` with exactly `digits` decimals, rounded half to even on the exact value.

    >>> round_half_even(Fraction(2, 3), 4), round_half_even(Fraction(-1, 8), 2)
    ('0.6667', '-0.12')
    """
    check_digits(digits)
    scaled = round(value * 10**digits)
    return place_point(scaled, digits)


def check_digits(digits: int) -> None:
    """Refuse a number of decimals that cannot be written.

    Raises:
        InputError: with what is allowed.
    """
    if not 0 <= digits <= MAX_DECIMALS:
        raise InputError(f"digits={digits} is not allowed; digits may be 0 to {MAX_DECIMALS}")


def place_point(scaled: int, digits: int) -> str:
    """The decimal text of ``scaled / 10**digits``.

    >>> place_point(-5, 2)
    '-0.05'
    """
    sign = "-" if scaled < 0 else ""
    figures = integer_text(abs(scaled)).rjust(digits + 1, "0")
    return sign + (f"{figures[:-digits]}.{figures[-digits:]}" if digits else figures)


def integer_text(value: int) -> str:
    """The decimal figures of an integer of any length.

    Python refuses to write an integer of more than 4300 figures at once, lest a program be stalled by
    a hostile one; the integers here come from bounded arithmetic, so they are written part by part.

    >>> integer_text(-12)
    '-12'
    """
    if abs(value) < 10**PART_FIGURES:
        return str(value)
    figures = value.bit_length() * 30103 // 200000 + 1  # about half of them
    high, low = divmod(abs(value), 10**figures)
    return ("-" if value < 0 else "") + integer_text(high) + integer_text(low).rjust(figures, "0")


def decimal_places(value: Fraction) -> int | None:
    """How many decimals write `value` exactly; None when its decimals never end.

    >>> decimal_places(Fraction(1, 16)), decimal_places(Fraction(1, 3))
    (4, None)
    """
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


# A constant such as 0.00001 is written out; beyond so many places zeros are no longer counted at a glance.
MOST_PLACES = 12


def is_short(value: Exact, digits: int) -> bool:
    """True when few figures write the value exactly.

    At most `digits` decimals, or a small number of at most `digits` figures after its zeros.

    >>> is_short(Fraction(1, 16), 4), is_short(Fraction(1, 100000), 4), is_short(Fraction(1, 3), 4)
    (True, True, False)
    """
    if isinstance(value, Symbolic):
        return False
    places = decimal_places(value)
    if places is None or places <= digits:
        return places is not None
    figures = abs(value.numerator) * 10**places // value.denominator
    return places <= MOST_PLACES and abs(value) < 1 and figures < 10**digits


def decimal_text(value: Exact, digits: int) -> str:
    """`value` with exactly `digits` decimals, every one of them correct."""
    return value.decimal(digits) if isinstance(value, Symbolic) else round_half_even(value, digits)
