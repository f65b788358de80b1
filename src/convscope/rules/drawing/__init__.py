"""Networks as drawings: blocks to scale for chains, a graph for branches, growth of the receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.core.document import Document, Plan, text
from convscope.core.drawing import Drawing
from convscope.rules.drawing.blocks import boxes_of
from convscope.rules.drawing.chain import chain_drawing
from convscope.rules.drawing.growth import growth_drawing
from convscope.rules.drawing.layered import layered_drawing
from convscope.show import Drawn

if TYPE_CHECKING:
    from convscope.rules.network import Network

__all__ = ["NetworkDrawing", "draw_network", "growth_drawing"]


@dataclass(frozen=True)
class NetworkDrawing(Drawn):
    """A drawing of a network: `svg` has its markup, `save` writes it, a notebook shows it.

    Attributes:
        drawing: the shapes.
    """

    drawing: Drawing

    def document(self) -> Document:
        """The drawing under its title."""
        return Document(text(self.drawing.title), (Plan(self.drawing),))


def draw_network(network: Network) -> NetworkDrawing:
    """The network drawn: see `Network.draw`."""
    boxes = boxes_of(network)
    names = [box.name for box in boxes]
    is_chain = all(box.reads == (before,) for box, before in zip(boxes[1:], names, strict=False))
    flat = all(box.shape is None or len(box.shape) <= 3 for box in boxes)
    drawn = chain_drawing if is_chain and flat else layered_drawing
    return NetworkDrawing(drawn(network, boxes))
