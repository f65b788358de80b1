"""`load_problems`: a file becomes a valid problem set, or one error that lists every mistake in it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from convscope.errors import InputError, nearest_name
from convscope.problems.fields import Fields, Mistakes, shown, told
from convscope.problems.kinds import KINDS
from convscope.problems.kinds.equivalent import with_proof
from convscope.problems.problem import Group, Problem, ProblemSet
from convscope.problems.source import TEXT_NAME, Source, read_source
from convscope.problems.tree import Entries, Node, parse_tree

MAX_PROBLEMS = 1000
LONGEST_ID = 40
PART_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def load_problems(source: str | PathLike[str], folder: str | PathLike[str] | None = None) -> ProblemSet:
    """Read a problem set.

    Args:
        source: the path of a YAML file, or of a Markdown file whose front matter is such YAML; or
            the text itself, when it has several lines.
        folder: what pictures and CSV files are named relative to; the file's own folder, or for
            text the working folder, when not given. Nothing outside it is read.

    Raises:
        InputError: the file cannot be read; or it has mistakes, each told with its line and key.

    >>> problems = load_problems('''
    ... problems:
    ...   - kind: feature_map
    ...     input: 1 2; 3 4
    ...     layers: [avgpool 2]
    ...     answer: 2.5
    ... ''')
    >>> problems.solve().is_right
    True
    """
    found = read_source(source, folder)
    try:
        root = parse_tree(found.yaml)
    except InputError as error:
        # "line 3: …" becomes "set.yaml:3: …", as every other mistake is told.
        line, _, rest = str(error).removeprefix("line ").partition(": ")
        place = f"{found.name}:{line}" if line.isdecimal() else found.name
        raise InputError(f"{place}: {rest if line.isdecimal() else error}") from None
    mistakes = Mistakes(found.name)
    if not isinstance(root, Entries):
        mistakes.add(root.line, "", f"{told(root)} is not a problem set; begin with 'title:' and 'problems:'")
        mistakes.raise_if_any()
    assert isinstance(root, Entries)  # noqa: S101 - raised above
    problem_set = _Loader(found, mistakes).read(root)
    mistakes.raise_if_any()
    return problem_set


class _Loader:
    """Reads problem after problem, and remembers the ids that are taken."""

    def __init__(self, source: Source, mistakes: Mistakes) -> None:
        self._source = source
        self._mistakes = mistakes
        self._lines_of_ids: dict[str, int] = {}
        self._problems: list[Problem] = []

    def read(self, root: Entries) -> ProblemSet:
        fields = Fields(root, self._mistakes, self._source.folder)
        title = fields.text("title")
        introduction = fields.text("intro")
        nodes = fields.items("problems", required=True) or ()
        if len(nodes) > MAX_PROBLEMS:
            fields.refuse("problems", f"{len(nodes)} problems are too many; up to {MAX_PROBLEMS} are read")
            nodes = ()
        for number, node in enumerate(nodes, start=1):
            self._read_entry(fields, node, number)
        fields.finish()
        words = "\n\n".join(part for part in (introduction, self._source.body) if part)
        return ProblemSet(title or self._default_title(), tuple(self._problems), words)

    def _default_title(self) -> str:
        return "Problem set" if self._source.name == TEXT_NAME else Path(self._source.name).stem

    def _read_entry(self, parent: Fields, node: Node, number: int) -> None:
        fields = parent.within(node, f"problems[{number}]")
        if fields is None:
            return
        problem_id = self._read_id(fields, str(number), prefix="")
        fields.problem, fields.path = f"problem {problem_id}", ""
        parts = fields.items("parts")
        if parts is None:
            self._read_problem(fields, problem_id, None)
            return
        group = Group(problem_id, fields.text("title") or "", fields.text("text") or "")
        if len(parts) > MAX_PROBLEMS:
            fields.refuse("parts", f"{len(parts)} parts are too many; up to {MAX_PROBLEMS} are read")
            parts = ()
        for index, part in enumerate(parts):
            inner = fields.within(part, f"parts[{index + 1}]")
            if inner is not None:
                letter = PART_LETTERS[index] if index < len(PART_LETTERS) else f"-{index + 1}"
                part_id = self._read_id(inner, letter, prefix=problem_id)
                inner.problem, inner.path = f"problem {part_id}", ""
                self._read_problem(inner, part_id, group)
        fields.finish()

    def _read_id(self, fields: Fields, default: str, prefix: str) -> str:
        written = fields.text("id") or default
        if len(written) > LONGEST_ID or not written.isprintable():
            fields.refuse("id", f"'{shown(written)}' is not an id: up to {LONGEST_ID} printable characters")
            written = default
        full = written if prefix and written.startswith(prefix) and written != prefix else prefix + written
        line = fields.line("id")
        if full in self._lines_of_ids:
            fields.refuse("id", f"'{full}' is taken by the problem on line {self._lines_of_ids[full]}")
        self._lines_of_ids.setdefault(full, line)
        return full

    def _read_problem(self, fields: Fields, problem_id: str, group: Group | None) -> None:
        before = len(self._mistakes.found)
        title, words = fields.text("title") or "", fields.text("text") or ""
        explanation, points = fields.text("solution") or "", fields.number("points")
        if points is not None and points < 0:
            fields.refuse("points", f"points={points} is negative; points may be 0 or more")
        name = fields.text("kind", required=True)
        if name is None:
            return
        kind = KINDS.get(name)
        if kind is None:
            fields.refuse("kind", f"unknown kind '{shown(name)}'; {nearest_name(name, KINDS)}")
            return
        task = with_proof(kind.read(fields), fields)
        fields.finish()
        if task is not None and len(self._mistakes.found) == before:
            place = f"{self._source.name}:{fields.line()}: "
            self._problems.append(
                Problem(problem_id, name, task, title, words, explanation, points, group, place)
            )
