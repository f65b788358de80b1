"""Given answers compared with exact results, as precisely as they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import convscope as cs
from convscope.core.document import Text, text
from convscope.core.number import Exact, Symbolic
from convscope.problems.fields import matrix_source, shown
from convscope.problems.task import Verdict
from convscope.problems.tree import Node

# An answer wrong in many cells is told by its first ones.
CELLS_TOLD = 3

_WRITTEN = re.compile(
    r"[+\-\u2212]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:/(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?|[^\W\d]\w*",
    re.ASCII,
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}")
_DECIMAL = re.compile(r"[+\-\u2212]?\d*\.(?P<decimals>\d*)(?:[eE](?P<exponent>[+-]?\d+))?\Z", re.ASCII)


@dataclass(frozen=True)
class MatrixAnswer:
    """A matrix somebody gave as the answer, with the decimals each number was written with.

    A number written with a decimal point is right when the exact value rounds to it; a number
    without one, an integer or a ratio, is right when it is the exact value.
    """

    value: cs.ExactArray
    written: tuple[str, ...]

    @classmethod
    def read(cls, node: Node, folder: Path) -> MatrixAnswer:
        """The answer that a node holds."""
        source = matrix_source(node, folder)
        value = cs.matrix(source)
        written = _written(source)
        if len(written) != value.size or list(cs.matrix([written]).cells()) != list(value.cells()):
            # LaTeX with a scalar in front and the like: the numbers are not written one by one.
            written = [str(cell) for cell in value.cells()]
        return cls(value, tuple(written))

    def compare(self, truth: cs.ExactArray, what: str) -> Verdict:
        """Whether `truth`, called `what` in the sentence, agrees."""
        if _without_ones(truth.shape) != _without_ones(self.value.shape):
            return Verdict(
                is_right=False,
                content=text(f"The answer given for {what} has shape {_cross(self.value.shape)}; "
                     f"the result has {_cross(truth.shape)}."),
            )  # fmt: skip
        wrong = [
            index
            for index, (given, written, cell) in enumerate(
                zip(self.value.cells(), self.written, truth.cells(), strict=True)
            )
            if not agrees(given, written, cell)
        ]
        if not wrong:
            return Verdict(
                is_right=True, content=text(f"The answer given for {what} agrees with the exact result.")
            )
        return Verdict(is_right=False, content=self._differences(truth, wrong, what))

    def _differences(self, truth: cs.ExactArray, wrong: list[int], what: str) -> Text:
        noun = "cell" if truth.size == 1 else "cells"
        parts: list[str | Exact] = [
            f"The answer given for {what} differs in {len(wrong)} of {truth.size} {noun}: "
        ]
        cells = list(truth.cells())
        for number, index in enumerate(wrong[:CELLS_TOLD]):
            separator = "; " if number else ""
            parts += [f"{separator}{_place(truth.shape, index)} is ", cells[index]]
            parts.append(f", given {shown(self.written[index])}")
        parts.append("; …" if len(wrong) > CELLS_TOLD else ".")
        return text(*parts)


def agrees(given: Exact, written: str, truth: Exact) -> bool:
    """True when the exact value is the one given, or rounds to it in the decimals it was written with.

    >>> agrees(Fraction(3333, 10000), "0.3333", Fraction(1, 3)), agrees(Fraction(1), "1", Fraction(4, 3))
    (True, False)
    """
    if given == truth:
        return True
    decimals = decimals_written(written)
    if decimals is None or isinstance(given, Symbolic):
        return False
    if isinstance(truth, Fraction):
        # Half a unit of the last place either way: both ways of rounding a tie are accepted.
        return abs(truth - given) * 2 <= Fraction(1, 10) ** decimals
    return truth.is_numeric and Fraction(truth.decimal(max(decimals, 0))) == given


def decimals_written(written: str) -> int | None:
    """How many decimals a number was written with; None where it has no decimal point.

    >>> decimals_written("0.9820"), decimals_written("1.5e-3"), decimals_written("1/3")
    (4, 4, None)
    """
    found = _DECIMAL.match(written)
    return None if found is None else len(found["decimals"]) - int(found["exponent"] or 0)


def _written(source: str | Path | list[object]) -> list[str]:
    """The numbers of an answer as they were written, in order."""
    match source:
        case Path():
            return _WRITTEN.findall(source.read_text(encoding="utf-8-sig"))
        case str():
            return _WRITTEN.findall(_ENVIRONMENT.sub(" ", source))
        case _:
            return [entry for part in source for entry in _written(part)]  # type: ignore[arg-type]


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without leading axes of one: a single channel may be left out of an answer."""
    kept = list(shape)
    while len(kept) > 1 and kept[0] == 1:
        del kept[0]
    return tuple(kept)


def _place(shape: tuple[int, ...], flat: int) -> str:
    """The cell at a place in row-major order, called by its index as in the worked solution."""
    index: list[int] = []
    for length in reversed(shape):
        flat, position = divmod(flat, length)
        index.insert(0, position)
    return f"cell {index}"


def _cross(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
