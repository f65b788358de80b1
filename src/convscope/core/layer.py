"""What a layer is, and the normalising that every layer's constructor does at the door.

A layer is a frozen value: valid once built, equal by value, with a `repr` that builds it again.
Options of one axis or of all axes become one entry an axis here and nowhere else. A layer whose
options were all single numbers (``MaxPool(2)``) fits every rank; its entries are then kept once
and `for_rank` repeats them when the rank of the input is known.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from convscope.core.array import ExactArray, array_source, from_cells
from convscope.core.number import decimal_places, decimal_text, parse_number
from convscope.core.reading import MatrixLike, matrix
from convscope.errors import InputError, ShapeError, nearest_name

MAX_RANK = 3
# A size no memory holds; refused at the door so that no formula is fed an absurd number.
MAX_OPTION = 10**9

Axes: TypeAlias = int | Sequence[int]
Pair: TypeAlias = tuple[int, int]
PaddingLike: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]
Padding: TypeAlias = tuple[Pair, ...] | Literal["same"]
ExactLike: TypeAlias = int | float | str | Fraction


class Layer:
    """Base class of the layers; subclasses are frozen dataclasses that write their own constructor."""

    title: ClassVar[str]  # what it is called in a sentence: "convolution", "max pooling"

    _options: ClassVar[Mapping[str, inspect.Parameter] | None] = None

    @classmethod
    def option_names(cls) -> Mapping[str, inspect.Parameter]:
        """The parameters of the constructor, by name and in order; looked up once for each class."""
        if cls.__dict__.get("_options") is None:
            cls._options = dict(list(inspect.signature(cls.__init__).parameters.items())[1:])
        return cls._options or {}

    def __new__(cls, *_given: object, **options: object) -> Self:
        """Refuse an unknown option with the nearest known one."""
        known = cls.option_names()
        for name in options:
            if name not in known:
                hint = nearest_name(name, known) if known else "it has no options"
                raise InputError(f"{cls.__name__}: unknown option {name!r}; {hint}")
        return super().__new__(cls)

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def refusal(self, message: str) -> InputError:
        """The error that refuses an option, led by the layer's name."""
        return InputError(f"{type(self).__name__}: {message}")

    def for_rank(self, rank: int) -> Self:  # noqa: ARG002 - windowed layers use it
        """The layer with one entry an axis for an input of `rank` spatial axes."""
        return self

    def _keeps_axes(self, name: str, value: tuple[object, ...]) -> bool:  # noqa: ARG002 - windows use the name
        """True for an option that tells the number of axes, and so is written axis by axis."""
        return len(value) == getattr(self, "rank", None)

    def __repr__(self) -> str:
        written: list[str] = []
        positional = True
        for name, parameter in self.option_names().items():
            value = getattr(self, name)
            required = parameter.default is inspect.Parameter.empty
            keep = isinstance(value, tuple) and self._keeps_axes(name, value)
            shown = _source_text(value, keep_axes=keep)
            if value is None or (not required and shown == _source_text(parameter.default, keep_axes=False)):
                positional = False
                continue
            positional = positional and required
            written.append(shown if positional else f"{name}={shown}")
        return f"{type(self).__name__}({', '.join(written)})"


def _source_text(value: object, *, keep_axes: bool) -> str:
    """Python source of an option in its shortest form: ((1, 1), (1, 1)) is written 1."""
    if isinstance(value, ExactArray):
        return array_source(value)
    if isinstance(value, Fraction):
        return _fraction_source(value)
    if isinstance(value, tuple):
        entries = {entry for part in value for entry in (part if isinstance(part, tuple) else (part,))}
        if len(entries) == 1 and not keep_axes:
            return _source_text(entries.pop(), keep_axes=False)
        parts = [_source_text(part, keep_axes=True) for part in value]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return repr(value)


def _fraction_source(value: Fraction) -> str:
    """A literal that is read back as the very ratio: a float's where its shortest decimal is the ratio."""
    places = decimal_places(value)
    if places is None:
        return repr(str(value))
    figures = decimal_text(value, places)
    # Fifteen figures survive the way through a float; more are read from text.
    return figures if places == 0 or len(figures.strip("-0.").replace(".", "")) <= 15 else repr(figures)


# --- options ---------------------------------------------------------------------------------


def option_axes(owner: Layer, name: str, value: Axes, *, least: int) -> tuple[int, ...]:
    """One integer an axis; a single integer becomes one entry that fits every rank."""
    entries: tuple[object, ...] = tuple(value) if isinstance(value, list | tuple | np.ndarray) else (value,)
    if not 1 <= len(entries) <= MAX_RANK:
        raise owner.refusal(
            f"{name}={value!r} has {len(entries)} entries; give one integer, or one for each of 1 to 3 axes"
        )
    return tuple(option_integer(owner, name, entry, least=least) for entry in entries)


def option_integer(owner: Layer, name: str, value: object, *, least: int) -> int:
    """An integer option of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise owner.refusal(f"{name}={value!r} is not an integer")
    if not least <= value <= MAX_OPTION:
        allowed = f"{name} may be {least} or more" if value < least else f"{name} may be at most {MAX_OPTION}"
        raise owner.refusal(f"{name}={value} is not allowed; {allowed}")
    return int(value)


def option_padding(owner: Layer, value: PaddingLike) -> Padding:
    """(before, after) for each axis, or "same"."""
    if isinstance(value, str):
        if value == "valid":
            return ((0, 0),)
        if value == "same":
            return "same"
        raise owner.refusal(
            f"padding={value!r} is not known; give an integer, one for each axis, "
            "a (before, after) pair for each axis, 'same' or 'valid'"
        )
    if isinstance(value, Sequence | np.ndarray):
        if any(isinstance(entry, Sequence | np.ndarray) and not isinstance(entry, str) for entry in value):
            return tuple(_padding_pair(owner, entry) for entry in _up_to_rank(owner, value))
        return tuple((entry, entry) for entry in option_axes(owner, "padding", value, least=0))  # type: ignore[arg-type]
    single = option_integer(owner, "padding", value, least=0)
    return ((single, single),)


def _up_to_rank(owner: Layer, value: Sequence[Any]) -> Sequence[Any]:
    if not 1 <= len(value) <= MAX_RANK:
        raise owner.refusal(f"padding={value!r} has {len(value)} entries; give one for each of 1 to 3 axes")
    return value


def _padding_pair(owner: Layer, entry: object) -> Pair:
    sides = tuple(entry) if isinstance(entry, Sequence | np.ndarray) else (entry, entry)
    if len(sides) != 2:
        raise owner.refusal(f"padding of one axis is {entry!r}; give one integer or a (before, after) pair")
    before, after = (option_integer(owner, "padding", side, least=0) for side in sides)
    return before, after


def option_flag(owner: Layer, name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise owner.refusal(f"{name}={value!r} is not True or False")
    return bool(value)


def option_choice(owner: Layer, name: str, value: object, known: Sequence[str]) -> str:
    """One of the known words."""
    if value not in known:
        raise owner.refusal(f"{name}={value!r} is not known; {nearest_name(str(value), known)}")
    return str(value)


def option_number(owner: Layer, name: str, value: ExactLike) -> Fraction:
    """An exact number."""
    try:
        return parse_number(value)
    except InputError as error:
        raise owner.refusal(f"{name}: {error}") from None


def option_vector(owner: Layer, name: str, value: MatrixLike | ExactLike | None) -> ExactArray | None:
    """A vector of exact numbers, or None."""
    if value is None:
        return None
    if isinstance(value, int | float | Fraction | np.number):
        return from_cells((option_number(owner, name, value),), (1,))
    try:
        found = matrix(value)
    except InputError as error:
        raise owner.refusal(f"{name}: {error}") from None
    if found.ndim == 2 and 1 in found.shape:
        found = found.reshape((found.size,))
    if found.ndim != 1:
        raise owner.refusal(f"{name} has shape {found.shape}; it is one number for each channel")
    return found


def common_rank(owner: Layer, **options: Sequence[Any] | str | None) -> int | None:
    """The rank that the options with several entries agree on; None when every one is single."""
    lengths = {
        name: len(value)
        for name, value in options.items()
        if value is not None and not isinstance(value, str) and len(value) != 1
    }
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise owner.refusal(f"options disagree about the number of axes: {told}")
    return next(iter(lengths.values()), None)


def repeated(entries: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """A single entry repeated for every axis."""
    return entries * rank if len(entries) == 1 else entries


def with_rank(layer: Layer, rank: int, names: Sequence[str]) -> dict[str, object]:
    """The named options of `layer` with one entry an axis.

    Raises:
        ShapeError: the layer was built for another rank.
    """
    built = getattr(layer, "rank", None)
    if built is not None and built != rank:
        raise ShapeError(
            f"{type(layer).__name__}: it was built for {built} spatial axes but the input has {rank}"
        )
    values = {name: getattr(layer, name) for name in names}
    return {
        name: repeated(value, rank) if isinstance(value, tuple) else value for name, value in values.items()
    }


def replaced(layer: Layer, **fields: object) -> Any:  # noqa: ANN401 - the layer's own type
    """A copy of a frozen layer with other fields, without normalising again."""
    copy = object.__new__(type(layer))
    for field in dataclasses.fields(layer):  # type: ignore[arg-type]
        object.__setattr__(copy, field.name, fields.get(field.name, getattr(layer, field.name)))
    return copy
