"""The user's array keeps the axes it came with, whatever they are."""

from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.errors import InputError, ShapeError

CONV = cs.Conv(np.arange(4).reshape(1, 1, 2, 2))
COLOURS = cs.Conv(np.arange(24).reshape(2, 3, 2, 2))
LINE = cs.Conv(np.arange(2).reshape(1, 1, 2))
VOLUME = cs.Conv(np.arange(8).reshape(1, 1, 2, 2, 2))


@pytest.mark.parametrize(
    ("shape", "layers", "expected"),
    [
        # A plane stays a plane while it has one channel.
        ((4, 5), [CONV], (3, 4)),
        ((4, 5), [cs.MaxPool(2)], (2, 2)),
        ((4, 5), [CONV, cs.Sigmoid(), cs.MaxPool((3, 2))], (1, 2)),
        ((4, 5), [cs.Conv(np.ones((3, 1, 2, 2), dtype=int))], (3, 3, 4)),
        ((4, 5), [cs.Conv(np.ones((3, 1, 2, 2), dtype=int)), cs.Flatten()], (36,)),
        ((4, 5), [cs.Conv(np.ones((3, 1, 2, 2), dtype=int)), COLOURS], (2, 2, 3)),
        # A feature map.
        ((3, 4, 5), [COLOURS], (2, 3, 4)),
        ((1, 4, 5), [CONV], (1, 3, 4)),
        ((3, 4, 5), [cs.MaxPool(2)], (3, 2, 2)),
        ((3, 4, 5), [cs.Flatten()], (60,)),
        ((3, 4, 5), [cs.GlobalAvgPool()], (3, 1, 1)),
        ((3, 4, 5), [cs.GlobalAvgPool(), cs.Flatten(), cs.Linear(np.ones((2, 3), dtype=int))], (2,)),
        ((3, 4, 5), [cs.Upsample(scale_factor=2)], (3, 8, 10)),
        ((3, 4, 5), [cs.Pad(1)], (3, 6, 7)),
        # A batch.
        ((2, 3, 4, 5), [COLOURS], (2, 2, 3, 4)),
        ((1, 1, 4, 5), [CONV], (1, 1, 3, 4)),
        ((2, 3, 4, 5), [cs.Flatten()], (2, 60)),
        ((2, 3, 4, 5), [cs.AdaptiveMaxPool(1)], (2, 3, 1, 1)),
        # Other ranks, told by a layer that knows its own.
        ((5,), [LINE], (4,)),
        ((1, 5), [LINE], (1, 4)),
        ((2, 1, 5), [LINE], (2, 1, 4)),
        ((2, 1, 5), [cs.ReLU(), LINE], (2, 1, 4)),
        ((3, 4, 5), [VOLUME], (2, 3, 4)),
        ((1, 3, 4, 5), [VOLUME], (1, 2, 3, 4)),
        ((2, 1, 3, 4, 5), [VOLUME], (2, 1, 2, 3, 4)),
        ((6,), [cs.MaxPool(2)], (3,)),
        ((2, 3, 4, 4, 4), [cs.MaxPool(2)], (2, 3, 2, 2, 2)),
        ((3, 6), [cs.MaxPool((2,))], (3, 3)),
        # Without space.
        ((4,), [cs.Linear(np.ones((2, 4), dtype=int))], (2,)),
        ((3, 4), [cs.Linear(np.ones((2, 4), dtype=int))], (3, 2)),
        ((3, 4), [cs.ReLU(), cs.Linear(np.ones((2, 4), dtype=int))], (3, 2)),
        ((2, 3, 4), [cs.Linear(np.ones((2, 4), dtype=int))], (2, 3, 2)),
        ((3, 4), [cs.ReLU()], (3, 4)),
        ((2, 3, 4, 5), [cs.Sigmoid()], (2, 3, 4, 5)),
        ((3, 4), [cs.Flatten()], (12,)),
    ],
)
def test_axes_come_back(shape, layers, expected):
    x = np.arange(np.prod(shape)).reshape(shape) % 7
    solution = cs.solve(x, *layers)
    assert solution.shape == expected
    assert solution.value.shape == expected
    assert solution.array().shape == expected
    last = tuple(n - 1 for n in expected)
    assert solution.stages[-1].cell(*last).value == solution.value[last]


@pytest.mark.parametrize(
    ("shape", "layout", "layer", "expected"),
    [
        ((2, 3, 6), "NCL", cs.MaxPool(2), (2, 3, 3)),
        ((2, 3, 6), "CHW", cs.MaxPool(2), (2, 1, 3)),
        ((2, 4, 6), "DHW", cs.MaxPool(2), (1, 2, 3)),
        ((2, 4, 6), "NHW", cs.MaxPool(2), (2, 2, 3)),
        ((4, 6), "HW", cs.MaxPool(2), (2, 3)),
        ((4, 6), "CL", cs.MaxPool(2), (4, 3)),
        ((4, 6), "NL", cs.MaxPool(2), (4, 3)),
        ((4, 6), "NC", cs.Linear(np.ones((2, 6), dtype=int)), (4, 2)),
        ((6,), "C", cs.Linear(np.ones((2, 6), dtype=int)), (2,)),
        ((2, 2, 4, 4, 4), "NCDHW", cs.MaxPool(2), (2, 2, 2, 2, 2)),
        ((2, 2, 4, 4), "CDHW", cs.MaxPool(2), (2, 1, 2, 2)),
    ],
)
def test_a_told_layout(shape, layout, layer, expected):
    assert cs.solve(np.ones(shape, dtype=int), layer, layout=layout).shape == expected


@pytest.mark.parametrize(
    ("shape", "layout", "error", "message"),
    [
        (
            (2, 2),
            "WH",
            InputError,
            "layout='WH' is not known; write the axes in order, such as HW, CHW",
        ),
        ((2, 2), "hw", InputError, "layout='hw' is not known"),
        ((2, 2), "CNHW", InputError, "layout='CNHW' is not known"),
        ((2, 2), "CHW", ShapeError, "layout='CHW' has 3 axes but the input has 2"),
    ],
)
def test_a_layout_that_is_none(shape, layout, error, message):
    with pytest.raises(error) as refused:
        cs.solve(np.ones(shape, dtype=int), cs.MaxPool(1), layout=layout)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (2, 2, 2, 2, 2),
            [CONV],
            "the input has 5 axes (shape (2, 2, 2, 2, 2)); layers of rank 2 take (H, W), (C, H, W)",
        ),
        ((2,), [CONV], "the input has 1 axes (shape (2,)); layers of rank 2 take"),
        ((2,) * 6, [cs.MaxPool(1)], "the input has 6 axes"),
        ((), [cs.MaxPool(1)], "the input has 0 axes"),
        ((3, 4, 5), [CONV], "layer 1: Conv: the weights are for 1 input channel but the input has 3"),
        ((4, 5), [CONV, cs.Flatten(), CONV], "layer 3: Conv: it needs feature maps"),
        (
            (4, 5),
            [cs.Flatten(), cs.Linear(np.ones((2, 3), dtype=int))],
            "layer 2: Linear: the weights are for 3 features",
        ),
        (
            (4, 5),
            [cs.Conv(np.ones((1, 1, 6, 6), dtype=int))],
            "layer 1: Conv: the kernel spans 6 cells but the input has only 4",
        ),
        (
            (4, 5),
            [CONV, cs.MaxPool((2,))],
            "layer 2: MaxPool: it was built for 1 spatial axes but the input has 2",
        ),
        ((4, 5), [cs.Conv(kernel_size=2, out_channels=1)], "layer 1: Conv: it has no weights, only sizes"),
        ((4, 5), [cs.Linear(out_features=3)], "layer 1: Linear: it has no weights, only sizes"),
        ((4, 5), [cs.BatchNorm(num_features=1)], "layer 1: BatchNorm: it has no statistics"),
        ((4, 5), [cs.Add()], "layer 1: Add: it joins several inputs, got 1"),
    ],
)
def test_shapes_that_do_not_fit(shape, layers, message):
    with pytest.raises(InputError) as refused:
        cs.solve(np.ones(shape, dtype=int), *layers)
    assert str(refused.value).startswith(message)


def test_channels_of_a_layer_without_space():
    """Two axes are (N, C), as PyTorch counts them; a feature map has its channels first."""
    norm = cs.BatchNorm([10, 20, 30], [1, 1, 1], eps=0)
    rows = cs.solve(np.zeros((2, 3), dtype=int), norm).value
    assert rows.tolist() == [[-10, -20, -30]] * 2
    square = cs.solve(np.zeros((3, 3), dtype=int), norm).value
    assert square.tolist() == [[-10, -20, -30]] * 3
    planes = cs.solve(np.zeros((3, 1, 2), dtype=int), norm).value
    assert planes.tolist() == [[[-10, -10]], [[-20, -20]], [[-30, -30]]]
    batch = cs.solve(np.zeros((2, 3, 1), dtype=int), norm).value
    assert batch.tolist() == [[[-10], [-20], [-30]]] * 2
    maps = cs.solve(np.zeros((1, 3, 1, 1), dtype=int), norm).value
    assert maps.tolist() == [[[[-10]], [[-20]], [[-30]]]]


def test_several_inputs_keep_their_axes():
    x = np.ones((2, 3), dtype=int)
    assert cs.solve((x, x), cs.Add()).shape == (2, 3)
    assert cs.solve((x, x), cs.Concat(-1)).shape == (2, 6)
    assert cs.solve((x, x), cs.Concat()).shape == (2, 2, 3)
    with pytest.raises(ShapeError, match="the inputs have different numbers of axes"):
        cs.solve((x, x[0]), cs.Add())
    with pytest.raises(ShapeError, match="layer 1: Add: the inputs have shapes"):
        cs.solve((x, x[:, :2]), cs.Add())


@pytest.mark.parametrize(
    ("x", "layer", "message"),
    [
        (
            "1 2",
            cs.Upsample(10**6),
            "layer 1: Upsample: its output would have 1000000000000 cells; up to 67108864",
        ),
        ("1 2", cs.Pad(10**6), "layer 1: Pad: its output would have"),
        ("1 2", cs.Conv("1 2", padding=10**8), "layer 1: Conv: its output would have"),
        ("1 2", cs.Conv("1 2", padding=10**8, stride=10**8), "layer 1: the padded input would have"),
        ("1 2", cs.ConvTranspose("1 2", stride=10**8), "layer 1: ConvTranspose: its output would have"),
        ("1 2", cs.ConvTranspose("1 2", stride=10**8, padding=(0, 10**8 - 1)), "layer 1: ConvTranspose:"),
        ("1 2", cs.AdaptiveAvgPool(10**9), "layer 1: AdaptiveAvgPool: its output would have"),
        (
            "1 2; 3 4",
            cs.LpPool(10**9, 2),
            "layer 1: a power 1000000000 of 1 bits is too large to be written out",
        ),
        ("1 2; 3 4", cs.LpPool(10**9, 2, ceil_mode=True), "layer 1: a power 1000000000"),
    ],
)
def test_sizes_are_bounded_before_memory_is_asked_for(x, layer, message):
    with pytest.raises(cs.ConvscopeError) as refused:
        cs.solve(x, layer)
    assert str(refused.value).startswith(message)


def test_products_are_bounded_before_time_is():
    x = np.zeros((2048, 2048), dtype=int)
    with pytest.raises(cs.UnsupportedError, match="layer 1: 1100401000000 products are too many to work"):
        cs.solve(x, cs.Conv(cs.kernel(np.ones((1000, 1000), dtype=int))))
    with pytest.raises(
        cs.UnsupportedError, match=r"layer 2: .* products of symbolic values are too many to keep exact"
    ):
        cs.solve(x + 1, cs.Sigmoid(), cs.Conv("1 1"))


def test_a_window_as_large_as_the_picture_is_no_trouble():
    x = np.arange(512 * 512).reshape(512, 512)
    assert cs.solve(x, cs.MaxPool(500, 1)).value[12, 12] == 512 * 512 - 1
    assert cs.solve(x, cs.AvgPool(500, 1)).value[0, 0] == Fraction(int(x[:500, :500].sum()), 250_000)
