"""What the names of arrays tell: which are convolutions, and which batch normalisation follows one.

A state dictionary has no graph. Names such as ``conv1.weight`` and ``bn1.running_var`` stand for
it: a normalisation belongs to the convolution beside it, where the numbers of channels agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from convscope.importers.weight_entries import (
    KERAS,
    MAX_SIDE,
    PYTORCH,
    PYTORCH_1D,
    Entry,
    Layout,
    Norm,
    is_bank,
)

EPSILON = 1e-5  # PyTorch's own, which a state dictionary does not hold

# A convolution's own name -> the names of the normalisation beside it.
_BESIDE = (
    (re.compile(r"convolution(.*)\Z"), ("normalization{}", "norm{}", "bn{}", "batchnorm{}")),
    (re.compile(r"conv(?:[12]d)?(.*)\Z"), ("bn{}", "norm{}", "batchnorm{}", "batch_norm{}", "bn_{}")),
)
_ENDS = (".weight", ".kernel", "/depthwise_kernel", "/kernel", "_weight")


def layout_of(name: str, shape: tuple[int, ...]) -> Layout | None:
    """How a convolution's weights lie, told by their name and rank; None for other arrays.

    Arrays called ``kernel`` lie as Keras and Flax have them, all others as PyTorch has them.

    >>> layout_of("conv1.weight", (64, 3, 7, 7)).words
    '(out, in, rows, columns)'
    """
    last = re.split(r"[./]", name)[-1]
    if len(shape) == 4:
        layout = KERAS if last == "kernel" and max(shape[:2]) <= MAX_SIDE else PYTORCH
    elif len(shape) == 3 and last == "weight" and shape[2] <= MAX_SIDE and "conv" in name.lower():
        layout = PYTORCH_1D
    else:
        return None
    return layout if is_bank(layout, shape) else None


def module_of(name: str) -> str:
    """The layer that an array belongs to.

    >>> module_of("layer1.0.conv1.weight")
    'layer1.0.conv1'
    """
    for end in _ENDS:
        if name.endswith(end):
            return name.removesuffix(end)
    return name


def norms_by_name(entries: Iterable[Entry], *, is_ordered: bool = False) -> dict[str, Norm]:
    """The normalisation that follows each convolution, as far as names tell.

    Args:
        entries: what a file holds.
        is_ordered: the file keeps the layers' order, so that what follows comes later.
    """
    places = {entry.name: (place, entry) for place, entry in enumerate(entries)}
    found = {}
    for place, entry in list(places.values()):
        if entry.layout is None:
            continue
        for name in _beside(module_of(entry.name)):
            at, variance = places.get(f"{name}.running_var", (-1, None))
            comes_after = at > place or not is_ordered
            if (
                variance is not None
                and comes_after
                and variance.shape == (entry.layout.shape(entry.shape)[0],)
            ):
                gamma = f"{name}.weight"
                found[entry.name] = Norm(name, variance.name, gamma if gamma in places else None, EPSILON)
                break
    return found


def _beside(module: str) -> Iterator[str]:
    """Names that a normalisation right after the layer may have."""
    parent, dot, own = module.rpartition(".")
    if own.isdigit():
        yield f"{parent}{dot}{int(own) + 1}"
    for pattern, names in _BESIDE:
        match = pattern.search(own)
        if match:
            start = own[: match.start()]
            for name in names:
                yield f"{parent}{dot}{start}{name.format(match[1])}"
