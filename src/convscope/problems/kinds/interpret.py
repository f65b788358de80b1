"""`interpret`: what a kernel does to a picture, in words, under each convention."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import convscope as cs
from convscope.core.document import (
    Block,
    Code,
    Figure,
    Finding,
    MatrixView,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    Text,
    text,
)
from convscope.core.kernel_picture import kernel_pixels
from convscope.problems.fields import Fields, choice, scalar_text
from convscope.problems.kinds.words import Words
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Node, Scalar

Convention = Literal["correlation", "convolution", "pillow"]
# What each convention is called in a sentence.
CONVENTIONS: dict[str, str] = {
    "correlation": "cross-correlation",
    "convolution": "true convolution",
    "pillow": "Pillow's order",
}
HOW = {
    "correlation": "the kernel as it is written",
    "convolution": "the kernel rotated by 180°",
    "pillow": "the rows of the kernel from the bottom up",
}


@dataclass(frozen=True)
class Interpret(Task):
    """A kernel, the convention it is meant for, and the answer given in words."""

    kernel: cs.Kernel
    convention: Convention
    answer: Words | None

    def solve(self) -> Work:
        """Describe the kernel under every convention, and compare."""
        told = descriptions(self.kernel)
        found = told[self.convention]
        facts: dict[str, object] = {
            "sentence": found.sentence,
            "kind": found.kind,
            "convention": self.convention,
            "orientation": found.orientation,
            "polarity": found.polarity,
            "p_value": found.p_value,
            "confidence": found.confidence,
            "sentences": {convention: one.sentence for convention, one in told.items()},
        }
        verdicts = () if self.answer is None else (verdict(self.answer, told, self.convention),)
        return Work(found, facts, verdicts, partial(interpretation, self.kernel, told, self.convention))


def descriptions(kernel: cs.Kernel) -> dict[str, cs.Description]:
    """What the kernel does under each convention."""
    told = {}
    for convention in CONVENTIONS:
        found = cs.describe(kernel, convention)
        assert isinstance(found, cs.Description)  # noqa: S101 - one kernel is no bank
        told[convention] = found
    return told


def verdict(answer: Words, told: dict[str, cs.Description], convention: str) -> Verdict:
    """Whether an answer in words is right, or would be under another convention."""
    others = {CONVENTIONS[name]: other for name, other in told.items() if name != convention}
    return answer.compare(told[convention], others)


# --- how it is shown -----------------------------------------------------------------------------


def interpretation(kernel: cs.Kernel, told: dict[str, cs.Description], convention: str) -> tuple[Block, ...]:
    """The kernel, the sentence, the other conventions, and what the sentence rests on."""
    found = told[convention]
    return (
        *_kernel(kernel),
        Paragraph(text("Convention: ", Strong(CONVENTIONS[convention]), f", {HOW[convention]}.")),
        sentence(found),
        *_conventions(told, convention),
        Section(text("What the words rest on"), _evidence(found)),
    )


def sentence(found: cs.Description) -> Finding:
    """What the kernel does, as a result."""
    return Finding("result", text(found.sentence))


def _kernel(kernel: cs.Kernel) -> tuple[Block, ...]:
    weights = kernel.weights
    if weights.ndim != 2:
        return ()
    rows = tuple(tuple(weights[i, j] for j in range(weights.shape[1])) for i in range(weights.shape[0]))
    picture = Picture(
        kernel_pixels(weights.to_float()), "the kernel, a square for each tap",
        text("positive taps orange, negative ones blue"),
    )  # fmt: skip
    name: Text = ("the kernel ", Code(kernel.name)) if kernel.name else ("the kernel",)
    return (MatrixView(rows, name), Figure((picture,), "kernel"))


def _conventions(told: dict[str, cs.Description], convention: str) -> tuple[Block, ...]:
    """What the other conventions make of the same numbers."""
    sentences = {one.sentence for one in told.values()}
    if len(sentences) == 1:
        names = ", ".join(CONVENTIONS.values())
        return (Paragraph(text(f"All three conventions come to the same words: {names}.")),)
    rows = tuple(
        (
            text(Strong(CONVENTIONS[name])) if name == convention else text(CONVENTIONS[name]),
            text(HOW[name]),
            text(one.sentence),
        )
        for name, one in told.items()
    )
    heads = (text("convention"), text("what lies on the picture"), text("what it does"))
    return (Table(heads, rows, "lll", text("The same numbers under each convention")),)


def _evidence(found: cs.Description) -> tuple[Block, ...]:
    rows = tuple(
        (text(figure.name), text(f"{figure.value:.3g}".replace("-", "−")), text(figure.meaning))
        for figure in found.evidence
    )
    table = Table((text("figure"), text("value"), text("meaning")), rows, "lrl")
    check = found.check
    lead = f"The words were tried on {check.shown} pictures of steps, lines, spots, gratings and the like: "
    told = (
        "what the kernel answers most to is what they name."
        if check.agrees
        else f"one contradicts them, for {check.disagreement}."
    )
    return (table, Paragraph(text(lead + told)))


# --- reading ---------------------------------------------------------------------------------------


def read(fields: Fields) -> Interpret | None:
    """The keys of an interpret problem: kernel, convention, answer."""
    before = len(fields.mistakes.found)
    kernel = fields.read("kernel", partial(read_kernel, fields), required=True)
    convention = fields.read("convention", read_convention)
    answer = fields.read("answer", Words.read)
    if kernel is None or len(fields.mistakes.found) > before:
        return None
    return Interpret(kernel, convention or "correlation", answer)


def read_kernel(fields: Fields, node: Node) -> cs.Kernel:
    """A kernel by its name, or a matrix of numbers."""
    if isinstance(node, Scalar) and (named := cs.kernels.get(node.text.strip())) is not None:
        return named
    kernel = cs.kernel(fields.as_matrix(node))
    try:
        kernel.weights.to_float()
    except cs.InputError:
        written = scalar_text(node) if isinstance(node, Scalar) else ""
        if written.isidentifier():
            raise cs.InputError(cs.kernels.unknown(written)) from None
        raise cs.InputError("it holds letters; what a kernel does is told of numbers") from None
    return kernel


def read_convention(node: Node) -> Convention:
    """One of the three conventions."""
    known: dict[str, Convention] = {name: name for name in get_args(Convention)}
    return choice(scalar_text(node), known)


KIND = Kind("interpret", read)
