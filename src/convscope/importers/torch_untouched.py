"""A PyTorch module is run and left as it was: attributes, weights, hooks, mode and random numbers."""

from __future__ import annotations

import gc
import random
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from convscope.importers.torch_entry import SMALL
from convscope.importers.torch_parts import Parts

# Shared by several modules and written to by calls of them: a copy of the entries is kept.
_CONTAINERS = frozenset({dict, OrderedDict, list, set})


@contextmanager
def untouched(parts: Parts, *, training: bool | None, one_item: bool = True) -> Iterator[None]:
    """Whatever happens inside, the module and the random generators are afterwards as before.

    With `one_item`, batch statistics of a single item are let through.

    What a forward keeps in attributes of its modules, lists and dictionaries among them, is undone;
    operators that write to tensors are the recorder's to hold back.
    """
    kept = [_Kept(part) for _path, part in parts.modules]
    flags = [(p, p.requires_grad) for _name, p in parts.parameters]
    # Small arrays are computed with for real, so that a forward can put other numbers in their place.
    numbers = [(t, t.data, t.data_ptr()) for t in parts.tensors() if _may_be_replaced(t)]
    grad_enabled = torch.is_grad_enabled()
    verify = vars(functional).get("_verify_batch_size") if one_item else None
    with _random_kept():
        try:
            # One item is recorded, of which batch statistics could not be taken; none are.
            if verify is not None:
                functional._verify_batch_size = _no_check  # type: ignore[attr-defined]  # noqa: SLF001
            if training is not None:
                for _path, part in parts.modules:
                    vars(part)["training"] = training
            yield
        finally:
            if verify is not None:
                functional._verify_batch_size = verify  # type: ignore[attr-defined]  # noqa: SLF001
            for entry in kept:
                entry.restore()
            for parameter, flag in flags:
                if parameter.requires_grad != flag:
                    parameter.requires_grad_(flag)
            for tensor, data, address in numbers:
                if tensor.data_ptr() != address or tensor.shape != data.shape:
                    tensor.data = data
            if torch.is_grad_enabled() != grad_enabled:
                torch.set_grad_enabled(grad_enabled)


@contextmanager
def collector_resting() -> Iterator[None]:
    """Python's search for cycles waits: thousands of nodes are made here, and none is let go.

    Each search would look at all of them again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _no_check(size: Any) -> None:  # noqa: ANN401
    """Batch statistics of one item are not computed, so that there is nothing to verify."""


def _may_be_replaced(tensor: torch.Tensor) -> bool:
    return tensor.device.type != "meta" and tensor.layout is torch.strided and tensor.numel() <= SMALL


class _Kept:
    """The attributes of one module."""

    __slots__ = ("attributes", "containers", "module")

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.attributes = dict(vars(module))
        self.containers = [
            (value, value.copy() if value else ())
            for value in self.attributes.values()
            if type(value) in _CONTAINERS
        ]

    def restore(self) -> None:
        now = vars(self.module)
        # Told apart by identity: tensors compare cell by cell, and names keep their order.
        if list(map(id, now.values())) != list(map(id, self.attributes.values())) or list(now) != list(
            self.attributes
        ):
            now.clear()
            now.update(self.attributes)
        for container, entries in self.containers:
            if container or entries:
                _refill(container, entries)


def _refill(container: Any, entries: Any) -> None:  # noqa: ANN401 - a dict, a list or a set
    if isinstance(container, list):
        container[:] = entries
    else:
        container.clear()
        container.update(entries)


@contextmanager
def _random_kept() -> Iterator[None]:
    """Random numbers drawn inside are drawn again after."""
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    arrays = numpy.random.get_state() if numpy is not None else None
    cpu = torch.get_rng_state()
    has_devices = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = torch.cuda.get_rng_state_all() if has_devices else []
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(arrays)
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)
