"""Reading PyTorch modules, side by side with torchinfo on the meta device.

``python benchmarks/networks_torch.py``: both get the same modules, in turn, in one process; each row is
the least of several runs. The first call of each is told apart, with the libraries it loads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import torch

import convscope as cs
from networks import torch_models as models
from networks import torch_transformers as transformers

RUNS = 3


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def built(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A module whose weights hold no numbers, ready for inference."""
    with torch.device("meta"):
        return make().eval()


def compare(name: str, module: torch.nn.Module, shape: tuple[int, ...]) -> None:
    """One line: both times and their ratio."""
    import torchinfo

    def ours() -> object:
        return cs.network(module, shape).total_macs

    def theirs() -> object:
        return torchinfo.summary(module, (1, *shape), device="meta", verbose=0)

    first = seconds(ours), seconds(theirs)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(RUNS)]
    mine, other = (min(column) for column in zip(*pairs, strict=True))
    print(
        f"{name:24} {mine * 1e3:9.1f} ms {other * 1e3:9.1f} ms {other / mine:7.1f}x"
        f"   first call {first[0] * 1e3:8.1f} ms {first[1] * 1e3:8.1f} ms"
    )


def main() -> None:
    """Print the table."""
    print(f"{'':24} {'convscope':>12} {'torchinfo':>12} {'ratio':>8}")
    picture = (3, 224, 224)
    compare("ResNet-152", built(models.resnet152), picture)
    compare("ResNet-50", built(models.resnet50), picture)
    compare("EfficientNet-B0", built(models.EfficientNetB0), picture)
    compare("ViT-B/16", built(transformers.ViT), picture)
    compare("chain of 1,000 layers", built(lambda: models.chain(1_000)), (4, 16, 16))
    compare("chain of 10,000 layers", built(lambda: models.chain(10_000)), (4, 16, 16))


if __name__ == "__main__":
    main()
