"""Facts as JSON takes them: exact numbers as text and as decimals, measured ones as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.derivation import Derivation
from convscope.core.document import Formula
from convscope.core.expression import Number
from convscope.core.number import Exact, Symbolic, decimal_places, decimal_text
from convscope.errors import UnsupportedError
from convscope.render.formula import Writer
from convscope.render.plain import plain_text
from convscope.render.text_math import TEXT

# A longer text is a sentence and not a number of a row.
LONGEST_ENTRY = 40


def to_json(facts: Mapping[str, object], *, digits: int) -> str:
    """Facts as JSON.

    An exact number or array under ``value`` becomes text, ``"1/3"``, and stands a second time
    under ``decimal`` with `digits` correct decimals; under another name, ``smallest``, the second
    is ``smallest_decimal``. A number that holds letters has no decimals: null.

    >>> print(to_json({"value": Fraction(1, 3)}, digits=4))
    {
      "value": "1/3",
      "decimal": "0.3333"
    }
    """
    return _laid_out(_plain(facts, digits), "")


def derivation_steps(derivation: Derivation[Any], digits: int) -> list[str]:
    """The claims and formulas of a derivation, one line each."""
    lines: list[str] = []
    for step in derivation.steps:
        lines += [plain_text(step.claim, digits)] if step.claim else []
        formulas = (block for block in step.blocks if isinstance(block, Formula))
        lines += [plain_text((formula.expression,), digits) for formula in formulas]
    return lines


def _laid_out(value: Any, margin: str) -> str:  # noqa: ANN401 - whatever JSON takes
    """JSON with an entry a line, but a list of single values on one line, so that a matrix looks like one."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        entries = [f"{inner}{_written(key)}: {_laid_out(entry, inner)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(entries) + f"\n{margin}}}"
    if isinstance(value, list) and any(_is_long(entry) for entry in value):
        entries = [inner + _laid_out(entry, inner) for entry in value]
        return "[\n" + ",\n".join(entries) + f"\n{margin}]"
    return _written(value)


def _is_long(entry: object) -> bool:
    """True for what has lines of its own: a row, a mapping, a sentence."""
    return isinstance(entry, dict | list) or (isinstance(entry, str) and len(entry) > LONGEST_ENTRY)


def _written(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _plain(value: object, digits: int) -> Any:  # noqa: ANN401 - whatever JSON takes
    match value:
        case None | bool() | int() | str():
            return value
        case float():  # measured; what is no number has no other form in JSON
            return value if math.isfinite(value) else None
        case np.integer():
            return int(value)
        case float() | np.floating():
            # A measured figure: no more exact than its float, and none where there is no number.
            return float(value) if math.isfinite(value) else None
        case Mapping():
            return {
                name: plain for key, entry in value.items() for name, plain in _named(str(key), entry, digits)
            }
        case Sequence():
            return [_plain(entry, digits) for entry in value]
        case _:
            raise UnsupportedError(f"a {type(value).__name__} cannot be written as JSON")


def _named(key: str, entry: object, digits: int) -> list[tuple[str, Any]]:
    """The entry under its name; an exact one twice, as text and as decimals."""
    decimal = "decimal" if key == "value" else f"{key}_decimal"
    match entry:
        case ExactArray():
            cells = list(entry.cells())
            return [
                (key, _nested([exact_text(cell) for cell in cells], entry.shape)),
                (decimal, _nested([_decimal(cell, digits) for cell in cells], entry.shape)),
            ]
        case Fraction() | Symbolic():
            return [(key, exact_text(entry)), (decimal, _decimal(entry, digits))]
        case _:
            return [(key, _plain(entry, digits))]


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - as deep as there are axes
    for length in reversed(shape[1:]):
        flat = [flat[start : start + length] for start in range(0, len(flat), length)]
    return flat if shape else flat[0]


def _decimal(value: Exact, digits: int) -> str | None:
    return None if isinstance(value, Symbolic) and not value.is_numeric else decimal_text(value, digits)


def exact_text(value: Exact) -> str:
    """An exact number as text that loses nothing: ``1/3``, or its formula ``σ(7.5)``.

    >>> exact_text(Fraction(15, 2))
    '15/2'
    """
    return _WRITER.write(value.expression) if isinstance(value, Symbolic) else str(value)


def _exact_number(writer: Writer, node: Number) -> str:
    """A number inside a formula: never rounded, and in brackets where it has a slash of its own."""
    if isinstance(node.value, Symbolic):
        return writer.write(node.value.expression)
    places = decimal_places(node.value)
    if places is None:
        return writer.bracket(str(node.value))
    return decimal_text(node.value, places)


_WRITER = Writer({**TEXT, Number: _exact_number}, lambda written: f"({written})", digits=0)
