"""Networks whose sizes are published, written as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def resnet(depths: Sequence[int], strided: str) -> str:
    """A residual network of bottleneck blocks for 224×224; its last map is called `last`.

    `strided` says which 3×3 has the stride: that of a block's first unit ("middle"), as torchvision
    has it, or that of its last ("slim"), as TF-Slim has it, where the last block has none.
    """
    lines = [
        "input 3x224x224",
        "conv1: conv 7x7, 64, stride 2, padding 3, no bias",
        "bn1: batchnorm",
        "relu",
        "at: maxpool 3x3, stride 2, padding 1",
    ]
    at = "at"
    for block, depth in enumerate(depths):
        for unit in range(depth):
            if strided == "slim":
                stride = 2 if unit == depth - 1 and block < len(depths) - 1 else 1
            else:
                stride = 2 if unit == 0 and block else 1
            name = f"b{block}u{unit}"
            lines += _unit(name, at, 64 * 2**block, stride, shortcut=unit == 0)
            at = f"{name}_out"
    return "\n".join([*lines, f"last: relu from {at}"])


def _unit(name: str, at: str, width: int, stride: int, *, shortcut: bool) -> Iterator[str]:
    yield f"{name}_a: conv 1x1, {width}, no bias from {at}"
    yield f"{name}_an: batchnorm"
    yield f"{name}_ar: relu"
    yield f"{name}_b: conv 3x3, {width}, stride {stride}, padding 1, no bias"
    yield f"{name}_bn: batchnorm"
    yield f"{name}_br: relu"
    yield f"{name}_c: conv 1x1, {4 * width}, no bias"
    yield f"{name}_cn: batchnorm"
    other = at
    if shortcut:
        yield f"{name}_s: conv 1x1, {4 * width}, stride {stride}, no bias from {at}"
        yield f"{name}_sn: batchnorm"
        other = f"{name}_sn"
    elif stride > 1:
        yield f"{name}_s: maxpool 1, stride {stride} from {at}"
        other = f"{name}_s"
    yield f"{name}_sum: add from {name}_cn, {other}"
    yield f"{name}_out: relu"
