"""A network as the checks look at it: rows by name, who reads what, and windows axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from convscope.core.convolution import Conv
from convscope.core.document import Text
from convscope.core.network import Shape
from convscope.core.operators import Elementwise, Norm
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import Add, Concat
from convscope.rules.field import AxisField, Field, input_field
from convscope.rules.reach import entry, padding_of
from convscope.rules.receptive_field import field_of

if TYPE_CHECKING:
    from convscope.rules.network import Network, Row

AXES_WORDS = {1: ("cells",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """One axis of a layer that slides a window.

    Attributes:
        word: what lies along it: "rows".
        n, n_out: cells of the input and the output.
        size, dilation, extent: of the window, and the cells it spans.
        stride, before, after: step, and padding on each side.
        ends: the cell of the padded axis, counted from the input's first, behind the last window.
        seen: the receptive field of the input's cells along this axis; None where it is not known.
    """

    word: str
    n: int
    n_out: int
    size: int
    dilation: int
    extent: int
    stride: int
    before: int
    after: int
    seen: AxisField | None

    @property
    def ends(self) -> int:
        """The cell behind the last window, counted from the first of the input."""
        return (self.n_out - 1) * self.stride - self.before + self.extent

    @property
    def unread(self) -> int:
        """Cells of the input at the end of the axis that no window reaches."""
        return max(self.n - self.ends, 0)


class View:
    """A network as the checks look at it.

    Args:
        network: to be checked.
        object_size: pixels along each axis of the objects that the network is to see; () when not asked.
    """

    def __init__(self, network: Network, object_size: tuple[int, ...] = ()) -> None:
        self.network = network
        self.object_size = object_size
        # What one check worked out, for its next finding: which cells of an input, along an axis, nothing
        # reads; numbers of the whole network; the windows of each layer.
        self.unread: dict[tuple[str, int], npt.NDArray[np.bool_]] = {}
        self.memory: dict[tuple[int, str], tuple[int, ...]] = {}
        self._windows: dict[str, tuple[WindowAxis, ...]] = {}

    @cached_property
    def readers(self) -> dict[str, list[Row]]:
        """The rows that read each input or layer, by its name."""
        found: dict[str, list[Row]] = {entry.name: [] for entry in self.network.graph.inputs}
        found |= {row.name: [] for row in self.network.rows}
        for row in self.network.rows:
            for name in dict.fromkeys(row.inputs):
                found[name].append(row)
        return found

    @cached_property
    def local_fields(self) -> dict[str, Field | None]:
        """The fields by the windows alone: gates and statistics over the picture left aside."""
        graph = self.network.graph
        shapes = {entry.name: entry.shape for entry in graph.inputs}
        found: dict[str, Field | None] = {entry.name: input_field(entry.shape) for entry in graph.inputs}
        for row in self.network.rows:
            given = [(field, shapes[name]) for name in row.inputs if (field := found[name]) is not None]
            output = row.output_shape
            if output is None or len(given) < len(row.inputs):
                found[row.name] = None
                continue
            shapes[row.name] = output
            if isinstance(row.layer, Add | Concat | Elementwise):
                given = [one for one in given if not one[0].is_whole] or given
            fields, inputs = [field for field, _ in given], [shape for _, shape in given]
            is_norm = isinstance(row.layer, Norm)
            found[row.name] = fields[0] if is_norm else field_of(row.node, fields, inputs, output)
        return found

    def field_at(self, row: Row, position: int = 0) -> Field | None:
        """The field of what a row reads."""
        return None if row.fields is None else row.fields.of(row.inputs[position])

    def windows(self, row: Row) -> tuple[WindowAxis, ...]:
        """The axes of a layer that slides a window; none where it is not one, or its shapes are not known."""
        found = self._windows.get(row.name)
        if found is None:
            found = self._windows[row.name] = self._worked_windows(row)
        return found

    def _worked_windows(self, row: Row) -> tuple[WindowAxis, ...]:
        layer, shapes = row.layer, (row.input_shapes or (None,))
        given, gives = shapes[0], row.output_shape
        if not isinstance(layer, Conv | MaxPool | AvgPool | LpPool) or not given or not gives:
            return ()
        rank = len(given) - 1
        if len(gives) != len(given) or rank not in AXES_WORDS:
            return ()
        return tuple(self._window(row, layer, axis, given, gives) for axis in range(rank))

    def _window(
        self, row: Row, layer: Conv | MaxPool | AvgPool | LpPool, axis: int, given: Shape, gives: Shape
    ) -> WindowAxis:
        size, dilation = entry(layer.kernel_size, axis), entry(layer.dilation, axis)
        before, after = padding_of(layer, axis, given[axis + 1])
        field = self.field_at(row)
        # Positions are the picture's only where the array's axes are.
        follows = field is not None and field.places == tuple(range(1, len(given)))
        return WindowAxis(
            AXES_WORDS[len(given) - 1][axis],
            given[axis + 1],
            gives[axis + 1],
            size,
            dilation,
            dilation * (size - 1) + 1,
            entry(layer.stride, axis),
            before,
            after,
            field.axes[axis] if field is not None and follows else None,
        )

    def axis_word(self, axis: int) -> str:
        """What lies along an axis of the network's input: "rows"."""
        words = AXES_WORDS.get(len(self.network.graph.inputs[0].shape) - 1, ())
        return words[axis] if axis < len(words) else "cells"


def share_words(share: Fraction) -> str:
    """A share in percent, as it is said: whole percents, two digits below ten.

    >>> share_words(Fraction(58631144, 62378344)), share_words(Fraction(1, 60))
    ('94 %', '1.7 %')
    """
    percent = float(100 * share)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def joined(told: Sequence[Text]) -> Text:
    """Clauses with semicolons between them."""
    return tuple(part for words in told for part in ("; ", *words))[1:]


def span_words(word: str, low: int, stop: int) -> str:
    """Cells from `low` to before `stop`, in words.

    >>> span_words("rows", 3, 5), span_words("rows", 3, 4)
    ('rows 3 to 4', 'row 3')
    """
    return f"{word[:-1]} {low}" if stop == low + 1 else f"{word} {low} to {stop - 1}"
