"""The step that an optimiser would take next, taken on copies."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from typing import Any

import torch

from convscope.errors import InputError, UnsupportedError
from convscope.probing.statistics import norm

Tensor = torch.Tensor


def check_optimiser(optimiser: object) -> None:
    """Refuse what is none.

    Raises:
        InputError: no optimiser of PyTorch.
    """
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise InputError(f"a {type(optimiser).__name__} is no optimiser; give a torch.optim.Optimizer")


def update_norms(
    optimiser: torch.optim.Optimizer,
    parameters: Mapping[str, torch.nn.Parameter],
    gradients: Mapping[str, Tensor],
) -> dict[str, float]:
    """The norm of the change that the next step would make to each parameter, by its name.

    Copies of a parameter and its state are stepped, one parameter at a time; the optimiser, its state,
    its hooks and the schedulers that wrap it see nothing.

    Raises:
        InputError: an optimiser of another model's parameters.
        UnsupportedError: an optimiser that calls the model itself, or cannot step on copies.
    """
    if isinstance(optimiser, torch.optim.LBFGS):
        raise UnsupportedError("LBFGS calls the model within a step: its step cannot be told beforehand")
    names = {id(p): name for name, p in parameters.items()}
    found: dict[str, float] = {}
    held = [(group, p) for group in optimiser.param_groups for p in group["params"]]
    if not any(id(p) in names for _group, p in held):
        raise InputError("none of the optimiser's parameters is the model's")
    for group, parameter in held:
        name = names.get(id(parameter))
        if name is not None and name in gradients:
            found[name] = _step(optimiser, group, parameter, gradients[name])
    return found


def scales_steps(optimiser: torch.optim.Optimizer) -> bool:
    """Whether steps are more than the learning rate times the gradient: scaled, or gathered as momentum."""
    gathered = any("momentum_buffer" in state for state in optimiser.state.values())
    return gathered or not isinstance(optimiser, torch.optim.SGD)


def _step(
    optimiser: torch.optim.Optimizer, group: dict[str, Any], parameter: Tensor, gradient: Tensor
) -> float:
    double = parameter.detach().clone().requires_grad_()
    double.grad = gradient.detach().clone()
    stand_in = copy.copy(optimiser)
    inner = vars(stand_in)
    for wrapped in ("step", "zero_grad"):  # a scheduler's wrapper would step the optimiser itself
        inner.pop(wrapped, None)
    for name in [name for name in inner if name.endswith("_hooks")]:
        inner[name] = OrderedDict()
    state = optimiser.state.get(parameter)
    inner["state"] = defaultdict(dict, {double: copy.deepcopy(state)} if state is not None else {})
    options = {
        key: copy.deepcopy(value) for key, value in group.items() if key not in {"params", "param_names"}
    }
    inner["param_groups"] = [{**options, "params": [double]}]
    try:
        with torch.no_grad():
            type(optimiser).step(stand_in)
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            f"{type(optimiser).__name__} cannot step on a copy: {type(error).__name__}: {told}"
        ) from error
    return norm(double.detach() - parameter.detach())
