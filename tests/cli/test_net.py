"""``convscope net``: each option is one public call, its facts as JSON, its status."""

from __future__ import annotations

import csv
import io
import json
import sys
import time

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from cli.helpers import refused, run
from convscope.cli.net_values import read_field, read_shape, read_sweep
from convscope.cli.progress import Waiting
from convscope.errors import InputError

TEXT = "input 3x33x33\nc: conv 3x3, 8, stride 2\nrelu\nflatten\nl: linear 10\n"


def facts(*words: str, stdin: str = TEXT):
    return json.loads(run("net", "-", "--json", *words, stdin=stdin).out)


def test_everything_at_once() -> None:
    net = cs.network(TEXT)
    found = facts()
    assert found["totals"]["params"] == net.total_params
    assert found["complete"] is True
    assert run("net", "-", stdin=TEXT).out.startswith("Layers of a network")


def test_csv_has_a_line_a_layer(tmp_path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("net", "-", "--csv", stdin=TEXT).out)))
    assert [row["params"] for row in rows] == ["224", "0", "0", "20490"]
    (tmp_path / "n.txt").write_text(TEXT)
    assert run("net", str(tmp_path / "n.txt"), "--csv", "-o", str(tmp_path / "n.csv")).status == 0
    assert (tmp_path / "n.csv").read_bytes().count(b"\r\n") == 5


def test_one_layer_is_derived() -> None:
    assert "⌊(33 + 2·0 − 3)/2⌋ + 1" in run("net", "-", "--layer", "c", stdin=TEXT).out
    assert facts("--layer", "c")["output_shape"] == [8, 16, 16]
    assert refused("net", "-", "--layer", "d", stdin=TEXT).startswith("no layer is called 'd'")


def test_a_convention_is_counted() -> None:
    found = facts("--convention", "keras")
    assert found["total"] == cs.network(TEXT).count("keras").total
    assert refused("net", "-", "--convention", "keros", stdin=TEXT).startswith("no convention")


def test_networks_are_compared(tmp_path) -> None:
    (tmp_path / "same.txt").write_text(TEXT)
    (tmp_path / "other.txt").write_text(TEXT.replace("linear 10", "linear 11"))
    same = run("net", "-", "--against", str(tmp_path / "same.txt"), stdin=TEXT)
    assert (same.status, same.out.splitlines()[0]) == (0, "The networks are the same")
    other = run("net", "-", "--against", str(tmp_path / "other.txt"), "--json", stdin=TEXT)
    assert other.status == 1
    assert json.loads(other.out)["layer"] == "l"


def test_the_field_of_a_cell_is_told_and_drawn(tmp_path) -> None:
    assert facts("--field", "c:1,2")["boxes"] == {"input": [[2, 5], [4, 7]]}
    Image.fromarray(np.zeros((33, 33), np.uint8)).save(tmp_path / "p.png")
    page = tmp_path / "field.html"
    words = ("--field", "c:1,2", "--image", str(tmp_path / "p.png"), "-o", str(page))
    assert run("net", "-", *words, stdin=TEXT).status == 0
    assert "data:image/png" in page.read_text(encoding="utf-8")


def test_sizes_are_swept_and_worked_out_backwards() -> None:
    text = "input 3x33x33\nc: conv 3x3, 8, stride 2\n"
    rows = facts("--sweep", "H=2..6:2", stdin=text)["rows"]
    assert [row["refused_by"] for row in rows] == ["c", None, None]
    letters = facts("--backwards", stdin=text)["letters"]
    assert letters["H"]["lossless"]["residues"] == [1]
    assert run("net", "-", "--sweep", "H=4..8", "--csv", stdin=text).out.startswith("H,W,total_macs")


def test_memory_is_told() -> None:
    net = cs.network(TEXT)
    assert facts("--memory")["peak_bytes"] == net.memory().peak_bytes
    found = facts("--memory", "--training", "--batch", "4")
    assert found["peak_bytes"] == net.memory(training=True, batch=4).peak_bytes


def test_strict_ends_with_status_1_where_anything_is_found() -> None:
    bad = "input 3x32x32\nc: conv 2x2, 8, stride 3\nrelu\n"
    found = run("net", "-", "--strict", "--json", stdin=bad)
    assert found.status == 1
    assert {"stride_gap"} <= {entry["kind"] for entry in json.loads(found.out)["findings"]}
    good = "input 3x33x33\nc: conv 3x3, 8, padding 1\nrelu\nd: conv 3x3, 8, padding 1"
    assert run("net", "-", "--strict", stdin=good).status == 0
    assert run("net", "-", "--strict", "--object-size", "500", stdin=good).status == 1


def test_a_drawing_is_written(tmp_path) -> None:
    path = tmp_path / "net.svg"
    assert run("net", "-", "--draw", str(path), stdin=TEXT).out == f"wrote {path}\n"
    assert path.read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strict", "--memory"), "--memory and --strict are asked for; ask for one"),
        (("--image", "x.png"), "--image belongs to --field"),
        (("--training",), "--training belongs to --memory"),
        (("--csv", "--json"), "--csv writes the layers"),
        (("--sweep", "H=5..2"), "invalid value for '--sweep': 'H=5..2' holds no size"),
        (("--input", "3x"), "invalid value for '--input': '3x' is not a shape"),
    ],
)
def test_mistakes_are_one_line(words, message) -> None:
    assert refused("net", "-", *words, stdin=TEXT).startswith(message)


def test_words_for_shapes_cells_and_ranges() -> None:
    assert read_shape("3×8, 8") == (3, 8, 8)
    assert read_field("a:b:1,2") == ("a:b", (1, 2))
    assert read_field("a:b") == ("a:b", None)
    assert read_sweep("H=1..3") == ("H", [1, 2, 3])
    with pytest.raises(InputError, match="at most"):
        read_sweep("H=1..999999")


def test_the_sign_of_life_waits_and_goes_away(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with Waiting("at once", patience=60):
        pass
    assert shown.getvalue() == ""
    with Waiting("reading", patience=0):
        deadline = time.monotonic() + 5
        while "reading" not in shown.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "reading" in shown.getvalue()


def test_letters_are_filled_in_by_the_shape_of_the_input() -> None:
    text = "input 3xHxW\nc: conv 3x3, 8, stride 2\n"
    assert facts("--input", "3x33x65", stdin=text)["rows"][0]["output_shape"] == [8, 16, 32]
    assert "⌊(H − 5)/2⌋ + 1 ≥ 0" in run("net", "-", stdin=text).out
    assert refused("net", "-", "--input", "1x33x65", stdin=text).startswith("the input is 3×H×W; 1×33×65")
    assert refused("net", "-", "--input", "3x33x65", stdin=TEXT).startswith("--input is for networks")
