"""`highlight`: where on a picture a kernel answers most, and the arithmetic of the strongest places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.array import RationalArray
from convscope.core.document import Document
from convscope.core.kernel import Kernel
from convscope.core.number import parse_number
from convscope.core.reading import MatrixLike, matrix
from convscope.core.reading import kernel as read_kernel
from convscope.engine.analysis import analyse
from convscope.engine.apply import apply
from convscope.engine.borders import VALID, border_name
from convscope.engine.components import components
from convscope.errors import InputError, ShapeError
from convscope.interpret.conventions import Convention, check_convention, laid_on_the_picture
from convscope.interpret.picture_input import COLOURS, Planes, read_planes
from convscope.show import Pictured

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TOP = Fraction(1, 100)
STRONGEST = 3
# Float64 keeps a sum of a few hundred products to about this share of its largest possible value.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Region:
    """Marked cells that touch each other.

    Attributes:
        rank: 1 for the region with the highest peak.
        box: ``(top, left, bottom, right)``, the last row and column not included.
        peak: the highest response in it.
        peak_at: row and column of that response.
        area: how many cells.
        mean: the mean response of its cells.
        centre: the mean row and column of its cells.
    """

    rank: int
    box: tuple[int, int, int, int]
    peak: float
    peak_at: tuple[int, int]
    area: int
    mean: float
    centre: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Product:
    """One channel's part of a response: window ⊙ kernel = products, all exact.

    Attributes:
        name: the channel: ``grey``, ``luminance``, ``red`` …
        window: the cells under the kernel.
        kernel: the kernel as it lies on the picture.
        products: cell times tap.
    """

    name: str
    window: RationalArray
    kernel: RationalArray
    products: RationalArray


@dataclass(frozen=True, slots=True)
class Detail:
    """The strongest cell of a region, worked out.

    Attributes:
        region: where it is.
        window_at: row and column of the window's first cell; negative where it reaches over the border.
        parts: one for each channel.
        value: the exact response, the sum of all products.
    """

    region: Region
    window_at: tuple[int, int]
    parts: tuple[Product, ...]
    value: Fraction


@dataclass(frozen=True, eq=False)
class Highlight(Pictured):
    """Where a kernel answers most.

    Attributes:
        kernel: as it was given.
        convention: how it is laid on the picture.
        response: ``(H, W)`` float64: the answer at each pixel of the picture.
        mask: ``(H, W)`` bool: the marked cells.
        threshold: the marked cells are those whose response is at least this.
        top: the share of cells that was asked for; None when a threshold was given.
        regions: the marked cells in pieces that touch, the highest peak first.
        details: the strongest three, worked out.
        picture: the picture as it was worked on.
        border: what lay outside the picture.
    """

    kernel: Kernel
    convention: Convention
    response: Floats
    mask: Mask
    threshold: float
    top: Fraction | None
    regions: tuple[Region, ...]
    details: tuple[Detail, ...]
    picture: Planes
    border: str

    @property
    def share(self) -> Fraction:
        """The marked cells as a share of all."""
        return Fraction(int(np.count_nonzero(self.mask)), self.mask.size)

    def figure(self) -> npt.NDArray[np.uint8]:
        """The picture with the marked areas, the strongest three magnified with window and products.

        Returns:
            ``(H', W', 3)`` of uint8, ready to be looked at or written.
        """
        from convscope.interpret.highlight_figure import figure

        return figure(self)

    def document(self) -> Document:
        """The same as a document: the marked picture, the regions, the arithmetic of the strongest three."""
        from convscope.interpret.highlight_report import highlight_document

        return highlight_document(self)

    def facts(self) -> Mapping[str, object]:
        """The figures, by name, exact."""
        from convscope.interpret.highlight_report import highlight_facts

        return highlight_facts(self)

    def __repr__(self) -> str:
        name = self.kernel.name or "kernel"
        return f"<Highlight of {name}: {len(self.regions)} regions, {float(self.share):.2%} of the picture>"


def highlight(
    image: object,
    kernel: MatrixLike,
    *,
    top: float | Fraction | str | None = None,
    threshold: float | Fraction | str | None = None,
    convention: Convention = "correlation",
    border: str = "reflect",
) -> Highlight:
    """Mark where on a picture a kernel has a high positive response.

    Args:
        image: a file's path, a `Photograph` (what `read_picture` gives), a Pillow picture, or an array
            ``(H, W)`` or ``(H, W, 3)``. A colour picture becomes its luminance (ITU-R BT.601) unless the
            kernel has three channels.
        kernel: a name such as ``"sobel_x"``, or whatever `kernel` reads: ``(kh, kw)``, or ``(3, kh, kw)``
            for red, green and blue, whose responses are added.
        top: mark this share of the cells, those with the highest positive responses; cells that answer
            as highly as the last of them are marked too. 0.01 when neither this nor `threshold` is given.
        threshold: mark the cells that answer at least so much; it must be positive.
        convention: ``"correlation"`` lays the kernel on the picture as it is written, ``"convolution"``
            rotates it by 180° first, ``"pillow"`` takes its rows from the bottom up, as Pillow does.
        border: what lies outside the picture, as `apply` takes it; ``"valid"`` is not allowed here.

    Returns:
        Response, mask and regions; the details of the strongest three regions are exact.

    Raises:
        InputError: an image or option that cannot be read or is not allowed.
        ShapeError: axes that do not fit.

    >>> step = np.repeat([[0, 0, 0, 9, 9, 9]], 6, axis=0)
    >>> found = highlight(step, "sobel_x", threshold=1)
    >>> found.regions[0].box, found.regions[0].peak, found.details[0].value
    ((0, 2, 6, 4), 36.0, Fraction(36, 1))
    >>> highlight(step, "sobel_x", convention="convolution").regions
    ()
    """
    convention = check_convention(convention)
    border = border_name(border)
    if border == VALID:
        raise InputError(
            "border='valid' leaves pixels without a response; give one that fills, such as 'reflect'"
        )
    taps = read_kernel(kernel)
    weights = _weights(taps)
    picture = read_planes(image, channels=len(weights))
    share, least = _limits(top, threshold)
    response = _response(picture, weights, convention, border)
    slack = _slack(picture, weights)
    if least is None:
        least = _level(response, share or TOP, slack)
    mask = (response >= least - slack) & (response > slack)
    regions = _regions(response, mask)
    found = Highlight(taps, convention, response, mask, least, share, regions, (), picture, border)
    details = tuple(_detail(found, weights, region) for region in regions[:STRONGEST])
    for array in (response, mask):
        array.setflags(write=False)
    return replace(found, details=details)


def _weights(kernel: Kernel) -> tuple[RationalArray, ...]:
    """The kernel channel by channel, each of two axes."""
    weights = kernel.weights
    if not isinstance(weights, RationalArray):
        analyse(kernel)  # says why where it can: a name that no kernel has
        raise InputError("the kernel holds letters; only numbers can be laid on a picture")
    match weights.ndim:
        case 1:
            return (weights.rearranged(lambda cells: cells[None, :]),)
        case 2:
            return (weights,)
        case _ if weights.shape[0] == COLOURS:
            return tuple(weights[channel] for channel in range(COLOURS))
        case _:
            raise ShapeError(
                f"a kernel of shape {weights.shape} has {weights.shape[0]} channels; a picture has 1 or 3, "
                "so give (kh, kw) or (3, kh, kw)"
            )


def _limits(top: object, threshold: object) -> tuple[Fraction | None, float | None]:
    """The share that is asked for, or the threshold."""
    if top is not None and threshold is not None:
        raise InputError("top and threshold are two ways to say how much is marked; give one of them")
    if threshold is not None:
        least = float(parse_number(threshold))
        if not least > 0:
            raise InputError(
                f"threshold={threshold} is not allowed; positive responses are marked, so it must be > 0"
            )
        return None, least
    share = TOP if top is None else parse_number(top)
    if not 0 < share <= 1:
        raise InputError(f"top={top} is not allowed; it is the share of cells to mark, above 0 and up to 1")
    return share, None


def _anchor(shape: tuple[int, ...], convention: Convention) -> tuple[int, int]:
    """The tap over the output cell, once the kernel lies on the picture: it turns with the kernel."""
    row, column = shape[0] // 2, shape[1] // 2
    if convention != "correlation":
        row = shape[0] - 1 - row
    if convention == "convolution":
        column = shape[1] - 1 - column
    return row, column


def _response(
    picture: Planes, weights: tuple[RationalArray, ...], convention: Convention, border: str
) -> Floats:
    anchor = _anchor(weights[0].shape, convention)
    total = np.zeros(picture.shape)
    for plane, taps in zip(picture.planes, weights, strict=True):
        laid = taps.rearranged(lambda cells: laid_on_the_picture(cells, convention))
        total += apply(plane, Kernel(laid), border=border, dtype=np.float64, anchor=anchor)
    return total


def _slack(picture: Planes, weights: tuple[RationalArray, ...]) -> float:
    """Responses nearer than this are the same: they differ by the rounding of float64 at most."""
    parts = zip(picture.planes, weights, strict=True)
    return ROUNDING * sum(
        float(np.abs(plane).max()) * float(np.abs(taps.to_float()).sum()) for plane, taps in parts
    )


def _level(response: Floats, share: Fraction, slack: float) -> float:
    """The response of the last cell of the highest share; +inf when no response is positive."""
    count = max(1, math.ceil(share * response.size))
    flat = response.reshape(-1)
    place = flat.size - count
    level = float(np.partition(flat, place)[place])
    if level > slack:
        return level
    positive = flat[flat > slack]
    return float(positive.min()) if positive.size else math.inf


def _regions(response: Floats, mask: Mask) -> tuple[Region, ...]:
    """The pieces of the mask, measured, the highest peak first."""
    labels, count = components(mask)
    if not count:
        return ()
    rows, columns = np.nonzero(mask)
    which = labels[rows, columns] - 1
    values = response[rows, columns]
    # Sorted by region, then from the highest value down: the first of each region is its peak.
    order = np.lexsort((columns, rows, -values, which))
    first = np.searchsorted(which[order], np.arange(count))
    peaks = order[first]
    area = np.bincount(which, minlength=count)
    ends = [_ends(which[order], axis[order], count) for axis in (rows, columns)]
    means = [np.bincount(which, part, minlength=count) / area for part in (values, rows, columns)]
    ranked = np.lexsort((columns[peaks], rows[peaks], -area, -values[peaks]))
    return tuple(
        Region(
            rank,
            (int(ends[0][0][at]), int(ends[1][0][at]), int(ends[0][1][at]) + 1, int(ends[1][1][at]) + 1),
            float(values[peaks[at]]),
            (int(rows[peaks[at]]), int(columns[peaks[at]])),
            int(area[at]),
            float(means[0][at]),
            (float(means[1][at]), float(means[2][at])),
        )
        for rank, at in enumerate(ranked, start=1)
    )


def _ends(which: npt.NDArray[Any], places: npt.NDArray[Any], count: int) -> tuple[npt.NDArray[Any], ...]:
    """The smallest and largest place of each region; `which` is sorted."""
    starts = np.searchsorted(which, np.arange(count))
    return np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)


def _detail(found: Highlight, weights: tuple[RationalArray, ...], region: Region) -> Detail:
    """The window at the region's peak, its products, and their exact sum."""
    shape = (weights[0].shape[0], weights[0].shape[1])
    anchor = _anchor(shape, found.convention)
    top, left = region.peak_at[0] - anchor[0], region.peak_at[1] - anchor[1]
    parts = []
    total = Fraction(0)
    for number, (taps, name) in enumerate(zip(weights, found.picture.names, strict=True)):
        window = matrix(found.picture.window(number, found.border, top, left, shape))
        assert isinstance(window, RationalArray)  # noqa: S101 - pictures hold numbers
        laid = taps.rearranged(lambda cells: laid_on_the_picture(cells, found.convention))
        products = _times(window, laid)
        parts.append(Product(name, window, laid, products))
        total += Fraction(int(products.numerators.sum(dtype=object)), products.denominator)
    return Detail(region, (top, left), tuple(parts), total)


def _times(window: RationalArray, taps: RationalArray) -> RationalArray:
    """Cell times tap, exact."""
    numerators = window.numerators.astype(object) * taps.numerators.astype(object)
    return RationalArray(numerators, window.denominator * taps.denominator)
