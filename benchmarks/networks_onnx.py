"""A chain of 10,000 ONNX layers, every row worked out, beside ONNX's own shape inference in C++.

Run: ``python benchmarks/networks_onnx.py [layers]``. Both are timed in turn in one process; printed
are the best times and their ratio. Reading here is the whole: the file opened, parsed, planned, the
shape and cost of every layer derived.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

import convscope as cs

ROUNDS = 5


def chain(layers: int, channels: int = 8, size: int = 64) -> onnx.ModelProto:
    """Convolution and ReLU in turn, each convolution with weights and a bias of its own."""
    nodes, arrays, last = [], [], "x"
    for n in range(layers):
        if n % 2:
            nodes.append(helper.make_node("Relu", [last], [f"y{n}"], name=f"relu{n}"))
        else:
            weight = np.zeros((channels, channels, 3, 3), np.float32)
            arrays.append(numpy_helper.from_array(weight, f"w{n}"))
            arrays.append(numpy_helper.from_array(np.zeros(channels, np.float32), f"b{n}"))
            reads = [last, f"w{n}", f"b{n}"]
            nodes.append(
                helper.make_node(
                    "Conv", reads, [f"y{n}"], name=f"conv{n}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]
                )
            )
        last = f"y{n}"
    shape = [1, channels, size, size]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
        arrays,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main() -> None:
    """Time both and print the ratio."""
    layers = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.onnx"
        onnx.save(chain(layers), path)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            net = cs.network(path)
            rows = [(row.output_shape, row.params, row.macs, row.activation_bytes) for row in net]
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            shape_inference.infer_shapes(onnx.load(path))
            theirs.append(time.perf_counter() - start)
    print(f"{len(rows)} layers, {net.total_params} parameters, {net.total_macs} MACs")
    print(f"convscope           {min(ours):.3f} s")
    print(f"onnx infer_shapes   {min(theirs):.3f} s")
    print(f"ratio               {min(ours) / min(theirs):.2f}")


if __name__ == "__main__":
    main()
