"""A network recorded from a PyTorch module: one call, without numbers, every operator as it runs."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from torch.nn.modules import module as hooks

from convscope.core.network import MAX_NAME, MAX_NODES, Graph, Input, Node
from convscope.core.operators import Source
from convscope.core.pointwise import Identity
from convscope.errors import ConvscopeError, InputError, ShapeError
from convscope.importers.torch_draft import Draft
from convscope.importers.torch_entry import dtype_name, item_shape
from convscope.importers.torch_inputs import Arguments, arguments_of, tensors_in
from convscope.importers.torch_parts import Parts
from convscope.importers.torch_recorder import Recorder
from convscope.importers.torch_untouched import collector_resting, untouched
from convscope.rules.network import Network


def read_model(
    module: torch.nn.Module,
    input_shape: Any = None,  # noqa: ANN401
    inputs: Any = None,  # noqa: ANN401
    *,
    training: bool | None = None,
) -> Network:
    """The network that one call of the module is.

    Args:
        module: recorded in the mode it is in unless `training` says; its parameters, buffers,
            statistics, hooks, mode and the random numbers are afterwards as before.
        input_shape: of one item without its batch axis, or several of them, or by argument name.
        inputs: instead, examples to call it with: a tensor, a tuple, a dictionary, or a tuple of both.
            Their values are not looked at. Where they hold several items, one is recorded.
        training: record as in training, or as at inference.

    Raises:
        InputError: a call that fails or that depends on values, led by where.
        ShapeError: operators that refuse the shapes they get.
    """
    if inputs is None and any(isinstance(t, torch.Tensor) for t in tensors_in(input_shape)):
        input_shape, inputs = None, input_shape
    with collector_resting():
        return Network(_read_graph(_unwrapped(module), input_shape, inputs, training=training))


def _read_graph(module: torch.nn.Module, input_shape: Any, inputs: Any, *, training: bool | None) -> Graph:  # noqa: ANN401
    parts = Parts.of(module)
    recorder = Recorder(parts.weights(), parts.paths(), parts.tensors())
    arguments = arguments_of(module, parts, input_shape, inputs)
    for _name, tensor in arguments.tensors:
        recorder.take_input(tensor)
    try:
        with untouched(parts, training=training), _watched(recorder), torch.inference_mode(), recorder:
            returned = module(*arguments.args, **arguments.kwargs)
            outputs = [entry for t in _returned(returned) if (entry := recorder.known.get(id(t)))]
            ends = [recorder.producer(entry) for entry in outputs if entry.computed]
    except ConvscopeError as error:
        raise error.within(_place(recorder, error)) from None
    except Exception as error:
        raise _failed(recorder, error, input_shape) from error
    return _graph(module, recorder, arguments, [n for n in ends if n is not None])


# PyTorch's wrappers, and where each keeps the module it wraps.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
}


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The module inside a compiled or a data-parallel one."""
    name = _WRAPPERS.get(type(module).__name__)
    inner = getattr(module, name, None) if name else None
    return _unwrapped(inner) if isinstance(inner, torch.nn.Module) else module


class _watched(ExitStack):  # noqa: N801 - used as a function
    """Tells the recorder of every module that is called, and stops telling whatever happens."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __enter__(self) -> Self:
        recorder = self._recorder
        enter, leave = recorder.enter, recorder.leave
        handles = (
            hooks.register_module_forward_pre_hook(enter),
            hooks.register_module_forward_hook(lambda module, args, output: leave(module, output)),  # noqa: ARG005
        )
        for handle in handles:
            self.callback(handle.remove)
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
            # Functions that the user has compiled run as they are written, for otherwise nothing is seen.
            self.enter_context(torch.compiler.set_stance("force_eager"))
            self.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="Using `torch.compile")  # of the hooks above
        return self


def _returned(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:  # noqa: ANN401
    """The tensors in whatever a forward returns."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth > 8 or isinstance(value, str | bytes | int | float | type(None)):
        return
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _returned(entry, depth + 1)
    elif isinstance(value, list | tuple | set):
        for entry in value:
            yield from _returned(entry, depth + 1)
    elif hasattr(value, "__dict__"):
        yield from _returned(vars(value), depth + 1)


# --- what goes wrong --------------------------------------------------------------------------


def _place(recorder: Recorder, error: BaseException) -> str:
    """Where in the network and in whose file it happened."""
    path = recorder.scopes[-1].path
    line = _line_of(error.__traceback__)
    return (f"in '{path}'" if path else "in the module") + (f" ({line})" if line else "")


def _line_of(trace: types.TracebackType | None) -> str:
    """The innermost line of the user's own code: none of PyTorch's, none of convscope's."""
    own = str(Path(__file__).parent.parent)
    libraries = (str(Path(torch.__file__).parent), own)
    found = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((*libraries, "<frozen")):
            found = f"{Path(name).name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


# What PyTorch says when someone reads the numbers of a tensor that has none.
_VALUES_READ = ("meta device type tensor to numpy", "unallocated storage", "out of meta tensor")


def _failed(recorder: Recorder, error: Exception, input_shape: Any) -> ConvscopeError:  # noqa: ANN401
    told = " ".join(str(error).split())[:500] or type(error).__name__
    refused = recorder.refused is error
    kind = ShapeError if refused else InputError
    what = recorder.refusing if refused else f"the call failed: {type(error).__name__}"
    hint = ""
    if any(sign in told for sign in _VALUES_READ):
        what = "values of a tensor are read, and the network is recorded without values"
    if isinstance(input_shape, list | tuple) and input_shape and input_shape[0] == 1 and len(input_shape) > 1:
        hint = "; input_shape is that of one item, without the batch axis: is its first 1 one too many?"
    return kind(f"{_place(recorder, error)}: {what}: {told}{hint}")


# --- the graph --------------------------------------------------------------------------------


def _graph(module: torch.nn.Module, recorder: Recorder, arguments: Arguments, ends: list[int]) -> Graph:
    drafts = recorder.drafts
    if len(drafts) > MAX_NODES:
        raise InputError(f"the network has {len(drafts)} layers; at most {MAX_NODES} are read")
    if not ends:
        raise InputError("the call returned no tensor that depends on its inputs")
    if not drafts:  # a network that gives back what it gets
        drafts = [Draft(Identity(), "identity", (ends[0],), recorder.root, arguments.tensors[0][1].dtype)]
        ends = [0]
    entering = tuple(
        Input(_clean(name), item_shape(tuple(tensor.shape))) for name, tensor in arguments.tensors
    )
    names = _names(drafts, [entry.name for entry in entering])
    of = {-1 - n: entry.name for n, entry in enumerate(entering)} | dict(enumerate(names))
    nodes = [
        Node(
            name,
            draft.layer,
            tuple([of[n] for n in draft.reads]),
            "",
            draft.weights,
            draft.recorded,
            draft.in_place,
            dtype_name(draft.dtype),
            type(draft.scope.module).__name__ if draft.scope.module is not None else "",
        )
        for name, draft in zip(names, drafts, strict=True)
    ]
    nodes += _unread(recorder, {w.name for d in drafts for w in d.weights}, set(of.values()))
    outputs = tuple(dict.fromkeys(of[n] for n in ends))
    return Graph(entering, tuple(nodes), outputs, type(module).__name__)


def _unread(recorder: Recorder, read: set[str], taken: set[str]) -> Iterator[Node]:
    """Parameters that the module has and this call does not read, as those of heads used in training."""
    for weight in recorder.weights.values():
        if weight.is_parameter and weight.name not in read and weight.size:
            name = _free_name(_clean(weight.name), taken)
            yield Node(name, Source(weight.shape or (1,)), (), "", (weight,), dtype=weight.dtype)


def _names(drafts: list[Draft], taken_before: list[str]) -> list[str]:
    """Every node's name: its module's, or its module's and what it does; later ones alike are numbered."""
    taken = set(taken_before)
    counts: dict[str, int] = {}
    names: list[str] = []
    for draft in drafts:
        scope = draft.scope.path
        base = draft.name or (f"{scope}.{draft.op}" if scope else draft.op)
        name = base
        while name in taken:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
        taken.add(name)
        names.append(name)
    if all(name.isprintable() and len(name) <= MAX_NAME for name in names):
        return names
    taken = set(taken_before)
    return [_free_name(_clean(name), taken) for name in names]


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _clean(name: str) -> str:
    """A name that can be shown on one line."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name) or "unnamed"
    return shown if len(shown) <= MAX_NAME - 8 else f"…{shown[-(MAX_NAME - 16) :]}"
