"""Windows counted one by one against the formulas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.document import Document, Paragraph, text
from convscope.core.pooling import MaxPool
from convscope.core.structural import Pad
from convscope.core.windowed import window_extent
from convscope.errors import ShapeError
from convscope.render.terminal import to_text
from convscope.rules.formula import Fact
from convscope.rules.window import (
    MEANINGS,
    Axis,
    legend,
    padded_axes,
    same_padding,
    transposed_axes,
    window_axes,
)

lengths = st.integers(1, 40)
options = st.fixed_dictionaries(
    {"kernel_size": st.integers(1, 6), "stride": st.integers(1, 5), "dilation": st.integers(1, 4)}
)
sides = st.tuples(st.integers(0, 5), st.integers(0, 5))


def starts(n: int, extent: int, stride: int, before: int, after: int) -> list[int]:
    """Where the windows start that lie wholly in the padded input."""
    return list(range(-before, n + after - extent + 1, stride))


@given(lengths, options, sides)
def test_every_window_that_fits_is_counted(n: int, option: dict[str, int], pair: tuple[int, int]) -> None:
    layer = Conv(out_channels=1, padding=(pair,), **option)
    extent = window_extent(option["kernel_size"], option["dilation"])
    expected = len(starts(n, extent, option["stride"], *pair))
    if not expected:
        with pytest.raises(ShapeError, match=r"^Conv: the kernel spans"):
            window_axes(layer, (n,))
        return
    (axis,) = window_axes(layer, (n,))
    assert (axis.size, axis.padding) == (expected, pair)


@given(lengths, options)
def test_same_padding_gives_one_window_for_each_stride(n: int, option: dict[str, int]) -> None:
    (axis,) = window_axes(Conv(out_channels=1, padding="same", **option), (n,))
    extent, stride = window_extent(option["kernel_size"], option["dilation"]), option["stride"]
    before, after = axis.padding
    # TensorFlow: one output for each stride, no more padding than that needs, the odd cell after.
    assert axis.size == len(range(0, n, stride))
    found = starts(n, extent, stride, before, after)
    assert len(found) >= axis.size
    assert found[axis.size - 1] + extent <= n + after
    assert after - before in (0, 1)
    if before + after:
        assert found[axis.size - 1] + extent == n + after
    assert [fact.value for fact in axis.facts] == [before + after, before, after, axis.size]
    assert same_padding(n, extent, stride) == (before, after)


@given(lengths, options, sides)
def test_ceil_mode_counts_windows_that_start_inside(
    n: int, option: dict[str, int], pair: tuple[int, int]
) -> None:
    extent = window_extent(option["kernel_size"], option["dilation"])
    pair = (min(pair[0], extent - 1), min(pair[1], extent - 1))
    layer = MaxPool(padding=(pair,), ceil_mode=True, **option)
    stride = option["stride"]
    fitting = starts(n, extent, stride, *pair)
    reach = n + sum(pair) - extent
    # The first window that does not fit counts too, if the stride leads to it and it holds input.
    hanging = [s - pair[0] for s in range(0, n + sum(pair), stride) if reach < s < reach + stride]
    expected = len(fitting) + len([start for start in hanging if start < n])
    try:
        (axis,) = window_axes(layer, (n,))
    except ShapeError:
        assert expected == 0
    else:
        assert axis.size == expected


@given(lengths, options, sides)
def test_a_transposed_convolution_undoes_the_size(
    n: int, option: dict[str, int], pair: tuple[int, int]
) -> None:
    forward = Conv(out_channels=1, padding=(pair,), **option)
    try:
        (there,) = window_axes(forward, (n,))
    except ShapeError:
        return
    extent = window_extent(option["kernel_size"], option["dilation"])
    lost = (n + sum(pair) - extent) % option["stride"]  # what the floor dropped comes back by padding
    back = ConvTranspose(out_channels=1, padding=(pair,), output_padding=lost, **option)
    assert transposed_axes(back, (there.size,))[0].size == n


@given(lengths, sides)
def test_a_padding_layer_adds_its_sides(n: int, pair: tuple[int, int]) -> None:
    assert padded_axes(Pad((pair,)), (n,))[0] == Axis(padded_axes(Pad((pair,)), (n,))[0].facts, pair)
    assert padded_axes(Pad((pair,)), (n,))[0].size == n + sum(pair)


@given(st.lists(lengths, min_size=1, max_size=3), st.data())
@settings(max_examples=60)
def test_axes_do_not_disturb_each_other(shape: list[int], data: st.DataObject) -> None:
    """An axis comes out the same alone as among others, alike or not."""
    one_each: Any = st.tuples(*[st.integers(1, 3)] * len(shape))
    kernel, stride, dilation = (data.draw(one_each) for _ in range(3))
    pairs = data.draw(st.tuples(*[st.sampled_from([(4, 4), (5, 4)])] * len(shape)))
    together = window_axes(
        Conv(kernel_size=kernel, out_channels=1, stride=stride, padding=pairs, dilation=dilation), shape
    )
    for axis, n in enumerate(shape):
        alone = Conv(
            kernel_size=kernel[axis], out_channels=1, stride=stride[axis],
            padding=(pairs[axis],), dilation=dilation[axis],
        )  # fmt: skip
        assert window_axes(alone, (n,)) == (together[axis],)


def test_a_formula_shows_no_term_that_says_nothing() -> None:
    (axis,) = window_axes(Conv(kernel_size=3, out_channels=1, padding=1), (7,))
    assert list(axis.facts[-1].arguments) == ["n", "k", "s", "p"]
    (axis,) = window_axes(Conv(kernel_size=3, out_channels=1, padding=((0, 1),), dilation=2), (7,))
    assert list(axis.facts[-1].arguments) == ["n", "k", "s", "d", "p_before", "p_after"]


@pytest.mark.parametrize(("mode", "least"), [("reflect", 4), ("circular", 3), ("replicate", 1), ("zeros", 1)])
def test_padding_needs_cells_to_fill_it_with(mode: str, least: int) -> None:
    layer = Pad(3, padding_mode=mode)
    assert padded_axes(layer, (least,))[0].size == least + 6
    if least > 1:
        with pytest.raises(ShapeError, match=f"needs an input of at least {least} cells along its length"):
            padded_axes(layer, (least - 1,))


def shown(*facts: Fact) -> str:
    return to_text(Document(text("x"), (Paragraph(legend(facts)),)), digits=4, width=300)


def test_a_legend_names_each_letter_once() -> None:
    facts = [fact for n in (7, 9) for fact in window_axes(Conv(kernel_size=3, out_channels=1), (n,))[0].facts]
    told = shown(*facts)
    assert told.count("the kernel's size") == 1
    assert "dilation" not in told
    assert "p is the padding on each side and n_out is the output's length." in told
    assert legend([]) == ()


def test_every_letter_of_every_formula_has_a_meaning() -> None:
    layers = [
        Conv(kernel_size=3, out_channels=1, padding=padding, dilation=dilation)
        for padding in (1, ((0, 1),), "same")
        for dilation in (1, 2)
    ]
    axes = [axis for layer in layers for axis in window_axes(layer, (9,))]
    axes += transposed_axes(ConvTranspose(kernel_size=3, out_channels=1, stride=2, output_padding=1), (9,))
    letters = {name for axis in axes for fact in axis.facts for name in (fact.symbol, *fact.arguments)}
    assert letters <= set(MEANINGS)
