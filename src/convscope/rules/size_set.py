"""Which whole numbers fulfil conditions on sizes: residue classes with a minimum, found exactly.

A size without products grows evenly: f(n + period) = f(n) + step from some n on. So a condition on
it is, from some n on, the same in every period; everything before, and one whole period after, is
worked out number by number.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convscope.core.size import LARGEST, Condition, Extreme, Floored, Length, Size, Variable
from convscope.core.size_values import Values, evaluate

MAX_PERIOD = 100_000
LISTED = 6

# Conditions of which one at least must hold.
Requirement = tuple[Condition, ...]


@dataclass(frozen=True)
class SizeSet:
    """Whole numbers for one letter: residue classes from a number on, and some before.

    Attributes:
        letter: what they are values of.
        period, residues: from `start` on, those that leave one of these rests when divided by it.
        start: where the classes begin; the first of their members.
        before: the members below `start`.
        least, most: the range of the letter.
    """

    letter: str
    period: int
    residues: tuple[int, ...]
    start: int
    before: tuple[int, ...] = ()
    least: int = 1
    most: int = LARGEST

    def __contains__(self, n: object) -> bool:
        if not isinstance(n, int) or not self.least <= n <= self.most:
            return False
        return n % self.period in self.residues if n >= self.start else n in self.before

    def __iter__(self) -> Iterator[int]:
        """The members, smallest first."""
        yield from self.before
        if self.residues:
            yield from (n for n in range(self.start, self.most + 1) if n % self.period in self.residues)

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        return not self.residues and not self.before

    @property
    def is_all(self) -> bool:
        """Whether every number of the range is in it."""
        return self.period == 1 and bool(self.residues) and self.start <= self.least

    @property
    def smallest(self) -> int | None:
        """The smallest member; None when there is none."""
        return next(iter(self), None)

    def near(self, n: int) -> tuple[int, ...]:
        """The nearest members not above and not below `n`, as far as there are any."""
        if n in self:
            return (n,)
        place = bisect_left(self.before, n)
        last, first = min(n - 1, self.most), max(n + 1, self.start)
        down = range(last, max(last - self.period, self.start - 1), -1)
        up = range(first, min(first + self.period, self.most + 1))
        below = [*(m for m in down if m in self), *self.before[max(place - 1, 0) : place]]
        above = [*self.before[place : place + 1], *(m for m in up if m in self)]
        return (*below[:1], *above[:1])

    def __str__(self) -> str:
        if self.is_empty:
            return f"no {self.letter}"
        told = []
        if self.before:
            told.append(f"{self.letter} = {_runs_told(self.before)}")
        if self.residues:
            told.append(self._classes())
        end = f" up to {self.most}" if self.residues and self.most < LARGEST else ""
        return ", and ".join(told) + end

    def _classes(self) -> str:
        if self.period == 1:
            return f"any {self.letter} from {self.start} on"
        if self.period - len(self.residues) == 1 and self.period > 2:
            (missing,) = set(range(self.period)) - set(self.residues)
            return f"{self.letter} ≢ {missing} (mod {self.period}) from {self.letter} = {self.start} on"
        classes = f"{self.letter} ≡ {_runs_told(self.residues)} (mod {self.period})"
        return f"{classes} from {self.letter} = {self.start} on"


def _runs_told(numbers: Sequence[int]) -> str:
    """``1 to 4, 9``; long lists are cut."""
    runs = list(_runs(numbers))
    told = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a} to {b}" for a, b in runs]
    if len(told) > LISTED * 2:
        told = [*told[:LISTED], "…", *told[-LISTED:]]
    return ", ".join(told)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = last = None
    for n in numbers:
        if last is None or n != last + 1:
            if start is not None and last is not None:
                yield start, last
            start = n
        last = n
    if start is not None and last is not None:
        yield start, last


# --- how sizes grow ---------------------------------------------------------------------------


class NotEvenError(Exception):
    """A size that does not grow evenly, or in too long periods."""


@dataclass(frozen=True, slots=True)
class Growth:
    """f(n + period) = f(n) + step for n ≥ start."""

    period: int
    step: int
    start: int

    def over(self, period: int) -> int:
        """The step over a multiple of the period."""
        return self.step * (period // self.period)


def growth(size: Length, variable: Variable) -> Growth:
    """How a size in one letter grows.

    Raises:
        NotEvenError: powers and products, or a period that is too long to be looked through.
    """
    if not isinstance(size, Size):
        return Growth(1, 0, variable.least)
    parts: list[tuple[int, Growth]] = []
    for monomial, coefficient in size.terms.items():
        if not monomial:
            continue
        atom, power = monomial[0]
        if len(monomial) > 1 or power > 1 or not isinstance(coefficient, int):
            raise NotEvenError
        parts.append((coefficient, _atom_growth(atom, variable)))
    period = _common(part.period for _by, part in parts)
    step = sum(by * part.over(period) for by, part in parts)
    return Growth(period, step, max((part.start for _by, part in parts), default=variable.least))


def _common(periods: Iterable[int]) -> int:
    period = math.lcm(*periods)
    if period > MAX_PERIOD:
        raise NotEvenError
    return period


def _atom_growth(atom: Variable | Floored | Extreme, variable: Variable) -> Growth:
    if isinstance(atom, Variable):
        return Growth(1, 1, variable.least)
    if isinstance(atom, Floored):
        inner = growth(atom.numerator, variable)
        times = atom.denominator // math.gcd(inner.step, atom.denominator)
        period = _common((inner.period * times,))
        return Growth(period, inner.over(period) // atom.denominator, inner.start)
    first, second = growth(atom.first, variable), growth(atom.second, variable)
    gap = atom.first - atom.second
    apart = growth(gap, variable)
    if not apart.step:
        return (
            Growth(_common((first.period, second.period, apart.period)), 0, apart.start)
            if not (first.step or second.step)
            else _alike(first, second, apart)
        )
    start = _settled(gap, apart, variable)
    leads = first if (apart.step > 0) == (atom.kind == "max") else second
    return Growth(leads.period, leads.step, max(start, leads.start))


def _alike(first: Growth, second: Growth, apart: Growth) -> Growth:
    period = _common((first.period, second.period, apart.period))
    return Growth(period, first.over(period), max(first.start, second.start, apart.start))


def _settled(size: Length, grows: Growth, variable: Variable) -> int:
    """A number from which on the size is above 0, or below 0, for good; its step is not 0."""
    found = _values(size, variable, grows.start, grows.start + grows.period)
    worst = int(found.min()) if grows.step > 0 else -int(found.max())
    periods = max(0, -worst) // abs(grows.step) + 1
    return grows.start + grows.period * periods


def _values(size: Length, variable: Variable, first: int, end: int) -> npt.NDArray[np.int64]:
    numbers = np.arange(first, end)
    found = evaluate(size, Values({variable.name: numbers}))
    return np.broadcast_to(np.asarray(found), numbers.shape)


# --- sets ---------------------------------------------------------------------------------------


def sizes_where(requirements: Iterable[Requirement], variable: Variable) -> SizeSet:
    """The values of the only letter in these requirements for which all of them hold."""
    asked = tuple(requirements)
    try:
        period, start = _pattern(asked, variable)
    except NotEvenError:
        period, start = 1, variable.most  # looked through to the end
    end = min(start + period - 1, variable.most)
    numbers = np.arange(variable.least, end + 1)
    holds = fulfilled(asked, {variable.name: numbers}, numbers.shape)
    if start + period - 1 > variable.most:  # the range ends before the pattern begins, or is all known
        return listed(variable, numbers[holds])
    return _classes(variable, holds, period, start)


def _pattern(asked: Sequence[Requirement], variable: Variable) -> tuple[int, int]:
    """The period, and a number from which on all requirements are the same in every period."""
    periods, start = [1], variable.least
    for condition in (condition for requirement in asked for condition in requirement):
        grows = growth(condition.size, variable)
        periods.append(grows.period)
        settled = _settled(condition.size, grows, variable) if grows.step else grows.start
        start = max(start, settled)
    return _common(periods), start


def fulfilled(
    asked: Iterable[Requirement], letters: dict[str, object], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Where all requirements hold."""
    values = Values(letters)
    holds = np.ones(shape, dtype=bool)
    for requirement in asked:
        holds &= np.any([np.broadcast_to(c.holds(values), shape) for c in requirement], axis=0)
    return holds


def listed(variable: Variable, members: npt.NDArray[np.int64]) -> SizeSet:
    """Numbers known one by one; a run that goes on to the end of the range is told as one."""
    found = members.tolist()
    start = len(found)
    while start and found[start - 1] == variable.most - (len(found) - start):
        start -= 1
    if len(found) - start > 1:
        return _set(variable, 1, (0,), found[start], tuple(found[:start]))
    return _set(variable, 1, (), variable.most, tuple(found))


def _classes(variable: Variable, holds: npt.NDArray[np.bool_], period: int, start: int) -> SizeSet:
    least = variable.least
    tail = holds[start - least : start - least + period]
    shortest = next(p for p in _divisors(period) if (tail == np.resize(tail[:p], period)).all())
    residues = tuple(sorted({(start + int(i)) % shortest for i in np.flatnonzero(tail[:shortest])}))
    pattern = np.isin(np.arange(least, start) % shortest, residues)
    broken = np.flatnonzero(pattern != holds[: start - least])
    begin = least + int(broken[-1]) + 1 if broken.size else least
    while residues and begin % shortest not in residues:
        begin += 1
    before = tuple(int(i) + least for i in np.flatnonzero(holds[: begin - least]))
    return _set(variable, shortest, residues, begin, before)


def _set(
    variable: Variable, period: int, residues: tuple[int, ...], start: int, before: tuple[int, ...]
) -> SizeSet:
    return SizeSet(variable.name, period, residues, start, before, variable.least, variable.most)


def _divisors(number: int) -> Iterator[int]:
    yield from (d for d in range(1, number + 1) if number % d == 0)
