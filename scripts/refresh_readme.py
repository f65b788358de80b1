"""Puts into the README and the manuals what commands print now, and draws the pictures they show."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import typst
from rich.console import Console

import convscope as cs
from convscope.render.files import write_whole
from convscope.render.pdf import to_typst
from convscope.render.pictures import picture_files, png_bytes
from convscope.render.terminal import print_document

X, K = "0 0 0 0; 0 1 0 1; 1 .5 1 .5; 0 1 0 1", "0 2 0; 2 1 1; 0 2 0"
COLUMNS = 84
PAGE, PIXELS_PER_INCH = 4, 96


def cell_on_the_terminal() -> str:
    """What ``convscope conv X K --padding 1 --flip --cell 2,1`` prints, as SVG."""
    derivation = cs.solve(X, cs.Conv(K, padding=1, flip=True)).stages[0].cell(2, 1)
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    print_document(derivation.document(), digits=4, console=console)
    svg = console.export_svg(title=f'convscope conv "{X}" "{K}" -p 1 --flip --cell 2,1', unique_id="cell")
    # Rich names fonts on another host; a picture of this project asks nobody for anything.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace(
        "font-family: Fira Code, monospace", "font-family: Menlo, Consolas, DejaVu Sans Mono, monospace"
    )


def page_of_the_hand_out() -> bytes:
    """One page of the worked problem set, as PNG."""
    document = cs.load_problems("examples/problem_set.yaml").solve().document()
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in picture_files(document).items():
            (Path(folder) / name).write_bytes(png_bytes(picture))
        source = Path(folder) / "document.typ"
        source.write_text(to_typst(document, digits=4), encoding="utf-8")
        pages = typst.compile(str(source), root=folder, format="png", ppi=PIXELS_PER_INCH)
    return pages[PAGE - 1]


def with_outputs(readme: str) -> str:
    """The text with each ``$ convscope …`` of its console blocks followed by what it prints."""

    def refreshed(block: re.Match[str]) -> str:
        commands = re.findall(r"^\$ convscope (.*)$", block[1], flags=re.MULTILINE)
        return (
            "```console\n" + "\n".join(f"$ convscope {words}\n{printed(words)}" for words in commands) + "```"
        )

    return re.sub(r"```console\n(.*?)```", refreshed, readme, flags=re.DOTALL)


def printed(words: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "convscope", *shlex.split(words)],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    pictures = Path("docs/pictures")
    write_whole(pictures / "cell.svg", cell_on_the_terminal())
    write_whole(pictures / "hand-out.png", page_of_the_hand_out())
    cs.network("examples/alexnet.txt").draw().save(pictures / "alexnet.svg")
    for shown in (Path("README.md"), Path("docs/networks.md")):
        write_whole(shown, with_outputs(shown.read_text(encoding="utf-8")))
