"""Ten megabytes of anything is one error, soon: no pattern here takes longer than the text is long."""

import pytest

import convscope as cs
from convscope.errors import InputError

SIZE = 10_000_000

HOSTILE = {
    "opening brackets": "[" * SIZE,
    "closing brackets": "]" * SIZE,
    "pairs": "[]" * (SIZE // 2),
    "nested": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "one each": "[" + "[1]," * (SIZE // 4) + "]",
    "parentheses": "(" * SIZE + ")",
    "array calls": "np.array(" * (SIZE // 9),
    "array calls closed": "np.array(" * (SIZE // 10) + ")" * (SIZE // 10),
    "keywords": "np.array([1]" + ",dtype=" * (SIZE // 7) + ")",
    "begin": r"\begin{matrix}" * (SIZE // 14),
    "begin with spaces": (r"\begin" + " " * 1000) * (SIZE // 1006),
    "fractions": r"\begin{matrix}" + r"\frac{" * (SIZE // 6) + r"\end{matrix}",
    "row gaps": r"\begin{matrix}" + r"\\[" * (SIZE // 3) + r"\end{matrix}",
    "row gaps with spaces": r"\begin{matrix}" + r"\\          " * (SIZE // 12) + r"[\end{matrix}",
    "one number": "1" * SIZE,
    "one word": "a" * SIZE + "!",
    "quotes": "'" * SIZE,
    "commas": "," * SIZE,
    "slashes": "/" * SIZE,
    "signs": "-" * SIZE,
    "numbers that end badly": "1.5 " * (SIZE // 8) + "x!",
    "scalars": "(1)*" * (SIZE // 4),
    "NUL": "\x00" * SIZE,
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_one_error_soon(name):
    with pytest.raises(InputError) as refused:
        cs.matrix(HOSTILE[name])
    assert len(str(refused.value)) < 300


def test_a_text_without_end_is_not_looked_at():
    with pytest.raises(InputError, match="a matrix text of 67108865 characters is too long"):
        cs.matrix("1" * (2**26 + 1))


@pytest.mark.parametrize(
    "entry", ["1e999999999", "1e-999999999", "1/1e999999999", "1e99999999999999999999999999"]
)
def test_numbers_that_would_fill_the_memory(entry):
    for source in (entry, [[entry]], f"[{entry}]", rf"\begin{{matrix}}{entry}\end{{matrix}}"):
        with pytest.raises(InputError, match=r"entry in row 1, column 1: '1.*' has an exponent beyond 400"):
            cs.matrix(source)
