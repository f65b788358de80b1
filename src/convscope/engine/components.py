"""Regions of a mask: cells that touch, at a side or a corner, belong together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]


def components(mask: npt.NDArray[np.bool_]) -> tuple[Labels, int]:
    """Each cell's region, counted from 1, and 0 outside of all; and how many there are.

    >>> components(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]], bool))[0].tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 0], [2, 0, 3]]
    """
    from scipy import ndimage  # late: it costs more to load than most calls

    labels = np.zeros(mask.shape, dtype=np.int32)
    count = int(ndimage.label(mask, structure=np.ones((3, 3), dtype=bool), output=labels))
    return labels, count
