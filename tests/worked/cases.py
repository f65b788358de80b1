"""Small random cases for the tests against other libraries: the same ones in every run."""

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st

# Deterministic, and quick enough for every layer to have its own.
few = settings(derandomize=True, deadline=None, max_examples=40, database=None)

ranks = st.integers(1, 3)


def per_axis(least, most, rank):
    return st.lists(st.integers(least, most), min_size=rank, max_size=rank).map(tuple)


@st.composite
def integer_arrays(draw, shape, least=-6, most=6):
    """Whole numbers, so that float64 libraries are exact as well."""
    seed = draw(st.integers(0, 2**20))
    return np.random.default_rng(seed).integers(least, most + 1, shape)


def tensor(array):
    return torch.from_numpy(np.array(array, dtype=np.float64))


def torch_padding(pairs):
    """(before, after) of each axis in the order of `torch.nn.functional.pad`: last axis first."""
    return [side for pair in reversed(pairs) for side in pair]


def same(exact, tensor_):
    """The exact array equals the tensor, cell for cell."""
    found = np.asarray(exact, dtype=float)
    expected = tensor_.numpy()
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def close(exact, tensor_, atol=1e-12):
    """The exact array is what the tensor holds, but for float64 rounding."""
    found = np.asarray(exact, dtype=float)
    expected = tensor_.numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=atol)
