"""What probing costs: a ResNet-152 against its own forward and backward; a watched training against itself.

``python benchmarks/probe_cost.py``: both of a pair run in turn in one process; each figure is the least of
several runs, so that other work disturbs it least. Threads are set to the number of cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import torch
from torch.nn import functional

import convscope as cs
from probe import nets


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def forward_and_backward(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """One plain pass each way."""
    model.zero_grad(set_to_none=True)
    functional.cross_entropy(model(x), y).backward()


def deep(items: int, size: int, runs: int = 3) -> None:
    """A probe of a ResNet-152 over its own forward and backward."""
    torch.manual_seed(0)
    model = nets.resnet152()
    x, y = torch.randn(items, 3, size, size), torch.randint(0, 10, (items,))
    forward_and_backward(model, x, y)
    cs.probe(model, [(x, y)])
    pairs = [
        (seconds(lambda: forward_and_backward(model, x, y)), seconds(lambda: cs.probe(model, [(x, y)])))
        for _ in range(runs)
    ]
    plain, probed = (min(column) for column in zip(*pairs, strict=True))
    print(
        f"ResNet-152, {items:2} × 3×{size}×{size}: {plain:6.2f} s plain, {probed:6.2f} s probed, "
        f"ratio {probed / plain:5.2f}"
    )


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(os.cpu_count() or 1)
    for items, size in ((2, 224), (8, 64), (4, 64), (16, 32)):
        deep(items, size)


if __name__ == "__main__":
    main()
