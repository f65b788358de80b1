"""`apply`: a kernel goes over a picture or a matrix; before and after are seen side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import convscope as cs
from convscope.problems.answers import MatrixAnswer
from convscope.problems.fields import Fields, inside, scalar_text
from convscope.problems.kinds.apply_blocks import extreme, matrix_blocks, picture_blocks
from convscope.problems.kinds.interpret import descriptions, verdict
from convscope.problems.kinds.words import Words
from convscope.problems.layers import read_option
from convscope.problems.pictures import DISPLAYS
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Node, Scalar

# What a convolution over one picture may be told; groups, bias and channels have no meaning here.
OPTIONS = ("stride", "padding", "dilation", "padding_mode", "padding_value", "flip")
UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Apply(Task):
    """A convolution with one kernel, what it goes over, and the answer given."""

    name: str
    source: cs.Photograph | cs.ExactArray
    layer: cs.Conv
    display: str | None
    answer: MatrixAnswer | str | None
    interpret: Words | bool = False

    def solve(self) -> Work:
        """Solve channel by channel, and compare."""
        inputs = _channels(self.source)
        solutions = tuple(cs.solve(channel, self.layer) for channel in inputs)
        results = [solution.value for solution in solutions]
        verdicts = self._verdicts(inputs, results)
        found = None
        if self.interpret:
            assert self.layer.kernel is not None  # noqa: S101 - it is built from a kernel
            told = descriptions(self.layer.kernel)
            found = told[self._convention]
            if isinstance(self.interpret, Words):
                verdicts = (*verdicts, verdict(self.interpret, told, self._convention))
        facts: dict[str, object] = {
            "shape": results[0].shape,
            "channels": [
                {"smallest": extreme(result, np.argmin), "largest": extreme(result, np.argmax)}
                for result in results
            ],
        }
        if found is not None:
            facts["sentence"], facts["kind"] = found.sentence, found.kind
        if isinstance(self.source, cs.Photograph):
            show = partial(picture_blocks, self.name, self.source, self.layer, solutions, self.display, found)
            return Work(solutions, facts, verdicts, show)
        facts["value"] = results[0]
        return Work(
            solutions[0],
            facts,
            verdicts,
            partial(matrix_blocks, self.name, self.source, self.layer, solutions[0], self.display, found),
        )

    @property
    def _convention(self) -> str:
        return "convolution" if self.layer.flip else "correlation"

    def _verdicts(
        self, inputs: tuple[cs.ExactArray, ...], results: list[cs.ExactArray]
    ) -> tuple[Verdict, ...]:
        if self.answer is None:
            return ()
        if isinstance(self.answer, MatrixAnswer):
            return (self.answer.compare(results[0], "the convolution"),)
        same = all(before == after for before, after in zip(inputs, results, strict=True))
        words = "agrees: every value" if same else "is wrong: not every value"
        return (
            Verdict(
                is_right=same, content=(f"The answer 'unchanged' {words} of the result is the input's.",)
            ),
        )


def _channels(source: cs.Photograph | cs.ExactArray) -> tuple[cs.ExactArray, ...]:
    if isinstance(source, cs.Photograph):
        return tuple(cs.matrix(channel) for channel in source.channels())
    return (source,)


def read(fields: Fields) -> Apply | None:
    """The keys of an apply problem: picture or input, kernel, options of the convolution, display, answer."""
    before = len(fields.mistakes.found)
    photograph = fields.read("picture", lambda node: _read_picture(node, fields))
    matrix = fields.read("input", partial(_read_numbers, fields))
    if photograph is not None and matrix is not None:
        fields.refuse("input", "the problem has a picture already; give one of the two")
    if photograph is None and matrix is None and len(fields.mistakes.found) == before:
        fields.refuse("", "give a 'picture' (a file) or an 'input' (a matrix)")
    layer = _read_convolution(fields)
    shown_as = fields.choice("display", tuple(DISPLAYS))
    answer = fields.read("answer", lambda node: _read_answer(node, fields, photograph))
    words = fields.read("interpret", _read_words)
    source = photograph or matrix
    if source is None or layer is None or len(fields.mistakes.found) > before:
        return None
    return Apply(fields.problem or "picture", source, layer, shown_as, answer, words or False)


def _read_picture(node: Node, fields: Fields) -> cs.Photograph:
    name = scalar_text(node)
    return cs.read_picture(inside(fields.folder, name), name)


def _read_numbers(fields: Fields, node: Node) -> cs.ExactArray:
    """A matrix without letters: a picture can be made of it."""
    found = fields.as_matrix(node)
    try:
        found.to_float()
    except cs.InputError:
        raise cs.InputError(
            "it holds letters, which no picture shows; a feature_map works with them"
        ) from None
    return found


def _read_convolution(fields: Fields) -> cs.Conv | None:
    kernel = fields.read("kernel", partial(_read_numbers, fields), required=True)
    given: dict[str, Any] = {}
    for option in OPTIONS:
        value = fields.read(option, partial(_read_plain, option, fields))
        if value is not None:
            given[option] = value
    if kernel is None:
        return None
    with fields.mistakes.noted(fields.line("kernel"), fields.place_of("kernel")):
        if kernel.ndim != 2:
            raise cs.ShapeError(f"it has {kernel.ndim} axes; a kernel for pictures has 2")
        return cs.Conv(kernel, **given)
    return None


def _read_words(node: Node) -> Words | bool:
    """``true`` to have the kernel put into words, or the answer in words."""
    plain = node.text.strip().lower() if isinstance(node, Scalar) and not node.is_quoted else ""
    return plain == "true" if plain in {"true", "false"} else Words.read(node)


def _read_plain(option: str, fields: Fields, node: Node) -> Any:  # noqa: ANN401
    return read_option(option, node, fields)


def _read_answer(node: Node, fields: Fields, photograph: cs.Photograph | None) -> MatrixAnswer | str:
    try:
        if scalar_text(node) == UNCHANGED:
            return UNCHANGED
    except cs.InputError:
        pass  # a list: it must be a matrix
    if photograph is not None and photograph.pixels.ndim == 3:
        raise cs.InputError(f"the answer for a colour picture may only be '{UNCHANGED}'")
    return MatrixAnswer.read(node, fields.folder)


KIND = Kind("apply", read)
