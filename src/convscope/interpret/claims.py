"""Every sentence is tried on stimuli before it is returned: what it names must answer strongest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from convscope.interpret.finding import Finding, in_blocks
from convscope.interpret.stimuli import Stimulus, likeness_to_dots, stimuli, strongest, strongest_by_apply
from convscope.interpret.templates import Floats, Shape

# A response this much weaker than the strongest still counts as the strongest: lines and steps are pixels.
TOLERANCE = 0.06
# Responses this near to each other are told as equal.
EQUAL = 1e-3
# Directions are tried every 15°.
NEAR_ANGLE = 22.6
NEAR_WAVE = 1.4


@dataclass(frozen=True)
class Response:
    """What a kernel answers to a stimulus.

    Attributes:
        stimulus: what was shown, in words.
        family: step, line, spot, stripes, flat, checkerboard, corner or saddle.
        value: the largest response on that picture as a share of Σ|K|, the most that pixels from -1
            (dark) to 1 (bright) can give.
    """

    stimulus: str
    family: str
    value: float


@dataclass(frozen=True)
class Check:
    """The sentence tried on stimuli.

    Attributes:
        shown: how many stimuli were shown, each at every place of the window.
        claimed: the strongest among those that the sentence names; None where it names none.
        strongest: the strongest of each family, strongest first.
        agrees: no other stimulus gives a stronger response than the one the sentence names.
        disagreement: which stimulus did, in words; None when none did.
    """

    shown: int
    claimed: Response | None
    strongest: tuple[Response, ...]
    agrees: bool
    disagreement: str | None


# How far a stimulus is from what the sentence names, in degrees or the like; None where it is something else.
Claim = Callable[[Finding, Stimulus], float | None]


def _turn(first: float | None, second: float | None, whole: float) -> float | None:
    """The angle between two directions where it is small."""
    assert first is not None and second is not None  # noqa: S101, PT018 - both have directions
    between = abs((first - second + whole / 2) % whole - whole / 2)
    return between if between <= NEAR_ANGLE else None


def _step(finding: Finding, stimulus: Stimulus) -> float | None:
    return _turn(finding.angle, stimulus.angle, 360)


def _line(finding: Finding, stimulus: Stimulus) -> float | None:
    return _turn(finding.angle, stimulus.angle, 180) if stimulus.tone == finding.sign else None


def _stripes(finding: Finding, stimulus: Stimulus) -> float | None:
    ratio = stimulus.size * finding.block / (finding.scale or 1)
    return _turn(finding.angle, stimulus.angle, 180) if 1 / NEAR_WAVE <= ratio <= NEAR_WAVE else None


def _tone(finding: Finding, stimulus: Stimulus) -> float | None:
    return stimulus.size if stimulus.tone == finding.sign else None


def _corner(finding: Finding, stimulus: Stimulus) -> float | None:
    if finding.variant != stimulus.family:
        return None
    if stimulus.family == "saddle":
        return _turn(finding.angle, stimulus.angle, 180)
    return _turn(finding.angle, stimulus.angle, 360) if stimulus.tone == finding.sign else None


def _always(_: Finding, stimulus: Stimulus) -> float | None:
    return stimulus.size


# Kind -> the families of stimuli that its sentence may name, each with the test whether it does.
CLAIMS: Mapping[str, Mapping[str, Claim]] = MappingProxyType(
    {
        "edge": {"step": _step},
        "compass edge": {"step": _step},
        "emboss": {"step": _step},
        "line": {"line": _line},
        "blob": {"spot": _tone},
        "corner": {"corner": _corner, "saddle": _corner},
        "Gabor": {"stripes": _stripes},
        "checkerboard": {"checkerboard": _always},
        "blur": {"flat": _tone},
        "sharpen": {"spot": _tone},
        "unsharp": {"spot": _tone},
    }
)


# Kinds whose sentence says that the picture itself comes out, and kinds that say so of flat areas.
COPIES = ("identity", "shift")
KEEP_LEVEL = ("sharpen", "unsharp", "emboss")


def checks(found: Sequence[Finding]) -> list[Check]:
    """Try the sentences of patterns of one size."""
    if not found:
        return []
    patterns = np.array([finding.pattern for finding in found])
    shape = (patterns.shape[1], patterns.shape[2])
    responses = strongest_by_apply(patterns[0])[None] if len(found) == 1 else strongest(patterns)
    totals = np.abs(patterns).sum(axis=(1, 2))
    shares = responses / np.where(totals > 0, totals, 1)[:, None]
    others = _rivals(found, shape)
    shown = stimuli(shape)
    return [
        _copied(finding, shown, row)
        if finding.kind in COPIES
        else _checked(finding, shown, row, other / total if total else 0.0)
        for finding, row, other, total in zip(found, shares, others, totals, strict=True)
    ]


def _rivals(found: Sequence[Finding], shape: Shape) -> Floats:
    """The largest response to the same shapes in grey, or for grey kernels in colour."""
    have = [place for place, finding in enumerate(found) if finding.blend and finding.blend.rival is not None]
    others = np.zeros(len(found))
    if have:
        rivals = np.array([found[place].blend.rival for place in have])  # type: ignore[union-attr]
        side = found[0].block
        measured = in_blocks(rivals, side)[0] if side > 1 else rivals
        others[have] = strongest(measured.reshape(-1, *shape)).max(axis=1)
    return others


def _copied(finding: Finding, shown: Sequence[Stimulus], shares: Floats) -> Check:
    """The response to random dots is the dots themselves, moved as the sentence says, and no other way."""
    likeness = finding.sign * likeness_to_dots(finding.pattern)
    tap = int(np.abs(finding.pattern).argmax())
    best = int(np.abs(likeness).argmax())
    claimed = Response("random dots, each moved as the sentence says", "dots", float(likeness[tap]))
    told = None
    if best != tap or likeness[tap] <= 0:
        told = f"the response to random dots is most like the dots moved to tap {best}, not to tap {tap}"
    return Check(len(shown) + 1, claimed, (claimed, *_families(finding, shown, shares)), told is None, told)


def _families(finding: Finding, shown: Sequence[Stimulus], shares: Floats) -> tuple[Response, ...]:
    """The strongest stimulus of each family, strongest first."""
    families: dict[str, int] = {}
    for place in np.argsort(-np.round(shares, 6), kind="stable").tolist():
        families.setdefault(shown[place].family, place)
    return tuple(_response(shown[place], shares[place], finding.block) for place in families.values())


def _checked(finding: Finding, shown: Sequence[Stimulus], shares: Floats, other: float) -> Check:
    claims = CLAIMS.get(finding.kind, {})
    distances: dict[int, float] = {}
    families: dict[str, int] = {}
    for place in np.argsort(-np.round(shares, 6), kind="stable").tolist():
        stimulus = shown[place]
        families.setdefault(stimulus.family, place)
        claim = claims.get(stimulus.family)
        distance = claim(finding, stimulus) if claim is not None else None
        if distance is not None:
            distances[place] = distance
    named = -1
    if distances:
        # Of those that are as strong the one that the sentence describes best.
        most = max(shares[place] for place in distances)
        named = min((d, place) for place, d in distances.items() if shares[place] >= most - EQUAL)[1]
        if shares[named] >= shares[families[shown[named].family]] - EQUAL:
            families[shown[named].family] = named
    for family, place in families.items():
        if place != named:
            families[family] = _middle_one(shown, shares, place)
    ranked = tuple(_response(shown[place], shares[place], finding.block) for place in families.values())
    if named < 0:
        told = None if not claims else "none of the stimuli shown is what the sentence names"
        return Check(len(shown), None, ranked, told is None, told)
    claimed = _response(shown[named], shares[named], finding.block)
    flat = families["flat"]
    if finding.kind in KEEP_LEVEL and shown[flat].tone != finding.sign:
        told = "a flat bright area does not keep its sign, as the sentence says"
        return Check(len(shown), claimed, ranked, agrees=False, disagreement=told)
    best = ranked[0]
    if other > best.value:
        assert finding.blend is not None  # noqa: S101 - only blends have rivals
        seen = "grey" if finding.blend.is_colour else "colour"
        best = Response(f"the strongest picture of the same shapes in {seen}", seen, other)
        ranked = (best, *ranked)
    if claimed.value >= (1 - TOLERANCE) * best.value:
        return Check(len(shown), claimed, ranked, agrees=True, disagreement=None)
    return Check(len(shown), claimed, ranked, agrees=False, disagreement=(
        f"{best.stimulus} gives {best.value:.2f} of the largest possible response, {claimed.stimulus} "
        f"only {claimed.value:.2f}"
    ))  # fmt: skip


def _middle_one(shown: Sequence[Stimulus], shares: Floats, best: int) -> int:
    """Of the stimuli of a family that are as strong the one in the middle of their directions."""
    first = shown[best]
    if first.angle is None:
        return best
    like = [
        place
        for place, stimulus in enumerate(shown)
        if (stimulus.family, stimulus.tone, stimulus.size) == (first.family, first.tone, first.size)
        and shares[place] >= shares[best] - EQUAL
    ]
    whole = 360 if first.family in ("step", "corner") else 180
    turns = np.exp(2j * np.pi * np.array([shown[place].angle for place in like], np.float64) / whole)
    middle = turns.mean()
    if abs(middle) < EQUAL:
        return best
    return like[int(np.argmax(np.round((turns / middle).real, 6)))]


def _response(stimulus: Stimulus, share: float, block: int) -> Response:
    return Response(stimulus.words(block), stimulus.family, float(share))
