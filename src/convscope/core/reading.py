"""`matrix` and `kernel`: every way people write a matrix, read exactly.

Rows split by ``;`` or line ends, nested lists, arrays, NumPy and MATLAB literals, LaTeX
environments with a scalar in front, CSV files; letters stay symbols. Nothing is evaluated:
a small scanner reads brackets, separators and entries, and says which row, column and entry
it could not read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray, Letter, RationalArray, SymbolicArray, from_cells, from_ndarray
from convscope.core.catalogue import kernels
from convscope.core.kernel import Kernel
from convscope.core.number import Exact, Symbolic, parse_number
from convscope.errors import InputError

MatrixLike: TypeAlias = str | Path | ExactArray | Kernel | npt.NDArray[Any] | Sequence[Any]

# A text of more characters than this is not typed by anyone; larger matrices come as arrays or CSV.
MAX_TEXT = 2**26
MAX_DEPTH = 8

_LETTER = re.compile(r"[^\W\d_][^\W_]*(?:_\w+)?\Z")
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_LATEX_ENVIRONMENT = re.compile(
    r"(?P<before>.*?)\\begin\s*\{(?P<name>[bBpvV]?matrix|smallmatrix|array)\*?\}(?:\s*\{[lcr|\s]*\}|\s*\[[lcr]\])?"
    r"(?P<body>.*?)\\end\s*\{(?P=name)\*?\}(?P<after>.*)\Z",
    re.DOTALL,
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_LATEX_NOISE = re.compile(
    r"\\(?:left|right|bigl?|bigr?|displaystyle|[,;:!]|quad|cdot|times|hline)(?![a-zA-Z])|[\[\]()$]"
)
_SCALED = re.compile(r"(?P<before>[^\[\](),]*?)(?P<body>[\[(].*[\])])(?P<after>[^\[\]()]*)\Z", re.DOTALL)
_ARRAY_CALL = re.compile(r"(?:(?:np|numpy|torch|jnp|tf|cs)\.)?(?:array|tensor|asarray|matrix|constant)\s*\(")
_TOKEN = re.compile(r"\s*(?:([\[\]();])|(,)|([^\s\[\]();,]+))")


def matrix(source: MatrixLike) -> ExactArray:
    r"""Read an exact array.

    Args:
        source: one of

            - text whose rows are split by ``;`` or line ends and whose entries by spaces or
              commas: ``"0 1; .5 1/16"`` (text always gives at least two axes);
            - a NumPy or MATLAB literal: ``"np.array([[1, 2], [3, 4]]) / 16"``, ``"[1 2; 3 4]"``;
            - LaTeX: ``r"\frac{1}{16}\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"``;
            - a path to a ``.csv`` file (a `pathlib.Path`, or text that ends in ``.csv``);
            - nested lists or tuples of numbers and number strings, of any depth;
            - an ndarray (a float counts as its shortest decimal: 0.1 is 1/10), a `Kernel`, or an
              exact array, which is returned as it is.

            Entries are ``2``, ``-.5``, ``1/16``, ``1e-3``, or letters such as ``a`` or ``w_1``,
            which stay symbols.

    Returns:
        An exact array: indexing gives `fractions.Fraction`, ``numpy.asarray(x, dtype=float)`` floats.

    Raises:
        InputError: empty, ragged rows, NaN or infinity, or an unreadable entry, with its row,
            column and the entry.

    >>> x = matrix("0 2; -.5 1/16")
    >>> x[1, 0], x.shape
    (Fraction(-1, 2), (2, 2))
    """
    match source:
        case ExactArray():
            found = source
        case Kernel():
            return source.weights
        case Path():
            found = _from_csv(source)
        case str():
            found = _from_text(source)
        case np.ndarray():
            found = from_ndarray(source)
        case list() | tuple():
            found = _from_nested(source)
        case _ if hasattr(source, "__array__"):
            found = from_ndarray(np.asarray(source))
        case _:
            raise InputError(
                f"a matrix cannot be read from {type(source).__name__}; "
                "give text, nested lists, an array or a CSV path"
            )
    if not found.size:
        raise InputError(f"the matrix is empty (shape {found.shape}); it needs at least one entry")
    return found


def kernel(source: MatrixLike, name: str = "") -> Kernel:
    """Read a kernel: a name of the catalogue, or any source that `matrix` reads, of one to three axes.

    >>> kernel("0 2 0; 2 1 1; 0 2 0").shape
    (3, 3)
    >>> kernel("sobel_x")
    kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], name='sobel_x')
    """
    if isinstance(source, Kernel):
        return source
    if isinstance(source, str) and (named := kernels.get(source.strip())) is not None:
        return Kernel(named.weights, name or named.name, named.source)
    return Kernel(matrix(source), name=name)


# --- text ------------------------------------------------------------------------------------


def _from_text(text: str) -> ExactArray:
    if len(text) > MAX_TEXT:
        raise InputError(f"a matrix text of {len(text)} characters is too long; up to {MAX_TEXT} are read")
    stripped = text.strip()
    if not stripped:
        raise InputError("the matrix is empty; it needs at least one entry")
    if "\\begin" in stripped:
        return _from_latex(stripped)
    if "\n" not in stripped and stripped.lower().endswith(".csv"):
        return _from_csv(Path(stripped))
    if "[" in stripped or "(" in stripped:
        return _from_literal(stripped)
    rows = [row for row in re.split(r"[;\n]", stripped) if row.strip()]
    return _from_rows([_split_entries(row) for row in rows])


def _split_entries(row: str) -> list[str]:
    """Entries of a row; between commas an empty one is kept, so that it is reported."""
    if "," in row:
        parts = [part.split() for part in row.strip().rstrip(",").split(",")]
        return [entry for part in parts for entry in (part or [""])]
    return row.split()


def _from_rows(rows: Sequence[Sequence[str]], scale: Fraction = Fraction(1)) -> ExactArray:
    if not rows:
        raise InputError("the matrix is empty; it needs at least one entry")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise InputError(
                f"ragged rows: row {number} has {_count(len(row), 'entry', 'entries')}, row 1 has {width}"
            )
    cells = [
        _entry(entry, f"in row {r}, column {c}")
        for r, row in enumerate(rows, start=1)
        for c, entry in enumerate(row, start=1)
    ]
    return from_cells(_scaled(cells, scale), (len(rows), width))


def _scaled(cells: list[Exact], scale: Fraction) -> list[Exact]:
    if scale == 1:
        return cells
    out: list[Exact] = []
    for cell in cells:
        if isinstance(cell, Symbolic):
            raise InputError(
                f"a matrix with letters cannot be scaled by {scale} when read; scale the layer's kernel"
            )
        out.append(cell * scale)
    return out


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _entry(text: str, place: str) -> Exact:
    stripped = text.strip()
    if not stripped:
        raise InputError(f"entry {place}: it is empty")
    if stripped.lower() not in _NOT_FINITE and _LETTER.match(stripped):
        return Letter(stripped)
    try:
        return parse_number(stripped)
    except InputError as error:
        raise InputError(f"entry {place}: {error}, nor a letter") from None


# --- LaTeX -----------------------------------------------------------------------------------


def _from_latex(text: str) -> ExactArray:
    found = _LATEX_ENVIRONMENT.match(text)
    if found is None:
        raise InputError(
            "the LaTeX holds no complete matrix; known environments: "
            "matrix, bmatrix, pmatrix, Bmatrix, vmatrix, Vmatrix, smallmatrix, array"
        )
    scale = _latex_scalar(found["before"]) * _latex_scalar(found["after"])
    lines = [line for line in re.split(r"\\\\(?:\s*\[[^\]]*\])?", found["body"]) if line.strip()]
    rows = [[_latex_entry(entry) for entry in line.split("&")] for line in lines]
    return _from_rows(rows, scale)


def _latex_scalar(text: str) -> Fraction:
    cleaned = _LATEX_NOISE.sub(" ", text).strip(" \t\n.,*")
    cleaned = cleaned.rpartition("=")[2].strip()
    if not cleaned:
        return Fraction(1)
    try:
        return parse_number("-1" if cleaned == "-" else _latex_entry(cleaned))
    except InputError:
        raise InputError(
            f"'{text.strip()}' beside the LaTeX matrix is not a number such as \\frac{{1}}{{16}}"
        ) from None


def _latex_entry(text: str) -> str:
    fraction = _LATEX_FRACTION.sub(
        lambda found: f"{(found[1] or found[2]).strip()}/{(found[3] or found[4]).strip()}", text
    )
    return _LATEX_NOISE.sub(" ", fraction).replace("{", "").replace("}", "").replace("- ", "-").strip()


# --- NumPy and MATLAB literals ---------------------------------------------------------------


def _from_literal(text: str) -> ExactArray:
    found = _SCALED.match(_unwrapped(text))
    if found is None:
        raise InputError(f"'{text[:40]}' is not a matrix literal such as [[1, 2], [3, 4]] or [1 2; 3 4]")
    scale = _prefix_scale(found["before"]) * _suffix_scale(found["after"])
    nested, end = _nested(found["body"], 0, depth=1)
    if found["body"][end:].strip():
        raise InputError(f"unexpected '{found['body'][end:].strip()[:20]}' after the closing bracket")
    if not any(isinstance(part, list) for part in nested):
        nested = [nested]
    return _from_nested(nested, scale)


def _unwrapped(text: str) -> str:
    """The literal without its array call and keyword arguments: np.array([[1]], dtype=float) → [[1]]."""
    call = _ARRAY_CALL.search(text)
    if call is None:
        return text
    inside = re.sub(r",\s*(?:dtype|device|order)\s*=\s*[\w.'\"]+\s*(?=[,)])", "", text[call.end() :])
    body, closing, after = inside.rpartition(")")
    if not closing:
        raise InputError(f"'{text[:40]}' opens a bracket that is never closed")
    return f"{text[: call.start()]}{body.strip().rstrip(',')}{after}"


def _prefix_scale(text: str) -> Fraction:
    stripped = text.rpartition("=")[2].strip().removesuffix("*").strip()
    return _scale(stripped, text) if stripped else Fraction(1)


def _suffix_scale(text: str) -> Fraction:
    stripped = text.strip().rstrip(";").strip()
    if stripped.startswith("/"):
        divisor = _scale(stripped[1:].strip(), text)
        if divisor == 0:
            raise InputError(f"'{stripped}' divides by zero")
        return 1 / divisor
    return _scale(stripped.removeprefix(".").removeprefix("*").strip(), text) if stripped else Fraction(1)


def _scale(stripped: str, whole: str) -> Fraction:
    try:
        return parse_number("-1" if stripped == "-" else stripped)
    except InputError:
        raise InputError(f"'{whole.strip()}' beside the matrix is not a number such as 1/16") from None


def _nested(text: str, start: int, depth: int) -> tuple[list[Any], int]:
    """The bracketed list that opens at `start`, and where it ends; ``;`` and line ends split its rows."""
    if depth > MAX_DEPTH:
        raise InputError(f"brackets are nested deeper than {MAX_DEPTH}")
    rows: list[list[Any]] = [[]]
    position = start + 1
    after_value = False
    while (token := _TOKEN.match(text, position)) is not None:
        if "\n" in text[position : token.start(token.lastindex or 0)] and _is_flat(rows[-1]):
            rows.append([])
        position = token.end()
        bracket, comma, entry = token.groups()
        if bracket in {"]", ")"}:
            filled = [row for row in rows if row]
            return (filled[0] if len(filled) == 1 and ";" not in text[start:position] else filled), position
        if bracket in {"[", "("}:
            inner, position = _nested(text, token.start(1), depth + 1)
            rows[-1].append(inner)
            after_value = True
        elif bracket == ";":
            rows.append([])
            after_value = False
        elif comma:
            if not after_value:
                rows[-1].append("")
            after_value = False
        else:
            rows[-1].append(entry)
            after_value = True
    raise InputError(f"'{text[:40]}' opens a bracket that is never closed")


def _is_flat(row: list[Any]) -> bool:
    return bool(row) and not any(isinstance(part, list) for part in row)


# --- nested lists and files ------------------------------------------------------------------


def _from_nested(nested: Sequence[Any], scale: Fraction = Fraction(1)) -> ExactArray:
    cells: list[Exact] = []
    shape = _collect(nested, (), cells)
    return from_cells(_scaled(cells, scale), shape)


def _collect(part: Any, index: tuple[int, ...], cells: list[Exact]) -> tuple[int, ...]:  # noqa: ANN401
    if isinstance(part, str):
        cells.append(_entry(part, _place(index)))
        return ()
    if isinstance(part, np.ndarray | ExactArray) and part.ndim:
        inner = matrix(part)
        cells.extend(inner.cells())
        return inner.shape
    if not isinstance(part, list | tuple):
        try:
            cells.append(part if isinstance(part, Symbolic) else parse_number(part))
        except InputError as error:
            raise error.within(f"entry {_place(index)}") from None
        return ()
    if len(index) >= MAX_DEPTH:
        raise InputError(f"lists are nested deeper than {MAX_DEPTH}")
    shapes = [_collect(inner, (*index, number), cells) for number, inner in enumerate(part)]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"ragged rows: part {[*index, number]} has shape {shape}, part {[*index, 0]} has {shapes[0]}"
                if len(shape) != 1 or len(shapes[0]) != 1
                else f"ragged rows: row {number + 1} has {_count(shape[0], 'entry', 'entries')}, "
                f"row 1 has {shapes[0][0]}"
            )
    return (len(part), *(shapes[0] if shapes else ()))


def _place(index: tuple[int, ...]) -> str:
    if len(index) == 2:
        return f"in row {index[0] + 1}, column {index[1] + 1}"
    return f"at index {index}"


def _from_csv(path: Path) -> ExactArray:
    try:
        size = path.stat().st_size
        if size > MAX_TEXT:
            raise InputError(f"{path}: {size} bytes is too large; up to {MAX_TEXT} are read")
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text, so not a CSV file") from None
    dialect = (
        ";" if ";" in content.partition("\n")[0] else "\t" if "\t" in content.partition("\n")[0] else ","
    )
    rows = [
        row
        for row in csv.reader(io.StringIO(content), delimiter=dialect)
        if any(cell.strip() for cell in row)
    ]
    try:
        return _from_rows(rows)
    except InputError as error:
        raise error.within(str(path)) from None


__all__ = ["MatrixLike", "RationalArray", "SymbolicArray", "kernel", "matrix"]
