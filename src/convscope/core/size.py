"""A length that depends on the input's: 2·H − 1, ⌊(H − 1)/32⌋ + 1, 64·⌊H/2⌋·⌊W/2⌋.

A `Size` is a polynomial with exact coefficients in atoms: letters such as H, floors of sizes, and
the larger or smaller of two. Python's operators keep it in a normal form, so that a formula
written for integers gives a closed form when it is run on letters. Nested floors collapse:
``⌊(⌊(H + a)/b⌋ + c)/d⌋ = ⌊(H + a + b·c)/(b·d)⌋`` for whole numbers b, d > 0.

Where rules ask ``n < 1`` in order to refuse, the question is answered when the answer is the same
for every value of the letters; else it is answered "no", and noted as a condition (`conditions`).
"""
# ruff: noqa: ANN401 - arithmetic takes and gives ints, fractions, sizes and arrays of them

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

import numpy as np

from convscope.core.expression import Expression
from convscope.core.number import Symbolic
from convscope.core.size_written import plain, written
from convscope.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from convscope.core.size_values import Values

LARGEST = 1_000_000  # what a letter stands for at most when nothing is said
# Formulas with more terms help nobody, and their products would fill the memory.
MAX_TERMS = 2000
MAX_WEIGHT = 100

Rational: TypeAlias = int | Fraction


# --- atoms ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variable:
    """A letter for a whole number from `least` to `most`."""

    name: str
    least: int = 1
    most: int = LARGEST

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InputError(f"{self.name} is from {self.least} to {self.most}; give 1 ≤ least ≤ most")

    @property
    def key(self) -> str:
        """Where it stands among the factors of a product."""
        return f"0{self.name}"

    @property
    def size(self) -> Size:
        """The letter as a size."""
        return Size({((self, 1),): 1})


@dataclass(frozen=True)
class Floored:
    """⌊numerator / denominator⌋, the numerator with integer coefficients."""

    numerator: Size
    denominator: int

    @cached_property
    def key(self) -> str:
        """Where it stands among the factors of a product."""
        return f"1{self.denominator:020d}{self.numerator}"

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.numerator, self.denominator))


@dataclass(frozen=True)
class Extreme:
    """The larger (``max``) or smaller (``min``) of two sizes."""

    kind: Literal["max", "min"]
    first: Length
    second: Length

    @cached_property
    def key(self) -> str:
        """As of a floor."""
        return f"2{self.kind}{self.first},{self.second}"


Atom: TypeAlias = Variable | Floored | Extreme
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]  # atoms with their powers, in the order of their keys


# --- sizes ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Size(Symbolic):
    """A whole number that depends on letters; what does not depend on any is a plain int.

    Attributes:
        terms: the coefficient of each product of atoms; () is the product of none.

    >>> n = Variable("H").size
    >>> str(((n + 6 - 7) // 2 - 1) // 2 + 1)
    '⌊(H − 3)/4⌋ + 1'
    >>> (n // 2 + 5).evaluate(H=7)
    8
    """

    is_formula = True

    terms: Mapping[Monomial, Rational] = field(default_factory=dict)

    # --- arithmetic ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        given = _terms(other)
        if given is None:
            return NotImplemented
        terms = dict(self.terms)
        for monomial, coefficient in given.items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _length(terms)

    __radd__ = __add__

    def __neg__(self) -> Any:
        return _length({monomial: -coefficient for monomial, coefficient in self.terms.items()})

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        given = _terms(other)
        if given is None:
            return NotImplemented
        if len(self.terms) * len(given) > MAX_TERMS:
            raise InputError(f"a size of more than {MAX_TERMS} terms is not worked out")
        terms: dict[Monomial, Rational] = {}
        for left, by in self.terms.items():
            for right, factor in given.items():
                monomial = _joined(left, right)
                terms[monomial] = terms.get(monomial, 0) + by * factor
        return _length(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if isinstance(other, bool) or not isinstance(other, int | Fraction) or other <= 0:
            return NotImplemented
        return _floor(self, Fraction(other))

    def __floor__(self) -> Any:
        return _floor(self, Fraction(1))

    def __eq__(self, other: object) -> bool:
        """Whether both have one normal form; sizes that differ in form may still agree everywhere."""
        return self.terms == other.terms if isinstance(other, Size) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __bool__(self) -> NoReturn:
        raise TypeError(f"whether {self} is 0 depends on its letters")

    # --- order: asked by rules in order to refuse -----------------------------------------------

    def __lt__(self, other: Any) -> bool:
        return _asked_below(self, other)

    def __gt__(self, other: Any) -> bool:
        return _asked_below(other, self)

    def __le__(self, other: Any) -> bool:
        return _asked_below(self, other + 1)

    def __ge__(self, other: Any) -> bool:
        return _asked_below(other, self + 1)

    # --- what it is ---------------------------------------------------------------------------

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The letters in it, by name."""
        found = {variable for atom in self.atoms for variable in _variables(atom)}
        return tuple(sorted(found, key=lambda variable: variable.name))

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms of its terms."""
        return tuple(dict.fromkeys(atom for monomial in self.terms for atom, _power in monomial))

    @property
    def constant(self) -> Rational:
        """The term without letters."""
        return self.terms.get((), 0)

    @property
    def is_product(self) -> bool:
        """Whether lengths are multiplied in it."""
        return any(sum(power for _atom, power in monomial) > 1 for monomial in self.terms)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Numbers that it is never below and never above; not always the nearest such numbers."""
        from convscope.core.size_bounds import bound

        return bound(self, upper=False), bound(self, upper=True)

    @cached_property
    def weight(self) -> int:
        """How many signs its formula has, about."""
        atoms = (atom for monomial in self.terms for atom, _power in monomial)
        return len(self.terms) + sum(_weight(atom) for atom in atoms)

    @property
    def expression(self) -> Expression:
        """The size as a formula."""
        return written(self)

    is_numeric = False  # letters are in it

    def decimal(self, digits: int) -> str:
        """No decimal value."""
        raise TypeError(f"{self} has letters in it and no {digits} decimals")

    def __float__(self) -> float:
        raise TypeError(f"{self} has letters in it; give them values: evaluate(H=…)")

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return plain(self.expression)

    def __repr__(self) -> str:
        return f"<Size {self}>"

    # --- values -------------------------------------------------------------------------------

    def evaluate(self, **letters: Any) -> Any:
        """Its value, an int, or an array of values where letters are given as arrays of integers.

        Raises:
            InputError: a letter that has no value.
        """
        from convscope.core.size_values import Values, evaluate

        return evaluate(self, Values(letters))


Length: TypeAlias = int | Size


def _terms(value: object) -> Mapping[Monomial, Rational] | None:
    if isinstance(value, Size):
        return value.terms
    if isinstance(value, bool) or not isinstance(value, int | Fraction | np.integer):
        return None
    return {(): int(value) if isinstance(value, np.integer) else value} if value else {}


def _length(terms: Mapping[Monomial, Rational]) -> Any:
    kept = {m: _whole(c) for m, c in terms.items() if c}
    if len(kept) > MAX_TERMS:
        raise InputError(f"a size of more than {MAX_TERMS} terms is not worked out")
    return Size(kept) if any(kept) else kept.get((), 0)


def _whole(value: Rational) -> Rational:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def _joined(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda entry: entry[0].key))


def _weight(atom: Atom) -> int:
    if isinstance(atom, Variable):
        return 1
    inside = (atom.numerator,) if isinstance(atom, Floored) else (atom.first, atom.second)
    return 1 + sum(part.weight for part in inside if isinstance(part, Size))


def _single(atom: Atom) -> Size:
    """An atom as a size, where it is not too long to be of use: each could double the one before."""
    if _weight(atom) > MAX_WEIGHT:
        raise UnsupportedError(
            "the formula of this length grows too long to be of use; give numbers for letters"
        )
    return Size({((atom, 1),): 1})


def _variables(atom: Atom) -> tuple[Variable, ...]:
    match atom:
        case Variable():
            return (atom,)
        case Floored():
            return atom.numerator.variables
        case Extreme():
            sides = (side for side in (atom.first, atom.second) if isinstance(side, Size))
            return tuple(variable for side in sides for variable in side.variables)


# --- floors in normal form --------------------------------------------------------------------


def _floor(size: Size, denominator: Fraction) -> Any:
    """⌊size / denominator⌋ with every step done that leaves fewer or smaller numbers."""
    scale = math.lcm(denominator.denominator, *(Fraction(c).denominator for c in size.terms.values()))
    numerator = size * scale  # whole coefficients, so that each term is a whole number
    divisor = int(denominator * scale)
    while True:
        given = numerator.terms
        by = math.gcd(divisor, *(int(c) for m, c in given.items() if m))
        if by > 1:  # ⌊(g·q + r)/(g·e)⌋ = ⌊(q + ⌊r/g⌋)/e⌋
            given = {m: int(c) // by for m, c in given.items()}
            divisor //= by
        leading = next(int(c) for m, c in sorted(given.items(), key=_place) if m)
        if leading < 0:  # ⌊−a/d⌋ = −⌊(a + d − 1)/d⌋
            return -_floor(_length(given) * -1 + (divisor - 1), Fraction(divisor))
        # What the divisor divides leaves the floor; ⌊3·a/2⌋ stays, as a + ⌊a/2⌋ says a twice.
        out = {m: int(c) // divisor for m, c in given.items() if not m or c % divisor == 0}
        whole = _length(out)
        rest = _length({m: int(c) - out.get(m, 0) * divisor for m, c in given.items()})
        if not isinstance(rest, Size):
            return whole + rest // divisor
        inner = _nested(rest)
        if inner is None:
            return whole + _single(Floored(rest, divisor))
        # ⌊(⌊a/b⌋ + c)/d⌋ = ⌊(a + b·c)/(b·d)⌋
        others = rest - Size({((inner, 1),): 1})
        numerator = inner.numerator + inner.denominator * others
        return whole + _floor(numerator, Fraction(inner.denominator * divisor))


def _nested(size: Size) -> Floored | None:
    """A floor that the size is one of, plus what holds no floor."""
    floors = [(m, c) for m, c in size.terms.items() if any(isinstance(a, Floored) for a, _power in m)]
    if len(floors) != 1 or floors[0][1] != 1 or len(floors[0][0]) != 1:
        return None
    atom, power = floors[0][0][0]
    return atom if isinstance(atom, Floored) and power == 1 else None


def _place(term: tuple[Monomial, Rational]) -> tuple[int, tuple[str, ...]]:
    monomial = term[0]
    return -sum(power for _atom, power in monomial), tuple(atom.key for atom, _power in monomial)


def extreme(kind: Literal["max", "min"], first: Length, second: Length) -> Any:
    """The larger or smaller of two lengths; one of them where it always is."""
    low, high = _bounds(first - second)
    if low >= 0:
        return first if kind == "max" else second
    if high <= 0:
        return second if kind == "max" else first
    return _single(Extreme(kind, first, second))


def _bounds(value: Length) -> tuple[float, float]:
    return value.bounds if isinstance(value, Size) else (value, value)


# --- questions that depend on the letters -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a rule not to refuse: ``size ≥ 0``, or ``size = 0``."""

    size: Size
    sign: Literal["≥", "="]

    def holds(self, values: Values) -> Any:
        """Whether it does, for each of the values."""
        from convscope.core.size_values import evaluate

        found = evaluate(self.size, values)
        return found >= 0 if self.sign == "≥" else found == 0


_asked: ContextVar[list[Condition] | None] = ContextVar("asked", default=None)


@contextmanager
def conditions() -> Iterator[list[Condition]]:
    """Collects what rules ask of sizes and what depends on their letters, each answered "no"."""
    found: list[Condition] = []
    token = _asked.set(found)
    try:
        yield found
    finally:
        _asked.reset(token)


def _size(length: Length) -> Size:
    return length if isinstance(length, Size) else Size({(): length})


def _note(condition: Condition) -> None:
    asked = _asked.get()
    if asked is None:
        raise TypeError(f"whether {condition.size} {condition.sign} 0 depends on its letters")
    if condition not in asked:
        asked.append(condition)


def _asked_below(first: Length, second: Length) -> bool:
    """Whether first < second for all values of the letters; noted where that depends on them."""
    low, high = _bounds(first - second)
    if high < 0:
        return True
    if low < 0:
        _note(Condition(_size(first - second), "≥"))
    return False


def differ(first: Length, second: Length) -> bool:
    """Whether two lengths are not the same; noted where that depends on letters.

    >>> differ(3, 4)
    True
    """
    if not (isinstance(first, Size) or isinstance(second, Size)):
        return first != second
    gap = first - second
    if not isinstance(gap, Size):
        return gap != 0
    low, high = gap.bounds
    if low > 0 or high < 0:
        return True
    _note(Condition(gap, "="))
    return False


def simplest(lengths: Sequence[Length]) -> Length:
    """Of lengths that agree, the one with the shortest formula."""
    return min(lengths, key=lambda n: 0 if isinstance(n, int) else len(str(n)))
