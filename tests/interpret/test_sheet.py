"""Sheets: banks described filter by filter, dead ones, copies, differences, and what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.core.document import Gallery, Hidden
from convscope.errors import InputError, ShapeError
from convscope.importers.weights import Bank, WeightLayer
from convscope.interpret import sheet_pairs, sheet_report
from convscope.interpret.sheet import sheet_of
from convscope.interpret.sheet_pairs import TURNS, pairs_of
from convscope.render.facts import to_json

SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
BOX = np.ones((3, 3))
LINE = np.array([[-1.0, 2, -1]] * 3)


def bank(*kernels):
    return np.stack(kernels)[:, None]


def small_sheet(**options):
    return cs.describe(bank(SOBEL, SOBEL.T, -SOBEL, BOX, 2 * BOX, LINE, SOBEL * 0.001), **options)


# --- what a sheet says ------------------------------------------------------------------------


def test_every_filter_is_described_as_it_is_alone():
    sheet = small_sheet()
    assert len(sheet) == 7
    for place in range(6):
        alone = cs.describe(sheet.weights[place, 0])
        assert (sheet[place].sentence, sheet[place].kind) == (alone.sentence, alone.kind)
    assert [told.kind for told in sheet] == ["edge", "edge", "edge", "blur", "blur", "line", "dead"]


def test_kinds_part_the_bank_and_what_has_no_name_comes_last():
    random = np.random.default_rng(1).normal(size=(40, 1, 5, 5))
    sheet = cs.describe(np.concatenate([random, np.zeros((1, 1, 5, 5)), random[:1] * 0 + np.eye(5)]))
    places = sorted(place for found in sheet.by_kind.values() for place in found)
    assert places == list(range(42))
    assert list(sheet.by_kind)[-1] == "dead"
    for kind, found in sheet.by_kind.items():
        assert {sheet[place].kind for place in found} == {kind}


def test_a_dead_filter_says_so_and_what_its_pattern_is():
    sheet = small_sheet()
    assert sheet.dead == (6,)
    assert sheet[6].sentence.startswith(
        "Dead: its norm is 0.058 % of the layer's largest. Its pattern: Vertical"
    )


def test_the_limit_of_being_dead_is_one_percent():
    assert sheet_of(bank(BOX, BOX * 0.0101)).dead == ()
    assert sheet_of(bank(BOX, BOX * 0.0099)).dead == (1,)


def test_batch_normalisation_counts_for_the_dead():
    weights = bank(SOBEL, SOBEL.T, BOX)
    folded = Bank(weights, "conv1", "a.onnx", scales=np.array([1.0, -1e-6, 1e-4]))
    sheet = sheet_of(folded)
    assert sheet.dead == (1, 2)
    assert sheet_of(Bank(weights, "conv1", "a.onnx")).dead == ()
    np.testing.assert_allclose(sheet.norms, np.array([1, 1e-6, 1e-4]) * [12**0.5, 12**0.5, 3])


def test_a_bank_of_zeros_is_dead_throughout():
    sheet = sheet_of(np.zeros((3, 2, 3, 3)))
    assert sheet.dead == (0, 1, 2)
    assert sheet.by_kind == {"dead": (0, 1, 2)}
    assert sheet.opposites == sheet.duplicates == sheet.rotations == ()


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-30, 1e149])
def test_the_size_of_all_weights_changes_nothing(scale):
    told, scaled = small_sheet(), sheet_of(small_sheet().weights * scale)
    assert scaled.by_kind == told.by_kind
    assert [pair[:2] for pair in scaled.opposites] == [pair[:2] for pair in told.opposites]
    assert [pair[:2] for pair in scaled.rotations] == [pair[:2] for pair in told.rotations]


def test_conventions_side_by_side():
    sheet = small_sheet(both=True)
    assert set(sheet.elsewhere) == {"convolution", "pillow"}
    turned = sheet_of(sheet.weights, convention="convolution")
    assert [told.sentence for told in sheet.elsewhere["convolution"]] == [told.sentence for told in turned]
    assert sheet.elsewhere["convolution"][0].sentence == sheet[2].sentence  # Sobel turned is its negative
    assert "Under true convolution: Vertical edges" in sheet.to_text()


# --- copies -----------------------------------------------------------------------------------


def test_opposites_duplicates_and_turned_copies():
    sheet = small_sheet()
    assert sheet.opposites == ((0, 2, -1.0),)
    assert sheet.duplicates == ((3, 4, 1.0),)
    assert {(pair.first, pair.second, pair.turn) for pair in sheet.rotations} == {
        (0, 1, "90° clockwise"), (0, 2, "180°"), (1, 2, "90° clockwise"),
    }  # fmt: skip


# What each turn does to the place (row, column) of a tap in a square of side n, written down by hand.
PLACES = {
    "90° clockwise": lambda r, c, n: (c, n - 1 - r),
    "180°": lambda r, c, n: (n - 1 - r, n - 1 - c),
    "90° anticlockwise": lambda r, c, n: (n - 1 - c, r),
    "mirrored left to right": lambda r, c, n: (r, n - 1 - c),
    "mirrored top to bottom": lambda r, c, n: (n - 1 - r, c),
    "mirrored along the diagonal": lambda r, c, _: (c, r),
    "mirrored along the other diagonal": lambda r, c, n: (n - 1 - c, n - 1 - r),
}


@pytest.mark.parametrize("turn", TURNS)
def test_every_turn_is_what_its_name_says(turn):
    weights = np.random.default_rng(2).normal(size=(2, 4, 4))
    moved = np.empty_like(weights)
    for row in range(4):
        for column in range(4):
            moved[(slice(None), *PLACES[turn](row, column, 4))] = weights[:, row, column]
    found = pairs_of(np.stack([weights, moved]), np.ones(2, bool))
    assert found.rotations == ((0, 1, 1.0, turn),)
    assert not found.duplicates


def naive(weights):
    """The pairs by comparing all with all, one at a time."""
    flat = weights.reshape(len(weights), -1)
    cosines = {
        (i, j): float(flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j]))
        for i in range(len(flat))
        for j in range(i + 1, len(flat))
    }
    return {ij for ij, c in cosines.items() if c < -0.9}, {ij for ij, c in cosines.items() if c > 0.99}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([(1, 3, 3), (3, 2, 5), (2, 1, 3)]))
def test_pairs_are_those_of_comparing_all_with_all(seed, count, shape):
    random = np.random.default_rng(seed)
    patterns = random.normal(size=(max(2, count // 3), *shape))
    weights = patterns[random.integers(0, len(patterns), count)] * random.choice([-1, 1, 2], (count, 1, 1, 1))
    weights += random.normal(size=weights.shape) * random.choice([0, 0.05, 0.3])
    found = pairs_of(weights, np.ones(count, bool))
    opposites, duplicates = naive(weights)
    assert {pair[:2] for pair in found.opposites} == opposites
    assert {pair[:2] for pair in found.duplicates} == duplicates
    ranked = [pair.cosine for pair in found.opposites]
    assert ranked == sorted(ranked)


def test_blocks_and_limits_change_nothing_but_what_is_kept(monkeypatch):
    weights = np.random.default_rng(4).normal(size=(300, 1, 2, 2))
    alive = np.ones(300, bool)
    whole = pairs_of(weights, alive)
    monkeypatch.setattr(sheet_pairs, "BLOCK_CELLS", 900)
    assert pairs_of(weights, alive) == whole
    monkeypatch.setattr(sheet_pairs, "MOST_PAIRS", 50)
    short = pairs_of(weights, alive)
    assert short.opposites == whole.opposites[:50]
    assert short.duplicates == whole.duplicates[:50]
    assert short.left_out >= len(whole.opposites) + len(whole.duplicates) - 100


def test_filters_of_one_tap_have_no_copies():
    sheet = sheet_of(np.ones((50, 1, 1, 1)))
    assert sheet.opposites == sheet.duplicates == ()
    assert "one tap" in sheet.notes[-1]


# --- what is shown ----------------------------------------------------------------------------


def test_the_page_has_every_filter_its_sentence_and_links_to_its_copies():
    page = small_sheet().to_html()
    for place in range(7):
        assert f'id="card-filter-{place}"' in page
    assert page.count("<details>") == 7
    assert 'Opposite of <a href="#card-filter-2">filter 2</a> (cosine −1.000)' in page
    assert "src-elem" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:image/png;base64,)', page)


def test_names_from_files_are_escaped():
    hostile = "<script>alert(1)</script>${}\\input{x}"
    sheet = sheet_of(Bank(bank(SOBEL, BOX), hostile, f"{hostile}.pt", notes=(hostile,)))
    assert "<script>alert" not in sheet.to_html()
    assert "\\input{" not in sheet.to_latex()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 100])
def test_filters_of_any_number_of_channels_have_a_picture(channels):
    weights = np.random.default_rng(5).normal(size=(3, channels, 5, 5))
    gallery = next(b for b in sheet_of(weights).document().walk() if isinstance(b, Gallery))
    for group in gallery.groups:
        for card in group.cards:
            assert card.picture.pixels.shape[2] == 3
            assert card.picture.pixels.dtype == np.uint8


def test_a_colour_filter_is_drawn_in_its_colours():
    red = np.zeros((1, 3, 3, 3))
    red[0, 0] = 1
    gallery = next(b for b in sheet_of(red).document().walk() if isinstance(b, Gallery))
    pixel = gallery.groups[0].cards[0].picture.pixels[1, 1]
    assert pixel.tolist() == [255, 128, 128]


def test_a_page_of_very_many_filters_is_cut_and_says_so(monkeypatch):
    monkeypatch.setattr(sheet_report, "MOST_CARDS", 5)
    sheet = small_sheet()
    blocks = list(sheet.document().walk())
    gallery = next(b for b in blocks if isinstance(b, Gallery))
    assert sum(len(group.cards) for group in gallery.groups) == 5
    assert [b.count for b in blocks if isinstance(b, Hidden)] == [2]
    assert "#card-filter-5" not in sheet.to_html()


def test_the_summary_shows_the_first_of_each_kind():
    summary = small_sheet().summary(of_each=1)
    gallery = next(b for b in summary.document().walk() if isinstance(b, Gallery))
    assert [len(group.cards) for group in gallery.groups] == [1, 1, 1, 1]
    assert "Filter 1 " not in summary.to_text()


def test_a_notebook_shows_a_large_sheet_in_short():
    sheet = sheet_of(np.random.default_rng(3).normal(size=(200, 1, 3, 3)))
    assert sheet._repr_html_().count('class="card"') < 60
    assert small_sheet()._repr_html_().count('class="card"') == 7


def test_every_form_is_written(tmp_path):
    sheet = small_sheet()
    for name in ("a.md", "a.tex", "a.html", "a.txt"):
        assert sheet.save(tmp_path / name).stat().st_size > 1000
    assert "![3 filters as pictures](filters-1.png)" in (tmp_path / "a.md").read_text()
    assert (tmp_path / "filters-1.png").exists()


def test_facts_are_json():
    told = json.loads(to_json(small_sheet(both=True).facts(), digits=4))
    assert told["by_kind"] == {"edge": [0, 1, 2], "blur": [3, 4], "line": [5], "dead": [6]}
    assert told["opposites"] == [{"first": 0, "second": 2, "cosine": -1.0}]
    assert told["shape"] == [7, 1, 3, 3]
    assert [entry["filter"] for entry in told["filters"]] == list(range(7))
    assert told["filters"][0]["sentence_under_convolution"] == told["filters"][2]["sentence"]


# --- two sheets -------------------------------------------------------------------------------


def test_which_filters_changed_kind(tmp_path):
    before = bank(SOBEL, BOX, LINE, SOBEL.T)
    after = bank(SOBEL, LINE, LINE, -SOBEL.T)
    found = cs.describe(before).against(cs.describe(after))
    assert [(change.place, change.kinds) for change in found.changes] == [(1, ("blur", "line"))]
    assert found.changes[0].cosine == 0
    assert found.moves == {("blur", "line"): 1}
    assert "1 of 4 filters changed kind" in found.to_text()
    np.savez(tmp_path / "after.npz", first=before, second=after)
    assert cs.describe(before).against(tmp_path / "after.npz", "second").moves == found.moves
    assert not cs.describe(before).against(tmp_path / "after.npz")
    assert cs.describe(tmp_path / "after.npz", layer="second").against(tmp_path / "after.npz").changes == ()


def test_a_filter_that_kept_its_kind_is_listed_where_it_was_reversed_or_turned():
    board = (-1.0) ** np.add.outer(np.arange(3), np.arange(3))
    spot = np.outer([1, 2, 1], [1, 2, 1]) - 16 / 9
    before = bank(SOBEL, SOBEL, SOBEL, LINE, LINE, board, spot, BOX / 9, SOBEL)
    after = bank(SOBEL, -SOBEL, SOBEL.T, -LINE, LINE.T, -board, -spot, -BOX / 9, 1.3 * SOBEL)
    found = cs.describe(before).against(cs.describe(after))
    assert found.changes == ()
    assert [(change.place, change.what) for change in found.turned] == [
        (1, "polarity"), (2, "orientation"), (3, "polarity"), (4, "orientation"),
        (5, "polarity"), (6, "polarity"), (7, "polarity"),
    ]  # fmt: skip
    assert bool(found)
    assert found.moves == {}
    assert [entry["what"] for entry in found.facts()["turned"]][:2] == ["polarity", "orientation"]
    shown = found.to_text(width=200)
    assert "No filter of 9 changed kind." in shown
    assert "Of those that kept their kind 5 changed polarity and 2 changed orientation." in shown


def test_opposites_without_a_name_and_moves_the_other_way_are_changes_too():
    random = np.random.default_rng(3).normal(size=(1, 1, 5, 5))
    left = np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert cs.describe(random).against(cs.describe(-random)).turned[0].what == "polarity"
    assert cs.describe(bank(left)).against(cs.describe(bank(left[:, ::-1]))).turned[0].what == "orientation"
    near = random + 0.01 * np.random.default_rng(4).normal(size=random.shape)
    assert not cs.describe(random).against(cs.describe(near))


def test_a_sheet_says_what_its_sentences_are_about():
    random = np.random.default_rng(2)
    deep = cs.describe(random.normal(size=(3, 64, 3, 3))).to_text(width=4000)
    assert "about the layer's 64 input maps" in deep
    assert "brightness on the picture" not in deep
    assert "Every sentence is about brightness on the picture." in small_sheet().to_text(width=4000)
    weights = random.normal(size=(4, 1, 3, 3))
    later = sheet_of(Bank(weights, "conv2", "net.npz", others=(WeightLayer("conv1", (4, 3, 7, 7), "OIHW"),)))
    assert "brightness on the picture if it is the first layer" in later.to_text(width=4000)


def test_banks_of_unlike_sizes_are_compared_as_far_as_they_go():
    found = cs.describe(bank(SOBEL, BOX)).against(cs.describe(bank(SOBEL)))
    assert (found.compared, found.only_before, bool(found)) == (1, 1, True)
    bigger = np.kron(SOBEL, np.ones((2, 2)))[None, None]
    assert cs.describe(bank(BOX)).against(cs.describe(bigger)).changes[0].cosine is None


def test_sheets_under_two_conventions_are_not_compared():
    with pytest.raises(ShapeError, match=r"^one sheet is under correlation and the other under pillow"):
        small_sheet().against(small_sheet(convention="pillow"))


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_bank", "told"),
    [
        (np.full((2, 1, 3, 3), np.nan), r"18 weights are not finite, the first in filter 0"),
        (np.zeros((0, 1, 3, 3)), r"a bank of shape \(0, 1, 3, 3\) is empty"),
        (np.zeros((2, 3, 0, 3)), r"is empty"),
        (np.broadcast_to(np.float32(1), (2**31, 1, 1, 1)), r"is too large; up to 67108864 weights"),
        (np.zeros((2, 1, 3, 3), dtype=complex), r"a bank holds real numbers, got complex128"),
        (np.full((2, 1, 3, 3), "a"), r"a bank holds real numbers, got <U1"),
        (np.full((2, 1, 3, 3), "a", dtype=object), r"a bank holds real numbers, got object"),
        (np.full((1, 1, 3, 3), 1e200), r"the largest weight is 1e\+200; up to 1e\+150 are described"),
        (np.zeros((1, 1, 257, 3)), r"too large; up to 256×256 taps"),
    ],
)
def test_bad_banks_give_one_clear_error(given_bank, told):
    with pytest.raises(InputError, match=told) as caught:
        cs.describe(given_bank)
    assert "\n" not in str(caught.value)


def test_a_layer_is_for_files():
    with pytest.raises(InputError, match=r"^layer= names a convolution of a file"):
        cs.describe(bank(SOBEL), layer="conv1")
    with pytest.raises(InputError, match=r"^layer= names a convolution of a file"):
        cs.describe("sobel_x", layer="conv1")


def test_a_tensor_is_a_bank():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(3, 4, 3)
    sheet = cs.describe(layer.weight)
    np.testing.assert_array_equal(sheet.weights, layer.weight.detach().numpy())


def test_lists_are_a_bank():
    assert cs.describe([[[[1, 2], [3, 4]]]]).weights.shape == (1, 1, 2, 2)


def test_what_is_given_is_not_kept_nor_changed():
    given_bank = bank(SOBEL, BOX)
    sheet = cs.describe(given_bank)
    given_bank[:] = 0
    assert sheet.weights.any()
    with pytest.raises(ValueError, match=r"read-only"):
        sheet.weights[0] = 1


def test_the_find_box_is_as_wide_as_what_it_proposes():
    page = small_sheet().to_html()
    assert "search.size = search.placeholder.length" in page
    (width,) = re.findall(r"\.gallery-bar select \{\s*max-width: min\(100%, (\d+)em\)", page)
    proposed = re.search(r'search\.placeholder = "([^"]+)"', page)[1]
    assert int(width) >= 0.75 * len(proposed)
