"""`feature_map`: a matrix goes through layers in order; every cell is worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import convscope as cs
from convscope.problems.answers import MatrixAnswer
from convscope.problems.fields import Fields, choice, scalar_text, told
from convscope.problems.layers import read_layers
from convscope.problems.task import Kind, Task, Work
from convscope.problems.tree import Entries, Node

Convention = Literal["convolution", "correlation"]
CONVENTIONS: dict[str, Convention] = {"convolution": "convolution", "correlation": "correlation"}


@dataclass(frozen=True)
class FeatureMap(Task):
    """An input, layers, and answers by the number of the layer, counted from 1, that they follow."""

    input: cs.ExactArray
    layers: tuple[cs.Layer, ...]
    compare: Convention | None
    answers: tuple[tuple[int, MatrixAnswer], ...]

    def solve(self) -> Work:
        """Solve, and compare each answer with the stage it is for."""
        solution = cs.solve(self.input, *self.layers, compare=self.compare)
        verdicts = tuple(
            answer.compare(solution.stages[number - 1].value, self._stage_name(number))
            for number, answer in self.answers
        )
        stages = [
            {"layer": repr(stage.layer), "shape": stage.value.shape, "value": stage.value}
            for stage in solution.stages
        ]
        facts: dict[str, object] = {"stages": stages}
        if solution.other is not None:
            facts["other"] = {"convention": self.compare, "value": solution.other.value}
        return Work(solution, facts, verdicts, lambda: solution.document().blocks)

    def _stage_name(self, number: int) -> str:
        title = self.layers[number - 1].title
        return f"the {title}" if len(self.layers) == 1 else f"layer {number} ({title})"


def read(fields: Fields) -> FeatureMap | None:
    """The keys of a feature-map problem: input, layers, compare, answer."""
    source = fields.matrix("input", required=True)
    layers = read_layers(fields, "layers")
    compare = fields.read("compare", _read_convention)
    answers = _read_answers(fields, len(layers or ()))
    if source is None or layers is None or answers is None:
        return None
    return FeatureMap(source, layers, compare, answers)


def _read_convention(node: Node) -> Convention:
    return choice(scalar_text(node), CONVENTIONS)


def _read_answers(fields: Fields, stages: int) -> tuple[tuple[int, MatrixAnswer], ...] | None:
    """The answer after the last layer, or a mapping from layer numbers to answers."""
    node = fields.node_of("answer")
    if node is None:
        return ()
    given: list[tuple[str, Node]] = (
        [(key.text, value) for key, value in node.pairs]
        if isinstance(node, Entries)
        else [(str(stages), node)]
    )
    answers: list[tuple[int, MatrixAnswer]] = []
    before = len(fields.mistakes.found)
    for number, value in given:
        path = f"answer.{number}" if isinstance(node, Entries) else "answer"
        with fields.mistakes.noted(value.line, fields.place_of(path)):
            answer = MatrixAnswer.read(value, fields.folder)
            if number not in {str(n) for n in range(1, stages + 1)} and stages:
                raise cs.InputError(
                    f"there is no layer {number}; answers are for layers 1 to {stages}, or one for the last"
                )
            answers.append((int(number) if number.isdecimal() else 0, answer))
    if isinstance(node, Entries):
        for key in node.repeated:
            fields.refuse_node(key, "answer", f"layer {key.text} is answered twice")
        if not node.pairs:
            fields.refuse("answer", f"{told(node)} without answers")
    return tuple(answers) if len(fields.mistakes.found) == before else None


KIND = Kind("feature_map", read)
