"""The operators of imported networks that are no layers of their own: what moves, mixes or sums arrays.

Text networks are written in layers; a network recorded from PyTorch, ONNX or Keras also reshapes,
multiplies feature maps and attends. An operator whose output shape no rule can foretell carries
the shape it was recorded with (``shape``, of one item without its batch axis).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from convscope.core.layer import Layer

Shape: TypeAlias = tuple[int, ...]


class Operator(Layer):
    """Base class of the operators."""


@dataclass(frozen=True)
class Source(Operator):
    """An array the network brings itself: a constant, or a parameter used as an array. Reads nothing."""

    title: ClassVar[str] = "constant"

    shape: Shape


@dataclass(frozen=True)
class Elementwise(Operator):
    """Arrays combined cell by cell, stretched to one shape: ``add``, ``multiply``, ``where``, ``exp``."""

    title: ClassVar[str] = "elementwise"

    op: str


@dataclass(frozen=True)
class Rearrange(Operator):
    """Cells moved, copied, dropped or joined, none computed: reshape, permute, slice, split, gather, cast."""

    title: ClassVar[str] = "rearrangement"

    op: str
    shape: Shape


@dataclass(frozen=True)
class Reduce(Operator):
    """Axes summed, averaged or searched for their largest cell; `whole` when no spatial axis is left."""

    title: ClassVar[str] = "reduction"

    op: str
    shape: Shape
    whole: bool = False


@dataclass(frozen=True)
class MatMul(Operator):
    """A product of two computed arrays; `inner` is the length of the axis that is summed over."""

    title: ClassVar[str] = "matrix product"

    shape: Shape
    inner: int


@dataclass(frozen=True)
class Attention(Operator):
    """Scaled dot-product attention of query, key and value: the whole of both products, masked cells too.

    Attributes:
        shape: of the output.
        queries, keys: how many positions ask and are asked, in one head: 197 and 197 in ViT-B/16.
        features: query features of one head: 64 in ViT-B/16.
        value_features: value features of one head.
        heads: of one item, windows of the picture counted as heads: 12 in ViT-B/16. The
            multiply-adds are heads · queries · keys · (features + value_features).
    """

    title: ClassVar[str] = "attention"

    shape: Shape
    queries: int
    keys: int
    features: int
    value_features: int
    heads: int


@dataclass(frozen=True)
class Norm(Operator):
    """Normalisation by the input's own statistics: `layer`, `group`, `instance`, `rms`, `local response`."""

    title: ClassVar[str] = "normalisation"

    kind: str
    groups: int = 1


@dataclass(frozen=True)
class Embedding(Operator):
    """Rows of a table looked up by index."""

    title: ClassVar[str] = "embedding"

    count: int
    features: int
    shape: Shape


@dataclass(frozen=True)
class Recurrent(Operator):
    """An ``lstm``, ``gru`` or ``rnn`` run over the positions of a sequence."""

    title: ClassVar[str] = "recurrent layer"

    kind: str
    features: int
    hidden: int
    shape: Shape
    directions: int = 1


@dataclass(frozen=True)
class Unknown(Operator):
    """An operator nobody here knows: shown, never run, not counted; its shape where it was recorded."""

    title: ClassVar[str] = "unknown operator"

    op: str
    shape: Shape | None = None
