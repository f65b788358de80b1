"""``convscope net``: everything about the layers of a network, without running it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli import net_facts as facts
from convscope.cli.net_values import read_field, read_shape, read_sweep
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
from convscope.cli.values import reading, standard_input
from convscope.errors import InputError
from convscope.render.csv import to_csv
from convscope.render.files import write_whole
from convscope.show import Showable

CHECK_FAILED = 1
ON_SCREEN = ("costs", "fields", "memory", "lint")


@dataclass(frozen=True, slots=True)
class View:
    """One thing that is asked of a network.

    Attributes:
        option: how it is asked for.
        result: the one public call, given the network and the options.
        facts: the same for programs.
        failed: whether the answer is one that ends with status 1.
    """

    option: str
    result: Callable[[cs.Network, dict[str, Any]], Any]
    facts: Callable[[Any], dict[str, Any]]
    failed: Callable[[Any], bool] = lambda _: False


class Same(Showable):
    """Two networks that do not differ."""

    def document(self) -> cs.Document:
        """One sentence."""
        return facts.same_document()


def _field(network: cs.Network, options: dict[str, Any]) -> Any:  # noqa: ANN401
    layer, cell = options["field"]
    found = network.field_of(layer, cell)
    image = options["image"]
    return found if image is None else found.on(cs.read_picture(image).pixels)


def _sweep(network: cs.Network, options: dict[str, Any]) -> Any:  # noqa: ANN401
    letter, sizes = options["sweep"]
    return network.evaluate(**{letter: sizes}).report()


VIEWS: dict[str, View] = {
    "layer": View("--layer", lambda net, given: net[given["layer"]].explain(), facts.derivation),
    "convention": View("--convention", lambda net, given: net.count(given["convention"]), facts.count),
    "against": View(
        "--against",
        lambda net, given: net.difference(_read(given["against"], None)) or Same(),
        facts.difference,
        failed=lambda found: not isinstance(found, Same),
    ),
    "field": View("--field", _field, facts.field),
    "sweep": View("--sweep", _sweep, lambda found: found.facts()),
    "backwards": View("--backwards", lambda net, _: net.valid_inputs(), facts.valid_inputs),
    "memory": View(
        "--memory",
        lambda net, given: net.memory(training=given["training"], batch=given["batch"]),
        facts.memory,
    ),
    "strict": View(
        "--strict",
        lambda net, given: net.lint(given["object_size"]),
        facts.lint,
        failed=bool,
    ),
}


@click.command("net")
@click.argument("file")
@click.option(
    "--input",
    "input_shape",
    callback=reading(read_shape),
    metavar="SHAPE",
    help="Shape of one item, 3x224x224, where the file leaves it open.",
)
@click.option("--layer", metavar="NAME", help="Derive everything about one layer.")
@click.option(
    "--convention", metavar="NAME", help="Count as a published counter does, and say where it differs."
)
@click.option("--against", metavar="FILE", help="Compare with another network; status 1 where they differ.")
@click.option(
    "--field",
    callback=reading(read_field),
    metavar="LAYER[:Y,X]",
    help="The input cells that one cell of a layer sees; the middle cell when none is named.",
)
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="PICTURE", help="With --field: draw them on this."
)
@click.option(
    "--sweep", callback=reading(read_sweep), metavar="H=FROM..TO[:STEP]", help="Costs over many input sizes."
)
@click.option("--backwards", is_flag=True, help="Which input sizes run, and which drop nothing.")
@click.option("--memory", is_flag=True, help="What is held when memory is fullest.")
@click.option("--training", is_flag=True, help="With --memory: of a pass forward and back.")
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="With --memory: items at once."
)
@click.option("--strict", is_flag=True, help="What speaks against the network; status 1 where anything does.")
@click.option(
    "--object-size", type=click.IntRange(1), metavar="N", help="With --strict: pixels of what is to be seen."
)
@click.option(
    "--draw", type=click.Path(path_type=Path), metavar="SVG", help="Write a drawing of the network."
)
@click.option("--csv", "as_csv", is_flag=True, help="Write the layers as CSV.")
@to_option
@output_option
@digits_option
@json_option
def command(file: str, **given: Any) -> int:  # noqa: ANN401 - options by name
    """Derive sizes, parameters, MACs, memory and fields of the network in FILE, without running it.

    FILE is text with one layer a line, .onnx or .keras; - reads text from standard input.
    """
    view = _view(given)
    with Waiting("reading the network"):
        network = _read(file, given["input_shape"])
    if given["draw"] is not None:
        with Waiting("drawing"):
            click.echo(f"wrote {write_whole(given['draw'], network.draw().svg)}", err=view is not None)
        if view is None and not (given["as_json"] or given["as_csv"] or given["output"] or given["to"]):
            return 0
    if view is None:
        # A screen has no room for every derivation; a page has, and --layer shows one.
        to_screen = given["to"] in (None, TERMINAL) and given["output"] is None
        _show(network.report(*ON_SCREEN) if to_screen else network, network.facts, given)
        return 0
    with Waiting("working"):
        found = view.result(network, given)
    _show(found, lambda: view.facts(found), given)
    return CHECK_FAILED if view.failed(found) else 0


def _view(given: dict[str, Any]) -> View | None:
    """The one thing that is asked; None for everything.

    Raises:
        InputError: two things at once, or an option without the one it belongs to.
    """
    asked = [name for name in VIEWS if given[name]]
    if len(asked) > 1:
        raise InputError(" and ".join(VIEWS[name].option for name in asked) + " are asked for; ask for one")
    for option, owner in (("image", "field"), ("training", "memory"), ("object_size", "strict")):
        if given[option] and not given[owner]:
            raise InputError(f"--{option.replace('_', '-')} belongs to --{owner}")
    if given["as_csv"] and (given["as_json"] or asked not in ([], ["sweep"])):
        raise InputError("--csv writes the layers, or the sizes of --sweep, and nothing else")
    return VIEWS[asked[0]] if asked else None


def _read(file: str, input_shape: Any) -> cs.Network:  # noqa: ANN401 - a shape or None
    is_text = file == "-" or Path(file).suffix.lower() in {".txt", ".net"}
    source = f"{standard_input()}\n" if file == "-" else Path(file)
    if not is_text or input_shape is None:
        return cs.network(source, input_shape)
    network = cs.network(source)
    if not network.graph.variables:
        raise InputError("--input is for networks that leave their input open; this one says its own")
    found: cs.Network = network.at_shape(input_shape)  # type: ignore[attr-defined]  # letters have it
    return found


def _show(result: Showable, make_facts: Callable[[], dict[str, Any]], given: dict[str, Any]) -> None:
    output, digits = given["output"], given["digits"]
    if given["as_csv"]:
        content = to_csv(make_facts()["rows"])
        if output is None or str(output) == "-":
            sys.stdout.buffer.write(content.encode())  # UTF-8 whatever the locale says
        else:
            click.echo(f"wrote {write_whole(output, content)}")
    elif given["as_json"]:
        emit_json(make_facts(), digits)
    else:
        with Waiting("writing"):
            emit(result, to=given["to"], output=output, digits=digits)
