"""Peak memory by liveness: what is held at each moment of a pass, and where it is most.

Inference: layers run in the network's order; each output is held until its last reader has run,
the network's outputs to the end. Training: besides, what backward passes need is held until they
have run, then gradients follow in reverse order; no optimiser is counted. Views share the memory
of what they look at, in-place layers that of what they overwrite. Scratch space that a library
takes inside a layer is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from convscope.core import pointwise
from convscope.core.document import Code, Document, Paragraph, Section, Table, Text, text
from convscope.core.expression import Product, as_expression
from convscope.core.operators import Rearrange, Source
from convscope.core.structural import BatchNorm, Flatten
from convscope.errors import InputError
from convscope.rules.cost import array_bytes
from convscope.rules.saved import NOTHING, Saved, saved_by
from convscope.show import Showable

if TYPE_CHECKING:
    from convscope.core.network import Shape
    from convscope.rules.network import Network, Row

SHOWN_ARRAYS = 30
MAX_BATCH = 10**9

# Rearrangements that only look at the cells of their input in another way.
VIEWS = frozenset(
    (
        *("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t"),
        *("slice", "select", "narrow", "split", "chunk", "unbind", "expand", "expand_as", "view_as"),
        *("swapaxes", "swapdims", "movedim", "unfold", "identity", "detach", "alias"),
    )
)


@dataclass(frozen=True, slots=True)
class Held:
    """An array in memory.

    Attributes:
        name: the layer or input it belongs to.
        what: "output", "input", "gradient", "parameter gradients", or what a layer saves: "indices".
        bytes: its size for the whole batch.
        factors: what the size is a product of: items, cells along each axis, bytes of a cell.
    """

    name: str
    what: str
    bytes: int
    factors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """The running of one layer.

    Attributes:
        name: the layer.
        phase: "forward" or "backward".
        taken: arrays that it makes.
        freed: arrays that nobody needs after it.
        bytes: what is held while it runs.
    """

    name: str
    phase: str
    taken: tuple[Held, ...]
    freed: tuple[Held, ...]
    bytes: int


@dataclass(frozen=True)
class Memory(Showable):
    """The memory of one pass through a network.

    Attributes:
        network: the network.
        training: whether a backward pass follows the forward pass.
        batch: how many items run at once.
        moments: the layers as they run, each with what is held meanwhile.
        saved: in training, what each layer saves for its backward pass, by name.
        saved_bytes: bytes that wait for the backward pass when the forward pass has ended.
        not_counted: the layers whose outputs have no known size, or that save nobody knows what.
    """

    network: Network = field(repr=False)
    training: bool
    batch: int
    moments: tuple[Moment, ...] = field(repr=False)
    saved: dict[str, Saved] = field(repr=False)
    saved_bytes: int = 0
    not_counted: tuple[str, ...] = ()

    @cached_property
    def peak(self) -> Moment:
        """The first moment at which most is held."""
        return max(self.moments, key=lambda moment: moment.bytes)

    @property
    def peak_bytes(self) -> int:
        """Bytes held at the peak, weights left aside."""
        return self.peak.bytes

    @property
    def weight_bytes(self) -> int:
        """Bytes of parameters, buffers and constants, which are held all the time."""
        return sum(self.network.weight_bytes.values()) + sum(self.network.buffer_bytes.values())

    @property
    def total_bytes(self) -> int:
        """Weights and peak together."""
        return self.weight_bytes + self.peak_bytes

    @property
    def complete(self) -> bool:
        """Whether every layer is counted."""
        return not self.not_counted

    @cached_property
    def held(self) -> tuple[Held, ...]:
        """What is held at the peak, largest first."""
        place = self.moments.index(self.peak)
        found = _replay(_inputs(self.network, self.batch), self.moments, place)
        return tuple(sorted((entry for entry in found if entry.bytes), key=lambda entry: -entry.bytes))

    def document(self) -> Document:
        """Where the peak is and what is held there."""
        return _document(self)


def memory(network: Network, *, training: bool = False, batch: int = 1) -> Memory:
    """The memory a pass through the network takes, moment by moment.

    Args:
        network: what runs.
        training: whether a backward pass follows.
        batch: how many items run at once.

    Raises:
        InputError: a batch that is no count.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= MAX_BATCH:
        raise InputError(f"batch={batch!r} is not allowed; it may be 1 to {MAX_BATCH}")
    return _Pass(network, batch, training=training).run()


# --- the pass ---------------------------------------------------------------------------------


def _inputs(network: Network, batch: int) -> Iterator[Held]:
    for entry in network.graph.inputs:
        yield _held(entry.name, "input", batch, entry.shape, entry.dtype)


def _held(name: str, what: str, items: int, shape: Shape | None, dtype: str) -> Held:
    """An array of so many items; of 0 bytes where its shape or dtype is not known."""
    size = None if shape is None else array_bytes(shape, dtype)
    if shape is None or size is None:
        return Held(name, what, 0)
    whole, rest = divmod(size, math.prod(shape))
    cell = () if rest else (whole,)  # cells may be less than a byte
    return Held(name, what, items * size, (*((items,) if items > 1 else ()), *shape, *cell))


def is_view(row: Row, *, training: bool) -> bool:
    """Whether the output is only another look at the input."""
    match row.layer:
        case Flatten() | pointwise.Identity():
            return True
        case pointwise.Dropout(p=p):
            return not training or p == 0
        case Rearrange(op=op):
            return op in VIEWS
    return False


class _Pass:
    """One pass, simulated: which array each output lives in, when it is made and when it is free."""

    def __init__(self, network: Network, batch: int, *, training: bool) -> None:
        self.network, self.batch, self.training = network, batch, training
        self.rows = network.rows
        self.not_counted: list[str] = []
        self.arrays: dict[str, Held] = {entry.name: entry for entry in _inputs(network, batch)}
        self.home = {name: name for name in self.arrays}  # the layer whose array an output lives in
        self.root = dict(self.home)  # the layer whose gradient is that of a view
        for row in self.rows:
            looks = is_view(row, training=training) and bool(row.inputs)
            self.root[row.name] = self.root[row.inputs[0]] if looks else row.name
            if looks or (row.node.in_place and row.inputs):
                self.home[row.name] = self.home[row.inputs[0]]
                continue
            self.home[row.name] = row.name
            stored = isinstance(row.layer, Source)  # counted among the weights
            if row.activation_bytes is None:
                self.not_counted.append(row.name)
            shape = None if stored else row.output_shape
            self.arrays[row.name] = _held(row.name, "output", batch, shape, row.node.dtype)
        self.saved: dict[str, Saved] = {}
        self.trained: set[str] = set()  # the layers that gradients go through
        if training:
            self._find_saved()

    def _find_saved(self) -> None:
        for row in self.rows:
            if row.trainable_params or any(name in self.trained for name in row.inputs):
                self.trained.add(row.name)
                found = saved_by(row)
                if found is None:
                    self.not_counted.append(row.name)
                self.saved[row.name] = found or NOTHING

    def _homes_saved(self, row: Row) -> Iterator[str]:
        """The arrays that a layer's backward pass reads."""
        saved = self.saved.get(row.name, NOTHING)
        yield from (self.home[row.inputs[place]] for place in saved.inputs)
        if saved.output:
            yield self.home[row.name]

    def _extras(self, row: Row) -> tuple[Held, ...]:
        """What a layer makes for its backward pass alone."""
        # The statistics of batch normalisation are one set for the whole batch.
        times = 1 if isinstance(row.layer, BatchNorm) else self.batch
        return tuple(
            _held(row.name, e.what, times, e.shape, e.dtype or row.node.dtype)
            for e in self.saved.get(row.name, NOTHING).extras
        )

    def _last_readers(self) -> dict[str, int]:
        last = dict.fromkeys(self.arrays, -1)
        for place, row in enumerate(self.rows):
            last[self.home[row.name]] = max(last[self.home[row.name]], place)
            for name in row.inputs:
                last[self.home[name]] = place
        for name in self.network.graph.outputs:
            last[self.home[name]] = len(self.rows)
        return last

    def run(self) -> Memory:
        """The moments, forward and, in training, backward."""
        backward_reader: dict[str, int] = {}  # the last to read an array in the backward pass is the earliest
        for place, row in enumerate(self.rows):
            for name in self._homes_saved(row):
                backward_reader.setdefault(name, place)
        free_after: list[list[Held]] = [[] for _row in self.rows]
        for name, place in self._last_readers().items():
            if 0 <= place < len(self.rows) and name not in backward_reader:
                free_after[place].append(self.arrays[name])
        held = sum(entry.bytes for entry in _inputs(self.network, self.batch))
        moments = []
        for place, row in enumerate(self.rows):
            own = (self.arrays[row.name],) if self.home[row.name] == row.name else ()
            taken = (*own, *self._extras(row))
            held += sum(entry.bytes for entry in taken)
            moments.append(Moment(row.name, "forward", taken, tuple(free_after[place]), held))
            held -= sum(entry.bytes for entry in free_after[place])
        if self.training:
            moments += self._backward(held, backward_reader)
        waiting = sum(self.arrays[name].bytes for name in backward_reader)
        waiting += sum(entry.bytes for row in self.rows for entry in self._extras(row))
        told = tuple(dict.fromkeys(self.not_counted))
        return Memory(self.network, self.training, self.batch, tuple(moments), self.saved, waiting, told)

    # --- backward -----------------------------------------------------------------------------

    def _backward(self, held: int, backward_reader: dict[str, int]) -> Iterator[Moment]:
        gradients: dict[str, Held] = {}
        first = [self._gradient(name) for name in self.network.graph.outputs if name in self.trained]
        start = tuple(entry for entry in first if gradients.setdefault(entry.name, entry) is entry)
        waiting: dict[int, list[Held]] = {}
        leaving = {self.home[name] for name in self.network.graph.outputs}
        for name, place in backward_reader.items():
            if name not in leaving:
                waiting.setdefault(place, []).append(self.arrays[name])
        for place in range(len(self.rows) - 1, -1, -1):
            row = self.rows[place]
            taken, freed = [*start], [*waiting.get(place, ()), *self._extras(row)]
            start = ()
            if row.name in self.trained and self.root[row.name] in gradients:
                made, gone = self._one_back(row, gradients)
                taken += made
                freed += gone
            held += sum(entry.bytes for entry in taken)
            yield Moment(row.name, "backward", tuple(taken), tuple(freed), held)
            held -= sum(entry.bytes for entry in freed)

    def _one_back(self, row: Row, gradients: dict[str, Held]) -> tuple[list[Held], list[Held]]:
        """What the backward pass of one layer makes, and what it leaves to be freed."""
        if is_view(row, training=True):
            return [], []  # the gradient is looked at in the other way again
        taken: list[Held] = []
        freed = [gradients.pop(row.name)] if row.name in gradients else []
        for name in dict.fromkeys(row.inputs):
            if name not in self.trained:
                continue
            found = self._gradient(name)
            if found.name in gradients:
                found = Held(found.name, f"gradient from {row.name}", found.bytes, found.factors)
                freed.append(found)  # it is added to the one that is there
            gradients.setdefault(found.name, found)
            taken.append(found)
        trained = sum(
            array_bytes(w.shape, w.dtype) or 0
            for w in row.cost.weights or ()
            if w.trainable and w.is_parameter
        )
        if trained and not row.shared_params:
            taken.append(Held(row.name, "parameter gradients", trained))
        return taken, freed

    def _gradient(self, name: str) -> Held:
        row = self.network[self.root[name]]
        return _held(row.name, "gradient", self.batch, row.output_shape, row.node.dtype)


def _replay(inputs: Iterable[Held], moments: tuple[Moment, ...], place: int) -> tuple[Held, ...]:
    """What is held during the moment at `place`."""
    held = dict.fromkeys(inputs)
    for moment in moments[:place]:
        held.update(dict.fromkeys(moment.taken))
        for entry in moment.freed:
            held.pop(entry, None)
    held.update(dict.fromkeys(moments[place].taken))
    return tuple(held)


# --- shown ------------------------------------------------------------------------------------


def _document(found: Memory) -> Document:
    called = (" of ", Code(found.network.graph.name)) if found.network.graph.name else ()
    peak, items = found.peak, "one item" if found.batch == 1 else f"{found.batch} items"
    kind = "training" if found.training else "inference"
    during = f" in the {peak.phase} pass" if found.training else ""
    about = text(
        f"At most {peak.bytes} bytes are held while ", Code(peak.name), f" runs{during}; with the weights' "
        f"{found.weight_bytes} bytes it takes {found.total_bytes} bytes.",
    )  # fmt: skip
    partial = () if found.complete else (Paragraph(_partial(found)),)
    table = Table(
        tuple(map(text, ("layer", "array", "bytes", "how"))),
        tuple(_array_told(entry) for entry in found.held[:SHOWN_ARRAYS]),
        align="llrl",
    )
    return Document(
        text(f"Memory for {kind}", *called, f", {items}"),
        (Paragraph(about), *partial, Section(text("Held at the peak"), (table,)), *_saved_told(found)),
    )


def _partial(found: Memory) -> Text:
    return text(f"Not counted: {len(found.not_counted)} layers, the first ", Code(found.not_counted[0]), ".")


def _array_told(entry: Held) -> tuple[Text, ...]:
    factors = tuple(as_expression(factor) for factor in entry.factors)
    how: Text = (Product(factors),) if len(factors) > 1 else ()
    return text(Code(entry.name)), text(entry.what), text(entry.bytes), how


def _saved_told(found: Memory) -> tuple[Section, ...]:
    if not found.training:
        return ()
    rows = tuple(
        (text(Code(name)), text(", ".join(_saved_words(saved)) or "nothing"), text(saved.why))
        for name, saved in list(found.saved.items())[:SHOWN_ARRAYS]
    )
    heads = tuple(map(text, ("layer", "saved", "because")))
    return (Section(text("Saved for the backward pass"), (Table(heads, rows, align="lll"),)),)


def _saved_words(saved: Saved) -> Iterator[str]:
    if saved.inputs:
        yield "input" if len(saved.inputs) == 1 else "inputs"
    if saved.output:
        yield "output"
    yield from (extra.what for extra in saved.extras)
