"""Characters in LaTeX: which stand for themselves, which have a macro, which must be spelt out.

Everything here is plain LaTeX with amsmath, so that pdfTeX, LuaTeX and MathJax read it alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from convscope.render.literal import visible_line

MINUS = "\u2212"


def _macros(pairs: str) -> dict[str, str]:
    words = pairs.split()
    return {sign: f"\\{name}" for sign, name in zip(words[::2], words[1::2], strict=True)}


GREEK: Mapping[str, str] = MappingProxyType(
    _macros(
        """α alpha β beta γ gamma δ delta ε varepsilon ϵ epsilon ζ zeta η eta θ theta ϑ vartheta ι iota
        κ kappa λ lambda μ mu µ mu ν nu ξ xi π pi ρ rho ς varsigma σ sigma τ tau υ upsilon φ varphi ϕ phi
        χ chi ψ psi ω omega
        Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega"""
    )
)

# From a character to the macro that sets it in mathematics.
MATH_MACROS: Mapping[str, str] = MappingProxyType(
    {
        **GREEK,
        **_macros(
            """× times · cdot ∗ ast ⋆ star ⊙ odot ⊗ otimes ⊕ oplus ÷ div ± pm ∓ mp ≈ approx ≠ neq ≤ leq ≥ geq
            ≡ equiv ∼ sim ∝ propto → rightarrow ← leftarrow ↔ leftrightarrow ⇒ Rightarrow ⇔ Leftrightarrow
            ↦ mapsto ↑ uparrow ↓ downarrow ⌊ lfloor ⌋ rfloor ⌈ lceil ⌉ rceil ⟨ langle ⟩ rangle ∈ in ∉ notin
            ∀ forall ∃ exists ∑ sum ∏ prod ∫ int ∂ partial ∇ nabla ∞ infty ∅ emptyset ∪ cup ∩ cap ⊂ subset
            ⊆ subseteq ∧ wedge ∨ vee ¬ neg ∘ circ • bullet ⋮ vdots ⋯ cdots ⋱ ddots … ldots √ surd ‖ Vert
            ′ prime"""
        ),
    }
)

# Characters with a meaning in LaTeX, in running text. A bracket or star right after a line's end
# would be read as the line's length.
_TEXT_ESCAPES: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"\textquotedbl{}",
        **{character: f"\\{character}" for character in "#$%&_{}"},
        **{character: f"{{{character}}}" for character in "[]*"},
        MINUS: r"\ensuremath{-}",
    }
)

# The same in mathematics. What has no sign of its own there is set as text.
_MATH_ESCAPES: Mapping[str, str] = MappingProxyType(
    {
        " ": r"\ ",
        "\\": r"\backslash{}",
        "^": r"\hat{\ }",
        "~": r"{\sim}",
        "|": r"{\vert}",
        "`": r"\grave{\ }",
        "$": r"{\$}",  # braces, or it would join the dollar that ends a formula
        **{character: f"\\{character}" for character in "#%&_{}"},
        MINUS: "{-}",
    }
)

# Two of these in a row make a dash, a closing or a low opening quotation mark; LuaTeX joins them
# over an empty group as well, so an empty kern parts them.
_LIGATURE = re.compile(r"([-',])(?=\1)")

# Code up to here stays on one line.
LONGEST_UNBROKEN = 24

# Letters and signs of Latin-1 and Latin Extended-A that both pdfTeX and LuaTeX have in their first fonts.
_ACCENTED = re.compile(r"[\u00a1-\u00ac\u00ae-\u0137\u0139-\u017e]")
_MISSING_GLYPHS = frozenset("ĦħĲĳĿŀŉŦŧ")
_TYPOGRAPHIC = frozenset("–—‘’“”„†‡€")


def has_glyph(character: str) -> bool:
    """True when LaTeX sets the character as it stands, in text."""
    if character in _TYPOGRAPHIC:
        return True
    return _ACCENTED.match(character) is not None and character not in _MISSING_GLYPHS


def spelt_out(character: str) -> str:
    """A character without a glyph as its code point: ``[U+6570]``."""
    return f"[U+{ord(character):04X}]"


def escape_text(text: str) -> str:
    r"""`text` as running LaTeX text that shows it literally.

    >>> escape_text("50 % of \\input{x}")
    '50 \\% of \\textbackslash{}input\\{x\\}'
    """
    return _LIGATURE.sub(r"\1\\kern0pt{}", "".join(map(_text_character, _composed(text))))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", visible_line(text))


def _text_character(character: str) -> str:
    if character in _TEXT_ESCAPES:
        return _TEXT_ESCAPES[character]
    if character.isascii() or has_glyph(character):
        return character
    if character in MATH_MACROS:
        return f"\\ensuremath{{{MATH_MACROS[character]}}}"
    return _text_spelt(character)


def _text_spelt(character: str) -> str:
    return "".join(_TEXT_ESCAPES.get(sign, sign) for sign in spelt_out(character))


def escape_code(text: str) -> str:
    r"""`text` for a typewriter font: quotes stay upright, and in long code a line may end after a sign.

    >>> escape_code("it's a_b")
    'it\\textquotesingle{}s a\\_b'
    """
    line = _composed(text)
    after_sign = r"\codebreak{}" if len(line) > LONGEST_UNBROKEN else ""
    return _LIGATURE.sub(
        r"\1\\kern0pt{}", "".join(_code_character(character, after_sign) for character in line)
    )


def _code_character(character: str, after_sign: str) -> str:
    written = r"\textquotesingle{}" if character == "'" else _text_character(character)
    return written if character.isalnum() or character == " " else written + after_sign


def math_words(text: str, *, font: str = "mathrm", keep_unicode: bool = False) -> str:
    r"""`text` inside a formula, upright, every character literal.

    Args:
        text: what is to be read.
        font: the macro that sets a run of letters.
        keep_unicode: for MathJax, which finds a glyph for every character; TeX's fonts do not.

    >>> math_words("pad_x"), math_words("σ")
    ('\\mathrm{pad}\\_\\mathrm{x}', '\\sigma ')
    """
    return "".join(_math_pieces(_composed(text), font, keep_unicode=keep_unicode))


def _math_pieces(line: str, font: str, *, keep_unicode: bool) -> Iterator[str]:
    for run in re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]", line):
        if run in _MATH_ESCAPES:
            yield _MATH_ESCAPES[run]
        elif run.isascii() and run.isalnum():
            yield f"\\{font}{{{run}}}"
        elif run in MATH_MACROS:
            yield GREEK[run] + " " if run in GREEK else f"{{{MATH_MACROS[run]}}}"
        elif run.isascii() or keep_unicode or has_glyph(run):
            yield f"\\text{{{run}}}"
        else:
            yield f"\\text{{{spelt_out(run)}}}"
