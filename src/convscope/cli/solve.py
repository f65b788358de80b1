"""``convscope solve``: a problem set, solved and written out."""

from __future__ import annotations

from pathlib import Path

import click

import convscope as cs
from convscope.cli.output import TERMINAL, digits_option, emit, emit_json, json_option, to_option
from convscope.cli.progress import ProgressBar
from convscope.cli.values import standard_input
from convscope.errors import InputError
from convscope.render.files import FORMATS, write_document

STEM = "solution"
# What --out writes when no form is named: the hand-out in every form that is a page.
WHOLE_SET = ("pdf", "html", "md", "tex")
CHECK_FAILED = 1


@click.command("solve")
@click.argument("file")
@to_option
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help=f"Write {STEM}.{', .'.join(WHOLE_SET)} and pictures into this folder (only --to, if given).",
)  # fmt: skip
@click.option("--only", multiple=True, metavar="ID", help="Solve only this problem (may be repeated).")
@digits_option
@json_option
def command(
    file: str, to: str | None, out: Path | None, only: tuple[str, ...], digits: int, *, as_json: bool
) -> int:
    """Solve the problems of FILE (YAML, or Markdown with front matter; - for standard input).

    Exit status: 0 when every given answer agrees, 1 when one does not, 2 when the file has mistakes.
    """
    problems = cs.load_problems(f"{standard_input()}\n" if file == "-" else Path(file))
    with ProgressBar("solving") as progress:
        solved = problems.solve(only=only, progress=progress)
    if as_json:
        emit_json(solved.facts(), digits)
    elif out is not None:
        _write_all(solved, out, to, digits)
    else:
        emit(solved, to=to, output=None, digits=digits)
    if solved.is_right is False:
        wrong = [one.problem.id for one in solved if one.is_right is False]
        click.echo(f"convscope: given answers do not agree in: {', '.join(wrong)}", err=True)
        return CHECK_FAILED
    return 0


def _write_all(solved: cs.SolvedSet, out: Path, to: str | None, digits: int) -> None:
    if to == TERMINAL:
        raise InputError(f"--to {TERMINAL} writes no file; leave out --out, or name another form")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{out}': {error.strerror or error}") from None
    document = solved.document()
    names = WHOLE_SET if to is None else (to,)
    with ProgressBar("writing") as progress:
        for number, name in enumerate(names):
            progress(number, len(names))
            path = out / f"{STEM}{FORMATS[name].suffix}"
            write_document(document, path, format=name, digits=digits)
            click.echo(f"wrote {path}")
