"""Numbers that stay symbolic: what they are, how they are added and multiplied, when they are the same.

A value is an `Irrational` (one formula over exact numbers, such as σ(15/2), cheap to make by the
million) or a `Combined` (a polynomial over such values and letters, which a convolution of them
gives). Each has a normal form: a polynomial over a basis in which the known identities (σ(−x) =
1 − σ(x), tanh x = 2σ(2x) − 1, a softmax sums to 1, …) are already used, so that two values whose
normal forms agree are proved equal. Intervals (`enclosure`) prove two values different.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from convscope.core.array import Letter
from convscope.core.expression import (
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Sum,
    as_expression,
)
from convscope.core.number import Exact, Symbolic
from convscope.worked.polynomial import CONSTANT, Atom, Monomial, Polynomial, Scalar


class _Worked(Symbolic):
    """What both kinds of value share."""

    __slots__ = ("_hash", "_normal", "_numeric")

    def __init__(self) -> None:
        self._hash: int | None = None
        self._normal: Polynomial | None = None
        self._numeric: bool | None = None

    @property
    @abstractmethod
    def formula(self) -> Expression:
        """What the value is, over exact numbers."""

    @abstractmethod
    def _parts(self) -> tuple[Exact, ...]:
        """The numbers the formula is over."""

    @abstractmethod
    def _derive_normal(self) -> Polynomial:
        """The normal form, worked out."""

    @property
    def normal(self) -> Polynomial:
        """The value as a polynomial over the basis in which known identities are used."""
        if self._normal is None:
            self._normal = self._derive_normal()
        return self._normal

    @property
    def is_numeric(self) -> bool:
        """True when no letter is left in the formula."""
        if self._numeric is None:
            self._numeric = all(is_numeric(part) for part in self._parts())
        return self._numeric

    def decimal(self, digits: int) -> str:
        """The value with `digits` decimals, correctly rounded."""
        from convscope.worked.enclosure import decimal

        return decimal(self, digits)

    def __float__(self) -> float:
        from convscope.worked.enclosure import nearest_float

        return nearest_float(self)

    def _sympy_(self) -> Any:  # noqa: ANN401 - SymPy's own protocol: ``sympy.sympify(value)``
        from convscope.worked.sympy_form import to_sympy

        return to_sympy(self.formula)


class Irrational(_Worked):
    """A number given by a formula whose leaves are exact numbers.

    Attributes:
        key: what the value is; two values with equal keys are equal.
        order: a strictly increasing function and the argument it was applied to: two values of the
            same function compare as their arguments do. None when the function is not increasing.
        enclosed: the intervals worked out, by their precision; kept because the denominator of a
            softmax is one value in a thousand formulas.
    """

    __slots__ = ("enclosed", "key", "order")

    def __init__(self, key: tuple[Any, ...], order: tuple[object, Exact] | None = None) -> None:
        super().__init__()
        self.key = key
        self.order = order
        self.enclosed: dict[int, Any] | None = None

    @property
    @abstractmethod
    def expression(self) -> Expression:
        """Its name: ``σ(7.5)``."""

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, type(self)) and self.key == other.key)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((type(self), self.key))
        return self._hash

    def __repr__(self) -> str:
        return f"<{self.decimal(6)}…>" if self.is_numeric else f"<{self.expression!r}>"


class Combined(_Worked):
    """A polynomial over letters and `Irrational` values."""

    __slots__ = ("polynomial",)

    def __init__(self, polynomial: Polynomial) -> None:
        super().__init__()
        self.polynomial = polynomial

    @property
    def expression(self) -> Expression:
        """The polynomial, its atoms by their names."""
        return _written(self.polynomial, lambda atom: atom.expression)

    @property
    def formula(self) -> Expression:
        """The polynomial, its atoms as exact numbers."""
        return _written(self.polynomial, Number)

    def _parts(self) -> tuple[Exact, ...]:
        return tuple(self.polynomial.atoms())  # type: ignore[arg-type]

    def _derive_normal(self) -> Polynomial:
        total = Polynomial({})
        for monomial, coefficient in self.polynomial.terms.items():
            term = Polynomial.constant(coefficient)
            for atom, power in monomial:
                term *= normal_form(atom) ** power  # type: ignore[arg-type]
            total += term
        return total

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Combined) and self.polynomial == other.polynomial)

    def __hash__(self) -> int:
        return hash(self.polynomial)

    def __repr__(self) -> str:
        return f"<{self.decimal(6)}…>" if self.is_numeric else f"<{self.expression!r}>"


def is_numeric(value: Exact) -> bool:
    """True for a number that has decimals."""
    return isinstance(value, Fraction) or value.is_numeric


def name_of(value: Exact) -> Expression:
    """How a number is called in a formula: a ratio as it is, ``σ(7.5)``, a letter."""
    return value.expression if isinstance(value, Symbolic) else Number(value)


def normal_form(value: Exact) -> Polynomial:
    """The number as a polynomial over the basis in which known identities are used."""
    match value:
        case Fraction():
            return Polynomial.constant(value)
        case _Worked():
            return value.normal
        case _:
            return Polynomial.of(value)


def known_ratio(value: Exact) -> Fraction | None:
    """The ratio that the value is proved to be: 1 of σ(x) + σ(−x). None where none is known."""
    return normal_form(value).ratio()


# --- into polynomials and back -----------------------------------------------------------------


def lift(value: Exact) -> Polynomial | Fraction:
    """The number as something that adds and multiplies."""
    match value:
        case Fraction():
            return value
        case Combined():
            return value.polynomial
        case _:
            return Polynomial.of(value)


def lower(result: Polynomial | Scalar) -> Exact:
    """The number that a sum of products stands for."""
    if not isinstance(result, Polynomial):
        return Fraction(result)
    ratio = result.ratio()
    if ratio is not None:
        return ratio
    if len(result.terms) == 1:
        ((monomial, coefficient),) = result.terms.items()
        if coefficient == 1 and len(monomial) == 1:
            ((atom, power),) = monomial
            if power == 1:
                return atom  # type: ignore[return-value]
    return Combined(result)


# --- writing a polynomial ----------------------------------------------------------------------


def _written(polynomial: Polynomial, leaf: Callable[[Any], Expression]) -> Expression:
    """The polynomial as a reader would write it: high powers first, letters by name, the constant last."""
    terms = sorted(polynomial.terms.items(), key=lambda term: _rank(term[0]))
    written = [_term(monomial, coefficient, leaf) for monomial, coefficient in terms]
    if not written:
        return as_expression(0)
    return written[0] if len(written) == 1 else Sum(tuple(written))


def _rank(monomial: Monomial) -> tuple[int, list[tuple[tuple[int, str, Fraction], int]]]:
    return -sum(power for _, power in monomial), sorted((_place(atom), -power) for atom, power in monomial)


def _place(atom: Atom) -> tuple[int, str, Fraction]:
    """Letters first, by name; then values by function and argument, as far as that is a ratio."""
    if isinstance(atom, Letter):
        return 0, atom.name, Fraction(0)
    assert isinstance(atom, Irrational)  # noqa: S101 - the only other atoms; tells the type checker
    numbers = [part for part in atom._parts() if isinstance(part, Fraction)]  # noqa: SLF001 - of this module
    return 1, type(atom.key[0]).__name__, numbers[0] if numbers else Fraction(0)


def _term(monomial: Monomial, coefficient: Fraction, leaf: Callable[[Any], Expression]) -> Expression:
    factors: list[Expression] = [
        leaf(atom) if power == 1 else Power(leaf(atom), as_expression(power))
        for atom, power in sorted(monomial, key=lambda part: _place(part[0]))
    ]
    size = abs(coefficient)
    if size != 1 or monomial == CONSTANT:
        factors.insert(0, as_expression(size))
    product = factors[0] if len(factors) == 1 else Product(tuple(factors))
    return Negative(product) if coefficient < 0 else product
