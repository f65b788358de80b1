"""`feature_map`: layers in order, answers for any of them, mistakes told with their key."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.errors import FileMistakesError, InputError

X = "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1"


def solved(rest: str, source: str = X):
    text = f"problems:\n  - kind: feature_map\n    input: {source}\n{rest}"
    return cs.load_problems(text).solve().solved[0]


def mistakes(rest: str, source: str = X) -> list[str]:
    with pytest.raises(FileMistakesError) as refused:
        solved(rest, source)
    return [mistake.removeprefix("<text>:") for mistake in refused.value.mistakes]


def test_layers_are_worked_in_order_and_answers_compared_with_their_stage():
    one = solved(
        "    layers:\n"
        '      - conv: {kernel: "0 2 0; 2 1 1; 0 2 0", padding: 1, flip: true}\n'
        "      - sigmoid\n"
        "      - maxpool: 2\n"
        "    answer:\n"
        '      1: "0 2 0 2; 4 2 5 2; 2 7.5 2.5 5.5; 4 2 5 2"\n'
        '      3: "0.9820 0.9933; 0.9994 0.9959"\n'
    )
    assert one.is_right is True
    assert [type(stage.layer).__name__ for stage in one.work.result.stages] == ["Conv", "Sigmoid", "MaxPool"]
    assert one.work.result.stages[0].value[2, 1] == Fraction(15, 2)
    assert len(one.work.facts["stages"]) == 3


def test_a_wrong_answer_is_wrong():
    one = solved("    layers: [maxpool 2]\n    answer: 1 1; 1 2\n")
    assert one.is_right is False


def test_no_answer_is_neither_right_nor_wrong():
    assert solved("    layers: [maxpool 2]\n").is_right is None


def test_the_other_convention_is_worked_when_asked_for():
    one = solved('    layers:\n      - conv: {kernel: "0 1; 2 3", flip: true}\n    compare: correlation\n')
    assert one.work.result.other.value != one.work.result.value


def test_options_are_those_of_the_constructor():
    weights = np.arange(8).reshape(2, 1, 2, 2)
    one = solved(
        "    layers:\n"
        "      - conv:\n"
        f"          weight: {weights.tolist()}\n"
        "          bias: [1, 1/2]\n"
        "          stride: 2x1\n"
        "          padding: [[1, 0], [0, 1]]\n"
        "          padding_mode: constant\n"
        "          padding_value: 0.5\n"
        "      - AvgPool: {kernel_size: [1, 2], stride: 1, count_include_pad: false}\n"
    )
    x = torch.tensor(cs.matrix(X).to_float())[None, None]
    padded = torch.nn.functional.pad(x, (0, 1, 1, 0), value=0.5)
    y = torch.nn.functional.conv2d(
        padded, torch.tensor(weights, dtype=x.dtype), torch.tensor([1, 0.5]).double(), (2, 1)
    )
    y = torch.nn.functional.avg_pool2d(y, (1, 2), 1)
    assert np.allclose(one.work.result.array(), y[0].numpy(), rtol=1e-12)


def test_a_mean_of_letters_stays_letters():
    one = solved("    layers: [avgpool 2]\n    answer: 0\n", "a a; b b")
    assert one.is_right is False


@pytest.mark.parametrize(
    ("rest", "start"),
    [
        ("    answer: 1\n", "2: problem 1: the key 'layers' is missing"),
        ("    layers: sigmoid\n", "4: problem 1: layers: 'sigmoid' is not a list"),
        ("    layers: []\n", "4: problem 1: layers: the list is empty"),
        ("    layers: [{conv: {}}]\n", "4: problem 1: layers[1]: Conv: give a kernel"),
        ("    layers: [{maxpool: {}}]\n", "4: problem 1: layers[1]: the option 'kernel_size' is missing"),
        (
            "    layers: [{maxpol: {a: 1}}]\n",
            "4: problem 1: layers[1]: unknown layer 'maxpol'; did you mean 'maxpool'?",
        ),
        ("    layers: [{conv: [1]}]\n", "4: problem 1: layers[1]: a layer is one line such as"),
        ("    layers: [[conv]]\n", "4: problem 1: layers[1]: a layer is one line such as"),
        (
            "    layers: [{conv: {kernel: 1, weight: 2}}]\n",
            "4: problem 1: layers[1].conv.kernel: says the same as",
        ),
        (
            "    layers: [{conv: {kernel: {a: 1}}}]\n",
            "4: problem 1: layers[1].conv.kernel: a mapping is not a matrix",
        ),
        (
            "    layers: [{maxpool: {kernel_size: {a: 1}}}]\n",
            "4: problem 1: layers[1].maxpool.kernel_size: a mapping",
        ),
        (
            "    layers: [{conv: {kernel: 1, flip: 1}}]\n",
            "4: problem 1: layers[1]: Conv: flip=1 is not True or False",
        ),
        ("    layers: [{conv: {kernel: 1, padding: -1}}]\n", "4: problem 1: layers[1]: Conv: padding=-1"),
        (
            "    layers: [{conv: {kernel: 1, kernel: 2}}]\n",
            "4: problem 1: layers[1].conv: the key 'kernel' is written twice",
        ),
        (
            "    layers: [relu]\n    compare: both\n",
            "5: problem 1: compare: 'both' is not known; known: convolution",
        ),
        (
            "    layers: [relu]\n    answer: {2: 1}\n",
            "5: problem 1: answer.2: there is no layer 2; answers are for",
        ),
        ("    layers: [relu]\n    answer: {x: 1}\n", "5: problem 1: answer.x: there is no layer x"),
        ("    layers: [relu]\n    answer: {}\n", "5: problem 1: answer: a mapping without answers"),
        ("    layers: [relu]\n    answer: {1: 1, 1: 1}\n", "5: problem 1: answer: layer 1 is answered twice"),
        ("    layers: [relu]\n    answer: 1 .. 2\n", "5: problem 1: answer: entry in row 1, column 2: '..'"),
        ("    layers: [relu]\n    answr: 1\n", "5: problem 1: unknown key 'answr'; did you mean 'answer'?"),
    ],
)
def test_mistakes(rest, start):
    assert any(mistake.startswith(start) for mistake in mistakes(rest))


@pytest.mark.parametrize(
    ("source", "start"),
    [
        ("1 2\n      3 4", "3: problem 1: input: YAML folds these lines into a single row"),
        ("{a: 1}", "3: problem 1: input: a mapping is not a matrix"),
        ("[[1, {a: 1}]]", "3: problem 1: input: line 3: a mapping is not part of a matrix"),
        ("/etc/passwd.csv", "3: problem 1: input: '/etc/passwd.csv' is not allowed"),
        ("../x.csv", "3: problem 1: input: '../x.csv' leads out of"),
        ("nan 1", "3: problem 1: input: entry in row 1, column 1: 'nan' is not a finite number"),
        ("", "3: problem 1: the key 'input' is missing"),
    ],
)
def test_mistakes_of_the_input(source, start):
    assert any(mistake.startswith(start) for mistake in mistakes("    layers: [relu]\n", source))


def test_a_csv_file_beside_the_problem_file_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "set.yaml").write_text(
        "problems:\n  - {kind: feature_map, input: x.csv, layers: [avgpool 2], answer: 2.5}\n"
    )
    assert cs.load_problems(tmp_path / "set.yaml").solve().is_right


def test_shapes_that_do_not_fit_are_told_with_the_problem():
    text = "problems:\n  - {kind: feature_map, input: 1 2, layers: [maxpool 3]}\n"
    with pytest.raises(InputError, match=r"^<text>:2: problem 1: layer 1: MaxPool: "):
        cs.load_problems(text).solve()
