"""Text that a user gave, made visible: what no output may act upon is spelt out in every output alike."""

from __future__ import annotations

import re
import unicodedata

# A form feed or a next-line sign ends a line as a newline does; the rest of the controls are spelt out.
_LINE_ENDS = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")

# Soft hyphen and the two joiners change only how a word is set, and some scripts need them.
_HARMLESS_FORMATS = frozenset("\u00ad\u200c\u200d")

TAB_WIDTH = 4

LAST_BYTE = 0xFF
LAST_OF_BASIC_PLANE = 0xFFFF


def visible_line(text: str) -> str:
    r"""`text` on one line: line ends and tabs are spaces, control characters are spelt out.

    Escape sequences, marks that turn the reading direction, lone surrogates and non-characters
    can neither act nor break an output's encoding.

    >>> visible_line("a\nb \x1b[31mred")
    'a b \\x1b[31mred'
    """
    return _spell_controls(_LINE_ENDS.sub(" ", text).replace("\t", " "))


def visible_lines(text: str) -> list[str]:
    r"""The lines of `text`, tabs expanded, control characters spelt out.

    >>> visible_lines("a\tb\r\nc\x00")
    ['a   b', 'c\\x00']
    """
    return [_spell_controls(line.expandtabs(TAB_WIDTH)) for line in _LINE_ENDS.split(text)]


def _spell_controls(text: str) -> str:
    return "".join(_spell(character) if _acts(character) else character for character in text)


def _acts(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cf":
        return character not in _HARMLESS_FORMATS
    return category in {"Cc", "Cs"} or _is_noncharacter(ord(character))


def _is_noncharacter(code: int) -> bool:
    # Unicode 15, section 23.7: 32 code points among the Arabic forms, and the last two of every plane.
    return code in range(0xFDD0, 0xFDF0) or (code | 1) & LAST_OF_BASIC_PLANE == LAST_OF_BASIC_PLANE


def _spell(character: str) -> str:
    code = ord(character)
    if code <= LAST_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= LAST_OF_BASIC_PLANE else f"\\U{code:08x}"
