"""`equivalent`: whether two layers, or chains of layers, give the same output for every input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.core.array import ExactArray, RationalArray
from convscope.core.document import Block
from convscope.core.pointwise import Identity
from convscope.core.structural import Flatten, Linear
from convscope.errors import ShapeError, UnsupportedError
from convscope.rewrite.affine import Chain, affine_map, as_chain, inner_shape
from convscope.rewrite.affine_map import AffineMap, unlike
from convscope.rewrite.blockwise import compared_blocks
from convscope.rewrite.equivalence_report import (
    additivity_blocks,
    blockwise_blocks,
    linear_blocks,
    matrix_blocks,
    other_sizes_blocks,
    rank_blocks,
    same_end_blocks,
    unlike_elsewhere_blocks,
)
from convscope.rewrite.fitting import check_shape, features_at_start, few_shapes, input_channels
from convscope.rewrite.linear_pair import PairResult, compare_forms
from convscope.rewrite.nonlinear import NormalForm, normal_form
from convscope.rewrite.proof import Counterexample, Layers, Proof, Undecided, Where
from convscope.rewrite.search import (
    EFFORT,
    Found,
    Search,
    item_layout,
    not_additive,
    shape_after,
    shapes_both_take,
    try_input,
)
from convscope.rewrite.tensor_form import FORMS, tensor_form
from convscope.worked.layout import SPATIAL_LAYERS

# The numbers of spatial axes, for layers that fit any: pictures first.
OPEN_RANKS = (2, 1, 3)
GIVE_SHAPE = "these layers are compared for one input shape at a time; give input_shape"


def equivalent(
    first: Chain, second: Chain, input_shape: Sequence[int] | None = None
) -> Proof | Counterexample | Undecided:
    """Whether two layers, or chains of layers, give the same output for every input that both take.

    Linear layers (convolutions of either direction, average pools, padding, resizing, batch
    normalisation at inference, linear layers, flattening) are affine maps, and are decided exactly: the
    answer is a `Proof` or a `Counterexample`, never anything between. Where no layer's windows depend on
    the whole size, the proof is for every size. Other layers are brought to a normal form by rules; what
    the rules do not bring together is searched for a counterexample, and where none is found the answer
    is `Undecided`, with the number of inputs tried.

    Args:
        first: a layer, or layers in order.
        second: the same.
        input_shape: without batch axis: ``(H, W)``, ``(C, H, W)``, ``(features,)`` and the like. Asked
            for where no answer for every size can be given; the answer is for this shape.

    Returns:
        A proof counts as True, the other two as False.

    Raises:
        InputError: something that is no layer, or a layer without weights.
        ShapeError: layers that no input fits both of, or an input shape that one of them refuses.

    Source: the operators of Dumoulin & Visin, "A guide to convolution arithmetic for deep learning"
    (2016), chapters 2 to 4.

    >>> from convscope.core.convolution import Conv
    >>> from convscope.core.pooling import AvgPool
    >>> equivalent(AvgPool(2), Conv.uniform(2, stride=2))
    <proof: equal for every input, every size>
    >>> equivalent(AvgPool(3, 1, 1, count_include_pad=False), Conv.uniform(3, padding=1)).where
    'border'
    """
    # No layer at all leaves its input as it is.
    question = _Question(as_chain(first) or (Identity(),), as_chain(second) or (Identity(),))
    if input_shape is None:
        return question.for_every_size()
    shape = inner_shape((*question.first, *question.second), input_shape)
    return question.at_shape(shape, is_plain=len(shape) > np.size(input_shape))


@dataclass
class _Question:
    """Two chains of layers, and what they come to."""

    first: Layers
    second: Layers
    forms: tuple[NormalForm, NormalForm] = field(init=False)

    def __post_init__(self) -> None:
        self.forms = normal_form(self.first), normal_form(self.second)

    @property
    def is_linear(self) -> bool:
        """True where both are linear altogether."""
        return all(form.is_linear for form in self.forms)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that both normal forms used."""
        return tuple(dict.fromkeys(rule for form in self.forms for rule in form.rules))

    def proof(
        self, blocks: Sequence[Block], shape: tuple[int, ...] | None = None, least: tuple[int, ...] = ()
    ) -> Proof:
        """The proof made of these blocks."""
        return Proof(self.first, self.second, shape, least, self.rules, tuple(blocks))

    # --- every size ---------------------------------------------------------------------------

    def for_every_size(self) -> Proof | Counterexample | Undecided:
        """The answer where no shape is given."""
        ranks = self._ranks()
        channels = self._features() if ranks == (0,) else self._channels()
        if self.is_linear and not all(type(layer) in FORMS for chain in self._chains() for layer in chain):
            return self._shape_by_shape(channels, ranks)
        if self._is_same_features():
            return self.proof(blockwise_blocks(self.rules, ["other"]))
        answers: list[Proof | Counterexample | Undecided] = []
        for rank in ranks:
            answer = (self._linear if self.is_linear else self._by_rules)(channels, rank)
            answers.append(answer)
            if not isinstance(answer, Proof):
                break
        else:
            return answers[0]
        last = answers[-1]
        if isinstance(last, Counterexample) and len(answers) > 1:
            proved = ranks[: len(answers) - 1]
            notes = (*last.notes, *rank_blocks(proved, ranks[len(answers) - 1]))
            return _with_notes(last, notes)
        return last

    def _chains(self) -> tuple[Layers, Layers]:
        """The linear layers of both, without those at the end that are the same in both.

        What they do to equal inputs is equal. Flattening is the last of them to be left out, and keeps
        all cells; a linear layer might hide a difference, which is then looked for in the whole.
        """
        one, other = (_layers_of(form) for form in self.forms)
        while one and other and one[-1] == other[-1] and isinstance(one[-1], Flatten | Linear):
            one, other = one[:-1], other[:-1]
        return one, other

    def _is_same_features(self) -> bool:
        """True where nothing is left of both but the same flattening and linear layers, with weights."""
        layers = _layers_of(self.forms[0])
        return (
            self.is_linear
            and self._chains() == ((), ())
            and any(isinstance(layer, Flatten | Linear) for layer in layers)
            and all(layer.weight is not None for layer in layers if isinstance(layer, Linear))
        )

    def _ranks(self) -> tuple[int, ...]:
        known = {rank for layer in (*self.first, *self.second) if (rank := getattr(layer, "rank", None))}
        if len(known) > 1:
            raise ShapeError(
                f"the layers are built for {' and '.join(map(str, sorted(known)))} spatial axes; "
                "no input fits both"
            )
        if known or any(isinstance(layer, SPATIAL_LAYERS) for layer in (*self.first, *self.second)):
            return tuple(known) or OPEN_RANKS
        # Without layers that look around, vectors are enough where a linear layer reads them.
        has_features = any(isinstance(layer, Linear) for layer in (*self.first, *self.second))
        return (0,) if has_features else OPEN_RANKS[:1]

    def _channels(self) -> int:
        """Channels of an input; 1 where the layers take any number, each channel alone."""
        known = {found for layers in (self.first, self.second) if (found := input_channels(layers))}
        if len(known) > 1:
            raise ShapeError(
                f"the layers take inputs of {' and of '.join(map(str, sorted(known)))} channels; "
                "no input fits both"
            )
        return known.pop() if known else 1

    def _features(self) -> int:
        """The length of a vector that both take."""
        found = (features_at_start(layers) for layers in (self.first, self.second))
        return next((features for features in found if features is not None), 1)

    def _linear(self, channels: int, rank: int) -> Proof | Counterexample | Undecided:
        chains = self._chains()
        try:
            one, other = (tensor_form(chain, channels, rank) for chain in chains)
            found = compare_forms(one, other)
        except UnsupportedError as error:
            return Undecided(self.first, self.second, f"{error}; {GIVE_SHAPE}")
        if found.verdict == "open":
            return Undecided(self.first, self.second, GIVE_SHAPE)
        blocks = linear_blocks((one, other), found, chains, None)
        if chains[0] != _layers_of(self.forms[0]):
            blocks += same_end_blocks()
        if found.verdict == "equal":
            return self.proof(blocks, least=tuple(axis.lengths[0] for axis in found.axes))
        refuted = self._counterexample(found, channels, rank, blocks)
        if isinstance(refuted, Undecided) and chains[0] != _layers_of(self.forms[0]):
            # The layers at the end hide the difference, or take only inputs of another size.
            return self._shape_by_shape(channels, (rank,))
        return refuted

    def _counterexample(
        self, found: PairResult, channels: int, rank: int, notes: Sequence[Block]
    ) -> Counterexample | Undecided:
        assert found.spot is not None  # noqa: S101 - the verdict is a difference; tells the type checker
        values = np.zeros((channels, *found.spot.lengths), dtype=np.int64)
        if found.spot.cell is not None:
            values[found.spot.cell] = 1
        hit = self._worked(values, rank)
        if hit is None:
            return self._unproved_numbers()
        if hit.cell is None:
            return self._refuted(hit, "shape", found, notes)
        return self._refuted(hit, "border" if found.verdict == "border" else "everywhere", found, notes)

    def _unproved_numbers(self) -> Undecided:
        told = "their numbers could be neither proved equal nor told apart"
        return Undecided(self.first, self.second, told)

    def _refuted(
        self, hit: Found, where: Where, found: PairResult | None = None, notes: Sequence[Block] = ()
    ) -> Counterexample:
        return Counterexample(
            self.first,
            self.second,
            hit.input,
            hit.layout,
            hit.solutions,
            where,
            None if found is None else found.border,
            hit.cell,
            tuple(notes),
        )

    def _worked(self, values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], rank: int) -> Found | None:
        """The input, worked by both; a single channel's axis is left out where no doubt arises."""
        plain = rank > 0 and values.shape[0] == 1 and (rank < 3 or self._has_rank())
        array = RationalArray(values[0] if plain else values)
        return try_input(self.first, self.second, array, item_layout(array.shape, rank))

    def _has_rank(self) -> bool:
        return any(getattr(layer, "rank", None) for layer in (*self.first, *self.second))

    # --- layers that are compared shape by shape ------------------------------------------------

    def _shape_by_shape(self, channels: int, ranks: tuple[int, ...]) -> Proof | Counterexample | Undecided:
        """Linear layers and flattening: where few input shapes fit both, all of them are decided."""
        shapes = few_shapes((self.first, self.second), channels, ranks)
        if not shapes:
            return Undecided(self.first, self.second, GIVE_SHAPE)
        proofs = []
        for shape in shapes:
            answer = self.at_shape(shape, is_plain=len(shape) > 1 and shape[0] == 1)
            if not isinstance(answer, Proof):
                return answer
            proofs.append(answer)
        return proofs[0] if len(proofs) == 1 else self.proof(other_sizes_blocks(shapes, proofs[0].blocks))

    # --- one shape ------------------------------------------------------------------------------

    def at_shape(
        self, shape: tuple[int, ...], *, is_plain: bool = False
    ) -> Proof | Counterexample | Undecided:
        """The answer for inputs of one shape, (C, *spatial) or (features,).

        A plain shape was given without its channel axis, and outputs are seen without one.
        """
        for layers in (self.first, self.second):
            check_shape(layers, shape)
        if not self.is_linear:
            return self._by_rules(shape[0], len(shape) - 1, shape)
        chains = [_layers_of(form) for form in self.forms]
        if len(shape) > 1 and all(type(layer) in FORMS for layer in (*chains[0], *chains[1])):
            try:
                return self._linear_at(shape)
            except UnsupportedError:
                pass  # its operator as one matrix may still be small enough
        return self._by_matrix(shape, is_plain=is_plain)

    def _linear_at(self, shape: tuple[int, ...]) -> Proof | Counterexample | Undecided:
        channels, rank = shape[0], len(shape) - 1
        chains = [_layers_of(form) for form in self.forms]
        one, other = (tensor_form(chain, channels, rank) for chain in chains)
        found = compare_forms(one, other, shape[1:])
        blocks = linear_blocks((one, other), found, (self.first, self.second), shape)
        try:
            elsewhere = compare_forms(one, other)
        except (UnsupportedError, ShapeError):
            elsewhere = None
        if found.verdict != "equal":
            if elsewhere is not None and elsewhere.verdict == "border":
                # On a small input every cell is near a border.
                found, blocks = replace(found, verdict="border", border=elsewhere.border), ()
            return self._counterexample(found, channels, rank, blocks)
        if elsewhere is None:
            return self.proof(blocks, shape)
        if elsewhere.verdict == "equal":
            least = tuple(axis.lengths[0] for axis in elsewhere.axes)
            return self.proof(
                linear_blocks((one, other), elsewhere, (self.first, self.second), None), least=least
            )
        return self.proof((*blocks, *unlike_elsewhere_blocks(elsewhere)), shape)

    def _by_matrix(self, shape: tuple[int, ...], *, is_plain: bool) -> Proof | Counterexample | Undecided:
        one, other = (affine_map(_layers_of(form), shape) for form in self.forms)
        if is_plain:
            one, other = _seen_plain(one), _seen_plain(other)
        rank = len(shape) - 1
        values = np.zeros(shape, dtype=np.int64)
        if one.output_shape != other.output_shape:
            hit = self._worked(values, rank)
            return self._unproved_numbers() if hit is None else self._refuted(hit, "shape")
        rows = one.differing(other)
        if not rows.size:
            return self.proof(matrix_blocks(one), shape)
        cell = _differing_cell(one, other, tuple(int(row) for row in rows))
        if cell is not None:
            values[cell] = 1
        hit = self._worked(values, rank)
        return self._unproved_numbers() if hit is None else self._refuted(hit, "everywhere")

    # --- layers that are not linear -------------------------------------------------------------

    def _by_rules(
        self, channels: int, rank: int, shape: tuple[int, ...] | None = None
    ) -> Proof | Counterexample | Undecided:
        """Equal normal forms are a proof; else a search."""
        compared = compared_blocks((self.first, self.second), channels, rank, shape)
        if compared.equal:
            blocks = blockwise_blocks(compared.rules, compared.told)
            least: tuple[int, ...] = ()
            if shape is None:
                taken = next(shapes_both_take(self.first, self.second, channels, rank), None)
                if taken is None:
                    raise ShapeError("no input shape was found that both take")
                least = taken[1:]
            return Proof(self.first, self.second, shape, least, compared.rules, tuple(blocks))
        return self._searched(channels, rank, shape, compared.spots)

    def _searched(
        self,
        channels: int,
        rank: int,
        shape: tuple[int, ...] | None,
        spots: Sequence[tuple[int, ...]],
    ) -> Counterexample | Undecided:
        search = Search(self.first, self.second)
        shapes = [shape] if shape is not None else self._shapes(channels, rank)
        shapes += [(channels, *lengths) for lengths in spots if shape is None]
        if not shapes:
            raise ShapeError("no input shape was found that both take")
        for found_shape in dict.fromkeys(shapes):
            if any(shape_after(layers, found_shape) is None for layers in (self.first, self.second)):
                continue
            hit = search.at(found_shape, rank)
            if hit is not None:
                return self._refuted_nonlinear(hit, shapes, rank)
        told = "no rule brings the two together, and no input was found that they answer differently"
        return Undecided(self.first, self.second, told, search.tried, EFFORT)

    def _shapes(self, channels: int, rank: int) -> list[tuple[int, ...]]:
        """Shapes to search, the smallest first; of several channels too where any number of them fits."""
        fixed = rank == 0 or any(input_channels(layers) for layers in (self.first, self.second))
        counts = (channels,) if fixed else (channels, channels + 1)
        return [shape for count in counts for shape in shapes_both_take(self.first, self.second, count, rank)]

    def _refuted_nonlinear(self, hit: Found, shapes: Sequence[tuple[int, ...]], rank: int) -> Counterexample:
        found = self._refuted(hit, "shape" if hit.cell is None else "some inputs")
        linear = [form.is_linear for form in self.forms]
        if linear[0] == linear[1]:
            return found
        bent = self.second if linear[0] else self.first
        pairs = (not_additive(bent, shape, rank) for shape in shapes)
        pair = next((pair for pair in pairs if pair is not None), None)
        if pair is None:
            return found
        return _with_notes(found, additivity_blocks(bent, pair, item_layout(pair[0].shape, rank)), pair)


def _with_notes(
    found: Counterexample,
    notes: Sequence[Block],
    additivity: tuple[ExactArray, ExactArray] | None = None,
) -> Counterexample:
    return Counterexample(
        found.first,
        found.second,
        found.input,
        found.layout,
        found.solutions,
        found.where,
        found.border,
        found.cell,
        tuple(notes),
        additivity or found.additivity,
    )


def _layers_of(form: NormalForm) -> Layers:
    return tuple(layer for block in form.blocks for layer in block.layers)


def _seen_plain(found: AffineMap) -> AffineMap:
    """The map with a single output channel's axis left out."""
    shape = found.output_shape
    if len(shape) == 1 or shape[0] != 1:
        return found
    return replace(found, output_shape=shape[1:], bias=found.bias.reshape(shape[1:]))


def _differing_cell(one: AffineMap, other: AffineMap, rows: tuple[int, ...]) -> tuple[int, ...] | None:
    """The first input cell whose 1 shows that two maps differ; None where zeros do."""
    if unlike(one.bias, other.bias).any():
        return None
    index = tuple(int(i) for i in np.unravel_index(rows[0], one.output_shape))
    factors = dict(one.row(index)), dict(other.row(index))
    for cell in sorted(set(factors[0]) | set(factors[1])):
        if factors[0].get(cell) != factors[1].get(cell):
            return cell
    return None
