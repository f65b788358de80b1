"""`saturation`: an activation's slope at the cells of a feature map, and what is left of a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import convscope as cs
from convscope.core.document import Block, Section, text
from convscope.problems.answers import MatrixAnswer
from convscope.problems.fields import Fields, exact_number, inside, scalar_text
from convscope.problems.kinds.saturation_experiment import Experiment, read_experiment
from convscope.problems.layers import read_layers
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Node


@dataclass(frozen=True)
class SaturationTask(Task):
    """An activation, or layers with an input; the slopes given as the answer; an experiment to be shown.

    Attributes:
        input: what goes into the first layer; None for an activation on its own.
        layers: with the activation among them.
        below: the slope under which the activation counts as saturated.
        depth: the layers of the chain.
        answer: the slopes at the cells that go into the first activation.
        experiment: figures measured on a network, to be shown after the paper; may be None.
    """

    input: cs.ExactArray | None
    layers: tuple[cs.Layer, ...]
    below: Fraction
    depth: int
    answer: MatrixAnswer | None
    experiment: Experiment | None

    def solve(self) -> Work:
        """Work out the slopes, and compare them with the answer."""
        result = cs.saturation(*self.layers, input=self.input, below=self.below, depth=self.depth)
        verdicts: tuple[Verdict, ...] = ()
        if self.answer is not None and result.stack is not None:
            step = next(step for step in result.stack.steps if step.layer == result.activation)
            assert step.slopes is not None  # noqa: S101 - an activation has slopes; tells the type checker
            verdicts = (self.answer.compare(step.slopes, f"the slopes of the {step.layer.title}"),)
        facts = result.facts()
        if self.experiment is not None:
            facts["experiment"] = self.experiment.facts()

        def blocks() -> tuple[Block, ...]:
            shown = result.document().blocks
            if self.experiment is None:
                return shown
            return (*shown, Section(text("On a network"), self.experiment.blocks()))

        return Work(result, facts, verdicts, blocks)


def read(fields: Fields) -> SaturationTask | None:
    """The keys of a saturation problem: input, layers, below, depth, answer, experiment."""
    before = len(fields.mistakes.found)
    source = fields.matrix("input")
    layers = read_layers(fields, "layers")
    below = fields.number("below")
    depth = fields.read("depth", _read_depth)
    answer = fields.read("answer", lambda node: MatrixAnswer.read(node, fields.folder))
    experiment = fields.read(
        "experiment", lambda node: read_experiment(inside(fields.folder, scalar_text(node)))
    )
    if answer is not None and source is None:
        fields.refuse(
            "answer", "slopes are asked for at the cells of a feature map; the key 'input' is missing"
        )
    if layers is None or len(fields.mistakes.found) > before:
        return None
    return SaturationTask(
        source,
        layers,
        Fraction(1, 100) if below is None else below,
        10 if depth is None else depth,
        answer,
        experiment,
    )


def _read_depth(node: Node) -> int:
    number = exact_number(scalar_text(node))
    if number.denominator != 1:
        raise cs.InputError(f"'{scalar_text(node)}' is not a whole number of layers")
    return int(number)


KIND = Kind("saturation", read)
