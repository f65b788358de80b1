"""ONNX files: opened without their weights, whatever their size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from convscope.core.network import MAX_NODES
from convscope.errors import ConvscopeError, InputError, MissingExtraError
from convscope.importers.collector import collector_resting
from convscope.importers.onnx_wire import without_numbers
from convscope.rules.network import Network

# Constants and the arithmetic of shapes are nodes too, but no layers.
MAX_FILE_NODES = 2 * MAX_NODES
# A larger file is copied without its weights before it is parsed.
WHOLE_BYTES = 32_000_000


def read_file(path: Path, input_shape: Any = None) -> Network:  # noqa: ANN401 - a shape, several, a mapping
    """The network of an ONNX file, called by the file's name.

    Weights are not read, neither those in the file nor those in files beside it, which are not opened.

    Args:
        path: of the file.
        input_shape: of one item without its batch axis, for inputs with axes whose length the file
            leaves open; several of them, or by the input's name.

    Raises:
        InputError: a file that is not whole or no ONNX model, led by its path; an open axis, with the
            input's name.
        ShapeError: layers whose sizes do not fit, led by the layer's name.
        MissingExtraError: the package `onnx` is not installed.
    """
    try:
        model = parsed(path)
        return read_model(model, input_shape, name=path.stem)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    except MissingExtraError:
        raise
    except ConvscopeError as error:
        raise error.within(str(path)) from None


def read_model(
    model: Any,  # noqa: ANN401 - an onnx.ModelProto
    input_shape: Any = None,  # noqa: ANN401
    inputs: Any = None,  # noqa: ANN401
    *,
    training: bool | None = None,
    name: str = "",
) -> Network:
    """The network of an ONNX model that is loaded already; arguments as of `read_file`.

    Raises:
        InputError: options that a file has no use for.
    """
    if inputs is not None or training is not None:
        raise InputError("an ONNX model is read as it stands; it takes input_shape, not inputs or training")
    from convscope.importers.onnx_graph import read_graph

    with collector_resting():
        return Network(read_graph(model, input_shape, name))


def parsed(path: Path) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    """The model in the file, without the numbers of its large arrays where the file is large.

    Raises:
        InputError: a file that is not whole or no ONNX model.
        MissingExtraError: the package `onnx` is not installed.
    """
    if path.is_dir():
        raise InputError("it is a folder")
    try:
        size = path.stat().st_size
    except ValueError:  # a path with a null character
        raise InputError("it cannot be read") from None
    if not size:
        raise InputError("the file is empty")
    content = path.read_bytes() if size <= WHOLE_BYTES else without_numbers(path, MAX_FILE_NODES)
    onnx = _library()
    model = onnx.ModelProto()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model.ParseFromString(content)
    except DecodeError:
        raise InputError("it is no ONNX model, or is cut short") from None
    return model


def _library() -> Any:  # noqa: ANN401 - a module
    """The package `onnx`, loaded when the first ONNX model is read."""
    if "onnx" not in sys.modules:
        try:
            import onnx  # noqa: F401
        except ImportError:
            raise MissingExtraError.for_extra("reading ONNX models", "onnx") from None
    return sys.modules["onnx"]
