"""A comparison of layers as a document: what each inner cell reads, the border, the sizes, the conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.array import ExactArray, RationalArray, differs
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import (
    Block,
    Code,
    Document,
    Finding,
    Formula,
    Listing,
    Mark,
    MatrixRow,
    Paragraph,
    Section,
    Strong,
    Table,
    Text,
    text,
)
from convscope.core.expression import sizes
from convscope.core.layer import Layer, replaced
from convscope.core.structural import Linear
from convscope.rewrite.affine_map import AffineMap
from convscope.rewrite.linear_pair import Border, PairResult, Window, inner_windows
from convscope.rewrite.tensor_form import TensorForm
from convscope.rules.shape import output_shape
from convscope.rules.window import AXIS_NAMES
from convscope.worked.arithmetic import add, multiply
from convscope.worked.report import differing_cells, layer_words
from convscope.worked.solution import solve
from convscope.worked.views import array_views, cell_marks, matrix_view, planes
from convscope.worked.window import padded

if TYPE_CHECKING:
    from convscope.rewrite.proof import Counterexample, Layers, Proof, Undecided

MOST_LENGTHS = 8
LONGEST_SOURCE = 160
MOST_SHOWN = 400


# --- names ------------------------------------------------------------------------------------


def _source(layers: Layers) -> Text:
    """Layers as they are written in Python."""
    if not layers:
        return text("no layer at all: the input itself")
    parts: list[str | Code] = []
    for number, layer in enumerate(layers):
        parts += [", then "] if number else []
        parts.append(Code(layer_source(layer)))
    return text(*parts)


def layer_source(layer: Layer) -> str:
    """The layer as it is written in Python; of long weights the sizes only."""
    source = repr(layer)
    if len(source) <= LONGEST_SOURCE:
        return source
    if isinstance(layer, Conv | ConvTranspose):
        biased = isinstance(layer.bias, ExactArray)
        source = repr(replaced(layer, weight=None, kernel=None, bias=biased))
    elif isinstance(layer, Linear):
        source = repr(replaced(layer, weight=None, bias=isinstance(layer.bias, ExactArray)))
    return source if len(source) <= LONGEST_SOURCE else f"{source[: LONGEST_SOURCE - 1]}…"


def _pair_blocks(first: Layers, second: Layers) -> tuple[Block, ...]:
    return (
        Listing(
            (
                text(Strong("First: "), *_source(first), "."),
                text(Strong("Second: "), *_source(second), "."),
            )
        ),
    )


def axis_name(axis: int, rank: int) -> str:
    """The name of a spatial axis: "height"."""
    return AXIS_NAMES[rank][axis]


# --- linear layers ----------------------------------------------------------------------------


def linear_blocks(
    forms: tuple[TensorForm, TensorForm],
    found: PairResult,
    layers: tuple[Layers, Layers],
    shape: tuple[int, ...] | None,
) -> tuple[Block, ...]:
    """The derivation for two linear chains: sizes, what an inner cell reads, the border."""
    blocks: list[Block] = [Section(text("Output size"), _size_blocks(found, layers, forms, shape))]
    if found.verdict == "shape":
        return tuple(blocks)
    windows = inner_windows(forms[0], found), inner_windows(forms[1], found)
    if windows[0] is not None and windows[1] is not None:
        blocks.append(Section(text("Far from the border"), _window_blocks(windows[0], windows[1])))
    if found.verdict == "equal":
        blocks.append(Section(text("At the border, and for every size"), _bound_blocks(found, shape)))
    elif found.border is not None:
        blocks.append(Section(text("Where they differ"), _border_blocks(found)))
    return tuple(blocks)


def _size_blocks(
    found: PairResult,
    layers: tuple[Layers, Layers],
    forms: tuple[TensorForm, TensorForm],
    shape: tuple[int, ...] | None,
) -> tuple[Block, ...]:
    rank = len(found.axes)
    channels = forms[0].linear.weight.shape[1]
    blocks: list[Block] = []
    # The formulas are shown with the numbers of one size: of the first that shows a difference, if any.
    spatial = tuple((axis.unlike or axis.lengths)[0] for axis in found.axes) if shape is None else shape[1:]
    for name, chain in zip(("First", "Second"), layers, strict=True):
        blocks += _formulas(name, chain, (channels, *spatial))
    if forms[0].channels != forms[1].channels:
        told = text("The outputs have ", forms[0].channels, " and ", forms[1].channels, " channels.")
        return (*blocks, Finding("wrong", told))
    unlike = [(axis, own.unlike) for axis, own in enumerate(found.axes) if own.unlike is not None]
    if unlike:
        axis, (length, one, other) = unlike[0]
        told = text(
            f"An input of {axis_name(axis, rank)} ", length, " gives ", one, " by the first and ", other,
            " by the second.",
        )  # fmt: skip
        return (*blocks, Finding("wrong", told))
    same = "Both give the same size"
    if shape is not None:
        return (*blocks, Paragraph(text(f"{same}: ", sizes(tuple(a.outputs[0] for a in found.axes)), ".")))
    blocks.append(Paragraph(text(f"{same}, for every size that both take. The first of them:")))
    blocks += [_length_table(found, axis) for axis in _unlike_axes(found)]
    return tuple(blocks)


def _unlike_axes(found: PairResult) -> list[int]:
    """One axis of each sort: square layers are told once."""
    seen: dict[object, int] = {}
    for axis, own in enumerate(found.axes):
        seen.setdefault((own.lengths, own.outputs), axis)
    return list(seen.values())


def _length_table(found: PairResult, axis: int) -> Table:
    own = found.axes[axis]
    pairs = list(zip(own.lengths, own.outputs, strict=True))[:MOST_LENGTHS]
    name = axis_name(axis, len(found.axes)) if len(_unlike_axes(found)) > 1 else "length"
    heads = (text(f"{name} of the input"), *(text(length) for length, _ in pairs), text("…"))
    return Table(
        heads, ((text(f"{name} of both outputs"), *(text(size) for _, size in pairs), text("…")),),
        "l" + "r" * len(pairs) + "c",
    )  # fmt: skip


def _formulas(name: str, chain: Layers, shape: tuple[int, ...]) -> list[Block]:
    """The size of each layer's output, with its formula."""
    blocks: list[Block] = []
    for layer in chain:
        result = output_shape(layer, [shape])
        if result.axes:
            words = layer_words(layer.for_rank(len(result.axes)))
            blocks.append(Paragraph(text(f"{name}, {words}:")))
            alike = dict.fromkeys(axis.facts[-1].chain() for axis in result.axes)
            blocks += [Formula(chain) for chain in alike]
        shape = tuple(int(n) for n in result.shape)
    return blocks


def _window_blocks(first: Window, second: Window) -> tuple[Block, ...]:
    """What one inner output cell multiplies the input's cells by."""
    told = text(
        "An output cell far from every border is a sum of input cells, each times a number. These are the "
        f"numbers{_of_channels(first)}{', on one grid' if first.start != second.start else ''}:"
    )
    one, other = _on_one_grid(first, second)
    if one.ndim > 2 or one.size > MOST_SHOWN:
        return (Paragraph(told), *_planes(one, text("first")), *_planes(other, text("second")))
    if one == other:
        views = matrix_view(one, text("first")), matrix_view(other, text("second"))
        return (Paragraph(told), MatrixRow(views, ("=",)))
    marks = cell_marks("difference", differing_cells(one, other))
    views = matrix_view(one, text("first"), marks), matrix_view(other, text("second"), marks)
    return (Paragraph(told), MatrixRow(views, ("versus",)))


def _of_channels(window: Window) -> str:
    out, into = window.channels
    return (
        ""
        if (out, into, window.count) == (0, 0, 1)
        else f" from input channel {into} to output channel {out}"
    )


def _planes(array: ExactArray, caption: Text) -> tuple[Block, ...]:
    return tuple(
        matrix_view(plane, text(*caption, f" {list(lead)}" if lead else "")) for lead, plane in planes(array)
    )


def _on_one_grid(first: Window, second: Window) -> tuple[ExactArray, ExactArray]:
    """Both windows over the smallest box that holds both, zeros around."""
    low = [min(a, b) for a, b in zip(first.start, second.start, strict=True)]
    high = [
        max(a + n, b + m)
        for a, n, b, m in zip(first.start, first.values.shape, second.start, second.values.shape, strict=True)
    ]

    def placed(window: Window) -> ExactArray:
        widths = [
            (own - least, most - own - length)
            for own, least, most, length in zip(window.start, low, high, window.values.shape, strict=True)
        ]
        return padded(window.values, widths)

    return placed(first), placed(second)


def _bound_blocks(found: PairResult, shape: tuple[int, ...] | None) -> tuple[Block, ...]:
    if shape is not None:
        told = text(
            "For this shape all entries of both operators were compared, each an exact number: all are equal."
        )
        return (Paragraph(told),)
    blocks: list[Block] = []
    for axis in _unlike_axes(found):
        own = found.axes[axis]
        if own.locality is None:
            told = text("Both are made of the very same maps along each axis, with the same numbers.")
            blocks.append(Paragraph(told))
            continue
        blocks.append(Paragraph(_bound_words(found, axis)))
    only = {length for own in found.axes for length in own.only_one}
    if only:
        listed = ", ".join(map(str, sorted(only)))
        blocks.append(
            Finding("note", text(f"Inputs of length {listed} are taken by one of the two only, not by both."))
        )
    return tuple(blocks)


def _bound_words(found: PairResult, axis: int) -> Text:
    own = found.axes[axis]
    locality = own.locality
    assert locality is not None  # noqa: S101 - asked by the caller
    name = axis_name(axis, len(found.axes)) if len(_unlike_axes(found)) > 1 else "each axis"
    last = locality.start + locality.period - 1
    stretch = "1 cell" if locality.period == 1 else f"{locality.period} cells"
    if locality.left or locality.right:
        border = text(
            f"Along {name} the border changes at most the first ", locality.left, " and the last ",
            locality.right, " output cells; between them every cell is its neighbour moved on.",
        )  # fmt: skip
    else:
        border = text(
            f"Along {name} no window reaches over the border: every cell is its neighbour moved on."
        )
    return text(
        *border, " Every length up to ", last, " was compared, ends and all, and every number agrees. An "
        "input longer by ", stretch, " has no window that one of these has not: from ", locality.start,
        " on, a longer input repeats the windows of a shorter one. So no size differs.",
    )  # fmt: skip


def _border_blocks(found: PairResult) -> tuple[Block, ...]:
    assert found.border is not None  # noqa: S101 - asked by the caller
    border = found.border
    if found.verdict == "border":
        told = text(
            "Equal but for the border: ",
            *border_words(border),
            ". All other cells are equal for every input.",
        )
    else:
        told = text(
            int(border.mask.sum()), " of ", border.mask.size, " output cells differ for an input of ",
            sizes(border.lengths), "; cells far from the border are among them.",
        )  # fmt: skip
    return (Paragraph(told), *_mask_blocks(border))


def border_words(border: Border) -> Text:
    """The output cells that differ, in words: "the first row, the last column"."""
    rank = len(border.sides)
    names = {1: ("cell",), 2: ("row", "column"), 3: ("slice", "row", "column")}[rank]
    parts = []
    for name, (first, last) in zip(names, border.sides, strict=True):
        for word, count in (("first", first), ("last", last)):
            if count:
                parts.append(f"the {word} {name}" if count == 1 else f"the {word} {count} {name}s")
    return text(", ".join(parts) + " of the output")


def _mask_blocks(border: Border) -> tuple[Block, ...]:
    mask = border.mask
    if mask.ndim > 2 or not mask.any():
        return ()
    plane = mask.reshape((1, -1)) if mask.ndim == 1 else mask
    marks = cell_marks("difference", [tuple(int(i) for i in cell) for cell in np.argwhere(plane)])
    caption = text("Output cells that differ (1), input of ", sizes(border.lengths))
    return (matrix_view(RationalArray(plane.astype(np.int64)), caption, marks),)


def matrix_blocks(found: AffineMap) -> tuple[Block, ...]:
    """The derivation by one matrix."""
    told = text(
        "Each is a matrix from ", found.size[1], " input cells to ", found.size[0],
        " output cells, and a vector that is added. All ", found.entries,
        " entries that are not zero, and all others, are the same exact numbers in both.",
    )  # fmt: skip
    return (Section(text("The two operators"), (Paragraph(told),)),)


def other_sizes_blocks(shapes: Sequence[tuple[int, ...]], blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The shapes that were decided one by one."""
    listed = text(
        "These are all the input shapes that both take: ", ", ".join(str(shape) for shape in shapes), "."
    )
    return (Section(text("Every shape"), (Paragraph(listed),)), *blocks)


def same_end_blocks() -> tuple[Block, ...]:
    """That only what comes before the same last layers was compared."""
    told = "The layers after these are the same in both: equal inputs come out of them equal."
    return (Finding("note", text(told)),)


def unlike_elsewhere_blocks(found: PairResult) -> tuple[Block, ...]:
    """What is known of other sizes, where the two are equal at one."""
    if found.spot is None:
        return ()
    told = text("At other sizes the two differ, first for an input of ", sizes(found.spot.lengths), ".")
    return (Finding("note", told),)


def rank_blocks(proved: Sequence[int], differs_at: int) -> tuple[Block, ...]:
    """Where layers fit inputs of several ranks, what holds for the others."""
    names = " and ".join(str(rank) for rank in proved)
    axes = "axis" if tuple(proved) == (1,) else "axes"
    told = text(f"For inputs of {names} spatial {axes} the two are equal; with {differs_at} they are not.")
    return (Finding("note", told),)


# --- layers that are not linear -----------------------------------------------------------------


def blockwise_blocks(rules: Sequence[str], kinds: Sequence[str]) -> tuple[Block, ...]:
    """The derivation by rules, and of which kind each pair of steps is."""
    blocks: list[Block] = []
    if rules:
        blocks.append(Section(text("Rules"), (Listing(tuple(text(rule) for rule in rules)),)))
    told = {
        "linear": "linear layers: the same numbers for every window, as for two linear layers on their own",
        "max": "max pools: each output cell is the largest of the same set of input cells",
        "pointwise": "functions of each number alone: the same function",
        "other": "the same layer with the same options",
    }
    steps = tuple(text(f"{told[kind]}.") for kind in kinds)
    if steps:
        lead = Paragraph(text("Both come to the same steps, in this order:"))
        blocks.append(Section(text("Step by step"), (lead, Listing(steps, ordered=True))))
    else:
        blocks.append(Paragraph(text("Both leave every number as it is.")))
    return tuple(blocks)


def additivity_blocks(layers: Layers, pair: tuple[ExactArray, ExactArray], layout: str) -> tuple[Block, ...]:
    """That layers are not linear: f(x + y) + f(0) is not f(x) + f(y)."""
    x, y = pair
    zero = multiply(x, RationalArray(np.zeros((), dtype=np.int64)))
    values = {name: solve(v, *layers, layout=layout).value for name, v in
              (("x", x), ("y", y), ("x + y", add(x, y)), ("0", zero))}  # fmt: skip
    left, right = add(values["x + y"], values["0"]), add(values["x"], values["y"])
    told = text(
        "A linear layer f has f(x + y) + f(0) = f(x) + f(y) for all inputs. The other chain here has not:"
    )
    return (
        Section(
            text("Not linear"),
            (
                Paragraph(told),
                *array_views(x, text("x")),
                *array_views(y, text("y")),
                *array_views(left, text("f(x + y) + f(0)")),
                *array_views(right, text("f(x) + f(y)")),
            ),
        ),
    )


# --- whole documents --------------------------------------------------------------------------


def proof_document(proof: Proof) -> Document:
    """A proof."""
    held: Text
    if proof.input_shape is None:
        held = text("The two are equal for every input of every size that both take.")
    else:
        held = text("The two are equal for every input of shape ", sizes(proof.input_shape), ".")
    return Document(
        text("Proof: the same for every input"),
        (*_pair_blocks(proof.first, proof.second), Finding("result", held), *proof.blocks),
    )


def counterexample_document(found: Counterexample) -> Document:
    """A counterexample."""
    verdict = {
        "shape": "The two are not the same: their outputs have unlike shapes.",
        "border": "The two are not the same, but they differ at the border only.",
        "everywhere": "The two are not the same, far from the border as well.",
        "some inputs": "The two are not the same for every input.",
    }[found.where]
    blocks: list[Block] = [*_pair_blocks(found.first, found.second), Finding("result", text(verdict))]
    if found.where == "border" and found.border is not None:
        blocks.append(Paragraph(text("They differ in ", *border_words(found.border), ".")))
    blocks.append(Section(text("An input that shows it"), tuple(_outputs(found))))
    derivations = found.derivations
    if derivations is not None:
        parts: list[Block] = []
        for name, solution, derivation in zip(("First", "Second"), found.solutions, derivations, strict=True):
            words = ", then ".join(layer_words(stage.work.layer) for stage in solution.stages)
            parts.append(Section(text(f"{name}: {words}"), derivation.blocks()))
        title = text("The first cell that differs, ", Code(str(found.cell)))
        blocks.append(Section(title, tuple(parts)))
    return Document(text("Counterexample: not the same"), (*blocks, *found.notes))


def _outputs(found: Counterexample) -> list[Block]:
    one, other = found.outputs
    blocks: list[Block] = [*array_views(found.input, text("Input, ", sizes(found.input.shape)))]
    for name, solution in zip(("first", "second"), found.solutions, strict=True):
        for stage in solution.stages[:-1]:
            words = f"{name}, after step {stage.number} ({layer_words(stage.work.layer)})"
            blocks += array_views(stage.value, text(words))
    if found.cell is None:
        blocks += array_views(one, text("First, ", sizes(one.shape)))
        return [*blocks, *array_views(other, text("Second, ", sizes(other.shape)))]
    count = int(differs(one, other).sum())
    blocks.append(Paragraph(text(count, " of ", one.size, " output cells differ:")))
    if one.ndim > 2 or one.size > MOST_SHOWN:
        blocks += array_views(one, text("First"))
        return [*blocks, *array_views(other, text("Second"))]
    marks: tuple[Mark, ...] = cell_marks("difference", differing_cells(one, other))
    views = matrix_view(one, text("first"), marks), matrix_view(other, text("second"), marks)
    return [*blocks, MatrixRow(views, ("versus",))]


def undecided_document(found: Undecided) -> Document:
    """Neither a proof nor a counterexample."""
    blocks: list[Block] = [
        *_pair_blocks(found.first, found.second),
        Finding("warning", text(f"Cannot decide: {found.reason}.")),
    ]
    if found.tried:
        told = text(found.tried, f" inputs were tried, exactly, and both answered alike: {found.effort}.")
        blocks.append(Paragraph(told))
    return Document(text("Cannot decide"), tuple(blocks))
