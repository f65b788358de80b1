"""Keras's activations and the layers that leave every number where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convscope.core import pointwise
from convscope.core.layer import Layer
from convscope.core.operators import Elementwise, Unknown
from convscope.errors import ShapeError
from convscope.importers.keras_values import Call, Held, shown

_NAMED: dict[str, Callable[[], Layer]] = {
    "relu": pointwise.ReLU,
    "relu6": pointwise.ReLU6,
    "sigmoid": pointwise.Sigmoid,
    "log_sigmoid": pointwise.LogSigmoid,
    "tanh": pointwise.Tanh,
    "softplus": pointwise.Softplus,
    "softsign": pointwise.Softsign,
    "elu": pointwise.ELU,
    "selu": pointwise.SELU,
    "gelu": lambda: pointwise.GELU("none"),
    "silu": pointwise.SiLU,
    "swish": pointwise.SiLU,
    "leaky_relu": lambda: pointwise.LeakyReLU("0.2"),
    **{
        name: (lambda name=name: Elementwise(name))  # type: ignore[misc]
        for name in (
            "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "exponential", "mish", "celu", "glu",
            "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus", "sparse_plus", "threshold",
        )
    },
}  # fmt: skip


def _word(told: object) -> str | None:
    """The name of an activation however the file writes it; None for one that is not Keras's own."""
    if told is None:
        return "linear"
    if isinstance(told, str):
        return told.rpartition(".")[2] if told.startswith("keras") else told
    if isinstance(told, dict):
        config, kind = told.get("config"), told.get("class_name")
        module = told.get("module")
        ours = module is None or str(module).startswith("keras") or module == "builtins"
        if kind == "function" and ours and isinstance(config, str):
            return config
        if ours and isinstance(kind, str):
            return {"ReLU": "relu", "Softmax": "softmax", "LeakyReLU": "leaky_relu"}.get(kind, kind.lower())
    return None


def activated(call: Call, held: Held, option: str = "activation") -> Held:
    """The layer's activation as a layer of its own; nothing where it is linear."""
    told = call.config.get(option)
    word = _word(told)
    if word == "linear":
        return held
    return _applied(call, held, word, told, "activation" if call.kind != "Activation" else "")


def _applied(call: Call, held: Held, word: str | None, told: object, suffix: str) -> Held:
    if word in ("softmax", "log_softmax"):
        return _softmax(call, held, -1, suffix, word)
    made = _NAMED.get(word or "")
    layer = Unknown(f"activation {shown(word or told)}", held.item) if made is None else made()
    return call.make(layer, [held], held.known(), moved=held.moved, suffix=suffix)


def _softmax(call: Call, held: Held, axis: int, suffix: str, word: str = "softmax") -> Held:
    rank = len(held.known())
    place = axis - 1 if axis > 0 else axis + rank
    if not 0 <= place < rank:
        raise ShapeError(f"{call.kind}: axis={axis} is not an axis of an array of {rank + 1} axes")
    if held.moved:
        place = 0 if place == rank - 1 else place + 1
    kind = pointwise.Softmax if word == "softmax" else pointwise.LogSoftmax
    layer = kind(-1 if place == rank - 1 else place + 1)
    return call.make(layer, [held], held.known(), moved=held.moved, suffix=suffix)


def activation(call: Call) -> Held:
    """``Activation("relu")``."""
    held = call.first()
    word = _word(call.config.get("activation"))
    if word == "linear":
        return _kept(pointwise.Identity())(call)
    return _applied(call, held, word, call.config.get("activation"), "")


def relu(call: Call) -> Held:
    """With its bounds: at most 6, leaking, or beginning at a threshold."""
    slope, most = call.option("negative_slope", 0), call.option("max_value")
    if call.option("threshold", 0):
        return _kept(Elementwise("threshold"))(call)
    if slope:
        return _kept(pointwise.LeakyReLU(str(slope)))(call)
    if most is not None:
        return _kept(pointwise.ReLU6() if most == 6 else pointwise.Hardtanh(0, str(most)))(call)
    return _kept(pointwise.ReLU())(call)


def leaky(call: Call) -> Held:
    """Keras 2 called the slope alpha."""
    slope = call.option("negative_slope", call.option("alpha", 0.3))
    return _kept(pointwise.LeakyReLU(str(slope)))(call)


def prelu(call: Call) -> Held:
    """A slope for each cell, but for the axes that share one."""
    held = call.first()
    shared = call.option("shared_axes", [])
    shape = tuple(1 if n + 1 in shared else length for n, length in enumerate(held.known()))
    weights = (call.weight("alpha", *shape),)
    return call.make(Elementwise("prelu"), [held], held.known(), moved=held.moved, weights=weights)


def softmax(call: Call) -> Held:
    """Along the last axis unless told otherwise."""
    axis = call.option("axis", -1)
    return _softmax(call, call.first(), axis if isinstance(axis, int) else -1, "")


def dropout(call: Call) -> Held:
    """At inference nothing is dropped."""
    return _kept(pointwise.Dropout(str(call.option("rate", 0.5))))(call)


def _kept(layer: Layer) -> Callable[[Call], Held]:
    """A layer that keeps the shape."""

    def rule(call: Call) -> Held:
        held = call.first()
        return call.make(layer, [held], held.known(), moved=held.moved)

    return rule


_OPERATIONS: dict[str, str] = {
    "Rescaling": "rescale", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Square":
    "square", "Abs": "abs", "Absolute": "abs", "Negative": "negative", "Sin": "sin", "Cos": "cos", "Clip":
    "clip", "Cast": "cast", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "HardSwish":
    "hard_silu", "Mish": "mish",
}  # fmt: skip

POINTWISE: dict[str, Callable[[Call], Any]] = {
    "Activation": activation,
    "ReLU": relu,
    "Relu": relu,
    "LeakyReLU": leaky,
    "PReLU": prelu,
    "ELU": lambda call: _kept(pointwise.ELU(str(call.option("alpha", 1.0))))(call),
    "Softmax": softmax,
    "Relu6": _kept(pointwise.ReLU6()),
    "Sigmoid": _kept(pointwise.Sigmoid()),
    "Tanh": _kept(pointwise.Tanh()),
    "Silu": _kept(pointwise.SiLU()),
    "Gelu": _kept(pointwise.GELU()),
    "Softplus": _kept(pointwise.Softplus()),
    **dict.fromkeys(
        (
            "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout",
            "AlphaDropout",
        ),
        dropout,
    ),
    # At inference these do nothing.
    **dict.fromkeys(
        (
            "Identity", "Masking", "ActivityRegularization", "GaussianNoise", "RandomFlip",
            "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
            "RandomShear", "StopGradient", "StochasticDepth",
        ),
        _kept(pointwise.Identity()),
    ),
    **{kind: _kept(Elementwise(op)) for kind, op in _OPERATIONS.items()},
}  # fmt: skip
