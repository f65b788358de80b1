"""Keras's files of weights: `.keras`, and HDF5 in its three forms. Keras is not loaded, no class is made.

HDF5 can point to other files. Such links, outside storage and virtual arrays are not followed.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, InputError, MissingExtraError
from convscope.importers.archive import checked_archive
from convscope.importers.weight_entries import (
    KERAS,
    KERAS_1D,
    KERAS_DEPTHWISE,
    KERAS_DEPTHWISE_1D,
    KERAS_TRANSPOSED,
    KERAS_TRANSPOSED_1D,
    MAX_ENTRIES,
    Array,
    Contents,
    Entry,
    Layout,
    Norm,
    is_bank,
)

MAX_UNPACKED = 2**31  # bytes of weights in a .keras archive
MAX_RATIO = 20  # numbers are hardly squeezed; what is squeezed further, and large, was made to burst
MAX_CONFIG = 32_000_000
MAX_DEPTH = 30
EPSILON = 1e-3  # Keras's own

_LARGE = 2**26
_WEIGHTS = "model.weights.h5"
_PLACE = re.compile(r"\d+")

# What a layer's kind is called in paths, without its number -> how its weights lie, by their axes.
LAYOUTS: dict[str, dict[int, Layout]] = {
    "conv2d": {4: KERAS},
    "conv1d": {3: KERAS_1D},
    "depthwise_conv2d": {4: KERAS_DEPTHWISE},
    "depthwise_conv1d": {3: KERAS_DEPTHWISE_1D},
    "separable_conv2d": {4: KERAS_DEPTHWISE},
    "separable_conv1d": {3: KERAS_DEPTHWISE_1D},
    "conv2d_transpose": {4: KERAS_TRANSPOSED},
    "conv1d_transpose": {3: KERAS_TRANSPOSED_1D},
}
# The arrays of a kind in the order in which Keras 3 numbers them.
NUMBERED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(LAYOUTS, ("kernel", "bias")),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
# A layer's class in small letters -> its kind.
CLASSES: dict[str, str] = {kind.replace("_", ""): kind for kind in NUMBERED}
DESCRIBED = ("kernel", "depthwise_kernel")


def read_archive(path: Path) -> Contents:
    """What a `.keras` file holds.

    Raises:
        InputError: a file that is no Keras model, or is larger unpacked than a model can be.
        MissingExtraError: h5py is not installed.
    """
    try:
        with path.open("rb") as stream, checked_archive(stream, "Keras model") as archive:
            content, config = _member(archive, _WEIGHTS), _member(archive, "config.json")
    except ConvscopeError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise InputError("it is no Keras model: not a whole ZIP archive") from None
    return _contents(io.BytesIO(content), _json(config))


def read_hdf5(path: Path) -> Contents:
    """What an HDF5 file of Keras holds, be it a model or weights alone.

    Raises:
        InputError: a file that is not HDF5, or is cut short.
        MissingExtraError: h5py is not installed.
    """
    return _contents(path, None)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    found = [entry for entry in archive.infolist() if entry.filename == name]
    if len(found) != 1:
        raise InputError(f"the archive has {len(found) or 'no'} {name}; a Keras model has one")
    size, packed = found[0].file_size, found[0].compress_size
    limit = MAX_UNPACKED if name == _WEIGHTS else MAX_CONFIG
    if size > limit or (size > _LARGE and size > packed * MAX_RATIO):
        raise InputError(f"{name} is {size} bytes unpacked, more than a model's can be")
    with archive.open(found[0]) as stream:
        return stream.read(size)


def _json(content: bytes | str) -> Any:  # noqa: ANN401 - what JSON holds
    """A configuration; none where it cannot be read, since weights can be described without it."""
    with suppress(ValueError, RecursionError):
        return json.loads(content[:MAX_CONFIG])
    return None


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import h5py
    except ImportError:
        raise MissingExtraError.for_extra("reading Keras's weights", "weights") from None
    return h5py


def _contents(source: Path | io.BytesIO, config: Any) -> Contents:  # noqa: ANN401 - JSON
    h5py = _library()
    try:
        with h5py.File(source, "r") as file:
            if config is None and isinstance(file.attrs.get("model_config"), str | bytes):
                config = _json(file.attrs["model_config"])
            root = "model_weights" if _group(h5py, file, "model_weights") is not None else "/"
            found = list(_datasets(h5py, file[root]))
    except ConvscopeError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise InputError("it is no HDF5 file, or is cut short") from None
    layers = list(_layers(config))
    entries = _entries(source, found, layers)
    order = {layer["name"]: place for place, layer in enumerate(layers)}
    entries.sort(key=lambda entry: (order.get(entry.name.split("/")[0], len(order)), _natural(entry.name)))
    return Contents(tuple(entries), _norms(layers, entries))


def _natural(name: str) -> list[tuple[int, str]]:
    """``conv2d_10`` comes after ``conv2d_9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


# --- what an HDF5 file holds ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """An array: the layer's name and its own, the layer's kind where the path tells it, and the path."""

    name: str
    kind: str
    path: str
    shape: tuple[int, ...]
    dtype: str


def _group(h5py: Any, parent: Any, name: str) -> Any:  # noqa: ANN401
    """The group of that name; None for anything else, and for links to other places."""
    link = parent.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        return None
    found = parent.get(name)
    return found if isinstance(found, h5py.Group) else None


def _datasets(h5py: Any, root: Any) -> Iterator[Found]:  # noqa: ANN401
    """Every array, each once; no link out of the file is followed."""
    stack, seen, count = [(root, 0)], {root.id.__hash__()}, 0
    while stack:
        group, depth = stack.pop()
        for name in group:
            count += 1
            if count > MAX_ENTRIES or depth > MAX_DEPTH:
                raise InputError(f"it holds more than {MAX_ENTRIES} things, or more than {MAX_DEPTH} deep")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            inner = group[name]
            if isinstance(inner, h5py.Group):
                key = inner.id.__hash__()
                if key not in seen:
                    seen.add(key)
                    stack.append((inner, depth + 1))
            elif isinstance(inner, h5py.Dataset) and _is_plain(inner):
                kind, layer, weight = _called(inner.name, group)
                yield Found(f"{layer}/{weight}", kind, inner.name, tuple(inner.shape), str(inner.dtype))


def _is_plain(array: Any) -> bool:  # noqa: ANN401 - an h5py.Dataset
    """True for numbers that lie in the file itself."""
    return (
        not array.external and not array.is_virtual and array.shape is not None and array.dtype.kind in "fiub"
    )


def _called(path: str, group: Any) -> tuple[str, str, str]:  # noqa: ANN401 - an h5py.Group
    """The kind of layer, the layer's name and the array's, in Keras 3's form and the older ones."""
    *folders, last = path.strip("/").removeprefix("model_weights/").split("/")
    if _PLACE.fullmatch(last) and folders and folders[-1] == "vars":
        kind = re.sub(r"_\d+\Z", "", folders[-2]) if len(folders) > 1 else ""
        told = group.attrs.get("name")
        inner = [part for part in folders[:-1] if part != "layers"]
        layer = told if isinstance(told, str) and told else "/".join(inner) or "model"
        names = NUMBERED.get(kind, ())
        place = int(last)
        return kind, layer, names[place] if place < len(names) else last
    weight = last.split(":")[0]
    layer = folders[0] if folders else "model"
    return "", layer, weight


def _entries(
    source: Path | io.BytesIO, found: Sequence[Found], layers: Sequence[Mapping[str, Any]]
) -> list[Entry]:
    """The arrays with their layouts: the configuration tells a layer's kind, else the path, else shapes."""
    kinds = {layer["name"]: CLASSES.get(str(layer["class"]).lower(), "") for layer in layers}
    shapes = {one.name: one.shape for one in found}
    entries = []
    for one in found:
        layer, _, weight = one.name.rpartition("/")
        layout = None
        if weight in DESCRIBED:
            bias = shapes.get(f"{layer}/bias")
            kind = kinds.get(layer) or one.kind or _kind_by_shape(one, bias)
            layout = LAYOUTS.get(kind, {}).get(len(one.shape))
        kept = layout if is_bank(layout, one.shape) else None
        read = partial(_numbers, source, one.name, one.path)
        entries.append(Entry(one.name, one.shape, one.dtype, read, kept))
    return entries


def _kind_by_shape(one: Found, bias: tuple[int, ...] | None) -> str:
    """The kind of a layer of which only arrays are known: a bias has one number for each output channel."""
    if len(one.shape) < 3:
        return ""
    layer, _, weight = one.name.rpartition("/")
    last, before = one.shape[-1], one.shape[-2]
    rank = f"{len(one.shape) - 2}d"
    if weight == "depthwise_kernel" or (bias == (last * before,) and last * before != last):
        return f"depthwise_conv{rank}"
    is_transposed = bias == (before,) if bias is not None and last != before else "transpose" in layer
    return f"conv{rank}_transpose" if is_transposed else f"conv{rank}"


def _numbers(source: Path | io.BytesIO, name: str, path: str) -> Array:
    h5py = _library()
    try:
        with h5py.File(source, "r") as file:
            found: Array = file[path][()]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        raise InputError(f"'{name[:80]}' is cut short or damaged") from None
    return found


# --- what a configuration tells ---------------------------------------------------------------


def _layers(config: Any, depth: int = 0) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Every layer of a model and of the models in it: its name, class, options and what it reads."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else inner
    if not isinstance(layers, list) or depth > MAX_DEPTH:
        return
    before = ""
    for layer in layers:
        options = layer.get("config") if isinstance(layer, Mapping) else None
        if not isinstance(options, Mapping):
            continue
        name = str(options.get("name", ""))
        read = _read_by(layer.get("inbound_nodes"), 0)
        chain = (before,) if config.get("class_name") == "Sequential" and before else ()
        yield {"name": name, "class": layer.get("class_name"), "options": options, "reads": read or chain}
        yield from _layers(layer, depth + 1)
        before = name


def _read_by(nodes: Any, depth: int) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """The names of the layers that a layer reads, from Keras 3's form or the older ones."""
    if isinstance(nodes, Mapping):
        history = nodes.get("keras_history")
        inner = [history] if history else list(nodes.values())
        return tuple(name for part in inner for name in _read_by(part, depth + 1))
    if not isinstance(nodes, Sequence) or isinstance(nodes, str) or depth > MAX_DEPTH:
        return ()
    if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return (nodes[0],)
    return tuple(name for part in nodes for name in _read_by(part, depth + 1))


def _norms(layers: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> dict[str, Norm]:
    """The batch normalisation that reads a convolution's output, if nothing else does."""
    shapes = {entry.name: entry.shape for entry in entries}
    readers: dict[str, list[Mapping[str, Any]]] = {}
    for layer in layers:
        for name in layer["reads"]:
            readers.setdefault(name, []).append(layer)
    found = {}
    for entry in entries:
        after = readers.get(entry.name.rpartition("/")[0], []) if entry.layout is not None else []
        if len(after) != 1 or after[0]["class"] != "BatchNormalization":
            continue
        name, options = after[0]["name"], after[0]["options"]
        gamma, variance = _norm_arrays(name, options, shapes)
        if variance in shapes and (gamma is None or gamma in shapes):
            epsilon = options.get("epsilon")
            number = float(epsilon) if isinstance(epsilon, int | float) else EPSILON
            found[entry.name] = Norm(name, variance, gamma, number)
    return found


def _norm_arrays(
    name: str, options: Mapping[str, Any], shapes: Mapping[str, object]
) -> tuple[str | None, str]:
    """The scales and the variance of a normalisation; Keras 3 numbers only the arrays that it has."""
    has_scale, has_centre = options.get("scale") is not False, options.get("center") is not False
    variance = f"{name}/moving_variance"
    if variance not in shapes:
        place = 1 + has_scale + has_centre
        variance = f"{name}/{NUMBERED['batch_normalization'][place]}"
    return (f"{name}/gamma" if has_scale else None), variance
