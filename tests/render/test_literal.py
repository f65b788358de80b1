from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from convscope.render.literal import visible_line, visible_lines

anything = st.text(st.characters(codec=None))


@given(anything)
def test_what_is_left_can_be_printed_and_encoded(text: str) -> None:
    line = visible_line(text)
    line.encode("utf-8")
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs"}


@given(anything)
def test_lines_and_line_hold_the_same_signs(text: str) -> None:
    assert "".join("".join(visible_lines(text)).split()) == "".join(visible_line(text).split())


def test_harmful_signs_are_spelt_out_and_letters_are_not() -> None:
    assert visible_line("\x1b[2J\x9b1m\u202e\ufeff\ud800\U0010ffff") == (
        "\\x1b[2J\\x9b1m\\u202e\\ufeff\\ud800\\U0010ffff"
    )
    assert (
        visible_line("naïve\u00a0数 🙂\u200d soft\u00adhyphen") == "naïve\u00a0数 🙂\u200d soft\u00adhyphen"
    )


def test_every_kind_of_line_end_ends_a_line() -> None:
    assert visible_lines("a\nb\r\nc\rd\x0be\u2028f") == list("abcdef")
    assert visible_lines("") == [""]
