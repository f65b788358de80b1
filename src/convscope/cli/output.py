"""Where a result goes: the terminal, standard output in a format, a file, or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

import convscope as cs
from convscope.cli.values import one_of, reading
from convscope.errors import InputError
from convscope.render.facts import to_json
from convscope.render.files import FORMATS, write_document, write_whole
from convscope.render.pictures import picture_files
from convscope.show import DEFAULT_DIGITS, Showable

TERMINAL = "terminal"
MAX_DIGITS = 1000

Command = TypeVar("Command", bound=Callable[..., Any])


def digits_option(command: Command) -> Command:
    """``--digits``: how many decimals a rounded number carries."""
    return click.option(
        "--digits",
        type=click.IntRange(0, MAX_DIGITS),
        default=DEFAULT_DIGITS,
        show_default=True,
        help="Decimals of a rounded number; every one is correct.",
    )(command)


def to_option(command: Command) -> Command:
    """``--to``: the form of the output."""
    return click.option(
        "--to",
        "to",
        callback=reading(one_of((TERMINAL, *FORMATS))),
        metavar="FORM",
        help=f"Form of the output: {', '.join((TERMINAL, *FORMATS))}.",
    )(command)


def json_option(command: Command) -> Command:
    """``--json``: the facts for a program."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write the facts as JSON: exact values, and their decimals."
    )(command)


def output_option(command: Command) -> Command:
    """``-o``: the file to write."""
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
        help="Write this file; its suffix names the form when --to does not.",
    )(command)  # fmt: skip


def emit_json(facts: Mapping[str, object], digits: int) -> None:
    """Facts as JSON on standard output, in UTF-8 whatever the locale says, as JSON is."""
    sys.stdout.buffer.write((to_json(facts, digits=digits) + "\n").encode())


def emit(result: Showable, *, to: str | None, output: Path | None, digits: int) -> None:
    """Show a result on standard output, or write it to a file."""
    if output is not None and str(output) != "-":
        if to == TERMINAL:
            raise InputError(f"--to {TERMINAL} writes no file; leave out -o, or write --to txt")
        click.echo(f"wrote {write_document(result.document(), output, format=to, digits=digits)}")
    elif to in (None, TERMINAL):
        _print(result, digits)
    else:
        _write_stream(result, str(to), digits)


def _print(result: Showable, digits: int) -> None:
    from convscope.render.terminal import print_document

    print_document(result.document(), digits=digits)


def _write_stream(result: Showable, to: str, digits: int) -> None:
    document = result.document()
    content = FORMATS[to].render(document, digits)
    if isinstance(content, bytes):
        if sys.stdout.isatty():
            raise InputError(
                f"--to {to} is not for a terminal; name a file with -o, or send it through a pipe"
            )
        sys.stdout.buffer.write(content)
        return
    # Bytes, so that the text is UTF-8 whatever the locale says.
    sys.stdout.buffer.write(content.encode())
    pictures = picture_files(document) if FORMATS[to].has_linked_pictures else {}
    if pictures:
        count = len(pictures)
        click.echo(
            f"convscope: {count} picture{'' if count == 1 else 's'} that the text names "
            f"{'is' if count == 1 else 'are'} not written; name a file to have them beside it",
            err=True,
        )


def emit_code(program: cs.Code, *, to: str | None, output: Path | None, digits: int) -> None:
    """A program as it is, ready to be run; where a form is named, as a document of that form."""
    if to is not None:
        emit(program, to=to, output=output, digits=digits)
    elif output is not None and str(output) != "-":
        click.echo(f"wrote {write_whole(output, program)}")
    else:
        sys.stdout.buffer.write(program.encode())
