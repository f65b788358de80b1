"""Kernels that nobody here chose: what is said of them is what running their own library shows."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import filters as skfilters

from convscope.interpret.description import describe

SIDE = 33
MIDDLE = SIDE // 2
Picture = np.ndarray
Y, X = np.mgrid[:SIDE, :SIDE] - float(MIDDLE)


def step(angle: float) -> Picture:
    """Dark to bright along the angle, y down."""
    turn = np.deg2rad(angle)
    return (np.round(X * np.cos(turn) + Y * np.sin(turn), 9) >= 0).astype(np.float64)


def line(angle: float, tone: int = 1) -> Picture:
    """A line of one pixel that runs along the angle, y down."""
    turn = np.deg2rad(angle)
    inside = np.abs(Y * np.cos(turn) - X * np.sin(turn)) <= 0.5 * max(abs(np.cos(turn)), abs(np.sin(turn)))
    return np.where(inside, tone, 0.0) + (tone < 0)


def spot(radius: float, tone: int = 1) -> Picture:
    return np.where(np.hypot(X, Y) <= radius, tone, 0.0) + (tone < 0)


def effective(run: Callable[[Picture], Picture]) -> Picture:
    """The kernel of a library's filter under cross-correlation: its impulse response, turned."""
    impulse = np.zeros((SIDE, SIDE))
    impulse[MIDDLE, MIDDLE] = 1
    answer = run(impulse)[::-1, ::-1]
    rows, columns = np.nonzero(np.abs(answer) > 1e-9 * np.abs(answer).max())
    reach = int(max(np.abs(rows - MIDDLE).max(), np.abs(columns - MIDDLE).max()))
    return answer[MIDDLE - reach : MIDDLE + reach + 1, MIDDLE - reach : MIDDLE + reach + 1]


def inner_max(answer: Picture) -> float:
    """The largest response away from the border."""
    return float(answer[12:-12, 12:-12].max())


def pillow(filter_: ImageFilter.Kernel) -> Callable[[Picture], Picture]:
    """A filter of Pillow run on a picture, its offset taken off; levels kept clear of 0 and 255."""
    size, scale, _, weights = filter_.filterargs
    quiet = ImageFilter.Kernel(size, weights, scale=8 * scale, offset=128)

    def run(picture: Picture) -> Picture:
        levels = Image.fromarray(np.rint(40 * picture + 60).astype(np.uint8))
        flat = Image.fromarray(np.full((SIDE, SIDE), 60, np.uint8))
        return np.asarray(levels.filter(quiet), float) - np.asarray(flat.filter(quiet), float)

    return run


PILLOW = {
    "BLUR": "blur", "CONTOUR": "blob", "DETAIL": "sharpen", "EDGE_ENHANCE": "sharpen",
    "EDGE_ENHANCE_MORE": "sharpen", "EMBOSS": "edge", "FIND_EDGES": "blob", "SHARPEN": "sharpen",
    "SMOOTH": "blur", "SMOOTH_MORE": "blur",
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), PILLOW.items())
def test_pillow_s_ten(name, kind):
    filter_ = getattr(ImageFilter, name)
    (width, height), _, _, weights = filter_.filterargs
    found = describe(np.array(weights, float).reshape(height, width), "pillow")
    assert (found.kind, found.check.agrees) == (kind, True)
    run = pillow(filter_)
    if kind == "edge":
        answers = {angle: inner_max(run(step(angle))) for angle in range(0, 360, 45)}
        named = round(found.orientation / 45) * 45 % 360
        assert answers[named] == max(answers.values()) > answers[(named + 180) % 360]
    if kind == "blob":
        tone = 1 if found.variant == "bright" else -1
        assert inner_max(run(spot(0.5, tone))) > inner_max(run(spot(0.5, -tone)))


def test_pillow_applies_the_rows_from_the_bottom_up():
    weights = [1.0, 2, 1, 0, 0, 0, -1, -2, -1]
    run = pillow(ImageFilter.Kernel((3, 3), weights, scale=1))
    table = np.array(weights).reshape(3, 3)
    assert describe(table, "pillow").polarity == "dark above and bright below"
    assert describe(table).polarity == "dark below and bright above"
    assert inner_max(run(step(90))) > inner_max(run(step(270)))


def cv_filter(kernel: Picture) -> Callable[[Picture], Picture]:
    return lambda picture: cv2.filter2D(picture, cv2.CV_64F, kernel)


def derivative(dx: int, dy: int, size: int) -> Callable[[Picture], Picture]:
    if size == cv2.FILTER_SCHARR:
        return lambda picture: cv2.Scharr(picture, cv2.CV_64F, dx, dy)
    return lambda picture: cv2.Sobel(picture, cv2.CV_64F, dx, dy, ksize=size)


EDGES: dict[str, Callable[[Picture], Picture]] = {
    **{
        f"OpenCV derivative {dx}{dy} of {size}": derivative(dx, dy, size)
        for size in (cv2.FILTER_SCHARR, 1, 3, 5, 7)
        for dx, dy in ((1, 0), (0, 1))
    },
    **{
        f"scikit-image {function.__name__}": function
        for function in (
            skfilters.sobel_h, skfilters.sobel_v, skfilters.prewitt_h, skfilters.prewitt_v,
            skfilters.scharr_h, skfilters.scharr_v, skfilters.farid_h, skfilters.farid_v,
            skfilters.roberts_pos_diag, skfilters.roberts_neg_diag,
        )
    },
    **{
        f"SciPy {function.__name__} along {axis}": lambda picture, function=function, axis=axis: function(
            picture, axis
        )
        for function in (ndimage.sobel, ndimage.prewitt)
        for axis in (0, 1)
    },
    **{
        f"SciPy gaussian {order} of {sigma}": lambda picture, order=order, sigma=sigma: (
            ndimage.gaussian_filter(picture, sigma, order=order)
        )
        for order in ((0, 1), (1, 0))
        for sigma in (0.8, 1.5)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges_point_where_their_library_answers_most(name):
    run = EDGES[name]
    found = describe(effective(run))
    assert (found.kind, found.check.agrees) == ("edge", True)
    answers = {angle: inner_max(run(step(angle))) for angle in range(0, 360, 15)}
    named = round(found.orientation / 15) * 15 % 360
    assert answers[named] >= 0.999 * max(answers.values())
    assert answers[(named + 180) % 360] < 0.01 * answers[named]


LINES = {
    **{
        f"OpenCV derivative {dx}{dy} of {size}": derivative(dx, dy, size)
        for size in (3, 5, 7)
        for dx, dy in ((2, 0), (0, 2))
    },
    **{
        f"SciPy gaussian {order}": lambda picture, order=order: ndimage.gaussian_filter(
            picture, 1.0, order=order
        )
        for order in ((0, 2), (2, 0))
    },
}


@pytest.mark.parametrize("name", LINES)
def test_lines_run_and_shine_where_their_library_answers_most(name):
    run = LINES[name]
    found = describe(effective(run))
    assert (found.kind, found.check.agrees) == ("line", True)
    answers = {
        (angle, tone): float(run(line(angle, tone))[MIDDLE, MIDDLE])
        for angle in range(0, 180, 15)
        for tone in (1, -1)
    }
    named = (round(found.orientation / 15) * 15 % 180, 1 if found.variant == "bright" else -1)
    assert answers[named] == pytest.approx(max(answers.values()))


SPOTS = {
    **{
        f"OpenCV Laplacian of {size}": lambda picture, size=size: cv2.Laplacian(
            picture, cv2.CV_64F, ksize=size
        )
        for size in (1, 3, 5, 7)
    },
    "scikit-image laplace": skfilters.laplace,
    "SciPy laplace": ndimage.laplace,
    **{
        f"SciPy gaussian_laplace of {sigma}": lambda picture, sigma=sigma: ndimage.gaussian_laplace(
            picture, sigma
        )
        for sigma in (0.7, 1.0, 1.5, 2.0)
    },
    "a difference of SciPy's Gaussians": lambda picture: (
        ndimage.gaussian_filter(picture, 1.0) - ndimage.gaussian_filter(picture, 1.6)
    ),
}


@pytest.mark.parametrize("name", SPOTS)
def test_spots_have_the_tone_their_library_answers_to(name):
    run = SPOTS[name]
    found = describe(effective(run))
    assert (found.kind, found.check.agrees) == ("blob", True)
    tone = 1 if found.variant == "bright" else -1
    radius = max(0.5, (found.scale or 0.5))
    assert run(spot(radius, tone))[MIDDLE, MIDDLE] > 0 > run(spot(radius, -tone))[MIDDLE, MIDDLE]


BLURS = {
    **{
        f"OpenCV Gaussian of {size}": lambda picture, size=size: cv2.GaussianBlur(picture, (size, size), 0)
        for size in (3, 5, 7)
    },
    "OpenCV box": lambda picture: cv2.blur(picture, (5, 5)),
    "SciPy uniform": lambda picture: ndimage.uniform_filter(picture, 5),
    "SciPy gaussian": lambda picture: ndimage.gaussian_filter(picture, 1.5),
    "scikit-image gaussian": lambda picture: skfilters.gaussian(picture, 1.0),
}


@pytest.mark.parametrize("name", BLURS)
def test_blurs(name):
    found = describe(effective(BLURS[name]))
    expected = "box" if "box" in name or "uniform" in name else "Gaussian"
    assert (found.kind, found.variant, found.check.agrees) == ("blur", expected, True)


def test_unsharp_masks_of_scikit_image():
    run = lambda picture: skfilters.unsharp_mask(picture, 1.0, 1.0, preserve_range=True)  # noqa: E731
    assert describe(effective(run)).kind == "unsharp"


@pytest.mark.parametrize("degrees", [0, 22.5, 45, 60, 90, 135])
@pytest.mark.parametrize("psi", [0.0, np.pi / 2, np.pi])
def test_opencv_gabors(degrees, psi):
    kernel = cv2.getGaborKernel((21, 21), 4.0, np.deg2rad(degrees), 7.0, 0.6, psi, cv2.CV_64F)
    found = describe(kernel)
    assert (found.kind, found.check.agrees) == ("Gabor", True)
    assert found.scale == pytest.approx(7.0, abs=0.6)
    waves = {
        angle: inner_max(cv_filter(kernel)(np.cos(2 * np.pi * across(angle) / 7)))
        for angle in range(0, 180, 15)
    }
    assert abs((max(waves, key=waves.get) - found.orientation + 90) % 180 - 90) <= 8


def across(angle: float) -> Picture:
    """The distance from a line along the angle."""
    turn = np.deg2rad(angle)
    return Y * np.cos(turn) - X * np.sin(turn)


@pytest.mark.parametrize("part", ["real", "imag"])
@pytest.mark.parametrize("frequency", [0.15, 0.25])
def test_scikit_image_gabors(part, frequency):
    kernel = getattr(skfilters.gabor_kernel(frequency, theta=0.6, n_stds=2), part)
    found = describe(np.ascontiguousarray(kernel))
    assert found.kind == "Gabor"
    assert found.scale == pytest.approx(1 / frequency, rel=0.1)


def test_kirsch_s_masks():
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for turn in range(8):
        kernel = np.full((3, 3), -3.0)
        kernel[1, 1] = 0
        for place in (7, 0, 1):
            kernel[ring[(place + turn + 1) % 8]] = 5
        found = describe(kernel)
        answers = {angle: inner_max(cv_filter(kernel)(step(angle))) for angle in range(0, 360, 45)}
        assert (found.kind, found.check.agrees) == ("compass edge", True)
        assert answers[round(found.orientation) % 360] == max(answers.values())
