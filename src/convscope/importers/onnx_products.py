"""ONNX operators that multiply arrays: linear layers, matrix products, attention, recurrent layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.core.layer import Layer
from convscope.core.network import Shape
from convscope.core.operators import Attention, Elementwise, MatMul, Rearrange, Recurrent
from convscope.core.structural import Linear
from convscope.errors import InputError, ShapeError
from convscope.importers.onnx_values import Call, NotKnownError, Part, Plan, Step
from convscope.rules.operator_shape import broadcast


def _product_shape(op: str, a: Shape, b: Shape) -> tuple[Shape, int]:
    """The shape of a matrix product as NumPy makes it, and the length that is summed over."""
    if not a or not b:
        raise ShapeError(f"{op}: a single number has no axis to sum over")
    wide, tall = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if wide[-1] != tall[-2]:
        told = f"{'×'.join(map(str, a))} and {'×'.join(map(str, b))}"
        raise ShapeError(f"{op}: {told} cannot be multiplied; {wide[-1]} is not {tall[-2]}")
    rows = wide[-2:-1] if len(a) > 1 else ()
    columns = tall[-1:] if len(b) > 1 else ()
    return (*broadcast([wide[:-2], tall[:-2]]), *rows, *columns), wide[-1]


def _multiplied(call: Call, left: int, right: int, dtype: str = "") -> Plan:
    a, b = call.shape(left), call.shape(right)
    found, inner = _product_shape(call.op, a, b)
    dtype = dtype or call.dtype(left)
    constant = {n for n in (left, right) if call.is_constant(n)}
    if constant == {right} and len(b) == 2 and len(a) > 1 and min(b) > 0:
        layer: Layer = Linear(in_features=b[0], out_features=b[1], bias=False)
        if call.item(a)[-1] == b[0] and call.item(found) == (*call.item(a)[:-1], b[1]):
            return Plan((Step(layer, (left,), found, dtype, (Part(right, "parameter"),)),))
    reads = tuple(n for n in (left, right) if n not in constant)
    parts = tuple(Part(n, "parameter") for n in sorted(constant))
    return Plan((Step(MatMul(call.item(found), inner), reads, found, dtype, parts),))


def matmul(call: Call) -> Plan:
    """A linear layer where the second factor is weights."""
    return _multiplied(call, 0, 1)


def fused_matmul(call: Call) -> Plan:
    """A product of arrays that may be transposed; alpha costs nothing."""
    shapes = [call.shape(0), call.shape(1)]
    for n, name in enumerate(("transA", "transB")):
        if call.attributes.get(name) and len(shapes[n]) > 1:
            shapes[n] = (*shapes[n][:-2], shapes[n][-1], shapes[n][-2])
    found, inner = _product_shape(call.op, *shapes)
    parts = tuple(Part(n, "parameter") for n in (0, 1) if call.is_constant(n))
    return Plan((Step(MatMul(call.item(found), inner), call.computed(), found, call.dtype(), parts),))


def gemm(call: Call) -> Plan:
    """A·B + C: a linear layer where B, and C if given, are weights."""
    a, b = call.shape(0), call.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise ShapeError(f"Gemm: it multiplies matrices, got arrays of {len(a)} and {len(b)} axes")
    a = a[::-1] if call.attributes.get("transA") else a
    b = b[::-1] if call.attributes.get("transB") else b
    found, inner = _product_shape("Gemm", a, b)
    own = tuple(Part(n, "parameter") for n in (0, 1, 2) if call.is_constant(n))
    added = call.has(2) and not call.is_constant(2)
    dtype = call.dtype()
    if call.is_constant(1) and not call.is_constant(0) and not call.attributes.get("transA"):
        bias = call.is_constant(2) and math.prod(call.shape(2)) == b[1]
        layer: Layer = Linear(in_features=b[0], out_features=b[1], bias=bias)
        product = Step(layer, (0,), found, dtype, own)
    else:
        reads = tuple(n for n in (0, 1) if not call.is_constant(n))
        product = Step(MatMul(call.item(found), inner), reads, found, dtype, own)
    if not added:
        return Plan((product,))
    return Plan((product, Step(Elementwise("add"), (-1, 2), found, dtype, suffix="add")))


def einsum(call: Call) -> Plan:
    """A sum of products over the letters that the result leaves out."""
    told, _, result = call.attributes.get("equation", "").replace(" ", "").partition("->")
    words = told.split(",")
    if len(words) != len(call.inputs) or "." in told or len(words) > 2:
        raise NotKnownError(f"Einsum: the equation {told[:60]!r} is not worked out")
    lengths: dict[str, int] = {}
    for n, word in enumerate(words):
        if len(word) != len(call.shape(n)):
            raise ShapeError(
                f"Einsum: '{word[:60]}' does not name the {len(call.shape(n))} axes of input {n}"
            )
        for letter, length in zip(word, call.shape(n), strict=True):
            lengths[letter] = max(lengths.get(letter, 1), length)
    if "->" not in call.attributes["equation"]:
        result = "".join(sorted(c for c in set(told) - {","} if told.count(c) == 1))
    if set(result) - set(lengths):
        raise InputError(f"Einsum: the result '{result[:60]}' names an axis that no input has")
    found = tuple(lengths[letter] for letter in result)
    inner = math.prod(length for letter, length in lengths.items() if letter not in result)
    parts = tuple(Part(n, "parameter") for n in range(len(words)) if call.is_constant(n))
    layer: Layer = (
        MatMul(call.item(found), inner) if len(words) > 1 else Rearrange("einsum", call.item(found))
    )
    return Plan((Step(layer, call.computed(), found, call.dtype(), parts),))


# --- attention --------------------------------------------------------------------------------


def _heads(call: Call, index: int, heads: int) -> tuple[int, int, int, int]:
    """Batch, heads, positions and features of one head, of an array of 4 or 3 axes."""
    shape = call.shape(index)
    if len(shape) == 4:
        return shape
    if len(shape) != 3 or not heads or shape[2] % heads:
        told = "×".join(map(str, shape))
        raise ShapeError(f"{call.op}: an array of {told} cells cannot be split into {heads} heads")
    return shape[0], heads, shape[1], shape[2] // heads


def attention(call: Call) -> Plan:
    """Scaled dot-product attention of query, key and value (ONNX from opset 23 on)."""
    heads = call.attributes.get("q_num_heads", 0)
    groups = call.attributes.get("kv_num_heads", 0) or heads
    batch, heads, queries, features = _heads(call, 0, heads)
    keys, (_, _, _, deep) = _heads(call, 1, groups)[2], _heads(call, 2, groups)
    past = call.shape(4)[2] if call.has(4) else 0
    found = (batch, heads, queries, deep) if len(call.shape(0)) == 4 else (batch, queries, heads * deep)
    return _attended(call, found, (queries, keys + past, features, deep, heads), (0, 1, 2))


def multi_head(call: Call) -> Plan:
    """Attention of arrays of (batch, positions, features), as ONNX Runtime's own operators have it."""
    heads = call.attributes.get("num_heads", 1)
    groups = call.attributes.get("kv_num_heads", heads)
    if not call.has(1) or not call.has(2):
        raise NotKnownError(f"{call.op}: query, key and value are packed in one array")
    batch, _, queries, features = _heads(call, 0, heads)
    keys, (_, _, _, deep) = _heads(call, 1, groups)[2], _heads(call, 2, groups)
    return _attended(call, (batch, queries, heads * deep), (queries, keys, features, deep, heads), (0, 1, 2))


def _attended(call: Call, shape: Shape, sizes: Sequence[int], reads: tuple[int, ...]) -> Plan:
    queries, keys, features, deep, heads = sizes
    item = call.item(shape)
    heads *= 1 if item == shape[1:] else shape[0]
    layer = Attention(item, queries, keys, features, deep, heads)
    inputs = tuple(n for n in reads if n in call.computed())
    step = Step(layer, inputs, shape, call.dtype())
    unread = tuple(Step(Rearrange("state", (1,)), (0,), None, call.dtype()) for _ in range(1, call.outputs))
    return Plan((step,), unread)


def packed_attention(call: Call) -> Plan:
    """One linear layer for query, key and value, then attention (ONNX Runtime's `Attention`)."""
    shape, weights = call.shape(0), call.shape(1)
    heads = call.attributes.get("num_heads", 1)
    if len(shape) != 3 or len(weights) != 2 or not call.is_constant(1):
        raise NotKnownError("Attention: its weights are computed")
    sizes = call.attributes.get("qkv_hidden_sizes") or [weights[1] // 3] * 3
    parts = tuple(Part(n, "parameter") for n in (1, 2) if call.is_constant(n))
    linear = Linear(in_features=weights[0], out_features=weights[1], bias=len(parts) > 1)
    first = Step(linear, (0,), (*shape[:2], weights[1]), call.dtype(), parts, suffix="qkv")
    found = (*shape[:2], sizes[2])
    plan = _attended(call, found, (shape[1], shape[1], sizes[0] // heads, sizes[2] // heads, heads), (0,))
    last = plan.steps[0]
    return Plan((first, Step(last.layer, (-1,), found, call.dtype())), plan.more)


# --- recurrent --------------------------------------------------------------------------------


def recurrent(call: Call) -> Plan:
    """Y is (positions, directions, batch, hidden), or batch first with layout 1; then the last states."""
    shape, weights = call.shape(0), call.shape(1)
    if len(shape) != 3 or len(weights) != 3:
        raise ShapeError(f"{call.op}: it needs arrays of 3 axes, got {len(shape)} and {len(weights)}")
    directions = weights[0]
    hidden = call.attributes.get("hidden_size") or call.shape(2)[2]
    if weights[2] != shape[2]:
        raise ShapeError(f"{call.op}: the weights are for {weights[2]} features but the input has {shape[2]}")
    first = call.attributes.get("layout", 0) == 1
    positions, batch = (shape[1], shape[0]) if first else shape[:2]
    found = (batch, positions, directions, hidden) if first else (positions, directions, batch, hidden)
    state = (batch, directions, hidden) if first else (directions, batch, hidden)
    parts = tuple(Part(n, "parameter") for n in (1, 2, 3, 7) if call.is_constant(n))
    layer = Recurrent(call.op.lower(), shape[2], hidden, call.item(found), directions)
    more = tuple(
        Step(Rearrange("last state", call.item(state)), (0,), state, call.dtype())
        for _ in range(1, call.outputs)
    )
    return Plan((Step(layer, (0,), found, call.dtype(), parts),), more)


PRODUCTS: dict[str, Callable[[Call], Plan]] = {
    "MatMul": matmul,
    "FusedMatMul": fused_matmul,
    "MatMulInteger": lambda call: _multiplied(call, 0, 1, "int32"),
    "QLinearMatMul": lambda call: _multiplied(call, 0, 3),
    **dict.fromkeys(("Gemm", "FusedGemm"), gemm),
    "Einsum": einsum,
    "Attention": attention,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), recurrent),
}
