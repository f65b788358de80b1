"""Checks of what layers compute and hold: biases that cancel, layers that collapse, numbers that vanish."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Code, text
from convscope.core.expression import Number, Power, Quotient
from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Norm
from convscope.core.pointwise import Dropout, Hardtanh, Identity, Sigmoid, Softsign, Tanh
from convscope.core.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from convscope.core.structural import BatchNorm, Flatten, Linear, Pad, Upsample
from convscope.rules.lint.finding import Fact, LintFinding
from convscope.rules.lint.view import View, share_words
from convscope.rules.shape_result import joined_names

if TYPE_CHECKING:
    from convscope.rules.network import Row

WEIGHTED: tuple[type[Layer], ...] = (Conv, ConvTranspose, Linear)
# Layers that leave a linear map linear.
LINEAR_BETWEEN: tuple[type[Layer], ...] = (
    BatchNorm,
    Identity,
    Dropout,
    Flatten,
    AvgPool,
    AdaptiveAvgPool,
    GlobalAvgPool,
    Pad,
    Upsample,
)
# Activations that flatten out, with the largest slope each has.
SATURATING: dict[type[Layer], Fraction] = {
    Sigmoid: Fraction(1, 4),
    Tanh: Fraction(1),
    Hardtanh: Fraction(1),
    Softsign: Fraction(1),
}
# So many in a row are a deep chain: sigmoids leave 1/4³ of a gradient at most.
DEEP_SIGMOIDS = 3
DEEP_OTHERS = 5
# One layer with more than half of the parameters holds most of them; in tiny networks one always does.
MOST = Fraction(1, 2)
LEAST_LAYERS = 4
FEW = 3


def _has_bias(row: Row) -> bool:
    if not isinstance(row.layer, Conv | ConvTranspose | Linear):
        return False
    return row.layer.bias is not False and row.layer.bias is not None


def bias_before_norm(view: View) -> Iterator[LintFinding]:
    """A bias that the normalisation behind it subtracts again."""
    for row in view.network.rows:
        readers = view.readers[row.name]
        if not _has_bias(row) or not readers or row.name in view.network.graph.outputs:
            continue
        if not all(_subtracts_mean(reader.layer) for reader in readers):
            continue
        layer = row.layer
        count = layer.out_features if isinstance(layer, Linear) else layer.out_channels  # type: ignore[attr-defined]
        yield LintFinding(
            "bias_before_norm",
            row.name,
            text(
                f"Its bias of {count} numbers is read by ",
                Code(readers[0].name),
                " only, which subtracts each channel's mean.",
            ),
            text(f"The bias has no effect: {count} parameters are stored and trained for nothing."),
            text("Build the layer without bias; the normalisation has one of its own."),
            numbers={"bias": count, "norm": readers[0].name},
        )


def _subtracts_mean(layer: Layer) -> bool:
    return isinstance(layer, BatchNorm) or (isinstance(layer, Norm) and layer.kind == "instance")


# --- linear after linear ----------------------------------------------------------------------


def missing_activations(view: View) -> Iterator[LintFinding]:
    """Two layers with weights and nothing between them that is not linear."""
    for row in view.network.rows:
        if not isinstance(row.layer, WEIGHTED):
            continue
        between, source = _linear_before(view, row)
        if source is None or _is_factored(view, source, row):
            continue
        only = "nothing" if not between else "only " + ", ".join(r.layer.title for r in reversed(between))
        yield LintFinding(
            "no_activation",
            row.name,
            text(
                "It follows ",
                Code(source.name),
                f" with {only} between them: both are linear, and so is one after the other.",
            ),
            text("Together they can do no more than one linear layer; the second adds cost, not power."),
            text("Put an activation between them, or merge them into one layer."),
            numbers={"follows": source.name, "between": tuple(r.name for r in reversed(between))},
        )


def _linear_before(view: View, row: Row) -> tuple[list[Row], Row | None]:
    """The layer with weights that this one follows, and the linear layers on the way back to it."""
    between: list[Row] = []
    while len(row.inputs) == 1 and row.inputs[0] in view.network:
        row = view.network[row.inputs[0]]
        if isinstance(row.layer, WEIGHTED):
            return between, row
        # A result that others read too is a branch point: merging would lose it.
        if not isinstance(row.layer, LINEAR_BETWEEN) or len(view.readers[row.name]) > 1:
            break
        between.append(row)
    return [], None


def _is_factored(view: View, first: Row, second: Row) -> bool:
    """A product on purpose: fewer channels in the middle, groups on one side, or a result others read."""
    if len(view.readers[first.name]) > 1:
        return True
    if getattr(first.layer, "groups", 1) > 1 or getattr(second.layer, "groups", 1) > 1:
        return True
    ends = first.input_shapes[0], first.output_shape, second.output_shape
    if None in ends:
        return True
    into, middle, out = (_width(shape) for shape in ends)
    if _is_separable(first.layer, second.layer):
        return True
    return middle < min(into, out)


def _width(shape: Shape | None) -> int:
    """Channels or features; 0 where nothing is known."""
    return shape[0] if shape else 0


def _is_separable(first: Layer, second: Layer) -> bool:
    """A column and a row: 7×1 and then 1×7."""
    if not isinstance(first, Conv) or not isinstance(second, Conv):
        return False
    sizes = first.kernel_size, second.kernel_size
    return all(len(set(size)) > 1 for size in sizes) and all(1 in pair for pair in zip(*sizes, strict=False))


# --- saturation -------------------------------------------------------------------------------


def _deepest_chain(view: View) -> tuple[str, ...]:
    """The saturating activations of the longest chain without a shortcut."""
    # Of each layer: how many are behind it, and the last one; of each activation, the one before it.
    behind: dict[str, tuple[int, str]] = {}
    before: dict[str, str] = {}
    deepest = (0, "")
    for row in view.network.rows:
        # Where branches meet, the gradient takes the easiest of them.
        count, last = min((behind.get(name, (0, "")) for name in row.inputs), default=(0, ""))
        if type(row.layer) in SATURATING:
            before[row.name] = last
            count, last = count + 1, row.name
        behind[row.name] = count, last
        if count > deepest[0]:
            deepest = count, last
    names = []
    at = deepest[1]
    while at:
        names.append(at)
        at = before[at]
    return tuple(reversed(names))


def saturating(view: View) -> Iterator[LintFinding]:
    """Many activations in a row that flatten out, with no path around them."""
    deepest = _deepest_chain(view)
    kinds = [type(view.network[name].layer) for name in deepest]
    sigmoids = kinds.count(Sigmoid)
    if sigmoids < DEEP_SIGMOIDS and len(deepest) < DEEP_OTHERS:
        return
    slope = math.prod((SATURATING[kind] for kind in kinds), start=Fraction(1))
    words = {kind: kind.title for kind in kinds}
    told = " and ".join(f"{kinds.count(kind)} × {title}" for kind, title in words.items())
    quarters = Quotient(Number(Fraction(1)), Power(Number(Fraction(4)), Number(Fraction(sigmoids))))
    bound = text(" Their slopes multiply to at most ", quarters, ".") if slope < 1 else ()
    yield LintFinding(
        "saturating",
        deepest[-1],
        text(
            f"{len(deepest)} saturating activations in a row ({told}), from ",
            Code(deepest[0]),
            " to here, with no shortcut around them.",
            *bound,
        ),
        text("Where a cell is large, the slope is almost 0: the gradient of the first layers vanishes."),
        text("Take ReLU or one of its kin inside the network, normalise before each, or add shortcuts."),
        numbers={"layers": deepest, "slope": slope, "sigmoids": sigmoids},
    )


# --- where the parameters are -----------------------------------------------------------------


def parameters_in_one(view: View) -> Iterator[LintFinding]:
    """One layer that holds most of the parameters."""
    holders = sorted((row for row in view.network.rows if row.params), key=lambda row: -(row.params or 0))
    total = view.network.total_params
    if len(holders) < LEAST_LAYERS or not total or Fraction(holders[0].params or 0, total) <= MOST:
        return
    first, few = holders[0], holders[:FEW]
    together = sum(row.params or 0 for row in few)
    share, few_share = Fraction(first.params or 0, total), Fraction(together, total)
    names = joined_names([row.name for row in few])
    numbers: dict[str, Fact] = {
        "params": first.params or 0,
        "total": total,
        "share": share,
        "layers": tuple(row.name for row in few),
        "layers_share": few_share,
    }
    remedy = text("Fewer outputs, or a bottleneck before it, would make it smaller.")
    flattened = _flattened_map(view, first)
    if flattened is not None and isinstance(first.layer, Linear):
        channels, cells = flattened
        pooled = channels * first.layer.out_features + (first.layer.out_features if _has_bias(first) else 0)
        numbers["params_after_pooling"] = pooled
        remedy = text(
            f"It reads a map of {channels} channels and {cells} cells; averaged over the cells first, it "
            "would need ",
            pooled,
            " parameters.",
        )
    yield LintFinding(
        "parameters_in_one",
        first.name,
        text(
            "It holds ",
            first.params or 0,
            " of ",
            total,
            f" parameters, {share_words(share)}; {names} together hold {share_words(few_share)}.",
        ),
        text("The file, the memory of training and the risk of overfitting are this layer's."),
        remedy,
        numbers=numbers,
    )


def _flattened_map(view: View, row: Row) -> tuple[int, int] | None:
    """Channels and cells of the map that a linear layer reads flattened."""
    while len(row.inputs) == 1 and row.inputs[0] in view.network:
        row = view.network[row.inputs[0]]
        shape = row.input_shapes[0] if row.input_shapes else None
        if isinstance(row.layer, Flatten) and shape and len(shape) > 1 and math.prod(shape[1:]) > 1:
            return shape[0], math.prod(shape[1:])
        if not isinstance(row.layer, Dropout | Identity):
            return None
    return None
