r"""Matrix notations taken apart: text, NumPy and MATLAB literals, LaTeX, into nested lists of entries.

Nothing is evaluated and nothing is understood here but brackets, separators and the scalar beside a
matrix; what an entry means is `reading`'s business. Every pattern runs in time that grows with the
length of the text and no faster, so that ten megabytes of brackets are one error, soon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from convscope.core.number import parse_number
from convscope.errors import InputError

Nested: TypeAlias = list[Any]  # entries as text, or lists of them
Scaled: TypeAlias = tuple[Nested, Fraction]

MAX_DEPTH = 8
# What is typed or printed; larger matrices come as arrays or files.
MAX_BRACKETS = 2**18
MAX_LATEX = 2**20

_LATEX_BEGIN = re.compile(
    r"\\begin\s*\{(?P<name>[bBpvV]?matrix|smallmatrix|array)(?P<star>\*?)\}(?:\s*\{[lcr|\s]*\}|\s*\[[lcr]\])?"
)
_LATEX_ROW = re.compile(r"\\\\(?:\s{0,9}\[[^\]\\]{0,20}\])?")
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_LATEX_NOISE = re.compile(
    r"\\(?:left|right|bigl?|bigr?|displaystyle|[,;:!]|quad|cdot|times|hline)(?![a-zA-Z])|[\[\]()$]"
)
_ARRAY_CALL = re.compile(r"(?:(?:np|numpy|torch|jnp|tf|cs)\.)?(?:array|tensor|asarray|matrix|constant)\s*\(")
_KEYWORD = re.compile(r",\s*(?:dtype|device|order)\s*=\s*[\w.'\"]+\s*(?=[,)])")
_BRACKET = re.compile(r"[()\[\]]")
# A number in parentheses beside a matrix: (1/16) * [1 2; 3 4], [1 2] / (16).
_SCALAR_BEFORE = re.compile(r"\(([^()\[\],;]*)\)(\s*\.?\*)")
_SCALAR_AFTER = re.compile(r"([*/]\s*)\(([^()\[\],;]*)\)\s*;?\s*\Z")
_TOKEN = re.compile(r"(\n)|([\[(])|([\])])|(;)|(,)|([^\s\[\]();,]+)")


def is_latex(text: str) -> bool:
    """True for text with a LaTeX environment."""
    return "\\begin" in text


def is_literal(text: str) -> bool:
    """True for text with brackets."""
    return "[" in text or "(" in text


# --- rows and entries --------------------------------------------------------------------------


def rows_of(text: str) -> list[list[str]]:
    """The entries of plain text, rows split by ``;`` or line ends, entries by spaces or commas."""
    return [split_entries(row) for row in re.split(r"[;\n]", text) if row.strip()]


def split_entries(row: str) -> list[str]:
    """Entries of a row; between commas an empty one is kept, so that it is reported."""
    if "," in row:
        parts = [part.split() for part in row.strip().rstrip(",").split(",")]
        return [entry for part in parts for entry in (part or [""])]
    return row.split()


# --- LaTeX -------------------------------------------------------------------------------------


def latex_rows(text: str) -> Scaled:
    """The entries of a LaTeX matrix, and the scalar beside it."""
    if len(text) > MAX_LATEX:
        raise InputError(
            f"LaTeX of {len(text)} characters is too long; up to {MAX_LATEX} are read, "
            "larger matrices come as an array or a CSV file"
        )
    opening = _LATEX_BEGIN.search(text)
    closing = None if opening is None else _closing(opening).search(text, opening.end())
    if opening is None or closing is None:
        raise InputError(
            "the LaTeX holds no complete matrix; known environments: "
            "matrix, bmatrix, pmatrix, Bmatrix, vmatrix, Vmatrix, smallmatrix, array"
        )
    scale = _latex_scalar(text[: opening.start()]) * _latex_scalar(text[closing.end() :])
    lines = _LATEX_ROW.split(text[opening.end() : closing.start()])
    return [[_latex_entry(entry) for entry in line.split("&")] for line in lines if line.strip()], scale


def _closing(opening: re.Match[str]) -> re.Pattern[str]:
    return re.compile(r"\\end\s*\{" + re.escape(opening["name"] + opening["star"]) + r"\}")


def _latex_scalar(text: str) -> Fraction:
    cleaned = _LATEX_NOISE.sub(" ", text).strip(" \t\n.,*")
    cleaned = cleaned.rpartition("=")[2].strip()
    if not cleaned:
        return Fraction(1)
    number = _scale(_latex_entry(cleaned.removeprefix("/")), text, "LaTeX matrix", r"\frac{1}{16}")
    if not cleaned.startswith("/"):
        return number
    if number == 0:
        raise InputError(f"'{cleaned[:40]}' divides by zero")
    return 1 / number


def _latex_entry(text: str) -> str:
    fraction = _LATEX_FRACTION.sub(
        lambda found: f"{(found[1] or found[2]).strip()}/{(found[3] or found[4]).strip()}", text
    )
    return _LATEX_NOISE.sub(" ", fraction).replace("{", "").replace("}", "").replace("- ", "-").strip()


# --- NumPy and MATLAB literals -----------------------------------------------------------------


def literal_rows(text: str) -> Scaled:
    """The entries of a bracketed literal, and the scalar beside it."""
    brackets = text.count("[") + text.count("(")
    if brackets > MAX_BRACKETS:
        raise InputError(
            f"a literal with {brackets} brackets is too long; up to {MAX_BRACKETS} are read, "
            "larger matrices come as an array or a CSV file"
        )
    bare = _SCALAR_AFTER.sub(r"\1\2", _SCALAR_BEFORE.sub(r"\1\2", _unwrapped(text), count=1))
    first = min((place for sign in "[(])" if (place := bare.find(sign)) >= 0), default=0)
    last = max(bare.rfind(sign) for sign in "[(])") + 1
    if bare[first] not in "[(" or bare[last - 1] not in ")]":
        raise InputError(f"'{text[:40]}' is not a matrix literal such as [[1, 2], [3, 4]] or [1 2; 3 4]")
    scale = _prefix_scale(bare[:first]) * _suffix_scale(bare[last:])
    nested = _nested(bare[first:last])
    return (nested if any(isinstance(part, list) for part in nested) else [nested]), scale


def _unwrapped(text: str) -> str:
    """The literal without its array call and keyword arguments: np.array([[1]], dtype=float) → [[1]]."""
    call = _ARRAY_CALL.search(text)
    if call is None:
        return text
    depth = 1
    for found in _BRACKET.finditer(text, call.end()):
        depth += 1 if found[0] in "([" else -1
        if depth == 0:
            inside = _KEYWORD.sub("", text[call.end() : found.end()])[:-1]
            return f"{text[: call.start()]}{inside.strip().rstrip(',')}{text[found.end() :]}"
    raise InputError(f"'{text[:40]}' opens a bracket that is never closed")


def _prefix_scale(text: str) -> Fraction:
    stripped = text.rpartition("=")[2].strip().removesuffix("*").removesuffix(".").strip()
    return _scale(stripped, text) if stripped else Fraction(1)


def _suffix_scale(text: str) -> Fraction:
    stripped = text.strip().rstrip(";").strip()
    operator = stripped.removeprefix(".")
    if operator.startswith("/"):
        divisor = _scale(operator[1:].strip(), text)
        if divisor == 0:
            raise InputError(f"'{stripped}' divides by zero")
        return 1 / divisor
    return _scale(operator.removeprefix("*").strip(), text) if stripped else Fraction(1)


def _scale(stripped: str, whole: str, beside: str = "matrix", example: str = "1/16") -> Fraction:
    try:
        return parse_number("-1" if stripped == "-" else stripped)
    except InputError:
        shown = whole.strip()[:40]
        raise InputError(f"'{shown}' beside the {beside} is not a number such as {example}") from None


@dataclass
class _Bracket:
    """An open bracket: its rows so far, split by ``;`` and line ends."""

    rows: list[Nested] = field(default_factory=lambda: [[]])
    has_semicolon: bool = False
    after_value: bool = False

    def add(self, part: Any) -> None:  # noqa: ANN401 - an entry or a list
        self.rows[-1].append(part)
        self.after_value = True

    def new_line(self) -> None:
        """A line end splits rows of entries; between lists it says nothing."""
        if self.rows[-1] and not isinstance(self.rows[-1][-1], list):
            self.rows.append([])

    def semicolon(self) -> None:
        self.rows.append([])
        self.has_semicolon, self.after_value = True, False

    def comma(self) -> None:
        if not self.after_value:
            self.rows[-1].append("")  # an empty entry, to be reported with its place
        self.after_value = False

    def closed(self) -> Nested:
        filled = [row for row in self.rows if row]
        return filled[0] if len(filled) == 1 and not self.has_semicolon else filled


def _nested(text: str) -> Nested:
    """The bracketed list that the text is, as nested lists of entries."""
    open_: list[_Bracket] = []
    for token in _TOKEN.finditer(text):
        match token.lastindex:
            case 1:
                open_[-1].new_line()
            case 2:
                if len(open_) == MAX_DEPTH:
                    raise InputError(f"brackets are nested deeper than {MAX_DEPTH}")
                open_.append(_Bracket())
            case 3:
                closed = open_.pop().closed()
                if not open_:
                    rest = text[token.end() :].strip()
                    if rest:
                        raise InputError(f"unexpected '{rest[:20]}' after the closing bracket")
                    return closed
                open_[-1].add(closed)
            case 4:
                open_[-1].semicolon()
            case 5:
                open_[-1].comma()
            case _:
                open_[-1].add(token[0])
    raise InputError(f"'{text[:40]}' opens a bracket that is never closed")
