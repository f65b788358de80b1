"""The words of a network written as text: one table from layer word to constructor and options."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from convscope.core import pointwise
from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.layer import Layer, PaddingLike
from convscope.core.network import Shape
from convscope.core.number import parse_number
from convscope.core.operators import Elementwise, Norm
from convscope.core.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from convscope.core.size import LARGEST, Length, Size, Variable
from convscope.core.structural import Add, BatchNorm, Concat, Flatten, Linear, Pad, Upsample
from convscope.core.windowed import PADDING_MODES
from convscope.errors import InputError

# --- what an option's value looks like --------------------------------------------------------

# Longer numbers are refused here: no size has as many digits, and reading them would take time.
INTEGER = r"[0-9]{1,18}"
PAIR = rf"\(\s*{INTEGER}\s*,\s*{INTEGER}\s*\)"
CROSS = "[x×]"

_AXES = re.compile(rf"{INTEGER}(?:{CROSS}{INTEGER})*\Z")
_SIDES = re.compile(rf"(?:{INTEGER}|{PAIR})(?:{CROSS}(?:{INTEGER}|{PAIR}))*\Z")
_SIGNED = re.compile(rf"-?{INTEGER}\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the value of an option is written.

    Attributes:
        told: what may be written, in words, for errors and the manual.
        read: the value that a written word stands for, or an `InputError`.
        words: where only certain words are meant, those words; such an option needs no name.
        is_flag: an option that is its own value: ``ceil``, ``no bias``.
        starts: a pattern of how a value may begin that stands without its option's name.
    """

    told: str
    read: Callable[[str], Any]
    words: tuple[str, ...] = ()
    is_flag: bool = False
    starts: str = r"[-+.]?[0-9(]"


def _read_lengths(word: str) -> Shape:
    if not _AXES.match(word):
        raise InputError("not a size")
    return tuple(int(entry) for entry in re.split(CROSS, word))


@dataclass(frozen=True, slots=True)
class Entry:
    """What an ``input`` line says: the lengths of one item, and the letter of the batch axis, if written."""

    shape: tuple[Length, ...]
    batch: Size | None = None


_LENGTH = re.compile(
    rf"(?P<number>{INTEGER})|(?P<letter>[a-z])?(?:\[(?P<least>{INTEGER})\.\.(?P<most>{INTEGER})\])?"
)
# The letters of the spatial axes, by how many there are; a range without a letter gets its axis's.
_LETTERS: dict[int, tuple[str, ...]] = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
_BATCH = "n"


def _read_entry(word: str) -> Entry:
    """``3x227x227``, ``3xHxW``, ``Nx3x[224..512]xW``: the letter N in front is the batch."""
    found = [_LENGTH.fullmatch(part) for part in re.split(CROSS, word)]
    if not all(found):
        raise InputError("not a size")
    parts = [part.groupdict() for part in found if part is not None]
    batch = _letter(parts.pop(0), "N") if parts[0]["letter"] == _BATCH and len(parts) > 1 else None
    names = ("", *_LETTERS.get(len(parts) - 1, ()))
    if any(part["number"] is None for part in parts) and (len(names) < len(parts) or not parts[0]["number"]):
        raise InputError("letters stand for 1 to 3 spatial axes")
    shape = (
        int(part["number"]) if part["number"] else _letter(part, name)
        for part, name in zip(parts, names if len(names) == len(parts) else [""] * len(parts), strict=True)
    )
    return Entry(tuple(shape), batch)


def _letter(part: dict[str, str | None], name: str) -> Size:
    letter = (part["letter"] or name).upper()
    if letter not in "NDHWL" or (letter == "N") != (name == "N"):
        raise InputError("not a letter of an axis")
    if part["least"] is None and part["letter"] is None:
        raise InputError("nothing is written")
    return Variable(letter, int(part["least"] or 1), int(part["most"] or LARGEST)).size


def _read_axes(word: str) -> int | Shape:
    lengths = _read_lengths(word)
    return lengths[0] if len(lengths) == 1 else lengths


def _read_integer(word: str) -> int:
    if not _SIGNED.match(word):
        raise InputError("not an integer")
    return int(word)


def _read_padding(word: str) -> PaddingLike:
    if word in ("same", "valid"):
        return word  # type: ignore[return-value]  # one of the two words
    if not _SIDES.match(word):
        raise InputError("not a padding")
    if "(" not in word:
        return _read_axes(word)
    axes = re.findall(rf"{PAIR}|{INTEGER}", word)
    return [[int(side) for side in re.findall(INTEGER, axis)] * (1 if "(" in axis else 2) for axis in axes]


def _read_factors(word: str) -> Fraction | tuple[Fraction, ...]:
    factors = tuple(parse_number(entry) for entry in re.split(CROSS, re.sub(rf"\A{CROSS}", "", word)))
    return factors[0] if len(factors) == 1 else factors


def _is_one_of(words: tuple[str, ...]) -> Kind:
    def read(word: str) -> str:
        if word not in words:
            raise InputError("not one of the words")
        return word

    return Kind(" or ".join(f"`{word}`" for word in words), read, words)


LENGTHS = Kind(
    "lengths such as `3x227x227`, letters `3xHxW`, `Nx3xHxW` or ranges `3x[224..512]x[224..512]`",
    _read_entry,
    starts=r"[0-9a-z\[]",
)
AXES = Kind("a number, or one an axis: `3`, `3x5`", _read_axes)
COUNT = Kind("a whole number", _read_integer)
PADDING = Kind("a number, one an axis, (before,after) pairs, `same` or `valid`", _read_padding)
NUMBER = Kind("a number such as `0.1` or `1/3`", parse_number)
FACTORS = Kind(
    "a factor, or one an axis: `2`, `x2`, `1.5x2`", _read_factors, starts=rf"[-+.]?[0-9(]|{CROSS}[0-9]"
)
FLAG = Kind("the word alone, or after `no`", bool, is_flag=True)


# --- what may be written ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a layer.

    Attributes:
        word: how it is written; its `parameter` may be written instead.
        parameter: what the constructor calls it.
        kind: how its value is written.
        required: the layer means nothing without it.
    """

    word: str
    parameter: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One layer word.

    Attributes:
        name: the word.
        build: the constructor; for ``input`` it returns the shape.
        options: in the manual's order; the first `positional` ones may be written without their name.
        positional: how many.
        stem: what the automatic name of such a layer starts with.
        aliases: other words for the same.
        joins: it means nothing with fewer than two inputs.
    """

    name: str
    build: Callable[..., Layer | Entry]
    options: tuple[Option, ...] = ()
    positional: int = 0
    stem: str = ""
    aliases: tuple[str, ...] = ()
    joins: bool = False

    @property
    def auto_name(self) -> str:
        """What the automatic name of such a layer starts with."""
        return self.stem or self.name


def _input(*, shape: Entry) -> Entry:
    return shape


def _norm_of(kind: str) -> Callable[..., Layer]:
    def build(*, groups: int = 1) -> Layer:
        if groups < 1:
            raise InputError(f"groups={groups} is not allowed; groups may be 1 or more")
        return Norm(kind, groups)

    return build


def _multiply() -> Layer:
    return Elementwise("multiply")


_KERNEL = Option("kernel", "kernel_size", AXES, required=True)
_CHANNELS = Option("channels", "out_channels", COUNT, required=True)
_STRIDE = Option("stride", "stride", AXES)
_PADDING = Option("padding", "padding", PADDING)
_DILATION = Option("dilation", "dilation", AXES)
_GROUPS = Option("groups", "groups", COUNT)
_BIAS = Option("bias", "bias", FLAG)
_CEIL = Option("ceil", "ceil_mode", FLAG)
_MODE = Option("mode", "padding_mode", _is_one_of(PADDING_MODES))
_VALUE = Option("value", "padding_value", NUMBER)
_SIZE = Option("size", "output_size", AXES, required=True)
_NORM_GROUPS = Option("groups", "groups", COUNT, required=True)
_DIM = Option("dim", "dim", COUNT)

_DEFINITIONS = (
    Word("input", _input, (Option("shape", "shape", LENGTHS, required=True),), 1),
    Word("conv", Conv, (_KERNEL, _CHANNELS, _STRIDE, _PADDING, _DILATION, _GROUPS, _BIAS, _MODE, _VALUE), 2),
    Word(
        "convtranspose",
        ConvTranspose,
        (
            _KERNEL,
            _CHANNELS,
            _STRIDE,
            _PADDING,
            Option("output_padding", "output_padding", AXES),
            _DILATION,
            _GROUPS,
            _BIAS,
        ),
        2,
        aliases=("deconv",),
    ),
    Word("maxpool", MaxPool, (_KERNEL, _STRIDE, _PADDING, _DILATION, _CEIL), 1, stem="pool"),
    Word(
        "avgpool",
        AvgPool,
        (
            _KERNEL,
            _STRIDE,
            _PADDING,
            _DILATION,
            _CEIL,
            Option("include_pad", "count_include_pad", FLAG),
            Option("divisor", "divisor_override", COUNT),
        ),
        1,
        stem="pool",
    ),
    Word(
        "lppool",
        LpPool,
        (_KERNEL, Option("norm", "norm_type", COUNT, required=True), _STRIDE, _PADDING, _DILATION, _CEIL),
        1,
        stem="pool",
    ),
    Word("globalavgpool", GlobalAvgPool, stem="pool"),
    Word("globalmaxpool", GlobalMaxPool, stem="pool"),
    Word("adaptiveavgpool", AdaptiveAvgPool, (_SIZE,), 1, stem="pool"),
    Word("adaptivemaxpool", AdaptiveMaxPool, (_SIZE,), 1, stem="pool"),
    Word("relu", pointwise.ReLU),
    Word("relu6", pointwise.ReLU6, stem="relu"),
    Word("leakyrelu", pointwise.LeakyReLU, (Option("slope", "negative_slope", NUMBER),), 1),
    Word("prelu", pointwise.PReLU, (Option("slope", "weight", NUMBER),), 1),
    Word("elu", pointwise.ELU, (Option("alpha", "alpha", NUMBER),), 1),
    Word("selu", pointwise.SELU),
    Word("sigmoid", pointwise.Sigmoid),
    Word("logsigmoid", pointwise.LogSigmoid),
    Word("tanh", pointwise.Tanh),
    Word(
        "hardtanh",
        pointwise.Hardtanh,
        (Option("min", "min_val", NUMBER), Option("max", "max_val", NUMBER)),
        2,
    ),
    Word("softmax", pointwise.Softmax, (_DIM,), 1),
    Word("softmin", pointwise.Softmin, (_DIM,), 1),
    Word("logsoftmax", pointwise.LogSoftmax, (_DIM,), 1),
    Word("gelu", pointwise.GELU, (Option("approximate", "approximate", _is_one_of(("none", "tanh"))),)),
    Word("silu", pointwise.SiLU, aliases=("swish",)),
    Word("softplus", pointwise.Softplus, (Option("beta", "beta", NUMBER),), 1),
    Word("softsign", pointwise.Softsign),
    Word("identity", pointwise.Identity),
    Word("dropout", pointwise.Dropout, (Option("p", "p", NUMBER),), 1),
    Word("flatten", Flatten, (Option("start", "start_dim", COUNT), Option("end", "end_dim", COUNT)), 2),
    Word(
        "linear",
        Linear,
        (Option("features", "out_features", COUNT, required=True), _BIAS),
        1,
        aliases=("fc", "dense"),
    ),
    Word("batchnorm", BatchNorm, (Option("eps", "eps", NUMBER),), stem="norm", aliases=("bn",)),
    Word("layernorm", _norm_of("layer"), stem="norm"),
    Word("groupnorm", _norm_of("group"), (_NORM_GROUPS,), 1, stem="norm"),
    Word("instancenorm", _norm_of("instance"), stem="norm"),
    Word("rmsnorm", _norm_of("rms"), stem="norm"),
    Word("localresponsenorm", _norm_of("local response"), stem="norm", aliases=("lrn",)),
    Word("add", Add),
    Word("multiply", _multiply, aliases=("mul",), joins=True),
    Word("concat", Concat, (_DIM,), 1, aliases=("cat",)),
    Word(
        "upsample",
        Upsample,
        (
            Option("factor", "scale_factor", FACTORS),
            Option("size", "size", AXES),
            Option("mode", "mode", _is_one_of(tuple(Upsample.modes))),
            Option("align_corners", "align_corners", FLAG),
        ),
        1,
    ),
    Word("pad", Pad, (Option("padding", "padding", PADDING, required=True), _MODE, _VALUE), 1),
)

# Layer word -> what it stands for, other words for the same among them.
WORDS: dict[str, Word] = {written: word for word in _DEFINITIONS for written in (word.name, *word.aliases)}
