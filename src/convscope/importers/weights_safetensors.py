"""Safetensors files: a table in JSON, then the numbers, one array after the other.

The format: https://huggingface.co/docs/safetensors. The file is mapped, and of the numbers only those
of the array that is asked for are ever read. bfloat16 and the two 8-bit floats become float32.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.errors import InputError, UnsupportedError
from convscope.importers.weight_entries import MAX_ENTRIES, Array, Contents, Entry, checked_shape
from convscope.importers.weight_norms import layout_of, norms_by_name

MAX_TABLE = 100_000_000  # bytes; the format's own limit


def read_contents(path: Path) -> Contents:
    """What a safetensors file holds.

    Raises:
        InputError: a file that is cut short, or whose table does not fit its numbers.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(MAX_TABLE, size - 8):
            raise InputError("it is no safetensors file, or is cut short")
        table = _table(stream.read(length))
    begin = 8 + length
    entries = [_entry(path, name, told, begin, size) for name, told in table.items()]
    return Contents(tuple(entries), norms_by_name(entries))


def _table(content: bytes) -> dict[str, Any]:
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("it is no safetensors file: its table is not JSON") from None
    if not isinstance(table, dict):
        raise InputError("it is no safetensors file: its table has no names")
    table.pop("__metadata__", None)
    if len(table) > MAX_ENTRIES:
        raise InputError(f"it holds {len(table)} arrays; up to {MAX_ENTRIES} are read")
    return table


def _entry(path: Path, name: str, told: Any, begin: int, size: int) -> Entry:  # noqa: ANN401 - JSON
    told = told if isinstance(told, dict) else {}
    shape = checked_shape(name, told.get("shape"))
    dtype, offsets = told.get("dtype"), told.get("data_offsets")
    if not isinstance(dtype, str) or not isinstance(offsets, list) or len(offsets) != 2:
        raise InputError(f"'{name[:80]}' has no type, or no place in the file")
    first, last = checked_shape(name, offsets)
    if not first <= last <= size - begin:
        raise InputError(f"'{name[:80]}' lies outside the file, which is cut short or was made wrongly")
    kind = DTYPES.get(dtype)
    if kind is not None and math.prod(shape) * np.dtype(kind[0]).itemsize != last - first:
        raise InputError(f"'{name[:80]}' has shape {shape} of {dtype}, which is not {last - first} bytes")
    read = partial(_numbers, path, name, dtype, shape, begin + first)
    layout = layout_of(name, shape) if dtype in FLOATS else None
    return Entry(name, shape, dtype, read, layout)


def _numbers(path: Path, name: str, dtype: str, shape: tuple[int, ...], place: int) -> Array:
    if dtype not in DTYPES:
        raise UnsupportedError(f"'{name[:80]}' holds {dtype[:20]}; read are {', '.join(DTYPES)}")
    stored, decode = DTYPES[dtype]
    count = math.prod(shape)
    found = np.fromfile(path, dtype=stored, count=count, offset=place)
    if found.size != count:
        raise InputError(f"'{name[:80]}' is cut short")
    decoded: Array = decode(found).reshape(shape)
    return decoded


def _as_stored(numbers: npt.NDArray[Any]) -> Array:
    return numbers


def _bfloat16(numbers: npt.NDArray[np.uint16]) -> Array:
    """A bfloat16 is the upper half of a float32."""
    return (numbers.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _small_floats(exponent_bits: int, *, has_infinity: bool) -> Callable[[npt.NDArray[np.uint8]], Array]:
    """A reader of 8-bit floats (Micikevicius et al. 2022, FP8 Formats for Deep Learning, table 1)."""
    mantissa_bits = 7 - exponent_bits
    bias = 2 ** (exponent_bits - 1) - 1
    values = np.zeros(256, dtype=np.float32)
    for code in range(256):
        sign = -1.0 if code & 128 else 1.0
        exponent = (code & 127) >> mantissa_bits
        mantissa = (code & (2**mantissa_bits - 1)) / 2**mantissa_bits
        is_top = exponent == 2**exponent_bits - 1
        if is_top and has_infinity:
            values[code] = sign * np.inf if mantissa == 0 else np.nan
        elif is_top and mantissa == 1 - 2**-mantissa_bits:
            values[code] = np.nan
        elif exponent == 0:
            values[code] = sign * mantissa * 2.0 ** (1 - bias)
        else:
            values[code] = sign * (1 + mantissa) * 2.0 ** (exponent - bias)
    return lambda numbers: values[numbers]


FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
# Type as the format calls it -> how NumPy reads its bytes, and what they then become.
DTYPES: dict[str, tuple[str, Callable[[npt.NDArray[Any]], Array]]] = {
    "F64": ("<f8", _as_stored),
    "F32": ("<f4", _as_stored),
    "F16": ("<f2", _as_stored),
    "BF16": ("<u2", _bfloat16),
    "F8_E4M3": ("u1", _small_floats(4, has_infinity=False)),
    "F8_E5M2": ("u1", _small_floats(5, has_infinity=True)),
    "I64": ("<i8", _as_stored),
    "I32": ("<i4", _as_stored),
    "I16": ("<i2", _as_stored),
    "I8": ("i1", _as_stored),
    "U64": ("<u8", _as_stored),
    "U32": ("<u4", _as_stored),
    "U16": ("<u2", _as_stored),
    "U8": ("u1", _as_stored),
    "BOOL": ("?", _as_stored),
}
