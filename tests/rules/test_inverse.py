"""Backwards answers against brute force: every size up to 512 run forwards and compared."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.errors import ConvscopeError, InputError, ShapeError
from convscope.importers.text import read_graph
from convscope.rules.inverse import FoundSizes, find_sizes
from convscope.rules.network import Network
from convscope.rules.padding_solver import find_padding
from convscope.rules.size_set import SizeSet
from convscope.rules.valid_inputs import ValidInputs

EXAMPLES = Path(__file__).parents[2] / "examples"
UP_TO = 512

# --- one layer ------------------------------------------------------------------------------------


def forward(options: dict[str, Any]) -> int | None:
    """The output's length, None where the layer refuses; by the public function alone."""
    given = dict(options)
    try:
        return int(cs.output_size(given.pop("input"), **given).value)
    except ConvscopeError:
        return None


def brute(known: dict[str, Any], unknown: str, output: int, top: int) -> list[int]:
    return [n for n, found in enumerate(outputs(tuple(known.items()), unknown, top)) if found == output]


@lru_cache(maxsize=1)  # many outputs are asked of one layer
def outputs(known: tuple[tuple[str, Any], ...], unknown: str, top: int) -> list[int | None]:
    return [forward(dict(known) | {unknown: n}) for n in range(top + 1)]


LAYERS = st.fixed_dictionaries(
    {
        "kernel": st.integers(1, 9), "stride": st.integers(1, 5), "padding": st.integers(0, 4),
        "dilation": st.integers(1, 3), "ceil_mode": st.booleans(), "transposed": st.booleans(),
    }
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(LAYERS, st.integers(1, 60), st.sampled_from(["input", "kernel", "stride", "padding", "dilation"]),
       st.integers(1, 60))  # fmt: skip
def test_every_value_that_gives_an_output_is_found(
    layer: dict[str, Any], output: int, unknown: str, length: int
) -> None:
    if layer["transposed"]:
        layer["ceil_mode"] = False
    known = {"input": length, **layer}
    del known[unknown]
    if all(forward(known | {unknown: n}) is None for n in (1, 8, 64)):
        return  # options that no layer has
    found = find_sizes(output=output, **{**known, unknown: None})
    top = 150
    assert [n for n in range(top + 1) if n in found] == brute(known, unknown, output, top), (
        known,
        str(found),
    )


@pytest.mark.no_cover
@pytest.mark.parametrize("output", range(1, 40))
def test_inputs_up_to_512(output: int) -> None:
    found = find_sizes(output=output, kernel=7, stride=3, padding=2)
    known = {"kernel": 7, "stride": 3, "padding": 2}
    assert list(found) == brute(known, "input", output, UP_TO)
    assert found.exact == tuple(n for n in found if (n + 4 - 7) % 3 == 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"output": 6, "kernel": 3, "stride": 2}, "input 13 to 14"),
        ({"output": 55, "input": 227, "kernel": 11}, "stride 4"),
        ({"output": 224, "input": 224, "kernel": 3, "padding": None}, "padding 1"),
        ({"output": 224, "input": 224, "padding": 2, "kernel": None}, "kernel 5"),
        ({"output": 1, "input": 13, "kernel": 3}, "stride 11 or more"),
        ({"output": 5, "input": 13, "kernel": 3, "dilation": None}, "dilation 4"),
        ({"output": 27, "kernel": 2, "stride": 2, "transposed": True}, "no input gives 27"),
        ({"output": 6, "kernel": 5, "stride": 2, "padding": "same"}, "input 11 to 12"),
        ({"output": 6, "kernel": 3, "padding": (1, 2)}, "input 5"),
        ({"output": 10**12, "kernel": 1}, "input 1000000000000"),
    ],
)
def test_answers_in_words(options: dict[str, Any], told: str) -> None:
    found = find_sizes(**options)
    assert str(found) == told
    for shown in (found.to_text(), found.to_markdown(), found.to_latex(), found.to_html()):
        assert str(options["output"]) in shown


def test_both_ends_are_proved() -> None:
    shown = find_sizes(output=6, kernel=3, stride=2).to_text()
    assert "5 ≤ (n + 2·0 − 3)/2 < 6" in shown
    for worked in (
        "⌊(12 + 2·0 − 3)/2⌋ + 1 = 5",
        "⌊5⌋ + 1 = 6",
        "⌊5.5⌋ + 1 = 6",
        "⌊(15 + 2·0 − 3)/2⌋ + 1 = 7",
    ):
        assert worked in shown
    assert "drops nothing for input 13." in shown


def test_a_found_range_is_a_range() -> None:
    found = find_sizes(output=6, kernel=3, stride=2)
    assert (list(found), len(found), 13 in found, 15 in found, bool(found)) == (
        [13, 14],
        2,
        True,
        False,
        True,
    )
    endless = find_sizes(output=1, input=13, kernel=3)
    assert endless.last is None
    assert 10**9 in endless
    with pytest.raises(TypeError, match="no largest stride"):
        len(endless)
    nothing = find_sizes(output=27, kernel=2, stride=2, transposed=True)
    assert (list(nothing), len(nothing), bool(nothing), 3 in nothing) == ([], 0, False, False)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"output": 0, "kernel": 3}, "output=0 is not a length"),
        ({"output": 6}, "kernel is not known either"),
        ({"output": 6, "kernel": None, "input": None}, "input and kernel are asked for"),
        ({"output": 6, "kernel": 3, "stride": 0}, "Conv: stride=0 is not allowed"),
        ({"output": 6, "kernel": 3, "padding": -1}, "Conv: padding=-1 is not allowed"),
        (
            {"output": 6, "input": 6, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1},
            "everything is given; leave out one of",
        ),
    ],
)
def test_questions_without_sense_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        find_sizes(**options)
    assert str(caught.value).startswith(told)


def test_the_ends_are_found_at_once() -> None:
    found = find_sizes(output=10**9, kernel=10**6, stride=997)
    assert found.first == (10**9 - 1) * 997 + 10**6
    assert len(found) == 997


def test_a_planted_fault_is_seen() -> None:
    """A range that is one too long is not what brute force finds."""
    found = find_sizes(output=6, kernel=3, stride=2)
    wrong = FoundSizes(found.unknown, found.output, found.first, 15, found.known)
    assert list(wrong) != brute({"kernel": 3, "stride": 2}, "input", 6, 100)


# --- padding --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 12))
def test_every_padding_that_gives_an_output_is_found(n: int, k: int, s: int, d: int, output: int) -> None:
    found = find_padding(input=n, output=output, kernel=k, stride=s, dilation=d)

    def size(before: int, after: int) -> int | None:
        return forward({"input": n, "kernel": k, "stride": s, "dilation": d, "padding": [[before, after]]})

    # 12 windows of 25 cells at stride 4 take 69 cells.
    assert found.symmetric == tuple(p for p in range(36) if size(p, p) == output)
    totals = [t for t in range(72) if size(0, t) == output]
    assert found.total == ((totals[0], totals[-1]) if totals else None)
    if found.asymmetric is not None:
        assert size(*found.asymmetric) == output
        assert sum(found.asymmetric) == totals[0]
    assert size(*found.tensorflow) == found.tensorflow_output == math.ceil(n / s)
    assert dict(found.tensorflow_by_size())[n % s] == found.tensorflow
    assert (found.pytorch is None) == (s != 1)
    if found.pytorch is not None:
        assert size(*found.pytorch) == n


def test_paddings_in_words() -> None:
    assert str(find_padding(input=224, output=112, kernel=7, stride=2)) == "padding 3"
    assert str(find_padding(input=7, kernel=4)) == "padding (1, 2)"
    assert str(find_padding(input=7, output=3, kernel=3)) == "no padding gives 3"
    shown = find_padding(input=224, kernel=3, stride=2).to_text()
    assert "0 before, 1 after" in shown
    assert "input mod 2" in shown
    assert not find_padding(input=5, kernel=3).depends_on_size
    with pytest.raises(InputError, match=r"^stride=0 is not allowed"):
        find_padding(input=5, kernel=3, stride=0)


# --- networks -------------------------------------------------------------------------------------


def losses(net: Network) -> tuple[bool, bool]:
    """Whether no array loses a cell to all its readers, and whether no floor drops anything."""
    lost: dict[tuple[str, int], list[int]] = {}
    exact = True
    for row in net:
        result = row.shape_result
        assert result is not None
        for name, shape in zip(row.inputs, row.input_shapes, strict=True):
            assert shape is not None
            for place in range(len(shape) - 1):
                cells = 0
                if len(result.axes) == len(shape) - 1:
                    fact = result.axes[place].facts[-1]
                    dropped = int(fact.dropped() * fact.arguments.get("s", 0))
                    exact &= not dropped
                    cells = max(dropped - result.axes[place].padding[1], 0)
                lost.setdefault((name, place), []).append(cells)
    return not any(min(cells) for cells in lost.values()), exact


def check(text: str, up_to: int) -> ValidInputs:
    """Every size up to a bound, run and compared with the three sets."""
    found = cs.network(text).valid_inputs()
    (letter,) = {name for name in found.runs if name in "HL"}
    for n in range(1, up_to + 1):
        try:
            net = found.network.at(**{letter: n})
        except ConvscopeError:
            accepted = lossless = exact = False
        else:
            accepted, (lossless, exact) = True, losses(net)
        told = n in found.runs[letter], n in found.lossless[letter], n in found.exact[letter]
        assert told == (accepted, lossless, exact), (n, str(found))
    return found


@pytest.mark.no_cover
def test_alexnet_up_to_512() -> None:
    text = (EXAMPLES / "alexnet.txt").read_text().replace("227x227", "HxH")
    found = check(text, UP_TO)
    assert str(found.runs["H"]) == "any H from 67 on"
    assert str(found.lossless["H"]) == "H ≡ 3 (mod 32) from H = 67 on"
    assert [(r.first, r.last, r.layer) for r in found.refusals] == [
        (1, 10, "conv1"), (11, 18, "pool1"), (19, 34, "pool2"), (35, 66, "pool5")
    ]  # fmt: skip


UNET = """input 1xHxH
a: conv 3x3, 4, padding {p}
maxpool 2
b: conv 3x3, 8, padding {p}
maxpool 2
conv 3x3, 16, padding {p}
u: deconv 2x2, 8, stride 2
crop: conv {k}x{k}, 8 from b
concat from u, crop
v: deconv 2x2, 4, stride 2
concat from v, {skip}
"""


@pytest.mark.no_cover
def test_a_u_net_up_to_512() -> None:
    found = check(UNET.format(p=1, k=1, skip="a"), UP_TO)
    assert str(found.runs["H"]) == "H ≡ 0 (mod 4) from H = 4 on"
    assert found.lossless["H"] == found.runs["H"]
    assert found.example() == {"H": 224}


def test_a_u_net_without_padding() -> None:
    text = (
        "input 1xHxH\na: conv 3x3, 4\nmaxpool 2\nconv 3x3, 8\n"
        "u: upsample 2\ncrop: conv 5x5, 4 from a\nadd from u, crop"
    )
    with pytest.raises(ShapeError, match=r"^layer 'add1'"):  # 2·⌊H/2⌋ − 6 and H − 6 fit, but not the channels
        cs.network(text)
    found = check(text.replace("upsample 2", "deconv 2x2, 4, stride 2"), 200)
    assert str(found.runs["H"]) == "H ≡ 0 (mod 2) from H = 8 on"


CHAIN = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2), st.booleans()),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(CHAIN)
def test_chains_up_to_a_hundred(windows: list[tuple[int, int, int, int, bool]]) -> None:
    lines = ["input 1xL"]
    for k, s, p, d, pool in windows:
        lines.append(
            f"maxpool {k}, stride {s}, padding {min(p, k // 2)}, ceil"
            if pool
            else f"conv {k}, 1, stride {s}, padding {p}, dilation {d}"
        )
    check("\n".join(lines), 100)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 1), st.integers(1, 3))
def test_skips_up_to_a_hundred(steps: list[int], padding: int, kernel: int) -> None:
    lines = ["input 1xL"]
    for level, step in enumerate(steps):
        lines += [f"e{level}: conv {kernel}, 1, padding {padding}", f"maxpool {step}"]
    for level in reversed(range(len(steps))):
        lines += [f"u{level}: upsample {steps[level]}", f"add from u{level}, e{level}"]
    try:
        check("\n".join(lines), 100)
    except ShapeError as error:  # the branches fit at no size
        assert "Add" in str(error)  # noqa: PT017
        for n in range(1, 100):
            with pytest.raises(ShapeError):
                cs.network("\n".join(lines).replace("xL", f"x{n}"))


def test_resnet_50_takes_every_size() -> None:
    found = cs.network(EXAMPLES / "resnet50.txt").valid_inputs()
    assert found.runs["H"].is_all
    assert str(found.exact["W"]) == "W ≡ 1 (mod 32) from W = 1 on"
    shown = found.to_text()
    assert "Every H runs." in shown


def test_what_asks_of_height_and_width_together_is_answered_for_squares() -> None:
    lines = "maxpool 2\na: flatten\nb: conv 1x1, 12, stride 4 from input\nc: flatten\nadd from a, c"
    found = cs.network(f"input 3x[1..9999]x[1..9999]\n{lines}").valid_inputs()
    assert found.square
    accepted = []
    for n in range(1, 100):
        try:
            cs.network(f"input 3x{n}x{n}\n{lines}")
        except ShapeError:
            continue
        accepted.append(n)
    assert [n for n in range(1, 100) if n in found.runs["H"]] == accepted
    assert "taken to be the same" in found.to_text()


def test_weights_that_are_there_fix_the_sizes() -> None:
    """A linear layer with 2048 columns after a flatten: only pictures of 63 to 66 pixels make as many."""
    text = "input 3x64x64\nconv 3x3, 8, stride 2, padding 1\nmaxpool 2\nflatten\nlinear 10"
    graph = read_graph(text)
    last = replace(graph.nodes[-1], layer=cs.Linear(in_features=2048, out_features=10))
    found = Network(replace(graph, nodes=(*graph.nodes[:-1], last))).valid_inputs()
    assert found.square
    assert str(found.runs["H"]) == "H = 63 to 66"
    refused = [(r.first, r.last, r.layer) for r in found.refusals if r.letter == "H"]
    assert refused == [(1, 2, "pool1"), (3, 62, "linear1"), (67, 1_000_000, "linear1")]


def test_ranges_bound_the_answer() -> None:
    found = cs.network(
        "input 3x[100..200]x[10..20]\nmaxpool 2\nupsample 2\nadd from upsample1, input"
    ).valid_inputs()
    assert list(found.runs["H"])[:2] == [100, 102]
    assert 202 not in found.runs["H"]
    assert list(found.runs["W"]) == [10, 12, 14, 16, 18, 20]


NOWHERE = """input 1x[1..999]x[1..999]
maxpool 2
upsample 2
even: add from upsample1, input
maxpool 1, stride 2 from input
upsample 2
maxpool 2, stride 1
odd: add from pool3, input
"""


def test_a_network_that_no_size_fits_says_so() -> None:
    found = cs.network(NOWHERE).valid_inputs()
    assert found.runs["H"].is_empty
    assert "No H runs." in found.to_text()
    assert [(r.first, r.layer) for r in found.refusals[:4]] == [
        (1, "pool1"), (2, "odd"), (3, "even"), (4, "odd")
    ]  # fmt: skip
    with pytest.raises(ShapeError, match=r"^no H is accepted by every layer; layer 'pool1' refuses"):
        found.example()


def test_the_nearest_sizes() -> None:
    members = SizeSet("H", 32, (3,), 67)
    assert members.near(224) == (195, 227)
    assert members.near(227) == (227,)
    assert members.near(3) == (67,)
    assert list(members)[:3] == [67, 99, 131]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 7), st.sets(st.integers(0, 6)), st.integers(1, 40), st.sets(st.integers(1, 40)),
    st.integers(0, 60), st.integers(-3, 105),
)  # fmt: skip
def test_the_nearest_of_any_set(
    period: int, rests: set[int], start: int, before: set[int], room: int, n: int
) -> None:
    residues = tuple(sorted({rest % period for rest in rests}))
    earlier = tuple(sorted(member for member in before if member < start))
    members = SizeSet("H", period, residues, start, earlier, 1, start + room)
    below, above = [m for m in members if m <= n], [m for m in members if m >= n]
    assert members.near(n) == tuple(dict.fromkeys((*below[-1:], *above[:1])))


def test_a_planted_fault_in_a_set_is_seen() -> None:
    """One residue too many, or a minimum too low, is a wrong answer for some size up to 512."""
    found = cs.network(EXAMPLES / "alexnet.txt").valid_inputs().lossless["H"]
    for wrong in (SizeSet("H", 32, (3, 4), 67), SizeSet("H", 32, (3,), 35), SizeSet("H", 16, (3,), 67)):
        assert any((n in wrong) != (n in found) for n in np.arange(1, UP_TO).tolist())
