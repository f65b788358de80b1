"""Batches by name: scikit-learn's digits, a folder of pictures, a file of arrays. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import chain, zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convscope.errors import InputError, MissingExtraError
from convscope.importers.picture import read_picture

DIGITS = "digits"
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".tif", ".tiff", ".webp")
MAX_ARRAY_BYTES = 2**32
# Names under which files of arrays hold inputs and targets; otherwise the first array and the second.
INPUT_NAMES = ("x", "inputs", "images", "data", "x_test", "x_train")
TARGET_NAMES = ("y", "targets", "target", "labels", "label", "y_test", "y_train")

Arrays = npt.NDArray[Any]
Batches = Iterator[tuple[torch.Tensor, ...]]


def named_batches(
    source: str | PathLike[str], input_shape: tuple[int, ...] | None, batch_size: int
) -> Batches:
    """The batches that a name stands for.

    Raises:
        InputError: nothing of that name, or nothing that can be read.
        MissingExtraError: digits without scikit-learn.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; at least one item is needed")
    if str(source) == DIGITS:
        return _digits(input_shape, batch_size)
    path = Path(source)
    if path.is_dir():
        return _folder(path, input_shape, batch_size)
    if path.suffix.lower() == ".npz":
        return _arrays(path, input_shape, batch_size)
    raise InputError(
        f"no data is called {str(source)!r}; known: digits, a folder of pictures, a file ending in .npz"
    )


def _digits(shape: tuple[int, ...] | None, batch_size: int) -> Batches:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError.for_extra("the data called digits", "digits") from None
    found = load_digits()
    images = (found.images / 16).astype(np.float32)[:, None]
    return _cut(images, found.target.astype(np.int64), shape, batch_size)


def _arrays(path: Path, shape: tuple[int, ...] | None, batch_size: int) -> Batches:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_ARRAY_BYTES:
            raise InputError(f"'{path}' holds {size} bytes of arrays; up to {MAX_ARRAY_BYTES} are read")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        told = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"'{path}' is not a file of arrays that can be read: {told}") from None
    if not arrays:
        raise InputError(f"'{path}' holds no arrays")
    names = {name.lower(): name for name in arrays}
    first = next((names[name] for name in INPUT_NAMES if name in names), next(iter(arrays)))
    rest = [name for name in arrays if name != first]
    second = next((names[name] for name in TARGET_NAMES if name in names), rest[0] if rest else None)
    inputs, targets = arrays[first], arrays[second] if second is not None else None
    if inputs.ndim < 1 or inputs.dtype.kind not in "biuf" or not len(inputs):
        raise InputError(
            f"'{path}': the inputs '{first}' are no array of numbers with items along its first axis"
        )
    if targets is not None and (
        targets.ndim < 1 or len(targets) != len(inputs) or targets.dtype.kind not in "biuf"
    ):
        raise InputError(
            f"'{path}': '{second}' is no array with a target for each of the {len(inputs)} items"
        )
    if inputs.dtype.kind == "f":
        inputs = inputs.astype(np.float32, copy=False)
    elif inputs.dtype == np.uint8:
        inputs = inputs.astype(np.float32) / 255
    return _cut(inputs, targets, shape, batch_size)


def _folder(path: Path, shape: tuple[int, ...] | None, batch_size: int) -> Batches:
    """Pictures in folders named by their class, or all in one folder and without targets."""
    classes = sorted(entry for entry in path.iterdir() if entry.is_dir())
    lists = [_pictures(entry) for entry in classes]
    labelled = [(file, label) for label, files in enumerate(lists) for file in files]
    if labelled:
        turns = zip_longest(*([(file, label) for file in files] for label, files in enumerate(lists)))
        ordered = [entry for entry in chain.from_iterable(turns) if entry is not None]
    else:
        ordered = [(file, -1) for file in _pictures(path)]
    if not ordered:
        raise InputError(f"there are no pictures in '{path}'; read are {', '.join(PICTURES)}")
    return _read(ordered, shape, batch_size)


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)


def _read(files: list[tuple[Path, int]], shape: tuple[int, ...] | None, batch_size: int) -> Batches:
    for start in range(0, len(files), batch_size):
        part = files[start : start + batch_size]
        images = [_shaped(_floats(read_picture(file).pixels), shape) for file, _label in part]
        sizes = {image.shape for image in images}
        if len(sizes) > 1:
            told = ", ".join("×".join(map(str, size)) for size in sorted(sizes)[:3])
            raise InputError(f"the pictures differ in size ({told}); give an input shape such as 3x64x64")
        x = torch.from_numpy(np.stack(images))
        labels = torch.tensor([label for _file, label in part])
        yield (x,) if part[0][1] < 0 else (x, labels)


def _floats(pixels: Arrays) -> Arrays:
    """``(H, W)`` or ``(H, W, 3)`` of 8 bits as ``(C, H, W)`` between 0 and 1."""
    channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(channels, dtype=np.float32) / 255


def _cut(inputs: Arrays, targets: Arrays | None, shape: tuple[int, ...] | None, batch_size: int) -> Batches:
    for start in range(0, len(inputs), batch_size):
        part = inputs[start : start + batch_size]
        if shape is not None:
            part = np.stack([_shaped(item, shape) for item in part])
        x = torch.from_numpy(np.ascontiguousarray(part))
        if targets is None:
            yield (x,)
        else:
            yield x, torch.from_numpy(np.ascontiguousarray(targets[start : start + batch_size]))


def _shaped(item: Arrays, shape: tuple[int, ...] | None) -> Arrays:
    """One item as the model takes it: reshaped where the count agrees, otherwise a picture resized.

    Raises:
        InputError: an item that is no picture, or channels that cannot be had from its own.
    """
    if shape is None or item.shape == shape:
        return item
    if item.size == np.prod(shape):
        return item.reshape(shape)
    given, asked = "×".join(map(str, item.shape)), "×".join(map(str, shape))
    if item.ndim != 3 or len(shape) != 3 or item.dtype != np.float32:
        raise InputError(f"an item of {given} cannot be made into {asked}")
    channels = shape[0]
    if item.shape[0] == 1:
        item = np.repeat(item, channels, axis=0)
    elif channels == 1:
        item = item.mean(axis=0, keepdims=True, dtype=np.float32)
    elif item.shape[0] != channels:
        raise InputError(f"an item of {given} has no {channels} channels")
    if item.shape[1:] == shape[1:]:
        return item
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(item)[None], size=shape[1:], mode="bilinear", antialias=True
    )
    found: Arrays = resized[0].numpy()
    return found
