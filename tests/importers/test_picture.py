"""Picture files in: exact values, bounds, and words for what was done."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convscope.errors import InputError
from convscope.importers import picture
from convscope.importers.picture import read_picture


def save(tmp_path, array, name="p.png", mode=None, **options):
    image = Image.fromarray(np.asarray(array, dtype=np.uint8))
    (image.convert(mode) if mode else image).save(tmp_path / name, **options)
    return tmp_path / name


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def test_grey_and_colour_come_as_they_are(tmp_path):
    assert np.array_equal(read_picture(save(tmp_path, GREY), "p.png").pixels, GREY)
    colour = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)
    found = read_picture(save(tmp_path, colour), "p.png")
    assert np.array_equal(found.pixels, colour)
    assert [int(channel[0, 0]) for channel in found.channels()] == [0, 1, 2]
    assert found.notes == ()


@pytest.mark.parametrize(("mode", "shape"), [("1", (3, 4)), ("P", (3, 4, 3)), ("CMYK", (3, 4, 3))])
def test_other_modes_become_grey_or_colour(tmp_path, mode, shape):
    name = "p.tif" if mode == "CMYK" else "p.png"
    found = read_picture(save(tmp_path, GREY, name, mode), name)
    assert found.pixels.shape == shape


def test_exif_orientation_is_obeyed_and_said(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    found = read_picture(save(tmp_path, GREY, "p.png", exif=exif), "p.png")
    assert np.array_equal(found.pixels, np.rot90(GREY, -1))
    assert found.notes == ("turned upright as its EXIF orientation says",)


def test_transparency_is_laid_on_white_and_said(tmp_path):
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, :, 3] = 255
    found = read_picture(save(tmp_path, rgba), "p.png")
    assert found.pixels[0].max() == 0
    assert found.pixels[1].min() == 255
    assert found.notes == ("laid on white where it was transparent",)
    opaque = np.full((2, 2, 4), 255, dtype=np.uint8)
    assert read_picture(save(tmp_path, opaque), "p.png").notes == ()


def test_more_than_eight_bits_are_refused(tmp_path):
    Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4)).save(tmp_path / "p.png")
    with pytest.raises(InputError, match=r"^'p.png' has more than 8 bits a value"):
        read_picture(tmp_path / "p.png", "p.png")


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path, monkeypatch):
    path = save(tmp_path, GREY)
    monkeypatch.setattr(picture, "MAX_PIXELS", 11)
    with pytest.raises(InputError, match=r"^'p.png' has 4×3 pixels; up to 11 are read"):
        read_picture(path, "p.png")


def test_pillows_own_bomb_limit_is_an_error(tmp_path, monkeypatch):
    path = save(tmp_path, GREY)
    for limit in (8, 5):  # a warning above the limit, an error above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(InputError, match=r"^'p.png' is not a picture that can be read: Image size"):
            read_picture(path, "p.png")


def test_a_large_file_is_refused(tmp_path):
    path = tmp_path / "p.png"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(InputError, match=r"^'p.png' is larger than 67108864 bytes"):
        read_picture(path, "p.png")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "p.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^'p.png' is not a picture that can be read: "):
        read_picture(path, "p.png")


def test_a_truncated_picture_is_refused(tmp_path):
    path = save(tmp_path, np.random.default_rng(0).integers(0, 255, (64, 64)))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match=r"^'p.png' is not a picture that can be read: "):
        read_picture(path, "p.png")


def test_a_path_alone_is_its_name(tmp_path):
    path = save(tmp_path, GREY)
    assert read_picture(str(path)).name == str(path)
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none.png")
