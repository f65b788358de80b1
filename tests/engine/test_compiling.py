"""Compiled code in the cache folder: processes that save at the same time do not disturb each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

from convscope.engine import cache
from convscope.engine.compiling import _File


def read_by_one_that_looked_up_before(kind, folder):
    """Two processes begin with the same empty index; a third has looked up the first one's code."""
    first, second, reader = (kind(str(folder), "function", "stamp") for _ in range(3))
    found = second._load_index()
    first.save("a", "code of a")
    looked_up = reader._load_index()["a"]
    second._load_index = lambda: found
    second.save("b", "code of b")
    return reader._load_data(looked_up)


def test_two_that_save_at_once_do_not_swap_their_code(tmp_path):
    assert read_by_one_that_looked_up_before(_File, tmp_path) == "code of a"


def test_numbered_files_would_be_swapped(tmp_path):
    assert read_by_one_that_looked_up_before(IndexDataCacheFile, tmp_path) == "code of b"


@pytest.mark.parametrize("key", ["a", ("int64", 3)])
def test_what_is_saved_is_found_by_another_process(tmp_path, key):
    _File(str(tmp_path), "function", "stamp").save(key, "code")
    assert _File(str(tmp_path), "function", "stamp").load(key) == "code"
    assert _File(str(tmp_path), "function", "another source").load(key) is None


def test_every_compiled_module_is_in_the_stamp():
    """Code compiled from an older source of a module that is not in it would be used for the newer one."""
    folder = Path(cache.__file__).parent
    marks = ("\n@compiled\n", "@intrinsic\n")
    compiled = {path.stem for path in folder.glob("*.py") if any(m in path.read_text("utf-8") for m in marks)}
    assert compiled <= set(cache.COMPILED)
