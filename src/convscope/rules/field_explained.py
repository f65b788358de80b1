"""The receptive field of one layer, derived: formulas with numbers filled in, from the fields it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Step
from convscope.core.document import Block, Code, Formula, Inline, Table, Text, text
from convscope.core.expression import Expression, Number, as_expression, equation, sizes
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import Upsample
from convscope.rules.field import MAX_PERIOD, AxisField, Field
from convscope.rules.formula import symbol_named
from convscope.rules.reach import REACH_RULES, Interpolated, Nearest, Reach, Stamps, Windows
from convscope.rules.shape_result import joined_names
from convscope.rules.window import AXIS_NAMES

if TYPE_CHECKING:
    from convscope.core.network import Shape
    from convscope.rules.network import Row

Quantity = TypeVar("Quantity", Fraction, Expression)

MEANINGS = {
    "r": "the size of the input's field",
    "j": "its jump",
    "c": "its start",
    "k": "the kernel's size",
    "d": "the dilation",
    "s": "the stride",
    "p": "the padding before",
    "m": "the most cells that one output reads from first to last",
    "f": "the cells of the output for one of the input",
}


# --- formulas: run on fractions for values, on symbols for explanations -------------------------


def _span(k: Quantity, more: Mapping[str, Quantity]) -> Quantity:
    return more["d"] * (k - 1) if "d" in more else k - 1


def _size(r: Quantity, j: Quantity, k: Quantity, **more: Quantity) -> Quantity:
    return r + _span(k, more) * j


def _size_read(r: Quantity, j: Quantity, m: Quantity) -> Quantity:
    return r + (m - 1) * j


def _jump(j: Quantity, s: Quantity) -> Quantity:
    return j * s


def _start(c: Quantity, j: Quantity, k: Quantity, p: Quantity, **more: Quantity) -> Quantity:
    return c + (_span(k, more) / 2 - p) * j


def _jump_divided(j: Quantity, s: Quantity) -> Quantity:
    return j / s


def _start_transposed(
    c: Quantity, j: Quantity, k: Quantity, s: Quantity, p: Quantity, **more: Quantity
) -> Quantity:
    return c + (p - _span(k, more) / 2) * j / s


def _jump_resized(j: Quantity, f: Quantity) -> Quantity:
    return j / f


def _start_resized(c: Quantity, j: Quantity, f: Quantity) -> Quantity:
    return c + (1 / f - 1) / 2 * j


@dataclass(frozen=True, slots=True)
class _Fact:
    """A formula of fractions, its numbers and its value."""

    symbol: str
    formula: Callable[..., Any]
    arguments: Mapping[str, Fraction]

    @property
    def value(self) -> Fraction:
        return Fraction(self.formula(**self.arguments))

    def chain(self) -> Expression:
        """Formula, numbers filled in, value."""
        general = self.formula(**{name: symbol_named(name) for name in self.arguments})
        filled = self.formula(**{name: Number(value) for name, value in self.arguments.items()})
        return equation(symbol_named(self.symbol), general, filled, self.value)


# --- one axis ---------------------------------------------------------------------------------


def _facts(seen: AxisField, reach: Reach) -> tuple[_Fact, ...]:
    r, j, c = Fraction(seen.size), seen.jump, seen.start
    if isinstance(reach, Windows):
        k: dict[str, Fraction] = {"k": Fraction(reach.taps)}
        if reach.dilation > 1:
            k["d"] = Fraction(reach.dilation)
        return (
            _Fact("size", _size, {"r": r, "j": j, **k}),
            _Fact("jump", _jump, {"j": j, "s": Fraction(reach.advance)}),
            _Fact("start", _start, {"c": c, "j": j, "p": Fraction(-reach.first), **k}),
        )
    if isinstance(reach, Stamps):
        k = {"k": Fraction(reach.taps)} | ({"d": Fraction(reach.dilation)} if reach.dilation > 1 else {})
        s = Fraction(reach.period)
        return (
            _Fact("size", _size_read, {"r": r, "j": j, "m": _most_read(reach)}),
            _Fact("jump", _jump_divided, {"j": j, "s": s}),
            _Fact("start", _start_transposed, {"c": c, "j": j, "s": s, "p": Fraction(reach.cut), **k}),
        )
    if isinstance(reach, Nearest | Interpolated):
        f = Fraction(reach.period, reach.advance) if reach.advance else Fraction(1)
        return (
            _Fact("size", _size_read, {"r": r, "j": j, "m": _most_read(reach)}),
            _Fact("jump", _jump_resized, {"j": j, "f": f}),
            _Fact("start", _start_resized, {"c": c, "j": j, "f": f}),
        )
    return ()


def _most_read(reach: Reach) -> Fraction:
    reads = (reach.cells(output) for output in range(min(reach.period, MAX_PERIOD)))
    return Fraction(max((cells[-1] - cells[0] + 1 for cells in reads if cells), default=0))


def _holding(facts: Sequence[_Fact], axis: AxisField) -> tuple[_Fact, ...]:
    """The facts that give this field's numbers: a formula that leaves a case out is not shown for it."""
    found = {"size": Fraction(axis.size), "jump": axis.jump, "start": axis.start}
    return tuple(fact for fact in facts if fact.value == found[fact.symbol])


def _axis_words(axis: AxisField) -> Text:
    parts: list[Inline | int | Fraction] = ["size ", axis.size, ", jump ", axis.jump, ", start ", axis.start]
    return text(*parts)


# --- one layer --------------------------------------------------------------------------------


def field_steps(row: Row) -> tuple[Step, ...]:
    """How the receptive field of a row follows from those of what it reads."""
    field = row.receptive_field
    if field is None:
        return (Step(text("Receptive field: not known; an operator on the way is not known.")),)
    if not field.axes:
        return (Step(text("Receptive field: nothing of a picture is seen.")),)
    given = [] if row.fields is None else [row.fields.of(name) for name in row.inputs]
    known = [
        (name, one) for name, one in zip(row.inputs, given, strict=False) if one is not None and one.axes
    ]
    if field.is_whole:
        return (_whole_step(row, field, [one for _, one in known]),)
    if len(known) > 1:
        return _merged_steps(row, field, known)
    if len(known) == 1 and known[0][1].axes == field.axes:
        return (Step(text("Receptive field: that of its input, ", *_result(field), ".")),)
    shapes = row.input_shapes[0], row.output_shape
    if not known or shapes[0] is None or shapes[1] is None:
        return (Step(text("Receptive field: ", *_result(field), ".")),)
    return tuple(_sliding_steps(row, field, known[0][1], shapes[0], shapes[1]))


def _result(field: Field) -> Text:
    if len(set(field.axes)) == 1 or len({(a.size, a.jump, a.start) for a in field.axes}) == 1:
        return _axis_words(field.axes[0])
    names = AXIS_NAMES.get(len(field.axes), ())
    parts: list[Inline] = []
    for name, axis in zip(names, field.axes, strict=False):
        parts += ["; " if parts else "", f"{name}: ", *_axis_words(axis)]
    return tuple(part for part in parts if part != "")


def _whole_step(row: Row, field: Field, given: Sequence[Field]) -> Step:
    seen = sizes(field.size)
    if field.unfollowed:
        moved = "this layer" if field.through == row.name else Code(field.through)
        return Step(
            text(
                "Receptive field: at most ", seen, " pixels, the whole picture; ", moved,
                " moves cells to where their positions are not followed.",
            )
        )  # fmt: skip
    if any(one.is_whole for one in given) or field.through != row.name:
        through = (" through ", Code(field.through)) if field.through else ()
        return Step(text("Receptive field: ", seen, " pixels, the whole picture", *through, "."))
    return Step(
        text("Receptive field: ", seen, " pixels, the whole picture: this layer reads all cells at once.")
    )


def _sliding_steps(row: Row, field: Field, given: Field, shape: Shape, output: Shape) -> Iterator[Step]:
    rule = REACH_RULES.get(type(row.layer))
    follows = given.places == tuple(range(1, len(shape)))
    yield Step(text("Receptive field, from that of the input (", *_result(given), "):"))
    groups: dict[tuple[Expression, ...], list[int]] = {}
    if rule is not None and follows and len(output) == len(shape):
        for n, (seen, axis) in enumerate(zip(given.axes, field.axes, strict=True)):
            facts = _holding(_facts(seen, rule(row.layer, n, shape[n + 1], output[n + 1])), axis)
            groups.setdefault(tuple(fact.chain() for fact in facts), []).append(n)
    names = AXIS_NAMES.get(len(field.axes), ())
    for chains, axes in groups.items():
        if chains:
            told = text(f"{joined_names([names[n] for n in axes]).capitalize()}:")
            yield Step(told if len(groups) > 1 else (), tuple(map(Formula, chains)))
    if groups:
        yield Step(_legend(row))
    if isinstance(row.layer, ConvTranspose | Upsample):
        yield Step(text("Size is the most that an output sees; outputs of different phases may see less."))
    yield Step(text("Receptive field: ", *_result(field), "."))


def _legend(row: Row) -> Text:
    letters = {"r", "j", "c"}
    if isinstance(row.layer, Conv | MaxPool | AvgPool | LpPool | ConvTranspose):
        letters |= {"k", "s", "p"} | ({"d"} if set(row.layer.dilation) != {1} else set())
    elif isinstance(row.layer, Upsample):
        letters |= {"m", "f"}
    else:
        letters |= {"k", "s", "p"}
    if isinstance(row.layer, ConvTranspose):
        letters |= {"m"}
    shown = [name for name in MEANINGS if name in letters]
    parts: list[Inline] = ["Here "]
    for n, name in enumerate(shown):
        parts += [" and " if n == len(shown) - 1 else ", "] if n else []
        parts += [symbol_named(name), f" is {MEANINGS[name]}"]
    return text(*parts, ".")


def _merged_steps(row: Row, field: Field, known: Sequence[tuple[str, Field]]) -> tuple[Step, ...]:
    names = AXIS_NAMES.get(len(field.axes), ())
    several = len(set(field.axes)) > 1
    rows: list[tuple[Text, ...]] = []
    for name, one in known:
        for n, axis in enumerate(one.axes if several else one.axes[:1]):
            low, stop = axis.box(0)
            along = (f" ({names[n]})",) if several and n < len(names) else ()
            numbers = (low, stop - 1, axis.size, axis.jump, axis.start)
            rows.append((text(Code(name), *along), *(text(number) for number in numbers)))
    heads = tuple(map(text, ("branch", "first pixel", "last pixel", "size", "jump", "start")))
    blocks: tuple[Block, ...] = (Table(heads, tuple(rows), align="lrrrrr"),)
    claim = text("Receptive field: the smallest box around those of its branches, here for output 0:")
    steps = [Step(claim, blocks), *_union_steps(field, [one for _, one in known])]
    if field.misaligned == row.name:
        steps.append(Step(text("The branches' jumps or starts differ: they do not lie on each other.")))
    return (*steps, Step(text("Receptive field: ", *_result(field), ".")))


def _union_steps(field: Field, given: Sequence[Field]) -> Iterator[Step]:
    axis = field.axes[0]
    boxes = [box for one in given if (box := one.axes[0].box(0))[0] < box[1]]
    if axis.period > 1 or not boxes:
        return
    low, high = min(low for low, _ in boxes), max(stop for _, stop in boxes) - 1
    if high - low + 1 == axis.size:
        filled = as_expression(high) - as_expression(low) + 1
        yield Step((), (Formula(equation(symbol_named("size"), filled, axis.size)),))
