"""What was found of each kernel before it is put into words: kind, direction, sign, size, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convscope.interpret.colour import Blend
from convscope.interpret.families import anchor_of, blur, gradients, second_derivatives
from convscope.interpret.fitting import Fit, Sums, fitted, sums_of, templates
from convscope.interpret.kinds import CANDIDATES
from convscope.interpret.null import GOOD_ENOUGH, all_fits, null_of
from convscope.interpret.oriented import ORIENTED, Told, are_told_apart, told_apart
from convscope.interpret.surrounds import SURROUNDED, surrounded
from convscope.interpret.templates import Floats, Integers, Shape, offsets

# At most this share of random kernels is given a name: one in 25, whether their weights are Gaussian,
# uniform, Laplace's or Student's with three degrees of freedom. Weighted averages, of which it is a fact and
# no guess that they blur, come on top: of n weights one in 2^(n - 1) has one sign, 1 in 256 of random 3×3
# kernels, 1 in 16 of 1×5, 1 in 8 of 2×2.
STATED_SHARE = 0.04
# The p-value that a name takes: the simulation counts to a tenth.
NAMED_SHARE = 0.9 * STATED_SHARE
# A name that random kernels of the size reach more often than this is told with that doubt.
DOUBTFUL_SHARE = 0.01
# Less than half of the energy explained is no description.
LEAST_EXPLAINED = 0.5

# A blur is called by its shape when so much of the energy is explained by it.
LEAST_BLUR_SORT = {"box": 0.96, "Gaussian": 0.96, "motion": 0.85}

# Patterns of more taps a side than this are measured on the means of blocks where blocks keep so much
# of the energy; those of more than `MOST_MEASURED` always are.
BLOCKS_FROM, LEAST_KEPT, MOST_MEASURED = 24, 0.97, 48
# Borders of zeros are left out down to this side: of fewer taps chance makes anything.
LEAST_SIDE = 3
# Of at least so many taps a mean may have a few of the other sign: at most this share of Σ|K|, and of the
# energy as much as noise of 20 dB. Of random kernels two in a thousand are so.
MANY, MOST_OF_OTHER, MOST_ENERGY_OF_OTHER = 16, 0.06, 0.01
# How far ahead a kind is of the next, natural logarithms, at most; so far where no other kind is possible.
MOST_GAP = 50.0
# Kinds that copy the picture by one tap.
ONE_TAP = ("identity", "shift")
# Where the candidates of the kinds that are told apart more finely stand.
FINER = (*ORIENTED, *SURROUNDED)
# A relief is called what else it may be only when that explains no less than this.
MOST_LESS = 0.05
PLACES = {candidate.kind: place for place, candidate in enumerate(CANDIDATES) if candidate.kind in FINER}

NO_STRUCTURE = "no clear structure"


@dataclass(frozen=True, eq=False)
class Finding:
    """One grey pattern as it lies on the picture, measured.

    Attributes:
        pattern: ``(kh, kw)``, the weights turned as the convention says.
        kind: one of the kinds, or ``"no clear structure"``.
        nearest: the kind that fits best, named or not.
        runner_up: the kind that fits next best.
        variant: what sort of its kind; None where there is one sort only.
        angle: degrees, y down; None where the kind has no direction.
        sign: 1 or -1: as the sentence of the kind says it, or the reverse.
        scale: pixels; what it measures depends on the kind.
        phase: of a Gabor, degrees: 0 a bright bar in the middle, 90 dark to bright along `angle`.
        p_value: the share of random kernels of this size that fit any kind as well.
        odds: how much better this kind fits than the next, 0.5 to 1.
        explained: the share of the pattern's energy in the best template.
        is_fact: the kind needs no statistics: one tap copies, weights of one sign (give or take
            noise) average.
        block: the taps a side that one cell of `pattern` is the mean of.
        taps: the size that was measured where it is not the pattern's: `pattern` holds the means of
            blocks, or it has borders of zeros.
        blend: how the pattern came out of several channels; None of a grey kernel.
    """

    pattern: Floats
    kind: str
    nearest: str
    runner_up: str
    variant: str | None
    angle: float | None
    sign: int
    scale: float | None
    phase: float | None
    p_value: float
    odds: float
    explained: float
    is_fact: bool
    block: int = 1
    taps: Shape | None = None
    blend: Blend | None = None

    @property
    def size(self) -> Shape:
        """The kernel's rows and columns without borders of zeros."""
        return self.taps or (self.pattern.shape[0], self.pattern.shape[1])


def findings(
    patterns: Floats, held: Floats | None = None, barred: Sequence[frozenset[str]] | None = None
) -> list[Finding]:
    """Measure grey patterns ``(N, kh, kw)``, all of one size, as they lie on the picture.

    Large patterns that are smooth, and all that are very large, are measured on the means of blocks;
    others without borders of zeros, which change nothing.

    Args:
        patterns: finite numbers.
        held: the share of its kernel's energy that each pattern holds, ``(N,)``; all of it when None.
        barred: kinds that each pattern is not to be; none when None.
    """
    found = _measured(patterns, barred or [frozenset()] * len(patterns))
    if held is None:
        return found
    return [_of_a_share(finding, float(share)) for finding, share in zip(found, held, strict=True)]


def _of_a_share(finding: Finding, held: float) -> Finding:
    """No copy is made of the picture by one strong tap among many others."""
    if finding.kind not in ONE_TAP or finding.explained * held >= LEAST_EXPLAINED:
        return finding
    return replace(finding, kind=NO_STRUCTURE)


def _measured(patterns: Floats, barred: Sequence[frozenset[str]]) -> list[Finding]:
    shape = (patterns.shape[1], patterns.shape[2])
    side = -(-max(shape) // BLOCKS_FROM)
    if side > 1:
        coarse, kept = in_blocks(patterns, side)
        if max(shape) > MOST_MEASURED or kept.min() >= LEAST_KEPT:
            return [
                _enlarged(finding, side, shape, float(share))
                for finding, share in zip(_measured(coarse, barred), kept, strict=True)
            ]
    found: list[Finding | None] = [None] * len(patterns)
    borders = _borders(patterns)
    for border in np.unique(borders, axis=0):
        places = np.flatnonzero(np.all(borders == border, axis=1))
        rows, columns = (slice(cut, length - cut) for cut, length in zip(border, shape, strict=True))
        inner = _of_size(patterns[places, rows, columns], [barred[place] for place in places.tolist()])
        for place, finding in zip(places, inner, strict=True):
            found[place] = finding if not border.any() else _padded(finding, patterns[place])
    return [finding for finding in found if finding is not None]


def _borders(patterns: Floats) -> Integers:
    """How many rows at the top and at the bottom are zeros, and columns on both sides, ``(N, 2)``.

    As many are counted on either side, so that the middle stays, and three rows and columns are left.
    """
    found = []
    for other in (2, 1):
        empty = np.logical_not(np.any(patterns, axis=other))
        both = empty & empty[:, ::-1]
        # A column that is never empty ends the count.
        ended = np.concatenate([both, np.zeros((len(both), 1), np.bool_)], axis=1)
        found.append(np.minimum(ended.argmin(axis=1), max(0, (both.shape[1] - LEAST_SIDE) // 2)))
    borders = np.stack(found, axis=1)
    borders[~np.any(patterns, axis=(1, 2))] = 0
    return borders


def _padded(finding: Finding, pattern: Floats) -> Finding:
    """What was found without the borders of zeros, of the whole pattern."""
    size = (finding.pattern.shape[0], finding.pattern.shape[1])
    return replace(finding, pattern=pattern, taps=size)


def _of_size(patterns: Floats, barred: Sequence[frozenset[str]]) -> list[Finding]:
    """Patterns measured at their own size."""
    shape = (patterns.shape[1], patterns.shape[2])
    flat = patterns.reshape(len(patterns), -1)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    alive = largest[:, 0] > 0
    units = flat[alive] / largest[alive]  # first, so that no square is too large or too small for a float
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    kept = [kinds for kinds, lives in zip(barred, alive, strict=True) if lives]
    measured = iter(_alive(units, shape, patterns[alive], kept)) if alive.any() else iter(())
    return [
        next(measured) if lives else _dead(pattern) for lives, pattern in zip(alive, patterns, strict=True)
    ]


def in_blocks(patterns: Floats, side: int) -> tuple[Floats, Floats]:
    """The means of blocks of taps, and the share of the energy that they keep."""
    count, height, width = patterns.shape
    rows, columns = -(-height // side), -(-width // side)
    # Zeros are added all round, so that the middle stays in the middle.
    down, right = rows * side - height, columns * side - width
    padded = np.pad(patterns, ((0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2)))
    coarse = padded.reshape(count, rows, side, columns, side).mean(axis=(2, 4))
    largest = np.maximum(np.abs(patterns).max(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    energy = np.sum((patterns / largest) ** 2, axis=(1, 2))
    kept = side**2 * np.sum((coarse / largest) ** 2, axis=(1, 2)) / np.where(energy > 0, energy, 1)
    return coarse, np.where(energy > 0, kept, 1.0)


def _enlarged(finding: Finding, side: int, shape: Shape, kept: float) -> Finding:
    """What was found on blocks, in taps."""
    explained = finding.explained * kept
    is_named = explained >= LEAST_EXPLAINED or finding.kind == "dead"
    return replace(
        finding,
        kind=finding.kind if is_named else NO_STRUCTURE,
        scale=None if finding.scale is None else finding.scale * side,
        explained=explained,
        block=side,
        taps=shape,
    )


def _dead(pattern: Floats) -> Finding:
    return Finding(
        pattern, "dead", "dead", NO_STRUCTURE, None, None, 1, None, None, 0.0, 1.0, 1.0, is_fact=True
    )


def _alive(units: Floats, shape: Shape, patterns: Floats, barred: Sequence[frozenset[str]]) -> list[Finding]:
    fits = all_fits(shape, units)
    sums = sums_of(units)
    null = null_of(shape)
    for_choice = null.log_shares(fits, sums, GOOD_ENOUGH)
    for index, kinds in enumerate(barred):
        for_choice[[candidate.kind in kinds for candidate in CANDIDATES], index] = 0.0
    order = np.argsort(for_choice, axis=0, kind="stable")
    each = np.arange(len(units))
    p_values = null.overall(null.log_shares(fits, sums)[order[0], each])
    told = {
        index: known
        for index, known in _told(units, shape, order[0], fits, p_values).items()
        if known.kind not in barred[index]
    }
    chosen = _chosen(units, shape, order[0], sums, told, barred)
    slopes, widths = _slopes(units, shape)
    ridges = _ridges(units, shape)
    found = []
    for index in range(len(units)):
        known = told.get(index)
        best = int(chosen[index])
        kind = CANDIDATES[best].kind
        second = next(
            (int(r) for r in order[:, index] if CANDIDATES[r].kind != kind and for_choice[r, index] < 0), None
        )
        gap = _gap(for_choice[:, index], int(order[0, index]), second, known)
        fit = fits[best]
        explained, p_value = float(fit.explained[index]), float(p_values[index])
        if known is not None:
            explained = known.explained
        is_fact = _is_fact(kind, patterns[index])
        named = is_fact or (p_value <= NAMED_SHARE and explained >= LEAST_EXPLAINED)
        variant, angle, sign, scale, phase = _particulars(
            best,
            fit,
            index,
            units[index].reshape(shape),
            (slopes[index], widths[index]),
            ridges[index],
            known,
        )
        found.append(
            Finding(
                patterns[index],
                kind if named else NO_STRUCTURE,
                kind,
                CANDIDATES[second].kind if second is not None else NO_STRUCTURE,
                variant, angle, sign, scale, phase, p_value,
                float(1 / (1 + np.exp(-min(gap, MOST_GAP)))),
                explained,
                is_fact,
            )
        )  # fmt: skip
    return found


def _gap(for_choice: Floats, first: int, second: int | None, known: Told | None) -> float:
    """How far the kind is ahead of the next, natural logarithms."""
    if second is None:
        return MOST_GAP
    if known is not None and CANDIDATES[second].kind in ORIENTED:
        return 2 * known.margin
    return float(for_choice[second] - for_choice[first])


def _told(
    units: Floats, shape: Shape, chosen: Integers, fits: Sequence[Fit], p_values: Floats
) -> dict[int, Told]:
    """What is told apart more finely, if the best candidate is an edge, a line, a wave or a relief."""
    if not are_told_apart(shape):
        return {}
    is_oriented = np.isin(chosen, [PLACES[kind] for kind in ORIENTED])
    places = np.flatnonzero(is_oriented & (p_values <= NAMED_SHARE))
    told = zip(places.tolist(), told_apart(units[places], shape), strict=True)
    # A relief of two taps is not an edge with a tap in the middle.
    relief = fits[PLACES["emboss"]].explained
    return {
        index: known
        for index, known in told
        if CANDIDATES[chosen[index]].kind != "emboss" or known.explained >= relief[index] - MOST_LESS
    }


def _chosen(
    units: Floats,
    shape: Shape,
    first: Integers,
    sums: Sums,
    told: dict[int, Told],
    barred: Sequence[frozenset[str]],
) -> Integers:
    """The candidate of each kernel's kind: the first, unless kinds were told apart more finely."""
    chosen = first.copy()
    for index, known in told.items():
        chosen[index] = PLACES[known.kind]
    places = np.flatnonzero(np.isin(first, [PLACES[kind] for kind in SURROUNDED]))
    levels = Sums(sums.level[places], sums.absolute[places], sums.taps)
    for index, kind in zip(places.tolist(), surrounded(units[places], levels, shape), strict=True):
        if kind is not None and kind not in barred[index]:
            chosen[index] = PLACES[kind]
    return chosen


def _is_fact(kind: str, pattern: Floats) -> bool:
    """True of what needs no statistics: weights of one sign average; one tap copies."""
    if kind in ONE_TAP:
        return bool(np.count_nonzero(pattern) == 1)
    if kind != "blur":
        return False
    less = np.maximum(-pattern * np.sign(pattern.sum()), 0)
    if not less.any():
        return True
    largest = np.abs(pattern).max()
    energy = np.sum((less / largest) ** 2) / np.sum((pattern / largest) ** 2)
    is_little = less.sum() <= MOST_OF_OTHER * np.abs(pattern).sum() and energy <= MOST_ENERGY_OF_OTHER
    return bool(pattern.size >= MANY and is_little)


# --- directions -------------------------------------------------------------------------------


def coefficients(units: Floats, raw: Floats) -> Floats:
    """Least squares coefficients of each pattern in its own raw patterns: ``(N, m)``."""
    gram = np.einsum("lmn,lkn->lmk", raw, raw)
    right = np.einsum("lmn,ln->lm", raw, units)
    return np.asarray(np.einsum("lmk,lk->lm", np.linalg.pinv(gram, hermitian=True), right))


def _slopes(units: Floats, shape: Shape) -> tuple[Floats, Floats]:
    """The direction in which brightness increases, degrees, y down, in [0, 360); and the gradient's σ."""
    found = templates(gradients, shape)
    if not len(found):  # one tap has no direction
        return np.zeros(len(units)), np.zeros(len(units))
    best = fitted(gradients, shape, units).best
    across = coefficients(units, found.raw[best])
    return np.asarray(np.rad2deg(np.arctan2(across[:, 1], across[:, 0])) % 360), found.scale[best]


def _ridges(units: Floats, shape: Shape) -> Floats:
    """The direction that a line runs along, degrees, y down, in [0, 180)."""
    across, larger, smaller = curvatures(units, shape)
    turned = np.where(np.abs(larger) >= np.abs(smaller), across, across + np.pi / 2)
    return np.asarray((np.rad2deg(turned) + 90) % 180)


def curvatures(units: Floats, shape: Shape) -> tuple[Floats, Floats, Floats]:
    """The Hessian [[xx, xy/2], [xy/2, yy]] of the best {Gxx, Gxy, Gyy}: axis (radians), eigenvalues."""
    found = templates(second_derivatives, shape)
    if not len(found):  # one tap has no curvature
        return np.zeros(len(units)), np.zeros(len(units)), np.zeros(len(units))
    xx, xy, yy = coefficients(units, found.raw[fitted(second_derivatives, shape, units).best]).T
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy / 2)
    return 0.5 * np.arctan2(xy, xx - yy), mean + half, mean - half


def _particulars(
    place: int,
    fit: Fit,
    index: int,
    pattern: Floats,
    slope: tuple[float, float],
    ridge: float,
    told: Told | None,
) -> tuple[str | None, float | None, int, float | None, float | None]:
    """Variant, angle, sign, scale and phase of the best fit."""
    shape = (pattern.shape[0], pattern.shape[1])
    candidate = CANDIDATES[place]
    if candidate.kind == "blur":
        return _blur_sort(pattern, shape, 1 if pattern.sum() >= 0 else -1)
    assert candidate.maker is not None  # noqa: S101 - only a blur has none
    found = templates(candidate.maker, shape)
    best = int(fit.best[index])
    variant = found.variant[best]
    scale = float(found.scale[best])
    known_scale = None if np.isnan(scale) else scale
    laid = float(found.angle[best])
    sign = 1 if fit.inner[index, 0] >= 0 else -1
    if told is not None and told.kind != "edge":
        laid, scale, sign, known_scale = told.angle, told.scale, told.sign, told.scale
    match candidate.kind:
        case "edge":
            return None, float(slope[0]), 1, float(slope[1]), None
        case "compass edge":
            return None, (laid if sign > 0 else laid + 180) % 360, 1, known_scale, None
        case "emboss" if told is not None:
            return None, laid % 360, sign, known_scale, None
        case "emboss":
            tap = 1 if fit.inner[index, 2] >= 0 else -1
            across = coefficients(pattern.reshape(1, -1), found.raw[best : best + 1])[0]
            return None, float(np.rad2deg(np.arctan2(across[1], across[0])) % 360), tap, known_scale, None
        case "line":
            along = (laid + 90) % 180
            near = abs((ridge - along + 90) % 180 - 90) < 25
            return (
                ("bright" if sign > 0 else "dark"),
                float(ridge) if near else along,
                sign,
                known_scale,
                None,
            )
        case "blob":
            return ("bright" if sign > 0 else "dark"), None, sign, known_scale, None
        case "corner":
            return _corner(variant, laid, sign, fit.inner[index], known_scale)
        case "Gabor":
            return _wave(pattern, laid, scale)
        case _:
            return None, None, sign, known_scale, None


def _blur_sort(pattern: Floats, shape: Shape, sign: int) -> tuple[str, float | None, int, float | None, None]:
    """Box, Gaussian or motion where the shape is clear; other means have uneven weights."""
    found = templates(blur, shape)
    fit = fitted(blur, shape, pattern.reshape(1, -1) / np.linalg.norm(pattern))
    best = int(fit.best[0])
    variant = found.variant[best] if len(found) else "other"
    if fit.explained[0] < LEAST_BLUR_SORT.get(variant, 1.0):
        return "other", None, sign, None, None
    angle, scale = float(found.angle[best]), float(found.scale[best])
    if variant == "Gaussian":
        scale = _width_of(pattern, scale)
    if min(shape) == 1:  # one row or column blurs along itself
        angle = 0.0 if shape[0] == 1 else 90.0
    return variant, None if np.isnan(angle) else angle, sign, scale, None


def _width_of(pattern: Floats, near: float) -> float:
    """The σ of a Gaussian about the pattern's centroid, more finely than templates are spaced."""
    weight = np.abs(pattern) / np.abs(pattern).sum()
    y, x = offsets((pattern.shape[0], pattern.shape[1]))
    squared = (y - np.sum(weight * y)) ** 2 + (x - np.sum(weight * x)) ** 2
    widths = near * np.geomspace(0.7, 1.5, 61)
    bells = np.exp(-0.5 * squared / widths[:, None, None] ** 2)
    likeness = np.abs(np.einsum("lij,ij->l", bells, pattern)) / np.linalg.norm(bells, axis=(1, 2))
    return float(widths[likeness.argmax()])


def _corner(
    variant: str, laid: float, sign: int, inner: Floats, scale: float | None
) -> tuple[str, float, int, float | None, None]:
    if variant == "corner":
        return variant, laid % 360, sign, scale, None
    # a·xy + b·(x² - y²): bright along half the angle of (b, a/2).
    bright = np.rad2deg(0.5 * np.arctan2(inner[0], inner[1])) % 180
    return variant, float(bright), 1, scale, None


def _wave(pattern: Floats, laid: float, length: float) -> tuple[None, float, int, float, float]:
    """Direction along the bars, wavelength and phase, from the spectrum about the best template's peak."""
    y, x = offsets((pattern.shape[0], pattern.shape[1]))
    turns = np.deg2rad(laid + np.linspace(-9, 9, 13))[:, None]
    waves = 1 / (length * np.linspace(0.8, 1.25, 19))[None, :]
    across, down = (np.cos(turns) * waves).ravel(), (np.sin(turns) * waves).ravel()
    carrier = np.exp(2j * np.pi * (np.outer(across, x.ravel()) + np.outer(down, y.ravel())))
    found = carrier @ (pattern - pattern.mean()).ravel()
    peak = int(np.abs(found).argmax())
    angle = float(np.rad2deg(np.arctan2(down[peak], across[peak])))
    # Σ K e^{iωu} = A e^{iφ} for K = cos(ωu - φ): φ = 90° is a sine, dark to bright along u.
    phase = float(np.rad2deg(np.angle(found[peak])))
    if not -1e-9 <= angle % 360 < 180:
        phase = -phase
    return None, (angle + 90) % 180, 1, float(1 / np.hypot(across[peak], down[peak])), phase % 360


def shift_of(pattern: Floats) -> tuple[int, int]:
    """Where the largest tap lies from the anchor: rows down, columns right."""
    row, column = np.unravel_index(int(np.abs(pattern).argmax()), pattern.shape)
    anchor = anchor_of((pattern.shape[0], pattern.shape[1]))
    return int(row) - anchor[0], int(column) - anchor[1]
