"""A network written as text, one layer a line; `docs/network_text.md` has the grammar.

Reading is in three parts: a line becomes tokens, the tokens become a statement by the table in
`text_words`, and the statements become a graph once every name is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from convscope.core.layer import Layer
from convscope.core.network import MAX_NODES, Graph, Input, Node, Shape, check_name, hint
from convscope.errors import ConvscopeError, InputError, ShapeError, nearest_name
from convscope.importers.text_words import CROSS, INTEGER, PAIR, WORDS, Option, Word
from convscope.rules.network import Network

# A name before a layer; what stands behind it is the layer's.
_NAME = re.compile(r"\s*([^\s,:()#]+)\s*:")

MAX_LINE = 10_000
MAX_LINES = MAX_NODES + 10_000  # room for inputs and comments
MAX_BYTES = 16_000_000

_SIDE = rf"(?:{INTEGER}|{PAIR})"
_TOKEN = re.compile(
    rf"(?P<blank>\s+)"
    rf"|(?P<mark>[,:])"
    rf"|(?P<sides>{_SIDE}(?:{CROSS}{_SIDE})*(?=[\s,:]|\Z))"  # brackets may hold commas and blanks
    rf"|(?P<word>[^\s,:()]+)"
    rf"|(?P<stray>.)"
)


_BLANKS = str.maketrans("\t\u00a0", "  ")  # a no-break space comes with text copied from a page


def read_network(text: str, name: str = "") -> Network:
    r"""The network that the text describes.

    Args:
        text: one layer a line.
        name: what the network is called.

    Raises:
        InputError: led by line and column, counted from 1; sizes that do not fit are led by the
            layer's name.

    >>> read_network("input 3x32x32\nconv 5x5, 6\nmaxpool 2")["pool1"].output_shape
    (6, 14, 14)
    """
    return Network(read_graph(text, name))


def read_file(path: Path) -> Network:
    """The network that a text file describes, called by the file's name.

    Raises:
        InputError: a file that cannot be read, or its first mistake, led by path, line and column.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)  # no more, however large the file is
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        told = getattr(error, "strerror", None) or "it cannot be read"
        raise InputError(f"{path}: {told}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: the file is larger than {MAX_BYTES} bytes")
    try:
        return read_network(content.decode("utf-8-sig"), path.stem)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8 text") from None
    except ConvscopeError as error:
        raise error.within(str(path)) from None


def parse_layer(words: str) -> Layer:
    """The layer that one line describes, without a name: ``"maxpool 3x3, stride 2"``.

    Raises:
        InputError: led by the column, counted from 1.

    >>> parse_layer("maxpool 3x3, stride 2, ceil")
    MaxPool((3, 3), stride=2, ceil_mode=True)
    """
    if not isinstance(words, str):
        raise InputError(f"a layer is written as text such as 'maxpool 2', got {type(words).__name__}")
    if "\n" in words.strip():
        raise InputError("there are several lines; a layer is written on one")
    statement = None if _NAME.match(words) else _LineReader(words.rstrip()).statement()
    if statement is None or isinstance(statement.built, tuple) or statement.sources:
        raise InputError(
            f"'{_short(words)}' is not a layer on its own; write a word and its options, such as 'maxpool 2'"
        )
    return statement.built


# --- one line ---------------------------------------------------------------------------------


class _Token(NamedTuple):  # there are many; a tuple is made fastest
    kind: str
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one line says, its name left aside: a layer or an input's shape, and what it reads."""

    word: Word
    built: Layer | Shape
    sources: tuple[_Token, ...]
    column: int


class _LineReader:
    """Reads one layer; `place` leads its errors, before the column: ``line 3, ``.

    The text starts in column `start` of its line; what stood before it has been read already. Tokens
    count their columns from the text's own start.
    """

    def __init__(self, text: str, place: str = "", start: int = 1) -> None:
        self.place = place
        self.start = start
        if len(text) > MAX_LINE:
            raise self.error(MAX_LINE + 1, f"the line is longer than {MAX_LINE} characters")
        self.end = len(text) + 1
        self.tokens = list(self._tokens(text.partition("#")[0]))
        self.position = 0
        self.columns: dict[str, int] = {}  # where each option was read

    def error(self, column: int, message: str) -> InputError:
        """The error that says `message` about this column."""
        return InputError(f"{self.place}column {self.start - 1 + column}: {message}")

    def _tokens(self, text: str) -> Iterator[_Token]:
        if not text.translate(_BLANKS).isprintable():
            column, sign = next(
                (n, c) for n, c in enumerate(text, 1) if not (c.isprintable() or c in "\t\u00a0")
            )
            raise self.error(column, f"the character {sign!a} cannot be shown; only printable text is read")
        for found in _TOKEN.finditer(text):
            kind, column = str(found.lastgroup), found.start() + 1
            if kind == "stray":
                told = "is out of place; brackets hold a (before,after) pair of numbers"
                raise self.error(column, f"'{found[0]}' {told}")
            if kind != "blank":
                yield _Token(kind, found[0], column)

    # Looking and taking.

    def _peek(self) -> _Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _at(self, text: str) -> bool:
        token = self._peek()
        return token is not None and token.text.lower() == text

    def _take(self, told: str) -> _Token:
        """The next token, which must be a word or a value."""
        token = self._peek()
        if token is None:
            raise self.error(self.end, f"{told} is missing at the end of the line")
        if token.kind == "mark":
            raise self.error(token.column, f"expected {told}, got '{token.text}'")
        self.position += 1
        return token

    # The grammar, a method for each rule.

    def statement(self) -> _Statement | None:
        """``word [items] ["from" names]``; None for an empty line."""
        if not self.tokens:
            return None
        token = self._take("a layer such as 'conv'")
        word = WORDS.get(token.text.lower())
        if word is None:
            raise self.error(
                token.column, f"unknown layer '{_short(token.text)}'; {nearest_name(token.text, WORDS)}"
            )
        given = self._items(word)
        sources = self._sources()
        self._check_required(word, given, token)
        try:
            built = word.build(**given)
        except ConvscopeError as error:
            raise self.error(self._blamed(str(error), token), str(error)) from None
        return _Statement(word, built, sources, token.column)

    def _items(self, word: Word) -> dict[str, Any]:
        given: dict[str, Any] = {}
        while (token := self._peek()) is not None and not self._at("from"):
            if given:
                if token.text != ",":
                    raise self.error(token.column, f"expected ',' before '{_short(token.text)}'")
                self.position += 1
                if self._at("from"):
                    break
            start = self._take("an option")
            option, value = self._item(word, start, given)
            if option.parameter in given:
                raise self.error(start.column, f"{option.word} is given twice")
            given[option.parameter] = value
            self.columns[option.parameter] = start.column
        return given

    def _blamed(self, refusal: str, layer: _Token) -> int:
        """The column of the option that a constructor's refusal is about, or of the layer."""
        found = re.search(r"(\w+)=", refusal)
        return self.columns.get(found[1], layer.column) if found is not None else layer.column

    def _item(self, word: Word, token: _Token, given: dict[str, Any]) -> tuple[Option, Any]:
        """A flag, "no" and a flag, an option with its value, a word that one option takes, or a value."""
        text = token.text.lower()
        if text == "no":
            flag = self._take("what there is none of")
            option = _named(word, flag.text.lower())
            if option is None or not option.kind.is_flag:
                flags = [entry.word for entry in word.options if entry.kind.is_flag]
                known = nearest_name(flag.text, flags) if flags else f"{word.name} has no such option"
                raise self.error(flag.column, f"'no {_short(flag.text)}' has no meaning; {known}")
            return option, False
        option = _named(word, text)
        if option is not None:
            if option.kind.is_flag:
                return option, True
            return option, self._value(word, option, self._take(f"the value of {option.word}"))
        option = next((entry for entry in word.options if text in entry.kind.words), None)
        if option is not None:
            return option, text
        return self._positional(word, token, given)

    def _positional(self, word: Word, token: _Token, given: dict[str, Any]) -> tuple[Option, Any]:
        free = [entry for entry in word.options[: word.positional] if entry.parameter not in given]
        is_value = re.match(rf"[-+.]?[0-9(]|{CROSS}[0-9]", token.text) is not None
        if free and is_value:
            return free[0], self._value(word, free[0], token)
        known = [entry.word for entry in word.options]
        if not known:
            raise self.error(token.column, f"'{_short(token.text)}' is too much: {word.name} has no options")
        if is_value:
            told = " and ".join(entry.word for entry in word.options[: word.positional]) or "no value"
            raise self.error(
                token.column,
                f"'{_short(token.text)}' is a value too many: {word.name} takes {told} without a name, "
                f"and by name {', '.join(known)}",
            )
        near = nearest_name(token.text.lower(), known)
        raise self.error(token.column, f"'{_short(token.text)}' is not an option of {word.name}; {near}")

    def _value(self, word: Word, option: Option, token: _Token) -> Any:  # noqa: ANN401 - as various as options
        try:
            return option.kind.read(token.text.lower())
        except InputError:
            told = option.kind.told.replace("`", "'")
            raise self.error(
                token.column, f"{option.word} of {word.name} is '{_short(token.text)}'; it may be {told}"
            ) from None

    def _sources(self) -> tuple[_Token, ...]:
        """``"from" name {"," name}``, and then nothing more."""
        if self._peek() is None:
            return ()
        self.position += 1
        names = [self._take("the name of a layer")]
        while (token := self._peek()) is not None:
            if token.text != ",":
                raise self.error(
                    token.column, f"expected ',' or the end of the line, got '{_short(token.text)}'"
                )
            self.position += 1
            names.append(self._take("the name of a layer"))
        return tuple(names)

    def _check_required(self, word: Word, given: dict[str, Any], token: _Token) -> None:
        for option in word.options:
            if option.required and option.parameter not in given:
                told = option.kind.told.replace("`", "'")
                raise self.error(token.column, f"{word.name} needs {option.word}: {told}")


def _named(word: Word, text: str) -> Option | None:
    return next((entry for entry in word.options if text in (entry.word, entry.parameter)), None)


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- all lines --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """A statement with its name, if it has one, and its place."""

    statement: _Statement
    name: str
    number: int
    shift: int  # how far right of column 1 the statement's columns begin

    def error(self, message: str, column: int | None = None) -> InputError:
        """The error that says `message` about a column of the statement; about the layer when not given."""
        place = (self.statement.column if column is None else column) + self.shift
        return InputError(f"line {self.number}, column {place}: {message}")


def read_graph(text: str, name: str = "") -> Graph:
    """The graph that the text describes; no size is worked out yet.

    Raises:
        InputError: led by line and column.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"the text has {len(text)} characters; at most {MAX_BYTES} are read")
    lines = list(_lines(text))
    names = _names(lines)
    known = dict.fromkeys(names)
    inputs: list[Input] = []
    nodes: list[Node] = []
    for line, own, before in zip(lines, names, ["", *names], strict=False):
        try:
            if isinstance(line.statement.built, tuple):
                inputs.append(_input(line, own))
            else:
                sources = _sources(line, before, known)
                nodes.append(Node(own, line.statement.built, sources, f"line {line.number}"))
        except ShapeError as error:  # an input's lengths
            raise line.error(str(error)) from None
    return Graph(tuple(inputs), tuple(nodes), name=name)


def _lines(text: str) -> Iterator[_Line]:
    lines = text.replace("\r\n", "\n").split("\n")
    written = sum(bool(line) and not line.isspace() for line in lines)
    if written > MAX_LINES:
        raise InputError(f"the text has {written} lines that are not empty; at most {MAX_LINES} are read")
    seen: dict[str, _Statement | None] = {}  # deep networks repeat their layers
    for number, line in enumerate(lines, start=1):
        name = _NAME.match(line)
        shift = 0 if name is None else name.end()
        rest = line[shift:]
        if rest not in seen:
            seen[rest] = _LineReader(rest, f"line {number}, ", shift + 1).statement()
        statement = seen[rest]
        if statement is not None:
            yield _Line(statement, "" if name is None else name[1], number, shift)
        elif name is not None:
            raise InputError(f"line {number}, column {shift + 1}: a layer is missing after the name")


def _names(lines: list[_Line]) -> list[str]:
    """The name of each line: as given, or what it does and the first number that is free."""
    owners: dict[str, _Line] = {}
    for line in lines:
        owner = owners.setdefault(line.name, line) if line.name else line
        if owner is line and line.name:
            _check_named(line)
        elif owner is not line:
            raise line.error(
                f"the name '{_short(line.name)}' is taken by line {owner.number}", 1 - line.shift
            )
    counts: dict[str, int] = {}
    return [line.name or _free_name(line.statement.word.auto_name, counts, owners) for line in lines]


def _check_named(line: _Line) -> None:
    try:
        check_name("layer", line.name)
    except InputError as error:
        raise line.error(str(error), 1 - line.shift) from None


def _free_name(stem: str, counts: dict[str, int], taken: Mapping[str, object]) -> str:
    while True:
        counts[stem] = counts.get(stem, 0) + 1
        # A single input needs no number.
        name = stem if stem == "input" and counts[stem] == 1 else f"{stem}{counts[stem]}"
        if name not in taken:
            return name


def _input(line: _Line, name: str) -> Input:
    if line.statement.sources:
        raise line.error("an input reads nothing", line.statement.sources[0].column)
    return Input(name, line.statement.built)  # type: ignore[arg-type]  # the caller saw that it is a shape


def _sources(line: _Line, before: str, known: Mapping[str, object]) -> tuple[str, ...]:
    """What a layer reads: what it says, or else the line before."""
    for source in line.statement.sources:
        if source.text not in known:
            told = f"there is no '{_short(source.text)}' to read; {hint(source.text, known)}"
            raise line.error(told, source.column)
    if not line.statement.sources and not before:
        raise line.error("there is nothing to read yet; begin with a line such as 'input 3x227x227'")
    return tuple(source.text for source in line.statement.sources) or (before,)
