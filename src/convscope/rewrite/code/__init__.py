"""The few lines that compute the same layers in other libraries, each library's convention made right."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Self

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Code as Typed
from convscope.core.document import CodeBlock, Document, Paragraph, text
from convscope.core.layer import Layer
from convscope.core.pointwise import PReLU
from convscope.core.pooling import AdaptiveAvgPool, AdaptiveMaxPool
from convscope.core.structural import BatchNorm, Flatten, Linear
from convscope.errors import ConvscopeError, InputError, UnsupportedError, nearest_name
from convscope.rewrite.code.dialect import Dialect
from convscope.rewrite.code.draft import Draft
from convscope.show import Showable
from convscope.worked.layout import Layout, infer_layout

# Each has a module here that says its layers, imported when it is asked for.
LIBRARIES = ("torch", "keras", "jax", "numpy", "scipy", "opencv")
# These libraries take a picture without a channel axis.
OF_PLANES = {"numpy", "scipy", "opencv"}


class Code(str, Showable):
    """A program as text: it reads ``x`` and leaves the result in ``y``. It is a `str`: print it, run it.

    Attributes:
        library: what it is written for.
        axes: what ``x`` is.
    """

    library: str
    axes: str

    __slots__ = ("axes", "library")

    def __new__(cls, source: str, library: str, axes: str) -> Self:
        """The program's text with what it is for."""
        made = super().__new__(cls, source)
        made.library = library
        made.axes = axes
        return made

    def document(self) -> Document:
        """The program as a block of code."""
        article = "an" if self.axes.startswith("a") else "a"
        told = Paragraph(text(Typed("x"), f" is {article} {self.axes}; the result is ", Typed("y"), "."))
        return Document(text(f"The same in {self.library}"), (told, CodeBlock(self.rstrip("\n"), "python")))


def code(layers: Layer | Sequence[Layer], to: str, input_shape: Sequence[int] | None = None) -> Code:
    """The few lines that do what `layers` do, in another library, with its conventions made right.

    Made right are: the flip (only SciPy's `convolve` rotates the kernel), the order and the names of
    paddings, the order of axes and channels, the anchor (OpenCV), and divisors of means.

    Args:
        layers: one layer, or several in order; convolutions and the like need their weights.
        to: ``"torch"``, ``"keras"``, ``"jax"``, ``"numpy"``, ``"scipy"`` or ``"opencv"``.
        input_shape: the shape of ``x`` as `solve` takes it; ``y`` then has the axes that `solve` gives.
            Without it ``x`` is a batch as the library keeps it (``(N, C, H, W)``; in Keras
            ``(N, H, W, C)``), and for the libraries of arrays a picture ``(H, W)``, or ``(C, H, W)``
            where a layer has several channels. Needed where a line depends on sizes
            (``padding="same"`` with a stride, `ceil_mode`).

    Returns:
        The program, a `str` that reads ``x`` and sets ``y``, and can be shown like any result.

    Raises:
        InputError: an unknown library, a layer without weights, a size that is needed.
        UnsupportedError: a layer that this library's writer does not know, with those it does.

    >>> from convscope.core.convolution import Conv
    >>> print(code(Conv("0 2 0; 2 1 1; 0 2 0", padding=1, flip=True), "scipy"))
    import numpy as np
    from scipy import signal
    <BLANKLINE>
    # x: array (H, W)
    y = np.pad(x, ((1, 1), (1, 1)))
    # convolve rotates the kernel by 180°: true convolution
    kernel = np.array([[0, 2, 0], [2, 1, 1], [0, 2, 0]])
    y = signal.convolve(y, kernel, mode="valid", method="direct")
    <BLANKLINE>
    """
    if to not in LIBRARIES:
        raise InputError(f"to={to!r} is not known; {nearest_name(str(to), LIBRARIES)}")
    chain = (layers,) if isinstance(layers, Layer) else tuple(layers)
    if not chain or not all(isinstance(layer, Layer) for layer in chain):
        raise InputError("code needs a layer, or several in a list, such as [Conv(kernel), ReLU()]")
    dialect: Dialect = import_module(f"convscope.rewrite.code.{to}_code").DIALECT
    draft = _draft(to, dialect, chain, input_shape)
    axes = dialect.axes(draft)
    if input_shape is not None:
        axes = f"{axes.split()[0]} {tuple(input_shape)}"
    dialect.begin(draft)
    for place, layer in enumerate(chain, start=1):
        try:
            _write(layer, dialect, draft)
        except ConvscopeError as error:
            raise error.within(f"layer {place}") from None
    dialect.finish(draft)
    if draft.now == "x":
        draft.step("{}")
    head = [*dialect.imports, *(line for line in draft.imports if line not in dialect.imports)]
    helpers = "".join(f"\n{source}\n" for source in draft.helpers)
    body = "\n".join((f"# x: {axes}", *draft.lines))
    return Code("\n".join(head) + f"\n{helpers}\n{body}\n", dialect.title, axes)


def _write(layer: Layer, dialect: Dialect, draft: Draft) -> None:
    write = dialect.layers.get(type(layer))
    if write is None:
        known = ", ".join(kind.__name__ for kind in dialect.layers)
        raise UnsupportedError(
            f"code for {dialect.title}: {type(layer).__name__} is not written; known: {known}"
        )
    if draft.layout is not None and draft.shape is not None:
        layer = draft.layout.placed(layer, draft.shape)
    write(layer.for_rank(draft.rank), draft)
    draft.follow(layer)


def _draft(to: str, dialect: Dialect, chain: Sequence[Layer], input_shape: Sequence[int] | None) -> Draft:
    layout: Layout | None = None
    shape: tuple[int, ...] | None = None
    rank = next((r for layer in chain if (r := getattr(layer, "rank", None)) is not None), 2)
    if input_shape is not None:
        given = tuple(int(length) for length in input_shape)
        if any(length < 1 for length in given):
            raise InputError(f"input_shape={given} is not a shape; lengths are 1 or more")
        layout = infer_layout(given, chain)
        shape = (*(() if layout.has_batch else (1,)), *given)
        if not layout.has_channels:
            shape = (shape[0], 1, *shape[1:])
        rank = max(len(shape) - 2, 0) or rank
    plane = to in OF_PLANES and not (layout and layout.has_channels) and all(map(_keeps_one_channel, chain))
    return Draft(dialect.title, rank, layout, shape, is_plane=plane)


def _keeps_one_channel(layer: Layer) -> bool:
    """True for a layer that can work on a picture without a channel axis."""
    if isinstance(layer, Conv | ConvTranspose):
        return layer.in_channels == layer.out_channels == 1
    if isinstance(layer, BatchNorm):
        return layer.num_features == 1
    if isinstance(layer, PReLU):
        return layer.weight.size == 1
    return not isinstance(layer, Flatten | Linear | AdaptiveAvgPool | AdaptiveMaxPool)
