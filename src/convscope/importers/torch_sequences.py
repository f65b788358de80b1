"""Sequences of several lengths in one array: packed and padded by lengths that are known numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from convscope.core.operators import Rearrange
from convscope.errors import InputError
from convscope.importers.torch_entry import Call, Output, Plan, Step, item_shape

if TYPE_CHECKING:
    from convscope.importers.torch_recorder import Recorder


def _numbers(call: Call, name: str) -> torch.Tensor:
    entry = call.entry(name)
    if entry is None or entry.value is None:
        raise InputError(
            f"'{call.operation.name}' needs the lengths of the sequences, which depend on the input here"
        )
    return entry.value


def _packed(recorder: Recorder, call: Call) -> tuple[torch.Tensor, torch.Tensor]:
    """The positions of all sequences one after the other, and how many sequences reach each."""
    lengths, x = _numbers(call, "lengths"), call.tensors[0]
    positions = torch.zeros(x.shape[:2])
    data, counts = torch._pack_padded_sequence(positions, lengths, call["batch_first"])  # noqa: SLF001
    return _answered(recorder, call, "pack", (data.shape[0], *x.shape[2:]), counts)


def _padded(recorder: Recorder, call: Call) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences of one length again, and what their lengths were."""
    counts, data = _numbers(call, "batch_sizes"), call.tensors[0]
    positions = torch.zeros(data.shape[0], 1)
    padded, lengths = torch._pad_packed_sequence(  # noqa: SLF001
        positions, counts, call["batch_first"], 0.0, call["total_length"]
    )
    return _answered(recorder, call, "pad", (*padded.shape[:2], *data.shape[1:]), lengths)


def _answered(
    recorder: Recorder, call: Call, op: str, shape: tuple[int, ...], numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    dtype = call.tensors[0].dtype
    step = Step(Rearrange(op, item_shape(shape)), op, (0,), shape, dtype)
    made = recorder.answer(call, Plan(((shape, dtype),), (step,)))
    recorder.keep(numbers, (), op, value=numbers)
    return made, numbers


def recurrent_outputs(call: Call) -> tuple[tuple[Output, ...], str]:
    """The shapes that a recurrent layer gives for packed sequences: theirs, and those of its last states."""
    data = call.tensors[0]
    weights = [call.tensors[n].shape for n in call.positions("params")]
    states = [call.tensors[n].shape for n in call.positions("hx")]
    directions = 2 if call["bidirectional"] else 1
    hidden = weights[1][1]  # the weights of the state: one column for each of its features
    shapes = [(data.shape[0], hidden * directions), *states]
    return tuple((tuple(shape), data.dtype) for shape in shapes), "tuple"


# Operator -> what it gives; these need numbers of their own, and are not alike for tensors alike.
SEQUENCES: dict[str, Callable[[Recorder, Call], Any]] = {
    "pack_padded_sequence": _packed,
    "pad_packed_sequence": _padded,
}
