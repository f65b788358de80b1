"""The receptive fields of a whole network, worked out in one pass when the first is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from convscope.core.network import Graph, Shape
from convscope.rules.receptive_field import Field, Known, field_of, input_field


class Fields:
    """The fields of a graph whose output shapes are known, or will be when a field is asked for.

    Args:
        graph: the layers and what each reads.
        shapes: the shape of every input and output by name; None where it is not known.
    """

    def __init__(self, graph: Graph, shapes: Mapping[str, Shape | None]) -> None:
        self.graph = graph
        self.shapes = shapes

    def of(self, name: str) -> Field | None:
        """The field of one layer or input; None where it is not known."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> Mapping[str, Field | None]:
        """The field of every input and layer."""
        found: dict[str, Field | None] = {entry.name: input_field(entry.shape) for entry in self.graph.inputs}
        known: Known = {}
        for node in self.graph.nodes:
            fields = [field for name in node.inputs if (field := found[name]) is not None]
            inputs = [shape for name in node.inputs if (shape := self.shapes[name]) is not None]
            output = self.shapes[node.name]
            complete = output is not None and len(fields) == len(inputs) == len(node.inputs)
            found[node.name] = field_of(node, fields, inputs, output, known) if complete else None  # type: ignore[arg-type]
        return found
