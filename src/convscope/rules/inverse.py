"""One layer backwards: which input, kernel, stride, padding or dilation gives a wanted output.

The size of an output only grows, or only shrinks, with each of these numbers. So the numbers that
give one output lie side by side, and both ends are found by halving, with the same rule that works
sizes out forwards; no formula is solved twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from convscope.core.document import Block, Document, Finding, Formula, Paragraph, Table, Text, text
from convscope.core.expression import Expression, Relation, RelationSign, Symbol, as_expression
from convscope.core.layer import MAX_OPTION
from convscope.core.network import MAX_LENGTH
from convscope.errors import ConvscopeError, InputError, ShapeError
from convscope.rules.formula import Fact, floor_inside, floor_rests
from convscope.rules.shape import size_facts
from convscope.rules.window import legend
from convscope.show import Showable

Unknown: TypeAlias = Literal["input", "kernel", "stride", "padding", "dilation"]

# What may be asked for, in the order in which one that was left out is taken to be meant, with the
# letter of the formula, the least value, and what the others are when nothing is said.
UNKNOWNS: dict[str, tuple[str, int, int | None]] = {
    "input": ("n", 1, None),
    "kernel": ("k", 1, None),
    "stride": ("s", 1, 1),
    "padding": ("p", 0, 0),
    "dilation": ("d", 1, 1),
}
SHOWN_VALUES = 12


class _LeftOut:
    def __repr__(self) -> str:
        return "left out"


LEFT_OUT = _LeftOut()


@dataclass(frozen=True)
class FoundSizes(Showable):
    """Every value of one unknown that gives an output of one length.

    Attributes:
        unknown: what was asked for: "input", "kernel", "stride", "padding" or "dilation".
        output: the length of the output.
        first, last: the smallest and largest value; `last` is None where there is no largest. Both
            are None when no value gives the output.
        known: the other options.

    Iterating gives the values; ``n in found`` says whether a value gives the output.
    """

    unknown: str
    output: int
    first: int | None
    last: int | None
    known: dict[str, Any] = field(repr=False)

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int) or self.first is None:
            return False
        return self.first <= value and (self.last is None or value <= self.last)

    def __iter__(self) -> Iterator[int]:
        value = self.first
        while value is not None and value in self:
            yield value
            value += 1

    def __len__(self) -> int:
        if self.first is None:
            return 0
        if self.last is None:
            raise TypeError(f"there is no largest {self.unknown}; every one from {self.first} on fits")
        return self.last - self.first + 1

    def __bool__(self) -> bool:
        return self.first is not None

    @property
    def values(self) -> range:
        """All values, where there is a largest."""
        return range(self.first or 0, (self.first or 0) + len(self))

    @cached_property
    def exact(self) -> tuple[int, ...]:
        """Those of the values, the first ones where there are many, for which no floor drops anything."""
        if self.last is None or len(self) > MAX_SEARCHED:
            searched: Any = zip(range(MAX_SEARCHED), self, strict=False)
            return tuple(value for _place, value in searched if not self._rest(value))
        return tuple(value for value in self if not self._rest(value))

    def _rest(self, value: int) -> int:
        return sum(rest for rest in floor_rests(self._fact(value)) if isinstance(rest, int))

    def _fact(self, value: int) -> Fact:
        return _facts(self.known | {self.unknown: value})[-1]

    def __str__(self) -> str:
        if self.first is None:
            return f"no {self.unknown} gives {self.output}"
        if self.last is None:
            return f"{self.unknown} {self.first} or more"
        if self.first == self.last:
            return f"{self.unknown} {self.first}"
        return f"{self.unknown} {self.first} to {self.last}"

    def document(self) -> Document:
        """The values, the formula, and the proof: both ends give the output, their neighbours do not."""
        letter = UNKNOWNS[self.unknown][0]
        given = [f"{name} {_told(value)}" for name, value in self.known.items() if _is_shown(name, value)]
        title = text(f"Which {self.unknown} gives an output of {self.output}")
        head: tuple[Block, ...] = (Paragraph(text(f"Given: {', '.join(given)}.")),) if given else ()
        if self.first is None:
            return Document(title, (*head, Finding("wrong", self._none()), *self._search()))
        proof = [value for value in self._proof() if value is not None]
        facts = _facts(self.known | {self.unknown: proof[len(proof) // 2]})
        return Document(
            title,
            (
                *head,
                Finding("result", text(f"{str(self)[:1].upper()}{str(self)[1:]}.")),
                Paragraph(legend(facts)),
                *self._inequality(letter),
                Table((text(Symbol(letter)), text("output")), tuple(self._rows(proof)), align="rl"),
                *self._exact_told(),
            ),
        )

    def _proof(self) -> tuple[int | None, ...]:
        assert self.first is not None  # noqa: S101 - asked only when there is one
        least = UNKNOWNS[self.unknown][1]
        before = self.first - 1 if self.first > least else None
        if self.last is None:
            return before, self.first
        last = None if self.last == self.first else self.last
        return before, self.first, last, self.last + 1

    def _rows(self, values: list[int]) -> Iterator[tuple[Text, ...]]:
        for value in values:
            try:
                facts = _facts(self.known | {self.unknown: value})
                shown: Text = (facts[-1].chain(),) if facts[-1].value == self.output else (facts[-1].brief(),)
            except ConvscopeError as error:
                shown = text(f"refused: {error}")
            yield text(value), shown

    def _inequality(self, letter: str) -> tuple[Block, ...]:
        """Between which bounds the numerator lies: o − 1 ≤ (n + 2p − k)/s < o, for a plain window."""
        sizes = _formula(self.known | {self.unknown: self.first}, letter)
        if sizes is None:
            return ()
        signs: tuple[RelationSign, ...] = ("≤", "<")
        between = Relation((as_expression(self.output - 1), sizes, as_expression(self.output)), signs)
        told = text("The output is ", self.output, " where the quotient before the floor lies between:")
        return Paragraph(told), Formula(between)

    def _exact_told(self) -> tuple[Block, ...]:
        if self.known.get("transposed") or self.known.get("padding") == "same" or self.known.get("ceil_mode"):
            return ()
        exact = self.exact[:SHOWN_VALUES]
        if not exact:
            return (Paragraph(text("For each of them the floor drops something.")),)
        listed = ", ".join(map(str, exact)) + (", …" if len(self.exact) > SHOWN_VALUES else "")
        return (Paragraph(text(f"The floor drops nothing for {self.unknown} {listed}.")),)

    def _none(self) -> Text:
        return text(f"No {self.unknown} gives an output of {self.output}.")

    def _search(self) -> tuple[Block, ...]:
        """The neighbours between which the output would lie."""
        grown = _forward(self.known, self.unknown)
        least, most = _range(self.unknown)
        rising = _is_rising(self.unknown, transposed=bool(self.known.get("transposed")))
        place = first_where(lambda v: (grown(v) >= self.output) == rising, least, most)
        near = [v for v in (place - 1, place) if least <= v <= most]
        rows = tuple(self._rows(near))
        return (Table((text(Symbol(UNKNOWNS[self.unknown][0])), text("output")), rows, align="rl"),)


MAX_SEARCHED = 10_000


def find_sizes(
    *,
    output: int,
    input: int | _LeftOut | None = LEFT_OUT,  # noqa: A002 - the word a user knows
    kernel: int | _LeftOut | None = LEFT_OUT,
    stride: int | _LeftOut | None = LEFT_OUT,
    padding: int | str | tuple[int, int] | _LeftOut | None = LEFT_OUT,
    dilation: int | _LeftOut | None = LEFT_OUT,
    ceil_mode: bool = False,
    transposed: bool = False,
    output_padding: int = 0,
) -> FoundSizes:
    """Every value of one unknown for which a layer's output has a wanted length along one axis.

    Pass what is known and leave out, or pass as None, what is asked for. Where several are left out,
    the first of input, kernel, stride, padding and dilation is asked for; the others are stride 1,
    padding 0, dilation 1.

    Args:
        output: the length wanted, in cells.
        input: the input's length, in cells.
        kernel: the kernel's size, in taps.
        stride: step of the window, in cells.
        padding: cells on each side; known, it may also be a pair or ``"same"``.
        dilation: distance between neighbouring taps, in cells.
        ceil_mode: round up, as pools may.
        transposed: of a transposed convolution.
        output_padding: as in `ConvTranspose`.

    Raises:
        InputError: nothing is left out, or an option that is not allowed.

    >>> find = find_sizes(output=6, kernel=3, stride=2)
    >>> find.first, find.last
    (13, 14)
    >>> str(find_sizes(input=227, output=55, kernel=11, stride=None))
    'stride 4'
    """
    given = {"input": input, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    if isinstance(output, bool) or not isinstance(output, int) or not 1 <= output <= MAX_LENGTH:
        raise InputError(f"output={output!r} is not a length; it may be 1 to {MAX_LENGTH}")
    unknown = _asked_for(given)
    known: dict[str, Any] = {
        name: UNKNOWNS[name][2] if isinstance(value, _LeftOut) else value
        for name, value in given.items()
        if name != unknown
    }
    missing = [name for name, value in known.items() if value is None]
    if missing:
        raise InputError(f"{' and '.join(missing)} is not known either; give all but one")
    known |= {"ceil_mode": ceil_mode, "transposed": transposed, "output_padding": output_padding}
    first, last = _found(known, unknown, output)
    return FoundSizes(unknown, output, first, last, known)


def _asked_for(given: dict[str, Any]) -> str:
    asked = [name for name, value in given.items() if value is None]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)} are asked for; only one can be")
    left = [name for name, value in given.items() if isinstance(value, _LeftOut)]
    if not asked and not left:
        raise InputError(f"everything is given; leave out one of {', '.join(given)}")
    return asked[0] if asked else left[0]


def _found(known: dict[str, Any], unknown: str, output: int) -> tuple[int | None, int | None]:
    """The ends of the values that give the output; no last one where it never changes again."""
    grown = _forward(known, unknown)
    least, most = _range(unknown)
    _check_known(known, unknown)
    if _is_rising(unknown, transposed=bool(known["transposed"])):
        first = first_where(lambda value: grown(value) >= output, least, most)
        beyond = first_where(lambda value: grown(value) > output, least, most)
    else:
        first = first_where(lambda value: grown(value) <= output, least, most)
        beyond = first_where(lambda value: grown(value) < output, least, most)
    if first >= beyond:
        return None, None
    return first, None if beyond > most and unknown != "input" else beyond - 1


def _range(unknown: str) -> tuple[int, int]:
    return UNKNOWNS[unknown][1], MAX_LENGTH if unknown == "input" else MAX_OPTION


def _is_rising(unknown: str, *, transposed: bool) -> bool:
    """Whether the output grows with the unknown."""
    return unknown == "input" or (unknown == "padding") != transposed


def first_where(holds: Callable[[int], bool], least: int, most: int) -> int:
    """The first number for which `holds`, which holds for all after it; one past the range when none."""
    low, high = least, most + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _forward(known: dict[str, Any], unknown: str) -> Callable[[int], float]:
    """The output's length for a value of the unknown; 0 where nothing is left of the input."""
    rising = _is_rising(unknown, transposed=bool(known["transposed"]))
    # What is not allowed lies at one end: pools pad at most half their kernel, output padding is
    # smaller than the stride or the dilation.
    refused = math.inf if rising == (unknown == "padding") else 0

    def grown(value: int) -> float:
        try:
            return _facts(known | {unknown: value})[-1].value
        except ShapeError:
            return 0
        except InputError:
            return refused

    return grown


def _check_known(known: dict[str, Any], unknown: str) -> None:
    """Refuse options that are not allowed whatever the unknown is."""
    tried = (UNKNOWNS[unknown][1], 2, 64)
    refused: ConvscopeError | None = None
    for value in tried:
        try:
            _facts(known | {unknown: value})
        except ShapeError:
            return
        except InputError as error:
            refused = error
        else:
            return
    if refused is not None:
        raise refused


def _facts(options: dict[str, Any]) -> tuple[Fact, ...]:
    """The facts of one axis, by the rule that works sizes out forwards."""
    padding = options["padding"]
    return size_facts(
        options["input"],
        kernel=options["kernel"],
        stride=options["stride"],
        padding=[padding] if isinstance(padding, tuple | list) else padding,
        dilation=options["dilation"],
        ceil_mode=options["ceil_mode"],
        transposed=options["transposed"],
        output_padding=options["output_padding"],
    )


def _formula(options: dict[str, Any], letter: str) -> Expression | None:
    """What stands in the floor of a plain window count, the numbers filled in but for one letter."""
    fact = _facts(options)[-1]
    if letter not in fact.arguments:
        return None
    numbers: dict[str, Expression] = {
        name: Symbol(name) if name == letter else as_expression(value)
        for name, value in fact.arguments.items()
    }
    return floor_inside(fact.formula(**numbers))


def _told(value: object) -> str:
    return str(value)


def _is_shown(name: str, value: object) -> bool:
    usual = {
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "transposed": False,
        "output_padding": 0,
    }
    return name not in usual or value != usual[name]
