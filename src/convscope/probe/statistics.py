"""Statistics of tensors that arrive batch by batch: what is kept does not grow with their number."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convscope.probe.activations import Activation

# Squares are summed in blocks of so many values in single precision, and the blocks in double.
BLOCK = 2**12
# The covariance of a layer is that of at most so many channels, evenly chosen, …
CHANNELS = 64
# … and each batch adds at most so many positions to it.
POSITIONS = 256
BINS = 32
# The share of the variance that the effective rank explains (Richter et al., "Feature space
# saturation during training", 2021; the default of delve).
EXPLAINED = 0.99
# Below this share of the mean square, a variance from sums of single precision is taken again.
CANCELLED = 1e-6

Tensor = torch.Tensor


def norm(values: Tensor) -> float:
    """The square root of the sum of squares, right to seven digits whatever the size.

    >>> norm(torch.tensor([3.0, 4.0]))
    5.0
    """
    values = values.detach()
    if values.is_sparse:
        values = values.coalesce().values()
    if values.dtype in {torch.float16, torch.bfloat16}:
        values = values.float()
    count = values.numel()
    if count <= BLOCK or not values.is_contiguous() or values.dtype != torch.float32:
        return float(torch.linalg.vector_norm(values, dtype=torch.promote_types(values.dtype, torch.float64)))
    flat = values.view(-1)
    whole = count - count % BLOCK
    parts = torch.linalg.vector_norm(flat[:whole].view(-1, BLOCK), dim=1)
    total = float(torch.linalg.vector_norm(parts, dtype=torch.float64))
    rest = norm(flat[whole:]) if whole < count else 0.0
    return math.hypot(total, rest)


@dataclass
class Moments:
    """Mean and spread of all values so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean
    is_finite: bool = True

    def add(self, values: Tensor) -> None:
        """Take the values of one batch in (Chan, Golub and LeVeque 1979)."""
        number = values.numel()
        if not number:
            return
        total = float(values.sum())
        size = norm(values)
        if not (math.isfinite(total) and math.isfinite(size)):
            if not bool(torch.isfinite(values).all()):
                self.is_finite = False
                return
            values = values.double()
            total, size = float(values.sum()), float(torch.linalg.vector_norm(values))
        mean = total / number
        squares = size * size - number * mean * mean
        if squares < CANCELLED * size * size:
            squares = float(torch.linalg.vector_norm(values.double() - mean)) ** 2
        apart = mean - self.mean
        together = self.count + number
        self.squares += squares + apart * apart * self.count * number / together
        self.mean += apart * number / together
        self.count = together

    @property
    def sigma(self) -> float:
        """Standard deviation of all values."""
        return math.sqrt(max(self.squares, 0.0) / self.count) if self.count else 0.0

    @property
    def rms(self) -> float:
        """Root of the mean square."""
        return math.hypot(self.sigma, self.mean)


@dataclass
class Spread:
    """How the channels of a layer vary together: covariance, variation between items, a histogram."""

    width: int
    shift: npt.NDArray[np.float64] | None = None
    count: int = 0
    total: npt.NDArray[np.float64] | None = None
    products: npt.NDArray[np.float64] | None = None
    between: float = 0.0  # sum of squared distances from the mean over the items of a batch
    energy: float = 0.0
    compared: int = 0
    edges: tuple[float, float] = (0.0, 0.0)
    bins: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))

    def add(self, values: Tensor, axis: int) -> None:
        """Take in a sample of one batch; `axis` holds the channels, the first axis the items."""
        sample = _sample(values, axis)
        if sample is None:
            return
        if sample.shape[0] >= 2:
            self.between += float(((sample - sample.mean(0)) ** 2).sum())
            self.energy += float((sample**2).sum())
            self.compared += sample.shape[0]
        rows = sample.reshape(-1, sample.shape[-1])
        if self.products is None or self.total is None or self.shift is None:
            self.shift = rows.mean(0)
            self.total = np.zeros(rows.shape[1])
            self.products = np.zeros((rows.shape[1], rows.shape[1]))
            low, high = float(rows.min()), float(rows.max())
            self.edges = (low, high) if high > low else (low - 0.5, high + 0.5)
        if rows.shape[1] != len(self.total):
            return
        rows_shifted = rows - self.shift
        self.total += rows_shifted.sum(0)
        self.products += rows_shifted.T @ rows_shifted
        self.count += len(rows)
        self.bins += np.histogram(np.clip(rows, *self.edges), BINS, self.edges)[0]

    @property
    def variation(self) -> float | None:
        """How much the values differ between items, as a share of their size; None for single items."""
        if self.compared < 2 or not self.energy:
            return 0.0 if self.compared >= 2 else None
        return math.sqrt(self.between / self.energy)

    def eigenvalues(self) -> npt.NDArray[np.float64]:
        """Variances along the principal directions, the largest first."""
        if self.products is None or self.total is None or self.count < 2:
            return np.zeros(0)
        mean = self.total / self.count
        covariance = self.products / self.count - np.outer(mean, mean)
        found: npt.NDArray[np.float64] = np.linalg.eigvalsh(covariance)[::-1]
        return np.maximum(found, 0.0)


def effective_rank(variances: npt.NDArray[np.float64]) -> int:
    """How many principal directions explain 99 % of the variance; 0 where nothing varies.

    >>> effective_rank(np.array([90.0, 9.5, 0.5]))
    2
    """
    total = float(variances.sum())
    if not total > 0:
        return 0
    return int(np.searchsorted(np.cumsum(variances), EXPLAINED * total * (1 - 1e-12))) + 1


def _sample(values: Tensor, axis: int) -> npt.NDArray[np.float64] | None:
    """A few positions of every few items and channels, as ``(items, positions, channels)``."""
    if values.ndim < 2 or not values.numel():
        return None
    moved = values.flatten(1, -2) if axis == -1 and values.ndim > 2 else values
    if values.ndim == 2:
        three = values[:, None, :]
    elif axis == -1:
        three = moved
    else:
        three = values.flatten(2).transpose(1, 2)
    items, positions, channels = three.shape
    items_step = -(-items // POSITIONS)
    kept_items = -(-items // items_step)
    room = max(1, POSITIONS // kept_items)
    sample = three[::items_step, :: -(-positions // room), :: -(-channels // CHANNELS)]
    found: npt.NDArray[np.float64] = sample.detach().cpu().double().numpy()
    return found if np.isfinite(found).all() else None


@dataclass
class Firing:
    """What an activation function does: saturated values, slopes, and the largest input of each unit."""

    activation: Activation
    count: int = 0
    saturated: float = 0.0
    slope_count: int = 0
    slope: float = 0.0
    largest: Tensor | None = None

    def add(self, output: Tensor, given: dict[str, Any], slopes: Tensor | None, axis: int) -> None:
        """Take one call in: its output, its options, and slopes where they are not the output's."""
        number = output.numel()
        if not number:
            return
        self.count += number
        if self.activation.saturated is not None:
            self.saturated += float(self.activation.saturated(output, given).sum())
        if self.activation.slope is not None:
            slopes = self.activation.slope(output, given)
        if slopes is not None and slopes.numel():
            exact = slopes if slopes.is_floating_point() else slopes.float()
            self.slope += float(exact.sum(dtype=torch.float64)) / slopes.numel() * number
            self.slope_count += number
        if self.activation.rectifies and output.ndim >= 2:
            peak = largest_of(output, axis)
            if self.largest is None:
                self.largest = peak
            elif self.largest.shape == peak.shape:
                self.largest = torch.maximum(self.largest, peak)

    @property
    def saturated_share(self) -> float | None:
        """Of all values; None where the function does not saturate."""
        if self.activation.saturated is None or not self.count:
            return None
        return self.saturated / self.count

    @property
    def mean_slope(self) -> float | None:
        """Mean of |f'| over all values."""
        return self.slope / self.slope_count if self.slope_count else None

    @property
    def dead_units(self) -> int | None:
        """Units that were never positive on any input; None where none can be."""
        return None if self.largest is None else int((self.largest <= 0).sum())

    @property
    def units(self) -> int | None:
        """How many units there are."""
        return None if self.largest is None else self.largest.numel()


def largest_of(values: Tensor, axis: int) -> Tensor:
    """The largest value of each channel."""
    values = values.detach()
    if axis == -1 or values.ndim == 2:
        return values.amax(dim=tuple(range(values.ndim - 1)))
    if values.is_contiguous():
        return values.flatten(2).amax(2).amax(0)
    return values.amax(dim=(0, *range(2, values.ndim)))
