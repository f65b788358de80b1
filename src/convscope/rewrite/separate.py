"""`separate`: a kernel as a sum of products of one-dimensional kernels, exactly, or nearly by fewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from convscope.core.array import ExactArray, RationalArray, from_cells, from_ndarray
from convscope.core.convolution import Conv
from convscope.core.document import (
    Block,
    Document,
    Finding,
    MatrixRow,
    Paragraph,
    Section,
    elided,
    text,
)
from convscope.core.kernel import Kernel
from convscope.core.layer import Layer
from convscope.core.reading import MatrixLike, kernel
from convscope.errors import InputError, UnsupportedError
from convscope.rewrite.affine_map import told_shape
from convscope.rewrite.rewritten import source_blocks
from convscope.show import Showable
from convscope.worked.convolution import weights_of
from convscope.worked.views import matrix_view

# Exact elimination of a kernel this wide takes some seconds when no row depends on the others.
MAX_SIDE = 64
MOST_TERMS = 8
Vector = tuple[Fraction, ...]


@dataclass(frozen=True)
class Term:
    """A product of one-dimensional kernels: ``scale · factors[0] ⊗ factors[1] …``.

    Attributes:
        scale: what is left when the factors are whole numbers without a common divisor.
        factors: one for each axis, exact.
    """

    scale: Fraction
    factors: tuple[RationalArray, ...]

    @property
    def weights(self) -> RationalArray:
        """The product, as a kernel's weights."""
        return _outer(self.scale, [tuple(_ratios(factor)) for factor in self.factors])

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The factors as kernels along their axes, the scale shared among them; one pass each."""
        rank = len(self.factors)
        shares = _shares(self.scale, rank)
        return tuple(
            Kernel(from_cells([share * cell for cell in _ratios(factor)], _along(axis, rank, factor.size)))
            for axis, (share, factor) in enumerate(zip(shares, self.factors, strict=True))
        )


@dataclass(frozen=True, repr=False)
class Separated(Showable):
    """A kernel as a sum of separable terms.

    Attributes:
        kernel: as it was given.
        rank: the smallest number of terms that give a kernel of two axes exactly. Of three axes it is
            the number of terms found, which is the smallest where it is 1.
        terms: what adds up to the kernel, or nearly.
        layer: the convolution that was separated, where it was one.
    """

    kernel: Kernel
    rank: int
    terms: tuple[Term, ...]
    layer: Conv | None = None

    @property
    def value(self) -> tuple[Term, ...]:
        """The terms."""
        return self.terms

    @property
    def approximation(self) -> RationalArray:
        """What the terms add up to."""
        total = np.zeros(self.kernel.shape, dtype=object)
        for term in self.terms:
            total = total + np.asarray(term.weights)
        return from_cells([Fraction(cell) for cell in total.reshape(-1)], self.kernel.shape)

    @property
    def residual(self) -> RationalArray:
        """The kernel less what the terms add up to: zeros where they are exact."""
        difference = np.asarray(self.kernel.weights) - np.asarray(self.approximation)
        return from_cells([Fraction(cell) for cell in difference.reshape(-1)], self.kernel.shape)

    @property
    def is_exact(self) -> bool:
        """True where the terms give the kernel to the last digit."""
        return not self.residual.numerators.any()

    @property
    def error(self) -> float:
        """The root of the sum of squares of what is missing (Frobenius norm); 0.0 where exact."""
        return _norm(self.residual)

    @property
    def relative_error(self) -> float:
        """`error` as a part of the kernel's own norm."""
        whole = _norm(self.kernel.weights)
        return self.error / whole if whole else 0.0

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The passes, one after the other, that do what the one term's kernel does.

        Raises:
            UnsupportedError: several terms, whose results would have to be added.
        """
        if len(self.terms) != 1:
            raise UnsupportedError(
                f"{len(self.terms)} terms are added up, so they are not layers one after the other; "
                "see .terms"
            )
        return _passes(self.terms[0].kernels, self.layer)

    def facts(self) -> dict[str, object]:
        """Rank, terms and error as plain facts."""
        terms = [
            {"scale": term.scale, "factors": [{"factor": factor} for factor in term.factors]}
            for term in self.terms
        ]
        return {
            "kernel": self.kernel.weights,
            "rank": self.rank,
            "is_exact": self.is_exact,
            "error": Fraction(self.error),
            "terms": terms,
        }

    def __repr__(self) -> str:
        return f"<separated: rank {self.rank}, {len(self.terms)} terms, error {self.error:.3g}>"

    def document(self) -> Document:
        """Rank, terms, what they save, and the error where there is one."""
        shape = self.kernel.shape
        title = text(f"A kernel of {told_shape(shape)} taps as one-dimensional kernels")
        blocks: list[Block] = [
            matrix_view(plane, text("Kernel")) for plane in ([self.kernel.weights] if len(shape) < 3 else [])
        ]
        blocks += self._rank_blocks()
        blocks += elided(
            len(self.terms), self._term_blocks, MOST_TERMS, "terms", text("see them all in .terms")
        )
        direct, passes = math.prod(shape), len(self.terms) * sum(shape)
        less = f"{passes} products a cell instead of {direct}" if passes < direct else ""
        if less and len(shape) > 1:
            blocks.append(Finding("note", text(f"One after the other they take {less}.")))
        if len(self.terms) == 1 and len(shape) > 1:
            blocks += source_blocks(self.layers)
        return Document(title, tuple(blocks))

    def _rank_blocks(self) -> list[Block]:
        count = len(self.terms)
        if self.rank == 0:
            return [
                Paragraph(
                    text("Its rank is 0: every tap is 0, and a product with a factor of zeros gives it.")
                )
            ]
        if self.is_exact:
            terms = "one product" if count == 1 else f"a sum of {count} products"
            smallest = ", and of no fewer" if count > 1 and self.kernel.rank == 2 else ""
            told = f"Its rank is {self.rank}: it is exactly {terms} of one-dimensional kernels{smallest}."
            return [Paragraph(text(told))]
        kept = f"Its rank is {self.rank}. The nearest sum of {count} in least squares (by singular values) "
        part = f"{self.relative_error:.3g}"
        return [
            Paragraph(text(kept + f"misses it by {self.error:.6g}, which is {part} of its own norm.")),
            Section(text("What is missing"), (matrix_view(self.residual, text("Kernel less the terms")),)),
        ]

    def _term_blocks(self, number: int) -> tuple[Block, ...]:
        term = self.terms[number]
        if len(term.factors) != 2:
            lines = [matrix_view(factor, text(f"axis {axis}")) for axis, factor in enumerate(term.factors)]
            return (*_scale_blocks(term), *lines)
        column, row = term.factors
        views = (
            matrix_view(column.reshape((column.size, 1)), text("down")),
            matrix_view(row.reshape((1, row.size)), text("across")),
            matrix_view(term.weights, text("product") if term.scale == 1 else text(term.scale, " times it")),
        )
        return (MatrixRow(views, ("∗", "=")),)


def _scale_blocks(term: Term) -> tuple[Block, ...]:
    return () if term.scale == 1 else (Paragraph(text("The product of these, times ", term.scale, ":")),)


def separate(source: MatrixLike | Kernel | Conv, terms: int | None = None) -> Separated:
    """A kernel as a sum of products of one-dimensional kernels.

    The rank is found by elimination on ratios, so it is exact; so are the factors, whole numbers
    without a common divisor where the kernel's are ratios.

    Args:
        source: anything `kernel` reads, of 1 to 3 axes; or a `Conv` of one channel.
        terms: keep so many terms; fewer than the rank give the nearest kernel in least squares, by
            truncated singular value decomposition in float64, with its error. None keeps all, exactly.

    Returns:
        A `Separated`: `rank`, `terms`, `error`; where one term is enough, `layers` are the passes.

    Raises:
        InputError: something that is no kernel, or `terms` that is not positive.
        UnsupportedError: letters; a kernel wider than 64 taps; fewer terms of a kernel of three axes.

    Source: Eckart & Young, "The approximation of one matrix by another of lower rank" (1936).

    >>> separate("-1 0 1; -2 0 2; -1 0 1").terms[0].factors
    (matrix([1, 2, 1]), matrix([-1, 0, 1]))
    >>> separate("0 1 0; 1 -4 1; 0 1 0").rank
    2
    """
    layer = source if isinstance(source, Conv) else None
    found = _kernel_of(source)
    weights = found.weights
    if not isinstance(weights, RationalArray):
        raise UnsupportedError(
            "separate needs a kernel of ratios; letters and irrational numbers have no rank here"
        )
    if max(found.shape) > MAX_SIDE:
        raise UnsupportedError(
            f"a kernel of {told_shape(found.shape)} taps is too wide to be taken apart exactly; up to "
            f"{MAX_SIDE} taps an axis are"
        )
    if terms is not None and (isinstance(terms, bool) or not isinstance(terms, int) or terms < 1):
        raise InputError(f"terms={terms!r} is not a number of terms; terms may be 1 or more")
    exact = _terms(weights)
    if terms is None or terms >= len(exact):
        return Separated(found, _rank(weights, exact), exact, layer)
    if found.rank != 2:
        raise UnsupportedError(
            f"terms={terms}: fewer terms than the exact {len(exact)} are found for kernels of two axes only"
        )
    return Separated(found, len(exact), _nearest(weights, terms), layer)


def _kernel_of(source: MatrixLike | Kernel | Conv) -> Kernel:
    if not isinstance(source, Conv):
        return kernel(source)
    weight = weights_of(source)
    if weight.shape[:2] != (1, 1):
        raise InputError(
            f"separate takes a convolution of one channel, got weights of shape {weight.shape}; give it one "
            "of the kernels"
        )
    return source.kernel or Kernel(weight[0, 0])


# --- exactly ----------------------------------------------------------------------------------


def _ratios(array: RationalArray) -> list[Fraction]:
    return [Fraction(int(n), array.denominator) for n in array.numerators.reshape(-1)]


def _rank(weights: RationalArray, terms: Sequence[Term]) -> int:
    return len(terms) if weights.numerators.any() else 0


def _terms(weights: RationalArray) -> tuple[Term, ...]:
    """The terms of a kernel, taken apart axis by axis."""
    parts = _products(_ratios(weights), weights.shape)
    if not parts:  # a kernel of zeros: one term that is zero
        parts = [(Fraction(0), [(Fraction(1), *(Fraction(0),) * (n - 1)) for n in weights.shape])]
    return tuple(_term(scale, factors) for scale, factors in parts)


def _term(scale: Fraction, factors: Sequence[Vector]) -> Term:
    """The term; a minus sign goes into a factor that has negative numbers anyhow."""
    vectors = list(factors)
    place = next((n for n, vector in enumerate(vectors) if min(vector) < 0), None)
    if scale < 0 and place is not None:
        scale, vectors[place] = -scale, tuple(-cell for cell in vectors[place])
    return Term(scale, tuple(from_cells(vector, (len(vector),)) for vector in vectors))


def _products(cells: Sequence[Fraction], shape: Sequence[int]) -> list[tuple[Fraction, list[Vector]]]:
    if len(shape) == 1:
        whole, scale = _primitive(cells)
        return [(scale, [whole])] if scale else []
    width = math.prod(shape[1:])
    found = []
    for column, row in _peeled([list(cells[r * width : (r + 1) * width]) for r in range(shape[0])]):
        first, scale = _primitive(column)
        found += [(scale * inner, [first, *rest]) for inner, rest in _products(row, shape[1:])]
    return found


def _peeled(rows: list[list[Fraction]]) -> list[tuple[Vector, Vector]]:
    """A matrix as a sum of as few columns times rows as its rank: one pivot's cross taken off at a time."""
    found = []
    while (pivot := _pivot(rows)) is not None:
        top, left = pivot
        column = tuple(row[left] / rows[top][left] for row in rows)
        across = tuple(rows[top])
        found.append((column, across))
        rows = [
            [cell - share * other for cell, other in zip(row, across, strict=True)] if share else row
            for row, share in zip(rows, column, strict=True)
        ]
    return found


def _pivot(rows: Sequence[Sequence[Fraction]]) -> tuple[int, int] | None:
    return next(((r, c) for r, row in enumerate(rows) for c, cell in enumerate(row) if cell), None)


def _primitive(cells: Sequence[Fraction]) -> tuple[Vector, Fraction]:
    """Whole numbers without a common divisor, and what they are to be multiplied by.

    The numbers of a symmetric or smoothing kernel come out positive: their sum, or else the last
    that is not zero, is positive.
    """
    numerator = math.gcd(*(cell.numerator for cell in cells))
    if not numerator:
        return tuple(cells), Fraction(0)
    scale = Fraction(numerator, math.lcm(*(cell.denominator for cell in cells)))
    leading = sum(cells) or next(cell for cell in reversed(cells) if cell)
    scale = -scale if leading < 0 else scale
    return tuple(cell / scale for cell in cells), scale


# --- nearly -----------------------------------------------------------------------------------


def _nearest(weights: RationalArray, terms: int) -> tuple[Term, ...]:
    left, sizes, right = np.linalg.svd(weights.to_float())
    found = []
    for number in range(terms):
        root = math.sqrt(sizes[number])
        column, row = left[:, number] * root, right[number] * root
        if column.sum() < 0:
            column, row = -column, -row
        found.append(Term(Fraction(1), tuple(_exactly(factor) for factor in (column, row))))
    return tuple(found)


def _exactly(factor: Any) -> RationalArray:  # noqa: ANN401 - a float64 array
    array = from_ndarray(factor)
    assert isinstance(array, RationalArray)  # noqa: S101 - floats are ratios; tells the type checker
    return array


def _norm(array: ExactArray) -> float:
    # Divided by the largest first: squares of very large numbers are no floats.
    cells = array.to_float()
    largest = float(np.abs(cells).max(initial=0.0))
    return largest * float(np.linalg.norm(cells / largest)) if largest else 0.0


# --- passes -----------------------------------------------------------------------------------


def _outer(scale: Fraction, factors: Sequence[Vector]) -> RationalArray:
    cells = [scale]
    for factor in factors:
        cells = [cell * other for cell in cells for other in factor]
    return from_cells(cells, tuple(map(len, factors)))


def _shares(scale: Fraction, count: int) -> tuple[Fraction, ...]:
    """The scale as so many factors, equal ones where it has an exact root: 1/16 is 1/4 · 1/4."""
    if count == 2 and scale > 0:
        roots = math.isqrt(scale.numerator), math.isqrt(scale.denominator)
        if (roots[0] ** 2, roots[1] ** 2) == (scale.numerator, scale.denominator):
            return (Fraction(*roots),) * 2
    return (scale, *(Fraction(1),) * (count - 1))


def _along(axis: int, rank: int, length: int) -> tuple[int, ...]:
    return tuple(length if other == axis else 1 for other in range(rank))


def _passes(kernels: Sequence[Kernel], layer: Conv | None) -> tuple[Layer, ...]:
    """One convolution an axis; each takes the stride, padding and dilation of its own axis."""
    if layer is None:
        return tuple(Conv(found) for found in kernels)
    rank = len(kernels)
    placed = layer.for_rank(rank)
    if placed.padding_mode == "constant" and placed.padding_value and rank > 1:
        raise UnsupportedError(
            "separate: padding with a constant cannot be done axis by axis, because the first pass would "
            "multiply it; put Pad before the convolution"
        )
    passes = []
    for axis, found in enumerate(kernels):
        own: Any = {
            name: tuple(getattr(placed, name)[axis] if other == axis else 1 for other in range(rank))
            for name in ("stride", "dilation")
        }
        padding: Any = placed.padding
        if padding != "same":
            padding = tuple(padding[axis] if other == axis else (0, 0) for other in range(rank))
        bias = placed.bias if axis == rank - 1 and isinstance(placed.bias, ExactArray) else None
        mode = placed.padding_mode if placed.padding_mode != "constant" else "zeros"
        passes.append(Conv(found, bias=bias, padding=padding, padding_mode=mode, flip=placed.flip, **own))
    return tuple(passes)
