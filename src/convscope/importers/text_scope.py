"""From the lines of a network's text to its layers: names, what each reads, blocks written out.

The lines between which names are known are a scope: the whole text, or one use of a block. A
scope is read once for each set of parameters; how many layers it makes is counted before any is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from convscope.core.layer import Layer
from convscope.core.network import MAX_NODES, Node, check_name, hint
from convscope.errors import ConvscopeError, InputError
from convscope.importers.text_blocks import MAX_DEPTH, Block, is_end, is_header, read_block
from convscope.importers.text_line import Call, LineReader, Statement, quick_statement, short
from convscope.importers.text_words import Entry

# A name before a layer; what stands behind it is the layer's.
NAMED = re.compile(r"\s*([^\s,:()#]+)\s*:")
MAX_NAMED = 2 * MAX_NODES  # names of lines that are never used take memory too
_ENTRY = re.compile(r"in[0-9]*\Z")


@dataclass(frozen=True, slots=True)
class Line:
    """A statement with its name, if it has one, and its place."""

    statement: Statement
    name: str
    number: int
    shift: int  # how far right of column 1 the statement's columns begin

    def error(self, message: str, column: int | None = None) -> InputError:
        """The error that says `message` about a column of the statement; about the layer when not given."""
        place = (self.statement.column if column is None else column) + self.shift
        return InputError(f"line {self.number}, column {place}: {message}")


@dataclass
class Scope:
    """Lines with their names; `steps` are the lines of one scope, each with the names of what it makes."""

    lines: list[Line]
    names: list[tuple[str, ...]]
    known: dict[str, int] = field(default_factory=dict)  # every name -> the line it is of
    bodies: dict[int, Scope] = field(default_factory=dict)  # the scope of each line that uses a block
    size: int = 0


class Reader:
    """Reads the scopes of one text; remembers those of blocks."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[int, tuple[str, ...]], Scope] = {}
        self.nodes: list[Node] = []
        self.named = 0

    # --- scopes -------------------------------------------------------------------------------

    def whole(self, text: str) -> Scope:
        """The scope of a whole text.

        Raises:
            InputError: led by line and column.
        """
        blocks: dict[str, Block] = {}
        lines = list(_statements(_without_blocks(text, blocks), {}, blocks))
        return self._scope(lines, depth=0)

    def _scope(self, lines: list[Line], depth: int) -> Scope:
        self.named += sum(line.statement.count for line in lines)
        if self.named > MAX_NAMED:
            raise lines[-1].error(f"written out, the network has more than {MAX_NODES} layers")
        scope = Scope(lines, list(_names(lines)))
        for place, names in enumerate(scope.names):
            for name in names:
                scope.known[name] = place
            line = lines[place]
            if line.name and line.statement.count > 1:
                scope.known[line.name] = place  # the last of those that are repeated
            size = 1
            if isinstance(line.statement.built, Call):
                scope.bodies[place] = self._body(line, line.statement.built, depth + 1)
                size = scope.bodies[place].size
            scope.size += size * line.statement.count
        scope.size -= sum(isinstance(line.statement.built, Entry) for line in lines)
        if scope.size > MAX_NODES:
            raise InputError(f"the network has {scope.size} layers; at most {MAX_NODES} are read")
        return scope

    def _body(self, line: Line, call: Call, depth: int) -> Scope:
        key = (id(call.block), call.values)
        found = self.bodies.get(key)
        if found is not None:
            return found
        if depth > MAX_DEPTH:
            raise line.error(f"blocks are used inside blocks more than {MAX_DEPTH} deep")
        values = dict(zip(call.block.parameters, call.values, strict=True))
        try:
            lines = list(_statements(call.block.lines, values, call.block.known))
            for inner in lines:
                _check_inner(inner)
            self.bodies[key] = self._scope(lines, depth)
        except InputError as error:
            if " (in block '" in str(error):  # the innermost use is the one that tells
                raise
            raise InputError(f"{error} (in block '{call.block.name}', used in line {line.number})") from None
        return self.bodies[key]

    # --- layers -------------------------------------------------------------------------------

    def write_out(self, scope: Scope, prefix: str = "", given: tuple[str, ...] = (), used: str = "") -> None:
        """Append the layers of a scope: its names led by `prefix`, reading `given` from outside."""
        before = given[0] if given else ""
        for place, line in enumerate(scope.lines):
            statement = line.statement
            if isinstance(statement.built, Entry):
                before = prefix + scope.names[place][0]
                continue
            sources = tuple(self._source(scope, line, token, prefix, given) for token in statement.sources)
            if not sources:
                if not before:
                    raise line.error(
                        "there is nothing to read yet; begin with a line such as 'input 3x227x227'"
                    )
                sources = (before,)
            if statement.is_join and len(sources) < 2:
                raise line.error(f"{statement.stem} joins several inputs; write 'from' and their names")
            for name in scope.names[place]:
                self._write(scope, place, prefix + name, sources, used)
                sources = (output_of(scope, place, prefix, name),)
            before = sources[0]

    def _write(self, scope: Scope, place: int, name: str, sources: tuple[str, ...], used: str) -> None:
        line = scope.lines[place]
        if isinstance(line.statement.built, Layer):
            self.nodes.append(Node(name, line.statement.built, sources, f"line {line.number}{used}"))
        else:
            told = used or f", used in line {line.number}"
            self.write_out(scope.bodies[place], f"{name}.", sources, told)

    def _source(self, scope: Scope, line: Line, token: object, prefix: str, given: tuple[str, ...]) -> str:
        text: str = token.text  # type: ignore[attr-defined]
        if given and _ENTRY.match(text) and text not in scope.known:
            place = int(text[2:] or 1) - 1
            if not 0 <= place < len(given):
                told = f"there is no '{short(text)}'; the block reads {len(given)} here: in" + (
                    f" to in{len(given)}" if len(given) > 1 else ""
                )
                raise line.error(told, token.column)  # type: ignore[attr-defined]
            return given[place]
        place_of = scope.known.get(text)
        if place_of is None:
            told = f"there is no '{short(text)}' to read; {hint(text, scope.known)}"
            raise line.error(told, token.column)  # type: ignore[attr-defined]
        name = text if text in scope.names[place_of] else scope.names[place_of][-1]
        return output_of(scope, place_of, prefix, name)


def output_of(scope: Scope, place: int, prefix: str, name: str) -> str:
    """The name of the layer whose output is that of a line: the last one of a block."""
    body = scope.bodies.get(place)
    while body is not None:
        prefix, scope, place = f"{prefix}{name}.", body, len(body.lines) - 1
        name = scope.names[place][-1]
        body = scope.bodies.get(place)
    return prefix + name


# --- lines ------------------------------------------------------------------------------------


def _without_blocks(text: str, blocks: dict[str, Block]) -> Iterator[tuple[int, str]]:
    """The lines outside of blocks; the blocks are read into `blocks` on the way."""
    inside: list[tuple[int, str]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if inside:
            if is_header(line):
                raise InputError(
                    f"line {number}, column 1: a block begins inside the block of line {inside[0][0]}"
                )
            if is_end(line):
                block = read_block(inside, blocks)
                blocks[block.name] = block
                inside = []
            else:
                inside.append((number, line))
        elif is_header(line):
            inside.append((number, line))
        elif is_end(line):
            raise InputError(f"line {number}, column 1: 'end' stands without a block")
        else:
            yield number, line
    if inside:
        raise InputError(f"line {inside[0][0]}, column 1: the block has no 'end'")


def _statements(
    lines: Iterable[tuple[int, str]], values: Mapping[str, str], blocks: Mapping[str, Block]
) -> Iterator[Line]:
    seen: dict[str, Statement | None] = {}  # deep networks repeat their layers
    for number, line in lines:
        name = NAMED.match(line)
        shift = 0 if name is None else name.end()
        rest = line[shift:]
        if rest not in seen:
            found = None if values else quick_statement(rest)
            seen[rest] = found or LineReader(rest, f"line {number}, ", shift + 1, values, blocks).statement()
        statement = seen[rest]
        if statement is not None:
            yield Line(statement, "" if name is None else name[1], number, shift)
        elif name is not None:
            raise InputError(f"line {number}, column {shift + 1}: a layer is missing after the name")


def _check_inner(line: Line) -> None:
    if isinstance(line.statement.built, Entry):
        raise line.error("a block has no inputs of its own; it reads what its use reads, called 'in'")
    if _ENTRY.match(line.name):
        raise line.error(f"'{line.name}' is what a block reads; take another name", 1 - line.shift)


def _names(lines: list[Line]) -> Iterator[tuple[str, ...]]:
    """The names of each line: as given, or what it does and the first number that is free."""
    owners: dict[str, Line] = {}
    for line in lines:
        owner = owners.setdefault(line.name, line) if line.name else line
        if owner is line and line.name:
            _check_named(line)
        elif owner is not line:
            raise line.error(f"the name '{short(line.name)}' is taken by line {owner.number}", 1 - line.shift)
    counts: dict[str, int] = {}
    for line in lines:
        count = line.statement.count
        if not line.name:
            yield tuple(_free_name(line.statement.stem, counts, owners) for _again in range(count))
        elif count == 1:
            yield (line.name,)
        else:
            yield tuple(f"{line.name}.{number}" for number in range(1, count + 1))


def _check_named(line: Line) -> None:
    try:
        check_name("layer", line.name)
    except ConvscopeError as error:
        raise line.error(str(error), 1 - line.shift) from None


def _free_name(stem: str, counts: dict[str, int], taken: Mapping[str, object]) -> str:
    while True:
        counts[stem] = counts.get(stem, 0) + 1
        # A single input needs no number.
        name = stem if stem == "input" and counts[stem] == 1 else f"{stem}{counts[stem]}"
        if name not in taken:
            return name
