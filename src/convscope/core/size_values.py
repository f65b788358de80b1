"""Sizes worked out for numbers in the place of their letters: one array operation a term."""
# ruff: noqa: ANN401 - values are ints or arrays of them

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.size import Atom, Extreme, Floored, Length, Rational, Size, Variable
from convscope.errors import InputError

# Numbers below it may be added and multiplied by small ones in int64.
INT64_ROOM = 2**62


class Values:
    """What the letters stand for: integers, or integer arrays of one shape; floors are worked out once."""

    def __init__(self, letters: Mapping[str, Any]) -> None:
        self.letters = {name: _integers(name, value) for name, value in letters.items()}
        self.known: dict[Atom, Any] = {}
        self.largest: dict[Atom, int] = {}


def _integers(name: str, value: object) -> int | npt.NDArray[np.int64]:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} is {value!r}; give whole numbers")
    return array.astype(np.int64)


def evaluate(length: Length, values: Values) -> Any:
    """The value of a length: an int, or an array; integers too long for int64 stay exact."""
    if not isinstance(length, Size):
        return length
    found: Any = 0
    peak = 0
    for monomial, coefficient in length.terms.items():
        term: Any = 1
        size = abs(Fraction(coefficient))
        for atom, power in monomial:
            value = _atom_value(atom, values)
            size *= values.largest[atom] ** power
            for _again in range(power):
                term = _exactly(term, size) * value
        peak += math.ceil(size)
        if isinstance(coefficient, Fraction):
            term = _exactly(term, INT64_ROOM)  # halves that add up to a whole number
        found = _exactly(found, peak) + coefficient * _exactly(term, size)
    return found


def _exactly(value: Any, size: Rational) -> Any:
    """The value as Python's integers where int64 may not hold what becomes of it."""
    if size >= INT64_ROOM and isinstance(value, np.ndarray) and value.dtype != object:
        return value.astype(object)
    return value


def _atom_value(atom: Atom, values: Values) -> Any:
    found = values.known.get(atom)
    if found is not None:
        return found
    match atom:
        case Variable():
            if atom.name not in values.letters:
                raise InputError(f"{atom.name} has no value; give one, as in evaluate({atom.name}=224)")
            found = values.letters[atom.name]
        case Floored():
            found = evaluate(atom.numerator, values) // atom.denominator
        case Extreme():
            choose = np.maximum if atom.kind == "max" else np.minimum
            found = choose(evaluate(atom.first, values), evaluate(atom.second, values))
            found = int(found) if np.ndim(found) == 0 else found
    values.known[atom] = found
    whole = np.abs(found).max(initial=0) if isinstance(found, np.ndarray) else abs(found)
    values.largest[atom] = int(whole)
    return found
