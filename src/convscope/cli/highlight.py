"""``convscope highlight``: where on a picture a kernel answers most."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

import convscope as cs
from convscope.cli.output import (
    TERMINAL,
    digits_option,
    emit,
    emit_json,
    json_option,
    output_option,
    to_option,
)
from convscope.cli.values import given_text, one_of, reading
from convscope.errors import InputError

Convention = Literal["correlation", "convolution", "pillow"]
CONVENTIONS: tuple[str, ...] = get_args(Convention)
FIGURE = ".png"


@click.command("highlight")
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("kernel")
@click.option("--top", metavar="SHARE", help="Mark this share of the pixels.  [default: 0.01]")
@click.option("--threshold", metavar="NUMBER", help="Mark the pixels that answer at least so much.")
@click.option(
    "--convention", callback=reading(one_of(CONVENTIONS)), default=CONVENTIONS[0], show_default=True,
    help="The kernel as written (correlation), rotated (convolution), rows from the bottom up (pillow).",
)  # fmt: skip
@click.option("--border", default="reflect", show_default=True, help="What lies outside the picture.")
@to_option
@output_option
@digits_option
@json_option
def command(
    image: Path,
    kernel: str,
    top: str | None,
    threshold: str | None,
    convention: Convention,
    border: str,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    as_json: bool,
) -> None:
    """Mark where IMAGE answers KERNEL (a name such as sobel_x, or a matrix) with a high positive value.

    \b
    For instance:
      convscope highlight photo.jpg sobel_y -o figure1.png
      convscope highlight photo.jpg "1 1; -1 -1" --threshold 200 -o figure1.html
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    found = cs.highlight(
        image, given_text(kernel), top=top, threshold=threshold, convention=convention, border=border
    )
    is_figure = output is not None and output.suffix.lower() == FIGURE
    if is_figure and to is not None:
        raise InputError(f"--to {to} is not what '{FIGURE}' names; leave out one of them")
    if is_figure:
        assert output is not None  # noqa: S101 - it has a suffix
        found.save(output)
    if as_json:
        emit_json(found.facts(), digits)
    elif is_figure:
        click.echo(f"wrote {output}")
    else:
        emit(found, to=to or (None if output else TERMINAL), output=output, digits=digits)
