"""ONNX models against ONNX's own shape inference, its own test cases, and counts by hand."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, shape_inference

import convscope as cs
from convscope.core.operators import Attention, Embedding, MatMul, Recurrent, Unknown
from convscope.core.structural import Linear
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# Parameters and multiply-adds, where a paper, a library or a count by hand says them too.
PUBLISHED = {
    "bvlc_alexnet": (60_965_224, None),
    "resnet50": (25_557_032, 4_089_184_256),
    "vgg19": (143_667_240, None),
    "squeezenet": (1_235_496, 349_151_936),
    "inception_v1": (6_998_552, None),
}


def model(nodes, inputs=None, arrays=(), outputs=("y",), opset=17, **options):
    inputs = {"x": ["N", 3, 32, 32]} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in dict(arrays).items()],
    )
    opsets = [helper.make_opsetid("", opset), *options.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, **options)


def node(op, reads, writes="y", **attributes):
    return helper.make_node(op, reads.split(), writes.split(), **attributes)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def inferred(proto):
    """Every shape that ONNX knows, of one item."""
    found = shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    shapes = {}
    for info in (*found.graph.value_info, *found.graph.output):
        shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
        shapes[info.name] = (shape[1:] if shape[:1] in ((1,), (0,)) else shape) or (1,)
    return shapes


# --- whole networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem.removeprefix("light_") for path in LIGHT.glob("*.onnx")))
def test_every_tensor_of_the_light_models(name):
    path = LIGHT / f"light_{name}.onnx"
    net = cs.network(path)
    proto = onnx.load(path)
    shapes = inferred(proto)
    wanted = {
        n.name or n.output[0]: shapes[n.output[0]] for n in proto.graph.node if (n.name or n.output[0]) in net
    }
    assert {row.name: row.output_shape for row in net} == wanted
    assert len(wanted) == len(net)
    assert net.complete
    assert net.total_params == _params_by_hand(proto)
    params, macs = PUBLISHED.get(name, (None, None))
    assert params in (None, net.total_params)
    assert macs in (None, net.total_macs)


def _params_by_hand(proto):
    """The arrays that layers multiply and add with: filled by a node of their own, or initialisers."""
    shapes = {t.name: tuple(t.dims) for t in proto.graph.initializer}
    values = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    real = {}
    for n in proto.graph.node:
        if n.op_type == "ConstantOfShape":
            shapes[n.output[0]] = tuple(values[n.input[0]])
        elif n.op_type in ("Unsqueeze", "Reshape") and n.input[0] in shapes:
            real[n.output[0]] = n.input[0]
    used = set()
    for n in proto.graph.node:
        if n.op_type in ("Conv", "Gemm"):
            used.update(n.input[1:])
        elif n.op_type == "BatchNormalization":
            used.update(n.input[1:3])
        elif n.op_type in ("Mul", "Add"):
            used.update(real[name] for name in n.input if name in real)
    return sum(math.prod(shapes[name]) for name in {real.get(name, name) for name in used})


@pytest.mark.slow
def test_onnx_own_cases():
    """The operator cases of ONNX's test suite: the shape of the first output, as their data have it."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case for case in collect_testcases(None) if case.data_sets and case.model is not None]
    wrong, seen = [], 0
    for case in cases:
        first = case.data_sets[0][1][0]
        wanted = getattr(first, "shape", None)
        inputs = [array for array in case.data_sets[0][0] if hasattr(array, "shape")]
        if wanted is None or not case.model.graph.input or any(0 in array.shape for array in inputs):
            continue
        try:
            net = cs.network(case.model)
        except UnsupportedError:  # sequences, and the oldest operator sets
            continue
        found = net[net.graph.outputs[0]].output_shape
        seen += found is not None
        if found is not None and not _agree(found, wanted or (1,), case.model):
            wrong.append((case.name, wanted, found))
    assert not wrong
    assert seen > 1400


def _agree(found, wanted, proto):
    """Whether a shape is that of several items, for one: no batch in front, or one axis divided by it."""
    if found in (wanted[1:], (1, *wanted[1:])):
        return True
    dims = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    batch = dims[0] if dims else 1
    for shape in (found, (1, *found), (batch, *found)):
        differing = [(a, b) for a, b in zip(shape, wanted, strict=False) if a != b]
        if len(shape) == len(wanted) and (
            not differing or [(a * batch, b) for a, b in differing] == [(b, b) for _, b in differing][:1]
        ):
            return True
    return False


# --- operators --------------------------------------------------------------------------------

_SMALL = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
_WIDE = {"kernel_shape": [3, 2], "pads": [1, 0, 1, 0], "count_include_pad": 1}
_SKEWED = {"strides": [2, 2], "pads": [1, 0, 1, 2], "dilations": [2, 1]}
_STAMPED = {"strides": [2, 2], "output_padding": [1, 1]}
_SIZED = {"strides": [2, 2], "output_shape": [64, 63]}
_OPERATORS = {
    "conv": ([node("Conv", "x w b", **_SKEWED)], {"w": zeros(4, 3, 3, 3), "b": zeros(4)}),
    "grouped": ([node("Conv", "x w", group=3)], {"w": zeros(6, 1, 3, 3)}),
    "same_upper": ([node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 3])], {"w": zeros(4, 3, 4, 4)}),
    "same_lower": ([node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 3])], {"w": zeros(4, 3, 4, 4)}),
    "valid": ([node("Conv", "x w", auto_pad="VALID")], {"w": zeros(4, 3, 4, 4)}),
    "transposed": ([node("ConvTranspose", "x w", **_STAMPED)], {"w": zeros(3, 4, 3, 3)}),
    "transposed_to": ([node("ConvTranspose", "x w", **_SIZED)], {"w": zeros(3, 4, 3, 3)}),
    "max_ceil": ([node("MaxPool", "x", **_SMALL)], {}),
    "average": ([node("AveragePool", "x", **_WIDE)], {}),
    "global": ([node("GlobalAveragePool", "x")], {}),
    "gemm": (
        [node("Flatten", "x", "f"), node("Gemm", "f w b", transB=1)],
        {"w": zeros(10, 3072), "b": zeros(10)},
    ),
    "einsum": ([node("Einsum", "x w", equation="nchw,cd->nhwd")], {"w": zeros(3, 5)}),
    "reshape": ([node("Reshape", "x s")], {"s": np.array([0, -1, 16], np.int64)}),
    "transpose": ([node("Transpose", "x", perm=[0, 2, 3, 1])], {}),
    "mean": ([node("ReduceMean", "x", axes=[2, 3], keepdims=0)], {}),
    "stretched": ([node("Mul", "x w")], {"w": zeros(3, 1, 1)}),
    "shuffled": ([node("SpaceToDepth", "x", "a", blocksize=4), node("DepthToSpace", "a", blocksize=2)], {}),
    "split": (
        [node("Split", "x s", "a b c", axis=1), node("Concat", "c a", axis=2)],
        {"s": np.array([1, 1, 1], np.int64)},
    ),
}


@pytest.mark.parametrize("case", _OPERATORS)
def test_operators_against_onnx_inference(case):
    nodes, arrays = _OPERATORS[case]
    proto = model(nodes, {"x": [1, 3, 32, 32]}, arrays)
    shapes = inferred(proto)
    net = cs.network(proto)
    assert net["y"].output_shape == shapes["y"]
    assert all(row.output_shape == shapes[row.name] for row in net)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21, onnx.defs.onnx_opset_version()])
def test_one_network_in_every_opset(opset):
    """Axes, shapes and bounds moved from attributes to inputs over the years."""
    as_input = opset >= 13
    arrays = {
        "w": zeros(8, 3, 3, 3),
        "s": np.array([-1, 8 * 16 * 16], np.int64),
        "axes": np.array([1], np.int64),
    }
    squeeze = node("Squeeze", "u axes", "q") if as_input else node("Squeeze", "u", "q", axes=[1])
    unsqueeze = node("Unsqueeze", "r axes", "u") if as_input else node("Unsqueeze", "r", "u", axes=[1])
    clip = node("Clip", "c low high", "k") if opset >= 11 else node("Clip", "c", "k", min=0.0, max=6.0)
    arrays |= {"low": np.float32(0), "high": np.float32(6)} if opset >= 11 else {}
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1], strides=[2, 2]), clip, node("Reshape", "k s", "r"),
        unsqueeze, squeeze, node("Softmax", "q", axis=1),
    ]  # fmt: skip
    if not as_input:
        del arrays["axes"]
    proto = model(nodes, arrays=arrays, opset=opset)
    net = cs.network(proto)
    assert [row.output_shape for row in net] == [
        (8, 16, 16),
        (8, 16, 16),
        (2048,),
        (1, 2048),
        (2048,),
        (2048,),
    ]
    assert repr(net["k"].layer) == "ReLU6()"
    assert (net.total_params, net.total_macs) == (216, 8 * 16 * 16 * 27)


def test_old_operator_sets_are_refused():
    with pytest.raises(UnsupportedError, match="the model is written for opset 6; 7 and newer are read"):
        cs.network(model([node("Relu", "x")], opset=6))


def test_matrix_product_and_addition_are_one_linear_layer():
    nodes = [node("MatMul", "x w", "m"), node("Add", "b m", "l"), node("Relu", "l")]
    net = cs.network(model(nodes, {"x": ["batch", 7, 16]}, {"w": zeros(16, 4), "b": zeros(4)}))
    assert [(row.op, row.params, row.macs) for row in net] == [("linear", 68, 7 * 64), ("ReLU", 0, 0)]
    assert net["m"].layer == Linear(in_features=16, out_features=4)
    assert [w.name for w in net["m"].weights] == ["w", "b"]


def test_a_product_that_others_read_too_keeps_its_addition():
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "l"), node("Mul", "m l")]
    net = cs.network(model(nodes, {"x": ["batch", 16]}, {"w": zeros(16, 4), "b": zeros(4)}))
    assert [row.op for row in net] == ["linear", "elementwise", "elementwise"]
    assert net.total_params == 68


def test_products_of_computed_arrays_are_no_layers_with_weights():
    nodes = [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")]
    net = cs.network(model(nodes, {"x": [1, 12, 197, 64]}))
    assert net["y"].layer == MatMul((12, 197, 197), 64)
    assert (net.total_params, net.total_macs) == (0, 12 * 197 * 197 * 64)


def test_shared_arrays_are_counted_once():
    nodes = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Conv", "a w", pads=[1, 1, 1, 1])]
    net = cs.network(model(nodes, arrays={"w": zeros(3, 3, 3, 3)}))
    assert [row.params for row in net] == [81, 81]
    assert net.total_params == 81


def test_what_counts_as_a_parameter():
    """Scale and shift are trained, statistics, single numbers and integers are not."""
    arrays = {name: zeros(3) for name in ("scale", "shift", "mean", "var")} | {"half": np.float32(0.5)}
    nodes = [node("BatchNormalization", "x scale shift mean var", "n"), node("Mul", "n half")]
    net = cs.network(model(nodes, arrays=arrays))
    assert net.total_params == 6
    assert net.buffer_bytes == {"float32": 4 * 7}


def test_weights_behind_arithmetic_are_found():
    """Quantised and transposed weights are the arrays they are made of."""
    arrays = {"w": zeros(4, 16, dtype=np.int8), "scale": np.float32(0.1), "zero": np.int8(0)}
    nodes = [
        node("DequantizeLinear", "w scale zero", "d"), node("Transpose", "d", "t", perm=[1, 0]),
        node("MatMul", "x t"),
    ]  # fmt: skip
    net = cs.network(model(nodes, {"x": [1, 16]}, arrays))
    assert [(row.op, row.params, row.macs) for row in net] == [("linear", 64, 64)]
    assert net.weight_bytes == {"int8": 64}


def test_attention_recurrence_and_embedding():
    opset = onnx.defs.onnx_opset_version()
    net = cs.network(
        model([node("Attention", "x x x", q_num_heads=4, kv_num_heads=4)], {"x": [1, 10, 32]}, opset=opset)
    )
    assert net["y"].layer == Attention((10, 32), 10, 10, 8, 8, 4)
    assert net.total_macs == 2 * 10 * 10 * 32
    arrays = {"w": zeros(2, 20, 3), "r": zeros(2, 20, 5), "b": zeros(2, 40)}
    net = cs.network(
        model([node("LSTM", "x w r b", hidden_size=5, direction="bidirectional")], {"x": [7, 1, 3]}, arrays)
    )
    assert net["y"].layer == Recurrent("lstm", 3, 5, (7, 2, 1, 5), 2)
    assert (net.total_params, net.total_macs) == (120 + 200 + 80, 7 * 2 * 20 * 8)
    graph = model([node("Gather", "table x")], {"x": ["N", 9]}, {"table": zeros(100, 16)})
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    net = cs.network(graph)
    assert net["y"].layer == Embedding(100, 16, (9, 16))
    assert net.total_params == 1600


def test_shapes_worked_out_inside_the_graph():
    """What PyTorch writes for ``x.view(x.shape[0], -1)``, and for a resize to another array's size."""
    arrays = {"zero": np.array(0, np.int64), "one": np.array([-1], np.int64), "axis": np.array([0], np.int64)}
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axis", "u"),
        node("Concat", "u one", "t", axis=0), node("Reshape", "x t"),
    ]  # fmt: skip
    net = cs.network(model(nodes, arrays=arrays))
    assert [(row.name, row.output_shape) for row in net] == [("y", (3072,))]


def test_functions_are_read_in_place():
    body = [node("Conv", "a w", "c"), helper.make_node("LeakyRelu", ["c"], ["b"])]
    body[1].attribute.append(
        onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    )
    function = helper.make_function(
        "own", "Block", ["a", "w"], ["b"], body, [helper.make_opsetid("", 17)], ["slope"]
    )
    nodes = [helper.make_node("Block", ["x", "w"], ["y"], domain="own", name="block", slope=0.25)]
    net = cs.network(
        model(
            nodes,
            arrays={"w": zeros(4, 3, 3, 3)},
            functions=[function],
            opsets=[helper.make_opsetid("own", 1)],
        )
    )
    assert [(row.name, repr(row.layer).split("(")[0]) for row in net] == [
        ("block/c", "Conv"),
        ("block/b", "LeakyReLU"),
    ]
    assert str(net["block/b"].layer.negative_slope) == "1/4"
    assert net.total_params == 108


def test_operators_of_other_houses_do_not_stop_the_rest():
    nodes = [
        helper.make_node("Magic", ["x", "w"], ["m"], domain="other"), node("Relu", "m", "r"),
        node("Conv", "x w"),
    ]  # fmt: skip
    net = cs.network(
        model(
            nodes,
            arrays={"w": zeros(4, 3, 3, 3)},
            outputs=("r", "y"),
            opsets=[helper.make_opsetid("other", 1)],
        )
    )
    assert isinstance(net["m"].layer, Unknown)
    assert (net["m"].output_shape, net["m"].params, net["m"].macs) == (None, 108, None)
    assert (net["r"].op, net["r"].output_shape) == ("ReLU", None)
    assert net["y"].output_shape == (4, 30, 30)
    assert not net.complete


def test_declared_shapes_serve_where_nothing_else_does():
    proto = model([helper.make_node("Magic", ["x"], ["m"], domain="other"), node("Relu", "m")])
    proto.graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, ["N", 5, 7]))
    assert cs.network(proto)["y"].output_shape == (5, 7)


def test_branches_and_loops_are_shown():
    branch = helper.make_graph(
        [node("Relu", "x", "z")], "b", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    )
    choose = node("If", "c", "y", then_branch=branch, else_branch=branch)
    net = cs.network(model([choose], {"c": [], "x": ["N", 3, 4, 4]}))
    assert isinstance(net["y"].layer, Unknown)
    assert set(net["y"].inputs) == {"c", "x"}
    known = cs.network(model([choose], arrays={"c": np.array(True)}))
    assert [row.op for row in known] == ["ReLU"]


# --- what enters ------------------------------------------------------------------------------


def test_open_axes():
    proto = model([node("Relu", "x")], {"x": ["N", 3, "H", "W"]})
    with pytest.raises(
        InputError, match=r"^axis 2 \('H'\) of the input 'x' has no fixed length; give input_shape"
    ):
        cs.network(proto)
    assert cs.network(proto, input_shape=(3, 5, 7))["y"].output_shape == (3, 5, 7)
    assert cs.network(proto, {"x": (3, 5, 7)})["y"].output_shape == (3, 5, 7)
    assert cs.network(proto, (2, 3, 5, 7))["y"].output_shape in ((3, 5, 7), (2, 3, 5, 7))
    with pytest.raises(InputError, match="the model has no input 'z'"):
        cs.network(proto, {"z": (3, 5, 7)})
    with pytest.raises(InputError, match="the model fixes an axis at 3"):
        cs.network(proto, (4, 5, 7))
    with pytest.raises(InputError, match=r"has 2 axes; without the batch axis the model's input has 3"):
        cs.network(proto, (5, 7))


@pytest.mark.parametrize("batch", ["N", "", 0, -1, 1, 8])
def test_the_batch_axis_is_one_item(batch):
    proto = model([node("Conv", "x w")], {"x": [batch, 3, 9, 9]}, {"w": zeros(4, 3, 3, 3)})
    net = cs.network(proto)
    assert net["y"].output_shape == (4, 7, 7)
    assert net.total_macs == 4 * 49 * 27


def test_a_batch_written_into_the_graph_is_kept():
    arrays = {"s": np.array([8, 27], np.int64), "w": zeros(27, 5)}
    nodes = [node("Reshape", "x s", "r"), node("MatMul", "r w")]
    net = cs.network(model(nodes, {"x": [8, 3, 3, 3]}, arrays))
    assert net["y"].output_shape == (5,)
    assert net.total_macs == 27 * 5


def test_sizes_written_for_several_items_are_read_for_one():
    """What PyTorch writes for attention with a batch of 2: the batch multiplied into the heads."""
    arrays = {
        "c": zeros(1, 1, 64),
        "two": np.array([2, 1, 64], np.int64),
        "heads": np.array([17, 8, 16], np.int64),
    }
    nodes = [
        node("Expand", "c two", "e"), node("Concat", "e x", "j", axis=1),
        node("Transpose", "j", "t", perm=[1, 0, 2]),
        node("Reshape", "t heads", "h"), node("Transpose", "h", "q", perm=[1, 0, 2]),
        node("Transpose", "h", "k", perm=[1, 2, 0]), node("MatMul", "q k"),
    ]  # fmt: skip
    net = cs.network(model(nodes, {"x": [2, 16, 64]}, arrays))
    assert net["h"].output_shape == (17, 4, 16)
    assert net["y"].output_shape == (4, 17, 17)
    assert net.total_macs == 4 * 17 * 17 * 16


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def conv_proto():
    return model([node("Conv", "x w b")], arrays={"w": zeros(64, 3, 11, 11), "b": zeros(64)})


def test_large_files_are_read_without_their_weights(conv_proto, tmp_path, monkeypatch):
    from convscope.importers import onnx_file, onnx_wire

    path = tmp_path / "big.onnx"
    onnx.save(conv_proto, path)
    whole = cs.network(path)
    monkeypatch.setattr(onnx_file, "WHOLE_BYTES", 100)
    assert cs.network(path) == whole
    small = onnx_wire.without_numbers(path, 10)
    assert len(small) < 1000 < path.stat().st_size
    again = onnx.ModelProto.FromString(small)
    assert [tuple(t.dims) for t in again.graph.initializer] == [(64, 3, 11, 11), (64,)]


def test_a_file_beyond_what_protobuf_parses(tmp_path):
    """Two gigabytes and more, of which no block is on the disk."""
    path = tmp_path / "huge.onnx"
    size = 2**31 + 2**20
    tensor = (
        b"".join(_field(1, n, wire=0) for n in (16, 3, 2**13 + 4, 1365))
        + _field(2, 1, wire=0)
        + _field(8, b"w")
    )
    head = tensor + _varint(9 << 3 | 2) + _varint(size)
    graph = model([node("Conv", "x w")], {"x": [1, 3, 10_000, 2000]}).graph.SerializeToString()
    graph_size = len(graph) + 1 + len(_varint(len(head) + size)) + len(head) + size
    start = (
        _field(8, helper.make_opsetid("", 17).SerializeToString()) + _varint(7 << 3 | 2) + _varint(graph_size)
    )
    with path.open("wb") as stream:
        stream.write(start + graph + _varint(5 << 3 | 2) + _varint(len(head) + size) + head)
        stream.truncate(stream.tell() + size)
    net = cs.network(path)
    assert net["y"].output_shape == (16, 10_000 - 8195, 2000 - 1364)
    assert net.total_params == 16 * 3 * 8196 * 1365


def _varint(value):
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    return bytes([*pieces, value])


def _field(number, content, wire=2):
    body = _varint(content) if wire == 0 else _varint(len(content)) + content
    return _varint(number << 3 | wire) + body


def test_external_data_is_never_opened(tmp_path):
    proto = model([node("Conv", "x w")], arrays={"w": zeros(4, 3, 3, 3)})
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../../etc/passwd"), ("length", str(10**12))):
        weight.external_data.add(key=key, value=value)
    path = tmp_path / "outside.onnx"
    path.write_bytes(proto.SerializeToString())
    assert cs.network(path).total_params == 108
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_are_no_models(conv_proto, tmp_path):
    whole = conv_proto.SerializeToString()
    for name, content in {"empty": b"", "cut": whole[:-9], "noise": b"\xff" * 99, "text": b"hello"}.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path}: "):
            cs.network(path)
    with pytest.raises(InputError, match="No such file"):
        cs.network(tmp_path / "absent.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        cs.network(tmp_path / "folder.onnx")


@pytest.mark.parametrize("cut", range(1, 400, 37))
def test_cut_files_when_weights_are_skipped(conv_proto, tmp_path, monkeypatch, cut):
    from convscope.importers import onnx_file

    monkeypatch.setattr(onnx_file, "WHOLE_BYTES", 1)
    path = tmp_path / "cut.onnx"
    path.write_bytes(conv_proto.SerializeToString()[:-cut])
    with pytest.raises(InputError, match=f"^{path}: "):
        cs.network(path)


def test_spoilt_files_give_one_error_or_a_network(tmp_path):
    whole = (LIGHT / "light_squeezenet.onnx").read_bytes()
    chosen = random.Random(5)  # noqa: S311 - the same each time
    outcomes = Counter()
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chosen.randint(1, 6)):
            content[chosen.randrange(len(content))] = chosen.randrange(256)
        path = tmp_path / "spoilt.onnx"
        path.write_bytes(content)
        try:
            cs.network(path)
            outcomes["read"] += 1
        except ConvscopeError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 5


def test_reading_loads_neither_torch_nor_keras():
    code = (
        "import sys, convscope as cs; net = cs.network(sys.argv[1]); net.rows[-1].explain(); "
        "assert 'onnx' in sys.modules; "
        "print([name for name in ('torch', 'keras', 'tensorflow') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(LIGHT / "light_squeezenet.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout == "[]\n"


def test_circles_and_loose_ends():
    circle = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")]
    with pytest.raises(InputError, match="nodes read each other in a circle: a ← b"):
        cs.network(model(circle))
    with pytest.raises(InputError, match="reads 'z', which nothing makes"):
        cs.network(model([node("Relu", "z")]))
    with pytest.raises(InputError, match="two nodes make the array 'y'"):
        cs.network(model([node("Relu", "x"), node("Tanh", "x")]))
    backwards = [node("Relu", "a"), node("Tanh", "x", "a")]
    assert [row.name for row in cs.network(model(backwards))] == ["a", "y"]


def test_absurd_lengths():
    with pytest.raises(ShapeError, match="the input 'x' has axes of"):
        cs.network(model([node("Relu", "x")], {"x": [1, 10**13]}))
    with pytest.raises(ShapeError, match="the input 'x' has an axis of -7 cells"):
        cs.network(model([node("Relu", "x")], {"x": [1, -7]}))
    for length in (-8, 10**12, 2**62):
        proto = model([node("Conv", "x w")], arrays={"w": zeros(4, 3, 3, 3)})
        proto.graph.initializer[0].dims[0] = length
        with pytest.raises(InputError, match=r"^node 'y'"):
            cs.network(proto)


def test_shapes_that_do_not_fit_name_the_node():
    proto = model(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="first")], arrays={"w": zeros(4, 5, 3, 3)}
    )
    with pytest.raises(ShapeError, match=r"^node 'first': Conv: the weights are for 5 input channels"):
        cs.network(proto)


def test_names_are_shown_on_one_line():
    names = ["<script>alert(1)</script>\n\x1b[31m", "z" * 5000, "", "", "x", "twice", "twice"]
    last, nodes = "x", []
    for place, name in enumerate(names):
        nodes.append(helper.make_node("Relu", [last], [f"t{place}"], name=name))
        last = f"t{place}"
    net = cs.network(model(nodes, outputs=(last,)))
    assert len({row.name for row in net}) == len(names)
    assert all(row.name.isprintable() and len(row.name) <= 200 for row in net)
    assert net.rows[0].name == r"<script>alert(1)</script>\n\x1b[31m"
    assert [row.name for row in net.rows[2:]] == ["t2", "t3", "x_2", "twice", "twice_2"]


def test_functions_that_call_themselves_or_multiply():
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    own = helper.make_function(
        "f", "F", ["a"], ["b"], [helper.make_node("F", ["a"], ["b"], domain="f")], opsets
    )
    call = [helper.make_node("F", ["x"], ["y"], domain="f")]
    with pytest.raises(InputError, match="functions call each other more than 40 deep"):
        cs.network(model(call, functions=[own], opsets=opsets[1:]))


def test_too_many_nodes(monkeypatch):
    from convscope.importers import onnx_graph

    monkeypatch.setattr(onnx_graph, "MAX_FILE_NODES", 5)
    nodes = [node("Relu", f"t{n}" if n else "x", f"t{n + 1}") for n in range(6)]
    with pytest.raises(InputError, match="the graph has 6 nodes; at most 5 are read"):
        cs.network(model(nodes, outputs=("t6",)))


# --- graphs nobody chose ----------------------------------------------------------------------


@st.composite
def graphs(draw):
    """Branching chains of windows, norms, joins and reshapes on one picture."""
    arrays, nodes = {}, []
    made = [("x", 4, draw(st.integers(5, 24)), draw(st.integers(5, 24)))]
    first = made[0]
    for n in range(draw(st.integers(1, 7))):
        name, channels, *_ = draw(st.sampled_from(made))
        kind = draw(st.sampled_from(["conv", "pool", "relu", "join", "add", "resize", "pad"]))
        out = f"t{n}"
        k, s, p = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 1))
        if kind == "conv":
            groups = draw(st.sampled_from([g for g in (1, 2, 4) if channels % g == 0]))
            arrays[f"w{n}"] = zeros(4, channels // groups, k, k)
            options = {"pads": [p, 0, 0, p], "strides": [s, s], "group": groups}
            nodes.append(node("Conv", f"{name} w{n}", out, **options))
        elif kind == "pool":
            p = min(p, k - 1)
            options = {
                "kernel_shape": [k, k],
                "strides": [s, 1],
                "pads": [p] * 4,
                "ceil_mode": draw(st.integers(0, 1)),
            }
            nodes.append(node("MaxPool", name, out, **options))
        elif kind in ("join", "add"):
            nodes.append(
                node("Concat", f"{name} {name}", out, axis=1)
                if kind == "join"
                else node("Add", f"{name} {name}", out)
            )
        elif kind == "resize":
            arrays[f"f{n}"] = np.array([1, 1, 2, 1.5], np.float32)
            nodes.append(helper.make_node("Resize", [name, "", f"f{n}"], [out]))
        elif kind == "pad":
            arrays[f"p{n}"] = np.array([0, 0, p, 1, 0, 0, 2, p], np.int64)
            nodes.append(node("Pad", f"{name} p{n}", out))
        else:
            nodes.append(node("Relu", name, out))
        proto = model(nodes, {"x": [1, *first[1:]]}, arrays, (out,))
        shape = inferred(proto)[out]
        if min(shape) < 2 or shape[0] > 64:
            nodes.pop()
            continue
        made.append((out, *shape))
    if not nodes:
        nodes.append(node("Relu", "x", "t"))
    return model(nodes, {"x": [1, *first[1:]]}, arrays, tuple(n.output[0] for n in nodes))


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_any_graph_against_onnx_inference(proto):
    shapes = inferred(proto)
    net = cs.network(proto)
    assert {row.name: row.output_shape for row in net} == {
        n.output[0]: shapes[n.output[0]] for n in proto.graph.node
    }
    weights = {t.name: t for t in proto.graph.initializer if t.name.startswith("w")}
    used = {name for n in proto.graph.node for name in n.input}
    assert net.total_params == sum(math.prod(t.dims) for name, t in weights.items() if name in used)
    macs = sum(
        math.prod(shapes[n.output[0]]) * math.prod(weights[n.input[1]].dims[1:])
        for n in proto.graph.node
        if n.op_type == "Conv"
    )
    assert net.total_macs == macs
