"""A problem set, read and valid; and the same set solved."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from convscope.core.document import Block, Document, Finding, Paragraph, Section, Strong, Text, text
from convscope.core.expression import Number
from convscope.errors import ConvscopeError, InputError, nearest_name
from convscope.problems.prose import paragraphs
from convscope.problems.task import Task, Verdict, Work
from convscope.show import Showable

# How many ids an error message lists.
LISTED_IDS = 12


@dataclass(frozen=True)
class Group:
    """What the parts of one problem share: its number, its title, its words."""

    id: str
    title: str = ""
    text: str = ""


@dataclass(frozen=True)
class Problem:
    """One problem, or one part of one.

    Attributes:
        id: unique in its set: ``1.3``, ``1.1a``.
        kind: the word after ``kind:``.
        task: what is asked, ready to be solved.
        title, text: the heading and the question; may be empty.
        explanation: words that lead the worked solution; may be empty.
        points: what it is worth, or None.
        group: the problem it is a part of, or None.
        place: file and line, for messages.
    """

    id: str
    kind: str
    task: Task
    title: str = ""
    text: str = ""
    explanation: str = ""
    points: Fraction | None = None
    group: Group | None = None
    place: str = ""

    def solve(self) -> SolvedProblem:
        """Work the problem out.

        Raises:
            InputError: shapes that do not fit each other and the like, led by file, line and problem.
        """
        try:
            return SolvedProblem(self, self.task.solve())
        except ConvscopeError as error:
            raise error.within(f"{self.place}problem {self.id}") from None

    @property
    def label(self) -> str:
        """What it is called under its group's heading: ``a`` for ``1.1a`` of ``1.1``, ``1`` for ``1.1.1``."""
        if self.group is None:
            return self.id
        return self.id.removeprefix(self.group.id).removeprefix(".") or self.id


@dataclass(frozen=True)
class ProblemSet:
    """Problems in order, under one title. Index it by a problem's id."""

    title: str
    problems: tuple[Problem, ...]
    introduction: str = ""

    def __len__(self) -> int:
        return len(self.problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def __getitem__(self, problem_id: str) -> Problem:
        found = [problem for problem in self.problems if problem.id == problem_id]
        if not found:
            raise InputError(f"no problem '{problem_id}'; {self._nearest(problem_id)}")
        return found[0]

    def solve(
        self, only: str | Sequence[str] | None = None, *, progress: Callable[[int, int], None] | None = None
    ) -> SolvedSet:
        """Solve every problem, or only those named.

        Args:
            only: ids of problems, or of problems whose parts are all wanted.
            progress: called with the number of problems solved so far and the number of all.

        Raises:
            InputError: an unknown id, or a problem that cannot be solved, with its file and line.
        """
        wanted = self._chosen(only)
        solved: list[SolvedProblem] = []
        for problem in wanted:
            if progress is not None:
                progress(len(solved), len(wanted))
            solved.append(problem.solve())
        return SolvedSet(self.title, tuple(solved), self.introduction)

    def _chosen(self, only: str | Sequence[str] | None) -> tuple[Problem, ...]:
        if only is None or not len(only):
            return self.problems
        names = (only,) if isinstance(only, str) else tuple(only)
        for name in names:
            if not any(name in _names(problem) for problem in self.problems):
                raise InputError(f"no problem '{name}'; {self._nearest(name)}")
        return tuple(problem for problem in self.problems if _names(problem) & set(names))

    def _nearest(self, name: str) -> str:
        groups = (problem.group.id for problem in self.problems if problem.group)
        return _nearest_id(name, [*(problem.id for problem in self.problems), *dict.fromkeys(groups)])


def _nearest_id(name: str, known: list[str]) -> str:
    """The nearest known id, and the known ones, of which a long set lists only a few."""
    if len(known) <= LISTED_IDS:
        return nearest_name(name, known)
    listed = difflib.get_close_matches(name, known, n=LISTED_IDS, cutoff=0) or known[:LISTED_IDS]
    return f"{nearest_name(name, listed)} and {len(known) - len(listed)} more"


def _names(problem: Problem) -> set[str]:
    return {problem.id} | ({problem.group.id} if problem.group else set())


@dataclass(frozen=True)
class SolvedProblem(Showable):
    """A problem with its work."""

    problem: Problem
    work: Work

    @property
    def is_right(self) -> bool | None:
        """Whether every given answer agrees; None when none was given."""
        verdicts = self.work.verdicts
        return all(verdict.is_right for verdict in verdicts) if verdicts else None

    def facts(self) -> Mapping[str, object]:
        """The numbers, by name, exact."""
        return {
            "id": self.problem.id,
            "title": self.problem.title,
            "kind": self.problem.kind,
            "points": self.problem.points,
            "right": self.is_right,
            **self.work.facts,
        }

    def document(self) -> Document:
        """The question, the worked solution, and whether the given answers agree."""
        return Document(_heading(f"Problem {self.problem.id}", self.problem.title, None), self.blocks())

    def blocks(self) -> tuple[Block, ...]:
        """What stands under the problem's heading."""
        question = paragraphs(self.problem.text)
        lead: tuple[Block, ...] = (*question, Paragraph((Strong("Solution"),))) if question else ()
        words = paragraphs(self.problem.explanation)
        return (*lead, *words, *self.work.blocks(), *(_finding(verdict) for verdict in self.work.verdicts))


@dataclass(frozen=True)
class SolvedSet(Showable):
    """A problem set worked out."""

    title: str
    solved: tuple[SolvedProblem, ...]
    introduction: str = ""

    def __len__(self) -> int:
        return len(self.solved)

    def __iter__(self) -> Iterator[SolvedProblem]:
        return iter(self.solved)

    def __getitem__(self, problem_id: str) -> SolvedProblem:
        found = [one for one in self.solved if one.problem.id == problem_id]
        if not found:
            known = [one.problem.id for one in self.solved]
            raise InputError(f"no problem '{problem_id}'; {_nearest_id(problem_id, known)}")
        return found[0]

    @property
    def is_right(self) -> bool | None:
        """Whether every given answer agrees; None when none was given."""
        verdicts = [one.is_right for one in self.solved if one.is_right is not None]
        return all(verdicts) if verdicts else None

    def facts(self) -> Mapping[str, object]:
        """The numbers of every problem, by name, exact."""
        return {
            "title": self.title,
            "right": self.is_right,
            "problems": [one.facts() for one in self.solved],
        }

    def document(self) -> Document:
        """The hand-out: title, introduction, and every problem with its question and worked solution."""
        blocks: list[Block] = [*paragraphs(self.introduction), *self._summary()]
        for group, members in groupby(self.solved, key=lambda one: one.problem.group):
            sections = tuple(_section(one) for one in members)
            if group is None:
                blocks += sections
            else:
                heading = _heading(f"Problem {group.id}", group.title, None)
                blocks.append(Section(heading, (*paragraphs(group.text), *sections)))
        return Document(text(self.title), tuple(blocks))

    def _summary(self) -> tuple[Block, ...]:
        """One finding over all given answers; nothing when none was given."""
        verdicts = [(one, verdict) for one in self.solved for verdict in one.work.verdicts]
        if not verdicts:
            return ()
        wrong = list(dict.fromkeys(one.problem.id for one, verdict in verdicts if not verdict.is_right))
        if wrong:
            problems = "problem" if len(wrong) == 1 else "problems"
            return (
                Finding("wrong", text(f"Given answers do not agree in {problems} {', '.join(wrong)}; "
                                      "each is named below.")),
            )  # fmt: skip
        count = len(verdicts)
        words = "The given answer agrees" if count == 1 else f"All {count} given answers agree"
        return (Finding("right", text(f"{words} with the exact results.")),)


def _section(solved: SolvedProblem) -> Section:
    problem = solved.problem
    name = f"Problem {problem.id}" if problem.group is None else f"({problem.label})"
    return Section(_heading(name, problem.title, problem.points), solved.blocks())


def _heading(name: str, title: str, points: Fraction | None) -> Text:
    separator = ": " if name.startswith("Problem") else " "
    words: Text = (f"{name}{separator}{title}" if title else name,)
    if points is None:
        return words
    return (*words, " (", Number(points), " point)" if points == 1 else " points)")


def _finding(verdict: Verdict) -> Finding:
    return Finding("right" if verdict.is_right else "wrong", verdict.content)
