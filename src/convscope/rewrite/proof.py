"""What comes of comparing two layers: a proof, a counterexample, or neither, said plainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convscope.core.array import ExactArray
from convscope.core.derivation import Derivation
from convscope.core.document import Block, Document
from convscope.core.layer import Layer
from convscope.core.number import Exact
from convscope.rewrite.linear_pair import Border
from convscope.show import Showable
from convscope.worked.solution import Solution

Layers = tuple[Layer, ...]
Where = Literal["shape", "border", "everywhere", "some inputs"]


@dataclass(frozen=True, eq=False)
class Proof(Showable):
    """Two layers, or chains of layers, give the same output for every input that both take.

    A proof counts as True: ``if cs.equivalent(a, b): …``.

    Attributes:
        first, second: the layers compared.
        input_shape: the shape that it holds for, without batch axis; None where it holds for every size.
        least: where it holds for every size, the smallest lengths of the spatial axes that both take.
        rules: the rules that were used, one sentence each; empty for linear layers.
        blocks: the derivation.
    """

    first: Layers
    second: Layers
    input_shape: tuple[int, ...] | None
    least: tuple[int, ...]
    rules: tuple[str, ...]
    blocks: tuple[Block, ...]

    def __bool__(self) -> bool:
        return True

    @property
    def every_size(self) -> bool:
        """True where no input shape limits the proof."""
        return self.input_shape is None

    def document(self) -> Document:
        """The derivation."""
        from convscope.rewrite.equivalence_report import proof_document

        return proof_document(self)

    def facts(self) -> dict[str, object]:
        """The proof as plain facts."""
        return {
            "verdict": "proof",
            "first": [repr(layer) for layer in self.first],
            "second": [repr(layer) for layer in self.second],
            "every_size": self.every_size,
            "input_shape": self.input_shape,
            "least": self.least,
            "rules": self.rules,
        }

    def __repr__(self) -> str:
        held = "every size" if self.input_shape is None else f"input shape {self.input_shape}"
        return f"<proof: equal for every input, {held}>"


@dataclass(frozen=True, eq=False)
class Counterexample(Showable):
    """An input that two layers, or chains of layers, answer differently. It counts as False.

    Attributes:
        first, second: the layers compared.
        input: the smallest integer input found that shows the difference. Of linear layers none is
            smaller: where shapes differ, no smaller input has outputs of unlike shapes; else no input of
            fewer cells, of fewer numbers that are not zero or of smaller ones shows a difference.
        layout: its axes, such as ``"HW"``, ``"CHW"`` or ``"NCL"``, as `solve` takes them.
        solutions: the input worked by each.
        where: ``"shape"``: the outputs have unlike shapes; ``"border"``: equal but for cells near the
            border, for every input and size; ``"everywhere"``: unlike far from the border as well;
            ``"some inputs"``: layers that are not linear, equal for some inputs and unlike for others.
        border: for linear layers, which output cells differ.
        cell: the first output cell that differs; None where the shapes do.
        additivity: for max pooling and the like against linear layers, two inputs x and y with
            f(x + y) + f(0) ≠ f(x) + f(y).
        notes: what follows in the derivation.
    """

    first: Layers
    second: Layers
    input: ExactArray
    layout: str
    solutions: tuple[Solution, Solution]
    where: Where
    border: Border | None
    cell: tuple[int, ...] | None
    notes: tuple[Block, ...] = ()
    additivity: tuple[ExactArray, ExactArray] | None = None

    def __bool__(self) -> bool:
        return False

    @property
    def outputs(self) -> tuple[ExactArray, ExactArray]:
        """The output of each, exact."""
        return self.solutions[0].value, self.solutions[1].value

    @property
    def derivations(self) -> tuple[Derivation[Exact], Derivation[Exact]] | None:
        """The first cell that differs, worked out by both; None where the shapes differ."""
        if self.cell is None:
            return None
        return (
            self.solutions[0].stages[-1].cell(*self.cell),
            self.solutions[1].stages[-1].cell(*self.cell),
        )

    def document(self) -> Document:
        """The input, both outputs, and the first cell that differs, worked out by both."""
        from convscope.rewrite.equivalence_report import counterexample_document

        return counterexample_document(self)

    def facts(self) -> dict[str, object]:
        """The counterexample as plain facts; exact arrays stay exact."""
        one, other = self.outputs
        return {
            "verdict": "counterexample",
            "first": [repr(layer) for layer in self.first],
            "second": [repr(layer) for layer in self.second],
            "where": self.where,
            "border": None if self.border is None else self.border.sides,
            "input": self.input,
            "layout": self.layout,
            "outputs": [{"shape": one.shape, "value": one}, {"shape": other.shape, "value": other}],
            "cell": self.cell,
        }

    def __repr__(self) -> str:
        return f"<counterexample: {self.where}, input of shape {self.input.shape}>"


@dataclass(frozen=True, eq=False)
class Undecided(Showable):
    """Neither a proof nor a counterexample was found. It counts as False: nothing was proved.

    Attributes:
        first, second: the layers compared.
        reason: why it could not be decided.
        tried: how many inputs were tried, all with equal outputs.
        effort: which inputs they were, in words.
    """

    first: Layers
    second: Layers
    reason: str
    tried: int = 0
    effort: str = ""

    def __bool__(self) -> bool:
        return False

    def document(self) -> Document:
        """What was tried."""
        from convscope.rewrite.equivalence_report import undecided_document

        return undecided_document(self)

    def facts(self) -> dict[str, object]:
        """What was tried, as plain facts."""
        return {
            "verdict": "undecided",
            "first": [repr(layer) for layer in self.first],
            "second": [repr(layer) for layer in self.second],
            "reason": self.reason,
            "tried": self.tried,
            "effort": self.effort,
        }

    def __repr__(self) -> str:
        return f"<undecided: {self.reason}; {self.tried} inputs tried>"
