"""What a layer costs: its parameters, its multiply-adds and the bytes of its output.

A `Cost` counts plain multiply-adds (one MAC is one multiplication and one addition; FLOPs are
2·MACs) of one item, batch 1. `COST_RULES` has one entry a layer type; operators without
multiply-adds cost 0, and an unknown operator costs None: *not counted*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.core.layer import Layer
from convscope.core.network import Node, Shape, Weight
from convscope.rules.formula import Fact


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one layer for one item.

    Attributes:
        weights: the arrays the layer uses; parameters are those that `Weight.is_parameter` says.
        macs: multiply-adds; None where they are not counted.
        facts: the formulas that the numbers follow from, for the explanation.
    """

    weights: tuple[Weight, ...]
    macs: int | None
    facts: tuple[Fact, ...] = ()

    @property
    def params(self) -> int:
        """Parameters of this layer, shared ones included."""
        return sum(weight.size for weight in self.weights if weight.is_parameter)


COST_RULES: dict[type[Layer], Callable[[Any, Sequence[Shape], Shape], tuple[tuple[Weight, ...], int | None]]] = {}


def cost_of(node: Node, inputs: Sequence[Shape], output: Shape) -> Cost:
    """The cost of a node that reads arrays of these shapes and gives one of this shape."""
    raise NotImplementedError
