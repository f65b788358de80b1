"""What a shape's derivation says: formulas filled in, floors where they bite, reasons."""

from __future__ import annotations

from typing import Any

import pytest

from convscope.core.convolution import Conv, ConvTranspose
from convscope.core.derivation import Derivation
from convscope.core.document import text
from convscope.core.layer import Layer
from convscope.core.pooling import MaxPool
from convscope.core.structural import Concat, Flatten, Pad, Upsample
from convscope.rules.shape import joined_names, output_shape, output_size


def shown(layer: Layer, *shapes: tuple[int, ...]) -> str:
    return Derivation(text("shape"), None, output_shape(layer, shapes).steps()).to_text(width=200)


def test_steps_show_formula_numbers_and_floor() -> None:
    told = shown(Conv(kernel_size=3, out_channels=8, stride=2), (3, 224, 224))
    assert "Channels: one for each of the 8 kernels." in told
    assert "Height and width:\n" in told
    assert "n_out = ⌊(n + 2·p − k)/s⌋ + 1 = ⌊(224 + 2·0 − 3)/2⌋ + 1 = ⌊110.5⌋ + 1 = 111" in told
    assert "The floor drops 1 cell at the end of the axis: no window reaches it.\n" in f"{told}\n"


def test_axes_that_differ_are_derived_each() -> None:
    told = shown(MaxPool((2, 3)), (3, 8, 9))
    assert "Height:\n" in told
    assert "Width:\n" in told
    assert "drops" not in told


@pytest.mark.parametrize(
    ("padding", "length", "told"),
    [
        (0, 12, "drops 1 cell at the end of the axis: no window reaches it."),
        (0, 14, "drops 3 cells at the end of the axis: no window reaches them."),
        (1, 12, "drops 3 cells at the end of the axis: no window reaches them. 1 of them is padding."),
        (((0, 2),), 13, "drops 0"),
        (((1, 3),), 12, "drops 1 cell at the end of the axis: no window reaches it. That is padding only"),
        (((0, 2),), 12, "drops 3 cells at the end of the axis: no window reaches them. 2 of them are"),
    ],
)  # fmt: skip
def test_dropped_cells_are_counted_and_told_from_padding(padding: Any, length: int, told: str) -> None:
    layer = Conv(kernel_size=3, out_channels=1, stride=4, padding=padding)
    expected = (length + sum(layer.for_rank(1).padding[0]) - 3) % 4  # type: ignore[misc]
    assert (f"drops {expected} cell" in shown(layer, (1, length))) == (expected > 0)
    assert (told in shown(layer, (1, length))) == (expected > 0)


def test_unequal_padding_dilation_and_ceil_mode_are_named() -> None:
    told = shown(MaxPool(3, 2, ((0, 1),), 2, ceil_mode=True), (3, 10))
    assert (
        "Dilation 2 spreads the taps, so that the kernel spans 5 cells. Ceil mode rounds up, not down."
        in told
    )
    assert "n_out = ⌈(n + p_before + p_after − (d·(k − 1) + 1))/s⌉ + 1" in told
    assert "= ⌈(10 + 0 + 1 − (2·(3 − 1) + 1))/2⌉ + 1 = ⌈3⌉ + 1 = 4" in told


def test_a_window_that_would_start_in_the_padding_is_dropped() -> None:
    told = shown(MaxPool(2, 3, 1, ceil_mode=True), (3, 5))
    assert "windows = ⌈(n + 2·p − k)/s⌉ + 1 = ⌈(5 + 2·1 − 2)/3⌉ + 1 = ⌈5/3⌉ + 1 = 3" in told
    assert "n_out = windows − 1 = 3 − 1 = 2" in told
    assert "The last window would start in the padding after the end, so it is dropped." in told


def test_same_padding_shows_where_its_cells_go() -> None:
    told = shown(Conv(kernel_size=4, out_channels=1, stride=2, padding="same"), (1, 7))
    assert "p_total = max(0, (⌈n/s⌉ − 1)·s + k − n) = max(0, (⌈7/2⌉ − 1)·2 + 4 − 7)" in told
    assert "p_before = ⌊p_total/2⌋ = ⌊3/2⌋ = ⌊1.5⌋ = 1" in told
    assert "p_after = p_total − p_before = 3 − 1 = 2" in told
    assert "n_out = ⌈n/s⌉ = ⌈7/2⌉ = ⌈3.5⌉ = 4" in told


def test_layers_without_windows_say_why() -> None:
    assert "256 × 6 × 6 = 9216" in shown(Flatten(), (256, 6, 6))
    assert "3 + 5 = 8" in shown(Concat(), (3, 4), (5, 4))
    assert "n_out = n + p_before + p_after = 4 + 1 + 2 = 7" in shown(Pad(((1, 2),)), (1, 4))
    assert "n_out = ⌊n·f⌋ = ⌊5·1.5⌋ = ⌊7.5⌋ = 7" in shown(Upsample(scale_factor=1.5), (1, 5))
    assert "n_out = (n − 1)·s + k − 2·p + p_out = (5 − 1)·2 + 3 − 2·1 + 1 = 10" in shown(
        ConvTranspose(kernel_size=3, out_channels=1, stride=2, padding=1, output_padding=1), (1, 5)
    )


def test_a_size_says_what_its_letters_mean() -> None:
    told = output_size(7, kernel=3, padding=((1, 0),)).to_text(width=200)
    assert "Here n is the input's length along the axis" in told
    assert "p_before is the padding before" in told


def test_names_are_listed_as_a_sentence_does() -> None:
    assert joined_names(["length"]) == "length"
    assert joined_names(["depth", "height", "width"]) == "depth, height and width"
