"""Each command: what it says, its JSON, its files, its exit status."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import numpy as np
import pytest

from cli.helpers import refused, run

SET = """\
title: A set
problems:
  - {id: "1", kind: feature_map, input: 1 2; 3 4, layers: [avgpool 2], answer: 2.5}
  - {id: "2", kind: apply, input: 1 2; 3 4, kernel: 1 1, answer: ANSWER}
"""
RIGHT = SET.replace("ANSWER", "3; 7")
WRONG = SET.replace("ANSWER", "3; 8")
X, K = "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1", "0 2 0; 2 1 1; 0 2 0"


# --- size -------------------------------------------------------------------------------------


def test_size_gives_the_formula_and_the_value():
    ran = run("size", "227", "-k", "11", "-s", "4")
    assert ran.status == 0
    assert "⌊(227 + 2·0 − 11)/4⌋ + 1" in ran.out
    assert ran.out.rstrip().endswith("= 55")


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("227x227", "-k", "11", "-s", "4"), [55, 55]),
        (("30", "-k", "3", "-p", "1"), 30),
        (("30x40", "-k", "3x5", "-s", "2x1", "-p", "1:0x2:2", "-d", "1x2"), [15, 36]),
        (("30", "-k", "4", "-p", "same", "-s", "2"), 15),
        (("30", "-k", "4", "-p", "valid"), 27),
        (("30", "-k", "4", "-s", "3", "--ceil"), 10),
        (("30", "-k", "4", "-s", "3", "--transposed", "--output-padding", "1"), 92),
    ],
)
def test_size_as_json(words, value):
    facts = json.loads(run("size", *words, "--json").out)
    assert facts["value"] == value
    assert any(str(value if isinstance(value, int) else value[0]) in step for step in facts["steps"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("227",), "missing option '-k'"),
        (
            ("227x", "-k", "3"),
            "invalid value for 'SIZE': '227x' is not a whole number, nor one for each axis",
        ),
        (("5", "-k", "3", "-p", "1:"), "invalid value for '-p' / '--padding': '1:' is not padding"),
        (
            ("5", "-k", "3", "-p", "some"),
            "invalid value for '-p' / '--padding': 'some' is not a whole number",
        ),
        (("3", "-k", "5"), "Conv: "),
        (("5", "-k", "3", "-s", "0"), "Conv: stride=0 is not allowed"),
        (("5", "-k", "3", "--digits", "-1"), "invalid value for '--digits'"),
        (("9" * 30, "-k", "3"), "invalid value for 'SIZE'"),
    ],
)
def test_size_refuses(words, message):
    assert refused("size", *words).startswith(message)


# --- conv -------------------------------------------------------------------------------------


def test_conv_works_out_layers_in_order():
    ran = run("conv", X, K, "--padding", "1", "--flip", "--then", "sigmoid", "--then", "maxpool 2")
    assert ran.status == 0
    for number in ("7.5", "0.9994", "0.9959"):
        assert number in ran.out


def test_conv_as_json_is_exact_and_rounded():
    facts = json.loads(
        run("conv", X, K, "-p", "1", "--flip", "--then", "sigmoid", "--digits", "6", "--json").out
    )
    first, second = facts["stages"]
    assert first["value"][2] == ["2", "15/2", "5/2", "11/2"]
    assert first["decimal"][2] == ["2.000000", "7.500000", "2.500000", "5.500000"]
    assert second["value"][2][1] == "σ(7.5)"
    assert facts["decimal"][2][1] == "0.999447"
    assert facts["shape"] == [4, 4]


def test_every_digit_asked_for_is_correct():
    with localcontext() as context:
        context.prec = 80
        power = Decimal(-1).exp()
        expected = str((1 / (1 + power)).quantize(Decimal(1).scaleb(-50)))
    facts = json.loads(run("conv", "1", "1", "--then", "sigmoid", "--digits", "50", "--json").out)
    assert facts["decimal"] == [[expected]]


def test_conv_derives_one_cell():
    facts = json.loads(run("conv", X, K, "-p", "1", "--flip", "--cell", "2,1", "--json").out)
    assert (facts["value"], facts["decimal"], facts["cell"]) == ("15/2", "7.5000", [2, 1])
    assert any("7.5" in step for step in facts["steps"])
    assert "7.5" in run("conv", X, K, "-p", "1", "--flip", "--cell", "2,1").out


def test_conv_compares_both_conventions():
    alone, both = run("conv", X, K, "-p", "1"), run("conv", X, K, "-p", "1", "--compare")
    assert len(both.out) > len(alone.out)
    assert (
        json.loads(run("conv", X, K, "-p", "1", "--compare", "--json").out)["other"]["value"]
        == json.loads(run("conv", X, K, "-p", "1", "--flip", "--json").out)["value"]
    )


def test_conv_reads_standard_input_and_files(tmp_path):
    expected = run("conv", "1 2; 3 4", "1 1", "--json").out
    assert run("conv", "-", "1 1", "--json", stdin="1 2\n3 4\n").out == expected
    assert run("conv", "1 2; 3 4", "-", "--json", stdin=b"\xef\xbb\xbf1 1").out == expected
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    assert run("conv", str(tmp_path / "x.csv"), "1 1", "--json").out == expected


def test_conv_passes_every_option_on():
    words = ("conv", "1 2 3; 4 5 6; 7 8 9", "1 1; 1 1", "-s", "2x1", "-d", "2", "-p", "1:1x0:1")
    facts = json.loads(
        run(*words, "--padding-mode", "constant", "--padding-value", "1/2", "--bias", "3", "--json").out
    )
    # Rows -1 and 1, then 1 and 3; columns 0 and 2, then 1 and 3, of the input bordered by halves.
    assert facts["value"] == [["14", "19/2"], ["14", "19/2"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("1 2; 3", "1"), "ragged rows: row 2 has 1 entry, row 1 has 2"),
        (("", "1"), "the matrix is empty"),
        (("nan", "1"), "entry in row 1, column 1: 'nan' is not a finite number"),
        (("1 2", "1", "--then", "maxpol 2"), "column 1: "),
        (("1 2", "1", "--padding-mode", "mirror"), "Conv: padding_mode='mirror' is not known"),
        (("1 2", "1", "--cell", "5,5"), "cell (5, 5) is outside the feature map of shape (1, 2)"),
        (("1 2", "1", "--cell", "a"), "invalid value for '--cell': 'a' is not a cell such as 0,1"),
        (("-", "-"), "only one of the matrix and the kernel"),
        (("1 2", "1", "--to", "pfd"), "invalid value for '--to': 'pfd' is not known; did you mean 'pdf'?"),
        (("1 2", "1", "-o", "x.docx"), "'x.docx' has '.docx'"),
        (("1 2", "1", "-o", "/no/such/folder/x.md"), "cannot write '/no/such/folder/x.md'"),
        (("1 2", "1", "--to", "terminal", "-o", "x.txt"), "--to terminal writes no file"),
        (("1 2", "1 1; 1 1"), "layer 1: Conv: "),
    ],
)
def test_conv_refuses(words, message):
    assert refused("conv", *words).startswith(message)


def test_conv_refuses_input_that_is_not_text():
    assert refused("conv", "-", "1", stdin=b"\xff\xfe").startswith("standard input: not UTF-8 text")


@pytest.mark.parametrize(
    ("to", "start"), [("md", "# "), ("html", "<!"), ("pdf", "%PDF"), ("tex", "\\documentclass"), ("txt", "")]
)
def test_every_form_goes_to_standard_output(to, start):
    ran = run("conv", "1 2; 3 4", "1 1", "--to", to)
    assert ran.status == 0
    assert ran.out.lstrip().startswith(start)


def test_a_file_is_written_whole_and_told(tmp_path):
    path = tmp_path / "work.md"
    ran = run("conv", "1 2; 3 4", "1 1", "-o", str(path))
    assert ran.out == f"wrote {path}\n"
    assert path.read_text().startswith("# ")
    assert [found.name for found in tmp_path.iterdir()] == ["work.md"]


# --- net --------------------------------------------------------------------------------------

NETWORK = "input 3x9x9\nconv 3x3, 4\nmaxpool 2\n"


def test_net_reads_a_file_and_standard_input(tmp_path):
    (tmp_path / "net.txt").write_text(NETWORK)
    from_file = json.loads(run("net", str(tmp_path / "net.txt"), "--json").out)
    from_pipe = json.loads(run("net", "-", "--json", stdin=NETWORK).out)
    assert from_file["rows"] == from_pipe["rows"]
    names = ("name", "op", "output_shape")
    assert [{name: row[name] for name in names} for row in from_pipe["rows"]] == [
        {"name": "conv1", "op": "convolution", "output_shape": [4, 7, 7]},
        {"name": "pool1", "op": "max pooling", "output_shape": [4, 3, 3]},
    ]
    assert "4×7×7" in run("net", "-", stdin=NETWORK).out


@pytest.mark.parametrize(
    ("word", "stdin", "message"),
    [
        ("-", "input 3x9x9\ncnv 3x3, 4\n", "line 2, column 1: "),
        ("-", "", ""),
        ("none.txt", "", "none.txt: No such file or directory"),
        ("net.pickle", "", "no network can be read from 'net.pickle'"),
    ],
)
def test_net_refuses(word, stdin, message):
    assert refused("net", word, stdin=stdin).startswith(message)


# --- solve ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "status"), [(RIGHT, 0), (WRONG, 1)])
def test_solve_tells_by_its_status_whether_the_answers_agree(text, status):
    ran = run("solve", "-", stdin=text)
    assert ran.status == status
    assert ("do not agree in: 2" in ran.err) is bool(status)
    assert "2.5" in ran.out


def test_solve_writes_every_form_and_the_pictures(tmp_path):
    ran = run("solve", "-", "--out", str(tmp_path / "new" / "out"), stdin=RIGHT)
    assert ran.status == 0
    names = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert {"solution.pdf", "solution.html", "solution.md", "solution.tex"} <= names
    assert len([name for name in names if name.endswith(".png")]) == 2
    assert not [name for name in names if name.startswith(".")]


def test_solve_writes_one_form_when_one_is_named(tmp_path):
    assert run("solve", "-", "--out", str(tmp_path), "--to", "html", stdin=RIGHT).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["solution.html"]


def test_solve_only_some():
    ran = run("solve", "-", "--only", "1", "--json", stdin=WRONG)
    assert ran.status == 0
    facts = json.loads(ran.out)
    assert [problem["id"] for problem in facts["problems"]] == ["1"]
    assert facts["problems"][0]["stages"][0]["value"] == [["5/2"]]
    assert refused("solve", "-", "--only", "3", stdin=RIGHT).startswith("no problem '3'")


def test_solve_says_that_pictures_are_not_in_a_stream():
    ran = run("solve", "-", "--to", "md", stdin=RIGHT)
    assert "2 pictures that the text names are not written" in ran.err


def test_solve_keeps_pictures_inside_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "problems:\n  - {kind: apply, picture: ../x.png, kernel: 1}\n"
    assert "leads out of the problem file's folder" in refused("solve", "-", stdin=text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.yaml",), "none.yaml: No such file or directory"),
        (("-", "--to", "terminal", "--out", "x"), "--to terminal writes no file"),
        (("-", "--out", "/proc/none/out"), "cannot make the folder '/proc/none/out'"),
    ],
)
def test_solve_refuses(words, message):
    assert refused("solve", *words, stdin=RIGHT).startswith(message)


def test_conv_writes_the_code_of_another_library():
    ran = run("conv", "1 2; 3 4", "1 1", "--then", "relu", "--code", "numpy")
    names = {"x": np.array([[1.0, 2], [3, 4]])}
    exec(ran.out, names)  # noqa: S102 - that is what programs are for
    assert names["y"].tolist() == [[3.0], [7.0]]


def test_conv_works_backwards():
    words = ("conv", "1 2; 3 4", "1 1; 1 1", "--backward")
    assert "transposed convolution of dL/dy" in run(*words).out
    facts = json.loads(run(*words, "--json").out)
    assert facts["stages"][0]["weight"] == [[[["1", "2"], ["3", "4"]]]]
    assert "Gradient of input cell (0, 1)" in run(*words, "--cell", "0,1").out
