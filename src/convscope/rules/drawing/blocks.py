"""What of a network is drawn: the layers that change something, those that follow them folded in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.core.network import Shape

if TYPE_CHECKING:
    from convscope.rules.network import Network, Row

# Words of a layer and what they are on a label and in a narrow column.
SHORTER = (
    ("transposed convolution", "convtranspose"),
    ("convolution", "conv"),
    ("average pooling", "avgpool"),
    ("max pooling", "maxpool"),
    ("batch normalisation", "batchnorm"),
    (" channels", ""),
    (" features", ""),
)
LONGEST_WORDS = 26
# So many layers that follow one are named under it.
NAMED_FOLLOWERS = 3


@dataclass(frozen=True, slots=True)
class Box:
    """One thing drawn: an input, or a layer with those that only pass its output on.

    Attributes:
        name: the layer's, or the input's.
        row: the layer; None for an input.
        shape: of what comes out.
        reads: the names of the boxes it reads, in order, each once.
        followers: titles of the layers folded in.
    """

    name: str
    row: Row | None
    shape: Shape | None
    reads: tuple[str, ...]
    followers: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it does, cut to a label's length."""
        return "input" if self.row is None else shortened(brief_words(self.row))

    @property
    def followed_by(self) -> str:
        """The layers folded in, in words."""
        named = ", ".join(self.followers[:NAMED_FOLLOWERS])
        more = len(self.followers) - NAMED_FOLLOWERS
        return shortened(f"+ {named} and {more} more" if more > 0 else f"+ {named}" if named else "")

    @property
    def title(self) -> str:
        """Everything about it in one line."""
        words = "input" if self.row is None else self.row.words
        followers = f", then {', '.join(self.followers)}" if self.followers else ""
        return f"{self.name}: {words}{followers}; output {shape_words(self.shape)}"


def brief_words(row: Row) -> str:
    """A layer as a line of a network's text has it, about: conv 11×11, 96, stride 4."""
    return _briefly(row.words)


def _briefly(words: str) -> str:
    for long, short in SHORTER:
        words = words.replace(long, short)
    return words


def shortened(words: str, most: int = LONGEST_WORDS) -> str:
    """The words, cut where they are too many."""
    return words if len(words) <= most else f"{words[: most - 1]}…"


def shape_words(shape: Shape | None) -> str:
    """A shape on a label: 96×55×55."""
    return "not known" if shape is None else "×".join(map(str, shape)) or "one number"


def boxes_of(network: Network) -> list[Box]:
    """The inputs and layers to draw, in the order in which they run."""
    graph = network.graph
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    home: dict[str, str] = {entry.name: entry.name for entry in graph.inputs}
    found: dict[str, Box] = {entry.name: Box(entry.name, None, entry.shape, ()) for entry in graph.inputs}
    followers: dict[str, list[str]] = {}
    for row in network.rows:
        before = home.get(row.inputs[0], "") if row.inputs else ""
        if _follows(row, readers, found.get(before)):
            home[row.name] = before
            followers.setdefault(before, []).append(_briefly(row.op))
            continue
        home[row.name] = row.name
        reads = tuple(dict.fromkeys(home[name] for name in row.inputs))
        found[row.name] = Box(row.name, row, row.output_shape, reads)
    return [_with_followers(box, followers) for box in found.values()]


def _follows(row: Row, readers: Mapping[str, int], before: Box | None) -> bool:
    """Whether a layer only passes on what one layer gives it, cell by cell."""
    if before is None or before.row is None or len(row.inputs) != 1 or readers[row.inputs[0]] != 1:
        return False
    return row.output_shape is not None and row.output_shape == before.shape and not row.macs


def _with_followers(box: Box, followers: Mapping[str, Sequence[str]]) -> Box:
    titles = tuple(followers.get(box.name, ()))
    return Box(box.name, box.row, box.shape, box.reads, titles)
