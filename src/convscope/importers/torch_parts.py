"""The modules, parameters and buffers of a PyTorch module, found in one walk: networks have thousands."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from convscope.core.network import Weight
from convscope.errors import InputError
from convscope.importers.torch_entry import dtype_name


@dataclass(frozen=True)
class Parts:
    """What a module is made of, each under the first path that leads to it, outer modules first."""

    modules: tuple[tuple[str, torch.nn.Module], ...]
    parameters: tuple[tuple[str, torch.nn.Parameter], ...]
    buffers: tuple[tuple[str, torch.Tensor], ...]

    @classmethod
    def of(cls, module: torch.nn.Module) -> Parts:
        """The parts of a module, itself among them.

        Raises:
            InputError: a parameter that has no shape yet.
        """
        found: dict[int, tuple[str, torch.nn.Module]] = {}
        waiting = [("", module)]
        while waiting:
            path, part = waiting.pop()
            if id(part) in found:
                continue
            found[id(part)] = (path, part)
            lead = f"{path}." if path else ""
            inner = part._modules  # noqa: SLF001 - its public forms walk on, for each module anew
            waiting += [(lead + name, child) for name, child in reversed(inner.items()) if child is not None]
        parameters: dict[int, tuple[str, torch.nn.Parameter]] = {}
        buffers: dict[int, tuple[str, torch.Tensor]] = {}
        for path, part in found.values():
            lead = f"{path}." if path else ""
            for name, parameter in part._parameters.items():  # noqa: SLF001
                if parameter is not None:
                    parameters.setdefault(id(parameter), (lead + name, parameter))
            for name, buffer in part._buffers.items():  # noqa: SLF001
                if buffer is not None:
                    buffers.setdefault(id(buffer), (lead + name, buffer))
        parts = cls(tuple(found.values()), tuple(parameters.values()), tuple(buffers.values()))
        parts._check_initialised()
        return parts

    def _check_initialised(self) -> None:
        for name, tensor in (*self.parameters, *self.buffers):
            if type(tensor) in _LAZY:
                raise InputError(
                    f"'{name}' has no shape yet: call the lazy module once, or build it with its sizes"
                )

    def weights(self) -> dict[int, Weight]:
        """Every array of the module, by the id of its tensor."""
        known = {
            id(p): Weight(name, tuple(p.shape), dtype_name(p.dtype), p.requires_grad)
            for name, p in self.parameters
        }
        for name, b in self.buffers:
            kept = Weight(name, tuple(b.shape), dtype_name(b.dtype), trainable=False, is_parameter=False)
            known.setdefault(id(b), kept)
        return known

    def paths(self) -> dict[int, str]:
        """The modules' paths, by their id."""
        return {id(part): path for path, part in self.modules}

    def tensors(self) -> list[torch.Tensor]:
        """The parameters and buffers themselves."""
        return [tensor for _name, tensor in (*self.parameters, *self.buffers)]


_LAZY = (torch.nn.parameter.UninitializedParameter, torch.nn.parameter.UninitializedBuffer)
