"""What is measured of each activation function: where it is flat, how steep it is, which units never fire.

One table from PyTorch's functions to what they are. A function is found there in whatever way it was
called: as a module, from `torch.nn.functional`, as `torch.relu`, as a method or in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

# Outputs closer to an end than this are counted as saturated: |tanh| > .97 as in Karpathy's makemore,
# part 3, and the same distance from the ends of a sigmoid, σ < .03 or σ > .97.
NEAR = 0.97
# Derivatives without a formula in the output are taken on at most so many values a batch.
SAMPLED = 2**16

Tensor = torch.Tensor
Slope = Callable[[Tensor, dict[str, Any]], Tensor]


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        name: as PyTorch calls it.
        saturated: from the output and the options, which values are saturated; None where the function
            does not flatten at both ends.
        saturation: the same in words.
        slope: from the output and the options, |f'| at each value; None where it does not follow from
            the output, and is differentiated.
        rectifies: negative inputs give no output and no gradient, so that a unit can be dead.
    """

    name: str
    saturated: Slope | None = None
    saturation: str = ""
    slope: Slope | None = None
    rectifies: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options of one call by name; those left out have their default."""
        found = dict(self.options)
        found.update(zip((name for name, _ in self.options), args[1:], strict=False))
        found.update({name: value for name, value in kwargs.items() if name in found})
        return found


def _ends(low: str, high: str) -> tuple[Slope, Slope]:
    """Of a function that is straight between two ends: outside, and the slope inside."""

    def outside(y: Tensor, given: dict[str, Any]) -> Tensor:
        found: Tensor = (y <= given[low]) | (y >= given[high])
        return found

    def inside(y: Tensor, given: dict[str, Any]) -> Tensor:
        found: Tensor = (y > given[low]) & (y < given[high])
        return found

    return outside, inside


def _kinked(slope_name: str) -> Slope:
    def slope(y: Tensor, given: dict[str, Any]) -> Tensor:
        return torch.where(y > 0, 1.0, abs(float(given[slope_name])))

    return slope


_outside, _inside = _ends("min_val", "max_val")

_SIGMOID = Activation(
    "sigmoid",
    saturated=lambda y, _: (y - 0.5).abs() > NEAR - 0.5,
    saturation="σ < 0.03 or σ > 0.97",
    slope=lambda y, _: y - y * y,
)
_TANH = Activation(
    "tanh",
    saturated=lambda y, _: y.abs() > NEAR,
    saturation="|tanh| > 0.97",
    slope=lambda y, _: 1 - y * y,
)
_SOFTSIGN = Activation(
    "softsign",
    saturated=lambda y, _: y.abs() > NEAR,
    saturation="|softsign| > 0.97",
    slope=lambda y, _: (1 - y.abs()) ** 2,
)
_HARDTANH = Activation(
    "hardtanh",
    saturated=_outside,
    saturation="at either end of its straight part",
    slope=_inside,
    options=(("min_val", -1.0), ("max_val", 1.0)),
)
_HARDSIGMOID = Activation(
    "hardsigmoid",
    saturated=lambda y, _: (y <= 0) | (y >= 1),
    saturation="at 0 or at 1",
    slope=lambda y, _: ((y > 0) & (y < 1)) / 6,
)
_RELU6 = Activation(
    "relu6",
    saturated=lambda y, _: y >= 6,
    saturation="at 6",
    slope=lambda y, _: (y > 0) & (y < 6),
    rectifies=True,
)
RELU = Activation("relu", slope=lambda y, _: y.sign(), rectifies=True)

_TABLE = (
    RELU,
    _RELU6,
    _SIGMOID,
    _TANH,
    _SOFTSIGN,
    _HARDTANH,
    _HARDSIGMOID,
    Activation("leaky_relu", slope=_kinked("negative_slope"), options=(("negative_slope", 0.01),)),
    Activation("elu"),
    Activation("selu"),
    Activation("celu"),
    Activation("prelu"),
    Activation("gelu"),
    Activation("silu"),
    Activation("mish"),
    Activation("hardswish"),
    Activation("softplus"),
    Activation("logsigmoid"),
)


def _functions() -> dict[Any, Activation]:
    """Every way of calling each function."""
    found: dict[Any, Activation] = {}
    for activation in _TABLE:
        for owner in (torch, functional, Tensor):
            for name in (activation.name, f"{activation.name}_"):
                function = getattr(owner, name, None)
                if function is not None:
                    found[function] = activation
    return found


ACTIVATIONS = _functions()


def settled(activation: Activation, given: dict[str, Any]) -> Activation:
    """The activation that a call with these options is: ReLU6 modules call hardtanh between 0 and 6."""
    if activation is _HARDTANH and given["min_val"] == 0:
        return _CLIPPED
    return activation


_CLIPPED = Activation(
    "relu6",
    saturated=lambda y, given: y >= given["max_val"],
    saturation="at its upper end",
    slope=_inside,
    rectifies=True,
)


def slopes(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """|f'| at the values of a call's input, by differentiating the function itself.

    At most `SAMPLED` values are taken, evenly spread. None where the function cannot be asked so.
    """
    x = args[0].detach()
    if len(args) > 1 and isinstance(args[1], Tensor) and args[1].numel() > 1:
        return None  # a slope for each channel: a flat sample has no channels
    flat = x.reshape(-1)[:: max(1, x.numel() // SAMPLED)].float().clone()
    others = tuple(a.detach() if isinstance(a, Tensor) else a for a in args[1:])
    options = {name: value for name, value in kwargs.items() if name not in {"inplace", "input"}}
    with torch.enable_grad():
        flat.requires_grad_()
        try:
            found: Tensor = torch.autograd.grad(function(flat * 1.0, *others, **options).sum(), flat)[0]
        except (RuntimeError, TypeError):
            return None
    return found.abs()
