"""ONNX operators that work number by number, normalise or reduce, as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convscope.core import pointwise
from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Elementwise, Norm, Reduce
from convscope.core.structural import Add, BatchNorm
from convscope.errors import ConvscopeError, ShapeError
from convscope.importers.onnx_values import Call, NotKnownError, Part, Plan, Step, checked_axis
from convscope.rules.operator_shape import broadcast


def one(call: Call, layer: Layer, parts: tuple[Part, ...] = ()) -> Plan:
    """A layer that keeps the shape of the first input."""
    return Plan((Step(layer, (0,), call.value(0).shape, call.dtype(), parts),))


def _activation(kind: type[Layer], **options: tuple[str, Any]) -> Callable[[Call], Plan]:
    """An activation whose options ONNX has under other names, with other defaults."""

    def rule(call: Call) -> Plan:
        given = {
            name: _decimal(call.attributes.get(attribute, default))
            for name, (attribute, default) in options.items()
        }
        return one(call, kind(**given))

    return rule


def _decimal(value: Any) -> Any:  # noqa: ANN401
    """A float32 as the shortest decimal that reads as the same number, as 0.01 does."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _plain(op: str) -> Callable[[Call], Plan]:
    return lambda call: elementwise(call, op)


def elementwise(call: Call, op: str, dtype: str = "") -> Plan:
    """Arrays combined cell by cell; constants that stretch nothing are the layer's own."""
    present = [n for n, value in enumerate(call.inputs) if value is not None]
    if any(call.value(n).shape is None for n in present):
        return Plan((Step(Elementwise(op), call.computed(), None, dtype or call.dtype()),))
    try:
        found = broadcast([call.shape(n) for n in present])
    except ShapeError as error:
        raise ShapeError(f"{op}: {error}") from None
    computed = call.computed()
    shapes = [call.shape(n) for n in computed]
    item = call.item(found)
    if computed and broadcast([call.item(shape) for shape in shapes]) == item:
        reads = computed
        parts = tuple(Part(n) for n in present if n not in computed and call.value(n).weights)
    else:
        reads, parts = tuple(present), ()
    alike = op == "add" and len(reads) > 1 and all(call.item(call.shape(n)) == item for n in reads)
    layer: Layer = Add() if alike else Elementwise(op)
    return Plan((Step(layer, reads, found, dtype or _widest(call, computed), parts),))


def _widest(call: Call, computed: tuple[int, ...]) -> str:
    """`Where` has a condition before its numbers."""
    return call.dtype(len(call.inputs) - 1) if call.op == "Where" or not computed else call.dtype(computed[0])


def clip(call: Call) -> Plan:
    """Bounds are attributes until opset 11, inputs from then on."""
    bounds: list[Any] = [call.attributes.get("min"), call.attributes.get("max")]
    try:
        for place in (0, 1):
            if call.has(place + 1):
                bounds[place] = (call.numbers(place + 1) or [None])[0]
        if bounds == [0, 6]:
            return one(call, pointwise.ReLU6())
        if None not in bounds:
            return one(call, pointwise.Hardtanh(*map(_decimal, bounds)))
    except (NotKnownError, ConvscopeError):
        pass  # bounds that are computed or no numbers
    return one(call, Elementwise("clip"))


def gelu(call: Call) -> Plan:
    """Exact or by tanh."""
    approximate = "tanh" if call.op == "FastGelu" else call.attributes.get("approximate", "none")
    return one(call, pointwise.GELU(approximate))


def prelu(call: Call) -> Plan:
    """Slopes are weights of any shape that stretches; their numbers are not read."""
    broadcast([call.shape(0), call.shape(1)])
    slopes = (Part(1, "parameter"),) if call.is_constant(1) else ()
    return Plan(
        (Step(Elementwise("prelu"), call.computed(), call.shape(0), call.dtype(), slopes, is_recorded=True),)
    )


def softmax(call: Call) -> Plan:
    """Along the last axis unless told otherwise; before opset 13 along the second."""
    shape = call.shape(0)
    axis = call.axis("axis", -1 if call.opset >= 13 else 1, len(shape))
    kinds: dict[str, type[Layer]] = {"Softmax": pointwise.Softmax, "LogSoftmax": pointwise.LogSoftmax}
    kind = kinds.get(call.op)
    if kind is None or len(shape) > 5:
        return one(call, Elementwise(call.op.lower()))
    last = axis == len(shape) - 1
    positive = call.item(shape) == shape[1:] and not last
    return one(call, kind(axis if positive else axis - len(shape)))


def dropout(call: Call) -> Plan:
    """At inference nothing is dropped; the mask is all ones."""
    ratio = call.attributes.get("ratio", 0.5)
    if call.is_constant(1) and call.value(1).array is not None:
        ratio = (call.numbers(1) or [0.5])[0]
    plan = one(call, pointwise.Dropout(_decimal(float(ratio))))
    if call.outputs < 2:
        return plan
    return Plan(plan.steps, (Step(Elementwise("mask"), (0,), call.shape(0), "bool"),))


# --- normalising ------------------------------------------------------------------------------


def batch_norm(call: Call) -> Plan:
    """Scale and shift are parameters, the statistics are not."""
    shape = call.shape(0)
    if len(shape) < 2 or not all(call.is_constant(n) for n in range(1, 5)):
        step = Step(Elementwise("batch norm"), call.computed(), shape, call.dtype(), is_recorded=True)
        return Plan((step,), _statistics(call))
    channels = call.shape(1)
    if channels != (shape[1],):
        told = "×".join(map(str, channels))
        raise ShapeError(f"BatchNormalization: scale has shape {told} but the input has {shape[1]} channels")
    layer: Layer = BatchNorm(num_features=shape[1], eps=_decimal(call.attributes.get("epsilon", 1e-5)))
    if call.item(shape) == shape:
        layer = Elementwise("batch norm")
    roles = ("parameter", "parameter", "buffer", "buffer")
    plan = one(call, layer, tuple(Part(n, role) for n, role in enumerate(roles, start=1)))
    return Plan(plan.steps, _statistics(call))


def _statistics(call: Call) -> tuple[Step, ...]:
    """The further outputs, which training uses."""
    shape = call.shape(0)[1:2]
    return tuple(
        Step(Reduce("mean", shape or (1,)), (0,), shape, call.dtype()) for _ in range(1, call.outputs)
    )


def norm(kind: str) -> Callable[[Call], Plan]:
    """Normalisation by the input's own statistics; further inputs are scale and shift."""

    def rule(call: Call) -> Plan:
        groups = call.attributes.get("num_groups", 1)
        parts = tuple(Part(n, "parameter") for n in range(1, min(len(call.inputs), 3)) if call.is_constant(n))
        plan = one(call, Norm(kind, groups), parts)
        shape = call.shape(0)
        more = tuple(
            Step(Reduce("mean", (1,)), (0,), (*shape[:-1], 1), "float32") for _ in range(1, call.outputs)
        )
        return Plan(plan.steps, more)

    return rule


def skip_norm(call: Call) -> Plan:
    """The sum of two arrays, normalised."""
    shape = call.shape(0)
    kind = "rms" if "Simplified" in call.op else "layer"
    added = Step(Add(), (0, 1), shape, call.dtype(), suffix="add")
    parts = tuple(Part(n, "parameter") for n in range(2, len(call.inputs)) if call.is_constant(n))
    return Plan((added, Step(Norm(kind), (-1,), shape, call.dtype(), parts)))


# --- reducing ---------------------------------------------------------------------------------


def reduce(op: str) -> Callable[[Call], Plan]:
    """Axes summed, averaged or searched; all of them when none is named."""

    def rule(call: Call) -> Plan:
        shape = call.shape(0)
        axes = call.integers("axes", 1)
        if not axes and call.attributes.get("noop_with_empty_axes"):
            return one(call, Elementwise(op))
        chosen = {checked_axis(call.op, a, len(shape)) for a in axes or range(len(shape))}
        return _reduced(call, op, chosen, call.dtype())

    return rule


def arg(op: str) -> Callable[[Call], Plan]:
    """Where the largest or smallest is, along one axis."""
    return lambda call: _reduced(call, op, {call.axis("axis", 0, len(call.shape(0)))}, "int64")


def _reduced(call: Call, op: str, axes: set[int], dtype: str) -> Plan:
    shape = call.shape(0)
    keeps = bool(call.attributes.get("keepdims", 1))
    found: Shape = tuple(
        1 if n in axes else length for n, length in enumerate(shape) if keeps or n not in axes
    )
    # The picture's axes are those after batch and channels.
    whole = axes >= set(range(1, len(shape))) or (len(shape) > 3 and axes >= set(range(2, len(shape))))
    return Plan((Step(Reduce(op, call.item(found), whole), (0,), found, dtype),))


_WORDS = {"Sub": "subtract", "Mul": "multiply", "Div": "divide", "Pow": "power", "Sum": "add", "Add": "add"}
_SAME_TYPE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Sum", "Mean", "Max", "Min", "Mod", "Where", "Abs", "Neg", "Exp",
    "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Erf", "Sin", "Cos", "Tan", "Asin",
    "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "BitShift", "BitwiseAnd", "BitwiseOr",
    "BitwiseXor", "BitwiseNot", "And", "Or", "Xor", "Not", "HardSigmoid", "HardSwish", "Mish", "Celu",
    "ThresholdedRelu", "Shrink", "Affine", "ImageScaler", "ParametricSoftplus", "ScaledTanh", "QuickGelu",
    "BiasGelu", "Bernoulli", "BiasAdd",
)  # fmt: skip
_TO_BOOL = ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "IsNaN", "IsInf")


def _compared(call: Call) -> Plan:
    return elementwise(call, call.op.lower(), "bool")


POINTWISE: dict[str, Callable[[Call], Plan]] = {
    **{name: _plain(_WORDS.get(name, name.lower())) for name in _SAME_TYPE},
    **dict.fromkeys(_TO_BOOL, _compared),
    "Relu": _activation(pointwise.ReLU),
    "LeakyRelu": _activation(pointwise.LeakyReLU, negative_slope=("alpha", 0.01)),
    "Elu": _activation(pointwise.ELU, alpha=("alpha", 1.0)),
    "Selu": _activation(pointwise.SELU),
    "Sigmoid": _activation(pointwise.Sigmoid),
    "Tanh": _activation(pointwise.Tanh),
    "Softplus": _activation(pointwise.Softplus),
    "Softsign": _activation(pointwise.Softsign),
    "Swish": _activation(pointwise.SiLU),
    **dict.fromkeys(("Gelu", "FastGelu"), gelu),
    "PRelu": prelu,
    "Clip": clip,
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), softmax),
    "Dropout": dropout,
    "CumSum": lambda call: Plan((Step(Elementwise("cumulative sum"), (0,), call.shape(0), call.dtype()),)),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": norm("instance"),
    "GroupNormalization": norm("group"),
    "LayerNormalization": norm("layer"),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization"), norm("rms")),
    "LRN": norm("local response"),
    "LpNormalization": norm("length"),
    "MeanVarianceNormalization": norm("instance"),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), skip_norm),
    **{
        f"Reduce{name}": reduce(word)
        for name, word in {
            "Mean": "mean", "Sum": "sum", "Max": "max", "Min": "min", "Prod": "product", "L1": "L1 norm",
            "L2": "L2 norm", "LogSum": "log of sum", "LogSumExp": "log of sum of exp",
            "SumSquare": "sum of squares",
        }.items()
    },
    "ArgMax": arg("argmax"),
    "ArgMin": arg("argmin"),
}  # fmt: skip
