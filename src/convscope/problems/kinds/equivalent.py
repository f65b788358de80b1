"""`equivalent`: are two chains of layers the same for every input? Also the key `prove` of other kinds."""

from __future__ import annotations

from dataclasses import dataclass

import convscope as cs
from convscope.core.document import Section, text
from convscope.problems.fields import Fields, choice, scalar_text
from convscope.problems.layers import read_layers
from convscope.problems.task import Kind, Task, Verdict, Work
from convscope.problems.tree import Items, Node

Found = cs.Proof | cs.Counterexample | cs.Undecided
# What is written as an answer -> what it says of the two.
ANSWERS = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "border": "border"}
SENTENCES = {
    "yes": "the two are the same for every input",
    "no": "the two are not the same",
    "border": "the two are the same except at the border",
    "undecided": "it cannot be decided",
}


@dataclass(frozen=True)
class Equivalent(Task):
    """Two chains of layers, a shape if it is for one only, and the answer given."""

    a: tuple[cs.Layer, ...]
    b: tuple[cs.Layer, ...]
    input_shape: tuple[int, ...] | None
    answer: str | None

    def solve(self) -> Work:
        """Prove or refute it, and compare the answer."""
        found = cs.equivalent(self.a, self.b, self.input_shape)
        verdicts = () if self.answer is None else (_verdict(self.answer, _truth(found)),)
        return Work(found, found.facts(), verdicts, lambda: found.document().blocks)


def _truth(found: Found) -> str:
    if isinstance(found, cs.Proof):
        return "yes"
    if isinstance(found, cs.Undecided):
        return "undecided"
    return "border" if found.where == "border" else "no"


def _verdict(answer: str, truth: str) -> Verdict:
    # Who says no where only the border differs is right, if less exact.
    is_right = answer == truth or (answer, truth) == ("no", "border")
    told = SENTENCES[truth]
    if is_right:
        return Verdict(is_right=True, content=text(f"The answer given agrees: {told}."))
    return Verdict(is_right=False, content=text(f"The answer given is '{answer}', but {told}."))


def read(fields: Fields) -> Equivalent | None:
    """The keys of an equivalence problem: a, b, input_shape, answer."""
    a, b = read_layers(fields, "a"), read_layers(fields, "b")
    before = len(fields.mistakes.found)
    shape = fields.read("input_shape", _read_shape)
    answer = fields.read("answer", lambda node: choice(scalar_text(node).lower(), ANSWERS))
    if a is None or b is None or len(fields.mistakes.found) > before:
        return None
    return Equivalent(a, b, shape, answer)


def _read_shape(node: Node) -> tuple[int, ...]:
    parts = (
        [scalar_text(part) for part in node.nodes]
        if isinstance(node, Items)
        else scalar_text(node).replace("×", "x").split("x")
    )
    if not all(part.strip().isascii() and part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise cs.InputError("an input shape is written as '8x8', or '3x8x8' with channels")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True)
class WithProof(Task):
    """A problem of any kind whose solution goes on with a proof."""

    task: Task
    proof: Equivalent

    def solve(self) -> Work:
        """Work the problem out, then prove what is claimed."""
        work, proved = self.task.solve(), self.proof.solve()
        return Work(
            work.result,
            {**work.facts, "proof": proved.facts},
            (*work.verdicts, *proved.verdicts),
            lambda: (*work.blocks(), Section(text("For every input"), proved.blocks())),
        )


def with_proof(task: Task | None, fields: Fields) -> Task | None:
    """The problem with the proof that its key `prove` asks for; as it is where there is none."""
    node = fields.node_of("prove")
    if node is None:
        return task
    inner = fields.within(node, "prove")
    if inner is None:
        return None
    found = read(inner)
    inner.finish()
    return None if task is None or found is None else WithProof(task, found)


KIND = Kind("equivalent", read)
