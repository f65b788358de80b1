"""A row of values as characters, one a value."""

from __future__ import annotations

from convscope.core.plot import Sparkline

LEVELS = "▁▂▃▄▅▆▇█"
GAP = "·"


def spark(line: Sparkline) -> str:
    """The values as blocks of different heights; a dot where there is none.

    >>> spark(Sparkline((0, 1, 2, float("nan"), 4)))
    '▁▃▅·█'
    """
    return "".join(
        GAP if height is None else LEVELS[round(height * (len(LEVELS) - 1))] for height in line.heights()
    )
