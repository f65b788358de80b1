"""Numbers that a size is never below and never above, whatever values its letters have."""

from __future__ import annotations

import math
from fractions import Fraction

from convscope.core.size import Atom, Extreme, Floored, Length, Size, Variable


def bound(size: Size, *, upper: bool) -> float:
    """A bound by replacing floors with the lines they lie between; by intervals where products are."""
    line: dict[Variable, Fraction] = {}
    if not _add_line(size, Fraction(1), line, upper=upper):
        return _interval(size)[upper]
    ends = (slope * (v.most if (slope > 0) == upper else v.least) for v, slope in line.items())
    total = sum(ends, Fraction(0))
    return float(math.floor(total) if upper else math.ceil(total))  # a size is a whole number


_ONE = Variable("1", 1, 1)


def _add_line(size: Size, by: Fraction, line: dict[Variable, Fraction], *, upper: bool) -> bool:
    """Add `by` times a line above or below the size; False where it has none."""
    for monomial, coefficient in size.terms.items():
        slope = by * coefficient
        if not monomial:
            line[_ONE] = line.get(_ONE, Fraction(0)) + slope
            continue
        atom, power = monomial[0]
        if len(monomial) > 1 or power > 1 or isinstance(atom, Extreme):
            return False
        if isinstance(atom, Variable):
            line[atom] = line.get(atom, Fraction(0)) + slope
            continue
        if not _add_line(atom.numerator, slope / atom.denominator, line, upper=upper):
            return False
        if (slope > 0) != upper:  # a floor lies less than 1 below its line
            cut = slope * Fraction(atom.denominator - 1, atom.denominator)
            line[_ONE] = line.get(_ONE, Fraction(0)) - cut
    return True


def _interval(size: Size) -> tuple[float, float]:
    low = high = 0.0
    for monomial, coefficient in size.terms.items():
        ends = (float(coefficient),) * 2
        for atom, power in monomial:
            for _again in range(power):
                products = [a * b for a in ends for b in _atom_bounds(atom)]
                ends = min(products), max(products)
        low, high = low + ends[0], high + ends[1]
    return low, high


def _atom_bounds(atom: Atom) -> tuple[float, float]:
    match atom:
        case Variable():
            return float(atom.least), float(atom.most)
        case Floored():
            low, high = atom.numerator.bounds
            return float(low // atom.denominator), float(high // atom.denominator)
        case Extreme():
            choose = max if atom.kind == "max" else min
            (low, high), (other_low, other_high) = _ends(atom.first), _ends(atom.second)
            return choose(low, other_low), choose(high, other_high)


def _ends(value: Length) -> tuple[float, float]:
    return value.bounds if isinstance(value, Size) else (value, value)
