"""Pixels out: values shown, and words for how; files of a problem set found inside its folder only."""

from __future__ import annotations

import numpy as np
import pytest

from convscope.errors import InputError
from convscope.problems.fields import inside
from convscope.problems.pictures import display, enlarged

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "is not allowed; give a path relative to the problem file"),
        ("../outside.png", "leads out of the problem file's folder"),
        ("sub/../../outside.png", "leads out of the problem file's folder"),
        ("link.png", "leads out of the problem file's folder"),
        ("~/p.png", "is not allowed"),
        ("C:\\p.png", "is not allowed"),
        ("\\\\host\\share\\p.png", "is not allowed"),
        ("none.png", "there is no file 'none.png' beside the problem file"),
        ("sub", "there is no file 'sub'"),
        ("a\0b", "is not allowed"),
    ],
)
def test_only_files_inside_the_folder_are_opened(tmp_path, name, message):
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside.png").write_bytes(b"x")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(InputError) as refused:
        inside(folder, name)
    assert message in str(refused.value)


def test_a_file_inside_is_found_by_any_way_to_it(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "p.png").write_bytes(b"x")
    assert inside(tmp_path, "sub/../p.png") == (tmp_path / "p.png").resolve()


def values(*numbers: float):
    return np.array([numbers], dtype=np.float64)


def test_values_within_range_are_shown_as_they_are():
    shown = display(values(0, 127.4, 255), None)
    assert shown.pixels.tolist() == [[0, 127, 255]]
    assert shown.words == "shown as it is, rounded to whole levels"
    assert display(values(0, 127, 255), None).words == "shown as it is"


def test_clipping_is_said_with_its_share():
    shown = display(values(-1, 0, 300, 400), "clip")
    assert shown.pixels.tolist() == [[0, 0, 255, 255]]
    assert shown.words == (
        "shown clipped to 0…255: 1 value below 0 is shown as black and 2 values (50.0 %) above 255 are "
        "shown as white"
    )


def test_signed_values_are_shown_about_grey_unless_told_otherwise():
    shown = display(values(-10, 0, 5, 10), None)
    assert shown.pixels.tolist() == [[1, 128, 192, 255]]
    assert shown.words == "signed values shown about a middle grey: 0 is grey, 10 white and −10 black"


def test_magnitudes_and_stretching():
    assert display(values(-10, 0, 5), "magnitude").pixels.tolist() == [[255, 0, 128]]
    stretched = display(values(-10, 0, 10), "stretch")
    assert stretched.pixels.tolist() == [[0, 128, 255]]
    assert stretched.words == "values stretched: −10 is black, 10 white"


@pytest.mark.parametrize("how", ["clip", "centre", "magnitude", "stretch"])
def test_a_picture_of_zeros_is_shown_without_a_division(how):
    assert display(np.zeros((2, 2)), how).pixels.shape == (2, 2)


def test_enlarging_repeats_whole_pixels():
    large, factor = enlarged(GREY, 7)
    assert factor == 3
    assert large.shape == (9, 12)
    assert np.array_equal(large[::3, ::3], GREY)
