"""Where the picture's axes lie after an array was rearranged, as far as the shapes tell.

Positions are followed only where they are certain: an operator that may have moved cells along an
axis of the picture answers None, and the field is then the whole picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Embedding, Rearrange, Reduce
from convscope.core.structural import Flatten

Places = tuple[int | None, ...]


def _reshaped(places: Places, before: Shape, after: Shape) -> Places | None:
    """Row-major: an axis is kept where as many cells stand before it and it is as long."""
    if math.prod(before) != math.prod(after):
        return None
    starts: dict[tuple[int, int], int] = {}
    for home, length in enumerate(after):
        starts.setdefault((math.prod(after[:home]), length), home)
    found: list[int | None] = []
    for place in places:
        if place is None:
            found.append(None)
            continue
        key = math.prod(before[:place]), before[place]
        if key not in starts and before[place] > 1:
            return None
        found.append(starts.get(key))
    return tuple(found)


def _permuted(places: Places, before: Shape, after: Shape) -> Places | None:
    """The picture's axes keep their order; where lengths leave a choice, channels went to the other end."""
    if sorted(before) != sorted(after):
        return None
    kept = [place for place in places if place is not None]
    lengths = [before[place] for place in kept]
    homes = [
        start for start in range(len(after) - len(kept) + 1)
        if list(after[start : start + len(kept)]) == lengths
    ]  # fmt: skip
    # The same place again would mean that nothing was moved.
    other = [start for start in homes if not kept or start != kept[0]]
    if not homes or (not other and len(before) - len(kept) < 2):
        return None  # with no two other axes to change places, the picture's own did
    moved = iter(range((other or homes)[0], len(after)))
    return tuple(None if place is None else next(moved) for place in places)


def _cut(places: Places, before: Shape, after: Shape) -> Places | None:
    """Slices of the channels: the picture's axes are as long as they were."""
    if len(before) == len(after):
        kept = all(place is None or before[place] == after[place] for place in places)
        return places if kept else None
    return _dropped(places, before, after)


def _dropped(places: Places, before: Shape, after: Shape) -> Places | None:
    """One axis that is not the picture's was summed, picked or added; the others stay as they are."""
    spatial = [before[place] for place in places if place is not None]
    shift = len(after) - len(before)
    if shift == -1 and any((*before[:p], *before[p + 1 :]) == after for p in places if p is not None):
        return None  # it may have been an axis of the picture
    for offset in (shift, 0):
        homes = [None if place is None else place + offset for place in places]
        fits = all(home is None or 0 <= home < len(after) for home in homes)
        if fits and [after[home] for home in homes if home is not None] == spatial:
            return tuple(homes)
    return None


_BY_NAME: dict[str, Callable[[Places, Shape, Shape], Places | None]] = {
    **dict.fromkeys(("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshaped),
    **dict.fromkeys(("permute", "transpose", "movedim", "moveaxis", "t", "swapaxes"), _permuted),
    **dict.fromkeys(
        ("slice", "split", "chunk", "narrow", "select", "getitem", "unbind"), _cut
    ),
    **dict.fromkeys(
        (
            "cast", "contiguous", "clone", "copy", "detach", "to", "alias", "lift", "identity", "expand",
            "repeat", "broadcast", "dequantize", "quantize", "cat", "concat", "concatenate", "stack",
        ),
        _dropped,
    ),
}  # fmt: skip


def _by_name(layer: Rearrange, places: Places, before: Shape, after: Shape) -> Places | None:
    word = re.match(r"[a-z]*", layer.op.lower().rpartition("::")[2].lstrip("_").removeprefix("unsafe_"))
    rule = _BY_NAME.get(word[0] if word else "")
    return None if rule is None else rule(places, before, after)


def _flattened(layer: Flatten, places: Places, before: Shape, after: Shape) -> Places | None:  # noqa: ARG001
    return _reshaped(places, before, after)


def _cells_kept(layer: Reduce | Embedding, places: Places, before: Shape, after: Shape) -> Places | None:  # noqa: ARG001
    return _dropped(places, before, after)


_RULES: dict[type[Layer], Callable[[Any, Places, Shape, Shape], Places | None]] = {
    Rearrange: _by_name,
    Flatten: _flattened,
    Reduce: _cells_kept,
    Embedding: _cells_kept,
}


def kept_places(layer: Layer, places: Places, before: Shape, after: Shape) -> Places | None:
    """Which axes of the output run along the picture's axes; None where that is not certain."""
    return _RULES[type(layer)](layer, places, before, after)
