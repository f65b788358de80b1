"""What ``convscope net --json`` writes: the public attributes of each answer by name."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import convscope as cs
from convscope.render.facts import derivation_steps
from convscope.render.plain import plain_text
from convscope.show import DEFAULT_DIGITS


def _words(content: Any) -> str:  # noqa: ANN401 - a sentence of a document
    return plain_text(content, DEFAULT_DIGITS)


def _number(value: Any) -> Any:  # noqa: ANN401 - whatever JSON takes
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    if isinstance(value, tuple):
        return [_number(entry) for entry in value]
    return value


def same_document() -> cs.Document:
    """What is said of networks that do not differ."""
    return cs.Document(("The networks are the same",), ())


def derivation(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """A layer's shape and every step."""
    value = found.value
    shape = None if value is None else [n if isinstance(n, int) else str(n) for n in value]
    return {"output_shape": shape, "steps": derivation_steps(found, DEFAULT_DIGITS)}


def count(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """Totals and rows under a convention."""
    rows = [
        {
            "name": row.name,
            "count": _number(row.count),
            "plain": row.plain,
            "why": _words(row.why),
        }
        for row in found.rows
    ]
    return {
        "convention": found.convention.name,
        "counter": found.convention.counter,
        "unit": found.convention.unit,
        "total": found.total,
        "plain": found.plain,
        "complete": found.complete,
        "not_counted": [row.name for row in found.not_counted],
        "rows": rows,
    }


def difference(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """Whether two networks are the same, and what differs first."""
    why = getattr(found, "why", None)
    if why is None:
        return {"same": True}
    return {
        "same": False,
        "why": _words(why),
        "layer": found.row.name if found.row else None,
        "other": found.other.name if found.other else None,
    }


def field(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """The box of input cells that one cell sees."""
    seen = getattr(found, "field", found)
    return {
        "layer": seen.layer,
        "cell": list(seen.cell),
        "boxes": {name: [list(side) for side in box] for name, box in seen.boxes.items()},
        "unclipped": [list(side) for side in seen.unclipped],
        "through": seen.through,
    }


def valid_inputs(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """For each letter the sizes that run and those that drop nothing, in words and as residues."""
    return {
        "square": found.square,
        "letters": {
            name: {
                "runs": _sizes(found.runs[name]),
                "lossless": _sizes(found.lossless[name]),
                "exact": _sizes(found.exact[name]),
                "told": list(found.told(name)),
            }
            for name in found.runs
        },
        "refusals": [
            {"letter": r.letter, "first": r.first, "last": r.last, "layer": r.layer} for r in found.refusals
        ],
    }


def _sizes(members: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"told": str(members), "from": members.start, "period": members.period,
            "residues": sorted(members.residues)}  # fmt: skip


def memory(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """The peak, where it is and what is held there."""
    return {
        "training": found.training,
        "batch": found.batch,
        "peak_bytes": found.peak_bytes,
        "weight_bytes": found.weight_bytes,
        "total_bytes": found.total_bytes,
        "saved_bytes": found.saved_bytes,
        "peak": {"layer": found.peak.name, "phase": found.peak.phase},
        "held": [{"name": held.name, "what": held.what, "bytes": held.bytes} for held in found.held],
        "complete": found.complete,
        "not_counted": list(found.not_counted),
    }


def lint(found: Any) -> dict[str, Any]:  # noqa: ANN401
    """Every finding with its evidence, consequence and remedy."""
    findings = [
        {
            "kind": entry.kind,
            "layer": entry.layer,
            "evidence": _words(entry.evidence),
            "consequence": _words(entry.consequence),
            "remedy": _words(entry.remedy),
            "numbers": _numbers(entry.numbers),
        }
        for entry in found
    ]
    return {"findings": findings}


def _numbers(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in numbers.items()}
