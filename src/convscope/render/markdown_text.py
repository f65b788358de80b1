"""User text in Markdown as GitHub reads it: literal, whatever signs are in it."""

from __future__ import annotations

import re

from convscope.render.literal import visible_line

_ESCAPED = re.compile(r"[\\`*_\[\]~|#]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

# GitHub looks for these in the text that Markdown leaves over, where a backslash is gone already:
# formulas, mentions, issues, emoji, bare addresses. An element of its own breaks each of them up.
_READ_LATER = re.compile(r"\$|@|#(?=\d)|:(?=[\w+-]+:)|:(?=//)|(?<=\bwww)\.")

# At the start of a paragraph these open a list, a rule or an underlined heading.
_OPENS_BLOCK = re.compile(r"(?:[-+=]|\d{1,9}(?=[.)]))")


def escape(text: str) -> str:
    r"""`text` as running Markdown.

    >>> escape("*a* <b> $5")
    '\\*a\\* &lt;b&gt; <span>$</span>5'
    """
    parts = []
    end = 0
    line = visible_line(text)
    for found in _READ_LATER.finditer(line):
        parts += [_escape_part(line[end : found.start()]), f"<span>{found[0]}</span>"]
        end = found.end()
    return "".join([*parts, _escape_part(line[end:])])


def escape_alternative(text: str) -> str:
    """`text` between the brackets of a picture, which is no running text to GitHub."""
    return _escape_part(visible_line(text))


def _escape_part(part: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", part).translate(_ENTITIES)


def paragraph_start(line: str) -> str:
    r"""A written line that opens no list, rule or heading.

    >>> paragraph_start("1. one"), paragraph_start("- item")
    ('1\\. one', '\\- item')
    """
    stripped = line.lstrip()
    found = _OPENS_BLOCK.match(stripped)
    if found is None:
        return stripped
    if stripped[0].isdigit():
        return f"{found[0]}\\{stripped[found.end() :]}"
    return f"\\{stripped}"


def code_span(text: str, *, in_table: bool = False) -> str:
    """`text` as inline code, fenced by more backticks than it has in a row."""
    line = visible_line(text)
    if not line.strip():
        return line
    fence = "`" * (longest_run(line) + 1)
    margin = " " if line[0] in "` " or line[-1] in "` " else ""
    content = line.replace("|", r"\|") if in_table else line
    return f"{fence}{margin}{content}{margin}{fence}"


def longest_run(text: str) -> int:
    """How many backticks stand in a row at most.

    >>> longest_run("a ``b`` `c`")
    2
    """
    return max(map(len, re.findall("`+", text)), default=0)


def strong(text: str) -> str:
    """`text` in bold; asterisks bind only to letters, so other text takes the element."""
    line = visible_line(text)
    if line and line[0].isalnum() and line[-1].isalnum():
        return f"**{escape(text)}**"
    return f"<strong>{escape(text)}</strong>" if line else ""
