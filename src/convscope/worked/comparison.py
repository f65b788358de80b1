"""Which of two exact numbers is larger: decided exactly, or left open with one clear error.

Ratios compare as ratios; two values of one increasing function compare as their arguments do. Else
intervals part two different values, and equal normal forms prove two values equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from convscope.core.number import Exact
from convscope.errors import InputError, UnsupportedError
from convscope.worked.polynomial import Polynomial
from convscope.worked.symbolic import Irrational, is_numeric, normal_form

FIRST_PRECISION = 64
# From this precision on, equality is looked for as well: nearer than this by chance is rare.
PROOF_PRECISION = 256
LAST_PRECISION = 2**15
# Values times bits: some ten seconds of interval arithmetic, then a comparison is given up.
MOST_WORK = 2**22


def compare(a: Exact, b: Exact) -> int:
    """-1, 0 or 1 as `a` is below, equal to or above `b`, decided exactly.

    Raises:
        InputError: letters have no order.
        UnsupportedError: the two agree in thousands of bits and could not be proved equal.
    """
    if a is b:
        return 0
    first, second = ranked((a, b))
    return (first > second) - (first < second)


def ranked(values: Sequence[Exact]) -> list[int]:
    """The place of each value when all are sorted; equal numbers have the same place.

    Raises:
        InputError: letters have no order.
        UnsupportedError: two values agree in thousands of bits and could not be proved equal.
    """
    arguments = _arguments_of_one_function(values)
    if arguments is not None:
        return ranked(arguments)
    if all(isinstance(value, Fraction) for value in values):
        return _places(values, lambda value: value)
    distinct = dict.fromkeys(values)
    if len(distinct) > 1:
        for value in distinct:
            if not is_numeric(value):
                raise InputError("letters have no order, so their values cannot be compared or pooled")
    groups = _parted(list(distinct), FIRST_PRECISION, [MOST_WORK])
    place = {value: number for number, group in enumerate(groups) for value in group}
    return [place[value] for value in values]


def _arguments_of_one_function(values: Sequence[Exact]) -> list[Exact] | None:
    """The arguments, where all values come from the same increasing function."""
    arguments = []
    function: object = None
    for value in values:
        if not isinstance(value, Irrational) or value.order is None:
            return None
        if function is None:
            function = value.order[0]
        elif value.order[0] is not function and value.order[0] != function:
            return None
        arguments.append(value.order[1])
    return arguments


def _places(values: Sequence[Exact], key: Callable[[Any], Any]) -> list[int]:
    table = {value: place for place, value in enumerate(sorted(set(values), key=key))}
    return [table[value] for value in values]


def _parted(values: list[Exact], bits: int, work: list[int]) -> list[list[Exact]]:
    """The values in ascending groups of equal ones; those whose intervals overlap are looked at again."""
    if len(values) == 1:
        return [values]
    if bits < PROOF_PRECISION:
        alike = {value: [value] for value in values}
    else:
        equal: dict[Polynomial, list[Exact]] = {}
        for value in values:
            equal.setdefault(normal_form(value), []).append(value)
        alike = {group[0]: group for group in equal.values()}
    work[0] -= len(alike) * bits
    if len(alike) > 1 and (bits > LAST_PRECISION or work[0] < 0):
        raise UnsupportedError(
            f"{len(alike)} values agree in {bits // 2} bits but could not be proved equal, so none of them "
            f"can be called the largest: {values[0]!r} is one of them"
        )
    return [
        [value for representative in group for value in alike[representative]]
        for cluster in _overlapping(list(alike), bits)
        for group in _parted(cluster, bits * 2, work)
    ]


def _overlapping(values: list[Exact], bits: int) -> list[list[Exact]]:
    """The values in ascending clusters whose intervals overlap."""
    from convscope.worked.enclosure import enclose, enclose_normal

    if bits < PROOF_PRECISION:
        intervals = [enclose(value, bits) for value in values]
    else:
        # Near each other: what they differ by is enclosed more sharply than they are.
        reference = normal_form(values[0])
        intervals = [enclose_normal(normal_form(value) - reference, bits) for value in values]
    enclosed = sorted(
        ((interval.a, interval.b, value) for interval, value in zip(intervals, values, strict=True)),
        key=lambda entry: entry[0],
    )
    clusters: list[list[Exact]] = []
    reach: Any = None
    for low, high, value in enclosed:
        if reach is not None and low <= reach:
            clusters[-1].append(value)
            reach = max(reach, high)
        else:
            clusters.append([value])
            reach = high
    return clusters
