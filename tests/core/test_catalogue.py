"""Kernels by name: equal to those of the libraries that know them, built exactly, found by words."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import filters

import convscope as cs
from convscope.core.catalogue_entries import COMPASS, edge_meaning
from convscope.core.kernel_picture import kernel_pixels

KEEP_THE_LEVEL = {"blur", "identity", "shift", "sharpen", "unsharp", "emboss"}


def spike(size: int = 15):
    found = np.zeros((size, size))
    found[size // 2, size // 2] = 1
    return found


def taps(name: str):
    return np.asarray(cs.kernels[name], dtype=float)


def noise(seed: int, shape: tuple[int, ...] = (24, 31)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def alike(a, b) -> float:
    """The cosine of the angle between two kernels."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


# --- the libraries that know them ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("identity", lambda x: x),
        ("box_3", lambda x: ndimage.uniform_filter(x, 3)),
        ("box_5", lambda x: ndimage.uniform_filter(x, 5)),
        ("box_7", lambda x: ndimage.uniform_filter(x, 7)),
        ("sobel_x", lambda x: ndimage.sobel(x, axis=1)),
        ("sobel_y", lambda x: ndimage.sobel(x, axis=0)),
        ("prewitt_x", lambda x: ndimage.prewitt(x, axis=1)),
        ("prewitt_y", lambda x: ndimage.prewitt(x, axis=0)),
        ("laplacian", ndimage.laplace),
        ("shift_down", lambda x: ndimage.shift(x, (1, 0), order=0)),
        ("shift_left", lambda x: ndimage.shift(x, (0, -1), order=0)),
    ],
)
def test_kernels_are_those_that_scipy_knows(name, peer):
    assert np.allclose(ndimage.correlate(spike(), taps(name)), peer(spike()), atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(("name", "size"), [("sobel", 3), ("sobel_5", 5), ("sobel_7", 7), ("scharr", -1)])
def test_kernels_are_those_that_opencv_knows(name, size, axis):
    orders = (1, 0) if axis == "x" else (0, 1)
    row, column = cv2.getDerivKernels(*orders, size)
    assert np.array_equal(taps(f"{name}_{axis}"), np.outer(column, row))


@pytest.mark.parametrize("size", [3, 5])
def test_binomial_kernels_are_opencvs_gaussians(size):
    row = cv2.getGaussianKernel(size, 0)
    assert np.allclose(taps(f"gaussian_{size}"), row @ row.T, atol=1e-12)


def test_sampled_gaussians_are_scipys():
    mine = taps("gaussian_sigma_1")
    theirs = ndimage.gaussian_filter(spike(7), 1, truncate=3)
    assert np.allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "peer", "factor"),
    [
        ("sobel_y", filters.sobel_h, 4),
        ("sobel_x", filters.sobel_v, 4),
        ("prewitt_y", filters.prewitt_h, 3),
        ("prewitt_x", filters.prewitt_v, 3),
        ("scharr_y", filters.scharr_h, 16),
        ("scharr_x", filters.scharr_v, 16),
        ("farid_y", filters.farid_h, 1),
        ("farid_x", filters.farid_v, 1),
        ("roberts_pos_diag", filters.roberts_pos_diag, 1),
        ("roberts_neg_diag", filters.roberts_neg_diag, 1),
    ],
)
def test_kernels_do_what_scikit_image_does(name, peer, factor):
    """Run on a picture, for scikit-image convolves: its arrays are these turned by 180°."""
    picture = noise(1).astype(float)
    # Of an even kernel scikit-image has the window begin at the output pixel.
    mine = ndimage.correlate(picture, taps(name), origin=-1 if "roberts" in name else 0)
    inner = (slice(3, -3), slice(3, -3))
    assert np.allclose(mine[inner], factor * peer(picture)[inner], atol=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "BLUR",
        "CONTOUR",
        "DETAIL",
        "EDGE_ENHANCE",
        "EDGE_ENHANCE_MORE",
        "EMBOSS",
        "FIND_EDGES",
        "SHARPEN",
        "SMOOTH",
        "SMOOTH_MORE",
    ],
)
def test_pillows_ten_do_what_pillow_does(name):
    picture = noise(2)
    built_in = getattr(ImageFilter, name)
    theirs = np.array(Image.fromarray(picture).filter(built_in))
    response = cs.apply(picture, cs.kernels[f"pillow_{name.lower()}"], dtype=np.float64)
    mine = np.clip(response + built_in.filterargs[2], 0, 255)
    # Pillow rounds, and in float32 a half may fall to either side.
    assert np.abs(mine - theirs)[2:-2, 2:-2].max() <= 0.5 + 1e-3


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
@pytest.mark.parametrize(("name", "part"), [("gabor", np.real), ("gabor_odd", np.imag)])
def test_gabors_are_scikit_images(name, part, angle):
    theirs = filters.gabor_kernel(1 / 5, np.radians(angle + 90), sigma_x=2.8, sigma_y=2.8, n_stds=10)
    middle = theirs.shape[0] // 2
    window = part(theirs)[middle - 6 : middle + 7, middle - 6 : middle + 7]
    assert abs(alike(taps(f"{name}_{angle}"), window)) > 0.99


@pytest.mark.parametrize(("size", "sigma"), [(7, 1.0), (9, 1.4)])
def test_the_laplacian_of_a_gaussian_is_scipys(size, sigma):
    theirs = ndimage.gaussian_laplace(spike(size), sigma)
    assert alike(taps(f"log_{size}"), theirs) > 0.995


# --- laws ----------------------------------------------------------------------------------------


def test_every_kernel_keeps_a_flat_area_or_empties_it_exactly():
    for name, kernel in cs.kernels.items():
        total = sum(kernel.weights.cells())
        assert total == (cs.kernels.entry(name).kind in KEEP_THE_LEVEL), name


@pytest.mark.parametrize("family", ["kirsch", "robinson"])
def test_a_compass_turns_with_its_letters(family):
    for number, letters in enumerate(COMPASS):
        mask = taps(f"{family}_{letters}")
        quarter = taps(f"{family}_{COMPASS[(number + 2) % 8]}")
        assert np.array_equal(np.rot90(mask, -1), quarter)
        half = taps(f"{family}_{COMPASS[(number + 4) % 8]}")
        assert np.array_equal(np.rot90(mask, 2), half)
    south, west = (taps(f"{family}_{letters}") for letters in "sw")
    assert south[2].min() > 0 > south[0].max()
    assert west[:, 0].min() > 0 > west[:, 2].max()
    assert np.array_equal(taps("robinson_s"), taps("sobel_y"))


def test_angles_turn_what_they_name():
    for name in ("ridge", "gabor", "motion_blur_5"):
        assert np.allclose(np.rot90(taps(f"{name}_0")), taps(f"{name}_90"), atol=2e-6)
        assert np.allclose(taps(f"{name}_45")[:, ::-1], taps(f"{name}_135"), atol=2e-6)
    assert taps("line_falling").diagonal().sum() == 6
    assert taps("motion_blur_5_0")[2].sum() == pytest.approx(1)


def test_what_is_said_of_an_edge_is_what_its_taps_show():
    """A step that brightens toward the orientation gives the largest response of the eight."""
    y, x = np.mgrid[-20:21, -20:21]
    for name, kernel in cs.kernels.items():
        entry = cs.kernels.entry(name)
        if entry.kind not in {"edge", "compass edge"}:
            continue
        assert entry.meaning.startswith(edge_meaning(int(entry.orientation // 45)))
        answers = []
        for eighth in range(8):
            turn = np.radians(45 * eighth)
            step = np.clip(x * np.cos(turn) + y * np.sin(turn) + 0.5, 0, 1)
            answers.append(cs.apply(step, kernel, dtype=np.float64)[19:22, 19:22].max())
        said = int(entry.orientation // 45)
        # A kernel of one row answers a slanted step as it does a straight one.
        assert answers[said] >= max(answers) - 1e-9, name
        assert answers[said] > max(answers[(said + turn) % 8] for turn in (2, 3, 4, 5, 6)), name


def test_kernels_that_have_names_say_what_they_do_and_where_they_come_from():
    for kernel in cs.kernels.values():
        assert kernel.name
        assert kernel.meaning.endswith(".")
        assert kernel.source
    assert cs.kernels["sobel_x"].rotated().meaning == ""
    assert cs.kernel("sobel_x", "mine").meaning == cs.kernels["sobel_x"].meaning


# --- the catalogue -------------------------------------------------------------------------------


def test_a_name_is_read_as_its_kernel():
    assert cs.kernel(" sobel_x ").weights == cs.kernels["sobel_x"].weights
    assert cs.kernel("sobel_x", "mine").name == "mine"


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        cs.kernels["mine"] = cs.kernel("1")
    assert "sobel_x" in repr(cs.kernels)
    assert "sobel_x" in cs.kernels
    assert cs.kernels.get("sobol_x") is None
    assert len(cs.kernels) == len(list(cs.kernels)) == len(set(cs.kernels))
    assert cs.kernels["sobel_x"] is cs.kernels["sobel_x"]


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(cs.InputError, match=r"^no kernel is called 'sobol_x'; did you mean 'sobel_x'"):
        cs.kernels["sobol_x"]
    with pytest.raises(KeyError, match=r"^no kernel is called 'nothing of the kind here at all, none w…'"):
        cs.kernels.entry("nothing of the kind here at all, none whatever")
    with pytest.raises(KeyError, match=r"^no kernel is called '!'; cs.kernels lists all"):
        cs.kernels["!"]


# --- the search ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("vertical edge", "sobel_x"),
        ("edges, vertical", "sobel_x"),
        ("vertcal egde", "sobel_x"),
        ("a kernel that detects horizontal edges", "sobel_y"),
        ("gausian blur", "gaussian_3"),
        ("sobel_7_y", "sobel_7_y"),
        ("vertical line", "line_vertical"),
        ("bright spot", "dog_7"),
        ("dark blob", "laplacian"),
        ("texture falling", "gabor_45"),
        ("unsharp mask", "unsharp_5"),
        ("Pillow relief", "pillow_emboss"),
        ("scharr", "scharr_x"),
        ("kirsch north", "kirsch_n"),
        ("Kirsch, south-east", "kirsch_se"),
        ("robinson north west", "robinson_nw"),
        ("west", "kirsch_w"),
        ("camera shake", "motion_blur_5_0"),
    ],
)
def test_words_find_kernels(words, first):
    found = cs.kernels.search(words)
    assert next(iter(found)) == first
    assert found[first] == cs.kernels[first]


def test_a_search_keeps_what_fits_every_word():
    assert set(cs.kernels.search("Kirsch")) == {f"kirsch_{letters}" for letters in COMPASS}
    vertical = cs.kernels.search("vertical edge")
    assert "sobel_y" not in vertical
    assert len(cs.kernels.search("zzzzqqqq")) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "the search has no words"),
        (" ,; ", "the search has no words"),
        ("x" * 300, "a search of 300 characters is too long"),
        (7, "kernels are searched by words such as 'vertical edge', not int"),
    ],
)
def test_a_search_for_nothing_is_told(words, told):
    with pytest.raises(cs.InputError, match=f"^{told}"):
        cs.kernels.search(words)


# --- pictures ------------------------------------------------------------------------------------


def test_the_catalogue_shows_each_kernel_with_its_picture():
    found = cs.kernels.search("Sobel")
    page = found.to_html()
    for name in found:
        assert f"<code>{name}</code>" in page
    assert page.count("<img") >= len(found)
    assert "1968" in found._repr_html_()
    assert "positive where it is dark on the left" in found.to_text(width=200)
    assert "No kernel fits these words." in cs.kernels.search("zzzzqqqq").to_text()


def test_pictures_of_kernels_show_sign_and_size():
    pixels = kernel_pixels([[-1, 0.5], [0, 2]], side=2)
    blue, pale = pixels[0]
    white, orange = pixels[1]
    assert blue[2] > blue[0]
    assert pale[0] > pale[2] > orange[2]
    assert white.tolist() == [255, 255, 255]
    assert kernel_pixels(np.zeros((3, 3)), side=3).min() == 255
    assert kernel_pixels([[1, -1]], largest=2, side=2).min() > 0
    assert kernel_pixels(np.ones((3, 3)), side=90).shape == (90, 90, 3)
