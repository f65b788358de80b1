"""Activations: layers that map numbers one by one, and softmax, which maps them along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from convscope.core.array import ExactArray
from convscope.core.layer import (
    ExactLike,
    Layer,
    option_choice,
    option_integer,
    option_number,
    option_vector,
)
from convscope.core.reading import MatrixLike


class Pointwise(Layer):
    """A function applied to each number on its own."""


@dataclass(frozen=True)
class Identity(Pointwise):
    """Leaves every number as it is."""

    title: ClassVar[str] = "identity"


@dataclass(frozen=True, init=False, repr=False)
class Dropout(Pointwise):
    """Zeroes numbers at random while training; at inference, which is what is worked here, the identity.

    >>> Dropout(0.1).p
    Fraction(1, 10)
    """

    title: ClassVar[str] = "dropout (inference)"

    p: Fraction

    def __init__(self, p: ExactLike = 0.5) -> None:
        chance = option_number(self, "p", p)
        if not 0 <= chance <= 1:
            raise self.refusal(f"p={p} is not a probability; p may be 0 to 1")
        self._set(p=chance)


@dataclass(frozen=True)
class ReLU(Pointwise):
    """``max(0, x)``."""

    title: ClassVar[str] = "ReLU"


@dataclass(frozen=True)
class ReLU6(Pointwise):
    """``min(max(0, x), 6)``."""

    title: ClassVar[str] = "ReLU6"


@dataclass(frozen=True, init=False, repr=False)
class LeakyReLU(Pointwise):
    """``x`` where positive, ``negative_slope · x`` elsewhere.

    >>> LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """

    title: ClassVar[str] = "leaky ReLU"

    negative_slope: Fraction

    def __init__(self, negative_slope: ExactLike = 0.01) -> None:
        self._set(negative_slope=option_number(self, "negative_slope", negative_slope))


@dataclass(frozen=True, init=False, repr=False)
class PReLU(Pointwise):
    """``x`` where positive, a learnt slope times ``x`` elsewhere; one slope, or one for each channel.

    >>> PReLU("0.25").weight[0]
    Fraction(1, 4)
    """

    title: ClassVar[str] = "parametric ReLU"

    weight: ExactArray

    def __init__(self, weight: MatrixLike | ExactLike = 0.25) -> None:
        self._set(weight=option_vector(self, "weight", weight))


@dataclass(frozen=True, init=False, repr=False)
class ELU(Pointwise):
    """``x`` where positive, ``alpha · (exp(x) − 1)`` elsewhere (Clevert, Unterthiner & Hochreiter, 2015)."""

    title: ClassVar[str] = "ELU"

    alpha: Fraction

    def __init__(self, alpha: ExactLike = 1) -> None:
        self._set(alpha=option_number(self, "alpha", alpha))


@dataclass(frozen=True)
class SELU(Pointwise):
    """``scale · ELU(x, alpha)`` with the two constants of Klambauer et al. (2017), section 2."""

    title: ClassVar[str] = "SELU"

    alpha: ClassVar[Fraction] = Fraction("1.6732632423543772848170429916717")
    scale: ClassVar[Fraction] = Fraction("1.0507009873554804934193349852946")


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """``1 / (1 + exp(−x))``."""

    title: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class LogSigmoid(Pointwise):
    """``ln(1 / (1 + exp(−x)))``."""

    title: ClassVar[str] = "log-sigmoid"


@dataclass(frozen=True)
class Tanh(Pointwise):
    """``(exp(x) − exp(−x)) / (exp(x) + exp(−x))``."""

    title: ClassVar[str] = "tanh"


@dataclass(frozen=True, init=False, repr=False)
class Hardtanh(Pointwise):
    """``x`` kept between `min_val` and `max_val`."""

    title: ClassVar[str] = "hard tanh"

    min_val: Fraction
    max_val: Fraction

    def __init__(self, min_val: ExactLike = -1, max_val: ExactLike = 1) -> None:
        low, high = option_number(self, "min_val", min_val), option_number(self, "max_val", max_val)
        if low >= high:
            raise self.refusal(f"min_val={min_val} is not below max_val={max_val}")
        self._set(min_val=low, max_val=high)


@dataclass(frozen=True, init=False, repr=False)
class GELU(Pointwise):
    """``x · Φ(x)``, Φ the normal distribution function (Hendrycks & Gimpel, 2016).

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the paper's approximation
            ``x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))``.
    """

    title: ClassVar[str] = "GELU"

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        self._set(approximate=option_choice(self, "approximate", approximate, ("none", "tanh")))


@dataclass(frozen=True)
class SiLU(Pointwise):
    """``x / (1 + exp(−x))``, also called swish."""

    title: ClassVar[str] = "SiLU"


@dataclass(frozen=True, init=False, repr=False)
class Softplus(Pointwise):
    """``ln(1 + exp(beta · x)) / beta``, exactly at every x (PyTorch returns x beyond a threshold)."""

    title: ClassVar[str] = "softplus"

    beta: Fraction

    def __init__(self, beta: ExactLike = 1) -> None:
        rate = option_number(self, "beta", beta)
        if rate <= 0:
            raise self.refusal(f"beta={beta} is not positive")
        self._set(beta=rate)


@dataclass(frozen=True)
class Softsign(Pointwise):
    """``x / (1 + |x|)``."""

    title: ClassVar[str] = "softsign"


class _AlongAxis(Layer):
    dim: int

    def __init__(self, dim: int = -1) -> None:
        self._set(dim=option_integer(self, "dim", dim, least=-5))


@dataclass(frozen=True, init=False, repr=False)
class Softmax(_AlongAxis):
    """``exp(x) / Σ exp(x)`` along the axis `dim` of the array as it stands; the last when not given."""

    title: ClassVar[str] = "softmax"

    dim: int


@dataclass(frozen=True, init=False, repr=False)
class Softmin(_AlongAxis):
    """``exp(−x) / Σ exp(−x)`` along the axis `dim`."""

    title: ClassVar[str] = "softmin"

    dim: int


@dataclass(frozen=True, init=False, repr=False)
class LogSoftmax(_AlongAxis):
    """``x − ln Σ exp(x)`` along the axis `dim`."""

    title: ClassVar[str] = "log-softmax"

    dim: int
