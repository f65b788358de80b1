"""What a recorded PyTorch module is called with: stand-ins that have a shape, a dtype and no numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from convscope.core.network import MAX_AXES, MAX_LENGTH
from convscope.errors import InputError
from convscope.importers.torch_entry import META
from convscope.importers.torch_parts import Parts


@dataclass(frozen=True)
class Arguments:
    """The arguments of the call to record.

    Attributes:
        tensors: the stand-ins among them with their names, in order.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    tensors: tuple[tuple[str, torch.Tensor], ...]


def arguments_of(module: torch.nn.Module, parts: Parts, input_shape: Any, inputs: Any) -> Arguments:  # noqa: ANN401
    """The arguments told by shapes of one item, or by examples.

    Raises:
        InputError: neither is given, or both, or something that is no shape.
    """
    if (input_shape is None) == (inputs is None):
        raise InputError(
            "give input_shape, the shape of one item without its batch axis, such as (3, 224, 224), or "
            "inputs, example tensors to call the module with"
        )
    if input_shape is not None:
        args, kwargs = _from_shapes(parts, input_shape)
    else:
        args, kwargs = _from_examples(parts, inputs)
    found = _named_tensors(module, args, kwargs)
    if not found:
        raise InputError("there is no tensor among the inputs; give at least one")
    return Arguments(args, kwargs, found)


# --- shapes -----------------------------------------------------------------------------------


def _from_shapes(parts: Parts, shapes: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:  # noqa: ANN401
    dtype = next((p.dtype for _name, p in parts.parameters if p.dtype.is_floating_point), torch.float32)
    if isinstance(shapes, Mapping):
        return (), {str(name): _stand_in(shape, dtype) for name, shape in shapes.items()}
    if isinstance(shapes, int | str) or not any(isinstance(entry, Sequence) for entry in shapes):
        return (_stand_in(shapes, dtype),), {}
    return tuple(_stand_in(shape, dtype) for shape in shapes), {}


def _stand_in(shape: Any, dtype: torch.dtype) -> torch.Tensor:  # noqa: ANN401
    lengths = (shape,) if isinstance(shape, int) else tuple(shape) if isinstance(shape, Sequence) else ()
    if any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_LENGTH for n in lengths) or (
        not 1 <= len(lengths) <= MAX_AXES or isinstance(shape, str)
    ):
        raise InputError(
            f"input_shape {shape!r} is not the shape of one item; give 1 to {MAX_AXES} positive lengths "
            "without the batch axis, such as (3, 224, 224)"
        )
    return _empty((1, *lengths), dtype)


def _empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    try:
        with torch.inference_mode():
            return torch.empty(tuple(shape), dtype=dtype, device=META)
    except RuntimeError as error:  # more cells than an integer counts
        raise InputError(f"an input of {'×'.join(map(str, shape))} cells is too large: {error}") from None


# --- examples ---------------------------------------------------------------------------------


def _from_examples(parts: Parts, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:  # noqa: ANN401
    if isinstance(inputs, torch.Tensor):
        args: tuple[Any, ...] = (inputs,)
        kwargs: dict[str, Any] = {}
    elif isinstance(inputs, Mapping):
        args, kwargs = (), {str(name): value for name, value in inputs.items()}
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str):
        args, kwargs = tuple(inputs), {}
        if len(args) == 2 and isinstance(args[0], tuple) and isinstance(args[1], dict):
            args, kwargs = args[0], args[1]
    else:
        raise InputError(
            f"inputs is a {type(inputs).__name__}; give a tensor, a tuple of arguments, or a mapping"
        )
    examples = list(tensors_in((args, kwargs)))
    batch = _batch_of(parts, examples)
    made = {id(t): _empty((1, *t.shape[1:]) if batch else t.shape, t.dtype) for t in examples}
    return _replaced(args, made), _replaced(kwargs, made)


def _batch_of(parts: Parts, examples: Sequence[torch.Tensor]) -> bool:
    """Whether the first axis of every example counts items, of which one is recorded.

    Recurrent layers and attention that are told positions first have another first axis.
    """
    lengths = {t.shape[0] if t.shape else None for t in examples}
    if len(lengths) != 1 or None in lengths or lengths == {1}:
        return False
    return all(getattr(part, "batch_first", True) for _path, part in parts.modules)


def tensors_in(value: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401
    """The tensors in whatever a model is called with."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from tensors_in(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors_in(entry)


def _replaced(value: Any, made: Mapping[int, torch.Tensor]) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        return made[id(value)]
    if isinstance(value, dict):
        return {name: _replaced(entry, made) for name, entry in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_replaced(entry, made) for entry in value))
    if isinstance(value, list | tuple):
        return type(value)(_replaced(entry, made) for entry in value)
    return value


# --- names ------------------------------------------------------------------------------------


def _named_tensors(
    module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[str, torch.Tensor], ...]:
    """Each tensor under the name of the parameter it is given for; a single one is "input"."""
    try:
        known = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        known = []
    told = [p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    heads = [told[n] if n < len(told) else f"input_{n}" for n in range(len(args))]
    found: list[tuple[str, torch.Tensor]] = []
    for head, value in [*zip(heads, args, strict=True), *kwargs.items()]:
        own = list(tensors_in(value))
        found += [(head if len(own) == 1 else f"{head}_{n}", tensor) for n, tensor in enumerate(own)]
    distinct = {id(tensor): (name, tensor) for name, tensor in reversed(found)}
    unique = [distinct[id(tensor)] for _name, tensor in found if id(tensor) in distinct]
    unique = list(dict.fromkeys(unique))
    return (("input", unique[0][1]),) if len(unique) == 1 else tuple(unique)
