"""The value of a formula, worked out from its tree by nothing but this file, Fractions and mpmath."""

from fractions import Fraction

import mpmath

from convscope.core.expression import (
    Absolute,
    Call,
    Elided,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Sum,
    Symbol,
)

DIGITS = 60


def real(value):
    return (
        mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else mpmath.mpf(value)
    )


def softplus(x):
    return mpmath.log(1 + mpmath.exp(x))


FUNCTIONS = {
    "ln": mpmath.log,
    "erf": mpmath.erf,
    "tanh": mpmath.tanh,
    "σ": lambda x: 1 / (1 + mpmath.exp(-x)),
    "logsigmoid": lambda x: -softplus(-x),
    "softplus": softplus,
    "SiLU": lambda x: x / (1 + mpmath.exp(-x)),
    "GELU": lambda x: x * mpmath.ncdf(x),
    "softsign": lambda x: x / (1 + abs(x)),
}
EXACT = {
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
    "ReLU": lambda x: max(x, 0),
    "ReLU6": lambda x: min(max(x, 0), 6),
    "identity": lambda x: x,
    "dropout": lambda x: x,
}


class HiddenTermsError(Exception):
    """Terms were left out in the middle, so the formula cannot be worked out from what is shown."""


def product(values):
    total = Fraction(1)
    for value in values:
        total = (
            total * value
            if isinstance(total, Fraction) and isinstance(value, Fraction)
            else real(total) * real(value)
        )
    return total


def total_of(values):
    if all(isinstance(value, Fraction) for value in values):
        return sum(values, Fraction(0))
    return mpmath.fsum(map(real, values))


def power(base, exponent):
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        return base ** int(exponent)
    return mpmath.power(real(base), real(exponent))


def value_of(node, functions=None):
    """A Fraction where every step is rational, else an mpmath number of 60 digits."""
    known = {**EXACT, **FUNCTIONS, **(functions or {})}

    def go(node):  # noqa: PLR0912 - one case a node type
        match node:
            case Number(value=Fraction() as value):
                return value
            case Number(value=value):
                return mpmath.mpf(value.decimal(DIGITS + 5))
            case Symbol(name="e"):
                return mpmath.e + 0
            case Symbol(name="π"):
                return mpmath.pi + 0
            case Sum():
                return total_of([go(term) for term in node.terms])
            case Product():
                return product([go(factor) for factor in node.factors])
            case Quotient():
                top, bottom = go(node.numerator), go(node.denominator)
                if isinstance(top, Fraction) and isinstance(bottom, Fraction):
                    return top / bottom
                return real(top) / real(bottom)
            case Negative():
                return -go(node.argument)
            case Power():
                return power(go(node.base), go(node.exponent))
            case Root():
                return mpmath.sqrt(real(go(node.argument)))
            case Absolute():
                return abs(go(node.argument))
            case Call():
                arguments = [go(argument) for argument in node.arguments]
                if node.function in FUNCTIONS and node.function not in (functions or {}):
                    arguments = [real(argument) for argument in arguments]
                return known[node.function](*arguments)
            case Elided():
                raise HiddenTermsError
            case _:
                raise TypeError(type(node).__name__)

    with mpmath.workdps(DIGITS):
        return go(node)


def agree(a, b):
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    with mpmath.workdps(DIGITS):
        a, b = real(a), real(b)
        return abs(a - b) <= mpmath.mpf(10) ** (5 - DIGITS) * (1 + abs(a))


def check_chain(relation, functions=None):
    """Every part of the chain after the cell's name has one value, which is returned with the name."""
    assert isinstance(relation, Relation)
    assert set(relation.signs) <= {"="}
    name, *parts = relation.parts
    values = []
    for part in parts:
        try:
            values.append(value_of(part, functions))
        except HiddenTermsError:
            continue
    assert values
    for value in values:
        assert agree(value, values[-1]), (relation, values)
    return name, values[-1]
