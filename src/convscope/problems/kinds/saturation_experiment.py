"""Figures measured on a network, read from a JSON file that the experiment wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import convscope as cs
from convscope.core.document import Block, Code, Paragraph, Plot, Table, Text, text
from convscope.core.plot import MOST_POINTS, MOST_SERIES, Axis, Chart, series
from convscope.problems.fields import shown

MAX_BYTES = 2**20
LONGEST_WORDS = 2000
KEYS = ("title", "command", "setting", "layers", "runs")
RUN_KEYS = ("name", "gradients", "accuracies")


@dataclass(frozen=True)
class MeasuredRun:
    """One network: its name, the gradient of each layer before training, its accuracy after each epoch."""

    name: str
    gradients: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class Experiment:
    """Runs side by side, with the command that measured them."""

    title: str
    command: str
    setting: str
    layers: tuple[str, ...]
    runs: tuple[MeasuredRun, ...]

    def facts(self) -> dict[str, object]:
        """The figures as they stand in the file."""
        return {
            "title": self.title,
            "command": self.command,
            "runs": [
                {"name": run.name, "gradients": list(run.gradients), "accuracies": list(run.accuracies)}
                for run in self.runs
            ],
        }

    def blocks(self) -> tuple[Block, ...]:
        """The setting, a table, the gradients by depth on a log axis, the accuracies."""
        first, last = self.layers[0], self.layers[-1]
        heads = ("network", f"gradient of {first}", f"of {last}", "told right at the end")
        rows = tuple(
            (
                text(run.name),
                text(_power(run.gradients[0])),
                text(_power(run.gradients[-1])),
                _percent(run.accuracies),
            )
            for run in self.runs
        )
        by_depth = Chart(
            "Gradients before training",
            Axis("", categories=self.layers),
            Axis("norm of the gradient of a layer's parameters", scale="log"),
            tuple(series(run.name, run.gradients) for run in self.runs),
        )
        learnt = Chart(
            "Test pictures told right",
            Axis("epoch"),
            Axis("share", least=0, most=1),
            tuple(series(run.name, run.accuracies, start=1) for run in self.runs),
        )
        return (
            Paragraph(text(f"{self.title}: {self.setting}")),
            Table(tuple(map(text, heads)), rows, "lrrr"),
            Plot((by_depth, learnt)),
            Paragraph(text("Measured by ", Code(self.command), ".")),
        )


def _power(value: float) -> str:
    """A measured size with two figures: ``1.0e-07``."""
    return f"{value:.1e}"


def _percent(accuracies: Sequence[float]) -> Text:
    return text(f"{float(Fraction(str(accuracies[-1]))) * 100:.1f} %")


def read_experiment(path: Path) -> Experiment:
    """The experiment that a file holds.

    Raises:
        InputError: too large, not JSON, or without what an experiment has.
    """
    if path.stat().st_size > MAX_BYTES:
        raise cs.InputError(
            f"'{path.name}' has more than {MAX_BYTES} bytes; an experiment has a few thousand"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise cs.InputError(f"'{path.name}' is not JSON: {shown(str(error))}") from None
    top = _mapping(found, KEYS, path.name)
    layers = tuple(
        _words(name, f"{path.name}: layers") for name in _items(top["layers"], f"{path.name}: layers")
    )
    runs = tuple(
        _run(entry, len(layers), f"{path.name}: runs[{number}]")
        for number, entry in enumerate(_items(top["runs"], f"{path.name}: runs"), start=1)
    )
    if len(runs) > MOST_SERIES:
        raise cs.InputError(f"'{path.name}' has {len(runs)} runs; up to {MOST_SERIES} are shown")
    title, command, setting = (_words(top[key], f"{path.name}: {key}") for key in KEYS[:3])
    return Experiment(title, command, setting, layers, runs)


def _run(entry: Any, layers: int, place: str) -> MeasuredRun:  # noqa: ANN401 - whatever JSON holds
    found = _mapping(entry, RUN_KEYS, place)
    gradients = _numbers(found["gradients"], f"{place}.gradients")
    if len(gradients) != layers:
        raise cs.InputError(f"{place}.gradients has {len(gradients)} numbers for {layers} layers")
    accuracies = _numbers(found["accuracies"], f"{place}.accuracies")
    if not all(0 <= share <= 1 for share in accuracies):
        raise cs.InputError(f"{place}.accuracies are shares from 0 to 1")
    return MeasuredRun(_words(found["name"], f"{place}.name"), gradients, accuracies)


def _mapping(found: Any, keys: tuple[str, ...], place: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(found, dict) or set(found) != set(keys):
        raise cs.InputError(f"{place}: not a mapping with the keys {', '.join(keys)}")
    return found


def _items(found: Any, place: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(found, list) or not 0 < len(found) <= MOST_POINTS:
        raise cs.InputError(f"{place}: not a list of 1 to {MOST_POINTS} entries")
    return found


def _words(found: Any, place: str) -> str:  # noqa: ANN401
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_WORDS:
        raise cs.InputError(f"{place}: not words of 1 to {LONGEST_WORDS} characters")
    return found


def _numbers(found: Any, place: str) -> tuple[float, ...]:  # noqa: ANN401
    numbers = _items(found, place)
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise cs.InputError(f"{place}: not a list of finite numbers")
    return tuple(float(n) for n in numbers)
