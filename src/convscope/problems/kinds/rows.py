"""What problems about the rows of a network share: the network, and answers given row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import convscope as cs
from convscope.core.document import Text, text
from convscope.problems.fields import scalar_text, shown, told
from convscope.problems.task import Verdict
from convscope.problems.tree import Entries, Items, Node, Scalar

Value = TypeVar("Value")
TOTAL = "total"


@dataclass(frozen=True)
class RowAnswers(Generic[Value]):
    """Values somebody gave, each under the row it is for.

    Attributes:
        what: what they are, in one word and the plural: "size", "sizes".
        values: a pair for each answer.
        say: a value in words.
    """

    what: tuple[str, str]
    values: tuple[tuple[str, Value], ...]
    say: Callable[[Value], str]

    def compare(self, rows: Mapping[str, Value | None]) -> Verdict:
        """Whether every row has the value given for it."""
        one, many = self.what
        wrong = [(name, value) for name, value in self.values if rows.get(name) != value]
        count = len(self.values)
        if not wrong:
            words = (
                f"The {one} given as answer agrees"
                if count == 1
                else f"All {count} {many} given as answer agree"
            )
            derived = "derived ones"
            return Verdict(is_right=True, content=text(f"{words} with the {derived}."))
        told_rows = "; ".join(
            f"{name} is {self._said(rows.get(name))}, given {self.say(value)}" for name, value in wrong
        )
        content: Text = text(f"{len(wrong)} of {count} {many} given as answer differ: {told_rows}.")
        return Verdict(is_right=False, content=content)

    def _said(self, value: Value | None) -> str:
        return "not known" if value is None else self.say(value)


def read_network(node: Node) -> cs.Network:
    """The network that is written one layer a line."""
    written = scalar_text(node)
    if isinstance(node, Scalar) and node.is_folded:
        raise cs.InputError("YAML folds these lines into one; write '|' and the layers below it")
    # The line end says that this is a network's text and not the name of a file.
    return cs.network(written + "\n")


def read_answers(
    node: Node,
    names: list[str],
    what: tuple[str, str],
    read: Callable[[Node], Value],
    say: Callable[[Value], str],
    *,
    example: str,
    more: tuple[str, ...] = (),
) -> RowAnswers[Value]:
    """A list with one value for each row in order, or a mapping from row names to values.

    Args:
        node: what was written.
        names: the rows.
        what: one value and several, in words.
        read: reads one value.
        say: a value in words.
        example: a list as it may be written, for messages.
        more: names that only a mapping may hold.
    """
    match node:
        case Items():
            if len(node.nodes) != len(names):
                raise cs.InputError(
                    f"{len(node.nodes)} {what[1]} are given but the network has {len(names)} layers "
                    f"({', '.join(names)}); write null where none is asked"
                )
            pairs = list(zip(names, node.nodes, strict=True))
        case Entries():
            if node.repeated:
                raise cs.InputError(f"the row '{shown(node.repeated[0].text)}' is answered twice")
            pairs = [(key.text, value) for key, value in node.pairs]
        case _:
            raise cs.InputError(
                f"{told(node)} is not a list of {what[1]} such as {example}, "
                f"nor a mapping from row names to {what[1]}"
            )
    known = [*names, *more]
    for name, _ in pairs:
        if name not in known:
            raise cs.InputError(f"no row is called '{shown(name)}'; {cs.errors.nearest_name(name, known)}")
    given = (
        (name, read(value)) for name, value in pairs if not (isinstance(value, Scalar) and value.is_null)
    )
    return RowAnswers(what, tuple(given), say)


def layer_names(network: cs.Network) -> list[str]:
    """The rows that can be asked about."""
    return [row.name for row in network.rows if row.op != "input"]
