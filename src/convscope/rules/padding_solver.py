"""Which padding gives a wanted output: on both sides alike, unevenly, as TensorFlow and PyTorch choose it."""

from __future__ import annotations

from dataclasses import dataclass

from convscope.core.document import (
    Block,
    Document,
    Finding,
    FindingKind,
    Formula,
    Paragraph,
    Section,
    Table,
    Text,
    text,
)
from convscope.core.layer import MAX_OPTION, Pair
from convscope.core.network import MAX_LENGTH
from convscope.core.windowed import window_extent
from convscope.errors import InputError, ShapeError
from convscope.rules.formula import Fact
from convscope.rules.inverse import first_where
from convscope.rules.shape import size_facts
from convscope.rules.shape_result import drop_remark
from convscope.rules.window import legend, same_padding
from convscope.show import Showable

SHOWN = 12


@dataclass(frozen=True)
class FoundPadding(Showable):
    """The paddings along one axis that give an output of one length.

    Attributes:
        input, output, kernel, stride, dilation: of the layer, along that axis.
        total: the smallest and largest number of cells added on both sides together that give the
            output; None where none does.
        tensorflow: (before, after) as TensorFlow's SAME chooses them; its output is ⌈input/stride⌉,
            whatever was wanted.
        pytorch: (before, after) as PyTorch's ``padding='same'`` chooses them, whose output is as long
            as the input; None where the stride is not 1, which PyTorch refuses.
    """

    input: int
    output: int
    kernel: int
    stride: int
    dilation: int
    total: Pair | None
    tensorflow: Pair
    pytorch: Pair | None

    @property
    def symmetric(self) -> tuple[int, ...]:
        """Every padding that, on each side, gives the output: ``padding=1``."""
        if self.total is None:
            return ()
        least, most = self.total
        return tuple(range(-(-least // 2), most // 2 + 1))

    @property
    def asymmetric(self) -> Pair | None:
        """The fewest cells that give the output, (before, after), an odd one after the end."""
        if self.total is None:
            return None
        return self.total[0] // 2, self.total[0] - self.total[0] // 2

    @property
    def tensorflow_output(self) -> int:
        """The output's length under TensorFlow's SAME."""
        return -(-self.input // self.stride)

    def tensorflow_by_size(self) -> tuple[tuple[int, Pair], ...]:
        """TensorFlow's SAME for each rest of the input's length divided by the stride; at most 1000."""
        extent = window_extent(self.kernel, self.dilation)
        first = self.stride * max(1, -(-extent // self.stride))
        rests = range(min(self.stride, 1000))
        return tuple((rest, same_padding(first + rest, extent, self.stride)) for rest in rests)

    @property
    def depends_on_size(self) -> bool:
        """Whether TensorFlow's SAME pads inputs of other lengths otherwise."""
        return len({pair for _rest, pair in self.tensorflow_by_size()}) > 1

    def __bool__(self) -> bool:
        return self.total is not None

    def __str__(self) -> str:
        if self.total is None:
            return f"no padding gives {self.output}"
        if self.symmetric:
            return f"padding {self.symmetric[0]}"
        return f"padding {self.asymmetric}"

    def fact(self, padding: Pair) -> Fact:
        """The size worked out for one padding."""
        return _fact(self.input, self.kernel, self.stride, self.dilation, padding)

    def document(self) -> Document:
        """Each way to pad, with the size worked out; where TensorFlow's depends on the input's length."""
        given = f"Input {self.input}, kernel {self.kernel}, stride {self.stride}, dilation {self.dilation}."
        title = text(f"Which padding gives an output of {self.output}")
        ways = self._ways()
        proof = self.asymmetric or (0, 0)
        rows = tuple((text(name), text(told)) for name, told in ways)
        blocks: list[Block] = [Paragraph(text(given)), Finding(*self._verdict())]
        blocks.append(Table((text("way"), text("padding")), rows))
        if self.total is not None:
            fact = self.fact((self.symmetric[0],) * 2 if self.symmetric else proof)
            blocks += [Paragraph(legend([fact])), Formula(fact.chain())]
            blocks += [Paragraph(remark) for remark in (drop_remark(fact),) if remark]
        return Document(title, (*blocks, *self._same_told()))

    def _verdict(self) -> tuple[FindingKind, Text]:
        if self.total is None:
            return "wrong", text(f"No padding gives {self.output}: {self._none()}.")
        least, most = self.total
        span = f"{least}" if least == most else f"{least} to {most}"
        return "result", text(f"{span} cells on both sides together give {self.output}.")

    def _none(self) -> str:
        try:
            bare = self.fact((0, 0)).value
        except ShapeError:
            bare = 0
        if bare > self.output:
            return f"without any it is {bare} already; padding only adds"
        return "more padding than is allowed would be needed"

    def _ways(self) -> list[tuple[str, str]]:
        sides = ", ".join(map(str, self.symmetric[:SHOWN])) or "none: the number of cells must be odd"
        uneven = "none" if self.asymmetric is None else "{} before, {} after".format(*self.asymmetric)
        flow = "{} before, {} after".format(*self.tensorflow)
        note = "" if self.tensorflow_output == self.output else f", output {self.tensorflow_output}"
        torch = "refused: the stride is not 1"
        if self.pytorch is not None:
            torch = "{} before, {} after".format(*self.pytorch) + f", output {self.input}"
        return [
            ("each side alike", sides if self.total is not None else "none"),
            ("fewest cells", uneven),
            ("TensorFlow SAME", flow + note),
            ("PyTorch 'same'", torch),
        ]

    def _same_told(self) -> tuple[Block, ...]:
        if not self.depends_on_size:
            return (Paragraph(text("TensorFlow's SAME pads inputs of every length alike.")),)
        told = text("TensorFlow's SAME depends on the rest of the input's length divided by the stride:")
        pairs = self.tensorflow_by_size()
        rows = tuple((text(rest), text(f"{a} before, {b} after")) for rest, (a, b) in pairs[:SHOWN])
        table = Table((text(f"input mod {self.stride}"), text("padding")), rows, align="rl")
        return (Section(text("Where TensorFlow's SAME depends on the size"), (Paragraph(told), table)),)


def find_padding(
    *,
    input: int,  # noqa: A002 - the word a user knows
    output: int | None = None,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
) -> FoundPadding:
    """The paddings of a convolution or pool that give a wanted output along one axis.

    Args:
        input: the input's length, in cells.
        output: the output's length wanted, in cells; ⌈input/stride⌉ when not given.
        kernel: the kernel's size, in taps.
        stride: step of the window, in cells.
        dilation: distance between neighbouring taps, in cells.

    Raises:
        InputError: a number that is not allowed.

    Source of TensorFlow's SAME: "Convolution", tf.nn, https://www.tensorflow.org/api_docs/python/tf/nn.

    >>> find_padding(input=224, output=112, kernel=7, stride=2).symmetric
    (3,)
    >>> find_padding(input=224, kernel=3, stride=2).tensorflow
    (0, 1)
    """
    given = {"input": input, "kernel": kernel, "stride": stride, "dilation": dilation}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r} is not allowed; it is a whole number from 1 on")
    wanted = -(-input // stride) if output is None else output
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= MAX_LENGTH:
        raise InputError(f"output={output!r} is not a length; it may be 1 to {MAX_LENGTH}")
    _fact(
        input, kernel, stride, dilation, (0, window_extent(kernel, dilation))
    )  # refuses what is not allowed

    def grown(total: int) -> int:
        try:
            return _fact(input, kernel, stride, dilation, (0, total)).value
        except ShapeError:
            return 0

    first = first_where(lambda total: grown(total) >= wanted, 0, MAX_OPTION)
    beyond = first_where(lambda total: grown(total) > wanted, 0, MAX_OPTION)
    extent = window_extent(kernel, dilation)
    return FoundPadding(
        input, wanted, kernel, stride, dilation,
        (first, beyond - 1) if first < beyond else None,
        same_padding(input, extent, stride),
        same_padding(input, extent, 1) if stride == 1 else None,
    )  # fmt: skip


def _fact(n: int, kernel: int, stride: int, dilation: int, padding: Pair) -> Fact:
    return size_facts(
        n,
        kernel=kernel,
        stride=stride,
        padding=[list(padding)],
        dilation=dilation,
        ceil_mode=False,
        transposed=False,
        output_padding=0,
    )[-1]
