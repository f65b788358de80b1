"""The first answer that its own check confirms: the best, else the next best, else colour for grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from convscope.interpret.claims import Check, checks
from convscope.interpret.colour import Blend, other_way
from convscope.interpret.finding import NO_STRUCTURE, Finding, findings
from convscope.interpret.surrounds import SURROUNDED

# How many kinds are tried after the best.
NEXT_BEST = 3
# A line or an edge is part of stripes, and a spot of a line or of a checkerboard, so that these may give a
# little more: another kind is looked for when the claim gives less than this share of the strongest response.
CLEARLY_LESS = 0.8
# An answer that is confirmed explains at most so much less of the energy than one that is not.
MOST_LESS = 0.25

# What is tried next: the blend, and the kinds it is not to be; None where nothing is left.
Attempt = tuple[Blend, frozenset[str]] | None


def confirmed(mixed: Sequence[Blend]) -> tuple[list[Finding], list[Check]]:
    """What each kernel is and whether stimuli confirm it: the best answer where none is confirmed."""
    found = measured(mixed, [frozenset()] * len(mixed))
    tried = checks(found)
    refused = [set[str]() for _ in mixed]

    def next_kind(place: int) -> Attempt:
        return mixed[place], frozenset(refused[place])

    def other_axis(place: int) -> Attempt:
        other = other_way(mixed[place])
        return None if other is None else (other, frozenset())

    for attempt in (*(next_kind,) * NEXT_BEST, other_axis):
        places = [place for place, check in enumerate(tried) if _is_refuted(found[place], check)]
        if not places:
            break
        _try_again(attempt, places, found, tried, refused)
    return found, tried


def measured(mixed: Sequence[Blend], barred: Sequence[frozenset[str]]) -> list[Finding]:
    """The patterns of kernels of one size, measured."""
    patterns = np.array([blend.pattern for blend in mixed])
    held = np.array([blend.held for blend in mixed])
    return [
        replace(finding, blend=blend if blend.channels > 1 else None)
        for finding, blend in zip(findings(patterns, held, barred), mixed, strict=True)
    ]


def _is_refuted(finding: Finding, check: Check) -> bool:
    """Something else answers, clearly more, or what is claimed does not happen at all."""
    if check.agrees or check.claimed is None:
        return not check.agrees
    best = check.strongest[0]
    if best.family != "stripes" and finding.kind not in SURROUNDED:
        return True
    return check.claimed.value < CLEARLY_LESS * best.value


def _try_again(
    attempt: Callable[[int], Attempt],
    places: Sequence[int],
    found: list[Finding],
    tried: list[Check],
    refused: Sequence[set[str]],
) -> None:
    """Put a confirmed answer in the place of each that is not, where the attempt gives one."""
    for place in places:
        refused[place].add(found[place].kind)
    given = [(place, tried_next) for place in places if (tried_next := attempt(place)) is not None]
    if not given:
        return
    others = measured([blend for _, (blend, _) in given], [kinds for _, (_, kinds) in given])
    for (place, _), other, check in zip(given, others, checks(others), strict=True):
        refused[place].add(other.nearest)
        least = found[place].explained - MOST_LESS
        if check.agrees and other.kind != NO_STRUCTURE and other.explained >= least:
            found[place], tried[place] = other, check
