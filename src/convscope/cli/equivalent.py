"""``convscope equivalent``: whether two layers, or chains of them, are the same for every input."""

from __future__ import annotations

from pathlib import Path

import click

import convscope as cs
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.values import given_text, read_lengths, reading
from convscope.errors import InputError


@click.command("equivalent")
@click.argument("first")
@click.argument("second")
@click.option(
    "-i",
    "--input",
    "input_shape",
    callback=reading(read_lengths),
    metavar="SHAPE",
    help="Decide for inputs of this shape: 8x8, or 3x8x8 with channels.",
)
@to_option
@output_option
@digits_option
@json_option
def command(
    first: str,
    second: str,
    input_shape: int | tuple[int, ...] | None,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    as_json: bool,
) -> int:
    """Prove that FIRST and SECOND give the same output for every input, or show an input for which not.

    Each is a layer such as 'avgpool 2', or layers with 'then' between them; weights stand in brackets.
    The exit status is 1 where the two are not proved equal.

    \b
    For instance:
      convscope equivalent "avgpool 2" "conv [1/4 1/4; 1/4 1/4], stride 2"
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    if first.strip() == second.strip() == "-":
        raise InputError("only one of the two can be read from standard input")
    chains = []
    for name, words in (("FIRST", first), ("SECOND", second)):
        try:
            chains.append(cs.layers(given_text(words)))
        except InputError as error:
            raise error.within(name) from None
    shape = (input_shape,) if isinstance(input_shape, int) else input_shape
    found = cs.equivalent(chains[0], chains[1], shape)
    if as_json:
        emit_json(found.facts(), digits)
    else:
        emit(found, to=to, output=output, digits=digits)
    return 0 if found else 1
