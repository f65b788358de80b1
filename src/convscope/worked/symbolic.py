"""Numbers that stay symbolic: every digit asked for is correct, and comparisons are exact.

A value is a `Formulated` (one formula over exact numbers, such as σ(15/2), cheap to make by the
million) or a `Combined` (a SymPy polynomial over such values and letters, which a convolution of
them gives; SymPy is loaded only then). Both are enclosed in intervals (mpmath) at whatever
precision a question needs; when intervals never part, SymPy is asked whether two values are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

import mpmath

from convscope.core.array import Letter
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
    as_expression,
)
from convscope.core.number import Exact, Symbolic, place_point
from convscope.errors import InputError, UnsupportedError

Interval: TypeAlias = Any  # mpmath carries no types

FLOAT_BITS = 53
# Two values that agree in so many bits and that SymPy cannot prove equal are left undecided.
LAST_PRECISION = 4096


class Formulated(Symbolic):
    """A number given by a formula whose leaves are exact numbers.

    Attributes:
        name: how the value is called in a formula: ``σ(7.5)``.
        formula: what it is.
        order: a function that keeps order and its argument: two values with the same function
            compare as their arguments do; None when it keeps none.
    """

    __slots__ = ("_enclosed", "formula", "name", "order")

    def __init__(
        self, name: Expression, formula: Expression, order: tuple[object, Exact] | None = None
    ) -> None:
        self.name = name
        self.formula = formula
        self.order = order
        # The denominator of a softmax is one value in a thousand formulas: enclosed once.
        self._enclosed: tuple[int, Interval] | None = None

    def enclosed(self) -> Interval:
        """The formula's interval at mpmath's present precision."""
        if self._enclosed is None or self._enclosed[0] != mpmath.iv.prec:
            self._enclosed = (mpmath.iv.prec, _enclose(self.formula))
        return self._enclosed[1]

    @property
    def expression(self) -> Expression:
        """Its name: ``σ(7.5)``."""
        return self.name

    @property
    def is_numeric(self) -> bool:
        """True when no letter is left in the formula."""
        return _is_numeric(self.formula)

    def decimal(self, digits: int) -> str:
        """The value with `digits` decimals, correctly rounded."""
        return _decimal(self, digits)

    def __float__(self) -> float:
        return _nearest_float(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formulated) and self.formula == other.formula

    def __hash__(self) -> int:
        return hash(self.formula)

    def __repr__(self) -> str:
        return f"<{self.decimal(6)}…>" if self.is_numeric else f"<{self.formula!r}>"

    def _sympy_(self) -> Any:  # noqa: ANN401 - SymPy's own protocol
        return to_sympy(self.formula)


class Combined(Symbolic):
    """A SymPy polynomial whose generators are letters and `Formulated` values."""

    __slots__ = ("atoms", "polynomial")

    def __init__(self, polynomial: Any, atoms: dict[Any, Exact]) -> None:  # noqa: ANN401 - SymPy is untyped
        self.polynomial = polynomial
        self.atoms = atoms

    @property
    def expression(self) -> Expression:
        """The polynomial, its generators by their names."""
        return _from_sympy(self.polynomial, lambda symbol: _name_of(self.atoms[symbol]))

    @property
    def formula(self) -> Expression:
        """The polynomial, its generators as exact numbers."""
        return _from_sympy(self.polynomial, lambda symbol: Number(self.atoms[symbol]))

    @property
    def is_numeric(self) -> bool:
        """True when no generator holds a letter."""
        used = self.polynomial.free_symbols
        return all(is_numeric(self.atoms[symbol]) for symbol in used)

    def decimal(self, digits: int) -> str:
        """The value with `digits` decimals, correctly rounded."""
        return _decimal(self, digits)

    def __float__(self) -> float:
        return _nearest_float(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Combined) and bool(self.polynomial == other.polynomial)

    def __hash__(self) -> int:
        return hash(self.polynomial)

    def __repr__(self) -> str:
        return f"<{self.polynomial}>"

    def _sympy_(self) -> Any:  # noqa: ANN401 - SymPy's own protocol
        return self.polynomial.xreplace(
            {symbol: to_sympy(Number(atom)) for symbol, atom in self.atoms.items()}
        )


def is_numeric(value: Exact) -> bool:
    """True for a number that has decimals."""
    return isinstance(value, Fraction) or value.is_numeric


def _name_of(value: Exact) -> Expression:
    return value.expression if isinstance(value, Symbolic) else as_expression(value)


def _is_numeric(node: Expression) -> bool:
    match node:
        case Number():
            return is_numeric(node.value)
        case Symbol():
            return node.name in _CONSTANTS
        case Sum():
            return all(_is_numeric(part) for part in node.terms)
        case Product():
            return all(_is_numeric(part) for part in node.factors)
        case Quotient():
            return _is_numeric(node.numerator) and _is_numeric(node.denominator)
        case Power():
            return _is_numeric(node.base) and _is_numeric(node.exponent)
        case Negative() | Root() | Absolute():
            return _is_numeric(node.argument)
        case Call():
            return all(_is_numeric(part) for part in node.arguments)
        case _:
            return False


# --- enclosing a formula in an interval -------------------------------------------------------


def enclose(value: Exact, bits: int) -> Interval:
    """An interval that holds the value, computed with `bits` of precision."""
    interval = mpmath.iv
    saved = interval.prec
    interval.prec = bits
    try:
        if isinstance(value, Fraction):
            return _ratio(value)
        return _enclose_number(Number(value))
    finally:
        interval.prec = saved


def _ratio(value: Fraction) -> Interval:
    return mpmath.iv.mpf(value.numerator) / value.denominator


def _enclose(node: Expression) -> Interval:
    rule = _ENCLOSE.get(type(node))
    if rule is None:
        raise UnsupportedError(f"a {type(node).__name__} has no interval rule")
    return rule(node)


def _enclose_number(node: Number) -> Interval:
    match node.value:
        case Fraction() as value:
            return _ratio(value)
        case Formulated() as value:
            return value.enclosed()
        case Combined() as value:
            return _enclose(value.formula)
        case value:
            raise InputError(f"'{value!r}' has letters in it; it has no decimal value")


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
        return mpmath.iv.exp(_enclose(node.exponent))
    exponent = node.exponent
    if isinstance(exponent, Number) and isinstance(exponent.value, Fraction):
        base = _enclose(node.base)
        if exponent.value.denominator == 1:
            return base ** int(exponent.value)
        return mpmath.iv.exp(mpmath.iv.log(base) * _ratio(exponent.value))
    raise UnsupportedError("a power has an interval rule for a rational exponent or the base e only")


def _enclose_call(node: Call) -> Interval:
    return _CALLS[node.function](*(_enclose(argument) for argument in node.arguments))


def _interval_erf(x: Interval) -> Interval:
    """Erf is increasing: the images of both ends, each moved outwards by more than mpmath's error."""
    with mpmath.workprec(mpmath.iv.prec + 16):
        slack = mpmath.mpf(2) ** (-mpmath.iv.prec)
        low, high = mpmath.erf(mpmath.mpf(x.a)), mpmath.erf(mpmath.mpf(x.b))
        return mpmath.iv.mpf([low - slack, high + slack])


def _interval_tanh(x: Interval) -> Interval:
    return 1 - 2 / (mpmath.iv.exp(2 * x) + 1)


_CONSTANTS: dict[str, Callable[[], Interval]] = {
    "e": lambda: mpmath.iv.exp(1),
    "π": lambda: mpmath.iv.pi + 0,
}
_CALLS: dict[str, Callable[..., Interval]] = {
    "ln": mpmath.iv.log,
    "erf": _interval_erf,
    "tanh": _interval_tanh,
}
_ENCLOSE: dict[type[Expression], Callable[[Any], Interval]] = {
    Number: _enclose_number,
    Symbol: _enclose_symbol,
    Sum: lambda node: sum((_enclose(term) for term in node.terms), mpmath.iv.mpf(0)),
    Product: _enclose_product,
    Quotient: lambda node: _enclose(node.numerator) / _enclose(node.denominator),
    Negative: lambda node: -_enclose(node.argument),
    Power: _enclose_power,
    Root: lambda node: mpmath.iv.sqrt(_enclose(node.argument)),
    Absolute: lambda node: abs(_enclose(node.argument)),
    Call: _enclose_call,
}


def _fraction(end: Any) -> Fraction:  # noqa: ANN401 - an mpmath number
    sign, mantissa, exponent, _ = mpmath.mpf(end)._mpf_
    power = int(exponent)
    value = Fraction(int(mantissa) << max(power, 0), 1 << max(-power, 0))
    return -value if sign else value


def _ends(interval: Interval) -> tuple[Fraction, Fraction]:
    return _fraction(interval.a), _fraction(interval.b)


def _decimal(value: Symbolic, digits: int) -> str:
    """Widen the precision until both ends of the interval round to the same decimal."""
    if digits < 0:
        raise InputError(f"digits={digits} is negative; digits may be 0 or more")
    scale = 10**digits
    bits = int(digits * 3.33) + 64
    while True:
        interval = enclose(value, bits)
        if mpmath.isfinite(interval.a) and mpmath.isfinite(interval.b):
            low, high = _ends(interval)
            if round(low * scale) == round(high * scale) or bits > LAST_PRECISION + 4 * digits:
                # Still apart: the value is itself half-way between two decimals, as the
                # middle of the interval is; round it half to even as any other number.
                middle = (
                    low
                    if round(low * scale) == round(high * scale)
                    else Fraction(round((low + high) * scale), 2 * scale)
                )
                return place_point(round(middle * scale), digits)
        bits *= 2


def _nearest_float(value: Symbolic) -> float:
    bits = FLOAT_BITS + 24
    while True:
        low, high = _ends(enclose(value, bits))
        if float(low) == float(high) or bits > LAST_PRECISION:
            return float(low)
        bits *= 2


# --- comparing --------------------------------------------------------------------------------


def compare(a: Exact, b: Exact) -> int:
    """-1, 0 or 1 as `a` is below, equal to or above `b`, decided exactly.

    Raises:
        InputError: letters cannot be compared.
        UnsupportedError: the two agree in thousands of bits and could not be proved equal.
    """
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return (a > b) - (a < b)
    if a is b or a == b:
        return 0
    for value in (a, b):
        if not is_numeric(value):
            raise InputError("letters have no order, so their values cannot be compared or pooled")
    if (
        isinstance(a, Formulated)
        and isinstance(b, Formulated)
        and a.order
        and b.order
        and a.order[0] == b.order[0]
    ):
        return compare(a.order[1], b.order[1])
    bits = FLOAT_BITS
    while bits <= LAST_PRECISION:
        left, right = enclose(a, bits), enclose(b, bits)
        if left.b < right.a:
            return -1
        if left.a > right.b:
            return 1
        if bits > 4 * FLOAT_BITS and _proved_equal(a, b):
            return 0
        bits *= 2
    raise UnsupportedError(
        f"two values agree in {LAST_PRECISION} bits but could not be proved equal: {a!r} and {b!r}"
    )


@lru_cache(maxsize=256)
def _proved_equal(a: Exact, b: Exact) -> bool:
    import sympy

    difference = sympy.sympify(to_sympy(Number(a)) - to_sympy(Number(b)))
    # After one layer of exponentials the values are rational functions of powers of e, which
    # are transcendental: equal exactly when `simplify` brings the difference to zero.
    return bool(sympy.simplify(difference.rewrite(sympy.exp)) == 0)


# --- SymPy ------------------------------------------------------------------------------------


def to_sympy(node: Expression) -> Any:  # noqa: ANN401 - SymPy is untyped
    """The formula as a SymPy expression."""
    rule = _TO_SYMPY.get(type(node))
    if rule is None:
        raise UnsupportedError(f"a {type(node).__name__} has no SymPy form")
    return rule(node)


def _number_to_sympy(node: Number) -> Any:  # noqa: ANN401 - SymPy is untyped
    import sympy

    if isinstance(node.value, Fraction):
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if isinstance(node.value, Letter):
        return sympy.Symbol(node.value.name)
    return node.value._sympy_()  # type: ignore[attr-defined]


def _symbol_to_sympy(node: Symbol) -> Any:  # noqa: ANN401 - SymPy is untyped
    import sympy

    return {"e": sympy.E, "π": sympy.pi}.get(node.name) or sympy.Symbol(node.name)


def _call_to_sympy(node: Call) -> Any:  # noqa: ANN401 - SymPy is untyped
    import sympy

    functions = {"ln": sympy.log, "erf": sympy.erf, "tanh": sympy.tanh, "max": sympy.Max, "min": sympy.Min}
    return functions[node.function](*(to_sympy(argument) for argument in node.arguments))


def _product_to_sympy(node: Product) -> Any:  # noqa: ANN401 - SymPy is untyped
    return math.prod(to_sympy(factor) for factor in node.factors)


_TO_SYMPY: dict[type[Expression], Callable[[Any], Any]] = {
    Number: _number_to_sympy,
    Symbol: _symbol_to_sympy,
    Sum: lambda node: sum(to_sympy(term) for term in node.terms),
    Product: _product_to_sympy,
    Quotient: lambda node: to_sympy(node.numerator) / to_sympy(node.denominator),
    Negative: lambda node: -to_sympy(node.argument),
    Power: lambda node: to_sympy(node.base) ** to_sympy(node.exponent),
    Root: lambda node: to_sympy(node.argument) ** (to_sympy(as_expression(1)) / 2),
    Absolute: lambda node: abs(to_sympy(node.argument)),
    Call: _call_to_sympy,
}


class Ring:
    """Exact numbers as SymPy polynomials, so that arrays of them can be added and multiplied.

    Letters and `Formulated` values become generators, one symbol each; `lower` turns a result
    back into a number.
    """

    def __init__(self) -> None:
        self._symbols: dict[Exact, Any] = {}

    def lift(self, value: Exact) -> Any:  # noqa: ANN401 - SymPy is untyped
        """The number as a SymPy expression over the generators."""
        import sympy

        if isinstance(value, Fraction):
            return sympy.Rational(value.numerator, value.denominator)
        if isinstance(value, Combined):
            return value.polynomial.xreplace(
                {symbol: self.lift(atom) for symbol, atom in value.atoms.items()}
            )
        if value not in self._symbols:
            # A letter keeps its name, so that SymPy sorts terms as a reader would.
            name = value.name if isinstance(value, Letter) else f"\x00{len(self._symbols)}"
            self._symbols[value] = sympy.Symbol(name)
        return self._symbols[value]

    def lower(self, result: Any) -> Exact:  # noqa: ANN401 - SymPy is untyped
        """The number that a SymPy expression over the generators stands for."""
        import sympy

        polynomial = sympy.expand(result)
        if polynomial.is_Rational:
            return Fraction(int(polynomial.p), int(polynomial.q))
        if polynomial.is_Symbol:
            return next(value for value, symbol in self._symbols.items() if symbol == polynomial)
        used = polynomial.free_symbols
        return Combined(
            polynomial, {symbol: value for value, symbol in self._symbols.items() if symbol in used}
        )


def _from_sympy(node: Any, leaf: Callable[[Any], Expression]) -> Expression:  # noqa: ANN401 - SymPy is untyped
    if node.is_Rational:
        return as_expression(Fraction(int(node.p), int(node.q)))
    if node.is_Symbol:
        return leaf(node)
    if node.is_Add:
        return Sum(tuple(_signed(term, leaf) for term in node.as_ordered_terms()))
    if node.is_Mul:
        return _signed(node, leaf)
    if node.is_Pow:
        return Power(_from_sympy(node.base, leaf), _from_sympy(node.exp, leaf))
    raise UnsupportedError(f"SymPy's {type(node).__name__} is no polynomial")


def _signed(term: Any, leaf: Callable[[Any], Expression]) -> Expression:  # noqa: ANN401 - SymPy is untyped
    if not term.is_Mul:
        return _from_sympy(term, leaf)
    coefficient, rest = term.as_coeff_Mul()
    factors = [_from_sympy(part, leaf) for part in rest.as_ordered_factors()]
    if abs(coefficient) != 1:
        factors.insert(0, as_expression(Fraction(int(abs(coefficient).p), int(abs(coefficient).q))))
    product = factors[0] if len(factors) == 1 else Product(tuple(factors))
    return Negative(product) if coefficient < 0 else product
