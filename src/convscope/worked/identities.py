"""What is known to be equal: each function written over a basis, its identities used up.

Every function here takes and gives a `Polynomial` whose atoms are basis elements: tuples that name a
function and its argument. The arguments are brought to one sign, one reference, one square-free
radicand, so that two values which an identity makes equal get the same polynomial. For sums of
sigmoids, exponentials or square roots of ratios the basis is linearly independent over the ratios (by
the theorem of Lindemann and Weierstrass for the first two), so different polynomials are different
numbers; elsewhere a missed identity only leaves a question open, it never answers it wrongly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from convscope.worked.polynomial import Polynomial

# Square factors are looked for among these divisors; a larger one is found where it is all that is left.
SMALL_DIVISORS = 1000
MOST_BITS = 4096


def _below_zero(u: Polynomial) -> tuple[Polynomial, bool]:
    """`u` or −`u`, whichever both of them are brought to, and whether it is −`u`.

    Of ratios it is the one below zero: there the functions here are small, so that the difference of
    two numbers near 1, such as σ(10⁶) and 1, is enclosed as sharply as the numbers themselves are.
    """
    turned, ratio = -u, u.ratio()
    if ratio is not None:
        return (turned, True) if ratio > 0 else (u, False)
    return (turned, True) if hash(turned) < hash(u) else (u, False)


def step(name: str, u: Polynomial) -> Polynomial:
    """A function that climbs from 0 to 1 (σ, the normal distribution), using f(−u) = 1 − f(u)."""
    if not u:
        return Polynomial.constant(Fraction(1, 2))
    argument, turned = _below_zero(u)
    basis = Polynomial.of((name, argument))
    return 1 - basis if turned else basis


def sigmoid(u: Polynomial) -> Polynomial:
    """The number σ(u)."""
    return step("sigmoid", u)


def tanh(u: Polynomial) -> Polynomial:
    """Tanh u = 2σ(2u) − 1."""
    return sigmoid(u * 2) * 2 - 1


def softplus(u: Polynomial) -> Polynomial:
    """The logarithm of 1 + e^u; that of 1 + e^(−u) is u less."""
    if not u:
        return Polynomial.of(("ln", 2))
    argument, turned = _below_zero(u)
    basis = Polynomial.of(("softplus", argument))
    return u + basis if turned else basis


def exponential(u: Polynomial) -> Polynomial:
    """e^u."""
    return Polynomial.of(("exp", u)) if u else Polynomial.constant(1)


def odd(name: str, u: Polynomial) -> Polynomial:
    """An odd function, using f(−u) = −f(u)."""
    if not u:
        return u
    argument, turned = _below_zero(u)
    basis = Polynomial.of((name, argument))
    return -basis if turned else basis


def root(degree: int, u: Polynomial) -> Polynomial:
    """The root of a number that is not negative: a ratio times the root of a whole number."""
    ratio = u.ratio()
    if ratio is None:
        return Polynomial.of(("root", degree, u))
    if ratio.numerator.bit_length() + ratio.denominator.bit_length() > MOST_BITS:
        return Polynomial.of(("root", degree, ratio))
    outside, inside = _powers_out(ratio.numerator * ratio.denominator ** (degree - 1), degree)
    scale = Fraction(outside, ratio.denominator)
    return Polynomial.constant(scale) if inside == 1 else Polynomial.of(("root", degree, inside)) * scale


def _powers_out(whole: int, degree: int) -> tuple[int, int]:
    """Numbers a and b with ``whole = a**degree · b``, b as small as small divisors make it."""
    outside = 1
    for divisor in range(2, SMALL_DIVISORS):
        power = divisor**degree
        if power > whole:
            break
        while whole % power == 0:
            whole, outside = whole // power, outside * divisor
    last = integer_root(whole, degree)
    return (outside, whole) if last is None else (outside * last, 1)


def integer_root(value: int, degree: int) -> int | None:
    """The whole root by Newton's method on integers, or None when there is none.

    >>> integer_root(27, 3), integer_root(28, 3)
    (3, None)
    """
    if value < 2 or degree == 1:
        return value
    if value.bit_length() <= degree:
        return None  # below 2**degree, so between 1 and 2
    guess = 1 << -(-value.bit_length() // degree)
    while (lower := ((degree - 1) * guess + value // guess ** (degree - 1)) // degree) < guess:
        guess = lower
    return guess if guess**degree == value else None


# --- along a line ------------------------------------------------------------------------------


def _largest(line: Counter[Polynomial]) -> Polynomial:
    """One member of a line: the largest where all are ratios, else one that no order of the line changes."""
    ratios = {v: v.ratio() for v in line}
    if any(ratio is None for ratio in ratios.values()):
        return max(line, key=lambda v: hash(_seen_from(line, v)))
    return max(line, key=lambda v: ratios[v] or Fraction(0))


def _seen_from(line: Counter[Polynomial], place: Polynomial) -> frozenset[tuple[Polynomial, int]]:
    """The line's distinct numbers less one of them, with how often each stands there: no shift changes it."""
    return frozenset((u - place, count) for u, count in line.items())


def share(values: Sequence[Polynomial], u: Polynomial) -> Polynomial:
    """e^u over the sum of e^v for the values v of a line, using that the shares of a line sum to 1."""
    line = Counter(values)
    if len(line) == 1:
        return Polynomial.constant(Fraction(1, len(values)))
    if len(line) == 2 and len(set(line.values())) == 1:
        other = next(v for v in line if v != u)
        return sigmoid(u - other) * Fraction(1, line[u])
    last = _largest(line)
    if u != last:
        return Polynomial.of(("share", _seen_from(line, u)))
    rest = sum(
        (Polynomial.of(("share", _seen_from(line, v))) * count for v, count in line.items() if v != last),
        start=Polynomial({}),
    )
    return (1 - rest) * Fraction(1, line[last])


def log_share(values: Sequence[Polynomial], u: Polynomial) -> Polynomial:
    """The logarithm of a share, written from one member of the line."""
    line = Counter(values)
    if len(line) == 1:
        return -Polynomial.of(("ln", len(values))) if len(values) > 1 else Polynomial({})
    if len(values) == 2:
        return -softplus(next(v for v in line if v != u) - u)
    reference = _largest(line)
    return u - reference - Polynomial.of(("log share", _seen_from(line, reference)))
