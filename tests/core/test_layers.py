"""Layers as values: normalised at the door, frozen, equal by value, refused with what is allowed."""

import copy
import dataclasses
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.errors import InputError, ShapeError

few = settings(derandomize=True, deadline=None, max_examples=60, database=None)
NAMES = {name: getattr(cs, name) for name in cs.__all__ if not name.startswith("_")}

W = np.arange(8).reshape(2, 1, 2, 2)

LAYERS = [
    cs.Conv("1 2; 3 4"),
    cs.Conv(
        "1 2; 3 4",
        "1/3",
        (1, 2),
        ((0, 1), (2, 3)),
        2,
        padding_mode="constant",
        padding_value="1/7",
        flip=True,
    ),
    cs.Conv(cs.kernel("1 2 3", name="blur"), padding="same"),
    cs.Conv(W, [1, "1/2"], stride=2, padding=1, groups=1, padding_mode="reflect"),
    cs.Conv(np.arange(12).reshape(4, 1, 3), groups=2, padding=((1, 0),)),
    cs.Conv(np.arange(32).reshape(2, 2, 2, 2, 2), dilation=(1, 2, 3)),
    cs.Conv("a b; c 1"),
    cs.Conv(W, ["a", "b"]),
    cs.Conv(kernel_size=11, out_channels=96, stride=4),
    cs.Conv(kernel_size=(3, 5), out_channels=4, in_channels=2, bias=False),
    cs.Conv(kernel_size=(3,), out_channels=4),
    cs.Conv.uniform(2, stride=2),
    cs.ConvTranspose("1 2; 3 4", stride=2, output_padding=1),
    cs.ConvTranspose(W, None, (2, 3), 1, (1, 0), 2, flip=True),
    cs.ConvTranspose(kernel_size=3, out_channels=2, stride=2, output_padding=1, bias=False),
    cs.MaxPool(2),
    cs.MaxPool((2, 2)),
    cs.MaxPool((2,)),
    cs.MaxPool(3, 2, 1, 2, ceil_mode=True),
    cs.MaxPool((3, 2), (1, 2), ((0, 1), (1, 0))),
    cs.MaxPool(3, stride=1, padding="same"),
    cs.AvgPool(2),
    cs.AvgPool(3, 1, 1, ceil_mode=True, count_include_pad=False, divisor_override=5, dilation=1),
    cs.LpPool(2, 3),
    cs.LpPool(3, (2, 3), 1, ceil_mode=True, padding=1),
    cs.AdaptiveAvgPool(1),
    cs.AdaptiveAvgPool((6, 6)),
    cs.AdaptiveMaxPool((3,)),
    cs.AdaptiveMaxPool((1, 2, 3)),
    cs.GlobalAvgPool(),
    cs.GlobalMaxPool(),
    cs.Identity(),
    cs.Dropout(),
    cs.Dropout("1/3"),
    cs.ReLU(),
    cs.ReLU6(),
    cs.LeakyReLU(),
    cs.LeakyReLU("1/3"),
    cs.LeakyReLU("0.12345678901234567890123"),
    cs.LeakyReLU(1e-300),
    cs.PReLU(),
    cs.PReLU([0.1, "1/3"]),
    cs.ELU(),
    cs.ELU(2),
    cs.SELU(),
    cs.Sigmoid(),
    cs.LogSigmoid(),
    cs.Tanh(),
    cs.Hardtanh(),
    cs.Hardtanh(-(10**30), "2/3"),
    cs.GELU(),
    cs.GELU("tanh"),
    cs.SiLU(),
    cs.Softplus(),
    cs.Softplus("1/3"),
    cs.Softsign(),
    cs.Softmax(),
    cs.Softmin(1),
    cs.LogSoftmax(dim=0),
    cs.Flatten(),
    cs.Flatten(0, 2),
    cs.Linear([[1, 2], [3, "1/3"]], [1, 2]),
    cs.Linear([["a", 2]]),
    cs.Linear(out_features=10),
    cs.Linear(in_features=3, out_features=10, bias=False),
    cs.BatchNorm([1, 2], [3, 4]),
    cs.BatchNorm([1, 2], [3, 4], [5, "1/3"], [7, 8], "1/1000"),
    cs.BatchNorm(num_features=3),
    cs.Add(),
    cs.Concat(),
    cs.Concat(-1),
    cs.Upsample(2),
    cs.Upsample((2, 3)),
    cs.Upsample((2, 2)),
    cs.Upsample((4,)),
    cs.Upsample(scale_factor=2),
    cs.Upsample(scale_factor=(2, 1.5), mode="bilinear", align_corners=True),
    cs.Upsample(scale_factor=("1/3", "2/3", 1)),
    cs.Upsample(size=4, mode="trilinear"),
    cs.Pad(1),
    cs.Pad((1, 2)),
    cs.Pad(((1, 1), (1, 1))),
    cs.Pad(((1, 2),), "constant", "1/3"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_repr_of_a_layer_builds_it_again(layer):
    built = eval(repr(layer), dict(NAMES))  # noqa: S307 - the text is the layer's own
    assert built == layer
    assert hash(built) == hash(layer)
    assert repr(built) == repr(layer)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_are_frozen_values(layer):
    assert layer == copy.deepcopy(layer) == pickle.loads(pickle.dumps(layer))  # noqa: S301 - our own bytes
    for field in dataclasses.fields(layer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, field.name, 1)
    assert sum(other == layer for other in LAYERS) == 1
    assert layer != 1


def test_every_layer_is_in_the_list():
    kinds = {type(layer) for layer in LAYERS}
    known = {
        v for v in NAMES.values() if isinstance(v, type) and issubclass(v, cs.Layer) and v is not cs.Layer
    }
    assert kinds == known


pairs = st.tuples(st.integers(0, 2), st.integers(0, 2))


@few
@given(
    stride=st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.integers(0, 2) | pairs | st.tuples(pairs, pairs) | st.sampled_from(["same", "valid"]),
    dilation=st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.integers(3, 4) | st.tuples(st.integers(3, 4), st.integers(3, 4)),
    flip=st.booleans(),
)
def test_reprs_of_many_options(stride, padding, dilation, size, flip):
    layers = [
        cs.Conv(W, None, stride, padding, dilation, flip=flip),
        cs.Conv(kernel_size=size, out_channels=3, stride=stride, padding=padding, dilation=dilation),
        cs.MaxPool(size, stride, padding, dilation),
    ]
    for layer in layers:
        assert eval(repr(layer), dict(NAMES)) == layer  # noqa: S307
        assert eval(repr(layer.for_rank(2)), dict(NAMES)).for_rank(2) == layer.for_rank(2)  # noqa: S307


def test_options_are_normalised_at_the_door():
    layer = cs.Conv("1 2; 3 4", stride=2, padding=[1, 2], dilation=np.int64(3))
    assert (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == (
        (2, 2),
        (2, 2),
        ((1, 1), (2, 2)),
        (3, 3),
    )
    assert cs.Conv("1 2", padding="valid").padding == ((0, 0), (0, 0))
    assert cs.Conv("1 2", padding="same").padding == "same"
    assert cs.MaxPool(2).stride == (2,)
    assert cs.MaxPool(2).for_rank(3).stride == (2, 2, 2)
    assert cs.MaxPool((2, 3)).stride == (2, 3)
    assert cs.Conv(W, groups=2).in_channels == 2
    assert cs.ConvTranspose(W, groups=2).out_channels == 2
    assert cs.Conv("1 2").kernel == cs.kernel("1 2")
    assert cs.Conv(W).kernel is None
    assert cs.Conv("1 2").bias is False
    assert cs.Conv("1 2", 3).bias.tolist() == [3]
    assert cs.Conv(kernel_size=3, out_channels=2).bias is True
    assert cs.Dropout(0.1).p == Fraction(1, 10)
    assert cs.BatchNorm([1], [2]).eps == Fraction(1, 100_000)


REFUSED = [
    (cs.Conv, "Conv: give a kernel, an array of weights, or kernel_size and out_channels"),
    (lambda: cs.Conv(3), "Conv: weight=3 is a number; write kernel_size=3 where only sizes are wanted"),
    (lambda: cs.Conv("1 2; 3"), "Conv: weight: ragged rows: row 2 has 1 entry, row 1 has 2"),
    (
        lambda: cs.Conv(np.zeros((1,) * 6)),
        "Conv: weight has shape (1, 1, 1, 1, 1, 1); it has two channel axes",
    ),
    (lambda: cs.Conv("1 2", stride=0), "Conv: stride=0 is not allowed; stride may be 1 or more"),
    (lambda: cs.Conv("1 2", stride=-1), "Conv: stride=-1 is not allowed; stride may be 1 or more"),
    (lambda: cs.Conv("1 2", stride=1.5), "Conv: stride=1.5 is not an integer"),
    (lambda: cs.Conv("1 2", stride=True), "Conv: stride=True is not an integer"),
    (lambda: cs.Conv("1 2", stride="2"), "Conv: stride='2' is not an integer"),
    (lambda: cs.Conv("1 2", stride=10**10), "Conv: stride=10000000000 is not allowed; stride may be at most"),
    (lambda: cs.Conv("1 2", stride=()), "Conv: stride=() has 0 entries; give one integer, or one for each"),
    (
        lambda: cs.Conv("1 2", stride=(1, 1, 1)),
        "Conv: options disagree about the number of axes: kernel_size has 2, stride has 3",
    ),
    (lambda: cs.Conv("1 2", padding=-1), "Conv: padding=-1 is not allowed; padding may be 0 or more"),
    (
        lambda: cs.Conv("1 2", padding=((0, 1, 2), (0, 0))),
        "Conv: padding of one axis is (0, 1, 2); give one integer or a",
    ),
    (lambda: cs.Conv("1 2", padding=((0, -1), (0, 0))), "Conv: padding=-1 is not allowed"),
    (lambda: cs.Conv("1 2", padding="full"), "Conv: padding='full' is not known; give an integer"),
    (
        lambda: cs.Conv("1 2", padding=((1, 1),) * 4),
        "Conv: padding=((1, 1), (1, 1), (1, 1), (1, 1)) has 4 entries",
    ),
    (lambda: cs.Conv("1 2", dilation=0), "Conv: dilation=0 is not allowed; dilation may be 1 or more"),
    (lambda: cs.Conv("1 2", groups=0), "Conv: groups=0 is not allowed; groups may be 1 or more"),
    (
        lambda: cs.Conv(np.zeros((6, 1, 2)), groups=4),
        "Conv: out_channels=6 is not divisible by groups=4; groups may be 1, 2",
    ),
    (
        lambda: cs.Conv(kernel_size=3, out_channels=6, in_channels=6, groups=4),
        "Conv: in_channels=6 is not divisible by groups=4; groups may be 1, 2, 3, 6",
    ),
    (lambda: cs.Conv("1 2", padding_mode="mirror"), "Conv: padding_mode='mirror' is not known; known: zeros"),
    (
        lambda: cs.Conv("1 2", padding_mode="reflct"),
        "Conv: padding_mode='reflct' is not known; did you mean 'reflect'?",
    ),
    (
        lambda: cs.Conv("1 2", padding_value=1),
        "Conv: padding_value=1 needs padding_mode='constant', got 'zeros'",
    ),
    (
        lambda: cs.Pad(1, "reflect", 1),
        "Pad: padding_value=1 needs padding_mode='constant', got 'reflect'",
    ),
    (
        lambda: cs.Conv("1 2", padding_mode="constant", padding_value="x"),
        "Conv: padding_value: 'x' is not a number",
    ),
    (lambda: cs.Conv("1 2", flip=1), "Conv: flip=1 is not True or False"),
    (lambda: cs.Conv("1 2", [1, 2]), "Conv: bias has 2 numbers; it needs one for each of 1 channels"),
    (
        lambda: cs.Conv("1 2", bias=True),
        "Conv: bias=True has no values; give one number for each output channel",
    ),
    (
        lambda: cs.Conv("1 2", bias=[[1, 2], [3, 4]]),
        "Conv: bias has shape (2, 2); it is one number for each channel",
    ),
    (
        lambda: cs.Conv("1 2", bias="nan"),
        "Conv: bias: entry in row 1, column 1: 'nan' is not a finite number",
    ),
    (
        lambda: cs.Conv("1 2", out_channels=3),
        "Conv: out_channels=3 but the weights of shape (1, 1, 1, 2) give 1",
    ),
    (lambda: cs.Conv(W, in_channels=3), "Conv: in_channels=3 but the weights of shape (2, 1, 2, 2) give 1"),
    (
        lambda: cs.Conv("1 2", kernel_size=3),
        "Conv: kernel_size=3 but weights of shape (1, 1, 1, 2) give (1, 2)",
    ),
    (lambda: cs.Conv("1 2", strid=2), "Conv: unknown option 'strid'; did you mean 'stride'?"),
    (lambda: cs.Conv(kernel_size=0, out_channels=1), "Conv: kernel_size=0 is not allowed"),
    (lambda: cs.Conv(kernel_size=3, out_channels=0), "Conv: out_channels=0 is not allowed"),
    (lambda: cs.ConvTranspose("1 2", padding="same"), "ConvTranspose: padding='same' is not defined"),
    (
        lambda: cs.ConvTranspose("1 2", output_padding=1),
        "ConvTranspose: output_padding=1 is not smaller than the stride or the dilation (1)",
    ),
    (lambda: cs.MaxPool(0), "MaxPool: kernel_size=0 is not allowed; kernel_size may be 1 or more"),
    (lambda: cs.MaxPool(2, 0), "MaxPool: stride=0 is not allowed"),
    (lambda: cs.MaxPool(2, padding=2), "MaxPool: padding=2 is not smaller than the window of 2 cells"),
    (lambda: cs.MaxPool((1, 2, 3, 4)), "MaxPool: kernel_size=(1, 2, 3, 4) has 4 entries"),
    (lambda: cs.MaxPool(2, ceil_mode=1), "MaxPool: ceil_mode=1 is not True or False"),
    (lambda: cs.AvgPool(2, divisor_override=0), "AvgPool: divisor_override=0 is not allowed"),
    (lambda: cs.AvgPool(2, count_include_pad=None), "AvgPool: count_include_pad=None is not True or False"),
    (lambda: cs.LpPool(0, 2), "LpPool: norm_type=0 is not allowed; norm_type may be 1 or more"),
    (lambda: cs.LpPool(1.5, 2), "LpPool: norm_type=1.5 is not an integer"),
    (lambda: cs.AdaptiveAvgPool(0), "AdaptiveAvgPool: output_size=0 is not allowed"),
    (lambda: cs.AdaptiveMaxPool(None), "AdaptiveMaxPool: output_size=None is not an integer"),
    (lambda: cs.Dropout(2), "Dropout: p=2 is not a probability; p may be 0 to 1"),
    (lambda: cs.LeakyReLU("x"), "LeakyReLU: negative_slope: 'x' is not a number"),
    (lambda: cs.ELU(float("inf")), "ELU: alpha: 'inf' is not a finite number"),
    (lambda: cs.Hardtanh(1, 1), "Hardtanh: min_val=1 is not below max_val=1"),
    (lambda: cs.GELU("fast"), "GELU: approximate='fast' is not known; known: none, tanh"),
    (lambda: cs.Softplus(0), "Softplus: beta=0 is not positive"),
    (lambda: cs.Softmax(1.0), "Softmax: dim=1.0 is not an integer"),
    (lambda: cs.PReLU([[1, 2], [3, 4]]), "PReLU: weight has shape (2, 2); it is one number for each channel"),
    (cs.Linear, "Linear: give weights of shape (out, in), or out_features"),
    (lambda: cs.Linear(5), "Linear: weight=5 is a number; write out_features=5 where only sizes are wanted"),
    (lambda: cs.Linear([1, 2]), "Linear: weight has shape (2,), not (out_features, in_features)"),
    (lambda: cs.Linear([[1, 2]], [1, 2]), "Linear: bias has 2 numbers; it needs one for each of 1 features"),
    (lambda: cs.Linear([[1, 2]], True), "Linear: bias=True has no values"),
    (
        lambda: cs.Linear([[1, 2]], in_features=3),
        "Linear: in_features=3 but the weights of shape (1, 2) give 2",
    ),
    (lambda: cs.BatchNorm([1]), "BatchNorm: give both running_mean and running_var, or neither"),
    (lambda: cs.BatchNorm([1], [1, 2]), "BatchNorm: options disagree about the number of channels"),
    (lambda: cs.BatchNorm([1], [-1]), "BatchNorm: running_var + eps is not positive"),
    (cs.Upsample, "Upsample: give either size or scale_factor"),
    (lambda: cs.Upsample(2, 2), "Upsample: give either size or scale_factor"),
    (lambda: cs.Upsample(scale_factor=0), "Upsample: scale_factor=0 is not allowed"),
    (lambda: cs.Upsample(2, mode="cubic"), "Upsample: mode='cubic' is not known"),
    (
        lambda: cs.Upsample(2, align_corners=True),
        "Upsample: align_corners=True needs a linear mode, got mode='nearest'",
    ),
    (
        lambda: cs.Upsample((2,), mode="bilinear"),
        "Upsample: mode='bilinear' is for 2 spatial axes but the sizes are for 1",
    ),
    (lambda: cs.Pad("same"), "Pad: padding='same' needs a window; give numbers"),
    (lambda: cs.Pad(1, "mirror"), "Pad: padding_mode='mirror' is not known"),
    (lambda: cs.Flatten(1.5), "Flatten: start_dim=1.5 is not an integer"),
    (lambda: cs.Concat("x"), "Concat: dim='x' is not an integer"),
    (lambda: cs.Kernel(cs.matrix(np.zeros((1, 1, 1, 1)))), "a kernel of 4 axes (shape (1, 1, 1, 1)) is not"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=[message[:60] for _, message in REFUSED])
def test_refused_options(build, message):
    with pytest.raises(InputError) as refused:
        build()
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("layer", "rank"),
    [
        (cs.Conv("1 2; 3 4"), 1),
        (cs.MaxPool((2, 2)), 3),
        (cs.Upsample((2, 3)), 1),
        (cs.Pad(((1, 1),)), 2),
        (cs.AdaptiveAvgPool((1, 1)), 1),
    ],
)
def test_a_layer_built_for_another_rank_is_refused(layer, rank):
    with pytest.raises(ShapeError, match=f"it was built for . spatial axes but the input has {rank}"):
        layer.for_rank(rank)


def test_kernels():
    k = cs.kernel("1 2; 3 4", name="example")
    assert (k.shape, k.rank, repr(k)) == ((2, 2), 2, "kernel([[1, 2], [3, 4]], name='example')")
    assert k.rotated().weights.tolist() == [[4, 3], [2, 1]]
    assert k.rotated().name == "example"
    assert cs.kernel(k) is k
    assert cs.kernel(k, name="other").name == "other"
    assert cs.kernel("1 2; 3 4") != k
    assert cs.Kernel(k.weights, "example", "a paper") == k
    assert np.asarray(k, dtype=float).tolist() == [[1, 2], [3, 4]]
    assert cs.kernel([1, 2, 3]).rank == 1
    assert cs.kernel(np.zeros((2, 2, 2))).rank == 3
    for source in (np.array(1), np.zeros((1, 1, 1, 1))):
        with pytest.raises(ShapeError, match=r"axes .* is not allowed; kernels have 1 to 3 axes"):
            cs.kernel(source)
