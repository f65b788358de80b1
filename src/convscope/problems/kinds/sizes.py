"""`sizes`: the output size of every layer of a network, from its text form."""

from __future__ import annotations

import re
from dataclasses import dataclass

import convscope as cs
from convscope.core.document import Text, text
from convscope.problems.fields import Fields, scalar_text, shown, told
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Entries, Items, Node, Scalar

_SIZE = re.compile(r"\d{1,12}(?:\s*[x×]\s*\d{1,12}){0,4}\Z", re.ASCII)


@dataclass(frozen=True)
class SizesAnswer:
    """Sizes somebody gave: for each, the row it is for and the size."""

    sizes: tuple[tuple[str, tuple[int, ...]], ...]

    def compare(self, rows: dict[str, tuple[int, ...]]) -> Verdict:
        """Whether every row has the size given for it."""
        wrong = [(name, size) for name, size in self.sizes if rows[name] != size]
        if not wrong:
            count = len(self.sizes)
            words = (
                "The size given as answer agrees"
                if count == 1
                else f"All {count} sizes given as answer agree"
            )
            return Verdict(is_right=True, content=text(f"{words} with the derived ones."))
        told_rows = "; ".join(f"{name} is {cross(rows[name])}, given {cross(size)}" for name, size in wrong)
        content: Text = text(f"{len(wrong)} of {len(self.sizes)} sizes given as answer differ: {told_rows}.")
        return Verdict(is_right=False, content=content)


@dataclass(frozen=True)
class Sizes(Task):
    """A network, and the sizes given as its answer."""

    network: cs.Network
    answer: SizesAnswer | None

    def solve(self) -> Work:
        """Derive every size, and compare row by row."""
        shapes = ((row.name, row.output_shape) for row in self.network.rows)
        rows = {name: shape for name, shape in shapes if shape is not None}
        verdicts = () if self.answer is None else (self.answer.compare(rows),)
        facts = [
            {"name": row.name, "op": row.op, "output_shape": row.output_shape} for row in self.network.rows
        ]
        return Work(self.network, {"rows": facts}, verdicts, lambda: self.network.document().blocks)


def read(fields: Fields) -> Sizes | None:
    """The keys of a sizes problem: network, answer."""
    network = fields.read("network", _read_network, required=True)
    before = len(fields.mistakes.found)
    answer = None
    if network is not None:
        answer = fields.read("answer", lambda node: _read_answer(node, network))
    else:
        fields.node_of("answer")
    return Sizes(network, answer) if network is not None and len(fields.mistakes.found) == before else None


def _read_network(node: Node) -> cs.Network:
    written = scalar_text(node)
    if isinstance(node, Scalar) and node.is_folded:
        raise cs.InputError("YAML folds these lines into one; write '|' and the layers below it")
    # The line end says that this is a network's text and not the name of a file.
    return cs.network(written + "\n")


def _read_answer(node: Node, network: cs.Network) -> SizesAnswer:
    """A list with one size for each layer in order, or a mapping from row names to sizes."""
    names = [row.name for row in network.rows if row.op != "input"]
    match node:
        case Items():
            if len(node.nodes) != len(names):
                raise cs.InputError(
                    f"{len(node.nodes)} sizes are given but the network has {len(names)} layers "
                    f"({', '.join(names)}); write null where none is asked"
                )
            pairs = list(zip(names, node.nodes, strict=True))
        case Entries():
            if node.repeated:
                raise cs.InputError(f"the row '{shown(node.repeated[0].text)}' is answered twice")
            pairs = [(key.text, value) for key, value in node.pairs]
        case _:
            raise cs.InputError(
                f"{told(node)} is not a list of sizes such as [96x55x55, 9216], "
                "nor a mapping from row names to sizes"
            )
    for name, _ in pairs:
        if name not in names:
            raise cs.InputError(f"no row is called '{shown(name)}'; {cs.errors.nearest_name(name, names)}")
    return SizesAnswer(
        tuple(
            (name, _read_size(value))
            for name, value in pairs
            if not (isinstance(value, Scalar) and value.is_null)
        )
    )


def _read_size(node: Node) -> tuple[int, ...]:
    written = scalar_text(node)
    if not _SIZE.match(written):
        raise cs.InputError(f"'{shown(written)}' is not a size such as 96x55x55 or 9216")
    return tuple(int(length) for length in re.split(r"\s*[x×]\s*", written))


def cross(size: tuple[int, ...]) -> str:
    """A size in words: 96 × 55 × 55."""
    return " × ".join(map(str, size))


KIND = Kind("sizes", read)
