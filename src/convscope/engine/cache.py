"""The user's cache folder: what this machine measured and compiled. Nothing breaks without it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# The modules that Numba compiles, and what they are compiled with.
COMPILED = (
    "bands", "box", "compiling", "direct", "lanes", "layout", "memory", "row_windows", "separable", "simd",
    "tiles",
)  # fmt: skip
FOLDER_VARIABLE = "CONVSCOPE_CACHE"


def cache_folder() -> Path:
    """Where the cache lies: ``CONVSCOPE_CACHE``, or the system's folder for caches of this user."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "convscope"


@lru_cache(maxsize=1)
def source_stamp() -> str:
    """A short name for the compiled source as it is: compiled code of another one is not used."""
    digest = hashlib.sha256()
    for path in (Path(__file__).with_name(f"{name}.py") for name in COMPILED):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def read_facts(name: str) -> Mapping[str, object]:
    """The facts kept under a name; none where there is no such file, or one that cannot be read."""
    try:
        found = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home folder
        return {}
    return found if isinstance(found, dict) else {}


def write_facts(name: str, facts: Mapping[str, object]) -> bool:
    """Keep facts under a name, whole or not at all; False where the folder cannot be written."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}")
    except (OSError, RuntimeError):
        return False
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(facts, file)
        Path(temporary).replace(folder / name)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        return False
    return True
