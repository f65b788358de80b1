"""The group: what is imported when, and that every mistake is one line and status 2."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import click
import pytest

from cli.helpers import refused, run
from convscope.cli.app import COMMANDS, protected
from convscope.cli.app import convscope as group
from convscope.version import __version__


def python(code: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )


def test_the_version_is_told_before_anything_is_imported():
    done = python(
        "import sys; from convscope.cli import main; status = main(['--version']);"
        "print(status, sorted({'click', 'numpy', 'rich', 'yaml', 'sympy'} & set(sys.modules)))"
    )
    assert done.stdout == f"convscope {__version__}\n0 []\n"


def test_help_imports_no_command():
    done = python(
        "import sys; from convscope.cli import main; main(['--help']);"
        "print([name for name in ('numpy', 'convscope.cli.solve') if name in sys.modules])"
    )
    assert done.stdout.endswith("[]\n")
    for name in COMMANDS:
        assert f"\n  {name}" in done.stdout


def test_version_and_help_are_also_options_among_others():
    assert run("--version", "--help").out == f"convscope {__version__}\n"
    assert run("-h").status == 0
    assert run().out == run("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_json_and_a_purpose(name):
    command = group.get_command(click.Context(group), name)
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--to", "--digits"} <= options
    assert COMMANDS[name].purpose.endswith(".")
    assert run(name, "--help").status == 0


def test_an_unknown_command_is_answered_with_the_nearest():
    known = ", ".join(COMMANDS)
    assert refused("slove") == f"no command 'slove'; did you mean 'solve'? known: {known}"


def test_an_unknown_option_is_answered_with_the_nearest():
    message = refused("size", "227", "--kernal", "3")
    assert "--kernal" in message
    assert "--kernel" in message
    assert message.endswith("see 'convscope size --help'")


def test_a_missing_argument_is_named():
    assert refused("conv", "1 2") == "missing argument 'KERNEL'; see 'convscope conv --help'"


def test_several_mistakes_of_a_file_are_told_by_the_first_and_a_count():
    message = refused("solve", "-", stdin="titel: x\nproblms: 1\n")
    assert message == ("<text>:1: the key 'problems' is missing; is 'problms' meant for it? (and 2 more)")


def test_control_characters_in_a_message_are_spelt_out():
    assert "\\x1b[31m" in refused("\x1b[31mred\x1b[0m")


@pytest.mark.parametrize("word", ["-1 0; 0 -1", "-.5", "-1,0,1", "-1/16", "-[[1, 2]]", "-(1)", "-1e-3"])
def test_words_that_begin_with_a_minus_but_are_values_are_values(word):
    assert protected([word]) == [f" {word}"]


@pytest.mark.parametrize("word", ["-", "--flip", "-s", "-p", "-h", "--", "-s2", "1 -1"])
def test_options_stay_options(word):
    assert protected([word]) == [word]


def test_negative_values_reach_the_command():
    assert '"-3"' in run("conv", "-1 2", "3 0", "--json").out
    assert '"value"' in run("conv", "1 2; 3 4", "-1 0; 0 1", "--json").out
    assert (
        refused("size", "5", "-k", "3", "-s", "-1")
        == "Conv: stride=-1 is not allowed; stride may be 1 or more"
    )


def test_an_interrupt_is_one_line_and_status_130(monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("convscope.output_size", interrupted)
    ran = run("size", "5", "-k", "3")
    assert (ran.status, ran.err) == (130, "convscope: interrupted\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(13, "Permission denied", "secret.txt"),
            "convscope: secret.txt: Permission denied\n",
        ),
        (OSError("device gone"), "convscope: device gone\n"),
        (MemoryError(), "convscope: there is not enough memory for this\n"),
    ],
)
def test_what_the_machine_refuses_is_one_line(monkeypatch, error, line):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr("convscope.output_size", fail)
    ran = run("size", "5", "-k", "3")
    assert (ran.status, ran.err) == (2, line)


def test_a_defect_is_not_hidden(monkeypatch):
    def fail(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("convscope.output_size", fail)
    with pytest.raises(ZeroDivisionError):
        run("size", "5", "-k", "3")


@pytest.mark.parametrize("to", ["terminal", "md", "txt"])
def test_a_closed_pipe_ends_quietly(to):
    zeros = ";".join(["0 " * 60] * 60)
    command = [sys.executable, "-c", "import sys; from convscope.cli import main; sys.exit(main())"]
    command += ["conv", zeros, "1 1; 1 1", "--to", to]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 2


def test_ctrl_c_while_reading_is_one_line():
    code = (
        # A shell that starts jobs in the background has them ignore the signal; this one is to hear it.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from convscope.cli import main; print('ready', flush=True); sys.exit(main(['net', '-']))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.3)  # wherever it is by now, importing or reading, one line is the answer
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, b"convscope: interrupted\n")


def test_a_narrow_encoding_does_not_stop_the_program():
    code = "import sys; from convscope.cli import main; sys.exit(main(['conv', 'λ 1', '1']))"
    done = python(code, env={"PYTHONIOENCODING": "ascii", "PATH": ""})
    assert (done.returncode, done.stderr) == (0, "")
    refusal = python(code.replace("'1'", "'€ 1.2.3'"), env={"PYTHONIOENCODING": "ascii", "PATH": ""})
    assert refusal.returncode == 2
    assert "\\u20ac" in refusal.stderr
