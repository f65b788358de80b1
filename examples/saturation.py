"""One network of ten convolutions three times: sigmoids, ReLUs, sigmoids with batch normalisation.

    python examples/saturation.py                          # a table, in some ten seconds
    python examples/saturation.py --out saturation.html    # a page with the gradient of each layer
    python examples/saturation.py --facts saturation.json  # the figures, which problem 1.3 (3) shows

Everything is seeded: data, weights, order. The data are scikit-learn's digits, 1797 pictures of 8×8
pixels, three quarters of them for training; nothing is fetched.
The extras ``torch`` and ``digits`` are needed.

One thread is used unless ``--threads`` says otherwise. Feature maps this small are not worth sharing, and
where another program wants a core too, two threads can be ten times slower than one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import convscope as cs
from convscope.core.document import Document, Finding, Paragraph, Plot, Section, Table, text
from convscope.core.plot import Axis, Chart, series
from convscope.core.plot_scale import figure
from convscope.show import Showable

LAYERS, CHANNELS, BATCH, RATE = 10, 16, 32, 0.003
EPOCHS = 9
PROBED = 256  # pictures on which gradients are measured
HALVED_AT = 4  # this convolution takes every second row and column
SEED = 0


@dataclass(frozen=True)
class Setting:
    """What differs between two runs: all else is the same."""

    name: str
    activation: type[nn.Module]
    is_normalised: bool = False


SETTINGS = (
    Setting("sigmoid", nn.Sigmoid),
    Setting("ReLU", nn.ReLU),
    Setting("sigmoid with BatchNorm", nn.Sigmoid, is_normalised=True),
)


def network(setting: Setting) -> nn.Sequential:
    """Ten convolutions with their activations, and a linear layer; the weights depend on the seed alone.

    Weights are drawn as suits the activation: He's way for ReLU, Xavier's for sigmoid.
    """
    torch.manual_seed(SEED)
    parts: dict[str, nn.Module] = {}
    channels = 1
    for number in range(1, LAYERS + 1):
        conv = nn.Conv2d(channels, CHANNELS, 3, padding=1, stride=2 if number == HALVED_AT else 1)
        if setting.activation is nn.ReLU:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        else:
            nn.init.xavier_normal_(conv.weight)
        nn.init.zeros_(conv.bias)
        parts[f"conv{number}"] = conv
        if setting.is_normalised:
            parts[f"norm{number}"] = nn.BatchNorm2d(CHANNELS)
        parts[f"act{number}"] = setting.activation()
        channels = CHANNELS
    parts["flatten"] = nn.Flatten()
    parts["linear"] = nn.Linear(CHANNELS * 4 * 4, 10)
    return nn.Sequential(OrderedDict(parts))


Pictures = tuple[torch.Tensor, torch.Tensor]


def digits() -> tuple[Pictures, Pictures]:
    """Pictures and their digits, for training and for testing."""
    found = load_digits()
    pictures = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16
    pictures = (pictures - pictures.mean()) / pictures.std()
    labels = torch.tensor(found.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED))
    first = len(labels) * 3 // 4
    train, test = order[:first], order[first:]
    return (pictures[train], labels[train]), (pictures[test], labels[test])


@dataclass(frozen=True)
class Run:
    """One network, trained.

    Attributes:
        name: of its setting.
        gradients: before the first step, the norm of the gradient of each convolution's parameters.
        trained_gradients: the same after the last step.
        accuracies: share of the test pictures that are told right, after each epoch.
        train_accuracy: of the training pictures, after the last.
        worst: the layer that `cs.probe` names first before training, with its verdict; None when all is well.
        seconds: for the training.
    """

    name: str
    gradients: tuple[float, ...]
    trained_gradients: tuple[float, ...]
    accuracies: tuple[float, ...]
    train_accuracy: float
    worst: tuple[str, str] | None
    seconds: float


def trained(setting: Setting, train: Pictures, test: Pictures, epochs: int) -> Run:
    """Train a network of this setting, and look at its gradients before and after."""
    model = network(setting)
    before = probed(model, train)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    generator = torch.Generator().manual_seed(SEED + 1)
    accuracies = []
    start = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for x, y in shuffled(train, generator):
            optimiser.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimiser.step()
        accuracies.append(accuracy(model, test))
    seconds = time.perf_counter() - start
    trained_accuracy = accuracy(model, train)
    model.train()
    after = probed(model, train)
    worst = before.worst
    return Run(
        setting.name,
        gradients(before),
        gradients(after),
        tuple(accuracies),
        trained_accuracy,
        None if worst is None else (worst.name, worst.verdict),
        seconds,
    )


def shuffled(pictures: Pictures, generator: torch.Generator) -> Iterator[Pictures]:
    """Batches in an order of their own for each epoch."""
    x, y = pictures
    for batch in torch.randperm(len(y), generator=generator).split(BATCH):
        yield x[batch], y[batch]


def accuracy(model: nn.Module, pictures: Pictures) -> float:
    """The share of pictures whose digit is told right."""
    x, y = pictures
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).double().mean())


def probed(model: nn.Module, pictures: Pictures) -> cs.ProbeReport:
    """What `cs.probe` measures on a few batches; the model is left as it was."""
    x, y = pictures
    batches = zip(x[:PROBED].split(BATCH), y[:PROBED].split(BATCH), strict=True)
    return cs.probe(model, batches, functional.cross_entropy)


def gradients(report: cs.ProbeReport) -> tuple[float, ...]:
    """The gradient of each convolution, the first one first."""
    return tuple(float(report[f"conv{number}"].gradient_norm or 0) for number in range(1, LAYERS + 1))


@dataclass(frozen=True)
class Experiment(Showable):
    """The runs side by side."""

    runs: tuple[Run, ...]
    epochs: int

    def facts(self) -> dict[str, object]:
        """The figures, for a file."""
        return {
            "title": "Ten convolutions on 8×8 digits",
            "command": f"python examples/saturation.py --epochs {self.epochs} --facts saturation.json",
            "setting": setting_words(self.epochs),
            "layers": [f"conv{number}" for number in range(1, LAYERS + 1)],
            "runs": [
                {
                    "name": run.name,
                    "gradients": [float(f"{value:.3e}") for value in run.gradients],
                    "accuracies": [round(value, 4) for value in run.accuracies],
                }
                for run in self.runs
            ],
        }

    def document(self) -> Document:
        """A table, and the gradient of each layer on a log axis."""
        names = tuple(f"conv{number}" for number in range(1, LAYERS + 1))
        axes = Axis("", categories=names), Axis("norm of the gradient of a layer's parameters", scale="log")
        before = Chart("Before training", *axes, tuple(series(run.name, run.gradients) for run in self.runs))
        after = Chart(
            "After training", *axes, tuple(series(run.name, run.trained_gradients) for run in self.runs)
        )
        learnt = Chart(
            "Test pictures told right",
            Axis("epoch"),
            Axis("share", least=0, most=1),
            tuple(series(run.name, run.accuracies, start=1) for run in self.runs),
        )
        heads = (
            "network",
            "gradient of conv1",
            f"of conv{LAYERS}",
            "test",
            "training",
            "named first",
            "seconds",
        )
        rows = tuple(
            (
                text(run.name),
                text(f"{run.gradients[0]:.1e}"),
                text(f"{run.gradients[-1]:.1e}"),
                text(f"{run.accuracies[-1]:.1%}"),
                text(f"{run.train_accuracy:.1%}"),
                text("–" if run.worst is None else f"{run.worst[0]}: {run.worst[1]}"),
                text(f"{run.seconds:.1f}"),
            )
            for run in self.runs
        )
        return Document(
            text("Ten convolutions with sigmoids and with ReLUs"),
            (
                Paragraph(text(setting_words(self.epochs))),
                Table(tuple(map(text, heads)), rows, "lrrrrlr"),
                Finding("result", text(self.told())),
                Section(text("Gradients by depth"), (Plot((before, after)),)),
                Section(text("What is learnt"), (Plot((learnt,)),)),
            ),
        )

    def told(self) -> str:
        """The result in a sentence."""
        told = (
            f"{run.name}: conv1's gradient is {figure(run.gradients[0] / run.gradients[-1], 2)} of "
            f"conv{LAYERS}'s, and {run.accuracies[-1]:.0%} of the test pictures are told right"
            for run in self.runs
        )
        return "; ".join(told) + "."


def setting_words(epochs: int) -> str:
    """What was run, so that it can be run again."""
    return (
        f"{LAYERS} convolutions of {CHANNELS} channels (3×3, padding 1, stride 2 at conv{HALVED_AT}), each "
        "with its activation, then one linear layer, on scikit-learn's digits; "
        f"Adam at {RATE}, batches of {BATCH}, {epochs} epochs, seed {SEED}. "
        f"Gradients are means over {PROBED // BATCH} batches of the cross-entropy's."
    )


def run(epochs: int = EPOCHS) -> Experiment:
    """The whole experiment."""
    train, test = digits()
    return Experiment(tuple(trained(setting, train, test, epochs) for setting in SETTINGS), epochs)


def main() -> None:
    """Run it as the options say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"times through the data ({EPOCHS})")
    parser.add_argument(
        "--threads", type=int, default=1, help="PyTorch's threads (1; more can be much slower)"
    )
    parser.add_argument("--out", type=Path, help="a page to write: .html, .pdf, .md, .tex or .txt")
    parser.add_argument("--facts", type=Path, help="a JSON file with the figures to write")
    given = parser.parse_args()
    if given.epochs < 1 or given.threads < 1:
        parser.error("--epochs and --threads are 1 or more")
    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(mode=True)
    found = run(given.epochs)
    sys.stdout.write(found.to_text())
    if given.out is not None:
        sys.stdout.write(f"wrote {found.save(given.out)}\n")
    if given.facts is not None:
        given.facts.write_text(
            json.dumps(found.facts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        sys.stdout.write(f"wrote {given.facts}\n")


if __name__ == "__main__":
    main()
