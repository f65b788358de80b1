"""The command line: words become one public call, and its result goes to one renderer."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in `convscope/__init__.py`: true for type checkers, and free
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 a check failed, 2 bad use or bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words == ["--version"]:  # answered before anything is imported: scripts ask it often
            from convscope.version import __version__

            sys.stdout.write(f"convscope {__version__}\n")
            return 0
        from convscope.cli.app import run

        return run(words)
    except KeyboardInterrupt:
        sys.stderr.write("convscope: interrupted\n")
        return INTERRUPTED
