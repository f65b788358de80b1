"""Checks of how windows lie on their input: what they miss, shift or fill with padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Text, text
from convscope.rules.field import AxisField
from convscope.rules.lint.finding import Fact, LintFinding
from convscope.rules.lint.lossless import nearest_lossless
from convscope.rules.lint.view import View, WindowAxis, joined, share_words, span_words
from convscope.rules.reach import Stamps

if TYPE_CHECKING:
    from convscope.rules.network import Row

# Longer axes are not looked at cell by cell.
MAX_CELLS = 2**16


def _unread(view: View, row: Row, axis: int, window: WindowAxis) -> npt.NDArray[np.bool_]:
    """Which cells along an axis of its input neither this layer nor another reader of it reads."""
    key = row.inputs[0], axis
    if key not in view.unread:
        view.unread[key] = _read_by_none(view, row.inputs[0], axis, window.n)
    return view.unread[key]


def _read_by_none(view: View, name: str, axis: int, n: int) -> npt.NDArray[np.bool_]:
    read = np.zeros(n, dtype=bool)
    for reader in view.readers[name]:
        windows = view.windows(reader)
        if not windows or not _is_small(windows[axis]):
            return np.zeros(n, dtype=bool)  # what slides no window reads everything
        other = windows[axis]
        starts = np.arange(other.n_out)[:, None] * other.stride - other.before
        cells = (starts + np.arange(other.size) * other.dilation).ravel()
        read[cells[(cells >= 0) & (cells < n)]] = True
    return ~read


def _is_small(window: WindowAxis) -> bool:
    return window.n * window.size <= MAX_CELLS


# --- dropped by a floor -----------------------------------------------------------------------


def dropped(view: View) -> Iterator[LintFinding]:
    """Cells at the end that the floor of the output size leaves unread."""
    for row in view.network.rows:
        lost: dict[int, tuple[WindowAxis, int]] = {}
        for axis, window in enumerate(view.windows(row)):
            # In a gap between windows nothing was dropped; the end of the axis is what the floor cuts.
            if window.unread and window.stride <= window.extent and _is_small(window):
                count = int(np.count_nonzero(_unread(view, row, axis, window)[-window.unread :]))
                if count:
                    lost[axis] = window, count
        if lost:
            yield _dropped(view, row, lost)


def _dropped(view: View, row: Row, lost: dict[int, tuple[WindowAxis, int]]) -> LintFinding:
    numbers: dict[str, Fact] = {}
    told = [_dropped_words(window, count, numbers) for window, count in lost.values()]
    axes = () if row.shape_result is None else row.shape_result.axes
    formulas = tuple(axes[axis].facts[-1].chain() for axis in lost if axis < len(axes))
    return LintFinding(
        "dropped",
        row.name,
        text("No window reaches ", *joined(told), "."),
        text("What the picture shows at that end has less influence on the output, or none."),
        _dropped_remedy(view, list(lost), numbers),
        tuple(dict.fromkeys(formulas)),
        numbers,
    )


def _dropped_words(window: WindowAxis, count: int, numbers: dict[str, Fact]) -> Text:
    first = window.n - count
    numbers[f"{window.word}_dropped"] = count
    words = f"{span_words(window.word, first, window.n)} of its input's {window.n}"
    if window.seen is None or window.seen.is_constant:
        return text(words)
    low, stop = _together(window.seen, first, window.n)
    if low >= stop:
        return text(words)
    numbers[f"input_{window.word}"] = (low, stop)
    words += f", which see {span_words(window.word, low, stop)} of the picture"
    only = max(low, _together(window.seen, max(first - window.extent, 0), first)[1])
    if only >= stop:
        return text(f"{words} (the cells before see these too)")
    numbers[f"lost_{window.word}"] = (only, stop)
    return text(f"{words}; {span_words(window.word, only, stop)} of it no other cell here sees")


def _together(seen: AxisField, first: int, stop: int) -> tuple[int, int]:
    boxes = [box for cell in range(first, stop) if (box := seen.clipped(cell))[0] < box[1]]
    return (min(low for low, _ in boxes), max(end for _, end in boxes)) if boxes else (0, 0)


def _dropped_remedy(view: View, axes: list[int], numbers: dict[str, Fact]) -> Text:
    end = "pad the end, or use ceil mode, so that a last window covers it."
    shape = view.network.graph.inputs[0].shape
    told: list[Text] = []
    for axis in axes:
        sizes = nearest_lossless(view, axis)
        if sizes and axis + 1 < len(shape):
            word = view.axis_word(axis)
            numbers[f"lossless_{word}"] = sizes
            told.append(text(f"{' or '.join(map(str, sizes))} {word} instead of {shape[axis + 1]}"))
    if not told:
        return text(end.capitalize())
    return text("No layer drops anything with an input of ", *joined(told), f"; or {end}")


# --- gaps -------------------------------------------------------------------------------------


def stride_gaps(view: View) -> Iterator[LintFinding]:
    """A stride larger than the kernel: cells between the windows are never read."""
    for row in view.network.rows:
        windows = view.windows(row)
        gaps = [
            (axis, window)
            for axis, window in enumerate(windows)
            if window.stride > window.extent and window.n_out > 1
        ]
        if not any(_is_small(w) and _unread(view, row, axis, w).any() for axis, w in gaps):
            continue
        numbers: dict[str, Fact] = {}
        told: list[Text] = []
        share = Fraction(1)
        for axis, window in enumerate(windows):
            missed = int(np.count_nonzero(_unread(view, row, axis, window))) if _is_small(window) else 0
            share *= 1 - Fraction(missed, window.n)
            if missed:
                numbers[f"{window.word}_unread"] = missed
                told.append(text(f"{missed} of {window.n} {window.word}"))
        numbers |= {"stride": gaps[0][1].stride, "span": gaps[0][1].extent, "read_share": share}
        yield LintFinding(
            "stride_gap",
            row.name,
            text(
                f"The stride of {gaps[0][1].stride} is larger than the kernel's span of {gaps[0][1].extent}: "
                "nothing reads ",
                *joined(told),
                f"; {share_words(share)} of the cells are read.",
            ),
            text("The rest was computed for nothing, and small details fall between the windows."),
            text(
                f"Take a kernel of at least {gaps[0][1].stride}, or average over {gaps[0][1].stride} cells "
                "first, or a smaller stride."
            ),
            numbers=numbers,
        )


# --- even kernels -----------------------------------------------------------------------------


def even_kernels(view: View) -> Iterator[LintFinding]:
    """An even kernel with an odd stride has no centre cell, so its output lies half a cell aside."""
    for row in view.network.rows:
        shifted = [w for w in view.windows(row) if w.extent % 2 == 0 and w.stride % 2 == 1 and w.n_out > 1]
        if shifted:
            yield _even_kernel(row, shifted[0])


def _even_kernel(row: Row, window: WindowAxis) -> LintFinding:
    centre = Fraction(window.extent - 1, 2) - window.before
    jump = None if window.seen is None or window.seen.is_constant else window.seen.jump
    pixels = "" if jump is None else f", {_decimal(jump / 2)} pixels of the input"
    sides = (
        f"{window.before} cells of padding before and {window.after} after"
        if window.before != window.after
        else f"{window.before} of padding on each side"
        if window.before
        else "no padding"
    )
    numbers: dict[str, Fact] = {"span": window.extent, "before": window.before, "after": window.after}
    numbers["centre"] = centre
    if jump is not None:
        numbers["shift_pixels"] = jump / 2
    return LintFinding(
        "even_kernel",
        row.name,
        text(
            f"The kernel spans {window.extent} cells, an even number, and has no centre cell: with {sides} "
            "the first window's centre lies at cell ",
            centre,
            f" of its input, half a cell aside{pixels}.",
        ),
        text(
            "The feature map is shifted to one side; such layers add up, and branches without one do not fit."
        ),
        text(
            f"Take a kernel of {window.size - 1} or {window.size + 1} taps, or shift back with "
            "another even kernel."
        ),
        numbers=numbers,
    )


def _decimal(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"


# --- padding ----------------------------------------------------------------------------------


def _blind(window: WindowAxis) -> tuple[int, int]:
    """How many outputs at the start and at the end see padding only."""
    stride = window.stride
    before = (window.before - window.extent) // stride + 1 if window.before >= window.extent else 0
    first_behind = -(-(window.n + window.before) // stride)
    return min(before, window.n_out), max(window.n_out - first_behind, 0)


def too_much_padding(view: View) -> Iterator[LintFinding]:
    """Padding no smaller than the kernel: windows that hold nothing but padding."""
    for row in view.network.rows:
        layer = row.layer
        if not isinstance(layer, Conv) or layer.padding_mode not in {"zeros", "constant"}:
            continue
        for window in view.windows(row):
            before, after = _blind(window)
            if not before and not after:
                continue
            pads = f"{window.before} before and {window.after} after"
            yield LintFinding(
                "padding",
                row.name,
                text(
                    f"The padding ({pads}) is no smaller than the kernel's span of {window.extent}: "
                    f"{before + after} of {window.n_out} output {window.word} see padding only.",
                ),
                text("They carry nothing of the input: only the bias, the same for every picture."),
                text(
                    f"Take padding of at most {window.extent - 1}; {(window.extent - 1) // 2} keeps the size."
                ),
                numbers={
                    "span": window.extent,
                    "before": window.before,
                    "after": window.after,
                    "blind": before + after,
                    "outputs": window.n_out,
                },
            )
            break


# --- transposed convolution -------------------------------------------------------------------


def checkerboards(view: View) -> Iterator[LintFinding]:
    """Outputs of a transposed convolution that get different numbers of stamps.

    Source: Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", Distill (2016).
    """
    for row in view.network.rows:
        shape = row.input_shapes[0] if row.input_shapes else None
        if not isinstance(row.layer, ConvTranspose) or not shape or len(shape) < 2:
            continue
        layer = row.layer.for_rank(len(shape) - 1)
        for size, stride, dilation in zip(layer.kernel_size, layer.stride, layer.dilation, strict=True):
            counts = [len(Stamps(0, size, stride, dilation).cells(o)) for o in range(min(stride, MAX_CELLS))]
            if len(set(counts)) > 1:
                yield _checkerboard(row, size, stride, Counter(counts))
                break


def _checkerboard(row: Row, size: int, stride: int, counts: Counter[int]) -> LintFinding:
    least, most = min(counts), max(counts)
    larger = -(-size // stride) * stride
    smaller = size // stride * stride
    sizes = f"{smaller} or {larger}" if smaller else f"{larger}"
    return LintFinding(
        "checkerboard",
        row.name,
        text(
            f"The kernel of {size} is not a multiple of the stride of {stride}: along an axis, output cells "
            f"get {least} or {most} taps in turn, so that of {stride} neighbours {counts[most]} get {most}."
        ),
        text("The output tends to be brighter and darker in a checkerboard of that period."),
        text(f"Take a kernel of {sizes}, or resize first and convolve after it."),
        numbers={"kernel": size, "stride": stride, "least_taps": least, "most_taps": most},
    )
