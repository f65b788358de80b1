"""A description as a document, and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.core.array import from_ndarray
from convscope.core.document import (
    Block,
    Document,
    Figure,
    FindingKind,
    MatrixView,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    text,
)
from convscope.core.document import Finding as Verdict
from convscope.core.expression import Number, Power, Product
from convscope.core.kernel_picture import kernel_pixels
from convscope.interpret.claims import Response
from convscope.interpret.conventions import CORRELATION, TITLES, TURNS
from convscope.interpret.evidence import norm_of
from convscope.interpret.finding import NO_STRUCTURE
from convscope.interpret.templates import Floats

if TYPE_CHECKING:
    from convscope.interpret.description import Description

RGB = 3
CHANNELS = ("red", "green", "blue")
# Kernels of more taps a side are shown as a picture only.
MOST_SHOWN = 12
# Smaller figures than this are told in powers of ten.
SMALL = 1e-3


def description_facts(told: Description) -> dict[str, Any]:
    """What a description says, as plain values."""
    check = told.check
    facts: dict[str, Any] = {
        "name": told.name,
        "shape": list(told.weights.shape),
        "convention": told.convention,
        "sentence": told.sentence,
        "kind": told.kind,
        "variant": told.variant,
        "orientation": told.orientation,
        "direction": told.direction,
        "polarity": told.polarity,
        "scale": told.scale,
        "confidence": told.confidence,
        "p_value": told.p_value,
        "runner_up": told.runner_up,
        "residual": told.residual,
        "evidence": [
            {"name": figure.name, "value": figure.value, "meaning": figure.meaning}
            for figure in told.evidence
        ],
        "check": {
            "shown": check.shown,
            "agrees": check.agrees,
            "disagreement": check.disagreement,
            "claimed": _response_facts(check.claimed) if check.claimed else None,
            "strongest": [_response_facts(response) for response in check.strongest],
        },
        "optimal": {
            "norm_bounded": told.optimal.norm_bounded.tolist(),
            "norm_bounded_response": norm_of(told.weights),
            "bounded": told.optimal.bounded.astype(int).tolist(),
            "bounded_response": told.optimal.response,
        },
    }
    if told.with_both:
        facts["conventions"] = dict(zip(TURNS, told.both(), strict=True))
    return facts


def _response_facts(response: Response) -> dict[str, Any]:
    return {"stimulus": response.stimulus, "family": response.family, "value": response.value}


def description_document(told: Description) -> Document:
    """The sentence, the kernel, the evidence, the responses to stimuli, the optimal pictures."""
    height, width = told.weights.shape[-2:]
    return Document(
        text(f"What {told.name or f'this {height}×{width} kernel'} does"),
        (
            Verdict(_verdict(told), text(told.sentence)),
            Paragraph(text(f"Convention: {TITLES[told.convention]}.")),
            *_disagreement(told),
            *_kernel(told),
            _found(told),
            *_conventions(told),
            *_optimal(told),
            *_checked(told),
            _evidence(told),
        ),
    )


def _verdict(told: Description) -> FindingKind:
    return "note" if told.kind == NO_STRUCTURE else "result"


def _disagreement(told: Description) -> Iterator[Block]:
    if told.check.disagreement:
        yield Verdict("warning", text(f"A stimulus disagrees: {told.check.disagreement}."))


# --- the kernel -------------------------------------------------------------------------------


def _kernel(told: Description) -> Iterator[Block]:
    weights = told.weights
    if len(weights) in (1, RGB) and max(weights.shape[1:]) <= MOST_SHOWN:
        exact = told.exact if told.exact is not None else from_ndarray(weights)
        plane_shape = weights.shape[1:]
        planes = exact.reshape((len(weights), *plane_shape))
        for channel in range(len(weights)):
            rows = tuple(
                tuple(planes.cell((channel, row, column)) for column in range(plane_shape[1]))
                for row in range(plane_shape[0])
            )
            caption = text("the kernel") if len(weights) == 1 else text(f"the kernel, {CHANNELS[channel]}")
            yield MatrixView(rows, caption)
    yield Figure(
        tuple(_pictures(weights, "the kernel as it is given", turned(told))),
        "kernel",
        text("The taps: orange above zero, blue below, white at zero"),
    )


def turned(told: Description) -> str:
    """What is done to the kernel before it meets the picture; empty for cross-correlation."""
    return "" if told.convention == CORRELATION else TITLES[told.convention]


def _pictures(weights: Floats, words: str, note: str) -> Iterator[Picture]:
    """Each channel as squares of colour; of many channels their strongest ones."""
    largest = float(np.abs(weights).max(initial=0.0))
    shown = list(range(len(weights)))
    if len(weights) > RGB:
        shown = sorted(np.argsort(-np.sum(weights**2, axis=(1, 2)), kind="stable")[:RGB].tolist())
    for channel in shown:
        name = CHANNELS[channel] if len(weights) == RGB else f"channel {channel}"
        caption = words if len(weights) == 1 else name
        yield Picture(
            kernel_pixels(weights[channel], largest=largest),
            f"{words}, {caption}" if len(weights) > 1 else words,
            text(f"{caption}; {note} is applied" if note and len(weights) == 1 else caption),
        )


# --- figures ----------------------------------------------------------------------------------


def figure_text(value: float) -> Text:
    """A measured figure with the digits that can be trusted; very small ones in powers of ten."""
    if value and abs(value) < SMALL:
        mantissa, exponent = f"{value:.1e}".split("e")
        ten = Power(Number(Fraction(10)), Number(Fraction(int(exponent))))
        return text(Product((Number(Fraction(mantissa)), ten)))
    return text(Fraction(f"{value:.4g}"))


def _found(told: Description) -> Table:
    rows: list[tuple[str, Text]] = [
        ("kind", text(told.kind if told.variant is None else f"{told.kind}, {told.variant}"))
    ]
    if told.orientation is not None:
        angle = text(Fraction(f"{told.orientation:.1f}"), "°, y down")
        if told.direction:
            rows.append(("direction", text(told.direction)))
        rows.append((_angle_name(told), angle))
    if told.polarity:
        rows.append(("positive where", text(told.polarity)))
    if told.scale is not None:
        rows.append(("scale", text(*figure_text(told.scale), " pixels")))
    rows += [
        ("confidence", figure_text(told.confidence)),
        ("p-value", figure_text(told.p_value)),
        ("runner-up", text(told.runner_up)),
        ("unexplained energy", figure_text(told.residual)),
    ]
    return Table(
        (text("found"), text("value")),
        tuple((text(name), value) for name, value in rows),
        "ll",
        text("The answer"),
    )


def _angle_name(told: Description) -> str:
    """What the orientation is the direction of."""
    if told.kind == "colour contrast":
        return "orientation"
    gets_bright = told.kind in ("edge", "compass edge", "emboss") or told.variant == "corner"
    return "gets brighter along" if gets_bright else "runs along"


def _conventions(told: Description) -> Iterator[Block]:
    if told.with_both:
        rows = tuple(
            (text(TITLES[convention]), text(sentence))
            for convention, sentence in zip(TURNS, told.both(), strict=True)
        )
        yield Table((text("convention"), text("what it does")), rows, "ll", text("Under each convention"))


def _evidence(told: Description) -> Section:
    rows = tuple(
        (text(figure.name), figure_text(figure.value), text(figure.meaning)) for figure in told.evidence
    )
    heads = (text("figure"), text("value"), text("what it says"))
    return Section(text("Evidence"), (Table(heads, rows, "lrl"),))


# --- stimuli ----------------------------------------------------------------------------------


def _checked(told: Description) -> Iterator[Block]:
    check = told.check
    if not np.any(told.weights != 0):
        return
    rows = tuple(
        (text(response.family), text(response.stimulus), text(Fraction(f"{response.value:.3f}")))
        for response in check.strongest
    )
    heads = (text("family"), text("strongest of it"), text("share of Σ|K|"))
    lead = (
        f"{check.shown} pictures of bright (1) and dark (-1) pixels were shown at every place of the window. "
        "No such picture can give more than Σ|K|."
    )
    verdict: tuple[Block, ...] = ()
    if check.claimed is not None and check.agrees:
        verdict = (
            Verdict("right", text(f"The sentence names {check.claimed.stimulus}: no response is stronger.")),
        )
    yield Section(text("Tried on stimuli"), (Paragraph(text(lead)), *verdict, Table(heads, rows, "llr")))


def _optimal(told: Description) -> Iterator[Block]:
    optimal = told.optimal
    if not np.any(optimal.pattern != 0):
        return
    norm = norm_of(told.weights)
    pictures: list[Picture] = []
    if len(told.weights) == RGB:
        pictures.append(
            _coloured(optimal.norm_bounded / (2 * np.abs(optimal.norm_bounded).max()) + 0.5, "K/‖K‖")
        )
        pictures.append(_coloured(optimal.bounded, "K > 0"))
    elif len(told.weights) == 1:
        pictures += [
            Picture(
                _grey(optimal.norm_bounded[0]), "the optimal picture of length 1", text("K/‖K‖ in greys")
            ),
            Picture(
                _grey(optimal.bounded[0] - 0.5),
                "the optimal picture of black and white",
                text("white where K > 0"),
            ),
        ]
    else:
        return
    yield Figure(
        tuple(pictures), "optimal",
        text("The pictures with the largest response: of length 1, and with pixels from 0 to 1"),
    )  # fmt: skip
    yield Paragraph(
        text(
            "Of all pictures of length 1, K/‖K‖ gives the most: ‖K‖ = ", *figure_text(norm),
            ". Of all pictures with pixels from 0 to 1, the one that is 1 where K > 0 does: ΣK⁺ = ",
            optimal.response, ".",
        )
    )  # fmt: skip


def _grey(values: Floats) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Values about a middle grey, each a square."""
    largest = float(np.abs(values).max(initial=0.0))
    levels = np.rint(127.5 + 127.5 * values / largest) if largest else np.full(values.shape, 128.0)
    return _enlarged(levels.astype(np.uint8))


def _coloured(values: Floats, words: str) -> Picture:
    """Red, green and blue from 0 to 1, each pixel a square."""
    pixels = np.rint(255 * np.moveaxis(values, 0, -1)).astype(np.uint8)
    return Picture(_enlarged(pixels), f"the optimal picture, {words}", text(f"{words} in its colours"))


def _enlarged(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    factor = max(1, 96 // max(pixels.shape[:2]))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
