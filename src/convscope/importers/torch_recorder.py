"""The recording of one call of a PyTorch module, operator by operator; nothing is computed.

Every operator that the call reaches comes to `Recorder.__torch_dispatch__` before any kernel. What
it does is decided once for all calls alike (`torch_rules`), kept, and answered with tensors that
have a shape and no numbers. In inference mode operators arrive whole, as they were called: a
convolution or an attention is one operator, not what it is made of.

Weights are never copied or written to. Small tensors that do not depend on the input, such as
positions counted by `torch.arange`, are computed for real, so that a forward may read their values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.core.network import Shape, Weight
from convscope.core.operators import Rearrange, Source
from convscope.errors import ConvscopeError, InputError
from convscope.importers.torch_draft import (
    Draft,
    Scope,
    address,
    first_name,
    has_mask,
    module_of,
    rearranged,
    swapped,
)
from convscope.importers.torch_entry import META, SMALL, Call, Entry, Operation, Plan, Step, item_shape
from convscope.importers.torch_rules import HEAVY, LIKE, NEEDS_VALUES, WHOLE_MODULES, decide
from convscope.importers.torch_sequences import SEQUENCES


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records what a module does.

    Args:
        weights: the parameters and buffers of the module, by the id of their tensor.
        paths: the modules' paths, by their id.
        tensors: the parameters and buffers themselves.

    Attributes:
        drafts: the nodes made, in order; what enters has negative positions: -1, -2, …
    """

    def __init__(
        self, weights: Mapping[int, Weight], paths: Mapping[int, str], tensors: Sequence[torch.Tensor]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights = weights
        self.paths = paths
        self.tensors = tensors
        self.drafts: list[Draft] = []
        self.root = Scope("", None, 0)
        self.scopes = [self.root]
        self.inputs = 0
        self.known: dict[int, Entry] = {}
        self._plans: dict[object, Plan | None] = {}
        self._operations: dict[Any, Operation] = {}
        self._storages: dict[int, Weight] | None = None
        self.refused: BaseException | None = None  # what an operator raised last, and which
        self.refusing = ""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Leaves the dispatch method as it is: wrapped, it would load PyTorch's compiler, a second's work."""
        return False

    # --- modules ------------------------------------------------------------------------------

    def enter(self, module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        """A module is called."""
        outer = self.scopes[-1]
        outer.calls += 1
        path = self.paths.get(id(module))
        if path is None:  # made while it ran: it belongs to whom calls it
            path = f"{outer.path}.{type(module).__name__.lower()}".lstrip(".")
        if type(module) in WHOLE_MODULES:  # what it reads is made before it, not in it
            for arg in args:
                if (entry := self.known.get(id(arg))) is not None:
                    self.producer(entry)
        self.scopes.append(Scope(path, module, len(self.drafts)))

    def leave(self, module: torch.nn.Module, output: Any) -> None:  # noqa: ANN401
        """A module returns; one that made a single node gives it its name."""
        while len(self.scopes) > 1:
            scope = self.scopes.pop()
            if type(module) in WHOLE_MODULES and scope.module is module:
                self._fold(module, scope, output)
            if len(self.drafts) == scope.start:
                self.scopes[-1].calls -= 1  # it did nothing, as a parametrization of weights does
            if len(scope.nodes) == 1 and not scope.calls and scope.path:
                self.drafts[scope.nodes[0]].name = scope.path
            if scope.module is module:
                break

    def _fold(self, module: torch.nn.Module, scope: Scope, output: Any) -> None:  # noqa: ANN401
        """One node for all that a module did, which PyTorch writes as several operators."""
        made = self.known.get(id(output))
        inside = self.drafts[scope.start :]
        reads = tuple(dict.fromkeys(n for draft in inside for n in draft.reads if n < scope.start))
        if made is None or len(inside) < 2 or len(reads) != 1:
            return
        layer = WHOLE_MODULES[type(module)](module)
        if layer is None:
            return
        op = type(module).__name__.lower()
        del self.drafts[scope.start :]
        draft = Draft(layer, op, reads, scope, made.dtype, (), item_shape(made.shape))
        self.drafts.append(draft)
        scope.nodes, scope.calls = [scope.start], 0
        made.node, made.lazy, made.root = scope.start, None, None

    # --- tensors ------------------------------------------------------------------------------

    def take_input(self, tensor: torch.Tensor) -> int:
        """A tensor enters the network; its position."""
        self.inputs += 1
        self.known[id(tensor)] = Entry(tensor, tuple(tensor.shape), tensor.dtype, -self.inputs)
        return -self.inputs

    def _meet(self, tensor: torch.Tensor) -> Entry:
        """A tensor seen for the first time: a weight, or a constant that the module made or keeps."""
        weight = self.weights.get(id(tensor)) or self._weight_behind(tensor)
        entry = Entry(tensor, tuple(tensor.shape), tensor.dtype, None, computed=False)
        entry.weights = (weight,) if weight else ()
        if tensor.device.type != "meta" and tensor.numel() <= SMALL:
            entry.value = tensor
        self.known[id(tensor)] = entry
        return entry

    def _weight_behind(self, tensor: torch.Tensor) -> Weight | None:
        """The weight whose numbers this tensor shares, as `weight.data` does."""
        if self._storages is None:
            self._storages = {}
            for holder in self.tensors:
                if (place := address(holder)) != 0:
                    self._storages[place] = self.weights[id(holder)]
        return self._storages.get(address(tensor))

    def producer(self, entry: Entry) -> int | None:
        """The position of the node that made a tensor; None for a constant of one number."""
        root = entry.root
        if root is not None and entry.version != root.version:
            entry.version, entry.lazy = root.version, None
            made = self.producer(root)
            if made is not None and entry.shape != root.shape:
                made = self._add(rearranged("view", entry), (made,), self.scopes[-1])
            entry.node = made
        if entry.lazy is not None:
            make, entry.lazy = entry.lazy, None
            entry.node = make()
        if entry.node is None and not entry.computed:
            return self._source(entry)
        return entry.node

    def _source(self, entry: Entry) -> int | None:
        """A weight or constant that is read as an array."""
        if not entry.weights and set(entry.shape) <= {1}:
            return None
        named = len(entry.weights) == 1
        draft = Draft(
            Source(item_shape(entry.shape)),
            entry.label,
            (),
            self.scopes[-1],
            entry.dtype,
            entry.weights,
            name=entry.weights[0].name if named else None,
        )
        self.drafts.append(draft)
        entry.node = len(self.drafts) - 1
        return entry.node

    # --- operators ----------------------------------------------------------------------------

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        tensors: list[Entry] = []
        parts: list[object] = [func]
        known = self.known
        for arg in args:
            kind = arg.__class__
            if kind is int or arg is None:
                parts.append(arg)
            elif isinstance(arg, torch.Tensor):
                entry = known.get(id(arg)) or self._meet(arg)
                if entry.root is not None and entry.root.computed and not entry.computed:
                    entry.become_computed()
                tensors.append(entry)
                parts.append(entry.key)
            else:
                parts.append(self._part(arg, tensors))
        if kwargs:
            parts += [(name, self._part(value, tensors)) for name, value in kwargs.items()]
        operation = self._operations.get(func)
        if operation is None:
            operation = self._operations[func] = Operation.of(func)
        call = Call(operation, args, kwargs or {}, tensors)
        try:
            for entry in tensors:
                if entry.computed:
                    return self._compute(call, tuple(parts))
            return self._constant(call, tuple(parts))
        except Exception as error:
            if self.refused is None or not isinstance(error, ConvscopeError):
                self.refused, self.refusing = error, operation.name
            raise

    def _part(self, arg: Any, tensors: list[Entry]) -> object:  # noqa: ANN401
        """What of an argument decides about the shape of the result."""
        if isinstance(arg, torch.Tensor):
            entry = self.known.get(id(arg)) or self._meet(arg)
            if entry.root is not None and entry.root.computed and not entry.computed:
                entry.become_computed()
            tensors.append(entry)
            return entry.key
        if isinstance(arg, list | tuple):
            return tuple([self._part(one, tensors) for one in arg])
        return arg if arg is None or arg.__class__ is int else (arg.__class__, arg)

    def _compute(self, call: Call, key: tuple[object, ...]) -> Any:  # noqa: ANN401
        """An operator that depends on the input, or that multiplies weights."""
        operation = call.operation
        name = operation.name
        if name in LIKE:
            return self._constant_like(call)
        if name in NEEDS_VALUES or (name == "index" and has_mask(call)):
            raise InputError(
                f"'{name}' reads the values of a tensor that depends on the input; the network is recorded "
                "without values, so what follows from them cannot be known"
            )
        if not operation.gives_tensors and not operation.written:
            return self._ask(call)
        if name in SEQUENCES:
            return SEQUENCES[name](self, call)
        try:
            plan = self._plans[key]
        except (KeyError, TypeError):
            plan = decide(call)
            with contextlib.suppress(TypeError):  # an argument without a hash
                self._plans[key] = plan
        if plan is None:
            with self:
                return operation.func.decompose(*call.args, **call.kwargs)
        if operation.written:
            return self._write(call, plan)
        return self.answer(call, plan)

    def answer(self, call: Call, plan: Plan) -> Any:  # noqa: ANN401
        """Make the nodes of a plan, and the tensors it returns."""
        tensors = call.tensors
        node: int | None = None
        if not plan.lazy:
            node = self._steps(plan.steps, tensors) if plan.steps else None
        made: list[torch.Tensor] = []
        # PyTorch keeps count of the writes to views of ordinary tensors, and lets no other stand for one.
        ordinary = plan.view and bool(tensors) and not tensors[0].tensor.is_inference()
        for number, (shape, dtype) in enumerate(plan.outputs):
            if ordinary:
                with torch.inference_mode(mode=False):
                    tensor = torch.empty(shape, dtype=dtype, device=META)
            else:
                tensor = torch.empty(shape, dtype=dtype, device=META)
            entry = Entry(tensor, shape, dtype, node)
            self.known[id(tensor)] = entry
            made.append(tensor)
            if plan.lazy or number:
                entry.lazy = self._later(plan, number, node, tensors)
            elif not plan.steps:
                source = tensors[plan.alias]
                entry.node, entry.lazy = self.producer(source), None
            if plan.view and tensors:
                self._join(entry, tensors[0])
        return made[0] if plan.kind == "one" else tuple(made) if plan.kind == "tuple" else made

    def _join(self, view: Entry, base: Entry) -> None:
        """`view` shares its cells with `base`: what is written to one is read from the other."""
        view.root = base.root or base
        view.version = view.root.version

    def _later(self, plan: Plan, number: int, node: int | None, tensors: list[Entry]) -> Any:  # noqa: ANN401
        """Makes the node of a second output, or of one part of a split, when it is asked for."""
        scope = self.scopes[-1]
        shape, dtype = plan.outputs[number]
        if plan.lazy:
            step = plan.steps[0]
            reads = [self.producer(tensors[n]) for n in step.reads]  # as it is now, before later writes
        else:
            reads = [node]
        op = plan.steps[0].op if plan.lazy else plan.rest

        def make() -> int:
            layer = Rearrange(op, item_shape(shape))
            return self._add(Draft(layer, op, (), scope, dtype), tuple(n for n in reads if n is not None))

        return make

    def _steps(self, steps: tuple[Step, ...], tensors: list[Entry], *, in_place: bool = False) -> int:
        scope = self.scopes[-1]
        node = 0
        for step in steps:
            reads: list[int] = []
            for position in step.reads:
                read = node if position < 0 else self.producer(tensors[position])
                if read is not None:
                    reads.append(read)
            weights: tuple[Weight, ...] = ()
            if step.weights:
                weights = tuple([w for n in step.weights for w in tensors[n].weights])
            draft = Draft(
                step.layer, step.op, tuple(reads), scope, step.dtype, weights, step.recorded, in_place
            )
            if weights:
                draft.name = module_of(weights[0].name, scope.path)
            self.drafts.append(draft)
            node = len(self.drafts) - 1
            scope.nodes.append(node)
        return node

    def _add(self, draft: Draft, reads: tuple[int, ...], scope: Scope | None = None) -> int:
        draft.reads = reads
        draft.scope = scope or draft.scope
        self.drafts.append(draft)
        return len(self.drafts) - 1

    @staticmethod
    def _ask(call: Call) -> Any:  # noqa: ANN401
        """A check of values, which has none to look at, or a question about dtype or device."""
        return call.run_on_meta() if call.operation.func._schema.returns else None  # noqa: SLF001

    # --- writing ------------------------------------------------------------------------------

    def _write(self, call: Call, plan: Plan) -> Any:  # noqa: ANN401
        """An operator that overwrites its argument: the tensor is what the new node made from here on."""
        targets = [entry for name in call.operation.written if (entry := call.entry(name)) is not None]
        in_place = call.operation.is_in_place
        node = self._steps(plan.steps, call.tensors, in_place=in_place) if plan.steps else None
        if node is None:
            node = self.producer(call.tensors[plan.alias])
        for number, entry in enumerate(targets):
            if not entry.computed:
                entry.become_computed()
            if number < len(plan.outputs) and not in_place:
                self._resize(entry, plan.outputs[number][0])
            self._written(entry, node)
        if in_place:
            return call.args[0]
        given = [call[name] for name in call.operation.written]
        return given[0] if len(given) == 1 else tuple(given)

    def _resize(self, entry: Entry, shape: Shape) -> None:
        """An `out` tensor takes the shape of what is written to it."""
        if entry.shape != shape and entry.tensor.device.type == "meta":
            entry.tensor.resize_(shape)
            entry.shape, entry.key = shape, (shape, entry.dtype, True)

    def _written(self, entry: Entry, node: int | None) -> None:
        root = entry.root
        if root is None:
            entry.node, entry.lazy = node, None
            entry.version += 1
            return
        if entry.version != root.version:
            self.producer(entry)
        entry.node, entry.lazy = node, None
        if entry.shape == root.shape:
            if not root.computed:
                root.become_computed()
            root.node, root.lazy = node, None
        else:
            before, scope = self.producer(root), self.scopes[-1]
            if not root.computed:
                root.become_computed()
            reads = tuple(n for n in (before, node) if n is not None)
            root.lazy = lambda: self._add(rearranged("write", root), reads, scope)
        root.version += 1
        entry.version = root.version

    # --- constants ----------------------------------------------------------------------------

    def _constant(self, call: Call, key: tuple[object, ...]) -> Any:  # noqa: ANN401
        """An operator whose result does not depend on the input."""
        operation = call.operation
        weights = tuple(dict.fromkeys(w for entry in call.tensors for w in entry.weights))
        if weights and operation.name in HEAVY:
            return self._compute(call, key)
        if operation.name in LIKE:
            return self._constant_like(call)
        if operation.written:
            return self._write_constant(call)
        if operation.has_device and not call.tensors:
            return self._made(call)
        if operation.name in NEEDS_VALUES and any(entry.value is None for entry in call.tensors):
            raise InputError(
                f"'{operation.name}' reads the values of {first_name(weights)}, which is too large to be read"
            )
        if operation.is_view or all(entry.value is not None for entry in call.tensors):
            return self._really(call, weights)
        if not operation.gives_tensors:
            return self._ask(call)
        if operation.is_composite and not operation.is_view and operation.name not in _WHOLE:
            with self:
                return operation.func.decompose(*call.args, **call.kwargs)
        outputs, kind = call.meta_outputs()
        made = [torch.empty(shape, dtype=dtype, device=META) for shape, dtype in outputs]
        for tensor in made:
            self.keep(tensor, weights, operation.name, value=None)
        return made[0] if kind == "one" else tuple(made) if kind == "tuple" else made

    def _really(self, call: Call, weights: tuple[Weight, ...]) -> Any:  # noqa: ANN401
        """Run an operator on small real tensors, or take a view, which computes nothing."""
        operation = call.operation
        values = {id(e.tensor): e.value for e in call.tensors if e.value is not None}
        swap = {key: value for key, value in values.items() if id(value) != key}
        args, kwargs = call.args, call.kwargs
        if swap:
            args, kwargs = swapped(args, swap), swapped(kwargs, swap)
        result = operation.func(*args, **kwargs)
        base = call.tensors[0] if operation.is_view and call.tensors else None
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and id(tensor) not in self.known:
                small = tensor.device.type != "meta" and tensor.numel() <= SMALL
                has_values = small and (base is None or base.value is not None or base.tensor is not tensor)
                entry = self.keep(tensor, weights, operation.name, value=tensor if has_values else None)
                entry.ours = base is None or base.ours
                if base is not None:
                    self._join(entry, base)
                    entry.label = base.label if base.label != "constant" else entry.label
        return result

    def keep(
        self, tensor: torch.Tensor, weights: tuple[Weight, ...], label: str, *, value: torch.Tensor | None
    ) -> Entry:
        """Note a tensor made on the way that does not depend on the input, with its numbers if known."""
        entry = Entry(tensor, tuple(tensor.shape), tensor.dtype, None, computed=False)
        entry.weights, entry.label, entry.value, entry.ours = weights, label, value, True
        self.known[id(tensor)] = entry
        return entry

    def _made(self, call: Call) -> Any:  # noqa: ANN401
        """A tensor made from nothing: real if small, whatever device was asked for."""
        found = Call(call.operation, call.args, {**call.kwargs, "device": META}).run_on_meta()
        if isinstance(found, torch.Tensor) and found.numel() <= SMALL:
            found = call.operation.func(*call.args, **{**call.kwargs, "device": torch.device("cpu")})
        value = found if found.device.type != "meta" else None
        self.keep(found, (), call.operation.name, value=value)
        return found

    def _constant_like(self, call: Call) -> Any:  # noqa: ANN401
        """A tensor with the shape of another, and numbers of its own."""
        found = call.run_on_meta()
        if isinstance(found, torch.Tensor) and found.numel() <= SMALL:
            kwargs = {**call.kwargs, "device": torch.device("cpu")}
            found = call.operation.func(*call.args, **kwargs)
        self.keep(found, (), call.operation.name, value=found if found.device.type != "meta" else None)
        return found

    def _write_constant(self, call: Call) -> Any:  # noqa: ANN401
        """Numbers written over numbers; the user's own tensors keep theirs, a copy takes the new ones."""
        operation = call.operation
        targets = [entry for name in operation.written if (entry := call.entry(name)) is not None]
        if all(entry.value is not None for entry in call.tensors):
            for entry in targets:
                if not entry.ours and entry.value is not None:
                    entry.value, entry.ours = entry.value.clone(), True
            swap = {id(e.tensor): e.value for e in call.tensors if e.value is not e.tensor}
            operation.func(*swapped(call.args, swap), **swapped(call.kwargs, swap))
            for entry in targets:
                entry.shape = tuple(entry.value.shape) if entry.value is not None else entry.shape
        else:
            for entry in targets:
                entry.value = None
        if operation.is_in_place:
            return call.args[0]
        given = [call[name] for name in operation.written]
        return given[0] if len(given) == 1 else tuple(given)


# Operators made of others that are constants as a whole: their parts would only cost time.
_WHOLE = frozenset({"to", "reshape", "contiguous", "flatten", "type_as", "expand_as"})
