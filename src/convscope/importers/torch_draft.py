"""The nodes of a recording before they have names, and the modules' calls that they were made in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from convscope.core.layer import Layer
from convscope.core.network import Shape, Weight
from convscope.core.operators import Rearrange
from convscope.importers.torch_entry import Call, Entry, item_shape


class Scope:
    """One call of a module: its path, and the nodes that it made itself."""

    __slots__ = ("calls", "module", "nodes", "path", "reads", "start")

    def __init__(self, path: str, module: torch.nn.Module | None, start: int) -> None:
        self.path = path
        self.module = module
        self.start = start
        self.nodes: list[int] = []
        self.calls = 0


class Draft:
    """A node before it has a name: what it reads is known by position."""

    __slots__ = ("dtype", "in_place", "layer", "name", "op", "reads", "recorded", "scope", "weights")

    def __init__(
        self,
        layer: Layer,
        op: str,
        reads: tuple[int, ...],
        scope: Scope,
        dtype: torch.dtype,
        weights: tuple[Weight, ...] = (),
        recorded: Shape | None = None,
        in_place: bool = False,  # noqa: FBT001, FBT002
        name: str | None = None,
    ) -> None:
        self.layer = layer
        self.op = op
        self.reads = reads
        self.scope = scope
        self.dtype = dtype
        self.weights = weights
        self.recorded = recorded
        self.in_place = in_place
        self.name = name  # the path of its own, where a module or a weight gives it one


def rearranged(op: str, entry: Entry) -> Draft:
    """A node that moves the cells of a tensor."""
    return Draft(Rearrange(op, item_shape(entry.shape)), op, (), Scope("", None, 0), entry.dtype)


def address(tensor: torch.Tensor) -> int:
    """Where a tensor's numbers lie; 0 for one without."""
    if tensor.device.type == "meta" or tensor.layout is not torch.strided:
        return 0
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def swapped(value: Any, swap: Mapping[int, Any]) -> Any:  # noqa: ANN401
    """The arguments with other tensors in place of those whose id is a key."""
    if isinstance(value, torch.Tensor):
        return swap.get(id(value), value)
    if isinstance(value, dict):
        return {name: swapped(entry, swap) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(swapped(entry, swap) for entry in value)
    return value


def has_mask(call: Call) -> bool:
    """Whether an index is a mask, which picks as many cells as it has ones."""
    return any(e.dtype in (torch.bool, torch.uint8) and e.value is None for e in call.tensors[1:])


def module_of(weight: str, scope: str) -> str | None:
    """The name of the node that uses a weight: its module's, where nobody calls that but uses its weights."""
    owner, _, kind = weight.rpartition(".")
    if kind != "weight":
        owner = weight.removesuffix("_weight") if weight.endswith("_weight") else ""
    return owner if owner and (not scope or owner.startswith(f"{scope}.")) else None


def first_name(weights: tuple[Weight, ...]) -> str:
    """What a constant is called in an error."""
    return f"'{weights[0].name}'" if weights else "a constant"
