"""`highlight`: where on a picture a kernel answers most, as a figure with the strongest places worked out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import convscope as cs
from convscope.core.document import text
from convscope.problems.answers import agrees
from convscope.problems.fields import Fields, exact_number, inside, scalar_text, shown
from convscope.problems.kinds.interpret import Convention, read_convention, read_kernel
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Node


@dataclass(frozen=True)
class Highlight(Task):
    """A picture, a kernel, how much is to be marked, and the largest response given as the answer."""

    picture: cs.Photograph
    kernel: cs.Kernel
    top: Fraction | None
    threshold: Fraction | None
    convention: Convention
    answer: str | None

    def solve(self) -> Work:
        """Mark the picture, and compare."""
        found = cs.highlight(
            self.picture, self.kernel, top=self.top, threshold=self.threshold, convention=self.convention
        )
        verdicts = () if self.answer is None else (self._verdict(found, self.answer),)
        return Work(found, found.facts(), verdicts, lambda: found.document().blocks)

    def _verdict(self, found: cs.Highlight, written: str) -> Verdict:
        if not found.details:
            return Verdict(is_right=False, content=text("An answer is given, but no pixel is marked."))
        truth = found.details[0].value
        if agrees(exact_number(written), written, truth):
            return Verdict(
                is_right=True,
                content=text("The largest response that was given agrees with the exact result."),
            )
        told = text("The largest response is ", truth, f", given {shown(written)}.")
        return Verdict(is_right=False, content=told)


def read(fields: Fields) -> Highlight | None:
    """The keys of a highlight problem: picture, kernel, top or threshold, convention, answer."""
    before = len(fields.mistakes.found)
    picture = fields.read("picture", lambda node: _read_picture(fields, node), required=True)
    kernel = fields.read("kernel", partial(read_kernel, fields), required=True)
    top, threshold = fields.number("top"), fields.number("threshold")
    convention = fields.read("convention", read_convention)
    answer = fields.read("answer", _read_number)
    if top is not None and threshold is not None:
        fields.refuse("threshold", "the problem has 'top' already; give one of the two")
    if top is not None and not 0 < top <= 1:
        fields.refuse("top", f"{top} is not a share of the pixels, above 0 and up to 1")
    if threshold is not None and threshold <= 0:
        fields.refuse("threshold", f"{threshold} is not positive, as the responses are that are marked")
    if picture is None or kernel is None or len(fields.mistakes.found) > before:
        return None
    return Highlight(picture, kernel, top, threshold, convention or "correlation", answer)


def _read_picture(fields: Fields, node: Node) -> cs.Photograph:
    name = scalar_text(node)
    return cs.read_picture(inside(fields.folder, name), name)


def _read_number(node: Node) -> str:
    written = scalar_text(node)
    exact_number(written)
    return written


KIND = Kind("highlight", read)
