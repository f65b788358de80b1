"""Checks of receptive fields: too large, too small, full of holes, or out of line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Code, text
from convscope.core.expression import Expression, Symbol, equation, sizes
from convscope.core.layer import Layer
from convscope.core.operators import Attention, MatMul
from convscope.core.pooling import AvgPool, LpPool, MaxPool
from convscope.core.structural import Flatten, Linear
from convscope.rules.field import Field
from convscope.rules.field_union import misalignment
from convscope.rules.lint.finding import Fact, LintFinding
from convscope.rules.lint.view import View

if TYPE_CHECKING:
    from convscope.rules.lint.view import WindowAxis
    from convscope.rules.network import Row

# Layers that look at positions together, so that what single cells see is no limit to them.
PLACING: tuple[type[Layer], ...] = (Flatten, Linear, Attention, MatMul)
# Layers that widen a field by reading neighbours.
WIDENING: tuple[type[Layer], ...] = (Conv, ConvTranspose, MaxPool, AvgPool, LpPool)
# How far the holes of dilated kernels are followed, in cells.
FOLLOWED_CELLS = 4096


def _followed(view: View, row: Row) -> Field | None:
    """The field of a row whose cells still lie as the picture's, gates left aside; None elsewhere."""
    field = view.local_fields[row.name]
    return field if field is not None and field.axes and not field.is_whole else None


# --- larger than the input --------------------------------------------------------------------


def beyond_input(view: View) -> Iterator[LintFinding]:
    """From some layer on the field is larger than the picture: what is added is padding."""
    grown = [row for row in view.network.rows if _grows_beyond(view, row)]
    if not grown:
        return
    first, last = grown[0], grown[-1]
    field, final = _followed(view, first), _followed(view, last)
    if field is None or final is None:
        return
    axis = next(n for n, along in enumerate(field.axes) if along.size > along.length)
    along = field.axes[axis]
    word = view.axis_word(axis)
    after = len(grown) - 1
    more = (
        f" {after} later layer{'s' * (after > 1)} widen{'s' * (after == 1)} it further, to " if after else ""
    )
    told = (more, sizes(final.size), f" in {last.name}.") if after else ()
    yield LintFinding(
        "beyond_input",
        first.name,
        text(
            f"From this layer on the receptive field is larger than the picture: it spans {along.size} "
            f"{word} of {along.length}.",
            *told,
        ),
        text("What these kernels' outer taps add is padding; the layers deepen the network but see no more."),
        text(
            f"Feed pictures of at least {max(final.size)} pixels, or leave out strides, dilation or layers "
            "from here on if more context was their purpose."
        ),
        numbers={
            "size": field.size,
            "input": tuple(a.length for a in field.axes),
            "largest": final.size,
            "layers": tuple(row.name for row in grown),
        },
    )


def _grows_beyond(view: View, row: Row) -> bool:
    """Whether a layer widens a field along an axis where it then is larger than the picture."""
    field = _followed(view, row)
    if field is None or not isinstance(row.layer, WIDENING):
        return False
    given = view.local_fields[row.inputs[0]]
    if given is None or len(given.axes) != len(field.axes):
        return False
    axes = zip(given.axes, field.axes, strict=True)
    return any(old.size < new.size > new.length for old, new in axes)


# --- smaller than the object ------------------------------------------------------------------


def too_small(view: View) -> Iterator[LintFinding]:
    """The largest field is smaller than the objects that were asked about."""
    rows = [(row, field) for row in view.network.rows if (field := _followed(view, row)) is not None]
    wanted = view.object_size
    if not wanted or not rows or _looks_at_places(view):
        return
    row, field = max(rows, key=lambda entry: min(entry[1].size))
    short = [n for n, size in enumerate(field.size) if size < wanted[n % len(wanted)]]
    if not short:
        return
    wanted = tuple(wanted[n % len(wanted)] for n in range(len(field.axes)))
    jump = field.axes[short[0]].jump
    missing = wanted[short[0]] - field.size[short[0]]
    taps = -(-missing // (2 * jump)) if jump else 0
    yield LintFinding(
        "too_small",
        row.name,
        text(
            "The largest receptive field, that of this layer, is ",
            sizes(field.size),
            "; the object asked about is ",
            sizes(wanted),
            ".",
        ),
        text("No cell sees such an object whole; only the sum of its parts can be recognised."),
        text(
            f"Add about {taps} convolution{'s' * (taps != 1)} of 3 taps at this depth (each adds ",
            2 * jump,
            " pixels), or dilate, or stride earlier.",
        ),
        numbers={"size": field.size, "object": wanted, "layers_to_add": int(taps)},
    )


def _looks_at_places(view: View) -> bool:
    """Whether positions are looked at together on the way: by a linear layer over the map, or attention."""
    for row in view.network.rows:
        field = view.local_fields[row.name]
        if field is None or field.unfollowed:
            return True
        if field.is_whole and field.through == row.name and isinstance(row.layer, PLACING):
            return True
    return False


# --- gridding ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Taps:
    """Which cells, in steps of the last stride, an output reads along one axis.

    Attributes:
        bits: bit n is set where the cell n steps from the first is read.
        dilated: the dilated layers on the way.
        is_told: a finding has told of their holes.
    """

    bits: int
    dilated: tuple[str, ...] = ()
    is_told: bool = False

    @property
    def holes(self) -> int:
        """Cells between the first and the last that are not read."""
        return self.bits.bit_length() - self.bits.bit_count()


_ONE_CELL = _Taps(1)


def gridding(view: View) -> Iterator[LintFinding]:
    """Dilations with a common factor in a row leave holes that no layer fills.

    Source: Wang et al., "Understanding Convolution for Semantic Segmentation" (2018), section 3.2.
    """
    taps: dict[str, tuple[_Taps, ...]] = {}
    for row in view.network.rows:
        given = [taps[name] for name in row.inputs if name in taps]
        windows = view.windows(row)
        if not windows:
            taps[row.name] = _joined_taps(given)
            continue
        before = given[0] if given and len(given[0]) == len(windows) else (_ONE_CELL,) * len(windows)
        found = tuple(_widened(row, *pair) for pair in zip(before, windows, strict=True))
        axis = next(
            (n for n, t in enumerate(found) if t.holes and len(t.dilated) > 1 and not t.is_told), None
        )
        if axis is not None and windows[axis].dilation > 1:
            yield _gridding(view, row, axis, found[axis])
            found = tuple(_Taps(t.bits, t.dilated, is_told=True) for t in found)
        taps[row.name] = found


def _widened(row: Row, taps: _Taps, window: WindowAxis) -> _Taps:
    if window.stride > 1 or window.extent > FOLLOWED_CELLS:
        return _ONE_CELL
    bits = 0
    for tap in range(window.size):
        bits |= taps.bits << (tap * window.dilation)
    is_dilated = window.dilation > 1 and window.size > 1
    dilated = (*taps.dilated, row.name) if is_dilated else taps.dilated
    full = bits.bit_count() == bits.bit_length()
    if bits.bit_length() > FOLLOWED_CELLS:
        # So wide that no dilation reaches across: holes are not looked for any more.
        return _Taps((1 << FOLLOWED_CELLS) - 1)
    # A run without holes is as good a start as one cell, only wider.
    return _Taps(bits, () if full else dilated[-8:], is_told=taps.is_told and not full)


def _joined_taps(given: list[tuple[_Taps, ...]]) -> tuple[_Taps, ...]:
    """Branches laid over each other, centre on centre."""
    if len(given) < 2 or len({len(one) for one in given}) > 1:
        return given[0] if given else ()
    joined = []
    for axis in zip(*given, strict=True):
        widest = max(t.bits.bit_length() for t in axis)
        bits = 0
        for t in axis:
            bits |= t.bits << ((widest - t.bits.bit_length()) // 2)
        dilated = max((t.dilated for t in axis), key=len)
        full = bits.bit_count() == bits.bit_length()
        joined.append(_Taps(bits, () if full else dilated, is_told=any(t.is_told for t in axis) and not full))
    return tuple(joined)


def _gridding(view: View, row: Row, axis: int, taps: _Taps) -> LintFinding:
    span, read = taps.bits.bit_length(), taps.bits.bit_count()
    dilations = tuple(_dilation(view, name, axis) for name in taps.dilated)
    listed = ", ".join(map(str, dilations))
    return LintFinding(
        "gridding",
        row.name,
        text(
            f"Dilations {listed} in a row: along an axis an output reads {read} of the {span} cells it "
            f"spans, and {taps.holes} in between never."
        ),
        text(
            "Neighbouring outputs read interleaved grids that do not know of each other; fine detail is lost."
        ),
        text(
            "Take dilations without a common factor that grow and start again, such as 1, 2, 5, 1, 2, 5, or "
            "end with layers of dilation 1."
        ),
        numbers={
            "dilations": dilations,
            "span": span,
            "read": read,
            "holes": taps.holes,
            "layers": taps.dilated,
        },
    )


def _dilation(view: View, name: str, axis: int) -> int:
    windows = view.windows(view.network[name])
    return windows[axis].dilation if windows else 1


# --- branches out of line ---------------------------------------------------------------------


def misaligned(view: View) -> Iterator[LintFinding]:
    """Branches that meet although the centres or the jumps of their fields differ."""
    for row in view.network.rows:
        if len(row.inputs) < 2 or row.fields is None:
            continue
        if row.receptive_field is None or row.receptive_field.misaligned != row.name:
            continue
        fields = [row.fields.of(name) or Field(()) for name in row.inputs]
        found = misalignment(fields)
        if found is not None:
            yield _misaligned(view, row, fields, *found)


def _misaligned(view: View, row: Row, fields: list[Field], axis: int, one: int, other: int) -> LintFinding:
    mine, theirs = fields[one].axes[axis], fields[other].axes[axis]
    names = row.inputs[one], row.inputs[other]
    numbers: dict[str, Fact] = {
        "branches": names,
        "starts": (str(mine.start), str(theirs.start)),
        "jumps": (str(mine.jump), str(theirs.jump)),
    }
    word = view.axis_word(axis)
    if mine.jump != theirs.jump:
        apart = text("their jumps are ", mine.jump, " and ", theirs.jump, f" pixels along the {word}")
        grows = text("The further from the corner, the further apart are the places that are combined.")
        formulas: tuple[Expression, ...] = ()
    else:
        gap = abs(mine.start - theirs.start)
        numbers["apart"] = gap
        apart = text(
            "their first cells are centred at pixel ", mine.start, " and ", theirs.start, f" of the {word}"
        )
        grows = text(
            "Cells are combined that look at places ", gap, " pixels apart, everywhere in the picture."
        )
        formulas = (equation(_distance(), gap),)
    return LintFinding(
        "misaligned",
        row.name,
        text(
            "The branches ",
            Code(names[0]),
            " and ",
            Code(names[1]),
            " do not lie on each other: ",
            *apart,
            ".",
        ),
        grows,
        text("Give both branches the same kernel, stride and padding where they shrink or grow the map."),
        formulas,
        numbers,
    )


def _distance() -> Expression:
    one, other = Symbol("start", (Symbol("1"),)), Symbol("start", (Symbol("2"),))
    return one - other
