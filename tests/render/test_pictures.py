from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sample import sample

from convscope.core.document import Document, Figure, Picture, Section, text
from convscope.errors import InputError
from convscope.render.pictures import picture_files, picture_names, png_bytes, safe_stem


def picture(*shape: int, dtype: str = "uint8") -> Picture:
    return Picture(np.zeros(shape or (2, 3), dtype=dtype), "p")


def named(*figures: tuple[str, int]) -> list[str]:
    blocks = tuple(Figure(tuple(picture() for _ in range(count)), name) for name, count in figures)
    return list(picture_files(Document(text("t"), (Section(text("s"), blocks),))))


def test_a_figure_of_several_pictures_numbers_them() -> None:
    assert named(("a", 1), ("b", 2)) == ["a.png", "b-1.png", "b-2.png"]


def test_figures_of_one_name_do_not_overwrite_each_other() -> None:
    assert named(("a", 1), ("A", 1), ("a", 2), ("a-1", 1)) == [
        "a.png",
        "A-2.png",
        "a-1.png",
        "a-2-2.png",
        "a-1-2.png",
    ]


def test_a_picture_shown_twice_is_one_file() -> None:
    twice = picture()
    document = Document(text("t"), (Figure((twice,), "a"), Figure((twice, picture()), "b")))
    assert list(picture_files(document)) == ["a.png", "b-2.png"]
    assert picture_names(document)[twice] == "a.png"


def test_names_lead_to_the_pictures_and_back() -> None:
    files, names = picture_files(sample()), picture_names(sample())
    assert list(files) == [
        "before-after-1-1.png",
        "before-after-1-2.png",
        "evil-name.png",
        "filters-more-1.png",
        "filters-more-2.png",
    ]
    assert list(names.values()) == list(files)


@given(st.text(st.characters(codec=None)))
def test_a_name_is_safe_on_every_file_system(name: str) -> None:
    stem = safe_stem(name)
    assert stem.replace("-", "a").isalnum()
    assert stem.isascii()
    assert len(stem) < 100


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_the_file_holds_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    read = Image.open(io.BytesIO(png_bytes(Picture(pixels, "p"))))
    assert (np.asarray(read) == pixels).all()


@pytest.mark.parametrize(
    "wrong", [picture(2), picture(2, 3, 4), picture(0, 3), picture(2, 3, dtype="float64")]
)
def test_what_is_no_picture_is_refused(wrong: Picture) -> None:
    with pytest.raises(InputError, match=r"a picture has shape \("):
        png_bytes(wrong)
