"""A part of a whole as a percentage and as a bar of characters."""

from __future__ import annotations

from fractions import Fraction

BAR_CELLS = 6
# A whole cell is eight eighths; the last cell of a bar is one of these.
EIGHTHS = " ▏▎▍▌▋▊▉█"
SMALLEST = Fraction(1, 1000)
TENTHS_BELOW = Fraction(1, 10)


def percent(part: Fraction) -> str:
    """The part in hundredths: whole ones from ten on, tenths below.

    >>> percent(Fraction(94, 100)), percent(Fraction(1, 26)), percent(Fraction(1, 10**6))
    ('94 %', '3.8 %', '<0.1 %')
    """
    if not part:
        return "0 %"
    if part < SMALLEST:
        return "<0.1 %"
    tenths = round(part * 1000)  # half to even, on the exact ratio
    if part < TENTHS_BELOW and tenths < 100:
        return f"{tenths // 10}.{tenths % 10} %"
    return f"{round(part * 100)} %"


def bar(part: Fraction, cells: int = BAR_CELLS) -> str:
    """A bar of characters, as long as the part is of so many cells.

    >>> bar(Fraction(1, 2), cells=4), bar(Fraction(1, 16), cells=4)
    ('██  ', '▎   ')
    """
    eighths = round(min(max(part, Fraction(0)), Fraction(1)) * cells * 8)
    if part > 0:
        eighths = max(eighths, 1)  # what is there is seen
    whole, rest = divmod(eighths, 8)
    return (EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")).ljust(cells)
