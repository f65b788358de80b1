"""A formula written out: one walk, one table from node type to function for each dialect.

A dialect is a `Writer` with a table; a related dialect copies a table and overrides what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from convscope.core.expression import Expression, precedence
from convscope.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes formulas in one dialect.

    Attributes:
        table: from node type to the function that writes such a node.
        bracket: puts parentheses round a written formula.
        digits: how many decimals a rounded number carries.
    """

    table: Mapping[type[Expression], Callable[[Writer, Any], str]]
    bracket: Callable[[str], str]
    digits: int

    def write(self, node: Expression) -> str:
        """The formula in this dialect."""
        try:
            rule = self.table[type(node)]
        except KeyError:
            known = ", ".join(kind.__name__ for kind in self.table)
            raise UnsupportedError(f"no rule writes a {type(node).__name__}; known: {known}") from None
        return rule(self, node)

    def place(self, node: Expression, tightness: int) -> str:
        """The formula, in parentheses when it binds less tightly than its place asks for."""
        written = self.write(node)
        return self.bracket(written) if precedence(node) < tightness else written
