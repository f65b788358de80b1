"""Normal forms compared block by block: two chains whose blocks are proved equal, pair by pair, are equal."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.core.layer import Layer
from convscope.errors import ShapeError, UnsupportedError
from convscope.rewrite.affine import affine_map
from convscope.rewrite.linear_pair import compare_forms
from convscope.rewrite.max_pair import same_max
from convscope.rewrite.nonlinear import Block, Item, NormalForm, normal_form
from convscope.rewrite.search import shape_after
from convscope.rewrite.tensor_form import FORMS, tensor_form


def compared_blocks(
    layers: tuple[Sequence[Layer], Sequence[Layer]], channels: int, rank: int, shape: tuple[int, ...] | None
) -> BlockPairs:
    """The blocks of two chains compared: as they are, then with positive factors brought to one place."""
    for scaled in (False, True):
        forms = tuple(normal_form(chain, scaled=scaled) for chain in layers)
        found = BlockPairs((forms[0], forms[1]), channels, rank, shape, scaled=scaled)
        if found.equal:
            break
    return found


class BlockPairs:
    """The blocks of two normal forms compared pair by pair.

    Attributes:
        equal: True where every pair is proved equal.
        told: what each pair is, for the proof.
        rules: those that led to the blocks.
        spots: lengths at which a pair of linear blocks differs: where to search.
    """

    def __init__(
        self,
        forms: tuple[NormalForm, NormalForm],
        channels: int,
        rank: int,
        shape: tuple[int, ...] | None,
        *,
        scaled: bool,
    ) -> None:
        self.rank = rank
        self.scaled = scaled
        self.shape = shape
        self.channels = channels
        self.told: list[str] = []
        self.spots: list[tuple[int, ...]] = []
        self.rules = tuple(dict.fromkeys(rule for form in forms for rule in form.rules))
        first, second = (self._without_identities(form.blocks) for form in forms)
        kinds = [[block.kind for block in blocks] for blocks in (first, second)]
        self.equal = kinds[0] == kinds[1] and all(
            self._same(one, other) for one, other in zip(first, second, strict=True)
        )

    def _without_identities(self, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        """The blocks less those of linear layers that undo one another."""
        kept = []
        channels, shape = self.channels, self.shape
        for block in blocks:
            if block.kind != "linear" or not self._same_linear(block, Block("linear", ())):
                kept.append(block)
            self._go_on(block)
        self.channels, self.shape = channels, shape
        self.spots.clear()
        items = tuple(layer for block in kept for layer in _items(block))
        return normal_form(items, scaled=self.scaled).blocks

    def _same(self, one: Block, other: Block) -> bool:
        same = one == other or (
            self._same_linear(one, other)
            if one.kind == "linear"
            else one.kind == "max"
            and same_max(one.layers, other.layers, self.rank, None if self.shape is None else self.shape[1:])
        )
        if same:
            self.told.append(one.kind)
            self._go_on(one)
        return same

    def _go_on(self, block: Block) -> None:
        if self.shape is not None:
            self.shape = shape_after(block.layers, self.shape)
        for layer in block.layers:
            self.channels = getattr(layer, "out_channels", self.channels)

    def _same_linear(self, one: Block, other: Block) -> bool:
        chains = one.layers, other.layers
        if self.shape is not None and (
            len(self.shape) == 1 or not all(type(layer) in FORMS for layers in chains for layer in layers)
        ):
            return affine_map(chains[0], self.shape).equals(affine_map(chains[1], self.shape))
        if self.rank == 0:
            return False
        try:
            first, second = (tensor_form(layers, self.channels, self.rank) for layers in chains)
            found = compare_forms(first, second, None if self.shape is None else self.shape[1:])
        except (UnsupportedError, ShapeError):
            return False
        if found.spot is not None:
            self.spots.append(found.spot.lengths)
        return found.verdict == "equal"


def _items(block: Block) -> tuple[Item, ...]:
    return block.layers if block.function is None else (block.function,)
