"""Blocks of a network's text: lines under a name, with parameters, written once and used many times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from convscope.errors import InputError
from convscope.importers.text_line import short
from convscope.importers.text_words import WORDS

# Blocks use blocks above them, so that none uses itself; deeper nesting helps nobody.
MAX_DEPTH = 32
MAX_PARAMETERS = 100

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_STARTS = re.compile(r"\s*block(?=\s|$)", re.IGNORECASE)
_ENDS = re.compile(r"\s*end\s*(#.*)?\Z", re.IGNORECASE)
_HEADER = re.compile(
    r"\s*block\s+(?P<name>[^\s(#]+)\s*(?:\((?P<parameters>[^()#]*)\))?\s*(?:#.*)?\Z", re.IGNORECASE
)
_RESERVED = frozenset(("from", "no", "block", "end", "in"))


@dataclass(frozen=True)
class Block:
    """A definition: its lines as they are written, with their numbers.

    Attributes:
        name: the word that uses it.
        parameters: in order.
        defaults: the words they stand for when nothing is given.
        lines: (number, text) of each line.
        known: the blocks above it, which its lines may use.
    """

    name: str
    parameters: tuple[str, ...]
    defaults: Mapping[str, str]
    lines: tuple[tuple[int, str], ...] = field(repr=False)
    known: Mapping[str, Block] = field(repr=False)


def is_header(line: str) -> bool:
    """Whether the line begins a block: ``block unit(width)``."""
    return _STARTS.match(line) is not None


def is_end(line: str) -> bool:
    """Whether the line is ``end``."""
    return _ENDS.match(line) is not None


def read_block(lines: list[tuple[int, str]], known: Mapping[str, Block]) -> Block:
    """The block that these lines define, the one with ``block`` first, the one with ``end`` left out.

    Raises:
        InputError: led by line and column.
    """
    number, header = lines[0]

    def refused(column: int, message: str) -> InputError:
        return InputError(f"line {number}, column {column}: {message}")

    found = _HEADER.match(header)
    if found is None:
        column = len(header) - len(header.lstrip()) + 1
        raise refused(
            column, "a block begins with its name and parameters, as in 'block unit(width, stride=1)'"
        )
    name, start = found["name"].lower(), found.start("name") + 1
    if not _NAME.match(name) or name in _RESERVED or re.fullmatch(r"x[0-9]+|in[0-9]+", name):
        raise refused(start, f"'{short(found['name'])}' cannot be a block's name; take letters, digits and _")
    if name in WORDS or name in known:
        what = "a layer's word" if name in WORDS else "the name of another block"
        raise refused(start, f"'{name}' is {what} already")
    parameters: dict[str, str | None] = {}
    column = found.start("parameters") + 1
    for written in (found["parameters"] or "").split(",") if (found["parameters"] or "").strip() else ():
        parameter, sign, default = (part.strip() for part in written.lower().partition("="))
        here = column + len(written) - len(written.lstrip())
        if not _NAME.match(parameter) or parameter in _RESERVED or re.fullmatch(r"x[0-9]+", parameter):
            raise refused(here, f"'{short(written.strip())}' is not a parameter; write 'width' or 'stride=1'")
        if parameter in parameters:
            raise refused(here, f"the parameter {parameter} is there twice")
        if sign and not re.fullmatch(r"[^\s,:()=]+", default):
            raise refused(here, f"'{short(default)}' is not a value that {parameter} may have")
        parameters[parameter] = default if sign else None
        column += len(written) + 1
    if len(parameters) > MAX_PARAMETERS:
        raise refused(start, f"a block has at most {MAX_PARAMETERS} parameters")
    if len(lines) == 1 or all(not text.partition("#")[0].strip() for _number, text in lines[1:]):
        raise refused(start, f"the block '{name}' has no lines")
    defaults = {parameter: value for parameter, value in parameters.items() if value is not None}
    return Block(name, tuple(parameters), defaults, tuple(lines[1:]), dict(known))
