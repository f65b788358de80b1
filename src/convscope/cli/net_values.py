"""What stands for shapes, cells and ranges of sizes in ``convscope net``."""

from __future__ import annotations

import re

from convscope.errors import InputError

MAX_SIZES = 100_000
_SHAPE = re.compile(r"\d{1,12}(?:\s*[x×,]\s*\d{1,12}){0,7}\Z", re.ASCII)
_CELL = re.compile(r"(.+):(\d{1,12}(?:,\d{1,12}){0,2})\Z", re.ASCII)
_RANGE = re.compile(r"([A-Za-z]\w{0,9})=(\d{1,9})\.\.(\d{1,9})(?::(\d{1,9}))?\Z", re.ASCII)


def read_shape(written: str) -> tuple[int, ...]:
    """The shape of one item without its batch axis.

    >>> read_shape("3x224x224")
    (3, 224, 224)
    """
    if not _SHAPE.match(written):
        raise InputError(f"'{written}' is not a shape such as 3x224x224")
    return tuple(int(n) for n in re.split(r"\s*[x×,]\s*", written))


def read_field(written: str) -> tuple[str, tuple[int, ...] | None]:
    """A layer, and one of its cells where one is named.

    >>> read_field("conv1:3,4"), read_field("conv1")
    (('conv1', (3, 4)), ('conv1', None))
    """
    found = _CELL.match(written)
    if found is None:
        return written, None
    return found[1], tuple(int(n) for n in found[2].split(","))


def read_sweep(written: str) -> tuple[str, list[int]]:
    """A letter and its values.

    >>> read_sweep("H=128..256:64")
    ('H', [128, 192, 256])
    """
    found = _RANGE.match(written)
    if found is None:
        raise InputError(f"'{written}' is not a range such as H=128..1024:32")
    first, last, step = int(found[2]), int(found[3]), int(found[4] or 1)
    if not step or last < first:
        raise InputError(f"'{written}' holds no size; write H=FROM..TO:STEP with FROM ≤ TO and STEP ≥ 1")
    sizes = range(first, last + 1, step)
    if len(sizes) > MAX_SIZES:
        raise InputError(f"'{written}' holds {len(sizes)} sizes; at most {MAX_SIZES} are worked out")
    return found[1], list(sizes)
