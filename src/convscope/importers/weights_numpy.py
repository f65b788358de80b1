"""NumPy's own files: `.npy` with one array, `.npz` with several; none that holds objects is read."""

from __future__ import annotations

import math
import zipfile
import zlib
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy

from convscope.errors import ConvscopeError, InputError
from convscope.importers.archive import checked_archive
from convscope.importers.weight_entries import (
    MAX_TAPS,
    ONE_FILTER,
    ONE_KERNEL,
    PYTORCH,
    Array,
    Contents,
    Entry,
    Layout,
    checked_shape,
    is_bank,
)

# What an array of so many axes is, where no name tells: a kernel, a filter, a bank.
LAYOUTS: dict[int, Layout] = {2: ONE_KERNEL, 3: ONE_FILTER, 4: PYTORCH}
MAX_HEADER = 10_000  # characters; NumPy's own limit for files that nobody vouches for


def read_npy(path: Path) -> Contents:
    """The one array of an `.npy` file.

    Raises:
        InputError: a file that is cut short, holds objects or more than can be described.
    """
    with path.open("rb") as stream:
        shape, dtype = _header(stream, path.stem)
        held = path.stat().st_size - stream.tell()
    if held < math.prod(shape) * dtype.itemsize:
        raise InputError(f"it is cut short: shape {shape} of {dtype} needs more than {held} bytes")
    return Contents((_entry(path.stem, shape, dtype, partial(_read_npy, path)),))


def read_npz(path: Path) -> Contents:
    """The arrays of an `.npz` archive.

    Raises:
        InputError: a file that is no archive of arrays, or whose arrays hold objects.
    """
    try:
        with path.open("rb") as stream, checked_archive(stream, ".npz file") as archive:
            entries = [_member(path, archive, told) for told in archive.infolist()]
    except ConvscopeError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise InputError("it is no .npz file: not a whole ZIP archive") from None
    has_banks = any(len(entry.shape) == 4 for entry in entries)
    return Contents(
        tuple(entry for entry in entries if len(entry.shape) == 4 or not has_banks)
        + tuple(
            Entry(entry.name, entry.shape, entry.dtype, entry.read)
            for entry in entries
            if has_banks and len(entry.shape) != 4
        )
    )


def _member(path: Path, archive: zipfile.ZipFile, told: zipfile.ZipInfo) -> Entry:
    name = told.filename.removesuffix(".npy")
    with archive.open(told) as stream:
        shape, dtype = _header(stream, name)
    if told.file_size < math.prod(shape) * dtype.itemsize:
        raise InputError(f"'{name[:80]}' is cut short: shape {shape} of {dtype} in {told.file_size} bytes")
    return _entry(name, shape, dtype, partial(_read_member, path, told.filename))


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type as the array's header says them; no number is read."""
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream, max_header_size=MAX_HEADER)
    except (ValueError, EOFError, SyntaxError, TokenError, RecursionError, MemoryError, TypeError):
        raise InputError(f"'{name[:80]}' is no NumPy array, or is cut short") from None
    if dtype.hasobject:
        raise InputError(f"'{name[:80]}' holds objects, which would have to be run to be read; save numbers")
    return checked_shape(name, shape), dtype


def _entry(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], read: partial[Array]) -> Entry:
    layout = LAYOUTS.get(len(shape))
    described = layout if dtype.kind in "fiub" and is_bank(layout, shape) else None
    return Entry(name, shape, str(dtype), read, described)


def _read_npy(path: Path) -> Array:
    with path.open("rb") as stream:
        return _array(stream)


def _read_member(path: Path, name: str) -> Array:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            return _array(stream)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise InputError(f"'{name[:80]}' is cut short or damaged") from None


def _array(stream: IO[bytes]) -> Array:
    try:
        found: Array = npy.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER)
    except ValueError:
        raise InputError("an array is cut short or damaged") from None
    if found.size > MAX_TAPS:
        raise InputError(f"an array has {found.size} numbers; up to {MAX_TAPS} are read")
    return found
