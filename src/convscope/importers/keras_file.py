"""Keras models: `.keras` files read as data, and models that are live in memory.

A `.keras` file is a ZIP archive; its `config.json` says all that is needed, and nothing else in it
is looked at. Keras is not loaded, no class that a file names is imported, no function in it is run.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, InputError, UnsupportedError
from convscope.importers.archive import checked_archive
from convscope.importers.collector import collector_resting
from convscope.rules.network import Network

MAX_CONFIG = 32_000_000
# JSON is squeezed to a twentieth or so; what is squeezed further was made to burst.
MAX_RATIO = 500

_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_file(path: Path, input_shape: Any = None) -> Network:  # noqa: ANN401 - a shape, several, a mapping
    """The network of a `.keras` file, called by the file's name.

    Args:
        path: of the file.
        input_shape: of one item without its batch axis, where the file leaves lengths open; in the
            order the model has its axes in or channels first; several of them, or by the input's name.

    Raises:
        InputError: a file that is no Keras model or is larger unpacked than a model can be, led by its path.
        UnsupportedError: the older HDF5 form, or a model whose layers are in code.
        ShapeError: layers whose sizes do not fit, led by the layer's name.
    """
    try:
        return _network(_config(path), input_shape, path.stem)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    except ConvscopeError as error:
        raise error.within(str(path)) from None


def read_model(
    model: Any,  # noqa: ANN401 - a keras.Model
    input_shape: Any = None,  # noqa: ANN401
    inputs: Any = None,  # noqa: ANN401
    *,
    training: bool | None = None,
) -> Network:
    """The network of a Keras model in memory, as its own configuration tells it; no layer is called.

    Raises:
        InputError: options that have no meaning here.
        UnsupportedError: a model whose layers are in code.
    """
    if inputs is not None or training is not None:
        raise InputError("a Keras model is read as it stands; it takes input_shape, not inputs or training")
    try:
        config = model.get_config()
    except NotImplementedError:
        config = {}
    told = {"class_name": type(model).__name__, "config": config}
    return _network(json.loads(json.dumps(told, default=repr)), input_shape, str(getattr(model, "name", "")))


def _network(config: Any, input_shape: Any, name: str) -> Network:  # noqa: ANN401
    from convscope.importers.keras_graph import read_graph

    with collector_resting():
        return Network(read_graph(config, input_shape, name))


def _config(path: Path) -> Any:  # noqa: ANN401 - what JSON holds
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            if start == _HDF5:
                raise UnsupportedError(
                    "it is an HDF5 file, Keras's older form; open it in Keras and save it as .keras"
                )
            with checked_archive(stream, "Keras model") as archive:
                return _json(archive, "config.json")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, ConvscopeError):
            raise
        raise InputError("it is no Keras model: not a whole ZIP archive") from None
    except ValueError as error:
        if isinstance(error, ConvscopeError):
            raise
        raise InputError("it cannot be read") from None  # a path with a null character


def _json(archive: zipfile.ZipFile, name: str) -> Any:  # noqa: ANN401
    found = [entry for entry in archive.infolist() if entry.filename == name]
    if len(found) != 1:
        raise InputError(f"the archive has {len(found) or 'no'} {name}; a Keras model has one")
    entry = found[0]
    if entry.file_size > MAX_CONFIG or entry.file_size > max(entry.compress_size, 2048) * MAX_RATIO:
        raise InputError(f"{name} is {entry.file_size} bytes unpacked, more than a model's can be")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{name} is packed in a way that Keras does not use")
    with archive.open(entry) as stream:
        content = stream.read(MAX_CONFIG + 1)  # no more, whatever the archive declares
    if len(content) > MAX_CONFIG:
        raise InputError(f"{name} is larger unpacked than {MAX_CONFIG} bytes")
    try:
        return json.loads(content)
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None
    except ValueError:
        raise InputError(f"{name} is not JSON") from None
