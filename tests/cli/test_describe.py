"""``convscope describe``: kernels, files of weights, comparisons, and the one line of each refusal."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cli.helpers import refused, run

SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, conv1=np.stack([SOBEL, SOBEL.T, -SOBEL])[:, None], conv2=np.ones((2, 3, 3, 3)))
    return path


def test_a_kernel_by_name_as_text_and_from_standard_input():
    said = "Vertical edges: positive where it is dark on the left and bright on the right."
    for words, stdin in (
        (["sobel_x"], ""),
        (["-1 0 1; -2 0 2; -1 0 1"], ""),
        (["-"], "-1 0 1\n-2 0 2\n-1 0 1\n"),
    ):
        assert said in " ".join(run("describe", *words, stdin=stdin).out.split())
    other = run("describe", "sobel_x", "--convention", "convolution")
    assert said not in " ".join(other.out.split())


def test_facts_of_a_kernel():
    told = json.loads(run("describe", "sobel_y", "--json").out)
    assert told["kind"] == "edge"
    assert told["orientation"] == pytest.approx(90)


def test_a_file_of_weights(weights, tmp_path):
    ran = run("describe", str(weights))
    assert ran.status == 0
    assert "What 3 filters of conv1 detect (3×3)" in ran.out
    assert "1 pair of opposite filters" in ran.out
    assert "conv2" in ran.out
    told = json.loads(run("describe", str(weights), "--layer", "conv2", "--json").out)
    assert (told["layer"], told["shape"]) == ("conv2", [2, 3, 3, 3])
    page = tmp_path / "page.html"
    assert run("describe", str(weights), "--both", "-o", str(page)).out == f"wrote {page}\n"
    assert "Under true convolution" in page.read_text(encoding="utf-8")


def test_a_large_bank_is_shown_in_short_on_the_screen(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(60, 1, 7, 7)))
    short = run("describe", str(tmp_path / "a.npy")).out
    whole = run("describe", str(tmp_path / "a.npy"), "--to", "txt").out
    assert "Filter 59" not in short
    assert "Filter 59" in whole
    assert "filters not shown: the page has more (-o page.html)" in short


def test_against_another_file(weights, tmp_path):
    other = tmp_path / "b.npz"
    np.savez(other, conv1=np.stack([SOBEL, np.ones((3, 3)), -SOBEL])[:, None])
    same = run("describe", str(weights), "--against", str(weights))
    assert (same.status, "No filter of 3 changed kind" in same.out) == (0, True)
    changed = run("describe", str(weights), "--against", str(other))
    assert (changed.status, "1 of 3 filters changed kind" in changed.out) == (1, True)
    told = json.loads(run("describe", str(weights), "--against", str(other), "--json").out)
    assert [(entry["filter"], entry["after"]) for entry in told["changes"]] == [(1, "blur")]


def test_refusals_are_one_line(weights, tmp_path):
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"no weights")
    assert "no convolution 'conv3'; did you mean 'conv" in refused(
        "describe", str(weights), "--layer", "conv3"
    )
    assert "compares two files of weights" in refused("describe", "sobel_x", "--against", str(weights))
    assert "no such file" in refused("describe", str(tmp_path / "missing.onnx"))
    assert "is not known; did you mean 'pillow'" in refused("describe", "sobel_x", "--convention", "pilow")
    assert "its name must end in" in refused("describe", "model.pkl")
    assert "its name must end in" in refused("describe", str(tmp_path))
    assert "did you mean 'sobel_x'" in refused("describe", "sobel_xx")
    assert "nothing was; save model.state_dict() alone" in refused("describe", str(bad))
