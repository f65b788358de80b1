"""Arrays larger than memory: `apply` on a `dask.array`, lazily, chunk by chunk with the border each needs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convscope.engine.borders import VALID
from convscope.engine.cost import known_machine
from convscope.engine.plan import Plan, plan_of
from convscope.engine.request import Request, request_of
from convscope.engine.running import thread_count
from convscope.errors import InputError, MissingExtraError, ShapeError

if TYPE_CHECKING:
    from dask.array import Array

# `dask.array.pad`'s name of each border.
PADDING = {
    "zero": "constant", "constant": "constant", "reflect": "reflect", "symmetric": "symmetric",
    "replicate": "edge", "wrap": "wrap",
}  # fmt: skip


def dask_array() -> Any:  # noqa: ANN401 - a module
    """dask.array, or the line that says how to get it."""
    try:
        import dask.array
    except ImportError:
        raise MissingExtraError.for_extra("applying a kernel to a dask array", "scale") from None
    return dask.array


def apply_lazily(
    image: Array,
    kernel: Any,  # noqa: ANN401 - as `apply` takes it
    *,
    out: object = None,
    threads: int | None = None,
    flip: bool = False,
    dtype: npt.DTypeLike | None = None,
    **options: Any,  # noqa: ANN401
) -> Array:
    """A lazy `dask.array` of the result: the same numbers as `apply` gives in memory.

    The border is added to the whole array first, lazily, so that every chunk is a part of one padded
    picture; chunks then overlap by what the kernel spans.
    """
    from convscope.engine.kernels import read_kernels

    if out is not None:
        raise InputError("out is for arrays in memory; store a dask array instead: result.to_zarr(...)")
    analyses, several = read_kernels(kernel, flip=flip)
    if several:
        raise InputError("several kernels at once are not done on a dask array; apply them one by one")
    if image.ndim not in {2, 3}:
        raise ShapeError(
            f"a dask array of shape {image.shape} is not a picture; it needs (H, W) or (H, W, C)"
        )
    shape = (*image.shape, 1) if image.ndim == 2 else image.shape
    request = request_of(shape, analyses[0].shape, image.dtype, flip=flip, dtype=dtype, **options)
    padded = _padded(image, request)
    # Dask computes chunks side by side already: one thread for each.
    plan = replace(plan_of(request, analyses, thread_count(None), known_machine()), threads=threads or 1)
    return _by_chunks(padded, plan, image.chunks)


def _padded(image: Array, request: Request) -> Array:
    if request.border == VALID:
        return image
    widths = [*zip(request.before, request.after, strict=True), *[(0, 0)] * (image.ndim - 2)]
    settings = {"constant_values": request.value} if PADDING[request.border] == "constant" else {}
    if settings and image.dtype.kind in "iu" and not float(request.value).is_integer():
        image = image.astype(np.float64)
    for axis in (0, 1):
        # NumPy pads beyond the length by repeating; dask's own padding does as long as one chunk holds it.
        if max(widths[axis]) >= image.shape[axis]:
            image = image.rechunk({axis: -1})
    padded: Array = dask_array().pad(image, widths, mode=PADDING[request.border], **settings)
    return padded


def _by_chunks(padded: Array, plan: Plan, chunks: tuple[tuple[int, ...], ...]) -> Array:
    """Each output chunk from the slice of the padded picture that its windows cover."""
    from convscope.engine.execution import apply_like

    array, request = dask_array(), plan.request
    bounds = [_bounds(chunks[axis], request.out[axis], request.stride[axis]) for axis in (0, 1)]
    rows = []
    for top, bottom in bounds[0]:
        row = []
        for left, right in bounds[1]:
            (sy, sx), (ey, ex) = request.stride, request.extent
            part = padded[top * sy : (bottom - 1) * sy + ey, left * sx : (right - 1) * sx + ex].rechunk(-1)
            size = (bottom - top, right - left, *padded.shape[2:])
            row.append(
                part.map_blocks(
                    partial(apply_like, plan, top * sy),
                    chunks=tuple((length,) for length in size),
                    meta=np.empty((0,) * padded.ndim, dtype=request.result),
                )
            )
        rows.append(array.concatenate(row, axis=1))
    return array.concatenate(rows, axis=0)


def _bounds(chunks: tuple[int, ...], length: int, stride: int) -> list[tuple[int, int]]:
    """Where output chunks begin and end: under the input's chunks, none of them empty."""
    edges = sorted({min(-(-int(edge) // stride), length) for edge in np.cumsum((0, *chunks))} | {length})
    return [(a, b) for a, b in pairwise(edges) if b > a] or [(0, length)]
