"""`watch`: a training loop looked at every so many steps, at a small share of its time."""

from __future__ import annotations

import math
import statistics
import time
import weakref
from collections import deque
from types import TracebackType
from typing import Any, Self

import torch

from convscope.errors import InputError, UnsupportedError
from convscope.importers.torch_parts import Parts
from convscope.probing.batches import tensors_in
from convscope.probing.network import Found, plain_model, watched_modules
from convscope.probing.observer import Gradients, Observer, functions_seen
from convscope.probing.report import ProbeReport
from convscope.probing.rows import built_report
from convscope.probing.statistics import norm
from convscope.probing.updates import check_optimiser, scales_steps

# So much of the loop's time may go to samples; where they cost more, the next one waits.
SHARE = 0.02
# A weight's step is measured on so many of its values.
STEPPED = 2**13
# Samples kept for the lines over time; where there are more, every second one is let go.
KEPT = 256
# Steps whose time is remembered to tell what a sample cost.
REMEMBERED = 32

Tensor = torch.Tensor


def watch(model: torch.nn.Module, optimiser: torch.optim.Optimizer, *, every: int = 100) -> Watch:
    """Watch a training loop: used as a context around it, it takes a sample every so many steps.

    The first step is sampled, and then every `every` steps or more rarely: a sample waits until all of them,
    itself included, are a fiftieth of the loop's time, so that watching stays below 3 % of a loop that
    runs long enough to pay for the first. Between samples two hooks of the optimiser count steps. Nothing in
    the model or the optimiser is changed, and all hooks are removed at the end whatever happens.

    Args:
        model: run by the loop as usual, with gradients enabled.
        optimiser: its steps are counted, and those of sampled steps measured.
        every: the least number of steps between samples.

    Returns:
        The watch; `report()` gives the last sample's rows and verdicts and each layer's gradient over time.

    Raises:
        UnsupportedError: a compiled model, whose layers do not run in Python.
        InputError: no optimiser, or `every` below one.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    >>> with watch(model, optimiser) as w:
    ...     for _ in range(3):
    ...         optimiser.zero_grad()
    ...         model(torch.eye(4)).mean().backward()
    ...         _ = optimiser.step()
    >>> w.report().is_healthy, w.steps
    (True, (1,))
    """
    return Watch(model, optimiser, every)


class Watch:
    """A training loop that is watched; see `watch`."""

    def __init__(self, model: torch.nn.Module, optimiser: torch.optim.Optimizer, every: int) -> None:
        check_optimiser(optimiser)
        if not isinstance(every, int) or every < 1:
            raise InputError(f"every is {every!r}; a sample is taken every one or more steps")
        if plain_model(model) is not model or _is_compiled(model):
            raise UnsupportedError(
                "the layers of a compiled model do not run in Python and cannot be watched; "
                "watch the model before torch.compile, or probe it now and then"
            )
        self._model = model
        self._optimiser = optimiser
        self._every = every
        self._handles: list[Any] = []
        self._forward_handles: list[Any] = []
        self._step = 0
        self._sampled = 0  # the step of the last sample
        self._sample: _Sample | None = None
        self._last: Found | None = None
        self._history: list[tuple[int, dict[str, float]]] = []
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._loop, self._spent, self._cost = (
            0.0,
            0.0,
            0.0,
        )  # seconds: the loop's own, all samples', the last one's
        self._since = math.nan

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that were sampled, counted from one."""
        return tuple(step for step, _norms in self._history)

    def __enter__(self) -> Self:
        self._since = time.perf_counter()
        self._handles = [
            self._optimiser.register_step_pre_hook(self._before_step),
            self._optimiser.register_step_post_hook(self._after_step),
        ]
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._forget()
        if self._sample is not None:
            self._sample.stop()
            self._sample = None

    def report(self) -> ProbeReport:
        """What the last sample showed, and each layer's gradient over all samples.

        Raises:
            InputError: no step was sampled yet.
        """
        if self._last is None:
            raise InputError("no step of the optimiser was watched yet; take one inside the block")
        report = built_report(self._last, type(self._model).__name__)
        lines = []
        for row in report.rows:
            names = [p.name for p in row.parameters]
            if names:
                line = tuple(math.hypot(*(norms.get(n, 0.0) for n in names)) for _s, norms in self._history)
                lines.append((row.name, line))
        return report.over_time(self.steps, tuple(lines))

    def _listen(self) -> None:
        """The next forward pass is to be sampled."""
        self._forward_handles = [
            self._model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            self._model.register_forward_hook(self._after_forward, always_call=True),
        ]

    def _forget(self) -> None:
        for handle in self._forward_handles:
            handle.remove()
        self._forward_handles.clear()

    # --- hooks ----------------------------------------------------------------------------------

    def _before_forward(self, _module: torch.nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        if self._sample is None and torch.is_grad_enabled():
            self._sample = _Sample(self._model)
            self._sample.start([*tensors_in(args), *tensors_in(kwargs)])

    def _after_forward(self, _module: torch.nn.Module, _args: Any, output: Any) -> None:  # noqa: ANN401
        if self._sample is not None:
            self._sample.finish_forward(output)

    def _before_step(self, *_: Any) -> None:  # noqa: ANN401
        if self._sample is not None:
            self._sample.take_gradients()

    def _after_step(self, *_: Any) -> None:  # noqa: ANN401
        self._step += 1
        sample, self._sample = self._sample, None
        if sample is not None:
            self._last = sample.finish(self._optimiser)
            self._history.append(
                (self._step, {n: g.mean for n, g in self._last.gradients.items() if g.mean is not None})
            )
            if len(self._history) > KEPT:
                self._history = self._history[::2]
        now = time.perf_counter()
        taken, self._since = now - self._since, now
        if sample is None:
            self._times.append(taken)
            self._loop += taken
            if not self._forward_handles and self._is_due():
                self._listen()
            return
        ordinary = statistics.median(self._times) if self._times else 0.0
        self._cost = max(0.0, taken - ordinary)
        self._loop, self._spent, self._sampled = self._loop + ordinary, self._spent + self._cost, self._step
        if not self._is_due():
            self._forget()

    def _is_due(self) -> bool:
        """True when the next step is to be sampled: late enough, and one more sample is paid for."""
        waited = self._step + 1 - self._sampled
        return waited >= self._every and self._spent + self._cost <= SHARE * self._loop


class _Sample:
    """One sampled step, from its forward pass to the optimiser's step."""

    def __init__(self, model: torch.nn.Module) -> None:
        parts = Parts.of(model)
        self.found = Found(Observer(watched_modules(parts)), dict(parts.parameters))
        self._root = weakref.ref(model)
        self._attached = self.found.observer.attached()
        self._mode = functions_seen(self.found.observer)
        self._is_running = False
        self._before: dict[str, Tensor] = {}

    def start(self, inputs: list[Tensor]) -> None:
        self._attached.__enter__()
        self.found.observer.begin(inputs)
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        self._is_running = True
        self.found.batches = 1
        self.found.items = inputs[0].shape[0] if inputs and inputs[0].ndim else 1

    def finish_forward(self, output: object) -> None:
        if self._is_running:
            self.found.observer.end_at(output)
            self.stop()

    def stop(self) -> None:
        """The forward pass is over, or was left."""
        if self._is_running:
            self._is_running = False
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self.found.observer.end()
            self._attached.__exit__(None, None, None)

    def take_gradients(self) -> None:
        self.stop()
        for name, parameter in self.found.parameters.items():
            if parameter.grad is not None:
                gradients = self.found.gradients.setdefault(name, Gradients())
                gradients.add(parameter.grad)
                gradients.end_batch()
                self._before[name] = _some(parameter).clone()

    def finish(self, optimiser: torch.optim.Optimizer) -> Found:
        """Everything that this step showed."""
        found = self.found
        found.observer.end_batch()
        found.optimiser, found.has_scaled_steps = type(optimiser).__name__, scales_steps(optimiser)
        for name, before in self._before.items():
            parameter = found.parameters[name]
            share = parameter.numel() / max(1, before.numel())
            found.updates[name] = norm(_some(parameter) - before) * math.sqrt(share)
        found.loss_words = "the training's own"
        return found


def _some(parameter: Tensor) -> Tensor:
    """A few thousand values of a weight, evenly spread."""
    flat = parameter.detach().reshape(-1)
    return flat[:: max(1, -(-flat.numel() // STEPPED))]


def _is_compiled(model: torch.nn.Module) -> bool:
    return any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for module in model.modules()
    )
