"""`receptive_field`: what one output cell of every layer sees of the input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import convscope as cs
from convscope.problems.fields import Fields, scalar_text, shown
from convscope.problems.kinds.rows import RowAnswers, layer_names, read_answers, read_network
from convscope.problems.task import Kind, Task, Work
from convscope.problems.tree import Node

_SIZE = re.compile(r"\d{1,12}(?:\s*[x×]\s*\d{1,12}){0,2}\Z", re.ASCII)


@dataclass(frozen=True)
class ReceptiveField(Task):
    """A network, and the sizes of fields given as its answer."""

    network: cs.Network
    answer: RowAnswers[tuple[int, ...]] | None

    def solve(self) -> Work:
        """Derive every field, and compare row by row."""
        verdicts = () if self.answer is None else (self.answer.compare(field_sizes(self.network)),)
        names = ("name", "op", "receptive_field")
        facts = [{name: row[name] for name in names} for row in self.network.facts()["rows"]]
        report = self.network.report("sizes", "fields", "derivations")
        return Work(self.network, {"rows": facts}, verdicts, lambda: report.document().blocks)


def field_sizes(network: cs.Network) -> Mapping[str, tuple[int, ...] | None]:
    """The size of each row's field along every axis; None where there is none."""
    fields = ((row.name, row.receptive_field) for row in network.rows)
    return {
        name: tuple(axis.size for axis in field.axes) if field is not None and field.axes else None
        for name, field in fields
    }


def read(fields: Fields) -> ReceptiveField | None:
    """The keys of a receptive field problem: network, answer."""
    network = fields.read("network", read_network, required=True)
    before = len(fields.mistakes.found)
    if network is None:
        fields.node_of("answer")
        return None
    answer = fields.read("answer", lambda node: read_fields(node, network))
    return ReceptiveField(network, answer) if len(fields.mistakes.found) == before else None


def read_fields(node: Node, network: cs.Network) -> RowAnswers[tuple[int, ...]]:
    """Sizes of fields given row by row; one number stands for every axis."""
    axes = max((len(entry.shape) - 1 for entry in network.graph.inputs), default=1)

    def read_size(entry: Node) -> tuple[int, ...]:
        written = scalar_text(entry)
        if not _SIZE.match(written):
            raise cs.InputError(
                f"'{shown(written)}' is not a field such as 11 or 11x11, in pixels of the input"
            )
        found = tuple(int(length) for length in re.split(r"\s*[x×]\s*", written))
        return found * axes if len(found) == 1 else found  # one number: the same along every axis

    names = layer_names(network)
    return read_answers(node, names, ("field", "fields"), read_size, _told, example="[11, 19]")


def _told(size: tuple[int, ...]) -> str:
    return str(size[0]) if len(set(size)) == 1 else " × ".join(map(str, size))


KIND = Kind("receptive_field", read)
