"""What the documents show is what happens: code blocks run, outputs are the real ones, docstrings too."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import convscope
from cli.helpers import run
from convscope.cli.app import COMMANDS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language, with the document it stands in."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [
        (path.name, found) for path in DOCUMENTS for found in fence.findall(path.read_text(encoding="utf-8"))
    ]


def commands(block: str) -> list[tuple[list[str], list[str]]]:
    """The commands of a console block, each with the lines shown after it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(shlex.split(part.splitlines()[0]), part.rstrip("\n").splitlines()[1:]) for part in parts]


CONSOLE = [command for _, block in blocks("console") for command in commands(block)]


def names(cases: list[tuple[str, str]]) -> list[str]:
    return [f"{name}-{number}" for number, (name, _) in enumerate(cases)]


@pytest.mark.parametrize(("words", "shown"), CONSOLE)
def test_the_outputs_shown_are_what_commands_print(monkeypatch, words, shown):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    assert words[0] == "convscope"
    ran = run(*words[1:])
    assert ran.err == ""
    assert [line.rstrip() for line in ran.out.splitlines()] == shown, "run scripts/readme"


@pytest.mark.parametrize(("document", "code"), blocks("python"), ids=names(blocks("python")))
def test_python_blocks_run(monkeypatch, capsys, document, code):
    monkeypatch.chdir(ROOT)
    exec(compile(code, document, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own documents
    capsys.readouterr()


@pytest.mark.parametrize(("document", "text"), blocks("yaml"), ids=names(blocks("yaml")))
def test_problem_sets_shown_are_solved_and_their_answers_agree(document, text):
    assert document
    solved = convscope.load_problems(text, ROOT / "examples").solve()
    assert solved.is_right in {True, None}
    assert len(solved) >= 1


def test_the_scripts_named_are_there():
    for name in re.findall(r"^(scripts/\w+)", README, flags=re.MULTILINE):
        assert (ROOT / name).stat().st_mode & 0o111


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_every_key_of_a_problem_set_is_documented():
    documented = (ROOT / "docs" / "problem_sets.md").read_text(encoding="utf-8")
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src/convscope/problems").rglob("*.py")
    )
    asked = set(
        re.findall(
            r'(?:fields|inner)\.(?:text|number|items|matrix|choice|read|node_of|flag)\("(\w+)"', source
        )
    )
    assert {"kind", "input", "network", "picture", "answer"} <= asked
    for key in asked:
        assert f"`{key}`" in documented, key


def test_every_option_shown_in_the_readme_exists():
    for option in set(re.findall(r"`(--[a-z]+)", README)):
        assert any(option in run(name, "--help").out for name in COMMANDS), option


def docstring_modules() -> list[str]:
    packages = pkgutil.walk_packages(convscope.__path__, "convscope.")
    return [module.name for module in packages if not module.name.endswith("__main__")]


@pytest.mark.parametrize("name", docstring_modules())
def test_docstring_examples_are_right(name):
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.failed == 0


# --- the checkers can fail --------------------------------------------------------------------


def test_a_wrong_output_would_be_seen():
    ((words, shown),) = commands("$ convscope size 5 -k 3\nwrong\n")
    ran = run(*words[1:])
    assert [line.rstrip() for line in ran.out.splitlines()] != shown


def test_there_is_something_to_run():
    assert len(CONSOLE) >= 2
    assert len(blocks("python")) >= 2
    assert len(blocks("yaml")) >= 4


def test_the_readme_opens_with_what_it_does_a_picture_and_the_two_commands():
    what, picture, demo, test = (
        README.index(part) for part in ("shows the work", "![", "scripts/demo", "scripts/test")
    )
    assert what < picture < demo < test < README.index("## For students")


def test_python_minus_m_runs_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "convscope", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"convscope {convscope.__version__}\n"
