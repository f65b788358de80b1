"""One command run in this process: its exit status, what it wrote, what it complained of."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass

from convscope.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str


def run(*words: str, stdin: str | bytes = b"") -> Ran:
    """Run ``convscope`` with these words."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (given, b"", b"")]
    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        status = main(words)
        for stream in streams[1:]:
            stream.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
    out, err = (stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in streams[1:])
    return Ran(status, out, err)


def refused(*words: str, stdin: str | bytes = b"") -> str:
    """The one line with which a command refuses what it was given."""
    ran = run(*words, stdin=stdin)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("convscope: ")
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    return ran.err.removeprefix("convscope: ").rstrip("\n")
