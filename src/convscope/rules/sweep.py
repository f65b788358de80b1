"""A network in letters worked out for many sizes at once, one array operation a formula."""
# ruff: noqa: ANN401 - masked arrays

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convscope.core.size import Length
from convscope.core.size_values import Values, evaluate
from convscope.errors import InputError

if TYPE_CHECKING:
    from convscope.rules.sweep_report import SweepReport
    from convscope.rules.symbolic import SymbolicNetwork

MAX_SIZES = 1_000_000


@dataclass(frozen=True, eq=False)
class Sweep:
    """Sizes and costs of a network for many values of its letters.

    Attributes:
        network: the network in letters.
        letters: the values of each letter, arrays of one shape.
        rejected_by: the layer that refuses, None where every layer runs; an array of that shape.

    All results are masked arrays of that shape: masked where a layer refuses.
    """

    network: SymbolicNetwork = field(repr=False)
    letters: Mapping[str, npt.NDArray[np.int64]]
    rejected_by: npt.NDArray[np.object_]
    values: Values = field(repr=False)

    def report(self) -> SweepReport:
        """The sizes as a table and a chart, where they are one list.

        Raises:
            InputError: sizes of several axes.
        """
        from convscope.rules.sweep_report import sweep_report

        return sweep_report(self)

    @cached_property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """Where every layer runs."""
        taken = [layer is None for layer in self.rejected_by.flat]
        return np.array(taken, dtype=bool).reshape(self.rejected_by.shape)

    def of(self, length: Length | None) -> Any:
        """The values of any length or cost of the network: ``sweep.of(net["conv1"].macs)``."""
        if length is None:
            raise InputError("this is not counted, so that it has no values")
        found = np.asarray(evaluate(length, self.values))
        shape = self.rejected_by.shape
        return np.ma.masked_array(np.broadcast_to(found, shape).copy(), mask=~self.accepted)

    def shape(self, layer: str) -> tuple[Any, ...]:
        """The output shape of a layer: one array for each axis."""
        return tuple(self.of(n) for n in self.network[layer].output_shape or ())

    def macs(self, layer: str) -> Any:
        """Multiply-adds of a layer for one item."""
        return self.of(self.network[layer].macs)

    @cached_property
    def total_macs(self) -> Any:
        """Multiply-adds of the whole network, times N where N was written."""
        return self.of(self.network.total_macs)

    @cached_property
    def total_params(self) -> Any:
        """Parameters of the whole network."""
        return self.of(self.network.total_params)

    @cached_property
    def activation_bytes(self) -> Any:
        """Bytes of all outputs together."""
        return self.of(self.network.activation_bytes)

    @cached_property
    def peak_bytes(self) -> Any:
        """Most bytes held at once in inference, weights left aside."""
        moments = {moment.bytes for moment in self.network.held}
        found = np.asarray(0)
        for bytes_held in moments:
            found = np.maximum(found, evaluate(bytes_held, self.values))
        shape = self.rejected_by.shape
        return np.ma.masked_array(np.broadcast_to(found, shape).copy(), mask=~self.accepted)


def swept(network: SymbolicNetwork, letters: Mapping[str, Any]) -> Sweep:
    """The network for all these values; see `SymbolicNetwork.evaluate`."""
    arrays = dict(zip(letters, np.broadcast_arrays(*map(np.asarray, letters.values())), strict=True))
    for variable in network.variables:
        given = arrays[variable.name]
        if given.dtype.kind not in "iu":
            raise InputError(f"{variable.name} is {letters[variable.name]!r}; give whole numbers")
        if given.size > MAX_SIZES:
            raise InputError(f"{given.size} sizes are asked for; at most {MAX_SIZES} are worked out at once")
        outside = given[(given < variable.least) | (given > variable.most)]
        if outside.size:
            raise InputError(
                f"{variable.name}={outside.flat[0]} is not allowed; "
                f"it is from {variable.least} to {variable.most}"
            )
    values = Values(arrays)
    return Sweep(network, {name: np.array(a, np.int64) for name, a in arrays.items()},
                 _rejected(network, values, next(iter(arrays.values())).shape), values)  # fmt: skip


def _rejected(network: SymbolicNetwork, values: Values, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
    found = np.full(shape, None, dtype=object)
    free = np.ones(shape, dtype=bool)
    for limit in network.limits:
        fails = free & ~np.broadcast_to(np.asarray(limit.condition.holds(values), dtype=bool), shape)
        found[fails] = limit.layer
        free &= ~fails
    return found
