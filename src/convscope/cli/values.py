"""What stands for a value on the command line: sizes, padding, cells, matrices, and - for standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from convscope.errors import InputError, nearest_name

MAX_INPUT_BYTES = 2**26

_LENGTHS = re.compile(r"[+-]?\d{1,18}(?:[x×,][+-]?\d{1,18})*\Z", re.ASCII)
_SIDES = re.compile(r"(\d{1,18}):(\d{1,18})\Z", re.ASCII)


def reading(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A click callback that reads a word; what `read` refuses becomes a usage error naming the option."""

    def callback(context: click.Context, parameter: click.Parameter, word: str | None) -> Any:  # noqa: ANN401
        if word is None:
            return None
        try:
            return read(word.strip())
        except InputError as error:
            raise click.BadParameter(str(error), ctx=context, param=parameter) from None

    return callback


def read_lengths(written: str) -> int | tuple[int, ...]:
    """One whole number, or one for each axis.

    >>> read_lengths("11"), read_lengths("3x5")
    (11, (3, 5))
    """
    if not _LENGTHS.match(written):
        raise InputError(f"'{written}' is not a whole number, nor one for each axis such as 3x5")
    lengths = tuple(int(length) for length in re.split(r"[x×,]", written))
    return lengths if len(lengths) > 1 else lengths[0]


def read_padding(written: str) -> int | str | tuple[Any, ...]:
    """Padding: a number, one for each axis, before:after for each axis, ``same`` or ``valid``.

    >>> read_padding("1"), read_padding("1:2x0:1"), read_padding("same")
    (1, ((1, 2), (0, 1)), 'same')
    """
    if written in {"same", "valid"}:
        return written
    parts = re.split(r"[x×,]", written)
    if ":" not in written:
        return read_lengths(written)
    pairs = [_SIDES.match(part) for part in parts]
    if None in pairs:
        raise InputError(
            f"'{written}' is not padding; write 1, 1x2 (one for each axis), 1:2 (before and after), "
            "1:2x0:1, 'same' or 'valid'"
        )
    return tuple((int(pair[1]), int(pair[2])) for pair in pairs if pair)


stride_option = click.option(
    "-s", "--stride", callback=reading(read_lengths), default="1", show_default=True,
    help="Step of the window: 2, or 1x2 (one for each axis).",
)  # fmt: skip

padding_option = click.option(
    "-p", "--padding", callback=reading(read_padding), default="0", show_default=True,
    help="Cells added on each side: 1, 1x2, 1:2 (before:after), same, valid.",
)  # fmt: skip

dilation_option = click.option(
    "-d", "--dilation", callback=reading(read_lengths), default="1", show_default=True,
    help="Distance between neighbouring taps: 2, or 1x2; 1 is dense.",
)  # fmt: skip


def read_cell(written: str) -> tuple[int, ...]:
    """A cell's index, counted from 0: ``0,1``, or ``channel,0,1``.

    >>> read_cell("0,1")
    (0, 1)
    """
    if not re.match(r"\d{1,9}(?:\s*,\s*\d{1,9})*\Z", written, re.ASCII):
        raise InputError(f"'{written}' is not a cell such as 0,1 (row and column, counted from 0)")
    return tuple(int(position) for position in written.split(","))


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """A reader of one of the known words; the nearest one is suggested for any other."""
    words = list(known)

    def read(written: str) -> str:
        if written not in words:
            raise InputError(f"'{written}' is not known; {nearest_name(written, words)}")
        return written

    return read


def given_text(word: str) -> str:
    """The word itself, or all of standard input for ``-``.

    Raises:
        InputError: standard input is not UTF-8, or too much.
    """
    return standard_input() if word.strip() == "-" else word


def standard_input() -> str:
    """All of standard input, as text."""
    content = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    if len(content) > MAX_INPUT_BYTES:
        raise InputError(f"standard input: more than {MAX_INPUT_BYTES} bytes; up to so many are read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("standard input: not UTF-8 text") from None
