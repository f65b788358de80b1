"""Whatever is given as a kernel, as an array of numbers: normalised here, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, Letter, SymbolicArray
from convscope.core.catalogue import kernels
from convscope.core.kernel import MAX_RANK, Kernel
from convscope.core.reading import kernel as read_kernel
from convscope.errors import InputError, ShapeError
from convscope.importers.weights import READERS, Bank
from convscope.interpret.templates import Floats

# Templates are made for the kernel's size: a larger one would need more memory than its answer is worth.
MOST_SIDE = 256
MOST_CHANNELS = 65_536
# The squares of larger weights, and their sums, are more than a float64 holds.
LARGEST = 1e150


@dataclass(frozen=True, eq=False)
class Source:
    """Kernels to be described.

    Attributes:
        weights: ``(N, C, kh, kw)``, finite.
        names: one for each kernel.
        exact: the exact weights where there is one kernel and they are known.
    """

    weights: Floats
    names: Sequence[str]
    exact: ExactArray | None


def read_source(given: Any) -> Source | None:  # noqa: ANN401 - anything that may be a kernel
    """The one kernel that is given; None for a bank: a file of weights or an array of four axes.

    Raises:
        InputError: what is no kernel, with the reason.
        ShapeError: too many axes, taps or channels.
    """
    if isinstance(given, Bank) or _is_weight_file(given):
        return None
    shape = _shape_of(given)
    if shape is not None:
        if len(shape) == 4:
            return None
        check_shape(shape)
    kernel = read_kernel(given)
    check_shape(kernel.shape)
    lone = kernel.weights.cell((0,) * kernel.rank) if kernel.weights.size == 1 else None
    if isinstance(lone, Letter):  # one word: a catalogue name that is not there
        raise InputError(kernels.unknown(lone.name))
    if isinstance(kernel.weights, SymbolicArray):
        raise InputError("the kernel has letters or roots in it; a description needs numbers")
    weights = kernel.weights.to_float()
    if not np.isfinite(weights).all():
        raise InputError("the kernel has weights that no float64 holds; a description needs smaller ones")
    check_size(weights)
    planes = weights.reshape((1,) * (3 - weights.ndim) + weights.shape)
    return Source(planes[None].astype(np.float64), (kernel.name,), kernel.weights)


def _is_weight_file(given: object) -> bool:
    if isinstance(given, Path):
        return given.suffix.lower() != ".csv"
    return isinstance(given, str) and given.strip().lower().endswith(tuple(READERS))


def _shape_of(given: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - whatever has a shape
    """The shape of an array, before any of it is read; None of what has none."""
    if isinstance(given, Kernel | ExactArray):
        return given.shape
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(length, int) for length in shape):
        return tuple(shape)
    if isinstance(given, list | tuple):
        return _listed_shape(given)
    return None


def _listed_shape(given: Sequence[Any]) -> tuple[int, ...] | None:
    """The shape that nested lists begin with."""
    shape: list[int] = []
    part: Any = given
    while isinstance(part, list | tuple) and len(shape) <= 4:
        shape.append(len(part))
        part = part[0] if part else None
    inner = getattr(part, "shape", ())
    return (*shape, *inner) if isinstance(inner, tuple) else None


def check_size(weights: Floats) -> None:
    """Refuse weights whose squares no float64 holds.

    Raises:
        InputError: led by the largest magnitude.
    """
    largest = float(np.abs(weights).max())
    if largest > LARGEST:
        raise InputError(f"the largest weight is {largest:.2g}; up to {LARGEST:.0e} are described")


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is no kernel, before memory is asked for.

    Raises:
        ShapeError: no axes or more than three, no taps, or more than are described.
    """
    if not 1 <= len(shape) <= MAX_RANK:
        raise ShapeError(
            f"a kernel of shape {shape} has {len(shape)} axes; describe takes (kh, kw), (C, kh, kw), "
            "or a bank (N, C, kh, kw)"
        )
    if 0 in shape:
        raise ShapeError(f"a kernel of shape {shape} is empty; it needs at least one tap")
    if max(shape[-2:]) > MOST_SIDE:
        raise ShapeError(
            f"a kernel of shape {shape} is too large; up to {MOST_SIDE}×{MOST_SIDE} taps are described"
        )
    if len(shape) == 3 and shape[0] > MOST_CHANNELS:
        raise ShapeError(f"a kernel of {shape[0]} channels is too large; up to {MOST_CHANNELS} are described")
