"""The keys of a mapping taken one by one, every mistake noted with its line and key.

A getter that finds a mistake notes it and returns None, so that reading goes on and the reader is
told about all mistakes of a file at once. A key that no getter asked for is unknown, and the keys
that were asked for are the known ones: the two cannot drift apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import convscope as cs
from convscope.errors import ConvscopeError, FileMistakesError, nearest_name
from convscope.problems.tree import Entries, Items, Node, Scalar

Found = TypeVar("Found")

# More than these help nobody; the rest are counted.
MAX_MISTAKES = 100
LONGEST_QUOTED = 60


@dataclass(slots=True)
class Mistakes:
    """The mistakes of one file, gathered in any order and told in the order of their lines."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, place: str, message: str) -> None:
        """Note one mistake: the line it is on, the key, what is wrong."""
        self.found.append((line, f"{self.file}:{line}: {place + ': ' if place else ''}{message}"))

    def noted(self, line: int, place: str) -> Noting:
        """A block in which an error becomes a noted mistake."""
        return Noting(self, line, place)

    def raise_if_any(self) -> None:
        """Raise one error with every mistake, when there is one."""
        if not self.found:
            return
        told = [message for _, message in sorted(self.found, key=lambda entry: entry[0])]
        hidden = len(told) - MAX_MISTAKES
        if hidden > 0:
            told = [*told[:MAX_MISTAKES], f"{self.file}: {hidden} further mistakes are not listed"]
        raise FileMistakesError(told)


@dataclass(frozen=True, slots=True)
class Noting:
    """A block in which a `ConvscopeError` is noted and ends the block, nothing else."""

    mistakes: Mistakes
    line: int
    place: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConvscopeError):
            self.mistakes.add(self.line, self.place, str(error))
            return True
        return False


@dataclass(slots=True)
class Fields:
    """One mapping being read.

    Attributes:
        node: the mapping.
        mistakes: where mistakes are noted.
        folder: what paths in the file are relative to.
        problem: the problem it belongs to, for messages: ``problem 1.3``; may be empty.
        path: the keys that lead to it: ``layers[1].conv``; may be empty.
    """

    node: Entries
    mistakes: Mistakes
    folder: Path
    problem: str = ""
    path: str = ""
    _asked: list[str] = field(default_factory=list)

    def line(self, key: str = "") -> int:
        """The line of a key's value, or of the mapping where the key is not there."""
        node = self._values().get(key)
        return self.node.line if node is None else node.line

    def place_of(self, key: str = "") -> str:
        """The key with the problem and the keys that lead to it."""
        path = ".".join(part for part in (self.path, key) if part)
        return ": ".join(part for part in (self.problem, path) if part)

    def refuse(self, key: str, message: str) -> None:
        """Note a mistake at a key."""
        self.mistakes.add(self.line(key), self.place_of(key), message)

    def node_of(self, key: str, *, required: bool = False) -> Node | None:
        """The value as it stands in the file; None when it is not there or nothing is written."""
        self._asked.append(key)
        node = self._values().get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            if required:
                self.mistakes.add(
                    self.line(key), self.place_of(), f"the key '{key}' is missing{self._meant(key)}"
                )
            return None
        return node

    def read(self, key: str, reader: Callable[[Node], Found], *, required: bool = False) -> Found | None:
        """The value as `reader` makes it; an error it raises is noted."""
        node = self.node_of(key, required=required)
        if node is None:
            return None
        with self.mistakes.noted(node.line, self.place_of(key)):
            return reader(node)
        return None

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Words."""
        return self.read(key, scalar_text, required=required)

    def number(self, key: str) -> Fraction | None:
        """An exact number."""
        return self.read(key, lambda node: exact_number(scalar_text(node)))

    def choice(self, key: str, known: Sequence[str]) -> str | None:
        """One of the known words."""
        return self.read(key, lambda node: choice(scalar_text(node), {word: word for word in known}))

    def matrix(self, key: str, *, required: bool = False) -> cs.ExactArray | None:
        """A matrix: text with rows split by ``;`` or line ends, nested lists, or a CSV file's name."""
        return self.read(key, self.as_matrix, required=required)

    def as_matrix(self, node: Node) -> cs.ExactArray:
        """The matrix that a node holds."""
        found = matrix_source(node, self.folder)
        return cs.matrix(found)

    def items(self, key: str, *, required: bool = False) -> tuple[Node, ...] | None:
        """The entries of a list; a list of none counts as missing."""
        return self.read(key, _items, required=required)

    def within(self, node: Node, path: str) -> Fields | None:
        """The mapping at `path` inside this one, to be read in its turn; None when it is none."""
        if not isinstance(node, Entries):
            self.refuse_node(node, path, f"{told(node)} is not a mapping of keys to values")
            return None
        return Fields(node, self.mistakes, self.folder, self.problem, self._joined(path))

    def refuse_node(self, node: Node, path: str, message: str) -> None:
        """Note a mistake at a node that lies at `path` inside this mapping."""
        self.mistakes.add(node.line, self.place_of(path), message)

    def finish(self) -> None:
        """Note every key that nothing asked for, and every key written twice."""
        for key in self.node.repeated:
            self.mistakes.add(key.line, self.place_of(), f"the key '{shown(key.text)}' is written twice")
        for key, _ in self.node.pairs:
            if key.text not in self._asked:
                hint = nearest_name(key.text[:LONGEST_QUOTED], dict.fromkeys(self._asked))
                self.mistakes.add(key.line, self.place_of(), f"unknown key '{shown(key.text)}'; {hint}")

    def _meant(self, key: str) -> str:
        """A question when a key not asked for looks like the one that is missing."""
        others = [other for other in self._values() if other not in self._asked]
        close = difflib.get_close_matches(key, others, n=1)
        return f"; is '{shown(close[0])}' meant for it?" if close else ""

    def _joined(self, path: str) -> str:
        return ".".join(part for part in (self.path, path) if part)

    def _values(self) -> dict[str, Node]:
        return {key.text: value for key, value in self.node.pairs}


# --- values -----------------------------------------------------------------------------------


def scalar_text(node: Node) -> str:
    """The words of a scalar."""
    if not isinstance(node, Scalar):
        raise cs.InputError(f"{told(node)} is not a single value")
    return node.text.strip()


def exact_number(written: str) -> Fraction:
    """One exact number, never by way of a float."""
    value = cs.matrix([written])[0]
    if not isinstance(value, Fraction):
        raise cs.InputError(f"'{shown(written)}' is not a number such as 2, -.5, 1/16 or 1e-3")
    return value


def choice(written: str, known: dict[str, Found]) -> Found:
    """What a known word stands for."""
    if written not in known:
        raise cs.InputError(f"'{shown(written)}' is not known; {nearest_name(written, known)}")
    return known[written]


def matrix_source(node: Node, folder: Path) -> str | Path | list[object]:
    """What `cs.matrix` reads: text, a CSV path inside the file's folder, or nested lists of texts.

    Raises:
        InputError: a mapping, rows that YAML folded into one line, or a path outside the folder.
    """
    match node:
        case Items():
            return [_nested(inner) for inner in node.nodes]
        case Scalar(is_folded=True) if ";" not in node.text:
            raise cs.InputError(
                "YAML folds these lines into a single row; split the rows by ';', or write '|' and the "
                "rows below it"
            )
        case Scalar() if "\n" not in node.text.strip() and node.text.strip().lower().endswith(".csv"):
            return inside(folder, node.text.strip())
        case Scalar():
            return node.text
        case _:
            raise cs.InputError("a mapping is not a matrix; write rows such as '0 1; 1 0'")


def _nested(node: Node) -> object:
    match node:
        case Items():
            return [_nested(inner) for inner in node.nodes]
        case Scalar():
            return node.text
        case _:
            raise cs.InputError(f"line {node.line}: a mapping is not part of a matrix")


def inside(folder: Path, name: str) -> Path:
    """The file `name` inside `folder`, wherever links lead.

    Raises:
        InputError: an absolute path, one that leads out of the folder, or no such file.
    """
    if "\0" in name or Path(name).is_absolute() or name.startswith(("~", "\\")) or ":" in name[:2]:
        raise cs.InputError(f"'{shown(name)}' is not allowed; give a path relative to the problem file")
    base = folder.resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        raise cs.InputError(f"'{shown(name)}' leads out of the problem file's folder; move the file into it")
    if not path.is_file():
        raise cs.InputError(f"there is no file '{shown(name)}' beside the problem file")
    return path


def _items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Items):
        raise cs.InputError(f"{told(node)} is not a list; begin each entry with '- '")
    if not node.nodes:
        raise cs.InputError("the list is empty")
    return node.nodes


def told(node: Node) -> str:
    """A node in a few words, for a message."""
    match node:
        case Scalar():
            return f"'{shown(node.text)}'" if node.text else "an empty value"
        case Items():
            return "a list"
        case _:
            return "a mapping"


def shown(written: str) -> str:
    """What was written, on one line and short enough for a message."""
    line = " ".join(written.split())
    return line if len(line) <= LONGEST_QUOTED else line[: LONGEST_QUOTED - 1] + "…"
