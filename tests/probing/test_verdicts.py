"""Planted faults: the layer that has one is named first, and a healthy network is not accused."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import convscope as cs  # noqa: E402
from convscope.probing.verdicts import VERDICTS  # noqa: E402
from probing import nets  # noqa: E402

GREY = nets.digits_like(1, 8, 32, 2)
COLOUR = nets.digits_like(3, 32, 8, 2)

NETWORKS = {
    "mlp": (nets.mlp, GREY),
    "cnn": (nets.cnn, GREY),
    "vgg": (lambda: nets.he(nets.VGG()), COLOUR),
    "resnet": (nets.ResNet, COLOUR),
    "functional": (nets.Functional, GREY),
}
SMOOTH = {
    "mlp of sigmoids": (lambda: nets.mlp(nn.Sigmoid), GREY),
    "cnn of sigmoids": (lambda: nets.cnn(nn.Sigmoid), GREY),
    "cnn of tanh": (lambda: nets.cnn(nn.Tanh), GREY),
    "functions": (lambda: nets.Functional(torch.sigmoid), GREY),
    "residual": (lambda: nets.ResNet(block=SigmoidBlock, zero=False), COLOUR),
}


class SigmoidBlock(nets.Block):
    def __init__(self, into, out, stride=1):
        super().__init__(into, out, stride, nn.Sigmoid)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def built(name, table=NETWORKS):
    make, data = table[name]
    return make(), data


def layers(model, *kinds):
    return [(name, m) for name, m in model.named_modules() if isinstance(m, kinds)]


def before_activations(model):
    """Layers with a bias that an activation reads directly."""
    if any(isinstance(m, nn.BatchNorm2d) for m in model.modules()):
        return [(n, m) for n, m in layers(model, nn.BatchNorm2d) if "downsample" not in n]
    return layers(model, nn.Conv2d, nn.Linear)[:-1]


def first(report):
    assert report.findings, "nothing was found"
    assert report.worst.name == report.findings[0].layer
    assert report[report.findings[0].layer].verdict == report.findings[0].verdict
    return report.findings[0]


# --- healthy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "kind"), [(4, "unit"), (32, "unit"), (16, "normal"), (32, "noise")])
@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (nets.mlp, 1),
        (lambda: nets.he(nets.mlp()), 1),
        (lambda: nets.he(nets.mlp(depth=20)), 1),
        (nets.cnn, 1),
        (lambda: nets.he(nets.VGG()), 3),
        (nets.ResNet, 3),
        (lambda: nets.ResNet().eval(), 3),
        (lambda: nets.ResNet(zero=False), 3),
        (lambda: nets.ResNet((2, 2), (32, 64), block=nets.Bottleneck), 3),
        (lambda: nets.cnn(nn.Tanh), 1),
        (lambda: nets.xavier(nets.mlp(nn.Tanh, 30)), 1),
        (lambda: nets.cnn(nn.Sigmoid), 1),
        (lambda: nets.cnn(nn.GELU), 1),
        (nets.Functional, 1),
        (nets.Encoder, 1),
        (nets.Recurrent, 1),
        (nets.Branched, 1),
    ],
)
def test_a_healthy_network_is_not_accused(make, channels, items, kind):
    data = nets.digits_like(
        channels, 32 if channels == 3 else 8, min(items, 12) if channels == 3 else items, kind=kind
    )
    report = cs.probe(make(), data)
    assert report.findings == ()
    assert report.worst is None
    assert {row.verdict for row in report} == {"healthy"}


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("name", NETWORKS)
def test_usual_learning_rates_are_not_accused(name, optimiser):
    model, data = built(name)
    lr = 0.1 if optimiser is torch.optim.SGD else 1e-3
    assert cs.probe(model, data, optimiser=optimiser(model.parameters(), lr=lr)).is_healthy


# --- planted faults ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_bias_far_below_zero_kills_the_units_behind_it(name, place):
    model, data = built(name)
    path, layer = at(before_activations(model), place)
    nn.init.constant_(layer.bias, -20.0)
    found = first(cs.probe(model, data))
    assert (found.layer, found.verdict, found.value) == (path, "dead", 1.0)


@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("name", SMOOTH)
def test_large_weights_before_a_sigmoid_saturate_it(name, place):
    model, data = built(name, SMOOTH)
    names = [entry for entry in before_activations(model) if entry[0] not in {"bn1"}]
    path, layer = at(names, place)
    with torch.no_grad():
        layer.weight.mul_(100)
    found = first(cs.probe(model, data))
    assert (found.layer, found.verdict) == (path, "saturating")
    assert found.value > 0.7


@pytest.mark.parametrize("spread", [None, 0.001, 0.01, 1.0])
@pytest.mark.parametrize("width", [32, 100])
def test_thirty_layers_of_tanh_without_xavier(spread, width):
    model = nets.mlp(nn.Tanh, 30, width)
    for _name, layer in layers(model, nn.Linear) if spread else ():
        nn.init.normal_(layer.weight, std=spread)
        nn.init.zeros_(layer.bias)
    found = first(cs.probe(model, GREY))
    assert (found.layer, found.verdict) == ("1", "saturating" if spread == 1 else "vanishing")


@pytest.mark.parametrize("name", [*NETWORKS, "encoder", "gru"])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_last_layer_of_zeros(name, with_bias):
    more = {"encoder": (nets.Encoder, GREY), "gru": (nets.Recurrent, GREY)}
    model, data = built(name, {**NETWORKS, **more})
    path, layer = layers(model, nn.Linear)[-1]
    nn.init.zeros_(layer.weight)
    if with_bias:
        nn.init.zeros_(layer.bias)
    found = first(cs.probe(model, data))
    assert (found.layer, found.verdict) == (path, "collapsed")


@pytest.mark.parametrize(("optimiser", "lr"), [("SGD", 0.1), ("SGD", 0.01), ("Adam", 1e-3), ("Adam", 1e-4)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_learning_rate_a_thousand_times_too_large(name, optimiser, lr):
    model, data = built(name)
    report = cs.probe(
        model, data, optimiser=getattr(torch.optim, optimiser)(model.parameters(), lr=1000 * lr)
    )
    found = first(report)
    assert found.rule.name == ("large_step" if optimiser == "SGD" else "large_scaled_step")
    assert found.verdict == "exploding"
    largest = max((row for row in report if row.update_ratio), key=lambda row: row.update_ratio)
    assert report[found.layer].update_ratio >= largest.update_ratio / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_a_learning_rate_too_large_for_one_layer_names_that_one(name):
    # A block that starts at zero gives its own layers no gradient yet, and so no step.
    model, data = built(name, {**NETWORKS, "resnet": (lambda: nets.ResNet(zero=False), COLOUR)})
    path, layer = at(layers(model, nn.Conv2d, nn.Linear), 0.5)
    ids = {id(p) for p in layer.parameters()}
    rest = [p for p in model.parameters() if id(p) not in ids]
    groups = [{"params": rest}, {"params": list(layer.parameters()), "lr": 1.0}]
    found = first(cs.probe(model, data, optimiser=torch.optim.Adam(groups, lr=1e-3)))
    assert (found.layer, found.verdict) == (path, "exploding")


@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("name", [*NETWORKS, "encoder"])
def test_a_nan_is_found_where_it_begins(name, place):
    model, data = built(name, {**NETWORKS, "encoder": (nets.Encoder, GREY)})
    path, layer = at(layers(model, nn.Conv2d, nn.Linear, nn.BatchNorm2d), place)
    with torch.no_grad():
        layer.weight.view(-1)[0] = math.nan
    report = cs.probe(model, data)
    assert report.first_non_finite == path.removesuffix(".out_proj")
    assert len(report.findings) == 1


def test_a_branch_that_is_cut_off():
    found = first(cs.probe(nets.Branched(is_cut=True), GREY))
    assert (found.layer, found.verdict, found.rule.name) == ("right.0", "vanishing", "cut_off")


@pytest.mark.parametrize("after", [2, 4, 8])
def test_a_chain_that_is_cut_names_the_last_layer_before_the_cut(after):
    class Cut(nn.Sequential):
        def forward(self, x):
            for n, layer in enumerate(self):
                x = layer(x).detach() if n == after else layer(x)
            return x

    report = cs.probe(Cut(*nets.mlp()), GREY)
    assert first(report).layer == str(after - 1)
    assert {row.name for row in report if row.rule == "cut_off"} == {str(n) for n in range(1, after, 2)}


@pytest.mark.parametrize("where", ["stages.1.1", "stages.2.0"])
def test_a_residual_branch_that_is_cut_off(where):
    class Cut(nets.Block):
        def forward(self, x):
            way = x if self.downsample is None else self.downsample(x)
            x = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(x)).detach() + way)

    model = nets.ResNet()
    model.get_submodule(where).__class__ = Cut
    assert first(cs.probe(model, COLOUR)).layer == f"{where}.bn2"


def test_units_that_start_equal_are_one():
    model = nets.mlp()
    nn.init.constant_(model[5].weight, 0.01)
    nn.init.zeros_(model[5].bias)
    found = first(cs.probe(model, GREY))
    assert (found.layer, found.rule.name) == ("5", "one_direction")


def test_nan_in_the_data_and_in_the_loss_are_no_layers():
    x, y = GREY[0]
    x = x.clone()
    x[0, 0, 0, 0] = math.nan
    report = cs.probe(nets.cnn(), [(x, y)])
    assert report.findings[0].layer == "(input)"
    assert report.worst.name == "0"
    report = cs.probe(nets.cnn(), GREY, lambda out, _: (out * 0).log().sum() * 0)
    assert report.findings[0].layer == "(loss)"


def test_exploding_weights_without_normalisation():
    model = nets.mlp(nn.ReLU, 30)
    for _name, layer in layers(model, nn.Linear):
        nn.init.normal_(layer.weight)
    assert first(cs.probe(model, GREY)).verdict == "exploding"


def at(entries, place):
    return entries[round(place * (len(entries) - 1))]


def test_every_rule_has_a_source_and_a_suggestion():
    for name, rule in VERDICTS.items():
        assert rule.name == name
        assert rule.source
        assert rule.suggestion
        assert rule.condition
    assert {rule.verdict for rule in VERDICTS.values()} == {
        "saturating", "dead", "vanishing", "exploding", "collapsed",
    }  # fmt: skip


def test_each_verdict_says_its_rule_and_threshold():
    model = nets.mlp()
    nn.init.constant_(model[3].bias, -20.0)
    row = cs.probe(model, GREY)["4"]
    assert (row.rule, row.threshold, row.value, row.because_of) == ("dead_units", 0.9, 1.0, "3")
    assert "LeakyReLU" in row.suggestion
