"""Networks from where they are written: one table from the source's kind to its importer.

An importer is loaded only when a source of its kind is given.
"""

from __future__ import annotations

import importlib
import re
import sys
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from convscope.core.layer import Layer
    from convscope.rules.network import Network

# Suffix of a file -> module here whose `read_file(path)` reads it.
SUFFIXES: dict[str, str] = {
    ".txt": "text",
    ".net": "text",
    ".onnx": "onnx_file",
    ".keras": "keras_file",
    ".h5": "keras_file",
    ".hdf5": "keras_file",
}
# The modules whose files may leave lengths of their input open: `read_file(path, input_shape)`.
OPEN_INPUTS = ("onnx_file", "keras_file")

# Library -> the class of its models, and the module here whose `read_model(model, ...)` reads one. A
# model can only be given by someone who has loaded its library, so that none is loaded to find out.
LIVE: dict[str, tuple[str, str]] = {
    "torch": ("nn.Module", "torch_module"),
    "keras": ("Model", "keras_file"),
    "onnx": ("ModelProto", "onnx_file"),
}

_TEXT_START = re.compile(r"\s*(?:[^\s:]+\s*:\s*)?input\s", re.IGNORECASE)


def network(
    source: Any,  # noqa: ANN401 - models of libraries that are not loaded here
    input_shape: Any = None,  # noqa: ANN401 - a shape, several, or a mapping of them
    *,
    inputs: Any = None,  # noqa: ANN401 - tensors, or whatever the model takes
    training: bool | None = None,
) -> Network:
    r"""A network whose sizes are derived, read from a file, from text or from a model.

    Args:
        source: the path of a text file with one layer a line (``.txt`` or ``.net``), or that text
            itself: text has several lines or begins with ``input``; or an ``.onnx`` or ``.keras``
            file, whose weights are not read; or a ``torch.nn.Module``, a ``keras.Model`` or an
            ``onnx.ModelProto``.
        input_shape: for a model, the shape of one item without its batch axis, such as
            ``(3, 224, 224)``; several of them, or a mapping from the argument's name. ONNX and Keras
            models need it only where they leave a length open.
        inputs: instead, examples to call the model with: a tensor, a tuple or a mapping of them, or a
            tuple of both. Their numbers are not looked at; where they hold several items along their
            first axis, one is recorded.
        training: record the model as in training, or as at inference; as it stands when not given.

    A PyTorch model is called once with tensors that have no numbers, and recorded operator by operator.
    It is left as it was: weights, statistics, mode, hooks, attributes, random numbers.

    Raises:
        InputError: a file or text that cannot be read, led by line and column; a model whose call
            fails or depends on numbers, led by where.
        ShapeError: layers whose sizes do not fit, led by the layer's name.
        UnsupportedError: a kind of source that is not known; the message lists those that are.

    >>> net = network("input 3x227x227\nconv1: conv 11x11, 96, stride 4")
    >>> net["conv1"].output_shape
    (96, 55, 55)
    """
    live = _live_importer(source)  # Keras models on PyTorch are modules too; the table's last entry wins
    if live is not None:
        found: Network = importlib.import_module(f"convscope.importers.{live}").read_model(
            source, input_shape, inputs, training=training
        )
        return found
    _check_no_options(inputs=inputs, training=training)
    if isinstance(source, str) and ("\n" in source or _TEXT_START.match(source)):
        from convscope.importers.text import read_network

        _check_no_options(input_shape=input_shape)
        return read_network(source)
    if not isinstance(source, str | PathLike):
        raise UnsupportedError(f"no network can be read from a {type(source).__name__}; {_known()}")
    path = Path(source)
    module = SUFFIXES.get(path.suffix.lower())
    if module is None:
        raise UnsupportedError(f"no network can be read from {str(source)[:80]!r}; {_known()}")
    importer = importlib.import_module(f"convscope.importers.{module}")
    options = (input_shape,) if module in OPEN_INPUTS else ()
    if not options:
        _check_no_options(input_shape=input_shape)
    read: Network = importer.read_file(path, *options)
    return read


def _live_importer(source: object) -> str | None:
    """The importer of a model; None for anything else."""
    for library, (kind, module) in reversed(LIVE.items()):
        found: Any = sys.modules.get(library)
        for name in kind.split("."):
            found = getattr(found, name, None)
        if isinstance(found, type) and isinstance(source, found):
            return module
    return None


def _check_no_options(**options: object) -> None:
    """Refuse options that only models have."""
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{name} is for models, such as a torch.nn.Module; this network says its own input"
            )


def layer(words: str) -> Layer:
    """The layer that one line describes, as a line of a network's text does, without a name.

    Raises:
        InputError: led by the column, counted from 1.

    >>> layer("maxpool 3x3, stride 2")
    MaxPool((3, 3), stride=2)
    """
    from convscope.importers.text import parse_layer

    return parse_layer(words)


def layers(words: str) -> tuple[Layer, ...]:
    """Layers in order, written on one line with ``then`` between them; weights stand in brackets.

    A layer is written as `layer` reads it. A convolution of either direction or a linear layer may be
    written with its weights: the word, a matrix in brackets as `matrix` reads it (or a kernel's name), and
    the options, among them ``bias 3`` and ``flip``; a batch normalisation with rows of mean, variance, weight
    and bias, one column a channel, and ``eps 1e-5``.

    Raises:
        InputError: led by the layer's place, and by the column where there is one.

    >>> layers("conv [1 2; 3 4], stride 2 then relu")
    (Conv(kernel([[1, 2], [3, 4]]), stride=2), ReLU())
    """
    from convscope.importers.text_weights import parse_layers

    return parse_layers(words)


def _known() -> str:
    return (
        f"known: files ending in {', '.join(SUFFIXES)}, text that begins with 'input 3x227x227', "
        "and a torch.nn.Module"
    )
