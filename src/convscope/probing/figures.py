"""Measured numbers as words: few digits, powers of ten where they are far from one."""

from __future__ import annotations

import math
from collections.abc import Sequence

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def figure(value: float) -> str:
    """A measured number with three digits.

    >>> figure(0.12345), figure(-2.0), figure(3.2e-9), figure(65504.0), figure(0.0)
    ('0.123', '−2', '3.2·10⁻⁹', '6.55·10⁴', '0')
    """
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if not value:
        return "0"
    rounded = f"{value:.2e}"
    digits, _, power = rounded.partition("e")
    exponent = int(power)
    if -3 <= exponent <= 3:
        written = f"{float(rounded):.{max(0, 2 - exponent)}f}"
        written = written.rstrip("0").rstrip(".") if "." in written else written
    else:
        short = digits.rstrip("0").rstrip(".") if "." in digits else digits
        written = f"{short}·10{str(exponent).translate(_RAISED)}"
    return written.replace("-", "−")


def shape_words(shape: Sequence[int]) -> str:
    """A shape without its first axis, the items.

    >>> shape_words((8, 16, 4, 4))
    '16×4×4'
    """
    return "×".join(map(str, shape[1:])) or "one number"


def ordinal_list(steps: Sequence[int]) -> str:
    """How many samples, and of which steps.

    >>> ordinal_list((1, 51, 101))
    '3 samples, from step 1 to step 101'
    """
    if len(steps) == 1:
        return f"one sample, at step {steps[0]}"
    return f"{len(steps)} samples, from step {steps[0]} to step {steps[-1]}"
