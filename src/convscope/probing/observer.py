"""A running model watched: hooks that are removed whatever happens, and every function that it calls."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode

from convscope.probing.activations import ACTIVATIONS, Activation, settled, slopes
from convscope.probing.batches import tensors_in
from convscope.probing.flow import Flow
from convscope.probing.statistics import Firing, Moments, Sample, Spread, absorb, norm, settle

Tensor = torch.Tensor
# Layers whose channels come last; elsewhere they follow the items.
CHANNELS_LAST = (
    torch.nn.Linear,
    torch.nn.LayerNorm,
    torch.nn.Embedding,
    torch.nn.EmbeddingBag,
    torch.nn.MultiheadAttention,
    torch.nn.RNNBase,
    torch.nn.Bilinear,
)
NORMS = (
    torch.nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the common base of batch and instance norms
    torch.nn.LayerNorm,
    torch.nn.GroupNorm,
    torch.nn.LocalResponseNorm,
    torch.nn.RMSNorm if hasattr(torch.nn, "RMSNorm") else torch.nn.LayerNorm,
)
ACTIVATION_MODULES = tuple(
    getattr(torch.nn, name)
    for name in torch.nn.modules.activation.__all__
    if name != "MultiheadAttention" and hasattr(torch.nn, name)
)
# What these return holds the numbers that they got.
PLUMBING = (
    torch.nn.modules.dropout._DropoutNd,  # noqa: SLF001 - the common base of all dropouts
    torch.nn.Flatten,
    torch.nn.Unflatten,
    torch.nn.Identity,
)
# The model itself where it has parameters of its own, or is a single layer.
MODEL = "(model)"
# Weights that are computed from others stand under this name; they belong to the layer that holds them.
COMPUTED = "parametrizations"
# Calls of one activation module beyond so many share a row.
MOST_CALLS = 16


@dataclass
class Gradients:
    """Norms of a gradient, batch by batch."""

    total: float = 0.0
    batches: int = 0
    is_finite: bool = True
    now: float = 0.0
    seen: bool = False

    def add(self, gradient: Tensor) -> None:
        """One of the tensors of this batch."""
        self.now = math.hypot(self.now, norm(gradient))
        self.seen = True

    def end_batch(self) -> None:
        """Take the batch in."""
        if self.seen:
            self.total += self.now
            self.batches += 1
            self.is_finite = self.is_finite and math.isfinite(self.now)
        self.now, self.seen = 0.0, False

    @property
    def mean(self) -> float | None:
        """The mean over the batches; None where no gradient came."""
        return self.total / self.batches if self.batches else None


@dataclass
class Watched:
    """What is kept of one layer, batch by batch."""

    name: str
    path: str
    kind: str
    module: torch.nn.Module | None
    axis: int
    moments: Moments = field(default_factory=Moments)
    spread: Spread | None = None
    firing: Firing | None = None
    gradients: Gradients = field(default_factory=Gradients)
    calls: int = 0
    shape: tuple[int, ...] = ()
    needs_gradient: bool = False

    @property
    def is_norm(self) -> bool:
        """Whether it divides by the spread of what it gets."""
        return isinstance(self.module, NORMS)

    def take(self, output: Tensor, size: Sample) -> None:
        """The statistics of one output."""
        values = output.detach()
        if values.dtype in {torch.float16, torch.bfloat16}:
            values = values.float()
        self.calls += 1
        self.shape = tuple(output.shape)
        self.moments.add(values)
        if values.ndim >= 2:
            width = values.shape[self.axis]
            if self.spread is None:
                # What a normalisation gets has the same directions: they are taken once.
                self.spread = Spread(width, size, has_covariance=not self.is_norm)
            if self.spread.width == width:
                self.spread.add(values, self.axis)


class Observer:
    """Rows of a model's layers, filled while it runs inside `watching()`.

    Args:
        paths: the modules that are watched with their paths, outer ones first.
    """

    def __init__(self, paths: list[tuple[str, torch.nn.Module]]) -> None:
        self.modules = paths
        self.rows: dict[str, Watched] = {}
        self.numbers: dict[str, int] = {}
        self.flow = Flow()
        self.inputs: list[Watched] = []
        self._paths = {id(module): path for path, module in paths}
        self._leaves = {id(module) for _path, module in paths if not _children(module)}
        self._has_own = {id(module) for _path, module in paths if _has_parameters(module)}
        self._size = Sample.for_layers(len(self._leaves))
        self._stack: list[torch.nn.Module] = []
        self._counts: dict[str, int] = {}
        self._sources: dict[int, tuple[weakref.ref[Tensor], int, int]] = {}
        self._last = 0
        self._is_first = True
        self._is_on = False
        self._handles: list[Any] = []
        self.before: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], None] | None = None
        self._fired: weakref.ref[Tensor] | None = None  # what the last activation returned

    # --- a batch --------------------------------------------------------------------------------

    @contextmanager
    def attached(self) -> Iterator[Self]:
        """Hooks on every module, removed whatever happens."""
        try:
            for _path, module in self.modules:
                self._handles.append(module.register_forward_pre_hook(self._enter))
                self._handles.append(module.register_forward_hook(self._leave))
            yield self
        finally:
            self.detach()

    def detach(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @contextmanager
    def watching(self, inputs: list[Tensor]) -> Iterator[None]:
        """One forward pass and its loss are watched."""
        self.begin(inputs)
        try:
            with functions_seen(self):
                yield
        finally:
            self.end()

    def begin(self, inputs: list[Tensor]) -> None:
        """A forward pass begins."""
        self._is_on = True
        self._stack.clear()
        self._counts.clear()
        self._sources.clear()
        for position, tensor in enumerate(inputs):
            if self._is_first:
                self.flow.add(None, 0)
                self.inputs.append(Watched(f"input {position}", "", "input", None, 1))
            if position >= len(self.inputs):
                continue
            self._note(tensor, 1 << position, 1)
            if tensor.is_floating_point() and tensor.numel():
                self.inputs[position].take(tensor, self._size)
        self._last = (1 << len(inputs)) - 1

    def end(self) -> None:
        """The forward pass is over; what runs again while gradients are taken is not watched."""
        self._is_on = False
        self._sources.clear()
        self._is_first = False

    def end_at(self, value: object) -> None:
        """The loss, or whatever else gradients start from, was made."""
        if self._is_first:
            self.flow.ends = self._sources_of(list(tensors_in(value)))

    def end_batch(self) -> None:
        """Gradients of this batch are complete."""
        for row in self.rows.values():
            row.gradients.end_batch()
        absorb(self._spreads())

    def _spreads(self) -> list[Spread]:
        every = (*self.inputs, *self.rows.values())
        return [row.spread for row in every if row.spread is not None]

    def settled(self) -> Self:
        """Everything that is worked out from sums, once the last batch is in."""
        settle(self._spreads())
        return self

    # --- modules --------------------------------------------------------------------------------

    def _enter(self, module: torch.nn.Module, _args: Any) -> None:  # noqa: ANN401
        if self._is_on:
            self._stack.append(module)
            self._fired = None

    def _leave(self, module: torch.nn.Module, args: Any, output: Any) -> None:  # noqa: ANN401
        if not self._is_on or not self._stack:
            return
        with torch._C.DisableTorchFunction(), torch.no_grad():  # noqa: SLF001 - as PyTorch's notes on modes advise
            self._left(module, args, output)

    def _left(self, module: torch.nn.Module, args: Any, output: Any) -> None:  # noqa: ANN401
        while self._stack and self._stack.pop() is not module:
            pass  # a module whose forward was left by an exception that its caller caught
        if id(module) not in self._leaves and id(module) not in self._has_own:
            self._pass_on(args, output)
            return
        self._returned(module, args, output)

    def _returned(self, module: torch.nn.Module, args: Any, output: Any) -> None:  # noqa: ANN401
        """A layer has returned."""
        tensors = list(tensors_in(output))
        main = next((t for t in tensors if t.is_floating_point()), None)
        fired = self._fired() if self._fired is not None else None
        if main is None or main is fired or _is_same(main, args) or isinstance(module, PLUMBING):
            self._pass_on(args, output)
            return
        path = self._paths[id(module)]
        name = self._name(path or MODEL, once=id(module) in self._has_own)
        axis = -1 if main.ndim > 2 and isinstance(module, CHANNELS_LAST) else 1
        row = self._row(name, path, type(module).__name__, module, axis)
        known = self._known(main)
        reads = known[0] if known is not None else self._sources_of(list(tensors_in(args)))
        self._ran(row, main, tensors, reads)

    # --- functions ------------------------------------------------------------------------------

    def called(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a function of PyTorch, and watch it where it is an activation."""
        if self._is_on and self.before is not None:
            self.before(function, args, kwargs)
        activation = ACTIVATIONS.get(function)
        if not self._is_on or activation is None or not (args and isinstance(args[0], Tensor)):
            output = function(*args, **kwargs)
            if self._is_on:
                self._pass_on((args, kwargs), output)
            return output
        given = activation.given(args, kwargs)
        activation = settled(activation, given)
        reads, axis = self._sources_of([args[0]]), self._axis_of(args[0])
        found = slopes(function, args, kwargs) if activation.slope is None else None
        output = function(*args, **kwargs)
        if isinstance(output, Tensor) and output.is_floating_point():
            self._activated(activation, given, found, output, reads, axis)
        return output

    def _activated(
        self,
        activation: Activation,
        given: dict[str, Any],
        found: Tensor | None,
        output: Tensor,
        reads: int,
        axis: int,
    ) -> None:
        module = self._stack[-1] if self._stack else None
        path = self._paths.get(id(module), "") if module is not None else ""
        is_module = isinstance(module, ACTIVATION_MODULES) and id(module) in self._leaves
        if is_module:
            base, kind = path or MODEL, type(module).__name__
        else:
            base, kind = f"{path}.{activation.name}()".lstrip("."), activation.name
        row = self._row(self._name(base), path, kind, module if is_module else None, axis)
        if row.firing is None:
            row.firing = Firing(activation)
        values = output.detach()
        if values.dtype in {torch.float16, torch.bfloat16}:
            values = values.float()
        row.firing.add(values, given, found, axis)
        self._ran(row, output, [output], reads)
        self._fired = weakref.ref(output)

    # --- rows -----------------------------------------------------------------------------------

    def _name(self, base: str, *, once: bool = False) -> str:
        """The name of a row: layers with parameters have one, others one a call."""
        if once:
            return base
        count = min(self._counts.get(base, 0) + 1, MOST_CALLS)
        self._counts[base] = count
        return base if count == 1 else f"{base}#{count}"

    def _row(self, name: str, path: str, kind: str, module: torch.nn.Module | None, axis: int) -> Watched:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = Watched(name, path, kind, module, axis)
            self.numbers[name] = len(self.numbers)
        return row

    def _ran(self, row: Watched, output: Tensor, outputs: list[Tensor], reads: int) -> None:
        row.take(output, self._size)
        if self._is_first:
            node = self.flow.add(self.numbers[row.name], reads)
            for tensor in outputs:
                self._note(tensor, 1 << node, row.axis)
            self._last = 1 << node
        else:
            for tensor in outputs:
                self._note(tensor, 0, row.axis)
        if output.requires_grad:
            row.needs_gradient = True
            output.register_hook(row.gradients.add)  # type: ignore[no-untyped-call]

    # --- where tensors come from ----------------------------------------------------------------

    def _note(self, tensor: Tensor, sources: int, axis: int) -> None:
        self._sources[id(tensor)] = (weakref.ref(tensor), sources, axis)

    def _known(self, tensor: Tensor) -> tuple[int, int] | None:
        entry = self._sources.get(id(tensor))
        return None if entry is None or entry[0]() is not tensor else entry[1:]

    def _sources_of(self, tensors: list[Tensor]) -> int:
        """The nodes that tensors come from; the last one where a tensor was made unseen."""
        mask = 0
        for tensor in tensors:
            known = self._known(tensor)
            if known is not None:
                mask |= known[0]
            elif tensor.grad_fn is not None:
                mask |= self._last
        return mask

    def _axis_of(self, tensor: Tensor) -> int:
        known = self._known(tensor)
        return known[1] if known is not None and tensor.ndim > 2 else 1

    def _pass_on(self, arguments: object, output: object) -> None:
        """What a function or a module that is no row of its own returns comes from where its arguments do."""
        if not isinstance(output, Tensor | list | tuple | Mapping):
            return
        made = list(tensors_in(output))
        if not made:
            return
        given = list(tensors_in(arguments))
        sources, axis = self._sources_of(given), None
        for tensor in given:
            known = self._known(tensor)
            if known is not None:
                axis = known[1]
                break
        for tensor in made:
            own = self._known(tensor)
            if (
                own is None
                or tensor.grad_fn is None
                or (isinstance(output, Tensor) and _is_same(output, arguments))
            ):
                self._note(tensor, sources, 1 if axis is None else axis)


class _Functions(TorchFunctionMode):
    """Every function of PyTorch that is called goes by the observer."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        return self._observer.called(func, args, kwargs or {})


def functions_seen(observer: Observer) -> TorchFunctionMode:
    """While it is entered, the functions of PyTorch that are called go by the observer."""
    return _Functions(observer)


def _children(module: torch.nn.Module) -> bool:
    inner = module._modules.items()  # noqa: SLF001 - its public form walks on
    return any(child is not None for name, child in inner if name != COMPUTED)


def _has_parameters(module: torch.nn.Module) -> bool:
    return any(p is not None for p in module._parameters.values())  # noqa: SLF001


def _is_same(tensor: Tensor, arguments: object) -> bool:
    """Whether a tensor is one of the arguments, handed back or written to in place."""
    return any(tensor is other for other in tensors_in(arguments))
