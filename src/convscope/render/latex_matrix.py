"""Matrices in LaTeX: cells coloured and figures aligned on the point, or boxed for MathJax."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from convscope.core.document import MarkRole, MatrixView
from convscope.core.expression import Expression
from convscope.render.formula import Writer
from convscope.render.grid import Grid, GridCell, lay_out
from convscope.render.latex_math import LINE_END, form_latex

GAP_SIGNS: Mapping[str, str] = MappingProxyType({"⋮": r"\vdots", "⋯": r"\cdots", "⋱": r"\ddots"})
OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "⊙": r"\odot",
        "=": "=",
        "≈": r"\approx",
        "→": r"\rightarrow",
        "∗": r"\ast",
        "⋆": r"\star",
        "versus": r"\quad\text{versus}\quad",
    }
)
# Which ground colour wins where a cell plays several roles.
_GROUNDS: tuple[MarkRole, ...] = ("difference", "winner", "window")

# amsmath's bmatrix has room for so many columns.
LARGEST_BMATRIX = 10


def tex_matrix(grid: Grid, writing: Writer) -> str:
    """A laid-out matrix, or a strip of one, in square brackets; marks are grounds that print in grey too."""
    if not grid or not grid[0]:
        return r"\left[\ \right]"
    columns = [_tex_column([row[at] for row in grid], writing) for at in range(len(grid[0]))]
    letters = "".join(letter for letter, _ in columns)
    rows = _row_end(grid).join(
        " & ".join(cells) for cells in zip(*(cells for _, cells in columns), strict=True)
    )
    # The thin spaces keep a coloured cell off the brackets.
    return f"\\left[\\,\\begin{{array}}{{{letters}}}\n{rows}\n\\end{{array}}\\,\\right]"


def _tex_column(cells: list[GridCell], writing: Writer) -> tuple[str, list[str]]:
    """A column's letter and its written cells; decimals are filled up with empty places."""
    if not all(isinstance(cell.content, str) for cell in cells):
        return "c", [_tex_cell(_written(cell, writing), "", cell) for cell in cells]
    tails = ["".join(str(cell.content).partition(".")[1:]) for cell in cells]
    longest = max(map(len, tails))
    return "r", [
        _tex_cell(_written(cell, writing), _empty(longest - len(tail), starts=not tail), cell)
        for cell, tail in zip(cells, tails, strict=True)
    ]


def _empty(length: int, *, starts: bool) -> str:
    figures = "." + "0" * (length - 1) if starts else "0" * length
    return rf"\phantom{{{figures}}}" if length else ""


def _tex_cell(content: str, filling: str, cell: GridCell) -> str:
    if "padding" in cell.roles:
        content = rf"{{\color{{padding}}{content}}}"
    if not cell.is_gap:
        content = rf"\mathbf{{{content}}}" if "winner" in cell.roles else content
        content = rf"\underline{{{content}}}" if "difference" in cell.roles else content
    ground = next((role for role in _GROUNDS if role in cell.roles), None)
    return (rf"\cellcolor{{{ground}}}" if ground else "") + content + filling


def mathjax_matrix(view: MatrixView, writing: Writer) -> str:
    r"""The matrix for MathJax: the window boxed, winners bold, differences underlined, padding small.

    GitHub allows no ``\phantom`` and no ``\colorbox``, and counts the braces of a page.
    """
    grid = lay_out(view, writing.digits)
    if not grid or not grid[0]:
        return r"\left[\ \right]"
    is_all_window = all("window" in cell.roles for row in grid for cell in row)
    rows = _row_end(grid).join(
        " & ".join(_mathjax_cell(_written(cell, writing), cell, boxed=not is_all_window) for cell in row)
        for row in grid
    )
    if len(grid[0]) <= LARGEST_BMATRIX:
        written = f"\\begin{{bmatrix}}\n{rows}\n\\end{{bmatrix}}"
    else:
        written = f"\\left[\\begin{{array}}{{{'c' * len(grid[0])}}}\n{rows}\n\\end{{array}}\\right]"
    return rf"\boxed{{{written}}}" if is_all_window else written


def _mathjax_cell(content: str, cell: GridCell, *, boxed: bool) -> str:
    if not cell.is_gap:
        content = rf"\mathbf{{{content}}}" if "winner" in cell.roles else content
        content = rf"\underline{{{content}}}" if "difference" in cell.roles else content
    if "padding" in cell.roles:
        content = rf"\scriptstyle {content}"
    if not boxed or "window" not in cell.roles:
        return content
    return rf"\boxed {content}" if len(content) == 1 else rf"\boxed{{{content}}}"


def _row_end(grid: Grid) -> str:
    """Rows stand further apart where a fraction may be in one."""
    is_flat = all(isinstance(cell.content, str) for row in grid for cell in row)
    return LINE_END if is_flat else f"{LINE_END.rstrip()}[4pt] "


def _written(cell: GridCell, writing: Writer) -> str:
    if cell.is_gap:
        return GAP_SIGNS[str(cell.content)]
    content = cell.content
    return writing.write(content) if isinstance(content, Expression) else form_latex(content)
