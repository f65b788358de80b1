"""``convscope size``: the output size of one layer, with its formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.values import dilation_option, padding_option, read_lengths, reading, stride_option
from convscope.render.facts import derivation_steps


@click.command("size")
@click.argument("size", callback=reading(read_lengths), metavar="SIZE")
@click.option(
    "-k", "--kernel", callback=reading(read_lengths), required=True, help="Kernel size in taps: 11, or 3x5."
)
@stride_option
@padding_option
@dilation_option
@click.option("--ceil", "ceil_mode", is_flag=True, help="Round up, as pools with ceil_mode do.")
@click.option("--transposed", is_flag=True, help="The size after a transposed convolution.")
@click.option(
    "--output-padding",
    callback=reading(read_lengths),
    default="0",
    show_default=True,
    help="With --transposed: cells added at the end.",
)
@to_option
@output_option
@digits_option
@json_option
def command(
    size: Any,  # noqa: ANN401 - a number or a tuple
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Derive the output size for an input of SIZE cells: 227, or 227x227."""
    derivation = cs.output_size(size, **options)
    if as_json:
        facts = {"size": size, **options, "value": derivation.value}
        emit_json({**facts, "steps": derivation_steps(derivation, digits)}, digits)
    else:
        emit(derivation, to=to, output=output, digits=digits)
