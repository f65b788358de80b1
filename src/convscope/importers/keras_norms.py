"""Keras's normalising layers."""

from __future__ import annotations

from collections.abc import Callable

from convscope.core.operators import Elementwise, Norm
from convscope.core.structural import BatchNorm
from convscope.importers.keras_values import Call, Held


def batch_norm(call: Call) -> Held:
    """Scale and shift are trained; the statistics are kept, but are no parameters."""
    held = call.first()
    rank = len(held.known())
    axis = call.axis("axis", -1, rank)
    channels = held.known()[axis]
    weights = [
        *([call.weight("gamma", channels)] if call.option("scale", True) else []),  # noqa: FBT003
        *([call.weight("beta", channels)] if call.option("center", True) else []),  # noqa: FBT003
        call.weight("moving_mean", channels, trained=False),
        call.weight("moving_variance", channels, trained=False),
    ]
    if axis in (0, rank - 1) and rank > 1:
        held = call.builder.turned(held, moved=axis == rank - 1)
    layer = BatchNorm(num_features=channels, eps=str(call.option("epsilon", 0.001)))
    if axis not in (0, rank - 1):
        return call.make(
            Elementwise("batch norm"), [held], held.known(), moved=held.moved, weights=tuple(weights)
        )
    return call.make(layer, [held], held.known(), moved=held.moved, weights=tuple(weights))


def _norm(kind: str) -> Callable[[Call], Held]:
    """Normalisation by the input's own statistics."""

    def rule(call: Call) -> Held:
        held = call.first() if kind == "group" else call.plain()
        shape = held.known()
        told = call.option("axis", -1)
        axes = told if isinstance(told, list) else [told]
        lengths = tuple(
            shape[_Axis(call, axis).within(len(shape))] for axis in (axes if kind != "group" else axes[:1])
        )
        names = ("scale",) if kind == "rms" else ("gamma", "beta")
        wanted = {"gamma": call.option("scale", True), "beta": call.option("center", True), "scale": True}  # noqa: FBT003
        simple = kind == "rms" or bool(call.option("rms_scaling", False))  # noqa: FBT003
        arrays = tuple(
            call.weight(name, *lengths) for name in names if wanted[name] and not (simple and name == "beta")
        )
        groups = int(call.option("groups", 32)) if kind == "group" else 1
        if groups == -1:
            groups = lengths[0]
        layer = Norm("rms" if simple else kind, groups)
        if kind == "group" and len(shape) > 1:
            held = call.builder.turned(held, moved=True)
        return call.make(layer, [held], shape, moved=held.moved, weights=arrays)

    return rule


class _Axis:
    """One of several axes of a layer."""

    def __init__(self, call: Call, axis: object) -> None:
        self._call, self._axis = call, axis

    def within(self, rank: int) -> int:
        """The axis of an item, counted from the front."""
        told = Call(self._call.builder, self._call.kind, {"axis": self._axis}, "", "", [], {})
        return told.axis("axis", -1, rank)


def unit(call: Call) -> Held:
    """Vectors of length 1; nothing is trained."""
    held = call.plain()
    return call.make(Norm("length"), [held], held.known())


def normalization(call: Call) -> Held:
    """Fixed statistics of the data, kept as mean, variance and how many were seen."""
    held = call.first()
    told = call.config.get("axis", -1)
    axes = told if isinstance(told, list) else [] if told is None else [told]
    lengths = tuple(held.known()[_Axis(call, axis).within(len(held.known()))] for axis in axes)
    given = call.config.get("mean") is not None
    arrays = () if given else (
        call.weight("mean", *lengths, trained=False),
        call.weight("variance", *lengths, trained=False),
        call.weight("count", trained=False),
    )  # fmt: skip
    return call.make(Elementwise("normalise"), [held], held.known(), moved=held.moved, weights=arrays)


def layer_scale(call: Call) -> Held:
    """A trained factor for each channel, as Keras's own ConvNeXt has it."""
    held = call.first()
    arrays = (call.weight("gamma", held.known()[-1]),)
    return call.make(Elementwise("multiply"), [held], held.known(), moved=held.moved, weights=arrays)


NORMS: dict[str, Callable[[Call], Held]] = {
    **dict.fromkeys(("BatchNormalization", "SyncBatchNormalization", "BatchNormalizationV1"), batch_norm),
    "LayerNormalization": _norm("layer"),
    "GroupNormalization": _norm("group"),
    "RMSNormalization": _norm("rms"),
    "UnitNormalization": unit,
    "LayerScale": layer_scale,
    "Normalization": normalization,
}
