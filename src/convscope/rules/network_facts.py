"""Everything known of a network as plain numbers by name, for programs."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convscope.errors import UnsupportedError
from convscope.rules.field import Field

if TYPE_CHECKING:
    from convscope.core.network import Shape
    from convscope.rules.network import Network, Row


def network_facts(network: Network) -> dict[str, Any]:
    """Inputs, rows, totals, and whether the totals are complete.

    What is not known is None. A length in letters is its formula as text. Totals leave out the rows
    named under ``not_counted``.
    """
    return {
        "name": network.graph.name,
        "inputs": [
            {"name": entry.name, "shape": _lengths(entry.shape), "dtype": entry.dtype}
            for entry in network.graph.inputs
        ],
        "outputs": list(network.graph.outputs),
        "complete": network.complete,
        "not_counted": [row.name for row in network.not_counted],
        "totals": {
            "params": network.total_params,
            "trainable_params": network.trainable_params,
            "frozen_params": network.frozen_params,
            "macs": _number(network.total_macs),
            "weight_bytes": dict(network.weight_bytes),
            "buffer_bytes": dict(network.buffer_bytes),
        },
        "memory": _memory(network),
        "rows": [row_facts(row) for row in network.rows],
    }


def _memory(network: Network) -> dict[str, Any] | None:
    """The most bytes held at once, weights left aside; None for a network in letters."""
    try:
        passes = {"inference": network.memory(), "training": network.memory(training=True)}
    except UnsupportedError:
        return None
    return {
        name: {"peak_bytes": found.peak_bytes, "at": found.peak.name, "complete": found.complete}
        for name, found in passes.items()
    }


def row_facts(row: Row) -> dict[str, Any]:
    """What is known of one layer."""
    return {
        "name": row.name,
        "op": row.op,
        "layer": row.words,
        "inputs": list(row.inputs),
        "output_shape": None if row.output_shape is None else _lengths(row.output_shape),
        "params": _number(row.params),
        "trainable_params": _number(row.trainable_params),
        "shared_params": row.shared_params,
        "macs": _number(row.macs),
        "activation_bytes": _number(row.activation_bytes),
        "receptive_field": field_facts(row.receptive_field),
        "counted": row.is_counted,
    }


def field_facts(field: Field | None) -> dict[str, Any] | None:
    """Size, jump and start along each axis; None where there is no field."""
    if field is None or not field.axes:
        return None
    return {
        "size": [axis.size for axis in field.axes],
        "jump": [_ratio(axis.jump) for axis in field.axes],
        "start": [_ratio(axis.start) for axis in field.axes],
        "whole": field.is_whole,
        "through": field.through,
        "misaligned": field.misaligned,
    }


def _ratio(value: Fraction) -> int | str:
    return int(value) if value.denominator == 1 else str(value)


def _lengths(shape: Shape) -> list[int | str]:
    return [n if isinstance(n, int) else str(n) for n in shape]


def _number(value: Any) -> int | str | None:  # noqa: ANN401 - an int, a formula in letters, or None
    return value if value is None or isinstance(value, int) else str(value)
