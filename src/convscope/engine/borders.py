"""What lies outside the picture: for each border, which pixel stands at each place outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError, nearest_name

Places = npt.NDArray[np.int64]

OUTSIDE = -1  # no pixel stands there: the border's value does


def _constant(places: Places, length: int) -> Places:
    return np.where((places >= 0) & (places < length), places, OUTSIDE)


def _reflect(places: Places, length: int) -> Places:
    period = max(2 * length - 2, 1)
    folded = places % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(places)


def _symmetric(places: Places, length: int) -> Places:
    period = 2 * length
    folded = places % period
    return np.minimum(folded, period - 1 - folded)


def _replicate(places: Places, length: int) -> Places:
    return np.clip(places, 0, length - 1)


def _wrap(places: Places, length: int) -> Places:
    return places % length


# From border to the rule that names the pixel at a place; the names are `numpy.pad`'s.
RULES: Mapping[str, Callable[[Places, int], Places]] = MappingProxyType(
    {
        "zero": _constant,
        "constant": _constant,
        "reflect": _reflect,
        "symmetric": _symmetric,
        "replicate": _replicate,
        "wrap": _wrap,
    }
)
VALID = "valid"
ALIASES: Mapping[str, str] = MappingProxyType({"zeros": "zero", "edge": "replicate"})


def border_name(border: object) -> str:
    """The one name of a border.

    Raises:
        InputError: a border that is not known, with those that are.

    >>> border_name("edge")
    'replicate'
    """
    name = ALIASES.get(border, border) if isinstance(border, str) else border
    if not isinstance(name, str) or (name not in RULES and name != VALID):
        raise InputError(
            f"border={border!r} is not known; {nearest_name(str(border), (*RULES, VALID, 'edge'))}"
        )
    return name


def border_map(border: str, length: int, before: int, after: int) -> Places:
    """For each place from `before` cells ahead of an axis to `after` cells behind it: its cell, or −1.

    >>> border_map("reflect", 4, 2, 2).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    places = np.arange(-before, length + after, dtype=np.int64)
    return RULES.get(border, _constant)(places, length)
