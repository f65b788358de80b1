"""What probing costs: a ResNet-152 against its own forward and backward; a watched training against itself.

``python benchmarks/probe_cost.py``: both of a pair run in turn in one process; each figure is the least of
several runs, so that other work disturbs it least. Threads are set to the number of cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import torch
from torch.nn import functional

import convscope as cs
from probing import nets


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
    pairs = []
    for _ in range(runs):
        plain = seconds(lambda: forward_and_backward(model, x, y))
        model.zero_grad(set_to_none=True)  # both begin with the same memory free
        pairs.append((plain, seconds(lambda: cs.probe(model, [(x, y)]))))
    plain, probed = (min(column) for column in zip(*pairs, strict=True))
    print(
        f"ResNet-152, {items:2} × 3×{size}×{size}: {plain:6.2f} s plain, {probed:6.2f} s probed, "
        f"ratio {probed / plain:5.2f}"
    )


def train(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int, *, watched: bool) -> float:
    """Seconds that a training loop takes."""
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    with cs.watch(model, optimiser) if watched else nullcontext():
        start = time.perf_counter()
        for _ in range(steps):
            optimiser.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimiser.step()
        return time.perf_counter() - start


def watching(name: str, model: torch.nn.Module, x: torch.Tensor, steps: int, runs: int = 3) -> None:
    """The same loop watched and not, in turn; the first sample, with what it loads, is among the steps."""
    y = torch.randint(0, 10, (x.shape[0],))
    train(model, x, y, 3, watched=True)
    pairs = [tuple(train(model, x, y, steps, watched=which) for which in (False, True)) for _ in range(runs)]
    plain, watched = (min(column) for column in zip(*pairs, strict=True))
    print(
        f"{name:22} {steps:5} steps: {1e3 * plain / steps:7.2f} ms a step, "
        f"watched {100 * (watched / plain - 1):+5.2f} %"
    )


def main() -> None:
    """Print the figures."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small convolutions: two threads can be ten times slower than one
    watching("MLP, 64 items", nets.mlp(), torch.rand(64, 1, 8, 8), 3000)
    watching("CNN, 64 items of 8×8", nets.cnn(), torch.rand(64, 1, 8, 8), 600)
    watching("ResNet, 16 of 32×32", nets.ResNet(), torch.rand(16, 3, 32, 32), 400)
    torch.set_num_threads(os.cpu_count() or 1)
    for items, size in ((2, 224), (4, 128), (8, 64)):
        deep(items, size)


if __name__ == "__main__":
    main()
