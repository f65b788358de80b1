"""The progress bar: late, on terminals only, and gone at the end."""

from __future__ import annotations

import io
import sys

from convscope.cli.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quick_work_shows_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with ProgressBar("solving", patience=60) as bar:
        bar(0, 2)
        bar(1, 2)
    assert sys.stderr.getvalue() == ""


def test_long_work_shows_one_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with ProgressBar("solving", patience=0) as bar:
        bar(0, 2)
        bar(1, 2)
    assert "solving" in sys.stderr.getvalue()


def test_nothing_is_drawn_into_a_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBar("solving", patience=0) as bar:
        bar(0, 2)
    assert sys.stderr.getvalue() == ""
