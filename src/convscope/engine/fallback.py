"""The slower path: SciPy, in float64, while the fast one is being compiled; and the check of it in tests.

Error: n·2⁻⁵³ of Σ|weight·pixel| for n taps, and one rounding to the type of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.engine.analysis import Analysis
from convscope.engine.methods import is_exact
from convscope.engine.request import Request

BAND_CELLS = 2**22  # of the picture with its border, held in float64 at one time
# Measured on the slowest machine at hand; only says when waiting for the compiler is the lesser evil.
SECONDS_A_TAP = 3e-9


def seconds(request: Request, kernels: Sequence[Analysis]) -> float:
    """About how long this path takes."""
    return request.cells / max(request.kernels, 1) * sum(kernel.taps for kernel in kernels) * SECONDS_A_TAP


def apply_slowly(
    picture: npt.NDArray[Any], kernels: Sequence[Analysis], request: Request, out: npt.NDArray[Any]
) -> None:
    """Fill `out` (kernels, rows, columns, channels) from a picture (rows, columns, channels)."""
    rows, columns = request.maps()
    extent, step = request.extent[0], request.stride[0]
    width = max(len(columns) * request.picture[2], 1)
    band = max(BAND_CELLS // width - extent, 1)
    for begin in range(0, request.out[0], max(band // step, 1)):
        end = min(begin + max(band // step, 1), request.out[0])
        wanted = rows[begin * step : (end - 1) * step + extent]
        bordered = _bordered(picture, wanted, columns, request.value)
        for number, kernel in enumerate(kernels):
            sums = _sums(bordered, kernel, request, end - begin)
            out[number, begin:end] = rounded(sums, out.dtype)


def _bordered(
    picture: npt.NDArray[Any], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], value: float
) -> npt.NDArray[np.float64]:
    found = np.full((len(rows), len(columns), picture.shape[2]), value, dtype=np.float64)
    inside_y, inside_x = np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0)
    if len(inside_y) and len(inside_x):
        found[np.ix_(inside_y, inside_x)] = picture[np.ix_(rows[inside_y], columns[inside_x])]
    return found


def _sums(
    bordered: npt.NDArray[np.float64], kernel: Analysis, request: Request, height: int
) -> npt.NDArray[np.float64]:
    from scipy import ndimage

    whole = is_exact(request, kernel, "float64")
    taps = kernel.numerators.astype(np.float64) if whole else kernel.floats
    (dy, dx), (sy, sx) = request.dilation, request.stride
    spread = np.zeros(request.extent)
    spread[::dy, ::dx] = taps
    found = np.empty((height, request.out[1], request.picture[2]))
    top, left = request.extent[0] // 2, request.extent[1] // 2
    for channel in range(request.picture[2]):
        with np.errstate(all="ignore"):
            full = ndimage.correlate(bordered[:, :, channel], spread, mode="constant")
        part = full[top : top + (height - 1) * sy + 1 : sy, left::sx]
        found[:, :, channel] = part[:, : request.out[1]]
    if whole:
        # One multiplication and one division of exact numbers where both fit, as the fast path does.
        found *= float(kernel.content.numerator)
        found /= float(kernel.content.denominator)
    return found


def rounded(sums: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Sums in the type of the result: integers rounded half to even and clipped, NaN is 0."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return sums.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    clipped = np.clip(
        np.rint(np.nan_to_num(sums, nan=0.0, posinf=np.inf, neginf=-np.inf)), limits.min, limits.max
    )
    return clipped.astype(dtype)
