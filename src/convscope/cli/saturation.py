"""``convscope saturation``: why an activation stops gradients, on paper."""

from __future__ import annotations

from pathlib import Path

import click

import convscope as cs
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.values import given_text, read_cell, reading


@click.command("saturation")
@click.argument("layers", nargs=-1, required=True, metavar="LAYER...")
@click.option(
    "--below", default="0.01", show_default=True, help="A slope smaller than this counts as saturated."
)
@click.option(
    "--layers", "depth", type=int, default=10, show_default=True,
    help="How many layers the chain has whose gradient is bounded.",
)  # fmt: skip
@click.option(
    "--input", "given", metavar="MATRIX", help="Work the gradient back through the layers from here."
)
@click.option(
    "--kernel", help="With --input: a convolution with this kernel before the layers; the size stays."
)
@click.option("--flip/--no-flip", help="With --kernel: true convolution. Cross-correlation otherwise.")
@click.option(
    "--of", callback=reading(read_cell), help="With --input: the output cell; all of them otherwise."
)
@to_option
@output_option
@digits_option
@json_option
def command(
    layers: tuple[str, ...],
    below: str,
    depth: int,
    given: str | None,
    kernel: str | None,
    of: tuple[int, ...] | None,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    flip: bool,
    as_json: bool,
) -> None:
    """Derive the slope of an activation, where it is flat, and what a chain of such layers leaves.

    \b
    For instance:
      convscope saturation sigmoid --below 0.01 --layers 10
      convscope saturation sigmoid "maxpool 2" --input "1 2; 3 4" --kernel "0 1; 1 0"
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    read = [cs.layer(words) for words in layers]
    if kernel is not None:
        read.insert(0, cs.Conv(cs.kernel(kernel), padding="same", flip=flip))
    source = None if given is None else cs.matrix(given_text(given))
    result = cs.saturation(*read, input=source, below=below, depth=depth, of=of)
    if as_json:
        emit_json(result.facts(), digits)
    else:
        emit(result, to=to, output=output, digits=digits)
