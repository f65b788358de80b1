"""``convscope rewrite``: each way, as text, as JSON, as a file, and what is refused."""

from __future__ import annotations

import json

import pytest

from cli.helpers import refused, run


def facts(*words: str) -> dict:
    ran = run("rewrite", *words, "--json")
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)


def test_each_way_is_shown():
    for words, told in [
        (("as-conv", "avgpool 2"), "As a convolution: average pooling 2"),
        (("as-matrix", "conv [1 2; 3 4]", "-i", "3x3"), "doubly blocked Toeplitz"),
        (("as-gemm", "conv [1 2; 3 4]", "-x", "1 2 3; 4 5 6; 7 8 9"), "Every kernel becomes one row"),
        (("compose", "conv [1 2 1] then conv [1; 2; 1]"), "make one of 3×3"),
        (("fold", "conv [1 2; 3 4] then batchnorm [1; 3; 4; 5], eps 1"), "Folded weights"),
        (("separate", "1 2 1; 2 4 2; 1 2 1"), "Its rank is 1"),
        (("to-correlation", "conv [1 2; 3 4], flip"), "rotates the kernel by 180°"),
    ]:
        ran = run("rewrite", *words)
        assert (ran.status, ran.err) == (0, "")
        assert told in " ".join(ran.out.split())


def test_facts_are_exact():
    pool = facts("as-conv", "avgpool 3, stride 1, padding 1")
    assert pool["is_exact"]
    assert pool["layers"][0].startswith("Conv(kernel(")
    mean = "conv [1 1 1; 1 1 1; 1 1 1], padding 1"
    one = facts("compose", f"{mean} then {mean}")
    assert one["border"]["before"] == [1, 1]
    matrix = facts("as-matrix", "conv [1/3 2]", "-i", "1x3")
    assert (matrix["shape"], matrix["values"]) == ([2, 3], ["1/3", "2", "1/3", "2"])
    product = facts("as-gemm", "conv [1 2; 3 4]", "-x", "1 2; 3 4")
    assert product["value"] == [["30"]]
    term = facts("separate", "1 2; 2 4")["terms"][0]
    assert [factor["factor"] for factor in term["factors"]] == [["1", "2"], ["1", "2"]]
    near = facts("separate", "1 2 3; 4 5 6; 7 8 10", "--terms", "2")
    assert near["error_decimal"] == "0.1969"
    assert facts("fold", "conv [1] then batchnorm [0 ; 4], eps 0")["layers"] == [
        "Conv(kernel([[0.5]]), bias=matrix([0]))"
    ]


def test_a_file_holds_the_picture(tmp_path):
    path = tmp_path / "matrix.html"
    assert run("rewrite", "as-matrix", "conv [1 2; 3 4]", "-i", "4x4", "-o", str(path)).status == 0
    assert "data:image/png" in path.read_text(encoding="utf-8")


def test_layers_come_from_standard_input():
    assert "average pooling" in run("rewrite", "as-conv", "-", stdin="avgpool 2").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("as-cnov", "avgpool 2"),
            "invalid value for 'WAY': 'as-cnov' is not known; did you mean",
        ),
        (("as-conv", "maxpool 2"), "MaxPool is not a convolution"),
        (("as-matrix", "conv [1]"), "as-matrix needs the input's shape"),
        (("as-matrix", "conv [1]", "-i", "9999x9999"), "an input of 1×9999×9999 cells is too large"),
        (("as-gemm", "conv [1]"), "as-gemm needs an input"),
        (("as-gemm", "conv [1] then relu", "-x", "1"), "one layer is taken here, got 2"),
        (("fold", "conv [1]"), "fold takes two layers with 'then' between them, got 1"),
        (("fold", "conv [1] then batchnorm [1]"), "layer 2: a batch normalisation takes 2 to 4 rows"),
        (("fold", "conv [1] then batchnorm [1; 2], momentum 3"), "layer 2: 'momentum 3' is not an option"),
        (("compose", "conv [1]"), "compose needs two convolutions or more, got 1"),
        (("separate", "a b"), "separate needs a kernel of ratios"),
        (("separate", "1 2", "--terms", "0"), "invalid value for '--terms'"),
        (("to-correlation", "relu"), "to_correlation takes a Conv"),
        (
            ("as-matrix", "conv [1 1 1; 1 1 1; 1 1 1]", "-i", "200x200", "--json"),
            "a matrix of 352,836 entries",
        ),
    ],
)
def test_what_is_refused(words, told):
    assert refused("rewrite", *words).startswith(told)
