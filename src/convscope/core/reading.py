"""`matrix` and `kernel`: every way people write a matrix, read exactly.

Rows split by ``;`` or line ends, nested lists, arrays, NumPy and MATLAB literals, LaTeX
environments with a scalar in front, CSV files; letters stay symbols. Nothing is evaluated:
`notation` takes brackets and separators apart, and an entry that cannot be read is told with its row
and column.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.core import notation
from convscope.core.array import (
    ExactArray,
    Letter,
    RationalArray,
    SymbolicArray,
    from_cells,
    from_integers,
    from_ndarray,
    from_table,
)
from convscope.core.catalogue import kernels
from convscope.core.kernel import Kernel
from convscope.core.number import Exact, Symbolic, parse_number
from convscope.errors import InputError, ShapeError

MatrixLike: TypeAlias = str | Path | ExactArray | Kernel | npt.NDArray[Any] | Sequence[Any]

# A text of more characters than this is not typed by anyone; larger matrices come as arrays or CSV.
MAX_TEXT = 2**26
# Lists that hold the same list again and again describe more cells than memory has.
MAX_LISTED = 2**24
FLOAT_INTEGERS = 2**53

_LETTER = re.compile(r"[^\W\d_][^\W_]*(?:_\w+)?\Z")
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_PLAIN_DECIMALS = re.compile(
    r"(?:[+-]?(?:\d{1,17}(?:\.\d{0,17})?|\.\d{1,17})(?:[eE][+-]?\d{1,2})? )+", re.ASCII
)


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
            found = _from_array(source)
        case list() | tuple():
            found = _from_nested(source)
        case _ if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
            found = _from_array_like(source)
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
        return source if name in ("", source.name) else replace(source, name=name)
    if isinstance(source, str) and (named := kernels.get(source.strip())) is not None:
        return replace(named, name=name or named.name)
    return Kernel(matrix(source), name=name)


# --- text ------------------------------------------------------------------------------------


def _from_text(text: str) -> ExactArray:
    if len(text) > MAX_TEXT:
        raise InputError(f"a matrix text of {len(text)} characters is too long; up to {MAX_TEXT} are read")
    stripped = text.strip()
    if notation.is_latex(stripped):
        rows, scale = notation.latex_rows(stripped)
        return _scaled(_from_rows(rows), scale)
    if "\n" not in stripped and stripped.lower().endswith(".csv"):
        return _from_csv(Path(stripped))
    if notation.is_literal(stripped):
        nested, scale = notation.literal_rows(stripped)
        return _scaled(_from_nested(nested), scale)
    return _from_rows(notation.rows_of(stripped))


def _from_rows(rows: Sequence[Sequence[str]]) -> ExactArray:
    if not rows:
        raise InputError("the matrix is empty; it needs at least one entry")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise InputError(
                f"ragged rows: row {number} has {_count(len(row), 'entry', 'entries')}, row 1 has {width}"
            )
    return _from_leaves([entry for row in rows for entry in row], (len(rows), width))


def _scaled(array: ExactArray, scale: Fraction) -> ExactArray:
    if scale == 1:
        return array
    if isinstance(array, SymbolicArray):
        raise InputError(
            f"a matrix with letters cannot be scaled by {scale} when read; scale the layer's kernel"
        )
    values, codes = array.table()
    return from_table([scale * Fraction(value) for value in values if isinstance(value, Fraction)], codes)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


# --- entries ---------------------------------------------------------------------------------


def _from_leaves(leaves: list[Any], shape: tuple[int, ...]) -> ExactArray:
    """Entries in row-major order; those of one kind are read all at once, others each kind of text once."""
    kinds = set(map(type, leaves))
    if kinds <= {int, bool}:
        return from_integers([int(leaf) for leaf in leaves], shape)
    if kinds <= {int, bool, float} and all(-FLOAT_INTEGERS < leaf < FLOAT_INTEGERS for leaf in leaves):
        return from_ndarray(np.array(leaves, dtype=np.float64).reshape(shape))
    if kinds == {str} and _PLAIN_DECIMALS.fullmatch(" ".join(leaves) + " "):
        return _from_plain_decimals(leaves, shape)
    known: dict[Any, Exact] = {}
    cells: list[Exact] = []
    for place, leaf in enumerate(leaves):
        key = leaf if isinstance(leaf, str) else (type(leaf), leaf)
        found = known.get(key)
        if found is None:
            found = known[key] = _leaf(leaf, place, shape)
        cells.append(found)
    return from_cells(cells, shape)


def _from_plain_decimals(texts: list[str], shape: tuple[int, ...]) -> RationalArray:
    """Decimals of few figures, as integers over one power of ten."""
    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    parts = [_figures_and_places(text) for text in distinct]
    most = max(0, *(after for _, after in parts))
    table = from_integers(
        [figures * 10 ** (most - after) for figures, after in parts], (len(parts),), 10**most
    )
    codes = np.fromiter((distinct[text] for text in texts), dtype=np.int64, count=len(texts))
    return table.rearranged(lambda cells: cells[codes.reshape(shape)])


def _figures_and_places(text: str) -> tuple[int, int]:
    """-1.25e-7 is -125 with 9 decimals."""
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    whole, _, after = mantissa.partition(".")
    return int(whole + after), len(after) - int(exponent or 0)


def _leaf(leaf: Any, place: int, shape: tuple[int, ...]) -> Exact:  # noqa: ANN401 - whatever a list holds
    if isinstance(leaf, Symbolic):
        return leaf
    try:
        return _entry(leaf) if isinstance(leaf, str) else parse_number(leaf)
    except InputError as error:
        raise error.within(f"entry {_place(place, shape)}") from None


def _entry(text: str) -> Exact:
    stripped = text.strip()
    if not stripped:
        raise InputError("it is empty")
    if stripped.lower() not in _NOT_FINITE and _LETTER.match(stripped):
        return Letter(stripped)
    try:
        return parse_number(stripped)
    except InputError as error:
        raise InputError(f"{error}, nor a letter") from None


def _place(place: int, shape: tuple[int, ...]) -> str:
    index = tuple(int(i) for i in np.unravel_index(place, shape))
    if len(index) == 2:
        return f"in row {index[0] + 1}, column {index[1] + 1}"
    return f"at index {index}"


# --- nested lists and arrays -----------------------------------------------------------------


def _from_nested(nested: Sequence[Any]) -> ExactArray:
    _check_size(nested)
    leaves: list[Any] = []
    shape = _collect(nested, (), leaves)
    return _from_leaves(leaves, shape)


def _check_size(nested: Sequence[Any]) -> None:
    """Refuse lists that describe too many cells, before they are walked."""
    lengths: list[int] = []
    part: Any = nested
    while isinstance(part, list | tuple) and part and len(lengths) <= notation.MAX_DEPTH:
        lengths.append(len(part))
        part = part[0]
    if math.prod(lengths) > MAX_LISTED:
        raise ShapeError(
            f"nested lists of {math.prod(lengths)} entries are too large; up to {MAX_LISTED} are read, "
            "more come as an array"
        )


def _collect(part: Any, index: tuple[int, ...], leaves: list[Any]) -> tuple[int, ...]:  # noqa: ANN401
    """The shape of nested lists; their entries are added to `leaves`."""
    if isinstance(part, np.ndarray | ExactArray) and part.ndim:
        inner = matrix(part)
        leaves.extend(inner.cells())
        return inner.shape
    if not isinstance(part, list | tuple):
        leaves.append(part)
        return ()
    if len(index) >= notation.MAX_DEPTH:
        raise InputError(f"lists are nested deeper than {notation.MAX_DEPTH}")
    if not any(isinstance(inner, list | tuple | np.ndarray | ExactArray) for inner in part):
        leaves.extend(part)
        return (len(part),)
    shapes = [_collect(inner, (*index, number), leaves) for number, inner in enumerate(part)]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"ragged rows: part {[*index, number]} has shape {shape}, part {[*index, 0]} has {shapes[0]}"
                if len(shape) != 1 or len(shapes[0]) != 1
                else f"ragged rows: row {number + 1} has {_count(shape[0], 'entry', 'entries')}, "
                f"row 1 has {shapes[0][0]}"
            )
    return (len(part), *shapes[0])


def _from_array(array: npt.NDArray[Any]) -> ExactArray:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputError("a masked array has entries without a value; fill them first")
    plain = np.asarray(array)
    if plain.dtype.kind in "UO" and plain.size:
        return _from_leaves(plain.reshape(-1).tolist(), plain.shape)
    return from_ndarray(plain)


def _from_array_like(source: Any) -> ExactArray:  # noqa: ANN401 - a tensor, a data frame, a picture
    detach = getattr(source, "detach", None)  # a tensor that takes part in training
    try:
        array = np.asarray(detach() if callable(detach) else source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"a matrix cannot be read from this {type(source).__name__}: {error}") from None
    return _from_array(array)


# --- files -----------------------------------------------------------------------------------


def _from_csv(path: Path) -> ExactArray:
    rows = _csv_rows(path, _file_text(path))
    try:
        return _from_rows(rows)
    except InputError as error:
        raise error.within(str(path)) from None


def _file_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: it is not a file")
        size = path.stat().st_size
        if size > MAX_TEXT:
            raise InputError(f"{path}: {size} bytes is too large; up to {MAX_TEXT} are read")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text, so not a CSV file") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)[:80]!r}: {error}") from None


def _csv_rows(path: Path, content: str) -> list[list[str]]:
    """The file's fields, split by what its first line is split by."""
    first = content.lstrip().partition("\n")[0]
    delimiter = next((sign for sign in (";", "\t", ",") if sign in first), None)
    if delimiter is None:
        return [row.split() for row in content.splitlines() if row.strip()]
    try:
        rows = list(csv.reader(io.StringIO(content), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file: {error}") from None
    return [row for row in rows if any(cell.strip() for cell in row)]


__all__ = ["MatrixLike", "RationalArray", "SymbolicArray", "kernel", "matrix"]
