"""Kernels: small exact arrays of weights with a name and, where they come from a paper, a source."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray, array_source
from convscope.errors import ShapeError

MAX_RANK = 3


@dataclass(frozen=True)
class Kernel:
    """A kernel: exact weights, one to three axes, for one input channel and one output channel.

    Attributes:
        weights: the taps, as given; a layer's `flip` decides whether they are rotated by 180°.
        name: what it is called, for headings; may be empty.
        source: the paper or library it comes from; may be empty.
        meaning: what it does to a picture under cross-correlation, in a sentence; may be empty.
    """

    weights: ExactArray
    name: str = ""
    # Where a kernel comes from, and what is said of it, does not make it another kernel.
    source: str = field(default="", compare=False)
    meaning: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.weights.ndim <= MAX_RANK:
            raise ShapeError(
                f"a kernel of {self.weights.ndim} axes (shape {self.weights.shape}) is not allowed; "
                f"kernels have 1 to {MAX_RANK} axes, weights with channels go to Conv as an array"
            )
        if not self.weights.size:
            raise ShapeError(f"a kernel of shape {self.weights.shape} is empty; it needs at least one tap")

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes, in taps."""
        return self.weights.shape

    @property
    def rank(self) -> int:
        """The number of axes: 2 for pictures."""
        return self.weights.ndim

    def rotated(self) -> Kernel:
        """The kernel turned by 180°: every axis reversed, the step true convolution takes first.

        What it means is not said of the turned kernel: an edge's bright and dark side change places.
        """
        turned = self.weights.rearranged(np.flip)
        return Kernel(turned, self.name, self.source)

    def __array__(
        self,
        dtype: npt.DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - NumPy's protocol
    ) -> npt.NDArray[np.generic]:
        return self.weights.__array__(dtype, copy)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"kernel({array_source(self.weights).removeprefix('matrix(').removesuffix(')')}{name})"
