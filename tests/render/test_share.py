"""Shares as figures and as bars."""

from __future__ import annotations

from fractions import Fraction

import pytest

from convscope.render.share import bar, percent


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (Fraction(1), "100 %"),
        (Fraction(0), "0 %"),
        (Fraction(999, 10000), "10 %"),
        (Fraction(99, 1000), "9.9 %"),
        (Fraction(1, 1000), "0.1 %"),
        (Fraction(1, 1001), "<0.1 %"),
        (Fraction(3, 8), "38 %"),
    ],
)
def test_percentages(part: Fraction, shown: str) -> None:
    assert percent(part) == shown


def test_bars_grow_with_the_part_and_keep_their_width() -> None:
    drawn = [bar(Fraction(n, 48)) for n in range(49)]
    assert len(set(drawn)) == 49
    assert {len(line) for line in drawn} == {6}
    assert bar(Fraction(1, 10**9)).strip()
