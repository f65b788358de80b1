"""The errors convscope raises, and the two ways to a helpful one: nearest known names, tables on types.

Every message says what is wrong, what was given, what is allowed and where. A user's
mistake is always a `ConvscopeError`; any other exception that escapes is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

Rule = TypeVar("Rule")


class ConvscopeError(Exception):
    """Base class of every error that convscope raises on purpose."""

    def within(self, place: str) -> ConvscopeError:
        """The same error, its message led by the place where it happened."""
        return type(self)(f"{place}: {self}")


class InputError(ConvscopeError, ValueError):
    """A value, file or option that cannot be read or is not allowed."""


class FileMistakesError(InputError):
    """Every mistake found in one file, each a line that names its place.

    Attributes:
        mistakes: the lines, in the order of the file.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))

    def within(self, place: str) -> FileMistakesError:
        """The same mistakes, each led by the place where they happened."""
        return FileMistakesError(f"{place}: {mistake}" for mistake in self.mistakes)


class UnknownNameError(InputError, KeyError):
    """A name that a collection does not hold: also a `KeyError`, as mappings promise."""

    __str__ = Exception.__str__  # KeyError would set the message in quotes


class ShapeError(InputError):
    """Shapes that do not fit each other: channels, ranks, kernels larger than their input."""


class UnsupportedError(ConvscopeError, NotImplementedError):
    """Something well formed that convscope does not do; the message lists what it does."""


class MissingExtraError(ConvscopeError, ImportError):
    """A feature whose optional dependency is not installed; the message names the extra."""

    @classmethod
    def for_extra(cls, feature: str, extra: str) -> MissingExtraError:
        """The one line that tells a user how to get `feature`."""
        return cls(f"{feature} needs the extra '{extra}': pip install 'convscope[{extra}]'")


def nearest_name(name: str, known: Iterable[str]) -> str:
    """A clause for an error message: the nearest known name, then all that are known.

    >>> nearest_name("strid", ["padding", "stride"])
    "did you mean 'stride'? known: padding, stride"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {', '.join(names)}"


def rule_for(table: Mapping[type[Any], Rule], thing: object, doing: str) -> Rule:
    """The entry of a table on types for this thing; what is not in it is refused with what is.

    Args:
        table: from type to rule.
        thing: what a rule is wanted for.
        doing: what the rule does, with ``{}`` for the type: ``"writes a {} as HTML"``.

    Raises:
        UnsupportedError: no entry for the thing's type.

    >>> rule_for({int: abs}, -3, "measures a {}")(-3)
    3
    """
    rule = table.get(type(thing))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in table)
        raise UnsupportedError(f"no rule {doing.format(type(thing).__name__)}; known: {known}")
    return rule
