"""Sparse polynomials with rational coefficients: sums and products of numbers that are no ratios.

A convolution of symbolic numbers adds up products of a weight and a number. The result is a
polynomial whose generators ("atoms") are those numbers: letters, σ(15/2), √2. It behaves as a number
does under ``+ − ·``, so the array operations that work on integers work on it unchanged.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import TypeAlias

from convscope.errors import UnsupportedError

Atom: TypeAlias = Hashable
Monomial: TypeAlias = frozenset[tuple[Atom, int]]  # each atom with its power
Scalar: TypeAlias = int | Fraction

CONSTANT: Monomial = frozenset()
# A product of two long polynomials is refused before it fills the memory.
MAX_TERMS = 2**16


class Polynomial:
    """Terms with their coefficients; none of them zero. Never changed once built.

    >>> x = Polynomial.of("x")
    >>> (x + 1) * (x - 1) == x * x - 1
    True
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: dict[Monomial, Fraction]) -> None:
        self.terms = terms
        self._hash: int | None = None

    @classmethod
    def of(cls, atom: Atom) -> Polynomial:
        """The atom alone."""
        return cls({frozenset({(atom, 1)}): Fraction(1)})

    @classmethod
    def constant(cls, value: Scalar) -> Polynomial:
        """A ratio."""
        return cls({CONSTANT: Fraction(value)} if value else {})

    def ratio(self) -> Fraction | None:
        """The value where no atom is left, else None."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(CONSTANT) if len(self.terms) == 1 else None

    def atoms(self) -> Iterable[Atom]:
        """Every atom, each once, in the order of the terms."""
        return dict.fromkeys(atom for monomial in self.terms for atom, _ in monomial)

    def __add__(self, other: Polynomial | Scalar) -> Polynomial:
        if not isinstance(other, Polynomial):
            other = Polynomial.constant(other)
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total = terms.get(monomial, 0) + coefficient
            if total:
                terms[monomial] = total
            else:
                del terms[monomial]
        return Polynomial(terms)

    __radd__ = __add__

    def __neg__(self) -> Polynomial:
        return self * -1

    def __sub__(self, other: Polynomial | Scalar) -> Polynomial:
        return self + -other

    def __rsub__(self, other: Scalar) -> Polynomial:
        return -self + other

    def __mul__(self, other: Polynomial | Scalar) -> Polynomial:
        if not isinstance(other, Polynomial):
            return Polynomial({m: c * other for m, c in self.terms.items()} if other else {})
        if len(self.terms) * len(other.terms) > MAX_TERMS:
            raise UnsupportedError(
                f"a product of symbolic sums of {len(self.terms)} and {len(other.terms)} terms is too long; "
                f"up to {MAX_TERMS} terms are kept"
            )
        terms: dict[Monomial, Fraction] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                monomial = _joined(left, right)
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Polynomial({monomial: c for monomial, c in terms.items() if c})

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Polynomial:
        result = Polynomial.constant(1)
        for _ in range(exponent):
            result *= self
        return result

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Polynomial({self.terms!r})"


def _joined(left: Monomial, right: Monomial) -> Monomial:
    """The product of two monomials: powers of shared atoms add up."""
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return frozenset(powers.items())
