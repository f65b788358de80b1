"""Which input cells an output cell sees: size, jump and start, axis by axis, through any graph.

Conventions: input pixels are counted from 0 and a pixel's centre is at its index; `size` is in
input pixels, `jump` the distance in input pixels between the fields of neighbouring outputs,
`start` the centre of the first output's field (it may be negative or a half). Source: Araujo,
Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from convscope.core.layer import Layer
from convscope.core.network import Node, Shape


@dataclass(frozen=True, slots=True)
class AxisField:
    """The receptive field along one axis.

    Attributes:
        size: input cells that one output cell sees, border not clipped.
        jump: input cells between the fields of neighbouring outputs.
        start: centre of the first output's field in input coordinates.
    """

    size: Fraction
    jump: Fraction
    start: Fraction


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of a layer's output cells.

    Attributes:
        axes: one entry a spatial axis of the network's input; empty where nothing spatial is seen.
        through: the layer that made the field the whole picture; empty where none did.
        misaligned: the layer that merged branches whose centres do not agree; empty where none did.
    """

    axes: tuple[AxisField, ...]
    through: str = ""
    misaligned: str = ""


FIELD_RULES: dict[type[Layer], Callable[[Any, Sequence[Field], Sequence[Shape], Shape], Field]] = {}


def field_of(node: Node, fields: Sequence[Field], inputs: Sequence[Shape], output: Shape) -> Field:
    """The field of a node from the fields of what it reads."""
    raise NotImplementedError
