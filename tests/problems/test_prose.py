"""Question texts: paragraphs, headings, code, and nothing else acted upon."""

from __future__ import annotations

import pytest

from convscope.core.document import Code, Strong
from convscope.problems.prose import paragraphs


@pytest.mark.parametrize(
    ("words", "contents"),
    [
        ("", []),
        ("\n\n  \n", []),
        ("one\ntwo\n\n\nthree", [("one two",), ("three",)]),
        ("# Head\nbody", [(Strong("Head"),), ("body",)]),
        ("## Head ##", [(Strong("Head"),)]),
        ("# ", [("#",)]),
        ("#hash", [("#hash",)]),
        ("a `b` c", [("a ", Code("b"), " c")]),
        ("`b`", [(Code("b"),)]),
        ("a `b c", [("a `b c",)]),
        ("*a* $b$ <i> [l](u)", [("*a* $b$ <i> [l](u)",)]),
    ],
)
def test_paragraphs(words, contents):
    assert [block.content for block in paragraphs(words)] == contents
