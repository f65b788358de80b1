"""`apply`: exact over pictures and matrices, and every claim about the result is computed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import convscope as cs
from convscope.core.document import Figure, Finding, Paragraph, Table
from convscope.core.expression import Number
from convscope.errors import FileMistakesError
from convscope.problems.kinds.apply_blocks import shift_findings

RANDOM = np.random.default_rng(7)
GREY = RANDOM.integers(0, 256, (60, 70)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (60, 70, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    Image.fromarray(COLOUR).save(tmp_path / "colour.png")
    return tmp_path


def solved(folder, rest: str):
    return cs.load_problems(f"problems:\n  - {{kind: apply, {rest}}}\n", folder).solve().solved[0]


def words(parts) -> str:
    return "".join(
        str(part.value) if isinstance(part, Number) else getattr(part, "text", str(part)) for part in parts
    )


def findings(one) -> list[str]:
    return [words(block.content) for block in one.blocks() if isinstance(block, Finding)]


def test_a_picture_is_worked_exactly(folder):
    one = solved(folder, "picture: grey.png, kernel: -1 0 1; -2 0 2; -1 0 1, padding: 1")
    expected = ndimage.correlate(GREY.astype(int), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="constant")
    (solution,) = one.work.result
    assert np.array_equal(solution.array(), expected)
    assert one.work.facts["channels"] == [
        {"smallest": Fraction(int(expected.min())), "largest": Fraction(int(expected.max()))}
    ]


def test_colour_goes_channel_by_channel(folder):
    one = solved(folder, "picture: colour.png, kernel: 1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9, padding: 1")
    for channel, solution in enumerate(one.work.result):
        expected = ndimage.correlate(
            COLOUR[:, :, channel].astype(float), np.full((3, 3), 1 / 9), mode="constant"
        )
        assert np.allclose(solution.array(), expected)
    figure = next(block for block in one.blocks() if isinstance(block, Figure))
    assert [picture.pixels.shape for picture in figure.pictures] == [(60, 70, 3), (60, 70, 3)]


def test_the_identity_is_seen_to_change_nothing(folder):
    one = solved(folder, "picture: colour.png, kernel: 0 0 0; 0 1 0; 0 0 0, padding: 1, answer: unchanged")
    assert one.is_right is True
    assert "Every value of the result is the input's: the picture is unchanged." in findings(one)


def test_a_changed_picture_is_not_called_unchanged(folder):
    one = solved(folder, "picture: grey.png, kernel: '2', answer: unchanged")
    assert one.is_right is False
    assert not any("unchanged" in finding for finding in findings(one)[:-1])


def test_an_even_kernel_at_same_size_moves_the_picture_by_half_a_pixel(folder):
    one = solved(folder, f"picture: grey.png, kernel: {[['1/16'] * 4] * 4}, padding: same")
    (told,) = findings(one)
    assert told.startswith(
        "A kernel of even size has no centre tap: the window of output cell (i, j) is centred"
    )
    assert told.endswith(
        "at (i + 0.5, j + 0.5) of the input, so what is seen moves by half a pixel up and half a pixel left."
    )


def test_a_shift_along_one_axis_only(folder):
    (told,) = findings(solved(folder, "picture: grey.png, kernel: 1/2 1/2, padding: same"))
    assert told.endswith(
        "centred at (i + 0, j + 0.5) of the input, so what is seen moves by half a pixel left."
    )


def test_the_claimed_shift_is_the_shift_that_happens():
    # The centre of mass of a single bright cell moves by just as much, whatever the layer.
    for size, padding, dilation in [
        (2, "same", 1),
        (4, "same", 1),
        (3, "same", 1),
        (2, "same", 2),
        (3, ((2, 0), (0, 2)), 1),
    ]:
        layer = cs.Conv(np.ones((size, size), dtype=int), padding=padding, dilation=dilation)
        x = np.zeros((15, 15), dtype=int)
        x[7, 7] = 1
        y = cs.solve(x, layer).array()
        moved = [float(place) - 7 for place in ndimage.center_of_mass(y)]
        found = shift_findings(layer, x.shape, y.shape)
        told = words(found[0].content) if found else ""
        for axis, (before, after) in enumerate((("up", "down"), ("left", "right"))):
            if moved[axis] == 0:
                assert before not in told.split("moves by")[-1].split()
            else:
                length = "half a pixel" if abs(moved[axis]) == 0.5 else f"{abs(moved[axis]):g} pixels"
                assert f"{length} {before if moved[axis] < 0 else after}" in told


def test_a_stride_makes_no_claim_about_a_shift(folder):
    assert findings(solved(folder, "picture: grey.png, kernel: 1 1; 1 1, stride: 2")) == []


def test_signed_results_say_how_they_are_shown(folder):
    one = solved(folder, "picture: grey.png, kernel: -1 1")
    figure = next(block for block in one.blocks() if isinstance(block, Figure))
    assert "signed values shown about a middle grey" in words(figure.pictures[1].caption)
    clipped = solved(folder, "picture: grey.png, kernel: -1 1, display: clip")
    figure = next(block for block in clipped.blocks() if isinstance(block, Figure))
    assert "shown clipped to 0…255" in words(figure.pictures[1].caption)


@pytest.mark.parametrize(
    ("kernel", "claim"),
    [
        ("1/2 1/2", "The taps sum to 1: a flat area keeps its level."),
        ("-1 1", "The taps sum to 0: a flat area becomes 0."),
        ("2 1", "The taps sum to 3: the level of a flat area is multiplied by it."),
    ],
)
def test_the_sum_of_the_taps_is_told(folder, kernel, claim):
    blocks = solved(folder, f"picture: grey.png, kernel: {kernel}").blocks()
    assert claim in [words(block.content) for block in blocks if isinstance(block, Paragraph)]


def test_extreme_values_are_exact(folder):
    one = solved(folder, "picture: grey.png, kernel: 1/3 1/3 1/3")
    (table,) = [block for block in one.blocks() if isinstance(block, Table)]
    sums = GREY[:, :-2].astype(int) + GREY[:, 1:-1] + GREY[:, 2:]
    low, high = int(np.min(sums)), int(np.max(sums))
    assert [cell[0].value for cell in table.rows[0][3:]] == [Fraction(low, 3), Fraction(high, 3)]


def test_the_detail_is_the_same_place_in_both_pictures(folder):
    one = solved(folder, "picture: grey.png, kernel: 0 0 0; 0 1 0; 0 0 0, padding: 1")
    detail = [block for block in one.blocks() if isinstance(block, Figure)][1]
    before, after = (picture.pixels for picture in detail.pictures)
    assert before.shape == (192, 192)
    assert np.array_equal(before, after)


def test_a_small_picture_has_no_detail(tmp_path):
    Image.fromarray(GREY[:20, :20]).save(tmp_path / "small.png")
    one = solved(tmp_path, "picture: small.png, kernel: -1 1")
    assert len([block for block in one.blocks() if isinstance(block, Figure)]) == 1


def test_a_matrix_is_worked_and_shown(tmp_path):
    one = solved(tmp_path, "input: 1 2 3; 4 5 6, kernel: 1 1; 1 1, answer: 12 16")
    assert one.is_right is True
    assert one.work.facts["value"] == cs.matrix("12 16")
    (figure,) = [block for block in one.blocks() if isinstance(block, Figure)]
    assert min(figure.pictures[0].pixels.shape) >= 192


def test_a_large_picture_is_worked_without_a_step_for_each_pixel(tmp_path):
    Image.fromarray(np.tile(GREY, (9, 8))[:512, :512]).save(tmp_path / "large.png")
    one = solved(tmp_path, f"picture: large.png, kernel: {[['1/25'] * 5] * 5}, padding: 2")
    assert len(one.blocks()) < 20


@pytest.mark.parametrize(
    ("rest", "start"),
    [
        ("kernel: 1", "problem 1: give a 'picture' (a file) or an 'input' (a matrix)"),
        ("picture: grey.png, input: 1 2, kernel: 1", "problem 1: input: the problem has a picture already"),
        ("picture: grey.png", "problem 1: the key 'kernel' is missing"),
        ("picture: none.png, kernel: 1", "problem 1: picture: there is no file 'none.png'"),
        ("picture: ../grey.png, kernel: 1", "problem 1: picture: '../grey.png' leads out of"),
        (
            "picture: grey.png, kernel: [[[1]]]",
            "problem 1: kernel: it has 3 axes; a kernel for pictures has 2",
        ),
        ("input: a b, kernel: 1", "problem 1: input: it holds letters, which no picture shows"),
        ("input: 1 2, kernel: a", "problem 1: kernel: it holds letters, which no picture shows"),
        ("picture: grey.png, kernel: 1, groups: 2", "problem 1: unknown key 'groups'"),
        ("picture: grey.png, kernel: 1, stride: 0", "problem 1: kernel: Conv: stride=0 is not allowed"),
        (
            "picture: grey.png, kernel: 1, display: dark",
            "problem 1: display: 'dark' is not known; known: clip",
        ),
        (
            "picture: colour.png, kernel: 1, answer: 1 2",
            "problem 1: answer: the answer for a colour picture may only",
        ),
        (
            "picture: colour.png, kernel: 1, answer: [1]",
            "problem 1: answer: the answer for a colour picture may only",
        ),
    ],
)
def test_mistakes(folder, rest, start):
    with pytest.raises(FileMistakesError) as refused:
        solved(folder, rest)
    assert any(mistake.startswith(f"<text>:2: {start}") for mistake in refused.value.mistakes)
