"""``convscope conv``: a matrix, a kernel, and layers after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli.output import (
    digits_option,
    emit,
    emit_code,
    emit_json,
    json_option,
    output_option,
    to_option,
)
from convscope.cli.values import (
    dilation_option,
    given_text,
    padding_option,
    read_cell,
    reading,
    stride_option,
)
from convscope.errors import InputError
from convscope.render.facts import derivation_steps
from convscope.show import Showable


@click.command("conv")
@click.argument("matrix")
@click.argument("kernel")
@stride_option
@padding_option
@dilation_option
@click.option("--padding-mode", default="zeros", show_default=True, help="What the padding holds.")
@click.option("--padding-value", default="0", help="The number that --padding-mode constant pads with.")
@click.option("--bias", help="A number added to every output cell.")
@click.option(
    "--flip/--no-flip", help="True convolution: rotate the kernel first. Cross-correlation otherwise."
)
@click.option(
    "--then", multiple=True, metavar="LAYER", help="A layer after it: sigmoid, 'maxpool 2' (repeatable)."
)
@click.option("--compare", is_flag=True, help="Show the other convention's result beside it.")
@click.option(
    "--cell", callback=reading(read_cell), help="Derive only this cell of the result, counted from 0."
)
@click.option(
    "--backward", is_flag=True,
    help="Work backwards: the gradient of the sum of the result, for every cell and weight.",
)  # fmt: skip
@click.option(
    "--code", "library", metavar="LIBRARY",
    help="Write the lines that compute the same in torch, keras, jax, numpy, scipy or opencv.",
)  # fmt: skip
@to_option
@output_option
@digits_option
@json_option
def command(
    matrix: str,
    kernel: str,
    then: tuple[str, ...],
    cell: tuple[int, ...] | None,
    library: str | None,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    compare: bool,
    backward: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - the options of cs.Conv
) -> None:
    """Work out MATRIX convolved with KERNEL: text with rows split by ';', a CSV file, - for standard input.

    \b
    For instance:
      convscope conv "0 1; 2 3" "1 0; 0 -1" --padding 1 --flip --then sigmoid
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    if matrix.strip() == kernel.strip() == "-":
        raise InputError("only one of the matrix and the kernel can be read from standard input")
    layer = cs.Conv(cs.kernel(given_text(kernel)), **options)
    layers = [layer, *(cs.layer(words) for words in then)]
    x = cs.matrix(given_text(matrix))
    if library is not None:
        program = cs.code(layers, library, x.shape)
        if as_json:
            emit_json({"library": program.library, "x": program.axes, "code": str(program)}, digits)
        else:
            emit_code(program, to=to, output=output, digits=digits)
        return
    other = "correlation" if options["flip"] else "convolution"
    solution = cs.solve(x, *layers, compare=other if compare else None)
    if backward:
        found = cs.backward(solution)
        shown: Showable = found if cell is None else found.stages[0].cell(*cell)
        facts = _backward_facts(found)
    else:
        shown = solution if cell is None else solution.stages[-1].cell(*cell)
        facts = _facts(solution, other) if cell is None else _cell_facts(solution, cell, digits)
    if as_json:
        emit_json(facts, digits)
    else:
        emit(shown, to=to, output=output, digits=digits)


def _facts(solution: cs.Solution, other: str) -> dict[str, object]:
    stages = [
        {"layer": repr(stage.layer), "shape": stage.value.shape, "value": stage.value}
        for stage in solution.stages
    ]
    facts: dict[str, object] = {"shape": solution.value.shape, "value": solution.value, "stages": stages}
    if solution.other is not None:
        facts["other"] = {"convention": other, "value": solution.other.value}
    return facts


def _cell_facts(solution: cs.Solution, cell: tuple[int, ...], digits: int) -> dict[str, object]:
    last = solution.stages[-1]
    derivation = last.cell(*cell)
    steps = derivation_steps(derivation, digits)
    return {"layer": repr(last.layer), "cell": cell, "value": derivation.value, "steps": steps}


def _backward_facts(found: cs.Backward) -> dict[str, object]:
    stages = [
        {"layer": repr(stage.layer), "gradient": stage.gradient, "value": stage.value, **stage.parameters}
        for stage in found.stages
    ]
    return {"value": found.value, "stages": stages}
