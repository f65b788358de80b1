"""What a batch is made of, and the loss that is measured: told from what is given, and said in the report."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from convscope.errors import InputError

Tensor = torch.Tensor
# Keys of a batch that hold targets, where the model's forward does not take them.
TARGET_KEYS = ("target", "targets", "label", "labels", "y")
STAND_IN_SEED = 7


@dataclass(frozen=True)
class Batch:
    """One call of the model, and what its output is compared with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    target: Any = None

    def replaced(self, other: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with other tensors in place of those that stand in it directly."""

        def one(value: Any) -> Any:  # noqa: ANN401 - whatever a model takes
            return other(value) if isinstance(value, Tensor) else value

        kwargs = {name: one(value) for name, value in self.kwargs.items()}
        return Batch(tuple(map(one, self.args)), kwargs, one(self.target))

    def inputs(self) -> list[Tensor]:
        """The tensors that the model is called with."""
        return [t for value in (*self.args, *self.kwargs.values()) for t in tensors_in(value)]


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in whatever a model takes or returns."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from tensors_in(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors_in(entry)
    elif isinstance(value, torch.nn.utils.rnn.PackedSequence):
        yield value.data


@dataclass(frozen=True)
class Reader:
    """Takes batches apart as the signature of the model's forward suggests.

    Attributes:
        least: how many arguments forward needs.
        names: the arguments it knows by name; None when it takes any.
        targets: how many entries at the end of a batch are targets, where the caller said so.
    """

    least: int
    names: frozenset[str] | None
    targets: int | None = None

    @classmethod
    def of(cls, model: torch.nn.Module, targets: int | None) -> Reader:
        """The reader for a model."""
        try:
            known = list(inspect.signature(model.forward).parameters.values())
        except (TypeError, ValueError):
            return cls(1, None, targets)
        ordered = [p for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        any_name = any(p.kind is p.VAR_KEYWORD for p in known)
        least = sum(p.default is p.empty for p in ordered)
        if not least and any(p.kind is p.VAR_POSITIONAL for p in known):
            least = 1
        return cls(least, None if any_name else frozenset(p.name for p in known), targets)

    def read(self, batch: object, position: int) -> Batch:
        """One batch taken apart.

        Raises:
            InputError: nothing that a model can be called with.
        """
        batch = _as_tensors(batch)
        if isinstance(batch, Tensor | torch.nn.utils.rnn.PackedSequence):
            return Batch((batch,), {})
        if isinstance(batch, Mapping):
            return self._from_mapping(batch)
        if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) > 0:
            return self._from_sequence(tuple(batch))
        raise InputError(
            f"batch {position} is a {type(batch).__name__}; give a tensor, (inputs, target), a tuple of the "
            "model's arguments with the target last, or a mapping from argument names"
        )

    def _from_mapping(self, batch: Mapping[Any, Any]) -> Batch:
        named = {str(name): value for name, value in batch.items()}
        if self.names is None:
            rest = [name for name in named if name in TARGET_KEYS]
        else:
            rest = [name for name in named if name not in self.names]
        given = {name: value for name, value in named.items() if name not in rest}
        targets = [named[name] for name in rest]
        if len(rest) > 1:
            known = [name for name in rest if name in TARGET_KEYS]
            if len(known) != 1:
                raise InputError(
                    f"the batch has entries {', '.join(map(repr, rest))}, which forward does not take; "
                    f"one of them may be the target, named one of {', '.join(TARGET_KEYS)}"
                )
            targets = [named[known[0]]]
        if not given and self.names is not None and rest:  # names of its own: the first entry is the input
            first = next(name for name in named if name not in TARGET_KEYS or len(named) == 1)
            others = [value for name, value in named.items() if name != first]
            return Batch((named[first],), {}, others[0] if others else None)
        return Batch((), given, targets[0] if targets else None)

    def _from_sequence(self, batch: tuple[Any, ...]) -> Batch:
        count = self.targets
        if count is None:
            count = 1 if len(batch) >= 2 and (len(batch) > self.least or _is_nested(batch)) else 0
        if count >= len(batch):
            raise InputError(
                f"a batch of {len(batch)} entries leaves no input when {count} of them are targets"
            )
        given, rest = batch[: len(batch) - count], batch[len(batch) - count :]
        target = rest[0] if len(rest) == 1 else rest or None
        if len(given) == 1 and isinstance(given[0], Mapping):
            return Batch((), {str(name): value for name, value in given[0].items()}, target)
        if len(given) == 1 and isinstance(given[0], list | tuple) and self.least > 1:
            return Batch(tuple(given[0]), {}, target)
        return Batch(given, {}, target)


def _is_nested(batch: tuple[Any, ...]) -> bool:
    """``((a, b), target)``: the inputs stand together."""
    return len(batch) == 2 and isinstance(batch[0], list | tuple | Mapping)


def _as_tensors(value: object) -> object:
    """NumPy arrays as tensors, wherever they stand."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise InputError(f"an array of {value.dtype} is no input; give numbers")
        floating = value.astype(np.float32) if value.dtype == np.float64 else value
        return torch.from_numpy(np.ascontiguousarray(floating))
    if isinstance(value, Mapping) and any(isinstance(v, np.ndarray | list | tuple) for v in value.values()):
        return {name: _as_tensors(entry) for name, entry in value.items()}
    if type(value) in {list, tuple} and isinstance(value, list | tuple):
        return type(value)(_as_tensors(entry) for entry in value)
    return value


# --- the loss ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A loss, and the words that say which it is."""

    value: Tensor
    words: str


def measure_loss(loss: Callable[..., Any] | None, output: object, target: object) -> Measured:
    """The loss of one batch.

    Raises:
        InputError: the caller's loss is no single number, or fails.
    """
    if loss is not None:
        return Measured(_asked(loss, output, target), "the loss that was given")
    own = _own_loss(output)
    if own is not None:
        return Measured(own, "the loss that the model returns")
    main = main_output(output)
    if main is None:
        raise InputError("the model returned no tensor of floats; give a loss that takes what it returns")
    if isinstance(target, Tensor):
        found = _by_target(main, target)
        if found is not None:
            return found
    return Measured(_stand_in(main), STAND_IN)


STAND_IN = "a stand-in: the mean of the outputs, each with a fixed random sign"


def _asked(loss: Callable[..., Any], output: object, target: object) -> Tensor:
    try:
        value = loss(output) if target is None else loss(output, target)
    except Exception as error:
        raise InputError(f"the loss failed: {type(error).__name__}: {_line(error)}") from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        told = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputError(f"the loss must be a tensor with one number; it returned {told}")
    return value.reshape(())


def _own_loss(output: object) -> Tensor | None:
    """The loss in an output that names it, as models of the transformers library return it."""
    found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    is_number = isinstance(found, Tensor) and found.numel() == 1 and found.is_floating_point()
    return found.reshape(()) if is_number and isinstance(found, Tensor) else None


def main_output(output: object) -> Tensor | None:
    """The first tensor of floats in what a model returns."""
    return next((t for t in tensors_in(output) if t.is_floating_point() and t.numel()), None)


def _by_target(output: Tensor, target: Tensor) -> Measured | None:
    if target.device != output.device:
        raise InputError(f"the target is on {target.device} and the output on {output.device}")
    if target.is_floating_point():
        if target.numel() == output.numel():
            value = functional.mse_loss(output.reshape(target.shape).float(), target.float())
            return Measured(value, "mean squared error")
        raise InputError(
            f"targets of shape {_shape(target)} do not fit outputs of shape {_shape(output)}; give a loss"
        )
    if output.ndim >= 2 and output.shape[1] > 1 and target.shape == (output.shape[0], *output.shape[2:]):
        classes = target.long()
        if int(classes.max()) >= output.shape[1] or int(classes.min()) < 0:
            raise InputError(
                f"targets go from {int(classes.min())} to {int(classes.max())}, but the model has "
                f"{output.shape[1]} outputs"
            )
        return Measured(functional.cross_entropy(output.float(), classes), "cross-entropy")
    if output.ndim >= 3 and target.shape == output.shape[:-1]:  # classes last, as of words in a sentence
        return _by_target(output.flatten(0, -2), target.flatten())
    return None


def _stand_in(output: Tensor) -> Tensor:
    """Its gradient has the same size at every output, whatever the output is."""
    generator = torch.Generator().manual_seed(STAND_IN_SEED)
    signs = torch.randint(0, 2, output.shape, generator=generator).to(output) * 2 - 1
    return (output * signs).mean()


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "()"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
