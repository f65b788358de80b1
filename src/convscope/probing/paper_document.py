"""`Saturation` and `Stack` as documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.document import (
    Block,
    Code,
    Document,
    Finding,
    Formula,
    Inline,
    MatrixRow,
    MatrixView,
    Paragraph,
    Plot,
    Section,
    Table,
    Text,
    elided,
    text,
)
from convscope.core.expression import Expression, Number, Power, Relation, RelationSign, Symbol, as_expression
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.core.plot import Axis, Chart, Level, Series
from convscope.core.pointwise import ReLU
from convscope.probing.slope_steps import derivative_steps, small_steps
from convscope.probing.small_numbers import figures, is_written, power_of_ten
from convscope.worked.arithmetic import mapped
from convscope.worked.functions import FUNCTIONS
from convscope.worked.named import Named
from convscope.worked.pointwise import activated
from convscope.worked.report import layer_words, step_blocks
from convscope.worked.slopes import Stretch, X, pieces_of, slope_at, slope_name
from convscope.worked.views import array_views, matrix_view

if TYPE_CHECKING:
    from convscope.probing.paper import Saturation
    from convscope.probing.stack import Stack, StackStep

CHAIN_DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
# The curve is drawn at least so far to each side, with so many points for each unit at most.
REACH, POINTS = 8, 161
MOST_CELLS, EXAMPLE_CELLS = 16, 4
# A map whose largest number has fewer places than this is shown in units of a power of ten.
LEAST_POWER = -2
MOST_PLOTTED = 400


def saturation_document(result: Saturation) -> Document:
    """The slope, the flat parts, the chain, the curve, the stack."""
    layer = result.activation
    sections = [
        Section(text("The slope"), tuple(_slope_blocks(result))),
        Section(text("Where it saturates"), tuple(_flat_blocks(result))),
        Section(text("A chain of layers"), tuple(_chain_blocks(result))),
        Section(text("The curve and its slope"), (Plot(charts(layer, _plotted(result), result.saturated)),)),
    ]
    if result.stack is not None:
        sections.append(Section(text("Through these layers"), stack_blocks(result.stack)))
    return Document(text("Saturation of the ", layer.title), tuple(sections))


def related(left: Expression, value: Exact, *, exact: Expression | None = None) -> Relation:
    """``left = exact ≈ figures``: rounded only where it must be."""
    shown = figures(value)
    parts, signs = [left], []
    sign: RelationSign = "=" if is_written(value) else "≈"
    if exact is not None and exact != shown:
        parts.append(exact)
        signs.append("=")
    return Relation((*parts, shown), (*signs, sign))  # type: ignore[arg-type]


# --- on paper ----------------------------------------------------------------------------------


def _slope_blocks(result: Saturation) -> Iterator[Block]:
    for step in derivative_steps(result.activation):
        yield from step_blocks(step)
    bound = result.bound
    name = slope_name(result.activation)
    exact = bound.value.expression if isinstance(bound.value, Named) else None
    at = () if bound.at is None or isinstance(bound.at, Fraction) else text(", x ≈ ", figures(bound.at, 5))
    reached = "and it is reached" if bound.is_reached else "and it is only come near to"
    yield Formula(related(Symbol(f"sup |{name}|"), bound.value, exact=exact))
    told = text(
        "The size of the slope is never above ",
        figures(bound.value, 5),
        f", {reached} {bound.where}",
        *at,
        ".",
    )
    yield Finding("result", told)


def _flat_blocks(result: Saturation) -> Iterator[Block]:
    layer, below = result.activation, Number(result.below)
    name = slope_name(layer)
    yield Paragraph(text(f"The slope counts as small where |{name}(x)| < ", below, "."))
    for step in small_steps(layer, result.below):
        yield from step_blocks(step)
    stretches = result.saturated
    if not stretches:
        yield Finding("result", text("No x has so small a slope: this function never saturates so far."))
        return
    for stretch in stretches:
        for end in (stretch.low, stretch.high):
            if isinstance(end, Named):
                yield Formula(Relation((X, end.name, Number(end)), ("=", "≈")))
    where = text(*_joined([_stretch_words(stretch) for stretch in stretches], " or "))
    yield Finding("result", text(f"|{name}(x)| < ", below, " ", *where, "."))


def _stretch_words(stretch: Stretch) -> Text:
    low, high = stretch.low, stretch.high
    less, more = ("≤", "≥") if stretch.closed else ("<", ">")
    if low is None and high is None:
        return text("for every x")
    if low is None:
        return text(f"where x {less} ", Number(high))  # type: ignore[arg-type]
    if high is None:
        return text(f"where x {more} ", Number(low))
    return text("where ", Number(low), f" {less} x {less} ", Number(high))


def _joined(parts: list[Text], between: str) -> Iterator[Inline]:
    for place, part in enumerate(parts):
        if place:
            yield between
        yield from part


def _chain_blocks(result: Saturation) -> Iterator[Block]:
    bound = result.bound.value
    base: Expression = Number(bound) if isinstance(bound, Fraction) else figures(bound, 5)
    yield Paragraph(
        text(
            "Going back through n layers multiplies a gradient by n slopes, and by the weights between them. "
            "The slopes alone leave at most ",
            Power(base, Symbol("n")),
            f"; for {result.depth} layers that is",
        )
    )
    sign: RelationSign = "=" if is_written(result.chain_bound) else "≈"
    yield Formula(Relation((Power(base, as_expression(result.depth)), figures(result.chain_bound)), (sign,)))
    depths = sorted({depth for depth in CHAIN_DEPTHS if depth < result.depth} | {result.depth})
    rows = tuple((text(depth), (figures(result.chain(depth)),)) for depth in depths)
    yield Table((text("layers"), text("what is left at most")), rows, "rr")
    yield Finding("note", text(_chain_words(result)))


def _chain_words(result: Saturation) -> str:
    value = float(result.bound.value)
    if value < 1:
        return (
            "Each layer's activation leaves at most this part of a gradient, wherever its inputs lie. Large "
            "weights could make up for it, but they push the inputs to where the slope is smaller still."
        )
    if value == 1:
        return (
            "The slope alone forces nothing to vanish: where inputs lie on the steep part, a gradient passes "
            "unchanged. It vanishes where they lie on the flat part."
        )
    return "The slope may even be above 1, so that this bound grows: it forces no gradient to vanish."


# --- the curve ---------------------------------------------------------------------------------


def _plotted(result: Saturation) -> ExactArray | None:
    """The cells that go into the activation, where a stack has them."""
    if result.stack is None:
        return None
    for step in result.stack.steps:
        if step.layer == result.activation:
            return step.input
    return None


def charts(layer: Layer, cells: ExactArray | None, flat: tuple[Stretch, ...]) -> tuple[Chart, ...]:
    """The function and its slope beside those of ReLU, with the cells of a feature map on them."""
    values = [] if cells is None else sorted({float(value) for value in cells.table()[0]})[:MOST_PLOTTED]
    ends = [abs(float(end)) for part in flat for end in (part.low, part.high) if end is not None]
    reach = max([REACH, *(abs(value) + 1 for value in values), *(end + 2 for end in ends if end < 30)])
    xs = [Fraction(round(reach * (2 * place / (POINTS - 1) - 1) * 64), 64) for place in range(POINTS)]
    pairs: list[tuple[str, str, Callable[[Layer, Exact], Exact]]] = [
        ("The function", "", activated),
        ("Its slope", "′", slope_at),
    ]
    layers = [layer] if isinstance(layer, ReLU) else [layer, ReLU()]
    found = []
    for title, mark, function in pairs:
        series = [Series(f"{FUNCTIONS[type(one)].symbol}{mark}", _curve(one, function, xs)) for one in layers]
        if cells is not None:
            exact = sorted(set(cells.table()[0]), key=float)[:MOST_PLOTTED]
            series += [
                Series(
                    f"cells on {FUNCTIONS[type(one)].symbol}{mark}",
                    tuple((float(x), float(function(one, x))) for x in exact),
                    "points",
                )
                for one in layers
            ]
        levels = tuple(_edge(part) for part in flat if (part.low is None) != (part.high is None))
        found.append(Chart(title, Axis("x"), Axis("", least=0.0), tuple(series), levels))
    return tuple(found)


def _curve(
    layer: Layer, function: Callable[[Layer, Exact], Exact], xs: list[Fraction]
) -> tuple[tuple[float, float], ...]:
    """Points of a curve; where a slope jumps, both of its values."""
    points = [(float(x), float(function(layer, x))) for x in xs]
    kinks = [] if function is not slope_at else [piece.upto for piece in (pieces_of(layer) or ())[:-1]]
    for kink in kinks:
        if kink is not None and xs[0] < kink < xs[-1]:
            step = Fraction(1, 2**20)
            sides = (float(slope_at(layer, kink - step)), float(slope_at(layer, kink + step)))
            points = [point for point in points if point[0] != float(kink)]
            points += [(float(kink), side) for side in sides]
    return tuple(sorted(points, key=lambda point: point[0]))


def _edge(part: Stretch) -> Level:
    end = part.high if part.low is None else part.low
    return Level(float(end), "← flat" if part.low is None else "flat →", "x")  # type: ignore[arg-type]


# --- a stack -----------------------------------------------------------------------------------


def stack_document(stack: Stack) -> Document:
    """A stack on its own."""
    return Document(text("The gradient through a stack"), stack_blocks(stack))


def stack_blocks(stack: Stack) -> tuple[Block, ...]:
    """Forwards in short, then backwards layer by layer, then what is left."""
    result = "the sum of all output cells" if stack.of is None else f"output cell {stack.of}"
    blocks: list[Block] = [
        Paragraph(
            text(
                f"δn is the derivative of {result} with regard to the feature map after layer n; δ0 is that "
                "of the input. Each layer hands it back multiplied by its local factors."
            )
        ),
        *array_views(stack.solution.inputs[0], text("Input")),
    ]
    blocks += [Section(_step_title(step), tuple(_step_blocks(step))) for step in reversed(stack.steps)]
    blocks.append(Section(text("What is left"), tuple(_summary(stack))))
    return tuple(blocks)


def _step_title(step: StackStep) -> Text:
    return text(f"Back through layer {step.number}: {layer_words(step.layer)}")


def _step_blocks(step: StackStep) -> Iterator[Block]:
    if step.slopes is not None:
        name = slope_name(step.layer)
        views = (
            *scaled_views(step.input, text("x, the layer's input")),
            *scaled_views(step.slopes, text(f"{name}(x)")),
            *scaled_views(step.arriving, text(f"δ{step.number}, arriving")),
            *scaled_views(step.gradient, text(f"δ{step.number - 1}")),
        )
        planes = tuple(view for view in views if isinstance(view, MatrixView))
        if len(views) == len(planes) == 4:
            yield MatrixRow(planes[:2], ("→",))
            yield MatrixRow(planes[2:], ("→",))
        else:
            yield from views
    else:
        yield from scaled_views(step.gradient, text(f"δ{step.number - 1}"))
    cells = list(np.ndindex(*step.input.shape))
    most = MOST_CELLS if len(cells) <= MOST_CELLS else EXAMPLE_CELLS

    def one(number: int) -> tuple[Block, ...]:
        return tuple(block for part in step.cell(*cells[number]).steps for block in part.blocks)

    remedy = text(Code(f"stack.steps[{step.number - 1}].cell(…)"), " works any of them")
    yield from elided(len(cells), one, most, "cells", remedy)


def scaled_views(array: ExactArray, caption: Text) -> tuple[Block, ...]:
    """A matrix of small numbers in units of a power of ten, so that its figures are seen."""
    powers = [power for value in array.table()[0] if (power := power_of_ten(value)) is not None]
    top = max(powers, default=0)
    if top >= LEAST_POWER:
        return array_views(array, caption) if array.ndim > 2 else (matrix_view(array, caption),)
    unit = Fraction(10) ** -top
    scaled = mapped(array, lambda value: _scaled(value, unit))
    told = text(*caption, ", in units of ", Power(as_expression(10), as_expression(top)))
    return array_views(scaled, told) if array.ndim > 2 else (matrix_view(scaled, told),)


def _scaled(value: Exact, unit: Fraction) -> Exact:
    if isinstance(value, Fraction):
        return value * unit
    written = Number(value) * Number(unit)
    return Named(written, written)


def _summary(stack: Stack) -> Iterator[Block]:
    """A row for each layer, from the last to the first, and the bound beside what came out."""
    from convscope.probing.stack import largest

    rows = []
    for step in reversed(stack.steps):
        index, _ = largest(step.gradient)
        slope: Text = ()
        if step.slopes is not None:
            place, _ = largest(step.slopes)
            slope = (figures(step.slopes.cell(place)),)
        rows.append(
            (
                text(step.number),
                text(step.layer.title),
                slope,
                (figures(step.factor),),
                (figures(step.gradient.cell(index)),),
            )
        )
    heads = ("layer", "", "largest slope", "factor at most", "largest gradient before it")
    yield Table(tuple(map(text, heads)), tuple(rows), "rlrrr")
    index, _ = largest(stack.gradient)
    found = stack.gradient.cell(index)
    yield Finding(
        "result",
        text(
            "The largest gradient at the input is ",
            figures(found),
            "; the product of the factors, which holds for every input, is ",
            figures(stack.bound),
            ".",
        ),
    )
