"""``convscope probe``: what the layers of a PyTorch model do on some batches, one verdict each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli.net_values import read_shape
from convscope.cli.output import digits_option, emit, emit_json, json_option, output_option, to_option
from convscope.cli.progress import Waiting
from convscope.cli.values import reading
from convscope.errors import ConvscopeError, InputError, MissingExtraError

CHECK_FAILED = 1
WEIGHTS = (
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".pkl",
    ".pickle",
    ".safetensors",
    ".onnx",
    ".h5",
    ".keras",
    ".npz",
)
LONGEST_TOLD = 300


@click.command("probe")
@click.argument("model")
@click.option(
    "--data",
    metavar="DATA",
    help="digits (scikit-learn's), a folder of pictures, or a .npz file with arrays x and y.",
)
@click.option(
    "--input",
    "input_shape",
    callback=reading(read_shape),
    metavar="SHAPE",
    help="Shape of one item, such as 3x32x32 or 64: items are reshaped, or pictures resized, to it.",
)
@click.option("--batches", type=click.IntRange(1), default=8, show_default=True, help="At most so many.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Items a batch.")
@click.option(
    "--train/--eval",
    "training",
    default=None,
    help="Run the model as in training, or as at inference; as it stands when neither is given.",
)
@click.option("--check", is_flag=True, help="Status 1 where any layer is not healthy.")
@to_option
@output_option
@digits_option
@json_option
def command(model: str, **given: Any) -> int:  # noqa: ANN401 - options by name
    """Say what each layer of MODEL does: saturation, dead units, gradients; one verdict a layer.

    MODEL is package.module:name, as Python imports it from here. THIS RUNS THE CODE of that module, as
    importing it would: name only code that you trust. The name is a torch.nn.Module; a class or function
    that makes one without arguments; or a tuple (model, batches, loss, optimiser) of which the later ones
    may be left out. A file of weights alone is not a model and is never unpickled.
    """
    with _user_code():
        found = _found(model)
        parts = found if isinstance(found, tuple) else (found,)
        module, batches, loss, optimiser = (*parts, *(None,) * (4 - len(parts)))[:4]
        data = given["data"] if given["data"] is not None else batches
        if data is None:
            raise InputError("name the data to run the model on, with --data digits, a folder or a .npz file")
        if given["training"] is not None and callable(getattr(module, "train", None)):
            module.train(given["training"])
        with Waiting("probing"):
            report = cs.probe(
                module,
                data,
                loss,
                optimiser=optimiser,
                limit=given["batches"],
                input_shape=given["input_shape"],
                batch_size=given["batch_size"],
            )
    if given["as_json"]:
        emit_json(report.facts(), given["digits"])
    else:
        emit(report, to=given["to"], output=given["output"], digits=given["digits"])
    return CHECK_FAILED if given["check"] and not report.is_healthy else 0


@contextmanager
def _user_code() -> Iterator[None]:
    """What the user's code prints goes to standard error, so that standard output holds the report alone."""
    with redirect_stdout(sys.stderr):
        yield


def _found(written: str) -> Any:  # noqa: ANN401 - whatever the user's module holds
    """The model that ``package.module:name`` names, made where it is a class or a function.

    Raises:
        InputError: no such module or name, a file of weights, or code that fails.
    """
    if Path(written).suffix.lower() in WEIGHTS:
        raise InputError(
            f"'{written}' is a file of weights, which holds no layers that could run and is never "
            f"unpickled; name "
            "the model itself as package.module:name, where name makes the model and loads its weights"
        )
    module_name, colon, name = written.partition(":")
    if not colon or not module_name or not name or "/" in module_name or module_name.endswith(".py"):
        raise InputError(
            f"'{written}' does not name a model; write package.module:name, as Python imports it"
        )
    module_class = _module_class()
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found: Any = _ran(f"importing '{module_name}'", lambda: importlib.import_module(module_name))
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"'{module_name}' has nothing called '{name}'")
        found = getattr(found, part)
    if isinstance(found, (module_class, tuple)):
        return found
    if not callable(found):
        raise InputError(f"'{written}' is a {type(found).__name__}; it must be a torch.nn.Module or make one")
    made = _ran(f"calling '{name}'", found)
    if not isinstance(made, (module_class, tuple)):
        raise InputError(f"'{name}' made a {type(made).__name__}, not a torch.nn.Module")
    return made


def _module_class() -> type[Any]:
    """What a model is."""
    try:
        found: type[Any] = importlib.import_module("torch.nn").Module
    except ImportError:
        raise MissingExtraError.for_extra("probing a network", "torch") from None
    return found


def _ran(doing: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """The user's code run; whatever it raises becomes one line."""
    try:
        return call()
    except ConvscopeError:
        raise
    except (Exception, SystemExit) as error:  # the user's own code may end in any way
        told = " ".join(str(error).split())[:LONGEST_TOLD]
        raise InputError(f"{doing} failed: {type(error).__name__}: {told}") from error
