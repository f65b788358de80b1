"""From the configuration of a Keras model to our graph: sequential, functional, nested, shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

from convscope.core.network import Graph, Input, Shape
from convscope.core.operators import Unknown
from convscope.core.pointwise import Identity
from convscope.errors import ConvscopeError, InputError, UnsupportedError, nearest_name
from convscope.importers.keras_layers import LAYERS
from convscope.importers.keras_values import Builder, Call, Held, NotKnownError, checked, held_shape, shown

MAX_DEPTH = 30
_HOUSES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "keras_core", "builtins")
_FIRST_1D = (
    "Conv1D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose", "MaxPooling1D", "AveragePooling1D",
    "MaxPool1D", "AvgPool1D", "BatchNormalization",
)  # fmt: skip

Config = dict[str, Any]


def read_graph(model: Any, input_shape: Any = None, name: str = "") -> Graph:  # noqa: ANN401
    """The graph that a model's configuration describes.

    Raises:
        InputError: a configuration that is none, or an axis left open.
        ShapeError: sizes that do not fit, led by the layer.
        UnsupportedError: a model whose layers are in code.
    """
    if not isinstance(model, dict) or not isinstance(model.get("config"), dict | list):
        raise InputError("its configuration holds no model")
    if not _is_model(model):
        raise UnsupportedError(
            f"the class {shown(model.get('class_name'))} tells its layers in code, not in the file; "
            "sequential and functional models are read"
        )
    return Reader(input_shape, name).graph(model)


def _options(model: Config) -> Config:
    """Keras 2 wrote a sequential model's layers as a bare list."""
    config = model.get("config")
    return {"layers": config} if isinstance(config, list) else config if isinstance(config, dict) else {}


def _is_model(layer: Config) -> bool:
    return isinstance(_options(layer).get("layers"), list)


class Reader:
    """One reading of a model."""

    def __init__(self, input_shape: Any, name: str) -> None:  # noqa: ANN401
        self.given = input_shape
        self.name = name
        self.builder = Builder()
        self.inputs: list[Input] = []

    def graph(self, model: Config) -> Graph:
        """The whole graph."""
        options = _options(model)
        entries = list(_entries(options))
        shapes = self._input_shapes(model, entries)
        channels_first = any(e["config"].get("data_format") == "channels_first" for e in _all(entries, 0))
        held = []
        for name, (shape, dtype, reader) in shapes.items():
            moved = not channels_first and (len(shape) >= 3 or (len(shape) == 2 and reader in _FIRST_1D))
            own = self.builder.names.new(name, "input")
            self.inputs.append(Input(own, held_shape(shape, moved=moved), dtype))
            held.append(Held(own, shape, moved, dtype))
        outputs = self.model(model, held, "", trainable=True, depth=0)
        ends = []
        for output in outputs:
            name = output.node
            if any(name == entry.name for entry in self.inputs):
                name = self.builder.add(f"{name}.out", Identity(), (name,))
            ends.append(name)
        return Graph(tuple(self.inputs), tuple(self.builder.nodes), tuple(dict.fromkeys(ends)), self.name)

    # --- inputs -------------------------------------------------------------------------------

    def _input_shapes(self, model: Config, entries: list[Config]) -> dict[str, tuple[Shape, str, str]]:
        """Shape, dtype and the first reader's class of each input, by its name."""
        options = _options(model)
        found: dict[str, tuple[Any, str]] = {}
        readers = [e["class_name"] for e in entries if e["class_name"] != "InputLayer"]
        wanted = {ref[0] for ref in _references(options.get("input_layers"))}
        for entry in entries:
            config = entry["config"]
            shape = config.get("batch_shape") or config.get("batch_input_shape")
            if entry["class_name"] == "InputLayer" and (not wanted or entry["name"] in wanted):
                found[entry["name"]] = (shape or [None], _dtype(config))
        if not found:
            first = entries[0]["config"] if entries else {}
            built = model.get("build_config")
            shape = (
                first.get("batch_input_shape")
                or first.get("batch_shape")
                or options.get("build_input_shape")
                or (built.get("input_shape") if isinstance(built, dict) else None)
            )
            found["input"] = (shape, "float32")
        chosen = _chosen(list(found), self.given)
        reader = readers[0] if readers else ""
        return {
            name: (_filled(name, shape, chosen.get(name)), dtype, reader)
            for name, (shape, dtype) in found.items()
        }

    # --- models -------------------------------------------------------------------------------

    def model(
        self, model: Config, given: list[Held], prefix: str, *, trainable: bool, depth: int
    ) -> list[Held]:
        """The outputs of a model called with these arrays."""
        if depth > MAX_DEPTH:
            raise InputError(f"models are nested more than {MAX_DEPTH} deep")
        options = _options(model)
        trained = trainable and options.get("trainable") is not False
        entries = list(_entries(options))
        if any(entry["inbound"] for entry in entries) or "output_layers" in options:
            return self._functional(options, entries, given, prefix, trainable=trained, depth=depth)
        held = given
        for entry in entries:
            if entry["class_name"] != "InputLayer":
                held = self.layer(entry, held, {}, prefix, 0, trainable=trained, depth=depth, declared=None)
        return held

    def _functional(
        self,
        options: Config,
        entries: list[Config],
        given: list[Held],
        prefix: str,
        *,
        trainable: bool,
        depth: int,
    ) -> list[Held]:
        known: dict[tuple[str, int, int], Held] = {}
        starts = _references(options.get("input_layers"))
        starts = starts or [(e["name"], 0, 0) for e in entries if e["class_name"] == "InputLayer"]
        if len(starts) > len(given):
            raise InputError(f"a model with {len(starts)} inputs is given {len(given)}")
        known.update({(name, 0, 0): held for (name, _, _), held in zip(starts, given, strict=False)})
        declared = _declared(entries)
        for entry, number, (positional, named) in _in_order(entries, set(known)):
            outputs = self.layer(
                entry,
                [_known(known, ref) for ref in positional],
                {key: _known(known, refs[0]) for key, refs in named.items()},
                prefix,
                number,
                trainable=trainable,
                depth=depth,
                declared=declared.get((entry["name"], number)),
            )
            known.update({(entry["name"], number, place): held for place, held in enumerate(outputs)})
        ends = _references(options.get("output_layers"))
        missing = next((ref for ref in ends if ref not in known), None)
        if missing is not None or not ends:
            told = f"the layer {shown(missing[0])}" if missing else "an output"
            raise InputError(
                f"{told} cannot be reached from the inputs: layers read each other in a circle, "
                "or what is not there"
            )
        return [known[ref] for ref in ends]

    # --- layers -------------------------------------------------------------------------------

    def layer(
        self,
        entry: Config,
        given: list[Held],
        named: dict[str, Held],
        prefix: str,
        number: int,
        *,
        trainable: bool,
        depth: int,
        declared: Shape | None,
    ) -> list[Held]:
        """The outputs of one call of one layer, which may be a model."""
        label = prefix + entry["name"] + (f".{number + 1}" if number else "")
        if _is_model(entry) and _is_ours(entry, models=True):
            return self.model(entry, given, f"{label}/", trainable=trainable, depth=depth + 1)
        config = entry["config"]
        call = Call(
            self.builder,
            entry["class_name"],
            config,
            label,
            prefix + entry["name"],
            given,
            named,
            trainable and config.get("trainable") is not False,
            declared,
            _dtype(config),
        )
        rule = LAYERS.get(call.kind) if _is_ours(entry) else None
        try:
            if rule is not None:
                found = rule(call)
                return found if isinstance(found, list) else [found]
        except NotKnownError:
            pass
        except ConvscopeError as error:
            raise error.within(f"layer '{self.builder.names.shown(label)}'") from None
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            told = f"layer '{self.builder.names.shown(label)}': its options are not such as Keras writes"
            raise InputError(told) from None
        return [_shown(call)]


def _known(known: Mapping[Reference, Held], reference: Reference) -> Held:
    found = known.get(reference)
    if found is None:
        raise InputError(f"the layer {shown(reference[0])} has no output {reference[2]}")
    return found


def _shown(call: Call) -> Held:
    """A layer nobody here knows, with the shape that those who read it tell."""
    shape = call.declared
    moved = shape is not None and len(shape) >= 3
    layer = Unknown(call.kind[:100] or "layer", None if shape is None else held_shape(shape, moved=moved))
    reads = [held.node for held in (*call.inputs, *call.named.values())]
    name = call.builder.names.new(call.label, layer.title)
    from convscope.core.network import Node

    call.builder.nodes.append(Node(name, layer, tuple(dict.fromkeys(reads)), dtype=call.dtype))
    return Held(name, shape, moved, call.dtype)


def _is_ours(entry: Config, *, models: bool = False) -> bool:
    """Whether the class is Keras's own: a file may use its names for other things."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if ">" in entry["class_name"] or (isinstance(registered, str) and ">" in registered and not models):
        return False
    return models or module is None or (isinstance(module, str) and module.split(".")[0] in
                                        {house.split(".")[0] for house in _HOUSES})  # fmt: skip


def _entries(options: Config) -> Iterator[Config]:
    """The layers of a model, each with its class, name, options and calls."""
    layers = options.get("layers")
    for place, layer in enumerate(layers if isinstance(layers, list) else ()):
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str):
            raise InputError(f"entry {place + 1} of the layers is not a layer")
        config = layer.get("config")
        config = config if isinstance(config, dict | list) else {}
        own = config.get("name") if isinstance(config, dict) else None
        name = layer.get("name") or own or f"{layer['class_name'].lower()}_{place + 1}"
        inbound = layer.get("inbound_nodes")
        yield {
            **layer,
            "config": config if isinstance(config, dict) else {"layers": config},
            "name": str(name),
            "inbound": inbound if isinstance(inbound, list) else [],
        }


def _all(entries: list[Config], depth: int) -> Iterator[Config]:
    for entry in entries:
        yield entry
        if _is_model(entry) and depth < MAX_DEPTH:
            yield from _all(list(_entries(_options(entry))), depth + 1)


def _dtype(config: Config) -> str:
    """The dtype that a layer computes in."""
    found = config.get("dtype")
    if isinstance(found, dict):
        found = (found.get("config") or {}).get("name") if isinstance(found.get("config"), dict) else None
    found = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}.get(str(found), found)
    return found if isinstance(found, str) and found.isalnum() and len(found) < 20 else "float32"


# --- references -------------------------------------------------------------------------------

Reference = tuple[str, int, int]
Arguments = tuple[list[Reference], dict[str, list[Reference]]]


def _references(value: Any, depth: int = 0) -> list[Reference]:  # noqa: ANN401
    """Every ``[name, call, output]`` in a structure of lists and dictionaries, in order."""
    one = _reference(value)
    if one is not None:
        return [one]
    if depth > MAX_DEPTH:
        raise InputError("references are nested too deeply")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [ref for part in inner for ref in _references(part, depth + 1)]


def _reference(value: Any) -> Reference | None:  # noqa: ANN401
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        value = config.get("keras_history") if isinstance(config, dict) else None
    if (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(n) is int for n in value[1:3])
    ):
        return value[0], value[1], value[2]
    return None


def _arguments(call: Any, names: set[str]) -> Arguments:  # noqa: ANN401
    """The arrays that a call is given, by position and by keyword, in Keras 3's form or Keras 2's."""
    if isinstance(call, dict):
        kwargs = call.get("kwargs")
        named = kwargs if isinstance(kwargs, dict) else {}
        return _references(call.get("args")), {
            str(key): refs for key, value in named.items() if (refs := _references(value))
        }
    positional, keywords = [], {}
    calls = [call] if _reference(call) else call if isinstance(call, list) else []
    for part in calls:
        ref = _reference(part)
        if ref is None:
            continue
        positional.append(ref)
        if isinstance(part, list) and len(part) == 4 and isinstance(part[3], dict):
            found = {key: _references(value) for key, value in part[3].items()}
            # Other options may look like a reference: ["same", 1, 1].
            keywords.update({key: refs for key, refs in found.items() if refs and refs[0][0] in names})
    return positional, keywords


def _in_order(entries: list[Config], known: set[Reference]) -> Iterator[tuple[Config, int, Arguments]]:
    """Every call of a layer after those it reads; those that wait for each other are left out."""
    names = {entry["name"] for entry in entries}
    calls: list[tuple[Config, int, Arguments]] = []
    readers: dict[tuple[str, int], list[int]] = {}
    missing: list[int] = []
    ready: list[int] = []
    for entry in entries:
        for number, call in enumerate(entry["inbound"] if entry["class_name"] != "InputLayer" else ()):
            positional, named = _arguments(call, names)
            needed = {
                ref[:2]
                for ref in (*positional, *(r for refs in named.values() for r in refs))
                if ref not in known
            }
            for ref in needed:
                readers.setdefault(ref, []).append(len(calls))
            if not needed:
                ready.append(len(calls))
            missing.append(len(needed))
            calls.append((entry, number, (positional, named)))
    while ready:  # the smallest place first: a list in order is a heap
        entry, number, _ = found = calls[heappop(ready)]
        yield found
        for place in readers.pop((entry["name"], number), ()):
            missing[place] -= 1
            if not missing[place]:
                heappush(ready, place)


def _declared(entries: list[Config]) -> dict[tuple[str, int], Shape]:
    """The shapes of outputs as those who read them tell (Keras 3)."""
    found: dict[tuple[str, int], Shape] = {}

    def visit(value: Any, depth: int) -> None:  # noqa: ANN401
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            config, ref = value.get("config"), _reference(value)
            shape = config.get("shape") if isinstance(config, dict) else None
            if ref is not None and ref[2] == 0 and isinstance(shape, list) and all(
                isinstance(n, int) and n > 0 for n in shape[1:]
            ):  # fmt: skip
                found[ref[:2]] = tuple(shape[1:]) or (1,)
        elif isinstance(value, dict | list) and depth < MAX_DEPTH:
            for part in value.values() if isinstance(value, dict) else value:
                visit(part, depth + 1)

    for entry in entries:
        visit(entry["inbound"], 0)
    return found


# --- open lengths -----------------------------------------------------------------------------


def _chosen(names: list[str], given: Any) -> dict[str, Sequence[int]]:  # noqa: ANN401
    """The shapes the user gave, by the input's name."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise InputError(f"the model has no input {name!r}; {nearest_name(str(name), names[:12])}")
        return dict(given)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"input_shape={given!r} is not a shape such as (224, 224, 3)")
    several = given and all(isinstance(one, Sequence) and not isinstance(one, str) for one in given)
    shapes = list(given) if several else [given]
    if len(shapes) > len(names):
        raise InputError(f"input_shape holds {len(shapes)} shapes but the model has {len(names)} inputs")
    return dict(zip(names, shapes, strict=False))


def _filled(name: str, declared: Any, given: Sequence[int] | None) -> Shape:  # noqa: ANN401
    """The shape of one item in Keras's order."""
    declared = declared if isinstance(declared, list) else []
    axes = declared[1:]
    if given is not None:
        shape = checked(f"input_shape of '{name}'", tuple(given))
        for order in (shape, (*shape[1:], *shape[:1])):
            if not declared or (
                len(order) == len(axes) and all(a in (None, n) for a, n in zip(axes, order, strict=True))
            ):
                return order
        told = ", ".join("open" if a is None else str(a)[:20] for a in axes)
        raise InputError(
            f"input_shape of '{name}' is {tuple(given)!r} but the model's input has axes of ({told})"
        )
    if not declared or any(a is None for a in axes):
        example = ", ".join("…" if a is None else str(a)[:20] for a in axes) or "224, 224, 3"
        raise InputError(
            f"the input '{name}' leaves lengths open; give input_shape, the shape of one item without its "
            f"batch axis, such as ({example})"
        )
    return checked(f"the input '{name}'", axes) or (1,)
