"""``convscope apply``: pictures in, pictures out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import convscope as cs
from convscope.cli import main


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_picture_becomes_a_picture(photo, tmp_path):
    assert main(["apply", "gaussian_5", str(photo), "-o", str(tmp_path / "out.png")]) == 0
    assert np.array_equal(
        read(tmp_path / "out.png"), cs.apply(read(photo), "gaussian_5", border="reflect", dtype="uint8")
    )


def test_signed_answers_lie_round_grey(photo, tmp_path):
    assert main(["apply", "sobel_x", str(photo), "-o", str(tmp_path / "out.png"), "--signed"]) == 0
    answer, shown = cs.apply(read(photo), "sobel_x", border="reflect"), read(tmp_path / "out.png").astype(int)
    assert (shown[answer == 0] == 128).all()
    assert (np.sign(shown - 128)[np.abs(answer) > 20] == np.sign(answer)[np.abs(answer) > 20]).all()
    assert np.abs(shown - 128).max() == 127


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    deep = np.random.default_rng(2).integers(0, 2**16, (12, 9), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert main(["apply", "box_3", str(tmp_path / "deep.png"), "-o", str(tmp_path / f"out{suffix}")]) == 0
    wanted = cs.apply(deep, "box_3", border="reflect", dtype="uint16")
    assert np.array_equal(read(tmp_path / f"out{suffix}").astype(np.uint16), wanted)


def test_sixteen_bits_do_not_fit_a_jpeg(tmp_path, capsys):
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "deep.png")
    assert main(["apply", "box_3", str(tmp_path / "deep.png"), "-o", str(tmp_path / "out.jpg")]) == 2
    assert "16 bits cannot be kept in '.jpg'" in capsys.readouterr().err


def test_alpha_is_untouched(tmp_path):
    four = np.random.default_rng(3).integers(0, 256, (10, 11, 4), dtype=np.uint8)
    Image.fromarray(four).save(tmp_path / "in.png")
    assert main(["apply", "box_3", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.webp")]) == 0
    with Image.open(tmp_path / "out.webp") as found:
        assert np.array_equal(np.asarray(found.convert("RGBA"))[..., 3], four[..., 3])


def test_orientation_is_obeyed(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wide).save(tmp_path / "in.png", exif=exif)
    assert main(["apply", "identity", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]) == 0
    assert np.array_equal(read(tmp_path / "out.png"), np.rot90(wide, -1))


def test_a_folder_becomes_a_folder(photo, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.png", "deeper/b.bmp"):
        Image.fromarray(read(photo)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    assert main(["apply", "sharpen", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert "wrote 2 pictures" in capsys.readouterr().out
    assert np.array_equal(read(tmp_path / "out/a.png"), read(tmp_path / "out/deeper/b.bmp"))


def test_the_plan_is_shown(photo, capsys):
    assert main(["apply", "gaussian_5", str(photo), "--plan"]) == 0
    said = capsys.readouterr().out
    assert "20 × 30" in said
    assert "taken" in said


def test_a_huge_tiff_becomes_a_zarr(tmp_path, capsys):
    image = np.random.default_rng(4).integers(0, 256, (50, 60), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "huge.tif", image, tile=(16, 16))
    words = ["apply", "sobel_x", str(tmp_path / "huge.tif"), "-o", str(tmp_path / "out.zarr")]
    assert main(words) == 0
    assert main(words) == 0
    assert "1 of them were there already" in capsys.readouterr().out
    found = zarr.open_array(str(tmp_path / "out.zarr"))[:]
    assert np.array_equal(found, cs.apply(image, "sobel_x", border="reflect"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sobel_x", "PHOTO"], "apply needs -o"),
        (["sobel_x", "none.png", "-o", "x.png"], "none.png: no such file"),
        (["sobel_x", "PHOTO", "-o", "x.gif"], "'.gif' cannot be written"),
        (["sobel_x", "PHOTO", "-o", "x.png", "--scheduler", "tcp://a:1"], "--scheduler is for files larger"),
        (["sobel_x", "PHOTO", "-o", "x.png", "--border", "mirror"], "border='mirror' is not known"),
    ],
)
def test_mistakes_are_one_line(photo, capsys, words, message):
    assert main(["apply", *[str(photo) if word == "PHOTO" else word for word in words]]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_plan_is_facts_for_a_program(photo, capfdbinary):
    assert main(["apply", "sobel_x", str(photo), "--plan", "--json"]) == 0
    (plan,) = json.loads(capfdbinary.readouterr().out)["plans"]
    assert (plan["picture"], plan["shape"], plan["dtype"]) == (str(photo), [20, 30, 3], "uint8")
    assert plan["method"] == cs.plan("sobel_x", (20, 30, 3), "uint8", border="reflect").method
    assert all(option["reason"] for option in plan["turned_down"])


def test_a_plan_has_every_form(photo, capfdbinary):
    assert main(["apply", "sobel_x", str(photo), "--plan", "--to", "md"]) == 0
    assert b"# Plan: direct" in capfdbinary.readouterr().out
    assert main(["apply", "sobel_x", str(photo), "-o", "x.png", "--to", "md"]) == 2
    assert b"--to is the form of a plan; give --plan too" in capfdbinary.readouterr().err


def test_what_was_written_is_told_to_a_program(photo, tmp_path, capfdbinary):
    target = tmp_path / "out.png"
    assert main(["apply", "sobel_x", str(photo), "-o", str(target), "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out) == {"written": [str(target)]}
