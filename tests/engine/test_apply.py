"""`apply` against SciPy, against the exact worked solution, and at every edge people meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import convscope as cs
from convscope.engine import fallback
from convscope.engine.cost import Machine
from convscope.engine.execution import run_plan
from convscope.engine.kernels import read_kernels
from convscope.engine.methods import working_type
from convscope.engine.plan import Choice, Plan
from convscope.engine.request import request_of

BORDERS = ["zero", "constant", "reflect", "symmetric", "replicate", "wrap", "valid"]
SOURCES = ["uint8", "uint16", "int16", "int32", "float32", "float64"]
NUMPY_MODES = {"zero": "constant", "constant": "constant", "replicate": "edge", "reflect": "reflect",
               "symmetric": "symmetric", "wrap": "wrap"}  # fmt: skip


@pytest.fixture(autouse=True)
def _compiled_code_serves(monkeypatch):
    monkeypatch.setattr("convscope.engine.execution.PATIENCE", -1.0)


def naive(image, taps, request):
    """The definition, in float64: every window of the padded picture, taps that are zero left out."""
    (top, left), (bottom, right) = request.before, request.after
    extra = {"constant_values": request.value} if request.border in {"zero", "constant"} else {}
    padded = image.astype(np.float64)
    if request.border != "valid":
        pads = ((top, bottom), (left, right), (0, 0))
        padded = np.pad(padded, pads, mode=NUMPY_MODES[request.border], **extra)
    (h, w), (sy, sx), (dy, dx) = request.out, request.stride, request.dilation
    sums = np.zeros((h, w, image.shape[2]))
    for i, j in zip(*np.nonzero(taps), strict=True):
        part = padded[i * dy : i * dy + (h - 1) * sy + 1 : sy, j * dx : j * dx + (w - 1) * sx + 1 : sx]
        sums += taps[i, j] * part
    return sums


def every_method(image, kernel, threads=2, **options):
    """(name, method, result) of each way that could be chosen, run by force."""
    (analysis,), _ = read_kernels(kernel, flip=options.pop("flip", False))
    request = request_of(image.shape, analysis.shape, image.dtype, **options)
    work = working_type(request, [analysis])
    from convscope.engine.plan import choose

    choice = choose(request, analysis, work, threads, Machine())
    for option in (choice.taken, *choice.others):
        plan = Plan(request, threads, (Choice(analysis, option, ()),), False, Machine())
        out = np.full((1, *request.out, image.shape[2]), 77, dtype=request.result)
        run_plan(plan, image, out, wait=True)
        yield request, analysis, option.method, out[0]


KERNELS = [
    "1 2 1; 0 0 0; -1 -2 -1",
    "0 1 0; 1 -4 1; 0 1 0",
    "1 1 1; 1 1 1; 1 1 1",
    "1 2 3; 4 5 6",
    "3",
    "1 1 1 1 1 1 1",
    "1; 2; 3; 4; 5",
    "2 0 0 0 0 0 1",
    "0.5 0.25; 0.125 -1; 0.3 0.7; 1 1",
]


def random_kernels(rng):
    return [
        rng.normal(size=(5, 4)), rng.normal(size=(2, 2)), np.ones((6, 9)) / 54,
        np.outer(rng.normal(size=7), rng.normal(size=5)), np.pad(np.ones((3, 4)), 3) - 0.25,
        np.eye(9) / 9, rng.integers(-3, 4, (4, 4)), np.repeat([[1.0, 1, 1, -1, -1, -1]], 8, axis=0),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", SOURCES)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_every_method_agrees_with_the_definition(dtype, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    border = data.draw(st.sampled_from(BORDERS))
    kernel = data.draw(st.sampled_from([*range(len(KERNELS)), *range(100, 108)]))
    kernel = KERNELS[kernel] if kernel < 100 else random_kernels(rng)[kernel - 100]
    kh, kw = np.atleast_2d(cs.matrix(kernel).to_float()).shape
    dilation = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    stride = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 90))
    if border == "valid":
        height, width = height + (kh - 1) * dilation[0], width + (kw - 1) * dilation[1]
    channels = data.draw(st.sampled_from([1, 3]))
    options = {"border": border, "dilation": dilation, "stride": stride, "flip": data.draw(st.booleans())}
    if border == "constant":
        options["value"] = data.draw(st.sampled_from([3, -1, 2.5]))
    options["anchor"] = data.draw(st.sampled_from([None, (0, 0), (kh - 1, 0)]))
    if dtype.startswith("float"):
        image = (rng.normal(size=(height, width, channels)) * 100).astype(dtype)
    else:
        info = np.iinfo(dtype)
        image = rng.integers(info.min, info.max, (height, width, channels), dtype=dtype, endpoint=True)
    if data.draw(st.booleans()):
        image = np.repeat(image, 2, axis=1)[:, ::2]
    for request, analysis, method, result in every_method(
        image, kernel, threads=data.draw(st.sampled_from([1, 2])), **options
    ):
        wanted = naive(image, analysis.floats, request)
        weight = naive(np.abs(image.astype(np.float64)), np.abs(analysis.floats), request)
        if request.value < 0:
            weight += float(analysis.magnitude) * abs(request.value)
        unit = 2.0**-24 if request.result == "float32" else 2.0**-53
        allowed = (method.error + 2 * unit) * weight + 1e-12 * weight + 1e-30
        if method.name == "fourier":
            from convscope.engine.fourier import tile_lengths

            cells = np.prod(tile_lengths(request))
            largest = max(np.abs(image.astype(float)).max(initial=0), abs(request.value))
            allowed = (
                method.error * largest * np.sqrt(cells) * np.linalg.norm(analysis.floats) + 2 * unit * weight
            )
        assert (np.abs(result - wanted) <= allowed).all(), (method.name, np.abs(result - wanted).max())


@pytest.mark.parametrize("border", [b for b in BORDERS if b != "constant"])
@pytest.mark.parametrize("flip", [False, True])
def test_apply_agrees_with_the_exact_solution(border, flip):
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (9, 8), dtype=np.uint8)
    kernel = "1 -2 3; 0.5 0 1/4; 7 1 -1"
    modes = {"zero": "zeros", "reflect": "reflect", "replicate": "replicate", "wrap": "circular"}
    if border == "symmetric":
        padded = np.pad(image, 1, mode="symmetric")
        exact = cs.solve(padded, cs.Conv(kernel, flip=flip)).array()
    elif border == "valid":
        exact = cs.solve(image, cs.Conv(kernel, flip=flip)).array()
    else:
        exact = cs.solve(image, cs.Conv(kernel, padding=1, padding_mode=modes[border], flip=flip)).array()
    assert np.array_equal(cs.apply(image, kernel, border=border, flip=flip), exact)


def test_results_do_not_depend_on_threads():
    rng = np.random.default_rng(6)
    image = rng.normal(size=(700, 900, 3)).astype(np.float32)
    product = np.outer(rng.normal(size=9), rng.normal(size=9))
    for kernel in (rng.normal(size=(7, 6)), np.ones((15, 15)) / 225, product,
                   rng.normal(size=(41, 41))):  # fmt: skip
        for (*_, method, one), (*_, many) in zip(
            every_method(image, kernel, threads=1), every_method(image, kernel, threads=5), strict=True
        ):
            assert np.array_equal(one, many), method.name


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_cells_reach_exactly_their_windows(bad):
    rng = np.random.default_rng(7)
    image = rng.normal(size=(60, 70, 1)).astype(np.float32)
    image[20, 30] = bad
    image[59, 0] = bad
    for kernel in (
        rng.normal(size=(5, 4)),
        np.ones((7, 7)),
        "1 2 1; 0 0 0; -1 -2 -1",
        np.eye(5),
        np.pad(np.ones((3, 3)), 3) - 0.25,
    ):
        for request, analysis, method, result in every_method(image, kernel, border="reflect"):
            with np.errstate(invalid="ignore"):
                wanted = naive(image, analysis.floats, request)
            assert np.array_equal(np.isfinite(result), np.isfinite(wanted)), method.name
            if np.isinf(bad) and method.name == "direct":
                assert np.array_equal(
                    result[~np.isfinite(result)], wanted[~np.isfinite(wanted)], equal_nan=True
                )


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("source", "dtype"),
    [("float32", "uint8"), ("float64", "int8"), ("float64", "uint16"), ("float32", "int16"),
     ("float32", "int32"), ("float64", "int32")],
)  # fmt: skip
def test_integers_are_rounded_half_to_even_and_clipped(source, dtype):
    image = np.arange(-40, 400, dtype=source).reshape(1, -1) / 2
    info = np.iinfo(dtype)
    wanted = np.clip(np.rint(image.astype(float)), info.min, info.max).astype(dtype)
    assert np.array_equal(cs.apply(image, "1", dtype=dtype), wanted)
    edges = np.array([[np.nan, np.inf, -np.inf]], dtype=source)
    assert cs.apply(edges, "1", dtype=dtype).tolist() == [[0, info.max, info.min]]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("dtype", "results"),
    [("uint8", ["float64", "int32"]), ("uint16", ["int32"]), ("int16", ["int32"]),
     ("int32", ["float64", "int32"])],
)  # fmt: skip
def test_integer_sums_are_exact(dtype, results):
    rng = np.random.default_rng(8)
    kernel = rng.integers(-9, 10, (6, 5))
    info = np.iinfo(dtype)
    image = rng.integers(info.min, info.max, (33, 47), dtype=dtype, endpoint=True)
    exact = ndimage.correlate(image.astype(np.int64), kernel, mode="constant")
    assert np.array_equal(cs.apply(image, kernel), exact.astype(np.float32))
    for result in results:
        wanted = np.clip(exact, -(2**31), 2**31 - 1) if result == "int32" else exact.astype(result)
        assert np.array_equal(cs.apply(image, kernel, dtype=result), wanted)


def test_a_mean_of_bytes_is_rounded_as_the_exact_mean():
    rng = np.random.default_rng(9)
    image = rng.integers(0, 256, (50, 60), dtype=np.uint8)
    sums = ndimage.correlate(image.astype(np.int64), np.ones((4, 6), dtype=np.int64), mode="nearest")
    wanted = [[round(cs.matrix([[int(s)]])[0, 0] / 24) for s in row] for row in sums]
    mean = cs.Conv.uniform((4, 6)).kernel
    assert np.array_equal(cs.apply(image, mean, border="edge", dtype="uint8"), wanted)


def test_scipy_serves_with_the_same_result():
    rng = np.random.default_rng(10)
    image = rng.integers(0, 256, (31, 29, 3), dtype=np.uint8)
    for border in BORDERS:
        for stride, dilation in ((1, 1), ((2, 3), (2, 1))):
            (analysis,), _ = read_kernels("1 2 3; 4 5 6; 7 8 10; 1 1 1", flip=False)
            request = request_of(
                image.shape, analysis.shape, "uint8", border=border, stride=stride, dilation=dilation
            )
            out = np.zeros((1, *request.out, 3), np.float32)
            fallback.apply_slowly(image, [analysis], request, out)
            assert np.array_equal(out[0], naive(image, analysis.floats, request))


def test_several_kernels_are_one_stack():
    rng = np.random.default_rng(11)
    image = rng.normal(size=(40, 50, 3)).astype(np.float32)
    stack = np.stack(
        [rng.normal(size=(5, 5)), np.ones((5, 5)), np.eye(5), np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])]
    )
    together = cs.apply(image, stack, border="wrap")
    assert together.shape == (4, 40, 50, 3)
    for kernel, result in zip(stack, together, strict=True):
        np.testing.assert_allclose(result, cs.apply(image, kernel, border="wrap"), rtol=1e-4, atol=1e-4)
    assert np.array_equal(cs.apply(image, [cs.kernel(k) for k in stack], border="wrap"), together)
    assert cs.apply(image, stack[:1]).shape == (1, 40, 50, 3)
    assert cs.apply(image[..., 0], stack).shape == (4, 40, 50)
    assert cs.apply(np.zeros((2, 0, 9, 9, 3)), stack).shape == (4, 2, 0, 9, 9, 3)


def test_layouts_give_one_result():
    rng = np.random.default_rng(12)
    image = rng.integers(0, 256, (30, 41, 3), dtype=np.uint8)
    kernel = rng.normal(size=(3, 5))
    wanted = cs.apply(image, kernel)
    wide = np.zeros((60, 82, 6), np.uint8)
    wide[::2, ::2, ::2] = image
    frozen = image.copy()
    frozen.setflags(write=False)
    for same in (wide[::2, ::2, ::2], np.asfortranarray(image), image[::-1, ::-1][::-1, ::-1], frozen,
                 image.astype(">u2").astype("u1")):  # fmt: skip
        assert np.array_equal(cs.apply(same, kernel), wanted)
    turned = cs.apply(image[::-1, ::-1], kernel[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_allclose(turned, wanted, rtol=1e-4, atol=1e-3)
    assert np.array_equal(cs.apply(image.astype(">f4"), kernel), cs.apply(image.astype("f4"), kernel))
    batch = np.stack([image, 255 - image])
    assert np.array_equal(cs.apply(batch, kernel), np.stack([wanted, cs.apply(255 - image, kernel)]))
    out = np.zeros((2, 30, 41, 3), np.float32)
    assert cs.apply(batch, kernel, out=out) is out
    assert np.array_equal(out[0], wanted)
    strided = np.zeros((30, 41, 6), np.float32)[..., ::2]
    assert np.array_equal(cs.apply(image, kernel, out=strided), wanted)
    floats = image.astype(np.float32)
    assert np.array_equal(cs.apply(floats, kernel, out=floats), cs.apply(image.astype(np.float32), kernel))
    assert cs.apply(image, kernel, dtype="float16").dtype == np.float16
    assert cs.apply(image.astype(np.float16), kernel).dtype == np.float32


def test_small_and_empty_pictures():
    assert cs.apply(np.array([[3]], np.uint8), np.ones((5, 5)), border="reflect").tolist() == [[75.0]]
    assert cs.apply(np.array([[3]], np.uint8), np.ones((5, 5)), border="wrap").tolist() == [[75.0]]
    assert cs.apply(np.ones((3, 4)), np.ones((31, 31))).tolist() == [[12.0] * 4] * 3
    assert cs.apply(np.zeros((0, 5)), np.ones((3, 3))).shape == (0, 5)
    assert cs.apply(np.zeros((0, 5, 5, 3)), np.ones((3, 3))).shape == (0, 5, 5, 3)
    assert cs.apply(np.zeros((5, 5, 0)), np.ones((3, 3))).shape == (5, 5, 0)
    assert cs.apply(np.ones((5, 5)), "0 0; 0 0").tolist() == [[0.0] * 5] * 5


@pytest.mark.parametrize(
    ("image", "kernel", "options", "message"),
    [
        (np.ones((3, 3)), np.ones((5, 5)), {"border": "valid"}, "border='valid': a kernel 5 cells high"),
        (np.ones(3), "1", {}, r"a picture of shape \(3,\) has 1 axes"),
        (np.ones((3, 3)), "1", {"border": "mirror"}, "border='mirror' is not known"),
        (np.ones((3, 3)), "1", {"border": "edgy"}, "border='edgy' is not known; did you mean 'edge'"),
        (np.ones((3, 3)), "1", {"value": 3}, "value=3 needs border='constant'"),
        (np.ones((3, 3)), "1", {"stride": 0}, "stride=0: 0 is not allowed"),
        (np.ones((3, 3)), "1", {"stride": 1.5}, "stride=1.5 is not a whole number"),
        (np.ones((3, 3)), "1", {"threads": 0}, "threads=0 is not allowed"),
        (np.ones((3, 3)), "1", {"anchor": (1, 0)}, r"anchor=\(1, 0\) is outside the kernel"),
        (np.ones((3, 3)), "a b", {}, "the kernel holds letters"),
        (np.ones((3, 3)), "sobol_x", {}, "no kernel is called 'sobol_x'; did you mean 'sobel_x'?"),
        (np.ones((3, 3), complex), "1", {}, "a picture of dtype complex128"),
        (np.ones((3, 3)), "1", {"dtype": "int64"}, "dtype=int64 cannot be a result"),
        (np.ones((3, 3)), "1", {"out": np.ones((3, 4))}, r"out has shape \(3, 4\)"),
        (np.ones((3, 3)), "1", {"out": np.ones((3, 3)), "dtype": "float32"}, "out has dtype float64"),
        (np.ones((0, 3)), "1 1", {"border": "wrap"}, "border='wrap' repeats cells"),
        (np.ones((3, 3)), np.ones((2, 2, 2, 2)), {}, r"kernels of shape \(2, 2, 2, 2\)"),
    ],
)  # fmt: skip
def test_mistakes_are_told(image, kernel, options, message):
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.apply(image, kernel, **options)
