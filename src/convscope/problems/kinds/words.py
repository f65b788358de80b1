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
    (r"unchanged|not changed|no change|nothing|identity|as it is", ("identity",)),
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
SAME_SIDE = {
    "top": "above", "bottom": "below", "top left": "upper left", "top right": "upper right",
    "bottom left": "lower left", "bottom right": "lower right",
}  # fmt: skip
TONES = {"dark": "dark", "black": "dark", "bright": "bright", "light": "bright", "white": "bright"}
EDGES = ("edge", "compass edge")
TONED = ("line", "blob")
DIRECTED = (*EDGES, "line", "Gabor")
# As far as an angle in an answer may lie from the one that is found.
NEAR = 5.0
LONGEST = 500

_TONE = re.compile(r"\b(dark|black|bright|light|white)(?:er)?\b")
_SIDE = re.compile(
    r"\b(?:upper|lower|top|bottom)[ -](?:left|right)\b|\b(?:left|right|above|below|top|bottom)\b"
)
_SLOPE = re.compile(r"\b(falling|rising)(?: to(?:wards?)?(?: the)? (left|right))?\b")
# Words that take back what they stand beside; "no clear structure" and "not changed" are answers.
_NEGATION = re.compile(
    r"\b(?:not|no|non|never|neither|nor|without|except|cannot|\w+n[’']t)\b|"
    r"\b(?:rather than|instead of|anything but|opposite of|free of)\b|"
    r"\b(?:ignor|suppress|remov|eras|hid)\w* (?:\w+ ){0,2}(?:edges?|lines?|spots?)\b"
)
_ANSWERS_WITH_NO = re.compile(r"\bno (?:clear )?structure\b|\bnot changed\b|\bno change\b|\bnot only\b")
_SIGNS = re.compile(r"\b(positive|negative)\b")
OTHER_TONE = {"dark": "bright", "bright": "dark"}
OTHER_SLOPE = {"falling": "rising", "rising": "falling"}
_ANGLE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:°|degrees?\b)")


@dataclass(frozen=True, slots=True)
class Words:
    """What an answer in words claims; None where it says nothing of it.

    Attributes:
        written: the answer.
        kinds: the kinds it may stand for.
        direction: horizontal, vertical or diagonal, or diagonal with its slope, "diagonal, rising".
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
            InputError: nothing in it says what a kernel does, it says what the kernel does not do, or it
                contradicts itself.
        """
        written = scalar_text(node)
        if len(written) > LONGEST:
            raise cs.InputError(
                f"an answer of {len(written)} characters is too long; up to {LONGEST} are read"
            )
        lower = " ".join(written.lower().split())
        _refuse_negation(lower, written)
        _refuse_choice(lower)
        kinds = _first_kind(lower)
        direction = _direction(lower, kinds)
        sides = _sides(lower)
        if kinds is None and direction is None and not sides:
            raise cs.InputError(
                f"'{shown(written)}' does not say what a kernel does; write for instance "
                "'horizontal edges, dark above and bright below' or 'it blurs'"
            )
        _refuse_bare_side(lower, kinds, sides)
        tone = _tone(lower) if not sides else None
        angle = _ANGLE.search(lower)
        return cls(
            written,
            kinds,
            direction,
            sides,
            tone,
            float(angle[1]) if angle else None,
        )

    def compare(self, found: cs.Description, others: dict[str, cs.Description]) -> Verdict:
        """Whether what was found is what the words claim; `others` is what other conventions make of it."""
        wrong = self.differences(found)
        if not wrong:
            left_out = self.left_out(found)
            more = f" It leaves out {' and '.join(left_out)}." if left_out else ""
            return Verdict(
                is_right=True, content=text(f"The answer in words agrees with what the kernel does.{more}")
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

    def left_out(self, found: cs.Description) -> list[str]:
        """What the kernel's sentence tells and the answer does not, as clauses."""
        told = []
        if self.kinds is None and not self.sides:
            told.append(f"the kind ({found.kind})")
        says_angle = self.direction is not None or self.angle is not None or bool(self.sides)
        if found.direction is not None and not says_angle and found.kind in DIRECTED:
            told.append(f"the direction ({found.direction})")
        is_told = bool(self.sides) or (found.kind in EDGES and self.angle is not None)
        if found.kind in EDGES and not is_told:
            told.append(f"the polarity ({found.polarity})")
        if found.kind in TONED and self.tone is None:
            told.append(f"the polarity ({found.variant})")
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


def _refuse_negation(lower: str, written: str) -> None:
    """An answer by what the kernel does not do claims nothing that can be compared."""
    found = _NEGATION.search(_ANSWERS_WITH_NO.sub("", lower))
    if found:
        raise cs.InputError(
            f"'{shown(written)}' says with '{found[0]}' what the kernel does not do; say only what it does"
        )


def _refuse_bare_side(lower: str, kinds: tuple[str, ...] | None, sides: dict[str, str]) -> None:
    """Of an edge, a side alone does not tell what is there: "top edges"."""
    if sides or kinds is None or not set(kinds) & set(EDGES):
        return
    bare = _SIDE.search(_SLOPE.sub("", lower))
    if bare:
        raise cs.InputError(
            f"'{bare[0]}' is a side of the edge, but what lies there is left out; "
            "write for instance 'dark above and bright below'"
        )


def _refuse_choice(lower: str) -> None:
    """Refuse "edges or lines", which leaves open which; two names of one thing do not."""
    for first, second in re.findall(r"\b(\w+)(?: \w+)? or (?:an? |the )?(\w+)\b", lower):
        for meaning in (_first_kind, _tone):
            one, other = meaning(first), meaning(second)
            if one is not None and other is not None and one != other:
                raise cs.InputError(f"'{first} or {second}' leaves open which; say one of them")


def _one_of(found: list[str], lower: str) -> str | None:
    """The one thing that is named; two different ones contradict each other."""
    named = list(dict.fromkeys(found))
    if len(named) > 1:
        raise cs.InputError(f"'{shown(lower)}' says both {named[0]} and {named[1]}; say one of them")
    return named[0] if named else None


def _direction(lower: str, kinds: tuple[str, ...] | None) -> str | None:
    named = re.findall(rf"\b({'|'.join(DIRECTIONS)})", lower)
    if kinds is not None and not set(kinds) & set(DIRECTED) and len(set(named)) > 1:
        return None  # "averages in the horizontal and the vertical direction"
    direction = _one_of(named, lower)
    # What falls to the right rises to the left.
    slope = _one_of(
        [OTHER_SLOPE[word] if side == "left" else word for word, side in _SLOPE.findall(lower)], lower
    )
    return f"diagonal, {slope}" if slope and direction in ("diagonal", None) else direction


def _tone(lower: str) -> str | None:
    """The tone that stands first, as in "a bright line on dark ground"; turned where it answers negative."""
    found = _TONE.search(lower)
    if found is None:
        return None
    signs = _SIGNS.findall(lower[: found.start()])
    tone = TONES[found[1]]
    return OTHER_TONE[tone] if signs and signs[-1] == "negative" else tone


def _sides(lower: str) -> dict[str, str]:
    """From tone to side, in the order they are named: "dark above", "left to right, dark to bright".

    >>> _sides("dark above and bright below")
    {'dark': 'above', 'bright': 'below'}
    """
    sides: dict[str, str] = {}
    sign = "positive"
    for piece in _SIGNS.split(_SLOPE.sub("", lower)):
        if piece in ("positive", "negative"):
            sign = piece
            continue
        for word, side in zip(_TONE.findall(piece), _SIDE.findall(piece), strict=False):
            tone, plain = TONES[word], side.replace("-", " ")
            tone = tone if sign == "positive" else OTHER_TONE[tone]
            place = SAME_SIDE.get(plain, plain)
            if sides.setdefault(tone, place) != place or sides.get(OTHER_TONE[tone]) == place:
                raise cs.InputError(
                    f"'{shown(lower)}' contradicts itself about where it is {tone}; write for instance "
                    "'dark above and bright below'"
                )
    return sides


def _near(angle: float, found: cs.Description) -> bool:
    if found.orientation is None:
        return False
    turn = 360 if found.kind in (*EDGES, "emboss", "corner") else 180
    away = (angle - found.orientation) % turn
    return min(away, turn - away) <= NEAR
