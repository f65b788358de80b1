"""Kernels found by words: ``"vertical edge"``, in any order, spelt more or less right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from convscope.core.catalogue_entries import Entry
from convscope.errors import InputError

LONGEST_QUERY = 200
MOST_WORDS = 12
# How much a word counts by where it is found: what a kernel is called tells more than what is said of it.
NAME, WORDS, MEANING = 3.0, 2.0, 1.0
# As close as two spellings must be: "egde" and "edge" are 0.75 alike. So are "sine" and "line", but people
# seldom get the first letter wrong.
LEAST_ALIKE = 0.75
SHORTEST_FUZZY = 4
BEGINNING = 0.9
FILLING = frozenset({
    "a", "an", "and", "as", "at", "by", "detect", "detection", "detector", "detects", "filter", "filters",
    "find", "finds", "for", "from", "in", "is", "it", "its", "kernel", "kernels", "mask", "of", "on",
    "operator", "or", "show", "shows", "that", "the", "to", "which", "with",
})  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_WIND = re.compile(r"\b(north|south)[\s_-]+(east|west)\b")


def ranked(query: str, entries: Mapping[str, Entry]) -> list[str]:
    """The names of the kernels that fit the words, the best first.

    Kernels that fit every word; where none does, those that fit the most of them.

    Raises:
        InputError: no words, or more than anybody types.
    """
    if not isinstance(query, str):
        raise InputError(f"kernels are searched by words such as 'vertical edge', not {type(query).__name__}")
    if len(query) > LONGEST_QUERY:
        raise InputError(f"a search of {len(query)} characters is too long; up to {LONGEST_QUERY} are read")
    words = words_of(query)
    wanted = [word for word in words if word not in FILLING] or words
    if not wanted:
        raise InputError("the search has no words; write what the kernel does, such as 'vertical edge'")
    fits: list[tuple[int, float, str]] = []
    for name, entry in entries.items():
        scores = [_score(word, entry) for word in wanted[:MOST_WORDS]]
        found = sum(score > 0 for score in scores)
        if found:
            whole = 10 * NAME if name == query.strip().lower() else 0.0
            fits.append((found, whole + sum(scores), name))
    most = max((found for found, _, _ in fits), default=0)
    best = [(score, name) for found, score, name in fits if found == most]
    # Python sorts stably: kernels that fit equally well keep the order of the table.
    return [name for _, name in sorted(best, key=lambda fit: -fit[0])]


def words_of(written: str) -> list[str]:
    """The words in small letters, without the plural's s.

    >>> words_of("Vertical edges, sobel_x")
    ['vertical', 'edge', 'sobel', 'x']
    >>> words_of("Kirsch, north-east")
    ['kirsch', 'northeast']
    """
    return [_stem(word) for word in _WORD.findall(_WIND.sub(r"\1\2", written.lower()))]


def _stem(word: str) -> str:
    for ending, stem in (("ies", "y"), ("ss", "ss"), ("s", "")):
        if len(word) > SHORTEST_FUZZY - 1 and word.endswith(ending):
            return word.removesuffix(ending) + stem
    return word


def _score(word: str, entry: Entry) -> float:
    """How well a word fits a kernel; 0 when it does not."""
    places = (
        (NAME, f"{entry.name} {entry.family} {entry.kind}"),
        (WORDS, f"{entry.words} {entry.variant or ''}"),
        (MEANING, f"{entry.meaning} {entry.source}"),
    )
    return max(weight * _alike(word, _words_said(written)) for weight, written in places)


@lru_cache(maxsize=1024)  # what is said of each kernel is taken apart once
def _words_said(written: str) -> tuple[str, ...]:
    return tuple(words_of(written))


def _alike(word: str, known: Sequence[str]) -> float:
    if word in known:
        return 1.0
    if len(word) < SHORTEST_FUZZY:
        return 0.0
    if any(
        other.startswith(word) or (len(other) >= SHORTEST_FUZZY and word.startswith(other)) for other in known
    ):
        return BEGINNING
    likely = [other for other in known if other[0] == word[0]]
    close = difflib.get_close_matches(word, likely, n=1, cutoff=LEAST_ALIKE)
    return difflib.SequenceMatcher(None, word, close[0]).ratio() * BEGINNING if close else 0.0
