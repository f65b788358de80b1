"""Kernels are read once, and never remembered where their weights may change unseen."""

from __future__ import annotations

import numpy as np
import pytest

import convscope as cs
from convscope.engine.kernels import read_kernels


def analyses(kernel, *, flip=False):
    return read_kernels(kernel, flip=flip)[0]


@pytest.mark.parametrize(
    "kernel", ["1 2; 3 4", cs.kernel("1 2; 3 4"), np.ones((3, 3)), cs.matrix("1 2; 3 4")]
)
def test_a_kernel_is_analysed_once(kernel):
    assert analyses(kernel) is analyses(kernel)
    assert analyses(kernel) is not analyses(kernel, flip=True)


@pytest.mark.parametrize("dtype", [np.float64, object])
def test_an_array_that_changed_is_read_again(dtype):
    image, kernel = np.ones((4, 4), np.float32), np.array([[1, 2], [3, 4]], dtype=dtype)
    for stack in (kernel, (kernel, kernel), [kernel]):
        kernel[0, 0] = 1
        assert cs.apply(image, stack, border="valid").max() == 10
        kernel[0, 0] = 91
        assert cs.apply(image, stack, border="valid").max() == 100


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "kernel.csv"
    for weight in (1, 2):
        path.write_text(f"{weight},0\n0,0\n", encoding="utf-8")
        assert analyses(path)[0].floats.max() == weight


def test_several_kernels_need_one_shape():
    with pytest.raises(cs.ShapeError, match=r"several kernels need one shape, got \(1, 1\), \(2, 2\)"):
        analyses([cs.kernel("1"), cs.kernel("1 2; 3 4")])
