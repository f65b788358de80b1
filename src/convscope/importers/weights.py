"""Files of weights: arrays by name, read one at a time, and nothing in a file is ever run.

One table from a file's suffix to its reader. Which arrays are a convolution's weights, how their axes
lie and which batch normalisation follows is told by the graph where the file has one, else by names.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convscope.errors import ConvscopeError, InputError, MissingExtraError, UnsupportedError, nearest_name
from convscope.importers.weight_entries import Array, BankShape, Contents, Entry, Norm
from convscope.importers.weight_norms import module_of

# How a file ends -> the module here and the function of it that reads such files. Longer endings first.
READERS: dict[str, tuple[str, str]] = {
    ".weights.h5": ("weights_keras", "read_hdf5"),
    ".safetensors": ("weights_safetensors", "read_contents"),
    ".npz": ("weights_numpy", "read_npz"),
    ".npy": ("weights_numpy", "read_npy"),
    ".onnx": ("weights_onnx", "read_contents"),
    ".pt": ("weights_torch", "read_contents"),
    ".pth": ("weights_torch", "read_contents"),
    ".keras": ("weights_keras", "read_archive"),
    ".h5": ("weights_keras", "read_hdf5"),
    ".hdf5": ("weights_keras", "read_hdf5"),
}
MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class WeightLayer:
    """A convolution of a file.

    Attributes:
        name: of its weights in the file.
        shape: ``(N, C, kh, kw)``.
        stored: how the axes lie in the file.
        aliases: other names of it, such as its node's in a graph.
    """

    name: str
    shape: BankShape
    stored: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """The weights of one convolution, ready to be described.

    Attributes:
        weights: ``(N, C, kh, kw)``, float64, not to be written to.
        name: of the layer, as the file has it.
        source: the path of the file.
        scales: what the batch normalisation after the layer multiplies each filter by, ``(N,)``; None
            where none is known.
        notes: sentences without their full stop: how the axes were turned, what was folded.
        others: the other convolutions of the file.
    """

    weights: npt.NDArray[np.float64]
    name: str
    source: str
    scales: npt.NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    others: tuple[WeightLayer, ...] = ()


@dataclass(frozen=True, eq=False)
class Weights(Mapping[str, Array]):
    """A file of weights as a mapping from name to array; an array is read when it is asked for.

    Attributes:
        path: of the file.
        contents: what is in it.
        layers: its convolutions, in the order of the graph or of the file.
    """

    path: Path
    contents: Contents
    layers: tuple[WeightLayer, ...] = field(init=False)
    _entries: dict[str, Entry] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        entries = {entry.name: entry for entry in self.contents.entries}
        layers = tuple(
            WeightLayer(entry.name, entry.layout.shape(entry.shape), entry.layout.words, entry.aliases)
            for entry in entries.values()
            if entry.layout is not None
        )
        object.__setattr__(self, "_entries", entries)
        object.__setattr__(self, "layers", layers)

    def __getitem__(self, name: str) -> Array:
        return self._read(self._entries[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _read(self, entry: Entry) -> Array:
        try:
            return entry.numbers()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or 'it cannot be read'}") from None
        except ConvscopeError as error:
            raise error.within(str(self.path)) from None

    def bank(self, layer: str | None = None) -> Bank:
        """The weights of one convolution, as ``(N, C, kh, kw)``.

        Args:
            layer: its name in the file or in the graph, with or without ``.weight``; the first one
                that has more than one tap when not given.

        Raises:
            InputError: no such layer, no convolution at all, or weights that are not finite.
        """
        entry = self._entry(layer)
        assert entry.layout is not None  # noqa: S101 - only convolutions are found
        with np.errstate(invalid="ignore"):  # a signalling NaN is told below, as any NaN is
            weights = entry.layout.arranged(self._read(entry).astype(np.float64))
        self._check_finite(entry.name, weights)
        weights.flags.writeable = False
        scales, notes = self._scales(entry, len(weights))
        return Bank(
            weights,
            entry.name,
            str(self.path),
            scales,
            (*self.contents.notes, *self._called(entry), *self._turned(entry), *notes),
            tuple(other for other in self.layers if other.name != entry.name),
        )

    def _entry(self, layer: str | None) -> Entry:
        if not self.layers:
            raise InputError(
                f"{self.path}: none of its {len(self)} arrays is the weights of a convolution; "
                "those have four axes, and at most 64 rows and columns"
            )
        if layer is None:
            spatial = [told.name for told in self.layers if told.shape[2:] != (1, 1)]
            return self._entries[(spatial or [self.layers[0].name])[0]]
        known = {told.name for told in self.layers}
        if layer in known:
            return self._entries[layer]
        fitting = [
            entry
            for entry in self.contents.entries
            if entry.name in known and layer in (module_of(entry.name), *entry.aliases)
        ]
        if len(fitting) == 1:
            return fitting[0]
        shown = sorted(told.name for told in self.layers)
        hint = nearest_name(layer, shown).removesuffix(f"known: {', '.join(shown)}")
        more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
        raise InputError(
            f"{self.path}: no convolution '{layer[:80]}'; {hint}known: {', '.join(shown[:MOST_NAMED])}{more}"
        )

    def _check_finite(self, name: str, weights: npt.NDArray[np.float64]) -> None:
        wrong = ~np.isfinite(weights)
        if wrong.any():
            place = int(np.argwhere(wrong)[0][0])
            raise InputError(
                f"{self.path}: '{name}' holds {int(wrong.sum())} weights that are not finite, "
                f"the first in filter {place}"
            )

    @staticmethod
    def _called(entry: Entry) -> tuple[str, ...]:
        return (f"{entry.name} is also called {' and '.join(entry.aliases)}",) if entry.aliases else ()

    @staticmethod
    def _turned(entry: Entry) -> tuple[str, ...]:
        assert entry.layout is not None  # noqa: S101
        if entry.layout.axes == ((0,), (1,), (2,), (3,)):
            return ()
        return (f"The weights are stored as {entry.layout.words} and were put in the order of PyTorch",)

    def _scales(self, entry: Entry, count: int) -> tuple[npt.NDArray[np.float64] | None, tuple[str, ...]]:
        """What the normalisation after a layer multiplies each filter by: γ/√(variance + ε)."""
        norm = self.contents.norms.get(entry.name)
        if norm is None:
            return None, ()
        scales = self._folded(norm, count)
        if scales is None:
            return None, (f"The batch normalisation '{norm.name}' holds no scales that could be folded",)
        scales.flags.writeable = False
        return scales, (f"The batch normalisation '{norm.name}' is folded to tell which filters are dead",)

    def _folded(self, norm: Norm, count: int) -> npt.NDArray[np.float64] | None:
        names = [name for name in (norm.variance, norm.gamma) if name is not None]
        with np.errstate(invalid="ignore"):
            arrays = [self[name].astype(np.float64) for name in names]
        if any(array.shape != (count,) or not np.isfinite(array).all() for array in arrays):
            return None
        spread = arrays[0] + norm.epsilon
        if not (spread > 0).all():
            return None
        gamma: npt.NDArray[np.float64] = arrays[1] if norm.gamma is not None else np.ones(count)
        return gamma / np.sqrt(spread)


def read_weights(path: str | PathLike[str]) -> Weights:
    """The arrays of a file of weights by name, each read when it is asked for; nothing in it is run.

    Args:
        path: of a `.safetensors`, `.npz`, `.npy`, `.onnx`, `.pt`, `.pth`, `.keras`, `.h5` or
            `.weights.h5` file. PyTorch's files are loaded with ``weights_only=True``: one that holds
            more than tensors is refused.

    Raises:
        InputError: a file that is missing, cut short, damaged, too large, or would have to run code.
        UnsupportedError: a kind of file that is not known; the message lists those that are.
        MissingExtraError: the library that the kind needs is not installed.

    >>> import numpy as np, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "small.npz")
    >>> np.savez(path, conv1=np.ones((8, 3, 5, 5)), bias=np.zeros(8))
    >>> weights = read_weights(path)
    >>> list(weights), weights.bank().weights.shape
    (['conv1', 'bias'], (8, 3, 5, 5))
    >>> folder.cleanup()
    """
    path = Path(path)
    module, function = READERS[_suffix(path)]
    try:
        if not path.is_file():
            raise InputError("it is a folder" if path.is_dir() else "no such file")
        if not path.stat().st_size:
            raise InputError("the file is empty")
        reader = getattr(importlib.import_module(f"convscope.importers.{module}"), function)
        contents: Contents = reader(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    except MissingExtraError:
        raise
    except ConvscopeError as error:
        raise error.within(str(path)) from None
    return Weights(path, contents)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in READERS:
        if name.endswith(suffix):
            return suffix
    raise UnsupportedError(
        f"no weights can be read from '{str(path)[:80]}': its name must end in {', '.join(READERS)}"
    )
