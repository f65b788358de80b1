"""`design`: a kernel made to order, and described before it is handed over."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from convscope.core import kernel_families as families
from convscope.core.array import RationalArray
from convscope.core.kernel import Kernel
from convscope.core.number import parse_number
from convscope.errors import InputError, nearest_name
from convscope.interpret.description import Description, describe
from convscope.interpret.sentences import SIDES

LARGEST = 31
# How far the direction that is found may lie from the one wished for: of few taps no angle is exact.
NEAR = 5.0
LEAST_SIGMA = 0.7
WIDTHS = (1.0, 0.8, 1.25, 0.65, 1.5)
MOST_SHIFT = LARGEST // 2
BRIGHT_DARK = ("bright", "dark")
EIGHTH = 45


@dataclass(frozen=True, slots=True)
class Wish:
    """One kind that can be wished for.

    Attributes:
        kind: what `describe` calls it.
        build: makes the taps from the options.
        options: the names it takes besides `size`, each with what it is when not given; None: from the size.
        size: taps a side when not given.
        smallest: of the sizes that can be this kind.
        turn: the angle after which the kernel is the same: 360 where bright and dark have sides, else 180.
        variants: the sorts there are, the usual one first.
        centred: it has a middle tap, so that its size is odd.
        coarse: its direction is told by few pixels.
        tint: its direction is that of the warmer of two colours, so that the wish may mean the opposite one.
    """

    kind: str
    build: Callable[[int, Mapping[str, Any]], RationalArray]
    options: Mapping[str, Any]
    size: int = 5
    smallest: int = 3
    turn: int = 360
    variants: tuple[str, ...] = ()
    centred: bool = False
    coarse: bool = False
    tint: bool = False


def near(wish: Wish, size: int) -> float:
    """How far the direction that is found may lie from the one wished for, in degrees.

    A thin line of few pixels shows its direction to half a pixel at its ends.

    >>> near(WISHES["edge"], 5), round(near(WISHES["motion blur"], 5))
    (5.0, 14)
    """
    return max(NEAR, math.degrees(math.atan(1 / max(size - 1, 1)))) if wish.coarse else NEAR


def design(
    kind: str, *, size: int | None = None, angle: float | None = None, variant: str | None = None,
    sigma: float | None = None, wavelength: float | None = None, phase: float | None = None,
    amount: float | Fraction | str | None = None, colour: str | None = None,
    down: int | None = None, right: int | None = None,
) -> Kernel:  # fmt: skip
    """A kernel of a kind, in cross-correlation, which `describe` says is of that kind.

    Args:
        kind: ``"edge"``, ``"compass edge"``, ``"line"``, ``"blob"``, ``"corner"``, ``"saddle"``,
            ``"blur"``, ``"motion blur"``, ``"sharpen"``, ``"unsharp"``, ``"emboss"``, ``"Gabor"``,
            ``"colour contrast"``, ``"colour blob"``, ``"checkerboard"``, ``"identity"`` or ``"shift"``.
        size: taps a side, up to 31. An edge of three taps is as good as any; a Gabor needs room for
            its waves.
        angle: degrees, y down, as `describe` gives it. Of an edge, a compass edge and an emboss the direction
            in which it gets brighter, of a colour contrast that in which the colour lies: 0 from left to
            right, 90 from above to below. Of a line, a motion blur and a Gabor the direction it runs along.
            Of a corner the direction of the bright quarter, of a saddle a direction in which it is bright.
        variant: ``"bright"`` or ``"dark"`` (line, blob), ``"Gaussian"`` or ``"box"`` (blur).
        sigma: standard deviation of the Gaussian in pixels; chosen from the size when None.
        wavelength: of a Gabor, pixels from bar to bar; chosen from the size when None.
        phase: of a Gabor, degrees: 0 has a bright bar in the middle, 180 a dark one, 90 an edge.
        colour: of a colour contrast and a colour blob, the one that raises the response while its opposite
            lowers it: ``"red"``, ``"orange"``, ``"yellow"``, ``"green"``, ``"cyan"``, ``"blue"``,
            ``"violet"`` or ``"magenta"``.
        amount: how strongly sharpen, unsharp and emboss act.
        down: of a shift, how many pixels the picture moves down; the kernel is as large as that needs.
        right: of a shift, how many pixels it moves to the right.

    Returns:
        A kernel with exact weights, ``(size, size)``, or ``(3, size, size)`` where it is about colour. Of an
        edge, a line, a blob, a corner and a Gabor the positive taps add up to 1 and all taps to 0; of those
        that keep a flat area as it is all taps add up to 1.

    Raises:
        InputError: an unknown kind or option, or a wish that no such kernel fulfils: what `describe`
            makes of the nearest one is told.

    >>> design("edge", angle=90, size=3).weights.tolist()[0][1] < 0
    True
    >>> round(describe(design("edge", angle=30)).orientation)
    30
    """
    name, wish = _wish(kind)
    given = {
        "angle": angle, "variant": variant, "sigma": sigma, "wavelength": wavelength, "phase": phase,
        "amount": amount, "colour": colour, "down": down, "right": right,
    }  # fmt: skip
    options = _options(name, wish, {key: value for key, value in given.items() if value is not None})
    return _fulfilled(name, wish, _size(name, wish, size), options)


def _fulfilled(name: str, wish: Wish, size: int, options: Mapping[str, Any]) -> Kernel:
    """The first of the kernels in question that `describe` confirms."""
    words = ", ".join(f"{key} {value}" for key, value in options.items() if value is not None)
    title = f"{name}, {words}" if words else name
    doubts = []
    # Where the width is left to us, a narrower or wider one may show what the usual one does not.
    is_free = wish.coarse or ("sigma" in options and options["sigma"] is None)
    for width in WIDTHS if is_free else (1.0,):
        taps = wish.build(size, {**options, "width": width})
        kernel, doubt = _confirmed(wish, Kernel(taps, title, "made to order"), options)
        if not doubt:
            return kernel
        doubts.append(doubt)
    raise InputError(
        f"no {name} fits this wish ({title}, size {size}): the nearest is described as {doubts[0]} "
        f"Try another size{''.join(f', another {key}' for key in options)}"
    )


def _wish(kind: str) -> tuple[str, Wish]:
    written = " ".join(str(kind).replace("_", " ").split()).lower()
    for name, wish in WISHES.items():
        if name.lower() == written:
            return name, wish
    raise InputError(
        f"no kernel of the kind '{str(kind)[:60]}' can be designed; {nearest_name(written, WISHES)}"
    )


def _options(name: str, wish: Wish, given: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in wish.options:
            known = ", ".join(("size", *wish.options))
            raise InputError(f"design('{name}') takes no {key}; it takes {known}")
    return {key: READERS[key](name, wish, given.get(key, default)) for key, default in wish.options.items()}


def _size(name: str, wish: Wish, size: int | None) -> int:
    if size is None:
        return wish.size
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise InputError(f"size={size!r} is not a whole number of taps")
    if not wish.smallest <= size <= LARGEST:
        raise InputError(
            f"size={size} is not allowed for design('{name}'); it may be {wish.smallest} to {LARGEST}"
        )
    if wish.centred and size % 2 == 0:
        raise InputError(f"size={size} has no middle tap, which design('{name}') needs; give an odd size")
    return int(size)


def _confirmed(wish: Wish, kernel: Kernel, options: Mapping[str, Any]) -> tuple[Kernel, str]:
    """The kernel with its sentence, and what speaks against it: empty when it is what was wished for."""
    found = describe(kernel)
    assert isinstance(found, Description)  # noqa: S101 - one kernel is no bank
    wanted = options.get("variant")
    is_kind = found.kind == wish.kind and wanted in (None, found.variant)
    is_kind = is_kind and _has_colour(found, options)
    if is_kind and found.check.agrees and _points(found, wish, options.get("angle"), kernel.shape[0]):
        return Kernel(kernel.weights, kernel.name, kernel.source, found.sentence), ""
    contradicted = "" if found.check.agrees else f" But {found.check.disagreement}."
    return kernel, f"'{found.sentence}'{contradicted}"


def _has_colour(found: Description, options: Mapping[str, Any]) -> bool:
    """True when the colour that raises the response is the one wished for, and where it was wished for."""
    colour, angle = options.get("colour"), options.get("angle")
    if colour is None:
        return True
    place = "" if angle is None else f" {SIDES[round(angle / EIGHTH) % len(SIDES)][1]}"
    return f"{colour}{place}" in (found.polarity or "")


def _points(found: Description, wish: Wish, angle: float | None, size: int) -> bool:
    """True when the direction is the one wished for, or none was."""
    if angle is None:
        return True
    if found.orientation is None:
        return False
    turn = 180 if wish.tint else wish.turn
    away = (found.orientation - angle) % turn
    return min(away, turn - away) <= near(wish, size)


# --- the options, read -----------------------------------------------------------------------------


def _number(key: str, low: float, high: float) -> Callable[[str, Wish, Any], Any]:
    """A reader of a number between two."""

    def read(name: str, wish: Wish, value: object) -> float | None:
        del name, wish
        if value is None:
            return None
        number = float(parse_number(value))
        if not low <= number <= high:
            raise InputError(f"{key}={value} is not allowed; it may be {low:g} to {high:g}")
        return number

    return read


def _read_angle(name: str, wish: Wish, value: object) -> float:
    del name
    number = float(parse_number(value))
    if abs(number) > MOST_DEGREES:
        raise InputError(f"angle={value} is not allowed; it may be -{MOST_DEGREES} to {MOST_DEGREES} degrees")
    return number % wish.turn


def _read_variant(name: str, wish: Wish, value: object) -> str:
    if value not in wish.variants:
        raise InputError(
            f"variant={value!r} of {name} is not known; {nearest_name(str(value), wish.variants)}"
        )
    return str(value)


def _read_steps(name: str, wish: Wish, value: object) -> int:
    del wish
    number = parse_number(value)
    if number.denominator != 1 or abs(number) > MOST_SHIFT:
        raise InputError(f"{name} by {value} is not allowed; whole pixels from -{MOST_SHIFT} to {MOST_SHIFT}")
    return int(number)


def _read_amount(name: str, wish: Wish, value: object) -> Fraction:
    del name, wish
    number = parse_number(value)
    if not 0 < number <= MOST_AMOUNT:
        raise InputError(f"amount={value} is not allowed; it may be more than 0 and up to {MOST_AMOUNT}")
    return number


def _read_colour(name: str, wish: Wish, value: object) -> str:
    del name, wish
    if value not in COLOURS:
        raise InputError(f"colour={value!r} is not known; {nearest_name(str(value), COLOURS)}")
    return str(value)


MOST_DEGREES, MOST_AMOUNT = 36000, 20
# What red, green and blue count for a colour and against its opposite; grey counts nothing.
COLOURS = {
    "red": (2, -1, -1), "orange": (1, 0, -1), "yellow": (1, 1, -2), "green": (-1, 2, -1),
    "cyan": (-2, 1, 1), "blue": (-1, -1, 2), "violet": (0, -1, 1), "magenta": (1, -2, 1),
}  # fmt: skip
READERS: Mapping[str, Callable[[str, Wish, Any], Any]] = MappingProxyType(
    {
        "angle": _read_angle,
        "variant": _read_variant,
        "sigma": _number("sigma", 0.3, LARGEST),
        "wavelength": _number("wavelength", 2, LARGEST),
        "phase": _number("phase", -MOST_DEGREES, MOST_DEGREES),
        "colour": _read_colour,
        "amount": _read_amount,
        "down": _read_steps,
        "right": _read_steps,
    }
)


# --- the builders --------------------------------------------------------------------------------------

Options = Mapping[str, Any]


def _sigma(size: int, options: Options, share: float) -> float:
    """The standard deviation wished for, or so large a share of the size, at least enough to be seen."""
    return float(options["sigma"] or max(LEAST_SIGMA, size * share) * options["width"])


def _edge(size: int, options: Options) -> RationalArray:
    return families.gaussian_derivative(size, _sigma(size, options, 1 / 4), options["angle"])


def _compass(size: int, options: Options) -> RationalArray:
    angle = options["angle"]
    if size != 3 or angle % EIGHTH:
        raise InputError(
            f"a compass edge has 3×3 taps and turns by {EIGHTH}°; for other angles wish for an edge"
        )
    # Kirsch's ring is written with its bright side above, at 270 degrees.
    return families.turned_ring((5, 5, 5, -3, -3, -3, -3, -3), 0, int(angle - 270) // EIGHTH)


def _line(size: int, options: Options) -> RationalArray:
    sigma = _sigma(size, options, 1 / 6)
    return families.ridge(size, sigma, options["angle"], dark=options["variant"] == "dark")


def _blob(size: int, options: Options) -> RationalArray:
    return families.spot(size, _sigma(size, options, 1 / 6), dark=options["variant"] == "dark")


def _corner(size: int, options: Options) -> RationalArray:
    if options["angle"] % EIGHTH:
        raise InputError(f"a corner turns by {EIGHTH}°; angle={options['angle']:g} lies between")
    return families.wedge(size, options["angle"])


def _saddle(size: int, options: Options) -> RationalArray:
    return families.saddle(size, _sigma(size, options, 1 / 4), options["angle"])


def _blur(size: int, options: Options) -> RationalArray:
    if options["variant"] == "box":
        if options["sigma"] is not None:
            raise InputError("a box blur has no sigma; its size is its width")
        return families.product([1] * size, [1] * size, size * size)
    return families.gaussian(size, _sigma(size, options, 1 / 5))


def _motion(size: int, options: Options) -> RationalArray:
    if options["width"] == 1:
        return families.streak(size, options["angle"])
    return families.soft_streak(size, options["angle"], SOFT * options["width"])


def _sharpen(size: int, options: Options) -> RationalArray:
    amount = options["amount"]
    near = families.centred(families.rows([0, 1, 0], [1, 0, 1], [0, 1, 0], divisor=4), size)
    return families.added((1 + amount, families.identity(size)), (-amount, near))


def _unsharp(size: int, options: Options) -> RationalArray:
    amount, blurred = options["amount"], families.gaussian(size, _sigma(size, options, 1 / 5))
    return families.added((1 + amount, families.identity(size)), (-amount, blurred))


def _emboss(size: int, options: Options) -> RationalArray:
    slope = families.gaussian_derivative(
        size, options["sigma"] or RELIEF * options["width"], options["angle"]
    )
    return families.added((1, families.identity(size)), (options["amount"], slope))


def _gabor(size: int, options: Options) -> RationalArray:
    wavelength = options["wavelength"] or max(2.5, size / 2.6)
    phase = options["phase"] % 360
    return families.gabor(size, wavelength, options["angle"], phase, _sigma(size, options, 1 / 4))


def _colour_contrast(size: int, options: Options) -> RationalArray:
    return families.coloured(_edge(size, options), COLOURS[options["colour"]])


def _colour_blob(size: int, options: Options) -> RationalArray:
    pattern = families.spot(size, _sigma(size, options, 1 / 6))
    return families.coloured(pattern, COLOURS[options["colour"]])


def _checkerboard(size: int, options: Options) -> RationalArray:
    del options
    return families.checkerboard(size)


def _identity(size: int, options: Options) -> RationalArray:
    del options
    return families.identity(size)


def _shift(size: int, options: Options) -> RationalArray:
    down, right = options["down"], options["right"]
    if not (down or right):
        raise InputError(
            "a shift by nothing is the identity; say how far down or right the picture is to move"
        )
    taps = families.shift(down, right)
    return families.centred(taps, max(size, taps.shape[0]))


# A relief shows what is fine in a picture, however large the kernel.
RELIEF = 0.85
# Where a line as thin as pixels allow does not show its direction, one as soft as this does.
SOFT = 0.75
SIGMA = {"sigma": None}
WISHES: Mapping[str, Wish] = MappingProxyType(
    {
        "edge": Wish("edge", _edge, {"angle": 0, **SIGMA}, smallest=2),
        "compass edge": Wish("compass edge", _compass, {"angle": 0}, size=3),
        "line": Wish(
            "line", _line, {"angle": 0, "variant": "bright", **SIGMA}, turn=180, variants=BRIGHT_DARK
        ),
        "blob": Wish("blob", _blob, {"variant": "bright", **SIGMA}, variants=BRIGHT_DARK),
        "corner": Wish("corner", _corner, {"angle": EIGHTH}),
        "saddle": Wish("corner", _saddle, {"angle": EIGHTH, **SIGMA}, turn=180),
        "blur": Wish(
            "blur", _blur, {"variant": "Gaussian", **SIGMA}, smallest=2, variants=("Gaussian", "box")
        ),
        "motion blur": Wish("blur", _motion, {"angle": 0}, turn=180, coarse=True),
        "sharpen": Wish("sharpen", _sharpen, {"amount": 4}, size=3, centred=True),
        "unsharp": Wish("unsharp", _unsharp, {"amount": 1, **SIGMA}, smallest=5, centred=True),
        "emboss": Wish("emboss", _emboss, {"angle": EIGHTH, "amount": 3, **SIGMA}, size=3, centred=True),
        "Gabor": Wish(
            "Gabor", _gabor, {"angle": 0, "wavelength": None, "phase": 0, **SIGMA},
            size=13, smallest=7, turn=180,
        ),
        "colour contrast": Wish(
            "colour contrast", _colour_contrast, {"angle": 0, "colour": "red", **SIGMA}, tint=True
        ),
        "colour blob": Wish("colour blob", _colour_blob, {"colour": "red", **SIGMA}),
        "checkerboard": Wish("checkerboard", _checkerboard, {}, size=4, smallest=2),
        "identity": Wish("identity", _identity, {}, size=3, smallest=1, centred=True),
        "shift": Wish("shift", _shift, {"down": 0, "right": 0}, size=3, centred=True),
    }
)  # fmt: skip
