"""What a kernel is made of, found on its exact weights: one analysis that plans and words both read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from convscope.core.array import Letter, RationalArray
from convscope.core.catalogue import kernels
from convscope.core.kernel import Kernel
from convscope.errors import InputError, ShapeError

# More terms than this are never cheaper than the kernel itself at the sizes people use.
MAX_TERMS = 8
# A prime below 2³¹, so that products of residues fit in int64. The rank modulo a prime is never
# above the rank, so a full rank modulo it is a proof.
PRIME = 2**31 - 1

Integers = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring taps of one value that is not zero."""

    start: int
    length: int
    value: Fraction


@dataclass(frozen=True, slots=True)
class Term:
    """One product column × row, exact. A kernel of rank r is a sum of r of them."""

    column: tuple[Fraction, ...]
    row: tuple[Fraction, ...]

    @property
    def column_runs(self) -> tuple[Run, ...]:
        """The constant runs of the column."""
        return runs_of(self.column)

    @property
    def row_runs(self) -> tuple[Run, ...]:
        """The constant runs of the row."""
        return runs_of(self.row)


@dataclass(frozen=True, eq=False)
class Analysis:
    """The structure of a kernel of two axes.

    Attributes:
        weights: the kernel as analysed, ``content · numerators``.
        content: the largest number of which every weight is a whole multiple; 0 of a zero kernel.
        numerators: those multiples, as integers without a common divisor.
        rank: of the matrix of weights, exactly.
        terms: the sum of `rank` products that it is, exactly; empty when there would be more than 8
            or as many as rows or columns (then nothing is gained), unless the rank is 1.
    """

    weights: RationalArray
    content: Fraction
    numerators: Integers
    rank: int
    terms: tuple[Term, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of taps."""
        rows, columns = self.weights.shape
        return rows, columns

    @cached_property
    def taps(self) -> int:
        """How many taps are not zero."""
        return int(np.count_nonzero(self.numerators))

    @property
    def zeros(self) -> int:
        """How many taps are zero."""
        return self.weights.size - self.taps

    @property
    def is_integer(self) -> bool:
        """True when every weight is a whole number."""
        return self.content.denominator == 1

    @cached_property
    def total(self) -> Fraction:
        """The sum of the weights: the answer on a picture of ones."""
        return self.content * int(self.numerators.sum())

    @cached_property
    def magnitude(self) -> Fraction:
        """The sum of the absolute weights: no answer on a picture within ±1 is larger."""
        return self.content * int(np.abs(self.numerators).sum())

    @cached_property
    def is_constant(self) -> bool:
        """True when all taps are equal."""
        return bool((self.numerators == self.numerators[0, 0]).all())

    @cached_property
    def vertical_symmetry(self) -> int:
        """1 when the rows read the same from below, −1 when they change sign, 0 otherwise."""
        return symmetry(self.numerators, self.numerators[::-1])

    @cached_property
    def horizontal_symmetry(self) -> int:
        """1 when the columns read the same from the right, −1 when they change sign, 0 otherwise."""
        return symmetry(self.numerators, self.numerators[:, ::-1])

    @cached_property
    def point_symmetry(self) -> int:
        """1 when a turn by 180° changes nothing, −1 when it changes the sign, 0 otherwise."""
        return symmetry(self.numerators, self.numerators[::-1, ::-1])

    @cached_property
    def transpose_symmetry(self) -> int:
        """1 when rows and columns can be exchanged, −1 with a change of sign, 0 otherwise."""
        if self.shape[0] != self.shape[1]:
            return 0
        return symmetry(self.numerators, self.numerators.T)

    @cached_property
    def floats(self) -> npt.NDArray[np.float64]:
        """The weights, each the nearest float64."""
        return self.weights.to_float()


def analyse(kernel: Kernel, *, flip: bool = False) -> Analysis:
    """The structure of a kernel of one axis (a row of taps) or two.

    Raises:
        ShapeError: a kernel of three axes.
        InputError: a kernel that holds letters.

    >>> found = analyse(Kernel(RationalArray(np.outer([1, 2, 1], [-1, 0, 1]))))
    >>> found.rank, found.zeros, found.horizontal_symmetry, [int(tap) for tap in found.terms[0].column]
    (1, 3, -1, [1, 2, 1])
    """
    weights = kernel.weights
    if not isinstance(weights, RationalArray):
        lone = weights.cell((0,) * weights.ndim) if weights.size == 1 else None
        if isinstance(lone, Letter):  # one word: a catalogue name that is not there
            raise InputError(kernels.unknown(lone.name))
        raise InputError("the kernel holds letters; only numbers can be applied to a picture")
    if weights.ndim > 2:
        raise ShapeError(f"a kernel of shape {weights.shape} has 3 axes; a picture takes kernels of 1 or 2")
    if weights.ndim == 1:
        weights = weights.rearranged(lambda cells: cells.reshape(1, -1))
    if flip:
        weights = weights.rearranged(lambda cells: cells[::-1, ::-1])
    return _analyse(weights)


@lru_cache(maxsize=128)
def _analyse(weights: RationalArray) -> Analysis:
    numerators = weights.numerators.astype(object)
    common = math.gcd(*(int(n) for n in numerators.reshape(-1)))
    if common > 1:
        numerators //= common
    numerators.setflags(write=False)
    content = Fraction(common, weights.denominator)
    rows, columns = numerators.shape
    limit = min(rows, columns)
    rank = rank_modulo(numerators) if limit > 1 else min(1, int(np.count_nonzero(numerators)))
    terms: tuple[Term, ...] = ()
    if rank < limit or rank == 1:
        # Not a proof that the rank is this low: the exact elimination is.
        found = eliminate(numerators, limit)
        rank = len(found)
        if rank == 1 or rank <= MAX_TERMS:
            terms = tuple(found)
    return Analysis(weights, content, numerators, rank, terms)


def rank_modulo(integers: Integers) -> int:
    """The rank modulo a prime: at most the rank, and nearly always equal to it."""
    rest = (integers % PRIME).astype(np.int64)
    rank = 0
    for column in range(rest.shape[1]):
        candidates = np.flatnonzero(rest[rank:, column])
        if not candidates.size:
            continue
        pivot = rank + int(candidates[0])
        rest[[rank, pivot]] = rest[[pivot, rank]]
        rest[rank] = rest[rank] * pow(int(rest[rank, column]), -1, PRIME) % PRIME
        below = rest[rank + 1 :, column].copy()
        rest[rank + 1 :] = (rest[rank + 1 :] - below[:, None] * rest[rank] % PRIME) % PRIME
        rank += 1
        if rank == rest.shape[0]:
            break
    return rank


def eliminate(integers: Integers, limit: int) -> list[Term]:
    """Products column × row that add up to the matrix, by rational elimination with the largest pivot.

    Every row is whole numbers without a common divisor; so is the column of a matrix of rank 1.
    """
    rest = np.vectorize(Fraction, otypes=[object])(integers)
    terms: list[Term] = []
    while len(terms) <= limit and np.count_nonzero(rest):
        place = np.unravel_index(int(np.argmax(np.abs(rest))), rest.shape)
        column, row = rest[:, place[1]].copy(), rest[place[0]].copy()
        pivot = rest[place]
        rest = rest - column[:, None] * (row / pivot)
        row, scale = primitive(row)
        column = [tap * scale / pivot for tap in column]
        terms.append(_signed(Term(tuple(column), tuple(row))))
    return terms


def _signed(term: Term) -> Term:
    """The column's first tap that is not zero made positive, as people write factors."""
    first = next(tap for tap in term.column if tap)
    if first > 0:
        return term
    return Term(tuple(-tap for tap in term.column), tuple(-tap for tap in term.row))


def primitive(numbers: Iterable[Fraction]) -> tuple[list[Fraction], Fraction]:
    """Whole numbers without a common divisor, and what they were divided by.

    >>> primitive([Fraction(1, 2), Fraction(3, 2)])
    ([Fraction(1, 1), Fraction(3, 1)], Fraction(1, 2))
    """
    taps = list(numbers)
    lowest = math.lcm(*(tap.denominator for tap in taps))
    common = math.gcd(*(int(tap * lowest) for tap in taps)) or 1
    scale = Fraction(common, lowest)
    return [tap / scale for tap in taps], scale


def runs_of(taps: Sequence[Fraction]) -> tuple[Run, ...]:
    """The constant runs of a factor, zeros left out.

    >>> runs_of([Fraction(0), Fraction(1), Fraction(1), Fraction(-1)])
    (Run(start=1, length=2, value=Fraction(1, 1)), Run(start=3, length=1, value=Fraction(-1, 1)))
    """
    found = []
    start = 0
    for end in range(1, len(taps) + 1):
        if end == len(taps) or taps[end] != taps[start]:
            if taps[start]:
                found.append(Run(start, end - start, taps[start]))
            start = end
    return tuple(found)


def symmetry(array: Integers, mirrored: Integers) -> int:
    """1 when the two are equal, −1 when they are opposite, 0 otherwise (and 0 of zeros)."""
    if not np.count_nonzero(array):
        return 0
    if np.array_equal(array, mirrored):
        return 1
    return -1 if np.array_equal(array, -mirrored) else 0
