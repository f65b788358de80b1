"""The group of commands, each imported when it is called, and the one place where errors become words."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import click

from convscope.errors import ConvscopeError, FileMistakesError, nearest_name
from convscope.render.literal import visible_line
from convscope.version import __version__

BAD_USE = 2
# A word that begins with a minus and goes on as a number or a matrix: -1, -.5, -1,0,1, -(1 2; 3 4).
_NEGATIVE = re.compile(r"-\s*[\d.(\[\\]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: the module that holds it under the name ``command``, and what it does."""

    module: str
    purpose: str


COMMANDS = {
    "solve": Entry("convscope.cli.solve", "Solve a problem set and write the hand-out."),
    "conv": Entry("convscope.cli.conv", "Work out a convolution, and layers after it, cell by cell."),
    "size": Entry("convscope.cli.size", "Derive the output size of a convolution or pooling layer."),
    "net": Entry("convscope.cli.net", "Derive the output size of every layer of a network."),
    "equivalent": Entry(
        "convscope.cli.equivalent", "Prove two layers equal for every input, or show an input for which not."
    ),
    "rewrite": Entry(
        "convscope.cli.rewrite", "Write layers as a convolution, a matrix, one layer, or passes."
    ),
    "probe": Entry("convscope.cli.probe", "Say which layers of a network saturate, die or stop learning."),
    "apply": Entry("convscope.cli.apply", "Apply a kernel to pictures, folders of them, or huge files."),
    "describe": Entry("convscope.cli.describe", "Say what a kernel, or each filter of a file, detects."),
    "highlight": Entry("convscope.cli.highlight", "Mark where on a picture a kernel answers most."),
    "saturation": Entry("convscope.cli.saturation", "Derive why an activation stops gradients."),
}


class LazyGroup(click.Group):
    """The commands of the table, of which only the one that is called is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(entry.module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'; {nearest_name(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table as help shows it, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.purpose) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="convscope", message="%(prog)s %(version)s")
@click.pass_context
def convscope(context: click.Context) -> None:
    """Show the work of convolution, from one kernel to a whole network."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(words: Sequence[str]) -> int:
    """Run the command that the words name; every mistake a user can make is one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign shows its code instead of stopping the program.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Not convscope.main(): it would turn an interrupt or a closed pipe into an exit of its own.
        with convscope.make_context("convscope", protected(words)) as context:
            status = convscope.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        return _refuse(_usage(error))
    except FileMistakesError as error:
        more = len(error.mistakes) - 1
        return _refuse(error.mistakes[0] + (f" (and {more} more)" if more else ""))
    except ConvscopeError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit:  # Rich met the closed pipe first and leaves with 1, which here means a failed check
        return _closed_pipe()
    except OSError as error:
        return _refuse(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except MemoryError:
        return _refuse("there is not enough memory for this")
    return status if isinstance(status, int) else 0


def protected(words: Sequence[str]) -> list[str]:
    """Words that begin with a minus but are numbers or matrices, led by a space so that no option is seen.

    >>> protected(["conv", "-1 0; 0 -1", "-.5", "--flip", "-s", "-1"])
    ['conv', ' -1 0; 0 -1', ' -.5', '--flip', '-s', ' -1']
    """
    return [f" {word}" if _NEGATIVE.match(word) else word for word in words]


def _refuse(message: str) -> int:
    sys.stderr.write(f"convscope: {visible_line(message)}\n")
    return BAD_USE


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split()).removesuffix(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    return f"{message}; see '{context.command_path} --help'" if context is not None else message


def _closed_pipe() -> int:
    """The reader went away (``convscope … | head``): nobody is left to tell.

    The descriptor is pointed elsewhere so that Python's own flush at exit finds nothing to complain of.
    """
    with suppress(OSError, ValueError):  # a stream without a descriptor has nothing to redirect
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BAD_USE
