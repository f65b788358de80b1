"""An answer in words, "horizontal edges, dark above and bright below", compared with what a kernel does."""

from __future__ import annotations

import re
from dataclasses import dataclass

import convscope as cs
from convscope.core.document import Text, text
from convscope.problems.fields import scalar_text, shown
from convscope.problems.task import Verdict
from convscope.problems.tree import Node

# What people write, and the kinds it stands for. The first that a text holds counts.
KIND_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"no (?:clear )?structure|noise|random", ("no clear structure",)),
    (r"compass edges?", ("compass edge",)),
    (r"edges?|gradients?", ("edge", "compass edge")),
    (r"lines?|ridges?|strokes?", ("line",)),
    (r"spots?|blobs?|dots?", ("blob",)),
    (r"blur\w*|smooth\w*|averag\w*|mean|soften\w*", ("blur",)),
    (r"unsharp", ("unsharp",)),
    (r"sharp\w*", ("sharpen", "unsharp")),
    (r"emboss\w*|relief", ("emboss",)),
    (r"unchanged|nothing|identity|as it is", ("identity",)),
    (r"shift\w*|moves?", ("shift",)),
    (r"corners?|saddles?", ("corner",)),
    (r"gabors?|stripes?|gratings?|textures?", ("Gabor",)),
    (r"checker\w*|chess\w*", ("checkerboard",)),
    (r"colou?r contrast", ("colour contrast",)),
    (r"colou?r (?:blob|spot)s?", ("colour blob",)),
    (r"dead", ("dead",)),
)
DIRECTIONS = ("horizontal", "vertical", "diagonal")
# The sides of the picture in eighths of a turn, y down, from the right; with what else they are called.
SIDES = ("right", "lower right", "below", "lower left", "left", "upper left", "above", "upper right")
SAME_SIDE = {"top": "above", "bottom": "below"}
TONES = {"dark": "dark", "black": "dark", "bright": "bright", "light": "bright", "white": "bright"}
EDGES = ("edge", "compass edge")
TONED = ("line", "blob")
# As far as an angle in an answer may lie from the one that is found.
NEAR = 5.0
LONGEST = 500

_TONE = re.compile(r"\b(dark|black|bright|light|white)(?:er)?\b")
_SIDE = re.compile(r"\b(?:upper|lower)[ -](?:left|right)\b|\b(?:left|right|above|below|top|bottom)\b")
_ANGLE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:°|degrees?\b)")


@dataclass(frozen=True, slots=True)
class Words:
    """What an answer in words claims; None where it says nothing of it.

    Attributes:
        written: the answer.
        kinds: the kinds it may stand for.
        direction: horizontal, vertical or diagonal.
        sides: of an edge, ``{"dark": "above", "bright": "below"}``, or one of them.
        tone: of lines and spots, bright or dark.
        angle: degrees, y down.
    """

    written: str
    kinds: tuple[str, ...] | None
    direction: str | None
    sides: dict[str, str]
    tone: str | None
    angle: float | None

    @classmethod
    def read(cls, node: Node) -> Words:
        """The claims of a text.

        Raises:
            InputError: nothing in it says what a kernel does.
        """
        written = scalar_text(node)
        if len(written) > LONGEST:
            raise cs.InputError(
                f"an answer of {len(written)} characters is too long; up to {LONGEST} are read"
            )
        lower = " ".join(written.lower().split())
        kinds = _first_kind(lower)
        direction = _first(lower, DIRECTIONS)
        sides = _sides(lower)
        if kinds is None and direction is None and not sides:
            raise cs.InputError(
                f"'{shown(written)}' does not say what a kernel does; write for instance "
                "'horizontal edges, dark above and bright below' or 'it blurs'"
            )
        tone = _first(lower, tuple(TONES)) if not sides else None
        angle = _ANGLE.search(lower)
        return cls(
            written,
            kinds,
            direction,
            sides,
            TONES[tone] if tone else None,
            float(angle[1]) if angle else None,
        )

    def compare(self, found: cs.Description, others: dict[str, cs.Description]) -> Verdict:
        """Whether what was found is what the words claim; `others` is what other conventions make of it."""
        wrong = self.differences(found)
        if not wrong:
            return Verdict(
                is_right=True, content=text("The answer in words agrees with what the kernel does.")
            )
        content: Text = text(f"The answer in words differs: {'; '.join(wrong)}.")
        fits = [name for name, other in others.items() if not self.differences(other)]
        if fits:
            content = (*content, f" It would be right under {fits[0]}.")
        return Verdict(is_right=False, content=content)

    def differences(self, found: cs.Description) -> list[str]:
        """Each claim that is not so, as a clause."""
        told = []
        if self.kinds is not None and found.kind not in self.kinds:
            told.append(f"the kernel is of the kind '{found.kind}'")
        elif self.direction is not None and not (found.direction or "").startswith(self.direction):
            told.append(f"the direction is {found.direction or 'none'}, given {self.direction}")
        elif self.angle is not None and not _near(self.angle, found):
            angle = "none" if found.orientation is None else f"{found.orientation:.0f}°"
            told.append(f"the angle is {angle}, given {self.angle:g}°")
        if not told:
            told += self._polarity(found)
        return told

    def _polarity(self, found: cs.Description) -> list[str]:
        """Where bright and dark have changed places."""
        if self.tone is not None and found.kind in TONED and found.variant != self.tone:
            return [f"the response is positive where it is {found.variant}, given {self.tone}"]
        if not self.sides or found.kind not in EDGES or found.orientation is None:
            return []
        eighth = round(found.orientation / 45)
        truth = {"bright": SIDES[eighth % 8], "dark": SIDES[(eighth + 4) % 8]}
        if all(truth[tone] == side for tone, side in self.sides.items()):
            return []
        given = " and ".join(f"{tone} {side}" for tone, side in self.sides.items())
        return [f"the response is positive where it is {found.polarity}, given {given}"]


def _first_kind(lower: str) -> tuple[str, ...] | None:
    """The kinds of the word that stands first; of two at one place the longer."""
    best: tuple[int, int, tuple[str, ...]] | None = None
    for pattern, kinds in KIND_WORDS:
        match = re.search(rf"\b(?:{pattern})\b", lower)
        if match and (best is None or (match.start(), -len(match[0])) < best[:2]):
            best = (match.start(), -len(match[0]), kinds)
    return best[2] if best else None


def _first(lower: str, words: tuple[str, ...]) -> str | None:
    found = [(lower.index(word), word) for word in words if word in lower]
    return min(found)[1] if found else None


def _sides(lower: str) -> dict[str, str]:
    """From tone to side, in the order they are named: "dark above", "left to right, dark to bright".

    >>> _sides("dark above and bright below")
    {'dark': 'above', 'bright': 'below'}
    """
    sides: dict[str, str] = {}
    for tone, side in zip(_TONE.findall(lower), _SIDE.findall(lower), strict=False):
        plain = side.replace("-", " ")
        sides.setdefault(TONES[tone], SAME_SIDE.get(plain, plain))
    return sides


def _near(angle: float, found: cs.Description) -> bool:
    if found.orientation is None:
        return False
    turn = 360 if found.kind in (*EDGES, "emboss", "corner") else 180
    away = (angle - found.orientation) % turn
    return min(away, turn - away) <= NEAR
