"""A bank of filters described: what each detects, which are dead, and which are copies of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.document import Document
from convscope.errors import InputError, ShapeError
from convscope.importers.weights import Bank, WeightLayer, read_weights
from convscope.interpret.conventions import TITLES, Convention, check_convention
from convscope.interpret.description import Description, describe_many
from convscope.interpret.finding import NO_STRUCTURE
from convscope.interpret.input import check_shape, check_size
from convscope.interpret.sheet_difference import SheetDifference, difference
from convscope.interpret.sheet_pairs import Pair, Pairs, TurnedPair, pairs_of
from convscope.show import Showable

Floats = npt.NDArray[np.float64]

DEAD = "dead"
# A filter whose norm is less than this share of the layer's largest does nothing.
DEAD_SHARE = 0.01
MOST_TAPS = 2**26
MOST_FILTERS = 100_000
MOST_IN_A_CELL = 128


@dataclass(frozen=True, eq=False)
class Sheet(Showable):
    """What the filters of one layer do; `sheet[3]` is the description of filter 3, counted from 0.

    Attributes:
        descriptions: one for each filter, in the bank's order. The sentence of a dead filter says so.
        weights: ``(N, C, kh, kw)`` float64, not to be written to.
        convention: how the kernels meet the picture.
        norms: ``(N,)``, the size of each filter as it counts: ‖K‖, times what the batch normalisation
            after the layer multiplies it by where the file tells.
        dead: the places of filters whose norm is less than 1 % of the largest.
        pairs: the copies among the others; `opposites`, `duplicates` and `rotations` lead to them.
        name: of the layer; may be empty.
        source: the file; may be empty.
        notes: what was done to read the weights, each a sentence without its full stop.
        others: the other convolutions of the file.
        elsewhere: the descriptions under the other conventions, by convention, where they were asked for.
    """

    descriptions: tuple[Description, ...]
    weights: Floats
    convention: Convention
    norms: Floats
    dead: tuple[int, ...]
    pairs: Pairs = field(repr=False)
    name: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    others: tuple[WeightLayer, ...] = field(default=(), repr=False)
    elsewhere: Mapping[str, tuple[Description, ...]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.descriptions)

    def __getitem__(self, place: int) -> Description:
        return self.descriptions[place]

    def __iter__(self) -> Iterator[Description]:
        return iter(self.descriptions)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{kind} {len(places)}" for kind, places in self.by_kind.items())
        name = f" of {self.name}" if self.name else ""
        return f"<Sheet: {len(self)} filters{name}: {kinds}>"

    @property
    def opposites(self) -> tuple[Pair, ...]:
        """Pairs ``(first, second, cosine)`` with a cosine below -0.9: the one is about minus the other."""
        return self.pairs.opposites

    @property
    def duplicates(self) -> tuple[Pair, ...]:
        """Pairs ``(first, second, cosine)`` with a cosine above 0.99: the same but for a factor."""
        return self.pairs.duplicates

    @property
    def rotations(self) -> tuple[TurnedPair, ...]:
        """Pairs ``(first, second, cosine, turn)`` of which the second is the first one turned or mirrored."""
        return self.pairs.rotations

    @property
    def by_kind(self) -> dict[str, tuple[int, ...]]:
        """The places of the filters of each kind, the most frequent first; what has no name comes last."""
        found: dict[str, list[int]] = {}
        for place, description in enumerate(self.descriptions):
            found.setdefault(description.kind, []).append(place)
        last = (NO_STRUCTURE, DEAD)
        ranked = sorted(found.items(), key=lambda entry: (entry[0] in last, -len(entry[1]), entry[0]))
        return {kind: tuple(places) for kind, places in ranked}

    def against(self, other: Sheet | str | PathLike[str], layer: str | None = None) -> SheetDifference:
        """Which filters are of another kind, reversed or turned in another sheet, such as one from later.

        Filters are compared by their places.

        Args:
            other: a sheet, or the path of a file of weights.
            layer: of the file, which convolution; the one called as this one when not given, else the first.

        Raises:
            InputError: a file that cannot be read.
            ShapeError: a sheet under another convention.
        """
        if not isinstance(other, Sheet):
            weights = read_weights(other)
            known = {told.name for told in weights.layers}
            named = layer or (self.name if self.name in known else None)
            other = sheet_of(weights.bank(named), convention=self.convention)
        return difference(self, other)

    def facts(self) -> dict[str, Any]:
        """Everything the sheet says, as plain values for JSON."""
        from convscope.interpret.sheet_report import sheet_facts

        return sheet_facts(self)

    def summary(self, of_each: int = 6) -> SheetSummary:
        """The sheet in short: the first `of_each` filters of each kind."""
        return SheetSummary(self, of_each)

    def document(self) -> Document:
        """The kinds and how many of each, the filters in groups with their pictures, and the copies."""
        from convscope.interpret.sheet_report import sheet_document

        return sheet_document(self)

    def _repr_html_(self) -> str:
        # A cell of a notebook that holds thousands of cards is slow for ever after.
        return super()._repr_html_() if len(self) <= MOST_IN_A_CELL else self.summary()._repr_html_()


@dataclass(frozen=True, eq=False)
class SheetSummary(Showable):
    """A sheet in short, as a screen has room for."""

    sheet: Sheet
    of_each: int

    def document(self) -> Document:
        """The kinds, the first filters of each, and the closest copies."""
        from convscope.interpret.sheet_report import summary_document

        return summary_document(self.sheet, self.of_each)


def sheet_of(
    given: Any,  # noqa: ANN401 - an array, nested lists, a Bank or a path
    *,
    convention: str = "correlation",
    both: bool = False,
    layer: str | None = None,
) -> Sheet:
    """Describe every filter of a bank.

    Args:
        given: numbers ``(N, C, kh, kw)``, a `Bank`, or the path of a file of weights.
        convention: how the kernels meet the picture, as `describe` takes it.
        both: describe them under the other conventions, too.
        layer: of a file, which convolution; the first with more than one tap when not given.

    Raises:
        InputError: weights that are not finite numbers, too many of them, or a file that cannot be read.
        ShapeError: not four axes, or an empty one.

    >>> sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> sheet = sheet_of(np.stack([sobel, sobel.T, -sobel, sobel * 0])[:, None])
    >>> sheet.by_kind
    {'edge': (0, 1, 2), 'dead': (3,)}
    >>> sheet.opposites
    (Pair(first=0, second=2, cosine=-1.0),)
    """
    chosen = check_convention(convention)
    bank = _bank(given, layer)
    weights = bank.weights
    norms = _norms(bank)
    largest = float(norms.max())
    alive = norms >= DEAD_SHARE * largest if largest > 0 else np.zeros(len(norms), dtype=np.bool_)
    names = [f"{bank.name} filter {place}".strip() for place in range(len(weights))]

    def told(under: str) -> tuple[Description, ...]:
        found = describe_many(weights, names, under)
        return tuple(
            one if lives else _dead(one, float(norm), largest)
            for one, lives, norm in zip(found, alive, norms, strict=True)
        )

    pairs = pairs_of(weights, alive)
    elsewhere = {under: told(under) for under in TITLES if under != chosen} if both else {}
    dead = tuple(int(place) for place in np.flatnonzero(~alive))
    norms.flags.writeable = False
    notes = (*bank.notes, *pairs.notes)
    return Sheet(
        told(chosen),
        weights,
        chosen,
        norms,
        dead,
        pairs,
        bank.name,
        bank.source,
        notes,
        bank.others,
        elsewhere,
    )


def _bank(given: Any, layer: str | None) -> Bank:  # noqa: ANN401
    """Whatever was given as weights ``(N, C, kh, kw)`` that can be described."""
    if isinstance(given, str | PathLike):
        found = read_weights(given).bank(layer)
    elif layer is not None:
        raise InputError("layer= names a convolution of a file; this bank has no layers")
    else:
        found = given if isinstance(given, Bank) else Bank(_numbers(given), "", "")
    check_shape(found.weights.shape[1:])
    check_size(found.weights)
    if len(found.weights) > MOST_FILTERS:
        raise InputError(f"the bank holds {len(found.weights)} filters; up to {MOST_FILTERS} are described")
    return found


def _numbers(given: Any) -> Floats:  # noqa: ANN401
    """A copy of the numbers, float64 and not to be written to."""
    try:
        array = given if hasattr(given, "shape") and hasattr(given, "dtype") else np.asarray(given)
        shape = tuple(int(length) for length in array.shape)
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            "a bank is an array of numbers (N, C, kh, kw); these rows are of unequal lengths"
        ) from None
    if len(shape) != 4:
        raise ShapeError(f"a bank has four axes (N, C, kh, kw), got shape {shape}")
    if 0 in shape:
        raise ShapeError(f"a bank of shape {shape} is empty; it needs at least one tap")
    if int(np.prod([float(length) for length in shape])) > MOST_TAPS:
        raise InputError(f"a bank of shape {shape} is too large; up to {MOST_TAPS} weights are described")
    check_shape(shape[1:])
    weights = _floats(array)
    wrong = ~np.isfinite(weights)
    if wrong.any():
        place = int(np.argwhere(wrong)[0][0])
        raise InputError(f"{int(wrong.sum())} weights are not finite, the first in filter {place}")
    weights.flags.writeable = False
    return weights


def _floats(array: Any) -> Floats:  # noqa: ANN401
    """Real numbers as float64; a tensor is taken off its graph first."""
    detach = getattr(array, "detach", None)
    try:
        plain = np.asarray(detach().cpu() if callable(detach) else array)
        if plain.dtype.kind in "cSUV":
            raise TypeError
        return np.array(plain, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        kind = getattr(array, "dtype", type(array).__name__)
        raise InputError(f"a bank holds real numbers, got {kind}") from None


def _norms(bank: Bank) -> Floats:
    """How large each filter is as it counts; safe for weights of any magnitude."""
    flat = bank.weights.reshape(len(bank.weights), -1)
    largest = float(np.abs(flat).max())
    norms = np.linalg.norm(flat / largest, axis=1) * largest if largest > 0 else np.zeros(len(flat))
    return norms if bank.scales is None else norms * np.abs(bank.scales)


def _dead(told: Description, norm: float, largest: float) -> Description:
    """The description of a filter that does nothing beside its neighbours."""
    if told.kind == DEAD or largest == 0:
        return told
    share = f"{100 * norm / largest:.2g} %"
    sentence = f"Dead: its norm is {share} of the layer's largest. Its pattern: {told.sentence}"
    return replace(told, kind=DEAD, sentence=sentence)
