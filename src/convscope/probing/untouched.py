"""The numbers that a model holds, kept while it runs and put back after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from convscope.importers.torch_parts import Parts

Tensor = torch.Tensor
_WRITING = frozenset({"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"})


class Contents:
    """Buffers are copied beforehand; a parameter is copied when a forward is about to write to it."""

    def __init__(self, parts: Parts) -> None:
        self._buffers = [(b, b.detach().clone(), b._version) for _name, b in parts.buffers]  # noqa: SLF001
        self._owners: dict[int, list[Tensor]] = {}
        for _name, parameter in parts.parameters:
            address = _address(parameter)
            if address is not None:
                self._owners.setdefault(address, []).append(parameter)
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    @contextmanager
    def kept(cls, parts: Parts) -> Iterator[Contents]:
        """Whatever happens inside, parameters and buffers hold the same numbers afterwards."""
        contents = cls(parts)
        try:
            yield contents
        finally:
            contents.restore()

    def before(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A function is about to be called: what it writes to is copied first."""
        name = getattr(function, "__name__", "")
        if (name.endswith("_") and not name.endswith("__")) or name in _WRITING:
            self._keep(args[0] if args else None)
        if "out" in kwargs:
            self._keep(kwargs["out"])

    def restore(self) -> None:
        """Put everything back that was written to."""
        with torch.no_grad():
            for buffer, copy, version in self._buffers:
                if buffer._version != version or not torch.equal(buffer, copy):  # noqa: SLF001
                    buffer.copy_(copy)
            for parameter, copy in self._kept.values():
                parameter.copy_(copy)

    def _keep(self, target: object) -> None:
        if not isinstance(target, Tensor):
            return
        for parameter in self._owners.get(_address(target) or 0, ()):
            if id(parameter) not in self._kept:
                self._kept[id(parameter)] = (parameter, parameter.detach().clone())


def _address(tensor: Tensor) -> int | None:
    """Where the numbers lie; views share it. None where there are none."""
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return None
    return tensor.untyped_storage().data_ptr() or None
