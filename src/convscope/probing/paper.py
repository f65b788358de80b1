"""`saturation`: why an activation stops gradients, worked on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from convscope.core.array import ExactArray
from convscope.core.document import Document
from convscope.core.expression import Number, Power, as_expression
from convscope.core.layer import ExactLike, Layer
from convscope.core.number import Exact, parse_number
from convscope.core.pointwise import Dropout, Identity
from convscope.core.reading import MatrixLike, matrix
from convscope.errors import InputError
from convscope.probing.stack import Stack, backward
from convscope.show import Showable
from convscope.worked.arithmetic import mapped
from convscope.worked.named import Named
from convscope.worked.slopes import SLOPES, Bound, Stretch, slope_at, slope_of

MOST_DEPTH = 1000
LEAST_THRESHOLD = Fraction(1, 10**100)


@dataclass(frozen=True)
class Saturation(Showable):
    """An activation's slope, where it is small, and what a chain of such layers leaves of a gradient.

    Attributes:
        activation: the layer.
        below: the threshold under which a slope counts as small.
        depth: the number of layers of the chain.
        stack: the gradient through given layers, worked cell by cell; None when no input was given.

    >>> from convscope.core.pointwise import Sigmoid
    >>> s = saturation(Sigmoid())
    >>> s.bound.value, s.chain_bound
    (Fraction(1, 4), Fraction(1, 1048576))
    >>> s.slope("7.5").decimal(4)
    '0.0006'
    """

    activation: Layer
    below: Fraction
    depth: int
    stack: Stack | None = None

    @property
    def bound(self) -> Bound:
        """The least number that the size of f′(x) never exceeds, and where it is reached."""
        return slope_of(self.activation).bound(self.activation)

    @cached_property
    def saturated(self) -> tuple[Stretch, ...]:
        """The parts of the number line on which the size of f′(x) is below the threshold, with exact ends."""
        return slope_of(self.activation).small(self.activation, self.below)

    @cached_property
    def chain_bound(self) -> Exact:
        """The bound to the power of the depth: what `depth` activations one after the other leave at most.

        The weights between them multiply too; with weights 1 this is all.
        """
        return self.chain(self.depth)

    def chain(self, depth: int) -> Exact:
        """The bound for a chain of so many layers."""
        value = self.bound.value
        if isinstance(value, Fraction):
            return value**depth
        written = Power(Number(value), as_expression(depth))
        return Named(written, written)

    def slope(self, x: ExactLike | Exact) -> Exact:
        """The derivative at one number, exactly: ``slope("7.5")``; at a kink the outer piece's.

        Raises:
            InputError: no number.
        """
        return slope_at(self.activation, parse_number(x) if isinstance(x, int | float | str) else x)

    def slopes(self, cells: MatrixLike) -> ExactArray:
        """The derivative at each cell of a matrix, exactly."""
        return mapped(matrix(cells), lambda value: slope_at(self.activation, value))

    def is_saturated(self, x: ExactLike | Exact) -> bool:
        """True where the slope's size is below the threshold, decided exactly."""
        value = parse_number(x) if isinstance(x, int | float | str) else x
        return any(value in stretch for stretch in self.saturated)

    def facts(self) -> dict[str, Any]:
        """The numbers by name, exact."""
        facts: dict[str, Any] = {
            "activation": repr(self.activation),
            "bound": self.bound.value,
            "bound_at": self.bound.at,
            "bound_is_reached": self.bound.is_reached,
            "below": self.below,
            "saturated": [{"low": one.low, "high": one.high, "closed": one.closed} for one in self.saturated],
            "depth": self.depth,
            "chain_bound": self.chain_bound,
        }
        if self.stack is not None:
            facts["gradient"] = self.stack.gradient
            facts["gradient_bound"] = self.stack.bound
            facts["steps"] = [
                {"layer": repr(step.layer), "slopes": step.slopes, "gradient": step.gradient}
                for step in self.stack.steps
            ]
        return facts

    def document(self) -> Document:
        """The slope derived, the flat parts, the chain, the curve, and the stack where there is one."""
        from convscope.probing.paper_document import saturation_document

        return saturation_document(self)

    def __repr__(self) -> str:
        return f"<saturation of {self.activation!r}, slopes below {self.below}, {self.depth} layers>"


def saturation(
    *layers: Layer,
    input: MatrixLike | None = None,  # noqa: A002 - the word a reader looks for
    below: ExactLike = Fraction(1, 100),
    depth: int = 10,
    of: Sequence[int] | None = None,
) -> Saturation:
    """Why an activation stops gradients, worked on paper and exactly.

    Args:
        layers: an activation: Sigmoid, Tanh, ReLU, ReLU6, LeakyReLU, ELU, SELU, SiLU, GELU, Softplus,
            LogSigmoid, Softsign, Hardtanh; or, with `input`, a stack of layers with such activations.
        input: a feature map that `solve` reads. The layers are then worked forwards, and the gradient
            is worked back through them, layer by layer and cell by cell (`Saturation.stack`).
        below: the slope under which the activation counts as saturated, between 10⁻¹⁰⁰ and 1.
        depth: the number of layers of the chain whose bound is given, 1 to 1000.
        of: the output cell whose gradient is worked; the sum of all output cells when not given.

    Returns:
        A `Saturation`: `bound`, `saturated`, `chain_bound`, `slope(x)`, `stack`. For a stack these are
        about its first activation; every layer's own slopes are in ``stack.steps``.

    Raises:
        InputError: no activation, several layers without an input, or a threshold out of range.
        UnsupportedError: a layer whose slope is not known.

    >>> from convscope.core.pointwise import Sigmoid
    >>> s = saturation(Sigmoid(), below="0.01")
    >>> s.saturated[1].low.decimal(4)
    '4.5849'
    """
    if not layers:
        raise InputError("saturation needs an activation, such as Sigmoid()")
    for place, layer in enumerate(layers, start=1):
        if not isinstance(layer, Layer):
            raise InputError(f"layer {place} is {type(layer).__name__}, not a layer such as Sigmoid()")
    threshold = parse_number(below)
    if not LEAST_THRESHOLD <= threshold < 1:
        raise InputError(f"below={below} is not between 10⁻¹⁰⁰ and 1 (without 1)")
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= MOST_DEPTH:
        raise InputError(f"depth={depth!r} is not allowed; depth may be 1 to {MOST_DEPTH}")
    if input is None:
        if len(layers) > 1:
            raise InputError(f"{len(layers)} layers need an input to be worked: saturation(*layers, input=…)")
        slope_of(layers[0])
        return Saturation(layers[0], threshold, depth)
    return Saturation(_first_activation(layers), threshold, depth, backward(input, layers, of))


def _first_activation(layers: Sequence[Layer]) -> Layer:
    for layer in layers:
        if type(layer) in SLOPES and not isinstance(layer, Identity | Dropout):
            return layer
    raise InputError("there is no activation among the layers; put one in, such as Sigmoid()")
