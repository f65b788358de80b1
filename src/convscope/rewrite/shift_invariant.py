"""How far a map along one axis is the same everywhere: its period, its borders, its reach.

A layer that slides a window gives one matrix for every length n of its input. Far from both ends a row
is the row before it, moved on; near an end it depends on the distance to that end alone. Then a longer
input adds nothing new: the matrix for n + p has the rows of the matrix for n, some of them moved. A
difference of two such families that is zero for every n below a bound is zero for every n. This module
holds that bound; `Locality` says what is assumed, and the functions here derive it for layers one after
the other and for several maps that are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Locality:
    """What holds for the matrix M(n), m(n) rows by n columns, of a map along one axis, for n ≥ `start`.

    An input of `period` cells more has `advance` rows more. Rows `left` to m(n) − `right` − 1, the inner
    ones, read only cells from ``o·period/advance − before`` to ``o·period/advance + after`` of row o; row
    o + advance is row o moved on by `period`; they do not depend on n. The first `left` and the last
    `right` rows read only the first and the last `corner` cells; where n grows by a period, what they
    read of the first cells stays at its distance from the start, what they read of the last cells at its
    distance from the end.

    Attributes:
        longer, shorter: ``n·advance/period − shorter ≤ m(n) ≤ n·advance/period + longer``.
        start: from here on every length is accepted and all of this holds.
    """

    period: int
    advance: int
    left: int
    right: int
    before: Fraction
    after: Fraction
    longer: Fraction
    shorter: Fraction
    corner: int
    start: int

    @property
    def stretch(self) -> Fraction:
        """Input cells for each output cell."""
        return Fraction(self.period, self.advance)

    def reaching(self, length: Fraction | int) -> int:
        """An input length from which on the output has at least `length` cells."""
        return max(math.ceil(self.stretch * (length + self.shorter)), 1)


def local(
    *,
    period: int,
    advance: int,
    left: int,
    right: int,
    before: Fraction | int,
    after: Fraction | int,
    longer: Fraction | int,
    shorter: Fraction | int,
    corner: int = 0,
    accepted: int = 1,
) -> Locality:
    """A locality from its parts, as `Locality` names them; `corner` and `start` are completed from the rest.

    `corner` is what border rows read for reasons of their own, such as reflection; from `accepted` on
    every length is accepted.
    """
    stretch = Fraction(period, advance)
    left, right = max(left, 0), max(right, 0)
    # Border rows read what an inner row at their place would, moved inside by their padding.
    deepest = max(
        corner,
        math.ceil(stretch * left + after) + 1,
        math.ceil(stretch * (right + shorter) + before) + 1,
    )
    rows = math.ceil(stretch * (left + right + advance + shorter))
    return Locality(
        period,
        advance,
        left,
        right,
        Fraction(before),
        Fraction(after),
        Fraction(longer),
        Fraction(shorter),
        deepest,
        max(accepted, rows, 2 * deepest, 1),
    )


def composed(first: Locality, second: Locality) -> Locality:
    """The locality of `second` after `first`.

    An inner row of the whole is an inner row of `second` that reads inner rows of `first` only; how many
    rows at each end are not so follows from the reaches.
    """
    common = math.lcm(first.advance, second.period)
    period = first.period * (common // first.advance)
    advance = second.advance * (common // second.period)
    shrink = 1 / second.stretch  # output cells of `second` for each of its input cells
    left = max(second.left, math.ceil(shrink * (first.left + second.before)))
    right = max(
        second.right, math.floor(shrink * (second.after + first.right) + second.longer - 1) + 1
    )  # o < l − right reads places below m − first.right
    # How deep into the map between them the border rows of the whole look.
    between = max(
        second.corner,
        math.ceil(second.stretch * left + second.after) + 1,
        math.ceil(second.stretch * (right + second.shorter) + second.before) + 1,
    )
    corner = max(
        first.corner,
        math.ceil(first.stretch * between + first.after) + 1,
        math.ceil(first.stretch * (between + first.shorter) + first.before) + 1,
    )
    accepted = max(
        first.start,
        first.reaching(second.start),
        first.reaching(first.left + first.right + 2 * between + common),
    )
    return local(
        period=period,
        advance=advance,
        left=left,
        right=right,
        before=first.before + first.stretch * second.before,
        after=first.after + first.stretch * second.after,
        longer=second.longer + shrink * first.longer,
        shorter=second.shorter + shrink * first.shorter,
        corner=corner,
        accepted=accepted,
    )


def together(parts: Sequence[Locality]) -> Locality | None:
    """One locality that holds for each of several maps; None where their outputs grow at unlike rates."""
    if len({part.stretch for part in parts}) > 1:
        return None
    period = math.lcm(*(part.period for part in parts))
    stretch = parts[0].stretch
    return local(
        period=period,
        advance=int(period / stretch),
        left=max(part.left for part in parts),
        right=max(part.right for part in parts),
        before=max(part.before for part in parts),
        after=max(part.after for part in parts),
        longer=max(part.longer for part in parts),
        shorter=max(part.shorter for part in parts),
        corner=max(part.corner for part in parts),
        accepted=max(part.start for part in parts),
    )


def lengths_that_decide(locality: Locality) -> range:
    """The lengths that decide for all: two maps of this locality that agree on these agree on every length.

    M(n + period) has no entry that M(n) has not, for n ≥ `start`: rows before the last `right` and the
    rows after the first `left` overlap, and each row of the longer matrix is one of them. So agreement
    on ``start … start + period − 1`` carries on upwards, and shorter lengths are looked at one by one.
    """
    return range(1, locality.start + locality.period)
