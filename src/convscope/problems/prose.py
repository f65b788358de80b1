"""Question texts and introductions: plain paragraphs, with `code` between backticks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convscope.core.document import Block, Code, Inline, Paragraph, Strong

_HEADING = re.compile(r"#{1,6}\s+(?P<words>.*?)\s*#*\Z")
_CODE = re.compile(r"`([^`\n]+)`")


def paragraphs(words: str) -> tuple[Block, ...]:
    r"""The paragraphs of a text, split by empty lines; a Markdown heading becomes words that stand out.

    >>> for block in paragraphs("# Kernels\n\nFlip it\nfirst, with `flip`."):
    ...     print(block.content)
    (Strong(text='Kernels'),)
    ('Flip it first, with ', Code(text='flip'), '.')
    """
    return tuple(_paragraph(part) for part in _parts(words))


def _parts(words: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", words):
        lines = [line.strip() for line in part.strip().splitlines()]
        while lines and _HEADING.match(lines[0]):
            yield lines.pop(0)
        if lines and any(lines):
            yield " ".join(lines)


def _paragraph(part: str) -> Paragraph:
    heading = _HEADING.match(part)
    if heading and heading["words"]:
        return Paragraph((Strong(heading["words"]),))
    return Paragraph(tuple(_inline(part)))


def _inline(part: str) -> Iterator[Inline]:
    # With one group, split gives words and code in turn.
    for number, piece in enumerate(_CODE.split(part)):
        if piece:
            yield Code(piece) if number % 2 else piece
