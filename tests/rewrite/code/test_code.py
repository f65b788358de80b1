"""The programs run, in the libraries they are written for, and give what the exact solution gives."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.rewrite.code import LIBRARIES, code

# JAX is no dependency of the tests; where it is installed its programs run as well.
INSTALLED = [name for name in LIBRARIES if name != "jax" or importlib.util.find_spec("jax")]
RANDOM = np.random.default_rng(20)


def whole_numbers(*shape):
    return RANDOM.integers(-4, 5, shape)


def run(library, layers, shape, x):
    """The program's ``y`` for an input, as float64."""
    given = x.astype(np.float64)
    if library == "torch":
        given = importlib.import_module("torch").tensor(given)
    elif library == "keras":
        os.environ.setdefault("KERAS_BACKEND", "torch")
        given = importlib.import_module("keras").ops.convert_to_tensor(given, dtype="float64")
    elif library == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", val=True)
        given = importlib.import_module("jax.numpy").array(given)
    names = {"x": given}
    exec(str(code(layers, library, shape)), names)  # noqa: S102 - that is what programs are for
    return np.asarray(names["y"])


PLANES = {
    "correlation": [cs.Conv("1 2; 3 -4")],
    "flipped": [cs.Conv("1 2 0; 3 -4 1; 0 5 1/3", padding=1, flip=True)],
    "bias and stride": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", bias=2, stride=(2, 1), padding=(2, 1))],
    "uneven padding": [cs.Conv("1 2; 3 4", padding=((1, 0), (2, 3)))],
    "reflect": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=1, padding_mode="reflect")],
    "replicate": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=1, padding_mode="replicate")],
    "circular": [cs.Conv("1 2 0; 3 -4 1; 0 5 1", padding=1, padding_mode="circular", flip=True)],
    "constant": [cs.Conv("1 2; 3 -4", padding=1, padding_mode="constant", padding_value="1/2")],
    "same, even": [cs.Conv("1 2; 3 4", padding="same")],
    "same, stride": [cs.Conv("1 2 3; 4 5 6; 7 8 9", padding="same", stride=2)],
    "dilation": [cs.Conv("1 2; 3 4", dilation=(2, 3), padding=2, flip=True)],
    "one row": [cs.Conv("1 2 3 4")],
    "max pool": [cs.MaxPool(2)],
    "max pool, padded": [cs.MaxPool(3, 2, padding=1)],
    "max pool, uneven": [cs.MaxPool((2, 3), 2, padding=((1, 0), (0, 2)))],
    "max pool, ceil": [cs.MaxPool(3, 2, ceil_mode=True)],
    "max pool, dilated": [cs.MaxPool(2, 1, dilation=2)],
    "avg pool": [cs.AvgPool(2)],
    "avg pool, padded": [cs.AvgPool(3, 2, padding=1)],
    "avg pool, cells only": [cs.AvgPool(3, 2, padding=1, count_include_pad=False)],
    "avg pool, ceil": [cs.AvgPool(3, 2, padding=1, ceil_mode=True)],
    "avg pool, ceil, cells only": [cs.AvgPool(3, 2, padding=1, ceil_mode=True, count_include_pad=False)],
    "avg pool, uneven": [cs.AvgPool(3, 2, padding=((1, 2), (0, 1)), count_include_pad=False)],
    "avg pool, divisor": [cs.AvgPool((2, 3), divisor_override=5)],
    "norm pool": [cs.LpPool(2, 2)],
    "adaptive": [cs.AdaptiveAvgPool(1)],
    "global": [cs.GlobalAvgPool()],
    "global max": [cs.GlobalMaxPool()],
    "pad": [cs.Pad(((1, 2), (0, 3)), "constant", 7)],
    "pad, circular": [cs.Pad(2, "circular")],
    "nearest": [cs.Upsample(scale_factor=2)],
    "chain": [cs.Conv("1 2; 3 4", padding=1), cs.Sigmoid(), cs.MaxPool(2), cs.Conv("1 -1; 1 -1")],
}  # fmt: skip
ACTIVATIONS = [
    cs.Identity(), cs.Dropout(), cs.ReLU(), cs.ReLU6(), cs.LeakyReLU("0.2"), cs.ELU(2), cs.SELU(),
    cs.Sigmoid(), cs.LogSigmoid(), cs.Tanh(), cs.Hardtanh(-2, "1/3"), cs.GELU(), cs.GELU("tanh"), cs.SiLU(),
    cs.Softplus(2), cs.Softsign(), cs.PReLU("1/3"),
]  # fmt: skip


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("name", PLANES)
def test_planes(name, library):
    layers = PLANES[name]
    x = whole_numbers(7, 8)
    if library == "keras" and name == "max pool, dilated":
        with pytest.raises(
            cs.UnsupportedError, match="code for Keras: MaxPool: keras pools have no dilation"
        ):
            code(cs.MaxPool(2, 1, dilation=2), "keras")
        return
    relative = 1e-6 if library == "keras" else 1e-12
    np.testing.assert_allclose(
        run(library, layers, x.shape, x), cs.solve(x, *layers).array(), rtol=relative, atol=1e-12
    )


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_activations(layer, library):
    x = whole_numbers(4, 5)
    rtol, atol = (1e-6, 1e-6) if library == "keras" else (1e-9, 1e-12)
    np.testing.assert_allclose(
        run(library, [layer], x.shape, x), cs.solve(x, layer).array(), rtol=rtol, atol=atol
    )


def channels(groups=1, **options):
    return cs.Conv(whole_numbers(4, 4 // groups, 3, 2), whole_numbers(4), groups=groups, **options)


MAPS = {
    "conv": [channels(padding=1)],
    "conv, flip": [channels(flip=True, stride=2)],
    "groups": [channels(2, padding=1)],
    "depthwise": [channels(4, dilation=2)],
    "batch norm": [cs.BatchNorm([1, 2, 3, 4], [4, 1, 9, "1/4"], [1, 2, 1, 1], [0, 1, 2, 3], eps=0)],
    "prelu": [cs.PReLU([1, "1/2", 0, 2])],
    "linear": [cs.Flatten(), cs.Linear(whole_numbers(3, 4 * 5 * 6), [1, 2, 3])],
    "head": [channels(), cs.ReLU(), cs.GlobalAvgPool(), cs.Flatten(), cs.Linear(whole_numbers(3, 4))],
    "softmax": [cs.Softmax(0)],
    "log-softmax": [cs.LogSoftmax(-1)],
    "softmin": [cs.Softmin(1)],
}


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("name", MAPS)
def test_feature_maps(name, library):
    layers, x = MAPS[name], RANDOM.integers(-1, 2, (4, 5, 6))
    tolerance = 1e-6 if library == "keras" else 1e-11
    np.testing.assert_allclose(
        run(library, layers, x.shape, x), cs.solve(x, *layers).array(), rtol=tolerance, atol=tolerance
    )


TRANSPOSED = {
    "stride": cs.ConvTranspose("1 2 3; 4 5 6; 7 8 9", stride=2, padding=1, output_padding=1),
    "flip": cs.ConvTranspose("1 2 3; 4 5 6", stride=(2, 3), flip=True),
    "uneven": cs.ConvTranspose("1 2 3; 4 5 6", stride=2, padding=((0, 1), (2, 1))),
    "dilation": cs.ConvTranspose("1 2; 3 4", stride=2, dilation=2, output_padding=1, bias=3),
    "wide stride": cs.ConvTranspose("1 2; 3 4", stride=3, output_padding=2),
}


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("shape", [(2,), (3, 2)])
def test_features_without_space(shape, library):
    layers = [cs.Linear([[1, 2], [3, 4]], [1, 0]), cs.ReLU(), cs.Softmax(-1)]
    x = whole_numbers(*shape)
    tolerance = 1e-6 if library == "keras" else 1e-12
    found = run(library, layers, shape, x)
    np.testing.assert_allclose(found, cs.solve(x, *layers).array(), rtol=tolerance, atol=tolerance)


OF_ALL_RANKS = [name for name in INSTALLED if name in {"torch", "jax", "numpy"}]


@pytest.mark.parametrize("library", OF_ALL_RANKS)
@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed(name, library):
    layer, x = TRANSPOSED[name], whole_numbers(4, 5)
    np.testing.assert_allclose(run(library, [layer], x.shape, x), cs.solve(x, layer).array())


@pytest.mark.parametrize("library", OF_ALL_RANKS)
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_channels(library, groups):
    layer = cs.ConvTranspose(whole_numbers(4, 6 // groups, 2, 3), groups=groups, stride=2)
    x = whole_numbers(2, 4, 3, 4)
    np.testing.assert_allclose(run(library, [layer], x.shape, x), cs.solve(x, layer).array())


@pytest.mark.parametrize("library", OF_ALL_RANKS)
@pytest.mark.parametrize(
    "layer",
    [
        cs.Conv([[[1, 2, 3]]], padding=1, flip=True),
        cs.AvgPool((3,), 2, ceil_mode=True),
        cs.Upsample(scale_factor=("3/2",)),
        cs.Upsample(size=(5,), mode="linear"),
        cs.Upsample(size=(9,), mode="linear", align_corners=True),
        cs.AdaptiveAvgPool((3,)),
        cs.AdaptiveMaxPool((4,)),
    ],
    ids=repr,
)
def test_lines(layer, library):
    x = whole_numbers(2, 1, 7)
    np.testing.assert_allclose(run(library, [layer], x.shape, x), cs.solve(x, layer).array(), atol=1e-12)


@pytest.mark.parametrize("library", OF_ALL_RANKS)
def test_volumes(library):
    layers = [cs.Conv(whole_numbers(2, 3, 2, 3, 2), padding=1), cs.MaxPool((2, 2, 1)), cs.AvgPool(2, 1)]
    x = whole_numbers(2, 3, 5, 4, 6)
    np.testing.assert_allclose(run(library, layers, x.shape, x), cs.solve(x, *layers).array())


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("library", OF_ALL_RANKS)
def test_resizing(mode, library):
    x = whole_numbers(3, 4, 5)
    for layer in (cs.Upsample(size=(7, 3), mode=mode), cs.Upsample(scale_factor=("5/2", 2), mode=mode)):
        np.testing.assert_allclose(run(library, [layer], x.shape, x), cs.solve(x, layer).array(), atol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_are_written_exactly(library):
    layer = cs.Conv([["1/3", "1/7"], ["0.1", "2"]])
    kernel = next(line for line in code(layer, library).splitlines() if line.startswith("kernel = "))
    literal = re.search(r"\((\[.*\])(?:, dtype=[a-z.]+)?\)(.*)$", kernel)
    divisor = int(literal[2].strip(" /") or 1)
    found = [Fraction(str(n)) / divisor for n in np.ravel(ast.literal_eval(literal[1])).tolist()]
    assert found == [Fraction(1, 3), Fraction(1, 7), Fraction(1, 10), Fraction(2)]


def test_a_planted_fault_is_seen():
    """The comparison can fail: the kernel not rotated."""
    x = whole_numbers(5, 5)
    right, wrong = cs.Conv("1 2; 3 4", flip=True), cs.Conv("1 2; 3 4")
    assert not np.allclose(run("scipy", [wrong], x.shape, x), cs.solve(x, right).array())


SIZES_ONLY = cs.Conv(kernel_size=3, out_channels=4)
MANY = cs.Conv(np.zeros((200, 200, 1, 1)))


@pytest.mark.parametrize(
    ("layers", "library", "message"),
    [
        (cs.Conv("1"), "tensorflow", "to='tensorflow' is not known"),
        ([], "torch", "code needs a layer"),
        (SIZES_ONLY, "torch", "layer 1: Conv: it has no weights"),
        (cs.MaxPool(2, ceil_mode=True), "numpy", "layer 1: code for NumPy: MaxPool: ceil_mode depends"),
        (cs.Conv("1 2", padding="same", stride=2), "torch", "layer 1: code for PyTorch: Conv: padding"),
        (cs.ConvTranspose("1"), "keras", "layer 1: code for Keras: ConvTranspose is not written; known"),
        (MANY, "torch", "layer 1: the code would write out more than"),
        (cs.Conv("a b"), "numpy", "layer 1: "),
    ],
)
def test_refusals(layers, library, message):
    with pytest.raises(cs.ConvscopeError, match=f"^{message}"):
        code(layers, library)


def test_an_input_shape_is_a_shape():
    with pytest.raises(cs.InputError, match=r"^input_shape=\(0, 3\) is not a shape"):
        code(cs.ReLU(), "torch", (0, 3))


def test_it_is_shown_and_is_text():
    program = code(cs.Conv("1 2; 3 4"), "torch")
    assert isinstance(program, str)
    assert program.library == "PyTorch"
    assert "F.conv2d" in program.to_markdown()
    assert "F.conv2d" in program.to_html()


def test_every_layer_is_written_for_pytorch():
    from convscope.rewrite.code.torch_code import LAYERS
    from convscope.worked.solution import WORKS

    assert set(WORKS) - set(LAYERS) == {cs.Add, cs.Concat}
