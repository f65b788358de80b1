"""What a kind of problem is, and what solving one problem gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from convscope.core.document import Block, Text
from convscope.problems.fields import Fields


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one given answer agrees with the exact result.

    Attributes:
        is_right: it agrees.
        content: the sentence that says so, or names where it does not.
    """

    is_right: bool
    content: Text


@dataclass(frozen=True, slots=True)
class Work:
    """A problem worked out.

    Attributes:
        result: the value the work is about: a `Solution`, a `Network`.
        facts: the numbers, by name, for programs; exact arrays and ratios stay exact.
        verdicts: one for each given answer; empty when none was given.
        blocks: makes the worked solution as document blocks when asked.
    """

    result: object
    facts: Mapping[str, object]
    verdicts: tuple[Verdict, ...]
    blocks: Callable[[], tuple[Block, ...]]


class Task(ABC):
    """What one problem asks, read and valid."""

    @abstractmethod
    def solve(self) -> Work:
        """Work it out.

        Raises:
            InputError: shapes that do not fit each other, and the like.
        """


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    Attributes:
        name: the word after ``kind:`` in a file.
        read: takes the problem's own keys; None when there was a mistake, which it noted.
    """

    name: str
    read: Callable[[Fields], Task | None]
