"""The operator cases that the `onnx` package carries, worked exactly, against their recorded outputs."""

from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

import convscope as cs
from convscope.errors import UnsupportedError

DATA = Path(onnx.backend.test.__file__).parent / "data" / "pytorch-converted"


def pairs(pads):
    half = len(pads) // 2
    return tuple(zip(pads[:half], pads[half:], strict=True))


def conv(a, weight, bias=None):
    return cs.Conv(
        weight,
        bias,
        stride=a["strides"],
        padding=pairs(a["pads"]),
        dilation=a["dilations"],
        groups=a["group"],
    )


def conv_transpose(a, weight, bias=None):
    return cs.ConvTranspose(
        weight,
        bias,
        stride=a["strides"],
        padding=pairs(a["pads"]),
        dilation=a["dilations"],
        groups=a["group"],
        output_padding=a.get("output_padding", 0),
    )


def max_pool(a):
    return cs.MaxPool(a["kernel_shape"], a["strides"], pairs(a["pads"]), a.get("dilations", 1))


def average_pool(a):
    return cs.AvgPool(a["kernel_shape"], a["strides"], pairs(a["pads"]), count_include_pad=False)


def batch_norm(a, weight, bias, mean, variance):
    return cs.BatchNorm(mean, variance, weight, bias, eps=str(np.float32(a["epsilon"])))


def gemm(a, weight, bias=None):
    assert a["transB"] == 1
    return cs.Linear(weight, bias)


def pad(a):
    mode = {"edge": "replicate"}.get(a["mode"], a["mode"])
    return cs.Pad(pairs(a["pads"])[2:], mode, a.get("value", 0) if mode == "constant" else 0)


LAYERS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Gemm": gemm,
    "Pad": pad,
    "Relu": lambda _: cs.ReLU(),
    "LeakyRelu": lambda a: cs.LeakyReLU(str(np.float32(a["alpha"]))),
    "PRelu": lambda _, slope: cs.PReLU(slope.reshape(-1)),
    "Elu": lambda a: cs.ELU(a.get("alpha", 1)),
    "Selu": lambda _: cs.SELU(),
    "Sigmoid": lambda _: cs.Sigmoid(),
    "Tanh": lambda _: cs.Tanh(),
    "Softplus": lambda _: cs.Softplus(),
    "Softsign": lambda _: cs.Softsign(),
    "Softmax": lambda a: cs.Softmax(a["axis"]),
    "LogSoftmax": lambda a: cs.LogSoftmax(a["axis"]),
}
# Several operators that are together one layer: the layer from the operator that holds its options.
CHAINS = {
    ("Unsqueeze", "AveragePool", "Squeeze"): ("AveragePool", lambda a: average_pool(first_axis(a))),
    ("Transpose", "MatMul"): ("MatMul", lambda _, weight: cs.Linear(weight)),
    ("Neg", "Softmax"): ("Softmax", lambda a: cs.Softmin(a["axis"])),
    ("Abs", "Constant", "Add", "Div"): ("Div", lambda _: cs.Softsign()),
}
# Operators that are none of convscope's layers.
OTHER = {"Embedding", "Embedding_sparse", "GLU", "GLU_dim", "PixelShuffle", "PoissonNLLLLoss_no_reduce"}
CASES = sorted(path.name for path in DATA.iterdir())


def first_axis(a):
    """A pool of rank 2 over an added axis of one cell, as the pool of rank 1 it stands for."""
    pads = a["pads"][:1] + a["pads"][2:3]
    return {"kernel_shape": a["kernel_shape"][:1], "strides": a["strides"][:1], "pads": pads}


def tensor(path):
    found = onnx.TensorProto()
    found.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(found)


def attributes_of(node):
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: plain(value) for name, value in values.items()}


def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, int | float) else list(value)


def layer_of(graph):
    operators = tuple(node.op_type for node in graph.node)
    chosen, build = CHAINS.get(operators, (operators[0], LAYERS.get(operators[0])))
    node = next(node for node in graph.node if node.op_type == chosen)
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    used = [weights[name] for n in graph.node for name in n.input if name in weights]
    return build(attributes_of(node), *used)


@pytest.mark.parametrize("case", [case for case in CASES if case.removeprefix("test_") not in OTHER])
def test_operator_case(case):
    data = DATA / case / "test_data_set_0"
    expected = tensor(data / "output_0.pb")
    layer = layer_of(onnx.load(DATA / case / "model.onnx").graph)
    found = cs.solve(tensor(data / "input_0.pb"), layer).array()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_cases_are_all_there():
    assert len(CASES) >= 70


def test_an_unknown_layer_is_refused_with_the_known_ones():
    class Strange(cs.Layer):
        title = "strange"

    with pytest.raises(UnsupportedError, match="layer 1: Strange cannot be worked; known: Conv, "):
        cs.solve("1", Strange())
