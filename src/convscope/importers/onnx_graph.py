"""From an ONNX graph to ours: constants worked out, each operator planned once, layers named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convscope.core.network import MAX_NODES, Graph, Input, Node, Shape, Weight
from convscope.core.operators import Source
from convscope.core.pointwise import Identity
from convscope.core.structural import Linear
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.importers.onnx_attributes import attributes_of, call_key
from convscope.importers.onnx_constants import MAX_DEPTH, captured, constant, filled, names_read, parts_of
from convscope.importers.onnx_file import MAX_FILE_NODES
from convscope.importers.onnx_folding import folded, shape_part
from convscope.importers.onnx_inputs import Declared, filled_shapes, fixed_batch, graph_input
from convscope.importers.onnx_names import Names
from convscope.importers.onnx_operators import STANDARD, plan_of
from convscope.importers.onnx_scope import Entry, Scope, check_text, ordered
from convscope.importers.onnx_values import (
    Array,
    Call,
    NotKnownError,
    Part,
    Plan,
    Proto,
    Step,
    Value,
    integer_array,
)

MAX_CALLS = 20_000
OLDEST_READ = 7
RECURRENT = ("LSTM", "GRU", "RNN")


def read_graph(model: Proto, input_shape: Proto = None, name: str = "") -> Graph:
    """The graph of an ONNX model; weights are looked at by name, lengths and type only.

    Where the file fixes the batch axis at several items, one is read, if the sizes that are written
    into the file allow that.

    Raises:
        InputError: a graph that is not whole, led by the node; an axis left open.
        ShapeError: sizes that do not fit, led by the node.
    """
    count = len(model.graph.node)
    if not count:
        raise InputError("the file holds no graph")
    if count > MAX_FILE_NODES:
        raise InputError(f"the graph has {count} nodes; at most {MAX_FILE_NODES} are read")
    tensors = {t.name for t in model.graph.initializer}
    declared = [Declared(info) for info in model.graph.input if info.name not in tensors]
    if len(declared) > 1:  # what no node reads needs no lengths
        read = {name for node in model.graph.node for name in names_read(node)}
        read.update(output.name for output in model.graph.output)
        declared = [one for one in declared if one.name in read] or declared
    if not declared:
        raise InputError("the graph has no input")
    check_text([*(one.name for one in declared), *(output.name for output in model.graph.output)])
    fixed = fixed_batch(declared)
    if fixed > 1 and any(len(one.axes or ()) < 4 for one in declared):
        # Recurrent layers have positions in front of the batch.
        fixed = 1 if any(node.op_type in RECURRENT for node in model.graph.node) else fixed
    if fixed == 1:
        return Reader(model, declared, filled_shapes(declared, input_shape, 0), name, 1).graph()
    try:
        return Reader(model, declared, filled_shapes(declared, input_shape, 1), name, 1, fixed).graph()
    except ConvscopeError:
        return Reader(model, declared, filled_shapes(declared, input_shape, 0), name, fixed).graph()


class Reader:
    """One reading of a model.

    Args:
        model: an `onnx.ModelProto`.
        declared: its inputs.
        shapes: theirs, the batch axis among them.
        name: of the network.
        batch: the length of the batch axis.
        baked: the length that the file is written for.
    """

    def __init__(
        self,
        model: Proto,
        declared: Sequence[Declared],
        shapes: dict[str, Shape],
        name: str,
        batch: int,
        baked: int = 1,
    ) -> None:
        self.model = model
        self.name = name
        self.batch = batch
        self.baked = baked
        self.opset = {o.domain: int(o.version) for o in model.opset_import}
        for domain in STANDARD:
            if self.opset.get(domain, OLDEST_READ) < OLDEST_READ:
                raise UnsupportedError(
                    f"the model is written for opset {self.opset[domain]}; {OLDEST_READ} and newer are read"
                )
        self.functions = {(f.domain, f.name, getattr(f, "overload", "")): f for f in model.functions}
        self.names = Names()
        self.nodes: list[Node] = []
        self.inputs: list[Input] = []
        self._plans: dict[object, Plan] = {}
        self._sources: dict[int, str] = {}
        self._kept: list[Value] = []  # whose ids are keys above
        self._roles: dict[tuple[str, str], Weight] = {}
        self._open: dict[str, int] = {}  # linear layers that may still get a bias, by name
        self._biased: dict[tuple[int | None, int], Linear] = {}
        self._count = self._calls = 0
        self.scope = Scope(model.graph)
        for one in declared:
            shape = shapes[one.name]
            own = self.names.new(one.name, "input")
            self.inputs.append(graph_input(own, self.item(shape), one.dtype))
            self.scope.values[one.name] = Value(one.name, shape, one.dtype, own)

    def item(self, shape: Shape) -> Shape:
        """The shape of one item: without the batch axis; a single number has one axis."""
        return (shape[1:] if shape and shape[0] == self.batch else shape) or (1,)

    def graph(self) -> Graph:
        """The whole graph."""
        self.run(self.model.graph.node, self.scope)
        outputs: dict[str, None] = {}
        for output in self.model.graph.output:
            value = self.scope.find(output.name)
            if value is None:
                raise InputError(f"the output {output.name[:80]!r} is made by no node")
            self._check_one_item(output, value)
            outputs[self._read(value)] = None
        made = {node.name for node in self.nodes}
        for name in [name for name in outputs if name not in made]:
            # An input that leaves as it came is shown as a layer, so that the network has an end.
            node = Node(self.names.new(f"{name}.out", "identity"), Identity(), (name,), weights=())
            self.nodes.append(node)
            outputs = {(node.name if known == name else known): None for known in outputs}
        return Graph(tuple(self.inputs), tuple(self.nodes), tuple(outputs), self.name)

    def _check_one_item(self, output: Proto, value: Value) -> None:
        """Refuse a reading for one item whose outputs are not those of several items, divided by how many."""
        told = Declared(output).axes if self.baked > 1 else None
        if told is None or value.shape is None or not all(isinstance(n, int) and n > 0 for n in told):
            return
        differing = [pair for pair in zip(told, value.shape, strict=False) if pair[0] != pair[1]]
        if (
            len(told) != len(value.shape)
            or any(n != own * self.baked for n, own in differing[:1])
            or differing[1:]
        ):
            raise ShapeError(f"the sizes in the file are for {self.baked} items together")

    # --- nodes --------------------------------------------------------------------------------

    def run(self, nodes: Proto, scope: Scope, prefix: str = "", depth: int = 0) -> None:
        """Read nodes one after the other, each after what it reads."""
        if depth > MAX_DEPTH:
            raise InputError(f"functions call each other more than {MAX_DEPTH} deep")
        for entry in ordered(nodes, scope):
            self._count += 1
            if self._count > MAX_FILE_NODES or len(self.nodes) > MAX_NODES:
                raise InputError(f"the graph has more than {MAX_NODES} layers")
            try:
                self._node(entry, scope, prefix, depth)
            except ConvscopeError as error:
                if depth and "node '" in str(error)[:6]:
                    raise
                told = entry[3] or (entry[5][0] if entry[5] else "")
                raise error.within(f"node '{self.names.shown(told)}'") from None

    def _node(self, entry: Entry, scope: Scope, prefix: str, depth: int) -> None:
        node, op, domain, own, reads, outputs = entry
        values = tuple([scope.find(name) if name else None for name in reads])
        if op == "Identity" and domain in STANDARD and values and values[0] is not None:
            scope.values[outputs[0]] = values[0]
            return
        if self.functions:
            function = self.functions.get((domain, op, getattr(node, "overload", "")))
            if function is not None:
                self._inline(function, node, values, outputs, scope, prefix, depth)
                return
        if (
            op == "If"
            and domain in STANDARD
            and self._chosen_branch(node, values, outputs, scope, prefix, depth)
        ):
            return
        if op == "Constant" and domain in STANDARD:
            scope.values[outputs[0]] = constant(outputs[0], attributes_of(node, scope.attributes))
            return
        label = prefix + (own or (outputs[0] if outputs else op))
        computed = any(value is not None and value.node is not None for value in values)
        if computed and op == "Add" and self._bias(values, outputs, scope):
            return
        key = call_key(node, op, domain, values, scope, len(outputs))
        plan = self._plans.get(key) if computed and key is not None else None
        if plan is None:
            call = self._call(node, values, outputs, scope)
            numbers = not computed or op in ("Shape", "Size")
            if numbers and self._worked_out(call, domain, outputs, scope):
                return
            if not computed:
                around = captured(node, scope)
                call = replace(call, inputs=(*values, *around))
                values = call.inputs
                if not around:
                    self._constants(call, domain, outputs, scope)
                    return
            elif call.op in ("Loop", "Scan", "If"):
                call = replace(call, inputs=(*values, *captured(node, scope)))
                values = call.inputs
            plan = plan_of(call, domain)
            if key is not None:
                self._plans[key] = plan
        self._emit(plan, values, outputs, scope, label)

    def _call(
        self, node: Proto, values: tuple[Value | None, ...], outputs: tuple[str, ...], scope: Scope
    ) -> Call:
        return Call(
            node.op_type,
            attributes_of(node, scope.attributes),
            values,
            len(outputs),
            tuple(self._declared(name, scope) for name in outputs),
            self._opset(node.domain, scope),
            self.item,
            self.baked,
        )

    def _opset(self, domain: str, scope: Scope) -> int:
        known = scope.opset or self.opset
        return known.get("" if domain == "ai.onnx" else domain, known.get("", known.get("ai.onnx", 1)))

    def _declared(self, name: str, scope: Scope) -> Shape | None:
        """The shape the file declares for an array, if it leaves no axis open but the batch."""
        info = scope.declared.get(name)
        if info is None:
            return None
        try:
            return Declared(info).filled(None, set(), self.batch)
        except ConvscopeError:
            return None

    # --- making layers ------------------------------------------------------------------------

    def _emit(
        self, plan: Plan, values: Sequence[Value | None], outputs: tuple[str, ...], scope: Scope, label: str
    ) -> None:
        """The layers of a plan, under the operator's name."""
        if not plan.steps:
            aliased = values[plan.alias]
            assert aliased is not None  # noqa: S101 - plans point at inputs that are there
            scope.values[outputs[0]] = aliased
            return
        if len(plan.steps) == 1 and not plan.more and outputs and outputs[0]:
            step = plan.steps[0]
            own = self._layer(label, step, values, [])
            scope.values[outputs[0]] = Value(outputs[0], step.shape, step.dtype, own)
            return
        made: list[str] = []
        last = len(plan.steps) - 1
        for place, step in enumerate(plan.steps):
            if plan.from_input and outputs and not scope.uses[outputs[0]]:
                break
            own = label if place == last else f"{label}.{step.suffix or place}"
            made.append(self._layer(own, step, values, made))
        for place, name in enumerate(outputs):
            if not name:
                continue
            if place == 0:
                step = plan.steps[-1]
                if made:
                    scope.values[name] = Value(name, step.shape, step.dtype, made[-1])
            elif scope.uses[name] and place <= len(plan.more):
                step = plan.more[place - 1]
                own = self._layer(
                    name, step, values, [] if plan.from_input else made, from_step=not plan.from_input
                )
                scope.values[name] = Value(name, step.shape, step.dtype, own)

    def _layer(
        self,
        name: str,
        step: Step,
        values: Sequence[Value | None],
        made: list[str],
        *,
        from_step: bool = False,
    ) -> str:
        own = self.names.new(name, step.layer.title)
        weights: tuple[Weight, ...] = ()
        for part in step.parts:
            weights += self._weights(values[part.index], part)
        reads = (made[-1],) if from_step else tuple(
            [made[-1] if n < 0 else self._read(values[n]) for n in step.reads]
        )  # fmt: skip
        dtype = step.dtype if step.dtype != "undefined" else "float32"
        if type(step.layer) is Linear and not step.layer.bias:
            self._open[own] = len(self.nodes)
        recorded = self.item(step.shape) if step.is_recorded and step.shape is not None else None
        self.nodes.append(Node(own, step.layer, reads, weights=weights, recorded=recorded, dtype=dtype))
        return own

    def _read(self, value: Value | None) -> str:
        """The name of what makes a value; a constant becomes an array of the network's own."""
        assert value is not None  # noqa: S101 - plans read inputs that are there
        if value.node is not None:
            return value.node
        found = self._sources.get(id(value))
        if found is None:
            if value.shape is None:
                raise NotKnownError(f"the shape of the constant {value.name[:80]!r} is not known")
            found = self._sources[id(value)] = self.names.new(value.name, "constant")
            self._kept.append(value)
            dtype = value.dtype if value.dtype != "undefined" else "float32"
            self.nodes.append(
                Node(found, Source(self.item(value.shape)), (), weights=value.weights, dtype=dtype)
            )
        return found

    def _weights(self, value: Value | None, part: Part) -> tuple[Weight, ...]:
        if value is None:
            return ()
        if not value.weights:
            if not part.role or value.shape is None:
                return ()
            # A constant that no initialiser holds, such as one filled with a number.
            value.weights = (Weight(value.name, value.shape, value.dtype),)
        if not part.role:
            return value.weights
        if len(value.weights) > 1:
            return (
                value.weights
                if part.role == "parameter"
                else tuple([self._as(w, "buffer") for w in value.weights])
            )
        return (self._as(value.weights[0], part.role),)

    def _as(self, weight: Weight, role: str) -> Weight:
        parameter = role == "parameter"
        if weight.is_parameter == parameter:
            return weight
        key = (weight.name, role)
        if key not in self._roles:
            self._roles[key] = replace(weight, is_parameter=parameter, trainable=parameter)
        return self._roles[key]

    def _bias(self, values: tuple[Value | None, ...], outputs: tuple[str, ...], scope: Scope) -> bool:
        """Whether an addition was the bias of the linear layer before it."""
        for x, bias in (values, values[::-1]) if len(values) == 2 else ():
            place = self._open.get(x.node or "") if x is not None and bias is not None else None
            if place is None or x is None or bias is None or not bias.is_constant or not bias.weights:
                continue
            node = self.nodes[place]
            layer = node.layer
            if not isinstance(layer, Linear) or bias.shape is None or scope.uses[x.name] != 1:
                continue
            if bias.shape != (*(1,) * (len(bias.shape) - 1), layer.out_features):
                continue
            key = (layer.in_features, layer.out_features)
            if key not in self._biased:
                self._biased[key] = Linear(in_features=key[0], out_features=key[1], bias=True)
            weights = (*(node.weights or ()), *self._weights(bias, Part(0, "parameter")))
            self.nodes[place] = replace(node, layer=self._biased[key], weights=weights)
            scope.values[outputs[0]] = Value(outputs[0], x.shape, x.dtype, node.name)
            del self._open[node.name]
            return True
        return False

    # --- constants ----------------------------------------------------------------------------

    def _worked_out(self, call: Call, domain: str, outputs: tuple[str, ...], scope: Scope) -> bool:
        """Whether the operator's numbers are known: of small constants, or lengths of axes."""
        if domain not in STANDARD:
            return False
        arrays: list[Array] | None
        if call.op in ("Shape", "Size"):
            if not call.inputs or call.inputs[0] is None or call.inputs[0].shape is None:
                return False
            lengths = shape_part(call)
            arrays = [integer_array(lengths if call.op == "Shape" else lengths[0])]  # type: ignore[arg-type]
        else:
            arrays = folded(call)
        if arrays is None:
            return False
        parts = parts_of(call)
        if call.op == "ConstantOfShape":
            parts = filled(call, outputs[0], arrays[0].shape, str(arrays[0].dtype))
        for name, array in zip(outputs, arrays, strict=False):
            held = Value(name, array.shape, str(array.dtype), None, parts, lambda array=array: array)  # type: ignore[misc]
            scope.values[name] = held
        return True

    def _constants(self, call: Call, domain: str, outputs: tuple[str, ...], scope: Scope) -> None:
        """An operator on constants that are large: the shape and the arrays it was made from are known."""
        if "shape" in call.attributes and call.op.startswith("Random"):
            told: list[tuple[Shape | None, str]] = [(tuple(call.attributes["shape"]), "float32")]
        elif call.op == "ConstantOfShape" and call.is_constant(0) and call.value(0).array is not None:
            value = call.attributes.get("value")
            told = [(tuple(call.numbers(0) or ()), "float32" if value is None else str(value.dtype))]
        else:
            told = plan_of(call, domain).outputs()
        parts = parts_of(call)
        for name, (shape, dtype) in zip(outputs, told, strict=False):
            made = filled(call, name, shape, dtype) if call.op == "ConstantOfShape" else parts
            scope.values[name] = Value(name, shape, dtype, None, made)

    # --- functions and branches ---------------------------------------------------------------

    def _inline(
        self,
        function: Proto,
        node: Proto,
        values: tuple[Value | None, ...],
        outputs: tuple[str, ...],
        scope: Scope,
        prefix: str,
        depth: int,
    ) -> None:
        """A function of the model in the place of its call."""
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise InputError(f"functions are called more than {MAX_CALLS} times")
        attributes = {a.name: a for a in function.attribute_proto}
        attributes |= {a.name: scope.attributes.get(a.ref_attr_name, a) for a in node.attribute}
        inner = Scope.of_function(function, attributes)
        for name, value in zip(function.input, values, strict=False):
            if value is not None:
                inner.values[name] = value
        label = node.name or (outputs[0] if outputs else node.op_type)
        self.run(function.node, inner, f"{prefix}{label}/", depth + 1)
        for name, own in zip(function.output, outputs, strict=False):
            found = inner.find(name)
            if found is None:
                raise InputError(
                    f"the function '{function.name[:80]}' does not make its output {name[:80]!r}"
                )
            scope.values[own] = found

    def _chosen_branch(
        self,
        node: Proto,
        values: tuple[Value | None, ...],
        outputs: tuple[str, ...],
        scope: Scope,
        prefix: str,
        depth: int,
    ) -> bool:
        """Whether the condition is a constant, and so the branch it chooses was read in its place."""
        condition = values[0] if values else None
        if condition is None or not condition.is_constant or condition.array is None:
            return False
        wanted = "then_branch" if bool(condition.array.reshape(-1)[:1].any()) else "else_branch"
        branch = next((a.g for a in node.attribute if a.name == wanted), None)
        if branch is None:
            return False
        inner = Scope(branch, scope)
        label = node.name or (outputs[0] if outputs else node.op_type)
        self.run(branch.node, inner, f"{prefix}{label}/", depth + 1)
        for output, own in zip(branch.output, outputs, strict=False):
            found = inner.find(output.name)
            if found is None:
                raise InputError(f"a branch does not make its output {output.name[:80]!r}")
            scope.values[own] = found
        return True
