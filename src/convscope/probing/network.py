"""`probe`: a model's layers measured on some batches, and left as they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from os import PathLike
from typing import Any

import torch

from convscope.errors import ConvscopeError, InputError, UnsupportedError
from convscope.importers.torch_parts import Parts
from convscope.importers.torch_untouched import untouched
from convscope.probing.batches import Batch, Reader, measure_loss
from convscope.probing.data import named_batches
from convscope.probing.observer import COMPUTED, Gradients, Observer
from convscope.probing.report import ProbeReport
from convscope.probing.rows import built_report, owners, weight_names
from convscope.probing.untouched import Contents
from convscope.probing.updates import check_optimiser, scales_steps, update_norms

Tensor = torch.Tensor
# Batches of data that is given by name.
NAMED_LIMIT = 8


@dataclass
class Found:
    """What was measured, for the report to be made from.

    Attributes:
        observer: the layers.
        parameters: every parameter with its path, once.
        gradients: its gradients.
        row_gradients: for each row the mean over the batches of the norm of all its gradients together, and
            of its weights' alone; kept as sum and count, since a mean of norms is no norm of means.
        has_scaled_steps: whether steps are not simply the learning rate times the gradient.
        updates: the norm of the step that the optimiser would take, by path.
        notes: sentences on what could not be measured.
    """

    observer: Observer
    parameters: dict[str, torch.nn.Parameter]
    gradients: dict[str, Gradients] = field(default_factory=dict)
    row_gradients: dict[tuple[str, bool], Gradients] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    loss_words: str = ""
    batches: int = 0
    items: int = 0
    optimiser: str = ""
    has_scaled_steps: bool = False
    notes: list[str] = field(default_factory=list)


def probe(
    model: torch.nn.Module,
    batches: Iterable[Any] | str | PathLike[str],
    loss: Callable[..., Any] | None = None,
    *,
    optimiser: torch.optim.Optimizer | None = None,
    targets: int | None = None,
    limit: int | None = None,
    input_shape: tuple[int, ...] | None = None,
    batch_size: int = 32,
) -> ProbeReport:
    """What each layer of a network does on some batches: saturation, dead units, gradient flow.

    One forward and one backward pass a batch, in the mode the model is in. It is left as it was:
    parameters, buffers, gradients, mode, hooks, attributes, and all random numbers.

    Args:
        model: any ``torch.nn.Module``. A compiled one is run uncompiled.
        batches: each ``x``, ``(x, target)``, a tuple of the model's arguments with the target last,
            ``((a, b), target)``, or a mapping from argument names, where an entry that forward does
            not take is the target. Arrays of NumPy become tensors. A single tensor is one batch. Or the
            name of data: ``"digits"`` (scikit-learn's), a folder of pictures, in folders named by class or
            without targets, or an ``.npz`` file with inputs ``x`` and targets ``y``.
        loss: takes the output, and the target where a batch has one, and returns one number. When not
            given: the loss that the output itself holds; cross-entropy for whole-number targets; mean
            squared error for targets of floats; otherwise the mean of the outputs, each with a fixed
            random sign, whose gradient has the same size at every output. The report says which.
        optimiser: tells the size of its next step; neither it nor the weights are changed.
        targets: how many entries at the end of a batch are targets, where its length leaves it open.
        limit: at most so many batches are taken; for named data 8 unless said.
        input_shape: of one item of named data: items are reshaped, or pictures resized, to it.
        batch_size: of named data.

    Returns:
        The report: `rows`, `findings` with the cause first, `worst`, `facts()`.

    An activation called as a function is a row ``"block.relu()"``; a second call has ``"relu#2"``.

    Raises:
        InputError: no batches, a batch the model cannot be called with, a loss that is no number.
        UnsupportedError: something that is no PyTorch module, or one that does not run in Python.

    >>> layers = [torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2)]
    >>> torch.nn.init.constant_(layers[0].bias, -100.0).shape
    torch.Size([16])
    >>> report = probe(torch.nn.Sequential(*layers), torch.ones(4, 8).cumsum(0))
    >>> report.worst.name, report.worst.verdict
    ('0', 'dead')
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; at least one batch is needed")
    if optimiser is not None:
        check_optimiser(optimiser)
    model = plain_model(model)
    if isinstance(batches, str | PathLike):
        batches = named_batches(batches, input_shape, batch_size)
        limit = NAMED_LIMIT if limit is None else limit
    elif isinstance(batches, torch.Tensor):
        batches = [batches]
    found = _measured(model, islice(_iterated(batches), limit), loss, optimiser, targets)
    return built_report(found, type(model).__name__)


def _measured(
    model: torch.nn.Module,
    batches: Iterable[Any],
    loss: Callable[..., Any] | None,
    optimiser: torch.optim.Optimizer | None,
    targets: int | None,
) -> Found:
    """Every batch run, and the model put back as it was."""
    parts = Parts.of(model)
    found = Found(Observer(watched_modules(parts)), dict(parts.parameters))
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(untouched(parts, training=None, one_item=False))
        found.observer.before = stack.enter_context(Contents.kept(parts)).before
        stack.enter_context(_uncompiled(parts))
        stack.enter_context(found.observer.attached())
        reader = Reader.of(model, targets)
        for position, given in enumerate(batches):
            batch = _outside_inference(reader.read(given, position))
            _measure(model, batch, loss, found, optimiser if not position else None)
    if not found.batches:
        raise InputError("there are no batches; give at least one")
    return found


def plain_model(model: torch.nn.Module) -> torch.nn.Module:
    """The module behind a compiled one.

    Raises:
        UnsupportedError: no module, or one that does not run in Python.
        InputError: a module that was made in inference mode.
    """
    if not isinstance(model, torch.nn.Module):
        raise UnsupportedError(f"a {type(model).__name__} cannot be probed; give a torch.nn.Module")
    inner = getattr(model, "_orig_mod", None)
    if isinstance(inner, torch.nn.Module):
        model = inner
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor):
            raise InputError(f"'{name}' has no values yet; run the model once to make its lazy layers")
        if tensor.is_inference():
            raise InputError(
                f"'{name}' was made in inference mode and has no gradient; make the model outside it"
            )
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"'{path}'" if path else "the model"
            raise UnsupportedError(
                f"{where} is TorchScript, whose layers do not run in Python; probe the module it was made "
                f"from"
            )
    return model


def watched_modules(parts: Parts) -> list[tuple[str, torch.nn.Module]]:
    """The modules to watch, under the names that they have without compilation."""
    return [
        (".".join(part for part in path.split(".") if part != "_orig_mod"), module)
        for path, module in parts.modules
        if COMPUTED not in path.split(".") and not hasattr(module, "_orig_mod")
    ]


def _iterated(batches: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from batches
    except TypeError as error:
        if hasattr(batches, "__iter__"):
            raise
        raise InputError(f"batches is a {type(batches).__name__}; give an iterable of batches") from error


@contextmanager
def _uncompiled(parts: Parts) -> Iterator[None]:
    """Compiled parts run as they are written: a compiled call shows nobody its layers."""
    compiled = [
        module
        for _path, module in parts.modules
        if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
    ]
    if not compiled:
        yield
        return
    if not hasattr(torch.compiler, "set_stance"):
        raise UnsupportedError("compiled modules are probed from PyTorch 2.6 on; probe the module before it")
    with torch.compiler.set_stance("force_eager"):
        yield


def _measure(
    model: torch.nn.Module,
    batch: Batch,
    loss: Callable[..., Any] | None,
    found: Found,
    optimiser: torch.optim.Optimizer | None,
) -> None:
    """One forward and one backward pass."""
    inputs = batch.inputs()
    if not any(p.requires_grad for p in found.parameters.values()):
        batch = _reaching_inputs(batch)
        inputs = batch.inputs()
        _say(found, "Nothing in the model is trainable: gradients are followed down to its input.")
    with found.observer.watching(inputs):
        output = _called(model, batch)
        measured = measure_loss(loss, output, batch.target)
        found.observer.end_at(measured.value)
    found.batches += 1
    found.items += inputs[0].shape[0] if inputs and inputs[0].ndim else 1
    found.loss_words = measured.words
    found.losses.append(float(measured.value.detach()))
    gradients = _gradients(measured.value, inputs, found)
    found.observer.end_batch()
    for name, gradient in gradients.items():
        found.gradients.setdefault(name, Gradients()).add(gradient)
    for row, names in owners(found).items():
        for only_weights in (False, True):
            chosen = weight_names(names, found) if only_weights else names
            together = [found.gradients[name].now for name in chosen if name in gradients]
            if together:
                kept = found.row_gradients.setdefault((row, only_weights), Gradients())
                kept.now, kept.seen = math.hypot(*together), True
                kept.end_batch()
    for name in gradients:
        found.gradients[name].end_batch()
    if optimiser is not None:
        found.optimiser, found.has_scaled_steps = type(optimiser).__name__, scales_steps(optimiser)
        found.updates = update_norms(optimiser, found.parameters, gradients)


def _called(model: torch.nn.Module, batch: Batch) -> object:
    try:
        return model(*batch.args, **batch.kwargs)
    except ConvscopeError:
        raise
    except Exception as error:
        given = ", ".join("×".join(map(str, t.shape)) or "a number" for t in batch.inputs())
        told = " ".join(str(error).split())[:300]
        raise InputError(
            f"the model's forward failed on an input of {given or 'no tensors'}: "
            f"{type(error).__name__}: {told}"
        ) from error


def _reaching_inputs(batch: Batch) -> Batch:
    """The same batch, to whose inputs gradients are followed."""

    def followed(value: Tensor) -> Tensor:
        return value.detach().clone().requires_grad_() if value.is_floating_point() else value

    return batch.replaced(followed)


def _outside_inference(batch: Batch) -> Batch:
    """The same batch; tensors made in inference mode, which gradients cannot use, are copied."""
    return batch.replaced(lambda value: value.clone() if value.is_inference() else value)


def _say(found: Found, note: str) -> None:
    if note not in found.notes:
        found.notes.append(note)


def _gradients(value: Tensor, inputs: list[Tensor], found: Found) -> dict[str, Tensor]:
    """The gradient of each parameter that has one."""
    wanted = {name: p for name, p in found.parameters.items() if p.requires_grad}
    leaves: list[Tensor] = list(wanted.values()) or [t for t in inputs if t.requires_grad]
    if not value.requires_grad or not leaves:
        _say(found, "The loss does not depend on anything trainable: there are no gradients to measure.")
        return {}
    try:
        # Not backward(): nothing is added to any .grad, and nobody's hooks on one are called.
        taken = torch.autograd.grad(value, leaves, allow_unused=True)
    except RuntimeError as error:
        told = " ".join(str(error).split())[:300]
        raise InputError(f"gradients cannot be taken: {told}") from error
    return {name: gradient for name, gradient in zip(wanted, taken, strict=False) if gradient is not None}
