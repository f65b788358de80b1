"""YAML text as a small tree of scalars, items and entries, each with its line.

The tree is built from the events of PyYAML's safe parser and holds text only: no number is made
a float, so 0.1 stays one tenth, and no tag is obeyed. Aliases share nodes; the size a file would
have with every alias written out is known before anything is, and bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from convscope.errors import InputError

MAX_BYTES = 5_000_000
# Characters and entries with every alias written out. A file without aliases stays below it; ten
# anchors of ten aliases each, nested, do not.
MAX_EXPANDED = 4 * MAX_BYTES
# Deeper than any problem needs: problems, parts, layers, options, a matrix of three axes.
MAX_DEPTH = 24

KEEPS_LINES = "|"  # the one style whose line ends stay, so that the rows of a matrix stay rows


@dataclass(frozen=True, slots=True)
class Scalar:
    """One written value, as text.

    Attributes:
        text: the characters, not interpreted.
        line: where it starts, counted from 1.
        is_quoted: written in quotation marks or as a block, so that ``true`` is a word.
        is_folded: written over several lines whose ends YAML turned into spaces.
    """

    text: str
    line: int
    is_quoted: bool = False
    is_folded: bool = False

    @property
    def is_null(self) -> bool:
        """True when nothing was written."""
        return not self.is_quoted and self.text in {"", "~", "null"}


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    nodes: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, keys in the order written; `repeated` holds keys that were already there."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int
    repeated: tuple[Scalar, ...] = ()


Node: TypeAlias = Scalar | Items | Entries


def parse_tree(text: str) -> Node:
    """The tree of one YAML document.

    Raises:
        InputError: not YAML, several documents, a tag, a node nested too deep or that holds
            itself, or aliases that would grow beyond the bound; led by the line.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"{len(text)} characters are too many; up to {MAX_BYTES} are read")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(_line(mark) if mark else 1, f"not YAML: {_reason(error)}") from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise InputError(f"not YAML: {' '.join(str(error).split())}") from None
    if builder.root is None:
        raise _refusal(1, "the file is empty")
    return builder.root


# The same events from C where PyYAML has it, ten times faster.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _reason(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part)


def _refusal(line: int, message: str) -> InputError:
    return InputError(f"line {line}: {message}")


@dataclass(slots=True)
class _Open:
    """A sequence or mapping whose end has not come yet."""

    is_mapping: bool
    line: int
    anchor: str | None
    children: list[Node]
    expanded: int = 1
    height: int = 1


class _Builder:
    """Takes events in order; keeps its own stack, so that depth is bounded by a number, not by Python's."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[_Open] = []
        # For each anchor its node, that node's size with aliases written out, and its height.
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}

    def take(self, event: yaml.Event) -> None:
        line = _line(event.start_mark)
        match event:
            case yaml.AliasEvent():
                self._add_alias(str(event.anchor), line)
            case yaml.ScalarEvent():
                self._refuse_tag(event, line)
                node = _scalar(event, line)
                self._add(node, event.anchor, expanded=1 + len(node.text), height=1)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._refuse_tag(event, line)
                self._start(isinstance(event, yaml.MappingStartEvent), event.anchor, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()
            case yaml.DocumentStartEvent():
                if self.root is not None:
                    raise _refusal(line, "a second YAML document begins here; a file holds one")

    def _refuse_tag(self, event: Any, line: int) -> None:  # noqa: ANN401 - PyYAML's events are untyped
        if event.tag is not None:
            raise _refusal(line, f"the tag '{event.tag}' is not read; write the value without a tag")

    def _start(self, is_mapping: bool, anchor: str | None, line: int) -> None:  # noqa: FBT001
        if len(self._open) >= MAX_DEPTH:
            raise _refusal(line, f"nested deeper than {MAX_DEPTH}")
        if anchor is not None:
            self._anchors[anchor] = None
        self._open.append(_Open(is_mapping, line, anchor, []))

    def _end(self) -> None:
        done = self._open.pop()
        node = _entries(done) if done.is_mapping else Items(tuple(done.children), done.line)
        self._add(node, done.anchor, done.expanded, done.height)

    def _add_alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            raise _refusal(line, f"the alias '*{anchor}' has no anchor before it")
        found = self._anchors[anchor]
        if found is None:
            raise _refusal(line, f"the alias '*{anchor}' lies inside what it stands for")
        node, expanded, height = found
        if len(self._open) + height > MAX_DEPTH:
            raise _refusal(line, f"nested deeper than {MAX_DEPTH}")
        self._add(node, None, expanded, height)

    def _add(self, node: Node, anchor: str | None, expanded: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, expanded, height)
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.children.append(node)
        parent.expanded += expanded
        parent.height = max(parent.height, height + 1)
        if parent.expanded > MAX_EXPANDED:
            raise _refusal(parent.line, f"aliases written out come to more than {MAX_EXPANDED} characters")


def _line(mark: Any) -> int:  # noqa: ANN401 - PyYAML has two kinds of mark
    return int(mark.line) + 1


def _scalar(event: yaml.ScalarEvent, line: int) -> Scalar:
    style = event.style or ""
    several = _line(event.end_mark) > line
    return Scalar(
        event.value,
        line,
        is_quoted=style != "",
        is_folded=several and style != KEEPS_LINES,
    )


def _entries(done: _Open) -> Entries:
    pairs: list[tuple[Scalar, Node]] = []
    repeated: list[Scalar] = []
    known: set[str] = set()
    for key, value in zip(done.children[::2], done.children[1::2], strict=True):
        if not isinstance(key, Scalar):
            raise _refusal(key.line, "a key is a list or a mapping; keys are words")
        if key.text == "<<" and not key.is_quoted:
            raise _refusal(key.line, "merge keys ('<<') are not read; write the keys out")
        if key.text in known:
            repeated.append(key)
            continue
        known.add(key.text)
        pairs.append((key, value))
    return Entries(tuple(pairs), done.line, tuple(repeated))
