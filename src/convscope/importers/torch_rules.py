"""What each PyTorch operator comes to: tables from its name to a rule, and what holds for the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from convscope.core import pointwise
from convscope.core.layer import Layer
from convscope.core.operators import Elementwise, Norm, Rearrange, Unknown
from convscope.core.pooling import LpPool
from convscope.errors import ConvscopeError
from convscope.importers.torch_entry import Call, Output, Plan, Step, item_shape
from convscope.importers.torch_layers import LAYERS
from convscope.importers.torch_operators import ELEMENTWISE, OPERATORS, REARRANGED
from convscope.rules.shape import output_shape

# Products of weights with each other are work too: they are shown and counted, not taken as constants.
HEAVY = frozenset({
    "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum",
    "scaled_dot_product_attention", "lstm", "gru", "rnn_tanh", "rnn_relu", "bilinear",
})  # fmt: skip

# Operators that take a shape from a tensor, and none of its values.
LIKE = frozenset({
    "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "randint_like",
    "new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided",
})  # fmt: skip

# Operators whose result is a Python number, or has as many cells as the values say.
NEEDS_VALUES = frozenset({
    "item", "local_scalar_dense", "is_nonzero", "equal", "allclose", "nonzero", "nonzero_numpy",
    "argwhere", "masked_select", "unique", "unique2", "unique_dim", "unique_consecutive",
    "unique_dim_consecutive", "bincount",
})  # fmt: skip


def _power_pool(module: Any) -> Layer | None:  # noqa: ANN401 - an LPPool
    power = module.norm_type
    if power != int(power) or power < 1:
        return None
    return LpPool(int(power), module.kernel_size, module.stride, module.ceil_mode)


# Modules that PyTorch writes as several operators, and that are one layer.
WHOLE_MODULES: dict[type, Callable[[Any], Layer | None]] = {
    torch.nn.LocalResponseNorm: lambda module: Norm("local response"),  # noqa: ARG005
    torch.nn.Softsign: lambda module: pointwise.Softsign(),  # noqa: ARG005
    torch.nn.LPPool1d: _power_pool,
    torch.nn.LPPool2d: _power_pool,
}


def decide(call: Call) -> Plan | None:
    """What a call comes to; None for an operator made of others, which are then looked at instead.

    Raises:
        RuntimeError: arguments that PyTorch refuses.
    """
    operation = call.operation
    if operation.namespace == "aten":
        for table in (LAYERS, OPERATORS):
            rule = table.get(operation.name)
            if rule is not None:
                plan = rule(call)
                if plan is not None:
                    return checked(call, plan)
        if operation.name in ELEMENTWISE or operation.is_pointwise:
            return checked(call, _simple(call, elementwise=True))
        if operation.name in REARRANGED or operation.is_view:
            return checked(call, _simple(call, elementwise=False))
    if operation.is_composite:
        return None
    return checked(call, _unknown(call))


def checked(call: Call, plan: Plan) -> Plan:
    """The plan, with the shape noted at every step whose layer's rule gives another, or none."""
    steps: list[Step] = []
    for step in plan.steps:
        before = steps[-1].shape if steps else ()
        given = [item_shape(before if n < 0 else call.tensors[n].shape) for n in step.reads]
        seen = item_shape(step.shape)
        try:
            told = output_shape(step.layer, given).shape
        except (ConvscopeError, IndexError):
            told = None
        steps.append(step if told == seen else dataclasses.replace(step, recorded=seen))
    return dataclasses.replace(plan, steps=tuple(steps))


def _simple(call: Call, *, elementwise: bool) -> Plan:
    outputs, kind = call.broadcast_outputs() if elementwise else call.meta_outputs()
    name = call.operation.name
    shape, dtype = outputs[0]
    reads = call.arrays()
    layer = Elementwise(name) if elementwise else Rearrange(name, item_shape(shape))
    view = call.operation.is_view
    if kind != "one" and not elementwise:
        return Plan(outputs, (Step(layer, name, reads, shape, dtype),), kind, lazy=True, view=view)
    return Plan(outputs, (Step(layer, name, reads, shape, dtype),), kind, view=view)


def _unknown(call: Call) -> Plan:
    operation = call.operation
    name = operation.name if operation.namespace == "aten" else f"{operation.namespace}::{operation.name}"
    outputs, kind = _outputs(call)
    shape, dtype = outputs[0]
    weights = tuple(n for n, entry in enumerate(call.tensors) if entry.weights and not entry.computed)
    step = Step(Unknown(name, item_shape(shape)), operation.name, call.computed(), shape, dtype, weights)
    return Plan(outputs, (step,), kind, rest="output")


# An operator without a shape function may be asked for its shape with so many zeros.
ASKED = 2**22


def _outputs(call: Call) -> tuple[tuple[Output, ...], str]:
    """Shapes by the operator's own shape function; a user's operator without one is asked with zeros."""
    try:
        return call.meta_outputs()
    except NotImplementedError:
        if call.operation.namespace == "aten" or sum(e.tensor.numel() for e in call.tensors) > ASKED:
            raise
    zeros = Call(call.operation, _zeros(call.args), {k: _zeros(v) for k, v in call.kwargs.items()})
    found = zeros.operation.func(*zeros.args, **zeros.kwargs)
    tensors = found if isinstance(found, tuple | list) else (found,)
    kind = "tuple" if isinstance(found, tuple) else "list" if isinstance(found, list) else "one"
    return tuple((tuple(t.shape), t.dtype) for t in tensors), kind


def _zeros(value: Any) -> Any:  # noqa: ANN401 - whatever the operator takes
    if isinstance(value, torch.Tensor):
        return torch.zeros(value.shape, dtype=value.dtype)
    if isinstance(value, tuple | list):
        return type(value)(_zeros(entry) for entry in value)
    return value
