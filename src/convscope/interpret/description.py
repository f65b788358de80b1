"""`describe`: what a kernel does to a picture, in words, with the evidence and a check of the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.core.array import ExactArray
from convscope.core.document import Document
from convscope.core.kernel import Kernel
from convscope.core.number import parse_number
from convscope.core.reading import MatrixLike
from convscope.errors import InputError
from convscope.interpret.claims import Check
from convscope.interpret.colour import blends
from convscope.interpret.confirming import confirmed
from convscope.interpret.conventions import Convention, check_convention, laid_on_the_picture
from convscope.interpret.evidence import Evidence, evidence_of, norm_of
from convscope.interpret.finding import NO_STRUCTURE, Finding
from convscope.interpret.input import Source, read_source
from convscope.interpret.sentences import direction_word, kind_of, polarity_words, sentence
from convscope.interpret.templates import Floats
from convscope.show import Showable

if TYPE_CHECKING:
    from os import PathLike

    from convscope.importers.weights import Bank
    from convscope.interpret.sheet import Sheet

# A sentence that a stimulus contradicts is worth half.
CONTRADICTED = 0.5


@dataclass(frozen=True, eq=False)
class Optimal:
    """The pictures that a kernel answers most to.

    Attributes:
        pattern: the weights as they lie on the picture, ``(C, kh, kw)``.
    """

    pattern: Floats
    exact: ExactArray | None = field(default=None, repr=False)

    @property
    def norm_bounded(self) -> Floats:
        """Among pictures of length 1 the one with the largest response, K/‖K‖; its response is ‖K‖."""
        length = norm_of(self.pattern)
        return self.pattern / length if length else self.pattern.copy()

    @property
    def bounded(self) -> Floats:
        """Among pictures with pixels in [0, 1]: 1 where the weight is positive, 0 elsewhere."""
        return (self.pattern > 0).astype(np.float64)

    @property
    def response(self) -> Fraction:
        """The response to `bounded`, ΣK⁺, exact: floats count as their shortest decimals."""
        cells = self.exact.cells() if self.exact is not None else map(parse_number, self.pattern.ravel())
        return sum((cell for cell in cells if isinstance(cell, Fraction) and cell > 0), Fraction(0))


@dataclass(frozen=True, eq=False)
class Description(Showable):
    """What a kernel does to a picture.

    Attributes:
        weights: ``(C, kh, kw)`` float64, read-only, as they were given; C is 1 for a grey kernel.
        name: what the kernel is called; may be empty.
        convention: ``"correlation"``, ``"convolution"`` or ``"pillow"``: how the weights meet the picture.
        sentence: what it does, about brightness on the picture.
        kind: dead, identity, shift, blur, sharpen, unsharp, edge, compass edge, line, blob, corner,
            emboss, Gabor, checkerboard, colour contrast, colour blob, or no clear structure.
        variant: of a blur box, Gaussian, motion or other; of a blob or a line bright or dark; of a
            corner corner or saddle; else None.
        orientation: degrees, y down, or None. Of an edge (and a relief, and a corner) the direction in
            which brightness increases where the response is most positive, in [0, 360): 0 is darker on the
            left, 90 dark above. Of lines, motion blur, stripes and saddles the direction that the bright
            part runs along, in [0, 180).
        direction: the word for how the structure runs: ``"horizontal"``, ``"vertical"``,
            ``"diagonal, falling to the right"``; None where it has no direction.
        polarity: where the response is positive: ``"dark above and bright below"``, ``"bright"``.
        scale: pixels: a Gaussian's σ, the length of a box or a smear, a Gabor's wavelength; or None.
        confidence: 0 to 1: how far ahead of the runner-up and of random kernels, halved where a
            stimulus contradicts the sentence; of no clear structure how near to chance, or how little
            is explained.
        p_value: the share of random kernels of this size that fit any kind as well.
        runner_up: the kind that fits next best.
        residual: the share of the energy that the kind's best pattern leaves unexplained.
        check: the sentence tried on stimuli.
        optimal: the pictures with the largest response.
    """

    weights: Floats
    name: str
    convention: Convention
    sentence: str
    kind: str
    variant: str | None
    orientation: float | None
    direction: str | None
    polarity: str | None
    scale: float | None
    confidence: float
    p_value: float
    runner_up: str
    residual: float
    check: Check
    finding: Finding = field(repr=False)
    exact: ExactArray | None = field(default=None, repr=False)
    with_both: bool = field(default=False, repr=False)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Each figure that the answer rests on, with its meaning."""
        return evidence_of(self.finding, laid_on_the_picture(self.weights, self.convention))

    @property
    def optimal(self) -> Optimal:
        """The pictures with the largest response: of bounded norm, and with pixels in [0, 1]."""
        return Optimal(laid_on_the_picture(self.weights, self.convention), self.exact)

    def both(self) -> tuple[str, ...]:
        """The sentences under cross-correlation, under true convolution, and in Pillow's order."""
        return tuple(
            described(Source(self.weights[None], (self.name,), self.exact), convention)[0].sentence
            for convention in ("correlation", "convolution", "pillow")
        )

    def facts(self) -> dict[str, Any]:
        """The description as plain values, for JSON."""
        from convscope.interpret.report import description_facts

        return description_facts(self)

    def document(self) -> Document:
        """The sentence, the kernel, the evidence, the responses to stimuli, the optimal pictures."""
        from convscope.interpret.report import description_document

        return description_document(self)


def describe(
    kernel: MatrixLike | Kernel | Bank | PathLike[str],
    convention: str = "correlation",
    *,
    both: bool = False,
    layer: str | None = None,
) -> Description | Sheet:
    """What a kernel does to a picture: in words, with evidence, checked on stimuli.

    Args:
        kernel: anything `kernel` reads: ``(kh, kw)`` grey, ``(3, kh, kw)`` red, green and blue; of
            ``(C, kh, kw)`` with other C the strongest spatial pattern is described. ``(N, C, kh, kw)``
            or a file of weights is a bank and gives a `Sheet`.
        convention: ``"correlation"`` (what CNN libraries and SciPy's `correlate` compute),
            ``"convolution"`` (the kernel rotated by 180°), or ``"pillow"`` (`ImageFilter.Kernel`, rows from
            the bottom up).
        both: show what the other conventions make of it, too.
        layer: of a file of weights, which convolution; the first with more than one tap when not given.

    Raises:
        InputError: NaN or infinite weights, letters, no or too many weights, an unknown convention.
        ShapeError: a number of axes that no kernel has.

    >>> describe("-1 0 1; -2 0 2; -1 0 1").sentence
    'Vertical edges: positive where it is dark on the left and bright on the right.'
    >>> describe("sobel_x", convention="convolution").polarity
    'dark on the right and bright on the left'
    """
    chosen = check_convention(convention)
    source = read_source(kernel)
    if source is None:
        from convscope.interpret.sheet import sheet_of

        return sheet_of(kernel, convention=chosen, both=both, layer=layer)
    if layer is not None:
        raise InputError("layer= names a convolution of a file of weights; this is one kernel")
    return replace(described(source, chosen)[0], with_both=both)


def describe_many(
    weights: Floats, names: Sequence[str] | None = None, convention: str = "correlation"
) -> list[Description]:
    """Descriptions of a bank ``(N, C, kh, kw)``, in order; much faster than one by one.

    Args:
        weights: finite numbers.
        names: one for each kernel; empty ones when None.
        convention: as `describe` takes it.
    """
    told = tuple(names) if names is not None else ("",) * len(weights)
    return described(Source(np.asarray(weights, np.float64), told, None), check_convention(convention))


def described(source: Source, convention: Convention) -> list[Description]:
    """The kernels of one size measured together."""
    found, tried = confirmed(blends(laid_on_the_picture(source.weights, convention)))
    kept = source.weights
    kept.flags.writeable = False
    return [
        _description(weights, name, convention, finding, check, source.exact)
        for weights, name, finding, check in zip(kept, source.names, found, tried, strict=True)
    ]


def _description(
    weights: Floats,
    name: str,
    convention: Convention,
    finding: Finding,
    check: Check,
    exact: ExactArray | None,
) -> Description:
    is_named = finding.kind != NO_STRUCTURE
    held = finding.blend.held if finding.blend else 1.0
    sure = max(finding.p_value, 1 - finding.explained)
    if is_named:
        sure = finding.odds * (1.0 if finding.is_fact else 1 - finding.p_value)
    return Description(
        weights, name, convention, sentence(finding), kind_of(finding),
        finding.variant if is_named and kind_of(finding) == finding.kind else None,
        finding.angle if is_named else None,
        direction_word(finding) if is_named else None,
        polarity_words(finding),
        finding.scale if is_named else None,
        sure if check.agrees else sure * CONTRADICTED,
        finding.p_value,
        finding.runner_up if is_named else finding.nearest,
        0.0 if finding.kind == "dead" else max(0.0, 1 - finding.explained * held),
        check, finding, exact,
    )  # fmt: skip


__all__ = ["Check", "Description", "Evidence", "Optimal", "describe", "describe_many"]
