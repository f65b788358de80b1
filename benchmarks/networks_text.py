"""Everything that is derived of a network written as text, for chains that grow: time and memory a layer.

``python benchmarks/networks_text.py``: sizes, parameters, multiply-adds, bytes and receptive fields of
every layer, then the peaks of memory and a published counter's count; each time the least of several.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import convscope as cs
from convscope.rules.network import Network

RUNS = 3
LENGTHS = (1_000, 2_000, 5_000, 10_000, 20_000)


def chain(count: int) -> str:
    """So many layers: convolutions of two kinds, activations, norms."""
    kinds = ("conv 3x3, 64, padding 1", "batchnorm", "relu", "conv 1x1, 64, groups 2")
    return "\n".join(["input 64x56x56", *(kinds[n % len(kinds)] for n in range(count))])


def every_row(text: str) -> Network:
    """Read the text and ask every row for all it knows."""
    net = cs.network(text)
    for row in net:
        _all = (row.output_shape, row.params, row.macs, row.activation_bytes, row.receptive_field)
    assert net.complete
    assert net.total_macs > net.total_params > 0
    return net


def least(run: Callable[[], object]) -> float:
    """The shortest of several runs, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    print(f"{'layers':>8} {'every row':>12} {'a layer':>10} {'memory':>12} {'training':>14} {'ptflops':>10}")
    for count in LENGTHS:
        text = chain(count)
        rows = least(lambda text=text: every_row(text))  # type: ignore[misc]
        net = every_row(text)
        peak = least(lambda net=net: net.memory(training=True))  # type: ignore[misc]
        counted = least(lambda net=net: net.count("ptflops"))  # type: ignore[misc]
        tracemalloc.start()
        kept = every_row(text)
        held = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
        print(
            f"{count:8} {rows * 1e3:9.1f} ms {rows / count * 1e6:7.1f} µs {held / 1e3:9.1f} kB "
            f"{peak * 1e3:11.1f} ms {counted * 1e3:7.1f} ms"
        )


if __name__ == "__main__":
    main()
