"""The kernels that `apply` was given: one or several, read and analysed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.kernel import Kernel
from convscope.core.reading import MatrixLike
from convscope.core.reading import kernel as read_kernel
from convscope.engine.analysis import Analysis, analyse
from convscope.errors import ShapeError

Kernels: TypeAlias = MatrixLike | Sequence[Kernel]

MAX_KEPT = 256

_kernels: dict[object, tuple[object, tuple[Analysis, ...], bool]] = {}


def read_kernels(kernel: Kernels, *, flip: bool) -> tuple[tuple[Analysis, ...], bool]:
    """The analyses of one kernel or several, remembered; and whether several were asked for."""
    key = kernel_key(kernel, flip=flip)
    found = None if key is None else _kernels.get(key)
    if found is not None:
        return found[1], found[2]
    parts, several = _split(kernel)
    analyses = tuple(analyse(part, flip=flip) for part in parts)
    shapes = {analysis.shape for analysis in analyses}
    if len(shapes) > 1:
        raise ShapeError(f"several kernels need one shape, got {', '.join(map(str, sorted(shapes)))}")
    if key is not None:
        if len(_kernels) >= MAX_KEPT:
            _kernels.clear()
        # The kernel is kept with its key, so that its id stays its own.
        _kernels[key] = (kernel, analyses, several)
    return analyses, several


def kernel_key(kernel: Kernels, *, flip: bool) -> tuple[object, ...] | None:
    """What stands for a kernel while its weights stay the same; None for what may change unseen."""
    if isinstance(kernel, np.ndarray):
        return None if kernel.dtype.hasobject else (kernel.dtype, kernel.shape, kernel.tobytes(), flip)
    if isinstance(kernel, str):
        return (kernel, flip)
    return (id(kernel), flip) if isinstance(kernel, Kernel | ExactArray) else None


def _split(kernel: Kernels) -> tuple[list[Kernel], bool]:
    if (
        isinstance(kernel, list | tuple)
        and any(isinstance(part, Kernel | ExactArray | np.ndarray | str) for part in kernel)
        and not all(isinstance(part, str) for part in kernel)
    ):
        parts = list(kernel)
        if all(np.ndim(part) >= 2 or isinstance(part, Kernel) for part in parts if not isinstance(part, str)):
            return [read_kernel(part) for part in parts], True
    if isinstance(kernel, np.ndarray) and kernel.ndim == 3:
        if not len(kernel):
            raise ShapeError("a stack of no kernels has nothing to apply")
        return [read_kernel(part) for part in kernel], True
    if isinstance(kernel, np.ndarray) and kernel.ndim not in {1, 2}:
        raise ShapeError(
            f"kernels of shape {kernel.shape} are not allowed; give (kh, kw), or (n, kh, kw) for several"
        )
    one = read_kernel(cast("MatrixLike", kernel))
    if one.rank == 3 and not isinstance(kernel, Kernel):
        return [Kernel(one.weights[number]) for number in range(one.shape[0])], True
    return [one], False
