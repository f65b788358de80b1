"""The errors convscope raises, and the one way to suggest a nearest known name.

Every message says what is wrong, what was given, what is allowed and where. A user's
mistake is always a `ConvscopeError`; any other exception that escapes is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
