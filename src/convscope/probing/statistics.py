"""Statistics of tensors that arrive batch by batch: what is kept does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convscope.probing.activations import Activation

# Squares are summed in blocks of so many values in single precision, and the blocks in double.
BLOCK = 2**12


@dataclass(frozen=True)
class Sample:
    """How much of a layer's output its directions are taken from.

    Attributes:
        channels: at most so many, evenly chosen.
        positions: at most so many a batch, over items and places.
    """

    channels: int = 64
    positions: int = 256

    @classmethod
    def for_layers(cls, count: int) -> Sample:
        """Less of each where there are hundreds of layers, so that measuring stays cheaper than running."""
        return cls() if count <= MANY_LAYERS else cls(32, 128)


MANY_LAYERS = 200
BINS = 32
# A histogram takes about so many values of a batch.
COUNTED = 2**12
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
    """How the channels of a layer vary together: covariance, variation between items, a histogram.

    Samples wait until the batch is over and are then taken in together with those of other layers, by
    `absorb`: hundreds of layers cost hundreds of calls otherwise. All of it is PyTorch's arithmetic, since
    NumPy's threads would wait actively beside PyTorch's and slow the model.
    """

    width: int
    size: Sample = Sample()
    has_covariance: bool = True
    waiting: list[Tensor] = field(default_factory=list)
    shift: Tensor | None = None
    count: int = 0
    total: Tensor | None = None
    products: Tensor | None = None
    between: float = 0.0  # sum of squared distances from the mean over the items of a batch
    energy: float = 0.0
    compared: int = 0
    edges: tuple[float, float] | None = None
    bins: Tensor | None = None
    eigenvalues: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def add(self, values: Tensor, axis: int) -> None:
        """Take a sample of one output; `axis` holds the channels, the first axis the items."""
        sample = _sample(values, axis, self.size)
        if sample is not None:
            self.waiting.append(sample)

    @property
    def variation(self) -> float | None:
        """How much the values differ between items, as a share of their size; None for single items."""
        if self.compared < 2:
            return None
        return math.sqrt(self.between / self.energy) if self.energy else 0.0

    def covariance(self) -> Tensor | None:
        """Of the sampled channels; None where it is not taken."""
        if self.products is None or self.total is None or self.count < 2:
            return None
        mean = self.total / self.count
        return self.products / self.count - torch.outer(mean, mean)


def absorb(spreads: Iterable[Spread]) -> None:
    """Take in the samples that wait, those of one shape at once."""
    groups: dict[tuple[tuple[int, ...], bool], list[tuple[Spread, Tensor]]] = {}
    for spread in spreads:
        for sample in spread.waiting:
            groups.setdefault((tuple(sample.shape), spread.has_covariance), []).append((spread, sample))
        spread.waiting.clear()
    for members in groups.values():
        stacked = torch.stack([sample for _spread, sample in members])
        finite = torch.isfinite(stacked.flatten(1)).all(1).tolist()
        if not all(finite):
            stacked = stacked[finite]
        kept = [spread for (spread, _sample), is_finite in zip(members, finite, strict=True) if is_finite]
        if kept:
            _absorb_group(kept, stacked)


def _absorb_group(spreads: list[Spread], stacked: Tensor) -> None:
    """Samples of one shape, ``(layers, items, positions, channels)``."""
    items = stacked.shape[1]
    rows = stacked.flatten(1, 2)
    if items >= 2:
        between = (stacked - stacked.mean(1, keepdim=True)).square().sum((1, 2, 3)).tolist()
        energy = rows.square().sum((1, 2)).tolist()
        for spread, apart, size in zip(spreads, between, energy, strict=True):
            spread.between += apart
            spread.energy += size
            spread.compared += items
    lows, highs = (ends.tolist() for ends in torch.aminmax(rows.flatten(1), dim=1))
    for spread, low, high in zip(spreads, lows, highs, strict=True):
        if spread.edges is None:
            spread.edges = (low, high) if high > low else (low - 0.5, high + 0.5)
    for spread, counts in zip(spreads, _counted(rows, [s.edges or (0, 1) for s in spreads]), strict=True):
        spread.bins = counts if spread.bins is None else spread.bins + counts
    if spreads[0].has_covariance:
        # Near the mean, so that squares do not cancel later.
        first = rows.mean(1)
        for spread, mean in zip(spreads, first, strict=True):
            spread.shift = mean if spread.shift is None else spread.shift
        shifted = rows - torch.stack([s.shift for s in spreads if s.shift is not None])[:, None]
        totals, products = shifted.sum(1), shifted.mT @ shifted
        for spread, total, product in zip(spreads, totals, products, strict=True):
            spread.total = total if spread.total is None else spread.total + total
            spread.products = product if spread.products is None else spread.products + product
            spread.count += rows.shape[1]


def _counted(rows: Tensor, edges: list[tuple[float, float]]) -> Tensor:
    """A histogram for each layer; values beyond the ends count at the ends."""
    flat = rows.flatten(1)[:, :: max(1, rows[0].numel() // COUNTED)]
    low, high = torch.tensor(edges, dtype=rows.dtype).T[:, :, None]
    places = ((flat - low) * (BINS / (high - low))).long().clamp_(0, BINS - 1)
    places += torch.arange(len(rows))[:, None] * BINS
    return torch.bincount(places.flatten(), minlength=BINS * len(rows)).view(-1, BINS)


def settle(spreads: Iterable[Spread]) -> None:
    """Variances along the principal directions of every layer, the largest first."""
    groups: dict[int, list[tuple[Spread, Tensor]]] = {}
    for spread in spreads:
        covariance = spread.covariance()
        if covariance is not None:
            groups.setdefault(len(covariance), []).append((spread, covariance))
    for members in groups.values():
        found = torch.linalg.eigvalsh(torch.stack([matrix for _spread, matrix in members]))
        for (spread, _matrix), values in zip(members, found.flip(1).clamp_min(0.0), strict=True):
            spread.eigenvalues = values.numpy()


def effective_rank(variances: npt.NDArray[np.float64]) -> int:
    """How many principal directions explain 99 % of the variance; 0 where nothing varies.

    >>> effective_rank(np.array([90.0, 9.5, 0.5]))
    2
    """
    total = float(variances.sum())
    if not total > 0:
        return 0
    return int(np.searchsorted(np.cumsum(variances), EXPLAINED * total * (1 - 1e-12))) + 1


def _sample(values: Tensor, axis: int, size: Sample) -> Tensor | None:
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
    items_step = -(-items // size.positions)
    kept_items = -(-items // items_step)
    room = max(1, size.positions // kept_items)
    sample = three[::items_step, :: -(-positions // room), :: -(-channels // size.channels)]
    return sample.detach().cpu().double()


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
