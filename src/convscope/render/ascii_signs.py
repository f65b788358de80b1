"""For a terminal or pipe that knows no Unicode: every sign of the layout and of formulas in plain signs."""

from __future__ import annotations

import re
from types import MappingProxyType

_SIGNS = MappingProxyType(
    {
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┣┫┳┻╋", "+"),
        **dict.fromkeys("│", "|"),
        **dict.fromkeys("─", "-"),
        **dict.fromkeys("━═", "="),
        "┃": "#",
        **dict.fromkeys("▌▋▊▉█", "#"),
        **dict.fromkeys("▏▎▍▁▂", "."),
        **dict.fromkeys("▃▄", "-"),
        **dict.fromkeys("▅▆▇", "="),
        "┊": ":",
        "┄": ".",
        "⋮": ":",
        "⋯": ".",
        "⋱": ".",
        "…": "...",
        "•": "-",
        "▪": "*",
        "—": "--",
        "✓": "v",
        "✗": "x",
        "›": ">",
        "»": ">",
        "−": "-",
        "·": "*",
        "×": "x",
        "√": "sqrt ",
        "σ": "sigmoid",
        "°": " degrees",
        "⌊": "floor(",
        "⌋": ")",
        "⌈": "ceil(",
        "⌉": ")",
        "≈": "~=",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "→": "->",
        "←": "<-",
        "⊙": "(.)",
        "∗": "(*)",
        "⋆": "(x)",
    }
)
_TRANSLATION = str.maketrans(dict(_SIGNS))
_RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def in_plain_signs(text: str, encoding: str) -> str:
    r"""`text` with nothing in it that `encoding` lacks; other letters are spelt as Python would.

    >>> in_plain_signs("⌊n/2⌋ ≤ x² − 数", "ascii")
    'floor(n/2) <= x^2 - \\u6570'
    """
    lowered = _RAISED.sub(lambda found: f"^{found[0].translate(_LOWERED)}", text)
    plain = lowered.translate(_TRANSLATION)
    return plain.encode(encoding, errors="backslashreplace").decode(encoding)
