"""``convscope rewrite``: layers as other layers, as matrices, as products of matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.values import given_text, one_of, read_lengths, reading
from convscope.errors import InputError


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked for: the layers, and what further options say."""

    layers: tuple[cs.Layer, ...]
    words: str
    shape: tuple[int, ...] | None
    x: str | None
    terms: int | None

    @property
    def layer(self) -> Any:  # noqa: ANN401 - the function that is called says what it takes
        """The only layer.

        Raises:
            InputError: several layers.
        """
        if len(self.layers) != 1:
            raise InputError(f"one layer is taken here, got {len(self.layers)}")
        return self.layers[0]


def _matrix(ask: Ask) -> cs.LayerMatrix:
    if ask.shape is None:
        raise InputError("as-matrix needs the input's shape: --input 8x8, or 3x8x8 with channels")
    return cs.as_matrix(ask.layers, ask.shape)


def _gemm(ask: Ask) -> cs.Gemm:
    if ask.x is None:
        raise InputError("as-gemm needs an input: --x '1 2; 3 4'")
    return cs.as_gemm(ask.layer, cs.matrix(given_text(ask.x)))


def _fold(ask: Ask) -> cs.Rewritten:
    if len(ask.layers) != 2:
        raise InputError(f"fold takes two layers with 'then' between them, got {len(ask.layers)}")
    return cs.fold(*ask.layers)


WAYS: dict[str, Callable[[Ask], Any]] = {
    "as-conv": lambda ask: cs.as_conv(ask.layers, ask.shape),
    "as-matrix": _matrix,
    "as-gemm": _gemm,
    "compose": lambda ask: cs.compose(ask.layers, input_shape=ask.shape),
    "fold": _fold,
    "separate": lambda ask: cs.separate(ask.words, ask.terms),
    "to-correlation": lambda ask: cs.to_correlation(ask.layer),
}


@click.command("rewrite")
@click.argument("way", callback=reading(one_of(WAYS)), metavar="WAY")
@click.argument("layers")
@click.option(
    "-i",
    "--input",
    "input_shape",
    callback=reading(read_lengths),
    metavar="SHAPE",
    help="The input's shape: 8x8, or 3x8x8 with channels.",
)
@click.option("-x", "--x", metavar="MATRIX", help="For as-gemm: the input, as text or a CSV file.")
@click.option("--terms", type=click.IntRange(1), help="For separate: keep so many terms, with their error.")
@to_option
@output_option
@digits_option
@json_option
def command(
    way: str,
    layers: str,
    input_shape: int | tuple[int, ...] | None,
    x: str | None,
    terms: int | None,
    to: str | None,
    output: Path | None,
    digits: int,
    *,
    as_json: bool,
) -> None:
    """Rewrite LAYERS as something that does the same.

    WAY is one of as-conv, as-matrix, as-gemm, compose, fold, separate (LAYERS is then a kernel) and
    to-correlation. Layers are written as for 'equivalent', 'then' between them, weights in brackets.

    \b
    For instance:
      convscope rewrite as-conv "avgpool 2"
      convscope rewrite compose "conv [1 2 1], padding 1 then conv [1; 2; 1]"
      convscope rewrite separate "1 2 1; 2 4 2; 1 2 1"
      convscope rewrite as-matrix "conv [1 2; 3 4]" --input 4x4 -o matrix.html
    """  # noqa: D301 - click takes the backspace for "leave these lines as they are"
    words = given_text(layers)
    read = () if way == "separate" else cs.layers(words)
    shape = (input_shape,) if isinstance(input_shape, int) else input_shape
    found = WAYS[way](Ask(read, words, shape, x, terms))
    if as_json:
        emit_json(found.facts(), digits)
    else:
        emit(found, to=to, output=output, digits=digits)
