"""How functions are compiled: by Numba, without the interpreter lock, kept in the user's cache folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from convscope.engine.cache import cache_folder, source_stamp


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Compiled code lies in a folder named after the source of the whole engine.

    Numba's own stamp is the one file a function stands in; these functions are inlined across files.
    """

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._folder = cache_folder() / f"compiled-{source_stamp()}"
        self._line = function.__code__.co_firstlineno
        self._file = file

    def get_cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """What makes kept code stale."""
        return source_stamp()

    def get_disambiguator(self) -> str:
        """Tells apart functions of one name."""
        return f"{Path(self._file).stem}-{self._line}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator | None:
        """A locator, or none where the folder cannot be written."""
        try:
            found = cls(function, file)
            found.ensure_cache_path()
        except (OSError, RuntimeError):
            return None
        return found


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _File(IndexDataCacheFile):  # type: ignore[misc]
    """Where Numba counts data files, each gets a name of its own here.

    Two processes that save at the same time count to the same number, and one would read the other's code.
    """

    def _data_name(self, number: int) -> str:  # noqa: ARG002 - the name that Numba would take
        return str(super()._data_name(uuid4().int))


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _File(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - a Numba dispatcher
    """The function, compiled on first use of each signature; not kept where the folder cannot be written."""
    dispatcher = numba.njit(nogil=True, boundscheck=False, error_model="numpy")(function)
    with suppress(RuntimeError):
        dispatcher._cache = _Cache(function)  # noqa: SLF001 - Numba has no public way to choose the folder
    return dispatcher
