"""One line of a network's text: its tokens, and the statement they make by the table in `text_words`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from convscope.core.layer import Layer
from convscope.errors import ConvscopeError, InputError, nearest_name
from convscope.importers.text_words import CROSS, FACTORS, INTEGER, PAIR, WORDS, Entry, Option, Word

if TYPE_CHECKING:
    from convscope.importers.text_blocks import Block

MAX_LINE = 10_000

_SIDE = rf"(?:{INTEGER}|{PAIR})"
_TOKEN = re.compile(
    rf"(?P<blank>\s+)"
    rf"|(?P<mark>[,:])"
    rf"|(?P<sides>{_SIDE}(?:{CROSS}{_SIDE})*(?=[\s,:]|\Z))"  # brackets may hold commas and blanks
    rf"|(?P<word>[^\s,:()]+)"
    rf"|(?P<stray>.)"
)


_BLANKS = str.maketrans("\t\u00a0", "  ")  # a no-break space comes with text copied from a page
_STARTS = rf"[-+.]?[0-9(]|{CROSS}[0-9]"
_REPEAT = re.compile(rf"{CROSS}([a-z_0-9]+)\Z")
MAX_REPEAT = 200_000


class Token(NamedTuple):  # there are many; a tuple is made fastest
    """A word or a mark, with its column."""

    kind: str
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """A block that is used, with the words that stand for its parameters."""

    block: Block
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What one line says, its name left aside.

    Attributes:
        stem: what its automatic name starts with.
        built: a layer, an input's shape, or a block that is used.
        sources: what it reads; the line before when empty.
        column: where it begins.
        count: how many times it is written: ``relu x3`` is three layers.
        is_join: it means nothing with fewer than two inputs.
    """

    stem: str
    built: Layer | Entry | Call
    sources: tuple[Token, ...]
    column: int
    count: int = 1
    is_join: bool = False


class LineReader:
    """Reads one layer; `place` leads its errors, before the column: ``line 3, ``.

    `values` has the words that parameters stand for inside a block, `blocks` those that may be used.

    The text starts in column `start` of its line; what stood before it has been read already. Tokens
    count their columns from the text's own start.
    """

    def __init__(
        self,
        text: str,
        place: str = "",
        start: int = 1,
        values: Mapping[str, str] | None = None,
        blocks: Mapping[str, Block] | None = None,
    ) -> None:
        self.values = values or {}
        self.blocks = blocks or {}
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

    def _tokens(self, text: str) -> Iterator[Token]:
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
                yield Token(kind, found[0], column)

    # Looking and taking.

    def _peek(self) -> Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _at(self, text: str) -> bool:
        token = self._peek()
        return token is not None and token.text.lower() == text

    def _take(self, told: str) -> Token:
        """The next token, which must be a word or a value."""
        token = self._peek()
        if token is None:
            raise self.error(self.end, f"{told} is missing at the end of the line")
        if token.kind == "mark":
            raise self.error(token.column, f"expected {told}, got '{token.text}'")
        self.position += 1
        return token

    # The grammar, a method for each rule.

    def statement(self) -> Statement | None:
        """``word [items] [repeat] ["from" names]``; None for an empty line."""
        if not self.tokens:
            return None
        token = self._take("a layer such as 'conv'")
        word = WORDS.get(token.text.lower())
        if word is None:
            return self._call(token)
        given = self._items(word)
        count = self._repeat()
        sources = self._sources()
        self._check_required(word, given, token)
        try:
            built = word.build(**given)
        except ConvscopeError as error:
            raise self.error(self._blamed(str(error), token), str(error)) from None
        if count > 1 and (isinstance(built, Entry) or word.joins or len(sources) > 1):
            raise self.error(token.column, f"{word.name} cannot be repeated: each layer reads the one before")
        return Statement(word.auto_name, built, sources, token.column, count, word.joins)

    def _call(self, token: Token) -> Statement:
        """``block [values] [repeat] ["from" names]``."""
        block = self.blocks.get(token.text.lower())
        if block is None:
            known = nearest_name(token.text, [*self.blocks, *WORDS])
            raise self.error(token.column, f"unknown layer '{short(token.text)}'; {known}")
        given: dict[str, str] = {}
        while (after := self._peek()) is not None and not self._ends_items(after):
            if given:
                self._comma()
            start = self._take("a parameter")
            name = start.text.lower()
            if name in block.parameters and not self._stands_alone():
                given_token = self._take(f"the value of {name}")
            else:
                free = [entry for entry in block.parameters if entry not in given]
                if not free:
                    told = ", ".join(block.parameters) or "no parameters"
                    raise self.error(
                        start.column, f"'{short(start.text)}' is a value too many: {block.name} takes {told}"
                    )
                name, given_token = free[0], start
            if name in given:
                raise self.error(start.column, f"{name} is given twice")
            given[name] = self._meant(given_token).text
        values = {**block.defaults, **given}
        missing = [name for name in block.parameters if name not in values]
        if missing:
            raise self.error(token.column, f"{block.name} needs {' and '.join(missing)}")
        count = self._repeat()
        call = Call(block, tuple(values[name] for name in block.parameters))
        return Statement(block.name, call, self._sources(), token.column, count)

    def _comma(self) -> None:
        token = self._peek()
        if token is not None and token.text != ",":
            raise self.error(token.column, f"expected ',' before '{short(token.text)}'")
        self.position += 1

    def _stands_alone(self) -> bool:
        """Whether the token just taken is followed by no value of its own."""
        token = self._peek()
        return token is None or token.text == "," or self._ends_items(token)

    def _ends_items(self, token: Token) -> bool:
        """Whether this is ``from`` or a repeat such as ``x3``."""
        return token.text.lower() == "from" or self._repeats(token) is not None

    def _repeats(self, token: Token) -> int | None:
        """3 for ``x3``; a parameter may stand for the number."""
        found = _REPEAT.match(token.text.lower())
        if found is None:
            return None
        number = self.values.get(found[1], found[1])
        return int(number) if re.fullmatch(INTEGER, number) else None

    def _repeat(self) -> int:
        token = self._peek()
        count = None if token is None else self._repeats(token)
        if token is None or count is None:
            return 1
        if not 1 <= count <= MAX_REPEAT:
            raise self.error(
                token.column, f"'{short(token.text)}' repeats {count} times; it may be 1 to {MAX_REPEAT}"
            )
        self.position += 1
        return count

    def _meant(self, token: Token) -> Token:
        """The token, or what stands for it where it is a parameter of the block."""
        value = self.values.get(token.text.lower())
        return token if value is None else token._replace(text=value)

    def single(self, word: Word) -> tuple[Option, Any]:
        """The one item that the text holds.

        Raises:
            InputError: another text.
        """
        found = self._item(word, self._take("an option"), {})
        if self.position < len(self.tokens):
            raise self.error(self.tokens[self.position].column, "there is more")
        return found

    def _items(self, word: Word) -> dict[str, Any]:
        given: dict[str, Any] = {}
        while (token := self._peek()) is not None and not self._at("from"):
            first_is_factor = not given and bool(word.options) and word.options[0].kind is FACTORS
            if self._repeats(token) is not None and not first_is_factor:
                break
            if given:
                self._comma()
                if self._at("from"):
                    break
            start = self._take("an option")
            option, value = self._item(word, start, given)
            if option.parameter in given:
                raise self.error(start.column, f"{option.word} is given twice")
            given[option.parameter] = value
            self.columns[option.parameter] = start.column
        return given

    def _blamed(self, refusal: str, layer: Token) -> int:
        """The column of the option that a constructor's refusal is about, or of the layer."""
        found = re.search(r"(\w+)=", refusal)
        return self.columns.get(found[1], layer.column) if found is not None else layer.column

    def _item(self, word: Word, token: Token, given: dict[str, Any]) -> tuple[Option, Any]:
        """A flag, "no" and a flag, an option with its value, a word that one option takes, or a value."""
        text = token.text.lower()
        if text in self.values and (_named(word, text) is None or self._stands_alone()):
            return self._positional(word, self._meant(token), given)
        if text == "no":
            flag = self._take("what there is none of")
            option = _named(word, flag.text.lower())
            if option is None or not option.kind.is_flag:
                flags = [entry.word for entry in word.options if entry.kind.is_flag]
                known = nearest_name(flag.text, flags) if flags else f"{word.name} has no such option"
                raise self.error(flag.column, f"'no {short(flag.text)}' has no meaning; {known}")
            return option, False
        option = _named(word, text)
        if option is not None:
            if option.kind.is_flag:
                return option, True
            return option, self._value(word, option, self._meant(self._take(f"the value of {option.word}")))
        option = next((entry for entry in word.options if text in entry.kind.words), None)
        if option is not None:
            return option, text
        return self._positional(word, token, given)

    def _positional(self, word: Word, token: Token, given: dict[str, Any]) -> tuple[Option, Any]:
        free = [entry for entry in word.options[: word.positional] if entry.parameter not in given]
        is_value = re.match(_STARTS if not free else free[0].kind.starts, token.text.lower()) is not None
        if free and is_value:
            return free[0], self._value(word, free[0], token)
        known = [entry.word for entry in word.options]
        if not known:
            raise self.error(token.column, f"'{short(token.text)}' is too much: {word.name} has no options")
        if is_value:
            told = " and ".join(entry.word for entry in word.options[: word.positional]) or "no value"
            raise self.error(
                token.column,
                f"'{short(token.text)}' is a value too many: {word.name} takes {told} without a name, "
                f"and by name {', '.join(known)}",
            )
        near = nearest_name(token.text.lower(), known)
        raise self.error(token.column, f"'{short(token.text)}' is not an option of {word.name}; {near}")

    def _value(self, word: Word, option: Option, token: Token) -> Any:  # noqa: ANN401 - as various as options
        try:
            return option.kind.read(token.text.lower())
        except InputError:
            told = option.kind.told.replace("`", "'")
            raise self.error(
                token.column, f"{option.word} of {word.name} is '{short(token.text)}'; it may be {told}"
            ) from None

    def _sources(self) -> tuple[Token, ...]:
        """``"from" name {"," name}``, and then nothing more."""
        if self._at(",") and self.position + 1 < len(self.tokens):
            self.position += 1  # a comma may stand before "from"
        token = self._peek()
        if token is None:
            return ()
        if not self._at("from"):
            raise self.error(
                token.column, f"expected 'from' or the end of the line, got '{short(token.text)}'"
            )
        self.position += 1
        names = [self._take("the name of a layer")]
        while (token := self._peek()) is not None:
            if token.text != ",":
                raise self.error(
                    token.column, f"expected ',' or the end of the line, got '{short(token.text)}'"
                )
            self.position += 1
            names.append(self._take("the name of a layer"))
        return tuple(names)

    def _check_required(self, word: Word, given: dict[str, Any], token: Token) -> None:
        for option in word.options:
            if option.required and option.parameter not in given:
                told = option.kind.told.replace("`", "'")
                raise self.error(token.column, f"{word.name} needs {option.word}: {told}")


# --- plain lines --------------------------------------------------------------------------------

_MAX_REMEMBERED = 10_000
_read: dict[tuple[str, str], tuple[Option, Any]] = {}


def quick_statement(text: str) -> Statement | None:
    """The statement of a plain line, whose items were mostly read before; None for any other line.

    Lines of deep networks differ in a number or two. What is not plain, mistakes among it, is left
    to `LineReader`.
    """
    if "from" in text or "(" in text or "#" in text or len(text) > MAX_LINE or not text.isprintable():
        return None
    first, *items = text.lower().split(",")
    head = first.split(None, 1)
    word = WORDS.get(head[0]) if head else None
    if word is None or (items and len(head) == 1):
        return None
    given: dict[str, Any] = {}
    for item in (*head[1:], *items):
        found = _quick_item(word, item.strip(), given)
        if found is None or found[0].parameter in given:
            return None
        given[found[0].parameter] = found[1]
    if any(option.required and option.parameter not in given for option in word.options):
        return None
    try:
        built = word.build(**given)
    except ConvscopeError:
        return None
    return Statement(word.auto_name, built, (), len(text) - len(text.lstrip()) + 1, 1, word.joins)


def _quick_item(word: Word, item: str, given: dict[str, Any]) -> tuple[Option, Any] | None:
    """The option that an item means, with its value; remembered unless it is the next one in order."""
    try:
        if item[:1].isdigit():
            option = next((o for o in word.options[: word.positional] if o.parameter not in given), None)
            return None if option is None else (option, option.kind.read(item))
        found = _read.get((word.name, item))
        if found is None:
            reader = LineReader(item)
            found = reader.single(word)
            if len(_read) < _MAX_REMEMBERED:
                _read[word.name, item] = found
    except InputError:
        return None
    return found


def _named(word: Word, text: str) -> Option | None:
    return next((entry for entry in word.options if text in (entry.word, entry.parameter)), None)


def short(text: str, limit: int = 40) -> str:
    """The text, cut where it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
