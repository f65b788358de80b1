"""Batches by name: digits, folders of pictures, files of arrays."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

import convscope as cs  # noqa: E402
from convscope.errors import InputError  # noqa: E402
from convscope.probing.data import named_batches  # noqa: E402
from probing import nets  # noqa: E402


def test_digits():
    pytest.importorskip("sklearn")
    x, y = next(named_batches("digits", None, 20))
    assert x.shape == (20, 1, 8, 8)
    assert x.dtype == torch.float32
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)
    assert y.tolist()[:10] == list(range(10))
    assert next(named_batches("digits", (64,), 4))[0].shape == (4, 64)
    assert next(named_batches("digits", (3, 32, 32), 4))[0].shape == (4, 3, 32, 32)
    report = cs.probe(nets.cnn(), "digits", limit=2)
    assert (report.batches, report.items, report.loss_words) == (2, 64, "cross-entropy")


def test_a_folder_with_a_folder_for_each_class(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for n in range(3):
            Image.new("RGB", (9, 7), (80 * label, 40 * n, 10)).save(tmp_path / name / f"{n}.png")
    x, y = next(named_batches(tmp_path, None, 4))
    assert x.shape == (4, 3, 7, 9)
    assert y.tolist() == [0, 1, 0, 1]
    assert x[1, 0, 0, 0] == pytest.approx(80 / 255)
    assert next(named_batches(tmp_path, (1, 8, 8), 2))[0].shape == (2, 1, 8, 8)
    (flat,) = next(named_batches(tmp_path / "cat", None, 8))
    assert flat.shape == (3, 3, 7, 9)


def test_a_file_of_arrays(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, y=np.arange(6) % 3, x=np.full((6, 1, 8, 8), 255, np.uint8))
    x, y = next(named_batches(path, None, 4))
    assert (float(x.max()), y.tolist()) == (1.0, [0, 1, 2, 0])
    np.savez(path, np.zeros((4, 5)), np.zeros((4, 2)))
    x, y = next(named_batches(path, None, 8))
    assert (x.dtype, x.shape, y.shape) == (torch.float32, (4, 5), (4, 2))


def test_nothing_is_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    path = tmp_path / "data.npz"
    np.savez(path, x=np.array([Evil()], dtype=object))
    with pytest.raises(InputError, match=r"is not a file of arrays that can be read: Object arrays"):
        next(named_batches(path, None, 4))
    assert not (tmp_path / "owned").exists()


def test_mistakes(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "apart.npz", x=np.zeros((4, 2)), y=np.zeros(3))
    for name, told in (
        ("empty", "there are no pictures"),
        ("bad.npz", "is not a file of arrays"),
        ("apart.npz", "is no array with a target for each of the 4 items"),
        ("none.npz", "No such file"),
    ):
        with pytest.raises(InputError, match=told):
            next(named_batches(tmp_path / name, None, 4))
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    Image.new("L", (5, 4)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"^the pictures differ in size"):
        next(named_batches(tmp_path, None, 4))
    np.savez(tmp_path / "flat.npz", x=np.zeros((2, 4)))
    with pytest.raises(InputError, match=r"^an item of 4 cannot be made into 3×2×2"):
        next(named_batches(tmp_path / "flat.npz", (3, 2, 2), 2))
