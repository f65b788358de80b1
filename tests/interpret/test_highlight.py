"""Where a kernel answers most: against SciPy, scikit-image, Pillow and exact arithmetic."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import measure

import convscope as cs
from cli.helpers import run
from convscope.core.document import Figure, MatrixRow
from convscope.engine.components import components
from convscope.interpret.highlight_figure import YELLOW, marked

PICTURES = Path(__file__).parent.parent.parent / "examples" / "pictures"
CAMERA = PICTURES / "camera.png"
PROBLEM = "-0.89 -0.92 -0.90; 0.01 0.02 0.005; 0.90 0.92 0.89"


def noise(seed: int, shape: tuple[int, ...] = (40, 52)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def step(height: int = 8, width: int = 12):
    """Dark on the left, bright on the right."""
    picture = np.zeros((height, width), dtype=np.uint8)
    picture[:, width // 2 :] = 100
    return picture


# --- the response ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (4, 3), (1, 5), (5, 2)])
def test_the_response_is_scipys(shape):
    weights = np.random.default_rng(3).integers(-5, 6, shape)
    picture = noise(1)
    found = cs.highlight(picture, weights)
    assert np.array_equal(found.response, ndimage.correlate(picture.astype(float), weights, mode="mirror"))
    turned = cs.highlight(picture, weights, convention="convolution", border="zero")
    expected = cs.apply(picture, weights, border="zero", flip=True, dtype=np.float64)
    assert np.array_equal(turned.response, expected)
    odd = all(length % 2 for length in shape)
    if odd:
        scipys = ndimage.convolve(picture.astype(float), weights, mode="constant")
        assert np.array_equal(turned.response, scipys)


def test_pillows_rows_run_from_the_bottom_up():
    picture = noise(2)
    weights = [3, -1, 2, 0, 1, -2, 1, 0, -4]
    theirs = np.array(Image.fromarray(picture).filter(ImageFilter.Kernel((3, 3), weights, 1, 0)))
    mine = cs.highlight(picture, np.reshape(weights, (3, 3)), convention="pillow").response
    assert np.array_equal(np.clip(mine, 0, 255)[1:-1, 1:-1], theirs[1:-1, 1:-1])


def test_the_convention_decides_which_side_of_an_edge_is_marked():
    assert cs.highlight(step(), "sobel_x").regions
    assert not cs.highlight(step(), "sobel_x", convention="convolution").regions
    assert cs.highlight(step()[:, ::-1], "sobel_x", convention="convolution").regions


def test_colour_becomes_luminance_unless_the_kernel_has_colours():
    colour = noise(4, (20, 24, 3))
    found = cs.highlight(colour, "sobel_x")
    luminance = np.rint(colour @ np.array([299, 587, 114]) / 1000)
    assert np.array_equal(
        found.response, ndimage.correlate(luminance, np.asarray(cs.kernels["sobel_x"], float), mode="mirror")
    )
    assert "luminance" in found.to_text()
    weights = np.random.default_rng(5).integers(-3, 4, (3, 3, 3))
    red_green_blue = cs.highlight(colour, weights)
    parts = [ndimage.correlate(colour[:, :, c].astype(float), weights[c], mode="mirror") for c in range(3)]
    assert np.array_equal(red_green_blue.response, sum(parts))
    detail = red_green_blue.details[0]
    assert [part.name for part in detail.parts] == ["red", "green", "blue"]
    assert detail.value == red_green_blue.regions[0].peak


# --- what is marked ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    picture=hnp.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    top=st.fractions(Fraction(1, 200), 1),
    weights=hnp.arrays(
        np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(-4, 4)
    ),
)
def test_the_highest_share_is_marked_and_nothing_that_is_not_positive(picture, top, weights):
    found = cs.highlight(picture, weights, top=top)
    positive = found.response > 0
    wanted = -(-top.numerator * picture.size // top.denominator)
    assert not (found.mask & ~positive).any()
    assert found.mask.sum() >= min(wanted, positive.sum())
    if found.mask.any():
        lowest = found.response[found.mask].min()
        assert found.response[~found.mask].max(initial=-np.inf) < lowest
        assert (found.response > lowest).sum() < wanted
    assert found.share == Fraction(int(found.mask.sum()), picture.size)


def test_a_threshold_marks_what_reaches_it():
    found = cs.highlight(CAMERA, PROBLEM, threshold="300")
    assert found.threshold == 300
    assert found.top is None
    assert np.array_equal(found.mask, found.response >= 300)


def test_equal_responses_are_marked_together_though_sums_are_rounded():
    """In tenths no sum is exact; every row of a step answers alike all the same."""
    found = cs.highlight(step(30, 12), "-0.1 0 0.1; -0.7 0 0.7; -0.1 0 0.1", top=0.01)
    assert found.regions[0].box == (0, 5, 30, 7)
    flat = cs.highlight(np.full((9, 9), 77, np.uint8), "0.1 0.2 -0.3", top=0.5)
    assert flat.regions == ()
    assert flat.threshold == np.inf


@pytest.mark.parametrize("seed", range(4))
def test_regions_are_those_of_scikit_image(seed):
    found = cs.highlight(ndimage.gaussian_filter(noise(seed), 1), "sobel_x", top=0.1)
    theirs = measure.regionprops(measure.label(found.mask, connectivity=2), found.response)
    mine = {
        (region.box, region.area, round(region.peak, 6), round(region.mean, 6)) for region in found.regions
    }
    assert mine == {
        (p.bbox, int(p.area), round(p.intensity_max, 6), round(p.intensity_mean, 6)) for p in theirs
    }
    centres = {tuple(round(c, 6) for c in region.centre) for region in found.regions}
    assert centres == {tuple(round(float(c), 6) for c in p.centroid) for p in theirs}
    peaks = [region.peak for region in found.regions]
    assert peaks == sorted(peaks, reverse=True)
    assert [region.rank for region in found.regions] == list(range(1, len(peaks) + 1))
    for region in found.regions:
        assert found.response[region.peak_at] == region.peak


def test_cells_that_touch_at_a_corner_belong_together():
    labels, count = components(np.eye(4, dtype=bool))
    assert count == 1
    assert labels.dtype == np.int32


# --- the strongest three, exactly ------------------------------------------------------------------------


@pytest.mark.parametrize("border", ["reflect", "zero", "wrap", "replicate", "symmetric"])
@pytest.mark.parametrize("convention", ["correlation", "convolution", "pillow"])
def test_details_are_exact_and_add_up_to_the_response(border, convention):
    picture = noise(7, (6, 7))
    weights = cs.matrix("0.1 -0.25 1/3; 1 0 -1; 2 0.005 -7; 1 1 1")
    found = cs.highlight(picture, weights, top=1, convention=convention, border=border)
    modes = {"zero": "constant", "replicate": "edge"}
    padded = np.pad(picture, 9, mode=modes.get(border, border))
    assert len(found.details) == min(3, len(found.regions))
    for detail in found.details:
        (part,) = detail.parts
        row, column = detail.window_at[0] + 9, detail.window_at[1] + 9
        assert np.array_equal(part.window.to_float(), padded[row : row + 4, column : column + 3])
        products = [a * b for a, b in zip(part.window.cells(), part.kernel.cells(), strict=True)]
        assert list(part.products.cells()) == products
        assert detail.value == sum(products)
        assert float(detail.value) == pytest.approx(detail.region.peak, abs=1e-9)


def test_the_problem_of_the_figure():
    """The kernel of the problem set marks where it is dark above and bright below."""
    found = cs.highlight(CAMERA, PROBLEM)
    for detail in found.details:
        window = detail.parts[0].window.to_float()
        assert window[2].mean() > window[0].mean() + 100
    assert found.details[0].value == Fraction("451.505")
    flipped = cs.highlight(CAMERA, PROBLEM, convention="convolution")
    for detail in flipped.details:
        window = detail.parts[0].window.to_float()
        assert window[0].mean() > window[2].mean() + 100


# --- what it takes -----------------------------------------------------------------------------------------


def test_paths_photographs_arrays_and_pillow_pictures_are_the_same_picture():
    expected = cs.highlight(np.array(Image.open(CAMERA)), "sobel_y").response
    photograph = cs.read_picture(CAMERA)
    palette = Image.open(CAMERA).convert("P")
    for image in (CAMERA, str(CAMERA), photograph, Image.open(CAMERA), palette, photograph.pixels.tolist()):
        assert np.array_equal(cs.highlight(image, "sobel_y").response, expected)
    floats = cs.highlight(photograph.pixels / 255, "sobel_y")
    assert np.allclose(floats.response * 255, expected)
    assert cs.highlight(photograph.pixels[:, :, None], "sobel_y").mask.shape == photograph.pixels.shape


@pytest.mark.parametrize(
    ("image", "kernel", "options", "told"),
    [
        (step(), "sobol_x", {}, "no kernel is called 'sobol_x'; did you mean 'sobel_x'"),
        (step(), "a b", {}, "the kernel holds letters"),
        (step(), np.zeros((2, 3, 3)), {}, r"a kernel of shape \(2, 3, 3\) has 2 channels"),
        (step(), np.zeros((3, 3, 3)), {}, "a kernel of 3 channels .* needs a colour picture"),
        (step(), "1", {"top": 0.1, "threshold": 3}, "top and threshold are two ways"),
        (step(), "1", {"top": 0}, "top=0 is not allowed"),
        (step(), "1", {"top": 1.5}, "top=1.5 is not allowed"),
        (step(), "1", {"top": "much"}, "'much' is not a number"),
        (step(), "1", {"threshold": -1}, "threshold=-1 is not allowed"),
        (step(), "1", {"threshold": float("nan")}, "'nan' is not a finite number"),
        (step(), "1", {"convention": "corelation"}, "convention='corelation' is not known; did you mean"),
        (step(), "1", {"border": "valid"}, "border='valid' leaves pixels without a response"),
        (step(), "1", {"border": "mirror"}, "border='mirror' is not known"),
        (np.zeros((0, 4)), "1", {}, r"the picture of shape \(0, 4\) has no pixels"),
        (np.zeros(4), "1", {}, r"a picture of shape \(4,\) is not allowed"),
        (np.zeros((4, 4, 4)), "1", {}, r"a picture of shape \(4, 4, 4\) is not allowed"),
        ([[np.nan, 1]], "1", {}, "the picture holds NaN or infinity"),
        (np.ones((2, 2), complex), "1", {}, "a picture of dtype complex128"),
        ([["a", "b"]], "1", {}, "a picture of dtype <U1"),
        (None, "1", {}, "a picture of dtype object"),
        ([[1, 2], [3]], "1", {}, "a picture cannot be read from this list"),
        ([[1e308, 0]], "1", {}, r"the picture holds values beyond ±1e\+100"),
        ([[2**60, 0]], "1", {}, r"the picture holds values beyond ±9.0072e\+15"),
        (np.ma.masked_equal(np.eye(3), 1), "1", {}, "a masked picture has cells without a value"),
        ("x" * 5000, "1", {}, "x{79}…: "),
        ("a\0b.png", "1", {}, "a b.png: no such picture file"),
        (b"GIF", "1", {}, "a picture of dtype"),
        ("nowhere.png", "1", {}, "nowhere.png: no such picture file"),
        (Path(__file__), "1", {}, ".* is not a picture that can be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(image, kernel, options, told):
    with pytest.raises(cs.InputError, match=f"^{told}"):
        cs.highlight(image, kernel, **options)


def test_a_highlight_cannot_be_changed():
    found = cs.highlight(step(), "sobel_x")
    with pytest.raises(ValueError, match="read-only"):
        found.response[0, 0] = 1
    with pytest.raises(AttributeError):
        found.threshold = 3
    assert repr(found) == "<Highlight of sobel_x: 1 regions, 16.67% of the picture>"


# --- how it looks ----------------------------------------------------------------------------------------


def test_the_figure_marks_the_cells_and_shows_the_strongest_three():
    found = cs.highlight(CAMERA, PROBLEM)
    pixels = marked(found)
    yellow = (pixels == YELLOW).all(axis=2)
    enlarged = np.kron(found.mask, np.ones((3, 3), dtype=bool)).astype(bool)
    assert pixels.shape == (768, 768, 3)
    assert not (yellow & ~enlarged).any()
    # Frames and numbers hide a few of them.
    assert yellow.sum() > 0.7 * enlarged.sum()
    figure = found.figure()
    assert figure.dtype == np.uint8
    assert figure.shape[0] >= 768
    assert figure.shape[1] > 1400
    assert np.array_equal(figure, cs.highlight(CAMERA, PROBLEM).figure())


def test_marks_are_told_by_light_and_dark():
    """In grey every marked pixel is far brighter than the line about it, whatever the picture."""
    for level in (0, 90, 180, 255):
        picture = np.full((40, 40), level, dtype=np.uint8)
        picture[20:, :] = 255 - level if level not in {90, 180} else level + 60
        found = cs.highlight(
            picture, np.sign(int(picture[30, 0]) - level) * np.asarray(cs.kernels["sobel_y"], int)
        )
        grey = np.array(Image.fromarray(marked(found)).convert("L")).astype(int)
        mask = np.kron(found.mask, np.ones((20, 20), dtype=bool)).astype(bool)
        ring = ndimage.binary_dilation(mask, np.ones((3, 3))) & ~mask
        assert np.median(grey[mask]) - np.median(grey[ring]) > 150


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((1, 1), "1"), ((2000, 1900), "sobel_x"),
     ((2, 3), "sobel_x"), ((3, 1500), "sobel_x"), ((1300, 900), "sobel_y"),
     ((60, 80), "gabor_0"), ((30, 30, 3), np.ones((3, 3, 3), int)), ((5, 5), "1/3 -12345.678 1e6")],
)  # fmt: skip
def test_figures_of_every_shape_can_be_drawn(shape, kernel):
    found = cs.highlight(noise(9, shape), kernel, top=0.05)
    height, width, channels = found.figure().shape
    assert channels == 3
    assert max(height, width) < 4000
    assert found.to_html()


def test_the_document_holds_figures_regions_and_products():
    found = cs.highlight(CAMERA, "sobel_y", top=0.005)
    blocks = list(found.document().walk())
    assert sum(isinstance(block, Figure) for block in blocks) == 4
    assert sum(isinstance(block, MatrixRow) for block in blocks) == 3
    words = found.to_text()
    assert "cross-correlation" in words
    assert "The sum of all products is the response: 663." in words
    nothing = cs.highlight(np.zeros((4, 4)), "sobel_y").to_text()
    assert "No pixel is marked. The largest response is 0." in nothing


@pytest.mark.parametrize("suffix", [".png", ".html", ".md", ".tex"])
def test_a_highlight_is_saved_whole(tmp_path, suffix):
    found = cs.highlight(CAMERA, PROBLEM)
    path = found.save(tmp_path / f"figure1{suffix}")
    assert path.stat().st_size > 1000
    if suffix == ".png":
        assert np.array_equal(np.array(Image.open(path)), found.figure())
    with pytest.raises(cs.InputError, match="does not exist"):
        found.save(tmp_path / "nowhere" / f"figure1{suffix}")
    assert not list(tmp_path.glob(".convscope*"))


def test_a_figure_of_an_unknown_form_is_told_that_png_is_known(tmp_path):
    with pytest.raises(cs.InputError, match=r"'\.svg': known: .*\.png"):
        cs.highlight(CAMERA, PROBLEM).save(tmp_path / "figure1.svg")


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_writes_the_figure_and_the_facts(tmp_path):
    target = tmp_path / "figure1.png"
    ran = run("highlight", str(CAMERA), PROBLEM, "-o", str(target))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == f"wrote {target}\n"
    assert target.read_bytes().startswith(b"\x89PNG")
    ran = run("highlight", str(CAMERA), "sobel_y", "--top", "0.005", "--json")
    facts = json.loads(ran.out)
    assert facts["strongest"][0]["value"] == "663"
    assert facts["region_count"] == len(facts["regions"]) == 54
    assert facts["convention"] == "correlation"
    ran = run("highlight", str(CAMERA), "sobel_y", "--threshold", "600")
    assert "600" in ran.out
    assert ran.status == 0
    assert run("highlight", str(CAMERA), "-", stdin="1 0 -1").status == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.png", "sobel_x"], "nowhere.png: no such picture file"),
        ([str(CAMERA), "sobol_x"], "no kernel is called 'sobol_x'"),
        ([str(CAMERA), "sobel_x", "--top", "2"], "top=2 is not allowed"),
        (
            [str(CAMERA), "sobel_x", "--convention", "conv"],
            "invalid value for '--convention': 'conv' is not known",
        ),
        ([str(CAMERA), "sobel_x", "-o", "x.png", "--to", "html"], "--to html is not what '.png' names"),
        ([str(CAMERA), "sobel_x", "-o", "x.gif"], "'x.gif'"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(words, told):
    ran = run("highlight", *words)
    assert ran.status == 2
    assert ran.err.startswith("convscope: ")
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_the_means_of_regions_are_told_in_one_form():
    from convscope.core.number import is_short
    from convscope.interpret.highlight_report import _one_form

    assert all(is_short(mean, 4) for mean in _one_form([288.526412, 225951 / 800, 1 / 3]))
    assert _one_form([0.00012345])[0] > 0
