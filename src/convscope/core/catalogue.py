"""Kernels by name: each built from the one-dimensional factors and the source it is known by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from convscope.core.array import RationalArray
from convscope.core.kernel import Kernel

DIFFERENCE = (-1, 0, 1)
SOBEL = "I. Sobel & G. Feldman, 'A 3x3 isotropic gradient operator for image processing' (1968)"
PREWITT = "J. M. S. Prewitt, 'Object enhancement and extraction' (1970)"
SCHARR = "H. Scharr, 'Optimal operators in digital image processing' (2000), table 9.1, 3 x 3"
BURT = "P. Burt & E. Adelson, 'The Laplacian pyramid as a compact image code' (1983)"


def _product(
    name: str, column: Sequence[int], row: Sequence[int], divisor: int = 1, source: str = ""
) -> Kernel:
    """The product of a column and a row, divided."""
    return Kernel(RationalArray(np.outer(column, row).astype(np.int64), divisor), name, source)


def _table(name: str, rows: Sequence[Sequence[int]], source: str = "") -> Kernel:
    return Kernel(RationalArray(np.array(rows, dtype=np.int64)), name, source)


def _binomial(taps: int) -> list[int]:
    """The row of Pascal's triangle of so many entries: a Gaussian in whole numbers."""
    row = [1]
    for _ in range(taps - 1):
        row = [a + b for a, b in zip([0, *row], [*row, 0], strict=True)]
    return row


def _built() -> dict[str, Kernel]:
    gaussian_5 = _binomial(5)
    second = np.outer([1, -2, 1], [0, 1, 0])
    laplacian = second + second.T
    kernels = [
        _table("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        _product("box_3", [1] * 3, [1] * 3, 9),
        _product("box_5", [1] * 5, [1] * 5, 25),
        _product("gaussian_3", _binomial(3), _binomial(3), 16, BURT),
        _product("gaussian_5", gaussian_5, gaussian_5, 256, BURT),
        _product("sobel_x", [1, 2, 1], DIFFERENCE, source=SOBEL),
        _product("sobel_y", DIFFERENCE, [1, 2, 1], source=SOBEL),
        _product("prewitt_x", [1, 1, 1], DIFFERENCE, source=PREWITT),
        _product("prewitt_y", DIFFERENCE, [1, 1, 1], source=PREWITT),
        _product("scharr_x", [3, 10, 3], DIFFERENCE, source=SCHARR),
        _product("scharr_y", DIFFERENCE, [3, 10, 3], source=SCHARR),
        _table(
            "laplacian", laplacian.tolist(), "the sum of the second differences [1, -2, 1] along both axes"
        ),
        _table("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "identity minus laplacian"),
    ]
    return {kernel.name: kernel for kernel in kernels}


class Catalogue(Mapping[str, Kernel]):
    """Kernels by name, read-only: ``kernels["sobel_x"]``. Each says the source it is known by.

    >>> sorted(kernels)[:3]
    ['box_3', 'box_5', 'gaussian_3']
    """

    __slots__ = ("_kernels",)

    def __init__(self, kernels: Mapping[str, Kernel]) -> None:
        self._kernels = dict(kernels)

    def __getitem__(self, name: str) -> Kernel:
        return self._kernels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)

    def __repr__(self) -> str:
        return f"kernels({', '.join(self)})"


kernels = Catalogue(_built())
