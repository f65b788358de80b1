"""`describe`: the words, the numbers beside them, what is taken in and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.errors import InputError, ShapeError
from convscope.interpret.description import describe_many
from convscope.interpret.kinds import CANDIDATES
from convscope.interpret.sentences import SENTENCES, SIDES

PROBLEM = "-0.89 -0.92 -0.90; 0.01 0.02 0.005; 0.90 0.92 0.89"


def across(side: int = 7) -> np.ndarray:
    return np.mgrid[:side, :side][1] - (side - 1) / 2.0


def bell(side: int = 7, width: float = 2.0) -> np.ndarray:
    x = across(side)
    return np.exp(-(x**2 + x.T**2) / 2 / width**2)


def of_colour(axis: tuple[float, float, float], pattern: np.ndarray) -> np.ndarray:
    return np.einsum("c,ij->cij", np.array(axis), pattern)


# --- problem 1.2 ------------------------------------------------------------------------------


def test_problem_1_2_1():
    found = cs.describe(PROBLEM)
    assert found.sentence == "Horizontal edges: positive where it is dark above and bright below."
    assert (found.kind, found.direction, found.check.agrees) == ("edge", "horizontal", True)
    assert found.orientation == pytest.approx(90, abs=1)
    assert found.confidence > 0.99


def test_conventions_turn_the_polarity():
    turned = "Horizontal edges: positive where it is dark below and bright above."
    assert cs.describe(PROBLEM, "convolution").sentence == turned
    assert cs.describe(PROBLEM, "pillow").sentence == turned
    assert cs.describe(PROBLEM).both() == (cs.describe(PROBLEM).sentence, turned, turned)
    shown = cs.describe(PROBLEM, both=True).to_text()
    assert "Under each convention" in shown
    assert "dark above and bright below" in shown
    assert "dark below and bright above" in " ".join(shown.split())


def test_the_optimal_pictures_and_their_exact_responses():
    found = cs.describe(PROBLEM)
    weights = found.weights[0]
    assert found.optimal.response == Fraction(549, 200)
    assert np.sum(weights * found.optimal.bounded[0]) == pytest.approx(2.745)
    assert np.sum(weights * found.optimal.norm_bounded[0]) == pytest.approx(np.linalg.norm(weights))
    random = np.random.default_rng(1)
    for _ in range(50):
        picture = random.uniform(0, 1, (3, 3))
        assert np.sum(weights * picture) <= found.optimal.response
        assert np.sum(weights * picture) <= np.linalg.norm(weights) * np.linalg.norm(picture)


def test_the_optimal_picture_lies_as_the_convention_says():
    found = cs.describe(PROBLEM, "convolution")
    assert found.optimal.bounded[0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


# --- kinds ------------------------------------------------------------------------------------

KINDS = {
    "dead": ("0 0 0; 0 0 0; 0 0 0", None),
    "identity": ("0 0 0; 0 1 0; 0 0 0", None),
    "shift": ("0 0 0; 1 0 0; 0 0 0", None),
    "blur": ("1/16 2/16 1/16; 2/16 4/16 2/16; 1/16 2/16 1/16", "Gaussian"),
    "sharpen": ("0 -1 0; -1 5 -1; 0 -1 0", None),
    "unsharp": ("unsharp_5", None),
    "edge": ("-1 0 1; -2 0 2; -1 0 1", None),
    "compass edge": ("5 5 5; -3 0 -3; -3 -3 -3", None),
    "line": ("-1 2 -1; -1 2 -1; -1 2 -1", "bright"),
    "blob": ("0 1 0; 1 -4 1; 0 1 0", "dark"),
    "corner": ("1 0 -1; 0 0 0; -1 0 1", "saddle"),
    "emboss": ("-2 -1 0; -1 1 1; 0 1 2", None),
    "Gabor": ("gabor_45", None),
    "checkerboard": ("1 -1; -1 1", None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    kernel, variant = KINDS[kind]
    found = cs.describe(kernel)
    assert (found.kind, found.variant) == (kind, variant)
    assert found.check.agrees
    assert 0 <= found.residual < 0.1
    assert found.runner_up != found.kind


def test_every_kind_has_its_case_and_its_sentence():
    assert {candidate.kind for candidate in CANDIDATES} | {"dead"} == set(KINDS)
    assert set(KINDS) <= set(SENTENCES)


def test_lines_of_sixteen_equal_taps_blur():
    found = cs.describe(np.full((4, 4), Fraction(1, 16)).tolist())
    assert found.sentence == "Box blur: each pixel becomes the mean of 4×4."


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        (
            "1 1 1; 1 1 1; 1 1 1",
            "Box blur: each pixel becomes the mean of 3×3. The level is multiplied by 9.",
        ),
        ("0 0 0; 0 3 0; 0 0 0", "Changes nothing but the contrast: each pixel is multiplied by 3."),
        ("0 0 0; 0 -1 0; 0 0 0", "The negative: each pixel with its sign turned, bright becomes dark."),
        ("0 0 0; 0 0 1; 0 0 0", "Moves the picture left by one pixel."),
        (
            "0 0 0 0 0; 0 0 0 0 0; 0 0 0 0 0; 0 0 0 0 0; 1 0 0 0 0",
            "Moves the picture up by two pixels and right by two pixels.",
        ),
        (
            "0 -1 0; -1 6 -1; 0 -1 0",
            (
                "Sharpens: each pixel is moved away from the mean of its neighbours; "
                "flat areas are multiplied by 2."
            ),
        ),
        (
            "1 2 1",
            (
                "Gaussian blur to the side: a mean that counts the middle most, σ about 0.85 pixels. "
                "The level is multiplied by 4."
            ),
        ),
    ],
)
def test_sentences_say_what_happens_to_the_level(kernel, told):
    assert cs.describe(kernel).sentence == told


def test_where_a_picture_moves_is_where_apply_moves_it():
    picture = np.zeros((7, 7))
    picture[3, 3] = 1
    moved = cs.apply(picture, "0 0 0 0 0; 0 0 0 0 0; 0 0 0 0 0; 0 0 0 0 0; 1 0 0 0 0")
    assert np.argwhere(moved).tolist() == [[1, 5]]


def test_slanted_edges_say_their_angle():
    turn = np.deg2rad(30)
    x = across()
    pattern = (x * np.cos(turn) + x.T * np.sin(turn)) * bell()
    found = cs.describe(pattern)
    assert found.orientation == pytest.approx(30, abs=1)
    assert "(30°, y down)" in found.sentence


def test_one_kernel_is_a_bank_of_one():
    for name in ("sobel_x", "gabor_0", "laplacian", "box_5"):
        weights = cs.kernels[name].weights.to_float()
        alone, (banked,) = cs.describe(weights), describe_many(weights[None, None])
        assert alone.sentence == banked.sentence
        assert alone.p_value == pytest.approx(banked.p_value)


# --- colour -----------------------------------------------------------------------------------


def test_a_grey_gradient_in_three_channels_is_an_edge():
    found = cs.describe(of_colour((1, 1, 1), across() * bell()))
    assert (found.kind, found.orientation) == ("edge", pytest.approx(0))


def test_colours_side_by_side():
    found = cs.describe(of_colour((1, 0, -1), across() * bell()))
    assert found.kind == "colour contrast"
    assert found.polarity == "blue on the left and orange on the right"
    assert found.sentence.endswith(
        "Vertical edges: positive where it is blue on the left and orange on the right."
    )
    turned = cs.describe(of_colour((-1, 0, 1), across() * bell()))
    assert turned.polarity == "blue on the right and orange on the left"


def test_patches_of_colour():
    found = cs.describe(of_colour((1, -1, 0), bell()))
    assert found.kind == "colour blob"
    assert found.sentence == "Areas of colour: positive where it is red, negative where it is green."
    assert cs.describe(of_colour((-1, 1, 0), bell())).polarity == "green"


def test_a_patch_of_one_channel_claims_no_negative_response():
    red = of_colour((1, 0, 0), bell())
    assert cs.describe(red).sentence == "Areas of colour: more where it is red than where it is cyan."
    assert cs.describe(-red).sentence == "Areas of colour: more where it is cyan than where it is red."
    assert red[1:].sum() == 0  # what a flat cyan picture would get


def test_the_edge_in_the_middle_of_stripes_says_its_polarity():
    for eighths, sides in enumerate(SIDES):
        turn = np.deg2rad(45 * eighths)
        ramp = across(11) * np.cos(turn) + across(11).T * np.sin(turn)
        kernel = bell(11, 2.5) * np.sin(2 * np.pi * ramp / 4.5)
        for sign, (dark, bright) in ((1, sides), (-1, sides[::-1])):
            found = cs.describe(sign * kernel)
            assert found.kind == "Gabor"
            assert found.sentence.endswith(f"with an edge in the middle, dark {dark} and bright {bright}.")


def test_colour_is_among_the_evidence():
    found = cs.describe(of_colour((1, -1, 0), bell()))
    figures = {figure.name: figure.value for figure in found.evidence}
    assert figures["chroma share"] == pytest.approx(1)
    assert figures["opponent axis, red"] == pytest.approx(-figures["opponent axis, green"])


def test_the_weights_of_luminance_change_nothing():
    found = cs.describe(np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1))
    assert (found.kind, found.sentence) == ("identity", "Changes nothing: each pixel stays as it is.")


def test_many_channels_are_described_by_their_strongest_pattern():
    random = np.random.default_rng(0)
    bank = np.einsum("c,ij->cij", random.uniform(0.5, 1, 16), across(5) * bell(5))
    found = cs.describe(bank)
    assert found.kind == "edge"
    assert found.sentence.endswith("So the strongest pattern of its 16 channels, 100 % of their energy.")


# --- evidence, facts, documents ---------------------------------------------------------------


def test_the_figures_of_sobel():
    figures = {figure.name: figure.value for figure in cs.describe("sobel_x").evidence}
    assert figures["DC gain"] == 0
    assert figures["ℓ1 norm"] == 8
    assert figures["noise gain"] == pytest.approx(12)
    assert figures["odd energy"] == 1
    assert figures["symmetry, left and right"] == -1
    assert figures["symmetry, top and bottom"] == 1
    assert figures["separable rank"] == 1
    assert figures["energy in {Gx, Gy}"] > 0.99


def test_the_figures_of_a_laplacian():
    figures = {figure.name: figure.value for figure in cs.describe("laplacian").evidence}
    assert figures["Hessian eigenvalue ratio"] == pytest.approx(1)
    assert figures["even energy"] == 1
    assert figures["separable rank"] == 2


def test_noise_gain_is_what_noise_becomes():
    kernel = cs.kernels["gaussian_3"]
    noise = np.random.default_rng(0).standard_normal((500, 500))
    figures = {figure.name: figure.value for figure in cs.describe(kernel).evidence}
    assert np.var(cs.apply(noise, kernel, border="valid")) == pytest.approx(figures["noise gain"], rel=0.05)


@pytest.mark.parametrize(
    "kernel", ["sobel_x", "0 0; 0 0", "1", of_colour((1, 0, -1), bell(3)), np.ones((5, 3, 3))]
)
def test_every_figure_has_a_meaning_and_every_form_is_made(kernel):
    found = cs.describe(kernel, both=True)
    assert all(figure.meaning and np.isfinite(figure.value) for figure in found.evidence)
    for form in (found.to_text(), found.to_markdown(), found.to_latex(), found.to_html()):
        assert found.sentence.split(":")[0] in form
    facts = found.facts()
    assert facts["sentence"] == found.sentence
    json.dumps({key: value for key, value in facts.items() if key != "optimal"})


def test_weights_cannot_be_changed():
    found = cs.describe("sobel_x")
    with pytest.raises(ValueError, match="read-only"):
        found.weights[0, 0, 0] = 1
    with pytest.raises(AttributeError):
        found.kind = "blob"


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "error", "told"),
    [
        ([[float("nan"), 1]], InputError, "entry in row 1, column 1: 'nan' is not a finite number"),
        (np.array([[np.inf, 1.0]]), InputError, "entry in row 1, column 1: 'inf' is not a finite number"),
        ([], ShapeError, r"a kernel of shape \(0,\) is empty"),
        (np.zeros((3, 0, 3)), ShapeError, r"a kernel of shape \(3, 0, 3\) is empty"),
        (np.array(3.0), ShapeError, r"a kernel of shape \(\) has 0 axes"),
        (np.zeros((1, 1, 1, 3, 3)), ShapeError, r"a kernel of shape \(1, 1, 1, 3, 3\) has 5 axes"),
        (np.array([[object()]]), InputError, "entry in row 1, column 1: "),
        (object(), InputError, "a matrix cannot be read from object"),
        (None, InputError, "a matrix cannot be read from NoneType"),
        ("a b; c d", InputError, "the kernel has letters or roots in it"),
        ("sobl_x", InputError, "no kernel is called 'sobl_x'; did you mean 'sobel_x'"),
        (np.array([[1j, 2]]), InputError, "an array of dtype complex128"),
        (np.diag([1e300, 1e300]), InputError, r"the largest weight is 1e\+300"),
    ],
)
def test_bad_kernels_are_one_clear_error(kernel, error, told):
    with pytest.raises(error, match=told):
        cs.describe(kernel)


@pytest.mark.parametrize("shape", [(2**31,), (46341, 46341), (300, 300), (2**31, 3, 3)])
def test_sizes_are_refused_before_memory_is_asked_for(shape):
    with pytest.raises(ShapeError, match=r"a kernel of (shape|\d+ channels)"):
        cs.describe(np.broadcast_to(np.float32(1), shape))


def test_an_unknown_convention_gets_the_nearest():
    with pytest.raises(
        InputError, match=r"^convention='corelation' is not known; did you mean 'correlation'"
    ):
        cs.describe("sobel_x", "corelation")


@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e-30, 1e30, 1e140])
def test_the_size_of_weights_does_not_matter(weight):
    found = cs.describe(weight * np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]))
    assert found.sentence == "Vertical edges: positive where it is dark on the left and bright on the right."
    assert found.facts()
    assert found.to_html()


@pytest.mark.no_cover
@pytest.mark.parametrize("side", [33, 65])
def test_large_kernels_of_colour_are_measured_on_blocks(side):
    pattern = across(side) * bell(side, side / 4)
    assert cs.describe(of_colour((1, 1, 1), pattern)).kind == "edge"
    told = cs.describe(of_colour((1, -1, 0), pattern))
    assert (told.kind, told.check.agrees) == ("colour contrast", True)


def test_large_kernels_are_measured_on_blocks():
    import cv2

    row = cv2.getGaussianKernel(101, 15)
    found = cs.describe(row @ row.T)
    assert (found.kind, found.variant) == ("blur", "Gaussian")
    assert found.scale == pytest.approx(15, rel=0.05)
    assert cs.describe(np.ones((60, 60)) / 3600).sentence == "Box blur: each pixel becomes the mean of 60×60."


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("size", [4, 5, 6])
def test_a_checkerboard_says_which_square_is_bright(side, size):
    rows, columns = np.indices((size, size))
    board = (-1.0) ** (rows // side + columns // side)
    for kernel, tone in ((board, "bright"), (-board, "dark")):
        found = cs.describe(kernel)
        assert (found.kind, found.polarity) == ("checkerboard", f"{tone} at the upper left")
        assert found.sentence.endswith(f"bright and dark by turns, {tone} at the upper left.")
    noisy = board.copy()
    noisy[0, 0] *= -0.2  # one weight is wrong, the board is still the same
    assert cs.describe(noisy).polarity == "bright at the upper left"


def test_an_unknown_kernel_is_told_with_the_nearest_three_and_how_to_list_them():
    with pytest.raises(InputError) as caught:
        cs.describe("sobbel_xx")
    told = str(caught.value)
    assert told.count("'sobel_") == 3
    assert "cs.kernels lists all" in told
    assert len(told) < 200
