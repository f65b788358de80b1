"""PyTorch's `.pt` and `.pth` files, by safe loading only: tensors are made, and nothing else is."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from convscope.errors import InputError, MissingExtraError, UnsupportedError
from convscope.importers.weight_entries import MAX_ENTRIES, Array, Contents, Entry
from convscope.importers.weight_norms import layout_of, norms_by_name
from convscope.importers.weights_numpy import LAYOUTS

# Where training scripts keep the state dictionary, one level down.
NESTED = ("state_dict", "model_state_dict", "model")
REMEDY = "save model.state_dict() alone, or a .safetensors file"

_NAMED = re.compile(r"(?:GLOBAL|global|Unsupported class) ([\w.]+)")


def read_contents(path: Path) -> Contents:
    """What a PyTorch file holds: a state dictionary, or one inside a checkpoint.

    Raises:
        InputError: a file that would run code, is cut short, or holds no tensors by name.
        UnsupportedError: a TorchScript program.
        MissingExtraError: PyTorch is not installed.
    """
    held = _loaded(path)
    notes: tuple[str, ...] = ()
    if _is_tensor(held):
        layout = LAYOUTS.get(held.dim())
        return Contents((_entry(path.stem, held, layout),))
    for key in NESTED:
        inner = held.get(key) if isinstance(held, Mapping) else None
        if isinstance(inner, Mapping):
            held, notes = inner, (f"The weights are those under {key!r}",)
            break
    if not isinstance(held, Mapping):
        raise InputError(f"it holds a {type(held).__name__}, no tensors by name; {REMEDY}")
    if len(held) > MAX_ENTRIES:
        raise InputError(f"it holds {len(held)} arrays; up to {MAX_ENTRIES} are read")
    tensors = {str(name): value for name, value in held.items() if _is_tensor(value)}
    entries = [
        _entry(name, value, layout_of(name, tuple(value.shape)) if value.is_floating_point() else None)
        for name, value in tensors.items()
    ]
    return Contents(tuple(entries), norms_by_name(entries, is_ordered=True), notes)


def _is_tensor(value: Any) -> bool:  # noqa: ANN401
    import torch

    return isinstance(value, torch.Tensor)


def _loaded(path: Path) -> Any:  # noqa: ANN401 - what the file holds
    try:
        import torch
    except ImportError:
        raise MissingExtraError.for_extra("reading PyTorch's files", "torch") from None
    try:
        is_zip = zipfile.is_zipfile(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Mapped, so that only the tensors that are asked for are read from the disk.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle may raise anything at all
        raise _refusal(str(error)) from None


def _refusal(message: str) -> InputError | UnsupportedError:
    if "TorchScript" in message:
        return UnsupportedError(f"it is a TorchScript program, which is not run; {REMEDY}")
    named = _NAMED.search(message)
    if named:
        return InputError(f"it names {named[1][:80]!r}, which would have to be run; nothing was; {REMEDY}")
    if "weights_only" in message.lower() or "Weights only" in message:
        return InputError(f"it holds more than tensors, which would have to be run; nothing was; {REMEDY}")
    return InputError("it is no PyTorch file, or is cut short")


def _entry(name: str, tensor: Any, layout: Any) -> Entry:  # noqa: ANN401 - a tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Entry(name, tuple(tensor.shape), dtype, partial(_numbers, name, tensor), layout)


def _numbers(name: str, tensor: Any) -> Array:  # noqa: ANN401
    import torch

    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise UnsupportedError(
            f"'{name[:80]}' is a {tensor.layout} tensor on {tensor.device}; plain ones are read"
        )
    plain = tensor.detach()
    plain = plain.dequantize() if plain.is_quantized else plain
    if plain.is_floating_point() and plain.dtype not in (torch.float16, torch.float32, torch.float64):
        plain = plain.to(torch.float32)
    if plain.is_complex():
        raise UnsupportedError(f"'{name[:80]}' holds complex numbers")
    found: Array = plain.numpy()
    return found
