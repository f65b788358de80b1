"""The same derivation feeds every output: each number that one of them shows, all of them show."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from importlib import resources

import pytest
from sample import DIGITS, every_expression, matrices, sentences

import convscope as cs
from convscope.core.document import Document, Formula, Listing, Section, text
from convscope.render.html import to_html
from convscope.render.latex import to_fragment, to_latex
from convscope.render.markdown import to_markdown
from convscope.render.pdf import to_typst
from convscope.render.terminal import to_text

NUMBER = re.compile(r"\d+(?:\.\d+)?")
SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def document() -> Document:
    """The sample, without the texts that would do harm and the list whose numbers are its layout."""
    plain = tuple(block for block in sentences() if not (isinstance(block, Listing) and block.ordered))
    formulas = tuple(Formula(node) for node in every_expression())
    return Document(text("Numbers"), (*plain, Section(text("Formulas"), formulas), *matrices()))


def in_text(shown: Document, digits: int) -> str:
    written = to_text(shown, digits=digits, width=400)
    return SUPERSCRIPTS.sub(lambda raised: f" {raised[0].translate(LOWERED)} ", written)


def in_markdown(shown: Document, digits: int) -> str:
    return re.sub(r"\\\\\[4pt\]|html|&#\d+;", "", to_markdown(shown, digits=digits))


def in_latex(shown: Document, digits: int) -> str:
    body = to_latex(shown, digits=digits).split(r"\begin{document}")[1]
    layout = (
        r"\\\\\[4pt\]",
        r"\\captioned\{[\d.]+em\}",
        r"\\phantom\{[\d.]+\}",
        r"p\{[\d.]+\\linewidth\}",
        r"\\color\{muted\}columns \d+ to \d+",
        r"\\setlength\{\\\w+\}\{0pt\}",
        r"kern0pt",
        r"\\shareofwhole\{[\d.]+\}",
    )
    return re.sub("|".join(layout), "", body)


def in_fragment(shown: Document, digits: int) -> str:
    return to_fragment(shown, digits=digits).replace("[4pt]", "").replace(r"}\text{.}\mathrm{", ".")


def in_html(shown: Document, digits: int) -> str:
    layout = r'<(style|head|script|svg)\b.*?</\1>|<div class="key">.*?</div>|<span class="because".*?</span>'
    page = re.sub(layout, "", to_html(shown, digits=digits), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def in_typst(shown: Document, digits: int) -> str:
    preamble = resources.files("convscope.render").joinpath("page.typ").read_text(encoding="utf-8")
    places = r"windows: \((?:\([\d, ]+\),?\s*)*\)"
    places += r"|#share\([\d.]+|#plan\(.*?\n"
    return re.sub(places, "", to_typst(shown, digits=digits).removeprefix(preamble))


Output = Callable[[Document, int], str]
SHOWN_ONCE: dict[str, Output] = {"markdown": in_markdown, "latex": in_latex, "fragment": in_fragment}
# These say some numbers twice: once for the eye, once for a screen reader.
SHOWN_AND_SPOKEN: dict[str, Output] = {"html": in_html, "typst": in_typst}


def solved() -> Document:
    """A convolution, a sigmoid and a pooling, worked out by the package itself."""
    picture = cs.matrix("0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1")
    layers = (cs.Conv(cs.kernel("0 2 0; 2 1 1; 0 2 0"), padding=1, flip=True), cs.Sigmoid(), cs.MaxPool(2))
    return cs.solve(picture, *layers).document()


def numbers(written: str) -> Counter[str]:
    return Counter(NUMBER.findall(written))


@pytest.fixture(scope="module", params=[document, solved])
def shown(request: pytest.FixtureRequest) -> Document:
    return request.param()


@pytest.mark.parametrize("digits", [4, 7])
@pytest.mark.parametrize("name", SHOWN_ONCE)
def test_every_number_is_shown_as_often_as_on_the_terminal(shown: Document, name: str, digits: int) -> None:
    assert numbers(SHOWN_ONCE[name](shown, digits)) == numbers(in_text(shown, digits))


@pytest.mark.parametrize("digits", [4, 7])
@pytest.mark.parametrize("name", SHOWN_AND_SPOKEN)
def test_the_other_outputs_show_the_same_numbers(shown: Document, name: str, digits: int) -> None:
    assert set(numbers(SHOWN_AND_SPOKEN[name](shown, digits))) == set(numbers(in_text(shown, digits)))


@pytest.mark.parametrize("output", [*SHOWN_ONCE.values(), *SHOWN_AND_SPOKEN.values()])
def test_the_comparison_sees_a_number_that_one_output_lacks(output: Output) -> None:
    whole, lacking = document(), Document(text("Numbers"), document().blocks[:-1])
    assert set(numbers(output(whole, DIGITS))) != set(numbers(in_text(whole, DIGITS + 1)))
    assert numbers(output(whole, DIGITS)) != numbers(output(lacking, DIGITS))


def test_the_numbers_are_those_of_the_problem() -> None:
    there = set(numbers(in_text(solved(), DIGITS)))
    assert {"7.5", "0.9820", "0.9933", "0.9994", "0.9959", "0.8808"} <= there
