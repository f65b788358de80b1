"""What a rewriting gives: the layers as they were, the layers as they are now, and the steps between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.core.array import ExactArray
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, CodeBlock, Document, Paragraph, Section, Text, text
from convscope.core.layer import Layer
from convscope.core.number import Symbolic
from convscope.core.structural import Linear
from convscope.errors import InputError
from convscope.rewrite.border import Border
from convscope.rules.words import layer_words
from convscope.show import Showable

# More weights than this nobody types; `repr` of the layer writes them out.
MOST_TYPED = 100


@dataclass(frozen=True, repr=False)
class Rewritten(Showable):
    """Layers written as other layers that do the same.

    Attributes:
        title: what was asked for.
        original: the layers as they were.
        layers: the layers that do the same, in order; most often one.
        steps: what was done, in order.
        border: where the two differ on the input looked at; None where they are the same everywhere.
    """

    title: Text
    original: tuple[Layer, ...]
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    border: Border | None = None

    @property
    def value(self) -> Layer | tuple[Layer, ...]:
        """The one layer, or the layers in order."""
        return self.layers[0] if len(self.layers) == 1 else self.layers

    @property
    def layer(self) -> Layer:
        """The layer that carries the weights: the convolution, or the linear layer.

        Raises:
            InputError: several do, or none; `layers` has them all.
        """
        found = [layer for layer in self.layers if isinstance(layer, Conv | ConvTranspose | Linear)]
        if len(found) != 1:
            raise InputError(f"{len(found)} of these layers carry weights; see .layers for all of them")
        return found[0]

    @property
    def is_exact(self) -> bool:
        """True where both do the same to every cell, the border included."""
        return self.border is None

    def document(self) -> Document:
        """The steps, the border, and the layers as one would type them."""
        blocks = [
            block
            for step in self.steps
            for block in ((Paragraph(step.claim),) if step.claim else ()) + step.blocks
        ]
        if self.border is not None:
            blocks.append(Section(text("The border"), self.border.blocks()))
        return Document(self.title, (*blocks, *source_blocks(self.layers)))

    def facts(self) -> dict[str, object]:
        """The layers and the border as plain facts."""
        return {
            "original": [repr(layer) for layer in self.original],
            "layers": [repr(layer) for layer in self.layers],
            "is_exact": self.is_exact,
            "border": None if self.border is None else self.border.facts(),
        }

    def __repr__(self) -> str:
        held = "exact" if self.is_exact else "the border differs"
        return f"<rewritten: {chain_words(self.layers)}; {held}>"


def source_blocks(layers: Sequence[Layer]) -> tuple[Block, ...]:
    """The layers in words and, where their weights are few and can be typed, as Python."""
    words = ", then ".join(layer_words(layer) for layer in layers)
    told = Paragraph(text(f"The result: {words}."))
    numbers = [
        found for layer in layers for name in ("weight", "bias")
        if isinstance(found := getattr(layer, name, None), ExactArray)
    ]  # fmt: skip
    if sum(array.size for array in numbers) > MOST_TYPED or not all(map(_is_typed, numbers)):
        return (told,)
    return told, CodeBlock("\n".join(repr(layer) for layer in layers), "python")


def _is_typed(array: ExactArray) -> bool:
    """True for numbers that can be typed: ratios and letters, not roots."""
    return not any(isinstance(value, Symbolic) and value.is_numeric for value in array.table()[0])


def chain_words(layers: Sequence[Layer]) -> str:
    """Layers in words, one after the other."""
    return ", then ".join(layer_words(layer) for layer in layers)
