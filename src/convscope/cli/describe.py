"""``convscope describe``: what a kernel, or every filter of a file of weights, does to a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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
from convscope.cli.progress import Waiting
from convscope.cli.values import given_text, one_of, reading
from convscope.errors import InputError
from convscope.show import Showable

CHECK_FAILED = 1
CONVENTIONS = ("correlation", "convolution", "pillow")
# What ends in a suffix is a file of weights; a table of numbers is read as a matrix.
_FILE_NAME = re.compile(r"\.(?!csv\Z|txt\Z)[a-z]\w*\Z", re.IGNORECASE)
# A screen shows so many filters whole, and of more the first ones of each kind.
ON_SCREEN = 24


@click.command("describe")
@click.argument("kernel")
@click.option("--layer", metavar="NAME", help="Of a file: this convolution instead of the first.")
@click.option(
    "--convention", metavar="NAME", callback=reading(one_of(CONVENTIONS)), default=CONVENTIONS[0],
    show_default=True,
    help="The kernel as written (correlation), rotated (convolution), rows from the bottom up (pillow).",
)  # fmt: skip
@click.option("--both", is_flag=True, help="Say what it does under the other conventions, too.")
@click.option(
    "--against",
    metavar="FILE",
    help="Say which filters are of another kind, reversed or turned in FILE; status 1 where any is.",
)
@to_option
@output_option
@digits_option
@json_option
def command(
    kernel: str,
    layer: str | None,
    convention: str,
    against: str | None,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    both: bool,
    as_json: bool,
) -> int:
    """Say in words what KERNEL does to a picture, with evidence, each sentence tried on stimuli first.

    KERNEL is a name such as sobel_x, a matrix, - for standard input, or a file of weights: .safetensors,
    .npz, .npy, .onnx, .pt, .pth, .keras, .h5. Of a file every filter of one layer is described.

    \b
    For instance:
      convscope describe "-1 0 1; -2 0 2; -1 0 1" --both
      convscope describe model.safetensors --layer conv1 -o filters.html
      convscope describe before.onnx --against after.onnx
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    with Waiting("describing"):
        told: Any = cs.describe(_given(kernel), convention, both=both, layer=layer)
        if against is not None:
            if not isinstance(told, cs.Sheet):
                raise InputError("--against compares two files of weights")
            told = told.against(against, layer)
    if as_json:
        emit_json(told.facts(), digits)
    else:
        is_screen = to in (None, TERMINAL) and output is None
        shown: Showable = told
        if is_screen and isinstance(told, cs.Sheet) and len(told) > ON_SCREEN:
            shown = told.summary()
        if output is None:
            emit(shown, to=to, output=output, digits=digits)
        else:
            with Waiting("writing"):
                emit(shown, to=to, output=output, digits=digits)
    return CHECK_FAILED if against is not None and told else 0


def _given(word: str) -> str | Path:
    """A file where the word is one or has the name of one; else a kernel's name or its text."""
    is_file = _FILE_NAME.search(word.strip()) is not None or Path(word).is_dir()
    return Path(word) if is_file else given_text(word)
