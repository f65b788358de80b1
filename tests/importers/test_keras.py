"""Keras models: configurations written by hand, and models made by Keras itself where it is installed."""

from __future__ import annotations

import io
import json
import math
import os
import random
import sys
import zipfile
from collections import Counter

import pytest

import convscope as cs
from convscope.core.operators import Attention, Recurrent, Unknown
from convscope.core.pointwise import Softmax
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.importers import keras_file


def layer(kind, name, **config):
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": None,
    }


def start(*shape, name="image"):
    return layer("InputLayer", name, batch_shape=[None, *shape])


def sequential(*layers):
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


def tensor(name, call=0, place=0, shape=(None,)):
    history = {"shape": list(shape), "dtype": "float32", "keras_history": [name, call, place]}
    return {"class_name": "__keras_tensor__", "config": history}


def after(entry, *calls):
    """A layer with its calls, each a list of what it reads."""
    return {**entry, "inbound_nodes": [{"args": args, "kwargs": {}} for args in calls]}


def functional(layers, outputs, inputs=("image",)):
    config = {
        "name": "net",
        "layers": [{**entry, "name": entry["config"]["name"]} for entry in layers],
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"module": "keras", "class_name": "Functional", "config": config}


def write(path, config, more=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        for name, content in more:
            archive.writestr(name, content)
    return path


@pytest.fixture
def read(tmp_path):
    def reader(config, input_shape=None):
        return cs.network(write(tmp_path / "net.keras", config), input_shape)

    return reader


def sizes(net):
    return [(row.name, row.op, row.output_shape, row.params, row.macs) for row in net]


# --- by hand ----------------------------------------------------------------------------------


def test_a_sequential_model(read):
    net = read(
        sequential(
            start(28, 30, 1),
            layer("Conv2D", "c", filters=6, kernel_size=[5, 5], padding="same", activation="relu"),
            layer("MaxPooling2D", "p", pool_size=[2, 2], strides=None, padding="valid"),
            layer("BatchNormalization", "b", axis=-1, scale=True, center=True),
            layer("Flatten", "f"),
            layer("Dense", "d", units=10, activation="softmax"),
        )
    )
    assert sizes(net) == [
        ("c", "convolution", (6, 28, 30), 156, 28 * 30 * 25 * 6),
        ("c.activation", "ReLU", (6, 28, 30), 0, 0),
        ("p", "max pooling", (6, 14, 15), 0, 0),
        ("b", "batch normalisation", (6, 14, 15), 12, 0),
        ("f", "rearrangement", (1260,), 0, 0),
        ("d", "linear", (10,), 12610, 12600),
        ("d.activation", "softmax", (10,), 0, 0),
    ]
    assert net.complete
    assert net["d.activation"].layer == Softmax(-1)
    assert [w.name for w in net["c"].weights] == ["c/kernel", "c/bias"]
    assert net.buffer_bytes == {"float32": 4 * 12}
    assert "keras" not in sys.modules or "KERAS_BACKEND" in os.environ


def test_shared_layers_and_branches(read):
    convolution = layer("Conv2D", "c", filters=4, kernel_size=3, padding="same")
    net = read(
        functional(
            [
                start(8, 8, 4),
                after(convolution, [tensor("image")], [tensor("c")]),
                after(layer("Add", "a"), [[tensor("c", 1), tensor("image")]]),
                after(layer("Concatenate", "j", axis=-1), [[tensor("a"), tensor("c")]]),
                after(layer("Concatenate", "k", axis=1), [[tensor("a"), tensor("c")]]),
            ],
            ["j", "k"],
        )
    )  # fmt: skip
    assert [(row.name, row.output_shape) for row in net] == [
        ("c", (4, 8, 8)), ("c.2", (4, 8, 8)), ("a", (4, 8, 8)), ("j", (8, 8, 8)), ("k", (4, 16, 8)),
    ]  # fmt: skip
    assert net.total_params == 148
    assert net.graph.outputs == ("j", "k")


def old(kind, name, *reads, **config):
    """A layer as Keras 2 wrote it."""
    inbound = [[[source, 0, 0, {}] for source in reads]] if reads else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}


def test_keras_2_references_and_nested_models(read):
    options = {
        "trainable": False,
        "layers": [old("InputLayer", "i", batch_input_shape=[None, 5]), old("Dense", "d", "i", units=7)],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    layers = [
        old("InputLayer", "x", batch_input_shape=[None, 5]),
        old("Functional", "inner", "x", **options),
        old("Activation", "r", "inner", activation="relu"),
    ]
    config = {"layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["r", 0, 0]]}
    net = read({"class_name": "Functional", "config": config})
    assert sizes(net) == [("inner/d", "linear", (7,), 42, 35), ("r", "ReLU", (7,), 0, 0)]
    assert (net.total_params, net.trainable_params, net.frozen_params) == (42, 0, 42)


def test_channels_first_and_open_lengths(read):
    convolution = layer("Conv2D", "c", filters=2, kernel_size=3, data_format="channels_first")
    assert read(sequential(start(3, 9, 11), convolution))["c"].output_shape == (2, 7, 9)
    last = sequential(start(None, None, 3), layer("Conv2D", "c", filters=2, kernel_size=3))
    for shape in ((9, 11, 3), (3, 9, 11), {"image": (9, 11, 3)}):
        assert read(last, shape)["c"].output_shape == (2, 7, 9)
    with pytest.raises(InputError, match=r"the input 'image' leaves lengths open; give input_shape"):
        read(last)
    with pytest.raises(InputError, match=r"input_shape of 'image' is \(9, 11, 4\) but the model's input"):
        read(last, (9, 11, 4))


def test_custom_layers_and_lambdas_are_shown(read):
    own = layer("Conv2D", "own", filters=9, kernel_size=3) | {
        "module": "house.code",
        "registered_name": "House>Conv2D",
    }
    code = layer("Lambda", "code", function={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}})
    net = read(
        functional(
            [
                start(8, 8, 3),
                after(own, [tensor("image")]),
                after(code, [tensor("own", shape=(None, 6, 6, 9))]),
                after(layer("ReLU", "r"), [tensor("code", shape=(None, 4, 4, 9))]),
                after(layer("Dense", "d", units=2), [tensor("r")]),
            ],
            ["d"],
        )
    )
    assert [(row.name, row.output_shape) for row in net if row.name != "r.channels_last"] == [
        ("own", (9, 6, 6)), ("code", (9, 4, 4)), ("r", (9, 4, 4)), ("d", (4, 4, 2)),
    ]  # fmt: skip
    assert [row.layer for row in net.not_counted] == [
        Unknown("Conv2D", (9, 6, 6)),
        Unknown("Lambda", (9, 4, 4)),
    ]
    assert "house" not in sys.modules


def test_a_model_written_in_code_is_refused(read):
    with pytest.raises(UnsupportedError, match="the class 'Mine' tells its layers in code"):
        read({"class_name": "Mine", "config": {"units": 3}})


# --- hostile files ----------------------------------------------------------------------------


def test_zip_bombs(tmp_path, monkeypatch):
    bomb = write(tmp_path / "bomb.keras", "[" + " " * 20_000_000 + "]")
    with pytest.raises(InputError, match=r"config\.json is 20000002 bytes unpacked"):
        cs.network(bomb)
    many = write(tmp_path / "many.keras", "{}", [(f"f{n}", "") for n in range(5000)])
    with pytest.raises(InputError, match=r"the archive holds 5002 files; a Keras model has at most 4096"):
        cs.network(many)
    # A file that says it is smaller than it is.
    small = write(tmp_path / "small.keras", "[" + "1," * 5000 + "1]")
    content = bytearray(small.read_bytes())
    for header, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.rfind(b"config.json") - (30 if header == b"PK\x03\x04" else 46)
        at = content.find(b"config.json") - 30 if header == b"PK\x03\x04" else at
        content[at + place : at + place + 4] = (100).to_bytes(4, "little")
    small.write_bytes(content)
    with pytest.raises(InputError, match=r"^.*small\.keras: "):
        cs.network(small)
    monkeypatch.setattr(keras_file, "MAX_CONFIG", 1000)
    with pytest.raises(InputError, match="more than a model's can be"):
        cs.network(write(tmp_path / "long.keras", json.dumps(list(range(1000)))))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[" * 100_000, "config.json is nested too deeply"),
        ("{", "config.json is not JSON"),
        ("9" * 10_000, "config.json is not JSON"),
        ("3", "its configuration holds no model"),
        ('{"class_name": "Sequential", "config": {"layers": [7]}}', "entry 1 of the layers is not a layer"),
        ('{"class_name": "Sequential", "config": {"layers": []}}', "the input 'input' leaves lengths open"),
    ],
)
def test_configurations_that_are_none(tmp_path, content, told):
    path = write(tmp_path / "net.keras", content)
    with pytest.raises(InputError, match=f"^{path}: {told}"):
        cs.network(path)


def test_archives_that_are_none(tmp_path):
    whole = write(tmp_path / "whole.keras", sequential(start(4), layer("Dense", "d", units=2))).read_bytes()
    for name, content in {
        "empty": b"",
        "cut": whole[:-30],
        "half": whole[: len(whole) // 2],
        "noise": b"x" * 99,
    }.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path}: it is no Keras model: not a whole ZIP archive"):
            cs.network(path)
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 99)
    with pytest.raises(UnsupportedError, match=r"it is an HDF5 file, Keras's older form"):
        cs.network(tmp_path / "old.h5")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../config.json", "{}")
    (tmp_path / "other.keras").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match=r"the archive has no config\.json"):
        cs.network(tmp_path / "other.keras")


def test_circles_absurd_sizes_and_names(read):
    circle = [start(4), after(layer("ReLU", "a"), [tensor("b")]), after(layer("ReLU", "b"), [tensor("a")])]
    with pytest.raises(InputError, match="the layer 'b' cannot be reached from the inputs"):
        read(functional(circle, ["b"]))
    with pytest.raises(InputError, match="layer 'd': Dense: units=-3 is not an integer"):
        read(sequential(start(4), layer("Dense", "d", units=-3)))
    with pytest.raises(InputError, match=r"^.*layer 'd'"):
        read(sequential(start(4), layer("Dense", "d", units=10**15)))
    with pytest.raises(ShapeError, match="the input 'image': an array of"):
        read(sequential(start(10**13), layer("Dense", "d", units=3)))
    with pytest.raises(ShapeError, match="layer 'c': Conv2D: it needs 2 spatial axes"):
        read(sequential(start(4), layer("Conv2D", "c", filters=1, kernel_size=1)))
    net = read(sequential(start(4), layer("Dense", "<b>\n" + "z" * 900, units=2)))
    assert net.rows[0].name.startswith(r"<b>\nzzz")
    assert len(net.rows[0].name) <= 200


def test_models_nested_in_each_other(read):
    model = sequential(start(4), layer("ReLU", "r"))
    for _ in range(40):
        model = sequential(start(4), {**model, "config": {**model["config"], "name": "m"}})
    with pytest.raises(InputError, match="models are nested more than 30 deep"):
        read(model)


def test_spoilt_configurations_give_one_error_or_a_network(read):
    whole = functional(
        [
            start(8, 9, 4),
            after(layer("Conv2D", "c", filters=4, kernel_size=[3, 3], strides=[1, 2]), [tensor("image")]),
            after(layer("MaxPooling2D", "p", pool_size=2, strides=None), [tensor("c")]),
            after(layer("Reshape", "r", target_shape=[-1, 4]), [tensor("p")]),
            after(layer("MultiHeadAttention", "m", num_heads=2, key_dim=3), [tensor("r"), tensor("r")]),
            after(layer("Concatenate", "j", axis=-1), [[tensor("m"), tensor("r")]]),
        ],
        ["j"],
    )
    values = [
        None,
        -1,
        0,
        1.5,
        "x",
        [],
        {},
        [1, 2],
        10**15,
        True,
        "same",
        [[1, 2], [3, 4]],
        {"class_name": "X"},
    ]
    chosen, outcomes = random.Random(2), Counter()  # noqa: S311 - the same each time
    for _ in range(300):
        config = json.loads(json.dumps(whole))
        for _ in range(chosen.randint(1, 3)):
            place, key = chosen.choice(list(places(config)))
            place[key] = chosen.choice(values)
        try:
            read(config)
            outcomes["read"] += 1
        except ConvscopeError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 20


def places(value):
    """Every place of a structure where something else could stand."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


# --- made by Keras ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", exc_type=ImportError)


def models(keras):
    """One model for each family of layers, by name."""
    L = keras.layers  # noqa: N806 - as everybody writes it
    image, sequence = (17, 23, 4), (12, 6)
    families = {
        "convolutions": (image, [
            L.Conv2D(6, (3, 2), strides=(2, 1), dilation_rate=1, padding="same", groups=2, activation="relu"),
            L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), L.SeparableConv2D(5, 3, padding="same"),
            L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.Conv2DTranspose(3, 2, strides=3),
            L.Conv2DTranspose(3, 5, strides=2, padding="same", output_padding=1),
        ]),
        "one axis": (sequence, [
            L.Conv1D(5, 3, padding="causal", dilation_rate=2), L.MaxPooling1D(2), L.BatchNormalization(),
            L.ZeroPadding1D(2), L.Cropping1D((1, 2)), L.UpSampling1D(3), L.SeparableConv1D(4, 3),
            L.AveragePooling1D(3, 2),
            L.GlobalMaxPooling1D(),
        ]),
        "three axes": ((9, 8, 7, 2), [L.Conv3D(3, 3, padding="same"), L.AveragePooling3D(2),
            L.GlobalAveragePooling3D()]),
        "size": (image, [
            L.ZeroPadding2D(((1, 2), (0, 3))), L.Cropping2D(((1, 0), (2, 1))),
            L.UpSampling2D((2, 3), interpolation="bilinear"),
            L.MaxPooling2D(3, 2, padding="same"), L.AveragePooling2D((2, 3), padding="valid"),
            L.Resizing(20, 31),
            L.CenterCrop(10, 11), L.Rescaling(1 / 255), L.GlobalAveragePooling2D(keepdims=True),
        ]),
        "norms": (image, [
            L.BatchNormalization(scale=False), L.LayerNormalization(), L.GroupNormalization(2),
            L.UnitNormalization(),
            L.BatchNormalization(axis=1), L.LayerNormalization(axis=[1, 2, 3], center=False),
        ]),
        "activations": (image, [
            L.ReLU(6.0), L.LeakyReLU(), L.PReLU(shared_axes=[1, 2]), L.PReLU(), L.ELU(), L.Softmax(),
            L.Activation("gelu"),
            L.Dropout(0.1), L.SpatialDropout2D(0.1), L.GaussianNoise(0.1), L.Dense(3, activation="tanh"),
        ]),
        "order": (image, [
            L.Permute((2, 1, 3)), L.Reshape((17, -1)), L.Reshape((4, 17, 23)), L.Flatten(), L.RepeatVector(3),
            L.TimeDistributed(L.Dense(4)),
            L.EinsumDense("abc,cde->abde", output_shape=(3, 2, 5), bias_axes="de"),
        ]),
        "recurrent": (sequence, [
            L.LSTM(5, return_sequences=True), L.GRU(4, return_sequences=True),
            L.GRU(4, return_sequences=True, reset_after=False),
            L.Bidirectional(L.LSTM(3, return_sequences=True)), L.SimpleRNN(7, use_bias=False), L.Dense(2),
        ]),
    }  # fmt: skip
    found = {
        name: keras.Sequential([keras.Input(shape), *layers]) for name, (shape, layers) in families.items()
    }
    x = keras.Input((10,), dtype="int32")
    tokens = L.Embedding(50, 16)(x)
    y = L.MultiHeadAttention(4, 8, value_dim=6)(tokens, tokens)
    y = L.LayerNormalization()(L.Add()([tokens, y]))
    z = L.GroupQueryAttention(8, 4, 2)(y, y)
    out = [
        L.Dot(axes=2)([y, z]),
        L.Concatenate()([y, z]),
        L.Multiply()([y, z]) * 2 + 1,
        L.Attention()([y, z]),
    ]
    found["attention"] = keras.Model(x, out)
    frozen = keras.Sequential([keras.Input(image), L.Conv2D(2, 3), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    i = keras.Input(image)
    found["nested"] = keras.Model(i, L.Conv2D(3, 1)(frozen(i)))
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_models_made_by_keras(keras, tmp_path):
    for name, model in models(keras).items():
        path = tmp_path / "model.keras"
        model.save(path)
        net = cs.network(path)
        assert net == cs.network(model), name
        _check(net, model, name)


def _check(net, model, name):
    buffers = sum(w.size for w in net.weights.values() if not w.is_parameter)
    assert net.total_params + buffers == model.count_params(), name
    trained = sum(math.prod(w.shape) for w in model.trainable_weights)
    assert net.trainable_params == trained, name
    assert net.complete, (name, [row.name for row in net.not_counted])
    for layer in model.layers:
        rows = [
            row
            for row in net
            if row.name == layer.name or row.name.startswith((f"{layer.name}.", f"{layer.name}/"))
        ]
        shape = tuple(layer.output.shape[1:])
        kept = [row for row in rows if ".channels_" not in row.name]
        if kept and not layer.name.startswith("input"):
            assert kept[-1].output_shape in (shape, (shape[-1:] + shape[:-1]) or (1,)), (name, layer.name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_attention_and_recurrence_as_operators(keras):
    found = models(keras)
    net = cs.network(found["attention"])
    assert next(row.layer for row in net if row.op == "attention") == Attention((10, 24), 10, 10, 8, 6, 4)
    net = cs.network(found["recurrent"])
    assert net.rows[0].layer == Recurrent("lstm", 6, 5, (12, 5))
    assert net.rows[0].macs == 12 * 20 * 11


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "macs"),
    [("EfficientNetB0", 385_814_752), ("ConvNeXtTiny", 4_455_531_264), ("DenseNet121", 2_834_161_664)],
)
def test_published_models(keras, name, macs):
    model = getattr(keras.applications, name)(weights=None)
    net = cs.network(model)
    buffers = sum(w.size for w in net.weights.values() if not w.is_parameter)
    assert net.total_params + buffers == model.count_params()
    assert net.total_macs == macs
    assert net.complete
