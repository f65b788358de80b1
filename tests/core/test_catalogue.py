"""Kernels by name: what they hold, and that a name is read wherever a kernel is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import convscope as cs


def spike():
    found = np.zeros((9, 9))
    found[4, 4] = 1
    return found


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("identity", lambda x: x),
        ("box_3", lambda x: ndimage.uniform_filter(x, 3)),
        ("box_5", lambda x: ndimage.uniform_filter(x, 5)),
        ("sobel_x", lambda x: ndimage.sobel(x, axis=1)),
        ("sobel_y", lambda x: ndimage.sobel(x, axis=0)),
        ("prewitt_x", lambda x: ndimage.prewitt(x, axis=1)),
        ("prewitt_y", lambda x: ndimage.prewitt(x, axis=0)),
        ("laplacian", ndimage.laplace),
    ],
)
def test_kernels_are_those_that_scipy_knows(name, peer):
    weights = np.asarray(cs.kernels[name], dtype=float)
    assert np.allclose(ndimage.correlate(spike(), weights), peer(spike()), atol=1e-12)


def test_smoothing_kernels_sum_to_one_and_differences_to_zero():
    for name, kernel in cs.kernels.items():
        total = sum(kernel.weights.cells())
        smooth = name.startswith(("box", "gaussian")) or name in {"identity", "sharpen"}
        assert total == smooth, name


def test_a_name_is_read_as_its_kernel():
    assert cs.kernel(" sobel_x ").weights == cs.kernels["sobel_x"].weights
    assert cs.kernel("sobel_x", "mine").name == "mine"


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        cs.kernels["mine"] = cs.kernel("1")
    assert "sobel_x" in repr(cs.kernels)
    assert len(cs.kernels) == len(list(cs.kernels))
