"""Every way people write a matrix, and every mistake in one told with its place."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import convscope as cs
from convscope.core.array import Letter
from convscope.errors import InputError, ShapeError

few = settings(derandomize=True, deadline=None, max_examples=80, database=None)
F = Fraction

PLAIN = [[1, 2], [3, 4]]
SIXTEENTHS = [[F(1, 16), F(2, 16)], [F(3, 16), F(4, 16)]]

NOTATIONS = {
    "1 2; 3 4": PLAIN,
    "1, 2; 3, 4": PLAIN,
    "1,2\n3,4": PLAIN,
    "  1\t2 ;\n\n 3 4 ; ": PLAIN,
    "1 2 ;; 3 4": PLAIN,
    "1 2,\n3 4,": PLAIN,
    "2 -.5 1/16 1e-3": [[2, F(-1, 2), F(1, 16), F(1, 1000)]],
    "1.5": [[F(3, 2)]],
    "1;2;3": [[1], [2], [3]],
    "[1 2; 3 4]": PLAIN,
    "[1, 2; 3, 4];": PLAIN,
    "K = [1 2\n 3 4]": PLAIN,
    "[[1, 2], [3, 4]]": PLAIN,
    "[[1, 2],\n [3, 4],]": PLAIN,
    "[[1 2]\n [3 4]]": PLAIN,
    "[[1. 2.]\n [3. 4.]]": PLAIN,
    "((1, 2), (3, 4))": PLAIN,
    "[1, 2]": [[1, 2]],
    "[1; 2]": [[1], [2]],
    "np.array([[1, 2], [3, 4]])": PLAIN,
    "numpy.array([[1, 2], [3, 4]], dtype=np.float32)": PLAIN,
    "array([[1., 2.],\n       [3., 4.]], dtype=float32)": PLAIN,
    "x = np.array([[1, 2],\n              [3, 4]])": PLAIN,
    "torch.tensor([[1., 2.], [3., 4.]], device='cpu')": PLAIN,
    "np.array([[1, 2], [3, 4]]) / 16": SIXTEENTHS,
    "np.array([[1, 2], [3, 4]])/(16)": SIXTEENTHS,
    "1/16 * np.array([[1, 2], [3, 4]])": SIXTEENTHS,
    "(1/16) * [1 2; 3 4]": SIXTEENTHS,
    "1/16*[1 2; 3 4]": SIXTEENTHS,
    "[1 2; 3 4]/16": SIXTEENTHS,
    "[1 2; 3 4] ./ 16;": SIXTEENTHS,
    "[1 2; 3 4] * 0.0625": SIXTEENTHS,
    "-[1 2; 3 4]": [[-1, -2], [-3, -4]],
    r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}": PLAIN,
    r"\begin{pmatrix}1&2\\3&4\\\end{pmatrix}": PLAIN,
    r"\begin{matrix} 1 & 2 \\[2pt] 3 & 4 \end{matrix}": PLAIN,
    r"\begin{array}{c|c} 1 & 2 \\ \hline 3 & 4 \end{array}": PLAIN,
    r"\begin{bmatrix*}[r] 1 & 2 \\ 3 & 4 \end{bmatrix*}": PLAIN,
    r"K = \frac{1}{16}\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}.": SIXTEENTHS,
    r"$$\dfrac1{16}\,\left[\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}\right]$$": SIXTEENTHS,
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} / 16": SIXTEENTHS,
    r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} \cdot \frac{1}{16}": SIXTEENTHS,
    r"-\begin{bmatrix} \frac{1}2 & -.75 \\ \frac12 & - 1 \end{bmatrix}": [[-F(1, 2), F(3, 4)], [-F(1, 2), 1]],
    r"\begin{bmatrix} {1} & 2 \\ 3 & 4 \end{bmatrix}": PLAIN,
}  # fmt: skip


@pytest.mark.parametrize("text", NOTATIONS)
def test_notations(text):
    assert cs.matrix(text).tolist() == NOTATIONS[text]


def test_letters():
    a, w = Letter("a"), Letter("w_1")
    assert cs.matrix("a 1; w_1 a").tolist() == [[a, 1], [w, a]]
    assert cs.matrix([["a", 1], [w, "a"]]).tolist() == [[a, 1], [w, a]]
    assert cs.matrix(np.array([["a", "1"]])).tolist() == [[a, 1]]
    assert cs.matrix(r"\begin{bmatrix} a & w_1 \end{bmatrix}").tolist() == [[a, w]]
    assert cs.matrix("[a, w_1]").tolist() == [[a, w]]
    assert cs.matrix("α ß").tolist() == [[Letter("α"), Letter("ß")]]


ARRAYS = {
    "uint8": np.array([[255, 0]], dtype=np.uint8),
    "uint64": np.array([[2**64 - 1, 0]], dtype=np.uint64),
    "int64": np.array([[-(2**63), 2**63 - 1]]),
    "bool": np.array([[True, False]]),
    "float16": np.array([[0.1, 1000.5]], dtype=np.float16),
    "float32": np.array([[0.1, 16777216]], dtype=np.float32),
    "float64": np.array([[0.1, 1e300]]),
    "object": np.array([[Fraction(1, 3), "1/7"]], dtype=object),
    "huge": np.array([[10**30, -1]], dtype=object),
    "text": np.array([["0.5", "1/3"]]),
    "empty axes": np.array(7),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    array = ARRAYS[name]
    found = cs.matrix(array)
    assert found.shape == array.shape
    assert list(found.cells()) == [
        Fraction(str(v)) if not isinstance(v, bool | np.bool_) else Fraction(int(v))
        for v in array.reshape(-1)
    ]


def test_arrays_of_every_kind_of_memory():
    base = np.arange(24).reshape(4, 6)
    for view in (base.T, base[::2, ::-1], np.broadcast_to(np.arange(3), (2, 3)), np.asfortranarray(base)):
        assert cs.matrix(view).tolist() == view.tolist()


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_numpys_old_matrix_indexes_as_an_array_here():
    assert cs.matrix(np.matrix([[1, 2], [3, 4]]))[0].shape == (2,)


def test_an_exact_array_does_not_change_when_its_source_does():
    source = np.array([[1, 2]])
    found = cs.matrix(source)
    source[0, 0] = 9
    assert found.tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="read-only"):
        found.numerators[0, 0] = 9


def test_things_that_turn_into_arrays():
    assert cs.matrix(torch.tensor([[0.1, 2.0]])).tolist() == [[F(1, 10), 2]]
    assert cs.matrix(torch.nn.Parameter(torch.tensor([[0.5]]))).tolist() == [[F(1, 2)]]
    assert cs.matrix(Image.fromarray(np.array([[1, 2]], dtype=np.uint8))).tolist() == [[1, 2]]
    assert cs.matrix([np.array([1, 2]), np.array([3, 4])]).tolist() == PLAIN
    assert cs.matrix([cs.matrix([1, 2]), [3, 4]]).tolist() == PLAIN
    assert cs.matrix(([1, 2], (3, 4))).tolist() == PLAIN
    assert cs.matrix(cs.kernel("1 2; 3 4")).tolist() == PLAIN
    found = cs.matrix("1 2")
    assert cs.matrix(found) is found
    assert cs.matrix([[1, 0.5], [True, 2**70]]).tolist() == [[1, F(1, 2)], [1, 2**70]]
    assert cs.matrix([[[1], [2]], [[3], [4]]]).shape == (2, 2, 1)


MISTAKES = {
    "1 2; 3": "ragged rows: row 2 has 1 entry, row 1 has 2",
    "1; 2 3": "ragged rows: row 2 has 2 entries, row 1 has 1",
    "": "the matrix is empty; it needs at least one entry",
    "  ;\n ": "the matrix is empty; it needs at least one entry",
    "[]": "the matrix is empty",
    "[[], []]": "the matrix is empty",
    "1 nan; 2 3": "entry in row 1, column 2: 'nan' is not a finite number",
    "1 2; inf 3": "entry in row 2, column 1: 'inf' is not a finite number",
    "1 2; 3 -Infinity": "entry in row 2, column 2: '-Infinity' is not a finite number",
    "1 2; 3 4x": "entry in row 2, column 2: '4x' is not a number such as 2, -.5, 1/16 or 1e-3, nor a letter",
    "1, ,2": "entry in row 1, column 2: it is empty",
    ", 1": "entry in row 1, column 1: it is empty",
    "1 2/0": "entry in row 1, column 2: '2/0' divides by zero",
    "1e999999999": "entry in row 1, column 1: '1e999999999' has an exponent beyond 400",
    "<script>alert</script>": "entry in row 1, column 1: '<script>alert</script>' is not a number",
    "[1 2; 3]": "ragged rows: row 2 has 1 entry, row 1 has 2",
    "[[1, 2], [3]]": "ragged rows: row 2 has 1 entry, row 1 has 2",
    "[[1, 2], 3]": "ragged rows: part [1] has shape (), part [0] has (2,)",
    "[[1, 2], [3, x!]]": "entry in row 2, column 2: 'x!' is not a number",
    "[1,,2]": "entry in row 1, column 2: it is empty",
    "[1 2": "'[1 2' is not a matrix literal such as",
    "1 2]": "entry in row 1, column 2: '2]' is not a number",
    ")1 2(": "')1 2(' is not a matrix literal such as",
    "[1 2]]": "unexpected ']' after the closing bracket",
    "[[1 2]": "'[[1 2]' opens a bracket that is never closed",
    "[1 2] [3 4]": "unexpected '[3 4]' after the closing bracket",
    "[1 2] + 1": "'+ 1' beside the matrix is not a number such as 1/16",
    "two * [1 2]": "'two *' beside the matrix is not a number such as 1/16",
    "[1 2] / 0": "'/ 0' divides by zero",
    "np.array([1, 2": "'np.array([1, 2' opens a bracket that is never closed",
    "1/16 * [a b]": "a matrix with letters cannot be scaled by 1/16 when read",
    r"\begin{bmatrix} 1 & 2": "the LaTeX holds no complete matrix; known environments: matrix, bmatrix",
    r"\begin{bmatrix} 1 \end{pmatrix}": "the LaTeX holds no complete matrix",
    r"\begin{tabular} 1 \end{tabular}": "the LaTeX holds no complete matrix",
    r"\begin{bmatrix} 1 & 2 \\ 3 \end{bmatrix}": "ragged rows: row 2 has 1 entry, row 1 has 2",
    r"\begin{bmatrix} 1 & \foo \end{bmatrix}": r"entry in row 1, column 2: '\foo' is not a number",
    r"\begin{bmatrix} 1 & & 2 \end{bmatrix}": "entry in row 1, column 2: it is empty",
    r"\alpha\begin{bmatrix} 1 \end{bmatrix}": r"'\alpha' beside the LaTeX matrix is not a number",
    r"\begin{bmatrix} 1 \end{bmatrix}/0": "'/0' divides by zero",
    r"\input{/etc/passwd}": r"entry in row 1, column 1: '\input{/etc/passwd}' is not a number",
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_in_text(text):
    with pytest.raises(InputError) as refused:
        cs.matrix(text)
    assert str(refused.value).startswith(MISTAKES[text])


OTHER_MISTAKES = [
    ([], "the matrix is empty"),
    ([[], []], "the matrix is empty (shape (2, 0))"),
    (np.zeros((0, 3)), "the matrix is empty (shape (0, 3))"),
    ([[1, 2], [3]], "ragged rows: row 2 has 1 entry, row 1 has 2"),
    ([[1], 2], "ragged rows: part [1] has shape (), part [0] has (1,)"),
    ([[1, 2], [3, float("nan")]], "entry in row 2, column 2: 'nan' is not a finite number"),
    ([[1, "nan"]], "entry in row 1, column 2: 'nan' is not a finite number"),
    ([1, None], "entry at index (1,): 'None' is not a number (NoneType)"),
    ([[1, 2j]], "entry in row 1, column 2: '2j' is not a number (complex)"),
    ([[[1, "x!"]]], "entry at index (0, 0, 1): 'x!' is not a number"),
    (np.array([[1, np.inf]]), "entry in row 1, column 2: 'inf' is not a finite number"),
    (np.array([1.0, np.nan, 2.0]), "entry at index (1,): 'nan' is not a finite number"),
    (np.array([[np.float32("nan")]]), "entry in row 1, column 1: 'nan' is not a finite number"),
    (np.array([1j]), "an array of dtype complex128 (kind 'c') does not hold real numbers"),
    (np.array(["2020-01-01"], dtype="datetime64[D]"), "an array of dtype datetime64[D]"),
    (np.array([b"1"]), "an array of dtype |S1"),
    (np.array([["x!"]]), "entry in row 1, column 1: 'x!' is not a number"),
    (np.ma.array([1, 2], mask=[0, 1]), "a masked array has entries without a value"),
    (5, "a matrix cannot be read from int; give text, nested lists, an array or a CSV path"),
    (None, "a matrix cannot be read from NoneType"),
    ({1, 2}, "a matrix cannot be read from set"),
    (b"1 2", "a matrix cannot be read from bytes"),
    (torch.zeros(2, dtype=torch.bfloat16), "a matrix cannot be read from this Tensor"),
]


@pytest.mark.parametrize(("source", "message"), OTHER_MISTAKES, ids=[m[:30] for _, m in OTHER_MISTAKES])
def test_mistakes_in_lists_and_arrays(source, message):
    with pytest.raises(InputError) as refused:
        cs.matrix(source)
    assert str(refused.value).startswith(message)


# --- round trips -------------------------------------------------------------------------------

entries = st.fractions() | st.integers(-(10**40), 10**40).map(Fraction) | st.from_regex(r"\A[a-z](_[0-9])?\Z")


@few
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4).flatmap(
        lambda shape: st.lists(entries, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))).map(
            lambda flat: np.array([*flat, None], dtype=object)[:-1].reshape(shape)
        )
    )
)
def test_the_repr_of_an_array_builds_it_again(table):
    array = cs.matrix(table.tolist())
    assert eval(repr(array), {"matrix": cs.matrix}) == array  # noqa: S307 - the text is the array's own
    assert cs.matrix(array.tolist()) == array
    assert cs.matrix(np.asarray(array)) == array
    if array.ndim <= 3:
        kernel = cs.kernel(array, name="k'1\n")
        assert eval(repr(kernel), {"kernel": cs.kernel}) == kernel  # noqa: S307
        assert kernel.rotated().rotated() == kernel


@few
@given(st.lists(st.lists(st.fractions(max_denominator=64), min_size=3, max_size=3), min_size=1, max_size=3))
def test_a_matrix_reads_the_same_from_every_notation(rows):
    plain = cs.matrix(rows)
    lines = [[str(value) for value in row] for row in rows]
    assert cs.matrix("; ".join(" ".join(line) for line in lines)) == plain
    assert cs.matrix("\n".join(", ".join(line) for line in lines)) == plain
    assert cs.matrix("[" + "; ".join(" ".join(line) for line in lines) + "]") == plain
    assert cs.matrix("np.array([" + ",".join("[" + ",".join(line) + "]" for line in lines) + "])") == plain
    body = r" \\ ".join(" & ".join(line) for line in lines)
    assert cs.matrix(rf"\begin{{pmatrix}} {body} \end{{pmatrix}}") == plain
    assert cs.matrix(lines) == plain


@few
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_lists_arrays_and_text_of_floats_agree(values):
    assert cs.matrix(values) == cs.matrix(np.array(values)) == cs.matrix([str(v) for v in values])
    assert cs.matrix(" ".join(map(str, values)))[0] == cs.matrix(values)


# --- CSV ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "1,2\n3,4\n",
        "1;2\r\n3;4\r\n",
        "1\t2\n3\t4",
        "\ufeff1, 2\n\n3, 4\n",
        '"1","2"\n"3","4"',
        "1 2\n3 4\n",
        " \n1,2\n3,4",
    ],
)
def test_csv_files(tmp_path, content):
    path = tmp_path / "k.csv"
    path.write_bytes(content.encode())
    assert cs.matrix(path).tolist() == PLAIN
    assert cs.matrix(str(path)).tolist() == PLAIN
    upper = tmp_path / "K.CSV"
    upper.write_bytes(content.encode())
    assert cs.matrix(str(upper)).tolist() == PLAIN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3", "ragged rows: row 2 has 1 entry, row 1 has 2"),
        (b"1,2\n3,x!", "entry in row 2, column 2: 'x!' is not a number"),
        (b"", "the matrix is empty"),
        (b"\xff\xfe1,2", "not UTF-8 text, so not a CSV file"),
        (b'1,"' + b"2" * 200_000, "not a CSV file: field larger than field limit"),
    ],
)
def test_mistakes_in_csv_files(tmp_path, content, message):
    path = tmp_path / "k.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        cs.matrix(path)
    assert str(refused.value).startswith(f"{path}: {message}")


def test_csv_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: No such file or directory"):
        cs.matrix("gone.csv")
    with pytest.raises(InputError, match="it is not a file"):
        cs.matrix(tmp_path)
    with pytest.raises(InputError, match="null byte"):
        cs.matrix("a\x00.csv")
    with pytest.raises(InputError, match=r"/dev/zero: it is not a file"):
        cs.matrix(Path("/dev/zero"))
    with pytest.raises(InputError):
        cs.matrix("a" * 5000 + ".csv")


def test_a_csv_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)  # a hole: no disk is used
    with pytest.raises(InputError, match=r"large\.csv: 67108865 bytes is too large; up to 67108864 are read"):
        cs.matrix(path)


# --- sizes -------------------------------------------------------------------------------------


def test_arrays_too_large_are_refused_before_memory_is_asked_for():
    wide = np.broadcast_to(np.float64(0.5), (10**9,))
    with pytest.raises(ShapeError, match="an array of 1000000000 cells is too large"):
        cs.matrix(wide)
    row = [0] * 1000
    for _ in range(5):
        row = [row] * 1000
    with pytest.raises(ShapeError, match=r"nested lists of 10+ entries are too large"):
        cs.matrix(row)


def test_lists_that_hold_themselves():
    loop = [1]
    loop[0] = loop
    with pytest.raises(InputError, match="lists are nested deeper than 8"):
        cs.matrix(loop)
    deep = [1]
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="lists are nested deeper than 8"):
        cs.matrix(deep)
