"""`parameters`: how many parameters, or multiply-adds, every layer of a network has, and the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import convscope as cs
from convscope.problems.fields import Fields, scalar_text, shown
from convscope.problems.kinds.rows import TOTAL, RowAnswers, layer_names, read_answers, read_network
from convscope.problems.task import Kind, Task, Work
from convscope.problems.tree import Node

PARAMETERS = "number of parameters", "numbers of parameters"
MACS = "number of multiply-adds", "numbers of multiply-adds"
_COUNT = re.compile(r"\d{1,24}|\d{1,3}(?:[,_]\d{3}){1,7}", re.ASCII)


@dataclass(frozen=True)
class Parameters(Task):
    """A network, and the parameters and multiply-adds given as its answer."""

    network: cs.Network
    answer: RowAnswers[int] | None
    macs: RowAnswers[int] | None

    def solve(self) -> Work:
        """Count every layer, and compare row by row."""
        network = self.network
        compared = ((self.answer, param_counts(network)), (self.macs, mac_counts(network)))
        verdicts = tuple(given.compare(rows) for given, rows in compared if given is not None)
        known = network.facts()
        names = ("name", "op", "output_shape", "params", "macs")
        facts = {
            "rows": [{name: row[name] for name in names} for row in known["rows"]],
            "totals": known["totals"],
            "complete": network.complete,
        }
        report = network.report("costs", "derivations")
        return Work(network, facts, verdicts, lambda: report.document().blocks)


def param_counts(network: cs.Network) -> Mapping[str, int | None]:
    """The parameters of each row, and all together."""
    return {**{row.name: row.params for row in network.rows}, TOTAL: network.total_params}


def mac_counts(network: cs.Network) -> Mapping[str, int | None]:
    """The multiply-adds of each row, and all together."""
    return {**{row.name: row.macs for row in network.rows}, TOTAL: network.total_macs}


def read(fields: Fields) -> Parameters | None:
    """The keys of a parameters problem: network, answer, macs."""
    network = fields.read("network", read_network, required=True)
    before = len(fields.mistakes.found)
    if network is None:
        fields.node_of("answer")
        fields.node_of("macs")
        return None
    answer = fields.read("answer", lambda node: read_counts(node, network, PARAMETERS))
    macs = fields.read("macs", lambda node: read_counts(node, network, MACS))
    return Parameters(network, answer, macs) if len(fields.mistakes.found) == before else None


def read_counts(node: Node, network: cs.Network, what: tuple[str, str]) -> RowAnswers[int]:
    """Counts given row by row; a mapping may also hold the total."""
    return read_answers(
        node, layer_names(network), what, _read_count, "{:,}".format,
        example="[34944, 0]", more=(TOTAL,),
    )  # fmt: skip


def _read_count(node: Node) -> int:
    written = scalar_text(node)
    if not _COUNT.fullmatch(written):
        raise cs.InputError(f"'{shown(written)}' is not a count such as 34944 or 62,378,344")
    return int(re.sub("[,_]", "", written))


KIND = Kind("parameters", read)
