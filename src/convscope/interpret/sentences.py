"""What was found, as one short sentence about brightness on the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from convscope.interpret.colour import Blend
from convscope.interpret.finding import DOUBTFUL_SHARE, NAMED_SHARE, NO_STRUCTURE, Finding, shift_of

# The two sides of an edge for the eighths of a turn in which brightness increases, y down.
SIDES = (
    ("on the left", "on the right"),
    ("at the upper left", "at the lower right"),
    ("above", "below"),
    ("at the upper right", "at the lower left"),
    ("on the right", "on the left"),
    ("at the lower right", "at the upper left"),
    ("below", "above"),
    ("at the lower left", "at the upper right"),
)
# What runs along the eighths of a half turn, y down.
RUNS = ("horizontal", "diagonal, falling to the right", "vertical", "diagonal, rising to the right")
FLIPPED = {"bright": "dark", "dark": "bright"}
# Directions are told in degrees besides where they lie further than this from the word's own.
NEAR = 8.0
# The sum of weights that keep the level of flat areas, give or take.
NEAR_ONE = 0.05
# Less than this share of a channel's weight is told as no answer.
LEAST_ANSWER = 0.01


def run_word(along: float) -> str:
    """The word for what runs along an angle.

    >>> run_word(0.0), run_word(95.0), run_word(45.0)
    ('horizontal', 'vertical', 'diagonal, falling to the right')
    """
    return RUNS[round(along / 45) % 4]


def degrees_note(angle: float) -> str:
    """The angle in brackets where the word alone would be inexact."""
    off = abs((angle + 22.5) % 45 - 22.5)
    return f" ({angle:.0f}°, y down)" if off > NEAR else ""


# The spatial kinds of a kernel of colour: one colour in one place, or colours side by side.
PATCHES = ("identity", "shift", "blur", "sharpen", "unsharp", "blob")


def kind_of(finding: Finding) -> str:
    """The kind, of colour where the pattern is one of colour."""
    if finding.blend is None or not finding.blend.is_colour or finding.kind in ("dead", NO_STRUCTURE):
        return finding.kind
    return "colour blob" if finding.kind in PATCHES else "colour contrast"


def direction_word(finding: Finding) -> str | None:
    """How what is found runs: horizontal, vertical, diagonal."""
    if finding.angle is None:
        return None
    if finding.kind in ("edge", "compass edge", "emboss"):
        return run_word((finding.angle + 90) % 180)
    if finding.variant == "corner":
        return SIDES[round(finding.angle / 45) % 8][1]
    return run_word(finding.angle)


def polarity_words(finding: Finding) -> str | None:
    """Where the response is positive, in a few words."""
    kind = kind_of(finding)
    if kind in ("colour blob", "colour contrast"):
        return _tinted(finding, _colour_polarity(finding, kind))
    match finding.kind:
        case "edge" | "compass edge":
            return _sides(finding)
        case "line" | "blob":
            return finding.variant
        case "corner" if finding.variant == "saddle":
            return f"bright along {finding.angle:.0f}°"
        case "checkerboard":
            return f"{_first_square(finding)} at the upper left"
        case "emboss" | "identity" | "shift" | "blur" | "sharpen" | "unsharp" | "corner":
            return "positive" if finding.sign > 0 else "negative"
        case "Gabor":
            return _middle(finding)
        case _:
            return None


def _sides(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - edges have a direction
    dark, bright = SIDES[round(finding.angle / 45) % 8]
    return f"dark {dark} and bright {bright}"


def _middle(finding: Finding) -> str:
    phase = (finding.phase or 0.0) % 360
    return ("bright bar", "dark to bright", "dark bar", "bright to dark")[round(phase / 90) % 4]


def sentence(finding: Finding) -> str:
    """What the kernel does, with a doubt where it could be chance."""
    kind = kind_of(finding)
    told = SENTENCES[kind](finding)
    blend = finding.blend
    if blend is not None and blend.chroma is None and kind != "dead":
        share = _percent(blend.held)
        told += f" So the strongest pattern of its {blend.channels} channels, {share} of their energy."
    if finding.kind == NO_STRUCTURE or finding.is_fact or finding.p_value <= DOUBTFUL_SHARE:
        return told
    rows, columns = finding.size
    share = _percent(finding.p_value)
    return f"{told} It could be noise: {share} of random {rows}×{columns} kernels fit as well."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"


# --- one function a kind ----------------------------------------------------------------------


def _dead(_: Finding) -> str:
    return "Dead: every weight is zero, so the response is zero everywhere."


def _negative(finding: Finding) -> str:
    return "" if finding.sign > 0 else " With the sign turned: bright becomes dark."


def _level(finding: Finding) -> str:
    """What becomes of flat areas, as the end of a sentence that is about something else."""
    gain = finding.sign * float(finding.pattern.sum()) * finding.block**2
    if abs(gain - 1) < NEAR_ONE:
        return f"flat areas keep their level.{_negative(finding)}"
    return f"flat areas are multiplied by {gain:.3g}.{_negative(finding)}"


def _sum_told(finding: Finding) -> str:
    """What else happens where the weights of a mean do not sum to 1."""
    gain = finding.sign * float(finding.pattern.sum()) * finding.block**2
    return "" if abs(gain - 1) < NEAR_ONE else f" The level is multiplied by {gain:.3g}."


def _identity(finding: Finding) -> str:
    weight = float(finding.pattern[np.unravel_index(np.abs(finding.pattern).argmax(), finding.pattern.shape)])
    if finding.sign < 0:
        times = "" if abs(weight + 1) < NEAR_ONE else f" and multiplied by {-weight:.3g}"
        return f"The negative: each pixel with its sign turned{times}, bright becomes dark."
    if abs(weight - 1) < NEAR_ONE:
        return "Changes nothing: each pixel stays as it is."
    return f"Changes nothing but the contrast: each pixel is multiplied by {weight:.3g}."


def _shift(finding: Finding) -> str:
    down, right = shift_of(finding.pattern)
    # The pixel taken lies there, so what is seen moves the other way.
    moves = [
        f"{name} by {_pixels(abs(steps))}"
        for steps, name in ((down, "up" if down > 0 else "down"), (right, "left" if right > 0 else "right"))
        if steps
    ]
    return f"Moves the picture {' and '.join(moves)}.{_sum_told(finding)}{_negative(finding)}"


def _pixels(count: int) -> str:
    return ("", "one pixel", "two pixels")[count] if count < 3 else f"{count} pixels"


SMEARS = {
    "horizontal": "to the side",
    "vertical": "up and down",
    "diagonal, falling to the right": "along a diagonal falling to the right",
    "diagonal, rising to the right": "along a diagonal rising to the right",
}


def _blur(finding: Finding) -> str:
    rows, columns = finding.size
    match finding.variant:
        case "box":
            size = round(finding.scale or 0)
            area = f"{rows}×{columns}" if size >= max(rows, columns) else f"{size}×{size}"
            told = f"Box blur: each pixel becomes the mean of {area}."
        case "Gaussian":
            way = "" if finding.angle is None else f" {SMEARS[run_word(finding.angle)]}"
            told = (
                f"Gaussian blur{way}: a mean that counts the middle most, σ about {finding.scale:.2g} pixels."
            )
        case "motion":
            assert finding.angle is not None  # noqa: S101 - a smear has a direction
            told = f"Motion blur {SMEARS[run_word(finding.angle)]}{degrees_note(finding.angle)}."
        case _:
            told = "Blurs: a weighted average of neighbours, with uneven weights."
    return f"{told}{_sum_told(finding)}{_negative(finding)}"


def _sharpen(finding: Finding) -> str:
    return f"Sharpens: each pixel is moved away from the mean of its neighbours; {_level(finding)}"


def _unsharp(finding: Finding) -> str:
    return f"Unsharp mask: the picture plus what a blur takes from it; {_level(finding)}"


def _edge(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - edges have a direction
    word = run_word((finding.angle + 90) % 180).split(",")[0].capitalize()
    return f"{word} edges: positive where it is {_sides(finding)}{degrees_note(finding.angle)}."


def _running(what: str, angle: float) -> str:
    """Lines or stripes with the way they run: their word, their slope, their degrees."""
    word, _, slope = run_word(angle).partition(", ")
    return f"{word.capitalize()} {what}{f', {slope}' if slope else ''}{degrees_note(angle)}"


def _line(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - lines have a direction
    return f"{_running('lines', finding.angle)}: positive on a {finding.variant} line."


def _blob(finding: Finding) -> str:
    other = "brighter" if finding.variant == "bright" else "darker"
    return (
        f"{(finding.variant or '').capitalize()} spots, and both sides of edges: "
        f"positive where the middle is {other} than what is about it."
    )


def _corner(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - corners have a direction
    if finding.variant == "saddle":
        first, second = SIDES[round(finding.angle / 45) % 4]
        return (
            f"Corners and saddles: positive where it is bright {first} and {second.removeprefix('at ')} "
            "and dark at the other two sides."
        )
    place = SIDES[round(finding.angle / 45) % 8][1]
    inside, outside = ("bright", "dark") if finding.sign > 0 else ("dark", "bright")
    return f"Corners: positive where it is {inside} {place} and {outside} elsewhere."


def _emboss(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - a relief is lit from somewhere
    # Read brightness as height: ground that rises along the angle faces back, to the light.
    place = SIDES[round(finding.angle / 45) % 8][0].removeprefix("at ").removeprefix("on ")
    return f"Emboss: a relief lit from {place}; {_level(finding)}"


def _in_the_middle(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - waves have a direction
    middle = _middle(finding)
    if middle.endswith(" bar"):
        return f"with a {middle} in the middle"
    # Stripes run along [0, 180); the phase counts in the direction across them that lies in [0, 180), too.
    brightens = (finding.angle + 90) % 180 + (0 if middle == "dark to bright" else 180)
    dark, bright = SIDES[round(brightens / 45) % 8]
    return f"with an edge in the middle, dark {dark} and bright {bright}"


def _gabor(finding: Finding) -> str:
    assert finding.angle is not None  # noqa: S101 - waves have a direction
    return (
        f"{_running('stripes', finding.angle)}, "
        f"{finding.scale:.2g} pixels from bar to bar, {_in_the_middle(finding)}."
    )


def _checkerboard(finding: Finding) -> str:
    side = round((finding.scale or 2) / 2)
    return (
        f"Checkerboard: positive where squares of {_pixels(side)} are bright and dark by turns, "
        f"{_first_square(finding)} at the upper left."
    )


def _first_square(finding: Finding) -> str:
    """The tone of the upper left pixel of the board that fits best: one noisy weight does not decide."""
    pattern = finding.pattern
    side = max(1, round((finding.scale or 2) / 2 / finding.block))
    rows, columns = np.indices(pattern.shape)
    boards = [
        1 - 2 * (((rows + top) // side + (columns + left) // side) % 2)
        for top in range(side)
        for left in range(side)
    ]
    fits = [float((pattern * board).sum()) for board in boards]  # each board is bright at the upper left
    return "bright" if max(fits, key=abs) > 0 else "dark"


def _tinted(finding: Finding, told: str) -> str:
    """Words about bright and dark as words about the two colours."""
    assert finding.blend is not None  # noqa: S101 - kernels of colour have one
    warm, cold = finding.blend.colour(1), finding.blend.colour(-1)
    for plain, tint in (
        ("brighter", f"more {warm}"),
        ("darker", f"more {cold}"),
        ("bright", warm),
        ("dark", cold),
    ):
        told = told.replace(plain, tint)
    return told


def _colour_polarity(finding: Finding, kind: str) -> str:
    if kind == "colour blob":
        return "bright" if finding.sign > 0 else "dark"
    if finding.kind in ("edge", "compass edge", "emboss"):
        return _sides(finding)
    if finding.kind == "Gabor":
        return _middle(finding)
    if finding.kind == "checkerboard":
        return f"{_first_square(finding)} at the upper left"
    return "bright" if finding.sign > 0 else "dark"


def _colour_blob(finding: Finding) -> str:
    positive, negative = ("bright", "dark") if finding.sign > 0 else ("dark", "bright")
    if finding.kind == "blob" or finding.kind in ("sharpen", "unsharp"):
        told = f"spots of colour: positive where the middle is {positive} and what is about it {negative}."
    elif _has_both_signs(finding.blend):
        told = f"areas of colour: positive where it is {positive}, negative where it is {negative}."
    else:
        told = f"areas of colour: more where it is {positive} than where it is {negative}."
    return _capitalised(_tinted(finding, told))


def _has_both_signs(blend: Blend | None) -> bool:
    """Of flat areas of the two colours, channels from 0 to 1, one gives more than 0 and the other less."""
    assert blend is not None  # noqa: S101 - kernels of colour have one
    assert blend.rival is not None  # noqa: S101 - theirs is the grey pattern
    sums = blend.axis * blend.pattern.sum() / (blend.axis @ blend.axis) + blend.rival.sum() / len(blend.axis)
    areas = [(axis - axis.min()) / np.ptp(axis) @ sums for axis in (blend.axis, -blend.axis)]
    return bool(
        min(areas) < -LEAST_ANSWER * np.abs(sums).max() and max(areas) > LEAST_ANSWER * np.abs(sums).max()
    )


def _colour_contrast(finding: Finding) -> str:
    grey = SENTENCES[finding.kind](finding)
    return f"Colours side by side. {_capitalised(_tinted(finding, grey[0].lower() + grey[1:]))}"


def _capitalised(told: str) -> str:
    return told[0].upper() + told[1:]


def _none(finding: Finding) -> str:
    rows, columns = finding.size
    nearest = f"the nearest kind, {finding.nearest}, explains"
    if finding.p_value <= NAMED_SHARE:
        return f"No clear structure: {nearest} only {_percent(finding.explained)} of the energy."
    return (
        f"No clear structure: {nearest} {_percent(finding.explained)} of the energy; "
        f"{_percent(finding.p_value)} of random {rows}×{columns} kernels fit some kind as well."
    )


SENTENCES: Mapping[str, Callable[[Finding], str]] = MappingProxyType(
    {
        "dead": _dead,
        "identity": _identity,
        "shift": _shift,
        "blur": _blur,
        "sharpen": _sharpen,
        "unsharp": _unsharp,
        "edge": _edge,
        "compass edge": _edge,
        "line": _line,
        "blob": _blob,
        "corner": _corner,
        "emboss": _emboss,
        "Gabor": _gabor,
        "checkerboard": _checkerboard,
        "colour blob": _colour_blob,
        "colour contrast": _colour_contrast,
        NO_STRUCTURE: _none,
    }
)
