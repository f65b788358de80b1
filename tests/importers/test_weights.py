"""Files of weights: what each library wrote is read back, and what nobody should open is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convscope.errors import InputError, MissingExtraError, UnsupportedError
from convscope.importers.weight_norms import layout_of
from convscope.importers.weights import READERS, read_weights

RANDOM = np.random.default_rng(3)
STEM = RANDOM.normal(size=(8, 3, 5, 5)).astype(np.float32)


def write_safetensors(path, arrays):
    from safetensors.numpy import save_file

    save_file(arrays, path)
    return path


def saved(path, arrays):
    """The arrays in a file of the kind that the suffix names."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        write_safetensors(path, arrays)
    else:
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, path)
    return path


# --- reading what libraries wrote -------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt", ".pth"])
def test_arrays_come_back_as_they_were_written(tmp_path, suffix):
    arrays = {"conv1.weight": STEM, "fc.weight": np.ones((2, 8), np.float32)}
    weights = read_weights(saved(tmp_path / f"a{suffix}", arrays))
    assert set(weights) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights[name], array)
    assert [layer.name for layer in weights.layers] == ["conv1.weight"]
    np.testing.assert_array_equal(weights.bank().weights, STEM.astype(np.float64))
    assert not weights.bank().weights.flags.writeable
    assert not weights["conv1.weight"].flags.writeable


def test_one_array_of_npy_is_a_bank_a_filter_or_a_kernel(tmp_path):
    for array, shape in ((STEM, (8, 3, 5, 5)), (STEM[0], (1, 3, 5, 5)), (STEM[0, 0], (1, 1, 5, 5))):
        np.save(tmp_path / "a.npy", array)
        bank = read_weights(tmp_path / "a.npy").bank()
        assert bank.weights.shape == shape
        np.testing.assert_array_equal(bank.weights.reshape(array.shape), array)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float64", "float8_e4m3fn", "float8_e5m2"])
def test_every_float_of_safetensors_is_what_pytorch_reads(tmp_path, name):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    stored = torch.from_numpy(STEM.copy()).to(getattr(torch, name))
    save_file({"conv.weight": stored}, tmp_path / "a.safetensors")
    found = read_weights(tmp_path / "a.safetensors")["conv.weight"]
    np.testing.assert_array_equal(found.astype(np.float64), stored.to(torch.float64).numpy())


@pytest.mark.parametrize(("name", "kind"), [("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2")])
def test_all_256_small_floats_are_what_pytorch_reads(name, kind):
    torch = pytest.importorskip("torch")
    from convscope.importers.weights_safetensors import DTYPES

    codes = np.arange(256, dtype=np.uint8)
    told = torch.from_numpy(codes.copy()).view(getattr(torch, kind)).to(torch.float32).numpy()
    np.testing.assert_array_equal(DTYPES[name][1](codes), told)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_holds_its_weights_one_level_down(tmp_path, key):
    torch = pytest.importorskip("torch")
    torch.save({"epoch": 3, key: {"conv.weight": torch.from_numpy(STEM.copy())}}, tmp_path / "a.pt")
    bank = read_weights(tmp_path / "a.pt").bank()
    np.testing.assert_array_equal(bank.weights, STEM)
    assert bank.notes == (f"The weights are those under {key!r}",)


def test_a_model_of_pytorch_saved_as_its_state(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.Conv2d(6, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8),
        nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    with torch.no_grad():
        model[2].weight[:] = torch.linspace(-1, 1, 8)
        model[2].running_var[:] = torch.linspace(0.5, 4, 8)
    torch.save(model.state_dict(), tmp_path / "a.pt")
    weights = read_weights(tmp_path / "a.pt")
    assert [(layer.name, layer.shape) for layer in weights.layers] == [
        ("0.weight", (6, 3, 1, 1)), ("1.weight", (8, 6, 3, 3)), ("3.weight", (8, 1, 3, 3)),
    ]  # fmt: skip
    bank = weights.bank()  # the first that is more than one tap
    assert bank.name == "1.weight"
    norm = model[2]
    want = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    np.testing.assert_allclose(bank.scales, want, rtol=1e-6)
    assert weights.bank("3").scales is None
    assert weights.bank("3").name == "3.weight"


@pytest.mark.parametrize(
    ("conv", "norm"),
    [
        ("conv1", "bn1"),
        ("layer1.0.conv2", "layer1.0.bn2"),
        ("features.0", "features.1"),
        ("layer2.0.downsample.0", "layer2.0.downsample.1"),
        ("Mixed_5b.branch1x1.conv", "Mixed_5b.branch1x1.bn"),
        ("embedder.embedder.convolution", "embedder.embedder.normalization"),
        ("stem.conv", "stem.norm"),
    ],
)
def test_the_normalisation_beside_a_convolution_is_found_by_its_name(tmp_path, conv, norm):
    arrays = {
        f"{conv}.weight": STEM,
        f"{norm}.weight": np.full(8, 3.0, np.float32),
        f"{norm}.running_var": np.full(8, 4.0, np.float32),
        "other.running_var": np.full(8, 9.0, np.float32),
    }
    bank = read_weights(write_safetensors(tmp_path / "a.safetensors", arrays)).bank()
    np.testing.assert_allclose(bank.scales, 3 / np.sqrt(4 + 1e-5), rtol=1e-7)


def test_a_normalisation_of_another_width_is_not_folded(tmp_path):
    arrays = {"conv1.weight": STEM, "bn1.running_var": np.ones(3, np.float32)}
    assert read_weights(write_safetensors(tmp_path / "a.safetensors", arrays)).bank().scales is None


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("conv1.weight", (8, 3, 3, 3), "(out, in, rows, columns)"),
        ("params/Conv_0/kernel", (3, 3, 3, 8), "(rows, columns, in, out)"),
        ("conv.weight", (8, 3, 5), "(out, in, taps)"),
        ("attn.bias", (1, 1, 1024, 1024), None),
        ("pos_embed", (1, 197, 768), None),
        ("fc.weight", (10, 512), None),
        ("conv1.weight", (0, 3, 3, 3), None),
    ],
)
def test_which_arrays_are_convolutions(name, shape, words):
    layout = layout_of(name, shape)
    assert (layout and layout.words) == words


# --- ONNX -------------------------------------------------------------------------------------


def onnx_model(tmp_path, nodes, arrays, name="a.onnx", **options):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, key) for key, array in arrays.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / name, **options)
    return tmp_path / name


def conv_and_norm():
    helper = pytest.importorskip("onnx").helper
    norm = {key: np.full(8, value, np.float32) for key, value in
            {"g": 3, "b": 0, "m": 0, "v": 4}.items()}  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="stem"),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["y"], name="norm", epsilon=0.5),
    ]
    return nodes, {"unused": np.ones((9, 9, 3, 3), np.float32), "w": STEM, **norm}


@pytest.mark.parametrize("is_large", [False, True])
def test_onnx_tells_the_convolutions_and_their_normalisation(tmp_path, monkeypatch, is_large):
    if is_large:  # then the graph is parsed without the numbers
        monkeypatch.setattr("convscope.importers.onnx_file.WHOLE_BYTES", 0)
        monkeypatch.setattr("convscope.importers.onnx_wire.SMALL", 64)
    path = onnx_model(tmp_path, *conv_and_norm())
    weights = read_weights(path)
    assert [layer.name for layer in weights.layers] == ["w"]  # the unused one is no convolution's
    bank = weights.bank("stem")
    np.testing.assert_array_equal(bank.weights, STEM)
    np.testing.assert_allclose(bank.scales, 3 / np.sqrt(4.5))


def test_onnx_numbers_beside_the_model(tmp_path):
    nodes, arrays = conv_and_norm()
    path = onnx_model(
        tmp_path, nodes, arrays, save_as_external_data=True, location="a.data", size_threshold=0
    )
    np.testing.assert_array_equal(read_weights(path).bank().weights, STEM)
    (tmp_path / "a.data").write_bytes(b"short")
    with pytest.raises(InputError, match=r"the numbers of 'w' lie past the end of a.data"):
        read_weights(path).bank()


def test_onnx_numbers_elsewhere_are_not_opened(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = onnx_model(tmp_path, *conv_and_norm())
    model = onnx.load(path)
    (tmp_path / "secret").write_bytes(STEM.tobytes())
    (tmp_path / "inner").mkdir()
    for location in ("../secret", str(tmp_path / "secret"), "link"):
        tensor = next(one for one in model.graph.initializer if one.name == "w")
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        del tensor.external_data[:]
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
        target = tmp_path / "inner" / "a.onnx"
        target.write_bytes(model.SerializeToString())
        if location == "link":
            (tmp_path / "inner" / "link").symlink_to(tmp_path / "secret")
        with pytest.raises(InputError, match=r"points to a file outside the model's folder"):
            read_weights(target).bank()


def test_onnx_constants_casts_and_whole_numbers(tmp_path):
    helper = pytest.importorskip("onnx").helper
    from onnx import numpy_helper

    whole = RANDOM.integers(-128, 127, (8, 3, 5, 5)).astype(np.int8)
    scale = np.linspace(0.1, 0.8, 8).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=0),
        helper.make_node("Constant", [], ["half"], value=numpy_helper.from_array(STEM.astype(np.float16))),
        helper.make_node("Cast", ["half"], ["full"], to=1),
        helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
        helper.make_node("Conv", ["x", "full"], ["y"], name="second"),
    ]
    weights = read_weights(onnx_model(tmp_path, nodes, {"q": whole, "s": scale}))
    np.testing.assert_allclose(
        weights.bank("first").weights, whole * scale.astype(np.float64)[:, None, None, None]
    )
    np.testing.assert_array_equal(weights.bank("second").weights, STEM.astype(np.float16))


@pytest.mark.parametrize("groups", [1, 2])
def test_onnx_transposed_convolutions_are_filters_too(tmp_path, groups):
    torch = pytest.importorskip("torch")
    helper = pytest.importorskip("onnx").helper
    layer = torch.nn.ConvTranspose2d(4, 6, 3, groups=groups, bias=False)
    stored = layer.weight.detach().numpy()
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=groups)]
    found = read_weights(onnx_model(tmp_path, nodes, {"w": stored})).bank().weights
    # One bright pixel of one input channel is drawn as the filter of each output channel.
    for channel in range(4):
        x = torch.zeros(1, 4, 1, 1)
        x[0, channel] = 1
        drawn = layer(x)[0].detach().numpy()
        outs, inner = 6 // groups, channel % (4 // groups)
        first = channel // (4 // groups) * outs
        np.testing.assert_array_equal(drawn[first : first + outs], found[first : first + outs, inner])


# --- Keras ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory):
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    h5py = pytest.importorskip("h5py")
    from keras.src.legacy.saving import legacy_h5_format

    folder = tmp_path_factory.mktemp("keras")
    layers = keras.layers
    # Keras on PyTorch meets NumPy's new protocol with a warning of its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras.Sequential([
            keras.Input((16, 16, 3)), layers.Conv2D(4, (3, 5), name="stem"),
            layers.BatchNormalization(name="norm", scale=False, epsilon=0.25),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="wise"), layers.Flatten(), layers.Dense(2),
        ])  # fmt: skip
        model.get_layer("norm").moving_variance.assign(np.linspace(1, 4, 4))
        model.save(folder / "a.keras")
        model.save_weights(folder / "a.weights.h5")
        with h5py.File(folder / "old.h5", "w") as file:
            told = {"class_name": "Sequential", "config": model.get_config()}
            file.attrs["model_config"] = json.dumps(told)
            legacy_h5_format.save_weights_to_hdf5_group(file.create_group("model_weights"), model)
        with h5py.File(folder / "old.weights.h5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        stored = {name: np.array(model.get_layer(name).get_weights()[0]) for name in ("stem", "wise")}
    return folder, stored


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "old.h5", "old.weights.h5"])
def test_keras_weights_are_turned_into_the_order_of_pytorch(keras_files, name):
    folder, stored = keras_files
    weights = read_weights(folder / name)
    stem, wise = stored["stem"], stored["wise"]
    bank = weights.bank("stem")
    assert bank.weights.shape == (4, 3, 3, 5)
    np.testing.assert_array_equal(bank.weights, stem.transpose(3, 2, 0, 1))
    assert "(rows, columns, in, out)" in bank.notes[0]
    # Depthwise: filter c·m + k is input channel c's k-th, as Keras orders its output.
    deep = weights.bank("wise").weights
    assert deep.shape == (8, 1, 3, 3)
    np.testing.assert_array_equal(deep.reshape(4, 2, 3, 3), wise.transpose(2, 3, 0, 1))
    if name in ("a.keras", "old.h5"):  # the others hold no graph
        assert weights.bank().name == "stem/kernel"
        np.testing.assert_allclose(bank.scales, 1 / np.sqrt(np.linspace(1, 4, 4) + 0.25), rtol=1e-6)


def test_hdf5_links_to_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = STEM
    STEM.tofile(tmp_path / "raw")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("conv")
        group["kernel"] = h5py.ExternalLink("other.h5", "/kernel")
        inner = file.create_group("conv_b")
        inner.create_dataset(
            "kernel", STEM.shape, "f4", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        )
        group["round"] = file["/"]  # a circle
    with pytest.raises(InputError, match=r"none of its 0 arrays is the weights of a convolution"):
        read_weights(tmp_path / "a.h5").bank()


# --- what is refused --------------------------------------------------------------------------


class Bomb:
    """Unpickling one makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path):
    torch = pytest.importorskip("torch")
    made = tmp_path / "made"
    torch.save({"state_dict": Bomb(made)}, tmp_path / "zip.pt")
    torch.save(Bomb(made), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Bomb(made)))
    np.savez(tmp_path / "a.npz", weight=np.array([Bomb(made)], dtype=object))
    np.save(tmp_path / "a.npy", np.array([Bomb(made)], dtype=object))
    for name, told in {
        "zip.pt": "which would have to be run; nothing was",
        "old.pth": "which would have to be run; nothing was",
        "bare.pt": "it is no PyTorch file|nothing was",
        "a.npz": "holds objects",
        "a.npy": "holds objects",
    }.items():
        with pytest.raises(InputError, match=told):
            read_weights(tmp_path / name)
        assert not made.exists()
    # The bomb does go off where it may: the test can fail.
    pickle.loads((tmp_path / "bare.pt").read_bytes())  # noqa: S301
    assert made.exists()


def huge_npy(shape, held=b""):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + held


def safetensors_bytes(table, held=b""):
    written = json.dumps(table).encode()
    return len(written).to_bytes(8, "little") + written + held


def tensor(shape=(1, 1, 3, 3), dtype="F32", offsets=(0, 36)):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


HUGE = 2**31
HOSTILE = {
    "huge.npy": (huge_npy((HUGE, 1, 3, 3)), "cut short"),
    "huge.npz": (zipped("w.npy", huge_npy((HUGE, 1, 3, 3))), "'w' is cut short"),
    "negative.npy": (huge_npy((-1, 1, 3, 3)), "a length that is no whole number|is no NumPy array"),
    "half.npy": (huge_npy((1, 1, 3, 3), bytes(20)), "cut short"),
    "bad.npy": (b"\x93NUMPY\x01\x00\xff\xff{", "no NumPy array"),
    "text.npy": (b"1 2 3", "no NumPy array"),
    "text.npz": (b"1 2 3", "not a whole ZIP archive"),
    "inner.npz": (zipped("w.txt", b"hello"), "'w.txt' is no NumPy array"),
    "complex.npy": (
        huge_npy((1, 1, 3, 3), bytes(72)).replace(b"<f4", b"<c8"),
        "none of its 1 arrays is the weights",
    ),
    "empty.safetensors": (b"", "the file is empty"),
    "short.safetensors": (b"abc", "no safetensors file, or is cut short"),
    "long.safetensors": ((2**60).to_bytes(8, "little") + b"{}", "cut short"),
    "json.safetensors": ((2).to_bytes(8, "little") + b"[[", "its table is not JSON"),
    "list.safetensors": (safetensors_bytes([1]), "its table has no names"),
    "deep.safetensors": ((200_000).to_bytes(8, "little") + b"[" * 200_000, "its table is not JSON"),
    "outside.safetensors": (safetensors_bytes(tensor(), bytes(10)), "lies outside the file"),
    "unlike.safetensors": (safetensors_bytes(tensor((HUGE, 1, 3, 3)), bytes(36)), "which is not 36 bytes"),
    "typeless.safetensors": (safetensors_bytes({"w": {"shape": [1]}}), "has no type"),
    "shapeless.safetensors": (safetensors_bytes({"w": 3}), "has no shape"),
    "float.safetensors": (safetensors_bytes(tensor((1.5, 1, 3, 3))), "a length that is no whole number"),
    "f4.safetensors": (safetensors_bytes(tensor(dtype="F4"), bytes(36)), "none of its 1 arrays is"),
    "text.onnx": (b"this is no model", "."),
    "text.pt": (b"this is no model", "no PyTorch file, or is cut short"),
    "text.keras": (b"this is no model", "not a whole ZIP archive"),
    "other.keras": (zipped("a.txt", b"a"), "the archive has no model.weights.h5"),
    "text.h5": (b"this is no model", "no HDF5 file, or is cut short"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_one_clear_error(tmp_path, name):
    content, told = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((InputError, UnsupportedError), match=told) as caught:
        read_weights(path).bank()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_keras_archive_that_bursts_is_refused(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(80_000_000))
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match=r"80000000 bytes unpacked, more than a model's can be"):
        read_weights(path)


def test_huge_layers_are_refused_before_memory_is_asked_for(tmp_path):
    torch = pytest.importorskip("torch")
    h5py = pytest.importorskip("h5py")
    # No bytes on disk, and as many elements as one likes: a stride of zero, and a shape without chunks.
    torch.save({"conv.weight": torch.zeros(1).expand(HUGE, 1, 1, 3)}, tmp_path / "a.pt")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("conv").create_dataset("kernel", (3, 3, 2**16, 2**15), "f4", chunks=(3, 3, 64, 64))
    sparse = tmp_path / "a.npy"
    sparse.write_bytes(huge_npy((HUGE, 1, 3, 3)))
    with sparse.open("r+b") as file:
        file.truncate(HUGE * 40)
    for name in ("a.pt", "a.h5", "a.npy"):
        with pytest.raises(InputError, match=r"weights; up to 67108864 are read"):
            read_weights(tmp_path / name).bank()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path, wrong):
    bad = STEM.copy()
    bad[5, 0, 1, 2] = wrong
    np.savez(tmp_path / "a.npz", stem=bad)
    with pytest.raises(
        InputError, match=r"'stem' holds 1 weights that are not finite, the first in filter 5"
    ):
        read_weights(tmp_path / "a.npz").bank()


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    with pytest.raises(InputError, match=r"no such file"):
        read_weights(tmp_path / "a.pt")
    (tmp_path / "b.pt").mkdir()
    with pytest.raises(InputError, match=r"it is a folder"):
        read_weights(tmp_path / "b.pt")
    with pytest.raises(UnsupportedError, match=r"its name must end in .weights.h5, .safetensors"):
        read_weights("model.pkl")
    with pytest.raises(InputError, match=r"no such file"):
        read_weights("a\0.pt")


def test_an_unknown_layer_is_told_with_the_nearest(tmp_path):
    np.savez(tmp_path / "a.npz", stem=STEM, head=STEM)
    with pytest.raises(InputError, match=r"no convolution 'sten'; did you mean 'stem'\? known: head, stem"):
        read_weights(tmp_path / "a.npz").bank("sten")


@pytest.mark.parametrize("suffix", sorted(READERS))
def test_no_damaged_file_leaves_a_traceback(tmp_path, suffix):
    """Any bytes at all, and any file cut short, give one of our errors or weights."""
    random = np.random.default_rng(1)
    path = tmp_path / f"a{suffix}"
    starts = (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00", b"\x08\x07:")
    for start in starts:
        for length in (1, 9, 100, 3000):
            path.write_bytes(start + random.bytes(length))
            with pytest.raises((InputError, UnsupportedError)):
                read_weights(path).bank()


@pytest.mark.parametrize("kind", ["npz", "safetensors", "pt", "onnx", "keras", "h5"])
def test_no_file_cut_short_leaves_a_traceback(tmp_path, kind, request):
    if kind == "onnx":
        whole = onnx_model(tmp_path, *conv_and_norm()).read_bytes()
    elif kind in ("keras", "h5"):
        folder, _ = request.getfixturevalue("keras_files")
        whole = (folder / ("a.keras" if kind == "keras" else "old.h5")).read_bytes()
    else:
        whole = saved(tmp_path / f"whole.{kind}", {"conv.weight": STEM}).read_bytes()
    path = Path(tmp_path / f"cut.{kind}")
    for part in np.linspace(0.01, 0.98, 12):
        path.write_bytes(whole[: int(len(whole) * part)])
        try:
            told = read_weights(path).bank().source
        except (InputError, UnsupportedError) as error:
            told = str(error)
        assert told.startswith(str(path))


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "pt", "onnx"])
def test_no_file_with_wrong_bytes_leaves_a_traceback(tmp_path, kind):
    if kind == "onnx":
        whole = onnx_model(tmp_path, *conv_and_norm()).read_bytes()
    elif kind == "npy":
        np.save(tmp_path / "whole.npy", STEM)
        whole = (tmp_path / "whole.npy").read_bytes()
    else:
        whole = saved(tmp_path / f"whole.{kind}", {"conv.weight": STEM}).read_bytes()
    random = np.random.default_rng(5)
    path = tmp_path / f"wrong.{kind}"
    for _ in range(60):
        content = bytearray(whole)
        for place in random.integers(0, min(len(content), 700), 3):
            content[place if random.random() < 0.7 else -place - 1] = random.integers(0, 256)
        path.write_bytes(content)
        try:
            told = read_weights(path).bank().source
        except (InputError, UnsupportedError) as error:
            told = str(error)
        assert told.startswith(str(path))
        assert "\n" not in told


@pytest.mark.parametrize(
    ("library", "name", "extra"), [("h5py", "a.h5", "weights"), ("torch", "a.pt", "torch")]
)
def test_a_library_that_is_not_there_is_told_with_its_extra(tmp_path, monkeypatch, library, name, extra):
    (tmp_path / name).write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'convscope\[{extra}\]'"):
        read_weights(tmp_path / name)
