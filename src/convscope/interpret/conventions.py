"""What a library does with a kernel before it lays it on the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError, nearest_name

Convention: TypeAlias = Literal["correlation", "convolution", "pillow"]
Array: TypeAlias = npt.NDArray[Any]

CORRELATION: Convention = "correlation"

# From a convention to what turns the written kernel, rows and columns last, into the one that lies on the
# picture. Pillow's Kernel is given row by row from the top, and `ImageFilter` applies them from the bottom up
# (libImaging/Filter.c, ImagingFilter3x3: kernel[0..2] meets the row below).
TURNS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "correlation": lambda weights: weights,
        "convolution": lambda weights: weights[..., ::-1, ::-1],
        "pillow": lambda weights: weights[..., ::-1, :],
    }
)
# What each is called in a sentence.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "correlation": "cross-correlation, the kernel as it is written",
        "convolution": "true convolution, the kernel rotated by 180°",
        "pillow": "Pillow's order, the rows of the kernel from the bottom up",
    }
)


def check_convention(convention: object) -> Convention:
    """One of the three conventions.

    Raises:
        InputError: another word, with the nearest of the three.

    >>> check_convention("pillow")
    'pillow'
    """
    if not isinstance(convention, str) or convention not in TURNS:
        raise InputError(f"convention={convention!r} is not known; {nearest_name(str(convention), TURNS)}")
    return convention  # type: ignore[return-value]


def laid_on_the_picture(weights: Array, convention: Convention) -> Array:
    """The weights as they meet the picture, rows and columns being the last two axes.

    >>> laid_on_the_picture(np.array([[1, 2], [3, 4]]), "convolution").tolist()
    [[4, 3], [2, 1]]
    """
    return np.ascontiguousarray(TURNS[convention](weights))
