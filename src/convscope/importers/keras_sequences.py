"""Keras's layers of sequences: embedding, attention, recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convscope.core.network import Shape, Weight
from convscope.core.operators import Attention, Embedding, Rearrange, Recurrent
from convscope.core.pointwise import Identity
from convscope.core.structural import Linear
from convscope.errors import ShapeError
from convscope.importers.keras_values import Call, Held, NotKnownError
from convscope.rules.cost import GATES


def embedding(call: Call) -> Held:
    """Rows of a table by index."""
    held, count, features = call.plain(), call.integer("input_dim"), call.integer("output_dim")
    shape = (*held.known(), features)
    layer = Embedding(count, features, shape)
    return call.make(layer, [held], shape, weights=(call.weight("embeddings", count, features),))


# --- attention --------------------------------------------------------------------------------


def _projected(call: Call, held: Held, name: str, heads: int, size: int) -> Held:
    """A linear layer to all heads at once."""
    positions, features = held.known()
    weights = [call.weight(f"{name}/kernel", features, heads, size)]
    if call.option("use_bias", True):  # noqa: FBT003
        weights.append(call.weight(f"{name}/bias", heads, size))
    layer = Linear(in_features=features, out_features=heads * size, bias=len(weights) > 1)
    return call.make(layer, [held], (positions, heads * size), weights=tuple(weights), suffix=name)


def _three(call: Call) -> tuple[Held, Held, Held]:
    """Query, key and value, as they are given by place or by name; the key is the value when left out."""
    given = list(call.inputs)
    query = call.named.get("query") or (given.pop(0) if given else None)
    value = call.named.get("value") or (given.pop(0) if given else None)
    key = call.named.get("key") or (given.pop(0) if given else value)
    if query is None or value is None or key is None:
        raise ShapeError(f"{call.kind}: it needs a query and a value")
    turned = [call.builder.turned(one, moved=False) for one in (query, key, value)]
    if any(len(one.known()) != 2 for one in turned):
        raise NotKnownError("attention over several axes")
    return turned[0], turned[1], turned[2]


def multi_head(call: Call) -> Held:
    """Projections of query, key and value, attention, and a projection of what it gives."""
    query, key, value = _three(call)
    grouped = call.kind.startswith("Group")
    heads = call.integer("num_query_heads" if grouped else "num_heads")
    groups = call.integer("num_key_value_heads") if grouped else heads
    size = call.integer("head_dim" if grouped else "key_dim")
    deep = size if grouped else call.integer("value_dim", size)
    q = _projected(call, query, "query", heads, size)
    k = _projected(call, key, "key", groups, size)
    v = _projected(call, value, "value", groups, deep)
    positions, features = query.known()
    layer = Attention((positions, heads * deep), positions, key.known()[0], size, deep, heads)
    seen = call.make(layer, [q, k, v], (positions, heads * deep), suffix="attention")
    told = call.option("output_shape")
    wanted = (
        told if isinstance(told, int) else told[-1] if isinstance(told, list) and len(told) == 1 else features
    )
    name = "output" if grouped else "attention_output"
    weights = [call.weight(f"{name}/kernel", heads, deep, wanted)]
    if call.option("use_bias", True):  # noqa: FBT003
        weights.append(call.weight(f"{name}/bias", wanted))
    last = Linear(in_features=heads * deep, out_features=wanted, bias=len(weights) > 1)
    return call.make(last, [seen], (positions, wanted), weights=tuple(weights))


def plain_attention(call: Call) -> Held:
    """Attention without projections."""
    query, value = call.plain(0).known(), call.plain(1).known()
    key = call.plain(2).known() if len(call.inputs) > 2 else value
    if any(len(shape) != 2 for shape in (query, key, value)) or call.kind != "Attention":
        raise NotKnownError(call.kind)
    weights = (call.weight("scale"),) if call.option("use_scale", False) else ()  # noqa: FBT003
    if call.option("score_mode") == "concat":
        raise NotKnownError("attention by concatenation")
    shape = (query[0], value[1])
    layer = Attention(shape, query[0], key[0], query[1], value[1], 1)
    return call.make(layer, [call.plain(n) for n in range(len(call.inputs))], shape, weights=weights)


# --- recurrent --------------------------------------------------------------------------------


def recurrent(call: Call) -> list[Held]:
    """``LSTM``, ``GRU`` and ``SimpleRNN``: the states of every position or of the last."""
    return _run(call, call.kind, call.config, (f"{_cell(call.kind)}",), None)


def _cell(kind: str) -> str:
    return {"LSTM": "lstm_cell", "GRU": "gru_cell"}.get(kind, "simple_rnn_cell")


def bidirectional(call: Call) -> list[Held]:
    """Once from each end, joined as told."""
    inner = call.option("layer")
    config = inner.get("config") if isinstance(inner, dict) else None
    if not isinstance(config, dict) or inner.get("class_name") not in _KINDS:
        raise NotKnownError("Bidirectional")
    return _run(
        call, inner["class_name"], config, ("forward", "backward"), call.option("merge_mode", "concat")
    )


_KINDS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn", "CuDNNLSTM": "lstm", "CuDNNGRU": "gru"}


def _run(
    call: Call, kind: str, config: dict[str, Any], ways: tuple[str, ...], merge: str | None
) -> list[Held]:
    held = call.plain()
    if len(held.known()) != 2:
        raise ShapeError(f"{kind}: it needs positions and features, got an array of {len(held.known())} axes")
    options = Call(call.builder, kind, config, "", call.path, [], {}, call.trainable, None, call.dtype)
    hidden, (positions, features) = options.integer("units"), held.known()
    width = hidden * len(ways) if merge in (None, "concat") and len(ways) > 1 else hidden
    sequence = bool(options.option("return_sequences", False))  # noqa: FBT003
    shape: Shape = (positions, width) if sequence else (width,)
    layer = Recurrent(_KINDS[kind], features, hidden, shape, len(ways))
    weights = tuple(w for way in ways for w in _arrays(options, _KINDS[kind], way, features, hidden))
    made = call.make(layer, [held], shape, weights=weights)
    states = (2 if _KINDS[kind] == "lstm" else 1) * len(ways) if options.option("return_state", False) else 0  # noqa: FBT003
    more = [
        call.make(Rearrange("last state", (hidden,)), [made], (hidden,), suffix=f"state_{n + 1}")
        for n in range(states)
    ]
    return [made, *more]


def _arrays(options: Call, kind: str, way: str, features: int, hidden: int) -> list[Weight]:
    gates = GATES[kind]
    found = [
        options.weight(f"{way}/kernel", features, gates * hidden),
        options.weight(f"{way}/recurrent_kernel", hidden, gates * hidden),
    ]
    if options.option("use_bias", True):  # noqa: FBT003
        # A GRU that resets after its product has a bias for each of both products.
        twice = kind == "gru" and options.option("reset_after", True)  # noqa: FBT003
        found.append(options.weight(f"{way}/bias", *((2,) if twice else ()), gates * hidden))
    return found


def positions(call: Call) -> Held:
    """Nothing but the input again, for layers that only mark."""
    held = call.first()
    return call.make(Identity(), [held], held.known(), moved=held.moved)


SEQUENCES: dict[str, Callable[[Call], Any]] = {
    "Embedding": embedding,
    **dict.fromkeys(("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"), multi_head),
    **dict.fromkeys(("Attention", "AdditiveAttention"), plain_attention),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"), recurrent),
    "Bidirectional": bidirectional,
}
