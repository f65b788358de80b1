"""`to_correlation`: a true convolution as the cross-correlation that does the same, its flip explicit."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, MatrixRow, text
from convscope.core.layer import replaced
from convscope.errors import InputError
from convscope.rewrite.rewritten import Rewritten, chain_words
from convscope.worked.convolution import weights_of
from convscope.worked.views import array_views, matrix_view

Convolution = TypeVar("Convolution", bound=Conv | ConvTranspose)


def to_correlation(layer: Conv | ConvTranspose) -> Rewritten:
    """The same layer without `flip`: its kernel rotated by 180° once and for all.

    Args:
        layer: a convolution with weights. CNN libraries compute cross-correlation, so these are the
            weights to give them.

    Returns:
        A `Rewritten` whose `layer` has ``flip=False`` and does the same for every input.

    Raises:
        InputError: not a convolution, or one without weights.

    >>> to_correlation(Conv("1 2; 3 4", flip=True)).layer
    Conv(kernel([[4, 3], [2, 1]]))
    """
    if not isinstance(layer, Conv | ConvTranspose):
        raise InputError(f"to_correlation takes a Conv or a ConvTranspose, got {type(layer).__name__}")
    weight = weights_of(layer)
    title = text(f"As cross-correlation: {chain_words((layer,))}")
    if not layer.flip:
        told = text("It is a cross-correlation already: the kernel slides as it is given.")
        return Rewritten(title, (layer,), (layer,), (Step(told),))
    plain = correlation(layer)
    told = text(
        "True convolution rotates the kernel by 180° (each spatial axis is reversed) before it slides. "
        "Cross-correlation slides it as it is. So the rotated kernel under cross-correlation does the same."
    )
    return Rewritten(title, (layer,), (plain,), (Step(told, _turned(weight, weights_of(plain))),))


def _turned(before: ExactArray, after: ExactArray) -> tuple[Block, ...]:
    if before.shape[:2] == (1, 1) and before.ndim <= 4:
        views = (
            matrix_view(before[0, 0], text("Kernel as given")),
            matrix_view(after[0, 0], text("rotated by 180°")),
        )
        return (MatrixRow(views, ("→",)),)
    return array_views(after, text("Weights, each kernel rotated by 180°"))


def correlation(layer: Convolution) -> Convolution:
    """The layer with its kernels as they slide or are stamped, not flipped any more."""
    if not layer.flip or layer.weight is None:
        return layer
    axes = tuple(range(2, layer.weight.ndim))
    turned = layer.weight.rearranged(lambda cells: np.flip(cells, axes))
    kernel = None if layer.kernel is None else layer.kernel.rotated()
    changed: Convolution = replaced(layer, weight=turned, kernel=kernel, flip=False)
    return changed
