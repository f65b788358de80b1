"""``convscope net``: the size of every layer of a network."""

from __future__ import annotations

from pathlib import Path

import click

import convscope as cs
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.values import standard_input


@click.command("net")
@click.argument("file")
@to_option
@output_option
@digits_option
@json_option
def command(file: str, to: str | None, output: Path | None, digits: int, *, as_json: bool) -> None:
    """Derive the sizes of the network in FILE (one layer a line; - for standard input)."""
    network = cs.network(f"{standard_input()}\n" if file == "-" else Path(file))
    if as_json:
        rows = [{"name": row.name, "op": row.op, "output_shape": row.output_shape} for row in network.rows]
        emit_json({"rows": rows}, digits)
    else:
        emit(network, to=to, output=output, digits=digits)
