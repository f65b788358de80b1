"""A sentence with nothing but its characters: for titles, labels and whatever else holds no markup."""

from __future__ import annotations

from convscope.core.document import Code, Strong, Text
from convscope.render import text_math
from convscope.render.literal import visible_line


def plain_text(content: Text, digits: int) -> str:
    """The sentence as characters on one line, formulas written as text.

    >>> from convscope.core.document import text
    >>> plain_text(text("stride ", Code("-s"), " is ", 2), digits=4)
    'stride -s is 2'
    """
    writing = text_math.writer(digits)
    return "".join(
        visible_line(part if isinstance(part, str) else part.text)
        if isinstance(part, str | Code | Strong)
        else writing.write(part)
        for part in content
    )
