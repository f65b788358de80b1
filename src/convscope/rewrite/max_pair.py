"""Max pools one after the other: the largest of a box of cells, for every size.

The largest of largests is the largest of all the cells that are looked at, and these are a product of
sets, one an axis. Two chains of max pools are equal exactly if those sets are, for every length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.core.layer import Layer
from convscope.core.pooling import MaxPool
from convscope.rewrite.axis_steps import AxisMap, AxisStep
from convscope.rewrite.axis_table import output_length
from convscope.rewrite.shift_invariant import lengths_that_decide, together


def same_max(
    first: Sequence[Layer], second: Sequence[Layer], rank: int, spatial: Sequence[int] | None
) -> bool:
    """True where two chains of max pools are proved equal, for every size or for one.

    A pool whose windows depend on the whole length is compared with its like only.
    """
    if tuple(first) == tuple(second):
        return True
    if not all(isinstance(layer, MaxPool) for layer in (*first, *second)):
        return False
    return all(
        _same_sets(
            _along(first, axis, rank), _along(second, axis, rank), None if spatial is None else spatial[axis]
        )
        for axis in range(rank)
    )


def _along(layers: Sequence[Layer], axis: int, rank: int) -> AxisMap:
    steps = []
    for layer in layers:
        assert isinstance(layer, MaxPool)  # noqa: S101 - asked by the caller
        pool = layer.for_rank(rank)
        padding = pool.padding if isinstance(pool.padding, str) else [pool.padding[axis]]
        steps.append(
            AxisStep(
                MaxPool(
                    (pool.kernel_size[axis],),
                    (pool.stride[axis],),
                    padding,
                    (pool.dilation[axis],),
                    ceil_mode=pool.ceil_mode,
                )
            )
        )
    return AxisMap(tuple(steps))


def _same_sets(first: AxisMap, second: AxisMap, length: int | None) -> bool:
    if length is not None:
        return _same_at(first, second, length)
    localities = first.locality(), second.locality()
    bound = together([found for found in localities if found is not None])
    if bound is None or None in localities:
        return False
    return all(_same_at(first, second, n) for n in lengths_that_decide(bound))


def _same_at(first: AxisMap, second: AxisMap, length: int) -> bool:
    sizes = output_length(first, length), output_length(second, length)
    if None in sizes:
        return True  # not a length that both take
    if sizes[0] != sizes[1]:
        return False
    one, other = first.entries(length), second.entries(length)
    return np.array_equal(
        np.unique(one.rows * length + one.columns), np.unique(other.rows * length + other.columns)
    )
