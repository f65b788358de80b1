"""What a page brings along: its style, the scripts that put things in order, and what it may load."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from convscope.core.document import Block, Document, Gallery, Table

# What a page may load: its own style and its own pictures.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def policy(script: str) -> str:
    """What the page may load: its style, its pictures, and the one script that is part of it, if any."""
    if not script:
        return POLICY
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"{POLICY}; script-src 'sha256-{digest}'"


def scripts(document: Document) -> str:
    """The scripts that put tables and galleries in order, where there are any; all can be read without."""
    blocks = tuple(document.walk())
    wanted = {"sort.js": any(map(_is_sortable, blocks)), "gallery.js": any(map(_is_gallery, blocks))}
    return "".join(f"\n{style(name)}" for name, is_wanted in wanted.items() if is_wanted)


@cache
def style(name: str) -> str:
    """The content of a file that belongs to pages."""
    return resources.files("convscope.render").joinpath(name).read_text(encoding="utf-8")


def _is_sortable(block: Block) -> bool:
    return isinstance(block, Table) and block.sortable


def _is_gallery(block: Block) -> bool:
    return isinstance(block, Gallery)
