"""What a file of weights holds: arrays by name, which of them are convolutions, and how their axes lie.

A reader of one kind of file gives `Contents`. No numbers are read until an entry is asked for, and
none is read that is larger than `MAX_TAPS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError

# The largest layers in use have some ten million taps; this many are 512 MB once they are float64.
MAX_TAPS = 2**26
MAX_ENTRIES = 100_000
# A side longer than this is a position table or a mask, not a kernel.
MAX_SIDE = 64
MAX_AXES = 16

Array = npt.NDArray[np.generic]
BankShape = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the axes of stored weights lie.

    Attributes:
        words: the order as people write it.
        axes: which stored axes make up filters, channels, rows and columns; none is a length of 1.
    """

    words: str
    axes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    def shape(self, stored: tuple[int, ...]) -> BankShape:
        """The shape ``(N, C, kh, kw)`` of a bank that is stored with this shape.

        >>> KERAS.shape((3, 5, 8, 16))
        (16, 8, 3, 5)
        """
        n, c, h, w = (math.prod(stored[axis] for axis in group) for group in self.axes)
        return n, c, h, w

    def arranged(self, stored: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The weights as ``(N, C, kh, kw)``."""
        order = [axis for group in self.axes for axis in group]
        return np.ascontiguousarray(stored.transpose(order).reshape(self.shape(stored.shape)))


PYTORCH = Layout("(out, in, rows, columns)", ((0,), (1,), (2,), (3,)))
PYTORCH_1D = Layout("(out, in, taps)", ((0,), (1,), (), (2,)))
# A transposed convolution, its inputs split into groups first.
TRANSPOSED = Layout("(groups, in, out, rows, columns)", ((0, 2), (1,), (3,), (4,)))
TRANSPOSED_1D = Layout("(groups, in, out, taps)", ((0, 2), (1,), (), (3,)))
KERAS = Layout("(rows, columns, in, out)", ((3,), (2,), (0,), (1,)))
KERAS_1D = Layout("(taps, in, out)", ((2,), (1,), (), (0,)))
KERAS_DEPTHWISE = Layout("(rows, columns, in, multiplier)", ((2, 3), (), (0,), (1,)))
KERAS_DEPTHWISE_1D = Layout("(taps, in, multiplier)", ((1, 2), (), (), (0,)))
KERAS_TRANSPOSED = Layout("(rows, columns, out, in)", ((2,), (3,), (0,), (1,)))
KERAS_TRANSPOSED_1D = Layout("(taps, out, in)", ((1,), (2,), (), (0,)))
ONE_KERNEL = Layout("(rows, columns)", ((), (), (0,), (1,)))
ONE_FILTER = Layout("(channels, rows, columns)", ((), (0,), (1,), (2,)))


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One array of a file.

    Attributes:
        name: as the file has it.
        shape: as it is stored.
        dtype: its type as the file calls it.
        read: gives the numbers; called when they are asked for.
        layout: how the axes of a convolution's weights lie; None for any other array.
        aliases: other names that the same weights go by, such as a node's.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array]
    layout: Layout | None = None
    aliases: tuple[str, ...] = ()

    def numbers(self) -> Array:
        """The numbers as they are stored, read now, not to be written to.

        Raises:
            InputError: more than can be described, or a type that holds no numbers.
        """
        count = math.prod(self.shape)
        if count > MAX_TAPS:
            raise InputError(f"'{self.name}' has {count} weights; up to {MAX_TAPS} are read")
        found = self.read()
        if found.dtype.kind not in "fiub":
            raise InputError(f"'{self.name}' holds {found.dtype}, which are not real numbers")
        if found.shape != self.shape:
            raise InputError(f"'{self.name}' has shape {found.shape}, and the file says {self.shape}")
        view = found.view()
        view.flags.writeable = False
        return view


@dataclass(frozen=True, slots=True)
class Norm:
    """A batch normalisation, by the names of its arrays.

    Attributes:
        name: what it is called.
        variance: the name of the running variance.
        gamma: the name of the scales; None where they are all 1.
        epsilon: what is added to the variance.
    """

    name: str
    variance: str
    gamma: str | None
    epsilon: float


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a file of weights.

    Attributes:
        entries: in the order of the file.
        norms: the batch normalisation that follows a convolution, by the name of the convolution's
            weights.
        notes: what a reader should know, each a sentence without its full stop.
    """

    entries: tuple[Entry, ...]
    norms: Mapping[str, Norm] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def is_bank(layout: Layout | None, shape: tuple[int, ...]) -> bool:
    """True for the shape of weights that can be described."""
    if layout is None or 0 in shape:
        return False
    return max(layout.shape(shape)[2:]) <= MAX_SIDE


def checked_shape(name: str, shape: object) -> tuple[int, ...]:
    """The shape that a file declares, if it is one.

    Raises:
        InputError: not a list of lengths, or too many axes.
    """
    if not isinstance(shape, list | tuple) or len(shape) > MAX_AXES:
        raise InputError(f"'{name[:80]}' has no shape of at most {MAX_AXES} lengths")
    if not all(isinstance(length, int) and not isinstance(length, bool) and length >= 0 for length in shape):
        raise InputError(f"'{name[:80]}' has a length that is no whole number")
    return tuple(shape)
