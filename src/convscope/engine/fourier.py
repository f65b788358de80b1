"""Fourier: tiles of the picture times the kernel's transform (overlap-save), for large dense kernels.

Error: about 4·log₂(tile cells)·u of ‖tile‖₂·‖kernel‖₂, so relative to the brightest part of a tile
and not to the window: a plan takes it only for floats. A tile that holds NaN or infinity is
computed directly instead, so that they reach exactly the windows that contain them.

Source: Oppenheim & Schafer, "Discrete-Time Signal Processing" (3rd ed.), section 8.7.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.engine.methods import UNIT
from convscope.engine.request import Request

SMALLEST_TILE = 256
LARGEST_TILE = 1024


def tile_length(extent: int, length: int) -> int:
    """The side of the transformed tile: about four kernels, no more than the picture needs."""
    wanted = 1 << max(4 * extent - 1, 1).bit_length()
    needed = 1 << max(length + extent - 2, 1).bit_length()
    return max(min(max(wanted, SMALLEST_TILE), LARGEST_TILE, needed), 1 << extent.bit_length())


def tile_lengths(request: Request) -> tuple[int, int]:
    """The sides of the transformed tiles; strided sums are all computed and then picked from."""
    (height, width), (sy, sx) = request.out, request.stride
    return (
        tile_length(request.extent[0], (height - 1) * sy + 1),
        tile_length(request.extent[1], (width - 1) * sx + 1),
    )


def error(request: Request, work: str) -> float:
    """The bound as a multiple of ‖tile‖₂·‖kernel‖₂."""
    high, wide = tile_lengths(request)
    return 4 * float(np.log2(high * wide)) * UNIT[work]


class FourierRun:
    """One kernel's transform and the way to apply it to bands of a picture."""

    def __init__(self, request: Request, weights: npt.NDArray[np.float64], work: str) -> None:
        from scipy import fft

        self.request = request
        self.work = np.dtype(work)
        self.tile = tile_lengths(request)
        (dy, dx), extent = request.dilation, request.extent
        spread = np.zeros(extent, dtype=self.work)
        spread[::dy, ::dx] = weights
        # Cross-correlation is the product with the conjugate transform.
        self.transform = np.conj(fft.rfft2(spread, self.tile))
        self.rows, self.columns = request.maps()

    @property
    def band(self) -> int:
        """Output rows that one row of tiles yields."""
        return max((self.tile[0] - self.request.extent[0]) // self.request.stride[0] + 1, 1)

    def run(
        self, picture: npt.NDArray[Any], out: npt.NDArray[Any], begin: int, end: int,
        finish: Callable[[npt.NDArray[Any], np.dtype[Any]], npt.NDArray[Any]],
        again: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        """Output rows `begin` to `end`; `again` computes them directly where a tile is not finite."""
        sx = self.request.stride[1]
        across = max((self.tile[1] - self.request.extent[1]) // sx + 1, 1)
        for left in range(0, self.request.out[1], across):
            right = min(left + across, self.request.out[1])
            for channel in range(self.request.picture[2]):
                sums = self._tile(picture[:, :, channel], begin, end, left, right)
                if sums is None:
                    again(begin, end)
                    return
                out[begin:end, left:right, channel] = finish(sums, out.dtype)
                del sums  # memory for the next tile

    def _tile(
        self, plane: npt.NDArray[Any], begin: int, end: int, left: int, right: int
    ) -> npt.NDArray[Any] | None:
        from scipy import fft

        (sy, sx), (extent_y, extent_x) = self.request.stride, self.request.extent
        rows = self.rows[begin * sy : (end - 1) * sy + extent_y]
        columns = self.columns[left * sx : (right - 1) * sx + extent_x]
        tile = np.zeros(self.tile, dtype=self.work)
        tile[: len(rows), : len(columns)] = self.request.value
        inside_y, inside_x = np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0)
        if len(inside_y) and len(inside_x):
            # Both axes at once: no copy is larger than the tile.
            tile[np.ix_(inside_y, inside_x)] = plane[np.ix_(rows[inside_y], columns[inside_x])]
        with np.errstate(all="ignore"):
            transform = fft.rfft2(tile, overwrite_x=True)
            del tile  # memory for the next step
            transform *= self.transform
            sums = fft.irfft2(transform, self.tile, overwrite_x=True)
        wanted = sums[: (end - begin - 1) * sy + 1 : sy, : (right - left - 1) * sx + 1 : sx]
        # One number tells: a NaN or an infinity anywhere in a tile is everywhere in its transform.
        return wanted if np.isfinite(sums[0, 0]) else None
