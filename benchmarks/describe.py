"""Banks of filters described: seconds of the first call in a process, and of calls after it.

Run: ``python benchmarks/describe.py``. Each bank is described in a process of its own, told on one
thread, and every description is checked on stimuli as always; copies among the filters are looked for too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

# Filters, channels, rows, columns; the seconds within which they are to be described.
BANKS = (((64, 3, 7, 7), 1.0), ((10_000, 1, 3, 3), 10.0), ((512, 256, 3, 3), None), ((96, 3, 11, 11), None))
ROUNDS = 3


def measured(shape: tuple[int, ...]) -> tuple[float, float]:
    """Seconds of the first call and the best of the others."""
    import numpy as np

    import convscope as cs

    weights = np.random.default_rng(0).normal(size=shape)
    taken = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        sheet = cs.describe(weights)
        taken.append(time.perf_counter() - start)
        assert len(sheet) == shape[0]
    return taken[0], min(taken[1:])


def main() -> None:
    """Time each bank in a fresh process and print the seconds."""
    if len(sys.argv) > 1:
        print(*measured(tuple(int(length) for length in sys.argv[1].split("x"))))
        return
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    print(f"{'filters':>14} {'first':>8} {'then':>8} {'wanted':>8}  seconds")
    for shape, wanted in BANKS:
        words = "x".join(map(str, shape))
        done = subprocess.run(
            [sys.executable, __file__, words], env=one_thread, capture_output=True, text=True, check=True
        )
        first, then = (float(part) for part in done.stdout.split())
        print(f"{words:>14} {first:8.2f} {then:8.2f} {'' if wanted is None else f'< {wanted:g}':>8}")


if __name__ == "__main__":
    main()
