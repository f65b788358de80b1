"""How a size is written: ⌊(H − 1)/32⌋ + 1, and products as products where its terms allow it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from convscope.core.expression import (
    Call,
    Expression,
    Floor,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
    as_expression,
    precedence,
)

if TYPE_CHECKING:
    from convscope.core.size import Atom, Monomial, Rational, Size

    Terms: TypeAlias = Mapping[Monomial, Rational]


def written(size: Size) -> Expression:
    """The size as a formula: its common factor, then products of two lengths, then what is left."""
    common, terms = _without_common(size.terms)
    products, rest = _products(terms)
    parts = [*products, *_sum_parts(rest)]
    whole = parts[0] if len(parts) == 1 else Sum(tuple(parts))
    return _times(common, whole) if common else whole


def _without_common(terms: Terms) -> tuple[list[Expression], Terms]:
    """Atoms that every term has, and the terms without them."""
    if len(terms) < 2 or () in terms:
        return [], terms
    first, *others = (dict(monomial) for monomial in terms)
    shared = {a: min(p, *(o.get(a, 0) for o in others)) for a, p in first.items()}
    shared = {atom: power for atom, power in shared.items() if power}
    if not shared:
        return [], terms
    left = {
        tuple((a, p - shared.get(a, 0)) for a, p in monomial if p > shared.get(a, 0)): coefficient
        for monomial, coefficient in terms.items()
    }
    return [_power(atom, power) for atom, power in shared.items()], left


def _products(terms: Terms) -> tuple[list[Expression], Terms]:
    """Terms such as c·F·G + c·a·F + c·b·G as c·(F + b)·(G + a), and the terms that are left."""
    rest = dict(terms)
    pairs = [m for m in terms if len(m) == 2 and m[0][1] == m[1][1] == 1]
    uses: dict[Atom, int] = {}
    for monomial in terms:
        if sum(power for _atom, power in monomial) > 1:
            for atom, _power in monomial:
                uses[atom] = uses.get(atom, 0) + 1
    found: list[Expression] = []
    for pair in pairs:
        (left, _), (right, _) = pair
        by = Fraction(rest[pair])
        shift_left = Fraction(rest.get(((right, 1),), 0)) / by
        shift_right = Fraction(rest.get(((left, 1),), 0)) / by
        if uses[left] > 1 or uses[right] > 1 or shift_left.denominator > 1 or shift_right.denominator > 1:
            continue
        for gone in (pair, ((left, 1),), ((right, 1),)):
            rest.pop(gone, None)
        constant = rest.pop((), 0) - by * shift_left * shift_right
        if constant:
            rest[()] = constant
        factors = [_shifted(left, shift_left), _shifted(right, shift_right)]
        if by < 0:
            found.append(Negative(_times(_coefficient(-by), Product(tuple(factors)))))
        else:
            found.append(_times(_coefficient(by), Product(tuple(factors))))
    return found, rest


def _coefficient(value: Fraction) -> list[Expression]:
    return [] if value == 1 else [Number(value)]


def _times(factors: list[Expression], last: Expression) -> Expression:
    flat = last.factors if isinstance(last, Product) else (last,)
    whole = (*factors, *flat)
    return whole[0] if len(whole) == 1 else Product(whole)


def _shifted(atom: Atom, shift: Rational) -> Expression:
    """A floor plus a whole number: as ⌊…⌋ + 1 where the numbers allow it, as sizes are mostly written."""
    numerator: Any = getattr(atom, "numerator", None)
    if numerator is not None and numerator.constant:
        denominator = atom.denominator  # type: ignore[union-attr]  # a floor
        inside = numerator + denominator * (int(shift) - 1)
        return Sum(
            (Floor(Quotient(as_expression(inside), Number(Fraction(denominator)))), Number(Fraction(1)))
        )
    parts = [_power(atom, 1), *_sum_parts({(): shift} if shift else {})]
    return parts[0] if len(parts) == 1 else Sum(tuple(parts))


def _sum_parts(terms: Terms) -> list[Expression]:
    atoms = [monomial for monomial in terms if monomial]
    if len(atoms) == 1 and len(atoms[0]) == 1 and atoms[0][0][1] == 1 and terms[atoms[0]] == 1:
        constant = terms.get((), 0)
        if Fraction(constant).denominator == 1 and getattr(atoms[0][0][0], "numerator", None) is not None:
            shifted = _shifted(atoms[0][0][0], constant)
            return list(shifted.terms) if isinstance(shifted, Sum) else [shifted]
    ordered = sorted(terms.items(), key=_place)
    return [_term(monomial, coefficient) for monomial, coefficient in ordered]


def _place(term: tuple[Monomial, Rational]) -> tuple[int, tuple[str, ...]]:
    monomial = term[0]
    return -sum(power for _atom, power in monomial), tuple(atom.key for atom, _power in monomial)


def _term(monomial: Monomial, coefficient: Rational) -> Expression:
    if not monomial:
        value = Fraction(coefficient)
        return Negative(Number(-value)) if value < 0 else Number(value)
    factors = [_power(atom, power) for atom, power in monomial]
    whole = _times(_coefficient(abs(Fraction(coefficient))), Product(tuple(factors)))
    whole = whole.factors[0] if isinstance(whole, Product) and len(whole.factors) == 1 else whole
    return Negative(whole) if coefficient < 0 else whole


def _power(atom: Atom, power: int) -> Expression:
    base = _atom(atom)
    return base if power == 1 else Power(base, Number(Fraction(power)))


def _atom(atom: Any) -> Expression:  # noqa: ANN401 - the three kinds are known by their fields
    if hasattr(atom, "name"):
        return Symbol(atom.name)
    if hasattr(atom, "numerator"):
        return Floor(Quotient(as_expression(atom.numerator), Number(Fraction(atom.denominator))))
    return Call(atom.kind, (as_expression(atom.first), as_expression(atom.second)))


# --- on one line ------------------------------------------------------------------------------


def plain(node: Expression) -> str:
    """A size's formula on one line, as `str` writes it."""
    match node:
        case Number():
            return str(node.value)
        case Symbol():
            return node.name
        case Sum():
            first, *others = node.terms
            return plain(first) + "".join(
                f" − {_inside(t.argument, 2)}" if isinstance(t, Negative) else f" + {plain(t)}"
                for t in others
            )
        case Negative():
            return f"−{_inside(node.argument, 2)}"
        case Product():
            return "·".join(_inside(factor, 3) for factor in node.factors)
        case Quotient():
            return f"{_inside(node.numerator, 2)}/{_inside(node.denominator, 4)}"
        case Power():
            return f"{_inside(node.base, 5)}^{_inside(node.exponent, 5)}"
        case Floor():
            return f"⌊{plain(node.argument)}⌋"
        case Call():
            return f"{node.function}({', '.join(map(plain, node.arguments))})"
        case _:
            raise TypeError(f"a size holds no {type(node).__name__}")


def _inside(node: Expression, least: int) -> str:
    shown = plain(node)
    return f"({shown})" if precedence(node) < least else shown
