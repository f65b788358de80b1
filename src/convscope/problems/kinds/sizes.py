"""`sizes`: the output size of every layer of a network, and columns beside it, from its text form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import convscope as cs
from convscope.problems.fields import Fields, scalar_text, shown, told
from convscope.problems.kinds.parameters import (
    MACS,
    PARAMETERS,
    mac_counts,
    param_counts,
    read_counts,
)
from convscope.problems.kinds.receptive_field import field_sizes, read_fields
from convscope.problems.kinds.rows import RowAnswers, layer_names, read_answers, read_network
from convscope.problems.task import Kind, Task, Work
from convscope.problems.tree import Items, Node

_SIZE = re.compile(r"\d{1,12}(?:\s*[x×]\s*\d{1,12}){0,4}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """Something shown beside the sizes.

    Attributes:
        part: of the network's report.
        fact: its name among the facts of a row.
        read: reads answers for it.
        derived: what they are compared with.
    """

    part: str
    fact: str
    read: Callable[..., RowAnswers[Any]]
    derived: Callable[[cs.Network], Mapping[str, Any]]


COLUMNS: Mapping[str, Column] = {
    "parameters": Column("costs", "params", partial(read_counts, what=PARAMETERS), param_counts),
    "macs": Column("costs", "macs", partial(read_counts, what=MACS), mac_counts),
    "fields": Column("fields", "receptive_field", read_fields, field_sizes),
}


@dataclass(frozen=True)
class Sizes(Task):
    """A network, the sizes given as its answer, and what is shown beside them."""

    network: cs.Network
    answer: RowAnswers[tuple[int, ...]] | None
    columns: tuple[str, ...] = ()
    beside: tuple[tuple[RowAnswers[Any], Mapping[str, Any]], ...] = ()

    def solve(self) -> Work:
        """Derive every size, and compare row by row."""
        rows = {row.name: row.output_shape for row in self.network.rows}
        given = [(self.answer, rows)] if self.answer is not None else []
        verdicts = tuple(answer.compare(derived) for answer, derived in (*given, *self.beside))
        facts = [
            {"name": row.name, "op": row.op, "output_shape": row.output_shape}
            | {COLUMNS[column].fact: known[COLUMNS[column].fact] for column in self.columns}
            for row, known in zip(self.network.rows, self.network.facts()["rows"], strict=True)
        ]
        parts = dict.fromkeys(("sizes", *(COLUMNS[column].part for column in self.columns), "derivations"))
        report = self.network.report(*parts)
        return Work(self.network, {"rows": facts}, verdicts, lambda: report.document().blocks)


def read(fields: Fields) -> Sizes | None:
    """The keys of a sizes problem: network, columns, answer, and answers for the columns."""
    network = fields.read("network", read_network, required=True)
    columns = fields.read("columns", _read_columns)
    before = len(fields.mistakes.found)
    answer = None
    beside = []
    for column in ("answer", *COLUMNS):
        if network is None:
            fields.node_of(column)  # a known key, even where nothing can be compared with it
        elif column == "answer":
            answer = fields.read(column, partial(_read_answer, network=network))
        else:
            given = fields.read(column, partial(COLUMNS[column].read, network=network))
            if given is not None:
                beside.append((given, COLUMNS[column].derived(network)))
    if network is None or len(fields.mistakes.found) != before:
        return None
    return Sizes(network, answer, columns or (), tuple(beside))


def _read_columns(node: Node) -> tuple[str, ...]:
    if not isinstance(node, Items):
        raise cs.InputError(f"{told(node)} is not a list of columns such as [parameters, macs]")
    names = [scalar_text(entry) for entry in node.nodes]
    for name in names:
        if name not in COLUMNS:
            raise cs.InputError(
                f"no column is called '{shown(name)}'; {cs.errors.nearest_name(name, COLUMNS)}"
            )
    return tuple(dict.fromkeys(names))


def _read_answer(node: Node, network: cs.Network) -> RowAnswers[tuple[int, ...]]:
    names = layer_names(network)
    return read_answers(node, names, ("size", "sizes"), _read_size, cross, example="[96x55x55, 9216]")


def _read_size(node: Node) -> tuple[int, ...]:
    written = scalar_text(node)
    if not _SIZE.match(written):
        raise cs.InputError(f"'{shown(written)}' is not a size such as 96x55x55 or 9216")
    return tuple(int(length) for length in re.split(r"\s*[x×]\s*", written))


def cross(size: tuple[int, ...]) -> str:
    """A size in words: 96 × 55 × 55."""
    return " × ".join(map(str, size))


KIND = Kind("sizes", read)
