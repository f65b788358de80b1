"""The derivative of each activation, said once: its formula, how large it can be, where it is small.

Values are exact. At a kink, where there is no derivative, the slope is the outer piece's: 0 for ReLU at
0, as in PyTorch and every other framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from convscope.core import pointwise
from convscope.core.expression import (
    Absolute,
    Call,
    Expression,
    Negative,
    Number,
    Power,
    Root,
    Symbol,
    as_expression,
)
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.errors import InputError, UnsupportedError
from convscope.worked.comparison import compare
from convscope.worked.functions import FUNCTIONS, Piece, exponential, logarithm
from convscope.worked.named import Crossing, Named
from convscope.worked.pointwise import root_of
from convscope.worked.symbolic import is_numeric, lift, lower

ZERO, ONE = Fraction(0), Fraction(1)
X = Symbol("x")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the number line: from `low` to `high`, None where it has no end.

    Attributes:
        low, high: the ends, exact.
        closed: the ends belong to it.
    """

    low: Exact | None
    high: Exact | None
    closed: bool = False

    def __contains__(self, x: Exact | int) -> bool:
        """True when the number lies in it, decided exactly."""
        value = Fraction(x) if isinstance(x, int) else x
        least = 0 if self.closed else 1
        return (self.low is None or compare(value, self.low) >= least) and (
            self.high is None or compare(self.high, value) >= least
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """The least number that no |f′(x)| exceeds.

    Attributes:
        value: the number.
        at: an x where it is reached; None where it is only come near to, or is reached on a whole piece.
        where: the same in words.
        is_reached: some x has it.
    """

    value: Exact
    at: Exact | None
    where: str
    is_reached: bool = True


@dataclass(frozen=True, slots=True)
class Slope:
    """What is known of one activation's derivative.

    Attributes:
        formula: from the layer and x to f′(x), where the function is no straight piece.
        bound: from the layer to the largest |f′|.
        small: from the layer and a threshold in (0, 1) to where |f′| is below it, in order.
        exact: from the layer and a ratio to the slope where that is a ratio too, else None.
    """

    formula: Callable[[Any, Expression], Expression]
    bound: Callable[[Any], Bound]
    small: Callable[[Any, Fraction], tuple[Stretch, ...]]
    exact: Callable[[Any, Fraction], Fraction | None] = lambda _layer, _x: None


WHOLE = (Stretch(None, None),)


def _number(value: Fraction | int) -> Expression:
    return as_expression(value)


def _squared(node: Expression) -> Expression:
    return Power(node, _number(2))


def _log(formula: Expression, ratio: Fraction | None = None) -> Exact:
    """The logarithm of a number: 0 of 1."""
    return ZERO if ratio == 1 else Named(logarithm(formula), logarithm(formula))


def _minus(value: Exact) -> Exact:
    if isinstance(value, Fraction):
        return -value
    if isinstance(value, Named):
        return Named(Negative(value.name), Negative(value.formula))
    return lower(-lift(value))


def _outside(edge: Exact, *, below: Fraction, bound: Fraction) -> tuple[Stretch, ...]:
    """Both tails of an even derivative with its only peak at 0."""
    if below > bound:
        return WHOLE
    return Stretch(None, _minus(edge)), Stretch(edge, None)


# --- smooth functions with a peak at 0 ----------------------------------------------------------


def sigmoid_slope(_: Layer, x: Expression) -> Expression:
    """e^(−x)/(1 + e^(−x))², which is σ(x)(1 − σ(x))."""
    return exponential(-x) / _squared(_number(1) + exponential(-x))


def _sigmoid_small(_: Layer, below: Fraction) -> tuple[Stretch, ...]:
    if below >= Fraction(1, 4):
        return WHOLE if below > Fraction(1, 4) else (Stretch(None, ZERO), Stretch(ZERO, None))
    root = Root(Number(1 - 4 * below))
    edge = _log((_number(1 - 2 * below) + root) / Number(2 * below))
    return _outside(edge, below=below, bound=Fraction(1, 4))


def tanh_slope(_: Layer, x: Expression) -> Expression:
    """4/(e^x + e^(−x))², which is 1 − tanh²(x)."""
    return _number(4) / _squared(exponential(x) + exponential(-x))


def _tanh_small(_: Layer, below: Fraction) -> tuple[Stretch, ...]:
    edge = _log((_number(1) + Root(Number(1 - below))) / Root(Number(below)))
    return _outside(edge, below=below, bound=ONE)


def softsign_slope(_: Layer, x: Expression) -> Expression:
    """1/(1 + |x|)²."""
    return _number(1) / _squared(_number(1) + Absolute(x))


def _softsign_small(_: Layer, below: Fraction) -> tuple[Stretch, ...]:
    edge = lower(lift(root_of(1 / below, 2)) - 1)
    return _outside(edge, below=below, bound=ONE)


# --- smooth functions that climb to a straight line ---------------------------------------------


def softplus_slope(layer: pointwise.Softplus, x: Expression) -> Expression:
    """σ(beta · x)."""
    inner = x if layer.beta == 1 else Number(layer.beta) * x
    return _number(1) / (_number(1) + exponential(-inner))


def _softplus_small(layer: pointwise.Softplus, below: Fraction) -> tuple[Stretch, ...]:
    odds = below / (1 - below)
    edge: Exact = _log(Number(odds), odds)
    if layer.beta != 1 and isinstance(edge, Named):
        edge = Named(edge.name / Number(layer.beta), edge.formula / Number(layer.beta))
    return (Stretch(None, edge),)


def logsigmoid_slope(_: Layer, x: Expression) -> Expression:
    """σ(−x)."""
    return _number(1) / (_number(1) + exponential(x))


def _logsigmoid_small(_: Layer, below: Fraction) -> tuple[Stretch, ...]:
    odds = (1 - below) / below
    return (Stretch(_log(Number(odds), odds), None),)


def exponential_slope(scale: Callable[[Any], Fraction]) -> Callable[[Any, Expression], Expression]:
    """Of an exponential unit below zero: its scale times e^x."""
    return lambda layer, x: Number(scale(layer)) * exponential(x)


def _exponential_small(scale: Fraction, above: Fraction, below: Fraction) -> tuple[Stretch, ...]:
    """Where scale · e^x is small, x ≤ 0; above zero the slope is a constant."""
    flat_above = (Stretch(ZERO, None),) if above < below else ()
    size = abs(scale)
    if size < below:
        return WHOLE if flat_above else (Stretch(None, ZERO, closed=True),)
    edge = _log(Number(below / size), below / size)
    return (Stretch(None, edge), *flat_above)


def _exponential_bound(scale: Fraction, above: Fraction) -> Bound:
    if abs(scale) > above:
        return Bound(abs(scale), ZERO, "at x = 0, from below")
    return Bound(above, None, "for every x > 0")


# --- functions that dip: SiLU and GELU ------------------------------------------------------------

# To the left of this the slopes of these are below any threshold that may be asked for.
FAR = Fraction(300)


@dataclass(frozen=True, slots=True)
class _Dipping:
    """f(x) = x · S(x) with S(−x) = 1 − S(x): f′ falls to 1 − m, climbs to m, and falls to 1.

    Attributes:
        slope: the formula of f′.
        peak: where f′ is largest; it is smallest at minus that.
        most: f′ there.
    """

    slope: Callable[[Expression], Expression]
    peak: Exact
    most: Exact

    def small(self, key: str, below: Fraction) -> tuple[Stretch, ...]:
        """The tail on the left, and the part round the place where f′ changes its sign."""
        # A ratio next to the peak: no threshold is crossed between the two.
        near = Fraction(round(float(self.peak) * 2**40), 2**40)
        rising = self._crossing(key, below, -near, near, rises=True)
        if compare(self.most, 1 + below) < 0:
            return (Stretch(None, rising),)
        tail = self._crossing(key, -below, -FAR, -near, rises=False)
        back = self._crossing(key, -below, -near, near, rises=True)
        return Stretch(None, tail), Stretch(back, rising)

    def _crossing(self, key: str, level: Fraction, low: Fraction, high: Fraction, *, rises: bool) -> Exact:
        if level == Fraction(1, 2):  # of x · S(x), at 0
            return ZERO
        return Crossing(X, (key, level), lambda x: self.slope(x) - Number(level), low, high, rises=rises)


def silu_slope(_: Layer, x: Expression) -> Expression:
    """σ(x)(1 + x(1 − σ(x))), written with e^(−x)."""
    power = exponential(-x)
    return (_number(1) + power + x * power) / _squared(_number(1) + power)


@cache
def _silu() -> _Dipping:
    # f″ = σ′(x)(2 − x · tanh(x/2)); where it is zero, σ = (1 + 2/x)/2 and f′ = (x + 2)/4.
    peak = Crossing(
        X,
        ("SiLU peak",),
        lambda x: x * Call("tanh", (x / 2,)) - _number(2),
        Fraction(2),
        Fraction(3),
        rises=True,
    )
    most = Named((Number(peak) + _number(2)) / 4, (Number(peak) + _number(2)) / 4)
    return _Dipping(lambda x: silu_slope(pointwise.SiLU(), x), peak, most)


def gelu_slope(layer: pointwise.GELU, x: Expression) -> Expression:
    """Φ(x) + x · φ(x); of the approximation, the derivative of its own formula."""
    if layer.approximate == "none":
        density = exponential(-(_squared(x) / 2)) / Root(_number(2) * Symbol("π"))
        return (_number(1) + Call("erf", (x / Root(_number(2)),))) / 2 + x * density
    turned = exponential(-(_number(2) * _gelu_inner(x)))
    steep = _number(2) * _gelu_rate(x)
    return _number(1) / (_number(1) + turned) + x * steep * turned / _squared(_number(1) + turned)


CUBIC = Fraction("0.044715")  # Hendrycks and Gimpel (2016), section 2


def _gelu_inner(x: Expression) -> Expression:
    return Root(_number(2) / Symbol("π")) * (x + Number(CUBIC) * Power(x, _number(3)))


def _gelu_rate(x: Expression) -> Expression:
    """The derivative of `_gelu_inner`."""
    return Root(_number(2) / Symbol("π")) * (_number(1) + Number(3 * CUBIC) * _squared(x))


def _gelu_curvature(x: Expression) -> Expression:
    """The second derivative of the approximated GELU, without the factor σ′ that is never zero.

    With S = σ(u), u = 2g(x): f″ = 2u′S′ + x(u″S′ + u′²S″), and S″ = S′(1 − 2S) = −S′ · tanh(u/2).
    """
    rate = _number(2) * _gelu_rate(x)
    bend = _number(2) * Root(_number(2) / Symbol("π")) * Number(6 * CUBIC) * x
    return _number(2) * rate + x * (bend - _squared(rate) * Call("tanh", (_gelu_inner(x),)))


@cache
def _gelu(layer: pointwise.GELU) -> _Dipping:
    def slope(x: Expression) -> Expression:
        return gelu_slope(layer, x)

    if layer.approximate == "none":  # f″ = φ(x)(2 − x²)
        most = (_number(1) + Call("erf", (_number(1),))) / 2 + exponential(_number(-1)) / Root(Symbol("π"))
        return _Dipping(slope, root_of(Fraction(2), 2), Named(most, most))
    peak = Crossing(X, ("GELU tanh peak",), _gelu_curvature, ONE, Fraction(2), rises=False)
    most = slope(Number(peak))
    return _Dipping(slope, peak, Named(Call("GELU′", (Number(peak),)), most))


# --- straight pieces ----------------------------------------------------------------------------


def pieces_of(layer: Layer) -> tuple[Piece, ...] | None:
    """The activation's straight pieces; None where it has none."""
    found = FUNCTIONS[type(layer)].pieces
    return None if found is None else found(layer)


def piece_words(low: Fraction | None, high: Fraction | None) -> str:
    """The inside of a piece: ``0 < x < 6``, ``x > 0``; ``x`` where it has no end."""
    if low is not None and high is not None:
        return f"{low} < x < {high}".replace("-", "−")
    if low is None and high is None:
        return "x"
    return (f"x > {low}" if low is not None else f"x < {high}").replace("-", "−")


def _straight_bound(layer: Layer) -> Bound:
    pieces = pieces_of(layer) or ()
    steepest = max(abs(piece.slope or ZERO) for piece in pieces)
    number = next(place for place, piece in enumerate(pieces) if abs(piece.slope or ZERO) == steepest)
    low = pieces[number - 1].upto if number else None
    high = pieces[number].upto
    return Bound(steepest, None, f"for every {piece_words(low, high)}")


def _straight_small(layer: Layer, below: Fraction) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    low: Fraction | None = None
    for piece in pieces_of(layer) or ():
        if abs(piece.slope or ZERO) < below:
            touches = found and found[-1].high == low and low is not None
            start = found.pop().low if touches else low
            found.append(Stretch(start, piece.upto, closed=True))
        low = piece.upto
    return tuple(found)


_STRAIGHT = Slope(lambda _layer, x: x, _straight_bound, _straight_small)


def _at_zero(value: Fraction) -> Callable[[Layer, Fraction], Fraction | None]:
    return lambda _, x: value if x == 0 else None


QUARTER, HALF = Fraction(1, 4), Fraction(1, 2)
PEAK = "at x = 0"

SLOPES: dict[type[Layer], Slope] = {
    pointwise.Sigmoid: Slope(
        sigmoid_slope, lambda _: Bound(QUARTER, ZERO, PEAK), _sigmoid_small, _at_zero(QUARTER)
    ),
    pointwise.Tanh: Slope(tanh_slope, lambda _: Bound(ONE, ZERO, PEAK), _tanh_small, _at_zero(ONE)),
    pointwise.Softsign: Slope(
        softsign_slope, lambda _: Bound(ONE, ZERO, PEAK), _softsign_small, lambda _, x: 1 / (1 + abs(x)) ** 2
    ),
    pointwise.Softplus: Slope(
        softplus_slope,
        lambda _: Bound(ONE, None, "as x grows", is_reached=False),
        _softplus_small,
        _at_zero(HALF),
    ),
    pointwise.LogSigmoid: Slope(
        logsigmoid_slope,
        lambda _: Bound(ONE, None, "as x falls", is_reached=False),
        _logsigmoid_small,
        _at_zero(HALF),
    ),
    pointwise.ELU: Slope(
        exponential_slope(lambda layer: layer.alpha),
        lambda layer: _exponential_bound(layer.alpha, ONE),
        lambda layer, below: _exponential_small(layer.alpha, ONE, below),
        lambda layer, x: layer.alpha if x == 0 else None,
    ),
    pointwise.SELU: Slope(
        exponential_slope(lambda layer: layer.scale * layer.alpha),
        lambda layer: _exponential_bound(layer.scale * layer.alpha, layer.scale),
        lambda layer, below: _exponential_small(layer.scale * layer.alpha, layer.scale, below),
        lambda layer, x: layer.scale * layer.alpha if x == 0 else None,
    ),
    pointwise.SiLU: Slope(
        silu_slope,
        lambda _: Bound(_silu().most, _silu().peak, "where x · tanh(x/2) = 2"),
        lambda _, below: _silu().small("SiLU", below),
        _at_zero(HALF),
    ),
    pointwise.GELU: Slope(
        gelu_slope,
        lambda layer: Bound(
            _gelu(layer).most,
            _gelu(layer).peak,
            "at x = √2" if layer.approximate == "none" else "where its second derivative is zero",
        ),
        lambda layer, below: _gelu(layer).small(f"GELU {layer.approximate}", below),
        _at_zero(HALF),
    ),
    **dict.fromkeys(
        (
            pointwise.ReLU,
            pointwise.ReLU6,
            pointwise.LeakyReLU,
            pointwise.Hardtanh,
            pointwise.Identity,
            pointwise.Dropout,
        ),
        _STRAIGHT,
    ),
}


def slope_of(layer: Layer) -> Slope:
    """The entry of an activation.

    Raises:
        UnsupportedError: no activation of one number that is known here.
    """
    found = SLOPES.get(type(layer))
    if found is None:
        known = ", ".join(kind.__name__ for kind in SLOPES)
        raise UnsupportedError(f"the slope of {type(layer).__name__} is not known; known: {known}")
    return found


def slope_name(layer: Layer) -> str:
    """How the derivative is written: ``σ′``."""
    return f"{FUNCTIONS[type(layer)].symbol}′"


def slope_at(layer: Layer, x: Exact) -> Exact:
    """The derivative at one number: a ratio where it is one, else its formula.

    Raises:
        InputError: a letter, whose slope has no value.
    """
    slope = slope_of(layer)
    if not is_numeric(x):
        raise InputError(f"{slope_name(layer)} of a letter has no value; give numbers")
    straight = _straight_slope(pieces_of(layer), x)
    if straight is not None:
        return straight
    if isinstance(x, Fraction):
        exact = slope.exact(layer, x)
        if exact is not None:
            return exact
    return Named(Call(slope_name(layer), (Number(x),)), slope.formula(layer, Number(x)))


def _straight_slope(pieces: tuple[Piece, ...] | None, x: Exact) -> Fraction | None:
    """The slope of the piece that x lies on; at a kink that of the outer piece."""
    if pieces is None:
        return None
    kinks = [piece.upto for piece in pieces[:-1] if piece.upto is not None]
    for number, kink in enumerate(kinks):
        order = compare(x, kink)
        if order < 0 or (order == 0 and number == 0):
            return pieces[number].slope
        if order == 0:
            return pieces[number + 1].slope
    return pieces[-1].slope
