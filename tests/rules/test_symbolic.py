"""Sizes in letters against the same networks run at numbers, and their closed forms as text."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.core.size import Size, Variable, conditions, differ, extreme
from convscope.core.size_values import Values, evaluate
from convscope.errors import ConvscopeError, InputError, ShapeError, UnsupportedError
from convscope.importers import network
from convscope.rules.formula import ceil_div
from convscope.rules.network import Network

EXAMPLES = Path(__file__).parents[2] / "examples"
H, W = Variable("H").size, Variable("W").size


# --- the normal form ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (H + 0, "H"),
        (H * 2 - 1, "2·H − 1"),
        (1 - H, "−H + 1"),
        (H // 2, "⌊H/2⌋"),
        ((H - 2) // 2 + 1, "⌊H/2⌋"),
        ((H - 11) // 4 + 1, "⌊(H − 11)/4⌋ + 1"),
        (H // 2 // 2 // 2, "⌊H/8⌋"),
        ((H // 2 + 3) // 4 + 1, "⌊(H + 6)/8⌋ + 1"),
        ((2 * (H // 2) + 1) // 2, "⌊H/2⌋"),
        ((4 * H + 6) // 4, "H + 1"),
        (ceil_div(H, 4), "⌊(H − 1)/4⌋ + 1"),
        (ceil_div(ceil_div(H, 2), 2), "⌊(H − 1)/4⌋ + 1"),
        ((3 * (H // 2) + 1) // 4, "⌊(3·⌊H/2⌋ − 3)/4⌋ + 1"),
        (5 * (H // 2) * ((W - 1) // 2 + 1), "5·⌊H/2⌋·(⌊(W − 1)/2⌋ + 1)"),
        ((H - 4) * (W - 4), "(H − 4)·(W − 4)"),
        (3 * H * W + 7, "3·H·W + 7"),
        (H * H, "H^2"),
        (extreme("max", H - 5, W), "max(H − 5, W)"),
        ((H * Fraction(3, 2)).__floor__(), "⌊3·H/2⌋"),
    ],
)
def test_sizes_have_one_closed_form(size: Size, told: str) -> None:
    assert str(size) == told


def test_what_depends_on_no_letter_is_a_number() -> None:
    assert H - H == 0
    assert (2 * H - 2 * (H - 3)) // 4 == 1
    assert type(H * 0) is int


CHAINS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-9, 9), st.integers(1, 7), st.booleans()), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(CHAINS)
def test_nested_floors_and_ceilings_keep_their_values(chain: list[tuple[int, int, int, bool]]) -> None:
    """⌊(a·n + b)/c⌋ or ⌈…⌉ again and again, in letters and in numbers."""

    def run(n: Any) -> Any:
        for by, plus, divisor, up in chain:
            n = ceil_div(by * n + plus, divisor) if up else (by * n + plus) // divisor
        return n

    size = run(H)
    values = np.arange(1, 300)
    expected = [run(int(n)) for n in values]
    found = evaluate(size, Values({"H": values}))
    assert np.broadcast_to(found, values.shape).tolist() == expected
    if all(by == 1 and not up for by, _plus, _divisor, up in chain) and isinstance(size, Size):
        assert str(size).count("⌊") <= 1  # collapsed to one floor
    if isinstance(size, Size):
        assert size.bounds[0] <= min(expected)
        assert max(expected) <= size.bounds[1]


def test_integers_too_long_for_an_array_stay_exact() -> None:
    value = (H * H * H * H * 10**6).evaluate(H=np.array([10**6, 3]))
    assert value.tolist() == [10**30, 81 * 10**6]


# --- what rules ask -------------------------------------------------------------------------------


def test_a_question_that_depends_on_letters_is_answered_no_and_noted() -> None:
    with conditions() as noted:
        assert not H - 4 < 1
        assert not differ(2 * (H // 2), H)
        assert H + 1 > 1  # true whatever H is
        assert H > 0
        assert not H < 1
    assert [(str(condition.size), condition.sign) for condition in noted] == [
        ("H − 5", "≥"),
        ("−H + 2·⌊H/2⌋", "="),
    ]


def test_a_size_has_no_truth_and_no_order_of_its_own() -> None:
    for question in (lambda: H < 4, lambda: bool(H), lambda: float(H)):
        with pytest.raises(TypeError, match=r"letters"):
            question()


def test_a_letter_needs_a_value() -> None:
    with pytest.raises(InputError, match=r"^W has no value"):
        (H + W).evaluate(H=3)


# --- networks -------------------------------------------------------------------------------------


def test_resnet_50_in_closed_forms_within_a_second() -> None:
    net = network(EXAMPLES / "resnet50.txt")
    told = [str(net[name].output_shape[1]) for name in ("conv1", "layer1", "layer2", "layer3", "layer4")
            if name in net]  # fmt: skip
    assert str(net["layer4.rest2.relu1"].output_shape[1]) == "⌊(H − 1)/32⌋ + 1"
    assert told[0] == "⌊(H − 1)/2⌋ + 1"
    assert net.total_params == 25_557_032
    assert net.total_macs.evaluate(H=224, W=224) == 4_089_184_256
    assert str(net["layer4.first1.short"].macs) == "2097152·(⌊(H − 1)/32⌋ + 1)·(⌊(W − 1)/32⌋ + 1)"
    assert str(net.total_macs).count("⌊") == 10  # one product of two lengths for each resolution


def test_alexnet_in_closed_forms() -> None:
    net = network(EXAMPLES / "alexnet.txt").in_letters()
    told = [str(net[name].output_shape[1]) for name in ("conv1", "pool1", "pool2", "pool5")]
    assert told == ["⌊(H − 11)/4⌋ + 1", "⌊(H − 19)/8⌋ + 1", "⌊(H − 35)/16⌋ + 1", "⌊(H − 67)/32⌋ + 1"]
    assert net.at(H=227).rows[-1].output_shape == (1000,)
    assert "⌊(n + 2·p − k)/s⌋ + 1 = ⌊(⌊(H − 11)/4⌋ + 1 + 2·0 − 3)/2⌋ + 1 = ⌊(H − 19)/8⌋ + 1" in (
        net["pool1"].explain().to_text()
    )


def agree_everywhere(net: Network, sizes: range) -> int:
    """Compares a sweep over squares with one run a size; says how many sizes were accepted."""
    letters = net.in_letters()
    letter = letters.variables[0].name
    sweep = letters.evaluate(**{letter: np.array(sizes)})
    accepted = 0
    for place, n in enumerate(sizes):
        refused = sweep.rejected_by[place]
        if refused is not None:
            with pytest.raises(ConvscopeError, match=re.escape(f"layer '{refused}'")):
                letters.at(**{letter: n})
            continue
        ran = letters.at(**{letter: n})
        accepted += 1
        assert sweep.total_macs[place] == ran.total_macs
        assert sweep.total_params[place] == ran.total_params
        assert sweep.peak_bytes[place] == ran.memory().peak_bytes
        for row in ran:
            assert tuple(axis[place] for axis in sweep.shape(row.name)) == row.output_shape, (n, row.name)
            assert sweep.of(letters[row.name].activation_bytes)[place] == row.activation_bytes
    return accepted


WINDOWS = st.tuples(
    st.sampled_from(["conv", "maxpool", "avgpool", "same", "up", "deconv"]),
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.booleans(),
)  # fmt: skip


def line(kind: str, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> str:
    match kind:
        case "conv":
            return f"conv {kernel}, 2, stride {stride}, padding {padding}, dilation {dilation}"
        case "same":
            return f"conv {kernel}, 2, stride {stride}, padding same, dilation {dilation}"
        case "up":
            return ["upsample 2", "upsample 1.5", "upsample 3/4"][padding]
        case "deconv":
            return f"deconv {kernel}, 2, stride {stride}, padding {padding}"
        case _:
            told = f"{kind} {kernel}, stride {stride}, padding {min(padding, kernel // 2)}"
            return told + (", ceil" if ceil else "")


@settings(max_examples=25, deadline=None)
@given(st.lists(WINDOWS, min_size=1, max_size=5))
def test_chains_in_letters_are_those_in_numbers(windows: list[tuple[str, int, int, int, int, bool]]) -> None:
    lines = [line(*window) for window in windows]
    agree_everywhere(network("input 2xL\n" + "\n".join(lines)), range(1, 40))


def unet(depth: int, padding: int, up: str, steps: list[int]) -> str:
    """A U-Net whose decoder joins each level with the encoder's."""
    lines = ["input 1xHxW"]
    for level in range(depth):
        lines += [f"e{level}: conv 3x3, 4, padding {padding}", f"p{level}: maxpool 2, stride {steps[level]}"]
    lines.append("bottom: conv 3x3, 8, padding 1")
    for level in reversed(range(depth)):
        lines += [
            f"u{level}: {up}".replace("STEP", str(steps[level])),
            f"j{level}: concat from u{level}, e{level}",
        ]
    return "\n".join(lines)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3), st.integers(0, 1), st.sampled_from(["upsample STEP", "deconv 2x2, 4, stride STEP"]),
    st.lists(st.integers(2, 3), min_size=3, max_size=3),
)  # fmt: skip
def test_u_nets_in_letters_are_those_in_numbers(depth: int, padding: int, up: str, steps: list[int]) -> None:
    text = unet(depth, padding, up, steps)
    try:
        net = network(text)
    except ShapeError:  # at no size do the branches fit
        assert all(refusal(text.replace("HxW", f"{n}x{n}")) for n in range(20, 60))
    else:
        agree_everywhere(net, range(1, 60))


def refusal(text: str) -> str:
    with pytest.raises(ConvscopeError) as caught:
        network(text)
    return str(caught.value)


def test_branches_of_squares_and_a_sum_over_positions() -> None:
    text = "input 3xHxW\na: conv 3x3, 4, padding 1\nb: globalavgpool\nc: multiply from a, b\nadd from c, a"
    assert agree_everywhere(network(text), range(1, 30)) == 29


def test_the_batch_multiplies_totals() -> None:
    net = network("input Nx3xHxW\nconv 3x3, 4, padding 1")
    assert str(net.total_macs) == "108·H·N·W"
    assert net["conv1"].macs == network("input 3xHxW\nconv 3x3, 4, padding 1")["conv1"].macs
    sweep = net.evaluate(H=[8, 9], N=[2, 3])
    assert sweep.total_macs.tolist() == [108 * 2 * 64, 108 * 3 * 81]
    assert sweep.peak_bytes.tolist() == [4 * 7 * 64 * 2, 4 * 7 * 81 * 3]


def test_parameters_may_depend_on_the_input() -> None:
    net = network("input 3xHxW\nmaxpool 2\nflatten\nlinear 10")
    assert str(net.total_params) == "30·⌊H/2⌋·⌊W/2⌋ + 10"


# --- sweeps ---------------------------------------------------------------------------------------


def test_thousands_of_sizes_at_once() -> None:
    net = network(EXAMPLES / "resnet50.txt")
    assert net.valid_inputs().runs["H"].is_all
    sweep = net.evaluate(H=np.arange(1, 5001))
    assert sweep.total_macs[223] == 4_089_184_256
    assert sweep.accepted.all()


def test_refused_sizes_are_masked_with_the_layer_that_refuses() -> None:
    sweep = network(EXAMPLES / "alexnet.txt").evaluate(H=np.array([5, 15, 40, 67, 227]))
    assert sweep.rejected_by.tolist() == ["conv1", "pool1", "pool5", None, None]
    assert sweep.total_params.tolist() == [None, None, None, 24629608 + 1048576, 62378344]
    assert sweep.shape("pool1")[1].tolist() == [None, None, None, 7, 27]


def test_width_is_height_unless_given() -> None:
    net = network("input 3xHxW\nconv 3x3, 1")
    assert net.evaluate(H=[5]).shape("conv1")[2].tolist() == [3]
    assert net.evaluate(H=[5], W=7).shape("conv1")[2].tolist() == [5]


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ({"Q": 3}, "there is no letter Q; the input has H, W"),
        ({}, "H has no value; give one, as in H=224"),
        ({"H": 0}, "H=0 is not allowed; it is from 1 to 1000000"),
        ({"H": 1.5}, "H is 1.5; give whole numbers"),
        ({"H": "wide"}, "H is 'wide'; give whole numbers"),
        ({"H": np.zeros(2_000_000, int)}, "2000000 sizes are asked for"),
    ],
)
def test_letters_that_are_no_lengths_are_refused(letters: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        network("input 3xHxW\nrelu").evaluate(**letters)
    assert str(caught.value).startswith(told)


def test_what_needs_numbers_says_how_to_give_them() -> None:
    net = network("input 3xHxW\nrelu")
    for call in (net.lint, net.memory, lambda: net.field_of("relu1"), lambda: net.count("fvcore"), net.draw):
        with pytest.raises(UnsupportedError, match=r"net\.at\(H=224, W=224\)"):
            call()


def test_a_formula_that_grows_too_long_is_told_by_its_layer() -> None:
    with pytest.raises(
        UnsupportedError, match=r"^layer 'upsample\d+' .*: the formula of this length grows too long"
    ):
        network("input 1xL\n" + "upsample 1.5\n" * 400)
    assert "⌊3·⌊3·L/2⌋/2⌋" in str(network("input 1xL\n" + "upsample 1.5\n" * 20).rows[-1].output_shape)


def test_a_network_without_a_picture_has_no_letters() -> None:
    with pytest.raises(InputError, match=r"^no input of the network has spatial axes"):
        network("input 784\nlinear 10").in_letters()


def test_fields_that_do_not_depend_on_the_size_are_kept() -> None:
    net = network("input 3xHxW\nconv 3x3, 4, stride 2\nglobalavgpool")
    field = net["conv1"].receptive_field
    assert field is not None
    assert field.axes[0].advance == 2
    assert net["pool1"].receptive_field is None


def test_a_network_in_letters_is_shown() -> None:
    net = network("input Nx3xHxW\nconv 3x3, 4\nmaxpool 2\n")
    shown = net.to_text()
    assert "108·(H − 2)·(W − 2)" in shown
    assert "the input's height" in shown
    for text in (net.to_markdown(), net.to_html(), net.to_latex()):
        assert "conv1" in text
