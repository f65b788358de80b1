"""Convolution and transposed convolution, worked exactly, any rank."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np

from convscope.core.array import MAX_CELLS, ExactArray, from_cells
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, Formula, Mark, MatrixRow, MatrixView, Text, elided, text
from convscope.core.expression import Expression, Number, equation
from convscope.core.layer import Pair
from convscope.core.number import Exact
from convscope.errors import InputError, ShapeError
from convscope.rules.window import transposed_axes, window_axes
from convscope.worked.arithmetic import Numbers, add, bilinear, is_zero, multiply
from convscope.worked.symbolic import is_numeric
from convscope.worked.views import (
    MOST_CHANNELS,
    array_views,
    cell_marks,
    mask_marks,
    matrix_view,
    planes,
    product_of,
    short_sum,
)
from convscope.worked.window import (
    at,
    padded,
    padding_mask,
    tap_slices,
    taps,
    window_slices,
)
from convscope.worked.work import Index, Work

# A padded input of at most so many rows and columns is shown whole, with the window marked.
SMALL_PLANE = 8

_FILLED = {
    "zeros": "with zeros",
    "reflect": "by reflection (the border cell is not repeated)",
    "replicate": "with copies of the border cell",
    "circular": "with cells from the opposite border",
}


def weights_of(layer: Conv | ConvTranspose) -> ExactArray:
    """The layer's weights.

    Raises:
        InputError: the layer has sizes only.
    """
    if layer.weight is None:
        raise InputError(
            f"{type(layer).__name__}: it has no weights, only sizes; "
            "give a kernel or an array of weights to work it"
        )
    return layer.weight


def _flipped(weight: ExactArray, rank: int) -> ExactArray:
    spatial = tuple(range(2, 2 + rank))
    return weight.rearranged(lambda cells: np.flip(cells, spatial))


def _grouped(cells: Numbers, groups: int, axis: int) -> Numbers:
    """The channel axis split into (groups, channels of one group)."""
    shape = cells.shape
    return cells.reshape((*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def slide(
    x: Numbers,
    w: Numbers,
    groups: int,
    stride: Sequence[int],
    dilation: Sequence[int],
    windows: Sequence[int],
) -> Numbers:
    """Cross-correlation of ``x`` (N, C, *padded) with ``w`` (O, C/groups, *kernel), no flip."""
    batch, kernel_size = x.shape[0], w.shape[2:]
    inputs = _grouped(x, groups, 1)
    weights = _grouped(w, groups, 0)
    cells = math.prod(windows)
    total: Numbers | None = None
    for tap in taps(kernel_size):
        weight = at(weights, tap)
        if not weight.any():
            continue
        met = at(inputs, tap_slices(tap, stride, dilation, windows))
        flat = met.reshape(batch, groups, -1, cells)
        # One input channel a group needs no matrix product: a scaled copy is cheaper.
        product = weight[None, :, :, :] * flat if flat.shape[2] == 1 else np.matmul(weight, flat)
        total = product if total is None else np.add(total, product, out=total)
    if total is None:
        total = np.zeros((batch, groups, w.shape[0] // groups, cells), dtype=x.dtype)
    return total.reshape(batch, w.shape[0], *windows)


def stamp(
    x: Numbers, w: Numbers, groups: int, stride: Sequence[int], dilation: Sequence[int], full: Sequence[int]
) -> Numbers:
    """Each cell of ``x`` (N, C, *spatial) stamps ``w`` (C, O/groups, *kernel) onto a canvas `full`."""
    batch, spatial, kernel_size = x.shape[0], x.shape[2:], w.shape[2:]
    out_group = w.shape[1]
    inputs = _grouped(x, groups, 1).reshape(batch, groups, -1, math.prod(spatial))
    weights = np.swapaxes(_grouped(w, groups, 0), 1, 2)
    canvas = np.zeros((batch, groups, out_group, *full), dtype=x.dtype)
    for tap in taps(kernel_size):
        stamps = np.matmul(at(weights, tap), inputs).reshape(batch, groups, out_group, *spatial)
        met = at(canvas, tap_slices(tap, stride, dilation, spatial))  # a view
        np.add(met, stamps, out=met)
    return canvas.reshape(batch, groups * out_group, *full)


class ConvWork(Work[Conv]):
    """A convolution, worked."""

    letter = "z"

    @cached_property
    def padding(self) -> tuple[Pair, ...]:
        """Cells added before and after each axis, "same" resolved."""
        return tuple(axis.padding for axis in window_axes(self.layer, self.x.shape[2:]))

    @cached_property
    def padded_input(self) -> ExactArray:
        """The input with its padding."""
        return padded(self.x, self.padding, self.layer.padding_mode, self.layer.padding_value)

    @cached_property
    def weight_used(self) -> ExactArray:
        """The weights as they multiply the window: rotated by 180° when the layer flips."""
        weight = weights_of(self.layer)
        return _flipped(weight, weight.ndim - 2) if self.layer.flip else weight

    def compute(self) -> ExactArray:
        """Sum of products of window and kernel, for every window."""
        layer, weight = self.layer, self.weight_used
        windows = self.shape.shape[1:]
        terms = math.prod(weight.shape[1:])
        products = self.x.shape[0] * math.prod(self.shape.shape) * terms
        sums = bilinear(
            self.padded_input,
            weight,
            lambda x, w: slide(x, w, layer.groups, layer.stride, layer.dilation, windows),
            terms=terms,
            products=products,
        )
        return with_bias(sums, layer)

    def convention(self) -> Text:
        """Flip or no flip, padding, stride, dilation, in words."""
        layer = self.layer
        kind = (
            "True convolution: the kernel is rotated by 180° before it slides. "
            if layer.flip
            else "Cross-correlation: the kernel slides as it is, not flipped, as CNN libraries compute it. "
        )
        return text(kind, *self._padding_words(), *_step_words(layer))

    def _padding_words(self) -> Text:
        pairs = self.padding
        if not any(any(pair) for pair in pairs):
            return text("No padding. ")
        mode = self.layer.padding_mode
        filled = (
            text("with the constant ", self.layer.padding_value)
            if mode == "constant"
            else text(_FILLED[mode])
        )
        same = "'same' padding, " if self.layer.padding == "same" else "Padding "
        return text(same, *padding_words(pairs), " ", *filled, ". ")

    def preamble(self) -> tuple[Block, ...]:
        """The padded input and the kernel as used."""
        blocks: list[Block] = []
        if any(any(pair) for pair in self.padding):
            marks = mask_marks(padding_mask(self.x.shape[2:], self.padding)) if self.x.ndim <= 4 else ()
            for number in range(min(self.x.shape[0], 1)):
                item = self.padded_input[number]
                shown = item[0] if item.shape[0] == 1 else item
                blocks += array_views(shown, text("Padded input"), marks)
        weight = weights_of(self.layer)
        plain = weight[0, 0] if weight.shape[:2] == (1, 1) else weight
        if self.layer.flip:
            used = self.weight_used[0, 0] if weight.shape[:2] == (1, 1) else self.weight_used
            if plain.ndim <= 2:
                before = matrix_view(plain, text("Kernel as given"))
                blocks.append(
                    MatrixRow((before, matrix_view(used, text("rotated by 180°, as used"))), ("→",))
                )
            else:
                blocks += array_views(used, text("Kernel rotated by 180°, as used"))
        else:
            blocks += array_views(plain, text("Kernel"))
        return tuple(blocks)

    def window(self, index: Index) -> tuple[ExactArray, ExactArray, Numbers]:
        """One output cell's window and kernel, (C/groups, *kernel), and which window cells are padding."""
        layer = self.layer
        batch, channel, position = index[0], index[1], index[2:]
        slices = window_slices(position, layer.stride, layer.dilation, layer.kernel_size)
        mask = padding_mask(self.x.shape[2:], self.padding)[slices]
        return (
            self.padded_input[(batch, self._channels_seen(channel), *slices)],
            self.weight_used[channel],
            mask,
        )

    def _channels_seen(self, channel: int) -> slice:
        """The input channels that an output channel sees: those of its group."""
        size = self.x.shape[1] // self.layer.groups
        first = channel // (self.layer.out_channels // self.layer.groups) * size
        return slice(first, first + size)

    def how(self) -> Text:
        """Multiply and add up."""
        bias = " and the bias" if isinstance(self.layer.bias, ExactArray) else ""
        return text(
            "For each output cell the window of the input under the kernel is multiplied by the kernel, "
            f"cell by cell, and the products{bias} add up to the cell."
        )

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """Window, kernel, products, and their sum."""
        window, kernel, mask = self.window(index)
        products = multiply(window, kernel)
        marks = mask_marks(mask) if mask.any() and mask.ndim <= 2 else ()
        pieces = [
            (lead, piece, kernel[lead] if lead else kernel, products[lead] if lead else products)
            for lead, piece in _channel_planes(window)
        ]

        def row(number: int) -> tuple[Block, ...]:
            lead, piece, taps_, product = pieces[number]
            where = f" [{', '.join(map(str, lead))}]" if len(pieces) > 1 else ""
            whole = self._window_in_input(index) if len(pieces) == 1 else None
            views = (
                whole or matrix_view(piece, text(f"window{where}"), marks),
                matrix_view(taps_, text(f"kernel{where}")),
                matrix_view(product, text("products")),
            )
            return (MatrixRow(views, ("⊙", "=")),)

        rows = elided(
            len(pieces), row, MOST_CHANNELS, "channels", text("index the stage's inputs to see them")
        )
        value = self.cell_value(index)
        bias = bias_of(self.layer, index[1])
        terms = [
            product_of(w, k)
            for w, k, p in zip(window.cells(), kernel.cells(), products.cells(), strict=True)
            if not is_zero(p)
        ]
        formula = _sum_formula(name, terms, list(products.cells()), bias, value)
        told = text("The window under the kernel, multiplied cell by cell:")
        added = text(
            "The products" if len(terms) == window.size else "The products that are not zero",
            " and the bias added up:" if bias is not None else " added up:",
        )
        return Step(told, rows), Step(added, (Formula(formula),))

    def _window_in_input(self, index: Index) -> MatrixView | None:
        """The whole padded input with the window marked, where it is small enough to be shown whole."""
        plane = self.padded_input[index[0], self._channels_seen(index[1]).start]
        if plane.ndim > 2 or max(plane.shape) > SMALL_PLANE:
            return None
        mask = padding_mask(self.x.shape[2:], self.padding)
        marks = mask_marks(mask) if mask.any() else ()
        layer = self.layer
        slices = window_slices(index[2:], layer.stride, layer.dilation, layer.kernel_size)
        cells = list(itertools.product(*(range(s.start, s.stop, s.step) for s in slices)))
        if any(d > 1 for d in layer.dilation):
            window = cell_marks("window", cells)
        else:
            (top, left), (bottom, right) = (
                ((0, *cell) if len(cell) == 1 else cell) for cell in (cells[0], cells[-1])
            )
            window = (Mark("window", top, left, bottom + 1, right + 1),)
        return matrix_view(plane, text("window in the input"), (*marks, *window))


def _channel_planes(window: ExactArray) -> list[tuple[Index, ExactArray]]:
    """A window (C, *kernel) as matrices; one channel of rank 1 or 2 needs no index."""
    if window.shape[0] == 1:
        return [((0, *lead), plane) for lead, plane in planes(window[0])]
    return [((c, *lead), plane) for c in range(window.shape[0]) for lead, plane in planes(window[c])]


def _sum_formula(
    name: Expression, terms: Sequence[Expression], products: Sequence[Exact], bias: Exact | None, value: Exact
) -> Expression:
    shown = [Number(product) for product in products if not is_zero(product)]
    extra = [Number(bias)] if bias is not None else []
    parts: list[Expression] = [name]
    if terms:
        parts.append(short_sum([*terms, *extra]))
    # Products with letters are not worked out further before they are added.
    if len(shown) + len(extra) > 1 and is_numeric(value):
        parts.append(short_sum([*shown, *extra]))
    if parts[-1] != Number(value):
        parts.append(Number(value))
    return equation(*parts)


class ConvTransposeWork(Work[ConvTranspose]):
    """A transposed convolution, worked."""

    letter = "z"

    @cached_property
    def weight_used(self) -> ExactArray:
        """The weights as they are stamped."""
        weight = weights_of(self.layer)
        return _flipped(weight, weight.ndim - 2) if self.layer.flip else weight

    @cached_property
    def canvas_size(self) -> tuple[int, ...]:
        """The canvas before the padding is cut off: as far as any stamp or the output reaches."""
        layer = self.layer
        axes = transposed_axes(layer, self.x.shape[2:])
        reach = (
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(
                self.x.shape[2:], layer.stride, layer.dilation, layer.kernel_size, strict=True
            )
        )
        full = tuple(
            max(extent, axis.padding[0] + axis.size) for extent, axis in zip(reach, axes, strict=True)
        )
        cells = self.x.shape[0] * self.layer.out_channels * math.prod(full)
        if cells > MAX_CELLS:
            raise ShapeError(
                f"ConvTranspose: its stamps would cover {cells} cells; up to {MAX_CELLS} are worked"
            )
        return full

    def compute(self) -> ExactArray:
        """Every input cell's stamp added onto the canvas, then the padding cut off."""
        layer, full, weight = self.layer, self.canvas_size, self.weight_used
        terms = math.prod(weight.shape[2:]) * weight.shape[0] // layer.groups
        canvas = bilinear(
            self.x,
            weight,
            lambda x, w: stamp(x, w, layer.groups, layer.stride, layer.dilation, full),
            terms=terms,
            products=self.x.size * math.prod(weight.shape[1:]),
        )
        sizes = self.shape.shape[1:]
        kept = tuple(slice(p[0], p[0] + n) for p, n in zip(layer.padding, sizes, strict=True))
        return with_bias(canvas[(slice(None), slice(None), *kept)], layer)

    def convention(self) -> Text:
        """How the stamps overlap, in words."""
        layer = self.layer
        cut = (
            text("Then ", *padding_words(layer.padding), " is cut off. ")
            if any(any(pair) for pair in layer.padding)
            else text()
        )
        kernel = "the kernel, rotated by 180°," if layer.flip else "the kernel"
        strides = " by ".join(map(str, dict.fromkeys(layer.stride)))
        return text(
            f"Each input cell stamps {kernel} times its value onto the output, stamps {strides} apart; "
            "overlaps add up. ",
            *cut,
        )

    def preamble(self) -> tuple[Block, ...]:
        """The kernel as stamped."""
        weight = self.weight_used
        plain = weight[0, 0] if weight.shape[:2] == (1, 1) else weight
        told = "Kernel rotated by 180°, as stamped" if self.layer.flip else "Kernel"
        return array_views(plain, text(told))

    def contributions(self, index: Index) -> list[tuple[Index, Index, Exact, Exact]]:
        """The stamps that reach one output cell: input cell (channel, position), tap, its value, weight."""
        layer = self.layer
        batch, channel, position = index[0], index[1], index[2:]
        per_group = layer.out_channels // layer.groups
        group, within = divmod(channel, per_group)
        size = self.x.shape[1] // layer.groups
        found = []
        for tap in taps(layer.kernel_size):
            offsets = [
                p + pair[0] - t * d
                for p, pair, t, d in zip(position, layer.padding, tap, layer.dilation, strict=True)
            ]
            if any(o % s for o, s in zip(offsets, layer.stride, strict=True)):
                continue
            source = tuple(o // s for o, s in zip(offsets, layer.stride, strict=True))
            if not all(0 <= i < n for i, n in zip(source, self.x.shape[2:], strict=True)):
                continue
            for c in range(group * size, (group + 1) * size):
                weight = self.weight_used.cell((c, within, *tap))
                found.append(((c, *source), tap, self.x.cell((batch, c, *source)), weight))
        return found

    def steps(self, index: Index, name: Expression) -> tuple[Step, ...]:
        """The stamps that overlap on the cell, and their sum."""
        found = self.contributions(index)
        bias = bias_of(self.layer, index[1])
        terms = [product_of(x, w) for _, _, x, w in found]
        products = multiply(
            from_cells([x for _, _, x, _ in found] or [Fraction(0)], (max(len(found), 1),)),
            from_cells([w for _, _, _, w in found] or [Fraction(0)], (max(len(found), 1),)),
        )
        count = text(
            len(found), " stamp reaches" if len(found) == 1 else " stamps reach", " this cell: input · tap."
        )
        formula = _sum_formula(name, terms, list(products.cells()), bias, self.cell_value(index))
        return (Step(count, (Formula(formula),)),)


def bias_of(layer: Conv | ConvTranspose, channel: int) -> Exact | None:
    """The bias of one output channel, or None."""
    return layer.bias.cell((channel,)) if isinstance(layer.bias, ExactArray) else None


def with_bias(sums: ExactArray, layer: Conv | ConvTranspose) -> ExactArray:
    """The sums with each channel's bias added."""
    if not isinstance(layer.bias, ExactArray):
        return sums
    return add(sums, layer.bias.reshape((1, -1, *(1,) * (sums.ndim - 2))))


def padding_words(pairs: Sequence[Pair]) -> Text:
    """Padding in words: one number, or each side of each axis."""
    if len(set(itertools.chain(*pairs))) == 1:
        return text(pairs[0][0], " on every side")
    told = [f"{before} before and {after} after axis {axis}" for axis, (before, after) in enumerate(pairs)]
    return text("; ".join(told))


def _step_words(layer: Conv) -> Text:
    words: list[str] = []
    for name, value in (("Stride", layer.stride), ("Dilation", layer.dilation)):
        if any(v != 1 for v in value) or name == "Stride":
            words.append(f"{name} {' by '.join(map(str, dict.fromkeys(value)))}.")
    if layer.groups > 1:
        words.append(f"{layer.groups} groups, each with its own channels.")
    return text(" ".join(words))
