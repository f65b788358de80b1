"""Side by side with the peers in one run: ratio tables, a JSON file and a chart.

Each repetition runs every contender once, each time beginning with another one and after a short pause,
so that a disturbance of the machine, or a peer's threads that still spin, fall on all of them alike. A
ratio is the median over the repetitions of peer ÷ convscope. OpenCV's results are compared with
convscope's, inside the border, before they are timed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.peers import Array, Case, Run, cases, opencv, others, scipys, versions

import convscope as cs
from convscope.engine.execution import empty

QUICK = ("random 3", "random 9", "random 31", "sobel", "gaussian 15", "box 3", "box 31")
HERE = Path(__file__).parent
BATCH = 0.012  # seconds of calls that make one sample, so that short ones are measured as in a loop
PAUSE = 0.006  # seconds before each run: OpenMP's threads look for more work some 4 ms before they sleep
SLOW = 1.5  # seconds: a contender that takes longer runs once only
FAR = 5.0  # so many times the fastest at first: a contender that far behind runs once only
BUDGET = 1.4  # seconds a cell may take after its first round
SKIP_ABOVE = 3e9  # multiply-adds beyond which the slow peers (all but OpenCV) are left out
LARGE = 4e6  # cells of a picture beyond which they are too: one run of them takes seconds


def picture(side: int, dtype: str, channels: int) -> Array:
    """Random numbers, the same in every run."""
    rng = np.random.default_rng(side + channels)
    shape = (side, side) if channels == 1 else (side, side, channels)
    if dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.random(shape, dtype=np.float32) * np.float32(255)


def seconds(run: Run) -> float:
    """One call, as the mean of as many one after the other as fill a sample."""
    time.sleep(PAUSE)
    begin = now = time.perf_counter()
    calls = 0
    while now - begin < BATCH:
        run()
        calls += 1
        now = time.perf_counter()
    return (now - begin) / calls


def warmed(run: Run, limit: float) -> float:
    """A first time; the shorter of two where it is not long: caches are then as in every later run."""
    first = seconds(run)
    return first if first > limit else min(first, seconds(run))


def contenders(case: Case, image: Array, out: Array, other: Array) -> dict[str, Run]:
    """convscope, the copy, and every peer that has the filter."""
    runs: dict[str, Run] = {"convscope": lambda: cs.apply(image, case.weights, out=out)}
    copied = image if image.dtype == np.float32 else image.astype(np.float32)
    runs["numpy.copyto float32"] = lambda: np.copyto(other, copied)
    runs.update(opencv(case, image, other))
    work = image.size * case.taps
    if work <= SKIP_ABOVE and image.size <= LARGE:
        runs.update(scipys(case, image, other))
        runs.update(others(case, image))
    return runs


def checked(runs: dict[str, Run], case: Case, out: Array, other: Array) -> list[str]:
    """The peers that write into `other` and disagree with convscope inside the border."""
    runs["convscope"]()
    edge = max(case.weights.shape)
    inner = (slice(edge, -edge), slice(edge, -edge))
    scale = float(np.abs(out).max()) or 1.0
    wrong = []
    for name in ("filter2D", "sepFilter2D", "boxFilter", "GaussianBlur"):
        if name in runs:
            runs[name]()
            if float(np.abs(out[inner] - other[inner]).max()) > 2e-3 * scale:
                wrong.append(name)
    return wrong


def measure(case: Case, side: int, dtype: str, channels: int, repeats: int) -> dict[str, Any]:
    """One cell of the table."""
    image = picture(side, dtype, channels)
    out, other = empty(image.shape, np.float32), empty(image.shape, np.float32)
    out[...] = other[...] = 0
    runs = contenders(case, image, out, other)
    wrong = checked(runs, case, out, other)
    first: dict[str, float] = {}
    for name, run in runs.items():  # OpenCV comes before the slower ones
        least = min((first[peer] for peer in first if not peer.startswith("numpy")), default=SLOW)
        first[name] = warmed(run, min(SLOW, max(FAR * least, 1e-3)))
    least = min(found for name, found in first.items() if not name.startswith("numpy"))
    ours = first["convscope"]
    quick = [name for name in runs if first[name] < min(SLOW, max(FAR * least, 1e-3)) or name == "filter2D"]
    times: dict[str, list[float]] = {name: [] if name in quick else [first[name]] for name in runs}
    begin, turn = time.perf_counter(), 0
    while len(times["convscope"]) < repeats and time.perf_counter() - begin < BUDGET:
        for name in quick[turn:] + quick[:turn]:
            # A contender much slower than the rest needs fewer repetitions to be placed.
            if first[name] < 20 * ours or len(times[name]) < 3:
                times[name].append(seconds(runs[name]))
        turn = (turn + 1) % len(quick)
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times["convscope"], strict=False))
        for name in runs if name != "convscope"
    }  # fmt: skip
    plan = cs.plan(case.weights, image.shape, image.dtype)
    return {
        "kernel": case.name, "side": side, "dtype": dtype, "channels": channels, "method": plan.method,
        "milliseconds": {name: round(1e3 * value, 4) for name, value in medians.items()},
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "best": {name: round(1e3 * min(found), 4) for name, found in times.items()},
        "disagree": wrong,
    }  # fmt: skip


def best_peer(cell: dict[str, Any]) -> tuple[str, float]:
    """The fastest peer of a cell, and its ratio to convscope; the copy is the roof, not a peer."""
    peers = {name: ratio for name, ratio in cell["ratios"].items() if not name.startswith("numpy.")}
    name = min(peers, key=lambda peer: peers[peer])
    return name, peers[name]


def geometric_mean(numbers: Sequence[float]) -> float:
    """The mean of ratios."""
    return float(np.exp(np.mean(np.log(numbers)))) if numbers else float("nan")


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Markdown: one row a cell."""
    lines = [
        "| kernel | picture | method | ms | ÷ copyto | filter2D | best peer | ratio |",
        "|---|---|---|--:|--:|--:|---|--:|",
    ]
    for cell in cells:
        name, ratio = best_peer(cell)
        shape = f"{cell['side']}² {cell['dtype']}" + (" RGB" if cell["channels"] == 3 else "")
        mark = "" if ratio >= 1 else " **behind**"
        roof = 1 / cell["ratios"]["numpy.copyto float32"]
        lines.append(
            f"| {cell['kernel']} | {shape} | {cell['method']} | {cell['milliseconds']['convscope']:.3f} "
            f"| {roof:.2f} | {cell['ratios']['filter2D']:.2f} | {name} | {ratio:.2f}{mark} |"
        )
    return "\n".join(lines)


def summary(cells: Sequence[dict[str, Any]]) -> str:
    """The targets, each with its figure."""
    against = [cell["ratios"]["filter2D"] for cell in cells]
    behind = [cell for cell in cells if best_peer(cell)[1] < 1]
    lines = [
        f"- geometric mean against `cv2.filter2D`: {geometric_mean(against):.2f}×",
        f"- cells at or ahead of the best peer: {len(cells) - len(behind)} of {len(cells)}",
    ]
    for dtype in ("uint8", "float32"):
        part = [cell["ratios"]["filter2D"] for cell in cells if cell["dtype"] == dtype]
        lines.append(f"- against `cv2.filter2D`, {dtype}: {geometric_mean(part):.2f}×")
    for peer in ("sepFilter2D", "boxFilter", "GaussianBlur"):
        found = [cell["ratios"][peer] for cell in cells if peer in cell["ratios"]]
        if found:
            lines.append(f"- against `cv2.{peer}`: {geometric_mean(found):.2f}× (least {min(found):.2f}×)")
    return "\n".join(lines)


def chart(cells: Sequence[dict[str, Any]]) -> str:
    """An SVG: how many times as long filter2D and the best peer take, on a logarithmic scale."""
    row, left, width = 15, 250, 640
    largest = max(max(cell["ratios"]["filter2D"], best_peer(cell)[1]) for cell in cells)
    span = np.log(max(largest, 2) / 0.25)

    def x(ratio: float) -> float:
        return left + width * float(np.log(max(ratio, 0.25) / 0.25) / span)

    height = row * (len(cells) + 3)
    size = f'viewBox="0 0 {left + width + 20} {height}" font-family="sans-serif" font-size="10"'
    title = "<title>Peers</title>"
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{title}{paper}']
    for mark in (0.5, 1, 2, 5, 10, 20, 50, 100):
        if mark <= largest:
            colour = "#333" if mark == 1 else "#ddd"
            place = f'x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{row}" y2="{height}"'
            parts.append(f'<line {place} stroke="{colour}"/>')
            parts.append(f'<text x="{x(mark):.1f}" y="{row - 4}" text-anchor="middle">{mark}×</text>')
    for number, cell in enumerate(cells):
        y = row * (number + 1.9)
        shape = f"{cell['kernel']}, {cell['side']}² {cell['dtype']}" + (
            " RGB" if cell["channels"] == 3 else ""
        )
        _, ratio = best_peer(cell)
        colour = "#175" if ratio >= 1 else "#c22"
        parts.append(
            f'<text x="{left - 6}" y="{y:.1f}" text-anchor="end">{shape}</text>'
            f'<circle cx="{x(cell["ratios"]["filter2D"]):.1f}" cy="{y - 3:.1f}" r="3.5" fill="#9ab"/>'
            f'<circle cx="{x(ratio):.1f}" cy="{y - 3:.1f}" r="3.5" fill="{colour}"/>'
        )
    legend = "pale: cv2.filter2D; dark: the best peer (red where it is ahead)"
    parts.append(f'<text x="{left}" y="{height - 6}">{legend}</text></svg>')
    return "".join(parts)


def joined(kept: Sequence[dict[str, Any]], fresh: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells of earlier runs and of this one, in the order of a whole run; of two, the later one."""
    names = [case.name for case in cases()]

    def place(cell: dict[str, Any]) -> tuple[Any, ...]:
        return cell["side"], cell["channels"], -ord(cell["dtype"][0]), names.index(cell["kernel"])

    found = {place(cell): cell for cell in (*kept, *fresh)}
    return [found[key] for key in sorted(found)]


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer kernels, one size, few repetitions")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--dtypes", nargs="+", default=["uint8", "float32"])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--kernels", nargs="+", help="only kernels whose name begins so")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--add", action="store_true", help="keep the cells of the output file that are not measured now"
    )
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    if given.quick:
        given.sides, given.channels, given.repeats = [1024], [1], 5
        given.kernels = given.kernels or list(QUICK)
    from convscope.engine import execution
    from convscope.engine.calibration import calibrate_once

    calibrate_once()
    execution.PATIENCE = -1.0  # the first call of a type waits for its compiled code: SciPy is a peer here
    cells = []
    kept = json.loads(given.output.read_text(encoding="utf-8"))["cells"] if given.add else []
    for side in given.sides:
        for channels in given.channels:
            for dtype in given.dtypes:
                for case in cases():
                    if given.kernels and case.name not in given.kernels:
                        continue
                    cell = measure(
                        case, side, dtype, channels, given.repeats if side > 256 else 4 * given.repeats
                    )
                    cells.append(cell)
                    print(table([cell]).splitlines()[-1], file=sys.stderr, flush=True)
    cells = joined(kept, cells)
    facts = {
        "machine": {"processor": processor(), "system": platform.platform(), **versions()},
        "cells": cells,
    }
    given.output.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    given.output.with_suffix(".svg").write_text(chart(cells), encoding="utf-8")
    print(table(cells))
    print()
    print(summary(cells))


if __name__ == "__main__":
    main()
